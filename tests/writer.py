"""A process that appends to a store until it is killed, and says after each commit how far it has come.

Run as `python -m tests.writer PLACE FIRST SEED [NODE]`; it prints the number of the last record acknowledged, a line
per batch. PLACE is a file, or the URL of a database that NODE shares with others.
"""

import asyncio
import random
import sys

from node.store import Store
from protocol.identity import Persona
from protocol.record.record import Record

NETWORK = bytes(range(32))
AUTHOR = Persona.from_seed(b"w" * 32)
SCOPE = "coop/log"


def numbered(
    number: int, scope: str = SCOPE, *, pad: int = 200, created: int = 1_000, life: int = 86_400_000
) -> Record:
    """Record `number` of a stream that any process can make again, byte for byte."""
    body = {"number": number, "pad": "x" * pad}
    start = created + number
    return Record.sign(AUTHOR, NETWORK, "entry.1", scope, body, created=start, expires=start + life)


async def write(place: str, first: int, seed: int, node: str = "") -> None:
    """Appends batches of 1 to 40 records, own and foreign, for ever."""
    rng = random.Random(seed)
    store = await Store.open(place, NETWORK, node)
    while True:
        size = rng.randint(1, 40)
        batch = [(numbered(number), rng.random() < 0.2) for number in range(first, first + size)]
        await store.append(batch, {"last": str(first + size - 1).encode()})
        first += size
        print(first - 1, flush=True)


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))
