"""Carrying, fetching, pacing, cuts and many scopes (GOS-40 to GOS-44): the engines of both sides, and their disks."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from functools import cache
from random import Random
from typing import Any

import pytest

from protocol.encoding import digest, encode
from protocol.engine import Engine, Settings
from protocol.engine.network.door import DOOR_KINDS
from protocol.errors import Ignore, Reject
from protocol.events import (
    Delivered,
    Effect,
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
    Publish,
    RecordReceived,
    Send,
    SendRecords,
    Store,
    Tick,
)
from protocol.network.bounds import Bound
from protocol.network.gossip import (
    MARK_BYTES,
    Answer,
    Compare,
    Compared,
    Fetch,
    Subscribe,
    Sync,
    Want,
    encode_message,
    parse_message,
)
from protocol.network.index import Index, item_key
from protocol.network.sync import initiate
from protocol.params import ASKED_MAX, DECLINED_MAX, FETCH_RECORDS_MAX, SESSIONS_MAX
from protocol.record.outline import outline
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, START_MS, TEMPLATE, TIMES, Handmade, persona

BOARD, TRUST = "board/tea/any", "trust/0"
YEAR_MS = 365 * 86_400_000
SYNC_MS = 60_000


@cache
def said(number: int, scope: str = TRUST, ahead_ms: int = -1_000_000) -> Record:
    """A record as it comes from our own mesh process, which checked the signature: none is needed here."""
    who = persona(f"author {number % 50}").key
    body = encode({"report": number})
    fields = [NETWORK, "note.1", who, scope, [], START_MS + ahead_ms + number, START_MS + 86_400_000, []]
    wire = encode([*fields, digest("body", body), len(body)])
    return Record.parse(encode([wire, bytes(64), body]), NETWORK, verified=True)


class Side:
    """An engine with a disk, and what it says."""

    def __init__(self, name: str, role: str = "home", scopes: tuple[str, ...] = (), held: list[Record] | None = None):
        self.name = name
        self.disk: dict[bytes, Record] = {one.id: one for one in held or []}
        facts = {f"scope/{scope}": b"1" for scope in scopes}
        settings = Settings(NETWORK, role, {TEMPLATE.hash: TEMPLATE}, {"handmade": TIMES}, grain_ms=1, sync_ms=SYNC_MS)
        self.engine = Engine(settings, [persona(name)], Random(1), Random(2).randbytes, facts)
        self.now = START_MS
        for scope in scopes:
            self.load(scope)

    def load(self, scope: str) -> None:
        rows = [one for one in self.disk.values() if one.scope == scope]
        if self.engine.carries(scope):
            self.engine.load(scope, [*map(outline, rows), *(one for one in rows if one.kind in DOOR_KINDS)])
        else:
            self.engine.load(scope, rows)

    def do(self, event: Any) -> list[Effect]:
        for _ in range(16):
            if not (scopes := self.engine.needs(event)):
                break
            for scope in scopes:
                self.load(scope)
        effects = self.engine.handle(event, self.now)
        self.disk.update({one.record.id: one.record for one in effects if isinstance(one, Store)})
        for scope in self.engine.surplus():
            self.engine.forget(scope)
        return effects

    def hear(self, peer: str, message: Any) -> list[Any]:
        """What it says in answer."""
        return messages(self.do(MessageReceived(peer, encode_message(message))), peer)

    def settle(self) -> list[Effect]:
        effects: list[Effect] = []
        while (due := self.engine.deadline) is not None and due <= self.now and len(effects) < 10_000:
            effects += self.do(Tick())
        return effects


def messages(effects: list[Effect], peer: str) -> list[Any]:
    return [parse_message(one.message) for one in effects if isinstance(one, Send) and one.peer == peer]


class Wire:
    """A link between two sides; counts bytes, and can be cut."""

    def __init__(self, dialler: Side, other: Side) -> None:
        self.sides = {dialler.name: dialler, other.name: other}
        self.bytes = 0
        self.kinds: dict[str, int] = {}
        self.most_asked = 0
        self.queue: deque[tuple[str, str, Any]] = deque()
        self.withhold = False
        self.carry(dialler.name, dialler.do(PeerConnected(other.name, True)))
        self.carry(other.name, other.do(PeerConnected(dialler.name, False)))

    def other(self, name: str) -> str:
        return next(one for one in self.sides if one != name)

    def carry(self, sender: str, effects: list[Effect]) -> None:
        to, disk = self.other(sender), self.sides[sender].disk
        for effect in effects:
            match effect:
                case Send(peer, message) if peer == to:
                    self.queue.append((sender, to, MessageReceived(sender, message)))
                    self.bytes += len(message)
                    word = type(parse_message(message)).__name__
                    self.kinds[word] = self.kinds.get(word, 0) + 1
                case SendRecords(peer, _, ids) if peer == to and not self.withhold:
                    for one in ids:
                        self.give(sender, disk[one])
                case Publish(record, peers) if to in peers:
                    self.give(sender, record)

    def give(self, sender: str, record: Record) -> None:
        self.bytes += len(record.raw)
        self.queue.append((sender, self.other(sender), RecordReceived(record, sender)))

    def run(self, bytes_max: float = float("inf")) -> bool:
        """Until nothing moves; False when so many bytes passed before."""
        while True:
            if not self.queue:
                for name, side in self.sides.items():
                    self.carry(name, side.settle())
                if not self.queue:
                    return True
            sender, to, event = self.queue.popleft()
            with suppress(Ignore):
                self.carry(to, self.sides[to].do(event))
            if isinstance(event, RecordReceived):
                self.carry(sender, self.sides[sender].do(Delivered(to, 1)))
            neighbours = [one for side in self.sides.values() for one in side.engine._core.neighbours.values()]
            self.most_asked = max(self.most_asked, *(len(one.asked) for one in neighbours))
            assert all(len(one.sessions) <= SESSIONS_MAX for one in neighbours)
            if self.bytes > bytes_max:
                return False

    def cut(self) -> None:
        """Both lose the link, and what was under way."""
        self.queue.clear()
        for name, side in self.sides.items():
            side.do(PeerDisconnected(self.other(name)))


# Carrying


def test_a_carrier_takes_what_is_well_formed_and_serves_it() -> None:
    """GOS-40: by a stranger, in a co-op; a record whose refs are unknown waits, and bodies are nowhere in memory."""
    made = Handmade()
    relay = Side("relay", "relay")
    for peer in ("ann", "ben"):
        relay.do(PeerConnected(peer, False))
        assert relay.hear(peer, Subscribe((made.scope,))) == [Subscribe((made.scope,))]
    taken = 0
    records = [one for one in made.records if one.scope == made.scope]
    for record in records:
        effects = relay.do(RecordReceived(record, "ann"))
        taken += any(isinstance(one, Store) for one in effects)
    assert taken == len(records)
    assert made.scope not in relay.engine._core.contexts
    assert relay.engine.scopes() == ()
    assert relay.engine.carried() == (made.scope,)
    parent, stranger = records[0], persona("stranger")
    child = Record.sign(
        stranger, NETWORK, "note.1", made.scope, {}, created=START_MS, expires=START_MS + 9, refs=(parent.id,)
    )
    fresh = Side("fresh", "relay")
    fresh.do(PeerConnected("ann", False))
    fresh.hear("ann", Subscribe((made.scope,)))
    assert messages(fresh.do(RecordReceived(child, "ann")), "ann") == [Want(made.scope, (parent.id,))]
    assert fresh.disk == {}
    fresh.do(RecordReceived(parent, "ann"))
    assert set(fresh.disk) == {parent.id, child.id}


def test_strangers_do_not_fill_the_room_of_a_carried_coop(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-40, GOS-42: who has a say by the charter and the joins stands; the rest shares what is left."""
    monkeypatch.setattr("protocol.network.shelf.bound_of", lambda _: Bound(1, 10, 10_000, 20_000))
    made = Handmade()
    records = [one for one in made.records if one.scope == made.scope]
    relay = Side("relay", "relay")
    relay.do(PeerConnected("eve", False))
    relay.hear("eve", Subscribe((made.scope,)))

    def by_stranger(kind: str, body: dict[str, Any], slot: Slot | None = None) -> str:
        one = Record.sign(
            persona("stranger"), NETWORK, kind, made.scope, body, created=START_MS, expires=START_MS + 9_000, slot=slot
        )
        with pytest.raises(Ignore) as error:
            relay.do(RecordReceived(one, "eve"))
        return error.value.code

    vote = {"question": "deal/1", "round": 0, "step": "prevote", "value": bytes(32)}
    place = Slot("once", "deal/1/0/prevote", 0)
    assert by_stranger("vote.1", vote, place) == "FRM-24"  # nothing is known yet
    for record in records:
        assert any(isinstance(one, Store) for one in relay.do(RecordReceived(record, "eve")))
    assert len({one.author for one in records}) > 1
    assert by_stranger("vote.1", vote, place) == "FRM-24"
    assert by_stranger("note.1", {}) == "GOS-8"
    again = Side("relay", "relay", held=records)
    again.do(PeerConnected("eve", False))
    again.hear("eve", Subscribe((made.scope,)))
    assert again.do(RecordReceived(records[0], "eve")) == []
    assert again.engine._core.doors[made.scope].charter is not None


