"""Who leads a deal that goes on: a negotiator gone dark, recalled, or back; witnesses whose clocks differ."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from protocol import commands as ask
from protocol.coop.coop import Coop
from protocol.coop.term import Term, enders, lease_due
from protocol.deal.counter import counter_slot
from protocol.deal.term import Terms, terms_of
from protocol.engine.deal.bettering import counters
from protocol.errors import CommandError
from protocol.events import Event
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.sim.safety import Safety, Violation
from tests.sim.town import Town
from tests.sim.world import NETWORK, TIMES, Node, RawReceived, opened, said

LEASE_MS = 36_000
SLOW = {"quote_ms": 200_000, "retention_ms": 86_400_000}  # a deal long enough for its negotiator to be missed
END_MS = 600_000


def dealing(seed: int, lease_ms: int = LEASE_MS) -> tuple[Town, str, Safety]:
    """A town whose request was certified a moment ago, and who negotiates."""
    times = TIMES | SLOW | ({"lease_ms": lease_ms} if lease_ms else {})
    town = Town(seed, times=times)
    safety = Safety(town.world)
    town.open()
    assert town.live(END_MS, lambda: all(view(town, one) is not None for one in town.members))
    assert town.live(END_MS, lambda: all(state(town, one) == "dealing" for one in town.members))
    return town, name_of(town, coop(town, "m0").negotiator), safety


def view(town: Town, name: str) -> Coop | None:
    """The co-op that a member's own node reads."""
    engine, settings = town.world.nodes[name].engine, town.world.nodes[name].settings
    if engine is None:
        return None
    found = [one.coop(settings) for one in engine._core.contexts.values() if one.family == "coop"]
    return next((one for one in found if one is not None and one.members), None)


def coop(town: Town, name: str) -> Coop:
    found = view(town, name)
    assert found is not None
    return found


def state(town: Town, name: str) -> str:
    found = view(town, name)
    return found.state if found is not None else ""


def name_of(town: Town, key: bytes) -> str:
    return next(name for name in town.members if town.world.nodes[name].persona.key == key)


def terms(town: Town, name: str) -> Terms:
    """Who negotiates the deal, as one node can tell from its scope alone."""
    engine = town.world.nodes[name].engine
    assert engine is not None
    deals = [one for one in engine._core.contexts.values() if one.family == "deal"]
    context, deal = next((one, found) for one in deals if (found := one.deal(engine._core.settings)) is not None)
    return terms_of(context.log, deal.rfq, deal.mandate, NETWORK)


def led_by_the_second(town: Town, but: str) -> bool:
    """Whether everybody but one knows of term 2."""
    return all(len(terms(town, one)) == 2 for one in (*town.members, *town.suppliers) if one != but)


def test_a_negotiator_gone_dark_after_the_request_is_replaced_for_the_same_deal() -> None:
    """ELE-43 to ELE-46: suppliers learn it too, the deal comes to its end, and the digests are equal."""
    town, gone, safety = dealing(64)
    deal = terms(town, "s0")[0].deal
    town.silent[gone] = None
    town.world.crash(gone)
    assert town.live(4 * LEASE_MS, partial(led_by_the_second, town, gone))
    other = next(one for one in town.members if one != gone)
    second = coop(town, other)
    assert (second.state, second.term, second.negotiator) == ("dealing", 2, second.line[1])
    assert [one.deal for one in terms(town, "s0")] == [deal, deal]
    assert town.live(END_MS, town.settled)
    assert town.coops(other)[0]["state"] == "countersigned"
    town.live(20_000, lambda: False)
    assert town.converged() == []
    safety.check_views()


def test_without_leases_a_dark_negotiator_stays() -> None:
    """ELE-40: the control; this charter has no leases."""
    town, gone, _ = dealing(64, lease_ms=0)
    town.silent[gone] = None
    town.world.crash(gone)
    town.live(4 * LEASE_MS, lambda: False)
    other = next(one for one in town.members if one != gone)
    assert (coop(town, other).term, len(terms(town, other))) == (1, 1)


