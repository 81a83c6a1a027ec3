"""A relay's policy: published by its operator, given to who dials in, kept by who dialled.

Decides what a policy says and whose it is; what is taken and refused is in `steward`. Spec: 15-relay, REL-7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.engine.network.steward import admits, say_latest, trust_of
from protocol.errors import CommandError
from protocol.events import SendRecords
from protocol.network.bounds import bound_of
from protocol.network.gossip import Neighbour
from protocol.params import MAIL_LIFE_MS, POLICIES_MAX, POLICY_LIFE_MS
from protocol.record.record import Record

if TYPE_CHECKING:
    from protocol.engine.core import Core

_SLOT, _HEARD = "policy", "policy/"


def publish(core: Core, command: ask.PublishPolicy) -> dict[str, Any]:
    """Tell everybody what this node takes and keeps; its limits are read off, not typed."""
    body = {
        "contact": command.contact,
        "languages": sorted(dict.fromkeys(command.languages)),
        "admits": admits(core),
        "retention_ms": command.retention_ms,
        "limits": limits(core),
        "peers": sorted(dict.fromkeys(command.peers)),
        "words": command.words,
        "language": command.language,
    }
    say_latest(core, "policy.1", _SLOT, body, core.now + POLICY_LIFE_MS)
    return policy(core, ask.AskPolicy())


def limits(core: Core) -> dict[str, int]:
    """The bounds in force that matter to whoever uses this relay; of authors and scopes, those of boards."""
    board, stored = bound_of("board/"), core.settings.stored_bytes
    found = {
        "author_bytes": board.author_bytes,
        "author_records": board.author_records,
        "mail_bytes": core.settings.mail_bytes,
        "mail_ms": MAIL_LIFE_MS,
        "mail_records": core.settings.mail_records,
        "scope_bytes": board.scope_bytes,
    }
    return found | ({"stored_bytes": stored} if stored else {})


def greet(core: Core, neighbour: Neighbour) -> None:
    """Give who dialled in the policy, if there is one."""
    own = core.peek(trust_of(core.me.key)).slot("policy.1", core.me.key, _SLOT)
    if own and not neighbour.outbound:
        core.out.append(SendRecords(neighbour.name, own[0].scope, (own[0].id,)))


def heard(core: Core, record: Record, peer: str) -> None:
    """Keep the policy of a relay that we dialled, when it names that relay as its own."""
    neighbour, slot = core.neighbours.get(peer), record.header.slot
    if neighbour is None or not neighbour.outbound or not _placed(record) or peer not in record.body["peers"]:
        return
    name, before = _HEARD + peer, _kept(core, peer)
    if before is None:
        if sum(1 for one in core.facts if one.startswith(_HEARD)) >= POLICIES_MAX:
            return
    elif before.author == record.author and before.header.slot and slot and before.header.slot.seq >= slot.seq:
        return
    core.keep(name, record.raw)


def _placed(record: Record) -> bool:
    slot = record.header.slot
    return record.scope == trust_of(record.author) and slot is not None and slot.name == _SLOT


def _kept(core: Core, peer: str) -> Record | None:
    raw = core.facts.get(_HEARD + peer)
    return Record.parse(raw, core.settings.network, verified=True) if raw else None


def policy(core: Core, command: ask.AskPolicy) -> dict[str, Any]:
    """A published policy as far as it is known here: of a relay by its PeerId, of a persona, or this node's own."""
    if command.peer:
        return _shown(_kept(core, command.peer), b"")
    key = command.persona or core.me.key
    if len(key) != 32:
        raise CommandError("REL-7", "persona: must be a did:key, or a key of 32 bytes")
    held = core.peek(trust_of(key)).slot("policy.1", key, _SLOT)
    if not held and key != core.me.key and f"scope/{trust_of(key)}" not in core.facts:
        core.follow(trust_of(key))  # ask for it; it is here when it is asked for again
    found = _shown(held[0] if held else None, key)
    if held and key == core.me.key:
        body = held[0].body
        found["current"] = body["admits"] == admits(core) and dict(body["limits"]) == limits(core)
    return found


def _shown(record: Record | None, key: bytes) -> dict[str, Any]:
    if record is None:
        return {"persona": key, "published": 0, "policy": {}}
    body = dict(record.body) | {"limits": dict(record.body["limits"])}
    return {"persona": record.author, "published": record.header.created, "policy": body}
