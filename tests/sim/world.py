"""A second driver of the engine: a heap for the network, a dict for the disk, one seed for everything.

It does what the mesh process and the daemon do, in virtual time: parse and verify, commit before speak, acknowledge
nothing that is not stored, forget what was not stored when a node dies. The faults are drawn by tests/sim/faults.py.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from node.worker import compute
from protocol import commands as ask
from protocol.coop.template import Template
from protocol.engine import Engine, Settings
from protocol.engine.silence import FACT, Keeping
from protocol.errors import CommandError, Ignore, Reject
from protocol.events import (
    Compute,
    Computed,
    Dial,
    Drop,
    Event,
    Hangup,
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
from protocol.params import INTEGER_MAX
from protocol.record.record import Record
from tests.known_terms import KNOWN
from tests.sim.faults import Crash, Faults
from tests.stages import another

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
REDIAL_MS = 5_000
OTHERS_UNSYNCED_MAX = 20  # batches of others' records that a power cut may take


@dataclass(frozen=True, slots=True)
class RawReceived:
    """Bytes as an adversary sent them; the receiver's mesh parses and verifies."""

    raw: bytes
    peer: str


Arriving = Event | RawReceived
Stored = Callable[["Node", Record, bool, Event], None]


def opened(node: Node, record: Record) -> Record:
    """What an envelope holds, as far as this node can read it; any other record is itself."""
    context = node.engine._core.contexts.get(record.scope) if node.engine is not None else None
    return context.book.inside(record, NETWORK) if context is not None else record


def shameless(node: Node) -> None:
    """An adversary does not take its own lies, when they come back, for those of a twin (KEP-15)."""
    fact = Keeping(alone_from=INTEGER_MAX).to_bytes()
    node.facts[FACT] = fact
    if node.engine is not None:
        node.engine._core.facts[FACT] = fact


def sealed(node: Node, envelope: Record, inner: Record) -> Record:
    """Another record in an envelope like one of a node's own, of the same epoch."""
    assert node.engine is not None
    header, epoch = inner.header, envelope.body["epoch"]
    body = node.engine._core.contexts[inner.scope].book.seal(epoch, node.persona.key, inner)
    made, end, kind = header.created, header.expires, envelope.kind
    return Record.sign(node.persona, NETWORK, kind, inner.scope, body, created=made, expires=end, refs=(epoch,))


def said(node: Node, kind: str) -> list[Record]:
    """What of a kind is on a node's disk, openly or in envelopes that it can read."""
    return [one for one in (opened(node, one) for one in node.records.values()) if one.kind == kind]


def _outside(node: Node, scope: str) -> bool:
    """Whether a node follows a co-op whose roster leaves it out, so that its room is closed to it."""
    core = node.engine._core if node.engine is not None else None
    context = core.contexts.get(scope) if core is not None else None
    if core is None or context is None or context.family != "coop":
        return False
    coop = context.coop(core.settings)
    inside = (*coop.joined, *coop.council.witnesses) if coop is not None and coop.roster else (node.persona.key,)
    return node.persona.key not in inside


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
    addresses: tuple[str, ...] = ()
    dialled: dict[str, None] = field(default_factory=dict)  # by effect Dial, which ends with the node's life
    skew_ms: int = 0
    notices: list[Notify] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    unsynced: list[list[bytes]] = field(default_factory=list)  # batches of others' records that a power cut may take
    doom: str = ""  # how the node dies at its next signature
    down_ms: int = 0
    life: int = 0
    acknowledged: list[bytes] = field(default_factory=list)  # ids of records that a command's reply named


