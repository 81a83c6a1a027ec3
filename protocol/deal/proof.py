"""Which records prove a deal: a walk from the charter to the agreement that takes exactly what each step needs.

Decides by the same code as a node whether records lead to an agreement, and which of them it takes to show that; never
what a record means, and never anything by the clock. Spec: 12-bundle, BUN-4 and BUN-7 to BUN-12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from protocol.coop import coop as coops
from protocol.coop.box import Question, judge_manifest, manifest_ids
from protocol.coop.charter import charter_hash, is_charter
from protocol.coop.coop import Coop
from protocol.coop.decision import NIL, Council, Docket, slot_of, value_hash
from protocol.coop.room import is_secret, request_fits
from protocol.coop.template import Template, money, pooled_value
from protocol.deal.choice import award_value
from protocol.deal.deal import read_deal
from protocol.deal.life import DEAL_TERMINAL, Deal, Opening, deal_scope
from protocol.deal.negotiation import Ranking
from protocol.deal.request import read_mandate, specification_in
from protocol.deal.revision import revision_value
from protocol.deal.specification import check_specification
from protocol.deal.tender import open_all, ranking_of
from protocol.errors import Ignore, Reject
from protocol.params import BUNDLE_TERMS_MAX
from protocol.record.log import Log
from protocol.record.record import Record

# Questions that everybody can answer, and the clause that does.
_COMPUTED = {"mandate": "ELE-30", "revision": "NEG-78", "award": "NEG-50"}
_COOP_STEPS = 4 + 2 * BUNDLE_TERMS_MAX  # roster, pledges and candidates, ballots, an end; a term is two questions
_DEAL_STEPS = 7  # suggestions, revision, quotations, reveals, award, commitments, an end

Ballots = tuple[tuple[int, tuple[tuple[bytes, ...], ...]], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was found to hold, in words, and the clause that demands it."""

    name: str
    sentence: str
    clause: str


Tell = Callable[[Step], None]


def silently(step: Step) -> None:
    """For those who only want the result."""


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


class _Part:
    """One scope of a deal: the records at hand, and those that the deal has turned out to need."""

    def __init__(self, scope: str, records: Iterable[Record]) -> None:
        self.log, self.docket = Log(scope), Docket()
        here = sorted((one for one in records if one.scope == scope), key=lambda one: one.id)
        self.at_hand = {one.id: one for one in here}
        self._about: dict[tuple[str, str], list[Record]] = {}
        for one in here:
            if one.kind in ("receipt.1", "proposal.1", "vote.1"):
                self._about.setdefault((one.kind, one.body["question"]), []).append(one)

    def take(self, record: Record) -> None:
        """This record is needed."""
        try:
            added = self.log.add(record, wanted=True)
        except Ignore as error:
            raise Reject(error.code, error.message) from None
        if added.stored:
            self.docket.note(record)

    def take_least(self, kind: str, author: bytes, slot_name: str, field: str, value: bytes) -> bool:
        """Take the record with the least id of an author in a slot whose field has this value; whether there is one."""
        for one in self.at_hand.values():
            slot = one.header.slot
            there = one.kind == kind and one.author == author and slot is not None and slot.name == slot_name
            if there and one.body[field] == value:
                self.take(one)
                return True
        return False

    def decide(self, question: Question, council: Council) -> Step:
        """Take what certifies the answer to a question, and what the answer lists (BUN-7, BUN-8)."""
        proposal, *votes = self._certificate(question.name, council)
        for one in (proposal, *votes):
            self.take(one)
        base, value = question.name.partition("/")[0], proposal.body["value"]
        signed = f"{len(votes)} of {len(council.witnesses)} witnesses signed in round {proposal.body['round']}"
        if question.box is None:
            if value != question.value:
                raise Reject(_COMPUTED[base], f"{base}: what was certified is not what the records lead to")
            return Step(base, f"computed again and found the same; {signed}", _COMPUTED[base])
        ids = manifest_ids(value)
        for one_id in ids:
            if one_id not in self.at_hand:
                raise Reject("DEC-19", f"{base}: {one_id.hex()[:8]} is listed and missing")
            self.take(self.at_hand[one_id])
        needed = question.box.receipts_needed(council)
        for receipt in self._receipts(question.name, ids, council, needed):
            self.take(receipt)
        good = judge_manifest(self.log, self.docket, question, council, value, ())
        if good is None:
            raise Reject("DEC-14", f"{base}: a listed record lacks the receipts of {needed} witnesses")
        if not good:
            raise Reject("DEC-13", f"{base}: a listed record does not belong into this box")
        receipts = f"each with receipts of {needed} of them" if ids else "for nobody spoke"
        return Step(f"box of {base}", f"{len(ids)} listed, {receipts}; {signed}", "DEC-14")

    def _certificate(self, name: str, council: Council) -> list[Record]:
        """The proposal of the deciding round and a quorum of its precommits; the least (round, hash) of several."""
        cast: dict[tuple[int, bytes], dict[bytes, Record]] = {}
        for vote in self._about.get(("vote.1", name), []):
            body = vote.body
            if body["step"] == "precommit" and body["value"] != NIL and _stands(vote, body["round"], "precommit"):
                cast.setdefault((body["round"], body["value"]), {}).setdefault(vote.author, vote)
        most = 0
        for number, hashed in sorted(cast):
            by_author = cast[(number, hashed)]
            votes = [by_author[key] for key in council.witnesses if key in by_author]
            most = max(most, len(votes))
            if len(votes) < council.quorum:
                continue
            proposer = council.proposer(name, number)
            for proposal in self._about.get(("proposal.1", name), []):
                of_round = proposal.author == proposer and proposal.body["round"] == number
                if of_round and _stands(proposal, number) and value_hash(proposal.body["value"]) == hashed:
                    return [proposal, *votes[: council.quorum]]
        if most < council.quorum:
            raise Reject("DEC-1", f"{name}: {most} of the {council.quorum} signatures that decide are there")
        raise Reject("DEC-4", f"{name}: the proposal that holds the decided value is missing")

    def _receipts(self, name: str, ids: list[bytes], council: Council, needed: int) -> list[Record]:
        """Receipts of as many witnesses as are needed for each id, none of which can be spared; those that name least
        go first.
        """
        listed = dict.fromkeys(ids)
        given = [
            (receipt, named)
            for receipt in self._about.get(("receipt.1", name), [])
            if receipt.author in council.witnesses and (named := [one for one in receipt.body["ids"] if one in listed])
        ]
        said: dict[bytes, dict[bytes, int]] = {one: {} for one in ids}
        for receipt, named in given:
            for one in named:
                said[one][receipt.author] = said[one].get(receipt.author, 0) + 1
        kept: list[Record] = []
        for receipt, named in sorted(given, key=lambda pair: (len(pair[1]), pair[0].id)):
            if any(said[one][receipt.author] == 1 and len(said[one]) <= needed for one in named):
                kept.append(receipt)
                continue
            for one in named:
                said[one][receipt.author] -= 1
                if not said[one][receipt.author]:
                    del said[one][receipt.author]
        return kept


