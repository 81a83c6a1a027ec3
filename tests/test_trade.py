"""13-node and 16-supplier: what an outside program does for a supplier over HTTP, with a key that opens no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_args

import pytest
from aiohttp import ClientSession

from node.api import ROUTES, Api, convert, trade
from node.api.table import PREFIX
from node.counter import Counter
from node.webhooks import Hooks
from protocol import commands as c
from protocol.errors import CommandError
from protocol.events import Reply, Submit
from tests.deals import TEMPLATE
from tests.fakes_node import DEAL, FakeNode
from tests.stages import Desk
from tests.test_supply import SELLER, article, prices

TOKEN, KEY = "the token of this home", "the key of the supplier's program"
ERP = {"Authorization": f"Bearer {KEY}"}
OWN = {"Authorization": f"Bearer {TOKEN}"}
FILES = PREFIX + "/supplier/files/tea/any"
HEAD = "sku;unit_price;capacity;organic\n"


class Seller(FakeNode):
    """A node with a real engine behind it, and nobody else in the world."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(SELLER)
        self.desk.ask(prices(article("leaf")))

    async def submit(self, command: Any) -> Any:
        self.submitted.append(command)
        effects = self.desk.do(Submit(1, command))
        found = next(one.result for one in effects if isinstance(one, Reply))
        if isinstance(found, CommandError):
            raise found
        return found


class Rig:
    def __init__(self, node: FakeNode, api: Api, http: ClientSession, hooks: Hooks) -> None:
        self.node, self.api, self.http, self.hooks = node, api, http, hooks

    async def ask(
        self, method: str, path: str, status: int = 200, headers: Mapping[str, str] = ERP, **more: Any
    ) -> Any:
        async with self.http.request(method, self.api.url + path, headers=headers, **more) as response:
            assert response.status == status, await response.text()
            return await response.json()


def story(tell: Callable[[Rig], Awaitable[None]], node: FakeNode | None = None) -> None:
    """Runs one test against a server on a free port, with a real counter."""
    node = node or Seller()

    async def run() -> None:
        facts: dict[str, bytes] = {}

        async def keep(some: Mapping[str, bytes]) -> None:
            facts.update(some)

        async def page(after: int, limit: int) -> Mapping[str, Any]:
            found: Mapping[str, Any] = convert.plain(await node.submit(c.AskFeed(after, limit)))
            return found

        hooks = Hooks(facts, keep, page, lambda: 0)
        counter = Counter(node.submit, {"tea": TEMPLATE}.get, hooks, KEY)
        api = Api(node, TOKEN, (), lambda: None, None, counter)
        await api.start("127.0.0.1", 0)
        try:
            async with ClientSession() as http, asyncio.timeout(30):
                await tell(Rig(node, api, http, hooks))
        finally:
            await hooks.stop()
            await api.stop()

    asyncio.run(run())


def test_the_suppliers_key_opens_its_own_doors_and_no_other() -> None:
    """SUP-27, API-20: every route of the server, walked."""

    async def tell(rig: Rig) -> None:
        opened = []
        for route in rig.api.app.router.routes():
            path = route.resource.canonical if route.resource else ""
            if route.method in ("*", "HEAD") or path.endswith("/events"):
                continue
            filled = "/".join("ab" if part.startswith("{") else part for part in path.split("/"))
            async with rig.http.request(route.method, rig.api.url + filled, headers=ERP, data=b"?") as response:
                if response.status != 403:
                    opened.append((route.method, path))
        public = {("GET", "/enter"), ("GET", "/static/{name}"), ("POST", PREFIX + "/session")}
        assert {*opened} - public == {*trade.TRADABLE} - {("GET", PREFIX + "/events")}
        for forbidden in ("/status", "/coops", "/mail", "/intents"):
            answer = await rig.ask("GET", PREFIX + forbidden, 403)
            assert answer["error"]["code"] == "API-20"
        await rig.ask("GET", PREFIX + "/supplier", 401, {"Authorization": "Bearer "})

    story(tell)


def test_what_the_key_may_say_is_a_suppliers() -> None:
    """SUP-27: no command of a member, of the mesh or of the node's person is among them."""
    allowed = {route.command for route in ROUTES if (route.method, PREFIX + route.path) in trade.TRADABLE}
    assert {*get_args(c.SupplyCommand)} - {c.ClaimDomain} <= allowed
    assert c.ClaimDomain not in allowed  # whose name a supplier trades under is its person's word
    assert not allowed & {c.Commit, c.Pledge, c.Vote, c.SetBoundaries, c.OpenRfq, c.AddPeer, c.SendMail}


