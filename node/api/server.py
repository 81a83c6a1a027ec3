"""The HTTP server on loopback: the table's routes, the event feed, signing in, and the one page.

Decides how a verdict becomes a status; what is asked goes to the daemon's inbox like everything else, and is answered
after its commit. Spec: 13-node, API-1 to API-13.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from aiohttp import web

from node.api import convert, trade
from node.api.feed import Feed
from node.api.guard import Guard, Keys, Refusal, seal
from node.api.organiser import Organiser
from node.api.table import PREFIX, ROUTES, Route, openapi
from node.counter import Counter
from node.web import Pages, Reads
from protocol.errors import CommandError, NotNow, ProtocolError

BODY_BYTES_MAX = 4 << 20  # API-10
LISTENERS_MAX = 16  # API-10, event streams at a time
BEAT_SECONDS = 20.0
LOG_PAGE_MAX = 200

log = logging.getLogger(__name__)


class Node(Protocol):
    """What the daemon offers to this door."""

    async def submit(self, command: Any) -> Any:
        """The answer to one command; raises CommandError."""

    def subscribe(self) -> AsyncIterator[tuple[int, Mapping[str, Any]]]:
        """(sequence, notification) from now on, ascending."""

    @property
    def sequence(self) -> int:
        """Of the last notification."""

    async def log(self, after: int, limit: int) -> list[Mapping[str, Any]]:
        """At most `limit` records of the log beyond position `after`, as plain maps."""

    @property
    def last_position(self) -> int:
        """The newest position of the log."""


class Api:
    """One server. `stop_node` is what `wltm down` asks for."""

    def __init__(
        self,
        node: Node,
        token: str,
        hosts: tuple[str, ...],
        stop_node: Callable[[], None],
        organiser: Organiser | None = None,
        counter: Counter | None = None,
    ) -> None:
        self._node = node
        self._stop_node = stop_node
        reading_key, trading_key = organiser.reading_key if organiser else "", counter.key if counter else ""
        self._keys = Keys(token, reading_key=reading_key, trading_key=trading_key)
        self._guard = Guard(self._keys, hosts, trade.TRADABLE)
        self._counter = counter
        self._feed = Feed()
        self._listeners = 0
        self._pump: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.app = web.Application(middlewares=[self._middleware], client_max_size=BODY_BYTES_MAX)
        self.app.on_response_prepare.append(seal)
        self._add_routes(Pages())
        if organiser:
            self._add_numbers(organiser, Pages())
        if counter:
            trade.add_routes(self.app, counter)

    def _add_routes(self, pages: Pages) -> None:
        for route in ROUTES:
            self.app.router.add_route(route.method, PREFIX + route.path, self._handler(route))
        self.app.router.add_routes(
            [
                web.get(PREFIX + "/events", self._events, allow_head=False),
                web.get(PREFIX + "/log", self._log),
                web.get(PREFIX + "/openapi.json", _openapi),
                web.post(PREFIX + "/session", self._enter),
                web.delete(PREFIX + "/session", self._leave),
                web.post(PREFIX + "/links", self._link),
                web.post(PREFIX + "/down", self._down),
                web.get("/", self._page(pages.whole)),
                web.get("/now", self._page(pages.now)),
                web.get("/enter", pages.enter),
                web.get("/static/{name}", pages.static),
            ]
        )

    def _add_numbers(self, organiser: Organiser, pages: Pages) -> None:
        async def relay(request: web.Request) -> web.Response:
            return await organiser.page(pages, self._reads)

        self.app.router.add_get("/metrics", organiser.metrics, allow_head=False)
        self.app.router.add_get("/health", organiser.health, allow_head=False)
        self.app.router.add_get("/relay", relay)

    async def start(self, host: str, port: int) -> None:
        """Listens at `host`, an address of this machine alone; port 0 takes any free one. Raises CommandError API-2."""
        if not ipaddress.ip_address(host).is_loopback:
            raise CommandError("API-2", f"api.host: {host} can be reached by others; only loopback is allowed")
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            taken = error.errno == errno.EADDRINUSE
            why = "is in use; choose another with --port (0: any)" if taken else f"cannot be used ({error.strerror})"
            raise CommandError("API-2", f"api.port: {port} {why}") from None
        self._runner = runner
        port = runner.addresses[0][1]
        self._guard.opened(f"[{host}]" if ":" in host else host, port)
        self.url = f"http://{self._guard.hosts[0]}"
        self._feed.begin(self._node.sequence)
        self._pump = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Ends streams and connections, within about a second."""
        self._feed.close()
        if self._pump:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump
        if self._runner:
            await self._runner.cleanup()

    def link(self) -> str:
        """An address that opens the page in a browser once (API-5)."""
        return f"{self.url}/enter#{self._keys.link()}"

    async def _follow(self) -> None:
        async for sequence, notification in self._node.subscribe():
            self._feed.put(sequence, notification)

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            self._guard.admit(request)
            return await handler(request)
        except Refusal as refusal:
            return self._failure(request, refusal.status, refusal.code, refusal.message)
        except CommandError as error:
            return self._failure(request, status(error), error.code, error.message)
        except ProtocolError as error:
            return self._failure(request, 422, error.code, error.message)
        except web.HTTPException as error:
            message = "the body is too large" if error.status == 413 else error.reason.lower()
            return self._failure(request, error.status, "API-9", message)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return self._failure(request, 500, "API-9", "an error of this program; its log has the details")

    def _failure(self, request: web.Request, status: int, code: str, message: str) -> web.Response:
        if request.path.startswith("/api/"):
            return web.json_response({"error": {"code": code, "message": message}}, status=status)
        return Pages.failure(status, message)

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            values: dict[str, Any]
            if route.method == "GET":
                values = convert.queried(route.command, request.query)
                repeated = len(values) != len(request.query)
            else:
                values = convert.parse(await request.read())
                repeated = bool(request.query)
            if repeated or set(values) & set(route.in_path):
                raise CommandError(convert.CODE, "a field stands there twice, or beside the path or body it belongs in")
            command = convert.command(route.command, values | request.match_info)
            return web.json_response(convert.plain(await self._node.submit(command)))

        return handle

    def _page(self, view: Callable[[Reads, str], Awaitable[web.Response]]) -> Callable[..., Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            return await view(self._reads, self._keys.csrf(request.cookies.get(self._guard.cookie, "")) or "")

        return handle

    async def _reads(self, command: Any) -> Any:
        return convert.plain(await self._node.submit(command))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: `change` with the notification, or `resync` when some were lost (API-11)."""
        after = request.headers.get("Last-Event-ID")
        if after is not None and not (after.isascii() and after.isdigit() and len(after) < 16):
            raise Refusal(400, "API-11", "Last-Event-ID: must be the id of an event of this node")
        if self._listeners >= LISTENERS_MAX:
            raise Refusal(503, "API-10", f"{LISTENERS_MAX} event streams are open already; close one")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self._listeners += 1
        try:
            await response.prepare(request)
            await response.write(b"retry: 1000\n\n")
            topic = "supply" if self._guard.is_trading(request) else ""
            await self._stream(response, self._feed.listen(None if after is None else int(after)), topic)
        finally:
            self._listeners -= 1
        return response

    async def _stream(
        self, response: web.StreamResponse, entries: AsyncIterator[tuple[int, Mapping[str, Any] | None]], topic: str
    ) -> None:
        """`topic`: the only one that is told, "" for all."""
        coming = asyncio.ensure_future(anext(entries, None))
        try:
            while True:
                done, _ = await asyncio.wait((coming,), timeout=BEAT_SECONDS)
                if not done:
                    await response.write(b": still here\n\n")
                    continue
                if (entry := coming.result()) is None:
                    return
                sequence, notification = entry
                if notification is None or topic in ("", notification["topic"]):
                    name = "resync" if notification is None else "change"
                    data = json.dumps(convert.plain(notification or {}), ensure_ascii=True)
                    await response.write(f"id: {sequence}\nevent: {name}\ndata: {data}\n\n".encode())
                coming = asyncio.ensure_future(anext(entries, None))
        finally:
            coming.cancel()

    async def _log(self, request: web.Request) -> web.Response:
        after, limit = (_count(request, name, default) for name, default in (("after", 0), ("limit", 100)))
        records = await self._node.log(after, min(limit, LOG_PAGE_MAX))
        return web.json_response({"last": self._node.last_position, "records": convert.plain(records)})

    async def _enter(self, request: web.Request) -> web.Response:
        secret = convert.parse(await request.read()).get("link")
        cookie = self._keys.enter(secret) if isinstance(secret, str) else None
        if cookie is None:
            raise Refusal(401, "API-5", "this link was used or has ended: `wltm status` prints another")
        response = web.json_response({})
        response.set_cookie(self._guard.cookie, cookie, httponly=True, samesite="Strict", path="/")
        return response

    async def _leave(self, request: web.Request) -> web.Response:
        self._keys.leave(request.cookies.get(self._guard.cookie, ""))
        return web.json_response({})

    async def _link(self, request: web.Request) -> web.Response:
        return web.json_response({"url": self.link()})

    async def _down(self, request: web.Request) -> web.Response:
        self._stop_node()
        return web.json_response({})


async def _openapi(request: web.Request) -> web.Response:
    document = openapi()
    document["paths"] |= trade.paths()
    return web.json_response(document)


def _count(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise CommandError(convert.CODE, f"{name}: must be a number from 0")
    return int(text)


def status(error: CommandError) -> int:
    """400: malformed; 409: its time is not now; 422: cannot be done; 503: the disk fails (API-9)."""
    if error.code == convert.CODE:
        return 400
    if isinstance(error, NotNow):
        return 409
    return 503 if error.code.startswith("STO-") else 422
