"""What a node signs by itself because its persona is a witness: receipts, proposals, votes.

Decides nothing of its own: it applies `decision` and `box` of protocol/coop to the open questions of a co-op or deal.
Everything it signs stands in the log before it is spoken, so a restart forgets only timers.
Spec: 06-decision, DEC-4 to DEC-19.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from protocol.coop.box import Question, contents, fresh_manifest, judge_manifest, missing, owed_receipts
from protocol.coop.decision import Council, Judge, Propose, Vote, Witness, slot_of
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.network import reconcile
from protocol.identity import Persona
from protocol.params import RECEIPT_IDS_MAX
from protocol.record.record import Record, Slot

_RECEIPT_SHARE = 10  # receipts are gathered for a tenth of the settling time, so that one signature covers many
_ACTS_MAX = 8  # signatures a witness may owe to one question at once; more means a bug, not work

Value = Callable[[], bytes | None]
Vouched = Callable[[Record, Persona], bool]


def whatever(record: Record, persona: Persona) -> bool:
    """For boxes of which every record that belongs into them is worth a receipt."""
    return True


def attend(
    core: Core,
    context: Context,
    council: Council,
    questions: Iterable[Question],
    until: int,
    value_of: Value,
    ref: bytes,
    vouched: Vouched = whatever,
) -> None:
    """Sign whatever own personas owe to the open questions. `value_of`: the value of a question that has none yet.

    `ref` is the charter's or request's record id, which everything said here refers to. `vouched`: whether a record is
    worth the receipt of one of them.
    """
    acknowledge(core, context, council, questions, until, ref, vouched)
    for key in council.witnesses:
        persona = core.personas.get(key)
        if persona is not None:
            for question in questions:
                _vote(core, context, council, question, persona, until, value_of, ref)


def acknowledge(
    core: Core,
    context: Context,
    council: Council,
    questions: Iterable[Question],
    until: int,
    ref: bytes,
    vouched: Vouched = whatever,
) -> None:
    """Sign only receipts (DEC-15): of what a box may hold before it is sure that this box will be decided."""
    for key in council.witnesses:
        persona = core.personas.get(key)
        if persona is not None:
            for question in questions:
                if question.box is not None:
                    _give_receipts(core, context, council, question, persona, until, ref, vouched)


def fetch_missing(core: Core, context: Context, council: Council, questions: Iterable[Question]) -> None:
    """Ask for what certified manifests list and this node does not hold (DEC-19)."""
    for question in questions:
        decided = context.docket.decided(question.name, council)
        if question.box is not None and decided is not None:
            reconcile.want(core, context, missing(context.log, decided.value))


def _give_receipts(
    core: Core,
    context: Context,
    council: Council,
    question: Question,
    persona: Persona,
    until: int,
    ref: bytes,
    vouched: Vouched,
) -> None:
    context.wake_at(question.closes if core.now < question.closes else None)
    owed = owed_receipts(context.log, context.docket, question, council, persona.key, core.now)
    owed = [one for one in owed if vouched(context.log.records[one], persona)]
    if not owed:
        return
    share = question.settle_ms // _RECEIPT_SHARE
    due = context.receipts_due.setdefault(question.name, min(core.now, question.closes - share) + share)
    if core.now < due:
        context.wake_at(due)
        return
    del context.receipts_due[question.name]
    for at in range(0, len(owed), RECEIPT_IDS_MAX):
        body = {"question": question.name, "ids": owed[at : at + RECEIPT_IDS_MAX]}
        core.volunteer(persona, "receipt.1", context.scope, body, until=until, refs=(ref,))


def _vote(
    core: Core,
    context: Context,
    council: Council,
    question: Question,
    persona: Persona,
    until: int,
    value_of: Value,
    ref: bytes,
) -> None:
    at = question.name, persona.key
    due = question.due if question.box is not None else core.now
    witness = context.witnesses.get(at)
    if witness is None:
        witness = context.witnesses[at] = Witness(council, question.name, persona.key, question.round_ms, due)
    judge, fresh = _rules(core, context, council, question, persona, value_of)
    for _ in range(_ACTS_MAX):
        match witness.act(context.docket, core.now, judge, fresh):
            case Propose(number, valid_round, value):
                body = {"question": question.name, "round": number, "valid_round": valid_round, "value": value}
                slot = Slot("once", slot_of(question.name, number), 0)
                said = core.volunteer(persona, "proposal.1", context.scope, body, until=until, slot=slot, refs=(ref,))
            case Vote(number, step, hashed):
                body = {"question": question.name, "round": number, "step": step, "value": hashed}
                slot = Slot("once", slot_of(question.name, number, step), 0)
                said = core.volunteer(persona, "vote.1", context.scope, body, until=until, slot=slot, refs=(ref,))
            case None:
                break
        if said is None:
            return  # it abstains from the whole question, for as long as that is open (KEP-14)
    context.wake_at(witness.deadline)
    if question.box is not None and core.now < question.due:
        context.wake_at(question.due)


def _rules(
    core: Core, context: Context, council: Council, question: Question, persona: Persona, value_of: Value
) -> tuple[Judge, Value]:
    """How this witness judges a proposed value, and what it would propose itself."""
    if question.box is None:

        def known() -> bytes | None:
            return question.value if question.value is not None else value_of()

        def judge_value(value: bytes, fresh: bool) -> bool | None:
            if not fresh and question.value is None:
                return True  # among a quorum that computed it are more than f honest ones; what opens may have grown
            own = known()
            return None if own is None else value == own

        return judge_value, known

    duty = _duty(core, context, council, question, persona)

    def fresh_value() -> bytes | None:
        return fresh_manifest(context.log, context.docket, question, council, core.now)

    def judge_box(value: bytes, fresh: bool) -> bool | None:
        return judge_manifest(context.log, context.docket, question, council, value, duty if fresh else ())

    return judge_box, fresh_value


def _duty(
    core: Core, context: Context, council: Council, question: Question, persona: Persona
) -> tuple[bytes, ...] | None:
    """What a fresh manifest must not omit: settled once, when this witness's settling time ends (DEC-17)."""
    if core.now < question.due:
        return None
    at = question.name, persona.key
    if at not in context.duties:
        ids = contents(context.log, context.docket, question, council)
        context.duties[at] = tuple(one for one in ids if context.docket.receipted(question.name, one, persona.key))
    return context.duties[at]
