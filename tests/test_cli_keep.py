"""`wltm backup`, `restore` and `device` on the command line (CLI-88 to CLI-91)."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from node import keystore
from node.cli import wltm
from node.cli.shell import USAGE, run
from protocol import commands as c
from tests.fakes_node import NOW
from tests.test_cli import Rig
from tests.test_cli import rig as rig
from tests.test_keystore import CHEAP, WORDS


class Shell:
    """The command in this process, without any node."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, line: str, code: int = 0) -> Any:
        found = run(wltm, [*shlex.split(line), "--json"])
        said = self.capsys.readouterr()
        assert found == code, said.out + said.err
        return json.loads(said.out) if not code else said.err

    def text(self, line: str) -> str:
        assert run(wltm, shlex.split(line)) == 0
        return self.capsys.readouterr().out


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    keystore.create(made, WORDS, None, CHEAP)
    (tmp_path / "words").write_text(WORDS)
    (tmp_path / "other").write_text("abandon " * 11 + "about")
    return made


def test_a_backup_for_the_words_is_verified_and_restored(shell: Shell, home: Path) -> None:
    """CLI-88, CLI-89, CLI-90"""
    file, words, new = home.with_name("b"), home.with_name("words"), home.with_name("new")
    made = shell(f"backup {file} --words --home {home}")
    assert (made["lock"], made["records"]) == ("words", 0)
    assert shell(f"backup make --words {file} --home {home}")["bytes"] > 0
    found = shell(f"backup verify {file} --words-file {words}")
    assert found["did"].startswith("did:key:")
    assert found["coops"] == []
    assert "whole, made" in shell.text(f"backup verify {file} --words-file {words}")
    shell(f"restore {file} --words-file {words} --no-passphrase --home {new}")
    network = bytes(32)
    assert keystore.open(new, None).persona(network, 0) == keystore.open(home, None).persona(network, 0)
    shell(f"restore {file} --words-file {words} --no-passphrase --home {new}", USAGE)


def test_what_a_backup_refuses(shell: Shell, home: Path) -> None:
    """CLI-88, CLI-89, CLI-90: no lock, two locks, no secret, the wrong one, a cut file."""
    file, words = home.with_name("b"), home.with_name("words")
    assert "lock the backup" in shell(f"backup {file} --home {home}", USAGE)
    assert "exclude" in shell(f"backup {file} --words --backup-passphrase-file {words} --home {home}", USAGE)
    assert not file.exists()
    shell(f"backup {file} --words --home {home}")
    assert "--words-file FILE" in shell(f"backup verify {file}", USAGE)
    assert "do not open it" in shell(f"backup verify {file} --words-file {home.with_name('other')}", USAGE)
    file.write_bytes(file.read_bytes()[:-1])
    assert "cut short" in shell(f"backup verify {file} --words-file {words}", USAGE)
    new = home.with_name("new")
    assert "cut short" in shell(f"restore {file} --words-file {words} --no-passphrase --home {new}", USAGE)
    assert not new.exists()


def test_that_nothing_was_signed_since_is_asked(shell: Shell, home: Path) -> None:
    """CLI-90: it says what that may cost."""
    file, words, new = home.with_name("b"), home.with_name("words"), home.with_name("new")
    shell(f"backup {file} --words --home {home}")
    line = f"restore {file} --words-file {words} --no-passphrase --nothing-since --home {new}"
    assert "counts as your fault" in shell(line, USAGE)
    assert not new.exists()
    shell(line + " --yes")
    assert new.exists()


def test_how_a_device_stands(rig: Rig) -> None:
    """CLI-91"""
    assert "no other one has been heard" in rig("device")
    assert rig.json("device")["backup_made"] == NOW
    rig("device go-on --one-relay")
    assert rig.node.submitted[-1] == c.GoOn(1)
    assert "counts as your fault" in rig("device go-on --nothing-since", USAGE)
    rig("device go-on --nothing-since --yes --no-relay")
    assert rig.node.submitted[-1] == c.GoOn(0, True)
    rig("device retire")
    assert rig.node.submitted[-1] == c.Retire()


def test_everything_into_a_new_folder(shell: Shell, home: Path) -> None:
    """CLI-92"""
    folder = home.with_name("all")
    rows = shell(f"export --all {folder} --home {home}")["files"]
    assert all(Path(row["file"]).exists() for row in rows)
    assert "already" in shell(f"export --all {folder} --home {home}", USAGE)
    assert "--all" in shell(f"export --home {home}", USAGE)
    assert "leave out" in shell(f"export x.bundle --all {folder} --home {home}", USAGE)


def test_vanishing_is_asked_for_and_called_off(rig: Rig) -> None:
    """CLI-93"""
    assert "others signed beside them" in rig("vanish", USAGE)
    rig("vanish --yes")
    assert rig.node.submitted[-1] == c.Vanish()
    assert "Called off" in rig("vanish --cancel")
    assert rig.node.submitted[-1] == c.Stay()
