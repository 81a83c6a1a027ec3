"""The record: layout, verdicts, slots, fault proofs (01-record, REC-1 to REC-18)."""

from collections.abc import Callable, Mapping
from itertools import permutations
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.encoding import Value, decode, digest, encode
from protocol.errors import Ignore, ProtocolError, Reject
from protocol.identity import Persona, network_id
from protocol.params import CLOCK_AHEAD_MS_MAX, DAY_MS, HEADER_BYTES_MAX, LIFE_MS_MAX, RECORD_BYTES_MAX
from protocol.record.kinds import KINDS
from protocol.record.log import Log
from protocol.record.record import PROOF_BYTES_MAX, FaultProof, Header, Record, Slot, check_clock
from tests.notation import written
from tests.test_schema import fitting, least

NETWORK = network_id("test", bytes(16))
OTHER_NETWORK = network_id("test", bytes(15) + b"\1")
ANNA, BEN = (Persona.from_seed(bytes([number]) * 32) for number in (1, 2))
CREATED, EXPIRES = 1_800_000_000_000, 1_800_600_000_000
COOP, BOARD, TRUST = "coop/" + "0" * 32, "board/electricity/gcpv", "trust/a7"
REF_1, REF_2 = b"\1" * 32, b"\2" * 32
ROSTER = bytes(range(32))
BALLOT: dict[str, Value] = {"roster": ROSTER, "cipher": bytes(range(56)), "shares": [[bytes(80), REF_1]]}
PROFILE: dict[str, Value] = {"label": "Bäckerei", "terms": []}
FIELDS = "network kind author scope slot created expires refs body_hash body_bytes".split()


def wire_of(body: bytes, **changes: Any) -> list[Any]:
    """The ten fields of a good ballot's header, some of them changed."""
    fields: dict[str, Any] = {
        "network": NETWORK,
        "kind": "ballot.1",
        "author": ANNA.key,
        "scope": COOP,
        "slot": ["once", "ballot", 0],
        "created": CREATED,
        "expires": EXPIRES,
        "refs": [REF_1, REF_2],
        "body_hash": digest("body", body),
        "body_bytes": len(body),
    }
    assert set(changes) <= set(fields)
    return list((fields | changes).values())


def forged(body: Value = None, *, data: bytes | None = None, wire: bytes | None = None, **changes: Any) -> bytes:
    """A record that is properly signed, whatever its header says."""
    data = encode(BALLOT if body is None else body) if data is None else data
    header = encode(wire_of(data, **changes)) if wire is None else wire
    return encode([header, ANNA.sign(digest("record", header)), data])


def loose(value: Any) -> bytes:
    """MessagePack that need not be canonical."""
    data: bytes = msgpack.packb(value)
    return data


def forged_intent(levels: dict[str, int]) -> bytes:
    """An intent whose levels stand in the order given."""
    body = {"levels": levels, "readiness": "ready", "ready_by": 1, "spend_minor": 1}
    body |= {"template": REF_1, "terms": [], "tolerate": 0, "want": 1}
    return forged(data=loose(body), kind="intent.1", scope=BOARD, slot=["latest", "intent", 0])


def unsigned(raw: bytes, change: Callable[[list[Any]], None]) -> bytes:
    """A record with its three parts changed after it was signed."""
    parts = decode(raw, RECORD_BYTES_MAX)
    change(parts)
    return encode(parts)


def _set(at: int, value: Value) -> Callable[[list[Any]], None]:
    def change(parts: list[Any]) -> None:
        parts[at] = value

    return change


GOOD_RAW = forged()
WIRE, SIGNATURE, BODY = decode(GOOD_RAW)
_KEY_OF_SMALL_ORDER = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
_LONG = {"zzz": b"a" * 4096}

