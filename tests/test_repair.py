"""The repair round as a pure function: which rung fell, who may speak, whose last word counts (NEG-110 to NEG-113)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.risk import Stakes
from protocol.deal.allocation import Besides, Ladder
from protocol.deal.award import Award, Part, fallen
from protocol.deal.contract import agree, as_pledged
from protocol.deal.repair import good_repair, seat
from protocol.encoding import digest
from protocol.identity import Persona
from protocol.record.record import Record, Slot
from tests.deals import LIFE_MS, NETWORK, START_MS, Handmade, persona

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "repair.json"
SCOPE, RFQ, BOX = "deal/" + "0" * 32, bytes(32), digest("test", b"box")
MEMBERS = sorted((persona(f"m{number}") for number in range(5)), key=lambda one: one.key)
ANN, BEN, CAT, DAN, EVE = MEMBERS
SELLERS = sorted((persona("s0"), persona("s1")), key=lambda one: one.key)
Words = dict[str, Any]
Numbers = tuple[int, int, int, int]


def part(supplier: Persona, lots: dict[Persona, int], ladder: Ladder = ((1, 900), (9, 850))) -> Part:
    price = next(price for least, price in reversed(ladder) if sum(lots.values()) >= least)
    pairs = tuple(sorted((who.key, quantity) for who, quantity in lots.items()))
    return Part(supplier.key, bytes(32), ladder, 10_000, 1, price, Besides(0, 12, "MON"), "anytime", 0, pairs)


def award(*parts: Part, reserve: tuple[Persona, ...] = ()) -> Award:
    return Award(b"", digest("test", b"award"), parts, tuple(sorted(one.key for one in reserve)), ())


ONE = award(part(SELLERS[0], {ANN: 3, BEN: 3, CAT: 3}), reserve=(DAN,))
TWO = award(part(SELLERS[0], {ANN: 3, BEN: 3, CAT: 3}), part(SELLERS[1], {DAN: 3}, ((1, 700),)), reserve=(EVE,))


def word(
    who: Persona, numbers: Numbers = (3, 1, 1, 1_000), answer: str = "commit", slot: str = "repair", **more: Any
) -> Record:
    want, tolerate, least, price = numbers
    body: Words = {"rfq": RFQ, "award": ONE.hash, "answer": answer, "reason": "", "remark": "", "want": want}
    body |= {"tolerate": tolerate, "least": least, "price_max_minor": price} | more
    return Record.sign(
        who, NETWORK, "commitment.1", SCOPE, body, created=START_MS, expires=START_MS + LIFE_MS,
        slot=Slot("once", slot, 0),
    )  # fmt: skip


def first(**answers: str) -> dict[bytes, Record]:
    named = {"ann": ANN, "ben": BEN, "cat": CAT}
    return {named[name].key: word(named[name], answer=answer, slot="commitment") for name, answer in answers.items()}


WORDS: list[tuple[str, Award, dict[bytes, Record], Record, bool]] = [
    ("the same again", ONE, first(ann="commit"), word(ANN), True),
    ("more", ONE, first(ann="commit"), word(ANN, (4, 1, 1, 1_000)), True),
    ("dearer", ONE, first(ann="commit"), word(ANN, (3, 1, 0, 1_100)), True),
    ("tolerance becomes want", ONE, first(ann="commit"), word(ANN, (4, 0, 1, 1_000)), True),
    ("who declined thinks again", ONE, first(ann="decline"), word(ANN, (1, 0, 1, 900)), True),
    ("who was silent speaks", ONE, {}, word(ANN, (1, 0, 1, 900)), True),
    ("who declined declines again", ONE, first(ann="decline"), word(ANN, answer="decline"), True),
    ("the reserve steps in", ONE, {}, word(DAN), True),
    ("the reserve names a part", TWO, {}, word(EVE, supplier=SELLERS[1].key), True),
    ("less", ONE, first(ann="commit"), word(ANN, (2, 2, 1, 1_000)), False),
    ("less tolerance", ONE, first(ann="commit"), word(ANN, (3, 0, 1, 1_000)), False),
    ("a higher least", ONE, first(ann="commit"), word(ANN, (3, 1, 2, 1_000)), False),
    ("cheaper", ONE, first(ann="commit"), word(ANN, (3, 1, 1, 999)), False),
    ("out of one's word", ONE, first(ann="commit"), word(ANN, answer="decline"), False),
    ("of another request", ONE, {}, word(ANN, rfq=b"\1" * 32), False),
    ("of another award", ONE, {}, word(ANN, award=bytes(32)), False),
    ("least above want", ONE, {}, word(ANN, (1, 0, 2, 900)), False),
    ("the reserve of two parts names none", TWO, {}, word(EVE), False),
    ("the reserve names a stranger", TWO, {}, word(EVE, supplier=bytes(32)), False),
]


@pytest.mark.parametrize(("award_", "before", "record", "belongs"), [w[1:] for w in WORDS], ids=[w[0] for w in WORDS])
def test_what_belongs_into_the_round(award_: Award, before: dict[bytes, Record], record: Record, belongs: bool) -> None:
    """NEG-111, NEG-112"""
    assert good_repair(award_, RFQ, before, record) == belongs


def test_who_steps_in_keeps_to_what_is_at_stake() -> None:
    """RSK-5: to the minor unit, over the whole term; a decline has nothing at stake"""
    stakes = Stakes(value_minor=4 * 1_000 * ONE.parts[0].besides.periods)
    assert good_repair(ONE, RFQ, {}, word(DAN, (3, 1, 1, 1_000)), stakes)
    assert not good_repair(ONE, RFQ, {}, word(DAN, (3, 1, 1, 1_001)), stakes)
    assert not good_repair(ONE, RFQ, {}, word(DAN, (4, 1, 1, 1_000)), stakes)
    assert good_repair(ONE, RFQ, {}, word(DAN, (4, 1, 1, 1_000), answer="decline"), stakes)


def test_where_somebody_has_a_seat() -> None:
    """NEG-111: by lot, by name, or where there is one part alone; a lot cannot be moved by naming another."""
    assert seat(TWO, ANN.key, SELLERS[1].key) == TWO.parts[0]
    assert seat(TWO, EVE.key, SELLERS[1].key) == TWO.parts[1]
    assert seat(TWO, EVE.key, None) is None
    assert seat(ONE, DAN.key, None) == ONE.parts[0]


def test_which_rung_fell_and_by_how_much() -> None:
    """NEG-110: six of nine; the other part stands, and is not asked about."""
    said = [word(who, slot="commitment") for who in (ANN, BEN, DAN)]
    (down,) = fallen(TWO, agree(TWO, said, BOX))
    assert (down.part, down.minimum, down.ordered, down.unit_price_minor) == (TWO.parts[0], 9, 6, 900)
    assert fallen(TWO, agree(TWO, [*said, word(CAT)], BOX)) == ()
    (gone,) = fallen(ONE, ())
    assert (gone.minimum, gone.ordered, gone.unit_price_minor) == (9, 0, 0)


def test_a_witness_lists_no_commitment_to_more_than_was_pledged() -> None:
    """NEG-51: with the price before their eyes, somebody would take all that there is; others are heard."""
    made = Handmade()
    coop, said = made.coop(), [one for one in made.records if one.kind == "commitment.1"]
    assert all(as_pledged(coop, one) for one in said)
    bound = next(one for one in said if one.body["answer"] == "commit")
    who = next(one for one in made.members if one.key == bound.author)
    for other in ({"want": 10_000, "least": 10_000}, {"price_max_minor": 10**15}, {"tolerate": 0}, {"least": 0}):
        body = {name: bound.body[name] for name in ("want", "tolerate", "least", "price_max_minor")} | other
        assert not as_pledged(coop, word(who, tuple(body.values()), slot="commitment"))
        assert as_pledged(coop, word(who, tuple(body.values()), slot="repair"))
    assert not as_pledged(coop, word(persona("stranger"), (3, 1, 1, 1_000), slot="commitment"))


_NUMBERS = st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(0, 3), st.integers(840, 910)).filter(
    lambda one: one[2] <= one[0]
)


@given(st.lists(st.tuples(_NUMBERS, st.booleans(), _NUMBERS, st.booleans()), min_size=5, max_size=5))
def test_a_round_never_makes_it_dearer(said: list[tuple[Numbers, bool, Numbers, bool]]) -> None:
    """NEG-112, NEG-113: whatever is said in it, nobody's price rises, and nobody pays more than they signed."""
    whole = award(part(SELLERS[0], dict.fromkeys(MEMBERS[:4], 3)), reserve=(EVE,))
    before = {
        who.key: word(who, numbers, slot="commitment", award=whole.hash)
        for who, (numbers, spoke, _, _) in zip(MEMBERS[:4], said, strict=False)
        if spoke
    }
    second = {
        who.key: record
        for who, (_, _, numbers, speaks) in zip(MEMBERS, said, strict=True)
        if speaks and good_repair(whole, RFQ, before, record := word(who, numbers, award=whole.hash))
    }
    without, repaired = agree(whole, list(before.values()), BOX), agree(whole, list((before | second).values()), BOX)
    if without:
        assert repaired
        assert repaired[0].allocation.unit_price_minor <= without[0].allocation.unit_price_minor
    last = before | second
    for member, quantity in repaired[0].allocation.shares if repaired else ():
        assert repaired[0].allocation.unit_price_minor <= last[member].body["price_max_minor"]
        assert quantity <= last[member].body["want"] + last[member].body["tolerate"]


