"""The secrets of one home, on disk: persona root, mesh key, API token.

Decides how they are kept and opened; never holds the recovery root, which exists only in the words. Three files, each
readable by their owner alone: `keys` (encrypted under a passphrase, or saying in its first line that it is not),
`mesh-key` and `api-token` (a new one is drawn when it is missing). Spec: 02-identity, IDN-11 to IDN-13.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

from mnemonic import Mnemonic
from nacl import pwhash
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from protocol.encoding import decode, digest, encode
from protocol.errors import CommandError, Reject
from protocol.identity import KEY_BYTES, Persona, persona, persona_root, recovery, recovery_hash, recovery_root
from protocol.record.schema import array, data, fields

FILE_NAME = "keys"
MESH_FILE = "mesh-key"
TOKEN_FILE = "api-token"
READING_FILE = "metrics-token"
TRADING_FILE = "supplier-token"
LOCKED = b"wltm keys, version 1: encrypted with a passphrase\n"
PLAIN = b"wltm keys, version 1: NOT ENCRYPTED, whoever reads this file has the keys\n"
FILE_BYTES_MAX = 16_384
RECOVERY_KEYS = 64  # public halves kept, so that as many personas of a network can name theirs without the words
_CONTENT = fields({"personas": data(KEY_BYTES), "recovery": array(data(KEY_BYTES), RECOVERY_KEYS)})
OPS_MAX, MEMORY_BYTES_MAX = 10, 1 << 30  # no file makes us work longer


@dataclass(frozen=True, slots=True)
class Strength:
    """What one guess of the passphrase costs: argon2id's passes and memory."""

    ops: int = pwhash.argon2id.OPSLIMIT_MODERATE
    memory_bytes: int = pwhash.argon2id.MEMLIMIT_MODERATE


@dataclass(frozen=True, slots=True)
class Keystore:
    """The opened secrets of a home."""

    mesh_seed: bytes = field(repr=False)
    api_token: str = field(repr=False)
    _root: bytes = field(repr=False)
    _recovery_keys: tuple[bytes, ...] = field(repr=False)

    def persona(self, network: bytes, number: int) -> Persona:
        """Persona `number` in `network` (IDN-2)."""
        return persona(self._root, network, number)

    def recovery_hash(self, network: bytes, number: int) -> bytes:
        """What that persona's first record says of its recovery key (IDN-10); CommandError IDN-12 beyond the 64th."""
        if number >= len(self._recovery_keys):
            raise CommandError("IDN-12", f"persona {number}: its recovery key has to be made from the words first")
        return recovery_hash(self.persona(network, number).key, self._recovery_keys[number])

    def content(self) -> bytes:
        """What a backup carries of the secrets, and `write` takes (KEP-3)."""
        return encode({"personas": self._root, "recovery": list(self._recovery_keys)})

    def backup_key(self, salt: bytes) -> bytes:
        """The key of a backup that opens with the words (KEP-2)."""
        return backup_key(self._root, salt)


def create(
    home: Path, words: str | None, passphrase: str | None, strength: Strength | None = None
) -> tuple[Keystore, str]:
    """The secrets of a new home and its twelve words, drawn when none are given; no passphrase: not encrypted.

    Raises CommandError IDN-1 for words that are none, IDN-11 when the home has keys already, IDN-13 when it cannot be
    written. The home is made when it is missing.
    """
    words = new_words() if words is None else checked(words)
    if passphrase == "":
        raise CommandError("IDN-11", "passphrase: is empty; choose one, or say that you want none")
    if (home / FILE_NAME).exists():
        raise CommandError("IDN-11", f"{home / FILE_NAME}: keys are here already; choose another home")
    master = Mnemonic.to_seed(words, "")
    root, spare = persona_root(master), recovery_root(master)
    keys = [recovery(spare, number).key for number in range(RECOVERY_KEYS)]
    content = encode({"personas": root, "recovery": keys})
    return write(home, content, passphrase, strength), words


