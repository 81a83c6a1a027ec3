"""A supplier's node: what it quotes by itself and what it never signs, what it promised, what it tells its program."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.deal.negotiation import Quotation
from protocol.deal.negotiation import read as read_quotation
from protocol.deal.offer import Offer, Rules, available, flat, floor_of, from_bytes, to_bytes, within
from protocol.encoding import decode, encode
from protocol.engine.deal import shop as shops
from protocol.engine.deal import supplying
from protocol.errors import CommandError, Ignore
from protocol.events import Compute, Computed, Notify, RecordReceived
from protocol.params import ARTICLES_MAX
from protocol.record.record import Record
from tests.deals import TEMPLATE, Handmade, persona
from tests.stages import Desk, until

SELLER = persona("grocer")
QUANTITY = 9  # what the handmade request asks for
SECRETS = (7_919, 6_007)  # a floor and a cost that stand nowhere else


@cache
def made(number: int = 0) -> Handmade:
    """A deal by hand, each with another co-op."""
    return Handmade(windows={"round_ms": 60_000 + number})


@cache
def records(state: str = "asked", number: int = 0) -> list[Record]:
    """What a supplier sees of a deal until it comes to be in this state."""
    return [one for one in until(made(number), state) if one.scope == made(number).deal_scope]


def deal_id(number: int = 0) -> bytes:
    return bytes.fromhex(made(number).deal_scope.removeprefix("deal/"))


def article(sku: str = "leaf", price: int = 900, **more: Any) -> Offer:
    given: dict[str, Any] = {"ladder": ((1, price),), "capacity": 100, "pack": 1, "attributes": (1,)}
    given |= {"sku": sku, "line": 1} | more
    return Offer(**given)


def prices(*articles: Offer) -> ask.SetPrices:
    rows = tuple(row for one in articles for row in flat(one, TEMPLATE))
    return ask.SetPrices("tea", "any", "Grocer", rows, ("basic",), {"contact": "shop@example.net"})


def grocer(*articles: Offer, deals: tuple[int, ...] = (0,), state: str = "asked", **rules: Any) -> Desk:
    """A supplier's node that has just learned of these requests."""
    known = [one for number in deals for one in records(state, number)]
    desk = Desk(SELLER, known, now=max(one.header.created for one in known) + 1)
    desk.ask(ask.SetSupplyRules(**rules))
    desk.ask(prices(*(articles or (article(),))))
    desk.tick()
    return desk


def quoted(desk: Desk) -> list[Quotation]:
    """What this node signed, as it will be opened."""
    kept = [decode(value) for name, value in desk.facts.items() if name.startswith("quote/")]
    assert len(kept) == len(desk.said("quotation.1"))
    return [read_quotation(data, TEMPLATE) for _, data in kept]


def status(desk: Desk, number: int = 0) -> str:
    rows = desk.ask(ask.AskRequests())
    return str(next(one["status"] for one in rows if one["deal"] == deal_id(number)))


def events(desk: Desk) -> list[str]:
    return [one["event"] for one in desk.ask(ask.AskFeed())["entries"]]


def test_it_quotes_by_itself_within_its_limits() -> None:
    """SUP-10, SUP-13: and promises no more than the headroom."""
    desk = grocer(article(capacity=10_000), headroom_percent=50)
    (quotation,) = quoted(desk)
    assert (quotation.reference, quotation.ladder, quotation.capacity) == ("leaf", ((1, 900),), 14)
    assert status(desk) == "quoted"
    assert events(desk) == ["asked", "quoted"]
    (reserved,) = desk.ask(ask.AskSupply())["reserved"]
    assert (reserved["sku"], reserved["quantity"], reserved["board"]) == ("leaf", 14, "tea/any")
    desk.tick(1_000)
    assert len(quoted(desk)) == 1


