"""Shapes of record bodies: an allow-list, field by field.

Decides whether a decoded value has the shape its kind declares; never looks at state. Spec: 01-record, REC-11.
A rule is called with (value, path) and returns nothing or raises Reject "REC-11" naming the field; its `shape` is the
same rule as data, so that the table of kinds can be published with the spec and read by other languages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from protocol.errors import Reject
from protocol.params import DEPTH_MAX, INTEGER_MAX, TEXT_BYTES_MAX

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_SLUG = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be: `shape` as data (one of the forms listed under REC-11), `check` as code.

    `check` is for values fresh from the wire: it demands the keys of each map in order too, so that what passes has
    passed ENC-1 to ENC-3, ENC-5 and ENC-6. It names a fault by its path below the value, and whoever called it puts
    its own path in front: nobody spells out the path of a value that is right.
    """

    shape: tuple[Any, ...]
    check: Callable[[Any], None]

    def __call__(self, value: Any, path: str) -> None:
        """Raises Reject REC-11 unless `value` fits, whatever the order of its keys."""
        try:
            self.check(_in_order(value, DEPTH_MAX))
        except Reject as fault:
            raise _below(path, fault) from None


def _in_order(value: Any, depth: int) -> Any:
    """`value` with its maps in key order, as deep as any shape goes."""
    if depth and type(value) is dict and all(type(key) is str for key in value):
        return {key: _in_order(value[key], depth - 1) for key in sorted(value)}
    return [_in_order(item, depth - 1) for item in value] if depth and type(value) is list else value


def _fail(want: str) -> Reject:
    return Reject("REC-11", f": must be {want}")


def _below(path: str, fault: Reject) -> Reject:
    return Reject(fault.code, path + fault.message)


def integer(least: int = 0, most: int = INTEGER_MAX) -> Rule:
    """An integer in least..most."""

    def check(value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise _fail(f"an integer from {least} to {most}")

    return Rule(("integer", least, most), check)


def data(least: int, most: int | None = None) -> Rule:
    """Bytes, exactly `least` long or from `least` to `most`."""
    top = least if most is None else most

    def check(value: Any) -> None:
        if type(value) is not bytes or not least <= len(value) <= top:
            raise _fail(f"{least} bytes" if top == least else f"{least} to {top} bytes")

    return Rule(("bytes", least, top), check)


def text(most: int = TEXT_BYTES_MAX, least: int = 0) -> Rule:
    """A text of `least` to `most` UTF-8 bytes without control characters (below U+0020, U+007F) but the line feed."""

    def check(value: Any) -> None:
        if type(value) is not str or not least <= len(value.encode()) <= most:
            raise _fail(f"a text of {least} to {most} bytes")
        if _CONTROL.search(value):
            raise _fail("a text without control characters")

    return Rule(("text", least, most), check)


def slug(most: int = 32) -> Rule:
    """A name of 1 to `most` lower-case ASCII letters, digits, '-' and '_'."""

    def check(value: Any) -> None:
        if type(value) is not str or len(value) > most or not _SLUG.fullmatch(value):
            raise _fail(f"a name of 1 to {most} characters a-z, 0-9, '-' or '_'")

    return Rule(("name", 1, most), check)


def one_of(*codes: str) -> Rule:
    """One of these codes."""

    def check(value: Any) -> None:
        if type(value) is not str or value not in codes:
            raise _fail("one of " + ", ".join(code or "the empty text" for code in codes))

    return Rule(("code", *codes), check)


def array(item: Rule, most: int, least: int = 0) -> Rule:
    """An array of `least` to `most` items."""
    check_item = item.check

    def check(value: Any) -> None:
        if type(value) is not list or not least <= len(value) <= most:
            raise _fail(f"an array of {least} to {most} items")
        for number, one in enumerate(value):
            try:
                check_item(one)
            except Reject as fault:
                raise _below(f"[{number}]", fault) from None

    return Rule(("array", least, most, item.shape), check)


def pair(first: Rule, second: Rule) -> Rule:
    """An array of exactly these two."""

    def check(value: Any) -> None:
        if type(value) is not list or len(value) != 2:
            raise _fail("an array of two items")
        for number, rule in enumerate((first, second)):
            try:
                rule.check(value[number])
            except Reject as fault:
                raise _below(f"[{number}]", fault) from None

    return Rule(("pair", first.shape, second.shape), check)


def ascending(item: Rule, most: int, least: int = 0) -> Rule:
    """An array whose items strictly ascend (bytes and texts by bytes): a set with one spelling."""
    check_array = array(item, most, least).check

    def check(value: Any) -> None:
        check_array(value)
        if any(a >= b for a, b in pairwise(value)):
            raise _fail("in strictly ascending order")

    return Rule(("set", least, most, item.shape), check)


def table(key: Rule, item: Rule, most: int) -> Rule:
    """A map from any key that passes `key` to `item`, at most `most` entries."""
    check_key, check_item = key.check, item.check

    def check(value: Any) -> None:
        if type(value) is not dict or len(value) > most:
            raise _fail(f"a map of at most {most} items")
        path = ""
        try:
            for name, one in value.items():
                path = " key"
                check_key(name)
                path = f".{name}"
                check_item(one)
        except Reject as fault:
            raise _below(path, fault) from None
        if list(value) != sorted(value):  # ENC-3
            raise _fail("in ascending order of its keys")

    return Rule(("table", 0, most, key.shape, item.shape), check)


def fields(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    """A map with exactly the required fields, and any of the optional ones."""
    extra = dict(optional or {})
    checks = {name: rule.check for name, rule in (dict(required) | extra).items()}
    chosen = (some for count in range(len(extra) + 1) for some in combinations(extra, count))
    spellings = frozenset(tuple(sorted([*required, *some])) for some in chosen)  # the keys of every good map, in order

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise _fail("a map")
        if tuple(value) not in spellings:
            raise _misnamed(value, required, checks)
        name = ""
        try:
            for name, one in value.items():
                checks[name](one)
        except Reject as fault:
            raise _below(f".{name}", fault) from None

    def shapes(rules: Mapping[str, Rule]) -> dict[str, tuple[Any, ...]]:
        return {name: rules[name].shape for name in sorted(rules)}

    return Rule(("fields", shapes(required), shapes(extra)), check)


def _misnamed(value: Mapping[Any, Any], required: Iterable[str], known: Collection[str]) -> Reject:
    """What is wrong with the keys of a map."""
    for name in required:
        if name not in value:
            return Reject("REC-11", f".{name}: is missing")
    for name in value:
        if name not in known:
            return Reject("REC-11", f": {name[:40]!r} is not a field of this kind")
    return _fail("in ascending order of its keys")  # ENC-3
