"""A trader's domain: what is signed, and what is asked of whom, against a real server with TLS."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from node import domain as domains
from node.domain import BYTES_MAX, Net, check_domain, shows
from protocol import commands as ask
from protocol.deal.domain import holds, statement
from protocol.errors import CommandError
from protocol.params import DOMAIN_LIFE_MS
from tests.deals import START_MS, persona
from tests.stages import Desk
from tests.test_supply import article, grocer, prices

NAME = "shop.example"
PEM = Path(__file__).parent / "shop.example.pem"  # a key and certificate for this name that nobody trusts
SELLER, OTHER = persona("grocer"), persona("other")
GOOD = statement(SELLER, NAME, START_MS)


class Here(AbstractResolver):
    """Every name is this machine, or where it is told."""

    host = "127.0.0.1"

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        where = {"hostname": host, "host": self.host, "port": port, "family": socket.AF_INET, "proto": 0}
        return [ResolveResult(**where, flags=socket.AI_NUMERICHOST)]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        pass


def served(answer: Callable[[web.Request], Awaitable[web.StreamResponse]], key: bytes = SELLER.key, **net: Any) -> str:
    """What the domain shows while this answers for it."""

    async def run() -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            trust = ssl.create_default_context(cafile=PEM)
            given = {"resolver": Here, "context": trust, "port": runner.addresses[0][1], "allows": lambda _: True} | net
            return await shows(NAME, key, START_MS, Net(**given))
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def file(*entries: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.path == domains.PATH
        return web.Response(body=json.dumps({"proofs": list(entries)}).encode())

    return answer


def refused(answer: Any, key: bytes = SELLER.key, **net: Any) -> str:
    with pytest.raises(CommandError) as error:
        served(answer, key, **net)
    assert error.value.code == "SUP-51"
    return error.value.message


def test_a_file_at_the_domain_shows_who_controls_it() -> None:
    """SUP-51: in words that say how much that is."""
    says = served(file({"other": 1}, GOOD))
    assert says.startswith("did:key:z")
    assert f"controls {NAME} as of now" in says


@pytest.mark.parametrize(
    "entry",
    [
        statement(OTHER, NAME, START_MS),
        statement(SELLER, "other.example", START_MS),
        statement(SELLER, NAME, START_MS - DOMAIN_LIFE_MS),
        statement(SELLER, NAME, START_MS + 2 * DOMAIN_LIFE_MS),
        GOOD | {"until": GOOD["until"] + 1},
        GOOD | {"until": True},
        GOOD | {"key": "did:key:z6Mk"},
        GOOD | {"signature": GOOD["signature"][:-2]},
        GOOD | {"signature": "xy"},
        {},
        [],
        "text",
        7,
    ],
)
def test_what_shows_nothing(entry: Any) -> None:
    """SUP-50, SUP-51: another key, name or time, a changed line, anything else."""
    assert not holds(entry, NAME, SELLER.key, START_MS)
    assert holds(GOOD, NAME, SELLER.key, START_MS)


def test_files_that_are_none() -> None:
    """SUP-51"""

    async def words(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"[[[")

    async def other(_: web.Request) -> web.StreamResponse:
        return web.json_response({"proofs": 7})

    async def large(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b" " * (BYTES_MAX + 1))

    async def away(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("https://127.0.0.1/")

    async def none(_: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound

    assert "is not a file of proofs" in refused(words)
    assert "is not a file of proofs" in refused(other)
    assert "more than 16384 bytes" in refused(large)
    assert "answers 302" in refused(away)
    assert "answers 404" in refused(none)
    assert "shows nothing of" in refused(file(*[{}] * 40, GOOD))  # beyond the first 32


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-51: is waited for a little."""
    monkeypatch.setattr(domains, "TIMEOUT_S", 0.2)

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    assert "did not answer" in refused(silent)


def test_only_the_right_certificate_counts() -> None:
    """SUP-51"""
    assert "cannot be asked" in refused(file(GOOD), context=ssl.create_default_context())


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.1.1", "::1", "fd00::1", "0.0.0.0"])
def test_addresses_of_ones_own_network_are_not_asked(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-52: a claim must not make a member's node knock on doors at home."""
    monkeypatch.setattr(Here, "host", address)
    assert "no public address" in refused(file(GOOD), allows=Net().allows)


@pytest.mark.parametrize(
    "name",
    [
        "", "shop", "Shop.example", "shop.example.", "127.0.0.1", "[::1]", "shop.example:80", "user@shop.example",
        "-a.example", "a..example", "shop.example/x", "münchen.example", "x" * 64 + ".example", "shop.example\n",
        "a" * 260 + ".example",
    ],
)  # fmt: skip
def test_names_that_are_none(name: str) -> None:
    """SUP-50"""
    with pytest.raises(CommandError) as error:
        check_domain(name)
    assert error.value.code == "SUP-50"
    assert check_domain("a-b.shop.xn--bcher-kva.example") == "a-b.shop.xn--bcher-kva.example"


@given(st.recursive(st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_anything_may_stand_in_a_file(entry: Any) -> None:
    """SUP-51"""
    assert holds(entry, NAME, SELLER.key, START_MS) is False


def test_a_claim_stands_in_the_profile() -> None:
    """SUP-50: said on every board, shown to whoever looks at it, taken back; and nothing is asked by itself."""
    desk = grocer(article())
    found = desk.ask(ask.ClaimDomain(NAME))
    assert holds(found["proof"], NAME, SELLER.key, desk.now)
    (shown,) = desk.ask(ask.AskBoard("tea", "any"))["suppliers"]
    assert shown == {"key": SELLER.key, "label": "Grocer", "domain": NAME}
    desk.ask(prices(article()))
    assert desk.ask(ask.AskBoard("tea", "any"))["suppliers"][0]["domain"] == NAME
    assert desk.ask(ask.ClaimDomain("")) == {"domain": "", "proof": {}}
    assert desk.ask(ask.AskBoard("tea", "any"))["suppliers"][0]["domain"] == ""
    with pytest.raises(CommandError):
        desk.ask(ask.ClaimDomain("x" * 300))
    stranger = Desk(OTHER, desk.said("profile.1"), now=desk.now)
    assert stranger.ask(ask.AskBoard("tea", "any"))["suppliers"][0]["label"] == "Grocer"
