"""What negotiator and supplier ask for: the request, and the price list that answers requests by itself.

Decides whether an own persona may say it now, within its boundaries; refusals are CommandErrors raised before anything
has changed. Spec: 07-election, ELE-33; 08-negotiation, NEG-32 to NEG-40.
"""

from __future__ import annotations

from typing import Any

from protocol import commands as ask
from protocol.coop.coop import Coop, question_name, slot_name
from protocol.coop.preference import from_levels
from protocol.coop.template import Template
from protocol.deal.life import deal_scope
from protocol.deal.negotiation import criteria
from protocol.deal.offer import from_flat
from protocol.encoding import encode
from protocol.engine.coop.floor import say_once
from protocol.engine.core import Core
from protocol.engine.desk import board_scope, coop_context, preference, template_of
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.params import INTENT_LIFE_MS
from protocol.record.record import Slot

_WEIGHT_STEPS = 1 << 40  # the largest weight as an integer


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
    certificate = coop.decided[question_name("mandate", mandate.term)]
    scope = deal_scope(mandate.deal)
    boxes = [member.box for member in coop.members] + [
        one.body["box"] for key in coop.council.witnesses for one in context.log.slot("accept.1", key, "accept")
    ]
    body = {
        "coop": coop.hash[:16],
        "nonce": core.entropy(16),
        "charter": coop.hash,
        "category": charter["category"],
        "region": charter["region"],
        "template": template.hash,
        "members": mandate.members,
        "quantity": mandate.quantity,
        "pooled_minor": mandate.pooled_minor,
        "weights_minor": dict(command.weights_minor) or _weights(core, coop, template),
        "requirements": [],
        "terms": sorted(dict.fromkeys(command.terms or _terms(coop))),
        "witnesses": list(coop.council.witnesses),
        "boxes": sorted(dict.fromkeys(boxes)),
        "times": dict(charter["times"]),
        "mandate": certificate.value,
        "certificate": [context.log.records[one].raw for one in certificate.votes],
    }
    until = coop.charter.header.expires
    try:
        rfq = core.say(persona, "rfq.1", scope, body, until=until, slot=Slot("once", "rfq", 0), follow=True)
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None
    deal = {"roster": coop.roster, "deal": mandate.deal, "rfq": rfq.id}
    say_once(core, persona, "deal.1", context, deal, slot_name("deal", mandate.deal), coop)
    quote_until = rfq.header.created + charter["times"]["quote_ms"]
    headline = {
        "deal": mandate.deal,
        "template": template.hash,
        "members": mandate.members,
        "pooled_minor": mandate.pooled_minor,
        "quote_until": quote_until,
    }
    board = f"board/{charter['category']}/{charter['region']}"
    slot = Slot("once", f"headline/{mandate.deal.hex()}", 0)
    core.say(persona, "headline.1", board, headline, until=quote_until + INTENT_LIFE_MS, slot=slot, follow=True)
    return {"deal": mandate.deal, "rfq": rfq.id, "quote_until": quote_until}


def set_prices(core: Core, command: ask.SetPrices) -> dict[str, Any]:
    """Keep the price list that quotes by itself from now on, and show a profile on the board."""
    template, scope = template_of(core, command.category), board_scope(command.category, command.region)
    offers = from_flat(command.rows, template)
    terms = sorted(dict.fromkeys(command.terms))
    trader = {"name": command.label, "contact": "-", "country": "GB", "register": ""} | dict(command.identity)
    prices = {"rows": [dict(row) for row in command.rows], "terms": terms, "identity": trader}
    context = core.context(scope)
    before = context.log.slot("profile.1", core.me.key, "profile")
    seq = before[0].header.slot.seq + 1 if before and before[0].header.slot else 0
    body = {"label": command.label, "terms": terms}
    try:
        kept = encode(prices)
        slot, until = Slot("latest", "profile", seq), core.now + 12 * INTENT_LIFE_MS
        core.say(core.me, "profile.1", scope, body, until=until, slot=slot, human=True, follow=True)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    core.keep(f"prices/{command.category}/{command.region}", kept)
    return {"board": scope, "articles": len(offers)}


def _weights(core: Core, coop: Coop, template: Template) -> dict[str, int]:
    """What the members' published levels come to in money, on the scale of the negotiator's own choices (NEG-32)."""
    spread, reference = preference(core, template).spread, tuple(template.priors.values())
    names = [one.name for one in template.attributes]
    levels = [tuple(member.intent.body["levels"].get(name, 0) for name in names) for member in coop.members]
    weights = [from_levels(level, reference, spread) for level in levels]
    # One factor for all, so that neither tiny nor huge weights lose their proportion as integers.
    factor = (
        _WEIGHT_STEPS / max((abs(one) for row in weights for one in row), default=1.0) if any(map(any, weights)) else 1
    )
    vectors = [{name: round(one * factor) for name, one in zip(names, row, strict=True)} for row in weights]
    return criteria(vectors, template)


def _terms(coop: Coop) -> list[str]:
    """Every data term a member asks for, as many as a request can name."""
    return sorted({term for member in coop.members for term in member.intent.body["terms"]})[:8]
