"""A sorted set of byte strings of one width, a few bytes more in memory than the strings themselves.

Decides where a row lies and what ranges of rows add up to; never what a row means. Spec: 03-sync, SYN-17.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice

BLOCK_ROWS = 64  # a search looks at up to twice as many in a block, a sum at up to four times as many


class Rows:
    """Rows of `width` bytes; `weigh` is what a row adds to the sum of a range.

    They lie in blocks of at most 2 * BLOCK_ROWS, each one byte string, so that a row costs its width and about five
    bytes. Sums over all earlier blocks are cached up to the first block that changed since.
    """

    __slots__ = ("_blocks", "_bytes_before", "_lasts", "_sums", "_sums_before", "_weigh", "_width")

    def __init__(self, width: int, weigh: Callable[[bytes], int], rows: Iterable[bytes] = ()) -> None:
        self._width, self._weigh = width, weigh
        ordered = sorted(set(rows))
        parts = [ordered[at : at + BLOCK_ROWS] for at in range(0, len(ordered), BLOCK_ROWS)]
        self._blocks = [b"".join(part) for part in parts]
        self._lasts = [part[-1] for part in parts]
        self._sums = [sum(map(weigh, part)) for part in parts]
        self._bytes_before, self._sums_before = [0], [0]

    def __len__(self) -> int:
        self._refresh()
        return self._bytes_before[-1] // self._width

    def insert(self, row: bytes) -> bool:
        """Add a row; False when it was there."""
        if not self._blocks:
            self._put(0, row)
            return True
        lasts = self._lasts
        at = bisect_left(lasts, row) if row <= lasts[-1] else len(lasts) - 1
        block = self._blocks[at]
        place = self._place(block, row)
        if block.startswith(row, place):
            return False
        block = self._blocks[at] = block[:place] + row + block[place:]
        lasts[at] = block[-self._width :]
        self._sums[at] += self._weigh(row)
        self._forget(at)
        half = BLOCK_ROWS * self._width
        if len(block) > 2 * half:
            self._put(at + 1, block[half:])
            self._blocks[at] = block[:half]
            lasts[at] = block[half - self._width : half]
            self._sums[at] -= self._sums[at + 1]
        return True

    def discard(self, row: bytes) -> bool:
        """Remove a row; False when it was not there."""
        at = bisect_left(self._lasts, row)
        if at == len(self._blocks):
            return False
        block = self._blocks[at]
        place = self._place(block, row)
        if not block.startswith(row, place):
            return False
        block = self._blocks[at] = block[:place] + block[place + self._width :]
        self._forget(at)
        if block:
            self._lasts[at] = block[-self._width :]
            self._sums[at] -= self._weigh(row)
        else:
            del self._blocks[at], self._lasts[at], self._sums[at]
        return True

    def position(self, row: bytes) -> int:
        """How many rows lie below this one."""
        self._refresh()
        at = bisect_left(self._lasts, row)
        inside = self._place(self._blocks[at], row) if at < len(self._blocks) else 0
        return (self._bytes_before[at] + inside) // self._width

    def between(self, lower: int, upper: int) -> Iterator[bytes]:
        """The rows at positions lower to upper - 1, in order."""
        at, inside = self._find(lower)
        chain = (row for block in islice(self._blocks, at, None) for row in self._cut(block))
        return islice(chain, inside // self._width, inside // self._width + upper - lower)

    def first(self, lower: bytes) -> bytes:
        """The first row from `lower` on, b"" when there is none."""
        at = bisect_left(self._lasts, lower)
        if at == len(self._blocks):
            return b""
        place = self._place(self._blocks[at], lower)
        return self._blocks[at][place : place + self._width]

    def above(self, lower: bytes) -> Iterator[bytes]:
        """The rows from `lower` on, in order; nothing else is looked at."""
        at = bisect_left(self._lasts, lower)
        if at < len(self._blocks):
            yield from self._cut(self._blocks[at][self._place(self._blocks[at], lower) :])
            for block in islice(self._blocks, at + 1, None):
                yield from self._cut(block)

    def tally(self, lower: bytes, upper: bytes) -> tuple[int, int]:
        """Count and sum of the rows from `lower` up to and without `upper`, at the cost of their blocks."""
        count = total = 0
        first = bisect_left(self._lasts, lower)
        for at in range(first, min(bisect_left(self._lasts, upper) + 1, len(self._blocks))):
            block = self._blocks[at]
            start = self._place(block, lower) if at == first else 0
            end = self._place(block, upper) if self._lasts[at] >= upper else len(block)
            count += (end - start) // self._width
            whole = end - start == len(block)
            total += self._sums[at] if whole else sum(map(self._weigh, self._cut(block[start:end])))
        return count, total

    def sum_below(self, position: int) -> int:
        """What the rows before this position add up to."""
        at, inside = self._find(position)
        block = self._blocks[at] if inside else b""
        if inside <= len(block) // 2:
            return self._sums_before[at] + sum(map(self._weigh, self._cut(block[:inside])))
        return self._sums_before[at] + self._sums[at] - sum(map(self._weigh, self._cut(block[inside:])))

    def _find(self, position: int) -> tuple[int, int]:
        """The block that holds a position, and how many of its bytes lie before it."""
        self._refresh()
        at = bisect_right(self._bytes_before, position * self._width) - 1
        return at, position * self._width - self._bytes_before[at]

    def _place(self, block: bytes, row: bytes) -> int:
        """Where in the block a row, or the beginning of one, lies or would lie, in bytes."""
        width = self._width
        low, high = 0, len(block) // width
        while low < high:
            middle = (low + high) >> 1
            if block[middle * width : middle * width + width] < row:
                low = middle + 1
            else:
                high = middle
        return low * width

    def _cut(self, block: bytes) -> list[bytes]:
        width = self._width
        return [block[at : at + width] for at in range(0, len(block), width)]

    def _put(self, at: int, block: bytes) -> None:
        self._blocks.insert(at, block)
        self._lasts.insert(at, block[-self._width :])
        self._sums.insert(at, sum(map(self._weigh, self._cut(block))))
        self._forget(at)

    def _forget(self, at: int) -> None:
        del self._bytes_before[at + 1 :], self._sums_before[at + 1 :]

    def _refresh(self) -> None:
        at = len(self._bytes_before) - 1
        if at < len(self._blocks):
            lengths = map(len, islice(self._blocks, at, None))
            self._bytes_before += islice(accumulate(lengths, initial=self._bytes_before[at]), 1, None)
            self._sums_before += islice(accumulate(self._sums[at:], initial=self._sums_before[at]), 1, None)
