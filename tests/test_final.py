"""The last round of a tender: counter-offers within the mandate, and last words that may only be better (08-negotiation
NEG-80 to NEG-85)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.coop.box import manifest
from protocol.deal.bundle import make, verify
from protocol.deal.counter import check_counter, check_limits, counter_slot, counters_of
from protocol.deal.final import check_better, latest, met
from protocol.deal.life import Opening
from protocol.deal.negotiation import Limits, Quotation, parse, read
from protocol.deal.tender import handed_in, open_all, open_one, own_share
from protocol.deal.term import terms_of
from protocol.encoding import decode, encode
from protocol.errors import CommandError, Ignore, Reject
from protocol.events import RecordReceived
from protocol.identity import Persona
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, TEMPLATE, Handmade, Stuck
from tests.stages import Desk, at
from tests.test_coop import plain, with_
from tests.test_term import shown

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "final.json"
WINDOWS = {"final_ms": 60_000}
MADE = Handmade(members=5, witnesses=4, suppliers=3, windows=WINDOWS)
S0, S1, S2 = MADE.suppliers
DEAL = bytes.fromhex(MADE.deal_scope.removeprefix("deal/"))
FIRST = replace(
    read(MADE._quotation(S0, 900, ("basic",)), TEMPLATE),
    ladder=((10, 900), (100, 800)),
    attributes={"organic": 0},
    cancellation_fee_minor=50,
    charges={"delivery": 100},
    capacity=500,
)


def changed(**fields: Any) -> Quotation:
    return replace(FIRST, **fields)


GOOD: list[tuple[str, Quotation]] = [
    ("the same", FIRST),
    ("a lower price", changed(ladder=((10, 899), (100, 800)))),
    ("a rung more", changed(ladder=((10, 900), (50, 850), (100, 800)))),
    ("a rung fewer, at the lower price", changed(ladder=((10, 800),))),
    ("from fewer on", changed(ladder=((1, 950), (10, 900), (100, 700)))),
    ("more of it", changed(capacity=501)),
    ("longer valid", changed(valid_until=FIRST.valid_until + 1)),
    ("organic now", changed(attributes={"organic": 1})),
    ("cheaper to leave", changed(cancellation_fee_minor=0)),
    ("no delivery charge", changed(charges={})),
    ("more terms", changed(terms=("basic", "no-sharing"))),
    ("another name for it", changed(reference="leaf-2")),
]
BEYOND = changed(ladder=((10, 900), (501, 700)))  # its last rung is above its capacity
WORSE: list[tuple[str, Quotation]] = [
    ("dearer", changed(ladder=((10, 901), (100, 800)))),
    ("dearer for some quantities", changed(ladder=((10, 850), (101, 700)))),
    ("dearer between the rungs", changed(ladder=((10, 800), (100, 801)))),
    ("from more on", changed(ladder=((11, 700),))),
    ("less of it", changed(capacity=499)),
    ("sooner over", changed(valid_until=FIRST.valid_until - 1)),
    ("dearer to leave", changed(cancellation_fee_minor=51)),
    ("otherwise to leave", changed(cancellation="end-of-term")),
    ("a dearer delivery", changed(charges={"delivery": 101})),
    ("without the terms", changed(terms=())),
    ("by another", changed(supplier=S1.key)),
    ("by another trader", changed(trader={**FIRST.trader, "name": "Straw"})),
    ("in other money", changed(currency="EUR")),
    ("taxed otherwise", changed(tax_hundredths=1)),
]


@pytest.mark.parametrize(("_", "final"), GOOD, ids=[row[0] for row in GOOD])
def test_what_is_no_worse_counts(_: str, final: Quotation) -> None:
    """NEG-83: the control of what follows."""
    check_better(FIRST, final, TEMPLATE)
    assert latest(FIRST.to_bytes(), final.to_bytes(), TEMPLATE) == final.to_bytes()


@pytest.mark.parametrize(("_", "final"), WORSE, ids=[row[0] for row in WORSE])
def test_what_is_worse_in_anything_counts_for_nothing(_: str, final: Quotation) -> None:
    """NEG-83"""
    with pytest.raises(Reject) as caught:
        check_better(FIRST, final, TEMPLATE)
    assert caught.value.code == "NEG-83"
    assert latest(FIRST.to_bytes(), final.to_bytes(), TEMPLATE) == FIRST.to_bytes()


@pytest.mark.parametrize("final", [b"", b"\xc1", encode([]), encode({**FIRST.to_mapping(), "pack": 2})])
def test_what_is_no_quotation_counts_for_nothing(final: bytes) -> None:
    """NEG-83, NEG-1"""
    assert latest(FIRST.to_bytes(), final, TEMPLATE) == FIRST.to_bytes()


_PACKS = replace(TEMPLATE, pack=12)


@pytest.mark.parametrize(("first", "final", "good"), [(6, 3, True), (6, 6, True), (6, 4, False), (3, 6, False)])
def test_packs_fit_into_each_other(first: int, final: int, good: bool) -> None:
    """NEG-83: what could be ordered in packs of six can be in threes, and not in fours."""
    before, after = changed(pack=first), changed(pack=final)
    assert (latest(before.to_bytes(), after.to_bytes(), _PACKS) == after.to_bytes()) is good


def test_a_rung_that_the_first_could_never_serve_binds_nobody() -> None:
    """NEG-83: quantities above its capacity are none that it serves."""
    check_better(BEYOND, changed(ladder=((10, 900),), capacity=900), TEMPLATE)
    with pytest.raises(Reject, match="NEG-83"):
        check_better(replace(BEYOND, capacity=501), changed(ladder=((10, 900),), capacity=900), TEMPLATE)


_LADDERS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20)), min_size=1, max_size=4).map(
    lambda rungs: tuple(zip(sorted({m for m, _ in rungs}), sorted((p for _, p in rungs), reverse=True), strict=False))
)


def price(ladder: tuple[tuple[int, int], ...], quantity: int) -> int | None:
    return next((price for minimum, price in reversed(ladder) if minimum <= quantity), None)


@given(_LADDERS, _LADDERS)
def test_no_quantity_gets_dearer(first: tuple[tuple[int, int], ...], final: tuple[tuple[int, int], ...]) -> None:
    """NEG-83: by trying every quantity."""
    by_hand = all(
        (after := price(final, quantity)) is not None and after <= before
        for quantity in range(1, 60)
        if (before := price(first, quantity)) is not None
    )
    made = changed(ladder=first).to_bytes(), changed(ladder=final).to_bytes()
    assert (latest(*made, TEMPLATE) == made[1]) is (by_hand or first == final)


@given(_LADDERS, st.integers(1, 20), st.integers(1, 60))
def test_a_counter_offer_is_met(ladder: tuple[tuple[int, int], ...], asked: int, quantity: int) -> None:
    """NEG-85: a quotation, no worse than the first, at no more than what was asked."""
    first = changed(ladder=ladder, capacity=max(50, ladder[0][0]))
    final = met(first, asked, quantity)
    check_better(first, parse(final.to_mapping(), TEMPLATE), TEMPLATE)
    found = price(final.ladder, min(quantity, first.capacity))
    assert found is not None
    assert found <= asked


# The whole way


class Other(Handmade):
    """The last word is another than an honest one: `final` makes it of the honest body."""

    def __init__(self, final: Callable[[Other, dict[str, Any]], dict[str, Any]], **sizes: Any) -> None:
        self.final = final
        super().__init__(members=5, witnesses=4, suppliers=3, windows=WINDOWS, **sizes)

    def say(self, who: Persona, kind: str, scope: str, body: dict[str, Any], slot: str = "") -> Record:
        body = self.final(self, body) if slot == "final" else body
        return super().say(who, kind, scope, body, slot)


def winner(made: Handmade) -> tuple[bytes, int]:
    award = made.deal().award
    assert award is not None
    (part,) = award.parts
    return part.supplier, part.unit_price_minor


def test_a_last_word_wins() -> None:
    """NEG-82, NEG-83, NEG-84: s1 quoted 910, s0 900; s1's last word is 890. A bundle proves it."""
    assert winner(MADE) == (S1.key, 890)
    assert winner(Handmade(members=5, witnesses=4, suppliers=3)) == (S0.key, 900)
    deal = MADE.deal()
    openings = open_all(deal, MADE.room)
    assert len(openings) == 4
    assert isinstance(openings[deal.finals[0].id], Opening)
    steps = verify(make(NETWORK, TEMPLATE, MADE.records, MADE.room)).deal
    assert steps.award == deal.award


