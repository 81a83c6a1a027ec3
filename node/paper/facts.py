"""What every format says of a deal, drawn once from its proof: who signed, what is owed by whom, in plain numbers.

Decides which dues a share comes to and how numbers and times are written; never what was agreed. Amounts are integers
in minor units until they are written. Spec: 17-paper, PAP-2 to PAP-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from protocol.coop.template import Template, minor_digits
from protocol.deal.award import Agreement
from protocol.deal.fulfilment import Account, periods_due
from protocol.deal.holding import Step
from protocol.deal.negotiation import Quotation
from protocol.deal.proof import Proof


@dataclass(frozen=True, slots=True)
class Sale:
    """An agreement that its supplier signed, with the quotation behind it and the line of each share."""

    agreement: Agreement
    quotation: Quotation

    @property
    def lines(self) -> tuple[Account, ...]:
        """What each member owes and got, ascending by member."""
        return self.agreement.accounts


@dataclass(frozen=True, slots=True)
class Facts:
    """A proven deal and what was found on the way; `sales` ascend by supplier, `signed` is when they were certified."""

    proof: Proof
    steps: tuple[Step, ...]
    sales: tuple[Sale, ...]
    signed: int

    @property
    def template(self) -> Template:
        """What the deal is counted and compared by."""
        return self.proof.template

    @property
    def currency(self) -> str:
        """The ISO 4217 code of every amount."""
        return self.proof.template.currency


@dataclass(frozen=True, slots=True)
class Due:
    """`times` payments of `each_minor` by one side to the other, the first for the period that begins at `first`."""

    what: str
    first: int
    times: int
    each_minor: int

    @property
    def total_minor(self) -> int:
        """All of them together."""
        return self.times * self.each_minor


def facts_of(proof: Proof, steps: Sequence[Step]) -> Facts:
    """What the formats are made of."""
    quotations = {one.hash: one.quotation for one in proof.ranking.offers}
    sales = tuple(Sale(one, quotations[one.part.quotation]) for one in proof.deal.agreements if one.signed)
    (signed,) = (one.when for name, one in proof.deal.decided.items() if name.startswith("signatures/"))
    return Facts(proof, tuple(steps), sales, signed)


def dues(facts: Facts, sale: Sale, line: Account) -> list[Due]:
    """What a member's line owes to its supplier, part by part; in sum the line's `price_minor` (PAP-4)."""
    terms, template = sale.agreement.terms, facts.template
    units = sale.agreement.quantity_of(line.member)
    due = periods_due(terms, line.ends) if line.cancelled_by else terms.periods
    goods = f"goods: {line.article}" if line.article else "goods"
    found = [Due(goods, terms.start, due, units * line.unit_price_minor)]
    if line.cancelled_by:
        found.append(Due("charges until the share ended", terms.start, 1, line.charge_minor))
        found.append(Due("fee for cancelling", line.ends, 1, line.fee_minor))
    else:
        times = {"once": 1, "period": template.periods}
        for one in template.charges:
            found.append(Due(one.label, terms.start, times[one.per], sale.quotation.charges.get(one.name, 0)))
    return [one for one in found if one.total_minor]


def decimal(minor: int, currency: str) -> str:
    """Minor units as a plain decimal with the currency's digits: "-1234.50" (PAP-3)."""
    return scaled(minor, minor_digits(currency))


def scaled(number: int, digits: int) -> str:
    """An integer count of 10^-digits as a decimal."""
    whole, part = divmod(abs(number), 10**digits)
    sign = "-" if number < 0 else ""
    return f"{sign}{whole}" + (f".{part:0{digits}d}" if digits else "")


def value(number: int, scale: int) -> str:
    """A template's scaled integer as a decimal without trailing zeros; `scale` is a power of ten."""
    text = scaled(number, len(str(scale)) - 1)
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment(instant_ms: int) -> datetime:
    """A time of the protocol, in UTC."""
    return datetime.fromtimestamp(instant_ms // 1000, UTC)


def day(instant_ms: int) -> str:
    """The day in UTC: "2027-01-15"."""
    return f"{moment(instant_ms):%Y-%m-%d}"


def stamp(instant_ms: int) -> str:
    """The second in UTC: "2027-01-15T08:00:00Z"."""
    return f"{moment(instant_ms):%Y-%m-%dT%H:%M:%SZ}"
