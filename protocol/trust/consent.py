"""Data terms, and what two sides of an agreement have said that one may know of the other: for what, until when.

Decides what terms allow together, which halves match, and what has been taken back; never what anybody signs.
Spec: 20-consent, CNS-1 to CNS-20.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocol.encoding import digest_of
from protocol.errors import Ignore, Reject
from protocol.params import DAY_MS, ERASE_MS, RELS_MAX, TERMS_NAME_MAX, USE_KEPT_DAYS
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.record.schema import ascending, fields, integer, one_of, slug, text
from protocol.record.shapes import FIELDS, PURPOSES

SHARING = ("carriers", "nobody")
STANDARD = ("billing", "delivery", "support")  # what an agreement is carried out by; anything else is a grant (CNS-15)
_CONTENT = fields(
    {
        "name": slug(TERMS_NAME_MAX),
        "version": integer(1, 1000),
        "title": text(80, 1),
        "words": text(1000, 1),
        "purposes": ascending(one_of(*PURPOSES), len(PURPOSES)),
        "fields": ascending(one_of(*FIELDS), len(FIELDS)),
        "keep_days": integer(0, 3660),
        "sharing": one_of(*SHARING),
    }
)
_NUMBERED = {"rel.1": "rel", "revoke.1": "revoke", "detail.1": "detail"}
_SLOTS = {kind: {f"{base}/{n}": n for n in range(RELS_MAX)} for kind, base in _NUMBERED.items()}


@dataclass(frozen=True, slots=True)
class Use:
    """What may be done with somebody's details: for which purposes, which of them, how long after the term, by whom."""

    purposes: tuple[str, ...]
    fields: tuple[str, ...]
    keep_days: int
    sharing: str


BASE = Use(("delivery",), FIELDS, USE_KEPT_DAYS, "carriers")  # where nobody named any terms (CNS-5)


@dataclass(frozen=True, slots=True)
class DataTerms:
    """Terms that a person chose from: `id` stands in records, and holds the hash of all the rest (CNS-2)."""

    id: str
    name: str
    version: int
    title: str
    words: str
    use: Use


def parse_terms(content: Mapping[str, Any]) -> DataTerms:
    """Raises Reject CNS-1 naming the field."""
    try:
        _CONTENT(dict(content), "terms")
    except Reject as error:
        raise Reject("CNS-1", error.message) from None
    use = Use(tuple(content["purposes"]), tuple(content["fields"]), content["keep_days"], content["sharing"])
    told = {name: content[name] for name in ("name", "version", "title", "words")}
    return DataTerms(id=terms_id(content), use=use, **told)


def terms_id(content: Mapping[str, Any]) -> str:
    """The name, and the first half of the hash of everything that the terms say (CNS-2)."""
    return f"{content['name']}-{digest_of('terms', dict(content))[:16].hex()}"


def allowed(chosen: Sequence[DataTerms]) -> Use:
    """What each of them allows, and nothing else (CNS-4)."""
    if not chosen:
        return BASE
    uses = [one.use for one in chosen]
    return Use(
        tuple(one for one in PURPOSES if all(one in use.purposes for use in uses)),
        tuple(one for one in FIELDS if all(one in use.fields for use in uses)),
        min(use.keep_days for use in uses),
        max(use.sharing for use in uses),  # "nobody" is the stricter
    )


def rel_hash(body: Mapping[str, Any]) -> bytes:
    """What two halves have in common: everything that they say (CNS-10)."""
    return digest_of("rel", dict(body))


def usage_slot(rel: bytes, member: bytes, act: str) -> str:
    """Where a receiver says once what it did (CNS-19)."""
    return f"usage/{rel[:8].hex()}/{member[:8].hex()}/{act}"


def check_slot(record: Record) -> None:
    """Raises Ignore CNS-11 for what stands in none of the slots that its author has for it."""
    slot = record.header.slot
    if record.kind in _SLOTS and (slot is None or slot.name not in _SLOTS[record.kind]):
        raise Ignore("CNS-11", f"{record.kind}: an author has the slots 0 to {RELS_MAX - 1} for it, and no other")
    if record.kind == "usage.1":
        said = record.body
        if slot is None or slot.name != usage_slot(said["rel"], said["member"], said["act"]):
            raise Ignore("CNS-11", "usage.1: its slot does not say what it is about")


def number_of(record: Record) -> int:
    """The number of its slot among its author's."""
    slot = record.header.slot
    return _SLOTS[record.kind].get(slot.name, -1) if slot is not None else -1


