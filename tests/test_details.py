"""Names and addresses: sealed to the supplier who signed, by the member's own word, and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import commands as ask
from protocol.deal.deal import read_deal
from protocol.encoding import encode
from protocol.errors import CommandError, Ignore
from protocol.events import RecordReceived
from protocol.identity import SEAL_BYTES, box_key, seal
from protocol.params import DETAIL_BYTES
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, Handmade, persona
from tests.stages import Desk, until

HOME = ask.SetDetails("Ada Lovelace", "12 St James's Square\nLondon", "ada@example.net", "Ring twice")
MADE = Handmade()
DEAL = bytes.fromhex(MADE.deal_scope.removeprefix("deal/"))
M0, M1, LEFT, SELLER, OTHER = persona("m0"), persona("m1"), persona("m2"), persona("s0"), persona("s1")


def desk(who: Any, *more: Record) -> Desk:
    """A node of somebody who holds the deal up to its countersignature, and these."""
    known = [one for one in until(MADE, "countersigned") if one.scope == MADE.deal_scope]
    found = Desk(who, [*known, *more], now=known[-1].header.created + 1_000)
    found.tick()
    return found


def asked() -> tuple[Record, Record]:
    """The supplier's wish for details, and what it would do with them."""
    supplier = desk(SELLER)
    (intake,), (half,) = supplier.said("intake.1"), supplier.said("rel.1")
    return intake, half


def sent(who: Any = M0) -> tuple[Record, Record]:
    """A member's leave and details as they travel."""
    member = desk(who, *asked())
    member.ask(HOME)
    member.ask(ask.SendDetails(DEAL))
    (detail,), (half,) = member.said("detail.1"), [one for one in member.said("rel.1") if one.author == who.key]
    return half, detail


def lines(supplier: Desk) -> dict[bytes, Any]:
    return {one["member"]: one["details"] for one in supplier.ask(ask.AskOrder(DEAL))["lines"]}


def test_a_supplier_asks_once_it_has_signed_and_members_answer_by_their_own_word() -> None:
    """SUP-31, SUP-32, SUP-30: nothing flows before; then the order holds it."""
    assert desk(OTHER).said("intake.1") == []
    member = desk(M0)
    member.ask(HOME)
    assert [one["kind"] for one in member.ask(ask.AskNeeds()) if one["kind"] == "details"] == []
    with pytest.raises(CommandError) as error:
        member.ask(ask.SendDetails(DEAL))
    assert error.value.code == "SUP-31"
    member = desk(M0, *asked())
    assert [one["kind"] for one in member.ask(ask.AskNeeds()) if one["kind"] == "details"] == ["details"]
    with pytest.raises(CommandError) as error:
        member.ask(ask.SendDetails(DEAL))
    assert error.value.code == "SUP-32"
    member.ask(HOME)
    assert member.ask(ask.AskDetails())["contact"] == "ada@example.net"
    member.tick(60_000)
    assert member.said("detail.1") == []  # nobody said so
    supplier = desk(SELLER, *asked(), *sent())
    assert lines(supplier) == {M0.key: {name: getattr(HOME, name) for name in HOME.__slots__}, M1.key: {}}


def test_only_the_supplier_can_read_them() -> None:
    """SUP-32: every one is of one size, and holds nothing in the open."""
    records = [sent(M0)[1], sent(M1)[1]]
    short = desk(M1, *asked())
    short.ask(ask.SetDetails("B"))
    short.ask(ask.SendDetails(DEAL))
    records += short.said("detail.1")
    assert {len(one.body["sealed"]) for one in records} == {DETAIL_BYTES + SEAL_BYTES}
    assert not any(b"Ada" in one.raw or b"example" in one.raw for one in records)
    with pytest.raises(CommandError):
        desk(OTHER, *asked(), *records).ask(ask.AskOrder(DEAL))
    with pytest.raises(CommandError):
        desk(M1, *asked(), *records).ask(ask.AskOrder(DEAL))


