"""Webhooks: a supplier's program hears of what happens, signed, in order, at least once.

Decides when an entry of the feed is sent, again, or given up; never what happened. Where it is sent the operator says,
nobody else. What was delivered is kept by number, so that a node that is killed sends again rather than not at all.
Spec: 16-supplier, SUP-22 to SUP-26.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import json
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from protocol.encoding import decode, encode
from protocol.errors import CommandError

SIGNATURE, NUMBER, EVENT = "Wltm-Signature", "Wltm-Number", "Wltm-Event"
WINDOW_S = 300  # (g) a receiver refuses what was signed longer ago
HOOKS_MAX = 8  # (g)
PAGE = 20  # entries read at a time
TIMEOUT_S = 5.0
FIRST_WAIT_S, WAIT_S_MAX = 1.0, 600.0  # (g) between attempts, doubled each time
REFUSALS_MAX = 5  # (g) attempts at an entry that the receiver refuses (4xx)
GIVE_UP_MS = 3 * 86_400_000  # (g) after which an entry that cannot be delivered is put aside
DEAD_MAX = 200  # (g) entries put aside that are remembered
_FACT = "hook/"
_BUSY = ("status 408", "status 425", "status 429")  # a receiver that wants it later

Keep = Callable[[Mapping[str, bytes]], Awaitable[None]]
Page = Callable[[int, int], Awaitable[Mapping[str, Any]]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hook:
    """Where entries go, and how far: `at` is the number of the last one that was delivered or put aside in `dead`
    (number, why). `missed`: entries that the feed had let go of before they could be sent."""

    id: str
    url: str
    secret: str = field(repr=False)
    at: int = 0
    tries: int = 0
    since: int = 0  # when the first attempt at the next entry was, 0 before it
    why: str = ""
    missed: int = 0
    dead: tuple[tuple[int, str], ...] = ()

    def told(self) -> dict[str, Any]:
        """Everything but the secret."""
        return {name: value for name, value in asdict(self).items() if name != "secret"}


def sign(secret: str, stamp_s: int, body: bytes) -> str:
    """The signature's header: HMAC-SHA256 over stamp "." body (SUP-23)."""
    mac = hmac.new(secret.encode(), f"{stamp_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp_s},v1={mac}"


def verify(secret: str, header: str, body: bytes, now_s: int) -> bool:
    """What a receiver checks before it reads a body: who signed it, and that it was just now (SUP-23)."""
    stamp, _, _ = header.removeprefix("t=").partition(",")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16) or abs(now_s - int(stamp)) > WINDOW_S:
        return False
    return hmac.compare_digest(sign(secret, int(stamp), body).encode(), header.encode())


