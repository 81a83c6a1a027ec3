"""One node put together: lock, store, engine, mesh, daemon and local API, introduced to one another in this order.

Decides what stands in a running home and what each part is told; each part decides everything else itself.
Spec: 13-node, CLI-8; 14-store, STO-7.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from node import keystore, terms
from node.api import Api, Organiser, convert
from node.config import Config
from node.counter import Counter
from node.daemon import Daemon
from node.economy import FACT as USAGE
from node.economy import Economy
from node.mesh import Limits, MeshClient, MeshConfig, MeshError, MeshEvent
from node.overview import overview
from node.presets import GRAIN_MS, SYNC_MS, SYNC_MS_MIN, presets
from node.store import HomeLock, Store
from node.template import in_home
from node.webhooks import Hooks
from protocol.commands import AskFeed, NoticePeer
from protocol.coop.template import scaled
from protocol.engine import Engine, Settings
from protocol.engine.keeping import restoring
from protocol.engine.personas import Derive, Derived
from protocol.engine.silence import FACT
from protocol.errors import CommandError
from protocol.identity import Persona
from protocol.params import RELAYS_ASKED

RUN_FILE = "node.json"
BY_WORDS = "restoring"  # left by `wltm init` where the keys come from the words
DOORS_FILE = "mesh-listens.json"
HOST = "127.0.0.1"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the unlocked keystore gives a running node."""

    personas: tuple[Persona, ...] = field(repr=False)
    recovery: Mapping[bytes, bytes]  # persona -> hash of its recovery key
    mesh_seed: bytes = field(repr=False)
    api_token: str = field(repr=False)
    derive: Derive | None = field(default=None, repr=False)  # further personas of the home (IDN-19)


def secrets_of(keys: keystore.Keystore, network: bytes) -> Secrets:
    """The first persona, and the way to the others; their root stays in the keystore's memory."""

    def derive(number: int) -> Derived:
        return Derived(keys.persona(network, number), keys.recovery_hash(network, number))

    first = derive(0)
    recovery = {first.persona.key: first.recovery}
    return Secrets((first.persona,), recovery, keys.mesh_seed, keys.api_token, derive)


