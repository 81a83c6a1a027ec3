"""Left over, and then: wider boards, near ones first, and nobody left behind for ever (05-formation, FRM-9, FRM-15)."""

from dataclasses import replace
from typing import Any

import pytest

from protocol import commands as ask
from protocol.engine.coop.board import entries
from protocol.engine.coop.ladder import board_above, within
from protocol.errors import CommandError
from protocol.events import RecordReceived
from protocol.identity import Persona
from protocol.record.record import Record, Slot
from tests.sim.town import EPOCH_MS, short_template
from tests.sim.world import NETWORK, World

HOUR = 3_600_000
TEMPLATE = replace(short_template(least=4), most=9)


def town(*names: str) -> World:
    """A relay, and homes that know each other by it only."""
    world = World(3, [TEMPLATE])
    world.add("relay", "relay")
    for name in names:
        world.add(name, "home", ["relay"])
    world.run(500)
    return world


def like(world: World, who: str, region: str, **more: Any) -> None:
    said = ask.AddIntent("power", "electricity", region, 3, 0, 100, "ready", world.now + 10 * HOUR)
    world.ask(who, replace(said, **more))


def stands(world: World, name: str) -> str:
    (row,) = world.ask(name, ask.AskIntents())
    return str(row["region"])


def asked(world: World, name: str) -> list[dict[str, Any]]:
    return [one for one in world.ask(name, ask.AskNeeds()) if one["kind"] in ("widen", "wait")]


def epochs(world: World, count: int) -> None:
    """On to just before the end of an epoch."""
    end = (world.now // EPOCH_MS + count) * EPOCH_MS + EPOCH_MS - 1_000
    world.run(end - world.now)


def test_boards_above() -> None:
    """FRM-16: a letter less each time, then everywhere; a name that is no geohash goes there at once."""
    assert [board_above(one) for one in ("u10hb", "u1", "u", "north", "any")] == ["u10h", "u", "any", "any", ""]
    assert within("u10h", "u1")
    assert within("u10h", "any")
    assert not within("u1", "u10")
    assert not within("any", "a")


def test_the_left_over_of_two_quarters_meet_one_board_up() -> None:
    """FRM-15, FRM-17, FRM-18: three go by themselves, the fourth is asked; then they found, and the board knows where
    each is at home."""
    world = town("ann", "ben", "cat", "dan")
    names = ("ann", "ben", "cat", "dan")
    for name, region, reach in zip(names, ("u10h", "u10h", "u10j", "u10j"), ("u10", "any", "u10", ""), strict=True):
        like(world, name, region, reach=reach)
    epochs(world, 1)
    assert [stands(world, name) for name in names] == ["u10", "u10", "u10", "u10j"]
    (need,) = asked(world, "dan")
    assert (need["kind"], need["name"]) == ("widen", "power")
    assert "no 4 people in u10j, about 40 km across at the last round, 1 ready there now" in need["says"]
    assert "3 more are ready in u10, about 160 km across" in need["says"]
    assert not any(asked(world, name) for name in ("ann", "ben", "cat"))
    world.ask("dan", ask.WidenIntent("power"))
    assert stands(world, "dan") == "u10"
    assert world.run(4 * EPOCH_MS, lambda: all(world.ask(one, ask.AskCoops()) for one in names))
    (coop,) = world.ask("dan", ask.AskCoops())
    (charter,) = [one for one in world.nodes["dan"].records.values() if one.kind == "charter.1"]
    assert (len(charter.body["listed"]), charter.body["region"]) == (4, "u10")
    (row,) = world.ask("dan", ask.AskIntents())
    assert (row["near"], row["coop"]) == ("u10j", coop["id"].hex())


def test_who_is_alone_reaches_the_widest_board_and_waits_there() -> None:
    """FRM-17: one board an epoch, no further than allowed; on the widest, the member is told and nothing more."""
    world = town("ann", "ben")
    like(world, "ann", "u1", reach="any")
    like(world, "ben", "u1", reach="u")
    for _ in range(4):
        epochs(world, 1)
    assert [stands(world, name) for name in ("ann", "ben")] == ["any", "u"]
    assert [one["kind"] for one in asked(world, "ann")] == ["wait"]
    assert [one["kind"] for one in asked(world, "ben")] == ["widen"]
    with pytest.raises(CommandError, match="widest"):
        world.ask("ann", ask.WidenIntent("power"))


def test_nobody_starves_when_all_may_reach_everywhere() -> None:
    """FRM-9, FRM-17: four people in four corners of the world are together after a letter an epoch and one more."""
    world, names = town("ann", "ben", "cat", "dan"), ("ann", "ben", "cat", "dan")
    for name, region in zip(names, ("u10", "9q8", "xn7", "any"), strict=True):
        like(world, name, region, reach="any")
    assert world.run(7 * EPOCH_MS, lambda: all(world.ask(one, ask.AskCoops()) for one in names))
    assert {stands(world, name) for name in names} == {"any"}


def test_on_a_wide_board_the_near_come_first() -> None:
    """FRM-9, FRM-15: `near` is where the ladder begins; a stranger's that lies elsewhere counts as none."""
    world = town("ann")
    like(world, "ann", "u1", near="u10hb")
    like(world, "ann", "any", near="north-7", name="other")
    node = world.nodes["ann"]
    (said,) = (one for one in node.records.values() if one.scope == "board/electricity/u1")
    stranger = Persona.from_seed(bytes(32))
    elsewhere = Record.sign(
        stranger, NETWORK, "intent.1", said.scope, {**said.body, "near": "u20"}, created=said.header.created,
        expires=said.header.expires, slot=Slot("latest", "power", 0),
    )  # fmt: skip
    world.handle("ann", RecordReceived(elsewhere, ""))
    assert node.engine is not None
    core = node.engine._core
    boards = [core.contexts[f"board/electricity/{region}"] for region in ("u1", "any")]
    homes = [["".join(e.block[1:-1]) for e in entries(core, one, TEMPLATE, world.now + 1)] for one in boards]
    assert [sorted(one) for one in homes] == [["u1", "u10hb"], ["north-7"]]


@pytest.mark.parametrize(("more", "clause"), [
    ({"near": "u20"}, "FRM-15"), ({"near": "u10"}, "FRM-15"), ({"near": "U10H"}, "FRM-15"),
    ({"near": "u10\n"}, "REC-11"), ({"reach": "u2"}, "FRM-17"),
])  # fmt: skip
def test_what_is_refused(more: dict[str, str], clause: str) -> None:
    """FRM-15, FRM-17: nothing is said, and nothing kept."""
    world = town("ann")
    with pytest.raises(CommandError) as caught:
        like(world, "ann", "u10", **more)
    assert caught.value.code == clause
    assert not world.ask("ann", ask.AskIntents())
    assert not [one for one in world.nodes["ann"].facts if one.startswith(("reach/", "intent/"))]
