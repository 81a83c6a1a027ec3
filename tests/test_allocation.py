"""Allocation: the invariants that let a member trust it, each against a slow and obvious version of the rule."""

import json
from itertools import combinations, product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from protocol.deal.allocation import Allocation, Besides, Demand, Ladder, allocate, turn, units
from protocol.encoding import digest
from protocol.errors import Reject
from protocol.params import MEMBERS_MAX, PACK_MAX

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "allocation.json"
BOX = bytes(range(32))
FOODSOFT = [(0, 2, 0), (0, 5, 0), (2, 2, 1), (4, 2, 1), (4, 4, 1), (5, 3, 2), (5, 4, 2)]
AMPLE = 10**6
Row = tuple[int, int, int, int]  # want, tolerate, least, price_max_minor


def member(number: int) -> bytes:
    return digest("test", bytes([number >> 8, number & 255]))


def demands(*rows: Row) -> list[Demand]:
    return [Demand(member(number), *row) for number, row in enumerate(rows)]


CASES: list[tuple[str, str, Ladder, int, int, list[Row]]] = [
    ("the deepest rung that stands", "NEG-12", ((1, 100), (10, 90), (100, 80)), 1000, 1, [(6, 0, 1, 100)] * 2),
    ("the deeper rung wins more willing", "NEG-12", ((1, 100), (4, 90)), 99, 1, [(2, 0, 1, 99), (2, 0, 2, 90)]),
    ("the unwilling one is left out", "NEG-12", ((1, 100),), 99, 1, [(2, 0, 1, 100), (9, 0, 0, 99)]),
    ("tolerance fills a broken pack", "NEG-13", ((1, 50),), 99, 4, [(3, 2, 3, 60), (2, 1, 2, 60)]),
    ("tolerance alone orders nothing", "NEG-13", ((1, 50),), 99, 4, [(0, 5, 0, 60)]),
    ("capacity is cut to whole packs", "NEG-14", ((1, 50),), 11, 4, [(9, 0, 1, 60), (9, 0, 1, 60)]),
    ("capacity by turns", "NEG-15", ((1, 50),), 4, 1, [(2, 0, 2, 60), (2, 0, 2, 60), (2, 0, 2, 60), (1, 0, 1, 60)]),
    ("a late one does not break a full pack", "NEG-16", ((1, 50),), 99, 4, [(4, 0, 4, 60), (1, 0, 1, 60)]),
    (
        "the most whole packs",
        "NEG-16",
        ((1, 50),),
        99,
        10,
        [(3, 0, 3, 60), (7, 0, 7, 60), (6, 0, 6, 60), (5, 1, 5, 60)],
    ),
    ("equal packs go to the earlier turn", "NEG-16", ((1, 50),), 99, 5, [(3, 0, 3, 60), (2, 0, 2, 60), (3, 0, 3, 60)]),
    ("short: least first, then level", "NEG-18", ((1, 50),), 10, 1, [(10, 0, 8, 60), (10, 0, 1, 60)]),
    ("short: the last round by turns", "NEG-18", ((1, 50),), 8, 1, [(4, 0, 0, 60), (4, 0, 0, 60), (4, 0, 0, 60)]),
    ("short: nothing left", "NEG-18", ((1, 50),), 2, 1, [(4, 0, 0, 60), (4, 0, 0, 60), (4, 0, 0, 60)]),
    ("over: by turns within tolerance", "NEG-19", ((1, 50),), 99, 12, [(3, 1, 1, 60), (3, 4, 1, 60), (2, 9, 1, 60)]),
    ("none stands", "NEG-17", ((5, 50),), 99, 1, [(4, 0, 1, 60)]),
    ("a minimum above the capacity", "NEG-17", ((1, 50), (20, 40)), 10, 1, [(30, 0, 1, 60)]),
    ("nobody is willing", "NEG-17", ((1, 50),), 99, 1, [(4, 0, 1, 49)]),
    ("no demand at all", "NEG-17", ((1, 50),), 99, 1, []),
    ("all wants broken", "NEG-17", ((1, 50),), 99, 9, [(4, 0, 4, 60), (4, 0, 4, 60)]),
]
CHARGED: list[tuple[str, Besides, list[Row]]] = [  # each at a price of 50, without packs, capacity 99
    ("a charge within the limit", Besides(120, 12), [(4, 0, 1, 60)]),
    ("a charge above the limit", Besides(481, 12), [(4, 0, 1, 60), (5, 0, 1, 60)]),
    ("a charge raises the least that is worth it", Besides(240, 12), [(4, 0, 0, 60)] * 40),
    ("and sets aside who cannot have it", Besides(240, 12), [(4, 0, 0, 60)] * 60),
    ("a charge on a price at the limit", Besides(1, 12), [(4, 0, 1, 50)]),
    ("cash-back does not excuse a price", Besides(-5_000, 12), [(4, 0, 1, 49), (4, 0, 1, 50)]),
]
BAD: list[tuple[str, list[tuple[int, Row]]]] = [
    ("least above want", [(0, (1, 5, 2, 60))]),
    ("a negative want", [(0, (-1, 5, -1, 60))]),
    ("a negative price", [(0, (1, 5, 1, -1))]),
    ("a member twice", [(0, (1, 0, 1, 60)), (0, (1, 0, 1, 60))]),
]


