"""What a member says to a co-op, from founding it to the ballot.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FoundCoop:
    """Found a co-op by hand around the intent called `intent`; members come by invitation.

    admits: what candidates and newcomers have to show, {"outcomes", "vouches", "newcomers", "elect_newcomers"}, all of
    them or {} (ELE-35). stakes: what a member's share may come to and how much of it is paid before delivery,
    {"value_minor", "prepaid_percent"}, or {} (RSK-1); risk "": what these stakes come to.
    """

    intent: str
    purpose: str
    least: int
    most: int
    preset: str
    fee_max_minor: int
    witnesses: tuple[bytes, ...] = ()
    risk: str = ""
    admits: Mapping[str, int] = field(default_factory=dict)
    before: tuple[bytes, ...] = ()  # the co-ops that it comes from (FRM-37)
    stakes: Mapping[str, int] = field(default_factory=dict)
    mediators: tuple[bytes, ...] = ()  # whom both sides may turn to, whatever they agree on later (RMD-14)
    listed: tuple[bytes, ...] = ()  # who alone may join beside the founder; without: by invitation


@dataclass(frozen=True, slots=True)
class Invite:
    """Signed, expiring invitations to `coop`, each for the first `count` who come; the reply holds `tokens`."""

    coop: bytes
    expires: int
    count: int = 1
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class JoinCoop:
    """Join `coop` with the intent called `intent`, on these conditions; `token` is the invitation's, if any.

    The join is signed as soon as the charter is known and its witnesses have accepted.
    """

    coop: bytes
    intent: str
    least: int = 0
    most: int = 0
    exclude: tuple[bytes, ...] = ()
    token: bytes = b""


@dataclass(frozen=True, slots=True)
class ProposeCoop:
    """Show the members of `coop` the charter of its successor, with the invitation by which they may join it."""

    coop: bytes
    successor: bytes
    token: bytes = b""


@dataclass(frozen=True, slots=True)
class LeaveCoop:
    """Leave `coop`: at once while it gathers and votes, and later by a decline; not after one's own commitment."""

    coop: bytes
    reason: str = "other"
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Pledge:
    """What the member would take at most at which unit price, on exactly this roster."""

    coop: bytes
    want: int
    tolerate: int
    least: int
    price_max_minor: int


@dataclass(frozen=True, slots=True)
class Stand:
    """Stand for negotiator, interests and fee disclosed first (ELE-20). Silence means: not standing."""

    coop: bytes
    fee_minor: int
    interests: tuple[str, ...]
    statement: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Vote:
    """One ranked ballot: tiers of candidate keys, best first; unlisted ones are tied below (ELE-21)."""

    coop: bytes
    ranking: tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """Call for the end of the negotiator's term; when more than half of the roster do, it ends (ELE-42)."""

    coop: bytes
    reason: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Vouch:
    """Put one's own name behind somebody whom few know yet, for a year (ELE-37)."""

    subject: bytes
    persona: str = ""  # who says it; without: the one in use (IDN-21)


@dataclass(frozen=True, slots=True)
class AskReceipts:
    """-> [{"kind", "question", "id", "state", "receipts": [key], "needed"}]: what own personas said in boxes."""

    coop: bytes


@dataclass(frozen=True, slots=True)
class AskInclusion:
    """-> {"proof": bytes}: that an own record of `kind` was handed in, and is in its box or left out (ELE-50)."""

    coop: bytes
    kind: str = "ballot"
