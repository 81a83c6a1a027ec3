"""What one observer may expect of one subject, from evidence that two sides signed.

Decides nothing for anybody else: numbers here are floats, differ between observers and are never a condition that nodes
must share; what nodes must agree on is counted in coop/evidence. This is the plain reading, for what fits a page or a
home; walks and forecast compute the same on arrays. Spec: 10-reputation, REP-1 to REP-9, REP-13, REP-14.
Hitting probability with restart after MeritRank (Nasrulin et al., arXiv 2207.09950), with a compounding decay for
bottlenecks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

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
    OUTLOOK,
    OWN_DOUBT,
    REMEDY_SHARE,
    REPORT_HALF,
    RESTART,
    SPONSOR_BAD,
    SUCCESSIONS_MAX,
    VOUCH_GOOD,
)
from protocol.trust.walks import HIT_MIN, NEARLY, SEEN_MIN

_MASS_MIN = 1e-15  # a walk's mass below this is dropped; an error of at most this / RESTART
_GOOD = {"kept": 1.0, "vouch": VOUCH_GOOD}
_BAD = {"broken": 1.0, "sponsored": SPONSOR_BAD}
_LIVED = ("kept", "broken")
ANY_ROLE = ""  # of vouches and of sponsors: whoever one stands by, one stands by in every role

Links = dict[bytes, dict[bytes, float]]  # from → to → number in 0..1


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

    @property
    def opinion(self) -> float:
        """From -1, all broken, to 1, all kept (REP-9)."""
        return (self.good - self.bad) / (self.good + self.bad)


@dataclass(frozen=True, slots=True)
class Graph:
    """Edges over all roles; for each role and subject, by reporter, the edge and what was kept and broken; and for each
    reporter and subject the evidence behind them.
    """

    edges: Links
    last: Mapping[tuple[str, bytes], Mapping[bytes, float]]
    outcomes: Mapping[tuple[str, bytes], Mapping[bytes, Tally]]
    events: Mapping[tuple[bytes, bytes], Sequence[Evidence]] = field(default_factory=dict)
    now_ms: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """`value` = `hit` · (1 - 0.9) ^ number of bottlenecks."""

    value: float
    hit: float
    bottlenecks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """`value` from -1 (broken) to 1 (kept); `outlook` is what the observer expects of anybody; `reporters` with the
    weight of each one's word, most first.
    """

    value: float
    outlook: float
    reporters: tuple[tuple[bytes, float], ...]


def graph(evidence: Iterable[Evidence], now_ms: int, heirs: Mapping[bytes, bytes] = MappingProxyType({})) -> Graph:
    """What stands at `now_ms`; the order of evidence and repeats of one agreement are of no consequence.

    heirs: a persona that was succeeded -> its successor, of whom is said what was said of it (REP-13).
    """
    pairs: dict[tuple[bytes, bytes], list[Evidence]] = {}
    for item in evidence:
        subject = heir_of(item.subject, heirs)
        if item.reporter != subject:
            pairs.setdefault((item.reporter, subject), []).append(item)
    edges: Links = {}
    last: dict[tuple[str, bytes], dict[bytes, float]] = {}
    outcomes: dict[tuple[str, bytes], dict[bytes, Tally]] = {}
    for (reporter, subject), items in sorted(pairs.items()):
        edge = tally(items, now_ms).edge
        if edge:
            edges.setdefault(reporter, {})[subject] = edge
        for role in sorted({item.role for item in items}):
            of_role = [item for item in items if item.role in (role, ANY_ROLE)]
            last.setdefault((role, subject), {})[reporter] = tally(of_role, now_ms).edge
            lived = tally([item for item in of_role if item.kind in _LIVED], now_ms)
            if lived.good + lived.bad:
                outcomes.setdefault((role, subject), {})[reporter] = lived
    return Graph(edges, last, outcomes, pairs, now_ms)


def heir_of(key: bytes, heirs: Mapping[bytes, bytes]) -> bytes:
    """Who stands in this persona's place at the end of the line; in a circle, or too long a line, itself (REP-13)."""
    last = key
    for _ in range(SUCCESSIONS_MAX + 1):
        if last not in heirs:
            return last
        last = heirs[last]
    return key


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
    if observer == subject:
        return Standing(1.0, 1.0, ())
    steps = steps_to(trust, subject, role)
    visits = _spread(steps, observer, subject, None)
    hit = visits.get(subject, 0.0)
    if hit < HIT_MIN:
        return Standing(0.0, 0.0, ())
    backward = _spread(_transposed(steps), subject, subject, None)
    bottlenecks = []
    for node, count in sorted(visits.items()):
        # Visits × chance from there is at least the share that passes: a cheap bound before the exact walk without it.
        most = min(1.0, count) * backward.get(node, 0.0)
        if node in (observer, subject) or most < 0.999 * BOTTLENECK_SHARE * hit:
            continue
        without = _spread(steps, observer, subject, node).get(subject, 0.0)
        if hit - without >= (BOTTLENECK_SHARE - NEARLY) * hit:
            bottlenecks.append(node)
    return bottled(hit, tuple(bottlenecks))