def test_a_carried_scope_leaves_memory_and_its_state_stays_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-40: so many records at a time, whatever is stored; an event that needs them reads them again."""
    monkeypatch.setattr("protocol.engine.network.carry.SHELVED_ITEMS_MAX", 500)
    scopes = tuple(f"board/tea/{number}" for number in range(20))
    held = [said(number, scope) for number in range(100) for scope in scopes]
    relay = Side("relay", "relay", held=held)
    relay.do(PeerConnected("ann", False))
    relay.hear("ann", Subscribe(scopes))
    assert relay.engine.resident() == ()
    for scope in (*scopes, *scopes[:3]):
        _, message = initiate(Index(), 60_000)
        (reply,) = relay.hear("ann", Sync(scope, message))
        assert isinstance(reply, Answer)
        assert len(reply.message) > 100 * 32
        assert sum(len(one) for one in relay.engine._core.shelves.values()) <= 600
    assert len(relay.engine._core.states) >= 10


def test_who_takes_part_judges_what_was_carried() -> None:
    """GOS-40: a stranger's record in a co-op's scope lies on a carrier's disk, and counts for nothing afterwards."""
    made = Handmade()
    relay = Side("relay", "relay")
    relay.do(PeerConnected("ann", False))
    relay.hear("ann", Subscribe((made.scope,)))
    charter = next(one for one in made.records if one.kind == "charter.1")
    vote = next(one for one in made.records if one.kind in ("accept.1", "join.1"))
    slot = Slot("once", vote.header.slot.name, 0) if vote.header.slot else None
    forged = Record.sign(
        persona("stranger"),
        NETWORK,
        vote.kind,
        made.scope,
        dict(vote.body),
        created=vote.header.created,
        expires=vote.header.expires,
        slot=slot,
        refs=vote.header.refs,
    )
    relay.do(RecordReceived(charter, "ann"))
    with pytest.raises(Ignore, match="FRM-24"):  # so much the charter alone tells
        relay.do(RecordReceived(forged, "ann"))
    relay.do(RecordReceived(vote, "ann"))
    assert set(relay.disk) == {charter.id, vote.id}
    relay.disk = {one.id: one for one in (charter, forged, vote)}  # as an older program, or another, may have taken it
    relay.engine._core.follow(made.scope)
    assert relay.engine.needs(Tick()) == (made.scope,)
    relay.do(Tick())
    assert list(relay.engine._core.contexts[made.scope].log.records) == [charter.id, vote.id]
    assert relay.engine.scopes() == (made.scope,)
    assert relay.engine.carried() == ()
    again = Side("relay", "relay", (made.scope,), list(relay.disk.values()))
    assert len(again.engine._core.contexts[made.scope].log.records) == 2


