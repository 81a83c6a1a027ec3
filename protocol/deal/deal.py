"""A deal from the request for quotation to the agreement and its delivery.

Decides nothing of its own: it puts the stages in their order. Spec: 08-negotiation, NEG-41.
"""

from __future__ import annotations

from dataclasses import replace

from protocol.coop.decision import Council, Docket
from protocol.deal.choice import award
from protocol.deal.contract import commit, fulfil, repair, sign
from protocol.deal.life import Deal, Reader
from protocol.deal.request import find_request, specification_in
from protocol.deal.revision import revise, suggest
from protocol.deal.tender import final, quote, reveal, reveal_finals
from protocol.record.log import Log


def read_deal(log: Log, docket: Docket, network: bytes, named: bytes = b"") -> Deal | None:
    """The deal that a log holds, or None while no good request is known; `named`: the one its co-op certified."""
    found = find_request(log, docket, network, named)
    if found is None:
        return None
    rfq, mandate = found
    council = Council(tuple(rfq.body["witnesses"]), mandate.charter)
    reader = Reader(log, docket, Deal(rfq, mandate, "asked", council, specification_in(rfq)))
    for stage in (suggest, revise, quote, reveal, final, reveal_finals, award, commit, repair, sign, fulfil):
        if not stage(reader):
            break
    return replace(reader.deal, open=tuple(reader.open), decided=reader.decided)
