"""A deal from its request to delivery: every row of its life, the request's mandate, sealed quotations, award and
agreement, and what lies lead to (08-negotiation NEG-40 to NEG-53)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.box import manifest
from protocol.coop.coop import Coop, question_name
from protocol.coop.decision import Docket, value_hash
from protocol.deal.allocation import Demand, allocate
from protocol.deal.award import parse_award, refusals
from protocol.deal.choice import award_value
from protocol.deal.contract import agree
from protocol.deal.deal import read_deal
from protocol.deal.fulfilment import cancel_slot
from protocol.deal.life import DEAL, Deal
from protocol.deal.request import find_request, read_mandate
from protocol.deal.tender import open_all, ranking_of
from protocol.encoding import decode, digest, digest_of, encode
from protocol.errors import ProtocolError, Reject
from protocol.identity import Persona, network_id
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from protocol.sealing import Void
from tests.deals import NETWORK, START_MS, TEMPLATE, TIMES, Handmade, Twists, persona
from tests.lives import is_printed, rewrite, walked
from tests.test_coop import plain, with_

Rows = list[tuple[str, Twists, dict[str, Any], list[str]]]
SCOPED = Callable[[Log, Docket], str | None]


def states(made: Handmade) -> list[str]:
    """The states that the deal's records walk through in the order they were signed."""

    def state(log: Log, docket: Docket) -> str | None:
        found = read_deal(log, docket, NETWORK)
        return None if found is None else found.state

    return walked(made.records, made.deal_scope, state)


class Delivered(Handmade):
    """Whoever has a share gets it, and supplier or member says so."""

    def _deal(self) -> None:
        super()._deal()
        deal = self.deal()
        (agreed,) = deal.agreements
        supplier = next(one for one in self.suppliers if one.key == agreed.supplier)
        for number, (member, quantity) in enumerate(agreed.allocation.shares):
            who = supplier if number else next(one for one in self.members if one.key == member)
            body = {"agreement": agreed.hash, "action": "receive", "member": member, "quantity": quantity * 12}
            self.say(who, "event.1", self.deal_scope, body | {"reference": ""})


class Cancelled(Handmade):
    """Whoever has a share ends it before anything came."""

    def _deal(self) -> None:
        super()._deal()
        (agreed,) = self.deal().agreements
        for one in self.members[:-1]:
            slot = cancel_slot(agreed.hash, one.key)
            body = {"agreement": agreed.hash, "member": one.key, "ends": 0, "reason": "timing", "remark": ""}
            self.say(one, "cancel.1", self.deal_scope, body, slot)
            body = {"agreement": agreed.hash, "action": "receive", "member": one.key, "quantity": 9}
            self.say(one, "event.1", self.deal_scope, body | {"reference": ""})


class Polled(Handmade):
    """The term is over, and nothing ever came."""

    def _deal(self) -> None:
        super()._deal()
        self.poll()


MADE = Delivered(members=5, witnesses=4, suppliers=3)
SUPPLIERS = {one.key: one for one in MADE.suppliers}


# The life of a deal

def stubborn(body: dict[str, Any]) -> dict[str, Any]:
    return body | ({"answer": "decline", "reason": "other"} if body["want"] == 4 else {})


