"""A supplier's node looks at the mandate behind every act: who plays false gets no quotation, and the supplier is told
which check failed (08-negotiation NEG-40, NEG-80, NEG-86; 07-election ELE-46 to ELE-48)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocol import commands as ask
from protocol.coop.decision import slot_of, value_hash
from protocol.deal.tender import open_all, ranking_of
from protocol.encoding import decode, encode
from protocol.errors import Ignore
from protocol.events import RecordReceived
from protocol.identity import Persona
from protocol.params import TURNED_AWAY_MAX
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, START_MS, TEMPLATE, Handmade, persona
from tests.stages import Desk

MADE = Handmade(members=5, witnesses=4, suppliers=2)
OTHER = Handmade(members=4, witnesses=4, suppliers=2)
SHOP = persona("shop")
ROW: dict[str, str | int] = {"sku": "leaf", "line": 1, "capacity": 100, "pack": 1, "min_qty": 1}
PRICES = ask.SetPrices("tea", "any", "Leaf", (ROW | {"unit_price_minor": 900, "attribute.organic": 1},), ("basic",), {})


def shop(scope: str = MADE.deal_scope) -> Desk:
    """A supplier that sells on this board and follows the deal, and knows nothing of it yet."""
    desk = Desk(SHOP)
    desk.ask(PRICES)
    facts = desk.facts | {f"scope/{scope}": b"1"}
    return Desk(SHOP, desk.records.values(), facts, MADE.rfq.header.created + 1)


def request(
    change: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    who: Persona = MADE.negotiator,
    scope: str = MADE.deal_scope,
    created: int = MADE.rfq.header.created,
) -> Record:
    body, until = change(dict(MADE.rfq.body)), MADE.rfq.header.expires
    slot = Slot("once", "rfq", 0)
    return Record.sign(who, NETWORK, "rfq.1", scope, body, created=created, expires=until, slot=slot)


def signed_by(people: list[Persona], mandate: bytes, scope: str = MADE.scope) -> list[bytes]:
    """Precommits for a mandate, by whoever is asked for one."""
    name = f"mandate/{decode(mandate)['term']}"
    body = {"question": name, "round": 0, "step": "precommit", "value": value_hash(mandate)}
    slot = Slot("once", slot_of(name, 0, "precommit"), 0)
    until = MADE.rfq.header.expires
    made = [
        Record.sign(one, NETWORK, "vote.1", scope, body, created=START_MS, expires=until, slot=slot) for one in people
    ]
    return [one.raw for one in made]


def mandate(**changes: Any) -> bytes:
    return encode(decode(MADE.rfq.body["mandate"]) | changes)


STRANGERS = [persona(f"x{number}") for number in range(4)]
TERM = mandate(term=2)
FALSE: list[tuple[str, str, Record]] = [
    (
        "the mandate had ended",
        "the mandate had ended",
        request(created=decode(MADE.rfq.body["mandate"])["expires"] + 1),
    ),
    (
        "signed by others than the witnesses",
        "certificate",
        request(lambda body: body | {"certificate": signed_by(STRANGERS, body["mandate"])}),
    ),
    (
        "one signature short of a quorum",
        "certificate",
        request(lambda body: body | {"certificate": body["certificate"][:-1]}),
    ),
    (
        "one signature twice",
        "certificate",
        request(lambda body: body | {"certificate": [*body["certificate"][:-1], body["certificate"][0]]}),
    ),
    (
        "the certificate of another co-op",
        "certificate",
        request(lambda body: body | {"certificate": OTHER.rfq.body["certificate"]}),
    ),
    (
        "signed in another co-op's scope",
        "certificate",
        request(
            lambda body: body | {"certificate": signed_by(MADE.witnesses, body["mandate"], "coop/" + bytes(16).hex())}
        ),
    ),
    ("another term under the old certificate", "certificate", request(lambda body: body | {"mandate": TERM})),
    (
        "looser limits under the old certificate",
        "certificate",
        request(lambda body: body | {"mandate": mandate(limits=bytes(32))}),
    ),
    (
        "witnesses of its own choice",
        "witnesses",
        request(
            lambda body: body
            | {
                "witnesses": sorted(one.key for one in STRANGERS),
                "certificate": signed_by(STRANGERS, body["mandate"]),
            }
        ),
    ),
    ("replayed in another deal", "not in its deal's scope", request(scope="deal/" + bytes(16).hex())),
    ("another's signature under it", "not by the mandate's negotiator", request(who=STRANGERS[0])),
    ("more members than there are", "members", request(lambda body: body | {"members": 500})),
    ("more value than there is", "value", request(lambda body: body | {"pooled_minor": 10**9})),
]


@pytest.mark.parametrize(("_", "why", "forged"), FALSE, ids=[row[0] for row in FALSE])
def test_a_request_that_does_not_hold_gets_no_quotation(_: str, why: str, forged: Record) -> None:
    """NEG-40, NEG-86: it is ignored, and the supplier is told which check failed."""
    desk = shop(forged.scope)
    with pytest.raises(Ignore) as caught:
        desk.do(RecordReceived(forged, ""))
    assert caught.value.code == "NEG-40"
    desk.tick(1_000)
    assert [one for one in desk.said("quotation.1") if one.author == SHOP.key] == []
    (need,) = [one for one in desk.ask(ask.AskNeeds()) if one["kind"] == "refused"]
    assert why in need["says"]
    assert "[NEG-40]" in need["says"]


def test_the_honest_request_gets_one() -> None:
    """NEG-40, NEG-86: the control; also after a false one has been refused in the same scope."""
    desk = shop()
    with pytest.raises(Ignore):
        desk.do(RecordReceived(FALSE[2][2], ""))
    desk.do(RecordReceived(MADE.rfq, ""))
    desk.tick(1_000)
    assert len([one for one in desk.said("quotation.1") if one.author == SHOP.key]) == 1
    assert "refused" not in [one["kind"] for one in desk.ask(ask.AskNeeds())]


def test_who_sells_nothing_there_is_told_nothing() -> None:
    """NEG-86: a member's node drops it without a word."""
    desk = Desk(MADE.members[0], facts={f"scope/{MADE.deal_scope}": b"1"}, now=MADE.rfq.header.created + 1)
    with pytest.raises(Ignore):
        desk.do(RecordReceived(FALSE[1][2], ""))
    assert desk.ask(ask.AskNeeds()) == []


