"""A bundle of a deal that went on after its award: repaired, delivered in part, cancelled, polled (12-bundle, BUN-8,
BUN-11, BUN-13), with one lie in each place where a lie could pay."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.coop.box import Box, Question
from protocol.coop.decision import Council, Docket
from protocol.deal.bundle import make, verify
from protocol.deal.deal import read_deal
from protocol.deal.fulfilment import cancel_slot, consent_slot
from protocol.deal.holding import Step
from protocol.engine.deal.telling import told
from protocol.errors import Ignore
from protocol.identity import Persona
from protocol.record.log import Log
from protocol.record.record import Record
from tests.deals import NETWORK, TEMPLATE, Handmade, Twists, persona
from tests.test_bundle import forged, refusal, signed_again, without
from tests.test_lots import Scarce

STRANGER = persona("stranger")


class Lived(Handmade):
    """A rung falls and is repaired; one gets half, one all and a substitute, one cancels; then the poll."""

    def __init__(self, twists: Twists | None = None, greedy: str = "") -> None:
        self.greedy = greedy
        windows = {"repair_ms": 60_000, "renew_ms": 60_000}
        super().__init__(twists, 3, 1, 2, windows=windows, ladder=((1, 0), (9, 50)))

    def lists(self, box: Box, record: Record) -> bool:
        """All witnesses together let in what does not belong, where they are told to."""
        slot = record.header.slot
        there = slot is not None and slot.name == box.slot_name and record.kind == box.kind
        return there if self.greedy and box.slot_name == self.greedy else super().lists(box, record)

    def _deal(self) -> None:
        super()._deal()
        (agreed,) = self.deal().agreements
        seller, (ann, ben, cat) = self.suppliers[0], self.members
        self.report(seller, "deliver", ann, 18)
        self.report(ann, "receive", ann, 17)
        told = self.report(seller, "deliver", ben, 30)
        self.report(seller, "correct", ben, 36, corrects=told.id)
        body: dict[str, Any] = {"agreement": agreed.hash, "members": [], "article": "leaf 2", "attributes": {}}
        offer = self.say(seller, "substitute.1", self.deal_scope, body | {"unit_price_minor": 800, "remark": ""})
        answer = {"substitute": offer.id, "answer": "consent"}
        self.say(ben, "consent.1", self.deal_scope, answer, consent_slot(offer.id))
        body = {"agreement": agreed.hash, "member": cat.key, "ends": 0, "reason": "timing", "remark": ""}
        self.say(cat, "cancel.1", self.deal_scope, body, cancel_slot(agreed.hash, cat.key))
        self.poll()

    def report(self, who: Persona, action: str, member: Persona, quantity: int, **more: Any) -> Record:
        body = {"agreement": self.deal().agreements[0].hash, "action": action, "member": member.key}
        return self.say(who, "event.1", self.deal_scope, body | {"quantity": quantity, "reference": ""} | more)


@cache
def lived() -> Lived:
    return Lived()


def test_what_came_of_a_deal_is_proved() -> None:
    """BUN-8, BUN-11, BUN-13: the repair, the signatures, each member's account and the poll."""
    steps: list[Step] = []
    raw = make(NETWORK, TEMPLATE, lived().records, lived().room)
    found = verify(raw, steps.append)
    assert raw == forged(lived())
    names = [step.name for step in steps]
    for name in ("repair", "box of repairs", "box of signatures", "box of renewals", "account"):
        assert name in names
    assert found.deal.state == "ended"
    assert [one.id for one in found.records] == sorted(one.id for one in lived().records)
    lines = {line.member: line for line in found.deal.agreements[0].accounts}
    ann, ben, cat = (lines[one.key] for one in lived().members)
    assert (ann.owed, ann.got, ann.contested) == (36, 17, ("delivery",))
    assert (ben.got, ben.article, ben.price_minor) == (36, "leaf 2", 36 * 800)
    assert (cat.owed, cat.cancelled_by) == (4, cat.member)
    assert [one.body["answer"] for one in found.deal.renewals] == ["renew"] * 3


@pytest.mark.parametrize("kind", ["event.1", "cancel.1", "substitute.1", "consent.1"])
def test_nobody_else_adds_to_it(kind: str) -> None:
    """BUN-9, BUN-13, NEG-42: by a stranger, or under another agreement, it proves nothing."""
    one = next(one for one in lived().records if one.kind == kind)
    assert refusal(forged(lived(), [*without(lived().records, one), signed_again(one, STRANGER)])) == "BUN-9"
    if "agreement" in one.body:
        body = dict(one.body) | {"agreement": bytes(32)}
        header = one.header
        other = Record.sign(
            next(who for who in (*lived().members, *lived().suppliers) if who.key == one.author),
            NETWORK, kind, one.scope, body, created=header.created, expires=header.expires, slot=header.slot,
        )  # fmt: skip
        assert refusal(forged(lived(), [*lived().records, other])) == "BUN-9"


def test_what_was_said_can_be_kept_back() -> None:
    """BUN-13: the rest is as good without it; a bundle cannot show that nothing else was said."""
    for kind in ("event.1", "cancel.1", "consent.1"):
        assert refusal(forged(lived(), [one for one in lived().records if one.kind != kind])) == ""


LIES: list[tuple[str, str, str, Callable[[dict[str, Any]], dict[str, Any]]]] = [
    ("a repair takes less than was committed to", "repair", "DEC-13", lambda body: body | _if_repair(body, want=1)),
    ("a repair of another award", "repair", "DEC-13", lambda body: body | _if_repair(body, award=bytes(32))),
    ("a repair of least above want", "repair", "DEC-13", lambda body: body | _if_repair(body, least=9)),
]


