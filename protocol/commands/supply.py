"""What a supplier, or its program, says to its own node.

Decides nothing: plain values, checked by the engine. Spec: 16-supplier; 13-node, API-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetPrices:
    """Sell on a board: a profile there, and from now on answers from these rows (NEG-34), which replace all others.

    Without rows the articles stay as they are. `identity`: the trader's name, contact, country and register. `terms`:
    data terms that are accepted, by name or id; `instead`: the one that members may take where others are asked for.
    """

    category: str
    region: str
    label: str
    rows: tuple[Mapping[str, str | int], ...]
    terms: tuple[str, ...]
    identity: Mapping[str, str]
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimDomain:
    """Say that this persona trades under a domain ("": no longer). -> {"domain", "proof"}: what to publish there"""

    domain: str


@dataclass(frozen=True, slots=True)
class PutArticles:
    """Add or change these articles of a board, take away those in `gone`; others stay as they are (SUP-7)."""

    category: str
    region: str
    rows: tuple[Mapping[str, str | int], ...]
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetSupplyRules:
    """The standing limits from now on, those of SUP-10; what is not named has its default."""

    mode: str = "auto"
    margin_percent: int = 0
    members_least: int = 0
    quantity_least: int = 0
    quantity_most: int = 0
    value_most_minor: int = 0
    open_most: int = 1000
    headroom_percent: int = 100
    prepaid_percent: int = 0
    countersign: str = "auto"


@dataclass(frozen=True, slots=True)
class Quote:
    """Sign a quotation: what was proposed, or with another article, ladder or capacity, within the limits (SUP-12)."""

    deal: bytes
    sku: str = ""
    ladder: tuple[tuple[int, int], ...] = ()
    capacity: int = 0


@dataclass(frozen=True, slots=True)
class PassRequest:
    """Do not quote for this request."""

    deal: bytes
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Countersign:
    """Sign the agreement that this node computes, where the rules leave it to a person or program."""

    deal: bytes


@dataclass(frozen=True, slots=True)
class ReleaseCapacity:
    """What this deal was promised is free again for others (SUP-14)."""

    deal: bytes


@dataclass(frozen=True, slots=True)
class AskArticles:
    """-> {"rows": at most `limit` articles' rows beyond the one called `after`, by name; "more": there are others}"""

    category: str
    region: str
    after: str = ""
    limit: int = 500


@dataclass(frozen=True, slots=True)
class AskSupply:
    """-> {"rules", "boards": [{"category", "region", "label", "terms", "articles"}], "reserved": [...], "feed"}"""


@dataclass(frozen=True, slots=True)
class AskRequests:
    """-> every request that this supplier's node looked at, newest first, with what it did and what came of it"""


@dataclass(frozen=True, slots=True)
class AskFeed:
    """-> {"entries": at most `limit` beyond number `after`, in order; "first", "last": the numbers that are kept}"""

    after: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class AskOrder:
    """-> the order of a deal that was won: lines by member, with the details that members gave (SUP-30)"""

    deal: bytes


SupplyCommand = (
    SetPrices | ClaimDomain | PutArticles | SetSupplyRules | Quote | PassRequest | Countersign | ReleaseCapacity
    | AskArticles | AskSupply | AskRequests | AskFeed | AskOrder
)  # fmt: skip
