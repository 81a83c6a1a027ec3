"""Price lists as businesses write them, and the rule that quotes from one."""

from __future__ import annotations

import csv
import io
import time
import tracemalloc
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import prices
from node.prices import Complaint, PriceList, Reading, by_sku, changes, complaints_csv, read
from node.template import load as template
from protocol.deal.negotiation import Request, Requirement, parse
from protocol.deal.offer import Offer, Seller, quote
from protocol.encoding import digest
from protocol.errors import CommandError

FOOD = template("bulk-food")
HEAD = "sku;category;min_qty;unit_price;capacity;pack;organic;distance_km;packaging_returned;days_to_delivery"
OATS = "oats;bulk-food;25;1,80;1000;25;1;12;0;3"
MORE = "oats ;bulk-food;100;1,65;1000;25;1;12;0;3\r\nlamp;lighting;1;9;1;x;;;;\r\n"
LIST = f"{HEAD}\r\n{OATS} \r\n\r\n;;;;;;;;;\r\n{MORE}"
BOTH = ((25, 180), (100, 165))
SELLER = Seller(
    supplier=digest("test", b"supplier"),
    trader={"name": "Mill", "contact": "mill@example.net", "country": "GB", "register": ""},
    terms=("p2b1",),
)
REQUEST = Request(FOOD, {}, (), ("p2b1",), 5_000)


def listed(text: str | bytes, **reading: object) -> PriceList:
    data = text if isinstance(text, bytes) else text.encode()
    return read(data, FOOD, Reading(**reading))  # type: ignore[arg-type]


def offers(text: str | bytes, **reading: object) -> tuple[Offer, ...]:
    found = listed(text, **reading)
    assert found.complaints == (), found.complaints
    return found.offers


def refused(text: str | bytes, **reading: object) -> CommandError:
    with pytest.raises(CommandError) as error:
        listed(text, **reading)
    return error.value


def complaint(text: str, **reading: object) -> Complaint:
    found = listed(text, **reading)
    assert found.wrong == len(found.complaints) == 1, found.complaints
    return found.complaints[0]


@pytest.mark.parametrize(
    "data",
    [
        LIST.encode("utf-8"),
        LIST.encode("utf-8-sig"),
        LIST.encode("utf-16"),
        b"\xfe\xff" + LIST.encode("utf-16-be"),
        LIST.encode("utf-16-le"),
        LIST.encode("utf-16-be"),
        LIST.replace("\r\n", "\n").encode(),
        LIST.replace("\r\n", "\r").encode(),
        ("sep=;\r\n" + LIST).encode(),
        ("\r\n;;;\r\n" + LIST).encode(),
        LIST.replace(";", "\t").encode(),
        LIST.replace(";", "|").encode(),
        LIST.replace("1,80", '"1,80"').replace("1,65", '"1,65"').replace(";", ",").encode(),
        LIST.replace("\r\n", ";\r\n").encode(),
        LIST.replace("sku", "Art. Nr.").replace("min_qty", "Staffel ab").replace("Staffel ab", "AB MENGE").encode(),
        LIST.replace("unit_price", "Prix unitaire").replace("pack;", "VE;", 1).encode(),
        LIST.replace("1,80", "£ 1,80").replace("1,65", "1,65 GBP").encode(),
    ],
    ids=lambda data: str(data[:24]),
)
def test_a_list_as_a_spreadsheet_writes_it(data: bytes) -> None:
    """SUP-1, SUP-2: encodings, separators, line ends, blank rows and columns, headings of other languages."""
    (oats,) = offers(data)
    assert (oats.sku, oats.ladder, oats.capacity, oats.pack, oats.attributes) == ("oats", BOTH, 1000, 25, (1, 12, 0, 3))


