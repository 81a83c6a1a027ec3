"""A deal whose two sides attest each other blind, and the nodes of its people round one table.

`Table` seats a node for each persona of a deal signed by hand; `talk` passes round what any of them says. Nobody is
mocked: the wire is a list, and the clock is the table's.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from protocol import commands as ask
from protocol.deal.life import Deal
from protocol.errors import Ignore, Reject
from protocol.events import RecordReceived
from protocol.identity import Persona
from protocol.record.record import Record, Slot
from protocol.sealing import seal_to
from protocol.trust import assessment
from protocol.trust.accountability import trust_scope
from protocol.trust.assessment import Pair
from tests.deals import LIFE_MS, NETWORK, START_MS, Handmade
from tests.stages import Desk, until

ATTEST_MS = 600_000
SETTLE_MS = 60_000


@cache
def dealt() -> Handmade:
    """m0 to m3 are the witnesses and have a share, m4 declines; nothing may be added to this one."""
    return Handmade(members=5, witnesses=4, windows={"attest_ms": ATTEST_MS})


def supplier() -> Persona:
    return dealt().suppliers[0]


def negotiator() -> Persona:
    return dealt().negotiator


def member() -> Persona:
    """One with a share, who is not the negotiator."""
    return next(one for one in dealt().members if one.key != negotiator().key)


def pair(relation: str = "supplier", who: Persona | None = None, other: Persona | None = None) -> Pair:
    return Pair(relation, (who or member()).key, (other or supplier()).key)


def commitment(who: Persona) -> Record:
    return next(one for one in dealt().records if one.kind == "commitment.1" and one.author == who.key)


def countersignature() -> Record:
    return next(one for one in dealt().records if one.kind == "countersign.1")


def attestation(author: Persona, subject: Persona, role: str, shown: list[bytes] | None = None, **other: Any) -> Record:
    """What is sealed; by default of member and supplier, and as it should be."""
    about = dealt().deal().agreements[0]
    outer = {name: other.pop(name) for name in ("scope", "slot", "network", "signer") if name in other}
    who = author if role == "supplier" else subject
    evidence = [commitment(who).raw, countersignature().raw] if shown is None else shown
    body: dict[str, Any] = {"subject": subject.key, "role": role, "agreement": about.hash, "outcome": "kept"}
    body |= {"dimensions": {"promise": 5}, "remark": "", "evidence": evidence, "salt": bytes(16)} | other
    body = {name: value for name, value in body.items() if value is not None}
    name = assessment.attestation_slot(body["agreement"], body["subject"], body["role"])
    return Record.sign(
        outer.get("signer", author),
        outer.get("network", NETWORK),
        "attestation.1",
        outer.get("scope", trust_scope(body["subject"])),
        body,
        created=START_MS,
        expires=START_MS + LIFE_MS,
        slot=Slot("once", outer.get("slot", name), 0),
    )


def sealed(author: Persona, subject: Persona, role: str, hidden: Record, seed: int = 0, **other: Any) -> Record:
    """An assessment around anything, with the body as `other` changes it."""
    made, deal = dealt(), dealt().deal()
    drawn = [seed]

    def entropy(size: int) -> bytes:
        drawn[0] += 1
        return (made.rfq.id * 4)[drawn[0] % 60 :][:size]

    relation = other.pop("relation", "supplier")
    named = Pair(relation, *((author.key, subject.key) if role == relation else (subject.key, author.key)))
    promised = other.pop("promised", hidden)
    body = assessment.seal(deal, named, hidden, entropy) | {"attestation": promised.id, "role": role}
    body |= {"subject": subject.key}
    if promised is not hidden:  # bound to what is said in the open, around something else
        context = assessment.context_of(deal.rfq.id, author.key, relation, role, subject.key)
        content = other.pop("content", assessment.pack(hidden.raw))
        body |= seal_to(deal.rfq.body["boxes"], deal.council.quorum, content, context, entropy).to_mapping()
    body |= other
    return Record.sign(
        author,
        NETWORK,
        "assessment.1",
        made.deal_scope,
        body,
        created=made.now,
        expires=made.rfq.header.expires,
        slot=Slot("once", assessment.slot_name(relation, role, subject.key), 0),
        refs=(made.rfq.id,),
    )


def shares_of(record: Record, places: range | tuple[int, ...] = range(4)) -> dict[int, bytes]:
    """What these witnesses would give."""
    made = dealt()
    return {at: assessment.own_share(record, at, made.witnesses[at].box_seed(made.hash)) for at in places}


class Table:
    """A node for each of these, at the moment when the deal is countersigned; those not seated are silent."""

    def __init__(self, *silent: Persona) -> None:
        made = dealt()
        said = until(made, "countersigned")
        self.now = said[-1].header.created + 1
        people = [*made.members[:4], made.suppliers[0]]
        self.desks = {one.key: Desk(one, said, now=self.now) for one in people if one not in silent}
        self.passed: dict[bytes, Record] = {one.id: one for one in said}
        self.talk()

    def talk(self, later_ms: int = 0) -> None:
        """Let time pass, every node waking when it wants to; everybody hears at once what anybody says."""
        end = self.now + later_ms
        while True:
            self._settle()
            due = [desk.engine.deadline for desk in self.desks.values()]
            first = min((one for one in due if one is not None), default=end + 1)
            if first > end:
                break
            self.now = max(first, self.now + 1)
        self.now = end
        self._settle()

    def _settle(self) -> None:
        fresh = True
        while fresh:
            fresh = False
            for desk in self.desks.values():
                desk.now = self.now
                desk.tick()
                for record in [one for one in desk.records.values() if one.id not in self.passed]:
                    self.passed[record.id] = record
                    self.tell(record, desk)
                    fresh = True

    def tell(self, record: Record, source: Desk | None = None) -> None:
        """Pass a record to everybody else."""
        for desk in self.desks.values():
            if desk is not source:
                self.tell_one(desk.who, record)

    def tell_one(self, who: Persona, record: Record) -> str:
        """The clause by which a node turns a record away, "" when it takes it."""
        desk = self.desks[who.key]
        desk.now = self.now
        try:
            desk.do(RecordReceived(record, ""))
        except Ignore as error:
            return error.code
        return ""

    def attest(self, who: Persona, subject: Persona, role: str, outcome: str = "kept", **more: Any) -> dict[str, Any]:
        """One of them says how another did."""
        desk = self.desks[who.key]
        desk.now = self.now
        found: dict[str, Any] = desk.ask(ask.Attest(self.deal, subject.key, role, outcome, **more))
        return found

    @property
    def deal(self) -> bytes:
        return bytes.fromhex(dealt().deal_scope.removeprefix("deal/"))

    def seen(self, who: Persona) -> list[dict[str, Any]]:
        """Who has spoken, as this node shows it."""
        desk = self.desks[who.key]
        found: list[dict[str, Any]] = desk.ask(ask.AskDeals())[0]["spoken"]
        return found

    def public(self, who: Persona | None = None) -> list[tuple[bytes, bytes, str]]:
        """(author, subject, outcome) of the attestations that somebody holds in the open."""
        desk = self.desks[(who or next(iter(self.desks.values())).who).key]
        said = sorted(desk.said("attestation.1"), key=lambda one: one.id)
        return [(one.author, one.body["subject"], one.body["outcome"]) for one in said]

    def needs(self, who: Persona) -> list[dict[str, Any]]:
        """Whom this one is asked about."""
        return [one for one in self.desks[who.key].ask(ask.AskNeeds()) if one["kind"] == "attest"]


def reading(deal: Deal, record: Record, shares: dict[int, bytes]) -> str:
    """What shares make of an assessment: "" for the attestation, else the clause."""
    try:
        assessment.opened(deal, record, shares, NETWORK)
    except Reject as error:
        return error.code
    return ""
