"""Answers: who falls in which lot, what an answer comes to, and what lies lead to (08-negotiation NEG-90 to NEG-97)."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.deal.allocation import Demand, Ladder, allocate
from protocol.deal.bundle import make, verify
from protocol.deal.choice import answers_question, answers_slot
from protocol.deal.lots import Answer, Market, answer_hash, choose, evaluate, is_answer, lots_of
from protocol.deal.negotiation import Limits, Requirement, read
from protocol.deal.ranking import Ranking, weigh
from protocol.errors import Reject
from protocol.params import PARTS_MAX
from protocol.record.kinds import KINDS
from tests.deals import NETWORK, Handmade, persona
from tests.deals import TEMPLATE as TEA
from tests.markets import BOX, REQUEST, demand, key, large, market, offer, small

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "lots.json"
CHEAP, DEAR, STRANGER = key(0), key(1), key(9)
OFFERS = (offer(0, ((1, 100), (4, 90)), 6), offer(1, ((2, 105),), 20, organic=1))
DEMANDS = (demand(0, 3, 110), demand(1, 3, 125), demand(2, 3, 130), demand(3, 3, 95))
PLAIN = market(OFFERS, DEMANDS)


def parts(*pairs: tuple[bytes, int]) -> Answer:
    return tuple(sorted(pairs))


BOTH = parts((CHEAP, 6), (DEAR, 6))
BAD: list[tuple[str, str, Answer]] = [
    ("a quotation nobody opened", "NEG-93", parts((CHEAP, 6), (STRANGER, 6))),
    ("less than the first minimum", "NEG-93", parts((DEAR, 1))),
    ("one unit too many", "NEG-94", parts((CHEAP, 6), (DEAR, 7))),
    ("one unit too few of the cheap", "NEG-94", parts((CHEAP, 5), (DEAR, 6))),
    ("beyond the capacity", "NEG-94", parts((CHEAP, 7))),
    ("more than anybody wants", "NEG-94", parts((CHEAP, 6), (DEAR, 20))),
    ("2^53 - 1", "NEG-94", parts((DEAR, 2**53 - 1))),
]


def code(of: Market, answer: Answer) -> str:
    try:
        evaluate(of, answer)
    except Reject as error:
        return error.code
    return ""


def alone(of: Market) -> Ranking:
    """The ranking of the offers one by one."""
    rows = []
    for one in of.offers.values():
        try:
            rows.append(weigh(one, of.request, of.limits, of.demands, of.manifest, of.most_minor))
        except Reject:
            continue
    ranked = sorted(rows, key=lambda row: (row.score_minor, row.hash))
    return Ranking(tuple(ranked), (), tuple(of.offers.values()))


# Who falls in which lot


def test_own_limits_first() -> None:
    """NEG-92, NEG-95: who can pay the dear price is there; who cannot has the cheap one; all are served."""
    lots = {key_: [one.member for one in lot] for key_, lot in lots_of(PLAIN, BOTH).items()}
    assert lots[DEAR] == [DEMANDS[2].member, DEMANDS[1].member]
    assert lots[CHEAP] == [DEMANDS[0].member, DEMANDS[3].member]
    found = evaluate(PLAIN, BOTH)
    assert [row.allocation.unit_price_minor for row in found.parts] == [
        {CHEAP: 90, DEAR: 105}[supplier] for supplier, _ in BOTH
    ]
    assert found.score_minor == 12 * (6 * 90 + 6 * 105 - 5 * 6)


def test_best_of_all() -> None:
    """NEG-96: an answer that scores less than the best alone; of two that score alike the one of least hash."""
    ranking = alone(PLAIN)
    best = choose(PLAIN, ranking, [BOTH])
    assert best == evaluate(PLAIN, BOTH)
    assert best is not None
    assert best.score_minor < ranking.ranked[0].score_minor
    first = ranking.ranked[0]
    assert choose(PLAIN, ranking, []) == replace(best, parts=(first,), score_minor=first.score_minor)
    twins = market((offer(0, ((1, 90),), 3), offer(1, ((1, 90),), 3)), DEMANDS[:1])
    answers = [parts((CHEAP, 3)), parts((DEAR, 3))]
    picked = choose(twins, Ranking((), ()), answers)
    assert picked == evaluate(twins, min(answers, key=answer_hash))
    assert choose(twins, Ranking((), ()), answers[::-1]) == picked
    assert choose(twins, alone(twins), answers) != choose(twins, Ranking((), ()), []) is None


def test_one_supplier_is_as_it_was() -> None:
    """NEG-92: an answer with everything at one supplier comes to what the ranking says of it."""
    for seed in range(60):
        of = small(seed)
        for row in alone(of).ranked:
            found = evaluate(of, ((row.quotation.supplier, row.allocation.quantity),))
            assert (found.parts[0].allocation.shares, found.score_minor) == (row.allocation.shares, row.score_minor)


def test_own_requirements_choose_the_lot() -> None:
    """NEG-92: whoever demands organic tea is in no lot without it, whatever they would pay."""
    wanted = {DEMANDS[1].member: (Requirement("organic", "at-least", 1),)}
    of = market(OFFERS[:1], DEMANDS, request=replace(REQUEST, demanded=wanted))
    assert DEMANDS[1].member not in [one.member for one in lots_of(of, parts((CHEAP, 6)))[CHEAP]]


def test_what_serves_only_together() -> None:
    """NEG-93, NEG-94: each alone is below the mandate's least; together they are not, and the mandate's most holds."""
    within = market(OFFERS, DEMANDS, Limits(10**6, 10, 12))
    assert code(within, BOTH) == ""
    assert code(within, parts((CHEAP, 6))) == "NEG-94"
    assert code(market(OFFERS, DEMANDS, Limits(10**6, 1, 11)), BOTH) == "NEG-94"
    assert code(market(OFFERS, DEMANDS, Limits(104, 1, 12)), BOTH) == "NEG-93"


@pytest.mark.parametrize(("name", "clause", "answer"), BAD, ids=[row[0] for row in BAD])
def test_what_cannot_be_carried_out(name: str, clause: str, answer: Answer) -> None:
    """NEG-93, NEG-94, NEG-96: it is told by its clause, and counts for nothing beside a good one."""
    assert code(PLAIN, answer) == clause
    assert choose(PLAIN, alone(PLAIN), [answer, BOTH]) == evaluate(PLAIN, BOTH)


def test_what_is_no_answer() -> None:
    """NEG-91: a supplier twice, in another order, none, too many; 10^5 entries never get past a record's parser."""
    assert is_answer(BOTH)
    assert not is_answer(BOTH[::-1])
    assert not is_answer([*BOTH[:1], *BOTH[:1]])
    assert not is_answer([])
    many = [[number.to_bytes(32, "big"), 1] for number in range(PARTS_MAX + 1)]
    assert not is_answer([(bytes(row[0]), 1) for row in many])  # type: ignore[call-overload]
    rule = KINDS["answer.1"].body
    rule({"rfq": bytes(32), "serves": many[:PARTS_MAX]}, "answer.1")
    for serves in (many, many * 3_000, [], [[bytes(32), 0]], [[bytes(32), 10**9 + 1]], [[bytes(31), 1]]):
        with pytest.raises(Reject):
            rule({"rfq": bytes(32), "serves": serves}, "answer.1")


