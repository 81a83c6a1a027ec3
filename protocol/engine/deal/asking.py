"""What negotiator and supplier ask for: the request, and the price list that answers requests by itself.

Decides whether an own persona may say it now, within its boundaries; refusals are CommandErrors raised before anything
has changed. Spec: 07-election, ELE-33; 08-negotiation, NEG-32 to NEG-40.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from protocol import commands as ask
from protocol.coop.coop import Coop, question_name, slot_name
from protocol.coop.room import boxes_of, draw_secret, keys_for
from protocol.coop.template import Template
from protocol.deal.life import deal_scope
from protocol.deal.negotiation import OPERATORS, Requirement
from protocol.deal.specification import (
    Specification,
    bounds,
    check_specification,
    requirements_of,
    specification_of,
)
from protocol.engine.coop.floor import say_once
from protocol.engine.core import Core
from protocol.engine.desk import coop_context
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.identity import box_key
from protocol.params import INTENT_LIFE_MS
from protocol.record.record import Slot
from protocol.trust.aggregate import told_of


def open_rfq(core: Core, command: ask.OpenRfq) -> dict[str, Any]:
    """As negotiator, ask suppliers for quotations: the request, its mention in the co-op, a headline on the board."""
    context, coop = coop_context(core, command.coop)
    mandate = coop.mandate
    persona = core.personas.get(mandate.negotiator) if mandate is not None else None
    if mandate is None or persona is None or coop.state != "mandated":
        raise NotNow("NEG-40", f"rfq: you hold no mandate in this co-op now (it is {coop.state})")
    if core.now > mandate.expires:
        raise CommandError("NEG-40", "rfq: the mandate has ended")
    charter, template = coop.charter.body, core.settings.templates[coop.charter.body["template"]]
    asked = _asked(command, coop, template)
    certificate = coop.decided[question_name("mandate", mandate.term)]
    scope = deal_scope(mandate.deal)
    secret = draw_secret(core.entropy)
    accepted = (context.log.slot("accept.1", key, "accept") for key in coop.council.witnesses)
    body = {
        "coop": coop.hash[:16],
        "nonce": core.entropy(16),
        "charter": coop.hash,
        "category": charter["category"],
        "region": charter["region"],
        "template": template.hash,
        **{name: charter[name] for name in ("subject", "stakes", "mediators") if name in charter},
        "members": mandate.members,
        "quantity": mandate.quantity,
        "pooled_minor": mandate.pooled_minor,
        "weights_minor": dict(asked.weights_minor),
        "requirements": [asdict(one) for one in asked.requirements],
        "terms": list(asked.terms),
        "witnesses": list(coop.council.witnesses),
        "room": box_key(secret),
        "boxes": [said[0].body["box"] for said in accepted],
        "times": dict(charter["times"]),
        "mandate": certificate.value,
        "certificate": [context.log.records[one].raw for one in certificate.votes],
    }
    until = coop.charter.header.expires
    try:
        rfq = core.say(persona, "rfq.1", scope, body, until=until, slot=Slot("once", "rfq", 0), follow=True)
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None
    keys = keys_for(secret, boxes_of(coop, rfq), core.entropy)
    deal = {"roster": coop.roster, "deal": mandate.deal, "rfq": rfq.id, "keys": keys}
    say_once(core, persona, "deal.1", context, deal, slot_name("deal", mandate.deal), coop)
    quote_until = rfq.header.created + 2 * charter["times"].get("suggest_ms", 0) + charter["times"]["quote_ms"]
    headline = {
        "deal": mandate.deal,
        "template": template.hash,
        "members": mandate.members,
        "pooled_minor": told_of(mandate.members, mandate.pooled_minor),
        "quote_until": quote_until,
    }
    board = f"board/{charter['category']}/{charter['region']}"
    slot = Slot("once", f"headline/{mandate.deal.hex()}", 0)
    core.say(persona, "headline.1", board, headline, until=quote_until + INTENT_LIFE_MS, slot=slot, follow=True)
    return {"deal": mandate.deal, "rfq": rfq.id, "quote_until": quote_until}


def _asked(command: ask.OpenRfq, coop: Coop, template: Template) -> Specification:
    """What the members' intents make of the request, and what the negotiator may choose in it (NEG-70, NEG-71)."""
    meant = specification_of(coop, template)
    chosen = [_requirement(one) for one in command.requirements]
    tighter = requirements_of(bounds([*meant.requirements, *chosen]))
    asked = Specification({**meant.weights_minor, **command.weights_minor}, tighter, meant.terms)
    try:
        check_specification(asked, coop, template)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    return asked


def _requirement(row: Mapping[str, str | int]) -> Requirement:
    match row:
        case {"attribute": str() as attribute, "operator": str() as operator, "value": int() as value}:
            if operator in OPERATORS:
                return Requirement(attribute, operator, value)
    raise CommandError("NEG-71", "requirements: each has attribute, operator and value")