CAPPED = award(replace(part(SELLERS[0], {ANN: 5, BEN: 5, CAT: 2}), capacity=12), reserve=(DAN, EVE))


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 12)), min_size=3, max_size=3), st.binary(max_size=2))
def test_who_steps_in_takes_nothing_from_who_committed(greedy: list[tuple[int, int]], box: bytes) -> None:
    """NEG-113: not by a huge want, nor by a least that fills the supplier's room, whatever the lot says."""
    hashed = digest("test", box)
    first = [word(who, (5, 0, 2, 1_000), slot="commitment") for who in (ANN, BEN)]
    (alone,) = agree(CAPPED, first, hashed)
    said = zip((CAT, DAN, EVE), greedy, strict=True)
    more = [word(who, (want, 0, min(least, want), 1_000)) for who, (want, least) in said]
    (stands,) = agree(CAPPED, [*first, *more], hashed, dict(alone.allocation.shares))
    for who in (ANN, BEN):
        assert stands.quantity_of(who.key) == alone.quantity_of(who.key) == 5


def test_without_that_rule_they_would() -> None:
    """NEG-113: the control; one who wants all of the room gets most of it, or all."""
    first = [word(who, (5, 0, 2, 1_000), slot="commitment") for who in (ANN, BEN)]
    boxes = [digest("test", bytes([number])) for number in range(8)]
    levelled = [agree(CAPPED, [*first, word(DAN, (10**9, 0, 1, 1_000))], box)[0] for box in boxes]
    assert {one.quantity_of(ANN.key) for one in levelled} == {4}
    taken = [agree(CAPPED, [*first, word(DAN, (12, 0, 12, 1_000))], box)[0] for box in boxes]
    assert 0 in {one.quantity_of(ANN.key) for one in taken}