def test_headings_as_people_make_them() -> None:
    """SUP-2: below a title, in two lines, with the currency or a unit; what stands above them is said."""
    title = 'Price list;2026;;;;;;;;\n;;;;;;;;;\nValid from;"1. May\nuntil further notice";;;;;;;;\n'
    found = listed(title + LIST)
    assert [one.ladder for one in found.offers] == [BOTH]
    assert any("The headings stand in line 5" in note for note in found.notes)
    assert found.offers[0].line == 6
    assert offers(LIST.replace("unit_price", '"Unit\nprice"'))[0].line == 3
    for heading in ("Price (£)", "Unit price GBP", "PREIS (GBP)", "Preis in GBP", "Preis brutto"):
        assert offers(LIST.replace("unit_price", heading))[0].ladder == BOTH
    units = LIST.replace("distance_km", "Distance (km)").replace(";12;0;3", ";12 km;0;3 days")
    assert offers(units)[0].attributes == (1, 12, 0, 3)
    assert "has 'mi' beside" in listed(units.replace("km;0", "mi;0")).complaints[0].message


def test_windows_1252_is_said() -> None:
    """SUP-1: not UTF-8, and the person is told how it was read; told otherwise, it is read otherwise."""
    text = LIST.replace("oats", "Müsli")
    found = listed(text.encode("cp1252"))
    assert found.offers[0].sku == "Müsli"
    assert "Windows-1252" in found.notes[0]
    assert listed(text.encode()).notes == ("The decimal sign is a comma (line 2: 1,80).",)
    assert refused(text.encode("cp1252"), encoding="utf-8").code == "SUP-1"
    assert listed(text.encode(), encoding="windows-1252").offers[0].sku == "MÃ¼sli"
    assert refused(LIST, encoding="latin-9").code == "SUP-1"
    for data in (b"PK\x03\x04" + bytes(50), b"\x81\x8d" * 50, b"\xff\xfe" + b"a" * 51):
        assert refused(data).code in ("SUP-1", "SUP-2")


def test_columns_that_the_supplier_names() -> None:
    """SUP-2: a mapping for headings, one value for columns that are not there, and what is not read is said."""
    text = LIST.replace("unit_price", "VK 2").replace("organic", "Remark").replace("distance_km;", "")
    text = text.replace(";12;0", ";0").replace(";1;0;3", ";-;0;3")
    named = {"columns": {"unit_price": "vk  2"}, "constants": {"organic": "yes", "distance_km": "12"}}
    found = listed(text, **named)
    assert found.complaints == ()
    assert found.offers[0].ladder == BOTH
    assert found.offers[0].attributes == (1, 12, 0, 3)
    assert "Columns that are not read: Remark." in found.notes
    bare = refused(text, constants=named["constants"])
    assert "no column unit_price (prices in this category are gross)" in bare.message
    assert "known: " in refused(LIST, columns={"colour": "x"}).message
    assert "'Farbe'" in refused(LIST, columns={"pack": "Farbe"}).message
    assert refused(LIST, constants={"colour": "red"}).code == "SUP-2"
    assert "two columns mean sku" in refused(LIST.replace("category", "Artikelnummer")).message
    assert "no column unit_price" in refused(LIST.replace("unit_price", "Preis netto")).message  # prices are gross
    assert refused("").code == refused("\n" * 200).code == "SUP-2"
    assert "no row in category" in refused(HEAD).message
    assert "more than 200 columns" in refused(HEAD + ";x" * 200 + "\n").message


