"""One scope in memory, and who may say what in it.

Decides whose records a co-op's context takes; what they lead to is read from them in protocol/coop and protocol/deal.
Spec: 03-gossip, GOS-9; 05-formation, FRM-24.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.coop.box import LEAVE
from protocol.coop.charter import charter_hash, find_charter, good_join, is_charter, successor_in
from protocol.coop.coop import Coop, read_coop
from protocol.coop.decision import Docket, Witness
from protocol.coop.formation import Group
from protocol.coop.standing import Standing
from protocol.coop.template import Template
from protocol.deal.deal import read_deal
from protocol.deal.fulfilment import DETAIL_KINDS, PARTY_KINDS
from protocol.deal.life import Deal, Opening
from protocol.params import MAIL_BYTES_MAX, MAIL_RECORDS_MAX
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.room.book import Book
from protocol.sealing import Void
from protocol.trust import assessment
from protocol.trust.case import Voice
from protocol.trust.consent import DataTerms
from protocol.trust.voice import SPOKEN

SPLIT = ("coop", "deal")  # the families in which what is carried and what is read are two logs
ROOM_KINDS = ("epoch.1", "sealed.1", "locked.1", "unlock.1")  # of whoever has a place in the room
WITNESS_KINDS = (
    *("accept.1", "receipt.1", "proposal.1", "vote.1", "count.1", "opening.1", "reveal.1"),
    *("lease.1", "end.1", "release.1"),
)
MEMBER_KINDS = (
    *("pledge.1", "nomination.1", "ballot.1", "deal.1", "adoption.1", "answer.1", "unopened.1"),
    *("heartbeat.1", "recall.1", "successor.1"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a node is told at its start. `grain_ms`: stamps of human acts are rounded down to it (REC-16)."""

    network: bytes
    role: str  # home, relay or supplier
    templates: Mapping[bytes, Template]
    presets: Mapping[str, Mapping[str, int]]  # a charter's times by name
    grain_ms: int = 60_000
    sync_ms: int = 60_000
    preset: str = "always-on"
    recovery: Mapping[bytes, bytes] = field(default_factory=dict)  # own persona -> hash of its recovery key
    admits_all: bool = True  # or a relay carries for those alone whom its rules allow (REL-6)
    mail_records: int = MAIL_RECORDS_MAX  # of one prefix (REL-14)
    mail_bytes: int = MAIL_BYTES_MAX
    stored_bytes: int = 0  # that the disk may hold; 0: no bound is set
    relays: tuple[str, ...] = ()  # addresses that this node's person wrote down, the preferred first
    persona: str = "one"  # who acts when nobody is named: the first persona, or the rule that finds one (IDN-21)
    rooms: bool = True  # what is said in a co-op is sealed for those in it (ROO-12)
    delay_ms: int = 0  # what a person signs leaves at random within so long (GOS-65)
    terms: Mapping[str, DataTerms] = field(default_factory=dict)  # id -> data terms whose text is held (CNS-3)


