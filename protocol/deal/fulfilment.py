"""What came of an agreement: who is owed what, what both sides say was delivered and paid, who left before the end.

Decides sums, from the set of records that the two sides of each share have signed; never who is right where they
differ, and nothing by the clock. Spec: 09-accountability, AGR-3 to AGR-5 and AGR-10 to AGR-19.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from protocol.params import NOTICE_MS
from protocol.record.log import Log
from protocol.record.record import Record

# What they seal to each other, and by whose leave: no bundle shows it.
DETAIL_KINDS = ("intake.1", "detail.1", "rel.1", "revoke.1", "usage.1")
PARTY_KINDS = ("event.1", "cancel.1", "consent.1", "substitute.1")  # what the two sides of a share say under it


@dataclass(frozen=True, slots=True)
class Terms:
    """One agreement in numbers: with whom, for whom, at which price, from when, for how long, and how it may end."""

    agreement: bytes
    supplier: bytes
    unit_price_minor: int
    shares: tuple[tuple[bytes, int], ...]  # counted units a period
    start: int  # Unix ms
    periods: int
    period_ms: int
    cancellation: str
    fee_minor: int
    charge_minor: int  # what each member pays besides, over the whole term

    @property
    def end(self) -> int:
        """When its last period is over."""
        return self.start + self.periods * self.period_ms


@dataclass(frozen=True, slots=True)
class Account:
    """A member's line under an agreement. Units are those of the whole term; None: that side has said nothing.

    `ends`: when the share ends early, 0 where nobody cancelled it; `fee_minor` is then owed to the supplier.
    `article`: what is delivered instead by the member's consent, "" for what was agreed.
    """

    member: bytes
    supplier: bytes
    owed: int
    unit_price_minor: int
    charge_minor: int = 0
    delivered: int | None = None
    received: int | None = None
    paid: int | None = None
    credited: int | None = None
    ends: int = 0
    cancelled_by: bytes = b""
    fee_minor: int = 0
    article: str = ""

    @property
    def got(self) -> int:
        """What the member has: by their own word, else by the supplier's (AGR-4)."""
        return self.received if self.received is not None else self.delivered or 0

    @property
    def fulfilled(self) -> bool:
        """Whether nothing more is to be delivered."""
        return self.got >= self.owed

    @property
    def price_minor(self) -> int:
        """What the member owes over the whole term, charges and a fee included."""
        return self.owed * self.unit_price_minor + self.charge_minor + self.fee_minor

    @property
    def contested(self) -> tuple[str, ...]:
        """On what both sides have spoken and differ: a claim of one against the other (AGR-12)."""
        pairs = (("delivery", self.delivered, self.received), ("payment", self.paid, self.credited))
        return tuple(name for name, one, other in pairs if one is not None and other is not None and one != other)


