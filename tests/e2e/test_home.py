"""Making, starting and stopping a home with the real command, and every way in which that can be refused."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = "legal winner thank year wave sausage worth useful legal winner thank yellow"  # BIP-39's own example
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("WLTM_")}


def wltm(home: Path, *arguments: str, code: int = 0, typed: str = "") -> tuple[Any, str]:
    """(the JSON answer, what was said on standard error)."""
    done = subprocess.run(
        [sys.executable, "-m", "node.cli", *arguments, "--home", str(home), "--json"],
        cwd=ROOT,
        env=ENVIRONMENT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for a home; whatever runs there is ended afterwards."""
    found = tmp_path / "home"
    yield found
    if (found / "node.json").exists():
        wltm(found, "down")


def test_a_home_lives_through_up_kill_up_down(home: Path) -> None:
    """CLI-8, CLI-11"""
    made, _ = wltm(home, "init", "--network", "t", "--port", "0", "--no-passphrase")
    assert len(made["words"].split()) == 12
    assert home.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.iterdir())
    _, said = wltm(home, "init", "--network", "t", "--no-passphrase", code=2)
    assert "choose another --home" in said
    first, _ = wltm(home, "up", "--detach")
    assert wltm(home, "id")[0]["did"] == made["did"]
    _, said = wltm(home, "up", code=3)
    assert f"another node runs here (process {first['pid']})" in said
    assert wltm(home, "status")[0]["did"] == made["did"]
    os.kill(first["pid"], signal.SIGKILL)
    second, _ = wltm(home, "up", "--detach")
    assert second["pid"] != first["pid"]
    wltm(home, "down")
    assert not (home / "node.json").exists()
    wltm(home, "down", code=3)


def test_a_locked_home_opens_with_its_passphrase_only(home: Path, tmp_path: Path) -> None:
    """CLI-11"""
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    _, said = wltm(home, "init", "--network", "t", code=2)
    assert "--passphrase-file FILE, or --no-passphrase" in said
    assert not home.exists()
    made, _ = wltm(home, "init", "--network", "t", "--port", "0", "--passphrase-file", str(secret))
    assert b"correct horse" not in b"".join(path.read_bytes() for path in home.iterdir())
    assert "are locked" in wltm(home, "up", code=3)[1]
    for form in ((), ("--detach",)):
        _, said = wltm(home, "up", *form, "--passphrase-file", "-", code=2, typed="wrong")
        assert "this passphrase does not open it" in said
    wltm(home, "up", "--detach", "--passphrase-file", str(secret))
    assert wltm(home, "id")[0]["did"] == made["did"]


def test_words_restore_the_same_persona(home: Path, tmp_path: Path) -> None:
    """CLI-11"""
    made, _ = wltm(home, "init", "--words-file", "-", "--no-passphrase", typed=WORDS)
    assert "words" not in made
    again, _ = wltm(tmp_path / "again", "init", "--words-file", "-", "--no-passphrase", typed=f"  {WORDS.upper()}\n")
    assert again["did"] == made["did"]
    for wrong in ("", "legal", WORDS.replace("thank", "thanks"), " ".join(reversed(WORDS.split())), "\0" * 900):
        _, said = wltm(tmp_path / "no", "init", "--words-file", "-", "--no-passphrase", code=2, typed=wrong)
        assert "words: " in said
    assert not (tmp_path / "no").exists()


def test_a_port_in_use_and_a_wrong_setting(home: Path) -> None:
    """API-2, CLI-3"""
    wltm(home, "init", "--no-passphrase")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for form in ((), ("--detach",)):
            _, said = wltm(home, "up", *form, "--port", port, code=3)
            assert said == f"wltm: api.port: {port} is in use; choose another with --port (0: any)\n"
    assert not (home / "node.json").exists()
    (home / "config.toml").write_text("[mesh]\nrelay = []\n")
    assert "did you mean mesh.relays?" in wltm(home, "up", code=2)[1]
    (home / "config.toml").unlink()
    _, said = wltm(home, "up", "--port", "0", "--relay", "nonsense", code=2)
    assert "nonsense" in said


def test_flags_that_contradict_one_another_write_nothing(home: Path) -> None:
    """CLI-11"""
    for line in (
        "--network a --invitation wltm:x",
        "--speed 5",
        "--no-passphrase --passphrase-file x",
        "--invitation wltm:x --no-passphrase",
        "--network a --role king",
        "--network a --passphrase-file none",
    ):
        wltm(home, "init", *line.split(), code=2)
    assert not home.exists()


def test_a_config_that_exists_is_left_alone(home: Path) -> None:
    """CLI-11"""
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text("api.port = 0\n")
    _, said = wltm(home, "init", "--network", "mine", "--no-passphrase", code=2)
    assert "left alone" in said
    assert (home / "config.toml").read_text() == "api.port = 0\n"
    assert [path.name for path in home.iterdir()] == ["config.toml"]


def test_ctrl_c_ends_a_node_in_the_foreground(home: Path) -> None:
    """CLI-2, CLI-8"""
    wltm(home, "init", "--port", "0", "--no-passphrase")
    command = [sys.executable, "-m", "node.cli", "up", "--home", str(home), "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout
        assert json.loads(node.stdout.readline())["pid"] == node.pid
        node.send_signal(signal.SIGINT)
        assert node.wait(30) in (0, 130)
    assert not (home / "node.json").exists()
