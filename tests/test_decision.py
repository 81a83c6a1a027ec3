"""Decisions: quorum, proposers, locks, time-outs, certificates; what breaks without (06-decision, DEC-1 to DEC-11)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from math import comb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.box import manifest, manifest_ids
from protocol.coop.decision import NIL, Council, Docket, Propose, Vote, Witness, slot_of, value_hash
from protocol.encoding import digest, encode
from protocol.errors import Reject
from protocol.identity import Persona, network_id
from protocol.record.record import Record, Slot

NETWORK = network_id("decisions", bytes(16))
START = 1_800_000_000_000
SCOPE, QUESTION, ANCHOR = "coop/" + "0" * 32, "roster", bytes(range(32))
ROUND_MS = 1_000
A, B = b"value a", b"value b"
PEOPLE = sorted((Persona.from_seed(bytes([number + 1]) * 32) for number in range(16)), key=lambda one: one.key)


def council(size: int, kind: type[Council] = Council) -> Council:
    return kind(tuple(one.key for one in PEOPLE[:size]), ANCHOR)


def vote(
    who: Persona, number: int, step: str, value: bytes, created: int = START, slot: str = "", name: str = QUESTION
) -> Record:
    """A signed vote for a value's bytes, or NIL."""
    body = {"question": name, "round": number, "step": step, "value": value_hash(value) if value else NIL}
    where = Slot("once", slot or slot_of(name, number, step), 0)
    return _signed(who, "vote.1", body, where, created)


def proposal(who: Persona, number: int, value: bytes, valid_round: int = -1, slot: str = "") -> Record:
    body = {"question": QUESTION, "round": number, "valid_round": valid_round, "value": value}
    return _signed(who, "proposal.1", body, Slot("once", slot or slot_of(QUESTION, number), 0), START)


def _signed(who: Persona, kind: str, body: dict[str, Any], slot: Slot, created: int) -> Record:
    return Record.sign(who, NETWORK, kind, SCOPE, body, created=created, expires=created + 10**9, slot=slot)


def docket(*records: Record) -> Docket:
    found = Docket()
    for one in records:
        found.note(one)
    return found


def proposer(size: int, number: int) -> Persona:
    key = council(size).proposer(QUESTION, number)
    return next(one for one in PEOPLE if one.key == key)


def good(value: bytes, fresh: bool) -> bool | None:
    return True


def witness(of: int = 4, number: int = 0, due: int = START) -> Witness:
    return Witness(council(of), QUESTION, PEOPLE[number].key, ROUND_MS, due)


def act(one: Witness, held: Docket, now: int = START, judge: Callable[[bytes, bool], bool | None] = good) -> Any:
    return one.act(held, now, judge, lambda: None)


# Who counts, and whose turn it is


@pytest.mark.parametrize(
    ("size", "faults", "quorum"), [(1, 0, 1), (3, 0, 3), (4, 1, 3), (7, 2, 5), (10, 3, 7), (16, 5, 11)]
)
def test_quorum(size: int, faults: int, quorum: int) -> None:
    """DEC-1: any two quorums share an honest witness, and a quorum is there without the bad ones."""
    assert (council(size).faults, council(size).quorum) == (faults, quorum)
    assert 2 * quorum - size > faults
    assert size - faults >= quorum


def test_strangers_and_doubles_do_not_count() -> None:
    """DEC-1"""
    held = docket(
        proposal(proposer(4, 0), 0, A), *(vote(one, 0, "precommit", A) for one in (*PEOPLE[:2], *PEOPLE[4:9]))
    )
    held.note(vote(PEOPLE[0], 0, "precommit", A, START + 1))
    assert held.decided(QUESTION, council(4)) is None
    held.note(vote(PEOPLE[2], 0, "precommit", A))
    assert held.decided(QUESTION, council(4)) is not None


def test_proposers_take_turns() -> None:
    """DEC-4: everybody once in n rounds, in another order for another question."""
    order = [council(7).proposer(QUESTION, number) for number in range(7)]
    assert sorted(order) == list(council(7).witnesses)
    assert order == sorted(order, key=lambda key: digest("proposer", ANCHOR + b"roster" + key))
    assert council(7).proposer(QUESTION, 7) == order[0]
    assert order != [council(7).proposer("mandate/1", number) for number in range(7)]


