"""The restore drill: a member amid a deal loses its machine, and later meets its own twin (KEP-6 to KEP-15).

Real processes in a small town, as the demo starts them.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from node import keystore
from node.assembly import Secrets, engine
from node.config import load
from node.demo import town
from node.demo.child import Child
from node.demo.director import Director, Plan
from node.demo.story import Story
from node.store import Store

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
SEED, MEMBERS, SPEED = 11, 4, 60
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("WLTM_")}


def wltm(home: Path, *arguments: str) -> Any:
    """The JSON answer of a command that succeeds."""
    command = [sys.executable, "-m", "node.cli", *arguments, "--home", str(home), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


class Drill(Director):
    """A run in which the power cut takes the machine with it, and that ends with the agreement."""

    backup: Path
    new: Path
    verified: dict[str, Any]

    async def _power_cut(self) -> None:
        await self.plug.voted.wait()
        victim = next(one for one in self.members if one.key == self.plug.victim)
        self.victim, old = victim, victim.node.home
        self.backup, self.new = self.plan.out / "node.backup", old.with_name("new-machine")
        secret = self.plan.out / "passphrase"
        secret.write_text("correct horse")
        chosen = ("--backup-passphrase-file", str(secret))
        await asyncio.to_thread(wltm, old, "backup", str(self.backup), *chosen)
        await victim.node.kill()
        self.verified = await asyncio.to_thread(
            wltm, old, "backup", "verify", str(self.backup), "--passphrase-file", str(secret)
        )
        self.plug.pulled.set()
        await self.restore(self.new)
        victim.node.home = self.new
        await victim.node.start(self._cache)
        self.plug.back.set()

    async def restore(self, home: Path) -> None:
        """Makes a home from the backup, with one relay to ask."""
        flags = ("--one-relay", "--no-passphrase", "--passphrase-file", str(self.plan.out / "passphrase"))
        await asyncio.to_thread(wltm, home, "restore", str(self.backup), *flags)

    async def _conclude(self, coop: str) -> None:
        story = self.story
        await story.until(
            lambda: story.coops[coop]["state"] in ("void", "countersigned", "delivered"), 2 * PATIENCE_S, "a deal"
        )

    async def _finish(self) -> None:
        await self.story.until(self.plug.back.is_set, PATIENCE_S, "the new machine")
        await device(self.victim.node, "restored")
        await self._meet_twin()

    async def _meet_twin(self) -> None:
        """The same backup once more, beside the device that runs."""
        home = self.new.with_name("twin")
        await self.restore(home)
        twin = Child("the twin", home, self.victim.node._session)
        try:
            await twin.start(self._cache)
            await device(self.victim.node, "stopped")
            self.twins = await device(twin, "restored", "stopped"), await self.victim.node.get("/needs")
        finally:
            await twin.kill()


async def device(node: Child, *states: str) -> dict[str, Any]:
    """How a device stands once it is in one of these states."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found: dict[str, Any] = await node.get("/device")
        if found["state"] in states:
            return found
        assert time.monotonic() < end, found
        node.news.clear()
        try:
            await asyncio.wait_for(node.news.wait(), 0.5)
        except TimeoutError:
            continue


async def doubles(homes: list[Path]) -> list[str]:
    """`once` slots in which anybody signed twice, by all records on all disks, envelopes opened."""
    once: dict[Any, dict[bytes, None]] = {}
    for home in homes:
        config, keys = load(home, {}), keystore.open(home, None)
        store = await Store.open(home / "node.db", config.network.id)
        persona = keys.persona(config.network.id, 0)
        core = engine(config, Secrets((persona,), {}, bytes(32), ""), await store.facts())
        for scope in core.asked():
            core.load(scope, await store.by_scope(scope))
        await store.close()
        for context in core._core.contexts.values():
            for record in (*context.log.records.values(), *context.wire.records.values()):
                slot, key = record.header.slot, record.header.slot_key
                if slot is not None and slot.mode == "once":
                    once.setdefault(key, {})[record.id] = None
    return [f"{key[2]} {key[3]}" for key, found in once.items() if len(found) > 1]


@pytest.mark.timeout(240)
def test_a_member_is_restored_in_the_middle_of_a_deal_and_then_beside_its_twin(tmp_path: Path) -> None:
    """KEP-6, KEP-7, KEP-9, KEP-11, KEP-12, KEP-14, KEP-15, CLI-88 to CLI-91: the deal comes to its agreement."""
    folder, out = tmp_path / "town", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    said: list[str] = []

    async def play() -> tuple[Drill, list[str]]:
        async with aiohttp.ClientSession() as session:
            plan = Plan(town.settle(SEED, MEMBERS, 2, None), SEED, SPEED, folder, out)
            drill = Drill(plan, Story(lambda at, line: said.append(f"{at:5.1f} {line}")), session)
            try:
                await drill.play()
            finally:
                await drill.end()
            homes = [child.home for child in drill.children] + [folder / "twin"]
            return drill, await doubles([one for one in homes if one != folder / "relay"])

    drill, twice = asyncio.run(play())
    assert not twice
    assert [one["state"] for one in drill.story.coops.values()] == ["countersigned"] or "delivered" in {
        one["state"] for one in drill.story.coops.values()
    }, said
    assert drill.verified["own"] > 3
    assert drill.verified["coops"]
    found, needs = drill.twins
    assert found["used_until"] or found["state"] == "stopped"
    assert needs[0]["kind"] == "device"
    assert "another device signed" in needs[0]["says"]
