"""What comes in: which records a node takes, which wait for others, and what happens to those that are taken.

Decides what is admitted to a context; never what a context's records lead to. Spec: 03-gossip, GOS-3 to GOS-9;
01-record, REC-13.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from protocol.coop.mandate import Mandate
from protocol.deal.counter import check_counter
from protocol.deal.request import find_request, read_mandate
from protocol.deal.talk import check_talk
from protocol.deal.term import read_successor, terms_of
from protocol.encoding import encode
from protocol.engine.context import WITNESS_KINDS, Context, has_say, is_early
from protocol.engine.coop import room
from protocol.engine.network import carry, departure, policy, post, reconcile, spread, steward
from protocol.errors import Ignore, Reject
from protocol.events import Drop, Store
from protocol.network.gossip import Want
from protocol.params import CLOCK_AHEAD_MS_MAX, LIVE_INTENTS_MAX
from protocol.record.record import EXPIRING, Record
from protocol.record.retention import is_over
from protocol.trust.accountability import came_late

if TYPE_CHECKING:
    from protocol.engine.core import Core

_OF_THE_LINK = ("GOS-3", "GOS-50", "REL-6", "REL-15")  # what says nothing of the record: another may bring it, or later


def receive(core: Core, record: Record, peer: str) -> None:
    """Admit a neighbour's record, then what waited for it. Raises Ignore or Reject before anything has changed."""
    if record.kind == "mail.1" and post.came_back(core, record, peer) and record.scope not in core.followed:
        return
    if record.kind == "policy.1":
        policy.heard(core, record, peer)
        if record.scope not in core.followed:
            return
    reconcile.arrived(core, record.id, peer)
    try:
        moved = _admit(core, record, peer)
    except Ignore as error:
        if error.code not in _OF_THE_LINK:
            reconcile.decline(core, record.id)
        raise
    if moved:
        admit_waiting(core, record.scope, (record.id,))


def admit_waiting(core: Core, scope: str, fresh: Iterable[bytes]) -> None:
    """Admit what waited for records that came to a scope, and what waited for that, however long the chain."""
    while fresh:
        came, fresh = fresh, []
        for other in core.neighbours.values():
            for waiting in other.ready(core.ids(scope), scope, came) if other.pending else ():
                try:
                    if _admit(core, waiting, other.name):
                        fresh.append(waiting.id)
                except Reject as error:
                    core.out.append(Drop(other.name, error.code))
                except Ignore:
                    continue


def _admit(core: Core, record: Record, peer: str) -> bool:
    """Whether a record was taken; False when it was held already, or waits."""
    _check_open(core, record, peer)
    for_others = record.scope in core.carried or record.scope not in core.followed  # the latter: mail (REL-16)
    if for_others and not carry.concerns(core, record):
        return carry.admit(core, record, peer)
    context = core.context(record.scope)
    if record.id in context.log.records:
        spread.again(core, record, peer)
        return False
    lacking = [ref for ref in record.header.refs if ref not in context.log.records]
    neighbour = core.neighbours.get(peer)
    if lacking:  # GOS-6: wait, and ask only who sent the child
        if neighbour is not None:
            neighbour.wait(record)
            core.send(peer, Want(record.scope, tuple(lacking)))
        return False
    if neighbour is not None and is_early(context, record, core.settings):
        neighbour.wait(record, early=True)
        return False
    check_place(core, context, record, peer)
    if context.log.crowded and not room.standing(core, context, record):
        room.check_newcomer(context.log, record.author, neighbour)
    take(core, context, record, False, peer)
    return True


def _check_open(core: Core, record: Record, peer: str) -> None:
    """Whether a record of this scope and these times is taken at all; raises Ignore."""
    header = record.header
    if header.created > core.now + CLOCK_AHEAD_MS_MAX:
        raise Ignore("REC-13", "created: more than ten minutes ahead of this node's clock")
    steward.check(core, record, peer)
    if record.scope not in core.followed and not post.carried(core, record.scope):
        raise Ignore("GOS-3", f"scope: {record.scope} is not followed here")
    if header.expires <= core.now and record.scope.startswith(EXPIRING):
        raise Ignore("REC-13", "expires: the record's time is over")
    if is_over(header, core.now):
        raise Ignore("STO-22", "expires: the co-op or deal that this was said in has ended")


def check_place(core: Core, context: Context, record: Record, peer: str = "") -> None:
    """Whether the record is by somebody who has a say here (FRM-24, NEG-42); raises Ignore."""
    match context.family:
        case "board":
            _check_intents(core, context, record)
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


def take(core: Core, context: Context, record: Record, own: bool, source: str, human: bool = False) -> None:
    """Add a good record to its log, keep it, and offer it to others."""
    contested = context.log.contested(record)
    needed = contested and room.needed(core, context, record)
    wanted = own or (contested and core.awaited(record))
    standing = own or (context.log.crowded and room.standing(core, context, record))
    added = context.log.add(record, wanted, standing, needed)
    if not added.stored:
        return
    context.wanted.pop(record.id, None)
    if context.expires is None or record.header.expires < context.expires:
        context.expires = record.header.expires
    if came_late(record, core.now):
        core.keep(f"seen/{record.id.hex()}", encode(core.now))
    context.docket.note(record)
    core.changed(context.scope)
    core.out.append(Store(record, own))
    if own:
        departure.leave(core, context, record, human)
    else:
        spread.offer(core, record, own, source)
    if added.proof is not None:
        core.notify("fault", author=record.author, kind=record.kind, scope=record.scope)
