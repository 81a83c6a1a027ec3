"""The award: which quotation the witnesses certified, for whom, and who was refused.

Decides the shape of the certified value and what it commits to; never which quotation is best. Spec: 08-negotiation,
NEG-50; 09-accountability, AGR-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.deal.allocation import Allocation
from protocol.encoding import decode, digest_of
from protocol.errors import Reject
from protocol.params import BIDS_MAX, PACK_MAX
from protocol.record.schema import array, data, fields, integer, pair, text

_LOT = pair(data(32), integer(1, 10**9))
_AWARD = fields(
    {"rfq": data(32), "roster": data(32), "refused": array(pair(data(32), text(16)), BIDS_MAX)},
    {
        "quotation": data(32),
        "supplier": data(32),
        "ladder": array(pair(integer(1), integer(1)), 16, 1),
        "capacity": integer(1, 10**9),
        "pack": integer(1, PACK_MAX),
        "unit_price_minor": integer(1),
        "lots": array(_LOT, 500, 1),
    },
)


@dataclass(frozen=True, slots=True)
class Award:
    """The certified choice of a quotation, or of none; enough to allocate again on the commitments (NEG-50)."""

    value: bytes
    hash: bytes
    supplier: bytes
    quotation: bytes
    ladder: tuple[tuple[int, int], ...]
    capacity: int
    pack: int
    unit_price_minor: int
    lots: tuple[tuple[bytes, int], ...]
    refused: tuple[tuple[bytes, str], ...]

    def lot(self, member: bytes) -> int:
        """The quantity awarded to a member, 0 without a lot."""
        return dict(self.lots).get(member, 0)


def parse_award(value: bytes, rfq: bytes, roster: bytes) -> Award | None:
    """The award in a certified value; None when no quotation fits, or when its witnesses certified what is no award."""
    try:
        body = decode(value)
        _AWARD(body, "award")
        if (body["rfq"], body["roster"]) != (rfq, roster):
            return None
        lots = tuple((member, quantity) for member, quantity in body["lots"])
        refused = tuple((supplier, code) for supplier, code in body["refused"])
        ladder = tuple((minimum, price) for minimum, price in body["ladder"])
        return Award(
            value,
            digest_of("award", body),
            body["supplier"],
            body["quotation"],
            ladder,
            body["capacity"],
            body["pack"],
            body["unit_price_minor"],
            lots,
            refused,
        )
    except (Reject, KeyError):
        return None


def agreement_hash(award: Award, agreement: Allocation) -> bytes:
    """What the supplier countersigns: the award, the price and each member's share (AGR-1)."""
    shares = [list(share) for share in agreement.shares]
    return digest_of("agreement", [award.hash, agreement.unit_price_minor, shares])


def refusals(award: Award | None, value: bytes) -> Sequence[tuple[bytes, str]]:
    """Who was refused and by which clause, also when nobody was awarded."""
    if award is not None:
        return award.refused
    try:
        return tuple((supplier, code) for supplier, code in decode(value).get("refused", []))
    except (Reject, AttributeError, ValueError, TypeError):
        return ()
