"""A spreadsheet's CSV as rows of named cells: which encoding, separator and decimal sign a file is written in.

Decides how bytes become cells and cells numbers, for a whole file at once, and never by guessing: what can be read in
two ways is a complaint. Never what a column means to a deal. Spec: 16-supplier, SUP-1 to SUP-4.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from protocol.errors import CommandError

SEPARATORS = (";", ",", "\t", "|")
ENCODINGS = ("utf-8", "utf-16", "windows-1252")
HEAD_LINES = 20  # (g) among which the headings are looked for
CELLS_MAX = 200  # (g) columns of a file
CELL_SHOWN_MAX = 60  # characters of a cell that a complaint repeats
_LOOK_BYTES = 1 << 16
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_GROUPS = {mark: re.compile(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})*") for mark in " ',."}
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f\u2009\t", " ") | dict.fromkeys("\u2019\u02bc`", "'"))
_BARE = re.compile(r"([,.])(?:-|\u2013|\u2014)$")  # "5,-", as prices are written in much of Europe
_AROUND = re.compile(r"((?:[^\d+\-.,']+\.?)?)\s*([+\-]?)\s*([\d.,' ]*\d)\s*(\D*)")
EXPONENT = re.compile(r"\d+(?:[.,]\d+)?[eE][+\-]?\d+")


class Unread(Exception):
    """A cell that cannot be read without guessing, with a sentence and its clause."""

    def __init__(self, message: str, clause: str = "SUP-3") -> None:
        super().__init__(message)
        self.message, self.clause = message, clause


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written: its text's encoding, the separator, the columns in order ("" is read by nobody), the line
    after which rows begin, and what the person should know of all this."""

    encoding: str
    separator: str
    columns: tuple[str, ...]
    head_lines: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins in, its cells by column; or what is wrong with it as a whole."""

    line: int
    cells: Mapping[str, str]
    trouble: str = ""


def encoding_of(data: bytes, told: str = "") -> tuple[str, str]:
    """(codec, a sentence where the file did not say it). Raises CommandError SUP-1 for what is no text."""
    if told:
        if told not in ENCODINGS:
            raise CommandError("SUP-1", f"encoding: one of {', '.join(ENCODINGS)}")
        codec, says = ("utf-8-sig" if told == "utf-8" else told), ""
    else:
        codec, says = next(((name, "") for mark, name in _BOMS if data.startswith(mark)), ("", ""))
        codec, says = (codec, says) if codec else _unmarked(data)
    reader = io.TextIOWrapper(io.BytesIO(data), encoding=codec, newline="")
    try:
        while text := reader.read(1 << 20):
            if "\0" in text:
                raise CommandError("SUP-1", "price list: is not text; save it as CSV UTF-8")
    except UnicodeError as error:
        at = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        raise CommandError("SUP-1", f"price list: is not {codec} text{at}; save it as CSV UTF-8") from None
    return codec, says


def _unmarked(data: bytes) -> tuple[str, str]:
    even, odd = (data[start:_LOOK_BYTES:2].count(0) for start in (0, 1))
    if max(even, odd) > len(data[:_LOOK_BYTES]) // 4:
        codec = "utf-16-le" if odd > even else "utf-16-be"
        return codec, f"The file has no mark of its encoding; it was read as {codec.upper()}."
    with suppress(UnicodeDecodeError):
        data.decode("utf-8")
        return "utf-8", ""
    return "cp1252", "The file is not UTF-8; it was read as Windows-1252."


def layout_of(data: bytes, names: Mapping[str, Iterable[str]], columns: Mapping[str, str], told: str = "") -> Layout:
    """How this file is written. `names`: column -> headings it may have; `columns`: column -> the heading it has here.

    Raises CommandError SUP-1 or SUP-2.
    """
    codec, says = encoding_of(data, told)
    wanted = {name: [normal(columns[name])] if name in columns else [*map(normal, names[name])] for name in names}
    if unknown := [name for name in columns if name not in names]:
        known = ", ".join(names)
        raise CommandError("SUP-2", f"column {unknown[0][:40]!r}: there is none of this name; known: {known}")
    head, lines, named, separator = _heading(data, codec, wanted)
    for name in wanted:
        if named.count(name) > 1:
            raise CommandError("SUP-2", f"price list line {lines}: two columns mean {name}; say which by --column")
    if len(named) > CELLS_MAX:
        raise CommandError("SUP-2", f"price list line {lines}: more than {CELLS_MAX} columns")
    if missing := [name for name in columns if name not in named]:
        raise CommandError("SUP-2", f"price list line {lines}: there is no column {columns[missing[0]][:40]!r}")
    skipped = [cell.strip() for cell, name in zip(_cells(head, separator), named, strict=True) if not name]
    notes = [says] if says else []
    if lines > 1 and any(named):
        notes.append(f"The headings stand in line {lines - head.count(chr(10)) + 1}; what is above is not read.")
    if ignored := [cell[:30] for cell in skipped if cell]:
        notes.append(f"Columns that are not read: {', '.join(ignored)}.")
    return Layout(codec, separator, tuple(named), lines, tuple(notes))


def _heading(data: bytes, codec: str, wanted: Mapping[str, list[str]]) -> tuple[str, int, list[str], str]:
    """(the headings as they stand, the line they end in, what they mean, the separator): of the first lines the one
    that names most columns."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding=codec, newline="")
    best: tuple[int, int, str, int, list[str], str] = (-1, 0, "", 0, [], SEPARATORS[0])
    separators: tuple[str, ...] = SEPARATORS
    lines = looked = 0
    for line in text:
        lines += 1
        if looked == HEAD_LINES or lines > 100 or len(line) > _LOOK_BYTES:
            break
        if (given := line.strip().removeprefix("sep=")) != line.strip() and len(given) <= 1:
            separators = (given or ";",)
            continue
        if not line.strip(" \t;,|\r\n\ufeff"):
            continue
        looked, head = looked + 1, line
        while head.count('"') % 2 and head.count("\n") < 5 and (more := text.readline(_LOOK_BYTES)):
            head, lines = head + more, lines + 1  # a heading in two lines
        for separator in separators:
            named = _named(head, separator, wanted)
            found = sum(map(bool, named)), head.count(separator)
            if found > best[:2]:
                best = (*found, head, lines, named, separator)
    return best[2:]


