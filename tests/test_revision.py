"""What a request asks of suppliers: the rule that the members' intents make, what a negotiator may choose in it, and
what suggestions and adoptions change (08-negotiation NEG-70 to NEG-79)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.coop.coop import Coop
from protocol.coop.template import Template
from protocol.deal.bundle import make, verify
from protocol.deal.holding import Step
from protocol.deal.life import Deal
from protocol.deal.negotiation import OPERATORS, Quotation, Requirement, read
from protocol.deal.request import specification_fits
from protocol.deal.revision import parse_revision, revision_value, voices
from protocol.deal.specification import (
    Specification,
    bounds,
    check_specification,
    common,
    own_requirements,
    requirements_of,
    specification_of,
)
from protocol.encoding import decode, digest, encode
from protocol.errors import CommandError, Reject
from protocol.identity import Persona
from protocol.params import BOX_IDS_MAX
from protocol.record.record import Record
from tests.deals import TEMPLATE, Handmade
from tests.stages import Desk, at, until
from tests.test_coop import plain, with_

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "revision.json"
WINDOWS = {"suggest_ms": 60_000}
MADE = Handmade(members=5, witnesses=4, suppliers=2)
ORGANIC, MAY_BE = Requirement("organic", "at-least", 1), Requirement("organic", "at-least", 0)
TALKED = Handmade(members=5, witnesses=4, suppliers=2, windows=WINDOWS)
_ATTRIBUTES = {"acid": ("at-least", 5), "aroma": ("at-most", 60)}


def rich() -> Template:
    """Tea with more to compare."""
    organic = next(one for one in TEMPLATE.attributes if one.name == "organic")
    more = [replace(organic, name=name, label=name, most=100) for name in ("acid", "aroma")]
    return replace(TEMPLATE, attributes=(*more, *TEMPLATE.attributes))


RICH = rich()


def saying(coop: Coop, intents: Sequence[dict[str, Any]]) -> Coop:
    """The same co-op, had its members said this in their intents."""
    members = [
        replace(member, intent=member.intent._replace(body={**member.intent.body, **said}))
        for member, said in zip(coop.members, intents, strict=True)
    ]
    return replace(coop, members=tuple(members))


def demands(*rows: tuple[str, str, int]) -> dict[str, Any]:
    return {"requirements": [{"attribute": name, "operator": sign, "value": value} for name, sign, value in rows]}


def five(*said: dict[str, Any]) -> Coop:
    """A co-op of five whose first members said this, the others nothing more than a plain intent."""
    return saying(MADE.coop(), [*said, *[{} for _ in range(5 - len(said))]])


# What the members' intents make of a request


MEANT: list[tuple[str, str, list[dict[str, Any]], dict[str, Any]]] = [
    ("plain intents weigh as the template's priors", "NEG-70", [], {"weights_minor": {"organic": -20}}),
    ("levels move them", "NEG-70", [{"levels": {"organic": 1}}] * 5, {"weights_minor": {"organic": -60}}),
    ("one level of five", "NEG-70", [{"levels": {"organic": 1}}], {"weights_minor": {"organic": -28}}),
    ("levels can turn them", "NEG-70", [{"levels": {"organic": -1}}] * 5, {"weights_minor": {"organic": 20}}),
    ("what one demands is not asked of all", "NEG-71", [demands(("organic", "at-least", 1))], {"requirements": []}),
    (
        "what all demand is asked, as loosely as the least of them",
        "NEG-71",
        [demands(("organic", "at-least", value)) for value in (1, 0, 1, 1, 1)],
        {"requirements": [{"attribute": "organic", "operator": "at-least", "value": 0}]},
    ),
    (
        "both bounds that meet are one",
        "NEG-71",
        [demands(("organic", "equal", 1))] * 5,
        {"requirements": [{"attribute": "organic", "operator": "equal", "value": 1}]},
    ),
    (
        "of what one says twice the tighter counts",
        "NEG-71",
        [demands(("organic", "at-least", 0), ("organic", "at-least", 1))] * 5,
        {"requirements": [{"attribute": "organic", "operator": "at-least", "value": 1}]},
    ),
    (
        "what quotations do not state is not asked",
        "NEG-71",
        [demands(("price", "at-most", 9), ("colour", "equal", 1))] * 5,
        {"requirements": []},
    ),
    ("all data terms", "NEG-72", [{"terms": ["no-sharing"]}], {"terms": ["basic", "no-sharing"]}),
]


@pytest.mark.parametrize(("_", "clause", "said", "meant"), MEANT, ids=[row[0] for row in MEANT])
def test_what_intents_mean(_: str, clause: str, said: list[dict[str, Any]], meant: dict[str, Any]) -> None:
    """NEG-70, NEG-71, NEG-72"""
    found = spelled(specification_of(five(*said), TEMPLATE))
    assert {name: found[name] for name in meant} == meant


def spelled(asked: Specification) -> dict[str, Any]:
    requirements = [asdict(one) for one in asked.requirements]
    return {"weights_minor": dict(asked.weights_minor), "requirements": requirements, "terms": list(asked.terms)}


PLAIN = Specification({"organic": -20}, (), ("basic",))
HALF = [demands(("organic", "at-least", 1))] * 3
CHECKED: list[tuple[str, str, list[dict[str, Any]], Specification]] = [
    ("as meant", "", [], PLAIN),
    ("stressed", "", [], replace(PLAIN, weights_minor={"organic": -40})),
    ("played down", "", [], replace(PLAIN, weights_minor={"organic": -1})),
    ("left out", "", [], replace(PLAIN, weights_minor={})),
    ("what three of five demand", "", HALF, replace(PLAIN, requirements=(ORGANIC,))),
    ("stressed too much", "NEG-70", [], replace(PLAIN, weights_minor={"organic": -41})),
    ("turned", "NEG-70", [], replace(PLAIN, weights_minor={"organic": 1})),
    ("weighed for nothing", "NEG-70", [], replace(PLAIN, weights_minor={"organic": 0})),
    ("a friend's speciality", "NEG-70", [], replace(PLAIN, weights_minor={"organic": -20, "gift-box": -1})),
    ("what two of five demand", "NEG-71", HALF[:2], replace(PLAIN, requirements=(ORGANIC,))),
    ("what nobody demands", "NEG-71", [], replace(PLAIN, requirements=(Requirement("gift-box", "equal", 1),))),
    ("tighter than three of five", "NEG-71", HALF, replace(PLAIN, requirements=(Requirement("organic", "equal", 1),))),
    ("without what all demand", "NEG-71", HALF[:1] * 5, PLAIN),
    ("looser than what all demand", "NEG-71", HALF[:1] * 5, replace(PLAIN, requirements=(MAY_BE,))),
    ("a term that nobody asks for", "NEG-72", [], replace(PLAIN, terms=("basic", "only-my-friend"))),
    ("without a term", "NEG-72", [], replace(PLAIN, terms=())),
]


@pytest.mark.parametrize(("_", "code", "said", "asked"), CHECKED, ids=[row[0] for row in CHECKED])
def test_what_a_negotiator_may_choose(_: str, code: str, said: list[dict[str, Any]], asked: Specification) -> None:
    """NEG-70, NEG-71, NEG-72: the first five are the control."""
    assert _code(asked, five(*said)) == code


def _code(asked: Specification, coop: Coop) -> str:
    try:
        check_specification(asked, coop, TEMPLATE)
    except Reject as error:
        return error.code
    return ""


def test_only_who_pledged_is_heard() -> None:
    """NEG-70 to NEG-72: who takes nothing sets no terms for the others."""
    coop = five(demands(("organic", "at-least", 1)) | {"terms": ["no-sharing"], "levels": {"organic": -1}})
    first = coop.members[0].key
    idle = [replace(one, want=0, tolerate=0, least=0) if one.member == first else one for one in coop.demands]
    assert specification_of(replace(coop, demands=tuple(idle)), TEMPLATE) == PLAIN
    assert specification_of(coop, TEMPLATE) != PLAIN


_VALUES = st.integers(0, 100)
_ROWS = st.lists(
    st.tuples(st.sampled_from(["acid", "aroma", "organic"]), st.sampled_from(list(OPERATORS)), _VALUES), max_size=4
)


@given(st.lists(_ROWS, min_size=5, max_size=5), _VALUES, _VALUES)
def test_nobody_is_kept_from_an_offer_that_they_would_take(
    said: list[list[tuple[str, str, int]]], acid: int, aroma: int
) -> None:
    """NEG-71: what breaks the common bounds breaks the own bounds of every member; and they are their own meaning."""
    coop = saying(MADE.coop(), [demands(*rows) for rows in said])
    values = {"acid": acid, "aroma": aroma, "organic": 1}
    shared = common(coop, RICH)
    if not all(one.met_by(values[one.attribute]) for one in shared):
        for own in own_requirements(coop, RICH).values():
            assert not all(one.met_by(values[one.attribute]) for one in own)
    assert requirements_of(bounds(shared)) == shared
    check_specification(specification_of(coop, RICH), coop, RICH)


def test_a_request_that_breaks_the_rule_is_not_vouched_for() -> None:
    """NEG-70, ELE-33: a witness gives no receipt for it, and without one the next in line is asked."""
    for twist, fits in ((with_(weights_minor={"organic": -20}), True), (with_(weights_minor={"organic": -50}), False)):
        made = Handmade({"rfq.1": twist}, members=5, witnesses=4, suppliers=2)
        assert specification_fits(made.coop(), TEMPLATE, made.rfq) is fits
        said = _before_receipts(made)
        desk = Desk(made.witnesses[0], said, now=said[-1].header.created + 1)
        desk.tick()
        desk.tick(10_000)
        mention = next(one for one in said if one.kind == "deal.1")
        read = desk.engine._core.contexts[made.scope].log.of_kind("receipt.1")  # said sealed, in the co-op's room
        given_ = [one for one in read if mention.id in one.body["ids"]]
        assert bool(given_) is fits
        proof_refuses(made, "" if fits else "NEG-70")


def _before_receipts(made: Handmade) -> list[Record]:
    """What had been said when the negotiator mentioned the request."""
    at_ = next(place for place, one in enumerate(made.records) if one.kind == "deal.1")
    return made.records[: at_ + 1]


def proof_refuses(made: Handmade, code: str) -> list[Step]:
    """The steps of a bundle's proof; it fails with this code where one is given."""
    told: list[Step] = []
    if code:
        with pytest.raises(Reject) as caught:
            make(TEMPLATE_NETWORK, TEMPLATE, made.records, made.room)
        assert caught.value.code == code
    else:
        verify(make(TEMPLATE_NETWORK, TEMPLATE, made.records, made.room), told.append)
    return told


