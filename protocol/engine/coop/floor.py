"""What a member asks for inside a co-op: pledge, stand, vote, recall.

Decides whether an own persona may say it now, within its boundaries; refusals are CommandErrors raised before anything
has changed. Spec: 05-formation, FRM-29; 07-election, ELE-20, ELE-21 and ELE-42.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol import commands as ask
from protocol.coop import ballot
from protocol.coop.box import Question
from protocol.coop.coop import Coop, slot_name, term_of
from protocol.coop.evidence import Standing, admission
from protocol.coop.term import recalls
from protocol.encoding import encode
from protocol.engine.context import Context
from protocol.engine.coop import counting
from protocol.engine.coop.vouching import own_evidence, with_evidence
from protocol.engine.core import Core
from protocol.engine.desk import coop_context
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.identity import Persona
from protocol.params import RANKED_MAX
from protocol.record.record import Record, Slot


def pledge(core: Core, command: ask.Pledge) -> dict[str, Any]:
    """Pledge on exactly this roster, and mark the intent as pledged on its board."""
    context, coop = coop_context(core, command.coop)
    persona = member_persona(core, coop)
    _open(core, coop, "pledges")
    if command.least > command.want:
        raise CommandError("NEG-10", "least: must not be above want")
    body = {
        "roster": coop.roster,
        "want": command.want,
        "tolerate": command.tolerate,
        "least": command.least,
        "price_max_minor": command.price_max_minor,
    }
    record = say_once(core, persona, "pledge.1", context, body, slot_name("pledge", coop.roster), coop)
    mark(core, persona, coop, "pledge-marker.1", "latest")
    return {"id": record.id, "roster": coop.roster}


def stand(core: Core, command: ask.Stand) -> dict[str, Any]:
    """Stand for negotiator, interests and fee disclosed."""
    context, coop = coop_context(core, command.coop)
    persona = member_persona(core, coop)
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
    body = with_evidence(core, persona, coop.keys, body)
    demanded, shown = admission(coop.charter), own_evidence(core, persona.key, coop.keys)
    standing = Standing(sum(one.kind == "attestation.1" for one in shown), sum(one.kind == "vouch.1" for one in shown))
    if not demanded.elects(standing):
        raise CommandError(
            "ELE-36",
            f"stand: the charter wants candidates with {demanded.outcomes} kept deals and {demanded.vouches} vouches of"
            f" members{'' if demanded.elect_newcomers else ', and no newcomers'}; you can show {standing.outcomes} and"
            f" {standing.vouches}",
        )
    return {"id": say_once(core, persona, "nomination.1", context, body, slot, coop).id}


def vote(core: Core, command: ask.Vote) -> dict[str, Any]:
    """Cast the one ranked ballot, sealed to the witnesses; what it says is kept here (ELE-66)."""
    context, coop = coop_context(core, command.coop)
    persona = member_persona(core, coop)
    slot = slot_name("ballot", coop.roster)
    _open(core, coop, "ballots")
    running = [one.author for one in coop.candidates]
    named = [key for tier in command.ranking for key in tier]
    if not named or len(named) != len(dict.fromkeys(named)) or any(key not in running for key in named):
        raise CommandError("ELE-21", "ranking: name candidates of this co-op, each at most once and at least one")
    if len(named) > RANKED_MAX:
        raise CommandError("ELE-60", f"ranking: name {RANKED_MAX} at most; all others are tied below them")
    ranking = tuple(tuple(sorted(tier)) for tier in command.ranking if tier)
    boxes = ballot.boxes_of(context.log, coop.council)
    body = ballot.cast(coop.roster, persona.key, ranking, len(running), boxes, core.entropy)
    record = say_once(core, persona, "ballot.1", context, body, slot, coop)
    core.keep(counting.kept_ballot(coop), encode(ranking))
    return {"id": record.id}


def recall(core: Core, command: ask.Recall) -> dict[str, Any]:
    """As a member, call for the end of the negotiator's term."""
    context, coop = coop_context(core, command.coop)
    persona = member_persona(core, coop)
    if coop.mandate is None or not coop.negotiator:
        raise NotNow("ELE-42", f"recall: nobody holds a mandate in this co-op now (it is {coop.state})")
    if core.now > coop.mandate.expires:
        raise CommandError("ELE-42", "recall: the mandate has ended by itself")
    term = term_of(coop)
    body = {"roster": coop.roster, "term": term.number, "reason": command.reason, "remark": command.remark}
    record = say_once(core, persona, "recall.1", context, body, term.slot("recall"), coop)
    said = len(recalls(context.log, coop.keys, term))
    return {"id": record.id, "term": term.number, "said": said, "needed": len(coop.keys) // 2 + 1}


def find_question(questions: tuple[Question, ...], base: str) -> Question | None:
    """The open question of this kind, if there is one."""
    return next((one for one in questions if one.name.partition("/")[0] == base), None)


def member_persona(core: Core, coop: Coop) -> Persona:
    for key in coop.keys:
        if key in core.personas:
            return core.personas[key]
    raise CommandError("FRM-27", f"you are not on the roster of this co-op (it is {coop.state})")


def _open(core: Core, coop: Coop, base: str) -> None:
    question = find_question(coop.open, base)
    if question is None or core.now > question.closes:
        raise NotNow("DEC-13", f"{base}: the box is not open now (the co-op is {coop.state})")


def say_once(
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


def mark(core: Core, persona: Persona, coop: Coop, kind: str, mode: str) -> None:
    """Show on the intent's own board that it is used (FRM-30); an intent that has expired needs no marker."""
    intent = next(one.intent for one in coop.members if one.key == persona.key)
    if intent.header.slot is None or intent.header.expires <= core.now:
        return
    name = intent.header.slot.name if mode == "latest" else marker_name(intent)
    before = core.peek(intent.scope).slot(kind, persona.key, name)
    seq = before[0].header.slot.seq + 1 if before and before[0].header.slot else 0
    body = {"intent": intent.id, "roster": coop.roster}
    until, slot = intent.header.expires, Slot(mode, name, seq)
    core.say(persona, kind, intent.scope, body, until=until, slot=slot, human=True, follow=True)


def marker_name(intent: Record) -> str:
    return f"{intent.header.slot.name if intent.header.slot else ''}/{intent.id[:8].hex()}"
