"""What somebody attaches to show others who they are: co-signed outcomes and vouches, counted in integers.

Decides what counts and what a charter demands of it, the same at every node; never looks at a score, a clock, or
anything that is not in the record. Spec: 07-election, ELE-34 to ELE-37; 09-accountability, ATT-2 and ATT-8;
10-reputation, REP-11 and REP-12.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from protocol.coop.decision import Council, Docket
from protocol.coop.risk import DEMANDS
from protocol.encoding import decode, digest_of
from protocol.errors import Ignore, Reject
from protocol.params import MEMBERS_MAX, NEWCOMER_OUTCOMES, TRUST_PREFIX_DIGITS
from protocol.record.kinds_attest import RELATIONS
from protocol.record.record import Header, Record, embedded

Signed = Record | Header
_OUTCOMES = ("supplier", "negotiator")  # a witness serves whom it never met: its word makes nobody known


@dataclass(frozen=True, slots=True)
class Standing:
    """How many have signed with somebody that they kept their word, and how many vouch for them."""

    outcomes: int
    vouches: int

    @property
    def newcomer(self) -> bool:
        """For the rules that a co-op shares, from counts and never from a score (REP-12)."""
        return self.outcomes < NEWCOMER_OUTCOMES and self.vouches == 0


@dataclass(frozen=True, slots=True)
class Admission:
    """What a charter demands: of a candidate, and how many newcomers a roster may hold (ELE-35)."""

    outcomes: int
    vouches: int
    newcomers: int
    elect_newcomers: bool

    def elects(self, standing: Standing) -> bool:
        """Whether somebody who shows this may stand."""
        enough = standing.outcomes >= self.outcomes and standing.vouches >= self.vouches
        return enough and (self.elect_newcomers or not standing.newcomer)

    @property
    def asks(self) -> bool:
        """Whether it demands anything at all."""
        return self != _ANYBODY


_ANYBODY = Admission(0, 0, MEMBERS_MAX, True)


def admission(charter: Record) -> Admission:
    """What this charter demands, at least what its class of risk does: above the lowest at most f newcomers, none
    of them elected (ELE-35, RSK-3).
    """
    told, faults = charter.body.get("admits"), (len(charter.body["witnesses"]) - 1) // 3
    asked = _ANYBODY
    if told is not None:
        asked = Admission(told["outcomes"], told["vouches"], told["newcomers"], bool(told["elect_newcomers"]))
    least = DEMANDS[charter.body["risk"]]
    newcomers = min(asked.newcomers, faults) if least.newcomers_bounded else asked.newcomers
    elects = asked.elect_newcomers and not least.newcomers_bounded
    return Admission(max(asked.outcomes, least.outcomes), max(asked.vouches, least.vouches), newcomers, elects)


def standing_in(record: Record, vouchers: Collection[bytes], network: bytes) -> Standing:
    """What the evidence in a join or nomination comes to; of vouches only those by `vouchers` count (ELE-34)."""
    parties: dict[bytes, None] = {}
    sponsors: dict[bytes, None] = {}
    for one in attached(record, network):
        if is_outcome(one, record.author, network):
            parties[one.author] = None
        elif is_vouch(one, record.author) and one.author in vouchers:
            sponsors[one.author] = None
    return Standing(len(parties), len(sponsors))


def attached(record: Record, network: bytes) -> Iterator[Record]:
    """The records in its evidence that are good ones of this network and lived when it was signed."""
    for raw in record.body.get("evidence", ()):
        try:
            one = embedded(raw, network)
        except (Reject, Ignore):
            continue
        if one.header.created <= record.header.created < one.header.expires:
            yield one


def is_outcome(one: Record, subject: bytes, network: bytes) -> bool:
    """Whether it says of the subject, by somebody who signed a deal with them, that they kept their word."""
    told = one.kind == "attestation.1" and one.body["subject"] == subject and one.body["outcome"] == "kept"
    found = rests_on(one, network) if told else None
    return found is not None and found[0] in _OUTCOMES


def is_vouch(one: Record, subject: bytes) -> bool:
    """Whether somebody else vouches for the subject in it, where vouches for them stand (ELE-37)."""
    slot, scope = one.header.slot, "trust/" + subject.hex()[:TRUST_PREFIX_DIGITS]
    good = one.scope == scope and one.kind == "vouch.1" and one.body["subject"] == subject and one.author != subject
    return good and slot is not None and slot.name == vouch_slot(subject)


def vouch_slot(subject: bytes) -> str:
    """The `once` slot in which one persona vouches for another."""
    return f"vouch/{subject.hex()}"


def co_signed(attestation: Record, network: bytes) -> bytes | None:
    """The request under which author and subject both signed, by the evidence (ATT-2); None, and nothing counts."""
    found = rests_on(attestation, network)
    return found[1] if found is not None else None


def rests_on(attestation: Record, network: bytes) -> tuple[str, bytes] | None:
    """(what one of the two was to the other, the request under which both signed), by the evidence (ATT-2)."""
    role, subject, author = attestation.body["role"], attestation.body["subject"], attestation.author
    try:
        shown = [_signed(raw, network) for raw in attestation.body["evidence"]]
    except (Reject, Ignore):
        return None
    if role == "supplier" and attestation.body["outcome"] == "broken" and len(shown) > 2:
        records = [one for one in shown if isinstance(one, Record)]
        about = _unsigned(subject, author, records) if len(records) == len(shown) else None
        return (role, about) if about is not None else None
    if len(shown) != 2 or shown[0].scope != shown[1].scope or author == subject:
        return None
    member, other = (subject, author) if role == "member" else (author, subject)
    for relation, rests in EVIDENCE.items():
        if role == relation or (role == "member" and relation in RELATIONS):
            pairs = (rests(attestation, member, other, *pair) for pair in (shown, shown[::-1]))
            found = next((about for about in pairs if about is not None), None)
            if found is not None:
                return relation, found
    return None


@lru_cache(maxsize=4096)
def _signed(raw: bytes, network: bytes) -> Signed:
    """What evidence shows: a record, or a header alone with its signature. Raises Reject or Ignore."""
    try:
        return embedded(raw, network)
    except Reject:
        return Header.parse(raw, network)


def _commitment(one: Signed, member: bytes) -> bytes | None:
    """The request under which a member committed."""
    if not isinstance(one, Record) or one.kind != "commitment.1" or one.author != member:
        return None
    return one.body["rfq"] if one.body["answer"] == "commit" else None


def _by_supplier(attestation: Record, member: bytes, other: bytes, mine: Signed, theirs: Signed) -> bytes | None:
    about = _commitment(mine, member)
    if not isinstance(theirs, Record) or theirs.kind != "countersign.1" or theirs.author != other:
        return None
    return about if (theirs.body["rfq"], theirs.body["agreement"]) == (about, attestation.body["agreement"]) else None


def _by_negotiator(_: Record, member: bytes, other: bytes, mine: Signed, theirs: Signed) -> bytes | None:
    about = _commitment(mine, member)
    asked = isinstance(theirs, Header) and theirs.kind == "rfq.1" and theirs.author == other
    return about if asked and theirs.id == about else None


def _by_relay(_: Record, member: bytes, other: bytes, mine: Signed, theirs: Signed) -> bytes | None:
    about = _commitment(mine, member)
    served = isinstance(theirs, Header) and theirs.kind in ("receipt.1", "vote.1") and theirs.author == other
    return about if served and isinstance(theirs, Header) and about in theirs.refs else None


def _by_mediator(_: Record, side: bytes, mediator: bytes, mine: Signed, theirs: Signed) -> bytes | None:
    """RMD-24: what a side handed over to whoever accepted to mediate under the same voice and request."""
    if not isinstance(mine, Record) or not isinstance(theirs, Record):
        return None
    given = mine.kind == "handover.1" and mine.author == side and mine.body["mediator"] == mediator
    taken = theirs.kind == "step.1" and theirs.author == mediator and theirs.body["step"] == "accept"
    if not given or not taken or mine.body["voice"] != theirs.body["voice"]:
        return None
    about = [one for one in mine.header.refs if one != mine.body["voice"]]
    return about[0] if len(about) == 1 and about[0] in theirs.header.refs else None


# What one of the two was to the other -> for which request two things, signed in one scope, show it:
# (attestation, member, the other, what each signed).
EVIDENCE: Mapping[str, Callable[[Record, bytes, bytes, Signed, Signed], bytes | None]] = {
    "supplier": _by_supplier,
    "negotiator": _by_negotiator,
    "relay": _by_relay,
    "mediator": _by_mediator,
}


def _unsigned(supplier: bytes, member: bytes, shown: Sequence[Record]) -> bytes | None:
    """The request whose award a supplier left unsigned (ATT-8): it quoted, and the request's witnesses certified an
    award in which it serves the member, or may, who committed to it.
    """
    votes = [one for one in shown if one.kind == "vote.1"]
    found = {one.kind: one for one in shown if one.kind != "vote.1"}
    named = ("commitment.1", "quotation.1", "rfq.1", "proposal.1")
    if sorted(found) != sorted(named) or len(found) + len(votes) != len(shown) or len({o.scope for o in shown}) != 1:
        return None
    mine, quoted, rfq, proposed = (found[kind] for kind in named)
    both = mine.author == member and quoted.author == supplier and mine.body["answer"] == "commit"
    if not both or member == supplier or mine.body["rfq"] != rfq.id or quoted.body["rfq"] != rfq.id:
        return None
    docket = Docket()
    for one in votes:
        docket.note(one)
    council = Council(tuple(rfq.body["witnesses"]), rfq.body["charter"])
    if not docket.certifies(f"award/{rfq.id[:8].hex()}", council, proposed.body["value"]):
        return None
    return rfq.id if _serves(proposed.body["value"], mine.body["award"], supplier, member) else None


def _serves(value: bytes, hashed: bytes, supplier: bytes, member: bytes) -> bool:
    """Whether this is the award of that hash, the supplier has a part in it, and the member a lot there or a place in
    its reserve.
    """
    try:
        award = decode(value)
        lots = {part["supplier"]: [key for key, _ in part["lots"]] for part in award["parts"]}
        right = digest_of("award", award) == hashed
        return right and supplier in lots and (member in lots[supplier] or member in award["reserve"])
    except (Reject, KeyError, TypeError, ValueError):
        return False
