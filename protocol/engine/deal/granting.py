"""Leave to use a member's details: given by both sides' halves, taken back by the member, receipted by the supplier.

Decides which half an own persona may sign now; signs a supplier's standing half by itself, and a member's only at the
member's word. Spec: 20-consent, CNS-10 to CNS-20.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from protocol import commands as ask
from protocol.deal.award import Agreement
from protocol.deal.life import Deal
from protocol.deal.negotiation import read as read_quotation
from protocol.engine.consent import all_flows, fault_of, own_flows, standard, taken_by, use_of
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.deal import detailing
from protocol.engine.deal.detailing import GONE, own_agreement, say_detail, send_under
from protocol.engine.deal.shop import shop
from protocol.engine.deal.signing import deal_context
from protocol.errors import CommandError, NotNow, Reject
from protocol.identity import Persona
from protocol.params import DAY_MS, RELS_MAX
from protocol.record.record import Record, Slot
from protocol.trust.consent import Flow, halves, number_of, rel_hash, usage_slot

SHOWN_MAX = 8  # of one deal that a person is asked about at a time


def attend(core: Core, context: Context) -> None:
    """A supplier's half beside its intake, and receipts of what came; a member's details once both halves stand."""
    deal = context.deal(core.settings)
    if deal is None or core.now >= deal.rfq.header.expires:
        return
    gone = deal.state in GONE
    mine = deal.agreement_with(core.me.key)
    if mine is not None and context.log.slot("intake.1", core.me.key, "intake"):
        if not gone:
            _offer(core, context, deal, mine)
        came = detailing.read(core, context, mine)
        for flow in all_flows(context, mine) if came else ():
            good = flow.member in came and flow.held and flow.state(core.now) == "agreed"
            if good and "received" not in flow.receipts:
                _receipt(core, context, deal, flow, "received")
    for key in core.personas:
        agreed = deal.agreement_of(key)
        for flow in own_flows(context, agreed, key) if agreed is not None else ():
            _keep_to(core, context, deal, flow, gone)


def _keep_to(core: Core, context: Context, deal: Deal, flow: Flow, gone: bool) -> None:
    """Send what both sides agreed on, and empty what is over or revoked (CNS-16)."""
    try:
        if flow.state(core.now) == "agreed":
            context.wake_at(flow.body["until"])
            if flow.detail is None and detailing.FACT in core.facts and not (gone and flow.plain):
                send_under(core, context, deal, flow)
        elif flow.held:
            say_detail(core, context, deal, flow, b"")
    except CommandError:  # this device is silent (KEP-11), or the supplier's key is none: the member may say it by hand
        return


def _offer(core: Core, context: Context, deal: Deal, agreed: Agreement) -> None:
    """CNS-15: one half by the data terms that this supplier accepts, one by its alternative if a member took that."""
    said = halves(context.log, agreed.supplier, agreed.hash)
    accepted, instead = _answered(core, context, deal)
    took = [taken_by(deal, member) for member, _ in agreed.allocation.shares]
    wanted = [accepted] if "" in took else []
    for terms in [*wanted, [instead]] if instead in took and instead else wanted:
        body = standard(core, deal, agreed, terms)
        if body["purposes"] and body["fields"] and rel_hash(body) not in said:
            try:
                _sign(core, context, deal, core.me, body)
            except CommandError:  # silent (KEP-11), or every slot is used by its own grants
                return


def _answered(core: Core, context: Context, deal: Deal) -> tuple[list[str], str]:
    """Which of the request's data terms this supplier's quotation accepts, and its alternative (CNS-7)."""
    kept = shop(core).deals.get(context.scope, {}).get("quotation")
    template = core.settings.templates.get(deal.rfq.body["template"])
    if not kept or template is None:
        return list(deal.asked.terms), ""
    quotation = read_quotation(kept, template)
    return [one for one in deal.asked.terms if one in quotation.terms], quotation.instead


def send(core: Core, command: ask.SendDetails) -> dict[str, Any]:
    """The member's half to what the supplier may do, and then the details under it, and under all that both agreed."""
    context, deal, member = own_agreement(core, command.deal)
    agreed = deal.agreement_of(member)
    assert agreed is not None
    if deal.state in GONE:
        raise NotNow("SUP-34", f"details: this deal is {deal.state}; nobody needs them any more")
    if detailing.box_of(context, agreed.supplier, agreed.hash) is None:
        raise NotNow("SUP-31", "details: the supplier of your agreement has not signed and asked for them (yet)")
    if detailing.FACT not in core.facts:
        raise CommandError("SUP-32", "details: there are none yet; say them by `wltm details set`")
    flow = _proposed(core, context, deal, agreed, member)
    if flow.ours is None:
        _sign(core, context, deal, core.personas[member], flow.body)
    ready = [one for one in own_flows(context, agreed, member) if one.state(core.now) == "agreed"]
    said = [send_under(core, context, deal, one) for one in ready]
    return {"id": said[0].id, "supplier": agreed.supplier, **_told(core, flow)}


