"""To whom a record that was just taken is passed on.

Decides the neighbours; never whether the record is good. Spec: 03-gossip, GOS-10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.events import Publish
from protocol.record import Record

if TYPE_CHECKING:
    from protocol.engine.core import Core


def offer(core: Core, record: Record, own: bool, source: str) -> None:
    """Pass a record on to all who follow its scope, except whom it came from."""
    peers = tuple(  # GOS-10: whom we dialled may not have had the time to subscribe to a scope we just began
        one.name
        for one in core.neighbours.values()
        if (record.scope in one.scopes or (own and one.outbound)) and one.name != source
    )
    if peers:
        core.out.append(Publish(record, peers))
