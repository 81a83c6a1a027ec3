"""JSON ↔ commands: every value of a command comes out of a request with its type, or the field is named.

Decides the shape of what was asked; never its sense, which is the engine's. Bytes are lowercase hex, or a `did:key`
where they are a persona. Spec: 13-node, API-8.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from protocol.errors import CommandError, Reject
from protocol.identity import key_of
from protocol.params import INTEGER_MAX

C = TypeVar("C")
CODE = "API-8"


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body, {} for an empty one. Raises CommandError API-8."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body, object_pairs_hook=_pairs, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise CommandError(CODE, f"body: not JSON ({str(error)[:80]})") from None
    if not isinstance(value, dict):
        raise CommandError(CODE, "body: must be a JSON object")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands there twice")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def shape(command: type[Any]) -> Mapping[str, tuple[Any, bool]]:
    """Field name -> (type, required) of a command."""
    hints = get_type_hints(command)
    return {
        field.name: (hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(command)
    }


def command(kind: type[C], values: Mapping[str, Any]) -> C:
    """The command `kind` with these JSON values. Raises CommandError API-8 naming the field."""
    known = shape(kind)
    for name in values:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise CommandError(CODE, f"{name[:40]}: unknown field (known here: {listed})")
    for name, (_, required) in known.items():
        if required and name not in values:
            raise CommandError(CODE, f"{name}: is missing")
    return kind(**{name: read(known[name][0], value, name) for name, value in values.items()})


def queried(kind: type[Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """The values of a query: where a number is wanted, its digits are one."""
    known = shape(kind)
    numbers = {name: int(text) for name, text in texts.items() if text.isascii() and text.isdigit() and len(text) < 17}
    wanted = [name for name in numbers if known.get(name, (str,))[0] is int]
    return dict(texts) | {name: numbers[name] for name in wanted}


def read(kind: Any, value: Any, field: str) -> Any:
    """The JSON `value` as type `kind`, one of those that commands use. Raises CommandError API-8 naming `field`."""
    origin, parts = get_origin(kind), get_args(kind)
    if NoneType in parts:
        return None if value is None else read(parts[0], value, field)
    if origin is tuple and parts[-1] is not ...:
        items = _items(value, field)
        if len(items) != len(parts):
            raise CommandError(CODE, f"{field}: must hold exactly {len(parts)} values")
        pairs = enumerate(zip(parts, items, strict=True))
        return tuple(read(part, item, f"{field}[{place}]") for place, (part, item) in pairs)
    if origin is tuple:
        return tuple(read(parts[0], item, f"{field}[{place}]") for place, item in enumerate(_items(value, field)))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise CommandError(CODE, f"{field}: must be an object")
        return {_text(name, field): read(parts[1], item, f"{field}.{name[:40]}") for name, item in value.items()}
    if parts:  # str | int
        return _SCALARS[str](value, field) if isinstance(value, str) else _SCALARS[int](value, field)
    return _SCALARS[kind](value, field)


def _items(value: Any, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise CommandError(CODE, f"{field}: must be an array")
    return value


def _boolean(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise CommandError(CODE, f"{field}: must be true or false")
    return value


def _integer(value: Any, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > INTEGER_MAX:
        raise CommandError(CODE, f"{field}: must be an integer within ±(2^53 - 1)")
    return value


def _number(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CommandError(CODE, f"{field}: must be a number")
    return float(value)


def _text(value: Any, field: str) -> str:
    try:
        if isinstance(value, str):
            value.encode()
            return value
    except UnicodeEncodeError:
        pass
    raise CommandError(CODE, f"{field}: must be a text in Unicode")


def _bytes(value: Any, field: str) -> bytes:
    try:
        if isinstance(value, str):
            return key_of(value) if value.startswith("did:") else bytes.fromhex(_hex(value))
    except (ValueError, Reject):
        pass
    raise CommandError(CODE, f"{field}: must be bytes in lowercase hex, or a did:key")


def _hex(value: str) -> str:
    if value.strip("0123456789abcdef"):  # fromhex would also take spaces and capitals
        raise ValueError
    return value


_SCALARS: Mapping[Any, Any] = {bool: _boolean, int: _integer, float: _number, str: _text, bytes: _bytes}


def plain(value: Any) -> Any:
    """A result as JSON can hold it: bytes as hex, tuples as arrays."""
    match value:
        case bytes():
            return value.hex()
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case str():
            return value
        case Sequence():
            return [plain(item) for item in value]
    return value


def schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema of what `read` takes for `kind`."""
    origin, parts = get_origin(kind), get_args(kind)
    if NoneType in parts:
        return {"anyOf": [schema(parts[0]), {"type": "null"}]}
    if origin is tuple and parts[-1] is not ...:
        exact = {"minItems": len(parts), "maxItems": len(parts)}
        return {"type": "array", "prefixItems": [schema(part) for part in parts], **exact}
    if origin is tuple:
        return {"type": "array", "items": schema(parts[0])}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema(parts[1])}
    if parts:
        return {"anyOf": [schema(part) for part in parts]}
    return dict(_SCHEMAS[kind])


_SCHEMAS: Mapping[Any, Mapping[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": -INTEGER_MAX, "maximum": INTEGER_MAX},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "pattern": "^([0-9a-f]{2})*$|^did:key:z"},
}