@pytest.mark.parametrize(
    ("cell", "minor"),
    [
        ("1,80", 180), ("1.80", 180), ("1.8", 180), (" 2 ", 200), ("1.234,50", 123_450), ("1,234.50", 123_450),
        ("1 234,5", 123_450), ("1'234.50", 123_450), (".5", 50), ("+3", 300), ("1,234,567", 123_456_700),
        ("1\u202f234,50", 123_450), ("1\u2019234.50", 123_450), ("£5.00", 500), ("5.00 GBP", 500), ("5,-", 500),
        ("0.125", "has more decimals than count here"), ("1.234", "can be read in two ways"),
        ("12 34,5", "its thousands are not in groups of three"), ("1,23,456", "not in groups"),
        ("1.234,567.89", "is not a number"), ("€ 5", "has '€' beside the number; expected gbp or £"),
        ("5 USD", "has 'USD' beside the number"), ("-1", "must be from 0.01"), ("0", "must be from 0.01"),
        ("1e9", "is rounded by a spreadsheet"), ("1,5E+05", "is rounded by a spreadsheet"), ("nan", "is not a number"),
        ("ask", "is not a number"), ("", "is empty"), ("1" * 40, "is not a number"), ("=2+3", "is not a number"),
        ("#REF!", "is not a number"), ("ca. 5", "has 'ca.' beside"), ("١٢", "is not a number"),
        ("1.80.", "has '.' beside"), ("--5", "is not a number"),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(cell: str, minor: int | str) -> None:
    """SUP-3: and nothing is guessed."""
    text = f'{HEAD}\noats;bulk-food;1;"{cell}";1000;25;1;12;0;3\n'
    if isinstance(minor, int):
        (offer,) = offers(text)
        assert offer.ladder == ((1, minor),)
        return
    found = complaint(text)
    assert (found.line, found.column, found.value) == (2, "unit_price", cell[:60])
    assert found.clause in ("SUP-3", "SUP-4")
    assert minor in found.message


def test_the_decimal_sign_is_the_files() -> None:
    """SUP-3: one unmistakable cell decides for all; without one, or with both, what is ambiguous is an error."""
    thousands = f"{HEAD}\n{OATS.replace('1000', '1.250')}"
    assert offers(thousands)[0].capacity == 1250
    assert "is not a whole number" in complaint(thousands.replace("1,80", "1.80").replace("1.250", "1.25")).message
    doubtful = thousands.replace("1,80", "1.80").replace("1.250", "25.000")  # some programs write 25 so, some 25000
    assert "can be read in two ways" in complaint(doubtful).message
    assert offers(doubtful, decimal="point")[0].capacity == 25
    unsure = complaint(thousands.replace("1,80", "2"))
    assert (unsure.line, unsure.column, unsure.value) == (2, "capacity", "1.250")
    assert offers(thousands.replace("1,80", "2"), decimal="comma")[0].capacity == 1250
    assert "whole" in complaint(thousands.replace("1,80", "2").replace("1.250", "1.255"), decimal="point").message
    mixed = f"{thousands}\n{OATS.replace('oats', 'rye').replace('1,80', '1.80')}"
    assert complaint(mixed).value == "1.250"
    assert any("Both decimal signs" in note for note in listed(mixed).notes)
    assert offers(mixed.replace("1.250", "1250"))[1].ladder == ((25, 180),)
    assert refused(LIST, decimal="dot").code == "SUP-3"


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        (f"{HEAD}\n{OATS};7", 2, "", "has 11 cells where 10 are named"),
        (f"{HEAD}\n{OATS}\n{OATS[:20]}", 3, "", "has 4 cells where 10 are named"),
        (f"{HEAD}\n{OATS.replace(';12;', ';30000;')}", 2, "distance_km", "must be from 0 to 20000"),
        (f"{HEAD}\n{OATS.replace(';12;', ';;')}", 2, "distance_km", "is empty"),
        (f"{HEAD}\n{OATS.replace(';1;12', ';maybe;12')}", 2, "organic", "is not a number"),
        (f"{HEAD}\n{OATS.replace('oats', 'o' * 65)}", 2, "sku", "must be 1 to 64 bytes"),
        (f"{HEAD}\n{OATS.replace('oats', '')}", 2, "sku", "must be 1 to 64 bytes"),
        (f"{HEAD}\n{OATS.replace('oats', '4,01234E+12')}", 2, "sku", "rounded by a spreadsheet"),
        (f"{HEAD}\n{OATS}\n{OATS.replace('1,80', '1,70')}", 3, "min_qty", "'oats' has two prices from 25 on"),
        (f"{HEAD}\n{OATS}\n{OATS.replace(';25;1,80', ';26;1,81')}", 2, "unit_price", "'oats' costs more per unit"),
        (f"{HEAD}\n{OATS}\n{OATS.replace(';12;', ';13;')}", 3, "sku", "stands in line 2 with other values"),
        (f'{HEAD}\n{OATS}\n"' + "x" * 200_000, 3, "", "is not CSV from here"),
        (f'{HEAD}\n{OATS}\n"oats;{OATS}\n{OATS}', 3, "", "is not CSV from here"),
        (f'{HEAD}\n"rye"x;{OATS}', 2, "", "is not CSV from here"),
        (f"{HEAD}\n{OATS.replace('1000', '24')}", 2, "capacity", "below the first minimum quantity"),
        (f"{HEAD}\n{OATS.replace(';25;1;', ';26;1;')}", 2, "pack", "must be from 1 to 25"),
    ],
)
def test_every_complaint_names_its_line_and_column(text: str, line: int, column: str, says: str) -> None:
    """SUP-4"""
    found = complaint(text)
    assert (found.line, found.column) == (line, column)
    assert says in found.message


