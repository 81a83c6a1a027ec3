"""Several processes on one PostgreSQL: nothing missed, nothing acknowledged lost, each failure in one sentence."""

import asyncio
import contextlib
import random
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, text

from node.config import without_password
from node.store import Store, StoreAway, StoreError, StoreFull, postgres, steps
from protocol.record.record import Record
from tests.postgres import Postgres
from tests.writer import NETWORK, SCOPE, numbered

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A fresh database."""
    return postgres.database()


@asynccontextmanager
async def opened(url: str, node: str = "a", network: bytes = NETWORK) -> AsyncIterator[Store]:
    store = await Store.open(url, network, node)
    try:
        yield store
    finally:
        await store.close()


def live(body: Awaitable[None]) -> None:
    """Runs a test's body, for so long at most."""
    asyncio.run(asyncio.wait_for(body, PATIENCE_S))


def batch(*numbers: int) -> list[tuple[Record, bool]]:
    return [(numbered(number), False) for number in numbers]


class Listener:
    """Takes in what others commit."""

    def __init__(self, store: Store) -> None:
        self.heard: list[bytes] = []
        self._more = asyncio.Condition()
        self._task = asyncio.create_task(self._listen(store))

    async def _listen(self, store: Store) -> None:
        async for records in store.others():
            async with self._more:
                self.heard += [record.id for record in records]
                self._more.notify_all()

    async def until(self, count: int) -> Sequence[bytes]:
        async with self._more:
            await self._more.wait_for(lambda: len(self.heard) >= count)
        return self.heard

    async def until_ends(self, last: bytes) -> None:
        async with self._more:
            await self._more.wait_for(lambda: self.heard[-1:] == [last])

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def ids(*numbers: int) -> list[bytes]:
    return [numbered(number).id for number in numbers]


# --- commit order ---------------------------------------------------------------------------------------------------


class SlowServer(postgres.Server):
    """A server whose commit waits until the test lets it."""

    def __init__(self, url: str, node: str) -> None:
        super().__init__(url, node)
        self.moving, self.go_on = asyncio.Event(), asyncio.Event()

    async def run(self, durable: bool, work: Callable[[Any], Any]) -> Any:
        """As in Server, but the transaction of an append stays open for a while."""
        async with self.writing(durable) as connection:
            result = await connection.run_sync(work)
            if isinstance(result, tuple):
                self.moving.set()
                await self.go_on.wait()
        return result


def test_a_slow_commit_never_leaves_a_gap_that_is_filled_later(url: str) -> None:
    """STO-3, STO-24: who follows the log from a position on misses nothing, though the first of two writers is slow."""

    async def body() -> None:
        async with opened(url, "quick") as quick, opened(url, "reader") as reader:
            server = SlowServer(url, "slow")
            slow = Store(server, NETWORK, "slow")
            await server.prepare()
            await slow._begin()
            first = asyncio.create_task(slow.append(batch(1, 2)))
            await server.moving.wait()
            second = asyncio.create_task(quick.append(batch(3)))
            done, _ = await asyncio.wait([second], timeout=0.3)
            assert not done  # it waits for its turn
            assert await reader.page(0) == []
            server.go_on.set()
            assert (await first, await second) == ((1, 2), (3,))
            assert [held.position for held in await reader.page(0)] == [1, 2, 3]
            await slow.close()

    live(body())


def test_the_control_a_plain_sequence_loses_a_record(url: str) -> None:
    """STO-24, negative control: numbers from a sequence become visible out of order, and a follower passes one by."""

    async def body() -> None:
        slow, quick, reader = [await asyncpg.connect(url) for _ in range(3)]
        await slow.execute("CREATE TABLE plain (position BIGSERIAL PRIMARY KEY, what TEXT)")
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("INSERT INTO plain (what) VALUES ('slow')")
        await quick.execute("INSERT INTO plain (what) VALUES ('quick')")
        after, seen = 0, list[str]()
        for step in range(2):
            for row in await reader.fetch("SELECT * FROM plain WHERE position > $1 ORDER BY position", after):
                after, seen = row["position"], [*seen, row["what"]]
            if step == 0:
                await transaction.commit()
        assert seen == ["quick"]
        for connection in (slow, quick, reader):
            await connection.close()

    live(body())


