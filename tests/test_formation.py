"""Formation: groups within their bounds, the same for all, little disturbed by churn; a second reading of the spec."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.formation import Entry, Formation, block, group, share, tag
from protocol.coop.standing import form
from protocol.params import GROUP_SIZE_MAX, WINDOW_MS

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "spec" / "vectors" / "formation.json"
Vector = tuple[int, ...]
Groups = list[list[int]]


def key(number: int) -> bytes:
    return hashlib.sha256(b"key %d" % number).digest()


def entry(number: int, vector: Vector, where: tuple[str, ...] = ("food/00", "g", "window 1"), record: int = 0) -> Entry:
    return Entry(key(number), hashlib.sha256(b"id %d %d" % (number, record)).digest(), where, vector)


def levels(count: int, width: int, seed: int, kinds: int = 6) -> list[Vector]:
    """Published vectors of people of so many kinds: most of a kind agree on most attributes, at most five said."""
    rng = Random(seed)
    centres = [[rng.choice((-1, 0, 1)) for _ in range(width)] for _ in range(kinds)]
    found = []
    for _ in range(count):
        centre = rng.choice(centres)
        vector = [x if rng.random() < 0.75 else rng.choice((-1, 0, 1)) for x in centre]
        for at in rng.sample([at for at, x in enumerate(vector) if x], max(0, sum(map(abs, vector)) - 5)):
            vector[at] = 0
        found.append(tuple(vector))
    return found


def tags(count: int) -> list[bytes]:
    return [tag(key(number)) for number in range(count)]


def fits(count: int, least: int, most: int) -> bool:
    """FRM-2 by trying every number of groups."""
    return any(least * n <= count <= most * n for n in range(count + 1))


def literal(vectors: Sequence[Vector], marks: Sequence[bytes], least: int, most: int) -> tuple[Groups, list[int]]:
    """FRM-2 to FRM-6 word by word, with fractions and no thought of speed."""
    order = sorted(range(len(vectors)), key=lambda at: marks[at])
    count = max(n for n in range(len(order) + 1) if fits(n, least, most))
    return literal_parts(order[:count], vectors, marks, least, most) if count else [], sorted(order[count:])


def literal_parts(
    part: list[int], vectors: Sequence[Vector], marks: Sequence[bytes], least: int, most: int, by_tags: bool = False
) -> Groups:
    n = len(part)
    cuts = []
    for k in range(len(vectors[0])) if n >= 2 * least and not by_tags else ():
        for v in sorted({vectors[at][k] for at in part})[:-1]:
            low = [at for at in part if vectors[at][k] <= v]
            high = [at for at in part if vectors[at][k] > v]
            a, b = len(low), len(high)
            if fits(a, least, most) and fits(b, least, most):
                gap = b * sum(vectors[at][k] for at in low) - a * sum(vectors[at][k] for at in high)
                cuts.append((-Fraction(gap**2, a * b), k, v, low, high))
    sides = list(min(cuts, key=lambda cut: cut[:3])[3:]) if cuts else []
    if not cuts and n > (least + most) // 2:
        row = sorted(part, key=lambda at: (vectors[at], marks[at]))
        places = [a for a in range(least, n - least + 1) if fits(a, least, most) and fits(n - a, least, most)]
        if places:
            a = min(places, key=lambda place: bytes(reversed(marks[row[place]])))
            sides = [row[:a], row[a:]]
    halves = [literal_parts(side, vectors, marks, least, most, not cuts) for side in sides]
    return [one for half in halves for one in half] if sides else [part]


def settled(groups: Groups, vectors: Sequence[Vector], marks: Sequence[bytes], least: int, most: int) -> Groups:
    """FRM-7 word by word."""

    def tight(one: list[int]) -> int:
        return 1024 * sum(sum(vectors[at][k] for at in one) ** 2 for k in range(len(vectors[0]))) // len(one)

    groups = [list(one) for one in groups]
    for _ in range(8):
        moved = False
        for at in sorted((at for one in groups for at in one), key=lambda at: marks[at]):
            home = next(one for one in groups if at in one)
            gains = [
                tight([other for other in home if other != at]) + tight([*one, at]) - tight(home) - tight(one)
                if one is not home and len(one) < most and len(home) > least
                else -1
                for one in groups
            ]
            if max(gains) > 0:
                home.remove(at)
                groups[gains.index(max(gains))].append(at)
                moved = True
        if not moved:
            break
    return groups


def as_sets(groups: Groups) -> list[list[int]]:
    return sorted(sorted(one) for one in groups)


NINE = [(0, 1, 1), (1, 0, 0), (0, 0, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0), (0, 0, 0), (0, 1, 0), (1, 0, 1)]
CASES: list[tuple[str, str, Sequence[Vector], int, int, bool]] = [
    ("two kinds", "FRM-4", [(1, 0)] * 3 + [(-1, 0)] * 4, 3, 5, False),
    ("a cut that would leave too few on a side", "FRM-4", [(1, 0)] * 2 + [(-1, 0)] * 6, 3, 8, False),
    ("a tie: the first coordinate", "FRM-4", [(0, 0), (0, 1), (1, 0), (1, 1)], 2, 3, False),
    ("equals, cut by tags", "FRM-5", [(0, 1)] * 13, 3, 6, False),
    ("sides of a cut by tags, not divided by likeness", "FRM-5", NINE, 3, 4, False),
    ("equals that stay together", "FRM-6", [(0, 1)] * 6, 3, 9, False),
    ("one too many for any division", "FRM-3", [(0,)] * 3 + [(1,)] * 2, 4, 4, False),
    ("eleven cannot be groups of 4 and 5", "FRM-2", [(0,)] * 6 + [(1,)] * 5, 4, 5, False),
    ("too few", "FRM-2", [(0, 0)] * 2, 3, 9, False),
    ("nobody", "FRM-2", [], 3, 9, False),
    ("no coordinates", "FRM-1", [()] * 7, 3, 4, False),
    ("levels of forty", "FRM-4", levels(40, 5, 1), 8, 40, False),
    ("fine vectors, settled", "FRM-7", [(n * n % 23 - 11, n * 7 % 19 - 9) for n in range(30)], 3, 8, True),
]
BAD: list[tuple[str, str, list[Vector], list[int], int, int]] = [
    ("groups of one", "FRM-2", [(0,)], [0], 1, 4),
    ("sizes that cross", "FRM-2", [(0,)], [0], 5, 4),
    ("sizes beyond the bound", "FRM-2", [(0,)], [0], 2, GROUP_SIZE_MAX + 1),
    ("vectors of two lengths", "FRM-1", [(0,), (0, 1)], [0, 1], 2, 4),
    ("33 coordinates", "FRM-1", [(0,) * 33], [0], 2, 4),
    ("a coordinate of 128", "FRM-1", [(128,)], [0], 2, 4),
    ("a coordinate of -128", "FRM-1", [(0, -128)], [0], 2, 4),
    ("a tag twice", "FRM-3", [(0,), (1,)], [4, 4], 2, 4),
    ("a tag missing", "FRM-3", [(0,), (1,)], [4], 2, 4),
]
SHARES = [(4, 4, 4), (4, 4, 3), (4, 4, 2), (8, 6, 6), (9, 6, 6), (6, 8, 6), (40, 8, 8), (0, 0, 0)]
TOWN = [
    *[entry(n, (n % 2,), ("food/00", "g", "c", "window 1")) for n in range(7)],
    *[entry(n, (0,), ("food/00", "g", "c", "window 2")) for n in range(10, 12)],
    *[entry(n, (0,), ("food/00", "g", "d", "window 2")) for n in range(20, 21)],
    *[entry(n, (0,), ("food/01", "g", "c", "window 1")) for n in range(30, 32)],
    entry(3, (1,), ("food/00", "g", "c", "window 1"), record=1),
]


def shared(listed: int, computed: int, common: int) -> bool:
    return share(
        [key(n) for n in range(listed)],
        [key(n) for n in range(common)] + [key(-n - 1) for n in range(computed - common)],
    )


def told(found: Formation) -> dict[str, Any]:
    groups = [{"ids": [i.hex() for i in one.ids], "founders": [k.hex() for k in one.founders]} for one in found.groups]
    return {"groups": groups, "unplaced": [one.hex() for one in found.unplaced]}


def vectors() -> dict[str, Any]:
    """spec/vectors/formation.json."""
    cases: list[dict[str, Any]] = []
    for name, clause, given_vectors, least, most, settle in CASES:
        marks = tags(len(given_vectors))
        groups, left = group(given_vectors, marks, least, most, settle)
        entries = [{"key": key(n).hex(), "tag": marks[n].hex(), "vector": list(v)} for n, v in enumerate(given_vectors)]
        given_case = {"entries": entries, "least": least, "most": most, "settle": settle}
        output = {"groups": as_sets(groups), "left_over": left}
        cases.append({"name": name, "clause": clause, "input": given_case, "output": output})
    for name, clause, bad, marks_bad, least, most in BAD:
        given_case = {"vectors": [list(v) for v in bad], "tags": marks_bad, "least": least, "most": most}
        cases.append({"name": name, "clause": clause, "input": given_case, "reject": clause})
    entries = [
        {"key": one.key.hex(), "id": one.id.hex(), "block": list(one.block), "vector": list(one.vector)} for one in TOWN
    ]
    for epoch in (b"", b"another day"):
        town = {"entries": entries, "epoch": epoch.hex(), "least": 3, "most": 5}
        output = told(form(TOWN, epoch, 3, 5))
        cases.append({"name": "a town and its ladder", "clause": "FRM-9", "input": town, "output": output})
    where = block("food", bytes(4), "gcp", 3 * WINDOW_MS + 1)
    given_block = {"category": "food", "template": bytes(4).hex(), "region": "gcp", "ready_by": 3 * WINDOW_MS + 1}
    cases.append({"name": "a block", "clause": "FRM-9", "input": given_block, "output": list(where)})
    for row in SHARES:
        sizes = dict(zip(("listed", "computed", "common"), row, strict=True))
        cases.append({"name": "lists", "clause": "FRM-11", "input": sizes, "output": shared(*row)})
    return {"name": "formation", "spec": "05-formation", "cases": cases}


def test_the_vectors_are_committed() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == json.loads(json.dumps(vectors()))


@pytest.mark.parametrize(
    ("name", "clause", "given_vectors", "marks", "least", "most"), BAD, ids=[row[0] for row in BAD]
)
def test_what_cannot_be_grouped(
    name: str, clause: str, given_vectors: list[Vector], marks: list[int], least: int, most: int
) -> None:
    """FRM-1, FRM-2, FRM-3."""
    with pytest.raises(ValueError) as caught:
        group(given_vectors, [bytes([mark]) for mark in marks], least, most)
    assert clause in str(caught.value)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[Vector], int, int]:
    least = draw(st.integers(2, 6))
    most = least + draw(st.integers(0, 12))
    width, reach = draw(st.integers(0, 4)), draw(st.sampled_from([1, 3, 127]))
    vector = st.tuples(*[st.integers(-reach, reach)] * width)
    return draw(st.lists(vector, max_size=60)), least, most


@given(crowds(), st.booleans())
def test_groups_are_a_partition_within_bounds(crowd: tuple[list[Vector], int, int], settle: bool) -> None:
    """FRM-2, FRM-3: everyone is in one group or left over, and no more are left over than must be."""
    given_vectors, least, most = crowd
    groups, left = group(given_vectors, tags(len(given_vectors)), least, most, settle)
    assert sorted([at for one in groups for at in one] + left) == list(range(len(given_vectors)))
    assert all(least <= len(one) <= most for one in groups)
    assert len(left) == min(len(given_vectors) - n for n in range(len(given_vectors) + 1) if fits(n, least, most))


@given(crowds())
def test_a_second_reading_of_the_spec_agrees(crowd: tuple[list[Vector], int, int]) -> None:
    """FRM-2 to FRM-7 as a stranger would write them."""
    given_vectors, least, most = crowd
    marks = tags(len(given_vectors))
    groups, left = literal(given_vectors, marks, least, most)
    found, rest = group(given_vectors, marks, least, most)
    assert (as_sets(found), rest) == (as_sets(groups), left)
    expected = settled(groups, given_vectors, marks, least, most)
    assert as_sets(group(given_vectors, marks, least, most, settle=True)[0]) == as_sets(expected)


@given(st.integers(0, 10**6), st.integers(0, 60))
def test_the_order_of_entries_is_irrelevant(seed: int, count: int) -> None:
    """FRM-9, FRM-10: any two nodes with the same intents get the same groups and the same turns."""
    rng = Random(seed)
    town = [
        entry(n, vector, ("food/00", rng.choice("gh"), f"window {rng.randint(1, 2)}"), rng.randint(0, 1))
        for n, vector in enumerate(levels(count, 4, seed))
    ]
    town += town[:3]
    found = form(town, b"day", 3, 8)
    assert form(rng.sample(town, len(town)), b"day", 3, 8) == found
    assert sorted([i for one in found.groups for i in one.ids] + list(found.unplaced)) == sorted({e.id for e in town})


def test_the_same_under_any_hash_seed() -> None:
    """No set, no hash() reaches a result."""
    program = (
        "import sys; sys.path.insert(0, '.'); from tests.test_formation import *;"
        "print(told(form([entry(n, v) for n, v in enumerate(levels(300, 6, 3))], b'day', 8, 40)))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True
        ).stdout
        for seed in ("0", "1")
    ]
    assert outputs[0] == outputs[1] != b""


def test_one_author_counts_once() -> None:
    """FRM-8: of two intents of one author the one with the least id, however many blocks they stand in."""
    town = [entry(n, (0,)) for n in range(2)] + [entry(0, (0,), ("food/00", "g", "window 2"), n) for n in range(9)]
    found = form(town, b"", 2, 9)
    assert [i for one in found.groups for i in one.ids] == sorted(
        [min(e.id for e in town if e.key == key(0)), town[1].id]
    )


def test_who_is_left_over_climbs_the_ladder() -> None:
    """FRM-9: another window of the same region first, then the wider region, never another template."""
    found = form(TOWN, b"", 3, 5)
    blocks = {one.id: one.block for one in TOWN}
    kinds = [sorted({blocks[i][1:] for i in one.ids}) for one in found.groups]
    assert [("g", "c", "window 2"), ("g", "d", "window 2")] in kinds
    assert all(len({blocks[i][0] for i in one.ids}) == 1 for one in found.groups)
    assert set(found.unplaced) == {one.id for one in TOWN if one.block[0] == "food/01"}
    assert block("food", b"\x01", "gcp", WINDOW_MS - 1) == ("food/01", "g", "c", "p", "window 0")


def test_founders_take_turns_by_hash() -> None:
    """FRM-10: another epoch, another order; all members are in it."""
    town = [entry(n, (0,)) for n in range(8)]
    first, second = (form(town, epoch, 8, 9).groups[0].founders for epoch in (b"day 1", b"day 2"))
    assert first != second
    assert sorted(first) == sorted(second) == sorted(one.key for one in town)
    assert first[0] == min(
        (one.key for one in town), key=lambda k: hashlib.blake2b(b"day 1" + k, digest_size=32).digest()
    )


def test_three_quarters_of_the_longer_list() -> None:
    """FRM-11: neither a short list inside ours nor a crowd around ours will do."""
    assert [shared(*row) for row in SHARES] == [True, True, False, True, False, True, False, False]


def kept(before: Groups, after: Groups) -> float:
    names = {tuple(sorted(one)) for one in after}
    return sum(tuple(sorted(one)) in names for one in before) / len(before)


def churned(count: int, width: int, fixed: int = 0) -> tuple[float, float]:
    """Share of groups that stay as they are when 1 % leave and 1 % come: divided by content, or filled to a size."""
    everyone, marks, rng = levels(count + count // 100, width, 7), tags(count + count // 100), Random(1)
    gone = dict.fromkeys(rng.sample(range(count), count // 100))
    now, then = list(range(count)), [at for at in range(len(everyone)) if at not in gone]
    found = [
        [[ids[at] for at in one] for one in group([everyone[at] for at in ids], [marks[at] for at in ids], 8, 40)[0]]
        for ids in (now, then)
    ]
    rows = [sorted(ids, key=lambda at: (everyone[at], marks[at])) for ids in (now, then)]
    filled = [[row[at : at + 15] for at in range(0, len(row), 15)] for row in rows]
    return kept(*found), kept(*filled)


@pytest.mark.parametrize("width", [5, 12])
def test_churn_leaves_two_thirds_of_the_groups_alone(width: int) -> None:
    """FRM-4, FRM-5; the control fills groups in the same order up to a size, and one newcomer shifts them all."""
    content, filled = churned(10_000, width)
    assert content >= 0.65
    assert filled < 0.2


def test_a_crowd_of_equals_and_a_crowd_of_extremes() -> None:
    """FRM-5: neither identical vectors nor ones made to peel off a few at a time cost more than they should."""
    groups, left = group([(1, 1)] * 20_000, tags(20_000), 8, 40)
    assert not left
    assert sum(map(len, groups)) / len(groups) > 12
    powers = [tuple(min(127, 2**k) if n % 8 == k else 0 for k in range(8)) for n in range(4_000)]
    assert not group(powers, tags(4_000), 8, 40, settle=True)[1]
