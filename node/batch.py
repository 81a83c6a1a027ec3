"""What the loop handles between two commits, and how it is called elsewhere.

Decides nothing: effects are sorted into what is committed and what is spoken afterwards. Spec: 14-store, STO-10.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from node.inbox import Item
from node.outbox import Spoken
from node.store import Held
from protocol import events as ev
from protocol.errors import ProtocolError
from protocol.record.record import Record


@dataclass(slots=True)
class Batch:
    """What is committed together, and then spoken in order."""

    items: list[Item] = field(default_factory=list)
    speak: list[Spoken] = field(default_factory=list)
    stores: list[tuple[Record, bool]] = field(default_factory=list)
    ids: set[bytes] = field(default_factory=set)  # of `stores`
    keep: dict[str, bytes] = field(default_factory=dict)
    broken: dict[str, None] = field(default_factory=dict)  # scopes to read again: their handling failed unexpectedly

    def add(self, effects: Iterable[ev.Effect]) -> None:
        """Takes the effects of one event."""
        for effect in effects:
            match effect:
                case ev.Store(record, own):
                    self.stores.append((record, own))
                    self.ids.add(record.id)
                case ev.Keep(name, value):
                    self.keep[name] = value
                case _:
                    self.speak.append(effect)


def parsed(raw: bytes, network: bytes) -> Record | ProtocolError:
    """The record that our own mesh process received, which has verified its signature; or what is wrong with it."""
    try:
        return Record.parse(raw, network, verified=True)
    except ProtocolError as error:
        return error


def touched(event: ev.Event, resident: tuple[str, ...]) -> tuple[str, ...]:
    """Scopes whose memory may be half changed after `event` failed."""
    return (event.record.scope,) if isinstance(event, ev.RecordReceived | ev.RecordShared) else resident


def named(event: ev.Event) -> str:
    """What an event is, for the log of the program."""
    match event:
        case ev.RecordReceived(record, peer):
            return f"record {record.id.hex()} of kind {record.kind} from {peer or 'a file'}"
        case ev.Submit(_, command):
            return f"command {type(command).__name__}"
    return type(event).__name__


def plain(held: Held) -> Mapping[str, Any]:
    """A record of the log, as a page or a backup reads it."""
    record, header = held.record, held.record.header
    return {
        "position": held.position,
        "id": record.id,
        "kind": record.kind,
        "author": record.author,
        "scope": record.scope,
        "slot": f"{header.slot.mode} {header.slot.name} {header.slot.seq}" if header.slot else "",
        "created": header.created,
        "expires": header.expires,
        "body": record.body,
    }
