"""Canonical encoding: each value has one, each sequence of bytes is at most one (01-record, ENC-1 to ENC-9)."""

import hashlib
import json
import time
import tracemalloc
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.encoding import decode, digest, digest_of, encode
from protocol.errors import Reject
from protocol.params import DEPTH_MAX, INTEGER_MAX, VALUE_BYTES_MAX
from tests.notation import read, written

# name, clause, value, hex of its encoding
GOOD: list[tuple[str, str, Any, str]] = [
    (
        "the example on msgpack's home page",
        "ENC-1",
        {"compact": True, "schema": 0},
        "82a7636f6d70616374c3a6736368656d6100",
    ),
    ("false", "ENC-1", False, "c2"),
    ("true", "ENC-1", True, "c3"),
    ("zero", "ENC-2", 0, "00"),
    ("largest of one byte", "ENC-4", 127, "7f"),
    ("first of uint 8", "ENC-4", 128, "cc80"),
    ("last of uint 8", "ENC-4", 255, "ccff"),
    ("first of uint 16", "ENC-4", 256, "cd0100"),
    ("last of uint 16", "ENC-4", 65535, "cdffff"),
    ("first of uint 32", "ENC-4", 65536, "ce00010000"),
    ("last of uint 32", "ENC-4", 2**32 - 1, "ceffffffff"),
    ("first of uint 64", "ENC-4", 2**32, "cf0000000100000000"),
    ("largest integer", "ENC-2", 2**53 - 1, "cf001fffffffffffff"),
    ("minus one", "ENC-4", -1, "ff"),
    ("least of one byte", "ENC-4", -32, "e0"),
    ("first of int 8", "ENC-4", -33, "d0df"),
    ("last of int 8", "ENC-4", -128, "d080"),
    ("first of int 16", "ENC-4", -129, "d1ff7f"),
    ("last of int 16", "ENC-4", -32768, "d18000"),
    ("first of int 32", "ENC-4", -32769, "d2ffff7fff"),
    ("last of int 32", "ENC-4", -(2**31), "d280000000"),
    ("first of int 64", "ENC-4", -(2**31) - 1, "d3ffffffff7fffffff"),
    ("least integer", "ENC-2", -(2**53) + 1, "d3ffe0000000000001"),
    ("empty text", "ENC-4", "", "a0"),
    ("text of 31 bytes", "ENC-4", "a" * 31, "bf" + "61" * 31),
    ("text of 32 bytes", "ENC-4", "a" * 32, "d920" + "61" * 32),
    ("text of 256 bytes", "ENC-4", "a" * 256, "da0100" + "61" * 256),
    (
        "text in other scripts",
        "ENC-7",
        "Ünïcode 合作社 \U0001f955",
        "b8c39c6ec3af636f646520e59088e4bd9ce7a4be20f09fa595",
    ),
    ("a text that is not in NFC", "ENC-7", "e\u0301", "a365cc81"),
    ("empty bytes", "ENC-4", b"", "c400"),
    ("bytes of 256", "ENC-4", bytes(256), "c50100" + "00" * 256),
    ("empty array", "ENC-4", [], "90"),
    ("array of 15", "ENC-4", [1] * 15, "9f" + "01" * 15),
    ("array of 16", "ENC-4", [1] * 16, "dc0010" + "01" * 16),
    ("array of 4096", "ENC-6", [0] * 4096, "dc1000" + "00" * 4096),
    ("empty map", "ENC-4", {}, "80"),
    (
        "map of 16",
        "ENC-4",
        {chr(97 + i): i for i in range(16)},
        "de0010" + "".join(f"a1{97 + i:02x}{i:02x}" for i in range(16)),
    ),
    (
        "map of 256",
        "ENC-6",
        {f"{i:03}": 0 for i in range(256)},
        "de0100" + "".join("a3" + f"{i:03}".encode().hex() + "00" for i in range(256)),
    ),
    ("keys by their bytes, not by length", "ENC-3", {"": 0, "a": 1, "aa": 2, "b": 3}, "84a000a16101a2616102a16203"),
    ("keys by UTF-8, not by UTF-16", "ENC-3", {"\uff5e": 1, "\U0001f955": 2}, "82a3efbd9e01a4f09fa59502"),
    ("nested to the limit", "ENC-5", [[[[[[[[[[[[7]]]]]]]]]]]], "91" * 12 + "07"),
    ("true and one are two values", "ENC-1", [True, 1, False, 0], "94c301c200"),
]

