"""yamux by hand: what frames do to streams, and which of them end the connection. Real peers: test_mesh_process.py."""

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mesh.yamux import (
    BUFFERED_BYTES_MAX,
    STREAMS_MAX,
    UNSENT_BYTES_MAX,
    WINDOW_BYTES,
    Misbehaviour,
    Session,
    Stream,
)

DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8


def frame(kind: int, flags: int, stream: int, length: int, data: bytes = b"") -> bytes:
    return struct.pack("!BBHII", 0, kind, flags, stream, length) + data


def said(session: Session) -> Iterator[tuple[int, int, int, int]]:
    """Kind, flags, stream and length of the frames that it wants to send."""
    data = session.pull()
    while data:
        _, kind, flags, stream, length = struct.unpack("!BBHII", data[:12])
        yield kind, flags, stream, length
        data = data[12 + (length if kind == DATA else 0) :]


def pair() -> tuple[Session, Session, Stream, Stream]:
    """A dialler and a listener with one stream between them."""
    ours, theirs = Session(dialler=True), Session(dialler=False)
    stream = ours.open()
    (other,) = theirs.feed(ours.pull())
    ours.feed(theirs.pull())
    return ours, theirs, stream, other


def test_a_stream_carries_bytes_in_both_directions() -> None:
    """MSH-1"""
    ours, theirs, stream, other = pair()
    assert (stream.number, other.number) == (1, 1)
    stream.unsent += b"question"
    assert theirs.feed(ours.pull()) == [other]
    assert (other.take(5), other.take(99), other.take(99)) == (b"quest", b"ion", b"")
    other.unsent += b"answer"
    assert ours.feed(theirs.pull()) == [stream]
    assert stream.take(99) == b"answer"
    assert theirs.open().number == 2


@given(st.binary(max_size=3000), st.lists(st.integers(1, 400), min_size=1))
def test_however_the_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    """MSH-1"""
    ours, theirs, stream, other = pair()
    stream.unsent += data
    sent, at, got = ours.pull() + frame(PING, SYN, 0, 7), 0, b""
    while at < len(sent):
        size = cuts[at % len(cuts)]
        theirs.feed(sent[at : at + size])
        got += other.take(1000)
        at += size
    assert got == data
    assert list(said(theirs)) == [(PING, ACK, 0, 7)]


def test_nothing_is_sent_beyond_the_window_and_a_reader_opens_it_again() -> None:
    """MSH-2"""
    ours, theirs, stream, other = pair()
    total = 3 * WINDOW_BYTES + 5
    stream.unsent += bytes(total)
    got = 0
    for _ in range(20):
        theirs.feed(ours.pull())
        assert other.unread <= WINDOW_BYTES
        got += len(other.take(100_000))
        ours.feed(theirs.pull())
    while part := other.take(total):
        got += len(part)
        ours.feed(theirs.pull())
        theirs.feed(ours.pull())
    assert got == total
    assert not ours.unsent


def test_the_end_of_a_stream_comes_after_its_data() -> None:
    """MSH-2"""
    _, theirs, _, other = pair()
    theirs.feed(frame(DATA, FIN, 1, 3) + b"by")
    ended = [other.ended]
    theirs.feed(b"e")
    assert [*ended, other.ended] == [False, True]
    assert (other.take(9), other.take(9)) == (b"bye", b"")


def test_a_reset_stream_is_gone_on_both_sides_and_what_was_under_way_is_passed_over() -> None:
    """MSH-2"""
    ours, theirs, stream, other = pair()
    other.unsent += b"na"
    theirs.reset(other)
    stream.unsent += b"under way"
    theirs.feed(ours.pull())
    assert ours.feed(theirs.pull()) == [stream]
    assert stream.ended
    assert stream.take(9) == b"na"
    assert not ours.streams
    assert not theirs.streams
    theirs.feed(frame(PING, SYN, 0, 1))
    assert list(said(theirs)) == [(PING, ACK, 0, 1)], "the connection lives"


def test_a_peer_that_goes_away_ends_the_session() -> None:
    """MSH-20"""
    _, theirs, _, other = pair()
    theirs.feed(frame(GO_AWAY, 0, 0, 0) + frame(DATA, 0, 1, 4, b"late"))
    assert theirs.over
    assert not other.unread


