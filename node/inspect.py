"""One record from bytes to words: its fields, and the verdict that every node comes to.

Decides how bytes are shown, never what they are: the verdict is that of `protocol.record`. Whatever can be read of a
bad record is shown beside the reason it is bad. Spec: 01-record, REC-1 to REC-13; 13-node, CLI-9.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from node.present import now_ms
from protocol.encoding import Value, decode
from protocol.errors import Ignore, ProtocolError, Reject
from protocol.identity import KEY_BYTES, did
from protocol.params import RECORD_BYTES_MAX
from protocol.record.kinds import KINDS
from protocol.record.record import Header, Record, check_clock
from protocol.trust.accountability import fault_in

_HEX = re.compile(rb"(?:[0-9a-fA-F]{2})+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_HEADER_FIELDS = ("network", "kind", "author", "scope", "slot", "created", "expires", "refs", "body_hash", "body_bytes")
_TIMES = ("created", "expires")
NETWORK_BYTES = 32
_PROOF = 0x92  # an array of two: a header proof


def inspect(data: bytes, network: bytes | None, now: int | None = None) -> dict[str, Any]:
    """What `data` is: raw bytes, hex or base64 of a record or a header proof.

    The network is the record's own; `network` is the home's, to say whether they are the same. `now`, Unix ms, is this
    machine's clock unless given. Always returns: "verdict" (accepted, rejected, ignored), "code" and "message" (empty
    when accepted), "what" (record, header proof), "notes", "bytes", and the fields that could be read.
    """
    raw = _unwrapped(data)
    what = "header proof" if raw[:1] == bytes([_PROOF]) else "record"
    fields = _fields(raw)
    of = fields.get("network")
    own = of if type(of) is bytes and len(of) == NETWORK_BYTES else bytes(NETWORK_BYTES)
    result: dict[str, Any] = {"verdict": "accepted", "code": "", "message": "", "what": what, "notes": []}
    try:
        header = Header.parse(raw, own) if what == "header proof" else Record.parse(raw, own).header
        fields["id"] = header.id
        result["notes"] = list(_notes(header, network))
        if what == "record" and header.kind == "fault.1":
            result["notes"].append(_fault(Record.parse(raw, own), own))
        check_clock(header, now_ms() if now is None else now)
    except ProtocolError as error:
        verdict = "rejected" if isinstance(error, Reject) else "ignored" if isinstance(error, Ignore) else "unknown"
        result |= {"verdict": verdict, "code": error.code, "message": error.message}
    if network is not None and "network" in fields:
        result["own_network"] = of == network
    return result | {"bytes": len(raw)} | {name: _plain(value) for name, value in fields.items()} | _names(fields)


def render(result: dict[str, Any]) -> str:
    """The same in lines for people; no field can add a line of its own."""
    verdict = f"{result['what']} {result['verdict']}"
    if result["code"]:
        verdict += f": {result['message']} [{result['code']}]"
    lines = [verdict, *(f"note: {note}" for note in result["notes"])]
    for name in ("id", *_HEADER_FIELDS, "signature", "bytes"):
        if name in result:
            value = result[name]
            text = value if type(value) is str and value.isprintable() else _line(value)
            if name == "author" and "did" in result:
                text = result["did"]
            if name in _TIMES and type(value) is int:
                text = _moment(value)
            lines.append(f"{name:11}{text}")
    if "body" in result:
        body = result["body"]
        pairs = body.items() if type(body) is dict else [("", body)]
        lines += ["body", *(f"  {_line(name)[1:-1]}: {_line(value)}" for name, value in pairs)]
    return "\n".join(lines)


def _unwrapped(data: bytes) -> bytes:
    """The bytes themselves when `data` is hex or base64 of something."""
    text = b"".join(data.split())
    with suppress(ValueError, binascii.Error):
        if _HEX.fullmatch(text):
            return bytes.fromhex(text.decode("ascii"))
        if _BASE64.fullmatch(text):
            standard = text.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
            return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
    return data


def _fields(raw: bytes) -> dict[str, Value]:
    """Whatever can be read of a record or header proof, however bad it is."""
    fields: dict[str, Value] = {}
    with suppress(Reject):
        parts = decode(raw, RECORD_BYTES_MAX)
        if type(parts) is not list or not 2 <= len(parts) <= 3 or any(type(part) is not bytes for part in parts):
            return fields
        fields["signature"] = parts[1]
        with suppress(Reject):
            header = decode(parts[0], RECORD_BYTES_MAX)
            if type(header) is list:
                fields |= dict(zip(_HEADER_FIELDS, header, strict=False))
        if len(parts) == 3:
            fields["body"] = decode(parts[2], RECORD_BYTES_MAX)
    return fields


def _notes(header: Header, network: bytes | None) -> list[str]:
    notes = []
    if network is not None and header.network != network:
        notes.append("of another network than this home's, whose nodes reject it [REC-5]")
    if header.kind not in KINDS:
        notes.append("of a kind unknown to this version: carried, without effect [REC-12]")
    return notes


def _fault(record: Record, network: bytes) -> str:
    """What a fault proof proves, in words."""
    proof = fault_in(record, network)
    if proof is None:
        return "proves nothing: its two headers do not fill one slot twice [ATT-7]"
    author, slot = did(proof.first.author), proof.first.slot
    return f"proves that {author} signed twice as {proof.first.kind} in {slot.name if slot else ''} [REC-15]"


def _names(fields: dict[str, Value]) -> dict[str, str]:
    author = fields.get("author")
    return {"did": did(author)} if type(author) is bytes and len(author) == KEY_BYTES else {}


def _plain(value: Value) -> Any:
    """A value as JSON: bytes in hex."""
    match value:
        case bytes():
            return value.hex()
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {name: _plain(item) for name, item in value.items()}
    return value


def _line(value: Any) -> str:
    """A value on one line, whatever it holds."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def _moment(instant_ms: int) -> str:
    try:
        shown = datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return str(instant_ms)
    return f"{instant_ms} ({shown})"
