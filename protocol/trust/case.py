"""What becomes of a voice: answered, settled, or a case of talk, mediation and an outcome; and of what was agreed.

Decides the whole course from the records alone, as if every deadline had passed: the clock only says how far it has
come. Spec: 19-remedy, RMD-10 to RMD-25.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.coop.decision import Council
from protocol.deal.life import Deal
from protocol.params import VOICES_MAX
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.trust import mediation
from protocol.trust.voice import Hours, hours, sides, under, voice_slot

# The life of a voice (RMD-10): (state, fact) -> state.
CASE: Mapping[tuple[str, str], str] = {
    ("raised", "answered"): "answered",
    ("raised", "not answered in time"): "unanswered",
    ("unanswered", "answered"): "answered",
    ("raised", "a case is opened"): "talk",
    ("answered", "a case is opened"): "talk",
    ("unanswered", "a case is opened"): "talk",
    ("talk", "both have named"): "drawing",
    ("talk", "talk is over"): "naming",
    ("talk", "nobody to ask"): "unmediated",
    ("naming", "both have named"): "drawing",
    ("naming", "somebody to ask"): "asking",
    ("naming", "nobody to ask"): "unmediated",
    ("drawing", "somebody to ask"): "asking",
    ("drawing", "nobody to ask"): "unmediated",
    ("asking", "accepted"): "mediation",
    ("asking", "nobody to ask"): "unmediated",
    ("mediation", "mediation is over"): "disagreed",
    ("repairing", "all confirmed"): "remedied",
    ("repairing", "done, not confirmed"): "unconfirmed",
    ("repairing", "not done"): "unremedied",
    ("unconfirmed", "all confirmed"): "remedied",
    ("unremedied", "all confirmed"): "remedied",
} | {
    (state, fact): then
    for state in "raised answered unanswered talk naming drawing asking mediation unmediated disagreed".split()
    for fact, then in (("plan agreed", "repairing"), ("settled", "settled"), ("withdrawn", "withdrawn"))
}
CASE_TERMINAL = ("settled", "withdrawn", "unmediated", "disagreed", "remedied", "unconfirmed", "unremedied")
RESTING = (*CASE_TERMINAL, "answered", "unanswered")  # nothing happens any more unless somebody says something
# What is done by both sides stands whenever it was done, so it is looked for first.
_FIRST = ("all confirmed", "plan agreed", "settled", "withdrawn")


@dataclass(frozen=True, slots=True)
class Stage:
    """One state of the course: from when, until when at the latest (0: for ever), and the fact that led to it."""

    state: str
    since: int
    until: int
    fact: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One of the line: asked from when until when, and what came of it: accept, decline or "" for silence."""

    key: bytes
    since: int
    until: int
    answer: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing that the plan makes one side owe the other; hours in Unix ms, 0 while nothing was said."""

    by: bytes
    to: bytes
    what: str
    due: int
    done: int
    confirmed: int
    contested: int

    def well(self, end: int) -> bool:
        """Whether by then it was confirmed, or done and not contested (RMD-21); what is said later changes nothing."""
        return 0 < self.confirmed <= end or (0 < self.done <= end and not 0 < self.contested <= end)


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice and what became of it, by the records; the course is complete, whatever time it is."""

    record: Record
    start: int
    until: int  # of the reply
    course: tuple[Stage, ...]
    reply: Record | None
    replied: int  # the hour, 0 without one
    doubt: str  # what its author says of the reply: empty, unreadable, or nothing
    line: tuple[Asked, ...]
    mediator: bytes
    plan: Record | None
    remedies: tuple[Remedy, ...]
    follow: tuple[tuple[bytes, str], ...]

    @property
    def author(self) -> bytes:
        """Who spoke up."""
        return self.record.author

    @property
    def subject(self) -> bytes:
        """Who is spoken to."""
        subject: bytes = self.record.body["subject"]
        return subject

    @property
    def pair(self) -> tuple[bytes, bytes]:
        """Both sides, the author first."""
        return self.author, self.subject

    @property
    def outcome(self) -> str:
        """The state in which the course ends."""
        return self.course[-1].state

    def stage(self, now: int) -> Stage:
        """How far the course has come by this clock."""
        return [one for one in self.course if one.since <= now or one is self.course[0]][-1]

    @property
    def in_time(self) -> bool:
        """Whether the subject answered within the time to reply."""
        return 0 < self.replied <= self.until


