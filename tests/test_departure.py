"""When what was signed leaves its node. Spec: 03-gossip, GOS-65; tests/sim/test_home.py has it among others."""

from __future__ import annotations

from functools import cache

import pytest

from protocol import commands as ask
from protocol.events import Effect, PeerConnected, Publish, Store, Submit, Tick
from tests.deals import Handmade
from tests.stages import Desk, at

DELAY_MS = 1_000
PLEDGE = "sealed.1"  # as it looks outside the co-op's room


@cache
def made() -> Handmade:
    """A deal signed by hand."""
    return Handmade()


def member(delay_ms: int = DELAY_MS) -> Desk:
    """A member's node that is linked to one relay, while pledges are gathered."""
    desk = at(made(), "gathering", made().members[0], delay_ms=delay_ms)
    desk.do(PeerConnected("relay", True))
    return desk


def left(effects: list[Effect]) -> list[str]:
    """The kinds of the records that were passed on."""
    return [one.record.kind for one in effects if isinstance(one, Publish)]


def pledge(desk: Desk) -> list[Effect]:
    """What follows when its person pledges."""
    (need,) = (one for one in desk.ask(ask.AskNeeds()) if one["kind"] == "pledge")
    effects = desk.do(Submit(1, ask.Pledge(need["coop"], 3, 0, 1, 300)))
    assert PLEDGE in stored(effects), "on the disk, whenever it leaves"
    return effects


def stored(effects: list[Effect]) -> list[str]:
    """The kinds of the records that go to the disk."""
    return [one.record.kind for one in effects if isinstance(one, Store)]


def test_what_a_person_signs_is_stored_now_and_leaves_within_the_delay() -> None:
    """GOS-65"""
    desk = member()
    assert PLEDGE not in left(pledge(desk))
    said, gone = desk.now, list[str]()
    while PLEDGE not in gone:
        due = desk.engine.deadline
        assert due is not None
        desk.now = max(desk.now + 1, due)
        assert desk.now <= said + DELAY_MS
        gone += left(desk.do(Tick()))


def test_without_a_delay_it_leaves_at_once() -> None:
    """GOS-65, the control."""
    assert PLEDGE in left(pledge(member(0)))


@pytest.mark.parametrize(("before_ms", "waits"), [(10 * DELAY_MS, False), (1, False), (10 * DELAY_MS + 1, True)])
def test_no_answer_waits_until_its_question_has_closed(before_ms: int, waits: bool) -> None:
    """GOS-65"""
    desk = member()
    (need,) = (one for one in desk.ask(ask.AskNeeds()) if one["kind"] == "pledge")
    desk.now = need["until"] - before_ms
    assert (PLEDGE not in left(pledge(desk))) is waits


def test_what_a_node_does_by_itself_does_not_wait() -> None:
    """GOS-65: a witness accepts its charter."""
    who = made().witnesses[0]
    first = next(number for number, one in enumerate(made().records) if (one.kind, one.author) == ("accept.1", who.key))
    said = made().records[:first]
    desk = Desk(who, said, now=said[-1].header.created + 1, delay_ms=DELAY_MS)
    desk.do(PeerConnected("relay", True))
    effects = desk.do(Tick())
    assert "accept.1" in stored(effects)
    assert left(effects) == stored(effects)
