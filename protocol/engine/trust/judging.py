"""What one of the two says of whoever mediated between them.

Decides whether an own persona may say it now; refusals are CommandErrors raised before anything has changed. It is said
openly, for a mediator says nothing of them. Spec: 19-remedy, RMD-24; 09-accountability, ATT-2 and ATT-3.
"""

from __future__ import annotations

from typing import Any

from protocol import commands as ask
from protocol.engine.core import Core
from protocol.engine.trust.cases import Matter, matters
from protocol.errors import CommandError, NotNow, Reject
from protocol.params import ATTESTATION_LIFE_MS
from protocol.record.record import Slot
from protocol.trust.accountability import trust_scope
from protocol.trust.assessment import DIMENSIONS, attestation_slot
from protocol.trust.voice import under

_SALT_BYTES = 16


def attest_mediator(core: Core, command: ask.Attest) -> dict[str, Any]:
    """With the own handover and the mediator's acceptance as what shows it."""
    found = [one for one in matters(core) if one.sided and one.voice.mediator == command.subject]
    found = [one for one in found if one.deal.mandate.deal == command.deal and _shown(one)]
    if not found or found[0].me is None:
        raise NotNow("RMD-24", "subject: has not mediated between you and somebody else in this deal")
    matter, me = found[0], found[0].me
    unknown = [name for name in command.dimensions if name not in DIMENSIONS["mediator"]]
    if unknown:
        raise CommandError("ATT-1", f"dimensions: of a mediator can be marked: {', '.join(DIMENSIONS['mediator'])}")
    agreement: bytes = matter.voice.record.body["agreement"]
    scope, name = trust_scope(command.subject), attestation_slot(agreement, command.subject, "mediator")
    if core.peek(scope).slot("attestation.1", me.key, name):
        raise CommandError("ATT-3", "attest: you said how they did in this deal already")
    body = {
        "subject": command.subject,
        "role": "mediator",
        "agreement": agreement,
        "outcome": command.outcome,
        "dimensions": dict(command.dimensions),
        "evidence": _shown(matter),
        "remark": command.remark,
        "salt": core.entropy(_SALT_BYTES),
    }
    try:
        until, slot = core.now + ATTESTATION_LIFE_MS, Slot("once", name, 0)
        record = core.say(me, "attestation.1", scope, body, until=until, slot=slot, human=True, follow=True)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    return {"id": record.id, "sealed": 0, "spoken": 0, "until": 0}


def _shown(matter: Matter) -> list[bytes]:
    """The own handover and the acceptance; empty while either is missing."""
    log, me = matter.context.log, matter.me
    given = log.slot("handover.1", me.key, under("handover", matter.id)) if me is not None else ()
    taken = log.slot("step.1", matter.voice.mediator, f"step/{matter.id[:8].hex()}/mediate/0")
    return [one.raw for one in (*given[:1], *taken[:1])] if given and taken else []
