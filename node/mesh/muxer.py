"""A secured connection: Noise messages joined and cut, and the streams of yamux to wait on.

Decides when bytes are read; what they mean is `yamux`'s, and who writes is the connection's one writer. Knows nothing
of libp2p but that a cipher encrypts and decrypts. Spec: 03-mesh, MSH-1 and MSH-2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from node.mesh.yamux import Session
from node.mesh.yamux import Stream as Half

_READ_BYTES = 1 << 16
_LENGTH_BYTES = 2  # of a Noise message, big-endian
_PLAIN_BYTES_MAX = 65_535 - 16  # in a Noise message, beside its tag
_TURN_MESSAGES = 32  # (g) opened, and bytes of frames looked at, before other connections have their turn
_TURN_BYTES, _TURN_FRAMES = 1 << 12, 32  # of which large ones are a few


class Cipher(Protocol):
    """A Noise session after its handshake; raises when a message was tampered with."""

    def encrypt(self, data: bytes) -> bytes: ...
    def decrypt(self, data: bytes) -> bytes: ...


class Wire(Protocol):
    """What of trio's SocketStream is used."""

    async def send_all(self, data: bytes) -> None: ...
    async def receive_some(self, max_bytes: int | None = None) -> bytes: ...


class Line:
    """A Noise session on a wire."""

    def __init__(self, wire: Wire, cipher: Cipher) -> None:
        self._wire, self._cipher = wire, cipher
        self._sealed = bytearray()  # at most one message that is not whole, and what one read brought
        self._plain = b""
        self._more = False  # whole messages are left of what the last read brought

    async def write(self, data: bytes) -> None:
        """Send this, as few messages in one go."""
        out = bytearray()
        for at in range(0, len(data), _PLAIN_BYTES_MAX):
            sealed = self._cipher.encrypt(data[at : at + _PLAIN_BYTES_MAX])
            out += len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed
        await self._wire.send_all(bytes(out))

    async def read(self, bytes_max: int = _READ_BYTES * 4) -> bytes:
        """Whatever has come, at most so much; empty at the end."""
        while not self._plain:
            if self._more:
                await trio.lowlevel.checkpoint()
            elif more := await self._wire.receive_some(_READ_BYTES):
                self._sealed += more
            else:
                return b""
            self._plain = self._opened()
        data, self._plain = self._plain[:bytes_max], self._plain[bytes_max:]
        return data

    def _opened(self) -> bytes:
        """What the whole messages hold, at most so many."""
        plain, at, self._more = list[bytes](), 0, False
        while len(self._sealed) - at >= _LENGTH_BYTES:
            if len(plain) >= _TURN_MESSAGES:
                self._more = True
                break
            end = at + _LENGTH_BYTES + int.from_bytes(self._sealed[at : at + _LENGTH_BYTES], "big")
            if len(self._sealed) < end:
                break
            plain.append(self._cipher.decrypt(bytes(self._sealed[at + _LENGTH_BYTES : end])))
            at = end
        del self._sealed[:at]
        return plain[0] if len(plain) == 1 else b"".join(plain)


class Stream:
    """One stream that can be waited on; shaped as multistream-select wants it."""

    def __init__(self, muxer: Muxer, half: Half) -> None:
        self._muxer, self._half = muxer, half
        self._news = trio.Event()
        half.stir = self._stir

    async def read(self, bytes_max: int) -> bytes:
        """Whatever has come, at most so much; empty at the end, also when the peer has reset the stream."""
        while not self._half.unread and not self._half.ended:
            self._news = trio.Event()
            await self._news.wait()
        data = self._half.take(bytes_max)
        if self._muxer.session.unsent:  # a window, granted again
            self._muxer.wake.set()
        return data

    async def write(self, data: bytes) -> None:
        """Queue this and wake the writer; for the few words that are said before a stream is in use."""
        self.put(data)
        self._muxer.wake.set()

    def put(self, data: bytes) -> None:
        """Queue this for the next `Muxer.pull`."""
        self._half.unsent += data

    @property
    def clear(self) -> bool:
        """Whether all that was put has been pulled."""
        return not self._half.unsent

    def reset(self) -> None:
        """End the stream now."""
        self._muxer.session.reset(self._half)
        self._muxer.wake.set()

    def _stir(self) -> None:
        self._news.set()


class Muxer:
    """The streams of one connection. Its one writer makes a new `wake`, pulls, and waits when there was nothing."""

    def __init__(self, line: Line, dialler: bool) -> None:
        self.line, self.session = line, Session(dialler)
        self.wake = trio.Event()

    async def run(self, on_stream: Callable[[Stream], None]) -> None:
        """Read until the connection or the session ends; `on_stream` gets each stream that the peer opens."""
        while not self.session.over and (data := await self.line.read()):
            for at in range(0, len(data), _TURN_BYTES):
                began = self.session.frames
                for half in self.session.feed(data[at : at + _TURN_BYTES]):
                    if half.stir is None:
                        on_stream(Stream(self, half))
                    else:
                        half.stir()
                if self.session.frames - began > _TURN_FRAMES:
                    await trio.lowlevel.checkpoint()
            if self.session.unsent:
                self.wake.set()

    def open(self) -> Stream:
        """A stream of ours."""
        self.wake.set()
        return Stream(self, self.session.open())

    def pull(self) -> bytes:
        """The next bytes for the line; empty when nothing may be sent now."""
        return self.session.pull()
