"""What whoever runs this node wants it to take, carry and serve, and what it tells others about that.

Decides which neighbours, scopes and authors are declined here; what stands in a record is judged elsewhere.
Spec: 15-relay, REL-1 to REL-9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.engine.context import Context
from protocol.errors import CommandError, Ignore
from protocol.events import Drop
from protocol.identity import did
from protocol.network.gossip import Neighbour
from protocol.network.rules import (
    ABOUT,
    PUBLIC,
    VERBS,
    Rule,
    Rules,
    canonical,
    check_reason,
    kept,
    notice_slot,
    noticed,
    sort_of,
)
from protocol.params import (
    FOLLOWING_MAX,
    NOTICE_LIFE_MS,
    NOTICES_MAX,
    RULES_MAX,
    TRUST_PREFIX_DIGITS,
)
from protocol.record.record import Record, Slot

if TYPE_CHECKING:
    from protocol.engine.core import Core

_FOLLOWING = "following/"
_OURS = ("coop/", "deal/")


# What is declined


def check(core: Core, record: Record, peer: str) -> None:
    """Raises Ignore REL-3, REL-5 or REL-6 for a record that this node does not take from `peer`."""
    if (core.settings.admits_all and not core.rules) or record.author in core.personas:
        return
    scope, now = record.scope, core.now
    if silenced(core, scope, record.author):
        raise Ignore("REL-3", "author: blocked here")
    if f"scope/{scope}" in core.facts:
        return
    if core.rules.on_scope("block", scope, now):
        raise Ignore("REL-5", f"scope: {scope} is blocked here")
    if core.settings.admits_all or core.rules.on_scope("allow", scope, now):
        return
    if not core.rules.on_persona("allow", record.author, now) and not _allowed(core, core.neighbours.get(peer)):
        raise Ignore("REL-6", "relay: takes only what its list allows")


def silenced(core: Core, scope: str, author: bytes) -> bool:
    """Whether what this persona says in this scope is neither taken nor served here (REL-3)."""
    inside = scope.startswith(_OURS) and f"scope/{scope}" in core.facts
    return core.rules.on_persona("block", author, core.now) and not inside


def serves(core: Core, neighbour: Neighbour, scope: str) -> bool:
    """Whether a neighbour may have this scope carried, and read it (REL-5, REL-6)."""
    if (core.settings.admits_all and not core.rules) or f"scope/{scope}" in core.facts:
        return True
    if core.rules.on_scope("block", scope, core.now):
        return False
    return core.settings.admits_all or core.rules.on_scope("allow", scope, core.now) or _allowed(core, neighbour)


def refuses(core: Core, peer: str, host: str) -> bool:
    """Whether there is to be no link to this peer (REL-4)."""
    return bool(core.rules) and core.rules.on_peer("block", peer, host, core.now)


def _allowed(core: Core, neighbour: Neighbour | None) -> bool:
    return neighbour is None or core.rules.on_peer("allow", neighbour.name, neighbour.host, core.now)


def refresh(core: Core) -> None:
    """Make the rules again from facts and followed notices, and act on what they say now."""
    followed: list[Rule] = []
    core.heeded = tuple(following(core))
    for key in core.heeded:
        said = core.peek(trust_of(key)).by(key, "notice.1")
        placed = [one for one in said if one.header.slot and one.header.slot.name == _slot_of(one)]
        placed.sort(key=lambda one: one.id)
        followed += [rule for one in placed[:NOTICES_MAX] if (rule := noticed(one)) is not None]
    before = core.rules.blocked_personas(core.now)
    core.rules = Rules(kept(core.facts), followed)
    if core.rules.blocked_personas(core.now) - before:
        _silence(core)
    for neighbour in core.neighbours.values():
        if refuses(core, neighbour.name, neighbour.host):
            core.out.append(Drop(neighbour.name, "REL-4"))
    for scope in [one for one in core.followed if f"scope/{one}" not in core.facts]:
        if core.rules.on_scope("block", scope, core.now):
            for of in (core.followed, core.carried, core.shelves, core.doors, core.states, core.unread):
                of.pop(scope, None)


def _silence(core: Core) -> None:
    """Let go of what blocked personas said: own scopes at once, carried ones when they are read again."""
    core.shelves.clear()
    core.states.clear()
    for scope, context in list(core.contexts.items()):
        if f"scope/{scope}" not in core.facts:
            del core.contexts[scope]
            core.dirty.pop(scope, None)
            continue
        for record in list(context.log.records.values()):
            if silenced(core, scope, record.author):
                context.log.discard(record.id)


def attend(core: Core, context: Context) -> None:
    """A trust scope has changed: perhaps a followed relay said something (REL-9)."""
    if any(trust_of(key) == context.scope for key in core.heeded):
        refresh(core)


def following(core: Core) -> list[bytes]:
    """The relays whose notices apply here, by key."""
    return [bytes.fromhex(name.removeprefix(_FOLLOWING)) for name in sorted(core.facts) if name.startswith(_FOLLOWING)]


def _slot_of(notice: Record) -> str:
    return notice_slot(notice.body["about"], notice.body["subject"])


def trust_of(key: bytes) -> str:
    """Where a persona's policy and notices stand (REL-7, REL-8)."""
    return "trust/" + key.hex()[:TRUST_PREFIX_DIGITS]


# What its operator says


