"""The overlay of relays between named relays: who is taken, who makes room, what is learned, who cannot crowd in."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from protocol.events import Dial, Hangup
from protocol.network.broadcast import Tell
from protocol.network.gossip import Attach, Attached, Detach, Forward, Greeting, Join, Shuffle, Shuffled, peer_of
from protocol.network.overlay import Overlay, Step, prefix_of
from protocol.params import (
    ACTIVE_LEAST,
    ACTIVE_MAX,
    ACTIVE_OURS_LEAST,
    ATTACH_MS,
    LEARN_MS,
    PASSIVE_MAX,
    PASSIVE_PER_PREFIX_MAX,
    PASSIVE_PER_SOURCE_MAX,
    SHUFFLE_ADDRESSES_MAX,
    SHUFFLE_LEAST_MS,
    SHUFFLE_MS,
    WALK_HOPS_MAX,
    WALK_HOPS_PASSIVE,
    WALKS_PER_PEER_MAX,
)

NOW = 1_000_000


def at(name: str) -> str:
    """Where a relay of its own operator is dialled."""
    return f"/dns4/{name}.example/tcp/4001/p2p/{name}"


def relay(*known: str, seed: int = 1) -> Overlay:
    return Overlay(Random(seed), True, [at(one) for one in known])


def told(steps: list[Step], peer: str) -> list[Greeting]:
    """What is said to one peer."""
    return [step.message for step in steps if isinstance(step, Tell) and step.peer == peer]  # type: ignore[misc]


def come_in(made: Overlay, *names: str) -> None:
    """These dial in and ask to be taken."""
    for name in names:
        made.linked(name, at(name), False, NOW)
        made.heard(name, Attach(), NOW)


def reach(made: Overlay, *names: str) -> None:
    """We dial these, and they take us."""
    for name in names:
        made.linked(name, at(name), True, NOW)
        made.heard(name, Attached(), NOW)


def test_a_newcomer_joins_and_the_contact_tells_the_others() -> None:
    """GOS-31, GOS-32: taken, answered, and forwarded once to each of the others."""
    new, old = relay(), relay()
    assert new.linked("old", at("old"), True, NOW) == [Tell("old", Join())]
    come_in(old, "ann", "ben")
    assert old.linked("new", at("new"), False, NOW) == []
    steps = old.heard("new", Join(), NOW)
    assert told(steps, "new") == [Attached()]
    assert told(steps, "ann") == told(steps, "ben") == [Forward(at("new"), WALK_HOPS_MAX)]
    assert old.active == ("ann", "ben", "new")
    assert old.heard("new", Join(), NOW) == [Tell("new", Attached())]
    assert new.heard("old", Attached(), NOW) == []
    assert new.active == ("old",)
    assert new.linked("zoe", at("zoe"), True, NOW) == [Tell("zoe", Attach())]


def test_who_asks_is_taken_while_there_is_room_and_who_joins_finds_some() -> None:
    """GOS-31: the sixth is refused, except when it has nobody; then one that came in makes room."""
    made = relay()
    names = [f"p{n}" for n in range(ACTIVE_MAX)]
    come_in(made, *names)
    made.linked("six", at("six"), False, NOW)
    assert made.heard("six", Attach(), NOW) == [Tell("six", Detach())]
    steps = made.heard("six", Join(), NOW)
    (gone,) = [one for one in names if told(steps, one) == [Detach()]]
    assert told(steps, "six") == [Attached()]
    assert set(made.active) == {"six", *names} - {gone}
    assert not [step for step in steps if isinstance(step, Hangup)]
    assert at(gone) in made.passive


def test_whoever_comes_in_never_takes_the_place_of_one_we_chose() -> None:
    """GOS-31: five that we dialled stay, however many join; with three of ours, the other two change."""
    made = relay()
    ours = [f"o{n}" for n in range(ACTIVE_MAX)]
    reach(made, *ours)
    for number in range(50):
        made.linked(f"e{number}", at(f"e{number}"), False, NOW)
        assert made.heard(f"e{number}", Join(), NOW)[0] == Tell(f"e{number}", Detach())
    assert made.active == tuple(ours)
    mixed = relay()
    reach(mixed, *ours[:3])
    for number in range(50):
        mixed.linked(f"e{number}", at(f"e{number}"), False, NOW)
        mixed.heard(f"e{number}", Join(), NOW)
    assert mixed.active[:3] == tuple(ours[:3])
    assert len(mixed.active) == ACTIVE_MAX


def test_some_places_are_filled_by_own_choice_though_all_are_taken() -> None:
    """GOS-31: five came in by themselves; two of them make room for relays that this one chose."""
    made = relay("a", "b", "c", "d")
    come_in(made, *(f"e{n}" for n in range(ACTIVE_MAX)))
    dials = [step for step in made.due(NOW) if isinstance(step, Dial)]
    assert len(dials) == ACTIVE_OURS_LEAST
    for dial in dials:
        peer = peer_of(dial.address)
        (asked,) = told(made.linked(peer, dial.address, True, NOW), peer)
        assert isinstance(asked, Attach | Join)
        steps = made.heard(peer, Attached(), NOW)
        assert sum(told(steps, f"e{n}") == [Detach()] for n in range(ACTIVE_MAX)) == 1
    assert len(made.active) == ACTIVE_MAX
    assert sum(not one.startswith("e") for one in made.active) == ACTIVE_OURS_LEAST


def test_a_lost_neighbour_is_replaced_and_no_longer_dialled() -> None:
    """GOS-31: hung up, another dialled; a dial that nothing comes of is given up and the next one tried."""
    made = relay("a", "b", "c", "d", "e", "f")
    dialled = [peer_of(step.address) for step in made.due(NOW) if isinstance(step, Dial)]
    assert len(dialled) == ACTIVE_LEAST
    for name in dialled[1:]:
        made.linked(name, at(name), True, NOW)
        made.heard(name, Attached(), NOW)
    assert made.lost(dialled[1], NOW + 5) == [Hangup(dialled[1])]
    (step,) = [one for one in made.due(NOW + 5) if isinstance(one, Dial)]
    assert peer_of(step.address) not in dialled
    late = made.due(NOW + ATTACH_MS)
    assert Hangup(dialled[0]) in late
    assert any(isinstance(one, Dial) for one in late)
    assert at(dialled[0]) not in made.passive


def test_a_link_that_the_overlay_asked_for_ends_with_it() -> None:
    """GOS-31: refused or let go of, who dialled for the overlay hangs up; a link that was chosen otherwise stays."""
    made = relay("a")
    assert Dial(at("a")) in made.due(NOW)
    assert made.dials("a")
    made.linked("a", at("a"), True, NOW)
    assert made.heard("a", Detach(), NOW) == [Hangup("a")]
    made.linked("fixed", at("fixed"), True, NOW)
    assert not made.dials("fixed")
    assert made.heard("fixed", Detach(), NOW) == []


def test_a_walk_ends_where_there_is_room_and_is_remembered_on_its_way() -> None:
    """GOS-32: passed on with a hop less, never back; half-way it is noted; at its end it is dialled."""
    made = relay()
    reach(made, "ann", "ben")
    assert made.heard("ann", Forward(at("new"), 5), NOW) == [Tell("ben", Forward(at("new"), 4))]
    assert at("new") not in made.passive
    assert made.heard("ann", Forward(at("new"), WALK_HOPS_PASSIVE), NOW)
    assert at("new") in made.passive
    assert made.heard("ann", Forward(at("new"), 0), NOW) == [Dial(at("new"))]
    assert made.linked("new", at("new"), True, NOW) == [Tell("new", Attach())]
    alone = relay()
    reach(alone, "ann")
    assert alone.heard("ann", Forward(at("new"), 6), NOW) == [Dial(at("new"))]


def test_walks_of_strangers_and_of_one_neighbour_are_bounded() -> None:
    """GOS-32: who is not in the active view starts none; one neighbour so many until the next shuffle."""
    made = relay()
    reach(made, "ann", "ben")
    made.linked("eve", at("eve"), False, NOW)
    assert made.heard("eve", Forward(at("victim"), 0), NOW) == []
    passed = sum(bool(made.heard("ann", Forward(at(f"n{n}"), 6), NOW)) for n in range(2 * WALKS_PER_PEER_MAX))
    assert passed == WALKS_PER_PEER_MAX


def test_a_shuffle_tells_some_and_is_told_some() -> None:
    """GOS-33: at most eight, never the neighbour's own; strangers are answered, seldom, and not believed."""
    made = relay(*(f"k{n}" for n in range(20)))
    reach(made, *(f"o{n}" for n in range(4)))
    (shuffle,) = [step for step in made.due(NOW) if isinstance(step, Tell) and isinstance(step.message, Shuffle)]
    assert isinstance(shuffle.message, Shuffle)
    assert len(shuffle.message.addresses) == SHUFFLE_ADDRESSES_MAX
    assert at(shuffle.peer) not in shuffle.message.addresses
    assert made.heard(shuffle.peer, Shuffled((at("far"),)), NOW) == []
    assert at("far") in made.passive
    made.heard(shuffle.peer, Shuffled((at("uninvited"),)), NOW)
    assert at("uninvited") not in made.passive
    made.linked("eve", at("eve"), False, NOW)
    (answer,) = told(made.heard("eve", Shuffle((at("sybil"),)), NOW), "eve")
    assert isinstance(answer, Shuffled)
    assert len(answer.addresses) == SHUFFLE_ADDRESSES_MAX
    assert at("sybil") not in made.passive
    assert made.heard("eve", Shuffle(()), NOW + SHUFFLE_LEAST_MS - 1) == []
    assert told(made.heard("eve", Shuffle(()), NOW + SHUFFLE_LEAST_MS), "eve")


