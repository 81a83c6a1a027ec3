"""What benches share: real nodes as processes, a publisher, what a process used, and the yardsticks' environment.

Yardsticks from outside run in an environment of their own, `.venv-bench` in the checkout, made by the first bench that
needs it from requirements-bench.lock; the product never sees it.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import aiohttp

from node.demo.child import Child, make_keys
from node.mesh import Acknowledged, Connected, MeshClient, MeshConfig, MeshEvent
from protocol.identity import Persona, network_id
from protocol.network.gossip import Subscribe, encode_message
from protocol.params import DAY_MS
from protocol.record.record import Record, Slot

ROOT = Path(__file__).resolve().parents[1]
_PEERS = ROOT / ".venv-bench"
_LOCK = ROOT / "scripts" / "requirements-bench.lock"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
NAME, SALT = "bench", bytes(16)
NETWORK = network_id(NAME, SALT)
CATEGORY, REGION = "electricity", "b"
SCOPE = f"board/{CATEGORY}/{REGION}"
LOOPBACK = "/ip4/127.0.0.1/tcp/0"
PATIENCE_S = 120.0
IN_FLIGHT_MAX = 8000  # below what the mesh queues for one peer


class Unavailable(Exception):
    """One sentence: which yardstick this machine cannot have, and why."""


def outside_python() -> Path:
    """The Python of the yardsticks' environment, made now if need be. Raises Unavailable."""
    python, done = _PEERS / "bin" / "python", _PEERS / _LOCK.name
    if done.exists() and done.read_bytes() == _LOCK.read_bytes():
        return python
    uv = shutil.which("uv") or str(ROOT / ".venv" / "bin" / "uv")
    shutil.rmtree(_PEERS, ignore_errors=True)
    make = [sys.executable, "-m", "venv", *(["--without-pip"] if Path(uv).exists() else []), str(_PEERS)]
    pip = (
        [uv, "pip", "install", "--python", str(python)] if Path(uv).exists() else [str(python), "-m", "pip", "install"]
    )
    for command in (make, [*pip, "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(_LOCK)]):
        if subprocess.run(command, stdout=sys.stderr).returncode:
            raise Unavailable(f"not compared: the packages of scripts/{_LOCK.name} cannot be installed")
    shutil.copyfile(_LOCK, done)
    return python


def descendants(pids: Iterable[int]) -> list[int]:
    """These processes and all below them, as far as they still live (Linux)."""
    found = list(pids)
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of processor time that these processes and their threads have used so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])  # utime, stime
    return total / _TICKS_PER_S


def resident_mb(pids: Iterable[int], peak: bool = False) -> float:
    """Memory in 10⁶ bytes that these processes hold, pages they share counted in each; or the sum of their peaks."""
    name = "VmHWM:" if peak else "VmRSS:"
    kib = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        kib += sum(int(line.split()[1]) for line in lines if line.startswith(name))
    return kib * 1024 / 1e6


@cache
def stream(count: int, scopes: int = 1) -> tuple[bytes, ...]:
    """Intents of as many authors, about 430 bytes each, made now; on the board `SCOPE`, or spread over so many."""
    rng, now = random.Random(1), time.time_ns() // 1_000_000
    return tuple(_intent(Persona.from_seed(rng.randbytes(32)), board(number % scopes), now) for number in range(count))


def board(number: int) -> str:
    """Name of one of the boards that `stream` fills."""
    return f"{SCOPE}{number or ''}"


def _intent(author: Persona, scope: str, now: int) -> bytes:
    body = {"template": bytes(32), "want": 300, "tolerate": 50, "spend_minor": 42_000, "readiness": "exploring"}
    body |= {"ready_by": now + DAY_MS, "levels": {"price": -1, "green": 1}, "terms": []}
    slot = Slot("latest", "intent", 0)
    return Record.sign(author, NETWORK, "intent.1", scope, body, created=now, expires=now + DAY_MS, slot=slot).raw


@asynccontextmanager
async def homes(*names: str) -> AsyncIterator[list[Child]]:
    """New homes with keys, in a folder that is gone afterwards, as are the nodes started in them."""
    with tempfile.TemporaryDirectory() as folder:
        async with aiohttp.ClientSession() as session:
            children = [Child(name, Path(folder, name), session) for name in names]
            await make_keys([child.home for child in children], None)
            try:
                yield children
            finally:
                for child in children:
                    await child.kill()


async def up(child: Child, role: str, relays: Sequence[str] = ()) -> None:
    """Start the node `wltm up` in this home; it listens on loopback and keeps to `relays`."""
    network = {"name": NAME, "salt": SALT.hex()}
    mesh = {"listen": [LOOPBACK], "relays": list(relays)}
    child.furnish({"network": network, "api": {"port": 0}, "mesh": mesh}, role, {})
    await child.start(None)


def pids(child: Child) -> list[int]:
    """The node's processes: its daemon and its mesh."""
    assert child.pid
    return descendants([child.pid])


class Publisher:
    """A mesh without a node: hands records to real nodes over real libp2p and counts what they acknowledge."""

    def __init__(self) -> None:
        self.mesh = MeshClient(MeshConfig(NETWORK, bytes(range(32))), self._on_event)
        self._connected: dict[str, None] = {}
        self._left = 0
        self._refused = Counter[str]()
        self._news = asyncio.Event()

    async def _on_event(self, event: MeshEvent) -> None:
        match event:
            case Connected(peer):
                self._connected[peer] = None
            case Acknowledged(_, _, codes):
                self._left -= len(codes)
                self._refused.update(filter(None, codes))
        self._news.set()

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            if self._refused:
                raise RuntimeError(f"the node refused records: {dict(self._refused)}")
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), PATIENCE_S)

    async def meet(self, child: Child, scopes: Sequence[str] = ()) -> str:
        """Connect to a node and name `scopes` to it, which a relay carries from then on; the node's peer id."""
        address = child.addresses[0]
        peer = address.rpartition("/")[2]
        await self.mesh.dial(address)
        await self._until(lambda: peer in self._connected)
        if scopes:
            await self.mesh.send(peer, encode_message(Subscribe(tuple(scopes))))
        return peer

    async def publish(self, peer: str, raws: Sequence[bytes]) -> None:
        """Hand over all of these, at most so many unanswered; returns once each was acknowledged."""
        for at in range(0, len(raws), 500):
            part = raws[at : at + 500]
            await self._until(lambda: self._left <= IN_FLIGHT_MAX)
            self._left += len(part)
            await self.mesh.publish([peer], part)
        await self._until(lambda: not self._left)


@asynccontextmanager
async def publisher() -> AsyncIterator[Publisher]:
    """A publisher that runs."""
    one = Publisher()
    await one.mesh.start()
    try:
        yield one
    finally:
        await one.mesh.stop()


def outside(script: str, *arguments: str) -> str:
    """What a program of scripts/peers/ prints, run in the yardsticks' environment. Raises Unavailable."""
    command = [str(outside_python()), str(ROOT / "scripts" / "peers" / script), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Unavailable(f"not compared: scripts/peers/{script} failed")
    return done.stdout