# Fetching


def test_a_fetch_is_served_by_range_and_mark() -> None:
    """GOS-43: all of a range without marks, else those marked; nothing of a scope that is not followed."""
    held = sorted((said(number) for number in range(300)), key=lambda one: (one.header.created, one.id))
    relay = Side("relay", scopes=(TRUST,), held=held)
    relay.do(PeerConnected("ann", False))

    def served(*ranges: tuple[bytes, bytes, bytes], scope: str = TRUST) -> list[bytes]:
        effects = relay.do(MessageReceived("ann", encode_message(Fetch(scope, ranges))))
        return [one for effect in effects if isinstance(effect, SendRecords) for one in effect.ids]

    def point(number: int) -> bytes:
        return item_key(held[number].header.created, held[number].id[:5])

    assert served((point(10), point(20), b"")) == [one.id for one in held[10:20]]
    marks = held[12].id[:MARK_BYTES] + held[25].id[:MARK_BYTES] + bytes(MARK_BYTES)
    assert served((point(10), point(20), marks), (point(25), point(26), marks)) == [held[12].id, held[25].id]
    assert served((bytes(8), b"\xff" * 8, b"")) == [one.id for one in held]
    assert served((point(20), point(20), b"")) == []
    assert served((bytes(8), b"\xff" * 8, b""), scope=BOARD) == []


