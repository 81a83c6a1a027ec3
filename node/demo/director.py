"""One run of the demo from an empty folder to the last check: starts nodes, lets people live, pulls the plug, looks on.

Decides the order of things and what counts as a success; holds no key and signs nothing. Spec: 13-node, CLI-20.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from node.demo import checks
from node.demo.child import Child, make_keys
from node.demo.people import Member, Plug, Supplier
from node.demo.sandbox import outside
from node.demo.story import Story
from node.demo.town import CUTOFF_MS, EPOCH_MS, Town, to_toml
from node.presets import presets

PRESET = "hurried"
STARTING_MAX = 4  # nodes that start at a time
DARK_S = 3.0  # between the power cut and the power's return
HASTE_S = 60.0  # beyond what the boxes' own times add up to
CALM_S = 60.0  # for everything under way to arrive everywhere
LOOPBACK = "/ip4/127.0.0.1/tcp/0"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run was told: its town, its seed, how many times shorter durations are, where homes and bundles go."""

    town: Town
    seed: int
    speed: int
    folder: Path
    out: Path
    hook: str = ""  # where an outside program decides for the first supplier, "" for nowhere

    @property
    def epoch_s(self) -> float:
        """How long the network's epochs are."""
        return EPOCH_MS / self.speed / 1000

    @property
    def cutoff_s(self) -> float:
        """How long after its end an epoch's intents may still arrive."""
        return CUTOFF_MS / self.speed / 1000

    @property
    def times_s(self) -> dict[str, float]:
        """How long each of a co-op's boxes may stay open."""
        return {name: length / 1000 for name, length in presets(self.speed)[PRESET].items()}


