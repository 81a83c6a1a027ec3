"""Choice cards: the question that tells most about what a member likes, given what the member has answered.

Decides which products stand on the next card; never asks anybody and publishes nothing. Plain arithmetic, a few
hundredths of a second, so that it can run beside the node's other work. Spec: 04-preference, PRF-13 to PRF-15.

Floats decide only which card one member's own node shows next.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import exp, log, sqrt

from protocol.coop.preference import Matrix, Task, fit
from protocol.coop.template import Attribute, Template
from protocol.params import CARD_ALTERNATIVES, CARD_DRAWS, CARD_TERMS_MAX, CARDS_MAX, PRIOR_TASKS

Product = tuple[int, ...]  # a scaled value per attribute of the template
Card = tuple[Product, ...]
Answer = tuple[Card, int]  # the card and the index of the chosen product

_PRODUCTS_TRIED = 20  # until a card is begun anew: nearly everything compares with the best of all products
_CARDS_TRIED = 5  # until a card stays with the products it has


def next_card(template: Template, answers: Sequence[Answer], rng: random.Random) -> Card | None:
    """The most informative of many random cards; None when enough are answered or the template cannot make any.

    Information: how much the member's choice is expected to tell about the weights (mutual information; Lindley 1956),
    over draws from the weights' normal approximation given the answers so far (PRF-14). The same answers and the same
    seed of `rng` give the same card.
    """
    if len(answers) >= CARDS_MAX:
        return None
    draws = _draws(template, answers, rng)
    count = max(16, CARD_TERMS_MAX // (CARD_ALTERNATIVES * len(draws) * max(1, len(template.attributes))))
    best: tuple[float, Card] = 0.0, ()
    for number in range(count):
        card = random_card(template, rng) if number < count // 2 else _varied(template, best[1], rng)
        if len(card) >= 2:
            best = max(best, (information(card, draws), card))
    return best[1] or None


def _varied(template: Template, card: Card, rng: random.Random) -> Card:
    """The card with one value of one product drawn anew; empty when that makes no card."""
    varying = [place for place, one in enumerate(template.attributes) if one.typical]
    if not card or not varying:
        return ()
    number, place = rng.randrange(len(card)), rng.choice(varying)
    product = list(card[number])
    product[place] = rng.choice(template.attributes[place].typical)
    others = [one for at, one in enumerate(card) if at != number]
    if any(comparable(template.attributes, tuple(product), other) for other in others):
        return ()
    return (*card[:number], tuple(product), *card[number + 1 :])


def random_card(template: Template, rng: random.Random) -> Card:
    """Up to four products of typical values, of which none is plainly better than another (PRF-13)."""
    longest: list[Product] = []
    for _ in range(_CARDS_TRIED):
        card: list[Product] = []
        for _ in range(_PRODUCTS_TRIED):
            product = tuple(rng.choice(one.typical) if one.typical else _constant(one) for one in template.attributes)
            if not any(comparable(template.attributes, product, other) for other in card):
                card.append(product)
            if len(card) == CARD_ALTERNATIVES:
                return tuple(card)
        longest = max(longest, card, key=len)
    return tuple(longest)


def comparable(attributes: Sequence[Attribute], one: Product, other: Product) -> bool:
    """Whether one of two products is as good as the other in everything that most agree on, and differs in nothing
    that they do not: then a choice between them tells nothing (PRF-13).
    """
    signs = {"more": 1, "less": -1, "none": 0}
    better = [(a - b) * signs[row.better] for row, a, b in zip(attributes, one, other, strict=True)]
    differs = any(row.better == "none" and a != b for row, a, b in zip(attributes, one, other, strict=True))
    return not differs and (min(better) >= 0 or max(better) <= 0)


def tasks_of(template: Template, answers: Sequence[Answer]) -> tuple[Task, ...]:
    """Answers as tasks of a fit, values on the raw scale."""
    return tuple(Task(tuple(raw(template, product) for product in card), chosen) for card, chosen in answers)


def raw(template: Template, product: Product) -> tuple[float, ...]:
    """A product's values in the attributes' own units."""
    return tuple(value / one.scale for one, value in zip(template.attributes, product, strict=True))


def typical_spread(attribute: Attribute) -> float:
    """Standard deviation of an attribute's typical values on the raw scale, 0 without any."""
    values = [one / attribute.scale for one in attribute.typical]
    middle = sum(values) / max(1, len(values))
    return sqrt(sum((one - middle) ** 2 for one in values) / max(1, len(values)))


