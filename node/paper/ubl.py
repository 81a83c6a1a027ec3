"""A deal as UBL 2.4 documents: the request for quotation, each ranked quotation, an order for each signed agreement.

Decides which element says what, in the order that the schemas prescribe; amounts follow from the deal, and tax from the
quotation's category and rate. Quantities and totals are those of the whole term. Spec: 17-paper, PAP-18 to PAP-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from node.paper.facts import Facts, Sale, day, decimal, scaled, stamp
from protocol.coop.template import minor_digits
from protocol.deal.fulfilment import Account
from protocol.deal.negotiation import Quotation
from protocol.identity import did

VERSION = "2.4"
_BASE = "urn:oasis:names:specification:ubl:schema:xsd:"
_SPACES = {"cac": f"{_BASE}CommonAggregateComponents-2", "cbc": f"{_BASE}CommonBasicComponents-2"}
_PRICE_DIGITS = 6  # of a price without tax that follows from one with tax

Element = ElementTree.Element
Tree = list[tuple[str, Any]]  # (name, text, (text, attributes) or children), in the order of the schema


def ubl(facts: Facts) -> dict[str, bytes]:
    """request-for-quotation.xml, a quotation-….xml for each ranked supplier, an order-….xml for each that signed."""
    found = {"request-for-quotation.xml": _document("RequestForQuotation", _request(facts))}
    for one in _quoted(facts):
        supplier = one.quotation.supplier.hex()[:16]
        found[f"quotation-{supplier}.xml"] = _document("Quotation", _quotation(facts, one))
    for sale in facts.sales:
        supplier = sale.agreement.supplier.hex()[:16]
        found[f"order-{supplier}.xml"] = _document("Order", _order(facts, sale))
    return found


@dataclass(frozen=True, slots=True)
class Quoted:
    """What a quotation comes to: for whom, how much in the whole term, at which of its prices."""

    hash: bytes
    quotation: Quotation
    units: int
    unit_price_minor: int
    served: int


@dataclass(frozen=True, slots=True)
class Sum:
    """An amount without tax, the tax, and both; integers in minor units."""

    net: int
    tax: int

    @property
    def gross(self) -> int:
        """What is paid."""
        return self.net + self.tax

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.net + other.net, self.tax + other.tax)


def taxed(minor: int, quotation: Quotation) -> Sum:
    """An amount of the quotation's own basis with its tax, rounded half away from zero to the minor unit (PAP-20)."""
    rate = quotation.tax_hundredths
    if quotation.price_basis == "net":
        return Sum(minor, _rounded(minor * rate, 10_000))
    tax = _rounded(minor * rate, 10_000 + rate)
    return Sum(minor - tax, tax)


