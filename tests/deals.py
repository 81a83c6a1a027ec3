"""A whole deal signed by hand, small and without an engine, so that a test can lie at any point and go on from the lie.

`Handmade(twists)` holds every key. A twist changes the body of a kind before it is signed ("ballot.1"), or the value of
a question before the witnesses certify it ("award"); everything after it follows from the lie as it would in earnest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from protocol.coop import ballot as ballots
from protocol.coop import coop as coops
from protocol.coop.box import LEAVE, Box, Question, manifest
from protocol.coop.charter import charter_hash, coop_scope
from protocol.coop.coop import slot_name
from protocol.coop.decision import Council, Docket, slot_of, value_hash
from protocol.coop.room import boxes_of, draw_secret, keys_for
from protocol.coop.template import Template, parse
from protocol.deal.choice import answers_in, answers_question, answers_slot, award_value
from protocol.deal.deal import read_deal
from protocol.deal.life import Deal, Opening, deal_scope
from protocol.deal.lots import Answer
from protocol.deal.negotiation import Quotation, read
from protocol.deal.revision import revision_value
from protocol.deal.tender import handed_in, open_all, ranking_of, released
from protocol.encoding import digest, encode
from protocol.identity import Persona, box_key, network_id
from protocol.params import RECEIPT_IDS_MAX
from protocol.record.kinds import KINDS
from protocol.record.log import Log
from protocol.record.record import Record, Slot

NETWORK = network_id("handmade", bytes(16))
START_MS = 1_800_000_000_000
LIFE_MS = 86_400_000
TIMES = dict.fromkeys(
    "join_ms pledge_ms nominate_ms ballot_ms deal_ms quote_ms reveal_ms commit_ms settle_ms round_ms".split(), 60_000
) | {"mandate_ms": 600_000, "retention_ms": LIFE_MS}
TEMPLATE = parse(
    {
        "category": "tea",
        "version": 1,
        "title": "Tea",
        "unit": "KGM",
        "unit_quantity": 1,
        "pack": 1,
        "currency": "GBP",
        "price_basis": "gross",
        "tax_category": "Z",
        "tax_hundredths": 0,
        "period": "MON",
        "periods": 12,
        "subject": "none",
        "attributes": [
            {
                "name": "organic",
                "label": "organic",
                "unit": "C62",
                "scale": 1,
                "least": 0,
                "most": 1,
                "better": "more",
                "prior_millionths": 1_000_000,
                "price_minor": 0,
                "ranking": "weighed",
                "typical": [0, 1],
            },
            {
                "name": "price",
                "label": "pence per kg",
                "unit": "KGM",
                "scale": 1,
                "least": 0,
                "most": 10_000,
                "better": "less",
                "prior_millionths": -50_000,
                "price_minor": 1,
                "ranking": "weighed",
                "typical": [800, 1_000],
            },
        ],
        "charges": [{"name": "delivery", "label": "delivery", "per": "once", "least_minor": 0, "most_minor": 5_000}],
        "epoch_ms": 60_000,
        "cutoff_ms": 1_000,
        "least": 2,
        "most": 40,
    }
)

Twists = Mapping[str, Callable[[Any], Any]]


def persona(name: str) -> Persona:
    """The same key for the same name, always."""
    return Persona.from_seed(digest("test", name.encode()))


def blank_ballot(roster: bytes) -> dict[str, Any]:
    """A ballot as far as its shape goes: nobody can open it."""
    return {"roster": roster, "cipher": bytes(56), "shares": [[bytes(80), bytes(32)]]}


class Stuck(Exception):
    """Nothing follows from what was certified: the deal ends there."""


class Handmade:
    """Members m0…, the first `witnesses` of them witnesses, suppliers s0…; the last supplier accepts no data terms.

    The last member declines. `silent`: how many elected negotiators ask nobody for quotations. `windows`: of the stages
    that a charter may do without, those that are there. `ladder`: each supplier's, (from how many, how much off). Where
    a rung falls, the last member thinks again.
    """

    def __init__(
        self,
        twists: Twists | None = None,
        members: int = 3,
        witnesses: int = 1,
        suppliers: int = 2,
        silent: int = 0,
        windows: Mapping[str, int] | None = None,
        ladder: tuple[tuple[int, int], ...] = ((1, 0),),
    ) -> None:
        self.twists = dict(twists or {})
        self.times = {**TIMES, **(windows or {})}
        self.members = [persona(f"m{number}") for number in range(members)]
        self.witnesses = sorted(self.members[:witnesses], key=lambda one: one.key)
        self.suppliers = [persona(f"s{number}") for number in range(suppliers)]
        self.silent, self.ladder = silent, ladder
        self.now, self.until = START_MS, START_MS + LIFE_MS
        self.records: list[Record] = []
        self.intents: list[Record] = []
        self.room = bytes(32)
        self.quoted: dict[bytes, Opening] = {}  # by supplier
        self.logs: dict[str, tuple[Log, Docket]] = {}
        self._drawn = 0
        with suppress(Stuck):
            for stage in (self._form, self._elect, self._deal):
                stage()

    # Signing

    def say(self, who: Persona, kind: str, scope: str, body: dict[str, Any], slot: str = "") -> Record:
        """Sign a record, a second after the one before, and hold it in its scope."""
        self.now += 1_000
        twist = self.twists.get(kind)
        body = twist(dict(body)) if twist is not None else body
        where = Slot(KINDS[kind].mode, slot, 0) if slot else None
        if kind == "charter.1":
            self.until = self.now + LIFE_MS
        record = Record.sign(who, NETWORK, kind, scope, body, created=self.now, expires=self.until, slot=where)
        if scope.startswith("board/"):
            self.intents.append(record)
        else:
            self.records.append(record)
            log, docket = self._held(scope)
            if log.add(record, wanted=True).stored:
                docket.note(record)
        return record

    def draw(self, size: int) -> bytes:
        """The next bytes of a stream that is always the same."""
        self._drawn += 1
        stream = digest("test", b"entropy" + self._drawn.to_bytes(4, "big"))
        while len(stream) < size:
            stream += digest("test", stream)
        return stream[:size]

    def _held(self, scope: str) -> tuple[Log, Docket]:
        return self.logs.setdefault(scope, (Log(scope), Docket()))

    # Deciding

    def decide(self, scope: str, council: Council, question: Question) -> None:
        """Receipts of as many witnesses as are needed, the proposal, and a quorum's precommits."""
        value, base = question.value or b"", question.name.partition("/")[0]
        if question.box is not None:
            box = question.box
            log = self._held(scope)[0]
            said = [*log.of_kind(box.kind), *(log.of_kind(LEAVE) if box.leaves else ())]
            ids = sorted(one.id for one in said if self.lists(box, one))
            value = self._twisted(base, manifest(ids))
            for witness in self._receipting(base, box.receipts_needed(council)):
                for at in range(0, len(ids), RECEIPT_IDS_MAX):
                    some = {"question": question.name, "ids": ids[at : at + RECEIPT_IDS_MAX]}
                    self.say(witness, "receipt.1", scope, some)
        else:
            value = self._twisted(base, value)
        proposer = next(one for one in self.witnesses if one.key == council.proposer(question.name, 0))
        body = {"question": question.name, "round": 0, "valid_round": -1, "value": value}
        self.say(proposer, "proposal.1", scope, body, slot_of(question.name, 0))
        for witness in self.witnesses[: council.quorum]:
            body = {"question": question.name, "round": 0, "step": "precommit", "value": value_hash(value)}
            self.say(witness, "vote.1", scope, body, slot_of(question.name, 0, "precommit"))

    def lists(self, box: Box, record: Record) -> bool:
        """Whether the witnesses let a record of the box's kind in."""
        return box.takes(record)

    def _twisted(self, base: str, value: bytes) -> bytes:
        twisted: bytes = self.twists.get(base, bytes)(value)
        return twisted

    def _receipting(self, base: str, needed: int) -> list[Persona]:
        return list(self.twists.get(f"receipts of {base}", list)(self.witnesses[:needed]))

    def coop(self) -> coops.Coop:
        """The co-op as far as it has come."""
        log, docket = self._held(self.scope)
        found = coops.read_coop(log, docket, NETWORK, {TEMPLATE.hash: TEMPLATE})
        assert found is not None
        return found

    def deal(self) -> Deal:
        """The deal as far as it has come."""
        found = read_deal(*self._held(self.deal_scope), NETWORK)
        if found is None:
            raise Stuck
        return found

    def _decide_coop(self) -> None:
        coop = self.coop()
        for question in coop.open:
            self.decide(self.scope, coop.council, question)
        if self.coop().state in (coop.state, "void"):
            raise Stuck

    def _decide_deal(self) -> None:
        deal = self.deal()
        for question in deal.open:
            if question.name.startswith("revision/"):
                question = replace(question, value=revision_value(deal, self.coop(), TEMPLATE))
            elif question.box is None:
                ranking = ranking_of(deal, self.coop(), TEMPLATE, open_all(deal, self.room))
                assert ranking is not None
                answers = self._answers(deal)
                question = replace(question, value=award_value(deal, self.coop(), TEMPLATE, ranking, answers))
            self.decide(self.deal_scope, deal.council, question)
        if self.deal().state in (deal.state, "void"):
            raise Stuck

    def _answers(self, deal: Deal) -> tuple[Answer, ...]:
        """What the members answer by their twist "serves", decided like any other box."""
        question = answers_question(deal, self.coop())
        if question is None:
            return ()
        if "serves" in self.twists:
            serves = self.twists["serves"](sorted(one.author for one in deal.drawn))
            body = {"rfq": self.rfq.id, "serves": serves}
            self.say(self.members[0], "answer.1", self.scope, body, answers_slot(deal))
        self.decide(self.scope, self.coop().council, question)
        log, docket = self._held(self.scope)
        return answers_in(log, docket, question, self.coop()) or ()

    # The path

    def _form(self) -> None:
        body: dict[str, Any] = {
            "nonce": bytes(16),
            "purpose": "Tea for all of us",
            "category": "tea",
            "region": "any",
            "template": TEMPLATE.hash,
            "epoch": 0,
            "listed": sorted(one.key for one in self.members),
            "least": 2,
            "most": 500,
            "witnesses": [one.key for one in self.witnesses],
            "fee_max_minor": 500,
            "risk": "lowest",
            "times": self.times,
        }
        founder = self.members[0]
        self.hash = charter_hash(founder.key, body)
        self.scope = coop_scope(self.hash)
        self.say(founder, "charter.1", self.scope, body, "charter")
        for one in self.witnesses:
            accept = {"charter": self.hash, "box": box_key(one.box_seed(self.hash))}
            self.say(one, "accept.1", self.scope, accept, "accept")
        intent = {
            "template": TEMPLATE.hash,
            "want": 3,
            "tolerate": 1,
            "spend_minor": 3_000,
            "readiness": "ready",
            "ready_by": START_MS + LIFE_MS,
            "levels": {},
            "terms": ["basic"],
        }
        for one in self.members:
            held = self.say(one, "intent.1", "board/tea/any", intent, "tea")
            box = box_key(one.box_seed(self.hash))
            conditions = {"least": 0, "most": 0, "exclude": []}
            join = {"charter": self.hash, "intent": held.raw, "box": box} | conditions
            self.say(one, "join.1", self.scope, join, "join")
        self._decide_coop()

    def _elect(self) -> None:
        roster = self.coop().roster
        for one in self.members:
            pledge = {"roster": roster, "want": 3, "tolerate": 1, "least": 1, "price_max_minor": 1_000}
            self.say(one, "pledge.1", self.scope, pledge, slot_name("pledge", roster))
        standing = {"roster": roster, "fee_minor": 0, "interests": ["none"], "statement": "", "language": "en"}
        for one in self.members[: max(2, self.silent + 1)]:
            self.say(one, "nomination.1", self.scope, standing, slot_name("nomination", roster))
        self._decide_coop()
        running = [one.author for one in self.coop().candidates]
        for number, one in enumerate(self.members):
            ranking = [[key] for key in running[number % 2 :] + running[: number % 2]]
            self.say(one, "ballot.1", self.scope, self.ballot(one, ranking), slot_name("ballot", roster))
        self._decide_coop()
        for place, one in enumerate(self.witnesses):
            self.say(one, "count.1", self.scope, self.count(place), slot_name("count", roster))
        for _ in range(2 + 2 * self.silent):  # releases, a mandate; then an empty box, the next in line, …
            self._decide_coop()

    def ballot(self, who: Persona, ranking: Sequence[Sequence[bytes]]) -> dict[str, Any]:
        """What a member hands in: `ranking`, as the twist "ranking" would have it, and whatever it is, sealed."""
        coop = self.coop()
        said = self.twists.get("ranking", list)(ranking)
        boxes = ballots.boxes_of(self._held(self.scope)[0], coop.council)
        return ballots.cast(coop.roster, who.key, said, len(coop.candidates), boxes, self.draw)

    def count(self, place: int) -> dict[str, Any]:
        """What the witness at a place releases of the certified ballots."""
        coop = self.coop()
        voted = coop.decided[coops.question_name("ballots", coop.roster)]
        shares = ballots.released(coop.ballots, place, self.witnesses[place].box_seed(self.hash))
        return {"roster": coop.roster, "manifest": voted.value_hash, "shares": shares}

    def _deal(self) -> None:
        coop = self.coop()
        mandate, roster = coop.mandate, coop.roster
        assert mandate is not None
        self.negotiator = next(one for one in self.members if one.key == mandate.negotiator)
        self.deal_scope = deal_scope(mandate.deal)
        log = self._held(self.scope)[0]
        self.room = draw_secret(self.draw)
        certificate = coop.decided[coops.question_name("mandate", mandate.term)]
        body: dict[str, Any] = {
            "coop": coop.hash[:16],
            "nonce": bytes(16),
            "charter": coop.hash,
            "category": "tea",
            "region": "any",
            "template": TEMPLATE.hash,
            "members": mandate.members,
            "quantity": mandate.quantity,
            "pooled_minor": mandate.pooled_minor,
            "weights_minor": {"organic": -20},
            "requirements": [],
            "terms": ["basic"],
            "witnesses": list(coop.council.witnesses),
            "room": box_key(self.room),
            "boxes": [one.body["box"] for key in coop.council.witnesses for one in log.slot("accept.1", key, "accept")],
            "times": self.times,
            "mandate": certificate.value,
            "certificate": [log.records[one].raw for one in certificate.votes],
        }
        self.rfq = self.say(self.negotiator, "rfq.1", self.deal_scope, body, "rfq")
        keys = keys_for(self.room, boxes_of(coop, self.rfq), self.draw)
        named = {"roster": roster, "deal": mandate.deal, "rfq": self.rfq.id, "keys": keys}
        self.say(self.negotiator, "deal.1", self.scope, named, slot_name("deal", mandate.deal))
        self._decide_coop()
        self._suggest()
        self._quote()
        for one in self.members:
            self._commit(one)
        self._decide_deal()
        if self.deal().state == "repairing":
            self._commit(self.members[-1], "repair")
            self._decide_deal()
        deal = self.deal()
        for one in self.suppliers:
            if (agreed := deal.agreement_with(one.key)) is not None:
                signed = {"rfq": self.rfq.id, "agreement": agreed.hash}
                self.say(one, "countersign.1", self.deal_scope, signed, "countersign")
        self._decide_deal()

    def _suggest(self) -> None:
        """The first supplier would have organic tea required, and all members but the last adopt that."""
        if "suggest_ms" not in self.times:
            return
        body: dict[str, Any] = {"rfq": self.rfq.id, "weights_minor": {}, "drops": [], "terms": [], "reason": "Taste."}
        body["requirements"] = [{"attribute": "organic", "operator": "at-least", "value": 1}]
        said = self.say((self.suppliers or self.members)[0], "suggestion.1", self.deal_scope, body, "suggestion")
        self._decide_deal()
        deal = self.deal().mandate.deal
        for one in self.members[:-1]:
            adoption = {"deal": deal, "suggestions": [said.id]}
            self.say(one, "adoption.1", self.scope, adoption, slot_name("adoption", deal))
        for question in self.coop().open:
            self.decide(self.scope, self.coop().council, question)
        if self.deal().state == "suggested":
            self._decide_deal()

    def _quote(self) -> None:
        for number, one in enumerate(self.suppliers):
            terms = ("basic",) if number < len(self.suppliers) - 1 or number == 0 else ()
            quote = self._quotation(one, 900 + 10 * number, terms)
            self.quoted[one.key] = Opening(self.draw(32), quote)
            self.say(one, "quotation.1", self.deal_scope, self.quotation(one), "quotation")
        self._decide_deal()
        for place, one in enumerate(self.witnesses):
            self.say(one, "reveal.1", self.deal_scope, self.reveal(place), "reveal")
        self._decide_deal()
        self._better()
        self._decide_deal()

    def _better(self) -> None:
        """With the stage: the second cheapest of those who accept the terms goes below the cheapest."""
        if "final_ms" not in self.times:
            return
        one = self.suppliers[max(0, min(1, len(self.suppliers) - 2))]
        terms = read(self.quoted[one.key].quote, TEMPLATE).terms
        self.quoted[one.key] = Opening(self.draw(32), self._quotation(one, 890, terms))
        self.say(one, "quotation.1", self.deal_scope, self.quotation(one), "final")
        self._decide_deal()
        for place, witness in enumerate(self.witnesses):
            self.say(witness, "reveal.1", self.deal_scope, self.reveal(place, "finals"), "reveal-final")
        self._decide_deal()

    def quotation(self, who: Persona) -> dict[str, Any]:
        """What a supplier hands in."""
        nonce, quote = self.quoted[who.key].nonce, self.quoted[who.key].quote
        return handed_in(self.deal(), who.key, nonce, quote, self.draw)

    def reveal(self, place: int, base: str = "quotations") -> dict[str, Any]:
        """What the witness at a place releases of one of the two boxes of quotations."""
        deal = self.deal()
        quoted = deal.decided[coops.question_name(base, self.rfq.id)]
        shares = released(deal, place, self.witnesses[place].box_seed(self.hash), self.draw)
        return {"rfq": self.rfq.id, "manifest": quoted.value_hash, "shares": shares}

    def _quotation(self, who: Persona, price_minor: int, terms: tuple[str, ...]) -> bytes:
        return Quotation(
            supplier=who.key,
            reference="leaf",
            subject="",
            currency="GBP",
            price_basis="gross",
            tax_category="Z",
            tax_hundredths=0,
            ladder=tuple((least, price_minor - off) for least, off in self.ladder),
            pack=1,
            capacity=10_000,
            valid_until=START_MS + LIFE_MS,
            cancellation="anytime",
            cancellation_fee_minor=0,
            attributes={"organic": 1},
            charges={},
            terms=terms,
            trader={"name": "Leaf", "contact": "-", "country": "GB", "register": ""},
        ).to_bytes()

    def poll(self) -> None:
        """Everybody with a share would go on, and the term is over."""
        for member, _ in self.deal().shares:
            who = next(one for one in self.members if one.key == member)
            body = {"rfq": self.rfq.id, "answer": "renew", "reason": "", "remark": ""}
            self.say(who, "renewal.1", self.deal_scope, body, "renewal")
        for question in self.deal().open:
            self.decide(self.deal_scope, self.deal().council, question)

    def _commit(self, who: Persona, slot: str = "commitment") -> None:
        deal = self.deal()
        assert deal.award is not None
        declines = who is self.members[-1] and slot == "commitment"
        body = {
            "rfq": self.rfq.id,
            "award": deal.award.hash,
            "answer": "decline" if declines else "commit",
            "reason": "found-better" if declines else "",
            "remark": "",
            "want": 3 if slot == "commitment" else 4,
            "tolerate": 1,
            "least": 1,
            "price_max_minor": 1_000,
        }
        self.say(who, "commitment.1", self.deal_scope, body, slot)


def assemble(
    records: Iterable[Record],
    room: bytes,
    template: Template = TEMPLATE,
    network: bytes = NETWORK,
    **more: Any,
) -> bytes:
    """A bundle of whatever is given, its digest right: what a forger would hand out (BUN-1, BUN-3)."""
    return sealed(
        {
            "version": 1,
            "network": network,
            "template": template.to_mapping(),
            "records": {one.id.hex(): one.raw for one in records},
            "room": room,
        }
        | more
    )


def sealed(fields: Mapping[str, Any]) -> bytes:
    """Fields of a bundle under the digest that belongs to them."""
    body = {name: value for name, value in fields.items() if name != "digest"}
    return encode(body | {"digest": digest("bundle", encode(body, 1 << 30, 1 << 20))}, 1 << 30, 1 << 20)
