"""Reputation: the figures of decay, the guarantees against rings and slander, and numbers that explain themselves."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.params import BOTTLENECK_SHARE, DAY_MS, GOOD_WINDOW_MS
from protocol.trust.reputation import Evidence, Graph, Links, Tally, expectation, graph, standing, tally

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "reputation.json"
NOW = 2_000 * GOOD_WINDOW_MS + 15 * DAY_MS
BOUND = 0.1 * 0.7 / 0.3
ANN, BEN, CAT, DAN, EVE = (letter.encode() for letter in "abcde")


def said(
    days: float,
    kind: str = "kept",
    *,
    seen: float | None = None,
    remedied: bool = False,
    deal: str = "",
    role: str = "supplier",
    by: bytes = ANN,
    of: bytes = BEN,
) -> Evidence:
    """Evidence of so many days ago; each age is an agreement of its own unless one is named."""
    stamped, seen_ms = (NOW - int(age * DAY_MS) for age in (days, days if seen is None else seen))
    return Evidence(by, of, role, kind, (deal or str(days)).encode(), stamped, seen_ms, remedied)


def months(count: int, start: float = 0) -> list[Evidence]:
    return [said(start + 30 * number) for number in range(count)]


TALLIES: list[tuple[str, str, list[Evidence], float, float]] = [
    ("nothing", "REP-5", [], 0.0, 0.0),
    ("one, just now", "REP-3", [said(0)], 1.0, 0.0),
    ("good after 180 days", "REP-3", [said(180)], 0.5, 0.0),
    ("bad after 360 days", "REP-3", [said(360, "broken")], 0.0, 0.5),
    ("twice in one window", "REP-2", [said(1), said(2)], 0.5 ** (1 / 180), 0.0),
    ("one agreement, said twice", "REP-2", [said(40, deal="x"), said(1, deal="x")], 0.5 ** (40 / 180), 0.0),
    ("kept in part", "REP-2", [said(0, deal="x"), said(0, "broken", deal="x")], 1.0, 1.0),
    ("back-dated", "REP-1", [said(30 * n, seen=0) for n in range(24)], 1.0, 0.0),
    ("late by 72 hours is not late", "REP-1", [said(3, seen=0)], 0.5 ** (3 / 180), 0.0),
    ("from the future", "REP-1", [said(-9, seen=0)], 1.0, 0.0),
    ("remedied", "REP-4", [said(0, "broken", remedied=True)], 0.0, 0.25),
    ("vouched for", "REP-6", [said(0, "vouch")], 0.75, 0.0),
    ("vouched and kept in one window", "REP-6", [said(0, "vouch"), said(1)], 0.5 ** (1 / 180), 0.0),
    ("vouched for a defaulter", "REP-6", [said(0, "sponsored")], 0.0, 0.3),
    ("of no known kind", "REP-2", [said(0, "praise")], 0.0, 0.0),
]
BUSY: Links = {b"s": {b"x": 0.9, b"y": 0.9}, b"x": {b"v": 0.9}}
NETS: list[tuple[str, str, Links]] = [
    ("a direct edge", "REP-7", {b"s": {b"v": 0.5}}),
    ("one friend between", "REP-8", {b"s": {b"x": 0.5}, b"x": {b"v": 0.5}}),
    ("two between", "REP-8", {b"s": {b"x": 0.5}, b"x": {b"y": 0.5}, b"y": {b"v": 0.5}}),
    ("two ways", "REP-8", {b"s": {b"x": 0.5, b"y": 0.5}, b"x": {b"v": 0.5}, b"y": {b"v": 0.5}}),
    ("a busy observer", "REP-7", {b"s": {b"v": 0.5, b"x": 0.9, b"y": 0.9}}),
    ("not reached", "REP-8", {b"v": {b"s": 0.9}, b"s": {b"x": 0.9}}),
    # Only when those who go to x stop there, and do not go to y instead, is x one.
    ("a busy observer without the one that matters", "REP-8", BUSY | {b"y": {b"v": 0.2}}),
    ("a busy observer with another way", "REP-8", BUSY | {b"y": {b"v": 0.3}}),
    ("by way of itself", "REP-8", {b"s": {b"v": 0.4}, b"v": {b"x": 0.9}, b"x": {b"v": 0.9}}),
]


def vectors() -> dict[str, Any]:
    """spec/vectors/reputation.json; numbers to six decimals."""
    cases: list[dict[str, Any]] = []
    for name, clause, items, _, _ in TALLIES:
        found = tally(items, NOW)
        rows = [
            [item.kind, item.agreement.hex(), NOW - item.stamped_ms, NOW - item.seen_ms, item.remedied]
            for item in items
        ]
        cases.append(
            {
                "name": name,
                "clause": clause,
                "input": {"now_ms": NOW, "kind agreement stamped_ago_ms seen_ago_ms remedied": rows},
                "output": {"good": round(found.good, 6), "bad": round(found.bad, 6), "edge": round(found.edge, 6)},
            }
        )
    for name, clause, edges in NETS:
        seen = standing(Graph(edges, {}, {}), b"s", b"v")
        cases.append(
            {
                "name": name,
                "clause": clause,
                "input": {one.decode(): {two.decode(): w for two, w in row.items()} for one, row in edges.items()},
                "output": {
                    "hit": round(seen.hit, 6),
                    "bottlenecks": [node.decode() for node in seen.bottlenecks],
                    "standing": round(seen.value, 6),
                },
            }
        )
    return {"name": "reputation", "spec": "10-reputation", "cases": [*cases, *expected()]}


TOWN: Links = {b"s": {b"x": 0.5, b"y": 0.2}, b"x": {b"y": 0.3, b"v": 0.4}, b"v": {b"z": 0.9}, b"q": {b"v": 0.9}}
OPINIONS: list[tuple[str, str, dict[bytes, dict[bytes, tuple[float, float]]]]] = [
    ("nothing is reported", "REP-14", {}),
    ("a friend reports", "REP-9", {b"x": {b"v": (1, 0)}}),
    ("friends disagree", "REP-9", {b"x": {b"v": (1, 0)}, b"y": {b"v": (0, 1)}}),
    ("one's own word", "REP-9", {b"s": {b"v": (0.5, 1)}, b"x": {b"v": (1, 0)}}),
    ("a stranger reports", "REP-9", {b"x": {b"v": (1, 0)}, b"q": {b"v": (0, 1)}}),
    ("the subject's own friend reports", "REP-9", {b"x": {b"v": (0, 1)}, b"z": {b"v": (1, 0)}}),
    ("of others", "REP-14", {b"s": {b"x": (1, 0), b"y": (0, 1)}, b"x": {b"z": (0, 1)}}),
    ("of others, by strangers", "REP-14", {b"q": {b"z": (0, 1)}}),
]


def expected() -> list[dict[str, Any]]:
    """What s may expect of v, edges and reports being given."""
    cases: list[dict[str, Any]] = []
    for name, clause, said_of in OPINIONS:
        told: dict[tuple[str, bytes], dict[bytes, Tally]] = {}
        for one, row in said_of.items():
            for two, units in row.items():
                told.setdefault(("", two), {})[one] = Tally(*units)
        found = expectation(Graph(TOWN, {}, told), b"s", b"v", "")
        rows = [[one.decode(), two.decode(), *units] for one, row in said_of.items() for two, units in row.items()]
        cases.append(
            {
                "name": name,
                "clause": clause,
                "input": {
                    "edges": {one.decode(): {two.decode(): w for two, w in row.items()} for one, row in TOWN.items()},
                    "reporter subject good bad": rows,
                },
                "output": {
                    "outlook": round(found.outlook, 6),
                    "trust": {node.decode(): round(weight, 6) for node, weight in found.reporters},
                    "expectation": round(found.value, 6),
                },
            }
        )
    return cases


def test_the_vectors_are_committed() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == json.loads(json.dumps(vectors()))


@pytest.mark.parametrize(("items", "good", "bad"), [case[2:] for case in TALLIES], ids=[case[0] for case in TALLIES])
def test_what_evidence_weighs(items: list[Evidence], good: float, bad: float) -> None:
    """REP-1 to REP-6."""
    for order in (items, items[::-1], items * 2):
        found = tally(order, NOW)
        assert (found.good, found.bad) == pytest.approx((good, bad))


def test_idle_trust_fades() -> None:
    """REP-3, REP-5: two years of monthly deals, the last a month ago; half a year later; two years later."""
    for later, edge in ((0, 0.718), (180, 0.561), (730, 0.133)):
        assert tally(months(24, 30), NOW + later * DAY_MS).edge == pytest.approx(edge, abs=0.001)


def test_two_years_signed_in_one_second() -> None:
    """REP-1, with its negative control: were the stamps believed, a second would buy two years of trust."""
    assert tally([said(30 * n, seen=30 * n) for n in range(24)], NOW).edge == pytest.approx(0.741, abs=0.001)
    assert tally([said(30 * n, seen=0) for n in range(24)], NOW).edge == 0.25


@pytest.mark.parametrize(("remedied", "days"), [(False, 180), (True, 30)])
def test_recovery_after_one_default(remedied: bool, days: int) -> None:
    """REP-3, REP-4: after a good year and one default, time until nine tenths are back, good deals going on."""
    before = tally(months(12), NOW).edge

    def after(later: int) -> float:
        going_on = [said(-30 * number) for number in range(1, later // 30 + 1)]
        return tally([*months(12), *going_on, said(0, "broken", remedied=remedied)], NOW + later * DAY_MS).edge

    assert after(days) >= 0.9 * before
    assert remedied or after(days - 30) < 0.9 * before


def test_one_in_ten_broken() -> None:
    """REP-5: two deals a month, every tenth broken, keeps a third of the way for a year and nothing after three."""

    def edge(count: int) -> float:
        deals = [(30 * (number // 2), number) for number in range(2 * count)]
        return tally(
            [
                said(age, "broken" if (2 * count - 1 - number) % 10 == 4 else "kept", deal=str(number))
                for age, number in deals
            ],
            NOW,
        ).edge

    assert edge(12) == pytest.approx(0.31, abs=0.02)
    assert edge(36) == 0


def random_net(seed: int, size: int, degree: int) -> Links:
    rng = Random(seed)
    nodes = [bytes([number]) for number in range(size)]
    return {
        one: {two: rng.random() for two in rng.sample(nodes, degree) if two != one}
        for one in nodes
        if rng.random() < 0.9
    }


@pytest.mark.parametrize(("seed", "size", "degree"), [(1, 12, 2), (2, 25, 3), (3, 40, 5)])
def test_the_walk_is_the_inverse(seed: int, size: int, degree: int) -> None:
    """REP-7, REP-8 against linear algebra: G = (I - 0.7 P)^-1, hit = G[s,v]/G[v,v], MeritRank's bottlenecks."""
    edges = random_net(seed, size, degree)
    steps = numpy.zeros((size, size))
    for one, row in edges.items():
        for two, weight in row.items():
            steps[one[0], two[0]] = weight / max(1.0, sum(row.values()))
    full = numpy.linalg.inv(numpy.eye(size) - 0.7 * steps)
    hits = full / numpy.diag(full)[None, :]
    for s in range(0, size, 3):
        for v in range(1, size, 4):
            if s == v:
                continue
            seen = standing(Graph(edges, {}, {}), bytes([s]), bytes([v]))
            assert seen.hit == pytest.approx(hits[s, v], abs=1e-8)
            narrow = []
            for x in range(size):
                if x not in (s, v) and hits[s, v] > 1e-8:
                    through = (hits[s, x] - hits[s, v] * hits[v, x]) / (1 - hits[x, v] * hits[v, x])
                    if through * hits[x, v] / hits[s, v] >= BOTTLENECK_SHARE:
                        narrow.append(bytes([x]))
            assert list(seen.bottlenecks) == narrow


