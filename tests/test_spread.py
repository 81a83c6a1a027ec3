"""An engine in a tree and in an overlay: what it pushes, announces, asks for, and which scopes strangers hear named."""

from __future__ import annotations

from random import Random

import pytest

from protocol import commands as ask
from protocol.engine import Engine
from protocol.errors import Ignore
from protocol.events import Dial, Effect, Hangup, Keep, PeerConnected, PeerDisconnected, Publish, SendRecords, Submit
from protocol.network.gossip import (
    Attach,
    Attached,
    Detach,
    Graft,
    Have,
    Join,
    Message,
    Prune,
    Shuffle,
    Shuffled,
    Subscribe,
    Sync,
    peer_of,
)
from protocol.params import ACTIVE_LEAST, GRAFT_MS, HAVE_MS, LEARN_MS
from tests.test_gossip import BOARD, HOUR, ID, OTHER, Peer, note, sent

COOP = "coop/" + "ab" * 16


def at(name: str) -> str:
    return f"/dns4/{name}.example/tcp/4001/p2p/{name}"


def published(effects: list[Effect]) -> list[str]:
    return [peer for one in effects if isinstance(one, Publish) for peer in one.peers]


def about(effects: list[Effect], kind: type) -> list[tuple[str, Message]]:
    return [(peer, message) for peer, message in sent(effects) if isinstance(message, kind)]


def later(node: Peer, ms: int) -> list[Effect]:
    node.now += ms
    return node.settle()


def test_who_pruned_is_told_in_one_message_and_is_given_what_it_grafts() -> None:
    """GOS-21, GOS-22: ben brought the same as ann, and so pushes no more and is pushed no more."""
    home = Peer("home")
    home.link("ann", "ben", "cat")
    first = note(1)
    assert published(home.take(first, "ann")) == ["ben", "cat"]
    assert about(home.take(first, "ben"), Prune) == [("ben", Prune(BOARD))]
    records = [note(number) for number in range(2, 5)]
    effects = [effect for record in records for effect in home.take(record, "ann")]
    assert published(effects) == ["cat"] * 3
    assert about(later(home, HAVE_MS), Have) == [("ben", Have(BOARD, tuple(one.id for one in records)))]
    assert about(later(home, HAVE_MS), Have) == []
    assert home.hear("ben", Graft(BOARD, (records[0].id, ID))) == [SendRecords("ben", BOARD, (records[0].id,))]
    assert sorted(published(home.take(note(5), "ann"))) == ["ben", "cat"]
    home.hear("ben", Prune(BOARD))
    assert published(home.take(note(6), "ann")) == ["cat"]


def test_what_one_withholds_another_is_asked_for() -> None:
    """GOS-22: announced by ann, who does not give it, and by ben, who does; what was refused is not asked for."""
    home = Peer("home")
    home.link("ann", "ben")
    record = note(1)
    home.hear("ann", Have(BOARD, (record.id,)))
    home.hear("ben", Have(BOARD, (record.id,)))
    assert about(later(home, GRAFT_MS), Graft) == [("ann", Graft(BOARD, (record.id,)))]
    assert about(later(home, GRAFT_MS), Graft) == [("ben", Graft(BOARD, (record.id,)))]
    home.take(record, "ben")
    assert about(later(home, GRAFT_MS), Graft) == []
    stale = note(2, created=home.now - 2 * HOUR)
    with pytest.raises(Ignore):
        home.take(stale, "ann")
    home.hear("ben", Have(BOARD, (stale.id,)))
    assert about(later(home, GRAFT_MS), Graft) == []


def test_the_tree_of_a_scope_that_is_not_followed_is_nobodys() -> None:
    """GOS-22: announcements, grafts and prunes are passed over."""
    home = Peer("home")
    home.link("ann", scopes=(BOARD, OTHER))
    for message in (Have(OTHER, (ID,)), Graft(OTHER, (ID,)), Prune(OTHER)):
        assert home.hear("ann", message) == []
    assert about(later(home, GRAFT_MS), Graft) == []


def test_a_lost_neighbour_is_made_up_for_at_once() -> None:
    """GOS-24: ann pushed, ben told; ann is gone."""
    home = Peer("home")
    home.link("ann", "ben")
    home.take(note(1), "ann")
    home.take(note(1), "ben")
    assert about(home.handle(PeerDisconnected("ann")), Graft) == [("ben", Graft(BOARD, ()))]
    assert published(home.handle(Submit(1, ask.AddIntent("tea", "tea", "any", 1, 0, 1, "ready", home.now + HOUR)))) == [
        "ben"
    ]


