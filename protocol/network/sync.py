"""Range-based set reconciliation: which items do two peers not share, in few bytes and few rounds.

Wire-compatible with Negentropy V1. It compares sets of (created, id) and nothing else: it never sees a record, never
decides what is stored or served, and the responder keeps nothing between two messages. Spec: 03-sync.
"""

from dataclasses import dataclass
from itertools import pairwise

from protocol.errors import Ignore, Reject
from protocol.network.index import CREATED_BYTES, FINGERPRINT_BYTES, ID_BYTES, INFINITE_MS, Index, item_key, varint
from protocol.params import (
    SYNC_HAVE_IDS_MAX,
    SYNC_MESSAGE_BYTES_MAX,
    SYNC_RANGES_ANSWERED_MAX,
    SYNC_RANGES_MAX,
    SYNC_ROUNDS_MAX,
)

VERSION = 0x61  # SYN-2
BUCKETS = 16  # SYN-9
FRAME_BYTES_MIN = 4096  # SYN-10, as the reference implementations
FRAME_RESERVE_BYTES = 200  # SYN-10: holds a skip, a shortened list's bound, one id too many and the last fingerprint
MODE_SKIP, MODE_FINGERPRINT, MODE_IDS = 0, 1, 2  # SYN-6


@dataclass(frozen=True, slots=True)
class Bound:
    """The exclusive upper end of a range: a time and as much of an id as it takes (0 to 32 bytes, then zeros)."""

    created: int
    prefix: bytes = b""

    @property
    def key(self) -> bytes:
        return item_key(self.created, self.prefix.ljust(ID_BYTES, b"\0"))

    @property
    def point(self) -> bytes:
        """The same in as few bytes as tell it (GOS-43)."""
        return item_key(self.created, self.prefix)


@dataclass(frozen=True, slots=True)
class Skip:
    upper: Bound


@dataclass(frozen=True, slots=True)
class Fingerprint:
    upper: Bound
    value: bytes


@dataclass(frozen=True, slots=True)
class IdList:
    upper: Bound
    ids: tuple[bytes, ...]


Range = Skip | Fingerprint | IdList

_START = Bound(0)
_INFINITY = Bound(INFINITE_MS)


@dataclass(frozen=True, slots=True)
class Lack:
    """What the peer listed of one range and we lack; `listed` is the length of its list."""

    lower: Bound
    upper: Bound
    ids: tuple[bytes, ...]
    listed: int


class Session:
    """The initiator's side of one reconciliation. The index may change between two rounds."""

    __slots__ = ("_frame_bytes_max", "_index", "_rounds_left")

    def __init__(self, index: Index, frame_bytes_max: int) -> None:
        self._index = index
        self._frame_bytes_max = frame_bytes_max
        self._rounds_left = SYNC_ROUNDS_MAX

    def receive(self, message: bytes) -> tuple[bytes | None, list[bytes], list[Lack]]:
        """The next message (None: finished), ids that the peer lacks, and by range those that it has and we lack.

        The second list holds at most SYNC_HAVE_IDS_MAX ids, the third at most those in the message; over the rounds an
        id may come twice. Raises Reject for bad bytes, Ignore for another protocol version or after SYNC_ROUNDS_MAX
        rounds; the session is then over.
        """
        if self._rounds_left == 0:
            raise Ignore("SYN-15", f"not reconciled after {SYNC_ROUNDS_MAX} rounds; start a new session later")
        self._rounds_left -= 1
        if _version(message) != VERSION:
            raise Ignore("SYN-2", f"the peer speaks sync version {message[0]:#x}, we speak {VERSION:#x}")
        found = _Found([], [])
        reply = _answer(self._index, parse(message), self._frame_bytes_max, found)
        return (reply if len(reply) > 1 else None), found.have, found.need


def initiate(index: Index, frame_bytes_max: int) -> tuple[Session, bytes]:
    """Open a session and write its first message, which covers everything. ValueError: frame out of limits (SYN-10)."""
    writer = _Writer(_checked_frame(frame_bytes_max))
    writer.open(index)
    return Session(index, frame_bytes_max), bytes(writer.out)


def respond(index: Index, message: bytes, frame_bytes_max: int) -> bytes:
    """The answer to an initiator's message. Raises Reject (SYN-2 to SYN-7) for bad bytes."""
    _checked_frame(frame_bytes_max)
    if _version(message) != VERSION:
        return bytes([VERSION])  # SYN-2: the initiator may come back with ours
    return _answer(index, parse(message), frame_bytes_max, None)


