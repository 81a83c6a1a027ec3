"""What neighbours tell each other: which scopes they follow, what they hold and lack, and which relays there are.

Decides the messages and what is remembered of each neighbour; never which records matter. Spec: 03-gossip, GOS-1 to
GOS-11, GOS-20 and GOS-30.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from protocol.encoding import decode, encode
from protocol.errors import Reject
from protocol.network.index import CREATED_BYTES, KEY_BYTES, Index
from protocol.network.sync import Session
from protocol.params import (
    ADDRESS_BYTES_MAX,
    FETCH_RANGES_MAX,
    FETCH_RECORDS_MAX,
    MESSAGE_BYTES_MAX,
    PENDING_BYTES_MAX,
    PENDING_PER_PEER_MAX,
    SCOPES_PER_MESSAGE_MAX,
    SCOPES_PER_PEER_MAX,
    SHUFFLE_ADDRESSES_MAX,
    WALK_HOPS_MAX,
    WANT_IDS_MAX,
)
from protocol.record.record import Record, check_scope

POINT_BYTES_MIN = CREATED_BYTES
MARK_BYTES = 4  # GOS-43: what is sent for a mark too many is a record that is held already


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


@dataclass(frozen=True, slots=True)
class Fetch:
    """Send me, of each range (lower, upper), the records whose ids begin with one of the marks; all, without marks."""

    scope: str
    ranges: tuple[tuple[bytes, bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """A reconciliation message about the states of all scopes that both of us follow."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Compared:
    """The other side's reply to a Compare."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Have:
    """I took these records, and do not push them to you unasked."""

    scope: str
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Graft:
    """Push to me what is new in this scope, from now on; and send me these, which you said you have."""

    scope: str
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Prune:
    """Only tell me what you have in this scope; another pushes it to me."""

    scope: str


@dataclass(frozen=True, slots=True)
class Join:
    """Take me into your active view, and tell others of me: mine is empty."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A relay at this address is new; `hops` more may pass it on."""

    address: str
    hops: int


@dataclass(frozen=True, slots=True)
class Attach:
    """Take me into your active view if you have room."""


@dataclass(frozen=True, slots=True)
class Attached:
    """You are in my active view."""


@dataclass(frozen=True, slots=True)
class Detach:
    """You are not in my active view, or no longer."""


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Relays that I know; tell me some that you know."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Some relays, in answer."""

    addresses: tuple[str, ...]


Greeting = Join | Forward | Attach | Attached | Detach | Shuffle | Shuffled  # of the overlay of relays
Message = Subscribe | Unsubscribe | Sync | Answer | Want | Fetch | Compare | Compared | Have | Graft | Prune | Greeting

PUBLIC_SCOPES = ("board/", "trust/", "mail/")
_BARE: dict[str, Greeting] = {"join": Join(), "attach": Attach(), "attached": Attached(), "detach": Detach()}
_LISTS: dict[str, type[Want | Have | Graft]] = {"want": Want, "have": Have, "graft": Graft}
_ADDRESS = re.compile(
    r"/(ip4|ip6|dns|dns4|dns6)/[0-9a-zA-Z.:_-]{1,253}/tcp/[0-9]{1,5}(/[a-z]{1,8}){0,2}/p2p/[0-9A-Za-z]{1,64}"
)


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
        case Fetch(scope, ranges):
            return encode(["fetch", scope, [list(one) for one in ranges]])
        case Compare(data) | Compared(data):
            return encode([type(message).__name__.lower(), data])
        case Want(scope, ids) | Have(scope, ids) | Graft(scope, ids):
            return encode([type(message).__name__.lower(), scope, list(ids)])
        case Prune(scope):
            return encode(["prune", scope])
        case Forward(address, hops):
            return encode(["forward", address, hops])
        case Shuffle(addresses) | Shuffled(addresses):
            return encode([type(message).__name__.lower(), list(addresses)])
        case Join() | Attach() | Attached() | Detach():
            return encode([type(message).__name__.lower()])


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
        case ["fetch", scope, list() as ranges]:
            return Fetch(_scope(scope), _ranges(ranges))
        case ["compare" | "compared" as word, bytes() as message]:
            return Compare(message) if word == "compare" else Compared(message)
        case ["want" | "have" | "graft" as word, scope, list() as ids]:
            if any(type(one) is not bytes or len(one) != 32 for one in ids) or len(ids) > WANT_IDS_MAX:
                raise Reject("GOS-5", f"{word}: at most {WANT_IDS_MAX} ids of 32 bytes")
            return _LISTS[word](_scope(scope), tuple(ids))
        case ["prune", scope]:
            return Prune(_scope(scope))
        case ["forward", address, int() as hops]:
            if type(hops) is not int or not 0 <= hops <= WALK_HOPS_MAX:
                raise Reject("GOS-30", f"forward: 0 to {WALK_HOPS_MAX} hops")
            return Forward(_address(address), hops)
        case ["shuffle" | "shuffled" as word, list() as addresses]:
            if len(addresses) > SHUFFLE_ADDRESSES_MAX:
                raise Reject("GOS-30", f"{word}: more than {SHUFFLE_ADDRESSES_MAX} addresses in one message")
            named = tuple(_address(one) for one in addresses)
            return Shuffle(named) if word == "shuffle" else Shuffled(named)
        case [str() as word] if word in _BARE:
            return _BARE[word]
        case _:
            raise Reject("GOS-1", "message: none of those that GOS-1 lists")


