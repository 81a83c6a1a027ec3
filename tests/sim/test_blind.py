"""A town whose people attest each other blind, some of whom would rather read first (09-accountability, ATT-13 to
ATT-17)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import commands as ask
from protocol.events import Event
from protocol.record.record import Record
from protocol.trust.assessment import Pair, pair_of
from tests.sim.faults import Faults
from tests.sim.town import Town
from tests.sim.world import TIMES, Node

ATTEST_MS = 40_000
SKEW_MS = 2_000
TEN_MINUTES = 600_000


class Blind(Town):
    """Notes when anybody first held what: sealed words by pair, and words that anybody could read."""

    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        super().__init__(seed, faults=faults, times={**TIMES, "attest_ms": ATTEST_MS})
        self.sealed: dict[Pair, dict[bytes, int]] = {}
        self.hidden: dict[bytes, tuple[Pair, bytes]] = {}  # attestation -> its pair and author
        self.read: dict[bytes, int] = {}
        self.said: list[Record] = []
        self.world.watchers.append(self._note)

    def _note(self, node: Node, record: Record, own: bool, event: Event) -> None:
        pair = pair_of(record) if record.kind == "assessment.1" else None
        if pair is not None:
            self.sealed.setdefault(pair, {}).setdefault(record.author, self.world.now)
            self.hidden[record.body["attestation"]] = pair, record.author
        if record.kind == "attestation.1" and record.id not in self.read:
            self.read[record.id] = self.world.now
            self.said.append(record)

    def key(self, name: str) -> bytes:
        return self.world.nodes[name].persona.key

    def early(self) -> list[Pair]:
        """Pairs of which somebody's word was readable before both had spoken or the other had its time."""
        found = []
        for one, when in self.read.items():
            if one not in self.hidden:
                continue
            pair, _ = self.hidden[one]
            said = self.sealed[pair]
            if len([at for at in said.values() if at <= when]) < 2 and when < min(said.values()) + ATTEST_MS - SKEW_MS:
                found.append(pair)
        return found


def test_everybody_speaks_and_everything_is_read() -> None:
    """ATT-14, ATT-16: with losses and a witness that crashes; every node agrees, and nothing was read early."""
    town = Blind(5, Faults(loss=0.05, duplicate=0.05))
    town.open()
    assert town.live(TEN_MINUTES, town.agreed)
    town.world.crash("m2", down_ms=15_000)
    town.world.faults = town.world.faults.healed()
    assert town.live(TEN_MINUTES, lambda: len(town.read) == len(town.hidden) >= 15)
    town.live(20_000, lambda: False)
    assert not town.early()
    assert all(len(said) == 2 for pair, said in town.sealed.items() if pair.relation != "relay")
    assert town.converged() == []
    for node in town.world.nodes.values():
        assert not node.rejected


@pytest.mark.parametrize("patient", ["supplier", "member"])
def test_who_waits_to_read_first_waits_until_time_is_up(patient: str) -> None:
    """ATT-14, ATT-17: one side says nothing before it can read the other's word; it reads nothing before the witnesses
    have held that for the whole window, and what it says then was not sealed, and everybody can see that.
    """
    town = Blind(6)
    town.acts["attest"] = lambda name, need: _patiently(town, name, need, patient)
    town.open()
    assert town.live(TEN_MINUTES, town.agreed)
    town.live(3 * ATTEST_MS, lambda: False)
    assert not town.early()
    pairs = {pair: said for pair, said in town.sealed.items() if pair.relation == "supplier"}
    assert len(pairs) == 5
    for pair, said in pairs.items():
        (first,) = said
        assert (first == pair.member) == (patient == "supplier")
    openly = [one for one in town.said if one.id not in town.hidden]
    assert len(openly) >= 5
    for one in openly:
        pair = next(pair for pair in pairs if {one.author, one.body["subject"]} == {pair.member, pair.other})
        assert town.read[one.id] >= min(pairs[pair].values()) + ATTEST_MS - SKEW_MS


def _patiently(town: Blind, name: str, need: dict[str, Any], patient: str) -> Any:
    """One side at once; the other, once it has read that, says that it was bad."""
    if need["role"] not in ("supplier", "member"):
        return None
    me, them = town.key(name), need["subject"]
    if (need["role"] == "member") == (patient == "member"):
        return ask.Attest(need["deal"], them, need["role"], "kept")
    readable = any((one.author, one.body["subject"]) == (them, me) for one in town.said)
    return ask.Attest(need["deal"], them, need["role"], "broken") if readable else None
