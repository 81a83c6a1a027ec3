"""Boxes: what belongs, receipts, closing, duty, and every lie in a manifest (06-decision, DEC-12 to DEC-19)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.box import (
    Box,
    Question,
    complete,
    contents,
    fresh_manifest,
    held_once,
    judge_manifest,
    manifest,
    manifest_ids,
    missing,
    owed_receipts,
    settled,
)
from protocol.coop.decision import NIL, Council, Docket, slot_of, value_hash
from protocol.encoding import digest
from protocol.identity import Persona, network_id
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import blank_ballot

NETWORK = network_id("boxes", bytes(16))
START, END = 1_800_000_000_000, 1_900_000_000_000
CLOSES, SETTLE_MS = START + 60_000, 10_000
SCOPE, NAME, ROSTER = "coop/" + "0" * 32, "ballots/00", bytes(32)
WITNESSES = sorted((Persona.from_seed(bytes([number + 1]) * 32) for number in range(4)), key=lambda one: one.key)
ANNA, BEN, CLEO, MALLORY = (Persona.from_seed(bytes([number + 90]) * 32) for number in range(4))
COUNCIL = Council(tuple(one.key for one in WITNESSES), bytes(32))


def box(entitled: Iterable[Persona] | None = (ANNA, BEN, CLEO), enough: int = 0, barred: tuple[bytes, ...] = ()) -> Box:
    keys = None if entitled is None else tuple(one.key for one in entitled)
    return Box("ballot.1", "ballot", keys, barred, lambda one: bool(one.body["roster"] == ROSTER), enough)


def question(of: Box | None = None) -> Question:
    return Question(NAME, CLOSES, SETTLE_MS, 1_000, of or box())


def ballot(who: Persona, number: int = 0, roster: bytes = ROSTER, slot: str = "ballot") -> Record:
    """Ballots of one voter with different numbers are equivocations."""
    body, where = blank_ballot(roster), Slot("once", slot, 0)
    return Record.sign(who, NETWORK, "ballot.1", SCOPE, body, created=START + number, expires=END, slot=where)


def receipt(who: Persona, *of: Record, name: str = NAME) -> Record:
    body = {"question": name, "ids": sorted(one.id for one in of)}
    return Record.sign(who, NETWORK, "receipt.1", SCOPE, body, created=START, expires=END)


class Desk:
    """One witness's log and docket."""

    def __init__(self, *records: Record) -> None:
        self.log, self.docket = Log(SCOPE), Docket()
        self.take(*records)

    def take(self, *records: Record) -> Desk:
        for one in records:
            if self.log.add(one, wanted=True).stored:
                self.docket.note(one)
        return self

    def receipted(self, *records: Record, by: int = 2) -> Desk:
        """Takes the records, and receipts for them by so many witnesses (f+1 are two)."""
        return self.take(*records, *(receipt(one, *records) for one in WITNESSES[:by]))

    def judge(self, listed: Iterable[Record], duty: Iterable[Record] | None = (), of: Box | None = None) -> bool | None:
        ids = None if duty is None else tuple(one.id for one in duty)
        value = manifest([one.id for one in listed])
        return judge_manifest(self.log, self.docket, question(of), COUNCIL, value, ids)

    def contents(self, of: Box | None = None) -> list[bytes]:
        return contents(self.log, self.docket, question(of), COUNCIL)

    def fresh(self, now: int, of: Box | None = None) -> list[bytes] | None:
        value = fresh_manifest(self.log, self.docket, question(of), COUNCIL, now)
        return None if value is None else manifest_ids(value)


A, B, C = ballot(ANNA), ballot(BEN), ballot(CLEO)


# What belongs, and who says it was in time


@pytest.mark.parametrize(
    ("record", "belongs"),
    [
        (A, True),
        (ballot(MALLORY), False),
        (ballot(ANNA, roster=b"\1" * 32), False),
        (ballot(ANNA, slot="ballot/1"), False),
        (receipt(ANNA, A), False),
    ],
    ids=["a voter's", "a stranger's", "for another roster", "in another slot", "of another kind"],
)
def test_what_belongs(record: Record, belongs: bool) -> None:
    """DEC-13"""
    assert box().takes(record) is belongs


