"""Gossip between named peers: what they tell each other, what waits, what is passed on, and every bound filled."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.encoding import encode
from protocol.engine import Engine, Settings
from protocol.errors import Ignore, Reject
from protocol.events import (
    Effect,
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
    Publish,
    RecordReceived,
    Reply,
    Send,
    SendRecords,
    Store,
    Submit,
    Tick,
)
from protocol.network.gossip import (
    Answer,
    Attach,
    Attached,
    Compare,
    Compared,
    Detach,
    Fetch,
    Forward,
    Graft,
    Have,
    Join,
    Message,
    Prune,
    Shuffle,
    Shuffled,
    Subscribe,
    Sync,
    Unsubscribe,
    Want,
    encode_message,
    parse_message,
)
from protocol.params import (
    CLOCK_AHEAD_MS_MAX,
    LIVE_INTENTS_MAX,
    PENDING_BYTES_MAX,
    PENDING_PER_PEER_MAX,
    SCOPES_PER_PEER_MAX,
)
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, START_MS, TEMPLATE, TIMES, Handmade, persona
from tests.sim.faults import Faults
from tests.sim.town import short_template
from tests.sim.world import World

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "gossip.json"
BOARD = "board/tea/any"
OTHER = "board/tea/u10"
HOUR = 3_600_000
ID = bytes(range(32))
RELAY = "/dns4/relay.example/tcp/4001/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"

GOOD: list[tuple[str, str, Message]] = [
    ("one scope", "GOS-1", Subscribe((BOARD,))),
    ("as many as fit", "GOS-2", Subscribe(tuple(f"board/tea/{n}" for n in range(256)))),
    ("no more", "GOS-1", Unsubscribe((BOARD, OTHER))),
    ("nothing at all", "GOS-1", Unsubscribe(())),
    ("a session begins", "GOS-4", Sync(BOARD, b"\x61\x00\x00\x02\x00")),
    ("and is answered", "GOS-4", Answer(BOARD, b"\x61")),
    ("records please", "GOS-5", Want("deal/" + "0" * 32, (ID, bytes(32)))),
    ("two were taken", "GOS-21", Have(BOARD, (ID, bytes(32)))),
    ("push, and send this one", "GOS-22", Graft(BOARD, (ID,))),
    ("push from now on", "GOS-24", Graft(BOARD, ())),
    ("only tell", "GOS-23", Prune(BOARD)),
    ("a relay with nobody", "GOS-31", Join()),
    ("a relay with a place free", "GOS-31", Attach()),
    ("a place taken", "GOS-31", Attached()),
    ("no place", "GOS-31", Detach()),
    ("a newcomer", "GOS-32", Forward(RELAY, 6)),
    ("a newcomer at the end of its walk", "GOS-32", Forward(RELAY.replace("/tcp/4001", "/tcp/443/wss"), 0)),
    ("what I know", "GOS-33", Shuffle((RELAY, "/ip6/2001:db8::1/tcp/4001/p2p/" + "1" * 52))),
    ("nothing to tell", "GOS-34", Shuffle(())),
    ("as many as may be told", "GOS-33", Shuffled(tuple(f"/ip4/192.0.2.{n}/tcp/4001/p2p/{n}" for n in range(8)))),
    ("all of a range", "GOS-43", Fetch(BOARD, ((bytes(8), b"\xff" * 8, b""),))),
    ("marked ids of two ranges", "GOS-43", Fetch(BOARD, ((bytes(8), ID[:9], ID[:8]), (ID, ID + bytes(8), ID[:4])))),
    ("nothing to fetch", "GOS-43", Fetch(BOARD, ())),
    ("states are compared", "GOS-41", Compare(b"\x61\x00\x00\x02\x00")),
    ("and answered", "GOS-41", Compared(b"\x61")),
]
BAD: list[tuple[str, str, bytes]] = [
    ("no bytes", "ENC-8", b""),
    ("a float", "ENC-1", b"\x92\xa4want\xca\x00\x00\x00\x00"),
    ("not an array", "GOS-1", encode({"subscribe": [BOARD]})),
    ("an unknown word", "GOS-1", encode(["publish", [BOARD]])),
    ("a word in bytes", "GOS-1", encode([b"subscribe", [BOARD]])),
    ("scopes that are none", "GOS-1", encode(["subscribe", BOARD])),
    ("too few items", "GOS-1", encode(["sync", BOARD])),
    ("too many items", "GOS-1", encode(["answer", BOARD, b"", b""])),
    ("a message that is no bytes", "GOS-1", encode(["sync", BOARD, "a"])),
    ("a scope that is no text", "REC-7", encode(["subscribe", [BOARD.encode()]])),
    ("a scope of one part", "REC-7", encode(["want", "board", [ID]])),
    ("a scope with a space", "REC-7", encode(["subscribe", ["board/tea/an y"]])),
    ("a scope that climbs", "REC-7", encode(["subscribe", ["board/../any"]])),
    ("a scope of 129 bytes", "REC-7", encode(["subscribe", ["board/" + "a" * 123]])),
    ("257 scopes", "GOS-2", encode(["subscribe", [BOARD] * 257])),
    ("257 scopes no more", "GOS-2", encode(["unsubscribe", [BOARD] * 257])),
    ("an id of 31 bytes", "GOS-5", encode(["want", BOARD, [ID[1:]]])),
    ("an id that is a text", "GOS-5", encode(["want", BOARD, [ID.hex()]])),
    ("1,001 ids", "ENC-6", encode(["want", BOARD, [ID] * 1001])),
    ("a have of 31 bytes", "GOS-5", encode(["have", BOARD, [ID[1:]]])),
    ("a have of a map", "GOS-1", encode(["have", BOARD, {}])),
    ("a have without a scope", "GOS-1", encode(["have", [ID]])),
    ("a graft of 1,001 ids", "ENC-6", encode(["graft", BOARD, [ID] * 1001])),
    ("a graft of a scope that climbs", "REC-7", encode(["graft", "board/../any", []])),
    ("a prune of several scopes", "REC-7", encode(["prune", [BOARD, OTHER]])),
    ("a prune with an id", "GOS-1", encode(["prune", BOARD, ID])),
    ("a join with an address", "GOS-1", encode(["join", RELAY])),
    ("a forward of 7 hops", "GOS-30", encode(["forward", RELAY, 7])),
    ("a forward of fewer than none", "GOS-30", encode(["forward", RELAY, -1])),
    ("a forward of true hops", "GOS-30", encode(["forward", RELAY, True])),
    ("a forward without hops", "GOS-1", encode(["forward", RELAY])),
    ("an address in bytes", "GOS-30", encode(["forward", RELAY.encode(), 6])),
    ("an address without a peer", "GOS-30", encode(["forward", RELAY.partition("/p2p/")[0], 6])),
    ("an address with a path", "GOS-30", encode(["forward", RELAY + "/p2p-circuit", 6])),
    ("an address of another kind", "GOS-30", encode(["shuffle", ["/unix/tmp/p2p/x"]])),
    ("an address with a space", "GOS-30", encode(["shuffled", [RELAY.replace("example", "exa mple")]])),
    ("an address of 513 characters", "GOS-30", encode(["shuffle", ["/dns4/" + "a" * 495 + "/tcp/1/p2p/x"]])),
    ("nine addresses", "GOS-30", encode(["shuffled", [RELAY] * 9])),
    ("131,073 bytes", "ENC-6", encode(["sync", BOARD, bytes(131_073 - 24)])),
    ("a range of two items", "GOS-43", encode(["fetch", BOARD, [[bytes(8), bytes(8)]]])),
    ("a range that is bytes", "GOS-43", encode(["fetch", BOARD, [bytes(8)]])),
    ("ranges that are bytes", "GOS-1", encode(["fetch", BOARD, bytes(8)])),
    ("a point of 7 bytes", "GOS-43", encode(["fetch", BOARD, [[bytes(7), bytes(8), b""]]])),
    ("a point of 41 bytes", "GOS-43", encode(["fetch", BOARD, [[bytes(8), bytes(41), b""]]])),
    ("a range that descends", "GOS-43", encode(["fetch", BOARD, [[bytes(7) + b"\1", bytes(8), b""]]])),
    ("a mark of 3 bytes", "GOS-43", encode(["fetch", BOARD, [[bytes(8), bytes(8), bytes(3)]]])),
    ("marks that are a text", "GOS-43", encode(["fetch", BOARD, [[bytes(8), bytes(8), "abcd"]]])),
    ("2,049 marks", "GOS-43", encode(["fetch", BOARD, [[bytes(8), bytes(8), bytes(4 * 2049)]]])),
    ("1,001 ranges", "ENC-6", encode(["fetch", BOARD, [[bytes(8), bytes(8), b""]] * 1001])),
    ("a fetch of no scope", "REC-7", encode(["fetch", "board", []])),
    ("a comparison that is a text", "GOS-1", encode(["compare", "a"])),
    ("a comparison of a scope", "GOS-1", encode(["compare", BOARD, b"a"])),
]


def vectors() -> dict[str, Any]:
    """spec/vectors/gossip.json."""
    cases: list[dict[str, Any]] = []
    for name, clause, message in GOOD:
        plain = [type(message).__name__.lower(), *(getattr(message, field) for field in message.__slots__)]
        output = [_shown(part) for part in plain]
        cases.append(
            {"name": name, "clause": clause, "input": {"message": encode_message(message).hex()}, "output": output}
        )
    for name, clause, data in BAD:
        cases.append({"name": name, "clause": clause, "input": {"message": data.hex()}, "reject": clause})
    return {"name": "gossip", "spec": "03-gossip", "cases": cases}


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_shown(one) for one in value]
    return value.hex() if isinstance(value, bytes) else value


def test_committed_vectors() -> None:
    """spec/vectors/gossip.json is what the code makes."""
    assert json.loads(VECTORS.read_text()) == vectors()


@pytest.mark.parametrize(("name", "clause", "message"), GOOD)
def test_messages_there_and_back(name: str, clause: str, message: Message) -> None:
    """GOS-1."""
    assert parse_message(encode_message(message)) == message


@pytest.mark.parametrize(("name", "clause", "data"), BAD)
def test_messages_that_are_none(name: str, clause: str, data: bytes) -> None:
    """GOS-1, GOS-2, GOS-5."""
    with pytest.raises(Reject) as error:
        parse_message(data)
    assert error.value.code == clause


# Two and three peers


class Peer:
    """A node's engine without a driver: what it holds, and what it says to whom."""

    def __init__(self, name: str, role: str = "home", scopes: tuple[str, ...] = (BOARD,)) -> None:
        self.me = persona(name)
        settings = Settings(NETWORK, role, {TEMPLATE.hash: TEMPLATE}, {"handmade": TIMES}, grain_ms=1)
        facts = {f"scope/{scope}": b"1" for scope in scopes}
        self.engine = Engine(settings, [self.me], Random(1), Random(2).randbytes, facts)
        for scope in scopes:
            self.engine.load(scope, ())
        self.now = START_MS

    def handle(self, event: Any) -> list[Effect]:
        return self.engine.handle(event, self.now)

    def link(self, *peers: str, outbound: bool = False, scopes: tuple[str, ...] = (BOARD,)) -> None:
        """Neighbours that follow these scopes."""
        for peer in peers:
            self.handle(PeerConnected(peer, outbound))
            self.hear(peer, Subscribe(scopes))

    def hear(self, peer: str, message: Message) -> list[Effect]:
        return self.handle(MessageReceived(peer, encode_message(message)))

    def take(self, record: Record, peer: str) -> list[Effect]:
        return self.handle(RecordReceived(record, peer))

    def held(self, scope: str = BOARD) -> int:
        (reply,) = [one for one in self.handle(Submit(1, ask.AskDigest(scope))) if isinstance(one, Reply)]
        count: int = reply.result["records"]
        return count

    def settle(self) -> list[Effect]:
        """Ticks until nothing is due."""
        found = self.handle(Tick())
        while self.engine.deadline is not None and self.engine.deadline <= self.now:
            found += self.handle(Tick())
        return found


