"""wltm invite: one link for many, a link for each row of a list, and who came by them (CLI-70, CLI-71)."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pytest

from node import invitation, present
from node.cli.invite import read_list
from protocol import commands as c
from protocol.coop.charter import Invitation
from protocol.errors import CommandError
from protocol.identity import Persona
from tests.test_cli import Rig
from tests.test_cli import rig as rig

USAGE = 2
FOUNDER = Persona.from_seed(bytes([7]) * 32)


@pytest.fixture
def town(rig: Rig) -> Rig:
    """A node whose founder signs as many invitations as are asked for."""
    (rig.home / "config.toml").write_text(f'network.name = "town"\nnetwork.salt = "{"01" * 16}"\nnetwork.speed = 100\n')
    made = iter(range(10_000))

    def sign(command: Any) -> None:
        if isinstance(command, c.Invite):
            nonces = [next(made).to_bytes(16, "big") for _ in range(command.tokens)]
            signed = [Invitation.sign(FOUNDER, bytes(32), one, command.expires, command.count) for one in nonces]
            rig.node.answers[c.Invite] = {"tokens": [one.token() for one in signed]}

    rig.node.on_submit = sign
    return rig


def written(path: Path, rows: list[list[str]], separator: str = ",") -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


def test_one_link_for_many(town: Rig) -> None:
    """CLI-70"""
    assert "up to 150 times" in town("invite ab --count 150", USAGE)
    link = town.json("invite ab --count 150 --yes")["link"]
    assert Invitation.parse(invitation.read(link, present.now_ms()).token).count == 150
    assert "501" in town("invite ab --count 501 --yes", USAGE)


def test_a_link_for_each_row(town: Rig, tmp_path: Path) -> None:
    """CLI-71: for one person each; given again it makes none anew; names are in no link."""
    people = [["Name", "E-mail"]] + [[f"Person {number}", f"p{number}@example.org"] for number in range(150)]
    source, out = written(tmp_path / "people.csv", people, ";"), tmp_path / "links.csv"
    found = town.json(f"invite ab --csv {source} --out {out} --yes")
    assert (found["made"], found["kept"]) == (150, 0)
    assert os.stat(out).st_mode & 0o777 == 0o600
    head, rows = read_list(out)
    assert head == ["Name", "E-mail", "link", "expires"]
    assert [row[:2] for row in rows] == people[1:]
    tokens = [Invitation.parse(invitation.read(row[2], present.now_ms()).token) for row in rows]
    assert len({one.nonce for one in tokens}) == 150
    assert {one.count for one in tokens} == {1}
    assert b"Person" not in b"".join(invitation.read(row[2], 0).token for row in rows)
    written(source, [*people, ["Zoe", "z@example.org"]], ";")
    found = town.json(f"invite ab --csv {source} --out {out} --yes")
    assert (found["made"], found["kept"]) == (1, 150)
    assert read_list(out)[1][:150] == rows


def test_who_came(town: Rig, tmp_path: Path) -> None:
    """CLI-71: by row where the list is at hand."""
    source, out = written(tmp_path / "people.csv", [["Name"], ["Ann"], ["Ben"]]), tmp_path / "links.csv"
    town(f"invite ab --csv {source} --out {out} --yes")
    town.node.answers[c.AskInvitations] = [{"nonce": bytes(16), "used": 1}, {"nonce": b"n" * 16, "used": 3}]
    found = town.json(f"invite ab --used --out {out}")
    assert [(one["row"], one["used"]) for one in found] == [("Ann", 1), ("Ben", 0), ("", 3)]
    town.node.answers[c.AskInvitations] = []
    assert "Nobody" in town("invite ab --used")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "head line"),
        (b"Name\n", "head line"),
        (b"Name;Mail\nAnn\n", "line 2 has not 2 cells"),
        (b"Name\nAnn\nBen\nAnn\n", "line 4 says the same as line 2"),
        (b"Name\n\xff\n", "not UTF-8"),
        (b'Name,Mail\n"Ann,a@b\n', "no CSV"),
        (b"Name\n" + b"\n".join(b"%d" % number for number in range(20_001)), "more than 20000 people"),
    ],
)
def test_lists_that_are_none(text: bytes, says: str, tmp_path: Path) -> None:
    """CLI-71"""
    path = tmp_path / "people.csv"
    path.write_bytes(text)
    with pytest.raises(CommandError, match=says) as caught:
        read_list(path)
    assert caught.value.code == "CLI-71"


def test_what_it_did_not_write_stays(town: Rig, tmp_path: Path) -> None:
    """CLI-71, CLI-9"""
    source, out = written(tmp_path / "people.csv", [["Name"], ["Ann"]]), tmp_path / "links.csv"
    out.write_text("my,own\nnotes,here\n")
    assert "did not" not in town(f"invite ab --csv {source} --yes", USAGE)
    assert "is no list that this command wrote" in town(f"invite ab --csv {source} --out {out} --yes", USAGE)
    assert out.read_text() == "my,own\nnotes,here\n"
    missing = tmp_path / "none" / "links.csv"
    assert "cannot be written" in town(f"invite ab --csv {source} --out {missing} --yes", USAGE)


def test_a_merger_names_whole_ids(town: Rig) -> None:
    """CLI-73"""
    asked = "coop succeed ab --intent home --purpose P --yes --merge"
    for wrong in ("ab", "0" * 31, "G" * 32):
        assert "whole id" in town(f"{asked} {wrong}", USAGE)
