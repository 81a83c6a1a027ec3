"""Quotations, sealed and opened, and how everybody in the room ranks them.

Decides which quotations are handed in, what the witnesses' certified shares make of them, and their ranking; never
signs, and never holds a secret longer than a call.
Spec: 08-negotiation, NEG-43 to NEG-49 and NEG-63 and NEG-64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

from protocol.coop.box import Box
from protocol.coop.coop import Coop
from protocol.coop.template import Template
from protocol.deal.final import latest
from protocol.deal.life import Deal, Opening, Reader
from protocol.deal.negotiation import NONCE_BYTES, Bid, commit_hash, open_commitment
from protocol.deal.ranking import Ranking, Refused, rank
from protocol.deal.request import request_of
from protocol.encoding import digest
from protocol.errors import Reject
from protocol.identity import Entropy, seal, unseal
from protocol.params import BIDS_MAX, SEALED_BLOCK_BYTES
from protocol.record.record import Record
from protocol.sealing import Sealed, Void, combine, is_good, open_share, seal_to

Openings = Mapping[bytes, Opening | Void]  # by the quotation's record id
DEFAULTS = ("IDN-18", "IDN-9", "NEG-9")  # what makes a quotation void through its supplier's own doing (NEG-64)


def quote(reader: Reader) -> bool:
    rfq = reader.deal.rfq
    takes = partial(_whole, reader.deal)
    box = Box("quotation.1", "quotation", None, (rfq.author,), takes, vouchers=2)
    opened = reader.deal.quotes_from or rfq.header.created
    quotations = reader.box("quotations", box, opened, "quote_ms")
    if quotations is None:
        return False
    certified = reader.decided[reader.name("quotations")].value_hash
    reader.deal = replace(reader.deal, quotations=tuple(quotations), drawn=_drawn(quotations, certified))
    return reader.fact("quotations certified" if quotations else "nobody quoted")


def reveal(reader: Reader) -> bool:
    deal, quoted = reader.deal, reader.decided[reader.name("quotations")]
    takes = partial(_good_reveal, deal.rfq.id, quoted.value_hash, tuple(one.id for one in deal.drawn))
    box = Box("reveal.1", "reveal", deal.council.witnesses, (), takes)
    reveals = reader.box("reveals", box, quoted.when, "reveal_ms")
    if reveals is None:
        return False
    reader.deal = replace(reader.deal, reveals=tuple(reveals))
    return reader.fact("reveals certified" if reveals else "nobody revealed")


def final(reader: Reader) -> bool:
    """The box of last words, where the charter gives time for them: sealed like the first, and opened likewise."""
    deal = reader.deal
    if "final_ms" not in deal.times:
        return True
    suppliers = tuple(sorted(one.author for one in deal.drawn))
    box = Box("quotation.1", "final", suppliers, (), partial(_whole, deal), vouchers=2)
    finals = reader.box("finals", box, reader.decided[reader.name("reveals")].when, "final_ms")
    if finals is None:
        return False
    reader.deal = replace(deal, finals=tuple(finals))
    return reader.fact("finals certified") if finals else True


def reveal_finals(reader: Reader) -> bool:
    deal = reader.deal
    if deal.state != "bettered":
        return True
    said = reader.decided[reader.name("finals")]
    takes = partial(_good_reveal, deal.rfq.id, said.value_hash, tuple(one.id for one in deal.finals))
    box = Box("reveal.1", "reveal-final", deal.council.witnesses, (), takes)
    reveals = reader.box("final-reveals", box, said.when, "reveal_ms")
    if reveals is None:
        return False
    reader.deal = replace(deal, final_reveals=tuple(reveals))
    return reader.fact("finals revealed")


def seal_quotation(rfq: Record, supplier: bytes, nonce: bytes, quotation: bytes, entropy: Entropy) -> Sealed:
    """A quotation as only the room will read it, and only once enough witnesses say so (NEG-43)."""
    boxes = rfq.body["boxes"]
    return seal_to(boxes, threshold(len(boxes)), pack(nonce, quotation), _context(rfq.id, supplier), entropy)


def handed_in(deal: Deal, supplier: bytes, nonce: bytes, quotation: bytes, entropy: Entropy) -> dict[str, Any]:
    """The body of a `quotation.1`, a first or a final one (NEG-43)."""
    sealed = seal_quotation(deal.rfq, supplier, nonce, quotation, entropy)
    commit = commit_hash(deal.rfq.id, supplier, nonce, quotation)
    return {"rfq": deal.rfq.id, "under": deal.terms_id, "commit": commit} | sealed.to_mapping()


def pack(nonce: bytes, quotation: bytes) -> bytes:
    """What is sealed, filled up so that its length tells nothing of the offer (NEG-43)."""
    content = nonce + len(quotation).to_bytes(2, "big") + quotation
    return content + bytes(-len(content) % SEALED_BLOCK_BYTES)


def threshold(witnesses: int) -> int:
    """How many shares open a quotation: one more than there may be bad witnesses (NEG-43, DEC-1)."""
    return (witnesses - 1) // 3 + 1


def own_share(quotation: Record, place: int, box_seed: bytes) -> bytes:
    """The share that a quotation promises the witness at this place. Raises Reject IDN-8 or IDN-16."""
    return open_share(Sealed.of(quotation.body), place, box_seed, _context(quotation.body["rfq"], quotation.author))


def released(deal: Deal, place: int, box_seed: bytes, entropy: Entropy) -> list[list[bytes]]:
    """What the witness at this place reveals: its good shares of what was drawn, of the last words once these are
    certified, sealed to the room (NEG-44).
    """
    shares: list[list[bytes]] = []
    for quotation in deal.finals or deal.drawn:
        try:
            share = own_share(quotation, place, box_seed)
            shares.append([quotation.id, seal(share, deal.rfq.body["room"], entropy)])
        except Reject:
            continue
    return shares


def open_all(deal: Deal, room: bytes) -> dict[bytes, Opening | Void]:
    """What the certified reveals make of each quotation drawn; the same for all who hold the room's secret (NEG-45)."""
    first, last = _opened(deal, deal.drawn, deal.reveals, room), _opened(deal, deal.finals, deal.final_reveals, room)
    return first | (last if deal.state != "bettered" else {})


