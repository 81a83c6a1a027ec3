"""Leaving a co-op at every stage (05-formation, FRM-33 to FRM-36): who left does not count, nothing waits for them."""

from __future__ import annotations

from typing import Any

import pytest

import protocol.coop.coop
from protocol import commands as ask
from protocol.coop.box import LEAVE, Box, Question, complete, held_once, left_by, manifest
from protocol.identity import Persona
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.sim.world import NETWORK, World
from tests.test_desk import awarded
from tests.test_membership import found, hand_made, invite, kinds, refused, view

NAMES = ("anna", "ben", "cleo", "dora")


def together(*names: str, **more: Any) -> tuple[World, bytes]:
    """All have joined Anna's co-op, whose box of joins may still be open."""
    world = hand_made(*names)
    coop = found(world, **{"most": len(names)} | more)
    token = world.ask("anna", ask.Invite(coop, world.now + 60_000, len(names)))["tokens"][0]
    for name in names[1:]:
        world.ask(name, ask.JoinCoop(coop, "power", token=token))
    return world, coop


def key(world: World, name: str) -> bytes:
    return world.nodes[name].persona.key


def until(world: World, coop: bytes, state: str, *names: str) -> None:
    """Run until all these see the co-op there."""
    seen = [f"coop/{coop.hex()}"]
    reached = world.run(120_000, lambda: all(view(world, name, coop).state == state for name in names or NAMES))
    assert reached, (seen, [view(world, name, coop).state for name in names or NAMES])


def test_before_the_roster_a_join_and_a_leave_void_each_other() -> None:
    """FRM-33, DEC-14: Dora joins and leaves again; the roster is certified without her."""
    world, coop = together(*NAMES, most=5)
    assert world.run(60_000, lambda: len(kinds(world, "anna", "join.1")) == 4)
    said = world.ask("dora", ask.LeaveCoop(coop, "timing"))
    assert said["now"]
    until(world, coop, "gathering")
    assert [key(world, "dora") in view(world, name, coop).keys for name in NAMES] == [False] * 4
    assert len(view(world, "anna", coop).keys) == 3


def test_while_it_gathers_nothing_waits_for_who_left() -> None:
    """FRM-33: Dora pledged, stood and leaves: neither counts, and the boxes close as soon as the others have spoken."""
    world, coop = together(*NAMES)
    until(world, coop, "gathering")
    for name in NAMES:
        world.ask(name, ask.Pledge(coop, 3, 0, 1, 30))
    world.ask("dora", ask.Stand(coop, 0, (), ""))
    world.ask("dora", ask.LeaveCoop(coop))
    for name in NAMES[:3]:
        world.ask(name, ask.Stand(coop, 0, (), ""))
    opened = world.now
    until(world, coop, "balloting", *NAMES[:3])  # ROO-1: what is said from now on is not for Dora
    seen = view(world, "anna", coop)
    assert world.now - opened < seen.times["pledge_ms"]
    assert seen.left == (key(world, "dora"),)
    assert sorted(one.member for one in seen.demands) == list(seen.keys)
    assert list(seen.keys) == sorted(key(world, name) for name in NAMES[:3])
    assert key(world, "dora") not in [one.author for one in seen.candidates]
    assert {view(world, name, coop).roster for name in NAMES} == {seen.roster}
    assert refused(world, "dora", ask.Vote(coop, ((key(world, "anna"),),))) == "DEC-13"
    assert "what is said in its room" in world.ask("dora", ask.AskCoops())[0]["says"][0]


def balloting() -> tuple[World, bytes]:
    """Everybody has pledged, and Anna and Dora stand."""
    world, coop = together(*NAMES)
    until(world, coop, "gathering")
    for name in NAMES:
        world.ask(name, ask.Pledge(coop, 3, 0, 1, 30))
    for name in ("anna", "dora"):
        world.ask(name, ask.Stand(coop, 0, (), ""))
    until(world, coop, "balloting")
    return world, coop


def test_an_elected_member_who_left_is_not_in_line() -> None:
    """FRM-33, ELE-22: Dora wins the vote and left while it ran: Anna has the mandate, for three members."""
    world, coop = balloting()
    for name in NAMES[:3]:
        world.ask(name, ask.Vote(coop, ((key(world, "dora"),), (key(world, "anna"),))))
    world.ask("dora", ask.LeaveCoop(coop, "changed-mind"))
    until(world, coop, "mandated", "anna", "ben", "cleo")
    seen = view(world, "anna", coop)
    assert seen.line == (key(world, "anna"),)
    assert seen.mandate is not None
    assert (seen.mandate.members, seen.mandate.quantity) == (3, 9)
    assert seen.tally is not None


