"""Whole engines over several relays: an overlay that finds itself, one tree for a board, links cut and healed.

Spec: 03-gossip, GOS-10, GOS-20 to GOS-34.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from protocol import commands as ask
from protocol.events import Event, RecordReceived
from tests.sim.faults import Faults
from tests.sim.town import short_template
from tests.sim.world import World

BOARD = "board/electricity/any"
RELAYS, HOMES = 14, 36


class Net:
    """Relays that know one other each, and homes that keep to two of them; every home watches one board."""

    def __init__(self, seed: int, loss: float = 0.0) -> None:
        self.world = World(seed, [short_template()], Faults(loss=loss))
        self.world.sync_ms = 60_000
        self.relays = [f"r{number}" for number in range(RELAYS)]
        self.homes = [f"h{number}" for number in range(HOMES)]
        self.arrivals: Counter[tuple[str, bytes]] = Counter()
        for number, name in enumerate(self.relays):
            dials = self.relays[:1] if number else ()
            self.world.add(name, "relay", dials, announces=True)
            self.world.run(200)
        for number, name in enumerate(self.homes):
            dials = [self.relays[(number * step + step) % RELAYS] for step in (1, 3)]
            self.world.add(name, "home", dict.fromkeys(dials))
            self.world.ask(name, ask.Watch("electricity", "any"))
        self.world.run(120_000)
        self.world.tamper = self._count

    def _count(self, sender: str, receiver: str, event: Event) -> list[Event]:
        if isinstance(event, RecordReceived):
            self.arrivals[(receiver, event.record.id)] += 1
        return [event]

    def say(self, name: str) -> bytes:
        """A home is ready for electricity; its intent's id."""
        said = ask.AddIntent("power", "electricity", "any", 300, 0, 9_000, "ready", self.world.now + 10**9, ("basic",))
        record: bytes = self.world.ask(name, said)["id"]
        return record

    def holding(self, record: bytes) -> int:
        return sum(record in self.world.nodes[name].records for name in self.relays + self.homes)

    def redundancy(self, records: list[bytes]) -> float:
        """Payloads beyond one for each node that got them."""
        got = [count for (_, record), count in self.arrivals.items() if record in records]
        return sum(got) / len(got) - 1

    def active(self, name: str) -> tuple[str, ...]:
        engine: Any = self.world.nodes[name].engine
        return engine._core.overlay.active  # type: ignore[no-any-return]


def test_fifty_engines_form_an_overlay_and_one_tree() -> None:
    """GOS-31, GOS-20: every relay has neighbours; every record is everywhere at once, and after some nearly once."""
    net = Net(1)
    degrees = {name: len(net.active(name)) for name in net.relays}
    assert min(degrees.values()) >= 2, degrees
    first = []
    for name in net.homes[:10]:
        first.append(net.say(name))
        net.world.run(2_000)
    later = []
    for name in net.homes[10:20]:
        later.append(net.say(name))
        net.world.run(2_000)
        assert net.holding(later[-1]) == RELAYS + HOMES, (name, net.holding(later[-1]))
    assert all(net.holding(one) == RELAYS + HOMES for one in first)
    print(f"redundancy of the first ten {net.redundancy(first):.3f}, of the next {net.redundancy(later):.3f}")
    assert net.redundancy(later) <= 0.05 < net.redundancy(first[:1])


def test_half_the_links_are_cut_and_heal() -> None:
    """GOS-24, GOS-31: what is said meanwhile reaches everybody in the end, with loss besides."""
    net = Net(2, loss=0.02)
    for name in net.homes[:5]:
        net.say(name)
        net.world.run(1_000)
    links = list(net.world.links)
    for pair in links[::2]:
        net.world.unlink(*pair)
    said = []
    for name in net.homes[5:15]:
        said.append(net.say(name))
        net.world.run(1_000)
    for dialler, listener in links[::2]:
        if listener in net.world.nodes[dialler].dials:
            net.world.link(dialler, listener)
    net.world.run(150_000)
    missing = {one.hex()[:8]: RELAYS + HOMES - net.holding(one) for one in said}
    assert not any(missing.values()), missing
    assert all(len(net.active(name)) >= 2 for name in net.relays)


def test_two_relays_that_share_only_a_common_dialler_exchange_a_board() -> None:
    """GOS-4: boards are named in both directions between relays, co-ops are not."""
    world = World(3, [short_template()])
    for name in ("west", "east"):
        world.add(name, "relay", announces=True)
    world.add("middle", "relay", ["west", "east"])
    world.add("ann", "home", ["west"])
    world.add("ben", "home", ["east"])
    for name in ("ann", "ben"):
        world.ask(name, ask.Watch("electricity", "any"))
    world.run(2_000)
    said = ask.AddIntent("power", "electricity", "any", 300, 0, 9_000, "ready", world.now + 10**9, ("basic",))
    record = world.ask("ann", said)["id"]
    world.run(1_000)
    assert record in world.nodes["ben"].records
    witness = world.nodes["west"].persona.key
    founded = world.ask("ann", ask.FoundCoop("power", "Power", 2, 5, "simulated", 0, (witness,)))
    world.run(10_000)
    coop = "coop/" + founded["coop"].hex()
    engines = {name: world.nodes[name].engine for name in ("west", "middle", "east")}
    following = {name for name, engine in engines.items() if engine and coop in engine._core.followed}
    assert following == {"west"}


def test_what_is_said_does_not_depend_on_how_relays_are_chained() -> None:
    """GOS-20: a long line of relays, each dialled by the next, and one home at each end."""
    world = World(4, [short_template()])
    names = [f"r{number}" for number in range(6)]
    world.add(names[0], "relay", announces=True)
    for before, name in pairwise(names):
        world.add(name, "relay", [before], announces=True)
    world.add("ann", "home", names[:1])
    world.add("ben", "home", names[-1:])
    for name in ("ann", "ben"):
        world.ask(name, ask.Watch("electricity", "any"))
    world.run(5_000)
    said = ask.AddIntent("power", "electricity", "any", 300, 0, 9_000, "ready", world.now + 10**9, ("basic",))
    record = world.ask("ann", said)["id"]
    world.run(1_000)
    assert record in world.nodes["ben"].records
