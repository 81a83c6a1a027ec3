"""One observer's visits, kept up from one attestation to the next, and a range for everybody's hit.

Decides how far a change is followed: until what is left out is below LEFT_MAX in all. Never forgets what it leaves out,
so errors do not add up. Memory: 24 bytes an edge, 40 a node, and rows that have changed. Spec: 10-reputation, REP-18.
"""

from __future__ import annotations

from protocol.params import RESTART
from protocol.trust.walks import Array, net, visits

LEFT_MAX = 1e-6  # REP-18, of mass not yet walked on: no hit is further off than that
_SHARE = 0.5  # of what may be left, spread over the nodes that have any: these wait


class Live:
    """Visits from one observer over edges that change one at a time. `size` has room for nodes that come later."""

    def __init__(self, size: int, source: Array, target: Array, weight: Array, observer: int) -> None:
        import numpy as np
        from scipy.sparse import csr_matrix

        self._edges = csr_matrix((weight, (source, target)), shape=(size, size))
        self._changed: dict[int, dict[int, float]] = {}  # rows that are no longer as in _edges
        self._totals = np.maximum(1.0, np.bincount(source, weight, size))
        self.observer = observer
        self.visits: Array = visits(net(size, source, target, weight), np.array([observer]))[:, 0]
        self._residual = np.zeros(size)

    @property
    def left(self) -> float:
        """The most by which any hit is off."""
        more, less = self._residual.clip(0.0, None).sum(), self._residual.clip(None, 0.0).sum()
        return float(max(more, -less))  # what is too little and what is too much can only cancel

    def row(self, source: int) -> dict[int, float]:
        """The edges from a node."""
        if source in self._changed:
            return self._changed[source]
        low, high = self._edges.indptr[source : source + 2].tolist()
        return dict(zip(self._edges.indices[low:high].tolist(), self._edges.data[low:high].tolist(), strict=True))

    def change(self, source: int, target: int, weight: float) -> None:
        """The edge from `source` to `target` now weighs so much; 0 ends it."""
        import numpy as np

        before = self.row(source)
        after = {**before, target: weight}
        if not weight:
            del after[target]
        old, new = float(self._totals[source]), max(1.0, sum(after.values()))
        passed = float(self.visits[source]) * (1 - RESTART)
        nodes = list(dict.fromkeys([*before, target]))
        moved = [passed * (after.get(node, 0.0) / new - before.get(node, 0.0) / old) for node in nodes]
        self._changed[source] = after
        self._totals[source] = new
        self._residual[nodes] += np.array(moved)
        self._walk_on()

    def _walk_on(self) -> None:
        """Those with most residual take their step, until all that is left is little."""
        import numpy as np

        while self.left > LEFT_MAX:
            sizes = np.abs(self._residual)
            nodes = np.flatnonzero(sizes > _SHARE * LEFT_MAX / np.count_nonzero(sizes))
            mass = self._residual[nodes]
            self.visits[nodes] += mass
            self._residual[nodes] = 0.0
            np.add.at(self._residual, *self._stepped(nodes, mass * (1 - RESTART) / self._totals[nodes]))

    def _stepped(self, nodes: Array, mass: Array) -> tuple[Array, Array]:
        """Where the steps from these nodes lead, and with how much."""
        import numpy as np

        same = np.array([node not in self._changed for node in nodes.tolist()], dtype=bool)
        low = self._edges.indptr[nodes[same]]
        count = self._edges.indptr[nodes[same] + 1] - low
        ends = np.cumsum(count)
        at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(low - (ends - count), count)
        targets = [self._edges.indices[at].astype(np.int64)]
        moved = [self._edges.data[at] * np.repeat(mass[same], count)]
        for node, share in zip(nodes[~same].tolist(), mass[~same].tolist(), strict=True):
            row = self._changed[node]
            targets.append(np.fromiter(row, dtype=np.int64, count=len(row)))
            moved.append(np.fromiter(row.values(), dtype=np.float64, count=len(row)) * share)
        return np.concatenate(targets), np.concatenate(moved)

    def ranges(self) -> tuple[Array, Array]:
        """The least and the greatest that the hit of each node can be, n each (REP-18)."""
        import numpy as np

        steps = np.zeros(len(self.visits))
        for source, row in self._changed.items():
            for target, weight in row.items():
                steps[target] = max(steps[target], weight / self._totals[source])
        rows = np.repeat(np.arange(len(self.visits)), np.diff(self._edges.indptr))
        still = ~np.isin(rows, np.fromiter(self._changed, dtype=np.int64, count=len(self._changed)))
        np.maximum.at(steps, self._edges.indices[still], self._edges.data[still] / self._totals[rows[still]])
        back = (1 - RESTART) ** 2 * steps / (RESTART + (1 - RESTART) * steps)
        least = np.maximum(0.0, (self.visits - self.left) * (1 - back))
        most = np.minimum(1.0, self.visits + self.left)
        least[self.observer] = most[self.observer] = 1.0
        return least, most
