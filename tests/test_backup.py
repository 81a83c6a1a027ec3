"""A backup: what is in it comes back whole, and nothing else passes (18-keeping, KEP-1 to KEP-10)."""

from __future__ import annotations

import asyncio
import json
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nacl.bindings as sodium
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import backup, everything, keystore, restore, sealed
from node.backup import Secret
from node.config import Config, load
from node.keystore import Keystore, Strength
from node.sealed import CHUNK_BYTES, Item, Lock, Writer
from node.store import Store
from node.store.snapshot import snapshot
from node.template import FOLDER
from protocol.encoding import decode, encode
from protocol.engine.keeping import BACKUP
from protocol.engine.silence import FACT
from protocol.errors import CommandError
from tests.deals import NETWORK, Handmade
from tests.test_keystore import WORDS
from tests.writer import numbered

CHEAP = Strength(1, 8192)
NOW = 2 * 10**12
KEY, SALT = bytes(range(32)), bytes(16)
LOCK = Lock("words", SALT, 1, 8192)


def refused(act: Callable[[], object], code: str, *parts: str) -> str:
    with pytest.raises(CommandError) as caught:
        act()
    assert caught.value.code == code, caught.value
    assert "\n" not in caught.value.message
    for part in parts:
        assert part in caught.value.message, caught.value.message
    return caught.value.message


def written(path: Path, items: Iterable[Item], lock: Lock = LOCK) -> Path:
    with Writer(path, lock, KEY) as file:
        for item in items:
            file.add(item)
    return path


def read(path: Path, key: bytes = KEY) -> list[Item]:
    return list(sealed.read(path, lambda lock: key))


# The file


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 10, CHUNK_BYTES - 9, CHUNK_BYTES, 3 * CHUNK_BYTES + 5])
def test_what_is_written_is_read(tmp_path: Path, size: int) -> None:
    """KEP-1, KEP-3: items of any size, across the borders of chunks."""
    items = [Item("F", "é", os.urandom(size)), Item("R", "", b""), Item("E", "x", b"y")]
    path = written(tmp_path / "b", items)
    assert read(path) == items
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["b"]


def test_every_cut_is_refused(tmp_path: Path) -> None:
    """KEP-4: cut short at any byte."""
    whole = written(tmp_path / "b", [Item("F", "name", b"value" * 9)]).read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        refused(lambda: read(tmp_path / "cut"), "KEP-4", "cut")


def test_every_flipped_bit_is_refused(tmp_path: Path) -> None:
    """KEP-4: each bit of the head, and one of each byte after it."""
    whole = written(tmp_path / "b", [Item("F", "name", b"value")]).read_bytes()
    head = _head(whole)
    for number in (*range(8 * head), *(8 * place + place % 8 for place in range(head, len(whole)))):
        other = bytearray(whole)
        other[number // 8] ^= 1 << number % 8
        (tmp_path / "flipped").write_bytes(other)
        refused(lambda: read(tmp_path / "flipped"), "KEP-4")


def test_chunks_moved_repeated_or_left_out_are_refused(tmp_path: Path) -> None:
    """KEP-4: every order but the right one; and what follows the end."""
    whole = written(tmp_path / "b", [Item("F", "name", os.urandom(3 * CHUNK_BYTES))]).read_bytes()
    size = CHUNK_BYTES + sodium.crypto_secretstream_xchacha20poly1305_ABYTES
    start = _head(whole)
    chunks = [whole[at : at + size] for at in range(start, len(whole), size)]
    assert len(chunks) == 4
    for order in ((1, 0, 2, 3), (0, 2, 3), (0, 1, 1, 2, 3), (0, 1, 2), (3,), (0, 1, 2, 3, 3)):
        (tmp_path / "moved").write_bytes(whole[:start] + b"".join(chunks[one] for one in order))
        refused(lambda: read(tmp_path / "moved"), "KEP-4")
    (tmp_path / "more").write_bytes(whole + b"\0")
    refused(lambda: read(tmp_path / "more"), "KEP-4", "added to")
    other = written(tmp_path / "other", [Item("F", "name", os.urandom(3 * CHUNK_BYTES))]).read_bytes()
    (tmp_path / "mixed").write_bytes(whole[:start] + other[start:])
    refused(lambda: read(tmp_path / "mixed"), "KEP-4")


def _head(whole: bytes) -> int:
    """Where the first chunk begins."""
    at = len(sealed.TITLE)
    return at + 2 + int(struct.unpack(">H", whole[at : at + 2])[0])


def test_another_key_and_other_files_are_told_apart(tmp_path: Path) -> None:
    """KEP-4: one sentence each."""
    path = written(tmp_path / "b", [Item("F", "name", b"value")])
    refused(lambda: read(path, bytes(32)), "KEP-4", "words do not open it")
    (tmp_path / "text").write_text("hello")
    refused(lambda: read(tmp_path / "text"), "KEP-4", "no backup")
    (tmp_path / "newer").write_bytes(b"wltm backup, version 2\n" + bytes(99))
    refused(lambda: read(tmp_path / "newer"), "KEP-4", "version")
    refused(lambda: read(tmp_path / "absent"), "KEP-4", "cannot be read")


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=60))
def test_no_bytes_crash_the_reader(tail: bytes, inside: bytes) -> None:
    """KEP-3, KEP-4: bytes after the title, and bytes inside a file that opens."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b"
        path.write_bytes(sealed.TITLE + tail)
        refused(lambda: read(path), "KEP-4")
        file = Writer(path, LOCK, KEY)
        with file:
            file._buffer += inside
        refused(lambda: read(path) and 1 // 0, "KEP-3")


@pytest.mark.parametrize(
    "head",
    [
        {"ops": 11},
        {"ops": 0},
        {"memory": (1 << 30) + 1},
        {"memory": 1 << 40},
        {"salt": bytes(15)},
        {"lock": "none"},
        {"stream": b""},
        {"more": 1},
    ],
    ids=str,
)
def test_no_foreign_head_makes_us_work(tmp_path: Path, head: dict[str, Any]) -> None:
    """KEP-2: argon2's cost is bounded before it is tried."""
    good = {"lock": "passphrase", "memory": 8192, "ops": 1, "salt": SALT, "stream": bytes(24)}
    encoded = encode(good | head)
    (tmp_path / "b").write_bytes(sealed.TITLE + struct.pack(">H", len(encoded)) + encoded + bytes(99))
    tried: list[Lock] = []

    def key(lock: Lock) -> bytes:
        tried.append(lock)
        return KEY

    refused(lambda: list(sealed.read(tmp_path / "b", key)), "KEP-4")
    assert not tried


