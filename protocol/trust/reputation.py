"""What one observer may expect of one subject, from evidence that two sides signed.

Decides nothing for anybody else: numbers here are floats, differ between observers and are never a condition that nodes
must share; what nodes must agree on is counted in coop/evidence. Spec: 10-reputation, REP-1 to REP-10.
Hitting probability with restart after MeritRank (Nasrulin et al., arXiv 2207.09950), with a compounding decay for
bottlenecks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush

from protocol.params import (
    BAD_COST,
    BAD_HALF_LIFE_MS,
    BOTTLENECK_DECAY,
    BOTTLENECK_SHARE,
    EDGE_HALF,
    EXPECTATION_DOUBT,
    FIRST_SIGHT_MS,
    GOOD_HALF_LIFE_MS,
    GOOD_WINDOW_MS,
    REMEDY_SHARE,
    RESTART,
    SPONSOR_BAD,
    VOUCH_GOOD,
)

_MASS_MIN = 1e-9  # a walk's mass below this is dropped; an error of at most this / RESTART
_PATHS_SHOWN = 3
REPORTERS_MAX = 32  # the nearest ones, in one expectation
ARRAYS_FROM = 5_000  # edges; below it plain Python is as quick, and NumPy is not loaded
_GOOD = {"kept": 1.0, "vouch": VOUCH_GOOD}
_BAD = {"broken": 1.0, "sponsored": SPONSOR_BAD}

Links = dict[bytes, dict[bytes, float]]  # from → to → number in 0..1
Walk = Callable[[bytes, bytes, bytes | None], dict[bytes, float]]  # (start, end, never entered) → expected visits


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that `reporter` says of `subject` in `role`: kept, broken, vouch, or sponsored (the subject vouched for
    someone who then defaulted). `agreement` is what both signed; `seen_ms` is first sight, own or a trusted relay's.
    """

    reporter: bytes
    subject: bytes
    role: str
    kind: str
    agreement: bytes
    stamped_ms: int
    seen_ms: int
    remedied: bool = False

    @property
    def counts_from_ms(self) -> int:
        """The stamp, or first sight when the stamp is more than 72 h older: history cannot be back-dated (REP-1)."""
        late = self.seen_ms - self.stamped_ms > FIRST_SIGHT_MS
        return self.seen_ms if late else min(self.stamped_ms, self.seen_ms)


@dataclass(frozen=True, slots=True)
class Tally:
    """Decayed evidence of one reporter about one subject: units of good and of bad."""

    good: float
    bad: float

    @property
    def edge(self) -> float:
        """x / (3 + x), x = max(0, good - 4 · bad) (REP-5)."""
        x = max(0.0, self.good - BAD_COST * self.bad)
        return x / (EDGE_HALF + x)


@dataclass(frozen=True, slots=True)
class Graph:
    """Edges over all roles; for each role and subject, by reporter, the edge and what was kept and broken."""

    edges: Links
    last: Mapping[tuple[str, bytes], Mapping[bytes, float]]
    outcomes: Mapping[tuple[str, bytes], Mapping[bytes, Tally]]


@dataclass(frozen=True, slots=True)
class Standing:
    """`value` = `hit` · (1 - 0.9) ^ number of bottlenecks."""

    value: float
    hit: float
    bottlenecks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """`value` from -1 (broken) to 1 (kept), 0 when nothing is known; `reporters` with the trust in each, most first."""

    value: float
    good: float
    bad: float
    reporters: tuple[tuple[bytes, float], ...]


def graph(evidence: Iterable[Evidence], now_ms: int) -> Graph:
    """What stands at `now_ms`; the order of evidence and repeats of one agreement are of no consequence."""
    pairs: dict[tuple[bytes, bytes], list[Evidence]] = {}
    for item in evidence:
        if item.reporter != item.subject:
            pairs.setdefault((item.reporter, item.subject), []).append(item)
    edges: Links = {}
    last: dict[tuple[str, bytes], dict[bytes, float]] = {}
    outcomes: dict[tuple[str, bytes], dict[bytes, Tally]] = {}
    for (reporter, subject), items in sorted(pairs.items()):
        edge = tally(items, now_ms).edge
        if edge:
            edges.setdefault(reporter, {})[subject] = edge
        for role in sorted({item.role for item in items}):
            of_role = [item for item in items if item.role == role]
            last.setdefault((role, subject), {})[reporter] = tally(of_role, now_ms).edge
            lived = [item for item in of_role if item.kind in ("kept", "broken")]
            if lived:
                outcomes.setdefault((role, subject), {})[reporter] = tally(lived, now_ms)
    return Graph(edges, last, outcomes)


