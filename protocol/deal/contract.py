"""From the commitments to the agreements, their signatures and their end.

Decides who is bound to what and how far it has come; never commits for anybody.
Spec: 08-negotiation, NEG-51 to NEG-53 and NEG-110; 09-accountability, AGR-1 to AGR-6 and AGR-18.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from protocol.coop.box import Box, Question, held_once, manifest_ids, settled
from protocol.coop.coop import Coop
from protocol.deal.allocation import Demand, allocate
from protocol.deal.award import Agreement, Award, agreement_hash, fallen
from protocol.deal.fulfilment import Terms, accounts
from protocol.deal.life import Reader
from protocol.deal.repair import last_words, seat_of
from protocol.params import PERIOD_MS
from protocol.record.record import Record

_NOBODY: Mapping[bytes, int] = {}


def commit(reader: Reader) -> bool:
    deal, award = reader.deal, reader.deal.award
    if award is None:
        return False
    box = Box("commitment.1", "commitment", award.members, (), partial(_good_commitment, deal.rfq.id, award.hash))
    opened = reader.decided[reader.name("award")].when
    commitments = reader.box("commitments", box, opened, "commit_ms")
    if commitments is None:
        return False
    reader.deal = replace(deal, commitments=tuple(commitments))
    agreements = agree(award, commitments, reader.decided[reader.name("commitments")].value_hash)
    down = fallen(award, agreements)
    if down and "repair_ms" in deal.times and any(one.body["answer"] == "commit" for one in commitments):
        reader.deal = replace(reader.deal, fallen=down)
        return reader.fact("a rung fell")
    reader.deal = replace(reader.deal, agreements=agreements)
    return reader.fact("commitments certified" if agreements else "no rung stands")


def repair(reader: Reader) -> bool:
    award = reader.deal.award
    if reader.deal.state != "repairing" or award is None:
        return True
    commitments = last_words(reader, award)
    if commitments is None:
        return False
    agreements = agree(award, commitments, reader.decided[reader.name("repairs")].value_hash)
    reader.deal = replace(reader.deal, commitments=tuple(commitments), agreements=agreements)
    return reader.fact("repairs certified" if agreements else "no rung stands")


def sign(reader: Reader) -> bool:
    deal = reader.deal
    hashes = {one.supplier: one.hash for one in deal.agreements}
    box = Box("countersign.1", "countersign", tuple(hashes), (), partial(_good_signature, deal.rfq.id, hashes))
    opened = reader.decided.get(reader.name("repairs")) or reader.decided[reader.name("commitments")]
    if reader.box("signatures", box, opened.when, "commit_ms") is None:
        return False
    listed = manifest_ids(reader.decided[reader.name("signatures")].value)
    signers = [reader.log.records[one].author for one in listed if box.takes(reader.log.records[one])]  # twice is once
    signed = tuple(replace(one, signed=one.supplier in signers) for one in deal.agreements)
    reader.deal = replace(deal, agreements=signed)
    reader.fact("signatures certified" if signers else "nobody signed")
    return bool(signers)


def fulfil(reader: Reader) -> bool:
    """What was reported under the agreements, and the poll at their end."""
    reader.deal = replace(
        reader.deal,
        agreements=tuple(replace(one, accounts=accounts(reader.log, one.terms)) for one in reader.deal.agreements),
    )
    lines = [line for one in reader.deal.agreements if one.signed for line in one.accounts]
    over = _poll(reader, tuple(line.member for line in lines))
    if all(line.fulfilled for line in lines):
        return reader.fact("all cancelled" if all(line.cancelled_by for line in lines) else "all delivered")
    return reader.fact("the term ended") if over else False


def _poll(reader: Reader, members: tuple[bytes, ...]) -> bool:
    """Whether the poll on going on is certified (AGR-18)."""
    deal, times = reader.deal, reader.deal.times
    if "renew_ms" not in times:
        return False
    last = max(one.terms.end for one in deal.agreements if one.signed)
    closes = min(last, deal.rfq.header.expires - times["renew_ms"])
    box = Box("renewal.1", "renewal", None, (), partial(_good_renewal, deal.rfq.id, members))  # never closes early
    since, settle_ms = reader.newest, times["settle_ms"]
    question = Question(reader.name("renewals"), closes, settle_ms, times["round_ms"], box, opened=since)
    decided = settled(reader.log, reader.docket, deal.council, question)
    if decided is None:
        reader.open.append(question)
        return False
    reader.decided[question.name] = decided
    reader.deal = replace(deal, renewals=tuple(held_once(reader.log, box, decided.value)))
    return True


def agree(
    award: Award, commitments: Sequence[Record], hashed: bytes, before: Mapping[bytes, int] = _NOBODY
) -> tuple[Agreement, ...]:
    """What those who committed come to, part by part (NEG-53). hashed: of the certified box of their last words.

    before: member -> what the first commitments alone would give them; they keep it whoever steps in (NEG-113).
    """
    bound = [one for one in commitments if one.body["answer"] == "commit"]
    stamps = {one.author: one.header.created for one in bound}
    found = []
    for part in award.parts:
        inside = [_kept(demand_of(one), before) for one in bound if seat_of(award, one) is part]
        allocation = allocate(part.ladder, part.capacity, part.pack, inside, hashed, part.besides, before)
        if allocation is not None:
            terms = Terms(
                agreement=agreement_hash(award.hash, part.supplier, allocation),
                supplier=part.supplier,
                unit_price_minor=allocation.unit_price_minor,
                shares=allocation.shares,
                start=max(stamps[member] for member, _ in allocation.shares),
                periods=part.besides.periods,
                period_ms=PERIOD_MS[part.besides.period],
                cancellation=part.cancellation,
                fee_minor=part.cancellation_fee_minor,
                charge_minor=part.besides.charge_minor,
            )
            found.append(Agreement(part, allocation, terms.agreement, terms))
    return tuple(found)


def as_pledged(coop: Coop, record: Record) -> bool:
    """Whether a first commitment is to the numbers that its author pledged, and were ranked (NEG-51)."""
    slot, body = record.header.slot, record.body
    if record.kind != "commitment.1" or slot is None or slot.name != "commitment" or body["answer"] != "commit":
        return True
    return demand_of(record) in coop.demands


def demand_of(record: Record) -> Demand:
    """The numbers of a pledge or a commitment."""
    body = record.body
    return Demand(record.author, body["want"], body["tolerate"], body["least"], body["price_max_minor"])


def _kept(demand: Demand, before: Mapping[bytes, int]) -> Demand:
    """The demand, its least being what its member had already, as far as they want it (NEG-113)."""
    return replace(demand, least=max(demand.least, min(demand.want, before.get(demand.member, 0))))


def _good_commitment(rfq: bytes, award: bytes, record: Record) -> bool:
    body = record.body
    return bool(body["rfq"] == rfq and body["award"] == award and body["least"] <= body["want"])


def _good_signature(rfq: bytes, hashes: Mapping[bytes, bytes], record: Record) -> bool:
    return bool(record.body["rfq"] == rfq and record.body["agreement"] == hashes[record.author])


def _good_renewal(rfq: bytes, members: Sequence[bytes], record: Record) -> bool:
    return bool(record.body["rfq"] == rfq and record.author in members)
