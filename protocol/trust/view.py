"""From the records that a node holds to one observer's view of one subject: what a worker is handed, and does with it.

Decides whose word counts for this observer, and for whom it is said; never how much. Spec: 10-reputation, REP-13 and
REP-19; 02-identity, IDN-32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from protocol.record.record import Record
from protocol.trust.accountability import evidence
from protocol.trust.amends import mended
from protocol.trust.reputation import Evidence, Graph, graph, heir_of
from protocol.trust.sight import expectation, standing
from protocol.trust.words import explain


@dataclass(frozen=True, slots=True)
class Held:
    """What a node holds of evidence, and what it knows of those who speak in it.

    said: attestations, vouches, proofs, by id; seen: id -> first sight (Unix ms) of what came late; frozen: persona ->
    since when its word has ended (Unix ms); heirs: persona -> who has its standing.
    """

    said: tuple[Record, ...]
    amends: tuple[Record, ...]
    seen: Mapping[bytes, int]
    network: bytes
    observer: bytes
    frozen: Mapping[bytes, int]
    heirs: Mapping[bytes, bytes]


def evidence_of(held: Held) -> list[Evidence]:
    """The rows that count for the observer."""
    remedied = mended(held.said, held.amends)
    rows = evidence(held.said, held.seen, held.network, held.observer, remedied)
    return counted(rows, held.frozen, held.heirs)


def counted(rows: Iterable[Evidence], frozen: Mapping[bytes, int], heirs: Mapping[bytes, bytes]) -> list[Evidence]:
    """Nothing that a frozen persona said after its freeze; heirs in their forebears' place (IDN-32, IDN-33)."""
    return [
        replace(row, reporter=heir_of(row.reporter, heirs))
        for row in rows
        if row.reporter not in frozen or row.stamped_ms < frozen[row.reporter]
    ]


def amounts(held: Held, now_ms: int) -> Graph:
    """All of it as a graph."""
    return graph(evidence_of(held), now_ms, held.heirs)


def view(held: Held, now_ms: int, subject: bytes, role: str) -> dict[str, Any]:
    """{"standing", "expectation", "outlook", "why"} of a subject."""
    return look(evidence_of(held), now_ms, held.heirs, held.observer, subject, role)


def look(
    rows: Sequence[Evidence], now_ms: int, heirs: Mapping[bytes, bytes], observer: bytes, subject: bytes, role: str
) -> dict[str, Any]:
    """{"standing", "expectation", "outlook", "why"}: what the rows amount to at `now_ms`."""
    trust = graph(rows, now_ms, heirs)
    likely = expectation(trust, observer, subject, role)
    return {
        "standing": standing(trust, observer, subject, role).value,
        "expectation": likely.value,
        "outlook": likely.outlook,
        "why": list(explain(trust, observer, subject, role)),
    }
