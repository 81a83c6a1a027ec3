"""Whether one record that somebody handed in is in the certified box, in a file that anybody can check offline.

Decides what a record, its witnesses' receipts and the certified list of ids show together; never whether a box was
rightly closed as a whole, which takes the bundle (12-bundle). Spec: 07-election, ELE-50 to ELE-53 and ELE-65.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocol.coop.ballot import open_one, opens, shares_in
from protocol.coop.box import manifest_ids
from protocol.coop.charter import charter_hash, is_charter
from protocol.coop.decision import NIL, Council, Decided, Docket, slot_of, value_hash
from protocol.coop.election import Ranking
from protocol.deal.request import read_mandate
from protocol.encoding import decode, encode
from protocol.errors import Ignore, Reject
from protocol.params import WITNESSES_MAX
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.record.schema import array, data, fields, integer
from protocol.sealing import Void

# (kind, slot) -> (the box's question, the field of the body that says which one: "" where there is one for all)
BOXES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("join.1", "join"): ("roster", ""),
    ("pledge.1", "pledge"): ("pledges", "roster"),
    ("nomination.1", "nomination"): ("candidates", "roster"),
    ("ballot.1", "ballot"): ("ballots", "roster"),
    ("quotation.1", "quotation"): ("quotations", "rfq"),
    ("quotation.1", "final"): ("finals", "rfq"),
    ("commitment.1", "commitment"): ("commitments", "rfq"),
    ("commitment.1", "repair"): ("repairs", "rfq"),
}
_SEALED = ("ballot.1", "quotation.1")  # of which receipts of more than 2f witnesses are asked for (DEC-14)
HANDED_IN = tuple(dict.fromkeys(kind for kind, _ in BOXES))
_RAW = data(1, 1 << 16)
_FILE = fields(
    {
        "anchor": _RAW,
        "network": data(32),
        "proposal": data(0, 1 << 16),
        "receipts": array(_RAW, 4 * WITNESSES_MAX),
        "record": _RAW,
        "version": integer(1, 1),
        "votes": array(_RAW, WITNESSES_MAX),
    },
    {"count": fields({name: array(_RAW, WITNESSES_MAX, 1) for name in ("releases", "votes")} | {"proposal": _RAW})},
)


@dataclass(frozen=True, slots=True)
class Inclusion:
    """What a file shows. `listed`: how many ids the certified list holds, 0 while there is none; `place`: which of them
    is the record's, counted from 1, 0 when it is not among them. `receipts`, `signers`: witnesses by key. `opened`:
    what a ballot was opened as, None where the file does not show it.
    """

    record: Record
    question: str
    council: Council
    receipts: tuple[bytes, ...]
    signers: tuple[bytes, ...]
    listed: int
    place: int
    opened: Ranking[bytes] | Void | None = None

    @property
    def state(self) -> str:
        """`listed`, `left out` of a certified list, or `received` before there is one."""
        if not self.signers:
            return "received"
        return "listed" if self.place else "left out"


def question_of(record: Record) -> str:
    """The question that closes the box of a record; raises Reject ELE-50 when kind and slot go into none (DEC-13)."""
    slot, _, number = ("" if record.header.slot is None else record.header.slot.name).partition("/")
    base, field = BOXES.get((record.kind, slot), ("", ""))
    about = record.body[field][:8].hex() if field else ""
    if not base or number != (about if field == "roster" else ""):
        raise Reject("ELE-50", f"record: a {record.kind} in this slot is handed in to no box")
    return f"{base}/{about}" if field else base


def looks_like(raw: bytes) -> bool:
    """Whether bytes begin as every such file does."""
    return raw.startswith((b"\x87\xa6anchor", b"\x88\xa6anchor"))


def make(network: bytes, anchor: Record, record: Record, log: Log, docket: Docket) -> bytes:
    """The file about a record in the scope of `anchor`, its charter or request. Raises Reject ELE-52 when there is
    nothing that would show anything.
    """
    name, council = question_of(record), council_of(anchor, network)
    body = {
        "anchor": anchor.raw,
        "network": network,
        "proposal": b"",
        "receipts": [one.raw for one in receipts_for(log, name, record.id, council)],
        "record": record.raw,
        "version": 1,
        "votes": list[bytes](),
    }
    body |= _certificate(log, docket.decided(name, council)) | _count(record, log, docket, council)
    raw = encode(body)
    verify(raw)
    return raw


def _certificate(log: Log, decided: Decided | None) -> dict[str, Any]:
    """The proposal of a decided value, and the votes for it."""
    if decided is None:
        return {}
    about = (one for one in log.of_kind("proposal.1") if one.body["question"] == decided.question)
    found = [one for one in about if value_hash(one.body["value"]) == decided.value_hash]
    votes = [log.records[one].raw for one in decided.votes]
    return {"proposal": min(found, key=lambda one: one.id).raw, "votes": votes}


def _count(ballot: Record, log: Log, docket: Docket, council: Council) -> dict[str, Any]:
    """What opened a ballot: the certified releases, no more of them than it takes (ELE-65)."""
    decided = docket.decided(_counts(ballot), council) if ballot.kind == "ballot.1" else None
    if decided is None:
        return {}
    try:
        listed = [log.records[one] for one in manifest_ids(decided.value) if one in log.records]
    except Reject:
        return {}
    releases = [one.raw for one in listed if opens(ballot, one, council)][: council.faults + 1]
    return {"count": _certificate(log, decided) | {"releases": releases}} if len(releases) > council.faults else {}


def _counts(ballot: Record) -> str:
    return f"counts/{ballot.body['roster'][:8].hex()}"


def receipts_needed(record: Record, council: Council) -> int:
    """Of so many witnesses the box of a record asks for receipts (DEC-14)."""
    return (1 + (record.kind in _SEALED)) * council.faults + 1


def receipts_for(log: Log, name: str, record_id: bytes, council: Council) -> list[Record]:
    """One receipt of each witness that signed one for a record, by witness: the one of least id."""
    kept: dict[bytes, Record] = {}
    for one in sorted(log.of_kind("receipt.1"), key=lambda receipt: receipt.id):
        if one.body["question"] == name and record_id in one.body["ids"] and one.author in council.witnesses:
            kept.setdefault(one.author, one)
    return [kept[key] for key in sorted(kept)]


def council_of(anchor: Record, network: bytes) -> Council:
    """The witnesses that a charter or request names. Raises Reject: FRM-20, or those of a request's mandate."""
    if anchor.kind == "rfq.1":
        return Council(tuple(anchor.body["witnesses"]), read_mandate(anchor, network).charter)
    if anchor.kind != "charter.1" or not is_charter(anchor):
        raise Reject("FRM-20", "anchor: must be the charter that its own scope names, or a request")
    return Council(tuple(anchor.body["witnesses"]), charter_hash(anchor.author, anchor.body))


