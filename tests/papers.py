"""Deals to make paper of: a plain one, one with charges and hostile names, one in two parts, one that went on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from node import paper
from node.paper.facts import Facts, facts_of
from protocol.deal.bundle import verify
from protocol.deal.holding import Step
from protocol.deal.negotiation import read
from protocol.identity import Persona
from tests.deals import TEMPLATE, Handmade
from tests.test_aftermath import Lived
from tests.test_bundle import council_of_four, forged
from tests.test_lots import dealt

FORMULA = '=HYPERLINK("http://x.example","pay")'
HOSTILE = {"name": FORMULA, "contact": "<script>x</script>\uffff\u202e &\n]]>", "country": "GB", "register": "-1+1"}


class Hostile(Handmade):
    """Each supplier takes 5.00 once, and says of itself what would run where it is not escaped."""

    def _quotation(self, who: Persona, price_minor: int, terms: tuple[str, ...]) -> bytes:
        plain = read(super()._quotation(who, price_minor, terms), TEMPLATE)
        more = {"charges": {"delivery": 500}, "trader": HOSTILE, "reference": "@SUM(A1)"}
        return replace(plain, **more).to_bytes()  # type: ignore[arg-type]


class Paid(Lived):
    """The one who got half has paid for it, and the supplier says so; another says so alone."""

    def _deal(self) -> None:
        super()._deal()
        ann, ben, _ = self.members
        self.report(ann, "pay", ann, 18)
        self.report(self.suppliers[0], "pay", ann, 17)
        self.report(ben, "pay", ben, 36)


DEALS: Mapping[str, Callable[[], Handmade]] = {
    "plain": council_of_four,
    "hostile": Hostile,
    "in parts": lambda: dealt(lambda keys: [[keys[0], 9], [keys[1], 6]]),
    "went on": Paid,
}


@cache
def bundle(name: str) -> bytes:
    """The bundle of one of DEALS."""
    return forged(DEALS[name]())


@cache
def facts(name: str) -> Facts:
    """What is said of it."""
    steps: list[Step] = []
    return facts_of(verify(bundle(name), steps.append), steps)


@cache
def papers(name: str, form: str) -> Mapping[str, bytes]:
    """Its files in one of the formats."""
    return paper.export(bundle(name), form)
