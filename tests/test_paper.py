"""Paper in every format: from a proven deal only, the same bytes each time, nothing that runs (17-paper)."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import paper
from node.cli import wltm
from node.cli.shell import OK, USAGE, WRONG, run
from node.paper.facts import decimal, dues, value
from node.paper.tables import MONEY, PICK, packed, safe
from protocol.errors import Reject
from tests.deals import Handmade
from tests.papers import DEALS, FORMULA, bundle, facts, papers
from tests.test_bundle import forged, is_about_signatures, lots

EVERY = [(name, form) for name in DEALS for form in paper.FORMATS]


def rows(name: str, file: str) -> list[dict[str, str]]:
    text = papers(name, "csv")[file].decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("form", paper.FORMATS)
def test_a_bundle_that_does_not_hold_gives_no_paper(form: str) -> None:
    """PAP-1: a lie, a cut and a missing signature, each by its clause; the control is every other test here."""
    of = DEALS["plain"]()
    cases = {
        "NEG-50": forged(Handmade({"award": lots}, members=4, witnesses=4)),
        "ENC-8": bundle("plain")[:-1],
        "BUN-11": forged(of, [one for one in of.records if not is_about_signatures(one)]),
    }
    for clause, raw in cases.items():
        with pytest.raises(Reject) as error:
            paper.export(raw, form)
        assert error.value.code == clause


@pytest.mark.parametrize(("name", "form"), EVERY)
def test_the_same_bundle_is_the_same_bytes(name: str, form: str) -> None:
    """PAP-1: nothing of the machine, its clock or chance gets in."""
    assert dict(papers(name, form)) == paper.export(bundle(name), form)


def test_in_another_process_and_place_too(tmp_path: Path) -> None:
    """PAP-1, PAP-3: another order of hashing, another time zone."""
    path = tmp_path / "deal.bundle"
    path.write_bytes(bundle("went on"))
    code = "import sys,hashlib\nfrom node import paper\nfor form in paper.FORMATS:\n"
    code += " for one in paper.export(open(sys.argv[1],'rb').read(), form).values():\n"
    code += "  print(hashlib.sha256(one).hexdigest())"
    said = {
        subprocess.run(
            [sys.executable, "-c", code, str(path)],
            env={"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed, zone in (("1", "Asia/Tokyo"), ("2", "America/Lima"))
    }  # fmt: skip
    assert len(said) == 1


# Money and packs.


@pytest.mark.parametrize("name", DEALS)
def test_sums_match(name: str) -> None:
    """PAP-4, PAP-9: what a member's rows come to is what the agreement says the member owes, to the minor unit."""
    found, owed = facts(name), dict[tuple[str, str], int]()
    for row in rows(name, "money.csv"):
        each, total = (round(float(row[one]) * 100) for one in ("each", "total"))
        assert each * int(row["times"]) == total
        owed[row["debtor"], row["creditor"]] = owed.get((row["debtor"], row["creditor"]), 0) + total
    for sale in found.sales:
        for line in sale.lines:
            key, back = (line.member.hex(), line.supplier.hex()), (line.supplier.hex(), line.member.hex())
            assert owed.get(key, 0) - owed.get(back, 0) == line.price_minor
            assert sum(one.total_minor for one in dues(found, sale, line)) == line.price_minor
    fee = found.proof.deal.mandate.fee_minor
    assert fee == sum(minor for (who, _), minor in owed.items() if who.startswith("co-op "))


@pytest.mark.parametrize("name", DEALS)
def test_the_pick_list_is_the_order(name: str) -> None:
    """PAP-6, PAP-8: each member's units, and no more packs than were ordered."""
    given: dict[tuple[str, str], int] = {}
    for row in rows(name, "pick-list.csv"):
        key = row["agreement"], row["member"]
        given[key] = given.get(key, 0) + int(row["units"])
    agreed = {
        (sale.agreement.hash.hex(), member.hex()): units
        for sale in facts(name).sales
        for member, units in sale.agreement.allocation.shares
    }
    assert given == agreed


