"""The supplier's command line against a node with a real engine, and the member's details."""

from __future__ import annotations

import asyncio
import csv
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from node.api import Api, convert
from node.case import FILE
from node.cli.client import RUN_FILE, TOKEN_FILE
from node.cli.shell import NOT_NOW, USAGE, WRONG
from node.counter import Counter
from node.webhooks import Hooks
from protocol import commands as c
from tests.deals import TEMPLATE, persona
from tests.stages import Desk
from tests.test_cli import TOKEN, Rig
from tests.test_details import HOME, M0, MADE, SELLER, asked, desk, sent
from tests.test_supply import article, deal_id, prices, quoted, records
from tests.test_trade import KEY, Seller

LIST = "sku;unit_price;capacity;organic\nleaf;9,00;100;ja\nbud;8,50;1.000;nein\n"


def node(who: Desk) -> Seller:
    """A node on this desk."""
    found = Seller()
    found.desk = who
    return found


def reviewing() -> Desk:
    """A grocer who wants to see what the node would quote."""
    known = records()
    found = Desk(persona("grocer"), known, now=known[-1].header.created + 1)
    found.ask(c.SetSupplyRules(mode="review"))
    found.ask(prices(article("leaf", floor_minor=800)))
    found.tick()
    return found


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Given a desk, the rig of test_cli around it."""
    ended = []

    def begin(who: Desk) -> Rig:
        seller, loop, ready = node(who), asyncio.new_event_loop(), threading.Event()
        facts: dict[str, bytes] = {}

        async def keep(some: Mapping[str, bytes]) -> None:
            facts.update(some)

        async def page(after: int, limit: int) -> Mapping[str, Any]:
            found: Mapping[str, Any] = convert.plain(await seller.submit(c.AskFeed(after, limit)))
            return found

        hooks = Hooks(facts, keep, page, lambda: 0)
        api = Api(seller, TOKEN, (), lambda: None, None, Counter(seller.submit, {"tea": TEMPLATE}.get, hooks, KEY))

        def serve() -> None:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(api.start("127.0.0.1", 0))
            loop.call_soon(hooks.start)
            ready.set()
            loop.run_forever()
            loop.run_until_complete(hooks.stop())
            loop.run_until_complete(api.stop())
            loop.close()

        thread = threading.Thread(target=serve)
        thread.start()
        assert ready.wait(10)
        ended.append((loop, thread))
        host, _, port = api.url.removeprefix("http://").partition(":")
        (tmp_path / RUN_FILE).write_text(json.dumps({"pid": 1, "host": host, "port": int(port)}))
        (tmp_path / TOKEN_FILE).write_text(TOKEN + "\n")
        return Rig(seller, tmp_path, capsys)

    yield begin
    for loop, thread in ended:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def test_prices_are_looked_at_taken_and_not_taken(run: Any) -> None:
    """CLI-65: a preview, an upload, the same again, a bad file with its errors as CSV, and its good rows."""
    rig = run(reviewing())
    path = rig.home / "list.csv"
    path.write_text(LIST, encoding="utf-8-sig")
    line = f"supplier prices {path} --category tea --region any"
    said = rig(line + " --preview")
    assert "1 article would be new, 0 changed" not in said  # the floor differs: leaf has none in the file
    assert "1 article would be new, 1 changed, 0 gone; 0 as before." in said
    assert "The decimal sign is a comma (line 2: 9,00)." in said
    assert "--yes" in rig(line, USAGE)
    assert "1 article is new" in rig(line + " --yes")
    assert rig.json(line + " --yes")["same"] == 2
    path.write_text(LIST.replace("9,00", "x").replace("bud", "=bud"))
    errors = rig.home / "errors.csv"
    said = rig(f"{line} --yes --errors {errors}", WRONG)
    found = rig.json(f"{line} --preview", WRONG)
    assert (found["taken"], found["wrong"]) == (False, 1)
    rows = list(csv.reader(errors.open(encoding="utf-8-sig", newline="")))
    assert rows[1] == ["2", "unit_price", "x", "is not a number", "SUP-3"]
    assert "exists" in rig(f"{line} --yes --errors {errors}", USAGE)
    assert rig.json(f"{line} --yes --partial")["taken"]
    assert "unit_price=" in rig(f"{line} --column unit_price --yes", USAGE)
    path.write_text("Nr;VK;capacity\nleaf;9.50;100\n")
    more = ' --column sku=Nr --column unit_price="v k" --value organic=1 --upsert --yes'
    assert rig.json(line + more)["changed"] == 1
    assert "no column" in rig(line + " --yes", USAGE)


def test_rules_requests_feed_and_a_word_of_a_person(run: Any) -> None:
    """CLI-66, CLI-4: limits as they are and as they are set; a proposal confirmed, within its floor."""
    who = reviewing()
    rig = run(who)
    assert "review" in rig("supplier rules")
    assert "--yes" in rig("supplier rules --most 500", USAGE)
    assert rig.json("supplier rules --most 500 --margin 10 --yes")["quantity_most"] == 500
    assert rig.json("supplier rules")["mode"] == "review"
    assert "proposed" in rig("supplier requests")
    assert [one["event"] for one in rig.json("supplier feed")["entries"]] == ["asked", "proposed"]
    assert "leaf" in rig("supplier feed --after 1")
    short = deal_id().hex()[:8]
    assert "floor" in rig(f"supplier confirm {short} --rung 1=7.99 --yes", USAGE)
    assert "--rung" in rig(f"supplier confirm {short} --rung x=1 --yes", USAGE)
    assert quoted(who) == []
    assert "Quoted leaf" in rig(f"supplier confirm {short} --rung 1=8.80 --rung 5=8.20 --capacity 12 --yes")
    assert quoted(who)[0].ladder == ((1, 880), (5, 820))
    rig(f"supplier pass {short}", NOT_NOW)
    rig(f"supplier release {short}", NOT_NOW)
    rig(f"supplier countersign {short} --yes", NOT_NOW)
    rig(f"supplier order {short}", NOT_NOW)


def test_passing(run: Any) -> None:
    """CLI-66"""
    rig = run(reviewing())
    assert rig(f"supplier pass {deal_id().hex()[:6]} --reason 'on holiday'") == "Passed.\n"
    assert rig.json("supplier requests")[0]["status"] == "passed"


def test_hooks(run: Any) -> None:
    """CLI-67, SUP-26: the secret comes from a file or is made, and is shown once."""
    rig = run(reviewing())
    assert "no webhook" in rig("supplier hook list")
    assert "https://" in rig("supplier hook add http://erp.example/", USAGE)
    secret = rig.home / "secret"
    secret.write_text("0123456789abcdef\n")
    made = rig.json(f"supplier hook add http://127.0.0.1:1/ --secret {secret} --after 99")
    assert made["secret"] == "0123456789abcdef"
    assert "127.0.0.1:1" in rig("supplier hook list")
    assert made["secret"] not in rig("supplier hook list")
    assert "not reached" in rig.json(f"supplier hook test {made['id']}", WRONG)["why"]
    assert "was not taken: not reached" in rig_text(rig, made)
    assert "Sending again" in rig(f"supplier hook again {made['id']}")
    rig(f"supplier hook remove {made['id']}")
    assert "none called" in rig(f"supplier hook remove {made['id']}", USAGE)


def rig_text(rig: Rig, made: Mapping[str, Any]) -> str:
    """What a failed test says to a person."""
    from node.cli import wltm
    from node.cli.shell import run as run_line

    assert run_line(wltm, ["supplier", "hook", "test", made["id"], "--home", str(rig.home)]) == WRONG
    return rig.capsys.readouterr().out


def test_an_order_and_details(run: Any) -> None:
    """SUP-30 to SUP-34, CLI-68: a member keeps, sends and blanks; the supplier's order holds them, as a file too."""
    member = desk(M0, *asked())
    rig = run(member)
    short = MADE.deal_scope.removeprefix("deal/")[:8]
    assert "None are kept" in rig("details show")
    rig("details set --name Ada --address 'Here 1' --contact a@example.net")
    assert "Ada" in rig("details show")
    assert "--yes" in rig(f"details send {short}", USAGE)
    assert "Sealed for" in rig(f"details send {short} --yes")
    assert "Taken back" in rig(f"details blank {short}")