@pytest.mark.parametrize(
    ("rules", "offer", "code"),
    [
        ({"mode": "off"}, {}, "SUP-10"),
        ({"members_least": 4}, {}, "SUP-10"),
        ({"quantity_least": QUANTITY + 1}, {}, "SUP-10"),
        ({"open_most": 0}, {}, "SUP-10"),
        ({"quantity_most": 4}, {"ladder": ((5, 900),)}, "SUP-10"),
        ({"value_most_minor": 900 * 12 - 1}, {}, "SUP-10"),
        ({"margin_percent": 20}, {"cost_minor": 751}, "SUP-11"),
        ({}, {"floor_minor": 901}, "SUP-11"),
        ({}, {"stock": 11}, "SUP-13"),
        ({}, {"attributes": (0,), "ladder": ((50, 900),)}, "NEG-35"),
    ],
)
def test_beyond_a_limit_it_says_nothing_and_why(rules: dict[str, Any], offer: dict[str, Any], code: str) -> None:
    """SUP-10, SUP-11, SUP-13"""
    desk = grocer(article(**offer), **rules)
    assert quoted(desk) == []
    (row,) = desk.ask(ask.AskRequests())
    assert (row["status"], row["code"]) == ("unquoted", code)
    assert row["message"]
    assert events(desk) == ["asked", "unquoted"]
    assert desk.ask(ask.AskSupply())["reserved"] == []


def test_what_is_dear_enough_is_quoted_and_no_rung_below_the_floor() -> None:
    """SUP-11: the controls of the limits above; a rung below the floor is left out, not raised."""
    assert quoted(grocer(article(cost_minor=750), margin_percent=20))[0].ladder == ((1, 900),)
    assert quoted(grocer(article(floor_minor=900)))[0].capacity == 18
    steps = article(ladder=((1, 900), (5, 850), (8, 799)), floor_minor=800)
    assert quoted(grocer(steps))[0].ladder == ((1, 900), (5, 850))
    assert quoted(grocer(article(stock=120)))[0].capacity == 10  # ten a month for twelve months
    assert quoted(grocer(article(), value_most_minor=900 * 12 * 7))[0].capacity == 7
    dear, cheap = article("dear", 950), article("cheap", 700, floor_minor=701)
    assert quoted(grocer(dear, cheap))[0].reference == "dear"  # the cheaper one may not be sold


def test_the_same_capacity_is_never_sold_twice() -> None:
    """SUP-13: two requests at once; what the first was promised is not there for the second."""
    desk = grocer(article(capacity=25), deals=(0, 1, 2))
    assert sorted(one.capacity for one in quoted(desk)) == [7, 18]
    assert sorted(status(desk, number) for number in (0, 1, 2)) == ["quoted", "quoted", "unquoted"]
    last = next(one for one in desk.ask(ask.AskRequests()) if one["status"] == "unquoted")
    assert last["code"] == "SUP-13"
    again = Desk(SELLER, desk.records.values(), desk.facts, desk.now)  # killed and started anew
    again.tick(1_000)
    assert again.facts == desk.facts
    assert len(again.said("quotation.1")) == 2
    assert again.ask(ask.AskSupply()) == desk.ask(ask.AskSupply())


def test_a_person_or_program_confirms() -> None:
    """SUP-12: nothing is signed before, what is edited keeps to the limits, and once is final."""
    desk = grocer(article(floor_minor=800, capacity=30), mode="review")
    assert (quoted(desk), status(desk)) == ([], "proposed")
    (need,) = [one for one in desk.ask(ask.AskNeeds()) if one["kind"] == "quote"]
    assert (need["sku"], need["ladder"], need["capacity"]) == ("leaf", [[1, 900]], 18)
    assert desk.ask(ask.AskSupply())["reserved"] == []
    deal = deal_id()
    for command, code in (
        (ask.Quote(deal, ladder=((1, 799),)), "SUP-11"),
        (ask.Quote(deal, ladder=((1, 900), (5, 799))), "SUP-11"),
        (ask.Quote(deal, ladder=((1, 900), (5, 901))), "NEG-2"),
        (ask.Quote(deal, ladder=((0, 900),)), "NEG-1"),
        (ask.Quote(deal, capacity=31), "SUP-13"),
        (ask.Quote(deal, sku="root"), "SUP-11"),
        (ask.Quote(bytes(16)), "NEG-40"),
        (ask.Countersign(deal), "AGR-1"),
        (ask.PassRequest(bytes(16)), "NEG-40"),
    ):
        with pytest.raises(CommandError) as error:
            desk.ask(command)
        assert error.value.code == code, command
    assert quoted(desk) == []
    desk.ask(ask.Quote(deal, ladder=((1, 880), (5, 820)), capacity=20))
    assert quoted(desk)[0].ladder == ((1, 880), (5, 820))
    assert status(desk) == "quoted"
    for late in (ask.Quote(deal), ask.PassRequest(deal), ask.ReleaseCapacity(deal)):
        with pytest.raises(CommandError):
            desk.ask(late)
    assert [one for one in desk.ask(ask.AskNeeds()) if one["kind"] == "quote"] == []


