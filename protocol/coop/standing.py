"""The groups of a board as it stands: entries come and go one at a time, and only what they touch is divided anew.

Decides nothing that `formation` does not: after any changes the groups are those that the entries alone lead to. Who
is grouped together is held as the tree of its cuts. A change passes from the root to one leaf, and what it could alter
on the way is compared; where a cut moves, the part below is divided anew. Leaves are divided when somebody asks.
Nothing but time depends on the order of changes. Spec: 05-formation, FRM-2 to FRM-10.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from protocol.coop.bulk import Division, divide_items
from protocol.coop.division import Cut, Item, Sizes, divided, packed, tallies, widest
from protocol.coop.formation import Entry, Formation, Group, founded, tag

Block = tuple[str, ...]


def form(entries: Iterable[Entry], epoch: bytes, least: int, most: int) -> Formation:
    """Groups of `least` to `most` like-minded entries; the order of `entries` is irrelevant (FRM-1, FRM-9, FRM-10)."""
    return stand(entries, least, most).formation(epoch)


def stand(entries: Iterable[Entry], least: int, most: int) -> Standing:
    """The board of these entries."""
    standing = Standing(Sizes(least, most))
    standing.change((), list(entries))
    return standing


@dataclass(slots=True)
class _Part:
    """A part of a crowd: divided by likeness at `cut`, or by tags at `mark`, the first entry of the high side (FRM-5);
    else a leaf with its entries in `row`. `tallies`: of a part that likeness may divide; None on one side of a cut by
    tags, where rows are sorted. `groups` of a leaf, once they were asked for.
    """

    size: int
    tallies: list[dict[int, int]] | None
    row: list[Item] = field(default_factory=list)
    cut: Cut | None = None
    mark: Item | None = None
    sides: list[_Part] = field(default_factory=list)
    groups: list[list[Item]] | None = None

    def leaves(self) -> Iterator[_Part]:
        """Its leaves, low side first."""
        parts = [self]
        while parts:
            part = parts.pop()
            if part.sides:
                parts += reversed(part.sides)
            else:
                yield part

    def side(self, item: Item) -> int:
        """On which side of the cut an entry lies: 0 low, 1 high."""
        if self.cut is not None:
            return int(item[0][self.cut[0]] > self.cut[1])
        return int(self.mark is not None and item[:2] >= self.mark[:2])

    def nth(self, at: int) -> Item:
        """Entry number `at` of a part below cuts by tags, counted from 0."""
        part = self
        while part.sides:
            low = part.sides[0].size
            part, at = (part.sides[0], at) if at < low else (part.sides[1], at - low)
        return part.row[at]


def _built(row: list[Item], sizes: Sizes, by_tags: bool = False, stop: bool = False) -> _Part:
    """The tree of these entries, in whatever order; `stop`: its leaves are divided when somebody asks."""
    if len(row) <= sizes.leaf:
        return _Part(len(row), None if by_tags else [], sorted(row))
    division = divide_items(row, sizes, sizes.leaf, by_tags, stop)
    return _grown(division, [row[at] for at in division.order.tolist()], by_tags, stop)


def _grown(division: Division, ordered: list[Item], by_tags: bool, stop: bool) -> _Part:
    """The tree that a division amounts to, down to its leaves."""
    ends = division.ends.tolist()
    top = _Part(len(ordered), None if by_tags else [])
    parts = [(top, 0)]
    while parts:
        part, start = parts.pop()
        split = division.splits.get((start, start + part.size))
        if split is None:
            part.row = ordered[start : start + part.size]
            if not stop:
                inner = ends[bisect_right(ends, start) : bisect_right(ends, start + part.size)]
                part.groups = [ordered[low:high] for low, high in pairwise([start, *inner])]
            continue
        middle = start + split.low
        part.cut, part.mark = split.cut, ordered[middle] if split.cut is None else None
        if part.tallies is not None:
            part.tallies = split.tallies or tallies(ordered[start : start + part.size])
        part.sides = [_Part(size, None if split.cut is None else []) for size in (split.low, part.size - split.low)]
        parts += [(part.sides[0], start), (part.sides[1], middle)]
    return top


def _changed(top: _Part, item: Item, comes: bool, sizes: Sizes) -> _Part:
    """The tree after an entry has come or gone."""
    above: _Part | None = None
    side, part = 0, top
    while part.sides and _holds(part, item, comes, sizes):
        above, side = part, part.side(item)
        part = part.sides[side]
    if part.sides or len(part.row) > sizes.leaf:
        row = [one for leaf in part.leaves() for one in leaf.row]
        _put(row, item, comes)
        part = _built(row, sizes, part.tallies is None, stop=True)
    else:
        _put(part.row, item, comes)
        part.size, part.groups = len(part.row), None
        if len(part.row) > sizes.leaf:
            part = _built(part.row, sizes, part.tallies is None, stop=True)
    if above is None:
        return part
    above.sides[side] = part
    return top


def _put(row: list[Item], item: Item, comes: bool) -> None:
    if comes:
        row.append(item)
    else:
        row.remove(item)
    row.sort()


def _holds(part: _Part, item: Item, comes: bool, sizes: Sizes) -> bool:
    """Counts the entry in or out; whether the part's cut is still the one that FRM-4 and FRM-5 want."""
    step, mark = 1 if comes else -1, part.mark
    part.size += step
    if part.tallies is not None:
        for column, value in zip(part.tallies, item[0], strict=True):
            column[value] = column.get(value, 0) + step
            if not column[value]:
                del column[value]
        if (found := widest(part.tallies, part.size, sizes)) is not None or mark is None:
            return found == part.cut and part.size > sizes.leaf
    if mark is None or part.size <= max(sizes.middle, sizes.leaf) or not sizes.whole:
        return False
    least = sizes.least
    if not comes:
        counts = [one.size for one in part.sides]
        counts[part.side(item)] -= 1
        return item[1] != mark[1] and min(counts) >= least
    # The mark is the best of all but the first and last few. With one entry more, at most one more is among them.
    first, last = (sorted([part.nth(at - 1), part.nth(at), item])[1] for at in (least, part.size - least))
    rivals = [first, last, item] if first <= item <= last else [first, last]
    return all(one[1][::-1] >= mark[1][::-1] for one in rivals)


