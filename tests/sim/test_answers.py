"""Answers in a simulated town: what no supplier can serve alone, two do together, found by the members' own nodes."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import commands as ask
from protocol.deal.bundle import verify
from protocol.errors import CommandError
from protocol.record.record import Record
from tests.sim.town import Town
from tests.sim.world import TIMES
from tests.sim.world import said as read


class Scarce(Town):
    """Six members want 300 each, and each supplier has 900."""

    def row(self, price_minor: int) -> dict[str, str | int]:
        return super().row(price_minor) | {"capacity": 900}


def town(seed: int, **more: Any) -> Scarce:
    found = Scarce(seed, times={**TIMES, "answer_ms": 8_000}, **more)
    found.open()
    return found


def deal_of(of: Town, name: str = "m0") -> dict[str, Any]:
    found: dict[str, Any] = of.world.ask(name, ask.AskCoop(of.coops(name)[0]["id"]))["deal_detail"]
    return found


def said(of: Town, kind: str) -> list[Record]:
    return read(of.world.nodes["m0"], kind)


def test_two_suppliers_serve_together() -> None:
    """NEG-50, NEG-90, NEG-96, NEG-98: one node's solver finds it, the others hold it and are silent; both suppliers
    sign, none of them reads an answer, every node says the same, and the bundle proves it."""
    of = town(3)
    assert of.live(400_000, of.agreed)
    of.live(30_000, lambda: False)
    deal = deal_of(of)
    assert [part["quantity"] for part in deal["award"]["parts"]] == [900, 900]
    assert all(one["countersigned"] for one in deal["agreements"])
    assert len(deal["agreements"]) == 2
    assert len(said(of, "answer.1")) == 1
    for name in of.suppliers:
        assert not read(of.world.nodes[name], "answer.1")
    assert of.converged() == []
    raw = of.world.ask("m1", ask.AskBundle(of.coops("m1")[0]["id"]))["bundle"]
    assert len(verify(raw).deal.agreements) == 2
    mine = {name: of.world.ask(name, ask.AskCoop(of.coops(name)[0]["id"])) for name in of.members}
    assert {one["supplier"] for one in mine.values() if one["agreement"]} == {
        part["supplier"] for part in deal["award"]["parts"]
    }


def test_by_hand_and_what_is_refused() -> None:
    """NEG-91, NEG-94, NEG-98: a person's own answer, exactly as it can be carried out, once, while the box is open."""
    of = town(3)
    assert of.live(400_000, lambda: bool(of.coops("m0")) and of.coops("m0")[0]["state"] == "revealed")
    deal = deal_of(of)
    assert [one["name"].partition("/")[0] for one in deal["questions"]] == ["award"]

    authors = [one.author for one in said(of, "answer.1")]
    silent = next(name for name in of.members if of.world.nodes[name].persona.key not in authors)

    def refused(*serves: tuple[bytes, int]) -> str:
        with pytest.raises(CommandError) as error:
            of.world.ask(silent, ask.Answer(deal["id"], serves))
        return error.value.code

    cheap, dear, other = deal["quotations"]
    keys = sorted(of.world.nodes[name].persona.key for name in ("s0", "s1"))
    assert sorted([cheap, dear, other]) == sorted([*keys, of.world.nodes["s2"].persona.key])
    assert refused((keys[0], 900), (keys[1], 901)) == "NEG-94"
    assert refused((keys[0], 900), (bytes(32), 900)) == "NEG-93"
    assert refused((keys[0], 10**10)) in ("NEG-94", "REC-11")
    assert refused() in ("NEG-94", "REC-11")
    with pytest.raises(CommandError):
        of.world.ask("s0", ask.Answer(deal["id"], ((keys[0], 900),)))
    of.world.ask(silent, ask.Answer(deal["id"], ((keys[0], 900), (keys[1], 900))))
    assert refused((keys[0], 900), (keys[1], 900)) == "NEG-91"
    assert of.live(400_000, of.agreed)
    assert refused((keys[0], 900), (keys[1], 900)) == "NEG-90"
    assert [part["quantity"] for part in deal_of(of)["award"]["parts"]] == [900, 900]


@pytest.mark.parametrize("times", [TIMES, {**TIMES, "answer_ms": 4_000}], ids=["no box", "all silent"])
def test_without_answers_the_best_alone_is_awarded(times: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """NEG-90, NEG-96, the controls: without a box, or where no solver finds anything, one supplier serves as it can."""
    monkeypatch.setattr("tests.sim.world.compute", lambda name, arguments: None)
    of = Scarce(3, times=times)
    of.open()
    assert of.live(400_000, of.agreed)
    assert [part["quantity"] for part in deal_of(of)["award"]["parts"]] == [900]
    assert said(of, "answer.1") == []
