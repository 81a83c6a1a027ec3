"""How well the sign of a rating nobody has seen is foretold: 100 x the AUC of `expectation`, mean of random splits.

Four fifths of the real trade ratings in ../shared/data/bitcoin-otc.csv are the history, the rest is asked about. The
yardstick is the best of four other rules in the same run: the mean rating, fairness and goodness (Kumar et al., ICDM
2016), personalised PageRank, and the mean weighted by the observer's trust, each in the form that does best. Beside it:
calibration; made-up histories of other base rates and densities, where nobody lies, where a plain mean is best;
and an attacker whom three honest people rated well, with 50 sybils that trust one another, praise the 40 worst and
slander the 40 best of those asked about.
"""

from __future__ import annotations

import csv
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import rankdata

from protocol.trust.ratings import Ratings, score
from protocol.trust.walks import blocks, net, visits
from scripts.rig import ROOT, Unavailable

UNIT = "AUC, %"
AGAINST = "the best of four other rules, AUC, %"
LIMIT = 1.02
RUNS = 1
OPTIONS = {"splits": 3, "pairs": 4000}
LIMITED_BY = """Of one in twelve who are asked about nothing was reported, and one in fifteen observers has reported
nothing: of these two there is only what the one, or nobody, has met with so far."""

DATA = ROOT.parent / "shared" / "data" / "bitcoin-otc.csv"
SYBILS, EARNED, TARGETS = 50, 3, 40
_Asked = tuple[Any, Any, Any]  # observers, subjects, whether the unseen rating is good


@cache
def history(path: Path = DATA) -> Ratings:
    """The file's ratings."""
    if not path.exists():
        raise Unavailable("not measured: needs ../shared/data, which is absent here")
    with path.open() as file:
        rows = [(row[0], row[1], float(row[2]), float(row[3])) for row in list(csv.reader(file))[1:]]
    source, target, weight, seconds = (np.array(column) for column in zip(*rows, strict=True))
    names, number = np.unique(np.concatenate([source, target]), return_inverse=True)
    return Ratings(len(names), number[: len(rows)], number[len(rows) :], weight, seconds)


@cache
def made_up(kept_percent: int, degree: int, size: int = 1500) -> Ratings:
    """People of different quality and different generosity who deal mostly within their own circle of fifty."""
    rng = np.random.default_rng(kept_percent * 100 + degree)
    source = np.repeat(np.arange(size), rng.poisson(degree, size) + 1)
    near = source // 50 * 50 + rng.integers(0, 50, len(source))
    target = np.where(rng.random(len(source)) < 0.8, np.minimum(near, size - 1), rng.integers(0, size, len(source)))
    usual = np.log(kept_percent / (100 - kept_percent))
    quality, generosity = rng.normal(0, 2, size), rng.normal(0, 0.7, size)
    good = rng.random(len(source)) < 1 / (1 + np.exp(-(1.4 * usual + quality[target] + generosity[source])))
    weight = np.where(good, 1, -1) * rng.integers(1, 11, len(source))
    return Ratings(size, source, target, weight.astype(float), 1.5e9 + np.sort(rng.random(len(source))) * 9e7)


def split(whole: Ratings, seed: int, pairs: int) -> tuple[Ratings, _Asked]:
    """Four fifths as history, and so many of the rest to be foretold."""
    rng = np.random.default_rng(seed)
    known = rng.random(len(whole.weight)) < 0.8
    asked = np.flatnonzero(~known & (whole.weight != 0) & (whole.source != whole.target))
    asked = np.sort(rng.permutation(asked)[:pairs])
    rows = (whole.source[known], whole.target[known], whole.weight[known], whole.seconds[known])
    return Ratings(whole.size, *rows), (whole.source[asked], whole.target[asked], whole.weight[asked] > 0)


def auc(scores: Any, good: Any) -> float:
    """The chance that a good one is scored above a bad one, ties being half."""
    ranks, many = rankdata(scores), int(good.sum())
    return float((ranks[good].sum() - many * (many + 1) / 2) / (many * (len(good) - many)))


def mean_rating(known: Ratings, asked: _Asked) -> Any:
    """What all together gave the subject, on average: of signs, and one more that is 0: foretells most."""
    total = np.bincount(known.target, np.sign(known.weight), known.size)
    return 10 * (total / (1 + np.bincount(known.target, minlength=known.size)))[asked[1]]


def fairness_goodness(known: Ratings, asked: _Asked) -> Any:
    """Goodness is the mean rating by the fair; fair is who rates by goodness. The product foretells the rating."""
    weight, size = known.weight / 10, known.size
    given, got = (np.maximum(1, np.bincount(one, minlength=size)) for one in (known.source, known.target))
    fair, good = np.ones(size), np.ones(size)
    unknown = np.bincount(known.target, minlength=size) == 0
    for _ in range(100):
        good = np.bincount(known.target, fair[known.source] * weight, size) / got
        good[unknown] = weight.mean()
        fair = 1 - np.bincount(known.source, np.abs(weight - good[known.target]) / 2, size) / given
    return fair[asked[0]] * good[asked[1]]


