"""Which quotations count, what each comes to, and in which order they stand.

Decides it from integers and what the request fixed before the first commitment, so that every member's node ranks
alike; never asks who a supplier is. Spec: 08-negotiation, NEG-20 to NEG-29.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from protocol.coop.template import Template, money
from protocol.coop.units import PERIODS, UNITS
from protocol.deal.allocation import NOTHING, Allocation, Besides, Demand, allocate
from protocol.deal.negotiation import OPERATORS, Bid, Limits, Quotation, Request, besides_of, read
from protocol.errors import Reject
from protocol.params import BIDS_MAX


@dataclass(frozen=True, slots=True)
class Offer:
    """A quotation that meets the request, whomever it could serve."""

    hash: bytes
    quotation: Quotation


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a quotation comes to for certain demands. `score_minor` = cost + unserved + Σ adjustments, over the term;
    least is best.
    """

    hash: bytes
    quotation: Quotation
    allocation: Allocation
    besides: Besides
    cost_minor: int
    unserved_minor: int
    adjustments: tuple[tuple[str, int], ...]
    score_minor: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A quotation that does not count, with the clause and a sentence."""

    hash: bytes
    supplier: bytes
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """All bids of one request: `ranked` best first, `refused` by hash; `offers` by supplier, from which answers choose
    (NEG-91): those ranked, and those that could not serve all demands alone.
    """

    ranked: tuple[Ranked, ...]
    refused: tuple[Refused, ...]
    offers: tuple[Offer, ...] = ()

    def explain(self, template: Template) -> tuple[str, ...]:
        """The same in words, one line each, suppliers by the first eight digits of their key."""
        best = self.ranked[0] if self.ranked else None
        return tuple(
            [_ranked_words(place, row, best or row, template) for place, row in enumerate(self.ranked, 1)]
            + [f"Refused: {row.supplier.hex()[:8]}: {row.message} [{row.code}]" for row in self.refused]
        )


def rank(request: Request, limits: Limits, bids: Sequence[Bid], demands: Sequence[Demand], manifest: bytes) -> Ranking:
    """Every bid, ranked or refused (NEG-20 to NEG-29). Raises Reject NEG-20 for too many bids."""
    if len(bids) > BIDS_MAX:
        raise Reject("NEG-20", f"ranking: {len(bids)} quotations, at most {BIDS_MAX}")
    ranked: list[Ranked] = []
    refused: list[Refused] = []
    offers: list[Offer] = []
    most = unserved_most(demands)
    admitted: list[Offer] = []
    for bid in bids:
        try:
            admitted.append(admit(bid, request))
        except Reject as error:
            refused.append(Refused(bid.hash, bid.supplier, error.code, error.message))
    accepting = any(not lacking(one.quotation, request.terms) for one in admitted)
    for offer in admitted:
        try:
            _check_terms(offer.quotation, request, accepting)
            offers.append(offer)
            ranked.append(weigh(offer, request, limits, demands, manifest, most))
        except Reject as error:
            refused.append(Refused(offer.hash, offer.quotation.supplier, error.code, error.message))
    return Ranking(
        tuple(sorted(ranked, key=lambda row: (row.score_minor, row.hash))),
        tuple(sorted(refused, key=lambda row: (row.hash, row.supplier))),
        tuple(sorted(offers, key=lambda offer: offer.quotation.supplier)),
    )


def lacking(quotation: Quotation, terms: Sequence[str]) -> str:
    """The first of these data terms that a quotation does not accept; "" when it accepts all."""
    return next((term for term in terms if term not in quotation.terms), "")


def _check_terms(quotation: Quotation, request: Request, accepting: bool) -> None:
    """Raises Reject NEG-23 where an offer comes with other data terms and another accepts the members' (CNS-8)."""
    if accepting and (term := lacking(quotation, request.terms)):
        raise Reject("NEG-23", f"the data terms {term} are not accepted, and another offer accepts them")


