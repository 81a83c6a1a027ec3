"""The award: which quotations the witnesses certified, for whom, and who was refused.

Decides the shape of the certified value and what it commits to; never which quotation is best. Spec: 08-negotiation,
NEG-50; 09-accountability, AGR-1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from protocol.deal.allocation import Allocation, Besides, Ladder
from protocol.deal.fulfilment import Account, Terms
from protocol.deal.negotiation import CANCELLATIONS
from protocol.encoding import decode, digest_of
from protocol.errors import Reject
from protocol.params import BIDS_MAX, INTEGER_MAX, MEMBERS_MAX, PACK_MAX, PARTS_MAX, PERIOD_MS
from protocol.record.schema import array, ascending, data, fields, integer, one_of, pair, text

_LOT = pair(data(32), integer(1, 10**9))
_PART = fields(
    {
        "quotation": data(32),
        "supplier": data(32),
        "ladder": array(pair(integer(1), integer(1)), 16, 1),
        "capacity": integer(1, 10**9),
        "pack": integer(1, PACK_MAX),
        "unit_price_minor": integer(1),
        "charge_minor": integer(-INTEGER_MAX),
        "periods": integer(1, 1200),
        "period": one_of(*PERIOD_MS),
        "cancellation": one_of(*CANCELLATIONS),
        "cancellation_fee_minor": integer(0, 10**9),
        "lots": array(_LOT, MEMBERS_MAX, 1),
    },
    {"prepaid_percent": integer(1, 100)},
)
_AWARD = fields(
    {
        "rfq": data(32),
        "roster": data(32),
        "refused": array(pair(data(32), text(16)), BIDS_MAX),
        "parts": array(_PART, PARTS_MAX, 1),
        "reserve": ascending(data(32), MEMBERS_MAX),
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """What one supplier is awarded: enough of its quotation to allocate again on the commitments, and who gets what."""

    supplier: bytes
    quotation: bytes
    ladder: Ladder
    capacity: int
    pack: int
    unit_price_minor: int
    besides: Besides
    cancellation: str
    cancellation_fee_minor: int
    lots: tuple[tuple[bytes, int], ...]
    prepaid_percent: int = 0  # of what comes to a member in all, to be paid before delivery (RSK-6)

    @property
    def quantity(self) -> int:
        """What is ordered of this supplier, in counted units per period."""
        return sum(quantity for _, quantity in self.lots)

    def lot(self, member: bytes) -> int:
        """The quantity awarded to a member, 0 without a lot here."""
        return dict(self.lots).get(member, 0)

    def to_mapping(self) -> dict[str, Any]:
        """The plain value that stands in an award."""
        return {
            "quotation": self.quotation,
            "supplier": self.supplier,
            "ladder": [list(rung) for rung in self.ladder],
            "capacity": self.capacity,
            "pack": self.pack,
            "unit_price_minor": self.unit_price_minor,
            "charge_minor": self.besides.charge_minor,
            "periods": self.besides.periods,
            "period": self.besides.period,
            "cancellation": self.cancellation,
            "cancellation_fee_minor": self.cancellation_fee_minor,
            "lots": [list(lot) for lot in self.lots],
            **({"prepaid_percent": self.prepaid_percent} if self.prepaid_percent else {}),
        }


@dataclass(frozen=True, slots=True)
class Award:
    """The certified choice of quotations; `parts` ascend by supplier, and nobody has a lot in two (NEG-50).

    `reserve`: who pledged and got no lot, and may step in should a rung fall (NEG-111).
    """

    value: bytes
    hash: bytes
    parts: tuple[Part, ...]
    reserve: tuple[bytes, ...]
    refused: tuple[tuple[bytes, str], ...]

    @property
    def members(self) -> tuple[bytes, ...]:
        """Everybody with a lot, ascending."""
        return tuple(sorted(member for part in self.parts for member, _ in part.lots))

    def part_of(self, member: bytes) -> Part | None:
        """The part in which a member has a lot."""
        return next((part for part in self.parts if part.lot(member)), None)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What one supplier and those who committed in its part are bound to (NEG-53), and how far it has come.

    `signed`: the supplier acknowledged it in time (AGR-2); `accounts`: a line for each share (AGR-10).
    """

    part: Part
    allocation: Allocation
    hash: bytes
    terms: Terms
    signed: bool = False
    accounts: tuple[Account, ...] = ()

    @property
    def supplier(self) -> bytes:
        """Who delivers."""
        return self.part.supplier

    @property
    def delivered(self) -> tuple[bytes, ...]:
        """Who has got all that is owed to them, ascending."""
        return tuple(line.member for line in self.accounts if line.fulfilled)

    def quantity_of(self, member: bytes) -> int:
        """The member's share in counted units per period, 0 without one."""
        return self.allocation.quantity_of(member)


