"""Beside the loop: a server that goes away, processes that share a store, and what ended is gone for good."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node import daemon as daemon_module
from node.daemon import Daemon
from node.measures import Measures
from node.mesh import Acknowledged, MeshConfig
from node.store import Store, pruning
from node.upkeep import UNASKED_MS, Upkeep
from protocol import commands as ask
from protocol import events as ev
from protocol.engine import Engine
from protocol.errors import CommandError, Ignore
from protocol.identity import Persona
from protocol.network.gossip import Subscribe, encode_message
from protocol.record.record import Record
from tests import fakes_engine
from tests.deals import NETWORK, START_MS, TEMPLATE, Handmade
from tests.fakes_engine import FakeEngine
from tests.fakes_mesh import FakeMesh, Hub
from tests.postgres import Postgres
from tests.stages import entropy, settings
from tests.writer import numbered

PATIENCE_S = 30
HOUR = 3_600_000


def live(body: Awaitable[None]) -> None:
    """Runs a test's body, within a time."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await body

    asyncio.run(bounded())


# --- a server that goes away ----------------------------------------------------------------------------------------


def test_a_server_that_goes_away_is_waited_for(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """STO-25: meanwhile requests are refused in one sentence, the status says why, and nothing acknowledged is lost."""
    monkeypatch.setattr(daemon_module, "RETRY_MS", 20)
    url, say = postgres.database(), fakes_engine.said

    async def body() -> None:
        engine, hub, me, peer = FakeEngine(), Hub(), b"m" * 32, b"p" * 32
        store = await Store.open(url, fakes_engine.NETWORK, "a")
        daemon = Daemon(engine, store, fakes_engine.NETWORK, partial(FakeMesh, MeshConfig(NETWORK, me), hub=hub))
        await daemon.start()
        acks: asyncio.Queue[Any] = asyncio.Queue()
        other = FakeMesh(MeshConfig(NETWORK, peer), acks.put, hub)
        await other.start()
        await other.dial(f"fake/{me.hex()}")
        await daemon.submit(("say", 1))
        postgres.stop()
        for _ in range(2):
            with pytest.raises(CommandError, match="does not answer") as caught:
                await daemon.submit(("say", 2))
            assert caught.value.code == "STO-25"
        assert "does not answer" in (await daemon.submit(ask.AskStatus()))["trouble"]
        await other.publish((me.hex(),), (say(3).raw,))
        postgres.start()
        while daemon.trouble is not None:
            await asyncio.wait([asyncio.ensure_future(_tried(daemon))], timeout=0.05)
        await daemon.submit(("say", 4))
        await other.publish((me.hex(),), (say(5).raw,))
        codes = dict[int, str]()
        while len(codes) < 2:
            if isinstance(ack := await acks.get(), Acknowledged):
                codes[ack.batch] = ack.codes[0]
        assert codes[1] in ("", "STO-25")
        assert codes[2] == ""
        held = await daemon.submit(("list", fakes_engine.SCOPE))
        assert {1, 4, 5} <= set(held) <= {1, 3, 4, 5}
        assert sorted(held) == sorted(record.body["number"] for record in await store.by_scope(fakes_engine.SCOPE))
        assert set(engine.peers) == {peer.hex()}  # a link that came up is not forgotten
        await other.stop()
        await daemon.stop()

    live(body())


async def _tried(daemon: Daemon) -> None:
    with contextlib.suppress(CommandError):
        await daemon.submit(("list", fakes_engine.SCOPE))


# --- several processes on one store ---------------------------------------------------------------------------------


class Town:
    """Nodes with real engines and stores on a mesh of dictionaries."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.daemons: dict[str, Daemon] = {}

    async def add(self, name: str, place: Path | str, role: str, relays: tuple[str, ...] = ()) -> Daemon:
        seed = name.encode().ljust(32, b"-")
        store = await Store.open(place, NETWORK, name if isinstance(place, str) else "")
        told = settings(role, relays=tuple(f"fake/{one.encode().ljust(32, b'-').hex()}" for one in relays))
        engine = Engine(told, [Persona.from_seed(seed)], random.Random(name), entropy(name), await store.facts())
        make_mesh = partial(FakeMesh, MeshConfig(NETWORK, seed), hub=self.hub)
        daemon = self.daemons[name] = Daemon(engine, store, NETWORK, make_mesh)
        await daemon.start()
        for address in told.relays:
            await daemon.mesh.dial(address)
        return daemon


@asynccontextmanager
async def town() -> AsyncIterator[Town]:
    made = Town()
    try:
        yield made
    finally:
        for daemon in made.daemons.values():
            await daemon.stop()


def intent(name: str, now: int) -> ask.AddIntent:
    return ask.AddIntent(name, TEMPLATE.category, "any", 3, 1, 3_000, "ready", now + HOUR, ("basic",))


async def shows(daemon: Daemon, intents: int) -> None:
    """Waits until a board has so many intents."""
    while True:
        notices = daemon.subscribe()
        seen = asyncio.ensure_future(anext(notices))
        board = await daemon.submit(ask.AskDigest(f"board/{TEMPLATE.category}/any"))
        if board["records"] >= intents:
            seen.cancel()
            return
        await asyncio.wait([seen], timeout=0.2)
        seen.cancel()


def test_the_control_a_relay_that_does_not_listen_knows_nothing(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STO-24, negative control."""
    url, scope = postgres.database(), ask.AskDigest(f"board/{TEMPLATE.category}/any")

    async def deaf(*_: object) -> None:
        """Hears of nothing."""

    monkeypatch.setattr(Upkeep, "follow", deaf)

    async def body() -> None:
        async with town() as made:
            one, two = await made.add("one", url, "relay"), await made.add("two", url, "relay")
            left = await made.add("left", tmp_path / "left" / "node.db", "home", ("one",))
            right = await made.add("right", tmp_path / "right" / "node.db", "home", ("two",))
            await left.submit(intent("tea", one._time()))
            await shows(one, 1)
            await right.submit(intent("tea", one._time()))
            await shows(two, 2)  # read from the store when it was first asked for
            await left.submit(intent("coffee", one._time()))
            await shows(one, 2)
            assert (await two.submit(scope))["records"] == 2

    live(body())


def test_what_one_relay_takes_the_other_hands_on_at_once(postgres: Postgres, tmp_path: Path) -> None:
    """STO-24: two relays share a store and know nothing of each other; homes at both hear each other."""
    url = postgres.database()

    async def body() -> None:
        async with town() as made:
            one, two = await made.add("one", url, "relay"), await made.add("two", url, "relay")
            left = await made.add("left", tmp_path / "left" / "node.db", "home", ("one",))
            right = await made.add("right", tmp_path / "right" / "node.db", "home", ("two",))
            now = one._time()
            await left.submit(intent("tea", now))
            await right.submit(intent("tea", now))
            await shows(left, 2)
            await shows(right, 2)
            await left.submit(intent("coffee", now))  # now both relays have the board in memory
            await shows(right, 3)
            scope = f"board/{TEMPLATE.category}/any"
            digests = [await daemon.submit(ask.AskDigest(scope)) for daemon in (one, two, left, right)]
            assert {digest["records"] for digest in digests} == {3}
            assert digests[0] == digests[1]
            assert digests[2] == digests[3]

    live(body())


# --- what ended -----------------------------------------------------------------------------------------------------

MADE = Handmade(members=3, witnesses=1, suppliers=1)
END = next(one for one in MADE.records if one.kind == "charter.1").header.expires


def engine_of(role: str, facts: dict[str, bytes], now: int) -> Engine:
    told = settings(role)
    engine = Engine(told, [MADE.members[0]], random.Random(1), entropy(role), facts)
    engine.handle(ev.Tick(), now)
    return engine


@pytest.mark.parametrize("role", ["home", "relay"])
def test_what_ended_goes_whole_and_does_not_come_back(place: Path | str, role: str) -> None:
    """STO-21, STO-22: a peer that still holds it offers it in vain; a moment earlier it is taken (the control)."""
    scopes = tuple(dict.fromkeys(record.scope for record in MADE.records))
    facts = {f"scope/{scope}": b"1" for scope in scopes} if role == "home" else {}

    async def body() -> None:
        store = await Store.open(place, NETWORK, "a")
        engine, told = engine_of(role, facts, END - 10), list[ev.Event]()
        try:
            await store.append([(record, False) for record in MADE.records], facts)
            for scope in engine.scopes():
                engine.load(scope, await store.by_scope(scope))
            upkeep = Upkeep(store, engine, Measures(), lambda: END, told.append, 0)
            await upkeep.once(END - 10)
            assert told == []
            await upkeep.once(END)
            assert (await store.scopes(), await store.size(), told) == ({}, 0, [ev.ScopesPruned(scopes)])
            effects = engine.handle(told[0], END)
            assert {one.name for one in effects if isinstance(one, ev.Keep)} == set(facts)
            assert engine.resident() == engine.asked() == ()
        finally:
            await store.close()

    live(body())
    assert offered(role, END - 10) != []
    assert offered(role, END) == []


def offered(role: str, now: int) -> list[bytes]:
    """What a node without these records takes of them from a peer at `now`."""
    engine = engine_of(role, {}, now)
    engine.handle(ev.PeerConnected("p", False), now)
    scopes = tuple(dict.fromkeys(record.scope for record in MADE.records))
    if role == "relay":
        engine.handle(ev.MessageReceived("p", encode_message(Subscribe(scopes))), now)
    else:
        engine = engine_of(role, {f"scope/{scope}": b"1" for scope in scopes}, now)
        engine.handle(ev.PeerConnected("p", False), now)
    taken, codes = list[bytes](), dict[str, None]()
    for record in MADE.records:
        try:
            for scope in engine.needs(ev.RecordReceived(record, "p")):
                engine.load(scope, ())
            effects = engine.handle(ev.RecordReceived(record, "p"), now)
            taken += [one.record.id for one in effects if type(one) is ev.Store]
        except Ignore as error:
            codes[error.code] = None
    assert now < END or list(codes) == ["STO-22"]
    return taken


def test_a_stranger_neither_shortens_nor_prolongs_a_co_op(place: Path | str) -> None:
    """STO-21: its charter says when it ends, whatever else is said in its scope; without one, the last record does."""
    charter = next(one for one in MADE.records if one.kind == "charter.1")
    early, late = (numbered_in(charter.scope, life) for life in (1, 7 * 24 * HOUR))
    odd = numbered_in("coop/" + "0" * 32, 50)

    async def body() -> None:
        store = await Store.open(place, NETWORK)
        try:
            await store.append([(early, False), (odd, False)])
            await store.append([(charter, False)])
            await store.append([(late, False)])
            assert (await store.prune(END - 1)).scopes == (odd.scope,)
            assert (await store.prune(END)).scopes == (charter.scope,)
        finally:
            await store.close()

    live(body())


def numbered_in(scope: str, life: int) -> Record:
    return Record.sign(MADE.members[2], NETWORK, "entry.1", scope, {}, created=START_MS, expires=START_MS + life)


def test_two_nodes_forget_what_one_of_them_deleted(postgres: Postgres) -> None:
    """STO-21: each knows by itself what ended in its memory."""
    scopes = tuple(dict.fromkeys(record.scope for record in MADE.records))
    facts = {f"scope/{scope}": b"1" for scope in scopes}
    url = postgres.database()

    async def body() -> None:
        stores = [await Store.open(url, NETWORK, node) for node in "ab"]
        engines = [engine_of("home", facts, END - 10) for _ in stores]
        told: list[list[ev.Event]] = [[], []]
        await stores[0].append([(record, False) for record in MADE.records])
        for store, engine, events in zip(stores, engines, told, strict=True):
            for scope in engine.scopes():
                engine.load(scope, MADE.logs[scope][0].records.values())
            await Upkeep(store, engine, Measures(), lambda: END, events.append, 0).once(END)
        assert told[0] == told[1] == [ev.ScopesPruned(scopes)]
        for store in stores:
            await store.close()

    live(body())


# --- a bound on the disk --------------------------------------------------------------------------------------------


def test_what_nobody_asked_for_longest_goes_first(place: Path | str) -> None:
    """STO-23: expired ones before it; never what a node takes part in, nor what is asked for."""
    names = [f"trust/a{number}" for number in range(6)]
    now = START_MS + 10 * UNASKED_MS

    async def body() -> None:
        store = await Store.open(place, numbered(0).header.network, "a")
        try:
            gone = numbered(9, "board/x/y", created=1, life=5)
            await store.append([(gone, False), *((numbered(n, name), False) for n, name in enumerate(names))])
            await store.append([], {f"scope/{names[0]}": b"1"})
            for at, name in enumerate((names[4], names[2], names[5], names[3])):
                await store.touch([name], now - (9 - at) * UNASKED_MS)
            size = len(numbered(0, names[0]).raw)
            told = list[ev.Event]()
            engine = FakeEngine()
            engine.contexts = {names[1]: {}}
            upkeep = Upkeep(store, engine, Measures(), lambda: now, told.append, 4 * size + 20)
            await upkeep.once(now)
            assert set(await store.scopes()) == {names[number] for number in (0, 1, 5, 3)}
            assert told == [ev.ScopesPruned((names[4], names[2]))]
            assert upkeep.full == ""
            upkeep = Upkeep(store, engine, Measures(), lambda: now, told.append, size)
            await upkeep.once(now)
            assert set(await store.scopes()) == {names[0], names[1]}
            assert "raise store.max_mib" in upkeep.full
        finally:
            await store.close()

    live(body())


def test_writers_go_in_between_the_steps_of_pruning(place: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    """STO-21"""
    monkeypatch.setattr(pruning, "STEP", 5)

    async def body() -> None:
        store = await Store.open(place, numbered(0).header.network)
        try:
            old = [(numbered(number, "board/x/y", created=1, life=5), False) for number in range(200)]
            await store.append(old)
            task = asyncio.create_task(store.prune(10_000))
            for number in range(3):
                await store.append([(numbered(number), True)])
                assert not task.done()
            assert (await task).records == 200
        finally:
            await store.close()

    live(body())
