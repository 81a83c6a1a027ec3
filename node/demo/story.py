"""What the demo knows while it goes on: stages, co-ops as their members see them, what was said, what went wrong.

Decides when something has happened; never makes anything happen. Spec: 13-node, CLI-20.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

STAGES = (
    *("start", "intents", "groups", "roster", "election", "rfq"),
    *("quotes", "award", "commit", "agreement", "delivery", "attestations"),
)
# How far a state is, and the stages that it completes.
_STATES: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "called": (0, ()),
    "forming": (1, ("groups",)),
    "gathering": (2, ("groups", "roster")),
    "balloting": (3, ("groups", "roster")),
    "counting": (3, ("groups", "roster")),
    "elected": (4, ("groups", "roster")),
    "mandated": (5, ("groups", "roster", "election")),
    **dict.fromkeys(("dealing", "succeeding", "unled"), (6, ("groups", "roster", "election", "rfq"))),
    "asked": (7, ("groups", "roster", "election", "rfq")),
    "quoted": (8, ("groups", "roster", "election", "rfq", "quotes")),
    "revealed": (9, ("groups", "roster", "election", "rfq", "quotes")),
    "awarded": (10, STAGES[2:8]),
    "repairing": (11, STAGES[2:8]),
    "agreed": (12, STAGES[2:10]),
    "countersigned": (13, STAGES[2:10]),
    "delivered": (14, STAGES[2:11]),
    **dict.fromkeys(("void", "defaulted", "cancelled", "ended"), (15, ())),
}
LINES_MAX = 200


class TookTooLong(TimeoutError):
    """A wait ended without what was waited for; the sentence says what."""


@dataclass(slots=True)
class Story:
    """Everything seen so far. `coops`: by id, the furthest row that any member's node has shown."""

    tell: Callable[[float, str], None]
    began: float = field(default_factory=time.monotonic)
    stages: dict[str, float] = field(default_factory=dict)
    coops: dict[str, dict[str, Any]] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)  # persona's key in hex -> id or label
    problems: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # supplier's key -> clause
    declined: dict[str, str] = field(default_factory=dict)  # member's key -> reason
    attested: dict[tuple[str, str, str, str], None] = field(default_factory=dict)  # (co-op, author, subject, role)
    open_to_attest: dict[str, None] = field(default_factory=dict)  # co-ops
    answers: dict[str, int] = field(default_factory=dict)  # co-op -> lots committed to or declined
    ranked: dict[str, None] = field(default_factory=dict)  # co-ops whose ranking was told
    _reached: dict[tuple[str, str], None] = field(default_factory=dict)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self.began

    def say(self, sentence: str) -> None:
        """Somebody did something."""
        self.tell(self.seconds, sentence)
        self.moved()

    def trouble(self, sentence: str) -> None:
        """Something that must not happen did."""
        self.problems.append(sentence)
        self.say(f"PROBLEM: {sentence}")

    def name(self, key: str) -> str:
        """Who a key is."""
        return self.people.get(key, key[:8])

    def reach(self, stage: str, coop: str = "") -> None:
        """A stage is complete, for this co-op; its time is that of the last co-op that came so far."""
        if (stage, coop) not in self._reached:
            self._reached[stage, coop] = None
            self.stages[stage] = round(self.seconds, 1)
            self.say(f"{stage}" + (f": co-op {coop[:8]}" if coop else ""))

    def rank(self, coop: str, deal: dict[str, Any]) -> None:
        """The quotations of a co-op are open, and ranked alike by all: told once, with the reasons."""
        if coop in self.ranked:
            return
        self.ranked[coop] = None
        count = len(deal["quotations"])
        self.say(f"the witnesses release their shares; each node opens {count} quotations and ranks them by itself:")
        for line in deal.get("ranking", ()):
            for key, name in self.people.items():
                line = line.replace(key[:8], name)
            self.say(f"  {line}")

    def answer(self, coop: str, lots: int) -> None:
        """A member has committed or declined; when all have, the stage is complete."""
        self.answers[coop] = self.answers.get(coop, 0) + 1
        if self.answers[coop] == lots:
            self.reach("commit", coop)

    def see(self, rows: list[dict[str, Any]]) -> None:
        """What a node shows of its co-ops; older news than what is known changes nothing."""
        for row in rows:
            known = self.coops.get(row["id"])
            if row["state"] == "called" or (known and _STATES[known["state"]][0] > _STATES[row["state"]][0]):
                continue
            self.coops[row["id"]] = row
            if known is None or known["state"] != row["state"]:
                for stage in _STATES[row["state"]][1]:
                    self.reach(stage, row["id"])
                if row["state"] == "countersigned":
                    self.say(f"{self.name(row['supplier'])} countersigns what the members have signed")
                if row["state"] == "void":
                    self.say(f"co-op {row['id'][:8]} ends without a deal")
        self.moved()

    def placed(self) -> int:
        """How many persons are on a certified roster."""
        return len(dict.fromkeys(key for row in self.coops.values() for key in row["keys"]))

    def moved(self) -> None:
        """Wakes everybody who waits for something to become true."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def until(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        """Returns when `true`; raises TookTooLong after `seconds`, naming `what` was waited for."""
        end = time.monotonic() + seconds
        while not true():
            left = end - time.monotonic()
            if left <= 0:
                raise TookTooLong(f"waited {seconds:.0f} s for {what}")
            moved = self._moved
            try:
                await asyncio.wait_for(moved.wait(), min(left, 1.0))
            except TimeoutError:
                continue
