"""When a device that signs for a persona must not: while it is being restored, beside a twin, in slots already used.

Decides what a node remembers of its restore and whether it may sign a record now; what it hears, and what ends its
silence, is protocol.engine.keeping's. Spec: 18-keeping, KEP-11 to KEP-15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from protocol.coop.box import Question
from protocol.coop.coop import question_name
from protocol.deal.choice import answers_question
from protocol.deal.life import deal_scope
from protocol.encoding import decode, encode
from protocol.errors import Silent
from protocol.identity import Persona
from protocol.record.record import Slot

if TYPE_CHECKING:  # asked from Core.say
    from protocol.engine.core import Core

FACT = "keeping"
SEQ_SKIP = 1 << 16  # KEP-13: more versions than any device makes unheard
QUIET = ("restoring", "listening", "stopped", "retired")
SAID_ANYHOW = ("device.1", "persona.1")  # KEP-12: to say that this device goes on
# Of these the slot is free when that of another record is, which is checked before them (KEP-14).
_WITH_OTHERS = ("persona.1", "call.1", "headline.1", "commitment-marker.1")


@dataclass(frozen=True, slots=True)
class Keeping:
    """What this device knows of its own life; all empty for one that was never restored.

    `state`: "" when it signs. `since`: when that began. `relays`: how many must have told what they hold. `sure`: its
    person says that no other device signed after the backup. `alone_from`: own records of an unknown device are a
    twin's from then on. `used_until`: a `once` slot that opened until then counts as used.
    """

    state: str = ""
    since: int = 0
    relays: int = 0
    sure: bool = False
    alone_from: int = 0
    used_until: int = 0
    heard: bytes = b""  # the header of what stopped it

    def to_bytes(self) -> bytes:
        """How the fact is kept."""
        return encode({name: getattr(self, name) for name in self.__slots__})


NEVER = Keeping()


def keeping(core: Core) -> Keeping:
    """What this device knows of its own life."""
    kept = core.facts.get(FACT)
    return NEVER if kept is None else Keeping(**decode(kept))


def keep(core: Core, now: Keeping, **changes: Any) -> Keeping:
    """Remember it, changed."""
    changed = replace(now, **changes)
    core.keep(FACT, changed.to_bytes())
    return changed


_WHY = {
    "restoring": "this device was restored and signs nothing until relays have told what was said since; `wltm device`"
    " shows how far it is",
    "listening": "this device was restored and listens whether another one still signs for you; it goes on in a moment",
    "stopped": "another device signed with your key; decide with `wltm device` which one goes on",
    "retired": "you retired this device; `wltm device go-on` takes that back",
}


def check(core: Core, persona: Persona, kind: str, scope: str, body: Mapping[str, Any], slot: Slot | None) -> None:
    """Raises Silent KEP-11 while this device signs nothing, KEP-14 for a slot that another may have used."""
    if FACT not in core.facts:
        return
    now = keeping(core)
    if now.state != "listening" or kind not in SAID_ANYHOW:
        check_speaks(core, kind)
    once = slot if slot is not None and slot.mode == "once" and kind not in _WITH_OTHERS else None
    if once is not None and now.used_until and opened_at(core, kind, scope, body, once) <= now.used_until:
        raise Silent("KEP-14", f"{kind}: not signed: {ABSTAINS}")


def check_speaks(core: Core, what: str) -> None:
    """Raises Silent KEP-11 while this device signs nothing, records or other things."""
    state = keeping(core).state
    if state in QUIET:
        raise Silent("KEP-11", f"{what}: not signed: {_WHY[state]}")


ABSTAINS = (
    "the device that this one replaces may have answered this already, and two answers would count as none and as"
    " your fault; whatever opens from now on is yours to answer"
)


def is_quiet(core: Core) -> bool:
    """Whether this device signs nothing at present (KEP-11)."""
    return FACT in core.facts and keeping(core).state in QUIET


def alone_from(core: Core) -> int:
    """Since when this device is the only one that signs, after a restore; 0 for one that always was."""
    return keeping(core).alone_from


def is_used(core: Core, opened: int) -> bool:
    """Whether a slot that opened then counts as used here (KEP-14)."""
    return FACT in core.facts and 0 <= opened <= keeping(core).used_until


def lifted(core: Core, persona: Persona, kind: str, scope: str, slot: Slot | None) -> Slot | None:
    """The slot that is really signed: the first version after a restore leaves room for those unheard of (KEP-13)."""
    if slot is None or slot.mode != "latest" or FACT not in core.facts:
        return slot
    since = keeping(core).alone_from
    held = core.peek(scope).slot(kind, persona.key, slot.name)
    if not since or (held and held[0].header.created >= since):
        return slot
    return Slot(slot.mode, slot.name, slot.seq + SEQ_SKIP)


def opened_at(core: Core, kind: str, scope: str, body: Mapping[str, Any], slot: Slot) -> int:
    """Since when somebody with this key could sign in this slot (Unix ms); 0 when that cannot be told.

    By the stamps of what was certified or said before, the same at every device.
    """
    context = core.contexts.get(scope)
    family = scope.partition("/")[0]
    if kind == "rfq.1":
        return _of_question(open_questions(core, "coop/" + body["coop"].hex()), "deal.1", None, "")
    if family in ("coop", "deal"):
        if context is None or not context.log.records:
            return core.now  # it begins with this
        found = _of_question(open_questions(core, scope), kind, slot, str(body.get("question", "")))
        return found or _root(core, scope)
    return _of_agreement(core, body.get("agreement", b""))


def open_questions(core: Core, scope: str) -> tuple[Question, ...]:
    """What is open in a co-op, its deal's answers included, or in a deal."""
    context = core.contexts.get(scope)
    if context is None:
        return ()
    coop = context.coop(core.settings) if context.family == "coop" else None
    deal = context.deal(core.settings) if context.family == "deal" else None
    if coop is not None:
        about = core.contexts.get(deal_scope(coop.mandate.deal)) if coop.mandate is not None else None
        deal = about.deal(core.settings) if about is not None else None
        answers = answers_question(deal, coop) if deal is not None else None  # asked in the co-op's scope
        return coop.open if answers is None else (*coop.open, answers)
    return deal.open if deal is not None else ()


def _of_question(questions: tuple[Question, ...], kind: str, slot: Slot | None, name: str) -> int:
    """When the question that is named, or whose box takes this kind in this slot, was opened; 0 when there is none."""
    for one in questions:
        boxed = one.box is not None and one.box.kind == kind and (slot is None or one.box.slot_name == slot.name)
        if one.name == name or (not name and boxed):
            return one.opened
    return 0


def _root(core: Core, scope: str) -> int:
    """When a co-op or deal began; now, before it has."""
    log = core.contexts[scope].log
    roots = [one.header.created for kind in ("charter.1", "rfq.1") for one in log.of_kind(kind)]
    return min(roots, default=core.now)


def _of_agreement(core: Core, agreement: Any) -> int:
    """When the agreement came to be, for what is certified of it later opens nothing; 0 for one not known here."""
    for context in core.contexts.values():
        deal = context.deal(core.settings) if context.family == "deal" else None
        if deal is not None and any(one.hash == agreement for one in deal.agreements):
            names = [question_name(base, deal.rfq.id) for base in ("commitments", "repairs")]
            return max(deal.decided[name].when for name in names if name in deal.decided)
    return 0
