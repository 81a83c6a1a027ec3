"""What a member would like, learned from what the member chose.

Decides how choices become weights (multinomial logit, shrunk toward a common mean), what of it is published (levels)
and what two members' likeness is. Never publishes an exact fit, never groups anybody. Spec: 04-preference, PRF-1 to
PRF-9.

Floats appear only where a node decides for itself: its own fit, its own reading of others' levels. What leaves a node,
and what groups are formed from, is integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any

from protocol.errors import CommandError
from protocol.params import (
    ALTERNATIVES_MAX,
    COORDINATE_MAX,
    LEVEL_LEAST,
    LEVEL_OF_ROOT,
    LEVEL_UTILITY,
    LEVELS_MAX,
    POOL_PERSONS_PER_ATTRIBUTE,
    PRIOR_TASKS,
    TASKS_MAX,
    TEMPLATE_ATTRIBUTES_MAX,
)

NUMBER_MAX = 1e12
_RIDGE = 1e-3  # in standardised units: a direction that no task tells anything about stays at the prior
_ROUNDING = 1e-12  # of an attribute's size: a smaller spread is an error of arithmetic
_NEWTON_STEPS = 50
_POOL_ROUNDS = 12
_NEARLY = 3  # Newton steps of a round whose prior will still change
_STEPS_PER_SPREAD = 6  # integer steps in one standard deviation of a pool: finer than the fit's own error

Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One question answered: per alternative its attribute values on the raw scale; the index of the chosen one."""

    rows: Matrix
    chosen: int


@dataclass(frozen=True, slots=True)
class Pool:
    """A whole pool's fit: mean weights, per person weights (raw scale) and coordinates for `formation.group`."""

    mean: Vector
    weights: tuple[Vector, ...]
    coordinates: tuple[tuple[int, ...], ...]


def read_tasks(
    attributes: Sequence[str], tasks: Sequence[tuple[Sequence[Mapping[str, float]], int]]
) -> tuple[Task, ...]:
    """Tasks out of what the local user sent, columns in the order of `attributes`. Raises CommandError PRF-1."""
    if not 1 <= len(tasks) <= TASKS_MAX:
        raise CommandError("PRF-1", f"tasks: 1 to {TASKS_MAX} are needed, {len(tasks)} were given")
    if not 1 <= len(attributes) <= TEMPLATE_ATTRIBUTES_MAX:
        raise CommandError("PRF-1", f"attributes: 1 to {TEMPLATE_ATTRIBUTES_MAX} are needed")
    read = []
    for number, (alternatives, chosen) in enumerate(tasks, 1):
        if not 2 <= len(alternatives) <= ALTERNATIVES_MAX:
            raise CommandError("PRF-1", f"task {number}: 2 to {ALTERNATIVES_MAX} alternatives are needed")
        if isinstance(chosen, bool) or not isinstance(chosen, int) or not 0 <= chosen < len(alternatives):
            raise CommandError("PRF-1", f"task {number}: chosen must be the index of one of its alternatives")
        read.append(Task(tuple(_row(attributes, row, number) for row in alternatives), chosen))
    return tuple(read)


def _row(attributes: Sequence[str], row: Mapping[str, float], number: int) -> Vector:
    unknown = [name for name in row if name not in attributes]
    if unknown:
        raise CommandError("PRF-1", f"task {number}: {str(unknown[0])[:40]!r} is not an attribute of this category")
    for name in attributes:
        value = row.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= NUMBER_MAX:
            raise CommandError("PRF-1", f"task {number}: {name} must be a number within {NUMBER_MAX:.0e} either way")
    return tuple(float(row[name]) for name in attributes)


def spreads(tasks: Sequence[Task]) -> Vector:
    """Per attribute the standard deviation inside tasks (raw scale), 0 where it never varies (PRF-2)."""
    rows = [row for centred in _centred(tasks) for row in centred]
    tops = [max(map(abs, column)) for column in zip(*(row for task in tasks for row in task.rows), strict=True)]
    roots = [sqrt(sum(x * x for x in column) / len(rows)) for column in zip(*rows, strict=True)]
    return tuple(root if root > _ROUNDING * top else 0.0 for root, top in zip(roots, tops, strict=True))


def _centred(tasks: Sequence[Task]) -> list[list[list[float]]]:
    """Rows less their task's mean: only differences inside a task tell anything, and big offsets cost precision."""
    centred = []
    for task in tasks:
        means = [sum(column) / len(task.rows) for column in zip(*task.rows, strict=True)]
        centred.append([[x - mean for x, mean in zip(row, means, strict=True)] for row in task.rows])
    return centred


