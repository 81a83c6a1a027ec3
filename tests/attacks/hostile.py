"""A peer that keeps the protocol exactly as far as an attack needs it to: raw sockets, real Noise, hand-made yamux.

And the place of the attacks: a real mesh process, an honest peer beside it, and what must still be true afterwards.
"""

from __future__ import annotations

import asyncio
import os
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.noise.transport import Transport

from node.mesh import Disconnected, Limits
from node.mesh.wire import Frame, Hello, Splitter, encode_frame, parse_address, parse_frame
from tests.towns import LOOPBACK, NETWORK, PATIENCE_S, Villager

DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
MULTISTREAM = "/multistream/1.0.0"
PROTOCOL = "/wltm/mesh/1"
HELLO = Hello(1, NETWORK, {"credit": 1024})
LIMITS = Limits(
    ping_interval_ms=1_000, silence_ms_max=6_000, upgrade_ms_max=3_000, ban_ms=3_000, faults_per_ip_max=10_000
)
T = TypeVar("T")


def line(text: str | bytes) -> bytes:
    """One multistream-select message."""
    data = (text.encode() if isinstance(text, str) else text) + b"\n"
    return varint(len(data)) + data


def varint(number: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


async def knock(address: str, source: str | None = None) -> trio.SocketStream:
    """A bare TCP connection, from that address of this machine."""
    where = parse_address(address)
    return await trio.open_tcp_stream(where.host, where.port, local_address=source)


async def ended(tcp: trio.SocketStream) -> None:
    """Until the other side closes."""
    try:
        while await tcp.receive_some(65_536):
            pass
    except trio.BrokenResourceError:
        pass


async def expect(read: Callable[[int], Awaitable[bytes]], texts: tuple[str, ...]) -> None:
    """Read multistream messages of which only the texts are known."""
    for text in texts:
        left = len(line(text))
        while left:
            data = await read(left)
            assert data, "the other side ended the negotiation"
            left -= len(data)


@contextmanager
def cut_off() -> Iterator[None]:
    """The victim must end the connection before the block is through."""
    try:
        yield
    except Exception:  # however the library words it
        return
    pytest.fail("the victim put up with it")


class Hostile:
    """A secured connection to the victim, below yamux."""

    def __init__(self, tcp: trio.SocketStream, session: Any, peer: str) -> None:
        self.tcp, self.session, self.peer = tcp, session, peer
        self._streams: dict[int, bytearray] = {}
        self._splitter = Splitter()
        self._frames: list[Frame] = []
        self._agreed = 0
        self.room = 256 * 1024  # what the victim still takes on stream 1, for those who care

    @classmethod
    async def connect(cls, address: str, seed: bytes | None = None, pair: Any = None, tcp: Any = None) -> Hostile:
        """TCP, or what is in its place, Noise, and the agreement on yamux."""
        tcp = tcp or await knock(address)
        raw = RawConnection(TrioTCPStream(tcp), True)
        await raw.write(line(MULTISTREAM) + line("/noise"))
        await expect(raw.read, (MULTISTREAM, "/noise"))
        pair = pair or create_new_key_pair(seed or os.urandom(32))
        noise = Transport(pair, create_noise_key_pair().private_key)
        session = await noise.secure_outbound(raw, ID.from_base58(parse_address(address).peer))
        await session.write(line(MULTISTREAM) + line("/yamux/1.0.0"))
        await expect(session.read, (MULTISTREAM, "/yamux/1.0.0"))
        return cls(tcp, session, ID.from_pubkey(pair.public_key).to_base58())

    async def yamux(self, kind: int, flags: int, stream: int, length: int, payload: bytes = b"") -> None:
        """Any frame at all; the length need not be the payload's."""
        await self.session.write(struct.pack("!BBHII", 0, kind, flags, stream, length) + payload)

    async def data(self, payload: bytes, stream: int = 1, flags: int = 0) -> None:
        """A DATA frame, whatever the window says."""
        self.room -= len(payload) if stream == 1 else 0
        await self.yamux(DATA, flags, stream, len(payload), payload)

    async def open(self, protocol: str | bytes = PROTOCOL, stream: int = 1) -> None:
        """Ask for a protocol on a new stream."""
        await self.data(line(MULTISTREAM) + line(protocol), stream, SYN)

    async def greet(self, *frames: Frame, hello: Frame = HELLO) -> Hostile:
        """Open the mesh's stream, say HELLO and whatever follows, once the victim has said HELLO."""
        await self.open()
        await self.data(encode_frame(hello))
        assert isinstance(await self.hear(), Hello)
        await self.say(*frames)
        return self

    async def say(self, *frames: Frame) -> None:
        """Frames of the mesh's protocol."""
        for frame in frames:
            await self.data(encode_frame(frame))

    async def hear(self) -> Frame:
        """The next frame that the victim says on stream 1. Raises EOFError when it has closed."""
        while not self._frames:
            header = await self.session.read(12)
            if len(header) < 12:
                raise EOFError
            _, kind, _, stream, length = struct.unpack("!BBHII", header)
            if kind == GO_AWAY:
                raise EOFError
            if kind == WINDOW_UPDATE and stream == 1:
                self.room += length
            if kind != DATA or not length:
                continue
            got = await self.session.read(length)
            if stream == 1:
                self._take(got)
        return self._frames.pop(0)

    def _take(self, data: bytes) -> None:
        held = self._streams.setdefault(1, bytearray())
        held += data
        while self._agreed < 2 and held and len(held) > held[0]:
            del held[: 1 + held[0]]
            self._agreed += 1
        if self._agreed == 2:
            self._frames += map(parse_frame, self._splitter.feed(bytes(held)))
            held.clear()

    async def dismissed(self) -> str:
        """Until the victim closes; the code of its GOODBYE, "" if none was heard."""
        code = ""
        try:
            while True:
                frame = await self.hear()
                code = getattr(frame, "code", code)
        except Exception:  # however the library words it
            return code


class Siege:
    """A victim and an honest peer that must not notice anything."""

    def __init__(self, limits: Limits = LIMITS, listen: tuple[str, ...] = LOOPBACK) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.victim = Villager(b"v" * 32, listen, limits)
        self.honest = Villager(b"h" * 32, (), limits)
        self.call(self._begin())
        self.pid = self.victim.mesh.pid

    @property
    def address(self) -> str:
        """The victim's."""
        return self.victim.address

    def call(self, story: Coroutine[Any, Any, T]) -> T:
        """Run on the villagers' loop."""
        return asyncio.run_coroutine_threadsafe(story, self._loop).result(PATIENCE_S)

    def attack(self, story: Callable[[], Awaitable[T]]) -> T:
        """Run an attack on a trio loop of its own, then check that nobody was harmed."""

        async def bounded() -> T:
            with trio.fail_after(PATIENCE_S):
                return await story()

        self.victim.events.clear()
        result: T = trio.run(bounded)
        self.unharmed()
        return result

    def unharmed(self) -> None:
        """The same process as before, in bounded memory, and the honest peer still talks to it."""
        assert self.call(self.honest.echo(self.victim)) < 5
        assert self.victim.mesh.restarts == 0
        assert self.victim.mesh.pid == self.pid
        assert self.resident() < LIMITS.memory_bytes_max
        lost = [event for event in self.honest.events if isinstance(event, Disconnected)]
        assert not lost, lost

    def resident(self) -> int:
        """Bytes of memory that the victim's mesh process uses."""
        pages = int(Path(f"/proc/{self.victim.mesh.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> None:
        """Everybody goes home."""
        self.call(self.honest.mesh.stop())
        self.call(self.victim.mesh.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    async def _begin(self) -> None:
        await asyncio.gather(self.victim.mesh.start(), self.honest.mesh.start())
        await self.honest.meet(self.victim)