# What holds for every market


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_every_answer(seed: int, rng: Random) -> None:
    """NEG-92, NEG-94: sums are the orders, nobody is in two lots or above their limits, the order of arrival and of
    naming is irrelevant; every quotation stays within its capacity and its ladder."""
    of = small(seed)
    answer = parts(*((who, rng.randint(1, 8)) for who in of.offers))
    try:
        found = evaluate(of, answer)
    except Reject:
        return
    again = market(rng.sample([*of.offers.values()], len(of.offers)), rng.sample(of.demands, len(of.demands)))
    assert evaluate(again, answer) == found
    given_ = [share for row in found.parts for share in row.allocation.shares]
    by_member = {one.member: one for one in of.demands}
    assert len({who for who, _ in given_}) == len(given_)
    for row, (supplier, quantity) in zip(found.parts, answer, strict=True):
        assert row.quotation.supplier == supplier
        assert sum(amount for _, amount in row.allocation.shares) == quantity == row.allocation.quantity
        assert quantity <= row.quotation.capacity
        assert quantity % row.quotation.pack == 0
        paid = row.allocation.unit_price_minor
        assert paid == [price for least, price in row.quotation.ladder if least <= quantity][-1]
        for who, amount in row.allocation.shares:
            assert by_member[who].least <= amount <= by_member[who].most
            assert paid <= by_member[who].price_max_minor
    served = dict(given_)
    lacking = [(one, one.want - served.get(one.member, 0)) for one in of.demands]
    unserved = 12 * sum(units * min(one.price_max_minor, of.most_minor) for one, units in lacking if units > 0)
    paid_by = {who: row.allocation.unit_price_minor for row in found.parts for who, _ in row.allocation.shares}
    unserved += 12 * sum(units * paid_by[one.member] for one, units in lacking if units < 0)
    costs = sum(row.cost_minor + sum(amount for _, amount in row.adjustments) for row in found.parts)
    assert found.score_minor == costs + unserved