@given(st.integers(1, 30), st.lists(st.integers(1, 99), min_size=1, max_size=12))
def test_packs_are_filled(pack: int, units: list[int]) -> None:
    """PAP-8: own packs whole, shared ones full but the last, nobody short."""
    (sale,) = facts("plain").sales
    shares = tuple((bytes([at]) * 32, one) for at, one in enumerate(units))
    agreed = replace(sale.agreement, part=replace(sale.agreement.part, pack=pack))
    agreed = replace(agreed, allocation=replace(agreed.allocation, shares=shares))
    found = packed(replace(sale, agreement=agreed))
    assert {member: sum(count for _, _, count in rows) for member, rows in found.items()} == dict(shares)
    shared: dict[str, int] = {}
    for where, whole, count in (row for rows in found.values() for row in rows):
        if whole:
            assert count == whole * pack
        else:
            shared[where] = shared.get(where, 0) + count
    assert all(count == pack for count in list(shared.values())[:-1])
    assert list(shared) == [f"shared pack {number + 1}" for number in range(len(shared))]


def test_a_charge_a_fee_and_an_end() -> None:
    """PAP-4: one-off beside recurring; a cancelled share is owed until it ends."""
    kinds = {row["what"]: row for row in rows("hostile", "money.csv")}
    assert (kinds["delivery"]["kind"], kinds["delivery"]["total"]) == ("one-off", "5.00")
    assert (kinds["goods"]["kind"], kinds["goods"]["times"]) == ("recurring", "12")
    cat = DEALS["went on"]().members[2].key.hex()
    (row,) = (row for row in rows("went on", "money.csv") if row["debtor"] == cat)
    assert row["times"] == "1"
    assert any(row["what"] == "goods: leaf 2" for row in rows("went on", "money.csv"))


def test_the_files_are_csv() -> None:
    """PAP-3, PAP-6, PAP-9: UTF-8, CRLF, the columns in their order, decimals with a point and no grouping."""
    for name, columns in (("money.csv", MONEY), ("pick-list.csv", PICK)):
        raw = papers("hostile", "csv")[name]
        assert raw.decode().splitlines()[0] == ",".join(columns)
        assert raw.count(b"\r\n") == raw.count(b"\n") == len(rows("hostile", name)) + 1
    assert all(re.fullmatch(r"\d+\.\d\d", row["total"]) for row in rows("hostile", "money.csv"))


@given(st.text(max_size=12))
def test_no_cell_is_a_formula(text: str) -> None:
    """PAP-7: whatever a supplier calls itself."""
    cell = safe(text)
    assert cell.isprintable()
    assert not re.match(r"\s*[=+@|%]", cell)
    assert not cell.lstrip().startswith("-") or re.fullmatch(r"-\d+(\.\d+)?", cell)


def test_a_hostile_trader_is_text() -> None:
    """PAP-7, PAP-11: the same name in a table and on the page."""
    (row, *_) = rows("hostile", "pick-list.csv")
    assert row["trader"] == "'" + FORMULA
    assert row["article"] == "'@SUM(A1)"
    assert safe("-12.50") == "-12.50"


# The page.


