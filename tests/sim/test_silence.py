"""Whoever falls silent in a deal, and whenever: everybody else comes to one end in time, and is told in words why.

Members, founders, witnesses and negotiators who leave are in test_stages; here are the others (09-accountability,
AGR-21 and AGR-22).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocol import commands as ask
from protocol.deal.life import DEAL_TERMINAL
from protocol.events import Event, RecordReceived
from protocol.params import STUCK_MS
from tests.sim.safety import Safety
from tests.sim.test_stages import END_MS, reached
from tests.sim.town import Town
from tests.sim.world import TIMES

DEAL_STAGES = ("asked", "quoted", "revealed", "awarded", "agreed", "countersigned")


def leave(town: Town, *names: str) -> None:
    """Gone for ever."""
    for name in names:
        town.silent[name] = None
        town.world.crash(name)


def cheapest(town: Town) -> str:
    """The supplier that will be awarded."""
    return town.suppliers[0]


def ended(town: Town, safety: Safety) -> dict[str, list[str]]:
    """All who are up agree on an end, in time; what each is told, by the state that they see."""
    up = [name for name in town.members if name not in town.silent]

    def over() -> bool:
        rows = [one for name in up for one in town.coops(name)]
        return bool(rows) and all(one["state"] in DEAL_TERMINAL for one in rows)

    assert town.live(END_MS, over), {name: town.coops(name) for name in up}
    town.live(20_000, lambda: False)
    assert town.converged() == []
    safety.check_views()
    safety.check_disks()
    found: dict[str, list[str]] = {}
    for name in up:
        for one in town.coops(name):
            assert one["says"], (name, one["state"])
            found.setdefault(one["state"], []).append(" ".join(one["says"]))
    assert len(found) == 1, found
    return found


def run(town: Town, stage: str, gone: Callable[[Town], list[str]]) -> tuple[str, str]:
    """(end, what a member is told) when these leave at this stage."""
    safety = Safety(town.world)
    town.open()
    assert town.live(END_MS, reached(town, "m0", stage))
    leave(town, *gone(town))
    ((state, told),) = ended(town, safety).items()
    return state, told[0]


@pytest.mark.parametrize("stage", ["asked", "revealed", "agreed", "countersigned"])
def test_the_awarded_supplier_falls_silent(stage: str) -> None:
    """AGR-2, AGR-6, AGR-21: before it quoted another gets the award; afterwards it is a default, or it stands."""
    town = Town(81)
    state, told = run(town, stage, lambda town: [cheapest(town)])
    key = town.world.nodes[cheapest(town)].persona.key.hex()[:8]
    if state == "defaulted":
        assert f"{key} did not countersign" in told
        assert stage in DEAL_STAGES[:5]  # at "asked" it may have quoted already
    else:
        assert state == "countersigned"
        assert "Agreed" in told


def test_every_supplier_falls_silent_before_and_after_the_quotations() -> None:
    """AGR-21: nobody quotes; or nobody signs. Their reveal is not theirs to withhold."""
    town = Town(82)
    town.suppliers = town.suppliers[:2]
    state, told = run(town, "mandated", lambda town: ["s0", "s1", "s2"])
    assert (state, "No supplier quoted" in told) == ("void", True)
    town = Town(82)
    state, told = run(town, "revealed", lambda town: town.suppliers)
    assert state == "defaulted"
    assert "the quotation binds" in told.lower()


def test_all_members_fall_silent_at_the_award() -> None:
    """NEG-52, AGR-21: no rung stands, and each is told who said nothing."""
    town = Town(83)
    town.acts["commit"] = lambda name, need: None
    safety = Safety(town.world)
    town.open()
    ((state, told),) = ended(town, safety).items()
    assert state == "void"
    assert "said nothing" in told[0]
    assert "free" in told[0]


def a_ladder(town: Town, enough: int) -> None:
    """Every supplier takes a fifth off from this quantity on."""
    base = town.row

    def rows(price_minor: int) -> tuple[dict[str, str | int], ...]:
        return base(price_minor), base(price_minor - 4) | {"min_qty": enough, "line": 2}

    for number, name in enumerate(town.suppliers):
        terms = ("basic",) if number < len(town.suppliers) - 1 else ()
        town.world.ask(name, ask.SetPrices("electricity", "any", name, rows(20 + number), terms, {}))


@pytest.mark.parametrize("steps_in", [True, False])
def test_a_rung_falls_and_one_steps_in_or_nobody_does(steps_in: bool) -> None:
    """NEG-110 to NEG-114: six members reach the low price; one declines, and thinks again or does not."""
    town = Town(84, times=TIMES | {"repair_ms": 15_000})
    asked: list[dict[str, Any]] = []

    def repair(name: str, need: dict[str, Any]) -> object:
        asked.append(need)
        return ask.Repair(need["deal"]) if steps_in and name in town.declining else None

    town.acts["repair"] = repair
    safety = Safety(town.world)
    town.open()
    a_ladder(town, 1_800)
    ((state, told),) = ended(town, safety).items()
    assert state == "countersigned"
    assert asked
    assert "needs 1800 units" in asked[0]["says"]
    assert {one["unit_price_minor"] for one in town.coops("m0")} == {16 if steps_in else 20}
    assert told


def detail(town: Town) -> dict[str, Any]:
    """The deal as m0's node shows it."""
    found: dict[str, Any] = town.world.ask("m0", ask.AskCoop(town.coops("m0")[0]["id"]))["deal_detail"]
    return found