def _opened(
    deal: Deal, quotations: Sequence[Record], reveals: Sequence[Record], room: bytes
) -> dict[bytes, Opening | Void]:
    found: dict[bytes, Opening | Void] = {}
    for quotation in quotations:
        try:
            found[quotation.id] = open_one(quotation, shares_of(deal, quotation, reveals, room))
        except Reject as error:
            found[quotation.id] = Void(error.code, error.message)
    return found


def open_one(quotation: Record, shares: Mapping[int, bytes]) -> Opening:
    """What a quotation holds, by shares of its witnesses' places. Raises Reject IDN-17 while too few of them are good;
    IDN-18, IDN-9 or NEG-9 when its supplier sealed what it must not, which these shares prove to anybody (NEG-64).
    """
    sealed, context = Sealed.of(quotation.body), _context(quotation.body["rfq"], quotation.author)
    content = combine(sealed, threshold(len(sealed.shares)), shares, context)
    nonce, length = content[:NONCE_BYTES], int.from_bytes(content[NONCE_BYTES : NONCE_BYTES + 2], "big")
    quoted = content[NONCE_BYTES + 2 :][:length]
    if len(nonce) != NONCE_BYTES or content != pack(nonce, quoted):
        raise Reject("NEG-9", "quotation: its content is not a nonce and a quotation, filled up")
    open_commitment(quotation.body["commit"], quotation.body["rfq"], quotation.author, nonce, quoted)
    return Opening(nonce, quoted)


