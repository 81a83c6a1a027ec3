"""Quotations: what a supplier may offer, what a request fixes, and what the members' weights come to in money.

Decides it from bytes and integers; never which offer is better, and never who a supplier is. Spec: 08-negotiation,
NEG-1 to NEG-9, NEG-32 and NEG-33.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from protocol.coop.template import AS_INVOICED, TAX_CATEGORIES, Template
from protocol.deal.allocation import Besides, Ladder
from protocol.encoding import decode, digest, encode
from protocol.errors import Reject
from protocol.params import (
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
        "terms": ascending(slug(64), 8),
        "trader": fields({"name": text(200, 1), "contact": text(200, 1), "country": text(2, 2), "register": text(80)}),
    },
    {"prepaid_percent": integer(1, 100), "instead": slug(64)},
)


@dataclass(frozen=True, slots=True)
class Quotation:
    """A supplier's binding offer: a price ladder, how much there is, until when, and what comes with it.

    Quantities are counted units per period, prices minor units per counted unit, attributes scaled integers, charges
    minor units a member (one that is not named is not asked for), tax hundredths of a percent. Of what comes to a
    member in all `prepaid_percent` is to be paid before anything is delivered.
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
    prepaid_percent: int = 0
    instead: str = ""  # the data terms offered to whoever asks for others than `terms` (CNS-7)

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
            **({"prepaid_percent": self.prepaid_percent} if self.prepaid_percent else {}),
            **({"instead": self.instead} if self.instead else {}),
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
    prepaid_percent: int = 0  # the most that may be asked for before delivery (RSK-6)


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
    return Besides(template.charge(quotation.charges), template.periods, template.period)


def saving(baseline_minor: int, unit_price_minor: int, quantity: int, besides: Besides) -> int:
    """What a member saves over the term against the unit price paid today, all in; below 0 is a loss (NEG-33)."""
    return (baseline_minor - unit_price_minor) * quantity * besides.periods - besides.charge_minor
