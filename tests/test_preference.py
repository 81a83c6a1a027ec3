"""Preference: choices to weights and back, what is published of them, and that odd data do no harm."""

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from protocol.coop import preference
from protocol.coop.preference import (
    Task,
    fit,
    fit_pool,
    from_levels,
    in_words,
    levels,
    mean,
    read_tasks,
    spreads,
    unlikeness,
)
from protocol.errors import CommandError
from protocol.params import COORDINATE_MAX, TASKS_MAX

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "preference.json"
NAMES = ("price", "years", "local")
Question = tuple[list[dict[str, float]], int]


def household(seed: int, tasks: int = 9, taste: tuple[float, ...] = (-1.0, 0.3, 1.5)) -> tuple[Task, ...]:
    """A member who answers by a logit with this taste; prices in whole cents, years, and yes or no."""
    rng = Random(seed)
    found = []
    for _ in range(tasks):
        rows = tuple(
            (float(rng.randint(5, 9)), float(rng.choice((0, 1, 5))), float(rng.random() < 0.5)) for _ in "abcd"
        )
        utilities = [
            sum(w * x for w, x in zip(taste, row, strict=True)) - math.log(-math.log(rng.random())) for row in rows
        ]
        found.append(Task(rows, utilities.index(max(utilities))))
    return tuple(found)


def question(*rows: tuple[float, ...], chosen: int = 0) -> Question:
    return [dict(zip(NAMES, row, strict=False)) for row in rows], chosen


GOOD = question((7, 1, 0), (9, 0, 1))
BAD: list[tuple[str, list[Any]]] = [
    ("no tasks", []),
    ("too many tasks", [GOOD] * (TASKS_MAX + 1)),
    ("one alternative", [question((7, 1, 0))]),
    ("65 alternatives", [question(*[(7, 1, 0)] * 65)]),
    ("chosen beyond the last", [question((7, 1, 0), (9, 0, 1), chosen=2)]),
    ("chosen before the first", [question((7, 1, 0), (9, 0, 1), chosen=-1)]),
    ("chosen by truth", [(GOOD[0], True)]),
    ("an attribute missing", [question((7, 1), (9, 0, 1))]),
    ("an attribute too many", [([{"price": 7, "years": 1, "local": 0, "colour": 1}, *GOOD[0]], 0)]),
    ("text for a number", [([{"price": "7", "years": 1, "local": 0}, *GOOD[0]], 0)]),
    ("truth for a number", [([{"price": True, "years": 1, "local": 0}, *GOOD[0]], 0)]),
    ("beyond all bounds", [question((1.1e12, 1, 0), (9, 0, 1))]),
    ("infinity", [question((math.inf, 1, 0), (9, 0, 1))]),
    ("not a number", [question((math.nan, 1, 0), (9, 0, 1))]),
]


def plain(tasks: tuple[Task, ...]) -> list[dict[str, Any]]:
    return [{"rows": [list(row) for row in task.rows], "chosen": task.chosen} for task in tasks]


def short(values: tuple[float, ...]) -> list[float]:
    """As many digits as the vectors promise."""
    return [float(f"{value:.6g}") for value in values]


def fitted(name: str, tasks: tuple[Task, ...], prior: tuple[float, ...]) -> dict[str, Any]:
    weights, spread = fit(tasks, prior), spreads(tasks) if tasks else (1.0, 1.0, 1.0)
    level = levels(weights, prior, spread)
    return {
        "name": name,
        "clause": "PRF-3",
        "input": {"tasks": plain(tasks), "prior": list(prior)},
        "spread": short(spread),
        "output": {"weights": short(weights), "levels": list(level), "read": short(from_levels(level, prior, spread))},
    }


def vectors() -> dict[str, Any]:
    """spec/vectors/preference.json."""
    cheapest = tuple(Task(((5.0, float(n), 0.0), (6.0, 0.0, 1.0), (7.0, 5.0, 1.0)), 0) for n in range(3))
    one = (Task(((7.0, 1.0, 0.0), (9.0, 1.0, 1.0)), 1),)
    people = [household(seed, 5, (-1.0, 0.2, 2.0 * (seed % 2) - 1.0)) for seed in range(6)]
    pool = fit_pool(people)
    cases: list[dict[str, Any]] = [
        fitted("nine tasks", household(1), (0.0, 0.0, 0.0)),
        fitted("nine tasks, a prior", household(1), (-1.0, 0.5, 1.0)),
        fitted("one task, one attribute that never varies", one, (-0.5, 0.25, 0.0)),
        fitted("always the cheapest", cheapest, (0.0, 0.0, 0.0)),
        fitted("no tasks", (), (-1.0, 0.5, 1.0)),
        {
            "name": "a pool of six",
            "clause": "PRF-4",
            "input": [plain(tasks) for tasks in people],
            "output": {
                "mean": short(pool.mean),
                "weights": [short(weights) for weights in pool.weights],
                "coordinates": [list(row) for row in pool.coordinates],
            },
        },
    ]
    for weights in ((-2.0, 1.0, 0.1), (0.05, 0.05, 0.05), (1.0, -1.0, 1.0), (3.0, 1.0, -1.3)):
        case = {"weights": list(weights), "prior": [0.0, 0.0, 0.0], "spread": [1.0, 1.0, 1.0]}
        level = levels(weights, (0.0,) * 3, (1.0,) * 3)
        cases.append({"name": "levels", "clause": "PRF-5", "input": case, "output": list(level)})
    for name, tasks in BAD:
        given = [] if not tasks else [[rows, chosen] for rows, chosen in tasks[:2]]
        if len(tasks) <= 2 and "infinity" not in name and "not a" not in name:  # JSON has neither
            cases.append({"name": name, "clause": "PRF-1", "input": given, "reject": "PRF-1"})
    return {"name": "preference", "spec": "04-preference", "attributes": list(NAMES), "cases": cases}


