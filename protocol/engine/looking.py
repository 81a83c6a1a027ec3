"""What this node's person may expect of somebody, computed here or, when there is much to go by, in a worker.

Decides where it is computed; changes nothing. Spec: 10-reputation, REP-10 and REP-19; 13-node, API-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol import commands as ask
from protocol.engine.carrying import stands_for
from protocol.engine.coop.outlook import held
from protocol.engine.core import Core
from protocol.engine.deal import blame
from protocol.engine.trust.knowing import about
from protocol.errors import CommandError
from protocol.events import Reply
from protocol.params import LOOK_INLINE_MAX
from protocol.trust.accountability import trust_scope
from protocol.trust.view import view


@dataclass(frozen=True, slots=True)
class Later:
    """A look that takes a worker: who is looked at, and the arguments of `view.view`."""

    about: str
    arguments: tuple[Any, ...]


def standing_of(core: Core, command: ask.AskStanding) -> dict[str, Any] | Later:
    """This observer's view of a subject in a role, with the reasons."""
    known = held(core)
    arguments = (known, core.now, stands_for(core, command.subject), command.role)
    if len(known.said) > LOOK_INLINE_MAX:  # REP-19
        return Later(f"{command.subject.hex()} {command.role}", arguments)
    return _told(core, command.subject, command.role, view(*arguments))


def looked(core: Core, job: str, result: dict[str, Any] | None) -> bool:
    """A worker has looked: answer who asked. Whether the job was one of these."""
    if not job.startswith("look "):
        return False
    _, request, subject, role = job.split(" ", 3)
    answer: Any = CommandError("REP-19", "standing: it could not be computed; the node's log says why")
    if result is not None:
        answer = _told(core, bytes.fromhex(subject), role, result)
    core.out.append(Reply(int(request), answer))
    return True


def _told(core: Core, subject: bytes, role: str, found: dict[str, Any]) -> dict[str, Any]:
    whom = stands_for(core, subject)
    why = [*found["why"], *_defaults(core, whom, role), *about(core, subject)]
    return {"subject": subject, "role": role, **found, "why": why, "scope": trust_scope(whom)}


def _defaults(core: Core, subject: bytes, role: str) -> list[str]:
    """What is proved of a supplier, in words: it counts as the observer's own experience (ATT-20)."""
    found = blame.defaults(core, subject) if role == "supplier" else []
    return [f"proved: sealed quotation {one.id.hex()[:8]} so that it cannot be opened [{code}]" for one, code in found]
