"""Which tables there are, and what a record's row is.

Decides which facts about a record the disk can look up; never what a record means. SQL is SQLAlchemy Core that both
SQLite and PostgreSQL understand. Spec: 14-store, STO-1, STO-20.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import TEXT

from protocol.record.outline import slot_hash
from protocol.record.record import EXPIRING, Record

CHUNK = 1000  # rows per statement: what one turn of the event loop may wait for
NETWORK = "store.network"  # the fact that ties a store to one network
SHARED = ""  # the node whose facts are everybody's; on SQLite the only one

_Name = Text().with_variant(TEXT(collation="C"), "postgresql")  # compared byte by byte, whatever the server speaks

metadata = MetaData()
# `raw` is the truth; the other columns are indexes into it that `Store.verify` can rebuild (STO-1).
records = Table(
    "records",
    metadata,
    Column("position", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("author", LargeBinary, nullable=False),
    Column("kind", _Name, nullable=False),
    Column("scope", _Name, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("slot", BigInteger),  # as in protocol.record.outline
    Column("seq", BigInteger),
    Column("due", BigInteger),  # `expires` where records end one by one (STO-4)
    Index("records_scope", "scope").ddl_if(dialect="sqlite"),  # which holds the position by itself
    Index("records_scope", "scope", "position").ddl_if(dialect="postgresql"),
    Index("records_due", "due", sqlite_where=text("due IS NOT NULL"), postgresql_where=text("due IS NOT NULL")),
    Index(
        "records_latest",
        "slot",
        sqlite_where=text("seq IS NOT NULL"),
        postgresql_where=text("seq IS NOT NULL"),
    ),  # what a later version replaces (STO-29)
    sqlite_autoincrement=True,  # a position is never given twice, even after its record was pruned (STO-3)
)
# What each scope amounts to, kept with every commit, so that nobody ever counts records.
scopes = Table(
    "scopes",
    metadata,
    Column("scope", _Name, primary_key=True),
    Column("records", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),  # the newest position in it
    Column("ends", BigInteger),  # when all of it is pruned together (STO-21); never: NULL
    Column("rooted", Boolean, nullable=False),  # `ends` is its charter's or request's
    Column("asked", BigInteger, nullable=False, server_default="0"),  # when somebody last wanted it (STO-23)
    Index("scopes_last", "last"),
    Index("scopes_ends", "ends", sqlite_where=text("ends IS NOT NULL"), postgresql_where=text("ends IS NOT NULL")),
    Index("scopes_asked", "asked"),
)
facts = Table(
    "facts",
    metadata,
    Column("node", _Name, primary_key=True),
    Column("name", _Name, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("least", Integer, nullable=False, server_default="1"),  # the oldest program that may work on it (STO-27)
)


def row(record: Record) -> dict[str, Any]:
    """A record's columns in their order, except its position."""
    header, slot = record.header, record.header.slot
    return {
        "id": record.id,
        "author": record.author,
        "kind": record.kind,
        "scope": record.scope,
        "created": header.created,
        "expires": header.expires,
        "raw": record.raw,
        "slot": slot_hash(record.author, record.kind, slot.name) if slot is not None else None,
        "seq": slot.seq if slot is not None and slot.mode == "latest" else None,
        "due": header.expires if record.scope.startswith(EXPIRING) else None,
    }
