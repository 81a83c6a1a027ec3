"""What is said between the members of an agreement and their supplier, for nobody else to read.

Decides shapes only. Spec: 11-room, ROO-15 and ROO-16.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SayInChannel:
    """Words for who has a part in the own agreement of a deal; they bind nobody (ROO-16)."""

    deal: bytes
    text: str
