"""What a node does by itself on a board: form groups when an epoch ends, write or join charters, notice requests.

Decides when an own persona founds or joins a co-op on behalf of an intent that is ready; never pledges, never commits.
Spec: 05-formation, FRM-9 to FRM-26.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocol.coop.box import LEAVE
from protocol.coop.charter import charter_hash, coop_scope
from protocol.coop.coop import lapsed
from protocol.coop.division import Sizes
from protocol.coop.formation import Entry, Group, block, founding_order, share
from protocol.coop.standing import Standing
from protocol.coop.template import Template
from protocol.deal.life import deal_scope
from protocol.encoding import digest
from protocol.engine.context import Context
from protocol.engine.coop.faults import is_faulty_witness
from protocol.engine.coop.membership import Wish
from protocol.engine.core import Core
from protocol.errors import Ignore, Reject
from protocol.events import Compute
from protocol.identity import Persona
from protocol.params import (
    DEALS_EMPTY_MAX,
    FORM_CHANGES_MAX,
    FORM_INLINE_MAX,
    FORMATIONS_KEPT,
    FOUND_WITNESSES,
    FOUNDERS_MAX,
)
from protocol.record.record import Record, Slot, embedded


def attend(core: Core, context: Context) -> None:
    """Look at the board again: charters that list me, requests to quote for, an epoch that has ended."""
    for call in sorted(context.log.of_kind("call.1"), key=lambda one: (one.header.created, one.id)):
        if call.id not in context.calls:
            context.calls[call.id] = charter_in(core, context.scope, call)
        if (charter := context.calls[call.id]) is not None:
            _consider(core, context, charter)
    context.calls = {one: charter for one, charter in context.calls.items() if one in context.log.records}
    if core.settings.role == "supplier":
        _follow_deals(core, context)
    _form(core, context)


def _follow_deals(core: Core, context: Context) -> None:
    """As a supplier, follow what headlines name; how many may stay empty is bounded, for anybody writes headlines."""
    empty = sum(scope.startswith("deal/") and not core.peek(scope).records for scope in core.followed)
    for headline in context.log.of_kind("headline.1"):
        scope = deal_scope(headline.body["deal"])
        good = headline.body["template"] in core.settings.templates and headline.header.expires > core.now
        if good and scope not in core.followed and empty < DEALS_EMPTY_MAX:  # GOS-3
            core.follow(scope)
            empty += 1


def own_intents(core: Core, context: Context) -> list[Record]:
    """The live intents of own personas on a board, by id; a frozen one's wait for nothing any more (IDN-33)."""
    own = [one for key in core.personas if key not in core.frozen for one in context.log.by(key, "intent.1")]
    return sorted(
        (one for one in own if one.body["readiness"] != "withdrawn" and one.header.expires > core.now),
        key=lambda one: one.id,
    )


def taken_intents(core: Core, context: Context) -> dict[tuple[bytes, bytes], None]:
    """(author, intent's id) of every intent that a marker says is pledged or committed (FRM-12)."""
    kinds = ("pledge-marker.1", "commitment-marker.1")
    return {(one.author, one.body["intent"]): None for kind in kinds for one in context.log.of_kind(kind)}


def entries(core: Core, context: Context, template: Template, before: int) -> list[Entry]:
    """The intents of a template that an epoch ending at `before` groups: ready, in time, not used up (FRM-9)."""
    taken = taken_intents(core, context)
    found: list[Entry] = []
    _, category, region = context.scope.split("/")
    for one in context.log.of_kind("intent.1"):
        ready = one.body["readiness"] in ("ready", "pledged") and one.header.created < before < one.header.expires
        if one.body["template"] != template.hash or one.header.slot is None or not ready:
            continue
        subject = one.body.get("subject", "")
        if (one.author, one.id) not in taken and template.compares(subject):  # TPL-15
            near = one.body.get("near", region)
            home = near if region in ("any", near[: len(region)]) else region  # FRM-15
            where = block(category, one.body["template"] + subject.encode(), home, one.body["ready_by"])
            vector = tuple(one.body["levels"].get(attribute.name, 0) for attribute in template.attributes)
            found.append(Entry(one.author, one.id, where, vector))
    return found


