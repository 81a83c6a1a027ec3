"""What people get wrong at a terminal, and what others leave there for them: the real command, one clear sentence."""

import json
import os
import pty
import resource
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node.cli import wltm
from node.cli.client import RUN_FILE, Client
from node.cli.shell import NOT_NOW, OK, USAGE, WRONG, run
from node.config import load
from node.invitation import Invitation
from node.present import now_ms
from node.template import load as load_template
from protocol.identity import Persona
from protocol.record.record import Record

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="uses /dev/full and prlimit"),
    pytest.mark.timeout(240),
]
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("WLTM_")}
MEMORY_BYTES = 1 << 30
HEADER = "person,task,alternative,chosen,price\n"
CHOICES = HEADER + "a,1,x,1,2\na,1,y,0,3\nb,1,x,1,2\nb,1,y,0,3\n"
BALLOTS = "# NUMBER ALTERNATIVES: 3\n# NUMBER VOTERS: 3\n"
COMPARED = load_template("electricity").compared
PRICES = ",".join(["sku", "min_qty", "unit_price", "capacity", *(one.name for one in COMPARED)]) + "\n"


def spawn(*arguments: str, limit: Callable[[], None] | None = None, **more: Any) -> "subprocess.Popen[str]":
    """The command as a process of its own, in bounded memory."""

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        if limit:
            limit()

    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | more
    command = [sys.executable, "-m", "node.cli", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, text=True, preexec_fn=prepare, **streams)


def done(process: "subprocess.Popen[str]", typed: str = "") -> tuple[int, str, str]:
    """(exit code, standard output, standard error) within a minute."""
    out, said = process.communicate(typed, timeout=60)
    assert "Traceback" not in (said or "")
    return process.returncode, out or "", said or ""


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> tuple[str, str]:
    """Runs a command here, for people and for programs: (clause, sentence), which must agree."""
    assert run(wltm, list(arguments)) == code, capsys.readouterr()
    people = capsys.readouterr()
    assert people.err.startswith("wltm: "), people
    assert people.err.count("\n") == 1
    assert all(letter.isprintable() or letter == "\n" for letter in people.err)
    assert run(wltm, [*arguments, "--json"]) == code
    programs = capsys.readouterr()
    error = json.loads(programs.out)["error"]
    assert sorted(error) == ["code", "message"]
    assert error["code"]
    assert people.err == programs.err == f"wltm: {error['message']}\n"
    return error["code"], error["message"]


