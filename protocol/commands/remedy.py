"""What is said when something went wrong: a voice, words, steps, a mediator, a plan.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1; 19-remedy.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RaiseVoice:
    """Say that something is wrong under an agreement, and what would put it right; sealed to the other side.

    `subject`: the supplier of one's own agreement where nobody is named.
    """

    deal: bytes
    code: str
    wish: str
    text: str
    subject: bytes = b""


@dataclass(frozen=True, slots=True)
class SayWords:
    """Answer a voice, or go on talking; sealed to the other side, and to the mediator once there is one."""

    voice: bytes
    text: str


@dataclass(frozen=True, slots=True)
class TakeStep:
    """A step under a voice: settled, withdrawn, empty, unreadable, case, accept, decline; under a plan: agree, done,
    confirmed, contested (of the remedy of this index), fine, again."""

    voice: bytes
    step: str
    plan: bytes = b""
    index: int = 0


@dataclass(frozen=True, slots=True)
class TellUnheard:
    """Say in public, where their standing is looked up, that they did not answer in time; lifted once they do."""

    voice: bytes


@dataclass(frozen=True, slots=True)
class NameMediators:
    """Whom one would accept as a mediator; nobody sees the list before the other side has made its own."""

    voice: bytes
    accepts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProposePlan:
    """Remedies (by whom, what, when it is due in Unix ms); it binds once both sides agree to it."""

    voice: bytes
    remedies: tuple[tuple[bytes, str, int], ...]
    text: str
    follow_ms: int = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class SetPulse:
    """How one fares, from 1 to 5, at the opening, outcome or followup: kept at home, shown to a mediator alone."""

    voice: bytes
    stage: str
    mark: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class OfferMediation:
    """Offer to mediate between those of a board, in these languages; or withdraw the offer."""

    category: str
    region: str
    state: str = "offers"
    languages: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class AskVoices:
    """Every voice that concerns an own persona, and how it stands."""


@dataclass(frozen=True, slots=True)
class AskVoice:
    """One voice with all that this node can read of it, and what can be done now."""

    voice: bytes


@dataclass(frozen=True, slots=True)
class AskMediators:
    """Who offers to mediate, those first whom one has reason to trust."""


@dataclass(frozen=True, slots=True)
class AskRelationship:
    """What became of all that one and somebody else agreed: promises, voices, repairs, in words."""

    subject: bytes


@dataclass(frozen=True, slots=True)
class AskHealth:
    """How a co-op's members fared together, in numbers that tell of nobody; once its deal is at its end."""

    coop: bytes


RemedyCommand = (
    RaiseVoice | SayWords | TakeStep | TellUnheard | NameMediators | ProposePlan | SetPulse | OfferMediation
    | AskVoices | AskVoice | AskMediators | AskRelationship | AskHealth
)
