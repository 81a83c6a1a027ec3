"""Visits kept up from one attestation to the next agree with those computed anew, and no hit leaves its range."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.trust import live
from protocol.trust.live import LEFT_MAX, Live
from protocol.trust.walks import hits, net, visits

Edges = dict[tuple[int, int], float]


def made(seed: int, size: int, degree: int) -> Edges:
    rng = Random(seed)
    pairs = ((one, two) for one in range(size) for two in rng.sample(range(size), min(size, degree)) if one != two)
    return {pair: rng.random() for pair in pairs}


def columns(edges: Edges) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pairs = sorted(edges)
    source, target = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return source, target, np.array([edges[pair] for pair in pairs])


@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(0, 5), st.integers(1, 40))
def test_it_agrees_with_all_anew(seed: int, size: int, degree: int, changes: int) -> None:
    """REP-18: after any changes, edges that come, grow, shrink and end: within LEFT_MAX, and every hit in its range."""
    rng = Random(seed)
    edges = made(seed, size, degree)
    followed = Live(size, *columns(edges), observer=0)
    for _ in range(changes):
        one, two = rng.sample(range(size), 2)
        weight = rng.choice([0.0, rng.random(), 0.95])
        edges[one, two] = weight
        followed.change(one, two, weight)
        assert followed.left <= LEFT_MAX
    edges = {pair: weight for pair, weight in edges.items() if weight}
    anew = net(size, *columns(edges))
    exact = visits(anew, np.array([0]))[:, 0]
    assert np.abs(followed.visits - exact).max() <= LEFT_MAX / 0.3
    subjects = np.arange(size)
    found, _ = hits(anew, np.zeros(size, dtype=np.int64), subjects)
    least, most = followed.ranges()
    assert (least <= found + 1e-12).all()
    assert (found <= most + 1e-12).all()
    assert (most - least <= 2 * LEFT_MAX + 0.49 * followed.visits + 1e-12).all()


def test_nothing_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """REP-18: what is left out once is there the next time; a follower that drops it drifts (control)."""
    rng, size = Random(1), 200
    edges = made(1, size, 4)
    kept, drifting = (Live(size, *columns(edges), observer=0) for _ in range(2))
    monkeypatch.setattr(live, "LEFT_MAX", 1e-3)
    for _ in range(400):
        one, two, weight = rng.randrange(size), rng.randrange(size), rng.random()
        if one != two:
            edges[one, two] = weight
            kept.change(one, two, weight)
            drifting.change(one, two, weight)
            drifting._residual[:] = 0.0
    exact = visits(net(size, *columns(edges)), np.array([0]))[:, 0]
    assert np.abs(kept.visits - exact).sum() <= 1e-3 / 0.3
    assert np.abs(drifting.visits - exact).sum() > 1e-3 / 0.3
