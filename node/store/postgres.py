"""How PostgreSQL is reached, and what its errors mean in one sentence: a store that several relay processes share.

Decides in which order commits become visible: writers take one row in turn, which holds the last position, so positions
never show a gap that is filled later (STO-24). What only PostgreSQL understands stays in this file. asyncpg reads the
address itself, so a password may stand in the URL, in PGPASSWORD or in a password file.
Spec: 14-store, STO-24 to STO-27.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from node.config import without_password
from node.store.errors import StoreAway, StoreError, StoreFull
from node.store.steps import LEAST, STEPS, create
from node.store.tables import records, row, schema_version
from protocol.record.record import Record

CONNECTIONS = 4  # one writes, the others read beside it
CONNECT_S = 10.0  # (g)
STATEMENT_MS = 60_000  # (g) no statement of ours comes near it
STUCK_MS = 10_000  # (g) a process that stopped inside a transaction loses it, so that the others go on
LOCK_MS = 15_000  # (g) longer than that
RETRY_S = 1.0  # (g) between attempts to hear of others again
LISTEN_S = 30.0  # (g) a call that was lost is made up for by looking
CHANNEL = "wltm_log"
# A machine that lost its power keeps its node's name no longer than this.
_ALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}

_CREATE = text("CREATE TABLE log (last BIGINT NOT NULL)")  # one row: the last position given
_BEGIN = text("INSERT INTO log VALUES (0)")
_TURN = text("SELECT last FROM log FOR UPDATE")
_LAST = text("SELECT last FROM log")
_MOVED = text("WITH moved AS (UPDATE log SET last = :last) SELECT pg_notify(:channel, :node)")
_MIGRATING = text("SELECT pg_advisory_xact_lock(7788160001)")  # any number, as long as all programs agree
_AWAY = ("08", "57P", "53300", "25P03", "25006", "55P03", "40P01")  # connection, shutdown, crowded, stuck, standby

_Result = TypeVar("_Result")

log = logging.getLogger(__name__)


class Server:
    """One database of a PostgreSQL server, for the node called `node`."""

    shared = True
    insert = staticmethod(insert)

    def __init__(self, url: str, node: str) -> None:
        self.name = without_password(url)
        self._url, self._node = url, node
        self.engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=self._connect, pool_size=CONNECTIONS, max_overflow=0
        )
        self._ear: asyncpg.Connection | None = None  # hears of the others' commits, and holds the node's name
        self._heard = asyncio.Event()
        self._closed = False
        self.lost: StoreError | None = None  # why nobody listens at present

    async def _connect(self) -> asyncpg.Connection:
        limits = {"statement_timeout": STATEMENT_MS, "lock_timeout": LOCK_MS}
        limits["idle_in_transaction_session_timeout"] = STUCK_MS
        settings = {name: str(value) for name, value in limits.items()}
        settings |= {"application_name": "wltm", "client_encoding": "UTF8", "timezone": "UTC", **_ALIVE}
        try:
            return await asyncpg.connect(self._url, timeout=CONNECT_S, server_settings=settings)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
            raise self._away(error) from error

    async def prepare(self) -> None:
        """Takes the node's name (STO-7), and creates or migrates the tables where they are (STO-27)."""
        await self._listen()
        with self.plainly():
            async with self.engine.connect() as connection, connection.begin():
                await connection.execute(_MIGRATING)
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await self._check_encoding(connection)
                found = None
                if await connection.run_sync(lambda one: inspect(one).has_table(schema_version.name)):
                    found = (await connection.execute(select(schema_version))).one()
                await self._migrate(connection, found)

    async def _check_encoding(self, connection: AsyncConnection) -> None:
        encoding = (await connection.execute(text("SHOW server_encoding"))).scalar_one()
        if encoding != "UTF8":
            message = f"{self.name}: the database's encoding is {encoding}; create it anew with ENCODING 'UTF8'"
            raise StoreError("STO-6", message)

    async def _migrate(self, connection: AsyncConnection, found: Any) -> None:
        """In one transaction: nobody sees half of a step."""
        if found is None:
            await connection.run_sync(create)
            await connection.execute(_CREATE)
            await connection.execute(_BEGIN)
        elif found.least > len(STEPS):
            message = f"{self.name}: made by a version of wltm too new for this one; update this one to use it"
            raise StoreError("STO-8", message)
        elif found.version >= len(STEPS):
            return
        else:
            for step in STEPS[found.version :]:
                await connection.run_sync(step)
            await connection.execute(schema_version.delete())
        await connection.execute(schema_version.insert(), {"version": len(STEPS), "least": LEAST})

    @asynccontextmanager
    async def writing(self, durable: bool) -> AsyncIterator[AsyncConnection]:
        """A transaction in our turn: whoever writes, even if only to prune, waits for nobody half-way.

        Every commit reaches the disk, whatever `durable` says: other processes build on it.
        """
        async with self.engine.connect() as connection, connection.begin():
            await connection.execute(_TURN)
            yield connection

    async def run(self, durable: bool, work: Callable[[Connection], _Result]) -> _Result:
        """What `work` returns, after the commit of what it wrote."""
        async with self.writing(durable) as connection:
            return await connection.run_sync(work)

    def last_position(self, connection: Connection) -> int:
        """The last position given; in our turn nobody else gives one."""
        return int(connection.execute(_LAST).scalar_one())

    def add(self, connection: Connection, found: Iterable[tuple[int, Record]]) -> None:
        """Writes new (position, record)s."""
        connection.execute(records.insert(), [{"position": place, **row(record)} for place, record in found])

    def moved(self, connection: Connection, last: int) -> None:
        """Remembers the last position, and tells the other processes with the commit."""
        connection.execute(_MOVED, {"last": last, "channel": CHANNEL, "node": self._node})

    async def integrity(self) -> str:
        """The server looks after its files itself."""
        return "ok"

    async def changes(self) -> AsyncIterator[None]:
        """A turn whenever others may have committed: at the start, when told, after each loss, and now and then."""
        while not self._closed:
            try:
                if self._ear is None or self._ear.is_closed():
                    await self._listen()
                self.lost = None
                yield
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._heard.wait(), LISTEN_S)
                self._heard.clear()
            except StoreError as error:
                if self.lost is None:
                    log.warning("%s", error.message)
                self.lost = error
                await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        ear = await self._connect()
        try:
            with self.plainly():
                if not await ear.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", self._node):
                    message = f"{self.name}: another process runs this node on the same database; stop it first"
                    raise StoreError("STO-7", message)
                await ear.add_listener(CHANNEL, self._called)
        except BaseException:
            ear.terminate()
            raise
        ear.add_termination_listener(lambda _: self._heard.set())
        self._ear = ear

    def _called(self, _connection: object, _process: int, _channel: str, node: object) -> None:
        if node != self._node:
            self._heard.set()

    @contextmanager
    def plainly(self) -> Iterator[None]:
        """Turns whatever the driver raises into StoreError, StoreFull or StoreAway, one sentence each."""
        try:
            yield
        except DBAPIError as error:
            raise self._sentence(error.orig) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise self._sentence(error) from error

    def _sentence(self, error: BaseException | None) -> StoreError:
        state = str(getattr(error, "sqlstate", None) or "")
        if state == "53100":
            sentence = "the database server's disk is full; free some space, nothing is written or lost until then"
            return StoreFull("STO-5", f"{self.name}: {sentence}")
        if not state or state.startswith(_AWAY):
            return self._away(error)
        if state == "42501":
            return StoreError("STO-6", f"{self.name}: the database user may not do this; make it the tables' owner")
        return StoreError("STO-6", f"{self.name}: the database does not work ({self._said(error)})")

    def _away(self, error: BaseException | None) -> StoreAway:
        state = str(getattr(error, "sqlstate", None) or "")
        if state.startswith("28"):
            why = "the server refuses this user or password; put it into the URL, PGPASSWORD or ~/.pgpass"
        elif state == "3D000":
            why = "there is no such database; create it with `createdb`"
        elif state == "53300":
            why = "the server takes no more connections; raise max_connections"
        elif state == "25006":
            why = "the server only reads at present (a standby?)"
        elif state in ("55P03", "25P03"):
            why = "another process holds the log too long; if that goes on, look for one that is stopped"
        elif isinstance(error, ValueError):
            why = f"the address cannot be used ({self._said(error)})"
        else:
            why = f"the database server does not answer ({self._said(error)}); see that it runs, and at this address"
        return StoreAway("STO-25", f"{self.name}: {why}")

    def _said(self, error: BaseException | None) -> str:
        """What the driver says, in one line and without the password."""
        line = (str(error) or type(error).__name__).splitlines()[0][:200]
        parts = urlsplit(self._url)
        for password in (parts.password, *parse_qs(parts.query).get("password", ())):
            line = line.replace(unquote(password), "…").replace(password, "…") if password else line
        return line

    async def close(self) -> None:
        """Ends every connection."""
        self._closed = True
        self._heard.set()
        if self._ear is not None:
            self._ear.terminate()
        await self.engine.dispose()
