"""Frames, credit, admission and the bridge, as bytes and dialogues; the process itself is in test_mesh_process.py."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mesh import MeshConfig, bridge, link, verifier, wire
from node.mesh.bridge import Acknowledged, Connected, Limits, MeshEvent, Overflow, Received, encode_item, parse_item
from node.mesh.gate import BANS_MAX, Gate
from node.mesh.link import Link
from node.mesh.verifier import SEEN_MAX, Verifier
from node.mesh.wire import (
    FRAME_BYTES_MAX,
    Ack,
    Credit,
    Goodbye,
    Hello,
    Message,
    Ping,
    Pong,
    Records,
    Splitter,
    Unknown,
    cost,
    encode_frame,
    parse_address,
    parse_frame,
)
from protocol.encoding import digest, encode
from protocol.errors import Ignore, Reject
from protocol.identity import Persona
from protocol.record.record import Record
from tests.fakes_mesh import FakeMesh, Hub

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "mesh.json"
NETWORK = bytes(range(32))
AUTHOR = Persona.from_seed(b"m" * 32)
LIMITS = Limits()
# From the libp2p specification of peer ids.
PEER = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
HELLO = Hello(1, NETWORK, {"credit": 100})


def record(number: int, network: bytes = NETWORK, pad: int = 0) -> bytes:
    """A record of a kind nobody knows yet: carried by all, read by none."""
    body = {"number": number, "pad": "x" * pad}
    return Record.sign(AUTHOR, network, "test.1", "coop/mesh", body, created=number, expires=number + 60_000).raw


# --- vectors -------------------------------------------------------------------------------------------------------

GOOD_FRAMES: list[tuple[str, str, wire.Frame]] = [
    ("hello", "MSH-5", HELLO),
    ("hello of a later version with features nobody knows", "MSH-5", Hello(7, NETWORK, {"colour": "blue"})),
    ("one record", "MSH-6", Records(1, (b"\x93\x01",))),
    ("two records, the second empty", "MSH-6", Records(300, (b"abc", b""))),
    ("ack: taken, and a verdict", "MSH-8", Ack(1, ("", "REC-13"))),
    ("message", "MSH-10", Message(b"\x00\xff")),
    ("empty message", "MSH-10", Message(b"")),
    ("ping", "MSH-11", Ping(0)),
    ("pong", "MSH-11", Pong(2**53 - 1)),
    ("credit", "MSH-7", Credit(65_536)),
    ("goodbye without fault", "MSH-13", Goodbye("")),
    ("goodbye with a clause", "MSH-13", Goodbye("MSH-7")),
    ("unknown type with any fields", "MSH-12", Unknown(8)),
]
BAD_FRAMES: list[tuple[str, str, bytes]] = [
    ("empty", "MSH-4", b""),
    ("not an array", "MSH-4", msgpack.packb({"a": 1})),
    ("empty array", "MSH-4", b"\x90\x00"),
    ("cut short", "ENC-8", b"\x93\x01\x01"),
    ("bytes after it", "ENC-8", msgpack.packb([4, 1]) + b"\x00"),
    ("an integer not in its shortest form", "ENC-4", b"\x92\x04\xcc\x01"),
    ("nil", "ENC-1", msgpack.packb([4, None])),
    ("type not an integer", "MSH-4", msgpack.packb(["4", 1])),
    ("type below 0", "MSH-4", msgpack.packb([-1, 1])),
    ("boolean for an integer", "MSH-11", msgpack.packb([4, True])),
    ("ping below 0", "MSH-11", msgpack.packb([4, -1])),
    ("a field too many", "MSH-4", msgpack.packb([4, 1, 1])),
    ("a field missing", "MSH-4", msgpack.packb([1, 1])),
    ("version 0", "MSH-5", msgpack.packb([0, 0, NETWORK, {}])),
    ("network of 31 bytes", "MSH-5", msgpack.packb([0, 1, NETWORK[1:], {}])),
    ("features not a map", "MSH-4", msgpack.packb([0, 1, NETWORK, []])),
    ("17 features", "MSH-5", msgpack.packb([0, 1, NETWORK, {f"f{n:02}": 1 for n in range(17)}])),
    ("features of 5 kB", "MSH-5", msgpack.packb([0, 1, NETWORK, {"f": "x" * 5000}])),
    ("batch 0", "MSH-6", msgpack.packb([1, 0, [b"a"]])),
    ("no records", "MSH-6", msgpack.packb([1, 1, []])),
    ("a record that is text", "MSH-6", msgpack.packb([1, 1, ["a"]])),
    ("no codes", "MSH-8", msgpack.packb([2, 1, []])),
    ("a code of 33 characters", "MSH-8", msgpack.packb([2, 1, ["x" * 33]])),
    ("a code with a newline", "MSH-8", msgpack.packb([2, 1, ["a\n"]])),
    ("a code beyond ASCII", "MSH-13", msgpack.packb([7, "é"])),
    ("message that is text", "MSH-10", msgpack.packb([3, "a"])),
    ("no credit at all", "MSH-7", msgpack.packb([6, 0])),
    ("too much credit", "MSH-7", msgpack.packb([6, 65_537])),
    ("unknown type that is no encoded value", "ENC-1", msgpack.packb([8, 1.5])),
]
LONG_FRAMES: list[tuple[str, str, bytes]] = [  # too long for the vectors' file
    ("1,001 records", "ENC-6", msgpack.packb([1, 1, [b"a"] * 1001])),
    ("a record of 64 KiB and a byte", "MSH-6", msgpack.packb([1, 1, [bytes(65_537)]])),
    ("a message of 256 KiB and a byte", "MSH-10", msgpack.packb([3, bytes(262_145)])),
    ("an unknown frame of 4 KiB and a byte", "MSH-12", msgpack.packb([8, bytes(4092)])),
    ("an array inside an array, 10,000 deep", "MSH-12", b"\x92\x08" + b"\x91" * 10_000),
]
GOOD_ADDRESSES = [
    f"/ip4/127.0.0.1/tcp/4001/p2p/{PEER}",
    f"/ip6/::1/tcp/1/p2p/{PEER}",
    f"/dns/relay.example/tcp/65535/p2p/{PEER}",
    "/ip4/0.0.0.0/tcp/0",
    "/ip4/127.0.0.1/tcp/4002/ws",
    f"/ip6/::1/tcp/4002/ws/p2p/{PEER}",
    f"/dns4/relay.example/tcp/443/wss/p2p/{PEER}",
]
BAD_ADDRESSES = [
    "",
    "127.0.0.1:4001",
    "/ip4/127.0.0.1/udp/4001",
    "/ip4//tcp/4001",
    "/ip4/relay.example/tcp/4001",
    "/ip4/::1/tcp/4001",
    "/ip4/127.0.0.1.1/tcp/4001",
    "/dns/relay..example/tcp/4001",
    "/dns/" + "x" * 64 + "/tcp/4001",
    "/dns/relay example/tcp/4001",
    "/ip4/127.0.0.1/tcp/65536",
    "/ip4/127.0.0.1/tcp/-1",
    "/ip4/127.0.0.1/tcp/４００１",
    "/ip4/127.0.0.1/tcp/4001/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
    f"/ip4/127.0.0.1/tcp/4001/p2p/{PEER[:-1]}0",
    f"/ip4/127.0.0.1/tcp/4001/p2p/{PEER}/p2p-circuit",
    "/ip4/" + "1" * 600 + "/tcp/1",
    f"/ip4/127.0.0.1/tcp/4001/p2p/{PEER}/ws",
    f"/ip4/127.0.0.1/tcp/4001/ws/ws/p2p/{PEER}",
    f"/ip4/127.0.0.1/tcp/4001/tls/p2p/{PEER}",
    f"/ip4/127.0.0.1/ws/tcp/4001/p2p/{PEER}",
]
COSTS = [0, 1, 4096, 4097, 65_536]


def shown(frame: wire.Frame) -> dict[str, Any]:
    """A frame as JSON: its name and fields, bytes in hexadecimal."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        return value.hex() if isinstance(value, bytes) else value

    return {"type": type(frame).__name__.upper(), **{key: plain(value) for key, value in asdict(frame).items()}}


