"""A category's template: what is bought, in which units, for how long, and what may be compared.

Decides whether a template is well formed, what its hash is and what an offer costs; never reads a file. Charter and RFQ
carry the hash, so two nodes that name it compare alike. Spec: 04-template, TPL-1 to TPL-15.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from protocol.coop.units import PERIODS, UNITS
from protocol.encoding import digest_of
from protocol.errors import Reject
from protocol.params import (
    CHARGES_MAX,
    INTEGER_MAX,
    MEMBERS_MAX,
    PACK_MAX,
    SUBJECT_MAX,
    TEMPLATE_ATTRIBUTES_MAX,
    TYPICAL_MAX,
)
from protocol.record.schema import Rule, array, fields, integer, one_of, slug, text

_NUMBER_MAX = 10**9  # bound of an attribute's scaled value
_SCALES = tuple(10**power for power in range(7))
_CURRENCY = re.compile(r"[A-Z]{3}")  # ISO 4217
_NO_MINOR = frozenset({"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "XAF"})
_THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_PRICE_WORDS = frozenset({"price", "cost", "bill", "fee", "fare", "premium", "rent"})

_TAXED = ("S", "AA")
TAX_CATEGORIES = (*_TAXED, "Z", "E")  # UN/CEFACT 5305: standard rate, lower rate, zero rated, exempt
AS_INVOICED = "as-invoiced"

_ATTRIBUTE: Rule = fields(
    {
        "name": slug(),
        "label": text(60, 1),
        "unit": text(3, 2),
        "scale": integer(1, _SCALES[-1]),
        "least": integer(-_NUMBER_MAX, _NUMBER_MAX),
        "most": integer(-_NUMBER_MAX, _NUMBER_MAX),
        "better": one_of("more", "less", "none"),
        "prior_millionths": integer(-_NUMBER_MAX, _NUMBER_MAX),
        "price_minor": integer(0, 10**6),
        "ranking": one_of("weighed", "stated"),
        "typical": array(integer(-_NUMBER_MAX, _NUMBER_MAX), TYPICAL_MAX),
    }
)
_CHARGE: Rule = fields(
    {
        "name": slug(),
        "label": text(60, 1),
        "per": one_of("once", "period"),
        "least_minor": integer(-_NUMBER_MAX, _NUMBER_MAX),
        "most_minor": integer(-_NUMBER_MAX, _NUMBER_MAX),
    }
)
_TEMPLATE: Rule = fields(
    {
        "category": slug(),
        "version": integer(1, 10**6),
        "title": text(80, 1),
        "unit": text(3, 2),
        "unit_quantity": integer(1, 10**6),
        "pack": integer(1, PACK_MAX),
        "currency": text(3, 3),
        "price_basis": one_of("net", "gross"),
        "tax_category": one_of(*TAX_CATEGORIES, AS_INVOICED),
        "tax_hundredths": integer(0, 10_000),
        "period": one_of(*PERIODS),
        "periods": integer(1, 1200),
        "subject": one_of("none", "named"),
        "attributes": array(_ATTRIBUTE, TEMPLATE_ATTRIBUTES_MAX),
        "charges": array(_CHARGE, CHARGES_MAX),
        "epoch_ms": integer(1, 10**11),
        "cutoff_ms": integer(1, 10**11),
        "least": integer(2, MEMBERS_MAX),
        "most": integer(2, MEMBERS_MAX),
    }
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing that offers differ in. Values are integers: `scale` of them make one `unit` (75 at scale 10 is 7.5).

    `prior_millionths`: utility of one unit before anybody has chosen. `price_minor` above 0 marks the attribute that is
    the price as shoppers read it: one unit of it is that many minor units on the unit price. `ranking`: "weighed" by
    members' weights, or only "stated". `typical`: scaled values that offers commonly have, ascending; cards are made
    of them.
    """

    name: str
    label: str
    unit: str
    scale: int
    least: int
    most: int
    better: str
    prior_millionths: int
    price_minor: int
    ranking: str
    typical: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Charge:
    """What a member served pays besides the unit price, once or every period; below 0 it is cash-back. Minor units."""

    name: str
    label: str
    per: str
    least_minor: int
    most_minor: int


