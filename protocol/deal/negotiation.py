"""Quotations: what a supplier may offer, which offers count, and in which order they stand.

Decides all of it from bytes, integers and what the request fixed before the first commitment, so that every member's
node ranks alike; never asks who a supplier is. Spec: 08-negotiation, NEG-1 to NEG-9 and NEG-20 to NEG-33.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from protocol.coop.template import Template, money
from protocol.deal.allocation import Allocation, Demand, Ladder, allocate
from protocol.encoding import decode, digest, encode
from protocol.errors import Reject
from protocol.params import BIDS_MAX, CRITERIA_MAX, INTEGER_MAX, PACK_MAX, QUOTE_BYTES_MAX, RUNGS_MAX
from protocol.record.schema import Rule, array, ascending, data, fields, integer, one_of, slug, table, text

NONCE_BYTES = 32
CANCELLATIONS = ("anytime", "notice-30-days", "notice-90-days", "end-of-term", "before-delivery")
OPERATORS = {"at-least": "at least", "at-most": "at most", "equal": "exactly"}

_QUANTITY = integer(1, 10**9)
_QUOTATION: Rule = fields(
    {
        "supplier": data(32),
        "reference": text(64),
        "ladder": array(array(integer(1, 10**12), 2, 2), RUNGS_MAX, 1),
        "pack": integer(1, PACK_MAX),
        "capacity": _QUANTITY,
        "valid_until": integer(),
        "cancellation": one_of(*CANCELLATIONS),
        "cancellation_fee_minor": integer(0, 10**9),
        "attributes": table(slug(), integer(-(10**9), 10**9), 32),
        "terms": ascending(slug(), 8),
        "trader": fields({"name": text(200, 1), "contact": text(200, 1), "country": text(2, 2), "register": text(80)}),
    }
)


@dataclass(frozen=True, slots=True)
class Quotation:
    """A supplier's binding offer: a price ladder, how much there is, until when, and what comes with it.

    Quantities are counted units per period, prices minor units per counted unit, attributes scaled integers.
    """

    supplier: bytes
    reference: str
    ladder: Ladder
    pack: int
    capacity: int
    valid_until: int
    cancellation: str
    cancellation_fee_minor: int
    attributes: Mapping[str, int]
    terms: tuple[str, ...]
    trader: Mapping[str, str]

    def to_mapping(self) -> dict[str, Any]:
        """The plain value that `parse` reads."""
        return {
            "supplier": self.supplier,
            "reference": self.reference,
            "ladder": [list(rung) for rung in self.ladder],
            "pack": self.pack,
            "capacity": self.capacity,
            "valid_until": self.valid_until,
            "cancellation": self.cancellation,
            "cancellation_fee_minor": self.cancellation_fee_minor,
            "attributes": dict(self.attributes),
            "terms": list(self.terms),
            "trader": dict(self.trader),
        }

    def to_bytes(self) -> bytes:
        """What is committed to and sealed (NEG-8)."""
        return encode(self.to_mapping())


@dataclass(frozen=True, slots=True)
class Requirement:
    """What an offer must meet: a template's attribute, one of OPERATORS, a scaled integer."""

    attribute: str
    operator: str
    value: int

    def met_by(self, value: int) -> bool:
        """Whether an offer with this value passes (NEG-22)."""
        match self.operator:
            case "at-least":
                return value >= self.value
            case "at-most":
                return value <= self.value
            case _:
                return value == self.value


@dataclass(frozen=True, slots=True)
class Request:
    """What a request for quotation fixes before the first commitment. `weights_minor`: minor units per unit of an
    attribute, per counted unit and period; below 0 is wanted. `terms`: data terms an offer must accept.
    """

    template: Template
    weights_minor: Mapping[str, int]
    requirements: tuple[Requirement, ...]
    terms: tuple[str, ...]
    valid_until: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The mandate's limits, known in the room only: highest unit price, and the range of the whole order."""

    price_max_minor: int
    quantity_least: int
    quantity_most: int