def test_another_ones_proposal_is_inert() -> None:
    """DEC-4"""
    stranger = next(one for one in PEOPLE[:4] if one is not proposer(4, 0))
    assert act(witness(), docket(proposal(stranger, 0, A))) is None
    assert act(witness(), docket(proposal(proposer(4, 0), 0, A))) == Vote(0, "prevote", value_hash(A))


def test_what_stands_in_another_slot_is_inert() -> None:
    """DEC-2: else one witness could sign many votes for one step and no two headers would prove it."""
    elsewhere = "roster/00/precommit", "roster/0/prevote", "roster/1/precommit", "x"
    held = docket(
        proposal(proposer(4, 0), 0, A, slot="x"), *(vote(PEOPLE[0], 0, "precommit", A, slot=s) for s in elsewhere)
    )
    assert held.rounds(QUESTION) == []
    assert docket(vote(PEOPLE[0], 0, "precommit", A)).rounds(QUESTION) == [0]


# Dialogues with one witness


def test_a_vote_without_its_bytes_waits_for_them() -> None:
    """DEC-3"""
    votes = [vote(one, 0, step, A) for one in PEOPLE[1:4] for step in ("prevote", "precommit")]
    held, one = docket(*votes), witness()
    assert held.decided(QUESTION, council(4)) is None
    assert act(one, held) is None
    held.note(proposal(proposer(4, 0), 0, A))
    decided = held.decided(QUESTION, council(4))
    assert decided is not None
    assert decided.value == A
    assert decided.value_hash == digest("value", A)


def _locked_on_a(*more: Record) -> Docket:
    """Witness 0 precommitted A in round 0 and came to round 1."""
    rounds = [vote(one, 0, "prevote", A) for one in PEOPLE[:3]] + [vote(PEOPLE[0], 0, "precommit", A)]
    others = [vote(one, 0, "precommit", NIL) for one in PEOPLE[1:4]] + [
        vote(one, 1, "prevote", NIL) for one in PEOPLE[1:3]
    ]
    return docket(proposal(proposer(4, 0), 0, A), *rounds, *others, *more)


@pytest.mark.parametrize(
    ("offer", "says"),
    [
        (lambda: [proposal(proposer(4, 1), 1, B)], NIL),
        (lambda: [proposal(proposer(4, 1), 1, A)], value_hash(A)),
        (lambda: [proposal(proposer(4, 1), 1, A, 0)], value_hash(A)),
        (lambda: [proposal(proposer(4, 1), 1, B, 0)], None),
        (lambda: [proposal(proposer(4, 1), 1, A, 1)], NIL),
        (lambda: [proposal(proposer(4, 1), 1, A, 7)], NIL),
    ],
    ids=["another", "the locked", "the locked again", "no quorum in that round", "this round", "a later round"],
)
def test_a_lock_holds(offer: Callable[[], list[Record]], says: bytes | None) -> None:
    """DEC-5"""
    assert act(witness(), _locked_on_a(*offer())) == (None if says is None else Vote(1, "prevote", says))


def test_a_later_quorum_opens_the_lock() -> None:
    """DEC-5: prevotes of a quorum for B in round 1, after the lock of round 0."""
    later = [vote(one, 1, "prevote", B) for one in PEOPLE[1:4]] + [vote(one, 2, "prevote", NIL) for one in PEOPLE[1:3]]
    held = _locked_on_a(proposal(proposer(4, 1), 1, B), *later, proposal(proposer(4, 2), 2, B, 1))
    assert act(witness(), held) == Vote(2, "prevote", value_hash(B))


def test_verdicts_of_a_fresh_proposal() -> None:
    """DEC-5, DEC-9: good, bad, or wait."""
    held = docket(proposal(proposer(4, 0), 0, A))
    assert act(witness(), held, judge=lambda value, fresh: True) == Vote(0, "prevote", value_hash(A))
    assert act(witness(), held, judge=lambda value, fresh: False) == Vote(0, "prevote", NIL)
    assert act(witness(), held, judge=lambda value, fresh: None) is None


