"""Devices that die and come back from an old backup, some of them beside their own twin, in a town at work.

The watch: nobody signs twice in one `once` slot, by any record on any disk, and by what envelopes opened to.
"""

from __future__ import annotations

import copy
import random

from protocol import commands as ask
from protocol.engine.keeping import restoring
from protocol.engine.silence import FACT
from protocol.record.record import Record
from tests.sim.seeds import LONG_TIMES
from tests.sim.town import Town
from tests.sim.world import Node

RELAYS = ("r0", "r1")
LIVE_MS = 700_000
TWIN = "twin"


class Return:
    """One seed: when a member is backed up, dies or does not, and is restored; `sure`: abstains from nothing."""

    def __init__(self, seed: int, twin: bool, sure: bool = False, victim: str = "") -> None:
        self.rng = random.Random(f"return {seed}")
        self.town = Town(seed, 6, 2, relays=RELAYS, times=LONG_TIMES)
        self.world, self.twin, self.sure = self.town.world, twin, sure
        self.victim = victim or self.rng.choice(self.town.members[:4])
        self.town.hostile = (self.victim, TWIN)  # may be refused what others may not
        self.town.standing = tuple(self.town.members[4:])
        self.once: dict[tuple[str, bytes, str, str], dict[bytes, Record]] = {}
        self.world.watchers.append(lambda node, record, own, event: self._note(record))

    def go(self) -> None:
        """Lives through it."""
        self.town.open()
        node = self.world.nodes[self.victim]
        backed_up = self.rng.randrange(1_000, 120_000)
        self.live(backed_up)
        kept = dict(node.records), dict(node.facts)
        self._wait()
        if self.twin:
            self._add_twin(node, kept)
        else:
            self.world.cut = lambda sender, receiver: sender == self.victim  # its last words reach nobody
            self.live(self.rng.randrange(1_000, 5_000))
            self.world.cut = lambda sender, receiver: False
            self.world.crash(self.victim)
            self.live(self.rng.randrange(1_000, 10_000))
            self._restore(node, kept)
        self.live(LIVE_MS, until_settled=True)
        for one in self.world.nodes.values():
            contexts = one.engine._core.contexts.values() if one.engine is not None else ()
            for record in (record for context in contexts for record in context.log.records.values()):
                self._note(record)

    def _wait(self) -> None:
        """For a random while, or until something is asked of the victim: what it answers then is said in vain."""
        asked = self.rng.choice(("", "pledge", "vote", "commit"))
        waits = self.rng.randrange(1_000, 60_000)
        ends = self.world.now + (400_000 if asked else waits)
        while self.world.now < ends:
            self.world.run(500)
            if asked and any(one["kind"] == asked for one in self.world.ask(self.victim, ask.AskNeeds())):
                return
            self.town.act()

    def _restore(self, node: Node, kept: tuple[dict[bytes, Record], dict[str, bytes]]) -> None:
        node.records, node.facts = dict(kept[0]), dict(kept[1])
        node.facts[FACT] = restoring(self.world.now, 2, self.sure)
        node.acknowledged.clear()
        self.world.start(node.name)

    def _add_twin(self, node: Node, kept: tuple[dict[bytes, Record], dict[str, bytes]]) -> None:
        other = copy.copy(node)
        other.name, other.engine, other.dialled, other.notices = TWIN, None, {}, []
        other.unsynced, other.acknowledged, other.rejected = [], [], []
        self.world.nodes[TWIN] = other
        self.town.members.append(TWIN)
        self._restore(other, kept)

    def live(self, virtual_ms: int, until_settled: bool = False) -> None:
        """Everybody acts."""
        self.town.live(virtual_ms, self._settled if until_settled else lambda: False)

    def _settled(self) -> bool:
        """Whether every co-op is at its end and no device is on its way back."""
        names = [name for name in (self.victim, TWIN) if name in self.world.nodes]
        return all(self.state(name) not in ("restoring", "listening") for name in names) and self.town.settled()

    def _note(self, record: Record) -> None:
        slot, key = record.header.slot, record.header.slot_key
        if slot is not None and key is not None and slot.mode == "once":
            self.once.setdefault(key, {})[record.id] = record

    def doubles(self) -> list[str]:
        """`once` slots in which somebody signed twice."""
        return [f"{key[2]} {key[3]}" for key, found in self.once.items() if len(found) > 1]

    def state(self, name: str) -> str:
        """How a device stands."""
        return str(self.world.ask(name, ask.AskDevice())["state"])
