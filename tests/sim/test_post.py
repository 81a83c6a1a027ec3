"""Mail in the simulator: sender and recipient never awake together, relays that die, strangers (15-relay)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import commands as ask
from protocol.events import RecordReceived
from protocol.identity import SEAL_BYTES, Persona
from protocol.network.mail import Token, mail_scope, write
from protocol.params import DAY_MS, MAIL_SIZES
from protocol.record.record import Record
from tests.sim.faults import Faults
from tests.sim.world import NETWORK, World
from tests.stages import entropy

MINUTE_MS = 60_000


def town(seed: int, faults: Faults | None = None) -> World:
    """Two relays that are linked; Ann keeps to the one, Ben to the other."""
    world = World(seed, (), faults)
    world.add("one", "relay")
    world.add("two", "relay", dials=["one"])
    world.add("ann", dials=["one"])
    world.add("ben", dials=["two"])
    return world


def token(world: World, name: str = "ann") -> str:
    line: str = world.ask(name, ask.MakeToken("a friend", world.now + 30 * DAY_MS))["token"]
    return line


def texts(world: World, name: str = "ann") -> list[str]:
    return [one["text"] for one in world.ask(name, ask.AskMail())["letters"]]


def letters(world: World, name: str) -> list[Record]:
    return [one for one in world.nodes[name].records.values() if one.kind == "mail.1"]


@pytest.mark.parametrize("seed", range(3))
def test_sender_and_recipient_are_never_awake_together(seed: int) -> None:
    """REL-16, REL-17: the recipient sleeps for days, the sender is gone, a relay was killed in between."""
    world = town(seed, Faults(loss=0.1))
    line = token(world)
    world.run(MINUTE_MS)
    world.crash("ann")
    world.ask("ben", ask.SendMail(line, "Hello Ann"))
    world.run(2 * MINUTE_MS)
    world.crash("ben")
    world.crash("two", "power")
    world.now += 5 * DAY_MS
    world.start("two")
    world.run(MINUTE_MS)
    world.start("ann")
    assert world.run(5 * MINUTE_MS, lambda: texts(world) == ["Hello Ann"])


def test_a_sender_without_a_link_keeps_the_letter() -> None:
    """REL-17"""
    world = town(1)
    line = token(world)
    world.run(MINUTE_MS)
    world.unlink("ben", "two")
    world.ask("ben", ask.SendMail(line, "Hello Ann"))
    world.crash("ben", "power")
    world.now += DAY_MS
    world.start("ben")
    assert world.run(2 * MINUTE_MS, lambda: texts(world) == ["Hello Ann"])
    world.run(2 * MINUTE_MS)
    assert world.ask("ben", ask.AskMail())["outgoing"] == 0


def test_a_relay_that_lost_the_letter_is_given_it_again() -> None:
    """REL-17: power cut before others' records reached the disk."""
    world = town(2)
    line = token(world)
    world.run(MINUTE_MS)
    world.crash("one")
    world.ask("ben", ask.SendMail(line, "Hello Ann"))
    world.run(20)
    for record in letters(world, "two"):
        del world.nodes["two"].records[record.id]
    world.crash("two", "power")
    world.start("two")
    world.start("one")
    assert world.run(5 * MINUTE_MS, lambda: texts(world) == ["Hello Ann"])


def test_strangers_and_replays_leave_no_trace_in_a_mailbox() -> None:
    """REL-13"""
    world = town(3)
    line = token(world)
    world.ask("ben", ask.SendMail(line, "Hello Ann"))
    assert world.run(2 * MINUTE_MS, lambda: texts(world) == ["Hello Ann"])
    mine = letters(world, "ann")[0]
    guess = Token.parse(line, NETWORK)
    eve = Persona.from_seed(bytes(32))
    guess = Token(NETWORK, guess.scope, guess.box, bytes(16), guess.expires)
    spam = write(guess, "spam", "", world.now, entropy("eve"))
    times: dict[str, Any] = {"created": mine.header.created, "expires": mine.header.expires}
    copy = Record.sign(eve, NETWORK, "mail.1", mine.scope, mine.body, **times)
    for record in (spam, copy, mine):
        world.handle("two", RecordReceived(record, "ben"))
    assert world.run(2 * MINUTE_MS, lambda: len(letters(world, "ann")) == 3), "they reach the prefix"
    world.run(MINUTE_MS)
    assert texts(world) == ["Hello Ann"]
    world.ask("ann", ask.DropMail(mine.id))
    world.handle("two", RecordReceived(mine, "ben"))
    world.run(MINUTE_MS)
    assert texts(world) == []


def test_a_relay_learns_a_prefix_and_a_size() -> None:
    """REL-10: what a relay is told on the way of a letter names neither end."""
    world = town(4)
    line = token(world)
    world.ask("ben", ask.SendMail(line, "Hello Ann"))
    world.run(2 * MINUTE_MS)
    ann, ben = (world.nodes[name].persona.key for name in ("ann", "ben"))
    (record,) = letters(world, "one")
    for key in (ann, ben, Token.parse(line, NETWORK).secret):
        assert key not in record.raw
    assert record.scope == mail_scope(ann)
    assert len(record.body["sealed"]) - SEAL_BYTES in MAIL_SIZES
    others = {one.author for name in ("one", "two") for one in world.nodes[name].records.values()} - {record.author}
    assert not others & {ann, ben}, "neither has spoken under its name"


def test_a_full_prefix_takes_letters_again_when_old_ones_expire() -> None:
    """REL-14"""
    world = town(5)
    line = token(world)
    for name in ("one", "two"):
        object.__setattr__(world.nodes[name].settings, "mail_records", 2)
    world.run(MINUTE_MS)
    for number in range(3):
        world.ask("ben", ask.SendMail(line, f"letter {number}"))
    world.run(2 * MINUTE_MS)
    assert len(letters(world, "one")) == 2
    assert len(texts(world)) == 2
    assert world.ask("ben", ask.AskMail())["outgoing"] == 1