def worse(made: Other, body: dict[str, Any]) -> dict[str, Any]:
    quote = made._quotation(S1, 911, ("basic",))
    return handed_in(made.deal(), S1.key, bytes(32), quote, made.draw)


def sealed_for_another(made: Other, body: dict[str, Any]) -> dict[str, Any]:
    quote = replace(read(made._quotation(S1, 1, ("basic",)), TEMPLATE), supplier=S0.key).to_bytes()
    return handed_in(made.deal(), S0.key, bytes(32), quote, made.draw)


def copied(made: Other, body: dict[str, Any]) -> dict[str, Any]:
    first = next(one for one in made.records if one.kind == "quotation.1" and one.author == S0.key)
    return dict(first.body)


def uncommitted(made: Other, body: dict[str, Any]) -> dict[str, Any]:
    return body | {"commit": bytes(32)}


@pytest.mark.parametrize("final", [worse, sealed_for_another, copied, uncommitted])
def test_whatever_is_wrong_with_a_last_word_the_first_stands(
    final: Callable[[Other, dict[str, Any]], dict[str, Any]],
) -> None:
    """NEG-83, NEG-45: nobody is worse off than without it, and a bundle proves that too."""
    made = Other(final)
    assert winner(made) == (S0.key, 900)
    deal = made.deal()
    assert deal.award is not None
    assert [code for _, code in deal.award.refused] == ["NEG-23"]
    assert verify(make(NETWORK, TEMPLATE, made.records, made.room)).deal.state == "countersigned"


