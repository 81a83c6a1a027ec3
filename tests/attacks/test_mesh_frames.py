"""Attacks in our own protocol, by peers whose handshake was in order. Each against a real mesh process."""

import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
import trio

from node.mesh import Acknowledged, Connected, Disconnected, Message, Received
from node.mesh.wire import (
    LENGTH_BYTES,
    Ack,
    Credit,
    Frame,
    Ping,
    Pong,
    Records,
    Unknown,
    encode_frame,
)
from node.mesh.wire import Message as MessageFrame
from tests.attacks.hostile import HELLO, LIMITS, Hostile, Siege, cut_off
from tests.test_mesh import BAD_FRAMES, LONG_FRAMES
from tests.towns import NETWORK, record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
MIB = 1 << 20


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    place = Siege()
    yield place
    place.end()


def dismissal(siege: Siege, *frames: Frame) -> str:
    """The clause with which the victim answers these frames."""

    async def story() -> str:
        hostile = await (await Hostile.connect(siege.address)).greet()
        with suppress(Exception):  # the victim may have closed before all was said
            await hostile.say(*frames)
        return await hostile.dismissed()

    return siege.attack(story)


def test_every_malformed_frame_is_answered_with_its_clause(siege: Siege) -> None:
    """MSH-4, MSH-14"""

    async def story() -> None:
        for name, code, body in BAD_FRAMES + LONG_FRAMES:
            hostile = await (await Hostile.connect(siege.address)).greet()
            prefixed = len(body).to_bytes(LENGTH_BYTES, "big") + body
            with suppress(Exception):
                for start in range(0, len(prefixed), 60_000):
                    await hostile.data(prefixed[start : start + 60_000])
            expected = "MSH-4" if len(body) < 2 else code
            assert await hostile.dismissed() in (expected, ""), name
            await hostile.tcp.aclose()

    siege.attack(story)


@pytest.mark.parametrize("claim", [0, 1, MIB + 1, 2**32 - 1])
def test_a_frame_of_impossible_length(siege: Siege, claim: int) -> None:
    """MSH-4"""

    async def story() -> str:
        hostile = await (await Hostile.connect(siege.address)).greet()
        await hostile.data(claim.to_bytes(4, "big"))
        return await hostile.dismissed()

    assert siege.attack(story) == "MSH-4"


def test_frames_that_never_become_whole(siege: Siege) -> None:
    """MSH-4: sixty peers each make us hold most of a megabyte"""

    async def story() -> None:
        crowd = [await (await Hostile.connect(siege.address)).greet() for _ in range(60)]
        for hostile in crowd:
            await hostile.data(MIB.to_bytes(4, "big"))
            for _ in range(4):
                await hostile.data(bytes(60_000))
        assert siege.resident() < LIMITS.memory_bytes_max
        for hostile in crowd:
            await hostile.tcp.aclose()

    siege.attack(story)


def test_silence_before_hello_and_another_network(siege: Siege) -> None:
    """MSH-5"""

    async def story() -> None:
        late = await Hostile.connect(siege.address)
        await late.open()
        stranger = await Hostile.connect(siege.address)
        await stranger.open()
        await stranger.data(encode_frame(replace(HELLO, network=NETWORK[::-1])))
        assert await stranger.dismissed() == "MSH-5"
        large = await Hostile.connect(siege.address)
        await large.open()
        await large.data((9000).to_bytes(4, "big"))
        assert await large.dismissed() == "MSH-4"
        with trio.fail_after(20):
            await late.dismissed()

    siege.attack(story)
    assert not [event for event in siege.victim.events if isinstance(event, Connected)]


def test_forged_records_cost_the_forger_its_connection(siege: Siege) -> None:
    """MSH-9, MSH-14"""
    good = record(1)
    for at in (len(good) - 1, len(good) // 2, 5):
        forged = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        assert dismissal(siege, Records(1, (good, forged))).startswith(("REC-", "ENC-"))
        assert not [event for event in siege.victim.events if isinstance(event, Received)], "nothing of that frame"
    assert dismissal(siege, Records(1, (b"",))).startswith("ENC-")
    assert not [event for event in siege.honest.events if isinstance(event, Acknowledged)]


def test_who_was_at_fault_is_not_let_in_again_for_a_while(siege: Siege) -> None:
    """MSH-14: 3 s in this test"""
    seed = b"f" * 32

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address, seed)).greet(Records(7, (record(1),)))
        assert await hostile.dismissed() == "MSH-6"
        again = await Hostile.connect(siege.address, seed)
        with cut_off():
            await again.greet()
        other = await (await Hostile.connect(siege.address)).greet()
        await other.tcp.aclose()

    siege.attack(story)


