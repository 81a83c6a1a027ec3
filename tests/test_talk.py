"""Questions and replies in a deal: seen by all sides, binding nobody, bounded for each author (08-negotiation NEG-74,
NEG-75)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import commands as ask
from protocol.deal.talk import free_slot, talk_of
from protocol.errors import CommandError, Ignore
from protocol.events import RecordReceived
from protocol.identity import Persona
from protocol.params import TALK_MAX, TALK_SHOWN_MAX
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, Handmade, persona
from tests.stages import Desk, at

MADE = Handmade(members=5, witnesses=4, suppliers=2)
DEAL = bytes.fromhex(MADE.deal_scope.removeprefix("deal/"))
STRANGER, SUPPLIER = persona("stranger"), MADE.suppliers[0]
MEMBER = next(one for one in MADE.members if one is not MADE.negotiator)


def said(who: Persona, kind: str, slot: str, later_ms: int = 0, **fields: Any) -> Record:
    body = {"rfq": MADE.rfq.id, "text": "Is it loose?"} | fields
    until, created = MADE.rfq.header.expires, MADE.rfq.header.created + later_ms
    where = Slot("once", slot, 0)
    return Record.sign(who, NETWORK, kind, MADE.deal_scope, body, created=created, expires=until, slot=where)


def refusal(desk: Desk, command: Any) -> str:
    with pytest.raises(CommandError) as caught:
        desk.ask(command)
    return caught.value.code


def test_a_dialogue() -> None:
    """NEG-75: a stranger asks, the negotiator is told and replies, a member adds something; every side reads it all."""
    stranger = at(MADE, "asked", STRANGER)
    question = stranger.ask(ask.Query(DEAL, "Is it loose?"))["id"]
    desk = Desk(MADE.negotiator, stranger.records.values(), now=stranger.now)
    desk.tick()
    (need,) = [one for one in desk.ask(ask.AskNeeds()) if one["kind"] == "reply"]
    assert "1 question waits" in need["says"]
    desk.now += 1
    desk.ask(ask.Respond(DEAL, question, "Yes."))
    assert "reply" not in [one["kind"] for one in desk.ask(ask.AskNeeds())]
    member = Desk(MEMBER, desk.records.values(), now=desk.now + 1)
    member.tick()
    member.ask(ask.Respond(DEAL, question, "In bags, please."))
    for who in (STRANGER, SUPPLIER, MADE.members[-1]):
        reader = Desk(who, member.records.values(), now=member.now)
        reader.tick()
        (found,) = reader.ask(ask.AskTalk(DEAL))["queries"]
        assert (found["by"], found["text"]) == (STRANGER.key, "Is it loose?")
        assert [(one["by"], one["text"]) for one in found["replies"]] == [
            (MADE.negotiator.key, "Yes."),
            (MEMBER.key, "In bags, please."),
        ]
    assert found["role"] == "other"
    assert [one["role"] for one in found["replies"]] == ["negotiator", "member"]


def test_talk_changes_nothing() -> None:
    """NEG-75: with and without it, the deal is the same but for the records held."""
    desk = at(MADE, "asked", STRANGER)
    before = desk.ask(ask.AskDeals())
    desk.ask(ask.Query(DEAL, "I quote 5 each, and mean it."))
    desk.tick()
    assert desk.ask(ask.AskDeals()) == before


def test_refusals() -> None:
    """NEG-40, NEG-75, REC-11"""
    desk = at(MADE, "asked", MEMBER)
    assert refusal(desk, ask.Query(bytes(16), "Where?")) == "NEG-40"
    assert refusal(desk, ask.Query(DEAL, "")) == "REC-11"
    assert refusal(desk, ask.Query(DEAL, "x" * 2_049)) == "REC-11"
    assert refusal(desk, ask.Respond(DEAL, bytes(32), "To whom?")) == "NEG-75"
    assert refusal(desk, ask.Respond(DEAL, MADE.rfq.id, "To a request?")) == "NEG-75"


@pytest.mark.parametrize("slot", ["query/64", "query/00", "query/-1", "query/", "query", "reply/0", "query/1/2"])
def test_only_so_many_of_one_author(slot: str) -> None:
    """NEG-74: where a slot stands is told by the record alone, so that who holds it depends on no order."""
    desk = at(MADE, "asked", MEMBER)
    with pytest.raises(Ignore) as caught:
        desk.do(RecordReceived(said(STRANGER, "query.1", slot), ""))
    assert caught.value.code == "NEG-74"
    desk.do(RecordReceived(said(STRANGER, "query.1", "query/63"), ""))
    assert len(desk.said("query.1")) == 1


def test_a_chatterbox_fills_its_own_slots_and_no_more() -> None:
    """NEG-74: 64 questions, then the node refuses; others still find room."""
    desk = at(MADE, "asked", STRANGER)
    for number in range(TALK_MAX):
        desk.ask(ask.Query(DEAL, f"And number {number}?"))
    assert refusal(desk, ask.Query(DEAL, "One more?")) == "NEG-74"
    assert len(desk.said("query.1")) == TALK_MAX
    other = Desk(MEMBER, desk.records.values(), now=desk.now)
    other.tick()
    assert other.ask(ask.Query(DEAL, "May I?"))


def test_many_chatterboxes_fill_one_answer() -> None:
    """NEG-75: ten strangers say all that they may; a person is shown the newest few hundred, and gets them at once."""
    log = [*at(MADE, "asked", MEMBER).records.values()]
    people = [persona(f"x{number}") for number in range(10)]
    log += [said(one, "query.1", f"query/{n}", n + 1) for one in people for n in range(TALK_MAX)]
    desk = Desk(MEMBER, log, now=MADE.rfq.header.created + 1_000)
    desk.tick()
    found = desk.ask(ask.AskTalk(DEAL))["queries"]
    assert len(found) == TALK_SHOWN_MAX < 10 * TALK_MAX
    assert found[-1]["at"] == MADE.rfq.header.created + TALK_MAX


def test_what_is_said_twice_is_not_shown() -> None:
    """NEG-75, REC-14: the same slot, two texts; replies to it stay out too, those to others come in order."""
    log = Log(MADE.deal_scope)
    log.add(MADE.rfq)
    first = said(STRANGER, "query.1", "query/0")
    twin = said(STRANGER, "query.1", "query/0", text="It is loose.")
    good = said(STRANGER, "query.1", "query/1", 5)
    late, soon = (said(MEMBER, "reply.1", f"reply/{n}", 10 - n, query=good.id) for n in range(2))
    for one in (first, twin, good, late, soon, said(MEMBER, "reply.1", "reply/2", query=first.id)):
        log.add(one)
    (found,) = talk_of(log, MADE.rfq.id)
    assert (found.query, found.replies) == (good, (soon, late))
    assert talk_of(log, bytes(32)) == ()
    assert free_slot(log, "query.1", STRANGER.key) == "query/2"