def sent(effects: list[Effect]) -> list[tuple[str, Message]]:
    return [(one.peer, parse_message(one.message)) for one in effects if isinstance(one, Send)]


def stored(effects: list[Effect]) -> list[bytes]:
    return [one.record.id for one in effects if isinstance(one, Store)]


def note(
    number: int, *refs: Record, by: str = "ann", scope: str = BOARD, created: int = START_MS, size: int = 0
) -> Record:
    """A record of a kind that nobody knows: it says nothing and can have parents."""
    body = {"n": number, "x": bytes(size)}
    parents = tuple(one.id for one in refs)
    return Record.sign(
        persona(by), NETWORK, "note.1", scope, body, created=created, expires=created + HOUR, refs=parents
    )


def intent(
    name: str, seq: int = 0, readiness: str = "ready", by: str = "ann", expires: int = START_MS + HOUR
) -> Record:
    body = {"template": TEMPLATE.hash, "want": 3, "tolerate": 1, "spend_minor": 3_000, "readiness": readiness}
    body |= {"ready_by": START_MS, "levels": {}, "terms": []}
    slot = Slot("latest", name, seq)
    return Record.sign(persona(by), NETWORK, "intent.1", BOARD, body, created=START_MS, expires=expires, slot=slot)


def test_a_link_begins_with_subscriptions_and_the_dialler_asks() -> None:
    """GOS-4: the dialler says what it follows and reconciles, at once, on following, and from time to time; the other
    side answers with what it follows of that, and names nothing first.
    """
    home, relay = Peer("home"), Peer("relay", "relay")
    said = sent(home.handle(PeerConnected("relay", True)))
    assert said[0] == ("relay", Subscribe((BOARD,)))
    assert [type(message) for _, message in said] == [Subscribe, Sync]
    assert sent(relay.handle(PeerConnected("home", False))) == []
    assert sent(relay.hear("home", Subscribe((BOARD,)))) == [("home", Subscribe((BOARD,)))]
    home.settle()
    added = sent(home.handle(Submit(1, ask.Watch("tea", "u10"))))
    assert [type(message) for _, message in added] == [Subscribe, Sync]
    assert added[0] == ("relay", Subscribe((OTHER,)))
    assert [message.scope for _, message in added if isinstance(message, Sync)] == [OTHER]
    home.settle()
    home.now += 30_000  # nothing was answered, and is given up
    assert home.engine.deadline == home.now
    assert not sent(home.settle())
    deadline = home.engine.deadline or 0
    assert 30_000 <= deadline - home.now < 45_000
    home.now = deadline
    assert [message.scope for _, message in sent(home.settle()) if isinstance(message, Sync)] == [BOARD, OTHER]
    relay.now += 100_000
    assert not [message for _, message in sent(relay.settle()) if isinstance(message, Sync)]


