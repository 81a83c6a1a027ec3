"""Quiet hours and what a day may cost: when this node keeps to itself, and how much has passed since midnight.

Decides by the clock of this machine and a count of bytes; what to do without is the core's. Spec: 14-store, CFG-5 and
CFG-6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

from node.outbox import Mesh
from node.quiet import quiet_range, quiet_until
from node.store import Store, StoreError
from protocol.encoding import decode, encode
from protocol.errors import Reject
from protocol.events import Circumstances

WARN_PERCENT = 80
FACT = "usage"
_MIB = 1 << 20
_LOOK_S = 30.0  # (g)


class Economy:
    """The count of one day, kept across restarts of the node and of its mesh process."""

    def __init__(self, quiet: tuple[str, ...] = (), day_mib: int = 0, kept: bytes = b"") -> None:
        """`kept`: the fact `usage`; `day_mib` 0 sets no bound."""
        self._quiet, self._cap = tuple(map(quiet_range, quiet)), day_mib * _MIB
        self._words = quiet
        self._day, self._today = _kept(kept)
        self._total = 0  # of the mesh process that runs, when last looked
        self._until = 0

    async def watch(
        self, mesh: Mesh, store: Store, clock: Callable[[], int], tell: Callable[[Circumstances], None]
    ) -> None:
        """Count what passes, keep the count, and tell of circumstances when they are others than before."""
        said, kept = Circumstances(0, False), self._fact()
        while True:
            measured = await mesh.measure()
            total = sum(measured.totals[:2]) if measured is not None else None
            if (news := self.look(total, clock())) != said:
                said = news
                tell(news)
            if self._fact() != kept:
                with suppress(StoreError):  # the day is counted again from here, which costs at most its bound
                    await store.append((), {FACT: self._fact()})
                    kept = self._fact()
            await asyncio.sleep(_LOOK_S)

    def _fact(self) -> bytes:
        return encode([self._day, self._today])

    def look(self, total: int | None, now: int) -> Circumstances:
        """What is so at present. `total`: bytes that passed since the mesh process began, None when it did not say."""
        today = date.fromtimestamp(now / 1000).isoformat()
        if today != self._day:
            self._day, self._today = today, 0
        if total is not None:
            passed = total - self._total if total >= self._total else total  # it may have begun anew
            self._today, self._total = self._today + passed, total
        self._until = quiet_until(self._quiet, now)
        return Circumstances(self._until, bool(self._cap) and self._today >= self._cap)

    def told(self) -> dict[str, Any]:
        """For the person: what passed today, of how much, and what follows from it."""
        says = ""
        if self._cap and self._today >= self._cap:
            says = "Until midnight only your own co-ops and deals are kept up, no boards and no one's standing."
        elif self._cap and self._today * 100 >= self._cap * WARN_PERCENT:
            says = "Beyond it only your own co-ops and deals are kept up until midnight."
        return {"today": self._today, "cap": self._cap, "says": says, "quiet": list(self._words), "until": self._until}


def _kept(fact: bytes) -> tuple[str, int]:
    try:
        match decode(fact):
            case [str() as day, int() as today]:
                return day, today
    except Reject:
        pass
    return "", 0
