"""The record: a signed, immutable header and a body. Everything that is said on the network is one.

Decides whether bytes are a record, by the bytes alone; never whether the record matters. `Record.sign` and
`Record.parse` are the only two ways a Record comes to exist. Spec: 01-record, REC-4 to REC-15.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple
from unicodedata import normalize

from protocol.encoding import decode, digest, encode, skim
from protocol.errors import Ignore, Reject
from protocol.identity import KEY_BYTES, SIGNATURE_BYTES, Persona, verify
from protocol.params import (
    CLOCK_AHEAD_MS_MAX,
    HEADER_BYTES_MAX,
    INTEGER_MAX,
    LIFE_MS_MAX,
    RECORD_BYTES_MAX,
    REFS_MAX,
    SCOPE_BYTES_MAX,
    SLOT_NAME_BYTES_MAX,
    UNKNOWN_KIND_BYTES_MAX,
    UNKNOWN_KIND_LIFE_MS,
)
from protocol.record.kinds import KINDS

PROOF_BYTES_MAX = HEADER_BYTES_MAX + SIGNATURE_BYTES + 6  # an array of two, each with its length
_HEADER_ITEMS_MAX = 32  # of an array: some more than any field may have, so that ENC-6 bounds what is unpacked
EXPIRING = ("board/", "mail/")  # the scope families whose records expire one by one (REC-13)
_KIND_NAME = re.compile(r"[a-z0-9_-]{1,32}\.[1-9][0-9]{0,3}")
_SCOPE = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+){1,3}")
_SLOT_NAME = re.compile(rf"[a-z0-9_/.-]{{1,{SLOT_NAME_BYTES_MAX}}}")


@dataclass(frozen=True, slots=True)
class Slot:
    """The place a record fills: `once` (seq 0, a second id is an equivocation) or `latest` (a higher seq replaces)."""

    mode: str
    name: str
    seq: int


class Header(NamedTuple):
    """What an author signed: enough to prove who said what kind of thing in which slot. (A tuple: quickest to make.)"""

    network: bytes
    kind: str
    author: bytes
    scope: str
    slot: Slot | None
    created: int
    expires: int
    refs: tuple[bytes, ...]
    body_hash: bytes
    body_bytes: int
    id: bytes
    wire: bytes
    signature: bytes

    @classmethod
    def parse(cls, data: bytes, network: bytes) -> Header:
        """A header from its own encoding [header, signature]; raises Reject REC-4 to REC-10."""
        if len(data) > PROOF_BYTES_MAX:
            raise Reject("REC-4", f"header: {len(data)} bytes, at most {PROOF_BYTES_MAX}")
        pair = decode(data, PROOF_BYTES_MAX, 2)
        if type(pair) is not list or len(pair) != 2:
            raise Reject("REC-4", "header: not an array of header and signature")
        return _header(pair[0], pair[1], network, True)

    @property
    def slot_key(self) -> tuple[str, bytes, str, str] | None:
        """(scope, author, kind, slot name): records that share it compete for one slot (REC-14)."""
        return None if self.slot is None else (self.scope, self.author, self.kind, self.slot.name)

    def proof(self) -> bytes:
        """The header's own encoding, [header, signature]."""
        return encode([self.wire, self.signature])


