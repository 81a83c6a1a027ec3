"""A deal with every stage that a charter may do without, in virtual time: who talks, who is silent, and that it always
ends, alike for all."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from protocol import commands as ask
from protocol.deal.bundle import verify
from protocol.errors import CommandError
from tests.sim.faults import Faults
from tests.sim.safety import Safety
from tests.sim.town import Town
from tests.sim.world import TIMES

STAGES = TIMES | {"suggest_ms": 10_000, "final_ms": 10_000}
END_MS = 600_000


def talked(seed: int, faults: Faults | None = None, times: dict[str, int] = STAGES) -> Town:
    """Six members and three suppliers who use every stage: s1 suggests, members adopt, s1 has the last word."""
    town = Town(seed, faults=faults, times=times)
    suggested: dict[str, None] = {}

    def suggest(deal: dict[str, Any]) -> ask.Suggest | None:
        if "suggestions" not in [one["name"].partition("/")[0] for one in deal["questions"]] or "s1" in suggested:
            return None
        suggested["s1"] = None
        return ask.Suggest(deal["id"], "We are green.", {"renewable_percent": -3})

    town.acts["adopt"] = partial(_adopt, town)
    town.acts["final"] = lambda name, need: ask.Final(need["deal"], ((1, 15),)) if name == "s1" else None
    act = town.act

    def live() -> None:
        act()
        if town.world.nodes["s1"].engine is not None and "s1" not in town.silent:
            for deal in town.world.ask("s1", ask.AskDeals()):
                command = suggest(deal)
                if command is not None:
                    with suppress(CommandError):  # its time may be over where messages are slow
                        town.world.ask("s1", command)

    town.act = live  # type: ignore[method-assign]
    return town


def _adopt(town: Town, name: str, need: dict[str, Any]) -> ask.Adopt:
    said = town.world.ask(name, ask.AskTalk(need["deal"]))["suggestions"]
    return ask.Adopt(need["deal"], tuple(one["id"] for one in said))


def test_every_stage_of_the_talking() -> None:
    """NEG-76 to NEG-84: what s1 suggested is asked; its last word, below s0's first, is awarded; all end alike."""
    town = talked(1)
    safety = Safety(town.world)
    town.open()
    assert town.live(END_MS, town.agreed)
    coop = town.coops("m0")[0]
    assert (coop["supplier"], coop["unit_price_minor"]) == (town.world.nodes["s1"].persona.key, 15)
    asked = town.world.ask("m3", ask.AskTalk(coop["deal"]))
    assert asked["asked"]["weights_minor"]["renewable_percent"] == -3
    assert [one["adopted"] for one in asked["suggestions"]] == [True]
    town.live(30_000, lambda: False)
    assert town.converged() == []
    safety.check_views()


@pytest.mark.parametrize("silent", [("m0", "m1"), ("s1",), ("s0", "s1", "s2"), ("m2", "m3", "m4", "m5")])
def test_whoever_is_silent_it_ends(silent: tuple[str, ...]) -> None:
    """NEG-76, NEG-77, NEG-82: silence ends with its window. The silent hear, their nodes do their duty, nobody is at
    the keyboard from the request on.
    """
    town = talked(2)
    town.open()
    assert town.live(END_MS, lambda: any(one["deal"] for one in town.coops("m5")))
    for kind in ("adopt", "final", "counter", "reply"):
        answer = town.acts.get(kind)
        if answer is not None:
            town.acts[kind] = partial(_unless, silent, answer)
    town.silent |= dict.fromkeys(one for one in silent if one.startswith("s"))
    assert town.live(END_MS, town.settled)
    town.live(30_000, lambda: False)
    assert town.converged() == []


def _unless(silent: tuple[str, ...], answer: Any, name: str, need: dict[str, Any]) -> Any:
    return None if name in silent else answer(name, need)


@pytest.mark.parametrize("stage", ["asked", "suggested", "revealed"])
def test_the_negotiator_is_gone_for_ever(stage: str) -> None:
    """NEG-41: from the request on the talking needs no negotiator."""
    town = talked(64)
    town.open()

    def reached() -> bool:
        return any(deal["state"] == stage for deal in town.world.ask("s2", ask.AskDeals()))

    assert town.live(END_MS, reached)
    negotiator = town.coops("m2")[0]["negotiator"]
    gone = next(name for name in town.members if town.world.nodes[name].persona.key == negotiator)
    town.silent[gone] = None
    town.world.crash(gone)
    assert town.live(END_MS, town.settled)


@pytest.mark.parametrize(("floor", "expected"), [(14, 15), (16, 20), (0, 20)])
def test_a_counter_offer_is_taken_up_by_itself(floor: int, expected: int) -> None:
    """NEG-80, NEG-85: s0 quoted 20; asked for 15, its node goes there by itself, but not below its floor, and not
    where its supplier named none.
    """
    town = Town(3, times=STAGES)
    row, said = town.row, dict[str, None]()

    def bounded(price_minor: int) -> dict[str, str | int]:
        return row(price_minor) | {"floor_minor": floor}

    town.row = bounded  # type: ignore[method-assign]

    def counter(name: str, need: dict[str, Any]) -> ask.Counter | None:
        if said:
            return None
        said[name] = None
        return ask.Counter(need["deal"], town.world.nodes["s0"].persona.key, 15, 300)

    town.acts["counter"] = counter
    town.open()
    assert town.live(END_MS, town.agreed)
    coop = town.coops("m0")[0]
    assert (coop["supplier"], coop["unit_price_minor"]) == (town.world.nodes["s0"].persona.key, expected)
    talk = town.world.ask("s2", ask.AskTalk(coop["deal"]))
    assert [(one["price_minor"], one["quantity"]) for one in talk["counters"]] == [(15, 300)]


def test_messages_that_get_lost() -> None:
    """A tenth of all is lost and a tenth doubled: the same end at every node."""
    town = talked(7, Faults(latency_ms=(5, 400), loss=0.1, duplicate=0.1))
    town.open()
    assert town.live(END_MS, town.settled)
    assert town.live(180_000, lambda: town.converged() == [])


def test_every_window_at_once_to_the_delivery() -> None:
    """NEG-76, NEG-82, NEG-91, NEG-114: with a lease, and one who declines; the bundle holds, and all end alike."""
    windows = {"answer_ms": 10_000, "repair_ms": 10_000, "lease_ms": 60_000, "renew_ms": 10_000}
    town = talked(2, times=STAGES | windows)
    town.acts["repair"] = lambda name, need: ask.Repair(need["deal"]) if name == "m4" else None
    safety = Safety(town.world)
    town.open()
    assert town.live(END_MS, town.agreed)
    coop = town.coops("m0")[0]
    seller = "s1"
    assert coop["supplier"] == town.world.nodes[seller].persona.key
    for deal in town.world.ask(seller, ask.AskDeals()):
        for row in deal["accounts"]:
            town.world.ask(seller, ask.Report(deal["id"], "deliver", row["member"], row["owed"]))
    assert town.live(60_000, lambda: town.coops("m1")[0]["state"] == "delivered")
    found = verify(town.world.ask("m1", ask.AskBundle(coop["id"]))["bundle"])
    assert [found.deal.state, len(found.deal.adopted)] == ["delivered", 1]
    town.live(30_000, lambda: False)
    assert town.converged() == []
    safety.check_views()