def _walked(known: Ratings, asked: _Asked) -> tuple[Any, Any]:
    """Personalised PageRank over good ratings, restart 0.3; and the mean rating by whom it visits, by visits."""
    good = (known.weight > 0) & (known.source != known.target)
    ends, shape = (known.source[good], known.target[good]), (known.size, known.size)
    edges = sparse.csr_matrix((known.weight[good] / 10, ends), shape=shape).tocoo()
    graph = net(known.size, edges.row, edges.col, edges.data)
    got = sparse.csc_matrix((known.weight / 10, (known.source, known.target)), shape=shape)
    rank, weighted = np.zeros(len(asked[0])), np.zeros(len(asked[0]))
    for starts in blocks(graph, np.unique(asked[0])):
        seen = visits(graph, starts, 1e-9)
        for at in np.flatnonzero(np.isin(asked[0], starts)).tolist():
            mine, subject = seen[:, np.searchsorted(starts, asked[0][at])], asked[1][at]
            rank[at] = mine[subject]
            rows = slice(got.indptr[subject], got.indptr[subject + 1])
            trust = np.where(got.indices[rows] == asked[0][at], 0.0, mine[got.indices[rows]])
            weighted[at] = trust @ got.data[rows] / (trust.sum() + 0.02)
    return rank, weighted


def others(known: Ratings, asked: _Asked) -> dict[str, float]:
    """The AUC of each other rule."""
    rank, weighted = _walked(known, asked)
    scores = {
        "the mean rating": mean_rating(known, asked),
        "fairness and goodness": fairness_goodness(known, asked),
        "personalised PageRank": rank,
        "the mean weighted by trust": weighted,
    }
    return {name: 100 * auc(one, asked[2]) for name, one in scores.items()}


def calibration(likely: Any, good: Any) -> dict[str, float]:
    """Foretold chances, (1 + expectation) / 2, against what came: mean gap over ten bins, Brier score, their ends."""
    chance = (1 + likely) / 2
    bins = np.minimum(9, (chance * 10).astype(int))
    gaps = [(bins == one).sum() * abs(chance[bins == one].mean() - good[bins == one].mean()) for one in np.unique(bins)]
    return {
        "calibration: mean gap, %": 100 * sum(gaps) / len(good),
        "calibration: Brier score": float(((chance - good) ** 2).mean()),
        "calibration: Brier score of the base rate": float(good.mean() * (1 - good.mean())),
        "calibration: good, %, where at least 90 is foretold": 100 * float(good[chance >= 0.9].mean()),
        "calibration: good, %, where at most 30 is foretold": 100 * float(good[chance <= 0.3].mean()),
    }


def attacked(known: Ratings, asked: _Asked, seed: int) -> Ratings:
    """The same history with an attacker in it."""
    rng = random.Random(seed)
    goodness = np.bincount(asked[1], np.where(asked[2], 1, -1), known.size)
    order = [one for one in np.argsort(goodness, kind="stable").tolist() if goodness[one]]
    names = list(range(known.size, known.size + SYBILS + 1))
    rows = [(rng.choice(sorted(set(known.source.tolist()))), names[0], 10.0) for _ in range(EARNED)]
    rows += [(one, two, 10.0) for one in names for two in names if one != two]
    lots = {10.0: order[:TARGETS], -10.0: order[-TARGETS:]}
    rows += [(one, two, weight) for one in names[1:] for weight, lot in lots.items() for two in lot]
    who, whom, how = (np.array(column) for column in zip(*rows, strict=True))
    now = np.full(len(rows), known.seconds.max())
    columns = ((known.source, who), (known.target, whom), (known.weight, how), (known.seconds, now))
    return Ratings(known.size + len(names), *(np.concatenate(pair) for pair in columns))


def measure(splits: int = OPTIONS["splits"], pairs: int = OPTIONS["pairs"]) -> tuple[float, dict[str, float]]:
    """The mean over splits, and further figures of the first."""
    found: list[float] = []
    figures: dict[str, float] = {}
    for seed in range(splits):
        known, asked = split(history(), seed, pairs)
        likely = score(known, asked[0], asked[1])[1]
        found.append(100 * auc(likely, asked[2]))
        if seed == 0:
            figures |= calibration(likely, asked[2]) | _under_attack(known, asked, likely)
    for kept, degree in ((50, 4), (70, 10), (85, 6), (95, 25)):
        known, asked = split(made_up(kept, degree), 1, 1500)
        best = max(others(known, asked).values())
        mine = 100 * auc(score(known, asked[0], asked[1])[1], asked[2])
        figures[f"{kept} % kept, {degree} deals each: over the best other rule"] = mine - best
    return float(np.mean(found)), {"least of the splits": min(found), "most of the splits": max(found), **figures}


def _under_attack(known: Ratings, asked: _Asked, likely: Any) -> dict[str, float]:
    worse = attacked(known, asked, 1)
    then = score(worse, asked[0], asked[1])[1]
    moved = np.abs(then - likely)
    mean, after = mean_rating(known, asked), mean_rating(worse, asked)
    return {
        "50 sybils: AUC, %": 100 * auc(then, asked[2]),
        "50 sybils: AUC of the mean rating, %": 100 * auc(after, asked[2]),
        "50 sybils: mean change of an expectation": float(moved.mean()),
        "50 sybils: mean change of a mean rating, of 1": float(np.abs(after - mean).mean() / 10),
        "50 sybils: expectations moved by over 0.1, %": 100 * float((moved > 0.1).mean()),
    }


def yardstick(splits: int = OPTIONS["splits"], pairs: int = OPTIONS["pairs"]) -> tuple[float, dict[str, float]]:
    """The best mean over splits of the other rules."""
    found = [others(*split(history(), seed, pairs)) for seed in range(splits)]
    means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    return max(means.values()), means