class Record(NamedTuple):
    """A verified header with the body it commits to; `raw` is the truth, the fields are a view of it."""

    header: Header
    body: Mapping[str, Any]
    raw: bytes
    id: bytes
    kind: str
    author: bytes
    scope: str

    @classmethod
    def sign(
        cls,
        persona: Persona,
        network: bytes,
        kind: str,
        scope: str,
        body: Mapping[str, Any],
        *,
        created: int,
        expires: int,
        slot: Slot | None = None,
        refs: tuple[bytes, ...] = (),
    ) -> Record:
        """A new record by `persona`. Times in Unix ms. Raises Reject exactly where a receiver would."""
        body_data = encode(_composed(body))
        where = [] if slot is None else [slot.mode, slot.name, slot.seq]
        fields = [network, kind, persona.key, scope, where, created, expires, sorted(set(refs))]
        wire = encode([*fields, digest("body", body_data), len(body_data)])
        signature = persona.sign(digest("record", wire))
        return cls.parse(encode([wire, signature, body_data]), network, verified=True)

    @classmethod
    def parse(cls, raw: bytes, network: bytes, *, verified: bool = False) -> Record:
        """The record that `raw` is. Raises Reject (bad for ever) or Ignore REC-12 (unknown and over its bounds).

        `verified` skips the signature alone, for bytes that a process of our own has verified already.
        """
        if len(raw) > RECORD_BYTES_MAX:
            raise Reject("REC-4", f"record: {len(raw)} bytes, at most {RECORD_BYTES_MAX}")
        parts = skim(raw, 3)
        if type(parts) is not list or len(parts) != 3 or any(type(part) is not bytes for part in parts):
            decode(raw, RECORD_BYTES_MAX, 3)
            raise Reject("REC-4", "record: not an array of header, signature and body, each of them bytes")
        wire, signature, body_data = parts
        header = _header(wire, signature, network, not verified)
        if len(body_data) != header.body_bytes or digest("body", body_data) != header.body_hash:
            raise Reject("REC-6", "body: not the one the header commits to")
        body = _body(header, body_data, len(raw))
        return cls(header, body, raw, header.id, header.kind, header.author, header.scope)


@dataclass(frozen=True, slots=True)
class FaultProof:
    """Two headers one author signed for one `once` slot: whoever holds them can convince anybody (REC-15)."""

    first: Header
    second: Header

    @classmethod
    def of(cls, one: Header, other: Header) -> FaultProof:
        """The proof in its one spelling, smaller id first; raises Reject REC-15 when the two prove nothing."""
        same = one.slot_key == other.slot_key and one.network == other.network
        if not same or any(header.slot is None or header.slot.mode != "once" for header in (one, other)):
            raise Reject("REC-15", "fault: the two headers do not fill one `once` slot")
        if one.id == other.id:
            raise Reject("REC-15", "fault: the two headers are the same")
        first, second = sorted((one, other), key=lambda header: header.id)
        return cls(first, second)


def check_clock(header: Header, now: int) -> None:
    """Raises Ignore REC-13 when the record is not to be taken or served at `now`, Unix ms."""
    if header.created > now + CLOCK_AHEAD_MS_MAX:
        raise Ignore("REC-13", "created: more than ten minutes ahead of this clock")
    if header.expires <= now and header.scope.startswith(EXPIRING):
        raise Ignore("REC-13", "expires: has passed")


@lru_cache(maxsize=8192)
def embedded(raw: bytes, network: bytes) -> Record:
    """The record that another one carries inside itself, parsed and verified once. Raises as Record.parse does."""
    return Record.parse(raw, network)


def _header(wire: Any, signature: Any, network: bytes, check_signature: bool) -> Header:
    if type(wire) is not bytes or type(signature) is not bytes or len(signature) != SIGNATURE_BYTES:
        raise Reject("REC-4", "header, signature: must be bytes, the signature 64 of them")
    if len(wire) > HEADER_BYTES_MAX:
        raise Reject("REC-4", f"header: {len(wire)} bytes, at most {HEADER_BYTES_MAX}")
    try:
        header = _fields(skim(wire, _HEADER_ITEMS_MAX), wire, signature, network)
    except Reject:
        decode(wire, HEADER_BYTES_MAX, _HEADER_ITEMS_MAX)
        raise
    if check_signature and not verify(header.author, signature, header.id):
        raise Reject("REC-6", "signature: does not verify")
    return header


def _fields(fields: Any, wire: bytes, signature: bytes, network: bytes) -> Header:
    """The header that ten skimmed values are: each type and bound is looked at here."""
    if type(fields) is not list or len(fields) != 10:
        raise Reject("REC-4", "header: not an array of ten fields")
    of, kind, author, scope, where, created, expires, refs, body_hash, body_bytes = fields
    if of != network or type(of) is not bytes:
        raise Reject("REC-5", "network: the record belongs to another network")
    if type(author) is not bytes or len(author) != KEY_BYTES:
        raise Reject("REC-4", "author: must be 32 bytes")
    if type(body_hash) is not bytes or len(body_hash) != 32:
        raise Reject("REC-4", "body hash: must be 32 bytes")
    if type(body_bytes) is not int or not 0 <= body_bytes <= RECORD_BYTES_MAX:
        raise Reject("REC-4", f"body length: must be an integer from 0 to {RECORD_BYTES_MAX}")
    if type(kind) is not str or type(scope) is not str:
        raise Reject("REC-7", "kind, scope: must be texts")
    kind, scope, mode = _place(kind, scope)
    slot = _slot(where)
    if mode is not None and mode != (slot.mode if slot else "none"):
        raise Reject("REC-8", f"slot: {kind} needs the mode {mode}")
    if type(created) is not int or type(expires) is not int or created < 0:
        raise Reject("REC-10", "created, expires: must be Unix milliseconds")
    if not created < expires <= min(created + LIFE_MS_MAX, INTEGER_MAX):
        raise Reject("REC-10", "expires: must be after created, by ten years at most")
    if refs != []:
        _check_refs(refs)
    return Header(
        network,
        kind,
        author,
        scope,
        slot,
        created,
        expires,
        tuple(refs),
        body_hash,
        body_bytes,
        digest("record", wire),
        wire,
        signature,
    )


