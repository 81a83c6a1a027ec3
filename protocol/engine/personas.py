"""Who acts: the personas of this home by name, and to which of them an intent belongs.

Decides which persona speaks when its person names none; never lets two of them speak for one intent. Names and
numbers stay at home: the keys come from outside, by number (IDN-2). Spec: 02-identity, IDN-19 to IDN-23.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.encoding import decode, encode
from protocol.errors import CommandError, Reject
from protocol.identity import Persona, did
from protocol.params import PERSONAS_MAX
from protocol.record.record import Record
from protocol.record.schema import slug

if TYPE_CHECKING:
    from protocol.engine.core import Core

FIRST = "one"  # what persona 0 is called
PER_CIRCLE, PER_DEAL = "per-circle", "per-deal"
RULES = (FIRST, PER_CIRCLE, PER_DEAL)
_NAMED, _USED, _CIRCLE, _ACTOR, _INTRODUCED = "persona/", "persona-used", "circle/", "actor/", "introduced/"


@dataclass(frozen=True, slots=True)
class Derived:
    """A persona, and what its first record says of its recovery key (IDN-10)."""

    persona: Persona
    recovery: bytes


Derive = Callable[[int], Derived]


def recall(core: Core) -> None:
    """Make the personas again whose names are kept."""
    if core.derive is not None:
        for name in names(core):
            _awake(core, name)


def names(core: Core) -> dict[str, int]:
    """Name → number of every persona of this home, by number."""
    kept = {name.removeprefix(_NAMED): data for name, data in core.facts.items() if name.startswith(_NAMED)}
    found = {name: int(decode(data)) for name, data in kept.items()}
    return {FIRST: 0} | dict(sorted(found.items(), key=lambda one: one[1]))


def _awake(core: Core, name: str) -> Persona:
    """The persona of that name, able to sign from now on. Raises CommandError IDN-20."""
    number = names(core).get(name)
    if number is None:
        known = ", ".join(names(core))
        raise CommandError("IDN-20", f"persona: there is none called {name[:32]!r} (there are: {known})")
    if number == 0 or core.derive is None:
        return core.me
    made = core.derive(number)
    core.recovery[made.persona.key] = made.recovery
    return core.personas.setdefault(made.persona.key, made.persona)


def name_of(core: Core, key: bytes) -> str:
    """What this home calls an own persona; "" for anybody else."""
    if key == core.me.key:
        return FIRST
    found = (name for name in names(core) if key in core.personas and _awake(core, name).key == key)
    return next(found, "")


def make(core: Core, command: ask.MakePersona) -> dict[str, Any]:
    """A new persona; nobody hears of it before it acts."""
    made = _fresh(core, command.name)
    return {"name": command.name, "key": made.key, "did": did(made.key), "room": _room(core)}


def _room(core: Core) -> int:
    return PERSONAS_MAX - len(names(core))


def _fresh(core: Core, name: str) -> Persona:
    try:
        slug()(name, "name")
    except Reject as error:
        raise CommandError("IDN-20", error.message) from None
    known = names(core)
    if name in known or name in RULES:
        raise CommandError("IDN-20", f"name: {name} is taken; choose another")
    if core.derive is None or core.settings.role != "home":
        raise CommandError("IDN-20", "persona: a relay and a supplier have one face, which others look for by its key")
    number = next((one for one in range(1, PERSONAS_MAX) if one not in known.values()), None)
    if number is None:
        raise CommandError("IDN-20", f"persona: this home has {PERSONAS_MAX} already; use one of them")
    core.keep(_NAMED + name, encode(number))
    return _awake(core, name)


def use(core: Core, command: ask.UsePersona) -> dict[str, Any]:
    """From now on this one acts where none is named, or the one that a rule finds."""
    if command.name not in RULES:
        _awake(core, command.name)
    elif command.name != FIRST and core.settings.role != "home":
        raise CommandError("IDN-20", "persona: a relay and a supplier have one face, which others look for by its key")
    core.keep(_USED, command.name.encode())
    return {"uses": command.name}


def used(core: Core) -> str:
    """A persona's name, or the rule that finds one."""
    kept = core.facts.get(_USED)
    return kept.decode() if kept is not None else core.settings.persona


