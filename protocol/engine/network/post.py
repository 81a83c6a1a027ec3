"""The post: letters left at relays for who sleeps, and looked for among those of a whole prefix.

Decides which letters are kept for others and how many, which of them are ours, and when one that we sent is safe at
relays; how a letter is sealed is protocol.network.mail. Spec: 15-relay, REL-10 to REL-17.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.encoding import decode, encode
from protocol.engine import disclosures
from protocol.engine.context import Context
from protocol.engine.network import departure
from protocol.engine.personas import acting
from protocol.errors import CommandError, Ignore, NotNow
from protocol.events import SendRecords, Store
from protocol.identity import Persona
from protocol.network.gossip import Neighbour, Want
from protocol.network.mail import SECRET_BYTES, Token, check_letter, is_mail_scope, mail_scope, read, write
from protocol.params import (
    MAIL_LIFE_MS,
    MAIL_MINUTE_MAX,
    MAIL_OUTGOING_MAX,
    MAIL_RELAYS,
    MAIL_TOKENS_MAX,
    MAIL_TRIES_MAX,
    MAILBOX_MAX,
    TEXT_BYTES_MAX,
)
from protocol.record.record import Record

if TYPE_CHECKING:
    from protocol.engine.core import Core

_TOKEN, _IN, _GONE, _OUT = "mail/token/", "mail/in/", "mail/gone/", "mail/out/"
_MINUTE_MS = 60_000


@dataclass(slots=True)
class Post:
    """What is remembered of letters while the node runs."""

    tried: dict[bytes, None] = field(default_factory=dict)  # letters of our prefixes that were looked into
    asked: dict[tuple[bytes, str], None] = field(default_factory=dict)  # (letter, peer) asked whether it holds it


# What a keeper takes


def carried(core: Core, scope: str) -> bool:
    """Whether this node keeps letters of this prefix for whoever comes: a relay does (REL-16)."""
    return core.settings.role == "relay" and is_mail_scope(scope)


def check(core: Core, letters: int, weight: int, record: Record, peer: str) -> None:
    """Raises Ignore REL-10, REL-14 or REL-15 for a letter that is not kept here, or not now.

    `letters` and `weight`, in bytes: what its prefix holds already.
    """
    check_letter(record)
    if letters >= core.settings.mail_records or weight + len(record.raw) > core.settings.mail_bytes:
        raise Ignore("REL-14", f"mail: {record.scope} is full; letters that expire make room")
    neighbour = core.neighbours.get(peer)
    if neighbour is not None and not neighbour.outbound:
        minute = core.now // _MINUTE_MS
        before = neighbour.letters[1] if neighbour.letters[0] == minute else 0
        if before >= MAIL_MINUTE_MAX:
            raise Ignore("REL-15", f"mail: more than {MAIL_MINUTE_MAX} letters a minute over one link; send it later")
        neighbour.letters = minute, before + 1


# What a recipient finds


def attend(core: Core, context: Context) -> None:
    """Look for letters to us among those of a prefix, some at a time (REL-13)."""
    letters = context.log.records
    if len(core.post.tried) > 2 * len(letters) + MAIL_TRIES_MAX:
        core.post.tried = {one: None for one in core.post.tried if one in letters}
    secrets = _secrets(core, context.scope)
    fresh = [one for one in letters.values() if one.id not in core.post.tried] if secrets else []
    room = MAILBOX_MAX - len(_names(core, _IN))  # the rest is tried again when there is more
    for record in fresh[: min(MAIL_TRIES_MAX, room)]:
        core.post.tried[record.id] = None
        _open(core, record, secrets)
    if len(fresh) > MAIL_TRIES_MAX and room > MAIL_TRIES_MAX:
        core.dirty[context.scope] = None
    for name in _names(core, _GONE):
        if decode(core.facts[name]) <= core.now:
            core.keep(name, b"")


def _open(core: Core, record: Record, secrets: Mapping[bytes, list[bytes]]) -> None:
    name = record.id.hex()
    if _IN + name in core.facts or _GONE + name in core.facts:
        return
    letters = (read(record, core.personas[key], own) for key, own in secrets.items())
    letter = next((one for one in letters if one is not None), None)
    if letter is None:
        return  # somebody else's, or a stranger's: nobody is told
    label = _label(core, letter.secret)
    kept = [label, letter.text, letter.sent, letter.reply, core.now, record.header.expires]
    core.keep(_IN + name, encode(kept))
    core.notify("mail", letter=record.id, label=label)


def _secrets(core: Core, scope: str) -> dict[bytes, list[bytes]]:
    """By persona, of the tokens of this prefix that still count, letters under way included."""
    found: dict[bytes, list[bytes]] = {}
    for name in _names(core, _TOKEN):
        _, expires, key = decode(core.facts[name])
        if expires + MAIL_LIFE_MS > core.now and key in core.personas and mail_scope(key) == scope:
            found.setdefault(key, []).append(bytes.fromhex(name.removeprefix(_TOKEN)))
    return found


def _label(core: Core, secret: bytes) -> str:
    return str(decode(core.facts[_TOKEN + secret.hex()])[0])


def _names(core: Core, head: str) -> list[str]:
    return sorted(name for name in core.facts if name.startswith(head))


def make_token(core: Core, command: ask.MakeToken) -> dict[str, Any]:
    """A token of ours; from the first one on, letters of our prefix are collected."""
    if not 1 <= len(command.label) <= 64 or not command.label.isprintable():
        raise CommandError("REL-11", "label: a text of 1 to 64 characters")
    if command.expires <= core.now:
        raise CommandError("REL-11", "expires: lies in the past")
    return {"token": _token(core, acting(core, command.persona), command.label, command.expires).text()}


def _token(core: Core, persona: Persona, label: str, expires: int) -> Token:
    for name in _names(core, _TOKEN):
        if decode(core.facts[name])[1] + MAIL_LIFE_MS <= core.now:
            core.keep(name, b"")
    if len(_names(core, _TOKEN)) >= MAIL_TOKENS_MAX:
        raise CommandError("REL-13", f"token: {MAIL_TOKENS_MAX} are out already; revoke one first")
    token = Token.of(persona, core.settings.network, core.entropy(SECRET_BYTES), expires)
    core.keep(_TOKEN + token.secret.hex(), encode([label, expires, persona.key]))
    core.follow(token.scope)
    return token


def revoke_token(core: Core, command: ask.RevokeToken) -> dict[str, Any]:
    """Letters with this token are nobody's from now on."""
    name = _TOKEN + command.secret.hex()
    if name not in core.facts:
        raise CommandError("REL-11", "token: there is none with this secret; see `wltm mail list`")
    core.keep(name, b"")
    return {"revoked": command.secret}


