"""Whether a key speaks for a trader's domain: a file there, fetched when a person asks, and never by itself.

Decides what is asked of whom: one HTTPS request to a public address, no redirect, little time, few bytes. What it shows
holds for this moment and no longer. Spec: 16-supplier, SUP-50 to SUP-52.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from protocol.deal.domain import holds
from protocol.errors import CommandError, Reject
from protocol.identity import did

PATH = "/.well-known/wltm.json"
BYTES_MAX = 16 << 10
PROOFS_MAX = 32
TIMEOUT_S = 10.0
_DOMAIN = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]\Z")


@dataclass(frozen=True, slots=True)
class Net:
    """How the world is reached; tests hand in another."""

    resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver
    context: ssl.SSLContext | None = None
    port: int = 443
    allows: Callable[[str], bool] = lambda address: ipaddress.ip_address(address).is_global


class _Public(AbstractResolver):
    """Addresses of this machine's own network are none: a claim must not make a member's node knock there."""

    def __init__(self, net: Net) -> None:
        self._inner, self._allows = net.resolver(), net.allows

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = [one for one in await self._inner.resolve(host, port, family) if self._allows(one["host"])]
        if not found:
            raise OSError(None, "it has no public address")
        return found

    async def close(self) -> None:
        await self._inner.close()


def check_domain(domain: str) -> str:
    """The name, if it can be a trader's; raises CommandError SUP-50."""
    if not _DOMAIN.match(domain):
        raise CommandError("SUP-50", "domain: a name such as shop.example, in lower case (others in their xn-- form)")
    return domain


async def shows(domain: str, key: bytes, now_ms: int, net: Net | None = None) -> str:
    """A sentence on what the file at the domain shows of the key; raises CommandError SUP-51 where it shows nothing."""
    check_domain(domain)
    net = net or Net()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            data = await _fetch(domain, net)
    except TimeoutError:
        raise CommandError("SUP-51", f"{domain} did not answer within {TIMEOUT_S:.0f} seconds") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise CommandError("SUP-51", f"{domain} cannot be asked: {str(error)[:120]}") from None
    if not any(holds(one, domain, key, now_ms) for one in _proofs(data, domain)):
        raise CommandError("SUP-51", f"{domain} shows nothing of {did(key)[:20]}…")
    return f"{did(key)} controls {domain} as of now: the file there is signed by this key. It shows no more than that."


async def _fetch(domain: str, net: Net) -> bytes:
    connector = aiohttp.TCPConnector(resolver=_Public(net), ssl=net.context or True, limit=1)
    async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        url = f"https://{domain}{'' if net.port == 443 else f':{net.port}'}{PATH}"
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise CommandError("SUP-51", f"{domain} answers {answer.status} for {PATH}; redirects are not followed")
            data = await answer.content.read(BYTES_MAX + 1)
            while len(data) <= BYTES_MAX and (more := await answer.content.read(BYTES_MAX + 1 - len(data))):
                data += more
    if len(data) > BYTES_MAX:
        raise CommandError("SUP-51", f"{domain}: {PATH} has more than {BYTES_MAX} bytes")
    return data


def _proofs(data: bytes, domain: str) -> list[Any]:
    try:
        found = json.loads(data)["proofs"]
        if isinstance(found, list):
            return found[:PROOFS_MAX]
    except (ValueError, KeyError, TypeError, RecursionError, Reject):
        pass
    raise CommandError("SUP-51", f"{domain}: {PATH} is not a file of proofs")