def test_nothing_but_a_backup_is_replaced_and_nothing_half_written_stays(tmp_path: Path) -> None:
    """KEP-5."""
    (tmp_path / "letter").write_text("dear")
    refused(lambda: written(tmp_path / "letter", []), "KEP-5", "is no backup")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    refused(lambda: written(tmp_path / "link", []), "KEP-5")
    path = written(tmp_path / "b", [Item("F", "one", b"1")])
    with pytest.raises(ZeroDivisionError):
        written(path, (Item("F", str(1 // (2 - number)), os.urandom(CHUNK_BYTES)) for number in range(4)))
    assert read(path) == [Item("F", "one", b"1")]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["b", "letter", "link"]
    written(path, [Item("F", "two", b"2")])
    assert read(path) == [Item("F", "two", b"2")]
    refused(lambda: written(tmp_path / "absent" / "b", []), "KEP-5", "cannot be written")


# A home


class Home:
    """A home with a co-op and a deal on its disk."""

    def __init__(self, folder: Path, passphrase: str | None = None) -> None:
        self.path = folder / "home"
        self.path.mkdir(mode=0o700)
        salt = "00" * 16
        (self.path / "config.toml").write_text(f'network.name = "handmade"\nnetwork.salt = "{salt}"\n')
        self.config: Config = load(self.path, {})
        self.keys: Keystore = keystore.create(self.path, WORDS, passphrase, CHEAP)[0]
        self.records = Handmade().records
        self.facts = {"wish/x": b"1", "boundaries": encode({"excluded": []})}
        self.facts |= {f"scope/{scope}": b"1" for scope in dict.fromkeys(one.scope for one in self.records)}
        carried = [numbered(number, "board/tea/elsewhere") for number in range(3)]  # of another network, never read

        async def put(store: Store) -> None:
            await store.append([(one, False) for one in (*carried, *self.records)], self.facts)

        _with(self.path, put)

    def save(self, path: Path, passphrase: str | None = None) -> dict[str, Any]:
        return asyncio.run(backup.make(self.config, self.keys, path, passphrase, NOW, CHEAP))


def _with(home: Path, act: Callable[[Store], Any]) -> Any:
    async def run() -> Any:
        store = await Store.open(home / "node.db", NETWORK)
        try:
            return await act(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _held(home: Path) -> tuple[list[bytes], dict[str, bytes]]:
    async def look(store: Store) -> tuple[list[bytes], dict[str, bytes]]:
        return [one.record.id for one in await store.page(0, 10_000)], await store.facts()

    found: tuple[list[bytes], dict[str, bytes]] = _with(home, look)
    return found


def restored(path: Path, secret: Secret, home: Path, passphrase: str | None = None) -> dict[str, Any]:
    return asyncio.run(restore.restore(path, secret, home, passphrase, NOW + 1, restore.Terms()))


@pytest.mark.parametrize("secret", [Secret(words=WORDS), Secret(passphrase="open sesame")], ids=["words", "passphrase"])
def test_a_home_comes_back_whole(tmp_path: Path, secret: Secret) -> None:
    """KEP-6, KEP-9, KEP-10: keys, settings, facts and records; the new home signs nothing yet."""
    home = Home(tmp_path)
    (home.path / "templates").mkdir()
    (home.path / "templates" / "own.toml").write_bytes((FOLDER / "electricity.toml").read_bytes())
    said = home.save(tmp_path / "b", secret.passphrase)
    assert (said["records"], said["facts"]) == (len(home.records), len(home.facts))
    new = tmp_path / "elsewhere" / "new"
    found = restored(tmp_path / "b", secret, new)
    assert found["records"] == len(home.records)
    opened = keystore.open(new, None)
    assert opened.persona(NETWORK, 0) == home.keys.persona(NETWORK, 0)
    assert opened.mesh_seed != home.keys.mesh_seed
    assert opened.api_token != home.keys.api_token
    assert (new / "config.toml").read_text() == (home.path / "config.toml").read_text()
    assert new.stat().st_mode & 0o777 == 0o700
    ids, facts = _held(new)
    assert sorted(ids) == sorted(one.id for one in home.records)
    assert {name: value for name, value in facts.items() if name not in (FACT, BACKUP)} == home.facts
    assert decode(facts[FACT])["state"] == "restoring"
    assert decode(facts[BACKUP]) == found["made"]  # KEP-8: it comes from one, so none is missing yet


def test_what_a_backup_holds_is_said(tmp_path: Path) -> None:
    """KEP-7: everything is read; nothing is written."""
    home = Home(tmp_path)
    home.save(tmp_path / "b")
    before = sorted(tmp_path.rglob("*"))
    found = restore.examine(tmp_path / "b", Secret(words=WORDS), NOW + 90_000)
    assert found["records"] == len(home.records)
    assert found["age_ms"] == 90_000
    assert found["scopes"] == len({one.scope for one in home.records})
    assert "made 90 seconds ago" in restore.in_words(found)
    assert sorted(tmp_path.rglob("*")) == before


def test_only_the_right_secret_opens_it(tmp_path: Path) -> None:
    """KEP-2."""
    home = Home(tmp_path)
    home.save(tmp_path / "words")
    home.save(tmp_path / "pass", "open sesame")
    other = "abandon " * 11 + "about"
    new = tmp_path / "new"
    refused(lambda: restored(tmp_path / "words", Secret(words=other), new), "KEP-4", "words do not open it")
    refused(lambda: restored(tmp_path / "words", Secret(passphrase="open sesame"), new), "KEP-2", "twelve words")
    refused(lambda: restored(tmp_path / "pass", Secret(passphrase="sesame"), new), "KEP-4", "passphrase does not")
    refused(lambda: restored(tmp_path / "pass", Secret(words=WORDS), new), "KEP-2", "a passphrase")
    refused(lambda: home.save(tmp_path / "empty", ""), "KEP-2", "is empty")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home", "pass", "words"]


def test_a_damaged_backup_leaves_nothing_behind(tmp_path: Path) -> None:
    """KEP-9: the last chunk is read before the home is there; and an existing home is left alone."""
    home = Home(tmp_path)
    home.save(tmp_path / "b")
    whole = (tmp_path / "b").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-1])
    refused(lambda: restored(tmp_path / "cut", Secret(words=WORDS), tmp_path / "new"), "KEP-4")
    refused(lambda: restored(tmp_path / "b", Secret(words=WORDS), home.path), "KEP-9", "already")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["b", "cut", "home"]


def _about(**others: Any) -> Item:
    return Item("A", "", encode({"made": NOW, "name": "handmade", "network": NETWORK, "role": "home"} | others))


def _keys(home: Home) -> Item:
    return Item("K", "", home.keys.content())


def _record(raw: bytes) -> Item:
    return Item("R", "coop/x", raw)


EMPTY_END = Item("E", "", encode({"facts": 0, "records": 0, "sum": bytes(32)}))
FORGED: dict[str, Callable[[Home], list[Item]]] = {
    "no keys": lambda home: [_about(), _record(home.records[0].raw)],
    "no items": lambda home: [],
    "nothing but an end": lambda home: [EMPTY_END],
    "an unknown kind": lambda home: [_about(), Item("Z", "", b"")],
    "a fact after a record": lambda home: [_about(), _keys(home), _record(home.records[0].raw), Item("F", "f", b"1")],
    "two keystores": lambda home: [_about(), _keys(home), _keys(home)],
    "another role": lambda home: [_about(role="king"), Item("E", "", b"")],
    "a file outside": lambda home: [_about(), Item("T", "templates/../x.toml", b"")],
    "a hidden file": lambda home: [_about(), Item("T", "templates/.toml", b"")],
    "another setting": lambda home: [_about(), Item("C", "evil.toml", b"")],
    "a large file": lambda home: [_about(), Item("C", "config.toml", bytes(backup.SMALL_BYTES_MAX + 1))],
    "no record": lambda home: [_about(), _keys(home), _record(b"no record")],
    "a wrong sum": lambda home: [_about(), _keys(home), EMPTY_END],
    "a wrong signature": lambda home: [_about(), _keys(home), _record(home.records[0].raw[:-1] + b"\0")],
}


@pytest.mark.parametrize("name", FORGED)
def test_whoever_has_the_key_cannot_do_harm_either(tmp_path: Path, name: str) -> None:
    """KEP-3: a file that opens and is still none."""
    home = Home(tmp_path)
    key = keystore.backup_key(keystore.root_of(WORDS), SALT)
    with Writer(tmp_path / "b", LOCK, key) as file:
        for item in FORGED[name](home):
            file.add(item)
    refused(lambda: restore.examine(tmp_path / "b", Secret(words=WORDS), NOW), "KEP-3")
    refused(lambda: restored(tmp_path / "b", Secret(words=WORDS), tmp_path / "new"), "KEP-3")
    assert not (tmp_path / "new").exists()


def test_facts_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KEP-3: more facts than any node keeps."""
    monkeypatch.setattr(backup, "FACTS_BYTES_MAX", 1_000)
    key = keystore.backup_key(keystore.root_of(WORDS), SALT)
    with Writer(tmp_path / "b", LOCK, key) as file:
        file.add(_about())
        for number in range(100):
            file.add(Item("F", f"fact/{number}", bytes(10)))
    refused(lambda: restore.examine(tmp_path / "b", Secret(words=WORDS), NOW), "KEP-3", "larger")


def test_it_is_one_moment_while_the_node_writes(tmp_path: Path) -> None:
    """KEP-6: facts and records of the same commits, whatever is written between two reads."""
    home = Home(tmp_path)

    async def run() -> tuple[list[tuple[str, str, bytes]], list[tuple[str, str, bytes]]]:
        store = await Store.open(home.path / "node.db", NETWORK)
        writer = await Store.open(home.path / "node.db", NETWORK)
        first: list[tuple[str, str, bytes]] = []
        number = 0
        async for one in snapshot(store):
            first.append(one)
            number += 1
            if number % 20 == 0:
                await writer.append((), {f"late/{number}": b"1"})
        second: list[tuple[str, str, bytes]] = [one async for one in snapshot(store)]
        await writer.close()
        await store.close()
        return first, second

    first, second = asyncio.run(run())
    assert not [name for _, name, _ in first if name.startswith("late/")]
    assert [name for _, name, _ in second if name.startswith("late/")]


def test_everything_is_exported_in_open_formats(tmp_path: Path) -> None:
    """KEP-20: readable without the program; no keys; nothing is overwritten."""
    home, folder = Home(tmp_path), tmp_path / "all"
    rows = asyncio.run(everything.export(home.config, home.keys, folder, NOW))
    names = {str(Path(row["file"]).relative_to(folder)) for row in rows}
    assert {"README.txt", "about.json", "records.jsonl", "facts.json", "coops.json", "mail.json"} <= names
    assert all((folder / name).stat().st_mode & 0o077 == 0 for name in names)
    for name in names - {"README.txt", "records.jsonl"}:
        json.loads((folder / name).read_text("utf-8"))
    facts = json.loads((folder / "facts.json").read_text())
    assert facts["boundaries"] == {"excluded": []}
    content = b"".join((folder / name).read_bytes() for name in names)
    assert home.keys._root not in content
    assert home.keys._root.hex().encode() not in content
    refused(lambda: asyncio.run(everything.export(home.config, home.keys, folder, NOW)), "KEP-20", "already")