FILES: list[tuple[str, bytes, str]] = [
    ("groups", b"", "line 1: is empty"),
    ("groups", os.urandom(64) + b"\xff\n", "is not UTF-8"),
    ("groups", CHOICES.encode("utf-16"), "is not UTF-8"),
    ("groups", CHOICES.replace("chosen", "chozen").encode(), "column 'chosen' is missing"),
    ("groups", CHOICES.replace(",3\n", ",three\n", 1).encode(), "line 3: price: must be a number"),
    ("groups", CHOICES.replace(",3\n", ",nan\n", 1).encode(), "line 3: price: must be a number"),
    ("groups", (HEADER + "a,1,\x1b[2J,1,9\n" * 2).encode(), "stands twice"),
    (
        "groups",
        HEADER.encode() + b"".join(b"p%d,%d,x,1,2\np%d,%d,y,0,2\n" % (i // 9, i, i // 9, i) for i in range(500_000)),
        "too many rows",
    ),
    ("groups", HEADER.encode() + b"a" * 100_000, "line 2: longer than"),
    ("tally", b"", "NUMBER ALTERNATIVES"),
    ("tally", (BALLOTS + "1.5: 1,2\n").encode(), "line 3: count"),
    ("tally", (BALLOTS + "3: 1,4\n").encode(), "line 3: alternative"),
    ("tally", (BALLOTS + "3: " + "{" * 100_000).encode(), "line 3: braces"),
    ("tally", (BALLOTS + "4: 1,2\n").encode(), "is the file whole?"),
    ("tally", b"# NUMBER ALTERNATIVES: 3\n" + b"1: 1\n" * 1_000_001, "lines"),
    ("quote", b"", "no line names its columns"),
    ("quote", b"\xff\xfe", "no line names its columns"),
    (
        "quote",
        (PRICES + "a,1,nan,5" + "".join(f",{one.least // one.scale}" for one in COMPARED) + "\n").encode(),
        "line 2, unit_price: is not a number",
    ),
    ("quote", b"\xef\xbb\xbf" + PRICES.replace("capacity", "x").encode(), "there is no column capacity"),
]


def reading(command: str, file: Path) -> tuple[str, ...]:
    """The command line that reads this file."""
    match command:
        case "groups":
            return "groups", "--choices", str(file)
        case "quote":
            board = ("--category", "electricity", "--region", "u1", "--label", "x", "--yes")
            return "supplier", "quote", "--prices", str(file), *board, "--home", str(file.parent)
    return command, str(file)


@pytest.mark.parametrize("at", range(len(FILES)))
def test_a_file_that_is_not_what_it_should_be(at: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-3, CLI-9"""
    command, content, words = FILES[at]
    (tmp_path / "file").write_bytes(content)
    _, message = refused(capsys, USAGE, *reading(command, tmp_path / "file"))
    assert words in message


@pytest.mark.parametrize("command", ["groups", "tally", "quote", "verify"])
def test_a_file_that_cannot_be_read_or_never_ends(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI-9: missing, a folder, a loop; and /dev/zero in bounded time and memory"""
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("missing", "folder", "loop"):
        assert name in refused(capsys, USAGE, *reading(command, tmp_path / name))[1]
    (tmp_path / "endless").symlink_to("/dev/zero")
    code, _, said = done(spawn(*reading(command, tmp_path / "endless")))
    assert (code, said.count("\n")) == (USAGE, 1), said


def test_bytes_that_are_no_record_or_bundle_are_wrong_not_misused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI-9, BUN-1: exit 1 and the clause"""
    good = Record.sign(Persona.from_seed(bytes(32)), bytes(32), "gossip.9", "board/a/b", {}, created=1, expires=2).raw
    for content in (b"", b"\x91" * 60_000, os.urandom(500), good[:-1], good + b"x", bytes(70_000)):
        (tmp_path / "file").write_bytes(content)
        assert run(wltm, ["record", "inspect", str(tmp_path / "file"), "--home", str(tmp_path), "--json"]) == WRONG
        assert json.loads(capsys.readouterr().out)["code"]
        assert run(wltm, ["verify", str(tmp_path / "file"), "--json"]) == WRONG
        assert json.loads(capsys.readouterr().out)["error"]["code"].startswith("BUN-")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--listen", "garbage"), "mesh.listen: address 'garbage'"),
        (("--relay", "/ip4/1.2.3.4/tcp/1"), "lacks /p2p/"),
        (("--network", ""), "network.name must be"),
        (("--invitation", ""), "no whole invitation"),
        (("--network", "a\x1b[2J"), "network.name must be"),
        (("--passphrase-file", "/dev/zero"), "larger than"),
        (("--words-file", "/dev/null"), "words: these are 0"),
    ],
)
def test_a_home_is_not_made_by_halves(
    flags: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI-11: what is not understood leaves nothing behind, and does not mean the default"""
    home = tmp_path / "home"
    with_passphrase = flags[0] == "--passphrase-file"
    given = [*flags, "--home", str(home), *([] if with_passphrase else ["--no-passphrase"])]
    assert words in refused(capsys, USAGE, "init", *given)[1]
    assert not home.exists()


def test_words_are_never_lost_to_a_file_in_the_way_or_a_full_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI-11: keys are made last, so that a failed `init` can be repeated"""
    home = tmp_path / "home"
    start = ["init", "--home", str(home), "--no-passphrase", "--network", "mine"]
    home.mkdir()
    (home / "config.toml").write_text("role = 'home'\n")
    assert "left alone" in refused(capsys, USAGE, *start)[1]
    assert [path.name for path in home.iterdir()] == ["config.toml"]
    (home / "config.toml").unlink()
    for most in (10, 200):  # bytes: not even the settings, then not the keys
        limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (most, most))
        code, _, said = done(spawn(*start, limit=limit))
        assert code in (USAGE, NOT_NOW)
        assert "cannot be written" in said
        assert list(home.iterdir()) == []
    assert run(wltm, start) == OK
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"api.prot = 1",
        b"[api",
        b"\xff",
        b"x = " + b"[" * 9000,
        b"x = " + b"1" * 9000,
        b"api = 1",
        b"api.port = nan",
        b"a" * 70_000,
    ],
)
def test_settings_that_are_none(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CFG-1, CFG-2, CFG-3"""
    (tmp_path / "config.toml").write_bytes(content)
    code, message = refused(capsys, USAGE, "config", "show", "--home", str(tmp_path))
    assert code.startswith("CFG-")
    assert str(tmp_path / "config.toml") in message


def test_a_byte_order_mark_is_no_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CFG-1"""
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbfrole = 'relay'\r\n")
    assert run(wltm, ["config", "show", "--home", str(tmp_path)]) == OK
    assert '"relay"' in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        "[" * 900,
        "{}",
        '{"pid": 1, "host": "a b\\r\\nX: y", "port": 80}',
        '{"pid": 1, "host": "192.0.2.1", "port": 80}',
        '{"pid": 1, "host": "127.0.0.1", "port": 1e400}',
        '{"pid": 1, "host": "127.0.0.1", "port": 0}',
    ],
)
def test_a_run_file_that_lies_leads_nowhere_else(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI-8: the key is sent to this machine alone"""
    (tmp_path / RUN_FILE).write_text(content)
    (tmp_path / "api-token").write_text("secret")
    assert refused(capsys, NOT_NOW, "needs", "--home", str(tmp_path))[0] == "CLI-8"


def test_an_empty_name_is_not_another_path(capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-1: as a variable that is not set makes it"""
    assert "--home" in refused(capsys, USAGE, "needs", "--home", "")[1]


def test_invitations_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-10: damaged, ended, of another network, in text that drives the terminal"""
    good = Invitation("town", b"salt", 1, bytes(16), bytes(32), (), b"t", now_ms() + 10**7)
    link = good.link()
    join = ("--intent", "home", "--yes", "--home", str(tmp_path))
    for damaged in ("", "wltm:", link[:-1], link[:40], link[5:], "x" * 9000, link.swapcase(), "wltm:\x1b[2J"):
        assert refused(capsys, USAGE, "join", damaged, *join)[0] == "CLI-10"
    assert "ended at" in refused(capsys, USAGE, "join", replace(good, expires=1).link(), *join)[1]
    assert "another network (town)" in refused(capsys, USAGE, "join", link, *join)[1]


def test_nobody_listens(tmp_path: Path) -> None:
    """CLI-3: a pipe that closes early is no failure; a stream that is full is one, and neither shows a trace"""
    lines = BALLOTS.replace("3\n", "300\n", 1) + "3: 1\n"
    (tmp_path / "wide").write_text(lines)
    process = spawn("tally", str(tmp_path / "wide"), "--json")
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    said = process.stderr.read()
    assert (process.wait(60), said) == (OK, "")
    with open("/dev/full", "w") as full:
        code, _, said = done(spawn("config", "show", "--json", "--home", str(tmp_path), stdout=full))
        assert (code, said.count("\n")) == (NOT_NOW, 1)
        assert done(spawn("bogus", "--json", stdout=full, stderr=full))[0] == USAGE


def test_ctrl_c_at_a_prompt_leaves_nothing(tmp_path: Path) -> None:
    """CLI-2, CLI-11"""
    ours, theirs = pty.openpty()
    home = tmp_path / "home"
    process = spawn("init", "--home", str(home), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    while b"Passphrase" not in shown:
        assert select.select([ours], [], [], 60)[0]
        shown += os.read(ours, 1000)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    os.close(ours)
    assert not home.exists()


def test_a_node_in_the_background_fails_with_the_same_words_as_in_front(tmp_path: Path) -> None:
    """CLI-8, CLI-11, IDN-11: a wrong passphrase, a bad template, a home that another node holds, a full disk; and what
    was acknowledged is there afterwards
    """
    home = tmp_path / "home"
    at = ("--home", str(home), "--json")
    secret = "--passphrase-file=-"
    assert done(spawn("init", *at, secret, "--port=0", "--network=mine"), "right\n")[0] == OK

    def both(code: int, clause: str, typed: str = "right\n") -> str:
        said = [done(spawn("up", *at, secret, *more), typed) for more in ((), ("--detach",))]
        errors = [json.loads(out)["error"] for _, out, _ in said]
        assert [exit_code for exit_code, _, _ in said] == [code] * 2, said
        assert errors[0] == errors[1]
        assert errors[0]["code"] == clause
        return str(errors[0]["message"])

    assert "passphrase" in both(USAGE, "IDN-11", "wrong\n")
    (home / "templates").mkdir()
    (home / "templates" / "mine.toml").write_text("category = 7\n")
    assert "mine.toml" in both(USAGE, "TPL-1")
    (home / "templates" / "mine.toml").unlink()
    pid = json.loads(done(spawn("up", *at, secret, "--detach"), "right\n")[1])["pid"]
    try:
        assert str(pid) in both(NOT_NOW, "STO-7")
        add = ("--category=electricity", "--region=u1", "--want=3", "--spend=4", "--by=+3d", "--yes")
        assert done(spawn("intent", "add", "before", *add, *at))[0] == OK
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        code, out, _ = done(spawn("intent", "add", "during", *add, *at))
        assert (code, json.loads(out)["error"]["code"]) == (NOT_NOW, "STO-5")
        assert "the disk is full" in Client(home).get("/status")["trouble"]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert done(spawn("intent", "add", "after", *add, *at))[0] == OK
        assert {row["name"] for row in Client(home).get("/intents")} == {"before", "after"}
        assert load(home, {}, ENVIRONMENT).network.name == "mine"
    finally:
        assert done(spawn("down", *at))[0] == OK
