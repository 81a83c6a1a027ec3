"""The whole path in virtual time, between named peers: what each stage amounts to, at every node alike."""

from __future__ import annotations

from functools import partial

import pytest

from protocol import commands as ask
from protocol.coop.charter import charter_hash
from protocol.coop.decision import Council
from protocol.events import Event, MessageReceived
from protocol.network.gossip import Subscribe, parse_message
from tests.sim.faults import Faults
from tests.sim.town import Town


def test_from_would_like_to_an_agreement_and_what_it_does_to_trust() -> None:
    """Six members, three suppliers, one refused, one declining: an agreement, attested both ways."""
    town = Town(seed=1)
    town.open()
    supplier = town.world.nodes["s0"].persona.key
    before = {name: town.world.ask(name, ask.AskStanding(supplier, "supplier"))["standing"] for name in town.members}
    assert set(before.values()) == {0.0}
    assert town.live(300_000, town.agreed)
    coop = town.coops("m0")[0]
    detail = town.world.ask("m1", ask.AskCoop(coop["id"]))
    deal = detail["deal_detail"]
    assert deal["refused"] == [[town.world.nodes["s2"].persona.key, "NEG-23"]]
    assert [one["reason"] for one in deal["commitments"] if one["answer"] == "decline"] == ["found-better"]
    assert len(deal["shares"]) == 5
    assert coop["unit_price_minor"] == 20
    town.live(30_000, lambda: False)
    for subject, role in ((deal["award"]["parts"][0]["supplier"], "supplier"), (deal["negotiator"], "negotiator")):
        observer = next(name for name in ("m2", "m4") if town.world.nodes[name].persona.key != subject)
        assert town.world.ask(observer, ask.AskStanding(subject, role))["standing"] > before[observer]
    town.live(20_000, lambda: False)
    assert town.converged() == []
    assert all(not node.rejected for node in town.world.nodes.values())


def test_same_seed_same_trace() -> None:
    """A run is a function of its seed."""

    def trace(seed: int) -> list[tuple[int, str, str]]:
        town = Town(seed, members=4, suppliers=1, faults=Faults(loss=0.1, duplicate=0.1))
        town.open()
        town.live(60_000, lambda: False)
        return town.world.trace

    assert trace(3) == trace(3)
    assert trace(3) != trace(4)


def test_nobody_quotes_and_the_coop_ends_void() -> None:
    """No supplier at all: the box closes empty, and that is an end too."""
    town = Town(seed=2, members=4, suppliers=0)
    town.open()
    assert town.live(300_000, town.settled)
    assert [one["state"] for one in town.coops("m0")] == ["void"]


def test_a_dark_negotiator_is_replaced() -> None:
    """The first in line never asks for quotations; the second does."""
    town = Town(seed=5)
    town.open()
    dark: list[str] = []

    def rfq(name: str, need: dict[str, bytes]) -> object:
        if not dark:
            dark.append(name)
        return None if name in dark else ask.OpenRfq(need["coop"])

    town.acts["rfq"] = rfq
    assert town.live(400_000, town.agreed)
    coop = town.coops("m2")[0]
    assert coop["term"] == 2
    assert coop["negotiator"] != town.world.nodes[dark[0]].persona.key


def test_a_witness_killed_in_the_election_catches_up() -> None:
    """kill -9 of a witness while ballots are open; it has signed nothing twice, and ends with the same digest."""
    town = Town(seed=6)
    town.open()
    assert town.live(200_000, lambda: any(one["state"] == "balloting" for one in town.coops("m5")))
    victim = next(name for name in ("m2", "m3", "m4") if town.coops(name)[0]["witness"])
    town.world.crash(victim)
    town.live(3_000, lambda: False)
    town.world.start(victim)
    assert town.live(300_000, town.agreed)
    town.live(20_000, lambda: False)
    assert town.converged() == []


def _kill_the_proposer(town: Town, dead: list[str], name: str, need: dict[str, bytes]) -> object:
    charter = next(one for one in town.world.nodes[name].records.values() if one.kind == "charter.1")
    council = Council(tuple(charter.body["witnesses"]), charter_hash(charter.author, charter.body))
    first = council.proposer("deal/1", 0)
    victim = next(one for one in town.members if town.world.nodes[one].persona.key == first)
    dead.append(victim if victim != name else "")
    if victim != name:
        town.world.crash(victim)
    return ask.OpenRfq(need["coop"])


def test_quotations_count_although_a_dead_witness_delays_the_request() -> None:
    """DEC-15: who should propose the box of requests is dead, so it is decided after the quotations' time has ended."""
    dead: list[str] = []
    for seed in range(15, 30):
        town = Town(seed)
        town.open()
        town.acts["rfq"] = partial(_kill_the_proposer, town, dead)
        assert town.live(600_000, lambda: bool(dead))
        if dead != [""]:
            break
        dead.clear()  # it was the negotiator's own turn
    alive = next(one for one in town.members if one not in dead)
    assert town.live(600_000, lambda: town.coops(alive)[0]["terminal"])
    assert town.coops(alive)[0]["state"] == "countersigned"


def equal(town: Town) -> bool:
    """Whether no two nodes differ on a scope."""
    return town.converged() == []


@pytest.mark.parametrize("inline_max", [3, 200])
def test_loss_and_duplication_change_nothing_in_the_end(inline_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of all messages lost, a tenth doubled, groups computed on the spot or by a worker: it all ends, alike."""
    monkeypatch.setattr("protocol.engine.coop.board.FORM_INLINE_MAX", inline_max)
    monkeypatch.setattr("protocol.engine.coop.board.FORM_CHANGES_MAX", inline_max)
    for seed in (7, 10, 11):
        town = Town(seed, faults=Faults(latency_ms=(5, 400), loss=0.1, duplicate=0.1))
        town.open()
        assert town.live(600_000, town.settled), seed
        assert town.live(60_000, partial(equal, town)), seed


def test_a_lost_subscription_is_made_good() -> None:
    """GOS-4: no `subscribe` ever arrives; reconciliation counts as one, or nobody would carry anything."""
    town = Town(seed=12)

    def lose(sender: str, receiver: str, event: Event) -> list[Event]:
        lost = isinstance(event, MessageReceived) and isinstance(parse_message(event.message), Subscribe)
        return [] if lost else [event]

    town.world.tamper = lose
    town.open()
    assert town.live(400_000, town.agreed)
    assert town.live(60_000, partial(equal, town))
