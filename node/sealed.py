"""A file that only its owner opens: items of bytes under one key, whole or refused.

Decides how a backup lies on the disk, and that nothing missing, moved, altered or added passes; never what is in it.
Spec: 18-keeping, KEP-1 to KEP-5.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import nacl.bindings as sodium

from protocol.encoding import decode, encode
from protocol.errors import CommandError, Reject
from protocol.record.schema import data, fields, integer, one_of

TITLE = b"wltm backup, version 1\n"
CHUNK_BYTES = 65_536  # of content; sealed it is 17 longer
ITEM_BYTES_MAX = 64 << 20  # (g) the largest fact is a price list
NAME_BYTES_MAX = 1024
HEAD_BYTES_MAX = 512
SALT_BYTES = 16
OPS_MAX, MEMORY_BYTES_MAX, MEMORY_BYTES_MIN = 10, 1 << 30, 8192  # no file makes us work longer (KEP-2)
_HEAD = fields(
    {
        "lock": one_of("passphrase", "words"),
        "memory": integer(MEMORY_BYTES_MIN, MEMORY_BYTES_MAX),
        "ops": integer(1, OPS_MAX),
        "salt": data(SALT_BYTES),
        "stream": data(sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES),
    }
)
_SIZE = struct.Struct(">H")
_ITEM = struct.Struct(">BHI")  # kind, length of the name, length of the value
_SEALED_BYTES = CHUNK_BYTES + sodium.crypto_secretstream_xchacha20poly1305_ABYTES
_FINAL = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
_MORE = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE


@dataclass(frozen=True, slots=True)
class Lock:
    """How the key is made: from a passphrase at argon2id's cost, or from the words, which need none."""

    by: str
    salt: bytes
    ops: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in the file: its kind, one ASCII letter, a name and a value."""

    kind: str
    name: str
    value: bytes = field(repr=False)


class Writer:
    """Writes items, and puts the whole file in its place when the block ends well; nothing otherwise (KEP-5)."""

    def __init__(self, path: Path, lock: Lock, key: bytes) -> None:
        self._path = path
        self._aside = path.with_name(f".{path.name}.{os.getpid()}")
        self._state = sodium.crypto_secretstream_xchacha20poly1305_state()
        stream = sodium.crypto_secretstream_xchacha20poly1305_init_push(self._state, key)
        values = {"lock": lock.by, "memory": lock.memory_bytes, "ops": lock.ops, "salt": lock.salt, "stream": stream}
        head = encode(values)
        self._head = TITLE + _SIZE.pack(len(head)) + head
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        if self._path.is_symlink() or (self._path.exists() and not _is_backup(self._path)):
            raise CommandError("KEP-5", f"{self._path}: is there and is no backup; choose another name")
        try:
            handle = os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CommandError("KEP-5", f"{self._path}: cannot be written ({error.strerror})") from None
        self._file = os.fdopen(handle, "wb")
        self._file.write(self._head)
        return self

    def add(self, item: Item) -> None:
        """Appends an item."""
        name = item.name.encode()
        if len(name) > NAME_BYTES_MAX or len(item.value) > ITEM_BYTES_MAX:
            raise CommandError("KEP-3", f"{item.name[:40]}: too large for a backup ({len(item.value)} bytes)")
        self._buffer += _ITEM.pack(ord(item.kind), len(name), len(item.value)) + name + item.value
        while len(self._buffer) > CHUNK_BYTES:  # never all of it: the last chunk is sealed as the last
            self._seal(bytes(self._buffer[:CHUNK_BYTES]), _MORE)
            del self._buffer[:CHUNK_BYTES]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._seal(bytes(self._buffer), _FINAL)
                self._file.flush()
                os.fsync(self._file.fileno())
            self._file.close()
            if kind is None:
                self._aside.replace(self._path)
                _sync(self._path.parent)
        except OSError as fault:
            raise CommandError("KEP-5", f"{self._path}: cannot be written ({fault.strerror})") from None
        finally:
            with suppress(OSError):
                self._aside.unlink()

    def _seal(self, content: bytes, tag: int) -> None:
        push = sodium.crypto_secretstream_xchacha20poly1305_push
        self._file.write(push(self._state, content, self._head, tag))


def read(path: Path, key_of: Callable[[Lock], bytes]) -> Iterator[Item]:
    """The items in their order, none of an altered chunk. Raises CommandError KEP-4 where the file is not whole.

    `key_of`: the key for how the file is locked. Memory: the largest item, at most ITEM_BYTES_MAX, and a chunk.
    """
    try:
        with path.open("rb") as file:
            yield from items_in(_chunks(path, file, key_of), path)
    except OSError as error:
        raise CommandError("KEP-4", f"{path}: cannot be read ({error.strerror})") from None


def lock_of(path: Path) -> Lock:
    """How a file is locked. Raises CommandError KEP-4 for one that is no backup."""
    try:
        with path.open("rb") as file:
            return read_head(path, file)[0]
    except OSError as error:
        raise CommandError("KEP-4", f"{path}: cannot be read ({error.strerror})") from None


def read_head(path: Path, file: BinaryIO) -> tuple[Lock, bytes, bytes]:
    """The lock, the stream's own header, and the bytes of both as the file has them. Raises CommandError KEP-4."""
    title = file.read(len(TITLE))
    if title != TITLE:
        newer = title.startswith(TITLE[:20])
        what = "of a version that this program does not read; update it" if newer else "no backup of wltm"
        raise CommandError("KEP-4", f"{path}: is {what}")
    size = file.read(_SIZE.size)
    length = _SIZE.unpack(size)[0] if len(size) == _SIZE.size else 0
    raw = file.read(min(length, HEAD_BYTES_MAX))
    try:
        if not 0 < length <= HEAD_BYTES_MAX or len(raw) < length:
            raise Reject("KEP-4", "")
        value = decode(raw)
        _HEAD(value, "head")
    except Reject:
        raise CommandError("KEP-4", f"{path}: its head is damaged or cut short") from None
    return Lock(value["lock"], value["salt"], value["ops"], value["memory"]), value["stream"], title + size + raw


