"""The file that shows what became of one ballot: listed, left out, or received; and every way in which it can lie
(07-election, ELE-50 to ELE-53)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.receipt import in_words
from node.verify import verify_file
from protocol.coop.box import Box, manifest
from protocol.coop.coop import question_name
from protocol.coop.decision import Docket, slot_of, value_hash
from protocol.deal.inclusion import looks_like, make, question_of, verify
from protocol.encoding import decode, encode
from protocol.errors import Reject
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.sealing import Void
from tests.deals import NETWORK, Handmade


class LeftOut(Handmade):
    """The witnesses leave the second member's ballot out, though `receipts` of them signed that they had it in time."""

    receipts = 3

    def lists(self, box: Box, record: Record) -> bool:
        mine = record.kind == "ballot.1" and record.author == self.members[1].key
        if mine:
            for witness in self.witnesses[: self.receipts]:
                body = {"question": question_of(record), "ids": [record.id]}
                self.say(witness, "receipt.1", self.scope, body)
        return super().lists(box, record) and not mine


class Unseen(LeftOut):
    receipts = 2


@cache
def made(kind: type[Handmade] = Handmade) -> Handmade:
    return kind(members=5, witnesses=4)


def ballot(of: Handmade) -> Record:
    key = of.members[1].key
    return next(one for one in of.records if (one.kind, one.author) == ("ballot.1", key))


def file(of: Handmade, record: Record | None = None, until: int | None = None) -> bytes:
    """The file about a ballot, out of the first so many records of its co-op."""
    record = record or ballot(of)
    log, docket = Log(record.scope), Docket()
    for one in of.records[:until]:
        if one.scope == record.scope and log.add(one, wanted=True).stored:
            docket.note(one)
    kinds = ("charter.1", "rfq.1")
    anchor = next(one for one in of.records if one.kind in kinds and one.scope == record.scope)
    return make(NETWORK, anchor, record, log, docket)


def test_a_ballot_that_is_listed() -> None:
    """ELE-50, ELE-51: in the list that a quorum certified."""
    raw = file(made())
    found = verify(raw)
    assert looks_like(raw)
    assert (found.state, found.listed, len(found.signers)) == ("listed", 5, 3)
    assert found.question == question_name("ballots", made().coop().roster)
    assert "is one of the 5 that 3 of 4 witnesses certified" in in_words(found)


def test_what_a_ballot_was_opened_as() -> None:
    """ELE-65: f + 1 certified releases show its content; before they are certified, the file shows the list alone."""
    found = verify(file(made()))
    first, second = (one.author for one in made().coop().candidates)
    assert found.opened == ((second,), (first,))  # the second member votes so
    assert f"open it as: {second.hex()[:8]} > {first.hex()[:8]}" in in_words(found)
    assert len(decode(file(made()))["count"]["releases"]) == 2
    counts = question_name("counts", made().coop().roster)
    decided = next(at for at, one in enumerate(made().records) if one.body.get("question") == counts)
    before = verify(file(made(), until=decided))
    assert (before.state, before.opened) == ("listed", None)


def test_a_ballot_that_is_void_for_everybody() -> None:
    """ELE-65, ELE-60: its own author sealed no ranking; the file shows that too."""
    of = Handmade({"ranking": lambda said: said if said[0][0] < said[1][0] else [[b"x"]]}, members=5, witnesses=4)
    found = verify(file(of))
    assert isinstance(found.opened, Void)
    assert found.opened.code == "ELE-60"
    assert "void for everybody" in in_words(found)


def test_everything_that_goes_into_a_box_has_its_file() -> None:
    """ELE-50: joins, pledges, nominations, ballots; in the deal, quotations and commitments."""
    for kind in ("join.1", "pledge.1", "nomination.1", "ballot.1", "quotation.1", "commitment.1"):
        record = next(one for one in made().records if one.kind == kind)
        assert verify(file(made(), record)).state == "listed"
    with pytest.raises(Reject, match="ELE-50"):
        question_of(made().records[0])


def test_a_ballot_that_was_left_out_though_witnesses_had_it() -> None:
    """ELE-52: the voter holds who signed a receipt, and who of them signed the list without it."""
    found = verify(file(made(LeftOut)))
    assert (found.state, found.place, found.listed) == ("left out", 0, 4)
    assert found.receipts == tuple(one.key for one in made(LeftOut).witnesses[:3])
    text = in_words(found)
    assert "is left out of the 4 that were certified" in text
    assert all(key.hex()[:8] in text.splitlines()[1] for key in found.receipts if key in found.signers)


def test_with_fewer_receipts_nothing_is_shown() -> None:
    """ELE-52: the control; one receipt of four may be a lie."""
    with pytest.raises(Reject, match="ELE-52"):
        file(made(Unseen))


