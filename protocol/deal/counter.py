"""Counter-offers: the price and quantity at which a negotiator would close with a supplier, said before all sides.

Decides who may say one and that it stays within the mandate; it binds nobody, and a supplier takes it up by its final
quotation. Spec: 08-negotiation, NEG-80 and NEG-81.
"""

from __future__ import annotations

from protocol.deal.negotiation import Limits
from protocol.deal.term import Terms, in_force, is_act
from protocol.errors import Ignore, Reject
from protocol.record.log import Log
from protocol.record.record import Record


def counter_slot(supplier: bytes) -> str:
    """Where a negotiator's one counter-offer to a supplier stands."""
    return f"counter/{supplier[:8].hex()}"


def check_counter(record: Record, terms: Terms) -> None:
    """Raises Ignore NEG-80 for a counter-offer by somebody who is no negotiator of this deal, or elsewhere."""
    slot = record.header.slot
    if slot is None or slot.name != counter_slot(record.body["supplier"]) or not is_act(terms, record):
        raise Ignore("NEG-80", "counter.1: not by a negotiator of this deal, in the slot of its supplier")


def check_limits(price_minor: int, quantity: int, limits: Limits) -> None:
    """Raises Reject NEG-80 for what the mandate does not allow."""
    if price_minor > limits.price_max_minor:
        raise Reject("NEG-80", "price: above the highest that the mandate allows")
    if not limits.quantity_least <= quantity <= limits.quantity_most:
        raise Reject("NEG-80", "quantity: outside what the mandate allows")


def counters_of(log: Log, rfq: bytes, terms: Terms) -> tuple[Record, ...]:
    """The counter-offers of whoever negotiates now, by id; what a negotiator said twice to one supplier is left out."""
    said = [one for one in log.of_kind("counter.1") if one.body["rfq"] == rfq and in_force(terms, one)]
    said = [one for one in said if log.sole(one.kind, one.author, counter_slot(one.body["supplier"])) is not None]
    return tuple(sorted(said, key=lambda one: one.id))