def test_a_long_list_of_scopes_goes_out_in_several_messages() -> None:
    """GOS-2: 256 scopes a message."""
    home = Peer("home", scopes=tuple(f"board/tea/{n}" for n in range(300)))
    lists = [one.scopes for _, one in sent(home.handle(PeerConnected("relay", True))) if isinstance(one, Subscribe)]
    assert [len(one) for one in lists] == [256, 44]


def test_who_dials_in_learns_no_scope_that_it_does_not_name() -> None:
    """GOS-4: the name of a co-op's scope is what opens it; a stranger hears of none, whatever happens in it later."""
    coop = "coop/" + "ab" * 16
    relay = Peer("relay", "relay", scopes=())
    relay.handle(PeerConnected("member", False))
    assert sent(relay.hear("member", Subscribe((coop, BOARD)))) == [("member", Subscribe((coop, BOARD)))]
    said = sent(relay.handle(PeerConnected("stranger", False)))
    said += sent(relay.hear("stranger", Subscribe((BOARD,))))
    said += sent(relay.settle())
    assert [(peer, message) for peer, message in said if peer == "stranger"] == [("stranger", Subscribe((BOARD,)))]


def test_two_peers_find_out_what_each_lacks() -> None:
    """GOS-4, GOS-5: the whole dialogue of a session, message by message."""
    home, relay = Peer("home"), Peer("relay", "relay")
    mine, theirs = [note(n, by="home") for n in range(3)], [note(n, by="relay") for n in range(2)]
    both = note(7)
    for record in (*mine, both):
        home.take(record, "")
    for record in (*theirs, both):
        relay.take(record, "")
    relay.handle(PeerConnected("home", False))
    talk = [message for _, message in sent(home.handle(PeerConnected("relay", True)))]
    given: list[tuple[str, tuple[bytes, ...]]] = []
    words = []
    while talk:
        words.append(type(talk[0]).__name__)
        for effect in relay.hear("home", talk.pop(0)):
            if isinstance(effect, SendRecords):
                given.append(("relay", effect.ids))
            elif isinstance(effect, Send) and isinstance(answer := parse_message(effect.message), Answer):
                words.append("Answer")
                effects = home.hear("relay", answer)
                given += [("home", one.ids) for one in effects if isinstance(one, SendRecords)]
                talk += [message for _, message in sent(effects)]
    assert words == ["Subscribe", "Sync", "Answer", "Fetch"]
    assert given[0] == ("home", tuple(sorted(one.id for one in mine)))
    assert given[1:] == [("relay", tuple(sorted(one.id for one in theirs)))]