def test_more_records_than_credit(siege: Siege) -> None:
    """MSH-7"""
    raws = tuple(record(number, 0) for number in range(200))  # so small that its weight pauses nobody (MSH-30)
    batches = [Records(number + 1, raws) for number in range(6)]
    siege.victim.acknowledges = False
    try:
        assert dismissal(siege, *batches) == "MSH-7"
        got = sum(len(event.raws) for event in siege.victim.events if isinstance(event, Received))
        assert got == 1000 <= LIMITS.credit_units
    finally:
        siege.victim.acknowledges = True


@pytest.mark.parametrize(
    ("code", "frames"),
    [
        ("MSH-5", (HELLO,)),
        ("MSH-6", (Records(2, (b"x",)),)),
        ("MSH-8", (Ack(1, ("",)),)),
        ("MSH-7", (Credit(65_536),)),
        ("MSH-12", tuple(Unknown(9) for _ in range(10_001))),
    ],
)
def test_frames_out_of_order(siege: Siege, code: str, frames: tuple[Frame, ...]) -> None:
    """MSH-5, MSH-6, MSH-7, MSH-8, MSH-12"""
    assert dismissal(siege, *frames) == code


def test_a_flood_of_pings_is_answered_and_grows_nothing(siege: Siege) -> None:
    """MSH-11"""

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet()
        for start in range(0, 20_000, 500):
            await hostile.say(*[Ping(start + number) for number in range(500)])
        while True:
            frame = await hostile.hear()
            if isinstance(frame, Pong) and frame.n == 19_999:
                break
        await hostile.tcp.aclose()

    before = siege.resident()
    siege.attack(story)
    assert siege.resident() - before < 8 * MIB


def test_a_peer_that_reads_nothing(siege: Siege) -> None:
    """MSH-10, MSH-16: what waits for it is bounded, and nobody else waits"""

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet(Credit(50_000))
        siege.call(siege.victim.wait(Connected, lambda event: event.peer == hostile.peer))
        for _ in range(400):
            siege.call(siege.victim.mesh.publish([hostile.peer], [bytes(60_000)]))
            siege.call(siege.victim.mesh.send(hostile.peer, bytes(200_000)))
        gone = siege.call(siege.victim.wait(Disconnected, lambda event: event.peer == hostile.peer))
        assert "MSH-10" in gone.reason
        await hostile.tcp.aclose()

    before = siege.resident()
    siege.attack(story)
    assert siege.resident() - before < 64 * MIB


def test_a_flood_of_messages_leaves_the_honest_peer_its_turn(siege: Siege) -> None:
    """MSH-16: the daemon is fed in turn"""
    # The ping behind each helping paces the flood at the victim's reading speed, so that the window is respected.
    helping = encode_frame(MessageFrame(bytes(200))) * 250 + encode_frame(Ping(1))

    async def pour(hostile: Hostile) -> None:
        for _ in range(40):
            await hostile.data(helping)
            while not isinstance(await hostile.hear(), Pong):
                pass

    def echo() -> float:
        return siege.call(siege.honest.echo(siege.victim, b"still there?"))

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour, hostile)
            seconds = [await trio.to_thread.run_sync(echo) for _ in range(10)]
            assert sorted(seconds)[5] < 2
        await hostile.tcp.aclose()

    siege.attack(story)
    assert sum(isinstance(event, Message) for event in siege.victim.events) >= 10_000


def test_one_identity_over_and_over_keeps_one_connection(siege: Siege) -> None:
    """MSH-15"""
    seed = b"o" * 32

    async def story() -> None:
        crowd = [await (await Hostile.connect(siege.address, seed)).greet() for _ in range(20)]
        for hostile in crowd[:-1]:
            assert await hostile.dismissed() in ("MSH-15", "")
        await crowd[-1].say(MessageFrame(b"last"))
        siege.call(siege.victim.wait(Message, lambda event: event.data == b"last"))
        for hostile in crowd:
            await hostile.tcp.aclose()

    siege.attack(story)