def information(card: Sequence[Sequence[float]], draws: Sequence[Sequence[float]]) -> float:
    """Nats that a choice from the card is expected to tell about which of these weights are the member's.

    draws: per draw a weight for each attribute, in utility per unit of what the card's values are in. It is the entropy
    of the mean choice less the mean entropy of the choice.
    """
    mean = [0.0] * len(card)
    doubt = 0.0
    for weights in draws:
        utilities = [sum(w * x for w, x in zip(weights, product, strict=True)) for product in card]
        top = max(utilities)
        powers = [exp(one - top) for one in utilities]
        total = sum(powers)
        doubt += log(total) - sum(p * (u - top) for p, u in zip(powers, utilities, strict=True)) / total
        for place, power in enumerate(powers):
            mean[place] += power / total
    count = len(draws)
    return -sum(p / count * log(p / count) for p in mean if p / count > 0) - doubt / count


def _draws(template: Template, answers: Sequence[Answer], rng: random.Random) -> list[list[float]]:
    """Weights per scaled value, drawn from what the answers leave open."""
    found = draws_from(
        tasks_of(template, answers), tuple(template.priors.values()), typical_precision(template), rng
    )
    return [[w / one.scale for w, one in zip(weights, template.attributes, strict=True)] for weights in found]


def draws_from(
    tasks: Sequence[Task], prior: Sequence[float], precision: Matrix, rng: random.Random
) -> list[list[float]]:
    """Weights on the raw scale, drawn from the normal approximation at the mode of what these tasks leave open."""
    mode = fit(tasks, prior, precision)
    root = _root(_curvature(tasks, mode, precision))
    offs = (_back(root, [rng.gauss(0.0, 1.0) for _ in mode]) for _ in range(CARD_DRAWS))
    return [[weight + one for weight, one in zip(mode, off, strict=True)] for off in offs]


def typical_precision(template: Template) -> Matrix:
    """Of the weights before any answer, raw scale: that of PRIOR_TASKS tasks over typical values."""
    known = [PRIOR_TASKS * (typical_spread(one) or 1.0) ** 2 for one in template.attributes]
    return tuple(tuple(one if k == j else 0.0 for j in range(len(known))) for k, one in enumerate(known))


def _curvature(
    tasks: Sequence[Task], weights: Sequence[float], precision: Sequence[Sequence[float]]
) -> list[list[float]]:
    """The negative Hessian of the log posterior at these weights."""
    width = range(len(weights))
    total = [list(row) for row in precision]
    for task in tasks:
        utilities = [sum(w * x for w, x in zip(weights, row, strict=True)) for row in task.rows]
        top = max(utilities)
        powers = [exp(one - top) for one in utilities]
        shares = [one / sum(powers) for one in powers]
        middle = [sum(p * row[k] for p, row in zip(shares, task.rows, strict=True)) for k in width]
        for share, row in zip(shares, task.rows, strict=True):
            off = [x - m for x, m in zip(row, middle, strict=True)]
            for k in width:
                for j in width:
                    total[k][j] += share * off[k] * off[j]
    return total


def _root(matrix: list[list[float]]) -> list[list[float]]:
    """The lower triangular Cholesky root."""
    root = [[0.0] * len(matrix) for _ in matrix]
    for k, row in enumerate(matrix):
        for j in range(k + 1):
            rest = row[j] - sum(root[k][i] * root[j][i] for i in range(j))
            root[k][j] = sqrt(max(rest, 1e-12)) if k == j else rest / root[j][j]
    return root


def _back(root: list[list[float]], normal: list[float]) -> list[float]:
    """Solves rootᵀ x = normal: so x has the covariance of the matrix's inverse."""
    width = len(root)
    found = [0.0] * width
    for k in reversed(range(width)):
        found[k] = (normal[k] - sum(root[i][k] * found[i] for i in range(k + 1, width))) / root[k][k]
    return found


def _constant(attribute: Attribute) -> int:
    """The value of an attribute that cards do not vary."""
    return min(max(0, attribute.least), attribute.most)
