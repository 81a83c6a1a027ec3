"""What a person may look at of voices: each one, what waits for an answer, a relationship, a co-op's health.

Decides nothing; keeps only the numbers about a co-op that it once told. Spec: 19-remedy, RMD-23 to RMD-30.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from protocol import commands as ask
from protocol.coop.evidence import co_signed
from protocol.deal.life import DEAL_TERMINAL, deal_scope
from protocol.encoding import decode, encode
from protocol.engine.core import Core
from protocol.engine.desk import coop_context
from protocol.engine.trust import telling
from protocol.engine.trust.cases import detail, matter_of, matters, matters_in, summary
from protocol.engine.trust.mediating import handed
from protocol.errors import CommandError, NotNow, Reject
from protocol.trust import relationship as related
from protocol.trust.accountability import trust_scope
from protocol.trust.amends import mended
from protocol.trust.health import SHARES, health
from protocol.trust.sealed import open_with


def all_voices(core: Core) -> list[dict[str, Any]]:
    """Every voice that this node holds, the newest first; those of others with what is in the open."""
    found = sorted(matters(core), key=lambda one: (-one.voice.start, one.id))
    return [summary(one, core.now) for one in found]


def voice(core: Core, command: ask.AskVoice) -> dict[str, Any]:
    """One voice; a mediator reads what was handed over."""
    matter = matter_of(core, command.voice)
    found = detail(core, matter)
    keys, pulses = handed(matter)
    for row in found["words"]:
        key, record = keys.get(row["id"]), matter.context.log.records[row["id"]]
        if "sealed" in row and key is not None:
            try:
                told = open_with(record.body, record.author, key)
            except Reject:
                continue
            row |= {name: text for name, text in told.items() if type(text) is str}
            del row["sealed"]
    own = {name: decode(value) for name, value in core.facts.items() if name.startswith(f"pulse/{matter.id.hex()}/")}
    found["pulse"] = [[name.rpartition("/")[2], *value] for name, value in sorted(own.items())]
    found["pulses"] = [[key, *rows] for key, rows in sorted(pulses.items())]
    return found


# Relationships


def relationship(core: Core, command: ask.AskRelationship) -> dict[str, Any]:
    """Of the own persona that has dealt with somebody, and what is in the open about them."""
    if len(command.subject) != 32 or command.subject in core.personas:
        raise CommandError("RMD-26", "subject: must be the persona of somebody else")
    held = [context.deal(core.settings) for context in core.contexts.values() if context.family == "deal"]
    deals = sorted((deal for deal in held if deal is not None), key=lambda one: one.rfq.id)
    known = list(matters(core))
    keys = [core.me.key, *(key for key in core.personas if key != core.me.key)]
    voices = [one.voice for one in known]
    found = [
        related.relationship(key, command.subject, deals, voices, _words(core, key, command), core.now) for key in keys
    ]
    best = max(range(len(keys)), key=lambda at: (found[at].deals, -at))
    public = related.heard((one.voice for one in known if one.voice.subject == command.subject), core.now)
    rows = asdict(found[best])
    return rows | {
        "persona": keys[best],
        "subject": command.subject,
        "public": asdict(public),
        "says": [*related.told(found[best], core.now), *about(core, command.subject)],
    }


def public_words(public: related.Heard) -> tuple[str, ...]:
    """What this node knows of everybody's voices about somebody (RMD-25)."""
    if not public.raised:
        return ()
    doubted = f", and {public.doubted} by an answer that says nothing" if public.doubted else ""
    return (
        f"Of the voices about them that this node knows ({public.raised}) they answered {public.in_time} in time and"
        f" {public.late} late{doubted}; {public.unanswered} stand unanswered.",
    )


def about(core: Core, subject: bytes) -> tuple[str, ...]:
    """What whoever looks at somebody is told: of the voices that this node holds, and of what is said in public."""
    held = related.heard((one.voice for one in matters(core) if one.voice.subject == subject), core.now)
    return (*public_words(held), *telling.about(core, subject))


def _words(core: Core, me: bytes, command: ask.AskRelationship) -> list[related.Word]:
    found = []
    for author, subject in ((me, command.subject), (command.subject, me)):
        log = core.peek(trust_scope(subject))
        said = [one for one in log.by(author, "attestation.1") if one.body["subject"] == subject]
        said = [one for one in said if one.header.slot and log.sole(one.kind, author, one.header.slot.name)]
        answered = mended(said, log.by(author, "amends.1"))
        found += [
            related.Word(author, one.body["outcome"], one.id in answered)
            for one in said
            if co_signed(one, core.settings.network) is not None
        ]
    return found


# A co-op together


def health_of(core: Core, command: ask.AskHealth) -> dict[str, Any]:
    """Numbers about the members of a co-op, told once and for ever the same (RMD-30)."""
    _, coop = coop_context(core, command.coop)
    fact = f"health/{coop.hash.hex()}"
    if fact not in core.facts:
        scope = deal_scope(coop.mandate.deal) if coop.mandate is not None else ""
        context = core.contexts.get(scope)
        deal = context.deal(core.settings) if context is not None else None
        over = [state for state in DEAL_TERMINAL if state not in ("void", "countersigned")]
        if context is None or deal is None or deal.state not in over:
            state = deal.state if deal is not None else coop.state
            raise NotNow("RMD-30", f"health: is told once the co-op's deal is at its end (it is {state})")
        found = health(deal, (one.voice for one in matters_in(core, context)), core.now)
        core.keep(fact, encode(dict(found)))
    numbers = dict(decode(core.facts[fact]))
    says = [f"{numbers[name]} or more of {numbers['members']} members {name}." for name in SHARES if name in numbers]
    says = says or ["There are too few members to tell anything of them together."]
    return {"coop": command.coop, "numbers": numbers, "says": says}


COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {
    ask.AskVoices: lambda core, _: all_voices(core),
    ask.AskVoice: voice,
    ask.AskRelationship: relationship,
    ask.AskHealth: health_of,
}
