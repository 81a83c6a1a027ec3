"""Everything that a node keeps of its member, as files that any program reads: `wltm export --all`.

Decides which file holds what; nothing in it needs this program again. It holds no keys. Spec: 18-keeping, KEP-20.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from node.api import convert
from node.assembly import engine, secrets_of
from node.backup import store_place
from node.config import Config
from node.keystore import Keystore
from node.store import Store
from node.store.snapshot import snapshot
from protocol import commands as ask
from protocol.encoding import decode
from protocol.errors import CommandError, ProtocolError, Reject
from protocol.events import Reply, Submit
from protocol.identity import did
from protocol.record.record import Record

_ASKED: Mapping[str, Any] = {
    "intents.json": ask.AskIntents(),
    "coops.json": ask.AskCoops(),
    "deals.json": ask.AskDeals(),
    "details.json": ask.AskDetails(),
    "disclosures.json": ask.AskDisclosures(),
    "grants.json": ask.AskGrants(),
    "terms.json": ask.AskTerms(),
    "mail.json": ask.AskMail(),
    "personas.json": ask.AskPersonas(),
    "voices.json": ask.AskVoices(),
}
_ABOUT = """What a node of the network “{network}” keeps of its member, as of {made} (Unix ms). The keys are not here.

  records.jsonl     every record that was signed here, one JSON object a line, bodies opened
  facts.json        what never left home: preferences, boundaries, baselines, wishes, secrets of rooms
  {answers}
                    what the node's pages show of these, by the names of the local API
  coops/ID.json     one co-op each, with its deal
  bundles/ID.bundle one agreed deal each; `wltm verify` or any reader of the specification proves it

Bytes are lower-case hexadecimal, times Unix milliseconds, amounts integer minor units. Keep it as private as the node.
"""


async def export(config: Config, keys: Keystore, folder: Path, now: int) -> list[dict[str, Any]]:
    """Writes all of it below `folder`, which must be new or empty, and returns name and size of each file.

    The node may run or not. Raises CommandError KEP-20, or of the store.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandError("KEP-20", f"{folder}: something is there already; choose a new folder")
    facts, scopes = await _held(config, keys)
    core = engine(config, secrets_of(keys, config.network.id), facts)
    for scope in core.scopes():
        core.load(scope, scopes.get(scope, []))

    def asked(command: Any) -> Any:
        (found,) = [one.result for one in core.handle(Submit(1, command), now) if isinstance(one, Reply)]
        if isinstance(found, ProtocolError):
            raise found
        return found

    written: list[dict[str, Any]] = []
    for name, content in _files(config, core.keys, core.said(), facts, asked, now):
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        written.append({"file": str(path), "bytes": len(content)})
    return written


async def _held(config: Config, keys: Keystore) -> tuple[dict[str, bytes], dict[str, list[Record]]]:
    facts, scopes = dict[str, bytes](), dict[str, list[Record]]()
    store = await Store.open(*store_place(config, keys))
    try:
        async for kind, name, value in snapshot(store):
            if kind == "fact":
                facts[name] = value
                continue
            try:
                scopes.setdefault(name, []).append(Record.parse(value, config.network.id, verified=True))
            except ProtocolError:
                continue  # of a kind that this program does not read
    finally:
        await store.close()
    return facts, scopes


def _files(
    config: Config,
    keys: tuple[bytes, ...],
    said: list[Record],
    facts: Mapping[str, bytes],
    asked: Callable[[Any], Any],
    now: int,
) -> Iterator[tuple[str, bytes]]:
    yield "README.txt", _ABOUT.format(network=config.network.name, made=now, answers=", ".join(_ASKED)).encode()
    about = {"network": config.network.name, "made": now, "role": config.role, "personas": [did(one) for one in keys]}
    yield "about.json", _json(about)
    yield "records.jsonl", b"".join(_line(one) for one in said)
    yield "facts.json", _json({name: _readable(value) for name, value in sorted(facts.items())})
    for name, command in _ASKED.items():
        yield name, _json(asked(command))
    for one in asked(ask.AskCoops()):
        coop = one["id"]
        yield f"coops/{coop.hex()}.json", _json(asked(ask.AskCoop(coop)))
        try:
            yield f"bundles/{coop.hex()}.bundle", asked(ask.AskBundle(coop))["bundle"]
        except CommandError:
            continue  # nothing was agreed there


def _line(record: Record) -> bytes:
    header, slot = record.header, record.header.slot
    found = {
        "id": record.id,
        "kind": record.kind,
        "author": did(record.author),
        "scope": record.scope,
        "slot": [slot.mode, slot.name, slot.seq] if slot is not None else [],
        "created": header.created,
        "expires": header.expires,
        "refs": list(header.refs),
        "body": record.body,
        "raw": record.raw,
    }
    return json.dumps(convert.plain(found), ensure_ascii=False).encode() + b"\n"


def _json(value: Any) -> bytes:
    return json.dumps(convert.plain(value), ensure_ascii=False, indent=1).encode() + b"\n"


def _readable(value: bytes) -> Any:
    """What a fact says, where it is a value, else its text or its bytes."""
    try:
        return decode(value)
    except Reject:
        return value.decode() if value.isascii() and value.decode().isprintable() else value