@given(st.integers(0, 10**6), st.lists(st.tuples(st.integers(0, 30), st.floats(0.01, 1)), max_size=12))
def test_own_edges_and_own_names_change_nothing(seed: int, own: list[tuple[int, float]]) -> None:
    """REP-8: whatever a subject says, and whoever stands only behind it."""
    edges = random_net(seed, 15, 3)
    before = standing(Graph(edges, {}, {}), bytes([0]), bytes([1]))
    edges[bytes([1])] = {bytes([other]): weight for other, weight in own if other != 1}
    for number in range(15, 31):  # its sybils, reached by its own edges only
        edges[bytes([number])] = {bytes([1]): 1.0, bytes([15 + (number + 1) % 16]): 1.0}
    after = standing(Graph(edges, {}, {}), bytes([0]), bytes([1]))
    assert after.hit == pytest.approx(before.hit, abs=1e-8)
    assert after.bottlenecks == before.bottlenecks


SYBILS = [bytes([200 + number]) for number in range(20)]
RINGS: dict[str, Callable[[bytes], Links]] = {
    "path": lambda a: {one: {two: 1.0} for one, two in zip([a, *SYBILS], SYBILS, strict=False)},
    "cycle": lambda a: {one: {two: 1.0} for one, two in zip([a, *SYBILS], [*SYBILS, a], strict=True)},
    "star": lambda a: {a: dict.fromkeys(SYBILS, 1.0)} | {one: {a: 1.0} for one in SYBILS},
    "clique": lambda a: {one: {two: 1.0 for two in [a, *SYBILS] if two != one} for one in [a, *SYBILS]},
}


