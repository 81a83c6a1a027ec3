"""Co-ops and deals whose time is over, and scopes that the disk let go.

Decides what is forgotten with them; never when records go from the disk. Spec: 14-store, STO-21 to STO-23.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from protocol.coop.charter import find_charter
from protocol.engine.network import links
from protocol.network.gossip import Unsubscribe
from protocol.params import SCOPES_PER_MESSAGE_MAX
from protocol.record.retention import is_over

if TYPE_CHECKING:
    from protocol.engine.core import Core


def ended(core: Core, now: int) -> tuple[str, ...]:
    """Co-ops and deals in memory whose charter or request is over."""
    found = []
    for scope, context in core.contexts.items():
        root = find_charter(context.log) if context.family == "coop" else None
        if context.family == "deal":
            deal = context.deal(core.settings)
            root = deal.rfq if deal is not None else None
        if root is not None and is_over(root.header, now):
            found.append(scope)
    return tuple(found)


def pruned(core: Core, scopes: Iterable[str]) -> None:
    """These are on the disk no more: take no part in them, say so, and remember nothing of them."""
    gone = tuple(scopes)
    for scope in gone:
        if f"scope/{scope}" in core.facts:
            core.keep(f"scope/{scope}", b"")
        for of in (core.contexts, core.dirty, core.shelves, core.states, core.unread):
            of.pop(scope, None)
        if scope in core.followed:
            core.carried[scope] = None
    links.release(core, gone)
    left = tuple(scope for scope in gone if scope not in core.followed)
    for neighbour in core.neighbours.values():
        if neighbour.outbound:
            for at in range(0, len(left), SCOPES_PER_MESSAGE_MAX):
                core.send(neighbour.name, Unsubscribe(left[at : at + SCOPES_PER_MESSAGE_MAX]))
