"""Peers that stop, crawl, never read, or lie about numbers: their own affair, and nobody else's.

Against a real mesh process that loses patience after three seconds.
"""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
import trio

from node.mesh import Acknowledged, Connected, Disconnected, Message, Overflow
from node.mesh.wire import BATCH_MAX, Credit, Ping, Pong, encode_frame
from node.mesh.wire import Message as MessageFrame
from tests.attacks.hostile import LIMITS, Hostile, Siege
from tests.towns import Villager, record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
MIB = 1 << 20
SILENCE_MS = 3_000
HASTY = replace(LIMITS, ping_interval_ms=500, silence_ms_max=SILENCE_MS, outbox_bytes_max=2 * MIB)
BEAT_S = 0.2


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    place = Siege(HASTY)
    yield place
    place.end()


async def beat() -> None:
    """A while that is part of the attack."""
    with trio.move_on_after(BEAT_S):
        await trio.sleep_forever()


def test_a_peer_that_is_stopped_while_it_owes_acks_and_credit(siege: Siege) -> None:
    """MSH-11, MSH-16: let go of after its silence, welcome when it goes on; honest delivery never waits for it"""
    stopped = Villager(b"s" * 32, (), HASTY)
    siege.call(stopped.mesh.start())
    siege.call(stopped.meet(siege.victim))
    name, pid = stopped.mesh.peer_id, stopped.mesh.pid
    delays: list[float] = []

    async def deliver(number: int) -> float:
        clock = siege._loop.time
        began = clock()
        honest = siege.honest.mesh.peer_id
        await siege.victim.mesh.publish([name, honest], [record(number, 3_000)])
        await siege.victim.wait(Acknowledged, lambda event: event.peer == honest)
        return clock() - began

    async def story() -> float:
        began = trio.current_time()
        os.kill(pid, signal.SIGSTOP)
        try:
            siege.call(siege.victim.mesh.publish([name], [record(number, 2_000) for number in range(3_000)]))
            while not any(isinstance(event, Disconnected) and event.peer == name for event in siege.victim.events):
                delays.append(await trio.to_thread.run_sync(siege.call, deliver(10_000 + len(delays))))
                await beat()
            return trio.current_time() - began
        finally:
            os.kill(pid, signal.SIGCONT)

    before = siege.resident()
    took = siege.attack(story)
    gone = siege.call(siege.victim.wait(Disconnected, lambda event: event.peer == name))
    assert "MSH-11" in gone.reason
    assert SILENCE_MS / 1000 - 0.5 <= took < SILENCE_MS / 1000 + 4
    assert len(delays) >= 5
    assert max(delays) < 2, delays
    assert siege.resident() - before < 16 * MIB
    siege.call(siege.victim.wait(Connected, lambda event: event.peer == name))  # control: it was only stopped
    siege.call(stopped.wait(Connected))  # what it sends before it knows that itself is lost
    assert siege.call(stopped.echo(siege.victim)) < 5
    siege.call(stopped.mesh.stop())


def test_a_writer_of_one_byte_at_a_time(siege: Siege) -> None:
    """MSH-2, MSH-4: each byte in a frame of its own, as fast as they go and slower than patience; both are heard out"""
    whole = encode_frame(MessageFrame(b"b" * 4_000))

    def echo() -> float:
        return siege.call(siege.honest.echo(siege.victim, b"meanwhile"))

    async def story() -> None:
        fast = await (await Hostile.connect(siege.address)).greet()
        slow = await (await Hostile.connect(siege.address)).greet()
        seconds: list[float] = []

        async def crawl() -> None:
            for byte in encode_frame(MessageFrame(b"slow")):
                await slow.data(bytes([byte]))
                await beat()

        async def ask() -> None:
            for _ in range(5):
                seconds.append(await trio.to_thread.run_sync(echo))
                await beat()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(crawl)
            nursery.start_soon(ask)
            for byte in whole:
                await fast.data(bytes([byte]))
        assert max(seconds) < 2, seconds
        for hostile, text in ((fast, b"b" * 4_000), (slow, b"slow")):
            said = await trio.to_thread.run_sync(_said, siege, hostile.peer)
            assert said == text
            await hostile.tcp.aclose()

    before = siege.resident()
    siege.attack(story)
    assert siege.resident() - before < 8 * MIB


def _said(siege: Siege, peer: str) -> bytes:
    return siege.call(siege.victim.wait(Message, lambda event: event.peer == peer)).data


def test_a_reader_that_never_reads_and_goes_on_talking(siege: Siege) -> None:
    """MSH-16, MSH-20: it is no silence, so it stays; what waits for it is bounded, and the daemon is told once"""
    raws = [bytes(30_000)] * 300

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet(Credit(50_000))
        siege.call(siege.victim.wait(Connected, lambda event: event.peer == hostile.peer))
        began = trio.current_time()
        for _ in range(3):
            await trio.to_thread.run_sync(siege.call, siege.victim.mesh.publish([hostile.peer], raws))
        while trio.current_time() < began + SILENCE_MS / 1000 + 0.5:
            await hostile.say(*map(Ping, range(50)))
            await beat()
        told = [event for event in siege.victim.events if isinstance(event, Overflow)]
        assert [event.peer for event in told] == [hostile.peer]
        lost = [event for event in siege.victim.events if isinstance(event, Disconnected)]
        assert hostile.peer not in [event.peer for event in lost]
        await hostile.tcp.aclose()

    before = siege.resident()
    siege.attack(story)
    assert siege.resident() - before < 24 * MIB


def test_pings_of_any_number(siege: Siege) -> None:
    """MSH-11: echoed as they are; a PONG that nobody asked for means nothing; a number beyond all numbers is a fault"""

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet()
        for number in (1, 2**32, 2**52 + 1, BATCH_MAX):
            await hostile.say(Pong(BATCH_MAX - number), Ping(number))
            while (frame := await hostile.hear()) != Pong(number):
                assert not isinstance(frame, Pong), frame
        await hostile.say(MessageFrame(b"still here"))
        await trio.to_thread.run_sync(_said, siege, hostile.peer)
        largest = encode_frame(Ping(BATCH_MAX))
        for said, code in ((encode_frame(Ping(-1)), "MSH-11"), (largest[:-8] + b"\xff" * 8, "ENC-2")):
            liar = await (await Hostile.connect(siege.address)).greet()
            await liar.data(said)
            assert await liar.dismissed() == code
        await hostile.tcp.aclose()

    siege.attack(story)
    traffic = siege.call(siege.victim.mesh.measure())
    assert traffic is not None
    assert all(0 <= number <= BATCH_MAX for number in traffic.numbers)
