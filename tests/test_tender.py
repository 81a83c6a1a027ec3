"""Quotations sealed to the witnesses: what is handed in, what certified shares make of it, whom the room lets in
(08-negotiation NEG-43 to NEG-49, NEG-60 to NEG-66)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.coop import question_name
from protocol.coop.room import boxes_of, draw_secret, find_secret, is_secret, keys_for, opens
from protocol.deal.life import Deal, Opening
from protocol.deal.tender import open_all, open_one, own_share, pack, ranking_of, seal_quotation, threshold
from protocol.encoding import digest
from protocol.engine.context import Context
from protocol.engine.deal.opening import holds_room, vouched
from protocol.errors import Reject
from protocol.identity import Persona, box_key, network_id, seal, unseal
from protocol.record.record import Record, Slot
from protocol.sealing import Void, seal_to
from protocol.trust.accountability import default_in, default_slot
from tests.deals import NETWORK, START_MS, TEMPLATE, Handmade
from tests.test_coop import plain

END_MS = START_MS + 10**9
MADE = Handmade(members=5, witnesses=4, suppliers=3)
SUPPLIER = MADE.suppliers[0]


class Sealing(Handmade):
    """The first supplier hands in something else: `forge` makes it out of what it should have been."""

    def __init__(self, forge: Callable[[Handmade, dict[str, Any]], dict[str, Any]]) -> None:
        self.forge = forge
        super().__init__(None, members=5, witnesses=4)

    def quotation(self, who: Persona) -> dict[str, Any]:
        body = super().quotation(who)
        return self.forge(self, body) if who is self.suppliers[0] else body


def outcome(made: Handmade, number: int = 0) -> Opening | Void:
    """What the room finds in the quotation of a supplier."""
    deal, supplier = made.deal(), made.suppliers[number].key
    return next(open_all(deal, made.room)[one.id] for one in deal.drawn if one.author == supplier)


def code(found: Opening | Void) -> str:
    return found.code if isinstance(found, Void) else ""


def shares_of(made: Handmade, quotation: Record) -> dict[int, bytes]:
    """Every witness's share of a quotation."""
    return {place: own_share(quotation, place, one.box_seed(made.hash)) for place, one in enumerate(made.witnesses)}


def refusal(quotation: Record, shares: Mapping[int, bytes]) -> str:
    with pytest.raises(Reject) as caught:
        open_one(quotation, shares)
    return caught.value.code


def quotations() -> list[Record]:
    return sorted(MADE.deal().quotations, key=lambda one: [who.key for who in MADE.suppliers].index(one.author))


# The room


def test_the_room_s_secret_reaches_every_member_and_witness() -> None:
    """NEG-60, NEG-61: one sealed box a place, in the ascending order of the boxes."""
    coop = MADE.coop()
    assert coop.request is not None
    boxes, log = boxes_of(coop, MADE.rfq), MADE.logs[MADE.scope][0]
    assert boxes == sorted({member.box for member in coop.members} | set(MADE.rfq.body["boxes"]))
    assert is_secret(MADE.room, MADE.rfq.body["room"])
    for one in MADE.members:
        seed = one.box_seed(MADE.hash)
        for place in range(len(boxes)):
            own = place == boxes.index(box_key(seed))
            found = find_secret(log, coop.council.witnesses, coop.request, MADE.rfq, place, seed)
            assert found == (MADE.room if own else b"")


def test_only_the_clamped_spelling_is_the_secret() -> None:
    """NEG-60, NEG-61: 32 spellings have one public key."""
    room, low, high = box_key(MADE.room), MADE.room[0], MADE.room[-1]
    spellings = [
        bytes([low | bits]) + MADE.room[1:-1] + bytes([high & 63 | top << 6]) for bits in range(8) for top in range(4)
    ]
    assert {box_key(one) for one in spellings} == {room}
    assert [one for one in spellings if is_secret(one, room)] == [MADE.room]
    assert not is_secret(MADE.room[1:], room)
    assert not is_secret(draw_secret(MADE.draw), room)


