"""13-node, API: who may speak to the node on this machine, what JSON becomes, how events are followed."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, get_args

import pytest
from aiohttp import ClientResponse, ClientSession
from hypothesis import given
from hypothesis import strategies as st

from node.api import ROUTES, Api, convert, table, trade
from node.api.feed import TAIL, Feed
from node.api.guard import CSRF_HEADER, LINK_SECONDS, LINKS_MAX, OPEN, SESSIONS_MAX, Keys
from node.api.server import BODY_BYTES_MAX, LISTENERS_MAX
from protocol import commands as c
from protocol.errors import CommandError, NotNow
from protocol.identity import did
from protocol.params import INTEGER_MAX
from tests.fakes_node import COOP, DEAL, ME, FakeNode

TOKEN = "the token of this home"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Rig:
    node: FakeNode
    api: Api
    http: ClientSession
    stopped: list[bool]

    async def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        """The JSON of an answer whose status must be `status`."""
        more.setdefault("headers", BEARER)
        async with self.http.request(method, self.api.url + path, **more) as response:
            assert response.status == status, await response.text()
            return await response.json()


def story(tell: Callable[[Rig], Awaitable[None]], hosts: tuple[str, ...] = ()) -> None:
    """Runs one test against a server on a free port, with no cookies remembered by accident."""

    async def run() -> None:
        stopped: list[bool] = []
        node = FakeNode()
        api = Api(node, TOKEN, hosts, lambda: stopped.append(True))
        await api.start("127.0.0.1", 0)
        try:
            async with ClientSession() as http, asyncio.timeout(30):
                await tell(Rig(node, api, http, stopped))
        finally:
            await api.stop()

    asyncio.run(run())


def registered(api: Api) -> list[tuple[str, str]]:
    """Every (method, path) that the server answers."""
    return [
        (route.method, route.resource.canonical if route.resource else "")
        for route in api.app.router.routes()
        if route.method != "*"
    ]


def filled(path: str) -> str:
    """A path of the router with something in each place."""
    parts = [("x" if part.startswith("{") else part) for part in path.split("/")]
    return "/".join(parts)


# API-1: one row per command.


def test_every_command_has_one_route_and_every_field_a_place() -> None:
    """API-1"""
    assert {route.command for route in ROUTES} == {*get_args(c.Command)}
    assert len(ROUTES) == len({(route.method, route.path) for route in ROUTES})
    for route in ROUTES:
        names = {field.name for field in fields(route.command)}
        assert {*route.in_path} <= names, route
        assert route.summary, route


def test_a_command_comes_out_with_its_types() -> None:
    async def tell(rig: Rig) -> None:
        body = {"intent": "home", "exclude": [did(ME)], "token": "00ff"}
        await rig.ask("POST", f"/api/v1/coops/{COOP}/join", json=body)
        assert rig.node.submitted == [c.JoinCoop(bytes.fromhex(COOP), "home", 0, 0, (ME,), b"\x00\xff")]
        rig.node.submitted.clear()
        await rig.ask("GET", "/api/v1/standing/" + ME.hex() + "?role=supplier")
        await rig.ask("GET", "/api/v1/digest/board/electricity/u10")
        await rig.ask("DELETE", "/api/v1/intents/home")
        assert rig.node.submitted == [
            c.AskStanding(ME, "supplier"),
            c.AskDigest("board/electricity/u10"),
            c.WithdrawIntent("home"),
        ]
        found = await rig.ask("GET", "/api/v1/coops")
        assert found[0]["id"] == COOP
        assert found[0]["deal"] == DEAL

    story(tell)


# API-2 to API-7: who may speak.


def test_only_loopback_is_listened_on() -> None:
    """API-2"""
    api = Api(FakeNode(), TOKEN, (), lambda: None)
    with pytest.raises(CommandError, match="loopback"):
        asyncio.run(api.start("0.0.0.0", 0))


def test_a_port_in_use_is_one_sentence() -> None:
    """API-2"""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        api = Api(FakeNode(), TOKEN, (), lambda: None)
        with pytest.raises(CommandError, match=f"api.port: {port} is in use"):
            asyncio.run(api.start("127.0.0.1", port))


def test_no_route_is_open_by_accident() -> None:
    """API-5: the walk over the router; what is open is named, all else wants a key."""

    async def tell(rig: Rig) -> None:
        for method, path in registered(rig.api):
            async with rig.http.request(method, rig.api.url + filled(path)) as response:
                if (method, path) in OPEN or (method == "HEAD" and ("GET", path) in OPEN):
                    assert response.status in (200, 401, 404), (method, path)
                else:
                    assert response.status == 401, (method, path)
        assert rig.node.submitted == []
        assert {*OPEN} <= {*registered(rig.api)}

    story(tell)


@pytest.mark.parametrize("path", ["/api/v1/status", "/", "/nowhere", "/api/v1/nowhere", "/static/../guard.py"])
def test_without_a_key_nothing_is_told(path: str) -> None:
    """API-5"""

    async def tell(rig: Rig) -> None:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            async with rig.http.get(rig.api.url + path, headers=headers) as response:
                assert response.status == 401
                assert TOKEN not in await response.text()

    story(tell)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "127.0.0.1:{port}.evil.example", ""]
)
def test_another_host_name_is_refused_whatever_the_key(host: str) -> None:
    """API-3: a name that an attacker points at this machine."""

    async def tell(rig: Rig) -> None:
        port = rig.api.url.rpartition(":")[2]
        headers = {**BEARER, "Host": host.format(port=port)}
        for path in ("/api/v1/status", "/", "/enter"):
            async with rig.http.get(rig.api.url + path, headers=headers) as response:
                assert response.status == 421, path
                assert "api.allowed_hosts" in await response.text()
        assert rig.node.submitted == []

    story(tell)


def test_a_second_host_header_and_allowed_names() -> None:
    """API-3: as bytes on the wire, for a client library would not send two."""

    async def tell(rig: Rig) -> None:
        port = int(rig.api.url.rpartition(":")[2])
        own = f"127.0.0.1:{port}"
        for hosts, status in (([own], b"200"), ([f"localhost:{port}"], b"200"), (["tea.test:80"], b"200")):
            assert await _status_line(port, hosts) == status, hosts
        for hosts in ([own, "evil.example"], ["evil.example", own], []):
            assert await _status_line(port, hosts) in (b"421", b"400"), hosts

    story(tell, hosts=("tea.test:80",))


async def _status_line(port: int, hosts: list[str]) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = ["GET /api/v1/status HTTP/1.1", *(f"Host: {host}" for host in hosts), f"Authorization: Bearer {TOKEN}"]
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
    answer = await reader.read()
    writer.close()
    return answer.split(b" ")[1]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_is_refused_whatever_the_key(headers: dict[str, str]) -> None:
    """API-4"""

    async def tell(rig: Rig) -> None:
        for method in ("GET", "POST"):
            await rig.ask(method, "/api/v1/coops", 403, headers={**BEARER, **headers})
        own = {"Origin": rig.api.url, "Sec-Fetch-Site": "same-origin"}
        await rig.ask("GET", "/api/v1/coops", headers={**BEARER, **own})

    story(tell)


async def _cookie(rig: Rig) -> str:
    answer = await rig.ask("POST", "/api/v1/links")
    secret = answer["url"].partition("#")[2]
    async with rig.http.post(rig.api.url + "/api/v1/session", json={"link": secret}) as response:
        assert response.status == 200
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    rig.http.cookie_jar.clear()
    return cookie.partition(";")[0]


def test_a_link_opens_one_session_once() -> None:
    """API-5"""

    async def tell(rig: Rig) -> None:
        secret = rig.api.link().partition("#")[2]
        for status in (200, 401):
            await rig.ask("POST", "/api/v1/session", status, json={"link": secret}, headers={})
            rig.http.cookie_jar.clear()
        for wrong in ("", "x", 7, None):
            await rig.ask("POST", "/api/v1/session", 401, json={"link": wrong}, headers={})
        cookie = await _cookie(rig)
        assert cookie.startswith(f"wltm-{rig.api.url.rpartition(':')[2]}=")
        await rig.ask("GET", "/api/v1/status", headers={"Cookie": cookie})
        async with rig.http.get(rig.api.url + "/", headers={"Cookie": cookie}) as response:
            csrf = (await response.text()).partition('name="csrf" content="')[2].partition('"')[0]
        await rig.ask("DELETE", "/api/v1/session", headers={"Cookie": cookie, CSRF_HEADER: csrf})
        await rig.ask("GET", "/api/v1/status", 401, headers={"Cookie": cookie})

    story(tell)


def test_links_and_sessions_are_few_and_end() -> None:
    """API-5: a bound on each, filled."""
    now = 0.0
    keys = Keys(TOKEN, lambda: now)
    links = [keys.link() for _ in range(LINKS_MAX + 1)]
    assert keys.enter(links[0]) is None
    first = keys.enter(links[1])
    assert first is not None
    for _ in range(SESSIONS_MAX):
        assert keys.csrf(first)
        assert keys.enter(keys.link())
    assert keys.csrf(first) is None
    late = keys.link()
    now += LINK_SECONDS + 1
    assert keys.enter(late) is None


def test_a_cookie_alone_changes_nothing() -> None:
    """API-6: the header is missing, wrong, then right, on every unsafe route."""

    async def tell(rig: Rig) -> None:
        cookie = await _cookie(rig)
        async with rig.http.get(rig.api.url + "/", headers={"Cookie": cookie}) as response:
            csrf = (await response.text()).partition('name="csrf" content="')[2].partition('"')[0]
        rig.node.submitted.clear()
        for method, path in registered(rig.api):
            if method not in ("GET", "HEAD") and (method, path) not in OPEN:
                for header in ({}, {CSRF_HEADER: "x"}, {CSRF_HEADER: "é"}, {CSRF_HEADER: ""}):
                    await rig.ask(method, filled(path), 403, headers={"Cookie": cookie, **header})
        assert rig.node.submitted == []
        await rig.ask("POST", "/api/v1/watch", 400, headers={"Cookie": cookie, CSRF_HEADER: csrf})

    story(tell)


def test_every_answer_carries_the_protective_headers() -> None:
    """API-7: pages, JSON, refusals and streams."""

    async def tell(rig: Rig) -> None:
        for path in ("/", "/enter", "/static/style.css", "/api/v1/status", "/api/v1/events", "/nowhere"):
            for headers in (BEARER, {}):
                async with rig.http.get(rig.api.url + path, headers=headers) as response:
                    policy = response.headers["Content-Security-Policy"]
                    assert policy.startswith("default-src 'none'; script-src 'self';")
                    assert "unsafe" not in policy
                    assert response.headers["X-Content-Type-Options"] == "nosniff"
                    assert response.headers["Referrer-Policy"] == "no-referrer"
                    assert response.headers["Cache-Control"] == "no-store"
                    assert "Server" not in response.headers
                    assert "Access-Control-Allow-Origin" not in response.headers

    story(tell)


# API-8: the shape of what is asked.

INTENT = {
    "name": "home",
    "category": "electricity",
    "region": "u10",
    "want": 30,
    "tolerate": 2,
    "spend_minor": 6200,
    "readiness": "ready",
    "ready_by": 1_800_000_000_000,
}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b"\xff\xfe", "body"),
        (b'{"name": "a", "name": "b"}', "body"),
        (b'{"want": NaN}', "body"),
        (b"[" * 100_000, "body"),
        (b'{"want": ' + b"9" * 5000 + b"}", "body"),
        (INTENT | {"wish": 1}, "wish"),
        ({name: value for name, value in INTENT.items() if name != "want"}, "want"),
        (INTENT | {"want": "30"}, "want"),
        (INTENT | {"want": 30.0}, "want"),
        (INTENT | {"want": True}, "want"),
        (INTENT | {"want": None}, "want"),
        (INTENT | {"want": 2**53}, "want"),
        (INTENT | {"name": 1}, "name"),
        (b'{"name": "\\ud800"}', "category"),
        (INTENT | {"name": "\ud800"}, "name"),
        (INTENT | {"terms": "abc"}, "terms"),
        (INTENT | {"terms": ["a", 1]}, "terms[1]"),
        (INTENT | {"requirements": [{"value": 1.5}]}, "requirements[0].value"),
        (INTENT | {"requirements": {}}, "requirements"),
    ],
)
def test_a_bad_body_is_one_sentence_that_names_the_field(body: Any, field: str) -> None:
    """API-8"""

    async def tell(rig: Rig) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await rig.ask("POST", "/api/v1/intents", 400, data=data)
        assert answer["error"]["code"] == "API-8"
        assert answer["error"]["message"].startswith(field + ":")
        assert rig.node.submitted == []

    story(tell)


def test_fields_beside_the_place_they_belong_in() -> None:
    """API-8: neither twice, nor in the query of a command, nor in the body what the path says."""

    async def tell(rig: Rig) -> None:
        for method, path, body in (
            ("POST", "/api/v1/watch?category=x", {"category": "x", "region": "y"}),
            ("GET", f"/api/v1/standing/{ME.hex()}?role=member&role=supplier", None),
            ("POST", f"/api/v1/coops/{COOP}/invite", {"coop": COOP, "expires": 1}),
        ):
            await rig.ask(method, path, 400, json=body)
        for name in ("AB", "a", "0 0", "ü", "did:key:zQ"):
            await rig.ask("GET", f"/api/v1/coops/{name}", 400)
        assert rig.node.submitted == []

    story(tell)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KINDS = list(get_args(c.Command))


@given(st.sampled_from(KINDS), st.data())
def test_any_json_either_becomes_the_command_or_names_the_field(kind: type[Any], data: st.DataObject) -> None:
    """API-8"""
    names = [field.name for field in fields(kind)]
    values = data.draw(st.dictionaries(st.sampled_from([*names, "other"]), json_values, max_size=len(names)))
    with suppress(CommandError):
        convert.command(kind, values)


def valid(kind: Any) -> st.SearchStrategy[Any]:
    """JSON that `read` takes for a type, built from its own schema."""
    return _from_schema(convert.schema(kind))


def _from_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    match schema:
        case {"anyOf": parts}:
            return st.one_of([_from_schema(part) for part in parts])
        case {"prefixItems": parts}:
            return st.tuples(*(_from_schema(part) for part in parts)).map(list)
        case {"type": "array", "items": part}:
            return st.lists(_from_schema(part), max_size=3)
        case {"type": "object", "additionalProperties": part}:
            return st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), _from_schema(part), max_size=3)
        case {"type": "integer"}:
            return st.integers(-INTEGER_MAX, INTEGER_MAX)
        case {"type": "number"}:
            return st.floats(allow_nan=False, allow_infinity=False)
        case {"type": "string", "pattern": _}:
            return st.binary(max_size=40).map(bytes.hex)
        case {"type": "null"}:
            return st.none()
        case {"type": "boolean"}:
            return st.booleans()
    assert schema == {"type": "string"}
    return st.text(st.characters(codec="utf-8"), max_size=9)


@given(st.sampled_from(KINDS), st.data())
def test_what_the_schema_allows_is_taken_and_comes_back(kind: type[Any], data: st.DataObject) -> None:
    """API-8, API-13: the published shape and the reader agree."""
    shape = convert.shape(kind)
    values = {name: data.draw(valid(found)) for name, (found, _) in shape.items()}
    command = convert.command(kind, values)
    assert convert.plain({name: getattr(command, name) for name in shape}) == values


# API-9, API-10: verdicts as status, bounds.


def test_verdicts_become_statuses() -> None:
    """API-9"""

    async def tell(rig: Rig) -> None:
        for error, status in (
            (CommandError("API-1", "ranking: names a persona that does not stand"), 422),
            (NotNow("DEC-13", "ballots: the box is not open now"), 409),
            (CommandError("STO-5", "the disk is full"), 503),
            (RuntimeError("secret detail"), 500),
        ):
            rig.node.refuse = {c.AskNeeds: error}
            answer = await rig.ask("GET", "/api/v1/needs", status)
            assert "secret" not in answer["error"]["message"]
        rig.node.refuse = {}
        assert (await rig.ask("GET", "/api/v1/nowhere", 404))["error"]["code"] == "API-9"
        assert (await rig.ask("PATCH", "/api/v1/needs", 405))["error"]["code"] == "API-9"
        await rig.ask("POST", "/api/v1/down")
        assert rig.stopped == [True]

    story(tell)


def test_a_body_beyond_the_bound_is_refused() -> None:
    """API-10"""

    async def tell(rig: Rig) -> None:
        await rig.ask("POST", "/api/v1/intents", 413, data=b" " * (BODY_BYTES_MAX + 1))
        assert rig.node.submitted == []

    story(tell)


# API-11: events.


async def next_event(response: ClientResponse) -> tuple[str, str, Any]:
    """(id, name, data) of the next event on a stream."""
    found: dict[str, str] = {}
    while line := (await asyncio.wait_for(response.content.readline(), 10)).decode():
        name, _, value = line.rstrip("\n").partition(": ")
        found[name] = value
        if line == "\n" and "event" in found:
            return found["id"], found["event"], json.loads(found["data"])
    raise AssertionError("the stream ended")


def test_events_arrive_and_a_returning_listener_misses_none() -> None:
    """API-11"""

    async def tell(rig: Rig) -> None:
        url = rig.api.url + "/api/v1/events"
        async with rig.http.get(url, headers=BEARER) as first:
            for number in (7, 8):
                rig.node.changes.put_nowait((number, {"topic": "board", "detail": {"id": b"\x01", "text": "a\n\nb"}}))
            for place in ("7", "8"):
                found = await next_event(first)
                assert found == (place, "change", {"topic": "board", "detail": {"id": "01", "text": "a\n\nb"}})
        async with rig.http.get(url, headers={**BEARER, "Last-Event-ID": "7"}) as again:
            assert (await next_event(again))[:2] == ("8", "change")
        for gap in ("3", "99"):
            async with rig.http.get(url, headers={**BEARER, "Last-Event-ID": gap}) as lost:
                assert (await next_event(lost))[:2] == ("8", "resync")
        for bad in ("-1", "x", "9" * 20, "٣"):
            await rig.ask("GET", "/api/v1/events", 400, headers={**BEARER, "Last-Event-ID": bad})

    story(tell)


def test_the_tail_is_bounded_and_a_slow_listener_is_told_to_look_again() -> None:
    """API-11: the bound, filled."""

    async def tell() -> None:
        feed = Feed()
        slow = feed.listen(None)
        waiting = asyncio.ensure_future(anext(slow))
        await asyncio.sleep(0)
        feed.put(1, {"topic": "x"})
        assert (await waiting)[0] == 1
        for number in range(2, TAIL + 10):
            feed.put(number, {"topic": "x"})
        assert await anext(slow) == (TAIL + 9, None)
        feed.close()
        with pytest.raises(StopAsyncIteration):
            await anext(slow)

    asyncio.run(tell())


@given(st.lists(st.integers(1, 3), max_size=60), st.integers(0, 150))
def test_a_listener_sees_everything_after_its_place_or_is_told(steps: list[int], after: int) -> None:
    """API-11"""

    async def tell() -> list[tuple[int, Any]]:
        feed, number = Feed(), 10
        feed.begin(10)
        for step in steps:
            number += step
            feed.put(number, {"n": number})
        seen: list[tuple[int, Any]] = []
        entries = feed.listen(after)
        while True:
            waiting = asyncio.ensure_future(anext(entries))
            for _ in range(3):
                await asyncio.sleep(0)
            if not waiting.done():
                waiting.cancel()
                return seen
            seen.append(waiting.result())

    numbers = [10 + sum(steps[: place + 1]) for place in range(len(steps))]
    seen = asyncio.run(tell())
    if any(notification is None for _, notification in seen):
        assert seen == [([10, *numbers][-1], None)]
        assert not 10 <= after <= [10, *numbers][-1]
    else:
        assert 10 <= after <= [10, *numbers][-1]
        assert [number for number, _ in seen] == [number for number in numbers if number > after]


def test_streams_are_few() -> None:
    """API-10: the bound, filled."""

    async def tell(rig: Rig) -> None:
        url = rig.api.url + "/api/v1/events"
        held = [await rig.http.get(url, headers=BEARER) for _ in range(LISTENERS_MAX)]
        await rig.ask("GET", "/api/v1/events", 503)
        for response in held:
            response.close()

    story(tell)


def test_the_log_is_paged() -> None:
    async def tell(rig: Rig) -> None:
        found = await rig.ask("GET", "/api/v1/log?after=1&limit=1")
        assert found["last"] == 3
        assert [row["position"] for row in found["records"]] == [2]
        await rig.ask("GET", "/api/v1/log?after=x", 400)

    story(tell)


def test_the_published_description_is_the_table() -> None:
    """API-13"""

    async def tell(rig: Rig) -> None:
        found = await rig.ask("GET", "/api/v1/openapi.json")
        assert found == json.loads(json.dumps(table.openapi() | {"paths": table.openapi()["paths"] | trade.paths()}))
        operations = {one["operationId"] for path in found["paths"].values() for one in path.values()}
        others = {"TakeFile", "AskHooks", "AddHook", "DropHook", "TestHook", "RetryHook"}
        assert operations == {kind.__name__ for kind in KINDS} | others
        assert "{scope}" in " ".join(found["paths"])

    story(tell)


def test_head_and_options_tell_nothing() -> None:
    """API-5"""

    async def tell(rig: Rig) -> None:
        for method in ("HEAD", "OPTIONS"):
            async with rig.http.request(method, rig.api.url + "/api/v1/status") as response:
                assert response.status == 401

    story(tell)