def tally(items: Sequence[Evidence], now_ms: int) -> Tally:
    """One pair's evidence, decayed (REP-1 to REP-4, REP-6): of one agreement the earliest good and the earliest bad."""
    good: dict[int, float] = {}
    bad = 0.0
    latest_first = sorted(items, key=lambda item: (item.counts_from_ms, not item.remedied), reverse=True)
    once = {(item.agreement, item.kind): item for item in latest_first}  # the earliest stays
    for item in once.values():
        age_ms = max(0, now_ms - item.counts_from_ms)
        if item.kind in _GOOD:
            window = item.counts_from_ms // GOOD_WINDOW_MS
            unit = _GOOD[item.kind] * 0.5 ** (age_ms / GOOD_HALF_LIFE_MS)
            good[window] = max(good.get(window, 0.0), unit)
        elif item.kind in _BAD:
            share = REMEDY_SHARE if item.remedied else 1.0
            bad += _BAD[item.kind] * share * 0.5 ** (age_ms / BAD_HALF_LIFE_MS)
    return Tally(sum(good.values()), bad)


def standing(trust: Graph, observer: bytes, subject: bytes, role: str | None = None) -> Standing:
    """How well `observer`'s own trust leads to `subject` (REP-7, REP-8); with a role the last edge is of that role.

    The observer about itself is 1. A subject that nothing leads to is 0, as is one known to be bad.
    """
    steps = _steps(trust, subject, role)
    return _standing(_walker(steps), _walker(_transposed(steps)), observer, subject)


def expectation(trust: Graph, observer: bytes, subject: bytes, role: str) -> Expectation:
    """What `subject` is likely to do: outcomes weighted by the observer's trust in who reports them (REP-9)."""
    found = trust.outcomes.get((role, subject), {})
    steps = _steps(trust, subject, None)
    steps.pop(subject, None)  # whom the subject trusts must not speak for it
    walk, back = _walker(steps), _walker(_transposed(steps))
    near = walk(observer, subject, None)
    asked = sorted((node for node in found if near.get(node)), key=lambda node: (-near[node], node))[:REPORTERS_MAX]
    weights = {node: _standing(walk, back, observer, node).value for node in asked}
    good = sum(weights[node] * found[node].good for node in asked)
    bad = sum(weights[node] * found[node].bad for node in asked)
    reporters = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
    return Expectation((good - bad) / (good + bad + EXPECTATION_DOUBT), good, bad, tuple(reporters))


def explain(
    trust: Graph, observer: bytes, subject: bytes, role: str, name: Callable[[bytes], str] = lambda key: key.hex()[:8]
) -> tuple[str, ...]:
    """The standing and the expectation in words, with the paths and reports behind them (REP-10)."""
    found, likely = standing(trust, observer, subject, role), expectation(trust, observer, subject, role)
    who = name(subject)
    if not found.hit and not likely.reporters:
        return (f"Nothing that you trust leads to {who} as {role}: standing 0, as for any newcomer.",)
    lines = [f"Standing of {who} as {role}, seen from you: {found.value:.3f}."]
    for path, chance in _paths(_steps(trust, subject, role), observer, subject):
        lines.append(
            f"You trust {' → '.join(name(node) for node in path[1:])}: this way leads there with {chance:.3f}."
        )
    for node in found.bottlenecks:
        lines.append(f"Four fifths or more rest on {name(node)} alone, so it counts a tenth.")
    lines.append(f"What to expect of {who}, from -1 (broken) to 1 (kept), 0 being nothing known: {likely.value:.2f}.")
    for reporter, weight in likely.reporters:
        report = trust.outcomes[role, subject][reporter]
        by = "You report" if reporter == observer else f"{name(reporter)}, whom you trust {weight:.3f}, reports"
        lines.append(f"{by} {report.good:.2f} kept and {report.bad:.2f} broken, faded with age.")
    return tuple(lines)