def write(home: Path, content: bytes, passphrase: str | None, strength: Strength | None = None) -> Keystore:
    """The keystore of a home that has none, from what `Keystore.content` gave. Raises CommandError IDN-11, IDN-13."""
    try:
        value = decode(content)
        _CONTENT(value, "keys")
    except Reject:
        raise CommandError("IDN-13", f"{home}: these are no keys") from None
    if passphrase == "":
        raise CommandError("IDN-11", "passphrase: is empty; choose one, or say that you want none")
    written = _plain(content) if passphrase is None else _locked(content, passphrase, strength or Strength())
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(home / FILE_NAME, written)
    except OSError as error:
        raise CommandError("IDN-13", f"{home}: the keys cannot be written ({error.strerror})") from None
    return _opened(home, value["personas"], tuple(value["recovery"]))


def open(home: Path, passphrase: str | None) -> Keystore:  # noqa: A001 - read as keystore.open
    """The secrets of a home. Raises CommandError IDN-11 (passphrase) or IDN-13 (file), one sentence each."""
    path = home / FILE_NAME
    written = _read(path)
    try:
        outer = _outer(written)
        content = _unlocked(outer, passphrase, path) if written.startswith(LOCKED) else _checked_sum(outer)
        value = decode(content)
        _CONTENT(value, "keys")
    except (Reject, KeyError, TypeError, ValueError):
        raise CommandError("IDN-13", f"{path}: is damaged; restore it from a backup, or from the words") from None
    return _opened(home, value["personas"], tuple(value["recovery"]))


def of_content(content: bytes) -> Keystore:
    """What `Keystore.content` gave, to look with and not to run. Raises CommandError IDN-13."""
    try:
        value = decode(content)
        _CONTENT(value, "keys")
    except Reject:
        raise CommandError("IDN-13", "the keys are damaged") from None
    return Keystore(bytes(KEY_BYTES), "", value["personas"], tuple(value["recovery"]))


def root_of(words: str) -> bytes:
    """The persona root that follows from the words (IDN-1). Raises CommandError IDN-1."""
    return persona_root(Mnemonic.to_seed(checked(words), ""))


def pairs_of(words: str, network: bytes) -> Iterator[tuple[Persona, Persona]]:
    """Each persona that a home can have in a network, with its recovery key (IDN-10). Raises CommandError IDN-1.

    For the moment in which the words are at hand: nothing of it is kept.
    """
    master = Mnemonic.to_seed(checked(words), "")
    root, spare = persona_root(master), recovery_root(master)
    return ((persona(root, network, number), recovery(spare, number)) for number in range(RECOVERY_KEYS))


def backup_key(root: bytes, salt: bytes) -> bytes:
    """The key of a backup that opens with the words, from the persona root that follows from them (KEP-2)."""
    return hashlib.blake2b(salt, key=root, digest_size=32, person=b"wltm.backup").digest()


def passphrase_key(passphrase: str, salt: bytes, strength: Strength) -> bytes:
    """What argon2id makes of a passphrase, 32 bytes (IDN-11, KEP-2). Raises CommandError IDN-13 without the memory."""
    return _key(passphrase, salt, strength)


def is_locked(home: Path) -> bool:
    """Whether opening needs a passphrase. Raises CommandError IDN-13 without a keystore."""
    return _read(home / FILE_NAME).startswith(LOCKED)


def new_words() -> str:
    """Twelve words drawn from the system's randomness."""
    return str(Mnemonic("english").to_mnemonic(os.urandom(16)))


def checked(words: str) -> str:
    """The words in their one spelling; raises CommandError IDN-1 saying which is wrong."""
    given, book = normalize("NFKD", words).lower().split(), Mnemonic("english")
    if len(given) != 12:
        raise CommandError("IDN-1", f"words: these are {len(given)}, there must be 12")
    known = set(book.wordlist)
    for number, word in enumerate(given, 1):
        if word not in known:
            raise CommandError("IDN-1", f"words: number {number}, {word[:20]!r}, is not on the list of BIP-39 words")
    spelled = " ".join(given)
    if not book.check(spelled):
        raise CommandError("IDN-1", "words: each is on the list, but one is wrong or two have changed places")
    return spelled


def reading_key(home: Path) -> str:
    """What a monitoring system shows to read a relay's numbers (REL-22); drawn when it is missing."""
    return _beside(home / READING_FILE, secrets.token_urlsafe(KEY_BYTES))


