"""A council alone, with the strongest opponent: one question, honest witnesses in virtual steps, a net that is the
adversary's too, and hostile witnesses who see every honest docket before they sign.

Thousands of runs a minute, so that what a town in virtual time seldom meets is met here often.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.coop.decision import NIL, Council, Docket, Propose, Vote, Witness, slot_of, value_hash
from protocol.identity import Persona, network_id
from protocol.record.record import Record, Slot

SCOPE, QUESTION, NETWORK = "coop/council", "ballots/0", network_id("council", bytes(16))
ROUND_STEPS = 8  # how long a round's first time-out lasts, in steps of one message's least latency
SIDES_STEPS = 60  # how long it stays the same witnesses that do not hear each other
KEYS = [Persona.from_seed(bytes([number]) * 32) for number in range(1, 17)]


@dataclass(frozen=True)
class Rules:
    """The rules of a run; each can be replaced, to see what it is there for."""

    council: type[Council] = Council
    witness: type[Witness] = Witness
    forgets: bool = False  # a restarted witness has lost what it signed: it spoke before it had committed
    duty_always: bool = False  # re-proposals are judged by the duty of omission too


SOUND = Rules()


@dataclass
class Seat:
    """One honest witness: its view, its part, and the values that its own settling would not let pass."""

    persona: Persona
    docket: Docket
    part: Witness
    refuses: tuple[bytes, ...]
    own: bytes
    inbox: list[tuple[int, Record]] = field(default_factory=list)
    held: dict[bytes, Record] = field(default_factory=dict)
    stirred: bool = True

    def take(self, record: Record) -> None:
        """Note what was heard or said."""
        self.held[record.id] = record
        self.docket.note(record)
        self.stirred = True


class Chamber:
    """`size` witnesses, the first `hostile` of them bad; values are what each honest one would propose."""

    def __init__(self, seed: int, size: int, hostile: int, rules: Rules = SOUND) -> None:
        self.rng = random.Random(seed)
        self.rules, self.now = rules, 0
        self.heal_at = self.rng.randint(20, 400)
        keys = sorted(KEYS[:size], key=lambda one: one.key)
        self.rng.shuffle(keys)
        self.council = rules.council(tuple(sorted(one.key for one in keys)), self.rng.randbytes(32))
        self.hostile, honest = keys[:hostile], keys[hostile:]
        self.values = [bytes([number]) * 8 for number in range(1, 4)]
        self.seats = [self._seat(one) for one in honest]
        self.all = Docket()  # everything anybody ever signed
        self.signed: dict[tuple[bytes, str], bytes] = {}
        self.twice = False
        self._signed: dict[tuple[bytes, Propose | Vote], Record] = {}
        self.loss = self.rng.choice((0.0, 0.2, 0.4))
        self.sided = self.rng.choice((0.0, 0.5, 1.0))  # how far the hostile ones stick to one value for each side
        self.victims = self.rng.sample(self.seats, self.rng.choice((1, len(self.seats))))  # whom they speak to
        self.silent = self.rng.random() < 0.5  # the hostile ones say nothing any more once the net heals
        self.sides: Mapping[bytes, int] = {}

    def _seat(self, persona: Persona) -> Seat:
        part = self.rules.witness(self.council, QUESTION, persona.key, ROUND_STEPS, 0)
        # The first value omits nothing that anybody could miss: what honest proposers come to when all have heard all.
        refuses = tuple(one for one in self.values[1:] if self.rng.random() < 0.5)
        own = self.rng.choice([one for one in self.values if one not in refuses])
        return Seat(persona, Docket(), part, refuses, own)

    def run(self, steps: int) -> bool:
        """Whether every honest witness came to an answer in time."""
        for self.now in range(steps):
            if self.now % SIDES_STEPS == 0:
                self.sides = {seat.persona.key: self.rng.randrange(2) for seat in self.seats}
            if self.now < self.heal_at and self.rng.random() < 0.05:
                self._restart(self.rng.choice(self.seats))
            if self.now == self.heal_at:
                for seat in self.seats:
                    seat.own = self.values[0]
            for seat in self.seats:
                self._step(seat)
            if self.now % 3 == 0 and not (self.silent and self.now >= self.heal_at):
                for persona in self.hostile:
                    self._mislead(persona)
            if all(seat.docket.decided(QUESTION, self.council) for seat in self.seats):
                return True
        return False

    def certified(self) -> list[bytes]:
        """Every value that a quorum ever precommitted in one round, by the signatures of all."""
        return sorted(one for one in self.values if self.all.certifies(QUESTION, self.council, one))

    def _step(self, seat: Seat) -> None:
        due = [record for at, record in seat.inbox if at <= self.now]
        deadline = seat.part.deadline
        if not due and not seat.stirred and (deadline is None or self.now < deadline):
            return
        seat.stirred = False
        seat.inbox = [one for one in seat.inbox if one[0] > self.now]
        for record in due:
            seat.take(record)
        for _ in range(4):
            act = seat.part.act(
                seat.docket, self.now, lambda value, fresh: self._judge(seat, value, fresh), lambda: seat.own
            )
            if act is None:
                break
            self._say(seat, self._record(seat.persona, act))

    def _judge(self, seat: Seat, value: bytes, fresh: bool) -> bool | None:
        return value in self.values and not ((fresh or self.rules.duty_always) and value in seat.refuses)

    def _record(self, persona: Persona, act: Propose | Vote) -> Record:
        if (persona.key, act) not in self._signed:
            self._signed[(persona.key, act)] = self._sign(persona, act)
        return self._signed[(persona.key, act)]

    def _sign(self, persona: Persona, act: Propose | Vote) -> Record:
        match act:
            case Propose(number, valid_round, value):
                body = {"question": QUESTION, "round": number, "valid_round": valid_round, "value": value}
                kind, slot = "proposal.1", slot_of(QUESTION, number)
            case Vote(number, step, hashed):
                body = {"question": QUESTION, "round": number, "step": step, "value": hashed}
                kind, slot = "vote.1", slot_of(QUESTION, number, step)
        where = Slot("once", slot, 0)
        return Record.sign(persona, NETWORK, kind, SCOPE, body, created=1, expires=2, slot=where)

    def _say(self, seat: Seat, record: Record) -> None:
        key = record.author, record.header.slot.name if record.header.slot else ""
        self.twice = self.twice or self.signed.setdefault(key, record.id) != record.id
        self.all.note(record)
        seat.take(record)
        self._pass_on(seat, record)

    def _pass_on(self, seat: Seat, record: Record) -> None:
        for other in self.seats:
            if other is not seat:
                self._post(other, record, seat.persona.key)

    def _post(self, to: Seat, record: Record, sender: bytes) -> None:
        """Until the net heals the adversary runs it: loss, delay, two sides that do not hear each other."""
        late = 1
        if self.now < self.heal_at:
            apart = self.sides.get(sender) != self.sides.get(to.persona.key)
            lost = self.rng.random() < self.loss
            late = self.heal_at + 1 - self.now if lost or apart else self.rng.randint(1, 6)
        to.inbox.append((self.now + late, record))

    def _restart(self, seat: Seat) -> None:
        """Back with what is on its disk and nothing else: its time-outs and its round are forgotten.

        Where the rule is off its own words are gone too; what others said comes again.
        """
        if self.rules.forgets:
            seat.held = {key: one for key, one in seat.held.items() if one.author != seat.persona.key}
        seat.docket, seat.part = Docket(), self.rules.witness(self.council, QUESTION, seat.persona.key, ROUND_STEPS, 0)
        for one in seat.held.values():
            seat.docket.note(one)

    # The opponent

    def _mislead(self, persona: Persona) -> None:
        """Tells each honest witness alone what moves it furthest from the others: adaptive, and never in a hurry."""
        for seat in self.victims:
            if self.rng.random() < 0.5:
                continue
            number = max(seat.docket.rounds(QUESTION), default=0)
            if self.council.proposer(QUESTION, number) == persona.key:
                value = self.values[self.sides[seat.persona.key]]
                earlier = [one for one in range(number) if seat.docket.favourite(QUESTION, one, self.council)]
                self._whisper(persona, seat, Propose(number, self.rng.choice([-1, -1, *earlier]), value))
            for step in ("prevote", "precommit"):
                self._whisper(persona, seat, Vote(number, step, self._tempting(seat, number, step)))

    def _tempting(self, seat: Seat, number: int, step: str) -> bytes:
        """The value this witness is closest to seeing through, other than what is certified already; else nil."""

        def count(hashed: bytes) -> int:
            return seat.docket.count(QUESTION, number, step, self.council, hashed)

        if self.rng.random() < self.sided:
            return value_hash(self.values[self.sides[seat.persona.key]])
        hashes = sorted(map(value_hash, self.values), key=count)
        fresh = [one for one in hashes if not self._is_certified(one)]
        return (fresh or hashes)[-1] if self.rng.random() < 0.9 else NIL

    def _is_certified(self, hashed: bytes) -> bool:
        return any(value_hash(one) == hashed for one in self.certified())

    def _whisper(self, persona: Persona, seat: Seat, act: Propose | Vote) -> None:
        record = self._record(persona, act)
        if record.id not in seat.held:
            self.all.note(record)
            seat.take(record)
            self._pass_on(seat, record)  # what one has, others get sooner or later
