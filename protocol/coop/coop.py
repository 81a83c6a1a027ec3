"""A co-op from its charter to a negotiator who may act: what its records amount to, and what is to be decided next.

Decides charter, roster, standing candidates, mandate and succession as functions of the records and certified values of
one `coop` scope; never signs, and never looks at the clock. Spec: 05-formation, FRM-20 to FRM-32; 07-election, ELE-20
to ELE-45.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from protocol.coop.ballot import Openings, is_ballot, is_release, lay_open
from protocol.coop.box import Box, Question, held_once, left_by, settled
from protocol.coop.charter import Member, charter_hash, find_charter, good_join, roster_hash, roster_of
from protocol.coop.decision import Council, Decided, Docket
from protocol.coop.election import Ranking, Tally, schulze, succession
from protocol.coop.evidence import admission, standing_in
from protocol.coop.mandate import QUANTITY_MAX, Mandate, deal_id, limits_hash, limits_of, witnesses_hash
from protocol.coop.risk import keeps_to_stakes, stakes_of
from protocol.coop.template import Template, pooled_value
from protocol.coop.term import Term, ended
from protocol.deal.allocation import Demand
from protocol.deal.negotiation import Limits
from protocol.params import STUCK_MS
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.sealing import Void

# The life of a co-op (FRM-21): (state, fact) -> state. Where a fact has no row, nothing follows from it.
COOP: Mapping[tuple[str, str], str] = {
    ("called", "witnesses accepted"): "forming",
    ("forming", "roster certified"): "gathering",
    ("forming", "too few joined"): "void",
    ("gathering", "pledges and candidates certified"): "balloting",
    ("gathering", "nobody pledged"): "void",
    ("gathering", "nobody stood"): "void",
    ("balloting", "ballots certified"): "counting",
    ("balloting", "nobody voted"): "void",
    ("balloting", "nobody stayed"): "void",
    ("counting", "releases certified"): "elected",
    ("counting", "no ballot opened"): "void",
    ("elected", "mandate certified"): "mandated",
    ("elected", "nobody left in line"): "void",
    ("mandated", "request certified"): "dealing",
    ("mandated", "negotiator silent"): "elected",
    ("dealing", "term ended"): "succeeding",
    ("succeeding", "mandate certified"): "dealing",
    ("succeeding", "nobody left in line"): "unled",
}
COOP_TERMINAL = ("void", "dealing", "succeeding", "unled")  # ends of the co-op's own life; who leads may still change


@dataclass(frozen=True, slots=True)
class Coop:
    """Everything a co-op's records amount to, as far as it has come; later fields are None before their time."""

    charter: Record
    hash: bytes
    state: str
    council: Council
    open: tuple[Question, ...] = ()
    decided: Mapping[str, Decided] = field(default_factory=dict)
    term: int = 1
    members: tuple[Member, ...] = ()  # of the roster those who have not left
    left: tuple[bytes, ...] = ()
    roster: bytes = b""
    demands: tuple[Demand, ...] = ()
    limits: Limits | None = None
    pledges_hash: bytes = b""
    candidates: tuple[Record, ...] = ()
    ballots: tuple[Record, ...] = ()  # those that count, ascending by id, whether or not they open
    openings: Openings = field(default_factory=dict)
    tally: Tally[bytes] | None = None
    line: tuple[bytes, ...] = ()
    voted: int = 0  # newest stamp of a ballot that opened
    mandate: Mandate | None = None
    request: Record | None = None
    adoptions: tuple[Record, ...] | None = None  # None while their box is open

    @property
    def times(self) -> Mapping[str, int]:
        """The durations the charter fixes, in ms."""
        times: Mapping[str, int] = self.charter.body["times"]
        return times

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The members' keys, ascending."""
        return tuple(member.key for member in self.members)

    @property
    def joined(self) -> tuple[bytes, ...]:
        """Everybody on the roster, who left since included, ascending."""
        return tuple(sorted((*self.keys, *self.left)))

    @property
    def rankings(self) -> Mapping[bytes, Ranking[bytes]]:
        """The ballots that opened, by record id, ascending."""
        return {key: one for key, one in self.openings.items() if not isinstance(one, Void)}

    @property
    def negotiator(self) -> bytes:
        """Who may act for the co-op now; b"" while nobody may."""
        return self.mandate.negotiator if self.mandate is not None and self.state in ("mandated", "dealing") else b""

    @property
    def running(self) -> Term | None:
        """The term of a negotiator whose deal goes on; before the request its box says all (ELE-32, ELE-40)."""
        if self.mandate is None or self.request is None or self.state != "dealing":
            return None
        began = max(one.when for name, one in self.decided.items() if name.partition("/")[0] in ("mandate", "deal"))
        return Term(self.roster, self.mandate.term, self.mandate.negotiator, began, self.times.get("lease_ms", 0))


