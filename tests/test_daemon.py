"""The loop: nothing is spoken before it is committed, and neither a bad record nor a bad disk ends it or changes it."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node import daemon as daemon_module
from node.daemon import INTERNAL, LOCAL_MAX, Daemon
from node.inbox import LANE_BYTES_MAX
from node.mesh import Connected, Disconnected, MeshConfig, MeshError, MeshEvent, Message, Received, weight
from node.store import Store, StoreError
from node.worker import compute
from protocol.commands import AddPeer, AskStatus
from protocol.errors import CommandError
from protocol.record.record import Record
from tests.fakes_disk import WornStore, no_file_grows_beyond
from tests.fakes_engine import ME, NETWORK, SCOPE, FakeEngine, said
from tests.fakes_mesh import FakeMesh, Hub

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 20


class Wire:
    """A mesh whose other end is the test: what is spoken is listed, and must be in the store by then."""

    def __init__(self, on_event: Callable[[MeshEvent], Awaitable[None]], store: Store) -> None:
        self.peer_id, self.addresses = "me", ["/memory/me"]
        self.announced: Sequence[str] = ()
        self.pid = self.restarts = 0
        self.on_event, self._store = on_event, store
        self.spoken: list[tuple[Any, ...]] = []
        self.early: list[bytes] = []  # records that were spoken before they were committed
        self.gate, self._stuck = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self._more = asyncio.Condition()

    async def start(self) -> None:
        await self._say("start")

    async def publish(self, peers: Sequence[str], raws: Sequence[bytes]) -> None:
        ids = [Record.parse(raw, NETWORK).id for raw in raws]
        held = await self._store.has(ids)
        self.early += [record_id for record_id in ids if record_id not in held]
        await self._say("publish", tuple(peers), tuple(raws))

    async def send(self, peer: str, message: bytes) -> None:
        await self._say("send", peer, message)

    async def dial(self, address: str, learned: bool = False) -> None:
        if not address.startswith("/"):
            raise MeshError(f"{address} is no address")
        await self._say("dial", address)

    async def forget(self, peer: str) -> None:
        await self._say("forget", peer)

    async def acknowledge(self, peer: str, batch: int, codes: Sequence[str]) -> None:
        await self._say("ack", peer, batch, tuple(codes))

    async def handled(self, peer: str, size: int) -> None:
        await self._say("handled", peer, size)

    async def drop(self, peer: str, code: str) -> None:
        await self._say("drop", peer, code)

    async def measure(self) -> None:
        await self._say("measure")

    async def stop(self) -> None:
        await self._say("stop")

    async def _say(self, *what: Any) -> None:
        if not self.gate.is_set():
            self._stuck.set()
            await self.gate.wait()
        self.spoken.append(what)
        async with self._more:
            self._more.notify_all()

    async def until(self, *what: Any) -> None:
        """Waits until exactly this was spoken."""
        async with asyncio.timeout(PATIENCE_S), self._more:
            await self._more.wait_for(lambda: what in self.spoken)

    async def halt(self) -> None:
        """The loop stands still, speaking, until the gate is set."""
        self.gate.clear()
        await self.on_event(Connected("slow", "/memory/x", True))
        await self._stuck.wait()

    async def deliver(self, batch: int, *records: Record | bytes, peer: str = "p") -> None:
        """A batch from a peer, as the mesh hands it on."""
        raws = tuple(record if isinstance(record, bytes) else record.raw for record in records)
        await self.on_event(Received(peer, batch, raws))


class Running:
    """A daemon with its parts in hand."""

    def __init__(self, folder: Path, store: WornStore, clock: Callable[[], int]) -> None:
        self.folder, self.store, self.engine = folder, store, FakeEngine()
        self.wires: list[Wire] = []
        self.daemon = Daemon(self.engine, store, NETWORK, self._make, clock)
        self.wire = self.wires[0]

    def _make(self, on_event: Callable[[MeshEvent], Awaitable[None]]) -> Wire:
        self.wires.append(Wire(on_event, self.store))
        return self.wires[0]


@asynccontextmanager
async def running(folder: Path, clock: Callable[[], int] = lambda: 5_000) -> AsyncIterator[Running]:
    """Opens the store, starts the loop; stops both."""
    run = Running(folder, await WornStore.open(folder / "log.sqlite", NETWORK), clock)
    try:
        await run.daemon.start()
        yield run
    finally:
        await run.daemon.stop()
    assert run.wire.early == []


def live(body: Awaitable[None]) -> None:
    """Runs a test's body, within a time."""

    async def bounded() -> None:
        async with asyncio.timeout(3 * PATIENCE_S):
            await body

    asyncio.run(bounded())