def test_silence_is_no_quotation() -> None:
    """SUP-12: a proposal that nobody confirmed before the box closed, and one that somebody passed."""
    desk = grocer(mode="review")
    desk.tick(10 * 60_000)
    assert (status(desk), quoted(desk)) == ("missed", [])
    with pytest.raises(CommandError) as error:
        desk.ask(ask.Quote(deal_id()))
    assert error.value.code == "SUP-12"
    other = grocer(mode="review")
    other.ask(ask.PassRequest(deal_id(), "we are on holiday"))
    other.tick(1_000)
    assert (status(other), quoted(other)) == ("passed", [])
    assert events(other) == ["asked", "proposed", "passed"]


def test_a_request_that_was_not_quoted_can_be_by_hand() -> None:
    """SUP-12: a person may overrule the choice, never the floor."""
    desk = grocer(article(floor_minor=901), article("root", 950, attributes=(0,)), members_least=50)
    assert status(desk) == "unquoted"
    with pytest.raises(CommandError) as error:
        desk.ask(ask.Quote(deal_id(), sku="leaf"))
    assert error.value.code == "SUP-11"
    desk.ask(ask.Quote(deal_id(), sku="root"))
    assert quoted(desk)[0].reference == "root"


def test_many_articles_are_chosen_from_by_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-10: beyond what the loop can spare; limits are looked at again when the choice comes back."""
    monkeypatch.setattr(supplying, "CHOOSE_HERE_MAX", 1)
    known = records()
    desk = Desk(SELLER, known, now=known[-1].header.created + 1)
    desk.ask(prices(article(), article("root", 950)))
    (job,) = [one for one in desk.tick() if isinstance(one, Compute)]
    assert (job.name, status(desk)) == ("deal.offer.answer", "asked")
    assert [one for one in desk.tick(10) if isinstance(one, Compute)] == []
    from protocol.deal.offer import answer

    result = answer(*job.arguments)
    desk.ask(prices(article(floor_minor=901), article("root", 950)))
    desk.do(Computed(job.job, result))
    assert (status(desk), quoted(desk)) == ("unquoted", [])
    other = Desk(SELLER, known, now=desk.now)
    other.ask(prices(article(), article("root", 950)))
    other.tick()
    other.do(Computed(job.job, result))
    assert quoted(other)[0].reference == "leaf"
    failed = Desk(SELLER, known, now=desk.now)
    failed.ask(prices(article(), article("root", 950)))
    failed.tick()
    failed.do(Computed(job.job, None))
    assert status(failed) == "unquoted"


@pytest.mark.parametrize(
    ("state", "supplier", "said", "left"),
    [
        ("awarded", "s0", "won", 9),
        ("awarded", "s1", "lost", 0),
        ("agreed", "s0", "agreed", 6),
        ("countersigned", "s0", "countersigned", 6),
    ],
)
def test_what_came_of_it(state: str, supplier: str, said: str, left: int) -> None:
    """SUP-14, SUP-20: the feed says it, by which clause it was lost, and what was promised shrinks to what is owed."""
    who, known = persona(supplier), records(state)
    scope = known[0].scope
    before = {"status": "quoted", "since": 1, "until": 2, "sku": "leaf"}
    facts = {f"supply/deal/{scope}": encode(before), f"reserved/{scope}": encode(["tea/any", "leaf", 18, 2**50])}
    facts |= {f"scope/{scope}": b"1", "prices/tea/any": encode({"label": "x", "terms": [], "identity": {}})}
    desk = Desk(who, known, facts, now=known[-1].header.created + 1)
    desk.ask(ask.SetSupplyRules(countersign="manual"))
    desk.tick()
    assert status(desk) == said
    assert sum(one["quantity"] for one in desk.ask(ask.AskSupply())["reserved"]) == left
    (entry,) = desk.ask(ask.AskFeed())["entries"]
    assert entry["event"] == said
    if said == "lost":
        assert entry["detail"]["code"] == "NEG-23"
    if said == "agreed":
        assert [one["kind"] for one in desk.ask(ask.AskNeeds()) if one["kind"] == "countersign"] == ["countersign"]
        order = desk.ask(ask.AskOrder(deal_id()))
        assert (order["quantity"], sum(one["quantity"] for one in order["lines"]), order["signed"]) == (6, 6, False)
        assert desk.ask(ask.Countersign(deal_id()))["id"] in desk.records
        desk.ask(ask.ReleaseCapacity(deal_id()))
        assert desk.ask(ask.AskSupply())["reserved"] == []


def test_a_request_without_a_mandate_is_shown_with_the_check_that_failed() -> None:
    """SUP-20, NEG-86: nothing is quoted for it, and the supplier sees why."""
    lie = Handmade({"rfq.1": lambda body: body | {"members": body["members"] + 1}})
    request = lie.rfq
    desk = Desk(SELLER, [one for one in lie.records if one.scope == request.scope and one is not request])
    desk.now = request.header.created + 1
    desk.ask(prices(article()))
    desk.engine._core.follow(request.scope)
    with pytest.raises(Ignore):
        desk.do(RecordReceived(request, ""))
    (row,) = desk.ask(ask.AskRequests())
    assert (row["status"], row["code"], row["members"]) == ("refused", "NEG-40", 4)
    assert desk.said("quotation.1") == []


def test_a_last_round_is_told_once() -> None:
    """SUP-20: while finals may be handed in, and not again."""
    made = Handmade(windows={"final_ms": 60_000})
    known = [one for one in until(made, "revealed") if one.scope == made.deal_scope]
    row = encode({"status": "quoted", "since": 1, "until": 2, "sku": "leaf"})
    facts = {f"supply/deal/{made.deal_scope}": row, f"scope/{made.deal_scope}": b"1"}
    facts["prices/tea/any"] = encode({"label": "x", "terms": [], "identity": {}})
    desk = Desk(persona("s0"), known, facts, now=known[-1].header.created + 1)
    for _ in range(3):
        desk.engine._core.dirty[made.deal_scope] = None
        desk.tick(10)
    assert events(desk) == ["last-round"]


def test_a_promise_ends_when_nothing_comes_of_the_deal() -> None:
    """SUP-14: a deal that its witnesses never decide does not hold the shelf for years."""
    desk = grocer(article(capacity=18))
    (kept,) = desk.ask(ask.AskSupply())["reserved"]
    (quotation,) = quoted(desk)
    assert quotation.valid_until < kept["until"] < quotation.valid_until + 15 * 86_400_000
    with pytest.raises(CommandError):
        desk.ask(ask.ReleaseCapacity(deal_id()))
    desk.tick(kept["until"] - desk.now + 1)
    assert shops.shop(desk.engine._core).promised("tea/any", desk.now) == {}
    desk.ask(ask.ReleaseCapacity(deal_id()))
    assert desk.ask(ask.AskSupply())["reserved"] == []


def test_articles_are_put_and_taken_away_by_name() -> None:
    """SUP-7: pages by name, upserts, removals; the same again keeps nothing anew."""
    desk = grocer(article("a"), article("b"))
    rows = tuple(flat(article("c", floor_minor=5, stock=7), TEMPLATE))
    assert desk.ask(ask.PutArticles("tea", "any", rows, ("a", "none"))) == {"articles": 2}
    page = desk.ask(ask.AskArticles("tea", "any", limit=1))
    assert [one["sku"] for one in page["rows"]] == ["b"]
    assert page["more"]
    page = desk.ask(ask.AskArticles("tea", "any", after=page["last"]))
    assert ([one["sku"] for one in page["rows"]], page["more"]) == (["c"], False)
    assert page["rows"] == list(rows)
    before = dict(desk.facts)
    desk.ask(ask.PutArticles("tea", "any", rows))
    assert desk.facts == before
    desk.ask(prices(article("d")))
    assert [one["sku"] for one in desk.ask(ask.AskArticles("tea", "any"))["rows"]] == ["d"]
    desk.ask(ask.SetPrices("tea", "any", "Grocer", (), ("basic",), {}))
    assert desk.ask(ask.AskSupply())["boards"][0]["articles"] == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (ask.PutArticles("tea", "u10", ()), "SUP-7"),
        (ask.PutArticles("coffee", "any", ()), "INT-1"),
        (ask.PutArticles("tea", "any", tuple(flat(article("x" * 65), TEMPLATE))), "NEG-34"),
        (ask.PutArticles("tea", "any", tuple(flat(article(floor_minor=-1), TEMPLATE))), "SUP-11"),
        (ask.PutArticles("tea", "any", tuple(flat(article(stock=-2), TEMPLATE))), "SUP-11"),
        (ask.PutArticles("tea", "any", tuple(flat(article(ladder=((5, 1), (1, 2))), TEMPLATE))), "NEG-34"),
        (ask.SetSupplyRules(mode="yes"), "SUP-10"),
        (ask.SetSupplyRules(countersign="never"), "SUP-10"),
        (ask.SetSupplyRules(margin_percent=-1), "SUP-10"),
        (ask.SetSupplyRules(headroom_percent=10_001), "SUP-10"),
        (ask.AskOrder(deal_id()), "SUP-30"),
        (ask.AskOrder(bytes(16)), "NEG-40"),
    ],
)
def test_what_cannot_be_kept(command: Any, code: str) -> None:
    """SUP-7, SUP-10, SUP-11: one sentence, and nothing changed."""
    desk = grocer()
    before = dict(desk.facts)
    with pytest.raises(CommandError) as error:
        desk.ask(command)
    assert (error.value.code, desk.facts) == (code, before)


def test_collections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-5, SUP-20, SUP-21: articles, remembered requests and the feed; the oldest give way, none is reordered."""
    assert ARTICLES_MAX == 100_000
    monkeypatch.setattr("protocol.engine.deal.stocking.ARTICLES_MAX", 2)
    desk = grocer(article("a"), article("b"))
    with pytest.raises(CommandError, match="more than 2 articles"):
        desk.ask(ask.PutArticles("tea", "any", tuple(flat(article("c"), TEMPLATE))))
    assert desk.ask(ask.PutArticles("tea", "any", tuple(flat(article("c"), TEMPLATE)), ("a",)))["articles"] == 2
    monkeypatch.setattr(shops, "FEED_MAX", 3)
    monkeypatch.setattr(shops, "SUPPLIES_MAX", 2)
    many = grocer(deals=(0, 1, 2))
    kept = many.ask(ask.AskFeed())  # of two requests: the third found no room
    assert (kept["first"], kept["last"], [one["number"] for one in kept["entries"]]) == (2, 4, [2, 3, 4])
    assert [one["number"] for one in many.ask(ask.AskFeed(after=3))["entries"]] == [4]
    assert many.ask(ask.AskFeed(after=1, limit=1))["entries"][0]["number"] == 2
    assert sum(1 for name in many.facts if name.startswith("feed/")) == 3
    assert sum(1 for name in many.facts if name.startswith("supply/deal/")) == 2
    monkeypatch.setattr(shops, "SUPPLIES_MAX", 3)
    passed = grocer(deals=(0, 1, 2), mode="review")
    passed.ask(ask.PassRequest(deal_id(1)))
    monkeypatch.setattr(shops, "SUPPLIES_MAX", 2)
    core = passed.engine._core
    core.now += 10**6
    assert shops.has_room(core)  # the one that is over makes room; what still waits does not
    assert not shops.has_room(core) or len(shops.shop(core).deals) < 2