def test_all_that_is_wrong_is_told_at_once() -> None:
    """SUP-4, SUP-6: several cells of a row, several rows; an article with one bad row is not taken at all."""
    text = "\n".join([
        HEAD, OATS, OATS.replace(";25;1,80", ";100;x"),
        OATS.replace("oats", "rye").replace("1,80", "?").replace("1000", "-"),
        f'"a\nb";{OATS.partition(";")[2]}', OATS.replace("oats", "corn"), OATS.replace("oats", "corn"),
    ])  # fmt: skip
    found = listed(text)
    lines = [(one.line, one.column) for one in found.complaints]
    assert lines == [(3, "unit_price"), (4, "unit_price"), (4, "capacity"), (5, "sku")]
    assert [one.sku for one in found.offers] == ["corn"]
    assert found.spoilt == {"oats", "rye"}
    assert not found.whole  # the row with a broken name may have been any article
    assert "1 rows say again what another row says; they count once." in found.notes
    assert found.offers[0].line == 7  # the quoted line break counts


def test_a_row_after_a_broken_one_is_read() -> None:
    """SUP-2: a stray quote spoils its own row only."""
    found = listed(f'{HEAD}\n"rye"x;1\n{OATS}')
    assert [one.sku for one in found.offers] == ["oats"]
    assert found.wrong == 1


def test_what_is_kept_for_the_supplier_alone() -> None:
    """SUP-4: floor, cost and stock are columns that may be missing or empty."""
    text = "\n".join([f"{HEAD};floor;EK;Bestand", f"{OATS};1,50;1,20;9000", f"{OATS.replace('oats', 'rye')};;;"])
    first, second = offers(text)
    assert (first.floor_minor, first.cost_minor, first.stock) == (150, 120, 9000)
    assert (second.floor_minor, second.cost_minor, second.stock) == (0, 0, -1)


def test_the_same_file_again_changes_nothing() -> None:
    """SUP-7: by article; `whole` takes away what is not there, an article that a complaint touches stays as it was."""
    first = listed("\n".join([HEAD, OATS, OATS.replace("oats", "rye"), OATS.replace("oats", "corn")]))
    before = by_sku(first.offers)
    again = changes(before, first, whole=True)
    assert (again.new, again.changed, again.same, again.gone) == ((), (), 3, ())
    rye, spelt = OATS.replace("oats", "rye").replace("1,80", "1,90"), OATS.replace("oats", "spelt")
    moved = listed("\n".join([HEAD, "", rye, OATS, spelt]))
    found = changes(before, moved, whole=True)
    assert [one.sku for one in found.new] == ["spelt"]
    assert [one.sku for one in found.changed] == ["rye"]
    assert (found.same, found.gone) == (1, ("corn",))
    assert changes(before, moved, whole=False).gone == ()
    broken = listed("\n".join([HEAD, OATS, OATS.replace("oats", "rye").replace("1,80", "x")]))
    assert changes(before, broken, whole=True).gone == ("corn",)
    nameless = listed("\n".join([HEAD, OATS, OATS.replace("oats", "")]))
    assert changes(before, nameless, whole=True).gone == ()


def test_the_file_of_complaints_runs_nothing() -> None:
    """SUP-8: a cell that a spreadsheet would take for a formula is text there."""
    evil = ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", "\tx", 'a"b,c', "plain"]
    written = complaints_csv([Complaint(2, "unit_price", value, value, "SUP-3") for value in evil])
    rows = list(csv.reader(io.StringIO(written, newline="")))
    assert rows[0] == ["row", "column", "value", "problem", "clause"]
    for row, value in zip(rows[1:], evil, strict=True):
        assert row[2] == (value if value[0] in "ap" else "'" + value)
        assert row[0] == "2"


