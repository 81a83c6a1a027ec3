"""The voices that this node knows: found, read, and told in words.

Decides nothing and changes nothing. Spec: 19-remedy, RMD-10 and RMD-25.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from protocol.deal.life import Deal
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.errors import CommandError, Reject
from protocol.identity import Persona
from protocol.record.record import Record
from protocol.trust.accountability import trust_scope
from protocol.trust.case import Stage, Voice, read_voices
from protocol.trust.sealed import read

_SAYS = {
    "raised": "waits for an answer",
    "answered": "was answered",
    "unanswered": "was not answered in time",
    "talk": "is a case: the two talk",
    "naming": "is a case: each side names whom it would accept as a mediator",
    "drawing": "is a case: who mediates is being drawn",
    "asking": "is a case: a mediator is asked",
    "mediation": "is a case in mediation",
    "repairing": "has a plan that both agreed to",
    "settled": "was settled",
    "withdrawn": "was withdrawn",
    "unmediated": "ended without a mediator: nobody whom both accept took it on",
    "disagreed": "ended without agreement",
    "remedied": "was put right, and the other side confirmed it",
    "unconfirmed": "was put right by one side's word; the other has not confirmed it",
    "unremedied": "has a plan that was not kept",
}
# Who speaks under a voice, and what of it can be read.
_WORDS = ("voice.1", "words.1", "plan.1")


@dataclass(frozen=True, slots=True)
class Matter:
    """A voice where it was raised; `me`: the own persona that it concerns, None for one that only looks on."""

    context: Context
    deal: Deal
    voice: Voice
    me: Persona | None

    @property
    def id(self) -> bytes:
        """The voice's."""
        return self.voice.record.id

    @property
    def other(self) -> bytes:
        """The other side."""
        author, subject = self.voice.pair
        return author if self.me is not None and self.me.key == subject else subject

    @property
    def sided(self) -> bool:
        """Whether this node's person is one of the two."""
        return self.me is not None and self.me.key in self.voice.pair

    def stage(self, now: int) -> Stage:
        """How far it has come."""
        return self.voice.stage(now)


def matters(core: Core) -> Iterator[Matter]:
    """Every voice that this node holds."""
    for context in list(core.contexts.values()):
        yield from matters_in(core, context)


def matters_in(core: Core, context: Context) -> list[Matter]:
    """The voices of a deal, once there is an agreement."""
    deal = context.deal(core.settings) if context.family == "deal" else None
    if deal is None or not deal.agreements or not any(context.log.of_kind("voice.1")):
        return []
    at = context.log.version, context.named
    if context.voices[0] != at:
        context.voices = at, read_voices(context.log, deal, deal.council)
    return [Matter(context, deal, voice, _me(core, voice)) for voice in context.voices[1]]


def _me(core: Core, voice: Voice) -> Persona | None:
    asked = (*voice.pair, voice.mediator, *(one.key for one in voice.line if one.since <= core.now))
    return next((core.personas[key] for key in asked if key in core.personas), None)


def matter_of(core: Core, voice: bytes) -> Matter:
    """One that concerns an own persona; raises CommandError RMD-2."""
    found = [one for one in matters(core) if one.me is not None and voice and one.id.startswith(voice)]
    if len(found) != 1:
        raise CommandError("RMD-2", f"voice: {voice.hex()[:8]} is not known here (yet); see `wltm voice list`")
    return found[0]


def content(record: Record, reader: Persona) -> dict[str, Any] | None:
    """What somebody reads in sealed words; None for what they cannot."""
    try:
        found = read(record.body, record.author, reader)
    except Reject:
        return None
    return {name: value for name, value in found.items() if type(value) is str}


def said_under(matter: Matter) -> list[Record]:
    """All words of the two and of whoever mediates, by stamp and id: of anybody else who may only be asked, none."""
    log, voice, speak = matter.context.log, matter.id, (*matter.voice.pair, matter.voice.mediator)
    said = [one for kind in _WORDS for one in log.of_kind(kind) if voice in (one.id, one.body.get("voice"))]
    said = [one for one in said if one.author in speak]
    return sorted(said, key=lambda one: (one.header.created, one.id))


def told(matter: Matter, now: int) -> str:
    """Where it stands, in one sentence that names nobody but by the start of their key."""
    voice, stage = matter.voice, matter.stage(now)
    author, subject = (key.hex()[:8] for key in voice.pair)
    doubt = f" (its author says that the answer is {voice.doubt})" if voice.doubt else ""
    return f"The voice {matter.id.hex()[:8]} of {author} about {subject} {_SAYS[stage.state]}{doubt}."


def summary(matter: Matter, now: int) -> dict[str, Any]:
    """A voice in a line."""
    voice, stage = matter.voice, matter.stage(now)
    return {
        "voice": matter.id,
        "deal": matter.deal.mandate.deal,
        "agreement": voice.record.body["agreement"],
        "author": voice.author,
        "subject": voice.subject,
        "raised": voice.start,
        "reply_until": voice.until,
        "answered": voice.replied,
        "in_time": voice.in_time,
        "doubt": voice.doubt,
        "state": stage.state,
        "until": stage.until,
        "mine": matter.sided,
        "me": matter.me.key if matter.me is not None else b"",
        "says": told(matter, now),
    }


def detail(core: Core, matter: Matter) -> dict[str, Any]:
    """All that this node can read of it."""
    voice, me = matter.voice, matter.me
    words = [
        {"id": one.id, "kind": one.kind, "by": one.author, "at": one.header.created}
        | ((content(one, me) if me is not None else None) or {"sealed": 1})
        for one in said_under(matter)
    ]
    plans = [
        {
            "plan": one.id,
            "by": one.author,
            "agreed": sorted(_agreed(matter, one)),
            "follow_ms": one.body["follow_ms"],
            "remedies": [dict(remedy) for remedy in one.body["remedies"]],
        }
        for one in said_under(matter)
        if one.kind == "plan.1"
    ]
    return summary(matter, core.now) | {
        "course": [{"state": one.state, "since": one.since} for one in voice.course if one.since <= core.now],
        "words": words,
        "plans": plans,
        "line": [
            {"key": one.key, "since": one.since, "until": one.until, "answer": one.answer}
            for one in voice.line
            if one.since <= core.now
        ],
        "mediator": voice.mediator,
        "plan": voice.plan.id if voice.plan is not None else b"",
        "remedies": [
            {name: getattr(one, name) for name in one.__slots__} | {"index": at}
            for at, one in enumerate(voice.remedies)
        ],
        "follow": [list(one) for one in voice.follow],
    }


def _agreed(matter: Matter, plan: Record) -> list[bytes]:
    said = matter.context.log.of_kind("step.1")
    return [one.author for one in said if one.body["step"] == "agree" and one.body.get("plan") == plan.id]


def attested(core: Core, matter: Matter) -> bool:
    """Whether the own side has said how the mediator did."""
    mediator, me = matter.voice.mediator, matter.me
    said = core.peek(trust_scope(mediator)).by(me.key, "attestation.1") if me is not None else []
    return any(one.body["subject"] == mediator and one.body["role"] == "mediator" for one in said)
