"""ValueFlows and UBL against what their authors publish: names, domains, ranges, order, cardinalities (17-paper)."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.paper.facts import decimal
from node.paper.ubl import VERSION, taxed
from node.paper.valueflows import CONTEXT, OM
from protocol.coop.units import UNITS
from tests.papers import DEALS, HOSTILE, facts, papers

TERMS = Path(__file__).resolve().parents[1] / "spec" / "terms"
VF: dict[str, Any] = json.loads((TERMS / "valueflows.json").read_text(encoding="utf-8"))
UBL: dict[str, Any] = json.loads((TERMS / "ubl.json").read_text(encoding="utf-8"))
PATTERNS = {
    "xsd:dateTimeStamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "xsd:boolean": r"true|false",
    "xsd:decimal": r"-?\d+(\.\d+)?",
    "xsd:anyURI": r"https?://\S+",
}
BASE = "urn:oasis:names:specification:ubl:schema:xsd:"
PREFIXES = {f"{BASE}CommonAggregateComponents-2": "cac:", f"{BASE}CommonBasicComponents-2": "cbc:"}


# ValueFlows.


def complaints(document: dict[str, Any]) -> list[str]:
    """What in a document is not as the vocabulary has it."""
    classes = {one["@id"]: one["@type"].removeprefix("vf:") for one in document["@graph"]}
    found = [] if len(classes) == len(document["@graph"]) else ["a name stands there twice"]
    for one in document["@graph"]:
        found += _of_node(one, classes)
    return found


def _of_node(node: dict[str, Any], classes: dict[str, str]) -> list[str]:
    kind, found = node["@type"].removeprefix("vf:"), list[str]()
    if kind not in VF["classes"]:
        return [f"{kind} is no class"]
    for key, one in node.items():
        if key in ("@id", "@type"):
            continue
        known = VF["properties"].get(key.removeprefix("vf:"))
        if known is None or not key.startswith("vf:"):
            found.append(f"{key} is no property")
            continue
        if not {kind, *VF["classes"][kind]} & {*known["domain"]}:
            found.append(f"{key} does not belong to {kind}")
        if isinstance(one, list):
            found.append(f"{key} has several values")
        (reach,) = known["range"]
        found += _of_value(key, one, reach, classes)
    return found


def _of_value(key: str, value: Any, reach: str, classes: dict[str, str]) -> list[str]:
    match value:
        case {"@value": text, "@type": kind}:
            numbers = reach == "dtype:numericUnion" and kind == "xsd:decimal"
            good = (kind == reach or numbers) and re.fullmatch(PATTERNS[kind], text)
            return [] if good else [f"{key}: {text} is no {reach}"]
        case {"@type": kind}:
            good = kind == f"vf:{reach}"
            return [*([] if good else [f"{key}: {kind} is no {reach}"]), *_of_node(value, classes)]
        case {"@id": name}:
            kind = VF["individuals"].get(name.removeprefix("vf:")) or classes.get(name)
            if kind is None:
                return [f"{key}: {name} is nowhere"]
            return [] if reach in (kind, *VF["classes"].get(kind, [])) else [f"{key}: {name} is no {reach}"]
        case str():
            return [] if reach == "xsd:string" else [f"{key}: a text is no {reach}"]
    return [f"{key}: {value!r} is nothing"]


def graph(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(papers(name, "valueflows")["deal.jsonld"])
    return document


@pytest.mark.parametrize("name", DEALS)
def test_every_term_is_the_vocabularys(name: str) -> None:
    """PAP-13, PAP-14: class, property, domain, range; each name used is a node of the document."""
    document = graph(name)
    assert document["@context"] == CONTEXT
    assert CONTEXT["vf"] == VF["namespace"]
    assert complaints(document) == []


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"@type": "vf:Order"}, "no class"),
        ({"vf:price": "1"}, "no property"),
        ({"vf:hasUnit": {"@id": "urn:wltm:unit:KGM"}}, "does not belong"),
        ({"vf:created": {"@value": "2027-01-15", "@type": "xsd:dateTimeStamp"}}, "is no xsd:dateTimeStamp"),
        ({"vf:provider": {"@id": "urn:wltm:unit:KGM"}}, "is no Agent"),
        ({"vf:provider": {"@id": "did:key:nobody"}}, "nowhere"),
    ],
)
def test_the_vocabulary_can_be_missed(wrong: dict[str, Any], word: str) -> None:
    """PAP-14: the control of the test above."""
    document = graph("plain")
    node = next(one for one in document["@graph"] if one["@type"] == "vf:Commitment")
    node.update(wrong)
    assert any(word in one for one in complaints(document))


@pytest.mark.parametrize("name", DEALS)
def test_the_flows_are_the_deal(name: str) -> None:
    """PAP-15, PAP-16: goods and money of each line, and what was delivered, to the unit."""
    found, nodes = facts(name), {one["@id"]: one for one in graph(name)["@graph"]}

    def number(node: dict[str, Any]) -> str:
        return str(node["vf:resourceQuantity"]["vf:hasNumericalValue"]["@value"])

    lines = [(sale, line) for sale in found.sales for line in sale.lines]
    for sale, line in lines:
        about = f"{sale.agreement.hash.hex()}/{line.member.hex()}"
        goods, payment = nodes[f"urn:wltm:goods:{about}"], nodes[f"urn:wltm:payment:{about}"]
        assert number(goods) == str(line.owed)
        assert goods["vf:clauseOf"] == payment["vf:reciprocalClauseOf"]
        assert number(payment) == decimal(line.price_minor, "GBP")
        assert goods["vf:provider"] == payment["vf:receiver"]
        assert (f"urn:wltm:delivered:{about}" in nodes) == bool(line.got)
    kinds = [one["@type"] for one in nodes.values()]
    assert kinds.count("vf:Agreement") == len(found.sales)
    assert kinds.count("vf:Commitment") == 2 * len(lines)


def test_what_was_paid() -> None:
    """PAP-15: by the word of who got it, else of who says to have paid."""
    events = [one for one in graph("went on")["@graph"] if one["@id"].startswith("urn:wltm:paid:")]
    said = {one["vf:note"]: one["vf:resourceQuantity"]["vf:hasNumericalValue"]["@value"] for one in events}
    prices = {line.member: line.unit_price_minor for line in facts("went on").sales[0].lines}
    ann, ben, _ = (one.key for one in DEALS["went on"]().members)
    assert said == {
        "for 17 units, by the supplier's word": decimal(17 * prices[ann], "GBP"),
        "for 36 units, by the member's word": decimal(36 * prices[ben], "GBP"),
    }


def test_units_have_their_name_in_om() -> None:
    """PAP-17: only codes that a template or a price may have."""
    assert set(OM) <= set(UNITS) | {"GBP", "EUR", "USD"}


# UBL.


def prefixed(element: ElementTree.Element) -> str:
    space, _, name = element.tag.rpartition("}")
    return PREFIXES.get(space.lstrip("{"), "") + name


def misfits(element: ElementTree.Element) -> list[str]:
    """What in an element is not as the schema has it: names, order, how many, and the values of basic elements."""
    name = prefixed(element)
    if name.startswith("cbc:"):
        return _of_basic(name, element)
    if name not in UBL["elements"]:
        return [f"{name} is unknown"]
    grammar = re.sub(r"([\w:]+)([?*+]?) ?", r"(?:\1 )\2", UBL["elements"][name])
    said = "".join(prefixed(child) + " " for child in element)
    found = [] if re.fullmatch(grammar, said) else [f"{name}: its children are {said}"]
    return found + [one for child in element for one in misfits(child)]


def _of_basic(name: str, element: ElementTree.Element) -> list[str]:
    kind, text = UBL["types"].get(name), element.text or ""
    if kind is None:
        return [f"{name} is unknown"]
    patterns = {
        "Amount": r"-?\d+(\.\d+)?",
        "Quantity": r"\d+",
        "Date": r"\d{4}-\d\d-\d\d",
        "Time": r"\d\d:\d\d:\d\dZ",
        "Indicator": r"true|false",
        "Percent": r"\d+(\.\d+)?",
        "Numeric": r"\d+",
    }
    found = [] if re.fullmatch(patterns.get(kind, r"(?s).+"), text) else [f"{name}: {text!r} is no {kind}"]
    needed = {"Amount": ("currencyID", r"[A-Z]{3}"), "Quantity": ("unitCode", "|".join(UNITS))}.get(kind)
    if needed and not re.fullmatch(needed[1], element.get(needed[0], "")):
        found.append(f"{name}: without its {needed[0]}")
    return found


EVERY = [(name, file) for name in DEALS for file in papers(name, "ubl")]


@pytest.mark.parametrize(("name", "file"), EVERY)
def test_every_document_fits_the_schema(name: str, file: str) -> None:
    """PAP-18, PAP-19, PAP-23: UBL 2.4, element by element."""
    root = ElementTree.fromstring(papers(name, "ubl")[file])
    assert misfits(root) == []
    assert root.findtext(f"{{{BASE}CommonBasicComponents-2}}UBLVersionID") == VERSION == UBL["version"]
    assert b"<!DOCTYPE" not in papers(name, "ubl")[file]


@pytest.mark.parametrize("how", ["swap", "drop", "add", "rename", "value"])
def test_the_schema_can_be_missed(how: str) -> None:
    """PAP-19: the control of the test above."""
    file = next(one for one in papers("plain", "ubl") if one.startswith("order"))
    root = ElementTree.fromstring(papers("plain", "ubl")[file])
    match how:
        case "swap":
            root[0], root[1] = root[1], root[0]
        case "drop":
            root.remove(next(one for one in root if prefixed(one) == "cac:SellerSupplierParty"))
        case "add":
            root.insert(1, root[1])
        case "rename":
            root[1].tag = "Name"
        case _:
            root[2].text = "15.1.2027"
    assert misfits(root)


def amounts(root: ElementTree.Element, name: str) -> list[int]:
    return [round(float(one.text or "") * 100) for one in root.iter(f"{{{BASE}CommonBasicComponents-2}}{name}")]


@pytest.mark.parametrize("name", DEALS)
def test_an_order_comes_to_what_is_owed(name: str) -> None:
    """PAP-20, PAP-21, PAP-22: a line a member, as agreed; with the tax inside, the whole is the sum of the lines."""
    for sale in facts(name).sales:
        root = ElementTree.fromstring(papers(name, "ubl")[f"order-{sale.agreement.supplier.hex()[:16]}.xml"])
        terms = sale.agreement.terms
        owed = [units * terms.periods * terms.unit_price_minor + terms.charge_minor for _, units in terms.shares]
        assert amounts(root, "TaxInclusiveLineExtensionAmount") == owed
        assert amounts(root, "PayableAmount") == [sum(owed)]
        assert sum(amounts(root, "LineExtensionAmount")[1:]) == amounts(root, "LineExtensionAmount")[0]


@given(st.integers(-(10**9), 10**9), st.integers(0, 10_000), st.sampled_from(["net", "gross"]))
def test_tax(minor: int, rate: int, basis: str) -> None:
    """PAP-20: nothing is lost between net, tax and gross, and the tax is right to half a minor unit."""
    (sale,) = facts("plain").sales
    found = taxed(minor, replace(sale.quotation, price_basis=basis, tax_category="S", tax_hundredths=rate))
    assert (found.net if basis == "net" else found.gross) == minor
    assert abs(found.net * rate - found.tax * 10_000) <= (10_000 + rate) / 2


def test_a_hostile_trader_is_text_in_xml() -> None:
    """PAP-23: what XML cannot hold is replaced, the rest is escaped."""
    for file, raw in papers("hostile", "ubl").items():
        root = ElementTree.fromstring(raw)
        said = [one.text for one in root.iter() if one.text and "script" in one.text]
        assert said == ([] if file.startswith("request") else [HOSTILE["contact"].replace("\uffff", "\ufffd")])