# name, clause, hex
BAD: list[tuple[str, str, str]] = [
    ("nil", "ENC-1", "c0"),
    ("float 32", "ENC-1", "ca3f800000"),
    ("float 64", "ENC-1", "cb3ff0000000000000"),
    ("float 64 that is not a number", "ENC-1", "cb7ff8000000000000"),
    ("extension of one byte", "ENC-1", "d40100"),
    ("extension with a length", "ENC-1", "c70005"),
    ("time stamp extension", "ENC-1", "d6ff00000000"),
    ("nil in a map", "ENC-1", "81a161c0"),
    ("nil in an array", "ENC-1", "91c0"),
    ("unused byte", "ENC-8", "c1"),
    ("2^53", "ENC-2", "cf0020000000000000"),
    ("-(2^53)", "ENC-2", "d3ffe0000000000000"),
    ("2^64-1", "ENC-2", "cfffffffffffffffff"),
    ("key that is an integer", "ENC-3", "810101"),
    ("key that is bytes", "ENC-3", "81c4016101"),
    ("key that is an array", "ENC-3", "819001"),
    ("key twice", "ENC-3", "82a16101a16102"),
    ("keys descending", "ENC-3", "82a16201a16101"),
    ("keys by length", "ENC-3", "82a16201a2616101"),
    ("keys by UTF-16", "ENC-3", "82a4f09fa59502a3efbd9e01"),
    ("keys descending, deeper", "ENC-3", "9181a16182a16201a16101"),
    ("zero as uint 8", "ENC-4", "cc00"),
    ("zero as int 8", "ENC-4", "d000"),
    ("127 as uint 8", "ENC-4", "cc7f"),
    ("127 as int 8", "ENC-4", "d07f"),
    ("128 as int 16", "ENC-4", "d10080"),
    ("255 as uint 16", "ENC-4", "cd00ff"),
    ("65535 as uint 32", "ENC-4", "ce0000ffff"),
    ("65536 as int 32", "ENC-4", "d200010000"),
    ("2^32-1 as uint 64", "ENC-4", "cf00000000ffffffff"),
    ("2^32 as int 64", "ENC-4", "d30000000100000000"),
    ("-1 as int 8", "ENC-4", "d0ff"),
    ("-32 as int 8", "ENC-4", "d0e0"),
    ("-33 as int 16", "ENC-4", "d1ffdf"),
    ("-129 as int 32", "ENC-4", "d2ffffff7f"),
    ("-32769 as int 64", "ENC-4", "d3ffffffffffff7fff"),
    ("text of 1 as str 8", "ENC-4", "d90161"),
    ("text of 32 as str 16", "ENC-4", "da0020" + "61" * 32),
    ("text of 0 as str 32", "ENC-4", "db00000000"),
    ("bytes of 1 as bin 16", "ENC-4", "c5000100"),
    ("bytes of 1 as bin 32", "ENC-4", "c60000000100"),
    ("array of 1 as array 16", "ENC-4", "dc000101"),
    ("array of 0 as array 32", "ENC-4", "dd00000000"),
    ("map of 0 as map 16", "ENC-4", "de0000"),
    ("map of 1 as map 32", "ENC-4", "df00000001a16101"),
    ("long form in a nested key", "ENC-4", "9181d9016101"),
    ("thirteen arrays", "ENC-5", "91" * 12 + "90"),
    ("thirteen maps", "ENC-5", "81a161" * 12 + "80"),
    ("two thousand arrays", "ENC-5", "91" * 2000 + "00"),
    ("array of 4097", "ENC-6", "dc1001" + "00" * 4097),
    ("map of 257", "ENC-6", "de0101" + "".join("a3" + f"{i:03}".encode().hex() + "00" for i in range(257))),
    ("array that claims 2^32-1", "ENC-6", "ddffffffff"),
    ("map that claims 2^32-1", "ENC-6", "dfffffffff"),
    ("text cut inside a letter", "ENC-7", "a1c3"),
    ("lone surrogate", "ENC-7", "a3eda080"),
    ("overlong letter", "ENC-7", "a2c0af"),
    ("letter above U+10FFFF", "ENC-7", "a4f4908080"),
    ("key that is not UTF-8", "ENC-7", "81a1ff00"),
    ("nothing", "ENC-8", ""),
    ("integer cut short", "ENC-8", "cd01"),
    ("text cut short", "ENC-8", "a261"),
    ("text that claims 2^32-1", "ENC-8", "dbffffffff61"),
    ("bytes that claim 2^32-1", "ENC-8", "c6ffffffff00"),
    ("array cut short", "ENC-8", "9201"),
    ("map without its last value", "ENC-8", "81a161"),
    ("two values", "ENC-8", "0101"),
    ("a line feed after the value", "ENC-8", "800a"),
]

