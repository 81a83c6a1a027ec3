"""What two sides of a deal say of each other, blind: sealed to the request's witnesses until both have spoken or time
is up.

Decides who may put in what about whom, when a witness gives its shares, and what enough shares make of it; never what
an attestation counts. Spec: 09-accountability, ATT-9 to ATT-18.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from protocol.coop.coop import question_name
from protocol.coop.evidence import co_signed
from protocol.deal.life import Deal
from protocol.encoding import digest
from protocol.errors import Ignore, Reject
from protocol.identity import Entropy
from protocol.params import ATTESTATION_BLOCK_BYTES, ATTESTATION_BLOCKS_MAX
from protocol.record.log import Log
from protocol.record.record import Record, embedded
from protocol.sealing import CIPHER_MORE_BYTES, Sealed, combine, is_good, open_share, seal_to
from protocol.trust.accountability import trust_scope

KINDS = ("assessment.1",)  # what the two sides say; the witnesses' shares are release.1
DIMENSIONS: Mapping[str, tuple[str, ...]] = {  # role of the subject -> what can be marked (ATT-1)
    "supplier": ("promise", "time", "quality", "communication"),
    "member": ("promise", "time", "communication"),
    "negotiator": ("promise", "time", "communication"),
    "mediator": ("promise", "time", "communication"),
    "relay": ("promise", "time"),
}
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two that a deal brought together: a member, and what the other was to them."""

    relation: str
    member: bytes
    other: bytes


@dataclass(frozen=True, slots=True)
class Owed:
    """What a witness is to say now: receipts and shares by assessment id; `wake`: when more is due, if ever."""

    receipts: tuple[bytes, ...]
    shares: tuple[bytes, ...]
    wake: int | None


def holds(deal: Deal, pair: Pair) -> bool:
    """Whether the other is what the pair says it is, in this deal (ATT-1)."""
    match pair.relation:
        case "supplier":
            about = deal.agreement_of(pair.member) or deal.agreements[0]
            return about.supplier == pair.other
        case "negotiator":
            return deal.rfq.author == pair.other
        case "relay":
            return pair.other in deal.council.witnesses
    return False


def stands(deal: Deal, pair: Pair) -> bool:
    """Whether the two may attest each other: the member has a share in an agreement, and they are two (ATT-1)."""
    return pair.member != pair.other and deal.agreement_of(pair.member) is not None and holds(deal, pair)


def pair_of(record: Record) -> Pair | None:
    """The pair that an assessment is about, by what it says itself; None when it names no two sides (ATT-9)."""
    relation, role, subject = (record.body[name] for name in ("relation", "role", "subject"))
    if role == relation:
        return Pair(relation, record.author, subject)
    return Pair(relation, subject, record.author) if role == "member" else None


def belongs(deal: Deal, record: Record) -> bool:
    """Whether an assessment is one that this deal has a place for (ATT-9)."""
    body, slot, pair = record.body, record.header.slot, pair_of(record)
    whole = (len(body["cipher"]) - CIPHER_MORE_BYTES) % ATTESTATION_BLOCK_BYTES == 0
    whole = whole and "attest_ms" in deal.times
    fits = body["rfq"] == deal.rfq.id and len(body["shares"]) == len(deal.council.witnesses) and whole
    in_place = slot is not None and slot.name == slot_name(body["relation"], body["role"], body["subject"])
    return fits and in_place and pair is not None and stands(deal, pair)


def slot_name(relation: str, role: str, subject: bytes) -> str:
    """The `once` slot of an assessment."""
    return f"{relation}/{role}/{subject.hex()}"


def attestation_slot(agreement: bytes, subject: bytes, role: str) -> str:
    """The `once` slot of an attestation (ATT-3)."""
    return f"{agreement[:8].hex()}/{subject[:8].hex()}/{role}"


def receipts_name(rfq: bytes) -> str:
    """Under which name a witness says which assessments it holds (ATT-13)."""
    return question_name("assessments", rfq)


def fits(hidden: Record) -> bool:
    """Whether an attestation is small enough to be sealed."""
    return len(hidden.raw) + _LENGTH_BYTES <= ATTESTATION_BLOCKS_MAX * ATTESTATION_BLOCK_BYTES


def seal(deal: Deal, pair: Pair, hidden: Record, entropy: Entropy) -> dict[str, object]:
    """The body of an `assessment.1` around a signed attestation (ATT-9, ATT-10)."""
    role, subject = hidden.body["role"], hidden.body["subject"]
    context = context_of(deal.rfq.id, hidden.author, pair.relation, role, subject)
    sealed = seal_to(deal.rfq.body["boxes"], deal.council.quorum, pack(hidden.raw), context, entropy)
    named = {"rfq": deal.rfq.id, "relation": pair.relation, "role": role, "subject": subject, "attestation": hidden.id}
    return named | sealed.to_mapping()


def pack(raw: bytes) -> bytes:
    """What is sealed: filled up so that its length tells neither the outcome nor how much was remarked (ATT-10)."""
    content = len(raw).to_bytes(_LENGTH_BYTES, "big") + raw
    return content + bytes(-len(content) % ATTESTATION_BLOCK_BYTES)


def context_of(rfq: bytes, author: bytes, relation: str, role: str, subject: bytes) -> bytes:
    """What the seal is bound to: nobody can copy it in another name, to another request or about another (ATT-10)."""
    return digest("assessment", rfq + author + subject + f"{relation}/{role}".encode())


def own_share(record: Record, place: int, box_seed: bytes) -> bytes:
    """The share that an assessment promises the witness at this place. Raises Reject IDN-8 or IDN-16."""
    return open_share(Sealed.of(record.body), place, box_seed, _context(record))


