"""Whose room a scope is: bytes, equal shares, the strangers of one link, the parties of a deal (03-gossip, 08)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Ignore
from protocol.events import RecordReceived
from protocol.network import bounds
from protocol.network.bounds import SMALL_BYTES, Bound, bound_of, check_room, crowded
from protocol.network.shelf import Shelf
from protocol.params import NEWCOMERS_MAX
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, START_MS, persona
from tests.test_accountability import deal_of, key, town_until
from tests.test_gossip import BOARD, HOUR, Peer, note

NARROW = Bound(authors=40, author_records=10, author_bytes=20_000, scope_bytes=100_000)
RECORD_BYTES = len(note(1, size=700).raw)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boards of a size that a test can fill."""
    monkeypatch.setattr(bounds, "BOUNDS", {"board": NARROW})


def clause(does: Callable[[], object]) -> str:
    """By which clause it is ignored, "" when it is not."""
    try:
        does()
    except Ignore as refusal:
        return refusal.code
    return ""


@pytest.mark.parametrize(
    ("code", "authors", "records", "weight", "total", "more"),
    [
        ("", 1, 0, 0, 0, 20_000),
        ("GOS-48", 1, 0, 0, 0, 20_001),
        ("", 1, 9, 0, 0, 1),
        ("GOS-48", 1, 10, 0, 0, 1),
        ("GOS-48", 1, 0, 0, 99_999, 2),
        ("", 40, 1, 19_000, 49_000, 1_000),  # half is not used yet: no share
        ("", 5, 1, 9_000, 60_000, 1_000),  # the share of five: 10,000
        ("GOS-49", 5, 1, 9_000, 60_000, 1_001),
        ("", 40, 0, 0, 99_000, 1_000),
        ("GOS-49", 40, 1, 1_000, 51_000, 251),
    ],
)
def test_room(code: str, authors: int, records: int, weight: int, total: int, more: int) -> None:
    """GOS-48, GOS-49"""
    assert clause(lambda: check_room(NARROW, authors, records, weight, total, more)) == code


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(1, 3_000)), max_size=400))
def test_every_author_finds_its_share(said: list[tuple[int, int]]) -> None:
    """GOS-49: whatever was said before, forty authors have 1,250 bytes each, and nobody more than its bound."""
    weights, counts = dict.fromkeys(range(40), 0), dict.fromkeys(range(40), 0)
    for author, more in said:
        total, authors = sum(weights.values()), sum(map(bool, counts.values())) + (not counts[author])
        if not clause(partial(check_room, NARROW, authors, counts[author], weights[author], total, more)):
            weights[author] += more
            counts[author] += 1
    assert sum(weights.values()) <= NARROW.scope_bytes
    assert max(weights.values()) <= NARROW.author_bytes
    for author, weight in weights.items():
        if weight + 100 <= 1_250 and counts[author] < 10:
            room = partial(check_room, NARROW, 40, counts[author], weight, sum(weights.values()), 100)
            assert not clause(room)


def test_families() -> None:
    """GOS-48: few bytes for each of many on a board"""
    assert bound_of("board/electricity/u1").author_bytes < bound_of("trust/a").author_bytes
    assert bound_of("nothing/known") == bound_of("trust/a")
    assert crowded(NARROW, 21, 0)
    assert crowded(NARROW, 0, 50_001)
    assert not crowded(NARROW, 20, 50_000)


@pytest.mark.usefixtures("narrow")
def test_a_log_counts_bytes_and_forgets_them() -> None:
    """GOS-48"""
    log = Log(BOARD)
    flood = [note(number, by="eve", size=3_700) for number in range(9)]
    codes = [clause(partial(log.add, one)) for one in flood]
    assert codes == [""] * 5 + ["GOS-48"] * 4
    log.discard(flood[0].id)
    assert not clause(lambda: log.add(flood[6]))
    assert log.add(flood[8], standing=True).stored, "who has a say is bounded by records alone"
    for one in flood:
        log.discard(one.id)
    assert log._weight == 0
    assert not log._weights


def version(seq: int, size: int) -> Record:
    body = {"label": "x", "terms": ["t" * 8 + str(n) for n in range(10, 10 + min(size, 8))]}
    slot = Slot("latest", "p", seq)
    return Record.sign(
        persona("ann"), NETWORK, "profile.1", BOARD, body, created=START_MS, expires=START_MS + HOUR, slot=slot
    )