def test_a_writer_that_stopped_in_its_turn_loses_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """STO-24: so one stopped process does not stop the others."""
    monkeypatch.setattr(postgres, "STUCK_MS", 300)

    async def body() -> None:
        async with opened(url, "quick") as quick:
            server = SlowServer(url, "stuck")
            stuck = Store(server, NETWORK, "stuck")
            await server.prepare()
            await stuck._begin()
            first = asyncio.create_task(stuck.append(batch(1)))
            await server.moving.wait()
            assert await quick.append(batch(2)) == (1,)
            server.go_on.set()
            with pytest.raises(StoreAway):
                await first
            server.moving.clear()
            assert await stuck.append(batch(1)) == (2,)
            await stuck.close()

    live(body())


# --- others ---------------------------------------------------------------------------------------------------------


def test_what_one_process_commits_the_other_hears_at_once(url: str) -> None:
    """STO-24: all of it, in order, nothing twice, nothing of its own; and a record that both took has one position."""

    async def body() -> None:
        async with opened(url, "a") as a, opened(url, "b") as b:
            hears_a, hears_b = Listener(a), Listener(b)
            await a.append(batch(1, 2))
            assert await hears_b.until(2) == ids(1, 2)
            assert await b.append(batch(2, 3)) == (2, 3)
            assert await hears_a.until(1) == ids(3)
            contended = [n + m for n in range(10, 60, 10) for m in range(5)]  # one of the two takes each first
            parts = [batch(*contended[at : at + 5]) for at in range(0, 25, 5)]
            await asyncio.gather(*(one.append(part) for part in parts for one in (a, b)))
            await a.append(batch(100))
            await b.append(batch(101))
            await hears_a.until_ends(numbered(101).id)
            await hears_b.until_ends(numbered(100).id)
            assert sorted(hears_a.heard + hears_b.heard) == sorted(ids(1, 2, 3, *contended, 100, 101))
            assert [one.position for one in await a.page(0)] == list(range(1, 31))
            assert a.last_position == b.last_position == 30
            await hears_a.stop()
            await hears_b.stop()

    live(body())