def test_an_answer_nobody_asked_for_changes_nothing() -> None:
    """GOS-3: nor does a sync or want about a scope that is not followed, or a message from no neighbour."""
    home = Peer("home")
    home.link("relay", outbound=True)
    digest = home.engine.digest(BOARD)
    assert home.hear("relay", Answer(OTHER, b"\x61")) == []
    assert home.hear("relay", Sync(OTHER, b"\x61\x00\x00\x02\x00")) == []
    assert home.hear("relay", Want(OTHER, (ID,))) == []
    with pytest.raises(Ignore) as error:
        home.hear("stranger", Want(BOARD, (ID,)))
    assert error.value.code == "GOS-3"
    assert home.engine.digest(BOARD) == digest


def test_a_want_is_given_what_is_held() -> None:
    """GOS-5: the rest is passed over."""
    home = Peer("home")
    home.link("relay")
    record = note(1)
    home.take(record, "relay")
    assert home.hear("relay", Want(BOARD, (ID, record.id))) == [SendRecords("relay", BOARD, (record.id,))]


def test_what_a_certified_manifest_lists_is_asked_of_everybody_who_may_have_it() -> None:
    """GOS-5, DEC-19: of whom it dialled and who subscribes, again after a minute, until it is there."""
    made = Handmade()
    lost = next(one for one in made.records if one.kind == "pledge.1")
    home = Peer("home", scopes=(made.scope,))
    home.link("ann", scopes=(made.scope,))
    home.link("ben", outbound=True, scopes=())
    home.link("cat", scopes=())
    home.now = made.now

    def wanted() -> list[tuple[str, Message]]:
        return [(peer, message) for peer, message in sent(home.settle()) if isinstance(message, Want)]

    for record in made.records:
        if record is not lost and record.scope == made.scope:
            home.take(record, "ann")
    asked = [(peer, Want(made.scope, (lost.id,))) for peer in ("ann", "ben")]
    assert wanted() == asked
    home.now += 59_000
    assert wanted() == []
    home.now += 1_000
    assert wanted() == asked
    home.take(lost, "ann")
    home.now += 60_000
    assert wanted() == []


