"""What two parties may say of each other afterwards, and when it counts.

Decides which attestations rest on something both sides signed; never how much they weigh. Spec: 09-accountability,
ATT-1 to ATT-7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protocol.errors import Ignore, Reject
from protocol.params import FIRST_SIGHT_MS
from protocol.record.record import Record, embedded
from protocol.trust.reputation import Evidence

EVIDENCE_KINDS: Mapping[str, tuple[str, str]] = {
    # role of the subject -> (what the member signed, what the other party signed)
    "supplier": ("commitment.1", "countersign.1"),
    "member": ("commitment.1", "countersign.1"),
    "negotiator": ("commitment.1", "rfq.1"),
}


def co_signed(attestation: Record, network: bytes) -> bytes | None:
    """The request under which author and subject both signed, by the evidence (ATT-2); None, and nothing counts."""
    role, subject, author = attestation.body["role"], attestation.body["subject"], attestation.author
    try:
        shown = [embedded(raw, network) for raw in attestation.body["evidence"]]
    except (Reject, Ignore):
        return None
    found = {one.kind: one for one in shown}
    member_kind, other_kind = EVIDENCE_KINDS[role]
    mine, theirs = found.get(member_kind), found.get(other_kind)
    if mine is None or theirs is None or len(shown) != 2 or mine.scope != theirs.scope or author == subject:
        return None
    member, other = (subject, author) if role == "member" else (author, subject)
    about: bytes = theirs.id if theirs.kind == "rfq.1" else theirs.body["rfq"]
    named = theirs.kind == "rfq.1" or theirs.body["agreement"] == attestation.body["agreement"]
    signed = mine.author == member and theirs.author == other and mine.body["answer"] == "commit"
    return about if signed and named and mine.body["rfq"] == about else None


def evidence(attestations: Iterable[Record], seen: Mapping[bytes, int], network: bytes) -> list[Evidence]:
    """What reputation is computed from. `seen`: first sight (Unix ms) of those that came later than they claim.

    One deal is one agreement, whatever hash the reporter names (ATT-3).
    """
    return [
        Evidence(
            reporter=one.author,
            subject=one.body["subject"],
            role=one.body["role"],
            kind=one.body["outcome"],
            agreement=deal,
            stamped_ms=one.header.created,
            seen_ms=seen.get(one.id, one.header.created),
        )
        for one in attestations
        if (deal := co_signed(one, network)) is not None
    ]


def came_late(record: Record, now: int) -> bool:
    """Whether first sight must be remembered, because it is what the attestation will count from (ATT-5)."""
    return record.kind == "attestation.1" and now - record.header.created > FIRST_SIGHT_MS
