"""Quiet hours: which times of day a text names, and when the quiet that reigns ends.

Decides by the clock of this machine. Spec: 14-store, CFG-5.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_RANGE = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def quiet_range(text: str) -> tuple[int, int]:
    """Minutes since midnight of "23:00-07:00", which crosses it. Raises ValueError."""
    match = _RANGE.fullmatch(text.strip())
    if match is None or match.group(1, 2) == match.group(3, 4):
        raise ValueError("times of day such as 23:00-07:00")
    start, end = ((int(match[at]) * 60 + int(match[at + 1])) for at in (1, 3))
    return start, end


def quiet_until(ranges: tuple[tuple[int, int], ...], now: int) -> int:
    """When the quiet that now reigns ends (Unix ms), local time; 0 when none does. Ranges that meet are one.

    At most a day ahead: ranges that cover all of it leave a node that never wakes but for what is due.
    """
    at = begun = datetime.fromtimestamp(now / 1000)
    for _ in ranges:
        for start, end in ranges:
            minute = at.hour * 60 + at.minute
            if start <= minute < end or (start > end and not end <= minute < start):
                days = 1 if start > end and minute >= start else 0
                midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
                at = midnight + timedelta(days=days, minutes=end)
    at = min(at, begun + timedelta(days=1))
    return int(at.timestamp() * 1000) if at > begun else 0
