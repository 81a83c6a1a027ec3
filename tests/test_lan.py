"""Being found on the local network: what is announced, what is believed, and two nodes that find each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from node.lan import ADDRESSES_MAX, ASKED_MAX, FOUND_MAX, Lan, heard, reachable, tag
from node.mesh.wire import parse_address
from protocol.commands import NoticePeer
from protocol.params import RELAYS_NEARBY_MAX
from tests.test_relays import Home, at

PEER = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
OTHER = "12D3KooWCp9L1qPoeeLFBY78APVV5qpQwgiJvp6sGFbHWzKYKhYx"
NETWORK, ELSEWHERE = bytes(32), bytes(range(32))
LOOPBACK = ["127.0.0.1"]
PATIENCE_S = 30


def said(*addresses: str, network: bytes = NETWORK) -> Mapping[bytes, bytes]:
    """The properties of an announcement."""
    return {b"net": tag(network).encode()} | {f"a{n}".encode(): one.encode() for n, one in enumerate(addresses)}


def test_an_announcement_is_believed_as_far_as_it_leads_nearby() -> None:
    """LAN-4"""
    good = [f"/ip4/192.168.1.5/tcp/4001/p2p/{PEER}", f"/ip6/fd00::5/tcp/4002/ws/p2p/{PEER}"]
    assert heard(said(*good), tag(NETWORK)) == good
    assert heard(said(*good, network=ELSEWHERE), tag(NETWORK)) == []
    assert heard({}, tag(NETWORK)) == []
    for bad in (
        "",
        "/ip4/192.168.1.5/tcp/4001",
        f"/ip4/8.8.8.8/tcp/4001/p2p/{PEER}",
        f"/ip4/169.254.1.1/tcp/4001/p2p/{PEER}",
        f"/ip4/0.0.0.0/tcp/4001/p2p/{PEER}",
        f"/ip4/192.168.1.5/tcp/22/p2p/{PEER}",
        f"/ip4/127.0.0.1/tcp/4001/p2p/{PEER}",
        f"/dns/printer.local/tcp/4001/p2p/{PEER}",
        "\ufffd" * 300,
    ):
        assert heard(said(bad), tag(NETWORK)) == [], bad
    assert len(heard(said(*good * 50), tag(NETWORK))) == ADDRESSES_MAX
    assert heard({b"net": tag(NETWORK).encode(), b"a0": None, b"a1": b"\xff\xfe"}, tag(NETWORK)) == []


def test_only_what_leads_here_from_nearby_is_announced() -> None:
    """LAN-2: a listener on every interface is announced at each, one that only this machine or the world reaches not"""
    listening = [
        parse_address(one)
        for one in (
            f"/ip4/0.0.0.0/tcp/4001/p2p/{PEER}",
            f"/ip4/10.1.2.3/tcp/4002/ws/p2p/{PEER}",
            f"/ip4/8.8.8.8/tcp/4003/p2p/{PEER}",
            f"/ip4/127.0.0.1/tcp/4004/p2p/{PEER}",
            f"/dns4/relay.example/tcp/443/wss/p2p/{PEER}",
        )
    ]
    machine = ["192.168.1.5", "169.254.7.7", "fd00::5", "8.8.4.4"]
    assert [str(one) for one in reachable(listening, machine)] == [
        f"/ip4/192.168.1.5/tcp/4001/p2p/{PEER}",
        f"/ip4/10.1.2.3/tcp/4002/ws/p2p/{PEER}",
    ]


class Neighbours:
    """Some nodes of this machine, and what they found."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self._news = asyncio.Event()
        self._nodes: list[Lan] = []

    async def join(self, name: str, network: bytes, *listening: str) -> None:
        node = Lan(network, self._note(name), LOOPBACK)
        await node.start(listening)
        self._nodes.append(node)

    def _note(self, name: str) -> Callable[[str], Awaitable[None]]:
        async def note(address: str) -> None:
            self.found.append((name, address))
            self._news.set()

        return note

    async def until(self, wanted: tuple[str, str]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while wanted not in self.found:
                self._news.clear()
                await self._news.wait()

    async def end(self) -> None:
        await asyncio.gather(*(node.stop() for node in self._nodes))


def test_nodes_of_one_network_find_each_other_and_nobody_else() -> None:
    """LAN-1 to LAN-3: who comes later and who was there before; a home that listens nowhere finds and is not found"""
    at = {name: f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer}" for name, port, peer in (("a", 4001, PEER), ("b", 4002, OTHER))}

    async def story() -> list[tuple[str, str]]:
        street = Neighbours()
        try:
            await street.join("a", NETWORK, at["a"])
            await street.join("stranger", ELSEWHERE, f"/ip4/127.0.0.1/tcp/4009/p2p/{OTHER}")
            await street.join("b", NETWORK, at["b"])
            await street.join("home", NETWORK)
            for wanted in (("a", at["b"]), ("b", at["a"]), ("home", at["a"]), ("home", at["b"])):
                await street.until(wanted)
        finally:
            await street.end()
        return street.found

    found = asyncio.run(story())
    assert sorted(found) == sorted(dict.fromkeys(found)), "each once"
    assert not [one for one in found if one[0] == "stranger" or "4009" in one[1]]


def test_a_street_full_of_announcements_is_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """LAN-3"""

    async def story() -> int:
        from zeroconf import ServiceStateChange

        found: list[str] = []

        async def note(address: str) -> None:
            found.append(address)

        node = Lan(NETWORK, note, LOOPBACK)

        async def answer(name: str) -> None:
            for address in heard(said(f"/ip4/10.0.0.{name}/tcp/4001/p2p/{PEER}"), tag(NETWORK)):
                await node.remember(address)

        monkeypatch.setattr(node, "_ask", answer)
        for number in range(200):
            node._noticed(None, "", str(number), ServiceStateChange.Added)
        assert len(node._questions) == ASKED_MAX
        await asyncio.gather(*node._questions)
        return len(found)

    assert asyncio.run(story()) == FOUND_MAX


def test_who_is_found_nearby_comes_after_those_the_person_named() -> None:
    """LAN-3: dialled as trusted, since private addresses are what one finds here; forgotten with the process"""
    near = "/ip4/192.168.1.5/tcp/4001/p2p/near"
    home = Home(at(0), at(1))
    home.ask(NoticePeer(near))
    assert home.dialled == {at(0): True, at(1): True, near: True}
    assert Home(at(0), facts=home.facts).dialled == {at(0): True}
    full = Home(at(0), at(1), at(2))
    full.ask(NoticePeer(near))
    assert near not in full.dialled
    assert full.states()["near"] == "spare"
    for number in range(RELAYS_NEARBY_MAX + 5):
        full.ask(NoticePeer(f"/ip4/192.168.1.{number}/tcp/4001/p2p/n{number}"))
    assert len(full.states()) == 3 + RELAYS_NEARBY_MAX