def pagerank(edges: Links, start: bytes, node: bytes) -> float:
    """Plain personalised PageRank with the same restart: visits, not hits, and no decay."""
    visits, front = {start: 1.0}, {start: 1.0}
    for _ in range(60):
        following: dict[bytes, float] = {}
        for one, mass in front.items():
            for two, weight in edges.get(one, {}).items():
                following[two] = following.get(two, 0.0) + 0.7 * mass * weight / sum(edges[one].values())
        front = following
        for one, mass in front.items():
            visits[one] = visits.get(one, 0.0) + mass
    return visits.get(node, 0.0)


@pytest.mark.parametrize("shape", RINGS)
def test_a_ring_gains_little(shape: str) -> None:
    """REP-8: all names behind one identity together, in any shape, with PageRank as the negative control."""
    honest = random_net(7, 30, 4)
    leader = bytes([5])
    ring = honest | RINGS[shape](leader)
    observers = [
        bytes([number]) for number in (0, 1, 2, 8) if standing(Graph(honest, {}, {}), bytes([number]), leader).hit
    ]
    assert observers
    for observer in observers:
        own = standing(Graph(ring, {}, {}), observer, leader).value
        gain = sum(standing(Graph(ring, {}, {}), observer, sybil).value for sybil in SYBILS)
        assert 0 < gain <= BOUND * own
        plain = sum(pagerank(ring, observer, sybil) for sybil in SYBILS)
        assert plain > BOUND * pagerank(honest, observer, leader)