TEMPLATE_NETWORK = MADE.rfq.header.network


# A member's own requirement


class Plainer(Handmade):
    """The cheapest tea is not organic, and the second is."""

    def _quotation(self, who: Persona, price_minor: int, terms: tuple[str, ...]) -> bytes:
        quotation: Quotation = read(super()._quotation(who, price_minor, terms), TEMPLATE)
        if who is not self.suppliers[0]:
            return quotation.to_bytes()
        return replace(quotation, attributes={"organic": 0}, ladder=((1, 500),)).to_bytes()


def particular(first: int) -> Callable[[Any], Any]:
    """Of the intents that are signed one after another, the first so many demand organic tea."""
    number = count()
    return lambda body: body | (demands(("organic", "at-least", 1)) if next(number) < first else {})


def test_who_demands_more_is_not_served_by_less() -> None:
    """NEG-73: the cheap offer is none to the two who demand organic tea; they have no lot and count as unserved."""
    made = Plainer({"intent.1": particular(2)}, members=5, witnesses=4, suppliers=3)
    deal = made.deal()
    assert deal.award is not None
    served = {member for part in deal.award.parts for member, _ in part.lots}
    picky = {one.key for one in made.members[:2]}
    assert served == {one.key for one in made.members} - picky
    plain_ = Plainer(members=5, witnesses=4, suppliers=3).deal()
    assert plain_.award is not None
    assert {member for part in plain_.award.parts for member, _ in part.lots} == {one.key for one in made.members}


