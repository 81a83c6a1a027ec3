"""What one node can read of a room: the epochs it has the secrets of, what they open, and what stays closed so far.

Decides which inner record an envelope holds, if any; never whether that record has a say. A function of the records
and secrets it is given, whatever order they come in. Spec: 11-room, ROO-8 to ROO-13.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protocol.errors import Ignore, Reject
from protocol.params import EPOCH_INDEX_MAX
from protocol.record.record import Record
from protocol.room.ratchet import Epoch

ENVELOPE = "sealed.1"
OPEN_KINDS = (  # what is said openly in a co-op, since it makes the room or is needed before there is one (ROO-12)
    *("charter.1", "accept.1", "join.1", "epoch.1", "sealed.1", "locked.1", "unlock.1"),
    *("heartbeat.1", "lease.1"),  # newer versions replace older ones, which only those can tell who read them
)
DEAL_KINDS = ("message.1",)  # what is said sealed in a deal (ROO-16)
ROSTER = "roster"  # the question that is decided before there is a room


@dataclass(slots=True)
class Book:
    """`closed`: envelopes by epoch that are not opened; `waiting`: opened records whose refs are not held yet."""

    epochs: dict[bytes, Epoch] = field(default_factory=dict)
    closed: dict[bytes, dict[bytes, Record]] = field(default_factory=dict)
    waiting: dict[bytes, Record] = field(default_factory=dict)
    outer: dict[bytes, bytes] = field(default_factory=dict)  # inner id -> the envelope's
    passed: dict[bytes, dict[bytes, None]] = field(default_factory=dict)  # inner id -> who but its author said it again
    used: dict[tuple[bytes, bytes], int] = field(default_factory=dict)  # (epoch, sender) -> next index

    def learn(self, epoch: bytes, secret: bytes) -> None:
        """The secret of an epoch is known."""
        if epoch not in self.epochs:
            self.epochs[epoch] = Epoch(epoch, secret)

    def hold(self, envelope: Record) -> None:
        """An envelope has arrived."""
        body, at = envelope.body, (envelope.body["epoch"], envelope.author)
        self.closed.setdefault(body["epoch"], {})[envelope.id] = envelope
        self.used[at] = max(self.used.get(at, 0), body["index"] + 1)

    def open(self, network: bytes) -> bool:
        """Move what can be opened now to those that wait; whether there was any. What is no good record is dropped."""
        ready = [epoch for epoch in self.closed if epoch in self.epochs]
        for epoch in ready:
            for envelope in self.closed.pop(epoch).values():
                inner = self.read(envelope, network)
                if inner is not None:
                    self.waiting[inner.id] = inner
                    self.outer[inner.id] = envelope.id
                    if envelope.author != inner.author:
                        self.passed.setdefault(inner.id, {})[envelope.author] = None
        return bool(ready)

    def read(self, envelope: Record, network: bytes) -> Record | None:
        """The record in an envelope; None when its epoch is closed here, or when it holds none (ROO-11)."""
        body, epoch = envelope.body, self.epochs.get(envelope.body["epoch"])
        if epoch is None or envelope.header.refs != (body["epoch"],):
            return None
        try:
            content = epoch.unprotect(envelope.author, body["index"], body["tag"], body["cipher"])
            inner = Record.parse(content, network)
        except (Reject, Ignore):
            return None
        return inner if _matches(envelope, inner) and is_sealed(inner) else None

    def inside(self, record: Record, network: bytes) -> Record:
        """What an envelope holds, where this node can tell; any other record is itself."""
        return (self.read(record, network) if record.kind == ENVELOPE else None) or record

    def seal(self, epoch: bytes, sender: bytes, record: Record) -> dict[str, Any]:
        """The body of the envelope in which a sender says a record, its own or another's; raises Reject ROO-9."""
        index = self.used.get((epoch, sender), 0)
        tag, cipher = self.epochs[epoch].protect(sender, index, record.raw)
        return {"epoch": epoch, "index": index, "tag": tag, "cipher": cipher}

    def is_full(self, epoch: bytes, sender: bytes) -> bool:
        """Whether a sender has used up its indexes of an epoch."""
        return self.used.get((epoch, sender), 0) > EPOCH_INDEX_MAX


def is_sealed(record: Record) -> bool:
    """Whether records like this are said in envelopes where there is a room, by its bytes alone (ROO-12, ROO-16)."""
    if record.scope.startswith("deal/"):
        return record.kind in DEAL_KINDS
    return record.kind not in OPEN_KINDS and record.body.get("question") != ROSTER


def _matches(envelope: Record, inner: Record) -> bool:
    """An envelope says of its content where and when it was said, and that is true (ROO-11)."""
    one, other = envelope.header, inner.header
    return one.scope == other.scope and one.created == other.created and one.expires == other.expires
