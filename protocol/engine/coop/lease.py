"""What a node signs by itself about a negotiator's term: a sign of life, a witness's lease, the word that it is over.

Decides by this node's own clock; what the signatures amount to is read in protocol/coop/term. A person recalls by a
command of its own. Spec: 07-election, ELE-41 to ELE-46.
"""

from __future__ import annotations

from typing import Any

from protocol.coop.coop import Coop, question_name, term_of
from protocol.coop.term import Term, end_due, lease_due, leased_until, own_until, recalled, recalls
from protocol.deal.life import DEAL_TERMINAL, Deal, deal_scope
from protocol.deal.term import successor_slot, terms_of
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.identity import Persona
from protocol.record.record import Slot


def attend(core: Core, context: Context, coop: Coop) -> None:
    """Say of the running term whatever own personas owe to it, as long as there is something left to negotiate."""
    term, deal = coop.running, deal_of(core, coop)
    if term is None or coop.mandate is None or (deal is not None and deal.state in DEAL_TERMINAL):
        return
    if core.now <= coop.mandate.expires:
        if term.lease_ms:
            _beat(core, context, coop, term)
        for key in coop.council.witnesses:
            persona = core.personas.get(key)
            if persona is not None:
                _witness(core, context, coop, term, persona)
    if deal is not None and coop.mandate.term > deal.mandate.term:
        _announce(core, context, coop, deal)


def deal_of(core: Core, coop: Coop) -> Deal | None:
    """The deal whose request the co-op certified, where it is known here."""
    scope = deal_scope(coop.request.body["deal"]) if coop.request is not None else ""
    deal = core.contexts[scope].deal(core.settings) if scope in core.contexts else None
    return deal if deal is not None and coop.request and deal.rfq.id == coop.request.body["rfq"] else None


def is_recalled(context: Context, coop: Coop) -> bool:
    """Whether more than half call for the end of the present mandate, before or after its request (ELE-42)."""
    return coop.mandate is not None and recalled(context.log, coop.keys, term_of(coop))


def view(context: Context, coop: Coop) -> dict[str, Any]:
    """What members may look at: until when the negotiator may act, and who calls for its end."""
    if coop.mandate is None:
        return {"lease_until": 0, "recalls": [], "recalls_needed": 0}
    term = term_of(coop)
    said = [
        {"member": one.author, "reason": one.body["reason"], "remark": one.body["remark"]}
        for one in recalls(context.log, coop.keys, term)
    ]
    until = leased_until(context.log, coop.council, term) if term.lease_ms else coop.mandate.expires
    return {"lease_until": until, "recalls": said, "recalls_needed": len(coop.keys) // 2 + 1}


def _beat(core: Core, context: Context, coop: Coop, term: Term) -> None:
    """As negotiator, show that this node is there (ELE-41)."""
    persona = core.personas.get(term.negotiator)
    if persona is None:
        return
    before = context.log.slot("heartbeat.1", persona.key, term.slot("heartbeat"))
    due = before[0].header.created + term.beat_ms if before else core.now
    if core.now >= due:
        _renew(core, context, coop, persona, "heartbeat.1", term, {})
        due = core.now + term.beat_ms
    context.wake_at(due)


def _witness(core: Core, context: Context, coop: Coop, term: Term, persona: Persona) -> None:
    """As witness, let the negotiator act for another while, or say that the term is over (ELE-41 to ELE-43)."""
    log, council = context.log, coop.council
    cause = end_due(log, council, coop.keys, persona.key, term, core.now)
    if cause is not None:
        body = {"roster": term.roster, "term": term.number, "cause": cause}
        until, slot = coop.charter.header.expires, Slot("once", term.slot("end"), 0)
        core.volunteer(persona, "end.1", context.scope, body, until=until, slot=slot, refs=(coop.charter.id,))
        return
    leased = lease_due(log, council, persona.key, term, core.now)
    if leased is not None:
        _renew(core, context, coop, persona, "lease.1", term, {"until": leased})
    if term.lease_ms and not term.held(log, "end.1", persona.key):
        context.wake_at(own_until(log, persona.key, term) + term.grace_ms)


def _renew(
    core: Core, context: Context, coop: Coop, persona: Persona, kind: str, term: Term, more: dict[str, int]
) -> None:
    """Say the next version of a heartbeat or lease."""
    name = term.slot(kind.partition(".")[0])
    before = context.log.slot(kind, persona.key, name)
    seq = before[0].header.slot.seq + 1 if before and before[0].header.slot else 0
    body = {"roster": term.roster, "term": term.number} | more
    until, slot = coop.charter.header.expires, Slot("latest", name, seq)
    core.volunteer(persona, kind, context.scope, body, until=until, slot=slot, refs=(coop.charter.id,))


def _announce(core: Core, context: Context, coop: Coop, deal: Deal) -> None:
    """Show the deal's scope who negotiates now: the new negotiator or a witness, while nobody has (ELE-46)."""
    mandate = coop.mandate
    assert mandate is not None
    about = core.context(deal.rfq.scope)
    if terms_of(about.log, deal.rfq, deal.mandate, core.settings.network)[-1].term >= mandate.term:
        return
    for key in (mandate.negotiator, *coop.council.witnesses):
        persona = core.personas.get(key)
        if persona is not None:
            decided = coop.decided[question_name("mandate", mandate.term)]
            votes = [context.log.records[one].raw for one in decided.votes]
            body = {"rfq": deal.rfq.id, "mandate": decided.value, "certificate": votes}
            until, slot = deal.rfq.header.expires, Slot("once", successor_slot(mandate.term), 0)
            core.volunteer(persona, "mandate.1", deal.rfq.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))
            return
