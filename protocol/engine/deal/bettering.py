"""The last round of a tender: the negotiator's counter-offers, the suppliers' final quotations.

Decides whether an own persona may say it now: a counter-offer never beyond the mandate, a final quotation never worse
than the first nor below the supplier's own floor. Refusals are CommandErrors raised before anything has changed.
Spec: 08-negotiation, NEG-80 to NEG-85.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from protocol import commands as ask
from protocol.coop.box import Question
from protocol.coop.coop import Coop
from protocol.coop.template import Template, money
from protocol.deal.counter import check_limits, counter_slot, counters_of
from protocol.deal.final import check_better, met
from protocol.deal.life import Deal
from protocol.deal.negotiation import NONCE_BYTES, Quotation, parse, read
from protocol.deal.tender import handed_in
from protocol.deal.term import Terms, successor_slot, terms_of
from protocol.encoding import decode, encode
from protocol.engine.context import Context
from protocol.engine.coop.floor import find_question
from protocol.engine.core import Core
from protocol.engine.deal import supplying
from protocol.engine.deal.dealing import coop_of, ranking_of_deal
from protocol.engine.deal.shop import rules_of
from protocol.engine.deal.signing import deal_context
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.record.record import Record, Slot


def attend(core: Core, context: Context) -> None:
    """Take up a counter-offer by the supplier's standing rule, as far as its floor allows (NEG-85)."""
    deal = context.deal(core.settings)
    question = find_question(deal.open, "finals") if deal is not None else None
    if deal is None or question is None or core.now > question.closes or rules_of(core).mode != "auto":
        return
    first, fact = _first(core, context, deal), f"final/{context.scope}"
    mine = [one for one in counters(core, context, deal) if one.body["supplier"] == core.me.key]
    if first is None or not mine or fact in core.facts:
        return
    try:
        if not supplying.floor(core, deal, first.reference):
            raise CommandError("NEG-85", "counter-offer: without a floor for the article it waits for a person")
        _say_final(core, context, deal, first, met(first, mine[0].body["price_minor"], mine[0].body["quantity"]))
    except CommandError as error:
        core.keep(fact, encode([b"", b""]))
        core.notify("uncountered", deal=deal.mandate.deal, code=error.code, message=error.message)


def counter(core: Core, command: ask.Counter) -> dict[str, Any]:
    """As negotiator, say to one supplier, before all sides, at which price and quantity this co-op would close."""
    context, deal = deal_context(core, command.deal)
    _open(core, deal)
    terms = terms_of(context.log, deal.rfq, deal.mandate, core.settings.network)
    persona, coop = core.personas.get(terms[-1].negotiator), coop_of(core, deal)
    if persona is None or coop is None or coop.limits is None:
        raise CommandError("NEG-80", "counter: you hold no mandate in this deal now")
    if core.now > terms[-1].expires:
        raise CommandError("NEG-80", "counter: the mandate has ended")
    if all(one.author != command.supplier for one in deal.drawn):
        raise CommandError("NEG-80", "supplier: has not quoted in this deal")
    body = {"rfq": deal.rfq.id, "term": terms[-1].term, "supplier": command.supplier}
    body |= {"price_minor": command.price_minor, "quantity": command.quantity, "text": command.text}
    slot, until = Slot("once", counter_slot(command.supplier), 0), deal.rfq.header.expires
    refs = (deal.rfq.id, *_passed_on(context, terms))
    try:
        check_limits(command.price_minor, command.quantity, coop.limits)
        record = core.say(persona, "counter.1", context.scope, body, until=until, slot=slot, refs=refs, human=True)
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None
    return {"id": record.id}


def final(core: Core, command: ask.Final) -> dict[str, Any]:
    """As supplier, seal a last word that is no worse than the first quotation."""
    context, deal = deal_context(core, command.deal)
    _open(core, deal)
    first = _first(core, context, deal)
    if first is None:
        raise CommandError("NEG-82", "final: this node has quoted nothing in this deal that counts")
    changed = replace(first, ladder=command.ladder or first.ladder, capacity=command.capacity or first.capacity)
    return {"id": _say_final(core, context, deal, first, changed).id}


