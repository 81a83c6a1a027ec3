"""A home that sleeps, and relays that hide things: what two say together hides nothing. Spec: 03-gossip, GOS-61 to 65.

Each promise has its control: with one relay the omission shows, and without the delay the moment does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from protocol import commands as ask
from protocol.events import Event, MessageReceived, RecordReceived
from protocol.network.gossip import Subscribe, Sync, parse_message
from tests.sim.town import short_template
from tests.sim.world import Arriving, World

DAY_MS = 86_400_000
MINUTE = 60_000


def world_of(seed: int, relays: Sequence[str] = ("r0", "r1"), delay_ms: int = 0) -> World:
    """Two relays, ann and cat who keep to both, and bob who keeps to `relays`."""
    world = World(seed, [short_template()])
    for name in ("r0", "r1"):
        world.add(name, "relay")
    for name in ("ann", "cat"):
        world.add(name, relays=("r0", "r1"), delay_ms=delay_ms)
    world.add("bob", relays=relays)
    world.run(1_000)
    return world


def wish(world: World, name: str, region: str = "any") -> None:
    """One would like electricity."""
    ready_by = world.now + 30 * DAY_MS
    world.ask(name, ask.AddIntent("power", "electricity", region, 300, 0, 9_000, "ready", ready_by, ("basic",)))


def censor(world: World, relay: str, author: bytes) -> None:
    """The relay serves everything but what one author says: it acts as if it had never come."""

    def tamper(sender: str, receiver: str, event: Event) -> Sequence[Arriving]:
        hidden = receiver == relay and isinstance(event, RecordReceived) and event.record.author == author
        return [] if hidden else [event]

    world.tamper = tamper


def authors(world: World, name: str) -> set[bytes]:
    """Whose wishes a node holds."""
    return {one.author for one in world.nodes[name].records.values() if one.kind == "intent.1"}


@pytest.mark.parametrize(("relays", "hidden"), [(("r0", "r1"), False), (("r1", "r0"), False), (("r0",), True)])
def test_after_a_sleep_two_relays_together_hide_nothing(relays: tuple[str, ...], hidden: bool) -> None:
    """GOS-63: bob sleeps while ann and cat speak; r0 passes over ann. The control trusts r0 alone."""
    world = world_of(7, relays)
    world.ask("bob", ask.Watch("electricity", "any"))
    censor(world, "r0", world.nodes["ann"].persona.key)
    world.run(MINUTE)
    world.crash("bob")
    wish(world, "ann")
    wish(world, "cat")
    world.run(10 * MINUTE)
    world.start("bob")
    world.run(MINUTE)
    assert world.nodes["cat"].persona.key in authors(world, "bob")
    assert (world.nodes["ann"].persona.key not in authors(world, "bob")) is hidden
    told = world.ask("bob", ask.AskPeers())
    assert told["fresh"] is True
    assert told["operators"] == len(relays), "and that there is only one is said"


def test_while_awake_one_censor_hides_nothing_either() -> None:
    """GOS-63: in the broadcast."""
    world = world_of(8)
    world.ask("bob", ask.Watch("electricity", "any"))
    censor(world, "r0", world.nodes["ann"].persona.key)
    world.run(1_000)
    wish(world, "ann")
    world.run(2_000)
    assert world.nodes["ann"].persona.key in authors(world, "bob")


def test_a_home_asks_for_its_own_scopes_alone() -> None:
    """GOS-64: nothing that passes names another scope, and nothing of another comes."""
    world = world_of(9)
    named: dict[str, None] = {}
    came: dict[str, None] = {}

    def listen(sender: str, receiver: str, event: Event) -> Sequence[Arriving]:
        if sender == "bob" and isinstance(event, MessageReceived):
            message: Any = parse_message(event.message)
            match message:
                case Subscribe(scopes):
                    named.update(dict.fromkeys(scopes))
                case Sync(scope, _):
                    named[scope] = None
        if receiver == "bob" and isinstance(event, RecordReceived):
            came[event.record.scope] = None
        return [event]

    world.tamper = listen
    world.ask("bob", ask.Watch("electricity", "any"))
    wish(world, "ann")
    wish(world, "cat", "far")
    world.run(3 * MINUTE)
    scopes = {name: set(node.engine.scopes()) for name, node in world.nodes.items() if node.engine is not None}
    assert set(named) <= scopes["bob"]
    assert set(came) <= scopes["bob"]
    assert "board/electricity/any" in came
    assert "board/electricity/far" in scopes["cat"]


@pytest.mark.parametrize("delay_ms", [0, 60_000])
def test_what_a_person_signs_leaves_a_little_later(delay_ms: int) -> None:
    """GOS-65: committed at once, published within the delay; the control without it speaks at once."""
    world = world_of(10, delay_ms=delay_ms)
    world.run(MINUTE)
    left: list[int] = []

    def listen(sender: str, receiver: str, event: Event) -> Sequence[Arriving]:
        if sender == "ann" and isinstance(event, RecordReceived) and event.record.kind == "intent.1":
            left.append(world.now)
        return [event]

    world.tamper = listen
    said = world.now
    wish(world, "ann")
    assert authors(world, "ann") == {world.nodes["ann"].persona.key}, "on the disk"
    world.run(2 * MINUTE)
    assert (left[0] == said) is (delay_ms == 0)
    assert said <= left[0] <= said + delay_ms
    assert authors(world, "r0") == authors(world, "r1") == authors(world, "ann")


def test_what_is_held_back_survives_a_crash() -> None:
    """GOS-65, GOS-5: it is on the disk, and reconciled at the next start."""
    world = world_of(11, delay_ms=DAY_MS)
    world.run(MINUTE)
    wish(world, "ann")
    world.crash("ann")
    world.run(1_000)
    assert authors(world, "r0") == set()
    world.start("ann")
    world.run(2 * MINUTE)
    assert authors(world, "r0") == {world.nodes["ann"].persona.key}


def test_what_is_said_in_one_scope_leaves_in_order() -> None:
    """GOS-65: a later word does not overtake an earlier one."""
    world = world_of(12, delay_ms=20_000)
    order: list[bytes] = []
    came: list[bytes] = []
    world.watchers.append(
        lambda node, record, own, event: (
            order.append(record.id)
            if own and node.name == "ann" and record.kind == "intent.1"
            else came.append(record.id)
            if node.name == "r0" and record.kind == "intent.1"
            else None
        )
    )
    for _ in range(5):
        wish(world, "ann")
        world.run(1_500)
    world.run(MINUTE)
    assert order[-1] == came[-1]
    assert [one for one in order if one in came] == came
