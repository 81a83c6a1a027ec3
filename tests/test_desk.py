"""What a member says and limits: intents as the board shows them, and boundaries that nothing can sign past."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.engine import Engine
from protocol.errors import CommandError
from protocol.events import Effect, RecordReceived, Reply, Submit
from protocol.identity import Persona
from protocol.params import INTENT_LIFE_MS
from protocol.record.record import Record, Slot, embedded
from tests.sim.town import EPOCH_MS, Town, short_template
from tests.sim.world import NETWORK, START_MS, TIMES, World

TEMPLATE = short_template(least=2)
BOARD = "board/electricity/any"
HOUR = 3_600_000


def alone(*templates: Any) -> World:
    """One node, not linked to anybody."""
    world = World(1, templates or [TEMPLATE])
    world.add("ann")
    return world


def like(name: str = "power", **other: Any) -> ask.AddIntent:
    said = ask.AddIntent(name, "electricity", "any", 300, 20, 9_000, "ready", START_MS + HOUR, ("basic",))
    return replace(said, **other)


def spoken(world: World, name: str, kind: str) -> list[Record]:
    """What a node has said of a kind, the latest last."""
    node = world.nodes[name]
    return [one for one in node.records.values() if one.kind == kind and one.author == node.persona.key]


def refused(world: World, command: Any, name: str = "ann") -> str:
    """The clause by which a command is refused; nothing may have changed."""
    node = world.nodes[name]
    records, facts = dict(node.records), dict(node.facts)
    with pytest.raises(CommandError) as error:
        world.ask(name, command)
    assert node.records == records
    assert node.facts == facts
    return error.value.code


# Intents


def test_an_intent_names_the_highest_version_of_a_known_category() -> None:
    """INT-1."""
    newer = replace(TEMPLATE, version=TEMPLATE.version + 1, title="Power")
    world = alone(TEMPLATE, newer)
    assert refused(world, like(category="gas")) == "INT-1"
    world.ask("ann", like())
    assert spoken(world, "ann", "intent.1")[-1].body["template"] == newer.hash


def test_an_intent_of_an_unknown_template_is_carried_and_not_counted() -> None:
    """INT-1."""
    world = alone()
    world.ask("ann", like())
    other = signed("intent.1", dict(spoken(world, "ann", "intent.1")[0].body) | {"template": bytes(32)}, "tea")
    world.handle("ann", RecordReceived(other, ""))
    assert other.id in world.nodes["ann"].records
    assert world.ask("ann", ask.AskBoard("electricity", "any"))["intents"] == 1


def signed(
    kind: str, body: dict[str, Any], name: str, who: Persona | None = None, mode: str = "latest", later_ms: int = 0
) -> Record:
    """A record on the board by a stranger, or by who is named."""
    who = who or Persona.from_seed(bytes(32))
    slot = Slot("once" if mode == "once" else "latest", name, 0)
    when = START_MS + later_ms
    return Record.sign(who, NETWORK, kind, BOARD, body, created=when, expires=START_MS + 30 * HOUR, slot=slot)


@pytest.mark.parametrize("region", ["", "u10/x", "U10", "gcpvj0123", "à"])
def test_a_region_is_a_short_name(region: str) -> None:
    """INT-2."""
    world = alone()
    assert refused(world, like(region=region)) == "INT-2"
    assert refused(world, ask.Watch("electricity", region)) == "INT-2"


def test_names_of_intents() -> None:
    """INT-3: each version one higher; one board at a time; another board after it was withdrawn."""
    world = alone()
    for bad in ("", "My power", "a/b", "x" * 33):
        assert refused(world, like(bad)) == "INT-3"
    for _ in range(3):
        world.ask("ann", like())
    assert refused(world, like(region="u10")) == "INT-3"
    world.ask("ann", ask.WithdrawIntent("power"))
    assert refused(world, ask.WithdrawIntent("power")) == "INT-3"
    world.ask("ann", like(region="u10"))
    slots = [one.header.slot for one in spoken(world, "ann", "intent.1")]
    assert [slot.seq for slot in slots if slot] == [0, 1, 2, 3, 0]
    assert {slot.mode for slot in slots if slot} == {"latest"}


@pytest.mark.parametrize(
    ("other", "clause"),
    [
        ({"want": 0}, "INT-4"),
        ({"want": -1}, "INT-4"),
        ({"readiness": "withdrawn"}, "INT-4"),
        ({"readiness": "eager"}, "REC-11"),
        ({"tolerate": -1}, "REC-11"),
        ({"spend_minor": -1}, "REC-11"),
        ({"want": 10**10}, "REC-11"),
        ({"terms": ("No!",)}, "CNS-3"),
        ({"terms": tuple(f"t{n}" for n in range(9))}, "CNS-3"),
        ({"requirements": ({"attribute": "well_known", "operator": "about", "value": 1},)}, "REC-11"),
        ({"requirements": ({"attribute": "colour", "operator": "equal", "value": 1},)}, "TPL-16"),
        ({"requirements": ({"attribute": "price_pence_kwh", "operator": "at-most", "value": 1},)}, "TPL-16"),
        ({"requirements": ({"attribute": "well_known", "operator": "equal", "value": 2},)}, "TPL-16"),
        ({"requirements": ({"operator": "equal"},)}, "TPL-16"),
        ({"ready_by": -(2**60)}, "ENC-2"),
    ],
)
def test_what_no_intent_can_say(other: dict[str, Any], clause: str) -> None:
    """INT-4, TPL-16: refused with the clause, nothing signed."""
    assert refused(alone(), like(**other)) == clause


def test_how_long_an_intent_stands() -> None:
    """INT-5: thirty days past its date, which counts as now at least and in thirty days at most."""
    world = alone()
    now = world.now
    for name, ready_by, expires in (
        ("past", 0, now + INTENT_LIFE_MS),
        ("soon", now + HOUR, now + HOUR + INTENT_LIFE_MS),
        ("late", now + 10 * INTENT_LIFE_MS, now + 2 * INTENT_LIFE_MS),
    ):
        world.ask("ann", like(name, ready_by=ready_by))
        assert spoken(world, "ann", "intent.1")[-1].header.expires == expires
    world.ask("ann", like("late", ready_by=now))
    assert spoken(world, "ann", "intent.1")[-1].header.expires == now + 2 * INTENT_LIFE_MS


def test_five_on_a_board_and_room_when_one_is_withdrawn() -> None:
    """GOS-7, INT-8: as the refusal says."""
    world = alone()
    for number in range(5):
        world.ask("ann", like(f"i{number}"))
    assert refused(world, like("more")) == "GOS-7"
    world.ask("ann", like("i0", want=1))
    world.ask("ann", ask.WithdrawIntent("i3"))
    world.ask("ann", like("more"))
    assert sorted(one["name"] for one in world.ask("ann", ask.AskIntents())) == ["i0", "i1", "i2", "i4", "more"]


def test_a_board_shows_bands() -> None:
    """INT-9, CNS-30: neither withdrawn nor expired ones; those who only look around count, but are not ready; what it
    comes to from five persons on, whole fives at a time."""
    world = alone()

    def shown() -> tuple[int, int, list[int]]:
        board = world.ask("ann", ask.AskBoard("electricity", "any"))
        return board["intents"], board["ready"], board["pooled_minor_band"]

    assert shown() == (0, 0, [0, 0])
    assert TEMPLATE.periods == 60
    world.ask("ann", like(spend_minor=3_500))
    body = dict(spoken(world, "ann", "intent.1")[0].body)
    world.ask("ann", like("more", spend_minor=16_500, readiness="exploring"))
    for number in range(3):
        said = signed("intent.1", body, "power", Persona.from_seed(bytes([number]) * 32))
        world.handle("ann", RecordReceived(said, ""))
    assert shown() == (5, 4, [0, 0])  # four persons
    for number, spend in ((3, 3_500), (4, 900_000)):
        who = Persona.from_seed(bytes([number]) * 32)
        said = signed("intent.1", body | {"spend_minor": spend}, "power", who, later_ms=number)
        world.handle("ann", RecordReceived(said, ""))
        assert shown() == (6 + number - 3, 5 + number - 3, [2_000_000, 5_000_000])  # 34,000 a month, 60 months
    world.ask("ann", ask.WithdrawIntent("more"))
    assert shown() == (6, 6, [1_000_000, 2_000_000])
    world.now += 3 * INTENT_LIFE_MS
    assert shown() == (0, 0, [0, 0])


def listed(world: World, names: list[str]) -> list[str]:
    """Who is in the charters of an epoch that ends now."""
    world.run(2 * EPOCH_MS)
    calls = [one for one in world.nodes["relay"].records.values() if one.kind == "call.1"]
    charters = [embedded(one.body["charter"], NETWORK) for one in calls]
    keys = [key for one in charters for key in one.body["listed"]]
    return [name for name in names if world.nodes[name].persona.key in keys]


def crowd(count: int) -> tuple[World, list[str]]:
    """Nodes that all would like the same, early in an epoch."""
    world = World(3, [TEMPLATE])
    world.add("relay", "relay")
    names = [f"m{number}" for number in range(count)]
    for name in names:
        world.add(name, "home", ["relay"])
    world.run(1_000)
    world.now = (world.now // EPOCH_MS + 1) * EPOCH_MS + 100
    for name in names:
        world.ask(name, like(ready_by=world.now + HOUR))
    return world, names


def test_who_is_grouped() -> None:
    """INT-7, INT-8, INT-9: the ready, not who looks around or withdrew; a marker uses up its author's intent only."""
    world, names = crowd(6)
    world.ask("m0", like(readiness="exploring", ready_by=world.now + HOUR))
    world.ask("m1", ask.WithdrawIntent("power"))
    for number, author in (("m2", "m2"), ("m3", "m4")):
        intent = spoken(world, number, "intent.1")[-1]
        marker = {"intent": intent.id, "roster": bytes(32)}
        record = signed("pledge-marker.1", marker, "power", world.nodes[author].persona)
        for one in ("relay", *names):
            world.handle(one, RecordReceived(record, ""))
    assert listed(world, names) == ["m3", "m4", "m5"]