_WAY = ["asked", "quoted", "revealed", "awarded", "agreed", "countersigned"]
_REPAIRED = [*_WAY[:4], "repairing", *_WAY[4:]]
DEEP = ((1, 0), (9, 50))  # all three members together reach the second rung
REVISE = {"suggest_ms": 60_000}
NOBODY = {"suppliers": 0, "windows": REVISE}
REPAIR = {"ladder": DEEP, "windows": {"repair_ms": 60_000}}
LIVES: Rows = [
    ("to a signed agreement", {}, {}, _WAY),
    ("nobody quotes", {}, {"suppliers": 0}, ["asked", "void"]),
    ("nobody quotes for it as revised", {"suggestion.1": with_(rfq=bytes(32))}, NOBODY, ["asked", "revised", "void"]),
    ("as the members revised it", {}, {"windows": REVISE}, ["asked", "suggested", "revised", *_WAY[1:]]),
    ("with last words", {}, {"windows": {"final_ms": 60_000}}, [*_WAY[:3], "bettered", *_WAY[2:]]),
    ("nobody's quotation is for this", {"quotation.1": with_(rfq=bytes(32))}, {}, ["asked", "void"]),
    ("nobody reveals", {"reveal.1": with_(manifest=bytes(32))}, {}, ["asked", "quoted", "void"]),
    ("shares for too few", {"quotation.1": with_(shares=[[bytes(80), bytes(32)]] * 2)}, {}, ["asked", "void"]),
    ("nothing is released", {"reveal.1": with_(shares=[])}, {}, ["asked", "quoted", "revealed", "void"]),
    ("too dear for all", {"pledge.1": with_(price_max_minor=1)}, {}, ["asked", "quoted", "revealed", "void"]),
    ("the award is junk", {"award": lambda value: b"junk"}, {}, ["asked", "quoted", "revealed", "void"]),
    ("all decline", {"commitment.1": with_(answer="decline")}, {}, [*_WAY[:4], "void"]),
    ("nobody's commitment is good", {"commitment.1": with_(least=9)}, {}, [*_WAY[:4], "void"]),
    ("for another award", {"commitment.1": with_(award=bytes(32))}, {}, [*_WAY[:4], "void"]),
    ("the supplier signs something else", {"countersign.1": with_(agreement=bytes(32))}, {}, [*_WAY[:5], "defaulted"]),
    ("a rung falls, and nobody may step in", {}, {"ladder": DEEP}, _WAY),
    ("a rung falls, and one steps in", {}, REPAIR, _REPAIRED),
    ("a rung falls, and what else stands is taken", {"commitment.1": stubborn}, REPAIR, _REPAIRED),
    ("nothing stands", {"commitment.1": stubborn}, REPAIR | {"ladder": ((9, 0),)}, [*_REPAIRED[:5], "void"]),
]


@pytest.mark.parametrize(("twists", "sizes", "expected"), [life[1:] for life in LIVES], ids=[life[0] for life in LIVES])
def test_lives(twists: Twists, sizes: dict[str, Any], expected: list[str]) -> None:
    """NEG-41, NEG-43, NEG-44, NEG-51, NEG-110 to NEG-113, AGR-2, AGR-6"""
    assert states(Handmade(twists, **sizes)) == expected


def test_every_row_is_walked_and_printed() -> None:
    """NEG-41: with delivery to all, the lives above use the whole table; the spec prints it."""
    assert states(MADE) == [*_WAY, "delivered"]
    others = [states(MADE), states(Cancelled()), states(Polled(windows={"renew_ms": 60_000}))]
    assert [life[-1] for life in others[1:]] == ["cancelled", "ended"]
    walks = {step for life in [life[3] for life in LIVES] + others for step in pairwise(life)}
    assert {(state, then) for (state, _), then in DEAL.items()} <= walks
    assert is_printed("08-negotiation.md", "DEAL", "test_deal", DEAL)


@pytest.mark.parametrize("stuck", ["quotations asked", "reveals quoted", "commitments awarded"])
@pytest.mark.parametrize("value", [b"junk", encode([]), manifest([bytes(32)])])
def test_nothing_follows_from_what_is_no_manifest(stuck: str, value: bytes) -> None:
    """DEC-11, DEC-19"""
    base, state = stuck.split()
    assert Handmade({base: lambda good: value}).deal().state == state


# The request


def _other_votes(body: dict[str, Any]) -> dict[str, Any]:
    """The certificate with a vote on something else in the place of each."""
    votes = [one for one in MADE.records if one.kind == "vote.1" and one.body["question"].startswith("deal/")]
    return body | {"certificate": [one.raw for one in votes]}


