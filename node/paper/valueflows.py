"""A deal in the words of the Valueflows vocabulary 1.0, as JSON-LD that needs nothing fetched.

Decides which of its terms say what a deal says; never an amount. Each node is flat and named, so that it may be merged
with those of other deals. Spec: 17-paper, PAP-13 to PAP-17.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from node.paper.facts import Facts, Sale, decimal, scaled, stamp
from protocol.coop.units import UNITS
from protocol.deal.fulfilment import Account
from protocol.deal.negotiation import Quotation
from protocol.identity import did

Node = dict[str, Any]

_TRANSFER = {"@id": "vf:transfer"}

CONTEXT: Mapping[str, str] = {
    "vf": "https://w3id.org/valueflows/ont/vf#",
    "om": "http://www.ontology-of-units-of-measure.org/resource/om-2/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
# UN/CEFACT Recommendation 20 and ISO 4217 -> Ontology of units of Measure 2.0; others go without.
OM: Mapping[str, str] = dict(
    one.split("=")
    for one in (
        "ANN=year C62=one CEL=degreeCelsius CMT=centimetre D30=terajoule DAY=day DZN=dozen E34=gigabyte GRM=gram"
        " GV=gigajoule HAR=hectare HLT=hectolitre HUR=hour KGM=kilogram KMT=kilometre KWH=kilowattHour KWT=kilowatt"
        " LTR=litre MBR=millibar MIN=minute-Time MLT=millilitre MMT=millimetre MON=month MTK=squareMetre"
        " MTQ=cubicMetre MTR=metre MWH=megawattHour 4L=megabyte P1=percent SEC=second-Time TNE=tonne WEE=week"
        " WTT=watt GBP=poundSterling EUR=euro USD=UnitedStatesDollar"
    ).split()
)


def valueflows(facts: Facts) -> dict[str, bytes]:
    """deal.jsonld: {"@context", "@graph"}, nodes in a fixed order."""
    graph = [*_agents(facts), *_kinds(facts), *_request(facts), *_offers(facts), *_agreements(facts)]
    text = json.dumps({"@context": dict(CONTEXT), "@graph": graph}, indent=1, ensure_ascii=False)
    return {"deal.jsonld": (text + "\n").encode()}


def _agents(facts: Facts) -> Iterator[Node]:
    coop, deal = facts.proof.coop, facts.proof.deal
    yield _node("Organization", _coop(facts), name=str(coop.charter.body["purpose"]), note="a buying co-operative")
    for key in coop.joined:
        note = "a pseudonym; the negotiator" if key == deal.mandate.negotiator else "a pseudonym"
        yield _node("Agent", did(key), name=f"member {key.hex()[:8]}", note=note)
    traders = {one.quotation.supplier: one.quotation.trader for one in facts.proof.ranking.offers}
    for one in sorted(deal.quotations, key=lambda record: record.author):
        trader = traders.get(one.author)
        name = trader["name"] if trader else f"supplier {one.author.hex()[:8]}"
        note = ", ".join(filter(None, (trader["contact"], trader["country"], trader["register"]))) if trader else ""
        yield _node("Organization", did(one.author), name=name, note=note)


def _kinds(facts: Facts) -> Iterator[Node]:
    template = facts.template
    for code, label in ((template.unit, UNITS[template.unit]), (facts.currency, facts.currency)):
        known = {"omUnitIdentifier": _typed(CONTEXT["om"] + OM[code], "anyURI")} if code in OM else {}
        yield _node("Unit", _unit(code), label=label, symbol=code, **known)
    subject = facts.proof.coop.charter.body.get("subject", "")
    title = template.title + (f": {subject}" if subject else "")
    goods, money = _ref(_unit(template.unit)), _ref(_unit(facts.currency))
    yield _node("ResourceSpecification", _goods(facts), name=title, defaultUnitOfResource=goods)
    medium = {"mediumOfExchange": _typed("true", "boolean")}
    yield _node("ResourceSpecification", _money(facts), name=facts.currency, defaultUnitOfResource=money, **medium)


def _request(facts: Facts) -> Iterator[Node]:
    """What the co-op asked for, and what each member would take, over the whole term."""
    deal, coop, periods = facts.proof.deal, facts.proof.coop, facts.template.periods
    wish = _name("intent", deal.rfq.id)
    yield _node(
        "Proposal",
        _name("request", deal.rfq.id),
        name="request for quotation",
        purpose=_ref("vf:request"),
        created=_time(deal.rfq.header.created),
        hasEnd=_time(deal.quote_until),
        publishes=_ref(wish),
    )
    yield _goods_flow(facts, "Intent", wish, deal.mandate.quantity * periods, receiver=_ref(_coop(facts)))
    for one in coop.demands:
        if one.want:
            wish, who = _pledge(facts, one.member), _ref(did(one.member))
            yield _goods_flow(facts, "Intent", wish, one.want * periods, receiver=who)


def _offers(facts: Facts) -> Iterator[Node]:
    """Each quotation that met the request: a proposal for each rung of its ladder, by one counted unit."""
    for one in facts.proof.ranking.offers:
        quotation = one.quotation
        for number, (minimum, price) in enumerate(quotation.ladder, 1):
            name = f"{one.hash.hex()}/{number}"
            yield _node(
                "Proposal",
                f"urn:wltm:quotation:{name}",
                name=f"quotation: from {minimum} units a period",
                purpose=_ref("vf:offer"),
                unitBased=_typed("true", "boolean"),
                hasEnd=_time(quotation.valid_until),
                proposedTo=_ref(_coop(facts)),
                publishes=_ref(f"urn:wltm:intent:{name}"),
                reciprocal=_ref(f"urn:wltm:intent:{name}/price"),
            )
            supplier, wish = _ref(did(quotation.supplier)), f"urn:wltm:intent:{name}"
            yield _goods_flow(
                facts,
                "Intent",
                wish,
                1,
                provider=supplier,
                minimumQuantity=_goods_measure(facts, minimum),
                availableQuantity=_goods_measure(facts, quotation.capacity),
            )
            yield _money_flow(facts, "Intent", f"{wish}/price", price, receiver=supplier)


def _agreements(facts: Facts) -> Iterator[Node]:
    bundle = f"urn:wltm:deal:{facts.proof.deal.mandate.deal.hex()}"
    yield _node("AgreementBundle", bundle, name="all agreements of the deal", created=_time(facts.signed))
    for sale in facts.sales:
        name = f"agreement with {sale.quotation.trader['name']}"
        when, terms = _time(facts.signed), _terms(facts, sale.quotation)
        yield _node("Agreement", _agreed(sale), name=name, created=when, bundledIn=_ref(bundle), note=terms)
        for line in sale.lines:
            yield from _line(facts, sale, line)


def _line(facts: Facts, sale: Sale, line: Account) -> Iterator[Node]:
    """A member's share: goods one way, money the other, and what has come of the goods."""
    terms, hashed = sale.agreement.terms, sale.agreement.hash
    supplier, member = _ref(did(line.supplier)), _ref(did(line.member))
    until = line.ends if line.cancelled_by else terms.end
    span = {"created": _time(facts.signed), "hasBeginning": _time(terms.start), "hasEnd": _time(until)}
    goods = _name("goods", hashed, line.member)
    if line.owed:
        done = _typed("true" if line.fulfilled else "false", "boolean")
        wish = {"satisfies": _ref(_pledge(facts, line.member))} if _wanted(facts, line.member) else {}
        note = f"by consent: {line.article}" if line.article else ""
        sides = {"provider": supplier, "receiver": member, "clauseOf": _ref(_agreed(sale))}
        yield _goods_flow(facts, "Commitment", goods, line.owed, **sides, **span, **wish, finished=done, note=note)
    if line.price_minor:
        back = line.price_minor < 0
        sides = {"provider": supplier if back else member, "receiver": member if back else supplier}
        yield _money_flow(
            facts,
            "Commitment",
            _name("payment", hashed, line.member),
            abs(line.price_minor),
            **sides,
            reciprocalClauseOf=_ref(_agreed(sale)),
            **span,
        )
    if line.got:
        own = line.received is not None
        note = "by the member's word" if own else "by the supplier's word; the member has said nothing"
        yield _goods_flow(
            facts,
            "EconomicEvent",
            _name("delivered", hashed, line.member),
            line.got,
            provider=supplier,
            receiver=member,
            realizationOf=_ref(_agreed(sale)),
            **({"fulfills": _ref(goods)} if line.owed else {}),
            note=note + (f"; contested: {', '.join(line.contested)}" if line.contested else ""),
        )
    yield from _paid(facts, sale, line)


