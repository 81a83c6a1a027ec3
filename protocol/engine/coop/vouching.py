"""What a node shows about its own persona by itself, and a person's word for somebody else.

Decides which of the held attestations and vouches go into a join or nomination: as few as make the case, the newest
first. Spec: 07-election, ELE-34 to ELE-37.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from protocol import commands as ask
from protocol.coop.evidence import is_outcome, is_vouch, vouch_slot
from protocol.engine.core import Core
from protocol.engine.personas import acting
from protocol.errors import CommandError, Ignore, Reject
from protocol.identity import Persona
from protocol.params import EVIDENCE_BYTES_MAX, EVIDENCE_MAX, VOUCH_LIFE_MS
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope


def with_evidence(core: Core, persona: Persona, vouchers: Collection[bytes], body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a join or nomination with what the node holds in its author's favour."""
    found = own_evidence(core, persona.key, vouchers)
    return dict(body) | ({"evidence": [one.raw for one in found]} if found else {})


def own_evidence(core: Core, subject: bytes, vouchers: Collection[bytes]) -> list[Record]:
    """One outcome of each counterparty and one vouch of each whose word counts, the newest first, as many as fit."""
    log, network = core.peek(trust_scope(subject)), core.settings.network
    said = [one for kind in ("vouch.1", "attestation.1") for one in log.of_kind(kind) if _lives(core, log, one)]
    good: dict[tuple[str, bytes], Record] = {}
    for one in sorted(said, key=lambda record: (-record.header.created, record.id)):
        counts = is_outcome(one, subject, network) or (is_vouch(one, subject) and one.author in vouchers)
        if counts and len(one.raw) <= EVIDENCE_BYTES_MAX:
            good.setdefault((one.kind, one.author), one)
    return list(good.values())[:EVIDENCE_MAX]


def _lives(core: Core, log: Log, one: Record) -> bool:
    sole = one.header.slot is not None and log.sole(one.kind, one.author, one.header.slot.name) is not None
    return sole and one.header.created <= core.now < one.header.expires


def vouch(core: Core, command: ask.Vouch) -> dict[str, Any]:
    """Say in public that one knows somebody and stands by them."""
    if len(command.subject) != 32 or command.subject in core.personas:
        raise CommandError("ELE-37", "subject: must be the persona of somebody else")
    persona = acting(core, command.persona)
    scope, slot = trust_scope(command.subject), Slot("once", vouch_slot(command.subject), 0)
    body, until = {"subject": command.subject}, core.now + VOUCH_LIFE_MS
    try:
        record = core.say(persona, "vouch.1", scope, body, until=until, slot=slot, human=True, follow=True)
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None
    return {"id": record.id, "until": until}
