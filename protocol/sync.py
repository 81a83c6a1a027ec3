"""Range-based set reconciliation: which items do two peers not share, in few bytes and few rounds.

Wire-compatible with Negentropy V1. It compares sets of (created, id) and nothing else: it never sees a record, never
decides what is stored or served, and the responder keeps nothing between two messages. Spec: 03-sync.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from protocol.errors import Ignore, Reject

VERSION = 0x61  # SYN-2
ID_BYTES = 32
CREATED_BYTES = 8
FINGERPRINT_BYTES = 16
BUCKETS = 16  # SYN-9; a range with fewer than twice as many items is sent as a list
MODE_SKIP, MODE_FINGERPRINT, MODE_IDS = 0, 1, 2

FRAME_BYTES_MIN = 4096  # SYN-10, as the reference implementations
FRAME_BYTES_MAX = 65_536  # SYN-3 (guess): about 2,000 ids a message
FRAME_RESERVE_BYTES = 200  # SYN-10: a skip, a shortened list's bound, one id too many and a last fingerprint fit in it
RANGES_MAX = 8192  # SYN-3: more than an honest answer to FRAME_BYTES_MAX of fingerprints can hold
HAVE_IDS_MAX = 16_384  # SYN-14 (guess)
ROUNDS_MAX = 4096  # SYN-15 (guess): eight million differences at 2,000 a round
BLOCK_ITEMS = 256  # (guess) a fingerprint adds at most four such blocks id by id

_INFINITE_MS = (1 << 64) - 1  # SYN-5: reserved, no item is created then
_SUM_MODULUS = 1 << 8 * ID_BYTES


@dataclass(frozen=True, slots=True)
class Bound:
    """The exclusive upper end of a range: a time and as much of an id as it takes (0 to 32 bytes, then zeros)."""

    created: int
    prefix: bytes = b""

    @property
    def key(self) -> bytes:
        return _key(self.created, self.prefix.ljust(ID_BYTES, b"\0"))


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
_INFINITY = Bound(_INFINITE_MS)


def _key(created: int, item_id: bytes) -> bytes:
    """Created and id as 40 bytes whose byte order is the order of items (SYN-1)."""
    return created.to_bytes(CREATED_BYTES, "big") + item_id


def _sum(keys: Iterable[bytes]) -> int:
    return sum(int.from_bytes(key[CREATED_BYTES:], "little") for key in keys)


class Index:
    """A sorted set of items with the fingerprint of any range at the cost of a few blocks, not of the range.

    Items lie in blocks of at most 2 * BLOCK_ITEMS, each with the sum of its ids; sums over all earlier blocks are
    cached up to the first block that changed since. About 90 bytes an item.
    """

    __slots__ = ("_blocks", "_counts_before", "_lasts", "_sums", "_sums_before")

    def __init__(self, items: Iterable[tuple[int, bytes]] = ()) -> None:
        keys = sorted({self._checked(created, item_id) for created, item_id in items})
        self._blocks = [keys[at : at + BLOCK_ITEMS] for at in range(0, len(keys), BLOCK_ITEMS)]
        self._lasts = [block[-1] for block in self._blocks]
        self._sums = [_sum(block) for block in self._blocks]
        self._counts_before, self._sums_before = [0], [0]

    def __len__(self) -> int:
        self._refresh()
        return self._counts_before[-1]

    def insert(self, created: int, item_id: bytes) -> bool:
        """Add an item of time `created` (ms); False when it was there. ValueError for what SYN-1 excludes."""
        key = self._checked(created, item_id)
        if not self._blocks:
            self._put(0, [key])
            return True
        at = min(bisect_left(self._lasts, key), len(self._blocks) - 1)
        block = self._blocks[at]
        place = bisect_left(block, key)
        if place < len(block) and block[place] == key:
            return False
        block.insert(place, key)
        self._lasts[at] = block[-1]
        self._sums[at] += _sum((key,))
        self._forget(at)
        if len(block) > 2 * BLOCK_ITEMS:
            self._put(at + 1, block[BLOCK_ITEMS:])
            del block[BLOCK_ITEMS:]
            self._lasts[at] = block[-1]
            self._sums[at] -= self._sums[at + 1]
        return True

    def discard(self, created: int, item_id: bytes) -> bool:
        """Remove an item; False when it was not there."""
        key = self._checked(created, item_id)
        at = bisect_left(self._lasts, key)
        if at == len(self._blocks):
            return False
        block = self._blocks[at]
        place = bisect_left(block, key)
        if block[place] != key:
            return False
        del block[place]
        self._forget(at)
        if block:
            self._lasts[at] = block[-1]
            self._sums[at] -= _sum((key,))
        else:
            del self._blocks[at], self._lasts[at], self._sums[at]
        return True

    def position(self, key: bytes) -> int:
        """How many items lie below this 40-byte key."""
        self._refresh()
        at = bisect_left(self._lasts, key)
        return self._counts_before[at] + (bisect_left(self._blocks[at], key) if at < len(self._blocks) else 0)

    def keys(self, lower: int, upper: int) -> Iterator[bytes]:
        """The keys at positions lower to upper - 1, in order."""
        self._refresh()
        at = bisect_right(self._counts_before, lower) - 1
        inside = lower - self._counts_before[at]
        chain = (key for block in islice(self._blocks, at, None) for key in block)
        return islice(chain, inside, inside + upper - lower)

    def fingerprint(self, lower: int, upper: int) -> bytes:
        """The 16-byte fingerprint of positions lower to upper - 1 (SYN-8)."""
        total = (self._sum_below(upper) - self._sum_below(lower)) % _SUM_MODULUS
        digest = sha256(total.to_bytes(ID_BYTES, "little") + _varint(upper - lower)).digest()
        return digest[:FINGERPRINT_BYTES]

    def _sum_below(self, position: int) -> int:
        self._refresh()
        at = bisect_right(self._counts_before, position) - 1
        inside = position - self._counts_before[at]
        return self._sums_before[at] + (_sum(self._blocks[at][:inside]) if inside else 0)

    def _put(self, at: int, block: list[bytes]) -> None:
        self._blocks.insert(at, block)
        self._lasts.insert(at, block[-1])
        self._sums.insert(at, _sum(block))
        self._forget(at)

    def _forget(self, at: int) -> None:
        del self._counts_before[at + 1 :], self._sums_before[at + 1 :]

    def _refresh(self) -> None:
        for at in range(len(self._counts_before) - 1, len(self._blocks)):
            self._counts_before.append(self._counts_before[at] + len(self._blocks[at]))
            self._sums_before.append(self._sums_before[at] + self._sums[at])

    @staticmethod
    def _checked(created: int, item_id: bytes) -> bytes:
        if not 0 <= created < _INFINITE_MS or len(item_id) != ID_BYTES:
            raise ValueError("an item is a time in 0 .. 2**64 - 2 and an id of 32 bytes")
        return _key(created, item_id)


class Session:
    """The initiator's side of one reconciliation. The index may change between two rounds."""

    __slots__ = ("_frame_bytes_max", "_index", "_rounds_left")

    def __init__(self, index: Index, frame_bytes_max: int) -> None:
        self._index = index
        self._frame_bytes_max = frame_bytes_max
        self._rounds_left = ROUNDS_MAX

    def receive(self, message: bytes) -> tuple[bytes | None, list[bytes], list[bytes]]:
        """The next message (None: finished), ids that the peer lacks, ids that it has and we lack in the range it gave.

        The second list holds at most HAVE_IDS_MAX ids, the third at most those in the message; over the rounds an id
        may come twice. Raises Reject for bad bytes, Ignore for another protocol version or after ROUNDS_MAX rounds;
        the session is then over.
        """
        if self._rounds_left == 0:
            raise Ignore("SYN-15", f"reconciliation is not finished after {ROUNDS_MAX} rounds; start a new one later")
        self._rounds_left -= 1
        if _version(message) != VERSION:
            raise Ignore("SYN-2", f"the peer speaks sync version {message[0]:#x}, we speak {VERSION:#x}")
        found = _Found([], [])
        reply = _answer(self._index, parse(message), self._frame_bytes_max, found)
        return (reply if len(reply) > 1 else None), found.have, found.need


