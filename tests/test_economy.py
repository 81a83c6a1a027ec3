"""Quiet hours and what a day may cost. Spec: 14-store, CFG-5 and CFG-6."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config import load
from node.economy import Economy
from node.quiet import quiet_range, quiet_until
from protocol.encoding import encode
from protocol.errors import CommandError
from protocol.events import Circumstances

MIB = 1 << 20


def at(text: str, day: int = 10) -> int:
    """Unix ms of a time of day in June, on the clock of this machine."""
    hours, minutes = map(int, text.split(":"))
    return int(datetime(2026, 6, day, hours, minutes).timestamp() * 1000)


@pytest.mark.parametrize(
    ("ranges", "now", "until"),
    [
        (["23:00-07:00"], at("22:59"), 0),
        (["23:00-07:00"], at("23:00"), at("07:00", 11)),
        (["23:00-07:00"], at("00:00"), at("07:00")),
        (["23:00-07:00"], at("06:59"), at("07:00")),
        (["23:00-07:00"], at("07:00"), 0),
        (["12:00-13:30"], at("12:00"), at("13:30")),
        (["12:00-13:30"], at("13:30"), 0),
        (["12:00-13:30", "23:00-07:00"], at("13:00"), at("13:30")),
        (["12:00-13:00", "13:00-14:00"], at("12:30"), at("14:00")),
        (["22:00-00:00", "00:00-06:00"], at("22:30"), at("06:00", 11)),
        ([], at("03:00"), 0),
    ],
)
def test_the_quiet_that_reigns_has_an_end(ranges: list[str], now: int, until: int) -> None:
    """CFG-5"""
    assert quiet_until(tuple(map(quiet_range, ranges)), now) == until


@given(st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1439)).filter(lambda one: one[0] != one[1]), max_size=4))
def test_quiet_ends_after_it_reigns_whatever_the_ranges(ranges: list[tuple[int, int]]) -> None:
    """CFG-5"""
    for hour in range(0, 24, 3):
        now = at(f"{hour}:17")
        until = quiet_until(tuple(ranges), now)
        assert until == 0 or now < until <= now + 25 * 3_600_000


@pytest.mark.parametrize("text", ["23-7", "23:00", "24:00-07:00", "23:60-07:00", "07:00-07:00", "", "x", "23:00-7:00"])
def test_what_is_no_range_is_refused(text: str) -> None:
    """CFG-3, CFG-5"""
    with pytest.raises(ValueError, match="such as 23:00-07:00"):
        quiet_range(text)


def test_settings_name_what_is_wrong(tmp_path: object) -> None:
    """CFG-3, CFG-5"""
    found = load(flags={"mesh.quiet_hours": "23:00-07:00, 12:00-13:00", "mesh.day_mib": "200"}, environment={})
    assert found.mesh.quiet_hours == ("23:00-07:00", "12:00-13:00")
    assert found.mesh.day_mib == 200
    for bad in ({"mesh.quiet_hours": "late"}, {"mesh.day_mib": "-1"}, {"mesh.delay_ms": "601000"}):
        with pytest.raises(CommandError) as caught:
            load(flags=bad, environment={})
        assert caught.value.code == "CFG-3"


def test_a_day_is_counted_across_restarts_until_midnight() -> None:
    """CFG-6: of the mesh process, which begins again at nothing, and of the node."""
    economy = Economy(day_mib=10)
    assert economy.look(3 * MIB, at("10:00")) == Circumstances(0, False)
    assert economy.told()["says"] == ""
    economy.look(7 * MIB, at("11:00"))
    economy.look(MIB, at("12:00"))  # a new process
    assert economy.told()["today"] == 8 * MIB
    assert "Beyond it" in economy.told()["says"], "at 80 %"
    assert economy.look(None, at("12:01")) == Circumstances(0, False)
    kept = economy._fact()
    again = Economy(day_mib=10, kept=kept)
    assert again.look(2 * MIB, at("13:00")) == Circumstances(0, True)
    assert "Until midnight" in again.told()["says"]
    assert again.look(3 * MIB, at("00:01", 11)) == Circumstances(0, False)
    assert again.told()["today"] == MIB
    assert Economy(day_mib=10, kept=kept).look(0, at("10:00", 12)) == Circumstances(0, False)


@pytest.mark.parametrize("kept", [b"", b"\xff", encode("x"), encode([1, 2]), encode(["2026-06-10"])])
def test_a_fact_that_is_none_counts_nothing(kept: bytes) -> None:
    """CFG-6"""
    assert Economy(day_mib=1, kept=kept).told()["today"] == 0


def test_without_settings_nothing_is_spared() -> None:
    """CFG-5, CFG-6"""
    assert Economy().look(1 << 50, at("03:00")) == Circumstances(0, False)
