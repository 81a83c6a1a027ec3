"""Price lists as businesses write them, and the rule that quotes from one."""

import io
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import prices
from node.prices import load, offers
from node.template import load as template
from protocol.deal.negotiation import Request, Requirement, parse
from protocol.deal.offer import Offer, Seller, quote
from protocol.encoding import digest
from protocol.errors import CommandError

FOOD = template("bulk-food")
HEAD = "sku;category;min_qty;unit_price;capacity;pack;organic;distance_km;packaging_returned;days_to_delivery"
OATS = "oats;bulk-food;25;1,80;1.000;25;1;12;0;3"
LIST = f"\ufeff{HEAD}\r\n{OATS}\r\n\r\noats;bulk-food;100;1,65;1000;25;1;12;0;3\r\nlamp;lighting;1;9;1;x;;;;\r\n"
SELLER = Seller(
    supplier=digest("test", b"supplier"),
    trader={"name": "Mill", "contact": "mill@example.net", "country": "GB", "register": ""},
    terms=("p2b1",),
)
REQUEST = Request(FOOD, {}, (), ("p2b1",), 5_000)


def read(text: str) -> tuple[Offer, ...]:
    return offers(io.StringIO(text, newline=""), FOOD)


def complaint(text: str) -> str:
    with pytest.raises(CommandError) as error:
        read(text)
    assert error.value.code == "NEG-34"
    return error.value.message


def test_a_list_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    """NEG-34: byte order mark, semicolons, decimal commas, blank rows, other categories."""
    path = tmp_path / "prices.csv"
    path.write_bytes(LIST.encode("utf-8"))
    assert load(path, FOOD) == (Offer("oats", 2, ((25, 180), (100, 165)), 1000, 25, (1, 12, 0, 3)),)


