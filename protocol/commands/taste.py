"""What a member likes: choices already made, cards, and corrections.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1; 04-preference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetPreference:
    """Choices the member made, from which weights are fitted and kept at home (PRF-1).

    tasks: per task the alternatives (attribute -> number) and the index of the chosen one.
    """

    category: str
    tasks: tuple[tuple[tuple[Mapping[str, float], ...], int], ...]


@dataclass(frozen=True, slots=True)
class AskCard:
    """The next card: "which of these would you take?" (PRF-13). Asking again shows the same one."""

    category: str


@dataclass(frozen=True, slots=True)
class AnswerCard:
    """The member would take the product at index `chosen` of card `number`, counted from 0 (PRF-15)."""

    category: str
    number: int
    chosen: int


@dataclass(frozen=True, slots=True)
class AskPreference:
    """What the member's choices came to, in numbers and words, and what of it leaves the home (PRF-17)."""

    category: str


@dataclass(frozen=True, slots=True)
class CorrectPreference:
    """An attribute matters `more`, `less`, `nothing`, or `as-chosen` again (PRF-16)."""

    category: str
    attribute: str
    word: str


@dataclass(frozen=True, slots=True)
class ForgetPreference:
    """Choices, corrections and weights of a category are forgotten; the next intent shows no levels."""

    category: str


TasteCommand = SetPreference | AskCard | AnswerCard | AskPreference | CorrectPreference | ForgetPreference
