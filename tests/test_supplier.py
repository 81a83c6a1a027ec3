"""What another supplier's software must compute alike: numbers of a price list, floors, promises, signatures, proofs.

The cases of spec/vectors/supplier.json.
"""

from __future__ import annotations

from typing import Any

import pytest

from node.sheet import Unread, bare, decimal_sign, value
from node.webhooks import sign, verify
from protocol.deal.domain import holds, statement
from protocol.deal.offer import Rules, available, floor_of
from protocol.identity import Persona, did
from tests.test_supply import article

NUMBERS = (
    # cell, the file's decimal sign ("": not known) -> thousandths, or None
    ("1,80", "", 1800), ("1.80", "", 1800), ("1.234,50", "", 1234500), ("1,234.50", "", 1234500),
    ("1 234,5", "", 1234500), ("1'234.50", "", 1234500), ("1,234,567", "", 1234567000), ("0.125", "", 125),
    ("1.234", ",", 1234000), ("1.234", ".", 1234), ("£5", "", 5000), ("5,-", "", 5000), (".5", "", 500),
    ("1.234", "", None), ("12 34,5", "", None), ("1,23,456", "", None), ("€5", "", None), ("1E+05", "", None),
    ("nan", "", None), ("", "", None), ("1.234,567.89", "", None), ("--5", "", None), ("5 USD", "", None),
)  # fmt: skip
FLOORS = ((0, 0, 0, 0), (150, 0, 20, 150), (0, 100, 20, 120), (0, 101, 10, 112), (130, 101, 10, 130), (0, 1, 1, 2))
PROMISES = (  # capacity, stock, promised to others, free; over twelve periods
    (100, -1, 0, 100), (100, -1, 40, 60), (100, -1, 140, 0), (100, 600, 0, 50), (100, 600, 20, 30), (9, 11, 0, 0),
)  # fmt: skip
SECRET, BODY, STAMP = "0123456789abcdef", b'{"number":1,"event":"won"}', 1_700_000_000
SIGNATURES: tuple[tuple[dict[str, Any], bool], ...] = (  # changes to a good delivery, and whether a receiver takes it
    ({}, True), ({"now": STAMP + 300}, True), ({"now": STAMP + 301}, False), ({"now": STAMP - 301}, False),
    ({"secret": "0123456789abcdeg"}, False), ({"body": BODY + b" "}, False), ({"header": "t=1,v1=00"}, False),
)  # fmt: skip
TRADER = Persona.from_seed(bytes(range(32)))
NOW = 1_800_000_000_000
PROOF = statement(TRADER, "shop.example", NOW)
PROOFS: tuple[tuple[dict[str, Any], str, int, bool], ...] = (
    (PROOF, "shop.example", NOW, True), (PROOF, "shop.example", PROOF["until"] - 1, True),
    (PROOF, "shop.example", PROOF["until"], False), (PROOF, "other.example", NOW, False),
    (PROOF | {"until": PROOF["until"] + 1}, "shop.example", NOW, False), ({}, "shop.example", NOW, False),
)  # fmt: skip


def number(cell: str, sign: str) -> int | None:
    """Thousandths of the value of a cell beside which pounds may stand."""
    try:
        found = bare(cell, ("gbp", "£"))
        return int(value(found, sign) * 1000)
    except Unread:
        return None


def delivery(changes: dict[str, Any]) -> tuple[str, str, bytes, int]:
    given: dict[str, Any] = {"secret": SECRET, "header": sign(SECRET, STAMP, BODY), "body": BODY, "now": STAMP}
    given |= changes
    return given["secret"], given["header"], given["body"], given["now"]


def vectors() -> dict[str, Any]:
    """spec/vectors/supplier.json"""
    cases: list[dict[str, Any]] = []
    case: dict[str, Any]
    for cell, decimal, found in NUMBERS:
        case = {"name": f"number {cell!r}", "clause": "SUP-3", "input": {"cell": cell, "decimal": decimal}}
        cases.append(case | ({"output": {"thousandths": found}} if found is not None else {"reject": "SUP-3"}))
    for floor, cost, margin, lowest in FLOORS:
        given = {"floor_minor": floor, "cost_minor": cost, "margin_percent": margin}
        cases.append({"name": "floor", "clause": "SUP-11", "input": given, "output": {"lowest_minor": lowest}})
    for capacity, stock, promised, free in PROMISES:
        given = {"capacity": capacity, "stock": stock, "promised": promised, "periods": 12}
        cases.append({"name": "what is free", "clause": "SUP-13", "input": given, "output": {"free": free}})
    for changes, good in SIGNATURES:
        secret, header, body, now = delivery(changes)
        told = {"secret": secret, "header": header, "body": body.hex(), "now_s": now}
        case = {"name": "webhook", "clause": "SUP-23", "input": told}
        cases.append(case | ({"output": {"taken": True}} if good else {"reject": "SUP-23"}))
    for entry, domain, now, good in PROOFS:
        told = {"entry": entry, "domain": domain, "key": did(TRADER.key), "now": now}
        case = {"name": f"proof for {domain}", "clause": "SUP-51", "input": told}
        cases.append(case | ({"output": {"holds": True}} if good else {"reject": "SUP-51"}))
    return {"name": "supplier", "spec": "16-supplier", "cases": cases}


@pytest.mark.parametrize(("cell", "sign", "found"), NUMBERS)
def test_numbers(cell: str, sign: str, found: int | None) -> None:
    """SUP-3"""
    assert number(cell, sign) == found
    assert decimal_sign("1.234") == decimal_sign("12") == ""


@pytest.mark.parametrize(("floor", "cost", "margin", "lowest"), FLOORS)
def test_floors(floor: int, cost: int, margin: int, lowest: int) -> None:
    """SUP-11"""
    assert floor_of(article(floor_minor=floor, cost_minor=cost), Rules(margin_percent=margin)) == lowest


@pytest.mark.parametrize(("capacity", "stock", "promised", "free"), PROMISES)
def test_promises(capacity: int, stock: int, promised: int, free: int) -> None:
    """SUP-13"""
    assert available(article(capacity=capacity, stock=stock), promised, 12) == free


@pytest.mark.parametrize(("changes", "good"), SIGNATURES)
def test_signatures(changes: dict[str, Any], good: bool) -> None:
    """SUP-23"""
    assert verify(*delivery(changes)) == good


@pytest.mark.parametrize(("entry", "domain", "now", "good"), PROOFS)
def test_proofs(entry: Any, domain: str, now: int, good: bool) -> None:
    """SUP-50, SUP-51"""
    assert holds(entry, domain, TRADER.key, now) == good
