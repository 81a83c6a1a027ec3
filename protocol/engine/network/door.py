"""Who has a say in a co-op or deal that is only carried, as far as its charter, its joins and its requests tell alone.

Decides whom a carrier turns away and who needs no share of the room for strangers; rosters, awards and whatever takes
votes to know are for those who take part. Spec: 03-gossip, GOS-40; 05-formation, FRM-24; 08-negotiation, NEG-42.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.coop.charter import charter_hash, good_join, is_charter
from protocol.deal.request import read_mandate
from protocol.engine.context import MEMBER_KINDS, WITNESS_KINDS
from protocol.errors import Ignore, Reject
from protocol.record.kinds import KINDS
from protocol.record.record import Record

DOOR_KINDS = ("charter.1", "join.1", "rfq.1")  # what a carrier reads whole


@dataclass(slots=True)
class Door:
    """`speakers`: who joined; in a deal, who asked and the witnesses named."""

    charter: Record | None = None
    speakers: dict[bytes, None] = field(default_factory=dict)

    def note(self, record: Record) -> None:
        """A record was taken."""
        match record.kind:
            case "charter.1":
                self.charter = record
            case "join.1":
                self.speakers[record.author] = None
            case "rfq.1":
                self.speakers.update(dict.fromkeys((record.author, *record.body["witnesses"])))

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
        return record.kind not in MEMBER_KINDS or record.author in self.speakers
