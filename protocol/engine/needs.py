"""What waits for the person: each open question an own persona may answer, until when, and what silence means.

Decides nothing and changes nothing. Spec: 13-node, API-1.
"""

from __future__ import annotations

from typing import Any

from protocol.coop.coop import Coop, slot_name
from protocol.coop.template import money
from protocol.deal.life import Deal
from protocol.engine import keeping, vanishing
from protocol.engine.baseline import compared
from protocol.engine.context import Context
from protocol.engine.coop import succeeding
from protocol.engine.coop.floor import find_question
from protocol.engine.coop.ladder import wider_rounds
from protocol.engine.coop.outlook import candidates
from protocol.engine.core import Core
from protocol.engine.deal import agreeing, attesting, bettering, granting, talking
from protocol.engine.deal.dealing import coop_of
from protocol.engine.deal.pending import pending
from protocol.engine.deal.refused import turned_away
from protocol.engine.deal.selling import supplier_needs
from protocol.engine.trust import waiting

_ASKS = (
    # (question, record kind, need, what it binds, what silence means)
    (
        "pledges",
        "pledge.1",
        "pledge",
        "A pledge tells this co-op what you would take at most at which price; it binds nobody until you commit.",
        "You stay on the roster, and nothing is ordered for you.",
    ),
    (
        "candidates",
        "nomination.1",
        "stand",
        "Standing for negotiator discloses your interests and fee to the members; it cannot be taken back.",
        "You do not stand.",
    ),
    (
        "ballots",
        "ballot.1",
        "vote",
        "A ballot is final. It is sealed: nobody can read it before the box closes, all members can afterwards.",
        "Your vote is not counted.",
    ),
)


def needs(core: Core) -> list[dict[str, Any]]:
    """Everything that waits, the most urgent first."""
    found: list[dict[str, Any]] = []
    for context in core.contexts.values():
        if context.family == "board":
            found += wider_rounds(core, context)
        elif context.family == "coop":
            coop = context.coop(core.settings)
            if coop is not None:
                found += _of_coop(core, context, coop) + succeeding.waiting(core, context, coop)
        elif context.family == "deal":
            deal = context.deal(core.settings)
            if deal is not None:
                found += _of_deal(core, context, deal)
    found += supplier_needs(core) + granting.needs(core) + turned_away(core) + waiting.needs(core)
    found = keeping.needs(core, found + vanishing.waiting(core))
    return sorted(found, key=lambda one: (one["until"], one["kind"], one["id"]))


def _of_coop(core: Core, context: Context, coop: Coop) -> list[dict[str, Any]]:
    found = []
    me = next((key for key in coop.keys if key in core.personas), None)
    base = {"id": coop.hash[:16], "coop": coop.hash[:16], "purpose": coop.charter.body["purpose"]}
    for name, kind, need, says, silence in _ASKS:
        question = find_question(coop.open, name)
        slot = slot_name(kind.partition(".")[0], coop.roster)
        if question is None or me is None or context.log.slot(kind, me, slot) or core.now > question.closes:
            continue
        more: dict[str, Any] = {"kind": need, "until": question.closes, "says": says, "silence": silence}
        if need == "vote":
            more["candidates"] = candidates(core, coop)
        found.append(base | more)
    question = find_question(coop.open, "deal")
    negotiator = coop.mandate.negotiator if coop.mandate is not None else b""
    said = context.log.slot("deal.1", negotiator, slot_name("deal", coop.mandate.deal)) if coop.mandate else ()
    if question is not None and negotiator in core.personas and not said:
        found.append(
            base
            | {
                "kind": "rfq",
                "until": question.closes,
                "says": "You were elected: asking suppliers for quotations fixes the criteria for everybody.",
                "silence": "The next in line is asked in your place.",
            }
        )
    return found


def _of_deal(core: Core, context: Context, deal: Deal) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    base = {"id": deal.mandate.deal, "deal": deal.mandate.deal, "coop": deal.mandate.charter[:16]}
    question, coop, award = find_question(deal.open, "commitments"), coop_of(core, deal), deal.award
    template = core.settings.templates.get(deal.rfq.body["template"])
    if question is not None and award is not None and coop is not None and template and core.now <= question.closes:
        for own in coop.demands:
            part = award.part_of(own.member) if own.member in core.personas else None
            if part is None or context.log.slot("commitment.1", own.member, "commitment"):
                continue
            quantity = part.lot(own.member)
            price, most = (money(one, template.currency) for one in (part.unit_price_minor, own.price_max_minor))
            charge = part.besides.charge_minor
            terms = agreeing.told(
                core, agreeing.other_terms(core, context, deal, coop, own.member, part.quotation)
            )
            besides = f", and {money(charge, template.currency)} besides over the term" if charge else ""
            found.append(
                base
                | {
                    "kind": "commit",
                    "until": question.closes,
                    "supplier": part.supplier,
                    "quantity": quantity,
                    "unit_price_minor": part.unit_price_minor,
                    "charge_minor": charge,
                    "says": f"The award is {quantity} at {price} each per period{besides}. Committing binds you to take"
                    f" up to {own.want + own.tolerate} at {most} at most, all in, as everybody's answers make it."
                    + compared(core, coop, part.unit_price_minor, quantity, part.besides)
                    + (f" {terms['terms_says']}" if terms else ""),
                    "silence": "You are left out of this agreement.",
                    **terms,
                }
            )
    for waits in (talking.waiting, bettering.waiting, pending, attesting.waiting):
        found += [base | one for one in waits(core, context, deal, coop)]
    return found
