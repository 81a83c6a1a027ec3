"""Which request a deal is about, and what it fixed before the first quotation.

Decides whether a request carries the mandate of its co-op; never who holds one.
Spec: 08-negotiation, NEG-40 and NEG-41.
"""

from __future__ import annotations

from protocol.coop.coop import Coop, question_name
from protocol.coop.decision import Council, Docket
from protocol.coop.mandate import Mandate, witnesses_hash
from protocol.coop.risk import stakes_of
from protocol.coop.template import Template
from protocol.deal.life import Deal, deal_scope
from protocol.deal.negotiation import Request
from protocol.deal.specification import Specification, check_specification, own_requirements, stated
from protocol.errors import Ignore, Reject
from protocol.record.log import Log
from protocol.record.record import Record, embedded

POINTED_OUT = "request"  # NEG-115: what a witness's receipt for the request that its co-op certified is about


def read_mandate(rfq: Record, network: bytes) -> Mandate:
    """The mandate a request carries, certified by its witnesses. Raises Reject NEG-40 when it does not hold."""
    mandate = Mandate.parse(rfq.body["mandate"])
    witnesses = tuple(rfq.body["witnesses"])
    council = Council(witnesses, mandate.charter)
    facts = {"coop": mandate.charter[:16], "charter": mandate.charter, "members": mandate.members}
    facts |= {"quantity": mandate.quantity, "pooled_minor": mandate.pooled_minor}
    slot = None if rfq.header.slot is None else rfq.header.slot.name
    if (rfq.scope, slot, rfq.author) != (deal_scope(mandate.deal), "rfq", mandate.negotiator):
        raise Reject("NEG-40", "rfq: not by the mandate's negotiator, or not in its deal's scope and slot")
    if any(rfq.body[name] != value for name, value in facts.items()) or witnesses_hash(witnesses) != mandate.witnesses:
        raise Reject("NEG-40", "rfq: co-op, witnesses, members, quantity or value are not those of the mandate")
    if len(rfq.body["boxes"]) != len(witnesses):
        raise Reject("NEG-40", "rfq.boxes: must be one for each witness")
    if rfq.header.created > mandate.expires:
        raise Reject("NEG-40", "rfq: the mandate had ended")
    docket = Docket()
    for raw in rfq.body["certificate"]:
        try:
            vote = embedded(raw, network)
        except (Reject, Ignore):
            raise Reject("NEG-40", "rfq.certificate: holds what is no vote") from None
        if vote.kind == "vote.1" and vote.scope == "coop/" + rfq.body["coop"].hex():
            docket.note(vote)
    name = question_name("mandate", mandate.term)
    if not docket.certifies(name, council, mandate.to_bytes()):
        raise Reject("NEG-40", "rfq.certificate: fewer than a quorum of the witnesses signed this mandate")
    return mandate


def find_request(log: Log, docket: Docket, network: bytes, named: bytes = b"") -> tuple[Record, Mandate] | None:
    """The request a deal is about: of several good ones the one `named`, or its witnesses went on with, or that more
    than f of them pointed out, or of least id (NEG-41).
    """
    good: list[tuple[Record, Mandate]] = []
    for one in sorted(log.of_kind("rfq.1"), key=lambda record: record.id):
        try:
            good.append((one, read_mandate(one, network)))
        except Reject:
            continue
    for one, mandate in good:
        council = Council(tuple(one.body["witnesses"]), mandate.charter)
        if one.id == named or docket.decided(question_name("quotations", one.id), council) is not None:
            return one, mandate
    for one, mandate in good:
        council = Council(tuple(one.body["witnesses"]), mandate.charter)
        if docket.receipts(POINTED_OUT, one.id, council) > council.faults:
            return one, mandate
    return good[0] if good else None


def specification_in(rfq: Record) -> Specification:
    """What a request asks for, as its record states it."""
    return Specification(rfq.body["weights_minor"], stated(rfq), tuple(rfq.body["terms"]))


def specification_fits(coop: Coop, template: Template, rfq: Record) -> bool:
    """Whether a request asks for what the members' intents make of it; a witness vouches for no other (ELE-33)."""
    try:
        check_specification(specification_in(rfq), coop, template)
    except Reject:
        return False
    return True


def request_of(deal: Deal, template: Template, coop: Coop | None = None) -> Request:
    """What the request fixed before the first commitment; in the room (`coop`) also what members demand each."""
    asked, demanded = deal.asked, own_requirements(coop, template) if coop is not None else {}
    subject = deal.rfq.body.get("subject", "")
    prepaid = stakes_of(deal.rfq.body).prepaid_percent
    fixed = asked.weights_minor, asked.requirements, asked.terms
    return Request(template, *fixed, deal.commit_until, demanded, subject, prepaid)