def test_a_fetch_costs_and_gives_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-43: the same range a thousand times is looked at as often as the bound allows."""
    held = [said(number) for number in range(3000)]
    relay = Side("relay", scopes=(TRUST,), held=held)
    relay.do(PeerConnected("eve", False))
    greedy = Fetch(TRUST, ((bytes(8), b"\xff" * 8, b""),) * 1000)
    effects = relay.do(MessageReceived("eve", encode_message(greedy)))
    assert sum(len(one.ids) for one in effects if isinstance(one, SendRecords)) == FETCH_RECORDS_MAX
    monkeypatch.setattr("protocol.engine.network.reconcile.FETCH_SCAN_MAX", 100)
    effects = relay.do(MessageReceived("eve", encode_message(greedy)))
    assert sum(len(one.ids) for one in effects if isinstance(one, SendRecords)) == 100


# Sessions


def test_a_cut_in_the_middle_costs_little() -> None:
    """GOS-44: what had arrived is not fetched again; pacing keeps what is under way small, and so what a cut wastes."""
    count = 20_000
    held = [said(number) for number in range(count)]
    weight = sum(len(one.raw) for one in held)

    def whole() -> Wire:
        return Wire(Side("home", scopes=(TRUST,)), Side("relay", scopes=(TRUST,), held=held))

    uncut = whole()
    assert uncut.run()
    assert len(uncut.sides["home"].disk) == count
    assert uncut.most_asked <= ASKED_MAX
    assert uncut.bytes < 1.4 * weight  # these records are a third of an intent
    first = whole()
    assert not first.run(uncut.bytes / 2)
    first.cut()
    got = len(first.sides["home"].disk)
    assert count / 4 < got < count * 3 / 4
    second = Wire(*first.sides.values())
    assert second.run()
    assert len(second.sides["home"].disk) == count
    assert first.bytes + second.bytes <= 1.2 * uncut.bytes


def test_what_we_give_waits_for_what_arrived() -> None:
    """GOS-44: so many unacknowledged, then the session rests; the other way round it is the same session."""
    held = [said(number) for number in range(9_000)]
    home, relay = Side("home", scopes=(TRUST,), held=held), Side("relay", scopes=(TRUST,))
    wire = Wire(home, relay)
    most = 0
    while wire.queue:
        sender, to, event = wire.queue.popleft()
        wire.carry(to, wire.sides[to].do(event))
        if isinstance(event, RecordReceived) and sum(isinstance(one[2], RecordReceived) for one in wire.queue) < 10:
            wire.carry(sender, wire.sides[sender].do(Delivered(to, 500)))
        most = max(most, sum(isinstance(one[2], RecordReceived) for one in wire.queue))
    assert most <= 2 * ASKED_MAX
    home.do(Delivered("relay", 10_000))
    wire.run()
    assert len(relay.disk) == 9_000


def test_who_lists_and_does_not_deliver_is_given_up_and_another_asked() -> None:
    """GOS-44: after half the interval; what is under way from one is not fetched from the other before that."""
    held = [said(number) for number in range(60)]
    home = Side("home", scopes=(TRUST,))
    liar, honest = Side("liar", scopes=(TRUST,), held=held), Side("honest", scopes=(TRUST,), held=held)
    false = Wire(home, liar)
    false.withhold = True
    assert false.run()
    good = Wire(home, honest)
    assert good.run()
    assert home.disk == {}
    home.now += SYNC_MS // 2
    effects = home.settle()
    good.carry("home", effects)
    assert good.run()
    assert len(home.disk) == 60


def test_what_is_ignored_is_not_fetched_again_and_again() -> None:
    """GOS-44: for a few rounds; and only so many ids are remembered."""
    bad = [said(number, ahead_ms=7_200_000) for number in range(30)]  # REC-13
    home, relay = Side("home", scopes=(TRUST,)), Side("relay", scopes=(TRUST,), held=bad)
    wire = Wire(home, relay)
    wire.run()
    assert home.disk == {}
    assert wire.kinds["Fetch"] == 1
    for _ in range(3):
        home.now = relay.now = home.now + 80_000
        wire.carry("home", home.settle())
        wire.run()
    assert wire.kinds["Sync"] > 3
    assert wire.kinds["Fetch"] == 1
    for number in range(DECLINED_MAX + 100):
        home.engine._core.declined.update({number.to_bytes(32, "big"): home.now})
        if number % 512 == 0:
            with pytest.raises(Ignore):
                home.do(RecordReceived(bad[number % 30], "relay"))
    assert len(home.engine._core.declined) <= DECLINED_MAX + 512


def test_a_responder_keeps_nothing_of_two_hundred_sessions() -> None:
    """SYN-16, GOS-41: 200 peers, 50 scopes each, answered from what is held."""
    scopes = tuple(f"board/tea/{number}" for number in range(50))
    relay = Side("relay", "relay", held=[said(number, scope) for number in range(20) for scope in scopes])
    _, message = initiate(Index(), 60_000)
    for number in range(200):
        peer = f"p{number}"
        relay.do(PeerConnected(peer, False))
        relay.hear(peer, Subscribe(scopes))
        for scope in scopes:
            assert [type(one) for one in relay.hear(peer, Sync(scope, message))] == [Answer]
    core = relay.engine._core
    assert all(not (one.sessions or one.asked or one.due or one.states) for one in core.neighbours.values())
    assert len(core.shelves) == 50


# Many scopes


def test_many_scopes_are_compared_by_their_states() -> None:
    """GOS-41: 400 scopes, three of them different: a few messages, not four hundred; and none when all are equal."""
    scopes = tuple(f"board/tea/{number}" for number in range(400))
    common = [said(number, scope) for number, scope in enumerate(scopes)]
    more = [said(5000 + number, scopes[number * 100]) for number in range(3)]
    home, relay = Side("home", scopes=scopes, held=common), Side("relay", "relay", held=[*common, *more])
    wire = Wire(home, relay)
    wire.run()
    home.now = relay.now = home.now + 1_000
    wire.run()
    assert len(home.disk) == 403 or wire.kinds.get("Sync", 0) <= 400  # a carrier does not know all states at first
    home.now = relay.now = home.now + 80_000
    wire.run()
    assert len(home.disk) == 403
    before, wire.bytes = dict(wire.kinds), 0
    extra = said(6000, scopes[7])
    relay.do(RecordReceived(extra, ""))
    home.now = relay.now = home.now + 80_000
    wire.run()
    assert len(home.disk) == 404
    assert wire.kinds["Sync"] - before["Sync"] == 1
    assert wire.bytes < 8_000
    wire.bytes = 0
    home.now = relay.now = home.now + 80_000
    wire.run()
    assert wire.bytes < 1_500


def test_a_comparison_that_nobody_began_or_is_noise() -> None:
    """GOS-41: an answer without a question is passed over; bytes that are no message are refused."""
    home = Side("home", scopes=(BOARD,))
    home.do(PeerConnected("eve", True))
    assert home.hear("eve", Compared(b"\x61")) == []
    assert [type(one) for one in home.hear("eve", Compare(b"\x61"))] == [Compared]
    with pytest.raises(Reject, match="SYN-2"):
        home.hear("eve", Compare(b"\x00"))