@dataclass(frozen=True, slots=True)
class Fallen:
    """A part whose awarded rung did not stand: the rung's `minimum`, and what stands instead, 0 for nothing."""

    part: Part
    minimum: int
    ordered: int
    unit_price_minor: int


def parse_award(value: bytes, rfq: bytes, roster: bytes) -> Award | None:
    """The award in a certified value; None when no quotation fits, or when its witnesses certified what is no award."""
    try:
        body = decode(value)
        _AWARD(body, "award")
    except Reject:
        return None
    parts = tuple(_part(one) for one in body["parts"])
    lots = [member for part in parts for member, _ in part.lots]
    ascending = all(one.supplier < other.supplier for one, other in pairwise(parts))
    if (body["rfq"], body["roster"]) != (rfq, roster) or not ascending or len(dict.fromkeys(lots)) != len(lots):
        return None
    if any(one in lots for one in body["reserve"]):
        return None
    refused = tuple((key, code) for key, code in body["refused"])
    return Award(value, digest_of("award", body), parts, tuple(body["reserve"]), refused)


def agreement_hash(award: bytes, supplier: bytes, agreement: Allocation) -> bytes:
    """What the supplier countersigns: the award, itself, the price and each member's share (AGR-1)."""
    shares = [list(share) for share in agreement.shares]
    return digest_of("agreement", [award, supplier, agreement.unit_price_minor, shares])


def fallen(award: Award, agreements: Sequence[Agreement]) -> tuple[Fallen, ...]:
    """The parts that came out dearer than awarded, or not at all (NEG-110)."""
    stand = {one.supplier: one.allocation for one in agreements}
    found: list[Fallen] = []
    for part in award.parts:
        now = stand.get(part.supplier)
        if now is None or now.unit_price_minor > part.unit_price_minor:
            minimum = max((least for least, price in part.ladder if price == part.unit_price_minor), default=1)
            ordered, price = (now.quantity, now.unit_price_minor) if now is not None else (0, 0)
            found.append(Fallen(part, minimum, ordered, price))
    return tuple(found)


def refusals(award: Award | None, value: bytes) -> Sequence[tuple[bytes, str]]:
    """Who was refused and by which clause, also when nobody was awarded."""
    if award is not None:
        return award.refused
    try:
        return tuple((supplier, code) for supplier, code in decode(value).get("refused", []))
    except (Reject, AttributeError, ValueError, TypeError):
        return ()


def _part(body: Mapping[str, Any]) -> Part:
    return Part(
        supplier=body["supplier"],
        quotation=body["quotation"],
        ladder=tuple((minimum, price) for minimum, price in body["ladder"]),
        capacity=body["capacity"],
        pack=body["pack"],
        unit_price_minor=body["unit_price_minor"],
        besides=Besides(body["charge_minor"], body["periods"], body["period"]),
        cancellation=body["cancellation"],
        cancellation_fee_minor=body["cancellation_fee_minor"],
        lots=tuple((member, quantity) for member, quantity in body["lots"]),
        prepaid_percent=body.get("prepaid_percent", 0),
    )
