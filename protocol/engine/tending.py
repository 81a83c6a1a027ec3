"""What a node does for its rooms unasked: makes the first epoch, asks for keys, passes keys and crowded-out records on.

Decides whose turn it is; never reads or seals by itself. Spec: 11-room, ROO-5, ROO-7 and ROO-14.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from protocol.coop.box import manifest_ids
from protocol.coop.coop import Coop
from protocol.encoding import digest
from protocol.engine.admission import take
from protocol.engine.context import Context
from protocol.engine.groups import groups, makers, patience, root_of
from protocol.engine.rooms import about, envelope, make, pleas, spent
from protocol.errors import Reject
from protocol.identity import Persona
from protocol.params import ANSWERS_MAX, UNLOCKS_MAX
from protocol.record.record import Record
from protocol.room.book import ROSTER
from protocol.room.epoch import Group, is_epoch_of, key_for

if TYPE_CHECKING:
    from protocol.engine.core import Core


def attend(core: Core, context: Context) -> None:
    """Make the first epoch when it is our turn, ask for keys that did not arrive, and pass keys on."""
    root = root_of(core, context)
    if not core.settings.rooms or root is None or root.header.expires <= core.now:
        return
    for group in groups(core, context).values():
        own = [core.personas[key] for key in group.present if key in core.personas]
        if own:
            _begin(core, context, group)
        for persona in own:
            _pass_on(core, context, persona)
            _ask(core, context, group, persona, root)
            _answer(core, context, group, persona, root)


def _begin(core: Core, context: Context, group: Group) -> None:
    """Whoever comes first makes an epoch for those present where there is none; others do when they speak (ROO-5)."""
    if context.family == "coop":
        coop = context.coop(core.settings)
        ready = coop is not None and coop.state != "void"
    else:
        ready = all(one.box for one in group.places)  # ROO-15: not before the supplier has named its box
    known = any(one.body["members"] == group.state for one in context.log.of_kind("epoch.1"))
    if ready and not known and (first := makers(group)[0]) in core.personas:
        make(core, context, group, core.personas[first], human=False)


def _pass_on(core: Core, context: Context, persona: Persona) -> None:
    """As a witness, say again what an answer builds on and whose author has used up its room (ROO-14).

    Carriers make room for what is needed where they can read it (GOS-40); what is in an envelope they cannot.
    """
    coop = context.coop(core.settings) if context.family == "coop" else None
    if coop is None or persona.key not in coop.council.witnesses:
        return
    blamed = pleas(context)
    for name, decided in coop.decided.items():
        if name == ROSTER:
            continue
        proposals = [one for one in context.log.of_kind("proposal.1") if one.body["value"] == decided.value]
        held = [context.log.records.get(one) for one in (*decided.votes, *_listed(decided.value))]
        said = [one for one in (*proposals, *held) if one is not None]
        crowded = [one for one in said if context.wire.contested(one) or _is_shut(context, blamed, one)]
        for record in sorted(crowded, key=lambda one: one.id):
            if _owes_again(context, coop, persona, record):
                again = envelope(core, context, persona, record, human=False)
                if again is not None:
                    take(core, context, again, True, "")


def _owes_again(context: Context, coop: Coop, persona: Persona, record: Record) -> bool:
    """Whether neither this witness nor, an honest one among them, more than f others have said a record again."""
    by = context.book.passed.get(record.id, {})
    enough = sum(1 for key in by if key in coop.council.witnesses) > coop.council.faults
    return persona.key not in (record.author, *by) and not enough


def _is_shut(context: Context, blamed: Mapping[bytes, Mapping[bytes, int]], record: Record) -> bool:
    """Whether it came in an epoch whose maker left somebody out so often that they ask no more (ROO-14)."""
    envelope = context.wire.records.get(context.book.outer.get(record.id, b""))
    epoch = context.wire.records.get(envelope.body["epoch"]) if envelope is not None else None
    return epoch is not None and spent(blamed, epoch.author)


def _ask(core: Core, context: Context, group: Group, persona: Persona, root: Record) -> None:
    """Say once of each epoch in which something was said that it does not open here (ROO-7)."""
    place, closed = group.place_of(persona.key), list(context.book.closed)
    if not closed or place is None:
        return
    asked = [one.body["epoch"] for one in context.log.by(persona.key, "locked.1")]
    makers_asked = [one.author for name in asked if (one := context.log.records.get(name)) is not None]
    for epoch_id in closed:
        epoch = context.log.records.get(epoch_id)
        if epoch is None or epoch_id in asked or not is_epoch_of(group, epoch):
            continue
        if makers_asked.count(epoch.author) >= UNLOCKS_MAX:
            continue
        body, until = {"epoch": epoch_id, "place": place}, root.header.expires
        core.say(persona, "locked.1", context.scope, body, until=until, refs=(epoch_id,))
        makers_asked.append(epoch.author)


def _answer(core: Core, context: Context, group: Group, persona: Persona, root: Record) -> None:
    """Pass an epoch's secret on to who asks and is present: a witness at once, others in turn (ROO-7)."""
    for plea in sorted(context.log.of_kind("locked.1"), key=lambda one: one.id):
        epoch_id, place = about(plea)
        known = context.book.epochs.get(epoch_id)
        ours = plea.author in group.present and group.place_of(plea.author) == place
        if known is None or not ours or plea.author == persona.key or not group.places[place].box:
            continue
        if not _owes(context, persona, epoch_id, place):
            continue
        if _waits(core, context, group, persona, plea):
            continue
        key = key_for(known.secret, group.places[place].box, core.entropy)
        body, until = {"epoch": epoch_id, "place": place, "key": key}, root.header.expires
        core.say(persona, "unlock.1", context.scope, body, until=until, refs=(plea.id,))


def _owes(context: Context, persona: Persona, epoch_id: bytes, place: int) -> bool:
    """Whether this place was not answered about this epoch, nor as often as it may be about its maker's (ROO-7)."""
    epoch, answers = context.log.records.get(epoch_id), context.log.by(persona.key, "unlock.1")
    said = [one.body["epoch"] for one in answers if one.body["place"] == place]
    if epoch is None or epoch_id in said or len(answers) >= ANSWERS_MAX:
        return False
    makers_of = [one.author for name in said if (one := context.log.records.get(name)) is not None]
    return makers_of.count(epoch.author) < UNLOCKS_MAX


def _waits(core: Core, context: Context, group: Group, persona: Persona, plea: Record) -> bool:
    """Whether it is not our turn to answer, or no more: among more than f witnesses that answered is an honest one."""
    coop = context.coop(core.settings) if context.family == "coop" else None
    witnesses, faults = (coop.council.witnesses, coop.council.faults) if coop is not None else (group.present, 2)
    if coop is not None and persona.key in witnesses:
        return False
    answered = {one.author: None for one in context.log.of_kind("unlock.1") if about(one) == about(plea)}
    if sum(1 for key in answered if key in witnesses) > faults:
        return True
    _, turn_ms = patience(core, context)
    order = sorted(group.present, key=lambda key: digest("turn", plea.id + key))
    due = plea.header.created + turn_ms * (1 + order.index(persona.key))
    context.wake_at(due if core.now < due else None)
    return core.now < due


def _listed(value: bytes) -> list[bytes]:
    try:
        return manifest_ids(value)
    except Reject:
        return []
