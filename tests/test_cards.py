"""Choice cards: plausible, the same for the same seed, and telling more than cards drawn blindly."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.groups import load_choices
from node.template import categories, load
from protocol.coop.cards import (
    Answer,
    Card,
    comparable,
    draws_from,
    information,
    next_card,
    random_card,
    raw,
    tasks_of,
    typical_precision,
    typical_spread,
)
from protocol.coop.preference import Task, fit, spreads
from protocol.coop.template import Template, from_attributes
from protocol.coop.worth import WORDS, Correction, corrected, said, told
from protocol.errors import CommandError
from protocol.params import CARD_ALTERNATIVES, CARDS_MAX, CORRECTION_STEPS_MAX

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "cards.json"
CHOICES = Path(__file__).resolve().parents[2] / "shared" / "data" / "electricity-choices.csv"
POWER = load("electricity")
PRIORS = tuple(POWER.priors.values())
NAMES = [one.name for one in POWER.attributes]

# Scaled values of electricity: pence per kWh × 10, years, renewable %, local, well known.
PAIRS: list[tuple[str, tuple[int, ...], tuple[int, ...], bool]] = [
    ("cheaper and greener", (180, 1, 100, 0, 0), (220, 1, 50, 0, 0), True),
    ("the same twice", (180, 1, 50, 0, 0), (180, 1, 50, 0, 0), True),
    ("cheaper but less green", (180, 1, 50, 0, 0), (220, 1, 100, 0, 0), False),
    ("better in all, of another term", (180, 1, 100, 1, 1), (220, 5, 50, 0, 0), False),
]
TWO: Card = ((180, 1, 50, 0, 0), (220, 1, 100, 0, 0))
TOLD: list[tuple[str, Card, list[list[float]]]] = [
    ("draws that agree tell nothing", TWO, [[-0.1, 0, 0, 0, 0]] * 2),
    ("draws that disagree tell nearly a bit", TWO, [[-0.5, 0, 0, 0, 0], [0.5, 0, 0, 0, 0]]),
    ("in between", TWO, [[-0.04, 0, 0.01, 0, 0], [-0.04, 0, 0.06, 0, 0], [-0.02, 0, 0, 1, 0]]),
]
WEIGHTS = (-0.5, -0.2, 0.02, 0.0, 0.6)
CORRECTED: list[tuple[str, dict[str, Correction]]] = [
    ("no word", {}),
    ("price matters more", {"price_pence_kwh": Correction(steps=1)}),
    ("far less than it was", {"well_known": Correction(steps=-8)}),
    ("nothing", {"renewable_percent": Correction(nothing=True)}),
    ("more of what showed no effect", {"local_supplier": Correction(steps=2)}),
    ("nothing, then a little", {"contract_years": Correction(nothing=True, steps=1)}),
]
BAD_WORDS: list[tuple[str, str, str]] = [
    ("an attribute of another category", "organic", "more"),
    ("no attribute", "", "more"),
    ("a word of one's own", "well_known", "much"),
    ("no word", "well_known", ""),
    ("a number", "well_known", "2"),
    ("a word in capitals", "well_known", "MORE"),
    ("a word with a space", "well_known", "more "),
    ("two words", "well_known", "more more"),
    ("a word run together", "well_known", "aschosen"),
    ("a sign", "well_known", "+"),
    ("a label for a name", "well-known supplier", "more"),
    ("a name in capitals", "Well_known", "more"),
    ("a charge", "standing_charge", "more"),
    ("a part of a name", "well", "more"),
]


def vectors() -> dict[str, Any]:
    """spec/vectors/cards.json: numbers agree within one part in a million."""
    cases: list[dict[str, Any]] = [
        {"name": name, "clause": "PRF-13", "input": {"products": [one, other]}, "output": told_nothing}
        for name, one, other, told_nothing in PAIRS
    ]
    cases += [
        {
            "name": name,
            "clause": "PRF-14",
            "input": {"card": card, "weights": draws},
            "output": round(information(card, draws), 9),
        }
        for name, card, draws in TOLD
    ]
    cases += [
        {
            "name": name,
            "clause": "PRF-16",
            "input": {"weights": WEIGHTS, "corrections": {key: [one.nothing, one.steps] for key, one in words.items()}},
            "output": [round(one, 9) for one in corrected(POWER, WEIGHTS, words)],
        }
        for name, words in CORRECTED
    ]
    cases += [
        {"name": name, "clause": "PRF-16", "input": {"attribute": attribute, "word": word}, "reject": "PRF-16"}
        for name, attribute, word in BAD_WORDS
    ]
    cases.append(
        {"name": "in words", "clause": "PRF-17", "input": {"weights": WEIGHTS}, "output": told(POWER, WEIGHTS)}
    )
    return {"name": "cards", "spec": "04-preference", "cases": cases}


def test_the_vectors_are_committed() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == json.loads(json.dumps(vectors()))


@pytest.mark.parametrize(("one", "other", "told_nothing"), [case[1:] for case in PAIRS])
def test_no_product_is_plainly_better(one: tuple[int, ...], other: tuple[int, ...], told_nothing: bool) -> None:
    """PRF-13, either way round."""
    assert comparable(POWER.attributes, one, other) is told_nothing
    assert comparable(POWER.attributes, other, one) is told_nothing


@given(st.sampled_from(categories()), st.integers(0, 2**32))
def test_every_category_makes_cards(category: str, seed: int) -> None:
    """PRF-13: four different products of typical values, none of which most would plainly prefer to another."""
    template = load(category)
    card = random_card(template, Random(seed))
    assert len(card) == CARD_ALTERNATIVES
    for place, product in enumerate(card):
        assert all(value in one.typical for one, value in zip(template.attributes, product, strict=True))
        assert not any(comparable(template.attributes, product, other) for other in card[:place])


def test_a_card_follows_from_seed_and_answers() -> None:
    """PRF-14: and another answer makes another card."""
    first = next_card(POWER, (), Random(3))
    assert first == next_card(POWER, (), Random(3))
    assert first is not None
    seconds = {next_card(POWER, ((first, chosen),), Random(4)) for chosen in range(4)}
    assert len(seconds) > 1


def test_a_handful_and_no_more() -> None:
    """PRF-13."""
    card = next_card(POWER, (), Random(1))
    assert card is not None
    assert next_card(POWER, ((card, 0),) * (CARDS_MAX - 1), Random(1)) is not None
    assert next_card(POWER, ((card, 0),) * CARDS_MAX, Random(1)) is None


def test_without_typical_values_there_is_no_card() -> None:
    """PRF-13: of a file's own columns nobody knows what offers commonly have; and one thing alone makes no choice."""
    assert next_card(from_attributes(["price", "size"]), (), Random(1)) is None
    price = replace(POWER, attributes=POWER.attributes[:1])
    assert next_card(price, (), Random(1)) is None
    two = replace(POWER, attributes=(POWER.attributes[0], POWER.attributes[3]))
    card = next_card(two, (), Random(1))
    assert card is not None
    assert 2 <= len(card) <= CARD_ALTERNATIVES