def ranking_of(deal: Deal, coop: Coop, template: Template, openings: Openings) -> Ranking | None:
    """Every quotation drawn, ranked or refused, as everybody in the room computes it; None before its time (NEG-48).

    openings: by quotation id, as `open_all` finds them.
    """
    if coop.limits is None or not deal.reveals or any(one.id not in openings for one in deal.drawn):
        return None
    bids: list[Bid] = []
    void: list[Refused] = []
    for quotation in deal.drawn:
        match openings[quotation.id]:
            case Opening(_, quoted):
                bids.append(Bid(quotation.author, _last_word(deal, quotation.author, quoted, template, openings)))
            case Void(code, message):
                void.append(Refused(quotation.body["commit"], quotation.author, code, message))
    ranking = rank(request_of(deal, template, coop), coop.limits, bids, coop.demands, coop.pledges_hash)
    refused = sorted((*ranking.refused, *void, *_not_drawn(deal)), key=lambda row: (row.hash, row.supplier))
    return replace(ranking, refused=tuple(refused))


def _last_word(deal: Deal, supplier: bytes, quoted: bytes, template: Template, openings: Openings) -> bytes:
    """A supplier's latest good quotation (NEG-83)."""
    for one in deal.finals:
        match openings.get(one.id):
            case Opening(_, final) if one.author == supplier:
                return latest(quoted, final, template)
    return quoted


def _context(rfq: bytes, supplier: bytes) -> bytes:
    """What a sealed quotation is bound to: whoever copies it in another name, or to another request, copies nothing."""
    return rfq + supplier


def shares_of(deal: Deal, quotation: Record, reveals: Sequence[Record], room: bytes) -> dict[int, bytes]:
    """Good shares of a quotation out of what witnesses sealed to the room, by place, no more than are needed."""
    places = {key: place for place, key in enumerate(deal.council.witnesses)}
    given = ((places[one.author], dict(one.body["shares"])) for one in reveals)
    sealed = {place: shares[quotation.id] for place, shares in given if quotation.id in shares}
    whole = Sealed.of(quotation.body)
    context, enough = _context(quotation.body["rfq"], quotation.author), threshold(len(whole.shares))
    shares: dict[int, bytes] = {}
    for place in sorted(sealed):
        if len(shares) == enough:
            break
        try:
            share = unseal(sealed[place], room)
        except Reject:
            continue
        if is_good(whole, place, share, context):
            shares[place] = share
    return shares


def _drawn(quotations: Sequence[Record], certified: bytes) -> tuple[Record, ...]:
    """Of more quotations than are ranked, those that a lot takes; nobody knew it before the box was closed (NEG-48)."""
    lot = sorted(quotations, key=lambda one: digest("turn", certified + one.author))
    return tuple(sorted(lot[:BIDS_MAX], key=lambda one: one.id))


def _not_drawn(deal: Deal) -> list[Refused]:
    drawn = {one.id: None for one in deal.drawn}
    message = f"the lot took {BIDS_MAX} others of {len(deal.quotations)}"
    return [
        Refused(one.body["commit"], one.author, "NEG-48", message) for one in deal.quotations if one.id not in drawn
    ]


def _whole(deal: Deal, record: Record) -> bool:
    """Whether a quotation is for this request, as it is asked, with a share for each witness (NEG-43)."""
    named = record.body["rfq"] == deal.rfq.id and record.body["under"] == deal.terms_id
    return named and len(record.body["shares"]) == len(deal.rfq.body["boxes"])


def _good_reveal(rfq: bytes, manifest: bytes, drawn: tuple[bytes, ...], record: Record) -> bool:
    body, ids = record.body, [one for one, _ in record.body["shares"]]
    ascending = all(one < other for one, other in pairwise(ids))
    return bool(body["rfq"] == rfq and body["manifest"] == manifest and ascending and all(one in drawn for one in ids))
