"""The tally of ranked ballots: Schulze's method on winning votes.

Decides the order of candidates and, for a co-op, the order of succession; never who may stand, who may vote
or which ballots count. Spec: 07-election, ELE-1 to ELE-12.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from protocol.encoding import digest
from protocol.errors import Ignore

C = TypeVar("C", int, bytes)  # a candidate: a number in a file of ballots, a key in a co-op
Ranking = tuple[tuple[C, ...], ...]  # best tier first; candidates of one tier are tied, those left out come last


@dataclass(frozen=True, slots=True)
class Tally(Generic[C]):
    """`order`: tiers, best first, each in the order of `candidates`.

    `pairwise[i][j]`: ballots that rank candidates[i] above candidates[j].
    """

    candidates: tuple[C, ...]
    order: tuple[tuple[C, ...], ...]
    pairwise: tuple[tuple[int, ...], ...]


def schulze(ballots: Iterable[tuple[int, Ranking[C]]], candidates: Sequence[C]) -> Tally[C]:
    """Tally (count, ranking) pairs over different candidates. Raises Ignore (ELE-2) for a ranking that is none of them.

    Schulze, "A new monotonic, clone-independent, reversal symmetric, and Condorcet-consistent single-winner election
    method", 2011, section 2, with strength measured by winning votes.
    """
    pairwise = _pairwise(ballots, candidates)
    beats = _beats(pairwise)
    order, left = list[tuple[C, ...]](), (1 << len(candidates)) - 1
    while left:
        beaten = 0
        for candidate in _members(left):
            beaten |= beats[candidate]
        order.append(tuple(candidates[candidate] for candidate in _members(left & ~beaten)))  # ELE-7
        left &= beaten
    return Tally(tuple(candidates), tuple(order), pairwise)


def check_ranking(ranking: Ranking[C], candidates: Collection[C]) -> None:
    """Raises Ignore (ELE-2) unless every name in it is a candidate's and none comes twice."""
    seen = dict[C, None]()
    for tier in ranking:
        for candidate in tier:
            name = candidate.hex() if isinstance(candidate, bytes) else candidate
            if candidate not in candidates:
                raise Ignore("ELE-2", f"ranks {name}, which is not a candidate")
            if candidate in seen:
                raise Ignore("ELE-2", f"ranks {name} twice")
            seen[candidate] = None


def succession(tally: Tally[bytes], roster_hash: bytes) -> tuple[bytes, ...]:
    """The order in which a co-op's candidates are asked to serve: the tally's, ties by hash (ELE-9)."""
    return tuple(
        candidate
        for tier in tally.order
        for candidate in sorted(tier, key=lambda candidate: digest("tie", roster_hash + candidate))
    )


def _pairwise(ballots: Iterable[tuple[int, Ranking[C]]], candidates: Sequence[C]) -> tuple[tuple[int, ...], ...]:
    """ELE-4, with a row of counters as one integer, so that a ballot is added to a row in one step."""
    place = {candidate: at for at, candidate in enumerate(candidates)}
    if len(place) != len(candidates):
        raise ValueError("a candidate is listed twice")
    checked = list[tuple[int, Ranking[C]]]()
    for count, ranking in ballots:
        if count < 1:
            raise ValueError("a ballot counts at least once")
        check_ranking(ranking, place)
        checked.append((count, ranking))
    width = (
        sum(count for count, _ in checked).bit_length() + 7
    ) // 8 or 1  # bytes of a counter, so that none overflows
    ones = {candidate: 1 << 8 * width * at for candidate, at in place.items()}
    everyone = sum(ones.values())
    rows = dict.fromkeys(candidates, 0)
    for count, ranking in checked:
        below = everyone
        for tier in ranking:
            below -= sum(ones[candidate] for candidate in tier)
            for candidate in tier:
                rows[candidate] += count * below
    starts = range(0, width * len(candidates), width)
    raw = (row.to_bytes(width * len(candidates), "little") for row in rows.values())
    return tuple(tuple(int.from_bytes(row[at : at + width], "little") for at in starts) for row in raw)


def _beats(pairwise: Sequence[Sequence[int]]) -> list[int]:
    """For each candidate the set of those it beats (ELE-6), sets of candidates being integers with a bit for each.

    A path is as strong as its weakest victory. So victories are added strongest first, and the strength at which a
    candidate first comes within reach of another is that of the strongest path between them; no path is computed twice.
    """
    size = len(pairwise)
    victories = dict[int, list[tuple[int, int]]]()
    for winner in range(size):
        for loser in range(size):
            if pairwise[winner][loser] > pairwise[loser][winner]:  # ELE-5
                victories.setdefault(pairwise[winner][loser], []).append((winner, loser))
    reaches = [1 << candidate for candidate in range(size)]
    reached_by = reaches.copy()
    beats = [0] * size
    for strength in sorted(victories, reverse=True):
        before = dict[int, int]()
        for winner, loser in victories[strength]:
            for start in _members(reached_by[winner] & ~reached_by[loser]):
                before.setdefault(start, reaches[start])
                new = reaches[loser] & ~reaches[start]
                reaches[start] |= new
                for end in _members(new):
                    reached_by[end] |= 1 << start
        for start, reached in before.items():
            beats[start] |= reaches[start] & ~reached & ~reached_by[start]
    return beats


def _members(chosen: int) -> Iterator[int]:
    """The candidates in a set, ascending."""
    while chosen:
        lowest = chosen & -chosen
        yield lowest.bit_length() - 1
        chosen ^= lowest