def test_what_all_demand_is_met_by_the_dearer_offer() -> None:
    """NEG-22, NEG-71: a requirement in the request refuses the cheap one for all."""
    twists = {"intent.1": particular(5), "rfq.1": with_(requirements=[asdict(ORGANIC)])}
    deal = Plainer(twists, members=5, witnesses=4, suppliers=3).deal()
    assert deal.award is not None
    assert (Plainer().suppliers[0].key, "NEG-22") in deal.award.refused


def test_a_requirement_that_nobody_could_check_is_not_written() -> None:
    """TPL-16, NEG-71: a limit on the price is the pledge's; written as a requirement it would bind nobody, silently."""
    desk = Desk(MADE.members[0])
    for name, code in (("price", "TPL-16"), ("colour", "TPL-16"), ("organic", "")):
        must: dict[str, str | int] = {"attribute": name, "operator": "at-least", "value": 1}
        command = ask.AddIntent("tea", "tea", "any", 3, 1, 3_000, "ready", desk.now + 1, ("basic",), (must,))
        if code:
            assert _refusal(desk, command) == code
        else:
            desk.ask(command)
    assert [one.body["requirements"] for one in desk.said("intent.1")] == [[asdict(ORGANIC)]]


# Suggestions, adoptions, the revision


def suggestion(number: int, **changes: Any) -> Record:
    body = {"rfq": bytes(32), "weights_minor": {}, "requirements": [], "drops": [], "terms": [], "reason": ""}
    record = next(one for one in TALKED.records if one.kind == "suggestion.1")
    return record._replace(body=body | changes, id=digest("test", f"suggestion {number}".encode()))


