"""A town with rooms: who reads what, when somebody leaves, seals to some only, falls silent or is restored.

Each rule stands beside a control: the same without it. What it all rests on is tested by hand in tests/test_room.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from protocol import commands as ask
from protocol.engine.groups import groups
from protocol.errors import CommandError
from protocol.identity import Entropy, Persona
from protocol.record.record import Record
from protocol.room.book import Book
from protocol.room.epoch import Group, commit, welcome
from tests.sim.safety import Safety
from tests.sim.town import Town
from tests.sim.world import NETWORK, Node, opened

END_MS = 400_000
HIDDEN = ("pledge.1", "nomination.1", "ballot.1", "deal.1", "leave.1")


def lived(seed: int, town: Town | None = None) -> Town:
    """A town after its deal."""
    town = town or Town(seed)
    town.open()
    assert town.live(END_MS, town.agreed)
    town.live(30_000, lambda: False)
    return town


def carried(town: Town, name: str = "relay", family: str = "coop/") -> list[Record]:
    """All that is on a disk of co-ops."""
    return [one for one in town.world.nodes[name].records.values() if one.scope.startswith(family)]


def kinds(records: Iterable[Record]) -> dict[str, None]:
    return dict.fromkeys(one.kind for one in records)


def inner(node: Node, records: Iterable[Record]) -> list[Record]:
    """What a node reads in envelopes."""
    return [found for one in records if (found := opened(node, one)) is not one]


def reads(who: Persona, records: list[Record], charter: bytes, place: int) -> list[Record]:
    """What somebody with this seed alone makes of all that is carried."""
    book = Book()
    for one in records:
        if one.kind == "epoch.1":
            secret = welcome(one.body, one.body["keys"][place], who.box_seed(charter))
            if secret is not None:
                book.learn(one.id, secret)
        if one.kind == "sealed.1":
            book.hold(one)
    book.open(NETWORK)
    return list(book.waiting.values())


def test_a_relay_with_its_whole_disk_reads_nothing_that_was_said() -> None:
    """ROO-9, ROO-12: kinds, bodies and fields of what members said are not among its bytes; sizes come in classes."""
    town = lived(3)
    disk, member = carried(town), town.world.nodes["m0"]
    said = inner(member, disk)
    assert {"pledge.1", "ballot.1", "deal.1", "vote.1", "receipt.1"} <= set(kinds(said))
    raw = b"".join(one.raw for one in disk)
    for one in said:
        for secret in (one.raw, one.header.wire, one.id, *(v for v in one.body.values() if type(v) is bytes)):
            known = secret in [town.world.nodes[name].persona.key for name in town.members] or len(secret) < 16
            if one.kind in HIDDEN and not known and secret != one.body.get("roster"):
                assert secret not in raw, one.kind
    assert not set(kinds(disk)) & set(HIDDEN)
    assert len({len(one.body["cipher"]) for one in disk if one.kind == "sealed.1"}) < 8


def test_without_rooms_a_relay_reads_it_all() -> None:
    """ROO-12: the control."""
    town = Town(3)
    for node in town.world.nodes.values():
        node.settings = replace(node.settings, rooms=False)
        town.world.crash(node.name)
        town.world.start(node.name)
    disk = carried(lived(3, town))
    assert {"pledge.1", "ballot.1", "deal.1"} <= set(kinds(disk))
    assert "sealed.1" not in kinds(disk)


def left(seed: int) -> tuple[Town, str]:
    """A town in which a member who is no witness leaves while pledges come in; all else goes on."""
    for number in range(seed, seed + 20):
        town = Town(number)
        town.open()
        assert town.live(END_MS, lambda: any(one["state"] == "gathering" for one in town.coops("m0")))  # noqa: B023
        coop = town.coops("m0")[0]["id"]
        engine = town.world.nodes["m0"].engine
        assert engine is not None
        view = engine._core.contexts["coop/" + coop.hex()].coop(engine._core.settings)
        assert view is not None
        away = [one for one in town.members if town.world.nodes[one].persona.key not in view.council.witnesses]
        away = [one for one in away if one not in town.standing and town.world.nodes[one].persona.key in view.keys]
        if not away:
            continue
        town.world.ask(away[0], ask.LeaveCoop(coop, "price"))
        if town.live(END_MS, town.agreed):
            town.live(20_000, lambda: False)
            return town, away[0]
    raise AssertionError("nobody can leave")


def test_who_left_reads_nothing_that_is_said_later() -> None:
    """ROO-1, ROO-3: with the seed, every epoch and all that is carried: what came after is closed. A member who stayed
    reads it all with no more than that, which is what the test would say of who left if they could."""
    town, name = left(5)
    disk, stayed = carried(town), town.world.nodes["m0"]
    engine = stayed.engine
    assert engine is not None
    context = next(one for one in engine._core.contexts.values() if one.family == "coop" and one.book.epochs)
    disk = [one for one in disk if one.scope == context.scope]
    (room,) = groups(engine._core, context).values()
    coop = context.coop(engine._core.settings)
    assert coop is not None
    gone, here = town.world.nodes[name].persona, stayed.persona
    places = [room.place_of(one.key) for one in (gone, here)]
    assert places[0] is not None
    assert places[1] is not None
    told, whole = reads(gone, disk, coop.hash, places[0]), reads(here, disk, coop.hash, places[1])
    leave = next(one for one in whole if one.kind == "leave.1")
    assert leave.author == gone.key
    assert leave.id in [one.id for one in told]
    after = [one.id for one in whole if one.header.created > leave.header.created + 2_000]
    assert len(after) > 30
    assert not set(after) & {one.id for one in told}
    assert "ballot.1" not in kinds(told)
    assert "ballot.1" in kinds(whole)


def test_sealed_to_some_only_locks_out_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """ROO-7: every epoch's maker seals to every second place; who gets no key asks, and all come to one award. The
    control: nobody answers, and whoever is left out waits for ever."""

    def to_some(group: Group, secret: bytes, entropy: Entropy) -> dict[str, Any]:
        body = commit(group, secret, entropy)
        return body | {"keys": [bytes(80) if at % 2 else key for at, key in enumerate(body["keys"])]}

    monkeypatch.setattr("protocol.engine.rooms.commit", to_some)
    town = Town(41)
    safety = Safety(town.world)
    lived(41, town)
    safety.check_views()
    disk = carried(town)
    assert {"locked.1", "unlock.1"} <= set(kinds(disk))
    assert town.converged() == [] or all(not one.startswith("coop/") for one in town.converged())
    monkeypatch.setattr("protocol.engine.tending._answer", lambda *anything: None)
    town = Town(41)
    town.open()
    assert not town.live(120_000, town.agreed)


def test_whoever_comes_first_may_be_silent() -> None:
    """ROO-5, ROO-6: the first in turn never makes an epoch; who has something to say makes one."""
    town = Town(9)
    town.open()
    assert town.live(END_MS, lambda: any(one["state"] == "gathering" for one in town.coops("m0")))
    assert [one for one in carried(town) if one.kind == "epoch.1"]  # somebody did before there was anything to say
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("protocol.engine.tending._begin", lambda *anything: None)
        town = lived(9, Town(9))
    assert kinds(carried(town)).keys() >= {"epoch.1", "sealed.1"}


def test_an_old_epoch_is_spoken_in_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """ROO-6: after its life the next who speaks makes another; who says nothing makes none."""
    monkeypatch.setattr("protocol.engine.groups.EPOCH_MS", 2_000)
    town = lived(3)
    epochs = [one for one in carried(town) if one.kind == "epoch.1"]
    made = len(epochs)
    assert made > 2
    town.live(100_000, lambda: False)
    assert len([one for one in carried(town) if one.kind == "epoch.1"]) == made


def test_a_disk_alone_is_worth_what_a_relay_has() -> None:
    """ROO-17: a member's store holds envelopes, and nothing that was in them; a restart reads them again."""
    town = lived(3)
    node = town.world.nodes["m2"]
    assert not set(kinds(carried(town, "m2"))) & set(HIDDEN)
    before = town.world.digests(carried(town)[0].scope)
    town.world.crash("m2")
    town.world.start("m2")
    assert node.engine is not None
    assert town.world.digests(carried(town)[0].scope) == before