@pytest.mark.parametrize("key", [bytes(80), b"", b"x" * 47, b"x" * 4000])
def test_a_key_that_holds_no_secret(key: bytes) -> None:
    """NEG-61: noise, and well sealed boxes with something else in them."""
    seed = MADE.members[0].box_seed(MADE.hash)
    assert opens(key, seed, MADE.rfq.body["room"]) is None
    assert opens(seal(key, box_key(seed), MADE.draw), seed, MADE.rfq.body["room"]) is None


def test_who_was_kept_out_is_let_in_by_a_witness_only() -> None:
    """NEG-46, NEG-47: what others say in that slot lets nobody in, nor what witnesses say in another."""
    twist = {"deal.1": lambda body: body | {"keys": [bytes(80)] * len(body["keys"])}}
    made = Handmade(twist, members=5, witnesses=4)
    coop, (log, _) = made.coop(), made.logs[made.scope]
    assert coop.request is not None
    boxes, left_out = boxes_of(coop, made.rfq), made.members[4]
    seed = left_out.box_seed(made.hash)
    place = boxes.index(box_key(seed))

    def found() -> bytes:
        assert coop.request is not None
        return find_secret(log, coop.council.witnesses, coop.request, made.rfq, place, seed)

    def say(who: Persona, secret: bytes, slot: str) -> None:
        body = {"rfq": made.rfq.id, "place": place, "key": keys_for(secret, [boxes[place]], made.draw)[0]}
        made.say(who, "opening.1", made.scope, body, slot)

    slot = f"opening/{made.rfq.id[:8].hex()}/{place}"
    say(left_out, made.room, slot)
    say(made.witnesses[0], made.room, slot + "0")
    say(made.witnesses[1], bytes(32), slot)
    assert found() == b""
    say(made.witnesses[2], made.room, slot)
    assert found() == made.room


def test_a_witness_vouches_for_a_request_only_with_its_secret() -> None:
    """ELE-33: noise at its own place, or another room's secret, is none; what others got is not its business."""
    coop, witness = MADE.coop(), MADE.witnesses[1]
    assert coop.request is not None
    boxes = boxes_of(coop, MADE.rfq)
    at, keys = boxes.index(box_key(witness.box_seed(MADE.hash))), list(coop.request.body["keys"])
    other = keys_for(draw_secret(MADE.draw), boxes, MADE.draw)

    def vouched(changed: list[bytes]) -> bool:
        assert coop.request is not None
        return holds_room(coop, MADE.rfq, coop.request._replace(body={**coop.request.body, "keys": changed}), witness)

    assert vouched(keys)
    assert vouched([key if place == at else bytes(80) for place, key in enumerate(keys)])
    assert not vouched([bytes(80) if place == at else key for place, key in enumerate(keys)])
    assert not vouched(other)
    assert not vouched(keys[1:] + keys[:1])
    assert not holds_room(coop, MADE.rfq, coop.request, SUPPLIER)


def test_an_unusable_box_keeps_only_its_owner_out() -> None:
    """NEG-60"""
    keys = keys_for(MADE.room, [bytes(32), *MADE.rfq.body["boxes"]], random.Random(1).randbytes)
    assert [len(key) for key in keys] == [80] * 5
    assert opens(keys[1], MADE.witnesses[0].box_seed(MADE.hash), MADE.rfq.body["room"]) == MADE.room


# What opens


def test_every_quotation_opens_to_what_its_supplier_committed_to() -> None:
    """NEG-43, NEG-44, NEG-45"""
    deal = MADE.deal()
    found = open_all(deal, MADE.room)
    assert {one.author: found[one.id] for one in deal.drawn} == MADE.quoted
    assert len(deal.reveals) == 4


@given(st.sets(st.integers(0, 3), min_size=2), st.randoms(use_true_random=False))
def test_whose_shares_came_in_makes_no_difference(places: set[int], rng: Any) -> None:
    """NEG-45: any f + 1 certified reveals open the same, in whatever order."""
    deal = MADE.deal()
    reveals = [one for one in deal.reveals if deal.council.witnesses.index(one.author) in places]
    rng.shuffle(reveals)
    assert open_all(replace(deal, reveals=tuple(reveals)), MADE.room) == open_all(deal, MADE.room)


