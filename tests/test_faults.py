"""Who signed twice is shown to all, once, and is no witness of a new co-op (07-election, ELE-54 to ELE-56; ATT-7)."""

from __future__ import annotations

from typing import Any

import pytest

from node import inspect
from protocol import commands as ask
from protocol.errors import CommandError
from protocol.events import RecordReceived
from protocol.identity import Persona
from protocol.params import FAULTS_SHOWN_MAX
from protocol.record.log import Log
from protocol.record.record import FaultProof, Record, Slot
from protocol.trust.accountability import fault_in, fault_slot, trust_scope
from tests.deals import LIFE_MS, NETWORK, START_MS, Handmade, blank_ballot, persona
from tests.sim.adversary import Adversaries
from tests.sim.town import Town
from tests.stages import Desk, at

LIAR, TELLER = persona("liar"), persona("teller")
SCOPE = "coop/a"


def say(who: Persona, kind: str, scope: str, body: dict[str, Any], slot: str, mode: str = "once") -> Record:
    where = Slot(mode, slot, 0)
    return Record.sign(who, NETWORK, kind, scope, body, created=START_MS, expires=START_MS + LIFE_MS, slot=where)


def ballot(number: int, who: Persona = LIAR, slot: str = "ballot/a") -> Record:
    return say(who, "ballot.1", SCOPE, blank_ballot(bytes([number]) * 32), slot)


def proof(slot: str = "ballot/a") -> FaultProof:
    return FaultProof.of(ballot(1, slot=slot).header, ballot(2, slot=slot).header)


def shown(first: bytes, second: bytes, slot: str = "") -> Record:
    """A `fault.1` of whatever is given."""
    body = {"first": first, "second": second}
    return say(TELLER, "fault.1", trust_scope(LIAR.key), body, slot or fault_slot(proof()))


def test_a_log_knows_who_signed_twice() -> None:
    """REC-15, ELE-54: one proof for each slot, whatever the order, and none when the second is gone."""
    one, two, three = (ballot(number) for number in (1, 2, 3))
    other = ballot(1, slot="ballot/b")
    for order in ((one, two, three, other), (other, three, two, one)):
        log = Log(SCOPE)
        for record in order:
            log.add(record)
        held = sorted((one, two, three), key=lambda record: record.id)
        assert log.faults() == [FaultProof.of(held[0].header, held[1].header)]
    log.discard(one.id)
    log.discard(two.id)
    assert log.faults() == []


GOOD = (ballot(1).header.proof(), ballot(2).header.proof())
LIES: list[tuple[str, Record]] = [
    ("the same twice", shown(GOOD[0], GOOD[0])),
    ("of two slots", shown(GOOD[0], ballot(2, slot="ballot/b").header.proof())),
    ("of two authors", shown(GOOD[0], ballot(2, TELLER).header.proof())),
    ("a forged header", shown(GOOD[0], GOOD[1][:-1] + bytes([GOOD[1][-1] ^ 1]))),
    ("junk", shown(GOOD[0], b"junk")),
    ("whole records", shown(ballot(1).raw, ballot(2).raw)),
    ("in another's slot", shown(*GOOD, slot=fault_slot(proof("ballot/b")))),
]


def test_what_a_fault_proves() -> None:
    """ATT-7: in either order the same."""
    assert fault_in(shown(*GOOD), NETWORK) == fault_in(shown(*GOOD[::-1]), NETWORK) == proof()
    assert fault_in(shown(*GOOD), bytes(32)) is None


@pytest.mark.parametrize("record", [one for _, one in LIES], ids=[name for name, _ in LIES])
def test_what_proves_nothing(record: Record) -> None:
    """ATT-7"""
    assert fault_in(record, NETWORK) is None


def test_inspect_says_whether_it_proves_anything() -> None:
    """ATT-7, CLI-9"""
    notes = inspect.inspect(shown(*GOOD).raw, NETWORK, START_MS)["notes"]
    assert any("signed twice as ballot.1" in note for note in notes)
    notes = inspect.inspect(LIES[0][1].raw, NETWORK, START_MS)["notes"]
    assert any("proves nothing" in note for note in notes)


# Whose turn it is


def doubled(**settings: Any) -> tuple[Handmade, Record, Desk]:
    """m1's node at the ballots, and the second ballot that m2 signs."""
    made = Handmade(members=5, witnesses=4)
    desk = at(made, "elected", made.members[1], **settings)
    first = next(one for one in made.records if (one.kind, one.author) == ("ballot.1", made.members[2].key))
    slot = first.header.slot
    assert slot is not None
    other = dict(first.body) | {"cipher": first.body["cipher"][::-1]}
    second = made.say(made.members[2], "ballot.1", made.scope, other, slot.name)
    return made, second, desk