def _stands(record: Record, number: int, step: str = "") -> bool:
    """Whether a proposal or vote stands in its own slot, where a second one would show (DEC-2)."""
    slot = record.header.slot
    return slot is not None and slot.name == slot_of(record.body["question"], number, step)


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
        ballots = sorted(coop_part.log.of_kind("ballot.1"), key=lambda one: one.id)
        slot = coops.slot_name("ballot", coop.roster)
        counted = [one for one in ballots if coop_part.log.sole("ballot.1", one.author, slot)]
        return Proof(
            self.network,
            self.template,
            coop,
            deal,
            ranking,
            tuple(needed[key] for key in sorted(needed)),
            tuple((1, coops.ranking_of(one)) for one in counted),
        )

    def _coop(self) -> tuple[_Part, Coop]:
        charters = [one for one in self.records if one.kind == "charter.1"]
        named = [one for one in charters if is_charter(one)]
        if not named:
            raise Reject("FRM-20", "charter: none whose author and content its co-op's scope names")
        charter = min(named, key=lambda one: one.id)
        if charter.body["template"] != self.template.hash:
            raise Reject("BUN-4", "template: the charter names another one")
        part, hashed = _Part(charter.scope, self.records), charter_hash(charter.author, charter.body)
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

    def _deal(self, coop_part: _Part, coop: Coop) -> tuple[_Part, Deal, Ranking]:
        assert coop.mandate is not None
        assert coop.request is not None
        part = _Part(deal_scope(coop.mandate.deal), self.records)
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
            if deal.state in DEAL_TERMINAL:
                break
            for question in deal.open:
                if deal.state == "suggested":
                    coop = self._adopt(coop_part, coop)
                    question = replace(question, value=revision_value(deal, coop, self.template))
                elif question.box is None:
                    ranking = self._rank(coop, deal)
                    question = replace(question, value=award_value(deal, coop, ranking))
                self.tell(part.decide(question, deal.council))
            deal = self._read_deal(part)
        if not deal.agreements or ranking is None:
            raise Reject("BUN-8", f"agreement: there is none (the deal is {deal.state})")
        for agreed in deal.agreements:
            part.take_least("countersign.1", agreed.supplier, "countersign", "agreement", agreed.hash)
        return part, self._read_deal(part), ranking

    def _adopt(self, part: _Part, coop: Coop) -> Coop:
        """The co-op with the box of adoptions, which only a request that somebody would have changed needs."""
        for question in coop.open:
            if question.name.startswith("adoptions/"):
                self.tell(part.decide(question, coop.council))
        return self._read_coop(part)

    def _read_coop(self, part: _Part) -> Coop:
        coop = coops.read_coop(part.log, part.docket, self.network, {self.template.hash: self.template})
        if coop is None:
            raise Reject("FRM-20", "charter: cannot be read")
        return coop

    def _read_deal(self, part: _Part) -> Deal:
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
        sentence = f"{count} of {len(deal.quotations)} quotations open to what their suppliers committed to"
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
                sentence = f"{_short(deal.revision)}: {len(deal.adopted)} of {len(deal.suggestions)} suggestions adopted"
                self.tell(Step("revision", sentence, "NEG-78"))
            case "awarded" if deal.award is not None:
                awarded = [
                    f"{_short(one.supplier)} at {money(one.unit_price_minor, self.template.currency)} per unit"
                    f" for {len(one.lots)} members"
                    for one in deal.award.parts
                ]
                refused = "".join(f"; refused: {_short(key)} [{code}]" for key, code in deal.award.refused)
                self.tell(Step("award", "; ".join(awarded) + refused, "NEG-50"))
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