def _ranges(ranges: list[object]) -> tuple[tuple[bytes, bytes, bytes], ...]:
    """Ranges of a fetch: two ascending points in time and id, and the marks of the ids wanted between them (GOS-43)."""
    found, marks_bytes = list[tuple[bytes, bytes, bytes]](), 0
    for one in ranges:
        match one:
            case [bytes() as lower, bytes() as upper, bytes() as marks]:
                points = all(POINT_BYTES_MIN <= len(point) <= KEY_BYTES for point in (lower, upper))
            case _:
                raise Reject("GOS-43", "fetch: a range is two points and the marks of ids")
        if not points or lower.ljust(KEY_BYTES, b"\0") > upper.ljust(KEY_BYTES, b"\0") or len(marks) % MARK_BYTES:
            raise Reject("GOS-43", "fetch: points have 8 to 40 bytes and do not descend, marks 4 bytes each")
        marks_bytes += len(marks)
        found.append((lower, upper, marks))
    if len(found) > FETCH_RANGES_MAX or marks_bytes > FETCH_RECORDS_MAX * MARK_BYTES:
        raise Reject("GOS-43", f"fetch: at most {FETCH_RANGES_MAX} ranges and {FETCH_RECORDS_MAX} marks")
    return tuple(found)


def _address(text: object) -> str:
    if type(text) is not str or len(text) > ADDRESS_BYTES_MAX or not _ADDRESS.fullmatch(text):
        raise Reject("GOS-30", "address: must be a relay's, with its host, port and peer id")
    return text


def peer_of(address: str) -> str:
    """The peer that an address leads to: what its last part names."""
    return address.rpartition("/p2p/")[2]


def _scope(scope: object) -> str:
    check_scope(scope)
    return str(scope)


@dataclass(slots=True)
class Talk:
    """A session that this node began. `since`: when it last heard or said something (Unix ms)."""

    session: Session
    since: int
    late: bool = False  # not answered in time, and no longer counted on
    held: bytes = b""  # its next message, until enough of what was fetched or given has arrived


@dataclass(slots=True)
class Neighbour:
    """What is remembered of one linked peer, every part of it bounded."""

    name: str
    outbound: bool
    addresses: tuple[str, ...] = ()  # where anybody may dial it, as it says itself (MSH-5)
    host: str = ""  # at its end of the link; "" when unknown
    trusted: bool = False  # this node's own people chose it, so it may be told all that is followed
    relay: bool = False  # both ends are relays
    letters: tuple[int, int] = (0, 0)  # minute of its last letter, and how many it gave in that minute (REL-15)
    scopes: dict[str, None] = field(default_factory=dict)
    sessions: dict[str, Talk] = field(default_factory=dict)
    due: dict[str, None] = field(default_factory=dict)  # scopes to reconcile when a session has room
    asked: dict[bytes, tuple[str, int]] = field(default_factory=dict)  # fetched and not here: scope, since when
    given: int = 0  # records sent in sessions and not acknowledged
    given_at: int = 0  # since when that number is what it is
    asking: bool = False  # all is being reconciled, and nothing was given up since that began
    compare: Talk | None = None
    compare_at: int | None = None  # when to compare the states of all scopes
    states: dict[bytes, str] = field(default_factory=dict)  # of the comparison that this node began: state -> scope
    summary: tuple[int, Index] | None = None  # answers its comparisons: since when, states
    pending: dict[bytes, Record] = field(default_factory=dict)  # waiting for their refs, oldest first
    pending_bytes: int = 0
    awaited: Counter[bytes] = field(default_factory=Counter)  # what those that wait refer to
    early: dict[bytes, None] = field(default_factory=dict)  # of those that wait: for something else than their refs
    newcomers: int = 0  # strangers it brought into crowded scopes (GOS-50)

    def may_hear(self, scope: str) -> bool:
        """Whether this node may name a scope to it: the name of a co-op's is what opens it (GOS-4)."""
        return self.trusted or scope in self.scopes or (self.relay and scope.startswith(PUBLIC_SCOPES))

    def subscribe(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Note what the peer follows; the new ones, as far as the bound allows (GOS-2)."""
        fresh = tuple(scope for scope in dict.fromkeys(scopes) if scope not in self.scopes)
        taken = fresh[: max(0, SCOPES_PER_PEER_MAX - len(self.scopes))]
        self.scopes.update(dict.fromkeys(taken))
        return taken

    def wait(self, record: Record, early: bool = False) -> None:
        """Keep a record until its refs come; those that waited longest make room (GOS-6)."""
        if record.id not in self.pending:
            self.pending[record.id] = record
            self.pending_bytes += len(record.raw)
            self.awaited.update(record.header.refs)
        if early:
            self.early[record.id] = None
        while len(self.pending) > PENDING_PER_PEER_MAX or self.pending_bytes > PENDING_BYTES_MAX:
            self._release(next(iter(self.pending)))

    def ready(self, held: Container[bytes], scope: str, fresh: Iterable[bytes]) -> list[Record]:
        """The waiting records of a scope whose refs are all held now that `fresh` came; they wait no more."""
        if not self.early and not any(one in self.awaited for one in fresh):
            return []
        fit = [
            one for one in self.pending.values() if one.scope == scope and all(ref in held for ref in one.header.refs)
        ]
        for one in fit:
            self._release(one.id)
        return fit

    def _release(self, record_id: bytes) -> None:
        record = self.pending.pop(record_id)
        self.pending_bytes -= len(record.raw)
        self.early.pop(record_id, None)
        for ref in record.header.refs:
            self.awaited[ref] -= 1
            if not self.awaited[ref]:
                del self.awaited[ref]