def mailbox(core: Core) -> dict[str, Any]:
    """Letters, newest first; tokens that are out; how many letters are on their way."""
    letters = []
    for name in _names(core, _IN):
        label, text, sent, reply, received, _ = decode(core.facts[name])
        letters.append(
            {"id": bytes.fromhex(name.removeprefix(_IN)), "label": label, "text": text}
            | {"sent": sent, "received": received, "reply": reply}
        )
    letters.sort(key=lambda one: (-one["received"], one["id"]))
    tokens = []
    for name in _names(core, _TOKEN):
        label, expires, key = decode(core.facts[name])
        secret, persona = bytes.fromhex(name.removeprefix(_TOKEN)), core.personas.get(key, core.me)
        line = Token.of(persona, core.settings.network, secret, expires).text()
        tokens.append({"secret": secret, "label": label, "expires": expires, "token": line})
    outgoing = [len(decode(core.facts[name])[2]) for name in _names(core, _OUT)]
    return {
        "letters": letters,
        "tokens": tokens,
        "outgoing": sum(1 for held in outgoing if not held),
        "full": len(letters) >= MAILBOX_MAX,
    }


def drop(core: Core, command: ask.DropMail) -> dict[str, Any]:
    """Throw a letter away for good: it is not found again while relays still have it."""
    name = command.letter.hex()
    if _IN + name not in core.facts:
        raise CommandError("REL-13", "letter: there is none with this id; see `wltm mail list`")
    expires = decode(core.facts[_IN + name])[5]
    core.keep(_IN + name, b"")
    if expires > core.now:
        core.keep(_GONE + name, encode(expires))
    core.dirty.update(dict.fromkeys(map(mail_scope, core.personas)))
    return {"dropped": command.letter}


