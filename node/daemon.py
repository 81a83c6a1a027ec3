"""The one loop: inbox, engine, store, and only then the world.

Decides what is committed together and when it is spoken; never what a record means. Everything a person, a peer or a
clock does becomes an event here, and a node that is killed at any moment has promised nothing that it lost.
Spec: 14-store, STO-2, STO-5, STO-10 to STO-13.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol

from node.batch import Batch, named, parsed, plain, touched
from node.economy import Economy
from node.inbox import Inbox, Item
from node.measures import Measures
from node.mesh import MeshError, MeshEvent, Received
from node.outbox import Ack, Mesh, Outbox
from node.reachability import complete
from node.store import Store, StoreAway, StoreError
from node.upkeep import Upkeep
from protocol import events as ev
from protocol.commands import AddPeer, AskDigest, AskMesh, AskNumbers, AskPeers, AskPolicy, AskStatus
from protocol.engine.network.door import DOOR_KINDS
from protocol.errors import CommandError, Ignore, ProtocolError, Reject
from protocol.record.record import Record

COLLECT = (10_000, 20, 20)  # (g) what came stays: to look for garbage as often as Python does costs a fifth of the time
LOCAL_MAX = 1000  # (g) commands that wait
BATCH_RECORDS_MAX = 1000  # records after which a commit is due
BATCH_S_MAX = 0.05  # (g) time after which it is
TURN_S_MAX = 0.01  # (g) the longest the loop keeps the API and the mesh from theirs
NEEDS_ROUNDS_MAX = 16  # (g) contexts that lead to contexts
RETRY_MS = 5_000  # (g) between attempts to write on a disk that failed
WAKE_MS_MAX = 30_000  # (g) clocks jump, machines sleep
TICK_MS_MIN = 5  # (g) between two Ticks, whatever the engine wants
# Verdicts: STO-11; nothing more is carried; refs are unknown, so it is on no disk and not acknowledged as taken.
INTERNAL, FULL, WAITING = "INTERNAL", "STO-23", "GOS-6"
LOOKS = (AskStatus, AskNumbers, AskPolicy, AskPeers, AskMesh)  # answered from memory, whatever the disk does
OUR_FAULT = "an error of this program, not of yours; its log has the details"
STOPPING = "the node is stopping; ask again when it runs"

log = logging.getLogger(__name__)


class Engine(Protocol):
    """What the loop asks of protocol.engine."""

    @property
    def deadline(self) -> int | None: ...
    def scopes(self) -> tuple[str, ...]: ...
    def needs(self, event: ev.Event) -> tuple[str, ...]: ...
    def load(self, scope: str, rows: Iterable[Any]) -> None: ...
    def forget(self, scope: str) -> None: ...
    def recall(self, facts: Mapping[str, bytes]) -> None: ...
    def resident(self) -> tuple[str, ...]: ...
    def surplus(self) -> tuple[str, ...]: ...
    def carries(self, scope: str) -> bool: ...
    def asked(self) -> tuple[str, ...]: ...
    def ended(self, now: int) -> tuple[str, ...]: ...
    def handle(self, event: ev.Event, now: int) -> list[ev.Effect]: ...


class Daemon:
    """Engine, store and mesh of one node. `make_mesh` gets the function that takes the mesh's events."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        network: bytes,
        make_mesh: Callable[[Callable[[MeshEvent], Awaitable[None]]], Mesh],
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        economy: Economy | None = None,
        bytes_max: int = 0,
    ) -> None:
        self.mesh = make_mesh(self._arrived)
        self.trouble: StoreError | None = None  # why nothing can be written at present
        self.measures = Measures()
        self._economy = economy or Economy()
        self._outbox = Outbox(self.mesh, store, self._put)
        self._engine, self._store, self._network, self._clock = engine, store, network, clock
        self._now = 0
        self._retry_at = self._tick_at = 0  # no attempt to write, no Tick before
        self._inbox = Inbox()
        self._upkeep = Upkeep(store, engine, self.measures, self._time, self._put, bytes_max)
        self._again: list[Item] | None = None  # to be handled when the log can be read again; None: it can (STO-25)
        self._room = asyncio.Event()  # in the inbox, perhaps
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []  # the loop first
        self._stopping = False

    async def start(self) -> None:
        """Reads what the node takes part in, and starts the mesh. Raises StoreError, MeshError."""
        gc.set_threshold(*COLLECT)
        for scope in self._engine.scopes():
            await self._load(scope)
        await self.mesh.start()
        self._tasks = [asyncio.create_task(one) for one in self._jobs()]

    async def ended(self) -> None:
        """Waits until the node was stopped; raises StoreError when its log can no longer be read."""
        await asyncio.shield(self._tasks[0])

    async def stop(self) -> None:
        """Finishes what is being handled, answers who waits, and closes mesh and store."""
        self._stopping = True
        self._work.set()
        await asyncio.gather(*self._tasks[:1], return_exceptions=True)
        for task in self._tasks[1:]:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._outbox.fail_all(CommandError("STO-12", STOPPING))
        await self._outbox.stop()
        await self.mesh.stop()
        await self._store.close()

    async def submit(self, command: Any) -> Any:
        """What the engine answers, after the commit of what it signed. Raises CommandError."""
        if self._stopping or (self._tasks and self._tasks[0].done()):
            raise CommandError("STO-12", STOPPING)
        if len(self._inbox.people) >= LOCAL_MAX:
            raise CommandError("STO-12", f"{LOCAL_MAX} commands wait already; try again in a moment")
        if isinstance(command, AddPeer):
            await self._dial(command.address)  # which says what is wrong with it
        request, answer = self._outbox.expect()
        self._put(ev.Submit(request, command))
        result = await answer
        if isinstance(command, AskStatus | AskPeers | AskMesh | AskDigest) and isinstance(result, dict):
            wrong = self.trouble or self._store.lost
            trouble = wrong.message if wrong else self._upkeep.full
            return await complete(command, result, self.mesh, self._store, trouble, self._economy, self._time())
        return result

    @property
    def waiting(self) -> dict[str, int]:
        """Commands, and items and bytes of peers, that wait."""
        return self._inbox.depth()

    def subscribe(self) -> AsyncIterator[tuple[int, Mapping[str, Any]]]:
        """(sequence, {"topic", "detail"}) of every Notify from now on, see `Outbox.listen`."""
        return self._outbox.listen()

    @property
    def sequence(self) -> int:
        """Of the last notice, or of the last one that the node's former life can have given."""
        return self._outbox.sequence

    async def log(self, after: int, limit: int) -> list[Mapping[str, Any]]:
        """At most `limit` records of the log beyond position `after`, as plain maps."""
        return [plain(held) for held in await self._store.page(after, limit)]

    @property
    def last_position(self) -> int:
        """The newest position of the log."""
        return self._store.last_position

    async def _dial(self, address: str) -> None:
        try:
            await self.mesh.dial(address)
        except MeshError as error:
            raise CommandError("MSH-17", str(error)) from None

    async def _arrived(self, event: MeshEvent) -> None:
        """Takes one event of the mesh and never waits: who sends too much is paused by the mesh (MSH-30)."""
        if greedy := self._inbox.arrived(event):
            await self.mesh.drop(greedy, "")
        self._work.set()

    def _put(self, event: ev.Event) -> None:
        self._inbox.people.append(event)
        self._work.set()

    async def _rest(self) -> None:
        """Until there is something to do, or somebody's pause is over."""
        pause_us = self._inbox.wait_us(_now_us()) if self._again is None else None
        wait_ms: float = self._wait_ms()
        wait_ms = wait_ms if pause_us is None else min(wait_ms, pause_us / 1000)
        if wait_ms > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), wait_ms / 1000)

    def _wait_ms(self) -> int:
        due = self._engine.deadline
        if due is None:
            return WAKE_MS_MAX
        return max(0, min(max(due, self._retry_at, self._tick_at) - self._time(), WAKE_MS_MAX))

    def _time(self) -> int:
        """Unix ms; a clock that was set back stands still instead."""
        self._now = max(self._now, self._clock())
        return self._now

    async def _run(self) -> None:
        try:
            while not self._stopping:
                self._work.clear()
                await self._rest()
                await self._turn()
        except StoreError as error:
            log.critical("%s", error.message)
            self._outbox.fail_all(error)
            raise
        except Exception:
            log.exception("the loop ended")
            self._outbox.fail_all(CommandError(INTERNAL, OUR_FAULT))
            raise

    async def _turn(self) -> None:
        """Handles what waits, up to a batch; commits; speaks."""
        batch = Batch()
        try:
            if self._again is None or await self._sees(batch):
                await self._work_off(batch)
        except StoreAway as error:
            await self._go_blind(batch, error)
        self._room.set()

    async def _work_off(self, batch: Batch) -> None:
        if not self._wait_ms():
            self._tick_at = self._time() + TICK_MS_MIN
            batch.items.append(ev.Tick())
            await self._handle(ev.Tick(), batch)
        began = turn = time.monotonic()
        self._inbox.begin()
        while len(batch.stores) < BATCH_RECORDS_MAX and not batch.broken and time.monotonic() - began < BATCH_S_MAX:
            if (self.trouble and batch.items) or (item := self._inbox.take(_now_us())) is None:
                break
            batch.items.append(item)
            await self._take(item, batch)
            self._inbox.settle(_now_us())
            if time.monotonic() - turn > TURN_S_MAX:
                await asyncio.sleep(0)
                turn = time.monotonic()
        if batch.items:
            await self._settle(batch)
        for scope in self._engine.surplus():
            self._engine.forget(scope)
        for peer, size in self._inbox.let_go():
            await self.mesh.handled(peer, size)

    async def _take(self, item: Item, batch: Batch) -> None:
        if not isinstance(item, Received):
            await self._handle(item, batch)
        elif self.trouble and self._time() < self._retry_at:
            batch.speak.append(Ack(item.peer, item.batch, (self.trouble.code,) * len(item.raws)))
        else:
            read = [parsed(raw, self._network) for raw in item.raws]  # all first: the processor keeps to one thing
            verdicts = [await self._record(one, item.peer, batch) for one in read]
            unsure = [record_id for record_id, code in verdicts if not code and record_id not in batch.ids]
            held = await self._store.has(unsure)
            codes = tuple(code or ("" if one in batch.ids or one in held else WAITING) for one, code in verdicts)
            self.measures.verdicts.update(codes)
            batch.speak.append(Ack(item.peer, item.batch, codes))

    async def _record(self, record: Record | ProtocolError, peer: str, batch: Batch) -> tuple[bytes, str]:
        """Id of, and verdict's code on, one record of a peer, or what is wrong with it."""
        if isinstance(record, ProtocolError):
            if isinstance(record, Reject):
                batch.speak.append(ev.Drop(peer, record.code))
            return b"", record.code
        if record.scope in batch.broken:
            return record.id, INTERNAL
        if self._upkeep.full and self._engine.carries(record.scope):
            return record.id, FULL
        return record.id, await self._handle(ev.RecordReceived(record, peer), batch)

    async def _handle(self, event: ev.Event, batch: Batch) -> str:
        """Adds the effects of one event to the batch; returns the verdict's code, "" for accepted."""
        try:
            for _ in range(NEEDS_ROUNDS_MAX):
                if not (scopes := self._engine.needs(event)):
                    break
                for scope in scopes:
                    await self._load(scope)
            batch.add(self._engine.handle(event, self._time()))
            return ""
        except StoreError:
            raise
        except CommandError as error:
            verdict: ProtocolError = error
        except (Reject, Ignore) as error:
            verdict = error
        except Exception:
            log.exception("INTERNAL: handling failed: %s", named(event))
            batch.broken.update(dict.fromkeys(touched(event, self._engine.resident())))
            verdict = CommandError(INTERNAL, OUR_FAULT)
        match event:
            case ev.Submit(request):
                batch.speak.append(ev.Reply(request, verdict))
            case ev.RecordReceived(_, peer) | ev.MessageReceived(peer) if peer and isinstance(verdict, Reject):
                batch.speak.append(ev.Drop(peer, verdict.code))
        return verdict.code

    async def _settle(self, batch: Batch) -> None:
        """Commits, then speaks; or speaks nothing, reads everything again, and refuses (STO-5, STO-10)."""
        if batch.stores or batch.keep:
            began = time.monotonic()
            try:
                await self._store.append(batch.stores, batch.keep)
            except StoreError as error:
                await self._fail(batch, error)
                return
            self.measures.committed(time.monotonic() - began, len(batch.stores))
            if self.trouble:
                log.warning("the disk works again")
                self.trouble, self._retry_at = None, 0
        for scope in batch.broken:
            await self._reload(scope)
        await self._outbox.speak(batch.speak)

    async def _fail(self, batch: Batch, error: StoreError) -> None:
        log.error("%s", error.message)
        self.trouble = error
        self._retry_at = self._time() + RETRY_MS
        await self._read_anew()
        for item in batch.items:
            match item:
                case Received(peer, number, raws):
                    await self._outbox.speak([Ack(peer, number, (error.code,) * len(raws))])
                case ev.Tick():
                    pass  # due again at `_retry_at`
                case ev.Submit(request) if len(batch.items) == 1:
                    await self._outbox.speak([ev.Reply(request, error)])
                case _ if len(batch.items) > 1:  # may need no writing: alone it can be told
                    alone = Batch([item])
                    await self._handle(item, alone)
                    await self._settle(alone)

    async def _go_blind(self, batch: Batch, error: StoreError) -> None:
        """The log can be neither written nor read: refuse, keep what is no request, and try again (STO-25)."""
        log.error("%s", error.message)
        self.trouble, self._again = error, self._again or []
        self._retry_at = self._time() + RETRY_MS
        for item in batch.items:
            match item:
                case Received(peer, number, raws):
                    await self._outbox.speak([Ack(peer, number, (error.code,) * len(raws))])
                case ev.Submit():
                    await self._refuse(item, error)
                case ev.Tick():
                    pass
                case _:
                    self._again.append(item)

    async def _refuse(self, asked: ev.Submit, error: StoreError) -> None:
        """What is wrong can be asked for all the same."""
        alone = Batch()
        if isinstance(asked.command, LOOKS):
            alone.add(self._engine.handle(asked, self._time()))
        await self._outbox.speak(alone.speak or [ev.Reply(asked.request, error)])

    async def _sees(self, batch: Batch) -> bool:
        """Whether the log can be read again; then everything is read anew, and what was put off is done first."""
        again, trouble = self._again or [], self.trouble
        if self._time() < self._retry_at and trouble is not None:
            while self._inbox.people:
                item = self._inbox.people.popleft()
                if isinstance(item, ev.Submit):
                    await self._refuse(item, trouble)
                else:
                    again.append(item)
            return False
        await self._read_anew()
        log.warning("the log can be read again")
        self._again, self.trouble, self._retry_at = None, None, 0
        for one in again:
            batch.items.append(one)
            await self._take(one, batch)
        return True

    async def _read_anew(self) -> None:
        self._engine.recall(await self._store.facts())
        for scope in self._engine.resident():
            await self._reload(scope)

    async def _reload(self, scope: str) -> None:
        self._engine.forget(scope)
        await self._load(scope)

    async def _load(self, scope: str) -> None:
        store, carried = self._store, self._engine.carries(scope)
        self._engine.load(scope, await (store.to_carry(scope, DOOR_KINDS) if carried else store.by_scope(scope)))

    async def _watch(self) -> None:
        await self._economy.watch(self.mesh, self._store, self._time, self._put)

    def _jobs(self) -> tuple[Coroutine[Any, Any, None], ...]:
        others = self._upkeep.follow(self._inbox.share, self._room, self._work)
        return self._run(), self._upkeep.prune(), others, self._watch()


def _now_us() -> int:
    return time.monotonic_ns() // 1000
