"""Who is linked to whom, and what each was told that this node follows.

Decides which scopes are named to which neighbour, and when a carried scope is let go; never what is sent in them.
Spec: 03-gossip, GOS-2 to GOS-4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from protocol.engine.network import peering, policy, post, reconcile, relays, spread, steward
from protocol.events import Drop
from protocol.network.gossip import Neighbour, Subscribe
from protocol.params import SCOPES_CARRIED_MAX, SCOPES_PER_MESSAGE_MAX

if TYPE_CHECKING:
    from protocol.engine.core import Core

_LEFT_SHARE = 8  # (g) of the room that is left, once half is used, the part that one neighbour may fill


def connected(core: Core, peer: str, outbound: bool, addresses: tuple[str, ...] = (), host: str = "") -> None:
    """A link is up: where we dialled, say what we follow, and reconcile.

    Who dials in is told nothing that it does not name itself: the name of a co-op's scope is what opens it (GOS-4).
    Relays tell each other of boards, whoever dialled.
    """
    if steward.refuses(core, peer, host):
        core.out.append(Drop(peer, "REL-4"))
        return
    if peer in core.neighbours:
        disconnected(core, peer)
    neighbour = core.neighbours[peer] = Neighbour(peer, outbound, addresses, host)
    neighbour.trusted = outbound and not peering.strange(core, peer)
    neighbour.relay = outbound or (core.settings.role == "relay" and bool(addresses))
    subscribe(core, neighbour, tuple(scope for scope in core.followed if neighbour.may_hear(scope)))
    if outbound:
        reconcile.connected(core, neighbour)
        post.connected(core, neighbour)
    policy.greet(core, neighbour)
    peering.linked(core, neighbour)
    relays.changed(core, peer)
    core.notify("peer", peer=peer, connected=True)


def related(core: Core, neighbour: Neighbour) -> None:
    """Who dialled in turns out to be a relay, as we are: it hears of our boards (GOS-4)."""
    if core.settings.role == "relay" and not neighbour.relay:
        neighbour.relay = True
        public = (scope for scope in core.followed if neighbour.may_hear(scope) and scope not in neighbour.scopes)
        subscribe(core, neighbour, tuple(public))


def disconnected(core: Core, peer: str) -> None:
    """A link is gone, and with it all that was remembered of it."""
    neighbour = core.neighbours.pop(peer, None)
    if neighbour is not None:
        for scope in neighbour.scopes:
            spread.say(core, core.broadcast.leave(scope, peer))
        core.broadcast.forget(peer)
        peering.lost(core, peer)
        release(core, tuple(neighbour.scopes))
        reconcile.abandon(core, neighbour, [scope for scope, _ in neighbour.asked.values()])
        relays.changed(core, peer)
        core.notify("peer", peer=peer, connected=False)


def announce(core: Core, scopes: Sequence[str], lasting: bool) -> None:
    """This node begins to follow scopes: say so where we dialled and to those who asked for them."""
    for neighbour in core.neighbours.values():
        told = [
            scope
            for scope in scopes
            if (neighbour.may_hear(scope) if neighbour.outbound or neighbour.relay else scope in neighbour.scopes)
        ]
        for scope in scopes:
            if scope in neighbour.scopes:
                core.broadcast.enter(scope, neighbour.name)
        news = (scope for scope in told if lasting or neighbour.outbound or scope not in neighbour.scopes)
        subscribe(core, neighbour, tuple(news))  # in few messages: a neighbour reads only so many at a time (MSH-10)
        for scope in told if neighbour.outbound else ():
            reconcile.begin(core, neighbour, scope)


def subscribed(core: Core, neighbour: Neighbour, scopes: tuple[str, ...]) -> None:
    """Note what a neighbour follows; a relay carries it from now on. Who dialled in hears which of it we follow."""
    served = tuple(scope for scope in dict.fromkeys(scopes) if steward.serves(core, neighbour, scope))
    fresh = neighbour.subscribe(served)
    if core.settings.role == "relay":  # also for what found no room when it was named first
        new = [scope for scope in served if scope in neighbour.scopes and scope not in core.followed]
        core.carry(new[: _room(core, neighbour)])
        fresh = tuple(dict.fromkeys((*fresh, *new)))
    for scope in fresh:
        if scope in core.followed:
            core.broadcast.enter(scope, neighbour.name)
    if not neighbour.outbound:
        subscribe(core, neighbour, tuple(scope for scope in fresh if scope in core.followed))


def _room(core: Core, neighbour: Neighbour) -> int:
    """How many more scopes are carried for a neighbour: some always are for who names few (GOS-3)."""
    left = max(0, SCOPES_CARRIED_MAX - len(core.followed))
    greedy = not neighbour.trusted and len(neighbour.scopes) > left // _LEFT_SHARE
    return 0 if greedy and 2 * left < SCOPES_CARRIED_MAX else left


def unsubscribed(core: Core, neighbour: Neighbour, scopes: tuple[str, ...]) -> None:
    """A neighbour follows these no more."""
    for scope in scopes:
        if neighbour.scopes.pop(scope, 0) is None:
            spread.say(core, core.broadcast.leave(scope, neighbour.name))
    release(core, scopes)


def release(core: Core, scopes: Iterable[str]) -> None:
    """No longer carry what this node does not follow for itself and no neighbour asks for (GOS-3)."""
    for scope in scopes:
        if not core.broadcast.follows(scope) and f"scope/{scope}" not in core.facts:
            for of in (core.followed, core.carried, core.shelves, core.doors, core.states, core.unread):
                of.pop(scope, None)


def subscribe(core: Core, neighbour: Neighbour, scopes: tuple[str, ...]) -> None:
    """Name scopes to a neighbour, but those that have to wait for a better day (GOS-67)."""
    scopes = tuple(scope for scope in scopes if not core.spared(scope))
    for at in range(0, len(scopes), SCOPES_PER_MESSAGE_MAX):
        core.send(neighbour.name, Subscribe(scopes[at : at + SCOPES_PER_MESSAGE_MAX]))