def vectors() -> dict[str, Any]:
    """Frames, addresses and costs for a second implementation."""
    cases: list[dict[str, Any]] = []
    for name, clause, frame in GOOD_FRAMES:
        data = encode_frame(frame)[wire.LENGTH_BYTES :]
        cases.append({"name": name, "clause": clause, "input": {"frame": data.hex()}, "output": shown(frame)})
    for name, code, data in BAD_FRAMES:
        cases.append({"name": name, "clause": code, "input": {"frame": data.hex()}, "reject": code})
    for text in GOOD_ADDRESSES:
        address = asdict(parse_address(text))
        cases.append({"name": "address", "clause": "MSH-17", "input": {"address": text}, "output": address})
    for text in BAD_ADDRESSES:
        cases.append({"name": "bad address", "clause": "MSH-17", "input": {"address": text}, "reject": "MSH-17"})
    for size in COSTS:
        units = cost(bytes(size))
        cases.append({"name": "cost", "clause": "MSH-7", "input": {"record_bytes": size}, "output": {"units": units}})
    return {"name": "mesh", "spec": "03-mesh", "cases": cases}


def test_the_committed_vectors_are_those_of_the_code() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == vectors()


def test_good_frames_come_back_as_they_were_sent() -> None:
    for name, _, frame in GOOD_FRAMES:
        assert parse_frame(encode_frame(frame)[wire.LENGTH_BYTES :]) == frame, name


