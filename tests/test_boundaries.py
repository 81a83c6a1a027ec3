"""A member's limits against everybody: commands in any order, and peers who say whatever they can sign."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.engine import Engine
from protocol.errors import CommandError, Ignore, Reject
from protocol.events import PeerConnected, PeerDisconnected, RecordReceived, Tick
from protocol.record.record import Record
from tests.sim.world import NETWORK, World
from tests.test_desk import HOUR, awarded, deepcopy_of, own, refused, submit, three_coops

MONTHS = 60
PLEDGED = 300  # what everybody in the town pledges, at 28
BINDING = ("pledge.1", "commitment.1", "join.1", "rel.1", "detail.1")


@cache
def about() -> dict[str, Any]:
    """The deal of the town that waits for answers."""
    (deal,) = [one for one in awarded().world.ask("m0", ask.AskDeals()) if one["state"] == "awarded"]
    found: dict[str, Any] = deal
    return found


@cache
def said_in_town() -> tuple[Record, ...]:
    """Every record that anybody holds, as far as it can be read, by id."""
    held: dict[bytes, Record] = {}
    for node in awarded().world.nodes.values():
        assert node.engine is not None
        for context in node.engine._core.contexts.values():
            held |= context.log.records
    return tuple(held[key] for key in sorted(held))


def within(record: Record, limits: ask.SetBoundaries, now: int, supplier: bytes, charter: Mapping[str, Any]) -> bool:
    """Whether a record keeps to the limits, written a second time and from the record alone."""
    body = record.body
    if record.kind == "rel.1":
        return limits.disclose is None or set(body["fields"]) <= set(limits.disclose)
    risk = ("lowest", "low", "high").index
    if record.kind in BINDING[:3]:
        if limits.risk_max is not None and risk(charter["risk"]) > risk(limits.risk_max):
            return False
        prepaid = charter.get("stakes", {}).get("prepaid_percent", 0)
        if limits.prepaid_max_percent is not None and prepaid > limits.prepaid_max_percent:
            return False
    if record.kind not in BINDING[:2] or body.get("answer") == "decline":
        return True
    worth = (body["want"] + body["tolerate"]) * body["price_max_minor"] * MONTHS
    return not (
        (limits.price_max_minor is not None and body["price_max_minor"] > limits.price_max_minor)
        or (limits.value_max_minor is not None and worth > limits.value_max_minor)
        or (limits.latest is not None and now > limits.latest)
        or (record.kind == "commitment.1" and supplier in limits.excluded_suppliers)
        or (record.kind == "commitment.1" and limits.outcomes_least)
    )


WORTH = PLEDGED * 28 * MONTHS
SET = st.builds(
    ask.SetBoundaries,
    price_max_minor=st.none() | st.integers(26, 30),
    latest=st.none() | st.integers(0, 4),
    excluded_suppliers=st.booleans().map(lambda yes: (b"supplier",) if yes else ()),
    value_max_minor=st.none() | st.sampled_from([WORTH - 1, WORTH]),
    prepaid_max_percent=st.none() | st.just(0),
    risk_max=st.none() | st.sampled_from(["lowest", "high"]),
    outcomes_least=st.none() | st.integers(0, 1),
    disclose=st.none() | st.sampled_from([(), ("name",)]),
)
COMMAND = st.sampled_from(
    [
        ask.Commit(b"deal"),
        ask.Repair(b"deal"),
        ask.Repair(b"deal", want=PLEDGED + 1, price_max_minor=40),
        ask.Pledge(b"coop", PLEDGED, 0, 100, 28),
    ]
)
HOSTILE = st.tuples(st.integers(0, 10**6), st.sampled_from(["replay", "dearer", "renamed", "later"]), st.integers(0, 5))


def forged(number: int, how: str, who: int) -> Record | None:
    """Something that was said in the town, said again otherwise, by its author or by somebody else there."""
    town, pool = awarded(), said_in_town()
    one = pool[number % len(pool)]
    if how == "replay":
        return one
    people = {node.persona.key: node.persona for node in town.world.nodes.values()}
    author = people.get(one.author) if how == "dearer" else people[sorted(people)[who % len(people)]]
    if author is None or author.key == town.world.nodes["m0"].persona.key:
        return None  # its own key is not theirs
    body = dict(one.body)
    if how == "dearer":
        body = {key: value * 10 if isinstance(value, int) else value for key, value in body.items()}
    created = one.header.created + (1_000 if how == "later" else 1)
    until, slot, refs = one.header.expires + 1_000, one.header.slot, one.header.refs
    try:
        return Record.sign(
            author, NETWORK, one.kind, one.scope, body, created=created, expires=until, slot=slot, refs=refs
        )
    except (Reject, Ignore):
        return None


@given(st.lists(SET | COMMAND | HOSTILE | st.integers(0, 2), max_size=14))
def test_neither_commands_nor_peers_lead_past_a_boundary(steps: list[Any]) -> None:
    """INT-6, INT-10, RSK-7: whatever was set, asked, received and waited for, in whatever order"""
    world = awarded().world
    engine = deepcopy(world.nodes["m0"].engine)
    assert engine is not None
    told = about()
    supplier = told["award"]["parts"][0]["supplier"]
    names = {b"deal": told["id"], b"coop": told["coop"], b"supplier": supplier}
    charter = world.ask("m0", ask.AskCoop(told["coop"]))["charter"]
    limits, second, before = ask.SetBoundaries(), 0, set(own(engine))
    for step in steps:
        now = world.now + second * 1_000
        match step:
            case int():
                second += step
            case ask.SetBoundaries():
                latest = None if step.latest is None else world.now + step.latest * 1_000
                excluded = tuple(names[one] for one in step.excluded_suppliers)
                limits = replace(step, latest=latest, excluded_suppliers=excluded)
                assert isinstance(submit(engine, limits, now)[0], dict)
            case (int() as number, str() as how, int() as who):
                hear(engine, forged(number, how, who), now)
            case _:
                where = {name: names[getattr(step, name)] for name in ("deal", "coop") if hasattr(step, name)}
                submit(engine, replace(step, **where), now)
        for key, one in own(engine).items():
            if key not in before and one.kind in BINDING:
                assert within(one, limits, now, supplier, charter), (one.kind, dict(one.body))
        before = set(own(engine))


def hear(engine: Engine, record: Record | None, now: int) -> None:
    """A record from a peer, and time for the node to act on it."""
    if record is not None:
        with contextlib.suppress(Reject, Ignore):
            engine.handle(PeerConnected("stranger", False), now)
            engine.handle(RecordReceived(record, "stranger"), now)
            engine.handle(Tick(), now)
        engine.handle(PeerDisconnected("stranger"), now)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"price_max_minor": 27}, "highest price"),
        ({"value_max_minor": WORTH - 1}, "come to"),
        ({"outcomes_least": 1}, "kept deals"),
        ({"excluded_suppliers": (b"supplier",)}, "excluded"),
        ({"latest": 0}, "latest date"),
    ],
)
def test_each_limit_holds_by_itself(monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any], why: str) -> None:
    """INT-6, INT-10: it says which limit it was; the control, without the check, is signed"""
    world = awarded().world
    engine, told = deepcopy(world.nodes["m0"].engine), about()
    assert engine is not None
    if "excluded_suppliers" in limits:
        limits = {"excluded_suppliers": (told["award"]["parts"][0]["supplier"],)}
    assert isinstance(submit(engine, ask.SetBoundaries(**limits), world.now)[0], dict)
    reply, said = submit(engine, ask.Commit(told["id"]), world.now)
    assert isinstance(reply, CommandError)
    assert why in reply.message
    assert not said
    monkeypatch.setattr("protocol.engine.speech.CHECKS", ())
    reply, said = submit(engine, ask.Commit(told["id"]), world.now)
    assert [one.kind for one in said] == ["commitment-marker.1", "commitment.1"], reply


def test_a_limit_of_risk_keeps_one_out_of_a_co_op() -> None:
    """RSK-7: the join is not signed and the wish is let go, saying why; a control joins"""
    for most, joins in (("lowest", False), ("low", True)):
        world = deepcopy_of(three_coops())
        world.ask("ben", ask.SetBoundaries(risk_max=most))
        coop = world.ask("ann", ask.FoundCoop("a", "Power", 2, 2, "simulated", 0, risk="low"))["coop"]
        token = world.ask("ann", ask.Invite(coop, world.now + HOUR))["tokens"][0]
        world.ask("ben", ask.JoinCoop(coop, "a", token=token))
        assert world.run(60_000, partial(joined, world, coop)) is joins
        told = [one.detail["code"] for one in world.nodes["ben"].notices if one.topic == "refused"]
        assert ("INT-10" in told) is not joins


def joined(world: World, coop: bytes) -> bool:
    """Whether Ben has signed that he joins."""
    ben = world.nodes["ben"]
    said = [one for one in ben.records.values() if one.kind == "join.1" and one.author == ben.persona.key]
    return any(one.scope == f"coop/{coop.hex()}" for one in said)


@pytest.mark.parametrize(
    "command",
    [
        ask.SetBoundaries(value_max_minor=-1),
        ask.SetBoundaries(prepaid_max_percent=101),
        ask.SetBoundaries(risk_max="none"),
        ask.SetBoundaries(outcomes_least=9),
        ask.SetBoundaries(disclose=("shoe-size",)),
    ],
)
def test_limits_that_are_none(command: ask.SetBoundaries) -> None:
    """INT-6: refused, and nothing is kept"""
    world = three_coops()
    assert refused(world, command) == "INT-6"