def test_prices_as_json_and_as_a_file() -> None:
    """SUP-6, SUP-7: an upload says what it changes, a preview changes nothing, the same again changes nothing."""

    async def tell(rig: Rig) -> None:
        page = await rig.ask("GET", PREFIX + "/supplier/articles?category=tea&region=any&limit=5")
        assert [one["sku"] for one in page["rows"]] == ["leaf"]
        body = {"category": "tea", "region": "any", "rows": [page["rows"][0] | {"sku": "root"}], "gone": []}
        assert (await rig.ask("POST", PREFIX + "/supplier/articles", json=body)) == {"articles": 2}
        data = (HEAD + "leaf;9,00;100;ja\nbud;8,50;1.000;nein\n").encode("utf-8-sig")
        seen = await rig.ask("POST", FILES + "?preview=true", data=data)
        assert (seen["taken"], seen["new"], seen["changed"], seen["same"], seen["gone"]) == (False, 1, 0, 1, 1)
        assert seen["named"] == {"new": ["bud"], "changed": [], "gone": ["root"]}
        assert (await rig.ask("GET", PREFIX + "/supplier"))["boards"][0]["articles"] == 2
        assert (await rig.ask("POST", FILES + "?upsert=true", data=data))["gone"] == 0
        assert (await rig.ask("GET", PREFIX + "/supplier"))["boards"][0]["articles"] == 3
        assert (await rig.ask("POST", FILES, data=data))["taken"]
        rig.node.submitted.clear()
        again = await rig.ask("POST", FILES, data=data)
        assert (again["new"], again["changed"], again["same"], again["gone"]) == (0, 0, 2, 0)
        assert not any(isinstance(one, c.PutArticles) for one in rig.node.submitted)

    story(tell)


def test_a_file_with_a_bad_row_is_taken_only_where_that_was_said() -> None:
    """SUP-6: nothing by default; with `partial` the good articles, and the bad one stays as it was."""

    async def tell(rig: Rig) -> None:
        data = (HEAD + "leaf;x;100;1\nbud;8,50;1000;0\n").encode()
        seen = await rig.ask("POST", FILES, data=data)
        assert (seen["taken"], seen["wrong"]) == (False, 1)
        assert seen["complaints"] == [
            {"line": 2, "column": "unit_price", "value": "x", "message": "is not a number", "clause": "SUP-3"}
        ]
        assert (await rig.ask("GET", PREFIX + "/supplier"))["boards"][0]["articles"] == 1
        assert (await rig.ask("POST", FILES + "?partial=true", data=data))["taken"]
        rows = (await rig.ask("GET", PREFIX + "/supplier/articles?category=tea&region=any"))["rows"]
        assert [(one["sku"], one["unit_price_minor"]) for one in rows] == [("bud", 850), ("leaf", 900)]

    story(tell)


@pytest.mark.parametrize(
    ("query", "data", "status", "code"),
    [
        ("?colour=red", b"", 400, "API-8"),
        ("?preview=yes", b"", 400, "API-8"),
        ("?preview=true&preview=true", b"", 400, "API-8"),
        ("?decimal=dot", HEAD.encode(), 422, "SUP-3"),
        ("?column.sku=Nr", HEAD.encode(), 422, "SUP-2"),
        ("?encoding=utf-8", b"\xff\xfe\xfd", 422, "SUP-1"),
        ("", b"\x00\x00", 422, "SUP-1"),
    ],
)
def test_files_that_are_none(query: str, data: bytes, status: int, code: str) -> None:
    """SUP-1 to SUP-3, API-8: one sentence, nothing changed."""

    async def tell(rig: Rig) -> None:
        answer = await rig.ask("POST", FILES + query, status, data=data)
        assert answer["error"]["code"] == code

    story(tell)


