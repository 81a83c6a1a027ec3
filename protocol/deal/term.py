"""Who negotiates a deal, as everybody in its scope can tell: the request's own mandate, then those of later terms.

Decides which mandates hold for a deal and which acts of a negotiator stand under them; never who is elected, and never
anything by the clock. Spec: 07-election, ELE-46 to ELE-48.

An act is a record with a field `term`, said in the deal's scope by whom the mandate of that term names. Whoever boxes
acts lets the box admit what `is_act` takes, so that nothing certified falls out of it later; gives receipts only for
what is `in_force`; and takes of those that a certified box lists the `latest`. What no box lists is to be looked at
with `in_force` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from protocol.coop.mandate import Mandate, is_certified
from protocol.errors import Reject
from protocol.record.log import Log
from protocol.record.record import Record

Terms = tuple[Mandate, ...]  # ascending; the request's own is the first


def read_successor(record: Record, rfq: Record, first: Mandate, network: bytes) -> Mandate:
    """The mandate of a later term in a `mandate.1`. Raises Reject ELE-46 when it is none for this request."""
    mandate, witnesses = Mandate.parse(record.body["mandate"]), tuple(rfq.body["witnesses"])
    same = all(getattr(mandate, name) == getattr(first, name) for name in ("charter", "roster", "deal", "witnesses"))
    if record.body["rfq"] != rfq.id or not same or mandate.term <= first.term:
        raise Reject("ELE-46", "mandate: not of a later term of this request's co-op")
    slot = record.header.slot
    if slot is None or slot.name != successor_slot(mandate.term):
        raise Reject("ELE-46", "mandate: stands in the slot of another term")
    if not is_certified(mandate, witnesses, record.body["certificate"], network):
        raise Reject("ELE-46", "mandate: fewer than a quorum of the witnesses signed it")
    return mandate


def successor_slot(term: int) -> str:
    """The slot of whoever passes the mandate of a later term on."""
    return f"mandate/{term}"


def terms_of(log: Log, rfq: Record, first: Mandate, network: bytes) -> Terms:
    """The mandates that are held of a deal, by term: the request's, and later ones that its witnesses certified."""
    found = {first.term: first}
    for one in sorted(log.of_kind("mandate.1"), key=lambda record: record.id):
        try:
            mandate = read_successor(one, rfq, first, network)
        except Reject:
            continue
        found.setdefault(mandate.term, mandate)
    return tuple(found[term] for term in sorted(found))


def is_act(terms: Terms, act: Record) -> bool:
    """Whether the mandate of the term that it names makes its author the negotiator (ELE-47)."""
    return any(one.term == act.body["term"] and one.negotiator == act.author for one in terms)


def in_force(terms: Terms, act: Record) -> bool:
    """Whether it is the latest negotiator's that is known: an act of a stale term leads to nothing (ELE-48)."""
    return is_act(terms, act) and act.body["term"] == terms[-1].term


def latest(acts: Iterable[Record]) -> Sequence[Record]:
    """Of acts that a certified box lists, those of the greatest term."""
    held = list(acts)
    last = max((one.body["term"] for one in held), default=0)
    return [one for one in held if one.body["term"] == last]