def test_another_members_words_are_nobodys() -> None:
    """SUP-33: copied under another name, sealed for another agreement, garbage, an open note: the line stays empty."""
    (_, own), (leave, _) = sent(), sent(M1)
    supplier = desk(SELLER, *asked(), leave)
    box, agreement, rel = asked()[0].body["box"], leave.body["agreement"], own.body["rel"]
    empty = {"address": "", "contact": "", "notes": ""}
    wrong = encode({"agreement": bytes(32), "member": M1.key, "name": "x", "rel": rel, **empty})
    padded = (len(wrong).to_bytes(2, "big") + wrong).ljust(DETAIL_BYTES, b"\0")
    for number, sealed in enumerate((
        own.body["sealed"],
        seal(padded, box, lambda size: bytes(size - 1) + b"\1"),
        seal(b"\xff" * DETAIL_BYTES, box, lambda size: bytes(size - 1) + b"\2"),
        bytes(DETAIL_BYTES + SEAL_BYTES),
        b"short",
    )):  # fmt: skip
        body = {"agreement": agreement, "rel": rel, "sealed": sealed}
        slot = Slot("latest", "detail/0", number)
        refs = (MADE.rfq.id,)
        when = supplier.now
        copy = Record.sign(
            *(M1, NETWORK, "detail.1", MADE.deal_scope, body), created=when, expires=when + 10**6, slot=slot, refs=refs
        )
        supplier.do(RecordReceived(copy, ""))
        supplier.tick()
        assert lines(supplier) == {M0.key: {}, M1.key: {}}


@pytest.mark.parametrize(
    ("kind", "who"), [("detail.1", LEFT), ("detail.1", OTHER), ("intake.1", OTHER), ("intake.1", M0)]
)
def test_who_has_no_part_in_it_is_not_heard(kind: str, who: Any) -> None:
    """NEG-42: members without a share, other suppliers."""
    supplier = desk(SELLER)
    agreement = asked()[0].body["agreement"]
    body: dict[str, Any] = {"agreement": agreement, "rel": bytes(32), "sealed": b""}
    slot = Slot("latest", "detail/0", 0)
    if kind == "intake.1":
        body, slot = {"agreement": agreement, "box": box_key(bytes(32))}, Slot("once", "intake", 0)
    record = Record.sign(
        *(who, NETWORK, kind, MADE.deal_scope, body), created=supplier.now, expires=supplier.now + 10**6, slot=slot
    )
    with pytest.raises(Ignore) as error:
        supplier.do(RecordReceived(record, ""))
    assert error.value.code == "NEG-42"


def test_what_was_sent_is_taken_back() -> None:
    """SUP-34: by the member's word, and by itself once everybody has got everything."""
    member = desk(M0, *asked())
    member.ask(HOME)
    with pytest.raises(CommandError):
        member.ask(ask.BlankDetails(DEAL))
    member.ask(ask.SendDetails(DEAL))
    member.ask(ask.BlankDetails(DEAL))
    (last,) = [one for one in member.said("detail.1") if one.header.slot and one.header.slot.seq == 1]
    assert last.body["sealed"] == b""
    assert lines(desk(SELLER, *asked(), *member.said("rel.1"), *member.said("detail.1")))[M0.key] == {}
    again = desk(M0, *asked(), *sent())
    supplier = desk(SELLER, *asked())
    deal = supplier.engine._core.contexts[MADE.deal_scope].deal(supplier.engine._core.settings)
    assert deal is not None
    for one in deal.agreements[0].accounts:
        report = ask.Report(DEAL, "deliver", one.member, one.owed)
        supplier.ask(report)
    again.records |= {one.id: one for one in supplier.said("event.1")}
    again = Desk(M0, again.records.values(), again.facts, supplier.now + 1)
    log = again.engine._core.contexts[MADE.deal_scope]
    found = read_deal(log.log, log.docket, NETWORK)
    assert found is not None
    if found.state == "delivered":
        again.tick()
        assert max(one.header.slot.seq for one in again.said("detail.1") if one.header.slot) == 1


@pytest.mark.parametrize(
    "command",
    [
        ask.SetDetails("x" * 121),
        ask.SetDetails("x", address="y" * 301),
        ask.SetDetails("bell\x07"),
        ask.SetDetails("é" * 61),
    ],
)
def test_what_does_not_fit_is_one_sentence(command: Any) -> None:
    """SUP-32"""
    member = desk(M0)
    with pytest.raises(CommandError) as error:
        member.ask(command)
    assert error.value.code == "SUP-32"
    assert "details" not in member.facts


def test_all_that_fits_is_sealed() -> None:
    """SUP-32: the longest of everything."""
    member = desk(M0, *asked())
    member.ask(ask.SetDetails("n" * 120, "a" * 300, "c" * 120, "r" * 300))
    member.ask(ask.SendDetails(DEAL))
    assert lines(desk(SELLER, *asked(), *member.said("rel.1"), *member.said("detail.1")))[M0.key]["notes"] == "r" * 300