GOOD: list[tuple[str, str, bytes]] = [
    ("a ballot", "REC-4", GOOD_RAW),
    ("without refs", "REC-9", forged(refs=[])),
    ("sixteen refs", "REC-9", forged(refs=[bytes([n]) * 32 for n in range(16)])),
    ("a profile in a latest slot", "REC-8", forged(PROFILE, kind="profile.1", scope=BOARD, slot=["latest", "self", 7])),
    (
        "the largest seq",
        "REC-8",
        forged(PROFILE, kind="profile.1", scope=BOARD, slot=["latest", "a/b.c-d_e", 2**53 - 1]),
    ),
    ("the longest life", "REC-10", forged(expires=CREATED + LIFE_MS_MAX)),
    ("a life of a millisecond, at the beginning of time", "REC-10", forged(created=0, expires=1)),
    (
        "a text that is not in NFC",
        "REC-17",
        forged(PROFILE | {"label": "e\u0301"}, kind="profile.1", scope=BOARD, slot=["latest", "self", 7]),
    ),
    ("an unknown kind", "REC-12", forged({"anything": [True]}, kind="talk.7", slot=[], expires=CREATED + 7 * DAY_MS)),
    ("an unknown version of a known kind", "REC-12", forged({}, kind="ballot.9999", scope="else/where", slot=[])),
    ("an unknown kind of 4,096 bytes", "REC-12", forged({"zzz": b"a" * 3776}, kind="talk.7", slot=[])),
    ("a scope of 128 bytes in four parts", "REC-7", forged({}, kind="talk.7", scope="a/b/c/" + "d" * 122)),
]