def halves(log: Log, author: bytes, agreement: bytes) -> dict[bytes, Record]:
    """Hash -> the half that an author signed under an agreement, by number; said twice in one slot counts for nothing,
    and of two that say the same the first does (CNS-11)."""
    found: dict[bytes, Record] = {}
    for name in _SLOTS["rel.1"]:
        one = log.sole("rel.1", author, name)
        if one is not None and one.body["agreement"] == agreement:
            found.setdefault(rel_hash(one.body), one)
    return found


@dataclass(frozen=True, slots=True)
class Flow:
    """One use that a member and the supplier of an agreement speak of. None: that was not said.

    `receipts`: act -> what the supplier said that it did.
    """

    rel: bytes
    member: bytes
    supplier: bytes
    body: Mapping[str, Any]
    ours: Record | None  # the member's half
    theirs: Record | None  # the supplier's
    revoked: Record | None = None
    detail: Record | None = None
    receipts: Mapping[str, Record] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Of the member's half, and so of everything that the member says about it; -1 without one."""
        return number_of(self.ours) if self.ours is not None else -1

    @property
    def plain(self) -> bool:
        """Whether it is for carrying out the agreement alone, and not a grant (CNS-18)."""
        return all(one in STANDARD for one in self.body["purposes"])

    @property
    def held(self) -> bool:
        """Whether something sealed stands there."""
        return self.detail is not None and bool(self.detail.body["sealed"])

    def state(self, now: int) -> str:
        """`offered`, `asked` (by one side alone), `agreed`, `over`, `revoked`, `erased` or `unanswered` (CNS-12)."""
        if self.revoked is not None:
            if "erased" in self.receipts:
                return "erased"
            return "unanswered" if self.received and now > self.answer_by else "revoked"
        if now >= self.body["until"]:
            return "over"
        if self.ours is None or self.theirs is None:
            return "asked" if self.ours is None else "offered"
        return "agreed"

    @property
    def received(self) -> bool:
        """Whether the other side could ever read anything, so that there is something to erase."""
        return self.theirs is not None and self.detail is not None

    @property
    def answer_by(self) -> int:
        """Until when a revocation has to be receipted (CNS-17), 0 where there is none."""
        return self.revoked.header.created + ERASE_MS if self.revoked is not None else 0


def flows(log: Log, agreement: bytes, supplier: bytes, members: Iterable[bytes]) -> tuple[Flow, ...]:
    """Everything the supplier and each of these members speak of, the member's own first, each by number."""
    theirs = halves(log, supplier, agreement)
    found = []
    for member in members:
        ours = halves(log, member, agreement)
        for rel in dict.fromkeys((*ours, *theirs)):
            found.append(_flow(log, member, supplier, rel, ours.get(rel), theirs.get(rel)))
    return tuple(found)


def _flow(log: Log, member: bytes, supplier: bytes, rel: bytes, ours: Record | None, theirs: Record | None) -> Flow:
    half = ours or theirs
    assert half is not None
    if ours is None:
        return Flow(rel, member, supplier, half.body, ours, theirs)
    number = number_of(ours)
    # Said twice, a revocation is the same word; whoever names another rel in this slot has said nothing.
    back = [one for one in log.slot("revoke.1", member, f"revoke/{number}") if one.body["rel"] == rel]
    revoked = min(back, key=lambda one: (one.header.created, one.id), default=None)
    held = log.slot("detail.1", member, f"detail/{number}")
    detail = next((one for one in held if one.body["rel"] == rel), None)
    receipts = {
        act: min(said, key=lambda one: (one.header.created, one.id))
        for act in ("received", "erased", *PURPOSES)
        if (said := log.slot("usage.1", supplier, usage_slot(rel, member, act)))
        and all((one.body["rel"], one.body["member"]) == (rel, member) for one in said)
    }
    return Flow(rel, member, supplier, half.body, ours, theirs, revoked, detail, receipts)


def excess(body: Mapping[str, Any], use: Use, end: int) -> str:
    """What a half asks for beyond what terms allow, in words; "" where it keeps to them (CNS-14). end: of the term."""
    for name, most in (("purposes", use.purposes), ("fields", use.fields)):
        beyond = [one for one in body[name] if one not in most]
        if beyond:
            return f"{name}: {beyond[0]} is not among {', '.join(most) or 'none'}"
    if body["until"] > end + use.keep_days * DAY_MS:
        return f"until: is more than {use.keep_days} days after the term"
    return ""
