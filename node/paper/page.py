"""A deal as one page to read and to print: no scripts, nothing fetched, all text of others escaped.

Decides what is said in which order; never what is true. Spec: 17-paper, PAP-10 to PAP-12.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from node.paper.facts import Due, Facts, Sale, day, decimal, dues, scaled, stamp, value
from node.paper.tables import packed
from node.present import line as on_one_line
from protocol.coop.template import money
from protocol.coop.units import PERIODS, UNITS
from protocol.deal.negotiation import OPERATORS
from protocol.deal.ranking import Ranked
from protocol.identity import did

_jinja = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda shown: on_one_line(shown) if type(shown) is str else shown,
)
_jinja.filters |= {"short": lambda key: key.hex()[:8], "hex": lambda key: key.hex(), "did": did}
_jinja.filters |= {"day": day, "stamp": stamp, "scaled": scaled}


def page(facts: Facts) -> dict[str, bytes]:
    """deal.html."""
    proof = facts.proof
    view = {
        "facts": facts,
        "coop": proof.coop,
        "deal": proof.deal,
        "charter": proof.coop.charter.body,
        "template": facts.template,
        "unit": f"{facts.template.unit_quantity} {UNITS[facts.template.unit]}",
        "period": PERIODS[facts.template.period],
        "periods": PERIODS,
        "money": lambda minor: money(minor, facts.currency),
        "wanted": _wanted(facts),
        "ranked": [_ranked(facts, row) for row in proof.ranking.ranked],
        "tally": _tally(facts),
        "sales": [_sale(facts, one) for one in facts.sales],
        "unsigned": [one for one in proof.deal.agreements if not one.signed],
    }
    return {"deal.html": _jinja.get_template("deal.html").render(view).encode()}


def _wanted(facts: Facts) -> list[str]:
    """What offers had to meet and are compared by, in words."""
    asked = facts.proof.deal.asked
    rows = {one.name: one for one in facts.template.compared}
    found = []
    for one in asked.requirements:
        row = rows[one.attribute]
        found.append(f"{row.label}: {OPERATORS[one.operator]} {value(one.value, row.scale)} {UNITS[row.unit]}")
    for name, weight in asked.weights_minor.items():
        if name in rows:
            side = "for" if weight < 0 else "against"
            amount = decimal(abs(weight), facts.currency)
            unit = f" ({UNITS[rows[name].unit]})" if rows[name].unit != "C62" else ""
            found.append(f"{rows[name].label}{unit}: one more counts {facts.currency} {amount} a unit {side} an offer")
    return found


def _ranked(facts: Facts, row: Ranked) -> dict[str, Any]:
    quotation, rows = row.quotation, {one.name: one for one in facts.template.compared}
    values = sorted(quotation.attributes.items())
    stated = [f"{rows[name].label} {value(one, rows[name].scale)}" for name, one in values]
    return {"row": row, "quotation": quotation, "stated": stated, "rungs": quotation.ladder}


def _tally(facts: Facts) -> list[list[bytes]]:
    tally = facts.proof.coop.tally
    return [list(tier) for tier in tally.order] if tally is not None else []


def _sale(facts: Facts, sale: Sale) -> dict[str, Any]:
    where = packed(sale)
    lines = []
    for line in sale.lines:
        owed: list[Due] = dues(facts, sale, line)
        packs = ", ".join(
            f"{count} in {place}" if not whole else f"{whole} × {sale.agreement.part.pack}"
            for place, whole, count in where[line.member]
        )
        lines.append({"line": line, "units": sale.agreement.quantity_of(line.member), "packs": packs, "dues": owed})
    total = sum(one.price_minor for one in sale.lines)
    return {"sale": sale, "agreed": sale.agreement, "lines": lines, "total": total}
