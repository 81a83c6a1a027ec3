"""One person's engine at any moment of a deal signed by hand: what was said until then is on its disk.

The disk is two dicts, as in the simulator; there is nobody else, so a test sees every effect.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from protocol.coop.coop import read_coop
from protocol.coop.decision import Docket
from protocol.deal.deal import read_deal
from protocol.encoding import digest
from protocol.engine import Engine, Settings
from protocol.engine.personas import Derived
from protocol.errors import CommandError
from protocol.events import Effect, Event, Keep, Reply, Store, Submit, Tick
from protocol.identity import Persona
from protocol.record.log import Log
from protocol.record.record import Record
from tests.deals import NETWORK, START_MS, TEMPLATE, TIMES, Handmade
from tests.known_terms import KNOWN


def settings(role: str = "home", **more: Any) -> Settings:
    """A node of the handmade network that knows its template."""
    given: dict[str, Any] = {"templates": {TEMPLATE.hash: TEMPLATE}, "terms": KNOWN} | more
    return Settings(NETWORK, role, presets={"quick": TIMES}, grain_ms=1, preset="quick", **given)


def entropy(seed: str) -> Any:
    """A stream of bytes that is the same for the same seed."""
    drawn = [0]

    def draw(size: int) -> bytes:
        drawn[0] += 1
        return b"".join(digest("test", f"{seed} {drawn[0]} {part}".encode()) for part in range(size // 32 + 1))[:size]

    return draw


def another(who: Persona, number: int) -> Derived:
    """Persona `number` of somebody's home."""
    return Derived(Persona.from_seed(digest("test", who.seed + bytes([number]))), digest("test", bytes([number])))


class Desk:
    """A node that is alone: `records` and `facts` are its disk, `now` its clock."""

    def __init__(
        self,
        who: Persona,
        records: Iterable[Record] = (),
        facts: Mapping[str, bytes] | None = None,
        now: int = START_MS,
        **more: Any,
    ) -> None:
        self.who, self.now, self.more = who, now, more
        self.records = {one.id: one for one in records}
        self.facts = {f"scope/{one.scope}": b"1" for one in self.records.values()} | dict(facts or {})
        self.start()

    def start(self) -> None:
        """Begin anew from the disk."""
        self.engine = Engine(
            settings(**self.more),
            [self.who],
            random.Random(1),
            entropy(f"{self.who.key.hex()} {self.now}"),
            self.facts,
            partial(another, self.who),
        )
        for scope in self.engine.scopes():
            self.engine.load(scope, [one for one in self.records.values() if one.scope == scope])

    def do(self, event: Event) -> list[Effect]:
        """The effects of one event, the disk's among them carried out."""
        for scope in self.engine.needs(event):
            self.engine.load(scope, [one for one in self.records.values() if one.scope == scope])
        effects = self.engine.handle(event, self.now)
        for effect in effects:
            match effect:
                case Store(record, _):
                    self.records[record.id] = record
                case Keep(name, value) if value:
                    self.facts[name] = value
                case Keep(name, _):
                    self.facts.pop(name, None)
        return effects

    def tick(self, later_ms: int = 0) -> list[Effect]:
        """Let the node attend to what changed, after a while."""
        self.now += later_ms
        return self.do(Tick())

    def ask(self, command: Any) -> Any:
        """The reply to a command; raises the CommandError it replies."""
        effects = self.do(Submit(1, command))
        assert isinstance(effects[-1], Reply)
        if isinstance(effects[-1].result, CommandError):
            raise effects[-1].result
        return effects[-1].result

    def said(self, kind: str) -> list[Record]:
        """What this node has on disk of a kind."""
        return [one for one in self.records.values() if one.kind == kind]


def until(made: Handmade, state: str) -> list[Record]:
    """What had been said when the co-op, or its deal, came to be in this state."""
    logs: dict[str, tuple[Log, Docket]] = {}
    for at, one in enumerate(made.records):
        log, docket = logs.setdefault(one.scope, (Log(one.scope), Docket()))
        if log.add(one, wanted=True).stored:
            docket.note(one)
        found: Any = (
            read_coop(log, docket, NETWORK, {TEMPLATE.hash: TEMPLATE})
            if one.scope.startswith("coop/")
            else read_deal(log, docket, NETWORK)
        )
        if found is not None and found.state == state:
            return made.records[: at + 1]
    raise LookupError(f"this deal never is {state}")


def at(made: Handmade, state: str, who: Persona, **more: Any) -> Desk:
    """A node that holds all that was said until then, a moment later, and has looked at it."""
    said = until(made, state)
    desk = Desk(who, said, now=said[-1].header.created + 1, **more)
    desk.tick()
    return desk
