"""A device that was restored, or hears its twin: what it refuses, says and forgives (18-keeping, KEP-10 to KEP-19)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import commands as ask
from protocol.coop.box import Box, Question
from protocol.encoding import decode
from protocol.engine.keeping import restoring
from protocol.engine.silence import FACT, SEQ_SKIP, keeping
from protocol.errors import CommandError, Ignore
from protocol.events import Keep, PeerConnected, RecordReceived, Store
from protocol.identity import Persona
from protocol.params import BACKUP_NAG_MS, LISTEN_ROUNDS
from protocol.record.record import Record, Slot
from protocol.trust.accountability import trust_scope
from tests.deals import NETWORK, START_MS, Handmade, persona
from tests.stages import Desk, at

ME, OTHER = persona("m0"), persona("m1")
BOARD = "board/tea/any"
INTENT = ask.AddIntent("tea", "tea", "any", 3, 1, 3_000, "ready", START_MS + 10**9, ())


def desk(needed: int = 0, sure: bool = False, facts: dict[str, bytes] | None = None, **more: Any) -> Desk:
    """A node that was restored a moment ago."""
    given = {FACT: restoring(START_MS, needed, sure)} | (facts or {})
    return Desk(ME, (), given, recovery={ME.key: bytes(32)}, sync_ms=1_000, **more)


def state(one: Desk) -> str:
    return str(one.ask(ask.AskDevice())["state"])


def go(one: Desk) -> list[Any]:
    """Lets it go on until it signs again."""
    effects = one.tick(1)
    assert state(one) == "listening"
    effects += one.tick(LISTEN_ROUNDS * one.engine._core.settings.sync_ms)
    assert state(one) == "restored"
    return effects


def refused(one: Desk, command: Any, code: str, *parts: str) -> None:
    with pytest.raises(CommandError) as caught:
        one.ask(command)
    assert caught.value.code == code, caught.value
    for part in parts:
        assert part in caught.value.message


def said(who: Persona, kind: str, scope: str, body: dict[str, Any], slot: Slot | None, created: int) -> Record:
    return Record.sign(who, NETWORK, kind, scope, body, created=created, expires=created + 10**8, slot=slot)


def device(who: Persona, created: int, seq: int = 0) -> Record:
    slot = Slot("latest", "device", seq)
    return said(who, "device.1", trust_scope(who.key), {"device": bytes(16)}, slot, created)


def hears(one: Desk, record: Record, peer: str = "peer") -> list[Any]:
    try:
        return one.do(RecordReceived(record, peer))
    except Ignore:
        return []


def test_nothing_is_signed_before_relays_have_told() -> None:
    """KEP-10, KEP-11: commands are refused with what it waits for, however often it starts anew."""
    one = desk(needed=2)
    for _ in range(2):
        refused(one, INTENT, "KEP-11", "until relays have told")
        refused(one, ask.Invite(bytes(16), 1, START_MS + 1, 1), "KEP-11", "invitation")
        effects = one.tick(100_000)
        assert not [effect for effect in effects if isinstance(effect, Store)]
        found = one.ask(ask.AskDevice())
        assert (found["state"], found["relays_told"], found["relays_needed"]) == ("restoring", 0, 2)
        assert "go-on --one-relay" in found["fix"]
        (need,) = one.ask(ask.AskNeeds())
        assert need["kind"] == "device"
        one.start()


def test_it_says_that_it_goes_on_listens_and_signs() -> None:
    """KEP-12: `device.1` first, and then nothing for two rounds."""
    one = desk()
    effects = one.tick(1)
    kinds = [effect.record.kind for effect in effects if isinstance(effect, Store)]
    assert kinds == ["persona.1", "device.1"]
    refused(one, INTENT, "KEP-11", "listens")
    one.tick(LISTEN_ROUNDS * 1_000 - 2)
    refused(one, INTENT, "KEP-11", "listens")
    one.tick(2)
    assert state(one) == "restored"
    one.ask(INTENT)


def test_versions_leave_room_for_those_unheard_of() -> None:
    """KEP-13: the first of each slot after the restore, and only that."""
    one = desk()
    go(one)
    seqs = []
    for want in (3, 4):
        one.now += 1_000
        one.ask(ask.AddIntent("tea", "tea", "any", want, 1, 3_000, "ready", START_MS + 10**9, ()))
        core = one.engine._core
        seqs += [record.header.slot.seq for record in core.peek(BOARD).by(ME.key, "intent.1") if record.header.slot]
    assert seqs == [SEQ_SKIP, SEQ_SKIP + 1]


def test_a_twin_stops_it_for_good() -> None:
    """KEP-15, KEP-17: by any record that its key signed and it does not hold; a restart changes nothing."""
    one = Desk(ME, recovery={ME.key: bytes(32)})
    one.ask(INTENT)
    one.do(PeerConnected("peer", False))
    effects = hears(one, device(ME, START_MS + 5))
    assert any(isinstance(effect, Keep) and effect.name == FACT for effect in effects)
    one.start()
    assert state(one) == "stopped"
    refused(one, INTENT, "KEP-11", "another device signed")
    (need,) = [need for need in one.ask(ask.AskNeeds()) if need["kind"] == "device"]
    assert "device.1" in need["says"]
    assert one.ask(ask.AskDevice())["heard"]["kind"] == "device.1"
    one.ask(ask.Retire())
    refused(one, INTENT, "KEP-11", "retired")
    assert one.ask(ask.GoOn(0))["state"] == "restoring"
    go(one)
    one.ask(INTENT)


def test_what_it_held_replaced_or_never_took_stops_nobody() -> None:
    """KEP-15, KEP-16, and no false alarm by others, by files, by older versions or by what is refused."""
    one = Desk(ME, recovery={ME.key: bytes(32)})
    one.ask(INTENT)
    one.do(PeerConnected("peer", False))
    own = list(one.records.values())
    for record in own:
        hears(one, record)
    one.now += 1_000
    one.ask(ask.WithdrawIntent("tea"))
    for record in own:  # the first version came back late
        hears(one, record)
    hears(one, device(OTHER, START_MS))
    hears(one, device(ME, START_MS), peer="")
    expired = Record.sign(ME, NETWORK, "old.1", BOARD, {}, created=START_MS - 10**6, expires=START_MS - 1)
    hears(one, expired)
    hears(one, said(ME, "old.1", "board/elsewhere/any", {}, None, START_MS))
    assert state(one) == ""


def test_the_old_devices_late_words_stop_nobody_but_a_twins_do() -> None:
    """KEP-15: by the stamp; what came before it began to listen is history."""
    one = desk()
    go(one)
    one.do(PeerConnected("peer", False))
    began = keeping(one.engine._core).alone_from
    hears(one, said(ME, "old.1", trust_scope(ME.key), {}, None, began - 1))
    assert state(one) == "restored"
    hears(one, said(ME, "old.1", trust_scope(ME.key), {}, None, began))
    assert state(one) == "stopped"


def test_only_who_asserts_that_nothing_was_signed_answers_everything() -> None:
    """KEP-14, KEP-17: at the restore or later."""
    careful, sure = desk(), desk(sure=True)
    go(careful)
    go(sure)
    assert careful.ask(ask.AskDevice())["used_until"] > 0
    assert sure.ask(ask.AskDevice())["used_until"] == 0
    refused(careful, ask.GoOn(2), "KEP-17", "signs already")
    careful.ask(ask.GoOn(2, nothing_since=True))
    assert careful.ask(ask.AskDevice())["used_until"] == 0
    refused(careful, ask.GoOn(3), "KEP-17")


def test_a_vouch_that_may_be_said_already_is_not_said() -> None:
    """KEP-14: a slot of which nobody can tell since when it is open."""
    one = desk()
    go(one)
    refused(one, ask.Vouch(OTHER.key), "KEP-14", "may have answered this already")
    one.ask(ask.GoOn(2, nothing_since=True))
    one.ask(ask.Vouch(OTHER.key))


def test_what_is_left_unanswered_is_said_where_it_would_be_asked() -> None:
    """KEP-14, KEP-18: the pledge that was asked for before the restore; a device that was not restored is asked."""
    made = Handmade()
    who = next(one for one in (ME, OTHER) if one.key != made.negotiator.key)
    asked = at(made, "gathering", who)
    assert "pledge" in [need["kind"] for need in asked.ask(ask.AskNeeds())]
    one = Desk(
        who,
        asked.records.values(),
        asked.facts | {FACT: restoring(asked.now, 0, False)},
        asked.now,
        sync_ms=1_000,
        recovery={who.key: bytes(32)},
    )
    go(one)
    needs = one.ask(ask.AskNeeds())
    assert "pledge" not in [need["kind"] for need in needs]
    (need,) = [need for need in needs if need["kind"] == "abstain" and "(pledge)" in need["says"]]
    assert "may have answered this already" in need["says"]
    detail = one.ask(ask.AskCoop(made.hash[:16]))
    assert "pledges" in [left["question"] for left in detail["abstains"]]
    refused(one, ask.Pledge(made.hash[:16], 3, 1, 1, 1_000), "KEP-14")


def test_who_has_the_words_alone_learns_first_that_it_was_introduced() -> None:
    """KEP-10, KEP-12: `persona.1` was said by the old device, and is not said again."""
    one = desk(needed=1)
    one.tick(1)
    one.do(PeerConnected("peer", True))
    first = said(ME, "persona.1", trust_scope(ME.key), {"recovery": bytes(32)}, Slot("once", "persona", 0), START_MS)
    hears(one, first)
    one.ask(ask.GoOn(0))
    effects = go(one)
    assert [effect.record.kind for effect in effects if isinstance(effect, Store)] == ["device.1"]
    one.ask(INTENT)


def test_a_question_says_since_when_it_is_open() -> None:
    """KEP-14: what stands in no box is as old as its co-op."""
    box = Box("pledge.1", "pledge/x", None, (), lambda record: True)
    assert Question("pledges/x", 10, 1, 1, box, opened=5).opened == 5
    assert Question("pledges/x", 10, 1, 1, box).opened == 0


def test_backups_are_remembered_and_asked_for_gently() -> None:
    """KEP-8: whoever signed anything is told; after a month again."""
    one = Desk(ME, recovery={ME.key: bytes(32)})
    assert one.ask(ask.AskStatus())["device"]["nag"] == ""
    one.ask(INTENT)
    assert "No backup" in one.ask(ask.AskStatus())["device"]["nag"]
    one.ask(ask.NoteBackup(one.now))
    assert one.ask(ask.AskStatus())["device"]["nag"] == ""
    one.now += BACKUP_NAG_MS + 1
    assert "is old" in one.ask(ask.AskStatus())["device"]["nag"]
    assert decode(one.facts["backup"]) == START_MS
