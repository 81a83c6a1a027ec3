"""The broadcast tree between named neighbours: what is pushed, announced, asked for, pruned, and every bound filled."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from protocol.network.broadcast import Broadcast, Tell
from protocol.network.gossip import Graft, Have, Prune
from protocol.params import (
    GRAFT_MS,
    GRAFTS_MAX,
    HAVE_MS,
    HOLDERS_MAX,
    MISSING_MAX,
    MISSING_PER_PEER_MAX,
    PRUNE_AGAIN_MS,
    RECENT_MAX,
    WANT_IDS_MAX,
)

S, T = "board/tea/any", "board/tea/u10"
NOW = 1_000_000


def one(number: int) -> bytes:
    """An id."""
    return number.to_bytes(32, "big")


def tree(*peers: str) -> Broadcast:
    """Neighbours that follow one scope."""
    made = Broadcast()
    for peer in peers:
        made.enter(S, peer)
    return made


def test_a_new_record_is_pushed_to_all_but_its_source_until_somebody_prunes() -> None:
    """GOS-20, GOS-21: ann pruned, so she is told; whoever gave or announced a record is not told of it."""
    made = tree("ann", "ben", "cat")
    assert made.took(S, one(1), "ben", NOW) == ("ann", "cat")
    assert made.due(NOW + HAVE_MS) == []
    assert made.pruned(S, "ann") == []
    assert made.took(S, one(2), "ben", NOW) == ("cat",)
    assert made.took(S, one(3), "", NOW) == ("ben", "cat")
    made.announced(S, (one(3),), "ann", {one(3): None}, NOW)
    assert made.deadline == NOW + HAVE_MS
    assert made.due(NOW + HAVE_MS - 1) == []
    assert made.due(NOW + HAVE_MS) == [Tell("ann", Have(S, (one(2),)))]
    assert made.deadline is None


def test_what_comes_twice_is_pruned_once() -> None:
    """GOS-23: ben gave it first; ann is told to stop, again only after a while."""
    made = tree("ann", "ben", "cat")
    made.took(S, one(1), "ben", NOW)
    assert made.doubled(S, one(1), "ann", NOW) == [Tell("ann", Prune(S))]
    assert made.peers(S) == (("ben", "cat"), ("ann",))
    made.took(S, one(2), "ben", NOW)
    assert made.doubled(S, one(2), "ann", NOW + 1) == []
    assert made.doubled(S, one(2), "ann", NOW + PRUNE_AGAIN_MS) == [Tell("ann", Prune(S))]


def test_nobody_is_pruned_for_what_says_nothing_about_the_tree() -> None:
    """GOS-23: twice from one neighbour; first from one that only tells; long ago; from one that does not follow."""
    made = tree("ann", "ben")
    made.took(S, one(1), "ann", NOW)
    assert made.doubled(S, one(1), "ann", NOW) == []
    assert made.doubled(S, one(2), "ben", NOW) == []
    assert made.doubled(S, one(1), "eve", NOW) == []
    assert made.doubled(T, one(1), "ben", NOW) == []
    made.pruned(S, "ann")
    assert made.doubled(S, one(1), "ben", NOW) == []
    assert made.peers(S) == (("ben",), ("ann",))


def test_what_is_announced_and_does_not_come_is_grafted() -> None:
    """GOS-22: after a second from the first, then from the next; what came meanwhile from nobody."""
    made = tree("ann", "ben", "cat")
    made.pruned(S, "ann")
    made.pruned(S, "ben")
    made.announced(S, (one(1), one(2)), "ann", {}, NOW)
    made.announced(S, (one(1),), "ben", {}, NOW + 100)
    assert made.took(S, one(2), "cat", NOW + 200) == ()
    assert made.due(NOW + 200 + HAVE_MS) == [Tell("ben", Have(S, (one(2),)))]
    assert made.due(NOW + GRAFT_MS) == [Tell("ann", Graft(S, (one(1),)))]
    assert made.peers(S) == (("cat", "ann"), ("ben",))
    assert made.due(NOW + 2 * GRAFT_MS) == [Tell("ben", Graft(S, (one(1),)))]
    assert made.took(S, one(1), "ben", NOW + 2 * GRAFT_MS + 9) == ("cat",)
    assert made.deadline is None


def test_who_withholds_costs_one_time_out_and_not_one_for_each_record() -> None:
    """GOS-22: eve announces everything first and gives nothing; from the second record on ben is asked before her."""
    made = tree("eve", "ben")
    asked = []
    for number in range(5):
        at = NOW + number * 10 * GRAFT_MS
        made.announced(S, (one(number),), "eve", {}, at)
        made.announced(S, (one(number),), "ben", {}, at)
        while True:
            at += GRAFT_MS
            grafts = [told for told in made.due(at) if isinstance(told.message, Graft)]
            asked += [told.peer for told in grafts]
            if any(told.peer == "ben" for told in grafts):
                made.took(S, one(number), "ben", at)
                break
    assert asked == ["eve", *["ben"] * 5]


def test_an_announcement_that_nobody_keeps_is_forgotten() -> None:
    """GOS-22: after so many attempts, or when all who announced it are gone."""
    made = tree("eve")
    made.announced(S, (one(1),), "eve", {}, NOW)
    grafts = sum(len(made.due(NOW + GRAFT_MS * n)) for n in range(1, 3 + GRAFTS_MAX))
    assert grafts == GRAFTS_MAX
    assert made.deadline is None
    made.announced(S, (one(2),), "eve", {}, NOW)
    made.leave(S, "eve")
    made.forget("eve")
    assert made.due(NOW + GRAFT_MS) == []
    assert made.deadline is None


def test_one_id_claimed_for_two_scopes_hides_nothing() -> None:
    """GOS-22: eve announces it elsewhere; ben's announcement stands."""
    made = tree("eve", "ben")
    made.announced(T, (one(1),), "eve", {}, NOW)
    made.announced(S, (one(1),), "ben", {}, NOW)
    assert Tell("ben", Graft(S, (one(1),))) in made.due(NOW + GRAFT_MS)