def test_a_new_record_goes_to_those_who_follow_but_not_back() -> None:
    """GOS-10: stored first; not to the source; not to those who do not subscribe; never twice."""
    home = Peer("home")
    home.link("ann", "ben")
    home.link("cat", scopes=(OTHER,))
    record = note(1)
    assert home.take(record, "ann") == [Store(record, False), Publish(record, ("ben",))]
    assert [one for one in home.take(record, "ben") if not isinstance(one, Send)] == []
    home.hear("ben", Unsubscribe((BOARD,)))
    assert home.take(note(2), "ann")[1:] == []


def test_an_own_record_is_stored_then_offered_to_all_who_follow() -> None:
    """GOS-10."""
    home = Peer("home")
    home.link("ann", "ben")
    effects = home.handle(Submit(1, ask.AddIntent("tea", "tea", "any", 1, 0, 1, "ready", START_MS + HOUR)))
    kinds = [type(one) for one in effects if isinstance(one, Store | Publish)]
    assert kinds == [Store, Publish]
    (offered,) = [one for one in effects if isinstance(one, Publish)]
    assert offered.peers == ("ann", "ben")


def test_records_are_judged_in_order_and_nothing_changes() -> None:
    """GOS-9: each check with its clause; a record that fails several is told the first."""
    late, old = START_MS + CLOCK_AHEAD_MS_MAX + 1, START_MS - 2 * HOUR
    cases = [
        ("REC-13", note(1, created=late)),
        ("REC-13", note(1, created=late, scope=OTHER)),
        ("GOS-3", note(1, scope=OTHER)),
        ("GOS-3", note(1, created=old, scope=OTHER)),
        ("REC-13", note(1, created=old)),
        ("REC-13", note(1, note(2), created=old)),
    ]
    for clause, record in cases:
        home = Peer("home")
        home.link("ann")
        digest, deadline = home.engine.digest(BOARD), home.engine.deadline
        with pytest.raises(Ignore) as error:
            home.take(record, "ann")
        assert error.value.code == clause
        assert (home.engine.digest(BOARD), home.engine.deadline) == (digest, deadline)


def test_who_has_no_say_is_ignored() -> None:
    """GOS-9: in a co-op (FRM-24) and in a deal (NEG-42), whoever forwards it; nobody is at fault."""
    made = Handmade()
    home = Peer("home", scopes=(made.scope, made.deal_scope))
    home.link("ann", scopes=(made.scope, made.deal_scope))
    vote = next(one for one in made.records if one.kind == "vote.1" and one.scope == made.scope)
    for scope, clause in ((made.scope, "FRM-24"), (made.deal_scope, "NEG-42")):
        stranger = Record.sign(
            persona("eve"), NETWORK, "vote.1", scope, vote.body, created=START_MS, expires=START_MS + HOUR,
            slot=vote.header.slot,
        )  # fmt: skip
        with pytest.raises(Ignore) as error:
            home.take(stranger, "ann")
        assert error.value.code == clause
    for record in made.records:
        home.take(record, "ann")
    assert home.held(made.scope) + home.held(made.deal_scope) == len(made.records)