def test_anybody_but_the_barred() -> None:
    """DEC-13"""
    assert box(None, barred=(ANNA.key,)).takes(B)
    assert not box(None, barred=(ANNA.key,)).takes(A)


def test_receipts_are_owed_until_the_box_closes() -> None:
    """DEC-15: for all that belongs, once, and for nothing late."""
    desk, me = Desk(A, B, ballot(MALLORY)), WITNESSES[0]
    owed = sorted((A.id, B.id))
    assert owed_receipts(desk.log, desk.docket, question(), COUNCIL, me.key, CLOSES) == owed
    assert owed_receipts(desk.log, desk.docket, question(), COUNCIL, me.key, CLOSES + 1) == []
    desk.take(receipt(me, A))
    assert owed_receipts(desk.log, desk.docket, question(), COUNCIL, me.key, CLOSES) == [B.id]
    assert owed_receipts(desk.log, desk.docket, question(), COUNCIL, WITNESSES[1].key, CLOSES) == owed


def test_receipts_of_strangers_and_for_other_questions_are_nothing() -> None:
    """DEC-14, DEC-1"""
    desk = Desk(A, receipt(WITNESSES[0], A), receipt(MALLORY, A), receipt(WITNESSES[1], A, name="ballots/01"))
    assert desk.contents() == []
    assert desk.take(receipt(WITNESSES[1], A)).contents() == [A.id]


def test_some_boxes_ask_for_more_receipts() -> None:
    """DEC-14, DEC-17: more than 2f let a sealed quotation in; what has fewer is neither listed nor owed to anybody."""
    strict = replace(box(), vouchers=2)
    for by, listed in ((1, False), (2, False), (3, True), (4, True)):
        desk = Desk().receipted(A, by=by)
        assert desk.contents(strict) == ([A.id] if listed else [])
        assert desk.judge([A], of=strict) is (True if listed else None)
    councils = (Council(tuple(bytes([one]) * 32 for one in range(size)), bytes(32)) for size in (1, 3, 4, 6, 7, 16))
    assert [strict.receipts_needed(one) for one in councils] == [1, 1, 3, 3, 5, 11]


# Closing


def test_a_box_closes_when_all_have_spoken_or_receipts_have_met() -> None:
    """DEC-16"""
    desk = Desk().receipted(A, B)
    assert desk.fresh(CLOSES) is None
    assert desk.fresh(CLOSES + SETTLE_MS - 1) is None
    assert desk.fresh(CLOSES + SETTLE_MS) == sorted((A.id, B.id))
    assert desk.receipted(C).fresh(START) == sorted((A.id, B.id, C.id))
    assert Desk(C).receipted(A, B).fresh(START) is None


def test_an_open_box_closes_early_only_where_enough_is_said() -> None:
    """DEC-16: quotations never; joins at the charter's most."""
    desk = Desk().receipted(A, B)
    assert not complete(desk.log, question(box(None)), [A.id, B.id])
    assert complete(desk.log, question(box(None, enough=2)), [A.id, B.id])
    assert not complete(desk.log, question(box(None, enough=2)), [A.id])


def test_an_empty_box_closes_too() -> None:
    """DEC-16"""
    assert Desk().fresh(CLOSES + SETTLE_MS) == []


def test_of_an_author_the_two_least() -> None:
    """DEC-14, DEC-16"""
    many = [ballot(ANNA, number) for number in range(4)]
    assert Desk().receipted(*many).contents() == sorted(one.id for one in many)[:2]


# Judging


def test_a_good_manifest() -> None:
    """DEC-17, DEC-18"""
    assert Desk().receipted(A, B).judge([A, B], duty=[A, B]) is True
    assert Desk().receipted(A, B).judge([], duty=[]) is True