BAD: list[tuple[str, str, bytes]] = [
    ("nothing", "ENC-8", b""),
    ("too long", "REC-4", b"\x93" + bytes(RECORD_BYTES_MAX)),
    ("not an array", "REC-4", encode({"wire": WIRE})),
    ("two parts", "REC-4", encode([WIRE, SIGNATURE])),
    ("four parts", "ENC-6", encode([WIRE, SIGNATURE, BODY, b""])),
    ("header is a text", "REC-4", unsigned(GOOD_RAW, _set(0, "wire"))),
    ("header is an array", "ENC-6", unsigned(GOOD_RAW, _set(0, wire_of(BODY)))),
    ("signature is a text", "REC-4", unsigned(GOOD_RAW, _set(1, "a" * 64))),
    ("signature of 63 bytes", "REC-4", unsigned(GOOD_RAW, _set(1, SIGNATURE[:-1]))),
    ("body is a map", "REC-4", unsigned(GOOD_RAW, _set(2, {}))),
    ("bytes after the record", "ENC-8", GOOD_RAW + b"\0"),
    ("record with a long array length", "ENC-4", b"\xdc\x00\x03" + GOOD_RAW[1:]),
    ("record cut short", "ENC-8", GOOD_RAW[:-1]),
    ("header of 2,049 bytes", "REC-4", forged(wire=encode([bytes(2045)]))),
    ("header is a map", "REC-4", forged(wire=encode({}))),
    ("header of nine fields", "REC-4", forged(wire=encode(wire_of(BODY)[:9]))),
    ("header of eleven fields", "REC-4", forged(wire=encode([*wire_of(BODY), 0]))),
    ("header with a long length", "ENC-4", forged(wire=b"\xdc\x00\x0a" + WIRE[1:])),
    ("header with bytes after it", "ENC-8", forged(wire=WIRE + b"\0")),
    (
        "created in a long form",
        "ENC-4",
        forged(
            wire=WIRE.replace(
                CREATED.to_bytes(9, "big").replace(b"\0", b"\xcf", 1), b"\xd3" + CREATED.to_bytes(8, "big")
            )
        ),
    ),
    ("another network", "REC-5", forged(network=OTHER_NETWORK)),
    ("network of 31 bytes", "REC-5", forged(network=NETWORK[:31])),
    ("network is a text", "REC-5", forged(network="test")),
    ("author of 33 bytes", "REC-4", forged(author=ANNA.key + b"\0")),
    ("author is a text", "REC-4", forged(author="a" * 32)),
    ("body hash of 20 bytes", "REC-4", forged(body_hash=bytes(20))),
    ("body length is a boolean", "REC-4", forged(wire=encode(wire_of(BODY, body_bytes=True)))),
    ("body length is negative", "REC-4", forged(wire=encode(wire_of(BODY, body_bytes=-1)))),
    ("body length beyond a record", "REC-4", forged(wire=encode(wire_of(BODY, body_bytes=65_537)))),
    ("body length is one less", "REC-6", forged(wire=encode(wire_of(BODY, body_bytes=len(BODY) - 1)))),
    ("another body", "REC-6", unsigned(GOOD_RAW, _set(2, encode(BALLOT | {"cipher": bytes(56)})))),
    ("no body", "REC-6", unsigned(GOOD_RAW, _set(2, b""))),
    ("body hash of another purpose", "REC-6", forged(wire=encode(wire_of(BODY, body_hash=digest("record", BODY))))),
    ("signature of another key", "REC-6", unsigned(GOOD_RAW, _set(1, BEN.sign(digest("record", WIRE))))),
    ("signature over the header instead of the id", "REC-6", unsigned(GOOD_RAW, _set(1, ANNA.sign(WIRE)))),
    (
        "signature over a digest of another purpose",
        "REC-6",
        unsigned(GOOD_RAW, _set(1, ANNA.sign(digest("body", WIRE)))),
    ),
    ("signature with a flipped bit", "REC-6", unsigned(GOOD_RAW, _set(1, bytes([SIGNATURE[0] ^ 1]) + SIGNATURE[1:]))),
    ("signature of zeros", "REC-6", unsigned(GOOD_RAW, _set(1, bytes(64)))),
    (
        "an author of small order",
        "REC-6",
        unsigned(forged(author=_KEY_OF_SMALL_ORDER), _set(1, _KEY_OF_SMALL_ORDER + bytes(32))),
    ),
    ("header changed after signing", "REC-6", unsigned(GOOD_RAW, _set(0, encode(wire_of(BODY, created=CREATED + 1))))),
    ("kind without a version", "REC-7", forged(kind="ballot")),
    ("kind of version 0", "REC-7", forged(kind="ballot.0")),
    ("kind of version 01", "REC-7", forged(kind="ballot.01")),
    ("kind of version 10000", "REC-7", forged(kind="ballot.10000")),
    ("kind with a capital", "REC-7", forged(kind="Ballot.1")),
    ("kind of 33 letters", "REC-7", forged(kind="b" * 33 + ".1")),
    ("kind with a line feed", "REC-7", forged(kind="ballot.1\n")),
    ("kind with Arabic digits", "REC-7", forged(kind="ballot.\u0661")),
    ("kind is bytes", "REC-7", forged(kind=b"ballot.1")),
    ("kind in the wrong family", "REC-7", forged(scope=BOARD)),
    ("scope of one part", "REC-7", forged(scope="coop")),
    ("scope of five parts", "REC-7", forged(scope="coop/a/b/c/d")),
    ("scope with an empty part", "REC-7", forged(scope="coop//a")),
    ("scope with a capital", "REC-7", forged(scope="coop/A")),
    ("scope with a dot", "REC-7", forged(scope="coop/..")),
    ("scope of 129 bytes", "REC-7", forged(scope="coop/" + "a" * 124)),
    ("scope with a line feed", "REC-7", forged(scope=COOP + "\n")),
    ("slot missing where the kind has one", "REC-8", forged(slot=[])),
    ("slot of the other mode", "REC-8", forged(slot=["latest", "ballot", 0])),
    ("slot of no mode", "REC-8", forged(slot=["twice", "ballot", 0])),
    ("slot with a seq in mode once", "REC-8", forged(slot=["once", "ballot", 1])),
    ("slot with a negative seq", "REC-8", forged(PROFILE, kind="profile.1", scope=BOARD, slot=["latest", "self", -1])),
    ("slot with false for zero", "REC-8", forged(slot=["once", "ballot", False])),
    ("slot with an empty name", "REC-8", forged(slot=["once", "", 0])),
    ("slot name of 97 bytes", "REC-8", forged(slot=["once", "a" * 97, 0])),
    ("slot name with a capital", "REC-8", forged(slot=["once", "Ballot", 0])),
    ("slot of two items", "REC-8", forged(slot=["once", "ballot"])),
    ("slot is a map", "REC-8", forged(slot={})),
    ("slot mode is an array", "REC-8", forged(slot=[["once"], "ballot", 0])),
    ("slot where the kind has none", "REC-8", forged({"question": "q", "ids": [REF_1]}, kind="receipt.1")),
    ("refs descending", "REC-9", forged(refs=[REF_2, REF_1])),
    ("refs twice the same", "REC-9", forged(refs=[REF_1, REF_1])),
    ("seventeen refs", "REC-9", forged(refs=[bytes([n]) * 32 for n in range(17)])),
    ("ref of 31 bytes", "REC-9", forged(refs=[bytes(31)])),
    ("ref is a text", "REC-9", forged(refs=["a" * 32])),
    ("refs is a map", "REC-9", forged(refs={})),
    ("thirty-three refs", "ENC-6", forged(refs=[bytes([n]) * 32 for n in range(33)])),
    ("created is negative", "REC-10", forged(created=-1, expires=1)),
    ("created is a boolean", "REC-10", forged(created=True, expires=2)),
    ("created is a text", "REC-10", forged(created="now")),
    ("expires when created", "REC-10", forged(expires=CREATED)),
    ("expires before created", "REC-10", forged(expires=CREATED - 1)),
    ("expires after ten years", "REC-10", forged(expires=CREATED + LIFE_MS_MAX + 1)),
    ("body is an array", "REC-11", forged([])),
    ("body without a field", "REC-11", forged({"roster": ROSTER})),
    ("body with a field more", "REC-11", forged(BALLOT | {"remark": ""})),
    ("body with a field of another type", "REC-11", forged(BALLOT | {"roster": "a" * 32})),
    ("body that is not canonical", "ENC-3", forged(data=bytes.fromhex("82a16201a16101"))),
    ("body with its fields out of order", "ENC-3", forged(data=loose({"roster": ROSTER, "ranking": [[REF_1]]}))),
    ("body with a table out of order", "ENC-3", forged_intent({"price": 0, "green": 1})),
    ("body with a key twice", "ENC-3", forged(data=b"\x83" + loose("ranking") + b"\x90" + BODY[1:])),
    ("body with nil in a field", "ENC-1", forged(data=loose({"ranking": [], "roster": None}))),
    ("body with a key that is bytes", "ENC-3", forged(data=loose({b"ranking": [], "roster": ROSTER}))),
    ("body with a long length", "ENC-4", forged(data=b"\xde\x00\x03" + BODY[1:])),
    ("expires beyond 2^53-1", "ENC-2", forged(wire=loose(wire_of(BODY, created=2**53 - 1, expires=2**53)))),
    ("slot with nil", "ENC-1", forged(wire=loose(wire_of(BODY, slot=[None, "ballot", 0])))),
    ("body that is two values", "ENC-8", forged(data=BODY + BODY)),
    ("body that is nothing", "ENC-8", forged(data=b"")),
    ("unknown kind, body is an array", "REC-11", forged([], kind="talk.7", slot=[])),
    ("unknown kind, body is nil", "ENC-1", forged(data=b"\xc0", kind="talk.7", slot=[])),
]

