"""The town of a demo: who lives there, what they like and spend, who sells, all from one seed or a file of choices.

Decides what persons and suppliers bring with them; never what they do, and never any key. Two runs with one seed have
the same town. Spec: 13-node, CLI-20.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from node import groups
from node.template import load
from protocol.coop.preference import Task
from protocol.coop.template import Attribute, Template, from_attributes, minor_digits
from protocol.errors import CommandError

REGION = "any"
TERMS = ("sd-base",)  # the data terms that every member asks for: used for this deal, for nothing else
EPOCH_MS, CUTOFF_MS = 480_000, 60_000  # before the network's speed divides them
LEAST, MOST = 8, 40
_FIRST = "Ada Bela Cleo Dov Elin Femi Gus Hana Ivo Jun Kaya Lior Mara Noor Oto Pia Quin Rosa Sami Tove".split()
_LAST = "Alder Birch Cedar Dale Elm Field Grove Heath Ives Lark Marsh Moor Oakes Pell Quill Reed Stone Thorn".split()
_LABELS = ("Brightwater", "Hilltop", "Old Mill", "Northlight", "Green Lane", "Harbour", "Longacre", "Sundial")
_UNITS = (5, 12)  # what a household takes a period where the file does not say
_HOUSEHOLD_UNITS = (20, 45)  # tens of kWh a month
_UNIT_PRICE_MINOR = (20, 1_000_000)
_TASKS, _ALTERNATIVES = 8, 4
_VALUES: Mapping[str, Sequence[float]] = {
    "price_pence_kwh": [20 + half / 2 for half in range(25)],
    "contract_years": [0, 1, 2, 5],
    "renewable_percent": [0, 20, 50, 80, 100],
    "local_supplier": [0, 1],
    "well_known": [0, 1],
}
_TASTES = (  # hidden: utility of one unit, in the order of _VALUES
    (-0.90, -0.20, 0.004, 0.2, 0.3),
    (-0.25, -0.10, 0.035, 1.3, 0.1),
)


@dataclass(frozen=True, slots=True)
class Person:
    """A member to be: id as in the file, choices made, units wanted a period, what a unit costs them today."""

    id: str
    tasks: tuple[Task, ...]
    want: int
    price_minor: int

    @property
    def spend_minor(self) -> int:
        """What they pay a period today."""
        return self.want * self.price_minor


@dataclass(frozen=True, slots=True)
class Seller:
    """A supplier to be: its label, the data terms it accepts, its price list as CSV."""

    label: str
    terms: tuple[str, ...]
    prices: str


@dataclass(frozen=True, slots=True)
class Town:
    """Everybody, and the category they buy in."""

    template: Template
    persons: tuple[Person, ...]
    sellers: tuple[Seller, ...]


def settle(seed: int, members: int, suppliers: int, choices: Path | None) -> Town:
    """The town of this seed. Raises CommandError PRF-10 or CLI-20 for a file that does not do."""
    rng = Random(seed)
    if choices is None:
        template, ids = load("electricity"), _names(rng, members)
        people = {one: tuple(_task(rng, template, _TASTES[rng.randrange(2)]) for _ in range(_TASKS)) for one in ids}
        price_minor, units = 285, _HOUSEHOLD_UNITS
    else:
        template, people = _from_file(choices, members)
        price_minor, units = _usual_price_minor(template, people), _UNITS
    least = min(LEAST, members)
    template = replace(template, epoch_ms=EPOCH_MS, cutoff_ms=CUTOFF_MS, least=least, most=max(MOST, least))
    persons = tuple(
        Person(one, tasks, rng.randint(*units), round(price_minor * rng.uniform(0.98, 1.14)))
        for one, tasks in people.items()
    )
    capacity = 2 * sum(person.want for person in persons)
    sellers = tuple(
        # Whoever comes last does not accept the members' terms, and is refused for it (NEG-23).
        Seller(label, TERMS if number < suppliers - 1 else (), _prices(rng, template, people, price_minor, capacity))
        for number, label in enumerate(_labels(suppliers))
    )
    return Town(template, persons, sellers)


def to_toml(template: Template) -> str:
    """The template as the file that node.template reads."""
    rows = template.to_mapping()
    tables = {name: rows.pop(name) for name in ("attributes", "charges") if rows[name]}
    lines = [f"{name} = {json.dumps(value)}" for name, value in rows.items()]
    for table, parts in tables.items():
        for part in parts:
            lines += ["", f"[[{table}]]", *(f"{name} = {json.dumps(value)}" for name, value in part.items())]
    return "\n".join(lines) + "\n"


def _from_file(path: Path, members: int) -> tuple[Template, dict[str, tuple[Task, ...]]]:
    found = groups.load_choices(path)
    if len(found.people) < members:
        raise CommandError("CLI-20", f"{path.name}: holds {len(found.people)} persons; give --members that or fewer")
    people = {one: found.people[one] for one in list(found.people)[:members]}
    return from_attributes(found.attributes), people


def _names(rng: Random, count: int) -> list[str]:
    everyone = [f"{first} {last}" for first in _FIRST for last in _LAST]
    return rng.sample(everyone, count)


def _labels(count: int) -> list[str]:
    return [
        _LABELS[number % len(_LABELS)] + (f" {number // len(_LABELS) + 1}" * (number >= len(_LABELS)))
        for number in range(count)
    ]


def _task(rng: Random, template: Template, taste: Sequence[float]) -> Task:
    """One choice by a logit: a utility plus Gumbel noise."""
    columns = [_VALUES[one.name] for one in template.attributes]
    rows = tuple(tuple(float(rng.choice(values)) for values in columns) for _ in range(_ALTERNATIVES))
    utilities = [
        sum(weight * value for weight, value in zip(taste, row, strict=True)) - math.log(-math.log(rng.random()))
        for row in rows
    ]
    return Task(rows, utilities.index(max(utilities)))


def _usual_price_minor(template: Template, people: Mapping[str, Sequence[Task]]) -> int:
    """What a unit costs in the file on the average, where it states a price at all."""
    place = next((place for place, one in enumerate(template.attributes) if one.price_minor), None)
    if place is None:
        return 1_000
    prices = [row[place] for tasks in people.values() for task in tasks for row in task.rows if row[place] > 0]
    usual = sum(prices) / len(prices) * template.attributes[place].price_minor if prices else 1_000.0
    return round(min(max(usual, _UNIT_PRICE_MINOR[0]), _UNIT_PRICE_MINOR[1]))


def _prices(
    rng: Random, template: Template, people: Mapping[str, Sequence[Task]], price_minor: int, capacity: int
) -> str:
    """A price list of two articles, each with what some alternative of somebody's choices comes with, below what is
    paid today."""
    columns = ["sku", "min_qty", "unit_price", "capacity", *(one.name for one in template.compared)]
    lines = [",".join(columns)]
    rows = [row for tasks in people.values() for task in tasks for row in task.rows]
    for sku in ("basic", "plus"):
        row = dict(zip((one.name for one in template.attributes), rng.choice(rows), strict=True))
        values = [_cell(one, row[one.name]) for one in template.compared]
        first = price_minor * rng.uniform(0.80, 0.92)
        for minimum, share in ((1, 1.0), (max(2, capacity // 8), 0.97), (max(3, capacity // 4), 0.94)):
            digits = minor_digits(template.currency)
            price = f"{round(first * share) / 10**digits:.{digits}f}"
            lines.append(",".join([sku, str(minimum), price, str(capacity), *values]))
    return "\n".join(lines) + "\n"


def _cell(attribute: Attribute, value: float) -> str:
    scaled = min(max(round(value * attribute.scale), attribute.least), attribute.most)
    digits = len(str(attribute.scale)) - 1
    return f"{scaled / attribute.scale:.{digits}f}"
