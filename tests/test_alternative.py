"""A supplier that does not accept the members' data terms, and the one alternative that it may offer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol import commands as ask
from protocol.deal.negotiation import Bid, parse, read
from protocol.deal.ranking import rank
from protocol.engine.deal.shop import change
from protocol.errors import CommandError, Reject
from protocol.events import RecordReceived
from protocol.identity import Persona
from protocol.trust.consent import rel_hash
from tests.deals import TEMPLATE, Handmade, persona
from tests.known_terms import ALONE
from tests.stages import Desk, at, until
from tests.test_details import HOME, M0, SELLER
from tests.test_negotiation import BOX, DEMANDS, ELECTRICITY, LIMITS, REQUEST, quotation, supplier

OTHERS: dict[str, Any] = {"terms": ("no-sharing",), "instead": "alone"}


class Choosy(Handmade):
    """Every supplier accepts nothing, and offers one alternative: "" for none."""

    instead = "alone"

    def _quotation(self, who: Persona, price_minor: int, terms: tuple[str, ...]) -> bytes:
        quoted = read(super()._quotation(who, price_minor, ()), TEMPLATE)
        return replace(quoted, instead=self.instead).to_bytes()


def taking(**more: Any) -> Any:
    return lambda said: said | (more if said["answer"] == "commit" else {})


MADE = Choosy({"commitment.1": taking(terms="alone")})
DEAL = bytes.fromhex(MADE.deal_scope.removeprefix("deal/"))


def refused(side: Desk, command: Any) -> CommandError:
    with pytest.raises(CommandError) as error:
        side.ask(command)
    return error.value


def test_an_alternative_counts_where_nobody_accepts() -> None:
    """CNS-7, CNS-8, NEG-23: ranked alone, refused beside an offer that accepts, whatever it costs."""

    def ranking(*bids: Any) -> Any:
        return rank(REQUEST, LIMITS, [Bid(one.supplier, one.to_bytes()) for one in bids], DEMANDS, BOX)

    other, dear = quotation(1, **OTHERS), quotation(0, ladder=((1, 230),))
    alone = ranking(other)
    assert [row.quotation for row in alone.ranked] == [other]
    beside = ranking(other, dear)
    assert [row.quotation.supplier for row in beside.ranked] == [supplier(0)]
    assert [(row.supplier, row.code) for row in beside.refused] == [(supplier(1), "NEG-23")]
    assert [one.quotation.supplier for one in beside.offers] == [supplier(0)]
    assert "another offer accepts them" in beside.explain(ELECTRICITY)[1]
    assert ranking(dear, other) == beside
    # One that accepts and is refused for something else keeps nobody out.
    late = quotation(0, valid_until=1_999)
    assert [row.quotation for row in ranking(other, late).ranked] == [other]
    without = ranking(quotation(1, terms=("no-sharing",)))
    assert [row.code for row in without.refused] == ["NEG-23"]


@pytest.mark.parametrize("instead", ["", "x" * 65, "Alone", 1, ["alone"]], ids=str)
def test_what_is_no_alternative(instead: Any) -> None:
    """NEG-1, CNS-7: one id, or the field is absent."""
    with pytest.raises(Reject) as error:
        parse(quotation().to_mapping() | {"instead": instead}, ELECTRICITY)
    assert error.value.code == "NEG-1"
    assert "instead" not in quotation().to_mapping()
    assert parse(quotation(**OTHERS).to_mapping(), ELECTRICITY).instead == "alone"


def test_a_member_takes_it_by_name_or_signs_nothing() -> None:
    """CNS-6, CNS-9: the text is shown; nothing is taken that was not said."""
    desk = at(MADE, "awarded", M0)
    (need,) = [one for one in desk.ask(ask.AskNeeds()) if one["kind"] == "commit"]
    assert (need["terms"], ALONE.words in need["says"]) == ("alone", True)
    for said in ("", "basic", "alone-1"):
        error = refused(desk, ask.Commit(DEAL, said))
        assert error.code == ("CNS-3" if said == "alone-1" else "CNS-9")
    assert not desk.said("commitment-marker.1")
    desk.ask(ask.Commit(DEAL, "alone"))
    (own,) = [one for one in desk.said("commitment.1") if one.author == M0.key]
    assert own.body["terms"] == "alone"


def test_who_offers_no_alternative_serves_nobody_who_asks() -> None:
    """CNS-6, CNS-9: no offer, no award; and where the terms are accepted there is nothing to take."""

    class Refusing(Choosy):
        instead = ""

    with pytest.raises(LookupError):
        until(Refusing(), "awarded")
    plain = Handmade()
    deal = bytes.fromhex(plain.deal_scope.removeprefix("deal/"))
    desk = at(plain, "awarded", M0)
    assert refused(desk, ask.Commit(deal, "alone")).code == "CNS-9"
    assert "terms" not in desk.ask(ask.AskNeeds())[0]
    desk.ask(ask.Commit(deal))
    (own,) = [one for one in desk.said("commitment.1") if one.author == M0.key]
    assert "terms" not in own.body


def selling(made: Handmade) -> Desk:
    """The supplier that was awarded and signed, and remembers what it quoted."""
    known = [one for one in until(made, "countersigned") if one.scope == made.deal_scope]
    found = Desk(SELLER, known, now=known[-1].header.created + 1_000)
    change(found.engine._core, made.deal_scope, "agreed", quotation=made.quoted[SELLER.key].quote, until=1)
    found.tick()
    return found


def test_details_flow_by_what_was_taken() -> None:
    """CNS-14, CNS-15: the half names the alternative, and what it does not name stays at home."""
    supplier = selling(MADE)
    (half,) = supplier.said("rel.1")
    assert (half.body["terms"], half.body["purposes"], half.body["fields"]) == (
        ["alone"],
        ["delivery"],
        ["address", "name"],
    )
    member = Desk(M0, supplier.records.values(), now=supplier.now + 1)
    member.tick()
    member.ask(HOME)
    member.ask(ask.SendDetails(DEAL))
    assert {rel_hash(one.body) for one in member.said("rel.1")} == {rel_hash(half.body)}
    for one in member.records.values():
        if one.author == M0.key and one.id not in supplier.records:
            supplier.do(RecordReceived(one, ""))
    supplier.tick()
    told = supplier.ask(ask.AskOrder(DEAL))["lines"]
    assert next(one["details"] for one in told if one["member"] == M0.key) == {
        "name": "Ada Lovelace",
        "address": HOME.address,
        "contact": "",
        "notes": "",
    }


@pytest.mark.parametrize("lie", ["basic", "no-such", "x" * 64])
def test_nobody_takes_what_was_not_offered(lie: str) -> None:
    """CNS-15: a commitment that names other terms leads to no half, at the supplier's node and so at the member's."""
    supplier = selling(Choosy({"commitment.1": taking(terms=lie)}))
    assert supplier.said("intake.1")
    assert not supplier.said("rel.1")


def test_an_alternative_is_one_whose_text_is_held() -> None:
    """CNS-3, CNS-7: for a supplier too."""
    desk = Desk(persona("grocer"))
    price = ask.SetPrices("tea", "any", "Grocer", (), ("basic",), {"contact": "shop@example.net"})
    assert refused(desk, replace(price, instead=("secret",))).code == "CNS-3"
    assert refused(desk, replace(price, instead=("alone", "basic"))).code == "CNS-7"
    desk.ask(replace(price, instead=("alone",)))
    assert desk.ask(ask.AskSupply())["boards"][0]["instead"] == "alone"