def _if_repair(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return changes if body["want"] == 4 else {}


class Shrunk(Lived):
    """Whoever committed would take less, and all witnesses list it."""

    def _commit(self, who: Persona, slot: str = "commitment") -> None:
        super()._commit(self.members[0] if slot == "repair" else who, slot)

    def _deal(self) -> None:
        Handmade._deal(self)


@pytest.mark.parametrize(("slot", "clause", "twist"), [lie[1:] for lie in LIES], ids=[lie[0] for lie in LIES])
def test_what_does_not_belong_into_the_round(slot: str, clause: str, twist: Callable[[Any], Any]) -> None:
    """NEG-111, NEG-112, DEC-13: even listed by all witnesses; the control is the same round without the lie."""
    assert refusal(forged(Shrunk(None, slot))) == ""
    assert refusal(forged(Shrunk({"commitment.1": twist}, slot))) == clause


def test_a_strangers_word_in_the_poll_or_for_the_supplier() -> None:
    """AGR-2, AGR-18, DEC-13"""
    assert refusal(forged(Lived({"renewal.1": lambda body: body | {"rfq": bytes(32)}}, "renewal"))) == "DEC-13"
    wrong: Twists = {"countersign.1": lambda body: body | {"agreement": bytes(32)}}
    assert refusal(forged(Lived(wrong, "countersign"))) == "DEC-13"


def test_a_round_that_is_left_out() -> None:
    """BUN-8: with the repair's certificate gone, nothing follows after it."""
    gone = [one for one in lived().records if str(one.body.get("question", "")).startswith("repairs/")]
    assert gone
    rest = [one for one in lived().records if one not in gone]
    assert refusal(forged(lived(), rest)) == "DEC-1"


@given(st.integers(0, 10**9))
@settings(max_examples=10)
def test_in_any_order_it_is_the_same_deal(seed: int) -> None:
    """NEG-41, AGR-4: a function of the set of records, the reports and all that came after the award included."""
    said = [one for one in lived().records if one.scope == lived().deal_scope]
    found = []
    for order in (said, Random(seed).sample(said, len(said))):
        log, docket = Log(lived().deal_scope), Docket()
        for one in order:
            log.add(one, wanted=True)
            docket.note(one)
        deal = read_deal(log, docket, NETWORK)
        assert deal is not None
        found.append((log.digest(), deal.state, deal.agreements, deal.fallen, [one.id for one in deal.renewals]))
    assert found[0] == found[1]
    assert found[0][1] == "ended"


def test_what_fills_a_slot_hides_no_signature() -> None:
    """AGR-2, REC-14: whoever holds which four of a supplier's signatures, the certified one is fetched and counts."""

    class Many(Handmade):
        def decide(self, scope: str, council: Council, question: Question) -> None:
            if question.name.startswith("signatures/"):
                for number in range(9):
                    body = {"rfq": self.rfq.id, "agreement": bytes([number]) * 32}
                    self.say(self.suppliers[0], "countersign.1", scope, body, "countersign")
            super().decide(scope, council, question)

    made = Many()
    said = [one for one in made.records if one.scope == made.deal_scope]
    signed = [one for one in said if one.kind == "countersign.1"]
    right = signed[0]
    for held in (signed[1:5], signed[5:9], []):
        log, docket = Log(made.deal_scope), Docket()
        for one in [*held, *(one for one in said if one not in signed)]:
            log.add(one)
            docket.note(one)
        before = read_deal(log, docket, NETWORK)
        assert before is not None
        assert before.state == "agreed"
        if held:
            with pytest.raises(Ignore):
                log.add(right)
        log.add(right, wanted=True)
        after = read_deal(log, docket, NETWORK)
        assert after is not None
        assert after.state == "countersigned"


class OneSigns(Scarce):
    """Of two suppliers that are awarded, the later by key signs something else."""

    def say(self, who: Persona, kind: str, scope: str, body: dict[str, Any], slot: str = "") -> Record:
        if kind == "countersign.1" and who.key == max(one.supplier for one in self.deal().agreements):
            body = body | {"agreement": bytes(32)}
        return super().say(who, kind, scope, body, slot)


def test_one_supplier_of_two_leaves_its_part_unsigned() -> None:
    """AGR-2, AGR-6, AGR-21, BUN-11: the other part stands and comes to its own end; each is told whose it was."""

    def serves(keys: list[bytes]) -> list[list[Any]]:
        first, second = [who for who in keys if who != persona("s2").key]
        return [[first, 9], [second, 6]]

    made = OneSigns({"serves": serves}, members=5, witnesses=4, suppliers=3, windows={"answer_ms": 60_000})
    deal = made.deal()
    assert deal.state == "countersigned"
    signed, silent = deal.agreements
    assert (signed.signed, silent.signed) == (True, False)
    assert any(f"{silent.supplier.hex()[:8]} did not countersign" in one for one in told(deal, made.now, "GBP"))
    supplier = next(one for one in made.suppliers if one.key == signed.supplier)
    for member, quantity in signed.allocation.shares:
        body = {"agreement": signed.hash, "action": "deliver", "member": member, "quantity": quantity * 12}
        made.say(supplier, "event.1", made.deal_scope, body | {"reference": ""})
    assert made.deal().state == "delivered"
    steps: list[Step] = []
    assert verify(make(NETWORK, TEMPLATE, made.records, made.room), steps.append).deal.state == "delivered"
    words = [step.sentence for step in steps if step.name == "countersign"]
    assert words == ["the supplier signed this very agreement", f"{silent.supplier.hex()[:8]} did not sign"]