# Waiting


def test_a_child_waits_for_its_parents_and_only_its_sender_is_asked() -> None:
    """GOS-6: neither stored nor offered until then; the parent may come from anybody."""
    home = Peer("home")
    home.link("ann", "ben")
    parent = note(1)
    child = note(2, parent)
    assert home.take(child, "ann") == [Send("ann", encode_message(Want(BOARD, (parent.id,))))]
    assert home.held() == 0
    effects = home.take(parent, "ben")
    assert stored(effects) == [parent.id, child.id]
    assert [(one.record.id, one.peers) for one in effects if isinstance(one, Publish)] == [
        (parent.id, ("ann",)),
        (child.id, ("ben",)),
    ]


def test_what_waits_is_forgotten_with_the_link() -> None:
    """GOS-6."""
    home = Peer("home")
    home.link("ann", "ben")
    parent = note(1)
    home.take(note(2, parent), "ann")
    home.handle(PeerDisconnected("ann"))
    assert stored(home.take(parent, "ben")) == [parent.id]


def test_a_chain_longer_than_any_stack() -> None:
    """GOS-6: five neighbours, each with as many waiting records as it may have, one long line of descent."""
    home = Peer("home")
    peers = [f"p{n}" for n in range(5)]
    home.link(*peers)
    chain = [note(0)]
    for number in range(1, len(peers) * PENDING_PER_PEER_MAX):
        chain.append(note(number, chain[-1], by=f"a{number % 8}"))
    for number, record in reversed(list(enumerate(chain))[1:]):
        home.take(record, peers[number % len(peers)])
    assert stored(home.take(chain[0], peers[0])) == [one.id for one in chain]