def question_name(base: str, about: bytes | int) -> str:
    """The name of a question: what is asked, and about which roster, request or term."""
    return f"{base}/{about[:8].hex() if isinstance(about, bytes) else about}"


def term_of(coop: Coop) -> Term:
    """The term of the mandate that is certified last, whether or not it has come to a request."""
    assert coop.mandate is not None
    return coop.running or Term(coop.roster, coop.mandate.term, coop.mandate.negotiator, 0, 0)


def read_coop(log: Log, docket: Docket, network: bytes, templates: Mapping[bytes, Template]) -> Coop | None:
    """The co-op that a log holds, or None while its charter is unknown or its template is not at hand."""
    charter = find_charter(log)
    if charter is None or charter.body["template"] not in templates:
        return None
    hashed = charter_hash(charter.author, charter.body)
    council = Council(tuple(charter.body["witnesses"]), hashed)
    coop = Coop(charter, hashed, "called", council)
    return _Reader(log, docket, network, templates[charter.body["template"]], coop).read()


def lapsed(coop: Coop, now: int) -> bool:
    """Whether nothing can come of a co-op any more though no record says so: its charter was not accepted while there
    was time to join, or its own time is over. What a node does next and shows may follow from it, never a fold.
    """
    created, expires = coop.charter.header.created, coop.charter.header.expires
    late = coop.state == "called" and now > created + coop.charter.body["times"]["join_ms"]
    return coop.state not in COOP_TERMINAL and (late or expires <= now or stuck(coop, now))


def stuck(coop: Coop, now: int) -> bool:
    """Whether its witnesses owe it an answer for so long that none will come (FRM-21): fewer than a quorum are left."""
    since = max((one.when for one in coop.decided.values()), default=coop.charter.header.created)
    return coop.state not in COOP_TERMINAL and now > max([since, *(one.due for one in coop.open)]) + STUCK_MS


