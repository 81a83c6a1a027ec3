"""A member's device dies and comes back from an old backup, or a backup is restored beside its running twin (KEP)."""

from __future__ import annotations

import pytest

from tests.sim.keeping import TWIN, Return

SEEDS = 3


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_restored_device_never_signs_twice(seed: int) -> None:
    """KEP-11, KEP-12, KEP-14: whenever it was backed up, died and came back, and the town's co-op comes to an end."""
    run = Return(seed, twin=False)
    run.go()
    assert not run.doubles(), (seed, run.doubles())
    assert run.state(run.victim) == "restored", seed
    assert run.town.settled(), seed


@pytest.mark.long
@pytest.mark.timeout(6_000)
@pytest.mark.parametrize("twin", [False, True])
def test_many_more_seeds(twin: bool) -> None:
    """The same, by hand and at length."""
    for seed in range(SEEDS, 60):
        run = Return(seed, twin=twin)
        run.go()
        assert not run.doubles(), (seed, run.doubles())
        assert run.state(run.victim) == ("stopped" if twin else "restored"), seed


def test_without_abstaining_it_would() -> None:
    """KEP-14, the control: whose person says that nothing was signed since, though it was, signs a commitment twice."""
    run = Return(3, twin=False, sure=True)
    run.go()
    assert any(one.startswith("commitment.1") for one in run.doubles())


@pytest.mark.parametrize("seed", range(SEEDS))
def test_of_twins_one_stops_and_none_signs_twice(seed: int) -> None:
    """KEP-12, KEP-15: yesterday's backup restored beside the running twin, which hears of it and stops."""
    run = Return(seed, twin=True)
    run.go()
    assert not run.doubles(), (seed, run.doubles())
    assert run.state(run.victim) == "stopped", seed
    assert run.state(TWIN) in ("restored", "stopped"), seed
