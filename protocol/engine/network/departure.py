"""When what a person signed leaves this node: after a short random while, so that few can tell who sat there and when.

Each persona has its own while (IDN-24), so that two of one home do not speak in one breath. Decides the moment and the
order; never to whom, and nothing is lost meanwhile: it is on the disk, and whoever starts again reconciles it away.
Hidden from the public is the moment, not from the relay that is spoken to.
Spec: 03-gossip, GOS-65; 02-identity, IDN-24.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from protocol.coop.coop import Coop
from protocol.deal.life import Deal
from protocol.engine.context import Context
from protocol.engine.network import spread
from protocol.record.record import Record

if TYPE_CHECKING:
    from protocol.engine.core import Core

_PRESSING = 10  # (g) delays before a box closes
_APART = 200  # (g) delays between what two personas of one home say in public
_PUBLIC = ("board/", "trust/")


def moment(core: Core, author: bytes, scope: str, human: bool) -> int:
    """When a record to be signed now is to have been made: now, or when it will leave.

    What a person says in public under one persona soon after another leaves at a random time, and is stamped with that:
    otherwise whoever compares stamps or hears it come has both (IDN-24).
    """
    if not (human and core.settings.delay_ms and scope.startswith(_PUBLIC)):
        return core.now
    apart = _APART * core.settings.delay_ms
    queue = core.held.get((scope, author))
    if queue is None and any(one != author and core.now < when + apart for one, when in core.spoke.items()):
        queue = core.held[scope, author] = core.now + core.rng.randrange(apart), []
    when = queue[0] if queue is not None else core.now
    core.spoke[author] = max(when, core.spoke.get(author, 0))
    return when


def leave(core: Core, context: Context, record: Record, human: bool) -> None:
    """Pass an own record on: now, or with a delay, but never before what its author said earlier in its scope."""
    several = len(core.personas) > 1  # IDN-24: then also what is done without their person
    post(core, record, (human or several) and not _pressing(core, context))


def post(core: Core, record: Record, late: bool = True) -> None:
    """The same for a record that belongs to no context here, such as a letter."""
    queue = core.held.get((record.scope, record.author))
    if queue is not None:
        due = queue[0]
    elif late and core.settings.delay_ms:
        due = core.now + core.rng.randrange(core.settings.delay_ms)
    else:
        spread.offer(core, record, True, "")
        return
    core.held.setdefault((record.scope, record.author), (due, []))[1].append(record)


def depart(core: Core) -> None:
    """Pass on what has waited for its moment."""
    for at, (due, records) in list(core.held.items()):
        if due <= core.now:
            del core.held[at]
            for record in records:
                spread.offer(core, record, True, "")


def waits(core: Core, scope: str) -> bool:
    """Whether something said in a scope is still to leave: a reconciliation would give it away at once."""
    return any(at == scope for at, _ in core.held)


def gone(core: Core, ids: Iterable[bytes]) -> list[bytes]:
    """Those of these records that need not wait here any more."""
    kept = {record.id for _, records in core.held.values() for record in records} if core.held else ()
    return [one for one in ids if one not in kept]


def deadline(core: Core) -> int | None:
    """When something is due."""
    return min((due for due, _ in core.held.values()), default=None)


def _pressing(core: Core, context: Context) -> bool:
    """Whether a question closes so soon that an answer had better be on its way."""
    view: Coop | Deal | None = None
    if context.family == "coop":
        view = context.coop(core.settings)
    elif context.family == "deal":
        view = context.deal(core.settings)
    latest = core.now + _PRESSING * core.settings.delay_ms
    return view is not None and any(core.now <= question.closes <= latest for question in view.open)