# purpose (None: no personalisation, published values), data, digest
DIGESTS: list[tuple[str | None, bytes, str]] = [
    (None, b"", "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"),
    (None, b"abc", "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"),
    ("record", b"", ""),
    ("body", b"", ""),
    ("body", b"\x80", ""),
    ("elevenbytes", bytes(range(256)), ""),
    ("record", b"a" * 127, ""),
    ("record", b"a" * 128, ""),
    ("record", b"a" * 129, ""),
]

values = st.recursive(
    st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def spelled(value: Any) -> str:
    """A value as text in which true is not 1."""
    return json.dumps(written(value), sort_keys=True)


def plain_digest(purpose: str | None, data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest() if purpose is None else digest(purpose, data).hex()


def vectors() -> dict[str, Any]:
    """spec/vectors/encoding.json."""
    cases: list[dict[str, Any]] = [
        {"name": name, "clause": clause, "input": {"value": written(value)}, "output": {"bytes": encode(value).hex()}}
        for name, clause, value, _ in GOOD
    ]
    cases += [{"name": name, "clause": code, "input": {"bytes": data}, "reject": code} for name, code, data in BAD]
    cases += [
        {
            "name": f"digest {purpose} of {len(data)} bytes",
            "clause": "ENC-9",
            "input": {"purpose": purpose, "data": data.hex()},
            "output": {"digest": plain_digest(purpose, data)},
        }
        for purpose, data, _ in DIGESTS
    ]
    return {"name": "encoding", "spec": "01-record", "cases": cases}


@pytest.mark.parametrize(("name", "clause", "value", "data"), GOOD, ids=[case[0] for case in GOOD])
def test_good(name: str, clause: str, value: Any, data: str) -> None:
    assert encode(value).hex() == data
    decoded = decode(bytes.fromhex(data))
    assert spelled(decoded) == spelled(value)
    assert read(written(value)) == value


@pytest.mark.parametrize(("name", "code", "data"), BAD, ids=[case[0] for case in BAD])
def test_bad(name: str, code: str, data: str) -> None:
    with pytest.raises(Reject) as caught:
        decode(bytes.fromhex(data))
    assert caught.value.code == code


@pytest.mark.parametrize(("purpose", "data", "expected"), DIGESTS)
def test_digest(purpose: str | None, data: bytes, expected: str) -> None:
    """ENC-9: against the published BLAKE2b-256 of "" and "abc", and different for each purpose."""
    if expected:
        assert plain_digest(purpose, data) == expected
    if purpose:
        assert digest(purpose, data) != digest("other", data)
        assert digest_of(purpose, data) == digest(purpose, encode(data))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "ENC-1"),
        (1.0, "ENC-1"),
        ({1, 2}, "ENC-1"),
        (bytearray(b"a"), "ENC-1"),
        (2**53, "ENC-2"),
        (-(2**53), "ENC-2"),
        ({1: 2}, "ENC-3"),
        ([[[[[[[[[[[[[]]]]]]]]]]]]], "ENC-5"),
        ({str(i): 0 for i in range(257)}, "ENC-6"),
        (bytes(VALUE_BYTES_MAX), "ENC-6"),
        ("\ud800", "ENC-7"),
        ({"\ud800": 1}, "ENC-7"),
    ],
)
def test_what_has_no_encoding(value: Any, code: str) -> None:
    with pytest.raises(Reject) as caught:
        encode(value)
    assert caught.value.code == code


