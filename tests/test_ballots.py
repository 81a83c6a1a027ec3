"""Ballots that come late, are backdated, withheld, doubled or forged: each beside what would happen without the rule
(06-decision, DEC-12 to DEC-18; 07-election, ELE-21)."""

from __future__ import annotations

from functools import cache

import pytest

from protocol.coop.ballot import boxes_of, cast
from protocol.coop.box import Question, contents, held_once, judge_manifest, manifest, manifest_ids, owed_receipts
from protocol.coop.coop import Coop, slot_name
from protocol.coop.decision import Docket
from protocol.encoding import decode, encode
from protocol.engine.coop.floor import find_question
from protocol.errors import Reject
from protocol.identity import Persona
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import LIFE_MS, NETWORK, TEMPLATE, Handmade, persona
from tests.stages import entropy, until


@cache
def made() -> Handmade:
    return Handmade(members=5, witnesses=4)


class Box:
    """The box of ballots while it is open: nobody has voted yet."""

    def __init__(self) -> None:
        self.log, self.docket = Log(made().scope), Docket()
        for one in until(made(), "balloting"):
            self.hold(one)
        self.coop = self._coop()
        found = find_question(self.coop.open, "ballots")
        assert found is not None
        self.question: Question = found
        self.witnesses = self.coop.council.witnesses

    def _coop(self) -> Coop:
        from protocol.coop.coop import read_coop

        found = read_coop(self.log, self.docket, NETWORK, {TEMPLATE.hash: TEMPLATE})
        assert found is not None
        return found

    def hold(self, record: Record) -> Record:
        if record.scope == self.log.scope and self.log.add(record, wanted=True).stored:
            self.docket.note(record)
        return record

    def ballot(self, who: Persona, created: int, reverse: bool = False) -> Record:
        running = [one.author for one in self.coop.candidates]
        ranking = tuple((key,) for key in (running[::-1] if reverse else running))
        boxes = boxes_of(self.log, self.coop.council)
        body = cast(self.coop.roster, who.key, ranking, len(running), boxes, entropy("ballot"))
        slot, scope = Slot("once", slot_name("ballot", self.coop.roster), 0), self.log.scope
        until_ms = created + LIFE_MS
        return Record.sign(who, NETWORK, "ballot.1", scope, body, created=created, expires=until_ms, slot=slot)

    def receipts(self, record: Record, count: int) -> None:
        """The first so many witnesses say that they had it in time."""
        for key in self.witnesses[:count]:
            who = next(one for one in made().members if one.key == key)
            body = {"question": self.question.name, "ids": [record.id]}
            now = self.question.closes - 1
            scope = self.log.scope
            self.hold(Record.sign(who, NETWORK, "receipt.1", scope, body, created=now, expires=now + LIFE_MS))

    def owed(self, now: int) -> list[bytes]:
        return owed_receipts(self.log, self.docket, self.question, self.coop.council, self.witnesses[0], now)

    def judge(self, value: bytes, duty: tuple[bytes, ...] | None) -> bool | None:
        return judge_manifest(self.log, self.docket, self.question, self.coop.council, value, duty)


VOTER = made().members[4]


def test_late() -> None:
    """DEC-15: at the closing a witness still signs, a moment later nobody does; so it never has its receipts."""
    box = Box()
    late = box.hold(box.ballot(VOTER, box.question.closes))
    assert box.owed(box.question.closes) == [late.id]
    assert box.owed(box.question.closes + 1) == []
    assert contents(box.log, box.docket, box.question, box.coop.council) == []
    box.receipts(late, 3)  # the control: three of four witnesses broke the rule, which is two more than may be bad
    assert contents(box.log, box.docket, box.question, box.coop.council) == [late.id]


def test_backdated() -> None:
    """DEC-15: what counts is when it came, by the witness's own clock; the control is its stamp, which is in time."""
    box = Box()
    backdated = box.hold(box.ballot(VOTER, box.question.closes - 30_000))
    assert backdated.header.created < box.question.closes
    assert box.owed(box.question.closes + 1) == []
    assert box.owed(backdated.header.created) == [backdated.id]


@pytest.mark.parametrize(("receipts", "verdict"), [(2, True), (3, False)])
def test_withheld(receipts: int, verdict: bool) -> None:
    """DEC-17: a list without a ballot that 2f + 1 had in time, me too, is refused; with a receipt less it may stand."""
    box = Box()
    kept, withheld = (box.hold(box.ballot(one, box.question.closes - 9)) for one in (made().members[0], VOTER))
    box.receipts(kept, 3)
    box.receipts(withheld, receipts)
    duty = tuple(contents(box.log, box.docket, box.question, box.coop.council))
    value = manifest([kept.id])
    assert box.judge(value, duty) is verdict
    assert box.judge(value, ()) is True  # the control: without the duty, and on a re-proposal, nobody would mind
    assert box.judge(manifest([kept.id, withheld.id]), duty) is (True if receipts == 3 else None)


def test_doubled() -> None:
    """DEC-12, DEC-14: one id twice is no list; two ballots of one voter void each other when both are listed, a third
    is too many; a second that is not listed changes nothing."""
    box = Box()
    once = box.hold(box.ballot(made().members[0], box.question.closes - 9))
    two = [box.hold(box.ballot(VOTER, box.question.closes - 9 - number, bool(number % 2))) for number in range(3)]
    for one in (once, *two):
        box.receipts(one, 3)
    assert box.question.box is not None
    with pytest.raises(Reject, match="DEC-12"):
        manifest_ids(encode({"ids": [once.id, once.id]}))
    both = manifest([once.id, two[0].id, two[1].id])
    assert box.judge(both, ()) is True
    assert held_once(box.log, box.question.box, both) == [once]
    assert box.judge(manifest([one.id for one in two]), ()) is False
    assert len(held_once(box.log, box.question.box, manifest([once.id, two[0].id]))) == 2  # the control


def test_the_same_ballot_again_is_the_same() -> None:
    """REC-14: a replayed record is held once, and proves nothing against anybody."""
    box = Box()
    ballot = box.hold(box.ballot(VOTER, box.question.closes - 9))
    count = len(box.log.records)
    box.hold(Record.parse(ballot.raw, NETWORK))
    assert len(box.log.records) == count
    assert box.log.faults() == []


def test_forged() -> None:
    """REC-6, DEC-13: nobody signs for a member, and a stranger's own ballot is not of this box."""
    box = Box()
    in_time = box.question.closes - 9
    honest, other = box.ballot(VOTER, in_time), box.ballot(VOTER, in_time, reverse=True)
    mixed = [decode(other.raw)[0], decode(honest.raw)[1], decode(other.raw)[2]]
    with pytest.raises(Reject, match="REC-6"):
        Record.parse(encode(mixed), NETWORK)
    assert Record.parse(encode(mixed), NETWORK, verified=True).author == VOTER.key  # the control: nobody looked
    stranger = box.hold(box.ballot(persona("stranger"), in_time))
    assert box.question.box is not None
    assert not box.question.box.takes(stranger)
    assert box.question.box.takes(honest)
    box.receipts(stranger, 4)
    assert box.judge(manifest([stranger.id]), ()) is False
