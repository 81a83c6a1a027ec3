"""The overlay of relays at work: which links it asks for, what it says over them, and what it leaves on the disk.

Decides by protocol.network.overlay; never what goes over a link. Spec: 03-gossip, GOS-30 to GOS-34.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from protocol.engine.network import links, relays
from protocol.events import Dial, Hangup
from protocol.network.broadcast import Tell
from protocol.network.gossip import Attach, Greeting, Join, Neighbour, peer_of
from protocol.network.overlay import Step

if TYPE_CHECKING:
    from protocol.engine.core import Core

_FACT = "overlay/"


def recall(core: Core) -> None:
    """Read the addresses that an earlier life kept."""
    for name in sorted(core.facts):
        if name.startswith(_FACT):
            core.overlay.learn(name.removeprefix(_FACT))
    _hand_over(core)


def linked(core: Core, neighbour: Neighbour) -> None:
    """A link is up."""
    address = neighbour.addresses[0] if neighbour.addresses else ""
    outbound = neighbour.outbound and neighbour.trusted
    _do(core, core.overlay.linked(neighbour.name, address, outbound, core.now))


def lost(core: Core, peer: str) -> None:
    """A link is gone."""
    _do(core, core.overlay.lost(peer, core.now))


def heard(core: Core, neighbour: Neighbour, message: Greeting) -> None:
    """A neighbour's message about the overlay."""
    if isinstance(message, Join | Attach):
        links.related(core, neighbour)
    _do(core, core.overlay.heard(neighbour.name, message, core.now))
    _hand_over(core)


def attend(core: Core) -> None:
    """Do what is due."""
    if (due := core.overlay.deadline) is not None and due <= core.now:
        _do(core, core.overlay.due(core.now))
        _remember(core)


def strange(core: Core, peer: str) -> bool:
    """Whether a link was made by the overlay alone, to a relay that nobody here chose."""
    return relays.strange(core, peer) or (core.overlay.dials(peer) and not _chosen(core, peer))


def _chosen(core: Core, peer: str) -> bool:
    return any(peer_of(address) == peer for address in core.relays.dialled)


def _do(core: Core, steps: Iterable[Step]) -> None:
    for step in steps:
        match step:
            case Tell(peer, message):
                if peer in core.neighbours:
                    core.send(peer, message)
            case Dial(address):
                if not _chosen(core, peer_of(address)):
                    core.out.append(step)
            case Hangup(peer):
                if not _chosen(core, peer):
                    core.out.append(step)


def _remember(core: Core) -> None:
    """Keep the known addresses as facts (GOS-34)."""
    known = dict.fromkeys(_FACT + address for address in core.overlay.known)
    for name in [one for one in core.facts if one.startswith(_FACT) and one not in known]:
        core.keep(name, b"")
    for name in known:
        if name not in core.facts:
            core.keep(name, b"1")


def _hand_over(core: Core) -> None:
    """A home chooses its relays among those it has heard of; a relay's overlay chooses for itself."""
    if core.settings.role != "relay":
        relays.learn(core, core.overlay.known)
