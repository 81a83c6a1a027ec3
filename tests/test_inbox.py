"""The inbox: whose turn it is, who pauses, what is bounded (03-gossip, GOS-45 to GOS-47)."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.inbox import ALONE_SHARE, ALONE_US, FORMER_MAX, LANE_BYTES_MAX, TALK_FIRST_US, TALK_SHARE, Inbox, Lanes
from node.mesh import Connected, Disconnected, Message, Received, Restarted, weight
from protocol import events as ev


def records(peer: str, number: int = 1) -> Received:
    return Received(peer, number, (b"raw",))


def spend(inbox: Inbox, costs: dict[str, int], until_us: int, now_us: int = 0) -> Counter[str]:
    """Take and pay until the time is over; how many items of each were served. Who floods has always more."""
    served: Counter[str] = Counter()
    while now_us < until_us and (item := inbox.take(now_us)) is not None:
        assert isinstance(item, Received)
        served[item.peer] += 1
        now_us += costs[item.peer]
        inbox.settle(now_us)
        assert not inbox.arrived(records(item.peer))
        inbox.begin()
    return served


def test_time_is_shared_whatever_an_item_costs() -> None:
    """GOS-46: ten times dearer items are served ten times more rarely."""
    inbox, costs = Inbox(), {"dear": 10_000, "cheap": 1_000}
    for peer in costs:
        for number in range(3):
            inbox.arrived(records(peer, number))
    served = spend(inbox, costs, 1_000_000)
    assert abs(served["dear"] * 10_000 - served["cheap"] * 1_030) < 40_000


def waits(fair: bool, seed: int) -> list[int]:
    """How long each of a calm peer's items waits while four others flood, with lanes or in one queue."""
    rng, inbox, now, waited = random.Random(seed), Inbox(), 0, list[int]()

    def one_queue(now_us: int) -> str | None:
        return "all" if inbox._peers._lanes["all"].items else None

    if not fair:
        inbox._peers.next = one_queue  # type: ignore[method-assign]
    born: dict[int, int] = {}

    def arrive(peer: str, number: int) -> None:
        item = Received(peer, number, (bytes(100),))
        assert inbox._peers.put(peer if fair else "all", item, weight(item))

    for number in range(60):
        for peer in ("f1", "f2", "f3", "f4"):
            arrive(peer, number)
    due = 20_000
    while len(waited) < 50:
        if due <= now:
            arrive("calm", due)
            born[due] = due
            due += rng.randrange(40_000, 60_000)
        inbox.begin()
        item = inbox.take(now)
        assert isinstance(item, Received)
        if item.peer == "calm":
            waited.append(now - born[item.batch])
            now += 500
        else:
            now += 5_000
            arrive(item.peer, item.batch)
        inbox.settle(now)
    return waited


@pytest.mark.parametrize("seed", range(3))
def test_who_sends_little_hardly_waits(seed: int) -> None:
    """GOS-46: at most for what is under way; the control, one queue for all, makes it wait for everything."""
    assert max(waits(True, seed)[1:]) <= 10_000
    assert max(waits(False, seed)) > 1_000_000


def test_a_batch_ends_for_whom_a_calm_peer_would_wait() -> None:
    """GOS-46: what a person or a calm peer said is committed before the many are handled."""
    inbox = Inbox()
    for number in range(5):
        inbox.arrived(records("flood", number))
    for _ in range(3):
        assert inbox.take(0) is not None, "alone, nobody ends its batch"
        inbox.settle(1_000)
    inbox.arrived(records("calm"))
    inbox.people.append(ev.Submit(1, "ask"))
    assert isinstance(inbox.take(0), ev.Submit)
    inbox.settle(0)
    assert inbox.take(0) == records("calm")
    inbox.settle(10)
    assert inbox.take(0) is None
    inbox.begin()
    assert inbox.take(0) == records("flood", 3)


def test_time_away_is_not_saved_up_and_coming_back_pays_no_debt() -> None:
    """GOS-46, GOS-47"""
    inbox, costs = Inbox(), {"old": 1_000, "new": 1_000}
    inbox.arrived(records("old"))
    spend(inbox, costs, 1_000_000)
    for number in range(3):
        inbox.arrived(records("new", number))
    served = spend(inbox, costs, 100_000)
    assert abs(served["old"] - served["new"]) <= 2, "a newcomer has no claim to what it missed"
    inbox.arrived(Disconnected("old", ""))
    while not isinstance(inbox.take(100_000), ev.PeerDisconnected):
        inbox.settle(101_000)
        inbox.arrived(records("new"))
        inbox.begin()
    inbox.arrived(records("old"))
    assert 40 <= spend(inbox, costs, 100_000)["new"] <= 60


