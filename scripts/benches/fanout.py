"""Ten real nodes, 20 records a second: what a delivery costs, against py-libp2p's own gossipsub in ten processes.

Three relays that keep to one another and seven homes that each keep to two of them; every node is `wltm up` with its
daemon, its mesh process and its file. Records arrive at the nodes in turn from a peer outside; one is delivered at a
node once it is committed there, which is seen in the node's file every few milliseconds. Gossipsub is tuned until it
loses nothing: no spam protection, no adaptive gossip, a heartbeat a second, degree 6; its nodes publish in turn, all
know all, and keep nothing. Both count the processor time of the nodes' processes while records travel.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

from scripts.rig import ROOT, cpu_s, homes, pids, publisher, resident_mb, stream
from scripts.town import NODES, Arrivals, town

UNIT = "CPU ms a delivery"
AGAINST = "py-libp2p's gossipsub, CPU ms a delivery"
LIMIT = 0.2
LESS = True
LIMITED_BY = """Waking up. A record that comes alone wakes the mesh process twice and the daemon three times: packet,
daemon's answer; the event, the thread that commits, its end. Each wake costs tenths of a millisecond on cold
caches, more than the work itself (a signature, a commit without fsync). Gossipsub's nodes keep nothing on disk."""
RUNS = 3
OPTIONS = {"seconds": 10}

PER_S = 20
SETTLE_S = 10.0  # for the last of them


async def _ours(seconds: int) -> tuple[float, dict[str, float]]:
    count = seconds * PER_S
    first, *raws = stream(count + 1)
    async with homes(*(f"node-{number}" for number in range(NODES))) as nodes, publisher() as feed:
        peers = await town(nodes, feed)
        with closing(Arrivals(nodes)) as seen:
            await feed.publish(peers[-1], [first])
            await seen.until(NODES)
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
            with suppress(TimeoutError):
                await seen.until(count * NODES, seconds + SETTLE_S)
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
