"""Quotations and their ranking: each refusal by its clause, and scores that add up."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.template import load
from protocol.deal.allocation import Besides, Demand
from protocol.deal.negotiation import (
    Bid,
    Limits,
    Quotation,
    Request,
    Requirement,
    commit_hash,
    criteria,
    open_commitment,
    parse,
    read,
    saving,
)
from protocol.deal.ranking import Ranking, rank, serve
from protocol.encoding import digest, encode
from protocol.errors import Reject
from protocol.params import QUOTE_BYTES_MAX

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "negotiation.json"
BOX, RFQ, NONCE = (digest("test", name) for name in (b"box", b"rfq", b"nonce"))
ELECTRICITY = load("electricity")
FOOD = load("bulk-food")
Change = Callable[[dict[str, Any]], object]


def supplier(number: int) -> bytes:
    return digest("test", b"supplier" + bytes([number]))


def quotation(number: int = 0, **changes: Any) -> Quotation:
    """An electricity quotation that breaks nothing; prices in pence for 10 kWh."""
    good = Quotation(
        supplier=supplier(number),
        reference=f"FIX-{number}",
        subject="",
        currency="GBP",
        price_basis="gross",
        tax_category="AA",
        tax_hundredths=500,
        ladder=((10, 240), (100, 220), (1000, 200)),
        pack=1,
        capacity=5000,
        valid_until=2_000,
        cancellation="end-of-term",
        cancellation_fee_minor=0,
        attributes={"contract_years": 2, "renewable_percent": 50, "local_supplier": 0, "well_known": 1},
        charges={},
        terms=("no-sharing", "p2b1"),
        trader={"name": "Example Power", "contact": "deals@power.example", "country": "GB", "register": "0123"},
    )
    return replace(good, **changes)


REQUEST = Request(
    template=ELECTRICITY,
    weights_minor={"renewable_percent": -1, "local_supplier": -10, "contract_years": 4},
    requirements=(Requirement("renewable_percent", "at-least", 20),),
    terms=("p2b1",),
    valid_until=2_000,
)
LIMITS = Limits(price_max_minor=230, quantity_least=50, quantity_most=10_000)
DEMANDS = tuple(Demand(digest("test", bytes([number])), 30, 3, 20, 215 + 5 * (number % 4)) for number in range(12))

BAD: list[tuple[str, str, Change]] = [
    ("a field too many", "NEG-1", lambda value: value.update(rebate=1)),
    ("a field missing", "NEG-1", lambda value: value.pop("capacity")),
    ("no rung", "NEG-1", lambda value: value.update(ladder=[])),
    ("17 rungs", "NEG-1", lambda value: value.update(ladder=[[number, 9] for number in range(1, 18)])),
    ("a free rung", "NEG-1", lambda value: value.update(ladder=[[1, 0]])),
    ("a short key", "NEG-1", lambda value: value.update(supplier=bytes(31))),
    ("terms out of order", "NEG-1", lambda value: value.update(terms=["p2b1", "no-sharing"])),
    ("a cancellation of its own", "NEG-1", lambda value: value.update(cancellation="never")),
    ("a trader without a name", "NEG-1", lambda value: value["trader"].update(name="")),
    ("a rung of three", "NEG-1", lambda value: value["ladder"][0].append(1)),
    ("a dearer rung", "NEG-2", lambda value: value.update(ladder=[[10, 200], [100, 201]])),
    ("a smaller minimum", "NEG-2", lambda value: value.update(ladder=[[100, 240], [100, 220]])),
    ("a pack larger than the category's", "NEG-3", lambda value: value.update(pack=2)),
    ("a capacity below the first rung", "NEG-3", lambda value: value.update(capacity=9)),
    ("money beyond 2^53", "NEG-4", lambda value: value.update(ladder=[[1, 10**12]])),
    (
        "charges beyond 2^53",
        "NEG-4",
        lambda value: value.update(ladder=[[10, (2**53 - 1) // (5000 * 60)]], charges={"standing_charge": 100}),
    ),
    ("another currency", "TPL-14", lambda value: value.update(currency="EUR")),
    ("net where prices are gross", "TPL-14", lambda value: value.update(price_basis="net")),
    ("another tax", "TPL-14", lambda value: value.update(tax_category="S", tax_hundredths=2_000)),
    ("another rate", "TPL-14", lambda value: value.update(tax_hundredths=2_000)),
    ("a charge the category does not have", "TPL-14", lambda value: value.update(charges={"installation": 1})),
    ("a charge out of bounds", "TPL-14", lambda value: value.update(charges={"standing_charge": -1})),
    ("a subject where there is none", "TPL-14", lambda value: value.update(subject="bike")),
    ("an attribute missing", "NEG-5", lambda value: value["attributes"].pop("well_known")),
    ("an attribute too many", "NEG-5", lambda value: value["attributes"].update(price_pence_kwh=220)),
    ("an attribute out of bounds", "NEG-5", lambda value: value["attributes"].update(renewable_percent=101)),
    ("a country in words", "NEG-6", lambda value: value["trader"].update(country="uk")),
]
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("another's name", "NEG-21", {"supplier": supplier(9)}),
    ("too little renewable", "NEG-22", {"attributes": {**quotation().attributes, "renewable_percent": 19}}),
    ("data terms not accepted", "NEG-23", {"terms": ("no-sharing",)}),
    ("ends too early", "NEG-24", {"valid_until": 1_999}),
    ("too small", "NEG-25", {"capacity": 49}),
    ("too dear", "NEG-26", {"ladder": ((1, 231),)}),
    ("no rung reached", "NEG-27", {"ladder": ((1, 240), (361, 200))}),
]
RANKED: list[tuple[str, str, dict[str, Any]]] = [
    ("the plain offer", "NEG-28", {}),
    (
        "cheaper but longer",
        "NEG-28",
        {"ladder": ((1, 210),), "attributes": {**quotation().attributes, "contract_years": 5}},
    ),
    ("serves only some", "NEG-28", {"capacity": 100}),
    ("cheap with a standing charge", "NEG-28", {"ladder": ((1, 200),), "charges": {"standing_charge": 240}}),
    ("dear with a credit", "NEG-28", {"ladder": ((1, 225),), "charges": {"welcome_credit": -9_000}}),
    (
        "local and green",
        "NEG-28",
        {"attributes": {**quotation().attributes, "local_supplier": 1, "renewable_percent": 100}},
    ),
]


def broken(change: Change) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(json.dumps(quotation().to_mapping(), default=bytes.hex))
    value["supplier"] = supplier(0)
    change(value)
    return value


def offers() -> list[Bid]:
    """Every ranked and refused case as a bid, the supplier's number being the case's."""
    made = []
    for number, (_, _, changes) in enumerate([*RANKED, *REFUSED]):
        made.append(Bid(supplier(number), quotation(number, **changes).to_bytes()))
    return made


def plain(ranking: Ranking) -> dict[str, Any]:
    return {
        "ranked": [
            {
                "hash": row.hash.hex(),
                "supplier": row.quotation.supplier.hex(),
                "unit_price_minor": row.allocation.unit_price_minor,
                "quantity": row.allocation.quantity,
                "cost_minor": row.cost_minor,
                "unserved_minor": row.unserved_minor,
                "adjustments": [list(pair) for pair in row.adjustments],
                "score_minor": row.score_minor,
            }
            for row in ranking.ranked
        ],
        "refused": [{"hash": row.hash.hex(), "code": row.code} for row in ranking.refused],
    }


PICKY = replace(REQUEST, demanded={DEMANDS[0].member: (Requirement("renewable_percent", "at-least", 60),)})
TIGHT = Limits(price_max_minor=200, quantity_least=50, quantity_most=100)


def charged() -> list[Bid]:
    """Bids at 195 under a limit of 200: what is charged besides stays below it or not; one meets what one demands."""
    rows: list[tuple[int, int, int]] = [(0, 0, 50), (1, 100, 50), (2, 200, 50), (3, 100, 60)]
    made = (
        quotation(
            supplier=supplier(number),
            ladder=((10, 195),),
            charges={"standing_charge": charge},
            attributes={"contract_years": 2, "renewable_percent": green, "local_supplier": 0, "well_known": 1},
        )
        for number, charge, green in rows
    )
    return [Bid(one.supplier, one.to_bytes()) for one in made]


def test_what_a_tight_mandate_and_own_demands_leave() -> None:
    """NEG-25, NEG-26, NEG-73: the mandate's most is the capacity, charges count against its price, and nobody is served
    by what does not meet their own requirements."""
    found = rank(PICKY, TIGHT, charged(), DEMANDS, BOX)
    assert [row.code for row in found.refused] == ["NEG-26"]
    assert {row.allocation.quantity for row in found.ranked} == {100}
    served = {row.quotation.supplier: [who for who, _ in row.allocation.shares] for row in found.ranked}
    assert all(DEMANDS[0].member not in served[supplier(number)] for number in (0, 1))


def ranked(name: str, request: Request, limits: Limits, bids: list[Bid]) -> dict[str, Any]:
    """A case: a request with all its bids, and what they come to."""
    own = {
        who.hex(): [[row.attribute, row.operator, row.value] for row in rows] for who, rows in request.demanded.items()
    }
    given_ = {
        "template": ELECTRICITY.to_mapping(),
        "weights_minor": dict(request.weights_minor),
        "requirements": [[row.attribute, row.operator, row.value] for row in request.requirements],
        "terms": list(request.terms),
        "valid_until": request.valid_until,
        "price_max_minor": limits.price_max_minor,
        "quantity_least": limits.quantity_least,
        "quantity_most": limits.quantity_most,
        "box": BOX.hex(),
        "demands": [[one.member.hex(), one.want, one.tolerate, one.least, one.price_max_minor] for one in DEMANDS],
        "own": own,
        "bids": [{"supplier": bid.supplier.hex(), "quote": bid.quote.hex()} for bid in bids],
    }
    output = plain(rank(request, limits, bids, DEMANDS, BOX))
    return {"name": name, "clause": "NEG-28", "input": given_, "output": output}


def unshowable(content: bytes) -> dict[str, Any]:
    """An opening that is what was committed to, and of a length that nobody could show to others."""
    commit = commit_hash(RFQ, supplier(0), NONCE, content).hex()
    opening = {"rfq": RFQ.hex(), "supplier": supplier(0).hex(), "nonce": NONCE.hex(), "quote": content.hex()}
    name = f"an opening of {len(content)} bytes, as committed to"
    return {"name": name, "clause": "NEG-9", "input": {"commit": commit} | opening, "reject": "NEG-9"}


def vectors() -> dict[str, Any]:
    """spec/vectors/negotiation.json."""
    quote = quotation().to_bytes()
    cases: list[dict[str, Any]] = [
        {
            "name": "a commitment",
            "clause": "NEG-8",
            "input": {"rfq": RFQ.hex(), "supplier": supplier(0).hex(), "nonce": NONCE.hex(), "quote": quote.hex()},
            "output": commit_hash(RFQ, supplier(0), NONCE, quote).hex(),
        },
        {
            "name": "an opening with another nonce",
            "clause": "NEG-9",
            "input": {
                "commit": commit_hash(RFQ, supplier(0), NONCE, quote).hex(),
                "rfq": RFQ.hex(),
                "supplier": supplier(0).hex(),
                "nonce": BOX.hex(),
                "quote": quote.hex(),
            },
            "reject": "NEG-9",
        },
        *(unshowable(content) for content in (b"", bytes(QUOTE_BYTES_MAX + 1))),
        ranked("all bids of a request", REQUEST, LIMITS, offers()),
        ranked("a tight mandate, charges, members with demands of their own", PICKY, TIGHT, charged()),
    ]
    for vectors_of, weights in WEIGHTS:
        cases.append({"name": "weights", "clause": "NEG-32", "input": vectors_of, "output": weights})
    for name, code, change in BAD:
        cases.append({"name": name, "clause": code, "input": {"quote": encode(broken(change)).hex()}, "reject": code})
    return {"name": "negotiation", "spec": "08-negotiation", "cases": cases}


WEIGHTS: list[tuple[list[dict[str, int]], dict[str, int]]] = [
    (
        [
            {"price_pence_kwh": -300, "local_supplier": 450, "contract_years": -45},
            {"price_pence_kwh": -100, "local_supplier": 150, "well_known": 2},
        ],
        {"contract_years": 1, "local_supplier": -15},
    ),
    ([{"price_pence_kwh": -4, "well_known": 1, "contract_years": -1}], {"contract_years": 3, "well_known": -3}),
    ([{"price_pence_kwh": 5, "local_supplier": 450}], {}),
    ([{"local_supplier": 450}], {}),
    ([{"price_pence_kwh": -1, "local_supplier": -(2**53)}], {"local_supplier": 10**9}),
    ([], {}),
]


def test_the_vectors_are_committed() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == json.loads(json.dumps(vectors()))


@pytest.mark.parametrize(("code", "change"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_quotation_is_refused_with_its_clause(code: str, change: Change) -> None:
    """NEG-1 to NEG-6."""
    with pytest.raises(Reject) as error:
        read(encode(broken(change)), ELECTRICITY)
    assert error.value.code == code
    assert error.value.message.startswith("quotation")


def test_a_quotation_survives_the_wire() -> None:
    """NEG-1."""
    assert read(quotation().to_bytes(), ELECTRICITY) == quotation()
    assert parse(quotation().to_mapping(), ELECTRICITY) == quotation()
    for quote in (quotation().to_bytes() + b"\0", quotation().to_bytes()[:-1], b"", b"\xc0", bytes(9000)):
        with pytest.raises(Reject) as error:
            read(quote, ELECTRICITY)
        assert error.value.code == "NEG-1"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_quotation_or_refused(noise: bytes) -> None:
    """NEG-1: nothing but Reject, whatever a supplier sealed."""
    with pytest.raises(Reject):
        read(noise, ELECTRICITY)
    ranking = rank(REQUEST, LIMITS, [Bid(supplier(0), noise)], DEMANDS, BOX)
    assert len(ranking.refused) == 1


@given(st.integers(0, 600), st.integers(0, 255))
def test_a_flipped_byte_never_opens(position: int, value: int) -> None:
    """NEG-8, NEG-9."""
    quote = quotation().to_bytes()
    commit = commit_hash(RFQ, supplier(0), NONCE, quote)
    assert open_commitment(commit, RFQ, supplier(0), NONCE, quote) == Bid(supplier(0), quote)
    position %= len(quote)
    changed = quote[:position] + bytes([value]) + quote[position + 1 :]
    if changed != quote:
        with pytest.raises(Reject) as error:
            open_commitment(commit, RFQ, supplier(0), NONCE, changed)
        assert error.value.code == "NEG-9"
    for other in ((BOX, supplier(0), NONCE), (RFQ, supplier(1), NONCE), (RFQ, supplier(0), BOX)):
        assert commit_hash(*other, quote) != commit
    for content in (b"", bytes(QUOTE_BYTES_MAX + 1)):  # nobody could show these to others (BUN-10)
        with pytest.raises(Reject) as error:
            open_commitment(commit_hash(RFQ, supplier(0), NONCE, content), RFQ, supplier(0), NONCE, content)
        assert error.value.code == "NEG-9"
    most = bytes(QUOTE_BYTES_MAX)
    assert open_commitment(commit_hash(RFQ, supplier(0), NONCE, most), RFQ, supplier(0), NONCE, most).quote == most


def test_a_commitment_has_no_second_reading() -> None:
    """NEG-8: lengths are fixed, so nothing can move from one part to the next."""
    with pytest.raises(Reject):
        commit_hash(RFQ + b"x", supplier(0), NONCE[1:], b"")


@pytest.mark.parametrize(("code", "changes"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_each_refusal_names_its_clause(code: str, changes: dict[str, Any]) -> None:
    """NEG-21 to NEG-27; the same bid without the fault is ranked."""
    ranking = rank(REQUEST, LIMITS, [Bid(supplier(0), quotation(**changes).to_bytes())], DEMANDS, BOX)
    assert [row.code for row in ranking.refused] == [code]
    assert f"[{code}]" in ranking.explain(ELECTRICITY)[0]
    good = rank(REQUEST, LIMITS, [Bid(supplier(0), quotation().to_bytes())], DEMANDS, BOX)
    assert len(good.ranked) == 1


@given(st.permutations(range(len(RANKED) + len(REFUSED))), st.permutations(DEMANDS))
def test_a_ranking_does_not_depend_on_arrival(order: list[int], demands: list[Demand]) -> None:
    """NEG-20, NEG-29."""
    bids = offers()
    ranking = rank(REQUEST, LIMITS, [bids[number] for number in order], demands, BOX)
    assert ranking == rank(REQUEST, LIMITS, bids, DEMANDS, BOX)
    assert len(ranking.ranked) + len(ranking.refused) == len(bids)
    scores = [(row.score_minor, row.hash) for row in ranking.ranked]
    assert scores == sorted(scores)
    assert len(ranking.explain(ELECTRICITY)) == len(bids)


def test_a_score_adds_up() -> None:
    """NEG-28 by hand: 12 members want 30 each, all would pay 215 or more, and rungs above 230 take no part."""
    (row,) = rank(REQUEST, LIMITS, [Bid(supplier(0), quotation().to_bytes())], DEMANDS, BOX).ranked
    assert row.allocation.unit_price_minor == 220  # 9 of 12 would pay that: 270 units, the rung of 1000 is not reached
    assert row.allocation.quantity == 270
    assert row.allocation.rung == 1
    assert row.cost_minor == 220 * 270 * 60
    assert row.unserved_minor == 3 * 30 * 215 * 60
    adjustments = {"contract_years": 4 * 2, "renewable_percent": -50, "local_supplier": 0, "well_known": 0}
    assert dict(row.adjustments) == {name: each * 270 * 60 for name, each in adjustments.items()}
    assert row.score_minor == row.cost_minor + row.unserved_minor + sum(dict(row.adjustments).values())
    assert "GBP 2.20 per unit × 10 KWH, 270 units a period for 9 members" in " ".join(
        rank(REQUEST, LIMITS, [Bid(supplier(0), quotation().to_bytes())], DEMANDS, BOX).explain(ELECTRICITY)
    )


def test_equal_scores_go_by_hash() -> None:
    """NEG-29: two offers that differ in nothing but their author."""
    bids = [Bid(supplier(number), quotation(number, reference="").to_bytes()) for number in range(6)]
    ranking = rank(REQUEST, LIMITS, bids, DEMANDS, BOX)
    assert len({row.score_minor for row in ranking.ranked}) == 1
    assert [row.hash for row in ranking.ranked] == sorted(bid.hash for bid in bids)


@given(st.integers(1, 39), st.integers(0, 39))
def test_a_cheaper_offer_never_ranks_behind_its_twin(price: int, less: int) -> None:
    """NEG-28: lower the price of one of two equal offers, and it is not beaten by the other."""
    dear, cheap = (
        quotation(number, ladder=((1, value),)) for number, value in enumerate((190 + price, 190 + price - less))
    )
    ranking = rank(REQUEST, LIMITS, [Bid(row.supplier, row.to_bytes()) for row in (dear, cheap)], DEMANDS, BOX)
    scores = {row.quotation.supplier: row.score_minor for row in ranking.ranked}
    assert scores[supplier(1)] <= scores[supplier(0)]


def test_too_many_bids() -> None:
    """NEG-20."""
    bids = [Bid(supplier(0), b"")] * 65
    assert len(rank(REQUEST, LIMITS, bids[:64], DEMANDS, BOX).refused) == 64
    with pytest.raises(Reject) as error:
        rank(REQUEST, LIMITS, bids, DEMANDS, BOX)
    assert error.value.code == "NEG-20"


def test_the_mandate_bounds_the_order() -> None:
    """NEG-25, NEG-26, NEG-27: the same at the award and on the commitments."""
    found = serve(quotation(), replace(LIMITS, quantity_most=120), DEMANDS, BOX)
    assert found.quantity == 120
    with pytest.raises(Reject) as error:
        serve(quotation(), replace(LIMITS, quantity_least=271), DEMANDS, BOX)
    assert error.value.code == "NEG-27"
    with pytest.raises(Reject) as error:
        serve(quotation(), replace(LIMITS, quantity_most=49), DEMANDS, BOX)
    assert error.value.code == "NEG-25"
    assert serve(quotation(), replace(LIMITS, price_max_minor=10**6), DEMANDS, BOX).rung == 1
    with pytest.raises(Reject, match="with its charges") as error:  # four pence more a unit at thirty units
        serve(quotation(), replace(LIMITS, price_max_minor=220), DEMANDS, BOX, Besides(4 * 30 * 60, 60))
    assert error.value.code == "NEG-26"
    with pytest.raises(Reject) as error:
        serve(quotation(), LIMITS, (), BOX)
    assert error.value.code == "NEG-27"


@pytest.mark.parametrize(("vectors_of", "weights"), WEIGHTS)
def test_weights_in_money(vectors_of: list[dict[str, int]], weights: dict[str, int]) -> None:
    """NEG-32: what a unit of an attribute is worth is what people would pay for it."""
    assert criteria(vectors_of, ELECTRICITY) == weights


@given(
    st.lists(
        st.dictionaries(st.sampled_from([row.name for row in ELECTRICITY.attributes]), st.integers(-(10**6), 10**6))
    )
)
def test_weights_do_not_depend_on_scale_or_order(vectors_of: list[dict[str, int]]) -> None:
    """NEG-32."""
    weights = criteria(vectors_of, ELECTRICITY)
    assert criteria(vectors_of[::-1], ELECTRICITY) == weights
    assert criteria([{name: 7 * value for name, value in row.items()} for row in vectors_of], ELECTRICITY) == weights
    assert 0 not in weights.values()


@pytest.mark.parametrize("operator", ["at-least", "at-most", "equal"])
def test_requirements(operator: str) -> None:
    """NEG-22."""
    met = [Requirement("local_supplier", operator, 5).met_by(value) for value in (4, 5, 6)]
    assert (
        met
        == {"at-least": [False, True, True], "at-most": [True, True, False], "equal": [False, True, False]}[operator]
    )
    unknown = replace(REQUEST, requirements=(Requirement("colour", operator, 5),))
    ranking = rank(unknown, LIMITS, [Bid(supplier(0), quotation().to_bytes())], DEMANDS, BOX)
    assert [row.code for row in ranking.refused] == ["NEG-22"]


def test_saving() -> None:
    """NEG-33: £2.50 today, £2.20 in the deal, 30 units a month, five years; and a loss is a loss."""
    assert saving(250, 220, 30, Besides(0, 60)) == 54_000
    assert saving(210, 220, 30, Besides(0, 60)) == -18_000
    assert saving(250, 220, 30, Besides(60_000, 60)) == -6_000  # an installation can cost more than the price saves


def test_food_in_boxes() -> None:
    """NEG-14 through a quotation: a box of 25 kilograms, filled by tolerance."""
    box = quotation(
        tax_category="Z",
        tax_hundredths=0,
        ladder=((25, 180), (50, 160)),
        pack=25,
        capacity=500,
        attributes={"organic": 1, "distance_km": 12, "packaging_returned": 0, "days_to_delivery": 3},
    )
    demands = [Demand(digest("test", bytes([number])), 9, 2, 5, 200) for number in range(5)]
    request = Request(FOOD, {}, (), (), 0)
    (row,) = rank(request, Limits(200, 1, 10**6), [Bid(box.supplier, box.to_bytes())], demands, BOX).ranked
    assert (row.allocation.quantity, row.allocation.unit_price_minor) == (50, 160)
    assert sorted(amount for _, amount in row.allocation.shares) == [10] * 5