@given(st.integers(0, 10**6), st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=5))
def test_an_answer_more_never_makes_it_dearer(seed: int, tried: list[list[int]]) -> None:
    """NEG-96: whatever is put into the box, the choice scores no more than the best alone, and no more than without."""
    of = small(seed)
    ranking = alone(of)
    answers = [parts(*zip(of.offers, quantities, strict=False)) for quantities in tried]
    before, after = choose(of, ranking, answers[1:]), choose(of, ranking, answers)
    if before is not None:
        assert after is not None
        assert after.score_minor <= before.score_minor
    if ranking.ranked:
        assert after is not None
        assert after.score_minor <= ranking.ranked[0].score_minor


# One supplier's price: the core, and splitting


def cost_alone(ladder: Ladder, members: tuple[Demand, ...]) -> int | None:
    """What a coalition pays a unit when it buys by itself from the same ladder; None when it gets not all it wants."""
    found = allocate(ladder, 10**6, 1, members, BOX)
    wanted = sum(one.want for one in members)
    return found.unit_price_minor if found is not None and found.quantity == wanted else None


LADDERS = st.lists(st.tuples(st.integers(1, 30), st.integers(50, 100)), min_size=1, max_size=4).map(
    lambda rungs: tuple(
        zip(sorted({least for least, _ in rungs}), sorted((price for _, price in rungs), reverse=True), strict=False)
    )
)
WANTS = st.lists(st.integers(1, 9), min_size=2, max_size=6)


@given(LADDERS, WANTS)
def test_one_price_is_in_the_core(ladder: Ladder, wants: list[int]) -> None:
    """NEG-12, NEG-16: with slack capacity no coalition, of all that there are, would pay less by leaving."""
    members = tuple(demand(number, want, 10**6) for number, want in enumerate(wants))
    together = cost_alone(ladder, members)
    for size in range(1, len(members)):
        for coalition in combinations(members, size):
            apart = cost_alone(ladder, coalition)
            assert apart is None or (together is not None and together <= apart)


def test_a_price_by_ones_own_quantity_is_not_in_the_core() -> None:
    """The control: were everybody to pay for the average of two rungs, those who reach the deeper one would leave."""
    ladder, members = ((1, 100), (4, 60)), (demand(0, 4, 10**6), demand(1, 1, 10**6))
    blended = (60 * 4 + 100 * 1) / 5
    assert cost_alone(ladder, members[:1]) == 60 < blended
    assert cost_alone(ladder, members) == 60


@given(LADDERS, WANTS, st.data())
def test_splitting_oneself_gains_nothing(ladder: Ladder, wants: list[int], data: st.DataObject) -> None:
    """NEG-12 to NEG-19: a member who comes as two personas gets and pays what one would, while capacity is slack."""
    members = [demand(number, want, 10**6) for number, want in enumerate(wants)]
    first = data.draw(st.integers(0, wants[0]))
    halves = [demand(40, first, 10**6), demand(41, wants[0] - first, 10**6)]
    whole = allocate(ladder, 10**6, 1, members, BOX)
    split = allocate(ladder, 10**6, 1, halves + members[1:], BOX)
    assert (whole is None) == (split is None)
    if whole is not None and split is not None:
        got = sum(split.quantity_of(one.member) for one in halves)
        assert (got, split.unit_price_minor) == (whole.quantity_of(members[0].member), whole.unit_price_minor)


