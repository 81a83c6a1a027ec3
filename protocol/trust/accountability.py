"""What two parties may say of each other afterwards, and when it counts.

Decides which attestations rest on something both sides signed, and what else is evidence; never how much it weighs.
Spec: 09-accountability, ATT-1 to ATT-8, ATT-18 and ATT-20.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from protocol.coop.evidence import co_signed, is_vouch
from protocol.deal.tender import DEFAULTS, open_one
from protocol.encoding import digest_of
from protocol.errors import Ignore, Reject
from protocol.params import FIRST_SIGHT_MS, SPONSOR_MS, TRUST_PREFIX_DIGITS
from protocol.record.record import FaultProof, Header, Record, embedded
from protocol.trust.reputation import Evidence


def evidence(
    said: Iterable[Record],
    seen: Mapping[bytes, int],
    network: bytes,
    observer: bytes = b"",
    remedied: Collection[bytes] = (),
) -> list[Evidence]:
    """What reputation is computed from: attestations, vouches and whom they bound, and what is proved whoever says it.

    seen: record id -> first sight (Unix ms) of what came later than it claims. observer: who is counted as the reporter
    of what anybody can check (ATT-20); without one it is left out. remedied: ids of attestations whose author confirmed
    the remedy (REP-4). One deal is one agreement, whatever hash the reporter names (ATT-3).
    """
    records = list(said)
    rows = _outcomes(records, seen, network, remedied)
    vouches = [one for one in records if is_vouch(one, one.body.get("subject", b""))]
    rows += [_row(one, one.body["subject"], "", "vouch", one.id, seen) for one in vouches]
    for broken in [row for row in rows if row.kind == "broken"]:
        rows += [
            replace(broken, subject=one.author, role="", kind="sponsored")
            for one in vouches
            if one.body["subject"] == broken.subject
            and 0 <= broken.stamped_ms - one.header.created <= SPONSOR_MS
            and one.author != broken.reporter
        ]
    return rows + (_proved(records, seen, network, observer) if observer else [])


def _row(one: Record, subject: bytes, role: str, kind: str, about: bytes, seen: Mapping[bytes, int]) -> Evidence:
    created = one.header.created
    return Evidence(one.author, subject, role, kind, about, created, seen.get(one.id, created))


def _outcomes(
    records: Iterable[Record], seen: Mapping[bytes, int], network: bytes, remedied: Collection[bytes]
) -> list[Evidence]:
    """Attestations that count: those that rest on a deal, but for what is said back long after reading (ATT-18)."""
    found: list[Evidence] = []
    for one in records:
        about = co_signed(one, network) if one.kind == "attestation.1" else None
        if about is not None:
            row = _row(one, one.body["subject"], one.body["role"], one.body["outcome"], about, seen)
            found.append(replace(row, remedied=one.id in remedied))
    blamed: dict[tuple[bytes, bytes, bytes], int] = {}
    for row in found:
        if row.kind == "broken":
            key = row.reporter, row.subject, row.agreement
            blamed[key] = min(blamed.get(key, row.seen_ms), row.seen_ms)

    def said_back(row: Evidence) -> bool:
        first = blamed.get((row.subject, row.reporter, row.agreement))
        return row.kind == "broken" and first is not None and first + FIRST_SIGHT_MS < row.seen_ms

    return [row for row in found if not said_back(row)]


def _proved(records: Iterable[Record], seen: Mapping[bytes, int], network: bytes, observer: bytes) -> list[Evidence]:
    """Double signatures and quotations sealed wrongly, each once, as the observer's own experience (ATT-20)."""
    found: dict[tuple[bytes, bytes], Evidence] = {}
    for one in sorted(records, key=lambda record: record.id):
        broke: tuple[bytes, str, bytes, int] | None = None
        if one.kind == "fault.1" and (proof := fault_in(one, network)) is not None:
            role = _DUTY.get(proof.first.kind)
            when, what = max(proof.first.created, proof.second.created), digest_of("fault", fault_slot(proof))
            broke = (proof.first.author, role, what, when) if role is not None else None
        elif one.kind == "default.1" and (default := default_in(one, network)) is not None:
            quotation = default[0]
            broke = quotation.author, "supplier", quotation.body["rfq"], quotation.header.created
        if broke is not None and broke[0] != observer:
            subject, role, about, when = broke
            first = max(when, seen.get(one.id, one.header.created))
            found.setdefault((subject, about), Evidence(observer, subject, role, "broken", about, when, first))
    return list(found.values())


EVIDENCE_KINDS = ("attestation.1", "vouch.1", "fault.1", "default.1")
# What somebody who signed two of a kind had been trusted with; two of another kind harm nobody but themself.
_DUTY: Mapping[str, str] = {
    **dict.fromkeys(("accept.1", "proposal.1", "vote.1"), "relay"),
    **dict.fromkeys(("rfq.1", "deal.1"), "negotiator"),
    **dict.fromkeys(("quotation.1", "countersign.1"), "supplier"),
    **dict.fromkeys(("ballot.1", "commitment.1", "commitment-marker.1", "join.1", "pledge.1"), "member"),
}


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
    """Whether first sight must be remembered, because it is what the record will count from (ATT-5)."""
    return record.kind in EVIDENCE_KINDS and now - record.header.created > FIRST_SIGHT_MS


def trust_scope(subject: bytes) -> str:
    """Where attestations about a subject stand (ATT-4)."""
    return "trust/" + subject.hex()[:TRUST_PREFIX_DIGITS]
