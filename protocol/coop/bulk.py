"""The division of large crowds, a million entries and more, to the same bit as `division`, many parts at a time.

Decides nothing of its own: entries that publish the same are counted as one, all parts of one depth are measured in one
sweep, and where two cuts come out as good as equal in floating point, integers decide. Memory: about 120 bytes and
4 x width bytes an entry. Spec: 05-formation, FRM-2 to FRM-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

from protocol.coop.division import Cut, Item, Sizes

_One = TypeVar("_One")
Array = Any  # numpy.ndarray; NumPy is imported where it is needed only
CELLS_MAX = 1 << 20  # (part, coordinate, value) measured at a time
_NEARLY = 1 - 1e-9  # a float's error is far below this, so who is further off has lost


@dataclass(frozen=True, slots=True)
class Split:
    """How a part was divided: entries on the low side; by which cut, None for a tag; the tallies it was found by."""

    low: int
    cut: Cut | None = None
    tallies: list[dict[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Division:
    """`order`: the grouped entries, group after group, low side first; `ends`: where each group ends in it; `splits`:
    (from, to) in `order` -> how that part was divided, for parts above the size asked for."""

    order: Array
    ends: Array
    splits: dict[tuple[int, int], Split]

    def groups(self, row: Sequence[_One]) -> list[list[_One]]:
        """The groups of the entries that were divided."""
        order = self.order.tolist()
        return [[row[at] for at in order[low:high]] for low, high in pairwise([0, *self.ends.tolist()])]


def divide_items(
    row: Sequence[Item], sizes: Sizes, above: int, by_tags: bool = False, stop: bool = False
) -> Division:
    """`divide` of one crowd; `order` counts from the first of `row`."""
    import numpy as np

    vectors, tags = (
        np.frombuffer(b"".join([item[part] for item in row]), dtype=np.uint8).reshape(len(row), len(row[0][part]))
        for part in (0, 1)
    )
    return divide(vectors, tags, np.zeros(len(row), dtype=np.int64), sizes, above, by_tags, stop)


def divide(
    vectors: Array, tags: Array, crowds: Array, sizes: Sizes, above: int, by_tags: bool = False, stop: bool = False
) -> Division:
    """Groups each crowd of entries by itself (FRM-3 to FRM-6).

    vectors: n x width uint8, packed; tags: n x 16 uint8; crowds: n integers from 0; above: of greater parts the splits
    are told; by_tags: all lie on one side of a cut by tags; stop: parts up to `above` are left as they are.
    """
    import numpy as np

    order, kinds = _sorted(vectors, tags, crowds)
    order, kinds = _fitting(order, kinds, tags, crowds, sizes)
    first = np.flatnonzero(np.diff(kinds, prepend=-1))  # where in `order` each kind begins
    weights = np.diff(first, append=len(order))
    crowd = crowds[order[first]]
    bounds = np.flatnonzero(np.diff(crowd, prepend=-1)), np.flatnonzero(np.diff(crowd, append=-1)) + 1
    sweep = _Sweep(vectors[order[first]], weights, sizes, above, stop)
    parts = bounds if by_tags else sweep.run(*bounds)
    entries = np.repeat(first[sweep.order], weights[sweep.order]) + _within(weights[sweep.order])
    order = order[entries]
    offsets = np.concatenate([[0], np.cumsum(weights[sweep.order])])
    splits = {
        (int(offsets[low]), int(offsets[high])): Split(int(offsets[middle] - offsets[low]), cut, told)
        for (low, high), (middle, cut, told) in sweep.splits.items()
    }
    ends = _rows(offsets[parts[0]], offsets[parts[1]], _backward_ranks(tags[order]), sizes, above, splits, stop)
    return Division(order, ends, splits)


def _sorted(vectors: Array, tags: Array, crowds: Array) -> tuple[Array, Array]:
    """Entries by (crowd, vector, tag), and in that order the number of each one's kind: of crowd and vector."""
    import numpy as np

    count, width = vectors.shape
    packed = np.zeros((count, -(-width // 8) * 8), dtype=np.uint8)
    packed[:, :width] = vectors
    words = np.ascontiguousarray(packed).view(">u8").astype(np.uint64)
    halves = np.ascontiguousarray(tags).view(">u8").astype(np.uint64)
    keys = [crowds.astype(np.int64), *words.T, halves[:, 0], halves[:, 1]]
    order = np.lexsort(keys[::-1])
    change = np.zeros(count, dtype=bool)
    for key in keys[:-2]:
        change[1:] |= key[order[1:]] != key[order[:-1]]
    return order, np.cumsum(change)


def _fitting(order: Array, kinds: Array, tags: Array, crowds: Array, sizes: Sizes) -> tuple[Array, Array]:
    """Without those who are left over: in each crowd that does not fit, the highest tags (FRM-3)."""
    import numpy as np

    counts = np.bincount(crowds) if len(crowds) else np.zeros(0, dtype=np.int64)
    none = counts[crowds[order]] < sizes.least
    drop = none.copy()
    bad = np.flatnonzero((counts >= sizes.least) & (-(-counts // sizes.most) * sizes.least > counts))
    for one in bad:
        places = np.flatnonzero(crowds[order] == one)
        by_tag = sorted(places.tolist(), key=lambda at: bytes(tags[order[at]]))
        drop[by_tag[sizes.fitting(len(by_tag)) :]] = True
    return order[~drop], kinds[~drop]


def _within(lengths: Array) -> Array:
    """0, 1, … for each of these lengths, one after the other."""
    import numpy as np

    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


class _Sweep:
    """Cuts by likeness, all parts of a depth at once. Parts are ranges of `order`, in which kinds come to stand."""

    def __init__(self, kinds: Array, weights: Array, sizes: Sizes, above: int, stop: bool) -> None:
        import numpy as np

        self.order = np.arange(len(kinds))
        self.weights, self.sizes, self.above = weights, sizes, above
        self.least = max(2 * sizes.least, above + 1 if stop else 0)  # a smaller part is not divided
        self.splits: dict[tuple[int, int], tuple[int, Cut, list[dict[int, int]]]] = {}
        found = [np.unique(column, return_inverse=True) for column in kinds.T]
        self.values = [values.astype(np.int64) for values, _ in found]
        self.codes = np.array([codes for _, codes in found], dtype=np.uint8).reshape(len(found), len(kinds))
        self.cells = max(1, sum(map(len, self.values)))

    def run(self, lows: Array, highs: Array) -> tuple[Array, Array]:
        """Divides these ranges until no cut by likeness is left; the parts that come of it, in their order."""
        import numpy as np

        done = []
        while len(lows):
            before = np.concatenate([[0], np.cumsum(self.weights[self.order])])
            sizes = before[highs] - before[lows]
            large = (sizes >= self.least) & (highs - lows > 1)
            done.append((lows[~large], highs[~large]))
            lows, highs, sizes, fresh = lows[large], highs[large], sizes[large], []
            step = max(1, CELLS_MAX // self.cells)
            for at in range(0, len(lows), step):
                low, high = lows[at : at + step], highs[at : at + step]
                middle = self._split(low, high, sizes[at : at + step])
                cut = middle > 0
                done.append((low[~cut], high[~cut]))
                fresh += [(low[cut], middle[cut]), (middle[cut], high[cut])]
            lows = np.concatenate([one for one, _ in fresh]) if fresh else lows
            highs = np.concatenate([one for _, one in fresh]) if fresh else highs
            where = np.argsort(lows)
            lows, highs = lows[where], highs[where]
        lows, highs = (np.concatenate([pair[side] for pair in done] or [lows]) for side in (0, 1))
        where = np.argsort(lows)
        return lows[where], highs[where]

    def _split(self, lows: Array, highs: Array, sizes: Array) -> Array:
        """Rearranges each range so that its low side comes first; where the high side begins, 0 without a cut."""
        import numpy as np

        part = np.repeat(np.arange(len(lows)), highs - lows)
        places = np.repeat(lows, highs - lows) + _within(highs - lows)
        kinds = self.order[places]
        counts = self._counts(part, kinds, len(lows))
        best = self._best(counts, sizes)
        axis = np.repeat(np.arange(len(self.values)), [len(one) for one in self.values])
        code = np.concatenate([np.arange(len(one)) for one in self.values])
        high = self.codes[axis[best][part], kinds] > code[best][part]
        high &= (best >= 0)[part]
        before = np.cumsum(high) - high  # of the high ones
        start = np.flatnonzero(np.diff(part, prepend=-1))
        above = before - before[start][part]
        lower = np.arange(len(part)) - start[part] - above
        middle = lows + np.bincount(part, weights=~high, minlength=len(lows)).astype(np.int64)
        self.order[np.where(high, middle[part] + above, lows[part] + lower)] = kinds
        middle[best < 0] = 0
        for at in np.flatnonzero((sizes > self.above) & (best >= 0)).tolist():
            cut = int(axis[best[at]]), int(self.values[axis[best[at]]][code[best[at]]])
            self.splits[int(lows[at]), int(highs[at])] = int(middle[at]), cut, self._told(counts[at])
        return middle

    def _counts(self, part: Array, kinds: Array, parts: int) -> Array:
        """Entries of each part at each value of each coordinate."""
        import numpy as np

        weights, columns = self.weights[kinds].astype(np.float64), []
        for codes, values in zip(self.codes, self.values, strict=True):
            cells = np.bincount(part * len(values) + codes[kinds], weights, parts * len(values))
            columns.append(cells.astype(np.int64).reshape(parts, len(values)))
        return np.concatenate(columns, axis=1)

    def _told(self, counts: Array) -> list[dict[int, int]]:
        import numpy as np

        ends = np.cumsum([len(one) for one in self.values])[:-1]
        columns = zip(self.values, np.split(counts, ends), strict=True)
        return [{int(v): int(n) for v, n in zip(values, column, strict=True) if n} for values, column in columns]

    def _best(self, counts: Array, sizes: Array) -> Array:
        """For each part the number of the cut of `division.widest`, among all coordinates' values; -1: none."""
        import numpy as np

        lows, aparts = np.zeros_like(counts), np.zeros_like(counts)
        size, at = sizes[:, None], 0
        for values in self.values:
            here = slice(at, at + len(values))
            lows[:, here] = low = np.cumsum(counts[:, here], axis=1)
            sums = np.cumsum(counts[:, here] * values, axis=1)
            aparts[:, here] = size * sums - low * sums[:, -1:]
            at += len(values)
        highs, least, most = size - lows, self.sizes.least, self.sizes.most
        good = (counts > 0) & (highs > 0) & (-(-lows // most) * least <= lows) & (-(-highs // most) * least <= highs)
        with np.errstate(divide="ignore", invalid="ignore"):
            gains = np.where(good, aparts.astype(np.float64) ** 2 / (lows.astype(np.float64) * highs), -1.0)
        top = gains.max(axis=1)
        near = gains >= (top * _NEARLY)[:, None]
        best = np.where(top > 0, near.argmax(axis=1), -1)
        for row in np.flatnonzero((top > 0) & (near.sum(axis=1) > 1)).tolist():
            best[row] = _exact(np.flatnonzero(near[row]).tolist(), aparts[row], lows[row], int(sizes[row]))
        return best


def _exact(cuts: list[int], aparts: Array, lows: Array, size: int) -> int:
    """The first of the best of these cuts, compared as FRM-4 says."""
    best, gain, weight = cuts[0], 0, 1
    for cut in cuts:
        apart, low = int(aparts[cut]) ** 2, int(lows[cut])
        if apart * weight > gain * low * (size - low):
            best, gain, weight = cut, apart, low * (size - low)
    return best


def _backward_ranks(tags: Array) -> Array:
    """Where each tag stands among all when they are read backwards (FRM-5)."""
    import numpy as np

    words = np.ascontiguousarray(tags).view("<u8").astype(np.uint64)
    ranks = np.empty(len(tags), dtype=np.int64)
    ranks[np.lexsort((words[:, 0], words[:, 1]))] = np.arange(len(tags))
    return ranks


def _rows(
    lows: Array, highs: Array, ranks: Array, sizes: Sizes, above: int, splits: dict[tuple[int, int], Split], stop: bool
) -> Array:
    """Cuts by tags of parts that are ranges of sorted entries: where each group ends (FRM-5, FRM-6)."""
    import numpy as np

    most = max(sizes.middle, above) if stop else sizes.middle
    long = highs - lows > most
    ends = [highs[~long]]
    found: list[int] = []
    parts = list(zip(lows[long].tolist(), highs[long].tolist(), strict=True))
    while parts:
        low, high = parts.pop()
        place = _place(ranks[low:high], sizes) if high - low > most else 0
        if not place:
            found.append(high)
            continue
        if high - low > above:
            splits[low, high] = Split(place)
        parts += [(low, low + place), (low + place, high)]
    return np.sort(np.concatenate([*ends, np.array(found, dtype=np.int64)]))


def _place(ranks: Array, sizes: Sizes) -> int:
    """`division.tag_cut` of entries with these backward ranks."""
    import numpy as np

    least, count = sizes.least, len(ranks)
    if count < 2 * least:
        return 0
    inner = ranks[least : count - least + 1]
    if not sizes.whole:
        lows = np.arange(least, count - least + 1)
        good = (-(-lows // sizes.most) * least <= lows) & (-(-(count - lows) // sizes.most) * least <= count - lows)
        if not good.any():
            return 0
        inner = np.where(good, inner, np.iinfo(np.int64).max)
    return least + int(inner.argmin())
