"""Voices in the simulated town: one that is mediated and mended though a mediator sleeps, one that meets silence; the
deal beside them goes its way, and all who hold it see the same (19-remedy, RMD-8 to RMD-23)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import commands as ask
from protocol.errors import CommandError
from protocol.params import DAY_MS
from tests.sim.test_stages import END_MS
from tests.sim.town import Town
from tests.sim.world import TIMES

VOICE_MS, MEDIATE_MS = 20_000, 10_000
MEDIATORS = ("lena", "omar")


class Quarrel(Town):
    """A town with two who offer to mediate, and people who answer what waits under a voice."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, 5, 2, times={**TIMES, "voice_ms": VOICE_MS, "mediate_ms": MEDIATE_MS})
        for name in MEDIATORS:
            self.world.add(name, "home", ("relay",))
        self.acts |= {
            "attest": lambda name, need: ask.Attest(
                need["deal"], need["subject"], need["role"], "broken" if need["role"] == "supplier" else "kept"
            ),
            "voice": lambda name, need: ask.SayWords(need["voice"], "We are looking into it."),
            "case": lambda name, need: ask.TakeStep(need["voice"], "case"),
            "name": lambda name, need: ask.NameMediators(need["voice"], tuple(map(self.key, MEDIATORS))),
            "mediate": lambda name, need: ask.TakeStep(need["voice"], "accept"),
            "agree": lambda name, need: ask.TakeStep(need["voice"], "agree", need["plan"]),
            "remedy": lambda name, need: ask.TakeStep(need["voice"], "done", need["plan"], need["index"]),
            "confirm": lambda name, need: ask.TakeStep(need["voice"], "confirmed", need["plan"], need["index"]),
            "follow": lambda name, need: ask.TakeStep(need["voice"], "fine"),
        }

    def key(self, name: str) -> bytes:
        return self.world.nodes[name].persona.key

    def act(self) -> None:
        """Mediators too, and a plan by whoever mediates."""
        members, self.members = self.members, [*self.members, *MEDIATORS]
        super().act()
        self.members = members
        for name in MEDIATORS:
            if name in self.silent:
                continue
            for row in self.world.ask(name, ask.AskVoices()):
                found = self.world.ask(name, ask.AskVoice(row["voice"])) if row["state"] == "mediation" else row
                if found["state"] == "mediation" and found["mediator"] == self.key(name) and not found["plans"]:
                    remedies = ((found["subject"], "deliver", self.world.now + VOICE_MS),)
                    self.world.ask(name, ask.ProposePlan(row["voice"], remedies, "As ordered.", 1_000))

    def states(self, voice: bytes) -> dict[str, str]:
        """How a voice stands, by who holds it and is up."""
        found: dict[str, str] = {}
        for name, node in self.world.nodes.items():
            rows = self.world.ask(name, ask.AskVoices()) if node.engine is not None and name != "relay" else []
            for row in rows:
                if row["voice"] == voice:
                    found[name] = row["state"]
        return found

    def at_rest(self, voice: bytes, state: str) -> bool:
        return set(self.states(voice).values()) == {state}


def agreed(seed: int) -> tuple[Quarrel, dict[str, Any], list[str]]:
    """The town after its deal, the deal's row, and who has a share in it."""
    town = Quarrel(seed)
    town.open()
    for name in MEDIATORS:
        town.world.ask(name, ask.OfferMediation("electricity", "any", "offers", ("en",), "I listen."))
    assert town.live(END_MS, town.agreed)
    row = next(one for name in town.members for one in town.coops(name) if one["state"] == "countersigned")
    shares = {bytes(key) for key, _ in town.world.ask("s0", ask.AskDeals())[0]["shares"]}
    return town, row, [name for name in town.members if town.key(name) in shares]


def test_mended_by_a_second_mediator_and_silence_that_ends() -> None:
    """RMD-8, RMD-11, RMD-12, RMD-16, RMD-17, RMD-22"""
    town, row, parties = agreed(91)
    supplier = next(name for name in town.suppliers if town.key(name) == row["supplier"])
    first, second = parties[0], parties[1]
    one = town.world.ask(first, ask.RaiseVoice(row["deal"], "late", "deliver", "Nothing came."))["voice"]
    assert town.live(2 * VOICE_MS, lambda: town.states(one).get(first) == "answered")
    town.world.ask(first, ask.TakeStep(one, "case"))
    town.silent |= dict.fromkeys(MEDIATORS)
    assert town.live(3 * VOICE_MS, lambda: town.states(one).get(first) == "asking")
    asked = town.world.ask(first, ask.AskVoice(one))["line"][0]["key"]
    sleeper = next(name for name in MEDIATORS if town.key(name) == asked)
    town.silent = {sleeper: None}
    assert town.live(6 * VOICE_MS, lambda: town.at_rest(one, "remedied")), town.states(one)
    assert set(town.states(one)) >= {*parties, supplier, *(name for name in MEDIATORS if name != sleeper)}
    amends = [record for record in town.world.nodes[first].records.values() if record.kind == "amends.1"]
    assert len(amends) == 1
    receipts = [record for record in town.world.nodes[second].records.values() if record.kind == "receipt.1"]
    assert any(one in record.body["ids"] for record in receipts)

    town.silent[supplier] = None
    town.world.crash(supplier)
    two = town.world.ask(second, ask.RaiseVoice(row["deal"], "quality", "refund", "Not what was agreed."))["voice"]
    assert town.live(2 * VOICE_MS, lambda: "talk" in town.states(two).values())  # they opened a case at its deadline
    assert town.live(4 * VOICE_MS, lambda: town.at_rest(two, "unmediated")), town.states(two)
    found = town.world.ask(second, ask.AskRelationship(row["supplier"]))
    assert found["mine"]["unanswered"] == 1
    assert found["public"]["raised"] == 2
    town.live(3 * TIMES["settle_ms"], lambda: False)
    assert town.converged() == []
    assert {one["state"] for name in town.members for one in town.coops(name)} == {"countersigned"}


@pytest.mark.long
def test_a_node_that_was_away_sees_the_same() -> None:
    """RMD-12: a member who slept through all of it reads the same course from the records."""
    town, row, parties = agreed(92)
    first, away = parties[0], parties[-1]
    town.world.crash(away, "power", down_ms=DAY_MS // 24)
    voice = town.world.ask(first, ask.RaiseVoice(row["deal"], "late", "deliver", "Nothing came."))["voice"]
    with pytest.raises(CommandError):
        town.world.ask(first, ask.TakeStep(voice, "case"))
    assert town.live(4 * VOICE_MS, lambda: "answered" in town.states(voice).values())
    town.world.start(away)
    assert town.live(VOICE_MS, lambda: town.states(voice).get(away) == "answered")
