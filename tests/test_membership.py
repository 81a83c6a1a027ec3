"""Joining a co-op by itself and by hand, between named nodes (05-formation, FRM-21 to FRM-31)."""

from __future__ import annotations

from typing import Any

import pytest

from node.template import load
from protocol import commands as ask
from protocol.coop.charter import charter_hash, coop_scope
from protocol.coop.coop import Coop, slot_name
from protocol.coop.formation import founding_order
from protocol.engine.coop.board import _rightly_founded, entries, epoch_seed
from protocol.engine.coop.membership import check_invitation
from protocol.errors import CommandError
from protocol.events import Event, RecordReceived
from protocol.identity import Persona
from protocol.record.record import Record, Slot
from tests.sim.town import Town
from tests.sim.world import NETWORK, TIMES, World, said

BOARD = "board/electricity/any"


def hand_made(*names: str) -> World:
    """Anna founds by hand, a relay carries; everybody would like electricity."""
    world = World(1, [load("electricity")])
    world.add("relay", "relay")
    for name in names:
        world.add(name, "home", ["relay"])
    world.run(500)
    for name in names:
        later = world.now + 10**9
        world.ask(name, ask.AddIntent("power", "electricity", "any", 3, 0, 100, "exploring", later, ()))
    return world


def found(world: World, witnesses: tuple[str, ...] = ("anna",), **more: Any) -> bytes:
    keys = tuple(world.nodes[name].persona.key for name in witnesses)
    fields: dict[str, Any] = {"intent": "power", "purpose": "Power", "least": 2, "most": 5, "preset": "simulated"}
    reply = world.ask("anna", ask.FoundCoop(**fields | {"fee_max_minor": 0, "witnesses": keys} | more))
    coop: bytes = reply["coop"]
    return coop


def invite(world: World, coop: bytes, life_ms: int = 15_000) -> bytes:
    token: bytes = world.ask("anna", ask.Invite(coop, world.now + life_ms))["tokens"][0]
    return token


def view(world: World, name: str, coop: bytes) -> Coop:
    engine, settings = world.nodes[name].engine, world.nodes[name].settings
    assert engine is not None
    seen = engine._core.contexts["coop/" + coop.hex()].coop(settings)
    assert seen is not None
    return seen


def kinds(world: World, name: str, kind: str) -> list[Record]:
    return said(world.nodes[name], kind)


def refused(world: World, name: str, command: Any) -> str:
    with pytest.raises(CommandError) as caught:
        world.ask(name, command)
    return caught.value.code


def test_a_join_waits_for_every_witness() -> None:
    """FRM-22, FRM-23: Ben waits while Cleo, a witness, has not accepted; when she has, both joins are signed."""
    world = hand_made("anna", "ben", "cleo")
    coop = found(world, ("anna", "cleo"))
    world.ask("ben", ask.JoinCoop(coop, "power", token=invite(world, coop)))
    world.run(3_000)
    assert view(world, "ben", coop).state == "called"
    assert kinds(world, "ben", "join.1") == []
    assert len(kinds(world, "ben", "accept.1")) == 1
    world.ask("cleo", ask.JoinCoop(coop, "power", token=invite(world, coop)))
    world.run(3_000)
    assert view(world, "ben", coop).state == "forming"
    assert len(kinds(world, "anna", "join.1")) == 3


def test_no_join_for_an_intent_that_was_taken_back() -> None:
    """FRM-23"""
    world = hand_made("anna", "ben", "cleo")
    coop = found(world, ("anna", "cleo"))
    world.ask("ben", ask.JoinCoop(coop, "power", token=invite(world, coop)))
    world.ask("ben", ask.WithdrawIntent("power"))
    world.ask("cleo", ask.JoinCoop(coop, "power", token=invite(world, coop)))
    world.run(5_000)
    assert view(world, "ben", coop).state == "forming"
    assert world.nodes["ben"].persona.key not in [one.author for one in kinds(world, "anna", "join.1")]


def test_an_invitation_admits_one() -> None:
    """FRM-26, FRM-27: two who race with one invitation are one member."""
    world = hand_made("anna", "ben", "cleo")
    coop = found(world)
    token = invite(world, coop)
    for name in ("ben", "cleo"):
        world.ask(name, ask.JoinCoop(coop, "power", token=token))
    world.run(30_000)
    joins = [one for one in kinds(world, "anna", "join.1") if "invite" in one.body]
    assert len(joins) == 2
    winner = min(joins, key=lambda one: one.id).author
    keys = {name: sorted(view(world, name, coop).keys) for name in ("anna", "ben", "cleo")}
    assert set(map(tuple, keys.values())) == {tuple(sorted((winner, world.nodes["anna"].persona.key)))}


