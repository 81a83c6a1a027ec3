"""What a person says under an agreement: report, correct, cancel, substitute, consent, and whether to go on.

Decides whether an own persona may say it now; refusals are CommandErrors raised before anything has changed.
Spec: 09-accountability, AGR-3 and AGR-11 to AGR-19.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol import commands as ask
from protocol.coop.template import money
from protocol.deal.award import Agreement
from protocol.deal.fulfilment import Account, accounts, cancel_slot, consent_slot, offers_to
from protocol.deal.life import Deal
from protocol.engine.context import Context
from protocol.engine.coop.floor import find_question
from protocol.engine.core import Core
from protocol.engine.deal.signing import deal_context
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.identity import Persona
from protocol.record.record import Record, Slot


def report(core: Core, command: ask.Report) -> dict[str, Any]:
    """An economic event under an agreement."""
    context, deal = _agreed(core, command.deal, "AGR-3", "report")
    persona, about = _side(core, deal, command.member, "AGR-3", "report")
    body: dict[str, Any] = {
        "agreement": about.hash,
        "action": command.action,
        "member": command.member,
        "quantity": command.quantity,
        "reference": command.reference,
    }
    if command.action == "correct" or command.corrects:
        earlier = context.log.records.get(command.corrects)
        own = earlier is not None and earlier.kind == "event.1" and earlier.author == persona.key
        same = own and earlier is not None and earlier.body["member"] == command.member
        if command.action != "correct" or not same or earlier is None or earlier.body["action"] == "correct":
            raise CommandError("AGR-11", "correct: name a report of your own about this member that is no correction")
        body["corrects"] = command.corrects
    return {"id": _say(core, context, deal, persona, "event.1", body).id}


def cancel(core: Core, command: ask.Cancel) -> dict[str, Any]:
    """End a share by the agreed terms, and say what stays owed."""
    context, deal = _agreed(core, command.deal, "AGR-13", "cancel")
    member = command.member or next((key for key in core.personas if deal.agreement_of(key)), b"")
    persona, about = _side(core, deal, member, "AGR-13", "cancel")
    if not command.reason:
        raise CommandError("AGR-13", "reason: say why, so that the other side can do better")
    body = {
        "agreement": about.hash,
        "member": member,
        "ends": command.ends,
        "reason": command.reason,
        "remark": command.remark,
    }
    record = _say(core, context, deal, persona, "cancel.1", body, cancel_slot(about.hash, member))
    line = next(one for one in accounts(context.log, about.terms) if one.member == member)
    template = core.settings.templates.get(deal.rfq.body["template"])
    currency = template.currency if template is not None else ""
    return {"id": record.id, "ends": line.ends, "fee_minor": line.fee_minor, "says": _left(line, currency)}


def substitute(core: Core, command: ask.Substitute) -> dict[str, Any]:
    """As supplier: another article for those who consent."""
    context, deal = _agreed(core, command.deal, "AGR-16", "substitute")
    about = next((one for one in deal.agreements if one.supplier in core.personas), None)
    if about is None:
        raise CommandError("AGR-16", "substitute: only a supplier under an agreement of this deal can offer one")
    if not 0 <= command.unit_price_minor <= about.terms.unit_price_minor:
        raise CommandError("AGR-16", "price: a substitute must not be dearer than what was agreed")
    members = [member for member, _ in about.terms.shares]
    if any(one not in members for one in command.members):
        raise CommandError("AGR-16", "members: somebody has no share under this agreement")
    body = {
        "agreement": about.hash,
        "members": sorted(dict.fromkeys(command.members)),
        "article": command.article,
        "attributes": dict(command.attributes),
        "unit_price_minor": command.unit_price_minor,
        "remark": command.remark,
    }
    return {"id": _say(core, context, deal, core.personas[about.supplier], "substitute.1", body).id}


def consent(core: Core, command: ask.Consent) -> dict[str, Any]:
    """Answer a substitute, for oneself."""
    context, deal = _agreed(core, command.deal, "AGR-17", "consent")
    offer = context.log.records.get(command.substitute)
    for key in core.personas:
        about = deal.agreement_of(key)
        if offer is not None and about is not None and offers_to(about.terms, offer, key):
            body = {"substitute": offer.id, "answer": command.answer}
            slot = consent_slot(offer.id)
            return {"id": _say(core, context, deal, core.personas[key], "consent.1", body, slot).id}
    raise CommandError("AGR-17", "substitute: there is none of this id that is offered to you")


def answer_renewal(core: Core, command: ask.AnswerRenewal) -> dict[str, Any]:
    """Say in the poll whether one would go on."""
    context, deal = _agreed(core, command.deal, "AGR-18", "renew")
    question = find_question(deal.open, "renewals")
    if question is None or not question.closes - deal.times["renew_ms"] <= core.now <= question.closes:
        raise NotNow("AGR-18", f"renew: the poll is not open now (the deal is {deal.state})")
    key = next((key for key in core.personas if deal.agreement_of(key)), None)
    if key is None:
        raise CommandError("AGR-18", "renew: only members with a share are asked")
    if command.answer != "renew" and not command.reason:
        raise CommandError("AGR-18", "reason: say why, so that the next co-op can do better")
    body = {"rfq": deal.rfq.id, "answer": command.answer, "reason": command.reason, "remark": command.remark}
    return {"id": _say(core, context, deal, core.personas[key], "renewal.1", body, "renewal").id}


def _agreed(core: Core, named: bytes, code: str, what: str) -> tuple[Context, Deal]:
    context, deal = deal_context(core, named)
    if not deal.agreements:
        raise NotNow(code, f"{what}: there is no agreement yet (the deal is {deal.state})")
    return context, deal


def _side(core: Core, deal: Deal, member: bytes, code: str, what: str) -> tuple[Persona, Agreement]:
    """The own persona that is one of the two sides of a member's share."""
    about = deal.agreement_of(member)
    parties = (about.supplier, member) if about is not None else ()
    key = next((key for key in parties if key in core.personas), None)
    if key is None or about is None:
        raise CommandError(code, f"{what}: only the supplier, or a member about their own share, can say that")
    return core.personas[key], about


def _say(
    core: Core, context: Context, deal: Deal, persona: Persona, kind: str, body: Mapping[str, Any], slot: str = ""
) -> Record:
    until, refs = deal.rfq.header.expires, (deal.rfq.id,)
    where = Slot("once", slot, 0) if slot else None
    try:
        return core.say(persona, kind, context.scope, body, until=until, slot=where, refs=refs, human=True)
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None


def _left(line: Account, currency: str) -> str:
    """What a cancellation comes to, in one sentence."""
    fee = f", a fee of {money(line.fee_minor, currency)} included" if line.fee_minor else ", without a fee"
    return f"Cancelled: {line.owed} units and {money(line.price_minor, currency)} in all stay owed{fee}."
