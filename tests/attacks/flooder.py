"""A peer of its own process that sends one relay as much as it will take: `python -m tests.attacks.flooder …`.

It keeps to windows and credit, so that nothing ends its connection: what it does to others, fairness decides.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle

import trio

from node.mesh.wire import Credit, Frame, Hello, Ping, Pong, Records, cost, encode_frame
from node.mesh.wire import Message as MessageFrame
from protocol.identity import Persona
from protocol.network.gossip import Message, Subscribe, Sync, Unsubscribe, Want, encode_message
from protocol.params import SCOPES_PER_MESSAGE_MAX, WANT_IDS_MAX
from protocol.record.record import Record
from tests.attacks.hostile import HELLO, Hostile

BOARD = "board/electricity/u1"
PART_BYTES = 60_000
BATCH, KNOWN = 100, 2_000
NICE = 5  # others flood from machines of their own


class Flood:
    """One connection, and what is poured into it."""

    def __init__(self, network: bytes) -> None:
        self._network = network
        self._credit = self._batch = 0
        self._news = trio.Event()
        self._speaking = trio.Lock()

    async def run(self, address: str, kind: str, seconds: float) -> None:
        """Floods for so long; raises what ends the connection before."""
        pours = POURS[kind](self._network)
        self._peer = await Hostile.connect(address)
        await self._peer.open()
        await self._peer.data(encode_frame(replace(HELLO, network=self._network)))
        hello = await self._peer.hear()
        assert isinstance(hello, Hello)
        self._credit = hello.credit
        print("flooding", flush=True)
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, nursery)
                nursery.start_soon(self._pour, pours)
        await self._peer.tcp.aclose()

    async def _listen(self, nursery: trio.Nursery) -> None:
        while True:
            match await self._peer.hear():
                case Ping(number):
                    nursery.start_soon(self._say, encode_frame(Pong(number)))
                case Credit(units):
                    self._credit += units
            self._news.set()
            self._news = trio.Event()

    async def _pour(self, pours: Iterator[list[bytes] | Message]) -> None:
        for what in pours:
            frame = await self._records(what) if isinstance(what, list) else MessageFrame(encode_message(what))
            await self._say(encode_frame(frame))

    async def _records(self, raws: list[bytes]) -> Frame:
        units = sum(map(cost, raws))
        while self._credit < units:
            await self._news.wait()
        self._credit -= units
        self._batch += 1
        return Records(self._batch, tuple(raws))

    async def _say(self, data: bytes) -> None:
        async with self._speaking:
            for start in range(0, len(data), PART_BYTES):
                part = data[start : start + PART_BYTES]
                while self._peer.room < len(part):
                    await self._news.wait()
                await self._peer.data(part)


def _note(network: bytes, number: int, *refs: bytes) -> Record:
    author = Persona.from_seed((number % 400).to_bytes(32, "big"))
    now = time.time_ns() // 10**6
    body = {"n": number, "x": os.urandom(100)}
    return Record.sign(author, network, "noise.1", BOARD, body, created=now, expires=now + 10**7, refs=refs)


def _batches(raws: Iterator[bytes]) -> Iterator[list[bytes]]:
    while True:
        yield [next(raws) for _ in range(BATCH)]


def _valid(network: bytes) -> Iterator[list[bytes] | Message]:
    """Records that are new and good, each by one of 400 authors."""
    early = [_note(network, number).raw for number in range(10 * KNOWN)]
    yield from _batches(cycle(early))


def _orphans(network: bytes) -> Iterator[list[bytes] | Message]:
    """Records whose parents nobody has."""
    early = [_note(network, number, os.urandom(32)).raw for number in range(KNOWN)]
    yield from _batches(cycle(early))


def _doubles(network: bytes) -> Iterator[list[bytes] | Message]:
    """The same hundred for ever."""
    yield from _batches(cycle([_note(network, number).raw for number in range(BATCH)]))


def _ranges(network: bytes) -> Iterator[list[bytes] | Message]:
    """Reconciliation messages of as many ranges as fit, each with a fingerprint that fits nothing."""
    ranges = b"".join(bytes([2, 0, 1]) + os.urandom(16) for _ in range(3_000))
    yield from cycle([Sync(BOARD, b"\x61" + ranges)])


def _wants(network: bytes) -> Iterator[list[bytes] | Message]:
    """Two thousand records are given, and then asked back again and again."""
    known = [_note(network, number) for number in range(KNOWN)]
    yield Subscribe((BOARD,))
    for start in range(0, KNOWN, BATCH):
        yield [one.raw for one in known[start : start + BATCH]]
    yield from cycle([Want(BOARD, tuple(one.id for one in known[:WANT_IDS_MAX]))])


def _storm(network: bytes) -> Iterator[list[bytes] | Message]:
    """Scopes named and taken back."""
    scopes = [f"coop/{number:032x}" for number in range(16 * SCOPES_PER_MESSAGE_MAX)]
    some = [tuple(scopes[at : at + SCOPES_PER_MESSAGE_MAX]) for at in range(0, len(scopes), SCOPES_PER_MESSAGE_MAX)]
    yield from cycle([*map(Subscribe, some), *map(Unsubscribe, some)])


POURS: dict[str, Callable[[bytes], Iterator[list[bytes] | Message]]] = {
    "valid": _valid,
    "orphans": _orphans,
    "doubles": _doubles,
    "ranges": _ranges,
    "wants": _wants,
    "storm": _storm,
}


if __name__ == "__main__":
    os.nice(NICE)
    trio.run(Flood(bytes.fromhex(sys.argv[2])).run, sys.argv[1], sys.argv[3], float(sys.argv[4]))
