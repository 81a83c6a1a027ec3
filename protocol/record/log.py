"""The admitted records of one scope, indexed by slot, kind and author.

Decides which of several records in one slot counts; never what a record leads to. Everything here is a function of the
set of records, whatever order they came in. Spec: 01-record, REC-14 and REC-15.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from protocol.encoding import digest_of
from protocol.errors import Ignore
from protocol.network.bounds import SMALL_BYTES, bound_of, check_room, crowded
from protocol.network.index import Index
from protocol.params import AUTHOR_RECORDS_MAX, AUTHORS_MAX, ONCE_HELD_MAX
from protocol.record.kinds import KINDS
from protocol.record.record import FaultProof, Record

SlotKey = tuple[str, bytes, str, str]


@dataclass(frozen=True, slots=True)
class Added:
    """What adding a record did: `stored` when it goes to disk, `proof` when it showed its author's equivocation."""

    stored: bool
    proof: FaultProof | None = None


_HELD, _ADDED = Added(False), Added(True)


class Log:
    """The records of `scope`; `version` grows with every change, so that views know when to be made again."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.version = 0
        self.records: dict[bytes, Record] = {}
        self.items = Index()  # what reconciliation compares
        self._slots: dict[SlotKey, list[Record]] = {}  # `once`: by id; `latest`: the winner alone
        self._twice: dict[SlotKey, None] = {}  # `once` slots that hold more than one
        self._kinds: dict[str, dict[bytes, Record]] = {}
        self._authors: dict[bytes, dict[bytes, Record]] = {}
        self._bound = bound_of(scope)
        self._weights: dict[bytes, int] = {}  # author -> bytes
        self._weight = 0

    def add(self, record: Record, wanted: bool = False, standing: bool = False, needed: bool = False) -> Added:
        """Take an admitted record. `wanted` ones pass the cap of a slot; an author with `standing` needs no share of
        what strangers may fill (GOS-49); one that is `needed` for an answer finds room whatever its author did (GOS-8).

        Raises Ignore REC-14 when the slot holds better ones, GOS-8, GOS-48 or GOS-49 when there is no room.
        """
        if record.id in self.records:
            return _HELD
        header = record.header
        key = header.slot_key if record.kind in KINDS else None  # nobody knows what a stranger's slots mean
        held = self._slots.get(key) if key is not None else None
        proof = None
        if held is None:
            self._check_bounds(record, standing, 0, needed)
        elif header.slot is not None and header.slot.mode == "latest":
            if _rank(held[0]) >= _rank(record):
                raise Ignore("REC-14", "slot: a later version of this record is known")
            more = len(record.raw) - len(held[0].raw)  # what replaces needs no place of its own, and hardly any room
            if more > 0 and len(record.raw) > SMALL_BYTES:
                self._check_bounds(record, standing, more)
            self.discard(held[0].id)
            held = None
        else:
            if len(held) >= ONCE_HELD_MAX and not (wanted or needed):
                raise Ignore("REC-14", "slot: its author's equivocation is known already")
            self._check_bounds(record, standing, 0, needed)
            proof = FaultProof.of(held[0].header, header)
        self._put(record, key, held or [])
        return _ADDED if proof is None else Added(True, proof)

    def _put(self, record: Record, key: SlotKey | None, held: list[Record]) -> None:
        """Index a record beside those that are `held` in its slot."""
        self.records[record.id] = record
        self.items.insert(record.header.created, record.id)
        if key is not None:
            self._slots[key] = sorted([*held, record], key=lambda one: one.id) if held else [record]
            if held:
                self._twice[key] = None
        self._kinds.setdefault(record.kind, {})[record.id] = record
        self._authors.setdefault(record.author, {})[record.id] = record
        self._weight += len(record.raw)
        self._weights[record.author] = self._weights.get(record.author, 0) + len(record.raw)
        self.version += 1

    def discard(self, record_id: bytes) -> None:
        """Forget a record that expired or was replaced; its slot is free again."""
        record = self.records.pop(record_id, None)
        if record is None:
            return
        self.items.discard(record.header.created, record_id)
        key = record.header.slot_key
        if key is not None and key in self._slots:
            self._slots[key] = [one for one in self._slots[key] if one.id != record_id]
            if len(self._slots[key]) < 2:
                self._twice.pop(key, None)
            if not self._slots[key]:
                del self._slots[key]
        del self._kinds[record.kind][record_id], self._authors[record.author][record_id]
        if not self._kinds[record.kind]:  # strangers choose kinds and keys: none may outlive its records
            del self._kinds[record.kind]
        self._weight -= len(record.raw)
        self._weights[record.author] -= len(record.raw)
        if not self._authors[record.author]:
            del self._authors[record.author], self._weights[record.author]
        self.version += 1

    def of_kind(self, kind: str) -> Iterator[Record]:
        """Every held record of a kind, in no order that may reach a result, equivocations and all."""
        return iter(self._kinds.get(kind, {}).values())

    def by(self, author: bytes, kind: str) -> list[Record]:
        """What an author said of a kind, in the order it came."""
        return [one for one in self._authors.get(author, {}).values() if one.kind == kind]

    def all_by(self, author: bytes) -> tuple[Record, ...]:
        """Everything an author said, in the order it came."""
        return tuple(self._authors.get(author, {}).values())

    def expire(self, now: int) -> int | None:
        """Drop what has expired; when the next record will, if any is left."""
        for record_id in [one.id for one in self.records.values() if one.header.expires <= now]:
            self.discard(record_id)
        return min((one.header.expires for one in self.records.values()), default=None)

    def sole(self, kind: str, author: bytes, slot_name: str) -> Record | None:
        """The one record of an author in a slot; None when there is none, or two where only one may be."""
        held = self._slots.get((self.scope, author, kind, slot_name), [])
        return held[0] if len(held) == 1 else None

    def slot(self, kind: str, author: bytes, slot_name: str) -> tuple[Record, ...]:
        """All held records of an author in a slot, by id."""
        return tuple(self._slots.get((self.scope, author, kind, slot_name), ()))

    def faults(self) -> list[FaultProof]:
        """A proof for each `once` slot in which somebody signed twice, by the ids that it holds (REC-15)."""
        pairs = (self._slots[key] for key in self._twice)
        proofs = [FaultProof.of(held[0].header, held[1].header) for held in pairs]
        return sorted(proofs, key=lambda one: (one.first.id, one.second.id))

    def resolved(self) -> dict[str, list[bytes] | str]:
        """What each slot comes to: the ids that stand, or "equivocated"; the fold's part of the digest (REC-14)."""
        result: dict[str, list[bytes] | str] = {}
        for (_, author, kind, name), held in self._slots.items():
            once = held[0].header.slot is not None and held[0].header.slot.mode == "once"
            label = f"{kind}/{author.hex()}/{name}"
            result[label] = "equivocated" if once and len(held) > 1 else [held[0].id]
        return result

    def digest(self) -> bytes:
        """A hash that two nodes share when they hold the same: resolved slots and slotless records, not `now`."""
        slots = sorted((label, ids) for label, ids in self.resolved().items())
        loose = sorted(one.id for one in self.records.values() if one.header.slot is None and one.kind in KINDS)
        flat = [[label, ids if type(ids) is str else list(ids)] for label, ids in slots]
        # Hashed in slices, so that a scope may outgrow the largest encodable value.
        parts = [digest_of("slots", flat[at : at + 200]) for at in range(0, len(flat), 200)]
        parts += [digest_of("loose", loose[at : at + 2000]) for at in range(0, len(loose), 2000)]
        return digest_of("state", [self.scope, _rolled(parts)])

    @property
    def crowded(self) -> bool:
        """Whether more than half of the room for strangers is used."""
        return crowded(self._bound, len(self._authors), self._weight)

    @property
    def weight(self) -> int:
        """Bytes of all its records."""
        return self._weight

    def contested(self, record: Record) -> bool:
        """Whether a record that is not held may find place only because others build on it: its slot, its author's
        share or the scope has been used up, or nearly.
        """
        key, author = record.header.slot_key, record.author
        full = len(self._authors.get(author, ())) >= AUTHOR_RECORDS_MAX or self.crowded
        heavy = self._weights.get(author, 0) + len(record.raw) > self._bound.author_bytes
        return full or heavy or (key is not None and len(self._slots.get(key, ())) >= ONCE_HELD_MAX)

    def knows(self, author: bytes) -> bool:
        """Whether an author has said anything here."""
        return author in self._authors

    def _check_bounds(self, record: Record, standing: bool, growth: int, needed: bool = False) -> None:
        """`growth`: of a new version over the one that it replaces."""
        if needed:
            return
        said = self._authors.get(record.author)
        if said is None and not standing and len(self._authors) >= AUTHORS_MAX:
            raise Ignore("GOS-8", f"scope: {self.scope} holds {AUTHORS_MAX} authors already")
        if said is not None and not growth and len(said) >= AUTHOR_RECORDS_MAX:
            raise Ignore("GOS-8", f"author: has {AUTHOR_RECORDS_MAX} records in {self.scope} already")
        if not standing:
            authors, weight = len(self._authors) + (said is None), self._weights.get(record.author, 0)
            records = len(said or ()) - bool(growth)
            check_room(self._bound, authors, records, weight, self._weight, growth or len(record.raw))


def digest_of_scope(scope: str, records: Iterable[Record]) -> bytes:
    """The digest of whoever holds exactly these records, for who has them on disk and not in a log."""
    log = Log(scope)
    for record in records:
        try:
            log.add(record, wanted=True)
        except Ignore:
            continue  # replaced by a later version that stands on the same disk
    return log.digest()


def _rank(record: Record) -> tuple[int, bytes]:
    """Order in a `latest` slot: higher seq, then the smaller id (so ids are complemented)."""
    seq = record.header.slot.seq if record.header.slot else 0
    return seq, bytes(255 - byte for byte in record.id)


def _rolled(parts: list[bytes]) -> bytes:
    rolled = bytes(32)
    for part in parts:
        rolled = digest_of("roll", [rolled, part])
    return rolled
