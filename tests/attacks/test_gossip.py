"""Gossip by which one neighbour would harm another: through what a relay passes on, or what it then leaves undone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from node.mesh import Disconnected, Limits
from node.mesh.wire import Hello
from protocol.errors import Ignore
from protocol.events import MessageReceived, PeerConnected, Tick
from protocol.network.gossip import Answer, Have, Join, Subscribe, Sync, encode_message, parse_message
from protocol.params import HAVE_MS, SCOPES_PER_MESSAGE_MAX, SESSIONS_MAX
from tests.test_gossip import BOARD, Peer, note, sent
from tests.towns import LOOPBACK, Villager

EVE = "12D3KooW" + "e" * 44


@pytest.mark.parametrize(
    "host",
    [
        "/ip6/2001:db8::1%eth0",
        "/ip6/fe80::1%25x",
        "/ip4/192.0.2.1",
        "/ip6/::ffff:192.0.2.1",
        "/dns/" + "a." * 126 + "b",
    ],
)
def test_an_address_that_a_relay_passes_on_makes_no_relay_look_guilty(host: str) -> None:
    """MSH-5, GOS-30, GOS-32: whatever HELLO may name, `forward` and `shuffle` may too"""
    hello = Hello(1, bytes(32), {"addresses": [f"{host}/tcp/4001/p2p/{EVE}"]})
    relay = Peer("relay", "relay", scopes=())
    relay.handle(PeerConnected("honest", False))
    relay.hear("honest", Join())
    relay.handle(PeerConnected(EVE, False, hello.addresses(EVE)))
    for one in relay.handle(MessageReceived(EVE, encode_message(Join()))):
        if getattr(one, "peer", "") == "honest":
            parse_message(one.message)  # type: ignore[union-attr]


def test_a_burst_of_messages_does_not_part_peers_that_read() -> None:
    """MSH-10: what a stranger makes a relay tell another in one moment"""

    async def story() -> None:
        near, far = Villager(b"n" * 32, LOOPBACK, Limits()), Villager(b"f" * 32, (), Limits())
        await asyncio.gather(near.mesh.start(), far.mesh.start())
        await far.meet(near)
        for _ in range(3000):
            await far.mesh.send(near.mesh.peer_id, b"x" * 40)
        await far.echo(near)
        assert not [one for one in far.events if isinstance(one, Disconnected)]
        await asyncio.gather(near.mesh.stop(), far.mesh.stop())

    asyncio.run(story())


def test_what_a_stranger_subscribes_to_is_named_onward_in_one_message() -> None:
    """GOS-4"""
    relay = Peer("relay", "relay", scopes=())
    relay.handle(PeerConnected("other", True))
    relay.handle(PeerConnected("eve", False))
    scopes = tuple(f"board/tea/{number}" for number in range(SCOPES_PER_MESSAGE_MAX))
    named = [message for peer, message in sent(relay.hear("eve", Subscribe(scopes))) if peer == "other"]
    assert [message for message in named if isinstance(message, Subscribe)] == [Subscribe(scopes)]


def test_many_scopes_to_reconcile_are_not_read_at_once() -> None:
    """GOS-41: only as many as there are sessions for"""
    relay, begun = Peer("relay", "relay", scopes=()), list[str]()

    def loaded(event: Any) -> None:
        """Reads from the disk what the event needs."""
        count = 0
        while wanted := relay.engine.needs(event):
            for scope in wanted:
                relay.engine.load(scope, ())
                count += 1
        assert count <= 2 * SESSIONS_MAX
        begun.extend(message.scope for _, message in sent(relay.handle(event)) if isinstance(message, Sync))

    relay.handle(PeerConnected("other", True))
    relay.handle(PeerConnected("eve", False))
    for start in range(0, 2048, SCOPES_PER_MESSAGE_MAX):
        scopes = tuple(f"board/tea/{start + number}" for number in range(SCOPES_PER_MESSAGE_MAX))
        loaded(MessageReceived("eve", encode_message(Subscribe(scopes))))
    loaded(Tick())
    for number in range(200):
        loaded(MessageReceived("other", encode_message(Answer(begun[number], b"\x61"))))
        loaded(Tick())
    assert len(begun) == len(dict.fromkeys(begun)) >= 200, "it goes on"


def test_who_may_not_bring_a_record_does_not_keep_others_from_bringing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-44, GOS-50: ignored for the sake of the link it came by, it is asked for when another has it"""
    monkeypatch.setattr("protocol.engine.coop.room.NEWCOMERS_MAX", 0)
    monkeypatch.setattr("protocol.record.log.Log.crowded", property(lambda _: True))
    relay = Peer("relay", "relay")
    relay.link("eve")
    relay.link("other", outbound=True)
    with pytest.raises(Ignore, match="GOS-50"):
        relay.take(note(1), "eve")
    relay.hear("other", Have(BOARD, (note(1).id,)))
    relay.now += 1000 + HAVE_MS
    asked = [message for peer, message in sent(relay.settle()) if peer == "other"]
    assert any(getattr(message, "ids", ()) == (note(1).id,) for message in asked), asked


def test_a_few_strangers_cannot_use_up_what_a_relay_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-3: with a smaller number; who names little is always carried, and what found no room is when there is some"""
    monkeypatch.setattr("protocol.engine.network.links.SCOPES_CARRIED_MAX", 2000)
    relay, secret = Peer("relay", "relay", scopes=()), "coop/" + "1" * 32
    for number in range(40):
        relay.handle(PeerConnected(f"eve{number}", False))
        for start in range(0, 400, 20):
            relay.hear(f"eve{number}", Subscribe(tuple(f"board/e{number}/{start + one}" for one in range(20))))
    relay.handle(PeerConnected("home", False))
    assert sent(relay.hear("home", Subscribe((secret,)))) == [("home", Subscribe((secret,)))]
    monkeypatch.setattr("protocol.engine.network.links.SCOPES_CARRIED_MAX", 0)
    relay.hear("home", Subscribe((BOARD,)))
    assert BOARD not in relay.engine.carried()
    monkeypatch.setattr("protocol.engine.network.links.SCOPES_CARRIED_MAX", 10_000)
    relay.hear("home", Sync(BOARD, b"\x61"))
    assert BOARD in relay.engine.carried()