def test_the_vectors_are_committed() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == json.loads(json.dumps(vectors()))


@pytest.mark.parametrize(("name", "tasks"), BAD, ids=[name for name, _ in BAD])
def test_what_no_user_may_send(name: str, tasks: list[Any]) -> None:
    """PRF-1."""
    with pytest.raises(CommandError) as caught:
        read_tasks(NAMES, tasks)
    assert caught.value.code == "PRF-1"


def test_tasks_follow_the_order_of_the_attributes() -> None:
    """PRF-1; negative control of the test above."""
    assert read_tasks(NAMES, [([{"local": 1, "price": 7, "years": 2}, GOOD[0][0]], 1)]) == (
        Task(((7.0, 2.0, 1.0), (7.0, 1.0, 0.0)), 1),
    )


def test_three_of_four_is_worth_the_logarithm_of_three() -> None:
    """PRF-3 against the closed form: without a prior, w = ln(3 / 1) when one of two is taken three times in four."""
    rows = ((1.0,), (0.0,))
    tasks = [Task(rows, 0), Task(rows, 0), Task(rows, 0), Task(rows, 1)]
    assert fit(tasks, (0.0,), precision=((0.0,),))[0] == pytest.approx(math.log(3), rel=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_newton_finds_what_another_optimiser_finds(seed: int) -> None:
    """PRF-2 and PRF-3 written down a second time and left to SciPy."""
    tasks, prior = household(seed), np.array([-0.5, 0.0, 0.5])
    rows = [np.array(task.rows) - np.mean(task.rows, axis=0) for task in tasks]
    scale = np.sqrt(np.mean(np.concatenate(rows) ** 2, axis=0))
    rows = [row / scale for row in rows]
    penalty = 2 * np.mean([row.T @ row / len(row) for row in rows], axis=0) + 1e-3 * np.eye(3)

    def loss(w: Any) -> float:
        away = w - prior * scale
        told = [row[task.chosen] @ w - np.log(np.exp(row @ w).sum()) for row, task in zip(rows, tasks, strict=True)]
        return float(away @ penalty @ away / 2 - sum(told))

    best = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9}).x / scale
    assert fit(tasks, tuple(prior)) == pytest.approx(tuple(best), abs=1e-5)
    assert spreads(tasks) == pytest.approx(tuple(scale), rel=1e-12)


@given(
    seed=st.integers(0, 10**6),
    factors=st.tuples(*[st.sampled_from([1e-6, 0.01, 1.0, 1000.0, 1e7])] * 3),
    offset=st.sampled_from([0.0, -5.0, 1e5]),
)
def test_units_and_offsets_do_not_matter(seed: int, factors: tuple[float, ...], offset: float) -> None:
    """PRF-3: cents or euros, Celsius or Kelvin."""
    tasks, prior = household(seed, 5), (-0.2, 0.0, 0.3)
    moved = [
        Task(
            tuple(tuple((x + offset) * f for x, f in zip(row, factors, strict=True)) for row in task.rows), task.chosen
        )
        for task in tasks
    ]
    scaled = fit(moved, [p / f for p, f in zip(prior, factors, strict=True)])
    assert [w * f for w, f in zip(scaled, factors, strict=True)] == pytest.approx(fit(tasks, prior), rel=1e-4, abs=1e-6)


@given(seed=st.integers(0, 10**6))
def test_the_order_of_tasks_and_alternatives_does_not_matter(seed: int) -> None:
    """PRF-3."""
    rng, turned = Random(seed), []
    for task in household(seed, 4):
        order = rng.sample(range(4), 4)
        turned.append(Task(tuple(task.rows[at] for at in order), order.index(task.chosen)))
    rng.shuffle(turned)
    assert fit(turned, (0.0,) * 3) == pytest.approx(fit(household(seed, 4), (0.0,) * 3), abs=1e-7)


def test_data_that_tell_little_leave_the_prior() -> None:
    """PRF-3: no tasks, a column that never varies, two columns that are the same, one task, a separable member."""
    prior = (-1.0, 0.5, 1.0)
    assert fit((), prior) == prior
    flat = [Task(tuple((row[0], 4.2, row[2]) for row in task.rows), task.chosen) for task in household(3)]
    assert spreads(flat)[1] == 0
    assert fit(flat, prior)[1] == pytest.approx(0.5)
    twins = [Task(tuple((row[0], row[0], row[2]) for row in task.rows), task.chosen) for task in household(3)]
    assert all(map(math.isfinite, fit(twins, prior)))
    assert fit(household(3, 1), prior) != prior
    cheapest = [Task(((5.0,), (6.0,), (7.0,)), 0)] * TASKS_MAX
    assert -20 < fit(cheapest, (0.0,))[0] < -1
    assert fit(household(3), prior, shrinkage=1e9) == pytest.approx(prior, abs=1e-5)