def test_invitations_that_admit_nobody() -> None:
    """FRM-26: used, damaged, expired; and only a founder invites, with an end that is to come."""
    world = hand_made("anna", "ben", "cleo")
    coop = found(world)
    token = invite(world, coop)
    world.ask("ben", ask.JoinCoop(coop, "power", token=token))
    world.run(3_000)
    engine = world.nodes["anna"].engine
    assert engine is not None
    with pytest.raises(CommandError, match="FRM-26"):
        check_invitation(engine._core, engine._core.contexts["coop/" + coop.hex()], token)
    assert refused(world, "cleo", ask.JoinCoop(coop, "power", token=token[:-1])) == "FRM-26"
    late = invite(world, coop, 10)
    world.run(20)
    assert refused(world, "cleo", ask.JoinCoop(coop, "power", token=late)) == "FRM-26"
    assert refused(world, "ben", ask.Invite(coop, world.now + 1)) == "FRM-26"
    assert refused(world, "anna", ask.Invite(coop, world.now)) == "FRM-26"


def test_what_cannot_be_founded() -> None:
    """FRM-20, FRM-21"""
    world = hand_made("anna")
    with pytest.raises(CommandError) as caught:
        found(world, least=4, most=3)
    assert caught.value.code == "FRM-20"
    with pytest.raises(CommandError) as caught:
        found(world, preset="leisurely")
    assert caught.value.code == "FRM-21"
    assert kinds(world, "anna", "charter.1") == []


def test_strangers_have_no_say() -> None:
    """FRM-24: each is ignored, and nobody's digest moves; the controls are taken."""
    world = hand_made("anna", "ben")
    coop = found(world)
    world.ask("ben", ask.JoinCoop(coop, "power", token=invite(world, coop)))
    world.run(25_000)
    anna, scope = view(world, "anna", coop), "coop/" + coop.hex()
    assert anna.state == "gathering"
    engine, eve = world.nodes["anna"].engine, Persona.from_seed(b"e" * 32)
    assert engine is not None
    context, core = engine._core.contexts[scope], engine._core
    before = context.log.digest()
    pledge = {"roster": anna.roster, "want": 1, "tolerate": 0, "least": 0, "price_max_minor": 1}
    charter = dict(anna.charter.body)
    said: list[tuple[str, dict[str, Any], str]] = [
        ("charter.1", charter, "charter"),
        ("accept.1", {"charter": anna.hash, "box": bytes(32)}, "accept"),
        ("vote.1", {"question": "roster", "round": 0, "step": "prevote", "value": b""}, "roster/0/prevote"),
        ("pledge.1", pledge, slot_name("pledge", anna.roster)),
        ("receipt.1", {"question": "roster", "ids": [bytes(32)]}, ""),
    ]
    for kind, body, slot in said:
        world.ask("anna", ask.AskStatus())  # the core's clock is that of its last event
        with pytest.raises(Exception, match="FRM-24"):
            core.receive(_signed(eve, kind, scope, body, slot, world.now), "relay")
    assert context.log.digest() == before
    ben = world.nodes["ben"].persona
    core.receive(_signed(ben, "pledge.1", scope, pledge, slot_name("pledge", anna.roster), world.now), "relay")
    assert context.log.digest() != before


def _signed(who: Persona, kind: str, scope: str, body: dict[str, Any], slot: str, now: int) -> Record:
    where = Slot("once", slot, 0) if slot else None
    return Record.sign(who, NETWORK, kind, scope, body, created=now, expires=now + 10**6, slot=where)


def test_pledged_intents_are_marked_and_a_new_version_is_another() -> None:
    """FRM-12, FRM-30: the marker names the intent as joined with; who says it anew can be grouped again."""
    town = Town(seed=4, members=4, suppliers=0)
    town.open()
    assert town.live(300_000, town.settled)
    node = town.world.nodes["m0"]
    coop = next(one for one in (view(town.world, "m0", c["id"]) for c in town.coops("m0")) if one.members)
    markers = {one.author: one for one in kinds(town.world, "m0", "pledge-marker.1")}
    for member in coop.members:
        marker = markers[member.key]
        assert marker.header.slot == Slot("latest", "power", 0)
        assert dict(marker.body) == {"intent": member.intent.id, "roster": coop.roster}
    assert node.engine is not None
    board = node.engine._core.contexts[BOARD]
    template = next(one for one in node.settings.templates.values() if one.category == "electricity")
    assert entries(node.engine._core, board, template, town.world.now + 1) == []
    later = town.world.now + 10**9
    town.world.ask("m0", ask.AddIntent("power", "electricity", "any", 300, 0, 9_000, "ready", later, ("basic",)))
    assert [one.key for one in entries(node.engine._core, board, template, town.world.now + 1)] == [node.persona.key]


def _computed() -> tuple[Town, Record]:
    town = Town(seed=4, members=5, suppliers=0)
    town.open()
    town.live(60_000, lambda: bool(town.coops("m0")) or bool(kinds(town.world, "m0", "charter.1")))
    return town, kinds(town.world, "m0", "charter.1")[0]


