"""How SQLite is opened, which tables there are, and what its errors mean in one sentence.

Decides nothing about records. SQL is written in SQLAlchemy Core; what only SQLite understands stays in this file.
Spec: 14-store, STO-1 to STO-6.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from protocol.errors import CommandError

BUSY_MS = 5000  # (g) how long another program's transaction is waited for
WAL_BYTES_KEPT = 16 << 20  # (g) the write-ahead log shrinks to this after a burst
CACHE_KIB = 8192  # (g) per connection; at a million records the default of 2 MiB thrashes
CONNECTIONS = 4  # (g) one writes, the others read beside it

metadata = MetaData()
# `raw` is the truth; the other columns are indexes into it that `Store.verify` can rebuild (STO-1).
records = Table(
    "records",
    metadata,
    Column("position", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("author", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Index("records_scope", "scope"),
    sqlite_autoincrement=True,  # a position is never given twice, even after its record was pruned (STO-3)
)
facts = Table("facts", metadata, Column("name", Text, primary_key=True), Column("value", LargeBinary, nullable=False))
schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))


INTEGRITY = text("PRAGMA integrity_check")  # "ok", or the first thing found wrong
LAST_POSITION = text("SELECT seq FROM sqlite_sequence WHERE name='records'")  # nothing before the first record


class StoreError(CommandError):
    """The disk does not do what it must; the message names the file and what to do."""


class StoreFull(StoreError):
    """Nothing more fits; nothing was written (STO-5)."""


def async_engine(path: Path) -> AsyncEngine:
    """The pool through which the running node reads and writes `path`."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=CONNECTIONS, max_overflow=0)
    _listen(engine.sync_engine)
    return engine


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
        cursor.execute(f"PRAGMA journal_size_limit={WAL_BYTES_KEPT}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        durable = connection.get_execution_options().get("durable")
        if durable is None:
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
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
