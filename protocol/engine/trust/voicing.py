"""What a person says when something went wrong: a voice, words, steps, a plan, a pulse.

Decides whether an own persona may say it now; refusals are CommandErrors raised before anything has changed.
Spec: 19-remedy, RMD-1 to RMD-23.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from protocol import commands as ask
from protocol.encoding import encode
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.deal.signing import deal_context
from protocol.engine.trust.cases import Matter, matter_of
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.identity import Persona
from protocol.params import PLANS_MAX, REMEDIES_MAX, VOICES_MAX, WORDS_MAX
from protocol.record.kinds import KINDS
from protocol.record.kinds_remedy import WISHES
from protocol.record.record import Record, Slot
from protocol.trust.sealed import close
from protocol.trust.voice import CODES, OF_PLANS, STEPS, candidates, check_step, sides, step_slot, under, voice_slot

PULSES = ("opening", "outcome", "followup")
_PULSE_TEXT_MAX = 200


def raise_voice(core: Core, command: ask.RaiseVoice) -> dict[str, Any]:
    """Say that something is wrong, to the other side alone."""
    context, deal = deal_context(core, command.deal)
    if "voice_ms" not in deal.times:
        raise CommandError("RMD-1", "voice: this deal's charter gives no time to answer (voice_ms), so none are heard")
    if not deal.agreements:
        raise NotNow("RMD-3", f"voice: there is no agreement yet (the deal is {deal.state})")
    for name, value, known in (("code", command.code, CODES), ("wish", command.wish, WISHES)):
        if value not in known:
            raise CommandError("RMD-7", f"{name}: one of {', '.join(known)}")
    text = _text(command.text)
    own = [
        (about.hash, key, command.subject or about.supplier) for about in deal.agreements for key in core.personas
    ]
    found = next(((hashed, key, other) for hashed, key, other in own if sides(deal, hashed, key, other)), None)
    if found is None:
        raise CommandError("RMD-3", "subject: must be somebody with whom you signed in this deal")
    agreement, key, subject = found
    if core.now + deal.times["voice_ms"] > deal.rfq.header.expires:
        raise NotNow("RMD-1", "voice: this deal's records end before the time to answer would be over")
    slots = (voice_slot(agreement, subject, number) for number in range(VOICES_MAX))
    slot = next((one for one in slots if not context.log.slot("voice.1", key, one)), None)
    if slot is None:
        raise CommandError("RMD-2", f"voice: you raised {VOICES_MAX} about them under this agreement; go on with those")
    said = {"code": command.code, "wish": command.wish, "text": text}
    body = {"agreement": agreement, "subject": subject} | _closed(core, said, key, (key, subject))
    record = say(core, context, core.personas[key], "voice.1", body, slot, (deal.rfq.id,))
    return {"voice": record.id, "subject": subject, "reply_until": record.header.created + deal.times["voice_ms"]}


def say_words(core: Core, command: ask.SayWords) -> dict[str, Any]:
    """Answer, or go on talking."""
    matter = matter_of(core, command.voice)
    me, text = _spoken(core, matter), _text(command.text)
    slots = [under("words", matter.id, number) for number in range(WORDS_MAX)]
    slot = next((one for one in slots if not matter.context.log.slot("words.1", me.key, one)), None)
    if slot is None:
        raise CommandError("RMD-2", f"words: you spoke {WORDS_MAX} times under this voice; propose a plan, or end it")
    body = {"voice": matter.id} | _closed(core, {"text": text}, me.key, readers(matter, me))
    record = say(core, matter.context, me, "words.1", body, slot, refs_of(matter))
    return {"id": record.id, "voice": matter.id, "answer": int(slot == slots[0] and me.key == matter.voice.subject)}


def take_step(core: Core, command: ask.TakeStep) -> dict[str, Any]:
    """One of the steps of RMD-3."""
    matter = matter_of(core, command.voice)
    if command.step not in STEPS:
        raise CommandError("RMD-3", f"step: one of {', '.join(STEPS)}")
    _check_moment(core, matter, command)
    body: dict[str, Any] = {"voice": matter.id, "step": command.step, "index": command.index}
    refs = refs_of(matter)
    if command.step in OF_PLANS:
        plan = _plan(matter, command)
        body, refs = body | {"plan": plan.id}, (*refs, plan.id)
    persona = _who(core, matter, command.step, body)
    record = say(core, matter.context, persona, "step.1", body, step_slot(body), refs)
    return {"id": record.id, "voice": matter.id, "state": _stage(core, matter)}


def propose_plan(core: Core, command: ask.ProposePlan) -> dict[str, Any]:
    """Who does what until when; whoever proposes it as one of the two agrees to it."""
    matter = matter_of(core, command.voice)
    me = _spoken(core, matter)
    latest = matter.deal.rfq.header.expires - matter.deal.times["voice_ms"]
    if not 1 <= len(command.remedies) <= REMEDIES_MAX:
        raise CommandError("RMD-20", f"remedies: from 1 to {REMEDIES_MAX}")
    for by, what, due in command.remedies:
        if by not in matter.voice.pair:
            raise CommandError("RMD-20", "remedies: each must be by one of the two whom the voice concerns")
        if what not in WISHES:
            raise CommandError("RMD-20", f"remedies: what is done must be one of {', '.join(WISHES)}")
        if not core.now < due <= latest:
            raise CommandError("RMD-20", "remedies: what is due must lie ahead, and well before this deal ends")
    slots = (under("plan", matter.id, number) for number in range(PLANS_MAX))
    slot = next((one for one in slots if not matter.context.log.slot("plan.1", me.key, one)), None)
    if slot is None:
        raise CommandError("RMD-2", f"plan: you proposed {PLANS_MAX} under this voice; agree to one")
    remedies = [{"by": by, "what": what, "due": due} for by, what, due in command.remedies]
    body = {"voice": matter.id, "remedies": remedies, "follow_ms": command.follow_ms}
    body |= _closed(core, {"text": _text(command.text)}, me.key, readers(matter, me))
    plan = say(core, matter.context, me, "plan.1", body, slot, refs_of(matter))
    if matter.sided:
        agree: dict[str, Any] = {"voice": matter.id, "step": "agree", "index": 0, "plan": plan.id}
        say(core, matter.context, me, "step.1", agree, step_slot(agree), (*refs_of(matter), plan.id))
    return {"plan": plan.id, "voice": matter.id}


def set_pulse(core: Core, command: ask.SetPulse) -> dict[str, Any]:
    """Kept at home; a mediator who has accepted gets it with the rest (RMD-18)."""
    matter = matter_of(core, command.voice)
    if not matter.sided:
        raise CommandError("RMD-18", "pulse: only the two whom the voice concerns have one")
    if command.stage not in PULSES:
        raise CommandError("RMD-18", f"stage: one of {', '.join(PULSES)}")
    if not 1 <= command.mark <= 5 or len(command.text.encode()) > _PULSE_TEXT_MAX:
        raise CommandError("RMD-18", f"mark, text: a number from 1 to 5, and at most {_PULSE_TEXT_MAX} bytes")
    core.keep(f"pulse/{matter.id.hex()}/{command.stage}", encode([command.mark, command.text]))
    core.dirty[matter.context.scope] = None
    return {"voice": matter.id, "stage": command.stage, "mark": command.mark}


def readers(matter: Matter, me: Persona) -> tuple[bytes, ...]:
    """Who can read what one says under a voice."""
    mediator = (matter.voice.mediator,) if matter.voice.mediator else ()
    return tuple(dict.fromkeys((*matter.voice.pair, *mediator, me.key)))


def _text(text: str) -> str:
    if not text.strip():
        raise CommandError("RMD-7", "text: say something; empty words answer nobody")
    if any(not (one.isprintable() or one == "\n") for one in text):
        raise CommandError("RMD-7", "text: must be without control characters")
    return text


def _closed(core: Core, said: Mapping[str, Any], author: bytes, whom: tuple[bytes, ...]) -> dict[str, Any]:
    try:
        return close(said, author, whom, core.entropy)
    except Reject as error:
        raise CommandError(error.code, error.message) from None


def _spoken(core: Core, matter: Matter) -> Persona:
    """Who speaks under a voice that is not over; raises CommandError RMD-3."""
    if matter.me is None or not (matter.sided or matter.me.key == matter.voice.mediator):
        raise CommandError("RMD-3", "words: only the two, and a mediator who has accepted, speak under a voice")
    if matter.stage(core.now).state in ("settled", "withdrawn"):
        raise NotNow("RMD-10", f"words: this voice is {matter.stage(core.now).state}; raise another one")
    return matter.me


def _check_moment(core: Core, matter: Matter, command: ask.TakeStep) -> None:
    """What would lead to nothing now is not signed; raises NotNow RMD-10 or RMD-16."""
    state, voice = matter.stage(core.now).state, matter.voice
    if command.step in ("case", "settled", "withdrawn") and state in ("settled", "withdrawn"):
        raise NotNow("RMD-10", f"{command.step}: this voice is {state} already")
    if command.step == "case" and not (voice.replied or state == "unanswered"):
        raise NotNow("RMD-10", "case: wait for the answer, or until its time is over; then open a case")
    if command.step == "case" and state not in ("answered", "unanswered"):
        raise NotNow("RMD-10", f"case: there is one already (it is in {state})")
    if command.step in ("empty", "unreadable") and not voice.reply:
        raise NotNow("RMD-25", f"{command.step}: there is no answer yet")
    if command.step in ("accept", "decline"):
        asked = [one for one in voice.line if one.since <= core.now < one.until and one.key in core.personas]
        if state != "asking" or not asked:
            raise NotNow("RMD-16", f"{command.step}: you are not asked to mediate now")
    if command.step in ("done", "confirmed", "contested", "fine", "again") and voice.plan is None:
        raise NotNow("RMD-20", f"{command.step}: there is no plan that both agreed to")


def _plan(matter: Matter, command: ask.TakeStep) -> Record:
    """The plan that a step is about: the one named, else the one agreed."""
    plan = matter.voice.plan
    if command.plan:
        named = [one for one in matter.context.log.of_kind("plan.1") if one.body["voice"] == matter.id]
        plan = next((one for one in named if one.id.startswith(command.plan)), None)
    if plan is None:
        raise CommandError("RMD-20", f"plan: none of this id was proposed under the voice {matter.id.hex()[:8]}")
    if not 0 <= command.index < len(plan.body["remedies"]):
        raise CommandError("RMD-20", f"index: this plan has remedies 0 to {len(plan.body['remedies']) - 1}")
    return plan


def _who(core: Core, matter: Matter, step: str, body: Mapping[str, Any]) -> Persona:
    """The own persona that may take a step; raises CommandError RMD-3."""
    log, deal, voice = matter.context.log, matter.deal, matter.voice.record
    for key in dict.fromkeys((*matter.voice.pair, *candidates(log, deal, voice))):
        if key in core.personas and check_step(log, deal, voice, key, body):
            return core.personas[key]
    raise CommandError("RMD-3", f"{step}: is not yours to say under the voice {matter.id.hex()[:8]}")


def refs_of(matter: Matter) -> tuple[bytes, ...]:
    """The voice and the request, and for those who may mediate the lists that name them."""
    named = [one.id for one in matter.context.log.of_kind("named.1") if one.body["voice"] == matter.id]
    return (matter.id, matter.deal.rfq.id, *([] if matter.sided else sorted(named)))


def _stage(core: Core, matter: Matter) -> str:
    return matter_of(core, matter.id).stage(core.now).state


def say(
    core: Core,
    context: Context,
    persona: Persona,
    kind: str,
    body: Mapping[str, Any],
    slot: str,
    refs: tuple[bytes, ...],
    human: bool = True,
) -> Record:
    """An own record under a voice; raises CommandError."""
    deal = context.deal(core.settings)
    assert deal is not None
    held = context.log.slot(kind, persona.key, slot) if KINDS[kind].mode == "latest" else ()
    seq = held[0].header.slot.seq + 1 if held and held[0].header.slot else 0
    where = Slot(KINDS[kind].mode, slot, seq)
    try:
        return core.say(
            persona, kind, context.scope, body, until=deal.rfq.header.expires, slot=where, refs=refs, human=human
        )
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None


COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {
    ask.RaiseVoice: raise_voice,
    ask.SayWords: say_words,
    ask.TakeStep: take_step,
    ask.ProposePlan: propose_plan,
    ask.SetPulse: set_pulse,
}