def _proposed(core: Core, context: Context, deal: Deal, agreed: Agreement, member: bytes) -> Flow:
    """The supplier's half under which this agreement is carried out. Raises NotNow or CommandError CNS-14."""
    why = "the supplier of your agreement has not signed what it may do with them (yet)"
    for flow in own_flows(context, agreed, member):
        if flow.theirs is None or flow.state(core.now) not in ("asked", "agreed"):
            continue
        fault = fault_of(core, deal, agreed, flow)
        if not fault:
            return flow
        why = f"what the supplier would sign is not what you agreed to: {fault}"
    raise NotNow("CNS-14", f"details: {why}")


def blank(core: Core, command: ask.BlankDetails) -> dict[str, Any]:
    """Take back whatever was sent, and what allowed it (SUP-34, CNS-16)."""
    context, deal, member = own_agreement(core, command.deal)
    agreed = deal.agreement_of(member)
    assert agreed is not None
    held = [one for one in own_flows(context, agreed, member) if one.held]
    if not held:
        raise NotNow("SUP-34", "details: none of yours are there")
    said = [_revoke(core, context, deal, one) for one in held]
    return {"id": said[0].id}


def grant(core: Core, command: ask.Grant) -> dict[str, Any]:
    """A member's leave for something beyond the agreement, or a supplier's wish for it: one half of two (CNS-18)."""
    context, deal, agreed, persona = _side(core, command.deal)
    days = command.days
    if not 1 <= days <= 3660:
        raise CommandError("CNS-18", "days: from 1 to 3660")
    until = min((core.now // DAY_MS + days + 1) * DAY_MS, deal.rfq.header.expires)
    body = {"agreement": agreed.hash, "terms": [], "until": until}
    body |= {name: sorted(dict.fromkeys(getattr(command, name))) for name in ("purposes", "fields")}
    if rel_hash(body) in halves(context.log, persona.key, agreed.hash):
        raise CommandError("CNS-18", "grant: you signed the same already")
    record = _sign(core, context, deal, persona, body)
    return {"id": record.id, "grant": rel_hash(body), "until": until}


def accept(core: Core, command: ask.AcceptGrant) -> dict[str, Any]:
    """The other half, to the word. Raises CommandError CNS-18."""
    context, deal, agreed, persona = _side(core, command.deal)
    member = persona.key if agreed.supplier != persona.key else command.member
    found = [one for one in own_flows(context, agreed, member) if one.rel == command.grant]
    if not found:
        raise CommandError("CNS-18", "grant: there is none like this in that deal; `wltm grant list` shows them")
    ours = found[0].theirs if agreed.supplier == persona.key else found[0].ours
    if ours is not None or found[0].state(core.now) not in ("asked", "offered"):
        raise CommandError("CNS-18", f"grant: it is {found[0].state(core.now)}; there is nothing to accept")
    record = _sign(core, context, deal, persona, found[0].body)
    return {"id": record.id, "grant": command.grant, "until": found[0].body["until"]}


def revoke(core: Core, command: ask.RevokeGrant) -> dict[str, Any]:
    """Take a leave back: what was sealed is emptied, and a receipt is due (CNS-16)."""
    context, deal, member = own_agreement(core, command.deal)
    agreed = deal.agreement_of(member)
    assert agreed is not None
    flow = next((one for one in own_flows(context, agreed, member) if one.rel == command.grant), None)
    if flow is None or flow.ours is None:
        raise CommandError("CNS-16", "grant: you signed none like this in that deal; `wltm grant list` shows them")
    if flow.revoked is not None:
        raise CommandError("CNS-16", "grant: you took it back already")
    return {"id": _revoke(core, context, deal, flow).id, "grant": flow.rel}


def receipt(core: Core, command: ask.ReceiptUse) -> dict[str, Any]:
    """As a supplier: what was done with members' details, or that they are erased (CNS-17, CNS-19)."""
    context, deal = deal_context(core, command.deal)
    agreed = deal.agreement_with(core.me.key)
    if agreed is None:
        raise NotNow("CNS-19", f"receipt: there is no agreement with you (the deal is {deal.state})")
    count, erased = 0, command.act == "erased"
    for flow in all_flows(context, agreed):
        due = flow.revoked is not None if erased else flow.held and flow.state(core.now) == "agreed"
        if not due or command.act in flow.receipts or command.member not in (b"", flow.member):
            continue
        if not erased and command.act not in ("received", *flow.body["purposes"]):
            raise CommandError("CNS-19", f"act: {command.act} is not what you may use these details for")
        _receipt(core, context, deal, flow, command.act)
        count += 1
    if not count:
        raise NotNow("CNS-19", "receipt: there is nothing to say that of")
    return {"receipts": count}


def grants(core: Core) -> list[dict[str, Any]]:
    """Every use that an own persona and its other side speak of, in all deals, the newest first."""
    found = []
    for _, deal, _, known in own_sides(core):
        for flow in known:
            if flow.ours is None and flow.member not in core.personas:
                continue  # a supplier need not see its standing half for each member who has not answered
            since = max(one.header.created for one in (flow.ours, flow.theirs) if one is not None)
            base = {"deal": deal.mandate.deal, "member": flow.member, "supplier": flow.supplier, "grant": flow.rel}
            found.append(base | _told(core, flow) | {"since": since})
    return sorted(found, key=lambda one: (-one["since"], one["grant"], one["member"]))


def flow_of(core: Core, command: ask.AskFlow) -> dict[str, Any]:
    """What would go to whom, for what and until when, if the member said so now. Raises NotNow or CommandError."""
    context, deal, member = own_agreement(core, command.deal)
    agreed = deal.agreement_of(member)
    assert agreed is not None
    flow = _proposed(core, context, deal, agreed, member)
    return {"deal": command.deal, "supplier": agreed.supplier, "grant": flow.rel} | _told(core, flow)


def needs(core: Core) -> list[dict[str, Any]]:
    """Details that are asked for, grants that wait for the other half, and receipts that a supplier owes."""
    found = []
    for context, deal, agreed, known in own_sides(core):
        base = {"id": deal.mandate.deal, "deal": deal.mandate.deal, "coop": deal.mandate.charter[:16]}
        asked = [(flow.member, _need(core, context, deal, agreed, flow)) for flow in known]
        asked = [(member, one) for member, one in asked if one][:SHOWN_MAX]
        found += [base | {"supplier": agreed.supplier, "member": member} | one for member, one in asked]
    return found


def _need(core: Core, context: Context, deal: Deal, agreed: Agreement, flow: Flow) -> dict[str, Any]:
    state, member = flow.state(core.now), flow.member in core.personas
    if deal.state in GONE and flow.plain and state in ("asked", "offered"):
        return {}
    if member and state == "asked":
        plain = flow.plain
        silence = "It does not learn where to deliver." if plain else "It may not."
        ready = not fault_of(core, deal, agreed, flow) if plain else True
        if plain and not (ready and detailing.box_of(context, agreed.supplier, agreed.hash)):
            return {}
        more = {"kind": "details" if plain else "grant", "until": min(flow.body["until"], deal.rfq.header.expires)}
        return more | _told(core, flow) | {"grant": flow.rel, "silence": silence}
    if member or flow.ours is None:
        return {}
    if state == "offered":
        more = {"kind": "grant", "until": flow.body["until"], "silence": "You may not use them so."}
        return more | _told(core, flow) | {"grant": flow.rel}
    if state in ("revoked", "unanswered") and flow.received:
        says = f"{flow.member.hex()[:8]} took its details back: erase them, and say so."
        told = {"kind": "erase", "until": flow.answer_by, "says": says, "grant": flow.rel}
        return told | {"silence": "The member sees that you gave no receipt."}
    return {}


def _told(core: Core, flow: Flow) -> dict[str, Any]:
    """A use in words and as data."""
    body, days = flow.body, max(0, flow.body["until"] - core.now) // DAY_MS
    use = use_of(core, body["terms"])
    what, why = ", ".join(body["fields"]), ", ".join(body["purposes"])
    own = flow.member in core.personas
    whose = f"Your {what} would go, sealed, to your supplier" if own else f"{flow.member.hex()[:8]}'s {what}"
    sharing = "nobody else" if use.sharing == "nobody" else "nobody else but who carries it out"
    says = f"{whose} for {why}, until {days} days from now; {sharing} may have them."
    given = {"terms": list(body["terms"]), "purposes": list(body["purposes"]), "fields": list(body["fields"])}
    times = {"use_until": body["until"], "answer_by": flow.answer_by}
    acts = {act: one.header.created for act, one in flow.receipts.items()}
    return given | times | {"sharing": use.sharing, "state": flow.state(core.now), "receipts": acts, "says": says}


def own_sides(core: Core) -> list[tuple[Context, Deal, Agreement, tuple[Flow, ...]]]:
    """Each agreement that an own persona is a side of, with what is spoken of there."""
    found = []
    for context in core.contexts.values():
        deal = context.deal(core.settings) if context.family == "deal" else None
        for agreed in deal.agreements if deal is not None else ():
            members = [member for member, _ in agreed.allocation.shares if member in core.personas]
            sells = agreed.supplier in core.personas
            if deal is not None and (members or sells):
                known = [] if sells else [one for key in members for one in own_flows(context, agreed, key)]
                found.append((context, deal, agreed, all_flows(context, agreed) if sells else tuple(known)))
    return found


def _side(core: Core, deal: bytes) -> tuple[Context, Deal, Agreement, Persona]:
    """An agreement of this deal that an own persona is a side of, and which. Raises CommandError or NotNow."""
    context, view = deal_context(core, deal)
    for key, persona in core.personas.items():
        agreed = view.agreement_with(key) or view.agreement_of(key)
        if agreed is not None:
            return context, view, agreed, persona
    raise NotNow("CNS-18", f"grant: you are no side of an agreement here (the deal is {view.state})")


def _sign(core: Core, context: Context, deal: Deal, persona: Persona, body: Mapping[str, Any]) -> Record:
    """A half, in the first slot that is free. Raises CommandError CNS-11 or REC-11."""
    used = {number_of(one) for one in context.log.by(persona.key, "rel.1")}
    free = next((number for number in range(RELS_MAX) if number not in used), None)
    if free is None:
        raise CommandError("CNS-11", f"grant: you signed {RELS_MAX} in this deal already, and no more are read")
    slot, until = Slot("once", f"rel/{free}", 0), deal.rfq.header.expires
    try:
        return core.say(
            persona, "rel.1", context.scope, dict(body), until=until, slot=slot, refs=(deal.rfq.id,), human=True
        )
    except Reject as error:
        raise CommandError(error.code, error.message) from None


def _revoke(core: Core, context: Context, deal: Deal, flow: Flow) -> Record:
    """What was sealed is emptied first, so that nothing stands there that may not."""
    emptied = say_detail(core, context, deal, flow, b"") if flow.held else None
    if flow.revoked is not None:
        assert emptied is not None
        return emptied
    body = {"agreement": flow.body["agreement"], "rel": flow.rel}
    slot, until, refs = Slot("once", f"revoke/{flow.number}", 0), deal.rfq.header.expires, (deal.rfq.id,)
    persona = core.personas[flow.member]
    return core.say(persona, "revoke.1", context.scope, body, until=until, slot=slot, refs=refs, human=True)


def _receipt(core: Core, context: Context, deal: Deal, flow: Flow, act: str) -> None:
    body = {"agreement": flow.body["agreement"], "rel": flow.rel, "member": flow.member, "act": act}
    slot, until = Slot("once", usage_slot(flow.rel, flow.member, act), 0), deal.rfq.header.expires
    core.volunteer(core.me, "usage.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {
    ask.SendDetails: send,
    ask.BlankDetails: blank,
    ask.Grant: grant,
    ask.AcceptGrant: accept,
    ask.RevokeGrant: revoke,
    ask.ReceiptUse: receipt,
    ask.AskGrants: lambda core, _: grants(core),
    ask.AskFlow: flow_of,
}
