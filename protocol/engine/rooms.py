"""What a node does for a room: makes its epochs, seals what it says, opens what it gets, and hands on keys.

Decides when there is to be a new epoch and which one is spoken in. Two logs: `wire` is what is kept, carried and
compared; `log` is what is read, and holds what envelopes open to. Nothing in `log` depends on the order in which
envelopes, epochs and keys arrive. Spec: 11-room, ROO-3 to ROO-17.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from protocol.encoding import encode
from protocol.engine.context import Context, is_early
from protocol.engine.groups import groups, patience, root_of, seed_of
from protocol.engine.place import check_place
from protocol.engine.silence import alone_from
from protocol.errors import Ignore, NotNow
from protocol.identity import KEY_BYTES, Persona
from protocol.params import EPOCH_SLACK, UNLOCKS_MAX
from protocol.record.log import Added
from protocol.record.record import Record
from protocol.room.book import ENVELOPE, is_sealed
from protocol.room.epoch import Group, commit, is_epoch_of, welcome
from protocol.trust.accountability import came_late

if TYPE_CHECKING:
    from protocol.engine.core import Core

_KEYS = ("epoch.1", "unlock.1")


# Reading


def read(core: Core, context: Context, record: Record, added: Added) -> None:
    """A record was `added` to the wire log: read it, and whatever can be read now."""
    if not context.split:
        _noted(core, context, record, added)
        return
    if record.kind == ENVELOPE:
        context.book.hold(record)
    else:
        _enter(core, context, record)
    if record.kind in _KEYS:
        _learn(core, context, record.id if record.kind == "epoch.1" else record.body["epoch"])
    _settle(core, context)


def load(core: Core, context: Context) -> None:
    """All that stands in the wire log, which came from the disk: what is open first, and then the envelopes."""
    for record in context.wire.records.values():
        if record.kind == ENVELOPE:
            context.book.hold(record)
        else:
            _enter(core, context, record, loading=True)
    for record in sorted(context.log.of_kind("epoch.1"), key=lambda one: one.id):
        _learn(core, context, record.id)
    _settle(core, context, loading=True)


def _settle(core: Core, context: Context, loading: bool = False) -> None:
    """Open what can be opened and take from it what has a say here; what still waits for its refs stays (ROO-13)."""
    book, moved = context.book, True
    while moved:
        moved = book.open(core.settings.network)
        for inner in list(book.waiting.values()):
            moved = _enters(core, context, inner, loading) or moved


def _enters(core: Core, context: Context, inner: Record, loading: bool) -> bool:
    """Whether a record from an envelope was taken: by the very checks of one that is said openly."""
    if any(ref not in context.log.records for ref in inner.header.refs) or is_early(context, inner, core.settings):
        return False
    del context.book.waiting[inner.id]
    try:
        check_place(core, context, inner)
    except Ignore:
        return False
    _enter(core, context, inner, loading)
    return True


def _enter(core: Core, context: Context, record: Record, loading: bool = False) -> None:
    """Put an admitted record into the log that is read, whatever room there is: the wire log bounds both."""
    try:
        added = context.log.add(record, wanted=True, standing=True, needed=True)
    except Ignore:
        return  # a later version stands there
    if added.stored and loading:
        context.docket.note(record)
    elif added.stored:
        _noted(core, context, record, added)


def _noted(core: Core, context: Context, record: Record, added: Added) -> None:
    """A record is new in the log that is read."""
    context.wanted.pop(record.id, None)
    if came_late(record, core.now):
        core.keep(f"seen/{record.id.hex()}", encode(core.now))
    context.docket.note(record)
    core.changed(context.scope)
    if added.proof is not None:
        core.notify("fault", author=record.author, kind=record.kind, scope=record.scope)


def pleas(context: Context) -> dict[bytes, dict[bytes, int]]:
    """Maker of epochs -> who could not open them -> how many (ROO-7)."""
    found: dict[bytes, dict[bytes, int]] = {}
    for plea in context.log.of_kind("locked.1"):
        epoch = context.log.records.get(plea.body["epoch"])
        if epoch is not None:
            by = found.setdefault(epoch.author, {})
            by[plea.author] = by.get(plea.author, 0) + 1
    return found


def spent(blamed: Mapping[bytes, Mapping[bytes, int]], maker: bytes) -> bool:
    """Whether somebody was left out of so many of a maker's epochs that they ask no more (ROO-6, ROO-14)."""
    return any(count >= UNLOCKS_MAX for count in blamed.get(maker, {}).values())