def test_a_reproposal_is_judged_as_not_fresh() -> None:
    """DEC-5, DEC-18"""
    asked: list[bool] = []

    def judge(value: bytes, fresh: bool) -> bool:
        asked.append(fresh)
        return not fresh

    prevotes = [vote(one, 0, "prevote", A) for one in PEOPLE[1:4]] + [vote(one, 1, "prevote", A) for one in PEOPLE[1:3]]
    held = docket(proposal(proposer(4, 0), 0, A), *prevotes, proposal(proposer(4, 1), 1, A, 0))
    assert act(witness(), held, judge=judge) == Vote(1, "prevote", value_hash(A))
    assert asked == [False]


def test_the_proposer_repeats_what_had_a_quorum() -> None:
    """DEC-5: the latest value with a quorum of prevotes, and a fresh one only without any."""
    number = next(number for number in range(1, 5) if proposer(4, number) is PEOPLE[0])
    prevotes = [vote(one, 0, "prevote", A) for one in PEOPLE[1:4]]
    later = [vote(one, number, "prevote", NIL) for one in PEOPLE[1:3]]
    held = docket(proposal(proposer(4, 0), 0, A), *prevotes, *later)
    assert witness().act(held, START, good, lambda: B) == Propose(number, 0, A)
    assert witness().act(docket(*later), START, good, lambda: B) == Propose(number, -1, B)
    assert witness().act(docket(*later), START, good, lambda: None) is None


def test_votes_are_signed_once() -> None:
    """DEC-6: what the log holds of one's own is never said again, or otherwise."""
    held = docket(proposal(proposer(4, 0), 0, A), vote(PEOPLE[0], 0, "prevote", NIL))
    assert act(witness(), held) is None


def test_what_others_voted_for_passes_the_cap() -> None:
    """DEC-6: a vote or proposal for a value for which more than f others voted there; but no second one for it."""
    held, twice = docket(*(vote(one, 0, "prevote", A) for one in PEOPLE[1:3])), START + 1
    for record in (vote(PEOPLE[0], 0, "prevote", A), proposal(PEOPLE[0], 0, A)):
        assert held.backed(record, 1)
        assert not held.backed(record, 2)
    for vain in (
        vote(PEOPLE[1], 0, "prevote", A, twice),
        vote(PEOPLE[0], 0, "precommit", A),
        vote(PEOPLE[0], 1, "prevote", A),
        vote(PEOPLE[0], 0, "prevote", A, START, "roster/9/prevote"),
        proposal(PEOPLE[0], 1, A),
        proposal(PEOPLE[0], 0, B),
    ):
        assert not held.backed(vain, 1)
    held.note(vote(PEOPLE[0], 0, "prevote", A))
    held.note(proposal(PEOPLE[0], 0, A))
    assert not held.backed(vote(PEOPLE[0], 0, "prevote", A, twice), 1)
    assert not held.backed(proposal(PEOPLE[3], 0, A), 1)


def test_resume_and_jump() -> None:
    """DEC-7: back to the last round spoken in; ahead when more than f speak there, not for f of them."""
    assert act(witness(), docket(vote(PEOPLE[0], 3, "prevote", NIL), proposal(proposer(4, 3), 3, A))) is None
    one, held = witness(), docket(vote(PEOPLE[1], 5, "prevote", NIL), proposal(proposer(4, 0), 0, A))
    assert act(one, held) == Vote(0, "prevote", value_hash(A))
    held.note(vote(PEOPLE[2], 5, "precommit", NIL))
    assert act(one, held) is None
    assert one.round == 5


def test_timeouts_double_and_are_capped() -> None:
    """DEC-8: nil after `round_ms` once the proposal was due, after twice as long in round 1, at most eight times."""
    late = START + 60_000
    one = witness(due=late)
    assert act(one, docket(), START) is None
    assert one.deadline == late + ROUND_MS
    assert act(one, docket(), late + ROUND_MS - 1) is None
    assert act(one, docket(), late + ROUND_MS) == Vote(0, "prevote", NIL)
    for number, factor in ((1, 2), (2, 4), (3, 8), (4, 8), (50, 8)):
        one, held = witness(), docket(*(vote(who, number, "prevote", NIL) for who in PEOPLE[1:3]))
        assert act(one, held, START) is None
        assert one.deadline == START + factor * ROUND_MS
        assert act(one, held, START + factor * ROUND_MS) == Vote(number, "prevote", NIL)


