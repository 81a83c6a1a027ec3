"""Answers: which quotations together serve which quantities, and what that comes to.

Decides who falls in which lot, whether an answer can be carried out and what it costs, in integers, so that whoever
checks needs no solver; never finds an answer. Spec: 08-negotiation, NEG-90 to NEG-97.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from protocol.deal.allocation import Demand, turn
from protocol.deal.negotiation import Limits, Request, besides_of
from protocol.deal.ranking import Offer, Ranked, Ranking, suits, unserved, unserved_most, weigh
from protocol.encoding import digest_of
from protocol.errors import Reject
from protocol.params import PARTS_MAX

Answer = tuple[tuple[bytes, int], ...]  # (supplier, counted units per period), ascending by supplier


@dataclass(frozen=True, slots=True)
class Market:
    """What answers are weighed against: the offers by supplier, and the demands in the order of NEG-92."""

    request: Request
    limits: Limits
    offers: Mapping[bytes, Offer]
    demands: tuple[Demand, ...]
    manifest: bytes

    @property
    def most_minor(self) -> int:
        """The most that a unit left unserved counts (NEG-28)."""
        return unserved_most(self.demands)


@dataclass(frozen=True, slots=True)
class Choice:
    """What an answer comes to: one part for each quotation, ascending by supplier, and the score of all (NEG-95)."""

    parts: tuple[Ranked, ...]
    score_minor: int


def market_of(
    request: Request, limits: Limits, offers: Iterable[Offer], demands: Iterable[Demand], manifest: bytes
) -> Market:
    """The market in which these offers and demands meet; `manifest`: the id of the box of pledges."""
    ordered = sorted(demands, key=lambda one: (-one.price_max_minor, turn(manifest, one.member)))
    by_supplier = {offer.quotation.supplier: offer for offer in offers}
    return Market(request, limits, dict(sorted(by_supplier.items())), tuple(ordered), manifest)


def is_answer(serves: Sequence[Sequence[bytes | int]]) -> bool:
    """Whether these pairs name each supplier once, ascending (NEG-91)."""
    ascending = all(one[0] < other[0] for one, other in pairwise(serves))  # type: ignore[operator]
    return 0 < len(serves) <= PARTS_MAX and ascending


def price_at(market: Market, supplier: bytes, quantity: int) -> int | None:
    """The unit price of an offer at this quantity, as far as the mandate allows it (NEG-92)."""
    ladder, most = market.offers[supplier].quotation.ladder, market.limits.price_max_minor
    return next((price for minimum, price in reversed(ladder) if minimum <= quantity and price <= most), None)


def lots_of(market: Market, answer: Answer) -> dict[bytes, list[Demand]]:
    """Who falls in which lot (NEG-92). Raises Reject NEG-93 for what is not offered."""
    prices: dict[bytes, int] = {}
    for supplier, quantity in answer:
        price = price_at(market, supplier, quantity) if supplier in market.offers else None
        if price is None:
            raise Reject("NEG-93", f"answer: {supplier.hex()[:8]} offers nothing for {quantity}")
        prices[supplier] = price
    asked = dict(answer)
    places = sorted(prices, key=lambda supplier: (-prices[supplier], supplier))
    quotations = {supplier: market.offers[supplier].quotation for supplier in places}
    besides = {supplier: besides_of(quotations[supplier], market.request.template) for supplier in places}
    wanted, lots = dict.fromkeys(places, 0), {supplier: list[Demand]() for supplier in places}
    for demand in market.demands:
        last = b""
        for supplier in places:
            willing = besides[supplier].within(demand, prices[supplier]) is not None
            if willing and suits(quotations[supplier], market.request, demand.member):
                last = supplier
                if wanted[supplier] < asked[supplier]:
                    break
        if last:
            wanted[last] += demand.want
            lots[last].append(demand)
    return lots


def evaluate(market: Market, answer: Answer) -> Choice:
    """What an answer comes to. Raises Reject NEG-93 to NEG-94 when it cannot be carried out exactly as it says."""
    total, limits = sum(quantity for _, quantity in answer), market.limits
    if not limits.quantity_least <= total <= limits.quantity_most:
        raise Reject("NEG-94", f"answer: {total} in all is outside the mandate")
    lots, most = lots_of(market, answer), market.most_minor
    parts: list[Ranked] = []
    for supplier, quantity in answer:
        within = Limits(limits.price_max_minor, 1, quantity)
        try:
            part = weigh(market.offers[supplier], market.request, within, lots[supplier], market.manifest, most)
        except Reject as error:
            raise Reject("NEG-94", f"answer: {supplier.hex()[:8]}: {error.message}") from None
        found = part.allocation
        if found.quantity != quantity or found.unit_price_minor != price_at(market, supplier, quantity):
            raise Reject("NEG-94", f"answer: {supplier.hex()[:8]} would be ordered {found.quantity} of, not {quantity}")
        parts.append(part)
    inside = {demand.member for lot in lots.values() for demand in lot}
    outside = [demand for demand in market.demands if demand.member not in inside]
    rest = unserved(outside, (), market.request.template.periods, most)
    return Choice(tuple(parts), rest + sum(part.score_minor for part in parts))


def choose(market: Market, ranking: Ranking, answers: Iterable[Answer]) -> Choice | None:
    """The best of what can be carried out: the first in the ranking unless an answer scores less; of several answers
    that score alike the one of least hash (NEG-96). None where nothing can.
    """
    best: Choice | None = None
    if ranking.ranked:
        first = ranking.ranked[0]
        best = Choice((first,), first.score_minor)
    for answer in sorted(dict.fromkeys(answers), key=answer_hash):
        try:
            found = evaluate(market, answer)
        except Reject:
            continue
        if best is None or found.score_minor < best.score_minor:
            best = found
    return best


def answer_hash(answer: Answer) -> bytes:
    """What breaks ties between answers (NEG-96)."""
    return digest_of("answer", [list(part) for part in answer])
