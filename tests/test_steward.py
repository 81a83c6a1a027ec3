"""A node that declines: personas, peers, scopes, by list, by the notices of others; and its published policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from protocol import commands as ask
from protocol.errors import CommandError, Ignore
from protocol.events import Drop, Effect, MessageReceived, PeerConnected, RecordReceived, Send, SendRecords
from protocol.identity import Persona, did
from protocol.network.gossip import Subscribe, Sync, Want, encode_message, parse_message
from protocol.network.index import Index
from protocol.network.rules import notice_slot
from protocol.network.sync import initiate
from protocol.params import DAY_MS, FOLLOWING_MAX, INTENT_LIFE_MS, NOTICE_LIFE_MS, POLICIES_MAX, RULES_MAX
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope
from tests.deals import NETWORK, START_MS, TEMPLATE, persona
from tests.stages import Desk

RELAY, ANN, BEN, EVE = persona("relay"), persona("ann"), persona("ben"), persona("eve")
BOARD = "board/tea/u10"


def intent(by: Persona, scope: str = BOARD, name: str = "home") -> Record:
    body = {"template": TEMPLATE.hash, "want": 1, "tolerate": 0, "spend_minor": 1, "readiness": "ready"}
    body |= {"ready_by": START_MS, "levels": {}, "terms": []}
    until = START_MS + INTENT_LIFE_MS
    slot = Slot("latest", name, 0)
    return Record.sign(by, NETWORK, "intent.1", scope, body, created=START_MS, expires=until, slot=slot)


def relay(**more: Any) -> Desk:
    return Desk(RELAY, role="relay", **more)


def link(desk: Desk, peer: str, *scopes: str, host: str = "198.51.100.1") -> list[Effect]:
    found = desk.do(PeerConnected(peer, False, (), host))
    return found + (desk.do(MessageReceived(peer, encode_message(Subscribe(scopes)))) if scopes else [])


def verdict(desk: Desk, record: Record, peer: str = "ann") -> str:
    """"" when taken, else the code."""
    try:
        desk.do(RecordReceived(record, peer))
    except Ignore as error:
        return error.code
    return ""


def block(subject: str, **more: Any) -> ask.SetRule:
    return ask.SetRule("block", subject, **more)


def allow(subject: str) -> ask.SetRule:
    return ask.SetRule("allow", subject)


def dropped(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(one.peer, one.code) for one in effects if isinstance(one, Drop)]


def served(desk: Desk, peer: str, record: Record) -> bool:
    effects = desk.do(MessageReceived(peer, encode_message(Want(record.scope, (record.id,)))))
    return any(isinstance(one, SendRecords) and record.id in one.ids for one in effects)


def answered(desk: Desk, peer: str, scope: str) -> bool:
    _, message = initiate(Index(), 60_000)
    effects = desk.do(MessageReceived(peer, encode_message(Sync(scope, message))))
    return any(isinstance(one, Send) and one.peer == peer for one in effects)


# Personas


def test_a_blocked_persona_is_ignored_until_the_rule_ends() -> None:
    """REL-3"""
    desk = relay()
    link(desk, "ann", BOARD)
    desk.ask(block(did(EVE.key), until=desk.now + 1000))
    assert verdict(desk, intent(EVE)) == "REL-3"
    assert verdict(desk, intent(ANN)) == ""
    desk.now += 1000
    assert verdict(desk, intent(EVE)) == ""


def test_what_a_blocked_persona_said_before_is_no_longer_served() -> None:
    """REL-3"""
    desk = relay()
    link(desk, "ann", BOARD)
    said, other = intent(EVE), intent(BEN)
    assert verdict(desk, said) == verdict(desk, other) == ""
    assert served(desk, "ann", said)
    desk.ask(block(did(EVE.key)))
    assert not served(desk, "ann", said)
    assert served(desk, "ann", other)
    desk.start()
    link(desk, "ann", BOARD)
    assert not served(desk, "ann", said), "nor after a restart"
    desk.ask(ask.LiftRule(did(EVE.key)))
    desk.start()
    link(desk, "ann", BOARD)
    assert served(desk, "ann", said), "the disk kept it"


def test_what_it_said_on_own_boards_goes_at_once() -> None:
    """REL-3"""
    desk = Desk(ANN, facts={f"scope/{BOARD}": b"1"})
    link(desk, "ben")
    assert verdict(desk, intent(EVE), "ben") == ""
    assert desk.ask(ask.AskBoard("tea", "u10"))["intents"] == 1
    desk.ask(block(did(EVE.key)))
    assert desk.ask(ask.AskBoard("tea", "u10"))["intents"] == 0


def test_a_block_says_nothing_where_this_node_takes_part() -> None:
    """REL-3: what was decided there was decided on all that was said."""
    scope = "coop/" + "ab" * 16
    desk = Desk(ANN, facts={f"scope/{scope}": b"1"})
    link(desk, "ben")
    desk.ask(block(did(EVE.key)))
    record = Record.sign(EVE, NETWORK, "strange.1", scope, {}, created=START_MS, expires=START_MS + DAY_MS)
    assert verdict(desk, record, "ben") == "FRM-24"  # judged like everybody's


def test_nobody_blocks_itself() -> None:
    desk = relay()
    with pytest.raises(CommandError) as error:
        desk.ask(block(did(RELAY.key)))
    assert error.value.code == "REL-2"


# Peers


@pytest.mark.parametrize("subject", ["eve", "192.0.2.0/24", "192.0.2.7"])
def test_a_blocked_peer_is_let_go_at_once_and_not_let_in_again(subject: str) -> None:
    """REL-4"""
    desk = relay()
    link(desk, "eve", BOARD, host="192.0.2.7")
    link(desk, "ann", BOARD)
    effects = desk.do(_submitted(block(subject)))
    assert dropped(effects) == [("eve", "REL-4")]
    desk.start()
    assert dropped(link(desk, "eve", host="::ffff:192.0.2.7")) == [("eve", "REL-4")]
    assert dropped(link(desk, "ann")) == []
    with pytest.raises(Ignore):
        desk.do(MessageReceived("eve", encode_message(Subscribe((BOARD,)))))


def _submitted(command: Any) -> Any:
    from protocol.events import Submit

    return Submit(1, command)


# Scopes


def test_a_blocked_scope_is_neither_carried_nor_served() -> None:
    """REL-5"""
    desk = relay()
    link(desk, "ann", BOARD, "board/tea/u11")
    said = intent(ANN)
    assert verdict(desk, said) == ""
    assert answered(desk, "ann", BOARD)
    desk.ask(block("board/tea/u10"))
    assert verdict(desk, intent(BEN)) == "REL-5"
    assert not served(desk, "ann", said)
    assert not answered(desk, "ann", BOARD)
    link(desk, "ben", BOARD)
    assert verdict(desk, intent(BEN), "ben") == "REL-5"
    assert verdict(desk, intent(BEN, "board/tea/u11")) == ""


def test_a_scope_that_this_node_takes_part_in_cannot_be_blocked() -> None:
    """REL-5"""
    desk = Desk(ANN, facts={f"scope/{BOARD}": b"1"})
    for subject in (BOARD, "board/*"):
        with pytest.raises(CommandError) as error:
            desk.ask(block(subject))
        assert error.value.code == "REL-5"


# By list


def test_a_relay_by_list_carries_for_whom_its_list_allows() -> None:
    """REL-6"""
    desk = relay(admits_all=False)
    other = "board/tea/u11"
    desk.ask(allow("friend"))
    desk.ask(allow(other))
    desk.ask(allow(did(BEN.key)))
    link(desk, "stranger", BOARD, other)
    assert verdict(desk, intent(ANN), "stranger") == "REL-6"
    assert verdict(desk, intent(ANN, other), "stranger") == ""
    link(desk, "friend", BOARD)
    assert verdict(desk, intent(ANN), "friend") == ""
    assert verdict(desk, intent(EVE), "stranger") == "REL-6"
    assert verdict(desk, intent(BEN), "stranger") == "", "a persona on the list, in a scope that is carried"
    assert served(desk, "friend", intent(ANN))
    assert not served(desk, "stranger", intent(ANN))
    assert not answered(desk, "stranger", BOARD)
    assert answered(desk, "stranger", other)


def test_an_open_relay_carries_for_everybody() -> None:
    """REL-6, the control."""
    desk = relay()
    link(desk, "stranger", BOARD)
    assert verdict(desk, intent(ANN), "stranger") == ""
    assert answered(desk, "stranger", BOARD)


# What its operator types


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (block("nobody at all"), "REL-2"),
        (block(did(EVE.key), about="planet"), "REL-2"),
        (block(did(EVE.key), about="peer"), "REL-2"),
        (block(did(EVE.key), until=1), "REL-2"),
        (block(did(EVE.key), reason="because"), "REC-11"),
        (ask.SetRule("bless", "eve"), "REL-2"),
        (block("192.0.2.7", publish=True), "REL-8"),
        (ask.SetRule("allow", "eve", publish=True), "REL-8"),
        (ask.LiftRule("eve"), "REL-2"),
        (ask.FollowNotices(bytes(31)), "REL-9"),
        (ask.FollowNotices(RELAY.key), "REL-9"),
        (ask.UnfollowNotices(EVE.key), "REL-9"),
        (ask.AskPolicy(b"x"), "REL-7"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(command: Any, code: str) -> None:
    """REL-2, REL-8, REL-9"""
    desk = relay()
    facts = dict(desk.facts)
    with pytest.raises(CommandError) as error:
        desk.ask(command)
    assert error.value.code == code
    assert desk.facts == facts


def test_rules_are_kept_and_the_last_word_counts() -> None:
    """REL-2"""
    desk = relay()
    desk.ask(block("192.0.2.9/24", reason="flood"))
    desk.ask(allow(did(EVE.key)))
    desk.ask(block(did(EVE.key)))
    desk.start()
    found = desk.ask(ask.AskRules())
    assert [(one["verb"], one["about"], one["reason"]) for one in found["own"]] == [
        ("block", "address", "flood"),
        ("block", "persona", "other"),
    ]
    desk.ask(ask.LiftRule("192.0.2.0/24"))
    assert len(desk.ask(ask.AskRules())["own"]) == 1


def test_rules_are_bounded() -> None:
    """REL-2"""
    facts: Mapping[str, bytes] = {f"rule/block/peer/p{number}": b"\x92\xa4spam\x00" for number in range(RULES_MAX)}
    desk = relay(facts=facts)
    with pytest.raises(CommandError) as error:
        desk.ask(block("one-more"))
    assert error.value.code == "REL-2"
    desk.ask(block("p1", reason="flood"))


# Notices


def test_others_may_follow_what_a_relay_blocks() -> None:
    """REL-8, REL-9"""
    ours, home = relay(), Desk(ANN, facts={f"scope/{BOARD}": b"1"})
    link(home, "relay")
    home.ask(ask.FollowNotices(RELAY.key))
    assert trust_scope(RELAY.key) in home.engine.scopes()
    ours.ask(block(did(EVE.key), reason="fraud", publish=True))
    (notice,) = ours.said("notice.1")
    assert verdict(home, intent(EVE), "relay") == ""
    assert verdict(home, notice, "relay") == ""
    home.tick()
    assert verdict(home, intent(EVE, name="again"), "relay") == "REL-3"
    (row,) = home.ask(ask.AskRules())["followed"]
    assert (row["subject"], row["reason"], row["source"]) == (did(EVE.key), "fraud", RELAY.key)
    home.start()
    link(home, "relay")
    assert verdict(home, intent(EVE, name="again"), "relay") == "REL-3", "after a restart too, from the first record on"
    ours.now += 60_000
    ours.ask(ask.LiftRule(did(EVE.key)))
    home.now += 60_000
    verdict(home, max(ours.said("notice.1"), key=lambda one: one.header.slot.seq if one.header.slot else 0), "relay")
    home.tick()
    assert verdict(home, intent(EVE, name="again"), "relay") == "", "withdrawn"


def test_who_does_not_follow_hears_and_does_nothing() -> None:
    """REL-9"""
    ours = relay()
    ours.ask(block(did(EVE.key), publish=True))
    home = Desk(ANN, facts={f"scope/{BOARD}": b"1", f"scope/{trust_scope(RELAY.key)}": b"1"})
    link(home, "relay")
    assert verdict(home, ours.said("notice.1")[0], "relay") == ""
    home.tick()
    assert verdict(home, intent(EVE), "relay") == ""


def test_a_silent_block_is_nobody_elses_business() -> None:
    """REL-8"""
    desk = relay()
    desk.ask(block(did(EVE.key)))
    assert desk.said("notice.1") == []


def test_a_notice_in_a_wrong_slot_says_nothing() -> None:
    """REL-9"""
    body = {"about": "persona", "subject": did(EVE.key), "reason": "spam", "until": 0, "state": "stands"}
    home = Desk(ANN, facts={f"scope/{BOARD}": b"1"})
    home.ask(ask.FollowNotices(RELAY.key))
    link(home, "relay")
    for number, name in enumerate((notice_slot("persona", did(BEN.key)), notice_slot("persona", did(EVE.key)))):
        assert verdict(home, intent(EVE, name=f"n{number}"), "relay") == ""
        slot, until = Slot("latest", name, 0), START_MS + NOTICE_LIFE_MS
        scope = trust_scope(RELAY.key)
        notice = Record.sign(RELAY, NETWORK, "notice.1", scope, body, created=START_MS, expires=until, slot=slot)
        assert verdict(home, notice, "relay") == ""
        home.tick()
    assert verdict(home, intent(EVE, name="last"), "relay") == "REL-3"


def test_followed_relays_are_bounded_and_can_be_unfollowed() -> None:
    """REL-9"""
    home = Desk(ANN)
    keys = [persona(f"relay {number}").key for number in range(FOLLOWING_MAX + 1)]
    for key in keys[:-1]:
        home.ask(ask.FollowNotices(key))
    with pytest.raises(CommandError) as error:
        home.ask(ask.FollowNotices(keys[-1]))
    assert error.value.code == "REL-9"
    assert len(home.ask(ask.UnfollowNotices(keys[0]))["following"]) == FOLLOWING_MAX - 1


# Policy


def test_a_policy_tells_what_is_in_force() -> None:
    """REL-7"""
    desk = relay(mail_records=7)
    assert desk.ask(ask.AskPolicy())["published"] == 0
    found = desk.ask(ask.PublishPolicy("post@example.org", ("en", "cy"), "No spam.", "en", 30 * DAY_MS))
    assert found["current"]
    assert found["policy"]["languages"] == ["cy", "en"]
    assert found["policy"]["admits"] == "all"
    assert found["policy"]["limits"]["mail_records"] == 7
    (said,) = desk.said("policy.1")
    assert said.scope == trust_scope(RELAY.key)
    desk.more["mail_records"] = 8
    desk.start()
    assert not desk.ask(ask.AskPolicy())["current"]
    desk.now += 60_000
    assert desk.ask(ask.PublishPolicy("post@example.org"))["current"]


def test_anybody_may_look_at_a_policy() -> None:
    """REL-7"""
    ours, home = relay(), Desk(ANN)
    ours.ask(ask.PublishPolicy("post@example.org", words="Hello"))
    home.do(PeerConnected("relay", True))
    effects = home.do(_submitted(ask.AskPolicy(RELAY.key)))
    asked = [parse_message(one.message) for one in effects if isinstance(one, Send)]
    assert Subscribe((trust_scope(RELAY.key),)) in asked
    verdict(home, ours.said("policy.1")[0], "relay")
    assert home.ask(ask.AskPolicy(RELAY.key))["policy"]["words"] == "Hello"
    assert home.ask(ask.AskPolicy(EVE.key))["published"] == 0


def test_a_relay_gives_its_policy_to_who_dials_in() -> None:
    """REL-7"""
    ours, home = relay(), Desk(ANN)
    assert not [one for one in link(ours, "ann") if isinstance(one, SendRecords)]
    ours.ask(ask.PublishPolicy("post@example.org", peers=("relay",)))
    (said,) = ours.said("policy.1")
    given = [one for one in link(ours, "ben") if isinstance(one, SendRecords)]
    assert given == [SendRecords("ben", said.scope, (said.id,))]
    home.do(PeerConnected("relay", True))
    verdict(home, said, "relay")
    assert home.ask(ask.AskPolicy(peer="relay"))["policy"]["contact"] == "post@example.org"
    home.start()
    assert home.ask(ask.AskPolicy(peer="relay"))["persona"] == RELAY.key
    ours.now += 60_000
    ours.ask(ask.PublishPolicy("new@example.org", peers=("relay",)))
    newer = max(ours.said("policy.1"), key=lambda one: one.header.created)
    home.do(PeerConnected("relay", True))
    for one in (newer, said):
        verdict(home, one, "relay")
    assert home.ask(ask.AskPolicy(peer="relay"))["policy"]["contact"] == "new@example.org"


def test_nobody_shows_anothers_policy_as_its_own() -> None:
    """REL-7: nor one from a neighbour that dialled in, nor one in another place."""
    ours, home = relay(), Desk(ANN)
    ours.ask(ask.PublishPolicy("post@example.org", peers=("relay",)))
    (said,) = ours.said("policy.1")
    home.do(PeerConnected("thief", True))
    home.do(PeerConnected("relay", False))
    for peer in ("thief", "relay"):
        verdict(home, said, peer)
        assert home.ask(ask.AskPolicy(peer=peer))["published"] == 0
    home.do(PeerConnected("relay", True))
    header = said.header
    times: dict[str, Any] = {"created": header.created, "expires": header.expires}
    for scope, name in ((said.scope, "other"), ("trust/" + "0f"[said.scope.endswith("0")], "policy")):
        moved = Record.sign(RELAY, NETWORK, "policy.1", scope, said.body, **times, slot=Slot("latest", name, 0))
        verdict(home, moved, "relay")
        assert home.ask(ask.AskPolicy(peer="relay"))["published"] == 0
    verdict(home, said, "relay")
    assert home.ask(ask.AskPolicy(peer="relay"))["published"]


def test_policies_of_relays_are_bounded() -> None:
    """REL-7"""
    ours, home = relay(), Desk(ANN)
    for number in range(POLICIES_MAX + 1):
        ours.now += 60_000
        ours.ask(ask.PublishPolicy("post@example.org", peers=(f"relay-{number}",)))
        home.now = ours.now
        home.do(PeerConnected(f"relay-{number}", True))
        verdict(home, max(ours.said("policy.1"), key=lambda one: one.header.created), f"relay-{number}")
    assert len([name for name in home.facts if name.startswith("policy/")]) == POLICIES_MAX
