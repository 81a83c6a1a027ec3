"""Finding which quotations together serve a co-op best: a suggestion, and nothing but that.

Decides nothing: what it finds is weighed in integers by protocol.deal.lots before anybody hears of it, so a wrong or
slow solver costs a better answer and never a wrong award. Runs in the worker. Spec: 08-negotiation, NEG-98.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from protocol.deal.allocation import Demand
from protocol.deal.lots import Answer, Choice, Market, evaluate, lots_of, price_at
from protocol.deal.negotiation import Limits, Quotation, besides_of
from protocol.deal.ranking import Offer, suits, weigh
from protocol.errors import Reject
from protocol.params import PARTS_MAX

SECONDS_MAX = 8.0  # (g) for one suggestion; the solver itself has three quarters of it
SEGMENTS_MAX = 64  # (g) more kinds of demand are put together in bands of highest prices
EXACT_MAX = 500_000  # (g) demands × answers: where no more are possible, all answers are weighed
STEPS_MAX = 24  # (g) quantities of one offer that are all tried, instead of some
SETTLE_MAX = 12  # (g) rounds in which named quantities are brought to what would be ordered
GAP = 1e-7  # of the objective, at which the solver is done

Found = tuple[Answer, Choice]


@dataclass(frozen=True, slots=True)
class Segment:
    """Demands that are alike to a supplier: their highest unit price, own requirements, and sums of their numbers."""

    price_max_minor: int
    member: bytes  # one of them, for their requirements
    want: int
    tolerate: int
    members: int


@dataclass(frozen=True, slots=True)
class Tier:
    """One rung of one offer: what a unit costs over the term, charges and weighted attributes included."""

    supplier: bytes
    minimum: int
    capacity: int
    pack: int
    price_minor: int
    value_minor: float


def suggest(market: Market, seconds: float = SECONDS_MAX) -> Answer | None:
    """The best answer found in so many seconds, or None where nothing can be carried out."""
    ends = time.monotonic() + seconds
    if _possible(market) * max(1, len(market.demands)) <= EXACT_MAX:
        found = _best(market, _all(market))
    else:
        start = [answer for answer in (_solved(market, 0.75 * seconds), *_singles(market)) if answer]
        found = _best(market, start)
        if found is not None:
            found = _improved(market, found, ends)
    return found[0] if found is not None else None


def relaxed(market: Market, seconds: float = SECONDS_MAX) -> Answer:
    """The solver's own answer, quantities as they come; () without one."""
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    tiers, segments = _tiers(market), segments_of(market)
    columns = [
        (tier, place)
        for tier, rung in enumerate(tiers)
        for place, segment in enumerate(segments)
        if _admits(market, rung, segment)
    ]
    if not columns:
        return ()
    rows = _rows(market, tiers, segments, columns)
    width, count = len(columns), len(tiers)
    periods = market.request.template.periods
    most = market.most_minor
    worth = [min(segment.price_max_minor, most) * periods for segment in segments]
    values = [tiers[tier].value_minor - worth[place] for tier, place in columns]
    tops = [float(segments[place].want + segments[place].tolerate) for _, place in columns]
    tops += [float(tier.capacity // tier.pack) for tier in tiers] + [1.0] * count
    result = milp(
        c=np.array(values + [0.0] * (2 * count)),
        constraints=[LinearConstraint(rows.matrix(width + 2 * count), rows.low, rows.high)],
        integrality=np.array([0] * width + [1] * (2 * count)),
        bounds=Bounds(np.zeros(width + 2 * count), np.array(tops)),
        options={"time_limit": seconds, "mip_rel_gap": GAP},
    )
    if result.x is None:
        return ()
    quantities: dict[bytes, int] = {}
    for at, tier in enumerate(tiers):
        packs = round(float(result.x[width + at]))
        if packs:
            quantities[tier.supplier] = quantities.get(tier.supplier, 0) + packs * tier.pack
    return tuple(sorted(quantities.items()))


def segments_of(market: Market) -> tuple[Segment, ...]:
    """Demands put together by highest price and own requirements, at most SEGMENTS_MAX, the dearest first."""
    found: dict[Any, list[Demand]] = {}
    for demand in market.demands:
        wanted = market.request.demanded.get(demand.member, ())
        found.setdefault((-demand.price_max_minor, repr(wanted)), []).append(demand)
    groups = [found[key] for key in sorted(found)]
    while len(groups) > SEGMENTS_MAX:  # neighbours together: their lowest limit is everybody's
        groups = [first + second for first, second in zip(groups[::2], [*groups[1::2], []], strict=False)]
    return tuple(_segment(group) for group in groups)


@dataclass(slots=True)
class _Rows:
    """Constraints low ≤ Σ coefficient · column ≤ high, gathered entry by entry."""

    low: list[float]
    high: list[float]
    at: tuple[list[int], list[int]]
    entries: list[float]

    def add(self, low: float, high: float, terms: Iterator[tuple[int, float]] | Sequence[tuple[int, float]]) -> None:
        """One more constraint."""
        for column, coefficient in terms:
            self.at[0].append(len(self.low))
            self.at[1].append(column)
            self.entries.append(coefficient)
        self.low.append(low)
        self.high.append(high)

    def matrix(self, width: int) -> Any:
        """All of them, sparse."""
        from scipy.sparse import csr_array

        return csr_array((self.entries, self.at), shape=(len(self.low), width))


def _rows(
    market: Market, tiers: Sequence[Tier], segments: Sequence[Segment], columns: Sequence[tuple[int, int]]
) -> _Rows:
    """Columns: what a tier gives a segment; then each tier's packs; then whether it is used."""
    rows, width, count = _Rows([], [], ([], []), []), len(columns), len(tiers)
    by_tier: list[list[int]] = [[] for _ in tiers]
    by_segment: list[list[int]] = [[] for _ in segments]
    for at, (tier, place) in enumerate(columns):
        by_tier[tier].append(at)
        by_segment[place].append(at)
    slack = max(tier.pack for tier in tiers) - 1  # tolerance only fills a pack
    for place, segment in enumerate(segments):
        more = min(segment.tolerate, slack * len({tiers[columns[at][0]].supplier for at in by_segment[place]}))
        rows.add(0, segment.want + more, [(at, 1.0) for at in by_segment[place]])
    for at, rung in enumerate(tiers):
        rows.add(0, 0, [*((column, 1.0) for column in by_tier[at]), (width + at, -float(rung.pack))])
        rows.add(0, float("inf"), [(width + at, float(rung.pack)), (width + count + at, -float(rung.minimum))])
        rows.add(-float("inf"), 0, [(width + at, float(rung.pack)), (width + count + at, -float(rung.capacity))])
    for supplier in market.offers:
        own = [(width + count + at, 1.0) for at, tier in enumerate(tiers) if tier.supplier == supplier]
        rows.add(0, 1, own)
    rows.add(0, PARTS_MAX, [(width + count + at, 1.0) for at in range(count)])
    together = [(width + at, float(rung.pack)) for at, rung in enumerate(tiers)]
    rows.add(market.limits.quantity_least, market.limits.quantity_most, together)
    return rows


def _segment(group: Sequence[Demand]) -> Segment:
    lowest = min(group, key=lambda one: one.price_max_minor)
    want, tolerate = sum(one.want for one in group), sum(one.tolerate for one in group)
    return Segment(lowest.price_max_minor, lowest.member, want, tolerate, len(group))


def _tiers(market: Market) -> list[Tier]:
    """Every rung that the mandate allows, with what a unit of it counts for in a lot of members as they are."""
    mean = max(1.0, sum(one.want for one in market.demands) / max(1, len(market.demands)))
    found: list[Tier] = []
    for supplier, offer in market.offers.items():
        pack, capacity = offer.quotation.pack, min(offer.quotation.capacity, market.limits.quantity_most)
        for minimum, price in offer.quotation.ladder:
            if price <= market.limits.price_max_minor:
                value = _value(market, offer.quotation, price, mean)
                found.append(Tier(supplier, minimum, capacity, pack, price, value))
    return found


def _value(market: Market, quotation: Quotation, price: int, mean: float) -> float:
    """Minor units over the term for one counted unit a period; charges spread over what a member takes on average."""
    request, template = market.request, market.request.template
    weighed = sum(
        request.weights_minor.get(one.name, 0) * quotation.attributes[one.name] / one.scale
        for one in template.compared
        if one.ranking == "weighed"
    )
    return (price + weighed) * template.periods + besides_of(quotation, template).charge_minor / mean


def _admits(market: Market, tier: Tier, segment: Segment) -> bool:
    quotation = market.offers[tier.supplier].quotation
    each = max(1, segment.want // segment.members)
    typical = Demand(segment.member, each, 0, 0, segment.price_max_minor)
    willing = besides_of(quotation, market.request.template).within(typical, tier.price_minor)
    return willing is not None and suits(quotation, market.request, segment.member)


def _solved(market: Market, seconds: float) -> Answer:
    try:
        return relaxed(market, seconds)
    except (ValueError, MemoryError):  # the solver could not; the search goes on from single offers
        return ()


def _steps(market: Market, offer: Offer) -> range:
    """Every quantity that an offer could be named with."""
    quotation = offer.quotation
    most = min(quotation.capacity, market.limits.quantity_most, sum(one.most for one in market.demands))
    first = -(-quotation.ladder[0][0] // quotation.pack) * quotation.pack
    return range(max(first, quotation.pack), most + 1, quotation.pack)


def _possible(market: Market) -> int:
    return prod(len(_steps(market, offer)) + 1 for offer in market.offers.values())


def _all(market: Market) -> Iterator[Answer]:
    """Every answer there is."""
    choices = [[0, *_steps(market, offer)] for offer in market.offers.values()]
    for quantities in product(*choices):
        yield tuple((key, count) for key, count in zip(market.offers, quantities, strict=True) if count)


def _singles(market: Market) -> list[Answer]:
    """Each offer alone, as far as it goes."""
    return [((key, steps[-1]),) for key, offer in market.offers.items() if (steps := _steps(market, offer))]


def _best(market: Market, answers: Iterator[Answer] | Sequence[Answer]) -> Found | None:
    best: Found | None = None
    exact = not isinstance(answers, Sequence)
    for answer in answers:
        found = _weighed(market, answer) if exact else _settled(market, answer)
        if found is not None and (best is None or found[1].score_minor < best[1].score_minor):
            best = found
    return best


def _weighed(market: Market, answer: Answer) -> Found | None:
    try:
        return (answer, evaluate(market, answer)) if 0 < len(answer) <= PARTS_MAX else None
    except Reject:
        return None


def _settled(market: Market, answer: Answer) -> Found | None:
    """The answer brought to quantities that would be ordered, and what it then comes to."""
    for _ in range(SETTLE_MAX):
        ordered = _ordered(market, answer)
        if ordered == answer:
            break
        answer = ordered
    return _weighed(market, answer)


def _ordered(market: Market, answer: Answer) -> Answer:
    """What would be ordered of each where at most these quantities may be."""
    answer = tuple(part for part in answer if part[0] in market.offers and price_at(market, *part) is not None)
    lots = lots_of(market, answer)
    found: list[tuple[bytes, int]] = []
    for supplier, quantity in answer:
        within = Limits(market.limits.price_max_minor, 1, quantity)
        try:
            offer, demands = market.offers[supplier], lots[supplier]
            part = weigh(offer, market.request, within, demands, market.manifest, market.most_minor)
        except Reject:
            continue
        found.append((supplier, part.allocation.quantity))
    return tuple(found)


def _improved(market: Market, best: Found, ends: float) -> Found:
    """Better neighbours of an answer, one change at a time, until none is found or the time is over."""
    going = True
    while going:
        going = False
        for answer in _neighbours(market, best[0]):
            if time.monotonic() > ends:
                return best
            found = _settled(market, answer)
            if found is not None and found[1].score_minor < best[1].score_minor:
                best, going = found, True
                break
    return best


def _neighbours(market: Market, answer: Answer) -> Iterator[Answer]:
    """One offer more, less, or otherwise; or a quantity moved from one to another."""
    now = dict(answer)
    for supplier, offer in market.offers.items():
        steps, pack, held = _steps(market, offer), offer.quotation.pack, now.get(supplier, 0)
        if not steps:
            continue
        near = [held - pack, held + pack, *(minimum for minimum, _ in offer.quotation.ladder), steps[-1]]
        near += list(steps) if len(steps) <= STEPS_MAX else []
        for quantity in dict.fromkeys((0, *(min(max(one, steps[0]), steps[-1]) for one in near))):
            if quantity == held:
                continue
            yield _with(now, {supplier: quantity})
            for other in now:
                moved = now[other] + held - quantity
                if other != supplier and moved >= 0:
                    yield _with(now, {supplier: quantity, other: moved})


def _with(now: dict[bytes, int], changes: dict[bytes, int]) -> Answer:
    return tuple(sorted((key, count) for key, count in (now | changes).items() if count > 0))
