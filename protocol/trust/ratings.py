"""Any history of ratings, scored as if each were a co-signed deal: how the engine can be judged on data from elsewhere.

Decides how a rating becomes evidence (REP-15): weight / 10 units, good or bad, as old as it is before the newest. Never
reads a file. Memory: about 200 bytes a rating. Spec: 10-reputation, REP-15, REP-16.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.params import (
    BAD_COST,
    BAD_HALF_LIFE_MS,
    BOTTLENECK_DECAY,
    DAY_MS,
    EDGE_HALF,
    GOOD_HALF_LIFE_MS,
    GOOD_WINDOW_MS,
)
from protocol.trust.forecast import Reports, expectations
from protocol.trust.walks import Array, hits, net, reached

WEIGHT_MAX = 10.0
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Ratings:
    """Columns: who rates whom (nodes from 0 to `size`), weight from -10 to 10, time in seconds since any moment."""

    size: int
    source: Array
    target: Array
    weight: Array
    seconds: Array


@dataclass(frozen=True, slots=True)
class Tallies:
    """Decayed units of good and of bad, one row a pair, pairs ascending; none about oneself."""

    source: Array
    target: Array
    good: Array
    bad: Array

    @property
    def edge(self) -> Array:
        """REP-5."""
        import numpy as np

        x = np.maximum(0.0, self.good - BAD_COST * self.bad)
        return x / (EDGE_HALF + x)


def tallies(ratings: Ratings) -> Tallies:
    """Every pair's evidence when the newest rating was given (REP-2, REP-3, REP-15)."""
    import numpy as np

    kept = np.flatnonzero((ratings.source != ratings.target) & (ratings.weight != 0))
    pair = ratings.source[kept].astype(np.int64) * max(1, ratings.size) + ratings.target[kept]
    seconds, units = ratings.seconds[kept], ratings.weight[kept] / WEIGHT_MAX
    days = (ratings.seconds.max(initial=-np.inf) - seconds) / _DAY_S
    pairs, place = np.unique(pair, return_inverse=True)
    half = np.where(units > 0, GOOD_HALF_LIFE_MS / DAY_MS, BAD_HALF_LIFE_MS / DAY_MS)
    left = np.abs(units) * np.exp2(-days / half)
    bad = np.bincount(place, np.where(units < 0, left, 0.0), len(pairs))
    well = np.flatnonzero(units > 0)
    window = np.floor(seconds[well] * 1000 / GOOD_WINDOW_MS)
    order = np.lexsort((-left[well], window, place[well]))  # of each pair and window the largest first
    where, when = place[well][order], window[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(where) != 0) | (np.diff(when) != 0)
    good = np.bincount(where[first], left[well][order][first], len(pairs))
    return Tallies(pairs // max(1, ratings.size), pairs % max(1, ratings.size), good, bad)


def score(ratings: Ratings, observers: Array, subjects: Array) -> tuple[Array, Array]:
    """Standing and expectation of each pair of nodes.

    What no observer's walk can come to is left out beforehand, so it changes not even the last digit (REP-16).
    """
    import numpy as np

    found = tallies(ratings)
    strong = found.edge > 0
    here = reached(ratings.size, found.source[strong], found.target[strong], np.unique(observers))
    heard = here[found.source]  # who is not reached is not heard either
    here[found.target[heard]] = True
    here[subjects] = True
    number = np.cumsum(here) - 1
    size, rows = int(here.sum()), heard & strong
    edges = number[found.source[rows]], number[found.target[rows]], found.edge[rows]
    observers, subjects = number[observers], number[subjects]
    hit, narrow = hits(net(size, *edges), observers, subjects)
    for pair, nodes in narrow.items():
        hit[pair] *= (1 - BOTTLENECK_DECAY) ** len(nodes)
    total = found.good + found.bad
    told = heard & (total > 0)
    opinion = (found.good[told] - found.bad[told]) / total[told]
    reports = Reports(number[found.source[told]], number[found.target[told]], opinion)
    return hit, expectations(net(size, *edges, whole=True), reports, observers, subjects)
