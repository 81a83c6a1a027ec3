"""Whose room a scope is: who has standing there, and how many strangers one link may bring when it is crowded.

Decides that from the records held; never whether a record is good. Spec: 03-gossip, GOS-49 and GOS-50;
08-negotiation, NEG-42 and NEG-86.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.coop.charter import find_charter
from protocol.coop.term import backed_end
from protocol.deal.fulfilment import DETAIL_KINDS, PARTY_KINDS, is_party
from protocol.deal.request import find_request
from protocol.engine.context import Context
from protocol.errors import Ignore, Reject
from protocol.network.gossip import Neighbour
from protocol.network.shelf import Shelf
from protocol.params import NEWCOMERS_MAX, TURNED_AWAY_MAX
from protocol.record.kinds import KINDS
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.trust import assessment, voice
from protocol.trust.consent import check_slot

if TYPE_CHECKING:
    from protocol.engine.core import Core


def standing(core: Core, context: Context, record: Record) -> bool:
    """Whether the author has a say by what is certified here, and so needs no share of what strangers may fill."""
    match context.family:
        case "coop":
            return record.kind in KINDS  # whoever got so far is listed, or a witness, or has joined (FRM-24)
        case "deal" if (deal := context.deal(core.settings)) is not None:
            parties = [deal.rfq.author, *deal.rfq.body["witnesses"], *(one.author for one in deal.quotations)]
            scope = "coop/" + deal.mandate.charter[:16].hex()
            coop = core.contexts[scope].coop(core.settings) if scope in core.contexts else None
            return record.author in parties or (coop is not None and record.author in coop.keys)
    return False


def needed(core: Core, context: Context, record: Record) -> bool:
    """Whether an answer builds on a record: a certified manifest lists it (DEC-19), or it is backed (DEC-6)."""
    if record.id in context.wanted:
        return True
    if record.kind not in ("proposal.1", "vote.1", "end.1"):
        return False
    root = find_charter(context.log)
    if root is None:
        found = find_request(context.log, context.docket, core.settings.network)
        root = found[0] if found is not None else None
    if root is None:
        return False
    witnesses = tuple(root.body["witnesses"])
    if record.kind == "end.1":
        return backed_end(context.log, witnesses, record)
    return context.docket.backed(record, (len(witnesses) - 1) // 3)


def check_newcomer(held: Log | Shelf, author: bytes, neighbour: Neighbour | None) -> None:
    """Strangers share one small lane per link that they dialled, once the scope is crowded; raises Ignore GOS-50."""
    if neighbour is None or neighbour.outbound or not held.crowded or held.knows(author):
        return
    if neighbour.newcomers >= NEWCOMERS_MAX:
        raise Ignore("GOS-50", f"author: the scope is crowded, and {NEWCOMERS_MAX} strangers came by this link already")
    neighbour.newcomers += 1


def check_event(core: Core, context: Context, record: Record) -> None:
    """Under an agreement its parties speak: the supplier, and each member about itself; raises Ignore NEG-42."""
    spoken = record.kind in (*PARTY_KINDS, *DETAIL_KINDS)
    deal = context.deal(core.settings) if spoken else None
    if deal is not None and not any(is_party(one.terms, record) for one in deal.agreements):
        raise Ignore("NEG-42", f"{record.kind}: its author is no party of this agreement, or speaks for another")
    if spoken:
        check_slot(record)
    deal = context.deal(core.settings) if record.kind in assessment.KINDS else None
    if deal is not None and not assessment.belongs(deal, record):
        raise Ignore("ATT-9", f"{record.kind}: its author and its subject are not two sides of this deal")
    deal = context.deal(core.settings) if record.kind in voice.SPOKEN else None
    if deal is not None:
        voice.check(context.log, deal, record)


def turn_away(core: Core, request: Record, why: Reject) -> None:
    """Remember, as long as this process lives, why a request does not hold: a supplier asks (NEG-86)."""
    core.turned_away.pop(request.scope, None)
    while len(core.turned_away) >= TURNED_AWAY_MAX:
        core.turned_away.pop(next(iter(core.turned_away)))
    core.turned_away[request.scope] = request, why.code, why.message
