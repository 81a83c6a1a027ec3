"""From the commitments to the agreement and its delivery.

Decides who is bound to what, and how far it is fulfilled; never commits for anybody.
Spec: 08-negotiation, NEG-51 to NEG-53; 09-accountability, AGR-1 to AGR-5.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from protocol.coop.box import Box
from protocol.deal.allocation import Demand, allocate
from protocol.deal.award import agreement_hash
from protocol.deal.life import Reader
from protocol.record.record import Record


def commit(reader: Reader) -> bool:
    deal, award = reader.deal, reader.deal.award
    if award is None:
        return False
    members = tuple(member for member, _ in award.lots)
    box = Box("commitment.1", "commitment", members, (), partial(_good_commitment, deal.rfq.id, award.hash))
    opened = reader.decided[reader.name("award")].when
    commitments = reader.box("commitments", box, opened, "commit_ms")
    if commitments is None:
        return False
    hashed = reader.decided[reader.name("commitments")].value_hash
    demands = [demand_of(one) for one in commitments if one.body["answer"] == "commit"]
    agreement = allocate(award.ladder, award.capacity, award.pack, demands, hashed)
    reader.deal = replace(deal, commitments=tuple(commitments), agreement=agreement)
    if agreement is None:
        return reader.fact("no rung stands")
    reader.deal = replace(reader.deal, agreement_hash=agreement_hash(award, agreement))
    return reader.fact("commitments certified")


def fulfil(reader: Reader) -> bool:
    deal = reader.deal
    if deal.award is None or deal.agreement is None:
        return False
    signed = reader.log.slot("countersign.1", deal.award.supplier, "countersign")
    if not any(one.body["agreement"] == deal.agreement_hash for one in signed):
        return False
    reader.fact("supplier countersigned")
    members = [member for member, _ in reader.deal.agreement.shares] if reader.deal.agreement else []
    got = {
        one.body["member"]: None
        for one in reader.log.of_kind("event.1")
        if one.body["agreement"] == deal.agreement_hash
        and one.body["action"] in ("deliver", "receive")
        and one.author in (deal.award.supplier, one.body["member"])
    }
    reader.deal = replace(reader.deal, delivered=tuple(member for member in members if member in got))
    return reader.fact("all delivered") if len(reader.deal.delivered) == len(members) else False


def demand_of(record: Record) -> Demand:
    """The numbers of a pledge or a commitment."""
    body = record.body
    return Demand(record.author, body["want"], body["tolerate"], body["least"], body["price_max_minor"])


def _good_commitment(rfq: bytes, award: bytes, record: Record) -> bool:
    body = record.body
    return bool(body["rfq"] == rfq and body["award"] == award and body["least"] <= body["want"])