def test_too_few_shares_open_nothing_and_prove_nothing() -> None:
    """NEG-45, NEG-64: the same refusal for who dealt rightly and for who did not."""
    deal = MADE.deal()
    for some in (*combinations(deal.reveals, 1), ()):
        found = open_all(replace(deal, reveals=some), MADE.room)
        assert {code(one) for one in found.values()} == {"IDN-17"}
    bent = Sealing(lambda made, body: body | {"commit": bytes(32)}).deal()
    assert {code(one) for one in open_all(replace(bent, reveals=()), MADE.room).values()} == {"IDN-17"}


def test_without_the_room_s_secret_nothing_opens() -> None:
    """NEG-45: reveals are for the room alone."""
    found = open_all(MADE.deal(), draw_secret(MADE.draw))
    assert {code(one) for one in found.values()} == {"IDN-17"}


@pytest.mark.parametrize(("witnesses", "shares"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (16, 6)])
def test_the_threshold_is_one_more_than_may_be_bad(witnesses: int, shares: int) -> None:
    """NEG-43, DEC-1"""
    assert threshold(witnesses) == shares


# What suppliers may do


def _content(content: bytes) -> Callable[[Handmade, dict[str, Any]], dict[str, Any]]:
    """Properly sealed, but not what must be in it."""

    def forge(made: Handmade, body: dict[str, Any]) -> dict[str, Any]:
        boxes, context = made.rfq.body["boxes"], made.rfq.id + made.suppliers[0].key
        return body | seal_to(boxes, 2, content, context, made.draw).to_mapping()

    return forge


def _of_degree(degree: int) -> Callable[[Handmade, dict[str, Any]], dict[str, Any]]:
    """Shares on a polynomial of another degree than f."""

    def forge(made: Handmade, body: dict[str, Any]) -> dict[str, Any]:
        opening, supplier = made.quoted[made.suppliers[0].key], made.suppliers[0].key
        content, context = pack(opening.nonce, opening.quote), made.rfq.id + supplier
        return body | seal_to(made.rfq.body["boxes"], degree + 1, content, context, made.draw).to_mapping()

    return forge


def _mixed(made: Handmade, body: dict[str, Any]) -> dict[str, Any]:
    """Half of the witnesses get shares of one key, the others of another."""
    other = _of_degree(1)(made, body)
    return body | {"shares": body["shares"][:2] + other["shares"][2:]}


def _another_cipher(made: Handmade, body: dict[str, Any]) -> dict[str, Any]:
    return body | {"cipher": _of_degree(1)(made, body)["cipher"]}


NONCE, QUOTE = MADE.quoted[SUPPLIER.key].nonce, MADE.quoted[SUPPLIER.key].quote
FORGED: list[tuple[str, str, Callable[[Handmade, dict[str, Any]], dict[str, Any]]]] = [
    ("another commitment", "NEG-9", lambda made, body: body | {"commit": bytes(32)}),
    ("another nonce", "NEG-9", _content(pack(bytes(32), QUOTE))),
    ("another quotation", "NEG-9", _content(pack(NONCE, b"cheaper"))),
    ("no quotation", "NEG-9", _content(pack(NONCE, b""))),
    ("a quotation that is too long", "NEG-9", _content(pack(NONCE, bytes(8_193)))),
    ("a length beyond the end", "NEG-9", _content(NONCE + b"\xff\xff" + QUOTE.ljust(2_014, b"\0"))),
    ("something behind it", "NEG-9", _content(pack(NONCE, QUOTE)[:-1] + b"x")),
    ("a block too many", "NEG-9", _content(pack(NONCE, QUOTE) + bytes(2_048))),
    ("nothing but zeros", "NEG-9", _content(bytes(2_048))),
    ("two keys, two witnesses each", "IDN-18", _mixed),
    ("a polynomial of degree f + 1", "IDN-18", _of_degree(2)),
    ("a polynomial of degree n − 1", "IDN-18", _of_degree(3)),
    ("the cipher of another key", "IDN-9", _another_cipher),
]


