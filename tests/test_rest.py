"""Quiet hours and thrift in the core: what is linked for what, what is not heard. Spec: 03-gossip, GOS-66, GOS-67."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from protocol import commands as ask
from protocol.events import (
    Circumstances,
    Dial,
    Effect,
    Hangup,
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
    Send,
    Tick,
)
from protocol.network.gossip import Subscribe, Sync, Unsubscribe, encode_message, parse_message
from tests.deals import Handmade
from tests.stages import Desk, at

RELAYS = tuple(f"/ip4/10.{number}.0.1/tcp/4001/p2p/r{number}" for number in range(2))
ROUND_MS = 1_000
HOUR_MS = 3_600_000


@cache
def made() -> Handmade:
    """A deal signed by hand."""
    return Handmade()


class Sleeper:
    """A member's node with two relays, whose links are made and broken as it asks."""

    def __init__(self, state: str = "gathering") -> None:
        self.desk: Desk = at(made(), state, made().members[0], relays=RELAYS, sync_ms=ROUND_MS)
        self.linked: dict[str, None] = {}
        self.said: list[tuple[int, Any]] = []
        self._carry_out([Dial(address, True) for address in RELAYS])  # as its first Tick said
        self.run(1)

    @property
    def now(self) -> int:
        return self.desk.now

    def do(self, event: Any) -> None:
        """One event, and what follows from it for the links."""
        self._carry_out(self.desk.do(event))

    def run(self, span_ms: int) -> None:
        """Time passes, a Tick whenever the engine wants one."""
        end = self.now + span_ms
        while (due := self.desk.engine.deadline) is not None and due <= end:
            self.desk.now = max(self.desk.now + 1, due)
            self.do(Tick())
        self.desk.now = max(self.desk.now, end)

    def told(self) -> dict[str, Any]:
        """What the person is told."""
        (reply,) = (one.result for one in self.desk.do(ask_for(ask.AskMesh())) if hasattr(one, "result"))
        assert isinstance(reply, dict)
        return reply

    def closes(self) -> int:
        """When the open question of the co-op closes."""
        (need,) = (one for one in self.desk.ask(ask.AskNeeds()) if one["kind"] == "pledge")
        return int(need["until"])

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Dial(address):
                    peer = address.rpartition("/")[2]
                    self.linked[peer] = None
                    self.do(PeerConnected(peer, True))
                case Hangup(peer) if peer in self.linked:
                    del self.linked[peer]
                    self.do(PeerDisconnected(peer))
                case Send(_, message):
                    self.said.append((self.now, parse_message(message)))


def ask_for(command: Any) -> Any:
    """A command as an event."""
    from protocol.events import Submit

    return Submit(1, command)


def test_in_quiet_hours_no_link_is_kept_and_later_they_come_back() -> None:
    """GOS-66: and not all of a town at the same moment."""
    sleeper = Sleeper("countersigned")
    assert list(sleeper.linked) == ["r0", "r1"]
    until = sleeper.now + HOUR_MS
    sleeper.do(Circumstances(until, False))
    sleeper.run(1)
    assert sleeper.linked == {}
    assert sleeper.told()["resting"] == until
    sleeper.run(HOUR_MS - 1_000)
    assert sleeper.linked == {}
    sleeper.run(1_000 + 5 * ROUND_MS)
    assert list(sleeper.linked) == ["r0", "r1"]
    assert sleeper.told()["resting"] == 0


def test_quiet_that_is_called_off_ends_at_once() -> None:
    """GOS-66"""
    sleeper = Sleeper("agreed")
    sleeper.do(Circumstances(sleeper.now + HOUR_MS, False))
    sleeper.run(1)
    sleeper.do(Circumstances(0, False))
    sleeper.run(1)
    assert list(sleeper.linked) == ["r0", "r1"]


def test_a_question_that_closes_meanwhile_wakes_it_in_time_and_is_announced() -> None:
    """GOS-66: ten rounds before, and as long after as it is undecided, yet not for ever."""
    sleeper = Sleeper()
    closes = sleeper.closes()
    assert closes - 10 * ROUND_MS > sleeper.now + 1_000, "there is time to sleep before"
    sleeper.do(Circumstances(closes + HOUR_MS, False))
    sleeper.run(1)
    assert sleeper.linked == {}
    told = sleeper.told()
    assert told["wakes"][0][0] == closes - 10 * ROUND_MS
    assert told["wakes"][0][1] == "candidates of Tea for all of us"
    assert told["resting"] == closes - 10 * ROUND_MS
    sleeper.run(closes - 10 * ROUND_MS - sleeper.now + 5 * ROUND_MS + 1)
    assert list(sleeper.linked) == ["r0", "r1"]
    sleeper.run(closes - sleeper.now + 10 * ROUND_MS)
    assert list(sleeper.linked) == ["r0", "r1"], "undecided"
    sleeper.run(60 * ROUND_MS)
    assert sleeper.linked == {}, "nobody decides it any more"


def test_a_question_that_closes_after_the_quiet_wakes_nobody() -> None:
    """GOS-66, the control."""
    sleeper = Sleeper()
    sleeper.do(Circumstances(sleeper.closes() - 20 * ROUND_MS, False))
    sleeper.run(1)
    assert sleeper.linked == {}
    assert sleeper.told()["wakes"] == []


@pytest.mark.parametrize("thrifty", [True, False])
def test_a_day_that_cost_enough_leaves_out_boards_and_keeps_co_ops(thrifty: bool) -> None:
    """GOS-67; the control spares nothing."""
    sleeper = Sleeper()
    sleeper.desk.ask(ask.Watch("tea", "any"))
    sleeper.run(3 * ROUND_MS)
    sleeper.said.clear()
    sleeper.do(Circumstances(0, thrifty))
    sleeper.run(20 * ROUND_MS)
    left = {scope for _, one in sleeper.said if isinstance(one, Unsubscribe) for scope in one.scopes}
    asked = {one.scope for _, one in sleeper.said if isinstance(one, Sync)}
    assert ("board/tea/any" in left) is thrifty
    assert ("board/tea/any" not in asked) is thrifty
    assert any(scope.startswith("coop/") for scope in asked)
    assert not any(scope.startswith("coop/") for scope in left)
    sleeper.said.clear()
    sleeper.do(Circumstances(0, False))
    sleeper.run(20 * ROUND_MS)
    named = {scope for _, one in sleeper.said if isinstance(one, Subscribe) for scope in one.scopes}
    assert ("board/tea/any" in named) is thrifty, "back at midnight"
    assert "board/tea/any" in {one.scope for _, one in sleeper.said if isinstance(one, Sync)}


def test_what_others_want_is_given_all_the_same() -> None:
    """GOS-67: what was said before stays to be had."""
    sleeper = Sleeper()
    sleeper.do(Circumstances(0, True))
    sleeper.do(MessageReceived("r0", encode_message(Subscribe(("board/tea/any",)))))
    assert list(sleeper.linked) == ["r0", "r1"]
