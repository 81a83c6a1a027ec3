"""The log on a real disk: what is acknowledged stays, what fails changes nothing, and each failure is one sentence."""

import asyncio
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from node.store import HomeLock, Pruned, Report, Store, StoreError, StoreFull, amounts, migrate, sqlite, steps
from node.store import log as log_module
from protocol.encoding import digest_of
from protocol.record.outline import outline, slot_hash
from protocol.record.record import Record, Slot
from tests.fakes_disk import no_file_grows_beyond
from tests.writer import AUTHOR, NETWORK, SCOPE, numbered

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]


def using(place: Path | str, body: Callable[[Store], Awaitable[T]], network: bytes = NETWORK) -> T:
    """Opens, runs, closes."""

    async def run() -> T:
        store = await Store.open(place, network)
        try:
            return await body(store)
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


def test_positions_rise_and_everything_reads_back(place: Path | str) -> None:
    """STO-1, STO-3"""

    async def body(store: Store) -> None:
        records = [numbered(n) for n in (3, 1, 2)] + [numbered(9, "board/power/u10h")]
        assert await store.append([(record, n == 0) for n, record in enumerate(records)]) == (1, 2, 3, 4)
        assert store.last_position == 4
        assert await store.by_scope(SCOPE) == records[:3]  # as they came
        assert await store.ids(SCOPE) == sorted((record.header.created, record.id) for record in records[:3])
        assert [held.position for held in await store.page(1, 2)] == [2, 3]
        assert [held.record for held in await store.page(3)] == [records[3]]
        asked = [records[3].id, records[1].id, records[0].id, bytes(32)]
        assert await store.get_raw(SCOPE, asked) == [records[0].raw, records[1].raw]
        assert await store.has(asked) == frozenset(asked[:3])
        assert list((await store.scopes()).items()) == [("board/power/u10h", 4), (SCOPE, 3)]

    using(place, body)


def test_a_record_held_already_keeps_its_position(place: Path | str) -> None:
    """STO-3: twice in one batch, in a later one, and after a restart."""
    one, two = numbered(1), numbered(2)

    async def first(store: Store) -> tuple[int, ...]:
        return await store.append([(one, True), (one, False)])

    async def second(store: Store) -> tuple[int, ...]:
        assert store.last_position >= 1
        return await store.append([(two, False), (one, True)])

    assert using(place, first) == (1, 1)
    places = using(place, second)
    assert places[1] == 1
    assert places[0] > 1


@given(batches=st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=8))
def test_any_batches_give_the_log_of_first_appearances(batches: list[list[int]]) -> None:
    """STO-3: idempotent on the id, and positions are in the order of arrival."""

    async def body(store: Store) -> None:
        order: dict[int, int] = {}
        for batch in batches:
            places = await store.append([(numbered(n, pad=0), False) for n in batch])
            for n, place in zip(batch, places, strict=True):
                assert order.setdefault(n, place) == place
        assert sorted(order.values()) == list(order.values())
        assert len(set(order.values())) == len(order)
        assert await store.by_scope(SCOPE) == [numbered(n, pad=0) for n in order]
        assert store.last_position == max(order.values(), default=0)

    with tempfile.TemporaryDirectory() as folder:
        using(Path(folder) / "log.sqlite", body)


def test_more_ids_than_one_statement_takes(place: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "CHUNK", 3)

    async def body(store: Store) -> None:
        records = [numbered(n) for n in range(10)]
        assert await store.append([(record, False) for record in records]) == tuple(range(1, 11))
        ids = [record.id for record in records]
        assert await store.has(ids) == frozenset(ids)
        assert await store.get_raw(SCOPE, ids) == [record.raw for record in records]
        assert await store.by_scope(SCOPE) == records
        assert await store.verify() == Report(10, 0, ())

    using(place, body)


def test_facts_stay_commit_with_records_and_are_forgotten(place: Path | str) -> None:
    """STO-2: one transaction for both."""

    async def first(store: Store) -> None:
        await store.append([(numbered(1), True)], {"persona/1": b"a", "persona_2": b"b", "x%": b"c"})
        await store.append([], {"persona/1": b"d", "persona_2": b""})

    async def second(store: Store) -> dict[str, bytes]:
        assert await store.facts("persona") == {"persona/1": b"d"}
        assert await store.facts("x%") == {"x%": b"c"}
        assert await store.facts("%") == {}
        return await store.facts()

    using(place, first)
    assert set(using(place, second)) == {"persona/1", "x%"}


