"""The secrets of a home: kept, opened, refused with one sentence (02-identity, IDN-1, IDN-10 to IDN-13)."""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mnemonic import Mnemonic

from node import keystore
from node.keystore import FILE_NAME, MESH_FILE, RECOVERY_KEYS, TOKEN_FILE, Strength
from protocol.encoding import encode
from protocol.errors import CommandError
from protocol.identity import persona, persona_root, recovery, recovery_hash, recovery_root

WORDS = "legal winner thank year wave sausage worth useful legal winner thank yellow"
NETWORK = bytes(range(32))
CHEAP = Strength(1, 8192)


def refused(act: Callable[[], object], code: str, *parts: str) -> str:
    with pytest.raises(CommandError) as caught:
        act()
    assert caught.value.code == code
    assert "\n" not in caught.value.message
    for part in parts:
        assert part in caught.value.message
    return caught.value.message


def test_keys_follow_from_the_words_alone(tmp_path: Path) -> None:
    """IDN-1, IDN-2, IDN-10: the same words give the same personas in any home; mesh key and token are drawn."""
    one, words = keystore.create(tmp_path / "a", WORDS, None)
    other, _ = keystore.create(tmp_path / "b", WORDS, "open sesame", CHEAP)
    assert words == WORDS
    assert one.persona(NETWORK, 3) == other.persona(NETWORK, 3)
    assert one.recovery_hash(NETWORK, 3) == other.recovery_hash(NETWORK, 3)
    assert one.mesh_seed != other.mesh_seed
    assert one.api_token != other.api_token
    master = Mnemonic.to_seed(WORDS, "")
    persona_key = persona(persona_root(master), NETWORK, 3).key
    assert one.persona(NETWORK, 3).key == persona_key
    assert one.recovery_hash(NETWORK, 3) == recovery_hash(persona_key, recovery(recovery_root(master), 3).key)


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_what_is_created_opens(tmp_path: Path, passphrase: str | None) -> None:
    """IDN-11."""
    made, words = keystore.create(tmp_path / "new" / "home", None, passphrase, CHEAP)
    assert len(words.split()) == 12
    assert keystore.is_locked(tmp_path / "new" / "home") is (passphrase is not None)
    assert keystore.open(tmp_path / "new" / "home", passphrase) == made
    assert (tmp_path / "new" / "home").stat().st_mode & 0o777 == 0o700
    for name in (FILE_NAME, MESH_FILE, TOKEN_FILE):
        assert (tmp_path / "new" / "home" / name).stat().st_mode & 0o777 == 0o600
    first_line = (tmp_path / "new" / "home" / FILE_NAME).read_bytes().splitlines()[0]
    assert (b"NOT ENCRYPTED" in first_line) is (passphrase is None)


def test_default_cost() -> None:
    """IDN-11: what one guess costs unless a test asks for less."""
    assert Strength() == Strength(3, 256 << 20)


def test_two_homes_have_other_words(tmp_path: Path) -> None:
    """IDN-1: words are drawn, not fixed."""
    _, one = keystore.create(tmp_path / "a", None, None)
    _, other = keystore.create(tmp_path / "b", None, None)
    assert one != other


def test_nothing_secret_stands_in_the_files(tmp_path: Path) -> None:
    """IDN-12: no words, no recovery root, under a passphrase no persona root; and no secret in a repr."""
    made, words = keystore.create(tmp_path, None, "p", CHEAP)
    master = Mnemonic.to_seed(words, "")
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    opened = keystore._unlocked(keystore._outer((tmp_path / FILE_NAME).read_bytes()), "p", tmp_path)
    for secret in (master, recovery_root(master), recovery(recovery_root(master), 0).seed):
        assert secret not in found
        assert secret not in opened
    assert persona_root(master) in opened
    assert words.split()[0].encode() not in opened
    for text in (made.mesh_seed.hex(), made.api_token, persona_root(master).hex(), str(persona_root(master))):
        assert text not in repr(made)


