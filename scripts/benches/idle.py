"""Memory that an idle node holds, daemon and mesh process together, pages that both share counted twice.

`--rows N` puts N records into its file first, spread over 50 boards; the node is a relay then, and a peer is connected
that names all of the boards and has published one more record on each, so that the relay has looked at every board.
The yardstick is the aim: 160 MB, 220 MB with rows.
"""

import asyncio

from scripts.rig import board, cpu_s, homes, pids, publisher, resident_mb, stream, up
from scripts.rows import fill

UNIT = "MB"
AGAINST = "the aim, MB"
LIMIT = 1
LESS = True
LIMITED_BY = """Imports: SQLAlchemy, aiohttp and PyNaCl in the daemon, trio and a part of py-libp2p in the mesh process.
With rows, what a carried record costs in memory until shelves that nobody asked for lately are put back."""
RUNS = 3
OPTIONS = {"rows": 0}
VARIANTS = ({"rows": 1_000_000},)

AIM_MB, AIM_ROWS_MB = 160.0, 220.0
BOARDS = 50
CALM_S, CALM_CPU_S = 1.0, 0.05  # it is idle when it uses no more than this in that time


async def _calm(processes: list[int]) -> None:
    """Returns once these processes do nothing any more."""
    while True:
        before = cpu_s(processes)
        await asyncio.sleep(CALM_S)
        if cpu_s(processes) - before <= CALM_CPU_S:
            return


async def _idle(count: int) -> tuple[float, dict[str, float]]:
    async with homes("node") as (node,), publisher() as feed:
        if count:
            await asyncio.to_thread(fill, node.home / "node.db", count, BOARDS)
        await up(node, "relay" if count else "home")
        processes = pids(node)
        await _calm(processes)
        figures = {"nobody connected, MB": resident_mb(processes)} if count else {}
        if count:
            peer = await feed.meet(node, [board(number) for number in range(BOARDS)])
            await feed.publish(peer, stream(BOARDS, BOARDS))
            await _calm(processes)
        daemon, mesh = (resident_mb([pid]) for pid in processes)
        return daemon + mesh, {**figures, "daemon, MB": daemon, "mesh, MB": mesh}


def measure(rows: int = OPTIONS["rows"]) -> tuple[float, dict[str, float]]:
    """10⁶ bytes."""
    return asyncio.run(_idle(rows))


def yardstick(rows: int = OPTIONS["rows"]) -> float:
    """The aim."""
    return AIM_ROWS_MB if rows else AIM_MB