def test_a_negotiator_who_is_there_keeps_the_lease() -> None:
    """ELE-41: heartbeats and leases cost few records, and after the deal they stop."""
    town, _, _ = dealing(65)
    town.live(4 * LEASE_MS, lambda: False)
    assert coop(town, "m0").term == 1
    assert town.live(END_MS, town.settled)
    town.live(3 * LEASE_MS, lambda: False)
    records = [one for one in town.world.nodes["m0"].records.values() if one.kind in ("heartbeat.1", "lease.1")]
    assert records
    assert max(one.header.created for one in records) < town.world.now - 2 * LEASE_MS
    assert not said(town.world.nodes["m0"], "end.1")


def test_a_stale_negotiator_wakes_up_and_finds_itself_replaced() -> None:
    """ELE-46 to ELE-48: it knows at once, its node says no more for the old term, and acts of that term are void."""
    town, gone, safety = dealing(64)
    town.silent[gone] = None
    town.world.crash(gone)
    assert town.live(4 * LEASE_MS, partial(led_by_the_second, town, gone))
    town.world.start(gone)
    del town.silent[gone]
    assert town.live(20_000, lambda: len(terms(town, gone)) == 2)
    woke = town.world.now
    town.live(2 * LEASE_MS, lambda: False)
    key = town.world.nodes[gone].persona.key
    beats = [one for one in town.world.nodes["m0"].records.values() if (one.kind, one.author) == ("heartbeat.1", key)]
    assert all(one.header.created <= woke and one.body["term"] == 1 for one in beats)
    assert coop(town, gone).negotiator == coop(town, gone).line[1]
    with pytest.raises(CommandError, match="NEG-40"):
        town.world.ask(gone, ask.OpenRfq(coop(town, gone).hash[:16]))
    safety.check_views()


def acts(town: Town, name: str, by: str) -> list[int]:
    """The prices of counter-offers by one negotiator that stand for a node."""
    engine = town.world.nodes[name].engine
    assert engine is not None
    deals = [one for one in engine._core.contexts.values() if one.family == "deal"]
    context, deal = next((one, found) for one in deals if (found := one.deal(engine._core.settings)) is not None)
    key = town.world.nodes[by].persona.key
    return [one.body["price_minor"] for one in counters(engine._core, context, deal) if one.author == key]


def act(town: Town, by: str, supplier: str, term: int) -> None:
    """A negotiator says under a term at which price it would close, whatever its own node thinks of that."""
    node, key = town.world.nodes[by], town.world.nodes[supplier].persona.key
    rfq = next(one for one in node.records.values() if one.kind == "rfq.1")
    body = {"rfq": rfq.id, "term": term, "supplier": key, "price_minor": 19, "quantity": 1_800, "text": ""}
    slot, now = Slot("once", counter_slot(key), 0), town.world.now
    one = Record.sign(
        node.persona, NETWORK, "counter.1", rfq.scope, body, created=now, expires=rfq.header.expires, slot=slot
    )
    town.world.post(by, "relay", RawReceived(one.raw, by))
    town.world.run(2_000)


def test_a_stale_negotiator_who_acts_is_heard_by_nobody() -> None:
    """ELE-47, ELE-48: what it said in its term stood, and stands no more; what it says now is nothing, in any term."""
    town, gone, safety = dealing(64)
    safety.hostile = tuple(town.members)  # who acts here does so behind its own node's back
    other = next(one for one in town.members if one != gone)
    act(town, gone, "s0", 1)
    assert [acts(town, one, gone) for one in ("s0", "s1", other)] == [[19]] * 3  # the control: in its own term
    town.silent[gone] = None
    town.world.crash(gone)
    assert town.live(4 * LEASE_MS, partial(led_by_the_second, town, gone))
    town.world.start(gone)
    act(town, gone, "s1", 1)
    act(town, gone, "s2", 2)
    assert [acts(town, one, gone) for one in ("s0", "s1", other, gone)] == [[]] * 4
    second = name_of(town, coop(town, other).negotiator)
    act(town, second, "s1", 2)
    assert [acts(town, one, second) for one in ("s0", "s1", other, gone)] == [[19]] * 4


