"""What a relay's store does all day, with more and more records in it: does anything get slower?

One cycle appends a batch of 1,000 new records, reads the outlines and the ids of a scope of 1,000, a page of 500
records from the middle of the log, and 500 records by id. The yardstick is the same cycle at 10,000 records. On a real
PostgreSQL with its distribution's settings (`--sqlite 1`: on SQLite); `--rows 1000000` is the curve to a million.
The records that fill the store are made by the database itself; scopes are scattered over the whole log.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import text

from node.store import Store
from protocol.identity import Persona
from protocol.params import DAY_MS
from protocol.record.record import Record, Slot
from scripts.rig import Unavailable
from tests.postgres import NO_POSTGRES, server

UNIT = "ms a cycle"
AGAINST = "the same at 10,000 records, ms"
LIMIT = 1.5
LESS = True
RUNS = 3
OPTIONS = {"rows": 100_000, "sqlite": 0}
VARIANTS = ({"rows": 1_000_000}, {"rows": 1_000_000, "sqlite": 1}, {"sqlite": 1})
LIMITED_BY = """Deeper index trees and, with less memory than log, the disk. Nothing counts, sorts or skips through the
log: every statement finds its rows by an index (STO-28), and what scopes amount to is kept with each commit. Ids are
random, so each new one falls on another page of their index: on SQLite, whose cache is kept small for homes, appending
pays for that once the index is larger than the cache."""

NETWORK, NOW_MS = bytes(range(32)), 1_800_000_000_000
FIRST, SCOPE_ROWS, BATCH, ASKED, CYCLES = 10_000, 1_000, 1_000, 500, 7

_COLUMNS = "position, id, author, kind, scope, created, expires, raw, slot, seq, due"
_VALUES = "'intent.1', 'board/x/s' || CAST(:base + i % :scopes AS TEXT), :now + i, :end + i, :raw, i, 0, :end + i"
_FILL = {
    False: f"INSERT INTO records ({_COLUMNS}) SELECT i, sha256(CAST(i AS TEXT)::bytea),"
    f" sha256(CAST(i % 1000 AS TEXT)::bytea), {_VALUES}"
    " FROM generate_series(CAST(:first AS BIGINT), CAST(:last AS BIGINT)) i",
    True: "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
    f" INSERT INTO records ({_COLUMNS}) SELECT i, randomblob(32), randomblob(32), {_VALUES} FROM n",
}
_AMOUNTS = """INSERT INTO scopes (scope, records, bytes, last, rooted)
 SELECT scope, count(*), sum(length(raw)), max(position), false FROM records WHERE position >= :first GROUP BY scope"""


@cache
def fresh() -> tuple[Record, ...]:
    """New records, enough for every cycle of one curve."""
    author, body = Persona.from_seed(bytes(32)), {"template": bytes(32), "want": 300, "tolerate": 50}
    body |= {"spend_minor": 42_000, "readiness": "ready", "ready_by": NOW_MS + DAY_MS, "levels": {}, "terms": []}
    return tuple(
        Record.sign(author, NETWORK, "intent.1", f"board/x/n{at % 20}", body, created=NOW_MS, expires=NOW_MS + DAY_MS,
                    slot=Slot("latest", f"i{at}", 0))
        for at in range(3 * CYCLES * BATCH)
    )  # fmt: skip


@contextmanager
def place(sqlite: bool) -> Iterator[Path | str]:
    """Where a store may be made."""
    if sqlite:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder, "node.db")
        return
    with server("fsync = on\nfull_page_writes = on\nshared_buffers = 128MB\n") as running:
        if running is None:
            raise Unavailable(NO_POSTGRES)
        yield running.database()


async def grow(store: Store, sqlite: bool, first: int, last: int) -> None:
    """Fills the log from position `first` to `last`, scopes of 1,000 records each."""
    scopes = (last - first + 1) // SCOPE_ROWS
    given = {"first": first, "last": last, "base": first, "scopes": scopes, "now": NOW_MS, "end": NOW_MS + DAY_MS}
    async with store._write(durable=False) as connection:
        if not sqlite:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.execute(text(_FILL[sqlite]), {**given, "raw": fresh()[0].raw})
        await connection.execute(text(_AMOUNTS), {"first": first})
        if not sqlite:
            await connection.execute(text("UPDATE log SET last = :last"), {"last": last})
    async with store._database.engine.connect() as plain:
        autocommit = await plain.execution_options(isolation_level="AUTOCOMMIT") if not sqlite else plain
        await autocommit.execute(text("ANALYZE" if sqlite else "VACUUM ANALYZE"))
    store.last_position = last


async def cycles(store: Store, base: int, scopes: int, batches: list[tuple[Record, ...]]) -> dict[str, float]:
    """Milliseconds of each part, medians."""
    spent: dict[str, list[float]] = {}

    async def timed(name: str, work: Coroutine[Any, Any, Any]) -> Any:
        began = time.perf_counter()
        found = await work  # which begins only now
        spent.setdefault(name, []).append((time.perf_counter() - began) * 1000)
        return found

    for number, batch in enumerate(batches):
        scope = f"board/x/s{base + number * 7 % scopes}"
        await timed("append", store.append([(record, False) for record in batch]))
        await timed("outlines", store.outlines(scope))
        held = await timed("ids", store.ids(scope))
        assert len(held) == SCOPE_ROWS
        await timed("page", store.page(store.last_position * (number + 1) // (CYCLES + 2), ASKED))
        asked = [one for _, one in held[::2]]
        assert len(await timed("by id", store.get_raw(scope, asked))) == ASKED
    return {name: statistics.median(found) for name, found in spent.items()}


async def _curve(where: Path | str, rows: int, sqlite: bool) -> dict[int, dict[str, float]]:
    store, curve, first, size, records = await Store.open(where, NETWORK, "bench" * (not sqlite)), {}, 1, FIRST, fresh()
    try:
        while size <= rows:
            await grow(store, sqlite, first, size)
            batches = [records[at : at + BATCH] for at in range(0, CYCLES * BATCH, BATCH)]
            records = records[CYCLES * BATCH :]
            base, scopes = first, (size - first + 1) // SCOPE_ROWS
            curve[size] = await cycles(store, base, scopes, batches)
            first, size = store.last_position + 1, size * 10
    finally:
        await store.close()
    return curve


def measure(rows: int = OPTIONS["rows"], sqlite: int = 0) -> tuple[float, dict[str, float]]:
    """Milliseconds of a cycle at `rows` records, the curve that leads there, and the parts of the last point."""
    with place(bool(sqlite)) as where:
        curve = asyncio.run(_curve(where, rows, bool(sqlite)))
    last = max(curve)
    points = {f"at {size}": sum(parts.values()) for size, parts in curve.items()}
    return points[f"at {last}"], points | {f"{name} at {last}, ms": spent for name, spent in curve[last].items()}


def yardstick(rows: int = OPTIONS["rows"], sqlite: int = 0) -> tuple[float, dict[str, float]]:
    """The same at 10,000 records."""
    with place(bool(sqlite)) as where:
        parts = asyncio.run(_curve(where, FIRST, bool(sqlite)))[FIRST]
    return sum(parts.values()), {f"{name} at {FIRST}, ms": spent for name, spent in parts.items()}
