"""The award: what the witnesses certify, computed by everybody in the room.

Decides the value from the ranking; never the ranking. Spec: 08-negotiation, NEG-50.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from protocol.coop.box import Question
from protocol.coop.coop import Coop
from protocol.deal.award import Part, parse_award
from protocol.deal.life import Deal, Reader
from protocol.deal.ranking import Ranked, Ranking
from protocol.encoding import encode
from protocol.params import BIDS_MAX


def award(reader: Reader) -> bool:
    question = Question(reader.name("award"), 0, 0, reader.deal.times["round_ms"])
    decided = reader.docket.decided(question.name, reader.deal.council)
    if decided is None:
        reader.open.append(question)
        return False
    reader.decided[question.name] = decided
    award = parse_award(decided.value, reader.deal.rfq.id, reader.deal.mandate.roster)
    if award is None:
        return reader.fact("no quotation fits")
    reader.deal = replace(reader.deal, award=award)
    return reader.fact("award certified")


def award_value(deal: Deal, coop: Coop, ranking: Ranking) -> bytes:
    """The value that the witnesses certify: what is awarded to whom, or nothing; and who was refused (NEG-50)."""
    counted = [row.quotation.supplier for row in ranking.ranked]
    codes = {row.supplier: row.code for row in ranking.refused}
    refused = [[one.author, codes.get(one.author, "NEG-9")] for one in deal.quotations if one.author not in counted]
    base: dict[str, Any] = {"rfq": deal.rfq.id, "roster": coop.roster, "refused": sorted(refused)[:BIDS_MAX]}
    if ranking.ranked:
        best = ranking.ranked[0]
        served = [member for member, _ in best.allocation.shares]
        base["parts"] = [_part(best).to_mapping()]
        base["reserve"] = sorted(one.member for one in coop.demands if one.most and one.member not in served)
    return encode(base)


def _part(row: Ranked) -> Part:
    return Part(
        supplier=row.quotation.supplier,
        quotation=row.hash,
        ladder=row.quotation.ladder,
        capacity=row.quotation.capacity,
        pack=row.quotation.pack,
        unit_price_minor=row.allocation.unit_price_minor,
        besides=row.besides,
        cancellation=row.quotation.cancellation,
        cancellation_fee_minor=row.quotation.cancellation_fee_minor,
        lots=row.allocation.shares,
    )
