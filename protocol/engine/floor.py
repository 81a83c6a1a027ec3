"""What a person asks for inside a co-op or a deal: pledge, stand, vote, request, commit, decline, report, attest.

Decides whether an own persona may say it now, within its boundaries; refusals are CommandErrors raised before anything
has changed. Spec: 05-formation, FRM-29; 07-election, ELE-20 to ELE-33; 08-negotiation, NEG-40 to NEG-52.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol import commands as ask
from protocol.box import Question
from protocol.coop import Coop, question_name, slot_name
from protocol.deal import DEAL_TERMINAL, Deal, award_value, deal_scope
from protocol.encoding import encode
from protocol.engine.context import Context
from protocol.engine.core import Core, trust_scope
from protocol.engine.dealing import coop_of, ranking_of_deal
from protocol.engine.desk import board_scope, boundaries, coop_context, preference, template_of, within
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.identity import Persona
from protocol.negotiation import criteria
from protocol.offer import from_flat
from protocol.params import ATTESTATION_LIFE_MS, INTENT_LIFE_MS
from protocol.preference import from_levels
from protocol.record import Record, Slot
from protocol.template import Template

_WEIGHT_STEPS = 1 << 40  # the largest weight as an integer


def pledge(core: Core, command: ask.Pledge) -> dict[str, Any]:
    """Pledge on exactly this roster, and mark the intent as pledged on its board."""
    context, coop = coop_context(core, command.coop)
    persona = _member(core, coop)
    _open(core, coop, "pledges")
    within(core, price_minor=command.price_max_minor)
    _check_open_pledges(core)
    if command.least > command.want:
        raise CommandError("NEG-10", "least: must not be above want")
    body = {
        "roster": coop.roster,
        "want": command.want,
        "tolerate": command.tolerate,
        "least": command.least,
        "price_max_minor": command.price_max_minor,
    }
    record = _say(core, persona, "pledge.1", context, body, slot_name("pledge", coop.roster), coop)
    _mark(core, persona, coop, "pledge-marker.1", "latest")
    return {"id": record.id, "roster": coop.roster}


def stand(core: Core, command: ask.Stand) -> dict[str, Any]:
    """Stand for negotiator, interests and fee disclosed."""
    context, coop = coop_context(core, command.coop)
    persona = _member(core, coop)
    slot = slot_name("nomination", coop.roster)
    _open(core, coop, "candidates")
    if command.fee_minor > coop.charter.body["fee_max_minor"]:
        most = coop.charter.body["fee_max_minor"]
        raise CommandError("ELE-20", f"fee: the charter allows {most} at most")
    body = {
        "roster": coop.roster,
        "fee_minor": command.fee_minor,
        "interests": sorted(dict.fromkeys(command.interests)) or ["none"],
        "statement": command.statement,
        "language": command.language,
    }
    return {"id": _say(core, persona, "nomination.1", context, body, slot, coop).id}


def vote(core: Core, command: ask.Vote) -> dict[str, Any]:
    """Cast the one ranked ballot."""
    context, coop = coop_context(core, command.coop)
    persona = _member(core, coop)
    slot = slot_name("ballot", coop.roster)
    _open(core, coop, "ballots")
    running = [one.author for one in coop.candidates]
    named = [key for tier in command.ranking for key in tier]
    if not named or len(named) != len(dict.fromkeys(named)) or any(key not in running for key in named):
        raise CommandError("ELE-21", "ranking: name candidates of this co-op, each at most once and at least one")
    body = {"roster": coop.roster, "ranking": [sorted(tier) for tier in command.ranking if tier]}
    return {"id": _say(core, persona, "ballot.1", context, body, slot, coop).id}


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
    _say(core, persona, "deal.1", context, deal, slot_name("deal", mandate.deal), coop)
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


def commit(core: Core, command: ask.Commit) -> dict[str, Any]:
    """Sign under the award, after this node has computed it again and found the same."""
    context, deal = deal_context(core, command.deal)
    persona, coop = _awarded(core, context, deal)
    ranking = ranking_of_deal(core, context, deal, coop)
    if deal.award is None or ranking is None or award_value(deal, coop, ranking) != deal.award.value:
        raise CommandError("NEG-50", "commit: this node cannot compute the certified award; try again soon, or decline")
    own = next(one for one in coop.demands if one.member == persona.key)
    within(core, price_minor=own.price_max_minor, supplier=deal.award.supplier)  # the agreement may come out dearer
    _check_unused(core, persona, coop)
    record = _answer(core, context, deal, coop, persona, "commit", "", "")
    _mark(core, persona, coop, "commitment-marker.1", "once")
    return {"id": record.id, "award": deal.award.hash, "price_minor": deal.award.unit_price_minor}


def decline(core: Core, command: ask.Decline) -> dict[str, Any]:
    """Say no under the award, with a reason."""
    context, deal = deal_context(core, command.deal)
    persona, coop = _awarded(core, context, deal)
    if not command.reason:
        raise CommandError("NEG-52", "reason: say why, so that the others can do better")
    return {"id": _answer(core, context, deal, coop, persona, "decline", command.reason, command.remark).id}


def report(core: Core, command: ask.Report) -> dict[str, Any]:
    """An economic event under an agreement."""
    context, deal = deal_context(core, command.deal)
    if deal.award is None or not deal.agreement_hash:
        raise NotNow("AGR-3", f"report: there is no agreement yet (the deal is {deal.state})")
    parties = (deal.award.supplier, command.member)
    persona = next((core.personas[key] for key in parties if key in core.personas), None)
    share = deal.agreement.quantity_of(command.member) if deal.agreement else 0
    if persona is None or not share:
        raise CommandError("AGR-3", "report: only the supplier, or a member about its own share, can report")
    body = {
        "agreement": deal.agreement_hash,
        "action": command.action,
        "member": command.member,
        "quantity": command.quantity,
        "reference": command.reference,
    }
    until, refs = deal.rfq.header.expires, (deal.rfq.id,)
    try:
        record = core.say(persona, "event.1", context.scope, body, until=until, refs=refs, human=True)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    return {"id": record.id}


def attest(core: Core, command: ask.Attest) -> dict[str, Any]:
    """Say how the other side did, with the two signatures that show there was a deal (ATT-2)."""
    context, deal = deal_context(core, command.deal)
    if deal.award is None or not deal.agreement_hash:
        raise NotNow("ATT-1", f"attest: there is no agreement yet (the deal is {deal.state})")
    member = command.subject if command.role == "member" else next(iter(core.personas))
    subjects = {"supplier": deal.award.supplier, "negotiator": deal.rfq.author, "member": command.subject}
    if subjects.get(command.role) != command.subject:
        raise CommandError("ATT-1", f"subject: is not the {command.role} of this deal")
    mine = [one for one in deal.commitments if one.author == member and one.body["answer"] == "commit"]
    other = deal.rfq if command.role == "negotiator" else None
    if other is None:
        signed = context.log.slot("countersign.1", deal.award.supplier, "countersign")
        other = next((one for one in signed if one.body["agreement"] == deal.agreement_hash), None)
    persona = core.personas.get(deal.award.supplier if command.role == "member" else member)
    if not mine or other is None or persona is None or persona.key == command.subject:
        raise NotNow("ATT-2", "attest: you and they have not both signed this deal")
    body = {
        "subject": command.subject,
        "role": command.role,
        "agreement": deal.agreement_hash,
        "outcome": command.outcome,
        "dimensions": dict(command.dimensions),
        "evidence": [mine[0].raw, other.raw],
        "remark": command.remark,
    }
    name = f"{deal.agreement_hash[:8].hex()}/{command.subject[:8].hex()}/{command.role}"
    scope = trust_scope(command.subject)
    if core.peek(scope).slot("attestation.1", persona.key, name):
        raise CommandError("ATT-3", "attest: you said how they did in this deal already")
    try:
        until, slot = core.now + ATTESTATION_LIFE_MS, Slot("once", name, 0)
        record = core.say(persona, "attestation.1", scope, body, until=until, slot=slot, human=True, follow=True)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    return {"id": record.id}


def deal_context(core: Core, deal: bytes) -> tuple[Context, Deal]:
    """A deal that this node follows; raises CommandError NEG-40."""
    context = core.contexts.get(deal_scope(deal))
    view = context.deal(core.settings) if context is not None else None
    if context is None or view is None:
        raise CommandError("NEG-40", f"deal: {deal.hex()[:8]} is not known here (yet)")
    return context, view


def find_question(questions: tuple[Question, ...], base: str) -> Question | None:
    """The open question of this kind, if there is one."""
    return next((one for one in questions if one.name.partition("/")[0] == base), None)


def _member(core: Core, coop: Coop) -> Persona:
    for key in coop.keys:
        if key in core.personas:
            return core.personas[key]
    raise CommandError("FRM-27", f"you are not on the roster of this co-op (it is {coop.state})")


def _open(core: Core, coop: Coop, base: str) -> None:
    question = find_question(coop.open, base)
    if question is None or core.now > question.closes:
        raise NotNow("DEC-13", f"{base}: the box is not open now (the co-op is {coop.state})")


def _say(
    core: Core, persona: Persona, kind: str, context: Context, body: Mapping[str, Any], slot: str, coop: Coop
) -> Record:
    try:
        return core.say(
            persona,
            kind,
            context.scope,
            body,
            until=coop.charter.header.expires,
            slot=Slot("once", slot, 0),
            refs=(coop.charter.id,),
            human=True,
        )
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None


def _check_open_pledges(core: Core) -> None:
    most = boundaries(core).get("open_pledges_max")
    if most is None:
        return
    contexts = [one for one in core.contexts.values() if one.family == "coop"]
    views = [(one, view) for one in contexts if (view := one.coop(core.settings)) is not None and view.state != "void"]
    running = sum(
        1
        for one, view in views
        for key in core.personas
        if one.log.slot("pledge.1", key, slot_name("pledge", view.roster)) and not _over(core, view)
    )
    if running >= most:
        raise CommandError("INT-6", f"boundary: you have {most} open pledges, your limit")


def _over(core: Core, coop: Coop) -> bool:
    """Whether a co-op came to its end, its deal's or that of its own time, so that its pledges are no longer open."""
    if coop.charter.header.expires <= core.now:
        return True
    scope = deal_scope(coop.mandate.deal) if coop.mandate is not None else ""
    deal = core.contexts[scope].deal(core.settings) if scope in core.contexts else None
    return deal is not None and deal.state in DEAL_TERMINAL


