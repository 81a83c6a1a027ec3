"""Where an address that a stranger named may lead. Spec: 03-gossip, GOS-60."""

import asyncio

import pytest

from node.mesh import MeshClient, MeshConfig, MeshError, MeshEvent, reach
from node.mesh.wire import parse_address

ID = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"

KINDS = {
    "8.8.8.8": "global",
    "2606:4700::1111": "global",
    "10.1.2.3": "private",
    "192.168.1.1": "private",
    "172.16.0.9": "private",
    "100.64.0.1": "private",  # a provider's own network
    "fd00::1": "private",
    "127.0.0.1": "loopback",
    "127.8.8.8": "loopback",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:192.168.1.1": "private",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a01:203": "private",
    "2002:7f00:1::": "loopback",
    "0.0.0.0": "other",
    "::": "other",
    "169.254.169.254": "other",  # where clouds keep secrets
    "fe80::1%eth0": "other",
    "224.0.0.1": "other",
    "255.255.255.255": "other",
    "240.0.0.1": "other",
}


@pytest.mark.parametrize("ip", KINDS)
def test_every_address_is_of_one_kind(ip: str) -> None:
    """GOS-60"""
    assert reach.kind(ip) == KINDS[ip]


@pytest.mark.parametrize(
    ("ours", "learned", "allowed"),
    [
        ([], "/ip4/8.8.8.8/tcp/4001", True),
        ([], "/ip4/8.8.8.8/tcp/443", True),
        ([], "/dns4/relay.example/tcp/4001", True),
        ([], "/ip4/8.8.8.8/tcp/25", False),
        ([], "/dns4/relay.example/tcp/22", False),
        ([], "/ip4/127.0.0.1/tcp/4001", False),
        ([], "/ip4/192.168.1.1/tcp/4001", False),
        (["/ip4/192.168.7.7/tcp/4001"], "/ip4/192.168.1.1/tcp/4001", True),
        (["/ip4/192.168.7.7/tcp/4001"], "/ip4/127.0.0.1/tcp/4001", False),
        (["/ip4/127.0.0.1/tcp/1"], "/ip4/127.0.0.1/tcp/4001", True),
        (["/ip4/0.0.0.0/tcp/4001"], "/ip4/10.0.0.1/tcp/4001", False),
        (["/ip4/169.254.1.1/tcp/4001"], "/ip4/169.254.169.254/tcp/4001", False),
        (["/dns4/localhost/tcp/4001", "nonsense"], "/ip4/127.0.0.1/tcp/4001", False),
    ],
)
def test_a_learned_address_leads_out_or_where_ours_are(ours: list[str], learned: str, allowed: bool) -> None:
    """GOS-60"""
    address = parse_address(f"{learned}/p2p/{ID}")
    assert (reach.refused(address.host, address.port, reach.near(ours)) == "") is allowed


def test_learned_addresses_are_bounded_and_trusted_ones_are_not_crowded_out() -> None:
    """GOS-60"""

    async def nothing(event: MeshEvent) -> None:
        raise AssertionError(event)

    async def story() -> None:
        mesh = MeshClient(MeshConfig(bytes(32), bytes(32)), nothing)  # without a process: only its book is kept
        for number in range(64):
            await mesh.dial(f"/ip4/8.8.8.8/tcp/{4001 + number}/p2p/{ID}", learned=True)
            await mesh.dial(f"/ip4/8.8.8.8/tcp/{4001 + number}/p2p/{ID}", learned=True)
        with pytest.raises(MeshError, match="64 addresses are dialled already"):
            await mesh.dial(f"/ip4/8.8.8.8/tcp/5000/p2p/{ID}", learned=True)
        await mesh.dial(f"/ip4/8.8.8.8/tcp/5000/p2p/{ID}")
        await mesh.dial(f"/ip4/8.8.8.8/tcp/4001/p2p/{ID}")  # a person's word makes room
        await mesh.dial(f"/ip4/8.8.8.8/tcp/5001/p2p/{ID}", learned=True)
        await mesh.forget(ID)
        assert mesh._dialled == {}

    asyncio.run(story())