def test_a_flood_of_false_requests_is_forgotten() -> None:
    """NEG-86: the reasons of the last few are remembered, and no more."""
    scopes = [f"deal/{number:032x}" for number in range(TURNED_AWAY_MAX + 5)]
    desk = shop()
    desk = Desk(SHOP, desk.records.values(), desk.facts | {f"scope/{one}": b"1" for one in scopes}, desk.now)
    for scope in scopes:
        with pytest.raises(Ignore):
            desk.do(RecordReceived(request(scope=scope), ""))
    told = [one["deal"].hex() for one in desk.ask(ask.AskNeeds()) if one["kind"] == "refused"]
    assert sorted(told) == [one.removeprefix("deal/") for one in scopes[5:]]


def test_beyond_the_limits_nothing_is_awarded() -> None:
    """NEG-25, NEG-26, ELE-31: whatever a negotiator hinted at, no more than the members pledged is awarded."""
    made = Handmade({"pledge.1": lambda body: body | {"price_max_minor": 899}}, members=5, witnesses=4, suppliers=2)
    ranking = ranking_of(made.deal(), made.coop(), TEMPLATE, open_all(made.deal(), made.room))
    assert ranking is not None
    assert [row.code for row in ranking.refused if row.supplier == made.suppliers[0].key] == ["NEG-26"]
    assert made.deal().award is None
