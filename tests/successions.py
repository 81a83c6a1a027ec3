"""A deal by hand whose negotiators are recalled one after the other: what members and witnesses sign for it."""

from __future__ import annotations

from typing import Any

from protocol.coop.coop import Coop, term_of
from protocol.coop.term import Term
from protocol.identity import Persona
from protocol.record.record import Record
from tests.deals import Handmade

SUCCESSION = ["dealing", "succeeding", "dealing", "succeeding", "unled"]


def about(term: Term, **more: Any) -> dict[str, Any]:
    """A body that names a term."""
    return {"roster": term.roster, "term": term.number} | more


def recall(made: Handmade, who: Persona, term: Term | None = None) -> Record:
    """A member calls for the end of a term, the present one unless another is named."""
    term = term or term_of(made.coop())
    return made.say(who, "recall.1", made.scope, about(term, reason="silent", remark=""), term.slot("recall"))


def end(made: Handmade, count: int, cause: str = "recalled", term: Term | None = None) -> Term:
    """The first `count` witnesses say that a term is over."""
    term = term or term_of(made.coop())
    for witness in made.witnesses[:count]:
        made.say(witness, "end.1", made.scope, about(term, cause=cause), term.slot("end"))
    return term


def succeed(made: Handmade) -> Coop:
    """The present term ends, and the witnesses certify the mandate of the next in line."""
    coop = made.coop()
    end(made, coop.council.quorum)
    for question in made.coop().open:
        made.decide(made.scope, coop.council, question)
    return made.coop()