def test_counted_although_they_left_without_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """FRM-33, the control: where nobody reads who left, Dora is elected by a co-op that she is not in."""
    monkeypatch.setattr(protocol.coop.coop, "left_by", lambda log, value: [])
    world, coop = balloting()
    for name in NAMES[:3]:
        world.ask(name, ask.Vote(coop, ((key(world, "dora"),), (key(world, "anna"),))))
    world.ask("dora", ask.LeaveCoop(coop, "changed-mind"))
    until(world, coop, "mandated", "anna", "ben", "cleo")
    assert view(world, "anna", coop).line[0] == key(world, "dora")


def test_after_the_election_leaving_is_a_decline_to_come() -> None:
    """FRM-35: nothing is signed yet; the node remembers across a restart."""
    world, coop = balloting()
    for name in NAMES:
        world.ask(name, ask.Vote(coop, ((key(world, "anna"),),)))
    until(world, coop, "mandated")
    said = world.ask("ben", ask.LeaveCoop(coop, "price"))
    assert not said["now"]
    assert kinds(world, "anna", LEAVE) == []
    assert world.nodes["ben"].facts[f"leaving/coop/{coop.hex()}"] == b"price"


def test_whoever_committed_cannot_leave() -> None:
    """FRM-34, FRM-35: in a town that has an award one declines by leaving, and one who committed is refused."""
    town = awarded()
    world = town.world
    (deal,) = [one for one in world.ask("m0", ask.AskDeals()) if one["state"] == "awarded"]
    (coop,) = [one["id"] for one in world.ask("m0", ask.AskCoops()) if one["deal"] == deal["id"]]
    first, second = [name for name in ("m0", "m1", "m2", "m3") if waits_for(world, name, "commit")][:2]
    world.ask(first, ask.Commit(deal["id"]))
    assert refused(world, first, ask.LeaveCoop(coop)) == "FRM-34"
    world.ask(second, ask.LeaveCoop(coop, "price"))
    (said,) = [one.body for one in kinds(world, second, "commitment.1") if one.author == key(world, second)]
    assert (said["answer"], said["reason"]) == ("decline", "price")


def waits_for(world: World, name: str, kind: str) -> bool:
    return kind in [one["kind"] for one in world.ask(name, ask.AskNeeds())]


def test_who_only_wished_wishes_no_more() -> None:
    """FRM-33: while a witness has not accepted, leaving says nothing to anybody."""
    world = hand_made("anna", "ben", "cleo")
    coop = found(world, ("anna", "cleo"))
    world.ask("ben", ask.JoinCoop(coop, "power", token=invite(world, coop)))
    world.ask("ben", ask.LeaveCoop(coop))
    assert refused(world, "ben", ask.LeaveCoop(coop)) in ("FRM-33", "FRM-20")
    world.ask("cleo", ask.JoinCoop(coop, "power", token=invite(world, coop)))
    world.run(5_000)
    assert key(world, "ben") not in [one.author for one in kinds(world, "anna", "join.1")]


PEOPLE = [Persona.from_seed(bytes([number]) * 32) for number in range(1, 4)]


def said(who: Persona, kind: str, slot: str, at: int = 1) -> Record:
    bodies: dict[str, dict[str, Any]] = {
        LEAVE: {"reason": "other", "remark": ""},
        "pledge.1": {"roster": bytes(32), "want": at, "tolerate": 0, "least": 0, "price_max_minor": 1},
    }
    slot_of = Slot("once", slot, 0)
    return Record.sign(who, NETWORK, kind, "coop/" + "0" * 32, bodies[kind], created=at, expires=99, slot=slot_of)


def test_a_box_takes_a_leave_in_place_of_its_own() -> None:
    """FRM-33, DEC-14, DEC-16: it speaks for its author, voids what they handed in, and never fills an open box."""
    keys = tuple(one.key for one in PEOPLE)
    box = Box("pledge.1", "pledge/0", keys, (), lambda _: True, leaves=True)
    one, two = (said(who, "pledge.1", "pledge/0") for who in PEOPLE[:2])
    gone = said(PEOPLE[1], LEAVE, "leave")
    last = said(PEOPLE[2], LEAVE, "leave")
    log = Log("coop/" + "0" * 32)
    for record in (one, two, gone, last):
        log.add(record)
    ids = [record.id for record in (one, two, gone, last)]
    assert held_once(log, box, manifest(ids)) == [one]
    assert sorted(left_by(log, manifest(ids))) == sorted([PEOPLE[1].key, PEOPLE[2].key])
    assert complete(log, Question("pledges/0", 0, 0, 1, box), ids)
    assert not Box("pledge.1", "pledge/0", keys, (), lambda _: True).takes(gone)
    anybody = Box("pledge.1", "pledge/0", None, (), lambda _: True, 2, leaves=True)
    assert not complete(log, Question("pledges/0", 0, 0, 1, anybody), ids)
    assert complete(log, Question("pledges/0", 0, 0, 1, anybody), [one.id, two.id])