IGNORED: list[tuple[str, str, bytes]] = [
    ("an unknown kind of 4,097 bytes", "REC-12", forged({"zzz": b"a" * 3777}, kind="talk.7", slot=[])),
    (
        "an unknown kind for longer than 7 days",
        "REC-12",
        forged({}, kind="talk.7", slot=[], expires=CREATED + 7 * DAY_MS + 1),
    ),
    ("an unknown version, too long", "REC-12", forged(_LONG, kind="ballot.2")),
]


# Records that compete for slots, and what the slot comes to (REC-14).
def _ballot(label: str, *, author: Persona = ANNA, scope: str = COOP, name: str = "ballot") -> Record:
    body = BALLOT | {"roster": digest("roster", label.encode())}
    return Record.sign(
        author, NETWORK, "ballot.1", scope, body, created=CREATED, expires=EXPIRES, slot=Slot("once", name, 0)
    )


def _profile(label: str, seq: int) -> Record:
    body, slot = PROFILE | {"label": label}, Slot("latest", "self", seq)
    return Record.sign(ANNA, NETWORK, "profile.1", BOARD, body, created=CREATED, expires=EXPIRES, slot=slot)


SLOTS: list[tuple[str, list[Record], list[str]]] = [
    ("one ballot", [_ballot("x")], ["x"]),
    ("two ballots", [_ballot("x"), _ballot("y")], ["equivocated"]),
    ("three ballots", [_ballot("x"), _ballot("y"), _ballot("z")], ["equivocated"]),
    ("ballots of two authors", [_ballot("x"), _ballot("x", author=BEN)], ["x", "x"]),
    ("ballots in two slots", [_ballot("x"), _ballot("y", name="ballot/2")], ["x", "y"]),
    ("profiles by seq", [_profile("a", 1), _profile("b", 3), _profile("c", 2)], ["b"]),
]
_RIVALS = sorted((_profile(label, 5) for label in "pqr"), key=lambda record: record.id)
SLOTS.append(("profiles of one seq", _RIVALS, [str(_RIVALS[0].body["label"])]))


def stands(records: list[Record]) -> list[bytes | str]:
    """What each slot comes to, in the order of the slots' first appearance: the id that stands, or "equivocated"."""
    log = Log(records[0].scope)
    for record in records:
        try:
            log.add(record)
        except Ignore as ignore:
            assert ignore.code == "REC-14"  # noqa: PT017
    result = log.resolved()
    labels = [
        f"{record.kind}/{record.author.hex()}/{record.header.slot.name}" for record in records if record.header.slot
    ]
    return [value if isinstance(value := result[label], str) else value[0] for label in dict.fromkeys(labels)]