def test_each_step_has_its_own_timeout() -> None:
    """DEC-8: prevotes of a quorum for different things, then precommits likewise, then the next round."""
    prevotes = [vote(PEOPLE[0], 0, "prevote", A), vote(PEOPLE[1], 0, "prevote", B), vote(PEOPLE[2], 0, "prevote", NIL)]
    held, one = docket(*prevotes), witness()
    assert act(one, held, START) is None
    assert act(one, held, START + ROUND_MS) == Vote(0, "precommit", NIL)
    for who in PEOPLE[:3]:
        held.note(vote(who, 0, "precommit", NIL))
    assert act(one, held, START + ROUND_MS) is None
    act(one, held, START + 2 * ROUND_MS)
    assert one.round == 1


def test_a_quorum_for_nil_or_a_value_needs_no_timeout() -> None:
    """DEC-8"""
    nil = docket(*(vote(who, 0, "prevote", NIL) for who in PEOPLE[:3]))
    assert act(witness(), nil) == Vote(0, "precommit", NIL)
    some = docket(proposal(proposer(4, 0), 0, A), *(vote(who, 0, "prevote", A) for who in PEOPLE[:3]))
    assert act(witness(), some) == Vote(0, "precommit", value_hash(A))
    assert act(witness(), some, judge=lambda value, fresh: False) is None


# Certificates


def test_a_certificate() -> None:
    """DEC-10: a quorum in one round; an equivocator's signature counts; nil never certifies; the median stamp."""
    held = docket(proposal(proposer(4, 0), 0, A), vote(PEOPLE[0], 0, "precommit", A, START + 50))
    held.note(vote(PEOPLE[1], 1, "precommit", A))
    held.note(vote(PEOPLE[2], 0, "precommit", A, START + 900_000))
    assert held.decided(QUESTION, council(4)) is None
    held.note(vote(PEOPLE[1], 0, "precommit", NIL))
    held.note(vote(PEOPLE[1], 0, "precommit", A, START + 70))
    decided = held.decided(QUESTION, council(4))
    assert decided is not None
    assert (decided.round, decided.value, decided.when, len(decided.votes)) == (0, A, START + 70, 3)
    nothing = docket(*(vote(one, 0, "precommit", NIL) for one in PEOPLE[:4]))
    assert nothing.decided(QUESTION, council(4)) is None


def test_of_two_answers_the_first_round_then_the_least_hash() -> None:
    """DEC-11: only with more than f liars; then still everybody takes the same one."""
    values = [proposal(proposer(4, 0), 0, A), proposal(proposer(4, 1), 1, B)]
    later = [vote(one, 0, "precommit", B) for one in PEOPLE[:4]] + [vote(one, 1, "precommit", A) for one in PEOPLE[:4]]
    held = docket(*values, *later)
    decided = held.decided(QUESTION, council(4))
    assert decided is not None
    assert decided.value == B
    for one in PEOPLE[:4]:
        held.note(vote(one, 0, "precommit", A))
    decided = held.decided(QUESTION, council(4))
    assert decided is not None
    assert decided.value == min((A, B), key=value_hash)


@given(st.permutations(range(9)))
def test_the_answer_does_not_depend_on_the_order(order: list[int]) -> None:
    """DEC-10, DEC-11"""
    said = [proposal(proposer(4, 0), 0, A), proposal(proposer(4, 0), 0, B)]
    said += [vote(one, 0, "precommit", A) for one in PEOPLE[:3]] + [vote(one, 1, "precommit", B) for one in PEOPLE[:4]]
    decided = docket(*(said[at] for at in order)).decided(QUESTION, council(4))
    assert decided is not None
    assert decided.value == A


# Safety: every assignment, and what happens with weaker rules


class Majority(Council):
    """The control: more than half is not enough."""

    @property
    def quorum(self) -> int:
        return len(self.witnesses) // 2 + 1


