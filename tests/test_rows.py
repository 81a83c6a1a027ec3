"""protocol.record.rows and the memory of protocol.network.index: SYN-17."""

from __future__ import annotations

import gc
import random
import tracemalloc
from bisect import bisect_left

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.network.index import Index
from protocol.record.rows import BLOCK_ROWS, Rows


def weight(row: bytes) -> int:
    return int.from_bytes(row, "big") % 1000


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(1, 30), st.sampled_from([1, 3]))
def test_rows_are_a_sorted_list(rng: random.Random, count: int, width: int) -> None:
    pool = sorted({rng.randbytes(width) for _ in range(count * BLOCK_ROWS // 4)})
    start = rng.sample(pool, rng.randrange(len(pool) + 1))
    rows, model = Rows(width, weight, start), set(start)
    for _ in range(rng.randrange(4 * len(pool))):
        one = rng.choice(pool)
        if rng.random() < 0.6:
            assert rows.insert(one) == (one not in model)
            model.add(one)
        else:
            assert rows.discard(one) == (one in model)
            model.discard(one)
        if rng.random() < 0.02:
            assert len(rows) == len(model)
    ordered = sorted(model)
    low, high = sorted((rng.randbytes(width), rng.randbytes(width)))
    first, last = bisect_left(ordered, low), bisect_left(ordered, high)
    assert list(rows.above(low)) == ordered[first:]
    assert rows.tally(low, high) == (last - first, sum(map(weight, ordered[first:last])))
    assert (rows.position(low), rows.position(high)) == (first, last)
    assert list(rows.between(first, last)) == ordered[first:last]
    assert rows.sum_below(last) == sum(map(weight, ordered[:last]))


def test_a_million_items_fit_in_64_megabytes() -> None:
    """SYN-17, by a fifth of them: built at once, and grown in the order of time or in none."""
    rng = random.Random(7)
    items = [(1_700_000_000_000 + 7 * number, rng.randbytes(32)) for number in range(200_000)]
    mixed = rng.sample(items[:50_000], 50_000)

    def bytes_an_item(make: object, count: int) -> float:
        gc.collect()
        tracemalloc.start()
        index = make() if callable(make) else None
        assert isinstance(index, Index)
        index.fingerprint(0, len(index))
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(index) == count
        return held / count

    def grown(these: list[tuple[int, bytes]]) -> Index:
        index = Index()
        for one in these:
            index.insert(*one)
        return index

    assert bytes_an_item(lambda: Index(items), 200_000) < 48
    assert bytes_an_item(lambda: grown(items[:50_000]), 50_000) < 48
    assert bytes_an_item(lambda: grown(mixed), 50_000) < 48
