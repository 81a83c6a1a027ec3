"""A small town in the simulated world: members who want electricity, suppliers who quote, and people who answer.

`Town.live` lets everybody act as a person would, from what their own node says needs an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from node.template import load
from protocol import commands as ask
from protocol.coop.template import Template
from protocol.deal.life import DEAL_TERMINAL
from protocol.errors import CommandError
from tests.sim.faults import Faults
from tests.sim.world import World

EPOCH_MS = 30_000
STEP_MS = 500
TOO_LATE = ("API-1", "DEC-13", "NEG-50", "NEG-51", "REC-14")  # something happened while they thought; they may retry
TERMINAL = DEAL_TERMINAL


def short_template(least: int = 4, most: int = 40) -> Template:
    """Electricity with epochs of half a minute."""
    return replace(load("electricity"), epoch_ms=EPOCH_MS, cutoff_ms=2_000, least=least, most=most)


def at_end(coop: dict[str, Any]) -> bool:
    """Whether nothing more will come of a co-op, for the node that shows it: who was left out does not see its deal."""
    outside = not coop["mine"] and not coop["witness"]  # what is said in the room is not for them
    return coop["state"] in TERMINAL or (coop["state"] not in ("called", "forming") and outside)


class Town:
    """One relay, members m0… and suppliers s0…; the last supplier does not accept the members' data terms."""

    def __init__(
        self,
        seed: int,
        members: int = 6,
        suppliers: int = 3,
        faults: Faults | None = None,
        relays: Iterable[str] = ("relay",),
        times: Mapping[str, int] | None = None,
    ) -> None:
        self.template = short_template()
        self.world = World(seed, [self.template], faults, times)
        self.members = [f"m{number}" for number in range(members)]
        self.suppliers = [f"s{number}" for number in range(suppliers)]
        names = tuple(relays)
        for name in names:
            self.world.add(name, "relay")
        for name in self.members:
            self.world.add(name, "home", names)
        for name in self.suppliers:
            self.world.add(name, "supplier", names)
        self.silent: dict[str, None] = {}
        self.hostile: tuple[str, ...] = ()
        self.standing: tuple[str, ...] = tuple(self.members[:2])
        self.declining: tuple[str, ...] = tuple(self.members[3:4])
        self.acts: dict[str, Callable[[str, dict[str, Any]], Any]] = {
            "pledge": lambda name, need: ask.Pledge(need["coop"], 300, 0, 100, 28),
            "stand": self._stand,
            "vote": lambda name, need: ask.Vote(need["coop"], tuple((one["key"],) for one in need["candidates"])),
            "rfq": lambda name, need: ask.OpenRfq(need["coop"]),
            "commit": self._answer,
            "attest": lambda name, need: ask.Attest(
                need["deal"], need["subject"], need["role"], need["outcome"], {"promise": 5}
            ),
        }

    def open(self) -> None:
        """Everybody says what they would like or offer, early in an epoch."""
        self.world.run(1_000)
        self.world.now = (self.world.now // EPOCH_MS + 1) * EPOCH_MS + 100
        for number, name in enumerate(self.suppliers):
            terms = ("basic",) if number < len(self.suppliers) - 1 else ()
            self.world.ask(name, ask.SetPrices("electricity", "any", name, (self.row(20 + number),), terms, {}))
        for name in self.members:
            self.would_like(name)

    def would_like(self, name: str) -> None:
        """One more member is ready for electricity."""
        ready_by = self.world.now + 10**9
        self.world.ask(name, ask.AddIntent("power", "electricity", "any", 300, 0, 9_000, "ready", ready_by, ("basic",)))

    def row(self, price_minor: int) -> dict[str, str | int]:
        """One article of a price list, its attributes as small as the template lets them be."""
        base: dict[str, str | int] = {"sku": "fix", "line": 1, "capacity": 10_000, "pack": 1, "min_qty": 1}
        marks = {f"attribute.{one.name}": one.least for one in self.template.compared}
        return base | {"unit_price_minor": price_minor} | marks

    def act(self) -> None:
        """Everybody who is up and not silent answers what waits for them."""
        for name in self.members + self.suppliers:
            if name in self.silent or self.world.nodes[name].engine is None:
                continue
            for need in self.world.ask(name, ask.AskNeeds()):
                command = self.acts[need["kind"]](name, need) if need["kind"] in self.acts else None
                if command is not None:
                    try:
                        self.world.ask(name, command)
                    except CommandError as error:
                        if error.code not in TOO_LATE and name not in self.hostile:
                            raise

    def live(self, virtual_ms: int, done: Callable[[], bool]) -> bool:
        """Let time pass, everybody acting twice a second, until `done`."""
        end = self.world.now + virtual_ms
        while self.world.now < end and not done():
            self.world.run(STEP_MS)
            self.act()
        return done()

    def coops(self, name: str) -> list[dict[str, Any]]:
        """The co-ops that a member's own node shows as theirs."""
        return [one for one in self.world.ask(name, ask.AskCoops()) if one["mine"]]

    def settled(self) -> bool:
        """Whether everybody who is up has seen a co-op with a roster, and every co-op they know is at an end."""
        up = [name for name in self.members if self.world.nodes[name].engine is not None and name not in self.silent]
        seen = [self.world.ask(name, ask.AskCoops()) for name in up]
        return all(any(one["members"] for one in coops) and all(at_end(one) for one in coops) for coops in seen)

    def agreed(self) -> bool:
        """Whether somebody's co-op came to an agreement that its supplier signed."""
        return any(one["state"] == "countersigned" for name in self.members for one in self.coops(name))

    def converged(self) -> list[str]:
        """Scopes on which nodes that are up differ."""
        scopes = sorted({scope for node in self.world.nodes.values() if node.engine for scope in node.engine.scopes()})
        return [scope for scope in scopes if len(set(self.world.digests(scope).values())) > 1]

    def _stand(self, name: str, need: dict[str, Any]) -> Any:
        return ask.Stand(need["coop"], 0, ("none",), "I read the small print.") if name in self.standing else None

    def _answer(self, name: str, need: dict[str, Any]) -> Any:
        if name in self.declining:
            return ask.Decline(need["deal"], "found-better", "My cousin pays less.")
        return ask.Commit(need["deal"])