def test_where_capacity_is_scarce_splitting_may_gain() -> None:
    """The control, and what the clauses do not promise: two personas are two in the rounds of NEG-18."""
    rest = [demand(1, 6, 99, least=0)]
    whole = allocate(((1, 50),), 6, 1, [demand(0, 6, 99, least=0), *rest], BOX)
    halves = [demand(40, 3, 99, least=0), demand(41, 3, 99, least=0)]
    split = allocate(((1, 50),), 6, 1, halves + rest, BOX)
    assert whole is not None
    assert split is not None
    assert sum(split.quantity_of(one.member) for one in halves) == 4 > whole.quantity_of(demand(0, 6, 99).member) == 3


# Size


def test_a_check_is_linear() -> None:
    """NEG-94: with the 32 parts and 500 members that there can be, an answer is weighed by one pass over the members
    for each part: twice the members, about twice the steps."""
    steps: list[int] = []

    class Counting(dict[bytes, Any]):
        def __getitem__(self, name: bytes) -> Any:
            steps[-1] += 1
            return super().__getitem__(name)

    for members in (125, 250, 500):
        of = large(1, PARTS_MAX, 20, 5, members)
        steps.append(0)
        counted = replace(of, offers=Counting(of.offers))
        lots_of(counted, tuple((who, 16) for who in sorted(of.offers) if of.offers[who].quotation.ladder[0][0] <= 16))
    assert steps[2] <= 4 * steps[0] + 200


# A whole deal in parts


class Scarce(Handmade):
    """Each supplier has 9 of the 15 that five members want."""

    def _quotation(self, *about: Any, **more: Any) -> bytes:
        return replace(read(super()._quotation(*about, **more), TEA), capacity=9).to_bytes()


def dealt(serves: Any) -> Scarce:
    def first_two(keys: list[bytes]) -> Any:
        good = [who for who in keys if who != persona("s2").key]
        return serves(good)

    return Scarce({"serves": first_two}, members=5, witnesses=4, suppliers=3, windows={"answer_ms": 60_000})


def test_a_deal_with_two_suppliers() -> None:
    """NEG-50, NEG-53, NEG-90, NEG-97, AGR-1, AGR-2, BUN-8: two parts, two agreements, two signatures, one bundle."""
    made = dealt(lambda keys: [[keys[0], 9], [keys[1], 6]])
    deal = made.deal()
    assert deal.award is not None
    assert [part.quantity for part in deal.award.parts] == [9, 6]
    assert sorted(deal.award.members) == sorted(one.key for one in made.members)
    assert [part.supplier for part in deal.award.parts] == [one.supplier for one in deal.agreements]
    assert len({one.hash for one in deal.agreements}) == 2
    declined = made.members[-1].key
    for one in deal.agreements:
        lots, shares = dict(one.part.lots), dict(one.allocation.shares)
        assert shares == {who: count for who, count in lots.items() if who != declined}, "nobody changes lots"
        assert all(deal.agreement_of(who) is one for who in shares)
    assert all(one.signed for one in deal.agreements)
    assert verify(make(NETWORK, TEA, made.records, made.room)).deal.state == deal.state


@pytest.mark.parametrize(
    "serves",
    [
        lambda keys: [[keys[0], 9], [keys[1], 7]],
        lambda keys: [[keys[0], 10], [keys[1], 5]],
        lambda keys: [[bytes(32), 9], [keys[1], 6]],
        lambda keys: [[keys[1], 6], [keys[0], 9]],
        lambda keys: [[keys[0], 9], [keys[0], 6]],
    ],
    ids=["one too many", "beyond capacity", "nobody's quotation", "descending", "a supplier twice"],
)
def test_a_bad_answer_changes_nothing(serves: Any) -> None:
    """NEG-91, NEG-96: in the box or not, the best quotation alone is awarded, and the deal goes on."""
    made = dealt(serves)
    deal = made.deal()
    assert deal.award is not None
    assert [part.quantity for part in deal.award.parts] == [9]
    assert verify(make(NETWORK, TEA, made.records, made.room)).deal.award == deal.award


def test_outsiders_do_not_answer() -> None:
    """NEG-91: neither a supplier nor a stranger is entitled; what they say is not in the box."""
    made = dealt(lambda keys: [[keys[0], 9], [keys[1], 6]])
    listed = [one for one in made.records if one.kind == "answer.1"]
    assert [one.author for one in listed] == [made.members[0].key]
    question = answers_question(made.deal(), made.coop())
    assert question is not None
    assert question.box is not None
    assert question.box.takes(listed[0])
    for who in (made.suppliers[0], persona("stranger")):
        said = made.say(who, "answer.1", made.scope, dict(listed[0].body), answers_slot(made.deal()))
        assert not question.box.takes(said)


