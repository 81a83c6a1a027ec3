"""Thousands of relays that only gossip: the overlay and one broadcast tree of each, on one heap of virtual time.

No engine, no bytes, no signatures: a record is its id, a message is the object that `gossip` would have parsed.
What is measured is who got what, how often, and when.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from protocol.events import Dial, Hangup
from protocol.network.broadcast import Broadcast, Tell
from protocol.network.gossip import Graft, Have, Message, Prune, peer_of
from protocol.network.overlay import Overlay, Step

SCOPE = "board/tea/any"
LATENCY_MS = (5, 60)
NOTICED_MS = (500, 3_000)  # until a lost link is noticed
_NEVER = 1 << 62


@dataclass(slots=True)
class Member:
    """One relay: its part of the overlay and of the tree, and the ids it holds."""

    name: str
    overlay: Overlay
    tree: Broadcast
    links: dict[str, None] = field(default_factory=dict)
    held: dict[bytes, None] = field(default_factory=dict)
    tick: int = _NEVER
    up: bool = True


class Crowd:
    """`flooding`: nobody prunes. `announcing` off: nothing lazy arrives. `repairing` off: the overlay stands still."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 1_000
        self.members: dict[str, Member] = {}
        self.loss = 0.0
        self.flooding, self.announcing, self.repairing = False, True, True
        self.payloads = self.events = 0
        self.arrived: dict[bytes, int] = {}  # id -> when the last one got it
        self._heap: list[tuple[int, int, Callable[..., None], Member, str, object]] = []
        self._order = 0

    # Building

    def add(self, name: str, contact: str = "") -> Member:
        """A new relay that knows one other."""
        known = [address(contact)] if contact else []
        member = self.members[name] = Member(name, Overlay(self.rng, True, known), Broadcast())
        self._plan(member)
        return member

    def gather(self, count: int, apart_ms: int = 5, settle_ms: int = 120_000) -> None:
        """Relays n0…, each a little after the one before and told of one that was there, until all is calm."""
        names: list[str] = []
        for number in range(count):
            self.add(f"n{number}", self.rng.choice(names) if names else "")
            names.append(f"n{number}")
            self.run(apart_ms)
        self.run(settle_ms)

    def vanish(self, names: Iterable[str]) -> None:
        """These are gone at once; their neighbours notice a little later."""
        gone = [self.members.pop(name) for name in names]
        for member in gone:
            member.up = False
        for member in gone:
            for peer in member.links:
                other = self.members.get(peer)
                if other is not None:
                    self._post(other, self._lose, member.name, None, NOTICED_MS)

    def cut(self, one: str, other: str) -> None:
        """A link breaks; whoever may, finds another."""
        for name, peer in ((one, other), (other, one)):
            self._lose(self.members[name], peer, None)

    # Saying things

    def say(self, name: str, record: bytes) -> None:
        """A relay has something new."""
        self._take(self.members[name], "", record)

    def broadcast(self, name: str, record: bytes, wait_ms: int = 5_000) -> tuple[float, float]:
        """(share of the relays that got it, payloads for each of them beyond one)."""
        before = self.payloads
        self.say(name, record)
        self.run(wait_ms)
        reached = sum(record in one.held for one in self.members.values())
        return reached / len(self.members), (self.payloads - before) / max(1, reached - 1) - 1

    def run(self, ms: int) -> None:
        """Let time pass."""
        end, heap = self.now + ms, self._heap
        while heap and heap[0][0] <= end:
            self.now, _, act, member, peer, what = heapq.heappop(heap)
            if member.up:
                self.events += 1
                act(member, peer, what)
        self.now = end

    # What happens to a member

    def _lose(self, member: Member, peer: str, _: object) -> None:
        if peer in member.links:
            del member.links[peer]
            told = member.tree.leave(SCOPE, peer)
            member.tree.forget(peer)
            steps = member.overlay.lost(peer, self.now) if self.repairing else []
            self._do(member, [*told, *steps])

    def _link(self, member: Member, peer: str, outbound: object) -> None:
        if peer in member.links:
            return
        other = self.members.get(peer)
        if other is None:
            return
        if outbound and not other.overlay.dials(member.name):
            self._link(other, member.name, False)
        member.links[peer] = None
        member.tree.enter(SCOPE, peer)
        self._do(member, member.overlay.linked(peer, address(peer), bool(outbound), self.now))

    def _tick(self, member: Member, _: str, when: object) -> None:
        if member.tick == when:
            member.tick = _NEVER
            steps = member.overlay.due(self.now) if self.repairing else []
            self._do(member, [*member.tree.due(self.now), *steps])

    def _take(self, member: Member, peer: str, record: object) -> None:
        assert isinstance(record, bytes)
        self.payloads += bool(peer)
        if record in member.held:
            if not self.flooding:
                self._do(member, member.tree.doubled(SCOPE, record, peer, self.now))
            return
        member.held[record] = None
        self.arrived[record] = self.now
        for other in member.tree.took(SCOPE, record, peer, self.now):
            self._send(other, self._take, member.name, record)
        self._plan(member)

    def _hear(self, member: Member, peer: str, message: object) -> None:
        told: list[Tell] = []
        match message:
            case Have(scope, ids):
                if self.announcing:
                    member.tree.announced(scope, ids, peer, member.held, self.now)
            case Graft(scope, ids):
                told = member.tree.grafted(scope, peer)
                for one in ids:
                    if one in member.held:
                        self._send(peer, self._take, member.name, one)
            case Prune(scope):
                told = member.tree.pruned(scope, peer)
            case _:
                if self.repairing and peer in member.links:
                    self._do(member, member.overlay.heard(peer, message, self.now))  # type: ignore[arg-type]
                return
        self._do(member, told)

    # What it does

    def _do(self, member: Member, steps: Iterable[Step]) -> None:
        for step in steps:
            match step:
                case Tell(peer, message):
                    self._send(peer, self._hear, member.name, message)
                case Dial(where):
                    self._post(member, self._link, peer_of(where), True, LATENCY_MS)
                case Hangup(peer):
                    if peer in member.links:
                        other = self.members.get(peer)
                        if other is not None:
                            self._post(other, self._lose, member.name, None, LATENCY_MS)
                        self._lose(member, peer, None)
        self._plan(member)

    def _send(self, to: str, act: Callable[..., None], sender: str, what: Message | bytes) -> None:
        member = self.members.get(to)
        if member is not None and not (self.loss and self.rng.random() < self.loss):
            self._post(member, act, sender, what, LATENCY_MS)

    def _post(
        self, member: Member, act: Callable[..., None], peer: str, what: object, after_ms: tuple[int, int]
    ) -> None:
        low, high = after_ms
        at = self.now + low + int(self.rng.random() * (high - low))
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, act, member, peer, what))

    def _plan(self, member: Member) -> None:
        overlay = member.overlay.deadline if self.repairing else None
        times = [one for one in (member.tree.deadline, overlay) if one is not None]
        if times and (at := max(self.now + 1, min(times))) < member.tick:
            member.tick = at
            self._order += 1
            heapq.heappush(self._heap, (at, self._order, self._tick, member, "", at))


def address(name: str) -> str:
    """Where a relay of the crowd may be dialled."""
    return f"/dns4/{name}.example/tcp/1/p2p/{name}"
