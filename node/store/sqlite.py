"""How SQLite is opened, and what its errors mean in one sentence: the store of one node, in one file.

Decides nothing about records. What only SQLite understands stays in this file. Spec: 14-store, STO-1 to STO-6.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from node.store.errors import StoreError, StoreFull
from node.store.tables import records, row
from protocol.record.record import Record

BUSY_MS = 5000  # (g) how long another program's transaction is waited for
PAGE_BYTES = 4096  # SQLite's own
WAL_BYTES_KEPT = 16 << 20  # (g) when the write-ahead log is moved into the file, and what it shrinks to after a burst
CACHE_KIB = 8192  # (g) per connection; at a million records the default of 2 MiB thrashes
CONNECTIONS = 4  # (g) one writes, the others read beside it

INTEGRITY = text("PRAGMA integrity_check")  # "ok", or the first thing found wrong
_ADD = f"INSERT INTO records ({', '.join(records.c.keys())}) VALUES ({', '.join('?' * len(records.c))})"
_LAST_POSITION = text("SELECT seq FROM sqlite_sequence WHERE name='records'")  # nothing before the first record


_Result = TypeVar("_Result")


class File:
    """One database file, which nobody else writes (STO-7)."""

    shared = False
    lost = None
    insert = staticmethod(insert)

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self.engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=CONNECTIONS, max_overflow=0)
        _listen(self.engine.sync_engine)
        self._writer = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0, pool_reset_on_return=None)
        _listen(self._writer)
        self._thread = ThreadPoolExecutor(1, "log")  # appends, one after another

    async def prepare(self) -> None:
        """Makes or migrates the file (STO-8)."""
        from node.store.migrate import migrate

        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        await asyncio.to_thread(migrate, self._path)
        self._path.chmod(0o600)

    @asynccontextmanager
    async def writing(self, durable: bool) -> AsyncIterator[AsyncConnection]:
        """A transaction; `durable`: its commit reaches the disk itself (STO-2)."""
        async with self.engine.connect() as plain:
            connection = await plain.execution_options(durable=durable)
            async with connection.begin():
                yield connection

    async def run(self, durable: bool, work: Callable[[Connection], _Result]) -> _Result:
        """What `work` returns, after the commit of what it wrote: one visit to another thread, however much it is."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, durable, work)

    def _transact(self, durable: bool, work: Callable[[Connection], _Result]) -> _Result:
        with self._writer.connect().execution_options(durable=durable) as connection, connection.begin():
            return work(connection)

    def last_position(self, connection: Connection) -> int:
        """The last position given, pruned or not."""
        return connection.execute(_LAST_POSITION).scalar() or 0

    def add(self, connection: Connection, found: Iterable[tuple[int, Record]]) -> None:
        """Writes new (position, record)s, past SQLAlchemy's conversions: SQLite takes our types as they are."""
        connection.exec_driver_sql(_ADD, [(place, *row(record).values()) for place, record in found])

    def moved(self, connection: Connection, last: int) -> None:
        """SQLite remembers the last position by itself, and nobody else waits for it."""

    async def integrity(self) -> str:
        """"ok", or what is wrong with the file."""
        async with self.engine.connect() as connection:
            return str((await connection.execute(INTEGRITY)).scalar_one())

    async def changes(self) -> AsyncIterator[None]:
        """Nobody else writes here."""
        for _ in ():
            yield

    def plainly(self) -> AbstractContextManager[None]:
        """See `plainly`."""
        return plainly(self._path)

    async def close(self) -> None:
        """Lets go of the file."""
        await asyncio.to_thread(self._thread.shutdown)
        self._writer.dispose()
        await self.engine.dispose()


def sync_engine(path: Path) -> Engine:
    """For the steps before the node runs: creating, migrating."""
    engine = create_engine(f"sqlite:///{path}")
    _listen(engine)
    return engine


def _listen(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; `begun` does
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA wal_autocheckpoint={WAL_BYTES_KEPT // PAGE_BYTES}")
        cursor.execute(f"PRAGMA journal_size_limit={WAL_BYTES_KEPT}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        durable = connection.get_execution_options().get("durable")
        if durable is None:
            connection.exec_driver_sql("BEGIN")
        else:
            if connection.info.get("durable") != durable:
                connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                connection.info["durable"] = durable
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def copy(source: Path, target: Path) -> None:
    """A whole, compact copy of a database that may be in use; no write can tear it."""
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Turns whatever the database raises about `path` into StoreError or StoreFull, one sentence each."""
    try:
        yield
    except DBAPIError as error:
        raise _sentence(path, error.orig) from error
    except sqlite3.Error as error:
        raise _sentence(path, error) from error


def _sentence(path: Path, error: BaseException | None) -> StoreError:
    number = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF  # the low byte is the primary code
    if number == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_WRITE:
        return StoreFull("STO-5", f"{path}: the disk is full; free some space, nothing is written or lost until then")
    if number in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreError("STO-6", f"{path}: the file is damaged; restore it from a backup, or move it away")
    if number in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError("STO-6", f"{path}: another program has locked the file; close it and try again")
    if number in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StoreError("STO-6", f"{path}: the file cannot be opened for writing; check its owner and permissions")
    return StoreError("STO-6", f"{path}: the disk does not work ({error}); check it, then start again")