def test_bad_frames_are_rejected_with_their_clause() -> None:
    for name, code, data in BAD_FRAMES + LONG_FRAMES:
        with pytest.raises(Reject) as caught:
            parse_frame(data)
        assert caught.value.code == code, name


def test_bad_addresses_are_rejected() -> None:
    """MSH-17"""
    for text in BAD_ADDRESSES:
        with pytest.raises(Reject) as caught:
            parse_address(text)
        assert caught.value.code == "MSH-17", text
    assert [str(parse_address(text)) for text in GOOD_ADDRESSES] == GOOD_ADDRESSES
    assert str(parse_address(f"/dns4/relay.example/tcp/443/tls/ws/p2p/{PEER}")) == GOOD_ADDRESSES[-1]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_frame_or_rejected(data: bytes) -> None:
    """MSH-4"""
    for parse in (parse_frame, parse_item):
        try:
            parse(data)
        except Reject:
            continue


frames = st.one_of(
    st.builds(Message, st.binary(max_size=100)),
    st.builds(Records, st.integers(1, 2**53 - 1), st.lists(st.binary(max_size=50), min_size=1, max_size=9).map(tuple)),
    st.builds(Ping, st.integers(0, 2**53 - 1)),
)


@given(st.lists(frames, max_size=12), st.lists(st.integers(1, 90), min_size=1))
def test_frames_survive_any_cutting(sent: list[wire.Frame], cuts: list[int]) -> None:
    """MSH-4"""
    stream, splitter, got = b"".join(map(encode_frame, sent)), Splitter(), list[wire.Frame]()
    at = turn = 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        got += map(parse_frame, splitter.feed(stream[at : at + step]))
        at, turn = at + step, turn + 1
    assert got == sent


def test_a_length_out_of_bounds_is_refused_before_its_bytes_are_awaited() -> None:
    """MSH-4"""
    for size in (0, 1, FRAME_BYTES_MAX + 1, 2**32 - 1):
        with pytest.raises(Reject) as caught:
            list(Splitter().feed(size.to_bytes(4, "big")))
        assert caught.value.code == "MSH-4"
    assert list(Splitter().feed(FRAME_BYTES_MAX.to_bytes(4, "big") + b"\x92")) == []
    with pytest.raises(Reject):
        list(stranger().feed((8193).to_bytes(4, "big"), 0))
    assert list(stranger(HELLO).feed((8193).to_bytes(4, "big"), 0)) == []


# --- the bridge ----------------------------------------------------------------------------------------------------

ITEMS: list[bridge.Item] = [
    bridge.Start(NETWORK, b"s" * 32, ("/ip4/0.0.0.0/tcp/0",), 7, (1, 2)),
    bridge.Publish((PEER,), (b"a", b"b")),
    bridge.Send(PEER, b"m"),
    bridge.Dial(GOOD_ADDRESSES[0]),
    bridge.Dial(GOOD_ADDRESSES[0], ("global",)),
    bridge.Forget(PEER),
    bridge.Acknowledge(PEER, 3, ("", "REC-13")),
    bridge.Drop(PEER, "REC-6"),
    bridge.Ready(PEER, (GOOD_ADDRESSES[0],)),
    bridge.Failed("no"),
    bridge.Connected(PEER, GOOD_ADDRESSES[0], True),
    bridge.Measure(),
    bridge.Measured((PEER,), (GOOD_ADDRESSES[0],), (1, 2, 3), (0, 0)),
    bridge.Disconnected(PEER, "closed"),
    bridge.Received(PEER, 1, (b"a",)),
    bridge.Message(PEER, b"m"),
    bridge.Acknowledged(PEER, 1, ("",)),
    bridge.Overflow(PEER),
]