# What a sender does


def send(core: Core, command: ask.SendMail) -> dict[str, Any]:
    """Leave a letter at the relays, now or as soon as one is reached."""
    token = Token.parse(command.token, core.settings.network)
    if token.expires <= core.now:
        raise CommandError("REL-11", "token: has ended; ask for another")
    if len(_names(core, _OUT)) >= MAIL_OUTGOING_MAX:
        raise NotNow("REL-17", f"mail: {MAIL_OUTGOING_MAX} letters wait for a relay already; try again later")
    if not 1 <= len(command.text.encode()) <= TEXT_BYTES_MAX:
        raise CommandError("REL-12", f"text: must have 1 to {TEXT_BYTES_MAX} bytes")
    reply = _token(core, acting(core), "answers", core.now + 2 * MAIL_LIFE_MS).text() if command.reply else ""
    record = write(token, command.text, reply, core.now, core.entropy)
    core.keep(_OUT + record.id.hex(), encode([record.scope, record.header.expires, []]))
    disclosures.note(core, record, acting(core).key)
    if record.scope in core.followed:
        core.receive(record, "")
    else:
        core.out.append(Store(record, True))
        departure.post(core, record)
    return {"letter": record.id, "expires": record.header.expires}


def connected(core: Core, neighbour: Neighbour) -> None:
    """A relay is reached: give it the letters that it has not shown to hold, and ask."""
    core.post.asked = {pair: None for pair in core.post.asked if pair[1] != neighbour.name}
    for record_id, scope, held in _under_way(core):
        if neighbour.name not in held:
            core.out.append(SendRecords(neighbour.name, scope, (record_id,)))


def chase(core: Core) -> None:
    """Ask the relays that we dialled for our letters; give again what was asked for in vain (REL-17)."""
    under_way = _under_way(core)
    ids = {record_id for record_id, _, _ in under_way}
    core.post.asked = {pair: None for pair in core.post.asked if pair[0] in ids}
    for record_id, scope, held in under_way:
        for name in [one.name for one in core.neighbours.values() if one.outbound and one.name not in held]:
            if (record_id, name) in core.post.asked:
                core.out.append(SendRecords(name, scope, (record_id,)))
            core.post.asked[record_id, name] = None
            core.send(name, Want(scope, (record_id,)))


def came_back(core: Core, record: Record, peer: str) -> bool:
    """Whether a relay sent us a letter of our own: it holds it (REL-17)."""
    name = _OUT + record.id.hex()
    kept = core.facts.get(name)
    if kept is None or peer not in core.neighbours:
        return False
    scope, expires, held = decode(kept)
    held = sorted({*held, peer})
    core.keep(name, b"" if len(held) >= MAIL_RELAYS else encode([scope, expires, held]))
    core.notify("mail", letter=record.id, relays=len(held))
    return True


def _under_way(core: Core) -> list[tuple[bytes, str, list[str]]]:
    """(id, scope, relays that have shown to hold it) of letters on their way; what has expired is let go."""
    found = []
    for name in _names(core, _OUT):
        scope, expires, held = decode(core.facts[name])
        if expires <= core.now:
            core.keep(name, b"")
        else:
            found.append((bytes.fromhex(name.removeprefix(_OUT)), scope, held))
    return found
