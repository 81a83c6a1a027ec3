"""Finding out which records two neighbours do not share, and sending them both ways.

Decides when a session begins and what follows from what it finds; how sets are compared is protocol.sync.
Spec: 03-gossip, GOS-4 and GOS-5; 03-sync.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.engine import relays
from protocol.engine.context import Context
from protocol.events import SendRecords
from protocol.gossip import Answer, Neighbour, Sync, Want
from protocol.params import SYNC_FRAME_BYTES_MAX, WANT_IDS_MAX
from protocol.sync import initiate, respond

if TYPE_CHECKING:
    from protocol.engine.core import Core

_CHUNK_IDS = min(500, WANT_IDS_MAX)


def begin(core: Core, neighbour: Neighbour, scope: str) -> None:
    """Open a session; an unfinished one is given up."""
    session, message = initiate(core.context(scope).log.items, SYNC_FRAME_BYTES_MAX)
    neighbour.sessions[scope] = session
    core.send(neighbour.name, Sync(scope, message))


def begin_all(core: Core, neighbour: Neighbour) -> None:
    """Open a session for each scope that is followed and in memory."""
    # A scope that is only carried and was forgotten waits until somebody speaks in it.
    for scope in core.followed:
        if scope in core.contexts:
            begin(core, neighbour, scope)
    if not neighbour.sessions:
        relays.reconciled(core, neighbour)


def answer(core: Core, scope: str, message: bytes) -> Answer:
    """The answer to a session that a neighbour began."""
    return Answer(scope, respond(core.peek(scope).items, message, SYNC_FRAME_BYTES_MAX))


def go_on(core: Core, neighbour: Neighbour, scope: str, message: bytes) -> None:
    """Continue a session we began: give what the peer lacks, ask for what we lack."""
    session = neighbour.sessions.get(scope)
    if session is None:
        return
    reply, have, need = session.receive(message)
    for at in range(0, len(have), _CHUNK_IDS):
        core.out.append(SendRecords(neighbour.name, scope, tuple(have[at : at + _CHUNK_IDS])))
    for at in range(0, len(need), _CHUNK_IDS):
        core.send(neighbour.name, Want(scope, tuple(need[at : at + _CHUNK_IDS])))
    if reply is None:
        del neighbour.sessions[scope]
        if not neighbour.sessions:
            relays.reconciled(core, neighbour)
    else:
        core.send(neighbour.name, Sync(scope, reply))


def give(core: Core, neighbour: Neighbour, scope: str, ids: tuple[bytes, ...]) -> None:
    """Send what a neighbour asked for by id, as far as it is held and the scope is followed."""
    if scope in core.followed:
        held = core.context(scope).log.records
        core.out.append(SendRecords(neighbour.name, scope, tuple(one for one in ids if one in held)))


def want(core: Core, context: Context, ids: list[bytes]) -> None:
    """Ask every neighbour for records that a certified manifest lists (DEC-19), each again after a while."""
    due = [one for one in ids if context.wanted.get(one, 0) + core.settings.sync_ms <= core.now]
    if not due:
        return
    context.wanted.update(dict.fromkeys(due, core.now))
    for neighbour in core.neighbours.values():
        if neighbour.outbound or context.scope in neighbour.scopes:
            for at in range(0, len(due), _CHUNK_IDS):
                core.send(neighbour.name, Want(context.scope, tuple(due[at : at + _CHUNK_IDS])))
    context.wake_at(core.now + core.settings.sync_ms)
