"""What is charged besides the price, through a whole deal: ranked, awarded, agreed and proven all in (TPL-12)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from protocol.deal.bundle import make, verify
from protocol.deal.negotiation import Quotation, parse, read
from protocol.identity import Persona
from tests.deals import NETWORK, TEMPLATE, Handmade, persona


class Charging(Handmade):
    """The first supplier, the cheaper one by ten a unit and period, charges so much once for a delivery."""

    def __init__(self, charge_minor: int) -> None:
        self.charge_minor = charge_minor
        super().__init__(suppliers=3)

    def _quotation(self, who: Persona, price_minor: int, terms: tuple[str, ...]) -> bytes:
        found = read(super()._quotation(who, price_minor, terms), TEMPLATE)
        if who is self.suppliers[0] and self.charge_minor:
            found = replace(found, charges={"delivery": self.charge_minor})
        return found.to_bytes()


@cache
def made(charge_minor: int) -> Handmade:
    """Three members who want 3 each for twelve months at 1,000 at most; the second supplier of three asks 910."""
    return Charging(charge_minor)


@pytest.mark.parametrize(
    ("charge", "winner", "price"),
    [
        (0, "s0", 900),
        (359, "s0", 900),  # 3 units · 12 months · 10 are 360: still the cheaper one
        (361, "s1", 910),
        (3_601, "s1", 910),  # 3 · 12 · (1,000 − 900): nobody would be served at all
    ],
)
def test_the_cheaper_offer_all_in_is_awarded(charge: int, winner: str, price: int) -> None:
    """NEG-12, NEG-28, NEG-50."""
    deal = made(charge).deal()
    assert deal.award is not None
    (part,) = deal.award.parts
    assert (part.supplier, part.unit_price_minor) == (persona(winner).key, price)
    assert part.besides.charge_minor == (charge if winner == "s0" else 0)
    assert part.besides.periods == TEMPLATE.periods
    refused = dict(deal.award.refused)
    assert refused.get(persona("s0").key) == ("NEG-27" if charge > 3_600 else None)


def test_the_agreement_holds_the_charge_against_each_limit() -> None:
    """NEG-12, NEG-53: whoever is served pays no more, all in, than the highest price comes to."""
    deal = made(359).deal()
    (agreement,) = deal.agreements
    for _, quantity in agreement.allocation.shares:
        paid = agreement.allocation.unit_price_minor * quantity * 12 + agreement.part.besides.charge_minor
        assert paid <= 1_000 * quantity * 12


def test_a_deal_with_a_charge_is_proven() -> None:
    """BUN-4, NEG-50."""
    one = made(359)
    proof = verify(make(NETWORK, TEMPLATE, one.records, one.room))
    assert proof.ranking.ranked[0].besides.charge_minor == 359


def test_a_charge_that_is_nothing_need_not_be_said() -> None:
    """TPL-12: left out and 0 are the same to everybody but the hash."""
    quotation: Quotation = read(made(0)._quotation(persona("s0"), 900, ()), TEMPLATE)
    named = parse(replace(quotation, charges={"delivery": 0}).to_mapping(), TEMPLATE)
    assert TEMPLATE.charge(named.charges) == TEMPLATE.charge(quotation.charges) == 0