def adopted_by(coop: Coop, rows: Sequence[Sequence[Record]]) -> Coop:
    """The co-op with one adoption for each row of suggestions."""
    record = next(one for one in TALKED.records if one.kind == "adoption.1")
    said = [record._replace(body={"deal": bytes(16), "suggestions": sorted(one.id for one in row)}) for row in rows]
    return replace(coop, adoptions=tuple(said))


STRICT = suggestion(0, requirements=[asdict(ORGANIC)])
LAX = suggestion(1, requirements=[asdict(MAY_BE)])
HEAVY = suggestion(2, weights_minor={"organic": -500})
NO_MATTER = suggestion(3, weights_minor={"organic": 0})
TERMS = suggestion(4, terms=["no-sharing"])
STRANGE = suggestion(5, weights_minor={"gift-box": -500})
ALL = [STRICT, LAX, HEAVY, NO_MATTER, TERMS, STRANGE]
BOTH = suggestion(6, requirements=[asdict(ORGANIC)], weights_minor={"organic": -21})
MANY = suggestion(7, terms=[f"t{number}" for number in range(8)])
EXACTLY = suggestion(8, requirements=[{"attribute": "organic", "operator": "equal", "value": 1}])
BETWEEN = suggestion(
    10, requirements=[{"attribute": "organic", "operator": side, "value": 1} for side in ("at-most", "at-least")]
)
DROP = suggestion(11, drops=["organic"])
EVERY = [*ALL, BOTH, MANY, EXACTLY, BETWEEN, DROP]
REVISIONS: list[tuple[str, list[list[Record]], dict[str, Any], list[Record]]] = [
    ("nobody adopts", [], {}, []),
    ("all silent but one of five", [[STRICT]], {}, []),
    ("two of two, two of five", [[STRICT], [STRICT]], {"requirements": [asdict(ORGANIC)]}, [STRICT]),
    ("half is not more than half", [[STRICT], [STRICT], [], []], {}, []),
    ("three of five", [[STRICT], [STRICT], [STRICT], [], []], {"requirements": [asdict(ORGANIC)]}, [STRICT]),
    ("a weight", [[HEAVY]] * 3, {"weights_minor": {"organic": -500}}, [HEAVY]),
    ("a weight that goes", [[NO_MATTER]] * 3, {"weights_minor": {}}, [NO_MATTER]),
    ("terms come on top", [[TERMS]] * 3, {"terms": ["basic", "no-sharing"]}, [TERMS]),
    ("more terms than a request holds", [[MANY, STRICT]] * 3, {"requirements": [asdict(ORGANIC)]}, [STRICT]),
    ("what quotations do not state", [[STRANGE, TERMS]] * 3, {"terms": ["basic", "no-sharing"]}, [TERMS]),
    (
        "of two that contradict the one with more voices",
        [[STRICT, LAX], [STRICT, LAX], [STRICT, LAX], [LAX], []],
        {"requirements": [asdict(MAY_BE)]},
        [LAX],
    ),
    (
        "of two with as many voices the one of least id",
        [[STRICT, LAX]] * 3,
        {"requirements": [asdict(min((STRICT, ORGANIC), (LAX, MAY_BE), key=lambda pair: pair[0].id)[1])]},
        [min(STRICT, LAX, key=lambda one: one.id)],
    ),
    (
        "a suggestion that contradicts in one point is passed over as a whole",
        [[HEAVY, BOTH], [HEAVY, BOTH], [HEAVY, BOTH], [HEAVY]],
        {"weights_minor": {"organic": -500}, "requirements": []},
        [HEAVY],
    ),
    (
        "the same in other words is no contradiction",
        [[EXACTLY, BETWEEN]] * 3,
        {"requirements": [{"attribute": "organic", "operator": "equal", "value": 1}]},
        [EXACTLY, BETWEEN],
    ),
    ("nothing to drop", [[DROP]] * 3, {}, [DROP]),
]