def test_pruning_takes_board_and_mail_records_one_by_one_and_co_ops_and_deals_whole(place: Path | str) -> None:
    """STO-4, STO-21; and a pruned position is not given again (STO-3)."""

    async def body(store: Store) -> int:
        scopes = ("board/power/u10h", "mail/0a1", SCOPE, "deal/1", "trust/ab")
        records = [
            numbered(n, scope, created=1_000, life=life) for n, scope in enumerate(scopes) for life in (50, 5_000)
        ]
        last = (await store.append([(record, False) for record in records]))[-1]
        assert await store.prune(1_049) == Pruned(0, ())
        assert await store.prune(2_000) == Pruned(2, ())
        assert await store.has([record.id for record in records[:4]]) == {records[1].id, records[3].id}
        assert list(await store.scopes()) == ["trust/ab", "deal/1", SCOPE, "mail/0a1", "board/power/u10h"]
        assert await store.prune(10**9) == Pruned(6, (SCOPE, "deal/1"))
        assert await store.has([record.id for record in records]) == {record.id for record in records[-2:]}
        assert await store.scopes() == {"trust/ab": last}
        assert await store.size() == sum(len(one.raw) for one in records[-2:])
        return last

    async def again(store: Store) -> tuple[int, ...]:
        return await store.append([(numbered(99), False)])

    last = using(place, body)
    assert using(place, again) > (last,)


def test_every_index_is_rebuilt_from_the_bytes(path: Path) -> None:
    """STO-1"""

    async def fill(store: Store) -> None:
        await store.append([(numbered(n), False) for n in range(5)])

    async def check(store: Store) -> tuple[Report, Report]:
        return await store.verify(), await store.verify()

    using(path, fill)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE records SET scope='coop/else', created=1, author=x'00' WHERE position=2")
        raw.execute("UPDATE records SET id=x'00', kind='', expires=0 WHERE position=4")
        raw.execute("UPDATE records SET raw=substr(raw, 1, 100) WHERE position=5")
        raw.execute(
            "UPDATE records SET raw=CAST(substr(raw, 1, 40) || x'ff' || substr(raw, 42) AS BLOB) WHERE position=1"
        )
    raw.close()
    assert using(path, check) == (Report(5, 2, (1, 5)), Report(5, 0, (1, 5)))
    assert len(using(path, lambda store: store.by_scope(SCOPE))) in (3, 4)  # unreadable ones are left out, not fatal


def test_outlines_say_what_is_needed_of_a_record_without_its_body(place: Path | str) -> None:
    """STO-20: in the order of arrival, of one scope, in more than one page."""
    slot = Slot("latest", "entry", 7)
    filled = Record.sign(AUTHOR, NETWORK, "entry.1", SCOPE, {}, created=1, expires=2, slot=slot)
    records = [filled, *(numbered(n) for n in (3, 1, 2)), numbered(9, "board/power/u10h")]

    async def body(store: Store) -> None:
        await store.append([(record, False) for record in records])
        assert await store.outlines(SCOPE) == [outline(record) for record in records[:4]]
        assert await store.outlines("coop/none") == []
        first = (await store.outlines(SCOPE))[0]
        assert (first.slot, first.seq) == (slot_hash(AUTHOR.key, "entry.1", "entry"), 7)
        assert (first.size, first.expires) == (len(filled.raw), 2)

    using(place, body)


