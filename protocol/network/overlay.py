"""The overlay of relays: which few of them a relay stays linked to, and which others it knows.

HyParView (Leitão, Pereira, Rodrigues 2007), with one change: places that a relay filled by its own choice are never
lost to whoever comes in. Decides whom to dial; never which records go there. Spec: 03-gossip, GOS-30 to GOS-34.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from protocol.events import Dial, Hangup
from protocol.network.broadcast import Tell
from protocol.network.gossip import Attach, Attached, Detach, Forward, Greeting, Join, Shuffle, Shuffled, peer_of
from protocol.params import (
    ACTIVE_LEAST,
    ACTIVE_MAX,
    ACTIVE_OURS_LEAST,
    ATTACH_MS,
    LEARN_MS,
    PASSIVE_MAX,
    PASSIVE_PER_PREFIX_MAX,
    PASSIVE_PER_SOURCE_MAX,
    SHUFFLE_ADDRESSES_MAX,
    SHUFFLE_LEAST_MS,
    SHUFFLE_MS,
    STIR_SHUFFLES,
    STIRS_AFTER_LOSS,
    WALK_HOPS_MAX,
    WALK_HOPS_PASSIVE,
    WALKS_PER_PEER_MAX,
)

_OURS_SHARE = 3  # of a shuffle's addresses are of the active view, the rest of the passive one (HyParView, section 5.1)

Step = Tell | Dial | Hangup


@dataclass(slots=True)
class _Link:
    """A linked peer: `ours` when this overlay dialled it, `fixed` when others of this node did; `address` may be ""."""

    address: str
    ours: bool
    fixed: bool
    active: bool = False
    asked: int = 0  # when it was asked to take us, 0 when it was not or has answered
    joined: bool = False
    walks: int = 0  # passed on for it since the last shuffle
    shuffled: int = 0  # when it last shuffled with us
    awaited: bool = False  # it was sent a shuffle and has not answered
    offered: tuple[str, ...] = ()  # peers named to it in that shuffle

    @property
    def chosen(self) -> bool:
        """Whether we chose it, rather than it us."""
        return self.ours or self.fixed

    def source(self, peer: str) -> str:
        """Who is to be remembered for what this peer tells: all who came in by themselves share one allotment."""
        return peer if self.chosen else "in"


@dataclass(frozen=True, slots=True)
class _Known:
    """A relay that may be dialled, who told of it, and what its host shares with others (see `prefix_of`)."""

    address: str
    source: str
    prefix: str


class Overlay:
    """One node's two views. `member`: it takes part; else it only learns. What a call returns is done in that order."""

    def __init__(self, rng: random.Random, member: bool, known: Iterable[str] = ()) -> None:
        """`known`: the passive view that an earlier life kept."""
        self._rng, self._member = rng, member
        self._links: dict[str, _Link] = {}
        self._active: dict[str, None] = {}
        self._dialling: dict[str, int] = {}  # peer -> when the dial has failed
        self._waiting: dict[str, int] = {}  # peer -> when the request to take us has failed
        self._passive: dict[str, _Known] = {}
        self._stirring = ""  # whom this node joins though it lacks nobody
        self._restless = STIRS_AFTER_LOSS + 1  # shuffles until it is calm
        self._shuffle_at = self._look_at = 0
        for address in known:
            self.learn(address)

    @property
    def active(self) -> tuple[str, ...]:
        """The peers in the active view."""
        return tuple(self._active)

    @property
    def passive(self) -> tuple[str, ...]:
        """The addresses in the passive view, longest known first."""
        return tuple(one.address for one in self._passive.values())

    @property
    def known(self) -> tuple[str, ...]:
        """Every address in either view."""
        near = (self._links[one].address for one in self._active)
        return (*(one for one in near if one), *self.passive)

    @property
    def deadline(self) -> int | None:
        """When `due` has something to do, Unix ms; None while nobody is linked and nobody known."""
        if not self._links and not self._passive:
            return None
        when = min(self._shuffle_at, self._look_at)
        for times in (self._dialling, self._waiting):  # soonest first: what is under way has one time limit
            if times:
                when = min(when, next(iter(times.values())))
        return when

    def dials(self, peer: str) -> bool:
        """Whether the overlay, and nobody else, asked for a link to this peer."""
        link = self._links.get(peer)
        return peer in self._dialling or (link is not None and link.ours)

    def learn(self, address: str, source: str = "") -> None:
        """Note a relay that may be dialled (GOS-33)."""
        peer = peer_of(address)
        known = self._passive.get(peer)
        if known is not None and (known.source != source or known.address == address):
            return
        if peer in self._active or peer in self._dialling:
            return
        near = prefix_of(address)
        if known is None:
            if near and [one.prefix for one in self._passive.values()].count(near) >= PASSIVE_PER_PREFIX_MAX:
                return
            same = [name for name, one in self._passive.items() if one.source == source] if source else []
            if len(same) >= PASSIVE_PER_SOURCE_MAX:
                del self._passive[self._rng.choice(same)]
            elif len(self._passive) >= PASSIVE_MAX:
                del self._passive[self._rng.choice(list(self._passive))]
        self._passive[peer] = _Known(address, source, near)

    def linked(self, peer: str, address: str, outbound: bool, now: int) -> list[Step]:
        """A link is up. `address`: where anybody may dial the peer, "" when nobody may."""
        ours = self._dialling.pop(peer, None) is not None
        link = self._links[peer] = _Link(address, ours, outbound and not ours)
        if link.chosen and self._member:
            return self._request(peer, link, now)
        if link.fixed:
            self._shuffle_at = min(self._shuffle_at, now)
        return []

    def lost(self, peer: str, now: int) -> list[Step]:
        """A link is gone: somebody of the passive view takes its place (GOS-31)."""
        link = self._links.pop(peer, None)
        self._waiting.pop(peer, None)
        self._active.pop(peer, None)
        if link is None:
            return []
        if link.active:
            self._look_at, self._restless = now, STIRS_AFTER_LOSS + 1
        return [Hangup(peer)] if link.ours else []

    def heard(self, peer: str, message: Greeting, now: int) -> list[Step]:
        """A neighbour's message about the overlay."""
        link = self._links.get(peer)
        if link is None:
            return []
        match message:
            case Shuffle(addresses):
                return self._shuffled(peer, link, addresses, now)
            case Shuffled(addresses):
                self._take(peer, link, addresses, now)
                return []
        if not self._member:
            return [Tell(peer, Detach())] if isinstance(message, Join | Attach) else []
        match message:
            case Join():
                return self._joined(peer, link)
            case Forward(address, hops) if link.active:
                return self._walk(peer, link, address, hops, now)
            case Attach():
                return [self._admit(peer, link)]
            case Attached():
                return self._attached(peer, link, now)
            case Detach():
                return self._detached(peer, link, now)
        return []

    def due(self, now: int) -> list[Step]:
        """What is to be done by `now`."""
        steps: list[Step] = []
        for peer in [one for one, when in self._dialling.items() if when <= now]:
            del self._dialling[peer]
            self._look_at = now
            steps.append(Hangup(peer))
        for peer in [one for one, when in self._waiting.items() if when <= now]:
            steps += self._detached(peer, self._links[peer], now)
        if self._shuffle_at <= now:
            every_ms = SHUFFLE_MS if self._member else LEARN_MS
            self._shuffle_at = now + every_ms + self._rng.randrange(every_ms // 4)
            for link in self._links.values():
                link.walks = 0
            steps += self._shuffle(now)
            self._stirring = self._rng.choice(list(self._passive)) if self._stirs() else ""
            self._look_at = now
        if self._look_at <= now:
            self._look_at = self._shuffle_at
            steps += self._look(now)
        return steps

    # The active view

    def _lacks(self) -> int:
        """How many more members are wanted: any, or some of our own choice."""
        if not self._member:
            return 0
        ours = sum(self._links[one].chosen for one in self._active)
        under_way = len(self._dialling) + len(self._waiting)
        return max(ACTIVE_LEAST - len(self._active), ACTIVE_OURS_LEAST - ours) - under_way

    def _stirs(self) -> bool:
        if not self._member or not self._passive:
            return False
        self._restless = max(0, self._restless - 1)
        return self._restless > 0 or self._rng.randrange(STIR_SHUFFLES) == 0

    def _look(self, now: int) -> list[Step]:
        """Turn to relays of the passive view for the places that are free, or to stir the overlay (GOS-31)."""
        steps: list[Step] = []
        chosen = self._rng.sample(list(self._passive), min(len(self._passive), max(0, self._lacks())))
        if self._stirring in self._passive and not chosen:
            chosen = [self._stirring]
        for peer in chosen:
            address = self._passive[peer].address
            link = self._links.get(peer)
            if link is None:
                del self._passive[peer]  # it comes back when it was reached and lost, or is told of again
                self._dialling[peer] = now + ATTACH_MS
                steps.append(Dial(address))
            elif not link.active and not link.asked:
                steps += self._request(peer, link, now)
        return steps

    def _request(self, peer: str, link: _Link, now: int) -> list[Step]:
        link.asked = now
        self._waiting[peer] = now + ATTACH_MS
        return [Tell(peer, Join() if not self._active or peer == self._stirring else Attach())]

    def _joined(self, peer: str, link: _Link) -> list[Step]:
        """One whose active view is empty is taken if at all possible, and others hear of it once (GOS-32)."""
        steps: list[Step] = []
        if not link.active and len(self._active) >= ACTIVE_MAX:
            steps += self._make_room()
        steps.append(self._admit(peer, link))
        if link.address and not link.joined:
            link.joined = True
            steps += [Tell(one, Forward(link.address, WALK_HOPS_MAX)) for one in self._active if one != peer]
        return steps

    def _admit(self, peer: str, link: _Link) -> Step:
        if link.active or link.asked or len(self._active) < ACTIVE_MAX:
            self._activate(peer, link)
            return Tell(peer, Attached())
        return Tell(peer, Detach())

    def _attached(self, peer: str, link: _Link, now: int) -> list[Step]:
        if not link.asked or link.active:
            return []
        steps: list[Step] = []
        if not self._active:
            self._shuffle_at = now
        if len(self._active) >= ACTIVE_MAX:
            steps += self._make_room()
        self._activate(peer, link)
        return steps

    def _activate(self, peer: str, link: _Link) -> None:
        link.active, link.asked = True, 0
        self._waiting.pop(peer, None)
        self._active[peer] = None
        self._passive.pop(peer, None)

    def _make_room(self) -> list[Step]:
        """Let go of one that came in; the dialler of the link hangs up when it hears of it."""
        others = [one for one in self._active if not self._links[one].chosen]
        if not others:
            return []
        peer = self._rng.choice(others)
        link = self._links[peer]
        link.active = False
        del self._active[peer]
        if link.address:
            self.learn(link.address)
        return [Tell(peer, Detach())]

    def _detached(self, peer: str, link: _Link, now: int) -> list[Step]:
        """Not or no longer a neighbour of the overlay; a link that it alone asked for ends."""
        self._look_at = min(self._look_at, now if link.active else now + ATTACH_MS)
        link.active, link.asked = False, 0
        self._waiting.pop(peer, None)
        self._active.pop(peer, None)
        if link.address:
            self.learn(link.address)
        return [Hangup(peer)] if link.ours else []

    def _walk(self, peer: str, link: _Link, address: str, hops: int, now: int) -> list[Step]:
        """A newcomer passes by; where its walk ends, it finds a neighbour (GOS-32)."""
        newcomer = peer_of(address)
        link.walks += 1
        if newcomer in self._active or link.walks > WALKS_PER_PEER_MAX:
            return []
        others = [one for one in self._active if one not in (peer, newcomer)]
        if hops == 0 or not others:
            if len(self._active) + len(self._dialling) < ACTIVE_MAX and newcomer not in self._dialling:
                known = self._links.get(newcomer)
                if known is not None:
                    return [] if known.asked else self._request(newcomer, known, now)
                self._passive.pop(newcomer, None)
                self._dialling[newcomer] = now + ATTACH_MS
                return [Dial(address)]
            self.learn(address, link.source(peer))
            return []
        if hops == WALK_HOPS_PASSIVE:
            self.learn(address, link.source(peer))
        return [Tell(self._rng.choice(others), Forward(address, hops - 1))]

    # The passive view

    def _shuffle(self, now: int) -> list[Step]:
        """Exchange some addresses with one neighbour (GOS-33)."""
        chosen = list(self._active) or [one for one, link in self._links.items() if link.chosen]
        if not chosen:
            return []
        peer = self._rng.choice(chosen)
        addresses = self._sample(peer) if self._member else ()
        link = self._links[peer]
        link.awaited, link.offered = True, tuple(peer_of(one) for one in addresses)
        return [Tell(peer, Shuffle(addresses))]

    def _sample(self, peer: str) -> tuple[str, ...]:
        """Addresses for a neighbour: a few of the active view, the rest of the passive one, never its own."""
        near = [self._links[one].address for one in self._active if one != peer and self._links[one].address]
        far = [one.address for name, one in self._passive.items() if name != peer]
        some = self._rng.sample(near, min(len(near), _OURS_SHARE))
        return (*some, *self._rng.sample(far, min(len(far), SHUFFLE_ADDRESSES_MAX - len(some))))

    def _shuffled(self, peer: str, link: _Link, addresses: tuple[str, ...], now: int) -> list[Step]:
        if link.shuffled and now < link.shuffled + SHUFFLE_LEAST_MS:
            return []
        link.shuffled = now
        answer = self._sample(peer)
        if link.active:  # a stranger that dialled in tells us nothing
            self._learn_all(peer, link, addresses)
        return [Tell(peer, Shuffled(answer))]

    def _take(self, peer: str, link: _Link, addresses: tuple[str, ...], now: int) -> None:
        """The answer to our own shuffle; one that nobody asked for says nothing."""
        if link.awaited:
            self._learn_all(peer, link, addresses)
            link.awaited, link.offered = False, ()
            if self._member:
                self._look_at = now

    def _learn_all(self, peer: str, link: _Link, addresses: tuple[str, ...]) -> None:
        """What was offered makes room first, as in the paper."""
        spare = [one for one in link.offered if one in self._passive]
        for address in addresses:
            if len(self._passive) >= PASSIVE_MAX and spare and peer_of(address) not in self._passive:
                self._passive.pop(spare.pop(), None)
            self.learn(address, link.source(peer))


def prefix_of(address: str) -> str:
    """What hosts of one operator are likely to share: 16 bits of IPv4, 32 of IPv6, the last two labels of a name.

    "" for this machine's own addresses, which say nothing about who is near to whom.
    """
    _, family, host = address.split("/", 3)[:3]
    match family:
        case "ip4":
            return "" if host.startswith("127.") else ".".join(host.split(".")[:2])
        case "ip6":
            return "" if host == "::1" else ":".join(host.lower().split(":")[:2])
    return ".".join(host.lower().split(".")[-2:])
