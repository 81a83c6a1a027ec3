"""Who is in the room of a co-op, or in the channel of an agreement, and with which of their secrets an own persona is.

Decides places and patience from what is certified and held; never makes or opens anything. Spec: 11-room, ROO-1, ROO-6
and ROO-15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.coop.box import LEAVE
from protocol.coop.coop import Coop
from protocol.deal.award import Agreement
from protocol.deal.life import Deal
from protocol.engine.context import Context
from protocol.identity import Persona
from protocol.params import EPOCH_MS
from protocol.record.record import Record
from protocol.room.epoch import Group, Place

if TYPE_CHECKING:
    from protocol.engine.core import Core

_LEAVING = ("gathering", "balloting")  # the states in which a box may still list who leaves


def groups(core: Core, context: Context) -> dict[bytes, Group]:
    """The rooms of a scope by name: a co-op's one, once its roster is certified; a deal's, one for each agreement."""
    if context.family == "coop":
        coop = context.coop(core.settings)
        return {coop.roster: _room(context, coop)} if coop is not None and coop.roster else {}
    deal = context.deal(core.settings)
    return {one.hash: _channel(core, context, deal, one) for one in deal.agreements} if deal is not None else {}


def makers(group: Group) -> list[bytes]:
    """Who may make epochs, in turn: of a channel only its members, who know each other's boxes (ROO-15)."""
    return [key for key in group.order() if key != group.supplier]


def outside(core: Core, coop: Coop) -> bool:
    """Whether no own persona is in the room of a co-op that has one."""
    context = core.contexts.get(coop.charter.scope)
    room = _room(context, coop) if context is not None and coop.roster else None
    return room is not None and not any(key in core.personas for key in room.present)


def seed_of(core: Core, context: Context, name: bytes, persona: Persona) -> bytes:
    """The secret of an own persona's box in a room (IDN-5)."""
    if context.family == "coop":
        coop = context.coop(core.settings)
        return persona.box_seed(coop.hash if coop is not None else b"")
    deal = context.deal(core.settings)
    agreed = next((one for one in deal.agreements if one.hash == name), None) if deal is not None else None
    supplies = agreed is not None and agreed.supplier == persona.key
    return persona.box_seed(b"intake" + name if supplies or deal is None else deal.mandate.charter)


def root_of(core: Core, context: Context) -> Record | None:
    """What everything said here refers to: the charter, or the request."""
    if context.family == "coop":
        coop = context.coop(core.settings)
        return coop.charter if coop is not None else None
    deal = context.deal(core.settings)
    return deal.rfq if deal is not None else None


def patience(core: Core, context: Context) -> tuple[int, int]:
    """(how long an epoch lasts, how long one waits for another's turn) in ms, by the charter's times (ROO-6)."""
    times = {"mandate_ms": EPOCH_MS, "settle_ms": 0}
    if context.family == "coop" and (coop := context.coop(core.settings)) is not None:
        times = dict(coop.times)
    elif (deal := context.deal(core.settings)) is not None:
        times = dict(deal.times)
    return min(EPOCH_MS, times["mandate_ms"]), times["settle_ms"]


def _room(context: Context, coop: Coop) -> Group:
    """Everybody on the certified roster and every witness; who leaves gets no more, unless as a witness (ROO-1)."""
    said = [one.author for one in context.log.of_kind(LEAVE)] if coop.state in _LEAVING else []
    boxes = {one.key: one.box for one in coop.members}
    gone = dict.fromkeys((*coop.left, *said))
    witnesses = coop.council.witnesses
    for key in witnesses:
        held = context.log.slot("accept.1", key, "accept")
        boxes.setdefault(key, held[0].body["box"] if held else b"")
    left = [key for key in gone if key not in witnesses]
    keys = dict.fromkeys((*coop.joined, *witnesses))
    return Group.of(coop.roster, (Place(key, boxes.get(key, b""), key in left) for key in keys))


def _channel(core: Core, context: Context, deal: Deal, agreed: Agreement) -> Group:
    """The members with a share, and the supplier with the box that it asked for details by (ROO-15)."""
    scope = "coop/" + deal.mandate.charter[:16].hex()
    coop = core.contexts[scope].coop(core.settings) if scope in core.contexts else None
    boxes = {one.key: one.box for one in coop.members} if coop is not None else {}
    held = context.log.slot("intake.1", agreed.supplier, "intake")
    boxes[agreed.supplier] = next((one.body["box"] for one in held if one.body["agreement"] == agreed.hash), b"")
    keys = dict.fromkeys((*(member for member, _ in agreed.allocation.shares), agreed.supplier))
    return Group.of(agreed.hash, (Place(key, boxes.get(key, b"")) for key in keys), agreed.supplier)