def test_withdrawing_undoes_nothing_signed_and_lets_nothing_more_be() -> None:
    """INT-8."""
    world, _ = crowd(4)
    world.run(2 * EPOCH_MS, lambda: bool(spoken(world, "m0", "join.1")))
    joined = spoken(world, "m0", "join.1")
    assert joined
    world.ask("m0", ask.WithdrawIntent("power"))
    assert spoken(world, "m0", "intent.1")[-1].body["readiness"] == "withdrawn"
    assert world.run(2 * EPOCH_MS, lambda: any(one["members"] for one in world.ask("m0", ask.AskCoops())))
    (coop,) = [one for one in world.ask("m0", ask.AskCoops()) if one["members"]]
    assert world.nodes["m0"].persona.key in coop["keys"]
    assert spoken(world, "m0", "join.1") == joined


# Boundaries


@cache
def three_coops() -> World:
    """Ann on the rosters of three co-ops whose boxes of pledges are open for an hour."""
    world = World(5, [TEMPLATE], times=TIMES | {"pledge_ms": HOUR, "nominate_ms": HOUR, "retention_ms": 2 * HOUR})
    world.add("ann")
    world.add("ben", dials=["ann"])
    world.run(1_000)
    for name in ("a", "b", "c"):
        together(world, name)
    return world