def test_lies_of_the_common_part() -> None:
    """DEC-14, DEC-18: whatever a manifest may not list is bad for a fresh proposal and for one that comes again."""
    twice, thrice = ballot(ANNA, 1), ballot(ANNA, 2)
    stranger, other = ballot(MALLORY), ballot(BEN, roster=b"\1" * 32)
    desk = Desk().receipted(A, twice, thrice, stranger, other)
    assert desk.judge([A, twice]) is True
    assert desk.judge([A, twice, thrice]) is False
    assert desk.judge([A, stranger]) is False
    assert desk.judge([other]) is False
    assert desk.judge([receipt(WITNESSES[3], A)]) is None
    assert desk.take(receipt(WITNESSES[3], A)).judge([receipt(WITNESSES[3], A)]) is False


@pytest.mark.parametrize("duty", [(), None])
def test_what_is_lacking_is_waited_for(duty: tuple[Record, ...] | None) -> None:
    """DEC-18: the record, or receipts of f+1."""
    desk = Desk().receipted(A)
    assert desk.judge([A, B], duty) is None
    assert desk.take(B, receipt(WITNESSES[0], B)).judge([A, B], duty) is None
    assert desk.take(receipt(WITNESSES[1], B), C).receipted(C).judge([A, B, C], duty) is True


def test_an_omission_is_bad_on_a_fresh_proposal_only() -> None:
    """DEC-17, DEC-18"""
    desk = Desk().receipted(A, B)
    assert desk.judge([A], duty=[A, B]) is False
    assert desk.judge([A], duty=[]) is True


def test_before_receipts_have_met_only_completeness_is_good() -> None:
    """DEC-17"""
    desk = Desk().receipted(A, B)
    assert desk.judge([A, B], duty=None) is None
    assert desk.receipted(C).judge([A, B, C], duty=None) is True


def test_two_others_of_that_author_will_do() -> None:
    """DEC-17: else a voter with three ballots could give each witness another pair to insist on, for ever."""
    many = [ballot(ANNA, number) for number in range(3)]
    desk = Desk().receipted(B, *many)
    for left_out in range(3):
        pair = [one for number, one in enumerate(many) if number != left_out]
        assert desk.judge([B, *pair], duty=[B, *many]) is True
    assert desk.judge([B, many[0]], duty=[B, many[1]]) is False


def test_a_full_manifest_omits_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEC-17: the bound, here of two ids, is nobody's fault."""
    monkeypatch.setattr("protocol.coop.box.BOX_IDS_MAX", 2)
    desk = Desk().receipted(A, B, C)
    assert len(desk.contents()) == 2
    assert desk.judge([A, B], duty=[A, C]) is True
    assert desk.judge([A], duty=[A, C]) is False


@given(st.binary(max_size=200))
def test_any_bytes_can_be_judged(value: bytes) -> None:
    """DEC-12: bad, never an exception."""
    desk = Desk().receipted(A)
    verdict = judge_manifest(desk.log, desk.docket, question(), COUNCIL, value, ())
    assert verdict is False or value == manifest([])
    assert missing(desk.log, value) == []


# Every pattern of receipts, for up to ten witnesses

TEN = sorted((Persona.from_seed(bytes([number + 1]) * 32) for number in range(10)), key=lambda one: one.key)
RECEIPTS = [receipt(one, A) for one in TEN]
Verdicts = tuple[bool | None, bool | None]


@cache
def verdicts(size: int, vouchers: int, own: bool, others: int) -> Verdicts:
    """What a witness who holds its own receipt for a ballot or not, and so many others', says of a fresh manifest
    without it and of one with it, once receipts have had their time.
    """
    council = Council(tuple(one.key for one in TEN[:size]), bytes(32))
    asked = question(replace(box(), vouchers=vouchers))
    desk = Desk(A, *RECEIPTS[0 if own else 1 : others + 1])
    mine = contents(desk.log, desk.docket, asked, council)
    duty = tuple(one for one in mine if desk.docket.receipted(NAME, one, TEN[0].key))
    said = [judge_manifest(desk.log, desk.docket, asked, council, manifest(ids), duty) for ids in ([], [A.id])]
    return said[0], said[1]


