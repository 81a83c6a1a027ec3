"""Real relays that found each other through a third, which then dies: what one's home says still reaches the other's.

Spec: 03-tree, GOS-31 to GOS-33; 03-gossip, GOS-4.
"""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_relays import PATIENCE_S, Node, hears, wish


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def started(tmp_path: Path) -> Iterator[dict[str, Node]]:
    """A hub, west and east that dial the hub alone, ann at west, bob at east."""
    nodes: dict[str, Node] = {}

    def start(name: str, role: str, *relays: Node) -> None:
        where = f"/ip4/127.0.0.1/tcp/{free_port()}"
        own = ("--listen", where) if role == "relay" else ()
        announce = {"WLTM_MESH_ANNOUNCE": where} if role == "relay" else {}
        flags = (*own, *(f"--relay={one.address}" for one in relays))
        nodes[name] = Node.start(tmp_path / name, role, *flags, **announce)

    try:
        start("hub", "relay")
        hub = nodes["hub"].ready()
        for name in ("west", "east"):
            start(name, "relay", hub)
        start("ann", "home", nodes["west"].ready())
        start("bob", "home", nodes["east"].ready())
        for name in ("ann", "bob"):
            nodes[name].ready()
        yield nodes
    finally:
        for one in nodes.values():
            one.signal(signal.SIGKILL)
            one.process.wait(PATIENCE_S)
            if one.process.stdout:
                one.process.stdout.close()


def test_relays_that_met_through_a_hub_outlive_it(started: dict[str, Node]) -> None:
    """GOS-4, GOS-31, GOS-32: the hub forwards who joins; a board is named in both directions."""
    ann, bob, west, east = (started[name] for name in ("ann", "bob", "west", "east"))
    for home in (ann, bob):
        home.client.post("/watch", {"category": "electricity", "region": "u10"})
    wish(bob, "one")
    hears(ann, 1)
    there = {west.address.rpartition("/")[2], east.address.rpartition("/")[2]}

    def met() -> bool:
        peers = {one["peer"] for relay in (west, east) for one in relay.client.get("/peers")["peers"]}
        return there <= peers

    west.client.wait(met, "that west and east are linked", PATIENCE_S)
    started["hub"].signal(signal.SIGKILL)
    wish(bob, "two")
    hears(ann, 2)
