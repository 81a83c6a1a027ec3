"""Questions and replies in a deal: seen by all sides, binding nobody.

Decides which of them belong together and how many one author may say; nothing in a deal follows from them.
Spec: 08-negotiation, NEG-74 and NEG-75.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.errors import Ignore
from protocol.params import TALK_MAX
from protocol.record.log import Log
from protocol.record.record import Record

_BASES = {"query.1": "query", "reply.1": "reply"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, and what was replied to it, each in the order in which it was signed."""

    query: Record
    replies: tuple[Record, ...]


def talk_slot(kind: str, number: int) -> str:
    """The name of an author's slot for its query or reply of this number, from 0."""
    return f"{_BASES[kind]}/{number}"


def check_talk(record: Record) -> None:
    """Raises Ignore NEG-74 for what stands in none of the slots that an author has for talk."""
    slot = record.header.slot
    if record.kind in _BASES and (slot is None or slot.name not in _SLOTS[record.kind]):
        raise Ignore("NEG-74", f"{record.kind}: an author has the slots 0 to {TALK_MAX - 1} for it, and no other")


def free_slot(log: Log, kind: str, author: bytes) -> str | None:
    """The first slot in which an author has not spoken; None when all are used."""
    return next((name for name in _SLOTS[kind] if not log.slot(kind, author, name)), None)


def talk_of(log: Log, rfq: bytes) -> tuple[Exchange, ...]:
    """What was asked about a request and replied, the oldest first; what was said twice in one slot is left out."""
    said = {kind: [one for one in log.of_kind(kind) if one.body["rfq"] == rfq and _stands(log, one)] for kind in _BASES}
    replies: dict[bytes, list[Record]] = {}
    for one in sorted(said["reply.1"], key=_age):
        replies.setdefault(one.body["query"], []).append(one)
    return tuple(Exchange(one, tuple(replies.get(one.id, ()))) for one in sorted(said["query.1"], key=_age))


def _stands(log: Log, record: Record) -> bool:
    slot = record.header.slot
    return slot is not None and log.sole(record.kind, record.author, slot.name) is not None


def _age(record: Record) -> tuple[int, bytes]:
    return record.header.created, record.id


_SLOTS = {kind: {talk_slot(kind, number): None for number in range(TALK_MAX)} for kind in _BASES}