def revised(rows: list[list[Record]], said: Sequence[dict[str, Any]] = ()) -> tuple[Deal, bytes]:
    """The deal whose suggestions these are, and the value of its revision."""
    coop = adopted_by(five(*said), rows)
    deal = replace(MADE.deal(), suggestions=tuple(sorted(EVERY, key=lambda one: one.id)))
    value = revision_value(deal, coop, TEMPLATE)
    assert value is not None
    return deal, value


@pytest.mark.parametrize(("_", "rows", "changes", "taken"), REVISIONS, ids=[row[0] for row in REVISIONS])
def test_revisions(_: str, rows: list[list[Record]], changes: dict[str, Any], taken: list[Record]) -> None:
    """NEG-78, NEG-79"""
    deal, value = revised(rows)
    found = parse_revision(value, deal.rfq.id)
    assert found is not None
    assert spelled(found.asked) == spelled(PLAIN) | changes
    assert list(found.adopted) == sorted(one.id for one in taken)
    assert found.hash == digest("revision", value)


def test_what_all_demand_stays() -> None:
    """NEG-78: members who are asleep do not lose what every one of them demanded."""
    drop = suggestion(9, drops=["organic"])
    coop = adopted_by(five(*HALF[:1] * 5), [[drop]] * 5)
    deal = replace(MADE.deal(), suggestions=(drop,), asked=replace(PLAIN, requirements=(ORGANIC,)))
    value = revision_value(deal, coop, TEMPLATE)
    assert decode(value or b"")["requirements"] == [asdict(ORGANIC)]
    loose = revision_value(deal, adopted_by(five(*HALF), [[drop]] * 5), TEMPLATE)
    assert decode(loose or b"")["requirements"] == []


@given(st.lists(st.lists(st.sampled_from(EVERY), max_size=4, unique_by=lambda one: one.id), max_size=5), st.randoms())
def test_the_order_of_voices_changes_nothing(rows: list[list[Record]], rng: Any) -> None:
    """NEG-78"""
    first = revised(rows)[1]
    rng.shuffle(rows)
    assert revised([rng.sample(row, len(row)) for row in rows])[1] == first


def test_a_crowd_of_suggestions() -> None:
    """NEG-78, DEC-12: a box full of them; of what 500 members can name, no more than a few hundred are ever applied."""
    crowd = [suggestion(number, weights_minor={"organic": -number - 1}) for number in range(BOX_IDS_MAX)]
    rows = [sorted(crowd, key=lambda one: one.id)[:64]] * 500
    coop = adopted_by(five(), rows)
    deal = replace(MADE.deal(), suggestions=tuple(crowd))
    body = decode(revision_value(deal, coop, TEMPLATE) or b"")
    assert len(body["adopted"]) == 1


REVISION = decode(revised([[STRICT]] * 3)[1])
BAD: list[tuple[str, bytes]] = [
    ("of another request", encode(REVISION | {"rfq": bytes(32)})),
    ("a field more", encode(REVISION | {"note": 1})),
    ("without terms", encode({name: one for name, one in REVISION.items() if name != "terms"})),
    ("an operator of its own", encode(REVISION | {"requirements": [asdict(ORGANIC) | {"operator": "about"}]})),
    ("a weight that is a text", encode(REVISION | {"weights_minor": {"organic": "much"}})),
    ("17 weights", encode(REVISION | {"weights_minor": {f"a{number:02}": 1 for number in range(17)}})),
    ("terms out of order", encode(REVISION | {"terms": ["b", "a"]})),
    ("an array", encode(list(REVISION.values()))),
    ("cut short", encode(REVISION)[:-1]),
    ("nothing", b""),
]


@pytest.mark.parametrize(("_", "value"), BAD, ids=[row[0] for row in BAD])
def test_what_is_no_revision_changes_nothing(_: str, value: bytes) -> None:
    """NEG-79: whatever a quorum certified, the deal goes on under the request as it was."""
    assert parse_revision(value, MADE.rfq.id) is None
    made = Handmade({"revision": lambda good: value or b"\0"}, windows=WINDOWS)
    deal = made.deal()
    assert deal.state == "countersigned"
    assert (deal.revision, deal.asked, deal.terms_id) == (b"", PLAIN, made.rfq.id)


