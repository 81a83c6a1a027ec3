"""A node's file with many valid records in it, made once in a run of a bench and copied from then on."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path

from node.store import Store
from protocol.identity import Persona
from protocol.params import DAY_MS
from protocol.record.record import Record, Slot
from scripts.rig import NETWORK, board

AUTHORS, PART = 1000, 1000  # who sign in turn; records of one commit


def part(plan: tuple[int, int, int]) -> list[bytes]:
    """The records of one commit, each in a slot of its own; the plan is its number, how many boards, and the time."""
    number, boards, now = plan
    rng = random.Random(number)
    found = []
    for at in range(number * PART, (number + 1) * PART):
        author = _author(at % AUTHORS)
        body = {"template": bytes(32), "want": 300, "tolerate": 50, "spend_minor": 42_000, "readiness": "exploring"}
        body |= {"ready_by": now + DAY_MS, "levels": {"price": -1, "green": 1}, "terms": []}
        slot, created = Slot("latest", f"s{at}", 0), now - rng.randrange(60_000)
        record = Record.sign(
            author, NETWORK, "intent.1", board(at % boards), body, created=created, expires=now + DAY_MS, slot=slot
        )
        found.append(record.raw)
    return found


@cache
def _author(number: int) -> Persona:
    return Persona.from_seed(number.to_bytes(32, "big"))


@cache
def _filled(count: int, boards: int) -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    """The file, and the folder that lives as long as this process."""
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "node.db")
    now = time.time_ns() // 1_000_000
    work = ((number, boards, now) for number in range(count // PART))

    async def fill() -> None:
        store = await Store.open(path, NETWORK)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            for raws in pool.imap(part, work, chunksize=4):
                await store.append([(Record.parse(raw, NETWORK, verified=True), False) for raw in raws])
        await store.close()

    asyncio.run(fill())
    return path, folder


def fill(path: Path, count: int, boards: int) -> None:
    """Make `path` a file with `count` records (whole thousands) on `boards` boards. Not in a running event loop."""
    shutil.copyfile(_filled(count, boards)[0], path)