def conflicts(size: int, bad: int, kind: type[Council] = Council) -> int:
    """In how many assignments of the honest witnesses' votes to A, B or nil are both certified, the bad signing all?"""
    held = council(size, kind)
    votes = {(who.key, value): vote(who, 0, "precommit", value) for who in PEOPLE[:size] for value in (A, B, NIL)}
    found = 0
    for choice in product((A, B, NIL), repeat=size - bad):
        cast = [votes[who.key, value] for who, value in zip(PEOPLE[bad:size], choice, strict=True)]
        cast += [votes[who.key, value] for who in PEOPLE[:bad] for value in (A, B)]
        seen = docket(*cast)
        found += all(seen.certifies(QUESTION, held, value) for value in (A, B))
    return found


def counted(size: int, bad: int, kind: type[Council] = Council) -> int:
    """The same number from how many of the honest vote for A, for B and for nil: who they are changes nothing."""
    held, honest = council(size, kind), PEOPLE[bad:size]
    votes = {(who.key, value): vote(who, 0, "precommit", value) for who in PEOPLE[:size] for value in (A, B, NIL)}
    found = 0
    for first, second in combinations_with_replacement(range(len(honest) + 1), 2):
        sides = [(A, honest[:first]), (B, honest[first:second]), (NIL, honest[second:])]
        sides += [(A, PEOPLE[:bad]), (B, PEOPLE[:bad])]
        seen = docket(*(votes[who.key, value] for value, side in sides for who in side))
        if all(seen.certifies(QUESTION, held, value) for value in (A, B)):
            found += comb(len(honest), second) * comb(second, first)
    return found


def test_every_assignment_of_votes() -> None:
    """DEC-1: up to ten witnesses, up to f liars: never two answers. With f + 1 of 3f + 1, or a majority, there are."""
    for size in range(1, 11):
        faults = council(size).faults
        assert [counted(size, bad) for bad in range(faults + 1)] == [0] * (faults + 1), size
    assert all(counted(size, council(size).faults + 1) > 0 for size in (4, 7, 10))
    assert all(counted(size, council(size).faults, Majority) > 0 for size in (5, 7, 8, 9, 10))


def test_every_assignment_one_by_one() -> None:
    """DEC-1: counting by sides leaves nothing out."""
    cases = [(size, bad, kind) for size in (4, 5, 6, 7) for bad in (1, 2, 3) for kind in (Council, Majority)]
    assert [conflicts(*one) for one in cases] == [counted(*one) for one in cases]
    assert [conflicts(4, 2), conflicts(7, 3)] == [2, 6]


class Unlocked(Witness):
    """The control: a witness that forgets what it precommitted."""

    def _locked(self, docket: Docket) -> tuple[int, bytes] | None:
        return None


