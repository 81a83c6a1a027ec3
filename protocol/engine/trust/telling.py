"""That somebody did not answer, said where whoever looks at them sees it; and taken back once they have.

Decides whether an own persona may say it, and what is shown of what others say; no number follows from it.
Spec: 19-remedy, RMD-25.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from protocol import commands as ask
from protocol.coop.evidence import co_signed
from protocol.engine.core import Core
from protocol.engine.trust.cases import Matter, matter_of
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.params import ATTESTATION_LIFE_MS
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope


def tell(core: Core, command: ask.TellUnheard) -> dict[str, Any]:
    """Say in public that an own voice stands unanswered."""
    matter = matter_of(core, command.voice)
    voice, me = matter.voice, matter.me
    if me is None or me.key != voice.author:
        raise CommandError("RMD-25", "unheard: only who raised a voice says that it was not answered")
    if voice.replied or core.now <= voice.until:
        raise NotNow("RMD-25", "unheard: it was answered, or there is still time to")
    if _said(core, matter):
        raise CommandError("RMD-25", "unheard: you said so already")
    try:
        record = _say(core, matter, "unanswered")
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None
    return {"id": record.id, "subject": voice.subject}


def lift(core: Core, matter: Matter) -> None:
    """Take it back as soon as they have answered."""
    said = _said(core, matter)
    if said is None or said.author not in core.personas:
        return
    if matter.voice.replied and said.body["outcome"] == "unanswered":
        _say(core, matter, "answered")


def about(core: Core, subject: bytes) -> tuple[str, ...]:
    """What those who signed with somebody say in public of voices that they did not answer."""
    log = core.peek(trust_scope(subject))
    said = [one for one in log.of_kind("unheard.1") if one.body["subject"] == subject]
    good = [one for one in said if _in_place(one) and co_signed(one, core.settings.network) is not None]
    silent = [one for one in good if one.body["outcome"] == "unanswered" and one.header.expires > core.now]
    if not good:
        return ()
    people = len({one.author: None for one in silent})
    return (
        f"{len(good)} said in public that they did not answer a voice in time; {len(good) - len(silent)} were answered"
        f" later, and {people} who signed a deal with them still wait.",
    )


def unheard_slot(voice: bytes) -> str:
    """The slot in which a voice's author says whether it was answered."""
    return "unheard/" + voice[:16].hex()


def _in_place(record: Record) -> bool:
    slot = record.header.slot
    return slot is not None and slot.name == unheard_slot(record.body["voice"])


def _said(core: Core, matter: Matter) -> Record | None:
    voice = matter.voice
    log = core.peek(trust_scope(voice.subject))
    return next(iter(log.slot("unheard.1", voice.author, unheard_slot(matter.id))), None)


def _say(core: Core, matter: Matter, outcome: str) -> Record:
    voice, before = matter.voice, _said(core, matter)
    seq = before.header.slot.seq + 1 if before is not None and before.header.slot else 0
    role, shown = _shown(matter)
    body = {
        "subject": voice.subject,
        "role": role,
        "agreement": voice.record.body["agreement"],
        "voice": matter.id,
        "outcome": outcome,
        "evidence": shown,
    }
    scope, slot = trust_scope(voice.subject), Slot("latest", unheard_slot(matter.id), seq)
    until = core.now + ATTESTATION_LIFE_MS
    return core.say(core.personas[voice.author], "unheard.1", scope, body, until=until, slot=slot, follow=True)


def _shown(matter: Matter) -> tuple[str, list[bytes]]:
    """(what the subject was to the author, what shows that both signed), as for an attestation (ATT-2)."""
    voice, deal = matter.voice, matter.deal
    about = next(one for one in deal.agreements if one.hash == voice.record.body["agreement"])
    roles = {about.supplier: "supplier", deal.rfq.author: "negotiator"}
    served = about.quantity_of(voice.author) > 0
    role = roles.get(voice.subject, "member") if served else "member"
    member, other = (voice.author, voice.subject) if role != "member" else (voice.subject, voice.author)
    mine = [one.raw for one in deal.commitments if one.author == member and one.body["answer"] == "commit"]
    signed = matter.context.log.slot("countersign.1", about.supplier, "countersign")
    theirs = [one.raw for one in signed if one.body["agreement"] == about.hash and other == about.supplier]
    theirs = theirs or ([deal.rfq.header.proof()] if other == deal.rfq.author else [])
    return role, [*mine[:1], *theirs[:1]]


COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {ask.TellUnheard: tell}
