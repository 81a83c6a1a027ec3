"""yamux, the muxer of a connection: bytes in, streams out, without the connection.

Decides what a frame does to a stream, and which peer has broken a rule below our own protocol; never reads a socket.
It holds what the windows allow and no more: a frame is judged by its header, before a byte of its data is kept.
Spec: 03-mesh, MSH-1, MSH-2 and MSH-20; the format is that of hashicorp's yamux.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable

from node.mesh.budget import Budget

PROTOCOL_ID = "/yamux/1.0.0"
WINDOW_BYTES = 256 * 1024  # MSH-2, the initial window, never grown
STREAMS_MAX = 8  # MSH-2
BUFFERED_BYTES_MAX = 512 * 1024  # MSH-2, unread on all streams of one connection
UNSENT_BYTES_MAX = 1 << 20  # MSH-20 (g)
FRAME_BYTES = 65_507  # of data in a frame that we send: with its header it fills one Noise message
_ROOM_BYTES_MAX = 1 << 24  # (g) however much a peer grants
_HEADER = struct.Struct("!BBHII")
_DATA, _WINDOW_UPDATE, _PING, _GO_AWAY = range(4)
_SYN, _ACK, _FIN, _RST = 1, 2, 4, 8


class Misbehaviour(Exception):
    """A peer broke a rule below our own protocol."""


class Stream:
    """One stream, as this side sees it; ended when nothing more will come. `stir` is for who waits for either."""

    __slots__ = ("_held", "_owed", "_session", "ended", "granted", "number", "room", "stir", "unread", "unsent")

    def __init__(self, session: Session, number: int) -> None:
        self.number = number
        self.unread = 0  # bytes that have come and were not taken
        self.unsent = bytearray()
        self.room = WINDOW_BYTES  # what the peer lets us send
        self.granted = WINDOW_BYTES  # what we let the peer send
        self.ended = False
        self.stir: Callable[[], None] | None = None
        self._session = session
        self._held: deque[bytes] = deque()
        self._owed = 0  # taken, and not granted again yet

    def take(self, bytes_max: int) -> bytes:
        """What has come, at most so much; empty when there is nothing now."""
        data = self._held.popleft() if len(self._held) == 1 else b"".join(self._held)
        if len(data) > bytes_max:
            data, rest = data[:bytes_max], data[bytes_max:]
            self._held = deque((rest,))
        else:
            self._held.clear()
        self.unread -= len(data)
        self._owed += len(data)
        if self._owed * 2 >= WINDOW_BYTES and not self.ended:  # in few frames, yet before the peer runs dry
            self._session.say(_WINDOW_UPDATE, 0, self.number, self._owed)
            self.granted += self._owed
            self._owed = 0
        return data

    def arrived(self, data: bytes) -> None:
        """Hold data until it is taken."""
        self._held.append(data)
        self.unread += len(data)


class Session:
    """The muxer's state on one connection; over when the peer opens and answers no more."""

    def __init__(self, dialler: bool) -> None:
        self.streams: dict[int, Stream] = {}
        self.over = False
        self.frames = 0  # that have come
        self._next = 1 if dialler else 2
        self._partial = bytearray()  # of a header
        self._into: Stream | None = None  # whose data comes now
        self._left = 0  # of it
        self._last = False  # and nothing after it
        self._astray = 0  # bytes that may be under way to streams that we have reset
        self._out = bytearray()
        self._plain = Budget(2000, 4000)  # MSH-2
        self._costly = Budget(50, 256)  # MSH-2

    def open(self) -> Stream:
        """A stream of ours, which the peer may yet refuse."""
        stream = self.streams[self._next] = Stream(self, self._next)
        self.say(_WINDOW_UPDATE, _SYN, self._next, 0)
        self._next += 2
        return stream

    def feed(self, data: bytes) -> list[Stream]:
        """Take what the peer sent; the streams on which something has changed, new ones too. Raises Misbehaviour."""
        touched: dict[int, Stream] = {}
        at = 0
        while at < len(data) and not self.over:
            if self._left:
                part = data[at : at + self._left]
                at += len(part)
                stream = self._continue(part)
            else:
                part = data[at : at + _HEADER.size - len(self._partial)]
                at += len(part)
                self._partial += part
                if len(self._partial) < _HEADER.size:
                    break
                header = _HEADER.unpack(self._partial)
                self._partial.clear()
                stream = self._begin(*header)
            if stream is not None:
                touched[stream.number] = stream
        return list(touched.values())

    @property
    def unsent(self) -> bool:
        """Whether `pull` has something to give."""
        return bool(self._out) or any(stream.unsent and stream.room for stream in self.streams.values())

    def pull(self) -> bytes:
        """The next bytes for the connection; empty when nothing may be sent now."""
        for stream in self.streams.values():
            self._flush(stream)
        out = bytes(self._out)
        self._out.clear()
        return out

    def say(self, kind: int, flags: int, number: int, length: int) -> None:
        """Queue a frame's header."""
        self._out += _HEADER.pack(0, kind, flags, number, length)

    def reset(self, stream: Stream) -> None:
        """End this stream in both directions, after what was put on it and fits."""
        if self.streams.get(stream.number) is stream:
            self._flush(stream)
            self.say(_WINDOW_UPDATE, _RST, stream.number, 0)
            self._astray += stream.granted
            self._forget(stream)

    def _begin(self, version: int, kind: int, flags: int, number: int, length: int) -> Stream | None:
        """A frame's header; the stream that it changes."""
        self.frames += 1
        if version != 0 or kind > _GO_AWAY:
            raise Misbehaviour("yamux: an unknown version or frame type")
        opens = kind <= _WINDOW_UPDATE and bool(flags & _SYN)
        budget = self._costly if opens or kind == _PING else self._plain
        if (kind != _DATA or not length) and not budget.spend():
            raise Misbehaviour("yamux: too many frames that carry nothing")
        if len(self._out) > UNSENT_BYTES_MAX:
            raise Misbehaviour("yamux: answers that nobody reads")
        if kind == _PING and flags & _SYN:
            self.say(_PING, _ACK, 0, length)
        if kind >= _PING:
            self.over = kind == _GO_AWAY
            return None
        stream = self._opened(number) if opens else self.streams.get(number)
        if kind == _DATA:
            self._expect(stream, length, bool(flags & _FIN))
        elif stream is not None:
            stream.room = min(stream.room + length, _ROOM_BYTES_MAX)
            stream.ended = stream.ended or bool(flags & _FIN)
        if stream is not None and flags & _RST:
            self._forget(stream)
        return stream

    def _opened(self, number: int) -> Stream:
        if len(self.streams) >= STREAMS_MAX:
            raise Misbehaviour(f"yamux: more than {STREAMS_MAX} streams")
        if number in self.streams or number % 2 == self._next % 2 or not number:
            raise Misbehaviour("yamux: a stream by a number that is not the peer's to give")
        self.say(_WINDOW_UPDATE, _ACK, number, 0)
        stream = self.streams[number] = Stream(self, number)
        return stream

    def _expect(self, stream: Stream | None, length: int, last: bool) -> None:
        """Data of this length comes next; what is for a stream that has ended will be passed over."""
        if length > (self._astray if stream is None else stream.granted):
            raise Misbehaviour("yamux: more data than the window allows")
        if stream is None:
            self._astray -= length
        else:
            stream.granted -= length
            stream.ended = stream.ended or (last and not length)
        if length and sum(one.unread for one in self.streams.values()) + length > BUFFERED_BYTES_MAX:
            raise Misbehaviour("yamux: too much unread data")
        self._into, self._left, self._last = stream, length, last

    def _continue(self, part: bytes) -> Stream | None:
        """More of a frame's data; its stream, if that is still there."""
        stream = self._into
        self._left -= len(part)
        if stream is not None and self.streams.get(stream.number) is stream:
            stream.arrived(part)
            stream.ended = stream.ended or (self._last and not self._left)
        return stream

    def _flush(self, stream: Stream) -> None:
        while stream.unsent and stream.room:
            part = stream.unsent[: min(stream.room, FRAME_BYTES)]
            del stream.unsent[: len(part)]
            stream.room -= len(part)
            self.say(_DATA, 0, stream.number, len(part))
            self._out += part

    def _forget(self, stream: Stream) -> None:
        del self.streams[stream.number]
        stream.ended = True
        stream.unsent.clear()
