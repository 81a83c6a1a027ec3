"""Shapes of record bodies: an allow-list, field by field.

Decides whether a decoded value has the shape its kind declares; never looks at state. Spec: 01-record, REC-11.
A rule is called with (value, path) and returns nothing or raises Reject "REC-11" naming the field; its `shape` is the
same rule as data, so that the table of kinds can be published with the spec and read by other languages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from protocol.errors import Reject
from protocol.params import INTEGER_MAX, TEXT_BYTES_MAX

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_SLUG = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be: `shape` as data (one of the forms listed under REC-11), `check` as code."""

    shape: tuple[Any, ...]
    check: Callable[[Any, str], None]

    def __call__(self, value: Any, path: str) -> None:
        self.check(value, path)


def _fail(path: str, want: str) -> Reject:
    return Reject("REC-11", f"{path}: must be {want}")


def integer(least: int = 0, most: int = INTEGER_MAX) -> Rule:
    """An integer in least..most."""

    def check(value: Any, path: str) -> None:
        if type(value) is not int or not least <= value <= most:
            raise _fail(path, f"an integer from {least} to {most}")

    return Rule(("integer", least, most), check)


def data(least: int, most: int | None = None) -> Rule:
    """Bytes, exactly `least` long or from `least` to `most`."""
    top = least if most is None else most

    def check(value: Any, path: str) -> None:
        if type(value) is not bytes or not least <= len(value) <= top:
            raise _fail(path, f"{least} bytes" if top == least else f"{least} to {top} bytes")

    return Rule(("bytes", least, top), check)


def text(most: int = TEXT_BYTES_MAX, least: int = 0) -> Rule:
    """A text of `least` to `most` UTF-8 bytes without control characters (below U+0020, U+007F) but the line feed."""

    def check(value: Any, path: str) -> None:
        if type(value) is not str or not least <= len(value.encode()) <= most:
            raise _fail(path, f"a text of {least} to {most} bytes")
        if _CONTROL.search(value):
            raise _fail(path, "a text without control characters")

    return Rule(("text", least, most), check)


def slug(most: int = 32) -> Rule:
    """A name of 1 to `most` lower-case ASCII letters, digits, '-' and '_'."""

    def check(value: Any, path: str) -> None:
        if type(value) is not str or len(value) > most or not _SLUG.fullmatch(value):
            raise _fail(path, f"a name of 1 to {most} characters a-z, 0-9, '-' or '_'")

    return Rule(("name", 1, most), check)


def one_of(*codes: str) -> Rule:
    """One of these codes."""

    def check(value: Any, path: str) -> None:
        if type(value) is not str or value not in codes:
            raise _fail(path, "one of " + ", ".join(code or "the empty text" for code in codes))

    return Rule(("code", *codes), check)


def array(item: Rule, most: int, least: int = 0) -> Rule:
    """An array of `least` to `most` items."""
    check_item = item.check

    def check(value: Any, path: str) -> None:
        if type(value) is not list or not least <= len(value) <= most:
            raise _fail(path, f"an array of {least} to {most} items")
        for number, one in enumerate(value):
            check_item(one, f"{path}[{number}]")

    return Rule(("array", least, most, item.shape), check)


def pair(first: Rule, second: Rule) -> Rule:
    """An array of exactly these two."""

    def check(value: Any, path: str) -> None:
        if type(value) is not list or len(value) != 2:
            raise _fail(path, "an array of two items")
        first(value[0], f"{path}[0]")
        second(value[1], f"{path}[1]")

    return Rule(("pair", first.shape, second.shape), check)


def ascending(item: Rule, most: int, least: int = 0) -> Rule:
    """An array whose items strictly ascend (bytes and texts by bytes): a set with one spelling."""
    check_array = array(item, most, least).check

    def check(value: Any, path: str) -> None:
        check_array(value, path)
        if any(a >= b for a, b in pairwise(value)):
            raise _fail(path, "in strictly ascending order")

    return Rule(("set", least, most, item.shape), check)


def table(key: Rule, item: Rule, most: int) -> Rule:
    """A map from any key that passes `key` to `item`, at most `most` entries."""
    check_key, check_item = key.check, item.check

    def check(value: Any, path: str) -> None:
        if type(value) is not dict or len(value) > most:
            raise _fail(path, f"a map of at most {most} items")
        for name, one in value.items():
            check_key(name, f"{path} key")
            check_item(one, f"{path}.{name}")

    return Rule(("table", 0, most, key.shape, item.shape), check)


def fields(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    """A map with exactly the required fields, and any of the optional ones."""
    extra = dict(optional or {})
    checks = {name: rule.check for name, rule in (dict(required) | extra).items()}

    def check(value: Any, path: str) -> None:
        if type(value) is not dict:
            raise _fail(path, "a map")
        for name in required:
            if name not in value:
                raise Reject("REC-11", f"{path}.{name}: is missing")
        for name, one in value.items():
            if name not in checks:
                raise Reject("REC-11", f"{path}: {name[:40]!r} is not a field of this kind")
            checks[name](one, f"{path}.{name}")

    def shapes(rules: Mapping[str, Rule]) -> dict[str, tuple[Any, ...]]:
        return {name: rules[name].shape for name in sorted(rules)}

    return Rule(("fields", shapes(required), shapes(extra)), check)