def test_the_way_a_file_is_read_can_be_said() -> None:
    """SUP-1 to SUP-3: headings, one value for all, decimal sign, encoding; a category that is unknown."""

    async def tell(rig: Rig) -> None:
        query = {"column.unit_price": "Größe", "value.organic": "1", "decimal": "comma", "encoding": "windows-1252"}
        data = "sku;Größe;capacity\nleaf;9,00;1.250\n".encode("cp1252")
        assert (await rig.ask("POST", FILES, data=data, params=query))["changed"] == 1
        await rig.ask("POST", FILES.replace("/tea/", "/coffee/"), 422, data=data)
        elsewhere = await rig.ask("POST", FILES.replace("/any", "/u10"), 422, data=HEAD.encode() + b"leaf;9;1;1")
        assert elsewhere["error"]["code"] == "SUP-7"

    story(tell)


def test_a_file_beyond_the_bound_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """SUP-5: other bodies stay bounded as they were (API-10)."""
    monkeypatch.setattr(trade, "FILE_BYTES_MAX", 100_000)

    async def tell(rig: Rig) -> None:
        answer = await rig.ask("POST", FILES, 413, data=b"x" * 100_001)
        assert answer["error"]["code"] == "SUP-5"
        await rig.ask("POST", PREFIX + "/supplier/articles", 413, data=b" " * (5 << 20))

    story(tell)


def test_numbers_in_a_query_are_numbers() -> None:
    """API-8: and what is none is named."""

    async def tell(rig: Rig) -> None:
        assert (await rig.ask("GET", PREFIX + "/supplier/feed?after=0&limit=2"))["entries"] == []
        for query in ("?after=x", "?after=-1.5", "?after=" + "9" * 20):
            answer = await rig.ask("GET", PREFIX + "/supplier/feed" + query, 400)
            assert answer["error"]["message"].startswith("after:")

    story(tell)


def test_hooks_are_the_persons_to_set() -> None:
    """SUP-22: with the supplier's key they are listed, and no more."""

    async def tell(rig: Rig) -> None:
        path = PREFIX + "/supplier/hooks"
        await rig.ask("POST", path, 403, json={"url": "https://erp.example/"})
        made = await rig.ask("POST", path, headers=OWN, json={"url": "https://erp.example/"})
        (listed,) = await rig.ask("GET", path)
        assert (listed["id"], "secret" in listed) == (made["id"], False)
        for body in ({"url": 7}, {"url": "https://x/", "colour": "red"}, {"url": "https://x/", "after": "1"}):
            await rig.ask("POST", path, 400, headers=OWN, json=body)
        await rig.ask("POST", path, 422, headers=OWN, json={"url": "http://erp.example/"})
        await rig.ask("DELETE", f"{path}/{made['id']}", headers=OWN)
        await rig.ask("POST", f"{path}/{made['id']}/again", 422, headers=OWN)

    story(tell)


def test_of_the_event_stream_the_key_hears_its_own_topic() -> None:
    """SUP-27: what else happens on the node is not the program's business; a resync is."""

    async def tell(rig: Rig) -> None:
        async with rig.http.get(rig.api.url + PREFIX + "/events", headers=ERP) as response:
            assert response.status == 200
            await response.content.readuntil(b"\n\n")
            for topic in ("coop", "supply"):
                rig.node.sequence += 1
                rig.node.changes.put_nowait((rig.node.sequence, {"topic": topic, "detail": {"number": 1}}))
            text = (await response.content.readuntil(b"\n\n")).decode()
            assert json.loads(text.partition("data: ")[2])["topic"] == "supply"

    story(tell)


def test_every_command_of_a_supplier_by_http() -> None:
    """API-1: what comes out of JSON."""

    async def tell(rig: Rig) -> None:
        deal = bytes.fromhex(DEAL)
        path = f"{PREFIX}/supplier/requests/{DEAL}"
        await rig.ask("POST", path + "/quote", json={"sku": "leaf", "ladder": [[1, 900]], "capacity": 5})
        await rig.ask("POST", path + "/pass", json={"reason": "no"})
        await rig.ask("POST", path + "/countersign")
        await rig.ask("POST", path + "/release")
        await rig.ask("GET", path + "/order")
        await rig.ask("GET", PREFIX + "/supplier/requests")
        await rig.ask("PUT", PREFIX + "/supplier/rules", json={"mode": "review", "quantity_most": 7})
        assert rig.node.submitted == [
            c.Quote(deal, "leaf", ((1, 900),), 5),
            c.PassRequest(deal, "no"),
            c.Countersign(deal),
            c.ReleaseCapacity(deal),
            c.AskOrder(deal),
            c.AskRequests(),
            c.SetSupplyRules("review", quantity_most=7),
        ]

    story(tell, FakeNode())