class _Reader:
    """One pass over a co-op's log, fact by fact through the table; thrown away afterwards."""

    def __init__(self, log: Log, docket: Docket, network: bytes, template: Template, coop: Coop) -> None:
        self.log, self.docket, self.network, self.template, self.coop = log, docket, network, template, coop
        self.times = coop.times
        self.decided: dict[str, Decided] = {}
        self.open: list[Question] = []

    def read(self) -> Coop:
        """As far as the records lead."""
        for stage in (self._form, self._gather, self._elect, self._count, self._appoint, self._succeed):
            if not stage():
                break
        still = () if self.coop.state == "void" else tuple(self.open)
        return replace(self.coop, open=still, decided=self.decided)

    def _form(self) -> bool:
        charter, witnesses = self.coop.charter, self.coop.council.witnesses
        if not all(self._accepted(key) for key in witnesses):
            return False
        self._fact("witnesses accepted")
        listed = tuple(charter.body["listed"])
        enough = 0 if listed else int(charter.body["most"])
        box = Box(
            "join.1",
            "join",
            listed or None,
            (),
            partial(good_join, charter, self.coop.hash, self.network),
            enough,
            leaves=True,
        )
        joins = self._box("roster", box, charter.header.created, "join_ms")
        if joins is None:
            return False
        members = roster_of(charter, joins, self.network)
        roster = roster_hash(self.coop.hash, tuple(member.key for member in members))
        self.coop = replace(self.coop, members=members, roster=roster)
        if len(members) < max(2, charter.body["least"]):
            return self._fact("too few joined")
        return self._fact("roster certified")

    def _gather(self) -> bool:
        """Pledges and nominations, in two boxes that stand open side by side (FRM-29, ELE-20)."""
        roster, keys = self.coop.roster, self.coop.keys
        opened = self.decided["roster"].when
        box = Box("pledge.1", slot_name("pledge", roster), keys, (), partial(self._good_pledge, roster), leaves=True)
        pledges = self._box(question_name("pledges", roster), box, opened, "pledge_ms")
        good = partial(good_nomination, self.coop, self.network)
        box = Box("nomination.1", slot_name("nomination", roster), keys, (), good, leaves=True)
        running = self._box(question_name("candidates", roster), box, opened, "nominate_ms")
        if pledges is None or running is None:
            return False
        self._leave("pledges", "candidates")
        staying = self.coop.keys
        demands = tuple(_demand(one) for one in pledges if one.author in staying)
        candidates = tuple(sorted((one for one in running if one.author in staying), key=lambda one: one.author))
        hashed = self.decided[question_name("pledges", roster)].value_hash
        self.coop = replace(self.coop, demands=demands, candidates=candidates, pledges_hash=hashed)
        if not any(demand.want for demand in demands):
            return self._fact("nobody pledged")
        self.coop = replace(self.coop, limits=limits_of(demands))
        return self._fact("pledges and candidates certified" if candidates else "nobody stood")

    def _elect(self) -> bool:
        """The box of sealed ballots (ELE-21)."""
        roster, council = self.coop.roster, self.coop.council
        good = partial(is_ballot, roster, len(self.coop.candidates), council)
        box = Box("ballot.1", slot_name("ballot", roster), self.coop.keys, (), good, vouchers=2, leaves=True)
        opened = max(self.decided[question_name(base, roster)].when for base in ("pledges", "candidates"))
        ballots = self._box(question_name("ballots", roster), box, opened, "ballot_ms")
        if ballots is None:
            return False
        self._leave("ballots")
        if not ballots:
            return self._fact("nobody voted")
        staying = self.coop.keys
        demands = tuple(one for one in self.coop.demands if one.member in staying)
        if not any(one.want for one in demands):
            return self._fact("nobody stayed")
        self.coop = replace(self.coop, ballots=tuple(ballots), demands=demands, limits=limits_of(demands))
        return self._fact("ballots certified")

    def _count(self) -> bool:
        """What the witnesses release of the ballots, and the tally of those that open by it (ELE-62 to ELE-64)."""
        roster, council, ballots = self.coop.roster, self.coop.council, self.coop.ballots
        voted = self.decided[question_name("ballots", roster)]
        good = partial(is_release, roster, voted.value_hash, ballots)
        box = Box("count.1", slot_name("count", roster), council.witnesses, (), good, least=council.quorum)
        releases = self._box(question_name("counts", roster), box, voted.when, "reveal_ms")
        if releases is None:
            return False
        running = tuple(one.author for one in self.coop.candidates)
        self.coop = replace(self.coop, openings=lay_open(ballots, releases, council, running))
        rankings = self.coop.rankings
        if not rankings:
            return self._fact("no ballot opened")
        tally = schulze(((1, one) for one in rankings.values()), running)
        line = tuple(one for one in succession(tally, roster) if one in self.coop.keys)
        voted_at = max(one.header.created for one in ballots if one.id in rankings)
        self.coop = replace(self.coop, tally=tally, line=line, voted=voted_at)
        return self._fact("releases certified")

    def _appoint(self) -> bool:
        """Mandates, term after term down the line, until a negotiator acts (ELE-32)."""
        for term in range(1, len(self.coop.line) + 1):
            mandate = self._install(term)
            if mandate is None:
                return False
            box = Box(
                "deal.1", slot_name("deal", mandate.deal), (mandate.negotiator,), (), partial(_good_deal, mandate)
            )
            opened = self.decided[question_name("mandate", term)].when
            requests = self._box(question_name("deal", term), box, opened, "deal_ms")
            if requests is None:
                return False
            if requests:
                self.coop = replace(self.coop, request=requests[0])
                self._adopt(mandate.deal, self.decided[question_name("deal", term)].when)
                self._fact("request certified")
                return True
            self._fact("negotiator silent")
        return self._fact("nobody left in line")

    def _succeed(self) -> bool:
        """The next in line for the same deal, whenever a term has ended (ELE-45)."""
        self.coop = replace(self.coop, decided=self.decided)
        while (running := self.coop.running) is not None and ended(self.log, self.coop.council, running):
            self._fact("term ended")
            if running.number == len(self.coop.line):
                return self._fact("nobody left in line")
            if self._install(running.number + 1) is None:
                return False
        return False

    def _install(self, term: int) -> Mandate | None:
        """The mandate of a term, once it is certified (ELE-30)."""
        mandate = self._mandate(term)
        name, value, since = question_name("mandate", term), mandate.to_bytes(), self._newest()
        question = Question(name, 0, 0, self.times["round_ms"], value=value, opened=since)
        decided = self._decide(question)
        self.coop = replace(self.coop, term=term)
        if decided is None:
            return None
        self.coop = replace(self.coop, mandate=mandate)
        self._fact("mandate certified")
        return mandate

    def _adopt(self, deal: bytes, opened: int) -> None:
        """The box of adoptions (NEG-77): suggestions come first, and then the members have as long to think."""
        if "suggest_ms" not in self.times:
            return
        name = slot_name("adoption", deal)
        box = Box("adoption.1", name, self.coop.keys, (), partial(_good_adoption, deal))
        adoptions = self._box(question_name("adoptions", deal), box, opened + self.times["suggest_ms"], "suggest_ms")
        if adoptions is not None:
            self.coop = replace(self.coop, adoptions=tuple(adoptions))

    def _mandate(self, term: int) -> Mandate:
        coop, negotiator = self.coop, self.coop.line[term - 1]
        fees = {one.author: int(one.body["fee_minor"]) for one in coop.candidates}
        spends = [int(member.intent.body["spend_minor"]) for member in coop.members]
        return Mandate(
            charter=coop.hash,
            roster=coop.roster,
            term=term,
            negotiator=negotiator,
            deal=coop.request.body["deal"] if coop.request is not None else deal_id(coop.hash, coop.roster, term),
            expires=coop.voted + self.times["mandate_ms"] + (term - 1) * self.times["deal_ms"],
            fee_minor=fees[negotiator],
            limits=limits_hash(coop.limits, coop.pledges_hash) if coop.limits else b"",
            members=len(coop.members),
            quantity=min(QUANTITY_MAX, sum(demand.want for demand in coop.demands)),
            pooled_minor=pooled_value(spends, self.template.periods),
            witnesses=witnesses_hash(coop.council.witnesses),
        )

    def _good_pledge(self, roster: bytes, record: Record) -> bool:
        right = record.body["roster"] == roster and record.body["least"] <= record.body["want"]
        return right and keeps_to_stakes(record.body, stakes_of(self.coop.charter.body), self.template.periods)

    def _accepted(self, witness: bytes) -> bool:
        return any(one.body["charter"] == self.coop.hash for one in self.log.slot("accept.1", witness, "accept"))

    def _box(self, name: str, box: Box, opened: int, window: str) -> list[Record] | None:
        """The records a decided box holds, the doubly spoken left out (DEC-14); None while it is open."""
        closes, since = opened + self.times[window], min(opened, self._newest())
        question = Question(name, closes, self.times["settle_ms"], self.times["round_ms"], box, opened=since)
        decided = self._decide(question)
        return None if decided is None else held_once(self.log, box, decided.value)

    def _leave(self, *bases: str) -> None:
        """Take those off whom these boxes list as leaving (FRM-33)."""
        values = [self.decided[question_name(base, self.coop.roster)].value for base in bases]
        gone = dict.fromkeys(key for value in values for key in left_by(self.log, value))
        members = tuple(one for one in self.coop.members if one.key not in gone)
        self.coop = replace(self.coop, members=members, left=tuple(sorted((*self.coop.left, *gone))))

    def _newest(self) -> int:
        """The stamp of what was decided last, in the order of reading."""
        return max((one.when for one in self.decided.values()), default=self.coop.charter.header.created)

    def _decide(self, question: Question) -> Decided | None:
        decided = settled(self.log, self.docket, self.coop.council, question)
        if decided is None:
            self.open.append(question)
        else:
            self.decided[question.name] = decided
        return decided

    def _fact(self, fact: str) -> bool:
        """Walk the table; whether there is anything to read beyond."""
        self.coop = replace(self.coop, state=COOP[(self.coop.state, fact)])
        return self.coop.state not in COOP_TERMINAL


def slot_name(base: str, about: bytes) -> str:
    """The name of a `once` slot that belongs to one roster or deal."""
    return f"{base}/{about[:8].hex()}"


def good_nomination(coop: Coop, network: bytes, record: Record) -> bool:
    """Whether a member may stand with this: its fee within the charter's, and what it shows enough (ELE-20, ELE-36)."""
    right = record.body["roster"] == coop.roster and record.body["fee_minor"] <= coop.charter.body["fee_max_minor"]
    return right and admission(coop.charter).elects(standing_in(record, coop.keys, network))


def _good_deal(mandate: Mandate, record: Record) -> bool:
    return bool(record.body["roster"] == mandate.roster and record.body["deal"] == mandate.deal)


def _good_adoption(deal: bytes, record: Record) -> bool:
    return bool(record.body["deal"] == deal)


def _demand(pledge: Record) -> Demand:
    body = pledge.body
    return Demand(pledge.author, body["want"], body["tolerate"], body["least"], body["price_max_minor"])