@pytest.mark.parametrize(("clause", "forge"), [one[1:] for one in FORGED], ids=[one[0] for one in FORGED])
def test_whoever_seals_wrongly_is_void_for_all_alike(
    clause: str, forge: Callable[[Handmade, dict[str, Any]], dict[str, Any]]
) -> None:
    """NEG-45, NEG-49, NEG-64: whichever f + 1 shares came in; they prove it to anybody, and the others are ranked."""
    made = Sealing(forge)
    deal = made.deal()
    quotation = next(one for one in deal.drawn if one.author == made.suppliers[0].key)
    shares = shares_of(made, quotation)
    pairs = list(combinations(shares.items(), 2))
    assert {refusal(quotation, dict(pair)) for pair in pairs} == {clause}
    assert code(outcome(made)) == clause
    ranking = ranking_of(deal, made.coop(), TEMPLATE, open_all(deal, made.room))
    assert ranking is not None
    assert (made.suppliers[0].key, clause) in [(row.supplier, row.code) for row in ranking.refused]
    assert deal.award is None or (made.suppliers[0].key, clause) in deal.award.refused


def test_an_honest_supplier_is_framed_by_nobody() -> None:
    """NEG-64: whatever f + 1 witnesses make up together, it never comes to a default of the supplier."""
    quotation = quotations()[0]
    shares = shares_of(MADE, quotation)
    lies = [bytes(32), shares[1], b"", shares[0][::-1]]
    for pair in combinations(range(4), 2):
        for lie in lies:
            for claimed in (dict.fromkeys(pair, lie), {pair[0]: shares[pair[0]], pair[1]: lie}):
                if any(claimed[place] != shares[place] for place in pair):
                    assert refusal(quotation, claimed) == "IDN-17"


def _default(made: Handmade, quotation: Record, shares: Mapping[int, bytes], slot: str = "") -> Record:
    body = {"quotation": quotation.raw, "shares": [[place, share] for place, share in sorted(shares.items())]}
    where = Slot("once", slot or default_slot(quotation), 0)
    scope = "trust/" + quotation.author.hex()[:1]
    return Record.sign(made.members[0], NETWORK, "default.1", scope, body, created=START_MS, expires=END_MS, slot=where)


@pytest.mark.parametrize(("clause", "forge"), [one[1:] for one in FORGED], ids=[one[0] for one in FORGED])
def test_a_default_is_shown_to_anybody(
    clause: str, forge: Callable[[Handmade, dict[str, Any]], dict[str, Any]]
) -> None:
    """NEG-65: out of the record alone; in another slot, for another network or with fewer shares it proves nothing."""
    made = Sealing(forge)
    quotation = next(one for one in made.deal().drawn if one.author == made.suppliers[0].key)
    shares = dict(list(shares_of(made, quotation).items())[1:3])
    found = default_in(_default(made, quotation, shares), NETWORK)
    assert found is not None
    assert (found[0].id, found[1]) == (quotation.id, clause)
    assert default_in(_default(made, quotation, shares, "default/other"), NETWORK) is None
    assert default_in(_default(made, quotation, shares), network_id("other", bytes(16))) is None
    assert default_in(_default(made, quotation, {1: shares[1]}), NETWORK) is None
    assert default_in(_default(made, quotation, {1: shares[1], 2: bytes(32)}), NETWORK) is None


def test_no_default_is_shown_of_who_sealed_rightly() -> None:
    """NEG-65: nor out of records of another kind."""
    for quotation in quotations():
        assert default_in(_default(MADE, quotation, shares_of(MADE, quotation)), NETWORK) is None
    assert default_in(_default(MADE, MADE.rfq, shares_of(MADE, quotations()[0])), NETWORK) is None


def test_the_same_share_for_all_harms_its_sealer_alone() -> None:
    """NEG-43, NEG-45: it opens as it should; that each witness could have opened it before, its supplier chose."""
    assert outcome(Sealing(_of_degree(0))) == outcome(MADE)


# Bounds


