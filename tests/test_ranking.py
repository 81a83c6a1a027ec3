"""Scores at their edges, and what is said of them in words (08-negotiation NEG-20 to NEG-29)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from protocol.deal.negotiation import Bid, Limits, Quotation
from protocol.deal.ranking import Ranking, rank
from tests.markets import BOX, REQUEST, TEMPLATE, demand, offer

LIMITS = Limits(10**6, 1, 10**9)
DEMANDS = [demand(number, 10, 200) for number in range(4)]
PLAIN = offer(0, ((1, 100),), 100).quotation
WEIGHTS = st.integers(-(10**9), 10**9)


def ranked(*quotations: Quotation, organic: int = -5, scale: int = 1) -> Ranking:
    """These, where organic counts so many minor units a unit."""
    (row,) = TEMPLATE.attributes
    template = replace(TEMPLATE, attributes=(replace(row, scale=scale, most=10**9, least=-(10**9)),))
    request = replace(REQUEST, template=template, weights_minor={"organic": organic, "unheard-of": 10**9})
    return rank(request, LIMITS, [Bid(one.supplier, one.to_bytes()) for one in quotations], DEMANDS, BOX)


@given(WEIGHTS, st.integers(-(10**9), 10**9), st.sampled_from([1, 10, 10**6]))
def test_huge_and_negative_weights(weight: int, value: int, scale: int) -> None:
    """NEG-28: ⌊weight · value · order · periods / scale⌋ toward −∞, integers of any size; unknown weights: nothing."""
    (row,) = ranked(replace(PLAIN, attributes={"organic": value}), organic=weight, scale=scale).ranked
    exact = weight * value * 40 * 12
    assert row.adjustments == (("organic", exact // scale),)
    assert 0 <= exact - row.adjustments[0][1] * scale < scale
    assert row.score_minor == 100 * 40 * 12 + exact // scale


@given(WEIGHTS.filter(bool), st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_of_what_is_wanted_never_ranks_lower(weight: int, first: int, second: int) -> None:
    """NEG-28, NEG-29: at one price, whoever has more of what a negative weight wants stands before who has less."""
    plain = (offer(at, ((1, 100),), 100).quotation for at in range(2))
    of = [replace(one, attributes={"organic": value}) for one, value in zip(plain, (first, second), strict=True)]
    rows = ranked(*of, organic=weight).ranked
    values = [row.quotation.attributes["organic"] for row in rows]
    assert values == sorted(values, reverse=weight < 0)


def test_ties_and_what_is_missing() -> None:
    """NEG-5, NEG-29: equal scores by the quotation's hash, whoever came first; without an attribute none is ranked."""
    twins = [offer(number, ((1, 100),), 100).quotation for number in range(5)]
    rows = ranked(*twins).ranked
    assert [row.hash for row in rows] == sorted(row.hash for row in rows)
    assert ranked(*twins[::-1]).ranked == rows
    assert [row.code for row in ranked(replace(PLAIN, attributes={})).refused] == ["NEG-5"]
    assert [row.code for row in ranked(replace(PLAIN, attributes={"organic": 0, "other": 1})).refused] == ["NEG-5"]


def test_in_words() -> None:
    """NEG-28: what each attribute counts, and why the second stands behind the first, for and against."""
    green = offer(1, ((1, 103),), 100, organic=1).quotation
    first, second = ranked(PLAIN, green).explain(TEMPLATE)
    assert "GBP 1.03 per unit" in first
    assert "organic 1 counts GBP 24.00 for it" in first
    assert "beside the first" not in first
    assert "GBP 1.00 per unit" in second
    assert second.endswith("beside the first: GBP 2.00 a month worse for organic, but GBP 1.20 a month cheaper")
    twins = ranked(PLAIN, offer(1, ((1, 100),), 100).quotation).explain(TEMPLATE)
    assert twins[1].endswith("as good as the first; a lot put it behind")
    scarce = ranked(PLAIN, offer(1, ((1, 90),), 20).quotation).explain(TEMPLATE)
    assert "GBP 40.00 a month more left unserved, but GBP 22.00 a month cheaper" in scarce[1]
