"""A sorted set of (created, id) items that fingerprints any range of itself quickly.

Decides the order of items and what a range's fingerprint is; never what is in the set. Spec: 03-sync, SYN-1 and SYN-8.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256

from protocol.record.rows import Rows

ID_BYTES = 32
CREATED_BYTES = 8
KEY_BYTES = CREATED_BYTES + ID_BYTES
FINGERPRINT_BYTES = 16
INFINITE_MS = (1 << 64) - 1  # SYN-1: no item is created then

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


def _id_number(key: bytes) -> int:
    return int.from_bytes(key[CREATED_BYTES:], "little")


class Index:
    """A sorted set of items with the fingerprint of any range at the cost of a few blocks, not of the range.

    About 45 bytes an item.
    """

    __slots__ = ("_mark", "_rows")

    def __init__(self, items: Iterable[tuple[int, bytes]] = ()) -> None:
        self._rows = Rows(KEY_BYTES, _id_number, (_checked(created, item_id) for created, item_id in items))
        self._mark = 0, 0  # a position and the sum below it: where one range ends, the next begins

    def __len__(self) -> int:
        return len(self._rows)

    def insert(self, created: int, item_id: bytes) -> bool:
        """Add an item of time `created` (ms); False when it was there. ValueError for what SYN-1 excludes."""
        self._mark = 0, 0
        return self._rows.insert(_checked(created, item_id))

    def discard(self, created: int, item_id: bytes) -> bool:
        """Remove an item; False when it was not there."""
        self._mark = 0, 0
        return self._rows.discard(_checked(created, item_id))

    def position(self, key: bytes) -> int:
        """How many items lie below this 40-byte key."""
        return self._rows.position(key)

    def keys(self, lower: int, upper: int) -> Iterator[bytes]:
        """The keys at positions lower to upper - 1, in order."""
        return self._rows.between(lower, upper)

    def first(self, key: bytes) -> bytes:
        """The first key from this one, or its beginning, on; b"" when there is none."""
        return self._rows.first(key)

    def above(self, key: bytes) -> Iterator[bytes]:
        """The keys from this one on, in order."""
        return self._rows.above(key)

    def fingerprint(self, lower: int, upper: int) -> bytes:
        """The 16-byte fingerprint of positions lower to upper - 1 (SYN-8)."""
        below = self._mark[1] if self._mark[0] == lower else self._rows.sum_below(lower)
        self._mark = upper, self._rows.sum_below(upper)
        total = (self._mark[1] - below) % _SUM_MODULUS
        digest = sha256(total.to_bytes(ID_BYTES, "little") + varint(upper - lower)).digest()
        return digest[:FINGERPRINT_BYTES]


def _checked(created: int, item_id: bytes) -> bytes:
    if not 0 <= created < INFINITE_MS or len(item_id) != ID_BYTES:
        raise ValueError("an item is a time in 0 .. 2**64 - 2 and an id of 32 bytes")
    return item_key(created, item_id)
