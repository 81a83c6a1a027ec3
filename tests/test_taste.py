"""A member's taste at its own node: cards, answers, corrections, and that nothing but levels leaves the home."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from node.template import load
from node.worker import compute
from protocol import commands as ask
from protocol.events import Compute, Computed, Keep, Reply, Submit
from protocol.params import CARDS_MAX
from tests.sim.world import World
from tests.test_desk import alone, like, refused, spoken

CATEGORY = "electricity"


def answer(world: World, chosen: int = 0) -> dict[str, Any]:
    """The open card answered."""
    card = world.ask("ann", ask.AskCard(CATEGORY))
    found: dict[str, Any] = world.ask("ann", ask.AnswerCard(CATEGORY, card["number"], chosen))
    return found


def greenest(card: dict[str, Any]) -> int:
    """What somebody takes who looks at nothing but what is renewable."""
    return max(range(len(card["alternatives"])), key=lambda at: card["alternatives"][at]["renewable_percent"])


def green(world: World) -> dict[str, Any]:
    """All cards answered by somebody who looks at nothing but what is renewable."""
    found: dict[str, Any] = {}
    while not (card := world.ask("ann", ask.AskCard(CATEGORY)))["done"]:
        found = world.ask("ann", ask.AnswerCard(CATEGORY, card["number"], greenest(card)))
    return found


def weights(found: dict[str, Any]) -> dict[str, float]:
    return {one["name"]: one["weight"] for one in found["attributes"]}


def test_a_handful_of_cards_and_then_no_more() -> None:
    """PRF-13, PRF-15."""
    world = alone()
    for number in range(CARDS_MAX):
        card = world.ask("ann", ask.AskCard(CATEGORY))
        assert (card["number"], card["of"], card["done"], len(card["alternatives"])) == (number, CARDS_MAX, False, 4)
        assert card == world.ask("ann", ask.AskCard(CATEGORY))
        assert answer(world, number % 4)["answered"] == number + 1
    assert world.ask("ann", ask.AskCard(CATEGORY))["done"]
    assert refused(world, ask.AnswerCard(CATEGORY, CARDS_MAX, 0)) == "PRF-15"


@pytest.mark.parametrize(
    ("command", "clause"),
    [
        (ask.AnswerCard(CATEGORY, 1, 0), "PRF-15"),
        (ask.AnswerCard(CATEGORY, -1, 0), "PRF-15"),
        (ask.AnswerCard(CATEGORY, 0, 4), "PRF-15"),
        (ask.AnswerCard(CATEGORY, 0, -1), "PRF-15"),
        (ask.AskCard("coffee"), "INT-1"),
        (ask.AskPreference("coffee"), "INT-1"),
        (ask.CorrectPreference(CATEGORY, "well_known", "more"), "PRF-16"),
    ],
)
def test_what_is_refused_before_the_first_card(command: Any, clause: str) -> None:
    """PRF-15, PRF-16: and nothing is kept."""
    assert refused(alone(), command) == clause


def test_what_is_no_correction() -> None:
    """PRF-16."""
    world = alone()
    answer(world)
    for name, word in (("colour", "more"), ("well_known", "much"), ("well_known", "")):
        assert refused(world, ask.CorrectPreference(CATEGORY, name, word)) == "PRF-16"


def test_who_looks_at_one_thing_is_told_so() -> None:
    """PRF-15, PRF-17."""
    found = green(alone())
    own, usual = weights(found), load(CATEGORY).priors
    assert own["renewable_percent"] > usual["renewable_percent"]
    assert any("renewable share" in one.lower() and "worth" in one for one in found["words"])
    assert "renewable share: above the usual" in found["leaves"]


def test_a_correction_survives_the_next_answer_and_can_be_taken_back() -> None:
    """PRF-16: it stands beside what was fitted and not in its place."""
    world = alone()
    before = weights(answer(world))
    world.ask("ann", ask.CorrectPreference(CATEGORY, "local_supplier", "nothing"))
    after = world.ask("ann", ask.CorrectPreference(CATEGORY, "contract_years", "more"))
    assert weights(after)["local_supplier"] == 0
    assert abs(weights(after)["contract_years"]) > abs(before["contract_years"])
    assert weights(after)["price_pence_kwh"] == before["price_pence_kwh"]
    again = answer(world, 2)
    assert weights(again)["local_supplier"] == 0
    assert [one["correction"] for one in again["attributes"] if one["correction"]] == ["1 × more", "nothing"]
    for name in ("local_supplier", "contract_years"):
        world.ask("ann", ask.CorrectPreference(CATEGORY, name, "as-chosen"))
    plain = alone()
    answer(plain)
    assert weights(world.ask("ann", ask.AskPreference(CATEGORY))) == weights(answer(plain, 2))


def test_a_correction_survives_choices_from_a_file() -> None:
    """PRF-16."""
    world = alone()
    answer(world)
    world.ask("ann", ask.CorrectPreference(CATEGORY, "well_known", "nothing"))
    one = dict.fromkeys(load(CATEGORY).priors, 0.0)
    tasks = (((one | {"well_known": 1.0}, one), 0),) * 5
    assert world.ask("ann", ask.SetPreference(CATEGORY, tasks))["weights"]["well_known"] == 0


def test_only_levels_leave_the_home() -> None:
    """PRF-5, PRF-17: an intent shows what `leaves` says, and nothing that was answered is in any record."""
    world = alone()
    found = green(world)
    world.ask("ann", like())
    body = spoken(world, "ann", "intent.1")[-1].body
    assert body["levels"] == {one["name"]: one["level"] for one in found["attributes"] if one["level"]}
    assert body["levels"]["renewable_percent"] == 1
    assert {one.kind for one in world.nodes["ann"].records.values()} == {"persona.1", "intent.1"}


def test_a_corrected_level_leaves_corrected() -> None:
    """PRF-16: who says that it does not matter shows that it does not."""
    world = alone()
    green(world)
    found = world.ask("ann", ask.CorrectPreference(CATEGORY, "renewable_percent", "nothing"))
    level = next(one["level"] for one in found["attributes"] if one["name"] == "renewable_percent")
    assert level <= 0
    world.ask("ann", like())
    assert spoken(world, "ann", "intent.1")[-1].body["levels"].get("renewable_percent", 0) == level


def test_forgetting() -> None:
    """PRF-15: begins anew with the same first card."""
    world = alone()
    first = world.ask("ann", ask.AskCard(CATEGORY))
    green(world)
    world.ask("ann", ask.CorrectPreference(CATEGORY, "well_known", "more"))
    found = world.ask("ann", ask.ForgetPreference(CATEGORY))
    assert (found["answered"], found["words"]) == (0, [])
    assert world.ask("ann", ask.AskCard(CATEGORY)) == first
    world.ask("ann", like())
    assert spoken(world, "ann", "intent.1")[-1].body["levels"] == {}


def many(count: int) -> tuple[Any, ...]:
    """Choices between four products by somebody to whom only the origin matters."""
    usual = dict.fromkeys(load(CATEGORY).priors, 0.0)
    rng = Random(5)
    made = []
    for _ in range(count):
        rows = tuple({name: float(rng.randint(0, 1)) for name in usual} for _ in range(64))
        made.append((rows, max(range(64), key=lambda at: rows[at]["local_supplier"])))
    return tuple(made)


def test_a_long_fit_goes_to_a_worker_and_the_answer_comes_later() -> None:
    """PRF-3: the same weights; a job that failed changes nothing and is answered in one sentence."""
    world = alone()
    engine, now = world.nodes["ann"].engine, world.now
    assert engine is not None
    (job,) = engine.handle(Submit(7, ask.SetPreference(CATEGORY, many(100))), now)
    assert isinstance(job, Compute)
    failed = engine.handle(Computed(job.job, None), now)
    assert [str(one.result) for one in failed if isinstance(one, Reply)] != []
    assert not any(isinstance(one, Keep) for one in failed)
    done = engine.handle(Computed(job.job, compute(job.name, job.arguments)), now)
    (reply,) = [one for one in done if isinstance(one, Reply)]
    assert reply.request == 7
    assert reply.result["weights"]["local_supplier"] > load(CATEGORY).priors["local_supplier"]
    assert any(isinstance(one, Keep) and one.name == f"preference/{CATEGORY}" for one in done)
    short = engine.handle(Submit(8, ask.SetPreference(CATEGORY, many(9))), now)
    assert not any(isinstance(one, Compute) for one in short)


@pytest.mark.parametrize("answers", [[0] * CARDS_MAX, [3, 1, 0, 2, 2], []])
def test_any_answers_do(answers: list[int]) -> None:
    """PRF-15: whoever answers at random, or always the same, gets weights that are numbers."""
    world = alone()
    for chosen in answers:
        answer(world, chosen)
    found = world.ask("ann", ask.AskPreference(CATEGORY))
    assert found["answered"] == len(answers)
    assert all(abs(one["weight"]) < 1e3 for one in found["attributes"])
    assert bool(found["words"]) == bool(answers)
