"""A supplier's last word: a second quotation that may only be better than the first.

Decides whether it is; never which quotation is best. Spec: 08-negotiation, NEG-82 and NEG-83.
"""

from __future__ import annotations

from dataclasses import replace

from protocol.coop.template import Template
from protocol.deal.allocation import Ladder
from protocol.deal.negotiation import Quotation, read
from protocol.errors import Reject
from protocol.params import RUNGS_MAX

_SAME = (
    *("supplier", "subject", "currency", "price_basis", "tax_category", "tax_hundredths", "cancellation", "trader"),
    "instead",
)


def latest(first: bytes, final: bytes, template: Template) -> bytes:
    """The quotation that counts: the final one when it is no worse than the first in anything, else the first."""
    try:
        check_better(read(first, template), read(final, template), template)
    except Reject:
        return first
    return final


def check_better(first: Quotation, final: Quotation, template: Template) -> None:
    """Raises Reject NEG-83 naming the first thing in which a final quotation is worse, or other, than the first."""
    for name in _SAME:
        if getattr(first, name) != getattr(final, name):
            raise Reject("NEG-83", f"final.{name}: must stay as it was quoted first")
    if not _never_dearer(first.ladder, final.ladder, first.capacity):
        raise Reject("NEG-83", "final.ladder: some quantity would cost more than first quoted")
    if final.capacity < first.capacity or first.pack % final.pack:
        raise Reject("NEG-83", "final.capacity, final.pack: must serve all that was quoted first")
    if final.valid_until < first.valid_until or final.cancellation_fee_minor > first.cancellation_fee_minor:
        raise Reject("NEG-83", "final.valid_until, final.cancellation_fee_minor: must be no worse than first quoted")
    if final.prepaid_percent > first.prepaid_percent:
        raise Reject("NEG-83", "final.prepaid_percent: must not be above what was quoted first")
    for name in sorted({*first.charges, *final.charges}):
        if final.charges.get(name, 0) > first.charges.get(name, 0):
            raise Reject("NEG-83", f"final.charges.{name}: must not be above what was quoted first")
    if any(term not in final.terms for term in first.terms):
        raise Reject("NEG-83", "final.terms: must accept all that the first did")
    for attribute in template.compared:
        gained = final.attributes[attribute.name] - first.attributes[attribute.name]
        if gained and (attribute.better == "none" or (gained > 0) != (attribute.better == "more")):
            raise Reject("NEG-83", f"final.attributes.{attribute.name}: must be no worse than first quoted")


def _never_dearer(first: Ladder, final: Ladder, capacity: int) -> bool:
    """Whether each quantity that the first serves, up to its capacity, costs as much or less on the final ladder."""
    if final[0][0] > first[0][0]:
        return False
    starts = [minimum for minimum, _ in (*first, *final) if first[0][0] <= minimum <= capacity]
    return all(_price(final, start) <= _price(first, start) for start in starts)


def _price(ladder: Ladder, quantity: int) -> int:
    return next(price for minimum, price in reversed(ladder) if minimum <= quantity)


def met(first: Quotation, price_minor: int, quantity: int) -> Quotation:
    """The first quotation with its prices lowered as far as a counter-offer asks: from this quantity on, this price."""
    start = min(quantity, first.capacity)
    before = [rung for rung in first.ladder if rung[0] < start]
    beyond = [(minimum, min(price, price_minor)) for minimum, price in first.ladder if minimum > start]
    at = min(price_minor, _price(first.ladder, start)) if start >= first.ladder[0][0] else price_minor
    return replace(first, ladder=(*before, (start, at), *beyond)[:RUNGS_MAX])