def verify(raw: bytes) -> Inclusion:
    """What a file shows, all of it checked. Raises Reject with the clause of the first thing that is off."""
    body = _opened(raw)
    network: bytes = body["network"]
    anchor, record = _record("anchor", body["anchor"], network), _record("record", body["record"], network)
    if record.scope != anchor.scope:
        raise Reject("ELE-50", "record: of another co-op or deal than the anchor")
    name, council = question_of(record), council_of(anchor, network)
    receipts = _receipts(body["receipts"], network, record, name, council)
    if not body["proposal"]:
        if body["votes"] or len(receipts) <= council.faults:
            raise _too_few(receipts, council.faults + 1)
        return Inclusion(record, name, council, receipts, (), 0, 0, _opened_as(body, record, b"", council))
    proposal = _record("proposal", body["proposal"], network)
    signers = _signers(body["votes"], network, anchor.scope, name, council, proposal)
    ids = manifest_ids(proposal.body["value"])
    place = ids.index(record.id) + 1 if record.id in ids else 0
    enough = receipts_needed(record, council)
    if not place and len(receipts) < enough:
        raise _too_few(receipts, enough)
    opened = _opened_as(body, record, proposal.body["value"] if place else b"", council)
    return Inclusion(record, name, council, receipts, signers, len(ids), place, opened)


