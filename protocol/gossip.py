"""What neighbours tell each other about records: which scopes they follow, what they hold, what they lack.

Decides the messages and what is remembered of each neighbour; never which records matter. Spec: 03-gossip, GOS-1 to
GOS-11.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.encoding import decode, encode
from protocol.errors import Reject
from protocol.params import (
    MESSAGE_BYTES_MAX,
    PENDING_BYTES_MAX,
    PENDING_PER_PEER_MAX,
    SCOPES_PER_MESSAGE_MAX,
    SCOPES_PER_PEER_MAX,
    WANT_IDS_MAX,
)
from protocol.record import Record, check_scope
from protocol.sync import Session


@dataclass(frozen=True, slots=True)
class Subscribe:
    """From now on send me what is new in these scopes."""

    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """No longer."""

    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """A reconciliation message of the side that began."""

    scope: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The other side's reply to a Sync."""

    scope: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Want:
    """Send me these records."""

    scope: str
    ids: tuple[bytes, ...]


Message = Subscribe | Unsubscribe | Sync | Answer | Want


def encode_message(message: Message) -> bytes:
    """The bytes of a gossip message (GOS-1)."""
    match message:
        case Subscribe(scopes):
            return encode(["subscribe", list(scopes)])
        case Unsubscribe(scopes):
            return encode(["unsubscribe", list(scopes)])
        case Sync(scope, data):
            return encode(["sync", scope, data])
        case Answer(scope, data):
            return encode(["answer", scope, data])
        case Want(scope, ids):
            return encode(["want", scope, list(ids)])


def parse_message(data: bytes) -> Message:
    """The gossip message in `data`; raises Reject GOS-1, GOS-2, GOS-5, REC-7 or an ENC clause."""
    value = decode(data, MESSAGE_BYTES_MAX, max(SCOPES_PER_MESSAGE_MAX, WANT_IDS_MAX))
    match value:
        case ["subscribe" | "unsubscribe" as word, list() as scopes]:
            named = tuple(_scope(one) for one in scopes[: SCOPES_PER_MESSAGE_MAX + 1])
            if len(named) > SCOPES_PER_MESSAGE_MAX:
                raise Reject("GOS-2", f"subscribe: more than {SCOPES_PER_MESSAGE_MAX} scopes in one message")
            return Subscribe(named) if word == "subscribe" else Unsubscribe(named)
        case ["sync" | "answer" as word, scope, bytes() as message]:
            return (Sync if word == "sync" else Answer)(_scope(scope), message)
        case ["want", scope, list() as ids]:
            if any(type(one) is not bytes or len(one) != 32 for one in ids) or len(ids) > WANT_IDS_MAX:
                raise Reject("GOS-5", f"want: at most {WANT_IDS_MAX} ids of 32 bytes")
            return Want(_scope(scope), tuple(ids))
        case _:
            raise Reject("GOS-1", "message: not one of subscribe, unsubscribe, sync, answer, want")


def _scope(scope: object) -> str:
    check_scope(scope)
    return str(scope)


@dataclass(slots=True)
class Neighbour:
    """What is remembered of one linked peer, every part of it bounded."""

    name: str
    outbound: bool
    addresses: tuple[str, ...] = ()  # where anybody may dial it, as it says itself (MSH-5)
    scopes: dict[str, None] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    pending: dict[bytes, Record] = field(default_factory=dict)  # waiting for their refs, oldest first

    def subscribe(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Note what the peer follows; the new ones, as far as the bound allows (GOS-2)."""
        fresh = tuple(scope for scope in dict.fromkeys(scopes) if scope not in self.scopes)
        taken = fresh[: max(0, SCOPES_PER_PEER_MAX - len(self.scopes))]
        self.scopes.update(dict.fromkeys(taken))
        return taken

    def wait(self, record: Record) -> None:
        """Keep a record until its refs come; those that waited longest make room (GOS-6)."""
        self.pending[record.id] = record
        weight = sum(len(one.raw) for one in self.pending.values())
        while len(self.pending) > PENDING_PER_PEER_MAX or weight > PENDING_BYTES_MAX:
            weight -= len(self.pending.pop(next(iter(self.pending))).raw)

    def ready(self, held: dict[bytes, Record], scope: str) -> list[Record]:
        """The waiting records of a scope whose refs are all held now; they no longer wait."""
        fit = [
            one for one in self.pending.values() if one.scope == scope and all(ref in held for ref in one.header.refs)
        ]
        for one in fit:
            del self.pending[one.id]
        return fit
