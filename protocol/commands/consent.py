"""What a person says about the use of their data: terms, leave, taking back, and the list of all that was told.

Decides nothing: plain values, checked by the engine. Spec: 20-consent; 13-node, API-1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AskTerms:
    """-> {"terms": [{"id", "name", "version", "title", "words", "purposes", "fields", "keep_days", "sharing",
    "chosen"}], "chosen": [id]}: data terms whose text this node holds, and which of them its person asks for
    """


@dataclass(frozen=True, slots=True)
class ChooseTerms:
    """Ask for these data terms, by name or id, in every intent that names none itself; none: ask for nothing."""

    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskFlow:
    """-> what would go to the supplier of the member's agreement, for what and until when (CNS-14)"""

    deal: bytes


@dataclass(frozen=True, slots=True)
class Grant:
    """Sign one half of a leave to use details beyond the agreement: a member gives it, or a supplier asks for it."""

    deal: bytes
    purposes: tuple[str, ...]
    fields: tuple[str, ...]
    days: int


@dataclass(frozen=True, slots=True)
class AcceptGrant:
    """Sign the other half of a grant; a supplier names the member."""

    deal: bytes
    grant: bytes
    member: bytes = b""


@dataclass(frozen=True, slots=True)
class RevokeGrant:
    """Take a leave back: what was sealed under it is emptied, and the supplier owes a receipt."""

    deal: bytes
    grant: bytes


@dataclass(frozen=True, slots=True)
class ReceiptUse:
    """As a supplier, say once what was done with a member's details, or all members': a purpose, or `erased`."""

    deal: bytes
    act: str
    member: bytes = b""


@dataclass(frozen=True, slots=True)
class AskGrants:
    """-> [{"deal", "member", "supplier", "grant", "purposes", "fields", "use_until", "state", "receipts", …}]"""


@dataclass(frozen=True, slots=True)
class AskDisclosures:
    """-> [{"what", "to", "kind", "scope", "persona", "first", "last", "count", "until", "terms", "state", …}]: all that
    this node ever disclosed of its person, newest first
    """


ConsentCommand = (
    AskTerms | ChooseTerms | AskFlow | Grant | AcceptGrant | RevokeGrant | ReceiptUse | AskGrants | AskDisclosures
)
