"""A supplier's business case, by hand and by enumeration."""

from __future__ import annotations

import ast
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.case import FILE, Case, break_even_size, check, keep, line, load, table
from protocol.errors import CommandError

# £60 to win a customer, 285 pence a unit of 10 kWh that costs 250, 30 units a month for 12 months, £500 for a deal.
POWER = Case(6_000, 285, 250, 30, 12, 50_000)
CASES = st.builds(
    Case,
    st.integers(0, 20_000),
    st.integers(1, 2_000),
    st.integers(0, 2_000),
    st.integers(1, 50),
    st.integers(1, 60),
    st.integers(0, 200_000),
    st.sampled_from([0.0, 1.0, 5.0, 50.0, 100.0]),
)


def test_by_hand() -> None:
    """SUP-40: 360 units at a margin of 35 bring 12,600, less 6,000 to win the customer; at 270 a margin of 20."""
    assert POWER.units == 360
    assert POWER.today_minor == 6_600
    found = line(POWER, 100, 270)
    assert (found.saved_minor, found.profit_minor, found.today_minor) == (550_000, 670_000, 660_000)
    assert found.even_price_minor == 270  # 250 + (660,000 + 50,000) / 36,000 = 269.7
    assert break_even_size(POWER, 270) == 84  # each brings 600 more than today: 50,000 / 600
    assert break_even_size(POWER, 265) is None  # each brings 1,200 less than today
    assert break_even_size(Case(6_000, 285, 250, 30, 12), 270) == 1
    assert [one.size for one in table(POWER, 270)][:3] == [1, 5, 10]


def test_customers_who_leave() -> None:
    """SUP-40: 10 % a month, three months: 1 + 0.9 + 0.81."""
    assert Case(0, 2, 1, 1, 3, 0, 10).units == pytest.approx(2.71)
    assert Case(0, 2, 1, 1, 3, 0, 100).units == 1


@given(CASES, st.integers(0, 2_500))
def test_the_break_even_size_is_where_it_turns(case: Case, price: int) -> None:
    """SUP-40: at it a deal brings no less than one by one, one customer fewer does."""
    size = break_even_size(case, price)
    gain = (price - case.price_minor) * case.units + case.acquisition_minor
    if size is None:
        assert gain <= 1e-6
        return
    assert size * gain - case.fixed_minor >= -1e-3
    assert size == 1 or (size - 1) * gain - case.fixed_minor < 1e-3


@given(CASES, st.integers(1, 500))
def test_the_even_price_is_the_least_that_does(case: Case, size: int) -> None:
    """SUP-40"""
    price = line(case, size, 0).even_price_minor
    assert line(case, size, price).profit_minor >= line(case, size, price).today_minor - 1
    if price:
        assert line(case, size, price - 1).profit_minor <= line(case, size, price).today_minor + 1


@pytest.mark.parametrize(
    "case",
    [
        Case(-1, 1, 1, 1, 1), Case(1, 1, 1, 0, 1), Case(1, 1, 1, 1, 0), Case(1, 1, 1, 1, 1201),
        Case(1, 1, 1, 1, 1, 0, 101), Case(1, 1, 1, 1, 1, 0, float("nan")), Case(10**13, 1, 1, 1, 1),
    ],
)  # fmt: skip
def test_what_makes_no_sense(case: Case) -> None:
    """SUP-40"""
    with pytest.raises(CommandError):
        check(case)


def test_it_stays_in_a_file_of_the_home(tmp_path: Path) -> None:
    """SUP-40: for its owner alone; and nothing that speaks to anybody imports it."""
    assert load(tmp_path) == {}
    keep(tmp_path, check(POWER))
    assert Case(**load(tmp_path)) == POWER
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    (tmp_path / FILE).write_text("[]")
    with pytest.raises(CommandError):
        load(tmp_path)
    root = Path(__file__).resolve().parents[1]
    users = []
    for path in [*(root / "node").rglob("*.py"), *(root / "protocol").rglob("*.py")]:
        for one in ast.walk(ast.parse(path.read_text())):
            if not isinstance(one, ast.ImportFrom):
                continue
            if "node.case" in [one.module, *(f"{one.module}.{name.name}" for name in one.names)]:
                users.append(path.relative_to(root).as_posix())
    assert users == ["node/cli/business.py"]