def _standing(walk: Walk, back: Walk, observer: bytes, subject: bytes) -> Standing:
    if observer == subject:
        return Standing(1.0, 1.0, ())
    visits = walk(observer, subject, None)
    hit = visits.get(subject, 0.0)
    if hit <= _MASS_MIN:
        return Standing(0.0, 0.0, ())
    backward = back(subject, subject, None)
    bottlenecks = []
    for node, count in sorted(visits.items()):
        # Visits × chance from there is at least the share that passes: a cheap bound before the exact walk without it.
        if node in (observer, subject) or count * backward.get(node, 0.0) < 0.999 * BOTTLENECK_SHARE * hit:
            continue
        without = walk(observer, subject, node).get(subject, 0.0)
        if hit - without >= BOTTLENECK_SHARE * hit:
            bottlenecks.append(node)
    return Standing(hit * (1 - BOTTLENECK_DECAY) ** len(bottlenecks), hit, tuple(bottlenecks))


def _steps(trust: Graph, subject: bytes, role: str | None) -> Links:
    """Step probabilities w / max(1, Σ w), edges into the subject being those of the role (REP-7)."""
    last = None if role is None else trust.last.get((role, subject), {})
    steps: Links = {}
    for node in dict.fromkeys([*trust.edges, *(last or {})]):
        row = dict(trust.edges.get(node, {}))
        if last is not None:
            row.pop(subject, None)
            if last.get(node):
                row[subject] = last[node]
        total = max(1.0, sum(row.values()))
        steps[node] = {other: weight / total for other, weight in row.items()}
    return steps


def _transposed(steps: Links) -> Links:
    back: Links = {}
    for node, row in steps.items():
        for other, chance in row.items():
            back.setdefault(other, {})[node] = chance
    return back


def _spread(steps: Links, start: bytes, end: bytes, without: bytes | None) -> dict[bytes, float]:
    """Expected visits of a walk that goes on with 1 - RESTART a step, ends at `end` and never enters `without`."""
    visits: dict[bytes, float] = {start: 1.0}
    front = {start: 1.0}
    while sum(front.values()) > _MASS_MIN:
        following: dict[bytes, float] = {}
        for node, mass in front.items():
            for other, chance in steps.get(node, {}).items():
                if other != without:
                    following[other] = following.get(other, 0.0) + mass * chance * (1 - RESTART)
        for node, mass in following.items():
            visits[node] = visits.get(node, 0.0) + mass
        following.pop(end, None)
        front = following
    return visits


def _walker(steps: Links) -> Walk:
    """`_spread` over these steps, on arrays when they are many."""
    if sum(len(row) for row in steps.values()) < ARRAYS_FROM:
        return partial(_spread, steps)
    import numpy

    nodes = sorted(dict.fromkeys([*steps, *(other for row in steps.values() for other in row)]))
    number = {node: position for position, node in enumerate(nodes)}
    source = numpy.array([number[node] for node, row in steps.items() for _ in row])
    target = numpy.array([number[other] for row in steps.values() for other in row])
    onward = numpy.array([chance for row in steps.values() for chance in row.values()]) * (1 - RESTART)

    def walk(start: bytes, end: bytes, without: bytes | None) -> dict[bytes, float]:
        front = numpy.zeros(len(nodes))
        if start not in number:
            return {start: 1.0}
        front[number[start]] = 1.0
        visits = front.copy()
        open_steps = onward if without is None else numpy.where(target == number[without], 0.0, onward)
        while front.sum() > _MASS_MIN:
            front = numpy.bincount(target, front[source] * open_steps, len(nodes)).astype(numpy.float64)
            visits += front
            if end in number:
                front[number[end]] = 0.0
        return {nodes[position]: float(visits[position]) for position in numpy.flatnonzero(visits)}

    return walk


def _paths(steps: Links, start: bytes, end: bytes) -> list[tuple[tuple[bytes, ...], float]]:
    """The likeliest paths, at most three, that share nobody in between."""
    used: dict[bytes, bool] = {}
    paths: list[tuple[tuple[bytes, ...], float]] = []
    while len(paths) < _PATHS_SHOWN:
        queue: list[tuple[float, tuple[bytes, ...]]] = [(-1.0, (start,))]
        done = dict(used)
        found = None
        while queue and found is None:
            chance, path = heappop(queue)
            if path[-1] == end:
                found = (path, -chance)
            elif path[-1] not in done:
                done[path[-1]] = True
                for other, step in steps.get(path[-1], {}).items():
                    direct = path == (start,) and other == end
                    if other not in done and not (direct and any(len(shown) == 2 for shown, _ in paths)):
                        heappush(queue, (chance * step * (1 - RESTART), (*path, other)))
        if found is None:
            break
        paths.append(found)
        used |= dict.fromkeys(found[0][1:-1], True)
    return paths
