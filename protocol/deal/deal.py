"""A deal from the request for quotation to the agreement and its delivery, as one `deal` scope tells it.

Decides which request counts, what its boxes amount to, the agreement and how far it is fulfilled; never opens a sealed
quotation, and never decides the award: the witnesses do, by `award_value`, which every member computes again.
Spec: 08-negotiation, NEG-40 to NEG-53; 09-accountability, AGR-1 to AGR-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from protocol.coop.box import Box, Question, held_once, settled
from protocol.coop.coop import Coop, question_name
from protocol.coop.decision import Council, Decided, Docket
from protocol.coop.mandate import Mandate, witnesses_hash
from protocol.coop.template import Template
from protocol.deal.allocation import Allocation, Demand, allocate
from protocol.deal.award import Award, agreement_hash, parse_award
from protocol.deal.negotiation import Bid, Ranking, Request, Requirement, open_commitment, rank
from protocol.encoding import digest, encode
from protocol.errors import Ignore, Reject
from protocol.params import BIDS_MAX
from protocol.record.log import Log
from protocol.record.record import Record, embedded

# The life of a deal (NEG-41): (state, fact) -> state.
DEAL: Mapping[tuple[str, str], str] = {
    ("asked", "quotations certified"): "quoted",
    ("asked", "nobody quoted"): "void",
    ("quoted", "reveals certified"): "revealed",
    ("quoted", "nobody revealed"): "void",
    ("revealed", "award certified"): "awarded",
    ("revealed", "no quotation fits"): "void",
    ("awarded", "commitments certified"): "agreed",
    ("awarded", "no rung stands"): "void",
    ("agreed", "supplier countersigned"): "countersigned",
    ("countersigned", "all delivered"): "delivered",
}
DEAL_TERMINAL = ("void", "agreed", "countersigned", "delivered")


@dataclass(frozen=True, slots=True)
class Opening:
    """A reveal laid open: what its commitment commits to."""

    nonce: bytes
    quote: bytes


@dataclass(frozen=True, slots=True)
class Deal:
    """What a deal's records amount to; later fields are empty before their time."""

    rfq: Record
    mandate: Mandate
    state: str
    council: Council
    open: tuple[Question, ...] = ()
    decided: Mapping[str, Decided] = field(default_factory=dict)
    quotations: tuple[Record, ...] = ()
    reveals: tuple[Record, ...] = ()
    award: Award | None = None
    commitments: tuple[Record, ...] = ()
    agreement: Allocation | None = None
    agreement_hash: bytes = b""
    delivered: tuple[bytes, ...] = ()

    @property
    def times(self) -> Mapping[str, int]:
        """The durations the request fixes, in ms."""
        times: Mapping[str, int] = self.rfq.body["times"]
        return times

    @property
    def quote_until(self) -> int:
        """When the box of quotations closes, by the request's own stamp."""
        return self.rfq.header.created + self.times["quote_ms"]

    @property
    def commit_until(self) -> int:
        """Until when a quotation must be valid: all boxes' times together (NEG-24)."""
        return self.quote_until + self.times["reveal_ms"] + self.times["commit_ms"]


def deal_scope(deal: bytes) -> str:
    """The scope of the deal with this 16-byte id."""
    return "deal/" + deal.hex()


def read_mandate(rfq: Record, network: bytes) -> Mandate:
    """The mandate a request carries, certified by its witnesses. Raises Reject NEG-40 when it does not hold."""
    mandate = Mandate.parse(rfq.body["mandate"])
    witnesses = tuple(rfq.body["witnesses"])
    council = Council(witnesses, mandate.charter)
    facts = {"coop": mandate.charter[:16], "charter": mandate.charter, "members": mandate.members}
    facts |= {"quantity": mandate.quantity, "pooled_minor": mandate.pooled_minor}
    if rfq.scope != deal_scope(mandate.deal) or rfq.author != mandate.negotiator:
        raise Reject("NEG-40", "rfq: not by the mandate's negotiator, or not in its deal's scope")
    if any(rfq.body[name] != value for name, value in facts.items()) or witnesses_hash(witnesses) != mandate.witnesses:
        raise Reject("NEG-40", "rfq: co-op, witnesses, members, quantity or value are not those of the mandate")
    if rfq.header.created > mandate.expires:
        raise Reject("NEG-40", "rfq: the mandate had ended")
    docket = Docket()
    for raw in rfq.body["certificate"]:
        try:
            vote = embedded(raw, network)
        except (Reject, Ignore):
            raise Reject("NEG-40", "rfq.certificate: holds what is no vote") from None
        if vote.kind == "vote.1" and vote.scope == "coop/" + rfq.body["coop"].hex():
            docket.note(vote)
    name = question_name("mandate", mandate.term)
    if not docket.certifies(name, council, mandate.to_bytes()):
        raise Reject("NEG-40", "rfq.certificate: fewer than a quorum of the witnesses signed this mandate")
    return mandate


