"""What a person says under an award: commit, decline, step in.

Decides whether an own persona may say it now, within its boundaries; refusals are CommandErrors raised before anything
has changed. Spec: 08-negotiation, NEG-51, NEG-52 and NEG-110 to NEG-114.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from protocol import commands as ask
from protocol.coop.coop import Coop
from protocol.deal.award import Award
from protocol.deal.life import Deal, deal_scope
from protocol.deal.repair import grows, seat
from protocol.deal.specification import own_requirements
from protocol.engine.context import Context
from protocol.engine.coop.floor import find_question, mark, marker_name
from protocol.engine.core import Core
from protocol.engine.deal.agreeing import other_terms, taken
from protocol.engine.deal.dealing import computed_award, coop_of, ranking_of_deal
from protocol.errors import CommandError, NotNow, Reject
from protocol.identity import Persona
from protocol.record.record import Record, Slot


def commit(core: Core, command: ask.Commit) -> dict[str, Any]:
    """Sign under the award, after this node has computed it again and found the same."""
    context, deal = deal_context(core, command.deal)
    persona, coop = _awarded(core, context, deal)
    if deal.award is None or computed_award(core, context, deal, coop) != deal.award.value:
        raise CommandError("NEG-50", "commit: this node cannot compute the certified award; try again soon, or decline")
    own = next(one for one in coop.demands if one.member == persona.key)
    part = deal.award.part_of(persona.key)
    assert part is not None
    _check_suited(core, context, deal, coop, own.member, part.quotation)
    more = taken(core, other_terms(core, context, deal, coop, own.member, part.quotation), command.terms)
    _check_unused(core, persona, coop)
    record = _answer(core, context, deal, coop, persona, "commit", "", "", more)
    mark(core, persona, coop, "commitment-marker.1", "once")
    return {"id": record.id, "award": deal.award.hash, "price_minor": part.unit_price_minor}


def decline(core: Core, command: ask.Decline) -> dict[str, Any]:
    """Say no under the award, with a reason."""
    context, deal = deal_context(core, command.deal)
    persona, coop = _awarded(core, context, deal)
    if not command.reason:
        raise CommandError("NEG-52", "reason: say why, so that the others can do better")
    return {"id": _answer(core, context, deal, coop, persona, "decline", command.reason, command.remark).id}


def repair(core: Core, command: ask.Repair) -> dict[str, Any]:
    """Step in, or take more, after a rung fell (NEG-114)."""
    context, deal = deal_context(core, command.deal)
    question, coop, award = find_question(deal.open, "repairs"), coop_of(core, deal), deal.award
    if question is None or core.now > question.closes or award is None or coop is None:
        raise NotNow("NEG-111", f"repair: there is no round to step into now (the deal is {deal.state})")
    asked = (*award.members, *award.reserve)
    own = next((one for one in coop.demands if one.member in core.personas and one.member in asked), None)
    if own is None:
        raise CommandError("NEG-111", "repair: you pledged nothing in this co-op")
    persona, part = core.personas[own.member], seat(award, own.member, command.supplier or None)
    if part is None:
        raise CommandError("NEG-111", "supplier: name one of the award's suppliers, for you have a lot with none")
    if computed_award(core, context, deal, coop) != award.value:
        raise CommandError("NEG-50", "repair: this node cannot compute the certified award; try again soon")
    before = next((one.body for one in deal.commitments if one.author == own.member), None)
    bound = before if before is not None and before["answer"] == "commit" else None
    body = _commitment(deal, award, bound or asdict(own), "commit")
    chosen = {name: getattr(command, name) for name in ("want", "tolerate", "least", "price_max_minor")}
    body |= {name: number for name, number in chosen.items() if number is not None}
    if body["least"] > body["want"]:
        raise CommandError("NEG-10", "least: must not be above want")
    if bound is not None and not grows(bound, body):
        raise CommandError("NEG-112", "repair: you committed already; the round can only add to that")
    _check_suited(core, context, deal, coop, own.member, part.quotation)
    said = command.terms or (bound or {}).get("terms", "")
    body |= taken(core, other_terms(core, context, deal, coop, own.member, part.quotation), said)
    _check_unused(core, persona, coop)
    if not award.part_of(own.member):
        body["supplier"] = part.supplier
    record = _say_commitment(core, context, deal, persona, body, "repair")
    if bound is None:
        mark(core, persona, coop, "commitment-marker.1", "once")
    return {"id": record.id, "award": award.hash, "price_minor": part.unit_price_minor}


def deal_context(core: Core, deal: bytes) -> tuple[Context, Deal]:
    """A deal that this node follows; raises CommandError NEG-40."""
    context = core.contexts.get(deal_scope(deal))
    view = context.deal(core.settings) if context is not None else None
    if context is None or view is None:
        raise CommandError("NEG-40", f"deal: {deal.hex()[:8]} is not known here (yet)")
    return context, view


def _awarded(core: Core, context: Context, deal: Deal) -> tuple[Persona, Coop]:
    coop = coop_of(core, deal)
    question = find_question(deal.open, "commitments")
    if question is None or core.now > question.closes or deal.award is None or coop is None:
        raise NotNow("NEG-51", f"there is no award to answer now (the deal is {deal.state})")
    persona = next((core.personas[key] for key in deal.award.members if key in core.personas), None)
    if persona is None:
        raise CommandError("NEG-51", "the award holds no lot for you")
    return persona, coop


def _answer(
    core: Core,
    context: Context,
    deal: Deal,
    coop: Coop,
    persona: Persona,
    answer: str,
    reason: str,
    remark: str,
    more: dict[str, str] | None = None,
) -> Record:
    own = next(one for one in coop.demands if one.member == persona.key)
    assert deal.award is not None
    body = _commitment(deal, deal.award, asdict(own), answer) | {"reason": reason, "remark": remark} | (more or {})
    return _say_commitment(core, context, deal, persona, body, "commitment")


def _commitment(deal: Deal, award: Award, numbers: Mapping[str, Any], answer: str) -> dict[str, Any]:
    named = {name: numbers[name] for name in ("want", "tolerate", "least", "price_max_minor")}
    return {"rfq": deal.rfq.id, "award": award.hash, "answer": answer, "reason": "", "remark": "", **named}


def _say_commitment(
    core: Core, context: Context, deal: Deal, persona: Persona, body: Mapping[str, Any], slot: str
) -> Record:
    until, refs, where = deal.rfq.header.expires, (deal.rfq.id,), Slot("once", slot, 0)
    try:
        return core.say(persona, "commitment.1", context.scope, body, until=until, slot=where, refs=refs, human=True)
    except Reject as error:
        raise CommandError(error.code, error.message) from None


def _check_suited(core: Core, context: Context, deal: Deal, coop: Coop, member: bytes, quotation: bytes) -> None:
    """Nobody is bound to what their own intent rules out, whoever awarded it (NEG-73)."""
    ranking = ranking_of_deal(core, context, deal, coop)
    offers = ranking.offers if ranking is not None else ()
    chosen = next((one.quotation for one in offers if one.hash == quotation), None)
    template = core.settings.templates[deal.rfq.body["template"]]
    for wanted in own_requirements(coop, template).get(member, ()):
        if chosen is not None and not wanted.met_by(chosen.attributes[wanted.attribute]):
            raise CommandError("NEG-73", f"{wanted.attribute}: your own intent demands another; decline instead")


def _check_unused(core: Core, persona: Persona, coop: Coop) -> None:
    """An intent is used up by its commitment: to mark a second one would be an equivocation (FRM-30)."""
    intent = next(one.intent for one in coop.members if one.key == persona.key)
    marked = core.peek(intent.scope).slot("commitment-marker.1", persona.key, marker_name(intent))
    if any(one.body["roster"] != coop.roster for one in marked):
        raise CommandError("FRM-30", "commit: another co-op has this intent's commitment; decline, and say it anew")
