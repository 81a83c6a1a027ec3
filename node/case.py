"""A supplier's business case: what it saves to win many customers at once, and from where on that pays.

Decides numbers from numbers, in minor units; knows no node, and what it is told stays in a file of the supplier's home.
Spec: 16-supplier, SUP-40.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from protocol.errors import CommandError

FILE = "business-case.json"
SIZES = (1, 5, 10, 20, 50, 100, 200, 500, 1000)
_BYTES_MAX = 4096
_SIZE_MAX = 10**7


@dataclass(frozen=True, slots=True)
class Case:
    """What the supplier knows of itself. Money in minor units; quantities in counted units a customer and period.

    acquisition: what a customer costs to win today, one by one; price: of a unit today; cost: of a unit; fixed: what a
    deal costs whatever its size; churn_percent: of the customers left, how many leave in each period.
    """

    acquisition_minor: int
    price_minor: int
    cost_minor: int
    quantity: int
    periods: int
    fixed_minor: int = 0
    churn_percent: float = 0.0

    @property
    def units(self) -> float:
        """Counted units that one customer is expected to take before leaving."""
        stay = 1 - self.churn_percent / 100
        whole = self.periods if stay == 1 else (1 - stay**self.periods) / (1 - stay)
        return self.quantity * whole

    @property
    def today_minor(self) -> float:
        """What a customer brings who was won one by one at today's price."""
        return (self.price_minor - self.cost_minor) * self.units - self.acquisition_minor


@dataclass(frozen=True, slots=True)
class Line:
    """A deal of `size` customers at a price: acquisition saved, profit, the same one by one, where both meet."""

    size: int
    saved_minor: int
    profit_minor: int
    today_minor: int
    even_price_minor: int


def check(case: Case) -> Case:
    """The same, if it makes sense; raises CommandError SUP-40."""
    for one in fields(case):
        value = getattr(case, one.name)
        if not math.isfinite(value) or value < 0 or value > 10**12:
            raise CommandError("SUP-40", f"{one.name}: must be 0 or more")
    if case.quantity < 1 or not 1 <= case.periods <= 1200 or case.churn_percent > 100:
        raise CommandError("SUP-40", "quantity and periods: at least 1; churn_percent: at most 100")
    return case


def line(case: Case, size: int, price_minor: int) -> Line:
    """One size at one price, money rounded to minor units; the even price upward."""
    profit = size * (price_minor - case.cost_minor) * case.units - case.fixed_minor
    today = size * case.today_minor
    even = case.cost_minor + (today + case.fixed_minor) / (size * case.units)
    saved = size * case.acquisition_minor - case.fixed_minor
    return Line(size, saved, round(profit), round(today), max(0, math.ceil(even - 1e-9)))


def break_even_size(case: Case, price_minor: int) -> int | None:
    """The least number of customers from which a deal at this price brings no less than they would one by one; None
    when no number does."""
    gain = (price_minor - case.price_minor) * case.units + case.acquisition_minor  # a customer, against today
    if gain <= 0:
        return None if case.fixed_minor or gain < 0 else 1
    size = max(1, math.ceil(case.fixed_minor / gain - 1e-9))
    return size if size <= _SIZE_MAX else None


def table(case: Case, price_minor: int, sizes: Sequence[int] = SIZES) -> tuple[Line, ...]:
    """The same for many sizes."""
    return tuple(line(case, size, price_minor) for size in sizes)


def load(home: Path) -> dict[str, Any]:
    """What was kept, {} where nothing was; raises CommandError SUP-40 for a damaged file."""
    path = home / FILE
    try:
        with path.open("rb") as file:
            kept = json.loads(file.read(_BYTES_MAX))
        return {one.name: kept[one.name] for one in fields(Case) if type(kept.get(one.name)) in (int, float)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError):
        raise CommandError("SUP-40", f"{path}: cannot be read; remove it, and say the numbers again") from None


def keep(home: Path, case: Case) -> None:
    """Beside the keys, for their owner alone."""
    fresh = home / (FILE + ".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(case)))
    fresh.replace(home / FILE)