def test_the_bridge_carries_every_command_and_event_and_nothing_else() -> None:
    """MSH-16"""
    for item in ITEMS:
        assert parse_item(encode_item(item)[4:]) == item
    bads: list[Any] = [[], [99], [-1], [1], [1, PEER, [b"a"]], [1, [PEER], ["a"]], [3, 1], [8, PEER, "x", 1], {}, None]
    for bad in bads:
        with pytest.raises(Reject) as caught:
            parse_item(msgpack.packb(bad))
        assert caught.value.code == "MSH-16"


# --- dialogues -----------------------------------------------------------------------------------------------------

Check = Callable[[Sequence[bytes]], None]


class Pair:
    """Two links joined by a wire; each side's events in a list."""

    def __init__(self, check: Check = lambda raws: None, limits: Limits = LIMITS) -> None:
        self.a = Link(NETWORK, check, "B", "there", True, limits, 0)
        self.b = Link(NETWORK, check, "A", "here", False, limits, 0)
        self.events: dict[Link, list[MeshEvent]] = {self.a: [], self.b: []}
        self.now_ms = 0

    def settle(self) -> None:
        """Carry bytes both ways until both are silent."""
        busy = True
        while busy:
            busy = False
            for sender, receiver in ((self.a, self.b), (self.b, self.a)):
                while data := sender.pull():
                    busy = True
                    self.events[receiver] += filter(None, receiver.feed(data, self.now_ms))


def greeted(**kwargs: Any) -> Pair:
    pair = Pair(**kwargs)
    pair.settle()
    return pair


def stranger(*sent: wire.Frame, limits: Limits = LIMITS, check: Check = lambda raws: None) -> Link:
    """A link that has heard these frames from a peer of another make."""
    heard = Link(NETWORK, check, PEER, "here", False, limits, 0)
    for frame in sent:
        list(heard.feed(encode_frame(frame), 0))
    return heard


def said(speaker: Link) -> list[wire.Frame]:
    """What a link would put on the wire now."""
    got: list[wire.Frame] = []
    while data := speaker.pull():
        got += map(parse_frame, Splitter().feed(data))
    return got


def fault(*sent: wire.Frame, **kwargs: Any) -> str:
    """The clause that ends the conversation at the last of these frames, and at none before."""
    heard = stranger(*sent[:-1], **kwargs)
    with pytest.raises(Reject) as caught:
        list(heard.feed(encode_frame(sent[-1]), 0))
    return caught.value.code


def test_two_peers_greet_exchange_and_acknowledge() -> None:
    """MSH-3, MSH-5, MSH-6, MSH-8, MSH-10"""
    pair = greeted()
    assert pair.events[pair.a] == [Connected("B", "there", True)]
    assert pair.events[pair.b] == [Connected("A", "here", False)]
    pair.a.publish([b"one", b"two"])
    assert pair.a.send(b"hello")
    pair.settle()
    assert pair.events[pair.b][1:] == [bridge.Message("A", b"hello"), Received("A", 1, (b"one", b"two"))]
    assert pair.b.acknowledge(1, ["", "REC-13"])
    assert not pair.b.acknowledge(1, ["", ""]), "once only"
    pair.settle()
    assert pair.events[pair.a][1:] == [Acknowledged("B", 1, ("", "REC-13"))]


def test_acks_of_small_batches_wait_for_company_and_those_of_large_ones_do_not() -> None:
    """MSH-8"""
    pair = greeted()
    for raws in ([b"one"], [b"two"], [b"x"] * 100):
        pair.a.publish(raws)
        pair.settle()
    readiness = [pair.b.ready]
    for batch, records in ((1, 1), (2, 1), (3, 100)):
        assert pair.b.acknowledge(batch, [""] * records)
        readiness.append(pair.b.ready)
    assert readiness == [False, False, False, True], "nothing is sent for the sake of small ones yet"
    assert said(pair.b) == [Ack(3, ("",) * 100), Ack(1, ("",)), Ack(2, ("",))], "they travel along"
    pair.a.publish([b"three"])
    pair.settle()
    assert pair.b.acknowledge(4, [""])
    pair.b.hasten()
    assert pair.b.ready
    assert said(pair.b) == [Ack(4, ("",))]


