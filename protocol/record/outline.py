"""What is left of a record when its body is not needed: enough to compare, bound, replace and expire it.

Decides which facts of a header those are; never whether a record counts. Spec: 14-store, STO-20.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.encoding import digest
from protocol.record.record import Record

SLOT_HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Outline:
    """One record of a scope, without its body. Times in Unix ms; `size`: bytes of the whole record.

    `slot`: a signed 64-bit hash of (author, kind, slot name), None without a slot; `seq`: None in a `once` slot, and
    in `latest` slots what decides which one counts. The slots of kinds that nobody here knows are hashed like others.
    """

    id: bytes
    author: bytes
    kind: str
    created: int
    expires: int
    slot: int | None
    seq: int | None
    size: int


def outline(record: Record) -> Outline:
    """The outline of a record at hand."""
    header, slot = record.header, record.header.slot
    hashed = slot_hash(record.author, record.kind, slot.name) if slot is not None else None
    seq = slot.seq if slot is not None and slot.mode == "latest" else None
    return Outline(record.id, record.author, record.kind, header.created, header.expires, hashed, seq, len(record.raw))


def slot_hash(author: bytes, kind: str, name: str) -> int:
    """The number under which the records of one slot of a scope are found; two slots share one by chance alone."""
    data = author + f"{kind}/{name}".encode()  # no kind holds a slash
    return int.from_bytes(digest("slot", data)[:SLOT_HASH_BYTES], "big", signed=True)