def _mark(core: Core, persona: Persona, coop: Coop, kind: str, mode: str) -> None:
    """Show on the intent's own board that it is used (FRM-30); an intent that has expired needs no marker."""
    intent = next(one.intent for one in coop.members if one.key == persona.key)
    if intent.header.slot is None or intent.header.expires <= core.now:
        return
    name = intent.header.slot.name if mode == "latest" else _marker_name(intent)
    before = core.peek(intent.scope).slot(kind, persona.key, name)
    seq = before[0].header.slot.seq + 1 if before and before[0].header.slot else 0
    body = {"intent": intent.id, "roster": coop.roster}
    until, slot = intent.header.expires, Slot(mode, name, seq)
    core.say(persona, kind, intent.scope, body, until=until, slot=slot, human=True, follow=True)


def _check_unused(core: Core, persona: Persona, coop: Coop) -> None:
    """An intent is used up by its commitment: to mark a second one would be an equivocation (FRM-30)."""
    intent = next(one.intent for one in coop.members if one.key == persona.key)
    marked = core.peek(intent.scope).slot("commitment-marker.1", persona.key, _marker_name(intent))
    if any(one.body["roster"] != coop.roster for one in marked):
        raise CommandError("FRM-30", "commit: another co-op has this intent's commitment; decline, and say it anew")


