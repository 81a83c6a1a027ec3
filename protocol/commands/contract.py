"""What member and supplier say once there is an award: a repair, a report, an end, a substitute, a poll.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Repair:
    """Step in or take more after a rung fell: binding; numbers left out are the pledge's (NEG-111)."""

    deal: bytes
    want: int | None = None
    tolerate: int | None = None
    least: int | None = None
    price_max_minor: int | None = None
    supplier: bytes = b""
    terms: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """An economic event under an agreement: deliver, receive, pay (by reference), or correct an earlier one."""

    deal: bytes
    action: str
    member: bytes
    quantity: int
    reference: str = ""
    corrects: bytes = b""


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a share by the agreed terms, not before `ends` (Unix ms); one's own where no member is named."""

    deal: bytes
    reason: str
    ends: int = 0
    member: bytes = b""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Substitute:
    """As supplier, offer another article at no higher price; each member named (or everybody) answers for themself."""

    deal: bytes
    article: str
    unit_price_minor: int
    members: tuple[bytes, ...] = ()
    attributes: Mapping[str, int] = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """A member's answer to a substitute: consent or refuse; silence refuses."""

    deal: bytes
    substitute: bytes
    answer: str


@dataclass(frozen=True, slots=True)
class AnswerRenewal:
    """The poll before an agreement ends: renew, change or leave."""

    deal: bytes
    answer: str
    reason: str = ""
    remark: str = ""