def check_url(url: str) -> str:
    """The URL, if a hook may go there; raises CommandError SUP-22."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if not host or len(url) > 500 or not url.isprintable() or parts.username is not None or port == 0:
        raise CommandError("SUP-22", "url: such as https://erp.example/wltm, without a name or password in it")
    loopback = host == "localhost"
    with contextlib.suppress(ValueError):
        loopback = loopback or ipaddress.ip_address(host).is_loopback
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise CommandError("SUP-22", "url: must begin with https://; http:// only to this machine itself")
    return url


class Hooks:
    """All hooks of a node. `page(after, limit)`: the feed (AskFeed); `keep`: facts onto the disk; `clock`: Unix ms."""

    def __init__(
        self,
        facts: Mapping[str, bytes],
        keep: Keep,
        page: Page,
        clock: Callable[[], int],
        rng: random.Random | None = None,
    ) -> None:
        self._keep, self._page, self._clock, self._rng = keep, page, clock, rng or random.Random()
        self._hooks: dict[str, Hook] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None
        for name in sorted(facts):
            if name.startswith(_FACT):
                values = decode(facts[name])
                dead = tuple((number, why) for number, why in values.pop("dead"))
                hook = Hook(**values, dead=dead)
                self._hooks[hook.id] = hook

    def start(self) -> None:
        """Begins to send."""
        limit = aiohttp.ClientTimeout(total=TIMEOUT_S)
        self._session = aiohttp.ClientSession(timeout=limit, trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        for hook in self._hooks.values():
            self._begin(hook.id)

    async def stop(self) -> None:
        """Ends what is under way; what was not answered is sent again after the next start."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def wake(self) -> None:
        """The feed has grown."""
        for event in self._wake.values():
            event.set()

    def listed(self) -> list[dict[str, Any]]:
        """Every hook, with what could not be delivered."""
        return [hook.told() for hook in self._hooks.values()]

    async def add(self, url: str, secret: str = "", after: int = 0) -> dict[str, Any]:
        """A new hook for entries beyond number `after`; answers with its secret, once. Raises CommandError SUP-22."""
        check_url(url)
        if secret and not 16 <= len(secret) <= 200:
            raise CommandError("SUP-22", "secret: 16 to 200 characters, or none to have one made")
        if len(self._hooks) >= HOOKS_MAX:
            raise CommandError("SUP-22", f"hooks: {HOOKS_MAX} exist already; remove one first")
        hook = Hook(secrets.token_hex(4), url, secret or secrets.token_urlsafe(32), at=max(0, after))
        await self._save(hook)
        if self._session is not None:
            self._begin(hook.id)
        return hook.told() | {"secret": hook.secret}

    async def drop(self, name: str) -> dict[str, Any]:
        """Removes a hook; raises CommandError SUP-22 when there is none."""
        self._one(name)
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._wake.pop(name, None)
        del self._hooks[name]
        await self._keep({_FACT + name: b""})
        return {"removed": name}

    async def test(self, name: str) -> dict[str, Any]:
        """Sends an entry numbered 0 at once and says how it was answered; nothing is kept."""
        hook = self._one(name)
        entry = {"number": 0, "event": "test", "deal": "", "time": self._clock(), "detail": {}}
        status, why = await self._send(hook, entry)
        return {"hook": name, "delivered": not why, "status": status, "why": why}

    async def again(self, name: str) -> dict[str, Any]:
        """Goes back to before the first entry that was put aside, and sends from there, in order (SUP-25)."""
        hook = self._one(name)
        if hook.dead:
            at = min(number for number, _ in hook.dead) - 1
            await self._save(replace(hook, at=at, tries=0, since=0, why="", dead=()))
        if name in self._wake:
            self._wake[name].set()
        return self._hooks[name].told()

    def _one(self, name: str) -> Hook:
        if name not in self._hooks:
            raise CommandError("SUP-22", f"hook: there is none called {name[:16]!r}; see `wltm supplier hook list`")
        return self._hooks[name]

    async def _save(self, hook: Hook) -> None:
        await self._keep({_FACT + hook.id: encode(asdict(hook))})
        self._hooks[hook.id] = hook

    def _begin(self, name: str) -> None:
        self._wake[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._run(name), name=f"hook {name}")

    async def _run(self, name: str) -> None:
        while True:
            self._wake[name].clear()
            try:
                wait_s = await self._turn(name)
            except CommandError as error:  # the disk or the node is not there at the moment
                log.warning("hook %s: %s", name, error.message)
                wait_s = WAIT_S_MAX / 60
            if wait_s is None:
                await self._wake[name].wait()
            elif wait_s:
                await asyncio.sleep(wait_s)

    async def _turn(self, name: str) -> float | None:
        """Sends a page of entries; seconds to wait before the next attempt, None until there is something new."""
        hook = self._hooks[name]
        page = await self._page(hook.at, PAGE)
        if page["first"] > hook.at + 1 and page["last"] > hook.at:
            hook = replace(hook, at=page["first"] - 1, missed=hook.missed + page["first"] - 1 - hook.at)
        if page["last"] < hook.at:  # from another life of this node's disk
            hook = replace(hook, at=page["last"])
        for entry in page["entries"]:
            _, why = await self._send(hook, entry)
            if why and (wait_s := self._put_off(hook, entry, why)) is not None:
                await self._save(self._hooks[name])
                return wait_s
            hook = self._hooks[name] if why else hook
            hook = replace(hook, at=entry["number"], tries=0, since=0, why="")
            await self._save(hook)
        if hook != self._hooks[name]:
            await self._save(hook)
        return 0 if page["entries"] else None

    def _put_off(self, hook: Hook, entry: Mapping[str, Any], why: str) -> float | None:
        """Notes a failure; seconds until the next attempt, None when the entry is put aside (SUP-25)."""
        now = self._clock()
        hook = replace(hook, tries=hook.tries + 1, since=hook.since or now, why=why)
        refused = why.startswith("status 4") and why not in _BUSY and hook.tries >= REFUSALS_MAX
        if refused or now - hook.since >= GIVE_UP_MS:
            hook = replace(hook, dead=(*hook.dead, (entry["number"], why))[-DEAD_MAX:])
            self._hooks[hook.id] = hook
            return None
        self._hooks[hook.id] = hook
        wait_s = min(WAIT_S_MAX, FIRST_WAIT_S * 2.0 ** min(hook.tries - 1, 20))
        return wait_s * self._rng.uniform(0.75, 1.25)

    async def _send(self, hook: Hook, entry: Mapping[str, Any]) -> tuple[int, str]:
        """(status, why it was not delivered): redirects are not followed, and the answer's body is not read."""
        assert self._session is not None
        body = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            SIGNATURE: sign(hook.secret, self._clock() // 1000, body),
            NUMBER: str(entry["number"]),
            EVENT: str(entry["event"]),
            "User-Agent": "wltm",
        }
        try:
            async with self._session.post(hook.url, data=body, headers=headers, allow_redirects=False) as answer:
                good = 200 <= answer.status < 300
                return answer.status, "" if good else f"status {answer.status}"
        except TimeoutError:
            return 0, f"no answer within {TIMEOUT_S:.0f} seconds"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return 0, f"not reached: {type(error).__name__}"
