"""Webhooks against a real server that fails, is slow, hangs up, redirects: signed, in order, at least once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from aiohttp import web

from node import webhooks
from node.webhooks import EVENT, NUMBER, SIGNATURE, Hooks, check_url, sign, verify
from protocol.errors import CommandError

SECRET = "a secret of the supplier"


class Feed:
    """A supplier's feed as the node keeps it, and the disk beside it."""

    def __init__(self, entries: int = 0) -> None:
        self.entries: list[dict[str, Any]] = []
        self.facts: dict[str, bytes] = {}
        self.first = 1
        self.broken = False
        for _ in range(entries):
            self.grow()

    def grow(self) -> None:
        number = len(self.entries) + 1
        self.entries.append({"number": number, "event": "won", "deal": "ab", "time": number, "detail": {"n": "é"}})

    async def page(self, after: int, limit: int) -> Mapping[str, Any]:
        if self.broken:
            raise CommandError("STO-12", "the node is stopping")
        found = [one for one in self.entries if one["number"] > after and one["number"] >= self.first]
        return {"entries": found[:limit], "first": self.first, "last": len(self.entries)}

    async def keep(self, facts: Mapping[str, bytes]) -> None:
        for name, value in facts.items():
            if value:
                self.facts[name] = value
            else:
                self.facts.pop(name, None)


class Erp:
    """A receiver that does as it is told: a status, "slow", "close" or "redirect" for each request, then 200."""

    def __init__(self, *script: int | str) -> None:
        self.script = list(script)
        self.got: list[dict[str, Any]] = []
        self.forged = 0
        self.elsewhere = 0
        self.news = asyncio.Condition()
        self.release = asyncio.Event()
        self.url = ""

    async def __aenter__(self) -> Erp:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        app.router.add_post("/elsewhere", self._elsewhere)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release.set()
        await self.runner.cleanup()

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if not verify(SECRET, request.headers[SIGNATURE], body, int(time.time())):
            self.forged += 1
        entry = json.loads(body) | {"headers": dict(request.headers)}
        assert request.headers[NUMBER] == str(entry["number"])
        assert request.headers[EVENT] == entry["event"]
        what = self.script.pop(0) if self.script else 200
        async with self.news:
            self.got.append(entry)
            self.news.notify_all()
        if what == "slow":
            await self.release.wait()
        if what == "close":
            assert request.transport is not None
            request.transport.close()
        if what == "redirect":
            raise web.HTTPFound("/elsewhere")
        return web.Response(status=what if isinstance(what, int) else 200)

    async def until(self, count: int) -> list[int]:
        """The numbers that came, once there are so many."""
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(lambda: len(self.got) >= count), 20)
        return [one["number"] for one in self.got]


