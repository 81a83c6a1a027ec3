"""The one live page: what needs you now, your co-ops, the boards, this node and its peers. Server-rendered.

Decides what is shown and in which order; reads through the same queries as everyone and signs nothing. All text is
escaped, for peers wrote most of it. Spec: 13-node, API-12.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from node import cues, present
from protocol import commands as c
from protocol.identity import did

Reads = Callable[[Any], Awaitable[Any]]  # a query of protocol.commands -> its plain result

FOLDER = Path(__file__).parent
STATIC = {
    "style.css": "text/css",
    "page.js": "text/javascript",
    "enter.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
COOPS_MAX = 20
BOARDS_MAX = 12
RULES_MAX = 50
LETTERS_MAX = 20
VOICES_MAX = 20
_REFRESH_SECONDS = 15  # without JavaScript

_jinja = Environment(
    loader=FileSystemLoader(FOLDER / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_jinja.filters |= {
    "short": present.short,
    "money": present.money,
    "words": present.words,
    "until": present.until,
    "moment": present.moment,
    "brief": present.brief,
    "size": present.size,
    "span": present.span,
    "did": lambda key: did(bytes.fromhex(key)),
}


class Pages:
    """Renders; holds nothing between two requests."""

    async def whole(self, reads: Reads, csrf: str) -> web.Response:
        """The page with everything on it."""
        return _html("page.html", **await view(reads), csrf=csrf, refresh=_REFRESH_SECONDS)

    async def now(self, reads: Reads, csrf: str) -> web.Response:
        """The part of the page that moves, fetched again when an event says so."""
        return _html("now.html", **await view(reads))

    async def relay(self, reads: Reads, overview: dict[str, Any]) -> web.Response:
        """What whoever runs a relay wants to know: what is wrong, how full it is, its policy and its rules."""
        said, rules = await reads(c.AskPolicy()), await reads(c.AskRules())
        now = present.moment(present.now_ms())
        shown = {"said": said, "rules": rules, "rows_max": RULES_MAX, "as_of": now}
        return _html("relay.html", **overview, **shown)

    async def enter(self, request: web.Request) -> web.Response:
        """Trades the one-time link's fragment for a cookie, in the browser."""
        return _html("enter.html")

    async def static(self, request: web.Request) -> web.Response:
        """One of the few files that belong to the page."""
        name = request.match_info["name"]
        if name not in STATIC:
            raise web.HTTPNotFound()
        return web.Response(body=(FOLDER / "static" / name).read_bytes(), content_type=STATIC[name], charset="utf-8")

    @staticmethod
    def failure(status: int, message: str) -> web.Response:
        """One sentence, and what to do."""
        response = _html("failure.html", message=message)
        response.set_status(status)
        return response


def _html(name: str, **values: Any) -> web.Response:
    return web.Response(text=_jinja.get_template(name).render(values), content_type="text/html")


async def view(reads: Reads) -> dict[str, Any]:
    """Everything that the page shows, from queries alone."""
    now = present.now_ms()
    status = await reads(c.AskStatus())
    intents = await reads(c.AskIntents())
    engaged = {row["coop"] for row in intents}
    known = await reads(c.AskCoops())
    coops = [row for row in known if row["mine"] or row["witness"] or row["id"] in engaged]
    shown = {row["id"] for row in coops}
    followed = [tuple(row["scope"].split("/")[1:]) for row in status["scopes"] if row["scope"].startswith("board/")]
    places = list(dict.fromkeys([(row["category"], row["region"]) for row in intents] + followed))
    return {
        "status": status,
        "mesh": await reads(c.AskMesh()),
        "links": await reads(c.AskPeers()),
        "needs": [_need(need, now) for need in await reads(c.AskNeeds())],
        "coops": [_coop(await reads(c.AskCoop(bytes.fromhex(row["id"])))) for row in coops[:COOPS_MAX]],
        "coops_more": max(0, len(coops) - COOPS_MAX),
        "coops_carried": len(known) - len(coops),
        "letters": (await reads(c.AskMail()))["letters"],
        "letters_max": LETTERS_MAX,
        "deals": [row for row in await reads(c.AskDeals()) if row["coop"] not in shown][:COOPS_MAX],
        "voices": [row["says"] for row in await reads(c.AskVoices()) if row["mine"]][:VOICES_MAX],
        "intents": intents,
        "boards": [await reads(c.AskBoard(category, region)) for category, region in places[:BOARDS_MAX]],
        "boards_more": max(0, len(places) - BOARDS_MAX),
        "disclosed": [one for one in await reads(c.AskDisclosures()) if not one["duty"]],
        "as_of": present.moment(now),
        "now": now,
    }


def _coop(coop: dict[str, Any]) -> dict[str, Any]:
    """With a place for what comes only later: the deal, its award, its ranking."""
    deal = coop.get("deal_detail")
    return coop | {"deal_detail": {"award": None, "ranking": [], **deal} if deal else None}


def _need(need: dict[str, Any], now: int) -> dict[str, Any]:
    where = need.get("coop") or need.get("deal") or ""
    left = present.until(need["until"], now) if need.get("until") else ""
    return {**need, "where": where, "left": left, "silence": cues.silence(need), "cue": cues.cue(need)}
