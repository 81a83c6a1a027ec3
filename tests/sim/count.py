"""The count alone: four witnesses once the box of ballots is certified, one of them bad, a net that is the adversary's.

Each honest one releases, gives receipts, proposes and votes by the code that an engine uses; hundreds of runs a minute.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial

from protocol.coop.box import Question, contents, fresh_manifest, judge_manifest, manifest, owed_receipts
from protocol.coop.coop import Coop, read_coop, slot_name
from protocol.coop.decision import NIL, Council, Docket, Propose, Vote, Witness, slot_of, value_hash
from protocol.engine.coop.floor import find_question
from protocol.identity import Persona
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import LIFE_MS, NETWORK, TEMPLATE, Handmade
from tests.stages import until

STEP_MS, STEPS = 5_000, 1_000
DEEDS = ("silent", "empty", "noise", "twofold", "honest")

Owed = Callable[[Log, Docket, Question, Council, bytes, int], list[bytes]]


@dataclass(frozen=True)
class Rules:
    """The rules of a run; each can be taken away, to see what it is there for."""

    least: bool = True  # DEC-20, what a good list holds
    owed: Owed = owed_receipts  # DEC-20, for how long receipts are given


SOUND = Rules()


@cache
def made() -> Handmade:
    return Handmade(members=5, witnesses=4)


@cache
def story() -> tuple[Record, ...]:
    """All that was said in the co-op until its ballots were certified."""
    return tuple(one for one in until(made(), "counting") if one.scope == made().scope)


@cache
def truth() -> Coop:
    return made().coop()


@dataclass
class Seat:
    """One honest witness: its view, its part, and what is on its way to it."""

    persona: Persona
    log: Log
    docket: Docket
    part: Witness
    inbox: list[tuple[int, Record]] = field(default_factory=list)
    duty: tuple[bytes, ...] | None = None

    def take(self, record: Record) -> None:
        """Hold and note what was heard or said."""
        if self.log.add(record, wanted=True).stored:
            self.docket.note(record)


class Count:
    """One run. The first proposer is the bad one as often as not; `deed` is what it does with its shares."""

    def __init__(self, seed: int, rules: Rules = SOUND) -> None:
        self.rng, self.rules = random.Random(seed), rules
        self.deed = self.rng.choice(DEEDS)
        self.loss = self.rng.choice((0.3, 0.7, 1.0))  # of what is said before the net heals so much comes after
        self.vouches = self.rng.random() < 0.5  # whether the bad one gives receipts
        witnesses = list(made().witnesses)
        self.council = truth().council
        self.liar = witnesses.pop(self.rng.randrange(4))
        self.seats = [self._seat(one) for one in witnesses]
        coop = self.coop(self.seats[0])
        found = find_question(coop.open, "counts")
        assert found is not None
        assert found.box is not None
        box = found.box if rules.least else replace(found.box, least=0)
        self.question = replace(found, box=box)
        self.opened = found.closes - coop.times["reveal_ms"]
        window = found.due - self.opened
        self.heal_at = self.opened + self.rng.choice((0, window // 2, 3 * window))
        for seat in self.seats:
            part = Witness(self.council, found.name, seat.persona.key, found.round_ms, found.due)
            seat.part = part
        self.now = self.opened

    def _seat(self, who: Persona) -> Seat:
        seat = Seat(who, Log(made().scope), Docket(), Witness(self.council, "", who.key, 1, 0))
        for one in story():
            seat.take(one)
        return seat

    def coop(self, seat: Seat) -> Coop:
        """The co-op as a witness reads it."""
        found = read_coop(seat.log, seat.docket, NETWORK, {TEMPLATE.hash: TEMPLATE})
        assert found is not None
        return found

    def run(self) -> str:
        """"fine"; "stall" (somebody has no answer); "undone" (the ballots do not open); "fork"."""
        for seat in self.seats:
            self.say(seat, "count.1", self._release(seat.persona), slot_name("count", truth().roster))
        self._lie_about_shares()
        for step in range(STEPS):
            self.now = self.opened + step * STEP_MS
            for seat in self.seats:
                self._step(seat)
            self._mislead()
            if all(seat.docket.decided(self.question.name, self.council) for seat in self.seats):
                break
        self.now = self.heal_at + 10 * STEPS * STEP_MS
        for seat in self.seats:
            for _, record in seat.inbox:
                seat.take(record)
        coops = [self.coop(seat) for seat in self.seats]
        if any(coop.state == "counting" for coop in coops):
            return "stall"
        if len({coop.decided[self.question.name].value: None for coop in coops}) > 1:
            return "fork"
        return "fine" if all(coop.tally == truth().tally for coop in coops) else "undone"

    def _release(self, who: Persona) -> dict[str, object]:
        (body,) = (one.body for one in made().records if one.kind == "count.1" and one.author == who.key)
        return dict(body)

    def _step(self, seat: Seat) -> None:
        due = [record for at, record in seat.inbox if at <= self.now]
        seat.inbox = [one for one in seat.inbox if one[0] > self.now]
        for record in due:
            seat.take(record)
        owed = self.rules.owed(seat.log, seat.docket, self.question, self.council, seat.persona.key, self.now)
        if owed:
            self.say(seat, "receipt.1", {"question": self.question.name, "ids": owed})
        if seat.duty is None and self.now >= self.question.due:
            mine = contents(seat.log, seat.docket, self.question, self.council)
            mine = [one for one in mine if seat.docket.receipted(self.question.name, one, seat.persona.key)]
            seat.duty = tuple(mine)
        for _ in range(4):
            act = seat.part.act(seat.docket, self.now, partial(self._judge, seat), partial(self._fresh, seat))
            if act is None:
                break
            self._signed(seat, act)

    def _judge(self, seat: Seat, value: bytes, fresh: bool) -> bool | None:
        duty = seat.duty if fresh else ()
        return judge_manifest(seat.log, seat.docket, self.question, self.council, value, duty)

    def _fresh(self, seat: Seat) -> bytes | None:
        return fresh_manifest(seat.log, seat.docket, self.question, self.council, self.now)

    def _signed(self, seat: Seat, act: Propose | Vote) -> None:
        body, kind, slot = act_of(self.question.name, act)
        self.say(seat, kind, body, slot)

    def sign(self, who: Persona, kind: str, body: dict[str, object], slot: str) -> Record:
        """A record of the co-op, said now."""
        where = Slot("once", slot, 0) if slot else None
        until_ms = self.now + LIFE_MS
        return Record.sign(who, NETWORK, kind, made().scope, body, created=self.now, expires=until_ms, slot=where)

    def say(self, seat: Seat, kind: str, body: dict[str, object], slot: str = "") -> None:
        """To oneself at once, to the others by the net."""
        record = self.sign(seat.persona, kind, body, slot)
        seat.take(record)
        for other in self.seats:
            if other is not seat:
                late = self.rng.randint(1, 4) * STEP_MS
                lost = self.now < self.heal_at and self.rng.random() < self.loss
                other.inbox.append((max(self.heal_at, self.now) + late if lost else self.now + late, record))

    # The bad one

    def _lie_about_shares(self) -> None:
        body = self._release(self.liar)
        shares = body["shares"]
        assert isinstance(shares, list)
        said = {
            "silent": [],
            "empty": [body | {"shares": []}],
            "noise": [body | {"shares": [[one, bytes(32)] for one, _ in shares]}],
            "twofold": [body, body | {"shares": []}],
            "honest": [body],
        }[self.deed]
        records = [self.sign(self.liar, "count.1", one, slot_name("count", truth().roster)) for one in said]
        for seat in self.seats:
            for record in records[:: self.rng.choice((1, -1))]:
                seat.inbox.append((self.now + self.rng.randint(0, 40) * STEP_MS, record))

    def _mislead(self) -> None:
        """To each honest one alone: receipts for anything, lists of as little as can be, votes for whatever it is."""
        for seat in self.seats:
            if self.rng.random() < 0.7:
                continue
            held = sorted(one.id for one in seat.log.of_kind("count.1"))
            number = max(seat.docket.rounds(self.question.name), default=0)
            values = [manifest([]), manifest(held[:1]), manifest(held[:2]), manifest(held)]
            if held and self.vouches:
                body: dict[str, object] = {"question": self.question.name, "ids": held}
                seat.take(self.sign(self.liar, "receipt.1", body, ""))
            if self.council.proposer(self.question.name, number) == self.liar.key:
                self._whisper(seat, Propose(number, -1, self.rng.choice(values)))
            hashed = self.rng.choice([NIL, *map(value_hash, values)])
            self._whisper(seat, Vote(number, self.rng.choice(("prevote", "precommit")), hashed))

    def _whisper(self, seat: Seat, act: Propose | Vote) -> None:
        body, kind, slot = act_of(self.question.name, act)
        record = self.sign(self.liar, kind, body, slot)
        seat.take(record)
        for other in self.seats:
            if other is not seat:
                other.inbox.append((max(self.heal_at, self.now) + STEP_MS, record))


def act_of(question: str, act: Propose | Vote) -> tuple[dict[str, object], str, str]:
    """What a witness signs: body, kind and slot."""
    match act:
        case Propose(number, valid_round, value):
            body = {"question": question, "round": number, "valid_round": valid_round, "value": value}
            return body, "proposal.1", slot_of(question, number)
        case Vote(number, step, hashed):
            return (
                {"question": question, "round": number, "step": step, "value": hashed},
                "vote.1",
                slot_of(question, number, step),
            )