def find_request(log: Log, docket: Docket, network: bytes, named: bytes = b"") -> tuple[Record, Mandate] | None:
    """The request a deal is about: of several good ones the one `named`, or its witnesses went on with, or least id."""
    good: list[tuple[Record, Mandate]] = []
    for one in sorted(log.of_kind("rfq.1"), key=lambda record: record.id):
        try:
            good.append((one, read_mandate(one, network)))
        except Reject:
            continue
    for one, mandate in good:
        council = Council(tuple(one.body["witnesses"]), mandate.charter)
        if one.id == named or docket.decided(question_name("quotations", one.id), council) is not None:
            return one, mandate
    return good[0] if good else None


def read_deal(log: Log, docket: Docket, network: bytes, named: bytes = b"") -> Deal | None:
    """The deal that a log holds, or None while no good request is known; `named`: the one its co-op certified."""
    found = find_request(log, docket, network, named)
    if found is None:
        return None
    rfq, mandate = found
    council = Council(tuple(rfq.body["witnesses"]), mandate.charter)
    return _Reader(log, docket, Deal(rfq, mandate, "asked", council)).read()


class _Reader:
    """One pass over a deal's log, fact by fact through the table; thrown away afterwards."""

    def __init__(self, log: Log, docket: Docket, deal: Deal) -> None:
        self.log, self.docket, self.deal = log, docket, deal
        self.decided: dict[str, Decided] = {}
        self.open: list[Question] = []

    def read(self) -> Deal:
        """As far as the records lead."""
        for stage in (self._quote, self._reveal, self._award, self._commit, self._fulfil):
            if not stage():
                break
        return replace(self.deal, open=tuple(self.open), decided=self.decided)

    def _quote(self) -> bool:
        rfq = self.deal.rfq
        box = Box("quotation.1", "quotation", None, (rfq.author,), partial(_about, rfq.id))
        quotations = self._box("quotations", box, rfq.header.created, "quote_ms")
        if quotations is None:
            return False
        self.deal = replace(self.deal, quotations=tuple(quotations))
        return self._fact("quotations certified" if quotations else "nobody quoted")

    def _reveal(self) -> bool:
        rfq, quoted = self.deal.rfq, self.decided[self._name("quotations")]
        suppliers = tuple(one.author for one in self.deal.quotations)
        takes = partial(_good_reveal, rfq.id, quoted.value_hash, len(rfq.body["boxes"]))
        reveals = self._box("reveals", Box("reveal.1", "reveal", suppliers, (), takes), quoted.when, "reveal_ms")
        if reveals is None:
            return False
        self.deal = replace(self.deal, reveals=tuple(reveals))
        return self._fact("reveals certified" if reveals else "nobody revealed")

    def _award(self) -> bool:
        question = Question(self._name("award"), 0, 0, self.deal.times["round_ms"])
        decided = self.docket.decided(question.name, self.deal.council)
        if decided is None:
            self.open.append(question)
            return False
        self.decided[question.name] = decided
        award = parse_award(decided.value, self.deal.rfq.id, self.deal.mandate.roster)
        if award is None:
            return self._fact("no quotation fits")
        self.deal = replace(self.deal, award=award)
        return self._fact("award certified")

    def _commit(self) -> bool:
        deal, award = self.deal, self.deal.award
        if award is None:
            return False
        members = tuple(member for member, _ in award.lots)
        box = Box("commitment.1", "commitment", members, (), partial(_good_commitment, deal.rfq.id, award.hash))
        opened = self.decided[self._name("award")].when
        commitments = self._box("commitments", box, opened, "commit_ms")
        if commitments is None:
            return False
        hashed = self.decided[self._name("commitments")].value_hash
        demands = [demand_of(one) for one in commitments if one.body["answer"] == "commit"]
        agreement = allocate(award.ladder, award.capacity, award.pack, demands, hashed)
        self.deal = replace(deal, commitments=tuple(commitments), agreement=agreement)
        if agreement is None:
            return self._fact("no rung stands")
        self.deal = replace(self.deal, agreement_hash=agreement_hash(award, agreement))
        return self._fact("commitments certified")

    def _fulfil(self) -> bool:
        deal = self.deal
        if deal.award is None or deal.agreement is None:
            return False
        signed = self.log.slot("countersign.1", deal.award.supplier, "countersign")
        if not any(one.body["agreement"] == deal.agreement_hash for one in signed):
            return False
        self._fact("supplier countersigned")
        members = [member for member, _ in self.deal.agreement.shares] if self.deal.agreement else []
        got = {
            one.body["member"]: None
            for one in self.log.of_kind("event.1")
            if one.body["agreement"] == deal.agreement_hash
            and one.body["action"] in ("deliver", "receive")
            and one.author in (deal.award.supplier, one.body["member"])
        }
        self.deal = replace(self.deal, delivered=tuple(member for member in members if member in got))
        return self._fact("all delivered") if len(self.deal.delivered) == len(members) else False

    def _name(self, base: str) -> str:
        return question_name(base, self.deal.rfq.id)

    def _box(self, base: str, box: Box, opened: int, window: str) -> list[Record] | None:
        times = self.deal.times
        question = Question(self._name(base), opened + times[window], times["settle_ms"], times["round_ms"], box)
        decided = settled(self.log, self.docket, self.deal.council, question)
        if decided is None:
            self.open.append(question)
            return None
        self.decided[question.name] = decided
        return held_once(self.log, box, decided.value)

    def _fact(self, fact: str) -> bool:
        self.deal = replace(self.deal, state=DEAL[(self.deal.state, fact)])
        return self.deal.state != "void"


