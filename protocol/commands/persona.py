"""What a member says about the faces under which they act.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1; 02-identity, IDN-19 to IDN-41.
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
class AskRecovery:
    """-> {"persona", "first", "scope", "now", "linked", "frozen", "heir"}: what a freeze needs.

    successor: an own persona's name; then {"successor", "consent"} too (IDN-28).
    """

    persona: bytes
    successor: str = ""


@dataclass(frozen=True, slots=True)
class HandIn:
    """Pass on a freeze or succession that a recovery key signed elsewhere, or a persona's first record (IDN-27)."""

    record: bytes


@dataclass(frozen=True, slots=True)
class Prove:
    """A line that tells `verifier`, and convinces nobody else, that the own persona `new` stands for `old` (IDN-35)."""

    old: str
    new: str
    verifier: bytes
    expires: int


@dataclass(frozen=True, slots=True)
class TakeProof:
    """Believe a proof that was made for this node's person (IDN-38)."""

    proof: str


@dataclass(frozen=True, slots=True)
class DropProof:
    """Believe no longer that `persona` stands for another (IDN-39)."""

    persona: bytes


@dataclass(frozen=True, slots=True)
class FindPersonas:
    """Look for all personas of these keys that the network knows (IDN-3); `stop` ends the search."""

    stop: bool = False


@dataclass(frozen=True, slots=True)
class AskLinkage:
    """-> {"says": [text], "relays", "pairs": [{"faces", "boards", "apart_ms", "same_stamps", "others_near", "alike"}]}

    What still shows that own personas are one person (IDN-41).
    """


@dataclass(frozen=True, slots=True)
class AskPersonas:
    """-> {"uses", "room", "personas": [{"name", "number", "key", "did", "known", "frozen", "intents", "circles"}],
    "proofs": [{"new", "old", "expires"}], "search": {"finding", "since", "relays", "found", "tried"}}"""