def test_a_supplier_that_asks_itself_says_nothing() -> None:
    """SUP-12: a negotiator's own node does not quote for its own request."""
    known = records()
    desk = Desk(made().negotiator, known, now=known[-1].header.created + 1)
    desk.ask(prices(article()))
    desk.tick()
    assert desk.said("quotation.1") == []
    with pytest.raises(CommandError) as error:
        desk.ask(ask.Quote(deal_id()))
    assert error.value.code == "SUP-12"


def test_floor_cost_stock_and_limits_stay_at_home() -> None:
    """SUP-10: nothing of them is in any record that the node signed, nor in what others are told."""
    floor, cost = SECRETS
    desk = grocer(article(price=9_001, floor_minor=floor, cost_minor=cost, stock=5_003), quantity_most=4_001)
    assert quoted(desk)
    secrets = [encode(one) for one in (floor, cost, 5_003, 4_001)]
    for record in desk.records.values():
        if record.author == SELLER.key:
            assert not any(secret in record.raw for secret in secrets), record.kind
    assert any(secrets[0] in fact for fact in desk.facts.values())  # it is kept, at home
    told = [one.detail for one in desk.tick(1) if isinstance(one, Notify)]
    assert "floor" not in str(told) + str(desk.ask(ask.AskDeals()))