def _paid(facts: Facts, sale: Sale, line: Account) -> Iterator[Node]:
    """What is said to have been paid for so many units, by the word of who got it, else of who paid."""
    units = line.credited if line.credited is not None else line.paid
    if not units:
        return
    whose = "supplier" if line.credited is not None else "member"
    about = sale.agreement.hash, line.member
    yield _money_flow(
        facts,
        "EconomicEvent",
        _name("paid", *about),
        units * line.unit_price_minor,
        provider=_ref(did(line.member)),
        receiver=_ref(did(line.supplier)),
        reciprocalRealizationOf=_ref(_agreed(sale)),
        fulfills=_ref(_name("payment", *about)),
        note=f"for {units} units, by the {whose}'s word",
    )


def _terms(facts: Facts, quotation: Quotation) -> str:
    tax = f"{quotation.price_basis} of tax {quotation.tax_category} at {scaled(quotation.tax_hundredths, 2)} %"
    fee = decimal(quotation.cancellation_fee_minor, facts.currency)
    return f"prices {tax}; cancellation: {quotation.cancellation}, fee {facts.currency} {fee}"


def _wanted(facts: Facts, member: bytes) -> bool:
    return any(one.member == member and one.want for one in facts.proof.coop.demands)


def _goods_flow(facts: Facts, kind: str, name: str, units: int, /, **more: Any) -> Node:
    """An intent, commitment or event by which goods change hands."""
    what, quantity = _ref(_goods(facts)), _goods_measure(facts, units)
    return _node(kind, name, action=_TRANSFER, resourceConformsTo=what, resourceQuantity=quantity, **more)


