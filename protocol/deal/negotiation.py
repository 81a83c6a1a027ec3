"""Quotations: what a supplier may offer, which offers count, and in which order they stand.

Decides all of it from bytes, integers and what the request fixed before the first commitment, so that every member's
node ranks alike; never asks who a supplier is. Spec: 08-negotiation, NEG-1 to NEG-9 and NEG-20 to NEG-33.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from protocol.coop.template import AS_INVOICED, TAX_CATEGORIES, Template, money
from protocol.deal.allocation import NOTHING, Allocation, Besides, Demand, Ladder, allocate
from protocol.encoding import decode, digest, encode
from protocol.errors import Reject
from protocol.params import (
    BIDS_MAX,
    CHARGES_MAX,
    CRITERIA_MAX,
    INTEGER_MAX,
    MEMBERS_MAX,
    PACK_MAX,
    QUOTE_BYTES_MAX,
    RUNGS_MAX,
    SUBJECT_MAX,
)
from protocol.record.schema import Rule, array, ascending, data, fields, integer, one_of, slug, table, text

NONCE_BYTES = 32
CANCELLATIONS = ("anytime", "notice-30-days", "notice-90-days", "end-of-term", "before-delivery")
OPERATORS = {"at-least": "at least", "at-most": "at most", "equal": "exactly"}

_QUANTITY = integer(1, 10**9)
_QUOTATION: Rule = fields(
    {
        "supplier": data(32),
        "reference": text(64),
        "subject": text(SUBJECT_MAX),
        "currency": text(3, 3),
        "price_basis": one_of("net", "gross"),
        "tax_category": one_of(*TAX_CATEGORIES),
        "tax_hundredths": integer(0, 10_000),
        "ladder": array(array(integer(1, 10**12), 2, 2), RUNGS_MAX, 1),
        "pack": integer(1, PACK_MAX),
        "capacity": _QUANTITY,
        "valid_until": integer(),
        "cancellation": one_of(*CANCELLATIONS),
        "cancellation_fee_minor": integer(0, 10**9),
        "attributes": table(slug(), integer(-(10**9), 10**9), 32),
        "charges": table(slug(), integer(-(10**9), 10**9), CHARGES_MAX),
        "terms": ascending(slug(), 8),
        "trader": fields({"name": text(200, 1), "contact": text(200, 1), "country": text(2, 2), "register": text(80)}),
    }
)


@dataclass(frozen=True, slots=True)
class Quotation:
    """A supplier's binding offer: a price ladder, how much there is, until when, and what comes with it.

    Quantities are counted units per period, prices minor units per counted unit, attributes scaled integers, charges
    minor units a member (one that is not named is not asked for), tax hundredths of a percent.
    """

    supplier: bytes
    reference: str
    subject: str
    currency: str
    price_basis: str
    tax_category: str
    tax_hundredths: int
    ladder: Ladder
    pack: int
    capacity: int
    valid_until: int
    cancellation: str
    cancellation_fee_minor: int
    attributes: Mapping[str, int]
    charges: Mapping[str, int]
    terms: tuple[str, ...]
    trader: Mapping[str, str]

    def to_mapping(self) -> dict[str, Any]:
        """The plain value that `parse` reads."""
        return {
            "supplier": self.supplier,
            "reference": self.reference,
            "subject": self.subject,
            "currency": self.currency,
            "price_basis": self.price_basis,
            "tax_category": self.tax_category,
            "tax_hundredths": self.tax_hundredths,
            "ladder": [list(rung) for rung in self.ladder],
            "pack": self.pack,
            "capacity": self.capacity,
            "valid_until": self.valid_until,
            "cancellation": self.cancellation,
            "cancellation_fee_minor": self.cancellation_fee_minor,
            "attributes": dict(self.attributes),
            "charges": dict(self.charges),
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
    attribute, per counted unit and period; below 0 is wanted. `terms`: data terms an offer must accept. `demanded`:
    what members demand for themselves (NEG-73), known in the room only.
    """

    template: Template
    weights_minor: Mapping[str, int]
    requirements: tuple[Requirement, ...]
    terms: tuple[str, ...]
    valid_until: int
    demanded: Mapping[bytes, tuple[Requirement, ...]] = field(default_factory=dict)
    subject: str = ""  # where the template has one (TPL-15)


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
    _check_comparable(value, template)
    besides = MEMBERS_MAX * abs(template.charge(value["charges"]))
    if value["capacity"] * ladder[0][1] * template.periods + besides > INTEGER_MAX:
        raise Reject("NEG-4", "quotation: capacity × price × periods and charges are beyond 2^53-1 minor units")
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