def initiate(index: Index, frame_bytes_max: int = FRAME_BYTES_MAX) -> tuple[Session, bytes]:
    """Open a session and write its first message, which covers everything. ValueError: frame out of limits (SYN-10)."""
    writer = _Writer(_checked_frame(frame_bytes_max))
    writer.split(index, 0, len(index), _INFINITY)
    return Session(index, frame_bytes_max), bytes(writer.out)


def respond(index: Index, message: bytes, frame_bytes_max: int = FRAME_BYTES_MAX) -> bytes:
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
        if len(ranges) == RANGES_MAX:
            raise Reject("SYN-3", f"sync message has more than {RANGES_MAX} ranges")
        ranges.append(reader.next_range())
        if ranges[-1].upper.key < lower:
            raise Reject("SYN-5", "upper bound of a sync range lies below the range before it")
        lower = ranges[-1].upper.key
    return ranges


@dataclass(frozen=True, slots=True)
class _Found:
    have: list[bytes]
    need: list[bytes]


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
        if self._created >= _INFINITE_MS:
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
                if value > _INFINITE_MS:
                    break
                return value
        raise Reject("SYN-4", f"{field} is a varint that is cut off or exceeds 64 bits")

    def _bytes(self, count: int, field: str) -> bytes:
        if count > len(self._message) - self.at:
            raise Reject("SYN-7", f"{field} of a sync range is cut off")
        self.at += count
        return self._message[self.at - count : self.at]


