"""Limits that are set between two steps of one thing: what was begun under wider ones is not finished past them."""

from __future__ import annotations

import pytest

from protocol import commands as ask
from protocol.errors import CommandError
from tests.test_consenting import both
from tests.test_details import DEAL, HOME


def test_a_leave_signed_before_the_limit_lets_nothing_out_after_it() -> None:
    """INT-10: both halves stand, then the member says that it never discloses an address; no detail is signed any more,
    at its person's word or by itself."""
    member, _ = both()
    before = len(member.said("detail.1"))
    assert before
    member.ask(ask.SetBoundaries(disclose=("name",)))
    member.ask(HOME)
    with pytest.raises(CommandError, match="INT-10"):
        member.ask(ask.SendDetails(DEAL))
    member.tick(1_000)
    assert len(member.said("detail.1")) == before
    member.ask(ask.BlankDetails(DEAL))  # taking back is always possible
    assert member.said("detail.1")[-1].body["sealed"] == b""