def story(
    monkeypatch: pytest.MonkeyPatch,
    feed: Feed,
    script: tuple[int | str, ...],
    tell: Callable[[Hooks, Erp], Awaitable[None]],
) -> Erp:
    """Runs one test with waits of milliseconds instead of seconds."""
    monkeypatch.setattr(webhooks, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(webhooks, "WAIT_S_MAX", 0.02)
    monkeypatch.setattr(webhooks, "TIMEOUT_S", 0.3)

    async def run() -> Erp:
        async with Erp(*script) as erp:
            hooks = Hooks(feed.facts, feed.keep, feed.page, lambda: time.time_ns() // 1_000_000, random.Random(1))
            hooks.start()
            try:
                async with asyncio.timeout(30):
                    await tell(hooks, erp)
            finally:
                await hooks.stop()
            return erp

    return asyncio.run(run())


async def settled(hooks: Hooks, at: int) -> dict[str, Any]:
    """The only hook, once it has come so far."""
    while (found := hooks.listed()[0])["at"] < at:
        await asyncio.sleep(0)
    return found


def test_a_signature_is_what_every_language_computes() -> None:
    """SUP-23: HMAC-SHA256 over the stamp, a point and the body; RFC 2104 by hand."""
    body = b'{"number":1}'
    mac = hmac.new(SECRET.encode(), b"1700000000." + body, hashlib.sha256).hexdigest()
    header = sign(SECRET, 1_700_000_000, body)
    assert header == f"t=1700000000,v1={mac}"
    assert verify(SECRET, header, body, 1_700_000_000 + 300)
    for secret, said, what, now in (
        ("other", header, body, 1_700_000_000),
        (SECRET, header, body + b" ", 1_700_000_000),
        (SECRET, header, body, 1_700_000_301),  # replayed later
        (SECRET, header, body, 1_699_999_699),
        (SECRET, header.replace("t=1", "t=2"), body, 2_700_000_000),
        (SECRET, "", body, 0),
        (SECRET, "t=x,v1=", body, 0),
        (SECRET, "t=١٢,v1=é", body, 12),
        (SECRET, f"t={'9' * 40},v1={mac}", body, 0),
    ):
        assert not verify(secret, said, what, now)


@pytest.mark.parametrize(
    "url", ["https://erp.example/x?y=1", "http://127.0.0.1:80/", "http://localhost/", "http://[::1]/"]
)
def test_where_a_hook_may_go(url: str) -> None:
    """SUP-22"""
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "", "erp.example", "http://erp.example/", "http://10.0.0.1/", "http://127.0.0.1.evil.example/", "ftp://x/",
        "https://user:pass@erp.example/", "https:///x", "https://x:0/", "https://x:99999/", "https://[::1/",
        "file:///etc",
        "https://erp.example/\nHost: x", "https://" + "x" * 600, "javascript:alert(1)",
    ],
)  # fmt: skip
def test_where_it_may_not(url: str) -> None:
    """SUP-22: nothing unencrypted but to this machine, no credentials in it."""
    with pytest.raises(CommandError) as error:
        check_url(url)
    assert error.value.code == "SUP-22"


def test_entries_come_in_order_whatever_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-24, SUP-25: errors, time-outs, a closed connection: the same entry again, none skipped or overtaken."""
    feed = Feed(3)

    async def tell(hooks: Hooks, erp: Erp) -> None:
        await hooks.add(erp.url, SECRET)
        assert await erp.until(8) == [1, 1, 1, 1, 1, 1, 2, 3]
        await settled(hooks, 3)
        feed.grow()
        hooks.wake()
        assert (await erp.until(9))[-1] == 4
        found = await settled(hooks, 4)
        assert (found["tries"], found["why"], found["dead"], found["missed"]) == (0, "", (), 0)

    erp = story(monkeypatch, feed, (500, 503, "close", "slow", 429), tell)
    assert erp.forged == 0
    assert erp.got[0]["detail"] == {"n": "é"}


def test_a_redirect_is_a_failure_and_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-22: or a receiver could send this node to any address of the network it stands in."""

    async def tell(hooks: Hooks, erp: Erp) -> None:
        await hooks.add(erp.url, SECRET)
        await erp.until(3)
        await settled(hooks, 1)

    erp = story(monkeypatch, Feed(1), ("redirect", "redirect"), tell)
    assert (erp.elsewhere, len(erp.got)) == (0, 3)


def test_what_is_refused_is_put_aside_and_can_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-25: after five refusals the next entry is sent; the dead letter is listed with its reason, and not lost."""

    async def tell(hooks: Hooks, erp: Erp) -> None:
        name = (await hooks.add(erp.url, SECRET))["id"]
        assert await erp.until(7) == [1, 1, 1, 1, 1, 2, 3]
        found = await settled(hooks, 3)
        assert found["dead"] == ((1, "status 404"),)
        assert "secret" not in found
        await hooks.again(name)
        assert await erp.until(10) == [1, 1, 1, 1, 1, 2, 3, 1, 2, 3]
        assert (await settled(hooks, 3))["dead"] == ()

    story(monkeypatch, Feed(3), (404,) * 5, tell)


def test_who_never_answers_is_given_up_after_three_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-25: entry by entry, and the list of what was put aside is bounded."""
    monkeypatch.setattr(webhooks, "GIVE_UP_MS", 0)
    monkeypatch.setattr(webhooks, "DEAD_MAX", 2)

    async def tell(hooks: Hooks, erp: Erp) -> None:
        await hooks.add("http://127.0.0.1:1/", SECRET)
        found = await settled(hooks, 5)
        assert [number for number, _ in found["dead"]] == [4, 5]
        assert "not reached" in found["dead"][0][1]

    story(monkeypatch, Feed(5), (), tell)