def parse(message: bytes) -> list[Range]:
    """Every range of a message of our version, or Reject: all is read before any is answered (SYN-3 to SYN-7)."""
    reader, ranges = _Reader(message), list[Range]()
    lower = _START.key
    while reader.at < len(message):
        if len(ranges) == SYNC_RANGES_MAX:
            raise Reject("SYN-3", f"sync message has more than {SYNC_RANGES_MAX} ranges")
        ranges.append(reader.next_range())
        if ranges[-1].upper.key < lower:
            raise Reject("SYN-5", "upper bound of a sync range lies below the range before it")
        lower = ranges[-1].upper.key
    return ranges


@dataclass(frozen=True, slots=True)
class _Found:
    have: list[bytes]
    need: list[Lack]


class _Reader:
    """Cuts ranges off a message; every read is checked against the bytes that are left."""

    __slots__ = ("_created", "_message", "at")

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._created = 0
        self.at = 1

    def next_range(self) -> Range:
        upper = self._bound()
        match self._varint("mode"):
            case 0:
                return Skip(upper)
            case 1:
                return Fingerprint(upper, self._bytes(FINGERPRINT_BYTES, "fingerprint"))
            case 2:
                raw = self._bytes(self._varint("id count") * ID_BYTES, "id list")
                return IdList(upper, tuple(raw[at : at + ID_BYTES] for at in range(0, len(raw), ID_BYTES)))
            case mode:
                raise Reject("SYN-6", f"mode of a sync range is {mode}; only 0, 1 and 2 exist")

    def _bound(self) -> Bound:
        step = self._varint("time of a bound")
        length = self._varint("prefix length of a bound")
        if length > (ID_BYTES if step else 0):
            raise Reject("SYN-5", "prefix of a bound is longer than an id, or stands at infinity")
        prefix = self._bytes(length, "prefix of a bound")
        if step == 0:
            return _INFINITY
        self._created += step - 1
        if self._created >= INFINITE_MS:
            raise Reject("SYN-5", "time of a bound exceeds 2**64 - 2")
        return Bound(self._created, prefix)

    def _varint(self, field: str) -> int:
        value = 0
        for at in range(self.at, min(self.at + 10, len(self._message))):
            byte = self._message[at]
            if byte == 0x80 and at == self.at:
                raise Reject("SYN-4", f"{field} is a varint that starts with a zero digit")
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                self.at = at + 1
                if value > INFINITE_MS:
                    break
                return value
        raise Reject("SYN-4", f"{field} is a varint that is cut off or exceeds 64 bits")

    def _bytes(self, count: int, field: str) -> bytes:
        if count > len(self._message) - self.at:
            raise Reject("SYN-7", f"{field} of a sync range is cut off")
        self.at += count
        return self._message[self.at - count : self.at]


