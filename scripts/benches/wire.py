"""A publisher over real libp2p into a real durable node, against one over a WebSocket into the Python nostr-relay.

The publisher is a mesh process of its own; the node is `wltm up` with daemon, mesh process and SQLite file. A record
counts once it is acknowledged, which is after its commit; a note once the relay says OK. Records and notes have about
430 bytes and are signed beforehand, each record by another author. Beside it: nostr-sdk's relay, in Rust and in memory.
"""

import asyncio
import time

from scripts.rig import board, cpu_s, homes, outside, pids, publisher, resident_mb, stream, up

UNIT = "records/s"
AGAINST = "nostr-relay (Python, SQLite), notes/s"
LIMIT = 15
LIMITED_BY = """The daemon, which admits, folds and commits on one core, and beside it the checking of signatures, about
56 µs a record, which the mesh process spreads over both. Noise, yamux and frames are less than a tenth of it."""
RUNS = 3
OPTIONS = {"records": 20_000}

BOARDS = 50
NOTES, NOTES_IN_MEMORY = 2_000, 5_000  # the relay in memory ends a connection after some thousand more


async def _published(records: int) -> tuple[float, dict[str, float]]:
    raws = stream(records, BOARDS)
    async with homes("node") as (node,), publisher() as feed:
        await up(node, "relay")
        peer = await feed.meet(node, [board(number) for number in range(BOARDS)])
        processes = daemon, mesh = pids(node)
        before = [cpu_s([pid]) for pid in (daemon, mesh, feed.mesh.pid)]
        began = time.perf_counter()
        await feed.publish(peer, raws)
        took = time.perf_counter() - began
        used = [cpu_s([pid]) - start for pid, start in zip((daemon, mesh, feed.mesh.pid), before, strict=True)]
        names = ("daemon", "mesh", "publisher's mesh")
        figures = {f"{name}, CPU µs a record": spent / records * 1e6 for name, spent in zip(names, used, strict=True)}
        return records / took, {**figures, "peak MB of node and mesh": resident_mb(processes, peak=True)}


def measure(records: int = OPTIONS["records"]) -> tuple[float, dict[str, float]]:
    """Records a second that were acknowledged."""
    return asyncio.run(_published(records))


def yardstick(records: int = OPTIONS["records"]) -> tuple[float, dict[str, float]]:
    """Notes a second that the relay took; beside it those of the relay in memory."""
    memory = float(outside("nostr.py", "memory", str(NOTES_IN_MEMORY)))
    return float(outside("nostr.py", "sqlite", str(NOTES))), {"nostr-sdk LocalRelay (Rust, memory), notes/s": memory}
