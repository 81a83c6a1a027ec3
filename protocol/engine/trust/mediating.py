"""Who mediates: offers, lists that are opened together, a summons to whose turn it is, and what is handed over.

Decides what an own persona commits to, and what its node does by itself once it has; never whom a person accepts.
Spec: 19-remedy, RMD-14 to RMD-18.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from protocol import commands as ask
from protocol.deal.life import deal_scope
from protocol.encoding import decode, encode
from protocol.engine.context import Context
from protocol.engine.coop.outlook import observed
from protocol.engine.core import Core
from protocol.engine.desk import board_scope, template_of
from protocol.engine.trust.cases import Matter, matter_of, said_under
from protocol.engine.trust.voicing import PULSES, refs_of, say
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.identity import Persona, did, seal, unseal
from protocol.params import (
    DAY_MS,
    HANDOVER_BYTES,
    MEDIATORS_MAX,
    OFFER_LIFE_MS,
    SUMMONED_MAX,
    SUMMONS_BYTES,
    SUMMONS_TRIED_MAX,
)
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope
from protocol.trust.mediation import commitment, committed
from protocol.trust.reputation import standing
from protocol.trust.sealed import box_of, box_seed_of, key_for, padded, unpadded
from protocol.trust.voice import under

_NAMING, _SUMMONED = "naming/", "summoned/"
_SUMMONED_MS = 90 * DAY_MS  # (g) that a summons is remembered


def name_mediators(core: Core, command: ask.NameMediators) -> dict[str, Any]:
    """Commit to a list, and keep it until the other side has committed to one."""
    matter = matter_of(core, command.voice)
    if not matter.sided or matter.me is None:
        raise CommandError("RMD-14", "mediators: only the two whom the voice concerns name any")
    state = matter.stage(core.now).state
    if state not in ("talk", "naming") or "mediate_ms" not in matter.deal.times:
        raise NotNow("RMD-14", f"mediators: nobody is named now (the voice is {state}); open a case first")
    accepts = sorted(dict.fromkeys(command.accepts))
    if not 1 <= len(accepts) <= MEDIATORS_MAX or any(len(key) != 32 for key in accepts):
        raise CommandError("RMD-14", f"mediators: name from 1 to {MEDIATORS_MAX} personas")
    if any(key in matter.voice.pair for key in accepts):
        raise CommandError("RMD-14", "mediators: neither of the two can mediate")
    nonce = core.entropy(32)
    body = {"voice": matter.id, "commit": commitment(matter.id, matter.me.key, nonce, accepts)}
    core.keep(f"{_NAMING}{matter.id.hex()}", encode([nonce, accepts]))
    record = say(core, matter.context, matter.me, "naming.1", body, under("naming", matter.id), (matter.id,))
    return {"id": record.id, "voice": matter.id, "named": len(accepts)}


def offer(core: Core, command: ask.OfferMediation) -> dict[str, Any]:
    """Say on a board that one would mediate, or no longer would."""
    template_of(core, command.category)
    scope = board_scope(command.category, command.region)
    held = core.peek(scope).slot("mediator.1", core.me.key, "mediator")
    seq = held[0].header.slot.seq + 1 if held and held[0].header.slot else 0
    body = {"state": command.state, "languages": sorted(dict.fromkeys(command.languages)), "words": command.words}
    until, slot = core.now + OFFER_LIFE_MS, Slot("latest", "mediator", seq)
    try:
        record = core.say(core.me, "mediator.1", scope, body, until=until, slot=slot, human=True, follow=True)
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None
    core.follow(trust_scope(core.me.key))  # where a summons comes
    return {"id": record.id, "state": command.state, "until": record.header.expires}


def _offers(core: Core) -> list[Record]:
    """Who offers to mediate on the boards that are followed here, each once, the newest word of each."""
    said = [
        one
        for context in core.contexts.values()
        if context.family == "board"
        for one in context.log.of_kind("mediator.1")
        if one.body["state"] == "offers" and one.header.expires > core.now
    ]
    said.sort(key=lambda one: (one.header.created, one.id))
    return list({one.author: one for one in said}.values())


def mediators(core: Core) -> list[dict[str, Any]]:
    """Who offers to mediate, as far as this node has heard, the most trusted first."""
    offers = [one for one in _offers(core) if one.author not in core.personas]
    graph = observed(core)
    seen = {one.author: standing(graph, core.me.key, one.author, "mediator").value for one in offers}
    found = [
        {"key": one.author, "did": did(one.author), "standing": seen[one.author]}
        | {"languages": list(one.body["languages"]), "words": one.body["words"]}
        for one in offers
    ]
    return sorted(found, key=lambda one: (-one["standing"], one["key"]))


# By itself


def open_list(core: Core, matter: Matter) -> None:
    """Once both have committed, open the own list (RMD-14)."""
    me, log, fact = matter.me, matter.context.log, f"{_NAMING}{matter.id.hex()}"
    if me is None or fact not in core.facts or any(committed(log, matter.id, key) is None for key in matter.voice.pair):
        return
    if log.slot("named.1", me.key, under("named", matter.id)) or matter.stage(core.now).state != "drawing":
        return
    nonce, accepts = decode(core.facts[fact])
    body = {"voice": matter.id, "nonce": nonce, "accepts": accepts}
    say(core, matter.context, me, "named.1", body, under("named", matter.id), (matter.id,), human=False)


def summon(core: Core, matter: Matter) -> None:
    """Tell whose turn it is, under a name used once (RMD-17)."""
    if matter.stage(core.now).state != "asking":
        return
    for asked in matter.voice.line:
        fact = f"called/{matter.id.hex()}/{asked.key.hex()}"
        if not asked.since <= core.now < asked.until or fact in core.facts or asked.key in core.personas:
            continue
        content = encode({"deal": matter.deal.mandate.deal, "voice": matter.id})
        try:
            body = {"sealed": seal(padded(content, SUMMONS_BYTES), box_of(asked.key), core.entropy)}
        except Reject:
            continue  # a key that nothing can be sealed to is nobody's
        nobody, scope = Persona.from_seed(core.entropy(32)), trust_scope(asked.key)
        core.say(nobody, "summons.1", scope, body, until=core.now + _SUMMONED_MS, follow=True)
        core.keep(fact, b"1")


def hand_over(core: Core, matter: Matter) -> None:
    """Give the mediator the keys to what was said, and the own pulse, whenever there is more of either (RMD-18)."""
    me, mediator = matter.me, matter.voice.mediator
    if me is None or not mediator or matter.stage(core.now).state not in ("mediation", "repairing", "remedied"):
        return
    keys: list[list[bytes]] = []
    for one in said_under(matter):
        try:
            keys.append([one.id, key_for(one.body, me)])
        except Reject:
            continue
    pulse = [
        [stage, *decode(core.facts[fact])]
        for stage in PULSES
        if (fact := f"pulse/{matter.id.hex()}/{stage}") in core.facts
    ]
    content, fact = encode({"keys": keys, "pulse": pulse}), f"handed/{matter.id.hex()}"
    told = mediator + len(keys).to_bytes(2, "big") + encode(pulse)
    if core.facts.get(fact) == told:
        return
    sealed = seal(padded(content, HANDOVER_BYTES), box_of(mediator), core.entropy)
    body = {"voice": matter.id, "mediator": mediator, "sealed": sealed}
    say(core, matter.context, me, "handover.1", body, under("handover", matter.id), refs_of(matter), human=False)
    core.keep(fact, told)


def handed(matter: Matter) -> tuple[dict[bytes, bytes], dict[bytes, list[Any]]]:
    """What a mediator was given: record id -> key, and each side's pulse."""
    keys: dict[bytes, bytes] = {}
    pulses: dict[bytes, list[Any]] = {}
    me = matter.me
    for one in matter.context.log.of_kind("handover.1"):
        if me is None or one.body["mediator"] != me.key or one.body["voice"] != matter.id:
            continue
        try:
            content = decode(unpadded(unseal(one.body["sealed"], box_seed_of(me))))
            keys |= {bytes(name): bytes(key) for name, key in content["keys"]}
            pulses[one.author] = [list(row) for row in content["pulse"]]
        except (Reject, KeyError, TypeError, ValueError, AttributeError):
            continue
    return keys, pulses


