"""The post office: what a relay keeps and for how long, what a recipient finds, when a sender lets go (15-relay)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import commands as ask
from protocol.encoding import encode
from protocol.errors import CommandError, Ignore
from protocol.events import (
    Effect,
    MessageReceived,
    Notify,
    PeerConnected,
    PeerDisconnected,
    Publish,
    RecordReceived,
    Reply,
    Send,
    SendRecords,
    Submit,
)
from protocol.identity import Persona
from protocol.network.gossip import Subscribe, Want, encode_message, parse_message
from protocol.network.mail import Token, mail_scope, write
from protocol.params import (
    DAY_MS,
    MAIL_LIFE_MS,
    MAIL_MINUTE_MAX,
    MAIL_OUTGOING_MAX,
    MAIL_TOKENS_MAX,
    MAIL_TRIES_MAX,
    MAILBOX_MAX,
)
from protocol.record.record import Record
from tests.deals import NETWORK, START_MS, persona
from tests.stages import Desk, entropy

RELAY, ANN, BEN, EVE = persona("relay"), persona("ann"), persona("ben"), persona("eve")
SCOPE = mail_scope(ANN.key)
SECRET = bytes(16)
SYNC_MS = 75_001  # after so long a home has asked again


def letter(number: int = 0, to: Persona = ANN, now: int = START_MS, secret: bytes = SECRET) -> Record:
    token = Token.of(to, NETWORK, secret, START_MS + DAY_MS)
    return write(token, f"letter {number}", "", now, entropy(f"{number} {now}"))


def relay(**more: Any) -> Desk:
    return Desk(RELAY, role="relay", **more)


def verdict(desk: Desk, record: Record, peer: str = "") -> str:
    try:
        desk.do(RecordReceived(record, peer))
    except Ignore as error:
        return error.code
    return ""


def give(effects: list[Effect]) -> list[bytes]:
    """Ids of records that go out."""
    found = [one.record.id for one in effects if isinstance(one, Publish)]
    return found + [record_id for one in effects if isinstance(one, SendRecords) for record_id in one.ids]


def wanted(effects: list[Effect]) -> list[bytes]:
    said = [parse_message(one.message) for one in effects if isinstance(one, Send)]
    return [record_id for one in said if isinstance(one, Want) for record_id in one.ids]


def recipient() -> tuple[Desk, str]:
    desk = Desk(ANN)
    return desk, desk.ask(ask.MakeToken("Ben", START_MS + DAY_MS))["token"]


def deliver(desk: Desk, record: Record) -> list[dict[str, Any]]:
    """What is in the mailbox once this letter has come."""
    verdict(desk, record)
    desk.tick()
    letters: list[dict[str, Any]] = desk.ask(ask.AskMail())["letters"]
    return letters


# A relay


def test_a_relay_keeps_letters_that_nobody_asked_for_and_serves_the_prefix() -> None:
    """REL-16"""
    desk = relay()
    desk.do(PeerConnected("ben", False))
    record = letter()
    assert verdict(desk, record, "ben") == ""
    desk.do(PeerDisconnected("ben"))
    desk.start()
    desk.do(PeerConnected("ann", False))
    desk.do(MessageReceived("ann", encode_message(Subscribe((SCOPE,)))))
    effects = desk.do(MessageReceived("ann", encode_message(Want(SCOPE, (record.id,)))))
    assert give(effects) == [record.id]


def test_a_home_keeps_nobody_elses_mail() -> None:
    """REL-16, the control."""
    desk = Desk(BEN)
    assert verdict(desk, letter(), "") == "GOS-3"


def test_a_relay_follows_no_scope_that_is_none_of_mail() -> None:
    """REL-10: or strangers would choose how many scopes there are."""
    desk = relay()
    times: dict[str, Any] = {"created": START_MS, "expires": START_MS + MAIL_LIFE_MS}
    for scope in ("mail/abcd", "mail/xyz", "mail/abc/d"):
        odd = Record.sign(EVE, NETWORK, "mail.1", scope, {"sealed": bytes(560)}, **times)
        assert verdict(desk, odd) == "GOS-3"
    assert desk.ask(ask.AskNumbers())["contexts"] == 0
    short = Record.sign(EVE, NETWORK, "mail.1", SCOPE, {"sealed": bytes(561)}, **times)
    assert verdict(desk, short) == "REL-10"


def test_a_full_prefix_waits_until_letters_expire() -> None:
    """REL-14"""
    desk = relay(mail_records=3)
    for number in range(3):
        assert verdict(desk, letter(number)) == ""
    assert verdict(desk, letter(3)) == "REL-14"
    assert verdict(desk, letter(0, BEN)) == "", "another prefix has room"
    assert verdict(desk, letter(0)) == "", "held already"
    desk.tick(MAIL_LIFE_MS)
    assert verdict(desk, letter(4, now=desk.now)) == ""
    weighed = relay(mail_bytes=2 * len(letter().raw))
    assert [verdict(weighed, letter(number)) for number in range(3)] == ["", "", "REL-14"]


def test_an_expired_letter_is_not_taken_again() -> None:
    """REC-13"""
    desk = relay()
    record = letter()
    assert verdict(desk, record) == ""
    desk.tick(MAIL_LIFE_MS)
    assert verdict(desk, record) == "REC-13"
    assert desk.ask(ask.AskNumbers())["mail_records"] == 0


def test_one_link_cannot_fill_a_prefix_at_once() -> None:
    """REL-15"""
    desk = relay()
    desk.do(PeerConnected("eve", False))
    desk.do(PeerConnected("ben", False))
    desk.do(PeerConnected("other relay", True))
    for number in range(MAIL_MINUTE_MAX):
        assert verdict(desk, letter(number), "eve") == ""
    one_more = letter(MAIL_MINUTE_MAX)
    assert verdict(desk, one_more, "eve") == "REL-15"
    assert verdict(desk, letter(0), "eve") == "", "held already"
    assert verdict(desk, one_more, "ben") == ""
    for number in range(MAIL_MINUTE_MAX + 1, 2 * MAIL_MINUTE_MAX + 5):
        assert verdict(desk, letter(number), "other relay") == "", "we fetched it"
    desk.now += 60_000
    assert verdict(desk, letter(9999), "eve") == ""


# A recipient


def test_a_letter_with_a_token_arrives_and_others_leave_no_trace() -> None:
    """REL-13"""
    desk, line = recipient()
    token = Token.parse(line, NETWORK)
    assert f"scope/{SCOPE}" in desk.facts
    mine = write(token, "Hello Ann", "", START_MS, entropy("ben"))
    (found,) = deliver(desk, mine)
    assert (found["text"], found["label"], found["id"]) == ("Hello Ann", "Ben", mine.id)
    facts = dict(desk.facts)
    effects = desk.do(RecordReceived(letter(1), ""))  # her own prefix, a secret that she never gave
    effects += desk.tick()
    assert desk.facts == facts
    assert not [one for one in effects if isinstance(one, Send | Notify)]
    assert len(desk.ask(ask.AskMail())["letters"]) == 1


def test_a_letter_is_found_once_and_dropped_for_good() -> None:
    """REL-13"""
    desk, line = recipient()
    record = write(Token.parse(line, NETWORK), "Hello", "", START_MS, entropy("ben"))
    deliver(desk, record)
    desk.start()
    assert len(deliver(desk, record)) == 1
    desk.ask(ask.DropMail(record.id))
    assert deliver(desk, record) == []
    desk.start()
    assert deliver(desk, record) == []
    desk.now += MAIL_LIFE_MS
    deliver(desk, letter(1, now=desk.now))
    assert not [name for name in desk.facts if name.startswith("mail/gone/")]
    with pytest.raises(CommandError) as error:
        desk.ask(ask.DropMail(record.id))
    assert error.value.code == "REL-13"


def test_a_revoked_token_opens_nothing() -> None:
    """REL-13"""
    desk, line = recipient()
    token = Token.parse(line, NETWORK)
    desk.ask(ask.RevokeToken(token.secret))
    assert deliver(desk, write(token, "Hello", "", START_MS, entropy("ben"))) == []
    with pytest.raises(CommandError):
        desk.ask(ask.RevokeToken(token.secret))


def test_a_token_counts_while_letters_may_be_under_way() -> None:
    """REL-13"""
    for late, found in ((MAIL_LIFE_MS - 1, 1), (MAIL_LIFE_MS, 0)):
        desk, line = recipient()
        token = Token.parse(line, NETWORK)
        desk.now = token.expires + late
        assert len(deliver(desk, write(token, "Hello", "", desk.now, entropy("ben")))) == found


def test_tokens_are_bounded_and_ended_ones_make_room() -> None:
    """REL-13"""
    desk = Desk(ANN)
    for number in range(MAIL_TOKENS_MAX):
        desk.ask(ask.MakeToken(f"friend {number}", START_MS + DAY_MS))
    with pytest.raises(CommandError) as error:
        desk.ask(ask.MakeToken("one more", START_MS + DAY_MS))
    assert error.value.code == "REL-13"
    desk.now += DAY_MS + MAIL_LIFE_MS
    desk.ask(ask.MakeToken("one more", desk.now + 1))
    assert len(desk.ask(ask.AskMail())["tokens"]) == 1


def test_a_mailbox_is_bounded_and_a_dropped_letter_makes_room() -> None:
    """REL-13"""
    kept = encode(["x", "y", 1, "", 1, START_MS + DAY_MS])
    filled = {f"mail/in/{number:064x}": kept for number in range(MAILBOX_MAX)}
    desk = Desk(ANN, facts=filled)
    token = Token.parse(desk.ask(ask.MakeToken("Ben", START_MS + DAY_MS))["token"], NETWORK)
    record = write(token, "Hello", "", START_MS, entropy("ben"))
    assert len(deliver(desk, record)) == MAILBOX_MAX
    assert desk.ask(ask.AskMail())["full"]
    desk.ask(ask.DropMail(bytes(32)))
    desk.tick()
    assert record.id in [one["id"] for one in desk.ask(ask.AskMail())["letters"]]


def test_a_prefix_full_of_others_is_looked_through_in_steps() -> None:
    """REL-13"""
    desk, line = recipient()
    for number in range(2 * MAIL_TRIES_MAX):
        verdict(desk, letter(number))
    mine = write(Token.parse(line, NETWORK), "Hello", "", START_MS, entropy("ben"))
    verdict(desk, mine)
    steps = 1
    while desk.engine.deadline == desk.now:
        desk.tick()
        steps += 1
        assert steps < 10
    assert [one["id"] for one in desk.ask(ask.AskMail())["letters"]] == [mine.id]


def test_a_letter_can_be_answered() -> None:
    """REL-12"""
    ann, line = recipient()
    ben = Desk(BEN)
    ben.ask(ask.SendMail(line, "Hello Ann", reply=True))
    (found,) = deliver(ann, ben.said("mail.1")[0])
    ann.ask(ask.SendMail(found["reply"], "Hello Ben"))
    answer = max(ann.said("mail.1"), key=lambda one: one.scope == mail_scope(BEN.key))
    assert answer.scope == mail_scope(BEN.key)
    assert [one["text"] for one in deliver(ben, answer)] == ["Hello Ben"]


# A sender


def test_a_letter_waits_until_two_relays_have_shown_that_they_hold_it() -> None:
    """REL-17"""
    _, line = recipient()
    ben = Desk(BEN)
    ben.ask(ask.SendMail(line, "Hello"))
    (record,) = ben.said("mail.1")
    assert ben.ask(ask.AskMail())["outgoing"] == 1
    ben.start()
    assert give(ben.do(PeerConnected("one", True))) == [record.id], "given when a relay is reached"
    assert wanted(ben.tick(SYNC_MS)) == [record.id], "then asked for"
    effects = ben.tick(SYNC_MS)
    assert give(effects) == wanted(effects) == [record.id], "in vain: given again"
    assert verdict(ben, record, "one") == ""
    assert ben.ask(ask.AskMail())["outgoing"] == 0
    assert wanted(ben.tick(SYNC_MS)) == [], "it holds it"
    ben.do(PeerDisconnected("one"))
    assert give(ben.do(PeerConnected("one", True))) == []
    assert give(ben.do(PeerConnected("two", True))) == [record.id]
    verdict(ben, record, "two")
    assert give(ben.do(PeerConnected("three", True))) == []
    assert not [name for name in ben.facts if name.startswith("mail/out/")]


def test_a_letter_that_expired_on_its_way_is_let_be() -> None:
    """REL-17"""
    _, line = recipient()
    ben = Desk(BEN)
    ben.ask(ask.SendMail(line, "Hello"))
    ben.now += MAIL_LIFE_MS
    assert give(ben.do(PeerConnected("one", True))) == []
    assert not [name for name in ben.facts if name.startswith("mail/out/")]


def test_letters_under_way_are_bounded() -> None:
    """REL-17"""
    ben = Desk(BEN)
    line = Token.of(ANN, NETWORK, SECRET, START_MS + DAY_MS).text()
    for number in range(MAIL_OUTGOING_MAX):
        ben.ask(ask.SendMail(line, f"{number}"))
    with pytest.raises(CommandError) as error:
        ben.ask(ask.SendMail(line, "one more"))
    assert error.value.code == "REL-17"


def test_nobody_but_who_dialled_gives_a_letter_to_whom_it_dialled() -> None:
    """REL-17: somebody who dials in is no relay of ours."""
    ben = Desk(BEN)
    ben.ask(ask.SendMail(Token.of(ANN, NETWORK, SECRET, START_MS + DAY_MS).text(), "Hello"))
    assert give(ben.do(PeerConnected("stranger", False))) == []
    assert wanted(ben.tick(SYNC_MS)) == []


def test_a_sender_of_the_same_prefix_serves_it_like_any_letter() -> None:
    """REL-17"""
    ann, line = recipient()
    ann.ask(ask.SendMail(line, "to myself"))
    ann.tick()
    assert [one["text"] for one in ann.ask(ask.AskMail())["letters"]] == ["to myself"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (ask.SendMail("nonsense", "Hello"), "REL-11"),
        (ask.SendMail(Token.of(ANN, bytes(32), SECRET, START_MS + 1).text(), "Hello"), "REL-11"),
        (ask.SendMail(Token.of(ANN, NETWORK, SECRET, START_MS).text(), "Hello"), "REL-11"),
        (ask.SendMail(Token.of(ANN, NETWORK, SECRET, START_MS + 1).text(), ""), "REL-12"),
        (ask.SendMail(Token.of(ANN, NETWORK, SECRET, START_MS + 1).text(), "x" * 2049), "REL-12"),
        (ask.SendMail(Token.of(ANN, NETWORK, SECRET, START_MS + 1).text(), "bell \a"), "REC-11"),
        (ask.MakeToken("", START_MS + 1), "REL-11"),
        (ask.MakeToken("Ben", START_MS), "REL-11"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(command: Any, code: str) -> None:
    desk = Desk(BEN)
    facts = dict(desk.facts)
    (reply,) = desk.do(Submit(1, command))
    assert isinstance(reply, Reply)
    assert isinstance(reply.result, CommandError)
    assert reply.result.code == code
    assert "\n" not in reply.result.message
    assert desk.facts == facts


def test_a_letter_leaves_a_little_later() -> None:
    """GOS-65: so that few can tell who sat there and when."""
    ben = Desk(BEN, delay_ms=3_000)
    ben.do(PeerConnected("one", True))
    effects = ben.do(Submit(1, ask.SendMail(Token.of(ANN, NETWORK, SECRET, START_MS + DAY_MS).text(), "Hello")))
    (record,) = ben.said("mail.1")
    assert give(effects) == []
    assert give(ben.tick(3_000)) == [record.id]
