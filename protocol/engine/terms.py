"""Data terms by name: which this node holds the text of, which its person asks for, and none that nobody can read.

Decides what a name stands for and which ids an own record may hold; never what terms allow. Spec: 20-consent, CNS-2
and CNS-3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from protocol import commands as ask
from protocol.encoding import decode, encode
from protocol.engine.core import Core
from protocol.errors import CommandError
from protocol.params import TERMS_MAX

_CHOSEN = "terms/chosen"


def resolve(core: Core, wanted: Iterable[str]) -> list[str]:
    """Ids, ascending, of terms given by name or id. A name alone means the newest version that is held.

    Raises CommandError CNS-3 for what this node holds no text of.
    """
    held = core.settings.terms
    newest = {one.name: one.id for one in sorted(held.values(), key=lambda one: (one.version, one.id))}
    found: dict[str, None] = {}
    for one in wanted:
        known = one if one in held else newest.get(one)
        if known is None:
            there = ", ".join(sorted(newest)) or "none"
            raise CommandError("CNS-3", f"terms: {one[:64]!r} is not known here; there are {there}")
        found[known] = None
    if len(found) > TERMS_MAX:
        raise CommandError("CNS-3", f"terms: at most {TERMS_MAX}")
    return sorted(found)


def chosen(core: Core) -> list[str]:
    """What this node's person asks for where an intent names nothing itself."""
    kept = core.facts.get(_CHOSEN)
    return [one for one in decode(kept) if one in core.settings.terms] if kept else []


def asked(core: Core, wanted: Iterable[str]) -> list[str]:
    """What an intent asks for: what it names, else what was chosen for all; the one name `none` asks for nothing."""
    named = [*wanted]
    return [] if named == ["none"] else resolve(core, named) if named else chosen(core)


def choose(core: Core, command: ask.ChooseTerms) -> dict[str, Any]:
    """Keep the choice at home; intents carry it from then on."""
    found = resolve(core, command.terms)
    core.keep(_CHOSEN, encode(found) if found else b"")
    return {"chosen": found}


def terms(core: Core) -> dict[str, Any]:
    """The catalogue, and what is chosen from it."""
    own = chosen(core)
    rows = []
    for one in sorted(core.settings.terms.values(), key=lambda one: (one.name, one.version, one.id)):
        told: dict[str, Any] = asdict(one)
        rows.append({**{name: told[name] for name in ("id", "name", "version", "title", "words")}, **told["use"]})
        rows[-1]["chosen"] = one.id in own
    return {"terms": rows, "chosen": own}


COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {
    ask.ChooseTerms: choose,
    ask.AskTerms: lambda core, _: terms(core),
}
