"""What each scope amounts to: how many records and bytes, the newest position, and when all of it ends.

Decides how the table `scopes` follows `records`, in the same transaction; so nobody ever has to count.
Spec: 14-store, STO-21.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Table, and_, bindparam, case, delete, not_, update

from node.store.tables import scopes
from protocol.record.record import Record
from protocol.record.retention import TOGETHER, root_end

Insert = Callable[[Table], Any]  # the one of a dialect, which knows ON CONFLICT


def taken(found: Iterable[tuple[int, Record]], network: bytes, now: int) -> list[dict[str, Any]]:
    """A row for each scope in which (position, record)s are new, in the order of their names; `now`: Unix ms."""
    rows: dict[str, dict[str, Any]] = {}
    for position, record in found:
        scope = record.scope
        if scope not in rows:
            rows[scope] = dict.fromkeys(("records", "bytes", "last"), 0)
            rows[scope] |= {"scope": scope, "ends": None, "rooted": False, "asked": now}
        one = rows[scope]
        one["records"] += 1
        one["bytes"] += len(record.raw)
        one["last"] = max(one["last"], position)
        if scope.startswith(TOGETHER):
            root = root_end(record, network)
            _end(one, record.header.expires if root is None else root, root is not None)
    return [rows[scope] for scope in sorted(rows)]  # one order for all writers, so that none waits for another in turn


def _end(one: dict[str, Any], ends: int, rooted: bool) -> None:
    """What a root says replaces what others say; of equals the later counts."""
    if (rooted, ends) > (one["rooted"], one["ends"] or 0):
        one["ends"], one["rooted"] = ends, rooted


def add(insert: Insert) -> Any:
    """The statement that adds rows of `taken` to what is there."""
    statement = insert(scopes)
    new, old = statement.excluded, scopes.c
    later = case((new.ends > old.ends, new.ends), else_=old.ends)
    ends = case(
        (and_(new.rooted, not_(old.rooted)), new.ends), (and_(old.rooted, not_(new.rooted)), old.ends), else_=later
    )
    renewed = {
        "records": old.records + new.records,
        "bytes": old.bytes + new.bytes,
        "last": case((new.last > old.last, new.last), else_=old.last),
        "ends": ends,
        "rooted": old.rooted | new.rooted,
    }
    return statement.on_conflict_do_update(index_elements=["scope"], set_=renewed)


def gone(deleted: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Parameters of `TAKE_AWAY` for deleted records given as (scope, bytes)."""
    rows: dict[str, list[int]] = {}
    for scope, size in deleted:
        one = rows.setdefault(scope, [0, 0])
        one[0] += 1
        one[1] += size
    return [{"of": scope, "less": rows[scope][0], "lighter": rows[scope][1]} for scope in sorted(rows)]


TAKE_AWAY = (
    update(scopes)
    .where(scopes.c.scope == bindparam("of"))
    .values(
        records=scopes.c.records - bindparam("less", type_=BigInteger),
        bytes=scopes.c.bytes - bindparam("lighter", type_=BigInteger),
    )
)
FORGET_EMPTY = delete(scopes).where(scopes.c.scope == bindparam("of"), scopes.c.records <= 0)
