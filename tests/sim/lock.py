"""A model check of the lock: every course that a question can take among four witnesses within a few rounds.

What is explored is the product's own `Witness.act` and `Docket`, one step of one witness at a time. A state is what the
honest witnesses have signed and the round each is in. From it every honest witness may act on every part of what was
said that can matter to it (the net delays and loses what it likes), with its time-outs ended or not, while the liars
have signed everything there is to sign and show each witness what they like. Two courses that differ only in the names
of the two values are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations, product

from protocol.coop.decision import NIL, Council, Docket, Propose, Vote, Witness, slot_of, value_hash
from protocol.identity import Persona, network_id
from protocol.record.record import Record, Slot

SCOPE, QUESTION, NETWORK = "coop/lock", "ballots/0", network_id("lock", bytes(16))
VALUES = (b"one", b"two")
HASHES = tuple(value_hash(value) for value in VALUES)
VOTES = (*HASHES, NIL)
CHARTER = b"lock" * 8
AGES = 10**12  # when every time-out has ended
KEYS = [Persona.from_seed(bytes([number]) * 32) for number in range(1, 8)]

Act = Propose | Vote
Mind = tuple[int, int]  # the round a witness is in, and the acts that it remembers, as bits
State = tuple[tuple[Mind, ...], int]  # and all that the honest have signed, as bits


@dataclass
class Found:
    """How far a search came, and the first course that ends in two certified values."""

    states: int = 0
    steps: int = 0
    fork: list[str] = field(default_factory=list)


@dataclass
class Search:
    """Breadth first over all courses of `size` witnesses, `bad` of them liars, `rounds` rounds deep.

    `first`: whose turn round 0 is, as a place among the witnesses; the liars have the last places. `forgets`: an honest
    witness may wake up without what it signed.
    """

    size: int = 4
    bad: int = 1
    rounds: int = 2
    first: int = 0
    council: type[Council] = Council
    witness: type[Witness] = Witness
    forgets: bool = False

    def __post_init__(self) -> None:
        self.people = self._seated()
        self.honest, self.liars = range(self.size - self.bad), range(self.size - self.bad, self.size)
        self.rules = self.council(tuple(sorted(one.key for one in self.people)), CHARTER)
        every = [Propose(one, back, value) for one in range(self.rounds) for back in range(-1, one) for value in VALUES]
        self.acts: list[Act] = [*every, *_votes(range(self.rounds))]
        self.number = {act: place for place, act in enumerate(self.acts)}
        self.mirror = [self.number[_exchanged(act)] for act in self.acts]
        pairs = product(range(self.size), self.acts)
        self.records = [signed(self.people[place], act) for place, act in pairs]
        self._moved: dict[tuple[int, Mind, int], tuple[Mind, ...]] = {}
        self._stepped: dict[tuple[int, Mind, int], tuple[Mind, ...]] = {}
        self.came: dict[State, State | None] = {}

    def _seated(self) -> list[Persona]:
        """The witnesses, so that the one at place `first` proposes in round 0 and the others follow by turns."""
        keys = sorted(KEYS[: self.size], key=lambda one: one.key)
        council = Council(tuple(one.key for one in keys), CHARTER)
        turns = [council.proposer(QUESTION, number) for number in range(self.size)]
        order = {key: (self.first + place) % self.size for place, key in enumerate(turns)}
        return sorted(keys, key=lambda one: order[one.key])

    def bit(self, place: int, act: Act) -> int:
        """Who signs what, as one bit."""
        return 1 << (place * len(self.acts) + self.number[act])

    def run(self) -> Found:
        """All states, or as many as came before the first fork."""
        start: State = (tuple((0, 0) for _ in self.honest), 0)
        self.came, edge, found = {start: None}, [start], Found()
        while edge:
            fresh: list[State] = []
            for state in edge:
                for then in self._next(state):
                    found.steps += 1
                    then = min(then, self._mirrored(then))
                    if then not in self.came:
                        self.came[then] = state
                        fresh.append(then)
                        if self.forked(then):
                            found.states, found.fork = len(self.came), self._course(then)
                            return found
            edge = fresh
        found.states = len(self.came)
        return found

    def forked(self, state: State) -> bool:
        """Whether two values are certified, whatever anybody has seen of it: the liars sign for both."""
        return all(any(self._certified(state[1], one, value) for one in range(self.rounds)) for value in HASHES)

    def _certified(self, said: int, number: int, value: bytes) -> bool:
        vote = Vote(number, "precommit", value)
        return sum(bool(said & self.bit(place, vote)) for place in self.honest) + self.bad >= self.rules.quorum

    def _next(self, state: State) -> Iterator[State]:
        minds, said = state
        for place, mind in enumerate(minds):
            if mind[0] < self.rounds:
                for then in self._moves(place, mind, said):
                    yield (*minds[:place], then, *minds[place + 1 :]), said | then[1]
            if self.forgets and mind[1]:
                yield (*minds[:place], (0, 0), *minds[place + 1 :]), said

    def _moves(self, place: int, mind: Mind, said: int) -> tuple[Mind, ...]:
        """Every mind that this witness may have after its next step."""
        matter = self._matters(place, mind) & said
        at = place, mind, matter
        if at not in self._moved:
            views = dict.fromkeys(self._views(place, mind, matter))
            self._moved[at] = tuple(dict.fromkeys(then for view in views for then in self._step(place, mind, view)))
        return self._moved[at]

    def _phase(self, place: int, mind: Mind) -> str:
        """What a witness waits for: a proposal, prevotes, or precommits."""
        for step in ("precommit", "prevote"):
            if any(mind[1] & self.bit(place, Vote(mind[0], step, value)) for value in VOTES):
                return step
        return "proposal"

    def _matters(self, place: int, mind: Mind) -> int:
        """Whatever of the others' words the rules can look at, in the round and phase in which this witness is."""
        number, phase = mind[0], self._phase(place, mind)
        seen = 0
        for other, act in product(self.honest, self.acts):
            offer, step = isinstance(act, Propose), act.step if isinstance(act, Vote) else "proposal"
            now = act.round == number and step == phase
            before = act.round < number and phase == "proposal" and step != "precommit"
            if other != place and (now or before or act.round > number or (offer and phase == "prevote")):
                seen |= self.bit(other, act)
        return seen

    def _views(self, place: int, mind: Mind, said: int) -> Iterator[int]:
        """Every part of that which the net and the liars may show."""
        number, phase = mind[0], self._phase(place, mind)
        ahead = [self._of(said, range(one, one + 1)) for one in range(number + 1, self.rounds)]
        ahead = [one | self._lies(range(at, at + 1)) for at, one in enumerate(ahead, number + 1) if one]
        before = self._of(said, range(number)) | self._lies(range(number))
        for late, early, now in product((0, *ahead), (0, before), self._present(number, phase, said)):
            yield late | early | now

    def _of(self, said: int, rounds: range) -> int:
        pairs = product(self.honest, self.acts)
        return sum(self.bit(who, act) for who, act in pairs if act.round in rounds and said & self.bit(who, act))

    def _lies(self, rounds: range) -> int:
        return sum(self.bit(liar, vote) for liar in self.liars for vote in _votes(rounds))

    def _present(self, number: int, phase: str, said: int) -> Iterator[int]:
        """Each part of what honest witnesses say in this phase, with what the liars may say beside it."""
        here = self._of(said, range(number, number + 1))
        offers = [(who, act) for who, act in product(range(self.size), self.acts) if isinstance(act, Propose)]
        if phase == "proposal":
            proposer = next(at for at, one in enumerate(self.people) if one.key == self._proposer(number))
            of = [self.bit(who, act) for who, act in offers if who == proposer and act.round == number]
            yield from (0, *(one for one in of if proposer in self.liars or here & one))
            return
        held = [self.bit(*one) for one in product(self.honest, _votes(range(number, number + 1), phase))]
        whole = sum(self.bit(who, act) for who, act in offers if who in self.liars) | (said & _sum(offers, self.bit))
        lies = [[self.bit(liar, vote) for liar in self.liars] for vote in _votes(range(number, number + 1), phase)]
        for part, lie in product(_parts([one for one in held if here & one]), ([], *lies, list(chain(*lies)))):
            yield whole | sum(part) | sum(lie)

    def _proposer(self, number: int) -> bytes:
        return self.rules.proposer(QUESTION, number)

    def _step(self, place: int, mind: Mind, view: int) -> tuple[Mind, ...]:
        """What the product's own code does on a docket with exactly this in it, with time-outs running and ended."""
        at = place, mind, view
        if at not in self._stepped:
            docket = Docket()
            for record in self._held(mind[1] | view):
                docket.note(record)
            found = [self._acted(place, mind, docket, now, own) for now, own in product((0, AGES), VALUES)]
            self._stepped[at] = tuple(one for one in dict.fromkeys(found) if one != mind)
        return self._stepped[at]

    def _acted(self, place: int, mind: Mind, docket: Docket, now: int, own: bytes) -> Mind:
        witness = self.witness(self.rules, QUESTION, self.people[place].key, 1, 0)
        witness.round, act = mind[0], None
        for moment in (0, now) if now else (0,):
            act = act or witness.act(docket, moment, lambda value, fresh: True, lambda: own)
        if act is None or act.round >= self.rounds:
            return min(witness.round, self.rounds), mind[1]
        return witness.round, mind[1] | self.bit(place, act)

    def _held(self, bits: int) -> Iterator[Record]:
        return (record for place, record in enumerate(self.records) if bits >> place & 1)

    def heals(self, state: State) -> bool:
        """Whether all decide when from this state on everything arrives and the liars are silent.

        Everything: also what the liars must have shown somebody for the honest to have signed what they did.
        """
        minds, said = state
        records, parts = list(self._held(said | self._shown(said))), list[tuple[int, Witness, Docket]]()
        for place, mind in enumerate(minds):
            witness = self.witness(self.rules, QUESTION, self.people[place].key, 1, 0)
            witness.round = mind[0]
            parts.append((place, witness, Docket()))
        for now in range(0, 400, 2):
            for place, witness, docket in parts:
                for record in records:
                    docket.note(record)
                if act := witness.act(docket, now, lambda value, fresh: True, lambda: VALUES[0]):
                    records.append(signed(self.people[place], act))
            if all(docket.decided(QUESTION, self.rules) for _, _, docket in parts):
                return True
        return False

    def _shown(self, said: int) -> int:
        """The liars' words without which the honest had not signed: prevotes for precommits, proposals for prevotes."""
        shown = 0
        for vote in _votes(range(self.rounds)):
            if vote.value_hash != NIL and any(said & self.bit(place, vote) for place in self.honest):
                beside = Vote(vote.round, "prevote", vote.value_hash)
                offer = Propose(vote.round, -1, VALUES[HASHES.index(vote.value_hash)])
                for liar in self.liars:
                    shown |= self.bit(liar, beside) if vote.step == "precommit" else 0
                    shown |= self.bit(liar, offer) if self.people[liar].key == self._proposer(vote.round) else 0
        return shown

    def _mirrored(self, state: State) -> State:
        """The same course with the names of the two values exchanged."""
        minds, said = state
        return tuple((number, self._exchange(own)) for number, own in minds), self._exchange(said)

    def _exchange(self, bits: int) -> int:
        found, width = 0, len(self.acts)
        while bits:
            place, act = divmod((bits & -bits).bit_length() - 1, width)
            found |= 1 << (place * width + self.mirror[act])
            bits &= bits - 1
        return found

    def _course(self, end: State) -> list[str]:
        """What was signed on the way to a state, step by step; the names of the values may change on the way."""
        told: list[str] = []
        at: State | None = end
        while at is not None and (before := self.came[at]) is not None:
            told += [f"{len(told)} steps before the end: {self._told(at[1])}"]
            at = before
        return told[::-1]

    def _told(self, said: int) -> str:
        pairs = product(range(self.size), self.acts)
        return ", ".join(f"{who} {_word(act)}" for who, act in pairs if said & self.bit(who, act))