def test_nothing_reads_the_whole_log(place: Path | str) -> None:
    """STO-28: every statement of a running node finds its records by an index, whatever their number."""
    seen: dict[str, Any] = {}

    async def body(store: Store) -> list[str]:
        engine = store._database.engine

        def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
            seen[statement] = parameters[0] if many else parameters

        event.listen(engine.sync_engine, "before_cursor_execute", note)
        await store.append([(numbered(n), False) for n in range(30)], {"a": b"1"})
        await store.append([(numbered(1), False), (numbered(50, "mail/0a1"), False)], {"a": b""})
        await asyncio.gather(store.by_scope(SCOPE), store.outlines(SCOPE), store.ids(SCOPE), store.page(3))
        await asyncio.gather(store.has([bytes(32)]), store.get_raw(SCOPE, [bytes(32)]), store.facts(), store.facts("a"))
        await store.touch([SCOPE], 5)
        await store.prune(10**12)
        await store.append([(numbered(n), False) for n in range(30)])
        await store.shrink(0, 10**12)
        event.remove(engine.sync_engine, "before_cursor_execute", note)
        seen["SELECT position FROM records WHERE created = 5"] = ()  # the control: no index helps
        return await explained(engine, place)

    async def explained(engine: AsyncEngine, place: Path | str) -> list[str]:
        found = []
        async with engine.connect() as connection:
            if isinstance(place, str):
                await connection.exec_driver_sql("SET enable_seqscan = off")  # a scan is what remains without an index
            for statement, parameters in seen.items():
                if statement.startswith(("SELECT", "UPDATE", "DELETE")) and "records" in statement:
                    how = "EXPLAIN " if isinstance(place, str) else "EXPLAIN QUERY PLAN "
                    plan = await connection.exec_driver_sql(how + statement, parameters)
                    found.append("\n".join(str(line) for line in plan))
        return found

    plans = using(place, body)
    assert len(plans) > 8
    assert len([plan for plan in plans if "Seq Scan on records" in plan or "SCAN records'" in plan]) == 1


# --- failures -------------------------------------------------------------------------------------------------------


def test_a_full_disk_changes_nothing_and_ends_when_there_is_room(path: Path) -> None:
    """STO-5"""
    kept, big, small = numbered(0), [(numbered(n, pad=2000), n == 5) for n in range(1, 400)], numbered(500)

    async def body(store: Store) -> None:
        await store.append([(kept, True)], {"a": b"1"})
        with no_file_grows_beyond(256 * 1024):
            for _ in range(2):
                with pytest.raises(StoreFull) as caught:
                    await store.append(big, {"a": b"2"})
                assert caught.value.code == "STO-5"
                assert str(path) in caught.value.message
            assert await store.by_scope(SCOPE) == [kept]  # reading goes on
            assert (await store.facts("a"), store.last_position) == ({"a": b"1"}, 1)
        await store.append(big)
        await store.append([(small, True)])
        assert len(await store.by_scope(SCOPE)) == 401

    using(path, body)


def test_what_the_disk_itself_calls_full(path: Path) -> None:
    """STO-5: the code for "database or disk is full"."""
    migrate.migrate(path)
    with sqlite3.connect(path, isolation_level=None) as raw:
        raw.execute("PRAGMA max_page_count=10")
        with pytest.raises(StoreFull), sqlite.plainly(path):
            raw.execute("INSERT INTO facts VALUES ('', 'x', zeroblob(1000000))")
    raw.close()


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(8192))


def short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def holes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 : len(data) - 4096] = random.Random(2).randbytes(len(data) - 8192)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("harm", [garbage, short, holes])
def test_a_damaged_file_is_named_with_what_to_do(path: Path, harm: Callable[[Path], None]) -> None:
    """STO-6"""

    async def fill(store: Store) -> None:
        await store.append([(numbered(n), False) for n in range(100)])

    async def read(store: Store) -> None:
        await store.by_scope(SCOPE)
        await store.verify()

    using(path, fill)
    harm(path)
    with pytest.raises(StoreError) as caught:
        using(path, read)
    assert caught.value.code == "STO-6"
    assert str(path) in caught.value.message
    assert "restore it from a backup" in caught.value.message


