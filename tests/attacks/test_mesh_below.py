"""Attacks below our own protocol: sockets, multistream-select, Noise, yamux. Each against a real mesh process.

The controls run the same attack against the library as it comes, and show that it would have worked.
"""

import struct
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from libp2p.crypto.rsa import create_new_key_pair as create_rsa_key_pair
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.stream_muxer.yamux.yamux import Yamux

from node.mesh import Connected, Disconnected
from tests.attacks.hostile import (
    ACK,
    DATA,
    HELLO,
    MULTISTREAM,
    PING,
    PROTOCOL,
    RST,
    SYN,
    WINDOW_UPDATE,
    Hostile,
    Siege,
    cut_off,
    ended,
    knock,
    line,
    varint,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
MIB = 1 << 20


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    place = Siege()
    yield place
    place.end()


@pytest.mark.parametrize("name", [b"\xff\xfe\x00", "/wltm/mësh/1".encode(), b"", b"ls", b"/nothing/1.0.0", b"x" * 1000])
def test_a_protocol_name_that_nobody_knows_or_that_is_no_text(siege: Siege, name: bytes) -> None:
    """MSH-2, MSH-3: the stock host dies of the first"""

    async def story() -> None:
        hostile = await Hostile.connect(siege.address)
        await hostile.open(name, 3)
        await hostile.greet()  # the connection itself goes on
        await hostile.tcp.aclose()

    siege.attack(story)


def test_control_the_stock_negotiation_dies_of_a_name_that_is_no_text() -> None:
    class Wire:
        left = line(b"\xff\xfe")

        async def read(self, n: int = -1) -> bytes:
            got, self.left = self.left[:n], self.left[n:]
            return got

    with pytest.raises(UnicodeDecodeError):
        trio.run(MultiselectCommunicator(Wire()).read)


@pytest.mark.parametrize("claim", [1025, 1 << 20, 4 << 30, 1 << 63])
def test_a_message_that_claims_to_be_huge_before_anyone_knows_who_sends_it(siege: Siege, claim: int) -> None:
    """MSH-2"""

    async def story() -> None:
        tcp = await knock(siege.address)
        await tcp.send_all(varint(claim) + bytes(1024))
        await ended(tcp)

    before = siege.resident()
    siege.attack(story)
    assert siege.resident() - before < 8 * MIB


def test_control_the_stock_negotiation_waits_for_whatever_is_claimed() -> None:
    asked: list[int] = []

    class Wire:
        left = varint(4 << 30)

        async def read(self, n: int = -1) -> bytes:
            asked.append(n)
            got, self.left = self.left[:n], self.left[n:]
            return got

    with pytest.raises(Exception, match="communicator"):
        trio.run(MultiselectCommunicator(Wire()).read)
    assert max(asked) == 4 << 30


def test_bytes_that_are_no_handshake(siege: Siege) -> None:
    """MSH-1"""

    async def throw(data: bytes) -> None:
        tcp = await knock(siege.address)
        await tcp.send_all(data)
        await ended(tcp)

    async def story() -> None:
        garbage = (
            bytes(64),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01" + bytes(200),
            line(MULTISTREAM) + line("/plaintext/2.0.0") + line("/tls/1.0.0"),
            line(MULTISTREAM) + line("/noise") + b"\xff\xff" + bytes(65_535),
            line(MULTISTREAM) + line("/noise") + b"\x00\x00",
            line(MULTISTREAM) + line("/noise") + b"\x00\x20" + bytes(32),
        )
        async with trio.open_nursery() as nursery:
            for one in garbage:
                nursery.start_soon(throw, one)

    siege.attack(story)


def test_a_key_that_is_not_ed25519(siege: Siege) -> None:
    """MSH-1"""

    async def story() -> None:
        with cut_off():
            hostile = await Hostile.connect(siege.address, pair=create_rsa_key_pair(2048))
            await hostile.greet()

    siege.attack(story)
    assert not [event for event in siege.victim.events if isinstance(event, Connected)]


def test_idle_sockets_lock_nobody_out(siege: Siege) -> None:
    """MSH-18: a stock host makes a newcomer wait up to 10 s"""

    async def story() -> float:
        idle = [await knock(siege.address) for _ in range(400)]
        began = trio.current_time()
        hostile = await Hostile.connect(siege.address)
        await hostile.greet()
        took = trio.current_time() - began
        for tcp in [*idle, hostile.tcp]:
            await tcp.aclose()
        return took

    assert siege.attack(story) < 2.5, "less than it takes for an idle socket to be closed"


def test_a_handshake_a_byte_at_a_time_is_cut_off(siege: Siege) -> None:
    """MSH-2: 3 s in this test"""

    async def story() -> None:
        tcp = await knock(siege.address)
        with trio.fail_after(20):
            try:
                for byte in line(MULTISTREAM) * 1000:
                    await tcp.send_all(bytes([byte]))
                    with trio.move_on_after(0.3):
                        await trio.sleep_forever()
            except trio.BrokenResourceError:
                return

    siege.attack(story)


def test_a_connection_that_never_opens_a_stream_is_cut_off(siege: Siege) -> None:
    """MSH-2"""

    async def story() -> None:
        hostile = await Hostile.connect(siege.address)
        with trio.fail_after(20):
            await hostile.dismissed()

    siege.attack(story)


def test_a_peer_that_ignores_the_window(siege: Siege) -> None:
    """MSH-2: a stock host grew by 300 MiB in 3.6 s"""

    async def story() -> None:
        for opened in (True, False):
            hostile = await Hostile.connect(siege.address)
            if opened:
                await hostile.greet()
            stream = 1 if opened else 3
            with cut_off():
                await hostile.data(bytes(1000), stream, 0 if opened else SYN)
                for _ in range(2000):
                    await hostile.data(bytes(60_000), stream)
            await hostile.tcp.aclose()

    before = siege.resident()
    siege.attack(story)
    assert siege.resident() - before < 8 * MIB


@pytest.mark.parametrize("flags", [0, SYN, ACK])
def test_a_frame_longer_than_the_window(siege: Siege, flags: int) -> None:
    """MSH-2: before its bytes are read"""

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet()
        await hostile.yamux(DATA, flags, 1 if flags != SYN else 9, 512 * 1024, bytes(1000))
        with trio.fail_after(4):  # sooner than silence would end it
            await hostile.dismissed()

    siege.attack(story)


def test_control_the_stock_muxer_holds_whatever_it_is_sent() -> None:
    class Session:
        is_initiator = False
        left = b"".join(
            header + body
            for header, body in [
                (b"\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\xff\x00", bytes(0xFF00)),
                *[(b"\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\xff\x00", bytes(0xFF00))] * 40,
            ]
        )

        async def read(self, n: int = -1) -> bytes:
            got, self.left = self.left[:n], self.left[n:]
            if not got:
                held.append(sum(map(len, muxers[0].stream_buffers.values())))
            return got

        async def write(self, data: bytes) -> None:
            await trio.lowlevel.checkpoint()

        async def close(self) -> None:
            await trio.lowlevel.checkpoint()

    held: list[int] = []
    muxers: list[Yamux] = []

    async def story() -> None:
        session: Any = Session()
        peer: Any = None
        muxers.append(Yamux(session, peer, is_initiator=False))
        await muxers[0].start()

    trio.run(story)
    assert max(held) > 2 * MIB, "ten times what it had granted"


def test_more_streams_than_anyone_needs(siege: Siege) -> None:
    """MSH-2"""

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet()
        with cut_off():
            for number in range(3, 20_000, 2):
                await hostile.yamux(WINDOW_UPDATE, SYN, number, 0)
                if number > 50:
                    await hostile.session.read(12)
        await hostile.tcp.aclose()

    siege.attack(story)


@pytest.mark.parametrize(
    ("kind", "flags", "stream"), [(PING, SYN, 0), (WINDOW_UPDATE, 0, 1), (DATA, 0, 1), (WINDOW_UPDATE, RST, 77)]
)
def test_a_flood_of_frames_that_carry_nothing(siege: Siege, kind: int, flags: int, stream: int) -> None:
    """MSH-2"""

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet()
        with cut_off():
            for _ in range(50_000):
                await hostile.yamux(kind, flags, stream, 0)
        await hostile.tcp.aclose()

    siege.attack(story)


@pytest.mark.parametrize("header", [b"\x01" + bytes(11), b"\x00\x09" + bytes(10), b"\x00\x03" + bytes(10)])
def test_frames_that_yamux_does_not_have(siege: Siege, header: bytes) -> None:
    """MSH-2"""

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet()
        await hostile.session.write(header)
        with trio.fail_after(4):
            await hostile.dismissed()

    siege.attack(story)


def test_a_second_stream_of_the_same_protocol_is_refused(siege: Siege) -> None:
    """MSH-3"""

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet()
        await hostile.open(PROTOCOL, 3)
        while True:
            _, kind, _, stream, length = struct.unpack("!BBHII", await hostile.session.read(12))
            body = await hostile.session.read(length) if kind == DATA and length else b""
            if stream == 3 and body.endswith(b"na\n"):
                break
        await hostile.say(HELLO)
        assert await hostile.dismissed() == "MSH-5", "the first stream is the one that counts"

    siege.attack(story)


def test_a_peer_that_vanishes_without_closing(siege: Siege) -> None:
    """MSH-11: 6 s in this test; a stock host called it connected after 45"""

    async def story() -> None:
        hostile = await (await Hostile.connect(siege.address)).greet()
        with trio.fail_after(30):
            await hostile.dismissed()
        siege.call(siege.victim.wait(Connected, lambda event: event.peer == hostile.peer))
        gone = siege.call(siege.victim.wait(Disconnected, lambda event: event.peer == hostile.peer))
        assert "MSH-11" in gone.reason

    siege.attack(story)
