"""The page in a real Chromium: light and dark, narrow and wide, live, and deaf to other hosts.

The node behind it is a fake; what is tried here is the server, the page and the browser's own rules.
"""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from node.api import Api, Organiser
from protocol import commands as c
from tests.fakes_node import COOP, FakeNode
from tests.test_organiser import overview, policy, rules

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --disable-dev-shm-usage"
).split()
HOSTILE = "<img src=x onerror=document.title='owned'><b>bold</b>" + "W" * 300


@dataclass
class Served:
    """A fake node's page on a port, run by a thread of its own."""

    node: FakeNode
    api: Api
    loop: asyncio.AbstractEventLoop

    def tell(self, sequence: int) -> None:
        """Something changed."""
        change = (sequence, {"topic": "coop", "detail": {}})
        self.loop.call_soon_threadsafe(self.node.changes.put_nowait, change)


async def _overview() -> dict[str, Any]:
    """A relay on which one thing is wrong."""
    return overview(store__trouble=HOSTILE)


@pytest.fixture
def served() -> Iterator[Served]:
    node, loop, ready = FakeNode(), asyncio.new_event_loop(), threading.Event()
    api = Api(node, "token", (), lambda: None, Organiser(_overview, "the reading key"))
    node.answers |= {c.AskPolicy: policy(HOSTILE), c.AskRules: rules()}
    coop = bytes.fromhex(COOP)
    node.answers[c.AskNeeds] = [{"kind": "vote", "coop": coop, "says": HOSTILE, "until": 10**13, "silence": HOSTILE}]

    def serve() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(api.start("127.0.0.1", 0))
        ready.set()
        loop.run_forever()
        loop.run_until_complete(api.stop())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    yield Served(node, api, loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    with sync_playwright() as playwright:
        rules = ["--host-resolver-rules=MAP evil.example 127.0.0.1"]
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*FLAGS, *rules])
        yield found
        found.close()


def opened(chromium: Browser, served: Served, **options: Any) -> tuple[Page, list[str], list[str]]:
    """The page through its one-time link, with what the console said and which addresses were asked for."""
    page = chromium.new_context(**options).new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(served.api.link())
    page.wait_for_url(served.api.url + "/")
    return page, said, asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_is_quiet_and_asks_nobody_else(
    chromium: Browser, served: Served, scheme: str, width: int, tmp_path: Path
) -> None:
    """API-12, API-7"""
    page, said, asked = opened(chromium, served, color_scheme=scheme, viewport={"width": width, "height": 800})
    page.get_by_role("status").get_by_text("live").wait_for()
    assert page.get_by_role("heading", name="What needs you now").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    for details in page.query_selector_all("summary"):
        details.click()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.get_by_role("region", name="What needs you now").locator("strong").inner_text() == HOSTILE
    assert page.title() == "would like to meet"
    assert said == []
    assert all(url.startswith(served.api.url) for url in asked)
    assert "#" not in page.url
    page.screenshot(path=tmp_path / f"{scheme}-{width}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_relays_page_fits_and_is_quiet(
    chromium: Browser, served: Served, scheme: str, width: int, tmp_path: Path
) -> None:
    """REL-21, API-7"""
    page, said, asked = opened(chromium, served, color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(served.api.url + "/relay")
    assert page.get_by_text("failing").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert HOSTILE in page.locator(".card.now strong").inner_text()
    assert HOSTILE in page.locator("main").inner_text()
    assert page.title() == "relay · would like to meet"
    assert said == []
    assert all(url.startswith(served.api.url) for url in asked)
    page.screenshot(path=tmp_path / f"relay-{scheme}-{width}.png", full_page=True)


def test_the_page_moves_with_the_node_and_keeps_what_was_open(chromium: Browser, served: Served) -> None:
    """API-11, API-12"""
    page, said, _ = opened(chromium, served)
    page.get_by_role("status").get_by_text("live").wait_for()
    page.locator("#scopes summary").click()
    served.node.answers[c.AskNeeds] = []
    served.node.answers[c.AskCoop]["state"] = "agreed"
    served.tell(7)
    page.get_by_text("Nothing waits for you.").wait_for()
    page.get_by_text("agreed", exact=True).wait_for()
    assert page.locator("#scopes").get_attribute("open") is not None
    assert said == []


def test_without_javascript_the_page_is_read_all_the_same(chromium: Browser, served: Served) -> None:
    """API-12: the session's cookie, once there, is enough."""
    page, _, _ = opened(chromium, served)
    state = page.context.storage_state()
    plain = chromium.new_context(java_script_enabled=False, storage_state=state).new_page()
    plain.goto(served.api.url + "/")
    assert plain.get_by_text("Green power").is_visible()
    assert plain.locator("meta[http-equiv=refresh]").count() == 1


def test_a_link_opens_once(chromium: Browser, served: Served) -> None:
    """API-5"""
    link = served.api.link()
    first, second = (chromium.new_context().new_page() for _ in range(2))
    first.goto(link)
    first.wait_for_url(served.api.url + "/")
    second.goto(link)
    second.get_by_text("this link was used or has ended").wait_for()
    assert second.goto(served.api.url + "/").status == 401  # type: ignore[union-attr]


def test_another_name_for_this_machine_reads_nothing(chromium: Browser, served: Served) -> None:
    """API-3: a real DNS-rebinding request, with the cookie's own port."""
    page, _, _ = opened(chromium, served)
    port = served.api.url.rpartition(":")[2]
    answer = page.goto(f"http://evil.example:{port}/")
    assert answer is not None
    assert answer.status == 421
    assert "Green power" not in page.content()


def test_a_page_of_another_origin_cannot_act(chromium: Browser, served: Served) -> None:
    """API-4, API-6: the browser holds a session; another port of the same machine tries to use it."""
    page, _, _ = opened(chromium, served)
    page.get_by_role("status").get_by_text("live").wait_for()
    page.goto("about:blank")
    served.node.submitted.clear()
    other = Api(FakeNode(), "token", (), lambda: None)

    async def attack() -> None:
        await other.start("127.0.0.1", 0)

    asyncio.run_coroutine_threadsafe(attack(), served.loop).result(10)
    page.goto(other.link())
    page.wait_for_url(other.url + "/")
    script = """async (url) => {
        const form = new FormData();
        for (const mode of ["cors", "no-cors"]) for (const method of ["GET", "POST"]) try {
            await fetch(url, { mode, method, credentials: "include", body: method == "POST" ? form : undefined });
        } catch {}
    }"""
    page.evaluate(script, served.api.url + "/api/v1/intents")
    assert served.node.submitted == []
    asyncio.run_coroutine_threadsafe(other.stop(), served.loop).result(10)
