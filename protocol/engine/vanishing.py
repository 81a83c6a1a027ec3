"""Taking back what was said on boards: one record at once, or everything after a day in which it can be called off.

Decides what an emptied version says, and which facts go with it; what a certificate lists or two sides signed is not
touched. Spec: 18-keeping, KEP-30 to KEP-33.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.encoding import decode, encode
from protocol.engine.silence import is_quiet
from protocol.errors import CommandError
from protocol.params import VANISH_MS
from protocol.record.record import Record, Slot

if TYPE_CHECKING:
    from protocol.engine.core import Core

FACT = "vanish"  # when it happens
_OWN = ("preference/", "cards/", "corrections/", "baseline/", "intent/", "reach/", "details")  # facts that go with it
# What the last version of a kind says: nothing that anybody could learn from.
_EMPTY: Mapping[str, Mapping[str, Any]] = {
    "intent.1": {
        "want": 0,
        "tolerate": 0,
        "spend_minor": 0,
        "readiness": "withdrawn",
        "ready_by": 0,
        "levels": {},
        "terms": [],
    },
    "profile.1": {"label": "-", "terms": []},
    "pledge-marker.1": {"intent": bytes(32), "roster": bytes(32)},
}


def emptied(record: Record) -> dict[str, Any]:
    """The body of a version that takes a record back; a category's template is no secret, and its board tells it."""
    kept = {"template": record.body["template"]} if record.kind == "intent.1" else {}
    return kept | dict(_EMPTY[record.kind])


def vanish(core: Core, _: ask.Vanish) -> dict[str, Any]:
    """Everything that own personas said on boards is taken back in a day, unless that is called off before (KEP-32)."""
    if FACT not in core.facts:
        core.keep(FACT, encode(core.now + VANISH_MS))
    return {"at": decode(core.facts[FACT]), "records": len(_said(core))}


def stay(core: Core, _: ask.Stay) -> dict[str, Any]:
    """Call it off. Raises CommandError KEP-32 when nothing is planned."""
    if FACT not in core.facts:
        raise CommandError("KEP-32", "vanish: nothing is planned, so there is nothing to call off")
    core.keep(FACT, b"")
    return {"at": 0, "records": len(_said(core))}


def attend(core: Core) -> None:
    """Do it when its time has come; a device that may not sign does it when it may."""
    if FACT not in core.facts or core.now < decode(core.facts[FACT]) or is_quiet(core):
        return
    for record in _said(core):
        slot = record.header.slot
        assert slot is not None
        following = Slot("latest", slot.name, slot.seq + 1)
        until = record.header.expires  # as long as what it replaces could come back
        persona = core.personas[record.author]
        core.say(persona, record.kind, record.scope, emptied(record), until=until, slot=following)
    for name in [one for one in core.facts if one.startswith(_OWN)]:
        core.keep(name, b"")
    core.keep(FACT, b"")
    core.notify("vanished")


def deadline(core: Core) -> int | None:
    """When to `attend`."""
    return decode(core.facts[FACT]) if FACT in core.facts and not is_quiet(core) else None


def waiting(core: Core) -> list[dict[str, Any]]:
    """That it is planned, for as long as it can be called off."""
    if FACT not in core.facts:
        return []
    says = f"Everything you said on boards ({len(_said(core))} records) will be taken back; you can call it off."
    silence = "It happens. What others signed with you stays with them."
    return [{"kind": "vanish", "id": b"", "until": decode(core.facts[FACT]), "says": says, "silence": silence}]


def _said(core: Core) -> list[Record]:
    """What own personas' boards still tell of them, by board."""
    boards = sorted((one for one in core.contexts.values() if one.family == "board"), key=lambda one: one.scope)
    found = [one for board in boards for key in core.personas for kind in _EMPTY for one in board.log.by(key, kind)]
    return [one for one in found if one.header.expires > core.now and one.body != emptied(one)]
