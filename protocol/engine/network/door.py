"""Who has a say in a co-op or deal that is only carried, as far as its charter, its joins and its requests tell alone.

Decides whom a carrier turns away and who needs no share of the room for strangers; rosters, awards and whatever takes
votes to know are for those who take part. Spec: 03-gossip, GOS-40; 05-formation, FRM-24; 08-negotiation, NEG-42.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.coop.charter import charter_hash, good_join, is_charter
from protocol.coop.decision import STEPS, slot_of, value_hash
from protocol.deal.request import read_mandate
from protocol.encoding import digest
from protocol.engine.context import MEMBER_KINDS, ROOM_KINDS, WITNESS_KINDS
from protocol.errors import Ignore, Reject
from protocol.record.kinds import KINDS
from protocol.record.record import Record

DOOR_KINDS = ("charter.1", "join.1", "rfq.1", "vote.1", "end.1")  # what a carrier reads whole
NOTED_KINDS = (*DOOR_KINDS, "proposal.1")
_MARK = 16  # bytes of a hash that stand for what is voted for


@dataclass(slots=True)
class Door:
    """`speakers`: who joined; in a deal, who asked and the witnesses named. `votes`: of each step and value which of
    the `witnesses` voted for it, as bits; `values`: what was proposed since this was read.
    """

    charter: Record | None = None
    speakers: dict[bytes, None] = field(default_factory=dict)
    witnesses: tuple[bytes, ...] = ()
    votes: dict[bytes, int] = field(default_factory=dict)
    values: dict[bytes, None] = field(default_factory=dict)

    def note(self, record: Record) -> None:
        """A record was taken."""
        match record.kind:
            case "charter.1":
                self.charter = record
                self.witnesses = tuple(record.body["witnesses"])
            case "join.1":
                self.speakers[record.author] = None
            case "rfq.1":
                self.witnesses = tuple(record.body["witnesses"])
                self.speakers.update(dict.fromkeys((record.author, *self.witnesses)))
            case "vote.1" | "end.1" if record.author in self.witnesses:
                for mark in _marks(record):
                    self.votes[mark] = self.votes.get(mark, 0) | self._bit(record)
            case "proposal.1":
                self.values.update(dict.fromkeys(_marks(record)))

    def needs(self, record: Record) -> bool:
        """Whether an answer may build on this vote, proposal or end of a term (DEC-6), as who takes part finds too."""
        marks = _marks(record) if record.author in self.witnesses else ()
        if record.kind == "proposal.1" and any(mark in self.values for mark in marks):
            return False
        own, faults = self._bit(record) if marks else 0, (len(self.witnesses) - 1) // 3
        cast = [self.votes.get(mark, 0) for mark in marks]
        if record.kind != "proposal.1" and any(one & own for one in cast):
            return False
        return any((one & ~own).bit_count() > faults for one in cast)

    def _bit(self, record: Record) -> int:
        return 1 << self.witnesses.index(record.author)

    def check(self, record: Record, network: bytes) -> bool:
        """Whether the author has standing; raises Ignore FRM-24, NEG-40 or NEG-42 when it is sure to have no say."""
        family = record.scope.partition("/")[0]
        if record.kind not in KINDS:
            return False
        if family == "coop":
            if not self._in_coop(record, network):
                raise Ignore("FRM-24", f"{record.kind}: its author has no say in this co-op, or not yet")
            return True
        if family == "deal" and record.kind == "rfq.1":
            try:
                read_mandate(record, network)
            except Reject as error:
                raise Ignore(error.code, error.message) from None
            return True
        known = record.author in self.speakers
        if family == "deal" and record.kind in WITNESS_KINDS and not known:
            raise Ignore("NEG-42", f"{record.kind}: its author has no say in this deal, or not yet")
        return family == "deal" and known

    def _in_coop(self, record: Record, network: bytes) -> bool:
        if record.kind == "charter.1":
            return is_charter(record)
        if self.charter is None:
            return False
        if record.kind in WITNESS_KINDS:
            return record.author in self.charter.body["witnesses"]
        if record.kind == "join.1":
            return good_join(self.charter, charter_hash(self.charter.author, self.charter.body), network, record)
        if record.kind in ROOM_KINDS and record.author in self.charter.body["witnesses"]:
            return True
        return record.kind not in (*MEMBER_KINDS, *ROOM_KINDS) or record.author in self.speakers


def _marks(record: Record) -> tuple[bytes, ...]:
    """What stands behind a vote, a proposal or an end, each in a few bytes; none where it stands in another slot."""
    body, slot = record.body, record.header.slot
    match record.kind:
        case "vote.1":
            slots, hashed, own = [slot_of(body["question"], body["round"], body["step"])], body["value"], ""
        case "proposal.1":
            own, hashed = slot_of(body["question"], body["round"]), value_hash(body["value"])
            slots = [slot_of(body["question"], body["round"], step) for step in STEPS]
        case "end.1" if slot is not None:
            slots, hashed, own = [slot.name], b"", ""
        case _:
            return ()
    if slot is None or slot.name != (own or slots[0]):
        return ()
    return tuple(digest("mark", name.encode() + b"/" + hashed)[:_MARK] for name in slots)