def admit(bid: Bid, request: Request) -> Offer:
    """The quotation of a bid, if it meets the request; raises Reject with the first clause that refuses it."""
    quotation = read(bid.quote, request.template)
    if quotation.supplier != bid.supplier:
        raise Reject("NEG-21", "the quotation names another supplier than the one who committed to it")
    if quotation.subject != request.subject:
        raise Reject("TPL-15", f"quotation.subject: must be {request.subject or 'empty'}")
    for wanted in request.requirements:
        if wanted.attribute not in quotation.attributes or not wanted.met_by(quotation.attributes[wanted.attribute]):
            raise Reject("NEG-22", f"{wanted.attribute} must be {OPERATORS[wanted.operator]} {wanted.value}")
    if not quotation.instead and (term := lacking(quotation, request.terms)):
        raise Reject("NEG-23", f"the data terms {term} are not accepted")
    if quotation.valid_until < request.valid_until:
        raise Reject("NEG-24", "it ends before the members have to commit")
    if quotation.prepaid_percent > request.prepaid_percent:
        most = f"{request.prepaid_percent} % at most" if request.prepaid_percent else "nothing"
        raise Reject("RSK-6", f"it asks for {quotation.prepaid_percent} % before delivery, these members pay {most}")
    return Offer(bid.hash, quotation)


def weigh(
    offer: Offer, request: Request, limits: Limits, demands: Sequence[Demand], manifest: bytes, most_minor: int
) -> Ranked:
    """What an offer comes to for these demands. Raises Reject NEG-25 to NEG-27. most_minor: `unserved_most` of all."""
    quotation = offer.quotation
    served = suited(quotation, request, demands)
    found = serve(quotation, limits, served, manifest, besides_of(quotation, request.template))
    inside = {one.member for one in served}
    unsuited = [(one.member, "NEG-73") for one in demands if one.member not in inside]
    found = replace(found, left_out=tuple(sorted([*found.left_out, *unsuited])))
    return _score(offer, found, request, demands, most_minor)


def serve(
    quotation: Quotation, limits: Limits, demands: Sequence[Demand], manifest: bytes, besides: Besides = NOTHING
) -> Allocation:
    """What a quotation gives these members within the mandate, at the award and again on the commitments.

    Raises Reject NEG-25 (too little), NEG-26 (too dear) or NEG-27 (no rung stands).
    """
    capacity = min(quotation.capacity, limits.quantity_most)
    if capacity < limits.quantity_least:
        raise Reject("NEG-25", f"it serves {capacity}, the mandate asks for at least {limits.quantity_least}")
    affordable = tuple(rung for rung in quotation.ladder if rung[1] <= limits.price_max_minor)
    if not affordable:
        raise Reject("NEG-26", "each of its prices is above the mandate's limit")
    found = allocate(affordable, capacity, quotation.pack, demands, manifest, besides)
    if found is None or found.quantity < limits.quantity_least:
        raise Reject("NEG-27", "no rung of its ladder is reached by those who would pay its price")
    least_margin = (limits.price_max_minor - found.unit_price_minor) * found.quantity * besides.periods
    if besides.charge_minor * len(found.shares) > least_margin:
        raise Reject("NEG-26", "with its charges it costs more than the mandate's limit")
    return replace(found, rung=found.rung + len(quotation.ladder) - len(affordable))


def suited(quotation: Quotation, request: Request, demands: Sequence[Demand]) -> list[Demand]:
    """The demands of those whose own requirements the quotation meets: it is no offer to the others (NEG-73)."""
    return [demand for demand in demands if suits(quotation, request, demand.member)]


def suits(quotation: Quotation, request: Request, member: bytes) -> bool:
    """Whether the quotation meets a member's own requirements (NEG-73)."""
    values = quotation.attributes
    wanted = request.demanded.get(member, ())
    return all(one.attribute in values and one.met_by(values[one.attribute]) for one in wanted)


