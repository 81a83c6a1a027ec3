"""A whole deal in one byte string: made from a member's records, verified by anybody without network.

Decides which bytes are a bundle, and that nothing in it is superfluous; what it proves is protocol.deal.proof's.
Spec: 12-bundle, BUN-1 to BUN-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from protocol.coop.template import Template
from protocol.coop.template import parse as parse_template
from protocol.deal.holding import Step, Tell, silently
from protocol.deal.proof import Proof, prove
from protocol.encoding import decode, digest, encode
from protocol.errors import Ignore, Reject
from protocol.identity import KEY_BYTES
from protocol.params import BUNDLE_BYTES_MAX, BUNDLE_RECORDS_MAX, TEMPLATE_ATTRIBUTES_MAX
from protocol.record.record import Record

VERSION = 1
_FIELDS = ["digest", "network", "records", "room", "template", "version"]
_ID = re.compile(r"[0-9a-f]{64}")


def make(network: bytes, template: Template, records: Iterable[Record], room: bytes) -> bytes:
    """The bundle of a deal, out of all records of its co-op's and its own scope and the secret of its room.

    Raises Reject with the clause of the first step that these records do not prove, or BUN-2 when they are too many.
    """
    proof = prove(network, template, records, room)
    if len(proof.records) > BUNDLE_RECORDS_MAX:
        raise Reject("BUN-2", f"bundle: {len(proof.records)} records, at most {BUNDLE_RECORDS_MAX}")
    body = {
        "version": VERSION,
        "network": network,
        "template": template.to_mapping(),
        "records": {one.id.hex(): one.raw for one in proof.records},
        "room": room,
    }
    return _encode(body | {"digest": bundle_digest(body)})


def looks_like(raw: bytes) -> bool:
    """Whether bytes begin as every bundle does, and as no text file."""
    return raw.startswith(b"\x86\xa6digest")


def verify(raw: bytes, tell: Tell = silently) -> Proof:
    """The deal that a bundle proves; `tell` hears of each step that holds. Raises Reject at the first that does not.

    Without the supplier's signature the last step fails, and that alone (BUN-11).
    """
    proof = read(raw, tell)
    if proof.deal.state in ("agreed", "defaulted"):
        raise Reject("BUN-11", "countersign: no supplier's signature under its agreement is in the bundle")
    for one in proof.deal.agreements:
        word = "the supplier signed this very agreement" if one.signed else f"{one.supplier.hex()[:8]} did not sign"
        tell(Step("countersign", word, "BUN-11"))
    return proof


def read(raw: bytes, tell: Tell = silently) -> Proof:
    """As `verify`, but content with an agreement that its supplier has not signed (yet)."""
    body = _opened(raw)
    network, template = body["network"], parse_template(body["template"])
    records = [_record(name, one, network) for name, one in body["records"].items()]
    tell(Step("file", f"{len(raw)} bytes of network {network.hex()[:8]}, all under the digest", "BUN-3"))
    tell(Step("signatures", f"each of the {len(records)} records is what its author signed", "REC-6"))
    proof = prove(network, template, records, body["room"], tell)
    needed = {one.id: None for one in proof.records}
    for one in records:
        if one.id not in needed:
            raise Reject("BUN-9", f"records: {one.id.hex()[:8]} ({one.kind}) proves nothing that the others do not")
    tell(Step("records", f"each of the {len(records)} records is needed, and none is missing", "BUN-9"))
    return proof


def bundle_digest(body: Mapping[str, Any]) -> bytes:
    """The digest of a bundle's other fields (BUN-3)."""
    return digest("bundle", _encode({name: one for name, one in body.items() if name != "digest"}))


def _encode(body: Mapping[str, Any]) -> bytes:
    return encode(dict(body), BUNDLE_BYTES_MAX, BUNDLE_RECORDS_MAX)


def _opened(raw: bytes) -> dict[str, Any]:
    """The fields of a bundle, each of its type and under the digest. Raises Reject: ENC or BUN-1 to BUN-10."""
    if len(raw) > BUNDLE_BYTES_MAX:
        raise Reject("BUN-2", f"bundle: more than {BUNDLE_BYTES_MAX} bytes")
    if not looks_like(raw):
        raise Reject("BUN-1", "bundle: the bytes do not begin as a bundle does")
    try:
        body = decode(raw, BUNDLE_BYTES_MAX, TEMPLATE_ATTRIBUTES_MAX, BUNDLE_RECORDS_MAX)
    except Reject as error:
        raise Reject(error.code, f"bundle: {error.message}") from None
    if type(body) is not dict or list(body) != _FIELDS:
        raise Reject("BUN-1", "bundle: must be a map of " + ", ".join(_FIELDS))
    if type(body["version"]) is not int or body["version"] != VERSION:
        raise Reject("BUN-1", f"bundle.version: must be {VERSION}")
    if type(body["network"]) is not bytes or len(body["network"]) != 32:
        raise Reject("BUN-1", "bundle.network: must be 32 bytes")
    if body["digest"] != bundle_digest(body):
        raise Reject("BUN-3", "bundle.digest: the file was altered, or is not whole")
    if type(body["records"]) is not dict or not all(_ID.fullmatch(key) for key in body["records"]):
        raise Reject("BUN-5", "bundle.records: must be a map by id, in hexadecimal")
    if type(body["room"]) is not bytes or len(body["room"]) != KEY_BYTES:
        raise Reject("BUN-10", f"bundle.room: must be {KEY_BYTES} bytes")
    return body


def _record(name: str, raw: Any, network: bytes) -> Record:
    if type(raw) is not bytes:
        raise Reject("BUN-5", f"records.{name[:8]}: must be a record's bytes")
    try:
        record = Record.parse(raw, network)
    except Reject as error:
        raise Reject(error.code, f"records.{name[:8]}: {error.message}") from None
    except Ignore:
        raise Reject("BUN-5", f"records.{name[:8]}: of a kind that proves nothing here") from None
    if record.id.hex() != name:
        raise Reject("BUN-5", f"records.{name[:8]}: the record that stands there has another id")
    return record
