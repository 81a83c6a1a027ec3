"""A council under an adaptive opponent: never two answers, always one; and what happens without each rule.

Every failure names the seed. Each control is the same opponent with one rule taken away: without them "no violation"
would say nothing.
"""

from __future__ import annotations

import pytest

from protocol.coop.decision import Council, Witness
from tests.sim.council import SOUND, Chamber, Rules

STEPS = 1_500
SEARCH = 1_500  # seeds among which a control must find its violation
SIZES = ((4, 1), (5, 1), (7, 2), (10, 3))


class Majority(Council):
    """A quorum of more than half."""

    @property
    def quorum(self) -> int:
        return len(self.witnesses) // 2 + 1


class Unlocked(Witness):
    """A witness that forgets what it precommitted to."""

    def _locked(self, docket: object) -> None:
        return None


def outcome(seed: int, size: int, hostile: int, rules: Rules = SOUND) -> str:
    """How a run ended: "fork" (two certified values), "stall" (somebody has none), "twice" or "fine"."""
    chamber = Chamber(seed, size, hostile, rules)
    answered = chamber.run(STEPS)
    if len(chamber.certified()) > 1:
        return "fork"
    return "twice" if chamber.twice else "fine" if answered else "stall"


def first(kind: str, size: int, hostile: int, rules: Rules = SOUND) -> int | None:
    """The first seed whose run ends that way."""
    return next((seed for seed in range(SEARCH) if outcome(seed, size, hostile, rules) == kind), None)


@pytest.mark.parametrize(("size", "hostile"), SIZES)
def test_never_two_answers_and_always_one(size: int, hostile: int) -> None:
    """DEC-1, DEC-5, DEC-7, DEC-8: a thousand runs in all, with loss, two deaf sides, restarts and up to f adaptive
    equivocators; after healing all answer."""
    ended = {seed: outcome(seed, size, hostile) for seed in range(1_000 // len(SIZES))}
    assert {seed: how for seed, how in ended.items() if how != "fine"} == {}


@pytest.mark.long
@pytest.mark.timeout(3_000)
def test_ten_thousand_councils() -> None:
    """The same, by hand and at length."""
    for size, hostile in SIZES:
        ended = {seed: outcome(seed, size, hostile) for seed in range(2_500)}
        assert {seed: how for seed, how in ended.items() if how != "fine"} == {}, (size, hostile)


@pytest.mark.parametrize(("size", "hostile"), [(5, 1), (7, 2)])
def test_a_majority_is_no_quorum(size: int, hostile: int) -> None:
    """DEC-1: with more than half instead of more than two thirds, f equivocators fork a council."""
    assert first("fork", size, hostile, Rules(council=Majority)) is not None


def test_more_than_f_fork() -> None:
    """DEC-1: the bound is sharp."""
    assert first("fork", 4, 2) is not None


def test_without_the_lock_it_forks() -> None:
    """DEC-5: a witness that may change its mind lets the next round certify another value."""
    assert first("fork", 4, 1, Rules(witness=Unlocked)) is not None


def test_who_speaks_before_it_commits_forks() -> None:
    """DEC-6: a witness that lost its own votes in a crash signs again, and that is one fault too many."""
    assert first("fork", 4, 1, Rules(forgets=True)) is not None


def test_a_duty_on_proposals_made_again_stalls() -> None:
    """DEC-18: judged by the duty of omission again, a value with a lock on it can be refused for ever."""
    assert first("stall", 4, 1, Rules(duty_always=True)) is not None
