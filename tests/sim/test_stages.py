"""Whoever falls silent or plays false, at whatever stage: the others come to an end, and all alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from protocol import commands as ask
from protocol.events import Event, RecordReceived
from tests.sim.adversary import NEGOTIATORS_DO, Adversaries
from tests.sim.safety import Safety
from tests.sim.town import Town
from tests.sim.world import TIMES

STAGES = (
    "called forming gathering balloting counting elected mandated"
    " asked quoted revealed awarded agreed countersigned".split()
)
END_MS = 600_000


def reached(town: Town, name: str, stage: str) -> Callable[[], bool]:
    """Whether a member's own node shows a co-op at this stage or beyond."""

    def look() -> bool:
        shown = [one["state"] for one in town.world.ask(name, ask.AskCoops())]
        return any(state in STAGES and STAGES.index(state) >= STAGES.index(stage) for state in shown)

    return look


def ends(town: Town, safety: Safety) -> None:
    """All co-ops that anybody up knows come to an end, and every scope to one digest."""
    assert town.live(END_MS, town.settled), {name: town.coops(name) for name in town.members}
    town.live(20_000, lambda: False)
    assert town.converged() == []
    safety.check_views()
    safety.check_disks()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("who", ["witness", "founder", "member"])
def test_a_member_leaves_without_a_word(stage: str, who: str) -> None:
    """FRM-21, NEG-41: one of six is gone for ever, from this stage on."""
    town = Town(51)
    safety = Safety(town.world)
    town.open()
    assert town.live(END_MS, reached(town, "m0", stage))
    coop = max(town.world.ask("m0", ask.AskCoops()), key=lambda one: one["members"])
    detail = town.world.ask("m0", ask.AskCoop(coop["id"]))
    witnesses, founder = detail["charter"]["witnesses"], detail["founder"]
    key = {node.persona.key: name for name, node in town.world.nodes.items()}
    sort = {
        "founder": [founder],
        "witness": [one for one in witnesses if one != founder],
        "member": [one for one in key if key[one] in town.members and one not in witnesses],
    }
    gone = key[sort[who][0]]
    town.silent[gone] = None
    town.world.crash(gone)
    ends(town, safety)


@pytest.mark.parametrize("stage", STAGES[STAGES.index("mandated") :])
def test_the_negotiator_goes_dark(stage: str) -> None:
    """ELE-32: before the request the next in line takes over; from the request on nobody needs a negotiator."""
    town = Town(64)
    safety = Safety(town.world)
    town.open()
    assert town.live(END_MS, reached(town, "m2", stage))
    negotiator = town.coops("m2")[0]["negotiator"]
    gone = next(name for name in town.members if town.world.nodes[name].persona.key == negotiator)
    town.silent[gone] = None
    town.world.crash(gone)
    ends(town, safety)
    assert [one["state"] for one in town.coops("m2")] != ["void"]


def test_a_council_that_is_gone_ends_with_its_charter() -> None:
    """FRM-21: with more than f witnesses silent nothing can be decided; the co-op is over when its charter is."""
    town = Town(52, times=TIMES | {"retention_ms": 200_000})
    safety = Safety(town.world)
    town.open()
    assert town.live(END_MS, reached(town, "m0", "balloting"))
    coop = town.coops("m0")[0]
    key = {node.persona.key: name for name, node in town.world.nodes.items()}
    witnesses = [key[one] for one in town.world.ask("m0", ask.AskCoop(coop["id"]))["charter"]["witnesses"]]
    for name in [one for one in witnesses if one != "m0"][:2]:
        town.silent[name] = None
        town.world.crash(name)
    town.live(60_000, lambda: False)
    assert not town.settled()
    ends(town, safety)
    assert [one["state"] for one in town.world.ask("m0", ask.AskCoops()) if one["id"] == coop["id"]] == ["void"]


def play_false(seed: int, names: tuple[str, ...], does: str) -> Safety:
    """A town in which these play false to everybody, until all who play fair are at an end."""
    town = Town(seed)
    town.hostile = names
    safety = Safety(town.world, names)
    for name in names:
        town.world.nodes[name].dials += [one for one in town.members if one != name]
        town.world.start(name)
    town.open()
    Adversaries(town.world, dict.fromkeys(names, (does,)))
    assert town.live(END_MS, partial(honest_settled, town)), seed
    safety.check_views()
    return safety


def honest_settled(town: Town) -> bool:
    """`Town.settled` of those who play fair."""
    town.silent |= dict.fromkeys(town.hostile)
    found = town.settled()
    for name in town.hostile:
        del town.silent[name]
    return found


@pytest.mark.parametrize("does", NEGOTIATORS_DO)
def test_a_negotiator_who_plays_false(does: str) -> None:
    """ELE-32, ELE-33: no request, no mention, two, or an unending one: it ends, by the next in line if need be."""
    for seed in (53, 54, 55):
        play_false(seed, ("m0",), does)


@pytest.mark.parametrize("does", NEGOTIATORS_DO)
def test_nobody_in_line_plays_fair(does: str) -> None:
    """ELE-32: both who stood play false, one after the other: that is an end too."""
    play_false(53, ("m0", "m1"), does)


def test_who_floods_a_round_with_proposals_hides_nothing() -> None:
    """DEC-6: the cap on a slot must not keep the bytes of a certified value from anybody."""
    for seed in (56, 57, 58):
        play_false(seed, ("m0", "m1"), "many proposals")


def test_a_founder_who_signs_the_charter_again_and_again() -> None:
    """FRM-20, GOS-6: other stamps, other ends, more than a slot holds: nobody's co-op ends early, or in two halves."""
    for seed in (72, 73, 74):
        play_false(seed, ("m0", "m2", "m4"), "many charters")


def test_who_is_left_out_is_free_again() -> None:
    """FRM-11, FRM-27: a join that came too late leaves its member free; with three newcomers it is a co-op of four."""
    town = Town(63)
    world = town.world
    late = world.nodes["m5"].persona.key

    def lose_join(sender: str, receiver: str, event: Event) -> list[Event]:
        lost = isinstance(event, RecordReceived) and event.record.kind == "join.1" and event.record.author == late
        return [] if lost and world.now < world_opened + 60_000 else [event]

    town.open()
    world_opened = world.now
    world.tamper = lose_join
    assert town.live(END_MS, town.agreed)
    assert not town.coops("m5")
    for name in ("m6", "m7", "m8"):
        world.add(name, "home", ("relay",))
        town.would_like(name)
        town.members.append(name)
    town.standing = (*town.standing, "m7")
    assert town.live(END_MS, lambda: any(one["state"] == "countersigned" for one in town.coops("m5")))
    assert town.coops("m5")[0]["members"] == 4
