"""5,000 records at once from one peer into one home of ten nodes: seconds until every one is committed at every node.

The town is that of `fanout`: three relays, seven homes that each keep to two of them, real processes and files. The
yardstick is an aim, half a minute.
"""

import asyncio
import time
from contextlib import closing

from scripts.rig import homes, pids, publisher, resident_mb, stream
from scripts.town import NODES, Arrivals, town

UNIT = "s"
AGAINST = "an aim, s"
LIMIT = 1
LESS = True
LIMITED_BY = """Ten nodes on the machine's cores check and commit 5,000 records each: 50,000 deliveries."""
RUNS = 3
OPTIONS = {"records": 5_000}

AIM_S = 30.0


async def _burst(records: int) -> tuple[float, dict[str, float]]:
    first, *raws = stream(records + 1)
    async with homes(*(f"node-{number}" for number in range(NODES))) as nodes, publisher() as feed:
        peers = await town(nodes, feed)
        with closing(Arrivals(nodes)) as seen:
            await feed.publish(peers[-1], [first])
            await seen.until(NODES)
            began = time.perf_counter()
            publishing = asyncio.create_task(feed.publish(peers[-1], raws))
            await seen.until(NODES * (records + 1))
            took = time.perf_counter() - began
            await publishing
            peaks = [resident_mb([pid], peak=True) for one in nodes for pid in pids(one)]
    return took, {"peak MB of the largest daemon": max(peaks[::2]), "peak MB of the largest mesh": max(peaks[1::2])}


def measure(records: int = OPTIONS["records"]) -> tuple[float, dict[str, float]]:
    """Seconds, and the most memory that a process of a node held."""
    return asyncio.run(_burst(records))


def yardstick(records: int = OPTIONS["records"]) -> float:
    """The aim."""
    return AIM_S
