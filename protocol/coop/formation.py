"""Who belongs together: like-minded groups out of the intents on a board, the same at every node that knows the same.

Decides groups, the order in which their members may found, and whether another node's list is close enough to join.
Never learns preferences, never talks to anybody; a charter and its joins come after it. Spec: 05-formation, FRM-1 to
FRM-14. Everything is integer arithmetic on what the intents publish, so nodes agree bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from protocol.coop.bulk import Array, divide, divide_items
from protocol.coop.division import Sizes, Vector, check_vectors, divided, packed, settled_groups
from protocol.params import WINDOW_MS


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


def founded(members: Sequence[Entry], epoch: bytes) -> Group:
    """The group of these entries; `epoch` is the epoch's seed (FRM-10)."""
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


def groups_of(
    entries: Sequence[Entry], ids: Sequence[bytes], epoch: bytes, least: int, most: int
) -> dict[bytes, Group | None]:
    """The groups of some of these entries; None where one is left over or does not count."""
    import numpy as np

    counting: dict[tuple[bytes, str], Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.id):  # FRM-8
        counting.setdefault((entry.key, entry.block[0]), entry)
    row = list(counting.values())
    blocks = {shared: at for at, shared in enumerate(dict.fromkeys(entry.block for entry in row))}
    values = np.frombuffer(b"".join([packed(entry.vector) for entry in row]), dtype=np.uint8)
    vectors = values.reshape(len(row), len(row[0].vector) if row else 0)
    tags = np.frombuffer(b"".join([tag(entry.key) for entry in row]), dtype=np.uint8).reshape(len(row), 16)
    where = np.array([blocks[entry.block] for entry in row], dtype=np.int64)
    numbers = form_columns(vectors, tags, where, list(blocks), Sizes(least, most).check())
    found: dict[bytes, Group | None] = dict.fromkeys(ids)
    for at, entry in enumerate(row):
        if entry.id in found and numbers[at] >= 0:
            found[entry.id] = founded([row[one] for one in np.flatnonzero(numbers == numbers[at])], epoch)
    return found


def form_columns(vectors: Array, tags: Array, where: Array, blocks: Sequence[tuple[str, ...]], sizes: Sizes) -> Array:
    """The number of each entry's group, -1 for those left over, of a million entries at once (FRM-3 to FRM-9).

    vectors: n x width uint8, packed; tags: n x 16 uint8; where: n indexes into `blocks`, which all differ. Each author
    counts once in a category, so the caller has sorted out FRM-8.
    """
    import numpy as np

    numbers, waiting, count = np.full(len(where), -1, dtype=np.int64), np.arange(len(where)), 0
    longest = max(map(len, blocks), default=0)
    for rung in [longest + 1, *range(longest, 0, -1)]:
        shares = {share: at for at, share in enumerate(dict.fromkeys(block[:rung] for block in blocks))}
        crowds = np.array([shares[block[:rung]] for block in blocks], dtype=np.int64)[where[waiting]]
        division = divide(vectors[waiting], tags[waiting], crowds, sizes, len(waiting))
        ends = division.ends
        numbers[waiting[division.order]] = count + np.searchsorted(ends, np.arange(len(division.order)), side="right")
        count += len(ends)
        waiting = waiting[numbers[waiting] < 0]
    return numbers


def group(
    vectors: Sequence[Vector], tags: Sequence[bytes], least: int, most: int, settle: bool = False
) -> tuple[list[list[int]], list[int]]:
    """Indexes of like-minded groups of `least` to `most`, and indexes left over (FRM-2 to FRM-7).

    vectors: one per entry, equally long; tags: one per entry, all different. Only as many are left over as no division
    into groups could place. settle: afterwards let single entries move to the group they are most like (FRM-7), for
    vectors finer than published levels; likelier groups, but a newcomer disturbs more of them. Raises ValueError.
    """
    sizes = Sizes(least, most).check()
    check_vectors(vectors, tags)
    order = sorted(range(len(tags)), key=lambda index: tags[index])
    count = sizes.fitting(len(order))
    row = sorted((packed(vectors[index]), tags[index], index) for index in order[:count])
    if not count:
        return [], sorted(order)
    if settle:
        found = settled_groups(row, sizes)
    elif count <= sizes.leaf:
        found = divided(row, sizes)
    else:
        found = divide_items(row, sizes, count).groups(row)
    return [[item[2] for item in one] for one in found], sorted(order[count:])
