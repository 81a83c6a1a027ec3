"""What negotiator, supplier and member say in a deal.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Weights = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OpenRfq:
    """The negotiator asks suppliers for quotations: what the members' intents say, stressed or tightened (NEG-70)."""

    coop: bytes
    weights_minor: Weights = field(default_factory=dict)
    requirements: tuple[Mapping[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A question to all sides of a deal; it binds nobody (NEG-75)."""

    deal: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Respond:
    """A reply to the question with this record id, before all sides."""

    deal: bytes
    query: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Suggest:
    """Changes of a request, for its members to adopt: new weights (0: none), requirements of an attribute in the place
    of those there are, attributes whose requirements go, data terms to add (NEG-76)."""

    deal: bytes
    reason: str
    weights_minor: Weights = field(default_factory=dict)
    requirements: tuple[Mapping[str, str | int], ...] = ()
    drops: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adopt:
    """A member's voice for these suggestions, and for no other; for none when it is empty (NEG-77)."""

    deal: bytes
    suggestions: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Which quotations together should serve the co-op: pairs of supplier and counted units a period (NEG-91)."""

    deal: bytes
    serves: tuple[tuple[bytes, int], ...]


@dataclass(frozen=True, slots=True)
class Counter:
    """As negotiator: the unit price and quantity at which this co-op would close with a supplier (NEG-80)."""

    deal: bytes
    supplier: bytes
    price_minor: int
    quantity: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Final:
    """As supplier: the last word, the first quotation with another ladder or capacity, worse in nothing (NEG-82)."""

    deal: bytes
    ladder: tuple[tuple[int, int], ...] = ()
    capacity: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """The member's own signature under the award: binding, the pledge's numbers repeated.

    `terms`: data terms that are taken in place of the member's own, where the supplier accepts no others (CNS-9).
    """

    deal: bytes
    terms: str = ""


@dataclass(frozen=True, slots=True)
class Decline:
    """No, with a reason (voice, not only exit)."""

    deal: bytes
    reason: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Attest:
    """What one did for the other, after a deal both signed; dimensions 1..5."""

    deal: bytes
    subject: bytes
    role: str
    outcome: str
    dimensions: Mapping[str, int] = field(default_factory=dict)
    remark: str = ""