class _Writer:
    """A message under construction. `covered` is the end of the last range written."""

    __slots__ = ("_created", "_limit", "_ranges", "covered", "out")

    def __init__(self, frame_bytes_max: int) -> None:
        self.out = bytearray([VERSION])
        self.covered = _START
        self._limit = frame_bytes_max - FRAME_RESERVE_BYTES
        self._ranges = 0
        self._created = 0

    def full(self) -> bool:
        return len(self.out) > self._limit or self._ranges > RANGES_MAX - 3  # a skip, a list and the rest still fit

    def ids_left(self) -> int:
        """How many ids to list at most; one more than fits below the limit, so never none (SYN-10)."""
        return (self._limit - len(self.out)) // ID_BYTES + 1

    def split(self, index: Index, lower: int, upper: int, bound: Bound) -> int:
        """Describe positions lower to upper - 1 more finely (SYN-9). Returns upper, or lower when it did not fit."""
        size, covered = len(self.out), self.covered
        count = upper - lower
        if count < 2 * BUCKETS:
            self.ids(bound, list(index.keys(lower, upper)))
        else:
            share, extra = divmod(count, BUCKETS)
            ends = [lower + share * (nth + 1) + min(nth + 1, extra) for nth in range(BUCKETS)]
            for start, end in zip([lower, *ends], ends, strict=False):
                upper_bound = bound if end == upper else _between(*index.keys(end - 1, end + 1))
                self.fingerprint(upper_bound, index.fingerprint(start, end))
        if not self.full():
            return upper
        del self.out[size:]
        self.covered = covered
        return lower

    def skip_to(self, lower: Bound) -> None:
        """Close the gap between what is written and `lower`, if there is one."""
        if self.covered.key != lower.key:
            self._open(lower, MODE_SKIP)

    def fingerprint(self, upper: Bound, value: bytes) -> None:
        self._open(upper, MODE_FINGERPRINT)
        self.out += value

    def ids(self, upper: Bound, keys: list[bytes]) -> None:
        self._open(upper, MODE_IDS)
        self.out += _varint(len(keys))
        for key in keys:
            self.out += key[CREATED_BYTES:]

    def _open(self, upper: Bound, mode: int) -> None:
        if upper == _INFINITY:
            self.out += b"\0"
        else:
            self.out += _varint(upper.created - self._created + 1)
            self._created = upper.created
        self.out += _varint(len(upper.prefix)) + upper.prefix + _varint(mode)
        self.covered = upper
        self._ranges += 1