def test_many_identities_from_one_address_are_bounded(siege: Siege) -> None:
    """MSH-18"""

    async def story() -> int:
        crowd = []
        for _ in range(LIMITS.inbound_per_ip_max + 10):
            hostile = await Hostile.connect(siege.address)
            crowd.append(await hostile.greet())
        refused = 0
        with trio.move_on_after(2):
            for hostile in reversed(crowd):
                refused += await hostile.dismissed() == "MSH-18"
        for hostile in crowd:
            await hostile.tcp.aclose()
        return refused

    assert siege.attack(story) >= 10


def test_who_is_not_dealt_with_yet_pauses_alone(siege: Siege) -> None:
    """MSH-30: two megabytes for a daemon that is busy wait where they come from, and everybody else is heard"""
    frame = encode_frame(MessageFrame(bytes(30_000)))

    async def pour(hostile: Hostile) -> None:
        for _ in range(70):
            while hostile.room < len(frame):
                await hostile.hear()
            await hostile.data(frame)

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet()
        siege.victim.busy_with = hostile.peer
        with trio.move_on_after(3) as patience:
            await pour(hostile)
        assert patience.cancelled_caught, "all of it was taken"
        got = [event for event in siege.victim.events if isinstance(event, Message) and event.peer == hostile.peer]
        assert 256 * 1024 <= sum(len(event.data) for event in got) < 512 * 1024
        assert siege.call(siege.honest.echo(siege.victim, b"and I?")) < 2
        siege.victim.busy_with = ""
        await hostile.tcp.aclose()

    siege.attack(story)


def test_a_storm_of_short_visits(siege: Siege) -> None:
    """MSH-15, MSH-18: two hundred identities come, say HELLO and leave; nobody waits for them and nothing stays"""

    async def visit() -> None:
        for _ in range(20):
            with suppress(Exception):
                hostile = await (await Hostile.connect(siege.address)).greet()
                await hostile.tcp.aclose()

    def echo() -> float:
        return siege.call(siege.honest.echo(siege.victim, b"in the storm"))

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(visit)
            seconds = [await trio.to_thread.run_sync(echo) for _ in range(8)]
            assert sorted(seconds)[4] < 2

    before = siege.resident()
    siege.attack(story)
    assert siege.resident() - before < 16 * MIB


@pytest.mark.parametrize("pest", ["pings", "frames of a byte", "messages of nothing"])
def test_a_flood_of_what_says_nothing_leaves_the_honest_peer_its_turn(siege: Siege, pest: str) -> None:
    """MSH-30 pauses nobody who says nothing; a connection is served in short turns all the same"""
    small = encode_frame(Ping(1))

    async def pour(hostile: Hostile) -> None:
        while True:
            if pest == "messages of nothing":
                cipher = hostile.session.conn.noise_state
                sealed = [cipher.encrypt(b"") for _ in range(2000)]
                await hostile.tcp.send_all(b"".join(len(one).to_bytes(2, "big") + one for one in sealed))
                continue
            while hostile.room < 60_000:
                await hostile.hear()
            if pest == "pings":
                await hostile.data(small * (60_000 // len(small)))
            else:
                parts = b"".join(struct.pack("!BBHII", 0, 0, 0, 1, 1) + bytes([byte]) for byte in small)
                times = 60_000 // len(parts)
                hostile.room -= times * len(small)
                await hostile.session.write(parts * times)

    def echo() -> float:
        return siege.call(siege.honest.echo(siege.victim, b"meanwhile"))

    async def story() -> float:
        hostile = await (await Hostile.connect(siege.address)).greet()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour, hostile)
            seconds = sorted([await trio.to_thread.run_sync(echo) for _ in range(60)][20:])
            nursery.cancel_scope.cancel()
        await hostile.tcp.aclose()
        return seconds[20]

    assert siege.attack(story) < 0.04, "a turn of this peer took longer than all that the other asked for"
