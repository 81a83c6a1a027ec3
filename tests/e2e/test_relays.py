"""Real relays that die and that hang, under a real home: it moves to another and misses nothing.

Spec: 03-gossip, GOS-61 to GOS-63; 13-node, CLI-40 to CLI-42.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node.cli.client import Client
from node.present import now_ms

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60
NETWORK = {"WLTM_NETWORK_NAME": "town", "WLTM_NETWORK_SALT": "07" * 16, "WLTM_NETWORK_SPEED": "100"}
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("WLTM_")} | NETWORK
WISH = {"category": "electricity", "region": "u10", "want": 30, "tolerate": 0, "spend_minor": 900, "readiness": "ready"}


@dataclass
class Node:
    """A home and the process that runs in it, in a session of its own with its mesh."""

    home: Path
    process: "subprocess.Popen[bytes]"
    address: str = ""

    @classmethod
    def start(cls, home: Path, role: str, *flags: str, **settings: str) -> "Node":
        """Begins to start, with these variables; `ready` waits."""
        run = [sys.executable, "-m", "node.cli", "--home", str(home), "--json"]
        if not home.exists():
            made = [*run, "init", "--no-passphrase", "--port", "0", "--role", role]
            subprocess.run(made, cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True)
        with (home / "node.log").open("ab") as log:
            pipe = subprocess.PIPE
            return cls(
                home,
                subprocess.Popen(
                    [*run, "up", *flags],
                    cwd=ROOT,
                    env=ENVIRONMENT | settings,
                    stdout=pipe,
                    stderr=log,
                    start_new_session=True,
                ),
            )

    def ready(self) -> "Node":
        """Once it answers."""
        assert self.process.stdout
        addresses = json.loads(self.process.stdout.readline())["addresses"]
        self.address = addresses[0] if addresses else ""
        return self

    def signal(self, number: int) -> None:
        """To the node and its mesh."""
        os.killpg(self.process.pid, number)

    @property
    def client(self) -> Client:
        """Its local API."""
        return Client(self.home)

    def relays(self) -> dict[str, str]:
        """Address → state."""
        return {one["address"]: one["state"] for one in self.client.get("/peers")["relays"]}

    def until(self, states: dict[str, str]) -> None:
        """Waits until its relays stand like this."""
        self.client.wait(lambda: self.relays().items() >= states.items(), f"{states}", PATIENCE_S)


@dataclass
class Town:
    """Four relays; ann keeps to three of them and knows the fourth; bob speaks through the last two."""

    relays: list[Node]
    ann: Node
    bob: Node


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    listen = ("--listen", "/ip4/127.0.0.1/tcp/0")
    nodes = [Node.start(tmp_path / name, "relay", *listen) for name in ("a", "b", "c", "d")]
    try:
        relays = [one.ready() for one in list(nodes)]
        flags: list[list[str]] = [[f"--relay={one.address}" for one in some] for some in (relays, relays[2:])]
        nodes += [Node.start(tmp_path / name, "home", *own) for name, own in zip(("ann", "bob"), flags, strict=True)]
        yield Town(relays, nodes[4].ready(), nodes[5].ready())
    finally:
        for one in nodes:
            one.signal(signal.SIGKILL)
            one.process.wait(PATIENCE_S)
            if one.process.stdout:
                one.process.stdout.close()


def wish(node: Node, name: str) -> None:
    """One would like electricity."""
    values: dict[str, Any] = {"name": name, "ready_by": now_ms() + 10**9, "terms": ["basic"], **WISH}
    node.client.post("/intents", values)


def hears(node: Node, wishes: int) -> None:
    """Waits until a node knows of so many."""
    board = "/board/electricity/u10"
    node.client.wait(lambda: node.client.get(board)["intents"] == wishes, f"wish {wishes}", PATIENCE_S)


def test_a_home_moves_when_its_relays_are_killed_and_misses_nothing(town: Town) -> None:
    """GOS-61, GOS-62, GOS-63"""
    a, b, c, d = town.relays
    ann, bob = town.ann, town.bob
    bob.until({c.address: "linked", d.address: "linked"})
    ann.until({a.address: "linked", b.address: "linked", c.address: "linked", d.address: "spare"})
    ann.client.post("/watch", {"category": "electricity", "region": "u10"})
    wish(bob, "one")
    hears(ann, 1)
    for dead in (a, c):
        dead.signal(signal.SIGKILL)
    wish(bob, "two")
    ann.until({b.address: "linked", d.address: "linked", a.address: "lost", c.address: "lost"})
    hears(ann, 2)
    told = ann.client.get("/mesh")
    assert told["state"] == "through relay"
    assert told["listens"] == [], "no open port was needed"
    ann.client.wait(lambda: bool(ann.client.get("/mesh")["fresh"]), "freshness", PATIENCE_S)


@pytest.mark.long
def test_a_home_moves_when_a_relay_hangs(town: Town) -> None:
    """GOS-62, MSH-11: a stopped relay keeps its sockets open; only silence tells, after 25 seconds."""
    a, _, c, d = town.relays
    ann, bob = town.ann, town.bob
    ann.until({a.address: "linked", c.address: "linked", d.address: "spare"})
    ann.client.post("/watch", {"category": "electricity", "region": "u10"})
    a.signal(signal.SIGSTOP)
    wish(bob, "one")
    hears(ann, 1)
    ann.until({d.address: "linked", a.address: "lost"})
    a.signal(signal.SIGCONT)
    ann.until({a.address: "linked", d.address: "spare"})
