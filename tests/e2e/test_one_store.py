"""Two real relays on one real PostgreSQL: what a home says at one is heard at the other, whatever is killed meanwhile.

Spec: 14-store, STO-2, STO-24, STO-25.
"""

import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.cli.client import Client
from tests.e2e.test_relays import PATIENCE_S, Node, hears, wish
from tests.postgres import Postgres


@dataclass
class Street:
    """Two relays that only share a store; ann keeps to the first, bob to the second."""

    url: str
    relays: list[Node]
    ann: Node
    bob: Node

    def restart(self, number: int) -> None:
        """The same relay again, at the same address."""
        old = self.relays[number]
        port = old.address.split("/")[4]
        self.relays[number] = relay(old.home, int(port), self.url).ready()


def relay(home: Path, port: int, url: str) -> Node:
    return Node.start(home, "relay", "--listen", f"/ip4/127.0.0.1/tcp/{port}", WLTM_STORE_URL=url)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def street(tmp_path: Path, postgres: Postgres) -> Iterator[Street]:
    url = postgres.database()
    nodes = [relay(tmp_path / name, free_port(), url) for name in ("a", "b")]
    made = None
    try:
        relays = [one.ready() for one in list(nodes)]
        homes = [
            Node.start(tmp_path / name, "home", f"--relay={one.address}")
            for name, one in zip(("ann", "bob"), relays, strict=True)
        ]
        nodes += homes
        made = Street(url, relays, homes[0].ready(), homes[1].ready())
        yield made
    finally:
        for one in (*nodes, *(made.relays if made else ())):
            if one.process.poll() is None:
                one.signal(signal.SIGKILL)
            one.process.wait(PATIENCE_S)
            if one.process.stdout:
                one.process.stdout.close()


def until(client: Client, trouble: Callable[[str], bool]) -> None:
    client.wait(lambda: trouble(client.get("/status")["trouble"]), "a change of trouble", PATIENCE_S)


@pytest.mark.timeout(300)
def test_homes_at_two_relays_meet_in_one_store(street: Street, postgres: Postgres) -> None:
    """STO-24: at once; STO-2: a relay that is killed lost nothing; STO-25: a database that restarts is waited for."""
    for home in (street.ann, street.bob):
        home.client.post("/watch", {"category": "electricity", "region": "u10"})
    wish(street.ann, "one")
    hears(street.bob, 1)
    wish(street.bob, "two")
    hears(street.ann, 2)

    street.relays[0].signal(signal.SIGKILL)
    street.relays[0].process.wait(PATIENCE_S)
    wish(street.ann, "three")
    wish(street.bob, "four")
    street.restart(0)
    hears(street.bob, 4)
    hears(street.ann, 4)

    postgres.stop("immediate")
    wish(street.ann, "five")  # at home it is kept; no relay can acknowledge it
    for client in (one.client for one in street.relays):
        until(client, lambda trouble: "does not answer" in trouble)
        assert client.health()["state"] == "failing"
    postgres.start()
    hears(street.bob, 5)
    for client in (one.client for one in street.relays):
        until(client, lambda trouble: not trouble)
    database = street.url.split("/")[3].partition("?")[0]
    counted = "SELECT count(*) || ' ' || count(DISTINCT id) FROM records WHERE kind = 'intent.1'"
    assert postgres.sql(counted, database) == "5 5"
    for one in (*street.relays, street.ann, street.bob):
        assert "INTERNAL" not in (one.home / "node.log").read_text()
