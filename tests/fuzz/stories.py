"""Doors behind which state stands: bytes that are a whole conversation, in pieces, each with its length before it.

What holds at the end of any conversation is asserted: nothing that a stranger can grow has outgrown its bound.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

from protocol.errors import Ignore, Reject
from tests.fuzz.targets import NETWORK, target

NOW = 10**12
PIECES_MAX = 64
SIZE_BYTES = 2


def pieces(data: bytes) -> Iterator[bytes]:
    """The parts of a conversation; the last may be short."""
    for _ in range(PIECES_MAX):
        if not data:
            return
        size = int.from_bytes(data[:SIZE_BYTES], "big")
        yield data[SIZE_BYTES : SIZE_BYTES + size]
        data = data[SIZE_BYTES + size :]


def joined(*parts: bytes) -> bytes:
    """The conversation of these parts."""
    return b"".join(len(part).to_bytes(SIZE_BYTES, "big") + part for part in parts)


@target
def link(data: bytes) -> None:
    """03-mesh, MSH-4 to MSH-13, MSH-30: what a peer says in whatever portions, while its records are acknowledged"""
    from node.mesh import Limits, Message, Received, weight
    from node.mesh.link import UNHANDLED_BYTES_MAX, Link

    one = Link(NETWORK, lambda _: None, "p", "", False, Limits(credit_units=64), 0)
    for number, piece in enumerate(pieces(data)):
        for event in one.feed(piece, number):
            match event:
                case Received(_, batch, raws) if number % 2:
                    assert one.acknowledge(batch, [""] * len(raws))
                case Message() if number % 3:
                    one.handled(weight(event))
            if one.full:
                assert sum(map(len, pieces(data))) > UNHANDLED_BYTES_MAX / 1025
        one.pull()


@target
def bridge_item(data: bytes) -> None:
    """03-mesh, MSH-16: what the daemon and its mesh process say to each other"""
    from node.mesh.bridge import encode_item, parse_item

    assert parse_item(encode_item(parse_item(data))[4:]) == parse_item(data)


@target
def negotiation(data: bytes) -> None:
    """03-mesh, MSH-2: multistream-select, of which nobody knows yet who sends it"""
    from libp2p.protocol_muxer.exceptions import MultiselectCommunicatorError

    from node.mesh.hardening import Communicator

    class Wire:
        left = data

        async def read(self, count: int) -> bytes:
            assert count <= 1024
            got, self.left = self.left[:count], self.left[count:]
            return got

    said = ""
    try:
        Communicator(Wire()).read().send(None)
    except StopIteration as done:
        said = str(done.value)
    except MultiselectCommunicatorError as error:
        raise Reject("MSH-2", str(error)) from None
    assert said.isascii()


@target
def yamux(data: bytes) -> None:
    """03-mesh, MSH-2, MSH-20: frames in whatever portions, on streams that are read, left, written to and reset"""
    from node.mesh.yamux import BUFFERED_BYTES_MAX, STREAMS_MAX, UNSENT_BYTES_MAX, WINDOW_BYTES, Misbehaviour, Session

    one, came, out = Session(dialler=False), 0, b""
    one.open().unsent += b"hello"
    for number, piece in enumerate(pieces(data)):
        came += len(piece)
        try:
            touched = one.feed(piece)
        except Misbehaviour as fault:
            raise Reject("MSH-2", str(fault)) from None
        for stream in touched:
            match (number + stream.number) % 4:
                case 0:
                    stream.unsent += stream.take(7)
                case 1:
                    stream.take(WINDOW_BYTES)
                case 2 if number % 3 == 0:
                    one.reset(stream)
        assert len(one.streams) <= STREAMS_MAX
        assert sum(stream.unread for stream in one.streams.values()) <= min(came, BUFFERED_BYTES_MAX)
        for stream in one.streams.values():
            assert sum(map(len, stream._held)) == stream.unread
            assert 0 <= stream.granted <= WINDOW_BYTES
            assert stream.room >= 0
        out += one.pull()
    assert len(out) <= UNSENT_BYTES_MAX + 13 * came
    while out:  # whole frames of its own
        version, kind, length = out[0], out[1], int.from_bytes(out[8:12], "big")
        assert (version, kind > 3) == (0, False)
        out = out[12 + (length if kind == 0 else 0) :]


@target
def websocket(data: bytes) -> None:
    """03-mesh, MSH-40 to MSH-43: all that a listener reads, in whatever portions"""
    import trio

    from node.mesh.websocket import WebSocketStream

    class Wire:
        def __init__(self) -> None:
            self.left, self.said = list(pieces(data)), 0

        async def receive_some(self, _: int) -> bytes:
            return self.left.pop(0) if self.left else b""

        async def send_all(self, part: bytes) -> None:
            self.said += len(part)

    wire: Any = Wire()

    async def listen() -> None:
        stream = await WebSocketStream.accept(wire)
        while part := await stream.receive_some(100):
            assert len(part) <= 100
        assert len(stream._held) <= len(data)

    try:
        trio.run(listen)
    except trio.BrokenResourceError as error:
        raise Reject("MSH-42", str(error).splitlines()[0]) from None
    finally:
        assert wire.said <= 1000 + 2 * len(data)


@target
def sync_answer(data: bytes) -> None:
    """03-sync: the side that began, hearing whatever it hears, in several rounds"""
    from protocol.network.index import Index
    from protocol.network.sync import initiate

    items = [(1000 * number, bytes([number]) * 32) for number in range(200)]
    session, _ = initiate(Index(items), 4096)
    for piece in pieces(data):
        reply, have, need = session.receive(piece)
        assert reply is None or len(reply) <= 4096
        assert len(have) <= 16_384
        assert len(need) <= len(piece)
        if reply is None:
            return


@cache
def _templates() -> dict[bytes, Any]:
    from node.template import load

    template = load("electricity")
    return {template.hash: template}


def _parses(raw: bytes) -> bool:
    from protocol.record.record import Record

    try:
        Record.parse(raw, NETWORK, verified=True)
    except (Reject, Ignore):
        return False
    return True


@target
def neighbours(data: bytes) -> None:
    """03-gossip: two links into a relay; a piece is a record (first byte 0), else a message of either link"""
    from node.presets import presets
    from protocol import events as ev
    from protocol.commands import Watch
    from protocol.engine import Engine, Settings
    from protocol.identity import Persona
    from protocol.params import PENDING_PER_PEER_MAX, SCOPES_PER_PEER_MAX
    from protocol.record.record import Record

    settings = Settings(network=NETWORK, role="relay", templates=_templates(), presets=presets(1))
    engine = Engine(settings, [Persona.from_seed(bytes(32))], random.Random(1), bytes)
    engine.handle(ev.Submit(1, Watch("electricity", "u1")), NOW)
    engine.handle(ev.PeerConnected("a", True), NOW)
    engine.handle(ev.PeerConnected("b", False), NOW)
    for number, piece in enumerate(pieces(data)):
        event: ev.Event
        try:
            if piece[:1] == b"\0":
                event = ev.RecordReceived(Record.parse(piece[1:], NETWORK, verified=True), "b")
            else:
                event = ev.MessageReceived("ab"[piece[0] % 2 if piece else 0], piece[1:])
            for scope in engine.needs(event):
                engine.load(scope, ())
            effects = engine.handle(event, NOW + 1000 * number)
            assert len(effects) < 10_000
        except Ignore:
            continue
        except Reject:  # whoever forwards a record that can be parsed is never at fault for it, whatever is held here
            assert piece[:1] != b"\0" or not _parses(piece[1:])
            continue
        if engine.deadline is not None and engine.deadline <= NOW + 1000 * number:
            engine.handle(ev.Tick(), NOW + 1000 * number)
    for neighbour in engine._core.neighbours.values():
        assert len(neighbour.pending) <= PENDING_PER_PEER_MAX
        assert neighbour.pending_bytes == sum(len(one.raw) for one in neighbour.pending.values())
        assert len(neighbour.scopes) <= SCOPES_PER_PEER_MAX


@target
def body(data: bytes) -> None:
    """01-record, REC-11: the body of a kind, named up to a zero byte or by its first, in a record good otherwise"""
    from protocol.encoding import decode, digest, encode
    from protocol.record.kinds import KINDS
    from protocol.record.outline import outline
    from protocol.record.record import Record

    kinds = sorted(KINDS)
    named, _, packed = data.partition(b"\0")
    kind = named.decode("ascii", "replace")
    if kind not in KINDS:
        kind, packed = kinds[(data[0] if data else 0) % len(kinds)], data[1:]
    assert encode(decode(packed)) == packed
    rule = KINDS[kind]
    scope = {"board": "board/electricity/u1", "trust": "trust/a", "mail": "mail/abc"}.get(
        rule.families[0], rule.families[0] + "/" + "0" * 32
    )
    slot: list[Any] = [] if rule.mode == "none" else [rule.mode, "x", int(rule.mode == "latest")]
    times, key = [NOW, NOW + 10**6], bytes(32)
    wire = encode([NETWORK, kind, key, scope, slot, *times, [], digest("body", packed), len(packed)])
    one = Record.parse(encode([wire, bytes(64), packed]), NETWORK, verified=True)
    assert encode(one.body) == packed
    assert outline(one).id == one.id


@target
def mail_token(data: bytes) -> None:
    """15-relay, REL-11"""
    from protocol.network.mail import Token

    Token.parse(data.decode("utf-8", "replace"), NETWORK)


@target
def rule_subject(data: bytes) -> None:
    """15-relay, REL-2: `wltm relay block`, and the notices of others"""
    from protocol.network.rules import canonical, sort_of

    text = data.decode("utf-8", "replace")
    assert canonical(sort_of(text), canonical(sort_of(text), text)) == canonical(sort_of(text), text)


@target
def api_body(data: bytes) -> None:
    """13-node, API-8: the body of a command (the first byte says which)"""
    from node.api.convert import command, parse
    from protocol import commands

    kinds = [commands.AddIntent, commands.SetPreference, commands.FoundCoop, commands.Vote, commands.SetPrices]
    command(kinds[(data[0] if data else 0) % len(kinds)], parse(data[1:]))
