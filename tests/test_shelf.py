"""protocol.network.shelf: what a carrier holds of a record, GOS-40 and GOS-42."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import Ignore
from protocol.network.bounds import bound_of
from protocol.network.index import Index
from protocol.network.shelf import Shelf
from protocol.params import CARRIED_ASKED_MAX, ONCE_HELD_MAX
from protocol.record.outline import Outline

BOARD, COOP = "board/tea/any", "coop/" + "ab" * 16
NOW = 1_700_000_000_000


def line(
    number: int,
    author: int = 0,
    slot: int | None = None,
    seq: int | None = None,
    kind: str = "intent.1",
    size: int = 400,
) -> Outline:
    rng = random.Random(number)
    who = random.Random(author + 10**9).randbytes(32)
    return Outline(rng.randbytes(32), who, kind, NOW + number % 50, NOW + 100 + number % 70, slot, seq, size)


class Model:
    """GOS-40 and REC-14 written down a second time, over a plain list."""

    def __init__(self) -> None:
        self.held: list[Outline] = []

    def add(self, one: Outline) -> bool:
        same = [other for other in self.held if (other.author, other.slot) == (one.author, one.slot)]
        if one.id in [other.id for other in self.held]:
            return False
        if one.slot is not None and one.seq is not None and same:
            if (same[0].seq, [-byte for byte in same[0].id]) >= (one.seq, [-byte for byte in one.id]):
                return False
            self.held.remove(same[0])
        elif one.slot is not None and len(same) >= ONCE_HELD_MAX:
            return False
        self.held.append(one)
        return True


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), st.sampled_from([BOARD, COOP]))
def test_a_shelf_keeps_what_the_rules_keep(rng: random.Random, scope: str) -> None:
    """REC-14, GOS-11, GOS-40: in any order, read at once or taken one by one."""
    modes: list[tuple[int | None, int | None]] = [(None, None), (1, 0), (1, 3), (1, 3), (2, 1), (5, None), (6, None)]
    lines = []
    for number in range(rng.randrange(120)):
        slot, seq = rng.choice(modes)
        author = rng.randrange(3)
        lines.append(line(number, author, None if slot is None else slot + 10 * author, seq))
    shelf, model = Shelf(scope), Model()
    for one in (*lines, *lines[:20]):
        if rng.random() < 0.01:
            assert (one.id in shelf) == (one in model.held)  # from then on ids are looked up by themselves
        try:
            taken = shelf.add(one)
        except Ignore:
            taken = False
        assert taken == model.add(one)
    expect(shelf, model.held)
    expect(Shelf(scope, model.held), model.held)
    now = NOW + 100 + rng.randrange(80)
    shelf.expire(now)
    left = [one for one in model.held if one.expires > now or scope == COOP]
    expect(shelf, left)
    assert shelf.expires == (min((one.expires for one in left), default=None) if scope == BOARD else None)


def expect(shelf: Shelf, held: list[Outline]) -> None:
    same = Index((one.created, one.id) for one in held)
    assert len(shelf) == len(held)
    assert shelf.items.fingerprint(0, len(shelf)) == same.fingerprint(0, len(same))
    assert all(one.id in shelf and shelf.holds(one) for one in held)
    assert bytes(32) not in shelf
    assert bytes(8) not in shelf


def test_read_from_the_disk_the_latest_alone_is_kept() -> None:
    """REC-14: the disk may hold what was replaced, whatever its order."""
    lines = [line(number, 0, 7, seq) for number, seq in enumerate((2, 5, 1, 4))]
    expect(Shelf(BOARD, lines), [lines[1]])


def test_slots_of_unknown_kinds_are_none() -> None:
    """REC-12, REC-14: nobody knows what a stranger's slots mean."""
    lines = [line(number, 0, 7, number, kind="note.1") for number in range(9)]
    shelf = Shelf(BOARD)
    assert all(shelf.add(one) for one in lines)
    expect(Shelf(BOARD, lines), lines)