def test_before_the_box_is_certified_receipts_are_all_there_is() -> None:
    """ELE-52"""
    of = made()
    about = question_of(ballot(of))
    decided = next(
        at for at, one in enumerate(of.records) if one.kind == "proposal.1" and one.body["question"] == about
    )
    found = verify(file(of, until=decided))
    assert (found.state, found.listed, len(found.receipts)) == ("received", 0, 3)
    assert "was handed in in time: 3 of 4" in in_words(found)
    first = next(at for at, one in enumerate(of.records) if one.kind == "receipt.1" and one.body["question"] == about)
    with pytest.raises(Reject, match="ELE-52"):
        file(of, until=first)


# Lies


def _other(kind: str, **where: Any) -> bytes:
    of = made()
    return next(
        one.raw
        for one in of.records
        if one.kind == kind and all(one.body[name] == value for name, value in where.items())
    )


def _signed(who: int, kind: str, body: dict[str, Any], slot: str = "") -> bytes:
    """What a member or witness of the same co-op signs beside the deal."""
    of = aside()
    return of.say(of.witnesses[who], kind, of.scope, body, slot).raw


@cache
def aside() -> Handmade:
    """The same co-op once more, for what its members sign beside the deal."""
    return Handmade(members=5, witnesses=4)


def _in_deal(kind: str, slot: str) -> dict[str, Any]:
    """The file about a record of the deal, and the same record in another slot in its place."""
    of = aside()
    one = next(record for record in made().records if record.kind == kind)
    who = next(who for who in (*of.members, *of.suppliers) if who.key == one.author)
    whole: dict[str, Any] = decode(file(made(), one))
    return whole | {"record": of.say(who, kind, one.scope, dict(one.body), slot).raw}


def _votes(value: bytes, number: int = 0, step: str = "precommit", question: str = "") -> list[bytes]:
    question = question or question_of(ballot(made()))
    body = {"question": question, "round": number, "step": step, "value": value}
    return [_signed(who, "vote.1", body, slot_of(question, number, step)) for who in range(3)]


