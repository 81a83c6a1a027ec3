"""How a crowd falls into like-minded groups: the arithmetic of a cut, and whole divisions of crowds that are not large.

Decides where a part is divided and when it is a group. Never knows who the entries are, and never looks at more than
their vectors and tags. Spec: 05-formation, FRM-2 to FRM-7. Crowds of thousands: `bulk`, to the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocol.params import (
    COORDINATE_MAX,
    FORM_LEAF_MAX,
    GROUP_SIZE_MAX,
    NEIGHBOURHOOD_MAX,
    SETTLE_ROUNDS,
    TEMPLATE_ATTRIBUTES_MAX,
)

Vector = tuple[int, ...]
Item = tuple[bytes, bytes, Any]  # packed vector, tag, and whatever belongs to it: sorted by the first two; tags differ
Cut = tuple[int, int]  # coordinate, and the greatest value of the low side, packed
PACKED = 128  # is added to each coordinate of a packed vector, so that its bytes sort as the vector does
_NEVER = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The bounds of a group. `leaf`: parts up to this size are divided at once, whatever they consist of."""

    least: int
    most: int
    leaf: int = FORM_LEAF_MAX

    def check(self) -> Sizes:
        """Itself; raises ValueError FRM-2."""
        if not 2 <= self.least <= self.most <= GROUP_SIZE_MAX:
            raise ValueError(f"least and most must be 2 to {GROUP_SIZE_MAX} and in order [FRM-2]")
        return self

    @property
    def middle(self) -> int:
        """Equals stay together up to here (FRM-5)."""
        return (self.least + self.most) // 2

    @property
    def whole(self) -> bool:
        """Whether every number from `least` on fits."""
        return self.most >= 2 * self.least - 1

    def fit(self, *counts: int) -> bool:
        """Whether each of these can be divided into groups; none can (FRM-2)."""
        return all(-(-count // self.most) * self.least <= count for count in counts)

    def fitting(self, count: int) -> int:
        """The greatest number up to `count` that fits (FRM-3)."""
        return next(n for n in range(count, -1, -1) if self.fit(n))


def check_vectors(vectors: Sequence[Vector], tags: Sequence[bytes]) -> None:
    """Raises ValueError FRM-1 or FRM-3."""
    width = len(vectors[0]) if vectors else 0
    if width > TEMPLATE_ATTRIBUTES_MAX or any(len(vector) != width for vector in vectors):
        raise ValueError(f"vectors must be equally long, at most {TEMPLATE_ATTRIBUTES_MAX} coordinates [FRM-1]")
    if any(abs(x) > COORDINATE_MAX for vector in vectors for x in vector):
        raise ValueError(f"coordinates must be within {COORDINATE_MAX} either way [FRM-1]")
    if len(tags) != len(vectors) or len(dict.fromkeys(tags)) != len(tags):
        raise ValueError("each vector needs a tag of its own [FRM-3]")


def packed(vector: Vector) -> bytes:
    """A vector as one byte a coordinate."""
    return bytes([x + PACKED for x in vector])


def tallies(row: Sequence[Item]) -> list[dict[int, int]]:
    """Per coordinate how often each value occurs."""
    width, values = len(row[0][0]), b"".join([item[0] for item in row])
    return [Counter(values[at::width]) for at in range(width)]


def widest(counts: Sequence[Mapping[int, int]], size: int, sizes: Sizes) -> Cut | None:
    """The cut that explains most variance of those whose sides can be groups; ties: the first (FRM-4)."""
    best: Cut | None = None
    gain, weight = 0, 1  # of the best so far: gain / weight
    for axis, column in enumerate(counts):
        total = sum(value * times for value, times in column.items())
        low = low_sum = 0
        for value in sorted(column)[:-1]:
            low, low_sum = low + column[value], low_sum + value * column[value]
            high = size - low
            apart = (size * low_sum - low * total) ** 2
            if apart * weight > gain * low * high and sizes.fit(low, high):
                best, gain, weight = (axis, value), apart, low * high
    return best


def divided(row: list[Item], sizes: Sizes, by_tags: bool = False) -> list[list[Item]]:
    """The groups of sorted entries, low side first; `by_tags`: they lie on one side of a cut by tags (FRM-4, FRM-5)."""
    parts, groups = [(row, by_tags)], []
    while parts:
        part, tagged = parts.pop()
        sides, tagged = halves(part, sizes, tagged)
        if sides:
            parts += [(side, tagged) for side in reversed(sides)]
        else:
            groups.append(part)
    return groups


def halves(row: list[Item], sizes: Sizes, by_tags: bool = False) -> tuple[list[list[Item]], bool]:
    """The two sides of sorted entries and whether a tag cut them; no sides when they are one group (FRM-6)."""
    cut = None if by_tags or len(row) < 2 * sizes.least else widest(tallies(row), len(row), sizes)
    if cut is not None:
        axis, value = cut
        sides = [item for item in row if item[0][axis] <= value], [item for item in row if item[0][axis] > value]
        return list(sides), False
    place = tag_cut(row, sizes)
    return ([row[:place], row[place:]] if place else []), True


def tag_cut(row: Sequence[Item], sizes: Sizes) -> int:
    """How many of these sorted entries are on the low side of a cut by tags; 0: there is none (FRM-5)."""
    count = len(row)
    if count <= sizes.middle:
        return 0
    places = range(sizes.least, count - sizes.least + 1)
    return min((at for at in places if sizes.fit(at, count - at)), key=lambda at: row[at][1][::-1], default=0)


def settled_groups(row: list[Item], sizes: Sizes) -> list[list[Item]]:
    """The groups of sorted entries with coordinates finer than levels: near the end entries may still move (FRM-7)."""
    parts: list[tuple[list[Item], bool]] = [(row, False)]
    groups: list[list[Item]] = []
    while parts:
        part, by_tags = parts.pop()
        if len(part) <= NEIGHBOURHOOD_MAX:
            groups += _settled(divided(part, sizes, by_tags), sizes)
            continue
        sides, by_tags = halves(part, sizes, by_tags)
        parts += [(side, by_tags) for side in reversed(sides)]
        groups += [] if sides else [part]
    return groups


def _settled(groups: list[list[Item]], sizes: Sizes) -> list[list[Item]]:
    """Moves single entries between these groups while that makes them tighter and no size breaks a bound (FRM-7)."""
    import numpy as np

    homes = sorted(((item, number) for number, one in enumerate(groups) for item in one), key=lambda pair: pair[0][1])
    home = [number for _, number in homes]
    points = np.array([list(item[0]) for item, _ in homes], dtype=np.int64).reshape(len(homes), -1) - PACKED
    counts = np.array([len(one) for one in groups], dtype=np.int64)
    sums = np.zeros((len(groups), points.shape[1]), dtype=np.int64)
    np.add.at(sums, home, points)
    tight = _tightness(sums, counts)
    for _ in range(SETTLE_ROUNDS):
        moves = 0
        for at, point in enumerate(points):
            here = home[at]
            if counts[here] == sizes.least:
                continue
            enter = np.where(counts < sizes.most, _tightness(sums + point, counts + 1) - tight, _NEVER)
            enter[here] = _NEVER
            there = int(enter.argmax())
            leave = _tightness(sums[here] - point, counts[here] - 1) - tight[here]
            if enter[there] + leave > 0:
                sums[here], sums[there] = sums[here] - point, sums[there] + point
                counts[here], counts[there] = counts[here] - 1, counts[there] + 1
                tight = _tightness(sums, counts)
                home[at] = there
                moves += 1
        if not moves:
            break
    settled: list[list[Item]] = [[] for _ in groups]
    for (item, _), number in zip(homes, home, strict=True):
        settled[number].append(item)
    return settled


def _tightness(sums: Any, counts: Any) -> Any:
    """Squared length of the sum of a group's vectors over its size, in 1/1024: integers, rounded down (FRM-7)."""
    return ((sums * sums).sum(axis=-1) << 10) // counts
