"""Standing and expectation of one subject: plain where edges are few, on arrays where they are many.

Decides which of the two computes it, never what comes out. Spec: 10-reputation, REP-7 to REP-9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from protocol.trust import reputation
from protocol.trust.forecast import Reports, foreseen
from protocol.trust.reputation import Expectation, Graph, Standing, bottled, links_to
from protocol.trust.walks import HIT_MIN, Array, Net, hits, net

ARRAYS_FROM = 1_000  # edges; below it plain Python is about as quick, and SciPy is not loaded


def standing(trust: Graph, observer: bytes, subject: bytes, role: str) -> Standing:
    """As reputation.standing."""
    if observer == subject or not _many(trust):
        return reputation.standing(trust, observer, subject, role)
    import numpy as np

    rows = [(one, two, weight) for one, row in links_to(trust, subject, role).items() for two, weight in row.items()]
    number = _numbered([node for row in rows for node in row[:2]], observer, subject)
    found, narrow = hits(_net(rows, number, whole=False), np.array([number[observer]]), np.array([number[subject]]))
    names = list(number)
    hit = float(found[0])
    return bottled(hit, tuple(names[node] for node in narrow.get(0, ()))) if hit >= HIT_MIN else Standing(0.0, 0.0, ())


def expectation(trust: Graph, observer: bytes, subject: bytes, role: str) -> Expectation:
    """As reputation.expectation."""
    if not _many(trust):
        return reputation.expectation(trust, observer, subject, role)
    edges = [(one, two, weight) for one, row in trust.edges.items() for two, weight in row.items() if weight]
    said = [
        (one, two, tally.opinion)
        for (of_role, two), by_reporter in trust.outcomes.items() if of_role == role
        for one, tally in by_reporter.items()
    ]  # fmt: skip
    number = _numbered([node for row in (*edges, *said) for node in row[:2]], observer, subject)
    reports = Reports(*_columns(said, number))
    likely = foreseen(_net(edges, number, whole=True), reports, number[observer], number[subject])
    names = list(number)
    weights = [(names[node], weight) for node, weight in likely.words if weight > 0]
    return Expectation(likely.value, likely.outlook, tuple(sorted(weights, key=lambda pair: (-pair[1], pair[0]))))


def _many(trust: Graph) -> bool:
    return sum(len(row) for row in trust.edges.values()) >= ARRAYS_FROM


def _numbered(nodes: Sequence[bytes], *others: bytes) -> dict[bytes, int]:
    return {node: at for at, node in enumerate(sorted({*nodes, *others}))}


def _columns(rows: Sequence[tuple[bytes, bytes, float]], number: Mapping[bytes, int]) -> tuple[Array, Array, Array]:
    import numpy as np

    count = len(rows)
    source = np.fromiter((number[one] for one, _, _ in rows), np.int64, count)
    target = np.fromiter((number[two] for _, two, _ in rows), np.int64, count)
    return source, target, np.fromiter((value for _, _, value in rows), np.float64, count)


def _net(rows: Sequence[tuple[bytes, bytes, float]], number: Mapping[bytes, int], whole: bool) -> Net:
    return net(len(number), *_columns(rows, number), whole=whole)
