"""What came of a deal as its parties may look at it: accounts, reports, substitutes, the poll, and the state in words.

Decides nothing and changes nothing. Spec: 09-accountability, AGR-10 to AGR-22; 13-node, API-1.
"""

from __future__ import annotations

from typing import Any

from protocol.deal.fulfilment import Account, consent_slot, offers_to
from protocol.deal.life import Deal
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.deal.telling import told
from protocol.record.record import Record

_EVENTS_MAX = 200  # the newest are shown; all count


def ledger(core: Core, context: Context, deal: Deal) -> dict[str, Any]:
    """{"says", "currency", "fallen", "accounts", "events", "substitutes", "renewals"} of one deal."""
    template = core.settings.templates.get(deal.rfq.body["template"])
    currency = template.currency if template is not None else ""
    hashes = [one.hash for one in deal.agreements]
    events = [one for one in context.log.of_kind("event.1") if one.body["agreement"] in hashes]
    offers = [one for one in context.log.of_kind("substitute.1") if _offered(deal, one)]
    return {
        "says": list(told(deal, core.now, currency)),
        "currency": currency,
        "fallen": [
            {"supplier": one.part.supplier, "minimum": one.minimum, "ordered": one.ordered}
            | {"unit_price_minor": one.part.unit_price_minor, "instead_minor": one.unit_price_minor}
            for one in deal.fallen
        ],
        "accounts": [_account(line) for one in deal.agreements for line in one.accounts],
        "events": [_event(one) for one in sorted(events, key=_newest)[:_EVENTS_MAX]],
        "substitutes": [
            _substitute(core, context, deal, one) for one in sorted(offers, key=_newest)[:_EVENTS_MAX]
        ],
        "renewals": [
            {"member": one.author, "answer": one.body["answer"], "reason": one.body["reason"]}
            | {"remark": one.body["remark"]}
            for one in deal.renewals
        ],
    }


def _account(line: Account) -> dict[str, Any]:
    """A member's line; what a side has not said is left out."""
    found: dict[str, Any] = {
        "member": line.member,
        "supplier": line.supplier,
        "owed": line.owed,
        "got": line.got,
        "unit_price_minor": line.unit_price_minor,
        "price_minor": line.price_minor,
        "fulfilled": line.fulfilled,
        "contested": list(line.contested),
    }
    words = {"delivered": line.delivered, "received": line.received, "paid": line.paid, "credited": line.credited}
    found |= {name: units for name, units in words.items() if units is not None}
    if line.cancelled_by:
        found |= {"ends": line.ends, "cancelled_by": line.cancelled_by, "fee_minor": line.fee_minor}
    return found | ({"article": line.article} if line.article else {})


def _event(one: Record) -> dict[str, Any]:
    body = one.body
    found = {"id": one.id, "by": one.author, "member": body["member"], "action": body["action"]}
    found |= {"quantity": body["quantity"], "reference": body["reference"], "when": one.header.created}
    return found | ({"corrects": body["corrects"]} if "corrects" in body else {})


def _offered(deal: Deal, one: Record) -> bool:
    """Whether an offer can be taken by whom it names first, or by somebody where it names nobody."""
    about = deal.agreement_with(one.author)
    return about is not None and offers_to(about.terms, one, next(iter(one.body["members"]), b""))


def _substitute(core: Core, context: Context, deal: Deal, one: Record) -> dict[str, Any]:
    """An offer, and whether it waits for an own persona."""
    mine = [
        key
        for key in core.personas
        if (about := deal.agreement_of(key)) is not None and offers_to(about.terms, one, key)
    ]
    waits = any(not context.log.slot("consent.1", key, consent_slot(one.id)) for key in mine)
    return {
        "id": one.id,
        "supplier": one.author,
        "article": one.body["article"],
        "attributes": dict(one.body["attributes"]),
        "unit_price_minor": one.body["unit_price_minor"],
        "members": list(one.body["members"]),
        "remark": one.body["remark"],
        "waits": waits,
    }


def _newest(record: Record) -> tuple[int, bytes]:
    return -record.header.created, record.id
