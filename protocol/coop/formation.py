"""Who belongs together: like-minded groups out of the intents on a board, the same at every node that knows the same.

Decides groups, the order in which their members may found, and whether another node's list is close enough to join.
Never learns preferences, never talks to anybody; a charter and its joins come after it. Spec: 05-formation, FRM-1 to
FRM-14. Everything is integer arithmetic on what the intents publish, so nodes agree bit by bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from protocol.params import (
    COORDINATE_MAX,
    GROUP_SIZE_MAX,
    NEIGHBOURHOOD_MAX,
    SETTLE_ROUNDS,
    TEMPLATE_ATTRIBUTES_MAX,
    WINDOW_MS,
)

Vector = tuple[int, ...]
_NEVER = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Entry:
    """One intent as formation sees it: author's key, record id, block (see `block`), published vector."""

    key: bytes
    id: bytes
    block: tuple[str, ...]
    vector: Vector


@dataclass(frozen=True, slots=True)
class Group:
    """`ids`: the intents in it, ascending. `founders`: their authors' keys in the order of their turns to found."""

    ids: tuple[bytes, ...]
    founders: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Formation:
    """Groups by their first id, and the ids that fit in none, ascending."""

    groups: tuple[Group, ...]
    unplaced: tuple[bytes, ...]


def block(category: str, template: bytes, region: str, ready_by: int) -> tuple[str, ...]:
    """What entries must share to be grouped, from what is never loosened to what is loosened first (FRM-9)."""
    return f"{category}/{template.hex()}", *region, f"window {ready_by // WINDOW_MS}"


def form(entries: Sequence[Entry], epoch: bytes, least: int, most: int) -> Formation:
    """Groups of `least` to `most` like-minded entries; the order of `entries` is irrelevant (FRM-1, FRM-9, FRM-10).

    Entries left over in a block climb a ladder: the last part of their block is dropped, and they are grouped with the
    left over of every block that shares the rest, until one part remains.
    """
    chosen: dict[tuple[bytes, str], Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.id):
        chosen.setdefault((entry.key, entry.block[0]), entry)
    waiting = list(chosen.values())
    groups: list[Group] = []
    for rung in range(max((len(entry.block) for entry in waiting), default=0), 0, -1):
        blocks: dict[tuple[str, ...], list[Entry]] = {}
        for entry in waiting:
            blocks.setdefault(entry.block[:rung], []).append(entry)
        waiting = []
        for _, members in sorted(blocks.items()):
            tags = [tag(entry.key) for entry in members]
            placed, left = group([entry.vector for entry in members], tags, least, most)
            groups += [_founded([members[index] for index in indexes], epoch) for indexes in placed]
            waiting += [members[index] for index in left]
    groups.sort(key=lambda one: one.ids)
    return Formation(tuple(groups), tuple(sorted(entry.id for entry in waiting)))


def _founded(members: Sequence[Entry], epoch: bytes) -> Group:
    order = sorted(founding_order(epoch, entry.key) for entry in members)
    return Group(tuple(sorted(entry.id for entry in members)), tuple(key for _, key in order))


def founding_order(epoch: bytes, key: bytes) -> tuple[bytes, bytes]:
    """Where a key stands among the founders of its group; `epoch` is the epoch's seed (FRM-10)."""
    return blake2b(epoch + key, digest_size=32).digest(), key


def share(listed: Sequence[bytes], computed: Sequence[bytes]) -> bool:
    """Whether a charter's list is close enough to our own computation: three quarters of the longer one (FRM-11)."""
    ours = dict.fromkeys(computed)
    theirs = dict.fromkeys(listed)
    common = sum(1 for one in theirs if one in ours)
    return common > 0 and 4 * common >= 3 * max(len(ours), len(theirs))


def tag(key: bytes) -> bytes:
    """The order among entries that likeness leaves equal: no owner of a key can choose it cheaply (FRM-3)."""
    return blake2b(key, digest_size=16, person=b"wltm formation").digest()


def group(
    vectors: Sequence[Vector], tags: Sequence[bytes], least: int, most: int, settle: bool = False
) -> tuple[list[list[int]], list[int]]:
    """Indexes of like-minded groups of `least` to `most`, and indexes left over (FRM-2 to FRM-7).

    vectors: one per entry, equally long; tags: one per entry, all different. Only as many are left over as no division
    into groups could place. settle: afterwards let single entries move to the group they are most like (FRM-7), for
    vectors finer than published levels; likelier groups, but a newcomer disturbs more of them. Raises ValueError.
    """
    _check(vectors, tags, least, most)
    order = sorted(range(len(tags)), key=lambda index: tags[index])
    count = next(n for n in range(len(order), -1, -1) if _fits(n, least, most))
    field = _Field(tuple(zip(*vectors, strict=True)), vectors, tags, least, most)
    parts, groups = [order[:count]] if count else [], []
    while parts:
        part = parts.pop()
        if settle and len(part) <= NEIGHBOURHOOD_MAX:
            groups += _settled(_divided(part, field), field)
        elif halves := _halves(part, field):
            parts += reversed(halves)
        else:
            groups.append(part)
    return groups, sorted(order[count:])


