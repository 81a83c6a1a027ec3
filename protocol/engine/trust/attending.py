"""What a node does by itself when something went wrong in a deal: receipts, lists, summons, amends, and who is told.

Decides nothing of its own: it looks at each voice again, and does what its person decided. Spec: 19-remedy, RMD-8,
RMD-14 to RMD-18 and RMD-22.
"""

from __future__ import annotations

from protocol.coop.evidence import co_signed
from protocol.deal.life import Deal
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.trust.cases import Matter, matters_in, told
from protocol.engine.trust.mediating import hand_over, open_list, summon
from protocol.engine.trust.telling import lift
from protocol.params import ATTESTATION_LIFE_MS, RECEIPT_IDS_MAX
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope
from protocol.trust.amends import amends_slot
from protocol.trust.voice import SPOKEN, heard_question

_RECEIPT_SHARE = 10  # as of other boxes: gathered for a tenth of the settling time, so that one signature covers many
_TIMELESS = ("handover.1",)


def attend(core: Core, context: Context) -> None:
    """Look at the voices of a deal again."""
    found = matters_in(core, context)
    deal = context.deal(core.settings)
    if not found or deal is None or core.now >= deal.rfq.header.expires:
        return
    _acknowledge(core, context, deal)
    for matter in found:
        if matter.sided:
            open_list(core, matter)
            summon(core, matter)
            hand_over(core, matter)
            make_amends(core, matter)
            lift(core, matter)
        ahead = [one.since for one in matter.voice.course if one.since > core.now]
        ahead += [one.until for one in matter.voice.line if one.until > core.now]
        context.wake_at(min(ahead, default=None))
        says = told(matter, core.now)
        if matter.me is not None and context.voiced.get(matter.id) != says:
            context.voiced[matter.id] = says
            core.notify("voice", voice=matter.id, deal=deal.mandate.deal, says=says)


def _acknowledge(core: Core, context: Context, deal: Deal) -> None:
    """As a witness, say what has been said so far (RMD-8)."""
    name = heard_question(deal)
    for key in deal.council.witnesses:
        persona = core.personas.get(key)
        kinds = [kind for kind in SPOKEN if kind not in _TIMELESS] if persona is not None else []
        held = [one.id for kind in kinds for one in context.log.of_kind(kind)]
        owed = sorted(one for one in held if not context.docket.receipted(name, one, key))
        if not owed or persona is None:
            continue
        due = context.receipts_due.setdefault(name, core.now + deal.times["settle_ms"] // _RECEIPT_SHARE)
        if core.now < due:
            context.wake_at(due)
            continue
        del context.receipts_due[name]
        for at in range(0, len(owed), RECEIPT_IDS_MAX):
            body = {"question": name, "ids": owed[at : at + RECEIPT_IDS_MAX]}
            core.say(persona, "receipt.1", context.scope, body, until=deal.rfq.header.expires, refs=(deal.rfq.id,))


def make_amends(core: Core, matter: Matter) -> None:
    """Answer the own bad word once all that they owed is confirmed (RMD-22)."""
    me, other = matter.me, matter.other
    owed = [one for one in matter.voice.remedies if one.by == other]
    if me is None or not owed or not all(one.confirmed for one in owed):
        return
    scope = trust_scope(other)
    for one in _bad_words(core, matter, me.key):
        slot = Slot("once", amends_slot(one.id), 0)
        if not core.peek(scope).slot("amends.1", me.key, slot.name):
            body, until = {"attestation": one.id, "subject": other}, core.now + ATTESTATION_LIFE_MS
            core.say(me, "amends.1", scope, body, until=until, slot=slot, follow=True)


def _bad_words(core: Core, matter: Matter, author: bytes) -> list[Record]:
    said = core.peek(trust_scope(matter.other)).by(author, "attestation.1")
    bad = [one for one in said if one.body["subject"] == matter.other and one.body["outcome"] == "broken"]
    about = (matter.deal.rfq.id, matter.id)
    return [one for one in bad if co_signed(one, core.settings.network) in about]
