"""What goes into the core and what comes out: events are past participles, effects are imperatives.

Decides nothing. The driver (daemon or simulator) carries effects out in order, and commits every Store before speaking.
Spec: 03-gossip, GOS-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.record.record import Record


@dataclass(frozen=True, slots=True)
class RecordReceived:
    """A parsed and verified record arrived from `peer` ("" when it was read back from a file)."""

    record: Record
    peer: str


@dataclass(frozen=True, slots=True)
class RecordShared:
    """Another process that shares this node's store committed a record: it is on the disk already (STO-24)."""

    record: Record


@dataclass(frozen=True, slots=True)
class ScopesPruned:
    """The disk let go of these scopes as a whole: they ended, or nobody asked for them (STO-21, STO-23)."""

    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A gossip message (subscribe, sync, want) arrived; its bytes are hostile."""

    peer: str
    message: bytes


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A link to `peer` is up; `outbound` when we dialled it. `addresses`: where it says that anybody may dial it.

    `host`: the host at its end of the link, a name or a numeric address; "" when unknown.
    """

    peer: str
    outbound: bool
    addresses: tuple[str, ...] = ()
    host: str = ""


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """The link to `peer` is gone."""

    peer: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """`peer` acknowledged so many records, whatever it made of them."""

    peer: str
    count: int


@dataclass(frozen=True, slots=True)
class Submit:
    """The local user asks; `request` comes back in the Reply. `command` is one of protocol.commands."""

    request: int
    command: Any


@dataclass(frozen=True, slots=True)
class Tick:
    """The deadline that the engine gave has come."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What this node's person wants spared at present: links until `quiet_until` (0: none), boards when `thrifty`."""

    quiet_until: int
    thrifty: bool


@dataclass(frozen=True, slots=True)
class Computed:
    """A worker finished `job` of a Compute effect."""

    job: str
    result: Any


Event = (
    RecordReceived | RecordShared | ScopesPruned | MessageReceived | PeerConnected | PeerDisconnected
    | Delivered | Submit | Tick | Circumstances | Computed
)


@dataclass(frozen=True, slots=True)
class Store:
    """Append to the log; committed before any later effect is carried out. `own`: signed here, so fully durable."""

    record: Record
    own: bool


@dataclass(frozen=True, slots=True)
class Keep:
    """Remember a local fact (never a record, never sent): committed with the Stores around it; b"" forgets it."""

    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Publish:
    """Give a record to these peers."""

    record: Record
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Give a gossip message to one peer."""

    peer: str
    message: bytes


@dataclass(frozen=True, slots=True)
class SendRecords:
    """Read these ids of `scope` from the log and give them to one peer; ids that are not held are skipped."""

    peer: str
    scope: str
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """End the link to a peer that broke the clause `code`."""

    peer: str
    code: str


@dataclass(frozen=True, slots=True)
class Dial:
    """Be linked to the peer at this address from now on, until a Hangup or the end of this process.

    `trusted`: this node's own people gave the address; a learned one is dialled only where strangers may send us.
    """

    address: str
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the link to a peer that did nothing wrong, and dial it no more."""

    peer: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a Submit: a value of plain maps, arrays, texts, bytes and integers, or the CommandError raised."""

    request: int
    result: Any


@dataclass(frozen=True, slots=True)
class Notify:
    """Something a person may want to see changed: `topic` names what, `detail` is a plain map."""

    topic: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compute:
    """Run the pure function `name` on an immutable snapshot in a worker process; Computed(job) answers."""

    job: str
    name: str
    arguments: tuple[Any, ...]


Effect = Store | Keep | Publish | Send | SendRecords | Drop | Dial | Hangup | Reply | Notify | Compute
