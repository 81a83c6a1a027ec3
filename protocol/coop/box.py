"""Boxes: what was handed in by a deadline, fixed by deciding the list of ids inside.

Decides which records a box holds, when it may be closed and whether a proposed manifest is good; never what the content
amounts to. Spec: 06-decision, DEC-12 to DEC-20.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from protocol.coop.decision import Council, Decided, Docket
from protocol.encoding import decode, encode
from protocol.errors import Reject
from protocol.params import BOX_IDS_MAX
from protocol.record.log import Log
from protocol.record.record import Record

LEAVE = "leave.1"  # FRM-33
IDS_PER_AUTHOR_MAX = 2  # DEC-14: two are an equivocation, more would add nothing


@dataclass(frozen=True, slots=True)
class Box:
    """Which records belong: of `kind` in `slot_name`, by the entitled (None: anybody not barred), that `admits` takes.

    `enough`: with nobody named as entitled, so many authors make the box complete (0: never). `vouchers`: receipts of
    more than so many times f witnesses let a record in. `least`: of so many authors one record each must be listed.
    """

    kind: str
    slot_name: str
    entitled: tuple[bytes, ...] | None
    barred: tuple[bytes, ...]
    admits: Callable[[Record], bool]
    enough: int = 0
    vouchers: int = 1
    leaves: bool = False
    least: int = 0

    def receipts_needed(self, council: Council) -> int:
        """Receipts of so many witnesses let a record in (DEC-14)."""
        return self.vouchers * council.faults + 1

    def takes(self, record: Record) -> bool:
        """Whether a record belongs into this box, by the record and what was certified before it (DEC-13)."""
        slot = record.header.slot
        if self.leaves and record.kind == LEAVE and slot is not None and slot.name == "leave":
            return self.entitled is None or record.author in self.entitled
        if record.kind != self.kind or slot is None or slot.name != self.slot_name or record.author in self.barred:
            return False
        return (self.entitled is None or record.author in self.entitled) and self.admits(record)

    def held(self, log: Log) -> list[Record]:
        """All that belongs into this box and is held, ascending by id."""
        said = [*log.of_kind(self.kind), *(log.of_kind(LEAVE) if self.leaves else ())]
        return sorted((one for one in said if self.takes(one)), key=lambda one: one.id)


@dataclass(frozen=True, slots=True)
class Question:
    """Something the witnesses are to decide now: a box's manifest, or (no box) a value that everybody can compute.

    Between `closes` and `closes + settle_ms` receipts meet; times are this node's reckoning and bind nobody else.
    `opened`: the stamp of what it follows from, before which nobody could answer it (KEP-14).
    """

    name: str
    closes: int
    settle_ms: int
    round_ms: int
    box: Box | None = None
    value: bytes | None = None
    opened: int = 0

    @property
    def due(self) -> int:
        """When a proposal is to be expected at the latest."""
        return self.closes + self.settle_ms


def manifest(ids: list[bytes]) -> bytes:
    """The value that closes a box over these ids (DEC-12)."""
    return encode({"ids": sorted(ids)})


def manifest_ids(value: bytes) -> list[bytes]:
    """The ids in a manifest; raises Reject DEC-12 when the value is none."""
    try:
        body = decode(value)
    except Reject:
        raise Reject("DEC-12", "manifest: not a canonical value") from None
    ids = body.get("ids") if type(body) is dict and len(body) == 1 else None
    if type(ids) is not list or len(ids) > BOX_IDS_MAX or any(type(one) is not bytes or len(one) != 32 for one in ids):
        raise Reject("DEC-12", f"manifest.ids: must be at most {BOX_IDS_MAX} ids of 32 bytes")
    if ids != sorted(dict.fromkeys(ids)):
        raise Reject("DEC-12", "manifest.ids: must strictly ascend")
    return list(ids)


def owed_receipts(
    log: Log, docket: Docket, question: Question, council: Council, witness: bytes, now: int
) -> list[bytes]:
    """Ids in the box that this witness has in time and not yet signed for, ascending (DEC-15); a box that must hold so
    many is in time until it could.
    """
    box = question.box
    if box is None:
        return []
    if now > question.closes and (not box.least or filled(log, box, contents(log, docket, question, council))):
        return []
    return [one.id for one in box.held(log) if not docket.receipted(question.name, one.id, witness)]


def contents(log: Log, docket: Docket, question: Question, council: Council) -> list[bytes]:
    """Ids that may stand in the manifest by what this node holds: vouched for, two per author (DEC-14), ascending."""
    box = question.box
    if box is None:
        return []
    said: dict[bytes, int] = {}
    ids: list[bytes] = []
    for one in box.held(log):
        enough = docket.receipts(question.name, one.id, council) >= box.receipts_needed(council)
        if enough and said.get(one.author, 0) < IDS_PER_AUTHOR_MAX and len(ids) < BOX_IDS_MAX:
            said[one.author] = said.get(one.author, 0) + 1
            ids.append(one.id)
    return ids


def complete(log: Log, question: Question, ids: list[bytes]) -> bool:
    """Whether everybody entitled has spoken in `ids`, so that nothing is to be waited for (DEC-16)."""
    box = question.box
    if box is None:
        return False
    listed = [log.records[one] for one in ids if one in log.records]
    if box.entitled is None:
        gone = [one.author for one in listed if one.kind == LEAVE]
        return 0 < box.enough <= len({one.author: None for one in listed if one.author not in gone})
    authors = {one.author: None for one in listed}
    return all(key in authors for key in box.entitled)


def filled(log: Log, box: Box, ids: list[bytes]) -> bool:
    """Whether as many authors have one record each in `ids` as the box must hold (DEC-20)."""
    said = Counter(log.records[one].author for one in ids if one in log.records)
    return sum(count == 1 for count in said.values()) >= box.least


def fresh_manifest(log: Log, docket: Docket, question: Question, council: Council, now: int) -> bytes | None:
    """What an honest proposer proposes: all it may list, once all have spoken or receipts have met (DEC-16)."""
    ids = contents(log, docket, question, council)
    closed = complete(log, question, ids) or now >= question.due
    return manifest(ids) if closed and question.box is not None and filled(log, question.box, ids) else None


def judge_manifest(
    log: Log, docket: Docket, question: Question, council: Council, value: bytes, duty: tuple[bytes, ...] | None
) -> bool | None:
    """Whether a proposed manifest is good; None while something it lists is not here yet.

    `duty`: ids it must not omit, judged on fresh proposals only; None while this witness's settling time still runs,
    when only a manifest in which all entitled speak can be told to be good (DEC-17, DEC-18).
    """
    box = question.box
    if box is None:
        return False
    try:
        ids = manifest_ids(value)
    except Reject:
        return False
    said: dict[bytes, int] = {}
    waiting = False
    for one in ids:
        record = log.records.get(one)
        if record is None:
            waiting = True
            continue
        said[record.author] = said.get(record.author, 0) + 1
        if not box.takes(record) or said[record.author] > IDS_PER_AUTHOR_MAX:
            return False
        waiting = waiting or docket.receipts(question.name, one, council) < box.receipts_needed(council)
    if waiting:
        return None
    if not filled(log, box, ids):
        return False
    if duty is None:
        return True if complete(log, question, ids) else None
    if len(ids) == BOX_IDS_MAX:
        return True  # full: nobody can be blamed for what did not fit
    return all(one in ids or said.get(log.records[one].author, 0) == IDS_PER_AUTHOR_MAX for one in duty)


def settled(log: Log, docket: Docket, council: Council, question: Question) -> Decided | None:
    """The certified answer as far as something may follow from it: what a manifest lists is held, and a value that
    everybody can compute is the computed one (else more than f witnesses lied).
    """
    decided = docket.decided(question.name, council)
    if decided is None:
        return None
    if question.box is None:
        return decided if decided.value == question.value else None
    try:
        ids = manifest_ids(decided.value)
    except Reject:
        return None
    return decided if all(one in log.records for one in ids) else None


def missing(log: Log, value: bytes) -> list[bytes]:
    """The ids a certified manifest lists that are not held: they are asked for by name (DEC-19)."""
    try:
        return [one for one in manifest_ids(value) if one not in log.records]
    except Reject:
        return []


def held_once(log: Log, box: Box, value: bytes) -> list[Record]:
    """What a settled manifest lists, by id; two of one author void each other, a latecomer voids nothing (DEC-14)."""
    listed = [one for one in map(log.records.__getitem__, manifest_ids(value)) if box.takes(one)]
    said: dict[bytes, int] = {}
    for one in listed:
        said[one.author] = said.get(one.author, 0) + 1
    return [one for one in listed if said[one.author] == 1 and one.kind == box.kind]


def left_by(log: Log, value: bytes) -> list[bytes]:
    """Who leaves by what a settled manifest lists (FRM-33)."""
    return [one.author for one in map(log.records.__getitem__, manifest_ids(value)) if one.kind == LEAVE]
