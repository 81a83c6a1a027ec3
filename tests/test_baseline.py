"""What a member pays today stays at home and stands beside every offer; nobody signs what their own intent rules out
(08-negotiation NEG-33, NEG-73, NEG-88, NEG-89)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol import commands as ask
from protocol.deal.allocation import Besides
from protocol.deal.negotiation import Requirement, read
from protocol.engine.baseline import Baseline
from protocol.errors import CommandError
from protocol.events import Submit
from protocol.identity import Persona
from tests.deals import TEMPLATE, Handmade
from tests.stages import Desk, at
from tests.test_revision import particular

MADE = Handmade(members=5, witnesses=4, suppliers=2)
DEAL = bytes.fromhex(MADE.deal_scope.removeprefix("deal/"))
COOP = MADE.hash[:16]
MEMBER = MADE.members[1]


def with_baseline(state: str, unit_price_minor: int, once_minor: int = 0, who: Persona = MEMBER) -> Desk:
    """A member's node at a moment of the deal, which was told what its member pays today."""
    desk = at(MADE, state, who)
    facts = desk.facts | {"intent/tea": b"board/tea/any"}
    desk = Desk(who, desk.records.values(), facts, desk.now)
    desk.tick()
    if unit_price_minor:
        desk.ask(ask.SetBaseline("tea", unit_price_minor, once_minor))
    return desk


def offered(desk: Desk) -> str:
    (need,) = [one for one in desk.ask(ask.AskNeeds()) if one["kind"] == "commit"]
    return str(need["says"])


def test_the_offer_beside_what_is_paid_today() -> None:
    """NEG-89: 3 units at 9.00 over 12 months; the intent says 10.00, the member knows better."""
    assert "GBP 36.00 less than you pay today" in offered(with_baseline("awarded", 0))
    assert "GBP 18.00 less than you pay today" in offered(with_baseline("awarded", 950))
    dearer = offered(with_baseline("awarded", 850))
    assert "GBP 18.00 more than you pay today" in dearer
    assert "not to take it is as good an answer" in dearer
    assert "GBP 2.00 less than you pay today" in offered(with_baseline("awarded", 850, 2_000))


def test_what_is_saved() -> None:
    """NEG-33, NEG-88: for the member by its own account, for the co-op by what intents say in the open."""
    plain, known = with_baseline("countersigned", 0), with_baseline("countersigned", 850)
    shown, own = plain.ask(ask.AskCoop(COOP)), known.ask(ask.AskCoop(COOP))
    assert (shown["own_saving_minor"], own["own_saving_minor"]) == (3_600, -1_800)
    assert own["own_baseline_minor"] == 850
    assert shown["saving_minor"] == own["saving_minor"] == 4 * 3_600  # one of five declined
    besides = Besides(0, TEMPLATE.periods)
    assert Baseline(1_000, 50).saving(900, 3, besides) == 3_650


def test_what_is_paid_today_is_in_no_record() -> None:
    """NEG-88: nothing is signed, sent or changed but one fact of this machine."""
    desk = with_baseline("awarded", 0)
    records = dict(desk.records)
    effects = desk.do(_submit(ask.SetBaseline("tea", 123_456, 654_321)))
    assert {type(one).__name__ for one in effects} == {"Keep", "Reply"}
    desk.tick()
    assert desk.records == records
    assert [name for name in desk.facts if name.startswith("baseline/")] == ["baseline/tea"]
    desk.ask(ask.Commit(DEAL))
    for one in desk.records.values():
        if one.author == MEMBER.key and one.id not in records:
            assert (123_456).to_bytes(3, "big") not in one.raw


def _submit(command: Any) -> Any:
    return Submit(1, command)


def test_refusals() -> None:
    """INT-3, NEG-88"""
    desk = with_baseline("awarded", 0)
    for command, code in (
        (ask.SetBaseline("coffee", 1), "INT-3"),
        (ask.SetBaseline("tea", -1), "NEG-88"),
        (ask.SetBaseline("tea", 1, 2**53), "NEG-88"),
    ):
        with pytest.raises(CommandError) as caught:
            desk.ask(command)
        assert caught.value.code == code


def test_nobody_signs_what_their_own_intent_rules_out() -> None:
    """NEG-73: the award is certified, and computed here likewise; the member's own word still comes first."""
    made = Handmade({"intent.1": particular(5)}, members=5, witnesses=4, suppliers=2)
    deal = bytes.fromhex(made.deal_scope.removeprefix("deal/"))
    assert at(made, "awarded", made.members[1]).ask(ask.Commit(deal))
    bad = Plain(members=5, witnesses=4, suppliers=2)
    deal = bytes.fromhex(bad.deal_scope.removeprefix("deal/"))
    desk = at(bad, "awarded", bad.members[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("protocol.engine.deal.signing.own_requirements", _organic)
        with pytest.raises(CommandError) as caught:
            desk.ask(ask.Commit(deal))
    assert caught.value.code == "NEG-73"
    assert desk.ask(ask.Commit(deal))


class Plain(Handmade):
    """No tea is organic."""

    def _quotation(self, who: Persona, price_minor: int, terms: tuple[str, ...]) -> bytes:
        quotation = read(super()._quotation(who, price_minor, terms), TEMPLATE)
        return replace(quotation, attributes={"organic": 0}).to_bytes()


def _organic(coop: Any, template: Any) -> dict[bytes, Any]:
    """What the rule would say, had the members said so: the ranking that served them all the same is the lie."""
    return {member.key: (Requirement("organic", "at-least", 1),) for member in coop.members}
