"""What came of an agreement: sums, corrections, ends, substitutes (09-accountability, AGR-3, AGR-4, AGR-10 to 17)."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.deal.fulfilment import (
    Account,
    Terms,
    accounts,
    cancel_slot,
    cancelled_at,
    consent_slot,
    is_party,
    periods_due,
)
from protocol.identity import Persona
from protocol.params import DAY_MS, PERIOD_MS
from protocol.record.kinds import KINDS
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import LIFE_MS, NETWORK, START_MS, persona

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "fulfilment.json"
SCOPE = "deal/" + "0" * 32
SELLER, OTHER = persona("s0"), persona("s1")
ANN, BEN, EVE = persona("m0"), persona("m1"), persona("eve")
AGREEMENT = bytes(range(32))
MONTH = PERIOD_MS["MON"]
TERMS = Terms(
    agreement=AGREEMENT,
    supplier=SELLER.key,
    unit_price_minor=900,
    shares=tuple(sorted(((ANN.key, 3), (BEN.key, 2)))),
    start=START_MS,
    periods=12,
    period_ms=MONTH,
    cancellation="notice-30-days",
    fee_minor=2_500,
    charge_minor=120,
)


def say(who: Persona, kind: str, body: dict[str, Any], slot: str = "", at: int = 0) -> Record:
    where = Slot(KINDS[kind].mode, slot, 0) if slot else None
    created = START_MS + at
    return Record.sign(who, NETWORK, kind, SCOPE, body, created=created, expires=created + LIFE_MS, slot=where)


def event(who: Persona, action: str, member: Persona, quantity: int, at: int = 0, **more: Any) -> Record:
    body = {"agreement": AGREEMENT, "action": action, "member": member.key, "quantity": quantity, "reference": ""}
    return say(who, "event.1", body | more, at=at)


def cancel(who: Persona, member: Persona, ends: int, at: int = 0, **more: Any) -> Record:
    body = {"agreement": AGREEMENT, "member": member.key, "ends": START_MS + ends, "reason": "price", "remark": ""}
    return say(who, "cancel.1", body | more, cancel_slot(AGREEMENT, member.key), at)


def offer(price: int, *members: Persona, who: Persona = SELLER, article: str = "leaf 2", at: int = 0) -> Record:
    body = {"agreement": AGREEMENT, "members": sorted(one.key for one in members), "article": article}
    return say(who, "substitute.1", body | {"attributes": {}, "unit_price_minor": price, "remark": ""}, at=at)


def answer(who: Persona, substitute: Record, word: str = "consent") -> Record:
    body = {"substitute": substitute.id, "answer": word}
    return say(who, "consent.1", body, consent_slot(substitute.id))


def read(*records: Record, terms: Terms = TERMS, member: Persona = ANN) -> Account:
    log = Log(SCOPE)
    for one in records:
        log.add(one)
    return next(line for line in accounts(log, terms) if line.member == member.key)


# Delivery and payment


def test_parts_add_up_and_the_members_word_goes_before_the_suppliers() -> None:
    """AGR-3, AGR-4, AGR-10: 3 units a month for a year are 36; three deliveries, and what the member says came."""
    assert read().owed == 36
    assert read().price_minor == 36 * 900 + 120
    parts = [event(SELLER, "deliver", ANN, 12, at) for at in range(3)]
    assert read(*parts[:2]).got == 24
    assert not read(*parts[:2]).fulfilled
    assert read(*parts).fulfilled
    assert read(*parts, event(ANN, "receive", ANN, 30)).got == 30
    assert read(event(ANN, "receive", ANN, 36)).fulfilled
    assert read(*parts, event(ANN, "receive", ANN, 0)).got == 0  # "nothing came" is a word too
    assert read(event(SELLER, "deliver", BEN, 36)).got == 0


@pytest.mark.parametrize(
    "record",
    [
        event(OTHER, "deliver", ANN, 36),
        event(BEN, "receive", ANN, 36),
        event(EVE, "receive", EVE, 36),
        event(SELLER, "pay", ANN, 36),
        event(SELLER, "deliver", ANN, 36, agreement=bytes(32)),
        event(SELLER, "correct", ANN, 36),
        event(SELLER, "correct", ANN, 36, corrects=bytes(32)),
    ],
    ids=["another supplier", "another member", "a stranger", "a payment", "another hash", "of nothing", "of no report"],
)
def test_what_leads_to_no_delivery(record: Record) -> None:
    """AGR-4, AGR-5, AGR-11"""
    assert read(record).got == 0


def test_a_correction_takes_the_place_of_ones_own_report() -> None:
    """AGR-11: the newest of several; nobody corrects another, and a correction is not corrected."""
    told = event(SELLER, "deliver", ANN, 36)
    fixed = event(SELLER, "correct", ANN, 30, 2, corrects=told.id)
    assert read(told, fixed).got == 30
    again = event(SELLER, "correct", ANN, 31, 3, corrects=told.id)
    earlier = event(SELLER, "correct", ANN, 32, 1, corrects=told.id)
    for order in permutations((told, fixed, again, earlier)):
        assert read(*order).got == 31
    assert read(told, event(ANN, "correct", ANN, 1, corrects=told.id)).got == 36
    assert read(told, event(SELLER, "correct", BEN, 1, corrects=told.id)).got == 36
    assert read(told, fixed, event(SELLER, "correct", ANN, 1, 9, corrects=fixed.id)).got == 30


def test_where_both_have_spoken_and_differ_is_a_claim() -> None:
    """AGR-12: shown to both, decided by nobody."""
    assert read(event(SELLER, "deliver", ANN, 36)).contested == ()
    both = event(SELLER, "deliver", ANN, 36), event(ANN, "receive", ANN, 30)
    assert read(*both).contested == ("delivery",)
    assert read(*both, event(SELLER, "correct", ANN, 30, 1, corrects=both[0].id)).contested == ()
    paid = event(ANN, "pay", ANN, 36), event(SELLER, "pay", ANN, 12)
    line = read(*paid)
    assert (line.paid, line.credited, line.contested) == (36, 12, ("payment",))


# Cancellation


ENDS: list[tuple[str, str, int, int, bool, bool, tuple[int, int]]] = [
    # name, terms, said, wished, by the member, something was delivered before -> (end, fee)
    ("at once", "anytime", 5 * DAY_MS, 0, True, False, (5 * DAY_MS, 2_500)),
    ("later on", "anytime", 5 * DAY_MS, 90 * DAY_MS, True, False, (90 * DAY_MS, 2_500)),
    ("a month's notice", "notice-30-days", 5 * DAY_MS, 0, True, True, (35 * DAY_MS, 2_500)),
    ("a day later than notice", "notice-30-days", 5 * DAY_MS, 36 * DAY_MS, True, True, (36 * DAY_MS, 2_500)),
    ("three months' notice", "notice-90-days", 5 * DAY_MS, 0, True, True, (95 * DAY_MS, 2_500)),
    ("not before the end", "end-of-term", 5 * DAY_MS, 0, True, True, (12 * MONTH, 0)),
    ("nothing came yet", "before-delivery", 5 * DAY_MS, 0, True, False, (0, 2_500)),
    ("something came", "before-delivery", 5 * DAY_MS, 0, True, True, (12 * MONTH, 0)),
    ("by the supplier", "notice-30-days", 5 * DAY_MS, 0, False, True, (35 * DAY_MS, 0)),
    ("after the end", "anytime", 13 * MONTH, 0, True, True, (12 * MONTH, 0)),
    ("too late for notice", "notice-90-days", 12 * MONTH - DAY_MS, 0, True, True, (12 * MONTH, 0)),
]


@pytest.mark.parametrize(("terms", "said", "wished", "own", "came", "expected"), [one[1:] for one in ENDS],
                         ids=[one[0] for one in ENDS])  # fmt: skip
def test_when_a_share_ends(
    terms: str, said: int, wished: int, own: bool, came: bool, expected: tuple[int, int]
) -> None:
    """AGR-14"""
    under = replace(TERMS, cancellation=terms)
    found = cancelled_at(under, START_MS + said, START_MS + wished, own, came)
    assert found == (START_MS + expected[0], expected[1])


DUE = [(-DAY_MS, 0), (0, 0), (1, 1), (MONTH, 1), (MONTH + 1, 2), (12 * MONTH, 12), (99 * MONTH, 12)]


@pytest.mark.parametrize(("after", "periods"), DUE)
def test_a_period_that_has_begun_is_owed_whole(after: int, periods: int) -> None:
    """AGR-14"""
    assert periods_due(TERMS, START_MS + after) == periods


def test_what_stays_owed_and_that_nobody_else_is_touched() -> None:
    """AGR-13, AGR-14, AGR-15"""
    line = read(cancel(ANN, ANN, 0, at=5 * DAY_MS))
    assert (line.owed, line.fee_minor, line.cancelled_by, line.charge_minor) == (2 * 3, 2_500, ANN.key, 20)
    assert line.price_minor == 6 * 900 + 20 + 2_500
    assert line.ends == START_MS + 35 * DAY_MS
    assert read(cancel(ANN, ANN, 0), member=BEN) == read(member=BEN)
    assert read(cancel(ANN, ANN, 0, at=5 * DAY_MS), event(SELLER, "deliver", ANN, 6)).fulfilled


def test_a_delivery_of_nothing_holds_nobody() -> None:
    """AGR-14: a supplier that reports none, or takes its report back, has not delivered."""
    terms = replace(TERMS, cancellation="before-delivery")
    left = cancel(ANN, ANN, 0, at=5 * DAY_MS)
    nothing, one = event(SELLER, "deliver", ANN, 0, at=DAY_MS), event(SELLER, "deliver", ANN, 1, at=DAY_MS)
    back = event(SELLER, "correct", ANN, 0, at=6 * DAY_MS, corrects=one.id)
    for said in ([nothing], [one, back], []):
        assert read(left, *said, terms=terms).owed == 0
    for said in ([one], [nothing, one], [one, event(ANN, "correct", ANN, 0, at=6 * DAY_MS, corrects=one.id)]):
        assert read(left, *said, terms=terms).owed == 36


def test_of_both_sides_the_earlier_end_counts() -> None:
    """AGR-13: the supplier asks no fee for its own; of two at one end the one without a fee."""
    mine, theirs = cancel(ANN, ANN, 90 * DAY_MS), cancel(SELLER, ANN, 40 * DAY_MS)
    assert read(mine, theirs).cancelled_by == SELLER.key
    assert read(mine, theirs).fee_minor == 0
    assert read(mine, cancel(SELLER, ANN, 90 * DAY_MS)).fee_minor == 0
    assert read(cancel(ANN, ANN, 31 * DAY_MS), theirs).fee_minor == 2_500


@pytest.mark.parametrize(
    "records",
    [
        [cancel(BEN, ANN, 0)],
        [cancel(OTHER, ANN, 0)],
        [cancel(ANN, ANN, 0), cancel(ANN, ANN, DAY_MS)],
        [cancel(ANN, ANN, 0, agreement=bytes(32))],
        [say(ANN, "cancel.1", dict(cancel(ANN, ANN, 0).body), "cancel/elsewhere")],
    ],
    ids=["another member", "another supplier", "said twice", "another agreement", "another slot"],
)
def test_what_cancels_nothing(records: list[Record]) -> None:
    """AGR-13"""
    assert read(*records) == read()


# Substitution


def test_a_substitute_is_for_whom_consents() -> None:
    """AGR-16, AGR-17: silence and refusal keep what was agreed; the newest that is taken counts."""
    first, second = offer(850), offer(800, ANN, article="leaf 3", at=1)
    assert read(first).article == ""
    assert read(first, answer(ANN, first, "refuse")).unit_price_minor == 900
    line = read(first, answer(ANN, first))
    assert (line.article, line.unit_price_minor, line.owed) == ("leaf 2", 850, 36)
    assert read(first, answer(ANN, first), member=BEN).article == ""
    for order in permutations((first, second, answer(ANN, first), answer(ANN, second))):
        assert read(*order).article == "leaf 3"


@pytest.mark.parametrize(
    "made",
    [offer(901), offer(850, BEN), offer(850, who=OTHER), event(SELLER, "deliver", BEN, 0)],
    ids=["dearer", "for another", "of another supplier", "no offer at all"],
)
def test_what_is_no_substitute(made: Record) -> None:
    """AGR-16"""
    assert read(made, answer(ANN, made)).article == ""


def test_two_answers_are_none() -> None:
    """AGR-17, REC-14"""
    made = offer(850)
    assert read(made, answer(ANN, made), answer(ANN, made, "refuse")).article == ""


# All of it


SAID = [
    event(SELLER, "deliver", ANN, 12),
    event(SELLER, "deliver", ANN, 12, 1),
    event(ANN, "receive", ANN, 20, 2),
    event(ANN, "pay", ANN, 5),
    event(EVE, "receive", ANN, 99),
    cancel(ANN, ANN, 60 * DAY_MS, at=DAY_MS),
    cancel(SELLER, BEN, 0),
    cancel(BEN, BEN, 0),
    cancel(BEN, BEN, 1),
    offer(850),
]
SAID += [event(ANN, "correct", ANN, 24, 3, corrects=SAID[2].id), answer(ANN, SAID[-1]), answer(BEN, SAID[-1])]


@given(st.integers(0, 10**9))
def test_any_order_gives_the_same_accounts_and_digest(seed: int) -> None:
    """AGR-4, AGR-10: a function of the set."""
    found = []
    for order in (SAID, Random(seed).sample(SAID, len(SAID))):
        log = Log(SCOPE)
        for one in order:
            log.add(one)
        found.append((accounts(log, TERMS), log.digest()))
    assert found[0] == found[1]


@pytest.mark.parametrize("one", SAID, ids=lambda one: one.kind)
def test_whose_word_it_is(one: Record) -> None:
    """NEG-42"""
    assert is_party(TERMS, one) == (one.author != EVE.key)


def test_thousands_of_records_are_read_once_each() -> None:
    """NEG-42: a supplier that reports all it may costs what its records cost, once each."""
    log = Log(SCOPE)
    for at in range(4_000):
        log.add(event(SELLER, ("deliver", "correct")[at % 2], (ANN, BEN)[at % 2], 1, at))
    lines = accounts(log, TERMS)
    assert sum(line.got for line in lines) == 2_000


# Vectors


def vectors() -> dict[str, Any]:
    """spec/vectors/fulfilment.json."""
    terms = {
        "agreement": AGREEMENT.hex(),
        "supplier": SELLER.key.hex(),
        "unit_price_minor": 900,
        "shares": [[member.hex(), quantity] for member, quantity in TERMS.shares],
        "start": START_MS,
        "periods": 12,
        "period": "MON",
        "fee_minor": 2_500,
        "charge_minor": 120,
    }
    cases: list[dict[str, Any]] = [
        {
            "name": f"end: {name}",
            "clause": "AGR-14",
            "input": {"cancellation": kind, "said": START_MS + said, "wished": START_MS + wished}
            | {"by_member": own, "delivered": came},
            "output": {"ends": START_MS + ends, "fee_minor": fee},
        }
        for name, kind, said, wished, own, came, (ends, fee) in ENDS
    ]
    for name, clause, said in _LINES:
        line = read(*said)
        given_: dict[str, Any] = {"cancellation": TERMS.cancellation, "member": ANN.key.hex()}
        given_ |= {"records": [one.raw.hex() for one in said]}
        out = {"owed": line.owed, "got": line.got, "price_minor": line.price_minor, "article": line.article}
        out |= {"contested": list(line.contested), "cancelled_by": line.cancelled_by.hex()}
        cases.append({"name": f"account: {name}", "clause": clause, "input": given_, "output": out})
    return {"name": "fulfilment", "spec": "09-accountability", "network": NETWORK.hex(), "terms": terms, "cases": cases}


TWO = [offer(850, article="leaf 3", at=1), offer(860)]
_LINES: list[tuple[str, str, list[Record]]] = [
    ("nothing said", "AGR-10", []),
    ("in parts", "AGR-4", [event(SELLER, "deliver", ANN, 12), event(SELLER, "deliver", ANN, 24, 1)]),
    ("the member differs", "AGR-12", [event(SELLER, "deliver", ANN, 36), event(ANN, "receive", ANN, 30)]),
    ("by another member", "AGR-4", [event(BEN, "receive", ANN, 36)]),
    ("by another supplier", "AGR-4", [event(OTHER, "deliver", ANN, 36)]),
    ("corrected", "AGR-11", [SAID[2], SAID[10]]),
    ("corrected by another", "AGR-11", [SAID[2], event(SELLER, "correct", ANN, 1, corrects=SAID[2].id)]),
    ("cancelled", "AGR-14", [cancel(ANN, ANN, 0, at=5 * DAY_MS)]),
    ("cancelled by a stranger", "AGR-13", [cancel(BEN, ANN, 0)]),
    ("cancelled twice", "AGR-13", [cancel(ANN, ANN, 0), cancel(ANN, ANN, DAY_MS)]),
    ("cancelled without a reason", "AGR-13", [cancel(ANN, ANN, 0, reason="")]),
    ("cancelled by both", "AGR-13", [cancel(ANN, ANN, 90 * DAY_MS), cancel(SELLER, ANN, 60 * DAY_MS)]),
    ("payments differ", "AGR-12", [event(ANN, "pay", ANN, 36), event(SELLER, "pay", ANN, 30)]),
    ("corrected twice", "AGR-11", [SAID[2], SAID[10], event(ANN, "correct", ANN, 25, 2, corrects=SAID[2].id)]),
    ("two substitutes taken", "AGR-17", [one for sub in TWO for one in (sub, answer(ANN, sub))]),
    ("taken and refused", "AGR-17", [TWO[0], answer(ANN, TWO[0]), answer(ANN, TWO[0], "refuse")]),
    ("a substitute taken", "AGR-17", [SAID[9], SAID[11]]),
    ("a substitute refused", "AGR-17", [SAID[9], answer(ANN, SAID[9], "refuse")]),
    ("a dearer substitute", "AGR-16", [offer(901), answer(ANN, offer(901))]),
    ("a substitute for another", "AGR-16", [offer(850, BEN), answer(ANN, offer(850, BEN))]),
]


def test_committed_vectors() -> None:
    """spec/vectors/fulfilment.json is what the code makes."""
    assert json.loads(VECTORS.read_text()) == vectors()
