"""Who gets in: every inbound place taken, and faults that a proxy says who is to answer for.

Against real mesh processes, with the whole of 127.0.0.0/8 to come from.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count

import pytest
import trio
from wsproto import ConnectionType
from wsproto.events import Request

from node.mesh import Connected, Disconnected
from node.mesh.websocket import WebSocketStream
from node.mesh.wire import Records
from tests.attacks.hostile import LIMITS, Hostile, Siege, cut_off, knock
from tests.towns import LOOPBACK, Villager, record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="comes from many addresses of one machine")
PLACES, EACH = 24, 12
NARROW = replace(LIMITS, inbound_max=PLACES, inbound_per_ip_max=EACH, faults_per_ip_max=4, ban_ms=60_000)
WEB = ("/ip4/127.0.0.1/tcp/0/ws",)
SEEDS = count(1)


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    place = Siege(NARROW)
    yield place
    place.end()


def inbound(siege: Siege) -> int:
    """How many connections the victim has accepted and keeps."""
    measured = siege.call(siege.victim.mesh.measure())
    assert measured is not None
    return measured.totals[3]


@pytest.mark.parametrize(("sources", "each"), [(1, 30), (2, 15), (8, 5)])
def test_all_places_are_taken_and_an_honest_newcomer_finds_one(siege: Siege, sources: int, each: int) -> None:
    """MSH-18: of whom there are most, the youngest makes room; who was there stays; own relays are dialled as ever"""
    relay, newcomer = [Villager(bytes([next(SEEDS)]) * 32, listen, LIMITS) for listen in (LOOPBACK, ())]

    async def crowd() -> list[Hostile]:
        found = []
        for number in range(sources * each):
            tcp = await knock(siege.address, f"127.66.{number % sources}.1")
            with suppress(Exception):  # turned away
                found.append(await (await Hostile.connect(siege.address, tcp=tcp)).greet())
        return found

    async def honest() -> None:
        await relay.mesh.start()
        await newcomer.mesh.start()
        await siege.victim.meet(relay)
        assert await siege.victim.echo(relay) < 5
        await newcomer.meet(siege.victim)
        assert await newcomer.echo(siege.victim) < 5

    async def story() -> None:
        there = await crowd()
        assert inbound(siege) == min(PLACES, sources * min(each, EACH) + 1)
        await trio.to_thread.run_sync(siege.call, honest())
        gone = [event for event in siege.victim.events if isinstance(event, Disconnected)]
        assert siege.honest.mesh.peer_id not in [event.peer for event in gone]
        for hostile in there:
            await hostile.tcp.aclose()
        for hostile in there:
            await trio.to_thread.run_sync(_left, siege, hostile.peer)

    siege.attack(story)
    siege.call(siege.victim.mesh.forget(relay.mesh.peer_id))
    for one in (relay, newcomer):
        siege.call(one.mesh.stop())


def _is(peer: str, event: Connected) -> bool:
    return event.peer == peer


def _left(siege: Siege, peer: str) -> None:
    if any(isinstance(event, Connected) and event.peer == peer for event in siege.victim.events):
        siege.call(siege.victim.wait(Disconnected, lambda event: event.peer == peer))


async def proxied(address: str, forwarded_for: str) -> Hostile:
    """As a proxy of this machine lets somebody in."""
    web = WebSocketStream(await knock(address), ConnectionType.CLIENT)
    header = b"X-Forwarded-For", forwarded_for.encode()
    await web._say(Request(host="127.0.0.1", target="/", extra_headers=[header]))
    await web._opened()
    return await (await Hostile.connect(address, tcp=web)).greet()


def test_faults_behind_a_proxy_are_counted_where_they_come_from() -> None:
    """MSH-31, MSH-43: what a client writes into the header itself names nobody, and the proxy is not to blame"""
    place = Siege(NARROW, WEB)
    bad, good = "203.0.113.7", "203.0.113.8"

    async def story() -> None:
        stayed = await proxied(place.address, bad)
        for _ in range(NARROW.faults_per_ip_max):
            hostile = await proxied(place.address, f"{good}, {bad}")
            await hostile.say(Records(7, (record(1),)))
            assert await hostile.dismissed() == "MSH-6"
        with cut_off(), trio.fail_after(5):
            await proxied(place.address, bad)
        there = [stayed, await proxied(place.address, good), await proxied(place.address, f"{bad}, {good}")]
        for hostile in there:
            place.call(place.victim.wait(Connected, partial(_is, hostile.peer)))
        assert inbound(place) == len(there) + 1, "who is past HELLO stays"

    try:
        place.attack(story)
    finally:
        place.end()