def for_both(size: int, vouchers: int, liars: int, seen: int, met: int) -> tuple[int, int]:
    """The most prevotes that a manifest without a ballot, and one with it, can have.

    `seen`: honest witnesses who had it in time, of whom `met` hold each other's receipts and the rest their own alone;
    liars give receipts to whom they like and prevote for both.
    """
    without = with_it = liars
    held = [(True, met - 1)] * met + [(True, 0)] * (seen - met) + [(False, seen)] * (size - liars - seen)
    for own, others in held:
        each = [verdicts(size, vouchers, own, others + lies) for lies in range(liars + 1)]
        without += any(one is True for one, _ in each)
        with_it += any(one is True for _, one in each)
    return without, with_it


def test_whose_receipts_have_met_is_left_out_by_nobody() -> None:
    """DEC-14, DEC-17, DEC-18: for all sizes up to ten, all numbers of liars up to f, and of honest witnesses who had a
    ballot in time and hear of each other: with enough of them no quorum leaves it out, with too few none lets it in.
    """
    for size, vouchers in product(range(1, 11), (1, 2)):
        council = Council(tuple(one.key for one in TEN[:size]), bytes(32))
        needed = vouchers * council.faults + 1
        for liars in range(council.faults + 1):
            for seen in range(size - liars + 1):
                for met in range(seen + 1):
                    without, with_it = for_both(size, vouchers, liars, seen, met)
                    case = size, vouchers, liars, seen, met
                    assert met < needed or without < council.quorum, case
                    assert seen + liars >= needed or with_it < council.quorum, case
                    assert met < seen or seen < needed or with_it >= council.quorum, case


def test_one_receipt_less_or_one_liar_more() -> None:
    """DEC-14, DEC-17: the controls. Where receipts have not met, a ballot may be left out; f + 1 let a late one in."""
    assert for_both(4, 1, 1, 3, 0)[0] >= 3
    assert for_both(4, 1, 1, 3, 3)[0] < 3
    assert for_both(10, 1, 4, 6, 6)[0] < 7
    assert for_both(10, 1, 4, 2, 2)[0] >= 7
    assert for_both(4, 1, 1, 0, 0)[1] < 3
    assert for_both(4, 1, 2, 0, 0)[1] >= 3
    assert for_both(7, 2, 2, 2, 2)[1] < 5
    assert for_both(7, 1, 2, 2, 2)[1] >= 5


# What a decided box holds


def _answered(desk: Desk, value: bytes) -> Desk:
    proposer = next(one for one in WITNESSES if one.key == COUNCIL.proposer(NAME, 0))
    body = {"question": NAME, "round": 0, "valid_round": -1, "value": value}
    desk.take(_signed(proposer, "proposal.1", body, slot_of(NAME, 0)))
    for one in WITNESSES[:3]:
        body = {"question": NAME, "round": 0, "step": "precommit", "value": value_hash(value)}
        desk.take(_signed(one, "vote.1", body, slot_of(NAME, 0, "precommit")))
    return desk


def _signed(who: Persona, kind: str, body: dict[str, object], slot: str) -> Record:
    where = Slot("once", slot, 0)
    return Record.sign(who, NETWORK, kind, SCOPE, body, created=START, expires=END, slot=where)


def test_nothing_follows_while_something_listed_is_lacking() -> None:
    """DEC-19"""
    value = manifest([A.id, B.id])
    desk = _answered(Desk(A), value)
    assert desk.docket.decided(NAME, COUNCIL) is not None
    assert settled(desk.log, desk.docket, COUNCIL, question()) is None
    assert missing(desk.log, value) == [B.id]
    assert settled(desk.take(B).log, desk.docket, COUNCIL, question()) is not None
    assert missing(desk.log, value) == []


def test_an_answer_that_is_no_manifest_leads_to_nothing() -> None:
    """DEC-11, DEC-12"""
    desk = _answered(Desk(A), b"whatever")
    assert settled(desk.log, desk.docket, COUNCIL, question()) is None


