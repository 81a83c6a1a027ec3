"""What goes wrong in a run, drawn from its seed before anything else is: the net, the machines, and the times of each.

Decides only when and where; tests/sim/world.py carries it out, tests/sim/adversary.py adds what is done on purpose.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

CRASHES = ("idle", "before commit", "before speech", "power")


@dataclass(frozen=True)
class Partition:
    """From `start` to `end` (virtual ms since the town opened) nothing goes from `senders` to the others."""

    start: int
    end: int
    senders: tuple[str, ...]


@dataclass(frozen=True)
class Crash:
    """A node dies at `at` for `down_ms`: when idle, between signing and commit, between commit and speech, or by a
    power cut that takes the newest records of others with it (what a node signed itself is on disk by then).
    """

    at: int
    name: str
    down_ms: int
    kind: str


@dataclass(frozen=True)
class Faults:
    """Which faults a run has: chances per message, latency in ms; the rest by node."""

    latency_ms: tuple[int, int] = (5, 60)
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0  # chance that a message takes ten times as long
    slow_ms: dict[str, int] = field(default_factory=dict)
    skew_ms: dict[str, int] = field(default_factory=dict)
    partitions: tuple[Partition, ...] = ()
    crashes: tuple[Crash, ...] = ()
    hostile: tuple[str, ...] = ()  # names of what adversaries do in this run

    def healed(self) -> Faults:
        """The same net after everything that passes has passed; clocks and slow machines stay as they are."""
        return replace(self, loss=0.0, duplicate=0.0, reorder=0.0, partitions=(), crashes=())


def drawn(rng: random.Random, nodes: Sequence[str], span_ms: int, hostile: Sequence[str] = ()) -> Faults:
    """A run's faults: each kind is there or not, so that runs differ in kind and not only in degree."""

    def maybe(most: float) -> float:
        return rng.uniform(0, most) if rng.random() < 0.6 else 0.0

    def some(share: float) -> list[str]:
        return [name for name in nodes if rng.random() < share]

    return Faults(
        latency_ms=(5, rng.choice((40, 150, 600))),
        loss=maybe(0.15),
        duplicate=maybe(0.2),
        reorder=maybe(0.1),
        slow_ms={name: rng.randint(100, 1_500) for name in some(maybe(0.4))},
        skew_ms={name: rng.randint(-2_000, 2_000) for name in some(maybe(0.8))},
        partitions=tuple(_partition(rng, nodes, span_ms) for _ in range(rng.choice((0, 0, 1, 3)))),
        crashes=tuple(_crash(rng, nodes, span_ms) for _ in range(rng.choice((0, 1, 2, 5)))),
        hostile=tuple(one for one in hostile if rng.random() < 0.35),
    )


def _partition(rng: random.Random, nodes: Sequence[str], span_ms: int) -> Partition:
    start = rng.randrange(span_ms)
    return Partition(
        start, start + rng.randint(1_000, 20_000), tuple(rng.sample(nodes, rng.randint(1, len(nodes) // 2)))
    )


def _crash(rng: random.Random, nodes: Sequence[str], span_ms: int) -> Crash:
    return Crash(rng.randrange(span_ms), rng.choice(nodes), rng.randint(500, 15_000), rng.choice(CRASHES))
