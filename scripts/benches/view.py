"""One observer's standing of 100 subjects among 100,000 people with a million edges of trust, in seconds on one core.

Measured: hits and bottlenecks, the graph being there. The yardstick is bare SciPy solving the same linear systems, as
many of each kind, to the same precision: a row for the observer, a column for each subject and each node in doubt, by
steps of `matrix @ front` until what is left is small; one of SciPy's solvers on the same columns stands beside it.
`--one 1`: one new attestation, in milliseconds until the observer's visits are known again, the pair's evidence counted
anew; the yardstick is a full recomputation from the evidence, and the aim a hundredth of it.
"""

from __future__ import annotations

import resource
import statistics
import time
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import gmres

from protocol.params import RESTART
from protocol.trust.live import Live
from protocol.trust.ratings import Ratings, Tallies, tallies
from protocol.trust.reputation import Evidence, tally
from protocol.trust.walks import Net, hits, net, visits

UNIT = "s (--one: ms)"
AGAINST = "bare SciPy, s (--one: all anew, ms)"
LIMIT = 1.2
LESS = True
RUNS = 1
OPTIONS = {"one": 0}
VARIANTS = ({"one": 1},)
LIMITED_BY = """Reading the matrix from memory once a step. It takes fewer steps than bare SciPy: once a front is only a
multiple of the one before, the rest is a geometric sum with an error known exactly. `--one 1`: how often the reporter
is visited; one next to the observer moves everything behind it, and costs as much as the walk anew."""

PEOPLE, EDGES, SUBJECTS, CHANGES = 100_000, 1_000_000, 100, 60
_COLUMN_ERROR, _ROW_ERROR = 1e-13, 1e-20  # as in walks


@cache
def history() -> Ratings:
    """As many ratings, of a year, between people of whom some are busier than others."""
    rng = np.random.default_rng(3)
    source = (PEOPLE * rng.random(EDGES) ** 1.5).astype(np.int64)
    target = rng.integers(0, PEOPLE, EDGES)
    weight = rng.integers(1, 11, EDGES).astype(float)
    return Ratings(PEOPLE, source, target, weight, 1.6e9 + np.sort(rng.random(EDGES)) * 3e7)


@cache
def trusted() -> Tallies:
    """The same, counted."""
    return tallies(history())


@cache
def graph() -> Net:
    """The same as a graph."""
    found = trusted()
    return net(PEOPLE, found.source, found.target, found.edge)


@cache
def asked() -> tuple[Any, Any]:
    """One busy observer, and subjects drawn at random."""
    rng = np.random.default_rng(4)
    return np.full(SUBJECTS, 7), rng.choice(np.arange(8, PEOPLE), SUBJECTS, replace=False)


def measure(one: int = 0) -> tuple[float, dict[str, float]]:
    """Seconds for the view, or milliseconds for one more attestation."""
    if one:
        return _one_more()
    there = graph()
    began = time.perf_counter()
    found, narrow = hits(there, *asked())
    spent = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"reached": float((found > 0).sum()), "bottlenecks": float(sum(map(len, narrow.values())))}
    return spent, {**figures, "peak MB of the process": peak}


def yardstick(one: int = 0) -> tuple[float, dict[str, float]]:
    """The same systems by SciPy alone, or everything anew."""
    if one:
        return _all_anew(), {}
    there = graph()
    observers, names = asked()
    began = time.perf_counter()
    row = _stepped(there.back, int(observers[0]), _ROW_ERROR, mass=True)
    columns = [_stepped(there.steps, int(one), _COLUMN_ERROR, mass=False) for one in names]
    most = [np.minimum(row, 1.0) * column for column in columns]
    doubts = [np.flatnonzero(one >= 0.8 * row[name]) for one, name in zip(most, names, strict=True)]
    for node in dict.fromkeys(int(node) for found in doubts for node in found if node != observers[0]):
        if node not in names:
            _stepped(there.steps, node, _COLUMN_ERROR, mass=False)
    spent = time.perf_counter() - began
    system = sparse.identity(PEOPLE, format="csr") - there.steps
    began = time.perf_counter()
    for name in names[:10]:
        gmres(system, np.eye(1, PEOPLE, int(name))[0], rtol=1e-12, restart=40)
    return spent, {"SciPy's gmres for a column, ms": (time.perf_counter() - began) * 100}


def _stepped(matrix: Any, start: int, error: float, mass: bool) -> Any:
    front = np.zeros(matrix.shape[0])
    front[start] = 1.0
    total = front.copy()
    while (front.sum() if mass else front.max()) > error * RESTART:
        front = matrix @ front
        total += front
    return total


def _one_more() -> tuple[float, dict[str, float]]:
    found, strong = trusted(), 0.0
    followed = Live(PEOPLE, found.source, found.target, found.edge, observer=7)
    rng, spent = np.random.default_rng(5), []
    for at in rng.choice(len(found.source), CHANGES, replace=False).tolist():
        source, target = int(found.source[at]), int(found.target[at])
        began = time.perf_counter()
        items = [Evidence(b"a", b"b", "", "kept", str(n).encode(), n * 3 * 10**9, n * 3 * 10**9) for n in range(3)]
        strong = tally(items, 10**10).edge
        followed.change(source, target, strong)
        spent.append((time.perf_counter() - began) * 1000)
    spent.sort()
    return statistics.median(spent), {"ms in 9 of 10": spent[-len(spent) // 10], "ms at most": spent[-1]}


def _all_anew() -> float:
    began = time.perf_counter()
    found = tallies(history())
    visits(net(PEOPLE, found.source, found.target, found.edge), np.array([7]))
    return (time.perf_counter() - began) * 1000
