"""What a node does by itself about sealed attestations: holds them, gives shares as a witness, opens and publishes.

Decides nothing of its own: when shares are owed and what they make is read in protocol/trust/assessment. An attestation
that enough shares open is published whether or not its author still likes it.
Spec: 09-accountability, ATT-13 to ATT-17.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from protocol.deal.life import Deal
from protocol.encoding import digest
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.errors import Ignore, Reject
from protocol.identity import Persona
from protocol.params import OPENED_AT_ONCE_MAX, RECEIPT_IDS_MAX
from protocol.record.record import Record, embedded
from protocol.trust import assessment
from protocol.trust.accountability import trust_scope

_GATHER_SHARE = 10  # words are gathered for a tenth of the settling time, so that one signature covers many
PATIENCE = 2  # times the window: after so long the author's own node says it openly, should too few witnesses be left
SAID = "said/"  # local fact: an attestation that this node has sealed, until it is open


def attend(core: Core, context: Context) -> None:
    """Look at what the two sides of this deal have sealed."""
    deal = context.deal(core.settings)
    if deal is None or not deal.agreements or deal.rfq.header.expires <= core.now or "attest_ms" not in deal.times:
        return
    for persona in core.personas.values():
        if persona.key in deal.council.witnesses:
            _serve(core, context, deal, persona)
    _open(core, context, deal)


def _serve(core: Core, context: Context, deal: Deal, persona: Persona) -> None:
    """As a witness: say what is held, and give shares of what is due (ATT-13, ATT-14)."""
    log, rfq, name = context.log, deal.rfq.id, assessment.receipts_name(deal.rfq.id)
    given = assessment.given(log, persona.key, rfq)
    good = [one.id for one in log.of_kind("assessment.1") if _good_share(context, deal, one, persona)]
    held, now = assessment.first_held(log, persona.key, rfq), core.now
    found = assessment.owed(assessment.sides(log, good), held, given, now, deal.times["attest_ms"])
    context.wake_at(found.wake)
    if not found.receipts and not found.shares:
        return
    due = context.receipts_due.setdefault(name, now + deal.times["settle_ms"] // _GATHER_SHARE)
    if now < due:
        context.wake_at(due)
        return
    del context.receipts_due[name]
    until = deal.rfq.header.expires
    for ids in _in_parts(found.receipts):
        core.say(persona, "receipt.1", context.scope, {"question": name, "ids": ids}, until=until, refs=(rfq,))
    place, seed = deal.council.witnesses.index(persona.key), persona.box_seed(deal.mandate.charter)
    for ids in _in_parts(found.shares):
        shares = [[one, assessment.own_share(log.records[one], place, seed)] for one in ids]
        core.say(persona, "release.1", context.scope, {"rfq": rfq, "shares": shares}, until=until, refs=(rfq,))


def _good_share(context: Context, deal: Deal, record: Record, persona: Persona) -> bool:
    """Whether an assessment gives this witness the share that it promises."""
    at = record.id, persona.key
    if at not in context.shared:
        try:
            place, seed = deal.council.witnesses.index(persona.key), persona.box_seed(deal.mandate.charter)
            assessment.own_share(record, place, seed)
            context.shared[at] = True
        except Reject:
            context.shared[at] = False
    return context.shared[at]


def _open(core: Core, context: Context, deal: Deal) -> None:
    """Open what enough witnesses gave their shares of, and publish it when it is an own persona's turn (ATT-16)."""
    shares = assessment.shares_of(deal, context.log)
    waiting = [one for one in context.log.of_kind("assessment.1") if _concerns(core, context, deal, one)]
    waiting = [one for one in waiting if not is_public(core, one)]
    waiting.sort(key=lambda record: record.id)
    ready = [one for one in waiting if _is_ready(core, context, deal, one, shares)]
    for record in ready[:OPENED_AT_ONCE_MAX]:
        try:
            _publish(core, context, record, assessment.opened(deal, record, shares[record.id], core.settings.network))
        except Reject as error:
            context.void[record.id] = error.code
    if len(ready) > OPENED_AT_ONCE_MAX:
        context.wake_at(core.now + 1)
    for record in waiting:
        _say_openly(core, context, deal, record)


def _is_ready(
    core: Core, context: Context, deal: Deal, record: Record, shares: Mapping[bytes, Mapping[int, bytes]]
) -> bool:
    """Whether enough shares are there, and it is an own persona's turn."""
    found = shares.get(record.id, {})
    if len(found) < deal.council.quorum or not assessment.is_open(deal, record, found):
        return False
    turn = _turn(core, context, deal, record)
    context.wake_at(turn if turn is not None and core.now < turn else None)
    return turn is not None and turn <= core.now


def _concerns(core: Core, context: Context, deal: Deal, record: Record) -> bool:
    """Whether an own persona is to publish it, should it come to that."""
    parties = (record.author, record.body["subject"], *deal.council.witnesses)
    return record.id not in context.void and any(key in core.personas for key in parties)


def _turn(core: Core, context: Context, deal: Deal, record: Record) -> int | None:
    """When an own persona may publish what it can open: author and subject at once, then, one after the other, as many
    witnesses as there must be for one of them to be honest (ATT-16).
    """
    seen = context.faults_seen.setdefault(record.id, core.now)
    if record.author in core.personas or record.body["subject"] in core.personas:
        return seen
    order = sorted(deal.council.witnesses, key=lambda key: digest("turn", record.id + key))[: deal.council.faults + 1]
    place = next((place for place, key in enumerate(order) if key in core.personas), None)
    return None if place is None else seen + (place + 1) * deal.times["settle_ms"]


def _publish(core: Core, context: Context, record: Record, hidden: Record) -> None:
    """Take an opened attestation where attestations stand, as its author's own record."""
    core.follow(trust_scope(hidden.body["subject"]))
    try:
        core.receive(hidden, "")
    except Ignore as error:  # its slot is taken, or there is no room here
        context.void[record.id] = error.code
        return
    core.keep(SAID + hidden.id.hex(), b"")
    core.notify("attested", author=hidden.author, subject=hidden.body["subject"], role=hidden.body["role"])


def is_public(core: Core, record: Record) -> bool:
    """Whether what an assessment holds stands where attestations stand, as far as this node knows."""
    return record.body["attestation"] in core.peek(trust_scope(record.body["subject"])).records


def _say_openly(core: Core, context: Context, deal: Deal, record: Record) -> None:
    """Long after both sides had their time an own attestation is said in the open, should nobody open it (ATT-17)."""
    raw = core.facts.get(SAID + record.body["attestation"].hex())
    if raw is None:
        return
    due = record.header.created + PATIENCE * int(deal.times["attest_ms"])
    if core.now < due:
        context.wake_at(due)
    elif not is_public(core, record):
        _publish(core, context, record, embedded(raw, core.settings.network))


def _in_parts(ids: tuple[bytes, ...]) -> Iterator[list[bytes]]:
    """As many in one record as there may be, in the order in which they must stand."""
    for at in range(0, len(ids), RECEIPT_IDS_MAX):
        yield sorted(ids[at : at + RECEIPT_IDS_MAX])