def trading_key(home: Path) -> str:
    """What a supplier's program shows to speak for it (API-20); drawn when it is missing."""
    return _beside(home / TRADING_FILE, secrets.token_urlsafe(KEY_BYTES))


def _opened(home: Path, root: bytes, keys: tuple[bytes, ...]) -> Keystore:
    mesh_seed = _beside(home / MESH_FILE, secrets.token_hex(KEY_BYTES))
    token = _beside(home / TOKEN_FILE, secrets.token_urlsafe(KEY_BYTES))
    try:
        seed = bytes.fromhex(mesh_seed)
    except ValueError:
        seed = b""
    if len(seed) != KEY_BYTES:
        raise CommandError("IDN-13", f"{home / MESH_FILE}: is damaged; remove it, and a new one is made")
    if len(token) < KEY_BYTES:
        raise CommandError("IDN-13", f"{home / TOKEN_FILE}: is damaged; remove it, and a new one is made")
    return Keystore(seed, token, root, keys)


def _beside(path: Path, fresh: str) -> str:
    """The text in a small file beside the keys; `fresh` when there is none yet."""
    if not path.exists():
        try:
            _write(path, fresh.encode("ascii") + b"\n")
        except OSError as error:
            raise CommandError("IDN-13", f"{path}: cannot be written ({error.strerror})") from None
    return _read(path).decode("ascii", "replace").strip()


def _locked(content: bytes, passphrase: str, strength: Strength) -> bytes:
    salt = os.urandom(pwhash.argon2id.SALTBYTES)
    box = SecretBox(_key(passphrase, salt, strength)).encrypt(content)
    outer = {"box": bytes(box), "memory": strength.memory_bytes, "ops": strength.ops, "salt": salt}
    return LOCKED + base64.encodebytes(encode(outer))


def _plain(content: bytes) -> bytes:
    return PLAIN + base64.encodebytes(encode({"content": content, "sum": digest("keys", content)}))


def _outer(written: bytes) -> dict[str, Any]:
    """The map after the first line."""
    title = LOCKED if written.startswith(LOCKED) else PLAIN
    if not written.startswith(title):
        raise ValueError
    outer = decode(base64.b64decode(b"".join(written[len(title) :].split()), validate=True))
    if type(outer) is not dict:
        raise ValueError
    return outer


def _unlocked(outer: dict[str, Any], passphrase: str | None, path: Path) -> bytes:
    strength, box, salt = Strength(outer["ops"], outer["memory"]), outer["box"], outer["salt"]
    if not 1 <= strength.ops <= OPS_MAX or not 8192 <= strength.memory_bytes <= MEMORY_BYTES_MAX:
        raise ValueError
    if type(salt) is not bytes or type(box) is not bytes or len(salt) != pwhash.argon2id.SALTBYTES:
        raise ValueError
    if passphrase is None:
        raise CommandError("IDN-11", f"{path}: is encrypted; the passphrase is needed")
    try:
        return bytes(SecretBox(_key(passphrase, salt, strength)).decrypt(box))
    except CryptoError:
        message = f"{path}: this passphrase does not open it (or the file was altered); try again"
        raise CommandError("IDN-11", message) from None


def _key(passphrase: str, salt: bytes, strength: Strength) -> bytes:
    secret = normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    try:
        return bytes(pwhash.argon2id.kdf(SecretBox.KEY_SIZE, secret, salt, strength.ops, strength.memory_bytes))
    except (MemoryError, RuntimeError):
        message = f"keys: not enough memory to try the passphrase ({strength.memory_bytes >> 20} MiB are needed)"
        raise CommandError("IDN-13", message) from None


def _checked_sum(outer: dict[str, Any]) -> bytes:
    content = outer["content"]
    if type(content) is not bytes or outer["sum"] != digest("keys", content):
        raise ValueError
    return content


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise CommandError("IDN-13", f"{path}: is missing; make it with `wltm init`") from None
    except OSError as error:
        raise CommandError("IDN-13", f"{path}: cannot be read ({error.strerror})") from None
    if mode & 0o077:
        raise CommandError("IDN-13", f"{path}: others can read it; `chmod 600` it first")
    return content


def _write(path: Path, content: bytes) -> None:
    """All or nothing, also when the power fails: written aside, flushed, renamed, the folder flushed."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
