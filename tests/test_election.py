"""The tally against published results, an independent count, and its vectors (ELE-1 to ELE-10)."""

import json
import random
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.coop.election import Ranking, Tally, schulze, succession
from protocol.encoding import digest
from protocol.errors import Ignore

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "election.json"
Ballots = list[tuple[int, Ranking[int]]]


def strict(text: str) -> Ballots:
    """ "8 acdb, 2 ba": eight who rank a first, then c, d, b; two who rank b above a and both above the rest."""
    parts = (part.split() for part in text.split(", "))
    return [(int(count), tuple((ord(letter) - 96,) for letter in order)) for count, order in parts]


# --- an independent count: per pair of candidates, then reachability threshold by threshold ---------------------------


def naive_pairwise(ballots: Ballots, count: int) -> list[list[int]]:
    """ELE-3, ELE-4"""
    table = [[0] * count for _ in range(count)]
    for times, ranking in ballots:
        rank = {candidate: place for place, tier in enumerate(ranking) for candidate in tier}
        for one in range(count):
            for other in range(count):
                if rank.get(one + 1, count) < rank.get(other + 1, count):
                    table[one][other] += times
    return table


def naive_strengths(pairwise: Sequence[Sequence[int]]) -> list[list[int]]:
    """ELE-5, ELE-6: the greatest threshold at which one still reaches the other."""
    count = len(pairwise)
    strength = [[0] * count for _ in range(count)]
    for threshold in sorted({votes for row in pairwise for votes in row}):
        for start in range(count):
            found, todo = [start], [start]
            while todo:
                here = todo.pop()
                for there in range(count):
                    votes = pairwise[here][there]
                    if there not in found and votes >= max(threshold, 1) and votes > pairwise[there][here]:
                        found.append(there)
                        todo.append(there)
            for end in found[1:]:
                strength[start][end] = threshold
    return strength


def naive_order(strength: list[list[int]]) -> list[list[int]]:
    """ELE-7"""
    left, order = list(range(len(strength))), []
    while left:
        best = [one for one in left if all(strength[one][other] >= strength[other][one] for other in left)]
        order.append([one + 1 for one in best])
        left = [one for one in left if one not in best]
    return order


def plain(tally: Tally[int]) -> list[list[int]]:
    return [list(tier) for tier in tally.order]


# --- published results ---------------------------------------------------------------------------------------------

FORTY_FIVE = strict("5 acbed, 5 adecb, 8 bedac, 3 cabed, 7 caebd, 2 cbade, 7 dceba, 8 ebadc")
FORTY_FIVE_STRENGTHS = [  # as printed with the example, rows and columns a to e
    [0, 28, 28, 30, 24],
    [25, 0, 28, 33, 24],
    [25, 29, 0, 29, 24],
    [25, 28, 28, 0, 24],
    [25, 28, 28, 31, 0],
]
# Mayor of Burlington 2009, the three leading candidates: Montroll (a), Kiss (b), Wright (c).
BURLINGTON = strict("1332 abc, 767 acb, 455 a, 2043 bac, 371 bca, 568 b, 1513 cab, 495 cba, 1289 c")

PUBLISHED: list[tuple[str, int, Ballots, list[list[int]]]] = [
    ("45 voters, 5 candidates", 5, FORTY_FIVE, [[5], [1], [3], [2], [4]]),
    ("Schulze 2011, example 1", 4, strict("8 acdb, 2 badc, 4 cdba, 4 dbac, 3 dcba"), [[4], [1], [3], [2]]),
    ("Schulze 2011, two winners", 4, strict("3 abcd, 2 cbda, 2 dabc, 2 dbca"), [[2, 4], [1, 3]]),
    ("Burlington 2009", 3, BURLINGTON, [[1], [2], [3]]),
]
OURS: list[tuple[str, int, Ballots, list[list[int]]]] = [
    ("no ballots", 3, [], [[1, 2, 3]]),
    ("no candidates", 0, [], []),
    ("one candidate", 1, strict("2 a"), [[1]]),
    ("a ballot without preference", 2, [(1, ())], [[1, 2]]),
    ("named above unnamed", 4, strict("1 b"), [[2], [1, 3, 4]]),
    ("a tie inside a ballot", 3, [(2, ((1, 2), (3,))), (1, ((2,),))], [[2], [1], [3]]),
    ("a circle of equals", 3, strict("1 abc, 1 bca, 1 cab"), [[1, 2, 3]]),
    ("more than 32 bits of voters", 2, [(2**52, ((1,), (2,))), (2**52 - 1, ((2,), (1,)))], [[1], [2]]),
]