def _mandate(**changes: Any) -> Callable[[Any], Any]:
    return lambda body: body | {"mandate": encode(decode(body["mandate"]) | changes)}


REQUESTS: list[tuple[str, Callable[[Any], Any]]] = [
    ("more members", with_(members=6)),
    ("another quantity", with_(quantity=1)),
    ("another value", with_(pooled_minor=1)),
    ("another co-op", with_(coop=bytes(16))),
    ("another charter", with_(charter=bytes(32))),
    ("other witnesses", with_(witnesses=[persona("x").key])),
    ("one witness fewer", lambda body: body | {"witnesses": body["witnesses"][1:]}),
    ("no mandate", with_(mandate=b"x")),
    ("a mandate of another fee", _mandate(fee_minor=9)),
    ("a mandate of another deal", _mandate(deal=bytes(16))),
    ("a mandate that has ended", _mandate(expires=START_MS)),
    ("two votes of three", lambda body: body | {"certificate": body["certificate"][:2]}),
    ("one vote thrice", lambda body: body | {"certificate": body["certificate"][:1] * 3}),
    ("votes on another question", _other_votes),
    ("a certificate of junk", with_(certificate=[b"x"])),
    ("junk beside enough votes", lambda body: body | {"certificate": [*body["certificate"], b"x"]}),
    ("one box fewer", lambda body: body | {"boxes": body["boxes"][1:]}),
]


@pytest.mark.parametrize(("name", "change"), REQUESTS, ids=[name for name, _ in REQUESTS])
def test_requests_that_do_not_hold(name: str, change: Callable[[Any], Any]) -> None:
    """NEG-40"""
    forged = _request(change)
    with pytest.raises(Reject) as caught:
        read_mandate(forged, NETWORK)
    assert caught.value.code in ("NEG-40", "ELE-30")


def _request(change: Callable[[Any], Any]) -> Record:
    return _signed(MADE.negotiator, "rfq.1", change(dict(MADE.rfq.body)), MADE.deal_scope)


def _signed(
    who: Any, kind: str, body: dict[str, Any], scope: str, created: int = MADE.rfq.header.created, slot: str = "rfq"
) -> Record:
    until, where = MADE.rfq.header.expires, Slot("once", slot, 0)
    return Record.sign(who, NETWORK, kind, scope, body, created=created, expires=until, slot=where)


def _elsewhere() -> list[tuple[str, Record]]:
    """The same request by somebody else, in another scope or slot, or too late."""
    body, ended = dict(MADE.rfq.body), read_mandate(MADE.rfq, NETWORK).expires
    other = next(one for one in MADE.members if one is not MADE.negotiator)
    return [
        ("by another member", _signed(other, "rfq.1", body, MADE.deal_scope)),
        ("in another deal", _signed(MADE.negotiator, "rfq.1", body, "deal/" + "0" * 32)),
        ("after the mandate", _signed(MADE.negotiator, "rfq.1", body, MADE.deal_scope, ended + 1)),
        ("in another slot", _signed(MADE.negotiator, "rfq.1", body, MADE.deal_scope, slot="rfq2")),
    ]


@pytest.mark.parametrize("record", [row[1] for row in _elsewhere()], ids=[row[0] for row in _elsewhere()])
def test_a_request_holds_in_its_own_place_and_time(record: Record) -> None:
    """NEG-40"""
    assert read_mandate(_request(dict), NETWORK).members == 5
    with pytest.raises(ProtocolError):
        read_mandate(MADE.rfq, network_id("other", b""))
    with pytest.raises(Reject, match="NEG-40"):
        read_mandate(record, NETWORK)