def test_a_call_that_was_lost_is_made_up_for(url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """STO-24, STO-25: the server is stopped while one process listens; what was committed meanwhile is found."""
    monkeypatch.setattr("node.store.postgres.RETRY_S", 0.05)

    async def body() -> None:
        async with opened(url, "a") as a, opened(url, "b") as b:
            hears = Listener(b)
            await a.append(batch(1))
            await hears.until(1)
            postgres.stop()
            for _ in range(2):
                with pytest.raises(StoreAway) as caught:
                    await a.append(batch(2))
                assert caught.value.code == "STO-25"
                assert caught.value.message.startswith(without_password(url))
                with pytest.raises(StoreAway):
                    await b.page(0)
            postgres.start()
            assert await a.append(batch(2)) == (2,)
            assert await hears.until(2) == ids(1, 2)
            await hears.stop()

    live(body())


def test_a_crash_of_the_server_loses_nothing_acknowledged(url: str, postgres: Postgres) -> None:
    """STO-2"""

    async def body() -> None:
        async with opened(url) as store:
            for start in range(0, 60, 20):
                await store.append(batch(*range(start, start + 20)))
            postgres.stop("immediate")
            postgres.start()
            with pytest.raises(StoreAway):  # the connection is noticed to be dead, once
                await store.size()
            assert [held.record for held in await store.page(0)] == [numbered(n) for n in range(60)]

    live(body())


def test_facts_are_of_one_node_and_records_of_all(url: str) -> None:
    """STO-26"""

    async def body() -> None:
        async with opened(url, "a") as a, opened(url, "b") as b:
            await a.append(batch(1), {"scope/coop/log": b"1"})
            assert await b.facts() == {}
            assert await b.by_scope(SCOPE) == [numbered(1)]
        async with opened(url, "a") as again:
            assert await again.facts() == {"scope/coop/log": b"1"}

    live(body())


def test_one_process_per_node(url: str) -> None:
    """STO-7: also where the home was copied to another machine."""

    async def body() -> None:
        async with opened(url, "a"), opened(url, "b"):
            with pytest.raises(StoreError, match="another process runs this node") as caught:
                await Store.open(url, NETWORK, "a")
            assert caught.value.code == "STO-7"
        async with opened(url, "a"):
            pass

    live(body())


def test_writers_that_are_killed_lose_nothing_and_a_follower_misses_nothing(url: str) -> None:
    """STO-2, STO-3, STO-24: two processes write, one is stopped for a while, both are killed; and again."""
    rng = random.Random(1)

    async def round_of(number: int) -> list[bytes]:
        """The ids that were acknowledged."""
        writers = [await started(url, name, 10_000 * number + start) for name, start in (("a", 0), ("b", 5_000))]
        first = [await lines(writer, 3) for writer in writers]
        writers[0].send_signal(signal.SIGSTOP)
        first[1] += await lines(writers[1], rng.randint(1, 5)) if number % 2 else []
        writers[0].send_signal(signal.SIGCONT)
        first[0] += await lines(writers[0], rng.randint(1, 20))
        acknowledged = []
        for start, writer, seen in zip((0, 5_000), writers, first, strict=True):
            with contextlib.suppress(ProcessLookupError):
                writer.kill()
            assert writer.stdout is not None
            last = max(seen + [int(line) for line in (await writer.stdout.read()).split(b"\n")[:-1] if line])
            await writer.wait()
            acknowledged += [numbered(n).id for n in range(10_000 * number + start, last + 1)]
        return acknowledged

    async def body() -> None:
        async with opened(url, "reader") as reader:
            hears, promised = Listener(reader), list[bytes]()
            for number in range(2):
                promised += await round_of(number)
            await reader.append(batch(10**6))  # the last position of all
            held = await reader.page(0, 10**6)
            assert [one.position for one in held] == list(range(1, len(held) + 1))
            there = {one.record.id for one in held}
            assert [one for one in promised if one not in there] == []
            assert list(await hears.until(len(held) - 1)) == [one.record.id for one in held[:-1]]
            await hears.stop()

    live(body())


async def started(url: str, node: str, first: int) -> Process:
    command = (sys.executable, "-m", "tests.writer", url, str(first), str(first), node)
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)


async def lines(writer: Process, count: int) -> list[int]:
    """What it acknowledges next; nothing more when it lost its turn while it was stopped."""
    assert writer.stdout is not None
    return [int(line) for line in [await writer.stdout.readline() for _ in range(count)] if line]


# --- failures -------------------------------------------------------------------------------------------------------


def refused(url: str, network: bytes = NETWORK) -> StoreError:
    """Why this store cannot be opened."""
    with pytest.raises(StoreError) as caught:
        live(_open_and_close(url, network))
    return caught.value


async def _open_and_close(url: str, network: bytes) -> None:
    async with opened(url, network=network):
        pass


def test_each_way_not_to_get_in_is_one_sentence_without_the_password(url: str, postgres: Postgres) -> None:
    """STO-25"""
    postgres.sql("CREATE ROLE guarded LOGIN PASSWORD 'right'")
    wrong = url.replace("wltm@", "guarded:wr%20ong@")
    error = refused(wrong)
    assert "refuses this user or password" in error.message
    assert "wr" not in error.message.replace("PGPASSWORD", "").partition("guarded")[2].partition("@")[0]
    assert "right" not in repr(error)
    assert "may not do this" in refused(url.replace("wltm@", "guarded:right@")).message  # may not create tables
    assert "no such database" in refused(postgres.url("absent")).message
    assert "does not answer" in refused("postgresql://wltm@/t?host=/nowhere").message
    assert "does not answer" in refused("postgresql://wltm:secret@127.0.0.1:1/t").message
    assert "secret" not in refused("postgresql://wltm:secret@127.0.0.1:1/t").message
    assert "cannot be used" in refused("postgresql://wltm@localhost:port/t").message