def test_a_value_must_be_the_computed_one() -> None:
    """DEC-9, DEC-11"""
    desk = _answered(Desk(), b"theirs")
    same, other = (Question(NAME, 0, 0, 1_000, value=value) for value in (b"theirs", b"ours"))
    assert settled(desk.log, desk.docket, COUNCIL, same) is not None
    assert settled(desk.log, desk.docket, COUNCIL, other) is None


def test_two_listed_void_each_other_and_a_late_one_voids_nothing() -> None:
    """DEC-14"""
    again = ballot(ANNA, 1)
    desk = Desk(A, again, B)
    assert held_once(desk.log, box(), manifest([A.id, again.id, B.id])) == [B]
    assert {one.id for one in held_once(desk.log, box(), manifest([A.id, B.id]))} == {A.id, B.id}


def test_a_listed_stranger_counts_for_nothing() -> None:
    """DEC-13: even where more than f witnesses certified it."""
    desk = Desk(A, ballot(MALLORY))
    assert held_once(desk.log, box(), manifest([A.id, ballot(MALLORY).id])) == [A]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 4)), max_size=12), st.randoms())
def test_contents_are_a_function_of_what_is_held(said: list[tuple[int, int, int]], rng: object) -> None:
    """DEC-14, DEC-16: in any order, at most two an author, ascending, each with receipts of f+1; and good to a witness
    who holds the same."""
    records: list[Record] = []
    for voter, number, by in said:
        one = ballot((ANNA, BEN, CLEO)[voter], number)
        records += [one, *(receipt(who, one) for who in WITNESSES[:by])]
    first = Desk(*records).contents()
    rng.shuffle(records)  # type: ignore[attr-defined]
    desk = Desk(*records)
    assert desk.contents() == first == sorted(first)
    listed = [desk.log.records[one] for one in first]
    assert desk.judge(listed, duty=listed) is True
    assert all(sum(1 for one in listed if one.author == who.key) <= 2 for who in (ANNA, BEN, CLEO))
    assert NIL not in first
    assert value_hash(manifest(first)) == digest("value", manifest(first))


# Vectors

Said = list[tuple[Record, int]]
_TWICE, _THRICE = ballot(ANNA, 1), ballot(ANNA, 2)
_OTHER, _ASTRAY = ballot(BEN, roster=b"\1" * 32), ballot(BEN, slot="ballot/1")
_JUDGED: list[tuple[str, str, int, Said, list[Record], str]] = [  # last: how it is judged
    ("all that is owed", "DEC-17", 1, [(A, 2), (B, 3)], [A, B], "fresh"),
    ("nothing was handed in", "DEC-17", 1, [], [], "fresh"),
    ("one that is owed is omitted", "DEC-17", 1, [(A, 2), (B, 3)], [A], "fresh"),
    ("the same, proposed again", "DEC-18", 1, [(A, 2), (B, 3)], [A], "again"),
    ("too few receipts to be owed", "DEC-17", 1, [(A, 2), (B, 1)], [A], "fresh"),
    ("too few receipts to be listed", "DEC-14", 1, [(A, 2), (B, 1)], [A, B], "fresh"),
    ("too few receipts, proposed again", "DEC-18", 1, [(A, 2), (B, 1)], [A, B], "again"),
    ("a record that is not held", "DEC-18", 1, [(A, 2)], [A, B], "fresh"),
    ("more than 2f receipts", "DEC-14", 2, [(A, 3)], [A], "fresh"),
    ("of these one too few", "DEC-14", 2, [(A, 2)], [A], "fresh"),
    ("one too few is not owed", "DEC-17", 2, [(A, 2)], [], "fresh"),
    ("of a stranger", "DEC-13", 1, [(ballot(MALLORY), 4)], [ballot(MALLORY)], "again"),
    ("for another roster", "DEC-13", 1, [(_OTHER, 4)], [_OTHER], "again"),
    ("in another slot", "DEC-13", 1, [(_ASTRAY, 4)], [_ASTRAY], "again"),
    ("two of one author", "DEC-14", 1, [(A, 2), (_TWICE, 2)], [A, _TWICE], "fresh"),
    ("three of one author", "DEC-14", 1, [(A, 2), (_TWICE, 2), (_THRICE, 2)], [A, _TWICE, _THRICE], "fresh"),
    ("one of two of one author", "DEC-17", 1, [(A, 2), (_TWICE, 2)], [A], "fresh"),
    ("two others of that author", "DEC-17", 1, [(A, 2), (_TWICE, 2), (_THRICE, 2)], [A, _THRICE], "fresh"),
    ("two more of that author", "DEC-17", 1, [(A, 2), (_TWICE, 2), (_THRICE, 2)], [_TWICE, _THRICE], "fresh"),
    ("early, and not all have spoken", "DEC-17", 1, [(A, 2), (B, 2)], [A, B], "early"),
    ("early, and all have spoken", "DEC-17", 1, [(A, 2), (B, 2), (C, 2)], [A, B, C], "early"),
    ("two authors where two must be", "DEC-20", 1, [(A, 2), (B, 2)], [A, B], "again"),
    ("one author where two must be", "DEC-20", 1, [(A, 2)], [A], "again"),
    ("nobody where two must be", "DEC-20", 1, [], [], "again"),
    ("two of one author where two must be", "DEC-20", 1, [(A, 2), (_TWICE, 2)], [A, _TWICE], "again"),
    ("two of one author beside two", "DEC-20", 1, [(A, 2), (_TWICE, 2), (B, 2), (C, 2)], [A, _TWICE, B, C], "again"),
]


