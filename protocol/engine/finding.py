"""Finding all personas of this home again, as after a restore from the words alone.

Decides for which keys is looked and when the search is over; names that were lost become numbers. Relays see that all
trust scopes are asked for, never which keys are meant. Spec: 02-identity, IDN-3, IDN-40.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.encoding import decode, encode
from protocol.engine import ending
from protocol.engine.context import Context
from protocol.engine.personas import names, recall
from protocol.errors import CommandError
from protocol.params import PERSONA_SCAN, PERSONAS_MAX, TRUST_PREFIX_DIGITS
from protocol.trust.accountability import trust_scope

if TYPE_CHECKING:
    from protocol.engine.core import Core

_FACT, _NAMED, _INTRODUCED = "finding", "persona/", "introduced/"


def find(core: Core, command: ask.FindPersonas) -> dict[str, Any]:
    """Begin, or end, the search; it goes on over restarts until it is ended."""
    if core.derive is None or core.settings.role != "home":
        raise CommandError("IDN-40", "persona: a relay and a supplier have one face, which is number 0")
    scopes = [f"trust/{number:0{TRUST_PREFIX_DIGITS}x}" for number in range(16**TRUST_PREFIX_DIGITS)]
    if command.stop:
        _end(core)
    elif _FACT not in core.facts:
        fresh = [scope for scope in scopes if f"scope/{scope}" not in core.facts]
        core.keep(_FACT, encode([core.now, fresh]))
        for scope in scopes:
            core.follow(scope)
            core.dirty[scope] = None
    return progress(core)


def attend(core: Core, context: Context) -> None:
    """Look for candidates in a trust scope; whoever is found makes room for more candidates (IDN-3)."""
    if _FACT not in core.facts or core.derive is None:
        return
    known = dict(names(core))
    tried, numbers = _window(core), set(known.values())
    for number in range(1, tried):
        if number in numbers:
            continue
        key = core.derive(number).persona.key
        if trust_scope(key) == context.scope and context.log.knows(key):
            name = f"p{number}" if f"p{number}" not in known else f"found-{number}"
            core.keep(_NAMED + name, encode(number))
            core.keep(_INTRODUCED + key.hex(), b"1")
            core.notify("persona", name=name, number=number, found=True)
    if _window(core) > tried:
        recall(core)
        for scope in core.followed:
            if scope.startswith("trust/"):
                core.dirty[scope] = None


def _window(core: Core) -> int:
    """Below which number is looked: twenty beyond the last that is known, as far as a home can have any."""
    return min(PERSONAS_MAX, max(names(core).values()) + 1 + PERSONA_SCAN)


def progress(core: Core) -> dict[str, Any]:
    """How far the search is: scopes that have come whole from a relay since it began, of how many."""
    kept = core.facts.get(_FACT)
    since = decode(kept)[0] if kept is not None else 0
    done = [when for when in core.relays.synced.values() if when > since] if since else []
    found, tried = len(names(core)), _window(core)
    return {"finding": kept is not None, "since": since, "relays": len(done), "found": found, "tried": tried}


def _end(core: Core) -> None:
    """Take no further part in scopes that were followed for the search alone."""
    kept = core.facts.get(_FACT)
    if kept is None:
        return
    core.keep(_FACT, b"")
    own = {trust_scope(key) for key in core.personas}
    ending.pruned(core, [scope for scope in decode(kept)[1] if scope not in own])
