"""While one peer floods a relay with whatever costs most, a record of an honest peer reaches another as soon as ever.

On real processes: a relay, a flooder in a process of its own, and two honest peers that a record goes between.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import trio

from node.cli.client import Client
from node.config import load
from node.mesh.wire import Frame, Records
from protocol.identity import Persona
from protocol.network.gossip import Subscribe
from protocol.record.record import Record, Slot
from tests.attacks.flooder import POURS
from tests.attacks.test_records import DAEMON_BYTES_MAX, MESH_BYTES_MAX, Stranger, processes, resident
from tests.e2e.test_crash import ROOT, Node

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc"), pytest.mark.timeout(240)]
BOARD = "board/electricity/u9"  # not the one that is flooded: who follows that has asked for what comes
SAMPLES, EVERY_S = 40, 0.04
RATIO_MAX = 3.0
FLOOR_S = 0.030  # of the quiet figure: below it the machine's own hiccups decide
API_S_MAX = 2.0


class Fifo(Node):
    """A node that hears its peers in the order in which they spoke."""

    def wltm(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tests.attacks.fifo", *super().wltm(*arguments)[3:]]


@dataclass
class Fair:
    """A relay under attack, and how fast it serves the others."""

    relay: Node
    pids: list[int] = field(default_factory=list)
    network: bytes = b""
    seq: int = 0

    def __post_init__(self) -> None:
        self.client = Client(self.relay.home)
        self.network = load(self.relay.home, {}, {}).network.id
        self.pids = processes(self.client.pid)

    def delays(self, count: int) -> list[float]:
        """Seconds that each of `count` records takes from one honest peer to the other, ascending."""
        return sorted(trio.run(self._measure, count))

    async def _measure(self, count: int) -> list[float]:
        giver, taker = [await Stranger.enter(self.relay.addresses[0], self.network) for _ in range(2)]
        await taker.tell(Subscribe((BOARD,)))
        author, found = Persona.from_seed(os.urandom(32)), list[float]()
        await taker.verdicts(self._record(author).raw)  # and its subscription has been heard before that
        for _ in range(count):
            record, began = self._record(author), trio.current_time()
            await giver.say(Records(next(giver.batches), (record.raw,)))
            with trio.fail_after(20):
                await taker.hear(partial(_brings, record.raw))
            found.append(trio.current_time() - began)
            with trio.move_on_after(EVERY_S):
                await trio.sleep_forever()
        for one in (giver, taker):
            await one.leave()
        return found

    def _record(self, author: Persona) -> Record:
        self.seq += 1
        now = time.time_ns() // 10**6
        slot, body = Slot("latest", "p", self.seq), {"label": "honest", "terms": []}
        return Record.sign(
            author, self.network, "profile.1", BOARD, body, created=now, expires=now + 10**7, slot=slot
        )

    @contextmanager
    def flood(self, kind: str) -> Iterator[list[float]]:
        """While it lasts; seconds that the API took to answer meanwhile."""
        whom = self.relay.addresses[0], self.network.hex()
        command = [sys.executable, "-m", "tests.attacks.flooder", *whom, kind, "60"]
        over, slowest = threading.Event(), [0.0]

        def ask() -> None:
            while not over.wait(0.1):
                began = time.monotonic()
                Client(self.relay.home).get("/status")
                slowest.append(time.monotonic() - began)

        asker = threading.Thread(target=ask)
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as flooder:
            assert flooder.stdout
            assert flooder.stdout.readline()
            over.wait(0.5)  # until the flood has come
            asker.start()
            try:
                yield slowest
                ended = flooder.poll()
            finally:
                over.set()
                asker.join()
                flooder.kill()
            assert ended is None, (kind, flooder.stderr.read().decode()[-2000:] if flooder.stderr else "")


def _brings(raw: bytes, frame: Frame) -> bool:
    return isinstance(frame, Records) and raw in frame.raws


def p95(seconds: list[float]) -> float:
    return seconds[int(0.95 * len(seconds))]


@contextmanager
def running(kind: type[Node], folder: Path, host: str = "127.0.0.1") -> Iterator[Fair]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    relay = kind(folder, ("--role", "relay", "--listen", f"/ip4/{host}/tcp/{port}"))
    relay.home.mkdir(mode=0o700)
    config = f'[network]\nname = "siege"\nsalt = "{os.urandom(8).hex()}"\n[api]\nport = 0\n'
    (relay.home / "config.toml").write_text(config)
    relay.init()
    relay.spawn()
    try:
        assert relay.ready()
        yield Fair(relay)
        relay.end()
    finally:
        if relay.process and relay.process.poll() is None:
            relay.kill()


@pytest.fixture(scope="module")
def fair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fair, float]]:
    """The relay, and what 95 of 100 records take at most while nobody floods."""
    with running(Node, tmp_path_factory.mktemp("fair") / "relay") as found:
        yield found, p95(found.delays(SAMPLES))


def most(quiet: float) -> float:
    """What is fast enough: three times the quiet figure, and more where the machine does much else."""
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    return RATIO_MAX * max(quiet, FLOOR_S) * busy


@pytest.mark.parametrize("kind", POURS)
def test_a_flood_is_felt_by_the_flooder(fair: tuple[Fair, float], kind: str) -> None:
    """GOS-45 to GOS-47, MSH-30"""
    place, quiet = fair
    with place.flood(kind) as api:
        found = place.delays(SAMPLES)
    assert p95(found) <= most(quiet), (kind, quiet, found)
    assert max(api) < API_S_MAX, f"the API took {max(api):.1f} s"
    assert processes(place.client.pid) == place.pids
    daemon, mesh = place.pids
    assert resident(daemon) < DAEMON_BYTES_MAX
    assert resident(mesh) < MESH_BYTES_MAX
    assert "INTERNAL" not in (place.relay.home / "node.log").read_text()


def test_control_one_queue_for_all_makes_everybody_wait(tmp_path: Path) -> None:
    """GOS-46: without lanes and allowances the same flood is everybody's."""
    with running(Fifo, tmp_path / "relay") as place:
        quiet = p95(place.delays(SAMPLES))
        with place.flood("ranges"):
            found = place.delays(SAMPLES // 4)
    assert p95(found) > RATIO_MAX * max(quiet, FLOOR_S), (quiet, found)
