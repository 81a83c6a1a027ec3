"""From the commitments to the agreement and its delivery.

Decides who is bound to what, and how far it is fulfilled; never commits for anybody.
Spec: 08-negotiation, NEG-51 to NEG-53; 09-accountability, AGR-1 to AGR-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from protocol.coop.box import Box
from protocol.deal.allocation import Demand, allocate
from protocol.deal.award import Agreement, Award, agreement_hash
from protocol.deal.life import Reader
from protocol.record.log import Log
from protocol.record.record import Record


def commit(reader: Reader) -> bool:
    deal, award = reader.deal, reader.deal.award
    if award is None:
        return False
    box = Box("commitment.1", "commitment", award.members, (), partial(_good_commitment, deal.rfq.id, award.hash))
    opened = reader.decided[reader.name("award")].when
    commitments = reader.box("commitments", box, opened, "commit_ms")
    if commitments is None:
        return False
    hashed = reader.decided[reader.name("commitments")].value_hash
    demands = [demand_of(one) for one in commitments if one.body["answer"] == "commit"]
    reader.deal = replace(deal, commitments=tuple(commitments), agreements=agree(award, demands, hashed))
    return reader.fact("commitments certified" if reader.deal.agreements else "no rung stands")


def fulfil(reader: Reader) -> bool:
    agreements = tuple(_come_so_far(reader.log, one) for one in reader.deal.agreements)
    reader.deal = replace(reader.deal, agreements=agreements)
    if not agreements or not all(one.signed for one in agreements):
        return False
    reader.fact("all countersigned")
    if any(len(one.delivered) < len(one.allocation.shares) for one in agreements):
        return False
    return reader.fact("all delivered")


def agree(award: Award, demands: Sequence[Demand], hashed: bytes) -> tuple[Agreement, ...]:
    """What those who committed come to, part by part (NEG-53). hashed: of the certified box of commitments."""
    found = []
    for part in award.parts:
        inside = [demand for demand in demands if part.lot(demand.member)]
        allocation = allocate(part.ladder, part.capacity, part.pack, inside, hashed, part.besides)
        if allocation is not None:
            found.append(Agreement(part, allocation, agreement_hash(award.hash, part.supplier, allocation)))
    return tuple(found)


def _come_so_far(log: Log, agreement: Agreement) -> Agreement:
    """The same with its supplier's signature (AGR-2) and what was reported under it (AGR-4)."""
    signed = log.slot("countersign.1", agreement.supplier, "countersign")
    got = {
        one.body["member"]: None
        for one in log.of_kind("event.1")
        if one.body["agreement"] == agreement.hash
        and one.body["action"] in ("deliver", "receive")
        and one.author in (agreement.supplier, one.body["member"])
    }
    return replace(
        agreement,
        signed=any(one.body["agreement"] == agreement.hash for one in signed),
        delivered=tuple(member for member, _ in agreement.allocation.shares if member in got),
    )


def demand_of(record: Record) -> Demand:
    """The numbers of a pledge or a commitment."""
    body = record.body
    return Demand(record.author, body["want"], body["tolerate"], body["least"], body["price_max_minor"])


def _good_commitment(rfq: bytes, award: bytes, record: Record) -> bool:
    body = record.body
    return bool(body["rfq"] == rfq and body["award"] == award and body["least"] <= body["want"])
