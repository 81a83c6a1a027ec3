"""Leaving a co-op: at every stage until the own commitment, and never by surprise for the others.

Decides what a member's word to leave leads to at this stage; never undoes a commitment. Spec: 05-formation, FRM-33 to
FRM-36.
"""

from __future__ import annotations

from typing import Any

from protocol import commands as ask
from protocol.coop.box import LEAVE
from protocol.coop.coop import Coop
from protocol.deal.life import DEAL_TERMINAL, Deal, deal_scope
from protocol.engine.context import Context
from protocol.engine.coop.floor import find_question
from protocol.engine.core import Core
from protocol.engine.deal import signing
from protocol.engine.desk import coop_context
from protocol.errors import CommandError, Ignore, Reject
from protocol.identity import Persona
from protocol.record.record import Slot

_BOXES = ("roster", "pledges", "candidates", "ballots")  # that take a leave in place of their own kind


def leave(core: Core, command: ask.LeaveCoop) -> dict[str, Any]:
    """Leave now, or by declining as soon as there is something to decline."""
    scope = "coop/" + command.coop.hex()
    joined = [key for key in core.personas if core.peek(scope).slot("join.1", key, "join")]
    if not joined and f"wish/{scope}" in core.facts:
        core.keep(f"wish/{scope}", b"")
        _free(core, scope)
        return {"coop": command.coop, "now": True, "says": "You had not joined yet, and will not."}
    context, coop = coop_context(core, command.coop)
    if not joined:
        raise CommandError("FRM-33", "leave: you have not joined this co-op")
    persona = core.personas[joined[0]]
    _check_free(core, coop, persona)
    if any(find_question(coop.open, base) for base in _BOXES) and not _has_left(context, persona):
        _say(core, context, coop, persona, command)
        _free(core, scope)
        return {"coop": command.coop, "now": True, "says": "You left: what you pledged or said there counts no more."}
    core.keep(_standing(scope), command.reason.encode() or b"other")
    _free(core, scope)
    attend(core, context)
    return {"coop": command.coop, "now": False, "says": "Your node declines for you as soon as there is an award."}


def attend(core: Core, context: Context) -> None:
    """Leave the co-ops that this one follows, and decline what a member who is leaving is awarded (FRM-35, FRM-39)."""
    coop = context.coop(core.settings)
    if coop is not None:
        _move(core, context, coop)
    reason = core.facts.get(_standing(context.scope))
    if reason is None or coop is None or coop.mandate is None:
        return
    try:
        signing.decline(core, ask.Decline(coop.mandate.deal, reason.decode()))
    except CommandError:
        return  # nothing to decline yet, or any more
    core.keep(_standing(context.scope), b"")


def answer(core: Core, context: Context) -> None:
    """The same, when it is the deal that changed."""
    deal = context.deal(core.settings)
    scope = "coop/" + deal.mandate.charter[:16].hex() if deal is not None else ""
    if _standing(scope) in core.facts and scope in core.contexts:
        attend(core, core.contexts[scope])


def _move(core: Core, context: Context, coop: Coop) -> None:
    """On a roster that follows others, once: what the join said (FRM-39)."""
    told = f"moved/{context.scope}"
    if not coop.roster or told in core.facts or not any(key in core.personas for key in coop.keys):
        return
    before = coop.charter.body.get("before", ())
    for old in before:
        try:
            leave(core, ask.LeaveCoop(old))
        except CommandError:
            continue  # bound there, or never in it
    if before:
        core.keep(told, b"1")


def _check_free(core: Core, coop: Coop, persona: Persona) -> None:
    """Raises CommandError FRM-34 once the member is bound, or when there is nothing left to leave."""
    deal = _deal_of(core, coop)
    if deal is None:
        return
    said = core.contexts[deal.rfq.scope].log.slot("commitment.1", persona.key, "commitment")
    if any(one.body["answer"] == "commit" for one in said):
        raise CommandError("FRM-34", "leave: you have committed; `wltm deal cancel` ends your share by its terms")
    if deal.state in DEAL_TERMINAL:
        raise CommandError("FRM-34", f"leave: this co-op's deal is over ({deal.state})")


def _deal_of(core: Core, coop: Coop) -> Deal | None:
    scope = deal_scope(coop.mandate.deal) if coop.mandate is not None else ""
    return core.contexts[scope].deal(core.settings) if scope in core.contexts else None


def _say(core: Core, context: Context, coop: Coop, persona: Persona, command: ask.LeaveCoop) -> None:
    join = context.log.slot("join.1", persona.key, "join")[0]
    body = {"reason": command.reason, "remark": command.remark}
    until, slot = coop.charter.header.expires, Slot("once", "leave", 0)
    try:
        core.say(persona, LEAVE, context.scope, body, until=until, slot=slot, refs=(join.id,), human=True)
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None


def _has_left(context: Context, persona: Persona) -> bool:
    return bool(context.log.slot(LEAVE, persona.key, "leave"))


def _free(core: Core, scope: str) -> None:
    """The intent is for another co-op now (FRM-36)."""
    for name in [one for one, kept in core.facts.items() if one.startswith("engaged/") and kept == scope.encode()]:
        core.keep(name, b"")


def _standing(scope: str) -> str:
    return f"leaving/{scope}"