def test_only_a_rightly_written_charter_is_joined() -> None:
    """FRM-31, FRM-13, FRM-14: author, witnesses, board, fee, risk and times are those that the list and epoch give."""
    town, charter = _computed()
    engine = town.world.nodes["m1"].engine
    assert engine is not None
    people = {node.persona.key: node.persona for node in town.world.nodes.values()}
    author, body = people[charter.author], dict(charter.body)
    order = sorted(body["listed"], key=lambda key: founding_order(epoch_seed(body["epoch"], BOARD), key))
    last = people[order[-1]]
    stranger = town.world.nodes["relay"].persona
    assert _rightly_founded(engine._core, BOARD, charter)
    assert body["witnesses"] == sorted((order + order)[order.index(charter.author) :][:4])
    wrong: list[tuple[Persona, dict[str, Any]]] = [
        (stranger, {}),
        (stranger, {"listed": sorted([*body["listed"], stranger.key])}),
        (author, {"witnesses": [charter.author]}),
        (author, {"witnesses": sorted([*body["witnesses"][1:], stranger.key])}),
        (last if last is not author else people[order[0]], {}),
        (author, {"region": "gcpv"}),
        (author, {"fee_max_minor": 1}),
        (author, {"risk": "high"}),
        (author, {"times": TIMES | {"quote_ms": 1}}),
        (author, {"epoch": body["epoch"] - 1}),
    ]
    for who, change in wrong:
        changed = body | change
        scope = coop_scope(charter_hash(who.key, changed))
        record = _signed(who, "charter.1", scope, changed, "charter", charter.header.created)
        if who is author and list(change) == ["epoch"] and _rightly_founded(engine._core, BOARD, record):
            continue  # another epoch may give the same turns
        assert not _rightly_founded(engine._core, BOARD, record), change


def test_a_strangers_charter_gathers_nobody() -> None:
    """FRM-31: it lists the very group, and nobody follows it; the group's own founder is followed."""
    town = Town(seed=4, members=4, suppliers=0)
    town.world.add("eve", "home", ["relay"])
    town.open()
    eve = town.world.nodes["eve"]
    town.world.ask("eve", ask.Watch("electricity", "any"))
    assert eve.engine is not None
    core = eve.engine._core
    town.live(31_500, lambda: False)
    body = {
        "nonce": bytes(16),
        "purpose": "Mine",
        "category": "electricity",
        "region": "any",
        "template": town.template.hash,
        "epoch": town.world.now // town.template.epoch_ms,
        "listed": sorted(town.world.nodes[name].persona.key for name in town.members),
        "least": 4,
        "most": 40,
        "witnesses": [eve.persona.key],
        "fee_max_minor": 0,
        "risk": "lowest",
        "times": TIMES,
    }
    scope = coop_scope(charter_hash(eve.persona.key, body))
    charter = _signed(eve.persona, "charter.1", scope, body, "charter", town.world.now)
    call = _signed(
        eve.persona,
        "call.1",
        BOARD,
        {"coop": bytes.fromhex(scope.partition("/")[2]), "charter": charter.raw},
        "call/" + scope.partition("/")[2],
        town.world.now,
    )
    for name in town.members:
        engine = town.world.nodes[name].engine
        assert engine is not None
        engine._core.receive(call, "relay")
    assert town.live(60_000, lambda: all(town.coops(name) for name in town.members))
    assert core.peek(scope).records == {}
    assert all(scope not in town.world.nodes[name].facts for name in town.members)
    assert {one["founder"] for name in town.members for one in town.coops(name)} != {eve.persona.key}


def _hidden_request(seed: int) -> Town:
    """The first negotiator mentions its request in the co-op, and shows it to nobody."""
    town = Town(seed)
    town.open()
    first: list[bytes] = []

    def tamper(sender: str, receiver: str, event: Event) -> list[Event]:
        record = event.record if isinstance(event, RecordReceived) else None
        if record is None or record.kind != "rfq.1":
            return [event]
        first.append(record.author)
        return [] if record.author == first[0] else [event]

    town.world.tamper = tamper
    return town


def test_a_request_that_nobody_sees_gives_way_to_the_next_in_line() -> None:
    """ELE-33, ELE-32: no witness vouches for the mention, the box stays empty, term 2 asks for quotations."""
    town = _hidden_request(5)
    assert town.live(600_000, town.settled)
    assert {one["term"] for name in ("m2", "m3", "m4") for one in town.coops(name) if one["members"]} == {2}


def test_without_vouching_it_would_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """ELE-33: the control."""
    monkeypatch.setattr("protocol.engine.coop.membership._vouched", lambda *_: True)
    town = _hidden_request(5)
    assert not town.live(600_000, town.settled)
    assert "dealing" in {one["state"] for one in town.coops("m3")}