@dataclass(frozen=True, slots=True)
class _Field:
    """What every step of one grouping reads. `columns`: the vectors by coordinate."""

    columns: tuple[Vector, ...]
    vectors: Sequence[Vector]
    tags: Sequence[bytes]
    least: int
    most: int

    def fits(self, *counts: int) -> bool:
        return all(_fits(count, self.least, self.most) for count in counts)


def _check(vectors: Sequence[Vector], tags: Sequence[bytes], least: int, most: int) -> None:
    if not 2 <= least <= most <= GROUP_SIZE_MAX:
        raise ValueError(f"least and most must be 2 to {GROUP_SIZE_MAX} and in order [FRM-2]")
    width = len(vectors[0]) if vectors else 0
    if width > TEMPLATE_ATTRIBUTES_MAX or any(len(vector) != width for vector in vectors):
        raise ValueError(f"vectors must be equally long, at most {TEMPLATE_ATTRIBUTES_MAX} coordinates [FRM-1]")
    if any(abs(x) > COORDINATE_MAX for vector in vectors for x in vector):
        raise ValueError(f"coordinates must be within {COORDINATE_MAX} either way [FRM-1]")
    if len(tags) != len(vectors) or len(dict.fromkeys(tags)) != len(tags):
        raise ValueError("each vector needs a tag of its own [FRM-3]")


def _fits(count: int, least: int, most: int) -> bool:
    """Whether `count` entries can be divided into groups of `least` to `most`; none can (FRM-2)."""
    return -(-count // most) * least <= count


def _divided(part: list[int], field: _Field) -> list[list[int]]:
    """`part` halved until nothing more can be, low side first."""
    parts, done = [part], []
    while parts:
        one = parts.pop()
        if halves := _halves(one, field):
            parts += reversed(halves)
        else:
            done.append(one)
    return done


def _halves(part: list[int], field: _Field) -> list[list[int]]:
    """Two parts where likeness falls apart most (FRM-4), else where a tag says (FRM-5); [] when `part` is one group."""
    count, least = len(part), field.least
    if count < 2 * least:
        return []
    cut = _widest_gap(part, field)
    if cut is not None:
        column, value = field.columns[cut[0]], cut[1]
        return [[at for at in part if column[at] <= value], [at for at in part if column[at] > value]]
    if count <= (least + field.most) // 2:
        return []
    row = sorted(part, key=lambda at: (field.vectors[at], field.tags[at]))
    places = [place for place in range(least, count - least + 1) if field.fits(place, count - place)]
    if not places:
        return []
    place = min(places, key=lambda place: field.tags[row[place]][::-1])
    return [row[:place], row[place:]]


def _widest_gap(part: list[int], field: _Field) -> tuple[int, int] | None:
    """The coordinate, and the greatest value below the cut, that explain most variance; ties: the first (FRM-4)."""
    best: tuple[int, int] | None = None
    gain, weight = 0, 1  # of the best so far: gain / weight
    for axis, column in enumerate(field.columns):
        counts = Counter(map(column.__getitem__, part))
        total = sum(value * times for value, times in counts.items())
        low = low_sum = 0
        for value in sorted(counts)[:-1]:
            low, low_sum = low + counts[value], low_sum + value * counts[value]
            high = len(part) - low
            apart = (high * low_sum - low * (total - low_sum)) ** 2
            if apart * weight > gain * low * high and field.fits(low, high):
                best, gain, weight = (axis, value), apart, low * high
    return best


def _settled(groups: list[list[int]], field: _Field) -> list[list[int]]:
    """Moves single entries between these groups while that makes them tighter and no size breaks a bound (FRM-7)."""
    import numpy as np

    order = sorted((at for one in groups for at in one), key=lambda at: field.tags[at])
    homes = {at: number for number, one in enumerate(groups) for at in one}
    home = [homes[at] for at in order]
    points = np.array([field.vectors[at] for at in order], dtype=np.int64)
    sizes = np.array([len(one) for one in groups], dtype=np.int64)
    sums = np.zeros((len(groups), points.shape[1]), dtype=np.int64)
    np.add.at(sums, home, points)
    for _ in range(SETTLE_ROUNDS):
        moves = 0
        for at, point in enumerate(points):
            here = home[at]
            if sizes[here] == field.least:
                continue
            tight = _tightness(sums, sizes)
            enter = np.where(sizes < field.most, _tightness(sums + point, sizes + 1) - tight, _NEVER)
            enter[here] = _NEVER
            there = int(enter.argmax())
            leave = _tightness(sums[here] - point, sizes[here] - 1) - tight[here]
            if enter[there] + leave > 0:
                sums[here], sums[there] = sums[here] - point, sums[there] + point
                sizes[here], sizes[there] = sizes[here] - 1, sizes[there] + 1
                home[at] = there
                moves += 1
        if not moves:
            break
    settled: list[list[int]] = [[] for _ in groups]
    for at, number in zip(order, home, strict=True):
        settled[number].append(at)
    return settled


def _tightness(sums: Any, sizes: Any) -> Any:
    """Squared length of the sum of a group's vectors over its size, in 1/1024: integers, rounded down (FRM-7)."""
    return ((sums * sums).sum(axis=-1) << 10) // sizes
