"""What waits for the loop: people's commands, then a lane for each peer, and whose turn it is.

Decides the order by what each peer has cost so far, which peer has to pause, and when a batch should end for the sake
of those who send little; never handles an item, never waits and knows no clock: times are microseconds that the caller
measured. (Start-time fair queueing: Goyal, Vin, Cheng 1996, with costs that are known only afterwards.)
Spec: 03-gossip, GOS-45 to GOS-47; 14-store, STO-12.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field

from node.mesh import Acknowledged, Connected, Disconnected, MeshEvent, Message, Overflow, Received, Restarted, weight
from protocol import events as ev
from protocol.record.record import Record

LANE_BYTES_MAX = 4 << 20  # GOS-45; the mesh pauses a peer long before (MSH-30)
RECORD_US = 30  # (g) of the commit to come, for each record; handling is measured
TALK_SHARE = 0.02  # GOS-47 (g), of the loop's time that one peer's messages may take while others are served
ALONE_SHARE = 0.5  # GOS-47 (g), and when nobody else was for a while
ALONE_US = 1_000_000  # GOS-47 (g)
TALK_FIRST_US, TALK_BURST_US = 250_000, 2_000_000  # GOS-47 (g), what a newcomer has in hand, and anybody may save up
FORMER_MAX = 1024  # GOS-47 (g), peers that left whose account is remembered
OTHERS = "others"  # the lane of what other processes of the same store took; no peer is called so

Item = Received | ev.Event  # what waits


@dataclass(slots=True)
class _Lane:
    """`start`: what its peer has cost, on the scale of `Lanes._served`; `busy`: it had more when it was served."""

    items: deque[tuple[Item, int]] = field(default_factory=deque)
    size: int = 0
    start: int = 0
    talk_us: float = TALK_FIRST_US  # left for messages, as of `talk_at`
    talk_at: int = 0
    busy: bool = False

    def saved(self, now_us: int, share: float) -> float:
        """What is left for messages."""
        return min(TALK_BURST_US, self.talk_us + max(0, now_us - self.talk_at) * share)

    def pause(self, now_us: int, share: float) -> int:
        """Microseconds until it may be served."""
        return 0 if self.talk_us >= 0 else math.ceil(max(0.0, -self.saved(now_us, share)) / share)


class Lanes:
    """Items of many peers, bounded by its lanes, of which there are as many as links."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._former: dict[str, _Lane] = {}  # oldest first
        self._served = 0  # `start` of the lane served last
        self._last, self._mixed_at = "", -ALONE_US  # who was served last, and when another than before

    def put(self, peer: str, item: Item, size: int) -> bool:
        """Queue an item that weighs `size` bytes; False, and not queued, when the peer's lane is full (GOS-45)."""
        lane = self._lanes.get(peer)
        if lane is None:
            lane = self._lanes[peer] = self._former.pop(peer) if peer in self._former else _Lane()
        if lane.size + size > LANE_BYTES_MAX:
            return False
        if not lane.items:
            lane.start = max(lane.start, self._served)  # time spent away is not saved up
        lane.items.append((item, size))
        lane.size += size
        return True

    def clear(self, peer: str) -> list[Item]:
        """Forget what waits of a peer that has left, and return it; its account stays for when it comes back."""
        lane = self._lanes.pop(peer, None)
        if lane is None:
            return []
        items = [item for item, _ in lane.items]
        lane.items.clear()
        lane.size, lane.busy = 0, False
        if len(self._former) >= FORMER_MAX:
            del self._former[next(iter(self._former))]
        self._former[peer] = lane
        return items

    def next(self, now_us: int) -> str | None:
        """Of those not pausing, the peer that has cost least (GOS-46)."""
        best, least, share = None, (0, False), self._share(now_us)
        for peer, lane in self._lanes.items():
            if lane.items and (best is None or (lane.start, lane.busy) < least) and not lane.pause(now_us, share):
                best, least = peer, (lane.start, lane.busy)
        return best

    def busy(self, peer: str) -> bool:
        """Whether the peer sends much: it had more when it was served."""
        return peer in self._lanes and self._lanes[peer].busy

    def take(self, peer: str) -> Item:
        """The peer's oldest item."""
        lane = self._lanes[peer]
        self._served = lane.start
        item, size = lane.items.popleft()
        lane.size -= size
        lane.busy = bool(lane.items)
        return item

    def charge(self, peer: str, spent_us: int, now_us: int, talk: bool) -> None:
        """Put the time that an item took on its peer's account; what is not records (`talk`) on both its accounts."""
        lane, share = self._lanes.get(peer) or self._former.get(peer), self._share(now_us)
        if peer != self._last:
            self._last, self._mixed_at = peer, now_us
        if lane is not None:
            lane.start += max(1, spent_us)
            if talk:
                lane.talk_us, lane.talk_at = lane.saved(now_us, share) - spent_us, now_us

    def depth(self) -> tuple[int, int]:
        """Items that wait, and the bytes they weigh."""
        lanes = self._lanes.values()
        return sum(len(lane.items) for lane in lanes), sum(lane.size for lane in lanes)

    def wait_us(self, now_us: int) -> int | None:
        """Until somebody's turn comes; None while nothing waits at all."""
        share = self._share(now_us)  # which may be another after a while
        waits = min((lane.pause(now_us, share) for lane in self._lanes.values() if lane.items), default=None)
        return None if waits is None else min(waits, ALONE_US)

    def _share(self, now_us: int) -> float:
        return TALK_SHARE if now_us - self._mixed_at < ALONE_US else ALONE_SHARE


