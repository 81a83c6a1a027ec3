"""The pick lists and the money sheet as CSV, for those who pack and those who pay.

Decides columns and rows, and that no cell is a formula to a spreadsheet; never an amount. Spec: 17-paper, PAP-6 to
PAP-9.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from node.paper.facts import Facts, Sale, day, decimal, dues
from node.present import line as on_one_line

PICK = (
    "supplier", "trader", "agreement", "article", "member", "units_per_period", "one_unit", "period", "periods", "from",
    "until", "packed_in", "pack_size", "packs", "units",
)  # fmt: skip
MONEY = (
    "debtor", "creditor", "what", "agreement", "currency", "kind", "first_period", "last_period", "times", "each",
    "total",
)  # fmt: skip
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def tables(facts: Facts) -> dict[str, bytes]:
    """pick-list.csv and money.csv."""
    return {"money.csv": _file(MONEY, _money(facts)), "pick-list.csv": _file(PICK, _picks(facts))}


def safe(cell: str) -> str:
    """A cell on one line that no spreadsheet takes for a formula: what begins like one gets an apostrophe (PAP-7)."""
    shown = on_one_line(cell)
    begins = shown.lstrip()[:1]
    return "'" + shown if begins in tuple("=+-@|%") and not _NUMBER.fullmatch(shown) else shown


def _file(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([safe(str(cell)) for cell in row] for row in rows)
    return text.getvalue().encode()


def _picks(facts: Facts) -> Iterator[tuple[object, ...]]:
    template = facts.template
    for sale in facts.sales:
        agreed = sale.agreement
        for line in sale.lines:
            head = (agreed.supplier.hex(), sale.quotation.trader["name"], agreed.hash.hex())
            article = line.article or sale.quotation.reference
            units = agreed.quantity_of(line.member)
            until = line.ends if line.cancelled_by else agreed.terms.end
            span = (template.period, agreed.terms.periods, day(agreed.terms.start), day(until))
            one_unit = f"{template.unit_quantity} {template.unit}"
            for where, packs, count in packed(sale)[line.member]:
                yield (*head, article, line.member.hex(), units, one_unit, *span, where, agreed.part.pack, packs, count)


def packed(sale: Sale) -> dict[bytes, list[tuple[str, int, int]]]:
    """Member -> (where, whole packs, units): own packs first, then what comes out of packs that are shared (PAP-8).

    Shared packs are numbered from 1 and filled in the order of members.
    """
    pack, shared = sale.agreement.part.pack, 0
    found: dict[bytes, list[tuple[str, int, int]]] = {}
    for member, units in sale.agreement.allocation.shares:
        rows = found.setdefault(member, [])
        whole, rest = divmod(units, pack)
        if whole:
            rows.append(("own packs", whole, whole * pack))
        while rest:
            number, filled = divmod(shared, pack)
            part = min(rest, pack - filled)
            rows.append((f"shared pack {number + 1}", 0, part))
            shared, rest = shared + part, rest - part
    return found


def _money(facts: Facts) -> Iterator[tuple[object, ...]]:
    currency, mandate = facts.currency, facts.proof.deal.mandate
    for sale in facts.sales:
        terms = sale.agreement.terms
        for line in sale.lines:
            for due in dues(facts, sale, line):
                debtor, creditor = line.member.hex(), line.supplier.hex()
                if due.each_minor < 0:
                    debtor, creditor = creditor, debtor
                last = due.first + (due.times - 1) * terms.period_ms
                yield (
                    *(debtor, creditor, due.what, terms.agreement.hex(), currency),
                    *("recurring" if due.times > 1 else "one-off", day(due.first), day(last), due.times),
                    *(decimal(abs(due.each_minor), currency), decimal(abs(due.total_minor), currency)),
                )
    if mandate.fee_minor:
        fee = decimal(mandate.fee_minor, currency)
        signed = day(facts.signed)
        yield (
            *("co-op " + facts.proof.coop.hash.hex(), mandate.negotiator.hex(), "negotiator's fee", "", currency),
            *("one-off", signed, signed, 1, fee, fee),
        )
