"""Writes spec/terms/*.json, the vocabularies that exports are checked against, from what their authors publish.

    python scripts/terms.py valueflows all_vf.TTL
    python scripts/terms.py ubl FOLDER-OF-XSD

Names, domains, ranges, order and cardinalities only; no text of the originals but the notice that OASIS asks for.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

FOLDER = Path(__file__).resolve().parents[1] / "spec" / "terms"
XSD = "{http://www.w3.org/2001/XMLSchema}"
DOCUMENTS = ("RequestForQuotation", "Quotation", "Order")
NOTICE = (
    "Derived from the UBL 2.4 schemas. Copyright (c) OASIS Open 2024. All Rights Reserved. This document and"
    " translations of it may be copied and furnished to others, and derivative works that comment on or otherwise"
    " explain it or assist in its implementation may be prepared, copied, published and distributed, in whole or in"
    " part, without restriction of any kind, provided that the above copyright notice and this paragraph are included"
    " on all such copies and derivative works."
)
# What node/paper/ubl.py writes; of each of them all children that the schema allows are kept.
AGGREGATES = (
    "AllowanceCharge AlternativeLineItem AnticipatedMonetaryTotal BuyerCustomerParty ClassifiedTaxCategory Contact"
    " Contract Country Delivery Item ItemInstance LineItem OrderLine OriginatorParty Party PartyIdentification"
    " PartyLegalEntity PartyName PostalAddress Price QuotationDocumentReference QuotationLine QuotedMonetaryTotal"
    " RequestForQuotationDocumentReference RequestForQuotationLine RequestedDeliveryPeriod RequestedValidityPeriod"
    " SellerSupplierParty SellersItemIdentification TaxCategory TaxScheme TaxSubtotal TaxTotal ValidityPeriod"
    " AdditionalItemProperty AdditionalItemIdentification"
).split()


def valueflows(path: Path) -> dict[str, Any]:
    """Classes with what they are kinds of, individuals with their class, properties with domain, range and maximum."""
    text = path.read_text(encoding="utf-8")
    version = re.search(r'owl:versionInfo "([^"]+)"', text)
    blocks = re.findall(r"^vf:(\w+)\s(.*?)\s\.$", text, re.MULTILINE | re.DOTALL)
    unions: dict[str, list[str]] = {}
    classes: dict[str, list[str]] = {}
    individuals: dict[str, str] = {}
    properties: dict[str, dict[str, Any]] = {}
    for name, block in blocks:
        found = re.findall(r"\w+:\w+", block.partition(";")[0])
        union = re.search(r"owl:unionOf\s*\(([^)]*)\)", block)
        if union:
            unions[name] = union[1].replace("vf:", "").split()
        elif "owl:NamedIndividual" in found:
            individuals[name] = next(one for one in found if one != "owl:NamedIndividual").removeprefix("vf:")
        elif "owl:Class" in found:
            classes[name] = re.findall(r"rdfs:subClassOf\s+vf:(\w+)", block)
        elif any("Property" in one for one in found):
            domain, reach = (re.search(rf"rdfs:{one}\s+([\w:]+)", block) for one in ("domain", "range"))
            most = re.search(r"owl:(?:maxC|c)ardinality\s+(\d+)", block)
            properties[name] = {
                "domain": [domain[1].removeprefix("vf:")] if domain else [],
                "range": [reach[1].removeprefix("vf:")] if reach else [],
                "most": int(most[1]) if most else None,
            }
    for one in properties.values():
        for side in ("domain", "range"):
            one[side] = sorted({part for name in one[side] for part in unions.get(name, [name])})
    return {
        "vocabulary": "Valueflows",
        "namespace": "https://w3id.org/valueflows/ont/vf#",
        "version": version[1] if version else "",
        "source": "https://codeberg.org/valueflows/pages/src/branch/main/assets/all_vf.TTL",
        "licence": "CC-BY-SA-4.0, as the vocabulary that this list is drawn from",
        "classes": dict(sorted(classes.items())),
        "individuals": dict(sorted(individuals.items())),
        "properties": dict(sorted(properties.items())),
    }


def ubl(folder: Path) -> dict[str, Any]:
    """Element -> its children in their order, each with ?, * or + as in a grammar; basic element -> its data type."""
    common = folder / "common"
    aggregates = ElementTree.parse(common / "UBL-CommonAggregateComponents-2.4.xsd").getroot()
    types = {one.attrib["name"]: one.attrib["type"] for one in aggregates.findall(f"{XSD}element")}
    bodies = {one.attrib["name"]: one for one in aggregates.findall(f"{XSD}complexType")}
    elements = {f"cac:{name}": _children(bodies[types[name]]) for name in AGGREGATES}
    for name in DOCUMENTS:
        root = ElementTree.parse(folder / "maindoc" / f"UBL-{name}-2.4.xsd").getroot()
        (body,) = root.findall(f"{XSD}complexType")
        elements[name] = _children(body)
    basic = ElementTree.parse(common / "UBL-CommonBasicComponents-2.4.xsd").getroot()
    data = {
        one.attrib["name"].removesuffix("Type"): base.attrib["base"].partition(":")[2].removesuffix("Type")
        for one in basic.findall(f"{XSD}complexType")
        for base in one.iter(f"{XSD}restriction")
    }
    named = {child.rstrip("?*+") for children in elements.values() for child in children.split()}
    return {
        "vocabulary": "Universal Business Language",
        "version": "2.4",
        "source": "https://docs.oasis-open.org/ubl/os-UBL-2.4/xsd/",
        "licence": NOTICE,
        "elements": dict(sorted(elements.items())),
        "types": {f"cbc:{name}": kind for name, kind in sorted(data.items()) if f"cbc:{name}" in named},
    }


def _children(body: ElementTree.Element) -> str:
    marks = {("0", "1"): "?", ("1", "1"): "", ("0", "unbounded"): "*", ("1", "unbounded"): "+"}
    return " ".join(
        one.attrib["ref"] + marks[one.get("minOccurs", "1"), one.get("maxOccurs", "1")]
        for one in body.iter(f"{XSD}element")
    )


def main() -> int:
    """Exit code 0."""
    parser = argparse.ArgumentParser(prog="terms", description=__doc__)
    parser.add_argument("vocabulary", choices=("valueflows", "ubl"))
    parser.add_argument("source", type=Path)
    given = parser.parse_args()
    found = valueflows(given.source) if given.vocabulary == "valueflows" else ubl(given.source)
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda one: "[" + re.sub(r"\s+", " ", one[1]) + "]", text)
    text = re.sub(r"\{\s+(\"domain\"[^{}]*?)\s+\}", lambda one: "{" + re.sub(r"\s+", " ", one[1]) + "}", text)
    (FOLDER / f"{given.vocabulary}.json").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
