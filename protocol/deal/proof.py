"""Which records prove a deal: a walk from the charter to the agreement that takes exactly what each step needs.

Decides by the same code as a node whether records lead to an agreement, and which of them it takes to show that; never
what a record means, and never anything by the clock. Spec: 12-bundle, BUN-4 and BUN-7 to BUN-12.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from protocol.coop import coop as coops
from protocol.coop.charter import charter_hash, is_charter
from protocol.coop.coop import Coop
from protocol.coop.election import Ranking as BallotRanking
from protocol.coop.room import is_secret, request_fits
from protocol.coop.template import Template, money, pooled_value
from protocol.deal.choice import answers_in, answers_question, award_value
from protocol.deal.deal import read_deal
from protocol.deal.fulfilment import PARTY_KINDS, is_party
from protocol.deal.holding import Holding, Step, Tell, silently
from protocol.deal.life import DEAL_TERMINAL, Deal, Opening, deal_scope
from protocol.deal.lots import Answer
from protocol.deal.ranking import Ranking
from protocol.deal.request import read_mandate, specification_in
from protocol.deal.revision import revision_value
from protocol.deal.specification import check_specification
from protocol.deal.tender import open_all, ranking_of
from protocol.errors import Reject
from protocol.params import BUNDLE_TERMS_MAX
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.sealing import Void

_COOP_STEPS = 5 + 2 * BUNDLE_TERMS_MAX  # roster, pledges and candidates, ballots, counts, an end; a term is two
# Suggestions, revision, quotations, reveals, last words and theirs, award, commitments, repairs, signatures, an end.
_DEAL_STEPS = 11

Ballots = tuple[tuple[int, BallotRanking[bytes]], ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proved. `records`: exactly those that prove it, by id; `ballots`: those that counted, by id."""

    network: bytes
    template: Template
    coop: Coop
    deal: Deal
    ranking: Ranking
    records: tuple[Record, ...]
    ballots: Ballots


def prove(
    network: bytes,
    template: Template,
    records: Iterable[Record],
    room: bytes,
    tell: Tell = silently,
) -> Proof:
    """The deal that these records prove; `tell` hears of each step that holds, the first that does not raises Reject.

    room: the secret of the room that its request names.
    """
    return _Walk(network, template, records, room, tell).walk()