class Reader(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", DEALS)
def test_the_page_is_alone_and_still(name: str) -> None:
    """PAP-10, PAP-11: no script, no request, no link, no style of others."""
    page = papers(name, "html")["deal.html"]
    found = Reader(page)
    assert not {"script", "link", "img", "iframe", "a", "form", "object", "base"} & set(found.tags)
    names = {one for one, _ in found.attributes}
    assert not {one for one in names if one in ("src", "href", "style", "action", "srcset") or one.startswith("on")}
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes
    assert b"url(" not in page
    assert b"@import" not in page
    assert b"@media print" in page
    assert all(one.isprintable() or one == "\n" for one in page.decode())


def test_the_page_says_what_was_decided() -> None:
    """PAP-2, PAP-12: who, what, price, terms, the way there, what was verified, names in full."""
    said = Reader(papers("plain", "html")["deal.html"]).text
    found = facts("plain")
    deal = found.proof.deal
    assert deal.award is not None
    for one in (found.proof.coop.hash, found.proof.coop.roster, deal.rfq.id, deal.award.hash, deal.agreements[0].hash):
        assert one.hex() in said
    for heading in "Charter Roster Election Request Quotations Award Commitments".split():
        assert heading in said
    assert "GBP 9.00 for 1 kg" in said
    assert all(step.sentence in said for step in found.steps)
    assert "declined: found-better" in said
    assert "(NEG-23)" in Reader(papers("in parts", "html")["deal.html"]).text
    assert "cancelled for" in Reader(papers("went on", "html")["deal.html"]).text


def test_who_did_not_sign_owes_nothing() -> None:
    """PAP-2: an agreement without its supplier's signature is told of, and is in no list, no order, no sum."""

    class Half(type(DEALS["in parts"]())):  # type: ignore[misc]
        def say(self, who, kind, scope, body, slot=""):  # type: ignore[no-untyped-def]
            if kind == "countersign.1" and who is self.suppliers[0]:
                return None
            return super().say(who, kind, scope, body, slot)

    good = DEALS["in parts"]()
    made = Half(good.twists, members=5, witnesses=4, suppliers=3, windows={"answer_ms": 60_000})
    raw = forged(made)
    silent = made.suppliers[0].key
    assert [one.supplier for one in made.deal().agreements if one.signed] == [made.suppliers[1].key]
    assert f"{silent.hex()[:8]} did not sign" in paper.export(raw, "html")["deal.html"].decode()
    tables = paper.export(raw, "csv")
    assert all(silent.hex().encode() not in one for one in tables.values())
    assert f"order-{silent.hex()[:16]}.xml" not in paper.export(raw, "ubl")


def test_scaled_values() -> None:
    """PAP-3"""
    assert [value(75, 10), value(70, 10), value(-5, 100), value(3, 1)] == ["7.5", "7", "-0.05", "3"]
    amounts = [(5, "GBP"), (-123_456, "EUR"), (5, "JPY"), (-5, "KWD")]
    assert [decimal(*one) for one in amounts] == ["0.05", "-1234.56", "5", "-0.005"]


# The command.


def test_the_command(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """CLI-75: to a folder, to one file, to standard output; never over another file; exit 1 for what does not hold."""
    deal, bad = tmp_path / "deal.bundle", tmp_path / "bad.bundle"
    deal.write_bytes(bundle("plain"))
    bad.write_bytes(bundle("plain")[:-1])
    out = tmp_path / "out"
    for form in paper.FORMATS:
        for _ in range(2):  # again is the same
            assert run(wltm, ["export", str(deal), "--format", form, "--out", str(out)]) == OK
        for name, content in papers("plain", form).items():
            assert (out / name).read_bytes() == content
    (out / "money.csv").write_bytes(b"mine")
    assert run(wltm, ["export", str(deal), "--format", "csv", "--out", str(out)]) == USAGE
    assert (out / "money.csv").read_bytes() == b"mine"
    assert run(wltm, ["export", str(deal), "--format", "html", "--out", str(tmp_path / "page.html")]) == OK
    assert (tmp_path / "page.html").read_bytes() == papers("plain", "html")["deal.html"]
    capfdbinary.readouterr()
    assert run(wltm, ["export", str(deal), "--format", "csv", "--only", "money.csv", "--bom", "--out", "-"]) == OK
    assert capfdbinary.readouterr().out == b"\xef\xbb\xbf" + papers("plain", "csv")["money.csv"]
    assert run(wltm, ["export", str(deal), "--format", "csv", "--out", "-"]) == USAGE
    assert run(wltm, ["export", str(deal), "--format", "csv", "--only", "x", "--out", "-"]) == USAGE
    assert run(wltm, ["export", str(tmp_path / "none"), "--format", "csv"]) == USAGE
    capfdbinary.readouterr()
    assert run(wltm, ["export", str(bad), "--format", "csv", "--out", str(out), "-v"]) == WRONG
    said = capfdbinary.readouterr().err.decode()
    assert "[ENC-8]" in said
    assert "Traceback" not in said
