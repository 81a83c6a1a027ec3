"""How a co-op stands, in words: what happened, whose silence it was, and what a member can do now.

Decides words only, and changes nothing. Spec: 05-formation, FRM-21; 09-accountability, AGR-22.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.coop.coop import Coop, stuck
from protocol.record.log import Log

_FREE = "Your intent and your pledge are free: found or join the next co-op."
_OPEN = {
    "roster": "Whoever is called or invited may join until the box closes; who is silent is not on the roster.",
    "pledges": "Each member may pledge until the box closes; for who is silent nothing is ordered.",
    "candidates": "Each member may stand until the box closes.",
    "ballots": "Each member may vote until the box closes; who is silent is not counted.",
    "counts": "The box is closed; its witnesses release what opens the ballots.",
    "mandate": "The witnesses sign the mandate of the next in line.",
    "deal": "The negotiator is to ask suppliers until the box closes; else the next in line is asked.",
}


def told(coop: Coop, log: Log, now: int) -> tuple[str, ...]:
    """The state in sentences, what matters most first; () once its deal tells more."""
    if coop.state == "void":
        return (_void(coop), _FREE)
    if coop.state == "called":
        slow = [key for key in coop.council.witnesses if not log.slot("accept.1", key, "accept")]
        waits = f"{_names(slow)} have not accepted to be witnesses" if slow else "The charter waits for its witnesses"
        if now > coop.charter.header.created + coop.times["join_ms"]:
            return (f"{waits} while there was time: it is over.", _FREE)
        return (f"{waits} yet.",)
    if stuck(coop, now):
        base = coop.open[0].name.partition("/")[0] if coop.open else coop.state
        return (f"Too few witnesses have answered on {base} for two weeks: nothing is decided here any more.", _FREE)
    if coop.charter.header.expires <= now:
        return ("Its own time is over.", _FREE)
    before = coop.line[: coop.term - 1]
    passed = (f"{_names(before)} asked nobody, so the next in line is asked.",) if before else ()
    return (*passed, *(_OPEN[base] for one in coop.open if (base := one.name.partition("/")[0]) in _OPEN))


def _void(coop: Coop) -> str:
    """Why nothing came of it."""
    if not coop.demands:
        least = coop.charter.body["least"]
        joined = f"{len(coop.members)} joined, and it needs {least}"
        return f"Too few joined: {joined}." if len(coop.members) < max(2, least) else "Nobody pledged."
    if not any(one.want for one in coop.demands):
        return "Nobody pledged anything."
    if not coop.candidates:
        return "Nobody stood for negotiator."
    if coop.tally is None:
        return "None of the ballots could be opened." if coop.ballots else "Nobody voted."
    return f"{_names(coop.line)} were elected one after the other, and none asked suppliers in time."


def _names(keys: Sequence[bytes]) -> str:
    return ", ".join(key.hex()[:8] for key in keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