@dataclass(slots=True)
class _Crowd:
    """Who is grouped together at one rung: those in groups, as a tree, and by tag those left over (FRM-3)."""

    sizes: Sizes
    top: _Part = field(default_factory=lambda: _Part(0, []))
    waiting: dict[bytes, Item] = field(default_factory=dict)

    def change(self, gone: Sequence[Item], come: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """Takes entries out and in; who is left over no longer, and who now is."""
        now = self.top.size + len(self.waiting)
        count, least = now - len(gone) + len(come), now - len(gone)
        few = count > self.sizes.leaf * (len(gone) + len(come)) and not self.waiting
        if few and self.sizes.fit(*range(least, max(now, count) + 1)):
            for item in gone:
                self.top = _changed(self.top, item, False, self.sizes)
            for item in come:
                self.top = _changed(self.top, item, True, self.sizes)
            return [], []
        held = {item[1]: item for leaf in self.top.leaves() for item in leaf.row} | self.waiting
        for item in gone:
            del held[item[1]]
        held |= {item[1]: item for item in come}
        before, order = self.waiting, sorted(held) if not self.sizes.fit(count) else list(held)
        placed = self.sizes.fitting(count)
        self.waiting = {tag: held[tag] for tag in order[placed:]}
        self.top = _built([held[tag] for tag in order[:placed]], self.sizes)
        gone_on = [item for tag, item in before.items() if self.waiting.get(tag) != item]
        return gone_on, [item for tag, item in self.waiting.items() if before.get(tag) != item]

    def groups(self) -> Iterator[list[Item]]:
        """All groups, low side first."""
        for leaf in self.top.leaves():
            if leaf.row:
                yield from self._divided(leaf)

    def group_of(self, item: Item) -> list[Item]:
        """The group of an entry that is not waiting."""
        part = self.top
        while part.sides:
            part = part.sides[part.side(item)]
        return next(one for one in self._divided(part) if item in one)

    def _divided(self, leaf: _Part) -> list[list[Item]]:
        if leaf.groups is None:
            leaf.groups = divided(sorted(leaf.row), self.sizes, leaf.tallies is None)
        return leaf.groups


class Standing:
    """The entries of a board and the groups they fall into."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes.check()
        self._entries: dict[bytes, Entry] = {}
        self._authors: dict[tuple[bytes, str], tuple[bytes, ...]] = {}  # -> ids, ascending; the first counts (FRM-8)
        self._crowds: dict[tuple[bool, Block], _Crowd] = {}  # (whether of equal blocks, what their blocks share)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, record_id: bytes) -> bool:
        return record_id in self._entries

    @property
    def ids(self) -> Iterable[bytes]:
        """The ids of all entries."""
        return self._entries.keys()

    def change(self, gone: Iterable[bytes], come: Iterable[Entry]) -> None:
        """Takes entries out, by id, and in; ids that are not there, and entries that are, change nothing."""
        out: dict[bytes, Entry] = {}
        first: dict[tuple[bytes, str], bytes | None] = {}  # of each author concerned, the id that counted before
        for record_id in gone:
            if (entry := self._entries.pop(record_id, None)) is not None:
                out[record_id] = entry
                author = entry.key, entry.block[0]
                ids = self._authors[author]
                first.setdefault(author, ids[0])
                self._authors[author] = tuple(one for one in ids if one != record_id)
        for entry in come:
            if entry.id not in self._entries:
                self._entries[entry.id] = entry
                author = entry.key, entry.block[0]
                ids = self._authors.get(author, ())
                first.setdefault(author, ids[0] if ids else None)
                self._authors[author] = (entry.id,) if not ids else tuple(sorted((*ids, entry.id)))
        gone_items, come_items = [], []
        for author, before in first.items():
            ids = self._authors[author]
            if not ids:
                del self._authors[author]
            old = None if before is None else out.get(before) or self._entries[before]
            new = self._entries[ids[0]] if ids else None
            if old != new:
                gone_items += [] if old is None else [_item(old)]
                come_items += [] if new is None else [_item(new)]
        self._climb(gone_items, come_items)

    def _climb(self, gone: list[Item], come: list[Item]) -> None:
        """Passes changes to the crowds of equal blocks, and what is left over there up the ladder (FRM-9)."""
        rung, equal = max((len(item[2].block) for item in [*gone, *come]), default=0), True
        later: tuple[list[Item], list[Item]] = [], []
        while rung:
            shares: dict[tuple[bool, Block], tuple[list[Item], list[Item]]] = {}
            for side, items in enumerate((gone, come)):
                for item in items:
                    block = item[2].block
                    if equal or len(block) >= rung:
                        at = equal, block if equal else block[:rung]
                        shares.setdefault(at, ([], []))[side].append(item)
                    else:
                        later[side].append(item)
            moved = [self._pass(at, *share) for at, share in shares.items()]
            gone, come = ([item for pair in moved for item in pair[side]] + later[side] for side in (0, 1))
            later = [], []
            rung, equal = rung if equal else rung - 1, False

    def _pass(self, at: tuple[bool, Block], gone: list[Item], come: list[Item]) -> tuple[list[Item], list[Item]]:
        crowd = self._crowds.get(at) or self._crowds.setdefault(at, _Crowd(self._sizes))
        moved = crowd.change(gone, come)
        if not crowd.top.size and not crowd.waiting:
            del self._crowds[at]
        return moved

    def formation(self, epoch: bytes) -> Formation:
        """All groups by their first id, founders in the turns of this epoch (FRM-10)."""
        found = [founded([item[2] for item in one], epoch) for crowd in self._crowds.values() for one in crowd.groups()]
        last = [crowd for (equal, shared), crowd in self._crowds.items() if not equal and len(shared) == 1]
        unplaced = sorted(item[2].id for crowd in last for item in crowd.waiting.values())
        return Formation(tuple(sorted(found, key=lambda one: one.ids)), tuple(unplaced))

    def group_of(self, record_id: bytes, epoch: bytes) -> Group | None:
        """The group of one entry; None when it is none, does not count (FRM-8) or is left over."""
        entry = self._entries.get(record_id)
        if entry is None or self._authors[entry.key, entry.block[0]][0] != record_id:
            return None
        item = _item(entry)
        for at in [(True, entry.block), *((False, entry.block[:n]) for n in range(len(entry.block), 0, -1))]:
            crowd = self._crowds[at]
            if item[1] not in crowd.waiting:
                return founded([one[2] for one in crowd.group_of(item)], epoch)
        return None


def _item(entry: Entry) -> Item:
    return packed(entry.vector), tag(entry.key), entry