def test_of_more_quotations_than_are_ranked_a_lot_takes_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """NEG-48, NEG-49: before they are opened; the lot hangs on the certified list, which nobody knew before."""
    monkeypatch.setattr("protocol.deal.tender.BIDS_MAX", 2)
    made = Handmade(members=5, witnesses=4, suppliers=5)
    deal, coop = made.deal(), made.coop()
    certified = deal.decided[question_name("quotations", deal.rfq.id)].value_hash
    keys = sorted((one.key for one in made.suppliers), key=lambda key: digest("turn", certified + key))
    assert sorted(one.author for one in deal.drawn) == sorted(keys[:2])
    assert {one for reveal in deal.reveals for one, _ in reveal.body["shares"]} == {one.id for one in deal.drawn}
    ranking = ranking_of(deal, coop, TEMPLATE, open_all(deal, made.room))
    assert ranking is not None
    refused = {row.supplier: row.code for row in ranking.refused}
    assert {refused.get(key) for key in keys[2:]} == {"NEG-48"}
    assert ranking_of(deal, coop, TEMPLATE, {}) is None


def test_a_flood_of_noise_costs_one_look_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """NEG-63, DEC-15: no receipt, and what was looked at once is not opened again however often the box is."""
    deal, witness, looked = MADE.deal(), MADE.witnesses[0], list[bytes]()

    def look(quotation: Record, place: int, seed: bytes) -> bytes:
        looked.append(quotation.id)
        return own_share(quotation, place, seed)

    monkeypatch.setattr("protocol.engine.deal.opening.own_share", look)
    context = Context(MADE.deal_scope, MADE.logs[MADE.deal_scope][0])
    noise = [one._replace(id=bytes([at]) * 32, author=bytes([at]) * 32) for at in range(99) for one in quotations()[:1]]
    for _ in range(3):
        assert not any(vouched(context, deal, one, witness) for one in noise)
        assert all(vouched(context, deal, one, witness) for one in quotations())
    assert len(looked) == len(noise) + 3


def test_what_is_sealed_is_filled_up() -> None:
    """NEG-43: all usual quotations have one length; a long one only tells that it is long."""
    for size, blocks in ((1, 1), (2_014, 1), (2_015, 2), (8_192, 5)):
        assert len(pack(bytes(32), bytes(size))) == 2_048 * blocks
        sealed = seal_quotation(MADE.rfq, SUPPLIER.key, bytes(32), bytes(size), MADE.draw)
        assert len(sealed.cipher) == 2_048 * blocks + 16


# Vectors


def vectors() -> dict[str, Any]:
    """What certified reveals make of quotations, good and bad, and which secrets a room has."""
    cases = [_case("as it should be", MADE)]
    cases += [_case(name, Sealing(forge)) for name, _, forge in FORGED]
    cases += [_case(f"{count} shares", MADE, count) for count in (2, 1, 0)]
    for name, secret in (("its secret", MADE.room), ("spelt otherwise", bytes([MADE.room[0] | 1]) + MADE.room[1:])):
        given_ = {"room": MADE.rfq.body["room"], "secret": secret}
        output = is_secret(secret, MADE.rfq.body["room"])
        cases.append({"name": f"room: {name}", "clause": "NEG-61", "input": plain(given_), "output": output})
    return {"name": "tender", "spec": "08-negotiation", "cases": cases}


def _case(name: str, made: Handmade, count: int = 4) -> dict[str, Any]:
    deal: Deal = made.deal()
    quotation = next(one for one in deal.drawn if one.author == made.suppliers[0].key)
    places = {key: place for place, key in enumerate(deal.council.witnesses)}
    sealed = {places[one.author]: dict(one.body["shares"])[quotation.id] for one in deal.reveals}
    given_ = {
        "quotation": quotation.raw,
        "room": made.room,
        "shares": [[place, sealed[place]] for place in sorted(sealed)[:count]],
    }
    case = {"name": f"quotation: {name}", "clause": "NEG-45", "input": plain(given_)}
    try:
        found = open_one(quotation, {place: unseal(sealed[place], made.room) for place in sorted(sealed)[:count]})
    except Reject as error:
        return case | {"reject": error.code}
    return case | {"output": plain({"nonce": found.nonce, "quotation": found.quote})}
