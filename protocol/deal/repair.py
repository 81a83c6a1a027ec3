"""The repair round: once, after a rung fell, members may step in or take more, so that all get the better price.

Decides who may speak in it and what their last word is; never speaks for anybody.
Spec: 08-negotiation, NEG-110 to NEG-114.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from protocol.coop.box import Box
from protocol.coop.risk import ANY_STAKES, Stakes, keeps_to_stakes, stakes_of
from protocol.deal.award import Award, Part
from protocol.deal.life import Reader
from protocol.record.record import Record


def last_words(reader: Reader, award: Award) -> list[Record] | None:
    """Everybody's last word once the box of repairs is certified; None while it is open (NEG-111, NEG-113)."""
    deal = reader.deal
    first = {one.author: one for one in deal.commitments}
    entitled = tuple(sorted((*award.members, *award.reserve)))
    good = partial(good_repair, award, deal.rfq.id, first, stakes=stakes_of(deal.rfq.body))
    box = Box("commitment.1", "repair", entitled, (), good)
    second = reader.box("repairs", box, reader.decided[reader.name("commitments")].when, "repair_ms")
    if second is None:
        return None
    last = first | {one.author: one for one in second}
    return [last[key] for key in sorted(last)]


def good_repair(
    award: Award, rfq: bytes, first: Mapping[bytes, Record], record: Record, stakes: Stakes = ANY_STAKES
) -> bool:
    """Whether a record belongs into the box: it takes back nothing of what its author committed to (NEG-112), and keeps
    to what is at stake (RSK-5).
    """
    body, before = record.body, first.get(record.author)
    about = (body["rfq"], body["award"]) == (rfq, award.hash)
    part = seat_of(award, record)
    if not about or body["least"] > body["want"] or part is None:
        return False
    if body["answer"] == "commit" and not keeps_to_stakes(body, stakes, part.besides.periods):
        return False
    return before is None or before.body["answer"] != "commit" or grows(before.body, body)


def seat_of(award: Award, record: Record) -> Part | None:
    """The part that a commitment is about."""
    return seat(award, record.author, record.body.get("supplier"))


def seat(award: Award, member: bytes, named: bytes | None) -> Part | None:
    """The part in which a member has a lot, else that of the supplier named, else the only one (NEG-111)."""
    own = award.part_of(member)
    if own is not None:
        return own
    if named is None:
        return award.parts[0] if len(award.parts) == 1 else None
    return next((part for part in award.parts if part.supplier == named), None)


def grows(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a commitment takes nothing back of the one before (NEG-112)."""
    most = after["want"] + after["tolerate"] >= before["want"] + before["tolerate"]
    more = after["want"] >= before["want"] and after["price_max_minor"] >= before["price_max_minor"]
    same: bool = after["answer"] == before["answer"] and after["least"] <= before["least"]
    return same and more and most
