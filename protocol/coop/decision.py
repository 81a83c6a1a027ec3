"""How a co-op answers a question: single-shot Tendermint among the charter's witnesses.

Decides which value of a question is certified and what one witness may sign next; never what a value means, and never
anything by the clock alone: time-outs only move a witness on. Spec: 06-decision, DEC-1 to DEC-11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from protocol.encoding import digest
from protocol.params import ROUND_DOUBLINGS_MAX, ROUND_MAX
from protocol.record.record import Record

NIL = b""
STEPS = ("prevote", "precommit")
Judge = Callable[[bytes, bool], bool | None]  # (value, fresh) -> good, bad, or "cannot tell yet"


@dataclass(frozen=True, slots=True)
class Council:
    """The charter's witnesses, ascending; `anchor` is the charter's id, which fixes the order of proposers."""

    witnesses: tuple[bytes, ...]
    anchor: bytes

    @property
    def faults(self) -> int:
        """How many witnesses may be bad without harm (DEC-1)."""
        return (len(self.witnesses) - 1) // 3

    @property
    def quorum(self) -> int:
        """How many signatures certify a value (DEC-1)."""
        return 2 * len(self.witnesses) // 3 + 1

    def proposer(self, question: str, number: int) -> bytes:
        """Whose turn it is in round `number`: round-robin over the permutation by hash (DEC-4)."""
        seed = self.anchor + question.encode()
        order = sorted(self.witnesses, key=lambda key: digest("proposer", seed + key))
        return order[number % len(order)]


@dataclass(frozen=True, slots=True)
class Decided:
    """A certified answer. `when` is the median stamp of its precommits, a clock for what follows (DEC-10)."""

    question: str
    round: int
    value_hash: bytes
    value: bytes
    votes: tuple[bytes, ...]  # ids of the precommits, by witness
    when: int


@dataclass(frozen=True, slots=True)
class Propose:
    """Sign a proposal; `valid_round` is -1 for a fresh value."""

    round: int
    valid_round: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Vote:
    """Sign a vote for the value with this hash, or NIL."""

    round: int
    step: str
    value_hash: bytes


def value_hash(value: bytes) -> bytes:
    """What a vote names instead of the value (DEC-3)."""
    return digest("value", value)


def slot_of(question: str, number: int, step: str = "") -> str:
    """The `once` slot for a proposal in a round, or for the vote of a step (DEC-2)."""
    return f"{question}/{number}/{step}" if step else f"{question}/{number}"


class Docket:
    """The proposals, votes and receipts of one scope, indexed: a view of its log that only grows."""

    def __init__(self) -> None:
        self._proposals: dict[tuple[str, int], dict[bytes, list[tuple[int, bytes]]]] = {}
        self._values: dict[tuple[str, bytes], bytes] = {}
        self._votes: dict[tuple[str, int, str], dict[bytes, dict[bytes, Record]]] = {}
        self._rounds: dict[str, dict[int, None]] = {}
        self._receipts: dict[tuple[str, bytes], dict[bytes, None]] = {}

    def note(self, record: Record) -> None:
        """Index a proposal, vote or receipt; other kinds pass by, and whatever stands in another slot (DEC-2)."""
        body, author, slot = record.body, record.author, record.header.slot
        match record.kind:
            case "proposal.1" if slot is not None and slot.name == slot_of(body["question"], body["round"]):
                name, number = body["question"], body["round"]
                hashed = value_hash(body["value"])
                self._values[(name, hashed)] = body["value"]
                self._proposals.setdefault((name, number), {}).setdefault(author, []).append(
                    (body["valid_round"], hashed)
                )
                self._rounds.setdefault(name, {})[number] = None
            case "vote.1" if slot is not None and slot.name == slot_of(body["question"], body["round"], body["step"]):
                name, number, step = body["question"], body["round"], body["step"]
                self._votes.setdefault((name, number, step), {}).setdefault(body["value"], {})[author] = record
                self._rounds.setdefault(name, {})[number] = None
            case "receipt.1":
                for one in body["ids"]:
                    self._receipts.setdefault((body["question"], one), {})[author] = None

    def decided(self, name: str, council: Council) -> Decided | None:
        """The certified value of a question, once its bytes are held; least (round, hash) should there be two."""
        for number in sorted(self._rounds.get(name, {})):
            votes = self._votes.get((name, number, "precommit"), {})
            for hashed in sorted(votes):
                cast = [votes[hashed][key] for key in council.witnesses if key in votes[hashed]]
                value = self._values.get((name, hashed))
                if hashed != NIL and len(cast) >= council.quorum and value is not None:
                    stamps = sorted(vote.header.created for vote in cast)
                    ids = tuple(vote.id for vote in cast[: council.quorum])
                    return Decided(name, number, hashed, value, ids, stamps[len(stamps) // 2])
        return None

    def certifies(self, name: str, council: Council, value: bytes) -> bool:
        """Whether a quorum of precommits for `value` in one round is held, where its bytes are known otherwise."""
        hashed = value_hash(value)
        return any(
            self.count(name, number, "precommit", council, hashed) >= council.quorum for number in self.rounds(name)
        )

    def voted(self, name: str, number: int, step: str, key: bytes) -> bytes | None:
        """The value hash (or NIL) that `key` voted for in this step; None when it has not voted."""
        for hashed, cast in self._votes.get((name, number, step), {}).items():
            if key in cast:
                return hashed
        return None

    def backed(self, record: Record, faults: int) -> bool:
        """Whether an answer may build on this vote or proposal, and nothing held does in its place: more than `faults`
        others voted for what it is for. Such a record finds room whatever its author did (DEC-6).
        """
        body, slot = record.body, record.header.slot
        steps: tuple[str, ...] = STEPS
        match record.kind:
            case "vote.1":
                name, number, hashed, steps = body["question"], body["round"], body["value"], (body["step"],)
                held = self.voted_for(name, number, body["step"], record.author, hashed)
                own_slot = slot_of(name, number, body["step"])
            case "proposal.1":
                name, number, hashed = body["question"], body["round"], value_hash(body["value"])
                held, own_slot = (name, hashed) in self._values, slot_of(name, number)
            case _:
                return False
        if held or slot is None or slot.name != own_slot:
            return False
        sides = (self._votes.get((name, number, step), {}).get(hashed, {}) for step in steps)
        return any(sum(key != record.author for key in side) > faults for side in sides)

    def voted_for(self, name: str, number: int, step: str, key: bytes, hashed: bytes) -> bool:
        """Whether a vote of `key` for this value in this step is held."""
        return key in self._votes.get((name, number, step), {}).get(hashed, {})

    def count(self, name: str, number: int, step: str, council: Council, hashed: bytes | None = None) -> int:
        """How many witnesses voted in a step, for one value or (None) for any."""
        votes = self._votes.get((name, number, step), {})
        sides = votes.values() if hashed is None else [votes.get(hashed, {})]
        return len({key: None for side in sides for key in side if key in council.witnesses})

    def favourite(self, name: str, number: int, council: Council) -> bytes | None:
        """The value (or NIL) with a quorum of prevotes in a round."""
        for hashed in sorted(self._votes.get((name, number, "prevote"), {})):
            if self.count(name, number, "prevote", council, hashed) >= council.quorum:
                return hashed
        return None

    def proposals(self, name: str, number: int, author: bytes) -> list[tuple[int, bytes]]:
        """(valid round, value hash) of each proposal that `author` made in a round, in order of hash."""
        return sorted(self._proposals.get((name, number), {}).get(author, []))

    def value(self, name: str, hashed: bytes) -> bytes | None:
        """The bytes of a proposed value."""
        return self._values.get((name, hashed))

    def receipts(self, name: str, record_id: bytes, council: Council) -> int:
        """How many witnesses signed that they had this record in time."""
        return sum(1 for key in self._receipts.get((name, record_id), {}) if key in council.witnesses)

    def receipted(self, name: str, record_id: bytes, witness: bytes) -> bool:
        """Whether this witness gave a receipt for the record."""
        return witness in self._receipts.get((name, record_id), {})

    def rounds(self, name: str) -> list[int]:
        """Every round anybody spoke in, ascending."""
        return sorted(self._rounds.get(name, {}))

    def speakers(self, name: str, number: int, council: Council) -> int:
        """How many witnesses said anything in a round."""
        return len({key: None for key in self._speakers(name, number) if key in council.witnesses})

    def _speakers(self, name: str, number: int) -> Iterator[bytes]:
        yield from self._proposals.get((name, number), {})
        for step in STEPS:
            for cast in self._votes.get((name, number, step), {}).values():
                yield from cast


class Witness:
    """One witness's part in one question. What it signed stands in the log, so a restart forgets only its timers."""

    def __init__(self, council: Council, name: str, key: bytes, round_ms: int, due: int) -> None:
        """`due`: when a proposal may first be expected (Unix ms)."""
        self.council, self.name, self.key = council, name, key
        self.round = 0
        self._round_ms = round_ms
        self._timers: dict[tuple[int, str], int] = {}
        self._step = "propose"
        self._due = due

    def act(
        self, docket: Docket, now: int, judge: Judge, fresh_value: Callable[[], bytes | None]
    ) -> Propose | Vote | None:
        """The next thing to sign, or None until something changes or `deadline` passes. Call until None."""
        self._catch_up(docket, now)
        while True:
            number = self.round
            if docket.voted(self.name, number, "prevote", self.key) is None:
                self._step = "propose"
                return self._propose_or_prevote(docket, now, judge, fresh_value)
            if docket.voted(self.name, number, "precommit", self.key) is None:
                self._step = "prevote"
                return self._precommit(docket, now, judge)
            self._step = "precommit"
            spoken = docket.count(self.name, number, "precommit", self.council)
            if spoken < self.council.quorum or not self._expired("precommit", now) or number >= ROUND_MAX:
                return None
            self.round += 1
            self._due = now

    @property
    def deadline(self) -> int | None:
        """When the time-out of what this witness waits for ends, if one is running."""
        return self._timers.get((self.round, self._step))

    def _catch_up(self, docket: Docket, now: int) -> None:
        """Resume in the last round I spoke in; jump to a later one in which f+1 witnesses speak (DEC-7)."""
        for number in docket.rounds(self.name):
            own = docket.voted(self.name, number, "prevote", self.key) is not None
            others = docket.speakers(self.name, number, self.council) > self.council.faults
            if number > self.round and (own or others):
                self.round = number
                self._due = now

    def _expired(self, step: str, now: int, start: int | None = None) -> bool:
        """Whether the time-out of this round and step, started here if it was not, has ended (DEC-8)."""
        factor = 1 << min(self.round, ROUND_DOUBLINGS_MAX)
        begun = now if start is None else start
        deadline = self._timers.setdefault((self.round, step), begun + self._round_ms * factor)
        if now < deadline:
            return False
        del self._timers[(self.round, step)]
        return True

    def _propose_or_prevote(
        self, docket: Docket, now: int, judge: Judge, fresh_value: Callable[[], bytes | None]
    ) -> Propose | Vote | None:
        number, proposer = self.round, self.council.proposer(self.name, self.round)
        proposals = docket.proposals(self.name, number, proposer)
        if proposer == self.key and not proposals:
            valid = self._valid(docket)
            if valid is not None:
                return Propose(number, valid[0], valid[1])
            value = fresh_value()
            if value is not None:
                return Propose(number, -1, value)
        for valid_round, hashed in proposals:
            verdict = self._verdict(docket, judge, valid_round, hashed)
            if verdict is not None:
                return Vote(number, "prevote", hashed if verdict else NIL)
        if self._expired("propose", now, max(now, self._due)):
            return Vote(number, "prevote", NIL)
        return None

    def _precommit(self, docket: Docket, now: int, judge: Judge) -> Vote | None:
        number = self.round
        favourite = docket.favourite(self.name, number, self.council)
        if favourite == NIL:
            return Vote(number, "precommit", NIL)
        if favourite is not None:
            value = docket.value(self.name, favourite)
            if value is not None and judge(value, False):
                return Vote(number, "precommit", favourite)
        spoken = docket.count(self.name, number, "prevote", self.council)
        if spoken >= self.council.quorum and self._expired("prevote", now):
            return Vote(number, "precommit", NIL)
        return None

    def _verdict(self, docket: Docket, judge: Judge, valid_round: int, hashed: bytes) -> bool | None:
        """Whether to prevote for a proposal; the lock rule (DEC-5)."""
        value = docket.value(self.name, hashed)
        if value is None:
            return None
        locked = self._locked(docket)
        if valid_round == -1:
            good = judge(value, True)
            return good if good is not True else locked is None or locked[1] == hashed
        if not 0 <= valid_round < self.round:
            return False
        if docket.count(self.name, valid_round, "prevote", self.council, hashed) < self.council.quorum:
            return None
        good = judge(value, False)
        return good if good is not True else locked is None or locked[0] <= valid_round or locked[1] == hashed

    def _locked(self, docket: Docket) -> tuple[int, bytes] | None:
        """(round, hash) of my last precommit for a value."""
        for number in reversed(docket.rounds(self.name)):
            hashed = docket.voted(self.name, number, "precommit", self.key)
            if hashed:
                return number, hashed
        return None

    def _valid(self, docket: Docket) -> tuple[int, bytes] | None:
        """(round, value) of the last value with a quorum of prevotes before this round: it is proposed again."""
        for number in reversed(docket.rounds(self.name)):
            if number < self.round:
                hashed = docket.favourite(self.name, number, self.council)
                value = docket.value(self.name, hashed) if hashed else None
                if value is not None:
                    return number, value
        return None