def engine(config: Config, secrets: Secrets, facts: Mapping[str, bytes]) -> Engine:
    """The core, told what this network and this home fix."""
    speed = config.network.speed
    known = [scaled(template, speed) for template in in_home(config.home).values()]
    settings = Settings(
        network=config.network.id,
        role=config.role,
        templates={template.hash: template for template in known},
        presets=presets(speed),
        grain_ms=max(1, GRAIN_MS // speed),
        sync_ms=max(SYNC_MS_MIN, SYNC_MS // speed),
        preset=config.network.preset,
        recovery=secrets.recovery,
        persona=config.persona if config.role == "home" else "one",
        relays=config.mesh.relays,
        terms=terms.in_home(config.home),
        delay_ms=config.mesh.delay_ms // speed if config.role == "home" else 0,
        admits_all=config.relay.open,
        mail_records=config.relay.mail_records,
        mail_bytes=config.relay.mail_kib << 10,
        stored_bytes=config.store.max_mib << 20,
    )
    return Engine(settings, secrets.personas, random.Random(os.urandom(16)), os.urandom, facts, secrets.derive)


@asynccontextmanager
async def running(config: Config, secrets: Secrets, stop: Callable[[], None]) -> AsyncIterator[tuple[Daemon, Api]]:
    """The node of `config.home`, up and answering; down again when the block ends. `stop` is what the API may ask for.

    Raises CommandError with one sentence when a part cannot start; nothing is left running then.
    """
    lock = HomeLock(config.home)
    async with contextlib.AsyncExitStack() as parts:
        parts.callback(lock.release)
        place, shared_as = config.store.url or config.home / "node.db", secrets.personas[0].key.hex()
        store = await Store.open(place, config.network.id, shared_as if config.store.url else "")
        parts.push_async_callback(store.close)
        facts = await _facts(config.home / BY_WORDS, store)
        core = engine(config, secrets, facts)
        economy = Economy(config.mesh.quiet_hours, config.mesh.day_mib, facts.get(USAGE, b""))
        room = config.store.max_mib << 20
        make_mesh = partial(_mesh, config, secrets)
        daemon = Daemon(core, store, config.network.id, make_mesh, economy=economy, bytes_max=room)
        parts.push_async_callback(daemon.stop)
        try:
            await daemon.start()
        except MeshError as error:
            raise CommandError("MSH-16", str(error)) from None
        _remember_doors(config.home / DOORS_FILE, daemon.mesh.addresses)
        if config.mesh.lan:
            await _join_lan(config, daemon, parts)
        organiser = _organiser(config, daemon, store) if config.role == "relay" else None
        counter = await _counter(config, daemon, store, facts, parts) if config.role != "relay" else None
        api = Api(daemon, secrets.api_token, config.api.allowed_hosts, stop, organiser, counter)
        parts.push_async_callback(api.stop)
        await api.start(HOST, config.api.port)
        run_file = config.home / RUN_FILE
        parts.callback(run_file.unlink, missing_ok=True)
        _say_where(run_file, int(api.url.rpartition(":")[2]))
        yield daemon, api


async def _facts(mark: Path, store: Store) -> Mapping[str, bytes]:
    """What the node remembers; that its keys come from the words alone, too (KEP-10)."""
    facts = await store.facts()
    if mark.exists():
        if FACT not in facts:
            fresh = {FACT: restoring(time.time_ns() // 1_000_000, RELAYS_ASKED, False)}
            await store.append((), fresh)
            facts |= fresh
        mark.unlink()
    return facts


def _organiser(config: Config, daemon: Daemon, store: Store) -> Organiser:
    """A relay is watched (REL-20 to REL-22)."""
    return Organiser(lambda: overview(config, daemon, store), keystore.reading_key(config.home))


async def _counter(
    config: Config, daemon: Daemon, store: Store, facts: Mapping[str, bytes], parts: contextlib.AsyncExitStack
) -> Counter:
    """A supplier's program finds its door, and hears of what happens (SUP-22, SUP-27)."""

    async def keep(some: Mapping[str, bytes]) -> None:
        await store.append((), some)

    async def page(after: int, limit: int) -> Mapping[str, Any]:
        found: Mapping[str, Any] = convert.plain(await daemon.submit(AskFeed(after, limit)))
        return found

    async def listen() -> None:
        async for _, notification in daemon.subscribe():
            if notification["topic"] == "supply":
                hooks.wake()

    hooks = Hooks(facts, keep, page, lambda: time.time_ns() // 1_000_000)
    hooks.start()
    parts.push_async_callback(hooks.stop)
    listening = asyncio.create_task(listen())
    parts.callback(listening.cancel)
    templates = in_home(config.home)
    return Counter(daemon.submit, templates.get, hooks, keystore.trading_key(config.home))


async def _join_lan(config: Config, daemon: Daemon, parts: contextlib.AsyncExitStack) -> None:
    """Without a network to ask, the node runs all the same (LAN-1)."""
    from node.lan import Lan  # 25 MB that most nodes never need

    async def found(address: str) -> None:
        with contextlib.suppress(CommandError):
            await daemon.submit(NoticePeer(address))

    lan = Lan(config.network.id, found)
    try:
        await lan.start(daemon.mesh.addresses)
    except OSError as error:
        log.warning("mesh.lan: the local network cannot be asked: %s", error.strerror or error)
    else:
        parts.push_async_callback(lan.stop)


def _mesh(config: Config, secrets: Secrets, tell: Callable[[MeshEvent], Awaitable[None]]) -> MeshClient:
    limits = Limits(memory_bytes_max=config.mesh.memory_mib << 20)
    log_path = config.home / "mesh.log"
    mesh = config.mesh
    before = _doors_before(config.home / DOORS_FILE)
    parts = MeshConfig(config.network.id, secrets.mesh_seed, mesh.listen, log_path, limits, mesh.announce, before)
    return MeshClient(parts, tell)


def _doors_before(path: Path) -> tuple[str, ...]:
    """Where this node listened last time; () when it cannot be told."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return tuple(map(str, found)) if isinstance(found, list) else ()
    except (OSError, ValueError):
        return ()


def _remember_doors(path: Path, addresses: Sequence[str]) -> None:
    """Peers wrote these addresses down: a restart listens there again (MSH-17)."""
    doors = [address.partition("/p2p/")[0] for address in addresses]
    if doors and tuple(doors) != _doors_before(path):
        with contextlib.suppress(OSError):  # it is a courtesy, and no reason not to run
            path.write_text(json.dumps(doors), encoding="utf-8")


def _say_where(path: Path, port: int) -> None:
    """Whoever reads the file reads it whole."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"pid": os.getpid(), "host": HOST, "port": port}))
    fresh.replace(path)


async def until_ended(daemon: Daemon, stop: asyncio.Event) -> None:
    """Waits for `stop`, or for the daemon's own end, whose error it raises."""
    ended, asked = asyncio.ensure_future(daemon.ended()), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((ended, asked), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            ended.result()
    finally:
        ended.cancel()
        asked.cancel()
        await asyncio.gather(ended, asked, return_exceptions=True)
