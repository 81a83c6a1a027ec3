"""A thief with many keys of their own wants a node to forget that a stolen one is frozen (02-identity)."""

from __future__ import annotations

import pytest

from protocol import commands as ask
from protocol.errors import CommandError
from protocol.events import RecordReceived
from protocol.identity import Persona
from tests.deals import Handmade, persona
from tests.stages import Desk, at
from tests.test_succession import first, freeze, seeded

KEPT = 3


def flood(desk: Desk) -> None:
    """More freezes of personas that nobody knows than a node keeps in mind."""
    for number in range(300, 300 + 20 * KEPT):
        stranger, safe = seeded(number), seeded(9_000 + number)
        of = first(stranger, safe)
        desk.engine._core.follow(of.scope)
        desk.do(RecordReceived(freeze(safe, of), ""))
        desk.tick()


@pytest.mark.parametrize("whose", ["own", "fellow", "stranger"])
def test_a_flood_of_freezes_flushes_none_that_matters(whose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """IDN-30: not that of an own persona, nor of who is in a co-op held here; the control: a stranger's may go."""
    monkeypatch.setattr("protocol.engine.freezing.FROZEN_MAX", KEPT)
    made = Handmade()
    me = made.members[0]
    stolen: Persona = {"own": me, "fellow": made.members[2], "stranger": persona("nobody")}[whose]
    of = first(stolen)
    desk = at(made, "gathering", me, facts={f"scope/{of.scope}": b"1"})
    desk.do(RecordReceived(freeze(of=of), ""))
    desk.tick()
    flood(desk)
    core = desk.engine._core
    assert len(core.frozen) <= KEPT
    assert (stolen.key in core.frozen) is (whose != "stranger")
    if whose == "own":
        with pytest.raises(CommandError, match="IDN-33"):
            desk.ask(ask.Vouch(made.members[2].key))
