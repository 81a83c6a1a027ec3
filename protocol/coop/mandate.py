"""The mandate: what a co-op's negotiator may do, for whom and until when.

Decides its shape and what it commits to; never who gets it. Spec: 07-election, ELE-30 to ELE-33.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.coop.decision import Council, Docket
from protocol.deal.allocation import Demand
from protocol.deal.negotiation import Limits
from protocol.encoding import decode, digest, digest_of, encode
from protocol.errors import Ignore, Reject
from protocol.record.record import embedded

QUANTITY_MAX = 10**9  # what a request for quotation can state (REC-11)


@dataclass(frozen=True, slots=True)
class Mandate:
    """What the negotiator may do, for whom, until when (ELE-30). `limits` is a salted hash, open to the room only."""

    charter: bytes
    roster: bytes
    term: int
    negotiator: bytes
    deal: bytes
    expires: int
    fee_minor: int
    limits: bytes
    members: int
    quantity: int
    pooled_minor: int
    witnesses: bytes

    def to_bytes(self) -> bytes:
        """The value that the witnesses certify."""
        return encode({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def parse(cls, data: bytes) -> Mandate:
        """The mandate in a certified value; raises Reject ELE-30."""
        try:
            value = decode(data, 2000, 16)
            mandate = cls(**value)
        except (Reject, TypeError):
            raise Reject("ELE-30", "mandate: not a map of exactly its fields") from None
        sizes = {"charter": 32, "roster": 32, "negotiator": 32, "deal": 16, "limits": 32, "witnesses": 32}
        for name in cls.__slots__:
            one = value[name]
            good = type(one) is bytes and len(one) == sizes[name] if name in sizes else type(one) is int and one >= 0
            if not good:
                raise Reject("ELE-30", f"mandate.{name}: of the wrong type or length")
        return mandate


def deal_id(charter: bytes, roster: bytes, term: int) -> bytes:
    """The id of the deal scope that a mandate opens (ELE-30)."""
    return digest_of("deal", [charter, roster, term])[:16]


def is_certified(mandate: Mandate, witnesses: tuple[bytes, ...], votes: Sequence[bytes], network: bytes) -> bool:
    """Whether these records are the precommits of a quorum of the mandate's own witnesses for it (ELE-46)."""
    if witnesses_hash(witnesses) != mandate.witnesses:
        return False
    docket, scope = Docket(), "coop/" + mandate.charter[:16].hex()
    for raw in votes:
        try:
            vote = embedded(raw, network)
        except (Reject, Ignore):
            return False
        if vote.kind == "vote.1" and vote.scope == scope:
            docket.note(vote)
    return docket.certifies(f"mandate/{mandate.term}", Council(witnesses, mandate.charter), mandate.to_bytes())


def limits_hash(limits: Limits, pledges_hash: bytes) -> bytes:
    """The limits under a salt that only the room can know (ELE-31)."""
    salt = digest("salt", pledges_hash)
    return digest_of("limits", [salt, limits.price_max_minor, limits.quantity_least, limits.quantity_most])


def witnesses_hash(witnesses: tuple[bytes, ...]) -> bytes:
    """Who certified, in one hash, for those who never see the charter."""
    return digest_of("witnesses", list(witnesses))


def limits_of(demands: Sequence[Demand]) -> Limits:
    """What the room lets its negotiator agree to: no dearer than its most willing, as much as it asked for (ELE-31)."""
    return Limits(max(one.price_max_minor for one in demands), 1, sum(one.want + one.tolerate for one in demands))