# The whole way


def test_a_supplier_suggests_and_the_members_adopt() -> None:
    """NEG-76 to NEG-79: the request that is quoted for is the revised one; a bundle proves it."""
    deal = TALKED.deal()
    assert deal.asked == replace(PLAIN, requirements=(ORGANIC,))
    assert deal.terms_id == deal.revision != TALKED.rfq.id
    assert voices(deal, TALKED.coop()) == {deal.suggestions[0].id: 4}
    assert deal.quote_until == deal.quotes_from + deal.times["quote_ms"]
    assert deal.quotes_from == deal.decided[f"revision/{TALKED.rfq.id[:8].hex()}"].when
    steps = [one.name for one in proof_refuses(TALKED, "")]
    assert [one for one in steps if one in ("box of adoptions", "revision")][:2] == ["box of adoptions", "revision"]


def test_the_deal_scope_names_no_member_who_adopts() -> None:
    """NEG-77: suppliers read which suggestions came through, and not by whom."""
    shown = [one for one in TALKED.records if one.scope == TALKED.deal_scope and one.kind in ("suggestion.1", "vote.1")]
    shown += [one for one in TALKED.records if one.scope == TALKED.deal_scope and one.kind == "proposal.1"]
    before = [one for one in shown if one.header.created < TALKED.deal().quotes_from]
    quiet = [one.key for one in TALKED.members if one not in TALKED.witnesses and one is not TALKED.negotiator]
    assert quiet
    assert not [key for key in quiet for one in before if key in one.raw]


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({"revision": lambda value: encode(decode(value) | {"weights_minor": {"organic": -999}})}, "NEG-78"),
        ({"revision": lambda value: encode(decode(value) | {"adopted": []})}, "NEG-78"),
        ({"revision": lambda value: encode(decode(value) | {"requirements": []})}, "NEG-78"),
        ({"rfq.1": with_(terms=["basic", "mine"])}, "NEG-72"),
        ({"rfq.1": with_(requirements=[asdict(ORGANIC)])}, "NEG-71"),
    ],
)
def test_a_lie_about_what_was_asked(lie: dict[str, Callable[[Any], Any]], code: str) -> None:
    """NEG-71, NEG-72, NEG-78: certified or not, no bundle proves it."""
    proof_refuses(Handmade(lie, windows=WINDOWS), code)


# People


def test_a_dialogue() -> None:
    """NEG-76, NEG-77: what m1 may say while suggestions are open, and once they are certified."""
    m1, s0 = TALKED.members[1], TALKED.suppliers[0]
    deal = bytes.fromhex(TALKED.deal_scope.removeprefix("deal/"))
    desk = at(TALKED, "asked", s0)
    assert _refusal(desk, ask.Suggest(deal, "Nothing changes.")) == "NEG-76"
    assert _refusal(desk, ask.Suggest(deal, "", {"Organic!": 1})) == "REC-11"
    assert desk.ask(ask.Suggest(deal, "Mine is organic.", requirements=(asdict(ORGANIC),)))
    assert _refusal(desk, ask.Suggest(deal, "More.", {"organic": -1})) == "REC-14"
    early = at(TALKED, "asked", m1)
    assert _refusal(early, ask.Adopt(deal)) == "NEG-77"
    early.now += 120_001
    assert _refusal(early, ask.Suggest(deal, "Too late.", {"organic": -1})) == "NEG-76"
    member = at(TALKED, "suggested", m1)
    said = member.ask(ask.AskTalk(deal))["suggestions"]
    assert [(one["by"], one["text"]) for one in said] == [(s0.key, "Taste.")]
    assert _refusal(member, ask.Adopt(deal, (bytes(32),))) == "NEG-77"
    assert "adopt" in [one["kind"] for one in member.ask(ask.AskNeeds())]
    assert member.ask(ask.Adopt(deal, (said[0]["id"],)))
    assert "adopt" not in [one["kind"] for one in member.ask(ask.AskNeeds())]
    assert _refusal(member, ask.Adopt(deal)) == "REC-14"
    assert _refusal(at(TALKED, "suggested", s0), ask.Adopt(deal)) == "FRM-27"


def _refusal(desk: Desk, command: Any) -> str:
    with pytest.raises(CommandError) as caught:
        desk.ask(command)
    return caught.value.code


