"""What a person says of the other side of a deal, blind where its times name a window; and what they may know of it.

Decides whether an own persona may say it now; refusals are CommandErrors raised before anything has changed. Spec:
09-accountability, ATT-1 to ATT-3, ATT-9 and ATT-17 to ATT-19.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from protocol import commands as ask
from protocol.coop.coop import Coop, question_name
from protocol.coop.evidence import co_signed
from protocol.deal.award import Agreement
from protocol.deal.life import DEAL_TERMINAL, Deal
from protocol.encoding import decode
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.deal import unsealing
from protocol.engine.deal.signing import deal_context
from protocol.engine.speech import sign
from protocol.engine.trust.judging import attest_mediator
from protocol.errors import CommandError, NotNow, Reject
from protocol.identity import Persona
from protocol.params import ATTESTATION_LIFE_MS, FIRST_SIGHT_MS
from protocol.record.kinds_attest import RELATIONS
from protocol.record.record import Record, Slot, embedded
from protocol.trust import assessment
from protocol.trust.accountability import trust_scope
from protocol.trust.assessment import Pair

_SALT_BYTES = 16
_UNASKED = ("negotiator", "relay")  # who is asked about a member only once that member has spoken of them


def attest(core: Core, command: ask.Attest) -> dict[str, Any]:
    """Say how the other side did, with what shows that there was a deal (ATT-2): blind as long as they cannot have
    read it, and in the open afterwards.
    """
    if command.role == "mediator":
        return attest_mediator(core, command)
    context, deal = deal_context(core, command.deal)
    if not deal.agreements:
        raise NotNow("ATT-1", f"attest: there is no agreement yet (the deal is {deal.state})")
    pair = _pair(core, context, deal, command)
    about = deal.agreement_of(pair.member)
    persona = core.personas.get(pair.other if command.role == "member" else pair.member)
    if about is None or persona is None:
        raise NotNow("ATT-2", "attest: you and they have not both signed this deal")
    if said_by(core, context, deal, persona.key, command.subject, command.role) is not None:
        raise CommandError("ATT-3", "attest: you said how they did in this deal already")
    unknown = [name for name in command.dimensions if name not in assessment.DIMENSIONS[command.role]]
    if unknown:
        marks = ", ".join(assessment.DIMENSIONS[command.role])
        raise CommandError("ATT-1", f"dimensions.{unknown[0][:32]}: of a {command.role} can be marked: {marks}")
    try:
        hidden = _signed(core, context, deal, pair, about, persona, command)
        blind = _blind(core, context, deal, pair) and assessment.fits(hidden)
        return (_seal if blind else _tell)(core, context, deal, pair, hidden, persona)
    except Reject as error:
        raise CommandError(error.code, error.message) from None


def _pair(core: Core, context: Context, deal: Deal, command: ask.Attest) -> Pair:
    """Who attests whom as what; raises CommandError ATT-1 or ATT-2."""
    if command.role == "member":
        found = [Pair(relation, command.subject, key) for key in core.personas for relation in RELATIONS]
        found = [pair for pair in found if assessment.stands(deal, pair)]
        found.sort(key=lambda pair: sealed_by(context, pair, pair.member) is None)
        if not found:
            raise NotNow("ATT-2", "attest: you and they have not both signed this deal")
        return found[0]
    member = next((key for key in core.personas if deal.agreement_of(key)), next(iter(core.personas)))
    pair = Pair(command.role, member, command.subject)
    if not assessment.holds(deal, pair):
        raise CommandError("ATT-1", f"subject: is not the {command.role[:32]} of this deal")
    if not assessment.stands(deal, pair):
        raise NotNow("ATT-2", "attest: you and they have not both signed this deal")
    return pair


def _signed(
    core: Core, context: Context, deal: Deal, pair: Pair, about: Agreement, persona: Persona, command: ask.Attest
) -> Record:
    """The attestation itself, complete and not said; raises NotNow ATT-2, Reject REC-11."""
    body = {
        "subject": command.subject,
        "role": command.role,
        "agreement": about.hash,
        "outcome": command.outcome,
        "dimensions": dict(command.dimensions),
        "evidence": _shown(context, deal, about, pair, command),
        "remark": command.remark,
        "salt": core.entropy(_SALT_BYTES),
    }
    scope, name = trust_scope(command.subject), assessment.attestation_slot(about.hash, command.subject, command.role)
    until, slot = core.now + ATTESTATION_LIFE_MS, Slot("once", name, 0)
    hidden = sign(core, persona, "attestation.1", scope, body, until=until, slot=slot, human=True)
    if co_signed(hidden, core.settings.network) != deal.rfq.id:
        raise NotNow("ATT-2", "attest: you and they have not both signed this deal")
    return hidden


def _shown(context: Context, deal: Deal, about: Agreement, pair: Pair, command: ask.Attest) -> list[bytes]:
    """What shows that both sides were bound, as small as can be (ATT-2, ATT-8)."""
    mine = [one.raw for one in deal.commitments if one.author == pair.member and one.body["answer"] == "commit"][:1]
    match pair.relation:
        case "negotiator":
            return [*mine, deal.rfq.header.proof()]
        case "relay":
            said = [one for kind in ("vote.1", "receipt.1") for one in context.log.by(pair.other, kind)]
            served = min((one for one in said if deal.rfq.id in one.header.refs), key=lambda one: one.id, default=None)
            return [*mine, *([served.header.proof()] if served is not None else [])]
    signed = context.log.slot("countersign.1", about.supplier, "countersign")
    good = [one.raw for one in signed if one.body["agreement"] == about.hash]
    if good or (command.role, command.outcome) != ("supplier", "broken") or deal.award is None:
        return [*mine, *good[:1]]
    quoted = [one.raw for one in deal.quotations if one.author == about.supplier]
    name = question_name("award", deal.rfq.id)
    proposed = [
        one
        for one in context.log.of_kind("proposal.1")
        if one.body["question"] == name and one.body["value"] == deal.award.value
    ]
    votes = [context.log.records[one].raw for one in deal.decided[name].votes]
    if not quoted or not proposed:
        return mine
    return [*mine, quoted[0], deal.rfq.raw, min(proposed, key=lambda one: one.id).raw, *votes]


def _blind(core: Core, context: Context, deal: Deal, pair: Pair) -> bool:
    """Whether the other side cannot have read it before it speaks, and there is time to open it: else it is said openly
    (ATT-17).
    """
    window = deal.times.get("attest_ms")
    late = window is None or deal.rfq.header.expires - core.now < unsealing.PATIENCE * window
    ids = [one.id for key in (pair.member, pair.other) if (one := sealed_by(context, pair, key)) is not None]
    given = assessment.shares_of(deal, context.log) if ids and not late else {}
    return not late and not any(one in given for one in ids)


def _seal(core: Core, context: Context, deal: Deal, pair: Pair, hidden: Record, persona: Persona) -> dict[str, Any]:
    until, refs = deal.rfq.header.expires, (deal.rfq.id,)
    slot = Slot("once", assessment.slot_name(pair.relation, hidden.body["role"], hidden.body["subject"]), 0)
    body = assessment.seal(deal, pair, hidden, core.entropy)
    record = core.say(persona, "assessment.1", context.scope, body, until=until, slot=slot, refs=refs, human=True)
    core.keep(unsealing.SAID + hidden.id.hex(), hidden.raw)
    core.follow(hidden.scope)
    theirs = sealed_by(context, pair, hidden.body["subject"])
    opens = _opens(context, deal)(theirs or record)
    return {"id": record.id, "sealed": 1, "spoken": int(theirs is not None), "until": opens}


def _tell(core: Core, context: Context, deal: Deal, pair: Pair, hidden: Record, persona: Persona) -> dict[str, Any]:
    """Say it openly; what would count for nothing is not said (ATT-18)."""
    theirs = known(core, context, pair, hidden.body["subject"])
    both = theirs is not None and theirs.body["outcome"] == hidden.body["outcome"] == "broken"
    if both and theirs is not None and core.now - _first_sight(core, theirs) > FIRST_SIGHT_MS:
        raise CommandError("ATT-18", "attest: you have known for days what they say of you, so it would not count")
    head = hidden.header
    said = core.say(
        persona, hidden.kind, hidden.scope, hidden.body, until=head.expires, slot=head.slot, human=True, follow=True
    )
    return {"id": said.id, "sealed": 0, "spoken": 0, "until": 0}


def _first_sight(core: Core, record: Record) -> int:
    """When this node first saw what somebody signed, as near as it is remembered (ATT-5)."""
    seen = core.facts.get(f"seen/{record.id.hex()}")
    return int(decode(seen)) if seen is not None else record.header.created


# What is known of it


def waiting(core: Core, context: Context, deal: Deal, _: Coop | None) -> Iterator[dict[str, Any]]:
    """Whom an own persona can still say something about, and who has spoken of it (ATT-1, ATT-19)."""
    opens = _opens(context, deal)
    for pair, subject, role in _open_pairs(core, context, deal):
        theirs, about = sealed_by(context, pair, subject), deal.agreement_of(pair.member)
        outcome = "broken" if about is not None and not about.signed else "kept"
        row: dict[str, Any] = {"kind": "attest", "subject": subject, "role": role, "outcome": outcome}
        says = f"Did {_short(subject)} keep its word as {role}? What you say stands for years and counts for those who"
        says += " trust you."
        until = deal.rfq.header.expires
        if theirs is not None and not unsealing.is_public(core, theirs):
            until = opens(theirs)
            says = f"{_short(subject)} has said something about you, and you read it when you have said yours. " + says
        row |= {"until": until, "says": says, "silence": "Nothing is said; nobody's standing changes."}
        if theirs is not None:
            row["silence"] = "Nothing is said by you; what they say of you is opened when the time is up."
        yield row


def _open_pairs(core: Core, context: Context, deal: Deal) -> Iterator[tuple[Pair, bytes, str]]:
    """(pair, whom an own persona may say something about, as what) of what is not said yet."""
    for one in deal.agreements:
        if not one.signed and deal.state not in DEAL_TERMINAL:
            continue
        for member, _ in one.allocation.shares:
            others = [("supplier", one.supplier), ("negotiator", deal.rfq.author)]
            others += [("relay", key) for key in deal.council.witnesses]
            for relation, other in others:
                pair = Pair(relation, member, other)
                asked = one.signed or (relation, member in core.personas) == ("supplier", True)
                if member == other or not asked:
                    continue
                for author, subject, role in ((member, other, relation), (other, member, "member")):
                    prompted = (role == "member" and relation in _UNASKED) or relation == "relay"
                    if author not in core.personas or (prompted and sealed_by(context, pair, subject) is None):
                        continue
                    if said_by(core, context, deal, author, subject, role) is None:
                        yield pair, subject, role


def shown(core: Core, context: Context, deal: Deal) -> list[dict[str, Any]]:
    """Who has spoken about whom in this deal, and what, once it is open (ATT-19)."""
    found, opens = [], _opens(context, deal)
    given = assessment.shares_of(deal, context.log)
    for one in sorted(context.log.of_kind("assessment.1"), key=lambda record: (record.header.created, record.id)):
        subject, role = one.body["subject"], one.body["role"]
        said = core.peek(trust_scope(subject)).records.get(one.body["attestation"])
        row = {"author": one.author, "subject": subject, "role": role, "state": "sealed", "until": opens(one)}
        mine = core.facts.get(unsealing.SAID + one.body["attestation"].hex())
        if one.id in context.void:
            row |= {"state": "void", "code": context.void[one.id]}
        elif said is not None:
            row |= {"state": "open", **_words(said)}
        elif mine is not None:
            row |= _words(embedded(mine, core.settings.network))
        if row["state"] == "sealed" and _came_late(context, one, given):
            row["state"] = "late"
        found.append(row)
    return found


def _came_late(context: Context, one: Record, given: Mapping[bytes, Mapping[int, bytes]]) -> bool:
    """Whether the other side's was opened without this one (ATT-14)."""
    pair = assessment.pair_of(one)
    theirs = sealed_by(context, pair, one.body["subject"]) if pair is not None else None
    return theirs is not None and len(given.get(theirs.id, ())) > len(given.get(one.id, ())) == 0