# Pairs of header proofs, and whether they prove a fault (REC-15).
def _proof(**changes: Any) -> bytes:
    return encode(decode(forged(**changes), RECORD_BYTES_MAX)[:2])


_ONE, _TWO = _proof(), _proof(created=CREATED + 1)
FAULTS: list[tuple[str, str | None, bytes, bytes]] = [
    ("two ballots", None, _ONE, _TWO),
    ("the other way round", None, _TWO, _ONE),
    ("of an unknown kind", None, _proof(kind="talk.7"), _proof(kind="talk.7", refs=[])),
    ("twice the same", "REC-15", _ONE, _ONE),
    ("another scope", "REC-15", _ONE, _proof(scope=COOP[:-1] + "1")),
    ("another slot name", "REC-15", _ONE, _proof(slot=["once", "ballot/2", 0])),
    ("another kind", "REC-15", _ONE, _proof(kind="join.1")),
    ("another version", "REC-15", _ONE, _proof(kind="ballot.2")),
    (
        "mode latest",
        "REC-15",
        _proof(kind="profile.1", scope=BOARD, slot=["latest", "self", 1]),
        _proof(kind="profile.1", scope=BOARD, slot=["latest", "self", 2]),
    ),
    (
        "only one of mode once",
        "REC-15",
        _proof(kind="talk.7"),
        _proof(kind="talk.7", slot=["latest", "ballot", 0]),
    ),
    ("no slot", "REC-15", _proof(kind="talk.7", slot=[]), _proof(kind="talk.7", slot=[], refs=[])),
    ("another author", "REC-6", _ONE, _proof(author=BEN.key)),
    ("another network", "REC-5", _ONE, _proof(network=OTHER_NETWORK)),
    ("a signature that fails", "REC-6", _ONE, encode([decode(_TWO)[0], SIGNATURE])),
    ("a header that is no header", "REC-4", _ONE, encode([encode([]), SIGNATURE])),
    ("a whole record", "ENC-6", _ONE, GOOD_RAW),
    ("a proof that is too long", "REC-4", _ONE, encode([bytes(HEADER_BYTES_MAX + 1), SIGNATURE])),
    ("nothing", "ENC-8", _ONE, b""),
]

CLOCKS: list[tuple[str, bool, bytes, int]] = [
    ("ten minutes ahead", True, GOOD_RAW, CREATED - CLOCK_AHEAD_MS_MAX),
    ("a millisecond more", False, GOOD_RAW, CREATED - CLOCK_AHEAD_MS_MAX - 1),
    ("of a co-op, expired", True, GOOD_RAW, EXPIRES + DAY_MS),
    ("of a board, about to expire", True, _profile("a", 0).raw, EXPIRES - 1),
    ("of a board, expired", False, _profile("a", 0).raw, EXPIRES),
]


def fields_of(record: Record) -> dict[str, Any]:
    """A record's intermediate values, for the vectors."""
    header = record.header
    slot = [] if header.slot is None else [header.slot.mode, header.slot.name, header.slot.seq]
    return {
        "wire": header.wire.hex(),
        "id": header.id.hex(),
        "signature": header.signature.hex(),
        "kind": header.kind,
        "author": header.author.hex(),
        "scope": header.scope,
        "slot": slot,
        "created": header.created,
        "expires": header.expires,
        "refs": [ref.hex() for ref in header.refs],
        "body_hash": header.body_hash.hex(),
        "body_bytes": header.body_bytes,
        "body": written(record.body),
    }


def _signed_cases() -> list[dict[str, Any]]:
    cases = []
    for name, record, label in (
        ("a ballot", Record.parse(GOOD_RAW, NETWORK), BALLOT),
        (
            "a profile whose text is composed first",
            _profile("Ba\u0308ckerei", 7),
            PROFILE | {"label": "Ba\u0308ckerei"},
        ),
    ):
        given = fields_of(record) | {"seed": ANNA.seed.hex(), "network": NETWORK.hex(), "body": written(label)}
        for computed in ("wire", "id", "signature", "author", "body_hash", "body_bytes"):
            del given[computed]
        body = decode(record.raw, RECORD_BYTES_MAX)[2].hex()
        output = fields_of(record) | {"encoded_body": body, "raw": record.raw.hex()}
        clause = "REC-4" if label is BALLOT else "REC-17"
        cases.append({"name": f"sign {name}", "clause": clause, "input": given, "output": output})
    return cases


