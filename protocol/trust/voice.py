"""Voices: who may say under an agreement that something is wrong, where it stands, and when it counts as said.

Decides which records belong to a voice and at what hour each counts; never what is in them, nor who is right.
Spec: 19-remedy, RMD-1 to RMD-9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocol.coop.coop import question_name
from protocol.coop.decision import Council
from protocol.deal.life import Deal
from protocol.errors import Ignore
from protocol.params import PLANS_MAX, VOICES_MAX, WORDS_MAX
from protocol.record.log import Log
from protocol.record.record import Record

CODES = ("conduct", "late", "missing", "other", "price", "quality", "terms")
SPOKEN = ("voice.1", "words.1", "step.1", "naming.1", "named.1", "plan.1", "handover.1")  # in the deal's scope
STEPS: Mapping[str, tuple[str, str]] = {
    # step -> (what it is one answer to, who takes it: either side, the one who spoke up, its subject, a mediator, who
    # owes a remedy, whom it is owed to)
    "settled": ("end", "author"),
    "withdrawn": ("end", "author"),
    "empty": ("answer", "author"),
    "unreadable": ("answer", "author"),
    "case": ("case", "side"),
    "accept": ("mediate", "mediator"),
    "decline": ("mediate", "mediator"),
    "agree": ("agree", "side"),
    "done": ("done", "owing"),
    "confirmed": ("confirmed", "owed"),
    "contested": ("contested", "owed"),
    "fine": ("follow", "side"),
    "again": ("follow", "side"),
}
OF_PLANS = ("agree", "done", "confirmed", "contested", "fine", "again")


def sides(deal: Deal, agreement: bytes, one: bytes, other: bytes) -> bool:
    """Whether two have signed with each other under an agreement: member and supplier, or member and negotiator."""
    found = next((about for about in deal.agreements if about.hash == agreement), None)
    if found is None or one == other:
        return False
    return any(
        found.quantity_of(member) > 0 and second in (found.supplier, deal.rfq.author)
        for member, second in ((one, other), (other, one))
    )


def voice_slot(agreement: bytes, subject: bytes, number: int) -> str:
    """Where one side speaks up about the other for the time of this number, from 0."""
    return f"voice/{agreement[:8].hex()}/{subject[:8].hex()}/{number}"


def under(base: str, voice: bytes, number: int | None = None) -> str:
    """The slot of what is said under a voice."""
    return f"{base}/{voice[:8].hex()}" + ("" if number is None else f"/{number}")


def step_slot(body: Mapping[str, Any]) -> str:
    """The slot of a step: one for each thing that it may be an answer to."""
    about = body.get("plan", body["voice"])
    return f"step/{about[:8].hex()}/{STEPS[body['step']][0]}/{body['index']}"


def slots_of(record: Record) -> tuple[str, ...]:
    """The slots in which a record of these kinds may stand (RMD-2)."""
    body = record.body
    match record.kind:
        case "voice.1":
            return tuple(voice_slot(body["agreement"], body["subject"], number) for number in range(VOICES_MAX))
        case "words.1":
            return tuple(under("words", body["voice"], number) for number in range(WORDS_MAX))
        case "plan.1":
            return tuple(under("plan", body["voice"], number) for number in range(PLANS_MAX))
        case "step.1":
            return (step_slot(body),)
        case kind:
            return (under(kind.removesuffix(".1"), body["voice"]),)


def check(log: Log, deal: Deal, record: Record) -> None:
    """Raises Ignore RMD-1 to RMD-3 for what is in no place of its own, or by nobody whom it concerns."""
    if "voice_ms" not in deal.times:
        raise Ignore("RMD-1", f"{record.kind}: this deal's times name no voice_ms, so nothing of the kind is heard")
    slot, body = record.header.slot, record.body
    if slot is None or slot.name not in slots_of(record):
        raise Ignore("RMD-2", f"{record.kind}: stands in another slot than the one that is meant for it")
    if record.kind == "voice.1":
        if not sides(deal, body["agreement"], record.author, body["subject"]):
            raise Ignore("RMD-3", "voice: its author and its subject are not two sides of this agreement")
        return
    voice = log.records.get(body["voice"])
    if voice is None or voice.kind != "voice.1" or voice.id not in record.header.refs:
        raise Ignore("RMD-2", f"{record.kind}: refers to no voice that is held here")
    if record.kind == "step.1" and body.get("plan", voice.id) not in record.header.refs:
        raise Ignore("RMD-2", "step: does not refer to the plan that it names")
    if not _may(log, deal, voice, record):
        raise Ignore("RMD-3", f"{record.kind}: its author has no part in this voice, or not this one")


def _may(log: Log, deal: Deal, voice: Record, record: Record) -> bool:
    pair, author = (voice.author, voice.body["subject"]), record.author
    if record.kind == "step.1":
        return check_step(log, deal, voice, author, record.body)
    if record.kind in ("naming.1", "named.1", "handover.1") or author in pair:
        return author in pair
    return record.kind in ("words.1", "plan.1") and author in candidates(log, deal, voice)


def check_step(log: Log, deal: Deal, voice: Record, author: bytes, body: Mapping[str, Any]) -> bool:
    """Whether this step is its author's to take (RMD-3)."""
    pair, step, index = (voice.author, voice.body["subject"]), body["step"], body["index"]
    who, plan = STEPS[step][1], log.records.get(body.get("plan", b""))
    if (step in OF_PLANS) != ("plan" in body) or (index and who not in ("owing", "owed")):
        return False
    if step in OF_PLANS and (plan is None or plan.kind != "plan.1" or plan.body["voice"] != voice.id):
        return False
    match who:
        case "author":
            return author == voice.author
        case "side":
            return author in pair
        case "mediator":
            return author in candidates(log, deal, voice)
    remedies = plan.body["remedies"] if plan is not None else []
    if author not in pair or index >= len(remedies):
        return False
    return bool((remedies[index]["by"] == author) == (who == "owing"))


