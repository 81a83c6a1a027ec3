"""When what a person signed leaves this node: after a short random while, so that few can tell who sat there and when.

Decides the moment and the order; never to whom, and nothing is lost meanwhile: it is on the disk, and whoever starts
again reconciles it away. Hidden from the public is the moment, not from the relay that is spoken to.
Spec: 03-gossip, GOS-65.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.coop.coop import Coop
from protocol.deal.life import Deal
from protocol.engine.context import Context
from protocol.engine.network import spread
from protocol.record.record import Record

if TYPE_CHECKING:
    from protocol.engine.core import Core

_PRESSING = 10  # (g) delays before a box closes


def leave(core: Core, context: Context, record: Record, human: bool) -> None:
    """Pass an own record on: now, or with a delay, but never before what was said earlier in its scope."""
    post(core, record, human and not _pressing(core, context))


def post(core: Core, record: Record, late: bool = True) -> None:
    """The same for a record that belongs to no context here, such as a letter."""
    queue = core.held.get(record.scope)
    if queue is not None:
        due = queue[0]
    elif late and core.settings.delay_ms:
        due = core.now + core.rng.randrange(core.settings.delay_ms)
    else:
        spread.offer(core, record, True, "")
        return
    core.held.setdefault(record.scope, (due, []))[1].append(record)


def depart(core: Core) -> None:
    """Pass on what has waited for its moment."""
    for scope, (due, records) in list(core.held.items()):
        if due <= core.now:
            del core.held[scope]
            for record in records:
                spread.offer(core, record, True, "")


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