def waiting(core: Core, context: Context, deal: Deal, coop: Coop | None) -> list[dict[str, Any]]:
    """The last round, for the negotiator and for each supplier who quoted (NEG-80, NEG-82)."""
    question, found = find_question(deal.open, "finals"), list[dict[str, Any]]()
    if question is None or core.now > question.closes:
        return found
    said, until = counters(core, context, deal), {"until": question.closes}
    asked = [one.body["supplier"] for one in said]
    ranking = ranking_of_deal(core, context, deal, coop) if coop is not None else None
    terms = terms_of(context.log, deal.rfq, deal.mandate, core.settings.network)
    if terms[-1].negotiator in core.personas and any(one.author not in asked for one in deal.drawn):
        best = f"; the best so far: {ranking.explain(_template(core, deal))[0]}" if ranking and ranking.ranked else ""
        says = f"You may say to each supplier, before all sides, at which price you would close{best}."
        silence = "Suppliers may still go lower by themselves."
        found.append({"kind": "counter", "says": says, "silence": silence} | until)
    if _first(core, context, deal) is None or context.log.slot("quotation.1", core.me.key, "final"):
        return found
    says = "You may better your quotation once, sealed; it may be worse in nothing."
    for one in (one for one in said if one.body["supplier"] == core.me.key):
        price = money(one.body["price_minor"], _template(core, deal).currency)
        says += f" The negotiator would close at {price} for {one.body['quantity']}."
    return [*found, {"kind": "final", "says": says, "silence": "What you quoted first stands."} | until]


def counters(core: Core, context: Context, deal: Deal) -> tuple[Record, ...]:
    """The counter-offers that stand under the mandate in force."""
    terms = terms_of(context.log, deal.rfq, deal.mandate, core.settings.network)
    return counters_of(context.log, deal.rfq.id, terms)


def _open(core: Core, deal: Deal) -> Question:
    question = find_question(deal.open, "finals")
    if question is None or core.now > question.closes:
        raise NotNow("NEG-82", f"there is no last round now (the deal is {deal.state})")
    return question


def _passed_on(context: Context, terms: Terms) -> tuple[bytes, ...]:
    """The record that shows this scope a later term's mandate, so that who lacks it waits for it (GOS-6)."""
    slot = successor_slot(terms[-1].term)
    held = [one.id for one in context.log.of_kind("mandate.1") if one.header.slot and one.header.slot.name == slot]
    return tuple(sorted(held)[:1]) if len(terms) > 1 else ()


def _template(core: Core, deal: Deal) -> Template:
    return core.settings.templates[deal.rfq.body["template"]]


def _first(core: Core, context: Context, deal: Deal) -> Quotation | None:
    """What this node's supplier quoted, if that counts."""
    kept = core.facts.get(f"quote/{context.scope}")
    if kept is None or all(one.author != core.me.key for one in deal.drawn):
        return None
    return read(decode(kept)[1], _template(core, deal))


def _say_final(core: Core, context: Context, deal: Deal, first: Quotation, changed: Quotation) -> Record:
    template, fact = _template(core, deal), f"final/{context.scope}"
    if context.log.slot("quotation.1", core.me.key, "final"):
        raise CommandError("REC-14", "final: you have said your last word already, and once is final")
    try:
        last = parse(changed.to_mapping(), template)
        check_better(first, last, template)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    supplying.check_offer(core, context.scope, deal, last, template)
    nonce, data = core.entropy(NONCE_BYTES), last.to_bytes()
    core.keep(fact, encode([nonce, data]))
    body = handed_in(deal, core.me.key, nonce, data, core.entropy)
    until, slot = deal.rfq.header.expires, Slot("once", "final", 0)
    record = core.say(core.me, "quotation.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))
    supplying.promise(core, context, deal, last)
    return record
