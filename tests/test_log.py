"""What one scope holds: slots, equivocations, bounds, expiry, digest (01-record, REC-14, REC-15; 03-gossip, GOS-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol.record.log
from protocol.encoding import digest_of
from protocol.errors import Ignore
from protocol.identity import Persona, network_id
from protocol.network.index import Index
from protocol.params import ONCE_HELD_MAX
from protocol.record.kinds import KINDS
from protocol.record.log import Log
from protocol.record.record import FaultProof, Record, Slot
from tests.deals import blank_ballot

NETWORK = network_id("log", bytes(16))
START = 1_800_000_000_000
LIFE_MS = 10**9
COOP, BOARD = "coop/" + "0" * 32, "board/tea/any"
PEOPLE = [Persona.from_seed(bytes([number + 1]) * 32) for number in range(4)]
ANN, BEN, CAT, DOT = PEOPLE
ROSTER = bytes(32)


def sign(who: Persona, kind: str, scope: str, body: dict[str, Any], slot: Slot | None, at: int, life: int) -> Record:
    return Record.sign(who, NETWORK, kind, scope, body, created=START + at, expires=START + at + life, slot=slot)


def ballot(who: Persona, number: int = 0, name: str = "ballot/x") -> Record:
    """A `once` record; another number is another record in the same slot."""
    return sign(who, "ballot.1", COOP, blank_ballot(ROSTER), Slot("once", name, 0), number, LIFE_MS)


def profile(who: Persona, seq: int, at: int = 0, name: str = "profile", life: int = LIFE_MS) -> Record:
    """A `latest` record on a board."""
    return sign(who, "profile.1", BOARD, {"label": "x", "terms": []}, Slot("latest", name, seq), at, life)


def receipt(who: Persona, number: int = 0) -> Record:
    """A record of a known kind without a slot."""
    return sign(who, "receipt.1", COOP, {"question": "roster", "ids": [bytes(32)]}, None, number, LIFE_MS)


def unknown(who: Persona, number: int = 0) -> Record:
    """A record of a kind that nobody here knows, in a `once` slot."""
    return sign(who, "song.7", COOP, {"note": number}, Slot("once", "song", 0), number, 1_000_000)


def verdict(act: Callable[[], object]) -> str:
    """The code of the Ignore that `act` raises, "" when it raises none."""
    try:
        act()
    except Ignore as error:
        return error.code
    return ""


def filled(records: Iterable[Record], scope: str = COOP) -> Log:
    """A log that was offered these in this order."""
    log = Log(scope)
    for one in records:
        verdict(partial(log.add, one))
    return log


def refused(code: str, act: Callable[[], object], log: Log) -> None:
    """`act` raises Ignore with this code and leaves the log as it was."""
    before = log.version, log.digest(), dict(log.records), len(log.items)
    assert verdict(act) == code
    assert (log.version, log.digest(), dict(log.records), len(log.items)) == before


def check_whole(log: Log) -> None:
    """Every index says the same as the records, and nothing is left of what is gone."""
    held = sorted(log.records.values(), key=lambda one: (one.header.created, one.id))
    plain = Index((one.header.created, one.id) for one in held)
    assert len(log.items) == len(held)
    assert log.items.fingerprint(0, len(held)) == plain.fingerprint(0, len(held))
    for kind in {one.kind for one in held}:
        assert sorted(one.id for one in log.of_kind(kind)) == sorted(one.id for one in held if one.kind == kind)
    for who in PEOPLE:
        for kind in ("ballot.1", "profile.1", "receipt.1", "song.7"):
            said = sorted(one.id for one in held if (one.author, one.kind) == (who.key, kind))
            assert sorted(one.id for one in log.by(who.key, kind)) == said
    slots: dict[Any, list[bytes]] = {}
    for one in held:
        if one.kind in KINDS and one.header.slot_key is not None:
            slots.setdefault(one.header.slot_key, []).append(one.id)
    assert {key: [one.id for one in held] for key, held in log._slots.items()} == {
        key: sorted(ids) for key, ids in slots.items()
    }
    assert set(log._kinds) == {one.kind for one in held}
    assert set(log._authors) == {one.author for one in held}


# Slots that are filled once


def test_the_first_word_in_a_once_slot_stands() -> None:
    """REC-14: one id stands; the same id again is nothing new."""
    log, one = Log(COOP), ballot(ANN)
    assert log.add(one).stored
    assert log.sole("ballot.1", ANN.key, "ballot/x") is one
    version = log.version
    assert not log.add(one).stored
    assert log.version == version


def test_a_second_word_is_an_equivocation_and_proves_itself() -> None:
    """REC-14, REC-15: then the slot counts for nothing, and two headers convince anybody."""
    first, second = ballot(ANN, 0), ballot(ANN, 1)
    log = filled([first])
    added = log.add(second)
    assert added.stored
    assert added.proof == FaultProof.of(first.header, second.header)
    assert log.sole("ballot.1", ANN.key, "ballot/x") is None
    assert [one.id for one in log.slot("ballot.1", ANN.key, "ballot/x")] == sorted([first.id, second.id])
    assert log.resolved() == {f"ballot.1/{ANN.key.hex()}/ballot/x": "equivocated"}
    assert log.add(ballot(BEN, 0)).proof is None
    assert log.add(ballot(ANN, 2, "ballot/y")).proof is None


def test_further_words_are_not_kept_unless_a_manifest_lists_them() -> None:
    """REC-14: the cap keeps a liar from filling disks; what a certificate lists passes it."""
    words = [ballot(ANN, number) for number in range(ONCE_HELD_MAX + 2)]
    log = filled(words[:ONCE_HELD_MAX])
    refused("REC-14", lambda: log.add(words[-2]), log)
    assert log.add(words[-1], wanted=True).stored
    refused("REC-14", lambda: log.add(words[-2]), log)
    assert log.add(ballot(BEN)).stored
    check_whole(log)


# Slots that hold the latest


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_highest_seq_stands_in_whatever_order(order: tuple[int, ...]) -> None:
    """REC-14: and nobody is at fault."""
    log = Log(BOARD)
    codes = [verdict(partial(log.add, profile(ANN, number))) for number in order]
    assert codes == ["REC-14" if number < max(order[:at], default=0) else "" for at, number in enumerate(order)]
    assert [one.header.slot.seq for one in log.records.values() if one.header.slot] == [2]
    check_whole(log)


def test_between_equal_seqs_the_smaller_id_stands() -> None:
    """REC-14"""
    small, large = sorted((profile(ANN, 7, 0), profile(ANN, 7, 1)), key=lambda one: one.id)
    for order in ((small, large), (large, small)):
        log = filled(order, BOARD)
        assert list(log.records) == [small.id]
        assert log.resolved() == {f"profile.1/{ANN.key.hex()}/profile": [small.id]}
    log = filled([small], BOARD)
    refused("REC-14", lambda: log.add(large), log)


def test_what_a_later_version_replaced_is_gone_everywhere() -> None:
    """REC-14: not in reconciliation, not under its author, not under its kind."""
    log = filled([profile(ANN, 0), profile(ANN, 1)], BOARD)
    assert len(log.items) == 1
    assert [one.header.slot.seq for one in log.by(ANN.key, "profile.1") if one.header.slot] == [1]
    check_whole(log)


# Kinds that nobody here knows


def test_unknown_kinds_are_carried_and_count_for_nothing() -> None:
    """REC-12: nobody knows what their slots mean, so both are carried, and no digest holds them."""
    log = filled([ballot(ANN)])
    before = log.digest()
    assert log.add(unknown(BEN, 0)).proof is None
    assert log.add(unknown(BEN, 1)).proof is None
    assert log.digest() == before
    assert len(log.items) == 3
    check_whole(log)


def test_nobody_is_blamed_for_slots_of_unknown_kinds() -> None:
    """REC-12, REC-2: a stranger's kind may fill one slot in two modes; that is carried, and proves nothing."""
    slots = [Slot("once", "song", 0), Slot("latest", "song", 2), Slot("latest", "song", 1)]
    songs = [sign(ANN, "song.7", COOP, {}, slot, 0, 1_000_000) for slot in slots]
    for order in permutations(songs):
        log = Log(COOP)
        assert [log.add(one).proof for one in order] == [None] * 3
        assert log.resolved() == {}
        check_whole(log)