@pytest.mark.parametrize(("voices", "ends"), [(3, False), (4, True)])
def test_a_recall_takes_more_than_half(voices: int, ends: bool) -> None:
    """ELE-42: four of six end a term at once; three are the control."""
    town, cheat, safety = dealing(66)
    found = coop(town, cheat)
    others = [one for one in town.members if one != cheat]
    for name in others[:voices]:
        reply = town.world.ask(name, ask.Recall(found.hash[:16], "conflict", "The supplier is a cousin."))
        town.world.run(500)
    assert (reply["said"] >= reply["needed"]) is ends
    assert town.live(LEASE_MS // 2, partial(led_by_the_second, town, "")) is ends
    detail = town.world.ask(others[0], ask.AskCoop(found.hash[:16]))
    assert (detail["term"], len(detail["recalls"])) == ((2, 0) if ends else (1, 3))
    assert town.live(END_MS, town.settled)
    safety.check_views()


def test_a_recall_before_the_request() -> None:
    """ELE-42: witnesses vouch for no request of whoever was recalled; its box closes empty, and the next is asked."""
    town = Town(67)
    town.open()
    cheat: list[str] = []

    def late(name: str, need: dict[str, bytes]) -> object:
        if not cheat:
            cheat.append(name)
            for other in [one for one in town.members if one != name][:4]:
                town.world.ask(other, ask.Recall(need["coop"], "silent"))
            town.world.run(2_000)
        return ask.OpenRfq(need["coop"])

    town.acts["rfq"] = late
    assert town.live(END_MS, town.agreed)
    assert town.coops("m3")[0]["term"] == 2
    assert name_of(town, coop(town, "m3").negotiator) != cheat[0]


# Clocks


class Fencing:
    """Watches that no witness leases a term of which it has said that it is over (ELE-43)."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.ended: dict[tuple[bytes, int], None] = {}
        town.world.watchers.append(self.stored)

    def stored(self, node: Node, record: Record, own: bool, event: Event) -> None:
        record = opened(node, record)
        if own and record.kind in ("end.1", "lease.1"):
            at = record.author, record.body["term"]
            if record.kind == "lease.1" and at in self.ended:
                raise Violation("no lease after the end", node.name, self.town.world.seed)
            if record.kind == "end.1":
                self.ended[at] = None


def skewed(seed: int) -> tuple[Town, str]:
    """Witnesses whose clocks go eight minutes apart, some thirteen leases, while the negotiator comes and goes."""
    town, negotiator, _ = dealing(seed)
    Fencing(town)
    found = coop(town, "m0")
    witnesses = [name_of(town, key) for key in found.council.witnesses]
    for name, minutes in zip(witnesses, (-4, -1, 2, 4), strict=True):
        if name != negotiator:
            town.world.nodes[name].skew_ms = minutes * 60_000
    for _ in range(3):
        town.world.crash(negotiator, down_ms=LEASE_MS)
        town.silent[negotiator] = None
        town.live(LEASE_MS + 5_000, lambda: False)
        town.silent.pop(negotiator)
        town.live(5_000, lambda: False)
    return town, negotiator


@pytest.mark.parametrize("seed", [68, 69])
def test_skewed_clocks_give_nobody_two_negotiators(seed: int) -> None:
    """ELE-43, ELE-48: whatever clocks say, each term has one mandate, and all end up with the same latest one."""
    town, _ = skewed(seed)
    town.live(20_000, lambda: False)
    said: dict[int, bytes] = {}
    for name in (*town.members, *town.suppliers):
        found = terms(town, name)
        assert [one.term for one in found] == list(range(1, len(found) + 1))
        for one in found:
            assert said.setdefault(one.term, one.to_bytes()) == one.to_bytes()
    assert len({len(terms(town, name)) for name in town.members}) == 1


def test_without_the_rule_a_witness_says_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """ELE-43: the control; a witness that forgets what it said of the end leases on."""

    def forgetful(decide: Callable[..., int | None]) -> Callable[..., int | None]:
        def due(log: Log, council: object, witness: bytes, term: Term, now: int) -> int | None:
            with monkeypatch.context() as patch:
                patch.setattr("protocol.coop.term.enders", lambda *anything: ())
                return decide(log, council, witness, term, now)

        return due

    assert enders is not None
    monkeypatch.setattr("protocol.engine.coop.lease.lease_due", forgetful(lease_due))

    def run() -> None:
        for seed in range(68, 74):
            skewed(seed)

    with pytest.raises(Violation, match="no lease after the end"):
        run()
