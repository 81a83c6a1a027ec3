"""A co-op by hand whose charter wants candidates that others stand by (07-election, ELE-34 to ELE-37)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import commands as ask
from protocol.errors import CommandError
from tests.sim.world import World
from tests.test_membership import found, hand_made, invite, kinds, view


def join_all(world: World, coop: bytes, *names: str) -> None:
    for name in names:
        world.ask(name, ask.JoinCoop(coop, "power", token=invite(world, coop)))
        world.run(1_000)


def stand(world: World, name: str, coop: bytes) -> Any:
    return world.ask(name, ask.Stand(coop, 0, ("none",), "I can count."))


def test_who_nobody_stands_by_cannot_stand_and_who_is_vouched_for_can() -> None:
    """ELE-36, ELE-37: the node attaches the vouch by itself, and everybody counts it alike."""
    world = hand_made("anna", "ben", "cleo")
    admits = {"outcomes": 0, "vouches": 1, "newcomers": 9, "elect_newcomers": 1}
    coop = found(world, risk="lowest", admits=admits)
    join_all(world, coop, "ben", "cleo")
    ben = world.nodes["ben"].persona.key
    world.ask("cleo", ask.Vouch(ben))
    world.run(25_000)
    assert view(world, "anna", coop).state == "gathering"
    stand(world, "ben", coop)
    with pytest.raises(CommandError, match="ELE-36"):
        stand(world, "anna", coop)
    (said,) = kinds(world, "ben", "nomination.1")
    assert [one.author for one in kinds(world, "ben", "vouch.1")] == [world.nodes["cleo"].persona.key]
    assert len(said.body["evidence"]) == 1
    for name in ("anna", "ben", "cleo"):
        world.ask(name, ask.Pledge(coop, 3, 0, 1, 40))
    world.run(15_000)
    for name in ("anna", "ben", "cleo"):
        (row,) = world.ask(name, ask.AskCoop(coop))["candidates"]
        assert (row["key"], row["vouches"], row["outcomes"], row["newcomer"]) == (ben, 1, 0, False)
    needs = [one for one in world.ask("anna", ask.AskNeeds()) if one["kind"] == "vote"]
    assert [one["vouches"] for one in needs[0]["candidates"]] == [1]
    assert needs[0]["candidates"][0]["standing"] == 0.0


def test_newcomers_beyond_f_stay_out_of_a_roster_above_the_lowest_risk() -> None:
    """ELE-35, ELE-36: with one witness f is 0; Ben and Dora have a vouch, Cleo has none; all compute one roster."""
    world = hand_made("anna", "ben", "cleo", "dora")
    coop = found(world, risk="low")
    for name in ("ben", "dora"):
        world.ask("anna", ask.Vouch(world.nodes[name].persona.key))
    world.run(2_000)
    join_all(world, coop, "ben", "cleo", "dora")
    world.run(25_000)
    keys = sorted(world.nodes[name].persona.key for name in ("ben", "dora"))
    for name in ("anna", "ben", "cleo", "dora"):
        assert sorted(view(world, name, coop).keys) == keys


def test_in_the_lowest_class_anybody_may() -> None:
    """ELE-35: the control."""
    world = hand_made("anna", "ben")
    coop = found(world)
    join_all(world, coop, "ben")
    world.run(25_000)
    assert len(view(world, "anna", coop).keys) == 2
    assert stand(world, "ben", coop)