# The digest


POOL = [
    *(ballot(who) for who in PEOPLE),
    ballot(ANN, 1),
    *(ballot(BEN, number) for number in (1, 2, 3)),
    *(receipt(who, number) for who in PEOPLE[:2] for number in range(4)),
    *(unknown(CAT, number) for number in range(2)),
]
BOARD_POOL = [profile(who, seq, at) for who in PEOPLE for seq in range(3) for at in range(2)]


@given(st.permutations(POOL))
def test_what_is_held_is_a_function_of_the_set(order: list[Record]) -> None:
    """REC-14, FRM-32: equivocations included, whatever came first."""
    log, plain = filled(order), filled(POOL)
    assert log.digest() == plain.digest()
    assert log.resolved() == plain.resolved()
    assert log.items.fingerprint(0, len(log.items)) == plain.items.fingerprint(0, len(plain.items))
    assert set(log.records) == set(plain.records) == {one.id for one in POOL}


@given(st.permutations(BOARD_POOL))
def test_what_the_latest_are_is_a_function_of_the_set(order: list[Record]) -> None:
    """REC-14: of latest kinds the winners alone are held, so here too the same ids are compared by reconciliation."""
    log, plain = filled(order, BOARD), filled(BOARD_POOL, BOARD)
    assert set(log.records) == set(plain.records)
    assert len(log.records) == len(PEOPLE)
    assert log.digest() == plain.digest()


