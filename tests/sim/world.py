"""A second driver of the engine: a heap for the network, a dict for the disk, one seed for everything.

It does what the daemon does, in virtual time: commit before speak, acknowledge nothing it has not stored, forget what
was not stored when a node crashes.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from typing import Any

from protocol import commands as ask
from protocol.engine import Engine, Settings
from protocol.errors import CommandError, Ignore, Reject
from protocol.events import (
    Compute,
    Computed,
    Drop,
    Event,
    Keep,
    MessageReceived,
    Notify,
    PeerConnected,
    PeerDisconnected,
    Publish,
    RecordReceived,
    Reply,
    Send,
    SendRecords,
    Store,
    Submit,
    Tick,
)
from protocol.identity import Persona, network_id
from protocol.record import Record
from protocol.template import Template

START_MS = 1_800_000_000_000
NETWORK = network_id("simulated", b"seed")
TIMES = {
    "join_ms": 20_000,
    "pledge_ms": 20_000,
    "nominate_ms": 10_000,
    "ballot_ms": 20_000,
    "deal_ms": 20_000,
    "quote_ms": 10_000,
    "reveal_ms": 10_000,
    "commit_ms": 20_000,
    "settle_ms": 2_000,
    "round_ms": 4_000,
    "mandate_ms": 600_000,
    "retention_ms": 86_400_000,
}


@dataclass
class Faults:
    """Which faults a run has: chances per delivery, latency in ms."""

    latency_ms: tuple[int, int] = (5, 60)
    loss: float = 0.0
    duplicate: float = 0.0


@dataclass
class Node:
    """One simulated node: its disk, and its engine while it is up."""

    name: str
    settings: Settings
    persona: Persona
    records: dict[bytes, Record] = field(default_factory=dict)
    facts: dict[str, bytes] = field(default_factory=dict)
    engine: Engine | None = None
    dials: list[str] = field(default_factory=list)
    skew_ms: int = 0
    notices: list[Notify] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    signed: dict[tuple[str, bytes, str, str], bytes] = field(default_factory=dict)


class World:
    """Named nodes, links between them, and a clock that jumps from event to event."""

    def __init__(self, seed: int, templates: Iterable[Template], faults: Faults | None = None) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.faults = faults or Faults()
        self.templates = {one.hash: one for one in templates}
        self.now = START_MS
        self.nodes: dict[str, Node] = {}
        self.links: dict[tuple[str, str], None] = {}
        self.cut: Callable[[str, str], bool] = lambda sender, receiver: False
        self.tamper: Callable[[str, str, Event], list[Event]] = lambda sender, receiver, event: [event]
        self.trace: list[tuple[int, str, str]] = []
        self._heap: list[tuple[int, int, str, Event]] = []
        self._order = count()
        self._ticks: dict[str, int] = {}

    # Building

    def add(self, name: str, role: str = "home", dials: Iterable[str] = (), skew_ms: int = 0) -> Node:
        """A new node that keeps links to `dials`."""
        persona = Persona.from_seed(self.rng.randbytes(32))
        settings = Settings(
            NETWORK,
            role,
            self.templates,
            {"simulated": TIMES},
            grain_ms=1000,
            sync_ms=5_000,
            preset="simulated",
            recovery={persona.key: self.rng.randbytes(32)},
        )
        node = self.nodes[name] = Node(name, settings, persona, dials=list(dials), skew_ms=skew_ms)
        self.start(name)
        return node

    def start(self, name: str) -> None:
        """Start a node from its disk, and its links."""
        node = self.nodes[name]
        rng = random.Random(self.rng.getrandbits(64))
        node.engine = Engine(node.settings, [node.persona], rng, self.rng.randbytes, node.facts)
        for scope in node.engine.scopes():
            node.engine.load(scope, [one for one in node.records.values() if one.scope == scope])
        for listener in node.dials:
            self.link(name, listener)
        for dialler in self.nodes.values():
            if name in dialler.dials:
                self.link(dialler.name, name)
        self._plan(node)

    def crash(self, name: str) -> None:
        """kill -9: what is not on disk is gone, links break."""
        self.nodes[name].engine = None
        for one, other in list(self.links):
            if name in (one, other):
                self.unlink(one, other)

    def link(self, dialler: str, listener: str) -> None:
        """Connect two nodes that are up."""
        if self.nodes[dialler].engine is None or self.nodes.get(listener) is None:
            return
        if self.nodes[listener].engine is None or (dialler, listener) in self.links:
            return
        self.links[(dialler, listener)] = None
        self.handle(listener, PeerConnected(dialler, False))
        self.handle(dialler, PeerConnected(listener, True))

    def unlink(self, dialler: str, listener: str) -> None:
        """Break a link."""
        if self.links.pop((dialler, listener), 0) is None:
            self.handle(dialler, PeerDisconnected(listener))
            self.handle(listener, PeerDisconnected(dialler))

    # Running

    def ask(self, name: str, command: Any) -> Any:
        """What the engine replies to a local command; raises the CommandError it replies."""
        replies: list[Any] = []
        self.handle(name, Submit(1, command), replies)
        if isinstance(replies[0], CommandError):
            raise replies[0]
        return replies[0]

    def handle(self, name: str, event: Event, replies: list[Any] | None = None) -> None:
        """One event through one node's engine, and its effects in order: first the disk, then the world."""
        node = self.nodes[name]
        if node.engine is None:
            return
        for scope in node.engine.needs(event):
            node.engine.load(scope, [one for one in node.records.values() if one.scope == scope])
        try:
            effects = node.engine.handle(event, self.now + node.skew_ms)
        except Ignore:
            return
        except Reject as error:
            node.rejected.append((getattr(event, "peer", ""), error.code))
            return
        for effect in effects:
            match effect:
                case Store(record, own):
                    self._store(node, record, own)
                case Keep(fact, value):
                    node.facts[fact] = value
                    if not value:
                        del node.facts[fact]
        for effect in effects:
            self._speak(node, effect, replies)
        self._plan(node)

    def run(self, until_ms: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass until `done`, or until so many virtual ms have passed."""
        end = self.now + until_ms
        while not done():
            if not self._heap or self._heap[0][0] > end:
                self.now = end
                return done()
            at, _, name, event = heapq.heappop(self._heap)
            self.now = max(self.now, at)
            if isinstance(event, Tick):
                if self._ticks.get(name) != at:
                    continue
                del self._ticks[name]
            elif not self._linked(name, event):
                continue
            self.trace.append((self.now, name, type(event).__name__))
            self.handle(name, event)
        return True

    def _linked(self, name: str, event: Event) -> bool:
        peer = getattr(event, "peer", "")
        return (name, peer) in self.links or (peer, name) in self.links

    def _store(self, node: Node, record: Record, own: bool) -> None:
        node.records[record.id] = record
        key = record.header.slot_key
        if own and key is not None and record.header.slot is not None and record.header.slot.mode == "once":
            before = node.signed.setdefault(key, record.id)
            assert before == record.id, f"{node.name} signed twice in {key} (seed {self.seed})"

    def _speak(self, node: Node, effect: Any, replies: list[Any] | None) -> None:
        match effect:
            case Publish(record, peers):
                for peer in peers:
                    self._send(node.name, peer, RecordReceived(record, node.name))
            case Send(peer, message):
                self._send(node.name, peer, MessageReceived(node.name, message))
            case SendRecords(peer, _, ids):
                for one in ids:
                    if one in node.records:
                        self._send(node.name, peer, RecordReceived(node.records[one], node.name))
            case Reply(_, result):
                if replies is not None:
                    replies.append(result)
            case Drop(peer, code):
                node.rejected.append((peer, code))
            case Notify():
                node.notices.append(effect)
            case Compute(job, name, arguments):
                module, _, function = name.partition(".")
                result = getattr(import_module(f"protocol.{module}"), function)(*arguments)
                self.handle(node.name, Computed(job, result))

    def _send(self, sender: str, receiver: str, event: Event) -> None:
        if self.cut(sender, receiver) or self.rng.random() < self.faults.loss:
            return
        for one in self.tamper(sender, receiver, event):
            for _ in range(2 if self.rng.random() < self.faults.duplicate else 1):
                at = self.now + self.rng.randint(*self.faults.latency_ms)
                heapq.heappush(self._heap, (at, next(self._order), receiver, one))

    def _plan(self, node: Node) -> None:
        if node.engine is None or node.engine.deadline is None:
            return
        at = max(self.now + 1, node.engine.deadline - node.skew_ms)
        if self._ticks.get(node.name, at + 1) > at:
            self._ticks[node.name] = at
            heapq.heappush(self._heap, (at, next(self._order), node.name, Tick()))

    # Looking

    def digests(self, scope: str) -> dict[str, bytes]:
        """Digest by node, of those that follow a scope and are up."""
        found = {}
        for node in self.nodes.values():
            if node.engine is not None and scope in node.engine.scopes():
                found[node.name] = self.ask(node.name, ask.AskDigest(scope))["digest"]
        return found
