"""Strangers with many keys on a board: what they can push aside, whom they sit beside, what they can make it cost."""

import time
from random import Random

import numpy as np

from protocol.coop.division import Sizes
from protocol.coop.formation import Entry, Formation, groups_of, tag
from protocol.coop.standing import Standing, form, stand
from tests.test_formation import entry, levels

EPOCH = b"day"
HONEST = [entry(number, vector) for number, vector in enumerate(levels(4_000, 8, 3))]
VICTIM = HONEST[17]


def kept(before: Formation, after: Formation) -> float:
    """The share of groups that stay as they were."""
    there = dict.fromkeys(one.ids for one in after.groups)
    return sum(one.ids in there for one in before.groups) / len(before.groups)


def copies(count: int) -> list[Entry]:
    """Strangers who publish what the victim does."""
    return [entry(10_000 + number, VICTIM.vector) for number in range(count)]


def test_a_crowd_beside_the_victim_disturbs_its_neighbours_only() -> None:
    """FRM-4, FRM-5: with one stranger for each hundred members, all where the victim is, 85 of 100 groups stay as they
    were; a tenth of the board moves a cut near the root, and most groups are others (but no worse): the control."""
    before = form(HONEST, EPOCH, 8, 40)
    few, many = (form([*HONEST, *copies(count)], EPOCH, 8, 40) for count in (40, 400))
    assert kept(before, few) >= 0.85
    assert kept(before, many) < 0.5
    assert not few.unplaced
    assert not many.unplaced


def test_corners_leave_nobody_out() -> None:
    """FRM-2, FRM-9: strangers at the corners of what may be published move cuts, and everybody still has a group."""
    corners = [entry(30_000 + n, tuple(1 if n >> k & 1 else -1 for k in range(8))) for n in range(256)]
    found = form([*HONEST, *corners], EPOCH, 8, 40)
    assert not found.unplaced
    assert {8 <= len(one.ids) <= 40 for one in found.groups} == {True}


def test_a_seat_beside_the_victim_costs_some_keys_and_is_one_seat() -> None:
    """FRM-3, FRM-5: who tries keys gets in sooner or later; a key is one seat, however it was found."""
    board, tries = stand(HONEST, 8, 40), []
    for number in range(40):
        stranger = entry(50_000 + number, VICTIM.vector)
        board.change([], [stranger])
        group = board.group_of(VICTIM.id, EPOCH)
        assert group is not None
        assert len(group.ids) <= 40
        tries.append(stranger.key in group.founders)
        board.change([stranger.id], [])
    assert any(tries)  # so nothing may rest on who sits beside whom (FRM-11, 10-reputation)
    assert board.formation(EPOCH) == form(HONEST, EPOCH, 8, 40)


def test_a_hundred_thousand_of_one_mind() -> None:
    """FRM-5: one huge block of equals is grouped in seconds, and one more of them in far less."""
    keys = np.random.default_rng(1).bytes(32 * 100_000)
    crowd = [Entry(keys[at : at + 32], keys[at : at + 32], ("a/0", "g"), (1, 0)) for at in range(0, len(keys), 32)]
    began = time.process_time()
    group = groups_of(crowd, [crowd[0].id], EPOCH, 8, 40)[crowd[0].id]
    assert time.process_time() - began < 5
    assert group is not None
    assert crowd[0].id in group.ids
    board = stand(crowd[1:], 8, 40)
    began = time.process_time()
    board.change([], crowd[:1])
    assert board.group_of(crowd[0].id, EPOCH) == group
    assert time.process_time() - began < 0.5


def test_keys_that_move_every_cut_cost_no_more_than_dividing_anew() -> None:
    """FRM-5: ever lesser backward tags, each found among thousands of keys, each become the first cut among equals."""
    rng, equals = Random(5), [entry(number, (1,)) for number in range(3_000)]
    tried = [Entry(rng.randbytes(32), rng.randbytes(32), equals[0].block, (1,)) for _ in range(5_000)]
    tried.sort(key=lambda one: tag(one.key)[::-1], reverse=True)
    board = Standing(Sizes(8, 40, 64))
    board.change([], equals)
    began = time.process_time()
    for one in tried[-20:]:
        board.change([], [one])
    assert time.process_time() - began < 5
    assert board.formation(EPOCH) == form([*equals, *tried[-20:]], EPOCH, 8, 40)
