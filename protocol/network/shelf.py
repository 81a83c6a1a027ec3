"""The records of a scope that a node only carries for others: what it needs to serve them and to bound them.

Decides which records of a slot are kept, and when an author or a scope has had its share; never what a record says:
bodies stay on the disk, and who may speak is judged by those who take part. Spec: 03-gossip, GOS-40 and GOS-42.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from protocol.errors import Ignore
from protocol.network.bounds import SMALL_BYTES, bound_of, check_room, crowded
from protocol.network.index import CREATED_BYTES, Index, item_key
from protocol.params import (
    AUTHOR_RECORDS_MAX,
    CARRIED_ASKED_MAX,
    ONCE_HELD_MAX,
)
from protocol.record.kinds import KINDS
from protocol.record.outline import Outline
from protocol.record.record import EXPIRING
from protocol.record.rows import Rows

_SHORT = 8  # bytes of a key or an id that stand for it: to find another with the same takes 2**64 attempts
_ID = slice(_SHORT, 2 * _SHORT)
_CREATED = slice(_ID.stop, _ID.stop + 6)
_EXPIRES = slice(_CREATED.stop, _CREATED.stop + 6)
_SEQ = slice(_EXPIRES.stop, _EXPIRES.stop + 7)
_SIZE = slice(_SEQ.stop, _SEQ.stop + 3)
_WIDTH = _SIZE.stop
_TOTAL = 4  # bytes before an author's rows: what they weigh together
_NOTHING = bytes(_TOTAL)


class Shelf:
    """About 130 bytes a record. `expires`: when the next one does, on a board or in mail (Unix ms)."""

    __slots__ = ("_asked", "_bound", "_bytes", "_ids", "_said", "_wanes", "expires", "items", "scope")

    def __init__(self, scope: str, outlines: Iterable[Outline] = ()) -> None:
        """`outlines`: what the disk holds of the scope. What a later version replaced is passed over."""
        self.scope = scope
        self.expires: int | None = None
        self._wanes = scope.startswith(EXPIRING)
        self._said: dict[bytes, bytes] = {}  # author -> total, then a row a record: slot, id, times, seq, size
        self._bytes = 0
        self._bound = bound_of(scope)
        self._ids: Rows | None = None  # made when somebody asks for a record by its id alone
        self._asked: dict[bytes, None] = {}
        kept: dict[bytes, tuple[int, bytes]] = {}
        for one in outlines:
            row, author = _row(one), one.author[:_SHORT]
            replaced = _latest(self._said.get(author, _NOTHING), one, row)
            if replaced and _rank(replaced) >= _rank(row):
                continue
            if replaced:
                self._drop(author, replaced)
                del kept[replaced[_ID]]
            self._keep(author, row)
            kept[row[_ID]] = one.created, one.id
        self.items = Index(kept.values())  # what reconciliation compares

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, record_id: object) -> bool:
        if not isinstance(record_id, bytes):
            return False
        if self._ids is None:
            self._ids = Rows(_SHORT, len, (row[_ID] for said in self._said.values() for row in _rows(said)))
        return self._ids.first(record_id[:_SHORT]) == record_id[:_SHORT]

    @property
    def crowded(self) -> bool:
        """Whether more than half of the room is used (GOS-49)."""
        return crowded(self._bound, len(self._said), self._bytes)

    def knows(self, author: bytes) -> bool:
        """Whether an author has said anything here."""
        return author[:_SHORT] in self._said

    @property
    def weight(self) -> int:
        """Bytes of all its records."""
        return self._bytes

    def holds(self, one: Outline) -> bool:
        """Whether this very record is held."""
        return _find(self._said.get(one.author[:_SHORT], _NOTHING), one.id[:_SHORT], _ID.start) >= 0

    def ask(self, ids: Iterable[bytes]) -> None:
        """Somebody wants these by id: when they come they pass the cap of their slot, as a manifest may list them."""
        self._asked.update(dict.fromkeys(one for one in ids if one not in self))
        while len(self._asked) > CARRIED_ASKED_MAX:
            del self._asked[next(iter(self._asked))]

    def add(self, one: Outline, awaited: bool = False, standing: bool = False, needed: bool = False) -> bool:
        """Take a record; False when it is held. `awaited`: others build on it, so it passes the cap of its slot.
        `standing`: its author needs no share of the room for strangers. `needed`: an answer may build on it, so that it
        finds room whatever its author did.

        Raises Ignore REC-14 when the slot holds better ones, GOS-8, GOS-48 or GOS-49 when there is no room.
        """
        if self.holds(one):
            return False
        row, author = _row(one), one.author[:_SHORT]
        said = self._said.get(author, _NOTHING)
        replaced = _latest(said, one, row)
        if replaced and _rank(replaced) >= _rank(row):
            raise Ignore("REC-14", "slot: a later version of this record is known")
        asked = one.id in self._asked
        if not (replaced or awaited or needed or asked) and _count(said, row[:_SHORT]) >= ONCE_HELD_MAX:
            raise Ignore("REC-14", "slot: its author's equivocation is known already")
        if not needed:
            self._check_bounds(said, row, replaced, standing, asked)
        if replaced:
            self._remove(author, replaced)
        self._keep(author, row)
        self._asked.pop(one.id, None)
        self.items.insert(one.created, one.id)
        if self._ids is not None:
            self._ids.insert(row[_ID])
        return True

    def expire(self, now: int) -> None:
        """Drop what has expired, where records end one by one (GOS-11)."""
        if self.expires is None or self.expires > now:
            return
        self.expires = None
        for author, said in list(self._said.items()):
            for row in _rows(said):
                expires = _number(row, _EXPIRES)
                if expires <= now:
                    self._remove(author, row)
                elif self.expires is None or expires < self.expires:
                    self.expires = expires

    def _check_bounds(self, said: bytes, row: bytes, replaced: bytes, standing: bool, asked: bool) -> None:
        """What replaces needs no place of its own, and hardly any room; for what is asked for by id some is kept."""
        more, known = _number(row, _SIZE), said is not _NOTHING
        if replaced:
            if more <= SMALL_BYTES:
                return
            more = max(0, more - _number(replaced, _SIZE))
        count, weight = len(said) // _WIDTH - bool(replaced), int.from_bytes(said[:_TOTAL], "big")
        if asked and count < AUTHOR_RECORDS_MAX + CARRIED_ASKED_MAX and self._bytes + more <= self._bound.scope_bytes:
            return
        if count >= AUTHOR_RECORDS_MAX:
            raise Ignore("GOS-8", f"author: has {AUTHOR_RECORDS_MAX} records in {self.scope} already")
        if standing:
            return
        if not known and len(self._said) >= self._bound.authors:
            raise Ignore("GOS-8", f"scope: {self.scope} holds {self._bound.authors} authors already")
        check_room(self._bound, len(self._said) + (not known), count, weight, self._bytes, more)

    def _keep(self, author: bytes, row: bytes) -> None:
        said, size = self._said.get(author, _NOTHING), _number(row, _SIZE)
        total = int.from_bytes(said[:_TOTAL], "big") + size
        self._said[author] = total.to_bytes(_TOTAL, "big") + said[_TOTAL:] + row
        self._bytes += size
        if self._wanes:
            expires = _number(row, _EXPIRES)
            self.expires = expires if self.expires is None else min(self.expires, expires)

    def _drop(self, author: bytes, row: bytes) -> None:
        said, size = self._said.pop(author), _number(row, _SIZE)
        at = _find(said, row[_ID], _ID.start) - _ID.start
        self._bytes -= size
        if len(said) > _TOTAL + _WIDTH:
            total = int.from_bytes(said[:_TOTAL], "big") - size
            self._said[author] = total.to_bytes(_TOTAL, "big") + said[_TOTAL:at] + said[at + _WIDTH :]

    def _remove(self, author: bytes, row: bytes) -> None:
        self._drop(author, row)
        created = _number(row, _CREATED)
        key = self.items.first(item_key(created, row[_ID]))
        self.items.discard(created, key[CREATED_BYTES:])
        if self._ids is not None:
            self._ids.discard(row[_ID])


def _row(one: Outline) -> bytes:
    """In which slot (without one, in a slot of its own), which, from when to when, how late, how big."""
    short, seq = one.id[:_SHORT], (one.seq or 0) if one.slot is not None else 0
    slot = one.slot.to_bytes(_SHORT, "big", signed=True) if one.slot is not None and one.kind in KINDS else short
    times = one.created.to_bytes(6, "big") + one.expires.to_bytes(6, "big")
    return slot + short + times + seq.to_bytes(7, "big") + one.size.to_bytes(3, "big")


def _rows(said: bytes) -> Iterator[bytes]:
    return (said[at : at + _WIDTH] for at in range(_TOTAL, len(said), _WIDTH))


def _find(said: bytes, short: bytes, field: int, start: int = 0) -> int:
    """Where these bytes stand in this field of some row, from `start` on; -1 when they do not."""
    at = said.find(short, start)
    while at >= 0 and (at - _TOTAL - field) % _WIDTH:
        at = said.find(short, at + 1)
    return at


def _latest(said: bytes, one: Outline, row: bytes) -> bytes:
    """What holds the `latest` slot of this record, b"" when nothing does or its slot is another."""
    if one.seq is None or one.kind not in KINDS:
        return b""
    at = _find(said, row[:_SHORT], 0)
    return said[at : at + _WIDTH] if at >= 0 else b""


def _count(said: bytes, slot: bytes) -> int:
    """How many records stand in a slot."""
    count, at = 0, _find(said, slot, 0)
    while at >= 0:
        count, at = count + 1, _find(said, slot, 0, at + 1)
    return count


def _number(row: bytes, field: slice) -> int:
    return int.from_bytes(row[field], "big")


def _rank(row: bytes) -> tuple[bytes, bytes]:
    """Order in a `latest` slot: higher seq, then the smaller id (REC-14)."""
    return row[_SEQ], bytes(255 - byte for byte in row[_ID])