@pytest.mark.parametrize(("name", "count", "ballots", "order"), PUBLISHED + OURS, ids=[c[0] for c in PUBLISHED + OURS])
def test_known_results(name: str, count: int, ballots: Ballots, order: list[list[int]]) -> None:
    """ELE-1, ELE-3, ELE-7, ELE-8, ELE-10"""
    assert plain(schulze(ballots, range(1, count + 1))) == order


def test_burlington_has_the_published_counts() -> None:
    """ELE-4"""
    pairwise = schulze(BURLINGTON, [1, 2, 3]).pairwise
    assert (pairwise[0][1], pairwise[1][0]) == (4067, 3477)
    assert (pairwise[0][2], pairwise[2][0]) == (4597, 3668)
    assert (pairwise[1][2], pairwise[2][1]) == (4314, 4064)


def test_the_independent_count_has_the_published_strengths() -> None:
    """ELE-6: so that what we compare with is itself anchored."""
    assert naive_strengths(naive_pairwise(FORTY_FIVE, 5)) == FORTY_FIVE_STRENGTHS


# --- any ballots ---------------------------------------------------------------------------------------------------


def some_ballots(rng: random.Random, count: int, ballots: int) -> Ballots:
    """Rankings with ties, mostly incomplete, in few kinds, so that circles and equal strengths are common."""
    result: Ballots = []
    for _ in range(ballots):
        named = rng.sample(range(1, count + 1), rng.randrange(count + 1))
        tiers, at = list[tuple[int, ...]](), 0
        while at < len(named):
            size = rng.choice([1, 1, 1, 2, 3])
            tiers.append(tuple(named[at : at + size]))
            at += size
        result.append((rng.choice([1, 1, 2, 5, 1000]), tuple(tiers)))
    return result


@given(st.randoms(use_true_random=False), st.integers(0, 8), st.integers(0, 12))
def test_same_as_the_independent_count(rng: random.Random, count: int, ballots: int) -> None:
    """ELE-3 to ELE-8"""
    cast = some_ballots(rng, count, ballots)
    tally = schulze(cast, range(1, count + 1))
    assert [list(row) for row in tally.pairwise] == naive_pairwise(cast, count)
    assert plain(tally) == naive_order(naive_strengths(tally.pairwise))


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(15, 40), st.integers(1, 60))
def test_same_as_floyd_and_warshall(rng: random.Random, count: int, ballots: int) -> None:
    """ELE-6 once more, by the textbook's table."""
    tally = schulze(some_ballots(rng, count, ballots), range(1, count + 1))
    votes = tally.pairwise
    path = [[votes[i][j] if votes[i][j] > votes[j][i] else 0 for j in range(count)] for i in range(count)]
    for middle in range(count):
        for start in range(count):
            for end in range(count):
                if start != end:
                    path[start][end] = max(path[start][end], min(path[start][middle], path[middle][end]))
    assert plain(tally) == naive_order(path)


@given(st.randoms(use_true_random=False), st.integers(1, 7), st.integers(0, 9))
def test_neither_order_nor_numbering_nor_bundling_matters(rng: random.Random, count: int, ballots: int) -> None:
    """ELE-3, ELE-4: ballots in any order, split up, with the unnamed spelt out, candidates under other numbers."""
    cast = some_ballots(rng, count, ballots)
    order = plain(schulze(cast, range(1, count + 1)))
    other = list(range(1, count + 1))
    rng.shuffle(other)
    renamed: Ballots = []
    for times, ranking in cast:
        named = set(chain.from_iterable(ranking))
        rest = tuple(one for one in range(1, count + 1) if one not in named)
        full = tuple(tuple(other[one - 1] for one in tier) for tier in (*ranking, rest) if tier)
        renamed += [(1, full)] * times if times < 5 else [(times - 1, full), (1, full)]
    rng.shuffle(renamed)
    again = plain(schulze(renamed, range(1, count + 1)))
    assert again == [sorted(other[one - 1] for one in tier) for tier in order]