def test_the_most_attributes_take_no_longer() -> None:
    """PRF-14: the work is bounded whatever the template; generous here, as others use the machine too."""
    one = POWER.attributes[0]
    many = tuple(replace(one, name=f"a{number}", price_minor=0, better="none") for number in range(32))
    wide = replace(POWER, attributes=many)
    card = next_card(wide, (), Random(1))
    assert card is not None
    began = time.process_time()
    assert next_card(wide, ((card, 0),) * (CARDS_MAX - 1), Random(1)) is not None
    assert time.process_time() - began < 1.0


# The simulation: members whose weights are known.


def member(template: Template, rng: Random) -> list[float]:
    """Weights about the template's priors, one standard deviation of effect either way."""
    spread = [typical_spread(one) or 1.0 for one in template.attributes]
    return [prior + rng.gauss(0, 1) / size for prior, size in zip(template.priors.values(), spread, strict=True)]


def choose(weights: Sequence[float], rows: Sequence[Sequence[float]], rng: Random) -> int:
    """A choice by a logit: utility plus Gumbel noise."""
    noisy = [sum(w * x for w, x in zip(weights, row, strict=True)) - math.log(-math.log(rng.random())) for row in rows]
    return noisy.index(max(noisy))


def shares(weights: Sequence[float], card: Card, template: Template) -> list[float]:
    utilities = [sum(w * x for w, x in zip(weights, raw(template, one), strict=True)) for one in card]
    powers = [math.exp(one - max(utilities)) for one in utilities]
    return [one / sum(powers) for one in powers]