def _words(said: Record) -> dict[str, Any]:
    return {name: said.body[name] for name in ("outcome", "remark")} | {"dimensions": dict(said.body["dimensions"])}


def sealed_by(context: Context, pair: Pair, key: bytes) -> Record | None:
    """What one of the two has sealed about the other; of two in one slot that of least id."""
    role, subject = (pair.relation, pair.other) if key == pair.member else ("member", pair.member)
    held = context.log.slot("assessment.1", key, assessment.slot_name(pair.relation, role, subject))
    return held[0] if held else None


def known(core: Core, context: Context, pair: Pair, key: bytes) -> Record | None:
    """What one of the two has said about the other, as far as it is open."""
    subject = pair.other if key == pair.member else pair.member
    said = core.peek(trust_scope(subject)).by(key, "attestation.1")
    deal = context.deal(core.settings)
    return next((one for one in said if deal and co_signed(one, core.settings.network) == deal.rfq.id), None)


def said_by(core: Core, context: Context, deal: Deal, author: bytes, subject: bytes, role: str) -> Record | None:
    """What somebody has said of somebody in a role in this deal, sealed or openly."""
    for relation in RELATIONS if role == "member" else (role,):
        for one in context.log.slot("assessment.1", author, assessment.slot_name(relation, role, subject)):
            return one
    for about in deal.agreements:
        name = assessment.attestation_slot(about.hash, subject, role)
        for one in core.peek(trust_scope(subject)).slot("attestation.1", author, name):
            return one
    return None


def _opens(context: Context, deal: Deal) -> Callable[[Record], int]:
    """When a sealed attestation is opened at the latest, whoever stays silent; by the witnesses' receipts (ATT-14)."""
    enough = deal.council.quorum

    @cache
    def held() -> list[Mapping[bytes, int]]:
        return [assessment.first_held(context.log, one, deal.rfq.id) for one in deal.council.witnesses]

    def opens(record: Record) -> int:
        since = sorted(one[record.id] for one in held() if record.id in one)
        return (since[enough - 1] if len(since) >= enough else record.header.created) + int(deal.times["attest_ms"])

    return opens


def _short(key: bytes) -> str:
    return key.hex()[:8]
