"""Taking back one record, and everything after a day (18-keeping, KEP-30 to KEP-33)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import commands as ask
from protocol.encoding import encode
from protocol.engine.keeping import restoring
from protocol.engine.silence import FACT
from protocol.errors import CommandError, Ignore
from protocol.events import PeerConnected, RecordReceived, Store
from protocol.params import VANISH_MS
from protocol.record.record import Record
from tests.deals import START_MS, persona
from tests.stages import Desk

ME = persona("m0")
BOARD = "board/tea/any"
READY = START_MS + 5 * VANISH_MS


def intent(name: str = "tea", want: int = 3) -> ask.AddIntent:
    return ask.AddIntent(name, "tea", "any", want, 1, 3_000, "ready", READY, ("basic",))


def desk() -> Desk:
    """A member with two intents and what a home remembers of its person."""
    one = Desk(ME, facts={"details": encode({"name": "Ada"}), "baseline/tea": encode({})})
    one.ask(intent())
    one.ask(intent("more", 7))
    return one


def held(one: Desk) -> dict[str, Record]:
    found = one.engine._core.peek(BOARD).by(ME.key, "intent.1")
    return {record.header.slot.name: record for record in found if record.header.slot}


def is_empty(record: Record) -> bool:
    body: dict[str, Any] = dict(record.body)
    kept = {"want", "tolerate", "spend_minor", "readiness", "ready_by", "levels", "terms", "template"}
    return set(body) == kept and (body["want"], body["levels"], body["terms"]) == (0, {}, [])


def test_an_intent_is_withdrawn_without_a_word_of_it() -> None:
    """KEP-30: emptied, and for as long as the old one could come back, which is refused."""
    one = desk()
    old = held(one)["tea"]
    one.ask(ask.WithdrawIntent("tea"))
    new = held(one)["tea"]
    assert is_empty(new)
    assert new.header.expires >= old.header.expires
    assert old.id not in one.engine._core.peek(BOARD).records
    other = Desk(persona("m1"), list(one.records.values()))
    other.do(PeerConnected("peer", False))
    with pytest.raises(Ignore) as caught:
        other.do(RecordReceived(old, "peer"))
    assert caught.value.code == "REC-14"


def test_everything_is_taken_back_after_a_day() -> None:
    """KEP-32: not before, also when the node was off; the home forgets too."""
    one = desk()
    planned = one.ask(ask.Vanish())
    assert planned == {"at": START_MS + VANISH_MS, "records": 2}
    one.tick(VANISH_MS - 1)
    assert not any(map(is_empty, held(one).values()))
    (need,) = [need for need in one.ask(ask.AskNeeds()) if need["kind"] == "vanish"]
    assert need["until"] == planned["at"]
    one.start()
    one.now += 2 * VANISH_MS
    effects = one.tick(1)
    assert sorted(effect.record.kind for effect in effects if isinstance(effect, Store)) == ["intent.1", "intent.1"]
    assert all(map(is_empty, held(one).values()))
    assert not [name for name in one.facts if name.startswith(("details", "baseline/", "vanish", "intent/"))]
    assert not [effect for effect in one.tick(VANISH_MS) if isinstance(effect, Store)]


def test_it_can_be_called_off() -> None:
    """KEP-32"""
    one = desk()
    one.ask(ask.Vanish())
    one.tick(VANISH_MS // 2)
    assert one.ask(ask.Stay())["at"] == 0
    one.tick(VANISH_MS)
    assert not any(map(is_empty, held(one).values()))
    assert one.facts["details"]
    with pytest.raises(CommandError) as caught:
        one.ask(ask.Stay())
    assert caught.value.code == "KEP-32"


def test_asking_twice_does_not_put_it_off() -> None:
    """KEP-32"""
    one = desk()
    first = one.ask(ask.Vanish())
    one.tick(1_000)
    assert one.ask(ask.Vanish()) == first


def test_a_device_that_may_not_sign_waits() -> None:
    """KEP-32, KEP-11"""
    one = desk()
    one.ask(ask.Vanish())
    one.facts[FACT] = restoring(START_MS, 2, False)
    one.start()
    assert not [effect for effect in one.tick(2 * VANISH_MS) if isinstance(effect, Store)]
    assert "vanish" in one.facts