def test_another_programs_lock_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STO-6"""
    monkeypatch.setattr(sqlite, "BUSY_MS", 10)

    async def body(store: Store) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            await store.append([(numbered(1), False)])
        assert "another program" in caught.value.message
        other.execute("ROLLBACK")
        other.close()
        await store.append([(numbered(1), False)])

    using(path, body)


def test_a_place_that_cannot_hold_a_file(tmp_path: Path) -> None:
    """STO-6"""
    (tmp_path / "log.sqlite").mkdir()
    with pytest.raises(StoreError) as caught:
        using(tmp_path / "log.sqlite", lambda store: store.ids(SCOPE))
    assert caught.value.code == "STO-6"


def test_one_node_per_home(tmp_path: Path) -> None:
    """STO-7: the second is told who holds it; the system frees the lock of a process that was killed."""
    lock = HomeLock(tmp_path)
    with pytest.raises(StoreError) as caught:
        HomeLock(tmp_path)
    assert caught.value.code == "STO-7"
    assert str(tmp_path) in caught.value.message
    lock.release()
    hold = "import sys; from pathlib import Path; from node.store import HomeLock\n"
    hold += "lock = HomeLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match=f"process {child.pid}"):
            HomeLock(tmp_path)
        child.kill()
    HomeLock(tmp_path).release()


def test_a_file_belongs_to_one_network(place: Path | str) -> None:
    """STO-9"""
    using(place, lambda store: store.ids(SCOPE))
    with pytest.raises(StoreError) as caught:
        using(place, lambda store: store.ids(SCOPE), bytes(32))
    assert caught.value.code == "STO-9"


def test_a_later_version_deletes_what_it_replaces(place: Path | str) -> None:
    """STO-29: in the same commit, counted, of this author, slot and scope alone; never of a kind nobody knows."""

    def version(seq: int, kind: str = "device.1", name: str = "device", scope: str = "trust/0") -> Record:
        slot, body = Slot("latest", name, seq), {"device": bytes(16)}
        return Record.sign(AUTHOR, NETWORK, kind, scope, body, created=seq + 1, expires=10**6, slot=slot)

    others = [version(0, name="other"), version(0, scope="trust/1"), numbered(1)]
    unknown = [version(0, "entry.1"), version(1, "entry.1")]

    async def body(store: Store) -> None:
        await store.append([(one, False) for one in (version(0), *others, *unknown)])
        before = await store.size()
        await store.append([(version(2), True)])
        held = [one.record.id for one in await store.page(0)]
        assert sorted(held) == sorted(one.id for one in (version(2), *others, *unknown))
        assert await store.size() == before - len(version(0).raw) + len(version(2).raw)
        await store.append([(version(3), True), (version(4), True)])
        held = [one.id for one in await store.by_scope("trust/0") if one.kind == "device.1"]
        assert held == [others[0].id, version(4).id]

    using(place, body)


# --- versions -------------------------------------------------------------------------------------------------------


def add_table(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE later (x INTEGER)"))


def fail_late(connection: Connection) -> None:
    add_table(connection)
    connection.execute(text("DELETE FROM records"))
    connection.execute(text("nonsense"))


def tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as raw:
        names = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    raw.close()
    return names


def test_a_migration_copies_checks_and_swaps(path: Path) -> None:
    """STO-8: the records are there afterwards, and the backup is the file as it was."""
    using(path, lambda store: store.append([(numbered(1), True)]))
    (path.parent / "log.sqlite.new").write_bytes(b"left by a crash")
    for _ in range(2):
        migrate.migrate(path, (*steps.STEPS, add_table))
    backup = path.with_name("log.sqlite.v3")
    assert "later" in tables(path)
    assert "later" not in tables(backup)
    assert using(backup, lambda store: store.by_scope(SCOPE)) == [numbered(1)]
    assert sorted(file.name for file in path.parent.iterdir()) == ["log.sqlite", "log.sqlite.v3"]
    with pytest.raises(StoreError) as caught:
        using(path, lambda store: store.ids(SCOPE))
    assert (caught.value.code, "newer" in caught.value.message) == ("STO-8", True)


FIRST_VERSION = """
CREATE TABLE records (position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL, author BLOB NOT NULL,
 kind TEXT NOT NULL, scope TEXT NOT NULL, created BIGINT NOT NULL, expires BIGINT NOT NULL, raw BLOB NOT NULL,
 UNIQUE (id));
