"""Front-running: what those can find out who hold every public record, and secrets besides, before and after the
reveals; and what it helps them to copy, to hold back, to speak early or wrongly (08-negotiation, NEG-43 to NEG-64).

Each attack has its control: one share more, or the rule switched off, and it succeeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from protocol.coop.box import contents
from protocol.coop.decision import Docket
from protocol.deal.deal import read_deal
from protocol.deal.life import Opening
from protocol.deal.tender import open_all, own_share, released
from protocol.encoding import encode
from protocol.errors import Reject
from protocol.identity import Persona, decrypt, seal, unseal
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.sealing import Sealed, Void, combine, share_hash, value_at
from tests.deals import NETWORK, Handmade, persona

FAULTS = 1
MADE = Handmade(members=5, witnesses=4, suppliers=3)
BEFORE = [one for one in MADE.records if one.kind != "reveal.1"]  # all that was public when the box closed
THIEF = persona("s1")


def quotations(records: Iterable[Record]) -> list[Record]:
    return sorted((one for one in records if one.kind == "quotation.1"), key=lambda one: one.id)


def strings(value: Any) -> Iterable[bytes]:
    """Every byte string in a body, at whatever depth."""
    match value:
        case bytes():
            yield value
        case list() | tuple():
            for one in value:
                yield from strings(one)
        case dict():
            for one in value.values():
                yield from strings(one)


def known_to(records: Iterable[Record], secrets: Iterable[bytes]) -> list[bytes]:
    """All strings of 32 bytes that somebody with these secrets can lay hands on: in the open, out of a box that one of
    them opens, or out of a box that what came out of one opens.
    """
    public = list(dict.fromkeys(string for one in records for string in strings(one.body)))
    held = dict.fromkeys(secrets)
    fresh = list(held)
    while fresh:
        opened = [content for secret in fresh for box in public if len(box) == 80 if (content := _opened(box, secret))]
        fresh = [one for one in dict.fromkeys(opened) if one not in held]
        held |= dict.fromkeys(fresh)
    return [one for one in dict.fromkeys((*public, *held)) if len(one) == 32]


def _opened(box: bytes, secret: bytes) -> bytes:
    try:
        return unseal(box, secret)
    except Reject:
        return b""


def keys_out_of(known: list[bytes], quotation: Record) -> Iterable[bytes]:
    """Every key that what is known could come to: itself, or through any two points that are shares of this one."""
    yield from known
    context, hashes = quotation.body["rfq"] + quotation.author, [one for _, one in quotation.body["shares"]]
    shares = {
        place: one for place, hashed in enumerate(hashes) for one in known if share_hash(one, place, context) == hashed
    }
    for (a, one), (b, other) in combinations(shares.items(), FAULTS + 1):
        yield value_at(0, {a + 1: one, b + 1: other})


def reads(quotation: Record, known: list[bytes]) -> bool:
    """Whether somebody who knows these strings can read a quotation."""
    for key in keys_out_of(known, quotation):
        try:
            decrypt(quotation.body["cipher"], key, quotation.body["rfq"] + quotation.author)
        except Reject:
            continue
        return True
    return False


def witness_secrets(count: int) -> list[bytes]:
    return [one.box_seed(MADE.hash) for one in MADE.witnesses[:count]]


# Who learns what, and when


@pytest.mark.parametrize(
    ("who", "secrets"),
    [
        ("a relay", []),
        ("another supplier", [THIEF.box_seed(MADE.hash), THIEF.seed]),
        ("a member", [MADE.members[4].box_seed(MADE.hash), MADE.room]),
        ("the negotiator", [MADE.negotiator.box_seed(MADE.hash), MADE.negotiator.seed, MADE.room]),
        ("f witnesses, with the room's secret", [*witness_secrets(FAULTS), MADE.room]),
    ],
)
def test_before_the_reveals_nobody_reads_a_quotation(who: str, secrets: list[bytes]) -> None:
    """NEG-43, IDN-14: not one of them, with all public records and whatever opens with the secrets that they hold."""
    known = known_to(BEFORE, secrets)
    assert [one for one in quotations(BEFORE) if reads(one, known)] == []


def test_with_one_witness_more_everything_is_read() -> None:
    """The control: f + 1 witnesses together are trusted not to."""
    known = known_to(BEFORE, witness_secrets(FAULTS + 1))
    assert [one for one in quotations(BEFORE) if reads(one, known)] == quotations(BEFORE)


def test_after_the_reveals_the_room_reads_and_nobody_else() -> None:
    """NEG-44, NEG-45: a losing offer stays in the room."""
    outside = known_to(MADE.records, [THIEF.box_seed(MADE.hash), THIEF.seed])
    assert not any(reads(one, outside) for one in quotations(MADE.records))
    inside = known_to(MADE.records, [MADE.members[4].box_seed(MADE.hash)])
    assert all(reads(one, inside) for one in quotations(MADE.records))


def test_what_is_public_has_one_size_whatever_is_offered() -> None:
    """NEG-43: the price does not show in a length. The control: the quotations themselves are of different lengths."""

    class Dear(Handmade):
        def _quotation(self, who: Persona, price_minor: int, terms: tuple[str, ...]) -> bytes:
            return super()._quotation(who, 10**9 * price_minor, terms)

    dear = Dear(members=5, witnesses=4, suppliers=3)
    cheap, costly = quotations(MADE.records), quotations(dear.records)
    assert len({len(encode(dict(one.body))) for one in (*cheap, *costly)}) == 1
    sizes = {len(one.quote) for made in (MADE, dear) for one in made.quoted.values()}
    assert len(sizes) > 1


# Copies


class Copying(Handmade):
    """The second supplier quotes after it has seen what the first has handed in."""

    def __init__(self, copies: tuple[str, ...]) -> None:
        self.copies = copies
        super().__init__(None, members=5, witnesses=4, suppliers=3)

    def quotation(self, who: Persona) -> dict[str, Any]:
        body = super().quotation(who)
        if who is not self.suppliers[1]:
            return body
        seen = next(one for one in self.records if one.kind == "quotation.1")
        return body | {name: seen.body[name] for name in self.copies}

    def copy(self) -> Record:
        return next(one for one in self.deal().quotations if one.author == self.suppliers[1].key)

    def found(self) -> Opening | Void:
        return open_all(self.deal(), self.room)[self.copy().id]


@pytest.mark.parametrize(
    ("copies", "clause"),
    [
        (("commit",), "NEG-9"),
        (("cipher",), "IDN-9"),
        (("shares",), "IDN-17"),
        (("commit", "cipher", "shares"), "IDN-17"),
    ],
)
def test_a_copy_is_nobody_s_quotation(copies: tuple[str, ...], clause: str) -> None:
    """NEG-8, NEG-43: even where it is listed, it does not open, and the one it was copied from does."""
    made = Copying(copies)
    found = made.found()
    assert isinstance(found, Void)
    assert found.code == clause
    first = next(one for one in made.deal().drawn if one.author == made.suppliers[0].key)
    assert open_all(made.deal(), made.room)[first.id] == made.quoted[made.suppliers[0].key]


def test_no_honest_witness_vouches_for_a_copy() -> None:
    """NEG-63, IDN-16: nor releases a share of it. The control: what it was copied from, each vouches for."""
    made = Copying(("commit", "cipher", "shares"))
    first = next(one for one in made.records if one.kind == "quotation.1")
    for place, one in enumerate(made.witnesses):
        seed = one.box_seed(made.hash)
        assert own_share(first, place, seed)
        with pytest.raises(Reject) as caught:
            own_share(made.copy(), place, seed)
        assert caught.value.code == "IDN-16"
        assert made.copy().id not in [id_ for id_, _ in released(made.deal(), place, seed, made.draw)]


def test_were_the_supplier_not_in_the_context_a_copy_would_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """NEG-43, the control: witnesses release shares of the copy, and its cipher opens; only the commitment is left."""
    monkeypatch.setattr("protocol.deal.tender._context", lambda rfq, supplier: rfq)
    made = Copying(("commit", "cipher", "shares"))
    found = made.found()
    assert isinstance(found, Void)
    assert found.code == "NEG-9"
    shares = {place: own_share(made.copy(), place, one.box_seed(made.hash)) for place, one in enumerate(made.witnesses)}
    content = combine(Sealed.of(made.copy().body), FAULTS + 1, shares, made.rfq.id)
    assert made.quoted[made.suppliers[0].key].quote in content


def test_a_copy_for_another_request_is_good_for_nobody() -> None:
    """NEG-43: a later request of the same co-op, with the same witnesses and boxes, lays nothing open."""
    first = quotations(MADE.records)[0]
    other = first._replace(body={**first.body, "rfq": bytes(32)})
    for place, one in enumerate(MADE.witnesses):
        with pytest.raises(Reject) as caught:
            own_share(other, place, one.box_seed(MADE.hash))
        assert caught.value.code == "IDN-16"


# Shares for some


class Garbling(Handmade):
    """The first supplier gives noise instead of its share to some witnesses; these, being honest, vouch for others."""

    def __init__(self, noise: tuple[int, ...]) -> None:
        self.noise = noise
        super().__init__(None, members=5, witnesses=4, suppliers=3)

    def quotation(self, who: Persona) -> dict[str, Any]:
        body = super().quotation(who)
        if who is self.suppliers[0]:
            shares = [list(one) for one in body["shares"]]
            for place in self.noise:
                shares[place][0] = bytes(80)
            body |= {"shares": shares}
        return body

    def vouched(self, record: Record) -> int:
        """How many honest witnesses would give a receipt (NEG-63)."""
        good = 0
        for place, one in enumerate(self.witnesses):
            try:
                own_share(record, place, one.box_seed(self.hash))
                good += 1
            except Reject:
                continue
        return good


@pytest.mark.parametrize(("noise", "vouched"), [((0,), 3), ((3,), 3), ((0, 1), 2), ((0, 1, 2, 3), 0)])
def test_noise_for_some_witnesses(noise: tuple[int, ...], vouched: int) -> None:
    """NEG-63: with noise for more than f it is not listed; with noise for f it opens for everybody all the same."""
    made = Garbling(noise)
    first = next(one for one in made.records if one.kind == "quotation.1")
    assert made.vouched(first) == vouched
    assert (vouched > 2 * FAULTS) == (len(noise) <= FAULTS)
    if vouched > 2 * FAULTS:
        assert open_all(made.deal(), made.room)[first.id] == made.quoted[first.author]


@pytest.mark.parametrize(("witnesses", "listed"), [(2, 0), (3, 3)])
def test_a_quotation_needs_more_than_2f_receipts(witnesses: int, listed: int) -> None:
    """DEC-14, NEG-63. The control: with one witness more who vouches it is listed."""
    vouching = [one.key for one in MADE.witnesses[:witnesses]]
    log, docket = Log(MADE.deal_scope), Docket()
    for one in MADE.records:
        heard = one.kind in ("rfq.1", "quotation.1") or (one.kind == "receipt.1" and one.author in vouching)
        if heard and one.scope == MADE.deal_scope and log.add(one).stored:
            docket.note(one)
    deal = read_deal(log, docket, NETWORK)
    assert deal is not None
    assert len(contents(log, docket, deal.open[0], deal.council)) == listed


# Witnesses who do not do as they should


def opened_without(*silent: int) -> dict[bytes, Opening | Void]:
    deal = MADE.deal()
    heard = [one for one in deal.reveals if deal.council.witnesses.index(one.author) not in silent]
    return open_all(replace(deal, reveals=tuple(heard)), MADE.room)


def test_silence_of_f_hides_nothing() -> None:
    """NEG-44, NEG-45. The control: f shares alone open nothing, and nobody is to blame for it by proof."""
    whole = open_all(MADE.deal(), MADE.room)
    for a, b in combinations(range(4), 2):  # one more than f, and f + 1 still speak
        assert opened_without(a, b) == whole
    for speaks in range(4):
        found = opened_without(*(place for place in range(4) if place != speaks))
        assert {one.code for one in found.values() if isinstance(one, Void)} == {"IDN-17"}


@pytest.mark.parametrize("lie", [bytes(32), b"\xff" * 32, b"", bytes(64)], ids=["zeros", "ones", "nothing", "long"])
def test_a_wrong_share_counts_for_nothing(lie: bytes) -> None:
    """NEG-45, IDN-16: whichever witness says it, and whatever it seals."""
    deal, whole = MADE.deal(), open_all(MADE.deal(), MADE.room)
    for liar in deal.council.witnesses:
        reveals = [_lying(one, lie) if one.author == liar else one for one in deal.reveals]
        assert open_all(replace(deal, reveals=tuple(reveals)), MADE.room) == whole


def _lying(reveal: Record, lie: bytes) -> Record:
    room = MADE.rfq.body["room"]
    shares = [[one, seal(lie, room, MADE.draw)] for one, _ in reveal.body["shares"]]
    return reveal._replace(body={**reveal.body, "shares": shares})


def test_another_witness_s_share_counts_for_nothing() -> None:
    """NEG-45: said again from another place it is not good there, so two voices of one share are one."""
    deal = MADE.deal()
    first = deal.reveals[0]
    echo = [one._replace(body=first.body) for one in deal.reveals]
    found = open_all(replace(deal, reveals=tuple(echo)), MADE.room)
    assert [one.code for one in found.values() if isinstance(one, Void)] == ["IDN-17"] * 3


def test_shares_that_are_said_early_open_nothing_and_do_not_count() -> None:
    """NEG-44: f witnesses who publish their shares in the open before the box closes tell nobody anything."""
    first = quotations(BEFORE)[0]
    early = [own_share(first, 0, MADE.witnesses[0].box_seed(MADE.hash))]
    assert not reads(first, [*known_to(BEFORE, []), *early])
    both = [*early, own_share(first, 1, MADE.witnesses[1].box_seed(MADE.hash))]
    assert reads(first, [*known_to(BEFORE, []), *both])  # the control


REVEALS: list[tuple[str, Mapping[str, Any]]] = [
    ("before the box was certified", {"manifest": bytes(32)}),
    ("of another request", {"rfq": bytes(32)}),
    ("of what nobody handed in", {"shares": [[bytes(32), bytes(80)]]}),
]


@pytest.mark.parametrize("change", [change for _, change in REVEALS], ids=[name for name, _ in REVEALS])
def test_reveals_that_do_not_belong(change: Mapping[str, Any]) -> None:
    """NEG-44, DEC-13: said again from another deal, or too early, they are not let into the box."""
    made = Handmade({"reveal.1": lambda body: body | change}, members=5, witnesses=4)
    assert made.deal().state == "void"
    assert made.deal().reveals == ()


def test_a_share_in_the_name_of_somebody_else() -> None:
    """NEG-44: only witnesses are entitled to the box, and each to one reveal."""

    class Meddling(Handmade):
        def reveal(self, place: int, *rest: str) -> dict[str, Any]:
            body = super().reveal(place, *rest)
            if place == 0:
                self.say(self.members[4], "reveal.1", self.deal_scope, body, "reveal")
                self.say(self.suppliers[0], "reveal.1", self.deal_scope, body, "reveal")
            return body

    made = Meddling(members=5, witnesses=4)
    assert sorted(one.author for one in made.deal().reveals) == [one.key for one in made.witnesses]


def test_whoever_reveals_twice_is_not_heard_and_stops_nobody() -> None:
    """DEC-14, NEG-45: with f such witnesses the rest is enough."""

    class Twice(Handmade):
        def reveal(self, place: int, *rest: str) -> dict[str, Any]:
            body = super().reveal(place, *rest)
            if place == 0:
                self.say(self.witnesses[0], "reveal.1", self.deal_scope, body | {"shares": []}, "reveal")
            return body

    made = Twice(members=5, witnesses=4)
    deal = made.deal()
    assert len(deal.reveals) == 3
    found = open_all(deal, made.room)
    assert {one.author: found[one.id] for one in deal.drawn} == made.quoted
