"""The log: records in the order in which they were taken, and a node's own facts beside them.

Decides when something is on disk; never whether it should be. Only the daemon writes, through one `Store`.
Spec: 14-store, STO-1 to STO-6, STO-20 to STO-26.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from node.store import amounts, pruning
from node.store.database import Database, database_of
from node.store.errors import StoreAway, StoreError
from node.store.tables import CHUNK, NETWORK, SHARED, facts, records, row, scopes
from protocol.errors import ProtocolError
from protocol.record.outline import Outline
from protocol.record.record import Record

NO_FACTS: Mapping[str, bytes] = MappingProxyType({})
AHEAD = 200  # records of others read at a time: with the largest that there are, some 13 MB
OWN_MAX = 10_000  # (g) own positions remembered while others write in between; forgotten ones are only read once more
_OUTLINE = (
    *(records.c[name] for name in ("id", "author", "kind", "created", "expires", "slot", "seq")),
    func.length(records.c.raw).label("size"),
)

_Result = TypeVar("_Result")

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


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` deleted: how many records, and which scopes as a whole."""

    records: int
    scopes: tuple[str, ...]


class Store:
    """The log of one network. Every method raises StoreError when the database fails, and has then changed nothing."""

    def __init__(self, database: Database, network: bytes, node: str) -> None:
        self.name = database.name
        self.last_position = 0  # no position at or below it will be given again (STO-3)
        self._database, self._network, self._node = database, network, node
        self._writing = asyncio.Lock()
        self._passed = 0  # up to here everything was written here or handed on (STO-24)
        self._own: dict[int, None] = {}  # positions beyond it that were written here
        self._count = amounts.add(database.insert)

    @classmethod
    async def open(cls, place: Path | str, network: bytes, node: str = SHARED) -> Self:
        """The store in a file, or in the PostgreSQL database that a URL names; made or migrated where needed (STO-8).

        `node`: whose facts are read and written, where several nodes share a database.
        """
        database = database_of(place, node)
        store = cls(database, network, node)
        try:
            await database.prepare()
            await store._begin()
        except BaseException:
            await store.close()
            raise
        return store

    async def _begin(self) -> None:
        def begin(connection: Connection) -> int:
            query = select(facts.c.value).where(facts.c.node == SHARED, facts.c.name == NETWORK)
            known = connection.execute(query).scalar()
            if known is None:
                self._put(connection, SHARED, {NETWORK: self._network})
            elif known != self._network:
                message = f"{self.name}: belongs to another network; choose another --home or store for this one"
                raise StoreError("STO-9", message)
            return self._database.last_position(connection)

        self._passed = self.last_position = await self._run(True, begin)

    @property
    def lost(self) -> StoreError | None:
        """Why the database server is not heard of at present; None when it is, and for a file."""
        return self._database.lost

    async def close(self) -> None:
        """Waits for the write under way, then lets go of the database."""
        async with self._writing:
            await self._database.close()

    @asynccontextmanager
    async def _write(self, durable: bool) -> AsyncIterator[AsyncConnection]:
        async with self._writing:
            with self._database.plainly():
                async with self._database.writing(durable) as connection:
                    yield connection

    async def append(
        self, batch: Sequence[tuple[Record, bool]], keep: Mapping[str, bytes] = NO_FACTS
    ) -> tuple[int, ...]:
        """Commits records and facts together, all or nothing, and returns each record's position.

        A record held already keeps the position it has. True beside a record marks it as our own: the commit then
        reaches the disk itself, not only the system (STO-2). A fact b"" is forgotten.
        """
        durable = bool(keep) or any(own for _, own in batch)
        wanted = {record.id: record for record, _ in batch}

        def take(look: bool, connection: Connection) -> tuple[int, dict[bytes, int]]:
            before = self._database.last_position(connection) if self._database.shared else self.last_position
            places = _positions(connection, list(wanted)) if look else {}
            new = list(enumerate((record for record in wanted.values() if record.id not in places), before + 1))
            if new:
                self._database.add(connection, new)
                connection.execute(self._count, amounts.taken(new, self._network, _now_ms()))
                if old := [line for _, one in new for line in pruning.replace(connection, one)]:
                    connection.execute(amounts.TAKE_AWAY, amounts.gone([(line.scope, line.size) for line in old]))
                self._database.moved(connection, before + len(new))
            self._put(connection, self._node, keep)
            return before, places | {record.id: place for place, record in new}

        async with self._writing:
            with self._database.plainly():
                try:
                    before, places = await self._database.run(durable, partial(take, self._database.shared))
                except IntegrityError:  # some are held already, which is rare where nobody else writes
                    before, places = await self._database.run(durable, partial(take, True))
        self._took(before, sum(place > before for place in places.values()))
        return tuple(places[record.id] for record, _ in batch)

    async def _run(self, durable: bool, work: Callable[[Connection], _Result]) -> _Result:
        async with self._writing:
            with self._database.plainly():
                return await self._database.run(durable, work)

    def _took(self, before: int, taken: int) -> None:
        self.last_position = max(self.last_position, before + taken)
        if self._passed >= before:
            self._passed = max(self._passed, before + taken)
        elif len(self._own) < OWN_MAX:
            self._own.update(dict.fromkeys(range(before + 1, before + taken + 1)))

    async def by_scope(self, scope: str) -> list[Record]:
        """All records of `scope`, in the order in which they came: a record never precedes what it refs."""
        query = select(records.c.position, records.c.raw).where(records.c.scope == scope).order_by(records.c.position)
        return [held.record async for held in self._read(query)]

    async def to_carry(self, scope: str, kinds: Collection[str]) -> list[Outline | Record]:
        """The outline of every record of `scope`, then the whole records of some kinds, both in the order they came."""
        wanted = (records.c.scope == scope) & records.c.kind.in_(kinds)
        query = select(records.c.position, records.c.raw).where(wanted).order_by(records.c.position)
        return [*await self.outlines(scope), *[held.record async for held in self._read(query)]]

    async def outlines(self, scope: str) -> list[Outline]:
        """The outline of every record of `scope`, in the order in which they came; no body is read (STO-20)."""
        query, found, after = select(records.c.position, *_OUTLINE).where(records.c.scope == scope), list[Outline](), 0
        query = query.order_by(records.c.position).limit(CHUNK)
        while page := await self._all(query.where(records.c.position > after)):
            after = page[-1].position
            found += [Outline(*line[1:]) for line in page]
            if len(page) < CHUNK:
                break
        return found

    async def get_raw(self, scope: str, ids: Collection[bytes]) -> list[bytes]:
        """The bytes of those of `ids` that `scope` holds, in the order in which they came."""
        found: list[tuple[int, bytes]] = []
        for part in _chunks(list(ids)):
            query = select(records.c.position, records.c.raw).where(records.c.id.in_(part), records.c.scope == scope)
            found.extend((line.position, line.raw) for line in await self._all(query))
        return [raw for _, raw in sorted(found)]

    async def page(self, after: int, limit: int = CHUNK) -> list[Held]:
        """At most `limit` records beyond position `after`: the log, as a browser or a backup follows it (STO-3)."""
        return [held async for held in self._read(_beyond(after).limit(limit))]

    async def ids(self, scope: str) -> list[tuple[int, bytes]]:
        """(created in Unix ms, id) of every record in `scope`, ascending: what reconciliation compares."""
        query = select(records.c.created, records.c.id).where(records.c.scope == scope)
        return sorted((line.created, line.id) for line in await self._all(query))

    async def has(self, ids: Collection[bytes]) -> frozenset[bytes]:
        """Those of `ids` that are held."""
        found: list[bytes] = []
        for part in _chunks(list(ids)):
            found.extend(line.id for line in await self._all(select(records.c.id).where(records.c.id.in_(part))))
        return frozenset(found)

    async def scopes(self) -> dict[str, int]:
        """Every scope that holds a record and the last position in it, the most recently written first."""
        query = select(scopes.c.scope, scopes.c.last).order_by(scopes.c.last.desc())
        return {line.scope: line.last for line in await self._all(query)}

    async def facts(self, prefix: str = "") -> dict[str, bytes]:
        """The node's own facts whose name begins with `prefix`, by name."""
        query = select(facts.c.name, facts.c.value).where(facts.c.node == self._node).order_by(facts.c.name)
        query = query.where(facts.c.name.startswith(prefix, autoescape=True)) if prefix else query
        return {line.name: line.value for line in await self._all(query) if line.name != NETWORK}

    async def others(self) -> AsyncIterator[list[Record]]:
        """What other processes commit to the same database, at once and nothing twice, until the store is closed.

        Loss of the server is waited out; what was committed meanwhile is found by its position (STO-24).
        """
        async for _ in self._database.changes():
            try:
                while found := await self._ahead():
                    self._passed = max(self._passed, found[-1].position)
                    self.last_position = max(self.last_position, self._passed)
                    fresh = [line for line in found if line.position not in self._own]
                    self._own = {place: None for place in self._own if place > self._passed}
                    yield [one for line in fresh if (one := self._record(line.position, line.raw))]
            except StoreAway as error:
                log.warning("%s", error.message)

    async def _ahead(self) -> Sequence[Any]:
        async with self._writing:  # so that what is being written here is known as our own
            return await self._all(_beyond(self._passed).limit(AHEAD))

    async def prune(self, now: int) -> Pruned:
        """Deletes what ended before `now` (Unix ms), in small steps: records of boards and mail one by one, co-ops and
        deals whole (STO-4, STO-21)."""
        count, names = 0, list[str]()
        while deleted := await self._delete(pruning.expired(now)):
            count += deleted
        while ended := [line.scope for line in await self._all(pruning.ended(now))]:
            count += await self._delete_scopes(ended)
            names += ended
        return Pruned(count, tuple(names))

    async def touch(self, asked: Iterable[str], now: int) -> None:
        """Notes that these scopes are asked for at `now`, by this node's neighbours or by itself (STO-23)."""
        for part in _chunks(list(asked)):
            async with self._write(durable=False) as connection:
                await connection.execute(pruning.touch(part, now))

    async def shrink(self, bytes_max: int, unasked_since: int) -> tuple[int, tuple[str, ...]]:
        """Deletes carried scopes, those unasked for longest first, until at most `bytes_max` bytes of records are left;
        none that any node takes part in, nor any asked for since. Returns the bytes left and the scopes gone (STO-23).
        """
        gone = list[str]()
        while (left := await self.size()) > bytes_max:
            found = pruning.enough(await self._all(pruning.unasked(unasked_since)), left - bytes_max)
            if not found:
                break
            await self._delete_scopes(found)
            gone += found
        return left, tuple(gone)

    async def size(self) -> int:
        """How many bytes of records are held, without what the database adds."""
        found = await self._all(select(func.coalesce(func.sum(scopes.c.bytes), 0)))
        return int(found[0][0])

    async def _delete(self, statement: Any) -> int:
        async with self._write(durable=False) as connection:
            deleted = [(line.scope, line.size) for line in await connection.execute(statement)]
            if gone := amounts.gone(deleted):
                await connection.execute(amounts.TAKE_AWAY, gone)
                await connection.execute(amounts.FORGET_EMPTY, [{"of": one["of"]} for one in gone])
        await asyncio.sleep(0)
        return len(deleted)

    async def _delete_scopes(self, names: Iterable[str]) -> int:
        count = 0
        for name in names:
            while deleted := await self._delete(pruning.of_scope(name)):
                count += deleted
            async with self._write(durable=False) as connection:  # one whose counts were wrong goes all the same
                await connection.execute(delete(scopes).where(scopes.c.scope == name))
        return count

    async def verify(self) -> Report:
        """Reads the whole log, every signature too, and rebuilds each index from `raw` (STO-1)."""
        with self._database.plainly():
            verdict = await self._database.integrity()
        if verdict != "ok":
            message = f"{self.name}: is damaged ({verdict}); restore it from a backup, or move it away"
            raise StoreError("STO-6", message)
        rows, rebuilt, unreadable, after = 0, 0, list[int](), 0
        query = select(records).order_by(records.c.position).limit(CHUNK)
        while page := await self._all(query.where(records.c.position > after)):
            after = page[-1].position
            rows += len(page)
            wrong = []
            for line in page:
                try:
                    right = row(Record.parse(line.raw, self._network))
                except ProtocolError:
                    unreadable.append(line.position)
                    continue
                if any(line._mapping[name] != value for name, value in right.items()):
                    wrong.append({"at": line.position, **right})
            if wrong:
                rebuilt += len(wrong)
                async with self._write(durable=False) as connection:
                    await connection.execute(update(records).where(records.c.position == bindparam("at")), wrong)
        return Report(rows, rebuilt, tuple(unreadable))

    def _put(self, connection: Connection, node: str, keep: Mapping[str, bytes]) -> None:
        if gone := [name for name, value in keep.items() if not value]:
            connection.execute(delete(facts).where(facts.c.node == node, facts.c.name.in_(gone)))
        if kept := [{"node": node, "name": name, "value": value} for name, value in keep.items() if value]:
            statement = self._database.insert(facts)
            renewed = {"value": statement.excluded.value}
            statement = statement.on_conflict_do_update(index_elements=["node", "name"], set_=renewed)
            connection.execute(statement, kept)

    async def _all(self, query: Any) -> Sequence[Any]:
        with self._database.plainly():
            async with self._database.engine.connect() as connection:
                return (await connection.execute(query)).all()

    async def _read(self, query: Any) -> AsyncIterator[Held]:
        """Rows of (position, raw) as records, with a turn for everybody else after each chunk."""
        with self._database.plainly():
            async with self._database.engine.connect() as connection:
                result = await connection.stream(query)
                async for part in result.partitions(CHUNK):
                    for line in part:
                        if record := self._record(line.position, line.raw):
                            yield Held(line.position, record)

    def _record(self, position: int, raw: bytes) -> Record | None:
        try:
            return Record.parse(raw, self._network, verified=True)  # our own bytes: verified before they came here
        except ProtocolError as error:  # taken when its kind was unknown, or damaged on the disk
            log.warning("position %d of the log is no record: %s", position, error)
            return None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _beyond(position: int) -> Any:
    query = select(records.c.position, records.c.raw).where(records.c.position > position)
    return query.order_by(records.c.position)


def _positions(connection: Connection, ids: list[bytes]) -> dict[bytes, int]:
    places: dict[bytes, int] = {}
    for part in _chunks(ids):
        query = select(records.c.id, records.c.position).where(records.c.id.in_(part))
        places.update({line.id: line.position for line in connection.execute(query)})
    return places


def _chunks(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
