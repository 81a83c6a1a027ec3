"""What a person asks for about the device itself, and about taking back what was said.

Decides nothing. Spec: 18-keeping, KEP-8, KEP-17 and KEP-32.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AskDevice:
    """Whether this device signs, what it waits for, and when it was backed up."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """This device goes on signing, once `relays` (0 to 2) have told it what was said.

    `nothing_since`: the person knows that no other device signed since this one's newest record, or its backup.
    """

    relays: int = 2
    nothing_since: bool = False


@dataclass(frozen=True, slots=True)
class Retire:
    """This device signs no more."""


@dataclass(frozen=True, slots=True)
class NoteBackup:
    """A backup was made at `made` (Unix ms)."""

    made: int


@dataclass(frozen=True, slots=True)
class Vanish:
    """Take back everything that was said on boards, in a day."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Call that off."""


KeepingCommand = AskDevice | GoOn | Retire | NoteBackup | Vanish | Stay
