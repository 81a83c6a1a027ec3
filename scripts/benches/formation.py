"""Groups of a million intents from decoded integer columns, in seconds on one core; the aim is at most 20.

Six kinds of people publish twelve levels of -1, 0 and 1, at most five of them not 0, in 32 regions of very different
sizes and two windows of time, so that some are left over and climb the ladder. Measured: tags of all keys, groups,
ladder. The yardstick is the spec done part by part in plain Python, on a twentieth of the entries, times twenty.
`--one 1`: one entry more or one less on a board of so many in one region, in milliseconds until the groups of all are
known again; the aim is at most 50; the yardstick is grouping all of them anew.
"""

from __future__ import annotations

import resource
import statistics
import time
from functools import cache
from typing import Any

import numpy as np

from protocol.coop.division import PACKED, Sizes, divided
from protocol.coop.formation import Entry, form_columns, tag
from protocol.coop.standing import stand

UNIT = "s (--one: ms)"
AGAINST = "part by part in plain Python, s (--one: all anew, ms)"
LIMIT = 0.5
LESS = True
RUNS = 3
OPTIONS = {"entries": 1_000_000, "one": 0}
VARIANTS = ({"one": 1},)
LIMITED_BY = """Hashing and sorting: two thirds of the time make the tags of a million keys and put the entries in
order. One entry more takes a millisecond where no cut moves. Where one does, the part below is divided anew: on boards
where many attributes divide nearly as well as each other that is a part of ten thousand now and then."""

WIDTH, KINDS, REGIONS, CHANGES = 12, 6, 32, 200
SIZES = Sizes(8, 40)
BLOCKS = [("food/00", *f"{region:05b}", f"window {n}") for region in range(REGIONS) for n in range(2)]


@cache
def columns(entries: int) -> tuple[bytes, Any, Any]:
    """Keys one after the other; packed levels, entries x WIDTH; indexes into BLOCKS."""
    rng = np.random.default_rng(7)
    kinds = rng.integers(-1, 2, (KINDS, WIDTH), dtype=np.int8)[rng.integers(0, KINDS, entries)]
    other = rng.random((entries, WIDTH), dtype=np.float32) > 0.75
    kinds[other] = rng.integers(-1, 2, int(other.sum()), dtype=np.int8)
    said = rng.permuted(np.tile(np.arange(WIDTH, dtype=np.int8), (entries, 1)), axis=1) < 5
    where = (rng.random(entries) ** 4 * len(BLOCKS)).astype(np.int64)
    return rng.bytes(32 * entries), (np.where(said, kinds, 0).astype(np.int16) + PACKED).astype(np.uint8), where


def tags(keys: bytes) -> Any:
    """The tag of each key."""
    found = b"".join([tag(keys[at : at + 32]) for at in range(0, len(keys), 32)])
    return np.frombuffer(found, dtype=np.uint8).reshape(-1, 16)


def measure(entries: int = OPTIONS["entries"], one: int = 0) -> tuple[float, dict[str, float]]:
    """Seconds for all, or milliseconds for one more."""
    if one:
        return _one_more(entries)
    keys, vectors, where = columns(entries)
    began = time.process_time()
    numbers = form_columns(vectors, tags(keys), where, BLOCKS, SIZES)
    spent = time.process_time() - began
    assert len(numbers) == entries
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return spent, {"groups": float(numbers.max() + 1), "peak MB of the process": peak}


def yardstick(entries: int = OPTIONS["entries"], one: int = 0) -> float:
    """The same, the plain way."""
    keys, vectors, where = columns(entries if one else entries // 20)
    began = time.process_time()
    marks = tags(keys)
    if one:
        form_columns(vectors, marks, where * 0, BLOCKS[:1], SIZES)
        return (time.process_time() - began) * 1000
    rows: dict[int, list[Any]] = {}
    for at, share in enumerate(where.tolist()):
        rows.setdefault(share, []).append((vectors[at].tobytes(), marks[at].tobytes(), at))
    for row in rows.values():
        divided(sorted(row), SIZES)
    return (time.process_time() - began) * 20


def _one_more(entries: int) -> tuple[float, dict[str, float]]:
    keys, vectors, _ = columns(entries)
    levels = (vectors.astype(np.int16) - PACKED).tolist()
    crowd = [
        Entry(keys[32 * at : 32 * at + 32], keys[32 * at : 32 * at + 32], BLOCKS[0], tuple(vector))
        for at, vector in enumerate(levels)
    ]
    board = stand(crowd[CHANGES:], SIZES.least, SIZES.most)
    board.formation(b"")
    spent = []
    for at in range(CHANGES):
        came, left = crowd[at], crowd[-1 - at]
        for gone, come in (((), (came,)), ((left.id,), ())):
            began = time.process_time()
            board.change(gone, come)
            if come:
                board.group_of(came.id, b"")
            spent.append((time.process_time() - began) * 1000)
    spent.sort()
    return statistics.median(spent), {"ms in 19 of 20 changes": spent[-len(spent) // 20], "ms at most": spent[-1]}