def bottled(hit: float, bottlenecks: tuple[bytes, ...]) -> Standing:
    """A tenth of the hit for each bottleneck (REP-8)."""
    return Standing(hit * (1 - BOTTLENECK_DECAY) ** len(bottlenecks), hit, bottlenecks)


def expectation(trust: Graph, observer: bytes, subject: bytes, role: str) -> Expectation:
    """What `subject` is likely to do: opinions, those whom the observer's walk visits more weighing more, and the
    observer's own outlook with the weight of EXPECTATION_DOUBT words (REP-9).
    """
    visits = heeded(trust, observer, subject)
    found = reports(trust, subject, role)
    trusted = {node: seen / (seen + REPORT_HALF) + seen for node in found if (seen := visits.get(node, 0.0)) > SEEN_MIN}
    outlook = _outlook(trust, observer, subject, role, visits)
    said = sum(weight * found[node].opinion for node, weight in sorted(trusted.items()))
    value = (said + EXPECTATION_DOUBT * outlook) / (sum(trusted.values()) + EXPECTATION_DOUBT)
    reporters = sorted(trusted.items(), key=lambda pair: (-pair[1], pair[0]))
    return Expectation(max(-1.0, min(1.0, value)), outlook, tuple(reporters))


def heeded(trust: Graph, observer: bytes, subject: bytes) -> dict[bytes, float]:
    """How often a walk from the observer visits whom, the subject left out with all that only it leads to (REP-9)."""
    steps = {node: _shares(row) for node, row in trust.edges.items() if node != subject}
    return _spread(steps, observer, None, subject)


def reports(trust: Graph, subject: bytes, role: str) -> dict[bytes, Tally]:
    """What was kept and broken in that role, by reporter."""
    return dict(sorted(trust.outcomes.get((role, subject), {}).items()))


def _outlook(trust: Graph, observer: bytes, subject: bytes, role: str, visits: Mapping[bytes, float]) -> float:
    """What the observer expects of anybody in that role: its own opinions, and those of whom it trusts (REP-14)."""
    opinions: dict[bytes, list[float]] = {}
    for (of_role, _), by_reporter in sorted(trust.outcomes.items()):
        if of_role == role:
            for reporter, report in by_reporter.items():
                opinions.setdefault(reporter, []).append(report.opinion)
    held = {node: sum(said) / len(said) for node, said in sorted(opinions.items()) if node in visits}
    weight = sum(visits[node] for node in held)
    others = sum(visits[node] * mean for node, mean in held.items()) / weight if weight > SEEN_MIN else OUTLOOK
    own = opinions.get(observer, [])
    return (sum(own) + OWN_DOUBT * others) / (len(own) + OWN_DOUBT)


def steps_to(trust: Graph, subject: bytes, role: str | None) -> Links:
    """Step probabilities w / max(1, Σ w), edges into the subject being those of the role (REP-7)."""
    steps: Links = {}
    for node, row in links_to(trust, subject, role).items():
        total = max(1.0, sum(row.values()))
        steps[node] = {other: weight / total for other, weight in row.items()}
    return steps


def links_to(trust: Graph, subject: bytes, role: str | None) -> Links:
    """All edges, those into the subject being of the role."""
    if role is None:
        return trust.edges
    last, links = last_edges(trust, subject, role), {node: dict(row) for node, row in trust.edges.items()}
    for node in dict.fromkeys([*links, *last]):
        row = links.setdefault(node, {})
        row.pop(subject, None)
        if last.get(node):
            row[subject] = last[node]
    return links


def last_edges(trust: Graph, subject: bytes, role: str) -> dict[bytes, float]:
    """The edges into the subject in a role, by reporter; who said nothing of this role may have vouched."""
    return {**trust.last.get((ANY_ROLE, subject), {}), **trust.last.get((role, subject), {})}


def _shares(row: Mapping[bytes, float]) -> dict[bytes, float]:
    total = sum(row.values())
    return {other: weight / total for other, weight in row.items() if weight}


def _transposed(steps: Links) -> Links:
    back: Links = {}
    for node, row in steps.items():
        for other, chance in row.items():
            back.setdefault(other, {})[node] = chance
    return back


def _spread(steps: Links, start: bytes, end: bytes | None, without: bytes | None) -> dict[bytes, float]:
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
        if end is not None:
            following.pop(end, None)
        front = following
    return visits
