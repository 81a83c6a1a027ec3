"""A supplier's price list as CSV, and the standing rule that quotes from it.

Decides what a row means and which offer answers a request; never signs. The file is hostile: every complaint names its
line and column. Spec: 08-negotiation, NEG-34 and NEG-35.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from protocol.coop.template import Template, minor_digits
from protocol.deal.offer import Offer
from protocol.errors import CommandError
from protocol.params import RUNGS_MAX

ROWS_MAX = 1_000_000
OFFERS_MAX = 100_000
_FILE_BYTES_MAX = 128 * 1024 * 1024
_SEPARATORS = ";,\t"
_SPACES = {ord(letter): None for letter in " \u00a0\u202f'’"}


def load(path: Path, template: Template) -> tuple[Offer, ...]:
    """The offers of a price list in this category. Raises CommandError NEG-34 naming line and column."""
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
        if len(data) > _FILE_BYTES_MAX:
            raise CommandError("NEG-34", f"{path.name}: more than {_FILE_BYTES_MAX} bytes")
        return offers(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline=""), template)
    except OSError as error:
        raise CommandError("NEG-34", f"{path.name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError("NEG-34", f"{path.name}: is not UTF-8 text; save it as CSV UTF-8") from None


def offers(file: Iterable[str], template: Template) -> tuple[Offer, ...]:
    """The same from lines of text: columns sku, min_qty, unit_price, capacity, the template's attributes; if there,
    category (other categories are skipped) and pack. Rows of one sku are the rungs of its ladder.
    """
    found: dict[str, Offer] = {}
    for row in _rows(file, template):
        known = found.get(row.sku)
        if known is None:
            if len(found) == OFFERS_MAX:
                _fail(row.line, "sku", f"more than {OFFERS_MAX} articles in this category")
            found[row.sku] = row
            continue
        if (known.capacity, known.pack, known.attributes) != (row.capacity, row.pack, row.attributes):
            _fail(row.line, "sku", f"{row.sku!r} stands in line {known.line} with another capacity, pack or attribute")
        if len(known.ladder) == RUNGS_MAX:
            _fail(row.line, "sku", f"{row.sku!r} has more than {RUNGS_MAX} rows")
        found[row.sku] = replace(known, ladder=_ladder(known, row))
    if not found:
        raise CommandError("NEG-34", f"price list: no row in category {template.category!r}")
    return tuple(found.values())


def _rows(file: Iterable[str], template: Template) -> Iterator[Offer]:
    """One Offer of one rung per row of this category; blank rows are skipped."""
    lines = iter(file)
    head = next(lines, "")
    separator = max(_SEPARATORS, key=head.count)
    names = [name.strip().lower() for name in next(csv.reader(io.StringIO(head), delimiter=separator), [])]
    needed = ["sku", "min_qty", "unit_price", "capacity", *(row.name for row in template.compared)]
    for name in needed:
        if names.count(name) != 1:
            _fail(1, name, "the column is missing" if name not in names else "two columns have this name")
    reader = csv.reader(lines, delimiter=separator)
    try:
        for cells in reader:
            line = reader.line_num + 1
            if line > ROWS_MAX:
                _fail(line, "sku", f"more than {ROWS_MAX} rows")
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                _fail(line, names[min(len(cells), len(names) - 1)], f"{len(cells)} cells where {len(names)} are named")
            row = dict(zip(names, (cell.strip() for cell in cells), strict=True))
            if row.get("category", template.category) == template.category:
                yield _offer(line, row, template)
    except csv.Error as error:
        _fail(reader.line_num + 1, "sku", f"is not CSV: {error}")


def _offer(line: int, row: Mapping[str, str], template: Template) -> Offer:
    if not 1 <= len(row["sku"]) <= 64:
        _fail(line, "sku", "must be 1 to 64 characters")
    attributes = []
    for attribute in template.compared:
        value = _whole(line, attribute.name, row[attribute.name], attribute.scale)
        if not attribute.least <= value <= attribute.most:
            scale = attribute.scale
            _fail(line, attribute.name, f"must be from {attribute.least / scale:g} to {attribute.most / scale:g}")
        attributes.append(value)
    price = _whole(line, "unit_price", row["unit_price"], 10 ** minor_digits(template.currency))
    numbers = {name: _count(line, name, row[name]) for name in ("min_qty", "capacity")}
    if not 1 <= price <= 10**12:
        _fail(line, "unit_price", "must be above 0")
    return Offer(
        sku=row["sku"],
        line=line,
        ladder=((numbers["min_qty"], price),),
        capacity=numbers["capacity"],
        pack=_count(line, "pack", row.get("pack") or "1"),
        attributes=tuple(attributes),
    )


def _ladder(known: Offer, row: Offer) -> tuple[tuple[int, int], ...]:
    ladder = tuple(sorted(known.ladder + row.ladder))
    for (minimum, price), (next_minimum, next_price) in pairwise(ladder):
        if minimum == next_minimum:
            _fail(row.line, "min_qty", f"{row.sku!r} has two prices from {minimum} on")
        if next_price > price:
            _fail(row.line, "unit_price", f"{row.sku!r} costs more per unit from {next_minimum} on than from {minimum}")
    return ladder


def _count(line: int, name: str, cell: str) -> int:
    """A whole number above 0; a separator before exactly three digits groups thousands."""
    digits = cell.translate(_SPACES)
    head, *groups = digits.replace(".", ",").split(",")
    good = head.isdecimal() and head.isascii() and all(len(group) == 3 and group.isdecimal() for group in groups)
    if not good or len(digits) > 15 or not 1 <= int("".join([head, *groups])) <= 10**9:
        _fail(line, name, f"{cell[:20]!r} is not a whole number from 1 to 1000000000")
    return int("".join([head, *groups]))


def _whole(line: int, name: str, cell: str, scale: int) -> int:
    """A decimal number times `scale`, which must come out whole. Of two separators the last is the decimal one."""
    digits = cell.translate(_SPACES)
    mark = max(digits.rfind("."), digits.rfind(","))
    if mark >= 0 and digits.count(digits[mark]) > 1:
        digits = digits.replace(digits[mark], "")
    elif mark >= 0:
        digits = digits[:mark].replace(",", "").replace(".", "") + "." + digits[mark + 1 :]
    sign, body = (digits[:1], digits[1:]) if digits[:1] in ("-", "+") else ("", digits)
    whole, _, part = body.partition(".")
    if not (whole + part).isdecimal() or not body.isascii() or len(body) > 20:
        _fail(line, name, f"{cell[:20]!r} is not a number")
    value = Decimal(f"{sign}{whole or 0}.{part or 0}") * scale
    if value != int(value):
        _fail(line, name, f"{cell[:20]!r} has more decimals than count here; write thousands without a separator")
    return int(value)


def _fail(line: int, name: str, message: str) -> NoReturn:
    raise CommandError("NEG-34", f"price list line {line}, {name}: {message}")