class _Writer:
    """A message under construction; `closed` once one fingerprint stands for all that did not fit."""

    __slots__ = ("_covered", "_created", "_limit", "_ranges", "closed", "out")

    def __init__(self, frame_bytes_max: int) -> None:
        self.out = bytearray([VERSION])
        self.closed = False
        self._covered = _START
        self._limit = frame_bytes_max - FRAME_RESERVE_BYTES
        self._ranges = 0
        self._created = 0

    def skip_to(self, lower: Bound) -> None:
        """Close the gap between what is written and `lower`, if there is one (SYN-11)."""
        if self._covered.key != lower.key:
            self._open(lower, MODE_SKIP)

    def open(self, index: Index) -> None:
        """All that is held as one fingerprint, and nothing above it: who was away lacks what is newer (SYN-9)."""
        count = len(index)
        if count < 2 * BUCKETS:
            self._ids(index, 0, count, _INFINITY)
            return
        newest = next(index.keys(count - 1, count))
        end = int.from_bytes(newest[:CREATED_BYTES], "big") + 1
        if end < INFINITE_MS:
            self._fingerprint(index, 0, count, Bound(end))
            self._ids(index, count, count, _INFINITY)
        else:
            self._fingerprint(index, 0, count, _INFINITY)

    def split(self, index: Index, lower: int, upper: int, bound: Bound) -> None:
        """Describe positions lower to upper - 1 more finely (SYN-9), or close the message before them."""
        size, covered = len(self.out), self._covered
        if upper - lower < 2 * BUCKETS:
            self._ids(index, lower, upper, bound)
        else:
            share, extra = divmod(upper - lower, BUCKETS)
            ends = [lower + share * nth + min(nth, extra) for nth in range(BUCKETS + 1)]
            for start, end in pairwise(ends):
                self._fingerprint(index, start, end, bound if end == upper else _between(*index.keys(end - 1, end + 1)))
        if self._full():
            del self.out[size:]
            self._covered = covered
            self._close(index, lower)

    def list(self, index: Index, lower: int, upper: int, lower_bound: Bound, bound: Bound) -> None:
        """List the ids of the range, or as many as fit and close the message after them (SYN-12)."""
        done = min(upper, lower + (self._limit - len(self.out)) // ID_BYTES + 1)
        for key in index.keys(done, done + 1) if done < upper else ():
            bound = Bound(int.from_bytes(key[:CREATED_BYTES], "big"), key[CREATED_BYTES:])
        self.skip_to(lower_bound)
        self._ids(index, lower, done, bound)
        if done < upper or self._full():
            self._close(index, done)

    def _full(self) -> bool:
        # A skip, a list and the rest still fit.
        return len(self.out) > self._limit or self._ranges > SYNC_RANGES_MAX - 3

    def stop(self, index: Index, lower: int, lower_bound: Bound) -> None:
        """Close the message before a range that is left for the next one."""
        self.skip_to(lower_bound)
        self._close(index, lower)

    def _close(self, index: Index, lower: int) -> None:
        self.closed = True
        if self._covered != _INFINITY:
            self._fingerprint(index, lower, len(index), _INFINITY)

    def _ids(self, index: Index, lower: int, upper: int, bound: Bound) -> None:
        self._open(bound, MODE_IDS)
        self.out += varint(upper - lower)
        for key in index.keys(lower, upper):
            self.out += key[CREATED_BYTES:]

    def _fingerprint(self, index: Index, lower: int, upper: int, bound: Bound) -> None:
        self._open(bound, MODE_FINGERPRINT)
        self.out += index.fingerprint(lower, upper)

    def _open(self, upper: Bound, mode: int) -> None:
        if upper == _INFINITY:
            self.out += b"\0"
        else:
            self.out += varint(upper.created - self._created + 1)
            self._created = upper.created
        self.out += varint(len(upper.prefix)) + upper.prefix + varint(mode)
        self._covered = upper
        self._ranges += 1


def _answer(index: Index, ranges: list[Range], frame_bytes_max: int, found: _Found | None) -> bytes:
    """Answer ranges in order until the frame is full or enough work is done, then one fingerprint stands for all the
    rest (SYN-10, SYN-18).

    `found` collects ids when we are the initiator; a responder passes None and answers a list with its own list.
    """
    writer = _Writer(frame_bytes_max)
    lower, lower_bound = 0, _START
    for number, asked in enumerate(ranges):
        if number == SYNC_RANGES_ANSWERED_MAX:
            writer.stop(index, lower, lower_bound)
            break
        upper = index.position(asked.upper.key)
        match asked:
            case Skip():
                pass
            case Fingerprint(_, value) if index.fingerprint(lower, upper) == value:
                pass
            case IdList(bound, _) if found is None:
                writer.list(index, lower, upper, lower_bound, bound)
            case IdList(bound, ids) if found is not None and len(found.have) + upper - lower <= SYNC_HAVE_IDS_MAX:
                if missing := _compare(index, lower, upper, ids, found.have):
                    found.need.append(Lack(lower_bound, bound, missing, len(ids)))
            case Fingerprint(bound, _) | IdList(bound, _):  # it differs, or is too much to compare at once (SYN-14)
                writer.skip_to(lower_bound)
                writer.split(index, lower, upper, bound)
        if writer.closed:
            break
        lower, lower_bound = upper, asked.upper
    return bytes(writer.out)


def _compare(index: Index, lower: int, upper: int, ids: tuple[bytes, ...], have: list[bytes]) -> tuple[bytes, ...]:
    """Take apart who has what in a range that the peer listed in full: ours go to `have`, theirs come back (SYN-13)."""
    theirs = dict.fromkeys(ids)
    for key in index.keys(lower, upper):
        item_id = key[CREATED_BYTES:]
        if item_id in theirs:
            del theirs[item_id]
        else:
            have.append(item_id)
    return tuple(theirs)


def _between(last: bytes, first: bytes) -> Bound:
    """The shortest bound above one key and not above the next (SYN-5)."""
    created = int.from_bytes(first[:CREATED_BYTES], "big")
    if last[:CREATED_BYTES] != first[:CREATED_BYTES]:
        return Bound(created)
    differs = next(at for at in range(CREATED_BYTES, len(first)) if last[at] != first[at])
    return Bound(created, first[CREATED_BYTES : differs + 1])


def _version(message: bytes) -> int:
    if not message or len(message) > SYNC_MESSAGE_BYTES_MAX:
        raise Reject("SYN-3", f"sync message has {len(message)} bytes; 1 to {SYNC_MESSAGE_BYTES_MAX} are allowed")
    if message[0] & 0xF0 != VERSION & 0xF0:
        raise Reject("SYN-2", f"sync message starts with {message[0]:#x}, which is no protocol version")
    return message[0]


def _checked_frame(frame_bytes_max: int) -> int:
    if not FRAME_BYTES_MIN <= frame_bytes_max <= SYNC_MESSAGE_BYTES_MAX:
        raise ValueError(f"a sync frame has {FRAME_BYTES_MIN} to {SYNC_MESSAGE_BYTES_MAX} bytes")
    return frame_bytes_max
