"""The lock, model-checked on the product's own code: no course ends in two answers, from everywhere one is reached.

Each control is the same search with one rule taken away; it prints the course that it found.
"""

from __future__ import annotations

import pytest

from protocol.coop.decision import Council, Witness
from tests.sim.lock import Search

HEALED_EVERY = 150  # of the states reached, so many apart are healed


class Half(Council):
    """A quorum of half."""

    @property
    def quorum(self) -> int:
        return len(self.witnesses) // 2


class Unlocked(Witness):
    """A witness that forgets what it precommitted to."""

    def _locked(self, docket: object) -> None:
        return None


@pytest.mark.parametrize("first", [0, 2, 3], ids=["no liar proposes", "a liar second", "a liar first"])
def test_every_course_of_two_rounds(first: int) -> None:
    """DEC-1, DEC-5, DEC-7: four witnesses, one a liar, two values, every order of arrival, every time-out."""
    search = Search(rounds=2, first=first)
    found = search.run()
    assert found.fork == []
    assert found.states > 20_000  # the search is one; a rule that stops it early would show here
    stalled = [state for state in list(search.came)[::HEALED_EVERY] if not search.heals(state)]
    assert stalled == []


@pytest.mark.parametrize(
    "search",
    [
        Search(bad=2, rounds=1, first=3),
        Search(council=Half, rounds=1, first=3),
        Search(witness=Unlocked, first=2),
        Search(forgets=True, rounds=1, first=3),
    ],
    ids=["one liar more", "half is a quorum", "no lock", "signed and forgotten"],
)
def test_without_the_rule_some_course_forks(search: Search) -> None:
    """DEC-1, DEC-5, DEC-6: the bound, the quorum, the lock and the memory are each needed."""
    found = search.run()
    assert found.fork
    print(*found.fork, sep="\n")
