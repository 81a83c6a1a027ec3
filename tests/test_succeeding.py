"""Co-ops that follow others (05-formation, FRM-37 to FRM-40): split, merged, founded anew, and nobody moved unasked."""

from __future__ import annotations

from typing import Any

from protocol import commands as ask
from protocol.coop.charter import successor_in
from protocol.engine.context import has_say
from protocol.record.record import Record, Slot
from tests.sim.world import NETWORK, World
from tests.test_leaving import NAMES, key, together, until
from tests.test_membership import found, hand_made, invite, kinds, refused, view


def follow(world: World, name: str, *before: bytes, **more: Any) -> bytes:
    """Found a co-op that follows these."""
    fields: dict[str, Any] = {"intent": "power", "purpose": "On we go", "least": 2, "most": 5, "preset": "simulated"}
    reply = world.ask(name, ask.FoundCoop(**fields | {"fee_max_minor": 0, "before": before} | more))
    coop: bytes = reply["coop"]
    return coop


def asked(world: World, name: str) -> list[bytes]:
    """The successors that wait for this member's word."""
    return [one["successor"] for one in world.ask(name, ask.AskNeeds()) if one["kind"] == "succeed"]


def test_a_part_goes_on_by_itself() -> None:
    """FRM-37 to FRM-39: Anna and Ben split off; Cleo is not asked, Dora is and stays."""
    world, old = together(*NAMES)
    until(world, old, "gathering")
    listed = tuple(key(world, name) for name in ("ben", "dora"))
    new = follow(world, "anna", old, listed=listed)
    world.run(2_000)
    assert [asked(world, name) for name in NAMES] == [[], [new], [], [new]]
    world.ask("ben", ask.JoinCoop(new, "power"))
    for name in ("cleo", "dora"):
        world.ask(name, ask.Pledge(old, 3, 0, 1, 30))
        world.ask(name, ask.Stand(old, 0, (), ""))
    assert view(world, "cleo", old).left == ()  # not before the new roster is certified
    until(world, new, "gathering", "anna", "ben")
    for name in ("cleo", "dora"):
        world.ask(name, ask.Vote(old, ((key(world, "cleo"),),)))
    until(world, old, "mandated", "cleo", "dora")
    seen = view(world, "cleo", old)
    assert set(seen.left) == {key(world, "anna"), key(world, "ben")}
    assert list(seen.keys) == sorted((key(world, "cleo"), key(world, "dora")))


def test_several_go_on_as_one() -> None:
    """FRM-37, FRM-38: Anna's and Cleo's co-ops merge: Cleo, who hears of it by an invitation, shows it in hers."""
    world = hand_made("anna", "ben", "cleo", "dora")
    first = found(world)
    world.ask("ben", ask.JoinCoop(first, "power", token=invite(world, first)))
    fields: dict[str, Any] = {"intent": "power", "purpose": "Power", "least": 2, "most": 5, "preset": "simulated"}
    second = world.ask("cleo", ask.FoundCoop(**fields, fee_max_minor=0))["coop"]
    token = world.ask("cleo", ask.Invite(second, world.now + 15_000))["tokens"][0]
    world.ask("dora", ask.JoinCoop(second, "power", token=token))
    until(world, first, "gathering", "anna", "ben")
    until(world, second, "gathering", "cleo", "dora")
    new = follow(world, "anna", first, second)
    token = world.ask("anna", ask.Invite(new, world.now + 15_000, 5))["tokens"][0]
    assert refused(world, "cleo", ask.ProposeCoop(second, new, token)) == "FRM-38"  # before its charter is here
    world.ask("cleo", ask.JoinCoop(new, "power", token=token))
    assert world.run(5_000, lambda: bool(kinds(world, "cleo", "charter.1")[1:]))
    world.run(1_000)
    world.ask("cleo", ask.ProposeCoop(second, new, token))
    world.run(1_000)
    assert (asked(world, "ben"), asked(world, "dora")) == ([new], [new])
    for name in ("ben", "dora"):
        world.ask(name, ask.JoinCoop(new, "power"))
    until(world, new, "gathering")
    assert len(view(world, "anna", new).keys) == 4


def test_should_too_few_join_everybody_is_where_they_were() -> None:
    """FRM-39"""
    world, old = together(*NAMES)
    until(world, old, "gathering")
    new = follow(world, "anna", old, least=4)
    world.run(1_000)
    world.ask("ben", ask.JoinCoop(new, "power"))
    until(world, new, "void", "anna", "ben")
    assert [view(world, name, old).left for name in NAMES] == [()] * 4
    assert kinds(world, "cleo", "leave.1") == []


def test_who_may_found_and_show_a_successor() -> None:
    """FRM-37, FRM-38: members, of a co-op that the charter names; a stranger's word is not taken."""
    world, old = together("anna", "ben")
    until(world, old, "gathering", "anna", "ben")
    world.add("eve", "home", ["relay"])
    world.run(500)
    later = world.now + 10**9
    world.ask("eve", ask.AddIntent("power", "electricity", "any", 3, 0, 100, "exploring", later, ()))
    fields = ask.FoundCoop("power", "Mine", 2, 5, "simulated", 0, before=(old,))
    assert refused(world, "eve", fields) == "FRM-37"
    follow(world, "anna", old)
    assert refused(world, "anna", ask.ProposeCoop(old, old)) == "FRM-38"
    (said,) = kinds(world, "anna", "successor.1")
    forged = Record.sign(
        world.nodes["eve"].persona, NETWORK, "successor.1", said.scope, dict(said.body), created=world.now,
        expires=said.header.expires, slot=said.header.slot, refs=said.header.refs,
    )  # fmt: skip
    engine = world.nodes["anna"].engine
    assert engine is not None
    context = engine._core.contexts[said.scope]
    assert has_say(context, said, world.nodes["anna"].settings)
    assert not has_say(context, forged, world.nodes["anna"].settings)


def test_a_charter_that_does_not_follow_is_none() -> None:
    """FRM-38: another's charter, a damaged one, one in a slot of another name."""
    world, old = together("anna", "ben")
    until(world, old, "gathering", "anna", "ben")
    follow(world, "anna", old)
    (said,) = kinds(world, "anna", "successor.1")
    (own,) = [one for one in kinds(world, "anna", "charter.1") if one.scope == said.scope]
    assert successor_in(said, NETWORK) is not None
    for charter, slot in ((own.raw, said.header.slot), (said.raw, said.header.slot), (b"x", said.header.slot)):
        other = resaid(world, said, {"charter": charter, "invite": b""}, slot)
        assert successor_in(other, NETWORK) is None
    other = resaid(world, said, dict(said.body), Slot("once", "successor/0000000000000000", 0))
    assert successor_in(other, NETWORK) is None


def resaid(world: World, said: Record, body: dict[str, Any], slot: Slot | None) -> Record:
    """The same by Anna with another body or slot."""
    return Record.sign(
        world.nodes["anna"].persona, NETWORK, "successor.1", said.scope, body, created=world.now,
        expires=said.header.expires, slot=slot, refs=said.header.refs,
    )  # fmt: skip
