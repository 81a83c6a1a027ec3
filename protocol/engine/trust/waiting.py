"""What waits for a person under a voice: an answer, a name, a plan, a remedy; until when, and what silence means.

Decides nothing and changes nothing. Spec: 19-remedy, RMD-10 to RMD-23.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from protocol.engine.core import Core
from protocol.engine.trust.cases import Matter, attested, matters
from protocol.record.record import Record
from protocol.trust.voice import under


def needs(core: Core) -> list[dict[str, Any]]:
    """What an own persona can still say under a voice, and what its silence means."""
    found = []
    for matter in matters(core):
        deal = matter.deal
        base = {"id": matter.id, "voice": matter.id, "deal": deal.mandate.deal, "coop": deal.mandate.charter[:16]}
        if matter.me is not None and core.now < deal.rfq.header.expires:
            asked = _asked(core, matter) if matter.sided else _mediator(core, matter)
            found += [base | one for one in asked]
    return found


def _asked(core: Core, matter: Matter) -> Iterator[dict[str, Any]]:
    voice, state, log, me = matter.voice, matter.stage(core.now).state, matter.context.log, matter.me
    assert me is not None
    other, ends = matter.other.hex()[:8], matter.deal.rfq.header.expires
    if me.key == voice.subject and not voice.replied and state not in ("settled", "withdrawn"):
        says = f"{other} says that something is wrong in your deal, and waits for your answer."
        yield _need("voice", voice.until if state == "raised" else ends, says, "It stands unanswered, for all to see.")
    if me.key == voice.author and state == "unanswered":
        says = f"{other} has not answered you in time; you can open a case."
        yield _need("case", ends, says, "Your voice stays as it is, unanswered.")
    named = log.slot("naming.1", me.key, under("naming", matter.id))
    if state in ("talk", "naming") and "mediate_ms" in matter.deal.times and not named:
        says = f"Each of you can name whom you would accept as a mediator between you and {other}."
        yield _need("name", _until(matter, "naming"), says, "Nobody is drawn whom you did not name.")
    for plan in _open_plans(matter):
        owed = ", ".join(f"{one['by'].hex()[:8]} owes {one['what']}" for one in plan.body["remedies"])
        says = f"A plan to put it right waits for your word: {owed}."
        yield _need("agree", ends, says, "It binds nobody until both agree.") | {"plan": plan.id}
    if voice.plan is None:
        return
    for index, one in enumerate(voice.remedies):
        more = {"plan": voice.plan.id, "index": index}
        if one.by == me.key and not one.done and not one.confirmed:
            says = f"You owe {other} what you agreed to ({one.what})."
            yield _need("remedy", one.due, says, "The plan is not kept.") | more
        if one.to == me.key and one.done and not one.confirmed and not one.contested:
            says = f"{other} says that what was owed to you is done ({one.what}). Is it?"
            yield _need("confirm", ends, says, "It stays one side's word.") | more
    if matter.voice.mediator and state not in ("asking", "mediation") and not attested(core, matter):
        says = f"Did {voice.mediator.hex()[:8]} mediate well? What you say stands for years."
        more = {"subject": voice.mediator, "role": "mediator", "outcome": "kept"}
        yield _need("attest", ends, says, "Nothing is said.") | more
    after = matter.stage(core.now).since + voice.plan.body["follow_ms"]
    if state == "remedied" and core.now >= after and me.key not in dict(voice.follow):
        until = after + matter.deal.times["voice_ms"]
        yield _need("follow", until, f"It was put right between you and {other}: is it still?", "Nothing is said.")


def _mediator(core: Core, matter: Matter) -> Iterator[dict[str, Any]]:
    asking = matter.stage(core.now).state == "asking"
    for asked in matter.voice.line if asking else ():
        if asked.key in core.personas and asked.since <= core.now < asked.until:
            says = "Two who both named you, or whose charter does, ask you to mediate between them."
            yield _need("mediate", asked.until, says, "The next one is asked; it is not held against you.")


def _need(kind: str, until: int, says: str, silence: str) -> dict[str, Any]:
    return {"kind": kind, "until": until, "says": says, "silence": silence}


def _until(matter: Matter, state: str) -> int:
    """When a state ends that is, or is about to be."""
    return next((one.until for one in matter.voice.course if one.state == state), matter.voice.course[-1].since)


def _open_plans(matter: Matter) -> list[Record]:
    """Plans that the own side has not agreed to, while none is agreed."""
    log, me = matter.context.log, matter.me
    if me is None or matter.voice.plan is not None or matter.voice.outcome in ("settled", "withdrawn"):
        return []
    taken = [one.body.get("plan") for one in log.by(me.key, "step.1") if one.body["step"] == "agree"]
    plans = [one for one in log.of_kind("plan.1") if one.body["voice"] == matter.id and one.id not in taken]
    speaks = (*matter.voice.pair, matter.voice.mediator)
    return sorted((one for one in plans if one.author in speaks), key=lambda one: one.id)