def test_the_personas_with_a_recovery_key(tmp_path: Path) -> None:
    """IDN-12: 64 of them; the next needs the words."""
    made, _ = keystore.create(tmp_path, WORDS, None)
    assert len({made.recovery_hash(NETWORK, number) for number in range(RECOVERY_KEYS)}) == 64
    refused(lambda: made.recovery_hash(NETWORK, RECOVERY_KEYS), "IDN-12", "words")


def test_passphrases(tmp_path: Path) -> None:
    """IDN-11: wrong, missing, empty; composed and decomposed letters are one."""
    keystore.create(tmp_path, None, "caf\u00e9", CHEAP)
    refused(lambda: keystore.open(tmp_path, "cafe"), "IDN-11", "passphrase does not open", FILE_NAME)
    refused(lambda: keystore.open(tmp_path, ""), "IDN-11", "does not open")
    refused(lambda: keystore.open(tmp_path, None), "IDN-11", "is needed")
    keystore.open(tmp_path, "cafe\u0301")
    refused(lambda: keystore.create(tmp_path / "x", None, "", CHEAP), "IDN-11", "is empty")
    assert not (tmp_path / "x").exists()


def test_existing_keys_are_not_overwritten(tmp_path: Path) -> None:
    """IDN-11."""
    made, _ = keystore.create(tmp_path, None, None)
    refused(lambda: keystore.create(tmp_path, None, None), "IDN-11", "another home")
    assert keystore.open(tmp_path, None) == made


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("", "these are 0"),
        ("zoo " * 11, "these are 11"),
        ("zoo " * 24, "these are 24"),
        ("zoo " * 12, "one is wrong or two have changed places"),
        (WORDS.replace("sausage", "sausages"), "number 6, 'sausages'"),
        (WORDS.replace("legal winner", "winner legal"), "changed places"),
        (WORDS.replace("legal", "l\x1b[2Jegal" + "x" * 99), "number 1, 'l\\x1b[2jegal"),
    ],
)
def test_words_that_are_none(tmp_path: Path, words: str, part: str) -> None:
    """IDN-1."""
    refused(lambda: keystore.create(tmp_path / "x", words, None), "IDN-1", part)
    assert not (tmp_path / "x").exists()


def test_words_as_people_type_them(tmp_path: Path) -> None:
    """IDN-1: capitals and spaces do not matter."""
    _, words = keystore.create(tmp_path, "  " + WORDS.upper().replace(" ", "\n "), None)
    assert words == WORDS


@pytest.mark.parametrize("passphrase", [None, "p"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:-1][: len(data) // 2],
        lambda data: data.splitlines()[0] + b"\n",
        lambda data: data.splitlines()[0] + b"\nw6k=\n",
        lambda data: data.splitlines()[0] + b"\n!!!!\n",
        lambda data: b"something else\n" + data,
        lambda data: data + b"A" * 100,
        lambda data: os.urandom(500),
    ],
)
def test_damaged_keys(tmp_path: Path, passphrase: str | None, damage: Callable[[bytes], bytes]) -> None:
    """IDN-13."""
    keystore.create(tmp_path, None, passphrase, CHEAP)
    path = tmp_path / FILE_NAME
    path.write_bytes(damage(path.read_bytes()))
    refused(lambda: keystore.open(tmp_path, passphrase), "IDN-13", str(path), "damaged", "backup")


PREPARED: dict[str | None, bytes] = {}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Path]:
    """One home without and one with a passphrase."""
    made: dict[str | None, Path] = {}
    for passphrase in (None, "p"):
        made[passphrase] = tmp_path_factory.mktemp("home")
        keystore.create(made[passphrase], None, passphrase, CHEAP)
        PREPARED[passphrase] = (made[passphrase] / FILE_NAME).read_bytes()
    return made