def test_an_order_as_a_file(run: Any) -> None:
    """SUP-30, SUP-8: pick lists run nothing either."""
    supplier = desk(SELLER, *asked(), *sent())
    supplier.facts["prices/tea/any"] = b"\x83\xa8identity\x80\xa5label\xa1x\xa5terms\x90"
    supplier.start()
    scope = MADE.deal_scope
    from protocol.engine.deal.shop import change

    change(supplier.engine._core, scope, "agreed", sku="=leaf", until=1)
    rig = run(supplier)
    short = scope.removeprefix("deal/")[:8]
    assert "Ada Lovelace" in rig(f"supplier order {short}")
    out = rig.home / "order.csv"
    rig(f"supplier order {short} --csv {out}")
    rows = list(csv.DictReader(out.open(encoding="utf-8-sig", newline="")))
    assert rows[0]["sku"] == "'=leaf"
    assert HOME.name in {row["name"] for row in rows}
    assert "cannot be written" in rig(f"supplier order {short} --csv {out}", USAGE)


def test_the_business_case_needs_no_node(run: Any) -> None:
    """SUP-40: numbers are kept in the home; nothing is asked of the node."""
    rig = run(reviewing())
    rig.node.submitted.clear()
    assert "--acquisition: is needed" in rig("supplier case", USAGE)
    line = "supplier case --acquisition 6000 --price 285 --cost 250 --quantity 30 --periods 12 --fixed 50000"
    assert "pays from 84 customers on" in rig(line + " --offer 270")
    assert (rig.home / FILE).exists()
    assert "no size pays" in rig("supplier case --offer 265")
    assert rig.json("supplier case --offer 270 --size 84")["break_even_size"] == 84
    assert rig.node.submitted == []