def test_of_two_good_requests() -> None:
    """NEG-41, NEG-115: the one the co-op names, with a certified box, that f + 1 point out, of the least id."""
    twin = _request(with_(nonce=b"\1" * 16))
    log, docket = Log(MADE.deal_scope), Docket()
    for one in (twin, MADE.rfq):
        log.add(one)
    first = min((twin, MADE.rfq), key=lambda one: one.id)
    assert _found(log, docket) == first
    assert _found(log, docket, twin.id) == twin
    assert _found(log, docket, MADE.rfq.id) == MADE.rfq
    other, faults = max((twin, MADE.rfq), key=lambda one: one.id), (len(MADE.witnesses) - 1) // 3
    for witness in MADE.witnesses[: faults + 1]:
        assert _found(log, docket) == first  # f are not enough
        docket.note(_pointing(witness, other))
    assert _found(log, docket) == other
    held, votes = MADE.logs[MADE.deal_scope]
    held.add(twin)
    assert _found(held, votes) == MADE.rfq
    held.discard(twin.id)


def _pointing(witness: Persona, request: Record) -> Record:
    """A witness's word that this is the request which its co-op certified."""
    body, header = {"question": "request", "ids": [request.id]}, request.header
    return Record.sign(
        witness, NETWORK, "receipt.1", request.scope, body,
        created=header.created, expires=header.expires, refs=(request.id,),
    )  # fmt: skip


def _found(log: Log, docket: Docket, named: bytes = b"") -> Record:
    found = find_request(log, docket, NETWORK, named)
    assert found is not None
    return found[0]


def test_a_request_names_no_member() -> None:
    """NEG-40"""
    witnesses = [one.key for one in MADE.witnesses]
    hidden = [one.key for one in MADE.members if one.key not in witnesses and one is not MADE.negotiator]
    body = encode({name: value for name, value in MADE.rfq.body.items() if name != "certificate"})
    assert hidden
    assert not [key for key in hidden if key in body]


# Ranking and award


def _value(deal: Deal, coop: Coop, made: Handmade) -> bytes:
    ranking = ranking_of(deal, coop, TEMPLATE, open_all(deal, made.room))
    assert ranking is not None
    return award_value(deal, coop, TEMPLATE, ranking)


def test_the_award_field_by_field() -> None:
    """NEG-48, NEG-49, NEG-50: the cheapest of those that accept the terms; who is refused, by which clause."""
    deal, coop = MADE.deal(), MADE.coop()
    best, second, refused = MADE.suppliers
    quote = MADE.quoted[best.key].quote
    value = _value(deal, coop, MADE)
    assert decode(value) == {
        "rfq": MADE.rfq.id,
        "roster": coop.roster,
        "refused": [[refused.key, "NEG-23"]],
        "parts": [
            {
                "quotation": digest("quote", quote),
                "supplier": best.key,
                "ladder": [[1, 900]],
                "capacity": 10_000,
                "pack": 1,
                "unit_price_minor": 900,
                "charge_minor": 0,
                "periods": 12,
                "period": "MON",
                "cancellation": "anytime",
                "cancellation_fee_minor": 0,
                "lots": [[key, 3] for key in coop.keys],
            }
        ],
        "reserve": [],
    }
    assert deal.award is not None
    assert deal.award.value == value
    assert deal.award.hash == digest_of("award", decode(value))
    assert second.key not in [one for one, _ in deal.award.refused]


def test_what_did_not_open_is_refused() -> None:
    """NEG-49: with the clause by which it did not."""
    deal, coop = MADE.deal(), MADE.coop()
    openings = open_all(deal, MADE.room)
    closed = {
        one.id: Void("IDN-17", "") if one.author == MADE.suppliers[0].key else openings[one.id] for one in deal.drawn
    }
    ranking = ranking_of(deal, coop, TEMPLATE, closed)
    assert ranking is not None
    found = decode(award_value(deal, coop, TEMPLATE, ranking))
    assert found["parts"][0]["supplier"] == MADE.suppliers[1].key
    assert [MADE.suppliers[0].key, "IDN-17"] in found["refused"]
    assert ranking_of(deal, coop, TEMPLATE, {}) is None


