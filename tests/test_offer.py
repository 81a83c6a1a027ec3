"""A supplier's standing rule: which article answers, tried against every article, and rows there and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.deal.negotiation import Request, Requirement, parse
from protocol.deal.offer import Offer, Seller, flat, from_flat, quote
from protocol.errors import CommandError
from tests.deals import START_MS, TEMPLATE, persona

SELLER = Seller(persona("s0").key, {"name": "Leaf", "contact": "-", "country": "GB", "register": ""}, ("open", "basic"))


def request(weight: int = 0, *requirements: Requirement) -> Request:
    return Request(TEMPLATE, {"organic": weight}, requirements, ("basic",), START_MS)


def offer(sku: str, price: int, least: int = 1, capacity: int = 100, organic: int = 0) -> Offer:
    return Offer(sku, 2, ((least, price),), capacity, 1, (organic,))


OFFERS = st.lists(
    st.builds(
        offer,
        st.sampled_from("abcdef"),
        st.integers(1, 20),
        st.integers(1, 30),
        st.integers(30, 60),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one.sku,
)


@given(OFFERS, st.integers(1, 60), st.integers(-5, 5), st.booleans())
def test_no_other_article_would_have_been_better(
    articles: list[Offer], quantity: int, weight: int, organic: bool
) -> None:
    """NEG-35: by trying all of them; and silence only when none fits."""
    wanted = request(weight, *([Requirement("organic", "equal", 1)] if organic else []))
    fit = [one for one in articles if one.ladder[0][0] <= quantity and (not organic or one.attributes == (1,))]

    def worth(one: Offer) -> tuple[int, int, str]:
        unserved = max(0, quantity - one.capacity)
        return unserved, (one.ladder[0][1] + weight * one.attributes[0]) * quantity, one.sku

    if not fit:
        with pytest.raises(CommandError) as error:
            quote(articles, wanted, quantity, SELLER)
        assert error.value.code == "NEG-35"
        return
    found = quote(articles, wanted, quantity, SELLER)
    assert found.reference == min(fit, key=worth).sku
    assert parse(found.to_mapping(), TEMPLATE) == found
    assert (found.supplier, found.terms, found.valid_until) == (SELLER.supplier, ("basic", "open"), START_MS)


def test_the_rung_that_the_quantity_reaches_sets_the_price() -> None:
    """NEG-35: two ladders that cross; the quotation holds the whole ladder."""
    steep = Offer("steep", 2, ((1, 20), (10, 5)), 100, 1, (0,))
    even = Offer("even", 3, ((1, 10),), 100, 1, (0,))
    assert quote((steep, even), request(), 9, SELLER).reference == "even"
    assert quote((steep, even), request(), 10, SELLER).reference == "steep"
    assert quote((steep,), request(), 9, SELLER).ladder == ((1, 20), (10, 5))


@given(OFFERS, st.integers(1, 5))
def test_rows_there_and_back(articles: list[Offer], rungs: int) -> None:
    """NEG-34: an article is one row for each rung of its ladder."""
    ladder = tuple((1 + step, 10 - step) for step in range(rungs))
    whole = tuple(Offer(one.sku, one.line, ladder, one.capacity, one.pack, one.attributes) for one in articles)
    rows = [row for one in whole for row in flat(one, TEMPLATE)]
    assert len(rows) == rungs * len(whole)
    assert from_flat(rows, TEMPLATE) == whole


ROW: dict[str, Any] = flat(offer("leaf", 9), TEMPLATE)[0]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "at least one article"),
        ([{}], r"rows\[1\].line: is missing"),
        ([ROW, {name: value for name, value in ROW.items() if name != "attribute.organic"}], r"rows\[2\]\.attribute"),
        ([{name: value for name, value in ROW.items() if name != "sku"}], "sku: is missing"),
        ([ROW | {"sku": ""}], "sku must be a text"),
        ([ROW | {"sku": 7}], "sku must be a text"),
        ([ROW | {"min_qty": "1"}], "everything else an integer"),
        ([ROW | {"unit_price_minor": True}], "everything else an integer"),
        ([ROW | {"attribute.organic": "yes"}], "everything else an integer"),
    ],
)
def test_rows_that_are_no_price_list(rows: list[dict[str, Any]], says: str) -> None:
    """NEG-34: one sentence that names row and field."""
    with pytest.raises(CommandError, match=says) as error:
        from_flat(rows, TEMPLATE)
    assert error.value.code == "NEG-34"


@pytest.mark.parametrize(
    ("article", "clause"),
    [
        (offer("leaf", 0), "NEG-1"),
        (offer("leaf", 9, capacity=0), "NEG-1"),
        (offer("leaf", 9, organic=2), "NEG-5"),
        (Offer("leaf", 7, ((1, 9), (1, 8)), 100, 1, (0,)), "NEG-2"),
        (Offer("leaf", 7, ((1, 9),), 100, 2, (0,)), "NEG-3"),
    ],
)
def test_what_could_not_be_quoted_names_its_line(article: Offer, clause: str) -> None:
    """NEG-35: the clause of the quotation that it breaks."""
    with pytest.raises(CommandError, match=f"price list line {article.line}") as error:
        quote((article,), request(), 5, SELLER)
    assert error.value.code == clause