@cache
def _lies() -> list[tuple[str, str, Callable[[dict[str, Any]], dict[str, Any]]]]:
    of = made()
    question, mine = question_of(ballot(of)), ballot(of)
    hashed = value_hash(Record.parse(decode(file(of))["proposal"], NETWORK).body["value"])
    listing = manifest([mine.id])
    proposal = {"question": question, "round": 0, "valid_round": -1, "value": listing}
    outsider = Handmade(members=6, witnesses=4)
    stranger = outsider.members[5]
    vote = {"question": question, "round": 0, "step": "precommit", "value": hashed}
    outside = outsider.say(stranger, "vote.1", of.scope, vote, slot_of(question, 0, "precommit")).raw

    def put(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda body: body | fields

    return [
        ("a field more", "ELE-50", put(note=b"")),
        ("another version", "ELE-50", put(version=2)),
        ("another network", "REC-5", put(network=bytes(32))),
        ("junk for a record", "ENC-8", put(record=b"junk")),
        ("a record of no box", "ELE-50", put(record=of.records[0].raw)),
        ("a record of the deal", "ELE-50", put(record=_other("commitment.1"))),
        ("a ballot in another slot", "ELE-50", put(record=_signed(0, "ballot.1", dict(mine.body), "ballot/0"))),
        ("a last word for a quotation", "ELE-51", put(**_in_deal("quotation.1", "final"))),
        ("a repair for a commitment", "ELE-51", put(**_in_deal("commitment.1", "repair"))),
        ("a forged record", "REC-6", lambda body: body | {"record": _flipped(body["record"])}),
        ("a forged charter", "REC-6", lambda body: body | {"anchor": _flipped(body["anchor"])}),
        ("another anchor", "FRM-20", put(anchor=_other("accept.1"))),
        ("votes of two witnesses", "DEC-1", lambda body: body | {"votes": body["votes"][:2]}),
        ("one witness's vote three times", "DEC-1", lambda body: body | {"votes": body["votes"][:1] * 3}),
        ("a stranger's vote", "ELE-51", lambda body: body | {"votes": [*body["votes"][:2], outside]}),
        ("prevotes", "ELE-51", put(votes=_votes(hashed, step="prevote"))),
        ("votes of two rounds", "ELE-51", put(votes=[*_votes(hashed)[:2], _votes(hashed, 1)[2]])),
        ("votes for nil", "ELE-51", put(votes=_votes(b""))),
        ("votes for another list", "ELE-51", put(votes=_votes(value_hash(listing)))),
        ("votes on another question", "ELE-51", put(votes=_votes(hashed, question="roster"))),
        ("another list", "ELE-51", put(proposal=_signed(0, "proposal.1", proposal, slot_of(question, 0)))),
        ("a vote for a proposal", "ELE-51", lambda body: body | {"proposal": body["votes"][0]}),
        ("a proposal for another box", "ELE-51", put(proposal=_other("proposal.1", question="roster"))),
        ("a receipt for others", "ELE-51", put(receipts=[_other("receipt.1", question="roster")])),
        ("a vote for a receipt", "ELE-51", lambda body: body | {"receipts": body["votes"][:1]}),
        ("no list, and votes", "ELE-52", put(proposal=b"")),
        ("one release", "ELE-65", _counted(lambda count: {"releases": count["releases"][:1]})),
        ("one release twice", "ELE-65", _counted(lambda count: {"releases": count["releases"][:1] * 2})),
        ("a ballot for a release", "ELE-65", _counted(lambda count: {"releases": [mine.raw] * 2})),
        ("releases that are not listed", "ELE-65", _counted(lambda count: {"releases": _releases(bytes(32))})),
        ("releases with shares of their own", "ELE-65", _counted(lambda count: {"releases": _releases()})),
        ("no quorum for the releases", "DEC-1", _counted(lambda count: {"votes": count["votes"][:2]})),
        ("the list of ballots for that of releases", "ELE-51", _counted(lambda _: {"proposal": _proposal(question)})),
        ("a count of what is no ballot", "ELE-65", put(**_with_a_count())),
        ("a count of what is not listed", "ELE-65", _unlisted),
        ("no list, no receipts", "ELE-52", put(proposal=b"", votes=[], receipts=[])),
    ]


def _counted(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A file with other things in what opens its ballot."""
    return lambda body: body | {"count": body["count"] | change(body["count"])}


def _proposal(question: str) -> bytes:
    return _other("proposal.1", question=question)


def _releases(manifest_hash: bytes = b"") -> list[bytes]:
    """What witnesses sign beside the certified releases."""
    body = aside().count(0)
    body = body | {"manifest": manifest_hash or body["manifest"], "shares": [[ballot(made()).id, bytes(32)]]}
    return [_signed(who, "count.1", body, f"count/{who}") for who in range(2)]


def _with_a_count() -> dict[str, Any]:
    """The file about a pledge, with what opens a ballot."""
    pledge = next(one for one in made().records if one.kind == "pledge.1")
    whole: dict[str, Any] = decode(file(made(), pledge))
    return whole | {"count": decode(file(made()))["count"]}


def _unlisted(body: dict[str, Any]) -> dict[str, Any]:
    """Before there is a list there is nothing to open."""
    return body | {"proposal": b"", "votes": []}


def _flipped(raw: bytes) -> bytes:
    parts = list(decode(raw))
    parts[1] = bytes([parts[1][0] ^ 1]) + parts[1][1:]
    return encode(parts)


@pytest.mark.parametrize("at", range(len(_lies())), ids=[name for name, _, _ in _lies()])
def test_lies(at: int) -> None:
    """ELE-50 to ELE-53: each with the clause that it breaks, none with anything shown."""
    _, code, change = _lies()[at]
    with pytest.raises(Reject) as caught:
        verify(encode(change(decode(file(made())))))
    assert caught.value.code == code


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_no_byte_can_be_changed(at: int, change: int) -> None:
    """ELE-53: any change of one byte is refused, or shows exactly the same."""
    raw = bytearray(file_bytes())
    raw[at % len(raw)] ^= change
    try:
        found = verify(bytes(raw))
    except Reject:
        return
    assert found == verify(file_bytes())


@cache
def file_bytes() -> bytes:
    return file(made())


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_a_sentence(raw: bytes) -> None:
    """ELE-50"""
    with pytest.raises(Reject):
        verify(raw)


def test_wltm_verify_says_it_in_a_sentence(tmp_path: Path) -> None:
    """ELE-53, CLI-9"""
    for raw, ok in ((file_bytes(), True), (file_bytes()[:-1], False)):
        path = tmp_path / f"{ok}.proof"
        path.write_bytes(raw)
        found, text = verify_file(path)
        assert found["ok"] is ok
        assert len(text.splitlines()) == 1 + ok  # what it was opened as


def vectors() -> dict[str, Any]:
    """Files with what they show, and one lie in each place."""
    whole = [("listed", file(made())), ("left out", file(made(LeftOut)))]
    record = next(one for one in made().records if one.kind == "commitment.1")
    whole.append(("in a deal", file(made(), record)))
    cases: list[dict[str, Any]] = []
    for name, raw in whole:
        found = verify(raw)
        output = {"state": found.state, "question": found.question, "listed": found.listed, "place": found.place}
        output |= {"receipts": [key.hex() for key in found.receipts], "signers": [key.hex() for key in found.signers]}
        cases.append({"name": name, "clause": "ELE-50", "input": raw.hex(), "output": output})
    for name, code, change in _lies():
        raw = encode(change(decode(file_bytes())))
        cases.append({"name": name, "clause": code, "input": raw.hex(), "reject": code})
    return {"name": "inclusion", "spec": "07-election", "network": NETWORK.hex(), "cases": cases}
