"""Which quotations together: 20 suppliers, 20 kinds of demand, 5 tiers, 500 members. What the solver's answer scores,
against adding one quotation at a time for as long as that helps.

A kind of demand is what those members have in common who set the same highest price. Scores are minor units over the
term, what stays unserved counted in; the least is best. Beside it: seconds for one suggestion, how long it takes to
weigh an answer, the memory of a process of its own, and markets small enough to try every answer.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from multiprocessing.connection import Connection

from node import solver
from protocol.deal.lots import Answer, Market, evaluate
from protocol.errors import Reject
from tests.markets import large, small

UNIT = "minor units"
AGAINST = "one quotation more at a time, minor units"
LIMIT = 1.001  # the time is bounded: on a busy machine the search stops a little short
LESS = True
RUNS = 3
OPTIONS = {"suppliers": 20, "kinds": 20, "tiers": 5}
LIMITED_BY = """HiGHS for the first answer, weighing for what is found from there: each neighbour is weighed as the
award will be, members and all. Seconds are bounded whatever the market (NEG-98); the best alone is always there."""

SMALL, MB = 40, 1024


def measure(**sizes: int) -> tuple[float, dict[str, float]]:
    """The score of what the solver suggests."""
    fresh = multiprocessing.get_context("fork")
    ours, theirs = fresh.Pipe()
    child = fresh.Process(target=_suggest, args=(theirs, sizes))
    child.start()
    score, figures = ours.recv()
    child.join()
    return score, figures


def yardstick(**sizes: int) -> tuple[float, dict[str, float]]:
    """The score of the greedy answer, and of the best quotation alone."""
    market = _market(**sizes)
    since = time.perf_counter()
    score = _greedy(market)
    alone = min(found[1].score_minor for one in solver._singles(market) if (found := solver._settled(market, one)))
    return score, {"one at a time, s": time.perf_counter() - since, "the best alone, minor units": alone}


def _market(suppliers: int = 20, kinds: int = 20, tiers: int = 5) -> Market:
    return large(0, suppliers, kinds, tiers)


def _suggest(out: Connection, sizes: dict[str, int]) -> None:
    market = _market(**sizes)
    since = time.perf_counter()
    found = solver.suggest(market)
    took, peak = time.perf_counter() - since, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MB
    assert found is not None
    since = time.perf_counter()
    score = evaluate(market, found).score_minor
    weighing = time.perf_counter() - since
    figures = {"s": took, "quotations in the answer": len(found), "to weigh an answer, ms": weighing * 1e3}
    figures |= {"peak MB": peak, f"as good as trying all, of {SMALL} small markets": _equal()}
    out.send((score, figures))


def _equal() -> float:
    """In how many small markets the suggestion is the best that there is."""
    markets = [small(seed) for seed in range(SMALL)]
    return sum(_score(of, solver.suggest(of)) == min(_score(of, one) for one in solver._all(of)) for of in markets)


def _score(of: Market, answer: Answer | None) -> float:
    try:
        return float(evaluate(of, answer).score_minor) if answer else float("inf")
    except Reject:
        return float("inf")


def _greedy(market: Market) -> int:
    """One quotation more, at the rung that helps most, until none helps."""
    best: solver.Found | None = None
    while True:
        now = dict(best[0]) if best is not None else {}
        found = best
        for supplier, offer in market.offers.items():
            for quantity in [minimum for minimum, _ in offer.quotation.ladder] + [offer.quotation.capacity]:
                tried = solver._settled(market, tuple(sorted((now | {supplier: quantity}).items())))
                if tried is not None and (found is None or tried[1].score_minor < found[1].score_minor):
                    found = tried
        if found is best:
            assert best is not None
            return best[1].score_minor
        best = found