def together(world: World, intent: str) -> None:
    """Ann founds another co-op, Ben joins, and they have a roster."""
    for name in ("ann", "ben"):
        world.ask(name, like(intent, readiness="exploring"))
    coop = world.ask("ann", ask.FoundCoop(intent, "Power", 2, 2, "simulated", 0))["coop"]
    token = world.ask("ann", ask.Invite(coop, world.now + HOUR))["tokens"][0]
    world.ask("ben", ask.JoinCoop(coop, intent, token=token))
    assert world.run(60_000, lambda: gathering(world, coop))


def gathering(world: World, coop: bytes) -> bool:
    return any(one["id"] == coop and one["state"] == "gathering" for one in world.ask("ann", ask.AskCoops()))


@cache
def awarded() -> Town:
    """Everybody has an award at 20 a unit under a pledge of 28 to answer, and nobody has answered."""
    town = Town(seed=1)
    town.acts["commit"] = lambda name, need: None
    town.open()
    assert town.live(300_000, lambda: any(one["state"] == "awarded" for one in town.coops("m0")))
    town.live(2_000, lambda: False)
    return town


def submit(engine: Engine, command: Any, now: int) -> tuple[Any, list[Record]]:
    """The reply, and what was signed, by kind; what carries it sealed is not counted."""
    before = own(engine)
    effects: list[Effect] = engine.handle(Submit(1, command), now)
    (reply,) = [one.result for one in effects if isinstance(one, Reply)]
    fresh = [one for key, one in own(engine).items() if key not in before and one.kind not in ("epoch.1", "sealed.1")]
    return reply, sorted(fresh, key=lambda one: one.kind)