def test_a_slanderer_takes_only_its_own_edge() -> None:
    """REP-8: who is not trusted takes nothing; who is, no more than what flowed through it."""
    edges: Links = {b"s": dict.fromkeys((ANN, BEN, CAT), 0.8)} | {friend: {b"v": 0.6} for friend in (ANN, BEN, CAT)}
    full = standing(Graph(edges, {}, {}), b"s", b"v")
    assert standing(Graph({**edges, EVE: {DAN: 1.0}}, {}, {}), b"s", b"v") == full
    through = 0.7 * 0.8 / (3 * 0.8) * 0.7 * 0.6
    less = standing(Graph({**edges, ANN: {}}, {}, {}), b"s", b"v")
    assert full.hit - less.hit == pytest.approx(through)
    assert less.value > 0


def known(*evidence: Evidence) -> Graph:
    return graph(evidence, NOW)


def test_newcomer_and_known_bad_are_nothing() -> None:
    """REP-8, REP-9: a fresh name never beats an honest one."""
    trust = known(said(1, by=ANN, of=BEN), said(2, "broken", by=ANN, of=CAT), said(1, by=DAN, of=DAN))
    for nobody in (CAT, DAN, EVE):
        assert standing(trust, ANN, nobody, "supplier").value == 0
    fresh = expectation(trust, ANN, EVE, "supplier").value
    assert expectation(trust, ANN, DAN, "supplier").value == fresh
    assert -1 < expectation(trust, ANN, CAT, "supplier").value < fresh
    assert standing(trust, ANN, BEN, "supplier").value > 0
    assert fresh < expectation(trust, ANN, BEN, "supplier").value <= 1
    assert standing(trust, ANN, ANN).value == 1


def test_the_last_edge_has_the_role() -> None:
    """REP-7: whoever is good at paying is not therefore good at negotiating, but may know who is."""
    trust = known(
        said(1, role="member", by=ANN, of=BEN),
        said(1, role="negotiator", by=BEN, of=CAT),
        said(1, "broken", role="member", by=BEN, of=CAT),
    )
    assert standing(trust, ANN, BEN, "negotiator").value == 0
    assert standing(trust, ANN, BEN, "member").value > 0
    assert standing(trust, ANN, CAT, "negotiator").value > 0
    assert standing(trust, ANN, CAT, "member").value == 0


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 10))
def test_edges_are_monotone(good: float, bad: float, more: float) -> None:
    """REP-5."""
    edge, unit = Tally(good, bad).edge, 2**-52  # two roundings may differ in the last digit
    assert 0 <= edge < 1
    assert Tally(good + more, bad).edge + unit >= edge >= Tally(good, bad + more).edge - unit
