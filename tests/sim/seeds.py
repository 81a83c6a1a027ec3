"""One run from one seed: its faults, a town at work, safety throughout, then healing, and liveness within a time."""

from __future__ import annotations

import hashlib
import random
import sys
from dataclasses import replace
from typing import Any

from protocol import commands as ask
from protocol.record.log import digest_of_scope
from protocol.trust.succession import FIRST
from tests.sim.adversary import MEMBERS_DO, RELAYS_DO, SUPPLIERS_DO, Adversaries
from tests.sim.faults import Faults, drawn
from tests.sim.safety import Safety, Violation
from tests.sim.town import Town, at_end
from tests.sim.world import TIMES, Node

MEMBERS, SUPPLIERS, RELAYS = 6, 3, ("r0", "r1")
FAULTY_MS = 150_000
ALIVE_MS = 600_000  # after healing, every co-op is at an end
EQUAL_MS = 60_000  # and then every node that follows a scope has its digest
LOOK_MS = 10_000
# Boxes stay open for several rounds of reconciliation, so that a lossy wire delays a town and does not decide for it.
LONG_TIMES = {
    name: 3 * ms if name not in ("settle_ms", "round_ms", "retention_ms") else ms for name, ms in TIMES.items()
}


def faults_of(seed: int) -> tuple[Faults, dict[str, tuple[str, ...]]]:
    """What goes wrong in the run of a seed, and who does what on purpose: one member at most, which a council bears."""
    rng = random.Random(f"faults {seed}")
    members = [f"m{number}" for number in range(MEMBERS)]
    suppliers = [f"s{number}" for number in range(SUPPLIERS)]
    faults = drawn(rng, [*members, *suppliers, *RELAYS], FAULTY_MS)
    roles: dict[str, tuple[str, ...]] = {}
    if rng.random() < 0.6:
        roles[rng.choice(members)] = tuple(sorted(rng.sample(MEMBERS_DO, rng.randint(1, 3))))
    if rng.random() < 0.5:
        roles[rng.choice(suppliers)] = (rng.choice(SUPPLIERS_DO),)
    if rng.random() < 0.3:
        roles["r1"] = RELAYS_DO
    return replace(faults, hostile=tuple(roles)), roles


class Run:
    """The town of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        faults, roles = faults_of(seed)
        self.town = Town(seed, MEMBERS, SUPPLIERS, faults, RELAYS, LONG_TIMES)
        self.world = self.town.world
        self.safety = Safety(self.world, tuple(roles))
        for name in roles:
            if name in self.town.members:
                self.world.nodes[name].dials += [one for one in self.town.members if one != name]
                self.world.start(name)
        self.roles = roles
        self.town.hostile = tuple(roles)
        self.town.silent |= dict.fromkeys(name for name in roles if "dark" in roles[name])

    def go(self) -> None:
        """Raises Violation, naming the seed, when anything that must hold does not."""
        self.town.open()
        self.world.begin_faults()
        dark_at = self.world.now + random.Random(f"dark {self.seed}").randrange(FAULTY_MS)
        Adversaries(self.world, self.roles, dark_at)
        self._live(FAULTY_MS, lambda: False)
        self.world.heal()
        if not self._live(ALIVE_MS, self.settled):
            raise Violation("every co-op comes to an end", str(self.states()), self.seed)
        if not self._live(EQUAL_MS, lambda: self.unequal() == []):
            raise Violation("one digest for one scope", str(self.unequal()), self.seed)
        self.safety.check_views()
        self.safety.check_disks()

    def settled(self) -> bool:
        """Whether some co-op came to a roster, and every co-op that an honest member knows is at an end."""
        known = [one for shown in self.coops().values() for one in shown]
        return any(one["members"] for one in known) and all(at_end(one) for one in known)

    def coops(self) -> dict[str, list[dict[str, Any]]]:
        """Every co-op that each honest member knows."""
        honest = [name for name in self.town.members if name not in self.roles and self.world.nodes[name].engine]
        return {name: self.world.ask(name, ask.AskCoops()) for name in honest}

    def states(self) -> dict[str, list[tuple[str, int]]]:
        """(state, members) of every co-op that each honest member knows."""
        return {name: [(one["state"], one["members"]) for one in shown] for name, shown in self.coops().items()}

    def unequal(self) -> list[str]:
        """Scopes on which honest nodes that follow them differ."""
        honest = [node for node in self.safety.honest() if node.engine is not None]
        scopes = sorted({scope for node in honest if node.engine is not None for scope in node.engine.scopes()})
        return [scope for scope in scopes if len(set(self._digests(scope, honest))) > 1]

    def _digests(self, scope: str, honest: list[Node]) -> list[bytes]:
        """The digests of a scope at those who follow it, without what each takes by its own knowledge alone: of a
        hostile persona that names two recovery keys a node keeps the first record that it heard of (IDN-29).
        """
        found = self.world.digests(scope)
        nodes = [node for node in honest if node.name in found]
        if not scope.startswith("trust/"):
            return [found[node.name] for node in nodes]
        held = [list(node.engine._core.contexts[scope].wire.records.values()) for node in nodes if node.engine]
        firsts = {(one.author, one.body["recovery"]) for records in held for one in records if one.kind == FIRST}
        liars = [self.world.nodes[name].persona.key for name in self.roles]
        two = [key for key in liars if sum(author == key for author, _ in firsts) > 1]
        return [
            digest_of_scope(scope, [one for one in records if one.kind != FIRST or one.author not in two])
            for records in held
        ]

    def trace(self) -> str:
        """The whole run in one hash."""
        return hashlib.sha256(repr(self.world.trace).encode()).hexdigest()

    def _live(self, virtual_ms: int, done: object) -> bool:
        assert callable(done)
        end = self.world.now + virtual_ms
        while self.world.now < end:
            if self.town.live(min(LOOK_MS, end - self.world.now), done):
                return True
            self.safety.check_disks()
        return bool(done())


def main(seeds: list[int]) -> None:
    """Runs each seed and prints its trace; a violation ends it with the seed in its last line."""
    for seed in seeds:
        run = Run(seed)
        run.go()
        print(seed, run.trace())


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]])