FILL = [frame(DATA, 0, 1, WINDOW_BYTES, bytes(WINDOW_BYTES)), frame(DATA, SYN, 3, WINDOW_BYTES, bytes(WINDOW_BYTES))]
BAD = {
    "version": [b"\x01" + bytes(11)],
    "kind": [b"\x00\x04" + bytes(10)],
    "longer than the window": [frame(DATA, 0, 1, WINDOW_BYTES + 1)],
    "more than the window in two": [frame(DATA, 0, 1, WINDOW_BYTES, bytes(WINDOW_BYTES)), frame(DATA, 0, 1, 1)],
    "for a stream that never was": [frame(DATA, 0, 9, 1)],
    "unread on all streams": [*FILL, frame(DATA, SYN, 5, 1)],
    "too many streams": [frame(WINDOW_UPDATE, SYN, number, 0) for number in range(3, 3 + 2 * STREAMS_MAX, 2)],
    "a stream twice": [frame(WINDOW_UPDATE, SYN, 1, 0)],
    "a stream of ours": [frame(WINDOW_UPDATE, SYN, 2, 0)],
    "stream 0": [frame(WINDOW_UPDATE, SYN, 0, 0)],
    "pings": [frame(PING, SYN, 0, 0)] * 1000,
    "windows": [frame(WINDOW_UPDATE, 0, 1, 0)] * 10_000,
    "data without data": [frame(DATA, 0, 1, 0)] * 10_000,
}


@pytest.mark.parametrize("name", BAD)
def test_what_ends_a_connection(name: str) -> None:
    """MSH-2, MSH-20; before a byte of the frame's data is kept"""
    assert WINDOW_BYTES * 2 == BUFFERED_BYTES_MAX
    _, theirs, _, other = pair()
    with pytest.raises(Misbehaviour, match="yamux"):
        theirs.feed(b"".join(BAD[name]))
    assert other.unread <= WINDOW_BYTES
    assert len(theirs.streams) <= STREAMS_MAX


def test_control_what_is_just_allowed() -> None:
    """MSH-2"""
    _, theirs, _, other = pair()
    for part in FILL:
        theirs.feed(part)
    for number in range(5, 3 + 2 * (STREAMS_MAX - 1), 2):
        theirs.feed(frame(WINDOW_UPDATE, SYN, number, 0))
    assert len(theirs.streams) == STREAMS_MAX
    assert sum(one.unread for one in theirs.streams.values()) == BUFFERED_BYTES_MAX
    assert len(other.take(BUFFERED_BYTES_MAX)) == WINDOW_BYTES
    assert list(said(theirs))[-1] == (WINDOW_UPDATE, 0, 1, WINDOW_BYTES)


def test_data_for_streams_that_were_reset_is_bounded() -> None:
    """MSH-2: one window for each, whatever the peer goes on sending"""
    _, theirs, _, other = pair()
    theirs.reset(other)
    theirs.feed(frame(DATA, 0, 1, WINDOW_BYTES, bytes(WINDOW_BYTES)))
    with pytest.raises(Misbehaviour):
        theirs.feed(frame(DATA, 0, 1, 1))


def test_answers_that_nobody_reads_are_bounded() -> None:
    """MSH-20"""
    _, theirs, _, _ = pair()
    theirs.say(PING, ACK, 0, 0)
    waiting = len(theirs._out)
    theirs._out += bytes(UNSENT_BYTES_MAX - waiting)
    theirs.feed(frame(PING, SYN, 0, 1))
    with pytest.raises(Misbehaviour, match="nobody reads"):
        theirs.feed(frame(PING, SYN, 0, 2))


@given(st.binary(max_size=200))
def test_any_bytes_at_all(data: bytes) -> None:
    """MSH-2: taken or refused, in bounds"""
    _, theirs, _, _ = pair()
    try:
        theirs.feed(data)
    except Misbehaviour:
        return
    assert len(theirs.streams) <= STREAMS_MAX
    assert sum(one.unread for one in theirs.streams.values()) <= len(data)