def test_a_hundred_alternatives_and_thousands_of_ballots() -> None:
    """ELE-6: a size at which a table per ballot would take minutes; no more than that it ends is asked here."""
    rng = random.Random(7)
    cast: Ballots = [(1, tuple((one,) for one in rng.sample(range(1, 121), 120))) for _ in range(3000)]
    assert sorted(chain.from_iterable(plain(schulze(cast, range(1, 121))))) == list(range(1, 121))


# --- bad ballots ---------------------------------------------------------------------------------------------------

BAD: list[tuple[str, int, Ranking[int]]] = [
    ("names nobody's number", 3, ((1,), (4,))),
    ("names zero", 3, ((0,),)),
    ("names one twice in two tiers", 3, ((1,), (2,), (1,))),
    ("names one twice in one tier", 3, ((2, 2),)),
]


@pytest.mark.parametrize(("name", "count", "ranking"), BAD, ids=[case[0] for case in BAD])
def test_a_ranking_of_others_is_no_ballot(name: str, count: int, ranking: Ranking[int]) -> None:
    with pytest.raises(Ignore) as caught:
        schulze([(1, ranking)], range(1, count + 1))
    assert caught.value.code == "ELE-2"


def test_misuse_is_an_error() -> None:
    with pytest.raises(ValueError):
        schulze([(0, ())], [1])
    with pytest.raises(ValueError):
        schulze([], [1, 1])


# --- succession ----------------------------------------------------------------------------------------------------


def key(number: int) -> bytes:
    return digest("example", bytes([number]))


def keyed(ballots: Ballots, count: int) -> Tally[bytes]:
    cast = [(times, tuple(tuple(key(one) for one in tier) for tier in ranking)) for times, ranking in ballots]
    return schulze(cast, sorted(key(one) for one in range(1, count + 1)))


@given(st.randoms(use_true_random=False), st.integers(1, 7), st.integers(0, 9), st.binary(min_size=32, max_size=32))
def test_succession_follows_the_order(rng: random.Random, count: int, ballots: int, roster: bytes) -> None:
    """ELE-9: a permutation of the candidates that never puts a lower tier first."""
    tally = keyed(some_ballots(rng, count, ballots), count)
    place = {candidate: at for at, tier in enumerate(tally.order) for candidate in tier}
    line = succession(tally, roster)
    assert sorted(line) == sorted(tally.candidates)
    assert [place[candidate] for candidate in line] == sorted(place.values())


def test_another_roster_breaks_ties_another_way() -> None:
    """ELE-9, ELE-10: with no ballots the hash decides alone, and over many rosters favours nobody."""
    tally = keyed([], 3)
    firsts = [succession(tally, digest("roster", bytes([n])))[0] for n in range(240)]
    assert all(50 < firsts.count(key(number)) < 110 for number in (1, 2, 3))


# --- vectors -------------------------------------------------------------------------------------------------------


def vectors() -> dict[str, Any]:
    """Every case with what the code makes of it; the strengths are the independent count's."""
    cases: list[dict[str, Any]] = []
    for name, count, ballots, _ in PUBLISHED + OURS:
        tally = schulze(ballots, range(1, count + 1))
        result = {"pairwise": tally.pairwise, "strengths": naive_strengths(tally.pairwise), "order": tally.order}
        cases.append({"name": f"tally: {name}", "clause": "ELE-7"})
        cases[-1] |= {"input": {"candidates": count, "ballots": ballots}, "output": result}
    for name, count, ranking in BAD:
        cases.append({"name": f"tally: {name}", "clause": "ELE-2"})
        cases[-1] |= {"input": {"candidates": count, "ballots": [(1, ranking)]}, "reject": "ELE-2"}
    for name, ballots in (("two pairs of equals", PUBLISHED[2][2]), ("no ballots", [])):
        keys, roster = [key(number).hex() for number in range(1, 5)], digest("roster", name.encode())
        line = [candidate.hex() for candidate in succession(keyed(ballots, 4), roster)]
        cases.append({"name": f"succession: {name}", "clause": "ELE-9"})
        cases[-1] |= {"input": {"keys": keys, "ballots": ballots, "roster": roster.hex()}, "output": line}
    found: dict[str, Any] = json.loads(json.dumps({"name": "election", "spec": "07-election", "cases": cases}))
    return found


def test_vectors_are_what_the_code_makes() -> None:
    assert json.loads(VECTORS.read_text()) == vectors()
