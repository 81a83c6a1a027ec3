"""How the node's values read to people: amounts, times, ids, and what they type back.

Decides words only; the same for the CLI and the page. Spec: 13-node, CLI-6.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from protocol.coop.template import minor_digits
from protocol.coop.template import money as money
from protocol.errors import CommandError
from protocol.params import DAY_MS, INTEGER_MAX

SHORT = 8  # hex digits of an id that are shown; a unique beginning is enough to name it
_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}
_SPAN = re.compile(r"\+(\d{1,6})([smhdw])")
_DATES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")


def now_ms() -> int:
    """Unix time in ms."""
    return time.time_ns() // 1_000_000


def short(name: str) -> str:
    """The part of an id that people read and type."""
    return name[:SHORT]


def moment(instant_ms: int) -> str:
    """A time on the clock of this machine: "2026-11-21 14:05"."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(instant_ms / 1000))


def span(length_ms: int) -> str:
    """A duration in its largest unit: "3 days", "90 seconds"."""
    for name, unit_ms in (("day", DAY_MS), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000)):
        if length_ms >= 2 * unit_ms or name == "second":
            count = length_ms // unit_ms
            return f"{count} {name}" + ("s" if count != 1 else "")
    raise AssertionError


def brief(length_ms: int) -> str:
    """A duration for a table: "3d", "90s"."""
    count, name = span(max(0, length_ms)).split()
    return count + name[0]


def size(count: int) -> str:
    """Bytes for a table: "512 B", "1.4 MB"."""
    if count < 1000:
        return f"{count} B"
    for name in ("kB", "MB", "GB"):
        count, rest = divmod(count, 1000)
        if count < 1000:
            return f"{count}.{rest // 100} {name}" if count < 10 else f"{count} {name}"
    return f"{count} GB"


def until(instant_ms: int, now: int) -> str:
    """How long is left: "in 3 hours (2026-11-21 14:05)"."""
    if instant_ms <= now:
        return f"over since {moment(instant_ms)}"
    return f"in {span(instant_ms - now)} ({moment(instant_ms)})"


def counted(count: int, one: str, more: str = "") -> str:
    """A number and what it counts: "1 member", "3 members"."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def amount(text: str, currency: str) -> int:
    """Minor units of an amount as typed: "35", "35.50", "GBP 35.50". Raises CommandError CLI-6."""
    digits = minor_digits(currency)
    plain = text.strip().removeprefix(currency).strip().replace(",", "")
    try:
        value = Decimal(plain).scaleb(digits)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value != value.to_integral_value() or not 0 <= value <= INTEGER_MAX:
        example = "35" + ("." + "5".ljust(digits, "0") if digits else "")
        raise CommandError("CLI-6", f"{text[:40]!r} is no amount in {currency}; write it like {example}")
    return int(value)


def instant(text: str, now: int) -> int:
    """Unix ms of a time as typed: "+14d", "2026-12-31" or "2026-12-31T18:00". Raises CommandError CLI-6."""
    if match := _SPAN.fullmatch(text):
        return now + int(match[1]) * _UNITS_MS[match[2]]
    for form in _DATES:
        try:
            return int(time.mktime(time.strptime(text, form))) * 1000
        except (ValueError, OverflowError):
            continue
    raise CommandError("CLI-6", f"{text[:40]!r} is no time; write it like 2026-12-31, 2026-12-31T18:00 or +14d")


def one_of(typed: str, names: Sequence[str], what: str) -> str:
    """The only name that begins with `typed`; "-" is the only one there is. Raises CommandError CLI-7 with a list."""
    beginning = "" if typed == "-" else typed or "?"
    found = [name for name in names if name == typed] or [name for name in names if name.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    if not names:
        raise CommandError("CLI-7", f"{what} {typed[:64]!r}: there is none here yet")
    listed = ", ".join(short(name) for name in (found or names)[:8])
    why = "could be several" if found else "is none of them"
    raise CommandError("CLI-7", f"{what} {typed[:64]!r} {why}: {listed}")


def line(text: str) -> str:
    """Text of others on one line: what does not print, line breaks too, is shown as a code (CLI-5)."""
    plain = text.encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in plain)


def words(value: Any) -> str:
    """Any plain value on one line."""
    match value:
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{name} {words(item)}" for name, item in value.items())
        case list() | tuple():
            return ", ".join(words(item) for item in value)
    return line(str(value))
