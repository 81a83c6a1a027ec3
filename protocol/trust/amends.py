"""Which bad words were answered by those who said them, because it was put right.

Decides that from the records of one trust scope; never how much it counts. Spec: 19-remedy, RMD-22; 10-reputation,
REP-4.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocol.record.record import Record


def amends_slot(attestation: bytes) -> str:
    """The `once` slot in which somebody answers their own bad word."""
    return "amends/" + attestation[:16].hex()


def mended(attestations: Iterable[Record], amends: Iterable[Record]) -> frozenset[bytes]:
    """The ids of the attestations whose author has made amends for them."""
    answered = {
        (one.scope, one.author, one.body["attestation"], one.body["subject"])
        for one in amends
        if one.kind == "amends.1"
        and one.header.slot is not None
        and one.header.slot.name == amends_slot(one.body["attestation"])
    }
    return frozenset(
        one.id for one in attestations if (one.scope, one.author, one.id, one.body.get("subject")) in answered
    )
