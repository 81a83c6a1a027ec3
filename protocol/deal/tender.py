"""Quotations, sealed and opened, and how everybody in the room ranks them.

Decides what the boxes of quotations and reveals amount to; never opens a sealed quotation.
Spec: 08-negotiation, NEG-43 to NEG-49.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from protocol.coop.box import Box
from protocol.coop.coop import Coop, question_name
from protocol.coop.template import Template
from protocol.deal.life import Deal, Opening, Reader
from protocol.deal.negotiation import Bid, Ranking, open_commitment, rank
from protocol.deal.request import request_of
from protocol.encoding import digest
from protocol.errors import Reject
from protocol.params import BIDS_MAX
from protocol.record.record import Record


def quote(reader: Reader) -> bool:
    rfq = reader.deal.rfq
    box = Box("quotation.1", "quotation", None, (rfq.author,), partial(_about, rfq.id))
    quotations = reader.box("quotations", box, rfq.header.created, "quote_ms")
    if quotations is None:
        return False
    reader.deal = replace(reader.deal, quotations=tuple(quotations))
    return reader.fact("quotations certified" if quotations else "nobody quoted")


def reveal(reader: Reader) -> bool:
    rfq, quoted = reader.deal.rfq, reader.decided[reader.name("quotations")]
    suppliers = tuple(one.author for one in reader.deal.quotations)
    takes = partial(_good_reveal, rfq.id, quoted.value_hash, len(rfq.body["boxes"]))
    reveals = reader.box("reveals", Box("reveal.1", "reveal", suppliers, (), takes), quoted.when, "reveal_ms")
    if reveals is None:
        return False
    reader.deal = replace(reader.deal, reveals=tuple(reveals))
    return reader.fact("reveals certified" if reveals else "nobody revealed")


def ranking_of(deal: Deal, coop: Coop, template: Template, openings: Mapping[bytes, Opening | None]) -> Ranking | None:
    """Every revealed quotation, ranked or refused, as every member computes it; None before its time (NEG-48).

    openings: by reveal id; None where the reveal could not be opened, which refuses it.
    """
    if coop.limits is None or any(one.id not in openings for one in deal.reveals):
        return None
    commits = {one.author: one.body["commit"] for one in deal.quotations}
    bids: list[Bid] = []
    for reveal in deal.reveals:
        opening = openings[reveal.id]
        if opening is not None:
            try:
                bids.append(
                    open_commitment(commits[reveal.author], deal.rfq.id, reveal.author, opening.nonce, opening.quote)
                )
            except Reject:
                continue
    drawn = sorted(bids, key=lambda bid: digest("turn", deal.decided[_quoted(deal)].value_hash + bid.supplier))
    return rank(request_of(deal, template), coop.limits, drawn[:BIDS_MAX], coop.demands, coop.pledges_hash)


def as_awarded(deal: Deal, openings: Mapping[bytes, Opening | None]) -> dict[bytes, Opening | None]:
    """Openings by reveal as the award took them: what it refused as unopened counts for nobody (NEG-48)."""
    refused = deal.award.refused if deal.award is not None else ()
    unopened = [supplier for supplier, code in refused if code == "NEG-9"]
    held = [one for one in deal.reveals if one.id in openings]
    return {one.id: None if one.author in unopened else openings[one.id] for one in held}


def _quoted(deal: Deal) -> str:
    """The name of the question that closed the box of quotations."""
    return question_name("quotations", deal.rfq.id)


def _about(rfq: bytes, record: Record) -> bool:
    return bool(record.body["rfq"] == rfq)


def _good_reveal(rfq: bytes, manifest: bytes, boxes: int, record: Record) -> bool:
    body = record.body
    return bool(body["rfq"] == rfq and body["manifest"] == manifest and len(body["keys"]) == boxes)