def _form(core: Core, context: Context) -> None:
    """Found the group that an ended epoch puts an own intent into, when it is this persona's turn (FRM-13)."""
    for intent in own_intents(core, context):
        template = core.settings.templates.get(intent.body["template"])
        if template is None or intent.body["readiness"] not in ("ready", "pledged"):
            continue
        epoch, since = divmod(core.now, template.epoch_ms)
        context.wake_at((epoch + (since >= template.cutoff_ms)) * template.epoch_ms + template.cutoff_ms)
        if since < template.cutoff_ms or engaged(core, context, intent):
            continue
        group = my_group(core, context, template, epoch, intent)
        if group is None:
            continue
        for turn, key in enumerate(group.founders[:FOUNDERS_MAX]):
            due = epoch * template.epoch_ms + template.cutoff_ms + turn * template.cutoff_ms
            if key == intent.author:
                if core.now >= due:
                    _found(core, context, template, epoch, group, turn, core.personas[key])
                else:
                    context.wake_at(due)


def my_group(core: Core, context: Context, template: Template, epoch: int, intent: Record) -> Group | None:
    """The group this node computes for an own intent in an epoch; None too while a worker is at it (FRM-10)."""
    at = template.hash, epoch
    if at not in context.formations:
        context.formations[at] = _grouped(core, context, template, epoch)
        for old in list(context.formations)[:-FORMATIONS_KEPT]:
            del context.formations[old]
    groups = context.formations[at]
    return None if groups is None else groups.get(intent.id)


def _grouped(core: Core, context: Context, template: Template, epoch: int) -> dict[bytes, Group | None] | None:
    """The groups of own entries in an epoch, by changing those of the last as far as need be; None: a worker does."""
    found = {one.id: one for one in entries(core, context, template, epoch * template.epoch_ms)}
    own = [one.id for one in found.values() if one.key in core.personas]
    standing = context.standings.get(template.hash) or Standing(Sizes(template.least, template.most))
    gone = [one for one in standing.ids if one not in found]
    come = [one for one in found.values() if one.id not in standing]
    seed = epoch_seed(epoch, context.scope)
    if len(found) > FORM_INLINE_MAX and len(gone) + len(come) > FORM_CHANGES_MAX:
        arguments = (list(found.values()), own, seed, template.least, template.most)
        job = f"form {context.scope} {template.hash.hex()} {epoch}"
        core.out.append(Compute(job, "coop.formation.groups_of", arguments))
        return None
    standing.change(gone, come)
    context.standings[template.hash] = standing
    return {one: standing.group_of(one, seed) for one in own}


def formed(core: Core, job: str, result: dict[bytes, Group | None] | None) -> None:
    """A worker has grouped a board's epoch; a job that failed is asked for again when the board changes."""
    _, scope, template, epoch = job.split(" ")
    context = core.contexts.get(scope)
    at = bytes.fromhex(template), int(epoch)
    if context is None or at not in context.formations:
        return
    if result is None:
        del context.formations[at]
    else:
        context.formations[at] = result
    core.dirty[scope] = None


def epoch_seed(epoch: int, scope: str) -> bytes:
    """What an epoch adds to the order of founders on a board (FRM-10)."""
    return digest("epoch", f"{scope}/{epoch}".encode())


def engaged(core: Core, context: Context, intent: Record) -> bool:
    """Whether an own intent is in a co-op that lives, or about to join one."""
    name = intent.header.slot.name if intent.header.slot else ""
    coop = core.facts.get(f"engaged/{context.scope}/{name}")
    if coop is None:
        return False
    view = core.context(coop.decode()).coop(core.settings)
    if view is None:
        return True
    left_out = bool(view.roster) and intent.author not in view.keys
    return view.state != "void" and not left_out and not lapsed(view, core.now)


def _open_to(core: Core, context: Context, intent: Record, charter: Record) -> bool:
    """Whether an own intent may go into this charter: it is free, or waits for one of the same epoch that not all have
    accepted and whose author comes later in the order of founders, so that two charters at once do not starve both.
    """
    name = intent.header.slot.name if intent.header.slot else ""
    if not engaged(core, context, intent):
        return True
    view = core.context(core.facts[f"engaged/{context.scope}/{name}"].decode()).coop(core.settings)
    if view is None or view.state != "called" or view.charter.body["epoch"] != charter.body["epoch"]:
        return False
    seed = epoch_seed(charter.body["epoch"], context.scope)
    return founding_order(seed, charter.author) < founding_order(seed, view.charter.author)


def _rightly_founded(core: Core, board: str, charter: Record) -> bool:
    """Whether a charter is what its own list and epoch allow its author to write: witnesses, board, times (FRM-31)."""
    body = charter.body
    seed = epoch_seed(body["epoch"], board)
    order = sorted(body["listed"], key=lambda key: founding_order(seed, key))
    turn = order.index(charter.author) if charter.author in order else FOUNDERS_MAX
    rotated = order[turn:] + order[:turn]
    return (
        turn < FOUNDERS_MAX
        and body["witnesses"] == sorted(rotated[:FOUND_WITNESSES])
        and board == f"board/{body['category']}/{body['region']}"
        and (body["fee_max_minor"], body["risk"]) == (0, "lowest")
        and body["times"] in core.settings.presets.values()
        and not any(name in body for name in ("before", "admits", "stakes", "mediators"))
    )