def sides(log: Log, good: Collection[bytes]) -> dict[Pair, tuple[Record, ...]]:
    """The assessments that a witness goes by, one or two of each pair: alone in their slot, its own share of them among
    the `good` (ATT-13).
    """
    found: dict[Pair, tuple[Record, ...]] = {}
    for one in sorted(log.of_kind("assessment.1"), key=lambda record: record.id):
        slot, pair = one.header.slot, pair_of(one)
        if pair is not None and slot is not None and one.id in good and log.sole(one.kind, one.author, slot.name):
            found[pair] = (*found.get(pair, ()), one)
    return found


def owed(
    spoken: Mapping[Pair, Sequence[Record]],
    held: Mapping[bytes, int],
    released: Collection[bytes],
    now: int,
    attest_ms: int,
) -> Owed:
    """What a witness owes (ATT-13, ATT-14): shares of both sides once both have spoken, of one whose time is up, and of
    none that came after the other's were given.

    held: assessment -> when this witness first said that it holds it (Unix ms); released: those it gave its share of.
    """
    receipts: list[bytes] = []
    shares: list[bytes] = []
    wakes: list[int] = []
    for pair in sorted(spoken):
        ids = [one.id for one in spoken[pair]]
        if any(one in released for one in ids):
            continue
        due = held[ids[0]] + attest_ms if ids[0] in held else None
        if len(ids) == 2 or (due is not None and due <= now):
            shares += ids
        elif due is None:
            receipts += ids
        else:
            wakes.append(due)
    return Owed(tuple(receipts), tuple(shares), min(wakes, default=None))


def given(log: Log, witness: bytes, rfq: bytes) -> dict[bytes, bytes]:
    """Assessment -> share, as a witness gave them first. Read are no more releases than there are assessments, for an
    honest witness gives shares of something new in each.
    """
    said = [record for record in log.by(witness, "release.1") if record.body["rfq"] == rfq]
    said.sort(key=lambda record: (record.header.created, record.id))
    found: dict[bytes, bytes] = {}
    for record in said[: sum(1 for _ in log.of_kind("assessment.1"))]:
        for one, share in record.body["shares"]:
            found.setdefault(one, share)
    return found


def first_held(log: Log, witness: bytes, rfq: bytes) -> dict[bytes, int]:
    """Assessment -> when a witness first said that it holds it."""
    name, found = receipts_name(rfq), dict[bytes, int]()
    for record in log.by(witness, "receipt.1"):
        for one in record.body["ids"] if record.body["question"] == name else ():
            found[one] = min(found.get(one, record.header.created), record.header.created)
    return found


def shares_of(deal: Deal, log: Log) -> dict[bytes, dict[int, bytes]]:
    """Assessment -> place of a witness -> the share it gave, good or not."""
    found: dict[bytes, dict[int, bytes]] = {}
    for place, witness in enumerate(deal.council.witnesses):
        for one, share in given(log, witness, deal.rfq.id).items():
            found.setdefault(one, {})[place] = share
    return found


def is_open(deal: Deal, record: Record, shares: Mapping[int, bytes]) -> bool:
    """Whether enough good shares are there to open it, or to show that it never will be (ATT-15)."""
    sealed, context = Sealed.of(record.body), _context(record)
    return sum(is_good(sealed, place, share, context) for place, share in shares.items()) >= deal.council.quorum


def opened(deal: Deal, record: Record, shares: Mapping[int, bytes], network: bytes) -> Record:
    """The attestation inside, from whatever shares came in. Raises Reject IDN-17 while too few are good; IDN-18, IDN-9,
    ATT-10 or ATT-15 when its author sealed what it must not: then it is void, the same for everybody.
    """
    content = combine(Sealed.of(record.body), deal.council.quorum, shares, _context(record))
    return read_content(deal, record, content, network)


def read_content(deal: Deal, record: Record, content: bytes, network: bytes) -> Record:
    """The attestation in what came out of the seal. Raises Reject ATT-10 or ATT-15."""
    raw = content[_LENGTH_BYTES:][: int.from_bytes(content[:_LENGTH_BYTES], "big")]
    if content != pack(raw):
        raise Reject("ATT-10", "assessment: its content is not a record, filled up")
    try:
        hidden = embedded(raw, network)
    except (Reject, Ignore) as error:
        raise Reject("ATT-15", f"assessment: what was sealed is no record of this network ({error.code})") from None
    wrong = next((name for name, right in _checks(deal, record, hidden, network) if not right), "")
    if wrong:
        raise Reject("ATT-15", f"assessment: the {wrong} of what was sealed is not the one that was promised")
    return hidden


def _checks(deal: Deal, record: Record, hidden: Record, network: bytes) -> Iterable[tuple[str, bool]]:
    """What the attestation inside must have in common with what was said of it in the open (ATT-15)."""
    yield "id", hidden.id == record.body["attestation"]
    yield "kind", hidden.kind == "attestation.1"
    yield "author", hidden.author == record.author
    body, slot, pair = hidden.body, hidden.header.slot, pair_of(record)
    yield "subject", body["subject"] == record.body["subject"]
    yield "role", body["role"] == record.body["role"]
    yield "salt", "salt" in body
    about = deal.agreement_of(pair.member) if pair is not None else None
    yield "agreement", about is not None and body["agreement"] == about.hash
    yield "place", hidden.scope == trust_scope(body["subject"])
    name = attestation_slot(body["agreement"], body["subject"], body["role"])
    yield "slot", slot is not None and slot.name == name
    yield "evidence", co_signed(hidden, network) == deal.rfq.id


def _context(record: Record) -> bytes:
    body = record.body
    return context_of(body["rfq"], record.author, body["relation"], body["role"], body["subject"])
