"""What many observers may expect of many subjects, on sparse arrays.

Decides nothing but how REP-9 and REP-14 are computed for large graphs; reputation.py holds their plain reading, and
both agree. Memory beside the graph: what is reported of the subjects asked about. Spec: 10-reputation, REP-9, REP-14.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.params import EXPECTATION_DOUBT, OUTLOOK, OWN_DOUBT, REPORT_HALF
from protocol.trust.walks import SEEN_MIN, Array, Net, blocks, gathered, visits

_VISITS_ERROR = 1e-10


@dataclass(frozen=True, slots=True)
class Reports:
    """Who reports what of whom: pairs of nodes, each once, and an opinion from -1 to 1."""

    source: Array
    target: Array
    opinion: Array


@dataclass(frozen=True, slots=True)
class _Outlook:
    """Of each node its opinions and their number; what walks from it gather of means, and of nodes that have any."""

    said: Array
    count: Array
    means: Array
    weights: Array


@dataclass(frozen=True, slots=True)
class _About:
    """What is reported of one subject, and how often its own walk comes back to it and to those who report."""

    reporters: Array
    opinions: Array
    loop: float
    onward: Array


def expectations(graph: Net, reports: Reports, observers: Array, subjects: Array) -> Array:
    """For each pair what `observer` may expect of `subject`, -1 to 1. `graph` is one whose rows are `whole`.

    Solves one system for each observer and each subject, and two besides.
    """
    import numpy as np

    outlook = _outlook(graph, reports)
    about = dict(_abouts(graph, reports, np.unique(subjects)))
    found = np.ones(len(observers))
    order = np.argsort(observers, kind="stable")
    for starts in blocks(graph, np.unique(observers)):
        seen = visits(graph, starts, _VISITS_ERROR)
        for pair in order[np.isin(observers[order], starts)].tolist():
            observer, subject = int(observers[pair]), int(subjects[pair])
            if observer != subject:
                mine = seen[:, int(np.searchsorted(starts, observer))]
                found[pair] = _likely(outlook, about[subject], mine, observer, subject)[0]
    return found


def _outlook(graph: Net, reports: Reports) -> _Outlook:
    import numpy as np

    said = np.bincount(reports.source, reports.opinion, graph.size)
    count = np.bincount(reports.source, minlength=graph.size)
    worth = np.stack([said / np.maximum(1, count), (count > 0).astype(np.float64)], axis=1)
    sums = gathered(graph, worth)
    return _Outlook(said, count, sums[:, 0], sums[:, 1])


def _abouts(graph: Net, reports: Reports, subjects: Array) -> Iterator[tuple[int, _About]]:
    import numpy as np

    order = np.lexsort((reports.source, reports.target))
    targets = reports.target[order]
    for starts in blocks(graph, subjects):
        walks = visits(graph, starts, _VISITS_ERROR)
        for column, subject in enumerate(starts.tolist()):
            low, high = np.searchsorted(targets, [subject, subject + 1])
            who = reports.source[order[low:high]]
            opinions = reports.opinion[order[low:high]]
            yield subject, _About(who, opinions, float(walks[subject, column]), walks[who, column])


@dataclass(frozen=True, slots=True)
class Likely:
    """An expectation, the outlook in it, and the weight of each reporter's word."""

    value: float
    outlook: float
    words: tuple[tuple[int, float], ...]


def foreseen(graph: Net, reports: Reports, observer: int, subject: int) -> Likely:
    """One pair, with what it is made of."""
    import numpy as np

    ((_, about),) = _abouts(graph, reports, np.array([subject]))
    mine = visits(graph, np.array([observer]), _VISITS_ERROR)[:, 0]
    value, outlook, weights = _likely(_outlook(graph, reports), about, mine, observer, subject)
    return Likely(value, outlook, tuple(zip(about.reporters.tolist(), weights.tolist(), strict=True)))


def _likely(
    outlook: _Outlook, about: _About, mine: Array, observer: int, subject: int
) -> tuple[float, float, Array]:
    """REP-9: what the walk visits that is over at the subject is what the whole walk does, less what lies behind it."""
    import numpy as np

    hit = float(mine[subject]) / about.loop
    seen = mine[about.reporters] - hit * about.onward
    seen = np.where(seen > SEEN_MIN, seen, 0.0)
    trust = seen / (seen + REPORT_HALF) + seen
    weight = float(outlook.weights[observer] - hit * outlook.weights[subject])
    means = float(outlook.means[observer] - hit * outlook.means[subject])
    others = means / weight if weight > SEEN_MIN else OUTLOOK
    own = (float(outlook.said[observer]) + OWN_DOUBT * others) / (int(outlook.count[observer]) + OWN_DOUBT)
    said = float(trust @ about.opinions)
    likely = (said + EXPECTATION_DOUBT * own) / (float(trust.sum()) + EXPECTATION_DOUBT)
    return max(-1.0, min(1.0, likely)), own, trust  # not a digit beyond