@given(data=st.data())
def test_any_tasks_give_finite_weights(data: st.DataObject) -> None:
    """PRF-3: whatever PRF-1 lets in, wild scales and ties included."""
    number = st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1.0, 1e12, -1e12, 1e-12])
    width = data.draw(st.integers(1, 4))
    row = st.tuples(*[number] * width)
    rows = data.draw(st.lists(st.lists(row, min_size=2, max_size=5), min_size=1, max_size=6))
    tasks = [Task(tuple(one), data.draw(st.integers(0, len(one) - 1))) for one in rows]
    assert all(map(math.isfinite, fit(tasks, (0.0,) * width)))
    pool = fit_pool([tasks, tasks[:1]])
    assert all(math.isfinite(w) for weights in pool.weights for w in weights)


def test_a_pool_is_fitted_like_its_members() -> None:
    """PRF-4: with the same prior, NumPy's many at once and the daemon's one at a time agree."""
    people = [household(seed, 3 + seed % 4) for seed in range(20)]
    pool = preference._flatten(people)
    centre, penalty = np.array([-0.5, 0.1, 0.4]), np.array([[2.0, 0.5, 0.0], [0.5, 1.5, 0.1], [0.0, 0.1, 1.0]])
    weights, _ = preference._modes(pool, np.zeros((20, 3)), centre, penalty, 50)
    rule = tuple(map(tuple, (penalty * np.outer(pool.scale, pool.scale)).tolist()))
    for tasks, mine in zip(people, weights / pool.scale, strict=True):
        # The ridge of a lone member is not in a pool's penalty; it is a thousandth of it.
        assert fit(tasks, tuple(centre / pool.scale), precision=rule) == pytest.approx(mine, rel=0.02, abs=5e-3)


def test_a_pool_learns_in_which_direction_people_differ() -> None:
    """PRF-4: members who differ in the third attribute only are told apart by it, and shrunk in the others."""
    people = [household(seed, 9, (-1.0, 0.3, 3.0 if seed % 2 else -3.0)) for seed in range(60)]
    pool = fit_pool(people)
    assert all((weights[2] > 0) == bool(seed % 2) for seed, weights in enumerate(pool.weights))
    assert np.std([weights[0] for weights in pool.weights]) < 0.7 * np.std([fit(one, pool.mean)[0] for one in people])
    assert all(abs(x) <= COORDINATE_MAX for row in pool.coordinates for x in row)
    alike = fit_pool([household(1)] * 4)
    assert alike.coordinates == ((0, 0, 0),) * 4


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_at_most_five_levels_leave_the_node(weights: list[float]) -> None:
    """PRF-5, and PRF-6 reads back the sign."""
    zero, one = [0.0] * len(weights), [1.0] * len(weights)
    level = levels(weights, zero, one)
    assert sum(map(abs, level)) <= 5
    assert set(level) <= {-1, 0, 1}
    assert level.count(0) == len(level) or max(map(abs, weights)) >= 0.1
    for x, w, read in zip(level, weights, from_levels(level, zero, one), strict=True):
        assert x == 0 or (x > 0) == (w > 0) == (read > 0)


def test_levels_mean_the_same_for_the_sharp_and_the_hesitant() -> None:
    """PRF-5: twice as sure of everything is the same wish."""
    assert (
        levels((1.0, -0.5, 0.1), (0.0,) * 3, (1.0,) * 3)
        == levels((8.0, -4.0, 0.8), (0.0,) * 3, (1.0,) * 3)
        == (1, -1, 0)
    )
    assert levels((1.0, 1.0), (1.0, 1.0), (1.0, 1.0)) == (0, 0)
    assert from_levels((1, -1), (0.5, 0.5), (2.0, 0.0)) == (1.0, 0.5)


def test_a_group_likes_what_its_members_like_on_average() -> None:
    """PRF-7 and PRF-8."""
    assert mean([(1.0, 2.0), (3.0, -2.0)], (9.0, 9.0)) == (2.0, 0.0)
    assert mean([], (9.0, 9.0)) == (9.0, 9.0)
    assert unlikeness((1, 0, -1), (1, 1, 1)) == 5


def test_words_go_by_effect_and_not_by_unit() -> None:
    """PRF-9."""
    told = in_words(("price_cents", "local", "years"), (-0.01, 1.0, 0.001), (300.0, 0.5, 2.0))
    assert told == "Would like less price cents above all; 2 more matter little."
    told = in_words(("price_cents", "local"), (-0.01, 4.0), (300.0, 0.5))
    assert told == "Would like less price cents above all, then more local."
    assert in_words(("price",), (0.0,), (1.0,)) == "Has no preference yet."