@dataclass
class Run:
    """Honest witnesses on a network that delays and loses, and bad ones who say to each what divides them."""

    rng: random.Random
    size: int
    bad: int
    council: Council
    kind: type[Witness]

    def __post_init__(self) -> None:
        self.now = START
        self.honest = PEOPLE[self.bad : self.size]
        self.liars = PEOPLE[: self.bad]
        self.dockets = {one.key: Docket() for one in self.honest}
        self.minds = {one.key: self.kind(self.council, QUESTION, one.key, ROUND_MS, START) for one in self.honest}
        self.wire: list[tuple[Record, bytes]] = []
        self.values = {one.key: b"value of " + one.key[:4] for one in PEOPLE[: self.size]}

    def answers(self) -> dict[bytes, None]:
        """What the honest hold as answered, each by what it holds itself."""
        found = (one.decided(QUESTION, self.council) for one in self.dockets.values())
        return {one.value: None for one in found if one is not None}

    def go(self, steps: int, loss: float) -> bool:
        """Whether everybody has an answer in the end."""
        for _ in range(steps):
            self._speak()
            self._lie()
            self.rng.shuffle(self.wire)
            for record, to in [self.wire.pop() for _ in range(len(self.wire) // 2 if loss else len(self.wire))]:
                if self.rng.random() >= loss:
                    self.dockets[to].note(record)
            self.now += self.rng.randrange(ROUND_MS)
        return all(one.decided(QUESTION, self.council) for one in self.dockets.values())

    def heal(self) -> None:
        """Everybody hears at last what the honest signed."""
        for held in self.dockets.values():
            for record in self.said:
                held.note(record)

    said: tuple[Record, ...] = ()

    def _speak(self) -> None:
        for one in self.honest:
            mind, held = self.minds[one.key], self.dockets[one.key]
            for _ in range(6):
                deed = mind.act(held, self.now, good, lambda key=one.key: self.values[key])  # type: ignore[misc]
                match deed:
                    case Propose(number, valid_round, value):
                        record = proposal(one, number, value, valid_round)
                    case Vote(number, step, hashed):
                        record = _hashed_vote(one, number, step, hashed)
                    case _:
                        break
                held.note(record)
                self.said += (record,)
                self.wire += [(record, other.key) for other in self.honest if other is not one]

    def _lie(self) -> None:
        """To each honest witness, in the round it is in, votes for a value that it could be won for."""
        for liar, one in product(self.liars, self.honest):
            number = self.minds[one.key].round
            value = self.rng.choice(list(self.values.values())[-2:])
            self._tell(one, _hashed_vote(liar, number, "prevote", value_hash(value)))
            self._tell(one, _hashed_vote(liar, number, "precommit", value_hash(value)))
            if self.council.proposer(QUESTION, number) == liar.key:
                self._tell(one, proposal(liar, number, value, self.rng.randrange(-1, max(1, number))))

    def _tell(self, one: Persona, record: Record) -> None:
        self.dockets[one.key].note(record)


def _hashed_vote(who: Persona, number: int, step: str, hashed: bytes) -> Record:
    body = {"question": QUESTION, "round": number, "step": step, "value": hashed}
    return _signed(who, "vote.1", body, Slot("once", slot_of(QUESTION, number, step), 0), START)


def violations(
    seeds: Iterable[int], size: int = 4, bad: int = 1, rule: type[Council] = Council, kind: type[Witness] = Witness
) -> int:
    """In how many runs two honest witnesses came to different answers."""
    found = 0
    for seed in seeds:
        run = Run(random.Random(seed), size, bad, council(size, rule), kind)
        run.go(12, 0.2)
        found += len(run.answers()) > 1
    return found


def test_liars_divide_nobody() -> None:
    """DEC-5, DEC-10: no two answers with one liar of four, and an answer once the network heals."""
    for seed in range(25):
        run = Run(random.Random(seed), 4, 1, council(4), Witness)
        run.go(12, 0.2)
        assert len(run.answers()) <= 1, seed
        run.heal()
        assert run.go(60, 0.0), seed
        assert len(run.answers()) == 1, seed


def test_one_liar_more_is_one_too_many() -> None:
    """DEC-1: the same liars, two of them among four."""
    assert violations(range(60), bad=2) > 0


def _say(one: Persona, mind: Witness, held: Docket, now: int) -> Record:
    """What an honest witness signs now; its own docket holds it."""
    deed = mind.act(held, now, good, lambda: None)
    assert isinstance(deed, Vote)
    record = _hashed_vote(one, deed.round, deed.step, deed.value_hash)
    held.note(record)
    return record


def _tell(held: Docket, *records: Record) -> None:
    for one in records:
        held.note(one)


def two_rounds(kind: type[Witness]) -> list[bytes]:
    """What x and z hold as answered, when the liar lets x alone see a certificate for a and proposes b in round 1."""
    liar = proposer(4, 1)
    x, y, z = (one for one in PEOPLE[:4] if one is not liar)
    dockets = {one.key: docket(proposal(proposer(4, 0), 0, A)) for one in (x, y, z)}
    minds = {one.key: kind(council(4), QUESTION, one.key, ROUND_MS, START) for one in (x, y, z)}
    at_x, at_y, at_z = dockets.values()

    def say(one: Persona, now: int = START) -> Record:
        return _say(one, minds[one.key], dockets[one.key], now)

    first = [say(one) for one in (x, y, z)]
    for held in (at_x, at_y):
        _tell(held, *first, vote(liar, 0, "prevote", A))
    _tell(at_z, first[0], vote(liar, 0, "prevote", NIL))
    assert minds[z.key].act(at_z, START, good, lambda: None) is None
    precommits = [say(x), say(y), say(z, START + ROUND_MS)]
    assert [one.body["value"] for one in precommits] == [value_hash(A), value_hash(A), NIL]
    _tell(at_x, precommits[1], vote(liar, 0, "precommit", A))
    _tell(at_y, precommits[2], vote(liar, 0, "precommit", NIL), proposal(liar, 1, B))
    _tell(at_z, precommits[1], vote(liar, 0, "precommit", NIL), proposal(liar, 1, B))
    for one in (y, z):
        assert minds[one.key].act(dockets[one.key], START + ROUND_MS, good, lambda: None) is None
    second = [say(one, START + 3 * ROUND_MS) for one in (y, z)]
    for held in (at_y, at_z):
        _tell(held, *second, vote(liar, 1, "prevote", B))
    third = [say(one, START + 9 * ROUND_MS) for one in (y, z)] if second[0].body["value"] else []
    _tell(at_z, *third, vote(liar, 1, "precommit", B))
    found = [held.decided(QUESTION, council(4)) for held in (at_x, at_z)]
    return [one.value for one in found if one is not None]


def test_the_lock_is_needed() -> None:
    """DEC-5: y precommitted a, so it does not help b; a witness that forgets does, and two answers stand."""
    assert two_rounds(Witness) == [A]
    assert two_rounds(Unlocked) == [A, B]


def one_round(rule: type[Council]) -> list[bytes]:
    """What two pairs hold as answered, when the liar proposes a to one pair and b to the other."""
    rules, liar = council(5, rule), proposer(5, 0)
    others = [one for one in PEOPLE[:5] if one is not liar]
    found = []
    for pair, value in ((others[:2], A), (others[2:], B)):
        held = docket(*(proposal(liar, 0, value), vote(liar, 0, "prevote", value), vote(liar, 0, "precommit", value)))
        for _ in ("prevote", "precommit"):
            for one in pair:
                mind = Witness(rules, QUESTION, one.key, ROUND_MS, START)
                deed = mind.act(held, START, good, lambda: None)
                if isinstance(deed, Vote):
                    held.note(_hashed_vote(one, deed.round, deed.step, deed.value_hash))
        decided = held.decided(QUESTION, rules)
        found += [decided.value] if decided is not None else []
    return found


def test_a_majority_is_too_few() -> None:
    """DEC-1"""
    assert one_round(Council) == []
    assert one_round(Majority) == [A, B]


# Vectors

_MANIFESTS_BAD: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("not a value", b"\xc1"),
    ("an array", encode([bytes(32)])),
    ("no ids", encode({})),
    ("more than ids", encode({"ids": [], "note": ""})),
    ("ids no array", encode({"ids": bytes(32)})),
    ("an id of 31 bytes", encode({"ids": [bytes(31)]})),
    ("a text for an id", encode({"ids": ["a" * 32]})),
    ("descending", encode({"ids": [b"\1" * 32, bytes(32)]})),
    ("twice the same", encode({"ids": [bytes(32), bytes(32)]})),
    ("1,201 ids", encode({"ids": [number.to_bytes(32, "big") for number in range(1201)]})),
    ("not canonical", bytes.fromhex("81a3696473dc0000")),
    ("bytes behind it", manifest([]) + b"\0"),
]


@pytest.mark.parametrize(("name", "value"), _MANIFESTS_BAD, ids=[name for name, _ in _MANIFESTS_BAD])
def test_what_is_no_manifest(name: str, value: bytes) -> None:
    """DEC-12"""
    with pytest.raises(Reject) as caught:
        manifest_ids(value)
    assert caught.value.code == "DEC-12"


def test_a_manifest_says_its_ids() -> None:
    """DEC-12"""
    ids = [number.to_bytes(32, "big") for number in range(1200)]
    assert manifest_ids(manifest(ids[::-1])) == ids
    assert manifest([]) == bytes.fromhex("81a369647390")


def _certificates() -> list[dict[str, Any]]:
    """Votes of four witnesses (number, round, step, value, slot, stamp) and the answer."""
    said: list[tuple[str, str, list[tuple[int, int, str, bytes, str, int]], list[tuple[int, bytes]]]] = [
        ("a quorum", "DEC-10", [(n, 0, "precommit", A, "", 10 * n) for n in range(3)], [(0, A)]),
        ("all four: the median stamp", "DEC-10", [(n, 0, "precommit", A, "", 10 * n) for n in range(4)], [(0, A)]),
        (
            "an equivocator counts",
            "DEC-10",
            [(n, 1, "precommit", A, "", 7) for n in range(3)] + [(0, 1, "precommit", B, "", 7)],
            [(0, B), (1, A)],
        ),
        (
            "two answers",
            "DEC-11",
            [(n, r, "precommit", v, "", 7) for n in range(3) for r, v in ((1, A), (2, B))],
            [(1, A), (2, B)],
        ),
        ("one witness thrice", "DEC-1", [(0, 0, "precommit", A, "", at) for at in range(3)], [(0, A)]),
        ("one too few", "DEC-1", [(n, 0, "precommit", A, "", 7) for n in range(2)], [(0, A)]),
        ("strangers", "DEC-1", [(n, 0, "precommit", A, "", 7) for n in (0, 1, 4, 5, 6)], [(0, A)]),
        ("spread over two rounds", "DEC-10", [(n, n % 2, "precommit", A, "", 7) for n in range(4)], [(0, A), (1, A)]),
        ("prevotes", "DEC-10", [(n, 0, "prevote", A, "", 7) for n in range(4)], [(0, A)]),
        ("nil", "DEC-10", [(n, 0, "precommit", NIL, "", 7) for n in range(4)], [(0, A)]),
        ("bytes unknown", "DEC-3", [(n, 0, "precommit", B, "", 7) for n in range(4)], [(0, A)]),
        ("another slot", "DEC-2", [(n, 0, "precommit", A, "roster/1/precommit", 7) for n in range(4)], [(0, A)]),
    ]
    cases = []
    for name, clause, votes, values in said:
        held = docket(*(proposal(proposer(4, number), number, value) for number, value in values))
        for n, number, step, value, slot, stamp in votes:
            held.note(vote(PEOPLE[n], number, step, value, START + stamp, slot))
        decided = held.decided(QUESTION, council(4))
        rows = [
            {
                "witness": PEOPLE[n].key.hex(),
                "round": number,
                "step": step,
                "value": value_hash(value).hex() if value else "",
                "slot": slot or slot_of(QUESTION, number, step),
                "created": START + stamp,
            }
            for n, number, step, value, slot, stamp in votes
        ]
        answer = (
            None if decided is None else {"round": decided.round, "value": decided.value.hex(), "when": decided.when}
        )
        proposed = [[number, value.hex()] for number, value in values]
        cases.append({"name": name, "clause": clause, "input": {"proposed": proposed, "votes": rows}, "output": answer})
    return cases


def vectors() -> dict[str, Any]:
    """Quorums, turns, slots, hashes, manifests, certificates."""
    people = [one.key.hex() for one in PEOPLE]
    cases: list[dict[str, Any]] = [
        {
            "name": f"quorum of {n}",
            "clause": "DEC-1",
            "input": n,
            "output": {"f": council(n).faults, "q": council(n).quorum},
        }
        for n in range(1, 17)
    ]
    cases += [
        {
            "name": f"turns of {n} for {question}",
            "clause": "DEC-4",
            "input": {"charter": ANCHOR.hex(), "question": question, "witnesses": people[:n]},
            "output": [council(n).proposer(question, number).hex() for number in range(n + 1)],
        }
        for n, question in ((1, "roster"), (4, "roster"), (4, "ballots/0011223344556677"), (7, "mandate/1"))
    ]
    cases += [
        {"name": "slots", "clause": "DEC-2", "input": ["roster", 7, step], "output": slot_of("roster", 7, step)}
        for step in ("", "prevote", "precommit")
    ]
    cases += [
        {"name": "value", "clause": "DEC-3", "input": value.hex(), "output": value_hash(value).hex()}
        for value in (A, manifest([]), manifest([bytes(32), b"\1" * 32]))
    ]
    cases += [
        {"name": f"{n} ids", "clause": "DEC-12", "input": [one.hex() for one in ids], "output": manifest(ids).hex()}
        for n in (0, 1, 3)
        for ids in [[digest("test", bytes([number])) for number in range(n)]]
    ]
    cases += [
        {"name": name, "clause": "DEC-12", "input": value.hex(), "reject": "DEC-12"}
        for name, value in _MANIFESTS_BAD
        if len(value) < 1000
    ]
    return {"name": "decision", "spec": "06-decision", "cases": cases + _certificates()}