def accounts(log: Log, terms: Terms) -> tuple[Account, ...]:
    """Each member's line, ascending by member (AGR-10)."""
    events = _by_member(log.of_kind("event.1"), terms)
    found: list[Account] = []
    for member, quantity in terms.shares:
        said = events[member]
        ends, by, fee = _ending(log, terms, member, said)
        periods = periods_due(terms, ends) if by else terms.periods
        article, price = _substituted(log, terms, member)
        words = {name: _sum(said, author, actions, member) for name, author, actions in _words(terms, member)}
        found.append(
            Account(
                member,
                terms.supplier,
                quantity * periods,
                price,
                -(-terms.charge_minor * periods // terms.periods),
                **words,
                ends=ends,
                cancelled_by=by,
                fee_minor=fee,
                article=article,
            )
        )
    return tuple(found)


def is_party(terms: Terms, record: Record) -> bool:
    """Whether a record under this agreement is by one of the two sides whom it concerns (NEG-42)."""
    members = [member for member, _ in terms.shares]
    match record.kind:
        case "substitute.1":
            return record.author == terms.supplier
        case "intake.1":
            return record.author == terms.supplier and record.body["agreement"] == terms.agreement
        case "rel.1":
            return record.author in (terms.supplier, *members) and record.body["agreement"] == terms.agreement
        case "usage.1":
            to_whom = record.author == terms.supplier and record.body["agreement"] == terms.agreement
            return to_whom and record.body["member"] in members
        case "detail.1" | "revoke.1" | "consent.1":
            return record.author in members and record.body.get("agreement", terms.agreement) == terms.agreement
        case _:
            about = record.body["member"]
            return about in members and record.author in (terms.supplier, about)


def periods_due(terms: Terms, ends: int) -> int:
    """Periods that have begun by then: each that has is owed whole (AGR-14)."""
    return max(0, min(terms.periods, -((terms.start - ends) // terms.period_ms)))


def cancelled_at(terms: Terms, said: int, wished: int, by_member: bool, delivered: bool) -> tuple[int, int]:
    """(when a share ends, the fee) by the agreed terms (AGR-14).

    `said`: stamp of the cancellation; `wished`: the day it names; `delivered`: anything was, before it was said.
    """
    match terms.cancellation:
        case "anytime":
            ends = max(wished, said)
        case "before-delivery":
            ends = terms.end if delivered else terms.start
        case "end-of-term":
            ends = terms.end
        case notice:
            ends = max(wished, said + NOTICE_MS[notice])
    early = ends < terms.end
    return min(ends, terms.end), terms.fee_minor if early and by_member else 0


def _by_member(events: Iterable[Record], terms: Terms) -> dict[bytes, list[Record]]:
    """The events that count, by whom they are about."""
    found: dict[bytes, list[Record]] = {member: [] for member, _ in terms.shares}
    for one in events:
        about, parties = found.get(one.body["member"]), (terms.supplier, one.body["member"])
        if about is not None and one.body["agreement"] == terms.agreement and one.author in parties:
            about.append(one)
    return found


def _words(terms: Terms, member: bytes) -> tuple[tuple[str, bytes, tuple[str, ...]], ...]:
    """Whose word about what makes which sum."""
    moved = ("deliver", "receive")
    return (
        ("delivered", terms.supplier, moved),
        ("received", member, moved),
        ("paid", member, ("pay",)),
        ("credited", terms.supplier, ("pay",)),
    )


def _sum(said: Sequence[Record], author: bytes, actions: tuple[str, ...], member: bytes) -> int | None:
    """What one side says in sum, corrections counted in; None when it has said nothing."""
    own = [one for one in said if one.author == author]
    corrected = _corrections(own)
    counted = [one for one in own if one.body["action"] in actions]
    if not counted:
        return None
    return sum(int(corrected.get(one.id, one).body["quantity"]) for one in counted)


def _moves(own: Sequence[Record]) -> list[int]:
    """When one side says that something came; what it says was nothing did not (AGR-14)."""
    corrected = _corrections(own)
    moved = [one for one in own if one.body["action"] in ("deliver", "receive")]
    return [one.header.created for one in moved if corrected.get(one.id, one).body["quantity"]]


def _corrections(own: Sequence[Record]) -> Mapping[bytes, Record]:
    """Event -> its author's last word on its quantity, by stamp and id (AGR-11)."""
    found: dict[bytes, Record] = {}
    for one in sorted(own, key=lambda record: (record.header.created, record.id)):
        if one.body["action"] == "correct" and "corrects" in one.body:
            found[one.body["corrects"]] = one
    return found


def _ending(log: Log, terms: Terms, member: bytes, said: Sequence[Record]) -> tuple[int, bytes, int]:
    """(when, by whom, fee) of the cancellation that ends a share first; (0, b"", 0) without one (AGR-13)."""
    sides = [[one for one in said if one.author == author] for author in (member, terms.supplier)]
    moves = [stamp for own in sides for stamp in _moves(own)]
    found: list[tuple[int, int, bytes]] = []
    for author in (member, terms.supplier):
        one = log.sole("cancel.1", author, cancel_slot(terms.agreement, member))
        if one is None or (one.body["agreement"], one.body["member"]) != (terms.agreement, member):
            continue
        if not one.body["reason"]:  # AGR-13: who ends a share says why
            continue
        created = one.header.created
        delivered = any(stamp < created for stamp in moves)
        ends, fee = cancelled_at(terms, created, one.body["ends"], author == member, delivered)
        found.append((ends, fee, author))
    if not found:
        return 0, b"", 0
    ends, fee, author = min(found)
    return ends, author, fee


def _substituted(log: Log, terms: Terms, member: bytes) -> tuple[str, int]:
    """(article, unit price) of the last substitute that this member consents to; ("", the agreed price) (AGR-17)."""
    found: list[tuple[int, bytes, Record]] = []
    for consent in log.by(member, "consent.1"):
        offer = log.records.get(consent.body["substitute"])
        alone = offer is not None and log.sole("consent.1", member, consent_slot(offer.id)) is consent
        if offer is not None and alone and consent.body["answer"] == "consent" and offers_to(terms, offer, member):
            found.append((offer.header.created, offer.id, offer))
    if not found:
        return "", terms.unit_price_minor
    _, _, offer = max(found, key=lambda one: one[:2])
    return str(offer.body["article"]), int(offer.body["unit_price_minor"])


def offers_to(terms: Terms, substitute: Record, member: bytes) -> bool:
    """Whether a substitute is the supplier's, under this agreement, no dearer, and meant for this member (AGR-16)."""
    body = substitute.body
    if substitute.kind != "substitute.1" or substitute.author != terms.supplier or body["agreement"] != terms.agreement:
        return False
    return body["unit_price_minor"] <= terms.unit_price_minor and member in (body["members"] or [member])


def cancel_slot(agreement: bytes, member: bytes) -> str:
    """The `once` slot in which either side cancels a member's share."""
    return f"cancel/{agreement[:8].hex()}/{member[:8].hex()}"


def consent_slot(substitute: bytes) -> str:
    """The `once` slot in which a member answers a substitute."""
    return f"consent/{substitute[:8].hex()}"
