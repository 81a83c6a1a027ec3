"""To whom a record that was just taken is pushed, to whom only announced, and what neighbours say about either.

Decides by `broadcast`, which knows names and ids only; never whether a record is good. Spec: 03-gossip, GOS-10
and GOS-20 to GOS-25.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from protocol.events import Publish, Send, SendRecords
from protocol.network.broadcast import Tell
from protocol.network.gossip import Graft, Have, Message, Neighbour, Prune, encode_message
from protocol.record.record import Record

if TYPE_CHECKING:
    from protocol.engine.core import Core


def offer(core: Core, record: Record, own: bool, source: str) -> None:
    """Push a record to those of the tree, except whom it came from; the others hear of it soon."""
    scope = record.scope
    peers = core.broadcast.took(scope, record.id, source, core.now)
    if own:  # GOS-10: whom we dialled may not have had the time to subscribe to a scope we just began
        peers += tuple(
            one.name
            for one in core.neighbours.values()
            if one.outbound and scope not in one.scopes and one.may_hear(scope)
        )
    if peers:
        core.out.append(Publish(record, peers))


def again(core: Core, record: Record, peer: str) -> None:
    """A record came that is held already."""
    say(core, core.broadcast.doubled(record.scope, record.id, peer, core.now))


def heard(core: Core, neighbour: Neighbour, message: Have | Graft | Prune) -> None:
    """A neighbour's message about the tree of a scope that this node follows."""
    scope, peer = message.scope, neighbour.name
    if scope not in core.followed:
        return
    match message:
        case Have(_, ids):
            wanted = tuple(one for one in ids if one not in core.declined) if core.declined else ids
            core.broadcast.announced(scope, wanted, peer, core.ids(scope), core.now)
        case Graft(_, ids):
            say(core, core.broadcast.grafted(scope, peer))
            held = core.ids(scope)
            if given := tuple(one for one in ids if one in held):
                core.out.append(SendRecords(peer, scope, given))
        case Prune():
            say(core, core.broadcast.pruned(scope, peer))


def attend(core: Core) -> None:
    """Say what is due."""
    if (due := core.broadcast.deadline) is not None and due <= core.now:
        say(core, core.broadcast.due(core.now))


def say(core: Core, told: Iterable[Tell]) -> None:
    """Messages in order; one that goes to many is encoded once."""
    last: tuple[Message, bytes] | None = None
    for peer, message in told:
        if last is None or last[0] is not message:
            last = message, encode_message(message)
        if peer in core.neighbours:
            core.out.append(Send(peer, last[1]))
