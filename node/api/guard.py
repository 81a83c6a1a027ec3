"""Who may speak to the node on this machine: host, origin, key, and intent, checked in this order before any handler.

Decides admission only; knows no command. Everything that is not named open here is shut, so a route that is added
without a thought is a shut one. Spec: 13-node, API-2 to API-7.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from secrets import token_urlsafe
from types import MappingProxyType
from typing import Any

from aiohttp import web

SESSIONS_MAX = 32
LINKS_MAX = 16
LINK_SECONDS = 600
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = ("GET", "HEAD")
READABLE = (("GET", "/metrics"), ("GET", "/health"))  # all that the reading key of a relay opens (REL-22)
# What a browser needs before it has a cookie: the page that trades the link's fragment for one, and its looks.
OPEN = (("GET", "/enter"), ("GET", "/static/{name}"), ("POST", "/api/v1/session"))
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)


class Refusal(Exception):
    """An HTTP status with the clause and sentence that explain it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Keys:
    """The token of the home folder, browser sessions, and one-time links to begin one. Holds hashes, never secrets."""

    def __init__(
        self,
        token: str,
        clock: Callable[[], float] = time.monotonic,
        reading_key: str = "",
        trading_key: str = "",
    ) -> None:
        self._token = _hash(token)
        self._reading_key = _hash(reading_key) if reading_key else b""
        self._trading_key = _hash(trading_key) if trading_key else b""
        self._clock = clock
        self._links: dict[bytes, float] = {}  # hash of the secret -> when it ends
        self._sessions: dict[bytes, str] = {}  # hash of the cookie -> its CSRF token; the oldest leaves first

    def is_token(self, text: str) -> bool:
        """Is it the token of the home folder?"""
        return hmac.compare_digest(_hash(text), self._token)

    def is_reading_key(self, text: str) -> bool:
        """Is it the key of whoever watches the numbers?"""
        return hmac.compare_digest(_hash(text), self._reading_key)

    def is_trading_key(self, text: str) -> bool:
        """Is it the key of the supplier's program?"""
        return hmac.compare_digest(_hash(text), self._trading_key)

    def link(self) -> str:
        """A secret that begins one session within LINK_SECONDS (API-5)."""
        _make_room(self._links, LINKS_MAX)
        secret = token_urlsafe(24)
        self._links[_hash(secret)] = self._clock() + LINK_SECONDS
        return secret

    def enter(self, secret: str) -> str | None:
        """The cookie of a new session, or None when the link was used, has ended or never was."""
        ends = self._links.pop(_hash(secret), None)
        if ends is None or ends <= self._clock():
            return None
        _make_room(self._sessions, SESSIONS_MAX)
        cookie = token_urlsafe(32)
        self._sessions[_hash(cookie)] = token_urlsafe(24)
        return cookie

    def csrf(self, cookie: str) -> str | None:
        """The CSRF token of a session; None when there is no such session."""
        return self._sessions.get(_hash(cookie))

    def leave(self, cookie: str) -> None:
        """Ends a session."""
        self._sessions.pop(_hash(cookie), None)


def _make_room(entries: dict[bytes, Any], most: int) -> None:
    while len(entries) >= most:
        del entries[next(iter(entries))]


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=32, person=b"wltm.api").digest()


class Guard:
    """The checks of one server, whose own address is known once it listens."""

    def __init__(self, keys: Keys, hosts: tuple[str, ...], tradable: tuple[tuple[str, str], ...] = ()) -> None:
        """tradable: (method, path) of what the supplier's key opens (API-20)."""
        self.keys, self._tradable = keys, tradable
        self.hosts = hosts  # exact `host:port`
        self.cookie = "wltm"

    def opened(self, host: str, port: int) -> None:
        """The server listens at `host:port`: that, and localhost, are its names; the cookie is this port's."""
        self.hosts = (f"{host}:{port}", f"localhost:{port}", *self.hosts)
        self.cookie = f"wltm-{port}"

    def admit(self, request: web.Request) -> None:
        """Raises Refusal unless every check passes."""
        self._host(request)
        self._origin(request)
        resource = request.match_info.route.resource
        place = request.method, resource.canonical if resource else ""
        if place not in OPEN:
            self._key(request, place in READABLE, place in self._tradable)

    def is_trading(self, request: web.Request) -> bool:
        """Did it come with the supplier's key?"""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and self.keys.is_trading_key(token)

    def _host(self, request: web.Request) -> None:
        if request.headers.getall("Host", []) not in [[host] for host in self.hosts]:
            raise Refusal(421, "API-3", "this address is not served here; add it to api.allowed_hosts if it is yours")

    def _origin(self, request: web.Request) -> None:
        origins = request.headers.getall("Origin", [])
        if origins and origins not in [[f"http://{host}"] for host in self.hosts]:
            raise Refusal(403, "API-4", "the request comes from another site")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if site not in ("same-origin", "none"):
            raise Refusal(403, "API-4", "the request comes from another site")

    def _key(self, request: web.Request, readable: bool, tradable: bool) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer":
            if self.is_trading(request):
                if not tradable:
                    raise Refusal(403, "API-20", "the supplier's key does not open this; it is the member's")
                return
            if not self.keys.is_token(token) and not (readable and self.keys.is_reading_key(token)):
                raise Refusal(401, "API-5", "the token is not this node's; it lies in the home folder as api-token")
            return
        csrf = self.keys.csrf(request.cookies.get(self.cookie, ""))
        if csrf is None:
            raise Refusal(401, "API-5", "not signed in: `wltm status` prints a link that opens this page once")
        sent = request.headers.get(CSRF_HEADER, "")
        if request.method not in SAFE_METHODS and not hmac.compare_digest(sent.encode(), csrf.encode()):
            raise Refusal(403, "API-6", f"the header {CSRF_HEADER} is missing or not this session's")


async def seal(_: web.Request, response: web.StreamResponse) -> None:
    """Puts the protective headers on every response (API-7)."""
    response.headers.update(HEADERS)
    response.headers.pop("Server", None)