def test_a_node_that_is_no_relay_only_learns() -> None:
    """GOS-34: it asks whom it dialled, with nothing to tell, seldom, dials nobody, and takes nobody."""
    home = Overlay(Random(1), False)
    assert home.linked("relay", at("relay"), True, NOW) == []
    assert home.due(NOW) == [Tell("relay", Shuffle(()))]
    home.heard("relay", Shuffled((at("a"), at("b"))), NOW)
    assert home.passive == (at("a"), at("b"))
    assert home.heard("relay", Join(), NOW) == [Tell("relay", Detach())]
    assert home.heard("relay", Forward(at("c"), 0), NOW) == []
    assert (home.deadline or 0) >= NOW + LEARN_MS
    assert not [step for step in home.due(NOW + 2 * LEARN_MS) if isinstance(step, Dial)]


def test_no_neighbour_and_no_network_fills_the_passive_view() -> None:
    """GOS-33: ten that one neighbour told of, ten of all that came in, three of one prefix; thirty in all."""
    made = relay()
    reach(made, "ann")
    for turn in range(40):
        made.heard("ann", Shuffle(tuple(at(f"t{turn}x{n}") for n in range(8))), NOW + turn * SHUFFLE_LEAST_MS)
    assert len(made.passive) == PASSIVE_PER_SOURCE_MAX
    come_in(made, "e1", "e2", "e3")
    for turn in range(40):
        for name in ("e1", "e2", "e3"):
            sybils = tuple(at(f"s{name}{turn}x{n}") for n in range(8))
            made.heard(name, Shuffle(sybils), NOW + turn * SHUFFLE_LEAST_MS)
    assert sum("/p2p/s" in one for one in made.passive) == PASSIVE_PER_SOURCE_MAX
    near = relay()
    for number in range(20):
        near.learn(f"/ip4/198.51.100.{number}/tcp/4001/p2p/n{number}")
    assert len(near.passive) == PASSIVE_PER_PREFIX_MAX
    many = relay()
    for number in range(100):
        many.learn(at(f"m{number}"), f"source{number}")
    assert len(many.passive) == PASSIVE_MAX