def _authors(context: Context, ids: Iterable[bytes]) -> list[bytes]:
    return sorted(context.log.records[one].author for one in ids if one in context.log.records)


def _found(
    core: Core, context: Context, template: Template, epoch: int, group: Group, turn: int, founder: Persona
) -> None:
    """Write the charter of a computed group, and call its members on the board."""
    marker = f"founded/{context.scope}/{epoch}"
    if marker in core.facts:
        return
    core.keep(marker, b"1")
    _, category, region = context.scope.split("/")
    times = core.settings.presets[core.settings.preset]
    rotated = group.founders[turn:] + group.founders[:turn]
    body = {
        "nonce": core.entropy(16),
        "purpose": template.title,
        "category": category,
        "region": region,
        "template": template.hash,
        "epoch": epoch,
        "listed": _authors(context, group.ids),
        "least": template.least,
        "most": template.most,
        "witnesses": sorted(rotated[:FOUND_WITNESSES]),
        "fee_max_minor": 0,
        "risk": "lowest",
        "times": dict(times),
    }
    subject = context.log.records[group.ids[0]].body.get("subject")
    if subject is not None:
        body["subject"] = subject  # of all of them: others stand in another block
    publish_charter(core, context, founder, body)


def publish_charter(core: Core, context: Context, founder: Persona, body: dict[str, object]) -> bytes:
    """Say the charter in its own scope and the call on the board; the charter's hash."""
    hashed = charter_hash(founder.key, body)
    scope = coop_scope(hashed)
    times = body["times"]
    retention_ms = int(times["retention_ms"]) if isinstance(times, dict) else 0
    until = core.now + retention_ms
    charter = core.say(founder, "charter.1", scope, body, until=until, slot=Slot("once", "charter", 0), follow=True)
    call = {"coop": hashed[:16], "charter": charter.raw}
    slot = Slot("once", f"call/{hashed[:16].hex()}", 0)
    core.say(founder, "call.1", context.scope, call, until=until, slot=slot)
    return hashed


def charter_in(core: Core, board: str, call: Record) -> Record | None:
    """The charter that a call shows, when it is right and lists an own persona. Anybody calls, so each is read once."""
    try:
        charter = embedded(call.body["charter"], core.settings.network)
    except (Reject, Ignore):
        return None
    if charter.kind != "charter.1" or charter.author != call.author:
        return None
    hashed = charter_hash(charter.author, charter.body)
    good = hashed[:16] == call.body["coop"] and charter.scope == coop_scope(hashed)
    ours = any(key in core.personas for key in charter.body["listed"])
    return charter if good and ours and _rightly_founded(core, board, charter) else None


def _consider(core: Core, context: Context, charter: Record) -> None:
    """Join the first charter that lists an own intent's author and agrees with our own computation (FRM-11)."""
    scope = charter.scope
    template = core.settings.templates.get(charter.body["template"])
    listed, epoch = charter.body["listed"], charter.body["epoch"]
    if f"wish/{scope}" in core.facts or any(is_faulty_witness(core, key) for key in charter.body["witnesses"]):
        return
    if template is None or core.now // template.epoch_ms not in (epoch, epoch + 1):
        return
    for intent in own_intents(core, context):
        name = intent.header.slot.name if intent.header.slot else ""
        alike = intent.body.get("subject") == charter.body.get("subject")
        if intent.author not in listed or intent.body["template"] != template.hash or not alike:
            continue
        if intent.body["readiness"] not in ("ready", "pledged") or not _open_to(core, context, intent, charter):
            continue
        if core.peek(scope).slot(LEAVE, intent.author, "leave"):
            continue  # FRM-36
        group = my_group(core, context, template, epoch, intent)
        if group is not None and share(listed, _authors(context, group.ids)):
            before = core.facts.get(f"engaged/{context.scope}/{name}")
            if before is not None and f"wish/{before.decode()}" in core.facts:
                core.keep(f"wish/{before.decode()}", b"")
            core.keep(f"wish/{scope}", Wish(context.scope, name).to_bytes())
            core.keep(f"engaged/{context.scope}/{name}", scope.encode())
            core.follow(scope)
            core.receive(charter, "")
            return  # IDN-22: of several own intents that it lists one joins