def own(engine: Engine) -> dict[bytes, Record]:
    """What this node's personas said, in whatever scope."""
    core = engine._core
    logs = [context.log.records.values() for context in core.contexts.values()]
    return {one.id: one for log in logs for one in log if one.author in core.personas}


LIMIT = st.none() | st.integers(26, 30)
SET = st.builds(
    ask.SetBoundaries,
    price_max_minor=LIMIT,
    open_pledges_max=st.none() | st.integers(0, 3),
    latest=st.none() | st.integers(0, 5),
)
PLEDGE = st.builds(
    ask.Pledge, st.sampled_from([b"0", b"1", b"2"]), st.just(5), st.just(0), st.just(1), st.integers(25, 31)
)


@given(st.lists(SET | PLEDGE | st.integers(1, 2), max_size=12))
def test_no_sequence_of_commands_pledges_past_a_boundary(steps: list[Any]) -> None:
    """INT-6: whatever was set, asked and waited for before; and nothing within the boundaries is refused by them."""
    world = three_coops()
    coops = [one["id"] for one in world.ask("ann", ask.AskCoops())]
    engine, minute = deepcopy(world.nodes["ann"].engine), 0
    assert engine is not None
    limits, pledged = ask.SetBoundaries(), list[int]()
    for step in steps:
        now = world.now + minute * 60_000
        match step:
            case int():
                minute += step
            case ask.SetBoundaries():
                limits = step
                latest = None if step.latest is None else world.now + step.latest * 60_000
                submit(engine, replace(step, latest=latest), now)
            case ask.Pledge():
                number = int(step.coop)
                reply, signed_now = submit(engine, replace(step, coop=coops[number]), now)
                said = [one for one in signed_now if one.kind == "pledge.1"]
                good = (
                    (limits.price_max_minor is None or step.price_max_minor <= limits.price_max_minor)
                    and (limits.open_pledges_max is None or len(pledged) < limits.open_pledges_max)
                    and (limits.latest is None or minute <= limits.latest)
                )
                assert not said or good
                if isinstance(reply, CommandError):
                    assert not signed_now
                    assert reply.code == ("REC-14" if number in pledged else "INT-6")
                    assert not good or number in pledged
                else:
                    assert [one.body["price_max_minor"] for one in said] == [step.price_max_minor]
                    pledged.append(number)


def test_without_the_check_a_boundary_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """INT-6, the control of the two around: the rule switched off, the violation appears."""
    world = three_coops()
    engine = deepcopy(world.nodes["ann"].engine)
    assert engine is not None
    pledge = ask.Pledge(world.ask("ann", ask.AskCoops())[0]["id"], 5, 0, 1, 28)
    submit(engine, ask.SetBoundaries(price_max_minor=27), world.now)
    assert submit(engine, pledge, world.now)[1] == []
    monkeypatch.setattr("protocol.engine.speech.CHECKS", ())
    assert [one.kind for one in submit(engine, pledge, world.now)[1]] == ["pledge-marker.1", "pledge.1"]


