"""What comes in: which records a node takes, which wait for others, and what happens to those that are taken.

Decides what is admitted to a context; never what a context's records lead to. Spec: 03-gossip, GOS-3 to GOS-9;
01-record, REC-13.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from protocol.engine import disclosures, keeping, rooms
from protocol.engine.context import Context, is_early
from protocol.engine.coop import room
from protocol.engine.network import carry, departure, policy, post, reconcile, spread, steward
from protocol.engine.place import check_place
from protocol.errors import Ignore, Reject
from protocol.events import Drop, Store
from protocol.network.gossip import Want
from protocol.params import CLOCK_AHEAD_MS_MAX
from protocol.record.record import EXPIRING, Record
from protocol.record.retention import is_over

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
    unheard_of = keeping.is_twins(core, record, peer)
    try:
        moved = _admit(core, record, peer)
    except Ignore as error:
        if error.code not in _OF_THE_LINK:
            reconcile.decline(core, record.id)
        raise
    if unheard_of:
        keeping.stop(core, record)
    if moved and record.author in core.personas and record.kind in keeping.SAID_BY_OTHERS:
        disclosures.note(core, record)  # CNS-22: signed and sealed long ago, and disclosed now
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
    if record.id in context.wire.records:
        spread.again(core, record, peer)
        return False
    lacking = [ref for ref in record.header.refs if ref not in context.wire.records]
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
    if context.wire.crowded and not room.standing(core, context, record):
        room.check_newcomer(context.wire, record.author, neighbour)
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


def take(core: Core, context: Context, record: Record, own: bool, source: str, human: bool = False) -> None:
    """Add a good record to its log, keep it, offer it to others, and read it."""
    wire = context.wire
    contested = wire.contested(record)
    needed = contested and room.needed(core, context, context.book.inside(record, core.settings.network))
    wanted = own or (contested and core.awaited(record))
    standing = own or (wire.crowded and room.standing(core, context, record))
    added = wire.add(record, wanted, standing, needed)
    if not added.stored:
        return
    if context.expires is None or record.header.expires < context.expires:
        context.expires = record.header.expires
    core.changed(context.scope)
    core.out.append(Store(record, own))
    if own:
        departure.leave(core, context, record, human)
    else:
        spread.offer(core, record, own, source)
    rooms.read(core, context, record, added)
