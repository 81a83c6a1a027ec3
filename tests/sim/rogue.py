"""A place to write an adversary in: a key that has a seat in a simulated town, and no engine that makes it behave.

`seat(seed)` brings a town of honest engines to a co-op whose boxes are open, and takes one of its four witnesses from
its owner. From then on a test says by that key whatever it likes (`sign`, `vote`, `propose`, `receipt`), to whom it
likes (`tell`, `tell_all`), and lets the honest go on (`wait`, `until`). It may read every honest node (`log`, `coop`,
`docket`), as the strongest adversary could; it cannot sign for them. `Rogue.sound` is what must be true at any moment,
`Rogue.decides` and `Rogue.agrees` what must come true in the end. For example:

    rogue = seat(7)
    for name, value in zip(rogue.honest, (b"one thing", b"another")):
        rogue.tell(name, rogue.propose(rogue.question("ballots"), 0, value))
    assert rogue.decides("ballots")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from protocol.coop.box import Question
from protocol.coop.coop import Coop
from protocol.coop.decision import Docket, slot_of, value_hash
from protocol.errors import Ignore, Reject
from protocol.events import RecordReceived
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.sim.safety import Safety
from tests.sim.town import Town
from tests.sim.world import NETWORK

END_MS = 600_000
LIFE_MS = 80_000_000


class Rogue:
    """The key of the member `name`, a witness of the co-op with this scope; everybody else is honest."""

    def __init__(self, town: Town, safety: Safety, name: str, scope: str) -> None:
        self.town, self.world, self.safety, self.name, self.scope = town, town.world, safety, name, scope
        self.persona = town.world.nodes[name].persona
        self.key = self.persona.key
        self.members = [one for one in town.members if one != name]
        council = self.coop(self.members[0]).council
        self.council = council
        self.honest = [one for one in self.members if town.world.nodes[one].persona.key in council.witnesses]
        town.silent[name] = None
        town.hostile = safety.hostile = (name,)
        town.world.crash(name)

    # What the adversary sees

    def log(self, name: str) -> Log:
        """What a node holds of the co-op."""
        engine = self.world.nodes[name].engine
        assert engine is not None
        return engine._core.contexts[self.scope].log

    def docket(self, name: str) -> Docket:
        """The votes that a node holds."""
        engine = self.world.nodes[name].engine
        assert engine is not None
        return engine._core.contexts[self.scope].docket

    def coop(self, name: str) -> Coop:
        """What a node makes of it."""
        engine = self.world.nodes[name].engine
        assert engine is not None
        found = engine._core.contexts[self.scope].coop(engine._core.settings)
        assert found is not None
        return found

    def question(self, base: str, name: str = "") -> str:
        """The name of an open question, by the first part of it."""
        return self.asked(base, name).name

    def asked(self, base: str, name: str = "") -> Question:
        """An open question, as a node sees it."""
        return next(one for one in self.coop(name or self.honest[0]).open if one.name.partition("/")[0] == base)

    # What it says

    def sign(self, kind: str, body: Mapping[str, Any], slot: Slot | None = None, **other: Any) -> Record:
        """Any record by its key; `created`, `expires`, `scope` and `refs` as one likes."""
        charter = self.coop(self.honest[0]).charter.id
        facts: dict[str, Any] = {"created": self.world.now, "refs": (charter,)} | other
        expires, scope = facts.pop("expires", facts["created"] + LIFE_MS), facts.pop("scope", self.scope)
        return Record.sign(self.persona, NETWORK, kind, scope, body, expires=expires, slot=slot, **facts)

    def vote(self, question: str, number: int, step: str, hashed: bytes, **other: Any) -> Record:
        """A vote for the value with this hash, or for nil."""
        body = {"question": question, "round": number, "step": step, "value": hashed}
        return self.sign("vote.1", body, Slot("once", slot_of(question, number, step), 0), **other)

    def propose(self, question: str, number: int, value: bytes, valid_round: int = -1, **other: Any) -> Record:
        """A proposal."""
        body = {"question": question, "round": number, "valid_round": valid_round, "value": value}
        return self.sign("proposal.1", body, Slot("once", slot_of(question, number), 0), **other)

    def receipt(self, question: str, ids: Iterable[bytes], **other: Any) -> Record:
        """A receipt for at most 64 records."""
        return self.sign("receipt.1", {"question": question, "ids": sorted(ids)}, **other)

    def junk(self, question: str, number: int, step: str, count: int) -> list[Record]:
        """Votes of one step for values that nobody has."""
        return [self.vote(question, number, step, value_hash(b"junk %d" % one)) for one in range(count)]

    def tell(self, name: str, *records: Record) -> list[str]:
        """Hands a node these records, as its mesh would; what it said to each: "" or the clause."""
        return [self._tell(name, one.raw) for one in records]

    def _tell(self, name: str, raw: bytes) -> str:
        try:
            record = Record.parse(raw, NETWORK)
        except (Ignore, Reject) as error:
            return error.code
        engine, said = self.world.nodes[name].engine, list[str]()
        assert engine is not None
        handle = engine.handle

        def heard(event: Any, now: int) -> Any:
            try:
                return handle(event, now)
            except (Ignore, Reject) as error:
                said.append(error.code)
                raise

        engine.handle = heard  # type: ignore[method-assign]
        try:
            self.world.handle(name, RecordReceived(record, self.name))
        finally:
            engine.handle = handle  # type: ignore[method-assign]
        return "".join(said)

    def tell_all(self, *records: Record) -> None:
        """Everybody, the relay first."""
        for name in ("relay", *self.members):
            self.tell(name, *records)

    # What becomes of it

    def wait(self, virtual_ms: int) -> None:
        """Let everybody else live."""
        self.town.live(virtual_ms, lambda: False)

    def until(self, done: Callable[[], bool]) -> bool:
        """Let everybody else live until something is true."""
        return self.town.live(END_MS, done)

    def sound(self) -> None:
        """Every honest node reads the same out of what it holds; two certified values end a run by themselves."""
        self.safety.check_views()
        self.safety.check_disks()

    def decides(self, base: str = "ballots") -> bool:
        """Whether all the honest have the answer to a question, by the first part of its name."""

        def done(name: str) -> bool:
            return any(one.partition("/")[0] == base for one in self.coop(name).decided)

        answered = self.until(lambda: all(done(name) for name in self.members))
        self.sound()
        return answered

    def agrees(self) -> bool:
        """Whether the honest come to a countersigned agreement all the same, and to equal digests."""
        agreed = self.until(lambda: all(self.agreed(name) for name in self.members))
        self.wait(20_000)
        self.sound()
        return agreed and self.town.converged() == []

    def agreed(self, name: str) -> bool:
        """Whether a member has come to an agreement."""
        return any(one["state"] == "countersigned" for one in self.town.coops(name))


def seat(seed: int, leads: str = "", state: str = "balloting") -> Rogue:
    """A witness's seat in the first town from `seed` on whose co-op is in `state`; `leads`: what it proposes first."""
    for number in range(seed, seed + 40):
        town = Town(number)
        safety = Safety(town.world)
        vote = town.acts.pop("vote")  # nobody has voted yet when the test begins
        town.open()
        if not town.live(END_MS, partial(_see, town, state)):
            continue
        engine = town.world.nodes["m0"].engine
        assert engine is not None
        views = [one.coop(engine._core.settings) for one in engine._core.contexts.values() if one.family == "coop"]
        coop = next(one for one in views if one is not None and one.state == state)
        name = next((one for one in town.members[2:] if _fits(town, coop, one, leads)), None)
        if name is not None:
            town.acts["vote"] = vote
            return Rogue(town, safety, name, coop.charter.scope)
    raise AssertionError(f"no seat from seed {seed} on")


def _see(town: Town, state: str) -> bool:
    """Whether everybody's node shows a co-op in this state."""
    return all(any(one["state"] == state for one in town.coops(name)) for name in town.members)


def _fits(town: Town, coop: Coop, name: str, leads: str) -> bool:
    """Whether a member is a witness, and the first proposer of the question that is asked for."""
    key = town.world.nodes[name].persona.key
    asked = next((one.name for one in coop.open if one.name.partition("/")[0] == leads), "")
    return key in coop.council.witnesses and (not leads or (bool(asked) and coop.council.proposer(asked, 0) == key))