# As a mediator


def summoned(core: Core, context: Context) -> None:
    """A trust scope has changed: perhaps somebody calls an own persona that offers to mediate (RMD-17)."""
    fresh = [one for one in context.log.of_kind("summons.1") if one.id not in context.tried]
    here = [key for key in core.personas if trust_scope(key) == context.scope] if fresh else []
    mine = [one.author for one in _offers(core) if one.author in here]
    for record in sorted(fresh, key=lambda one: one.id)[:SUMMONS_TRIED_MAX] if mine else ():
        context.tried[record.id] = None
        for key in mine:
            _hear(core, core.personas[key], record)
    if mine and len(fresh) > SUMMONS_TRIED_MAX:
        core.dirty[context.scope] = None


def _hear(core: Core, me: Persona, record: Record) -> None:
    try:
        content = decode(unpadded(unseal(record.body["sealed"], box_seed_of(me))))
        deal, voice = content["deal"], content["voice"]
    except (Reject, KeyError, TypeError):
        return  # somebody else's
    if type(deal) is not bytes or len(deal) != 16 or type(voice) is not bytes or record.header.expires <= core.now:
        return
    known = sorted(name for name in core.facts if name.startswith(_SUMMONED))
    for name in known:
        if decode(core.facts[name]) <= core.now:
            core.keep(name, b"")
    if len(known) < SUMMONED_MAX and _SUMMONED + deal.hex() not in core.facts:
        core.keep(_SUMMONED + deal.hex(), encode(core.now + _SUMMONED_MS))
        core.follow(deal_scope(deal))


COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {
    ask.NameMediators: name_mediators,
    ask.OfferMediation: offer,
    ask.AskMediators: lambda core, _: mediators(core),
}
