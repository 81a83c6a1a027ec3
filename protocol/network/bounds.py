"""How much of a scope is whose: what strangers may fill together, and what each author's share of it is.

Decides whether there is room for one more record; never whether the record is good, nor who has a say.
Spec: 03-gossip, GOS-8, GOS-48 to GOS-50.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.errors import Ignore
from protocol.params import AUTHOR_RECORDS_MAX, AUTHORS_MAX

SMALL_BYTES = 1024  # GOS-48 (g), a new version of at most so much always finds room, a withdrawal for instance


@dataclass(frozen=True, slots=True)
class Bound:
    """Of one scope: authors, records and bytes of each, and bytes of all."""

    authors: int
    author_records: int
    author_bytes: int
    scope_bytes: int


_MIB = 1 << 20
_OTHER = Bound(AUTHORS_MAX, AUTHOR_RECORDS_MAX, 4 * _MIB, 256 * _MIB)
BOUNDS: Mapping[str, Bound] = {  # GOS-48 (g)
    "board": Bound(AUTHORS_MAX, 256, _MIB // 4, 64 * _MIB),
    "coop": Bound(AUTHORS_MAX, AUTHOR_RECORDS_MAX, 4 * _MIB, 64 * _MIB),
    "deal": Bound(AUTHORS_MAX, AUTHOR_RECORDS_MAX, 4 * _MIB, 64 * _MIB),
}


def bound_of(scope: str) -> Bound:
    """The bound of a scope, by its family."""
    return BOUNDS.get(scope.partition("/")[0], _OTHER)


def crowded(bound: Bound, authors: int, total: int) -> bool:
    """Whether more than half of a scope's room is used: from then on it matters whose the rest is."""
    return 2 * total > bound.scope_bytes or 2 * authors > bound.authors


def check_room(bound: Bound, authors: int, records: int, weight: int, total: int, more: int) -> None:
    """Whether an author who has `records` that weigh `weight` bytes may add `more` where all weigh `total`.

    `authors` counts this one too. What one may have when the scope is crowded is an equal share of half the room, so
    that whoever comes with free keys has to bring as many as there are honest authors to take half of it.

    Raises Ignore GOS-48 or GOS-49.
    """
    if records >= bound.author_records:
        raise Ignore("GOS-48", f"author: has {bound.author_records} records in this scope already")
    if weight + more > bound.author_bytes:
        raise Ignore("GOS-48", f"author: would have more than {bound.author_bytes} bytes in this scope")
    if total + more > bound.scope_bytes:
        raise Ignore("GOS-48", f"scope: would weigh more than {bound.scope_bytes} bytes")
    share = bound.scope_bytes // 2 // authors
    if 2 * (total + more) > bound.scope_bytes and weight + more > share:
        raise Ignore("GOS-49", f"author: the scope is crowded, and {share} bytes are the share of each of {authors}")
