"""What members and suppliers may say under an award and its agreement, and when: one node, asked at the right moment
and at every wrong one (08-negotiation NEG-110 to NEG-114; 09-accountability, AGR-3, AGR-11, AGR-13, AGR-16 to 18)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from protocol import commands as ask
from protocol.errors import CommandError
from protocol.events import RecordReceived
from protocol.identity import Persona
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, Handmade, persona
from tests.stages import Desk, at
from tests.test_commands import assert_sentence, refused

M0, M1, M2 = persona("m0"), persona("m1"), persona("m2")
CHEAP, SECOND, STRANGER = persona("s0"), persona("s1"), persona("stranger")
DAY_MS = 86_400_000


@cache
def made() -> Handmade:
    """m0 and m1 have shares of the cheapest supplier; m2 declined, so that a rung fell, and then stepped in."""
    return Handmade(windows={"repair_ms": 60_000, "renew_ms": 60_000}, ladder=((1, 0), (9, 50)))


def deal() -> bytes:
    return bytes.fromhex(made().deal_scope.removeprefix("deal/"))


def desk(who: Persona, state: str = "countersigned", later_ms: int = 0) -> Desk:
    found = at(made(), state, who)
    found.now += later_ms
    found.tick()
    return found


def view(one: Desk) -> dict[str, Any]:
    """The deal as this node shows it."""
    found: dict[str, Any] = one.ask(ask.AskDeals())[0]
    return found


def needs(one: Desk, kind: str) -> list[dict[str, Any]]:
    return [need for need in one.ask(ask.AskNeeds()) if need["kind"] == kind]


def shared(sender: Desk, receiver: Desk) -> None:
    """What one has, the other hears."""
    for record in sender.records.values():
        if record.id not in receiver.records:
            receiver.do(RecordReceived(record, ""))
            receiver.tick()


# The repair round


def test_who_is_shown_which_rung_fell_may_step_in() -> None:
    """NEG-110, NEG-111, NEG-114"""
    node = desk(M2, "repairing")
    (need,) = needs(node, "repair")
    assert "needs 9 units; 6 came together, so GBP 9.00 stands" in need["says"]
    assert need["silence"] == "You stay left out."
    assert view(node)["fallen"] == [
        {"supplier": CHEAP.key, "minimum": 9, "ordered": 6, "unit_price_minor": 850, "instead_minor": 900}
    ]
    node.ask(ask.Repair(deal(), want=4))
    (said,) = [one for one in node.said("commitment.1") if one.header.slot and one.header.slot.name == "repair"]
    assert (said.author, said.body["want"], said.body["tolerate"]) == (M2.key, 4, 1)
    assert not needs(node, "repair")


def test_a_commitment_can_only_grow() -> None:
    """NEG-112"""
    for less in (
        ask.Repair(deal(), want=2),
        ask.Repair(deal(), tolerate=0),
        ask.Repair(deal(), least=2),
        ask.Repair(deal(), price_max_minor=999),
    ):
        assert refused(desk(M1, "repairing"), less).code == "NEG-112"
    assert needs(desk(M1, "repairing"), "repair")[0]["silence"] == "Your commitment stays as it is."
    assert desk(M1, "repairing").ask(ask.Repair(deal(), want=5, price_max_minor=1_100))


def test_the_repaired_agreement_counts_last_words() -> None:
    """NEG-113"""
    agreed = made().deal().agreements[0]
    assert agreed.allocation.unit_price_minor == 850
    assert dict(agreed.allocation.shares) == {M0.key: 3, M1.key: 3, M2.key: 4}
    assert agreed.terms.start == max(one.header.created for one in made().deal().commitments)


# Refusals


REFUSALS: list[tuple[str, str, Persona, str, Any]] = [
    ("repair: too early", "NEG-111", M1, "awarded", ask.Repair(b"")),
    ("repair: over", "NEG-111", M1, "agreed", ask.Repair(b"")),
    ("repair: nobody's", "NEG-111", STRANGER, "repairing", ask.Repair(b"")),
    ("repair: least above want", "NEG-10", M2, "repairing", ask.Repair(b"", want=2, least=3)),
    ("repair: a negative number", "REC-11", M2, "repairing", ask.Repair(b"", want=-1, least=-1)),
    ("correct: of nothing", "AGR-11", M1, "countersigned", ask.Report(b"", "correct", M1.key, 3)),
    ("correct: unknown", "AGR-11", M1, "countersigned", ask.Report(b"", "correct", M1.key, 3, "", bytes(32))),
    ("receive: a correction", "AGR-11", M1, "countersigned", ask.Report(b"", "receive", M1.key, 3, "", bytes(32))),
    ("cancel: too early", "AGR-13", M1, "awarded", ask.Cancel(b"", "price")),
    ("cancel: no reason", "AGR-13", M1, "countersigned", ask.Cancel(b"", "")),
    ("cancel: an unknown reason", "REC-11", M1, "countersigned", ask.Cancel(b"", "bored")),
    ("cancel: for another", "AGR-13", M1, "countersigned", ask.Cancel(b"", "price", member=M2.key)),
    ("cancel: by whom it does not concern", "AGR-13", SECOND, "countersigned", ask.Cancel(b"", "price")),
    ("cancel: a negative time", "REC-11", M1, "countersigned", ask.Cancel(b"", "price", ends=-1)),
    ("substitute: by a member", "AGR-16", M1, "countersigned", ask.Substitute(b"", "leaf 2", 800)),
    ("substitute: dearer", "AGR-16", CHEAP, "countersigned", ask.Substitute(b"", "leaf 2", 851)),
    ("substitute: below nothing", "AGR-16", CHEAP, "countersigned", ask.Substitute(b"", "leaf 2", -1)),
    ("substitute: for a stranger", "AGR-16", CHEAP, "countersigned", ask.Substitute(b"", "leaf 2", 1, (STRANGER.key,))),
    ("substitute: without a name", "REC-11", CHEAP, "countersigned", ask.Substitute(b"", "", 800)),
    ("consent: to nothing", "AGR-17", M1, "countersigned", ask.Consent(b"", bytes(32), "consent")),
    ("renew: long before the end", "AGR-18", M1, "countersigned", ask.AnswerRenewal(b"", "renew")),
    ("renew: too early", "AGR-18", M1, "awarded", ask.AnswerRenewal(b"", "renew")),
]


@pytest.mark.parametrize(("code", "who", "state", "command"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refusals(code: str, who: Persona, state: str, command: Any) -> None:
    """NEG-111, NEG-112, NEG-114, AGR-3, AGR-11, AGR-13, AGR-16, AGR-17, AGR-18: a sentence, and nothing has changed."""
    named = type(command)(**{name: getattr(command, name) for name in command.__slots__} | {"deal": deal()})
    error = refused(desk(who, state), named)
    assert error.code == code
    assert_sentence(error.message)


# Under the agreement


def test_what_stays_owed_is_said() -> None:
    """AGR-13, AGR-14: leaving at once, in the first month: one month of twelve."""
    node = desk(M1)
    reply = node.ask(ask.Cancel(deal(), "changed-mind"))
    assert reply["says"] == "Cancelled: 3 units and GBP 25.50 in all stay owed, without a fee."
    (line,) = [one for one in view(node)["accounts"] if one["member"] == M1.key]
    assert (line["owed"], line["cancelled_by"]) == (3, M1.key)
    assert refused(node, ask.Cancel(deal(), "price")).code == "REC-14"
    assert {one["owed"] for one in view(node)["accounts"] if one["member"] != M1.key} == {36, 48}
    assert any("ended early by the agreed terms; 3 units stay owed." in one for one in view(node)["says"])


def test_a_report_and_its_correction_reach_the_other_side() -> None:
    """AGR-3, AGR-11, AGR-12, AGR-22: what differs is said in words at both."""
    seller, member = desk(CHEAP), desk(M1)
    seller.ask(ask.Report(deal(), "deliver", M1.key, 36, "truck 7"))
    shared(seller, member)
    member.ask(ask.Report(deal(), "receive", M1.key, 30))
    shared(member, seller)
    for node in (seller, member):
        (line,) = [one for one in view(node)["accounts"] if one["member"] == M1.key]
        assert (line["got"], line["contested"]) == (30, ["delivery"])
        assert any("says they got 30, the supplier says 36: a claim" in one for one in view(node)["says"])
    told = next(one["id"] for one in view(seller)["events"] if one["by"] == CHEAP.key)
    assert refused(member, ask.Report(deal(), "correct", M1.key, 30, "", told)).code == "AGR-11"
    seller.now += 1_000
    seller.ask(ask.Report(deal(), "correct", M1.key, 30, "", told))
    assert not any("a claim" in one for one in view(seller)["says"])


def test_a_substitute_waits_for_each_member() -> None:
    """AGR-16, AGR-17"""
    seller, member = desk(CHEAP), desk(M1)
    made_id = seller.ask(ask.Substitute(deal(), "leaf 2", 800, (M1.key,)))["id"]
    shared(seller, member)
    (need,) = needs(member, "consent")
    assert need["substitute"] == made_id
    assert need["silence"] == "What was agreed stays owed to you."
    member.ask(ask.Consent(deal(), made_id, "consent"))
    (line,) = [one for one in view(member)["accounts"] if one["member"] == M1.key]
    assert (line["article"], line["unit_price_minor"]) == ("leaf 2", 800)
    assert not needs(member, "consent")
    other = desk(M0)
    shared(seller, other)
    assert refused(other, ask.Consent(deal(), made_id, "consent")).code == "AGR-17"


def test_the_poll_opens_before_the_end() -> None:
    """AGR-18: the request expires before the year is over, so it closes renew_ms before that."""
    open_from = made().rfq.header.expires - 2 * 60_000
    node = desk(M1)
    assert not needs(node, "renewal")
    node.now = open_from + 1
    assert len(needs(node, "renewal")) == 1
    assert refused(node, ask.AnswerRenewal(deal(), "leave")).code == "AGR-18"
    node.ask(ask.AnswerRenewal(deal(), "leave", "price"))
    assert not needs(node, "renewal")
    node.now = open_from + 60_001
    assert refused(node, ask.AnswerRenewal(deal(), "renew")).code == "AGR-18"


# What a stranger may not fill


def test_strangers_say_nothing_under_an_agreement() -> None:
    """NEG-42: not held, whatever it is."""
    node = desk(M1)
    agreed = made().deal().agreements[0]
    bodies: list[tuple[str, dict[str, Any], str]] = [
        (
            "cancel.1",
            {"agreement": agreed.hash, "member": M1.key, "ends": 0, "reason": "price", "remark": ""},
            "cancel/x",
        ),
        ("consent.1", {"substitute": bytes(32), "answer": "consent"}, "consent/x"),
        (
            "substitute.1",
            {"agreement": agreed.hash, "members": [], "article": "x", "attributes": {}, "unit_price_minor": 1}
            | {"remark": ""},
            "",
        ),
    ]
    for kind, body, name in bodies:
        slot = Slot("once", name, 0) if name else None
        scope, until = made().deal_scope, node.now + 9_000
        record = Record.sign(STRANGER, NETWORK, kind, scope, body, created=node.now, expires=until, slot=slot)
        with pytest.raises(Exception, match="no party") as caught:
            node.do(RecordReceived(record, ""))
        assert not isinstance(caught.value, CommandError)
        assert record.id not in node.records
