"""The daemon's side of the mesh: its verbs, a stream of events, and a child process that may die at any time.

Decides when the child is started again, and what of its state it is given back; knows nothing of libp2p, and nothing of
records beyond their bytes. Spec: 03-mesh, MSH-16.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import IO

import node
from node.mesh.bridge import (
    BRIDGE_BYTES_MAX,
    Acknowledge,
    Command,
    Connected,
    Dial,
    Disconnected,
    Drop,
    Failed,
    Forget,
    Handled,
    Item,
    Limits,
    Measure,
    Measured,
    MeshEvent,
    Publish,
    Ready,
    Restarted,
    Send,
    Start,
    encode_item,
    parse_item,
)
from node.mesh.reach import near, refused
from node.mesh.wire import FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, Splitter, parse_address
from protocol.errors import Reject

_START_S_MAX = 60.0  # (g) on a machine where dozens start at once
_STOP_S_MAX = 2.0
_MEASURE_S_MAX = 2.0  # (g)
_RESTART_S_FIRST, _RESTART_S_MAX = 0.1, 30.0  # (g)
_SETTLED_S = 10.0  # (g) a child that lived so long may be restarted at once again
_MEMORY_CHECK_S = 5.0
_STUCK_S_MAX = 30.0  # (g)
_PUBLISH_RECORDS_MAX = 1000
_READ_BYTES = 1 << 18
_UNWRITTEN_BYTES_MAX = 1 << 16  # beyond which a command waits until the process reads on
_ADDRESSES_MAX = 1024  # (g)
_LEARNED_MAX = 64  # (g)
_LOG = logging.getLogger("wltm.mesh.client")
_ANY_PORT = re.compile(r"(/tcp)/\d+")


class MeshError(Exception):
    """The mesh cannot start or an address cannot be dialled; one sentence says why."""


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """`key_seed` is the 32-byte Ed25519 seed of the PeerId; `listen` holds multiaddrs, none for a home node."""

    network: bytes
    key_seed: bytes = field(repr=False)
    listen: tuple[str, ...] = ()
    log_path: Path | None = None
    limits: Limits = field(default_factory=Limits)
    announce: tuple[str, ...] = ()  # where peers are told that anybody may dial us, without /p2p/
    before: tuple[str, ...] = ()  # where it listened last time: the ports that peers remember (MSH-17)


class MeshClient:
    """One mesh process, started again whenever it ends. Events arrive one at a time, in order, through `on_event`."""

    def __init__(self, config: MeshConfig, on_event: Callable[[MeshEvent], Awaitable[None]]) -> None:
        self.peer_id = ""
        self.addresses: list[str] = []
        self.pid = 0
        self.restarts = 0
        self.announced: Sequence[str] = config.announce
        self._config, self._on_event = config, on_event
        self._listen = config.before if _same_doors(config.listen, config.before) else config.listen
        self._dialled: dict[str, bool] = {}  # address → whether a stranger named it
        self._connected: dict[str, None] = {}
        self._child: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._unwritten = bytearray()  # commands of this turn of the loop, which travel together
        self._supervisor: asyncio.Task[None] | None = None
        self._measured: asyncio.Future[Measured] | None = None

    async def start(self) -> None:
        """Start the process and wait until it listens. Raises MeshError."""
        try:
            items = await self._spawn()
        except MeshError:
            if self._listen == self._config.listen:
                raise
            self._listen = self._config.listen  # the ports of last time are somebody else's now
            items = await self._spawn()
        self._supervisor = asyncio.create_task(self._supervise(items), name="mesh")

    async def publish(self, peers: Sequence[str], raws: Sequence[bytes]) -> None:
        """Queue whole records to each of these peers; to a peer that is not connected, nothing is sent."""
        there = tuple(peer for peer in peers if peer in self._connected)
        if there:
            for some in _portions(raws):
                await self._command(Publish(there, some))

    async def send(self, peer: str, message: bytes) -> None:
        """Queue one message. It may overtake records that wait for credit; nothing is sent to who is not connected."""
        if len(message) > MESSAGE_BYTES_MAX:
            raise ValueError(f"a message of {len(message)} bytes, at most {MESSAGE_BYTES_MAX}")
        if peer in self._connected:
            await self._command(Send(peer, message))

    async def dial(self, address: str, learned: bool = False) -> None:
        """Be connected to this address from now on, whatever happens in between. Raises MeshError.

        `learned`: a stranger named it, so it may lead only where strangers may send us, and is given up after a while.
        """
        try:
            found = parse_address(address)
        except Reject as error:
            raise MeshError(error.message) from None
        if not found.peer:
            raise MeshError(f"the address {address} lacks /p2p/ and the peer's id")
        learned = learned and self._dialled.get(address, True)
        if learned and (why := refused(found.host, found.port, self._near())):
            raise MeshError(f"the address {address} is not dialled: {why}")
        if self._dialled.get(address) is not learned:
            most = _LEARNED_MAX if learned else _ADDRESSES_MAX
            if sum(one is learned for one in self._dialled.values()) >= most:
                raise MeshError(f"{most} addresses are dialled already")
            self._dialled[address] = learned
        await self._command(self._dial(address))  # again: the process may have given it up

    async def forget(self, peer: str) -> None:
        """Dial this peer no more, at whatever address, and part from it."""
        for address in [one for one in self._dialled if parse_address(one).peer == peer]:
            del self._dialled[address]
        await self._command(Forget(peer))

    def _near(self) -> tuple[str, ...]:
        chosen = (one for one, learned in self._dialled.items() if not learned)
        return near([*self._config.listen, *self._config.announce, *chosen])

    def _dial(self, address: str) -> Dial:
        return Dial(address, self._near() if self._dialled[address] else ())

    async def acknowledge(self, peer: str, batch: int, codes: Sequence[str]) -> None:
        """Answer a `Received` after the commit: one code per record, "" for taken."""
        if peer in self._connected:
            await self._command(Acknowledge(peer, batch, tuple(codes)))

    async def handled(self, peer: str, size: int) -> None:
        """Messages of this peer that weighed so much have been dealt with (MSH-30)."""
        if peer in self._connected:
            await self._command(Handled(peer, size))

    async def measure(self) -> Measured | None:
        """How every connection fares; None when the process does not say in time."""
        if self._measured is None or self._measured.done():
            self._measured = asyncio.get_running_loop().create_future()
            await self._command(Measure())
        try:
            return await asyncio.wait_for(asyncio.shield(self._measured), _MEASURE_S_MAX)
        except TimeoutError:
            self._measured = None
            return None

    async def drop(self, peer: str, code: str) -> None:
        """Close the connection to this peer; with a code, refuse it for a while."""
        await self._command(Drop(peer, code))

    async def stop(self) -> None:
        """End the process and wait for it. No event comes afterwards."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
            self._supervisor = None
        await self._reap(_STOP_S_MAX)

    async def _spawn(self) -> AsyncIterator[Item]:
        ours, theirs = socket.socketpair()
        try:
            with self._log_file() as log:
                self._child = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "node.mesh.process", str(theirs.fileno())),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=log,
                    env=_environment(),
                )
        except OSError as error:
            ours.close()
            raise MeshError(f"the mesh process cannot be started: {error}") from None
        finally:
            theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=2 * BRIDGE_BYTES_MAX)
        config = self._config
        limits = tuple(astuple(config.limits))
        try:
            start = Start(config.network, config.key_seed, self._listen, os.getpid(), limits, config.announce)
            await self._command(start)
            items = _items(reader)
            first = await asyncio.wait_for(anext(items), _START_S_MAX)
        except (TimeoutError, StopAsyncIteration, OSError):
            first = Failed("it ended before it was ready; its log says why")
        if not isinstance(first, Ready):
            await self._reap(0)
            raise MeshError(f"the mesh did not start: {first.reason if isinstance(first, Failed) else 'not ready'}")
        self.pid = self._child.pid
        self.peer_id, self.addresses = first.peer, list(first.addresses)
        self._listen = tuple(address.partition("/p2p/")[0] for address in first.addresses)  # the same ports again
        for address in self._dialled:
            await self._command(self._dial(address))
        return items

    async def _supervise(self, items: AsyncIterator[Item]) -> None:
        wait_s = _RESTART_S_FIRST
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            watch = asyncio.create_task(self._watch_memory(), name="mesh memory")
            try:
                await self._pump(items)
            finally:
                watch.cancel()
            await self._reap(0)
            for peer in list(self._connected):
                await self._tell(Disconnected(peer, "the mesh process ended"))
            if clock() - began > _SETTLED_S:
                wait_s = _RESTART_S_FIRST
            items = await self._respawn(wait_s)
            wait_s = min(2 * wait_s, _RESTART_S_MAX)
            self.restarts += 1
            await self._tell(Restarted())

    async def _respawn(self, wait_s: float) -> AsyncIterator[Item]:
        while True:
            await asyncio.sleep(wait_s)
            try:
                return await self._spawn()
            except MeshError as error:
                _LOG.warning("%s", error)
                wait_s = min(2 * wait_s, _RESTART_S_MAX)

    async def _pump(self, items: AsyncIterator[Item]) -> None:
        """Hand on events until the process is gone."""
        with contextlib.suppress(OSError):
            try:
                async for item in items:
                    if isinstance(item, MeshEvent):
                        await self._tell(item)
                    elif isinstance(item, Measured) and self._measured is not None and not self._measured.done():
                        self._measured.set_result(item)
            except Reject as error:
                _LOG.warning("%s", error)

    async def _tell(self, event: MeshEvent) -> None:
        if isinstance(event, Connected):
            self._connected[event.peer] = None
        elif isinstance(event, Disconnected):
            self._connected.pop(event.peer, None)
        await self._on_event(event)

    async def _command(self, command: Command) -> None:
        """Write one command. Without a process it is lost, as its connections are; `dial` is given again."""
        if self._writer is None:
            return
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unwritten += encode_item(command)
        if len(self._unwritten) + self._writer.transport.get_write_buffer_size() > _UNWRITTEN_BYTES_MAX:
            self._flush()
            with contextlib.suppress(OSError):
                await self._drained(self._writer)

    async def _drained(self, writer: asyncio.StreamWriter) -> None:
        """Until the process reads on; one that does not, since it hangs or was stopped, is ended: the node waits."""
        try:
            async with asyncio.timeout(_STUCK_S_MAX):
                await writer.drain()
        except TimeoutError:
            if self._child is not None and writer is self._writer:
                _LOG.warning("the mesh process has read nothing for %d s and is started again", _STUCK_S_MAX)
                self._child.kill()

    def _flush(self) -> None:
        commands, self._unwritten = self._unwritten, bytearray()
        if commands and self._writer is not None:
            self._writer.write(commands)

    async def _reap(self, patience_s: float) -> None:
        """Close the socket, which ends the process; kill it after `patience_s`."""
        self._flush()
        writer, self._writer = self._writer, None
        child, self._child = self._child, None
        if writer is not None:
            writer.close()
        if child is not None:
            try:
                await asyncio.wait_for(child.wait(), patience_s)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()

    async def _watch_memory(self) -> None:
        """Kill a process that grew past its limit in spite of it. Linux only: elsewhere the limit itself must do."""
        page = os.sysconf("SC_PAGE_SIZE") if sys.platform == "linux" else 0
        while page:
            await asyncio.sleep(_MEMORY_CHECK_S)
            try:
                resident = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * page
            except (OSError, IndexError):
                return
            if resident > self._config.limits.memory_bytes_max and self._child is not None:
                _LOG.warning("the mesh process uses %d MiB and is started again", resident >> 20)
                self._child.kill()
                return

    @contextlib.contextmanager
    def _log_file(self) -> Iterator[IO[bytes] | int]:
        if self._config.log_path is None:
            yield asyncio.subprocess.DEVNULL
        else:
            with self._config.log_path.open("ab") as log:
                yield log