def test_who_talks_too_much_pauses_and_its_neighbours_do_not() -> None:
    """GOS-47: after what a newcomer has in hand, a share of the time; its item stays; reconnecting does not help."""
    inbox, now = Inbox(), 0
    for _ in range(2):
        inbox.arrived(Message("p", b"x"))
    assert inbox.take(now) == ev.MessageReceived("p", b"x")
    now += 2 * TALK_FIRST_US + 200_000  # half of which it earned meanwhile
    inbox.settle(now)
    assert inbox.take(now) is None
    assert inbox.wait_us(now) == min(ALONE_US, 100_000 / TALK_SHARE)
    inbox.arrived(Message("q", b"y"))
    assert inbox.take(now) == ev.MessageReceived("q", b"y")
    inbox.settle(now)
    inbox.arrived(Disconnected("p", ""))
    inbox.arrived(Connected("p", "", False))
    assert inbox.take(now + 100_000) is None, "even that it left waits"
    later = now + int(100_000 / TALK_SHARE)
    assert inbox.take(later) == ev.PeerDisconnected("p")


def test_alone_it_may_talk_more() -> None:
    """GOS-47: the same debt is paid sooner when nobody else was served for a second."""
    for other, paid in ((False, True), (True, False)):
        inbox = Inbox()
        for _ in range(2):
            inbox.arrived(Message("p", b"x"))
        inbox.take(0)
        now = TALK_FIRST_US + 600_000
        inbox.settle(now)
        if other:
            inbox.people.append(ev.Submit(1, "ask"))
            inbox.take(now + 1_000_000)
            inbox.settle(now + 1_000_000)
        assert (inbox.take(now + 1_300_000) is not None) is paid


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50_000)), max_size=60))
def test_talk_never_exceeds_its_share(costs: list[tuple[str, int]]) -> None:
    """GOS-47: over any stretch, what one has in hand, the share and one item."""
    inbox, now, spent = Inbox(), 0, Counter[str]()
    for peer, _ in costs:
        inbox.arrived(Message(peer, b""))
    for _, cost in costs:
        inbox.begin()
        while (item := inbox.take(now)) is None:
            wait = inbox.wait_us(now)
            assert wait
            now += wait
        assert isinstance(item, ev.MessageReceived)
        now += cost * 40
        spent[item.peer] += cost * 40
        inbox.settle(now)
        assert spent[item.peer] <= TALK_FIRST_US + now * ALONE_SHARE + 2_000_000


def test_lanes_are_bounded() -> None:
    """GOS-45: each by weight, their number by links, the accounts of those who left by a number."""
    lanes = Lanes()
    item = Received("p", 1, (bytes(60_000),))
    put = 0
    while lanes.put("p", item, weight(item)):
        put += 1
    assert put == LANE_BYTES_MAX // weight(item)
    inbox = Inbox()
    for number in range(FORMER_MAX + 100):
        assert not inbox.arrived(Connected(f"p{number}", "", False))
        assert not inbox.arrived(records(f"p{number}"))
        assert not inbox.arrived(Disconnected(f"p{number}", "")), "came and went unseen"
    assert inbox.wait_us(0) is None
    assert len(inbox._peers._former) == FORMER_MAX
    assert not inbox._peers._lanes
    assert not inbox.arrived(Restarted())


def test_what_was_handled_is_told_once() -> None:
    """MSH-30"""
    inbox = Inbox()
    for _ in range(2):
        inbox.arrived(Message("p", b"123"))
        inbox.take(0)
        inbox.settle(1)
    assert inbox.let_go() == [("p", 2 * weight(Message("p", b"123")))]
    assert inbox.let_go() == []


def test_what_waits_is_counted() -> None:
    """REL-20"""
    inbox = Inbox()
    assert inbox.depth() == {"commands": 0, "items": 0, "bytes": 0}
    inbox.people.append(ev.Tick())
    event = Message("p", b"hello")
    inbox.arrived(event)
    assert inbox.depth() == {"commands": 1, "items": 1, "bytes": weight(event)}
    inbox.take(0)
    inbox.take(0)
    assert inbox.depth() == {"commands": 0, "items": 0, "bytes": 0}