def test_longest_value() -> None:
    """ENC-6: 1,048,576 bytes and not one more."""
    longest = encode(bytes(VALUE_BYTES_MAX - 5))
    assert len(longest) == VALUE_BYTES_MAX
    assert len(decode(longest)) == VALUE_BYTES_MAX - 5
    with pytest.raises(Reject) as caught:
        decode(longest + b"\0")
    assert caught.value.code == "ENC-6"


@given(values)
def test_round_trip(value: Any) -> None:
    """Decoding what was encoded gives the value; map order does not reach the bytes."""
    data = encode(value)
    assert decode(data) == value
    assert encode(decode(data)) == data
    if type(value) is dict:
        assert encode(dict(reversed(value.items()))) == data


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a value or a Reject; and whatever is a value has these bytes as its only encoding."""
    with suppress(Reject):
        assert encode(decode(data)) == data


@given(values, st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_is_another_value(value: Any, at: int, byte: int) -> None:
    """ENC-4: two different byte strings never decode to equal values."""
    data = bytearray(encode(value))
    data[at % len(data)] = byte
    try:
        other = decode(bytes(data))
    except Reject:
        return
    assert (spelled(other) == spelled(value)) == (bytes(data) == encode(value))


class Malformed(Exception):
    """What the reference below says of bytes that are no value."""


class Reference:
    """A second reader, byte by byte after the table of 01-record, that shares nothing with the first but the spec."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def whole(self) -> Any:
        value = self.value(12)
        if self.at != len(self.data):
            raise Malformed
        return value

    def take(self, size: int) -> bytes:
        self.at += size
        if self.at > len(self.data):
            raise Malformed
        return self.data[self.at - size : self.at]

    def number(self, size: int, least: int, signed: bool = False) -> int:
        number = int.from_bytes(self.take(size), "big", signed=signed)
        if (number > least) if signed else (number < least):
            raise Malformed
        return number

    def value(self, depth: int) -> Any:
        first = self.take(1)[0]
        match first:
            case _ if first < 0x80:
                return first
            case _ if first >= 0xE0:
                return first - 256
            case 0xC2 | 0xC3:
                return first == 0xC3
            case 0xCC | 0xCD | 0xCE | 0xCF:
                return self.integer(self.number(1 << first - 0xCC, (128, 1 << 8, 1 << 16, 1 << 32)[first - 0xCC]))
            case 0xD0 | 0xD1 | 0xD2 | 0xD3:
                most = (-33, -(1 << 7) - 1, -(1 << 15) - 1, -(1 << 31) - 1)[first - 0xD0]
                return self.integer(self.number(1 << first - 0xD0, most, signed=True))
            case _ if 0xA0 <= first <= 0xBF or 0xD9 <= first <= 0xDB:
                size = (
                    first & 31 if first <= 0xBF else self.number(1 << first - 0xD9, (32, 1 << 8, 1 << 16)[first - 0xD9])
                )
                try:
                    return self.take(size).decode()
                except UnicodeDecodeError:
                    raise Malformed from None
            case 0xC4 | 0xC5 | 0xC6:
                return self.take(self.number(1 << first - 0xC4, (0, 1 << 8, 1 << 16)[first - 0xC4]))
            case _ if 0x90 <= first <= 0x9F or first in (0xDC, 0xDD):
                size = first & 15 if first <= 0x9F else self.number(2 << first - 0xDC, (16, 1 << 16)[first - 0xDC])
                return self.inside(size, 4096, depth, list)
            case _ if 0x80 <= first <= 0x8F or first in (0xDE, 0xDF):
                size = first & 15 if first <= 0x8F else self.number(2 << first - 0xDE, (16, 1 << 16)[first - 0xDE])
                return self.inside(size, 256, depth, dict)
        raise Malformed

    def integer(self, number: int) -> int:
        if abs(number) >= 1 << 53:
            raise Malformed
        return number

    def inside(self, size: int, most: int, depth: int, kind: type) -> Any:
        if size > most or depth == 0:
            raise Malformed
        if kind is list:
            return [self.value(depth - 1) for _ in range(size)]
        found: dict[str, Any] = {}
        for _ in range(size):
            key = self.value(0)
            if type(key) is not str or (found and key.encode() <= next(reversed(found)).encode()):
                raise Malformed
            found[key] = self.value(depth - 1)
        return found


