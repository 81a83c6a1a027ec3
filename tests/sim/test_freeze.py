"""A stolen device, and the twelve words at a friend's: what the freeze stops. Spec: 02-identity, IDN-26, IDN-33.

The control: without the freeze the thief's words are taken.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol import commands as ask
from protocol.errors import CommandError
from protocol.identity import Persona, recovery_hash
from protocol.record.record import Record, Slot
from tests.sim.test_home import world_of
from tests.sim.world import NETWORK, World

MINUTE = 60_000
SAFE = Persona.from_seed(b"\x0f" * 32)


def wish(world: World, name: str, region: str = "any") -> None:
    """One would like electricity."""
    command = ask.AddIntent(region, "electricity", region, 300, 0, 9_000, "exploring", world.now + 10**9)
    world.ask(name, command)


def held(world: World, name: str, region: str, author: bytes) -> bool:
    """Whether a node has somebody's wish on a board."""
    return any(
        one.kind == "intent.1" and one.author == author and one.scope.endswith(region)
        for one in world.nodes[name].records.values()
    )


@pytest.mark.parametrize("frozen", [True, False])
def test_a_thief_is_stopped_from_a_friends_node(frozen: bool) -> None:
    """IDN-26, IDN-33: bob gets the freeze from relays, takes nothing new, and keeps what there was."""
    world = world_of(21)
    ann, stolen = world.nodes["ann"], world.nodes["ann"].persona
    ann.settings = replace(ann.settings, recovery={stolen.key: recovery_hash(stolen.key, SAFE.key)})
    world.crash("ann")
    world.start("ann")
    for region in ("any", "u10"):
        world.ask("bob", ask.Watch("electricity", region))
    wish(world, "ann")
    world.run(MINUTE)
    for name in ("bob", "cat"):
        found = world.ask(name, ask.AskRecovery(stolen.key))
    world.run(MINUTE)
    found = world.ask("cat", ask.AskRecovery(stolen.key))
    assert found["first"], "cat found the first record at the relays"
    if frozen:
        freeze = Record.sign(
            SAFE,
            NETWORK,
            "freeze.1",
            found["scope"],
            {"first": found["first"]},
            created=world.now,
            expires=world.now + 10**10,
            slot=Slot("once", "freeze", 0),
            refs=(),
        )
        world.ask("cat", ask.HandIn(freeze.raw))
        world.run(MINUTE)
        assert world.ask("bob", ask.AskRecovery(stolen.key))["frozen"] == freeze.header.created
        with pytest.raises(CommandError, match="IDN-33"):
            wish(world, "ann", "u10")  # her own device has heard of it too
        del world.nodes["ann"].engine._core.frozen[stolen.key]  # type: ignore[union-attr]  # the thief's does not care
        world.nodes["ann"].engine._core.contexts.pop(found["scope"])  # type: ignore[union-attr]
    wish(world, "ann", "u10")
    world.run(2 * MINUTE)
    assert held(world, "bob", "any", stolen.key), "what was there before stays"
    assert held(world, "bob", "u10", stolen.key) is not frozen