@dataclass(frozen=True, slots=True)
class Template:
    """What a category fixes for everyone. A counted unit is `unit_quantity` of `unit` per `period`.

    `subject` "named": what is bought differs from intent to intent, and only those of one subject compare.
    """

    category: str
    version: int
    title: str
    unit: str
    unit_quantity: int
    pack: int
    currency: str
    price_basis: str
    tax_category: str
    tax_hundredths: int
    period: str
    periods: int
    subject: str
    attributes: tuple[Attribute, ...]
    charges: tuple[Charge, ...]
    epoch_ms: int
    cutoff_ms: int
    least: int
    most: int

    @property
    def hash(self) -> bytes:
        """BLAKE2b-256 over the canonical encoding (TPL-7)."""
        return digest_of("template", self.to_mapping())

    @property
    def compared(self) -> tuple[Attribute, ...]:
        """The attributes a quotation states: all but the price, which its ladder states."""
        return tuple(attribute for attribute in self.attributes if not attribute.price_minor)

    @property
    def price(self) -> Attribute | None:
        """The attribute that is the price as shoppers read it, if the category has one."""
        return next((attribute for attribute in self.attributes if attribute.price_minor), None)

    @property
    def priors(self) -> dict[str, float]:
        """Weights on the raw scale, before anybody has chosen."""
        return {attribute.name: attribute.prior_millionths / 1e6 for attribute in self.attributes}

    def compares(self, subject: str) -> bool:
        """Whether an intent with this subject, "" for none, is one that the template can compare (TPL-15)."""
        return bool(subject) == (self.subject == "named")

    def charge(self, charges: Mapping[str, int]) -> int:
        """What one member served pays besides the unit price over the term; one that is not named is 0 (TPL-12)."""
        times = {"once": 1, "period": self.periods}
        return sum(charges.get(one.name, 0) * times[one.per] for one in self.charges)

    def cost(self, unit_price_minor: int, quantity: int, members: int, charges: Mapping[str, int]) -> int:
        """What `members` who are served `quantity` together pay over the term, all in, in minor units (TPL-12)."""
        return unit_price_minor * quantity * self.periods + members * self.charge(charges)

    def to_mapping(self) -> dict[str, Any]:
        """The plain value that `parse` reads; not in canonical order (encoding sees to that)."""
        attributes = [{**asdict(one), "typical": list(one.typical)} for one in self.attributes]
        return {**asdict(self), "attributes": attributes, "charges": [asdict(one) for one in self.charges]}


def parse(value: Any) -> Template:
    """The template that a plain value describes. Raises Reject with the first broken clause of TPL-1 to TPL-15."""
    try:
        _TEMPLATE(value, "template")
    except Reject as error:
        raise Reject("TPL-1", error.message) from None
    attributes = tuple(Attribute(**{**row, "typical": tuple(row["typical"])}) for row in value["attributes"])
    charges = tuple(Charge(**row) for row in value["charges"])
    template = Template(**{**value, "attributes": attributes, "charges": charges})
    for where, code in (("unit", template.unit), *((f"attributes.{row.name}.unit", row.unit) for row in attributes)):
        if code not in UNITS:
            raise Reject("TPL-2", f"template.{where}: must be one of the UN/CEFACT codes {', '.join(UNITS)}")
    if not _CURRENCY.fullmatch(template.currency):
        raise Reject("TPL-3", "template.currency: must be an ISO 4217 code such as GBP")
    _check_attributes(attributes)
    if template.least > template.most:
        raise Reject("TPL-5", "template.least: must not be above template.most")
    if template.cutoff_ms >= template.epoch_ms:
        raise Reject("TPL-6", "template.cutoff_ms: must be shorter than template.epoch_ms")
    if (template.tax_hundredths > 0) != (template.tax_category in _TAXED):
        raise Reject("TPL-10", "template.tax_hundredths: must be above 0 for the categories S and AA, 0 for others")
    if template.tax_category == AS_INVOICED and template.price_basis == "net":
        raise Reject("TPL-10", "template.price_basis: must be gross where tax is as invoiced, or prices do not compare")
    _check_charges(template)
    return template


def _check_attributes(attributes: Sequence[Attribute]) -> None:
    names = [row.name for row in attributes]
    if len(names) != len(dict.fromkeys(names)):
        raise Reject("TPL-4", "template.attributes: a name stands there twice")
    if sum(1 for row in attributes if row.price_minor) > 1:
        raise Reject("TPL-4", "template.attributes: more than one of them is the price")
    for row in attributes:
        if row.scale not in _SCALES:
            raise Reject("TPL-4", f"template.attributes.{row.name}.scale: must be a power of ten up to {_SCALES[-1]}")
        if row.least > row.most:
            raise Reject("TPL-4", f"template.attributes.{row.name}: least is above most")
        within = all(row.least <= one <= row.most for one in row.typical)
        if not within or len(row.typical) == 1 or any(a >= b for a, b in pairwise(row.typical)):
            raise Reject("TPL-13", f"template.attributes.{row.name}.typical: two or more ascending values, or none")


