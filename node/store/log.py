"""The log: records in the order in which this node took them, and its own facts beside them.

Decides when something is on disk; never whether it should be. Only the daemon writes, through one `Store`.
Spec: 14-store, STO-1 to STO-6.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from node.store.disk import INTEGRITY, LAST_POSITION, StoreError, async_engine, facts, plainly, records
from node.store.migrate import migrate
from protocol.errors import ProtocolError
from protocol.record import Record

CHUNK = 1000  # rows per statement: what one turn of the event loop may wait for
EXPIRING = ("board/", "mail/")  # PROTOCOL 1: these expire one by one, the rest is kept with its deal
NO_FACTS: Mapping[str, bytes] = MappingProxyType({})

_TAKE = insert(records).on_conflict_do_nothing(index_elements=["id"])
_NETWORK = "store.network"  # the fact that ties a file to one network

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A record with its place in the log."""

    position: int
    record: Record


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found: rows read, rows whose indexes it rebuilt, positions whose bytes are no record."""

    rows: int
    rebuilt: int
    unreadable: tuple[int, ...]


class Store:
    """One database file of one network. Every method raises StoreError when the disk fails, and has then changed
    nothing."""

    def __init__(self, path: Path, network: bytes, engine: AsyncEngine) -> None:
        self.path = path
        self.last_position = 0  # no position at or below it will be given again (STO-3)
        self._network = network
        self._engine = engine
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, network: bytes) -> Self:
        """The store in the file `path`, made or migrated where needed (STO-8)."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        await asyncio.to_thread(migrate, path)
        store = cls(path, network, async_engine(path))
        try:
            await store._begin()
        except StoreError:
            await store.close()
            raise
        path.chmod(0o600)
        return store

    async def _begin(self) -> None:
        with plainly(self.path):
            async with self._engine.connect() as connection:
                found = await connection.execute(LAST_POSITION)
                self.last_position = found.scalar() or 0
        known = (await self.facts(_NETWORK)).get(_NETWORK)
        if known is None:
            await self.append((), {_NETWORK: self._network})
        elif known != self._network:
            raise StoreError("STO-9", f"{self.path}: belongs to another network; choose another --home for this one")

    async def close(self) -> None:
        """Waits for the write under way, then lets go of the file."""
        async with self._writing:
            await self._engine.dispose()

    async def append(
        self, batch: Sequence[tuple[Record, bool]], keep: Mapping[str, bytes] = NO_FACTS
    ) -> tuple[int, ...]:
        """Commits records and facts together, all or nothing, and returns each record's position.

        A record held already keeps the position it has. True beside a record marks it as our own: the commit then
        reaches the disk itself, not only the system (STO-2). A fact b"" is forgotten.
        """
        durable = bool(keep) or any(own for _, own in batch)
        rows = [_row(record) for record, _ in batch]
        async with self._writing:
            with plainly(self.path):
                async with self._engine.connect() as plain:
                    connection = await plain.execution_options(durable=durable)
                    async with connection.begin():
                        if rows:
                            await connection.execute(_TAKE, rows)
                        await _put(connection, keep)
                        places = await _positions(connection, [row["id"] for row in rows])
            self.last_position = max(self.last_position, *places.values(), 0)
        return tuple(places[row["id"]] for row in rows)

    async def by_scope(self, scope: str) -> list[Record]:
        """All records of `scope`, in the order in which they came: a record never precedes what it refs."""
        query = select(records.c.position, records.c.raw).where(records.c.scope == scope).order_by(records.c.position)
        return [held.record async for held in self._read(query)]

    async def get_raw(self, scope: str, ids: Collection[bytes]) -> list[bytes]:
        """The bytes of those of `ids` that `scope` holds, in the order in which they came."""
        found: list[tuple[int, bytes]] = []
        for part in _chunks(list(ids)):
            query = select(records.c.position, records.c.raw).where(records.c.id.in_(part), records.c.scope == scope)
            found.extend((row.position, row.raw) for row in await self._all(query))
        return [raw for _, raw in sorted(found)]

    async def page(self, after: int, limit: int = CHUNK) -> list[Held]:
        """At most `limit` records beyond position `after`: the log, as a browser or a backup follows it (STO-3)."""
        query = select(records.c.position, records.c.raw).where(records.c.position > after)
        return [held async for held in self._read(query.order_by(records.c.position).limit(limit))]

    async def ids(self, scope: str) -> list[tuple[int, bytes]]:
        """(created in Unix ms, id) of every record in `scope`, ascending: what reconciliation compares."""
        query = select(records.c.created, records.c.id).where(records.c.scope == scope)
        return sorted((row.created, row.id) for row in await self._all(query))

    async def has(self, ids: Collection[bytes]) -> frozenset[bytes]:
        """Those of `ids` that are held."""
        found: list[bytes] = []
        for part in _chunks(list(ids)):
            found.extend(row.id for row in await self._all(select(records.c.id).where(records.c.id.in_(part))))
        return frozenset(found)

    async def scopes(self) -> dict[str, int]:
        """Every scope that holds a record and the last position in it, the most recently written first."""
        last = func.max(records.c.position)
        query = select(records.c.scope, last.label("last")).group_by(records.c.scope).order_by(last.desc())
        return {row.scope: row.last for row in await self._all(query)}

    async def facts(self, prefix: str = "") -> dict[str, bytes]:
        """The local facts whose name begins with `prefix`, by name."""
        query = select(facts).where(facts.c.name.startswith(prefix, autoescape=True)).order_by(facts.c.name)
        return {row.name: row.value for row in await self._all(query)}

    async def prune(self, now: int) -> int:
        """Deletes board and mail records that expired before `now` (Unix ms) and says how many (STO-4)."""
        family = or_(*(records.c.scope.startswith(name) for name in EXPIRING))
        query = select(records.c.position).where(family, records.c.expires <= now)
        gone = [row.position for row in await self._all(query)]
        for part in _chunks(gone):
            await self._write(delete(records).where(records.c.position.in_(part)))
        return len(gone)

    async def verify(self) -> Report:
        """Reads the whole file, every signature too, and rebuilds each index from `raw` (STO-1)."""
        with plainly(self.path):
            async with self._engine.connect() as connection:
                verdict = (await connection.execute(INTEGRITY)).scalar_one()
        if verdict != "ok":
            message = f"{self.path}: the file is damaged ({verdict}); restore it from a backup, or move it away"
            raise StoreError("STO-6", message)
        rows, rebuilt, unreadable, after = 0, 0, list[int](), 0
        query = select(records).order_by(records.c.position).limit(CHUNK)
        while page := await self._all(query.where(records.c.position > after)):
            after = page[-1].position
            rows += len(page)
            wrong = []
            for row in page:
                try:
                    right = _row(Record.parse(row.raw, self._network))
                except ProtocolError:
                    unreadable.append(row.position)
                    continue
                if any(row._mapping[name] != value for name, value in right.items()):
                    wrong.append({"at": row.position, **right})
            if wrong:
                rebuilt += len(wrong)
                await self._write(update(records).where(records.c.position == bindparam("at")), wrong)
        return Report(rows, rebuilt, tuple(unreadable))

    async def _write(self, statement: Any, values: list[dict[str, Any]] | None = None) -> None:
        async with self._writing:
            with plainly(self.path):
                async with self._engine.connect() as plain:
                    connection = await plain.execution_options(durable=False)
                    async with connection.begin():
                        await connection.execute(statement, values)

    async def _all(self, query: Any) -> Sequence[Any]:
        with plainly(self.path):
            async with self._engine.connect() as connection:
                return (await connection.execute(query)).all()

    async def _read(self, query: Any) -> AsyncIterator[Held]:
        """Rows of (position, raw) as records, with a turn for everybody else after each chunk."""
        with plainly(self.path):
            async with self._engine.connect() as connection:
                result = await connection.stream(query)
                async for part in result.partitions(CHUNK):
                    for row in part:
                        if record := self._record(row.position, row.raw):
                            yield Held(row.position, record)

    def _record(self, position: int, raw: bytes) -> Record | None:
        try:
            return Record.parse(raw, self._network, verified=True)  # our own bytes: verified before they came here
        except ProtocolError as error:  # taken when its kind was unknown, or damaged on the disk
            log.warning("position %d of the log is no record: %s", position, error)
            return None


def _row(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "author": record.author,
        "kind": record.kind,
        "scope": record.scope,
        "created": record.header.created,
        "expires": record.header.expires,
        "raw": record.raw,
    }


async def _put(connection: AsyncConnection, keep: Mapping[str, bytes]) -> None:
    if gone := [name for name, value in keep.items() if not value]:
        await connection.execute(delete(facts).where(facts.c.name.in_(gone)))
    if kept := [{"name": name, "value": value} for name, value in keep.items() if value]:
        statement = insert(facts)
        renewed = statement.on_conflict_do_update(index_elements=["name"], set_={"value": statement.excluded.value})
        await connection.execute(renewed, kept)


async def _positions(connection: AsyncConnection, ids: list[bytes]) -> dict[bytes, int]:
    places: dict[bytes, int] = {}
    for part in _chunks(ids):
        query = select(records.c.id, records.c.position).where(records.c.id.in_(part))
        places.update({row.id: row.position for row in await connection.execute(query)})
    return places


def _chunks(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