def set_rule(core: Core, command: ask.SetRule) -> dict[str, Any]:
    """Block or allow from now on."""
    about, subject = _subject(command.about, command.subject)
    if command.verb not in VERBS:
        raise CommandError("REL-2", "verb: block or allow")
    if command.until and command.until <= core.now:
        raise CommandError("REL-2", "until: lies in the past")
    check_reason(command.reason)
    if command.publish and (command.verb != "block" or about not in PUBLIC):
        raise CommandError("REL-8", "publish: only a blocked persona, peer or scope can be the subject of a notice")
    rule = Rule(command.verb, about, subject, command.reason, command.until)
    if command.verb == "block":
        _check_own(core, rule)
    own = [one for one in core.rules.own if (one.about, one.subject) != (about, subject)]
    if len(own) >= RULES_MAX:
        raise CommandError("REL-2", f"rules: there are {RULES_MAX} already; lift one first")
    if command.publish:
        _notice(core, rule, "stands")
    for verb in VERBS:
        core.keep(Rule(verb, about, subject, "", 0).fact, b"")
    core.keep(rule.fact, rule.to_bytes())
    refresh(core)
    return _plain(rule)


def _check_own(core: Core, rule: Rule) -> None:
    """Nobody shuts the door on what this node itself takes part in."""
    if rule.about == "persona" and any(rule.subject == did(key) for key in core.personas):
        raise CommandError("REL-2", "subject: that is this node's own persona")
    trial = Rules([rule])
    ours = [name.removeprefix("scope/") for name in sorted(core.facts) if name.startswith("scope/")]
    inside = [scope for scope in ours if trial.on_scope("block", scope, core.now)]
    if inside:
        raise CommandError("REL-5", f"subject: this node itself takes part in {inside[0]}")


def lift_rule(core: Core, command: ask.LiftRule) -> dict[str, Any]:
    """Take a rule back, and the notice about it."""
    about, subject = _subject(command.about, command.subject)
    found = [one for one in core.rules.own if (one.about, one.subject) == (about, subject)]
    if not found:
        raise CommandError("REL-2", f"subject: no rule of this node is about {subject}; see `wltm relay blocked`")
    if core.peek(trust_of(core.me.key)).slot("notice.1", core.me.key, notice_slot(about, subject)):
        _notice(core, found[0], "withdrawn")
    for rule in found:
        core.keep(rule.fact, b"")
    refresh(core)
    return _plain(found[0])


def _subject(about: str, subject: str) -> tuple[str, str]:
    about = about or sort_of(subject)
    if about not in ABOUT:
        raise CommandError("REL-2", f"about: one of {', '.join(ABOUT)}")
    return about, canonical(about, subject)


def _notice(core: Core, rule: Rule, state: str) -> None:
    body = {"about": rule.about, "subject": rule.subject, "reason": rule.reason, "until": rule.until, "state": state}
    say_latest(core, "notice.1", notice_slot(rule.about, rule.subject), body, core.now + NOTICE_LIFE_MS)


def say_latest(core: Core, kind: str, name: str, body: dict[str, Any], until: int) -> None:
    """Sign the next version of what fills a slot in this node's trust scope."""
    scope = trust_of(core.me.key)
    before = core.peek(scope).slot(kind, core.me.key, name)
    seq = before[0].header.slot.seq + 1 if before and before[0].header.slot else 0
    core.say(core.me, kind, scope, body, until=until, slot=Slot("latest", name, seq), human=True, follow=True)


def follow(core: Core, command: ask.FollowNotices) -> dict[str, Any]:
    """A relay's notices apply here from now on."""
    if len(command.persona) != 32:
        raise CommandError("REL-9", "persona: must be a did:key, or a key of 32 bytes")
    if command.persona in core.personas:
        raise CommandError("REL-9", "persona: that is this node's own")
    if len(following(core)) >= FOLLOWING_MAX:
        raise CommandError("REL-9", f"persona: {FOLLOWING_MAX} relays are followed already; unfollow one first")
    core.keep(_FOLLOWING + command.persona.hex(), b"1")
    core.follow(trust_of(command.persona))
    refresh(core)
    return {"following": following(core)}


def unfollow(core: Core, command: ask.UnfollowNotices) -> dict[str, Any]:
    """A relay's notices apply here no longer."""
    if _FOLLOWING + command.persona.hex() not in core.facts:
        raise CommandError("REL-9", "persona: its notices are not followed; see `wltm relay blocked`")
    core.keep(_FOLLOWING + command.persona.hex(), b"")
    refresh(core)
    return {"following": following(core)}


# What may be looked at


def rules(core: Core) -> dict[str, Any]:
    """Own rules that have not ended, those of followed notices, and whom we follow."""
    now = core.now
    return {
        "admits": admits(core),
        "own": [_plain(one) for one in core.rules.own if one.end > now],
        "followed": [_plain(one) | {"source": one.source} for one in core.rules.followed if one.end > now],
        "following": following(core),
    }


def admits(core: Core) -> str:
    """Whether this node takes from all, or goes by list (REL-6)."""
    return "all" if core.settings.admits_all else "listed"


def _plain(rule: Rule) -> dict[str, Any]:
    return {
        "verb": rule.verb,
        "about": rule.about,
        "subject": rule.subject,
        "reason": rule.reason,
        "until": rule.until,
    }