class _Walk:
    """One pass through a deal, stage by stage: what is open next says what is needed next. Thrown away afterwards."""

    def __init__(
        self,
        network: bytes,
        template: Template,
        records: Iterable[Record],
        room: bytes,
        tell: Tell,
    ) -> None:
        self.network, self.template, self.room, self.tell = network, template, room, tell
        self.records = list(records)

    def walk(self) -> Proof:
        """The deal that the records prove. Raises Reject at the first step that they do not."""
        coop_part, coop = self._coop()
        deal_part, deal, ranking = self._deal(coop_part, coop)
        needed = {**coop_part.log.records, **deal_part.log.records}
        return Proof(
            self.network,
            self.template,
            coop,
            deal,
            ranking,
            tuple(needed[key] for key in sorted(needed)),
            tuple((1, ranking) for ranking in coop.rankings.values()),
        )

    def _coop(self) -> tuple[Holding, Coop]:
        charters = [one for one in self.records if one.kind == "charter.1"]
        named = [one for one in charters if is_charter(one)]
        if not named:
            raise Reject("FRM-20", "charter: none whose author and content its co-op's scope names")
        charter = min(named, key=lambda one: one.id)
        if charter.body["template"] != self.template.hash:
            raise Reject("BUN-4", "template: the charter names another one")
        part, hashed = Holding(charter.scope, self.records), charter_hash(charter.author, charter.body)
        part.take(charter)
        for key in charter.body["witnesses"]:
            if not part.take_least("accept.1", key, "accept", "charter", hashed):
                raise Reject("FRM-22", f"charter: its witness {key.hex()[:8]} has not accepted it")
        coop = self._read_coop(part)
        for _ in range(_COOP_STEPS):
            self._tell_coop(coop)
            if coop.state in coops.COOP_TERMINAL:
                break
            for question in coop.open:
                self.tell(part.decide(question, coop.council))
            coop = self._read_coop(part)
        if coop.state not in coops.COOP_TERMINAL:
            raise Reject("BUN-2", f"co-op: more than {BUNDLE_TERMS_MAX} mandates before one asked for quotations")
        if coop.state != "dealing":
            raise Reject("BUN-8", f"co-op: it asked nobody for quotations (it is {coop.state})")
        return part, coop

    def _deal(self, coop_part: Holding, coop: Coop) -> tuple[Holding, Deal, Ranking]:
        assert coop.mandate is not None
        assert coop.request is not None
        part = Holding(deal_scope(coop.mandate.deal), self.records)
        rfq = part.at_hand.get(coop.request.body["rfq"])
        if rfq is None or rfq.kind != "rfq.1":
            raise Reject("NEG-40", "rfq: the request that the negotiator named to the co-op is missing")
        if read_mandate(rfq, self.network) != coop.mandate:
            raise Reject("NEG-40", "rfq: its mandate is not the co-op's")
        # Which boxes its witnesses have is theirs to judge.
        if not request_fits(coop, Log(part.log.scope), rfq, coop.request):
            raise Reject("ELE-33", "rfq: it is not what the charter and the roster make it")
        check_specification(specification_in(rfq), coop, self.template)
        part.take(rfq)
        deal, ranking = self._read_deal(part), None
        for _ in range(_DEAL_STEPS):
            self._tell_deal(deal)
            if deal.state == "agreed" or deal.state in DEAL_TERMINAL:
                break
            for question in deal.open:
                if deal.state == "suggested":
                    coop = self._adopt(coop_part, coop)
                    question = replace(question, value=revision_value(deal, coop, self.template))
                elif question.box is None:
                    ranking, answers = self._rank(coop, deal), self._answers(coop_part, coop, deal)
                    question = replace(question, value=award_value(deal, coop, self.template, ranking, answers))
                self.tell(part.decide(question, deal.council))
            deal = self._read_deal(part)
        if not deal.agreements or ranking is None:
            raise Reject("BUN-8", f"agreement: there is none (the deal is {deal.state})")
        return part, self._afterwards(part, deal), ranking

    def _answers(self, coop_part: Holding, coop: Coop, deal: Deal) -> tuple[Answer, ...]:
        """The answers that the award was chosen from, where the request gave time for them (NEG-90)."""
        question = answers_question(deal, coop)
        if question is not None:
            self.tell(coop_part.decide(question, coop.council))
        return answers_in(coop_part.log, coop_part.docket, question, coop) or ()

    def _afterwards(self, part: Holding, deal: Deal) -> Deal:
        """What came of the agreements, as far as the records show it (BUN-11, BUN-13)."""
        for base in ("signatures", "renewals"):
            for question in deal.open:
                if question.name.startswith(base) and part.certifies(question, deal.council):
                    self.tell(part.decide(question, deal.council))
            deal = self._read_deal(part)
        hashes = {one.hash: one for one in deal.agreements}
        for record in part.at_hand.values():
            agreed = hashes.get(record.body.get("agreement", b"")) if record.kind in PARTY_KINDS else None
            if agreed is not None and is_party(agreed.terms, record):
                part.take(record)
        for record in part.at_hand.values():
            offer = part.log.records.get(record.body["substitute"]) if record.kind == "consent.1" else None
            agreed = hashes.get(offer.body.get("agreement", b"")) if offer is not None else None
            if agreed is not None and is_party(agreed.terms, record):
                part.take(record)
        deal = self._read_deal(part)
        for line in (line for one in deal.agreements for line in one.accounts if line.contested or line.cancelled_by):
            what = f"cancelled, {line.owed} units stay owed" if line.cancelled_by else "contested"
            self.tell(Step("account", f"{_short(line.member)} got {line.got} of {line.owed}: {what}", "AGR-10"))
        return deal

    def _adopt(self, part: Holding, coop: Coop) -> Coop:
        """The co-op with the box of adoptions, which only a request that somebody would have changed needs."""
        for question in coop.open:
            if question.name.startswith("adoptions/"):
                self.tell(part.decide(question, coop.council))
        return self._read_coop(part)

    def _read_coop(self, part: Holding) -> Coop:
        coop = coops.read_coop(part.log, part.docket, self.network, {self.template.hash: self.template})
        if coop is None:
            raise Reject("FRM-20", "charter: cannot be read")
        return coop

    def _read_deal(self, part: Holding) -> Deal:
        deal = read_deal(part.log, part.docket, self.network)
        if deal is None:
            raise Reject("NEG-40", "rfq: cannot be read")
        return deal

    def _rank(self, coop: Coop, deal: Deal) -> Ranking:
        """Every quotation, ranked or refused, as the witnesses' shares lay it open to the room (BUN-10)."""
        if not is_secret(self.room, deal.rfq.body["room"]):
            raise Reject("BUN-10", "room: not the secret of the room that the request names")
        openings = open_all(deal, self.room)
        count = sum(isinstance(one, Opening) for one in openings.values())
        what = "quotations and last words" if deal.finals else "quotations"
        sentence = f"{count} of {len(openings)} {what} open to what their suppliers committed to"
        self.tell(Step("openings", sentence, "NEG-45"))
        ranking = ranking_of(deal, coop, self.template, openings)
        if ranking is None:
            raise Reject("NEG-48", "ranking: cannot be computed")
        for line in ranking.explain(self.template):
            self.tell(Step("ranking", line, "NEG-28"))
        return ranking

    def _tell_coop(self, coop: Coop) -> None:
        """What has been found of the co-op since last time."""
        match coop.state:
            case "forming":
                council = coop.council
                sentence = f"{_short(coop.hash)}: all {len(council.witnesses)} witnesses accepted it"
                sentence += f"; {council.quorum} of them decide, {council.faults} may be bad"
                self.tell(Step("charter", sentence, "FRM-22"))
            case "gathering":
                spends = [one.intent.body["spend_minor"] for one in coop.members]
                pooled = money(pooled_value(spends, self.template.periods), self.template.currency)
                sentence = f"{len(coop.members)} members, each by an own join and intent; together {pooled}"
                self.tell(Step("roster", sentence, "FRM-27"))
            case "balloting":
                sentence = f"{len(coop.demands)} members for {sum(one.want for one in coop.demands)} units a period"
                self.tell(Step("pledges", f"{sentence}; {len(coop.candidates)} stand", "FRM-29"))
            case "elected" if coop.term == 1:
                sentence = f"{len(coop.rankings)} of {len(coop.openings)} ballots open by what the witnesses released"
                voids = [f"{_short(key)} [{one.code}]" for key, one in coop.openings.items() if isinstance(one, Void)]
                self.tell(Step("ballots", sentence + "".join(f"; void: {one}" for one in voids[:5]), "ELE-63"))
                sentence = "in line: " + ", ".join(map(_short, coop.line[:5])) + (" …" if len(coop.line) > 5 else "")
                self.tell(Step("tally", sentence, "ELE-9"))
            case "mandated" if coop.mandate is not None:
                fee = money(coop.mandate.fee_minor, self.template.currency)
                sentence = f"{_short(coop.mandate.negotiator)} acts for {coop.mandate.members} members, fee {fee}"
                self.tell(Step("negotiator", sentence, "ELE-32"))

    def _tell_deal(self, deal: Deal) -> None:
        """What has been found of the deal since last time."""
        match deal.state:
            case "asked":
                pooled = money(deal.mandate.pooled_minor, self.template.currency)
                sentence = f"{deal.mandate.quantity} units a period, {pooled} over {self.template.periods} periods"
                self.tell(Step("request", sentence, "NEG-40"))
            case "revised" if deal.revision:
                taken = f"{len(deal.adopted)} of {len(deal.suggestions)} suggestions adopted"
                sentence = f"{taken}: {_short(deal.revision)}"
                self.tell(Step("revision", sentence, "NEG-78"))
            case "awarded" if deal.award is not None:
                awarded = [
                    f"{_short(one.supplier)} at {money(one.unit_price_minor, self.template.currency)} per unit"
                    f" for {len(one.lots)} members"
                    for one in deal.award.parts
                ]
                refused = "".join(f"; refused: {_short(key)} [{code}]" for key, code in deal.award.refused)
                self.tell(Step("award", "; ".join(awarded) + refused, "NEG-50"))
            case "repairing":
                for down in deal.fallen:
                    sentence = f"{_short(down.part.supplier)}'s rung of {down.minimum} units fell at {down.ordered}"
                    self.tell(Step("repair", sentence, "NEG-110"))
            case "agreed":
                said = [one.body["answer"] for one in deal.commitments]
                sentence = f"{said.count('commit')} members signed for themselves, {said.count('decline')} declined"
                self.tell(Step("commitments", sentence, "NEG-51"))
                for one in deal.agreements:
                    price = money(one.allocation.unit_price_minor, self.template.currency)
                    units, served = one.allocation.quantity, len(one.allocation.shares)
                    sentence = f"{units} units a period at {price} each for {served} members"
                    self.tell(Step("allocation", f"{sentence}; agreement {_short(one.hash)}", "AGR-1"))


def _short(name: bytes) -> str:
    return name.hex()[:8]
