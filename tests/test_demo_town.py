"""The demo's town: the same for the same seed, and one whose deal can succeed whatever the file of choices holds."""

import asyncio
import io
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import cast

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from node.demo.director import Director, Plan, together
from node.demo.story import Story, TookTooLong
from node.demo.town import TERMS, Town, settle, to_toml
from node.demo.view import Screen
from node.prices import read
from protocol.coop.template import parse
from protocol.deal.offer import Offer
from protocol.errors import CommandError


def lists(town: Town) -> list[tuple[Offer, ...]]:
    """Every supplier's price list, as its node reads it."""
    return [read(seller.prices.encode(), town.template).offers for seller in town.sellers]


def test_one_seed_one_town() -> None:
    assert settle(7, 12, 3, None) == settle(7, 12, 3, None)
    assert settle(7, 12, 3, None) != settle(8, 12, 3, None)


@given(seed=st.integers(0, 10**6), members=st.integers(3, 200), suppliers=st.integers(2, 20))
def test_every_town_can_come_to_a_deal(seed: int, members: int, suppliers: int) -> None:
    """Enough for everybody below what anybody pays today, by all suppliers but one, who declines the data terms."""
    town = settle(seed, members, suppliers, None)
    assert len({person.id for person in town.persons}) == members
    assert len({seller.label for seller in town.sellers}) == suppliers
    assert [seller.terms for seller in town.sellers] == [TERMS] * (suppliers - 1) + [()]
    assert town.template.least <= members
    demand = sum(person.want for person in town.persons)
    for articles in lists(town):
        assert all(article.capacity >= demand for article in articles)
        assert all(article.ladder[0][1] <= min(person.price_minor for person in town.persons) for article in articles)


def test_the_template_is_what_its_file_says() -> None:
    template = settle(1, 4, 2, None).template
    assert parse(tomllib.loads(to_toml(template))) == template


PRICES = {"usual": "{0}", "none above zero": "-{0}", "tiny": "0.000{0}", "huge": "{0}00000000", "no price": "{0}"}


@pytest.mark.parametrize("kind", PRICES)
def test_any_prices_in_a_file(tmp_path: Path, kind: str) -> None:
    column = "colour" if kind == "no price" else "Price (ct)"
    rows = [f"person,task,alternative,chosen,{column},size"]
    rows += [f"{who},1,{at},{int(at == 1)},{PRICES[kind].format(at + 5)},{at}e8" for who in "abc" for at in (1, 2)]
    (tmp_path / "choices.csv").write_text("\n".join(rows))
    town = settle(3, 3, 2, tmp_path / "choices.csv")
    assert [person.id for person in town.persons] == ["a", "b", "c"]
    assert parse(tomllib.loads(to_toml(town.template))) == town.template
    for articles in lists(town):
        assert all(1 <= price <= town.persons[0].price_minor for one in articles for _, price in one.ladder)


def story() -> Story:
    return Story(lambda seconds, sentence: None)


def row(state: str, coop: str = "c0") -> dict[str, object]:
    return {"id": coop, "state": state, "keys": ["k1", "k2"]}


def test_older_news_changes_nothing() -> None:
    told = story()
    told.see([row("gathering")])
    told.see([row("forming"), row("called", "c1")])
    assert {coop: one["state"] for coop, one in told.coops.items()} == {"c0": "gathering"}
    assert list(told.stages) == ["groups", "roster"]
    assert told.placed() == 2


async def _waits() -> None:
    told = story()
    with pytest.raises(TookTooLong, match="waited 0 s for the moon to rise"):
        await told.until(lambda: False, 0.01, "the moon to rise")
    waiting = asyncio.create_task(told.until(lambda: bool(told.coops), 30, "a co-op"))
    await asyncio.sleep(0)
    told.see([row("forming")])
    await waiting


def test_a_wait_ends_when_it_comes_true_or_says_what_it_waited_for() -> None:
    asyncio.run(_waits())


async def _fails_together() -> list[str]:
    told: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(0)
        raise CommandError("CLI-20", "no")

    async def go_on() -> None:
        await asyncio.Event().wait()
        told.append("went on")

    with pytest.raises(BaseExceptionGroup):
        await asyncio.wait_for(together(work for work in (fail(), go_on())), 10)
    return told


def test_when_one_fails_none_goes_on() -> None:
    """Or nodes would be started after the run has ended."""
    assert asyncio.run(_fails_together()) == []


def test_the_demo_can_hold_no_key() -> None:
    """CLI-20: what opens or makes keys is never loaded into its process."""
    check = "import node.demo, sys; sys.exit('node.keystore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=Path(__file__).parents[1]).returncode == 0


def test_hostile_names_cannot_drive_the_terminal(tmp_path: Path) -> None:
    """CLI-5: names come from a file, and states from nodes."""
    (tmp_path / "choices.csv").write_text(
        "person,task,alternative,chosen,price\n"
        + "".join(f"\x1b[2J{who},1,{at},{int(at == 1)},{at + 5}\n" for who in "abc" for at in (1, 2))
    )
    plan = Plan(settle(1, 3, 2, tmp_path / "choices.csv"), 1, 60, tmp_path, tmp_path)
    screen = Screen()
    told = Story(screen.tell)
    director = Director(plan, told, cast(ClientSession, None))
    screen.show(director)
    told.people["k1"] = "\x1b[2Ja"
    shown = {"members": 3, "pooled_minor": 100, "currency": "EUR", "negotiator": "k1", "supplier": "k1"}
    told.see([{**row("delivered"), **shown, "agreement": "aa", "unit_price_minor": 7, "saving_minor": 8}])
    told.say("\x1b[2Ja commits")
    text = io.StringIO()
    Console(file=text, width=120, force_terminal=False).print(screen)
    assert "\x1b" not in text.getvalue()
    assert "EUR 0.07" in text.getvalue()
    assert "a commits" in text.getvalue()
