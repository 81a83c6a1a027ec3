"""The local boundary: what the daemon and its mesh process say to each other over their socket pair.

Decides the commands, the events and their bytes; never touches a socket. Both ends are the same release, so the
format may change with any of them; it is parsed as strictly as a stranger's all the same. Spec: 03-mesh, MSH-16.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import msgpack

from node.mesh.wire import FRAME_BYTES_MAX, LENGTH_BYTES
from protocol.errors import Reject

BRIDGE_BYTES_MAX = FRAME_BYTES_MAX + (64 << 10)  # a peer's whole frame and its envelope
EVENT_BYTES = 1024  # MSH-30 (g), what an event weighs beside its bytes, so that empty ones are bounded too
_ITEMS_MAX = 1 << 15


@dataclass(frozen=True, slots=True)
class Limits:
    """What one mesh process allows its peers; the defaults suit a relay on a small server."""

    credit_units: int = 1024  # (g) granted to each peer at the start: 4 MiB
    outbox_records_max: int = 10_000  # (g) waiting for one peer
    outbox_bytes_max: int = 8 << 20  # (g)
    ping_interval_ms: int = 10_000  # (g)
    silence_ms_max: int = 25_000  # (g) a peer that says nothing for so long is gone
    upgrade_ms_max: int = 10_000  # (g) from the accepted socket to the peer's HELLO
    half_open_max: int = 256  # (g) sockets that have not said who they are
    half_open_per_ip_max: int = 64  # (g)
    inbound_max: int = 192  # (g) each may make us hold one frame and one yamux window: 250 MB in all
    inbound_per_ip_max: int = 96  # (g)
    ban_ms: int = 60_000  # (g)
    faults_per_ip_max: int = 64  # (g) within that time
    memory_bytes_max: int = 384 << 20


@dataclass(frozen=True, slots=True)
class Start:
    """First command: who we are, where we listen, and where we tell peers that anybody may dial us (without /p2p/).

    The seed is the PeerId's Ed25519 seed.
    """

    network: bytes
    key_seed: bytes = field(repr=False)
    listen: tuple[str, ...]
    parent_pid: int
    limits: tuple[int, ...]
    announce: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Publish:
    """Queue these records to each of these peers."""

    peers: tuple[str, ...]
    raws: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Queue one message to one peer."""

    peer: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Dial:
    """Stay connected to the peer at this address; `kinds` of `reach.EVERY` are where a learned one may lead."""

    address: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forget:
    """Dial this peer no more, and close the connection to it."""

    peer: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The daemon has committed this batch of this peer's."""

    peer: str
    batch: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Handled:
    """The daemon has looked at messages of this peer that weighed `size` (MSH-30)."""

    peer: str
    size: int


@dataclass(frozen=True, slots=True)
class Measure:
    """Report how every connection fares."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection; with a code, refuse the peer for a while."""

    peer: str
    code: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The process listens at these addresses, complete with our id."""

    peer: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The process cannot start, in one sentence; it ends."""

    reason: str


@dataclass(frozen=True, slots=True)
class Connected:
    """Both HELLOs were exchanged with this peer; `addresses` is where it says that anybody may dial it."""

    peer: str
    address: str
    outbound: bool
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The peer is gone; what was queued for it or not yet acknowledged by it is lost to this connection."""

    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """How every connection fares: its address, and its `Traffic` after one another; then bytes in and out in all,
    connections that are gone included, and what `Gate.counts` says."""

    peers: tuple[str, ...]
    addresses: tuple[str, ...]
    numbers: tuple[int, ...]
    totals: tuple[int, ...]


@dataclass(slots=True)
class Traffic:
    """What passed on one connection since it began, and what waits. Bytes are those of frames, before encryption."""

    outbound: int = 0
    age_ms: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    records_in: int = 0
    records_out: int = 0
    refused: int = 0  # of the records in: not taken, for whatever reason
    queued: int = 0  # records
    messages: int = 0  # queued as well
    credit: int = 0  # units that we may send (MSH-7)
    ping_ms: int = -1  # the last round trip; -1 before the first


@dataclass(frozen=True, slots=True)
class Received:
    """A batch of records whose signatures verify; to be answered with `acknowledge` after the commit."""

    peer: str
    batch: int
    raws: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message from a peer, unread."""

    peer: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The peer has committed this batch of ours and, where there are more codes than its records, others as well."""

    peer: str
    batch: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overflow:
    """Records for this peer were dropped because its queue was full; reconcile with it."""

    peer: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """The mesh process died and a new one runs; every connection was lost and is being dialled again."""


Command = Start | Publish | Send | Dial | Forget | Acknowledge | Handled | Measure | Drop
MeshEvent = Connected | Disconnected | Received | Message | Acknowledged | Overflow | Restarted
Report = Ready | Failed | Measured | MeshEvent
Item = Command | Report

_KINDS: tuple[type[Any], ...] = (
    *(Start, Publish, Send, Dial, Forget, Acknowledge, Handled, Measure, Drop),
    *(Ready, Failed, Measured, Connected, Disconnected, Received, Message, Acknowledged, Overflow),
)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_ELEMENTS = {"tuple[str, ...]": str, "tuple[bytes, ...]": bytes, "tuple[int, ...]": int}
_SCALARS = {"str": str, "bytes": bytes, "int": int, "bool": bool}
_SHAPES = {kind: tuple(str(part.type) for part in fields(kind)) for kind in _KINDS}
_NAMES = {kind: tuple(part.name for part in fields(kind)) for kind in _KINDS}


def weight(event: MeshEvent) -> int:
    """What an event counts while the daemon has not dealt with it, in bytes (MSH-30)."""
    match event:
        case Received(_, _, raws):
            return EVENT_BYTES + sum(map(len, raws))
        case Message(_, data):
            return EVENT_BYTES + len(data)
    return EVENT_BYTES


def encode_item(item: Item) -> bytes:
    """`item` with its length in front."""
    kind = type(item)
    body: bytes = msgpack.packb([_NUMBERS[kind], *[getattr(item, name) for name in _NAMES[kind]]], use_bin_type=True)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def parse_item(body: bytes) -> Item:
    """The command or event whose encoding, without its length, is `body`. Raises Reject MSH-16."""
    try:
        number, *values = msgpack.unpackb(body, raw=False, max_array_len=_ITEMS_MAX, max_map_len=0)
        kind = _KINDS[number]
    except (ValueError, TypeError, LookupError, msgpack.UnpackException):
        raise Reject("MSH-16", "bridge: the bytes are no command and no event") from None
    shape = _SHAPES[kind]
    if len(values) != len(shape):
        raise Reject("MSH-16", f"bridge: {kind.__name__} has {len(shape)} fields, not {len(values)}")
    item: Item = kind(*(_field(value, of, kind) for value, of in zip(values, shape, strict=True)))
    return item


def _field(value: Any, of: str, kind: type[Any]) -> Any:
    if of in _SCALARS and type(value) is _SCALARS[of]:
        return value
    if of in _ELEMENTS and type(value) is list and all(type(item) is _ELEMENTS[of] for item in value):
        return tuple(value)
    raise Reject("MSH-16", f"bridge: a field of {kind.__name__} is not {of}")