def _rounded(number: int, divisor: int) -> int:
    sign = -1 if number < 0 else 1
    return sign * ((2 * abs(number) + divisor) // (2 * divisor))


def _quoted(facts: Facts) -> list[Quoted]:
    """The ranked quotations, best first; then those awarded that could not serve everybody alone."""
    periods = facts.template.periods
    found = dict[bytes, Quoted]()
    for one in facts.proof.ranking.ranked:
        took = one.allocation
        price, served = took.unit_price_minor, len(took.shares)
        found[one.hash] = Quoted(one.hash, one.quotation, took.quantity * periods, price, served)
    for sale in facts.sales:
        part = sale.agreement.part
        more = Quoted(part.quotation, sale.quotation, part.quantity * periods, part.unit_price_minor, len(part.lots))
        found.setdefault(part.quotation, more)
    return list(found.values())


def _request(facts: Facts) -> Tree:
    deal, template = facts.proof.deal, facts.template
    terms = ", ".join(deal.asked.terms) or "none"
    title, units = template.title, deal.mandate.quantity * template.periods
    wanted = [f"{one.attribute} {one.operator} {one.value}" for one in deal.asked.requirements]
    line: Tree = [
        ("cbc:ID", "1"),
        ("cbc:Note", _each(facts, deal.mandate.quantity)),
        ("cbc:Quantity", _quantity(facts, units)),
        ("cac:Item", [("cbc:Description", one) for one in wanted] + [("cbc:Name", title)]),
    ]
    return [
        *_head(deal.terms_id.hex(), deal.rfq.header.created),
        ("cbc:SubmissionDueDate", day(deal.quote_until)),
        ("cbc:Note", f"{deal.mandate.members} members of a co-operative; data terms: {terms}"),
        ("cbc:PricingCurrencyCode", facts.currency),
        ("cbc:LineCountNumeric", "1"),
        ("cac:RequestedValidityPeriod", [("cbc:EndDate", day(deal.commit_until))]),
        ("cac:SellerSupplierParty", [("cac:Party", [("cac:PartyName", [("cbc:Name", "any supplier")])])]),
        ("cac:BuyerCustomerParty", _buyer(facts)),
        ("cac:RequestForQuotationLine", [("cbc:ID", "1"), ("cac:LineItem", line)]),
    ]


def _quotation(facts: Facts, one: Quoted) -> Tree:
    quotation, deal = one.quotation, facts.proof.deal
    goods = taxed(one.units * one.unit_price_minor, quotation)
    charges = _charges(facts, quotation, one.served)
    total = sum((amount for _, amount in charges), goods)
    (said,) = (record.header.created for record in deal.quotations if record.author == quotation.supplier)
    line: Tree = [
        ("cbc:ID", "1"),
        ("cbc:Quantity", _quantity(facts, one.units)),
        *_amounts(facts, total),
        *_allowances(facts, quotation, charges),
        ("cac:Price", _price(facts, quotation, one.unit_price_minor)),
        ("cac:Item", _item(facts, quotation)),
    ]
    rungs = [
        (
            "cac:AlternativeLineItem",
            [
                ("cbc:ID", f"1.{number}"),
                ("cbc:Note", f"from {minimum} units a period"),
                ("cbc:MinimumQuantity", _quantity(facts, minimum * facts.template.periods)),
                ("cbc:MaximumQuantity", _quantity(facts, quotation.capacity * facts.template.periods)),
                ("cac:Price", _price(facts, quotation, price)),
                ("cac:Item", _item(facts, quotation)),
            ],
        )
        for number, (minimum, price) in enumerate(quotation.ladder, 1)
    ]
    return [
        *_head(one.hash.hex(), said),
        ("cbc:Note", f"cancellation: {quotation.cancellation}, fee {_plain(facts, quotation.cancellation_fee_minor)}"),
        ("cbc:PricingCurrencyCode", facts.currency),
        ("cbc:LineCountNumeric", "1"),
        ("cac:ValidityPeriod", [("cbc:EndDate", day(quotation.valid_until))]),
        ("cac:RequestForQuotationDocumentReference", [("cbc:ID", deal.terms_id.hex())]),
        ("cac:SellerSupplierParty", _seller(quotation)),
        ("cac:BuyerCustomerParty", _buyer(facts)),
        ("cac:TaxTotal", _tax(facts, quotation, total)),
        ("cac:QuotedMonetaryTotal", _total(facts, total)),
        (
            "cac:QuotationLine",
            [("cbc:ID", "1"), ("cbc:RequestForQuotationLineID", "1"), ("cac:LineItem", line), *rungs],
        ),
    ]


def _order(facts: Facts, sale: Sale) -> Tree:
    """One order a supplier with a line a member, as agreed; a line is that member's own contract (PAP-21)."""
    quotation, agreed = sale.quotation, sale.agreement
    total, lines = Sum(0, 0), list[tuple[str, Any]]()
    for number, line in enumerate(sale.lines, 1):
        amount, item = _ordered(facts, sale, line, number)
        total += amount
        lines.append(("cac:OrderLine", [("cac:LineItem", item)]))
    return [
        *_head(agreed.hash.hex(), facts.signed),
        ("cbc:Note", "each line is a contract of its originator; delivery details come from the members themselves"),
        ("cbc:DocumentCurrencyCode", facts.currency),
        ("cbc:PricingCurrencyCode", facts.currency),
        ("cbc:LineCountNumeric", str(len(lines))),
        ("cac:QuotationDocumentReference", [("cbc:ID", agreed.part.quotation.hex())]),
        ("cac:Contract", [("cbc:ID", agreed.hash.hex())]),
        ("cac:BuyerCustomerParty", _buyer(facts)),
        ("cac:SellerSupplierParty", _seller(quotation)),
        ("cac:TaxTotal", _tax(facts, quotation, total)),
        ("cac:AnticipatedMonetaryTotal", _total(facts, total)),
        *lines,
    ]


def _ordered(facts: Facts, sale: Sale, line: Account, number: int) -> tuple[Sum, Tree]:
    quotation, terms = sale.quotation, sale.agreement.terms
    share = sale.agreement.quantity_of(line.member)
    units = share * terms.periods
    charges = _charges(facts, quotation, 1)
    amount = sum((one for _, one in charges), taxed(units * terms.unit_price_minor, quotation))
    span = [("cbc:StartDate", day(terms.start)), ("cbc:EndDate", day(terms.end))]
    return amount, [
        ("cbc:ID", str(number)),
        ("cbc:Note", _each(facts, share)),
        ("cbc:Quantity", _quantity(facts, units)),
        *_amounts(facts, amount),
        ("cbc:PartialDeliveryIndicator", "true"),
        ("cac:Delivery", [("cac:RequestedDeliveryPeriod", span)]),
        ("cac:OriginatorParty", [("cac:PartyIdentification", [("cbc:ID", did(line.member))])]),
        *_allowances(facts, quotation, charges),
        ("cac:Price", _price(facts, quotation, terms.unit_price_minor)),
        ("cac:Item", _item(facts, quotation)),
    ]


# Parts that several documents share.


def _head(name: str, created: int) -> Tree:
    return [
        ("cbc:UBLVersionID", VERSION),
        ("cbc:ID", name),
        ("cbc:IssueDate", day(created)),
        ("cbc:IssueTime", stamp(created).partition("T")[2]),
    ]


def _each(facts: Facts, units: int) -> str:
    template = facts.template
    return f"{units * template.unit_quantity} {template.unit} each {template.period}, {template.periods} times"


def _buyer(facts: Facts) -> Tree:
    coop = facts.proof.coop
    party = [
        ("cac:PartyIdentification", [("cbc:ID", coop.hash.hex())]),
        ("cac:PartyName", [("cbc:Name", str(coop.charter.body["purpose"]))]),
    ]
    return [("cac:Party", party)]


def _seller(quotation: Quotation) -> Tree:
    trader = quotation.trader
    legal: Tree = [("cbc:RegistrationName", trader["name"])]
    legal += [("cbc:CompanyID", trader["register"])] if trader["register"] else []
    party = [
        ("cac:PartyIdentification", [("cbc:ID", did(quotation.supplier))]),
        ("cac:PartyName", [("cbc:Name", trader["name"])]),
        ("cac:PostalAddress", [("cac:Country", [("cbc:IdentificationCode", trader["country"])])]),
        ("cac:PartyLegalEntity", legal),
        ("cac:Contact", [("cbc:Note", trader["contact"])]),
    ]
    return [("cac:Party", party)]


def _item(facts: Facts, quotation: Quotation) -> Tree:
    stated = [f"{name} {number}" for name, number in sorted(quotation.attributes.items())]
    named = f": {quotation.subject}" if quotation.subject else ""
    own = [("cac:SellersItemIdentification", [("cbc:ID", quotation.reference)])] if quotation.reference else []
    return [
        *(("cbc:Description", one) for one in stated),
        ("cbc:PackSizeNumeric", str(quotation.pack)),
        ("cbc:Name", facts.template.title + named),
        *own,
        ("cac:ClassifiedTaxCategory", _category(quotation)),
    ]


def _category(quotation: Quotation) -> Tree:
    percent = scaled(quotation.tax_hundredths, 2)
    return [("cbc:ID", quotation.tax_category), ("cbc:Percent", percent), ("cac:TaxScheme", [("cbc:ID", "VAT")])]


def _price(facts: Facts, quotation: Quotation, minor: int) -> Tree:
    """Of one counted unit. From a price with tax, the one without is rounded to millionths."""
    digits, rate = minor_digits(facts.currency), quotation.tax_hundredths
    base = ("cbc:BaseQuantity", _quantity(facts, 1))
    if quotation.price_basis == "net":
        return [("cbc:PriceAmount", _money(facts, minor)), base]
    net = _rounded(minor * 10_000 * 10 ** (_PRICE_DIGITS - digits), 10_000 + rate)
    without = (scaled(net, _PRICE_DIGITS), {"currencyID": facts.currency})
    return [("cbc:PriceAmount", without), ("cbc:TaxInclusivePriceAmount", _money(facts, minor)), base]


def _charges(facts: Facts, quotation: Quotation, members: int) -> list[tuple[str, Sum]]:
    """What is paid besides the price in the whole term, by label."""
    times = {"once": 1, "period": facts.template.periods}
    named = [(one, quotation.charges.get(one.name, 0)) for one in facts.template.charges]
    return [(one.label, taxed(minor * times[one.per] * members, quotation)) for one, minor in named if minor]


def _allowances(facts: Facts, quotation: Quotation, charges: list[tuple[str, Sum]]) -> Tree:
    return [
        (
            "cac:AllowanceCharge",
            [
                ("cbc:ChargeIndicator", "true" if one.gross > 0 else "false"),
                ("cbc:AllowanceChargeReason", label),
                ("cbc:Amount", _money(facts, abs(one.net))),
                ("cbc:TaxInclusiveAmount", _money(facts, abs(one.gross))),
                ("cac:TaxCategory", _category(quotation)),
            ],
        )
        for label, one in charges
    ]


def _amounts(facts: Facts, total: Sum) -> Tree:
    return [
        ("cbc:LineExtensionAmount", _money(facts, total.net)),
        ("cbc:TaxInclusiveLineExtensionAmount", _money(facts, total.gross)),
        ("cbc:TotalTaxAmount", _money(facts, total.tax)),
    ]


def _tax(facts: Facts, quotation: Quotation, total: Sum) -> Tree:
    inside = [
        ("cbc:TaxableAmount", _money(facts, total.net)),
        ("cbc:TaxAmount", _money(facts, total.tax)),
        ("cac:TaxCategory", _category(quotation)),
    ]
    return [("cbc:TaxAmount", _money(facts, total.tax)), ("cac:TaxSubtotal", inside)]


def _total(facts: Facts, total: Sum) -> Tree:
    return [
        ("cbc:LineExtensionAmount", _money(facts, total.net)),
        ("cbc:TaxExclusiveAmount", _money(facts, total.net)),
        ("cbc:TaxInclusiveAmount", _money(facts, total.gross)),
        ("cbc:PayableAmount", _money(facts, total.gross)),
    ]


def _money(facts: Facts, minor: int) -> tuple[str, Mapping[str, str]]:
    return decimal(minor, facts.currency), {"currencyID": facts.currency}


def _plain(facts: Facts, minor: int) -> str:
    return f"{facts.currency} {decimal(minor, facts.currency)}"


def _quantity(facts: Facts, units: int) -> tuple[str, Mapping[str, str]]:
    return str(units * facts.template.unit_quantity), {"unitCode": facts.template.unit}


def _document(name: str, tree: Tree) -> bytes:
    """The document's bytes. Text of others is escaped; what no XML can hold is replaced (PAP-23)."""
    spaces = {f"xmlns:{key}": one for key, one in _SPACES.items()}
    root = ElementTree.Element(name, {"xmlns": f"{_BASE}{name}-2"} | spaces)
    _fill(root, tree)
    ElementTree.indent(root, " ")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode").encode() + b"\n"


def _fill(parent: Element, tree: Tree) -> None:
    for name, inside in tree:
        child = ElementTree.SubElement(parent, name)
        match inside:
            case list():
                _fill(child, inside)
            case (text, attributes):
                child.text = text
                child.attrib.update(attributes)
            case text:
                child.text = "".join(one if one in "\t\n" or _holds(one) else "\ufffd" for one in text)


def _holds(letter: str) -> bool:
    """Whether XML 1.0 can hold a character."""
    return "\x20" <= letter <= "\ud7ff" or "\ue000" <= letter <= "\ufffd" or letter >= "\U00010000"
