"""Every state of a co-op and of a deal is told in words: what happened, whose silence it was, what now (AGR-22)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from protocol.coop.coop import COOP, read_coop
from protocol.coop.decision import Docket
from protocol.deal.deal import read_deal
from protocol.deal.life import DEAL
from protocol.engine.coop.telling import told as coop_told
from protocol.engine.deal.telling import told as deal_told
from protocol.params import STUCK_MS
from protocol.record.log import Log
from tests.deals import NETWORK, TEMPLATE, Handmade
from tests.test_coop import LIVES as COOP_LIVES
from tests.test_deal import LIVES, Cancelled, Delivered, Polled


def _of_deal(made: Handmade) -> dict[str, tuple[str, ...]]:
    """The words of each state that a deal walks through, as they were when it got there."""
    log, docket = Log(made.deal_scope), Docket()
    found: dict[str, tuple[str, ...]] = {}
    for one in made.records:
        if one.scope == made.deal_scope and log.add(one, wanted=True).stored:
            docket.note(one)
            deal = read_deal(log, docket, NETWORK)
            if deal is not None:
                found[deal.state] = deal_told(deal, one.header.created, "GBP")
    return found


def _of_coop(made: Handmade) -> dict[str, tuple[str, ...]]:
    log, docket = Log(made.scope), Docket()
    found: dict[str, tuple[str, ...]] = {}
    for one in made.records:
        if one.scope == made.scope and log.add(one, wanted=True).stored:
            docket.note(one)
            coop = read_coop(log, docket, NETWORK, {TEMPLATE.hash: TEMPLATE})
            if coop is not None:
                found[coop.state] = coop_told(coop, log, one.header.created)
    return found


@cache
def deals() -> list[dict[str, tuple[str, ...]]]:
    made: list[Handmade] = [Handmade(twists, **sizes) for _, twists, sizes, _ in LIVES]
    return [_of_deal(one) for one in [*made, Delivered(), Cancelled(), Polled(windows={"renew_ms": 60_000})]]


def test_every_state_of_a_deal_has_words() -> None:
    """AGR-22"""
    words: dict[str, Any] = {state: said for found in deals() for state, said in found.items()}
    states = {state for (before, _), after in DEAL.items() for state in (before, after)} - {"bettered"}
    assert states <= set(words)
    for state in sorted(states):
        assert words[state], state
        for sentence in words[state]:
            assert 10 < len(sentence) < 400
            assert sentence.isprintable()
            assert sentence.endswith((".", "!"))


def test_every_way_to_nothing_says_why() -> None:
    """AGR-22: which box was empty, or who said what; and that one is free."""
    why = {found["void"][0] for found in deals() if "void" in found}
    for beginning in ("No supplier quoted", "None of the", "No quotation fits", "No rung"):
        assert any(one.startswith(beginning) for one in why), (beginning, why)
    assert {found["void"][1] for found in deals() if "void" in found} == {
        "Your pledge is free: found or join the next co-op."
    }


def test_every_way_a_coop_ends_says_why() -> None:
    """AGR-22, FRM-21"""
    lives: list[tuple[str, Any, dict[str, Any], list[str]]] = list(COOP_LIVES)
    found = [_of_coop(Handmade(twists, **sizes)) for _, twists, sizes, _ in lives]
    why = {one["void"][0] for one in found if "void" in one}
    for beginning in ("Too few joined", "Nobody pledged", "Nobody stood", "Nobody voted"):
        assert any(one.startswith(beginning) for one in why), (beginning, why)
    words = {state: said for one in found for state, said in one.items()}
    for state in sorted({before for before, _ in COOP} - {"dealing", "succeeding", "elected"}):
        assert words[state], state


@pytest.mark.parametrize("stuck", ["quotations", "commitments", "signatures"])
def test_two_weeks_without_witnesses(stuck: str) -> None:
    """FRM-21, AGR-21: not a moment earlier; the certificate that never came is named."""
    deal = Handmade({stuck: lambda value: b"junk"}).deal()
    due = max(one.due for one in deal.open)
    assert not any("Too few witnesses" in one for one in deal_told(deal, due + STUCK_MS, "GBP"))
    said = deal_told(deal, due + STUCK_MS + 1, "GBP")
    assert stuck in said[0]
    assert "free" in said[1]
