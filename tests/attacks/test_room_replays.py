"""What somebody in a room can do with what others said there, and with epochs of their own (11-room, 18-keeping)."""

from __future__ import annotations

import random
from typing import Any

from protocol import commands as ask
from protocol.engine import tending
from protocol.engine.groups import groups
from protocol.engine.rooms import pleas
from protocol.engine.silence import FACT, Keeping, keeping
from protocol.events import PeerConnected, RecordReceived
from protocol.identity import Persona
from protocol.params import UNLOCKS_MAX
from protocol.record.record import Record, Slot
from protocol.room.epoch import commit
from protocol.room.ratchet import Epoch
from tests.deals import NETWORK, Handmade
from tests.stages import Desk, at, until


def pledged() -> tuple[Desk, Record]:
    """A member who has just pledged in an envelope, and the pledge itself, which everybody in the room can read."""
    made = Handmade()
    desk = at(made, "gathering", made.members[0])
    core = desk.engine._core
    context = next(one for one in core.contexts.values() if one.family == "coop")
    coop = context.coop(core.settings)
    assert coop is not None
    desk.ask(ask.Pledge(coop.hash[:16], 3, 0, 1, 300))
    (inner,) = context.log.by(desk.who.key, "pledge.1")
    assert inner.id not in context.wire.records
    desk.do(PeerConnected("peer", False))
    return desk, inner


def test_nobody_stops_a_member_by_saying_its_sealed_words_openly() -> None:
    """KEP-15: what this node sealed comes back without its envelope, from anybody in the room: no twin said it."""
    desk, inner = pledged()
    desk.do(RecordReceived(inner, "peer"))
    assert keeping(desk.engine._core).state == ""
    desk.start()
    desk.do(PeerConnected("peer", False))
    desk.do(RecordReceived(inner, "peer"))
    assert keeping(desk.engine._core).state == ""


def test_a_twin_that_speaks_openly_is_noticed_still() -> None:
    """KEP-15: the control: other words in the same slot are a twin's."""
    desk, inner = pledged()
    slot = inner.header.slot
    assert slot == Slot("once", slot.name if slot else "", 0)
    stamps: dict[str, Any] = {"created": inner.header.created + 1, "expires": inner.header.expires}
    body, refs = dict(inner.body) | {"want": 4}, inner.header.refs
    twin = Record.sign(desk.who, NETWORK, "pledge.1", inner.scope, body, slot=slot, refs=refs, **stamps)
    desk.do(RecordReceived(twin, "peer"))
    assert keeping(desk.engine._core).state == "stopped"


def shut_out(count: int, left_out: int = 0) -> tuple[Handmade, Persona, Persona, list[Record]]:
    """A member makes `count` epochs for everybody but one other, and says something in each."""
    made = Handmade()
    maker, victim = made.members[1], made.members[left_out]
    desk = at(made, "gathering", maker)
    core = desk.engine._core
    context = next(one for one in core.contexts.values() if one.family == "coop")
    (room,) = groups(core, context).values()
    said = []
    for number in range(count):
        secret = bytes([number]) * 32
        body = commit(room, secret, random.Random(number).randbytes)
        body["keys"][room.places.index(next(one for one in room.places if one.key == victim.key))] = bytes(80)
        stamps: dict[str, Any] = {"created": desk.now + number, "expires": until(made, "gathering")[0].header.expires}
        root = next(one for one in made.records if one.kind == "charter.1")
        epoch = Record.sign(maker, NETWORK, "epoch.1", context.scope, body, refs=(root.id,), **stamps)
        tag, cipher = Epoch(epoch.id, secret).protect(maker.key, 0, b"nothing")
        junk = {"epoch": epoch.id, "index": 0, "tag": tag, "cipher": cipher}
        said += [epoch, Record.sign(maker, NETWORK, "sealed.1", context.scope, junk, refs=(epoch.id,), **stamps)]
    return made, maker, victim, said


def test_a_flood_of_epochs_does_not_use_up_whom_one_may_ask() -> None:
    """ROO-7: who was left out of very many epochs by one member asks about another's still."""
    made, _, victim, said = shut_out(70)
    desk = at(made, "gathering", victim)
    desk.do(PeerConnected("peer", False))
    for record in said:
        desk.do(RecordReceived(record, "peer"))
    desk.tick()
    asked = desk.said("locked.1")
    assert len(asked) == UNLOCKS_MAX
    other = made.members[2]
    root = asked[0].header.expires
    body = dict(said[-2].body)
    stamps: dict[str, Any] = {"created": desk.now, "expires": root}
    epoch = Record.sign(other, NETWORK, "epoch.1", said[0].scope, body, refs=said[0].header.refs, **stamps)
    junk = dict(said[-1].body) | {"epoch": epoch.id}
    sealed = Record.sign(other, NETWORK, "sealed.1", said[0].scope, junk, refs=(epoch.id,), **stamps)
    for record in (epoch, sealed):
        desk.do(RecordReceived(record, "peer"))
    desk.tick()
    assert epoch.id in [one.body["epoch"] for one in desk.said("locked.1")]