@given(st.permutations([ballot(ANN, number) for number in range(ONCE_HELD_MAX + 3)]))
def test_a_liar_beyond_the_cap_leaves_one_digest(order: list[Record]) -> None:
    """REC-14: nodes may hold different words of a liar, and still agree on what they come to."""
    assert filled([*order, ballot(BEN)]).digest() == filled([ballot(BEN), ballot(ANN, 0), ballot(ANN, 1)]).digest()


@given(st.sampled_from([one for one in POOL if one.author in (CAT.key, DOT.key) or one.kind == "receipt.1"]))
def test_a_record_that_is_not_there_shows(absent: Record) -> None:
    """FRM-32: the digest can tell two logs apart, unless they differ in unknown kinds only."""
    log = filled(one for one in POOL if one is not absent)
    assert (log.digest() == filled(POOL).digest()) == (absent.kind == "song.7")


def test_the_digest_is_the_one_the_spec_describes() -> None:
    """FRM-32: computed here once more from the text, with more slots and loose ids than one part holds."""
    ballots = [ballot(who, number, f"ballot/{number:03}") for who in PEOPLE for number in range(60)]
    loose = [receipt(ANN, number) for number in range(2003)]
    log = filled([*ballots, ballot(ANN, 99, "ballot/000"), *loose, unknown(BEN)])
    label = {one.id: f"ballot.1/{one.author.hex()}/{one.header.slot.name}" for one in ballots if one.header.slot}
    lies = label[ballots[0].id]
    slots: list[Any] = sorted([label[one.id], "equivocated" if label[one.id] == lies else [one.id]] for one in ballots)
    ids = sorted(one.id for one in loose)
    rolled = bytes(32)
    parts = [digest_of("slots", slots[:200]), digest_of("slots", slots[200:])]
    for part in [*parts, digest_of("loose", ids[:2000]), digest_of("loose", ids[2000:])]:
        rolled = digest_of("roll", [rolled, part])
    assert log.digest() == digest_of("state", [COOP, rolled])
    assert Log(BOARD).digest() == digest_of("state", [BOARD, bytes(32)])


# Bounds


