"""A sorted set of (created, id) items that fingerprints any range of itself quickly.

Decides the order of items and what a range's fingerprint is; never what is in the set. Spec: 03-sync, SYN-1 and SYN-8.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice

ID_BYTES = 32
CREATED_BYTES = 8
FINGERPRINT_BYTES = 16
INFINITE_MS = (1 << 64) - 1  # SYN-1: no item is created then
BLOCK_ITEMS = 64  # a fingerprint adds up to four such blocks id by id

_SUM_MODULUS = 1 << 8 * ID_BYTES


def varint(value: int) -> bytes:
    """Base 128, most significant digit first, the high bit on all but the last (SYN-4)."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


def item_key(created: int, item_id: bytes) -> bytes:
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
        keys = sorted({_checked(created, item_id) for created, item_id in items})
        self._blocks = [keys[at : at + BLOCK_ITEMS] for at in range(0, len(keys), BLOCK_ITEMS)]
        self._lasts = [block[-1] for block in self._blocks]
        self._sums = [_sum(block) for block in self._blocks]
        self._counts_before, self._sums_before = [0], [0]

    def __len__(self) -> int:
        self._refresh()
        return self._counts_before[-1]

    def insert(self, created: int, item_id: bytes) -> bool:
        """Add an item of time `created` (ms); False when it was there. ValueError for what SYN-1 excludes."""
        key = _checked(created, item_id)
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
        key = _checked(created, item_id)
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
        digest = sha256(total.to_bytes(ID_BYTES, "little") + varint(upper - lower)).digest()
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


def _checked(created: int, item_id: bytes) -> bytes:
    if not 0 <= created < INFINITE_MS or len(item_id) != ID_BYTES:
        raise ValueError("an item is a time in 0 .. 2**64 - 2 and an id of 32 bytes")
    return item_key(created, item_id)
