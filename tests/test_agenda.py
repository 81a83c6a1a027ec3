"""The agenda of scopes: the earliest time, and how much work that is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.engine.agenda import Agenda

STEPS = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 9)) | st.integers(0, 9), max_size=60)


@given(STEPS)
def test_the_earliest_time_is_that_of_a_plain_table(steps: list[tuple[str, int | None] | int]) -> None:
    """Whatever is set, changed and taken."""
    agenda, plain = Agenda(), dict[str, int]()
    for step in steps:
        if isinstance(step, int):
            taken = agenda.take(step)
            assert sorted(taken) == sorted(scope for scope, when in plain.items() if when <= step)
            assert [plain[scope] for scope in taken] == sorted(plain[scope] for scope in taken)
            plain = {scope: when for scope, when in plain.items() if when > step}
        else:
            scope, when = step
            agenda.set(scope, when)
            plain.pop(scope, None)
            if when is not None:
                plain[scope] = when
        assert agenda.first == min(plain.values(), default=None)


class Counted(int):
    """A time that counts how often it is compared."""

    count = 0

    def __lt__(self, other: int) -> bool:
        Counted.count += 1
        return int(self) < int(other)


def test_asking_costs_nothing_however_many_scopes_wait() -> None:
    """Ten thousand scopes: asking for the first compares nothing, moving one compares a few, memory stays bounded."""
    agenda = Agenda()
    for number in range(10_000):
        agenda.set(f"board/a/{number}", Counted(number * 7919 % 10_007))
    Counted.count = 0
    for _ in range(1000):
        assert agenda.first == 0
    assert Counted.count == 0
    for number in range(1000):
        agenda.set("board/a/5", Counted(20_000 + number))
    assert Counted.count < 1000 * 20
    for number in range(100_000):
        agenda.set("board/a/6", Counted(number))
    assert len(agenda._heap) <= 2 * 10_000 + 64