def test_somebody_always_pushes_to_us() -> None:
    """GOS-24: the last one prunes, or is gone, or is pruned: another is grafted at once."""
    made = tree("ann", "ben")
    made.took(S, one(1), "ann", NOW)
    assert made.doubled(S, one(1), "ben", NOW) == [Tell("ben", Prune(S))]
    assert made.pruned(S, "ann") == [Tell("ben", Graft(S, ()))]
    assert made.peers(S) == (("ben",), ("ann",))
    assert made.leave(S, "ben") == [Tell("ann", Graft(S, ()))]
    assert made.leave(S, "ann") == []
    assert not made.follows(S)


def test_who_prunes_alone_is_left_alone() -> None:
    """GOS-24: with no other, there is nobody to graft, and it is told of everything."""
    made = tree("eve")
    assert made.pruned(S, "eve") == []
    assert made.took(S, one(1), "", NOW) == ()
    assert made.due(NOW + HAVE_MS) == [Tell("eve", Have(S, (one(1),)))]
    assert made.grafted(S, "eve") == []
    assert made.took(S, one(2), "", NOW) == ("eve",)


def test_who_grafts_hears_of_what_was_taken_just_before() -> None:
    """GOS-25: between taken and announced nothing falls through."""
    made = tree("ann", "ben")
    made.pruned(S, "ann")
    made.took(S, one(1), "ben", NOW)
    assert made.grafted(S, "ann") == [Tell("ann", Have(S, (one(1),)))]
    assert made.due(NOW + HAVE_MS) == []


def test_announcements_travel_together_and_in_parts() -> None:
    """GOS-21: one message for a burst, a thousand ids in each at most."""
    made = tree("ann", "ben", "cat")
    made.pruned(S, "ann")
    made.pruned(S, "ben")
    for number in range(WANT_IDS_MAX + 5):
        made.took(S, one(number), "cat", NOW)
    told = made.due(NOW + HAVE_MS)
    assert [(peer, len(message.ids)) for peer, message in told if isinstance(message, Have)] == [
        ("ann", WANT_IDS_MAX),
        ("ann", 5),
        ("ben", WANT_IDS_MAX),
        ("ben", 5),
    ]
    assert told[0].message is told[2].message


