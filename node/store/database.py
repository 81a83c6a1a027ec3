"""What a store asks of its database, and which one that is.

Decides by the place: a URL is a PostgreSQL database, anything else a SQLite file. Spec: 14-store, STO-24.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from node.store.errors import StoreError
from node.store.sqlite import File
from protocol.record.record import Record

_Result = TypeVar("_Result")


class Database(Protocol):
    """What SQLite and PostgreSQL do each in its own way. `shared`: other processes may write too."""

    name: str  # as a person may see it, without a password
    engine: AsyncEngine
    shared: bool

    @property
    def lost(self) -> StoreError | None: ...
    @property
    def insert(self) -> Callable[[Table], Any]: ...
    async def prepare(self) -> None: ...
    def plainly(self) -> AbstractContextManager[None]: ...
    def writing(self, durable: bool) -> AbstractAsyncContextManager[AsyncConnection]: ...
    async def run(self, durable: bool, work: Callable[[Connection], _Result]) -> _Result: ...
    def last_position(self, connection: Connection) -> int: ...
    def add(self, connection: Connection, found: Iterable[tuple[int, Record]]) -> None: ...
    def moved(self, connection: Connection, last: int) -> None: ...
    async def integrity(self) -> str: ...
    def changes(self) -> AsyncIterator[None]: ...
    async def close(self) -> None: ...


def database_of(place: Path | str, node: str) -> Database:
    """The database at `place`, not opened yet; `node`: whose process this is, where several share it."""
    if not isinstance(place, str) or "://" not in place:
        return File(Path(place))
    from node.store.postgres import Server  # a home node does not pay for it

    return Server(place, node)
