"""Records that another process of the same store took: they are on the disk, and here they are news.

Decides what of them is kept in mind and passed on; never judges them again, and never stores them.
Spec: 14-store, STO-24.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.engine.network import carry, post, spread, steward
from protocol.errors import Ignore
from protocol.record.outline import outline
from protocol.record.record import Record

if TYPE_CHECKING:
    from protocol.engine.core import Core


def shared(core: Core, record: Record) -> None:
    """Take it in as if it had just been read from the disk, and give it to our own neighbours.

    A scope that is not in memory is read when it is needed, with this record in it. Raises Ignore for what this node
    takes from nobody.
    """
    scope = record.scope
    if scope not in core.followed and not post.carried(core, scope):
        return
    steward.check(core, record, "")
    if not _is_news(core, record):
        return
    spread.offer(core, record, False, "")
    if scope in core.shelves or scope in core.contexts:
        core.admit_waiting(scope, (record.id,))


def _is_news(core: Core, record: Record) -> bool:
    """Whether it is to be passed on: what is in memory already came from elsewhere too, and went on its way."""
    scope, context = record.scope, core.contexts.get(record.scope)
    if scope in core.shelves:
        try:
            added = core.shelves[scope].add(outline(record), awaited=True, standing=True)
        except Ignore:
            return False
        carry.noted(core, record)
        return added
    if context is None:
        return True
    if record.id in context.wire.records:
        return False
    try:
        core.refill(context, record)
    except Ignore:
        return scope in core.carried or core.settings.role == "relay"
    if context.expires is None or record.header.expires < context.expires:
        context.expires = record.header.expires
    return True