def _chunks(path: Path, file: BinaryIO, key_of: Callable[[Lock], bytes]) -> Iterator[bytes]:
    lock, stream, head = read_head(path, file)
    state = sodium.crypto_secretstream_xchacha20poly1305_state()
    sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, stream, key_of(lock))
    at, tag = file.tell(), _MORE
    first = True
    while tag != _FINAL:
        sealed = file.read(_SEALED_BYTES)
        try:
            if len(sealed) <= _SEALED_BYTES - CHUNK_BYTES - 1:
                raise RuntimeError
            content, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(state, sealed, head)
        except RuntimeError:
            secret = "this passphrase does" if lock.by == "passphrase" else "these words do"
            if first and len(sealed) > _SEALED_BYTES - CHUNK_BYTES - 1:
                message = f"{path}: {secret} not open it, or it was altered or cut short"
            else:
                message = f"{path}: is damaged, cut short or added to (from byte {at} on); use another backup"
            raise CommandError("KEP-4", message) from None
        first, at = False, file.tell()
        yield content
    if file.read(1):
        raise CommandError("KEP-4", f"{path}: is added to (from byte {at} on); use another backup")


def items_in(chunks: Iterator[bytes], path: Path) -> Iterator[Item]:
    """The items in opened chunks. Raises CommandError KEP-3."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        at = 0
        while len(buffer) - at >= _ITEM.size:
            kind, name_bytes, value_bytes = _ITEM.unpack_from(buffer, at)
            if not 65 <= kind <= 90 or name_bytes > NAME_BYTES_MAX or value_bytes > ITEM_BYTES_MAX:
                raise CommandError("KEP-3", f"{path}: holds what no backup holds; its writer did not follow KEP-3")
            name_at = at + _ITEM.size
            end = name_at + name_bytes + value_bytes
            if len(buffer) < end:
                break
            name = bytes(buffer[name_at : name_at + name_bytes]).decode("utf-8", "replace")
            yield Item(chr(kind), name, bytes(buffer[name_at + name_bytes : end]))
            at = end
        del buffer[:at]
    if buffer:
        raise CommandError("KEP-3", f"{path}: ends within an item; whoever wrote it did not follow KEP-3")


def _is_backup(path: Path) -> bool:
    """Whether what stands there may be replaced: an older backup."""
    try:
        with path.open("rb") as file:
            return file.read(len(TITLE)) == TITLE
    except OSError:
        return False


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
