"""A peer written in another language, on another libp2p, lives beside real nodes (tests/e2e/peer/peer.mjs).

It joins a relay, reconciles, takes what others say, says something itself, and is heard by a member at that relay.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node.config import load
from node.template import in_home
from tests.e2e.test_home import wltm

PEER = Path(__file__).parent / "peer"
PATIENCE_S = 60
SCOPE = "board/electricity/u10"


@pytest.fixture(scope="module")
def peer_program() -> list[str]:
    """The command that runs the peer; its libraries are fetched into the checkout once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node and npm are not installed")
        pytest.skip("needs node and npm, which are not installed here")
    if not (PEER / "node_modules" / ".package-lock.json").exists():
        done = subprocess.run([npm, "ci"], cwd=PEER, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    return [node, str(PEER / "peer.mjs")]


@dataclass
class Place:
    """A relay and a member who keeps to it; `addresses` are the relay's, one of TCP and one of WebSocket."""

    relay: Path
    member: Path
    addresses: list[str]

    @property
    def network(self) -> bytes:
        return load(self.relay).network.id


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("town")
    relay, member = folder / "relay", folder / "member"
    try:
        for home in (relay, member):
            home.mkdir(mode=0o700)
            text = '[network]\nname = "peers"\nsalt = "0707"\n[api]\nport = 0\n'
            (home / "config.toml").write_text(text)
            wltm(home, "init", "--no-passphrase")
        listen = ("--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip4/127.0.0.1/tcp/0/ws")
        up, _ = wltm(relay, "up", "--detach", "--role", "relay", *listen)
        wltm(member, "up", "--detach", "--relay", up["addresses"][0])
        add(member, "before")
        yield Place(relay, member, up["addresses"])
    finally:
        for home in (relay, member):
            if (home / "node.json").exists():
                wltm(home, "down")


def add(home: Path, name: str) -> None:
    """The member says what they would like."""
    line = f"intent add {name} --category electricity --region u10 --want 300 --spend 62 --by +30d --yes"
    wltm(home, *line.split())


class Peer:
    """The program, what it is told and what it says."""

    def __init__(self, command: list[str], address: str, network: bytes) -> None:
        line = [*command, address, network.hex(), SCOPE]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._held = b""
        self.heard: list[dict[str, Any]] = []

    def tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def wait(self, event: str, **fields: Any) -> dict[str, Any]:
        """The first news of this kind with these fields, past or to come."""
        wanted = {"event": event, **fields}
        return self.wait_until(lambda one: wanted.items() <= one.items())

    def wait_until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first news that is wanted, past or to come."""
        until, looked = time.monotonic() + PATIENCE_S, 0
        while True:
            for one in self.heard[looked:]:
                if wanted(one):
                    return one
            looked = len(self.heard)
            self._listen(until - time.monotonic())

    def _listen(self, seconds: float) -> None:
        assert self._process.stdout
        assert self._process.stderr
        if not select.select([self._process.stdout], [], [], max(0.0, seconds))[0]:
            pytest.fail(f"the peer said no more than {self.heard}")
        data = os.read(self._process.stdout.fileno(), 1 << 16)
        assert data, f"the peer ended after {self.heard}: {self._process.stderr.read().decode()}"
        *lines, self._held = (self._held + data).split(b"\n")
        self.heard += map(json.loads, lines)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.mark.parametrize("over", ["tcp", "ws"])
def test_a_peer_in_another_language_joins_reconciles_and_publishes(
    place: Place, peer_program: list[str], over: str
) -> None:
    """MSH-1 to MSH-9, MSH-40, GOS-1 to GOS-5, GOS-10, SYN-1 to SYN-13"""
    address = next(one for one in place.addresses if ("/ws/" in one) == (over == "ws"))
    peer = Peer(peer_program, address, place.network)
    try:
        peer.wait("connected")
        peer.wait("record", kind="intent.1")
        peer.wait("reconciled")
        before = {one["id"] for one in peer.heard if one["event"] == "record"}
        add(place.member, f"while-{over}")
        peer.wait_until(lambda one: one["event"] == "record" and one["id"] not in before)  # broadcast
        now = time.time_ns() // 1_000_000
        template = next(one for one in in_home(place.member).values() if one.category == "electricity")
        body = {
            "template": {"bytes": template.hash.hex()},
            "want": 250,
            "tolerate": 25,
            "spend_minor": 5_500,
            "readiness": "ready",
            "ready_by": now + 30 * 86_400_000,
            "levels": {},
            "terms": [],
        }
        slot = ["latest", "stranger", 0]
        peer.tell(json.dumps({"kind": "intent.1", "body": body, "slot": slot, "created": now, "expires": now + 10**9}))
        assert peer.wait("ack")["codes"] == [""], "the relay stored it"
        wait_for_strangers(place.member, 1 if over == "tcp" else 2)
    finally:
        peer.end()


def wait_for_strangers(home: Path, count: int) -> None:
    """Until the board of the node of `home` holds so many intents that are not its own."""
    until = time.monotonic() + PATIENCE_S
    while True:
        (board,), _ = wltm(home, "board", "electricity", "u10")
        if board["intents"] - len(board["mine"]) >= count:
            return
        assert time.monotonic() < until, "the member never heard what the peer said"