def test_a_goodbye_follows_a_hello_that_was_not_sent_yet() -> None:
    """MSH-5, MSH-13"""
    leaving = Link(NETWORK, lambda raws: None, PEER, "here", False, LIMITS, 0)
    leaving.part("MSH-18")
    assert [type(frame) for frame in said(leaving)] == [Hello, Goodbye]
    leaving.acknowledge(1, [""])
    leaving.part("")
    assert said(leaving) == [Goodbye("")]


def test_who_does_not_begin_with_hello_or_is_of_another_network_is_at_fault() -> None:
    """MSH-5"""
    assert fault(Ping(1)) == "MSH-5"
    assert fault(replace(HELLO, network=bytes(32))) == "MSH-5"
    assert fault(HELLO, HELLO) == "MSH-5"
    assert stranger(Goodbye("MSH-18")).farewell == "MSH-18"


def test_nothing_but_hello_is_said_before_the_other_greets() -> None:
    """MSH-5"""
    alone = stranger()
    alone.publish([b"a"])
    alone.send(b"b")
    assert said(alone) == [Hello(1, NETWORK, {"credit": LIMITS.credit_units})]


def test_a_sender_stays_within_the_credit_it_is_given() -> None:
    """MSH-7"""
    sender = stranger(replace(HELLO, features={"credit": 5}))
    sender.publish([b"x" * 4096, b"x" * 4097, b"x" * 9000])
    batches = [frame for frame in said(sender) if isinstance(frame, Records)]
    assert [sum(map(cost, batch.raws)) for batch in batches] == [3]
    list(sender.feed(encode_frame(Credit(1)), 0))
    assert next(frame for frame in said(sender) if isinstance(frame, Records)).batch == 2


def test_who_sends_beyond_its_credit_is_at_fault() -> None:
    """MSH-7"""
    small = Limits(credit_units=32)
    full = Records(1, (b"x",) * 32)
    assert fault(HELLO, full, Records(2, (b"x",)), limits=small) == "MSH-7"
    assert fault(HELLO, Records(1, (b"x" * 65_536,) * 3), limits=small) == "MSH-7"
    assert fault(HELLO, Credit(65_536)) == "MSH-7"
    heard = stranger(HELLO, full, limits=small)
    assert heard.acknowledge(1, [""] * 32)
    assert [frame for frame in said(heard) if isinstance(frame, Credit)] == [Credit(32)]
    list(heard.feed(encode_frame(Records(2, (b"x",))), 0))


@given(st.lists(st.integers(1, 65_536), min_size=1, max_size=200))
def test_whatever_the_sizes_all_records_arrive_in_order_and_credit_comes_back(sizes: list[int]) -> None:
    """MSH-7"""
    pair = greeted(limits=Limits(credit_units=64, outbox_bytes_max=1 << 30))
    raws = [number.to_bytes(4, "big") + bytes(max(0, size - 4)) for number, size in enumerate(sizes)]
    assert pair.a.publish(raws) is None
    got: list[bytes] = []
    while len(got) < len(raws):
        pair.events[pair.b].clear()
        pair.settle()
        batches = [event for event in pair.events[pair.b] if isinstance(event, Received)]
        assert batches, "the sender waits for credit that never comes"
        assert sum(cost(raw) for batch in batches for raw in batch.raws) <= 64
        for batch in batches:
            got += batch.raws
            assert pair.b.acknowledge(batch.batch, [""] * len(batch.raws))
    assert got == raws


def test_batches_must_ascend_and_acks_must_fit() -> None:
    """MSH-6, MSH-8"""
    assert fault(HELLO, Records(2, (b"a",))) == "MSH-6"
    assert fault(HELLO, Records(1, (b"a",)), Records(1, (b"a",))) == "MSH-6"
    assert fault(HELLO, Ack(1, ("",))) == "MSH-8"
    sender = stranger(HELLO)
    sender.publish([b"a", b"b"])
    said(sender)
    with pytest.raises(Reject) as caught:
        list(sender.feed(encode_frame(Ack(1, ("",))), 0))
    assert caught.value.code == "MSH-8"