def test_a_scope_is_full_of_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-8: strangers find no room then; who is known is still heard."""
    monkeypatch.setattr(protocol.record.log, "AUTHORS_MAX", 2)
    log = filled([ballot(ANN), ballot(BEN)])
    refused("GOS-8", lambda: log.add(ballot(CAT)), log)
    assert log.add(receipt(ANN)).stored
    log.discard(ballot(BEN).id)
    assert log.add(ballot(CAT)).stored
    check_whole(log)


def test_an_author_is_full_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-8: nobody else is."""
    monkeypatch.setattr(protocol.record.log, "AUTHOR_RECORDS_MAX", 3)
    log = filled([receipt(ANN, 0), unknown(ANN), ballot(ANN)])
    refused("GOS-8", lambda: log.add(receipt(ANN, 1)), log)
    refused("GOS-8", lambda: log.add(receipt(ANN, 1), wanted=True), log)
    assert log.contested(receipt(ANN, 1))
    assert not log.contested(receipt(BEN))
    assert log.add(receipt(BEN)).stored
    log.discard(unknown(ANN).id)
    assert log.add(receipt(ANN, 1)).stored
    assert log.add(receipt(ANN, 2), needed=True).stored  # an answer builds on it


def test_a_new_version_needs_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-8: what replaces does not add, so a withdrawal is possible when everything is full."""
    monkeypatch.setattr(protocol.record.log, "AUTHOR_RECORDS_MAX", 1)
    monkeypatch.setattr(protocol.record.log, "AUTHORS_MAX", 1)
    log = filled([profile(ANN, 0)], BOARD)
    assert log.add(profile(ANN, 1)).stored
    refused("GOS-8", lambda: log.add(profile(ANN, 0, name="other")), log)
    check_whole(log)


def test_what_expired_leaves_nothing_behind() -> None:
    """GOS-8: names of slots and kinds are a stranger's to choose, so none of them outlives its record."""
    log = Log(BOARD)
    for number in range(50):
        log.add(profile(ANN, 0, number, f"p{number}", life=10))
        fields = START + number, START + number + 10
        strange = Record.sign(BEN, NETWORK, f"k{number}.1", BOARD, {}, created=fields[0], expires=fields[1])
        log.add(strange)
    assert log.expire(START + 1000) is None
    assert (log.records, log._slots, log._kinds, log._authors) == ({}, {}, {}, {})


# Expiry


def test_records_expire_one_by_one() -> None:
    """REC-13: at the very millisecond; and whoever asks learns when to look again."""
    log = filled([profile(ANN, 0, 0, life=10), profile(BEN, 0, 0, life=20), profile(CAT, 0, 0, life=30)], BOARD)
    assert log.expire(START + 9) == START + 10
    assert len(log.records) == 3
    assert log.expire(START + 10) == START + 20
    assert log.sole("profile.1", ANN.key, "profile") is None
    assert log.expire(START + 25) == START + 30
    assert log.expire(START + 30) is None
    check_whole(log)


def test_a_slot_is_free_again_when_its_record_is_gone() -> None:
    """REC-13: an old version that comes after the newer one expired has the slot to itself."""
    log = filled([profile(ANN, 5, life=10)], BOARD)
    log.expire(START + 10)
    assert log.add(profile(ANN, 1)).stored
    log.discard(bytes(32))
    assert len(log.records) == 1


OFFERS = [*POOL, *(ballot(ANN, number) for number in range(4, 8))]


@given(st.lists(st.tuples(st.sampled_from(OFFERS + BOARD_POOL), st.sampled_from(("add", "want", "discard", "expire")))))
def test_all_indexes_say_the_same_after_anything(steps: list[tuple[Record, str]]) -> None:
    """REC-14: an invariant over any life of a log."""
    logs = {COOP: Log(COOP), BOARD: Log(BOARD)}
    for record, step in steps:
        log = logs[record.scope]
        match step:
            case "discard":
                log.discard(record.id)
            case "expire" if record.kind == "song.7":
                log.expire(record.header.expires)
            case _:
                assert verdict(partial(log.add, record, step == "want")) in ("", "REC-14")
    for log in logs.values():
        check_whole(log)