def _answer(index: Index, ranges: list[Range], frame_bytes_max: int, found: _Found | None) -> bytes:
    """Answer ranges in order until the frame is full, then one fingerprint stands for all the rest (SYN-10).

    `found` collects ids when we are the initiator; a responder passes None and answers a list with its own list.
    """
    writer = _Writer(frame_bytes_max)
    lower, lower_bound = 0, _START
    for asked in ranges:
        done = upper = index.position(asked.upper.key)
        match asked:
            case Skip():
                pass
            case Fingerprint(_, value) if index.fingerprint(lower, upper) == value:
                pass
            case IdList(bound, _) if found is None:
                done = _list(index, lower, upper, lower_bound, bound, writer)
            case IdList(_, ids) if found is not None and len(found.have) + upper - lower <= HAVE_IDS_MAX:
                _compare(index, lower, upper, ids, found)
            case Fingerprint(bound, _) | IdList(bound, _):  # differs; or SYN-14, too much to compare at once
                writer.skip_to(lower_bound)
                done = writer.split(index, lower, upper, bound)
        if done < upper or writer.full():
            if writer.covered != _INFINITY:
                writer.fingerprint(_INFINITY, index.fingerprint(done, len(index)))
            break
        lower, lower_bound = upper, asked.upper
    return bytes(writer.out)


def _list(index: Index, lower: int, upper: int, lower_bound: Bound, bound: Bound, writer: _Writer) -> int:
    """List our ids in the range, or as many as fit up to the next item (SYN-12). Returns the position reached."""
    done = min(upper, lower + writer.ids_left())
    writer.skip_to(lower_bound)
    for key in index.keys(done, done + 1) if done < upper else ():
        bound = Bound(int.from_bytes(key[:CREATED_BYTES], "big"), key[CREATED_BYTES:])
    writer.ids(bound, list(index.keys(lower, done)))
    return done


def _compare(index: Index, lower: int, upper: int, ids: tuple[bytes, ...], found: _Found) -> None:
    """Take apart who has what in a range that the peer listed in full (SYN-13)."""
    theirs = dict.fromkeys(ids)
    for key in index.keys(lower, upper):
        item_id = key[CREATED_BYTES:]
        if item_id in theirs:
            del theirs[item_id]
        else:
            found.have.append(item_id)
    found.need.extend(theirs)


def _between(last: bytes, first: bytes) -> Bound:
    """The shortest bound above one key and not above the next (SYN-5)."""
    created = int.from_bytes(first[:CREATED_BYTES], "big")
    if last[:CREATED_BYTES] != first[:CREATED_BYTES]:
        return Bound(created)
    differs = next(at for at in range(CREATED_BYTES, len(first)) if last[at] != first[at])
    return Bound(created, first[CREATED_BYTES : differs + 1])


def _varint(value: int) -> bytes:
    """Base 128, most significant digit first, the high bit on all but the last (SYN-4)."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


def _version(message: bytes) -> int:
    if not message or len(message) > FRAME_BYTES_MAX:
        raise Reject("SYN-3", f"sync message has {len(message)} bytes; 1 to {FRAME_BYTES_MAX} are allowed")
    if message[0] & 0xF0 != VERSION & 0xF0:
        raise Reject("SYN-2", f"sync message starts with {message[0]:#x}, which is no protocol version")
    return message[0]


def _checked_frame(frame_bytes_max: int) -> int:
    if not FRAME_BYTES_MIN <= frame_bytes_max <= FRAME_BYTES_MAX:
        raise ValueError(f"a sync frame has {FRAME_BYTES_MIN} to {FRAME_BYTES_MAX} bytes")
    return frame_bytes_max
