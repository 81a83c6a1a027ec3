"""What people say to each other about a request: questions, replies, suggestions, and which of these members adopt.

Decides whether an own persona may say it now; refusals are CommandErrors raised before anything has changed. What is
asked and replied binds nobody. Spec: 08-negotiation, NEG-74 to NEG-79.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol import commands as ask
from protocol.coop.coop import Coop, slot_name
from protocol.deal.counter import check_limits
from protocol.deal.life import DEAL_TERMINAL, Deal
from protocol.deal.revision import voices
from protocol.deal.talk import free_slot, talk_of
from protocol.engine import terms
from protocol.engine.context import Context
from protocol.engine.coop.floor import find_question, member_persona, say_once
from protocol.engine.core import Core
from protocol.engine.deal.bettering import counters
from protocol.engine.deal.channel import messages
from protocol.engine.deal.dealing import coop_of
from protocol.engine.deal.signing import deal_context
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.identity import Persona
from protocol.params import TALK_MAX, TALK_SHOWN_MAX
from protocol.record.record import Record, Slot


def query(core: Core, command: ask.Query) -> dict[str, Any]:
    """Ask all sides of a deal something."""
    context, deal = deal_context(core, command.deal)
    return _talk(core, context, deal, "query.1", {"rfq": deal.rfq.id, "text": command.text}, ())


def respond(core: Core, command: ask.Respond) -> dict[str, Any]:
    """Reply to a question, before all sides."""
    context, deal = deal_context(core, command.deal)
    asked = context.log.records.get(command.query)
    if asked is None or asked.kind != "query.1":
        raise CommandError("NEG-75", "query: no question of this deal has this id; see `wltm deal talk`")
    body = {"rfq": deal.rfq.id, "query": asked.id, "text": command.text}
    return _talk(core, context, deal, "reply.1", body, (asked.id,))


def suggest(core: Core, command: ask.Suggest) -> dict[str, Any]:
    """Propose changes of the request, for the members to adopt."""
    context, deal = deal_context(core, command.deal)
    question = find_question(deal.open, "suggestions")
    if question is None or core.now > question.closes:
        raise NotNow("NEG-76", f"suggest: the time for suggestions is not now (the deal is {deal.state})")
    body: dict[str, Any] = {
        "rfq": deal.rfq.id,
        "weights_minor": dict(command.weights_minor),
        "requirements": [dict(one) for one in command.requirements],
        "drops": sorted(dict.fromkeys(command.drops)),
        "terms": terms.resolve(core, command.terms),
        "reason": command.reason,
    }
    if not any(body[name] for name in ("weights_minor", "requirements", "drops", "terms")):
        raise CommandError("NEG-76", "suggest: name at least one change, or ask a question instead")
    return {"id": _say(core, context, deal, "suggestion.1", "suggestion", body, ()).id}


def adopt(core: Core, command: ask.Adopt) -> dict[str, Any]:
    """As a member, adopt suggestions, none among them; it is said in the co-op, where no supplier reads."""
    _, deal = deal_context(core, command.deal)
    coop = coop_of(core, deal)
    question = find_question(coop.open, "adoptions") if coop is not None else None
    if coop is None or question is None or core.now > question.closes or deal.state != "suggested":
        raise NotNow("NEG-77", f"adopt: there are no suggestions to adopt now (the deal is {deal.state})")
    chosen = sorted(dict.fromkeys(command.suggestions))
    known = [one.id for one in deal.suggestions]
    if any(one not in known for one in chosen):
        raise CommandError("NEG-77", "suggestions: each must be the id of one that counts; see `wltm deal talk`")
    about = core.contexts[coop.charter.scope]
    body = {"deal": deal.mandate.deal, "suggestions": chosen}
    persona, slot = member_persona(core, coop), slot_name("adoption", deal.mandate.deal)
    return {"id": say_once(core, persona, "adoption.1", about, body, slot, coop).id}


def talk(core: Core, command: ask.AskTalk) -> dict[str, Any]:
    """What was asked, replied and suggested in a deal, and what came of it."""
    context, deal = deal_context(core, command.deal)
    coop = coop_of(core, deal)
    told = voices(deal, coop) if coop is not None and coop.adoptions is not None else {}
    open_still = [one for one in context.log.of_kind("suggestion.1") if one.body["rfq"] == deal.rfq.id]
    template = core.settings.templates.get(deal.rfq.body["template"])
    suggestions = deal.suggestions if deal.state != "asked" else tuple(sorted(open_still, key=lambda one: one.id))
    return {
        "deal": deal.mandate.deal,
        "state": deal.state,
        "asked": specification(deal),
        "queries": [
            _line(deal, coop, one.query) | {"replies": [_line(deal, coop, reply) for reply in one.replies[:TALK_MAX]]}
            for one in talk_of(context.log, deal.rfq.id)[-TALK_SHOWN_MAX:]
        ],
        "suggestions": [
            _line(deal, coop, one)
            | {key: value for key, value in one.body.items() if key not in ("rfq", "reason")}
            | {"text": one.body["reason"], "voices": told.get(one.id, 0), "adopted": one.id in deal.adopted}
            for one in suggestions[:TALK_SHOWN_MAX]
        ],
        "counters": [_counter(deal, coop, one) for one in counters(core, context, deal)],
        "messages": messages(core, context, deal),
        "currency": template.currency if template is not None else "",
    }


def _counter(deal: Deal, coop: Coop | None, said: Record) -> dict[str, Any]:
    """A counter-offer; in the room also whether it is beyond the mandate, whoever signed it (NEG-81)."""
    body, beyond = said.body, False
    if coop is not None and coop.limits is not None:
        try:
            check_limits(body["price_minor"], body["quantity"], coop.limits)
        except Reject:
            beyond = True
    named = {name: body[name] for name in ("supplier", "price_minor", "quantity")}
    return _line(deal, coop, said) | named | {"beyond": beyond}


def specification(deal: Deal) -> dict[str, Any]:
    """What the request asks of suppliers at present."""
    asked = deal.asked
    requirements = [
        {"attribute": one.attribute, "operator": one.operator, "value": one.value} for one in asked.requirements
    ]
    return {
        "subject": deal.rfq.body.get("subject", ""),
        "weights_minor": dict(asked.weights_minor),
        "requirements": requirements,
        "terms": list(asked.terms),
        "revision": deal.revision,
    }


def waiting(core: Core, context: Context, deal: Deal, coop: Coop | None) -> list[dict[str, Any]]:
    """Questions that wait for the negotiator, suggestions that wait for the members (NEG-75, NEG-77)."""
    found: list[dict[str, Any]] = []
    count = len(unanswered(context, deal)) if deal.rfq.author in core.personas else 0
    if count and core.now <= deal.quote_until and deal.state not in DEAL_TERMINAL:
        what = "1 question waits" if count == 1 else f"{count} questions wait"
        says = f"{what} for your reply; all sides read it, and it binds nobody."
        silence = "Who asked is left guessing."
        found.append({"kind": "reply", "until": deal.quote_until, "says": says, "silence": silence})
    question = find_question(coop.open, "adoptions") if coop is not None else None
    if coop is None or question is None or deal.state != "suggested" or core.now > question.closes:
        return found
    about, slot = core.contexts[coop.charter.scope].log, slot_name("adoption", deal.mandate.deal)
    if any(key in core.personas and not about.slot("adoption.1", key, slot) for key in coop.keys):
        count = len(deal.suggestions)
        what = "1 change of the request is" if count == 1 else f"{count} changes of the request are"
        says = f"{what} suggested: what more than half of those who speak adopt is what suppliers quote for."
        silence = "The others decide; without enough of them the request stands as it is."
        found.append({"kind": "adopt", "until": question.closes, "says": says, "silence": silence})
    return found


def unanswered(context: Context, deal: Deal) -> list[Record]:
    """The questions of others that the negotiator has not replied to."""
    found = talk_of(context.log, deal.rfq.id)
    mine = [one for one in found if one.query.author != deal.rfq.author]
    return [one.query for one in mine if all(reply.author != deal.rfq.author for reply in one.replies)]


def _line(deal: Deal, coop: Coop | None, said: Record) -> dict[str, Any]:
    """Who said something, as whom, and when."""
    role = "other"
    if said.author == deal.rfq.author:
        role = "negotiator"
    elif coop is not None and said.author in coop.keys:
        role = "member"
    elif any(one.author == said.author for one in deal.quotations):
        role = "supplier"
    line = {"id": said.id, "by": said.author, "role": role, "at": said.header.created}
    return line | {"text": said.body.get("text", "")}


def _talk(
    core: Core, context: Context, deal: Deal, kind: str, body: Mapping[str, Any], refs: tuple[bytes, ...]
) -> dict[str, Any]:
    slot = free_slot(context.log, kind, _persona(core, deal).key)
    if slot is None:
        raise CommandError("NEG-74", f"{kind}: you have said all {TALK_MAX} that one author may say in a deal")
    return {"id": _say(core, context, deal, kind, slot, body, refs).id}


def _say(
    core: Core, context: Context, deal: Deal, kind: str, slot: str, body: Mapping[str, Any], refs: tuple[bytes, ...]
) -> Record:
    until, where = deal.rfq.header.expires, Slot("once", slot, 0)
    refs = (deal.rfq.id, *refs)
    persona = _persona(core, deal)
    try:
        return core.say(persona, kind, context.scope, body, until=until, slot=where, refs=refs, human=True)
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None


def _persona(core: Core, deal: Deal) -> Persona:
    """Who speaks here: the negotiator, the member, or the node's first persona."""
    coop = coop_of(core, deal)
    keys = [deal.rfq.author, *(coop.keys if coop is not None else ())]
    return next((core.personas[key] for key in keys if key in core.personas), core.me)