def _opened_as(
    body: Mapping[str, Any], ballot: Record, listed: bytes, council: Council
) -> Ranking[bytes] | Void | None:
    """What the certified releases in a file make of its ballot. `listed`: the certified list with it, b"" if none."""
    count, network = body.get("count"), body["network"]
    if count is None:
        return None
    if ballot.kind != "ballot.1" or not listed:
        raise Reject("ELE-65", "count: only of a ballot that is listed")
    name, proposal = _counts(ballot), _record("count.proposal", count["proposal"], network)
    _signers(count["votes"], network, ballot.scope, name, council, proposal)
    certified = manifest_ids(proposal.body["value"])
    releases = [_record("count.releases", raw, network) for raw in count["releases"]]
    for one in releases:
        if one.id not in certified or one.kind != "count.1" or one.author not in council.witnesses:
            raise Reject("ELE-65", "count.releases: one is no certified release of a witness")
        if one.body["manifest"] != value_hash(listed):
            raise Reject("ELE-65", "count.releases: one is about another list of ballots")
    found = open_one(ballot, shares_in(releases, council).get(ballot.id, ()), council)
    if isinstance(found, Void) and found.code == "IDN-17":
        raise Reject("ELE-65", f"count.releases: {found.message}")
    return found


def _too_few(receipts: Sequence[bytes], enough: int) -> Reject:
    return Reject("ELE-52", f"receipts: of {len(receipts)} witnesses; fewer than {enough} show nothing")


def _opened(raw: bytes) -> dict[str, Any]:
    try:
        body = decode(raw)
        _FILE(body, "file")
    except Reject as error:
        raise Reject("ELE-50", f"file: {error.message}") from None
    found: dict[str, Any] = body
    return found


def _record(field: str, raw: bytes, network: bytes) -> Record:
    try:
        return Record.parse(raw, network)
    except Reject as error:
        raise Reject(error.code, f"{field}: {error.message}") from None
    except Ignore as error:
        raise Reject("ELE-50", f"{field}: {error.message}") from None


def _receipts(raws: Sequence[bytes], network: bytes, record: Record, name: str, council: Council) -> tuple[bytes, ...]:
    """The witnesses whose receipts these are, each for this record in this box."""
    found = [_record(f"receipts[{at}]", raw, network) for at, raw in enumerate(raws)]
    for one in found:
        about = one.kind == "receipt.1" and one.scope == record.scope and one.body["question"] == name
        if not about or record.id not in one.body["ids"] or one.author not in council.witnesses:
            raise Reject("ELE-51", "receipts: one is no witness's receipt for this record")
    return tuple(sorted(dict.fromkeys(one.author for one in found)))


def _signers(
    raws: Sequence[bytes], network: bytes, scope: str, name: str, council: Council, proposal: Record
) -> tuple[bytes, ...]:
    """The witnesses whose precommits certify the proposed list."""
    if proposal.kind != "proposal.1" or proposal.scope != scope or proposal.body["question"] != name:
        raise Reject("ELE-51", "proposal: not for the box of this record")
    number, hashed = proposal.body["round"], value_hash(proposal.body["value"])
    found = [_record(f"votes[{at}]", raw, network) for at, raw in enumerate(raws)]
    for one in found:
        slot = one.header.slot
        named = one.kind == "vote.1" and one.scope == scope and slot is not None
        number = one.body["round"] if named else number
        stands = named and slot is not None and slot.name == slot_of(name, number, "precommit")
        if not stands or one.body["value"] != hashed or hashed == NIL or one.author not in council.witnesses:
            raise Reject("ELE-51", "votes: one is no witness's precommit for the proposed list")
    if len({one.body["round"]: None for one in found}) > 1:
        raise Reject("ELE-51", "votes: of more than one round")
    signers = tuple(sorted(dict.fromkeys(one.author for one in found)))
    if len(signers) < council.quorum:
        raise Reject("DEC-1", f"votes: {len(signers)} of the {council.quorum} signatures that decide are there")
    return signers
