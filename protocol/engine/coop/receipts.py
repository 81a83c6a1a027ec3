"""What becomes of what own personas handed in: whose receipts are held, and whether the certified box lists it.

Decides nothing and changes nothing. Spec: 07-election, ELE-50 to ELE-53 and ELE-65.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from protocol import commands as ask
from protocol.coop.box import manifest_ids
from protocol.coop.coop import Coop
from protocol.deal.inclusion import HANDED_IN, council_of, make, question_of, receipts_for, receipts_needed
from protocol.engine.context import Context
from protocol.engine.coop.lease import deal_of
from protocol.engine.core import Core
from protocol.engine.desk import coop_context
from protocol.errors import CommandError, NotNow, Reject
from protocol.record.record import Record
from protocol.sealing import Void


def receipts(core: Core, command: ask.AskReceipts) -> list[dict[str, Any]]:
    """One row for each record of an own persona that goes into a box of a co-op or its deal."""
    context, coop = coop_context(core, command.coop)
    found = []
    for about, anchor, record in _own(core, context, coop):
        name, council = question_of(record), council_of(anchor, core.settings.network)
        given = receipts_for(about.log, name, record.id, council)
        found.append(
            {
                "kind": record.kind.partition(".")[0],
                "question": name,
                "id": record.id,
                "state": _state(core, about, coop, anchor, record),
                "receipts": [one.author for one in given],
                "witnesses": len(council.witnesses),
                "needed": receipts_needed(record, council),
            }
        )
    return found


def inclusion(core: Core, command: ask.AskInclusion) -> dict[str, Any]:
    """The file about one of them that anybody can check (ELE-50)."""
    context, coop = coop_context(core, command.coop)
    for about, anchor, record in _own(core, context, coop):
        if record.kind == f"{command.kind}.1":
            try:
                return {"proof": make(core.settings.network, anchor, record, about.log, about.docket)}
            except Reject as error:
                raise NotNow(error.code, f"receipt: {error.message}") from None
    known = ", ".join(sorted(kind.partition(".")[0] for kind in HANDED_IN))
    raise CommandError("ELE-52", f"kind: you have handed in no {command.kind[:20]!r} here (it could be one of {known})")


def _own(core: Core, context: Context, coop: Coop) -> Iterator[tuple[Context, Record, Record]]:
    """(context, anchor, record) of all that own personas handed in."""
    deal = deal_of(core, coop)
    places = [(context, coop.charter)]
    places += [(core.context(deal.rfq.scope), deal.rfq)] if deal is not None else []
    for about, anchor in places:
        for kind in HANDED_IN:
            for key in core.personas:
                for record in sorted(about.log.by(key, kind), key=lambda one: one.id):
                    yield about, anchor, record


def _state(core: Core, about: Context, coop: Coop, anchor: Record, record: Record) -> str:
    """waiting, counted, void (two of one author void each other, DEC-14; a ballot that does not open, ELE-63) or left
    out.
    """
    if isinstance(coop.openings.get(record.id), Void):
        return "void"
    decided = about.docket.decided(question_of(record), council_of(anchor, core.settings.network))
    if decided is None:
        return "waiting"
    try:
        ids = manifest_ids(decided.value)
    except Reject:
        return "waiting"
    if record.id not in ids:
        return "left out"
    mine = [one for one in about.log.by(record.author, record.kind) if one.id in ids]
    return "counted" if len(mine) == 1 else "void"