MOVES = st.one_of(
    st.builds(ask.SetSupplyRules, mode=st.sampled_from(["auto", "review"]), margin_percent=st.integers(0, 60)),
    st.builds(
        ask.Quote,
        st.sampled_from([deal_id(number) for number in range(3)]),
        st.sampled_from(["", "a", "b"]),
        st.lists(st.tuples(st.integers(1, 12), st.integers(1, 1_000)), max_size=3).map(lambda one: tuple(sorted(one))),
        st.integers(0, 40),
    ),
    st.builds(ask.PassRequest, st.sampled_from([deal_id(number) for number in range(3)])),
    st.builds(ask.ReleaseCapacity, st.sampled_from([deal_id(number) for number in range(3)])),
    st.builds(
        lambda sku, price, floor, cost, capacity: prices(
            article(sku, price, floor_minor=floor, cost_minor=cost, capacity=capacity)
        ),
        st.sampled_from("ab"),
        st.integers(1, 1_000),
        st.integers(0, 1_000),
        st.integers(0, 1_000),
        st.integers(1, 40),
    ),
    st.sampled_from([0, 1, 2]),
    st.just("restart"),
)


@settings(max_examples=60)
@given(st.lists(MOVES, max_size=12))
def test_no_sequence_signs_below_a_floor_or_beyond_what_there_is(moves: list[Any]) -> None:
    """SUP-11, SUP-13: whatever comes in whatever order, each signature kept to the floor and capacity of its moment."""
    desk = Desk(SELLER, (), now=max(one.header.created for n in range(3) for one in records("asked", n)) + 1)
    desk.ask(prices(article("a", capacity=25, floor_minor=400)))
    seen = 0
    for move in moves:
        offers = {row["sku"]: row for row in desk.ask(ask.AskArticles("tea", "any"))["rows"]}
        rules = Rules(**desk.ask(ask.AskSupply())["rules"])
        try:
            if isinstance(move, int):
                known = [*desk.records.values(), *records("asked", move)]
                desk = Desk(SELLER, known, desk.facts, desk.now)
            elif move == "restart":
                desk = Desk(SELLER, desk.records.values(), desk.facts, desk.now)
            else:
                desk.ask(move)
                if isinstance(move, ask.SetSupplyRules | ask.SetPrices):
                    continue  # what was signed then is looked at before the next move
            desk.tick()
        except CommandError:
            pass
        signed = quoted(desk)
        for quotation in signed[seen:]:
            row = offers[quotation.reference]
            floor = max(row["floor_minor"], -(-row["cost_minor"] * (100 + rules.margin_percent) // 100))
            assert min(price for _, price in quotation.ladder) >= floor
            known = desk.ask(ask.AskSupply())["reserved"]
            assert sum(one["quantity"] for one in known if one["sku"] == quotation.reference) <= row["capacity"]
        seen = len(signed)


@given(st.integers(0, 2_000), st.integers(0, 2_000), st.integers(0, 300))
def test_the_floor_is_the_higher_of_two(floor: int, cost: int, margin: int) -> None:
    """SUP-11: in integers, rounded against the buyer by less than one."""
    found = floor_of(article(floor_minor=floor, cost_minor=cost), Rules(margin_percent=margin))
    assert found >= floor
    assert found * 100 >= cost * (100 + margin)
    assert found == floor or (found - 1) * 100 < cost * (100 + margin)


@given(st.integers(1, 50), st.integers(-1, 600), st.integers(0, 60))
def test_what_is_free(capacity: int, stock: int, reserved: int) -> None:
    """SUP-13: a period's capacity and the whole term's stock, less what others were promised."""
    found = available(article(capacity=capacity, stock=stock), reserved, 12)
    assert 0 <= found <= capacity
    if stock >= 0:
        assert (found + reserved) * 12 <= max(stock, reserved * 12)


@given(st.integers(1, 10**9), st.integers(-1, 10**9), st.lists(st.integers(-5, 5), max_size=3))
def test_an_article_is_kept_as_it_is(price: int, stock: int, marks: list[int]) -> None:
    """SUP-7"""
    offer = article(price=price, stock=stock, attributes=tuple(marks), ladder=((1, price), (2, price)))
    assert from_bytes(to_bytes(offer)) == offer


def test_controls_without_the_rules() -> None:
    """SUP-11, SUP-13: the same article without its floor, and with what others were promised forgotten, is quoted."""
    from protocol.deal.negotiation import Request

    request = Request(TEMPLATE, {}, (), (), 0)
    with pytest.raises(CommandError):
        within(article(floor_minor=901), request, 9, Rules(), 0)
    assert within(article(), request, 9, Rules(), 0).ladder == ((1, 900),)
    with pytest.raises(CommandError):
        within(article(), request, 9, Rules(), 100)
    assert within(article(), request, 9, Rules(), 91).capacity == 9
