"""What whoever runs a relay watches: its numbers for Prometheus, its health for monitors, and a page to read.

Decides how the overview of the node is shown; takes none of the numbers itself. Spec: 15-relay, REL-20 to REL-22.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from node.api import convert
from node.api.exposition import CONTENT_TYPE, exposition
from node.measures import BUCKETS_S
from node.web import Pages, Reads


@dataclass(frozen=True, slots=True)
class Organiser:
    """`overview`: everything about the node as of now; `reading_key` opens the numbers and nothing else (REL-22)."""

    overview: Callable[[], Awaitable[Mapping[str, Any]]]
    reading_key: str = field(repr=False)

    async def metrics(self, request: web.Request) -> web.Response:
        """The text format 0.0.4."""
        found = await self.overview()
        text = exposition(found, found["health"]["state"], BUCKETS_S)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def health(self, request: web.Request) -> web.Response:
        """503 when the node cannot write, so that a monitor needs to read nothing."""
        found = convert.plain(await self.overview())
        state = found["health"]["state"]
        return web.json_response(found.pop("health") | found, status=503 if state == "failing" else 200)

    async def page(self, pages: Pages, reads: Reads) -> web.Response:
        """The same for people."""
        found: dict[str, Any] = convert.plain(await self.overview())
        return await pages.relay(reads, found)
