"""Members and suppliers who would make others pay: by pledges that mean nothing, by what stands in no agreement.

Each lie has its control: without the rule, or said honestly, it has its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from protocol.coop.decision import Docket
from protocol.deal import ranking as rules
from protocol.deal.allocation import Demand
from protocol.deal.deal import read_deal
from protocol.deal.fulfilment import cancel_slot, consent_slot
from protocol.deal.lots import Answer, choose
from protocol.deal.negotiation import Bid, Limits, Requirement
from protocol.deal.ranking import Offer, rank
from protocol.engine import Engine
from protocol.events import PeerConnected, RecordReceived
from protocol.identity import Persona
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, Handmade, persona
from tests.markets import BOX, REQUEST, demand, key, market, offer
from tests.stages import Desk, at, settings, until

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
    read = desk.engine._core.contexts[made.scope].log.of_kind("receipt.1")  # said sealed, in the co-op's room
    receipts = [one for one in read if mention.id in one.body["ids"]]
    assert bool(receipts) == (not decoys)


@pytest.mark.parametrize("pointing", [2, 1])
def test_a_second_request_that_comes_late_leads_no_supplier_astray(pointing: int) -> None:
    """NEG-115: more than f witnesses point out what the co-op certified; with one alone, the control, it does."""
    made = Handmade(members=5, witnesses=4)
    said = [one for one in until(made, "dealing") if one.scope == made.deal_scope]
    told = [one for who in made.witnesses[:pointing] for one in at(made, "dealing", who).said("receipt.1")]
    told = [one for one in told if one.body["question"] == "request"]
    assert [one.author for one in told] == [who.key for who in made.witnesses[:pointing]]
    decoy, number, header = made.rfq, 0, made.rfq.header
    while decoy.id >= made.rfq.id:  # of lesser id
        number += 1
        body = dict(made.rfq.body) | {"nonce": number.to_bytes(16, "little"), "room": bytes(32)}
        decoy = Record.sign(
            made.negotiator, NETWORK, "rfq.1", made.deal_scope, body,
            created=header.created + 1, expires=header.expires, slot=header.slot,
        )  # fmt: skip
    late = Desk(made.suppliers[0], [*said, decoy, *told], now=said[-1].header.created + 2_000)
    deal = late.engine._core.contexts[made.deal_scope].deal(settings())
    assert deal is not None
    assert (deal.rfq.id == made.rfq.id) is (pointing == 2)


class Lived(Handmade):
    """A deal with every stage that a charter may have, and afterwards all that two sides can say, truly or not."""

    def __init__(self) -> None:
        windows = dict.fromkeys(("suggest_ms", "final_ms", "answer_ms", "repair_ms", "renew_ms"), 60_000)
        super().__init__(members=5, witnesses=4, suppliers=3, windows=windows, ladder=((1, 0), (13, 50)))
        (self.agreed,) = self.deal().agreements
        supplier = next(one for one in self.suppliers if one.key == self.agreed.supplier)
        by_key = {one.key: one for one in self.members}
        ann, ben, cat, *_ = [by_key[member] for member, _ in self.agreed.terms.shares]
        came = self.event(supplier, "deliver", ann, 5)
        for quantity in (7, 6):
            self.event(supplier, "correct", ann, quantity, corrects=came.id)
        self.event(ann, "receive", ann, 4)
        self.event(supplier, "deliver", cat, 10**9)
        for who, member, ends in ((ann, ann, 5), (supplier, ann, 9), (ben, ben, 0), (ben, ben, 1)):
            body = {"agreement": self.agreed.hash, "member": member.key, "ends": ends, "reason": "price", "remark": ""}
            self.say(who, "cancel.1", self.deal_scope, body, cancel_slot(self.agreed.hash, member.key))
        for price in (5, 6):
            body = {"agreement": self.agreed.hash, "members": [], "article": "other", "attributes": {}, "remark": ""}
            offered = self.say(supplier, "substitute.1", self.deal_scope, body | {"unit_price_minor": price})
            answer = {"substitute": offered.id, "answer": "consent"}
            self.say(cat, "consent.1", self.deal_scope, answer, consent_slot(offered.id))
        self.poll()

    def event(self, who: Persona, action: str, member: Persona, quantity: int, **more: bytes) -> Record:
        body = {"agreement": self.agreed.hash, "action": action, "member": member.key, "quantity": quantity}
        return self.say(who, "event.1", self.deal_scope, body | {"reference": ""} | more)


def told(made: Handmade, order: Sequence[Record]) -> tuple[object, ...]:
    """What a node that was told all this in this order makes of the deal."""
    follows = {f"scope/{one.scope}": b"1" for one in order}
    engine = Engine(settings(), [persona("nobody")], Random(1), Random(2).randbytes, follows)
    engine.handle(PeerConnected("left", False), made.now)
    for one in order:
        engine.handle(RecordReceived(one, "left"), made.now)
    log, docket = Log(made.deal_scope), Docket()
    for one in order:
        if one.scope == made.deal_scope and log.add(one, wanted=True).stored:
            docket.note(one)
    deal = read_deal(log, docket, NETWORK)
    assert deal is not None
    facts = [(name, one.value_hash, one.when) for name, one in sorted(deal.decided.items())]
    digests = (engine.digest(made.scope), engine.digest(made.deal_scope))
    return *digests, deal.state, deal.agreements, deal.adopted, [one.id for one in deal.renewals], facts


def test_whatever_comes_first_it_is_one_deal() -> None:
    """NEG-41, NEG-42, GOS-6: every stage, words taken back and doubled, votes before what they are about."""
    made = Lived()
    roots = [one for one in made.records if one.kind in ("charter.1", "rfq.1")]  # what all else refers to (GOS-6)
    rest = [one for one in made.records if one not in roots]
    expected = told(made, [*roots, *rest])
    assert expected[2] == "ended"
    for seed in range(4):
        assert told(made, [*roots, *Random(seed).sample(rest, len(rest))]) == expected
    assert told(made, [*roots, *rest[:-1]]) != expected
