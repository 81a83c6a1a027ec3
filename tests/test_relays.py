"""Which relays a home keeps to, and when it may call what it knows fresh. Spec: 03-gossip, GOS-61 to GOS-64."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.engine import Engine, Settings
from protocol.engine.network import relays as policy
from protocol.errors import CommandError
from protocol.events import Dial, Effect, Hangup, Keep, PeerConnected, PeerDisconnected, Reply, Submit, Tick
from protocol.identity import Persona
from protocol.params import RELAYS_ADDED_MAX, RELAYS_ASKED, RELAYS_KEPT_MAX, RELAYS_LEARNED_MAX

MINUTE = 60_000
NETWORK = bytes(32)


def at(number: int, host: str = "") -> str:
    """The address of relay `number`, by default of an operator of its own."""
    return f"/ip4/{host or f'10.{number}.0.1'}/tcp/4001/p2p/relay{number}"


class Home:
    """An engine whose links the test makes; time is in minutes."""

    def __init__(self, *relays: str, role: str = "home", facts: dict[str, bytes] | None = None) -> None:
        self.now = 1_000 * MINUTE
        self.facts = dict(facts or {})
        settings = Settings(NETWORK, role, {}, {}, relays=relays)
        self.engine = Engine(settings, [Persona.from_seed(bytes(32))], random.Random(7), bytes, self.facts)
        self.dialled: dict[str, bool] = {}
        self.linked: dict[str, None] = {}
        self.tick(0)

    def tick(self, minutes: float = 1) -> Home:
        """Time passes, a Tick whenever the engine wants one."""
        end = self.now + int(minutes * MINUTE)
        while (due := self.engine.deadline) is not None and due <= end:
            self.now = max(self.now, due)
            self._do(self.engine.handle(Tick(), self.now))
        self.now = end
        return self

    def doze(self, minutes: float) -> Home:
        """Time passes and nothing happens."""
        self.now += int(minutes * MINUTE)
        return self

    def up(self, *peers: str) -> Home:
        """Links to these come up."""
        for peer in peers:
            self.linked[peer] = None
            self._do(self.engine.handle(PeerConnected(peer, True), self.now))
        return self.tick(0)

    def down(self, *peers: str) -> Home:
        """They go."""
        for peer in peers:
            self.linked.pop(peer)
            self._do(self.engine.handle(PeerDisconnected(peer), self.now))
        return self.tick(0)

    def ask(self, command: Any) -> Any:
        """A command's reply, raised when it is an error."""
        effects = self.engine.handle(Submit(1, command), self.now)
        self._do(effects)
        self.tick(0)
        (result,) = (one.result for one in effects if isinstance(one, Reply))
        if isinstance(result, CommandError):
            raise result
        return result

    def learn(self, addresses: Iterable[str]) -> Home:
        """Relays are heard of."""
        policy.learn(self.engine._core, tuple(addresses))
        return self.tick(1)

    def states(self) -> dict[str, str]:
        """Peer → what is told of it."""
        return {one["peer"]: one["state"] for one in self.ask(ask.AskPeers())["relays"]}

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Dial(address, trusted):
                    assert address not in self.dialled, "dialled already"
                    self.dialled[address] = trusted
                case Hangup(peer):
                    for address in [one for one in self.dialled if one.endswith(peer)]:
                        del self.dialled[address]
                    if peer in self.linked:
                        self.down(peer)
                case Keep(name, value):
                    self.facts[name] = value


def test_a_home_keeps_to_three_of_those_it_was_told_in_their_order() -> None:
    """GOS-61"""
    home = Home(*(at(one) for one in range(5)))
    assert home.dialled == {at(0): True, at(1): True, at(2): True}
    home.up("relay0", "relay1", "relay2").tick(10)
    assert list(home.dialled) == [at(0), at(1), at(2)]
    assert home.states() == {"relay0": "linked", "relay1": "linked", "relay2": "linked"} | {
        "relay3": "spare",
        "relay4": "spare",
    }