def vectors() -> dict[str, Any]:
    """spec/vectors/record.json."""
    cases: list[dict[str, Any]] = []
    for name, salt in (("test", bytes(16)), ("Nachbarschaft \u00e4", b""), ("", b"salt")):
        given: dict[str, Any] = {"network_name": name, "salt": salt.hex()}
        output: dict[str, Any] = {"network": network_id(name, salt).hex()}
        cases.append({"name": f"network {name!r}", "clause": "REC-5", "input": given, "output": output})
    cases += _signed_cases()
    for name, clause, raw in GOOD:
        given = {"network": NETWORK.hex(), "raw": raw.hex()}
        output = fields_of(Record.parse(raw, NETWORK))
        cases.append({"name": name, "clause": clause, "input": given, "output": output})
    for verdict, bad in (("reject", BAD), ("ignore", IGNORED)):
        for name, code, raw in bad:
            given = {"network": NETWORK.hex(), "raw": raw.hex()}
            if len(raw) <= RECORD_BYTES_MAX:
                cases.append({"name": name, "clause": code, "input": given, verdict: code})
    for name, good, raw, now in CLOCKS:
        given = {"network": NETWORK.hex(), "raw": raw.hex(), "now": now}
        outcome: dict[str, Any] = {"ignore": "REC-13"}
        if good:
            outcome = {"output": {"id": Record.parse(raw, NETWORK).id.hex()}}
        cases.append({"name": f"clock: {name}", "clause": "REC-13", "input": given} | outcome)
    for name, records, _ in SLOTS:
        given = {"network": NETWORK.hex(), "records": [record.raw.hex() for record in records]}
        output = {"stands": [one if isinstance(one, str) else one.hex() for one in stands(records)]}
        cases.append({"name": f"slot: {name}", "clause": "REC-14", "input": given, "output": output})
    for name, refused, one, other in FAULTS:
        given = {"network": NETWORK.hex(), "proofs": [one.hex(), other.hex()]}
        ids = [] if refused else sorted(Header.parse(proof, NETWORK).id.hex() for proof in (one, other))
        outcome = {"reject": refused} if refused else {"output": {"ids": ids}}
        cases.append({"name": f"fault: {name}", "clause": "REC-15", "input": given} | outcome)
    return {"name": "record", "spec": "01-record", "cases": cases}


@pytest.mark.parametrize(("name", "clause", "raw"), GOOD, ids=[case[0] for case in GOOD])
def test_good(name: str, clause: str, raw: bytes) -> None:
    """REC-1: accepted, with every field a view of the bytes."""
    record = Record.parse(raw, NETWORK)
    header, signature, body = decode(raw, RECORD_BYTES_MAX)
    assert decode(header) == [
        NETWORK,
        record.kind,
        record.author,
        record.scope,
        fields_of(record)["slot"],
        record.header.created,
        record.header.expires,
        list(record.header.refs),
        digest("body", body),
        len(body),
    ]
    assert (record.id, record.header.signature) == (digest("record", header), signature)
    assert encode(record.body) == body
    assert Record.parse(raw, NETWORK, verified=True) == record
    assert Header.parse(record.header.proof(), NETWORK) == record.header


@pytest.mark.parametrize(("name", "code", "raw"), BAD, ids=[case[0] for case in BAD])
def test_bad(name: str, code: str, raw: bytes) -> None:
    """REC-2: rejected, and again when it comes again."""
    for _ in range(2):
        with pytest.raises(Reject) as caught:
            Record.parse(raw, NETWORK)
        assert caught.value.code == code


@pytest.mark.parametrize(("name", "code", "raw"), IGNORED, ids=[case[0] for case in IGNORED])
def test_ignored(name: str, code: str, raw: bytes) -> None:
    """REC-3, REC-12."""
    with pytest.raises(Ignore) as caught:
        Record.parse(raw, NETWORK)
    assert caught.value.code == code


def test_a_bad_signature_condemns_the_bytes_alone() -> None:
    """REC-2, REC-6: a forged copy of a record does not stand in the way of the record."""
    assert digest("record", decode(FORGED)[0]) == Record.parse(GOOD_RAW, NETWORK).id
    with pytest.raises(Reject):
        Record.parse(FORGED, NETWORK)
    assert Record.parse(GOOD_RAW, NETWORK)
    assert Record.parse(FORGED, NETWORK, verified=True)  # what `verified` skips, and all that it skips