def predicted(template: Template, count: int, people: int, kind: str) -> float:
    """How often the weights fitted from `count` cards name what members then choose, on the average of people."""
    hits = 0.0
    for number in range(people):
        rng, cards = Random(f"member {number}"), Random(f"cards {number}")
        own = member(template, rng)
        answers: list[Answer] = []
        for _ in range(count):
            card = next_card(template, answers, cards) if kind == "adaptive" else random_card(template, cards)
            assert card is not None
            answers.append((card, choose(own, [raw(template, one) for one in card], rng)))
        found = fit(tasks_of(template, answers), tuple(template.priors.values()), typical_precision(template))
        for _ in range(40):
            card = random_card(template, rng)
            guess = shares(found, card, template)
            hits += shares(own, card, template)[guess.index(max(guess))] / 40 / people
    return hits


@pytest.mark.parametrize("category", ["electricity", pytest.param("mobile", marks=pytest.mark.long)])
def test_a_chosen_card_tells_more_than_a_random_one(category: str) -> None:
    """PRF-14: at equally many cards, by a margin; the control is that either tells more than nothing."""
    template = load(category)
    adaptive, blind = (predicted(template, 5, 20, kind) for kind in ("adaptive", "random"))
    assert adaptive > blind + 0.01
    assert blind > predicted(template, 0, 20, "random") + 0.05


@pytest.mark.long
def test_on_households_that_were_asked_more_than_they_needed() -> None:
    """PRF-14 on real choices: three of a household's own tasks, picked one by one among five, foretell others better
    than three at random, and both better than what all like on the average.
    """
    if not CHOICES.exists():
        pytest.skip("shared/data/electricity-choices.csv is not here")
    people, centre, spread = households()
    hits = {kind: foretold(people, centre, spread, kind) for kind in ("adaptive", "random", "mean")}
    assert hits["adaptive"] > hits["random"] > hits["mean"] + 0.02


def households() -> tuple[list[tuple[Task, ...]], Sequence[float], Sequence[float]]:
    """Who answered nine tasks and more; what all like on the average; the attributes' spreads."""
    people = [tasks for tasks in load_choices(CHOICES).people.values() if len(tasks) >= 9]
    everyone = [task for tasks in people for task in tasks]
    spread = spreads(everyone)
    return people, fit(everyone[:1000], (0.0,) * len(spread), shrinkage=0.01), spread


def foretold(people: Sequence[Sequence[Task]], centre: Sequence[float], spread: Sequence[float], kind: str) -> float:
    """Share of four held-out tasks whose choice is named by weights fitted from three of the others."""
    precision = tuple(tuple(2.0 * s * s if k == j else 0.0 for j in range(len(spread))) for k, s in enumerate(spread))
    right = total = 0
    for number, tasks in enumerate(people):
        rng = Random(number)
        order = rng.sample(list(tasks), len(tasks))
        held, pool = order[:4], order[4:]
        used: list[Task] = []
        for _ in range(0 if kind == "mean" else 3):
            if kind == "adaptive":
                draws = draws_from(used, centre, precision, rng)
                pool.sort(key=lambda task: -information(task.rows, draws))
            used.append(pool.pop(0))
        weights = fit(used, centre, precision)
        for task in held:
            utilities = [sum(w * x for w, x in zip(weights, row, strict=True)) for row in task.rows]
            right += utilities.index(max(utilities)) == task.chosen
            total += 1
    return right / total