def acting(core: Core, name: str = "") -> Persona:
    """Who acts when it is not for an intent: the one named, else the one in use, else the first."""
    chosen = name or used(core)
    return core.me if chosen in RULES and not name else _awake(core, chosen)


def actor(core: Core, intent: str) -> Persona:
    """To whom the intent of this name belongs (IDN-21)."""
    return core.personas.get(core.facts.get(_ACTOR + intent, b""), core.me)


def name_for(core: Core, command: ask.AddIntent) -> str:
    """Who shall say this intent: who said it before, the one named, or the one that the rule finds (IDN-21).

    The name may be one that is still to be made. Raises CommandError IDN-20 or IDN-21.
    """
    name, rule = command.name, command.persona or used(core)
    if f"intent/{name}" in core.facts:
        before = name_of(core, actor(core, name).key)
        if command.persona not in ("", before):
            says = f"persona: {name} is an intent of {before}; withdraw it first, or give the new one another name"
            raise CommandError("IDN-21", says)
        return before
    if rule == PER_CIRCLE:
        kept = core.facts.get(_CIRCLE + command.category)
        return kept.decode() if kept is not None else _untold(core, command.category)
    if rule == PER_DEAL:
        return _untold(core, name)
    return name_of(core, acting(core, command.persona).key)


def take_on(core: Core, command: ask.AddIntent, name: str) -> Persona:
    """The persona of that name, made now if need be; the intent is its own from now on, and its circle by that rule."""
    persona = _awake(core, name) if name in names(core) else _fresh(core, name)
    if not command.persona and used(core) == PER_CIRCLE and _CIRCLE + command.category not in core.facts:
        core.keep(_CIRCLE + command.category, name.encode())
    if core.facts.get(_ACTOR + command.name, core.me.key) != persona.key:
        core.keep(_ACTOR + command.name, persona.key)
    return persona


def forget(core: Core, intent: str) -> None:
    """An intent is withdrawn."""
    if _ACTOR + intent in core.facts:
        core.keep(_ACTOR + intent, b"")


def _untold(core: Core, wanted: str) -> str:
    """What a persona is called of whom nobody has heard: the first, or a new one."""
    circles = [data.decode() for fact, data in core.facts.items() if fact.startswith(_CIRCLE)]
    if core.derive is None or not (_heard_of(core, core.me) or FIRST in circles):
        return FIRST
    tries = (wanted if not number else f"{wanted[:28]}-{number + 1}" for number in range(PERSONAS_MAX + len(RULES)))
    return next(one for one in tries if one not in names(core) and one not in RULES)


def _heard_of(core: Core, persona: Persona) -> bool:
    return _INTRODUCED + persona.key.hex() in core.facts


def check_alone(core: Core, name: str, subject: str, waiting: Iterable[Record]) -> None:
    """Raises CommandError IDN-22 when another own persona waits on this board for the same group."""
    key = _awake(core, name).key if name in names(core) else b""
    for one in waiting:
        ready = one.body["readiness"] in ("ready", "pledged") and one.body.get("subject", "") == subject
        if one.author != key and ready:
            raise CommandError(
                "IDN-22",
                f"persona: {name_of(core, one.author)} waits for the same group on this board; two of your personas in"
                " one co-op would be two votes of one person, and known as one by what they do at the same moments",
            )


def personas(core: Core) -> dict[str, Any]:
    """All of them, and who acts when none is named."""
    rows = []
    for name, number in names(core).items():
        persona = _awake(core, name)
        own = sorted(one.removeprefix("intent/") for one in core.facts if one.startswith("intent/"))
        rows.append(
            {
                "name": name,
                "number": number,
                "key": persona.key,
                "did": did(persona.key),
                "known": _heard_of(core, persona),
                "frozen": core.frozen[persona.key].since if persona.key in core.frozen else 0,
                "intents": [one for one in own if actor(core, one) is persona],
                "circles": [
                    fact.removeprefix(_CIRCLE)
                    for fact, data in sorted(core.facts.items())
                    if fact.startswith(_CIRCLE) and data.decode() == name
                ],
            }
        )
    return {"uses": used(core), "room": _room(core), "personas": rows}
