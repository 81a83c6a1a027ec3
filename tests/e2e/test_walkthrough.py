"""The README's co-op by hand, word for word: its blocks go to three shells that stand where its readers stand."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^\*\*The (\w+)\*\*.*?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Somebody else tries the invitation that the member has used: one sentence, exit code 2.
AGAIN = """
scripts/wltm intent add power --category electricity --region u10 --want 1 --spend 3 --by +30d --yes
scripts/wltm join "$(cat out/invitation)" --intent power --yes || [ $? = 2 ]
"""
# What the charter's optional windows are for, while the README's organiser waits: each side says what it may.
TALK = (
    (
        "member",
        "scripts/wltm deal ask - 'Is the meter changed for free?' --yes\n"
        "scripts/wltm deal suggest - --require 'renewable_percent>=80' --reason 'Green, then.' --yes",
    ),
    ("organiser", "scripts/wltm needs --until reply\nscripts/wltm deal reply - - 'Yes.' --yes"),
    ("organiser", "scripts/wltm needs --until adopt\nscripts/wltm deal adopt - - --yes"),
    ("member", "scripts/wltm needs --until adopt\nscripts/wltm deal adopt - - --yes"),
    ("organiser", "scripts/wltm needs --until counter\nscripts/wltm deal counter - - --price 2.05 --quantity 50 --yes"),
    ("supplier", "scripts/wltm needs --until final\nscripts/wltm deal final - --rung 10=2.30 --rung 40=2.05 --yes"),
    ("supplier", "scripts/wltm deal talk -"),
)
ASKED = "scripts/wltm rfq - --yes\n"
END = "the block has ended"


def blocks() -> list[tuple[str, str]]:
    """(who, commands) in the README's order."""
    section = (ROOT / "README.md").read_text().partition("## A co-op by hand\n")[2].partition("\n## ")[0]
    return BLOCK.findall(section)


class Terminal:
    """A shell that stops at the first command that fails."""

    def __init__(self, folder: Path) -> None:
        self._shell = subprocess.Popen(
            ["bash", "-eu"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, commands: str) -> str:
        """Runs the commands and returns what the terminal shows."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{commands}\necho {END}\n")
        self._shell.stdin.flush()
        shown = ""
        for line in self._shell.stdout:
            if line == END + "\n":
                return shown
            shown += line
        raise AssertionError(f"a command of this block failed:\n{commands}\n{shown}")

    def close(self) -> None:
        """Ends the shell."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.close()
        self._shell.wait(10)
        self._shell.stdout.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that looks like the checkout, so that nothing is left in the real one; no node outlives the test."""
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    yield tmp_path
    for home in tmp_path.glob("out/*"):
        if (home / "node.json").exists():
            subprocess.run([ROOT / "scripts" / "wltm", "down", "--home", home], check=True)


@pytest.mark.timeout(400)
def test_three_people_live_a_co_op_by_hand(folder: Path) -> None:
    """CLI-1, CLI-4, CLI-7, CLI-8, CLI-10, CLI-11"""
    terminals = {who: Terminal(folder) for who, _ in blocks()}
    assert sorted(terminals) == ["member", "organiser", "supplier"]
    try:
        shown = [(who, terminals[who].type(commands)) for who, commands in blocks()[:3]]
        assert "somebody has used it already" in terminals["supplier"].type(AGAIN)
        for who, commands in blocks()[3:]:
            before, asked, after = commands.rpartition(ASKED)
            shown += [(one, terminals[one].type(what)) for one, what in ((who, before + asked), *TALK) if asked]
            shown.append((who, terminals[who].type(after)))
        views = {
            who: json.loads(terminals[who].type("scripts/wltm coop show - --json")) for who in ("member", "organiser")
        }
        standing = terminals["member"].type("scripts/wltm needs --json")
        for terminal in terminals.values():
            assert "The node has stopped." in terminal.type("scripts/wltm down")
    finally:
        for terminal in terminals.values():
            terminal.close()
    for view in views.values():
        assert view["state"] == "delivered"
        assert view["certificate_ok"]
        assert view["unit_price_minor"] == 205
        assert view["saving_minor"] > 0
    assert views["member"]["agreement"] == views["organiser"]["agreement"] != ""
    assert "supplier" not in {need.get("role") for need in json.loads(standing)}
    said = "".join(text for _, text in shown)
    assert "renewable_percent at least 80, adopted" in said
    for kind in ("revision", "box of finals", "countersign"):
        assert re.search(f"^✓ {kind}: ", said, re.MULTILINE), kind
    assert "This binds you to buy" in said
    assert re.search(r"as supplier: standing 0\.[1-9]", said)
    assert "The deal holds: 2 members" in said
    assert re.search(r"The ballot [0-9a-f]{8} of [0-9a-f]{8} is one of the 2 that", said)
    assert "Traceback" not in said