# Words and corrections.


def test_in_money() -> None:
    """PRF-17: by hand. 100 % renewable is 100 · 0.02 = 2 utils, a penny 0.5: four pence."""
    said_of = told(POWER, WEIGHTS)
    assert list(said_of) == NAMES
    assert said_of["price_pence_kwh"] == "A lower price matters to you (pence per kWh)."
    assert said_of["renewable_percent"] == "Renewable share, 100 rather than 0, is worth about 4 pence per kWh to you."
    assert said_of["contract_years"] == "Years of contract, 0 rather than 5, is worth about 2 pence per kWh to you."
    assert said_of["local_supplier"] == "Supplier from the region hardly matters to you."
    assert said_of["well_known"] == "Well-known supplier is worth about 1.2 pence per kWh to you."


def test_without_a_price_there_is_no_money() -> None:
    """PRF-17: whoever likes dear things, or does not mind, is told nothing in pence; nor is anything infinite."""
    for rate in (0.0, 0.4):
        said_of = told(POWER, (rate, *WEIGHTS[1:]))
        assert "pence per kWh to you" not in " ".join(said_of.values())
        assert said_of["well_known"] == "Well-known supplier matters to you."
    assert told(POWER, (-1e-9, *WEIGHTS[1:]))["well_known"].endswith("worth more to you than prices differ.")
    assert "To do without “well-known supplier”" in told(POWER, (-0.5, 0, 0, 0, -0.6))["well_known"]


@given(
    st.lists(st.floats(-5, 5), min_size=5, max_size=5),
    st.dictionaries(st.sampled_from(NAMES), st.builds(Correction, st.booleans(), st.integers(-8, 8))),
)
def test_a_word_never_turns_a_wish_round(effects: list[float], words: dict[str, Correction]) -> None:
    """PRF-16: more is not less, nothing is nothing, and who is not named stays as chosen."""
    spread = [typical_spread(one) for one in POWER.attributes]
    weights = [effect / size for effect, size in zip(effects, spread, strict=True)]
    after = corrected(POWER, weights, words)
    for place, name in enumerate(NAMES):
        word = words.get(name)
        if word is None:
            assert after[place] == weights[place]
        elif word == Correction(nothing=True):
            assert after[place] == 0
        elif abs(effects[place]) > 0.1 and not word.nothing:
            assert after[place] * weights[place] >= 0
            assert (abs(after[place]) >= abs(weights[place])) == (word.steps >= 0) or math.isclose(
                after[place], weights[place]
            )


def test_words_add_up_and_can_be_taken_back() -> None:
    """PRF-16: and are bounded."""
    words: dict[str, Correction] = {}
    for _ in range(CORRECTION_STEPS_MAX + 5):
        words = said(POWER, words, "well_known", "more")
    assert words == {"well_known": Correction(steps=CORRECTION_STEPS_MAX)}
    words = said(POWER, said(POWER, words, "well_known", "nothing"), "well_known", "more")
    assert words == {"well_known": Correction(nothing=True, steps=1)}
    assert said(POWER, words, "well_known", "as-chosen") == {}
    assert said(POWER, said(POWER, {}, "well_known", "more"), "well_known", "less") == {}


@pytest.mark.parametrize(("attribute", "word"), [case[1:] for case in BAD_WORDS])
def test_what_is_no_word(attribute: str, word: str) -> None:
    """PRF-16."""
    with pytest.raises(CommandError) as error:
        said(POWER, {}, attribute, word)
    assert error.value.code == "PRF-16"
    assert len(WORDS) == 4