def test_operators_differ_where_they_can() -> None:
    """GOS-61: three machines of one provider count once before the next provider's."""
    home = Home(at(0, "10.0.0.1"), at(1, "10.0.0.2"), at(2, "10.0.9.9"), at(3), at(4))
    assert list(home.dialled) == [at(0, "10.0.0.1"), at(3), at(4)]
    alone = Home(at(0, "10.0.0.1"), at(1, "10.0.0.2"))
    assert len(alone.dialled) == 2, "a repeat is better than nothing"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/ip4/5.6.7.8/tcp/1/p2p/a", "/ip4/5.6.200.1/tcp/2/p2p/b", True),
        ("/ip4/5.6.7.8/tcp/1/p2p/a", "/ip4/5.7.7.8/tcp/1/p2p/b", False),
        ("/ip6/2a01:4f8:1:2::1/tcp/1/p2p/a", "/ip6/2a01:4f8:1:9::1/tcp/1/p2p/b", True),
        ("/ip6/2a01:4f8:1:2::1/tcp/1/p2p/a", "/ip6/2a01:4f9:1:2::1/tcp/1/p2p/b", False),
        ("/dns4/a.example.org/tcp/1/p2p/a", "/dns/b.example.org/tcp/1/p2p/b", True),
        ("/dns4/a.example.org/tcp/1/p2p/a", "/dns4/a.example.net/tcp/1/p2p/b", False),
        ("/ip4/127.0.0.1/tcp/1/p2p/a", "/ip4/127.0.0.1/tcp/2/p2p/b", False),
        ("nonsense", "", True),
    ],
)
def test_who_runs_a_relay_is_guessed_from_its_address(one: str, other: str, same: bool) -> None:
    """GOS-61"""
    assert (policy.operator(one) == policy.operator(other)) is same


def test_a_spare_stands_in_and_goes_when_the_first_is_back() -> None:
    """GOS-62"""
    home = Home(*(at(one) for one in range(4))).up("relay0", "relay1", "relay2")
    home.down("relay1")
    assert at(3) not in home.dialled, "it may be back at once"
    home.tick(2)
    assert {at(1), at(3)} <= set(home.dialled), "the lost one is dialled on"
    assert home.up("relay3").states()["relay1"] == "lost"
    home.up("relay1")
    assert "relay3" in home.linked, "until the other has shown that it stays"
    home.tick(2.1)
    assert list(home.linked) == ["relay0", "relay2", "relay1"]
    assert home.states()["relay3"] == "spare"


def test_a_relay_that_comes_and_goes_pushes_nobody_out() -> None:
    """GOS-62"""
    home = Home(*(at(one) for one in range(4))).up("relay0", "relay1", "relay2").down("relay1").tick(2).up("relay3")
    for _ in range(5):
        home.up("relay1").tick(0.5)
        home.down("relay1").tick(0.4)
        assert list(home.linked) == ["relay0", "relay2", "relay3"]


def test_learned_relays_fill_up_to_two_and_are_dropped_when_silent() -> None:
    """GOS-61, GOS-62"""
    home = Home(at(0)).up("relay0")
    home.learn(at(one) for one in range(1, 9))
    (learned,) = (one for one in home.dialled if one != at(0))
    assert home.dialled[learned] is False, "a stranger named it"
    home.tick(1.1)
    assert learned not in home.dialled
    assert len(home.dialled) == 2, "another was chosen"
    seen = {learned}
    for _ in range(6):
        seen |= set(home.dialled) - {at(0)}
        home.tick(1.1)
    assert len(seen) == 7, "none of them twice in an hour"
    later = [len(home.tick(1).dialled) for _ in range(70)]
    assert max(later[:50]) == 1
    assert max(later) == 2


def test_a_learned_relay_gives_way_to_those_of_ones_own() -> None:
    """GOS-62"""
    home = Home(at(0), at(1)).up("relay0").learn([at(5)])
    assert at(5) in home.dialled
    home.up("relay5").up("relay1").tick(2.1)
    assert list(home.linked) == ["relay0", "relay1"]


def test_learned_relays_of_one_operator_are_one() -> None:
    """GOS-61: eight machines in one network are not two opinions."""
    home = Home().learn(at(one, f"66.6.0.{one}") for one in range(1, 9)).tick(3)
    assert len(home.dialled) == 1
    assert len(home.learn([at(9)]).dialled) == 2


def test_what_is_learned_is_bounded() -> None:
    """GOS-61"""
    home = Home(at(0)).learn(at(one) for one in range(1, 1_000))
    relays = home.ask(ask.AskPeers())["relays"]
    assert len(relays) == RELAYS_LEARNED_MAX + 1
    assert relays[0]["peer"] == "relay0", "and pushes out nothing of our own"


