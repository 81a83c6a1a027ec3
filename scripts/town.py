"""A town of real nodes for benches: who keeps to whom, and which record was committed where and when.

Three relays that keep to one another, seven homes that each keep to two of them, and a board that all of them follow.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time

from node.demo.child import Child
from scripts.rig import CATEGORY, PATIENCE_S, REGION, Publisher, up

NODES, RELAYS = 10, 3
LOOK_S = 0.004
STARTING = 4  # homes that start at a time


class Arrivals:
    """Which record was committed when at which node, seen from outside."""

    def __init__(self, nodes: list[Child]) -> None:
        self.at: dict[tuple[str, bytes], float] = {}
        self._files = {one.name: sqlite3.connect(f"file:{one.home / 'node.db'}?mode=ro", uri=True) for one in nodes}
        self._seen = dict.fromkeys(self._files, 0)

    def look(self) -> None:
        """Notes what is new."""
        for name, file in self._files.items():
            query = "SELECT position, raw FROM records WHERE position > ? ORDER BY position"
            for position, raw in file.execute(query, (self._seen[name],)):
                self._seen[name] = position
                self.at[name, raw] = time.perf_counter()

    async def until(self, wanted: int, seconds: float = PATIENCE_S) -> None:
        """Looks until so many deliveries have been seen. Raises TimeoutError."""
        deadline = time.perf_counter() + seconds
        while len(self.at) < wanted:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{len(self.at)} of {wanted} deliveries")
            self.look()
            await asyncio.sleep(LOOK_S)

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()


async def town(nodes: list[Child], feed: Publisher) -> list[str]:
    """Everybody up, linked, and following the board; the nodes' peer ids."""
    relays, members = nodes[:RELAYS], nodes[RELAYS:]
    for one in relays:
        await up(one, "relay", [other.addresses[0] for other in relays if other.addresses])
    for at in range(0, len(members), STARTING):
        some = enumerate(members[at : at + STARTING], at)
        await asyncio.gather(*(up(one, "home", _two_of(relays, number)) for number, one in some))
    for one in members:
        await one.post("/watch", {"category": CATEGORY, "region": REGION})
    return [await feed.meet(one) for one in nodes]


def _two_of(relays: list[Child], number: int) -> list[str]:
    return [relays[(number + step) % RELAYS].addresses[0] for step in (0, 1)]