def test_if_words_could_be_taken_back_it_would() -> None:
    """NEG-112: the control; six had reached the second rung, and the one who takes less throws all off it."""
    whole = award(part(SELLERS[0], {ANN: 3, BEN: 3, CAT: 3}, ((1, 900), (6, 870), (9, 850))))
    before = {who.key: word(who, slot="commitment") for who in (ANN, BEN)}
    less = word(ANN, (1, 1, 1, 1_000))
    assert not good_repair(whole, RFQ, before, less)
    (stands,), (thrown,) = (agree(whole, list(said.values()), BOX) for said in (before, before | {ANN.key: less}))
    assert (stands.allocation.unit_price_minor, thrown.allocation.unit_price_minor) == (870, 900)


# Vectors


def vectors() -> dict[str, Any]:
    """spec/vectors/repair.json: what belongs into the round."""

    def plain(one: Award) -> list[Any]:
        return [[each.supplier.hex(), [key.hex() for key, _ in each.lots]] for each in one.parts]

    cases = [
        {
            "name": name,
            "clause": "NEG-112",
            "input": {
                "award": one.hash.hex(),
                "parts": plain(one),
                "reserve": [key.hex() for key in one.reserve],
                "before": [before[key].raw.hex() for key in sorted(before)],
                "record": record.raw.hex(),
            },
            "output": belongs,
        }
        for name, one, before, record, belongs in WORDS
    ]
    return {"name": "repair", "spec": "08-negotiation", "network": NETWORK.hex(), "rfq": RFQ.hex(), "cases": cases}


def test_committed_vectors() -> None:
    """spec/vectors/repair.json is what the code makes."""
    assert json.loads(VECTORS.read_text()) == vectors()