def ranking_of(deal: Deal, coop: Coop, template: Template, openings: Mapping[bytes, Opening | None]) -> Ranking | None:
    """Every revealed quotation, ranked or refused, as every member computes it; None before its time (NEG-48).

    openings: by reveal id; None where the reveal could not be opened, which refuses it.
    """
    if coop.limits is None or any(one.id not in openings for one in deal.reveals):
        return None
    commits = {one.author: one.body["commit"] for one in deal.quotations}
    bids: list[Bid] = []
    for reveal in deal.reveals:
        opening = openings[reveal.id]
        if opening is not None:
            try:
                bids.append(
                    open_commitment(commits[reveal.author], deal.rfq.id, reveal.author, opening.nonce, opening.quote)
                )
            except Reject:
                continue
    drawn = sorted(bids, key=lambda bid: digest("turn", deal.decided[_quoted(deal)].value_hash + bid.supplier))
    return rank(request_of(deal, template), coop.limits, drawn[:BIDS_MAX], coop.demands, coop.pledges_hash)


def as_awarded(deal: Deal, openings: Mapping[bytes, Opening | None]) -> dict[bytes, Opening | None]:
    """Openings by reveal as the award took them: what it refused as unopened counts for nobody (NEG-48)."""
    refused = deal.award.refused if deal.award is not None else ()
    unopened = [supplier for supplier, code in refused if code == "NEG-9"]
    held = [one for one in deal.reveals if one.id in openings]
    return {one.id: None if one.author in unopened else openings[one.id] for one in held}


def request_of(deal: Deal, template: Template) -> Request:
    """What the request fixed before the first commitment."""
    body = deal.rfq.body
    requirements = tuple(Requirement(**one) for one in body["requirements"])
    return Request(template, body["weights_minor"], requirements, tuple(body["terms"]), deal.commit_until)


def award_value(deal: Deal, coop: Coop, ranking: Ranking) -> bytes:
    """The value that the witnesses certify: the best quotation with its lots, or none; and who was refused (NEG-50)."""
    counted = [row.quotation.supplier for row in ranking.ranked]
    codes = {row.supplier: row.code for row in ranking.refused}
    refused = [[one.author, codes.get(one.author, "NEG-9")] for one in deal.quotations if one.author not in counted]
    base: dict[str, Any] = {"rfq": deal.rfq.id, "roster": coop.roster, "refused": sorted(refused)[:BIDS_MAX]}
    if ranking.ranked:
        best = ranking.ranked[0]
        base |= {
            "quotation": best.hash,
            "supplier": best.quotation.supplier,
            "ladder": [list(rung) for rung in best.quotation.ladder],
            "capacity": best.quotation.capacity,
            "pack": best.quotation.pack,
            "unit_price_minor": best.allocation.unit_price_minor,
            "lots": [list(share) for share in best.allocation.shares],
        }
    return encode(base)


def demand_of(record: Record) -> Demand:
    """The numbers of a pledge or a commitment."""
    body = record.body
    return Demand(record.author, body["want"], body["tolerate"], body["least"], body["price_max_minor"])


def _quoted(deal: Deal) -> str:
    """The name of the question that closed the box of quotations."""
    return question_name("quotations", deal.rfq.id)


def _about(rfq: bytes, record: Record) -> bool:
    return bool(record.body["rfq"] == rfq)


def _good_reveal(rfq: bytes, manifest: bytes, boxes: int, record: Record) -> bool:
    body = record.body
    return bool(body["rfq"] == rfq and body["manifest"] == manifest and len(body["keys"]) == boxes)


def _good_commitment(rfq: bytes, award: bytes, record: Record) -> bool:
    body = record.body
    return bool(body["rfq"] == rfq and body["award"] == award and body["least"] <= body["want"])
