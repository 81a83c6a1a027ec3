"""A negotiator's term: who says that it lives on, who calls for its end, and when it has ended.

Decides what records amount to, for whatever moment is asked about; never signs anything, and no clock ends a term but
those of a quorum of witnesses. Spec: 07-election, ELE-40 to ELE-47.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.coop.decision import Council
from protocol.record.log import Log
from protocol.record.record import Record

_HEARTBEATS = 3  # in the time of one lease, so that one may be lost (ELE-41)
_GRACE = 72  # parts of a lease that a witness waits beyond it: 20 minutes of a day (ELE-43)


@dataclass(frozen=True, slots=True)
class Term:
    """Number `number` of a roster, begun (by this node's reckoning) at `began` (Unix ms); `lease_ms` 0: no leases."""

    roster: bytes
    number: int
    negotiator: bytes
    began: int
    lease_ms: int

    @property
    def beat_ms(self) -> int:
        """From one sign of life to the next (ELE-41)."""
        return max(1, self.lease_ms // _HEARTBEATS)

    @property
    def grace_ms(self) -> int:
        """How long after the last lease a witness waits before it says that the term is over (ELE-43)."""
        return self.lease_ms // _GRACE

    def slot(self, base: str) -> str:
        """The slot in which one author speaks about this term."""
        return f"{base}/{self.roster[:8].hex()}/{self.number}"

    def held(self, log: Log, kind: str, author: bytes) -> tuple[Record, ...]:
        """What an author has said of a kind about this term."""
        said = log.slot(kind, author, self.slot(kind.partition(".")[0]))
        return tuple(one for one in said if (one.body["roster"], one.body["term"]) == (self.roster, self.number))


def enders(log: Log, council: Council, term: Term) -> tuple[bytes, ...]:
    """The witnesses who have said that the term is over."""
    return tuple(key for key in council.witnesses if term.held(log, "end.1", key))


def ended(log: Log, council: Council, term: Term) -> bool:
    """Whether a quorum of witnesses has (ELE-44). There is nothing else to say, so two such records are one word."""
    return len(enders(log, council, term)) >= council.quorum


def backed_end(log: Log, witnesses: tuple[bytes, ...], record: Record) -> bool:
    """Whether more than f other witnesses have said `record`'s word, that a term is over, and its author has not yet:
    such a word finds room whatever its author did (DEC-6).
    """
    slot = record.header.slot
    if slot is None or log.slot("end.1", record.author, slot.name):
        return False
    others = [key for key in witnesses if key != record.author and log.slot("end.1", key, slot.name)]
    return len(others) > (len(witnesses) - 1) // 3


def recalls(log: Log, keys: tuple[bytes, ...], term: Term) -> tuple[Record, ...]:
    """One recall of each member who has said so, by key."""
    found = (term.held(log, "recall.1", key) for key in keys)
    return tuple(said[0] for said in found if said)


def recalled(log: Log, keys: tuple[bytes, ...], term: Term) -> bool:
    """Whether more than half of the roster call for the end of a term (ELE-42)."""
    return 2 * len(recalls(log, keys, term)) > len(keys)


def leased_until(log: Log, council: Council, term: Term) -> int:
    """Until when a quorum of witnesses lets the negotiator act (Unix ms); 0 while there is no such quorum (ELE-41)."""
    signed = sorted(int(one.body["until"]) for key in council.witnesses for one in term.held(log, "lease.1", key))
    return signed[-council.quorum] if len(signed) >= council.quorum else 0


def own_until(log: Log, witness: bytes, term: Term) -> int:
    """The last moment for which this witness has let the negotiator act; every term begins with one lease (ELE-41)."""
    return max([term.began + term.lease_ms, *(int(one.body["until"]) for one in term.held(log, "lease.1", witness))])


def lease_due(log: Log, council: Council, witness: bytes, term: Term, now: int) -> int | None:
    """The `until` that this witness is to sign now: a heartbeat is fresh, and nothing speaks for the end (ELE-41)."""
    beats = term.held(log, "heartbeat.1", term.negotiator)
    ending = enders(log, council, term)
    if not term.lease_ms or not beats or witness in ending or len(ending) > council.faults:
        return None
    until = min(beats[0].header.created, now) + term.lease_ms
    longer = until >= own_until(log, witness, term) + term.beat_ms // 2
    return until if longer and now < until else None


def end_due(log: Log, council: Council, keys: tuple[bytes, ...], witness: bytes, term: Term, now: int) -> str | None:
    """The cause for which this witness is to say now that the term is over, if any (ELE-42, ELE-43)."""
    if witness in enders(log, council, term):
        return None
    if recalled(log, keys, term):
        return "recalled"
    dark = bool(term.lease_ms) and now >= own_until(log, witness, term) + term.grace_ms
    return "dark" if dark else None