FOR_ANOTHER = [with_(rfq=bytes(32)), with_(under=bytes(32)), with_(shares=[[bytes(80), bytes(32)]])]


@pytest.mark.parametrize("change", FOR_ANOTHER)
def test_a_last_word_for_something_else_is_not_let_in(change: Callable[[Any], Any]) -> None:
    """NEG-82, NEG-43, NEG-79"""
    with suppress(Stuck):
        made = Other(lambda self, body: dict(change(body)))
    assert made.deal().finals == ()
    assert made.deal().state == "revealed"


def as_first(value: bytes) -> bytes:
    """The award that would follow, had nobody had a last word."""
    body = decode(value)
    honest = Handmade(members=5, witnesses=4, suppliers=3).deal().award
    assert honest is not None
    return encode(body | {"parts": decode(honest.value)["parts"]})


def listing(other: str) -> Callable[[bytes], bytes]:
    """A box of last words that lists a quotation of the first round, or nothing at all."""
    first = next(one for one in MADE.records if one.kind == "quotation.1" and one.author == S0.key)
    return lambda value: manifest([first.id] if other else [])


@pytest.mark.parametrize(
    ("lies", "code"),
    [
        ({"award": as_first}, "NEG-50"),
        ({"finals": listing("first")}, "DEC-13"),
        ({"final-reveals": lambda value: b"junk"}, "DEC-12"),
        ({"final-reveals": lambda value: manifest([bytes(32)])}, "DEC-19"),
        ({"receipts of finals": lambda witnesses: witnesses[:2]}, "DEC-14"),
    ],
)
def test_lies_about_last_words(lies: dict[str, Callable[[Any], Any]], code: str) -> None:
    """NEG-82 to NEG-84: whatever was certified, no bundle proves it."""
    with suppress(Stuck):
        made = Handmade(lies, members=5, witnesses=4, suppliers=3, windows=WINDOWS)
    with pytest.raises(Reject) as caught:
        make(NETWORK, TEMPLATE, made.records, made.room)
    assert caught.value.code == code


def test_nobody_says_more() -> None:
    """NEG-82: the box closes empty, and the award follows from what was quoted first."""

    class Silent(Handmade):
        def _better(self) -> None:
            (question,) = self.deal().open
            self.decide(self.deal_scope, self.deal().council, question)

    made = Silent(members=5, witnesses=4, suppliers=3, windows=WINDOWS)
    assert winner(made) == (S0.key, 900)
    assert made.deal().state == "countersigned"
    assert verify(make(NETWORK, TEMPLATE, made.records, made.room)).deal.finals == ()


def test_nobody_reads_a_last_word_before_all_are_in() -> None:
    """NEG-82, NEG-43: not the room with f witnesses' shares; the control: with one share more it opens."""
    (said,) = MADE.deal().finals
    shares = {
        place: own_share(said, place, witness.box_seed(MADE.hash)) for place, witness in enumerate(MADE.witnesses)
    }
    for place in range(4):
        with pytest.raises(Reject) as caught:
            open_one(said, {place: shares[place]})
        assert caught.value.code == "IDN-17"
    opened = open_one(said, {place: shares[place] for place in (1, 3)})
    assert read(opened.quote, TEMPLATE).ladder == ((1, 890),)
    closed = at(MADE, "bettered", MADE.members[0])
    assert said.id not in closed.engine._core.contexts[MADE.deal_scope].openings