def _cells(head: str, separator: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(head.lstrip("\ufeff"), newline=""), delimiter=separator), [])
    except csv.Error:
        return []


def _named(head: str, separator: str, wanted: Mapping[str, list[str]]) -> list[str]:
    cells = [normal(cell) for cell in _cells(head, separator)]
    return [next((name for name in wanted if cell and cell in wanted[name]), "") for cell in cells]


def normal(heading: str) -> str:
    """A heading without case, accents, spaces and punctuation: "Preis (netto)" and "preis_netto" are one."""
    plain = unicodedata.normalize("NFKD", heading.casefold().replace("ß", "ss"))
    return "".join(letter for letter in plain if letter.isalnum() and not unicodedata.combining(letter))


def rows(data: bytes, layout: Layout) -> Iterator[Row]:
    """The rows below the heading, blank ones left out (SUP-2)."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding=layout.encoding, newline="")
    for _ in range(layout.head_lines):
        text.readline()
    reader = csv.reader(text, delimiter=layout.separator, strict=True)
    width = len(layout.columns)
    while True:
        line = layout.head_lines + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Row(line, {}, f"is not CSV from here: {error}")
            continue
        if cells is None:
            return
        cells = [cell.strip(" \t\u00a0\r\n") for cell in cells]
        if not any(cells):
            continue
        if any(cells[width:]) or any(layout.columns[len(cells) :]):
            yield Row(line, {}, f"has {len(cells)} cells where {width} are named")
        else:
            yield Row(line, {name: cell for name, cell in zip(layout.columns, cells, strict=False) if name})


def bare(cell: str, currency: tuple[str, ...] = ()) -> str:
    """The digits and signs of a number, without currency and spaces around; raises Unread SUP-3.

    `currency`: the signs that may stand beside it.
    """
    text = _BARE.sub("", cell.translate(_SPACES).strip())
    if EXPONENT.fullmatch(text):
        raise Unread("is rounded by a spreadsheet; format the column as a number with its decimals")
    found = _AROUND.fullmatch(text)
    if found is None:
        raise Unread("is not a number")
    for sign in (found[1].strip(), found[4].strip()):
        if sign and sign.casefold() not in currency:
            expected = f"; expected {' or '.join(currency[:2])}, or none" if currency else ""
            raise Unread(f"has {sign[:8]!r} beside the number{expected}")
    if len(found[3]) > 24 or not found[3].isascii():
        raise Unread("is not a number")
    return found[2] + found[3]


def decimal_sign(number: str) -> str:
    """Which sign must be the decimal one in a bare number, "" where it has none or both readings are possible."""
    body = number.lstrip("+-")
    if "," in body and "." in body:
        return max(",.", key=body.rfind)
    for mark, other in ((",", "."), (".", ",")):
        if body.count(mark) > 1:
            return other
        if mark in body:
            head, tail = body.split(mark)
            one_way = len(tail) != 3 or not 1 <= len(head) <= 3 or head.startswith("0") or " " in head or "'" in head
            return mark if one_way else ""
    return ""


def value(number: str, sign: str) -> Decimal:
    """A bare number's value in a file whose decimal sign is `sign`, "" where nothing shows it; raises Unread SUP-3."""
    body = number.lstrip("+-")
    decimal = decimal_sign(number) or sign
    if not decimal and ("," in body or "." in body):
        raise Unread("can be read in two ways; say --decimal comma or --decimal point")
    whole, _, part = body.partition(decimal) if decimal else (body, "", "")
    marks = [mark for mark in " ',." if mark in whole]
    if len(marks) > 1 or any(not _GROUPS[mark].fullmatch(whole) for mark in marks) or (part and not part.isdecimal()):
        raise Unread("is not a number: its thousands are not in groups of three")
    digits = whole.replace(marks[0], "") if marks else whole
    if not (digits + part).isdecimal():
        raise Unread("is not a number")
    found = Decimal(f"{digits or 0}.{part or 0}")
    return -found if number.startswith("-") else found