FORGED = unsigned(GOOD_RAW, _set(1, bytes(64)))


def test_verified_skips_the_signature_alone() -> None:
    """REC-1: bytes of our own process meet every other check."""
    for _, code, raw in BAD:
        signature = code == "REC-6" and b"body" not in raw
        try:
            Record.parse(raw, NETWORK, verified=True)
        except ProtocolError as error:
            assert error.code == code  # noqa: PT017
        else:
            assert signature


def test_network_id() -> None:
    """REC-5: name and salt cannot run into each other."""
    assert network_id("ab", b"c") != network_id("a", b"bc")
    assert digest("network", b"\0\4test\1" + bytes(16)) == NETWORK


def test_sender_composes_texts() -> None:
    """REC-17: a text is signed in NFC, keys and nested texts too; a receiver does not ask."""
    body = {"e\u0301": ["o\u0308", {"x": "n\u0303"}]}
    record = Record.sign(ANNA, NETWORK, "talk.7", COOP, body, created=CREATED, expires=CREATED + 1)
    assert record.body == {"\u00e9": ["\u00f6", {"x": "\u00f1"}]}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "ballot"}, "REC-7"),
        ({"scope": "board/a"}, "REC-7"),
        ({"slot": None}, "REC-8"),
        ({"refs": tuple(bytes([n]) * 32 for n in range(17))}, "REC-9"),
        ({"expires": CREATED}, "REC-10"),
        ({"body": {}}, "REC-11"),
        ({"body": BALLOT | {"remark": None}}, "ENC-1"),
    ],
)
def test_a_sender_cannot_sign_what_a_receiver_rejects(change: dict[str, Any], code: str) -> None:
    """REC-1."""
    given: dict[str, Any] = {"kind": "ballot.1", "scope": COOP, "body": BALLOT, "created": CREATED, "expires": EXPIRES}
    given |= {"slot": Slot("once", "ballot", 0)}
    with pytest.raises(Reject) as caught:
        Record.sign(ANNA, NETWORK, **(given | change))
    assert caught.value.code == code


@pytest.mark.parametrize(("name", "records", "expected"), SLOTS, ids=[case[0] for case in SLOTS])
def test_slots(name: str, records: list[Record], expected: list[str]) -> None:
    """REC-14: whatever the order of arrival, the slot comes to the same."""
    ids = {digest("roster", label): label.decode() for label in (b"x", b"y", b"z")}
    by_id = {record.id: record for record in records}
    found = []
    for one in stands(records):
        body: Mapping[str, Any] = by_id[one].body if isinstance(one, bytes) else {"label": one}
        found.append(str(body.get("label") or ids[body["roster"]]))
    assert found == expected
    results = {str(sorted(map(str, stands(list(order))))) for order in permutations(records)}
    assert len(results) == 1


@pytest.mark.parametrize(("name", "code", "one", "other"), FAULTS, ids=[case[0] for case in FAULTS])
def test_fault_proofs(name: str, code: str | None, one: bytes, other: bytes) -> None:
    """REC-15: whichever header comes first."""
    for first, second in ((one, other), (other, one)):
        try:
            proof = FaultProof.of(*(Header.parse(data, NETWORK) for data in (first, second)))
        except Reject as reject:
            assert reject.code == code  # noqa: PT017
        else:
            assert code is None
            assert proof.first.id < proof.second.id


def test_every_kind_can_prove_a_fault() -> None:
    """REC-15: two records of any `once` kind in one slot are a proof; of no other kind."""
    for name, kind in KINDS.items():
        slot = None if kind.mode == "none" else Slot(kind.mode, "x", 0)
        one, other = (
            Record.sign(
                ANNA,
                NETWORK,
                name,
                f"{kind.families[0]}/x",
                least(kind.body.shape),
                created=created,
                expires=EXPIRES,
                slot=slot,
            )
            for created in (CREATED, CREATED + 1)
        )
        if kind.mode == "once":
            assert FaultProof.of(one.header, other.header) == FaultProof.of(other.header, one.header)
        else:
            with pytest.raises(Reject):
                FaultProof.of(one.header, other.header)


