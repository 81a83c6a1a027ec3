"""What may be told of several persons together: whole groups of k in a fixed order, and sums as bands.

Decides how much of a sum is told and how closely; never who asks. Spec: 20-consent, CNS-30 to CNS-32.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.params import AGGREGATE_LEAST

_EDGES = tuple(step * 10**power for power in range(4, 15) for step in (1, 2, 5))


@dataclass(frozen=True, slots=True)
class Together:
    """A sum over `persons`, a multiple of k; nothing where there are fewer than k."""

    persons: int
    total: int


def together(said: Iterable[tuple[bytes, int, int]], least: int = AGGREGATE_LEAST) -> Together:
    """The sum over whole groups of `least` persons, those who came first first (CNS-30).

    said: (person, when Unix ms, value), several of one person being one person's. Two answers between which persons
    only came differ by whole groups, never by one person.
    """
    since: dict[bytes, int] = {}
    values: dict[bytes, int] = {}
    for person, when, value in said:
        since[person] = min(when, since.get(person, when))
        values[person] = values.get(person, 0) + value
    order = sorted(since, key=lambda person: (since[person], person))
    told = order[: len(order) - len(order) % least]
    return Together(len(told), sum(values[person] for person in told))


def band(total: int) -> tuple[int, int]:
    """The greatest of 1, 2, 5 · 10ᵏ (k = 4 … 14) not above a sum, or 0, and the least of these above it (INT-9)."""
    low = max((edge for edge in _EDGES if edge <= total), default=0)
    return low, min((edge for edge in _EDGES if edge > total), default=low)


def told_of(persons: int, total: int, least: int = AGGREGATE_LEAST) -> int:
    """What is told to anybody of a sum over exactly these persons: its band's lower edge, 0 for too few (CNS-31)."""
    return band(total)[0] if persons >= least else 0
