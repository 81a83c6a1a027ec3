"""What may be deleted, in which order, in steps so small that nobody waits long.

Decides which rows go; never when. Nothing that ended comes back: its root is refused by the same clause that lets it go
(STO-22), and what has no root has no place. Spec: 14-store, STO-4, STO-21 to STO-23.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Update, delete, exists, func, literal, select, update

from node.store.tables import facts, records, row, scopes
from protocol.record.kinds import KINDS
from protocol.record.record import Record

STEP = 500  # (g) records deleted in one transaction: others write in between
SCOPES = 100  # (g) scopes looked up at a time
TOUCH_MS = 1_800_000  # (g) how exactly it is known when a scope was asked for
TAKES_PART = "scope/"  # what the engine's facts about the scopes it takes part in begin with

_GONE = (records.c.scope, func.length(records.c.raw).label("size"))


def expired(now: int) -> Any:
    """A step of deleting board and mail records that expired."""
    due = select(records.c.position).where(records.c.due <= now).order_by(records.c.due).limit(STEP)
    return delete(records).where(records.c.position.in_(due)).returning(*_GONE)


def replace(connection: Connection, record: Record) -> Sequence[Any]:
    """Deletes what a new record of a known kind in a `latest` slot replaces, its author's earlier versions (STO-29)."""
    slot = record.header.slot
    if slot is None or slot.mode != "latest" or record.kind not in KINDS:
        return ()
    line = row(record)
    same = (records.c.slot == line["slot"], records.c.author == record.author, records.c.scope == record.scope)
    earlier = (records.c.seq.is_not(None), records.c.seq <= slot.seq, records.c.id != record.id)
    return connection.execute(delete(records).where(*same, *earlier).returning(*_GONE)).all()


def of_scope(scope: str) -> Any:
    """A step of deleting a whole scope, its newest records first: while any is there, so is its root."""
    last = select(records.c.position).where(records.c.scope == scope)
    part = last.order_by(records.c.position.desc()).limit(STEP)
    return delete(records).where(records.c.position.in_(part)).returning(*_GONE)


def ended(now: int) -> Any:
    """Some scopes that ended as a whole."""
    return select(scopes.c.scope).where(scopes.c.ends <= now).order_by(scopes.c.ends).limit(SCOPES)


def touch(asked: Sequence[str], now: int) -> Update:
    """These scopes are asked for now; what was written down a while ago will do."""
    return update(scopes).where(scopes.c.scope.in_(asked), scopes.c.asked < now - TOUCH_MS).values(asked=now)


def unasked(since: int) -> Any:
    """(scope, bytes) of some scopes that nobody asked for since, those unasked for longest first; none that any node
    of this database takes part in."""
    taking_part = exists().where(facts.c.name == literal(TAKES_PART) + scopes.c.scope)
    query = select(scopes.c.scope, scopes.c.bytes).where(scopes.c.asked < since, ~taking_part)
    return query.order_by(scopes.c.asked, scopes.c.scope).limit(SCOPES)


def enough(found: Sequence[Any], surplus: int) -> list[str]:
    """As many of (scope, bytes) as make up for `surplus` bytes."""
    names = list[str]()
    for scope, size in found:
        if surplus <= 0:
            break
        names.append(scope)
        surplus -= size
    return names