def about(record: Record) -> tuple[bytes, int]:
    """The epoch and the place that somebody asks or answers about."""
    return record.body["epoch"], record.body["place"]


def _learn(core: Core, context: Context, epoch_id: bytes) -> None:
    """Find the secret of an epoch: as its maker sealed it, or as somebody passed it on (ROO-4, ROO-7)."""
    epoch = context.log.records.get(epoch_id)
    if epoch is None or epoch.kind != "epoch.1" or epoch_id in context.book.epochs:
        return
    group = groups(core, context).get(epoch.body["group"])
    if group is None or not is_epoch_of(group, epoch):
        return
    for persona in core.personas.values():
        place = group.place_of(persona.key)
        if place is None:
            continue
        seed = seed_of(core, context, group.name, persona)
        answers = (one for one in context.log.of_kind("unlock.1") if about(one) == (epoch_id, place))
        for key in (epoch.body["keys"][place], *(one.body["key"] for one in answers)):
            secret = welcome(epoch.body, key, seed)
            if secret is not None:
                context.book.learn(epoch_id, secret)
                return


# Speaking


def wrapped(core: Core, context: Context, persona: Persona, record: Record, human: bool) -> Record:
    """The envelope for an own record where it belongs into one, after a new epoch if none is fit; else the record."""
    if not core.settings.rooms or not context.split or not is_sealed(record):
        return record
    return envelope(core, context, persona, record, human) or record  # who has no place there speaks openly


def envelope(core: Core, context: Context, persona: Persona, record: Record, human: bool) -> Record | None:
    name = record.body["agreement"] if context.family == "deal" else b""
    found = groups(core, context)
    group = found.get(name) if name else next(iter(found.values()), None)
    if group is None or persona.key not in group.present:
        return None
    epoch = _fit(core, context, group, persona.key)
    if epoch is None and persona.key == group.supplier:
        raise NotNow("ROO-15", "message: no member's node has opened the channel yet; try again in a moment")
    epoch = epoch or make(core, context, group, persona, human)
    body = context.book.seal(epoch.id, persona.key, record)
    created, expires = record.header.created, record.header.expires
    network, refs = core.settings.network, (epoch.id,)
    return Record.sign(persona, network, ENVELOPE, context.scope, body, created=created, expires=expires, refs=refs)


def _fit(core: Core, context: Context, group: Group, key: bytes) -> Record | None:
    """The epoch to speak in: for exactly those present, not too old, its maker the least complained of (ROO-6)."""
    life, _ = patience(core, context)
    order = group.order()
    until = 0 if key == group.supplier else core.now - life - life * order.index(key) // (EPOCH_SLACK * len(order))
    until = until if key == group.supplier else max(until, alone_from(core) - 1)  # KEP-13
    blamed = pleas(context)
    fit = [
        one
        for one in context.log.of_kind("epoch.1")
        if one.id in context.book.epochs
        and one.body["members"] == group.state
        and one.header.created > until
        and not context.book.is_full(one.id, key)
        and (one.author == key or not spent(blamed, one.author))
    ]
    return min(fit, key=lambda one: (len(blamed.get(one.author, ())), -one.header.created, one.id), default=None)


def make(core: Core, context: Context, group: Group, persona: Persona, human: bool) -> Record:
    """A new epoch for all who are present (ROO-3)."""
    root = root_of(core, context)
    assert root is not None
    secret, until = core.entropy(KEY_BYTES), root.header.expires
    body = commit(group, secret, core.entropy)
    made = core.say(persona, "epoch.1", context.scope, body, until=until, refs=(root.id,), human=human)
    context.book.learn(made.id, secret)
    return made
