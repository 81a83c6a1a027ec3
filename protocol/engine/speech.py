"""What goes out: an own record is checked, signed, taken like any other, and only then spoken.

Decides nothing about what a record means. Spec: 01-record, REC-14 and REC-16; 02-identity, IDN-10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from protocol.engine import disclosures, rooms, silence
from protocol.engine.admission import take
from protocol.engine.guard import CHECKS
from protocol.engine.network import departure
from protocol.engine.place import check_place
from protocol.errors import CommandError
from protocol.identity import Persona
from protocol.params import PERSONA_LIFE_MS
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope

if TYPE_CHECKING:
    from protocol.engine.core import Core


def say(
    core: Core,
    persona: Persona,
    kind: str,
    scope: str,
    body: Mapping[str, Any],
    *,
    until: int,
    slot: Slot | None = None,
    refs: tuple[bytes, ...] = (),
    human: bool = False,
    follow: bool = False,
) -> Record:
    """Sign, store and publish an own record; what a person did is stamped to the grain (REC-16).

    `follow`: take part in the scope too, once it is sure that the record is good.
    """
    if scope in core.carried:
        core.follow(scope)
    if slot is not None and slot.mode == "once" and core.context(scope).log.slot(kind, persona.key, slot.name):
        raise CommandError("REC-14", f"{kind}: you have spoken already, and once is final")
    record = sign(core, persona, kind, scope, body, until=until, slot=slot, refs=refs, human=human)
    context = core.context(scope)
    check_place(core, context, record)
    _introduce(core, persona)
    if follow:
        core.follow(scope)
    take(core, context, rooms.wrapped(core, context, persona, record, human), True, "", human)
    disclosures.note(core, record)
    return record


def sign(
    core: Core,
    persona: Persona,
    kind: str,
    scope: str,
    body: Mapping[str, Any],
    *,
    until: int,
    slot: Slot | None = None,
    refs: tuple[bytes, ...] = (),
    human: bool = False,
) -> Record:
    """Check and sign an own record without saying it: it is sealed first, and said by whoever opens it (ATT-9)."""
    for check in CHECKS:
        check(core, persona, kind, scope, body, slot)
    created, until = _stamps(core, persona, scope, until, human)
    slot = silence.lifted(core, persona, kind, scope, slot)
    return Record.sign(
        persona, core.settings.network, kind, scope, body, created=created, expires=until, slot=slot, refs=refs
    )


def _stamps(core: Core, persona: Persona, scope: str, until: int, human: bool) -> tuple[int, int]:
    """When a record was made and ends: to the grain (REC-16), a sixtieth of it where no person acted, in public or at a
    home with several personas (IDN-24).

    An end that its author chose would tell the moment otherwise; in co-ops and deals it is the charter's.
    """
    public = scope.startswith(("board/", "trust/"))
    by_itself = max(1, core.settings.grain_ms // 60) if public or len(core.personas) > 1 else 1
    grain = core.settings.grain_ms if human else by_itself
    when = departure.moment(core, persona.key, scope, human)
    created = when - when % grain
    if public:
        until = max(until - until % grain, min(until, created + 1))
    return created, until


def _introduce(core: Core, persona: Persona) -> None:
    """A persona's first record names its recovery key's hash: from then on only that key can freeze it (IDN-10)."""
    fact, recovery = f"introduced/{persona.key.hex()}", core.recovery.get(persona.key)
    if recovery is not None and fact not in core.facts:
        core.keep(fact, b"1")
        scope = trust_scope(persona.key)
        core.follow(scope)
        if core.context(scope).log.by(persona.key, "persona.1"):
            return  # said before a restore
        slot, until = Slot("once", "persona", 0), core.now - core.now % core.settings.grain_ms + PERSONA_LIFE_MS
        core.say(persona, "persona.1", scope, {"recovery": recovery}, until=until, slot=slot, human=True)
