"""What leaves the loop: records and messages to peers, answers to people, notices to pages, jobs to the worker.

Decides how an effect is carried out; never whether, and never before its batch is committed. Spec: 14-store, STO-10,
STO-13.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

from node.mesh import Measured, MeshError
from node.store import Store, StoreAway, StoreError
from node.worker import Worker
from protocol import events as ev
from protocol.errors import CommandError, ProtocolError

NOTICES_MAX = 1024  # per position of the log, and waiting for one listener

log = logging.getLogger(__name__)


class Mesh(Protocol):
    """What is asked of node.mesh."""

    peer_id: str
    addresses: list[str]
    announced: Sequence[str]
    pid: int
    restarts: int

    async def start(self) -> None: ...
    async def publish(self, peers: Sequence[str], raws: Sequence[bytes]) -> None: ...
    async def send(self, peer: str, message: bytes) -> None: ...
    async def dial(self, address: str, learned: bool = False) -> None: ...
    async def forget(self, peer: str) -> None: ...
    async def acknowledge(self, peer: str, batch: int, codes: Sequence[str]) -> None: ...
    async def handled(self, peer: str, size: int) -> None: ...
    async def drop(self, peer: str, code: str) -> None: ...
    async def measure(self) -> Measured | None: ...
    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to a batch of records, spoken in its place among the effects."""

    peer: str
    batch: int
    codes: tuple[str, ...]


Spoken = ev.Effect | Ack


class Outbox:
    """Carries effects out. `computed` takes the events of finished jobs back to the inbox."""

    def __init__(self, mesh: Mesh, store: Store, computed: Callable[[ev.Computed], None]) -> None:
        self.sequence = (store.last_position + 1) * NOTICES_MAX - 1  # of the last notice given
        self._mesh, self._store, self._computed = mesh, store, computed
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._requests = 0
        self._listeners: list[asyncio.Queue[tuple[int, Mapping[str, Any]]]] = []
        self._worker = Worker()
        self._jobs: dict[str, asyncio.Task[None]] = {}

    async def speak(self, effects: Sequence[Spoken]) -> None:
        """Carries effects out in order; records for the same peers that follow one another travel together."""
        for peers, run in groupby(effects, key=lambda effect: effect.peers if isinstance(effect, ev.Publish) else None):
            if peers is None:
                for effect in run:
                    await self._attempt(self._say(effect))
            elif peers:
                raws = [one.record.raw for one in run if isinstance(one, ev.Publish)]
                await self._attempt(self._mesh.publish(peers, raws))

    async def _attempt(self, speaking: Coroutine[Any, Any, None]) -> None:
        """One effect that fails takes no other with it; a disk that cannot be read ends the node."""
        try:
            await speaking
        except StoreAway as error:
            log.warning("%s", error.message)  # what was asked for will be asked for again
        except StoreError:
            raise
        except Exception:
            log.exception("INTERNAL: an effect could not be carried out")

    async def _say(self, effect: Spoken) -> None:
        match effect:
            case Ack(peer, number, codes):
                await self._mesh.acknowledge(peer, number, codes)
            case ev.Send(peer, message):
                await self._mesh.send(peer, message)
            case ev.SendRecords(peer, scope, ids):
                await self._mesh.publish((peer,), await self._store.get_raw(scope, ids))
            case ev.Drop(peer, code):
                log.warning("peer %s dropped: %s", peer, code)
                await self._mesh.drop(peer, code)
            case ev.Dial(address, trusted):
                try:
                    await self._mesh.dial(address, learned=not trusted)
                except MeshError as error:
                    log.info("not dialled: %s", error)
            case ev.Hangup(peer):
                await self._mesh.forget(peer)
            case ev.Reply(request, result):
                self._reply(request, result)
            case ev.Notify(topic, detail):
                self._notify({"topic": topic, "detail": detail})
            case ev.Compute(job, name, arguments):
                self._jobs[job] = asyncio.create_task(self._compute(job, name, arguments), name=f"job {job}")

    def _reply(self, request: int, result: Any) -> None:
        answer = self._answers.pop(request, None)
        if answer is not None and not answer.done():
            if isinstance(result, CommandError):
                answer.set_exception(result)
            elif isinstance(result, ProtocolError):  # a command that led to a record no node would take
                answer.set_exception(CommandError(result.code, result.message))
            else:
                answer.set_result(result)

    def fail_all(self, error: CommandError) -> None:
        """The same answer for everybody who waits."""
        for request in list(self._answers):
            self._reply(request, error)

    def _notify(self, notification: Mapping[str, Any]) -> None:
        self.sequence = max(self.sequence + 1, self._store.last_position * NOTICES_MAX)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()  # a listener this slow looks at everything again anyway
            queue.put_nowait((self.sequence, notification))

    async def _compute(self, job: str, name: str, arguments: tuple[Any, ...]) -> None:
        result = await self._worker.run(name, arguments)
        self._jobs.pop(job, None)
        self._computed(ev.Computed(job, result))

    def expect(self) -> tuple[int, asyncio.Future[Any]]:
        """A number for a request, and the future that its Reply will fill."""
        self._requests += 1
        answer = self._answers[self._requests] = asyncio.get_running_loop().create_future()
        return self._requests, answer

    async def listen(self) -> AsyncIterator[tuple[int, Mapping[str, Any]]]:
        """(sequence, {"topic", "detail"}) from the first step on. A sequence is 1024 times the log position and a
        running number, so it rises across restarts; `self.sequence` is the last one given."""
        queue: asyncio.Queue[tuple[int, Mapping[str, Any]]] = asyncio.Queue(NOTICES_MAX)
        self._listeners.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.remove(queue)

    async def stop(self) -> None:
        """Ends all jobs."""
        for task in list(self._jobs.values()):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._worker.stop()
