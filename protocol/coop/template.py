"""A category's template: what is bought, in which units, for how long, and what may be compared.

Decides whether a template is well formed and what its hash is; never reads a file. Charter and RFQ carry the hash, so
two nodes that name it compare alike. Spec: 04-template, TPL-1 to TPL-9.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from protocol.encoding import digest_of
from protocol.errors import Reject
from protocol.params import INTEGER_MAX, MEMBERS_MAX, PACK_MAX, TEMPLATE_ATTRIBUTES_MAX
from protocol.record.schema import Rule, array, fields, integer, one_of, slug, text

_NUMBER_MAX = 10**9  # bound of an attribute's scaled value
_SCALES = tuple(10**power for power in range(7))
_UNIT = re.compile(r"[A-Z0-9]{2,3}")  # UN/CEFACT Recommendation 20
_CURRENCY = re.compile(r"[A-Z]{3}")  # ISO 4217
_NO_MINOR = frozenset({"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "XAF"})
_THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_PRICE_WORDS = frozenset({"price", "cost", "bill", "fee", "fare", "premium", "rent"})

_ATTRIBUTE: Rule = fields(
    {
        "name": slug(),
        "unit": text(3, 2),
        "scale": integer(1, _SCALES[-1]),
        "least": integer(-_NUMBER_MAX, _NUMBER_MAX),
        "most": integer(-_NUMBER_MAX, _NUMBER_MAX),
        "better": one_of("more", "less", "none"),
        "prior_millionths": integer(-_NUMBER_MAX, _NUMBER_MAX),
        "price_minor": integer(0, 10**6),
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
        "period": one_of("DAY", "WEE", "MON", "ANN"),
        "periods": integer(1, 1200),
        "attributes": array(_ATTRIBUTE, TEMPLATE_ATTRIBUTES_MAX),
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
    the price as shoppers read it: one unit of it is that many minor units on the unit price.
    """

    name: str
    unit: str
    scale: int
    least: int
    most: int
    better: str
    prior_millionths: int
    price_minor: int


@dataclass(frozen=True, slots=True)
class Template:
    """What a category fixes for everyone. A counted unit is `unit_quantity` of `unit` per `period`."""

    category: str
    version: int
    title: str
    unit: str
    unit_quantity: int
    pack: int
    currency: str
    price_basis: str
    period: str
    periods: int
    attributes: tuple[Attribute, ...]
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

    def to_mapping(self) -> dict[str, Any]:
        """The plain value that `parse` reads; not in canonical order (encoding sees to that)."""
        return {**asdict(self), "attributes": [asdict(attribute) for attribute in self.attributes]}


def parse(value: Any) -> Template:
    """The template that a plain value describes. Raises Reject TPL-1 to TPL-6."""
    try:
        _TEMPLATE(value, "template")
    except Reject as error:
        raise Reject("TPL-1", error.message) from None
    attributes = tuple(Attribute(**row) for row in value["attributes"])
    template = Template(**{**value, "attributes": attributes})
    if not _UNIT.fullmatch(template.unit) or not all(_UNIT.fullmatch(row.unit) for row in attributes):
        raise Reject("TPL-2", "template.unit: must be UN/CEFACT codes such as KWH, KGM or C62")
    if not _CURRENCY.fullmatch(template.currency):
        raise Reject("TPL-3", "template.currency: must be an ISO 4217 code such as GBP")
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
    if template.least > template.most:
        raise Reject("TPL-5", "template.least: must not be above template.most")
    if template.cutoff_ms >= template.epoch_ms:
        raise Reject("TPL-6", "template.cutoff_ms: must be shorter than template.epoch_ms")
    return template


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
    for name in names:
        short, number = _slug(name), 2
        while short in taken:
            short, number = f"{_slug(name)[:28]}_{number}", number + 1
        taken[short] = name == price
    attributes = [
        {
            "name": name,
            "unit": "C62",
            "scale": 1000,
            "least": -_NUMBER_MAX,
            "most": _NUMBER_MAX,
            "better": "less" if is_price else "none",
            "prior_millionths": 0,
            "price_minor": 100 if is_price else 0,
        }
        for name, is_price in taken.items()
    ]
    common = {"category": "choices", "version": 1, "title": "Free choice", "unit": "C62", "unit_quantity": 1, "pack": 1}
    terms = {"currency": currency, "price_basis": "gross", "period": "MON", "periods": 60, "attributes": attributes}
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


def _slug(name: str) -> str:
    """A schema slug out of any column name."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name.strip().lower())
    return letters.strip("_")[:32] or "column"