def unserved_most(demands: Sequence[Demand]) -> int:
    """The most that a unit left unserved counts: twice the middle of the highest prices of those who want any, so that
    nobody who names a price beyond all reason decides for the others (NEG-28).
    """
    prices = sorted(one.price_max_minor for one in demands if one.want)
    return 2 * prices[(len(prices) - 1) // 2] if prices else 0


def unserved(
    demands: Sequence[Demand], shares: Sequence[tuple[bytes, int]], periods: int, most_minor: int, price_minor: int = 0
) -> int:
    """What is not served over the term, at its members' own highest prices up to the most; below 0 for what is taken
    beyond want, at the price paid for it (NEG-28).
    """
    given, total = dict(shares), 0
    for one in demands:
        lacking = one.want - given.get(one.member, 0)
        total += lacking * (min(one.price_max_minor, most_minor) if lacking > 0 else price_minor)
    return periods * total


def _score(
    offer: Offer, allocation: Allocation, request: Request, demands: Sequence[Demand], most_minor: int
) -> Ranked:
    """NEG-28: what the roster pays, what it leaves unserved at its own highest prices, and what else it values."""
    template, quotation = request.template, offer.quotation
    cost = template.cost(allocation.unit_price_minor, allocation.quantity, len(allocation.shares), quotation.charges)
    price = allocation.unit_price_minor
    lacking = unserved(demands, allocation.shares, template.periods, most_minor, price)
    adjustments = tuple(
        (
            attribute.name,
            request.weights_minor.get(attribute.name, 0)
            * quotation.attributes[attribute.name]
            * allocation.quantity
            * template.periods
            // attribute.scale,
        )
        for attribute in template.compared
        if attribute.ranking == "weighed"
    )
    score = cost + lacking + sum(amount for _, amount in adjustments)
    besides = besides_of(quotation, template)
    return Ranked(offer.hash, quotation, allocation, besides, cost, lacking, adjustments, score)


def _ranked_words(place: int, row: Ranked, best: Ranked, template: Template) -> str:
    found, currency = row.allocation, template.currency
    unit = "" if template.unit == "C62" else f" × {template.unit_quantity} {template.unit}"
    parts = [
        f"{place}. {row.quotation.supplier.hex()[:8]}: {money(found.unit_price_minor, currency)} per unit{unit},"
        f" {found.quantity} units a period for {len(found.shares)} members,"
        f" {money(row.cost_minor, currency)} over {template.periods} periods"
    ]
    if row.besides.charge_minor:
        parts.append(f"{money(row.besides.charge_minor, currency)} of it a member besides the price")
    if found.left_out:
        parts.append(f"{len(found.left_out)} members not served")
    if row.unserved_minor:
        parts.append(f"{money(row.unserved_minor, currency)} for what is not served or taken beyond want")
    parts += _counted(row, template)
    parts.append(f"score {money(row.score_minor, currency)}")
    return "; ".join([*parts, *([_beside(row, best, template)] if row is not best else [])])


def _counted(row: Ranked, template: Template) -> list[str]:
    """What each attribute counts for this co-op over the term: "renewable 80 % counts GBP 54.00 for it"."""
    known, found = {one.name: one for one in template.compared}, list[str]()
    for name, amount in row.adjustments:
        if amount:
            one = known[name]
            unit = "" if one.unit == "C62" else f" {UNITS[one.unit]}"
            value = f"{row.quotation.attributes[name] / one.scale:g}{unit}"
            side = "for" if amount < 0 else "against"
            found.append(f"{one.label} {value} counts {money(abs(amount), template.currency)} {side} it")
    return found


def _beside(row: Ranked, best: Ranked, template: Template) -> str:
    """Why it stands behind the first, by period: what speaks against it, but what for it."""
    labels = {one.name: one.label for one in template.compared}
    first, each = dict(best.adjustments), PERIODS[template.period]
    differences = [
        (row.cost_minor - best.cost_minor, "dearer", "cheaper"),
        (row.unserved_minor - best.unserved_minor, "more left unserved", "less left unserved"),
    ]
    for name, amount in row.adjustments:
        differences.append((amount - first[name], f"worse for {labels[name]}", f"better for {labels[name]}"))
    said = [
        f"{money(abs(amount) // template.periods, template.currency)} a {each} {worse if amount > 0 else better}"
        for sign in (1, -1)
        for amount, worse, better in differences
        if amount * sign > 0
    ]
    against = sum(1 for amount, _, _ in differences if amount > 0)
    if not said:
        return "as good as the first; a lot put it behind"
    return "beside the first: " + ", but ".join(", ".join(part) for part in (said[:against], said[against:]) if part)
