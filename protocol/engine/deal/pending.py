"""What waits for the person once there is an award: a repair round, a substitute, the poll at the end.

Decides nothing and changes nothing. Spec: 13-node, API-1; 08-negotiation, NEG-114; 09-accountability, AGR-17,
AGR-18.
"""

from __future__ import annotations

from typing import Any

from protocol.coop.coop import Coop
from protocol.coop.template import money
from protocol.deal.fulfilment import consent_slot, offers_to
from protocol.deal.life import Deal
from protocol.engine.context import Context
from protocol.engine.coop.floor import find_question
from protocol.engine.core import Core
from protocol.engine.deal.telling import fell

Need = dict[str, Any]


def pending(core: Core, context: Context, deal: Deal, coop: Coop | None) -> list[Need]:
    """Each thing that an own persona may answer now, without its ids."""
    template = core.settings.templates.get(deal.rfq.body["template"])
    currency = template.currency if template is not None else ""
    found = _repairs(core, context, deal, coop, currency) if coop is not None else []
    return found + _consents(core, context, deal, currency) + _polls(core, context, deal)


def _repairs(core: Core, context: Context, deal: Deal, coop: Coop, currency: str) -> list[Need]:
    """The round to step into (NEG-114)."""
    question, award = find_question(deal.open, "repairs"), deal.award
    if question is None or award is None or core.now > question.closes:
        return []
    asked = (*award.members, *award.reserve)
    bound = [one.author for one in deal.commitments if one.body["answer"] == "commit"]
    return [
        {
            "kind": "repair",
            "until": question.closes,
            "suppliers": [one.part.supplier for one in deal.fallen],
            "says": " ".join(fell(one, currency) for one in deal.fallen)
            + " You can step in, or take more; that binds you as a commitment does.",
            "silence": "Your commitment stays as it is." if own.member in bound else "You stay left out.",
        }
        for own in coop.demands
        if own.member in core.personas and own.member in asked
        if not context.log.slot("commitment.1", own.member, "repair")
    ]


def _consents(core: Core, context: Context, deal: Deal, currency: str) -> list[Need]:
    """Substitutes that wait for a member's own answer (AGR-17)."""
    found: list[Need] = []
    offers = sorted(context.log.of_kind("substitute.1"), key=lambda one: (one.header.created, one.id))
    for key in core.personas:
        about = deal.agreement_of(key)
        for one in offers if about is not None else ():
            if about is None or not offers_to(about.terms, one, key):
                continue
            if not context.log.slot("consent.1", key, consent_slot(one.id)):
                price = money(one.body["unit_price_minor"], currency)
                found.append(
                    {
                        "kind": "consent",
                        "until": deal.rfq.header.expires,
                        "substitute": one.id,
                        "says": f"The supplier offers {one.body['article']} at {price} a unit in place of what was"
                        " agreed. Consenting takes it for the whole term.",
                        "silence": "What was agreed stays owed to you.",
                    }
                )
    return found


def _polls(core: Core, context: Context, deal: Deal) -> list[Need]:
    """Whether to go on, asked before the agreement ends (AGR-18)."""
    question = find_question(deal.open, "renewals")
    if question is None or not question.closes - deal.times["renew_ms"] <= core.now <= question.closes:
        return []
    return [
        {
            "kind": "renewal",
            "until": question.closes,
            "says": "Your agreement ends soon. Say whether you would renew it, change something, or leave; it binds"
            " nobody, and the next co-op is founded with those who go on.",
            "silence": "You are not counted on for the next one.",
        }
        for key in core.personas
        if deal.agreement_of(key) is not None and not context.log.slot("renewal.1", key, "renewal")
    ]