def test_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-5: bytes, rows, articles, rungs and complaints are bounded; smaller bounds here, for a quick test."""
    monkeypatch.setattr(prices, "ROWS_MAX", 50)
    monkeypatch.setattr(prices, "OFFERS_MAX", 20)
    monkeypatch.setattr(prices, "COMPLAINTS_MAX", 30)
    monkeypatch.setattr(prices, "FILE_BYTES_MAX", 9_000)
    many = [OATS.replace("oats", str(number)) for number in range(60)]
    assert "more than 20 articles" in refused("\n".join([HEAD, *many[:21]])).message
    assert "more than 50 rows" in refused("\n".join([HEAD, *([OATS] * 60)])).message
    assert "more than 9000 bytes" in refused(HEAD + "\n" * 9_000).message
    broken = listed("\n".join([HEAD, *(row.replace("1,80", "x") for row in many[:45])]))
    assert (broken.wrong, len(broken.complaints)) == (45, 30)
    rungs = [OATS.replace(";25;1,80", f";{25 + n};1,80") for n in range(17)]
    assert "more than 16 rows" in complaint("\n".join([HEAD, *rungs])).message


def test_a_hundred_thousand_rows() -> None:
    """SUP-5: within seconds and in memory that a small machine has."""
    rows = (f"a{n};bulk-food;25;{1 + n % 7},{n % 100:02d};1.000;25;1;{n % 900};0;3 \r\n" for n in range(100_000))
    data = ("\ufeff" + HEAD + "\r\n" + "".join(rows)).encode()
    began = time.process_time()
    found = read(data, FOOD)
    assert time.process_time() - began < 15
    assert (len(found.offers), found.wrong) == (100_000, 0)
    assert (len(changes(by_sku(found.offers), found, True).new), found.offers[-1].line) == (0, 100_001)
    del found
    tracemalloc.start()
    wrong = read(data[: len(data) // 10].replace(b"1.000", b"lots"), FOOD)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert wrong.wrong >= 9_000
    assert peak < 40 << 20


@given(st.text(max_size=200), st.booleans())
def test_any_text_is_a_list_or_a_complaint(noise: str, headed: bool) -> None:
    """SUP-2 to SUP-4: nothing but CommandError and complaints, each with its line."""
    with suppress(CommandError):
        found = listed(f"{HEAD}\n{OATS}\n{noise}" if headed else noise.encode("utf-8", "surrogatepass"))
        assert all(one.line > 1 and one.message for one in found.complaints)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_list_or_a_complaint(noise: bytes) -> None:
    """SUP-1"""
    with suppress(CommandError):
        listed(noise)


@given(
    st.integers(1, 10**9),
    st.sampled_from([",", "."]),
    st.sampled_from(["", " ", "'", "\u00a0", "group"]),
    st.booleans(),
)
def test_a_written_amount_is_read_again(minor: int, decimal: str, group: str, other: bool) -> None:
    """SUP-3: whatever the habit, in a file whose decimal sign is told; and never another amount where it is not."""
    mark = {"group": "." if decimal == "," else ","}.get(group, group)
    whole = f"{minor // 100:,}".replace(",", mark)
    text = f'{HEAD}\noats;bulk-food;1;"{whole}{decimal}{minor % 100:02d}";1000;25;1;12;0;3'
    assert offers(text, decimal="comma" if decimal == "," else "point")[0].ladder == ((1, minor),)
    found = listed(text, decimal="" if other else "comma")
    assert found.wrong or found.offers[0].ladder == ((1, minor),)


def test_the_rule_quotes_the_best_article() -> None:
    """NEG-35: what meets the requirements, serves most, scores least."""
    rows = [OATS, OATS.replace("oats", "near").replace(";12;", ";2;")]
    rows.append(OATS.replace("oats", "few").replace("1000", "30"))
    cheap = OATS.replace("oats", "plain").replace("1,80", "1,70").replace(";25;1;12", ";25;0;12")
    articles = offers("\n".join([HEAD, *rows, cheap, OATS.replace("oats", "bulk").replace(";25;1,80", ";500;1,00")]))
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