def test_what_was_asked_for_passes_the_cap_of_its_slot() -> None:
    """GOS-42: a manifest may list another than the first four; but only so many are remembered."""
    shelf = Shelf(COOP)
    fits = [line(number, 0, 7) for number in range(ONCE_HELD_MAX)]
    listed, other = line(50, 0, 7), line(51, 0, 7)
    assert all(shelf.add(one) for one in fits)
    shelf.ask([listed.id])
    assert shelf.add(listed)
    with pytest.raises(Ignore) as error:
        shelf.add(other)
    assert error.value.code == "REC-14"
    assert shelf.add(other, awaited=True)
    shelf.ask([other.id, *(random.Random(number).randbytes(32) for number in range(1000, 3 * CARRIED_ASKED_MAX))])
    assert len(shelf._asked) == CARRIED_ASKED_MAX


def test_an_author_and_a_scope_have_bounds() -> None:
    """GOS-8, GOS-48, GOS-49: filled by one author, by big records, by many authors; a new version still fits."""
    bound = bound_of(BOARD)
    shelf = Shelf(BOARD)
    for number in range(bound.author_records):
        assert shelf.add(line(number, 1, number, 0, size=100))
    with pytest.raises(Ignore, match="GOS-48"):
        shelf.add(line(9999, 1, 9999, 0, size=100))
    assert shelf.add(line(10_000, 1, 0, 1, size=100))
    shelf = Shelf(BOARD)
    for number in range(bound.author_bytes // 60_000):
        assert shelf.add(line(number, 1, number, 0, size=60_000))
    with pytest.raises(Ignore, match="GOS-48"):
        shelf.add(line(9999, 1, 9999, 0, size=60_000))
    with pytest.raises(Ignore, match="GOS-48"):
        shelf.add(line(10_001, 1, 0, 1, size=60_000 + bound.author_bytes))
    assert shelf.add(line(9998, 2, 1, 0, size=60_000))


def test_authors_have_a_bound() -> None:
    """GOS-8"""
    bound = bound_of(BOARD)
    lines = [line(number, number, 1, 0, size=100) for number in range(bound.authors)]
    shelf = Shelf(BOARD, lines)
    with pytest.raises(Ignore, match="GOS-8"):
        shelf.add(line(10**6, 10**6, 1, 0, size=100))
    shelf.expire(NOW + 1000)
    assert len(shelf) == 0
    assert shelf.add(line(10**6, 10**6, 1, 0, size=100))


@pytest.mark.parametrize(("authors", "most"), [(2_000, 140), (20_000, 260)])
def test_a_record_costs_few_bytes(authors: int, most: int) -> None:
    """GOS-40: a body costs thousands; here an author's first record costs most."""
    lines = [line(number, number % authors, number // authors, 0) for number in range(20_000)]
    tracemalloc.start()
    shelf = Shelf(BOARD, lines)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(shelf) == 20_000
    assert held / 20_000 < most


def test_what_answers_build_on_finds_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-8, GOS-42, DEC-6: what is needed always, what was asked for by id within bounds of its own; nothing else."""
    monkeypatch.setattr("protocol.network.shelf.AUTHOR_RECORDS_MAX", 5)
    monkeypatch.setattr("protocol.network.shelf.CARRIED_ASKED_MAX", 2)
    shelf, many = Shelf(COOP), [line(number, slot=number // 5, kind="vote.1") for number in range(12)]
    assert [shelf.add(one) for one in many[:4]] == [True] * 4
    with pytest.raises(Ignore, match="slot"):
        shelf.add(many[4])
    assert shelf.add(many[4], needed=True)
    with pytest.raises(Ignore, match="author"):
        shelf.add(many[5])
    assert shelf.add(many[5], needed=True)
    for one, taken in ((many[6], True), (many[7], False)):
        shelf.ask([one.id])
        if taken:
            assert shelf.add(one)
        else:
            with pytest.raises(Ignore, match="author"):
                shelf.add(one)
    assert len(shelf) == 7
