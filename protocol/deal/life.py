"""A deal as one `deal` scope tells it: its states, what is known of it, and how its stages read it.

Decides what follows from a fact; each stage decides which facts its records amount to. Spec: 08-negotiation, NEG-41.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from protocol.coop.box import Box, Question, held_once, settled
from protocol.coop.coop import question_name
from protocol.coop.decision import Council, Decided, Docket
from protocol.coop.mandate import Mandate
from protocol.deal.award import Agreement, Award, Fallen
from protocol.deal.specification import Specification
from protocol.params import STUCK_MS
from protocol.record.log import Log
from protocol.record.record import Record

# The life of a deal (NEG-41): (state, fact) -> state.
DEAL: Mapping[tuple[str, str], str] = {
    ("asked", "suggestions certified"): "suggested",
    ("asked", "nothing suggested"): "revised",
    ("suggested", "revision certified"): "revised",
    ("revised", "quotations certified"): "quoted",
    ("revised", "nobody quoted"): "void",
    ("asked", "quotations certified"): "quoted",
    ("asked", "nobody quoted"): "void",
    ("quoted", "reveals certified"): "revealed",
    ("quoted", "nobody revealed"): "void",
    ("revealed", "finals certified"): "bettered",
    ("bettered", "finals revealed"): "revealed",
    ("revealed", "award certified"): "awarded",
    ("revealed", "no quotation fits"): "void",
    ("awarded", "commitments certified"): "agreed",
    ("awarded", "a rung fell"): "repairing",
    ("awarded", "no rung stands"): "void",
    ("repairing", "repairs certified"): "agreed",
    ("repairing", "no rung stands"): "void",
    ("agreed", "signatures certified"): "countersigned",
    ("agreed", "nobody signed"): "defaulted",
    ("countersigned", "all delivered"): "delivered",
    ("countersigned", "all cancelled"): "cancelled",
    ("countersigned", "the term ended"): "ended",
}
DEAL_TERMINAL = ("void", "defaulted", "countersigned", "delivered", "cancelled", "ended")


# How often a deal waits for each window while quotations bind; eight boxes settle in between (NEG-24, NEG-48).
_BINDING = {"suggest_ms": 2, "quote_ms": 1, "reveal_ms": 2, "final_ms": 1, "answer_ms": 1, "commit_ms": 1}
_BINDING |= {"repair_ms": 1, "settle_ms": 8}


@dataclass(frozen=True, slots=True)
class Opening:
    """A quotation laid open: what its commitment commits to."""

    nonce: bytes
    quote: bytes


@dataclass(frozen=True, slots=True)
class Deal:
    """What a deal's records amount to; later fields are empty before their time."""

    rfq: Record
    mandate: Mandate
    state: str
    council: Council
    asked: Specification
    open: tuple[Question, ...] = ()
    decided: Mapping[str, Decided] = field(default_factory=dict)
    quotes_from: int = 0
    suggestions: tuple[Record, ...] = ()
    adopted: tuple[bytes, ...] = ()
    revision: bytes = b""
    quotations: tuple[Record, ...] = ()
    drawn: tuple[Record, ...] = ()  # of the quotations those that are opened and ranked (NEG-48)
    reveals: tuple[Record, ...] = ()
    finals: tuple[Record, ...] = ()
    final_reveals: tuple[Record, ...] = ()
    award: Award | None = None
    commitments: tuple[Record, ...] = ()
    fallen: tuple[Fallen, ...] = ()  # what a repair round is, or was, about
    agreements: tuple[Agreement, ...] = ()  # ascending by supplier
    renewals: tuple[Record, ...] = ()

    @property
    def times(self) -> Mapping[str, int]:
        """The durations the request fixes, in ms."""
        times: Mapping[str, int] = self.rfq.body["times"]
        return times

    @property
    def quote_until(self) -> int:
        """When the box of quotations closes; before it is sure that one opens, when it would if nobody suggested."""
        opened = self.quotes_from or self.rfq.header.created + self.times.get("suggest_ms", 0)
        return opened + self.times["quote_ms"]

    @property
    def terms_id(self) -> bytes:
        """What a quotation stands under: the request as the members revised it, or as it was."""
        return self.revision or self.rfq.id

    @property
    def shares(self) -> tuple[tuple[bytes, int], ...]:
        """Who gets how much by all agreements, ascending by member."""
        return tuple(sorted(share for one in self.agreements for share in one.allocation.shares))

    def agreement_of(self, member: bytes) -> Agreement | None:
        """The agreement in which a member has a share."""
        return next((one for one in self.agreements if one.quantity_of(member)), None)

    def agreement_with(self, supplier: bytes) -> Agreement | None:
        """The agreement that a supplier is to keep."""
        return next((one for one in self.agreements if one.supplier == supplier), None)

    @property
    def commit_until(self) -> int:
        """Until when a quotation must be valid: all boxes' times together (NEG-24)."""
        together = sum(self.times.get(name, 0) * count for name, count in _BINDING.items())
        return int(self.rfq.header.created) + together


def stuck(deal: Deal, now: int) -> bool:
    """Whether so few witnesses answer that nothing will be decided any more (FRM-21). What is shown may follow from it,
    never a fold. A poll may be a long time off, and nobody waits for it.
    """
    return deal.state not in DEAL_TERMINAL and now > patience_ends(deal)


def patience_ends(deal: Deal) -> int:
    """Until when an answer may still be expected of the witnesses, by this node's reckoning (FRM-21)."""
    since = max((one.when for one in deal.decided.values()), default=deal.rfq.header.created)
    return max([since, *(one.due for one in deal.open)]) + STUCK_MS


def deal_scope(deal: bytes) -> str:
    """The scope of the deal with this 16-byte id."""
    return "deal/" + deal.hex()


class Reader:
    """One pass over a deal's log, fact by fact through the table; thrown away afterwards."""

    def __init__(self, log: Log, docket: Docket, deal: Deal) -> None:
        self.log, self.docket, self.deal = log, docket, deal
        self.decided: dict[str, Decided] = {}
        self.open: list[Question] = []

    def name(self, base: str) -> str:
        """The name of a question about this request."""
        return question_name(base, self.deal.rfq.id)

    @property
    def newest(self) -> int:
        """The stamp of what was decided last, in the order of reading."""
        return max((one.when for one in self.decided.values()), default=self.deal.rfq.header.created)

    def box(self, base: str, box: Box, opened: int, window: str) -> list[Record] | None:
        """The records a decided box holds, the doubly spoken left out (DEC-14); None while it is open."""
        times = self.deal.times
        closes, since = opened + times[window], min(opened, self.newest)
        question = Question(self.name(base), closes, times["settle_ms"], times["round_ms"], box, opened=since)
        decided = settled(self.log, self.docket, self.deal.council, question)
        if decided is None:
            self.open.append(question)
            return None
        self.decided[question.name] = decided
        return held_once(self.log, box, decided.value)

    def fact(self, fact: str) -> bool:
        """Walk the table; whether there is anything to read beyond."""
        self.deal = replace(self.deal, state=DEAL[(self.deal.state, fact)])
        return self.deal.state != "void"
