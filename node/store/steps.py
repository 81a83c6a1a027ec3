"""How the tables of an older version become those of this one, a step each.

Decides what a step does; never when, nor on which copy. From version 2 on a step only adds what older programs can
ignore, so that both may work on one database while machines are updated one by one. Spec: 14-store, STO-8, STO-27.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, bindparam, select, text, update
from sqlalchemy.dialects.sqlite import insert

from node.store import amounts
from node.store.tables import CHUNK, NETWORK, SHARED, facts, metadata, records, row
from protocol.errors import ProtocolError
from protocol.record.record import Record

Step = Callable[[Connection], None]


def create(connection: Connection) -> None:
    """Every table, as this program wants it."""
    metadata.create_all(connection)


def _outlines(connection: Connection) -> None:
    """Version 2: slots and what scopes amount to can be looked up; facts belong to a node. There was SQLite only."""
    for column in ("slot", "seq", "due"):
        connection.execute(text(f"ALTER TABLE records ADD COLUMN {column} BIGINT"))
    connection.execute(text("ALTER TABLE schema_version ADD COLUMN least INTEGER NOT NULL DEFAULT 1"))
    connection.execute(text("ALTER TABLE facts RENAME TO facts_1"))
    metadata.create_all(connection)
    next(index for index in records.indexes if index.name == "records_due").create(connection)
    connection.execute(text(f"INSERT INTO facts SELECT '{SHARED}', name, value FROM facts_1"))
    connection.execute(text("DROP TABLE facts_1"))
    network = connection.execute(select(facts.c.value).where(facts.c.name == NETWORK)).scalar() or b""
    now = time.time_ns() // 1_000_000
    after, query = 0, select(records.c.position, records.c.raw).order_by(records.c.position).limit(CHUNK)
    while page := connection.execute(query.where(records.c.position > after)).all():
        after = page[-1].position
        if found := _readable(page, network):
            values = [{"at": position, **row(record)} for position, record in found]
            connection.execute(update(records).where(records.c.position == bindparam("at")), values)
            connection.execute(amounts.add(insert), amounts.taken(found, network, now))


def _readable(page: Any, network: bytes) -> list[tuple[int, Record]]:
    found = []
    for position, raw in page:
        try:
            found.append((position, Record.parse(raw, network, verified=True)))
        except ProtocolError:
            continue  # `Store.verify` names it
    return found


def _latest(connection: Connection) -> None:
    """Version 3: what a later version replaces can be looked up."""
    next(index for index in records.indexes if index.name == "records_latest").create(connection, checkfirst=True)


STEPS: tuple[Step, ...] = (create, _outlines, _latest)  # step n makes version n of n - 1; append only
LEAST = 2  # the oldest version of this program that can work on what the last step leaves (STO-27)