def test_a_database_of_another_kind_is_refused(url: str, postgres: Postgres) -> None:
    """STO-6, STO-9: another encoding, another network."""
    odd = postgres.database("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    assert "ENCODING 'UTF8'" in refused(odd).message
    live(_open_and_close(url, NETWORK))
    assert refused(url, bytes(32)).code == "STO-9"


def test_a_full_disk_changes_nothing_and_ends_when_there_is_room(url: str, postgres: Postgres) -> None:
    """STO-5: the server says that its disk is full."""
    database = url.split("/")[3].partition("?")[0]

    async def body() -> None:
        async with opened(url) as store:
            await store.append(batch(1), {"a": b"1"})
            full = "BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END"
            postgres.sql(f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ {full} $$", database)
            postgres.sql(
                "CREATE TRIGGER full_disk AFTER INSERT ON records FOR EACH ROW EXECUTE FUNCTION full_disk()", database
            )
            with pytest.raises(StoreFull) as caught:
                await store.append(batch(2), {"a": b"2"})
            assert caught.value.code == "STO-5"
            assert ([held.position for held in await store.page(0)], await store.facts()) == ([1], {"a": b"1"})
            postgres.sql("DROP TRIGGER full_disk ON records", database)
            assert await store.append(batch(2)) == (2,)

    live(body())


# --- versions -------------------------------------------------------------------------------------------------------


def _adds(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE records ADD COLUMN weather TEXT"))


def _breaks(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE records DROP COLUMN slot"))
    connection.execute(text("nonsense"))


def test_an_older_and_a_newer_program_work_on_one_database(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """STO-27: a machine at a time; the older one goes on, and may start again."""

    async def body() -> None:
        async with opened(url, "old") as old:
            await old.append(batch(1))
            hears = Listener(old)
            with monkeypatch.context() as patch:
                patch.setattr(postgres, "STEPS", (*steps.STEPS, _adds))
                async with opened(url, "new") as new:
                    await new.append(batch(2))
            assert await hears.until(1) == ids(2)
            assert await old.append(batch(3)) == (3,)
            await hears.stop()
        async with opened(url, "old") as again:
            assert await again.by_scope(SCOPE) == [numbered(n) for n in (1, 2, 3)]

    live(body())


def test_what_only_a_newer_program_understands_disturbs_nobody(url: str, postgres: Postgres) -> None:
    """STO-27: the older one cannot read such a record, says so, and goes on with the next."""
    database = url.split("/")[3].partition("?")[0]

    async def body() -> None:
        async with opened(url, "old") as old, opened(url, "new") as new:
            hears = Listener(old)
            values = "1, '\\x01', '\\x02', 'later.9', 'coop/log', 1, 2, '\\x03'"
            columns = "position, id, author, kind, scope, created, expires, raw"
            postgres.sql(f"INSERT INTO records ({columns}) VALUES ({values}); UPDATE log SET last = 1", database)
            await new.append(batch(2))
            assert await hears.until(1) == ids(2)
            assert await old.by_scope(SCOPE) == [numbered(2)]
            assert [held.position for held in await old.page(0)] == [2]
            assert await old.append(batch(3)) == (3,)
            await hears.stop()

    live(body())


def test_a_program_too_old_for_a_database_says_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """STO-8, STO-27"""
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "STEPS", (*steps.STEPS, _adds))
        patch.setattr(postgres, "LEAST", len(steps.STEPS) + 1)
        live(_open_and_close(url, NETWORK))
    error = refused(url)
    assert (error.code, "too new" in error.message) == ("STO-8", True)


def test_a_migration_that_fails_leaves_the_database_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """STO-27: a step is one transaction."""
    live(_open_and_close(url, NETWORK))
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "STEPS", (*steps.STEPS, _breaks))
        assert refused(url).code == "STO-6"

    async def body() -> None:
        async with opened(url) as store:
            assert await store.append(batch(1)) == (1,)

    live(body())


def test_two_processes_may_begin_at_once(url: str) -> None:
    """STO-27: one makes the tables, the others find them."""

    async def body() -> None:
        await asyncio.gather(*(_begin(name) for name in "abcd"))

    async def _begin(name: str) -> None:
        async with opened(url, name) as store:
            await store.append([], {"name": name.encode()})

    live(body())
