"""Addresses that strangers name, in a HELLO, a shuffle or a walk: nobody makes a relay knock where it should not.

On real relays. One listens everywhere and so has chosen no address of this machine's own; whoever sends it there,
sends it to its own private doors. The control listens at such an address, and does go there.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from protocol.network.gossip import Forward, Join, Shuffle, Shuffled
from protocol.params import SHUFFLE_ADDRESSES_MAX
from tests.attacks.flooder import _note
from tests.attacks.hostile import HELLO, Hostile
from tests.attacks.test_fairness import Fair, running
from tests.attacks.test_records import DAEMON_BYTES_MAX, MESH_BYTES_MAX, MIB, Stranger, processes, resident
from tests.e2e.test_crash import Node

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc"), pytest.mark.timeout(240)]
ELSE = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
DIAL_S = 20
MANY = 1_000


class Trap:
    """A door of this machine at which nobody should knock."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("", 0))
        self.port = self._socket.getsockname()[1]

    def knocked(self, patience_s: float) -> bool:
        """Whether somebody came, within so long."""
        self._socket.settimeout(patience_s)
        try:
            self._socket.accept()[0].close()
        except (TimeoutError, BlockingIOError):
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@contextmanager
def trap() -> Iterator[Trap]:
    found = Trap()
    yield found
    found.close()


def names(port: int, relay: str) -> list[str]:
    """That port of this machine by all its names, as the relay itself, and where nothing should ever be dialled."""
    hosts = ["ip4/127.0.0.1", "ip4/127.9.9.9", "ip6/::1", "ip6/::ffff:127.0.0.1", "ip6/64:ff9b::7f00:1"]
    hosts += ["dns4/localhost", "dns/localhost", "ip4/0.0.0.0", "ip6/::", "ip4/169.254.169.254", "ip4/192.168.0.1"]
    hosts += ["ip4/10.0.0.1", "ip4/224.0.0.1", "ip4/240.0.0.1", "ip4/192.0.2.1", "ip6/fe80::1"]
    found = [f"/{host}/tcp/{port}/p2p/{ELSE[:-2]}{11 + number}" for number, host in enumerate(hosts)]
    return [*found, f"/ip4/127.0.0.1/tcp/{port}/p2p/{relay}"]


async def poison(place: Fair, port: int, name_count: int, many: int) -> None:
    """Everything that may be said about addresses, to the end."""
    address = place.relay.addresses[0].replace("/0.0.0.0/", "/127.0.0.1/")
    relay = address.rpartition("/p2p/")[2]
    for one in names(port, relay)[:name_count]:
        hostile = await Hostile.connect(address)
        own = f"/ip4/127.0.0.1/tcp/{port}/p2p/{hostile.peer}"
        features = {**HELLO.features, "addresses": [own, one]}
        stranger = Stranger(await hostile.greet(hello=replace(HELLO, network=place.network, features=features)))
        await stranger.tell(Join(), Forward(one, 0), Forward(one, 6), Shuffle((one,)), Shuffled((one,)))
        await stranger.verdicts(_note(place.network, 1).raw)  # all that came before has been heard
        await stranger.leave()
    others = [ELSE[:-4] + f"{n:04}".replace("0", "z") for n in range(many)]
    crowd = [f"/ip4/192.0.2.{n % 256}/tcp/{1024 + n}/p2p/{peer}" for n, peer in enumerate(others)]
    stranger = await Stranger.enter(address, place.network)
    await stranger.tell(Join())
    for start in range(0, many, 10 * SHUFFLE_ADDRESSES_MAX):
        parts = range(start, start + 10 * SHUFFLE_ADDRESSES_MAX, SHUFFLE_ADDRESSES_MAX)
        await stranger.tell(*(Shuffled(tuple(crowd[at : at + SHUFFLE_ADDRESSES_MAX])) for at in parts))
    await stranger.verdicts(_note(place.network, 2).raw)
    await stranger.leave()


def attacked(place: Fair, port: int, name_count: int, many: int) -> None:
    before = [resident(pid) for pid in place.pids]
    trio.run(poison, place, port, name_count, many)
    assert processes(place.client.pid) == place.pids
    daemon, mesh = [resident(pid) for pid in place.pids]
    assert daemon < min(before[0] + 32 * MIB, DAEMON_BYTES_MAX)
    assert mesh < min(before[1] + 32 * MIB, MESH_BYTES_MAX)
    assert "INTERNAL" not in (place.relay.home / "node.log").read_text()


def test_no_stranger_sends_a_relay_to_its_own_doors(tmp_path: Path) -> None:
    """GOS-33, GOS-60, MSH-5"""
    victims, controls = tmp_path / "victim", tmp_path / "control"
    with (
        trap() as private,
        trap() as chosen,
        running(Node, victims, "0.0.0.0") as victim,
        running(Node, controls) as control,
    ):
        attacked(victim, private.port, 99, MANY)
        attacked(control, chosen.port, 1, 0)
        assert chosen.knocked(DIAL_S), "control: who listens at such an address may be sent to its neighbours"
        assert not private.knocked(0.5)