@dataclass(frozen=True, slots=True)
class Bid:
    """An opened quotation: who committed to it, and its bytes."""

    supplier: bytes
    quote: bytes

    @property
    def hash(self) -> bytes:
        """The quotation's hash, which breaks ties (NEG-29)."""
        return digest("quote", self.quote)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A quotation that counts. `score_minor` = cost + unserved + Σ adjustments, over the term; least is best."""

    hash: bytes
    quotation: Quotation
    allocation: Allocation
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
    """All bids of one request: `ranked` best first, `refused` by hash."""

    ranked: tuple[Ranked, ...]
    refused: tuple[Refused, ...]

    def explain(self, template: Template) -> tuple[str, ...]:
        """The same in words, one line each, suppliers by the first eight digits of their key."""
        return tuple(
            [_ranked_words(place, row, template) for place, row in enumerate(self.ranked, 1)]
            + [f"Refused: {row.supplier.hex()[:8]}: {row.message} [{row.code}]" for row in self.refused]
        )


def parse(value: Any, template: Template) -> Quotation:
    """The quotation that a plain value describes. Raises Reject NEG-1 to NEG-6."""
    try:
        _QUOTATION(value, "quotation")
    except Reject as error:
        raise Reject("NEG-1", error.message) from None
    ladder = tuple((minimum, price) for minimum, price in value["ladder"])
    for number, ((minimum, price), (next_minimum, next_price)) in enumerate(pairwise(ladder)):
        if next_minimum <= minimum:
            raise Reject("NEG-2", f"quotation.ladder[{number + 1}]: its minimum quantity must be above the one before")
        if next_price > price:
            raise Reject("NEG-2", f"quotation.ladder[{number + 1}]: a larger quantity must not cost more per unit")
    if value["pack"] > template.pack:
        raise Reject("NEG-3", f"quotation.pack: at most {template.pack} in this category")
    if value["capacity"] < max(ladder[0][0], value["pack"]):
        raise Reject("NEG-3", "quotation.capacity: below the first minimum quantity or below one pack")
    if value["capacity"] * ladder[0][1] * template.periods > INTEGER_MAX:
        raise Reject("NEG-4", "quotation: capacity × price × periods is beyond 2^53-1 minor units")
    bounds = {attribute.name: (attribute.least, attribute.most) for attribute in template.compared}
    if value["attributes"].keys() != bounds.keys():
        raise Reject("NEG-5", "quotation.attributes: must be exactly " + (", ".join(bounds) or "none"))
    for name, (least, most) in bounds.items():
        if not least <= value["attributes"][name] <= most:
            raise Reject("NEG-5", f"quotation.attributes.{name}: must be from {least} to {most}")
    country = value["trader"]["country"]
    if not (country.isascii() and country.isalpha() and country.isupper()):
        raise Reject("NEG-6", "quotation.trader.country: must be an ISO 3166 code such as GB")
    return Quotation(**{**value, "ladder": ladder, "terms": tuple(value["terms"])})


def read(quote: bytes, template: Template) -> Quotation:
    """The quotation in opened bytes. Raises Reject NEG-1 to NEG-6: which ENC clause is broken depends on the decoder,
    and the award names the clause (NEG-50).
    """
    try:
        value = decode(quote, QUOTE_BYTES_MAX)
    except Reject as error:
        raise Reject("NEG-1", f"quotation: {error.message}") from None
    return parse(value, template)


def commit_hash(rfq: bytes, supplier: bytes, nonce: bytes, quote: bytes) -> bytes:
    """What a supplier publishes before the box closes (NEG-8). Raises Reject NEG-8 unless ids, key and nonce are 32."""
    if not len(rfq) == len(supplier) == len(nonce) == NONCE_BYTES:
        raise Reject("NEG-8", "commitment: request, supplier and nonce are 32 bytes each")
    return digest("commit", rfq + supplier + nonce + quote)


def open_commitment(commit: bytes, rfq: bytes, supplier: bytes, nonce: bytes, quote: bytes) -> Bid:
    """The bid that a reveal opens. Raises Reject NEG-9 when it is not what was committed to, or cannot be shown to
    others (BUN-10).
    """
    if not 0 < len(quote) <= QUOTE_BYTES_MAX:
        raise Reject("NEG-9", f"reveal: the quotation must have 1 to {QUOTE_BYTES_MAX} bytes")
    if commit_hash(rfq, supplier, nonce, quote) != commit:
        raise Reject("NEG-9", "reveal: the quotation is not the one that was committed to")
    return Bid(supplier, quote)


def rank(request: Request, limits: Limits, bids: Sequence[Bid], demands: Sequence[Demand], manifest: bytes) -> Ranking:
    """Every bid, ranked or refused (NEG-20 to NEG-29). Raises Reject NEG-20 for too many bids."""
    if len(bids) > BIDS_MAX:
        raise Reject("NEG-20", f"ranking: {len(bids)} quotations, at most {BIDS_MAX}")
    ranked: list[Ranked] = []
    refused: list[Refused] = []
    for bid in bids:
        try:
            ranked.append(_judge(bid, request, limits, demands, manifest))
        except Reject as error:
            refused.append(Refused(bid.hash, bid.supplier, error.code, error.message))
    return Ranking(
        tuple(sorted(ranked, key=lambda row: (row.score_minor, row.hash))),
        tuple(sorted(refused, key=lambda row: (row.hash, row.supplier))),
    )


def serve(quotation: Quotation, limits: Limits, demands: Sequence[Demand], manifest: bytes) -> Allocation:
    """What a quotation gives these members within the mandate, at the award and again on the commitments.

    Raises Reject NEG-25 (too little), NEG-26 (too dear) or NEG-27 (no rung stands).
    """
    capacity = min(quotation.capacity, limits.quantity_most)
    if capacity < limits.quantity_least:
        raise Reject("NEG-25", f"it serves {capacity}, the mandate asks for at least {limits.quantity_least}")
    affordable = tuple(rung for rung in quotation.ladder if rung[1] <= limits.price_max_minor)
    if not affordable:
        raise Reject("NEG-26", "each of its prices is above the mandate's limit")
    found = allocate(affordable, capacity, quotation.pack, demands, manifest)
    if found is None or found.quantity < limits.quantity_least:
        raise Reject("NEG-27", "no rung of its ladder is reached by those who would pay its price")
    return replace(found, rung=found.rung + len(quotation.ladder) - len(affordable))


def criteria(vectors: Sequence[Mapping[str, int]], template: Template) -> dict[str, int]:
    """Weights in minor units from members' utility weights per unit of an attribute, any one scale (NEG-32).

    Summed over the members; without a price that they dislike there is no scale, and only cost counts.
    """
    if template.price is None:
        return {}
    price = -sum(vector.get(template.price.name, 0) for vector in vectors)
    if price <= 0:
        return {}
    weights = {}
    for attribute in template.compared:
        total = sum(vector.get(attribute.name, 0) for vector in vectors) * template.price.price_minor
        weight = (2 * abs(total) + price) // (2 * price)  # half away from zero
        weights[attribute.name] = min(weight, 10**9) * (-1 if total > 0 else 1)
    largest = sorted(weights.items(), key=lambda item: (-abs(item[1]), item[0]))[:CRITERIA_MAX]
    return {name: weight for name, weight in sorted(largest) if weight}


def saving(baseline_minor: int, unit_price_minor: int, quantity: int, periods: int) -> int:
    """What a member saves over the term against the unit price paid today; below 0 is a loss (NEG-33)."""
    return (baseline_minor - unit_price_minor) * quantity * periods


def _judge(bid: Bid, request: Request, limits: Limits, demands: Sequence[Demand], manifest: bytes) -> Ranked:
    """One bid ranked by itself; raises Reject with the first clause that refuses it, in the order of the spec."""
    quotation = read(bid.quote, request.template)
    if quotation.supplier != bid.supplier:
        raise Reject("NEG-21", "the quotation names another supplier than the one who committed to it")
    for wanted in request.requirements:
        if wanted.attribute not in quotation.attributes or not wanted.met_by(quotation.attributes[wanted.attribute]):
            raise Reject("NEG-22", f"{wanted.attribute} must be {OPERATORS[wanted.operator]} {wanted.value}")
    missing = [term for term in request.terms if term not in quotation.terms]
    if missing:
        raise Reject("NEG-23", f"the data terms {missing[0]} are not accepted")
    if quotation.valid_until < request.valid_until:
        raise Reject("NEG-24", "it ends before the members have to commit")
    return _score(bid.hash, quotation, serve(quotation, limits, demands, manifest), request, demands)


def _score(
    bid_hash: bytes, quotation: Quotation, allocation: Allocation, request: Request, demands: Sequence[Demand]
) -> Ranked:
    """NEG-28: what the roster pays, what it leaves unserved at its own highest prices, and what else it values."""
    periods, shares = request.template.periods, dict(allocation.shares)
    cost = allocation.unit_price_minor * allocation.quantity * periods
    unserved = periods * sum(
        (demand.want - shares.get(demand.member, 0)) * demand.price_max_minor for demand in demands
    )
    adjustments = tuple(
        (
            attribute.name,
            request.weights_minor.get(attribute.name, 0)
            * quotation.attributes[attribute.name]
            * allocation.quantity
            * periods
            // attribute.scale,
        )
        for attribute in request.template.compared
    )
    score = cost + unserved + sum(amount for _, amount in adjustments)
    return Ranked(bid_hash, quotation, allocation, cost, unserved, adjustments, score)


def _ranked_words(place: int, row: Ranked, template: Template) -> str:
    found, currency = row.allocation, template.currency
    unit = "" if template.unit == "C62" else f" × {template.unit_quantity} {template.unit}"
    parts = [
        f"{place}. {row.quotation.supplier.hex()[:8]}: {money(found.unit_price_minor, currency)} per unit{unit},"
        f" {found.quantity} units a period for {len(found.shares)} members,"
        f" {money(row.cost_minor, currency)} over {template.periods} periods"
    ]
    if found.left_out:
        parts.append(f"{len(found.left_out)} members not served")
    if row.unserved_minor:
        parts.append(f"{money(row.unserved_minor, currency)} for what is not served or taken beyond want")
    parts += [f"{money(amount, currency)} for {name}" for name, amount in row.adjustments if amount]
    return "; ".join([*parts, f"score {money(row.score_minor, currency)}"])