class World:
    """Named nodes, links between them, and a clock that jumps from event to event."""

    def __init__(
        self,
        seed: int,
        templates: Iterable[Template],
        faults: Faults | None = None,
        times: Mapping[str, int] | None = None,
    ) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.faults = faults or Faults()
        self.templates = {one.hash: one for one in templates}
        self.times = dict(times or TIMES)
        self.now = START_MS
        self.nodes: dict[str, Node] = {}
        self.links: dict[tuple[str, str], None] = {}
        self.cut: Callable[[str, str], bool] = lambda sender, receiver: False
        self.tamper: Callable[[str, str, Event], Sequence[Arriving]] = lambda sender, receiver, event: [event]
        self.watchers: list[Stored] = []  # called with every record that any node stores
        self.sync_ms = 5_000
        self.verify = True  # off: what happens when nobody checks signatures
        self.speak_first = False  # on: what happens when a node speaks before it has committed
        self.trace: list[tuple[int, str, str]] = []
        self.events = 0
        self._heap: list[tuple[int, int, str, Arriving | Callable[[], None]]] = []
        self._order = count()
        self._ticks: dict[str, int] = {}

    # Building

    def add(
        self,
        name: str,
        role: str = "home",
        dials: Iterable[str] = (),
        skew_ms: int = 0,
        relays: Iterable[str] = (),
        delay_ms: int = 0,
        announces: bool = False,
    ) -> Node:
        """A new node that keeps links to `dials`, and chooses by itself among `relays`.

        `announces`: says where anybody may dial it; a relay that does takes part in the overlay.
        """
        persona = Persona.from_seed(self.rng.randbytes(32))
        settings = Settings(
            NETWORK,
            role,
            self.templates,
            {"simulated": self.times},
            grain_ms=1000,
            sync_ms=self.sync_ms,
            preset="simulated",
            recovery={persona.key: self.rng.randbytes(32)},
            relays=tuple(f"/ip4/127.0.0.1/tcp/4001/p2p/{one}" for one in relays),
            delay_ms=delay_ms,
            terms=KNOWN,
        )
        skew_ms = skew_ms or self.faults.skew_ms.get(name, 0)
        node = self.nodes[name] = Node(name, settings, persona, dials=list(dials), skew_ms=skew_ms)
        node.addresses = (f"/dns4/{name}.example/tcp/4001/p2p/{name}",) if announces else ()
        self.start(name)
        return node

    def start(self, name: str) -> None:
        """Start a node from its disk, and its links."""
        node = self.nodes[name]
        node.life, node.doom = node.life + 1, ""
        rng = random.Random(self.rng.getrandbits(64))
        faces = partial(another, node.persona)
        node.engine = Engine(node.settings, [node.persona], rng, self.rng.randbytes, node.facts, faces)
        for scope in node.engine.scopes():
            node.engine.load(scope, [one for one in node.records.values() if one.scope == scope])
        for listener in node.dials:
            self.link(name, listener)
        for dialler in self.nodes.values():
            if name in dialler.dials or name in dialler.dialled:
                self.link(dialler.name, name)
        self._plan(node)

    def crash(self, name: str, kind: str = "idle", down_ms: int = 0) -> None:
        """The node dies, now or at its next signature (see `Crash`), and is back after `down_ms` (0: when started)."""
        node = self.nodes[name]
        if node.engine is None:
            return
        node.down_ms = down_ms
        if kind in ("before commit", "before speech"):
            node.doom = kind
        else:
            self._die(node, kind == "power")

    def _die(self, node: Node, power: bool = False) -> None:
        node.engine, node.doom = None, ""
        node.dialled.clear()
        if power:
            for batch in node.unsynced[self.rng.randint(0, len(node.unsynced)) :]:
                for record_id in batch:
                    node.records.pop(record_id, None)
        node.unsynced.clear()
        for one, other in list(self.links):
            if node.name in (one, other):
                self.unlink(one, other)
        if node.down_ms:
            self.at(self.now + node.down_ms, lambda: self.start(node.name) if node.engine is None else None)

    def link(self, dialler: str, listener: str) -> None:
        """Connect two nodes that are up."""
        if self.nodes[dialler].engine is None or self.nodes.get(listener) is None:
            return
        if self.nodes[listener].engine is None or self._linked(dialler, listener):
            return
        self.links[(dialler, listener)] = None
        self.handle(listener, PeerConnected(dialler, False, self.nodes[dialler].addresses))
        self.handle(dialler, PeerConnected(listener, True, self.nodes[listener].addresses))

    def unlink(self, dialler: str, listener: str) -> None:
        """Break a link."""
        if (dialler, listener) in self.links:
            del self.links[(dialler, listener)]
            self.handle(dialler, PeerDisconnected(listener))
            self.handle(listener, PeerDisconnected(dialler))

    def _part(self, name: str, peer: str) -> None:
        self.unlink(name, peer)
        self.unlink(peer, name)

    def at(self, when: int, action: Callable[[], None]) -> None:
        """Do something at a time to come."""
        heapq.heappush(self._heap, (when, next(self._order), "", action))

    def begin_faults(self) -> None:
        """From now on partitions and crashes come as drawn."""
        opened = self.now
        for crash in self.faults.crashes:
            self.at(opened + crash.at, partial(self._crash_if_up, crash))

        def cut(sender: str, receiver: str) -> bool:
            since = self.now - opened
            return any(
                one.start <= since < one.end and sender in one.senders and receiver not in one.senders
                for one in self.faults.partitions
            )

        self.cut = cut

    def heal(self) -> None:
        """Nothing passing goes wrong any more, and everybody who was down is up."""
        self.faults = self.faults.healed()
        for name, node in self.nodes.items():
            node.doom = ""
            if node.engine is None:
                self.start(name)
        for name in self.nodes:
            self._redial(name)

    def _redial(self, name: str) -> None:
        """Be linked to whom the node dials, as far as they are there."""
        for listener in (*self.nodes[name].dials, *self.nodes[name].dialled):
            if listener in self.nodes:
                self.link(name, listener)

    def _crash_if_up(self, crash: Crash) -> None:
        if crash in self.faults.crashes:
            self.crash(crash.name, crash.kind, crash.down_ms)

    # Running

    def ask(self, name: str, command: Any) -> Any:
        """What the engine replies to a local command; raises the CommandError it replies.

        A node that dies before it answered has promised nothing: CommandError API-1.
        """
        replies: list[Any] = []
        self.handle(name, Submit(1, command), replies)
        if not replies:
            raise CommandError("API-1", "the node went down before it answered")
        if isinstance(replies[0], CommandError):
            raise replies[0]
        if isinstance(replies[0], dict) and "id" in replies[0] and "state" not in replies[0]:
            self.nodes[name].acknowledged.append(replies[0]["id"])
        return replies[0]

    def handle(self, name: str, event: Event, replies: list[Any] | None = None) -> None:
        """One event through one node's engine, and its effects in order: first the disk, then the world."""
        node = self.nodes[name]
        if node.engine is None:
            return
        self.events += 1
        for scope in node.engine.needs(event):
            node.engine.load(scope, [one for one in node.records.values() if one.scope == scope])
        try:
            effects = node.engine.handle(event, self.now + node.skew_ms)
        except Ignore:
            return
        except Reject as error:
            self._drop(node, getattr(event, "peer", ""), error.code)
            return
        signs = any(isinstance(effect, Store) and effect.own for effect in effects)
        if signs and node.doom == "before commit":
            if self.speak_first:
                self._speak_all(node, effects, replies)
            self._die(node)
            return
        self._commit(node, effects, event)
        if signs and node.doom == "before speech":
            self._die(node)
            return
        self._speak_all(node, effects, replies)
        self._plan(node)

    def _commit(self, node: Node, effects: Sequence[Any], event: Event) -> None:
        batch: list[bytes] = []
        durable = False
        for effect in effects:
            match effect:
                case Store(record, own):
                    durable = durable or own
                    batch.append(record.id)
                    node.records[record.id] = record
                    self.trace.append((self.now, node.name, record.id.hex()[:16]))
                    for watcher in self.watchers:
                        watcher(node, record, own, event)
                case Keep(fact, value):
                    durable = True
                    node.facts[fact] = value
                    if not value:
                        del node.facts[fact]
        if durable:
            node.unsynced.clear()
        elif batch:
            node.unsynced.append(batch)
            del node.unsynced[:-OTHERS_UNSYNCED_MAX]

    def _speak_all(self, node: Node, effects: Sequence[Any], replies: list[Any] | None) -> None:
        for effect in effects:
            self._speak(node, effect, replies)

    def _drop(self, node: Node, peer: str, code: str) -> None:
        """End the link to a peer that broke a rule; whoever dialled tries again after a while."""
        node.rejected.append((peer, code))
        for pair in ((node.name, peer), (peer, node.name)):
            if pair in self.links:
                self.unlink(*pair)
                self.at(self.now + REDIAL_MS, partial(self.link, *pair))

    def run(self, until_ms: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass until `done`, or until so many virtual ms have passed."""
        end = self.now + until_ms
        while not done():
            if not self._heap or self._heap[0][0] > end:
                self.now = end
                return done()
            at, _, name, event = heapq.heappop(self._heap)
            self.now = max(self.now, at)
            self._arrive(at, name, event)
        return True

    def _arrive(self, at: int, name: str, event: Arriving | Callable[[], None]) -> None:
        match event:
            case Tick():
                if self._ticks.get(name) != at:
                    return
                del self._ticks[name]
            case RecordReceived():
                pass  # also from one who died since: the bytes were on the wire
            case RawReceived() | MessageReceived():
                if not self._linked(name, event.peer):
                    return
            case _:
                assert callable(event)
                event()
                return
        self.trace.append((self.now, name, type(event).__name__))
        if isinstance(event, RawReceived):
            try:
                event = RecordReceived(Record.parse(event.raw, NETWORK, verified=not self.verify), event.peer)
            except Ignore:
                return
            except Reject as error:
                self._drop(self.nodes[name], event.peer, error.code)
                return
        self.handle(name, event)

    def _linked(self, name: str, peer: str) -> bool:
        return (name, peer) in self.links or (peer, name) in self.links

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
                self._drop(node, peer, code)
            case Dial(address):
                node.dialled[address.rpartition("/p2p/")[2]] = None
                self.at(self.now + self.rng.randint(*self.faults.latency_ms), partial(self._redial, node.name))
            case Hangup(peer):
                node.dialled.pop(peer, None)
                self.at(self.now, partial(self._part, node.name, peer))
            case Notify():
                node.notices.append(effect)
            case Compute(job, name, arguments):
                result = compute(name, arguments)
                life, took = node.life, self.rng.randint(1, 300)
                self.at(self.now + took, lambda: self._computed(node, life, Computed(job, result)))

    def _computed(self, node: Node, life: int, event: Computed) -> None:
        if node.life == life:
            self.handle(node.name, event)

    def _send(self, sender: str, receiver: str, event: Event) -> None:
        for one in self.tamper(sender, receiver, event):
            self.post(sender, receiver, one)

    def post(self, sender: str, receiver: str, event: Arriving) -> None:
        """Put something on the wire, with the wire's faults."""
        if self.cut(sender, receiver) or self.rng.random() < self.faults.loss:
            return
        slow = self.faults.slow_ms.get(sender, 0) + self.faults.slow_ms.get(receiver, 0)
        for _ in range(2 if self.rng.random() < self.faults.duplicate else 1):
            took = self.rng.randint(*self.faults.latency_ms) + slow
            took *= 10 if self.rng.random() < self.faults.reorder else 1
            heapq.heappush(self._heap, (self.now + took, next(self._order), receiver, event))

    def _plan(self, node: Node) -> None:
        deadline = node.engine.deadline if node.engine is not None else None
        if deadline is None:
            return
        at = max(self.now + 1, deadline - node.skew_ms)
        if self._ticks.get(node.name, at + 1) > at:
            self._ticks[node.name] = at
            heapq.heappush(self._heap, (at, next(self._order), node.name, Tick()))

    # Looking

    def digests(self, scope: str) -> dict[str, bytes]:
        """Digest by node, of those that follow a scope, may read it and are up."""
        found = {}
        for node in self.nodes.values():
            if node.engine is not None and scope in node.engine.scopes() and not _outside(node, scope):
                found[node.name] = self.ask(node.name, ask.AskDigest(scope))["digest"]
        return found
