"""One connection's rules, without the connection: bytes in, events out, bytes out.

Decides order, credit, acknowledgement, silence and fault on one peer's stream; never reads a socket or a clock:
`now_ms` is any steadily rising count of milliseconds. Two of these joined by a wire are the whole protocol.
Spec: 03-mesh, MSH-5 to MSH-13.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from node.mesh.bridge import Acknowledged, Connected, Limits, MeshEvent, Message, Overflow, Received, Traffic, weight
from node.mesh.wire import (
    CREDIT_UNITS_MAX,
    FIRST_FRAME_BYTES_MAX,
    FRAME_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    VERSION,
    Ack,
    Credit,
    Frame,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Records,
    Splitter,
    Unknown,
    cost,
    encode_frame,
    parse_frame,
)
from node.mesh.wire import Message as MessageFrame
from protocol.errors import Reject

_MESSAGES_MAX = 256  # (g) messages that wait for one peer
_MESSAGES_BYTES_MAX = 8 << 20  # (g)
_RECORDS_PER_FRAME = 256  # (g) so that checking one frame's signatures does not hold up other peers for long
_FRAME_OVERHEAD_BYTES = 32 + 5 * _RECORDS_PER_FRAME
UNHANDLED_BYTES_MAX = 256 << 10  # MSH-30 (g), with the event that passes it 1.3 MB of one peer in the daemon
ACK_MS_MAX = 200  # MSH-8 (g)
_ACK_SOON_RECORDS = 16  # (g) a batch of so many is acknowledged at once
_TURN_FRAMES = 128  # (g) that say nothing, before other connections have their turn
_UNKNOWN_MAX = 10_000  # (g) frames of unknown types passed over in one connection


class Link:
    """The state of one peer's stream. `feed` raises Reject when the peer is at fault; `addresses` are our own."""

    def __init__(
        self,
        network: bytes,
        check: Callable[[Sequence[bytes]], None],
        peer: str,
        address: str,
        outbound: bool,
        limits: Limits,
        now_ms: int,
        addresses: Sequence[str] = (),
    ) -> None:
        self.peer, self.address, self.outbound = peer, address, outbound
        self.greeted = False
        self.farewell: str | None = None  # the code of the peer's GOODBYE
        self._network, self._check, self._limits = network, check, limits
        self._splitter = Splitter(FIRST_FRAME_BYTES_MAX)
        self._control: deque[Frame] = deque([Hello(VERSION, network, _features(limits, addresses))])
        self._messages: deque[bytes] = deque()
        self._messages_bytes = 0
        self._records: deque[bytes] = deque()
        self._records_bytes = 0
        self._overflowed = False
        self._credit = 0  # units we may still send
        self._unacknowledged: dict[int, int] = {}  # batch we sent → records in it
        self._sent_batch = 0
        self._granted = limits.credit_units  # units the peer may still send
        self._undecided: dict[int, tuple[int, int, int]] = {}  # batch we received → (records, units, weight)
        self._unhandled = 0  # weight of events that the daemon has and has not dealt with
        self._received_batch = 0
        self._to_grant = 0
        self._acks: deque[Frame] = deque()  # of small batches, which travel together
        self._pong: int | None = None
        self._pings = 0
        self._unknown = 0
        self._heard_ms = self._spoke_ms = self._began_ms = now_ms
        self._traffic = Traffic(outbound=int(outbound))

    def feed(self, data: bytes, now_ms: int) -> Iterator[MeshEvent | None]:
        """What the peer's bytes amount to; between two events, or at None, the caller may rest. Raises Reject."""
        self._heard_ms = now_ms
        self._traffic.bytes_in += len(data)
        for number, body in enumerate(self._splitter.feed(data), 1):
            event = self._handle(parse_frame(body))
            if event is not None:
                if isinstance(event, Message):
                    self._unhandled += weight(event)
                yield event
            elif number % _TURN_FRAMES == 0:
                yield None

    def publish(self, raws: Sequence[bytes]) -> Overflow | None:
        """Queue records; what does not fit is dropped, and told once until the queue has been empty (MSH-16)."""
        for raw in raws:
            full = len(self._records) >= self._limits.outbox_records_max
            if full or self._records_bytes + len(raw) > self._limits.outbox_bytes_max:
                told, self._overflowed = self._overflowed, True
                return None if told else Overflow(self.peer)
            self._records.append(raw)
            self._records_bytes += len(raw)
        return None

    def send(self, data: bytes) -> bool:
        """Queue a message; False when so many wait that the peer must be called too slow (MSH-10)."""
        if len(data) > MESSAGE_BYTES_MAX:
            raise ValueError(f"a message of {len(data)} bytes, at most {MESSAGE_BYTES_MAX}")
        if len(self._messages) >= _MESSAGES_MAX or self._messages_bytes + len(data) > _MESSAGES_BYTES_MAX:
            return False
        self._messages.append(data)
        self._messages_bytes += len(data)
        return True

    def acknowledge(self, batch: int, codes: Sequence[str]) -> bool:
        """Queue the ACK of a batch and grant its units again; False when no such batch waits (MSH-8)."""
        records, units, size = self._undecided.get(batch, (0, 0, 0))
        if not records or records != len(codes):
            return False
        del self._undecided[batch]
        self._unhandled -= size
        self._traffic.refused += sum(map(bool, codes))
        acks = self._control if records >= _ACK_SOON_RECORDS else self._acks
        acks.append(Ack(batch, tuple(codes)))
        self._to_grant += units
        if self._to_grant * 4 >= self._limits.credit_units:  # in few frames, yet before the peer runs dry
            self._control.append(Credit(self._to_grant))
            self._granted += self._to_grant
            self._to_grant = 0
        return True

    def handled(self, size: int) -> None:
        """The daemon has dealt with messages of this weight."""
        self._unhandled = max(0, self._unhandled - size)  # it may have been an earlier connection's

    @property
    def full(self) -> bool:
        """Whether the peer must pause: the daemon has yet to deal with enough that it sent (MSH-30)."""
        return self._unhandled > UNHANDLED_BYTES_MAX

    def part(self, code: str) -> None:
        """Queue a GOODBYE in front of everything else but our HELLO (MSH-5, MSH-13)."""
        self._control.insert(1 if self._control and type(self._control[0]) is Hello else 0, Goodbye(code))

    def tick(self, now_ms: int) -> int:
        """Queue a PING when due; returns when to call again. Raises TimeoutError after too long a silence (MSH-11)."""
        if now_ms - self._heard_ms >= self._limits.silence_ms_max:
            raise TimeoutError(f"nothing heard for {now_ms - self._heard_ms} ms")
        # Sent however much we hear: it is also our own sign of life, while our reader waits for the daemon.
        if now_ms - self._spoke_ms >= self._limits.ping_interval_ms:
            self._pings += 1
            self._spoke_ms = now_ms
            self._control.append(Ping(self._pings))
        return min(self._spoke_ms + self._limits.ping_interval_ms, self._heard_ms + self._limits.silence_ms_max)

    def excuse(self, now_ms: int) -> None:
        """Do not count the time until now as the peer's silence: we were not listening."""
        self._heard_ms = now_ms

    @property
    def ready(self) -> bool:
        """Whether something should be sent now; the ACKs of small batches can wait for that, or until `hasten`."""
        return bool(self._control) or self._pong is not None or (self.greeted and self._may_send())

    def hasten(self) -> None:
        """Let no ACK wait any longer (MSH-8)."""
        self._control += self._acks
        self._acks.clear()

    def pull(self, bytes_max: int = 1 << 18) -> bytes:
        """The next bytes for the wire, whole frames of about `bytes_max`; empty when nothing may be sent now."""
        out = bytearray()
        while len(out) < bytes_max and (frame := self._next()) is not None:
            out += encode_frame(frame)
        self._traffic.bytes_out += len(out)
        return bytes(out)

    def traffic(self, now_ms: int) -> Traffic:
        """How this connection fares."""
        told = self._traffic
        told.age_ms, told.credit = now_ms - self._began_ms, self._credit
        told.queued, told.messages = self.queued
        return told

    @property
    def queued(self) -> tuple[int, int]:
        """Records and messages that wait for this peer."""
        return len(self._records), len(self._messages)

    def _next(self) -> Frame | None:
        if self._control:
            return self._control.popleft()
        if self._acks:
            return self._acks.popleft()
        if self._pong is not None:
            n, self._pong = self._pong, None
            return Pong(n)
        if not self.greeted:
            return None
        if self._messages:
            data = self._messages.popleft()
            self._messages_bytes -= len(data)
            return MessageFrame(data)
        return self._next_records()

    def _may_send(self) -> bool:
        return bool(self._messages) or (bool(self._records) and cost(self._records[0]) <= self._credit)

    def _next_records(self) -> Records | None:
        raws: list[bytes] = []
        room = FRAME_BYTES_MAX - _FRAME_OVERHEAD_BYTES
        while self._records and len(raws) < _RECORDS_PER_FRAME:
            raw = self._records[0]
            if cost(raw) > self._credit or len(raw) > room:
                break
            self._credit -= cost(raw)
            room -= len(raw)
            self._records_bytes -= len(raw)
            raws.append(self._records.popleft())
        if not raws:
            return None
        self._overflowed = self._overflowed and bool(self._records)
        self._sent_batch += 1
        self._unacknowledged[self._sent_batch] = len(raws)
        self._traffic.records_out += len(raws)
        return Records(self._sent_batch, tuple(raws))

    def _handle(self, frame: Frame) -> MeshEvent | None:
        if not self.greeted:
            return self._greet(frame)
        match frame:
            case Records():
                return self._take(frame)
            case Ack(batch, codes):
                if self._unacknowledged.pop(batch, None) != len(codes):
                    raise Reject("MSH-8", f"ack: of batch {batch}, which was not sent or has another length")
                return Acknowledged(self.peer, batch, codes)
            case MessageFrame(data):
                return Message(self.peer, data)
            case Ping(n):
                self._pong = n  # one answer to many: a flood of pings cannot grow a queue
            case Pong(n) if n == self._pings:
                self._traffic.ping_ms = max(0, self._heard_ms - self._spoke_ms)
            case Credit(units):
                self._credit += units
                if self._credit > CREDIT_UNITS_MAX:
                    raise Reject("MSH-7", f"credit: more than {CREDIT_UNITS_MAX} units in hand")
            case Goodbye(code):
                self.farewell = code
            case Hello():
                raise Reject("MSH-5", "hello: a second one")
            case Unknown():
                self._unknown += 1
                if self._unknown > _UNKNOWN_MAX:
                    raise Reject("MSH-12", f"frames of unknown types: more than {_UNKNOWN_MAX}")
        return None

    def _greet(self, frame: Frame) -> MeshEvent | None:
        match frame:
            case Hello(_, network, _) if network != self._network:
                raise Reject("MSH-5", "network: the peer belongs to another network")
            case Hello():
                self.greeted, self._credit = True, frame.credit
                self._splitter.bytes_max = FRAME_BYTES_MAX
                return Connected(self.peer, self.address, self.outbound, frame.addresses(self.peer))
            case Goodbye(code):
                self.farewell = code
                return None
        raise Reject("MSH-5", "hello: must be the first frame")

    def _take(self, frame: Records) -> MeshEvent:
        if frame.batch != self._received_batch + 1:
            raise Reject("MSH-6", f"batch: {frame.batch} after {self._received_batch}, must ascend by one")
        units = sum(map(cost, frame.raws))
        if units > self._granted:
            raise Reject("MSH-7", f"credit: {units} units sent, {self._granted} granted")
        self._check(frame.raws)
        self._received_batch = frame.batch
        self._traffic.records_in += len(frame.raws)
        self._granted -= units
        event = Received(self.peer, frame.batch, frame.raws)
        self._undecided[frame.batch] = (len(frame.raws), units, weight(event))
        self._unhandled += weight(event)
        return event


def _features(limits: Limits, addresses: Sequence[str]) -> dict[str, Any]:
    named = {"addresses": list(addresses)} if addresses else {}
    return {"credit": limits.credit_units, **named}