def plain(result: Allocation | None) -> dict[str, Any] | None:
    if result is None:
        return None
    return {
        "rung": result.rung,
        "unit_price_minor": result.unit_price_minor,
        "quantity": result.quantity,
        "shares": [[who.hex(), amount] for who, amount in result.shares],
        "left_out": [[who.hex(), code] for who, code in result.left_out],
    }


def vectors() -> dict[str, Any]:
    """spec/vectors/allocation.json."""
    cases: list[dict[str, Any]] = [
        {
            "name": f"unit rule {want}+{tolerate}",
            "clause": "NEG-13",
            "input": {"want": want, "tolerate": tolerate, "pack": 4},
            "output": packs,
        }
        for want, tolerate, packs in FOODSOFT
    ]
    for name, clause, ladder, capacity, pack, rows in CASES:
        held = demands(*rows)
        cases.append(
            {
                "name": name,
                "clause": clause,
                "input": given_case(ladder, capacity, pack, held),
                "turns": [one.member.hex() for one in sorted(held, key=lambda one: turn(BOX, one.member))],
                "output": plain(allocate(ladder, capacity, pack, held, BOX)),
            }
        )
    for name, besides, rows in CHARGED:
        held, ladder = demands(*rows), ((1, 50),)
        charged = {"charge_minor": besides.charge_minor, "periods": besides.periods}
        cases.append(
            {
                "name": name,
                "clause": "NEG-12",
                "input": given_case(ladder, 99, 1, held) | charged,
                "output": plain(allocate(ladder, 99, 1, held, BOX, besides)),
            }
        )
    for name, numbered in BAD:
        rows_bad = [{"member": member(number).hex(), **named(row)} for number, row in numbered]
        cases.append({"name": name, "clause": "NEG-10", "input": {"demands": rows_bad}, "reject": "NEG-10"})
    return {"name": "allocation", "spec": "08-negotiation", "cases": cases}


def named(row: Row) -> dict[str, int]:
    return dict(zip(("want", "tolerate", "least", "price_max_minor"), row, strict=True))


def given_case(ladder: Ladder, capacity: int, pack: int, held: list[Demand]) -> dict[str, Any]:
    rows = [
        {"member": one.member.hex(), **named((one.want, one.tolerate, one.least, one.price_max_minor))} for one in held
    ]
    return {
        "box": BOX.hex(),
        "ladder": [list(rung) for rung in ladder],
        "capacity": capacity,
        "pack": pack,
        "demands": rows,
    }


