"""What somebody in a room can do with what others said there, and with epochs of their own (11-room, 18-keeping)."""

from __future__ import annotations

from protocol import commands as ask
from protocol.engine.silence import keeping
from protocol.events import PeerConnected, RecordReceived
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, Handmade
from tests.stages import Desk, at


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
    stamps = {"created": inner.header.created + 1, "expires": inner.header.expires}
    body, refs = dict(inner.body) | {"want": 4}, inner.header.refs
    twin = Record.sign(desk.who, NETWORK, "pledge.1", inner.scope, body, slot=slot, refs=refs, **stamps)
    desk.do(RecordReceived(twin, "peer"))
    assert keeping(desk.engine._core).state == "stopped"
