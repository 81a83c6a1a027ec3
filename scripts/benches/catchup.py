"""A home that was away for a week: every byte on the wire until it holds the hundredth that it missed.

100,000 records on ten boards, the newest 1 % of them missing at home. Two real daemons with their stores, two real mesh
processes, and between them a proxy that counts what passes in both directions: handshakes, reconciliation, records,
acknowledgements. The relay has the boards in memory because somebody else follows them, as a relay in use does. The
yardstick is the missing records themselves. What the same number of scattered differences would cost is computed from
the messages of one session over all records as one scope.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

from node.daemon import Daemon
from node.mesh import MeshClient, MeshConfig, MeshEvent
from node.store import Store
from protocol.engine import Engine, Settings
from protocol.identity import Persona
from protocol.network.gossip import MARK_BYTES, Fetch, Subscribe, Sync, encode_message
from protocol.network.index import Index
from protocol.network.sync import MODE_FINGERPRINT, VERSION, initiate, respond
from protocol.params import DAY_MS, SYNC_FRAME_BYTES_MAX
from protocol.record.record import Record, Slot
from scripts.rig import LOOPBACK, NETWORK, PATIENCE_S, board, cpu_s, descendants

UNIT = "bytes"
AGAINST = "the bytes of the missing records"
LIMIT = 1.12
LESS = True
RUNS = 1
OPTIONS = {"records": 100_000, "boards": 10}
LIMITED_BY = "32 bytes of id in the lists of what the relay has; a batch's frame, seals and acknowledgements."

SHARE = 100  # one of so many is missing
_WEEK_MS = 7 * DAY_MS
_PROBE = bytes([VERSION, 0, 0, MODE_FINGERPRINT]) + bytes(16)  # over everything, and wrong
_SEEDS = {"home": b"h" * 32, "relay": b"r" * 32, "other": b"o" * 32}


@cache
def stream(records: int, boards: int) -> tuple[Record, ...]:
    """Intents of as many authors over a year, ascending in time."""
    rng, began = random.Random(1), time.time_ns() // 1_000_000 - 52 * _WEEK_MS
    body = {"template": bytes(32), "want": 300, "tolerate": 50, "spend_minor": 42_000, "readiness": "exploring"}
    body |= {"ready_by": began, "levels": {"price": -1, "green": 1}, "terms": []}
    slot, end = Slot("latest", "intent", 0), began + 104 * _WEEK_MS
    return tuple(
        Record.sign(
            Persona.from_seed(rng.randbytes(32)),
            NETWORK,
            "intent.1",
            board(number % boards),
            body,
            created=began + number * (52 * _WEEK_MS // records),
            expires=end,
            slot=slot,
        )
        for number in range(records)
    )


class Counted:
    """A TCP proxy to one address that counts the bytes of both directions."""

    def __init__(self) -> None:
        self.total = 0
        self._server: asyncio.Server | None = None

    async def start(self, address: str) -> str:
        """Where it listens instead of the multiaddr `address`."""
        before, host, middle, port, *after = address.removeprefix("/").split("/")
        self._server = await asyncio.start_server(lambda *ends: self._link(host, int(port), *ends), "127.0.0.1")
        here = str(self._server.sockets[0].getsockname()[1])
        return "/" + "/".join((before, host, middle, here, *after))

    async def _link(self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                self.total += len(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()


async def _daemon(name: str, path: Path, scopes: tuple[str, ...]) -> tuple[Daemon, Store]:
    settings = Settings(NETWORK, "relay" if name == "relay" else "home", {}, {})
    facts = {f"scope/{scope}": b"1" for scope in scopes}
    engine = Engine(settings, [Persona.from_seed(_SEEDS[name])], random.Random(1), random.Random(2).randbytes, facts)
    store = await Store.open(path, NETWORK)
    daemon = Daemon(engine, store, NETWORK, lambda tell: _mesh(name, tell))
    await daemon.start()
    return daemon, store


def _mesh(name: str, tell: Callable[[MeshEvent], Awaitable[None]]) -> MeshClient:
    return MeshClient(MeshConfig(NETWORK, _SEEDS[name], (LOOPBACK,)), tell)


async def _stores(folder: Path, records: tuple[Record, ...]) -> None:
    """The disk of the home, and that of the relay with what the home lacks."""
    split = len(records) - len(records) // SHARE
    for name, start, end in (("home", 0, split), ("relay", split, len(records))):
        store = await Store.open(folder / f"{name}.db", NETWORK)
        for at in range(start, end, 1000):
            await store.append([(one, False) for one in records[at : min(at + 1000, end)]])
        await store.close()
        if name == "home":
            shutil.copyfile(folder / "home.db", folder / "relay.db")


async def _until(true: Callable[[], bool]) -> float:
    began = time.perf_counter()
    while not true():
        assert time.perf_counter() - began < PATIENCE_S
        await asyncio.sleep(0.002)
    return time.perf_counter()


async def _other(address: str, scopes: tuple[str, ...]) -> MeshClient:
    """Somebody who follows the boards too, so that the relay has read them."""
    answers: list[MeshEvent] = []

    async def heard(event: MeshEvent) -> None:
        answers.append(event)

    mesh = _mesh("other", heard)
    await mesh.start()
    await mesh.dial(address)
    await _until(lambda: bool(answers))
    await mesh.send(address.rpartition("/")[2], encode_message(Subscribe(scopes)))
    for scope in scopes:
        await mesh.send(address.rpartition("/")[2], encode_message(Sync(scope, _PROBE)))
    await _until(lambda: len(answers) > len(scopes) + 1)
    return mesh


async def _catch_up(records: tuple[Record, ...], boards: int) -> tuple[float, dict[str, float]]:
    scopes = tuple(board(number) for number in range(boards))
    proxy = Counted()
    with tempfile.TemporaryDirectory() as name:
        await _stores(Path(name), records)
        relay, _ = await _daemon("relay", Path(name, "relay.db"), ())
        home, disk = await _daemon("home", Path(name, "home.db"), scopes)
        other = await _other(relay.mesh.addresses[0], scopes)
        held = disk.last_position
        address = await proxy.start(relay.mesh.addresses[0])
        began, used = time.perf_counter(), cpu_s(descendants([os.getpid()]))
        await home.mesh.dial(address)
        linked = await _until(lambda: proxy.total > 0)
        done = await _until(lambda: disk.last_position >= held + len(records) // SHARE)
        used = cpu_s(descendants([os.getpid()])) - used
        await asyncio.sleep(0.3)  # for the last acknowledgements
        total = proxy.total
        for one in (home, relay):
            await one.stop()
        await other.stop()
        proxy.stop()
    seconds = {"s from the first byte": done - linked, "s from the dial": done - began, "CPU s of both nodes": used}
    return total, {**seconds, **_scattered(records)}


def _scattered(records: tuple[Record, ...]) -> dict[str, float]:
    """Bytes in both directions for every hundredth record, as a share of those records' own."""
    lacking = records[::SHARE]
    gone = {one.id for one in lacking}
    theirs = Index((one.header.created, one.id) for one in records)
    ours = Index((one.header.created, one.id) for one in records if one.id not in gone)
    session, message = initiate(ours, SYNC_FRAME_BYTES_MAX)
    total, sent = sum(len(one.raw) for one in lacking), 0
    reply: bytes | None = message
    while reply is not None:
        answer = respond(theirs, reply, SYNC_FRAME_BYTES_MAX)
        sent += len(reply) + len(answer)
        reply, _, lacks = session.receive(answer)
        ranges = tuple(
            (one.lower.point, one.upper.point, b"".join(item[:MARK_BYTES] for item in one.ids)) for one in lacks
        )
        sent += len(encode_message(Fetch("board/x/y", ranges))) if ranges else 0
    return {"ratio if scattered": (sent + total) / total}


def measure(records: int = OPTIONS["records"], boards: int = OPTIONS["boards"]) -> tuple[float, dict[str, float]]:
    """Bytes in both directions, and seconds."""
    return asyncio.run(_catch_up(stream(records, boards), boards))


def yardstick(records: int = OPTIONS["records"], boards: int = OPTIONS["boards"]) -> float:
    """Bytes of what was missing."""
    return sum(len(one.raw) for one in stream(records, boards)[-(records // SHARE) :])
