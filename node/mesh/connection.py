"""One connection in the mesh process: the tasks that move its bytes between socket, `Link` and daemon.

Decides when bytes move; every rule about them is in `link` and `hardening`. Nothing a peer does may end a task that
serves another: each task runs inside `_minded`, which turns whatever is raised into the reason that this connection
closed. Spec: 03-mesh, MSH-3, MSH-11, MSH-13 and MSH-14.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from node.mesh import hardening
from node.mesh.bridge import Acknowledged, Connected, MeshEvent, Report, weight
from node.mesh.link import Link
from node.mesh.muxer import Muxer, Stream
from protocol.errors import Reject

PROTOCOL = "/wltm/mesh/1"  # MSH-3
READ_BYTES = 1 << 18
_WRITE_BYTES = 1 << 18
_REPORT_BYTES = 1 << 15  # (g) an event so heavy is told before the next frame is looked at: others get their turn
_PARTING_S = 0.5  # (g) to get a GOODBYE out
_LOG = logging.getLogger("wltm.mesh")


class House(Protocol):
    """What a connection asks of the process it lives in."""

    upgrade_s: float

    async def report(self, *reports: Report) -> None: ...
    async def admit(self, connection: Connection) -> bool: ...
    def blame(self, peer: str, ticket: int) -> None: ...


class Connection:
    """One secured connection and, once its stream is open, the link on it; ends with `scope`."""

    def __init__(self, house: House, muxer: Muxer, link: Link, scope: trio.CancelScope, ticket: int) -> None:
        self.link, self.scope, self.ticket = link, scope, ticket
        self.room = trio.Event()  # for more of this peer's in the daemon
        self.gone = trio.Event()
        self.announced = False  # the daemon knows of this connection
        self.reason = ""
        self._house, self._muxer = house, muxer
        self._stream: Stream | None = None
        self._opened = trio.Event()
        self._parted = trio.Event()
        self._parting = False
        self._waiting = False  # for the daemon, not for the peer

    def stir(self) -> None:
        """The link may have something to send."""
        if self.link.ready:
            self._muxer.wake.set()

    def close(self, reason: str, code: str = "") -> None:
        """Begin to close, with a GOODBYE; the first reason given stays."""
        self.reason = self.reason or reason
        if not self._parting:
            self._parting = True
            self.link.part(code)
            self.stir()
            self.scope.deadline = min(self.scope.deadline, trio.current_time() + _PARTING_S)

    async def converse(self) -> None:
        """Serve the connection until it ends."""
        async with trio.open_nursery() as nursery:

            async def mux() -> None:
                await self._muxer.run(lambda stream: nursery.start_soon(self._answer, stream))
                self._parted.set()  # nothing more can be said

            for task in (mux, self._open, self._read, self._write, self._watch):
                nursery.start_soon(self._minded, nursery.cancel_scope, task)

    async def _minded(self, scope: trio.CancelScope, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task of a connection; when it ends, for whatever cause, so does the connection."""
        try:
            await task()
            if task == self._open:
                return
        except MemoryError:
            hardening.end_for_memory()
        except Reject as fault:  # MSH-14
            self._house.blame(self.link.peer, self.ticket)
            self.close(f"{fault.code} {fault.message}", fault.code)
        except TimeoutError as silence:
            self.reason = self.reason or f"MSH-11 {silence}"
        except Exception as error:
            self.reason = self.reason or f"{type(error).__name__} {error}".strip()
        if self._parting and task != self._write:
            await self._parted.wait()
        scope.cancel()

    async def _answer(self, stream: Stream) -> None:
        """Agree on the protocol of a stream that the peer opened; all but the one we wait for are refused (MSH-3)."""
        with trio.move_on_after(self._house.upgrade_s):
            try:
                wanted = not self.link.outbound and self._stream is None
                await hardening.answer(stream, *([PROTOCOL] if wanted else []))
                if self._stream is None:
                    self._begin(stream)
                    return
            except MemoryError:
                hardening.end_for_memory()
            except Exception as error:
                _LOG.debug("%s: stream refused: %s", self.link.peer, error)
        stream.reset()

    async def _open(self) -> None:
        if self.link.outbound:
            stream = self._muxer.open()
            await hardening.ask(stream, PROTOCOL)
            self._begin(stream)

    def _begin(self, stream: Stream) -> None:
        self._stream = stream
        self._opened.set()
        self.stir()

    async def _read(self) -> None:
        await self._opened.wait()
        link, stream = self.link, self._stream
        assert stream is not None
        while link.farewell is None:
            data = await stream.read(READ_BYTES)
            if not data:
                break
            events: list[MeshEvent] = []
            try:
                for event in link.feed(data, now_ms()):
                    if event is None:
                        await trio.lowlevel.checkpoint()
                        continue
                    if type(event) is Connected and not await self._house.admit(self):
                        return
                    _append(events, event)
                    if weight(event) > _REPORT_BYTES:
                        await self._report(events)
            except Reject:
                await self._house.report(*events)  # what came before the fault was none
                raise
            await self._report(events)
            link.excuse(now_ms())
            self.stir()
        self.reason = self.reason or f"{link.farewell or ''} closed by the peer".strip()

    async def _report(self, events: list[MeshEvent]) -> None:
        """Tell the daemon, and rest while it has enough of this peer's."""
        self._waiting = True
        if events:
            await self._house.report(*events)
            events.clear()
        while self.link.full:  # MSH-30
            self.room = trio.Event()
            await self.room.wait()
        self._waiting = False

    async def _write(self) -> None:
        muxer = self._muxer
        while True:
            muxer.wake = trio.Event()
            parting, stream = self._parting, self._stream
            if stream is not None and stream.clear and self.link.ready:
                stream.put(self.link.pull(_WRITE_BYTES))
            if data := muxer.pull():
                await muxer.line.write(data)
            elif parting and (stream is None or stream.clear):
                break
            else:
                await muxer.wake.wait()
        self._parted.set()

    async def _watch(self) -> None:
        await self._opened.wait()
        while True:
            if self._waiting:
                self.link.excuse(now_ms())
            due_ms = self.link.tick(now_ms())
            self.stir()
            await trio.sleep(max(due_ms - now_ms(), 10) / 1000)


def _append(events: list[MeshEvent], event: MeshEvent) -> None:
    """ACKs travel together (MSH-8), and so do the reports of them."""
    last = events[-1] if events else None
    if isinstance(event, Acknowledged) and isinstance(last, Acknowledged):
        events[-1] = Acknowledged(event.peer, event.batch, last.codes + event.codes)
    else:
        events.append(event)


def now_ms() -> int:
    """A steadily rising count of milliseconds."""
    return int(trio.current_time() * 1000)