class Director:
    """One run. After `play` its nodes still run, until `end`."""

    def __init__(self, plan: Plan, story: Story, session: aiohttp.ClientSession) -> None:
        self.plan, self.story, self.plug = plan, story, Plug()
        town, folder = plan.town, plan.folder
        self.relay = Child("the relay", folder / "relay", session)
        self.members = [
            Member(
                person,
                Child(person.id, folder / f"member-{number}", session),
                town.template,
                story,
                self.plug,
                plan.seed,
            )
            for number, person in enumerate(town.persons, 1)
        ]
        self.suppliers = [
            Supplier(seller, Child(seller.label, folder / f"supplier-{number}", session), town.template, story)
            for number, seller in enumerate(town.sellers, 1)
        ]
        if plan.hook:
            self.suppliers[0] = outside(self.suppliers[0], plan.hook, plan.out)
        self.digests_equal = False
        self.bundles: dict[str, str] = {}
        self._cache = folder / "cache" if sys.dont_write_bytecode else None
        self._background: list[asyncio.Task[Any]] = []

    @property
    def children(self) -> list[Child]:
        """Every node of the run."""
        return [self.relay, *(one.node for one in self.everyone)]

    @property
    def everyone(self) -> list[Member | Supplier]:
        """Who lives here, suppliers first."""
        return [*self.suppliers, *self.members]

    async def play(self) -> None:
        """The whole run. Raises an exception group of Down, Refused or TookTooLong when it cannot go on."""
        async with asyncio.TaskGroup() as group:
            await self._start(group)
            await self._intents()
            for one in self.everyone:
                self._behind(group, one.live())
            self._behind(group, self._power_cut())
            await self._form()
            concluded: dict[str, None] = {}
            while coming := [coop for coop in sorted(self.story.coops) if coop not in concluded]:
                await together(self._conclude(coop) for coop in coming)
                concluded.update(dict.fromkeys(coming))
            await self._finish()
            for task in self._background:
                task.cancel()

    async def end(self) -> None:
        """No node is left, even if nobody waits for the end of this."""
        for child in self.children:
            child.strike()
        await asyncio.gather(*(child.kill() for child in self.children))

    def _behind(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        self._background.append(group.create_task(work))

    async def _start(self, group: asyncio.TaskGroup) -> None:
        """The relay first, whose address the others need; then everybody, a few at a time."""
        await make_keys([child.home for child in self.children], self._cache)
        await self._open(group, self.relay, "relay", {})
        turns = asyncio.Semaphore(STARTING_MAX)

        async def open_one(who: Member | Supplier) -> None:
            async with turns:
                if isinstance(who, Supplier):
                    await self._open(group, who.node, "supplier", {"prices.csv": who.seller.prices})
                else:
                    await self._open(group, who.node, "home", {})
            await who.arrive()

        await together(open_one(who) for who in self.everyone)
        self.story.reach("start")

    async def _open(self, group: asyncio.TaskGroup, child: Child, role: str, files: dict[str, str]) -> None:
        template, network = self.plan.town.template, f"demo-{self.plan.seed}"
        settings: dict[str, dict[str, Any]] = {
            "network": {
                "name": network,
                "salt": hashlib.blake2b(network.encode(), digest_size=16).hexdigest(),
                "speed": self.plan.speed,
                "preset": PRESET,
            },
            "api": {"port": 0},
            "mesh": {"relays": self.relay.addresses, "listen": [LOOPBACK] if child is self.relay else []},
        }
        files = files | {f"templates/{template.category}.toml": to_toml(template)}
        child.furnish(settings, role, files)
        await child.start(self._cache)
        self.story.say(f"{child.name} is up")
        self._behind(group, self._watch(child))
        self._behind(group, child.listen())

    async def _watch(self, child: Child) -> None:
        raise checks.Failed(await child.ended())

    async def _intents(self) -> None:
        """Everybody is ready within one epoch, so that all of them are grouped together."""
        left = self.plan.epoch_s - time.time() % self.plan.epoch_s
        if left < min(self.plan.epoch_s / 2, 1 + 0.1 * len(self.members)):
            self.story.say(f"the next round of forming groups begins in {left:.1f} s")
            await asyncio.sleep(left)
        await together(one.want("ready") for one in self.members)
        self.story.reach("intents")

    async def _form(self) -> None:
        """Until everybody is on a roster; who fits into no group stays out."""
        story, count = self.story, len(self.members)
        patience_s = self.plan.epoch_s + 6 * self.plan.cutoff_s + self.plan.times_s["join_ms"] + HASTE_S
        await story.until(lambda: bool(story.coops), patience_s, "a first co-op to be chartered")
        try:
            await story.until(lambda: story.placed() == count, patience_s, "everybody to be on a roster")
        except TimeoutError:
            story.say(f"{count - story.placed()} persons are on no roster")

    async def _power_cut(self) -> None:
        """kill -9 of a witness's node and mesh while ballots are cast; it comes back and lacks nothing it had."""
        await self.plug.voted.wait()
        victim = next(one for one in self.members if one.key == self.plug.victim)
        held = (await victim.node.get("/log", limit="0"))["last"]
        await victim.node.kill()
        self.story.say(f"POWER CUT at {victim.person.id}, a witness of this co-op, with the ballot box open")
        self.plug.pulled.set()
        await asyncio.sleep(DARK_S)
        await victim.node.start(self._cache)
        last = (await victim.node.get("/log", limit="0"))["last"]
        if last < held:
            self.story.trouble(f"{victim.person.id} held {held} records before the power cut and {last} after it")
        self.plug.back.set()
        self.story.say(f"the power is back at {victim.person.id}, with all {held} records")

    async def _conclude(self, coop: str) -> None:
        """One co-op to its end: agreement, delivery, and what is said of one another afterwards."""
        story, times_s = self.story, self.plan.times_s
        later = ("mandate_ms", "retention_ms", "attest_ms")
        patience_s = sum(times_s[name] for name in times_s if name not in later) + HASTE_S
        await story.until(
            lambda: story.coops[coop]["state"] in ("void", "delivered"),
            patience_s,
            f"co-op {coop[:8]} to deliver or to end",
        )
        if story.coops[coop]["state"] == "void":
            return
        row = await self._of(coop).node.get(f"/coops/{coop}")
        before = await checks.standings(self, row)
        story.open_to_attest[coop] = None
        for one in self.everyone:
            one.node.news.set()
        expected = checks.attestations(row)
        await story.until(
            lambda: all((coop, *one) in story.attested for one in expected), HASTE_S, "everybody to attest"
        )
        await checks.opened(self, row, HASTE_S)
        await checks.changed(self, row, before)
        story.reach("attestations", coop)

    def _of(self, coop: str) -> Member:
        """A member of this co-op, rather one that holds a lot."""
        keys = self.story.coops[coop]["keys"]
        return next(one for one in self.members if one.key in keys and one.key not in self.story.declined)

    def node_of(self, key: str) -> Child:
        """The node of a persona."""
        return next(one.node for one in self.everyone if one.key == key)

    async def _finish(self) -> None:
        """Nothing is in flight; then what the nodes hold is compared, and members export what they agreed."""
        if self.plug.coop:
            await self.story.until(self.plug.back.is_set, CALM_S, "the node that went dark to come back")
        await self.story.until(
            lambda: all(one.idle for one in self.everyone), CALM_S, "everybody to have nothing to do"
        )
        self.digests_equal = await checks.digests(self.children, self.story, CALM_S)
        for coop, row in sorted(self.story.coops.items()):
            if row["agreement"]:
                self.bundles[coop] = await checks.bundle(self._of(coop), coop, self.plan.out, self.story)
        checks.stages(self.story, self.plug)


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once; when one fails, none of the others goes on."""
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)
