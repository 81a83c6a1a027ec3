"""What a member says about itself: limits and intents.

Decides nothing: plain values, checked by the engine. Spec: 13-node, API-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetBoundaries:
    """Hard limits the node cannot sign past (INT-6, INT-10); None leaves a limit open.

    value_max_minor: what one deal may come to; risk_max: of the co-ops joined; outcomes_least: kept deals that the
    negotiator has shown; disclose: the personal fields that may ever flow to a supplier.
    """

    price_max_minor: int | None = None
    open_pledges_max: int | None = None
    latest: int | None = None
    excluded_suppliers: tuple[bytes, ...] = ()
    value_max_minor: int | None = None
    prepaid_max_percent: int | None = None
    risk_max: str | None = None
    outcomes_least: int | None = None
    disclose: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AddIntent:
    """ "I would like …": an intent on the board of (category, region), or a new version of the one called `name`.

    subject, words: what it is, in a category of things that have a name (TPL-15). near: a region within `region` where
    the member would rather share (FRM-15). reach: the widest region to which the node may take it by itself (FRM-17).
    persona: who says it, where the member does not leave that to the rule in use (IDN-21).
    """

    name: str
    category: str
    region: str
    want: int
    tolerate: int
    spend_minor: int
    readiness: str
    ready_by: int
    terms: tuple[str, ...] = ()
    requirements: tuple[Mapping[str, str | int], ...] = ()
    subject: str = ""
    words: str = ""
    near: str = ""
    reach: str = ""
    persona: str = ""


@dataclass(frozen=True, slots=True)
class SetBaseline:
    """What the member of the intent called `intent` pays today: a unit price, and what comes on top over the term.

    It stays on this machine (NEG-88).
    """

    intent: str
    unit_price_minor: int
    once_minor: int = 0


@dataclass(frozen=True, slots=True)
class WithdrawIntent:
    """Take back the intent called `name`; a join or pledge made with it stands until its own end."""

    name: str


@dataclass(frozen=True, slots=True)
class WidenIntent:
    """Take the intent called `name` to the next wider board (FRM-17)."""

    name: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Follow a board without an intent on it: what a supplier or a curious member does."""

    category: str
    region: str