# Vectors


def _demanding(number: int, organic: int) -> Market:
    """The plain market, one member of which takes nothing else (NEG-73)."""
    own = {PLAIN.demands[number].member: (Requirement("organic", "equal", organic),)}
    return replace(PLAIN, request=replace(PLAIN.request, demanded=own))


BEYOND = [  # what BOTH cannot be in: a mandate for more or less, a member who falls into the other lot
    ("less than the mandate's least", replace(PLAIN, limits=Limits(10**6, 13, 10**6))),
    ("more than the mandate's most", replace(PLAIN, limits=Limits(10**6, 1, 11))),
    ("who demands the dear one has no lot in the cheap one", _demanding(2, 1)),
]


@pytest.mark.parametrize("of", [row[1] for row in BEYOND], ids=[row[0] for row in BEYOND])
def test_what_both_cannot_be_in(of: Market) -> None:
    """NEG-73, NEG-92, NEG-94: the control is a member who demands what only the cheap one is."""
    assert code(of, BOTH) == "NEG-94"
    assert code(_demanding(0, 0), BOTH) == ""
    assert PLAIN.demands[0] in lots_of(_demanding(0, 0), BOTH)[CHEAP]


def vectors() -> dict[str, Any]:
    """spec/vectors/lots.json: demands in the order of NEG-92 are [member, want, tolerate, least, price_max_minor]."""
    cases = []
    for name, of, answer in [
        ("two quotations", PLAIN, BOTH),
        ("one of two", PLAIN, parts((DEAR, 9))),
        ("one demands the cheap one", _demanding(0, 0), BOTH),
        *((f"market {seed}", small(seed), best) for seed in range(40) if (best := _some(small(seed))) is not None),
    ]:
        lots = {who.hex(): [one.member.hex() for one in lot] for who, lot in lots_of(of, answer).items()}
        found = evaluate(of, answer)
        shares = [[who.hex(), count] for row in found.parts for who, count in row.allocation.shares]
        output = {"hash": answer_hash(answer).hex(), "lots": lots, "shares": shares, "score_minor": found.score_minor}
        cases.append({"name": name, "clause": "NEG-95", "input": _plain(of, answer), "output": output})
    for name, clause, answer in BAD[:-1]:
        cases.append({"name": name, "clause": clause, "input": _plain(PLAIN, answer), "reject": clause})
    for name, of in BEYOND:
        cases.append({"name": name, "clause": "NEG-94", "input": _plain(of, BOTH), "reject": "NEG-94"})
    for seed in range(16):
        of = small(seed)
        answer = parts(*((who, 1 + seed % 7) for who in of.offers))
        if (refused := code(of, answer)) != "":
            cases.append({"name": f"bad {seed}", "clause": refused, "input": _plain(of, answer), "reject": refused})
    return {"name": "lots", "spec": "08-negotiation", "template": REQUEST.template.to_mapping(), "cases": cases}


def _some(of: Market) -> Answer | None:
    """An answer with two quotations that can be carried out, if there is one."""
    keys = sorted(of.offers)[:2]
    counts = [(one, other) for one in range(1, 9) for other in range(1, 9)] if keys[1:] else []
    tried = (parts(*zip(keys, pair, strict=True)) for pair in counts)
    return next((answer for answer in tried if code(of, answer) == ""), None)


def _plain(of: Market, answer: Answer) -> dict[str, Any]:
    numbers = ("want", "tolerate", "least", "price_max_minor")
    own = {
        who.hex(): [[row.attribute, row.operator, row.value] for row in rows]
        for who, rows in of.request.demanded.items()
    }
    return {
        "own": own,
        "answer": [[who.hex(), count] for who, count in answer],
        "box": of.manifest.hex(),
        "weights_minor": dict(of.request.weights_minor),
        "limits": [of.limits.price_max_minor, of.limits.quantity_least, of.limits.quantity_most],
        "quotations": [one.quotation.to_bytes().hex() for one in of.offers.values()],
        "demands": [[one.member.hex(), *(getattr(one, name) for name in numbers)] for one in of.demands],
    }


def test_committed_vectors() -> None:
    """spec/vectors/lots.json is what the code makes, with as many bad cases as good."""
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == vectors()