def test_a_box_of_last_words_for_who_quoted() -> None:
    """NEG-82: nobody new comes in after the first quotations are open; all who quoted have spoken, or it ends."""
    said = [one for one in MADE.records if one.header.created < _created("quotation.1", "final")]
    desk = Desk(MADE.witnesses[0], said, now=said[-1].header.created + 1)
    desk.tick()
    (question,) = [one for one in desk.ask(ask.AskDeals())[0]["questions"] if one["name"].startswith("finals/")]
    assert question["closes"] > desk.now
    box = next(one for one in _deal(desk).open if one.name.startswith("finals/")).box
    assert box is not None
    assert box.entitled == tuple(sorted(one.key for one in MADE.suppliers))
    assert box.vouchers == 2


def _created(kind: str, slot: str) -> int:
    of_kind = [one for one in MADE.records if one.kind == kind and one.header.slot is not None]
    return next(one.header.created for one in of_kind if one.header.slot and one.header.slot.name == slot)


def _deal(desk: Desk) -> Any:
    context = desk.engine._core.contexts[MADE.deal_scope]
    return context.deal(desk.engine._core.settings)


# Counter-offers


def revealed(who: Persona) -> Desk:
    """A node at the moment when the reveals are certified, and nobody has said a last word."""
    said = [one for one in MADE.records if one.header.created < _created("quotation.1", "final")]
    desk = Desk(who, said, now=said[-1].header.created + 1)
    desk.tick()
    return desk


def refusal(desk: Desk, command: Any) -> str:
    with pytest.raises(CommandError) as caught:
        desk.ask(command)
    return caught.value.code


def test_a_negotiator_counters_within_the_mandate() -> None:
    """NEG-80: the pledges' highest price is 1,000 and their most is 20; nobody else may, and nobody twice."""
    desk = revealed(MADE.negotiator)
    for price_minor, quantity in ((1_001, 10), (10, 21), (10, 0)):
        assert refusal(desk, ask.Counter(DEAL, S0.key, price_minor, quantity)) in ("NEG-80", "REC-11")
    assert refusal(desk, ask.Counter(DEAL, Persona.from_seed(bytes(32)).key, 10, 10)) == "NEG-80"
    assert desk.ask(ask.Counter(DEAL, S0.key, 870, 15, "For all of us."))
    assert refusal(desk, ask.Counter(DEAL, S0.key, 860, 15)) == "REC-14"
    assert desk.ask(ask.Counter(DEAL, S1.key, 870, 15))
    said = desk.said("counter.1")
    assert {one.body["supplier"] for one in said} == {S0.key, S1.key}
    assert all(b"1000" not in one.raw and encode(1_000) not in one.raw for one in said)
    other = next(one for one in MADE.members if one is not MADE.negotiator)
    assert refusal(revealed(other), ask.Counter(DEAL, S0.key, 870, 15)) == "NEG-80"
    late = revealed(MADE.negotiator)
    late.now += 600_000
    assert refusal(late, ask.Counter(DEAL, S0.key, 870, 15)) in ("NEG-80", "NEG-82")
    early = at(MADE, "asked", MADE.negotiator)
    assert refusal(early, ask.Counter(DEAL, S0.key, 870, 15)) == "NEG-82"


def test_limits() -> None:
    """NEG-80: up to the bounds, and not past them."""
    for price_minor, quantity in ((10, 5), (10, 9), (1, 7)):
        check_limits(price_minor, quantity, Limits(10, 5, 9))
    for price_minor, quantity in ((11, 5), (10, 4), (10, 10)):
        with pytest.raises(Reject):
            check_limits(price_minor, quantity, Limits(10, 5, 9))


def counter(who: Persona, slot: str = "", **fields: Any) -> Record:
    body = {"rfq": MADE.rfq.id, "term": MADE.deal().mandate.term, "supplier": S0.key, "price_minor": 870}
    body |= {"quantity": 15, "text": ""} | fields
    name = slot or counter_slot(S0.key)
    until, created = MADE.rfq.header.expires, _created("quotation.1", "final")
    where = Slot("once", name, 0)
    return Record.sign(who, NETWORK, "counter.1", MADE.deal_scope, body, created=created, expires=until, slot=where)


def test_whose_counter_offers_are_taken() -> None:
    """NEG-80: the negotiator's of a mandate that is held, in the supplier's slot; a node ignores the rest."""
    other = next(one for one in MADE.members if one is not MADE.negotiator)
    for bad in (
        counter(other),
        counter(S1),
        counter(MADE.negotiator, term=MADE.deal().mandate.term + 1),
        counter(MADE.negotiator, slot="counter"),
        counter(MADE.negotiator, slot=counter_slot(S1.key)),
    ):
        desk = revealed(S0)
        with pytest.raises(Ignore) as caught:
            desk.do(RecordReceived(bad, ""))
        assert caught.value.code == "NEG-80"
    desk = revealed(S0)
    desk.do(RecordReceived(counter(MADE.negotiator), ""))
    assert len(desk.said("counter.1")) == 1


