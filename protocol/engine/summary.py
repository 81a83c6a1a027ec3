"""Comparing the states of many scopes at once, so that only those are reconciled in which something differs.

Decides what the state of a scope is and which scopes two neighbours compare; how sets are compared is in `sync`.
Spec: 03-gossip, GOS-41.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.encoding import digest
from protocol.engine.network import reconcile
from protocol.errors import Ignore
from protocol.network.gossip import Compare, Compared, Neighbour, Talk
from protocol.network.index import Index
from protocol.network.sync import initiate, respond
from protocol.params import SYNC_FRAME_BYTES_MAX

if TYPE_CHECKING:
    from protocol.engine.core import Core

_PLACE_BYTES = 6  # of the digest that puts a scope among the others, as a time does in a record's case
_KEPT_MS = 5_000  # (g) for which a neighbour's comparisons are answered from the same states
_NOTHING = Index().fingerprint(0, 0)


def begin(core: Core, neighbour: Neighbour) -> None:
    """Compare the states of all scopes that both follow."""
    items = {_item(core, scope): scope for scope in neighbour.scopes if scope in core.followed}
    neighbour.states = {state: scope for (_, state), scope in items.items()}
    session, message = initiate(Index(items), SYNC_FRAME_BYTES_MAX)
    neighbour.compare, neighbour.compare_at = Talk(session, core.now), None
    core.send(neighbour.name, Compare(message))


def answer(core: Core, neighbour: Neighbour, message: bytes) -> None:
    """Answer the comparison that a neighbour began."""
    if neighbour.summary is None or neighbour.summary[0] + _KEPT_MS <= core.now:
        items = (_item(core, scope) for scope in neighbour.scopes if scope in core.followed)
        neighbour.summary = core.now, Index(items)
    core.send(neighbour.name, Compared(respond(neighbour.summary[1], message, SYNC_FRAME_BYTES_MAX)))


def go_on(core: Core, neighbour: Neighbour, message: bytes) -> None:
    """Continue a comparison that this node began; what differs is reconciled."""
    if neighbour.compare is None:
        return
    try:
        reply, have, _ = neighbour.compare.session.receive(message)  # what only the peer has, it begins itself
    except Ignore:
        reply, have = None, []
    for state in have:
        if (scope := neighbour.states.get(state)) is not None and not core.spared(scope):
            neighbour.due[scope] = None
    if reply is None:
        neighbour.compare, neighbour.states = None, {}
    else:
        neighbour.compare.since, neighbour.compare.late = core.now, False
        core.send(neighbour.name, Compare(reply))
    reconcile.advance(core, neighbour)


def _item(core: Core, scope: str) -> tuple[int, bytes]:
    """The state of a scope as an item: where the scope stands, and a digest of it with what is held of it."""
    state = core.states.get(scope)
    if state is None:
        items = core.items(scope)
        state = core.states[scope] = items.fingerprint(0, len(items)) if items is not None else _NOTHING
        if items is None:  # not read since the start: it differs, is reconciled, and is known from then on
            del core.states[scope]
    place = int.from_bytes(digest("scope", scope.encode())[:_PLACE_BYTES], "big")
    return place, digest("summary", state + scope.encode())
