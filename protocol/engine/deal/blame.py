"""Quotations that were sealed wrongly: shown to everybody by one of the room, with the shares that prove it.

Decides whose turn it is to publish the proof; what it proves is read in protocol/trust/accountability.
Spec: 08-negotiation, NEG-64 to NEG-66.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from protocol.coop.coop import Coop
from protocol.deal.life import Deal
from protocol.deal.tender import DEFAULTS, shares_of
from protocol.engine.context import Context
from protocol.engine.coop.faults import whose_turn
from protocol.engine.core import Core
from protocol.params import ATTESTATION_LIFE_MS, DEFAULTS_READ_MAX
from protocol.record.record import Record, Slot
from protocol.sealing import Void
from protocol.trust.accountability import default_in, default_slot, trust_scope


def attend(core: Core, context: Context, deal: Deal, coop: Coop) -> None:
    """Publish what nobody has published when the turn of an own persona has come."""
    for quotation, reveals in _void(context, deal):
        core.follow(trust_scope(quotation.author))
        if any(one.id == quotation.id for one, _ in defaults(core, quotation.author)):
            continue
        parties = tuple(key for key in (*coop.keys, *coop.council.witnesses) if key != quotation.author)
        name = default_slot(quotation)
        persona = whose_turn(core, context, name, quotation.id, parties, deal.times["settle_ms"])
        if persona is not None:
            shares = shares_of(deal, quotation, reveals, context.room)
            body = {"quotation": quotation.raw, "shares": [[place, shares[place]] for place in sorted(shares)]}
            slot, until = Slot("once", name, 0), core.now + ATTESTATION_LIFE_MS
            core.volunteer(persona, "default.1", trust_scope(quotation.author), body, until=until, slot=slot)


def defaults(core: Core, supplier: bytes) -> list[tuple[Record, str]]:
    """A supplier's quotations that are proved to be sealed wrongly, each once, and by which clause."""
    said = sorted(core.peek(trust_scope(supplier)).of_kind("default.1"), key=lambda record: record.id)
    proved = (default_in(one, core.settings.network) for one in islice(said, DEFAULTS_READ_MAX))
    return list({one[0].id: one for one in proved if one is not None and one[0].author == supplier}.values())


def _void(context: Context, deal: Deal) -> Iterator[tuple[Record, tuple[Record, ...]]]:
    for quotations, reveals in ((deal.drawn, deal.reveals), (deal.finals, deal.final_reveals)):
        for one in quotations:
            found = context.openings.get(one.id)
            if isinstance(found, Void) and found.code in DEFAULTS:
                yield one, reveals
