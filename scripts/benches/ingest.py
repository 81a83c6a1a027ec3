"""From a peer's bytes to a durable, folded record, against nothing but checking signatures on two cores.

One process parses and verifies frames, as the mesh does; this one admits, folds and commits, as the daemon does, with
the real engine and the real store. As many records wait for their ACK as a peer may have under way. What it leaves out
is libp2p. With `--rows N` the store holds N other records beforehand.
"""

import asyncio
import gc
import multiprocessing
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

from nacl.bindings import crypto_sign_open

from node.daemon import Daemon
from node.mesh import Connected, Measured, MeshEvent, Received
from node.mesh.verifier import Verifier
from node.store import Store
from protocol.engine import Engine, Settings
from protocol.identity import Persona
from protocol.params import DAY_MS
from protocol.record.record import Record, Slot

UNIT = "records/s"
AGAINST = "verifying signatures alone, PyNaCl on two threads"
LIMIT = 0.5
LIMITED_BY = """Where the time goes, in CPU microseconds for a record of 375 bytes, both processes together:

| layer | us |
|---|---|
| signature, two threads | 46 |
| bytes to header and body, in the mesh | 10 |
| what is remembered of it, frames, the pipe | 3 |
| bytes to header and body again, in the daemon | 10 |
| admission and fold; 7 of it indexing by id, slot, author, kind and time | 13 |
| the loop: events, effects, verdicts, ACKs | 5 |
| rows and their commit, in batches of what came meanwhile; 1 of it SQLAlchemy | 14 |

Each is measured alone; together they take some 15 more, for they push one another out of the processor's caches, which
is also why a frame is read as a whole before its first record is handled. A million stored rows add some 20: the index
of ids is random by nature, so that nearly every record writes a page of it into the write-ahead log and another into
the file. One record alone costs the daemon half a millisecond, mostly the transaction and the changes of thread."""
OPTIONS = {"rows": 0}
VARIANTS = ({"rows": 1_000_000},)

RECORDS, BOARDS = 20_480, 50
FRAME, FRAMES_MAX = 256, 4  # records in a frame of the mesh; a peer's credit at the start is 1,024 units
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
        self.announced: Sequence[str] = ()
        self.pid = self.restarts = 0
        self.on_event, self.credit = on_event, asyncio.Semaphore(FRAMES_MAX)

    async def start(self) -> None: ...
    async def publish(self, peers: Sequence[str], raws: Sequence[bytes]) -> None: ...
    async def send(self, peer: str, message: bytes) -> None: ...
    async def dial(self, address: str, learned: bool = False) -> None: ...
    async def forget(self, peer: str) -> None: ...
    async def handled(self, peer: str, size: int) -> None: ...
    async def drop(self, peer: str, code: str) -> None: ...
    async def stop(self) -> None: ...

    async def measure(self) -> Measured | None:
        return None

    async def acknowledge(self, peer: str, batch: int, codes: Sequence[str]) -> None:
        assert not any(codes), codes
        self.credit.release()


def verify_all(pipe: Connection) -> None:
    """The other process: verifies frames, once it is told to begin, and hands them on."""
    raws, verifier = stream(), Verifier(NETWORK)
    gc.freeze()
    pipe.send("ready")
    pipe.recv()
    for at in range(0, RECORDS, FRAME):
        frame = raws[at : at + FRAME]
        verifier.check_all(frame)
        pipe.send(frame)


async def _ingest(pipe: Connection, folder: Path) -> float:
    facts = {f"scope/{scope}": b"1" for scope in SCOPES}  # it takes part in every board: each record is folded
    settings, persona = Settings(NETWORK, "home", {}, {}), Persona.from_seed(bytes(32))
    engine = Engine(settings, [persona], random.Random(1), lambda size: bytes(size), facts)
    store = await Store.open(folder / "log.sqlite", NETWORK)
    daemon = Daemon(engine, store, NETWORK, Sink, clock=lambda: NOW_MS)
    sink = daemon.mesh
    assert isinstance(sink, Sink)
    await daemon.start()
    await sink.on_event(Connected("p", "", False))
    assert await asyncio.to_thread(pipe.recv) == "ready"
    began = time.perf_counter()
    pipe.send("go")
    for number in range(RECORDS // FRAME):
        await sink.credit.acquire()
        await sink.on_event(Received("p", number, await asyncio.to_thread(pipe.recv)))
    for _ in range(FRAMES_MAX):
        await sink.credit.acquire()
    took = time.perf_counter() - began
    await daemon.stop()
    return took


def _rate(stored: Path | None) -> float:
    """Records a second that were acknowledged, which is after their commit, by a node with this file to begin with."""
    stream()
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=verify_all, args=(theirs,))
    child.start()
    with tempfile.TemporaryDirectory() as folder:
        if stored is not None:
            shutil.copy(stored, Path(folder) / "log.sqlite")
        took = asyncio.run(_ingest(ours, Path(folder)))
    child.join()
    return RECORDS / took


def measure(rows: int = 0) -> tuple[float, dict[str, float]]:
    """The rate; with `rows` also how much that is of the rate into an empty store."""
    if not rows:
        return _rate(None), {}
    with tempfile.TemporaryDirectory() as folder:
        stored = asyncio.run(_fill(Path(folder) / "log.sqlite", rows))
        full = _rate(stored)
    return full, {"of the rate into an empty store": full / _rate(None)}


async def _fill(path: Path, rows: int) -> Path:
    """A store with that many rows, which look like intents on other boards."""
    await (await Store.open(path, NETWORK)).close()
    rng, raw = random.Random(2), stream()[0]

    def each() -> Iterator[tuple[object, ...]]:
        for number in range(rows):
            scope = f"board/heat/b{number % 1000}"
            yield rng.randbytes(32), rng.randbytes(32), "intent.1", scope, NOW_MS, NOW_MS + DAY_MS, raw

    with closing(sqlite3.connect(path)) as connection, connection:
        columns = "id, author, kind, scope, created, expires, raw"
        connection.executemany(f"INSERT INTO records ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", each())
    return path


def yardstick(rows: int = 0) -> float:
    """Signatures a second, whatever is stored."""
    headers = [Record.parse(raw, NETWORK, verified=True).header for raw in stream()]
    signed = [(header.signature + header.id, header.author) for header in headers]

    def check(part: list[tuple[bytes, bytes]]) -> None:
        for message, key in part:
            crypto_sign_open(message, key)

    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(check, (signed[::2], signed[1::2])))
    return RECORDS / (time.perf_counter() - began)