def _check_comparable(value: Mapping[str, Any], template: Template) -> None:
    """What the template fixes is stated alike: money, tax, charges, and whether it has a subject (TPL-14)."""
    for name in ("currency", "price_basis"):
        if value[name] != getattr(template, name):
            raise Reject("TPL-14", f"quotation.{name}: must be {getattr(template, name)}, for nobody converts")
    tax = value["tax_category"], value["tax_hundredths"]
    if template.tax_category != AS_INVOICED and tax != (template.tax_category, template.tax_hundredths):
        rate = f"{template.tax_hundredths / 100:g} %"
        raise Reject("TPL-14", f"quotation.tax_category: must be {template.tax_category} at {rate} in this category")
    if (template.subject == "named") != bool(value["subject"]):
        must = "must name what is offered" if template.subject == "named" else "must be empty in this category"
        raise Reject("TPL-14", f"quotation.subject: {must}")
    charges = {one.name: one for one in template.charges}
    for name, minor in value["charges"].items():
        known = charges.get(name)
        if known is None:
            raise Reject("TPL-14", f"quotation.charges.{name}: this category has {', '.join(charges) or 'none'}")
        if not known.least_minor <= minor <= known.most_minor:
            raise Reject("TPL-14", f"quotation.charges.{name}: must be from {known.least_minor} to {known.most_minor}")


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
    values = quotation.attributes
    return [
        demand
        for demand in demands
        if all(
            one.attribute in values and one.met_by(values[one.attribute])
            for one in request.demanded.get(demand.member, ())
        )
    ]


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
        if attribute.ranking != "weighed":
            continue
        total = sum(vector.get(attribute.name, 0) for vector in vectors) * template.price.price_minor
        weight = (2 * abs(total) + price) // (2 * price)  # half away from zero
        weights[attribute.name] = min(weight, 10**9) * (-1 if total > 0 else 1)
    largest = sorted(weights.items(), key=lambda item: (-abs(item[1]), item[0]))[:CRITERIA_MAX]
    return {name: weight for name, weight in sorted(largest) if weight}


def besides_of(quotation: Quotation, template: Template) -> Besides:
    """What each member served pays besides the unit price of this quotation (TPL-12)."""
    return Besides(template.charge(quotation.charges), template.periods)


def saving(baseline_minor: int, unit_price_minor: int, quantity: int, besides: Besides) -> int:
    """What a member saves over the term against the unit price paid today, all in; below 0 is a loss (NEG-33)."""
    return (baseline_minor - unit_price_minor) * quantity * besides.periods - besides.charge_minor


def _judge(bid: Bid, request: Request, limits: Limits, demands: Sequence[Demand], manifest: bytes) -> Ranked:
    """One bid ranked by itself; raises Reject with the first clause that refuses it, in the order of the spec."""
    quotation = read(bid.quote, request.template)
    if quotation.supplier != bid.supplier:
        raise Reject("NEG-21", "the quotation names another supplier than the one who committed to it")
    if quotation.subject != request.subject:
        raise Reject("TPL-15", f"quotation.subject: must be {request.subject or 'empty'}")
    for wanted in request.requirements:
        if wanted.attribute not in quotation.attributes or not wanted.met_by(quotation.attributes[wanted.attribute]):
            raise Reject("NEG-22", f"{wanted.attribute} must be {OPERATORS[wanted.operator]} {wanted.value}")
    missing = [term for term in request.terms if term not in quotation.terms]
    if missing:
        raise Reject("NEG-23", f"the data terms {missing[0]} are not accepted")
    if quotation.valid_until < request.valid_until:
        raise Reject("NEG-24", "it ends before the members have to commit")
    served = suited(quotation, request, demands)
    found = serve(quotation, limits, served, manifest, besides_of(quotation, request.template))
    unsuited = [(one.member, "NEG-73") for one in demands if one not in served]
    found = replace(found, left_out=tuple(sorted([*found.left_out, *unsuited])))
    return _score(bid.hash, quotation, found, request, demands)


def _score(
    bid_hash: bytes, quotation: Quotation, allocation: Allocation, request: Request, demands: Sequence[Demand]
) -> Ranked:
    """NEG-28: what the roster pays, what it leaves unserved at its own highest prices, and what else it values."""
    periods, shares = request.template.periods, dict(allocation.shares)
    cost = request.template.cost(
        allocation.unit_price_minor, allocation.quantity, len(allocation.shares), quotation.charges
    )
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
        if attribute.ranking == "weighed"
    )
    score = cost + unserved + sum(amount for _, amount in adjustments)
    besides = besides_of(quotation, request.template)
    return Ranked(bid_hash, quotation, allocation, besides, cost, unserved, adjustments, score)


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
