"""Walks over many edges of trust at once, on sparse arrays: visits, hits, bottlenecks, and what is reached at all.

Decides nothing but how REP-7 and REP-8 are computed for large graphs; reputation.py holds their plain reading, and both
agree. Never reads evidence. Nodes are integers from 0; NumPy and SciPy are loaded where they are used, so only in a
worker or a command. Memory: 24 bytes an edge, and at most HELD_BYTES of results. Spec: 10-reputation, REP-7, REP-8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from protocol.params import BOTTLENECK_SHARE, RESTART

Array = Any  # numpy.ndarray or scipy.sparse.csr_matrix; both are imported where they are needed only
HIT_MIN = 1e-12  # a hit of less is none
SEEN_MIN = 1e-9  # fewer visits to a reporter are none
NEARLY = 1e-9  # a share this close below the bound reaches it, so that rounding decides nothing (REP-8)
BLOCK_BYTES = 1 << 20  # of walks taken together: what a processor's cache holds
BLOCK_MAX = 64  # walks taken together in small graphs
HELD_BYTES = 128 << 20  # of chances held at a time
_TRAIL_MIN = 1e-20  # of a walk's mass: what is left out of visits, far below HIT_MIN * NEARLY
_CHANCE_MIN = 1e-13  # what is left out of chances, which are only divided by
_STEPS_MAX = 160  # 0.7 ** 160 < 1e-24
_LOOK = 4  # steps between two looks at what is left


@dataclass(frozen=True, slots=True)
class Net:
    """`steps`: CSR, n x n, the chance of each next step, restart included; `back`: its transpose, CSR too."""

    steps: Array
    back: Array

    @property
    def size(self) -> int:
        """How many nodes."""
        return int(self.steps.shape[0])


def net(size: int, source: Array, target: Array, weight: Array, whole: bool = False) -> Net:
    """Steps of 0.70 · w / max(1, Σ w) (REP-7), or of 0.70 · w / Σ w when `whole` (REP-9); each edge is named once."""
    import numpy as np
    from scipy.sparse import csr_matrix

    totals = np.bincount(source, weight, size)
    most = np.where(totals > 0, totals, 1.0) if whole else np.maximum(1.0, totals)
    chance = (1 - RESTART) * (weight / most[source])  # in this order nothing overflows, however small it is
    steps = csr_matrix((chance, (source, target)), shape=(size, size))
    steps.sort_indices()
    return Net(steps, steps.T.tocsr())


def reached(size: int, source: Array, target: Array, starts: Array) -> Array:
    """Which nodes any walk from any of `starts` can come to, these included: n booleans."""
    import numpy as np
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order

    one = np.ones(len(source) + len(starts), dtype=np.int8)
    rows = np.concatenate([source, np.full(len(starts), size)])
    links = csr_matrix((one, (rows, np.concatenate([target, starts]))), shape=(size + 1, size + 1))
    found = np.zeros(size + 1, dtype=bool)
    found[breadth_first_order(links, size, return_predecessors=False)] = True
    return found[:size]


def visits(graph: Net, starts: Array, error: float = _TRAIL_MIN) -> Array:
    """Expected visits of the walk from each start, n x starts, within `error` in the sum of all; by default to the last
    digit of even the faintest."""
    import numpy as np

    front = np.zeros((graph.size, len(starts)))
    front[starts, np.arange(len(starts))] = 1.0
    return _summed(graph.back, front, True, error)


def chances(graph: Net, ends: Array) -> Array:
    """Expected visits to each end of the walks from everywhere, n x ends, within 1e-12."""
    import numpy as np

    front = np.zeros((graph.size, len(ends)))
    front[ends, np.arange(len(ends))] = 1.0
    return _summed(graph.steps, front, False, _CHANCE_MIN)


def gathered(graph: Net, worth: Array) -> Array:
    """What walks from everywhere gather on their way: Σ visits · worth, for each column of `worth`, n x m."""
    return _summed(graph.steps, worth, False, _CHANCE_MIN)


def _summed(matrix: Array, front: Array, mass: bool, error: float) -> Array:
    """front + M · front + M² · front + …

    Once a front is only a multiple of the one before, the rest is a geometric sum; how far it is not is an error known
    exactly, and steps go on until that is small: in the sum of all nodes (`mass`), or at each of them.
    """
    import numpy as np

    total = front.copy()
    for step in range(1, _STEPS_MAX):
        following = matrix @ front
        total += following
        if step % _LOOK == 0:
            before = np.abs(front).sum(axis=0)
            ratio = np.minimum(np.abs(following).sum(axis=0) / np.where(before > 0, before, 1.0), 1 - RESTART)
            off = np.abs(following - ratio * front)
            left = off.sum(axis=0) if mass else off.max(axis=0, initial=0.0)
            if (left <= error * RESTART * (1 - ratio)).all():
                return total + following * (ratio / (1 - ratio))
        front = following
    return total


@dataclass(frozen=True, slots=True)
class Doubt:
    """A node that may be a bottleneck of a pair: visits to it, and the chance that leads from it to the subject."""

    pair: int
    node: int
    seen: float
    onward: float


def hits(graph: Net, observers: Array, subjects: Array) -> tuple[Array, dict[int, list[int]]]:
    """For each pair the hit (REP-7), and for those pairs that have any, the bottlenecks in order (REP-8).

    Solves one system for each observer, one for each subject, and one for each node in doubt, in blocks.
    """
    import numpy as np

    found = np.zeros(len(observers))
    narrow: dict[int, list[int]] = {}
    room = max(1, HELD_BYTES // (8 * max(1, graph.size)))
    names = np.unique(subjects)
    for low in range(0, len(names), room):
        ends = names[low : low + room]
        toward = np.concatenate([chances(graph, part) for part in blocks(graph, ends)], axis=1)
        pairs = np.flatnonzero(np.isin(subjects, ends))
        places = np.searchsorted(ends, subjects[pairs])
        doubts = list(_doubts(graph, observers, subjects, pairs, places, toward, found))
        for doubt in _certain(graph, subjects, doubts, found):
            narrow.setdefault(doubt.pair, []).append(doubt.node)
    for nodes in narrow.values():
        nodes.sort()
    return found, narrow


def blocks(graph: Net, nodes: Array) -> Iterator[Array]:
    """So many at a time as are walked together."""
    width = max(1, min(BLOCK_MAX, BLOCK_BYTES // (8 * max(1, graph.size))))
    for low in range(0, len(nodes), width):
        yield nodes[low : low + width]


def _doubts(
    graph: Net, observers: Array, subjects: Array, pairs: Array, places: Array, toward: Array, found: Array
) -> Iterator[Doubt]:
    """Fills in the hits of these pairs, and names every node through which enough may pass: visits to it, at most one
    each walk, times the chance from there, is the most that can.
    """
    import numpy as np

    order = np.argsort(observers[pairs], kind="stable")
    for starts in blocks(graph, np.unique(observers[pairs])):
        seen = visits(graph, starts)
        inside = order[np.isin(observers[pairs[order]], starts)]
        for at in inside.tolist():
            pair, place = int(pairs[at]), int(places[at])
            observer, subject = int(observers[pair]), int(subjects[pair])
            if observer == subject:
                found[pair] = 1.0
                continue
            mine = seen[:, int(np.searchsorted(starts, observer))]
            loop = toward[subject, place]
            hit = mine[subject] / loop
            if hit < HIT_MIN:
                continue
            found[pair] = hit
            most = np.minimum(mine, 1.0) * toward[:, place]
            for node in np.flatnonzero(most >= 0.999 * BOTTLENECK_SHARE * hit * loop).tolist():
                if node not in (observer, subject):
                    yield Doubt(pair, node, float(mine[node]), float(toward[node, place] / loop))


def _certain(graph: Net, subjects: Array, doubts: list[Doubt], found: Array) -> Iterator[Doubt]:
    """Those without whom at most a fifth is left: MeritRank's share of the walks that pass the node."""
    import numpy as np

    by_node: dict[int, list[Doubt]] = {}
    for doubt in doubts:
        by_node.setdefault(doubt.node, []).append(doubt)
    for nodes in blocks(graph, np.array(sorted(by_node), dtype=np.int64)):
        back = chances(graph, nodes)
        for column, node in enumerate(nodes.tolist()):
            loop = float(back[node, column])
            for doubt in by_node[node]:
                hit, returning = float(found[doubt.pair]), float(back[subjects[doubt.pair], column]) / loop
                first = (doubt.seen / loop - hit * returning) / (1 - doubt.onward * returning)
                if first * doubt.onward >= (BOTTLENECK_SHARE - NEARLY) * hit:
                    yield doubt
