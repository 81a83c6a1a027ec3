"""When the records of a co-op or a deal end: all together, when its charter or its request does.

Decides which record ends a scope, and when; never deletes anything. Spec: 14-store, STO-21 and STO-22.
"""

from __future__ import annotations

from protocol.coop.charter import is_charter
from protocol.deal.request import read_mandate
from protocol.errors import Reject
from protocol.record.record import Header, Record

TOGETHER = ("coop/", "deal/")  # the scope families whose records end together


def root_end(record: Record, network: bytes) -> int | None:
    """The end (Unix ms) of the scope whose charter or certified request this record is; None for any other record."""
    match record.kind:
        case "charter.1" if record.scope.startswith("coop/") and is_charter(record):
            return record.header.expires
        case "rfq.1" if record.scope.startswith("deal/"):
            try:
                read_mandate(record, network)
            except Reject:
                return None
            return record.header.expires
    return None


def is_over(header: Header, now: int) -> bool:
    """Whether a record of a co-op or a deal comes after the end that it states itself (STO-22)."""
    return header.expires <= now and header.scope.startswith(TOGETHER)