def candidates(log: Log, deal: Deal, voice: Record) -> tuple[bytes, ...]:
    """Everybody who may be asked to mediate: named by either side, or in advance by the request (RMD-14)."""
    named = [one for one in log.of_kind("named.1") if one.body["voice"] == voice.id]
    keys = [key for one in named for key in one.body["accepts"]]
    pair = (voice.author, voice.body["subject"])
    everybody = dict.fromkeys(sorted([*keys, *deal.rfq.body.get("mediators", ())]))
    return tuple(key for key in everybody if key not in pair)


@dataclass(frozen=True, slots=True)
class Hours:
    """When each record counts as said (RMD-8): by its stamp, or by the witnesses where enough of them have it."""

    seen: Mapping[bytes, tuple[int, ...]]  # id -> stamps of receipts, one of each witness, ascending
    needed: int
    settle_ms: int

    def __call__(self, record: Record) -> int:
        """Unix ms. More than f receipts hold one of an honest witness: nobody can have said it much before that."""
        stamps, said = self.seen.get(record.id, ()), record.header.created
        return said if len(stamps) < self.needed else max(said, stamps[self.needed - 1] - self.settle_ms)


def hours(log: Log, council: Council, deal: Deal) -> Hours:
    """The hours of what is held in a deal."""
    name, least = heard_question(deal), dict[tuple[bytes, bytes], int]()
    for receipt in log.of_kind("receipt.1"):
        if receipt.body["question"] == name and receipt.author in council.witnesses:
            for one in receipt.body["ids"]:
                at, stamp = (one, receipt.author), receipt.header.created
                least[at] = min(stamp, least.get(at, stamp))
    seen: dict[bytes, list[int]] = {}
    for (one, _), stamp in least.items():
        seen.setdefault(one, []).append(stamp)
    found = {one: tuple(sorted(stamps)) for one, stamps in seen.items()}
    return Hours(found, council.faults + 1, int(deal.times["settle_ms"]))


def heard_question(deal: Deal) -> str:
    """Under which name witnesses say that they have what was said (RMD-8)."""
    return question_name("heard", deal.rfq.id)
