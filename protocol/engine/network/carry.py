"""Records of scopes that this node carries for others and takes no part in.

Decides what is shelved and passed on, and how a carried scope becomes one that this node takes part in; what takes a
view of the co-op or deal to judge is left to those who take part. Spec: 03-gossip, GOS-40.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from protocol.coop.charter import is_charter
from protocol.engine.coop import room
from protocol.engine.network import post, spread, steward
from protocol.engine.network.door import NOTED_KINDS, Door
from protocol.errors import Ignore
from protocol.events import Store
from protocol.network.gossip import Want
from protocol.network.shelf import Shelf
from protocol.params import CONTEXTS_MAX, SHELVED_ITEMS_MAX, SHELVES_MAX
from protocol.record.outline import Outline, outline
from protocol.record.record import Record

if TYPE_CHECKING:
    from protocol.engine.core import Core

_LOOK = 1024  # (g) records that one shelf grows by until somebody looks at all of them


def shelf_of(core: Core, scope: str) -> Shelf:
    """The shelf of a carried scope, made empty when it is not in memory; used last from now on."""
    shelf = core.shelves.pop(scope, None) or Shelf(scope)
    core.shelves[scope] = shelf
    if shelf.expires is not None and shelf.expires <= core.now:
        shelf.expire(core.now)
        core.states.pop(scope, None)
    return shelf


def load(core: Core, scope: str, rows: Iterable[Record | Outline]) -> None:
    """Fill a shelf from what the disk holds."""
    heard = [one for one in rows if not steward.silenced(core, scope, one.author)]
    records = [one for one in heard if isinstance(one, Record)]
    outlines = [one for one in heard if isinstance(one, Outline)] or [outline(one) for one in records]
    core.shelves[scope], door = Shelf(scope, outlines), Door()
    for record in sorted(records, key=lambda one: one.kind in ("vote.1", "end.1")):  # after what says who is a witness
        door.note(record)
    if records:
        core.doors[scope] = door
    core.states.pop(scope, None)
    core.crowded = True


def forget(core: Core, scope: str) -> None:
    """Drop a shelf from memory; the state of the scope stays known."""
    shelf = core.shelves.pop(scope, None)
    core.doors.pop(scope, None)
    if shelf is not None and scope in core.carried:
        core.states[scope] = shelf.items.fingerprint(0, len(shelf))


def concerns(core: Core, record: Record) -> bool:
    """Whether a record gives an own persona a part in its scope, which is then followed for itself."""
    if record.kind != "charter.1" or not is_charter(record):
        return False
    if not any(key in core.personas for key in (*record.body["witnesses"], *record.body["listed"])):
        return False
    core.follow(record.scope)
    return True


def admit(core: Core, record: Record, peer: str) -> bool:
    """Whether a record was taken; False when it was held already, or waits (GOS-6). Raises Ignore."""
    shelf, one = shelf_of(core, record.scope), outline(record)
    if shelf.holds(one):
        spread.again(core, record, peer)
        return False
    lacking = [ref for ref in record.header.refs if ref not in shelf]
    if lacking:
        neighbour = core.neighbours.get(peer)
        if neighbour is not None:
            neighbour.wait(record)
            core.send(peer, Want(record.scope, tuple(lacking)))
        return False
    if record.scope.startswith("mail/"):
        post.check(core, len(shelf), shelf.weight, record, peer)
    door = core.doors.get(record.scope) or Door()
    standing = door.check(record, core.settings.network)
    if not standing:
        room.check_newcomer(shelf, one.author, core.neighbours.get(peer))
    if not shelf.add(one, core.awaited(record), standing, door.needs(record)):
        return False
    noted(core, record)
    if record.scope not in core.followed:
        core.follow(record.scope, lasting=False)
    core.crowded = core.crowded or len(shelf) % _LOOK == 0
    core.out.append(Store(record, False))
    spread.offer(core, record, False, peer)
    return True


def noted(core: Core, record: Record) -> None:
    """A record stands on a shelf now."""
    core.states.pop(record.scope, None)
    if record.kind in NOTED_KINDS:
        core.doors.setdefault(record.scope, Door()).note(record)


def surplus(core: Core) -> tuple[str, ...]:
    """What to drop from memory, used longest ago first: shelves, so many and with so many items, and idle contexts."""
    spare = len(core.contexts) - CONTEXTS_MAX
    known = core.contexts if spare > 0 else ()
    idle = [one for one in known if f"scope/{one}" not in core.facts and one not in core.dirty]
    if not core.crowded:
        return tuple(idle[:spare])
    core.crowded = False
    sizes = {scope: len(shelf) for scope, shelf in core.shelves.items()}
    count, items, gone = len(sizes), sum(sizes.values()), list[str]()
    for scope, size in sizes.items():
        if count <= SHELVES_MAX and items <= SHELVED_ITEMS_MAX:
            break
        count, items = count - 1, items - size
        gone.append(scope)
    return (*gone, *idle[: max(0, spare)])


def adopt(core: Core, scope: str) -> None:
    """Take part in a scope that was only carried: its records are read in full before the next event."""
    core.carried.pop(scope, None)
    core.shelves.pop(scope, None)
    core.doors.pop(scope, None)
    core.states.pop(scope, None)
    core.unread[scope] = None


def judge(core: Core, scope: str, records: Iterable[Record]) -> None:
    """Fill the context of a scope that was or may have been carried with those records that this node would take."""
    context, left = core.context(scope), list(records)
    while left:
        waiting = []
        for record in left:
            try:
                if not core.refill(context, record):
                    waiting.append(record)
            except Ignore:
                waiting.append(record)
        if len(waiting) == len(left):
            return
        left = waiting
