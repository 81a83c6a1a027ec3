"""The supplier's routes that are no commands: price lists as files, webhooks. And which commands its key opens.

Decides how a request becomes a call; what it does is the counter's. Spec: 16-supplier, SUP-22, SUP-27; 13-node, API-20.
"""

from __future__ import annotations

from typing import Any, get_args

from aiohttp import web

from node.api import convert
from node.api.guard import Refusal
from node.api.table import PREFIX, ROUTES
from node.counter import Counter, Take
from node.prices import FILE_BYTES_MAX, Reading
from protocol import commands as c
from protocol.errors import CommandError

# What an ERP does for its supplier: its own commands, and what is said and reported in a deal.
ALLOWED: tuple[type[Any], ...] = (
    *(one for one in get_args(c.SupplyCommand) if one is not c.ClaimDomain),
    c.AskDeals,
    c.ReceiptUse,
    c.AskTalk,
    c.Query,
    c.Suggest,
    c.Final,
    c.Report,
    c.Cancel,
    c.Substitute,
)
FILES = PREFIX + "/supplier/files/{category}/{region}"
HOOKS = PREFIX + "/supplier/hooks"
TRADABLE = (
    *((route.method, PREFIX + route.path) for route in ROUTES if route.command in ALLOWED),
    ("POST", FILES),
    ("GET", HOOKS),
    ("GET", PREFIX + "/events"),  # of the supplier's topic alone
    ("GET", PREFIX + "/openapi.json"),
)
_FLAGS = ("preview", "partial", "upsert")
_WORDS = ("encoding", "decimal")


def add_routes(app: web.Application, counter: Counter) -> None:
    """The counter's doors."""
    hooks = counter.hooks

    async def take(request: web.Request) -> web.Response:
        category, region = request.match_info["category"], request.match_info["region"]
        how = _take(request)
        return _answer(await counter.take(category, region, await _file(request), how))

    async def listed(request: web.Request) -> web.Response:
        return _answer(hooks.listed())

    async def add(request: web.Request) -> web.Response:
        values = convert.parse(await request.read())
        url, secret, after = values.pop("url", ""), values.pop("secret", ""), values.pop("after", 0)
        if values or not (isinstance(url, str) and isinstance(secret, str)) or type(after) is not int:
            raise CommandError(convert.CODE, "url, secret, after: two texts and a number, and nothing else")
        return _answer(await hooks.add(url, secret, after))

    async def drop(request: web.Request) -> web.Response:
        return _answer(await hooks.drop(request.match_info["hook"]))

    async def test(request: web.Request) -> web.Response:
        return _answer(await hooks.test(request.match_info["hook"]))

    async def again(request: web.Request) -> web.Response:
        return _answer(await hooks.again(request.match_info["hook"]))

    app.router.add_routes(
        [
            web.post(FILES, take),
            web.get(HOOKS, listed),
            web.post(HOOKS, add),
            web.delete(HOOKS + "/{hook}", drop),
            web.post(HOOKS + "/{hook}/test", test),
            web.post(HOOKS + "/{hook}/again", again),
        ]
    )


def _answer(value: Any) -> web.Response:
    return web.json_response(convert.plain(value))


def _take(request: web.Request) -> Take:
    """The query of a file: preview, partial, upsert; encoding, decimal; column.NAME=heading, value.NAME=text."""
    if len(dict(request.query)) != len(request.query):
        raise CommandError(convert.CODE, "query: a name stands there twice")
    flags, words, columns, constants = {}, {}, {}, {}
    for name, value in request.query.items():
        if name in _FLAGS and value in ("true", "false"):
            flags[name] = value == "true"
        elif name in _WORDS:
            words[name] = value
        elif name.startswith("column."):
            columns[name.removeprefix("column.")] = value
        elif name.startswith("value."):
            constants[name.removeprefix("value.")] = value
        else:
            raise CommandError(convert.CODE, f"{name[:40]}: unknown here, or not true or false")
    return Take(Reading(columns, constants, **words), **flags)


async def _file(request: web.Request) -> bytes:
    parts, size = [], 0
    async for part in request.content.iter_chunked(1 << 16):
        size += len(part)
        if size > FILE_BYTES_MAX:
            raise Refusal(413, "SUP-5", f"price list: more than {FILE_BYTES_MAX} bytes")
        parts.append(part)
    return b"".join(parts)


def paths() -> dict[str, Any]:
    """These routes in the OpenAPI document (API-13)."""
    text: dict[str, Any] = {"type": "string"}
    flag: dict[str, Any] = {"type": "string", "enum": ["true", "false"]}
    body = {"text/csv": {"schema": {"type": "string", "format": "binary"}}}
    kinds = dict.fromkeys(_FLAGS, flag) | dict.fromkeys(_WORDS, text)
    query = [{"name": name, "in": "query", "required": False, "schema": kind} for name, kind in kinds.items()]
    place = [_in_path("category"), _in_path("region")]
    hook: dict[str, Any] = {"type": "object", "properties": {"url": text, "secret": text, "after": {"type": "integer"}}}
    hook |= {"required": ["url"], "additionalProperties": False}
    made = {"required": True, "content": {"application/json": {"schema": hook}}}
    take = _said("TakeFile", "A price list as CSV: what it changes, and what is wrong with it.") | {
        "parameters": [*place, *query],
        "requestBody": {"required": True, "content": body},
    }
    one = {"parameters": [_in_path("hook")]}
    return {
        FILES: {"post": take},
        HOOKS: {
            "get": _said("AskHooks", "Every webhook, and what could not be delivered."),
            "post": _said("AddHook", "A webhook; its secret is answered once.") | {"requestBody": made},
        },
        HOOKS + "/{hook}": {"delete": _said("DropHook", "Remove a webhook.") | one},
        HOOKS + "/{hook}/test": {"post": _said("TestHook", "Send an entry numbered 0 now.") | one},
        HOOKS + "/{hook}/again": {"post": _said("RetryHook", "Send again from what was put aside.") | one},
    }


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _said(name: str, summary: str) -> dict[str, Any]:
    failed = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    responses = {
        "200": {"description": "Done, and durable"},
        "default": {"description": "One sentence why not", "content": failed},
    }
    return {"operationId": name, "summary": summary, "responses": responses}