@given(st.sampled_from([None, "p"]), st.integers(0, 10**6), st.integers(0, 255))
def test_any_changed_byte_is_noticed(homes: dict[str | None, Path], passphrase: str | None, at: int, byte: int) -> None:
    """IDN-13: it opens as it was, or one sentence says that it does not."""
    data = bytearray(PREPARED[passphrase])
    path = homes[passphrase] / FILE_NAME
    path.write_bytes(data)
    before = keystore.open(homes[passphrase], passphrase)
    data[at % len(data)] = byte
    path.write_bytes(data)
    try:
        after = keystore.open(homes[passphrase], passphrase)
    except CommandError as error:
        assert error.code in ("IDN-11", "IDN-13")  # noqa: PT017
    else:
        assert after == before


def test_a_file_may_not_make_us_work_for_ever(tmp_path: Path) -> None:
    """IDN-11, IDN-13: the cost that stands in the file is bounded."""
    for ops, memory in ((11, 8192), (1, (1 << 30) + 1), (0, 8192), (1, 1), (-1, -1)):
        data = keystore._locked(b"", "p", CHEAP)
        outer = keystore._outer(data) | {"ops": ops, "memory": memory}
        (tmp_path / FILE_NAME).write_bytes(keystore.LOCKED + base64.encodebytes(encode(outer)))
        (tmp_path / FILE_NAME).chmod(0o600)
        refused(lambda: keystore.open(tmp_path, "p"), "IDN-13", "damaged")


def test_files_that_others_can_read(tmp_path: Path) -> None:
    """IDN-11, IDN-13: refused with the command that mends it."""
    keystore.create(tmp_path, None, None)
    for name in (FILE_NAME, MESH_FILE, TOKEN_FILE):
        (tmp_path / name).chmod(0o644)
        refused(lambda: keystore.open(tmp_path, None), "IDN-13", name, "chmod 600")
        (tmp_path / name).chmod(0o600)
    keystore.open(tmp_path, None)


def test_what_lies_beside_is_drawn_again_when_missing(tmp_path: Path) -> None:
    """IDN-13: a removed token or mesh key is replaced; a damaged one is named."""
    made, _ = keystore.create(tmp_path, None, None)
    (tmp_path / TOKEN_FILE).unlink()
    again = keystore.open(tmp_path, None)
    assert again.api_token != made.api_token
    assert again.mesh_seed == made.mesh_seed
    assert (tmp_path / TOKEN_FILE).read_text().strip() == again.api_token
    for name in (MESH_FILE, TOKEN_FILE):
        (tmp_path / name).write_bytes(b"\xff\n")
        refused(lambda: keystore.open(tmp_path, None), "IDN-13", name, "remove it")
        (tmp_path / name).unlink()
    assert keystore.open(tmp_path, None).mesh_seed != made.mesh_seed


def test_places_that_do_not_serve(tmp_path: Path) -> None:
    """IDN-13: no keys, a file where the home should be, a folder where the keys should be."""
    refused(lambda: keystore.open(tmp_path / "none", None), "IDN-13", "is missing", "wltm init")
    refused(lambda: keystore.is_locked(tmp_path / "none"), "IDN-13", "is missing")
    (tmp_path / "file").write_text("")
    refused(lambda: keystore.create(tmp_path / "file" / "home", None, None), "IDN-13", "cannot be written")
    (tmp_path / FILE_NAME).mkdir()
    refused(lambda: keystore.open(tmp_path, None), "IDN-13", "cannot be read")


WRITER = """
import sys
from pathlib import Path
from node import keystore
while True:
    keystore._write(Path(sys.argv[1]), sys.argv[2].encode() * 5000)
    print("written", flush=True)
    sys.argv[2] = "b" if sys.argv[2] == "a" else "a"
"""


def test_a_crash_while_writing_leaves_one_whole_file(tmp_path: Path) -> None:
    """IDN-13: killed in the middle, ten times."""
    path = tmp_path / FILE_NAME
    for number in range(10):
        command = [sys.executable, "-c", WRITER, str(path), "a"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as writer:
            assert writer.stdout is not None
            for _ in range(1 + number):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        assert path.read_bytes() in (b"a" * 5000, b"b" * 5000)