def test_a_small_version_always_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-48: a withdrawal finds room where nothing else does; a large version does not."""
    first, larger = version(1, 0), version(2, 8)
    assert len(larger.raw) < SMALL_BYTES
    tight = Bound(10, 10, len(first.raw), 10_000)
    for small, stored in ((SMALL_BYTES, True), (0, False)):
        monkeypatch.setattr(bounds, "BOUNDS", {"board": tight})
        monkeypatch.setattr("protocol.record.log.SMALL_BYTES", small)
        log = Log(BOARD)
        log.add(first)
        assert (clause(lambda: log.add(larger)) == "") is stored  # noqa: B023
        assert list(log.records) == [larger.id if stored else first.id]


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("role", ["home", "relay"])
def test_strangers_of_one_link_share_a_lane_when_it_is_crowded(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-50: others, those known before, and what this node fetches itself find room; the control has no lane."""
    monkeypatch.setattr("protocol.engine.coop.room.NEWCOMERS_MAX", 3)
    home = Peer("home", role)
    home.link("eve", "ann")
    home.link("relay", outbound=True)

    def take(author: str, peer: str, number: int = 0) -> str:
        return clause(lambda: home.take(note(number, by=author), peer))

    assert [take(f"a{n}", "eve") for n in range(21)] == [""] * 21
    assert [take(f"b{n}", "eve") for n in range(6)] == [""] * 3 + ["GOS-50"] * 3
    assert not take("a1", "eve", 1), "an author who was there before"
    assert not take("c1", "ann"), "another link has a lane of its own"
    assert [take(f"d{n}", "relay") for n in range(6)] == [""] * 6, "whom this node dialled"
    assert NEWCOMERS_MAX > 3


@pytest.mark.usefixtures("narrow")
def test_a_shelf_keeps_the_same_shares() -> None:
    """GOS-49: where a scope is only carried"""
    from protocol.record.outline import outline

    shelf = Shelf(BOARD)
    flood = [note(number, by=f"e{number % 20}", size=2_000) for number in range(60)]
    codes = [clause(partial(shelf.add, outline(one))) for one in flood]
    assert codes.count("") < 40
    assert "GOS-49" in codes
    honest = note(1, by="honest", size=100)
    assert not shelf.knows(honest.author)
    assert shelf.add(outline(honest))
    assert shelf.knows(honest.author)


def test_events_are_for_the_parties_of_the_agreement() -> None:
    """NEG-42: a stranger, and a member about another, are ignored; a member about itself and the supplier are not."""
    town = town_until("countersigned")
    shown, node = deal_of(town), town.world.nodes["m0"]
    engine = node.engine
    assert engine is not None
    deal = next(scope for scope in engine.scopes() if scope == "deal/" + shown["id"].hex())

    def event(name: str, member: bytes, number: int = 0) -> Record:
        who = persona("stranger") if name == "stranger" else town.world.nodes[name].persona
        body = {"agreement": shown["agreement"], "action": "receive", "member": member, "quantity": number}
        until = START_MS + 10**9
        now = town.world.now
        network = engine._core.settings.network
        return Record.sign(who, network, "event.1", deal, body | {"reference": ""}, created=now, expires=until)

    def told(record: Record) -> str:
        return clause(lambda: engine.handle(RecordReceived(record, "relay"), town.world.now))

    m0, m1, m3 = (key(town, name) for name in ("m0", "m1", "m3"))
    sold = next(name for name in town.suppliers if key(town, name) == shown["award"]["parts"][0]["supplier"])
    assert told(event("stranger", m1)) == "NEG-42"
    assert told(event("m1", m0)) == "NEG-42"
    assert told(event("m3", m3)) == "NEG-42", "declined: no party"
    assert told(event("m1", m1)) == ""
    assert told(event(sold, m0)) == ""


def test_an_event_that_comes_before_the_agreement_waits() -> None:
    """NEG-42, GOS-6: so that who holds it never depends on the order of arrival."""
    town = town_until("awarded")
    shown, engine = deal_of(town), town.world.nodes["m0"].engine
    assert engine is not None
    core = engine._core
    body = {"agreement": bytes(32), "action": "receive", "member": key(town, "m1"), "quantity": 1, "reference": ""}
    early = Record.sign(
        *(town.world.nodes["m1"].persona, core.settings.network, "event.1", "deal/" + shown["id"].hex(), body),
        created=town.world.now,
        expires=START_MS + 10**9,
    )
    assert clause(lambda: engine.handle(RecordReceived(early, "relay"), town.world.now)) == ""
    assert early.id in core.neighbours["relay"].pending