def fit(
    tasks: Sequence[Task], prior: Sequence[float], precision: Matrix | None = None, shrinkage: float = PRIOR_TASKS
) -> Vector:
    """One member's weights: utility of an alternative = sum of weight x raw attribute, higher is better (PRF-3).

    prior: mean weights, raw scale. precision: of the prior, raw scale; by default the information of `shrinkage`
    average tasks of the member's own, so that the attributes' units do not matter. No tasks: the prior. Source:
    multinomial logit with a normal prior (Train 2009, ch. 3 and 12), its mode found by Newton's method.
    """
    if not tasks:
        return tuple(prior)
    scale = [spread or 1.0 for spread in spreads(tasks)]
    centred = [[[x / s for x, s in zip(row, scale, strict=True)] for row in rows] for rows in _centred(tasks)]
    start = [mean * s for mean, s in zip(prior, scale, strict=True)]
    width = range(len(scale))
    if precision is None:
        penalty = [[shrinkage * x for x in row] for row in _information(centred)]
    else:
        penalty = [[precision[k][j] / (scale[k] * scale[j]) for j in width] for k in width]
    for k in width:
        penalty[k][k] += _RIDGE
    weights = _mode(centred, [task.chosen for task in tasks], start, penalty)
    return tuple(weight / s for weight, s in zip(weights, scale, strict=True))


def _information(centred: list[list[list[float]]]) -> list[list[float]]:
    """What an average task tells before anything is known: mean covariance of the attributes inside a task."""
    width = range(len(centred[0][0]))
    total = [[0.0 for _ in width] for _ in width]
    for rows in centred:
        share = 1 / (len(rows) * len(centred))
        for row in rows:
            for k in width:
                for j in range(k + 1):
                    total[k][j] += share * row[k] * row[j]
    return [[total[max(k, j)][min(k, j)] for j in width] for k in width]


def _mode(
    tasks: list[list[list[float]]], chosen: list[int], prior: list[float], penalty: list[list[float]]
) -> list[float]:
    """Newton's method with halved steps: the posterior is strictly concave, so this ends at its one top."""
    weights, value = prior, _posterior(tasks, chosen, prior, prior, penalty)
    for _ in range(_NEWTON_STEPS):
        step = _newton_step(tasks, chosen, weights, prior, penalty)
        for _ in range(30):
            trial = [w + s for w, s in zip(weights, step, strict=True)]
            reached = _posterior(tasks, chosen, trial, prior, penalty)
            if reached >= value:
                break
            step = [s / 2 for s in step]
        else:
            return weights
        weights, value = trial, reached
        if max(abs(s) for s in step) < 1e-9:
            return weights
    return weights


def _posterior(
    tasks: list[list[list[float]]],
    chosen: list[int],
    weights: list[float],
    prior: list[float],
    penalty: list[list[float]],
) -> float:
    away = [w - p for w, p in zip(weights, prior, strict=True)]
    value = -sum(a * _dot(row, away) for a, row in zip(away, penalty, strict=True)) / 2
    for rows, choice in zip(tasks, chosen, strict=True):
        utilities = [_dot(row, weights) for row in rows]
        top = max(utilities)
        value += utilities[choice] - top - log(sum(exp(u - top) for u in utilities))
    return value


def _newton_step(
    tasks: list[list[list[float]]],
    chosen: list[int],
    weights: list[float],
    prior: list[float],
    penalty: list[list[float]],
) -> list[float]:
    width = range(len(weights))
    away = [w - p for w, p in zip(weights, prior, strict=True)]
    slope = [-_dot(row, away) for row in penalty]
    curve = [list(row) for row in penalty]
    for rows, choice in zip(tasks, chosen, strict=True):
        shares = _shares(rows, weights)
        mean = [sum(p * row[k] for p, row in zip(shares, rows, strict=True)) for k in width]
        for k in width:
            slope[k] += rows[choice][k] - mean[k]
        for share, row in zip(shares, rows, strict=True):
            off = [x - m for x, m in zip(row, mean, strict=True)]
            for k in width:
                factor = share * off[k]
                line = curve[k]
                for j in range(k + 1):
                    line[j] += factor * off[j]
    return _solve(curve, slope)


