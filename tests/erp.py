"""A tiny ERP: an outside program that decides for a supplier, by webhooks and the local API alone.

It shares no code with the node but the check of a signature, which is a few lines in any language.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from node.webhooks import SIGNATURE, verify


class Erp:
    """Quotes at half the price proposed, signs what is agreed, delivers all of it. `told`: the file the demo writes."""

    def __init__(self, told: Path) -> None:
        self.told_at = told
        self.seen: dict[int, str] = {}  # number -> event: what came twice is looked at once
        self.refused: list[str] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.url = ""
        self._signed: dict[str, None] = {}
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> Erp:
        app = web.Application()
        app.router.add_post("/wltm", self._hook)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/wltm"
        self._worker = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)
        await self._runner.cleanup()

    @property
    def told(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.told_at.read_text())
        return found

    async def _hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self.told_at.exists() or not verify(
            self.told["secret"], request.headers.get(SIGNATURE, ""), body, int(time.time())
        ):
            return web.Response(status=503)
        entry = json.loads(body)
        if entry["number"] not in self.seen:
            self.seen[entry["number"]] = entry["event"]
            self._queue.put_nowait(entry)
        return web.Response()

    async def _work(self) -> None:
        async with ClientSession() as http:
            while True:
                entry = await self._queue.get()
                try:
                    await self._decide(http, entry["event"], entry["deal"], entry["detail"])
                except Exception as error:
                    self.refused.append(repr(error))

    async def _decide(self, http: ClientSession, event: str, deal: str, detail: dict[str, Any]) -> None:
        match event:
            case "proposed":
                ladder = [[minimum, max(1, price // 2)] for minimum, price in detail["ladder"]]
                await self._ask(http, "POST", f"/supplier/requests/{deal}/quote", {"ladder": ladder})
            case "agreed":
                await self._ask(http, "POST", f"/supplier/requests/{deal}/countersign", {})
            case "details" if detail["came"] == detail["of"]:  # now it is known where to deliver
                self.orders[deal] = await self._ask(http, "GET", f"/supplier/requests/{deal}/order")
                await self._deliver(http, deal)
            case "countersigned":  # now it is certain that it is to be delivered
                self._signed[deal] = None
                await self._deliver(http, deal)

    async def _deliver(self, http: ClientSession, deal: str) -> None:
        if deal not in self.orders or deal not in self._signed:
            return
        known = next(one for one in await self._ask(http, "GET", "/deals") if one["id"] == deal)
        members = [one["member"] for one in self.orders[deal]["lines"]]
        for line in (one for one in known["accounts"] if one["member"] in members and not one["fulfilled"]):
            report = {"action": "deliver", "member": line["member"], "quantity": line["owed"] - line["got"]}
            await self._ask(http, "POST", f"/deals/{deal}/report", report)

    async def _ask(self, http: ClientSession, method: str, path: str, values: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.told['token']}"}
        async with http.request(method, self.told["api"] + path, json=values, headers=headers) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()
