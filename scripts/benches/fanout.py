"""Ten real nodes, 20 records a second: what a delivery costs, against py-libp2p's own gossipsub in ten processes.

Three relays that keep to one another and seven homes that each keep to two of them; every node is `wltm up` with its
daemon, its mesh process and its file. Records arrive at the nodes in turn from a peer outside; one is delivered at a
node once it is committed there, which is seen in the node's file every few milliseconds. Gossipsub is tuned until it
loses nothing: no spam protection, no adaptive gossip, a heartbeat a second, degree 6; its nodes publish in turn, all
know all, and keep nothing. Both count the processor time of the nodes' processes while records travel.
"""

import asyncio
import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from node.demo.child import Child
from scripts.rig import (
    CATEGORY,
    PATIENCE_S,
    REGION,
    ROOT,
    Publisher,
    cpu_s,
    homes,
    pids,
    publisher,
    resident_mb,
    stream,
    up,
)

UNIT = "CPU ms a delivery"
AGAINST = "py-libp2p's gossipsub, CPU ms a delivery"
LIMIT = 0.2
LESS = True
RUNS = 3
OPTIONS = {"seconds": 10}

NODES, RELAYS, PER_S = 10, 3, 20
LOOK_S = 0.004
SETTLE_S = 10.0  # for the last of them


class Arrivals:
    """Which record was committed when at which node, seen from outside."""

    def __init__(self, nodes: list[Child]) -> None:
        self.at: dict[tuple[str, bytes], float] = {}
        self._files = {one.name: sqlite3.connect(f"file:{one.home / 'node.db'}?mode=ro", uri=True) for one in nodes}
        self._seen = dict.fromkeys(self._files, 0)

    def look(self) -> int:
        """How many are new."""
        before = len(self.at)
        for name, file in self._files.items():
            query = "SELECT position, raw FROM records WHERE position > ? ORDER BY position"
            for position, raw in file.execute(query, (self._seen[name],)):
                self._seen[name] = position
                self.at[name, raw] = time.perf_counter()
        return len(self.at) - before

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()


async def town(nodes: list[Child], feed: Publisher) -> list[str]:
    """Everybody up, linked, and following the board; the nodes' peer ids."""
    relays, members = nodes[:RELAYS], nodes[RELAYS:]
    for one in relays:
        await up(one, "relay", [other.addresses[0] for other in relays if other.addresses])
    for at in range(0, len(members), 4):
        some = enumerate(members[at : at + 4], at)
        await asyncio.gather(*(up(one, "home", _two_of(relays, number)) for number, one in some))
    for one in members:
        await one.post("/watch", {"category": CATEGORY, "region": REGION})
    return [await feed.meet(one) for one in nodes]


def _two_of(relays: list[Child], number: int) -> list[str]:
    return [relays[(number + step) % RELAYS].addresses[0] for step in (0, 1)]


async def arrive(seen: Arrivals, wanted: int) -> None:
    """Look until so many have been seen. Raises TimeoutError."""
    deadline = time.perf_counter() + PATIENCE_S
    while len(seen.at) < wanted:
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{len(seen.at)} of {wanted} deliveries")
        seen.look()
        await asyncio.sleep(LOOK_S)


async def _ours(seconds: int) -> tuple[float, dict[str, float]]:
    count = seconds * PER_S
    first, *raws = stream(count + 1)
    async with homes(*(f"node-{number}" for number in range(NODES))) as nodes, publisher() as feed:
        peers = await town(nodes, feed)
        with closing(Arrivals(nodes)) as seen:
            await feed.publish(peers[-1], [first])
            await arrive(seen, NODES)
            seen.at.clear()
            daemons = [one.pid for one in nodes]
            processes = [pid for one in nodes for pid in pids(one)]
            before, of_daemons, began = cpu_s(processes), cpu_s(daemons), time.perf_counter()
            sent: dict[bytes, float] = {}

            async def speak() -> None:
                for number, raw in enumerate(raws):
                    await asyncio.sleep(max(0.0, began + number / PER_S - time.perf_counter()))
                    sent[raw] = time.perf_counter()
                    await feed.mesh.publish([peers[number % NODES]], [raw])

            speaking = asyncio.create_task(speak())
            while len(seen.at) < count * NODES and time.perf_counter() < began + seconds + SETTLE_S:
                seen.look()
                await asyncio.sleep(LOOK_S)
            await speaking
            spent, of_daemons = cpu_s(processes) - before, cpu_s(daemons) - of_daemons
            delays = [at - sent[raw] for (_, raw), at in seen.at.items() if raw in sent]
            memory = resident_mb(processes)
    return 1000 * spent / len(delays), {
        **_spread("", delays, count * NODES),
        "of it daemons, ms": 1000 * of_daemons / len(delays),
        "MB resident of a node, daemon and mesh": memory / NODES,
    }


def _spread(whose: str, delays: list[float], wanted: int) -> dict[str, float]:
    return {
        f"{whose}p50, ms": 1000 * statistics.median(delays),
        f"{whose}p95, ms": 1000 * statistics.quantiles(delays, n=20)[-1],
        f"{whose}delivered, %": 100 * len(delays) / wanted,
    }


def measure(seconds: int = OPTIONS["seconds"]) -> tuple[float, dict[str, float]]:
    """Processor time of all nodes over deliveries."""
    return asyncio.run(_ours(seconds))


@contextmanager
def gossipers() -> Iterator[list[subprocess.Popen[str]]]:
    """Ten nodes of gossipsub, each connected to all."""
    command = [sys.executable, str(ROOT / "scripts" / "peers" / "gossip.py")]
    with ExitStack() as stack:
        nodes = []
        for _ in range(NODES):
            node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(node.wait)
            stack.callback(node.kill)
            nodes.append(node)
        addresses = [_heard(node) for node in nodes]
        for number, node in enumerate(nodes):
            _tell(node, addresses[:number])
        assert [_heard(node) for node in nodes] == ["ready"] * NODES
        yield nodes


def _heard(node: subprocess.Popen[str]) -> str:
    assert node.stdout is not None
    return node.stdout.readline().strip()


def _tell(node: subprocess.Popen[str], value: object) -> None:
    assert node.stdin is not None
    node.stdin.write(json.dumps(value) + "\n")
    node.stdin.flush()


def yardstick(seconds: int = OPTIONS["seconds"]) -> tuple[float, dict[str, float]]:
    """The same of gossipsub."""
    each = seconds * PER_S // NODES
    with gossipers() as nodes:
        time.sleep(4.0)  # some heartbeats, after which its mesh stands
        processes = [node.pid for node in nodes]
        before, at = cpu_s(processes), time.time() + 0.2
        for number, node in enumerate(nodes):
            _tell(node, {"count": each, "every_s": NODES / PER_S, "at": at + number / PER_S})
        time.sleep(seconds + 2.0)
        spent = cpu_s(processes) - before
        for node in nodes:
            _tell(node, None)
        delays = [delay for node in nodes for delay in json.loads(_heard(node))["delays_s"]]
    return 1000 * spent / len(delays), _spread("gossipsub ", delays, each * NODES * (NODES - 1))
