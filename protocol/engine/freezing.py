"""What this node does about personas that their recovery keys have frozen, its own among them.

Decides whose new words are not taken, not witnessed and not signed; who was stolen from is never judged by it. The
recovery key itself is never here: whoever holds the words signs elsewhere and hands the record in.
Spec: 02-identity, IDN-26 to IDN-34.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.engine.context import Context
from protocol.engine.personas import acting, name_of
from protocol.errors import CommandError, Ignore, Reject, Silent
from protocol.identity import Persona
from protocol.params import FROZEN_MAX
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope
from protocol.trust.succession import FIRST, SPOKEN, consent, contradicts, frozen_in, read

if TYPE_CHECKING:
    from protocol.engine.core import Core

_TOLD = "frozen-told/"


def attend(core: Core, context: Context) -> None:
    """Look at a trust scope again: who is frozen, and whether one of ours is."""
    ended = frozen_in(context.log, core.settings.network)
    full = len(core.frozen) + len(ended) > FROZEN_MAX
    known = _known(core) if full else {}
    for key, found in ended.items():
        if key not in core.frozen and len(core.frozen) >= FROZEN_MAX and not _forget(core, known, key in known):
            continue
        core.frozen[key] = found
        if key in core.personas and _TOLD + key.hex() not in core.facts:
            core.keep(_TOLD + key.hex(), b"1")
            core.notify("frozen", persona=key, name=name_of(core, key), heir=found.heir)


def _known(core: Core) -> dict[bytes, None]:
    """Own personas, and whoever is in a co-op that is held here, or its witness."""
    coops = [one.coop(core.settings) for one in core.contexts.values() if one.family == "coop"]
    others = [key for one in coops if one is not None for key in (*one.joined, *one.council.witnesses)]
    return dict.fromkeys((*core.personas, *others))


def _forget(core: Core, known: Mapping[bytes, None], anybody: bool) -> bool:
    """Let go of a stranger, or `anybody`: who freezes many keys of their own wants another to be forgotten."""
    gone = next((key for key in core.frozen if key not in known), next(iter(core.frozen)) if anybody else None)
    if gone is not None:
        del core.frozen[gone]
    return gone is not None


def check_record(core: Core, context: Context, record: Record) -> None:
    """Raises Ignore for what is not taken on boards and in trust scopes: IDN-27, IDN-28, IDN-29 or IDN-33."""
    log = context.log
    if record.kind in SPOKEN:
        try:
            first = read(record, core.settings.network)
        except Reject as error:
            raise Ignore(error.code, error.message) from None
        if contradicts(log, first):
            raise Ignore("IDN-29", "first: another first record of this persona has been known here for longer")
    elif record.kind == FIRST:
        if contradicts(log, record):
            raise Ignore("IDN-29", "persona: another first record of it has been known here for longer")
    elif record.author in core.frozen:
        raise Ignore("IDN-33", f"{record.kind}: its author's recovery key has frozen it")


def check(core: Core, persona: Persona, kind: str, scope: str, body: Mapping[str, Any], slot: Slot | None) -> None:
    """No signature by an own persona that is frozen (IDN-33); raises Silent, as where somebody else has the key."""
    if persona.key in core.frozen:
        raise Silent("IDN-33", f"{kind}: not signed: {name_of(core, persona.key)} is frozen; its recovery key said so")


def gone_among(core: Core, keys: Collection[bytes]) -> list[bytes]:
    """Which of these personas are frozen, as far as this node knows."""
    return [key for key in keys if key in core.frozen]


def check_company(core: Core, charter: Record) -> None:
    """Raises CommandError IDN-34 for a co-op in whose charter a frozen persona has a part to play."""
    gone = gone_among(core, (charter.author, *charter.body["witnesses"]))
    if gone:
        raise CommandError("IDN-34", f"join: {gone[0].hex()[:8]} founded this co-op or is its witness, and is frozen")


def recovery(core: Core, command: ask.AskRecovery) -> dict[str, Any]:
    """What whoever holds the words needs, to freeze a persona or name its successor; its scope is followed from now."""
    if len(command.persona) != 32:
        raise CommandError("IDN-27", "persona: must be a key, 32 bytes")
    scope = trust_scope(command.persona)
    core.follow(scope)
    held = core.context(scope).log.by(command.persona, FIRST)
    found = core.frozen.get(command.persona)
    answer: dict[str, Any] = {"persona": command.persona, "scope": scope, "now": core.now}
    answer |= {"first": held[0].raw if held else b"", "linked": sum(one.outbound for one in core.neighbours.values())}
    answer |= {"frozen": found.since if found else 0, "heir": found.heir if found else b""}
    if command.successor:
        heir = acting(core, command.successor)
        if heir.key == command.persona or heir.key in core.frozen:
            raise CommandError("IDN-28", f"successor: {command.successor} cannot be it; make another persona")
        answer |= {"successor": heir.key, "consent": consent(heir, core.settings.network, command.persona)}
    return answer


def hand_in(core: Core, command: ask.HandIn) -> dict[str, Any]:
    """Take a record that a recovery key signed elsewhere, and pass it on."""
    record = Record.parse(command.record, core.settings.network)
    if record.kind not in (*SPOKEN, FIRST):
        raise CommandError("IDN-27", "record: must be a persona's first one, a freeze or a succession")
    if record.scope not in core.followed:
        core.follow(record.scope)
    try:
        core.receive(record, "")
    except Ignore as error:
        raise CommandError(error.code, error.message) from None
    return {"id": record.id, "kind": record.kind, "scope": record.scope}