AWARD = decode(_value(MADE.deal(), MADE.coop(), MADE))
PART = AWARD["parts"][0]


def part(*parts: dict[str, Any]) -> bytes:
    return encode(AWARD | {"parts": list(parts)})


AWARDS_BAD: list[tuple[str, bytes]] = [
    ("none fits", encode({name: AWARD[name] for name in ("rfq", "roster", "refused")})),
    ("of another request", encode(AWARD | {"rfq": bytes(32)})),
    ("of another roster", encode(AWARD | {"roster": bytes(32)})),
    ("without parts", encode(AWARD | {"parts": []})),
    ("without lots", part({name: one for name, one in PART.items() if name != "lots"})),
    ("an empty lot", part(PART | {"lots": []})),
    ("a lot of nothing", part(PART | {"lots": [[bytes(32), 0]]})),
    ("a price of nothing", part(PART | {"unit_price_minor": 0})),
    ("a pack of 49", part(PART | {"pack": 49})),
    ("no ladder", part(PART | {"ladder": []})),
    ("a supplier twice", part(PART, PART | {"lots": [[bytes(32), 1]]})),
    ("suppliers in another order", part(PART, PART | {"supplier": bytes(32), "lots": [[bytes(32), 1]]})),
    ("a lot in two parts", part(PART, PART | {"supplier": b"\xff" * 32})),
    ("a lot twice", part(PART | {"lots": PART["lots"] + PART["lots"][:1]})),
    ("a field more in a part", part(PART | {"note": 1})),
    (
        "33 parts",
        part(*[PART | {"supplier": bytes([200 + at]) * 32, "lots": [[bytes([at]) * 32, 1]]} for at in range(33)]),
    ),
    ("a period of a fortnight", part(PART | {"period": "FRT"})),
    ("terms that nobody knows", part(PART | {"cancellation": "never"})),
    ("without those who could step in", encode({name: one for name, one in AWARD.items() if name != "reserve"})),
    ("a lot for one of them", encode(AWARD | {"reserve": [PART["lots"][0][0]]})),
    ("a field more", encode(AWARD | {"note": 1})),
    ("an array", encode(list(AWARD.values()))),
    ("a clause that is a number", encode(AWARD | {"refused": [[bytes(32), 1]]})),
    ("cut short", encode(AWARD)[:-1]),
    ("nothing", b""),
]


@pytest.mark.parametrize(("name", "value"), AWARDS_BAD, ids=[name for name, _ in AWARDS_BAD])
def test_what_is_no_award(name: str, value: bytes) -> None:
    """NEG-50: certified or not, no lot follows, and nobody is shown as refused by what cannot be read."""
    assert parse_award(value, MADE.rfq.id, MADE.coop().roster) is None
    assert all(len(row) == 2 for row in refusals(None, value))
    made = Handmade({"award": lambda good: value or b"\0"})
    assert made.deal().state == "void"


_PARTS = st.sampled_from(
    [0, 1, -1, 2**53 - 1, b"", bytes(32), "", "x", [], {}, [[1, 1]], [[5, 9], [3, 9]], [[bytes(32), 7]] * 2]
)


@given(st.dictionaries(st.sampled_from(sorted(PART)), _PARTS, max_size=3), st.sampled_from(sorted(PART)))
def test_any_award_is_read_or_refused(changes: dict[str, Any], without: str) -> None:
    """NEG-50, NEG-53: whatever a quorum certifies, the deal can be read, commitments and all."""
    body = PART | changes
    body.pop(without if len(changes) == 3 else "none", None)
    award = parse_award(part(body), MADE.rfq.id, MADE.coop().roster)
    if award is not None:
        agree(award, MADE.deal().commitments, bytes(32))


# Commitments and agreement