def test_what_is_remembered_is_bounded() -> None:
    """GOS-22, GOS-23: missing records by neighbour and in all, holders of each, records lately taken."""
    made = tree("eve", "ben")
    made.announced(S, tuple(one(n) for n in range(MISSING_PER_PEER_MAX + 50)), "eve", {}, NOW)
    assert len(made._missing) == MISSING_PER_PEER_MAX
    made.announced(S, (one(10**6),), "ben", {}, NOW)
    assert (S, one(10**6)) in made._missing
    for number in range(2 * HOLDERS_MAX):
        made.announced(S, (one(0),), f"p{number}", {}, NOW)
    assert len(made._missing[(S, one(0))].holders) == HOLDERS_MAX
    for peer in range(MISSING_MAX // MISSING_PER_PEER_MAX + 2):
        ids = tuple(one(10**7 + peer * MISSING_PER_PEER_MAX + n) for n in range(MISSING_PER_PEER_MAX))
        made.announced(S, ids, f"q{peer}", {}, NOW)
    assert len(made._missing) == MISSING_MAX
    made.pruned(S, "eve")
    for number in range(RECENT_MAX + 10):
        made.took(T, one(number), "ben", NOW)
    assert len(made._recent) == RECENT_MAX
    made.took(S, one(1), "ben", NOW)
    for _ in range(3):
        made.announced(S, (one(1),), "zoe", {one(1): None}, NOW)
    assert made._trees[S].fresh[one(1)].count("zoe") == 1


def test_a_dead_neighbour_gives_back_its_share() -> None:
    """GOS-22: what eve announced and others gave is charged to her no more."""
    made = tree("eve", "ben")
    for turn in range(3):
        ids = tuple(one(turn * MISSING_PER_PEER_MAX + n) for n in range(MISSING_PER_PEER_MAX))
        made.announced(S, ids, "eve", {}, NOW)
        assert len(made._missing) == MISSING_PER_PEER_MAX
        for record in ids:
            made.took(S, record, "ben", NOW)
        assert not made._missing


_ACTS = st.sampled_from(["take", "again", "have", "prune", "graft", "leave", "enter", "time", "gone"])


@given(st.lists(st.tuples(_ACTS, st.integers(0, 4), st.integers(0, 12)), max_size=120))
def test_whatever_neighbours_do_the_tree_stays_a_tree_of_neighbours(
    acts: list[tuple[str, int, int]],
) -> None:
    """GOS-20 to GOS-25: nobody is eager and lazy, only neighbours are told, somebody is eager, time-outs end."""
    made, linked, now = Broadcast(), dict[str, None](), NOW
    held: dict[bytes, None] = {}
    for act, who, number in acts:
        peer, told = f"p{who}", list[Tell]()
        now += 37
        match act:
            case "enter":
                made.enter(S, peer)
                linked[peer] = None
            case "leave" | "gone":
                told = made.leave(S, peer)
                linked.pop(peer, None)
                made.forget(peer)
            case "take" if one(number) not in held:
                held[one(number)] = None
                assert peer not in made.took(S, one(number), peer, now)
            case "again" if one(number) in held:
                told = made.doubled(S, one(number), peer, now)
            case "have" if peer in linked:
                made.announced(S, (one(number),), peer, held, now)
            case "prune":
                told = made.pruned(S, peer)
            case "graft":
                told = made.grafted(S, peer)
            case "time":
                now += number * 200
                told = made.due(now)
        eager, lazy = made.peers(S)
        assert not set(eager) & set(lazy)
        assert set(eager) | set(lazy) == set(linked)
        assert all(step.peer in linked for step in told)
        assert made.deadline is None or made.deadline > now - 40 or act != "time"
    for _ in range(2 + GRAFTS_MAX):
        now += GRAFT_MS
        made.due(now)
    assert made.deadline is None
    assert not made._missing


def test_two_nodes_that_lose_payloads_end_with_the_same() -> None:
    """GOS-22: between two neighbours half of all payloads are lost; announcements bring the rest."""
    rng = Random(7)
    here, there = tree("there"), tree("here")
    here.pruned(S, "there")
    held: dict[bytes, None] = {}
    now = NOW
    for number in range(40):
        here.took(S, one(number), "", now)
        now += 50
        for _, message in here.due(now):
            assert isinstance(message, Have)
            there.announced(S, message.ids, "here", held, now)
        for _, message in there.due(now):
            if isinstance(message, Graft):
                here.grafted(S, "there")
                here.pruned(S, "there")
                for record in message.ids:
                    if rng.random() < 0.5:
                        held[record] = None
                        there.took(S, record, "here", now)
    for _ in range(40):
        now += 250
        for _, message in (*here.due(now), *there.due(now)):
            match message:
                case Have(_, ids):
                    there.announced(S, ids, "here", held, now)
                case Graft(_, ids):
                    for record in ids:
                        held[record] = None
                        there.took(S, record, "here", now)
    assert len(held) == 40
