"""Canonical MessagePack: one value, one sequence of bytes.

Decides which bytes are a value at all; never what a value means. Spec: 01-record, ENC-1 to ENC-9.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import msgpack

from protocol.errors import Reject
from protocol.params import ARRAY_ITEMS_MAX, DEPTH_MAX, INTEGER_MAX, MAP_ITEMS_MAX, VALUE_BYTES_MAX

Value = Any  # dict[str, Value] | list[Value] | str | bytes | bool | int

_LEAVES = frozenset((str, bytes, bool))
_pack = msgpack.Packer(use_bin_type=True).pack  # one for all threads: it runs no Python code, so nobody comes between


def encode(value: Value, bytes_max: int = VALUE_BYTES_MAX, map_max: int = MAP_ITEMS_MAX) -> bytes:
    """The only encoding of `value`; tuples count as arrays. Raises Reject (ENC-1 to ENC-7) for what has none."""
    try:
        _check(value, DEPTH_MAX, map_max)
        data: bytes = _pack(_ordered(value))
    except UnicodeEncodeError:
        raise Reject("ENC-7", "a text holds a lone surrogate and cannot be UTF-8") from None
    if len(data) > bytes_max:
        raise Reject("ENC-6", f"value: {len(data)} bytes, at most {bytes_max}")
    return data


def decode(
    data: bytes,
    bytes_max: int = VALUE_BYTES_MAX,
    items_max: int = ARRAY_ITEMS_MAX,
    map_max: int = MAP_ITEMS_MAX,
) -> Value:
    """The value whose canonical encoding is exactly `data`, arrays as lists; raises Reject (ENC-1 to ENC-8)."""
    if len(data) > bytes_max:
        raise Reject("ENC-6", f"value: {len(data)} bytes, at most {bytes_max}")
    value = skim(data, items_max, map_max)
    return value if value is not None and _is_value(value, DEPTH_MAX) else _judge(data, items_max, map_max)


def skim(data: bytes, items_max: int = ARRAY_ITEMS_MAX, map_max: int = MAP_ITEMS_MAX) -> Any:
    """What `data` says if it says it in the shortest form and nothing twice, else None; the rest is not looked at.

    For a parser that checks every type, bound, depth and order of keys itself, and so reads the value only once. Where
    it finds a fault, `decode` has the first word: ENC clauses come before all others.
    """
    try:
        value = msgpack.unpackb(data, max_array_len=items_max, max_map_len=map_max)
        return value if _pack(value) == data else None
    except ValueError:  # whatever msgpack has against the bytes
        return None


def _is_value(value: Value, depth: int) -> bool:
    """Whether every type and bound is right, `depth` levels down, and the keys of each map ascend."""
    kind = type(value)
    if kind is dict:
        keys = list(value)
        if any(type(key) is not str for key in keys) or keys != sorted(keys):
            return False
        inside = value.values()
    elif kind is list:
        inside = value
    else:
        return kind in _LEAVES or (kind is int and -INTEGER_MAX <= value <= INTEGER_MAX)
    return depth > 0 and all(type(item) in _LEAVES or _is_value(item, depth - 1) for item in inside)


def _judge(data: bytes, items_max: int, map_max: int) -> Value:
    """`decode` at a slower pace, which names what is wrong."""
    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=False,
            object_pairs_hook=_pairs,
            max_array_len=items_max,
            max_map_len=map_max,
        )
    except Reject:
        raise
    except msgpack.ExtraData:
        raise Reject("ENC-8", "bytes follow the value") from None
    except UnicodeDecodeError:
        raise Reject("ENC-7", "a text is not UTF-8") from None
    except msgpack.StackError:
        raise Reject("ENC-5", f"nested deeper than {DEPTH_MAX}") from None
    except ValueError as error:  # msgpack reports truncation, limits and reserved bytes as ValueError
        code = "ENC-6" if "exceeds" in str(error) else "ENC-8"
        raise Reject(code, "too many items" if code == "ENC-6" else "the bytes are cut short or malformed") from None
    _check(value, DEPTH_MAX, map_max)
    if _pack(value) != data:
        raise Reject("ENC-4", "an integer or a length is not in its shortest form")
    return value


def digest(purpose: str, data: bytes) -> bytes:
    """BLAKE2b-256 of `data` with the personalisation "wltm." + purpose (ENC-9); purpose is at most 11 ASCII bytes."""
    state = _state(purpose).copy()
    state.update(data)
    return state.digest()


def digest_of(purpose: str, value: Value) -> bytes:
    """`digest` of the canonical encoding of `value`."""
    return digest(purpose, encode(value))


@lru_cache(maxsize=64)
def _state(purpose: str) -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=32, person=b"wltm." + purpose.encode("ascii"))


def _pairs(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    last: str | None = None
    for key, _ in pairs:
        if type(key) is not str:
            raise Reject("ENC-3", "a map key is not a text")
        # Code point order is UTF-8 byte order, so Python's comparison serves.
        if last is not None and key <= last:
            raise Reject("ENC-3", f"map key {key[:40]!r}: keys must ascend in UTF-8 byte order and be different")
        last = key
    return dict(pairs)


def _check(value: Value, depth: int, map_max: int) -> None:
    """Every type and bound of a value, `depth` levels down (ENC-1, 2, 3, 5, 6)."""
    kind = type(value)
    if kind is str or kind is bytes or kind is bool:
        return
    if kind is int:
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise Reject("ENC-2", "an integer is beyond 2^53-1")
    elif kind is list or kind is tuple or kind is dict:
        if depth == 0:
            raise Reject("ENC-5", f"nested deeper than {DEPTH_MAX}")
        if kind is dict:
            if len(value) > map_max:
                raise Reject("ENC-6", f"a map of {len(value)} items, at most {map_max}")
            if any(type(key) is not str for key in value):
                raise Reject("ENC-3", "a map key is not a text")
            value = value.values()
        for item in value:
            _check(item, depth - 1, map_max)
    else:
        name = "nil" if value is None else kind.__name__
        raise Reject("ENC-1", f"a value of type {name}: only map, array, text, bytes, boolean and integer exist")


def _ordered(value: Value) -> Value:
    """`value` with its maps in key order; code point order is UTF-8 byte order."""
    if type(value) is dict:
        return {key: _ordered(value[key]) for key in sorted(value)}
    if type(value) is list or type(value) is tuple:
        return [_ordered(item) for item in value]
    return value
