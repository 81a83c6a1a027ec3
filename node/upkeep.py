"""What is done beside the loop: pruning what ended, keeping to the disk's bound, hearing of what other processes took.

Decides when and in which order; what may go is the store's to know, and what follows from it the engine's.
Spec: 14-store, STO-4, STO-21 to STO-24.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from node.measures import Measures
from node.store import Store, StoreError
from protocol import events as ev
from protocol.record.record import Record

PRUNE_S = 600  # (g)
UNASKED_MS = 2 * 3_600_000  # (g) no scope goes for want of room sooner after somebody asked for it
TELL_MAX = 500  # (g) scopes in one event

log = logging.getLogger(__name__)


class Engine(Protocol):
    """What upkeep asks of protocol.engine."""

    def asked(self) -> tuple[str, ...]: ...
    def ended(self, now: int) -> tuple[str, ...]: ...


class Upkeep:
    """Of one node's store. `clock`: Unix ms; `bytes_max`: of records, 0 for no bound (STO-23)."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        measures: Measures,
        clock: Callable[[], int],
        put: Callable[[ev.Event], None],
        bytes_max: int,
    ) -> None:
        self.full = ""  # why nothing more is carried, in one sentence
        self._store, self._engine, self._measures, self._clock = store, engine, measures, clock
        self._put, self._bytes_max = put, bytes_max

    async def prune(self) -> None:
        """Now and then, for ever."""
        while True:
            try:
                await self.once(self._clock())
            except StoreError as error:
                log.warning("%s", error.message)
            await asyncio.sleep(PRUNE_S)

    async def once(self, now: int) -> None:
        """What ended goes first; then, if it is still too much, what nobody has asked for longest (STO-23)."""
        await self._store.touch(self._engine.asked(), now)
        done = await self._store.prune(now)
        self._measures.prune(done.records)
        gone = dict.fromkeys((*done.scopes, *self._engine.ended(now)))
        if self._bytes_max:
            left, dropped = await self._store.shrink(self._bytes_max, now - UNASKED_MS)
            gone |= dict.fromkeys(dropped)
            self._say_how_full(left)
        names = tuple(gone)
        for at in range(0, len(names), TELL_MAX):
            self._put(ev.ScopesPruned(names[at : at + TELL_MAX]))

    def _say_how_full(self, left: int) -> None:
        before, mib = self.full, self._bytes_max >> 20
        self.full = ""
        if left > self._bytes_max:
            held = f"the store holds {left >> 20} MiB of records, more than store.max_mib ({mib})"
            self.full = f"{held}, and all of it is asked for; nothing new is carried for others: raise store.max_mib"
        if self.full and not before:
            log.warning("%s", self.full)

    async def follow(self, share: Callable[[Record], bool], room: asyncio.Event, work: asyncio.Event) -> None:
        """Hands on what other processes commit to the same database, for ever where there may be any (STO-24).

        Where `share` has no room it is tried again after `room`; `work` says that there is something to do.
        """
        async for records in self._store.others():
            for record in records:
                while not share(record):
                    room.clear()
                    await room.wait()
                work.set()