CREATE INDEX records_scope ON records (scope);
CREATE TABLE facts (name TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (name));
CREATE TABLE schema_version (version INTEGER NOT NULL, PRIMARY KEY (version));
INSERT INTO schema_version VALUES (1);
"""


def test_the_first_version_is_read_still(path: Path) -> None:
    """STO-8, STO-20: its records are all there, as if they had been taken today; its positions are not given again."""
    slot = Slot("latest", "entry", 7)
    filled = Record.sign(AUTHOR, NETWORK, "entry.1", SCOPE, {}, created=1, expires=2, slot=slot)
    old = [filled, numbered(1), numbered(2, "board/x/y"), numbered(3, "board/x/y")]
    with sqlite3.connect(path) as raw:
        raw.executescript(FIRST_VERSION)
        columns = "id, author, kind, scope, created, expires, raw"
        for one in old:
            row = (one.id, one.author, one.kind, one.scope, one.header.created, one.header.expires, one.raw)
            raw.execute(f"INSERT INTO records ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        raw.execute(f"INSERT INTO records ({columns}) VALUES (x'00', x'00', 'x.1', 'trust/a', 1, 2, x'00')")
        raw.execute("DELETE FROM records WHERE position = 5")
        raw.execute("INSERT INTO facts VALUES ('store.network', ?), ('scope/coop/log', x'31')", (NETWORK,))
    raw.close()

    async def body(store: Store) -> None:
        assert await store.facts() == {"scope/coop/log": b"1"}
        assert await store.outlines(SCOPE) == [outline(one) for one in old[:2]]
        assert await store.scopes() == {"board/x/y": 4, SCOPE: 2}
        assert await store.size() == sum(len(one.raw) for one in old)
        assert await store.verify() == Report(4, 0, ())
        assert await store.append([(numbered(9), True)]) == (6,)
        assert (await store.prune(10**12)).records == 5

    using(path, body)
    assert sorted(file.name for file in path.parent.iterdir()) == ["log.sqlite", "log.sqlite.v1"]
    fresh = path.with_name("fresh.sqlite")
    migrate.migrate(fresh)
    assert shape(path) == shape(fresh)


def shape(path: Path) -> dict[str, Any]:
    """Columns and indexes of every table."""
    with sqlite3.connect(path) as raw:
        made = {
            name: {column[1:3] for column in raw.execute(f"PRAGMA table_info({name})")}
            | {index[1:3] for index in raw.execute(f"PRAGMA index_list({name})")}
            for name in tables(path)
        }
    raw.close()
    return made


def test_a_migration_that_fails_leaves_the_file_alone(path: Path) -> None:
    """STO-8"""
    using(path, lambda store: store.append([(numbered(1), True)]))
    for _ in range(2):
        with pytest.raises(StoreError):
            migrate.migrate(path, (*steps.STEPS, fail_late))
    assert using(path, lambda store: store.by_scope(SCOPE)) == [numbered(1)]


# --- crashes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_what_was_acknowledged_is_there(path: Path, seed: int) -> None:
    """STO-2: five kills of a writing process each; whole batches only, same digest at every opening, nothing twice."""
    rng, known = random.Random(seed), 0

    async def look(store: Store) -> tuple[bytes, int, bytes]:
        held = await store.by_scope(SCOPE)
        assert await store.verify() == Report(len(held), 0, ())
        last = (await store.facts("last")).get("last", b"-1")
        return digest_of("log", [record.id for record in held]), len(held), last

    for kill in range(5):
        command = [sys.executable, "-m", "tests.writer", str(path), str(known), str(100 * seed + kill)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout is not None
            for _ in range(rng.randint(1, 25)):
                child.stdout.readline()
            child.kill()
            lines = child.stdout.read().split(b"\n")  # acknowledged before the kill, read after it
        acknowledged = max([int(line) for line in lines[:-1] if line], default=-1)
        digest, held, last = using(path, look)
        assert held > max(acknowledged, known - 1)
        assert int(last) == held - 1  # the fact of a batch and its records came together
        assert digest == digest_of("log", [numbered(n).id for n in range(held)])
        assert using(path, look)[0] == digest
        known = held


def test_a_write_that_breaks_half_way_is_rolled_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STO-2: all or nothing, whatever the exception."""

    def broken(*_: object) -> list[dict[str, object]]:
        raise OperationalError("", {}, sqlite3.OperationalError("disk I/O error"))

    async def body(store: Store) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(amounts, "taken", broken)
            with pytest.raises(StoreError):
                await store.append([(numbered(1), True)], {"a": b"1"})
        assert await store.by_scope(SCOPE) == []
        assert await store.facts("a") == {}

    using(path, body)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_million_rows(path: Path) -> None:
    """STO-1: opening, one scope, one append stay quick beside a million records."""
    using(path, lambda store: store.append([(numbered(1), True)]))
    with sqlite3.connect(path) as raw:
        raw.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
            " INSERT INTO records (id, author, kind, scope, created, expires, due, raw)"
            " SELECT randomblob(32), x'00', 'x.1', 'board/x/' || (i % 1000), i, i, i, zeroblob(400) FROM n"
        )
    raw.close()

    async def body(store: Store) -> None:
        assert store.last_position == 1_000_001
        assert len(await store.ids("board/x/7")) == 1000
        assert await store.append([(numbered(2), True)]) == (1_000_002,)
        assert await store.by_scope(SCOPE) == [numbered(1), numbered(2)]
        assert (await store.prune(10**6)).records == 10**6

    using(path, body)