def test_only_checked_records_pass_and_a_bad_one_is_the_forwarders_fault() -> None:
    """MSH-9, MSH-14"""
    good, forged = record(1), record(2)[:-1] + b"\xff"
    check = Verifier(NETWORK).check_all
    assert fault(HELLO, Records(1, (good, forged)), check=check).startswith(("REC-", "ENC-"))
    assert fault(HELLO, Records(1, (record(1, bytes(32)),)), check=check) == "REC-5"
    heard = stranger(HELLO, check=check)
    assert list(heard.feed(encode_frame(Records(1, (good,))), 0)) == [Received(PEER, 1, (good,))]


def test_a_record_to_be_ignored_is_nobodys_fault() -> None:
    """MSH-14"""
    body = encode({"pad": "x" * 5000})
    fields = [NETWORK, "test.1", AUTHOR.key, "coop/mesh", [], 0, 60_000, [], digest("body", body), len(body)]
    header = encode(fields)
    raw = encode([header, AUTHOR.sign(digest("record", header)), body])
    with pytest.raises(Ignore):
        Record.parse(raw, NETWORK)
    heard = stranger(HELLO, check=Verifier(NETWORK).check_all)
    assert list(heard.feed(encode_frame(Records(1, (raw,))), 0)) == [Received(PEER, 1, (raw,))]


def test_a_known_record_with_another_signature_is_checked_again() -> None:
    """MSH-9"""
    verifier, raw = Verifier(NETWORK), record(3)
    verifier.check_all([raw])
    verifier.check_all([raw])
    at = raw.index(Record.parse(raw, NETWORK).header.signature)
    forged = raw[: at + 40] + bytes([raw[at + 40] ^ 1]) + raw[at + 41 :]
    with pytest.raises(Reject) as caught:
        verifier.check_all([forged])
    assert caught.value.code == "REC-6"


def test_what_is_remembered_of_records_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """MSH-9"""
    monkeypatch.setattr(verifier, "SEEN_MAX", 5)
    remembering = Verifier(NETWORK)
    for number in range(9):
        remembering.check_all([record(number)])
    assert len(remembering) == 5 < SEEN_MAX


def test_one_bad_signature_among_many_is_found_wherever_it_stands() -> None:
    """MSH-9: a frame is checked in two halves; nothing of a bad one is remembered."""
    raws = [record(number) for number in range(20)]
    verifier = Verifier(NETWORK)
    at = raws[0].index(Record.parse(raws[0], NETWORK).header.signature)
    for number in range(20):
        bad = raws[number][: at + 9] + bytes([raws[number][at + 9] ^ 1]) + raws[number][at + 10 :]
        with pytest.raises(Reject) as caught:
            verifier.check_all([*raws[:number], bad, *raws[number + 1 :]])
        assert caught.value.code == "REC-6"
        assert not len(verifier)
    verifier.check_all(raws)
    assert len(verifier) == 20


def test_pings_are_sent_answered_and_missed() -> None:
    """MSH-11"""
    pair = greeted(limits=Limits(ping_interval_ms=10, silence_ms_max=25))
    assert pair.a.tick(0) == 10
    pair.a.tick(10)
    assert said(pair.a) == [Ping(1)]
    pair.a.tick(20)
    with pytest.raises(TimeoutError):
        pair.a.tick(25)
    pair.a.excuse(24)
    pair.a.tick(25)
    heard = stranger(HELLO, *[Ping(n) for n in range(10_000)])
    assert said(heard)[1:] == [Pong(9999)], "a flood of pings is answered once"


def test_unknown_frames_are_passed_over_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """MSH-12"""
    monkeypatch.setattr(link, "_UNKNOWN_MAX", 3)
    assert fault(HELLO, *[Unknown(kind) for kind in (8, 9, 2**40, 8)]) == "MSH-12"