@pytest.mark.parametrize(
    ("cell", "minor"),
    [
        ("1,80", 180), ("1.80", 180), ("1.8", 180), (" 2 ", 200), ("1.234,50", 123_450), ("1,234.50", 123_450),
        ("1 234,5", 123_450), ("1'234.50", 123_450), (".5", 50), ("+3", 300), ("1,234,567", 123_456_700),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(cell: str, minor: int) -> None:
    """NEG-34."""
    (offer,) = read(f'{HEAD}\noats;bulk-food;1;"{cell}";1000;25;1;12;0;3\n')
    assert offer.ladder == ((1, minor),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1, sku: the column is missing"),
        (HEAD.replace("capacity;", ""), "line 1, capacity: the column is missing"),
        (HEAD + ";sku", "line 1, sku: two columns have this name"),
        (HEAD, "no row in category 'bulk-food'"),
        (f"{HEAD}\n{OATS};7", "line 2, days_to_delivery: 11 cells where 10 are named"),
        (f"{HEAD}\n{OATS}\n{OATS[:20]}", "line 3, capacity: 4 cells where 10 are named"),
        (f"{HEAD}\n{OATS.replace('1,80', 'ask')}", "line 2, unit_price: 'ask' is not a number"),
        (f"{HEAD}\n{OATS.replace('1,80', 'nan')}", "line 2, unit_price: 'nan' is not a number"),
        (f"{HEAD}\n{OATS.replace('1,80', '1e9')}", "line 2, unit_price: '1e9' is not a number"),
        (f"{HEAD}\n{OATS.replace('1,80', '1,805')}", "line 2, unit_price: '1,805' has more decimals than count here"),
        (f"{HEAD}\n{OATS.replace('1,80', '-1')}", "line 2, unit_price: must be above 0"),
        (f"{HEAD}\n{OATS.replace('1,80', '')}", "line 2, unit_price: '' is not a number"),
        (f"{HEAD}\n{OATS.replace('1.000', '')}", "line 2, capacity: '' is not a whole number"),
        (f"{HEAD}\n{OATS.replace('1.000', '10.00')}", "line 2, capacity: '10.00' is not a whole number"),
        (f"{HEAD}\n{OATS.replace(';12;', ';30000;')}", "line 2, distance_km: must be from 0 to 20000"),
        (f"{HEAD}\n{OATS.replace('oats', 'o' * 65)}", "line 2, sku: must be 1 to 64 characters"),
        (f"{HEAD}\n{OATS}\n{OATS}", "line 3, min_qty: 'oats' has two prices from 25 on"),
        (f"{HEAD}\n{OATS}\n{OATS.replace(';25;1,80', ';26;1,81')}", "line 3, unit_price: 'oats' costs more per unit"),
        (f"{HEAD}\n{OATS}\n{OATS.replace(';12;', ';13;')}", "line 3, sku: 'oats' stands in line 2 with another"),
        (f'{HEAD}\n{OATS}\n"' + "x" * 200_000, "line 3, sku: is not CSV"),
    ],
)
def test_every_complaint_names_its_line_and_column(text: str, says: str) -> None:
    """NEG-34."""
    assert says in complaint(text)


def test_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """NEG-34: rows, articles and rungs are bounded; smaller bounds here, so that the test is quick."""
    monkeypatch.setattr(prices, "ROWS_MAX", 50)
    monkeypatch.setattr(prices, "OFFERS_MAX", 20)
    assert "more than 50 rows" in complaint(HEAD + "\n" * 60 + OATS)
    assert "more than 20 articles" in complaint(
        "\n".join([HEAD, *(f"{OATS.replace('oats', str(n))}" for n in range(21))])
    )
    many = [OATS.replace(";25;", f";{n};", 1) for n in range(1, 18)]
    assert "'oats' has more than 16 rows" in complaint("\n".join([HEAD, *many]))


def test_files_that_are_none(tmp_path: Path) -> None:
    """NEG-34."""
    with pytest.raises(CommandError, match="cannot be read"):
        load(tmp_path / "none.csv", FOOD)
    (tmp_path / "latin.csv").write_bytes(HEAD.encode() + b"\nM\xfchle")
    with pytest.raises(CommandError, match="is not UTF-8 text"):
        load(tmp_path / "latin.csv", FOOD)


@given(st.text(max_size=200), st.booleans())
def test_any_text_is_a_list_or_a_complaint(noise: str, headed: bool) -> None:
    """NEG-34: nothing but CommandError."""
    with suppress(CommandError):
        read(f"{HEAD}\n{OATS}\n{noise}" if headed else noise)


def test_the_rule_quotes_the_best_article() -> None:
    """NEG-35: what meets the requirements, serves most, scores least."""
    rows = [
        OATS,
        OATS.replace("oats", "near").replace(";12;", ";2;"),
        OATS.replace("oats", "few").replace("1.000", "30"),
    ]
    cheap = OATS.replace("oats", "plain").replace("1,80", "1,70").replace(";25;1;12", ";25;0;12")
    articles = read("\n".join([HEAD, *rows, cheap, OATS.replace("oats", "bulk").replace(";25;1,80", ";500;1,00")]))
    assert quote(articles, REQUEST, 200, SELLER).reference == "plain"
    assert quote(articles, replace(REQUEST, weights_minor={"organic": -20}), 200, SELLER).reference == "near"
    assert quote(articles, replace(REQUEST, weights_minor={"distance_km": 2}), 200, SELLER).reference == "near"
    organic = replace(REQUEST, requirements=(Requirement("organic", "equal", 1),))
    found = quote(articles, organic, 500, SELLER)
    assert found.reference == "bulk"
    assert found.valid_until == REQUEST.valid_until
    assert parse(found.to_mapping(), FOOD) == found
    with pytest.raises(CommandError) as error:
        quote(articles, organic, 24, SELLER)
    assert error.value.code == "NEG-35"
    unknown = replace(REQUEST, requirements=(Requirement("colour", "equal", 1),))
    with pytest.raises(CommandError, match="no article meets"):
        quote(articles, unknown, 500, SELLER)


def test_the_rule_never_quotes_what_would_be_refused() -> None:
    """NEG-35: what the list cannot know, the quotation's own clauses catch, naming the line."""
    pack = read("\n".join([HEAD, OATS.replace("1.000;25", "1.000;26")]))
    with pytest.raises(CommandError, match=r"price list line 2: quotation\.pack") as error:
        quote(pack, REQUEST, 200, SELLER)
    assert error.value.code == "NEG-3"