def test_the_agreement_is_the_allocation_of_the_commitments() -> None:
    """NEG-51, NEG-52, NEG-53: one declines and has no share; the others have theirs by the same rule."""
    deal = MADE.deal()
    assert deal.award is not None
    (agreed,) = deal.agreements
    declined = MADE.members[-1].key
    answers = {one.author: (one.body["answer"], one.body["reason"]) for one in deal.commitments}
    assert answers[declined] == ("decline", "found-better")
    signed = [Demand(one.author, 3, 1, 1, 1_000) for one in deal.commitments if one.author != declined]
    box = deal.decided[question_name("commitments", deal.rfq.id)]
    assert box.value_hash == value_hash(manifest([one.id for one in deal.commitments]))
    again = allocate(PART["ladder"], PART["capacity"], PART["pack"], signed, box.value_hash)
    assert agreed.allocation == again
    (computed,) = agree(deal.award, deal.commitments, box.value_hash)
    assert agreed == replace(computed, signed=True, accounts=agreed.accounts)
    assert agreed.terms.start == max(one.header.created for one in deal.commitments if one.body["answer"] == "commit")
    assert dict(agreed.allocation.shares) == {one.member: 3 for one in signed}


def test_nobody_pays_more_than_they_signed() -> None:
    """NEG-53: with others gone, the deeper rung falls, and who would not pay the price of the next is left out."""
    made = Handmade({"commitment.1": with_(price_max_minor=899)})
    assert made.deal().state == "void"


def test_times_are_counted_from_certificates() -> None:
    """NEG-41, DEC-10: a question's closing is the request's window after the box before."""
    asked = Handmade({"quotations": lambda good: b"junk"}).deal()
    assert asked.open[0].closes == asked.quote_until == asked.rfq.header.created + TIMES["quote_ms"]
    quoted = Handmade({"reveals": lambda good: b"junk"}).deal()
    before = quoted.decided[question_name("quotations", quoted.rfq.id)]
    assert quoted.open[0].closes == before.when + TIMES["reveal_ms"]


# Vectors


def vectors() -> dict[str, Any]:
    """Requests, awards, an agreement, and the life's table."""
    deal, coop = MADE.deal(), MADE.coop()
    assert deal.award is not None
    (agreed,) = deal.agreements
    good: list[tuple[str, str, Any, Any]] = [
        ("life", "NEG-41", "DEAL", [[state, fact, then] for (state, fact), then in DEAL.items()]),
        ("request", "NEG-40", MADE.rfq.raw, MADE.rfq.body["mandate"]),
        ("award", "NEG-50", AWARD, {"value": deal.award.value, "hash": deal.award.hash}),
        (
            "agreement",
            "AGR-1",
            {
                "award": deal.award.hash,
                "supplier": agreed.supplier,
                "unit_price_minor": 900,
                "shares": agreed.allocation.shares,
            },
            agreed.hash,
        ),
    ]
    cases: list[dict[str, Any]] = [
        {"name": n, "clause": c, "input": plain(i), "output": plain(o)} for n, c, i, o in good
    ]
    cases += [
        {"name": f"request: {name}", "clause": "NEG-40", "input": _request(change).raw.hex(), "reject": "NEG-40"}
        for name, change in REQUESTS
    ]
    cases += [
        {"name": f"request: {name}", "clause": "NEG-40", "input": record.raw.hex(), "reject": "NEG-40"}
        for name, record in _elsewhere()
    ]
    given_ids = {"rfq": MADE.rfq.id.hex(), "roster": coop.roster.hex()}
    cases += [
        {"name": f"award: {name}", "clause": "NEG-50", "input": given_ids | {"value": value.hex()}, "output": False}
        for name, value in AWARDS_BAD
    ]
    return {"name": "deal", "spec": "08-negotiation", "network": NETWORK.hex(), "cases": cases}


if __name__ == "__main__":
    rewrite("08-negotiation.md", "DEAL", "test_deal", DEAL)
