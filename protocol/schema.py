"""Shapes of record bodies: an allow-list, field by field.

Decides whether a decoded value has the shape its kind declares; never looks at state. Spec: 01-record, REC-11.
A rule is a function (value, path) that returns nothing or raises Reject "REC-11" naming the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from protocol.errors import Reject
from protocol.params import INTEGER_MAX, TEXT_BYTES_MAX

Rule = Callable[[Any, str], None]


def _fail(path: str, want: str) -> Reject:
    return Reject("REC-11", f"{path}: must be {want}")


def integer(least: int = 0, most: int = INTEGER_MAX) -> Rule:
    """An integer in least..most."""

    def check(value: Any, path: str) -> None:
        if type(value) is not int or not least <= value <= most:
            raise _fail(path, f"an integer from {least} to {most}")

    return check


def data(least: int, most: int | None = None) -> Rule:
    """Bytes, exactly `least` long or from `least` to `most`."""
    top = least if most is None else most

    def check(value: Any, path: str) -> None:
        if type(value) is not bytes or not least <= len(value) <= top:
            raise _fail(path, f"{least} bytes" if top == least else f"{least} to {top} bytes")

    return check


def text(most: int = TEXT_BYTES_MAX, least: int = 0) -> Rule:
    """A text of `least` to `most` UTF-8 bytes without control characters other than a line feed."""

    def check(value: Any, path: str) -> None:
        if type(value) is not str or not least <= len(value.encode()) <= most:
            raise _fail(path, f"a text of {least} to {most} bytes")
        if any((ord(letter) < 32 and letter != "\n") or ord(letter) == 127 for letter in value):
            raise _fail(path, "a text without control characters")

    return check


def slug(most: int = 32) -> Rule:
    """A name of lower-case ASCII letters, digits, '-' and '_'."""

    def check(value: Any, path: str) -> None:
        good = type(value) is str and 1 <= len(value) <= most and value.isascii()
        if not good or any(not (letter.islower() or letter.isdigit() or letter in "-_") for letter in value):
            raise _fail(path, f"a name of 1 to {most} characters a-z, 0-9, '-' or '_'")

    return check


def one_of(*codes: str) -> Rule:
    """One of these codes."""

    def check(value: Any, path: str) -> None:
        if type(value) is not str or value not in codes:
            raise _fail(path, "one of " + ", ".join(codes))

    return check


def array(item: Rule, most: int, least: int = 0) -> Rule:
    """An array of `least` to `most` items."""

    def check(value: Any, path: str) -> None:
        if type(value) is not list or not least <= len(value) <= most:
            raise _fail(path, f"an array of {least} to {most} items")
        for number, one in enumerate(value):
            item(one, f"{path}[{number}]")

    return check


def ascending(item: Rule, most: int, least: int = 0) -> Rule:
    """An array whose items strictly ascend: a set with one spelling."""
    inner = array(item, most, least)

    def check(value: Any, path: str) -> None:
        inner(value, path)
        if any(a >= b for a, b in pairwise(value)):
            raise _fail(path, "in strictly ascending order")

    return check


def table(key: Rule, item: Rule, most: int) -> Rule:
    """A map from any key that passes `key` to `item`, at most `most` entries."""

    def check(value: Any, path: str) -> None:
        if type(value) is not dict or len(value) > most:
            raise _fail(path, f"a map of at most {most} items")
        for name, one in value.items():
            key(name, f"{path} key")
            item(one, f"{path}.{name}")

    return check


def fields(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    """A map with exactly the required fields, and any of the optional ones."""
    extra = dict(optional or {})
    rules = dict(required) | extra

    def check(value: Any, path: str) -> None:
        if type(value) is not dict:
            raise _fail(path, "a map")
        for name in required:
            if name not in value:
                raise Reject("REC-11", f"{path}.{name}: is missing")
        for name, one in value.items():
            rule = rules.get(name)
            if rule is None:
                raise Reject("REC-11", f"{path}.{name[:40]}: is not a field of this kind")
            rule(one, f"{path}.{name}")

    return check
