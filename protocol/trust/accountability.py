"""What two parties may say of each other afterwards, and when it counts.

Decides which attestations rest on something both sides signed; never how much they weigh. Spec: 09-accountability,
ATT-1 to ATT-7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protocol.coop.evidence import co_signed
from protocol.deal.tender import DEFAULTS, open_one
from protocol.encoding import digest_of
from protocol.errors import Ignore, Reject
from protocol.params import FIRST_SIGHT_MS, TRUST_PREFIX_DIGITS
from protocol.record.record import FaultProof, Header, Record, embedded
from protocol.trust.reputation import Evidence


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


def fault_in(record: Record, network: bytes) -> FaultProof | None:
    """The double signature that a `fault.1` proves, in its slot; None when it proves none (ATT-7)."""
    try:
        headers = [Header.parse(record.body[name], network) for name in ("first", "second")]
        proof = FaultProof.of(*headers)
    except Reject:
        return None
    slot = record.header.slot
    return proof if slot is not None and slot.name == fault_slot(proof) else None


def fault_slot(proof: FaultProof) -> str:
    """Where anybody shows it: one slot for each slot that somebody filled twice (ATT-7)."""
    scope, author, kind, name = proof.first.slot_key or ("", b"", "", "")
    return "fault/" + digest_of("fault", [scope, author, kind, name])[:16].hex()


def default_in(record: Record, network: bytes) -> tuple[Record, str] | None:
    """The quotation that a `default.1` proves to be sealed wrongly, and the clause; None if it proves none (NEG-65)."""
    try:
        quotation = embedded(record.body["quotation"], network)
    except (Reject, Ignore):
        return None
    slot = record.header.slot
    if quotation.kind != "quotation.1" or slot is None or slot.name != default_slot(quotation):
        return None
    try:
        open_one(quotation, dict(record.body["shares"]))
    except Reject as error:
        return (quotation, error.code) if error.code in DEFAULTS else None
    return None


def default_slot(quotation: Record) -> str:
    """Where anybody shows what a quotation is (NEG-65)."""
    return "default/" + quotation.id[:16].hex()


def came_late(record: Record, now: int) -> bool:
    """Whether first sight must be remembered, because it is what the attestation will count from (ATT-5)."""
    return record.kind == "attestation.1" and now - record.header.created > FIRST_SIGHT_MS


def trust_scope(subject: bytes) -> str:
    """Where attestations about a subject stand (ATT-4)."""
    return "trust/" + subject.hex()[:TRUST_PREFIX_DIGITS]
