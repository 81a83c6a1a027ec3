"""Nodes of the same network that are found on the local network by mDNS, and being found there.

Decides what is announced (a network's tag and where to dial, never a persona) and which announcements are believed
enough to be tried; whether they are dialled is the core's. Everything heard is hostile. Spec: 13-node, LAN-1 to LAN-4.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from node.mesh.wire import Address, parse_address
from protocol.encoding import digest
from protocol.errors import Reject

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncServiceInfo

SERVICE = "_wltm._tcp.local."
ADDRESSES_MAX = 4  # LAN-2, in one announcement
FOUND_MAX = 16  # LAN-3 (g), announcements remembered
ASKED_MAX = 64  # LAN-3 (g), announcements looked into until the node is started again
_TAG_BYTES = 8
_ANSWER_MS = 3_000
_EVERY_INTERFACE = {"ip4": "0.0.0.0", "ip6": "::"}

log = logging.getLogger(__name__)


def tag(network: bytes) -> str:
    """What stands for a network in an announcement: it tells those who know it, and is none to those who do not."""
    return digest("lan", network)[:_TAG_BYTES].hex()


class Lan:
    """mDNS of one node. `found` is given each new address, once; `interfaces`: IPs, even of this machine alone."""

    def __init__(
        self, network: bytes, found: Callable[[str], Awaitable[None]], interfaces: list[str] | None = None
    ) -> None:
        self._tag, self._found, self._interfaces = tag(network), found, interfaces
        self._own: dict[str, None] = {}
        self._known: dict[str, None] = {}
        self._asked: dict[str, None] = {}
        self._questions: list[asyncio.Task[None]] = []

    async def start(self, listening: Iterable[str]) -> None:
        """Look for others from now on, and be found at those of these multiaddrs that lead here from nearby.

        Raises OSError when this machine has no network that can be asked.
        """
        from zeroconf import InterfaceChoice
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

        self._zeroconf = AsyncZeroconf(interfaces=self._interfaces or InterfaceChoice.All)
        nearby = list(reachable(map(parse_address, listening), self._interfaces or _machine()))[:ADDRESSES_MAX]
        self._own = dict.fromkeys(str(one) for one in nearby)
        if nearby:
            await self._zeroconf.async_register_service(self._announcement(nearby), allow_name_change=True)
        self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, SERVICE, handlers=[self._noticed])

    async def stop(self) -> None:
        """Say goodbye."""
        for question in self._questions:
            question.cancel()
        await asyncio.gather(*self._questions, return_exceptions=True)
        await self._browser.async_cancel()
        await self._zeroconf.async_close()

    def _announcement(self, nearby: list[Address]) -> AsyncServiceInfo:
        from zeroconf.asyncio import AsyncServiceInfo

        first, properties = nearby[0], {"net": self._tag}
        properties |= {f"a{number}": str(one) for number, one in enumerate(nearby)}
        name = f"wltm-{first.peer[-8:].lower()}"
        return AsyncServiceInfo(
            SERVICE,
            f"{name}.{SERVICE}",
            port=first.port,
            properties=properties,
            server=f"{name}.local.",
            parsed_addresses=[one.host for one in nearby],
        )

    def _noticed(self, zeroconf: object, service_type: str, name: str, state_change: object) -> None:
        from zeroconf import ServiceStateChange

        if state_change != ServiceStateChange.Removed and name not in self._asked and len(self._asked) < ASKED_MAX:
            self._asked[name] = None
            self._questions.append(asyncio.create_task(self._ask(name)))

    async def _ask(self, name: str) -> None:
        from zeroconf.asyncio import AsyncServiceInfo

        info = AsyncServiceInfo(SERVICE, name)
        if not await info.async_request(self._zeroconf.zeroconf, _ANSWER_MS):
            self._asked.pop(name, None)  # it may answer another time
            return
        for address in heard(info.properties, self._tag, self._interfaces is not None):
            await self.remember(address)

    async def remember(self, address: str) -> None:
        """Tell of an address that is neither our own nor known, as long as there are few (LAN-3)."""
        if address not in self._own and address not in self._known and len(self._known) < FOUND_MAX:
            self._known[address] = None
            log.info("on the local network: %s", address)
            await self._found(address)


def heard(properties: Mapping[bytes, bytes | None], wanted: str, loopback: bool = False) -> list[str]:
    """The addresses in an announcement of this network that may be tried: nearby ones, with a peer id (LAN-4)."""
    if properties.get(b"net") != wanted.encode():
        return []
    found = []
    for number in range(ADDRESSES_MAX):
        with suppress(Reject, UnicodeDecodeError):
            address = parse_address((properties.get(f"a{number}".encode()) or b"").decode("ascii"))
            if address.peer and address.port >= 1024 and _is_nearby(address, loopback):
                found.append(str(address))
    return found


def reachable(listening: Iterable[Address], machine: Iterable[str]) -> Iterable[Address]:
    """Where others on the local network reach these listeners: of one on every interface, each of the machine's."""
    hosts_here = list(machine)
    for one in listening:
        hosts = hosts_here if one.host == _EVERY_INTERFACE.get(one.family) else [one.host]
        for host in hosts:
            where = Address(one.family, host, one.port, one.peer, one.transport)
            if _is_nearby(where, host in hosts_here):
                yield where


def _is_nearby(address: Address, loopback: bool) -> bool:
    """Whether it is an address of a local network, or of this machine where that will do."""
    try:
        ip = ip_address(address.host)
    except ValueError:
        return False
    proper = not (ip.is_unspecified or ip.is_multicast or ip.is_link_local or ip.is_reserved)
    return ip.version == int(address.family[2:]) and ip.is_private and proper and (loopback or not ip.is_loopback)


def _machine() -> list[str]:
    """The addresses of this machine's interfaces, but not those that lead to itself only."""
    import ifaddr

    found = [ip.ip if isinstance(ip.ip, str) else ip.ip[0] for card in ifaddr.get_adapters() for ip in card.ips]
    return [one for one in found if not ip_address(one).is_loopback]