def host_in(address: str) -> str:
    """The host that a multiaddr names, "" when it names none."""
    parts = address.split("/", 3)
    return parts[2] if len(parts) > 2 else ""


class Inbox:
    """Commands first, then peers."""

    def __init__(self) -> None:
        self.people: deque[ev.Event] = deque()
        self._handled: Counter[str] = Counter()
        self._peers = Lanes()
        self._taken: tuple[str, Item, int] = "", ev.Tick(), 0  # whose, what, since when
        self._calm: str | None = None  # who sends little and was served last: they should not wait for the others

    def arrived(self, event: MeshEvent) -> str:
        """Queue an event of the mesh; returns the peer to part with, which sent more than it may, or ""."""
        item: Item
        match event:
            case Received():
                item = event
            case Message(peer, data):
                item = ev.MessageReceived(peer, data)
            case Connected(peer, address, outbound, addresses):
                item = ev.PeerConnected(peer, outbound, addresses, host_in(address))
            case Disconnected(peer):
                if any(isinstance(one, ev.PeerConnected) for one in self._peers.clear(peer)):
                    return ""  # came and went unseen
                item = ev.PeerDisconnected(peer)
            case Acknowledged(peer, _, codes):
                item = ev.Delivered(peer, len(codes))
            case Overflow() | Restarted():
                return ""  # what did not arrive is found by reconciliation
        return "" if self._peers.put(event.peer, item, weight(event)) else event.peer

    def share(self, record: Record) -> bool:
        """Queue what another process took; False when so much waits already that it must come later (STO-24)."""
        return self._peers.put(OTHERS, ev.RecordShared(record), len(record.raw))

    def begin(self) -> None:
        """A batch begins."""
        self._calm = None

    def take(self, now_us: int) -> Item | None:
        """The next item; None when there is none, or when the batch should end before those who send much."""
        if self.people:
            self._taken, self._calm = ("", self.people.popleft(), now_us), ""
            return self._taken[1]
        peer = self._peers.next(now_us)
        if peer is None:
            return None
        busy = self._peers.busy(peer)
        if busy and self._calm not in (None, peer):
            return None
        self._calm = None if busy else peer
        self._taken = peer, self._peers.take(peer), now_us
        return self._taken[1]

    def settle(self, now_us: int) -> None:
        """The item taken last has been handled: its cost is its sender's, who may go on (MSH-30)."""
        peer, item, began_us = self._taken
        match item:
            case Received(_, _, raws):
                self._peers.charge(peer, now_us - began_us + RECORD_US * len(raws), now_us, False)
            case ev.RecordShared() | ev.Delivered():
                self._peers.charge(peer, now_us - began_us, now_us, False)
            case ev.MessageReceived(sender, message):
                self._handled[sender] += weight(Message(sender, message))
                self._peers.charge(peer, now_us - began_us, now_us, True)
            case _:
                self._peers.charge(peer, now_us - began_us, now_us, True)

    def let_go(self) -> list[tuple[str, int]]:
        """(peer, weight of its messages) that were handled since this was asked last: the mesh is to be told."""
        handled, self._handled = list(self._handled.items()), Counter()
        return handled

    def depth(self) -> dict[str, int]:
        """What waits: commands, and of peers items and the bytes they weigh."""
        items, size = self._peers.depth()
        return {"commands": len(self.people), "items": items, "bytes": size}

    def wait_us(self, now_us: int) -> int | None:
        """Until there is something to take; None while nothing waits at all."""
        return 0 if self.people else self._peers.wait_us(now_us)