def _check_charges(template: Template) -> None:
    names = [row.name for row in template.charges] + [row.name for row in template.attributes]
    if len(names) != len(dict.fromkeys(names)):
        raise Reject("TPL-11", "template.charges: each needs a name that no other charge or attribute has")
    for row in template.charges:
        if not row.least_minor <= 0 <= row.most_minor:
            raise Reject("TPL-11", f"template.charges.{row.name}: 0 must lie from least_minor to most_minor")


def scaled(template: Template, speed: int) -> Template:
    """The same template for a network whose durations are `speed` times shorter (TPL-8)."""
    cutoff_ms = max(1, template.cutoff_ms // speed)
    return replace(template, epoch_ms=max(cutoff_ms + 1, template.epoch_ms // speed), cutoff_ms=cutoff_ms)


def from_attributes(names: Sequence[str], *, price: str | None = None, currency: str = "EUR") -> Template:
    """A free-form template whose attributes are these columns, in their order, any number within a million either way.

    The price is the column called `price`, else the first whose name holds a word such as price or cost, else none.
    Raises Reject TPL-1 or TPL-4 for more columns than a template may have.
    """
    if price is None:
        price = next((name for name in names if _PRICE_WORDS & set(_slug(name).replace("-", "_").split("_"))), None)
    taken: dict[str, bool] = {}
    first = names.index(price) if price in names else -1
    for place, name in enumerate(names):
        short, number = _slug(name), 2
        while short in taken:
            short, number = f"{_slug(name)[:28]}_{number}", number + 1
        taken[short] = place == first
    attributes: list[dict[str, Any]] = [
        {
            "name": name,
            "label": name,
            "unit": "C62",
            "scale": 1000,
            "least": -_NUMBER_MAX,
            "most": _NUMBER_MAX,
            "better": "less" if is_price else "none",
            "prior_millionths": 0,
            "price_minor": 100 if is_price else 0,
            "ranking": "weighed",
            "typical": [],
        }
        for name, is_price in taken.items()
    ]
    common = {"category": "choices", "version": 1, "title": "Free choice", "unit": "C62", "unit_quantity": 1, "pack": 1}
    terms = {"currency": currency, "price_basis": "gross", "tax_category": AS_INVOICED, "tax_hundredths": 0}
    terms |= {"period": "MON", "periods": 60, "subject": "none", "attributes": attributes, "charges": []}
    return parse(common | terms | {"epoch_ms": 86_400_000, "cutoff_ms": 3_600_000, "least": 8, "most": 40})


def minor_digits(currency: str) -> int:
    """How many decimals a currency's minor unit has (ISO 4217)."""
    return 0 if currency in _NO_MINOR else 3 if currency in _THOUSANDTHS else 2


def money(amount_minor: int, currency: str) -> str:
    """An amount for people: "GBP 1,234.50"."""
    digits = minor_digits(currency)
    whole, part = divmod(abs(amount_minor), 10**digits)
    sign = "-" if amount_minor < 0 else ""
    return f"{currency} {sign}{whole:,}" + (f".{part:0{digits}d}" if digits else "")


def pooled_value(spends_minor: Sequence[int], periods: int) -> int:
    """What these members will spend together over the template's horizon, in minor units (TPL-9)."""
    return min(sum(spends_minor) * periods, INTEGER_MAX)


def subject_of(words: str) -> str:
    """The subject that words name: lower-case ASCII letters and digits, anything between them one "-" (TPL-15).

    Raises Reject TPL-15 when nothing is left of them, or too much.
    """
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
    found = "-".join(re.findall(r"[a-z0-9]+", plain))
    if not 1 <= len(found) <= SUBJECT_MAX:
        raise Reject("TPL-15", f"subject: 1 to {SUBJECT_MAX} letters a-z and digits, such as a standard number")
    return found


def _slug(name: str) -> str:
    """A schema slug out of any column name."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name.strip().lower())
    return letters.strip("_")[:32] or "column"