def _shares(rows: list[list[float]], weights: list[float]) -> list[float]:
    """Logit probabilities of the alternatives."""
    utilities = [_dot(row, weights) for row in rows]
    top = max(utilities)
    powers = [exp(u - top) for u in utilities]
    total = sum(powers)
    return [power / total for power in powers]


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _solve(curve: list[list[float]], slope: list[float]) -> list[float]:
    """Solves curve x = slope for a positive definite `curve`, of which the lower triangle is read (Cholesky)."""
    width = len(slope)
    root = [[0.0] * width for _ in range(width)]
    for k in range(width):
        for j in range(k + 1):
            rest = curve[k][j] - sum(root[k][i] * root[j][i] for i in range(j))
            root[k][j] = sqrt(max(rest, 1e-12)) if k == j else rest / root[j][j]
    half: list[float] = []
    for k in range(width):
        half.append((slope[k] - sum(root[k][i] * half[i] for i in range(k))) / root[k][k])
    result = [0.0] * width
    for k in reversed(range(width)):
        result[k] = (half[k] - sum(root[i][k] * result[i] for i in range(k + 1, width))) / root[k][k]
    return result


def fit_pool(people: Sequence[Sequence[Task]]) -> Pool:
    """Weights of many members at once, each shrunk toward the pool's mean as far as the pool is alike (PRF-4).

    The prior's mean and covariance are learned from all of them (empirical Bayes: expectation-maximisation with each
    member's mode and curvature; Train 2009, ch. 12), starting from, and held near, the prior that a lone member has.
    Every member needs at least one task. Runs outside the daemon's loop: it imports NumPy.
    """
    import numpy as np

    pool = _flatten(people)
    width, count = pool.rows.shape[1], len(people)
    information = (pool.rows / pool.sizes[pool.task_of_row, None]).T @ pool.rows / len(pool.sizes)
    lone = np.linalg.inv(PRIOR_TASKS * information + _RIDGE * np.eye(width))
    held = POOL_PERSONS_PER_ATTRIBUTE * width
    spread, centre, weights = lone, np.zeros(width), np.zeros((count, width))
    for left in reversed(range(_POOL_ROUNDS)):
        weights, doubt = _modes(pool, weights, centre, np.linalg.inv(spread), _NEARLY if left else _NEWTON_STEPS)
        centre = weights.mean(axis=0)
        away = weights - centre
        spread = (away.T @ away + doubt.sum(axis=0) + held * lone) / (count + held)
    values, vectors = np.linalg.eigh(information)
    effects = (weights - centre) @ (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    step = np.sqrt(np.mean(effects**2)) / _STEPS_PER_SPREAD
    steps = np.rint(effects / step) if step > 1e-9 else np.zeros_like(effects)
    coordinates = np.clip(steps, -COORDINATE_MAX, COORDINATE_MAX).astype(int)
    return Pool(
        tuple((centre / pool.scale).tolist()),
        tuple(tuple(row) for row in (weights / pool.scale).tolist()),
        tuple(tuple(row) for row in coordinates.tolist()),
    )


@dataclass(frozen=True, slots=True)
class _Flat:
    """A pool's tasks end to end: NumPy arrays of standardised rows and of where tasks and members begin."""

    rows: Any
    scale: Any
    sizes: Any
    task_of_row: Any
    owner_of_row: Any
    first_rows: Any
    first_tasks: Any
    chosen: Any


def _flatten(people: Sequence[Sequence[Task]]) -> _Flat:
    import numpy as np

    tasks = [task for person in people for task in person]
    sizes = np.array([len(task.rows) for task in tasks])
    per_person = np.array([len(person) for person in people])
    first_rows = np.cumsum(sizes) - sizes
    task_of_row = np.repeat(np.arange(len(tasks)), sizes)
    rows = np.array([row for task in tasks for row in task.rows], dtype=float)
    tops = np.abs(rows).max(axis=0)
    rows -= (np.add.reduceat(rows, first_rows) / sizes[:, None])[task_of_row]
    scale = np.sqrt(np.mean(rows**2, axis=0))
    scale[scale <= _ROUNDING * tops] = 1.0
    rows /= scale
    owner_of_row = np.repeat(np.arange(len(people)), per_person)[task_of_row]
    chosen = first_rows + np.array([task.chosen for task in tasks])
    first_tasks = np.cumsum(per_person) - per_person
    return _Flat(rows, scale, sizes, task_of_row, owner_of_row, first_rows, first_tasks, chosen)


def _modes(pool: _Flat, weights: Any, centre: Any, penalty: Any, steps: int) -> tuple[Any, Any]:
    """Each member's mode, warm-started at `weights`, and the inverse curvature there: (n, K) and (n, K, K)."""
    import numpy as np

    reached, shares = _values(pool, weights, centre, penalty)
    for _ in range(steps):
        slope, curve = _slopes(pool, shares, weights, centre, penalty)
        step = np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
        for _ in range(30):
            value, trial = _values(pool, weights + step, centre, penalty)
            worse = value < reached - 1e-12 * np.abs(reached)
            if not worse.any():
                break
            step[worse] /= 2
        weights, reached, shares = weights + step, value, trial
        if np.abs(step).max() < 1e-6:
            break
    return weights, np.linalg.inv(_slopes(pool, shares, weights, centre, penalty)[1])


def _values(pool: _Flat, weights: Any, centre: Any, penalty: Any) -> tuple[Any, Any]:
    """Log posterior per member, and the logit probability of every row."""
    import numpy as np

    utility = np.einsum("rk,rk->r", pool.rows, weights[pool.owner_of_row])
    utility -= np.maximum.reduceat(utility, pool.first_rows)[pool.task_of_row]
    powers = np.exp(utility)
    totals = np.add.reduceat(powers, pool.first_rows)
    away = weights - centre
    likelihood = np.add.reduceat(utility[pool.chosen] - np.log(totals), pool.first_tasks)
    return likelihood - np.einsum("nk,kj,nj->n", away, penalty, away) / 2, powers / totals[pool.task_of_row]


def _slopes(pool: _Flat, shares: Any, weights: Any, centre: Any, penalty: Any) -> tuple[Any, Any]:
    """Gradient and negative Hessian of the log posterior per member: (n, K) and (n, K, K)."""
    import numpy as np

    means = np.add.reduceat(pool.rows * shares[:, None], pool.first_rows)
    slope = np.add.reduceat(pool.rows[pool.chosen] - means, pool.first_tasks) - (weights - centre) @ penalty
    off = (pool.rows - means[pool.task_of_row]) * np.sqrt(shares)[:, None]
    first = pool.first_rows[pool.first_tasks]
    counts = np.diff(first, append=len(off))
    curve = np.empty((len(weights), *penalty.shape))
    for count in np.unique(counts).tolist():  # members with equally many rows at a time: one product for all of them
        who = np.flatnonzero(counts == count)
        rows = off[first[who, None] + np.arange(count)]
        curve[who] = rows.transpose(0, 2, 1) @ rows + penalty
    return slope, curve


def levels(weights: Sequence[float], reference: Sequence[float], spread: Sequence[float]) -> tuple[int, ...]:
    """What is published: -1 below the reference, 1 above it, 0 about the same; at most five are not 0 (PRF-5).

    reference: the template's prior weights, so that all on a board mean the same; spread: from `spreads`.
    """
    away = [(w - r) * s for w, r, s in zip(weights, reference, spread, strict=True)]
    bar = max(LEVEL_LEAST, LEVEL_OF_ROOT * sqrt(sum(x * x for x in away) / len(away)))
    strongest = sorted(range(len(away)), key=lambda k: (-abs(away[k]), k))[:LEVELS_MAX]
    return tuple((1 if x > 0 else -1) if k in strongest and abs(x) >= bar else 0 for k, x in enumerate(away))


def from_levels(level: Sequence[int], reference: Sequence[float], spread: Sequence[float]) -> Vector:
    """Weights that levels stand for, as far as they say (PRF-6)."""
    return tuple(r + (LEVEL_UTILITY * x / s if s else 0.0) for x, r, s in zip(level, reference, spread, strict=True))


def mean(weights: Sequence[Sequence[float]], default: Sequence[float]) -> Vector:
    """What a group or a board likes: the mean of its members' weights; `default` while there is nobody (PRF-7)."""
    if not weights:
        return tuple(default)
    return tuple(sum(column) / len(weights) for column in zip(*weights, strict=True))


def unlikeness(one: Sequence[int], other: Sequence[int]) -> int:
    """Squared distance of two integer vectors; 0 = alike as far as published (PRF-8)."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def in_words(attributes: Sequence[str], weights: Sequence[float], spread: Sequence[float]) -> str:
    """One sentence: what matters to this member, most first, told by effect and not by unit."""
    effects = [(abs(w * s), w, name) for name, w, s in zip(attributes, weights, spread, strict=True) if w * s]
    effects.sort(key=lambda effect: (-effect[0], effect[2]))
    if not effects:
        return "Has no preference yet."
    strongest = [effect for effect in effects if effect[0] * 4 >= effects[0][0]][:LEVELS_MAX]
    wishes = [f"{'more' if w > 0 else 'less'} {name.replace('_', ' ')}" for _, w, name in strongest]
    rest = len(effects) - len(strongest)
    told = f"Would like {wishes[0]} above all" + (", then " + ", ".join(wishes[1:]) if wishes[1:] else "")
    return told + (f"; {rest} more matter little." if rest else ".")
