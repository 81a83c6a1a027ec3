"""The one door to the core: an event and the time go in, effects in order come out.

Decides nothing itself: it hands events to the parts and attends to what changed. Spec: 03-gossip, GOS-1.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

from protocol import commands as ask
from protocol.engine import ending, keeping, looking, queries, rest, seeking, silence, summary, taste, vanishing
from protocol.engine import personas as faces
from protocol.engine.context import Settings
from protocol.engine.coop import board
from protocol.engine.core import Core
from protocol.engine.deal import (
    answering,
    supplying,
)
from protocol.engine.network import (
    carry,
    departure,
    links,
    peering,
    post,
    reconcile,
    relays,
    share,
    spread,
    steward,
)
from protocol.engine.offices import ATTEND, COMMANDS, QUIETLY
from protocol.engine.personas import Derive
from protocol.errors import CommandError, Ignore, ProtocolError, Reject, Silent
from protocol.events import (
    Circumstances,
    Compute,
    Computed,
    Delivered,
    Effect,
    Event,
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
    RecordReceived,
    RecordShared,
    Reply,
    ScopesPruned,
    Submit,
    Tick,
)
from protocol.identity import Entropy, Persona
from protocol.network.gossip import (
    Answer,
    Compare,
    Compared,
    Fetch,
    Graft,
    Have,
    Prune,
    Subscribe,
    Sync,
    Unsubscribe,
    Want,
    parse_message,
)
from protocol.params import SETTLE_STEPS_MAX
from protocol.record.outline import Outline
from protocol.record.record import Record


class Engine:
    """A node's core. Not safe for several threads; every call is bounded."""

    def __init__(
        self,
        settings: Settings,
        personas: Iterable[Persona],
        rng: random.Random,
        entropy: Entropy,
        facts: Mapping[str, bytes] | None = None,
        derive: Derive | None = None,
    ) -> None:
        """`facts`: what Keep effects left on disk; `derive`: further personas of this home, by number.

        Load `scopes()` afterwards, before the first event.
        """
        self._core = Core(settings, personas, rng, entropy, derive)
        self._core.facts = dict(facts or {})
        faces.recall(self._core)
        relays.recall(self._core)
        peering.recall(self._core)
        steward.refresh(self._core)
        for name in sorted(self._core.facts):
            if name.startswith("scope/"):
                self._core.followed[name.removeprefix("scope/")] = None

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What this node signs with, the first persona's first."""
        return tuple(self._core.personas)

    def said(self) -> list[Record]:
        """Every record in memory that was signed here, envelopes opened, by when it was signed (KEP-20)."""
        logs = [context.log for context in self._core.contexts.values()]
        found = [one for log in logs for one in log.records.values() if one.author in self._core.personas]
        return sorted(found, key=lambda one: (one.header.created, one.id))

    def scopes(self) -> tuple[str, ...]:
        """The scopes this node follows for itself."""
        return tuple(scope for scope in self._core.followed if scope not in self._core.carried)

    def asked(self) -> tuple[str, ...]:
        """The scopes this node follows, for itself or for others."""
        return tuple(self._core.followed)

    def ended(self, now: int) -> tuple[str, ...]:
        """Co-ops and deals in memory that are over at `now` (STO-21)."""
        return ending.ended(self._core, now)

    def carried(self) -> tuple[str, ...]:
        """The scopes this node follows for others alone."""
        return tuple(self._core.carried)

    def needs(self, event: Event) -> tuple[str, ...]:
        """Scopes to `load` before this event is handled."""
        wanted: tuple[str, ...] = ()
        match event:
            case RecordReceived(record, _):
                if record.scope in self._core.contexts and not self._core.unread:
                    return ()  # nearly always
                known = record.scope in self._core.followed or post.carried(self._core, record.scope)
                wanted = (record.scope,) if known else ()
            case MessageReceived(_, message):
                wanted = self._named(message)
            case Submit(_, ask.AskDigest(scope)):
                wanted = (scope,)
            case _:
                pass
        absent = (scope for scope in wanted if scope not in self._core.contexts and scope not in self._core.shelves)
        return tuple(dict.fromkeys((*self._core.unread, *absent)))

    def carries(self, scope: str) -> bool:
        """Whether outlines are enough to `load` this scope: others follow it through this node, it takes no part."""
        relays_it = self._core.settings.role == "relay" and scope not in self._core.followed
        return scope in self._core.carried or relays_it

    def load(self, scope: str, rows: Iterable[Record | Outline]) -> None:
        """Fill a scope from the log: with whole records, unless it is only carried."""
        core = self._core
        if self.carries(scope):
            carry.load(core, scope, rows)
        else:
            records = [one for one in rows if isinstance(one, Record)]
            if core.settings.role == "relay" and scope.startswith(("coop/", "deal/")):
                carry.judge(core, scope, records)
            else:
                core.load(scope, records)
        core.unread.pop(scope, None)

    def forget(self, scope: str) -> None:
        """Drop a scope from memory; it is loaded again when an event needs it."""
        carry.forget(self._core, scope)
        self._core.contexts.pop(scope, None)
        self._core.dirty.pop(scope, None)
        self._core.agenda.set(scope, None)

    def recall(self, facts: Mapping[str, bytes]) -> None:
        """Go back to the facts on disk: the Keeps of a batch that could not be committed never happened."""
        self._core.facts = dict(facts)
        self._core.shop = None
        self._core.held.clear()  # some of it may never have been committed; reconciliation brings the rest
        relays.recall(self._core)
        steward.refresh(self._core)

    def resident(self) -> tuple[str, ...]:
        """The scopes in memory, those attended to longest ago first."""
        return (*self._core.shelves, *self._core.contexts)

    def surplus(self) -> tuple[str, ...]:
        """The scopes to `forget` now, so that what is only carried takes no more memory than it may."""
        return carry.surplus(self._core)

    def digest(self, scope: str) -> bytes:
        """A hash that every node with the same records of a scope shares."""
        found: bytes = queries.digest(self._core, ask.AskDigest(scope))["digest"]
        return found

    @property
    def deadline(self) -> int | None:
        """When a Tick is wanted (Unix ms): at once while something waits to be attended to."""
        core = self._core
        if core.dirty or core.unread:
            return core.now
        times = [core.next_sync] if core.neighbours else []
        others = [core.agenda.first, relays.deadline(core), reconcile.deadline(core), departure.deadline(core)]
        others += [keeping.deadline(core), vanishing.deadline(core)]
        others += [core.broadcast.deadline, core.overlay.deadline]
        times += [one for one in others if one is not None]
        return min(times, default=None)

    def handle(self, event: Event, now: int) -> list[Effect]:
        """The effects of one event. Raises Ignore or Reject for a neighbour's input, and then nothing has changed."""
        core = self._core
        core.now, core.out = now, []
        relays.heard(core)
        match event:
            case RecordReceived(record, peer):
                core.receive(record, peer)
            case RecordShared(record):
                share.shared(core, record)
            case ScopesPruned(scopes):
                ending.pruned(core, scopes)
            case MessageReceived(peer, message):
                self._message(peer, message)
            case PeerConnected(peer, outbound, addresses, host):
                links.connected(core, peer, outbound, addresses, host)
            case PeerDisconnected(peer):
                links.disconnected(core, peer)
            case Delivered(peer, count):
                reconcile.delivered(core, peer, count)
            case Submit(request, command):
                self._submit(request, command)
            case Tick():
                self._tick()
            case Circumstances() as news:
                rest.changed(core, news)
            case Computed(job, result):
                parts = (taste.fitted, looking.looked, supplying.chosen, answering.solved)
                if not any(part(core, job, result) for part in parts):
                    board.formed(core, job, result)
        return core.out

    def _named(self, message: bytes) -> tuple[str, ...]:
        """The scopes a message is about, as far as this node would act on them."""
        try:
            parsed = parse_message(message)
        except Reject:
            return ()
        match parsed:
            case Sync(scope, _) if self._core.settings.role == "relay":
                return (scope,)
            case Sync(scope, _) | Answer(scope, _) | Want(scope, _) | Fetch(scope, _):
                return (scope,) if scope in self._core.followed else ()
            case Have(scope, _) | Graft(scope, _):
                return (scope,) if scope in self._core.followed else ()
            case _:
                return ()

    def _message(self, peer: str, data: bytes) -> None:
        core = self._core
        neighbour = core.neighbours.get(peer)
        if neighbour is None:
            raise Ignore("GOS-3", "message: from a peer that is not connected")
        match parse_message(data):
            case Sync(scope, _) | Want(scope, _) | Fetch(scope, _) if not steward.serves(core, neighbour, scope):
                pass  # REL-5, REL-6
            case Subscribe(scopes):
                links.subscribed(core, neighbour, scopes)
            case Unsubscribe(scopes):
                links.unsubscribed(core, neighbour, scopes)
            case Sync(scope, message):
                answer = reconcile.answer(core, scope, message)  # before anything changes, for it may be refused
                links.subscribed(core, neighbour, (scope,))  # GOS-4: its subscribe may have been lost
                if scope in core.followed:
                    core.send(peer, answer)
            case Answer(scope, message):
                reconcile.go_on(core, neighbour, scope, message)
            case Want(scope, ids):
                reconcile.give(core, neighbour, scope, ids)
            case Fetch() as fetch:
                reconcile.serve(core, neighbour, fetch)
            case Have() | Graft() | Prune() as message:
                spread.heard(core, neighbour, message)
            case Compare(message):
                summary.answer(core, neighbour, message)
            case Compared(message):
                summary.go_on(core, neighbour, message)
            case greeting:
                peering.heard(core, neighbour, greeting)

    def _submit(self, request: int, command: Any) -> None:
        core = self._core
        run = COMMANDS.get(type(command))
        result: Any
        try:
            if run is None:
                raise CommandError("API-1", f"command: {type(command).__name__} is not known to this node")
            result = run(core, command)
        except ProtocolError as error:  # what was signed before it stands: disk and memory never differ
            result = error if isinstance(error, CommandError) else CommandError(error.code, error.message)
        if isinstance(result, taste.Later):
            core.out.append(Compute(f"fit {request} {result.about}", "coop.preference.fit", result.arguments))
        elif isinstance(result, looking.Later):
            core.out.append(Compute(f"look {request} {result.about}", "trust.view.view", result.arguments))
        else:
            core.out.append(Reply(request, result))

    def _tick(self) -> None:
        core = self._core
        departure.depart(core)
        keeping.attend(core)
        seeking.attend(core)
        vanishing.attend(core)
        spread.attend(core)
        peering.attend(core)
        if core.relays.wake <= core.now:
            core.relays.resting = rest.resting_until(core)
            relays.choose(core)
        core.dirty.update(dict.fromkeys(core.agenda.take(core.now)))
        if core.neighbours and core.now >= core.next_sync:
            for neighbour in core.neighbours.values():
                if neighbour.outbound:  # GOS-4
                    reconcile.begin_all(core, neighbour)
            post.chase(core)
            jitter = core.rng.randrange(max(1, core.settings.sync_ms // 4))
            core.next_sync = core.now + core.settings.sync_ms + jitter
        reconcile.attend(core)
        for _ in range(SETTLE_STEPS_MAX):
            if not core.dirty:
                return
            scope = next(iter(core.dirty))
            del core.dirty[scope]
            resident = core.contexts.get(scope)
            if resident is None or scope not in core.followed:
                core.agenda.set(scope, None)
                continue
            resident.wake = None
            resident.expire(core.now)
            core.states.pop(scope, None)
            for attend in (QUIETLY if silence.is_quiet(core) else ATTEND).get(resident.family, ()):
                try:
                    attend(core, resident)
                except Silent:  # KEP-11: what it would have signed is left, and what it signed before stands
                    continue
            core.agenda.set(scope, resident.wake)