@pytest.mark.parametrize(("name", "good", "raw", "now"), CLOCKS, ids=[case[0] for case in CLOCKS])
def test_clock(name: str, good: bool, raw: bytes, now: int) -> None:
    """REC-13."""
    header = Record.parse(raw, NETWORK).header
    if good:
        check_clock(header, now)
    else:
        with pytest.raises(Ignore) as caught:
            check_clock(header, now)
        assert caught.value.code == "REC-13"


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    """REC-1: whatever the bytes, the answer is a record, a Reject or an Ignore."""
    parts = [data, encode([data, data[:64].ljust(64), data]), encode([WIRE, SIGNATURE, data]), forged(data=data)]
    if len(data) <= HEADER_BYTES_MAX:
        parts.append(forged(wire=data))
    for raw in parts:
        for read in (Record.parse, Header.parse):
            with pytest.raises((Reject, Ignore)):
                read(raw, NETWORK)


@given(st.integers(0, len(GOOD_RAW) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(at: int, change: int) -> None:
    """REC-6: a record with any one byte changed is no record."""
    with pytest.raises(Reject):
        Record.parse(GOOD_RAW[:at] + bytes([GOOD_RAW[at] ^ change]) + GOOD_RAW[at + 1 :], NETWORK)


def _kind_and_body(name: str) -> st.SearchStrategy[tuple[str, Value]]:
    return st.tuples(st.just(name), fitting(KINDS[name].body.shape))


@given(
    st.sampled_from(sorted(KINDS)).flatmap(_kind_and_body),
    st.sets(st.binary(min_size=32, max_size=32), max_size=16),
    st.integers(0, 2**52),
    st.integers(1, LIFE_MS_MAX),
    st.integers(0, 2**53 - 1),
)
def test_round_trip(what: tuple[str, Mapping[str, Any]], refs: set[bytes], created: int, life: int, seq: int) -> None:
    """REC-1: what `sign` makes, `parse` reads, for every kind."""
    name, body = what
    kind = KINDS[name]
    slot = None if kind.mode == "none" else Slot(kind.mode, "x/1", seq if kind.mode == "latest" else 0)
    scope = f"{kind.families[0]}/x"
    record = Record.sign(
        ANNA, NETWORK, name, scope, body, created=created, expires=created + life, slot=slot, refs=tuple(refs)
    )
    assert Record.parse(record.raw, NETWORK) == record
    assert (record.header.slot, record.header.refs, record.author) == (slot, tuple(sorted(refs)), ANNA.key)
    assert len(record.header.proof()) <= PROOF_BYTES_MAX


def changed(data: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    """`data` with some bytes exchanged, added and taken away."""
    for place, put, gone in changes:
        at = place % (len(data) + 1)
        data = data[:at] + put + data[at + gone :]
    return data


CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=3), st.integers(0, 3)), max_size=2)


@given(
    st.sampled_from(sorted(KINDS)).flatmap(lambda name: st.tuples(st.just(name), fitting(KINDS[name].body.shape))),
    CHANGES,
)
def test_a_body_is_what_the_strict_decoder_says(case: tuple[str, Value], changes: list[tuple[int, bytes, int]]) -> None:
    """REC-11: a body that is read once, by its rule alone, meets the same verdict as one that is decoded first."""
    kind, body = case
    data = changed(encode(body), changes)
    known = KINDS[kind]
    slot = [] if known.mode == "none" else [known.mode, "slot", 0]
    raw = forged(data=data, kind=kind, scope=f"{known.families[0]}/a", slot=slot, refs=[])
    assert verdict(lambda: Record.parse(raw, NETWORK).body) == verdict(lambda: judged(kind, data))


def judged(kind: str, data: bytes) -> Value:
    """A body by the clauses in their order: decoded, and only then looked at."""
    value = decode(data, RECORD_BYTES_MAX)
    KINDS[kind].body(value, "body")
    return value


def verdict(read: Callable[[], Value]) -> str:
    """What is read, as text in which true is not 1, or the code of the error."""
    try:
        return repr(written(read()))
    except ProtocolError as error:
        return error.code


@given(CHANGES)
def test_a_header_that_breaks_the_encoding_says_so(changes: list[tuple[int, bytes, int]]) -> None:
    """REC-4: whatever is wrong with a header's encoding is said first; and a header that is taken has one encoding."""
    wire = changed(WIRE, changes)
    said, strict = verdict(lambda: Record.parse(forged(wire=wire), NETWORK).id), verdict(lambda: decode(wire, 2048, 32))
    assert said == strict if strict.startswith("ENC") else not said.startswith("ENC")