def test_waiting_is_bounded_by_number_and_weight() -> None:
    """GOS-6: the oldest make room, of this neighbour only."""
    home = Peer("home")
    home.link("ann", "eve")
    parent = note(0)
    honest = note(1, parent)
    home.take(honest, "ann")
    flood = [note(n, parent, by="eve") for n in range(PENDING_PER_PEER_MAX + 10)]
    for record in flood:
        home.take(record, "eve")
    released = stored(home.take(parent, "ann"))
    assert released == [parent.id, honest.id, *(one.id for one in flood[10:])]

    neighbour = Peer("other", scopes=("trust/0",))
    neighbour.link("eve", scopes=("trust/0",))
    parent = note(0, scope="trust/0")
    heavy = [heavy_child(n, parent) for n in range(PENDING_BYTES_MAX // 60_000 + 3)]
    for record in heavy:
        neighbour.take(record, "eve")
    kept = stored(neighbour.take(parent, "eve"))[1:]
    assert kept == [one.id for one in heavy[-len(kept) :]]
    assert sum(len(one.raw) for one in heavy if one.id in kept) <= PENDING_BYTES_MAX < len(heavy) * 60_000


def heavy_child(number: int, parent: Record) -> Record:
    """A record of a known kind, about as large as one can be."""
    raws = [bytes(20_000)] * 3
    body = {"subject": ID, "role": "member", "agreement": ID, "outcome": "kept", "dimensions": {}, "remark": ""}
    return Record.sign(
        persona("eve"), NETWORK, "attestation.1", "trust/0", body | {"evidence": raws}, created=START_MS,
        expires=START_MS + HOUR, slot=Slot("once", str(number), 0), refs=(parent.id,),
    )  # fmt: skip


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_any_order_of_arrival_ends_alike(seed: int, count: int) -> None:
    """GOS-6: a family of records, over three links, shuffled; all is held in the end, and stored parents first."""
    rng = Random(seed)
    family: list[Record] = []
    for number in range(count):
        family.append(note(number, *rng.sample(family, min(len(family), rng.randrange(3)))))
    order = rng.sample(family, len(family))
    home = Peer("home")
    home.link("a", "b", "c")
    done: list[bytes] = []
    for record in order:
        done += stored(home.take(record, rng.choice("abc")))
    assert sorted(done) == sorted(one.id for one in family)
    places = {record_id: place for place, record_id in enumerate(done)}
    assert all(places[ref] < places[one.id] for one in family for ref in one.header.refs)


# Bounds


def test_scopes_of_one_neighbour_are_bounded() -> None:
    """GOS-2: those beyond are passed over, and the neighbour is told nothing and loses nothing."""
    relay = Peer("relay", "relay", scopes=())
    relay.handle(PeerConnected("eve", False))
    relay.handle(PeerConnected("ann", False))
    names = [f"board/tea/{n}" for n in range(SCOPES_PER_PEER_MAX + 300)]
    for at in range(0, len(names), 256):
        relay.hear("eve", Subscribe(tuple(names[at : at + 256])))
    assert relay.engine.carried() == tuple(names[:SCOPES_PER_PEER_MAX])
    relay.hear("ann", Subscribe((BOARD,)))
    assert relay.take(note(1), "ann")


def test_a_relay_carries_what_is_asked_for_and_no_longer() -> None:
    """GOS-3: it follows back; the last one to leave ends it, what is stored stays; a home node carries nothing."""
    relay = Peer("relay", "relay", scopes=())
    for peer in ("ann", "ben"):
        relay.handle(PeerConnected(peer, False))
    with pytest.raises(Ignore):
        relay.take(note(1), "ann")
    assert sent(relay.hear("ann", Subscribe((BOARD,)))) == [("ann", Subscribe((BOARD,)))]
    relay.hear("ben", Subscribe((BOARD,)))
    assert stored(relay.take(note(1), "ann"))
    relay.hear("ann", Unsubscribe((BOARD,)))
    assert relay.engine.carried() == (BOARD,)
    relay.handle(PeerDisconnected("ben"))
    assert relay.engine.carried() == ()
    relay.settle()
    assert relay.engine.deadline is None or relay.engine.deadline > relay.now
    assert relay.hear("ann", Subscribe((BOARD,)))
    assert relay.engine.needs(RecordReceived(note(1), "ann")) == (BOARD,)
    relay.engine.load(BOARD, [note(1)])
    assert relay.held() == 1

    home = Peer("home", scopes=())
    home.handle(PeerConnected("ann", False))
    home.hear("ann", Subscribe((BOARD,)))
    assert home.engine.scopes() == ()


def test_a_sync_is_a_subscription_too() -> None:
    """GOS-4: the subscribe before it was lost; the relay follows, answers, and offers what is new."""
    relay = Peer("relay", "relay", scopes=())
    for peer in ("ann", "ben"):
        relay.handle(PeerConnected(peer, False))
    said = sent(relay.hear("ann", Sync(BOARD, b"\x61\x00\x00\x02\x00")))
    assert [(peer, type(message)) for peer, message in said][-1] == ("ann", Answer)
    relay.hear("ben", Subscribe((BOARD,)))
    assert [one.peers for one in relay.take(note(1), "ben") if isinstance(one, Publish)] == [("ann",)]


def test_what_a_node_follows_for_itself_no_neighbour_can_end() -> None:
    """GOS-3."""
    relay = Peer("relay", "relay")
    relay.link("ann")
    relay.hear("ann", Unsubscribe((BOARD,)))
    relay.handle(PeerDisconnected("ann"))
    assert relay.engine.scopes() == (BOARD,)


def test_scopes_that_strangers_make_a_relay_carry_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-3: with a smaller number; room comes back when somebody leaves."""
    monkeypatch.setattr("protocol.engine.network.links.SCOPES_CARRIED_MAX", 10)
    relay = Peer("relay", "relay", scopes=())
    for peer in ("eve", "ann"):
        relay.handle(PeerConnected(peer, False))
    relay.hear("eve", Subscribe(tuple(f"board/tea/{n}" for n in range(30))))
    assert len(relay.engine.carried()) == 10
    relay.handle(PeerDisconnected("eve"))
    relay.hear("ann", Subscribe((BOARD,)))
    assert relay.engine.carried() == (BOARD,)


def test_a_relay_that_is_a_witness_stays_whoever_leaves() -> None:
    """GOS-3, GOS-10: it has the charter before any reconciliation, and from its acceptance on the scope is its own."""
    world = World(1, [short_template()], Faults(latency_ms=(20, 20)))
    world.add("relay", "relay")
    world.add("home", "home", ["relay"])
    world.run(1_000)
    world.ask("home", ask.AddIntent("power", "electricity", "any", 1, 0, 1, "ready", world.now + HOUR))
    witness = world.nodes["relay"].persona.key
    founded = world.ask("home", ask.FoundCoop("power", "Power", 2, 5, "simulated", 0, (witness,)))
    world.run(3_000)
    world.crash("home")
    engine = world.nodes["relay"].engine
    assert engine is not None
    assert [scope for scope in engine.scopes() if scope.startswith("coop/")] == ["coop/" + founded["coop"].hex()]


def test_five_live_intents_and_a_withdrawal_makes_room() -> None:
    """GOS-7: a sixth name is ignored, a new version is not, a withdrawn one comes back only into room."""
    home = Peer("home")
    home.link("ann")
    for number in range(LIVE_INTENTS_MAX):
        assert home.take(intent(f"i{number}"), "ann")
    with pytest.raises(Ignore) as error:
        home.take(intent("more"), "ann")
    assert error.value.code == "GOS-7"
    assert home.take(intent("i0", 1), "ann")
    assert home.take(intent("elsewhere", 0, by="ben"), "ann")
    assert home.take(intent("never-seen", 3, "withdrawn"), "ann")
    assert home.take(intent("i0", 2, "withdrawn"), "ann")
    assert home.take(intent("more"), "ann")
    with pytest.raises(Ignore):
        home.take(intent("i0", 3), "ann")


def test_expired_intents_are_not_live() -> None:
    """GOS-7, GOS-11: time makes room too."""
    home = Peer("home")
    home.link("ann")
    for number in range(LIVE_INTENTS_MAX):
        home.take(intent(f"i{number}", expires=START_MS + 1_000), "ann")
    home.now += 1_000
    assert home.take(intent("more"), "ann")
    home.settle()
    assert home.held() == 1


def test_what_has_expired_on_a_board_is_dropped_and_not_served() -> None:
    """GOS-11: and does not come back from a neighbour whose clock is behind."""
    home = Peer("home")
    home.link("ann")
    record = intent("tea", expires=START_MS + 1_000)
    home.take(record, "ann")
    home.settle()
    assert home.engine.deadline == START_MS + 1_000
    home.now += 1_000
    home.settle()
    assert home.hear("ann", Want(BOARD, (record.id,))) == [SendRecords("ann", BOARD, ())]
    with pytest.raises(Ignore) as error:
        home.take(record, "ann")
    assert error.value.code == "REC-13"


def test_authors_and_their_records_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-8: with smaller numbers, the first come stay."""
    monkeypatch.setattr("protocol.record.log.AUTHORS_MAX", 3)
    monkeypatch.setattr("protocol.record.log.AUTHOR_RECORDS_MAX", 4)
    home = Peer("home")
    home.link("p")
    for number in range(3):
        home.take(note(number, by=f"a{number}"), "p")
    with pytest.raises(Ignore) as error:
        home.take(note(9, by="a9"), "p")
    assert error.value.code == "GOS-8"
    for number in range(10, 13):
        home.take(note(number, by="a0"), "p")
    with pytest.raises(Ignore) as error:
        home.take(note(13, by="a0"), "p")
    assert error.value.code == "GOS-8"
    assert home.held() == 6


@given(st.lists(st.binary(max_size=80) | st.sampled_from([data for _, _, data in BAD]), max_size=5))
def test_no_bytes_of_a_neighbour_do_more_than_refuse(noise: list[bytes]) -> None:
    """GOS-1: anything is a message, or Reject or Ignore, and the records held stay."""
    home = Peer("home")
    home.link("ann", outbound=True)
    record = note(1)
    home.take(record, "ann")
    for data in noise:
        for whole in (data, encode(["sync", BOARD, data]), encode(["answer", BOARD, data])):
            try:
                home.handle(MessageReceived("ann", whole))
            except (Reject, Ignore):
                continue
    assert home.held() == 1


# Three nodes, some time


def test_what_one_says_reaches_all_and_who_slept_catches_up() -> None:
    """GOS-4, GOS-10: through a relay at once; after sleep by reconciliation."""
    world = World(7, [short_template()])
    world.add("relay", "relay")
    for name in ("ann", "ben", "cat"):
        world.add(name, "home", ["relay"])
        world.ask(name, ask.Watch("electricity", "any"))
    world.run(1_000)
    world.crash("cat")
    said = ask.AddIntent("power", "electricity", "any", 300, 0, 9_000, "ready", world.now + HOUR, ("basic",))
    first = world.ask("ann", said)["id"]
    world.run(1_000)
    assert first in world.nodes["ben"].records
    assert first not in world.nodes["cat"].records
    world.crash("ann")
    world.start("cat")
    world.run(2_000)
    assert first in world.nodes["cat"].records
    assert len(set(world.digests("board/electricity/any").values())) == 1
