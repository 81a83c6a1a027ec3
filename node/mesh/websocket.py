"""A WebSocket as a stream of bytes, so that the mesh can pass where only the web does: port 443, proxies, browsers.

Decides how bytes are put into messages and taken out of them; knows nothing of what they mean, and trusts a WebSocket
with nothing: Noise runs inside it as it does on TCP. The framing is wsproto's. Spec: 03-mesh, MSH-40 to MSH-43.
"""

from __future__ import annotations

import ssl

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError, RemoteProtocolError

from node.mesh.budget import Budget

_READ_BYTES = 1 << 16
_OPENING_BYTES_MAX = 16 * 1024  # MSH-41
_PINGS_PER_S, _PINGS_BURST = 5.0, 50.0  # MSH-42 (g)
_FRAMES_PER_S, _FRAMES_BURST = 1000.0, 1000.0  # MSH-42 (g), each costs as much as kilobytes in a larger one
_FORWARDED = b"x-forwarded-for"


class WebSocketStream:
    """What the binary messages of one WebSocket hold, joined; shaped like trio's SocketStream."""

    def __init__(self, wire: trio.abc.Stream, kind: ConnectionType) -> None:
        self.forwarded_for = ""  # the last address of the proxy's header, unread
        self._wire, self._connection = wire, WSConnection(kind)
        self._speaking = trio.Lock()
        self._held = bytearray()  # at most what one read brought
        self._pings = Budget(_PINGS_PER_S, _PINGS_BURST)
        self._frames = Budget(_FRAMES_PER_S, _FRAMES_BURST)
        self._open = self._over = False
        self._kept: bytearray | None = None  # by a listener, until the dialler has spoken (MSH-41)

    @classmethod
    async def accept(cls, wire: trio.abc.Stream) -> WebSocketStream:
        """The listener's side, once the opening request is answered. Raises trio.BrokenResourceError."""
        stream = cls(wire, ConnectionType.SERVER)
        await stream._opened()
        stream._kept = None if stream._held else bytearray()
        return stream

    @classmethod
    async def connect(cls, wire: trio.abc.Stream, host: str) -> WebSocketStream:
        """The dialler's side, once the opening request was accepted. Raises trio.BrokenResourceError."""
        stream = cls(wire, ConnectionType.CLIENT)
        await stream._say(Request(host=host, target="/"))
        await stream._opened()
        return stream

    async def send_all(self, data: bytes) -> None:
        """Send one binary message. Raises trio.BrokenResourceError or trio.ClosedResourceError."""
        if self._kept is None:
            await self._say(BytesMessage(data=data))
        else:
            self._kept += data

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """At least one byte, or none when the other side has closed. Raises trio.BrokenResourceError."""
        while not self._held and not self._over:
            await self._receive()
        data = bytes(self._held[: max_bytes or len(self._held)])
        del self._held[: len(data)]
        return data

    async def aclose(self) -> None:
        """Close, without waiting for the other side's leave."""
        await trio.aclose_forcefully(self._wire)

    async def _opened(self) -> None:
        read = 0
        while not self._open:
            read += await self._receive()
            if self._over or read > _OPENING_BYTES_MAX:
                raise trio.BrokenResourceError("no WebSocket was opened")

    async def _receive(self) -> int:
        """Take what one read brings; its size."""
        data = await self._wire.receive_some(_READ_BYTES)
        try:
            self._connection.receive_data(data or None)
            for event in self._connection.events():
                if not self._frames.spend():
                    raise trio.BrokenResourceError("WebSocket: too many frames")
                await self._take(event)
        except UnicodeDecodeError as error:  # wsproto takes a header for ASCII
            if not self._open:
                await self._say(RejectConnection(status_code=400))
            raise trio.BrokenResourceError(f"WebSocket: {error}") from None
        except RemoteProtocolError as error:
            if isinstance(error.event_hint, RejectConnection):
                await self._say(error.event_hint)  # somebody who speaks plain HTTP learns why
            raise trio.BrokenResourceError(f"WebSocket: {error}") from None
        self._over = self._over or not data
        if self._held and self._kept is not None:
            kept, self._kept = bytes(self._kept), None
            if kept:
                await self._say(BytesMessage(data=kept))
        return len(data)

    async def _take(self, event: Event) -> None:
        match event:
            case BytesMessage(data):
                self._held += data
            case Request():
                self._note_origin(event)
                await self._say(AcceptConnection())
                self._open = True
            case AcceptConnection():
                self._open = True
            case Ping():
                if not self._pings.spend():
                    raise trio.BrokenResourceError("WebSocket: too many pings")
                await self._say(event.response())
            case TextMessage():
                raise trio.BrokenResourceError("WebSocket: a text message")
            case CloseConnection() | RejectConnection() | RejectData():
                self._over = True

    def _note_origin(self, request: Request) -> None:
        for name, value in request.extra_headers:
            if name.lower() == _FORWARDED:
                self.forwarded_for = value.decode("ascii", "replace").rpartition(",")[2].strip()

    async def _say(self, event: Event) -> None:
        try:
            async with self._speaking:  # the reader answers pings while the writer is at work
                await self._wire.send_all(self._connection.send(event))
        except ProtocolError as error:
            raise trio.BrokenResourceError(f"WebSocket: {error}") from None


async def secured(tcp: trio.SocketStream, host: str) -> trio.SSLStream:
    """TLS to `host`, whose certificate the system's authorities vouch for. Raises trio.BrokenResourceError."""
    stream = trio.SSLStream(tcp, ssl.create_default_context(), server_hostname=host, https_compatible=True)
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as error:
        raise trio.BrokenResourceError(f"TLS: {error.__cause__ or error}") from None
    return stream
