"""A persona that its recovery key has frozen, and who comes after it.

Decides from a trust scope's records alone whose word ended when, and who inherits what was said about it; never what
a node does about that. Spec: 02-identity, IDN-26 to IDN-34.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.encoding import digest
from protocol.errors import Ignore, Reject
from protocol.identity import Persona, recovery_hash, verify
from protocol.record.log import Log
from protocol.record.record import Record, embedded
from protocol.trust.accountability import trust_scope

FREEZE, SUCCESSION, FIRST = "freeze.1", "succession.1", "persona.1"
SLOTS = {FREEZE: "freeze", SUCCESSION: "succession", FIRST: "persona"}
SPOKEN = (FREEZE, SUCCESSION)


@dataclass(frozen=True, slots=True)
class Frozen:
    """A persona whose word has ended: since when by the recovery key's stamp (Unix ms), and its heir, b"" for none."""

    since: int
    heir: bytes


def consent(successor: Persona, network: bytes, persona: bytes) -> bytes:
    """The successor's 64-byte signature that it takes over what is said of `persona` (IDN-28)."""
    return successor.sign(_agreed(network, persona, successor.key))


def _agreed(network: bytes, persona: bytes, successor: bytes) -> bytes:
    return digest("succession", network + persona + successor)


def read_first(raw: bytes, network: bytes, scope: str) -> Record:
    """The first record of a persona that another embeds (IDN-27). Raises Reject IDN-27."""
    try:
        first = embedded(raw, network)
    except (Reject, Ignore) as error:
        raise Reject("IDN-27", f"first: {error.message}") from None
    slot = first.header.slot
    if first.kind != FIRST or slot is None or slot.name != SLOTS[FIRST]:
        raise Reject("IDN-27", "first: is no persona's first record")
    if not first.scope == trust_scope(first.author) == scope:
        raise Reject("IDN-27", "first: does not belong in this scope")
    return first


def read(record: Record, network: bytes) -> Record:
    """The persona's first record, when `record` is a freeze or succession by its recovery key (IDN-27, IDN-28).

    Raises Reject IDN-27 or IDN-28.
    """
    first, slot = read_first(record.body["first"], network, record.scope), record.header.slot
    if slot is None or slot.name != SLOTS[record.kind]:
        raise Reject("IDN-27", f"slot: must be {SLOTS[record.kind]}")
    if recovery_hash(first.author, record.author) != first.body["recovery"]:
        raise Reject("IDN-27", "author: is not the recovery key that the persona's first record names")
    if record.kind == SUCCESSION:
        successor = record.body["successor"]
        if successor == first.author:
            raise Reject("IDN-28", "successor: nobody succeeds themself")
        if not verify(successor, record.body["consent"], _agreed(network, first.author, successor)):
            raise Reject("IDN-28", "consent: the successor did not sign this")
    return first


def contradicts(log: Log, first: Record) -> bool:
    """Whether a scope holds another first record of this persona that names another recovery key (IDN-29)."""
    return any(one.body["recovery"] != first.body["recovery"] for one in log.by(first.author, FIRST))


def frozen_in(log: Log, network: bytes) -> dict[bytes, Frozen]:
    """Persona → how its word ended, of all that this trust scope's records freeze, by key (IDN-30, IDN-31)."""
    since: dict[bytes, int] = {}
    heirs: dict[bytes, dict[bytes, None]] = {}
    for kind in SPOKEN:
        for one in sorted(log.of_kind(kind), key=lambda record: record.id):
            try:
                first = read(one, network)
            except Reject:
                continue
            if contradicts(log, first):
                continue
            key = first.author
            since[key] = min(since.get(key, one.header.created), one.header.created)
            if kind == SUCCESSION:
                heirs.setdefault(key, {})[one.body["successor"]] = None
    return {key: Frozen(since[key], _only(heirs.get(key, {}))) for key in sorted(since)}


def _only(named: Mapping[bytes, None]) -> bytes:
    """The one heir; none when the recovery key named two (IDN-31)."""
    return next(iter(named)) if len(named) == 1 else b""