def test_a_double_ballot_is_published_by_somebody_in_turn_and_by_nobody_twice() -> None:
    """ELE-54, ELE-55: the node waits its turn at most; who finds it published says nothing more."""
    made, second, desk = doubled()
    desk.do(RecordReceived(second, ""))
    turns = 4 * made.coop().times["settle_ms"]
    desk.tick()
    desk.tick(turns)
    faults = desk.said("fault.1")
    assert [one.author for one in faults] == [made.members[1].key]
    found = fault_in(faults[0], NETWORK)
    assert found is not None
    assert (found.first.author, found.first.kind) == (made.members[2].key, "ballot.1")
    desk.start()
    desk.tick(turns)
    assert desk.said("fault.1") == faults
    view = desk.ask(ask.AskCoop(made.hash[:16]))["faults"]
    assert [(one["author"], one["published"]) for one in view] == [(made.members[2].key, True)]
    assert "two ballots" in view[0]["says"]


def test_one_intent_committed_to_two_rosters_is_shown_by_its_co_op() -> None:
    """FRM-41, FRM-30: one marker is a commitment, two are a fault that everybody on the roster can see."""
    made = Handmade(members=5, witnesses=4)
    desk, liar = at(made, "elected", made.members[1]), made.members[2]
    intent = next(one.intent for one in made.coop().members if one.key == liar.key)
    for roster in (made.coop().roster, bytes(32)):
        body = {"intent": intent.id, "roster": roster}
        slot, until = Slot("once", f"power/{intent.id[:8].hex()}", 0), intent.header.expires
        marker = Record.sign(
            liar, NETWORK, "commitment-marker.1", intent.scope, body, created=desk.now, expires=until, slot=slot
        )
        desk.engine._core.follow(intent.scope)
        desk.do(RecordReceived(marker, ""))
        desk.tick()
        desk.tick(5 * made.coop().times["settle_ms"])
        assert len(desk.ask(ask.AskCoop(made.hash[:16]))["faults"]) == (roster == bytes(32))
    (fault,) = desk.said("fault.1")
    found = fault_in(fault, NETWORK)
    assert found is not None
    assert (found.first.author, found.first.kind) == (liar.key, "commitment-marker.1")


def test_the_liar_itself_publishes_nothing() -> None:
    """ELE-54: the control; its own node holds both as well."""
    made, second, _ = doubled()
    desk = at(made, "elected", made.members[2])
    desk.do(RecordReceived(second, ""))
    desk.tick(10 * made.coop().times["settle_ms"])
    assert desk.said("fault.1") == []


def test_one_liar_leads_to_few_records() -> None:
    """ELE-54: however many slots it fills twice."""
    made = Handmade(members=5, witnesses=4)
    desk = at(made, "elected", made.members[1])
    liar = made.witnesses[-1]
    for number in range(FAULTS_SHOWN_MAX + 3):
        for value in (b"", bytes(32)):
            body = {"question": "roster", "round": 50 + number, "step": "prevote", "value": value}
            desk.do(RecordReceived(made.say(liar, "vote.1", made.scope, body, f"roster/{50 + number}/prevote"), ""))
    for _ in range(5):
        desk.tick(made.coop().times["settle_ms"])
    assert len(desk.said("fault.1")) == (FAULTS_SHOWN_MAX if liar is not made.members[1] else 0)


def test_in_a_town_it_is_said_about_once() -> None:
    """ELE-54: everybody knows, and of eight nodes that could say it hardly any two do."""
    town = Town(23)
    town.world.nodes["m4"].dials += [one for one in town.members if one != "m4"]
    town.world.start("m4")
    town.open()
    Adversaries(town.world, {"m4": ("double",)})
    assert town.live(400_000, town.agreed)
    town.live(40_000, lambda: False)
    liar = town.world.nodes["m4"].persona.key
    held = [one for one in town.world.nodes["relay"].records.values() if one.kind == "fault.1"]
    slots = [one.header.slot.name for one in held if one.header.slot]
    assert held
    assert len(slots) <= 2 * len(set(slots))
    proofs = [fault_in(one, one.header.network) for one in held]
    assert {one.first.author for one in proofs if one is not None} == {liar}
    assert {one.first.scope.partition("/")[0] for one in proofs if one is not None} == {"coop", "deal"}


# What it costs a witness


def test_who_signed_twice_as_a_witness_is_not_asked_again() -> None:
    """ELE-56: no charter by hand with that witness where the proof is held; a double ballot is no such proof."""
    for kind, refused in (("vote.1", True), ("ballot.1", False)):
        body: dict[str, Any] = {"question": "roster", "round": 0, "step": "prevote"}
        votes = [say(LIAR, "vote.1", SCOPE, body | {"value": one}, "roster/0/prevote") for one in (b"", bytes(32))]
        pair = votes if kind == "vote.1" else [ballot(1), ballot(2)]
        found = FaultProof.of(pair[0].header, pair[1].header)
        headers = {"first": found.first.proof(), "second": found.second.proof()}
        fault = say(TELLER, "fault.1", trust_scope(LIAR.key), headers, fault_slot(found))
        desk = Desk(persona("m1"), [fault])
        intent = ask.AddIntent("tea", "tea", "any", 3, 1, 3_000, "ready", START_MS + LIFE_MS, ("basic",))
        desk.ask(intent)
        command = ask.FoundCoop("tea", "Tea", 2, 10, "quick", 0, (persona("m1").key, LIAR.key))
        if refused:
            with pytest.raises(CommandError, match="ELE-56"):
                desk.ask(command)
        else:
            assert desk.ask(command)["coop"]
