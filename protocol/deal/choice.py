"""The award: what the witnesses certify, computed by everybody in the room.

Decides it from the ranking and from the answers that members put into their own box, where no supplier reads who they
are; never what either comes to. Spec: 08-negotiation, NEG-50, NEG-90, NEG-91 and NEG-96.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from protocol.coop.box import Box, Question, held_once, settled
from protocol.coop.coop import Coop, question_name, slot_name
from protocol.coop.decision import Docket
from protocol.coop.template import Template
from protocol.deal.award import Part, parse_award
from protocol.deal.life import Deal, Reader
from protocol.deal.lots import Answer, Market, choose, is_answer, market_of
from protocol.deal.ranking import Ranked, Ranking
from protocol.deal.request import request_of
from protocol.encoding import encode
from protocol.params import BIDS_MAX
from protocol.record.log import Log
from protocol.record.record import Record


def award(reader: Reader) -> bool:
    question = Question(reader.name("award"), 0, 0, reader.deal.times["round_ms"], opened=reader.newest)
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


def answers_question(deal: Deal, coop: Coop) -> Question | None:
    """The box of answers in the co-op's scope; None where there is none, and the best quotation is awarded (NEG-90)."""
    award = question_name("award", deal.rfq.id)
    reached = award in deal.decided or any(one.name == award for one in deal.open)
    if "answer_ms" not in deal.times or not reached or len(deal.drawn) < 2:
        return None
    names = [question_name(base, deal.rfq.id) for base in ("reveals", "finals", "final-reveals")]
    opened = max(deal.decided[name].when for name in names if name in deal.decided)
    entitled = tuple(sorted({*coop.keys, *coop.council.witnesses}))
    takes = partial(_good_answer, deal.rfq.id, tuple(one.author for one in deal.drawn))
    box = Box("answer.1", answers_slot(deal), entitled, (), takes)
    times, name = deal.times, question_name("answers", deal.rfq.id)
    closes = opened + times["answer_ms"]
    return Question(name, closes, times["settle_ms"], times["round_ms"], box, opened=opened)


def answers_slot(deal: Deal) -> str:
    """The slot in which somebody answers, once in a deal (NEG-91)."""
    return slot_name("answer", deal.rfq.id)


def answers_in(log: Log, docket: Docket, question: Question | None, coop: Coop) -> tuple[Answer, ...] | None:
    """The answers that count; None while their box is open. log, docket: the co-op's."""
    if question is None or question.box is None:
        return ()
    decided = settled(log, docket, coop.council, question)
    return None if decided is None else tuple(answer_of(one) for one in held_once(log, question.box, decided.value))


def answer_of(record: Record) -> Answer:
    """What an `answer.1` says."""
    return tuple((supplier, quantity) for supplier, quantity in record.body["serves"])


def market(deal: Deal, coop: Coop, template: Template, ranking: Ranking) -> Market:
    """What answers are weighed against. coop: with the limits of its mandate (ELE-31)."""
    assert coop.limits is not None
    return market_of(
        request_of(deal, template, coop), coop.limits, ranking.offers, coop.demands, coop.pledges_hash
    )


def award_value(deal: Deal, coop: Coop, template: Template, ranking: Ranking, answers: Iterable[Answer] = ()) -> bytes:
    """The value that the witnesses certify: what is awarded to whom, or nothing; and who was refused (NEG-50)."""
    best = choose(market(deal, coop, template, ranking), ranking, answers)
    chosen = best.parts if best is not None else ()
    counted = [row.quotation.supplier for row in (*ranking.ranked, *chosen)]
    codes = {row.supplier: row.code for row in ranking.refused}
    refused = [[one.author, codes.get(one.author, "NEG-9")] for one in deal.quotations if one.author not in counted]
    base: dict[str, Any] = {"rfq": deal.rfq.id, "roster": coop.roster, "refused": sorted(refused)[:BIDS_MAX]}
    if chosen:
        served = [member for row in chosen for member, _ in row.allocation.shares]
        base["parts"] = [_part(row).to_mapping() for row in chosen]
        base["reserve"] = sorted(one.member for one in coop.demands if one.most and one.member not in served)
    return encode(base)


def _good_answer(rfq: bytes, suppliers: tuple[bytes, ...], record: Record) -> bool:
    body = record.body
    return bool(body["rfq"] == rfq and is_answer(body["serves"]) and all(key in suppliers for key, _ in body["serves"]))


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
        prepaid_percent=row.quotation.prepaid_percent,
    )
