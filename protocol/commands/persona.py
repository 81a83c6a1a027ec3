"""What a member says about the faces under which they act.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1; 02-identity, IDN-19 to IDN-49.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MakePersona:
    """A new persona of this home, called `name` here; nobody hears of it before it acts."""

    name: str


@dataclass(frozen=True, slots=True)
class UsePersona:
    """Who acts when nobody is named: a persona's name, "one", or the rule "per-circle" or "per-deal" (IDN-21)."""

    name: str


@dataclass(frozen=True, slots=True)
class AskPersonas:
    """-> {"uses", "room", "personas": [{"name", "number", "key", "did", "known", "intents", "circles"}]}"""
