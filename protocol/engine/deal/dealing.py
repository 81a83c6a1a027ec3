"""What a node of the room does by itself in a deal: open reveals, certify boxes and the award.

Decides what an own persona's standing orders already decided; never commits or declines for a person. What a supplier's
node does is engine.deal.supplying's. Spec: 08-negotiation, NEG-45 to NEG-50.
"""

from __future__ import annotations

from functools import partial

from protocol.coop.coop import Coop
from protocol.deal.choice import answers_in, answers_question, award_value
from protocol.deal.contract import as_pledged
from protocol.deal.life import DEAL_TERMINAL, Deal, patience_ends
from protocol.deal.lots import answer_hash
from protocol.deal.ranking import Ranking
from protocol.deal.request import POINTED_OUT
from protocol.deal.revision import revision_value
from protocol.deal.tender import ranking_of
from protocol.engine.context import Context
from protocol.engine.coop import faults, witness
from protocol.engine.coop.floor import find_question
from protocol.engine.core import Core
from protocol.engine.deal import answering, blame, opening
from protocol.engine.deal.telling import told
from protocol.identity import Persona
from protocol.record.record import Record
from protocol.trust.accountability import trust_scope


def attend(core: Core, context: Context) -> None:
    """Look at the deal again."""
    deal = context.deal(core.settings)
    if deal is None or deal.rfq.header.expires <= core.now:
        return
    until, ref = deal.rfq.header.expires, deal.rfq.id
    coop = coop_of(core, deal)
    vouched = partial(_vouched, core, context, deal, coop)
    witness.fetch_missing(core, context, deal.council, deal.open)
    if coop is not None and coop.request is not None and coop.request.body["rfq"] == deal.rfq.id:
        _point_out(core, context, deal)
        opening.attend(core, context, core.context(coop.charter.scope), deal, coop)
        blame.attend(core, context, deal, coop)
        asked, value = deal.open, None
        if deal.state == "suggested":
            value = revision_value(deal, coop, core.settings.templates[deal.rfq.body["template"]])
        elif find_question(deal.open, "award") is not None:
            value = computed_award(core, context, deal, coop)
            ranking = ranking_of_deal(core, context, deal, coop)
            if ranking is not None and answering.attend(core, context, deal, coop, ranking):
                asked = ()  # nothing is awarded while there may be better answers
        witness.attend(core, context, deal.council, asked, until, lambda: value, ref, vouched)
    elif coop is not None and coop.mandate is not None and coop.mandate.deal == deal.mandate.deal:
        # Quotations arrive by the request's own clock, whether or not the co-op has certified it by then.
        witness.acknowledge(core, context, deal.council, deal.open, until, ref, vouched)
    if coop is not None:
        faults.attend_deal(core, context, coop, tuple(one.author for one in deal.quotations))
    if deal.agreements:
        for subject in (*(one.supplier for one in deal.agreements), deal.rfq.author, *core.personas):
            core.follow(trust_scope(subject))
    if deal.state not in DEAL_TERMINAL and core.now <= patience_ends(deal):
        context.wake_at(patience_ends(deal) + 1)  # so that whoever waits is told (AGR-22)
    says = told(deal, core.now)
    shown = f"{deal.state} {len(deal.open)} {says}"
    if shown != context.shown:
        context.shown = shown
        if coop is not None:
            core.dirty.setdefault(coop.charter.scope, None)  # its witnesses may be waiting for the request
        core.notify("deal", deal=deal.mandate.deal, coop=deal.mandate.charter[:16], state=deal.state, says=list(says))


def _point_out(core: Core, context: Context, deal: Deal) -> None:
    """As a witness, show suppliers which request the co-op certified: a negotiator may sign another later (NEG-115)."""
    for key in deal.council.witnesses:
        persona = core.personas.get(key)
        if persona is not None and not context.docket.receipted(POINTED_OUT, deal.rfq.id, key):
            body, until = {"question": POINTED_OUT, "ids": [deal.rfq.id]}, deal.rfq.header.expires
            core.say(persona, "receipt.1", context.scope, body, until=until, refs=(deal.rfq.id,))


def _vouched(
    core: Core, context: Context, deal: Deal, coop: Coop | None, record: Record, persona: Persona
) -> bool:
    """Whether a witness may say that it had this in time (NEG-51, NEG-63)."""
    if record.author in core.frozen:
        return False  # IDN-33
    return (coop is None or as_pledged(coop, record)) and opening.vouched(context, deal, record, persona)


def coop_of(core: Core, deal: Deal) -> Coop | None:
    """The co-op of a deal, where this node takes part in it."""
    scope = "coop/" + deal.mandate.charter[:16].hex()
    return core.contexts[scope].coop(core.settings) if scope in core.contexts else None


def computed_award(core: Core, context: Context, deal: Deal, coop: Coop) -> bytes | None:
    """The award as this node computes it; None before its time, or while it does not know all that it takes."""
    about = core.context(coop.charter.scope)
    question = answers_question(deal, coop)
    answers = answers_in(about.log, about.docket, question, coop)
    template = core.settings.templates.get(deal.rfq.body["template"])
    if answers is None or template is None:
        return None
    key = tuple(one.value_hash for one in deal.decided.values() if not one.question.startswith("award/"))
    key += tuple(map(answer_hash, answers))
    if context.computed is None or context.computed[0] != key:
        ranking = ranking_of_deal(core, context, deal, coop)
        if ranking is None:
            return None
        context.computed = key, award_value(deal, coop, template, ranking, answers)
    return context.computed[1]


def ranking_of_deal(core: Core, context: Context, deal: Deal, coop: Coop) -> Ranking | None:
    """Every quotation ranked or refused, as soon as the reveals are certified and opened."""
    template = core.settings.templates.get(deal.rfq.body["template"])
    if template is None or not deal.reveals:
        return None
    opening.lay_open(core, context, core.context(coop.charter.scope), deal, coop)
    return ranking_of(deal, coop, template, context.openings)
