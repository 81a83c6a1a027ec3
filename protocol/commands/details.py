"""What a member lets a supplier know after an agreement: name, address, contact.

Decides nothing: plain values, checked by the engine. Spec: 16-supplier, SUP-31 to SUP-34; 13-node, API-1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetDetails:
    """What this node's person would tell a supplier who delivers; kept at home until a deal is named."""

    name: str
    address: str = ""
    contact: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class SendDetails:
    """Seal the details for the supplier of the member's own agreement in this deal, and for nobody else."""

    deal: bytes


@dataclass(frozen=True, slots=True)
class BlankDetails:
    """Take them back: the sealed record is replaced by an empty one."""

    deal: bytes


@dataclass(frozen=True, slots=True)
class AskDetails:
    """-> {"name", "address", "contact", "notes"} as they are kept at home, {} while there are none"""


DetailCommand = SetDetails | SendDetails | BlankDetails | AskDetails
