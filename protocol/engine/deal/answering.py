"""Answers: which quotations together serve whom, put into the members' own box by whoever knows a better one.

Decides whether a node's own solver is asked, and says what it found only if that is better than all it has seen; what
counts is decided by protocol.deal.lots. Spec: 08-negotiation, NEG-90, NEG-91 and NEG-98.
"""

from __future__ import annotations

from typing import Any

from protocol import commands as ask
from protocol.coop.box import Question
from protocol.coop.coop import Coop
from protocol.coop.template import Template
from protocol.deal.choice import answer_of, answers_in, answers_question, answers_slot, market
from protocol.deal.life import Deal, deal_scope
from protocol.deal.lots import Answer, Market, choose, evaluate
from protocol.deal.ranking import Ranking
from protocol.deal.tender import ranking_of
from protocol.encoding import decode, encode
from protocol.engine.context import Context
from protocol.engine.coop import witness
from protocol.engine.core import Core
from protocol.errors import CommandError, NotNow, Reject, Silent
from protocol.events import Compute
from protocol.identity import Persona
from protocol.record.record import Record, Slot

_JOB = "lots"
_SUGGEST = "solver.suggest"
_SHOWN_MAX = 16
_WAIT_PART = 2  # a node asks its solver at random within the first half of the box's time


def attend(core: Core, context: Context, deal: Deal, coop: Coop, ranking: Ranking) -> bool:
    """Do what own personas owe to the box of answers; whether it is still open."""
    question, about = answers_question(deal, coop), core.context(coop.charter.scope)
    if question is None or answers_in(about.log, about.docket, question, coop) is not None:
        return False
    witness.fetch_missing(core, about, coop.council, (question,))
    until, kept = coop.charter.header.expires, about.wake
    about.wake = None
    witness.attend(core, about, coop.council, (question,), until, lambda: None, coop.charter.id)
    context.wake_at(about.wake)  # it is this deal that has to come back for it
    about.wake = kept
    if any(key in core.personas for key in coop.keys) and core.now < question.closes:
        _solve(core, context, deal, coop, ranking, question)
    return True


def solved(core: Core, job: str, found: Answer | None) -> bool:
    """Whether the job was the solver's; what it found is said if it is better than what this node has seen (NEG-98)."""
    kind, _, scope = job.partition(" ")
    if kind == _JOB and found is not None and (context := core.contexts.get(scope)) is not None:
        _consider(core, context, found)
    return kind == _JOB


def _consider(core: Core, context: Context, found: Answer) -> None:
    deal = context.deal(core.settings)
    room = _room(core, context, deal) if deal is not None else None
    if deal is None or room is None:
        return
    coop, ranking, offered = room
    persona = _speaker(core, deal, coop)
    if persona is None:
        return
    question = answers_question(deal, coop)
    if question is None or core.now >= question.closes:
        return
    best = choose(offered, ranking, [answer_of(one) for one in _said(core, coop, question)])
    try:
        own = evaluate(offered, found)
    except Reject:
        return
    if best is None or own.score_minor < best.score_minor:
        try:
            _say(core, deal, coop, persona, found)
        except Silent:
            return  # KEP-14: another member's node finds as good a one


def answer(core: Core, command: ask.Answer) -> dict[str, Any]:
    """Put an answer of one's own into the box, if it can be carried out (NEG-91)."""
    context = core.contexts.get(deal_scope(command.deal))
    deal = context.deal(core.settings) if context is not None else None
    room = _room(core, context, deal) if context is not None and deal is not None else None
    if deal is None or room is None:
        raise NotNow("NEG-90", "answer: the quotations of this deal are not open here (yet)")
    coop, _, offered = room
    question = answers_question(deal, coop)
    if question is None or deal.award is not None or core.now >= question.closes:
        raise NotNow("NEG-90", "answer: there is no box of answers in this deal now")
    persona = _speaker(core, deal, coop)
    if persona is None:
        raise CommandError("NEG-91", "answer: you have no say in this co-op, or have answered already")
    serves = tuple(sorted(command.serves))
    try:
        own = evaluate(offered, serves)
        record = _say(core, deal, coop, persona, serves)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    return {"id": record.id, "score_minor": own.score_minor}


def shown(core: Core, deal: Deal, coop: Coop, template: Template, ranking: Ranking) -> dict[str, Any]:
    """What a member sees of the answers: until when one can be said, and each of those held with what it comes to."""
    question = answers_question(deal, coop)
    if question is None:
        return {}
    offered, rows = market(deal, coop, template, ranking), list[dict[str, Any]]()
    for one in _said(core, coop, question)[:_SHOWN_MAX]:
        try:
            score, code = evaluate(offered, answer_of(one)).score_minor, ""
        except Reject as error:
            score, code = 0, error.code
        row = {"by": one.author, "serves": [list(part) for part in answer_of(one)]}
        rows.append(row | {"score_minor": score, "refused": code})
    return {"answers": rows, "answers_close": question.closes}


def _solve(core: Core, context: Context, deal: Deal, coop: Coop, ranking: Ranking, question: Question) -> None:
    """Ask the own solver once, at a time of this node's own, so that not all of a co-op find the same at once."""
    fact = f"lots/{context.scope}"
    if fact not in core.facts:
        window = max(1, (question.closes - core.now) // _WAIT_PART)
        core.keep(fact, encode(core.now + core.rng.randrange(window)))
    due = decode(core.facts[fact])
    if due == 0 or len(ranking.offers) < 2:
        return
    if core.now < due:
        context.wake_at(due)
        return
    core.keep(fact, encode(0))
    offered = market(deal, coop, core.settings.templates[deal.rfq.body["template"]], ranking)
    core.out.append(Compute(f"{_JOB} {context.scope}", _SUGGEST, (offered,)))


def _room(core: Core, context: Context, deal: Deal) -> tuple[Coop, Ranking, Market] | None:
    """What it takes to weigh an answer, where this node is in the room and the quotations are open."""
    scope, template = "coop/" + deal.mandate.charter[:16].hex(), core.settings.templates.get(deal.rfq.body["template"])
    coop = core.contexts[scope].coop(core.settings) if scope in core.contexts else None
    if coop is None or coop.limits is None or template is None:
        return None
    ranking = ranking_of(deal, coop, template, context.openings)
    return None if ranking is None else (coop, ranking, market(deal, coop, template, ranking))


def _said(core: Core, coop: Coop, question: Question) -> list[Record]:
    """What has been put into the box as far as this node holds it."""
    box, log = question.box, core.context(coop.charter.scope).log
    return [one for one in log.of_kind("answer.1") if box is not None and box.takes(one)]


def _speaker(core: Core, deal: Deal, coop: Coop) -> Persona | None:
    """An own persona that may still answer."""
    log, name = core.context(coop.charter.scope).log, answers_slot(deal)
    silent = (key for key in (*coop.keys, *coop.council.witnesses) if not log.slot("answer.1", key, name))
    return next((core.personas[key] for key in silent if key in core.personas), None)


def _say(core: Core, deal: Deal, coop: Coop, persona: Persona, serves: Answer) -> Record:
    body = {"rfq": deal.rfq.id, "serves": [list(part) for part in serves]}
    slot, until = Slot("once", answers_slot(deal), 0), coop.charter.header.expires
    return core.say(persona, "answer.1", coop.charter.scope, body, until=until, slot=slot, refs=(coop.charter.id,))