def _money_flow(facts: Facts, kind: str, name: str, minor: int, /, **more: Any) -> Node:
    """An intent or commitment by which money changes hands."""
    what, quantity = _ref(_money(facts)), _measure(decimal(minor, facts.currency), facts.currency)
    return _node(kind, name, action=_TRANSFER, resourceConformsTo=what, resourceQuantity=quantity, **more)


def _goods_measure(facts: Facts, units: int) -> Node:
    return _measure(str(units * facts.template.unit_quantity), facts.template.unit)


def _measure(number: str, unit: str) -> Node:
    return _node("Measure", "", hasNumericalValue=_typed(number, "decimal"), hasUnit=_ref(_unit(unit)))


def _node(kind: str, name: str, /, **more: Any) -> Node:
    """A node of a Valueflows class; what is empty is left out."""
    head = {"@id": name, "@type": f"vf:{kind}"} if name else {"@type": f"vf:{kind}"}
    return head | {f"vf:{key}": one for key, one in more.items() if one != ""}


def _ref(name: str) -> Node:
    return {"@id": name}


def _typed(text: str, kind: str) -> Node:
    return {"@value": text, "@type": f"xsd:{kind}"}


def _time(instant_ms: int) -> Node:
    return _typed(stamp(instant_ms), "dateTimeStamp")


def _name(what: str, *ids: bytes) -> str:
    return f"urn:wltm:{what}:" + "/".join(one.hex() for one in ids)


def _coop(facts: Facts) -> str:
    return _name("coop", facts.proof.coop.hash)


def _goods(facts: Facts) -> str:
    return _name("goods", facts.template.hash)


def _money(facts: Facts) -> str:
    return f"urn:wltm:money:{facts.currency}"


def _unit(code: str) -> str:
    return f"urn:wltm:unit:{code}"


def _pledge(facts: Facts, member: bytes) -> str:
    return _name("pledge", facts.proof.coop.roster, member)


def _agreed(sale: Sale) -> str:
    return _name("agreement", sale.agreement.hash)