def read_voices(log: Log, deal: Deal, council: Council) -> tuple[Voice, ...]:
    """Every voice of a deal, by hour; of one author about one subject as many as RMD-2 allows, none said twice."""
    if "voice_ms" not in deal.times:
        return ()
    said = hours(log, council, deal)
    plans: dict[bytes, list[Record]] = {}
    for one in log.of_kind("plan.1"):
        plans.setdefault(one.body["voice"], []).append(one)
    standing = [one for one in log.of_kind("voice.1") if _stands(log, deal, one)]
    found = [_Reader(log, deal, said, one, plans.get(one.id, [])).read() for one in standing]
    return tuple(sorted(found, key=lambda one: (one.start, one.record.id)))


def _stands(log: Log, deal: Deal, voice: Record) -> bool:
    body, slot = voice.body, voice.header.slot
    mine = [voice_slot(body["agreement"], body["subject"], number) for number in range(VOICES_MAX)]
    placed = slot is not None and slot.name in mine and log.sole("voice.1", voice.author, slot.name) is voice
    return placed and sides(deal, body["agreement"], voice.author, body["subject"])


class _Reader:
    """One pass over what was said under one voice; thrown away afterwards."""

    def __init__(self, log: Log, deal: Deal, said: Hours, voice: Record, plans: Sequence[Record]) -> None:
        self.log, self.deal, self.said, self.voice, self.plans = log, deal, said, voice, plans
        self.pair: tuple[bytes, bytes] = (voice.author, voice.body["subject"])
        self.voice_ms, self.mediate_ms = deal.times["voice_ms"], deal.times.get("mediate_ms", 0)
        self.plan = self._agreed()
        self.line: list[Asked] = []
        self.course: list[Stage] = []

    def read(self) -> Voice:
        """The course, stage by stage: of what may happen in a state, what happens first."""
        start = self.said(self.voice)
        reply = self.log.sole("words.1", self.pair[1], under("words", self.voice.id, 0))
        self.replied = self.said(reply) if reply is not None else 0
        self._enter("raised", start, "")
        while (then := self._next()) is not None:
            when, fact = then
            self._enter(CASE[(self.course[-1].state, fact)], when, fact)
        doubt = next((one for one in ("empty", "unreadable") if self._step(one, self.pair[0])), "")
        taken = [one.key for one in self.line if one.answer == "accept"]
        return Voice(
            self.voice,
            start,
            start + self.voice_ms,
            tuple(self.course),
            reply,
            self.replied,
            doubt if reply is not None else "",
            tuple(self.line),
            taken[0] if taken else b"",
            self.plan,
            tuple(self._remedies()),
            tuple((key, answer) for key in sorted(self.pair) if (answer := self._follow(key))),
        )

    def _enter(self, state: str, since: int, fact: str) -> None:
        until = since + self._window(state)
        if state == "asking":
            self._ask(since)
            until = self.line[-1].until
        elif state == "repairing" and self.plan is not None:
            until = max(since, *(one["due"] for one in self.plan.body["remedies"])) + self.voice_ms
        self.course.append(Stage(state, since, 0 if state in RESTING else until, fact))

    def _window(self, state: str) -> int:
        return self.mediate_ms if state in ("naming", "drawing", "mediation") else self.voice_ms

    def _next(self) -> tuple[int, str] | None:
        """What happens first from here on, and when; None when nothing more is said."""
        stage = self.course[-1]
        facts = {fact: when for (state, fact) in CASE if state == stage.state and (when := self._when(fact, stage))}
        if not facts:
            return None
        order = [*_FIRST, *facts]
        return min((max(facts[fact], stage.since), order.index(fact), fact) for fact in facts)[::2]

    def _when(self, fact: str, stage: Stage) -> int:
        """The hour of a fact, 0 for one that is none (yet)."""
        match fact:
            case "answered":
                late = self.replied > stage.until and stage.until > 0
                return 0 if late else self.replied
            case "a case is opened":
                opened = [one for key in self.pair if (one := self._step("case", key))]
                return min(opened, default=0)
            case "settled" | "withdrawn":
                return self._step(fact, self.pair[0])
            case "plan agreed":
                agreed = self._agreements(self.plan) if self.plan is not None else []
                return max(agreed, default=0)
            case "both have named":
                both = [mediation.committed(self.log, self.voice.id, key) for key in self.pair]
                return self._both(both, stage.until) if self.mediate_ms else 0
            case "accepted":
                taken = [one for one in self.line if one.answer == "accept"]
                return taken[0].until if taken else 0
            case "all confirmed":
                hours = [one.confirmed for one in self._remedies()]
                return max(hours) if hours and all(hours) else 0
            case _:
                return self._over(fact, stage)

    def _over(self, fact: str, stage: Stage) -> int:
        """What follows when the time of a stage is over, or nobody needs more of it."""
        end = stage.until
        match (stage.state, fact):
            case ("talk", "talk is over"):
                return end if self.mediate_ms else 0
            case ("talk", "nobody to ask"):
                return 0 if self.mediate_ms else end
            case ("naming" | "drawing", "somebody to ask" | "nobody to ask"):
                if stage.state == "drawing":
                    lists = [mediation.revealed(self.log, self.voice.id, key) for key in self.pair]
                    end = self._both(lists, end) or end
                return end if bool(self._whom(stage)) == (fact == "somebody to ask") else 0
            case ("repairing", "done, not confirmed" | "not done"):
                owed = self._remedies()
                well = all(one.well(end) for one in owed)
                return end if well == (fact == "done, not confirmed") else 0
        return end

    def _both(self, said: list[Record | None], until: int) -> int:
        """When the later of both was said; 0 when one is missing or came too late."""
        hours = [self.said(one) for one in said if one is not None]
        return max(hours) if len(hours) == len(self.pair) and max(hours) <= until else 0

    def _whom(self, stage: Stage) -> tuple[bytes, ...]:
        """The line; a list that came too late names nobody, so that who waits to see the other's gains nothing."""
        lists = [mediation.revealed(self.log, self.voice.id, key) for key in self.pair]
        late = stage.state == "naming" or not self._both(lists, stage.until)
        return mediation.line(self.log, self.deal, self.voice, drawn_too=not late)

    def _ask(self, since: int) -> None:
        """Ask one after the other; who was asked may answer until their time is over."""
        for key in self._whom(self.course[-1]):
            said = self.log.sole("step.1", key, f"step/{self.voice.id[:8].hex()}/mediate/0")
            hour, end = (self.said(said) if said is not None else 0), since + self.mediate_ms
            answer = said.body["step"] if said is not None and hour <= end else ""
            since = max(since, hour) if answer else end
            self.line.append(Asked(key, end - self.mediate_ms, since, answer))
            if answer == "accept":
                return

    def _step(self, step: str, key: bytes, plan: bytes = b"", index: int = 0) -> int:
        """The hour of a step, 0 where it was not taken or its slot holds two; a step of a plan stands even then."""
        about = (plan or self.voice.id)[:8].hex()
        group = "end" if step in ("settled", "withdrawn") else "answer" if step in ("empty", "unreadable") else step
        held = self.log.slot("step.1", key, f"step/{about}/{group}/{index}")
        good = [one for one in held if one.body["step"] == step and one.body["voice"] == self.voice.id]
        good = [one for one in good if one.body.get("plan", b"") == plan]
        if not good or (not plan and len(held) > 1):
            return 0
        return min(self.said(one) for one in good)

    def _follow(self, key: bytes) -> str:
        held = self.log.sole("step.1", key, f"step/{self.plan.id[:8].hex()}/follow/0") if self.plan else None
        return str(held.body["step"]) if held is not None else ""

    # Plans

    def _agreements(self, plan: Record) -> list[int]:
        """The hours at which both sides agreed to it; empty while one has not."""
        found = [self._step("agree", key, plan.id) for key in self.pair]
        return found if all(found) else []

    def _agreed(self) -> Record | None:
        """The plan that both signed; of several the one agreed last."""
        plans = [one for one in self.plans if self._fits(one)]
        agreed = [(max(hours), one.id, one) for one in plans if (hours := self._agreements(one))]
        return max(agreed, key=lambda one: one[:2])[2] if agreed else None

    def _fits(self, plan: Record) -> bool:
        """Whether it binds only the two, and comes to its end before the records do (RMD-20)."""
        latest = self.deal.rfq.header.expires - self.voice_ms
        return all(one["by"] in self.pair and one["due"] <= latest for one in plan.body["remedies"])

    def _remedies(self) -> list[Remedy]:
        if self.plan is None:
            return []
        found = []
        for index, one in enumerate(self.plan.body["remedies"]):
            owed = self.pair[1] if one["by"] == self.pair[0] else self.pair[0]
            hours = [self._step("done", one["by"], self.plan.id, index)]
            hours += [self._step(step, owed, self.plan.id, index) for step in ("confirmed", "contested")]
            found.append(Remedy(one["by"], owed, one["what"], one["due"], *hours))
        return found