def signed(persona: Persona, act: Act) -> Record:
    """What a witness says when it acts."""
    match act:
        case Propose(number, valid_round, value):
            body = {"question": QUESTION, "round": number, "valid_round": valid_round, "value": value}
            kind, slot = "proposal.1", slot_of(QUESTION, number)
        case Vote(number, step, hashed):
            body = {"question": QUESTION, "round": number, "step": step, "value": hashed}
            kind, slot = "vote.1", slot_of(QUESTION, number, step)
    return Record.sign(persona, NETWORK, kind, SCOPE, body, created=1, expires=2, slot=Slot("once", slot, 0))


def _votes(rounds: range, step: str = "") -> Iterator[Vote]:
    """Every vote of these rounds, of one step or of both."""
    for number, one, value in product(rounds, (step,) if step else ("prevote", "precommit"), VOTES):
        yield Vote(number, one, value)


def _parts(bits: list[int]) -> Iterator[tuple[int, ...]]:
    return chain.from_iterable(combinations(bits, count) for count in range(len(bits) + 1))


def _sum(pairs: Iterable[tuple[int, Act]], bit: Callable[[int, Act], int]) -> int:
    return sum(bit(who, act) for who, act in pairs)


def _exchanged(act: Act) -> Act:
    match act:
        case Propose(number, valid_round, value):
            return Propose(number, valid_round, VALUES[1 - VALUES.index(value)])
        case Vote(number, step, hashed):
            return Vote(number, step, hashed if hashed == NIL else HASHES[1 - HASHES.index(hashed)])


def _word(act: Act) -> str:
    match act:
        case Propose(number, valid_round, value):
            return f"proposes {value.decode()} in {number} ({valid_round})"
        case Vote(number, step, hashed):
            return f"{step}s {'nil' if hashed == NIL else VALUES[HASHES.index(hashed)].decode()} in {number}"