def test_relays_are_added_kept_and_forgotten() -> None:
    """CLI-42, GOS-61"""
    home = Home(at(0))
    home.ask(ask.AddPeer(at(1), invited=True))
    home.ask(ask.AddPeer(at(2)))
    home.ask(ask.AddPeer(at(1)))
    home.ask(ask.AddPeer(at(1), invited=True))
    told = {one["address"]: one["why"] for one in home.ask(ask.AskPeers())["relays"]}
    assert told == {at(1): "added", at(2): "added", at(0): "configured"}
    assert set(home.dialled) == set(told)
    again = Home(at(0), facts=home.facts)
    assert set(again.dialled) == set(told), "also after a restart"
    home.up("relay1").ask(ask.ForgetPeer(at(1)))
    assert at(1) not in home.dialled
    assert "relay1" not in home.linked
    with pytest.raises(CommandError, match="stands in the settings"):
        home.ask(ask.ForgetPeer(at(0)))
    with pytest.raises(CommandError, match="no relay of that address"):
        home.ask(ask.ForgetPeer(at(1)))
    for number in range(100, 100 + RELAYS_ADDED_MAX - 1):
        home.ask(ask.AddPeer(at(number)))
    with pytest.raises(CommandError, match="forget one first"):
        home.ask(ask.AddPeer(at(99)))


def test_a_stranger_hears_of_public_scopes_alone_until_it_is_added() -> None:
    """GOS-64"""
    home = Home(at(0)).up("relay0").learn([at(5)])
    core = home.engine._core
    for scope in ("board/tea/any", "coop/" + "ab" * 16):
        core.follow(scope)
    home.linked["relay5"] = None
    home._do(home.engine.handle(PeerConnected("relay5", True, (at(5),)), home.now))
    stranger = core.neighbours["relay5"]
    assert stranger.may_hear("board/tea/any")
    assert not stranger.may_hear("coop/" + "ab" * 16)
    told = home.ask(ask.AskPeers())
    assert told["operators"] == 1, "and is no second opinion on co-ops"
    near = "/ip4/192.168.1.5/tcp/4001/p2p/near"
    home.ask(ask.NoticePeer(near))
    home._do(home.engine.handle(PeerConnected("near", True, (near,)), home.now))
    assert not core.neighbours["near"].may_hear("coop/" + "ab" * 16), "who shows itself nearby is one too"
    home.ask(ask.AddPeer(at(5)))
    home.up("relay5")
    assert core.neighbours["relay5"].may_hear("coop/" + "ab" * 16)


def test_a_relay_dials_all_it_was_told_and_lets_none_go() -> None:
    """GOS-61"""
    relay = Home(*(at(one) for one in range(6)), role="relay").tick(5)
    assert list(relay.dialled) == [at(one) for one in range(6)]


def test_what_is_known_is_fresh_once_two_were_asked() -> None:
    """GOS-63"""
    home = Home(at(0), at(1)).up("relay0")
    assert home.ask(ask.AskPeers())["fresh"] is False, "one relay can hide things"
    home.up("relay1")
    told = home.ask(ask.AskPeers())
    assert told["fresh"] is True
    assert told["as_of"] == home.now
    home.doze(600)
    told = home.ask(ask.AskPeers())
    assert told["fresh"] is False
    assert told["woken"] == home.now
    home.tick(1)
    assert home.ask(ask.AskPeers())["fresh"] is True, "both were asked at once"
    home.down("relay0").tick(5)
    assert home.ask(ask.AskPeers())["fresh"] is False


def test_with_one_relay_known_its_word_is_taken_and_that_is_said() -> None:
    """GOS-63"""
    told = Home(at(0)).up("relay0").ask(ask.AskPeers())
    assert told["fresh"] is True
    assert told["operators"] == 1


@given(st.lists(st.tuples(st.sampled_from(["up", "down", "tick", "learn", "sleep"]), st.integers(0, 9)), max_size=40))
def test_never_more_than_needed_for_long_and_never_none_that_could_be(moves: list[tuple[str, int]]) -> None:
    """GOS-61, GOS-62: whatever comes and goes, it settles with as many as it may have."""
    home = Home(*(at(one) for one in range(5)))
    for move, number in moves:
        peer = f"relay{number}"
        if move == "up" and peer not in home.linked and any(one.endswith(peer) for one in home.dialled):
            home.up(peer)
        elif move == "down" and peer in home.linked:
            home.down(peer)
        elif move == "learn":
            home.learn([at(number)])
        else:
            home.doze(number) if move == "sleep" else home.tick(number / 4)
    home.tick(3)
    assert len(home.linked) <= RELAYS_KEPT_MAX
    for _ in range(8):
        home.up(*(policy.peer_of(one) for one in list(home.dialled) if policy.peer_of(one) not in home.linked)).tick(3)
    assert RELAYS_ASKED <= len(home.linked) <= RELAYS_KEPT_MAX
