"""Who may say what where: the checks that a record passes whether it came openly or in an envelope.

Decides by what is held of the scope; never whether there is room, nor what follows. Spec: 03-gossip, GOS-7;
05-formation, FRM-24; 08-negotiation, NEG-42.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.coop.mandate import Mandate
from protocol.deal.counter import check_counter
from protocol.deal.request import find_request, read_mandate
from protocol.deal.talk import check_talk
from protocol.deal.term import read_successor, terms_of
from protocol.engine import freezing
from protocol.engine.context import ROOM_KINDS, WITNESS_KINDS, Context, has_say
from protocol.engine.coop import room
from protocol.engine.network import post
from protocol.errors import Ignore, Reject
from protocol.params import LIVE_INTENTS_MAX
from protocol.record.record import Record

if TYPE_CHECKING:
    from protocol.engine.core import Core


def check_place(core: Core, context: Context, record: Record, peer: str = "") -> None:
    """Whether the record is by somebody who has a say here (FRM-24, NEG-42); raises Ignore."""
    match context.family:
        case "board":
            freezing.check_record(core, context, record)
            _check_intents(core, context, record)
        case "trust":
            freezing.check_record(core, context, record)
        case "mail":
            post.check(core, len(context.log.records), context.log.weight, record, peer)
        case "coop" if not has_say(context, record, core.settings):
            raise Ignore("FRM-24", f"{record.kind}: its author has no say in this co-op, or not yet")
        case "deal" if record.kind == "rfq.1":
            try:
                read_mandate(record, core.settings.network)
            except Reject as error:
                room.turn_away(core, record, error)
                raise Ignore(error.code, error.message) from None
        case "deal":
            found = find_request(context.log, context.docket, core.settings.network)
            if found is None or (record.kind in WITNESS_KINDS and record.author not in found[0].body["witnesses"]):
                raise Ignore("NEG-42", f"{record.kind}: its author has no say in this deal, or not yet")
            if record.kind == "mandate.1":
                _check_mandate(core, record, *found)
            if record.kind == "counter.1":
                check_counter(record, terms_of(context.log, *found, core.settings.network))
            check_talk(record)
            room.check_event(core, context, record)
            _check_channel(core, context, record)


def _check_channel(core: Core, context: Context, record: Record) -> None:
    """In the channel of an agreement its members and its supplier speak (ROO-15); raises Ignore."""
    deal = context.deal(core.settings) if record.kind in (*ROOM_KINDS, "message.1") else None
    if deal is None:
        return
    epoch = context.log.records.get(record.body.get("epoch", b""))
    about = epoch.body if epoch is not None and epoch.kind == "epoch.1" else record.body
    name = about.get("group", about.get("agreement"))
    agreed = next((one for one in deal.agreements if one.hash == name), None)
    members = [member for member, _ in agreed.allocation.shares] if agreed is not None else []
    if agreed is None or record.author not in (*members, agreed.supplier):
        raise Ignore("ROO-15", f"{record.kind}: its author has no place in the channel of this agreement")


def _check_mandate(core: Core, record: Record, rfq: Record, first: Mandate) -> None:
    """Only one that the request's own witnesses certified for a later term (ELE-46); raises Ignore."""
    try:
        read_successor(record, rfq, first, core.settings.network)
    except Reject as error:
        raise Ignore(error.code, error.message) from None


def _check_intents(core: Core, context: Context, record: Record) -> None:
    """A withdrawal always finds room, and makes some (GOS-7)."""
    if record.kind != "intent.1" or record.header.slot is None or record.body["readiness"] == "withdrawn":
        return
    if not context.log.knows(record.author):
        return
    live = {
        one.header.slot.name: None
        for one in context.log.by(record.author, "intent.1")
        if one.header.slot and one.header.expires > core.now and one.body["readiness"] != "withdrawn"
    }
    if len(live) >= LIVE_INTENTS_MAX and record.header.slot.name not in live:
        raise Ignore("GOS-7", f"intent: at most {LIVE_INTENTS_MAX} of one author on a board; withdraw one first")