def test_an_own_record_goes_also_to_a_dialled_neighbour_that_has_not_subscribed() -> None:
    """GOS-10: and to nobody twice."""
    home = Peer("home")
    home.link("ann", outbound=True)
    home.link("ben", outbound=True, scopes=())
    home.link("cat", scopes=())
    effects = home.handle(Submit(1, ask.AddIntent("tea", "tea", "any", 1, 0, 1, "ready", home.now + HOUR)))
    (intent,) = [one for one in effects if isinstance(one, Publish) and one.record.kind == "intent.1"]
    assert intent.peers == ("ann", "ben")


def overlaid(node: Peer, *names: str) -> list[str]:
    """Relays that the node has heard of and now dials, by name."""
    node.handle(PeerConnected("old", True, (at("old"),)))
    node.hear("old", Attached())
    asked = [message for _, message in sent(node.settle()) if isinstance(message, Shuffle)]
    assert asked
    node.hear("old", Shuffled(tuple(at(name) for name in names)))
    return [peer_of(one.address) for one in node.settle() if isinstance(one, Dial)]


def test_a_relay_dials_those_it_hears_of_and_names_only_boards_to_them() -> None:
    """GOS-4, GOS-31: a co-op's scope is named to the configured relay, not to one that the overlay found."""
    relay = Peer("relay", "relay", scopes=(BOARD, COOP))
    dialled = overlaid(relay, "a", "b", "c", "d", "e")
    assert len(dialled) == ACTIVE_LEAST - 1
    said = sent(relay.handle(PeerConnected(dialled[0], True, (at(dialled[0]),))))
    assert [one for one in said if isinstance(one[1], Subscribe)] == [(dialled[0], Subscribe((BOARD,)))]
    assert [message.scope for _, message in said if isinstance(message, Sync)] == [BOARD]
    assert (dialled[0], Attach()) in said
    named = sent(relay.hear(dialled[0], Subscribe((COOP,))))
    assert not named
    assert published(relay.handle(Submit(1, ask.Watch("tea", "u10")))) == []
    assert relay.hear(dialled[0], Detach()) == [Hangup(dialled[0])]


def test_who_dials_in_and_turns_out_to_be_a_relay_hears_of_boards() -> None:
    """GOS-4: by its addresses or by what it says; at a home it hears nothing."""
    relay, home = Peer("relay", "relay", scopes=(BOARD, COOP)), Peer("home", scopes=(BOARD, COOP))
    said = sent(relay.handle(PeerConnected("known", False, (at("known"),))))
    assert said == [("known", Subscribe((BOARD,)))]
    assert sent(relay.handle(PeerConnected("quiet", False))) == []
    assert sent(relay.hear("quiet", Join())) == [
        ("quiet", Subscribe((BOARD,))),
        ("quiet", Attached()),
    ]
    assert [one for one in sent(relay.hear("quiet", Attach())) if isinstance(one[1], Subscribe)] == []
    home.handle(PeerConnected("quiet", False, (at("quiet"),)))
    assert sent(home.hear("quiet", Join())) == [("quiet", Detach())]


def test_a_home_learns_of_relays_and_joins_nothing() -> None:
    """GOS-34: from whom it dialled; kept across a restart; dialled only as its choice of relays says."""
    home = Peer("home")
    home.handle(PeerConnected("old", True, (at("old"),)))
    effects = home.settle()
    assert about(effects, Shuffle) == [("old", Shuffle(()))]
    assert not about(effects, Join)
    home.hear("old", Shuffled((at("a"), at("b"))))
    assert at("a") in home.engine._core.relays.learned
    kept = {one.name: one.value for one in later(home, 2 * LEARN_MS) if isinstance(one, Keep)}
    assert kept == {f"overlay/{at('a')}": b"1", f"overlay/{at('b')}": b"1"}
    again = Engine(home.engine._core.settings, [home.me], Random(3), Random(4).randbytes, kept)
    assert again._core.overlay.passive == (at("a"), at("b"))
    assert tuple(again._core.relays.learned) == (at("a"), at("b"))


def test_what_relays_know_of_each_other_outlives_a_restart() -> None:
    """GOS-34: as facts, forgotten when they are known no more."""
    relay = Peer("relay", "relay")
    overlaid(relay, "a", "b", "c", "d", "e", "f")
    later(relay, 60_000)
    facts = {name for name in relay.engine._core.facts if name.startswith("overlay/")}
    assert facts == {"overlay/" + one for one in relay.engine._core.overlay.known}
    assert facts


def test_trees_are_of_followed_scopes_alone() -> None:
    """GOS-2, GOS-20: what a neighbour names and nobody follows costs no tree until it is followed."""
    home = Peer("home")
    home.link("ann", scopes=(BOARD, OTHER))
    assert home.engine._core.broadcast.follows(BOARD)
    assert not home.engine._core.broadcast.follows(OTHER)
    home.handle(Submit(1, ask.Watch("tea", "u10")))
    assert home.engine._core.broadcast.peers(OTHER) == (("ann",), ())