def _marker_name(intent: Record) -> str:
    return f"{intent.header.slot.name if intent.header.slot else ''}/{intent.id[:8].hex()}"


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


def _awarded(core: Core, context: Context, deal: Deal) -> tuple[Persona, Coop]:
    coop = coop_of(core, deal)
    question = find_question(deal.open, "commitments")
    if question is None or core.now > question.closes or deal.award is None or coop is None:
        raise NotNow("NEG-51", f"there is no award to answer now (the deal is {deal.state})")
    persona = next((core.personas[key] for key, _ in deal.award.lots if key in core.personas), None)
    if persona is None:
        raise CommandError("NEG-51", "the award holds no lot for you")
    return persona, coop


def _answer(
    core: Core, context: Context, deal: Deal, coop: Coop, persona: Persona, answer: str, reason: str, remark: str
) -> Record:
    own = next(one for one in coop.demands if one.member == persona.key)
    body = {
        "rfq": deal.rfq.id,
        "award": deal.award.hash if deal.award else b"",
        "answer": answer,
        "reason": reason,
        "remark": remark,
        "want": own.want,
        "tolerate": own.tolerate,
        "least": own.least,
        "price_max_minor": own.price_max_minor,
    }
    try:
        until, refs = deal.rfq.header.expires, (deal.rfq.id,)
        slot = Slot("once", "commitment", 0)
        return core.say(persona, "commitment.1", context.scope, body, until=until, slot=slot, refs=refs, human=True)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
