"""Real nodes killed with SIGKILL at random moments under load: nothing acknowledged is lost, nothing is signed twice.

One node works for a person who never stops clicking, beside a relay that hears what it says. It is killed while it
starts, works or talks, sometimes its mesh process first; then it is started again on the same home.
"""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from node.batch import plain
from node.cli.client import Client
from node.cli.shell import Stop
from node.config import load
from node.store import Store
from node.store.log import Held
from protocol.identity import Persona
from protocol.record.record import Record, Slot

ROOT = Path(__file__).resolve().parents[2]
BOARDS, NAMES = 12, 4
PATIENCE_S = 60


@dataclass
class Node:
    """A home and, while it runs, its process."""

    home: Path
    flags: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None
    addresses: list[str] = field(default_factory=list)

    def wltm(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "node.cli", "--home", str(self.home), "--json", *arguments]

    def init(self, *flags: str) -> None:
        subprocess.run(self.wltm("init", "--no-passphrase", *flags), cwd=ROOT, check=True, capture_output=True)

    def spawn(self) -> None:
        with (self.home / "node.log").open("ab") as log:
            self.process = subprocess.Popen(self.wltm("up", *self.flags), cwd=ROOT, stdout=subprocess.PIPE, stderr=log)

    def ready(self) -> bool:
        """Waits until it answers; False when it ended instead."""
        assert self.process
        assert self.process.stdout
        line = self.process.stdout.readline()
        if line:
            self.addresses = json.loads(line)["addresses"]
        return bool(line)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(PATIENCE_S)
        if self.process.stdout:
            self.process.stdout.close()

    def kill_mesh(self) -> None:
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)

    def end(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0
        if self.process.stdout:
            self.process.stdout.close()

    def records(self, whole: bool = False) -> dict[int, Record]:
        """Position → record, read from the file of a node that is down; `whole`: and every byte of it is in order."""
        network = load(self.home, {}, {}).network.id

        async def read() -> dict[int, Record]:
            store = await Store.open(self.home / "node.db", network)
            try:
                if whole:
                    report = await store.verify()
                    assert (report.rebuilt, report.unreadable) == (0, ())
                return {held.position: held.record for held in await store.page(0, 10**6)}
            finally:
                await store.close()

        return asyncio.run(read())


Version = tuple[str, str, str, int]  # author, scope, slot, number in it


def version(row: Mapping[str, Any]) -> Version:
    """Which version of what a row of the log is."""
    slot, _, number = row["slot"].rpartition(" ")
    author = row["author"] if isinstance(row["author"], str) else row["author"].hex()
    return author, row["scope"], slot, int(number or 0)


@dataclass
class Person:
    """Clicks until the node is gone, and remembers every promise it made."""

    node: Node
    clicks: int = 0
    promised: dict[str, tuple[str, str, int]] = field(default_factory=dict)  # id answered → board, name, what it wants
    founded: dict[str, None] = field(default_factory=dict)  # scopes of co-ops that the API answered
    end: Stop | None = None
    shown: dict[int, tuple[str, Version]] = field(default_factory=dict)  # position → id in the log, its version

    def work(self) -> None:
        try:
            client = Client(self.node.home)
            while True:
                self.click(client)
        except Stop as stop:
            self.end = stop

    def click(self, client: Client) -> None:
        self.clicks += 1
        region, name = f"b{self.clicks % BOARDS}", f"i{self.clicks % BOARDS}-{self.clicks // BOARDS % NAMES}"
        intent = {"name": name, "category": "electricity", "region": region, "want": 100 + self.clicks, "tolerate": 9}
        intent |= {"spend_minor": 5000, "readiness": "ready", "ready_by": (time.time_ns() // 10**6) + 10**8}
        said = f"board/electricity/{region}", name, 100 + self.clicks
        self.promised[client.post("/intents", intent)["id"]] = said
        if self.clicks % 5 == 0:
            asked = {"intent": name, "purpose": "power", "least": 2, "most": 5, "preset": "always-on"}
            self.founded["coop/" + client.post("/coops", {**asked, "fee_max_minor": 0})["coop"]] = None
        page = client.get("/log", after=str(max(self.shown, default=0)), limit="200")
        self.shown.update({row["position"]: (row["id"], version(row)) for row in page["records"]})

    def check(self, held: dict[int, Record]) -> None:
        """What was answered or shown is on disk, where it was; or a later version in its slot is (STO-29)."""
        there = {record.id.hex() for record in held.values()}
        wants: dict[tuple[str, str], int] = {}  # it grows with each version
        newest: dict[tuple[str, str, str], int] = {}
        for at, record in held.items():
            author, scope, slot, number = version(plain(Held(at, record)))
            newest[author, scope, slot] = max(number, newest.get((author, scope, slot), -1))
            if record.kind == "intent.1":
                assert record.header.slot
                slotted = scope, record.header.slot.name
                wants[slotted] = max(record.body["want"], wants.get(slotted, -1))
        for one, (board, name, want) in self.promised.items():
            assert one in there or wants.get((board, name), -1) > want, one
        assert [one for one in self.founded if one not in {record.scope for record in held.values()}] == []
        for at, (one, (author, scope, slot, number)) in self.shown.items():
            if at in held:
                assert held[at].id.hex() == one
            else:
                assert slot.startswith("latest ")
                assert newest[author, scope, slot] > number


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """A relay that runs, and a home that keeps to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    relay, home = Node(tmp_path / "relay"), Node(tmp_path / "home")
    config = f'[network]\nname = "crash"\nsalt = "{os.urandom(8).hex()}"\nspeed = 20000\n[api]\nport = 0\n'
    for node in (relay, home):
        node.home.mkdir(mode=0o700)
        (node.home / "config.toml").write_text(config)
        node.init()
    relay.flags = ("--role", "relay", "--listen", f"/ip4/127.0.0.1/tcp/{port}")
    try:
        relay.spawn()
        assert relay.ready()
        home.flags = ("--relay", relay.addresses[0])
        yield relay, home
    finally:
        for node in (relay, home):
            if node.process and node.process.poll() is None:
                node.kill()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.long)])
def test_killed_at_any_moment_a_node_keeps_its_word(nodes: tuple[Node, Node], kills: int) -> None:
    """STO-2, STO-10: at a random moment of start, work or talk; REC-14: one id in each of its `once` slots."""
    relay, home = nodes
    person, pause = Person(home), threading.Event()
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    print("seed", seed)
    for _ in range(kills):
        home.spawn()
        if rng.random() < 0.15:
            pause.wait(rng.uniform(0, 1.5))  # while it starts
        elif home.ready():
            worker = threading.Thread(target=person.work)
            worker.start()
            pause.wait(rng.uniform(0.05, 1.5))
            if rng.random() < 0.2:
                home.kill_mesh()
                pause.wait(rng.uniform(0, 0.5))
            home.kill()
            worker.join(PATIENCE_S)
            assert not worker.is_alive()
            assert person.end is not None
            assert person.end.exit_code == 3, person.end  # the node was gone; anything else would be a refusal
        home.kill()
        person.check(home.records())
    home.spawn()
    assert home.ready()
    wait_until_equal(relay, home)
    home.end()
    relay.end()
    check_signatures(relay, home)
    assert "INTERNAL" not in (home.home / "node.log").read_text() + (relay.home / "node.log").read_text()
    assert person.clicks > kills


def wait_until_equal(relay: Node, home: Node) -> None:
    """All boards have one digest on both."""
    ends, scopes = time.monotonic() + PATIENCE_S, [f"board/electricity/b{number}" for number in range(BOARDS)]

    def digests(node: Node) -> list[Any]:
        return [Client(node.home).get(f"/digest/{scope}")["digest"] for scope in scopes]

    while digests(relay) != digests(home):
        assert time.monotonic() < ends, "the two never came to hold the same"


def check_signatures(relay: Node, home: Node) -> None:
    """What the relay heard from the home is on the home's disk, and no `once` slot holds two."""
    mine, heard = home.records(whole=True), relay.records(whole=True)
    author = next(record.author for record in mine.values() if record.kind == "intent.1")
    ids = {record.id for record in mine.values()}
    own = [record for record in (*mine.values(), *heard.values()) if record.author == author]
    assert [record.id.hex() for record in own if record.id not in ids] == []
    assert signed_twice(own) == []
    assert {"charter.1", "accept.1", "proposal.1", "vote.1"} <= {
        record.kind for record in own
    }  # else nothing was tried


def signed_twice(records: Iterable[Record]) -> list[Record]:
    """Those that fill a `once` slot which another one fills too."""
    slots: dict[object, bytes] = {}
    return [
        record
        for record in records
        if record.header.slot
        and record.header.slot.mode == "once"
        and slots.setdefault(record.header.slot_key, record.id) != record.id
    ]


def test_the_control_sees_a_second_signature() -> None:
    """REC-14, negative control."""
    persona, body = Persona.from_seed(bytes(32)), {"charter": bytes(32)}
    slot = Slot("once", "accept", 0)
    one, two = (
        Record.sign(persona, bytes(32), "accept.1", "coop/a", {**body, "box": box}, created=1, expires=2, slot=slot)
        for box in (bytes(32), b"x" * 32)
    )
    assert signed_twice([one, one]) == []
    assert signed_twice([one, two]) == [two]
