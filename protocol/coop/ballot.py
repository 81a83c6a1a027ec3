"""Ballots: sealed to the witnesses until their box is certified, laid open by what these release afterwards.

Decides what a ballot and a release must look like and what certified releases make of each ballot; never who may vote,
which ballots are counted, or who wins. Spec: 07-election, ELE-21 and ELE-60 to ELE-64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

from protocol.coop.decision import Council
from protocol.coop.election import Ranking, check_ranking
from protocol.encoding import decode, encode
from protocol.errors import Ignore, Reject
from protocol.identity import Entropy
from protocol.params import BALLOT_FRAME_BYTES, BALLOT_NAME_BYTES, RANKED_MAX
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.record.schema import array, ascending
from protocol.record.shapes import ID
from protocol.sealing import CIPHER_MORE_BYTES, Sealed, Void, combine, is_good, open_share, seal_to

Openings = Mapping[bytes, Ranking[bytes] | Void]  # by the ballot's record id

_TIERS = array(ascending(ID, RANKED_MAX, 1), RANKED_MAX)


def content_bytes(candidates: int) -> int:
    """How long what a ballot seals is, whatever it says: it follows from how many stand (ELE-60)."""
    return BALLOT_FRAME_BYTES + BALLOT_NAME_BYTES * min(candidates, RANKED_MAX)


def cast(
    roster: bytes, voter: bytes, ranking: Ranking[bytes], candidates: int, boxes: Sequence[bytes], entropy: Entropy
) -> dict[str, Any]:
    """The body of a `ballot.1`, readable once enough of the witnesses with these boxes say so (ELE-60)."""
    council = Council(tuple(boxes), b"")
    content = _packed(ranking, content_bytes(candidates))
    return {"roster": roster} | seal_to(boxes, council.faults + 1, content, roster + voter, entropy).to_mapping()


def boxes_of(log: Log, council: Council) -> list[bytes]:
    """The box of each witness, as it accepted the charter; of two acceptances the one of least id (ELE-60)."""
    accepted = (
        [one for one in log.slot("accept.1", key, "accept") if one.body["charter"] == council.anchor]
        for key in council.witnesses
    )
    return [min(said, key=lambda one: one.id).body["box"] for said in accepted]


def is_ballot(roster: bytes, candidates: int, council: Council, record: Record) -> bool:
    """Whether a ballot is of this roster, as long as all others, and has a share for each witness (ELE-21)."""
    long = len(record.body["cipher"]) == content_bytes(candidates) + CIPHER_MORE_BYTES
    return bool(record.body["roster"] == roster and long and len(record.body["shares"]) == len(council.witnesses))


def own_share(ballot: Record, place: int, box_seed: bytes) -> bytes:
    """The share that a ballot promises the witness at this place. Raises Reject IDN-8 or IDN-16."""
    return open_share(Sealed.of(ballot.body), place, box_seed, _context(ballot))


def released(ballots: Sequence[Record], place: int, box_seed: bytes) -> list[list[bytes]]:
    """What the witness at this place says of the ballots that count, ascending by id: its good shares (ELE-62)."""
    shares: list[list[bytes]] = []
    for ballot in ballots:
        try:
            shares.append([ballot.id, own_share(ballot, place, box_seed)])
        except Reject:
            continue
    return shares


def is_release(roster: bytes, manifest: bytes, ballots: Sequence[Record], record: Record) -> bool:
    """Whether a release is about this certified box, and about what counts in it alone (ELE-62)."""
    body, ids = record.body, [one for one, _ in record.body["shares"]]
    listed = {one.id: None for one in ballots}
    ascends = all(one < other for one, other in pairwise(ids))
    return bool(body["roster"] == roster and body["manifest"] == manifest and ascends and all(i in listed for i in ids))


@dataclass(frozen=True, slots=True)
class _Boxes:
    """Two certified boxes; the records' ids say all that is in them."""

    ids: tuple[bytes, ...]
    council: Council
    running: tuple[bytes, ...]
    ballots: Sequence[Record] = field(compare=False)
    releases: Sequence[Record] = field(compare=False)


def lay_open(
    ballots: Sequence[Record], releases: Sequence[Record], council: Council, running: Sequence[bytes]
) -> Openings:
    """What the certified releases make of each ballot; the same for everybody (ELE-63)."""
    ids = tuple(one.id for one in (*ballots, *releases))
    return _lay_open(_Boxes(ids, council, tuple(running), ballots, releases))


@lru_cache(maxsize=64)
def _lay_open(boxes: _Boxes) -> Openings:
    """Kept, because the same is asked again with every record that the co-op gets afterwards."""
    found: dict[bytes, Ranking[bytes] | Void] = {}
    shares = shares_in(boxes.releases, boxes.council)
    for ballot in boxes.ballots:
        ranking = open_one(ballot, shares.get(ballot.id, ()), boxes.council)
        try:
            if not isinstance(ranking, Void):
                check_ranking(ranking, boxes.running)
            found[ballot.id] = ranking
        except Ignore as error:
            found[ballot.id] = Void(error.code, error.message)
    return found


def shares_in(releases: Sequence[Record], council: Council) -> dict[bytes, list[tuple[int, bytes]]]:
    """(place, share) of each ballot, by its record id, as these witnesses released them."""
    places = {key: place for place, key in enumerate(council.witnesses)}
    found: dict[bytes, list[tuple[int, bytes]]] = {}
    for one in releases:
        for ballot, share in one.body["shares"]:
            found.setdefault(ballot, []).append((places[one.author], share))
    return found


def opens(ballot: Record, release: Record, council: Council) -> bool:
    """Whether a release holds its witness's good share of this ballot."""
    sealed, place = Sealed.of(ballot.body), council.witnesses.index(release.author)
    given = (share for about, share in release.body["shares"] if about == ballot.id)
    return any(is_good(sealed, place, share, _context(ballot)) for share in given)


def open_one(ballot: Record, shares: Sequence[tuple[int, bytes]], council: Council) -> Ranking[bytes] | Void:
    """The ranking that a ballot seals, by shares of its witnesses' places; whoever it names may not stand."""
    try:
        content = combine(Sealed.of(ballot.body), council.faults + 1, dict(shares), _context(ballot))
    except Reject as error:
        return Void(error.code, error.message)
    try:
        said = decode(content[2:][: int.from_bytes(content[:2], "big")])
        _TIERS(said, "ranking")
    except Reject:
        return Void("ELE-60", "ballot: what it seals is no ranking")
    ranking = tuple(tuple(tier) for tier in said)
    return ranking if content == _packed(ranking, len(content)) else Void("ELE-60", "ballot: not filled up with zeros")


def _packed(ranking: Ranking[bytes], size: int) -> bytes:
    said = encode([sorted(tier) for tier in ranking])
    return (len(said).to_bytes(2, "big") + said).ljust(size, b"\0")


def _context(ballot: Record) -> bytes:
    """What a sealed ballot is bound to: whoever copies it in another name, or to another roster, copies nothing."""
    roster: bytes = ballot.body["roster"]
    return roster + ballot.author
