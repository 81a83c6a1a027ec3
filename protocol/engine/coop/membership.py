"""What a node does by itself in a co-op: accept a charter as its witness, join as wished, serve as a witness.

Decides when a wish to join becomes a join; never pledges, stands, votes or commits for a person.
Spec: 05-formation, FRM-22 to FRM-29.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from protocol.coop.charter import Invitation, good_join, sponsors
from protocol.coop.coop import COOP_TERMINAL, Coop, lapsed
from protocol.coop.evidence import admission
from protocol.coop.risk import shortfall
from protocol.coop.room import request_fits
from protocol.deal.life import deal_scope
from protocol.deal.request import specification_fits
from protocol.encoding import decode, encode
from protocol.engine.context import Context
from protocol.engine.coop import counting, faults, lease, witness
from protocol.engine.coop.vouching import with_evidence
from protocol.engine.core import Core
from protocol.engine.deal import opening
from protocol.engine.freezing import check_company, gone_among
from protocol.errors import CommandError, Ignore, Reject, Silent
from protocol.identity import Persona, box_key
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope

_EXCLUDED_MAX = 16  # as many as a join can name


@dataclass(frozen=True, slots=True)
class Wish:
    """A member's will to join a co-op, kept until it can be signed: with which intent, on which conditions."""

    board: str
    intent: str
    least: int = 0
    most: int = 0
    exclude: tuple[bytes, ...] = ()
    token: bytes = b""

    def to_bytes(self) -> bytes:
        """How the fact is kept."""
        return encode([self.board, self.intent, self.least, self.most, sorted(self.exclude), self.token])

    @classmethod
    def parse(cls, data: bytes) -> Wish:
        """The wish in a kept fact."""
        board, intent, least, most, exclude, token = decode(data)
        return cls(board, intent, least, most, tuple(exclude), token)


def attend(core: Core, context: Context) -> None:
    """Look at the co-op again."""
    coop = context.coop(core.settings)
    if coop is None:
        return
    if lapsed(coop, core.now):
        if context.shown != "lapsed":
            context.shown = "lapsed"
            core.notify("coop", coop=coop.hash[:16], state="void", members=len(coop.members))
        return
    until = coop.charter.header.expires
    ends = until if coop.state != "called" else coop.charter.header.created + coop.times["join_ms"] + 1
    context.wake_at(ends if core.now < ends else None)
    _accept(core, context, coop)
    _join(core, context, coop)
    witness.fetch_missing(core, context, coop.council, coop.open)
    if any(key in core.personas for key in coop.council.witnesses):
        for member in coop.joined:
            core.follow(trust_scope(member))  # IDN-33: whoever gives receipts has to hear of freezes
    vouched = partial(_vouched, core, context, coop)
    witness.attend(core, context, coop.council, coop.open, until, lambda: None, coop.charter.id, vouched)
    counting.attend(core, context, coop)
    lease.attend(core, context, coop)
    faults.attend(core, context, (*coop.keys, *coop.council.witnesses), coop.times["settle_ms"])
    faults.attend_intents(core, context, coop)
    if coop.mandate is not None and concerns_me(core, coop):
        scope = deal_scope(coop.mandate.deal)
        core.follow(scope)
        core.context(scope).named = coop.request.body["rfq"] if coop.request is not None else b""
        core.dirty.setdefault(scope, None)
    told = f"{coop.state} {coop.term} {len(coop.open)} {len(coop.members)}"
    if told != context.shown:
        context.shown = told
        core.notify("coop", coop=coop.hash[:16], state=coop.state, members=len(coop.members))
    if coop.state in COOP_TERMINAL and not coop.open:
        for at in [one for one in context.witnesses if not one[0].startswith("answers/")]:  # asked by the deal
            del context.witnesses[at]


def concerns_me(core: Core, coop: Coop) -> bool:
    """Whether an own persona is a member or witness."""
    return any(key in core.personas for key in (*coop.keys, *coop.council.witnesses))


def _vouched(core: Core, context: Context, coop: Coop, record: Record, persona: Persona) -> bool:
    """Whether an own witness may say it had this in time: a ballot, only with a good share for it; a request's mention,
    only if the request is here and fits, and the mention lets this witness into the request's room.
    """
    if record.author in core.frozen:
        return False  # IDN-33
    if record.kind == "ballot.1":
        return counting.vouched(context, coop, record, persona)
    if record.kind != "deal.1":
        return True
    log = core.peek(deal_scope(record.body["deal"]))
    rfq = log.records.get(record.body["rfq"])
    if len(log.slot("rfq.1", record.author, "rfq")) > 1:
        return False  # of two requests suppliers would answer the one, and a friend the other
    if lease.is_recalled(context, coop):
        return False  # ELE-42: whoever was recalled asks nobody any more
    if rfq is None or rfq.kind != "rfq.1" or not request_fits(coop, context.log, rfq, record):
        return False
    if not opening.holds_room(coop, rfq, record, persona):
        return False
    return specification_fits(coop, core.settings.templates[coop.charter.body["template"]], rfq)


