"""What negotiator, supplier and member say in a deal.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Weights = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OpenRfq:
    """The negotiator asks suppliers for quotations; weights default to the members' published mean."""

    coop: bytes
    weights_minor: Weights = field(default_factory=dict)
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetPrices:
    """A supplier's price list and standing rule: rows as protocol.deal.offer spells them, quoted by itself (NEG-35)."""

    category: str
    region: str
    label: str
    rows: tuple[Mapping[str, str | int], ...]
    terms: tuple[str, ...]
    identity: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Commit:
    """The member's own signature under the award: binding, the pledge's numbers repeated."""

    deal: bytes


@dataclass(frozen=True, slots=True)
class Decline:
    """No, with a reason (voice, not only exit)."""

    deal: bytes
    reason: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """An economic event under an agreement: deliver, receive, pay (by reference) or correct."""

    deal: bytes
    action: str
    member: bytes
    quantity: int
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Attest:
    """What one did for the other, after a deal both signed; dimensions 1..5."""

    deal: bytes
    subject: bytes
    role: str
    outcome: str
    dimensions: Mapping[str, int] = field(default_factory=dict)
    remark: str = ""