def test_nobody_speaks_where_one_is_shut_out_again_and_again() -> None:
    """ROO-6: a maker of whom somebody asks no more makes no epochs for others; the control: before, it does."""
    made, maker, victim, said = shut_out(UNLOCKS_MAX)
    speaker = made.members[2]
    for asked in (UNLOCKS_MAX - 1, UNLOCKS_MAX):
        desk = at(made, "gathering", speaker)
        core = desk.engine._core
        context = next(one for one in core.contexts.values() if one.family == "coop")
        coop = context.coop(core.settings)
        assert coop is not None
        (room,) = groups(core, context).values()
        place = room.place_of(victim.key)
        desk.do(PeerConnected("peer", False))
        epochs = [one for one in said if one.kind == "epoch.1"]
        stamps: dict[str, Any] = {"created": desk.now, "expires": epochs[0].header.expires}
        for epoch in epochs:
            desk.do(RecordReceived(epoch, "peer"))
        for epoch in epochs[:asked]:
            body = {"epoch": epoch.id, "place": place}
            plea = Record.sign(victim, NETWORK, "locked.1", epoch.scope, body, refs=(epoch.id,), **stamps)
            desk.do(RecordReceived(plea, "peer"))
        desk.now += 1_000
        desk.ask(ask.Pledge(coop.hash[:16], 3, 0, 1, 300))
        (envelope,) = [one for one in desk.said("sealed.1") if one.author == speaker.key]
        by = next(one.author for one in context.log.of_kind("epoch.1") if one.id == envelope.body["epoch"])
        assert (by == maker.key) is (asked < UNLOCKS_MAX)


def test_what_counts_reaches_who_was_shut_out() -> None:
    """ROO-14: a certified record in such an epoch is said again by witnesses where all can read it, and by more than f
    of them, for one may say it where the same member is shut out."""
    made, maker, victim, said = shut_out(UNLOCKS_MAX, left_out=2)
    witness = made.witnesses[0]
    desk = at(made, "balloting", witness)
    core = desk.engine._core
    context = next(one for one in core.contexts.values() if one.family == "coop")
    (room,) = groups(core, context).values()
    listed = next(one for one in context.log.of_kind("pledge.1") if one.author == maker.key)
    assert not tending._is_shut(context, pleas(context), listed)
    desk.do(PeerConnected("peer", False))
    last = said[-2]
    tag, cipher = Epoch(last.id, bytes([UNLOCKS_MAX - 1]) * 32).protect(maker.key, 0, listed.raw)
    body = {"epoch": last.id, "index": 0, "tag": tag, "cipher": cipher}
    stamps: dict[str, Any] = {"created": listed.header.created, "expires": listed.header.expires}
    envelope = Record.sign(maker, NETWORK, "sealed.1", last.scope, body, refs=(last.id,), **stamps)
    for record in (*[one for one in said if one.kind == "epoch.1"], envelope):
        desk.do(RecordReceived(record, "peer"))
    desk.tick()
    assert not again(desk, listed)
    for epoch in (one for one in said if one.kind == "epoch.1"):
        body = {"epoch": epoch.id, "place": room.place_of(victim.key)}
        stamps = {"created": desk.now, "expires": epoch.header.expires}
        plea = Record.sign(victim, NETWORK, "locked.1", epoch.scope, body, refs=(epoch.id,), **stamps)
        desk.do(RecordReceived(plea, "peer"))
    desk.tick()
    (passed,) = again(desk, listed)
    assert passed.body["epoch"] not in [one.id for one in said]


def test_a_restored_device_speaks_in_no_epoch_of_before() -> None:
    """KEP-13: whoever took its backup may hold that key; the control: a device that was never restored does."""
    made, maker, _, said = shut_out(1, left_out=2)
    coop = made.hash[:16]
    for alone_from in (0, said[0].header.created + 1):
        facts = {FACT: Keeping(alone_from=alone_from).to_bytes()}
        desk = at(made, "gathering", made.members[0], facts=facts)
        desk.do(PeerConnected("peer", False))
        desk.do(RecordReceived(said[0], "peer"))
        desk.now += 1_000
        desk.ask(ask.Pledge(coop, 3, 0, 1, 300))
        (sealed,) = [one for one in desk.said("sealed.1") if one.author == desk.who.key]
        epoch = next(one for one in desk.said("epoch.1") if one.id == sealed.body["epoch"])
        assert epoch.header.created > alone_from
        assert (epoch.author == maker.key) is (not alone_from)


def again(desk: Desk, record: Record) -> list[Record]:
    """The envelopes in which a node said another's record again."""
    context = desk.engine._core.contexts[record.scope]
    own = [one for one in desk.said("sealed.1") if one.author == desk.who.key]
    return [one for one in own if context.book.inside(one, NETWORK).id == record.id]