def test_a_counter_offer_beyond_the_mandate_is_shown_as_one() -> None:
    """NEG-81: whatever its negotiator's node lets through, members see it, no supplier learns the limits, and nothing
    follows from it.
    """
    beyond = counter(MADE.negotiator, price_minor=1_001)
    member = next(one for one in MADE.members if one is not MADE.negotiator)
    for who, seen in ((member, [True]), (S0, [False])):
        desk = revealed(who)
        if who is S0:
            desk = Desk(S0, [one for one in desk.records.values() if one.scope == MADE.deal_scope], now=desk.now)
            desk.tick()
        before = desk.ask(ask.AskDeals())
        desk.do(RecordReceived(beyond, ""))
        assert [one["beyond"] for one in desk.ask(ask.AskTalk(DEAL))["counters"]] == seen
        desk.tick()
        assert desk.ask(ask.AskDeals()) == before


def test_which_counter_offers_count() -> None:
    """NEG-80, REC-14: one to each supplier; two in one slot void each other."""
    log = MADE.logs[MADE.deal_scope][0]
    terms = terms_of(log, MADE.rfq, MADE.deal().mandate, NETWORK)
    first, second = counter(MADE.negotiator), counter(MADE.negotiator, price_minor=860)
    log.add(first)
    try:
        assert counters_of(log, MADE.rfq.id, terms) == (first,)
        log.add(second)
        assert counters_of(log, MADE.rfq.id, terms) == ()
    finally:
        log.discard(first.id)
        log.discard(second.id)


def test_a_stale_negotiator_counters_for_nothing() -> None:
    """NEG-80, ELE-48: recalled and awake again, it is heard by who knows no better; the next in line's word stands."""
    found = shown()
    terms = found.terms(found.record())
    stale, fresh = (next(one for one in found.made.members if one.key == term.negotiator) for term in terms)
    log = Log(MADE.deal_scope)
    said = {}
    for who, term in ((stale, 1), (fresh, 2), (stale, 2)):
        one = counter(who, term=term, rfq=found.made.rfq.id)
        said[who.key, term] = one
        if term == 1 or who is fresh:
            check_counter(one, terms)
            log.add(one)
        else:
            with pytest.raises(Ignore):
                check_counter(one, terms)
    assert counters_of(log, found.made.rfq.id, terms) == (said[fresh.key, 2],)
    assert counters_of(log, found.made.rfq.id, terms[:1]) == (said[stale.key, 1],)
    with pytest.raises(Ignore):
        check_counter(said[fresh.key, 2], terms[:1])


# Vectors


def vectors() -> dict[str, Any]:
    """Which last words take the place of the first."""
    given_ = {"template": TEMPLATE.to_mapping(), "first": FIRST.to_bytes()}
    cases: list[dict[str, Any]] = [
        {"name": name, "clause": "NEG-83", "input": plain(given_ | {"final": final.to_bytes()}), "output": True}
        for name, final in GOOD
    ]
    cases += [
        {"name": name, "clause": "NEG-83", "input": plain(given_ | {"final": final.to_bytes()}), "reject": "NEG-83"}
        for name, final in WORSE
        if final.currency == TEMPLATE.currency
    ]
    flat = changed(ladder=((10, 900),), capacity=900)
    others = [
        ("smaller packs", _PACKS, changed(pack=6), changed(pack=3), True),
        ("packs that do not fit", _PACKS, changed(pack=6), changed(pack=4), False),
        ("no rung where the first served nothing", TEMPLATE, BEYOND, flat, True),
        ("no rung where it just served", TEMPLATE, replace(BEYOND, capacity=501), flat, False),
    ]
    for name, template, first, final, good in others:
        given_ = {"template": template.to_mapping(), "first": first.to_bytes(), "final": final.to_bytes()}
        case = {"name": name, "clause": "NEG-83", "input": plain(given_)}
        cases.append(case | ({"output": True} if good else {"reject": "NEG-83"}))
    return {"name": "final", "spec": "08-negotiation", "cases": cases}


def test_vectors() -> None:
    """NEG-83: the committed cases are those that ran above."""
    assert json.loads(VECTORS.read_text()) == json.loads(json.dumps(vectors()))