@pytest.mark.parametrize("delivers", [0, 300, 18_000])
def test_what_was_delivered_when_the_term_ends(delivers: int) -> None:
    """AGR-4, AGR-18, AGR-19: nothing, a month, or all of five years: each has its end, and the poll its outcome."""
    town = Town(85, times=TIMES | {"retention_ms": 300_000, "renew_ms": 60_000})
    town.acts["renewal"] = lambda name, need: ask.AnswerRenewal(need["deal"], "renew")
    safety = Safety(town.world)
    town.open()
    assert town.live(END_MS, town.agreed)
    row = next(one for one in town.world.ask("s0", ask.AskDeals()) if one["agreements"])
    for member, _ in row["shares"] if delivers else ():
        town.world.ask("s0", ask.Report(row["id"], "deliver", member, delivers))
    leave(town, "s0")
    end = "delivered" if delivers == 18_000 else "ended"
    assert town.live(END_MS, lambda: len(detail(town)["renewals"]) == 5)
    ((state, told),) = ended(town, safety).items()
    assert state == end
    if end == "ended":
        assert "got less than was owed" in told[0]
    assert [one["got"] for one in detail(town)["accounts"]] == [delivers] * 5
    assert [one["answer"] for one in detail(town)["renewals"]] == ["renew"] * 5
    assert "5 renew" in told[0]


def not_signed_yet(sender: str, receiver: str, event: Event) -> list[Event]:
    """No vote on who countersigned has arrived anywhere."""
    record = event.record if isinstance(event, RecordReceived) else None
    vote = record is not None and record.kind == "vote.1" and record.body["question"].startswith("signatures")
    return [] if vote else [event]


@pytest.mark.parametrize("stage", ["gathering", "counting", "agreed"])
def test_more_than_f_witnesses_fall_silent(stage: str) -> None:
    """FRM-21, AGR-21: nothing is decided any more; after two weeks it is shown as over, and everybody is free."""
    town = Town(86)
    town.open()
    deliver, town.world.tamper = town.world.tamper, not_signed_yet  # a supplier's node signs within one look
    assert town.live(END_MS, reached(town, "m0", stage))
    assert town.coops("m0")[0]["state"] == stage
    town.world.tamper = deliver
    coop = town.world.ask("m0", ask.AskCoop(town.coops("m0")[0]["id"]))
    names = {node.persona.key: name for name, node in town.world.nodes.items()}
    witnesses = [names[one] for one in coop["charter"]["witnesses"] if names[one] != "m0"]
    town.acts = {}
    leave(town, *witnesses[:3])
    town.live(60_000, lambda: False)
    assert town.coops("m0")[0]["state"] not in DEAL_TERMINAL
    town.world.now += STUCK_MS
    for name in [one for one in town.members if one not in town.silent]:
        (one,) = town.coops(name)
        assert one["state"] == "void"
        assert "Too few witnesses" in one["says"][0]
        assert "free" in one["says"][1]


def test_the_relay_falls_silent_and_another_carries_on() -> None:
    """AGR-21: with a second relay nobody notices."""
    town = Town(87, relays=("relay", "other"))
    safety = Safety(town.world)
    town.open()
    assert town.live(END_MS, reached(town, "m0", "asked"))
    town.world.crash("relay")
    ((state, _),) = ended(town, safety).items()
    assert state == "countersigned"