def test_a_node_that_is_killed_sends_again_rather_than_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-24: the number is kept after the answer; what came between is sent twice, with the same number."""
    feed = Feed(2)
    disk: dict[str, bytes] = {}

    async def first(hooks: Hooks, erp: Erp) -> None:
        await hooks.add(erp.url, SECRET)
        disk.update(feed.facts)  # as it was before anything was sent
        await erp.until(2)
        await settled(hooks, 2)

    story(monkeypatch, feed, (), first)

    async def second(hooks: Hooks, erp: Erp) -> None:
        assert hooks.listed()[0]["at"] == 2
        feed.grow()
        hooks.wake()  # the port is another one now: the entry waits
        while not hooks.listed()[0]["why"]:
            await asyncio.sleep(0)
        assert hooks.listed()[0]["at"] == 2

    story(monkeypatch, feed, (), second)
    feed.facts = disk

    async def third(hooks: Hooks, erp: Erp) -> None:
        assert hooks.listed()[0]["at"] == 0

    story(monkeypatch, feed, (), third)


def test_what_the_feed_let_go_of_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-24: a hook that was away too long says how many entries it never saw."""
    feed = Feed(6)
    feed.first = 5

    async def tell(hooks: Hooks, erp: Erp) -> None:
        await hooks.add(erp.url, SECRET)
        assert await erp.until(2) == [5, 6]
        assert (await settled(hooks, 6))["missed"] == 4

    story(monkeypatch, feed, (), tell)


def test_a_feed_that_cannot_be_read_is_read_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-24"""
    feed = Feed(1)
    feed.broken = True

    async def tell(hooks: Hooks, erp: Erp) -> None:
        await hooks.add(erp.url, SECRET)
        for _ in range(20):
            await asyncio.sleep(0)
        feed.broken = False
        hooks.wake()
        assert await erp.until(1) == [1]

    story(monkeypatch, feed, (), tell)


def test_a_test_is_sent_at_once_and_says_how_it_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-26"""

    async def tell(hooks: Hooks, erp: Erp) -> None:
        name = (await hooks.add(erp.url, SECRET))["id"]
        assert await hooks.test(name) == {"hook": name, "delivered": True, "status": 200, "why": ""}
        assert (await hooks.test(name))["why"] == "status 500"
        assert (await hooks.test(name))["why"] == "no answer within 0 seconds"
        assert erp.got[0]["event"] == "test"
        assert hooks.listed()[0]["at"] == 0

    story(monkeypatch, Feed(), (200, 500, "slow"), tell)


def test_hooks_are_few_named_and_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-22: at most eight; a secret that is too short or a name that nobody has is one sentence."""
    feed = Feed()

    async def tell(hooks: Hooks, erp: Erp) -> None:
        made = [await hooks.add(erp.url) for _ in range(webhooks.HOOKS_MAX)]
        assert len({one["secret"] for one in made}) == webhooks.HOOKS_MAX
        for refused in (hooks.add(erp.url), hooks.drop("none"), hooks.test("none"), hooks.again("none")):
            with pytest.raises(CommandError) as error:
                await refused
            assert error.value.code == "SUP-22"
        await hooks.drop(made[0]["id"])
        with pytest.raises(CommandError, match="16 to 200"):
            await hooks.add(erp.url, "short")
        assert len(feed.facts) == len(hooks.listed()) == webhooks.HOOKS_MAX - 1
        again = Hooks(feed.facts, feed.keep, feed.page, lambda: 0)
        assert sorted(again.listed(), key=str) == sorted(hooks.listed(), key=str)

    story(monkeypatch, feed, (), tell)
