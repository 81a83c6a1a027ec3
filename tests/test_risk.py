"""Stakes, classes of risk and what they demand: the same integers at every node, and nobody gets in below them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.coop.evidence import admission
from protocol.coop.risk import CLASSES, DEMANDS, Stakes, keeps_to_stakes, months, risk_class, shortfall, stakes_of
from protocol.deal.final import check_better
from protocol.deal.negotiation import Bid, parse
from protocol.deal.offer import quotation_of
from protocol.deal.ranking import admit
from protocol.errors import CommandError, Reject
from protocol.params import MEMBERS_MAX, RISK_LOW_MAX, STAKES_MAX
from tests.sim.town import short_template
from tests.sim.world import World
from tests.test_desk import like
from tests.test_evidence import charter
from tests.test_negotiation import ELECTRICITY, REQUEST, quotation
from tests.test_offer import SELLER, offer, request

YEAR = replace(ELECTRICITY, period="MON", periods=12)
TEMPLATE = short_template(least=2)
HOUR = 3_600_000


def body(risk: str = "lowest", stakes: Stakes | None = None, mediators: int = 0) -> dict[str, Any]:
    """As much of a charter as its risk is read from."""
    found: dict[str, Any] = {"risk": risk}
    if stakes is not None:
        found["stakes"] = stakes.to_mapping()
    if mediators:
        found["mediators"] = [bytes([number]) * 32 for number in range(mediators)]
    return found


TERMS = [("DAY", 1, 1), ("DAY", 31, 2), ("WEE", 4, 1), ("WEE", 52, 12), ("MON", 1, 1), ("MON", 60, 60), ("ANN", 2, 24)]
CLASSED = [
    # value, percent, months → class; the border is RISK_LOW_MAX
    (STAKES_MAX, 0, 60, "lowest"),
    (1, 0, 1, "lowest"),
    (1, 1, 1, "low"),
    (60_000, 100, 1, "low"),
    (RISK_LOW_MAX, 100, 1, "low"),
    (RISK_LOW_MAX + 1, 100, 1, "high"),
    (RISK_LOW_MAX // 12, 100, 12, "low"),
    (RISK_LOW_MAX // 12 + 1, 100, 12, "high"),
    (210_000, 10, 60, "high"),
    (STAKES_MAX, 100, 1200, "high"),
]
LACKING = [
    ("nothing said", body(), ""),
    ("more caution than needed", body("low"), ""),
    ("understated", body("lowest", Stakes(1000, 1)), "charter.risk"),
    ("stated", body("low", Stakes(1000, 1)), ""),
    ("half stated", body("low", Stakes(10**9, 100)), "charter.risk"),
    ("high without a mediator", body("high", Stakes(10**9, 100)), "charter.mediators"),
    ("high with one", body("high", Stakes(10**9, 100), 1), ""),
    ("high by its own choice needs one too", body("high"), "charter.mediators"),
]
PLEDGED = [
    # want, tolerate, price, value → within, over 12 periods
    (0, 0, 10**12, 1, True),
    (10, 0, 10, 1200, True),
    (10, 0, 10, 1199, False),
    (10, 1, 10, 1200, False),
    (10**9, 10**9, 10**12, STAKES_MAX, False),
]


@pytest.mark.parametrize(("period", "periods", "expected"), TERMS)
def test_a_term_in_months(period: str, periods: int, expected: int) -> None:
    """RSK-2: rounded up"""
    assert months(replace(YEAR, period=period, periods=periods)) == expected


@pytest.mark.parametrize(("worth", "percent", "long", "expected"), CLASSED)
def test_the_class_of_stakes(worth: int, percent: int, long: int, expected: str) -> None:
    """RSK-2"""
    assert risk_class(Stakes(worth, percent), replace(YEAR, periods=long)) == expected


@given(st.integers(1, STAKES_MAX), st.integers(0, 100), st.integers(1, 1200), st.integers(0, 2))
def test_more_at_stake_is_never_less_risk(worth: int, percent: int, long: int, which: int) -> None:
    """RSK-2: in value, in prepayment, in term"""
    dearer, earlier, longer = (2 * worth, percent, long), (worth, percent + 1, long), (worth, percent, long + 1)
    more = (dearer, earlier, longer)
    before = risk_class(Stakes(worth, percent), replace(YEAR, periods=long))
    after = risk_class(Stakes(*more[which][:2]), replace(YEAR, periods=more[which][2]))
    assert CLASSES.index(after) >= CLASSES.index(before)


@pytest.mark.parametrize(("charter_body", "names"), [row[1:] for row in LACKING], ids=[row[0] for row in LACKING])
def test_what_a_charter_lacks(charter_body: dict[str, Any], names: str) -> None:
    """RSK-3, RSK-4"""
    assert shortfall(charter_body, YEAR).partition(":")[0] == names


@pytest.mark.parametrize("risk", CLASSES)
def test_no_charter_asks_less_than_its_class(risk: str) -> None:
    """RSK-3: what it admits can add, and take nothing away; the lowest class is free of demands"""
    nothing = {"outcomes": 0, "vouches": 0, "newcomers": MEMBERS_MAX, "elect_newcomers": 1}
    asked = admission(charter(risk=risk, witnesses=4, admits=nothing))
    least = DEMANDS[risk]
    assert (asked.outcomes, asked.vouches) == (least.outcomes, least.vouches)
    assert asked.newcomers == (1 if least.newcomers_bounded else MEMBERS_MAX)
    assert asked.elect_newcomers is not least.newcomers_bounded
    strict = nothing | {"outcomes": 8, "vouches": 8, "newcomers": 0}
    assert admission(charter(risk=risk, witnesses=4, admits=strict)).outcomes == 8


@pytest.mark.parametrize(("want", "tolerate", "price", "worth", "within"), PLEDGED)
def test_a_pledge_within_the_stakes(want: int, tolerate: int, price: int, worth: int, within: bool) -> None:
    """RSK-5"""
    pledge = {"want": want, "tolerate": tolerate, "price_max_minor": price}
    assert keeps_to_stakes(pledge, Stakes(worth), YEAR.periods) is within


def test_prepayment_that_the_members_do_not_pay_is_refused() -> None:
    """RSK-6: with its control"""
    quoted = quotation(prepaid_percent=30)
    assert parse(quoted.to_mapping(), ELECTRICITY) == quoted
    bid = Bid(quoted.supplier, quoted.to_bytes())
    with pytest.raises(Reject, match="RSK-6"):
        admit(bid, replace(REQUEST, prepaid_percent=29))
    assert admit(bid, replace(REQUEST, prepaid_percent=30)).quotation.prepaid_percent == 30


@pytest.mark.parametrize("percent", [0, 101, -1, True, "30"])
def test_a_share_that_is_none(percent: Any) -> None:
    """NEG-1: nothing to be prepaid is not written down"""
    with pytest.raises(Reject, match="NEG-1"):
        parse(quotation().to_mapping() | {"prepaid_percent": percent}, ELECTRICITY)


def test_a_final_quotation_asks_for_no_more_beforehand() -> None:
    """NEG-83"""
    first, more, less = (quotation(prepaid_percent=one) for one in (20, 21, 19))
    with pytest.raises(Reject, match="NEG-83"):
        check_better(first, more, ELECTRICITY)
    check_better(first, less, ELECTRICITY)


def test_a_suppliers_rule_asks_nobody_who_does_not_pay_so() -> None:
    """RSK-6: the supplier is told, and nothing is quoted"""
    with pytest.raises(CommandError, match="RSK-6"):
        quotation_of(offer("leaf", 3), request(), replace(SELLER, prepaid_percent=10))
    paying = replace(request(), prepaid_percent=10)
    assert quotation_of(offer("leaf", 3), paying, replace(SELLER, prepaid_percent=10)).prepaid_percent == 10


def founded(**more: Any) -> tuple[World, bytes]:
    """Ann founds a co-op by hand and invites Ben, whose node knows it."""
    world = World(3, [TEMPLATE])
    world.add("ann")
    world.add("ben", dials=["ann"])
    for name in ("ann", "ben"):
        world.ask(name, like("power", readiness="exploring"))
    world.run(1_000)
    coop = world.ask("ann", ask.FoundCoop("power", "Power", 2, 2, "simulated", 0, **more))["coop"]
    token = world.ask("ann", ask.Invite(coop, world.now + HOUR))["tokens"][0]
    world.ask("ben", ask.JoinCoop(coop, "power", token=token))
    return world, coop


def joined(world: World, coop: bytes) -> bool:
    return any(one["id"] == coop and one["members"] == 2 for one in world.ask("ben", ask.AskCoops()))


def test_stakes_come_from_the_charter_to_the_request_and_show_in_the_class() -> None:
    """RSK-1, RSK-2: the founder says what is at stake, and the class follows"""
    world, coop = founded(stakes={"value_minor": 6_000, "prepaid_percent": 50})
    assert world.run(60_000, lambda: bool(world.ask("ben", ask.AskCoops())))
    told = world.ask("ben", ask.AskCoop(coop))["charter"]
    assert (told["risk"], told["stakes"]) == ("low", {"value_minor": 6_000, "prepaid_percent": 50})


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"stakes": {"value_minor": 6_000, "prepaid_percent": 50}, "risk": "lowest"}, "RSK-4"),
        ({"risk": "high"}, "RSK-4"),
        ({"risk": "none"}, "RSK-2"),
        ({"stakes": {"value_minor": 6_000}}, "RSK-1"),
        ({"stakes": {"value_minor": 0, "prepaid_percent": 0}}, "REC-11"),
        ({"stakes": {"value_minor": 1, "prepaid_percent": 101}}, "REC-11"),
    ],
)
def test_a_founder_is_told_what_is_lacking(more: dict[str, Any], code: str) -> None:
    """RSK-1, RSK-2, RSK-4: nothing is signed"""
    with pytest.raises(CommandError) as caught:
        founded(**more)
    assert caught.value.code == code


def test_an_understated_charter_is_joined_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """RSK-4: a founder's node without the rule writes one; Ben's says why not, and a control joins"""
    with monkeypatch.context() as switched_off:
        for place in ("protocol.engine.desk", "protocol.engine.coop.membership"):
            switched_off.setattr(f"{place}.shortfall", lambda body, template: "")
        world, coop = founded(stakes={"value_minor": 6_000, "prepaid_percent": 50}, risk="lowest")
        assert world.run(60_000, lambda: bool(accepted(world, "ann")))
    assert not world.run(60_000, lambda: joined(world, coop))
    assert any(one["code"] == "RSK-4" and "before delivery" in one["message"] for one in refusals(world, "ben"))
    with monkeypatch.context() as switched_off:
        for place in ("protocol.engine.desk", "protocol.engine.coop.membership"):
            switched_off.setattr(f"{place}.shortfall", lambda body, template: "")
        world, coop = founded(stakes={"value_minor": 6_000, "prepaid_percent": 50}, risk="lowest")
        assert world.run(60_000, lambda: joined(world, coop))


def accepted(world: World, name: str) -> list[Any]:
    return [one for one in world.nodes[name].records.values() if one.kind == "accept.1"]


def refusals(world: World, name: str) -> list[Any]:
    return [one.detail for one in world.nodes[name].notices if one.topic == "refused"]


def test_the_stakes_of_a_charter_that_says_nothing() -> None:
    """RSK-1"""
    assert stakes_of({}) == Stakes(STAKES_MAX, 0)


def vectors() -> dict[str, Any]:
    """Classes, what charters lack, and pledges within stakes; a template stands as its period and periods."""
    classed = [
        {
            "name": f"{worth} at {percent} % over {long} months",
            "clause": "RSK-2",
            "input": {"value_minor": worth, "prepaid_percent": percent, "period": "MON", "periods": long},
            "output": {"class": expected, "months": long},
        }
        for worth, percent, long, expected in CLASSED
    ]
    terms = [
        {
            "name": f"{periods} {period}",
            "clause": "RSK-2",
            "input": {"value_minor": 100, "prepaid_percent": 0, "period": period, "periods": periods},
            "output": {"class": "lowest", "months": expected},
        }
        for period, periods, expected in TERMS
    ]
    lacking = [
        {"name": name, "clause": "RSK-4", "input": {"charter": plain(found), "period": "MON", "periods": 12}}
        | ({"reject": "RSK-4"} if names else {"output": {"class": found["risk"]}})
        for name, found, names in LACKING
    ]
    pledged = [
        {
            "name": f"{want} and {tolerate} at {price} of {worth}",
            "clause": "RSK-5",
            "input": {"want": want, "tolerate": tolerate, "price_max_minor": price}
            | {"value_minor": worth, "periods": 12},
            "output": {"counts": within},
        }
        for want, tolerate, price, worth, within in PLEDGED
    ]
    return {"name": "risk", "spec": "21-risk", "cases": [*classed, *terms, *lacking, *pledged]}


def plain(found: dict[str, Any]) -> dict[str, Any]:
    return found | ({"mediators": [one.hex() for one in found["mediators"]]} if "mediators" in found else {})