def test_a_supplier_and_its_members_speak_among_themselves() -> None:
    """ROO-15, ROO-16: they read each other, whoever makes the epoch; the relay and other suppliers read nothing."""
    town = lived(3)
    coop = town.coops("m0")[0]
    deal = town.world.ask("m0", ask.AskCoop(coop["id"]))["deal_detail"]["id"]
    seller = next(one for one in town.suppliers if town.world.nodes[one].persona.key == coop["supplier"])
    inside = [one for one in town.members if one not in town.declining]
    town.live(5_000, lambda: False)
    for name in (inside[0], seller):
        town.world.ask(name, ask.SayInChannel(deal, f"This is {name}, and the meter is in the cellar."))
    town.live(10_000, lambda: False)
    for name in (*inside, seller):
        told = town.world.ask(name, ask.AskTalk(deal))["messages"]
        assert {one["role"]: one["text"][:10] for one in told} == {
            "member": f"This is {inside[0]}",
            "supplier": f"This is {seller}",
        }
    for node in town.world.nodes.values():
        assert b"in the cellar" not in b"".join(one.raw for one in node.records.values())
    for name in (*town.suppliers, *town.declining):
        if name != seller:
            assert town.world.ask(name, ask.AskTalk(deal))["messages"] == []
            with pytest.raises(CommandError, match="ROO-15"):
                town.world.ask(name, ask.SayInChannel(deal, "Let me in."))
