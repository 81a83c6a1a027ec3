"""A node in one file: what a backup holds, how it is made beside a running node, and what one turns out to hold.

Decides what a person would lose without it; how the file is sealed is node.sealed's, what a new home does with it
node.restore's. Spec: 18-keeping, KEP-1 to KEP-8.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.config import FILE_NAME, Config
from node.keystore import Keystore, Strength, backup_key, of_content, passphrase_key, root_of
from node.sealed import SALT_BYTES, Item, Lock, Writer, read
from node.store import Store
from node.store.snapshot import snapshot
from protocol.encoding import decode, digest, encode
from protocol.errors import CommandError, Ignore, Reject
from protocol.record.record import Record
from protocol.record.schema import data, fields, integer, one_of, text

_ORDER = ("A", "K", "M", "C", "T", "F", "R", "E")  # kinds of items, as they follow one another
ABOUT, KEYS, MESH, CONFIG, TEXT, FACT, RECORD, END = _ORDER
FOLDERS = ("templates", "terms")  # of a home, with what its owner put there
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")
FACTS_BYTES_MAX = 256 << 20  # (g) of names and values: more than any node keeps
SMALL_BYTES_MAX = 1 << 20  # of settings, templates and keys each
_ABOUT = fields(
    {"made": integer(), "name": text(64, 1), "network": data(32), "role": one_of("home", "relay", "supplier")}
)
_END = fields({"facts": integer(), "records": integer(), "sum": data(32)})


@dataclass(frozen=True, slots=True)
class Secret:
    """What opens a backup; the passphrase or the words, whichever its owner has at hand."""

    passphrase: str | None = field(default=None, repr=False)
    words: str | None = field(default=None, repr=False)

    def key_of(self, path: Path) -> Callable[[Lock], bytes]:
        """The key for a file that is locked one way or the other. Raises CommandError KEP-2."""

        def key(lock: Lock) -> bytes:
            if lock.by == "words":
                if self.words is None:
                    raise CommandError("KEP-2", f"{path}: opens with the twelve words; give them (--words-file)")
                return backup_key(root_of(self.words), lock.salt)
            if self.passphrase is None:
                raise CommandError("KEP-2", f"{path}: opens with a passphrase; give it (--passphrase-file)")
            return passphrase_key(self.passphrase, lock.salt, Strength(lock.ops, lock.memory_bytes))

        return key


class _Tally:
    """What the last item says of all before it."""

    def __init__(self) -> None:
        self.facts = self.records = 0
        self.sum = bytes(32)

    def add(self, item: Item) -> None:
        """Counts one item."""
        self.facts += item.kind == FACT
        self.records += item.kind == RECORD
        self.sum = digest("backup", self.sum + item.kind.encode() + encode(item.name) + item.value)

    def end(self) -> dict[str, int | bytes]:
        """The value of the last item."""
        return {"facts": self.facts, "records": self.records, "sum": self.sum}


async def make(
    config: Config, keys: Keystore, path: Path, passphrase: str | None, now: int, strength: Strength | None = None
) -> dict[str, Any]:
    """Writes a backup of the home to `path`, under a passphrase or (None) for the words, and says what it holds.

    The node may run meanwhile. Raises CommandError KEP-5 or of the store; what was at `path` then is there still.
    """
    lock, key = _lock(keys, passphrase, strength or Strength())
    store = await Store.open(*store_place(config, keys))
    tally, scopes = _Tally(), dict[str, None]()
    try:
        with Writer(path, lock, key) as file:

            def add(item: Item) -> None:
                tally.add(item)
                file.add(item)

            for item in _small(config, keys, now):
                add(item)
            async for kind, name, value in snapshot(store):
                add(Item(FACT if kind == "fact" else RECORD, name, value))
                if kind == "record":
                    scopes[name] = None
            file.add(Item(END, "", encode(tally.end())))
    finally:
        await store.close()
    size = path.stat().st_size
    return {"file": str(path), "bytes": size, "lock": lock.by, "made": now, "scopes": len(scopes)} | {
        "facts": tally.facts,
        "records": tally.records,
    }


def store_place(config: Config, keys: Keystore) -> tuple[Path | str, bytes, str]:
    """Where the log of a home is, of which network, and under whose name its facts stand there."""
    shared_as = keys.persona(config.network.id, 0).key.hex() if config.store.url else ""
    return config.store.url or config.home / "node.db", config.network.id, shared_as


def _lock(keys: Keystore, passphrase: str | None, strength: Strength) -> tuple[Lock, bytes]:
    salt = os.urandom(SALT_BYTES)
    if passphrase is None:
        return Lock("words", salt, 1, 8192), keys.backup_key(salt)
    if not passphrase:
        raise CommandError("KEP-2", "passphrase: is empty; choose one, or lock the backup for the words (--words)")
    return Lock("passphrase", salt, strength.ops, strength.memory_bytes), passphrase_key(passphrase, salt, strength)


def _small(config: Config, keys: Keystore, now: int) -> Iterator[Item]:
    network = config.network
    about = {"made": now, "name": network.name, "network": network.id, "role": config.role}
    yield Item(ABOUT, "", encode(about))
    yield Item(KEYS, "", keys.content())
    if config.role == "relay":
        yield Item(MESH, "", keys.mesh_seed)  # its address names this key, and others wrote it down
    if (file := config.home / FILE_NAME).exists():
        yield Item(CONFIG, FILE_NAME, file.read_bytes())
    for folder in FOLDERS:
        for file in sorted((config.home / folder).glob("*.toml")):
            yield Item(TEXT, f"{folder}/{file.name}", file.read_bytes())


@dataclass(slots=True)
class Contents:
    """What stands in a backup before its records: `records` gives these, and then has seen that all is whole."""

    made: int
    network: bytes
    name: str
    role: str
    keys: bytes = field(repr=False)
    mesh_seed: bytes = field(repr=False)
    files: Mapping[str, bytes]  # config.toml, templates/… and terms/…, as they lie in a home
    facts: Mapping[str, bytes]
    records: Iterator[Record]
    unread: int = 0  # records of kinds that this program does not read


def opened(path: Path, secret: Secret) -> Contents:
    """The contents of a backup. Raises CommandError KEP-2, KEP-3 or KEP-4, also while records are read."""
    tally, items = _Tally(), read(path, secret.key_of(path))
    files, facts = dict[str, bytes](), dict[str, bytes]()
    singles: dict[str, bytes] = {}
    weight, last = 0, ABOUT
    for item in items:
        if item.kind not in _ORDER or _ORDER.index(item.kind) < _ORDER.index(last) or item.kind in singles:
            raise _wrong(path, "its items are not in their order")
        last = item.kind
        if item.kind in (RECORD, END):
            break
        tally.add(item)
        weight += len(item.name) + len(item.value)
        if weight > FACTS_BYTES_MAX or (item.kind != FACT and len(item.value) > SMALL_BYTES_MAX):
            raise _wrong(path, "its facts are larger than any node keeps")
        match item.kind:
            case "F":
                facts[item.name] = item.value
            case "C" | "T":
                files[_file_name(path, item)] = item.value
            case kind:
                singles[kind] = item.value
    else:
        raise _wrong(path, "its end is missing")
    about = _value(path, _ABOUT, singles.get(ABOUT, b""))
    try:
        of_content(singles.get(KEYS, b""))
    except CommandError:
        raise _wrong(path, "its keys are none") from None
    found = Contents(
        about["made"],
        about["network"],
        about["name"],
        about["role"],
        singles.get(KEYS, b""),
        singles.get(MESH, b""),
        files,
        facts,
        iter(()),
    )
    found.records = _records(path, found, item, items, tally)
    return found


def _records(path: Path, found: Contents, item: Item, items: Iterator[Item], tally: _Tally) -> Iterator[Record]:
    """Every record, parsed and its signature verified; then the last item is held against what was read."""
    while item.kind == RECORD:
        tally.add(item)
        try:
            yield Record.parse(item.value, found.network)
        except Ignore:
            found.unread += 1
        except Reject as error:
            raise _wrong(path, f"record {tally.records} is none: {error.message}") from None
        try:
            item = next(items)
        except StopIteration:
            raise _wrong(path, "its end is missing") from None
    if item.kind != END or _value(path, _END, item.value) != tally.end() or next(items, None) is not None:
        raise _wrong(path, "it does not hold what its last item counts")


def _file_name(path: Path, item: Item) -> str:
    """Where a settings file lies in a home; no name leads out of it."""
    if item.kind == CONFIG and item.name == FILE_NAME:
        return FILE_NAME
    folder, _, name = item.name.partition("/")
    stem = name.removesuffix(".toml")
    if item.kind != TEXT or folder not in FOLDERS or stem == name or not _NAME.fullmatch(stem):
        raise _wrong(path, f"a file in it is called {item.name[:40]!r}")
    return item.name


def _value(path: Path, rule: Any, encoded: bytes) -> dict[str, Any]:
    try:
        value: dict[str, Any] = decode(encoded)
        rule(value, "item")
    except Reject as error:
        raise _wrong(path, error.message) from None
    return value


def _wrong(path: Path, what: str) -> CommandError:
    return CommandError("KEP-3", f"{path}: {what}; whoever wrote it did not follow KEP-3")