@dataclass(slots=True)
class Context:
    """One scope in memory: its logs, the docket of its decisions, and views made from them when they changed.

    `wire` is what is kept, carried and compared; `log` is what is read: of a co-op or deal also what came in envelopes.
    """

    scope: str
    log: Log
    book: Book = field(default_factory=Book)
    docket: Docket = field(default_factory=Docket)
    wake: int | None = None
    wanted: dict[bytes, int] = field(default_factory=dict)  # id -> when it was asked for
    witnesses: dict[tuple[str, bytes], Witness] = field(default_factory=dict)
    duties: dict[tuple[str, bytes], tuple[bytes, ...]] = field(default_factory=dict)
    expires: int | None = 0  # when a board's next record does; 0 before anybody looked
    room: bytes = b""  # of a deal: its room's secret, once it has reached this node
    opened: bytes = b""  # of a deal: which box of reveals `openings` were found from
    openings: Mapping[bytes, Opening | Void] = field(default_factory=dict)
    shared: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)  # (what is sealed, own witness) -> good share
    void: dict[bytes, str] = field(default_factory=dict)  # of a deal: sealed attestation -> why it comes to nothing
    receipts_due: dict[str, int] = field(default_factory=dict)
    standings: dict[bytes, Standing] = field(default_factory=dict)  # of a board: template -> whom it groups
    formations: dict[tuple[bytes, int], dict[bytes, Group | None] | None] = field(default_factory=dict)
    """(template, epoch) -> the groups of own intents; None: a worker is at it."""
    markers: int = 0  # of a board: how many double commitments it holds
    calls: dict[bytes, Record | None] = field(default_factory=dict)  # call -> its charter, if it is for us
    faults_seen: dict[bytes, int] = field(default_factory=dict)  # both ids of a double signature -> when
    shown: str = ""
    voices: tuple[tuple[int, bytes], tuple[Voice, ...]] = ((-1, b""), ())  # of a deal: by which records, and read
    voiced: dict[bytes, str] = field(default_factory=dict)  # of a deal: voice -> what was last told of it
    tried: dict[bytes, None] = field(default_factory=dict)  # of a trust scope: summons that were looked at
    named: bytes = b""  # of a deal: the request that its co-op certified
    computed: tuple[tuple[bytes, ...], bytes] | None = None  # of a deal: the award by certified reveals and answers
    family: str = field(init=False)  # the first part of the scope's name
    wire: Log = field(init=False)
    _roster: tuple[bytes, ...] = ()
    _coop: tuple[int, Coop | None] = (-1, None)
    _deal: tuple[tuple[int, bytes], Deal | None] = ((-1, b""), None)

    def __post_init__(self) -> None:
        self.family = self.scope.partition("/")[0]
        self.wire = Log(self.scope) if self.split else self.log

    @property
    def split(self) -> bool:
        """Whether there are two logs."""
        return self.family in SPLIT

    def rostered(self, settings: Settings) -> tuple[bytes, ...] | None:
        """Everybody on the certified roster, which never changes: empty before it is known, None where no co-op is."""
        if not self._roster:
            coop = self.coop(settings)
            if coop is None:
                return None
            self._roster = coop.joined if coop.roster else ()
        return self._roster

    def coop(self, settings: Settings) -> Coop | None:
        """The co-op that the records amount to."""
        if self._coop[0] != self.log.version:
            self._coop = self.log.version, read_coop(self.log, self.docket, settings.network, settings.templates)
        return self._coop[1]

    def deal(self, settings: Settings) -> Deal | None:
        """The deal that the records amount to."""
        at = self.log.version, self.named
        if self._deal[0] != at:
            self._deal = at, read_deal(self.log, self.docket, settings.network, self.named)
        return self._deal[1]

    def expire(self, now: int) -> None:
        """On boards and in mail records end one by one (REC-13): drop those that have, and come back for the next."""
        if self.family in ("board", "mail"):
            if self.expires is not None and self.expires <= now:
                self.expires = self.log.expire(now)
            self.wake_at(self.expires)

    def wake_at(self, when: int | None) -> None:
        """Ask to be attended to at `when` at the latest."""
        if when is not None and (self.wake is None or when < self.wake):
            self.wake = when


def has_say(context: Context, record: Record, settings: Settings) -> bool:
    """Whether a record's author may say this kind of thing in this co-op, by charter and certified roster (FRM-24)."""
    if record.kind == "charter.1":
        return is_charter(record)
    charter = find_charter(context.log)
    if charter is None:
        return False
    hashed = charter_hash(charter.author, charter.body)
    if record.kind in ("unopened.1", "answer.1") and record.author in charter.body["witnesses"]:
        return True
    if record.kind in WITNESS_KINDS:
        other = record.kind == "accept.1" and record.body["charter"] != hashed
        return record.author in charter.body["witnesses"] and not other
    if record.kind == "join.1":
        return good_join(charter, hashed, settings.network, record)
    if record.kind == LEAVE:
        parents = (context.log.records.get(one) for one in record.header.refs)
        return any(one is not None and one.kind == "join.1" and one.author == record.author for one in parents)
    if record.kind == "successor.1" and successor_in(record, settings.network) is None:
        return False
    if record.kind not in (*MEMBER_KINDS, *ROOM_KINDS):
        return True
    keys = context.rostered(settings)
    witness = record.kind in ROOM_KINDS and record.author in charter.body["witnesses"]
    return keys is None or record.author in keys or witness


def is_early(context: Context, record: Record, settings: Settings) -> bool:
    """Whether a member's record waits for the roster, or what is said under an agreement for it, so that who holds it
    never depends on the order of arrival."""
    under = record.kind in (*PARTY_KINDS, *DETAIL_KINDS, *assessment.KINDS, *SPOKEN, *ROOM_KINDS, "message.1")
    if under and context.family == "deal" and (deal := context.deal(settings)) is not None:
        return not deal.agreements
    waits = context.family == "coop" and record.kind in (*MEMBER_KINDS, *ROOM_KINDS)
    return waits and context.rostered(settings) == ()
