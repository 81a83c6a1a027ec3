"""Which addresses that strangers named may be dialled: nobody may make us knock at our own network's doors, or at many.

Decides by the kind of an address and its port; never resolves a name, never dials. What a person wrote down, or took
with an invitation, is not judged here. Spec: 03-gossip, GOS-60.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from node.mesh.wire import parse_address
from protocol.errors import Reject

EVERY = ("global", "private", "loopback", "other")
_WEB_PORTS = (80, 443)
_PORT_MIN = 1024  # below are mail, remote shells, printers: nothing of ours but the web's two
_NAT64 = ip_network("64:ff9b::/96")


def kind(ip: str) -> str:
    """One of `EVERY`: an IPv6 address that carries an IPv4 one is of that one's kind."""
    address: IPv4Address | IPv6Address = ip_address(ip.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None,))[-1]
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        address = inner or address
    if address.is_loopback:
        return "loopback"
    if address.is_multicast or address.is_unspecified or address.is_link_local or address.is_reserved:
        return "other"
    return "global" if address.is_global else "private"


def near(addresses: Iterable[str]) -> tuple[str, ...]:
    """The kinds that strangers may name to us: global, and those of addresses that we chose ourselves."""
    found = {"global": None}
    for text in addresses:
        try:
            found[kind(parse_address(text).host)] = None
        except (Reject, ValueError):
            continue  # a name says nothing about where it leads
    return tuple(one for one in EVERY[:3] if one in found)


def refused(host: str, port: int, kinds: Iterable[str]) -> str:
    """Why this host, a name or a numeric address, may not be dialled as a stranger named it; "" when it may."""
    if port < _PORT_MIN and port not in _WEB_PORTS:
        return f"port {port}: a learned address has 80, 443 or one from {_PORT_MIN} on"
    try:
        found = kind(host)
    except ValueError:
        return ""  # judged again once it is resolved
    return "" if found in kinds else f"{host} is {found}, and nothing of ours is there"