def both_read(data: bytes) -> None:
    """The reader and the reference say the same of `data`."""
    expected = actual = None
    with suppress(Malformed):
        expected = spelled(Reference(data).whole())
    with suppress(Reject):
        actual = spelled(decode(data))
    assert actual == expected


@pytest.mark.parametrize("data", [data for *_, data in (*GOOD, *BAD)])
def test_the_reference_reads_the_cases(data: str) -> None:
    """ENC-1 to ENC-8, by two readers."""
    both_read(bytes.fromhex(data))


@given(values, st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=3), st.integers(0, 3)), max_size=3))
def test_two_readers_agree(value: Any, changes: list[tuple[int, bytes, int]]) -> None:
    """ENC-1 to ENC-8: on encodings, and on encodings with some bytes exchanged, added and taken away."""
    data = encode(value)
    for place, put, gone in changes:
        at = place % (len(data) + 1)
        data = data[:at] + put + data[at + gone :]
    both_read(data)


@given(values)
def test_msgpack_reads_it(value: Any) -> None:
    """ENC-1: the encoding is plain MessagePack, which a lenient reader reads."""
    assert msgpack.unpackb(encode(value), strict_map_key=False) == decode(encode(value))


def _claims(levels: int) -> bytes:
    return b"\xdc\x10\x00" * levels


@pytest.mark.parametrize(
    "data",
    [
        _claims(1000),
        _claims(20_000),
        b"\xdc\x10\x00" + (b"\xdc\x10\x00" + b"\x90" * 4096) * 40,
        (b"\xdc\x10\x00" + b"\x80" * 4096) * 3,
        b"\x81\xa0" * 50_000,
        b"\xdf\xff\xff\xff\xff" * 1000,
        b"\xc6\x7f\xff\xff\xff",
        b"\x91" * VALUE_BYTES_MAX,
        b"\xc1" * VALUE_BYTES_MAX,
    ],
    ids=["claims", "more claims", "many arrays", "maps", "deep maps", "huge maps", "huge bytes", "deep", "reserved"],
)
def test_bombs(data: bytes) -> None:
    """ENC-5, ENC-6: memory and time follow the bytes that came, not the sizes they claim."""
    tracemalloc.start()
    try:
        before = time.process_time()
        with pytest.raises(Reject):
            decode(data)
        seconds = time.process_time() - before
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 * 2**20 + 100 * len(data)  # the claims of 1,024 arrays, then what really came
    assert seconds < 5
    assert DEPTH_MAX == 12