def test_records_that_do_not_fit_are_dropped_and_told_once() -> None:
    """MSH-16"""
    full = stranger(replace(HELLO, features={}), limits=Limits(outbox_records_max=3))
    assert full.publish([b"a"] * 4) == Overflow(PEER)
    assert full.publish([b"a"]) is None, "told already"
    assert full.queued == (3, 0)
    list(full.feed(encode_frame(Credit(10)), 0))
    said(full)
    assert full.publish([b"a"] * 4) == Overflow(PEER), "told again once the queue was empty"
    heavy = stranger(replace(HELLO, features={}), limits=Limits(outbox_bytes_max=100))
    assert heavy.publish([b"a" * 60, b"b" * 60]) == Overflow(PEER)


def test_messages_that_nobody_reads_are_bounded() -> None:
    """MSH-10"""
    slow = stranger(HELLO)
    assert all(slow.send(b"m") for _ in range(256))
    assert not slow.send(b"m")
    large = stranger(HELLO)
    assert sum(large.send(bytes(262_144)) for _ in range(100)) == 32


def test_a_goodbye_comes_before_what_is_queued() -> None:
    """MSH-13"""
    leaving = stranger(HELLO)
    said(leaving)
    leaving.send(b"m")
    leaving.part("MSH-7")
    assert said(leaving)[0] == Goodbye("MSH-7")


# --- admission -----------------------------------------------------------------------------------------------------


def test_the_oldest_silent_socket_gives_way_to_the_newcomer() -> None:
    """MSH-18"""
    gate = Gate(Limits(half_open_max=6, half_open_per_ip_max=3))
    crowd = [gate.knock("10.0.0.1")[0] for _ in range(3)]
    assert gate.knock("10.0.0.1")[1] == crowd[0]
    assert gate.knock("10.0.0.2")[1] is None
    assert [gate.knock(f"2001:db8::{n}")[1] for n in range(3)] == [None, None, crowd[1]]
    assert gate.knock("2001:db8::ffff")[1] is not None, "one /64 is one source"
    assert gate.counts[0] == 6
    for number in range(10_000):
        gate.knock(f"10.{number >> 8}.{number & 255}.7")
    assert gate.counts[0] == 6


def test_connections_are_bounded_in_all_and_by_source() -> None:
    """MSH-18"""
    gate = Gate(Limits(inbound_max=3, inbound_per_ip_max=2))
    tickets = [gate.knock("10.0.0.1")[0] for _ in range(3)]
    assert [gate.enter(ticket) for ticket in tickets] == [True, True, False]
    assert gate.enter(gate.knock("10.0.0.2")[0])
    assert not gate.enter(gate.knock("10.0.0.3")[0]), "full"
    gate.leave(tickets[0])
    assert gate.enter(gate.knock("::ffff:10.0.0.1")[0])
    assert not gate.enter(999), "a ticket that was never given"


def test_a_ban_ends_and_bans_are_bounded() -> None:
    """MSH-14"""
    gate = Gate(Limits(ban_ms=100))
    gate.ban(PEER, 1000)
    assert gate.banned_until(PEER, 1099) == 1100
    assert gate.banned_until(PEER, 1100) <= 1100
    assert gate.counts[2] == 0
    for number in range(BANS_MAX + 10):
        gate.ban(str(number), 1000)
    assert gate.counts[2] == BANS_MAX


# --- the fake ------------------------------------------------------------------------------------------------------


def test_the_fake_mesh_tells_the_same_story() -> None:
    async def story() -> list[MeshEvent]:
        hub, heard = Hub(), asyncio.Queue[MeshEvent]()

        async def ignore(event: MeshEvent) -> None:
            return None

        a = FakeMesh(MeshConfig(NETWORK, b"a" * 32), heard.put, hub)
        b = FakeMesh(MeshConfig(NETWORK, b"b" * 32), ignore, hub)
        await a.start()
        await b.dial(a.addresses[0])
        await b.start()
        await b.dial(a.addresses[0])
        await b.publish([a.peer_id, "nobody"], [b"one"])
        await b.send(a.peer_id, b"m")
        await a.acknowledge(b.peer_id, 1, [""])
        a.crash()
        await b.stop()
        assert hub.said[-1][2] == "ack"
        return [await asyncio.wait_for(heard.get(), 5) for _ in range(7)]

    assert [type(event).__name__ for event in asyncio.run(story())] == [
        *("Connected", "Received", "Message", "Disconnected", "Restarted", "Connected", "Disconnected")
    ]
