"""What the demo holds against a run: each check fails where it should."""

import asyncio
from pathlib import Path
from typing import Any, cast

from aiohttp import ClientSession

from node.demo import checks
from node.demo.child import Child, Refused
from node.demo.director import Director, Plan
from node.demo.people import Plug
from node.demo.story import STAGES, Story
from node.demo.town import settle

ROW = {
    "id": "c0",
    "state": "delivered",
    "keys": ["k1", "k2"],
    "terminal": True,
    "pooled_minor": 100,
    "currency": "EUR",
    "negotiator": "k1",
    "supplier": "s1",
    "certificate_ok": True,
    "agreement": "aa",
    "unit_price_minor": 7,
    "saving_minor": 8,
    "deal_detail": {
        "shares": [["k1", 2], ["k2", 3]],
        "agreements": [{"supplier": "s1", "shares": [["k1", 2], ["k2", 3]]}],
    },
}


class Answers:
    """A node that answers queries from a table; it counts as a Child that is asked only."""

    def __init__(self, name: str, answers: dict[str, Any]) -> None:
        self.name, self.answers = name, answers

    async def get(self, path: str, **query: str) -> Any:
        if path not in self.answers:
            raise Refused("API-9", "not here")
        return self.answers[path]


def holding(name: str, digest: str, scope: str = "board/any") -> Child:
    answers = {"/status": {"scopes": [{"scope": scope}]}, f"/digest/{scope}": {"digest": digest}}
    return cast(Child, Answers(name, answers))


def director(place: Path) -> Director:
    """A run that has not begun."""
    return Director(Plan(settle(1, 3, 2, None), 1, 60, place, place), story(), cast(ClientSession, None))


def story() -> Story:
    return Story(lambda seconds, sentence: None)


def test_nodes_that_hold_a_scope_must_hold_the_same() -> None:
    """CLI-20: a digest that differs fails the run, and says whose and where; what one node alone holds is its own."""
    good, bad = story(), story()
    same = [holding("a", "11"), holding("b", "11"), holding("c", "22", "board/other")]
    assert asyncio.run(checks.digests(same, good, 0)) is True
    assert asyncio.run(checks.digests([*same, holding("d", "33")], bad, 0)) is False
    assert good.problems == []
    assert bad.problems == ["board/any: d hold something else than the others"]


def test_every_stage_and_every_mishap_must_have_happened() -> None:
    told, plug = story(), Plug()
    checks.stages(told, plug)
    assert len(told.problems) == len(STAGES) + 3
    told = story()
    for stage in STAGES:
        told.reach(stage)
    told.refused["s"], told.declined["m"] = "NEG-23", "price"
    plug.back.set()
    checks.stages(told, plug)
    assert told.problems == []
    told.see([ROW | {"state": "awarded", "terminal": False}])
    checks.stages(told, plug)
    assert told.problems == ["co-op c0 is awarded, which is no end"]


def test_the_report_is_good_only_with_an_agreement_one_digest_and_no_problem(tmp_path: Path) -> None:
    """CLI-20: ok, and with it the exit code."""
    run = director(tmp_path)
    run.digests_equal = True
    assert checks.report(run, 1.0)["problems"] == ["no co-op came to an agreement"]
    run.story.see([ROW])
    assert checks.report(run, 1.0)["ok"] is True
    assert "problems" not in checks.report(run, 1.0)
    run.digests_equal = False
    assert checks.report(run, 1.0)["ok"] is False
    run.digests_equal = True
    run.story.trouble("something else")
    assert checks.report(run, 1.0)["problems"] == ["something else"]


def test_standings_must_move(tmp_path: Path) -> None:
    """Supplier and negotiator, as members other than themselves see them."""
    run = director(tmp_path)
    views = {"/standing/s1": {"standing": 0.0}, "/standing/k1": {"standing": 0.5}}
    for member, key in zip(run.members, ("k1", "k2"), strict=False):
        member.key, member.node = key, cast(Child, Answers(key, views))
    before = asyncio.run(checks.standings(run, ROW))
    assert before == {("k1", "s1", "supplier"): 0.0, ("k2", "s1", "supplier"): 0.0, ("k2", "k1", "negotiator"): 0.5}
    views["/standing/s1"] = {"standing": 0.2}
    asyncio.run(checks.changed(run, ROW, before))
    assert run.story.problems == [
        "the standing of k1 as negotiator, as k2 sees it: 0.500 → 0.500; it should have changed"
    ]


def test_a_deal_that_cannot_be_exported_is_a_problem(tmp_path: Path) -> None:
    told = story()
    member = director(tmp_path).members[0]
    member.node = cast(Child, Answers("m", {}))
    assert asyncio.run(checks.bundle(member, "c0ffee", tmp_path, told)) == ""
    assert "cannot export the deal of co-op c0ffee: not here" in told.problems[0]
    member.node = cast(Child, Answers("m", {"/coops/c0ffee/bundle": {"bundle": "6162"}}))
    assert Path(asyncio.run(checks.bundle(member, "c0ffee", tmp_path, told))).read_bytes() == b"ab"


def test_what_can_be_said_after_a_deal() -> None:
    assert checks.attestations(ROW) == [
        *(("k1", "s1", "supplier"), ("k2", "s1", "supplier"), ("k2", "k1", "negotiator")),
        *(("s1", "k1", "member"), ("s1", "k2", "member"), ("k1", "k2", "member")),
    ]


def test_words_that_stay_shut_are_a_problem(tmp_path: Path) -> None:
    """What is sealed about others is not waited for; what is about an observer is."""
    run = director(tmp_path)
    spoken = [{"author": "s1", "subject": one, "state": "open"} for one in ("k1", "k2")]
    spoken.append({"author": "s1", "subject": "k3", "state": "sealed"})
    views = {"/coops/c0ffee": {"deal_detail": {"spoken": spoken}}}
    for member, key in zip(run.members, ("k1", "k2"), strict=False):
        member.key, member.node = key, cast(Child, Answers(key, views))
    asyncio.run(checks.opened(run, ROW | {"id": "c0ffee"}, 0))
    assert not run.story.problems
    spoken[1]["state"] = "sealed"
    asyncio.run(checks.opened(run, ROW | {"id": "c0ffee"}, 0))
    assert run.story.problems == ["1 of 1 words of or about k2 stay shut"]
