"""The log of a scope: slots, bounds, and a digest that is a function of the set (01-record REC-14; FRM-32, GOS-8)."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.encoding import digest_of
from protocol.errors import Ignore
from protocol.identity import Persona, network_id
from protocol.log import Log
from protocol.record import Record, Slot

NETWORK = network_id("logs", bytes(16))
START, END = 1_800_000_000_000, 1_900_000_000_000
SCOPE, BOARD = "coop/" + "0" * 32, "board/tea/any"
ANNA, BEN = (Persona.from_seed(bytes([number + 1]) * 32) for number in range(2))


def ballot(who: Persona, number: int = 0, slot: str = "ballot") -> Record:
    body = {"roster": bytes(32), "ranking": []}
    where = Slot("once", slot, 0)
    return Record.sign(who, NETWORK, "ballot.1", SCOPE, body, created=START + number, expires=END, slot=where)


def profile(who: Persona, seq: int, label: str = "x", until: int = END) -> Record:
    where = Slot("latest", "profile", seq)
    body = {"label": label, "terms": []}
    return Record.sign(who, NETWORK, "profile.1", BOARD, body, created=START, expires=until, slot=where)


def receipt(who: Persona, number: int) -> Record:
    body = {"question": "q", "ids": [bytes([number]) * 32]}
    return Record.sign(who, NETWORK, "receipt.1", SCOPE, body, created=START, expires=END)


def unknown(who: Persona, mode: str, seq: int = 0) -> Record:
    body = {"anything": seq}
    return Record.sign(who, NETWORK, "x.1", SCOPE, body, created=START, expires=START + 1000, slot=Slot(mode, "n", seq))


def filled(records: list[Record]) -> Log:
    """A log that was offered these, in this order."""
    log = Log(records[0].scope)
    for one in records:
        with suppress(Ignore):
            log.add(one)
    return log


def test_once_keeps_the_evidence_and_counts_for_nothing() -> None:
    """REC-14, REC-15: the second id is proof, the slot comes to "equivocated"."""
    log = Log(SCOPE)
    assert log.add(ballot(ANNA)).proof is None
    assert log.sole("ballot.1", ANNA.key, "ballot") == ballot(ANNA)
    proof = log.add(ballot(ANNA, 1)).proof
    assert proof is not None
    assert {proof.first.id, proof.second.id} == {ballot(ANNA).id, ballot(ANNA, 1).id}
    assert log.sole("ballot.1", ANNA.key, "ballot") is None
    assert len(log.slot("ballot.1", ANNA.key, "ballot")) == 2
    assert list(log.resolved().values()) == ["equivocated"]
    assert not log.add(ballot(ANNA)).stored


def test_a_slot_is_bounded_but_for_what_is_wanted() -> None:
    """REC-14, DEC-19: four ids of one slot, a listed one past the bound; other slots are free."""
    log = Log(SCOPE)
    for number in range(4):
        log.add(ballot(ANNA, number))
    with pytest.raises(Ignore) as caught:
        log.add(ballot(ANNA, 4))
    assert caught.value.code == "REC-14"
    before = log.digest()
    assert log.add(ballot(ANNA, 4), wanted=True).stored
    assert log.digest() == before
    assert log.add(ballot(BEN)).stored


def test_authors_and_their_records_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-8: filled to the bound, then refused, and nothing has changed."""
    monkeypatch.setattr("protocol.log.AUTHORS_MAX", 3)
    monkeypatch.setattr("protocol.log.AUTHOR_RECORDS_MAX", 5)
    log = Log(SCOPE)
    for number in range(5):
        log.add(receipt(ANNA, number))
    for number in range(2):
        log.add(receipt(Persona.from_seed(bytes([90 + number]) * 32), 0))
    before = log.digest(), log.version, len(log.records)
    for one in (receipt(ANNA, 6), receipt(BEN, 0)):
        with pytest.raises(Ignore) as caught:
            log.add(one)
        assert caught.value.code == "GOS-8"
    assert (log.digest(), log.version, len(log.records)) == before


def test_nobody_is_blamed_for_slots_of_unknown_kinds() -> None:
    """REC-12, REC-2: a stranger's kind may fill one slot in two modes; that is kept, and proves nothing."""
    said = [unknown(ANNA, "once"), unknown(ANNA, "latest", 1), unknown(ANNA, "once", 0), unknown(ANNA, "latest", 2)]
    for order in (said, said[::-1]):
        log = Log(SCOPE)
        assert [log.add(one).proof for one in order] == [None] * 4
        assert log.digest() == Log(SCOPE).digest()
        assert len(log.records) == 3  # two of them are the same


def test_latest_wins_whatever_the_order() -> None:
    """REC-14"""
    low, high, other = profile(ANNA, 1), profile(ANNA, 2, "x"), profile(ANNA, 2, "y")
    best = min((high, other), key=lambda one: one.id)
    for order in ([low, high, other], [other, high, low], [high, low, other]):
        log = filled(order)
        assert list(log.records) == [best.id]
        assert log.sole("profile.1", ANNA.key, "profile") == best


def test_what_expired_leaves_its_slot() -> None:
    """REC-13: and the log says when to look again."""
    log = filled([profile(ANNA, 5, until=START + 10), profile(BEN, 0, until=START + 20)])
    assert log.expire(START + 9) == START + 10
    assert log.expire(START + 10) == START + 20
    assert log.add(profile(ANNA, 0)).stored


def test_the_digest_is_what_the_clause_says() -> None:
    """FRM-32: recomputed by hand."""
    log = filled([ballot(ANNA), ballot(BEN), ballot(BEN, 1), receipt(ANNA, 1), receipt(BEN, 1), unknown(ANNA, "once")])
    pairs: list[list[object]] = [
        [f"ballot.1/{ANNA.key.hex()}/ballot", [ballot(ANNA).id]],
        [f"ballot.1/{BEN.key.hex()}/ballot", "equivocated"],
    ]
    loose = sorted((receipt(ANNA, 1).id, receipt(BEN, 1).id))
    rolled = bytes(32)
    for part in (digest_of("slots", sorted(pairs, key=lambda pair: str(pair[0]))), digest_of("loose", loose)):
        rolled = digest_of("roll", [rolled, part])
    assert log.digest() == digest_of("state", [SCOPE, rolled])
    assert Log(SCOPE).digest() == digest_of("state", [SCOPE, bytes(32)])


_SAID = [ballot(who, number, slot) for who in (ANNA, BEN) for number in range(3) for slot in ("a", "b")]
_SAID += [receipt(ANNA, number) for number in range(3)] + [unknown(ANNA, "latest", 3)]


@given(st.sets(st.integers(0, len(_SAID) - 1), min_size=1), st.integers())
def test_order_never_reaches_the_digest(chosen: set[int], seed: int) -> None:
    """FRM-32, REC-14: the same set in any order, equivocations included."""
    records = [_SAID[at] for at in sorted(chosen)]
    shuffled = list(records)
    random.Random(seed).shuffle(shuffled)
    one, other = filled(records), filled(shuffled)
    assert one.digest() == other.digest()
    assert one.resolved() == other.resolved()
    assert sorted(one.records) == sorted(other.records)


@given(st.integers(0, len(_SAID) - 1))
def test_every_record_reaches_the_digest(at: int) -> None:
    """FRM-32: the control; only unknown kinds and the third of a slot do not."""
    rest = [one for number, one in enumerate(_SAID[::-1]) if number != at]
    changes = _SAID[::-1][at].kind == "receipt.1"
    assert (filled(rest).digest() != filled(_SAID[::-1]).digest()) is changes