@lru_cache(maxsize=4096)
def _place(kind: str, scope: str) -> tuple[str, str, str | None]:
    """The two, the same objects for all records that name them, and the mode that such records need in such a scope,
    None when nobody knows; raises Reject REC-7."""
    if not _KIND_NAME.fullmatch(kind):
        raise Reject("REC-7", "kind: must be a name, a dot and a version from 1 to 9999")
    check_scope(scope)
    known = KINDS.get(kind)
    if known is None:
        return kind, scope, None
    if scope.partition("/")[0] not in known.families:
        raise Reject("REC-7", f"scope: {kind} is not said in {scope}")
    return kind, scope, known.mode


def check_scope(scope: Any) -> None:
    """Raises Reject REC-7 for what is not the name of a scope."""
    if type(scope) is not str or len(scope) > SCOPE_BYTES_MAX or not _SCOPE.fullmatch(scope):
        raise Reject("REC-7", "scope: must be two to four names of a-z, 0-9, '-' or '_' joined by '/'")


def _slot(where: Any) -> Slot | None:
    if where == []:
        return None
    if type(where) is not list or len(where) != 3 or where[0] not in ("once", "latest"):
        raise Reject("REC-8", "slot: must be empty or a mode, a name and a sequence number")
    mode, name, seq = where
    if type(name) is not str or not _SLOT_NAME.fullmatch(name):
        raise Reject("REC-8", f"slot name: 1 to {SLOT_NAME_BYTES_MAX} of a-z, 0-9, '-', '_', '/' and '.'")
    if type(seq) is not int or not 0 <= seq <= INTEGER_MAX or (mode == "once" and seq != 0):
        raise Reject("REC-8", "slot sequence: must be an integer from 0, and 0 in a `once` slot")
    return Slot(mode, name, seq)


def _check_refs(refs: Any) -> None:
    if type(refs) is not list or len(refs) > REFS_MAX or any(type(ref) is not bytes or len(ref) != 32 for ref in refs):
        raise Reject("REC-9", f"refs: must be at most {REFS_MAX} ids of 32 bytes")
    if any(a >= b for a, b in pairwise(refs)):
        raise Reject("REC-9", "refs: must strictly ascend")


def _body(header: Header, data: bytes, size: int) -> Mapping[str, Any]:
    """The body in `data`, of a record of `size` bytes; the rule of a kind looks at every value that is skimmed."""
    known = KINDS.get(header.kind)
    if known is not None:
        body: dict[str, Any] = skim(data)
        try:
            known.body.check(body)
        except Reject as fault:
            decode(data, RECORD_BYTES_MAX)
            raise Reject(fault.code, f"body{fault.message}") from None
        return body
    body = decode(data, RECORD_BYTES_MAX)
    if type(body) is not dict:
        raise Reject("REC-11", "body: not a map")
    if size > UNKNOWN_KIND_BYTES_MAX or header.expires - header.created > UNKNOWN_KIND_LIFE_MS:
        raise Ignore("REC-12", f"kind: {header.kind} is unknown here, and too large or too long-lived to carry")
    return body


def _composed(value: Any) -> Any:
    """`value` with every text in Normalization Form C (REC-17)."""
    match value:
        case str():
            return normalize("NFC", value)
        case list() | tuple():
            return [_composed(item) for item in value]
        case Mapping():
            return {_composed(key): _composed(item) for key, item in value.items()}
    return value