async def _items(reader: asyncio.StreamReader) -> AsyncIterator[Item]:
    """What the process says, until it ends. Raises Reject, OSError."""
    splitter = Splitter(BRIDGE_BYTES_MAX)
    while data := await reader.read(_READ_BYTES):
        for body in splitter.feed(data):
            yield parse_item(body)


def _same_doors(listen: Sequence[str], before: Sequence[str]) -> bool:
    """Whether `before` is what any free port of `listen` came to last time."""
    pairs = zip(listen, before, strict=False)
    return len(listen) == len(before) and all(one == _ANY_PORT.sub(r"\1/0", two) or one == two for one, two in pairs)


def _environment() -> dict[str, str]:
    """Ours, with this very checkout first on the path, and one malloc arena for all threads but one."""
    root = str(Path(node.__file__).resolve().parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MALLOC_ARENA_MAX": "2"}


def _portions(raws: Sequence[bytes]) -> Iterator[tuple[bytes, ...]]:
    """`raws` in order, in tuples that each fit a frame of the bridge."""
    some: list[bytes] = []
    size = 0
    for raw in raws:
        if some and (len(some) >= _PUBLISH_RECORDS_MAX or size + len(raw) > FRAME_BYTES_MAX // 2):
            yield tuple(some)
            some, size = [], 0
        some.append(raw)
        size += len(raw)
    if some:
        yield tuple(some)
