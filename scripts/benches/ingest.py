"""From a peer's bytes to a durable, folded record, against nothing but checking signatures on two cores.

One process parses and verifies, as the mesh does; this one admits, folds and commits, as the daemon does, with the real
engine and the real store. What it leaves out is libp2p.
"""

import asyncio
import multiprocessing
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

from nacl.bindings import crypto_sign_open

from node.daemon import Daemon
from node.mesh import Connected, MeshEvent, Message, Received
from node.store import Store
from protocol.engine import Engine, Settings
from protocol.gossip import Subscribe, encode_message
from protocol.identity import Persona
from protocol.params import DAY_MS
from protocol.record import Record, Slot

UNIT = "records/s"
AGAINST = "verifying signatures alone, PyNaCl on two threads"
LIMIT = 0.15  # (g) what issue 3 raises

RECORDS, BOARDS, BATCH = 10_000, 50, 500
NETWORK, NOW_MS = bytes(range(32)), 1_800_000_000_000
SCOPES = tuple(f"board/power/b{number}" for number in range(BOARDS))


@cache
def stream() -> tuple[bytes, ...]:
    """Intents of as many authors as there are records, spread over the boards."""
    rng = random.Random(1)
    return tuple(_intent(number, Persona.from_seed(rng.randbytes(32))).raw for number in range(RECORDS))


def _intent(number: int, author: Persona) -> Record:
    body = {"template": bytes(32), "want": 300, "tolerate": 50, "spend_minor": 42_000, "readiness": "ready"}
    body |= {"ready_by": NOW_MS + DAY_MS, "levels": {"price": -1, "green": 1}, "terms": []}
    scope, slot = SCOPES[number % BOARDS], Slot("latest", "intent", 0)
    return Record.sign(author, NETWORK, "intent.1", scope, body, created=NOW_MS, expires=NOW_MS + DAY_MS, slot=slot)


class Sink:
    """A mesh that hears nothing but how many records were acknowledged."""

    def __init__(self, on_event: Callable[[MeshEvent], Awaitable[None]]) -> None:
        self.peer_id, self.addresses = "me", list[str]()
        self.on_event, self.left, self.done = on_event, RECORDS, asyncio.Event()

    async def start(self) -> None: ...
    async def publish(self, peers: Sequence[str], raws: Sequence[bytes]) -> None: ...
    async def send(self, peer: str, message: bytes) -> None: ...
    async def dial(self, address: str) -> None: ...
    async def drop(self, peer: str, code: str) -> None: ...
    async def stop(self) -> None: ...

    async def acknowledge(self, peer: str, batch: int, codes: Sequence[str]) -> None:
        assert not any(codes), codes
        self.left -= len(codes)
        if not self.left:
            self.done.set()


def verify_all(pipe: Connection) -> None:
    """The other process: verifies what it got, once it is told to begin, and hands it on in batches."""
    raws = stream()
    pipe.send("ready")
    pipe.recv()
    for at in range(0, RECORDS, BATCH):
        batch = raws[at : at + BATCH]
        for raw in batch:
            Record.parse(raw, NETWORK)
        pipe.send(batch)


async def _ingest(pipe: Connection, folder: Path) -> float:
    settings = Settings(NETWORK, "relay", {}, {})
    engine = Engine(settings, [Persona.from_seed(bytes(32))], random.Random(1), lambda n: bytes(n))
    store = await Store.open(folder / "log.sqlite", NETWORK)
    daemon = Daemon(engine, store, NETWORK, Sink, clock=lambda: NOW_MS)
    sink = daemon.mesh
    assert isinstance(sink, Sink)
    await daemon.start()
    await sink.on_event(Connected("p", "", False))
    await sink.on_event(Message("p", encode_message(Subscribe(SCOPES))))
    assert await asyncio.to_thread(pipe.recv) == "ready"
    began = time.perf_counter()
    pipe.send("go")
    for number in range(RECORDS // BATCH):
        await sink.on_event(Received("p", number, await asyncio.to_thread(pipe.recv)))
    await sink.done.wait()
    took = time.perf_counter() - began
    await daemon.stop()
    return took


def measure() -> float:
    """Records a second that were acknowledged, which is after their commit."""
    stream()
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=verify_all, args=(theirs,))
    child.start()
    with tempfile.TemporaryDirectory() as folder:
        took = asyncio.run(_ingest(ours, Path(folder)))
    child.join()
    return RECORDS / took


def yardstick() -> float:
    """Signatures a second."""
    headers = [Record.parse(raw, NETWORK, verified=True).header for raw in stream()]
    signed = [(header.signature + header.id, header.author) for header in headers]

    def check(part: list[tuple[bytes, bytes]]) -> None:
        for message, key in part:
            crypto_sign_open(message, key)

    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(check, (signed[::2], signed[1::2])))
    return RECORDS / (time.perf_counter() - began)