def test_a_stranger_moves_no_address_that_another_told() -> None:
    """GOS-33: who told of a relay first may correct its address, nobody else."""
    made = relay()
    made.learn(at("victim"), "ann")
    moved = "/dns4/evil.example/tcp/1/p2p/victim"
    made.learn(moved, "eve")
    assert made.passive == (at("victim"),)
    made.learn(moved, "ann")
    assert made.passive == (moved,)


def test_what_hosts_of_one_operator_share() -> None:
    """GOS-33."""
    assert prefix_of("/ip4/198.51.100.7/tcp/1/p2p/a") == "198.51"
    assert prefix_of("/ip6/2001:db8:1::1/tcp/1/p2p/a") == "2001:db8"
    assert prefix_of("/dns4/R1.Relays.example/tcp/1/p2p/a") == "relays.example"
    assert prefix_of("/ip4/127.0.0.1/tcp/1/p2p/a") == prefix_of("/ip6/::1/tcp/1/p2p/a") == ""


_WORDS = st.sampled_from(
    ["link in", "link out", "lost", "join", "attach", "attached", "detach", "forward", "shuffle", "shuffled", "time"]
)


@given(st.integers(0, 99), st.lists(st.tuples(_WORDS, st.integers(0, 9), st.integers(0, 40)), max_size=150))
def test_whatever_is_said_the_views_keep_their_bounds(seed: int, acts: list[tuple[str, int, int]]) -> None:
    """GOS-30 to GOS-34: any messages in any order; nobody is in both views, only links are spoken to."""
    made, now, linked = relay("a", "b", seed=seed), NOW, dict[str, None]()
    for word, who, number in acts:
        peer, steps = f"p{who}", list[Step]()
        now += 100
        match word:
            case "link in" | "link out" if peer not in linked:
                linked[peer] = None
                steps = made.linked(peer, at(peer) if number % 3 else "", word == "link out", now)
            case "lost" if peer in linked:
                del linked[peer]
                steps = made.lost(peer, now)
            case "join" | "attach" | "attached" | "detach":
                words: dict[str, Greeting] = {
                    "join": Join(), "attach": Attach(), "attached": Attached(), "detach": Detach()
                }  # fmt: skip
                steps = made.heard(peer, words[word], now)
            case "forward":
                steps = made.heard(peer, Forward(at(f"f{number}"), number % 7), now)
            case "shuffle" | "shuffled":
                some = tuple(at(f"f{number + n}") for n in range(8))
                steps = made.heard(peer, Shuffle(some) if word == "shuffle" else Shuffled(some), now)
            case "time":
                now += number * 1_000
                steps = made.due(now)
                assert (made.deadline or now + 1) > now
        assert all(step.peer in linked for step in steps if isinstance(step, Tell))
        assert set(made.active) <= set(linked)
        assert len(made.passive) <= PASSIVE_MAX
        assert not {peer_of(one) for one in made.passive} & set(made.active)
        assert len(made._dialling) <= ACTIVE_MAX + SHUFFLE_ADDRESSES_MAX
    assert SHUFFLE_MS < LEARN_MS