@given(st.lists(st.tuples(LIMIT, st.booleans(), st.none() | st.integers(0, 3)) | st.integers(1, 2), max_size=6))
def test_no_sequence_of_commands_commits_past_a_boundary(steps: list[Any]) -> None:
    """INT-6, NEG-51: the price that counts is the pledge's highest, 28, and not the award's 20."""
    town = awarded()
    engine = deepcopy(town.world.nodes["m0"].engine)
    assert engine is not None
    (deal,) = [one for one in town.world.ask("m0", ask.AskDeals()) if one["state"] == "awarded"]
    supplier = deal["award"]["parts"][0]["supplier"]
    second, good = 0, True
    for step in steps:
        now = town.world.now + second * 1_000
        if isinstance(step, int):
            second += step
            continue
        price, excluded, latest = step
        until = None if latest is None else town.world.now + latest * 1_000
        submit(engine, ask.SetBoundaries(price, None, until, (supplier,) if excluded else ()), now)
        good = (price is None or price >= 28) and not excluded and (latest is None or second <= latest)
        reply, said = submit(engine, ask.Commit(deal["id"]), now)
        assert isinstance(reply, dict) == good, reply
        assert bool(said) == good
        if good:
            return
        assert reply.code == "INT-6"
    now = town.world.now + second * 1_000
    reply, said = submit(engine, ask.Decline(deal["id"], "price"), now)
    assert isinstance(reply, dict), reply
    assert [one.body["answer"] for one in said] == ["decline"]


def test_pledges_of_coops_that_are_over_are_not_open() -> None:
    """INT-6: their charters have expired."""
    world = deepcopy_of(three_coops())
    world.ask("ann", ask.SetBoundaries(open_pledges_max=1))
    first, second, _ = [one["id"] for one in world.ask("ann", ask.AskCoops())]
    world.ask("ann", ask.Pledge(first, 5, 0, 1, 28))
    assert refused(world, ask.Pledge(second, 5, 0, 1, 28)) == "INT-6"
    for name in ("ann", "ben"):
        world.crash(name)
    world.now += 3 * HOUR
    for name in ("ann", "ben"):
        world.start(name)
    world.run(1_000)
    together(world, "d")
    (newest,) = [one["id"] for one in world.ask("ann", ask.AskCoops()) if one["state"] == "gathering"]
    world.ask("ann", ask.Pledge(newest, 5, 0, 1, 28))


def deepcopy_of(world: World) -> World:
    """A world to go on with: the one that is shared stays as it is."""
    copy = World(11, [TEMPLATE], times=world.times)
    copy.now = world.now
    for node in world.nodes.values():
        mine = copy.nodes[node.name] = deepcopy(node)
        mine.engine = None
    for name in copy.nodes:
        copy.start(name)
    copy.run(1_000)
    return copy


@pytest.mark.parametrize(
    "command",
    [
        ask.SetBoundaries(price_max_minor=-1),
        ask.SetBoundaries(open_pledges_max=-1),
        ask.SetBoundaries(latest=-1),
        ask.SetBoundaries(excluded_suppliers=(bytes(31),)),
    ],
)
def test_limits_that_are_none(command: ask.SetBoundaries) -> None:
    """INT-6: refused, and the old ones stay."""
    assert refused(alone(), command) == "INT-6"


def test_boundaries_survive_a_restart_and_go_nowhere() -> None:
    """INT-6: they are a fact of the node, and no record holds them."""
    world = alone()
    world.ask("ann", ask.SetBoundaries(price_max_minor=28, excluded_suppliers=(bytes(32),)))
    world.crash("ann")
    world.start("ann")
    assert world.ask("ann", ask.AskStatus())["boundaries"] == {"price_max_minor": 28, "excluded": [bytes(32)]}
    assert not world.nodes["ann"].records
