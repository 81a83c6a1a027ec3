"""What may be looked at; each docstring is the shape of the answer.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AskStatus:
    """-> {"persona", "did", "role", "peers": [...], "scopes": [{"scope", "records", "digest"}], "deadline"}"""


@dataclass(frozen=True, slots=True)
class AskNeeds:
    """-> [{"kind", "coop" | "deal", "until", "says", "silence", …what the answer needs}]: what waits for me."""


@dataclass(frozen=True, slots=True)
class AskBoard:
    """-> {"category", "region", "intents": n, "ready": n, "pooled_minor_band": [low, high], "currency", "mine": […],
    "calls": […], "headlines": […]}"""

    category: str
    region: str


@dataclass(frozen=True, slots=True)
class AskIntents:
    """-> the member's own intents, [{"name", "category", "region", "want", …, "readiness", "coop"}]"""


@dataclass(frozen=True, slots=True)
class AskCoops:
    """-> [{"id", "purpose", "state", "members", "me", "negotiator", "pooled_minor", "currency", "deal", …}]"""


@dataclass(frozen=True, slots=True)
class AskInvitations:
    """-> [{"nonce", "used": n}]: by which of this co-op's invitations how many have come."""

    coop: bytes


@dataclass(frozen=True, slots=True)
class AskCoop:
    """-> one co-op with charter, roster, questions, candidates, tally, mandate, deal, ranking and allocation."""

    coop: bytes


@dataclass(frozen=True, slots=True)
class AskDeals:
    """-> [{"id", "category", "state", "members", "quote_until", "mine", "award", "agreement"}] (suppliers' feed)"""


@dataclass(frozen=True, slots=True)
class AskTalk:
    """-> {"asked", "queries": [{"id", "by", "role", "text", "replies"}], "suggestions": [{…, "voices", "adopted"}]}"""

    deal: bytes


@dataclass(frozen=True, slots=True)
class AskBundle:
    """-> {"bundle": bytes}: the whole deal from records alone (BUN-1)."""

    coop: bytes


@dataclass(frozen=True, slots=True)
class AskStanding:
    """-> {"subject", "role", "standing", "expectation", "why": [sentences]}: this observer's view."""

    subject: bytes
    role: str


@dataclass(frozen=True, slots=True)
class AskPeers:
    """-> {"peers": who is linked, why, how much passed, how far behind; "relays": whom this node keeps to}"""


@dataclass(frozen=True, slots=True)
class AskMesh:
    """-> {"state", "says", "consequence", "fix", "fresh", "as_of", "bytes_in", ...}: how others reach this node."""


@dataclass(frozen=True, slots=True)
class AskDigest:
    """-> {"scope", "digest", "records"}, the digest being that of who takes part, read from the disk where need be"""

    scope: str


@dataclass(frozen=True, slots=True)
class AskRules:
    """-> {"own": [{"verb", "about", "subject", "reason", "until"}], "followed": […], "following": [key]}"""


@dataclass(frozen=True, slots=True)
class AskPolicy:
    """-> {"persona", "published", "policy"}: of this node, or a persona or relay that is named, if known here."""

    persona: bytes = b""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class AskMail:
    """-> {"letters": [{"id", "label", "text", "sent", "received", "reply"}], "tokens": […], "outgoing": n}"""


@dataclass(frozen=True, slots=True)
class AskNumbers:
    """-> counts of what the core holds in memory, names of nobody: peers, scopes, sessions, rules, mail."""