def slow(
    ladder: Ladder, capacity: int, pack: int, held: list[Demand], box: bytes
) -> tuple[int, dict[bytes, int]] | None:
    """NEG-11 to NEG-19 word by word: every subset, one unit at a time."""
    ordered = sorted(held, key=lambda one: turn(box, one.member))
    room = capacity - capacity % pack
    for rung in reversed(range(len(ladder))):
        kept = [one for one in ordered if one.price_max_minor >= ladder[rung][1]]
        if sum(one.least for one in kept) > room:
            fitting: list[Demand] = []
            for one in kept:
                if sum(other.least for other in fitting) + one.least <= room:
                    fitting.append(one)
            kept = fitting
        if slow_order(kept, pack, room) < sum(one.least for one in kept):
            kept = slow_subset(kept, pack)
        order = slow_order(kept, pack, room)
        if order >= max(1, ladder[rung][0]):
            return rung, slow_hand_out(kept, order)
    return None


def slow_order(kept: list[Demand], pack: int, room: int) -> int:
    want, tolerate = sum(one.want for one in kept), sum(one.tolerate for one in kept)
    up = -(-want // pack) * pack
    return min(up if up <= want + tolerate else want // pack * pack, room)


def slow_subset(kept: list[Demand], pack: int) -> list[Demand]:
    best: tuple[int, tuple[int, ...]] = (-1, ())
    for bits in product((1, 0), repeat=len(kept)):
        chosen = [one for one, bit in zip(kept, bits, strict=True) if bit]
        low, high = sum(one.least for one in chosen), sum(one.want + one.tolerate for one in chosen)
        if high // pack * pack >= low:
            best = max(best, (high // pack * pack, bits))
    return [one for one, bit in zip(kept, best[1], strict=True) if bit]


def slow_hand_out(kept: list[Demand], order: int) -> dict[bytes, int]:
    over = order > sum(one.want for one in kept)
    held = {one.member: one.want if over else one.least for one in kept}
    extra = dict.fromkeys(held, 0)
    number = 0
    while sum(held.values()) < order:
        number += 1
        for one in kept:
            count, top = (extra[one.member], one.tolerate) if over else (held[one.member], one.want)
            if sum(held.values()) < order and count < number and count < top:
                held[one.member] += 1
                extra[one.member] += 1
    return {who: amount for who, amount in held.items() if amount}


@st.composite
def rows(draw: st.DrawFn, want_max: int = 12) -> Row:
    want = draw(st.integers(0, want_max))
    least = draw(st.just(want) | st.integers(0, want))
    return want, draw(st.sampled_from((0, 0, 1, 2, 5))), least, draw(st.integers(45, 105))


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    size = draw(st.integers(1, 4))
    minima = sorted(draw(st.sets(st.integers(1, 60), min_size=size, max_size=size)))
    prices = sorted(draw(st.lists(st.integers(50, 100), min_size=size, max_size=size)), reverse=True)
    return tuple(zip(minima, prices, strict=True))


MARKETS = st.tuples(
    ladders(), st.integers(1, 80), st.sampled_from((1, 2, 3, 4, 6, 7, 10)), st.lists(rows(), max_size=7)
)


def test_the_vectors_are_committed() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == json.loads(json.dumps(vectors()))


@pytest.mark.parametrize(("want", "tolerate", "packs"), FOODSOFT)
def test_unit_rule(want: int, tolerate: int, packs: int) -> None:
    """NEG-13, the table that Foodsoft publishes for a unit of 4."""
    assert units(want, tolerate, 4) == packs


@given(st.integers(0, 200), st.integers(0, 50), st.integers(1, 48), st.integers(0, 50), st.integers(0, 50))
def test_unit_rule_never_shrinks(want: int, tolerate: int, pack: int, more: int, slack: int) -> None:
    """NEG-13: a larger sum never orders less. What NEG-16's guarantee rests on."""
    assert units(want + more, tolerate + slack, pack) >= units(want, tolerate, pack)


@given(MARKETS, st.binary(min_size=32, max_size=32))
def test_as_slow_as_the_text(market: tuple[Ladder, int, int, list[Row]], box: bytes) -> None:
    """NEG-11 to NEG-19 against the clauses read literally."""
    ladder, capacity, pack, chosen = market
    held = demands(*chosen)
    result, expected = allocate(ladder, capacity, pack, held, box), slow(ladder, capacity, pack, held, box)
    assert (result and (result.rung, dict(result.shares))) == expected


@given(MARKETS, st.randoms(use_true_random=False))
def test_nobody_is_above_their_limits(market: tuple[Ladder, int, int, list[Row]], rng: Random) -> None:
    """NEG-11, NEG-12, NEG-14, NEG-17: the sum is the order, limits hold, the order of arrival is irrelevant."""
    ladder, capacity, pack, chosen = market
    held = demands(*chosen)
    result = allocate(ladder, capacity, pack, held, BOX)
    shuffled = rng.sample(held, len(held))
    assert allocate(ladder, capacity, pack, shuffled, BOX) == result
    if result is None:
        return
    by_member = {one.member: one for one in held}
    assert sum(amount for _, amount in result.shares) == result.quantity
    assert result.quantity % pack == 0
    assert ladder[result.rung][0] <= result.quantity <= capacity
    assert result.unit_price_minor == ladder[result.rung][1]
    for who, amount in result.shares:
        assert by_member[who].least <= amount <= by_member[who].want + by_member[who].tolerate
        assert by_member[who].price_max_minor >= result.unit_price_minor
    assert sorted([who for who, _ in result.shares] + [who for who, _ in result.left_out]) == sorted(by_member)
    assert {code for _, code in result.left_out} <= {"NEG-12", "NEG-15", "NEG-16", "NEG-18"}


@given(MARKETS, st.integers(-2_000, 2_000), st.integers(1, 60))
def test_nobody_pays_more_all_in(market: tuple[Ladder, int, int, list[Row]], charge: int, periods: int) -> None:
    """NEG-12, TPL-12: with what is charged besides, nobody pays more than their own highest unit price comes to."""
    ladder, capacity, pack, chosen = market
    held, besides = demands(*chosen), Besides(charge, periods)
    result = allocate(ladder, capacity, pack, held, BOX, besides)
    by_member = {one.member: one for one in held}
    if result is None:
        return
    margins = {one.member: (one.price_max_minor - result.unit_price_minor) * periods for one in held}  # per unit
    assert all(charge <= margins[who] * amount and margins[who] >= 0 for who, amount in result.shares)
    for who, code in result.left_out:
        one, margin = by_member[who], margins[who]
        if code == "NEG-12":  # and only whom no quantity would suit is left out for it
            assert margin < 0 or all(charge > margin * amount for amount in range(1, one.want + 1))


def test_without_the_rule_somebody_would_pay_more() -> None:
    """NEG-12, the control: the same deal by the unit price alone takes a member past its limit."""
    held, charge = demands((4, 0, 1, 60)), 481
    blind = allocate(((1, 50),), 99, 1, held, BOX)
    assert blind is not None
    assert 50 * blind.quantity * 12 + charge > 60 * blind.quantity * 12
    assert allocate(((1, 50),), 99, 1, held, BOX, Besides(charge, 12)) is None


@given(
    ladders(),
    st.sampled_from((1, 2, 4, 5, 10)),
    st.lists(rows(), max_size=8),
    rows(),
    st.binary(min_size=32, max_size=32),
)
@example(((1, 50),), 4, [(4, 0, 4, 60)], (1, 0, 1, 60), BOX)
def test_a_pledge_added_never_raises_the_price(
    ladder: Ladder, pack: int, first: list[Row], more: Row, box: bytes
) -> None:
    """NEG-16: while capacity is slack, whatever the turns of the new box."""
    before = allocate(ladder, AMPLE, pack, demands(*first), BOX)
    after = allocate(ladder, AMPLE, pack, demands(*first, more), box)
    if before is not None:
        assert after is not None
        assert after.unit_price_minor <= before.unit_price_minor


def one_by_one(pack: int, held: list[Demand]) -> int:
    """What a rule would order that levels from 0 and drops whoever ends below their least."""
    while held:
        order = units(sum(one.want for one in held), sum(one.tolerate for one in held), pack) * pack
        shares = slow_hand_out([Demand(one.member, one.want, one.tolerate, 0, 0) for one in held], order)
        short = [one for one in held if shares.get(one.member, 0) < one.least]
        if not short:
            return order
        held = [one for one in held if one is not short[0]]
    return 0


def test_dropping_one_by_one_would_raise_it() -> None:
    """NEG-16, negative control: the simpler rule loses the first member's full pack when a second one joins."""
    alone, both = demands((4, 0, 4, 60)), demands((4, 0, 4, 60), (1, 0, 1, 60))
    assert one_by_one(4, alone) == 4
    assert one_by_one(4, both) == 0
    result = allocate(((1, 50),), AMPLE, 4, both, BOX)
    assert result is not None
    assert result.quantity == 4


@given(ladders(), st.sampled_from((1, 2, 4, 5)), st.lists(rows(), max_size=6))
def test_no_group_does_better_alone(ladder: Ladder, pack: int, chosen: list[Row]) -> None:
    """NEG-16: with slack capacity no subset gets a lower price, and none that is wholly left out could be served."""
    held = demands(*chosen)
    result = allocate(ladder, AMPLE, pack, held, BOX)
    served = {who for who, _ in result.shares} if result else set()
    for size in range(1, len(held) + 1):
        for group in combinations(held, size):
            alone = allocate(ladder, AMPLE, pack, group, BOX)
            if alone is not None:
                assert result is not None
                assert alone.unit_price_minor >= result.unit_price_minor
                assert any(who in served for who, _ in alone.shares)


@given(st.lists(rows(40), min_size=2, max_size=6), st.integers(1, 200))
def test_shares_differ_only_where_limits_do(chosen: list[Row], capacity: int) -> None:
    """NEG-18: of two members who are both served and both short of their want, neither is ahead by more than one,
    unless their own least put them there.
    """
    held = demands(*chosen)
    result = allocate(((1, 45),), capacity, 1, held, BOX)
    assume(result is not None and result.quantity < sum(one.want for one in held))
    assert result is not None
    shares = dict(result.shares)
    hungry = [one for one in held if one.member in shares and shares[one.member] < one.want]
    for one in hungry:
        for other in held:
            if shares.get(other.member, 0) > shares[one.member] + 1:
                assert shares[other.member] == other.least


def test_scarce_capacity_serves_by_turns() -> None:
    """NEG-15: not by arrival, and each box draws anew."""
    held = demands(*[(1, 0, 1, 60)] * 10)
    seen = {}
    for number in range(40):
        box = digest("test", bytes([number]))
        result = allocate(((1, 50),), 3, 1, held, box)
        assert result is not None
        first = sorted((one.member for one in held), key=lambda who: turn(box, who))[:3]
        assert [who for who, _ in result.shares] == sorted(first)
        seen[tuple(sorted(first))] = True
    assert len(seen) > 20


@pytest.mark.parametrize("numbered", [rows for _, rows in BAD], ids=[name for name, _ in BAD])
def test_bad_demands_are_refused(numbered: list[tuple[int, Row]]) -> None:
    """NEG-10."""
    with pytest.raises(Reject) as error:
        allocate(((1, 50),), 99, 1, [Demand(member(number), *row) for number, row in numbered], BOX)
    assert error.value.code == "NEG-10"


def test_the_largest_co_op_with_the_worst_packs() -> None:
    """NEG-16 stays small: the most members, the largest pack, sixteen rungs, ranges that leave every class open."""
    ranged = [(7, 0, 6, 200)] * (PACK_MAX - 3)
    rigid = [
        (PACK_MAX + 1 + number % 40, 0, PACK_MAX + 1 + number % 40, 200) for number in range(MEMBERS_MAX - len(ranged))
    ]
    held = demands(*rigid, *ranged)
    ladder = (*((rung + 1, 100 - rung) for rung in range(15)), (10**6, 50))
    result = allocate(ladder, AMPLE, PACK_MAX, held, BOX)
    assert result is not None
    assert result.rung == 14
    assert result.quantity % PACK_MAX == 0
