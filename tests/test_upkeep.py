"""Beside the loop: a server that goes away, processes that share a store, and what ended is gone for good."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node import daemon as daemon_module
from node.daemon import Daemon
from node.measures import Measures
from node.mesh import Acknowledged, MeshConfig
from node.store import Store, postgres
from node.upkeep import UNASKED_MS, Upkeep
from protocol import commands as ask
from protocol import events as ev
from protocol.engine import Engine
from protocol.errors import CommandError, Ignore
from protocol.identity import Persona
from tests import fakes_engine
from tests.deals import NETWORK, START_MS, TEMPLATE
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
    """STO-25: meanwhile every request is refused in one sentence, the status says why, and nothing acknowledged goes."""
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
            await asyncio.wait([asyncio.ensure_future(_refused(daemon))], timeout=0.05)
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


async def _refused(daemon: Daemon) -> None:
    try:
        await daemon.submit(("list", fakes_engine.SCOPE))
    except CommandError as error:
        assert error.code == "STO-25"


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


def test_what_one_relay_takes_the_other_hands_on_at_once(postgres: Postgres, tmp_path: Path) -> None:
    """STO-24: two relays share a store and know nothing of each other; a home at each sees what the other's home says."""
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
