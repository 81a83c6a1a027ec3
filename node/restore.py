"""A home from a backup, whole or not at all; and what a backup would give, before anybody relies on it.

Decides what of a backup goes into a new home; what the node there may sign, and when, is protocol.engine.keeping's.
Spec: 18-keeping, KEP-7, KEP-9 and KEP-10.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node import keystore
from node.assembly import engine, secrets_of
from node.backup import Contents, Secret, opened, store_place
from node.config import Config, load
from node.present import counted, short, span
from node.store import Store
from protocol.commands import AskCoops, AskDeals
from protocol.deal.life import DEAL_TERMINAL
from protocol.encoding import encode
from protocol.engine.keeping import BACKUP, restoring
from protocol.engine.silence import FACT
from protocol.errors import CommandError
from protocol.events import Reply, Submit
from protocol.identity import did
from protocol.record.record import Record

BATCH = 500  # records in one commit
LOOK_BYTES_MAX = 256 << 20  # (g) of co-ops' and deals' records that are read to say what a backup holds
_READ = ("coop/", "deal/")


@dataclass(frozen=True, slots=True)
class Terms:
    """What its owner says: how many relays are to be asked, and whether nothing was signed after the backup."""

    relays: int = 2
    nothing_since: bool = False


async def restore(
    path: Path, secret: Secret, home: Path, passphrase: str | None, now: int, terms: Terms
) -> dict[str, Any]:
    """Makes `home` from a backup, its keys locked with `passphrase` (None: not encrypted), and says what is in it.

    Raises CommandError KEP-9 when something is at `home`, or what the backup is refused with; nothing is there then.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise CommandError("KEP-9", f"{home}: something is there already; choose another --home")
    found = opened(path, secret)
    aside = home.with_name(f".{home.name}.{os.getpid()}")
    try:
        aside.mkdir(mode=0o700, parents=True)
        keys = _write_files(aside, found, passphrase)
        config = load(aside, {})
        if config.network.id != found.network:
            raise CommandError("KEP-3", f"{path}: its settings are of another network than its records")
        count = await _fill(config, keys, found, now, terms)
        aside.rename(home)
    except OSError as error:
        raise CommandError("KEP-9", f"{home}: cannot be made ({error.strerror})") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    persona = keys.persona(found.network, 0).key
    return {"home": str(home), "did": did(persona), "made": found.made, "records": count, "facts": len(found.facts)}


def _write_files(home: Path, found: Contents, passphrase: str | None) -> keystore.Keystore:
    """Keys and settings; the mesh key and the API's tokens are new, but a relay is found by its mesh key."""
    if found.mesh_seed:
        _write(home / keystore.MESH_FILE, found.mesh_seed.hex().encode() + b"\n")
    for name, content in found.files.items():
        (home / name).parent.mkdir(mode=0o700, exist_ok=True)
        _write(home / name, content)
    return keystore.write(home, found.keys, passphrase)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


async def _fill(config: Config, keys: keystore.Keystore, found: Contents, now: int, terms: Terms) -> int:
    """Records into the log, then the facts, and with them that it was restored, so that it signs nothing yet."""
    store = await Store.open(*store_place(config, keys))
    try:
        if await store.facts():
            raise CommandError("KEP-9", f"{store.name}: has this node's facts already; restore into an empty one")
        kept = dict(found.facts) | {FACT: restoring(now, terms.relays, terms.nothing_since), BACKUP: encode(found.made)}
        count, batch = 0, list[tuple[Record, bool]]()
        for record in found.records:
            batch.append((record, False))
            if len(batch) == BATCH:
                await store.append(batch)
                count, batch = count + BATCH, []
        await store.append(batch, kept)  # last, when all was seen to be whole; facts make the log durable (STO-2)
        return count + len(batch)
    finally:
        await store.close()


def examine(path: Path, secret: Secret, now: int) -> dict[str, Any]:
    """Opens a backup and reads everything in it. Raises CommandError with what it is refused for (KEP-7)."""
    found = opened(path, secret)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in found.files.items():
            (Path(folder) / name).parent.mkdir(mode=0o700, exist_ok=True)
            _write(Path(folder) / name, content)
        config = load(Path(folder), {})
        if config.network.id != found.network:
            raise CommandError("KEP-3", f"{path}: its settings are of another network than its records")
        seen = _read(config, found, now)
    return {
        "file": str(path),
        "network": found.name,
        "role": found.role,
        "made": found.made,
        "age_ms": max(0, now - found.made),
        "facts": len(found.facts),
        "unread": found.unread,
    } | seen


def _read(config: Config, found: Contents, now: int) -> dict[str, Any]:
    """Counts every record, and folds co-ops and deals as a node would."""
    keys = keystore.of_content(found.keys)
    core = engine(config, secrets_of(keys, found.network), found.facts)
    own, said, scopes, weight = dict[str, list[Record]](), 0, dict[str, int](), 0
    for record in found.records:
        scopes[record.scope] = scopes.get(record.scope, 0) + 1
        said += record.author in core.keys
        if record.scope.startswith(_READ) and (weight := weight + len(record.raw)) <= LOOK_BYTES_MAX:
            own.setdefault(record.scope, []).append(record)
    for scope, records in own.items():
        core.load(scope, records)
    coops, deals = ([*_asked(core, ask, now)] for ask in (AskCoops(), AskDeals()))
    return {
        "did": did(core.keys[0]),
        "personas": [did(one) for one in core.keys],
        "records": sum(scopes.values()),
        "own": said,
        "scopes": len(scopes),
        "coops": [{"coop": one["id"], "purpose": one["purpose"], "state": one["state"]} for one in coops],
        "deals": [{"deal": one["id"], "state": one["state"], "over": one["state"] in DEAL_TERMINAL} for one in deals],
    }


def _asked(core: Any, command: Any, now: int) -> list[Mapping[str, Any]]:
    effects = core.handle(Submit(1, command), now)
    return [one for effect in effects if isinstance(effect, Reply) for one in effect.result]


def in_words(found: Mapping[str, Any]) -> str:
    """What a backup holds, and what restoring it would do."""
    running = [one for one in found["deals"] if not one["over"]]
    lines = [
        f"{found['file']}: whole, made {span(found['age_ms'])} ago, of {found['did']} in network {found['network']}.",
        f"It holds {found['records']} records of {found['scopes']} scopes, {found['own']} of them signed by"
        f" {counted(len(found['personas']), 'persona')} of this node, and {found['facts']} facts that never left home;"
        " every signature was checked.",
        *(f"  Co-op {short(one['coop'].hex())}, {one['state']}: {one['purpose']}" for one in found["coops"]),
        *(f"  Deal {short(one['deal'].hex())}: {one['state']}" for one in found["deals"]),
        "Restored, it signs nothing until two relays have told it what was said since; then it goes on, and abstains"
        " where the old device may have signed already.",
    ]
    if running:
        lines.append(f"{len(running)} of these deals still run: restore soon, so that their later stages find you.")
    return "\n".join(lines)
