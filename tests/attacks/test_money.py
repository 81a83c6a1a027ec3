"""Members and suppliers who would make others pay: by pledges that mean nothing, by what stands in no agreement.

Each lie has its control: without the rule, or said honestly, it has its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from protocol.deal import ranking as rules
from protocol.deal.allocation import Demand
from protocol.deal.lots import Answer, choose
from protocol.deal.negotiation import Bid, Limits, Requirement
from protocol.deal.ranking import Offer, rank
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, Handmade
from tests.markets import BOX, REQUEST, demand, key, market, offer
from tests.stages import Desk

HONEST = offer(0, ((1, 500),), 1_000)
MEMBERS = [demand(number, 3, 1_000, least=1) for number in range(10)]
LIAR = 99


def awarded(liar: Demand, friend: Offer, wanted: Sequence[Requirement] = (), answers: Sequence[Answer] = ()) -> bytes:
    """Who serves the first honest member, whatever else is awarded."""
    request = replace(REQUEST, demanded={liar.member: tuple(wanted)})
    demands = [*MEMBERS, liar]
    limits = Limits(max(one.price_max_minor for one in demands), 1, sum(one.most for one in demands))
    bids = [Bid(one.quotation.supplier, one.quotation.to_bytes()) for one in (HONEST, friend)]
    of = market((HONEST, friend), demands, limits, request)
    best = choose(of, rank(request, limits, bids, demands, BOX), answers)
    assert best is not None
    return next(row.quotation.supplier for row in best.parts if row.allocation.quantity_of(MEMBERS[0].member))


PACK = demand(LIAR, 1, 10**12, tolerate=10**9)  # lets a friend's large pack be filled
ONLY = demand(LIAR, 1, 10**12)  # wants what a friend alone has, who sells it to all or to nobody
ORGANIC = [Requirement("organic", "at-least", 1)]


@pytest.mark.parametrize("count", [1, 4])
def test_a_price_beyond_reason_decides_for_nobody_else(count: int) -> None:
    """NEG-28: with a friend's offer at twice the price, and any answer that would help."""
    packs = offer(1, ((1, 990),), 1_000, pack=12)
    everything = offer(1, ((31, 990),), 1_000, organic=1)
    assert awarded(PACK, packs) == key(0)
    assert awarded(ONLY, everything, ORGANIC) == key(0)
    assert awarded(ONLY, everything, ORGANIC, [((key(1), 31 + at),) for at in range(count)]) == key(0)


def test_if_it_were_believed_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what a liar says of its own limit counts in full, and the friend sells to all."""
    monkeypatch.setattr(rules, "unserved_most", lambda demands: 10**15)
    assert awarded(ONLY, offer(1, ((31, 990),), 1_000, organic=1), ORGANIC) == key(1)
    monkeypatch.setattr(rules, "unserved", lambda demands, shares, periods, *_: periods * sum(
        (one.want - dict(shares).get(one.member, 0)) * one.price_max_minor for one in demands
    ))  # fmt: skip
    assert awarded(PACK, offer(1, ((1, 990),), 1_000, pack=12)) == key(1)


def test_a_higher_limit_is_believed_within_reason() -> None:
    """NEG-28: who would pay up to twice what the others would is no liar; an offer that serves all wins."""
    green = offer(1, ((31, 530),), 1_000, organic=1)
    assert awarded(replace(ONLY, price_max_minor=1_900), green, ORGANIC) == key(1)


@pytest.mark.parametrize("decoys", [0, 1])
def test_who_signs_two_requests_asks_for_nothing(decoys: int) -> None:
    """ELE-33: a decoy of lesser id for all suppliers but a friend; nobody vouches, the next in line is asked."""
    made = Handmade(members=5, witnesses=4)
    said = made.records[: 1 + next(at for at, one in enumerate(made.records) if one.kind == "deal.1")]
    header = made.rfq.header
    for number in range(decoys):
        body = dict(made.rfq.body) | {"nonce": number.to_bytes(16, "little"), "room": bytes(32)}
        decoy = Record.sign(
            made.negotiator, NETWORK, "rfq.1", made.deal_scope, body,
            created=header.created, expires=header.expires, slot=Slot("once", "rfq", 0),
        )  # fmt: skip
        said = [*said, decoy]
    desk = Desk(made.witnesses[0], said, now=made.now)
    desk.now = said[-1].header.created + 2_000
    desk.tick()
    desk.tick(10_000)
    mention = next(one for one in said if one.kind == "deal.1")
    receipts = [one for one in desk.said("receipt.1") if mention.id in one.body["ids"]]
    assert bool(receipts) == (not decoys)