@pytest.fixture
def folder(tmp_path: Path, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Any:
    """A home. A test in which something failed INTERNALly without its saying so has failed."""
    yield tmp_path
    if not request.node.get_closest_marker("parametrize") and "internal" not in request.node.name:
        assert [record.message for record in caplog.records if INTERNAL in record.message] == []


def test_a_peers_record_is_committed_then_passed_on_then_acknowledged(folder: Path) -> None:
    """STO-2, STO-10"""

    async def body() -> None:
        async with running(folder) as run:
            for peer in ("p", "q"):
                await run.wire.on_event(Connected(peer, "/memory/x", peer == "q"))
            await run.wire.deliver(1, said(1), said(2))
            await run.wire.until("ack", "p", 1, ("", ""))
            published = run.wire.spoken.index(("publish", ("q",), (said(1).raw,)))
            assert published < run.wire.spoken.index(("ack", "p", 1, ("", "")))
            assert await run.store.by_scope(SCOPE) == [said(1), said(2)]
            assert run.engine.peers == {"p": False, "q": True}
            await run.wire.on_event(Disconnected("q", "gone"))
            assert await run.daemon.submit(("list", SCOPE)) == [1, 2]
            assert run.engine.peers == {"p": False}

    live(body())


def test_records_for_the_same_peers_travel_together(folder: Path) -> None:
    async def body() -> None:
        async with running(folder) as run:
            await run.wire.on_event(Connected("q", "/memory/x", True))
            run.engine.quiet = True
            await run.wire.deliver(1, said(1), said(2), said(3))
            await run.wire.until("publish", ("q",), tuple(said(n).raw for n in (1, 2, 3)))

    live(body())


def test_the_control_sees_what_is_spoken_too_early(tmp_path: Path) -> None:
    """STO-10, negative control: a publish without a commit is noticed."""

    async def body() -> None:
        store = await Store.open(tmp_path / "log.sqlite", NETWORK)
        wire = Wire(lambda _: asyncio.sleep(0), store)
        await wire.publish(("q",), (said(1).raw,))
        assert wire.early == [said(1).id]
        await store.close()

    live(body())


def test_each_verdict_has_its_answer(folder: Path) -> None:
    """REC-1 to REC-3: accepted, ignored, rejected; the peer that forwarded what is bad for ever is dropped."""

    async def body() -> None:
        async with running(folder) as run:
            await run.wire.deliver(7, said(1), said(2, "ignore"), said(3, "reject"), said(4))
            await run.wire.until("ack", "p", 7, ("", "GOS-8", "REC-4", ""))
            assert run.wire.spoken.count(("drop", "p", "REC-4")) == 1
            await run.wire.deliver(8, b"no record", peer="q")
            await run.wire.until("ack", "q", 8, ("ENC-8",))
            assert ("drop", "q", "ENC-8") in run.wire.spoken
            await run.wire.on_event(Message("r", b"bad"))
            await run.wire.until("drop", "r", "GOS-1")
            assert await run.daemon.submit(("list", SCOPE)) == [1, 4]
            with pytest.raises(CommandError) as caught:
                await run.daemon.submit(("refuse",))
            assert caught.value.code == "API-1"

    live(body())


def test_an_internal_error_costs_one_record_and_no_state(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """STO-11: the context is read again, the rest of the batch is judged, the log names the record."""

    async def body() -> None:
        async with running(folder) as run:
            elsewhere = said(5, scope="coop/else")
            await run.wire.deliver(1, said(1), said(2, "break"), said(3), elsewhere)
            await run.wire.until("ack", "p", 1, ("", INTERNAL, INTERNAL, ""))
            assert await run.daemon.submit(("list", SCOPE)) == [1]
            assert await run.daemon.submit(("list", "coop/else")) == [5]
            assert said(2, "break").id.hex() in caplog.text
            with pytest.raises(CommandError) as caught:
                await run.daemon.submit(("break",))
            assert caught.value.code == INTERNAL
            assert await run.daemon.submit(("list", SCOPE)) == [1]
            await run.wire.deliver(2, said(3))
            await run.wire.until("ack", "p", 2, ("",))

    live(body())


def test_a_record_that_waits_for_its_refs_is_not_acknowledged_as_taken(folder: Path) -> None:
    """STO-2: it is on no disk yet; once its refs came, a second copy finds it held."""

    async def body() -> None:
        async with running(folder) as run:
            await run.wire.deliver(1, said(2, "wait"))
            await run.wire.until("ack", "p", 1, ("GOS-6",))
            await run.wire.deliver(2, said(2, "wait"), said(1))
            await run.wire.until("ack", "p", 2, ("", ""))
            await run.wire.deliver(3, said(2, "wait"), said(1))
            await run.wire.until("ack", "p", 3, ("", ""))
            assert sorted(one.body["number"] for one in await run.store.by_scope(SCOPE)) == [1, 2]

    live(body())


def test_what_was_acknowledged_is_there_after_a_restart(folder: Path) -> None:
    """STO-2: same records, same digest, and facts kept beside them."""
    digests = []

    async def first() -> None:
        async with running(folder) as run:
            await run.wire.deliver(1, said(1), said(2))
            await run.wire.until("ack", "p", 1, ("", ""))
            assert await run.daemon.submit(("say", 3)) == 3
            assert await run.daemon.submit(("keep", "persona/0", b"x"))
            digests.append(run.engine.digest(SCOPE))

    async def second() -> None:
        async with running(folder) as run:
            assert run.engine.digest(SCOPE) == digests[0]
            assert (await run.store.facts("persona"))["persona/0"] == b"x"
            assert await run.daemon.submit(("list", SCOPE)) == [1, 2, 3]

    live(first())
    live(second())


def test_a_full_disk_refuses_writes_reads_on_and_recovers(folder: Path) -> None:
    """STO-5: nothing of the failed batch is spoken, memory is read again from the log, one sentence says why."""
    now = [1_000_000]

    async def body() -> None:
        async with running(folder, lambda: now[0]) as run:
            await run.wire.on_event(Connected("q", "/memory/x", True))
            await run.wire.deliver(1, said(1))
            await run.wire.until("ack", "p", 1, ("",))
            with no_file_grows_beyond(4096):
                await run.wire.deliver(2, said(2))
                await run.wire.until("ack", "p", 2, ("STO-5",))
                assert await run.daemon.submit(("list", SCOPE)) == [1]
                asked = (("say", 5), ("list", SCOPE), ("keep", "a", b"2"), ("fact", "a"))
                answers = await asyncio.gather(*map(run.daemon.submit, asked), return_exceptions=True)
                assert [getattr(answer, "code", answer) for answer in answers] == ["STO-5", [1], "STO-5", None]
                assert "free some space" in (await run.daemon.submit(AskStatus()))["trouble"]
            await run.wire.deliver(3, said(3), said(4))  # refused at once until it is time to try again
            await run.wire.until("ack", "p", 3, ("STO-5", "STO-5"))
            now[0] += daemon_module.RETRY_MS
            await run.wire.deliver(4, said(2))
            await run.wire.until("ack", "p", 4, ("",))
            assert run.daemon.trouble is None
            assert await run.daemon.submit(("list", SCOPE)) == [1, 2]
            published = [raw for verb, *rest in run.wire.spoken if verb == "publish" for raw in rest[1]]
            assert published == [said(1).raw, said(2).raw]

    live(body())


def test_what_needs_no_writing_is_told_although_its_batch_failed(folder: Path) -> None:
    """STO-5: a query and a new peer beside a write that fails."""

    async def body() -> None:
        async with running(folder) as run:
            await run.wire.halt()
            with no_file_grows_beyond(4096):
                asked = (("list", SCOPE), ("say", 1), ("list", SCOPE))
                asks = asyncio.gather(*map(run.daemon.submit, asked), return_exceptions=True)
                await run.wire.deliver(1, said(7))
                await run.wire.on_event(Connected("q", "/memory/x", True))
                run.wire.gate.set()
                await run.wire.until("send", "q", b"hello")
                assert [getattr(answer, "code", answer) for answer in await asks] == [[], "STO-5", []]
                assert ("ack", "p", 1, ("STO-5",)) in run.wire.spoken

    live(body())


def test_a_log_that_can_no_longer_be_read_ends_the_node_with_its_sentence(folder: Path) -> None:
    """STO-6"""

    async def body() -> None:
        async with running(folder) as run:
            run.store.worn = True
            with pytest.raises(CommandError, match="damaged"):
                await run.daemon.submit(("list", "coop/new"))
            with pytest.raises(StoreError, match="damaged"):
                await run.daemon.ended()
            with pytest.raises(CommandError) as caught:
                await run.daemon.submit(("list", SCOPE))
            assert caught.value.code == "STO-12"

    live(body())


def test_the_deadline_becomes_a_tick(folder: Path) -> None:
    """GOS-1: at the deadline and not before, and its record is our own."""
    now = [1_000_000]

    async def body() -> None:
        async with running(folder, lambda: now[0]) as run:
            await run.wire.on_event(Connected("q", "/memory/x", True))
            run.engine.deadline = now[0] + 60_000
            assert await run.daemon.submit(("list", SCOPE)) == []
            assert run.engine.ticks == []
            now[0] += 60_000
            assert await run.daemon.submit(("list", SCOPE)) in ([], [9_001])
            await run.wire.until("publish", ("q",), (said(9_001, author=ME).raw,))
            assert run.engine.ticks == [now[0]]

    live(body())


def test_a_clock_set_back_stands_still(folder: Path) -> None:
    now = [1_000_000]

    async def body() -> None:
        async with running(folder, lambda: now[0]) as run:
            assert await run.daemon.submit(("list", SCOPE)) == []
            now[0] = 5
            run.engine.deadline = 999_999
            await run.daemon.submit(("list", SCOPE))
            assert run.engine.ticks == [1_000_000]

    live(body())


def test_notices_rise_and_carry_the_position(folder: Path) -> None:
    """API-11: across a restart too."""
    seen: list[int] = []

    async def body() -> None:
        async with running(folder) as run:
            assert run.daemon.sequence >= max(seen, default=0)
            notices = run.daemon.subscribe()
            first = asyncio.ensure_future(anext(notices))
            await asyncio.sleep(0)
            before = run.daemon.last_position
            await run.wire.deliver(1, said(10 * before), said(10 * before + 1))
            seen.append((await first)[0])
            seen.append((await anext(notices))[0])
            assert seen[-2] // 1024 >= before + 1
            assert [row["position"] for row in await run.daemon.log(before, 10)] == [before + 1, before + 2]

    live(body())
    live(body())
    assert seen == sorted(set(seen))


def test_the_inbox_is_bounded_and_people_go_first(folder: Path) -> None:
    """STO-12, GOS-45: who sends more than its lane holds is parted with; too many commands are refused."""

    async def body() -> None:
        async with running(folder) as run:
            await run.wire.halt()
            batch = (bytes(60_000),) * 9 + (said(1).raw,)
            fits = LANE_BYTES_MAX // weight(Received("p", 0, batch))
            for n in range(fits):
                await run.wire.deliver(n, *batch)
            over = asyncio.ensure_future(run.wire.deliver(fits, *batch))
            asked = asyncio.ensure_future(run.daemon.submit(("list", SCOPE)))
            crowd = [asyncio.ensure_future(run.daemon.submit(("never",))) for _ in range(LOCAL_MAX)]
            refused = (await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED))[0]
            assert {task.exception().code for task in refused} == {"STO-12"}  # type: ignore[union-attr]
            run.wire.gate.set()
            assert await asked == []
            await run.wire.until("ack", "p", fits - 1, ("ENC-8",) * 9 + ("",))
            await over
            assert ("drop", "p", "") in run.wire.spoken
            assert not any(what[:3] == ("ack", "p", fits) for what in run.wire.spoken)
            for task in crowd:
                task.cancel()

    live(body())


def test_idle_contexts_leave_memory_and_come_back(folder: Path) -> None:
    async def body() -> None:
        async with running(folder) as run:
            run.engine.contexts_max = 3
            run.engine.busy.add("coop/s0")
            for number in range(8):
                await run.wire.deliver(number, said(number, scope=f"coop/s{number}"))
                await run.wire.until("ack", "p", number, ("",))
            assert await run.daemon.submit(("list", "coop/s1")) == [1]
            await run.daemon.submit(("keep", "x", b"y"))
            assert "coop/s0" in run.engine.contexts
            assert len(run.engine.contexts) <= 4

    live(body())


def test_records_are_served_from_the_log(folder: Path) -> None:
    async def body() -> None:
        async with running(folder) as run:
            await run.wire.deliver(1, said(1), said(2))
            await run.wire.on_event(Message("q", b"want all"))
            await run.wire.until("publish", ("q",), (said(1).raw, said(2).raw))

    live(body())


def test_a_relay_to_keep_to_is_an_address(folder: Path) -> None:
    """MSH-17: what is wrong with it is said before the engine hears of it."""

    async def body() -> None:
        async with running(folder) as run:
            with pytest.raises(CommandError, match="is no address"):
                await run.daemon.submit(AddPeer("relay"))
            waiting = asyncio.ensure_future(run.daemon.submit(AddPeer("/memory/relay")))
            await run.wire.until("dial", "/memory/relay")
            waiting.cancel()

    live(body())


def test_stopping_answers_who_waits(folder: Path) -> None:
    async def body() -> None:
        async with running(folder) as run:
            waiting = asyncio.ensure_future(run.daemon.submit(("never",)))
            assert await run.daemon.submit(("list", SCOPE)) == []
            await run.daemon.stop()
            with pytest.raises(CommandError) as caught:
                await waiting
            assert caught.value.code == "STO-12"
            assert run.wire.spoken[-1] == ("stop",)

    live(body())


def test_two_nodes_hand_records_on(tmp_path: Path) -> None:
    """Two daemons on a fake mesh: what one says the other holds."""

    async def body() -> None:
        hub, daemons, engines = Hub(), [], []
        for name in (b"a", b"b"):
            engines.append(FakeEngine())
            store = await Store.open(tmp_path / name.decode() / "log.sqlite", NETWORK)
            make_mesh = partial(FakeMesh, MeshConfig(NETWORK, name * 32), hub=hub)
            daemons.append(Daemon(engines[-1], store, NETWORK, make_mesh))
        for daemon in daemons:
            await daemon.start()
        await daemons[1].mesh.dial(daemons[0].mesh.addresses[0])
        notices = daemons[1].subscribe()
        heard = asyncio.ensure_future(anext(notices))
        while not engines[0].peers:
            await asyncio.sleep(0)
        await daemons[0].submit(("say", 42))
        while (await heard)[1]["topic"] != "record":
            heard = asyncio.ensure_future(anext(notices))
        assert await daemons[1].submit(("list", SCOPE)) == [42]
        for daemon in daemons:
            await daemon.stop()

    live(body())


# --- the worker -----------------------------------------------------------------------------------------------------


def test_slow_work_happens_elsewhere(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """STO-13: results come back as events; a job that fails or dies gives None and the next one works."""
    caplog.set_level(logging.ERROR)

    async def body() -> None:
        async with running(folder) as run:
            key = await run.daemon.submit(("compute", "identity.did", (ME.key,)))
            assert key.startswith("did:key:z")
            for bad in ("identity.absent", "identity._derive", "os.system", "identity.did.x", "absent.f"):
                assert await run.daemon.submit(("compute", bad, ())) is None
            worker = run.daemon._outbox._worker
            assert worker._child is not None
            worker._child.kill()
            await worker._child.wait()
            assert await run.daemon.submit(("compute", "identity.did", (ME.key,))) == key
            worker._hang_up()
            assert await run.daemon.submit(("compute", "identity.did", (ME.key,))) == key

    live(body())


@pytest.mark.parametrize("name", ["did", ".did", "identity.", "a.b.c", "identity.did()", "os.getcwd"])
def test_only_functions_of_the_protocol_are_computed(name: str) -> None:
    with pytest.raises((ValueError, ImportError, AttributeError)):
        compute(name, ())


def test_the_daemon_never_imports_numpy_or_scipy_or_trio() -> None:
    """The notes' memory budget: those belong to the worker and to the mesh process."""
    parts = "node.cli.serve, node.assembly, node.keystore"  # all that `wltm up` loads
    code = f"import sys, {parts}; print([n for n in ('numpy', 'scipy', 'trio', 'libp2p') if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