def test_a_supplier_quotes_for_the_revised_request() -> None:
    """NEG-79: not before the revision is certified."""
    row: dict[str, str | int] = {"sku": "leaf", "line": 1, "capacity": 100, "pack": 1, "min_qty": 1}
    row |= {"unit_price_minor": 900, "attribute.organic": 1}
    prices = ask.SetPrices("tea", "any", "Leaf", (row,), ("basic",), {})
    quoted, shop = {}, Desk(Persona.from_seed(bytes(32)))
    shop.ask(prices)
    for state in ("asked", "suggested", "revised"):
        said = until(TALKED, state)
        desk = Desk(shop.who, said, shop.facts | {f"scope/{one.scope}": b"1" for one in said}, said[-1].header.created)
        desk.tick()
        quoted[state] = len([one for one in desk.said("quotation.1") if one.author == desk.who.key])
    assert quoted == {"asked": 0, "suggested": 0, "revised": 1}


def test_a_witness_computes_the_revision_from_both_scopes() -> None:
    """NEG-78, DEC-9: it prevotes what it computes, once it holds the certified adoptions."""
    last = max(place for place, one in enumerate(TALKED.records) if one.kind == "vote.1" and _about(one, "adoptions"))
    said = list(TALKED.records[: last + 1])
    for held, votes in ((said, 1), ([one for one in said if one.kind != "adoption.1"], 0)):
        proposer = TALKED.deal().council.proposer(f"revision/{TALKED.rfq.id[:8].hex()}", 0)
        desk = Desk(next(one for one in TALKED.witnesses if one.key == proposer), held, now=said[-1].header.created + 1)
        desk.tick()
        mine = [one for one in desk.said("proposal.1") if _about(one, "revision") and one.author == proposer]
        assert len(mine) == votes


def _about(record: Record, base: str) -> bool:
    return bool(record.body["question"].startswith(base))


# Vectors


def vectors() -> dict[str, Any]:
    """What intents mean, what a request may ask, revisions and what is none."""
    cases: list[dict[str, Any]] = []
    for name, clause, said, _ in MEANT:
        coop = five(*said)
        given_: dict[str, Any] = {"template": TEMPLATE.to_mapping()}
        given_ |= {"intents": [_intent(one.intent) for one in coop.members]}
        output = plain(spelled(specification_of(coop, TEMPLATE)))
        cases.append({"name": f"meant: {name}", "clause": clause, "input": plain(given_), "output": output})
    for name, code, said, asked in CHECKED:
        coop = five(*said)
        given_ = {"template": TEMPLATE.to_mapping(), "intents": [_intent(one.intent) for one in coop.members]}
        case: dict[str, Any] = {"name": f"request: {name}", "clause": code or "NEG-70"}
        case["input"] = plain(given_ | {"request": spelled(asked)})
        cases.append(case | ({"reject": code} if code else {"output": True}))
    for name, demanded, rows in [
        *((name, (), rows) for name, rows, _changes, _taken in REVISIONS),
        ("what all demand is put in", HALF[:1] * 5, [[LAX]] * 3),
        ("what all demand is not dropped", HALF[:1] * 5, [[DROP]] * 3),
    ]:
        deal, value = revised(rows, demanded)
        given_ = {
            "template": TEMPLATE.to_mapping(),
            "intents": [_intent(one.intent) for one in five(*demanded).members],
            "rfq": deal.rfq.id,
            "members": 5,
            "request": spelled(PLAIN),
            "suggestions": {one.id.hex(): {**one.body, "rfq": deal.rfq.id} for one in deal.suggestions},
            "adoptions": [sorted(one.id for one in row) for row in rows],
        }
        output = plain({"value": value, "hash": digest("revision", value)})
        cases.append({"name": f"revision: {name}", "clause": "NEG-78", "input": plain(given_), "output": output})
    for name, value in BAD:
        given_ = {"rfq": MADE.rfq.id, "value": value}
        cases.append({"name": f"no revision: {name}", "clause": "NEG-79", "input": plain(given_), "output": False})
    return {"name": "revision", "spec": "08-negotiation", "cases": cases}


def _intent(intent: Record) -> dict[str, Any]:
    return {name: intent.body.get(name, []) for name in ("levels", "requirements", "terms")}


def test_vectors() -> None:
    """NEG-70 to NEG-79: the committed cases are those that ran above."""
    assert json.loads(VECTORS.read_text()) == json.loads(json.dumps(vectors()))