def _judged(
    vouchers: int, said: Said, listed: list[Record], how: str, least: int
) -> tuple[bool | None, list[bytes] | None]:
    """A witness's verdict, and what it would propose itself; the first receipt of each record is its own."""
    desk, asked = Desk(), question(replace(box(), vouchers=vouchers, least=least))
    for record, by in said:
        desk.receipted(record, by=by)
    mine = contents(desk.log, desk.docket, asked, COUNCIL)
    owed = tuple(one for one in mine if desk.docket.receipted(NAME, one, WITNESSES[0].key))
    duty = {"fresh": owed, "again": (), "early": None}[how]
    value = manifest([one.id for one in listed])
    now = CLOSES if how == "early" else asked.due
    own = fresh_manifest(desk.log, desk.docket, asked, COUNCIL, now)
    verdict = judge_manifest(desk.log, desk.docket, asked, COUNCIL, value, duty)
    return verdict, None if own is None else manifest_ids(own)


def vectors() -> dict[str, Any]:
    """Verdicts on manifests."""
    words, cases = {True: "good", False: "bad", None: "wait"}, []
    for name, clause, vouchers, said, listed, how in _JUDGED:
        held = [
            {
                "id": one.id.hex(),
                "author": one.author.hex(),
                "belongs": box().takes(one),
                "receipts": [witness.key.hex() for witness in WITNESSES[:by]],
            }
            for one, by in said
        ]
        least = 2 if clause == "DEC-20" else 0
        given: dict[str, Any] = {"vouchers": vouchers, "least": least, "held": held, "proposal": how}
        given["listed"] = sorted(one.id.hex() for one in listed)
        verdict, own = _judged(vouchers, said, listed, how, least)
        output = {"verdict": words[verdict], "proposes": None if own is None else [one.hex() for one in own]}
        cases.append({"name": name, "clause": clause, "input": given, "output": output})
    common = {
        "witnesses": [one.key.hex() for one in WITNESSES],
        "witness": WITNESSES[0].key.hex(),
        "entitled": [one.key.hex() for one in (ANNA, BEN, CLEO)],
    }
    return {"name": "box", "spec": "06-decision", "common": common, "cases": cases}


def test_the_vectors_are_committed() -> None:
    """spec/vectors/box.json is what the code makes, and some verdict of each sort is in it."""
    path = Path(__file__).parents[1] / "spec" / "vectors" / "box.json"
    assert json.loads(path.read_text(encoding="utf-8")) == vectors()
    assert {one["output"]["verdict"] for one in vectors()["cases"]} == {"good", "bad", "wait"}