def find_intent(core: Core, board: str, name: str) -> Record | None:
    """The live intent of an own persona with this name on a board."""
    for key in core.personas:
        for one in core.peek(board).slot("intent.1", key, name):
            if one.body["readiness"] != "withdrawn" and one.header.expires > core.now:
                return one
    return None


def _accept(core: Core, context: Context, coop: Coop) -> None:
    """A founder accepts its own charter, a member one it wishes to join, a relay any that names it (FRM-22)."""
    if lacks := shortfall(coop.charter.body, core.settings.templates[coop.charter.body["template"]]):
        _refuse(core, context, coop, "RSK-4", lacks)
        return
    wisher = _wisher(core, context)
    for key in coop.council.witnesses:
        persona = core.personas.get(key)
        if persona is None or context.log.slot("accept.1", key, "accept"):
            continue
        willing = key == coop.charter.author or key == wisher or core.settings.role == "relay"
        if willing and coop.charter.header.expires > core.now:
            body = {"charter": coop.hash, "box": box_key(persona.box_seed(coop.hash))}
            until, slot = coop.charter.header.expires, Slot("once", "accept", 0)
            core.follow(context.scope)  # a relay too, whoever leaves: it has a duty here now
            core.volunteer(persona, "accept.1", context.scope, body, until=until, slot=slot, refs=(coop.charter.id,))


def _refuse(core: Core, context: Context, coop: Coop, code: str, message: str) -> None:
    """Let go of the wish to join, and tell its person once why."""
    if f"wish/{context.scope}" in core.facts:
        core.keep(f"wish/{context.scope}", b"")
        core.notify("refused", coop=coop.hash[:16], code=code, message=message)


def _wisher(core: Core, context: Context) -> bytes:
    """Which own persona wishes to join, b"" for none: another of the same home keeps out of it (IDN-22)."""
    kept = core.facts.get(f"wish/{context.scope}")
    wish = Wish.parse(kept) if kept is not None else None
    intent = find_intent(core, wish.board, wish.intent) if wish is not None else None
    return intent.author if intent is not None else b""


def _join(core: Core, context: Context, coop: Coop) -> None:
    """Sign the join that is wished for, once every witness has accepted and while the box is open (FRM-23)."""
    kept = core.facts.get(f"wish/{context.scope}")
    if kept is None or coop.state == "called":
        return
    wish = Wish.parse(kept)
    intent = find_intent(core, wish.board, wish.intent)
    if intent is None or any(context.log.slot("join.1", key, "join") for key in core.personas):
        return
    persona = core.personas[intent.author]
    body: dict[str, object] = {
        "charter": coop.hash,
        "intent": intent.raw,
        "box": box_key(persona.box_seed(coop.hash)),
        "least": wish.least,
        "most": wish.most,
        "exclude": _kept_out(core, context, wish),
    }
    if wish.token:
        body["invite"] = wish.token
    if admission(coop.charter).asks:
        body = with_evidence(core, persona, sponsors(coop.charter), body)
    try:
        if wish.token:
            check_invitation(core, context, wish.token)
        check_company(core, coop.charter)
        if coop.state != "forming":
            raise CommandError("FRM-23", f"join: the co-op is {coop.state}; its roster is closed")
        join = core.say(
            persona,
            "join.1",
            context.scope,
            body,
            until=coop.charter.header.expires,
            slot=Slot("once", "join", 0),
            refs=(coop.charter.id,),
        )
    except Silent:
        return  # the wish stands: a later roster may open
    except (Ignore, CommandError) as error:
        _refuse(core, context, coop, error.code, error.message)
        return
    core.notify("joined", coop=coop.hash[:16], good=good_join(coop.charter, coop.hash, core.settings.network, join))


def _kept_out(core: Core, context: Context, wish: Wish) -> list[bytes]:
    """With whom this member will not be on a roster: whom they named, and who joined and is frozen (IDN-34)."""
    gone = gone_among(core, [one.author for one in context.log.of_kind("join.1")])
    return sorted({*wish.exclude, *sorted(gone)[: _EXCLUDED_MAX - len(wish.exclude)]})


def check_invitation(core: Core, context: Context, token: bytes) -> None:
    """Raises CommandError FRM-26 for an invitation that is damaged, has expired, or is known to be used."""
    try:
        invitation = Invitation.parse(token)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    if invitation.expires <= core.now:
        raise CommandError("FRM-26", "invitation: has expired; ask for a new one")
    others = (one for one in context.log.of_kind("join.1") if one.author not in core.personas)
    if used_by(others)[invitation.nonce] >= invitation.count:
        who = "somebody has" if invitation.count == 1 else f"{invitation.count} people have"
        raise CommandError("FRM-26", f"invitation: {who} used it already; ask for a new one")


def used_by(joins: Iterable[Record]) -> Counter[bytes]:
    """How many of these joins came by which invitation, by its nonce; only good ones are held (FRM-24)."""
    return Counter(Invitation.parse(one.body["invite"]).nonce for one in joins if "invite" in one.body)
