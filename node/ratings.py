"""The command `wltm trust score`: rating histories and pairs from files, and what the engine makes of them.

Decides how hostile files are read, and when one is refused; never how anything is weighed. Never writes a file.
Spec: 10-reputation, REP-17.
"""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Any, BinaryIO

from protocol.errors import CommandError
from protocol.trust.ratings import WEIGHT_MAX, Ratings, score

RATINGS = ("source", "target", "weight", "timestamp")
PAIRS = ("observer", "subject")
SCORES = (*PAIRS, "standing", "expectation")
ROWS_MAX = 3_000_000  # with both bounds the command stays below 2 GB
PAIRS_MAX = 200_000
LINE_BYTES_MAX = 16 * 1024
NAME_CHARACTERS_MAX = 100
SECONDS_MAX = 1e11  # the year 5138; what is above is not in seconds


@dataclass(frozen=True, slots=True)
class Scores:
    """One row a pair, in the order of the file: observer, subject, standing, expectation."""

    rows: tuple[tuple[str, str, float, float], ...]

    def to_mapping(self) -> dict[str, Any]:
        """The result as the command prints it with --json."""
        return {"scores": [dict(zip(SCORES, row, strict=True)) for row in self.rows]}

    def as_csv(self) -> str:
        """The result as CSV with a header; numbers in twelve digits."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(SCORES)
        writer.writerows((*row[:2], f"{row[2]:.12g}", f"{row[3]:.12g}") for row in self.rows)
        return text.getvalue().rstrip("\n")


@dataclass(slots=True)
class _Columns:
    """A rating file while it is being read; names are numbered in the order in which they come."""

    names: dict[str, int] = field(default_factory=dict)
    source: array[int] = field(default_factory=lambda: array("q"))
    target: array[int] = field(default_factory=lambda: array("q"))
    weight: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))


def score_files(ratings: Path, pairs: Path, say: Callable[[str], None] = lambda _: None) -> Scores:
    """Standing and expectation of every pair of `pairs` by the history in `ratings`. Raises CommandError (REP-17)."""
    columns = _Columns()
    for cells in _rows(ratings, RATINGS, ROWS_MAX):
        _rating(columns, cells)
    asked = [(cells.name(0), cells.name(1)) for cells in _rows(pairs, PAIRS, PAIRS_MAX)]
    say(f"{len(columns.weight)} ratings among {len(columns.names)} people; {len(asked)} pairs to score …")
    return Scores(tuple(_scored(columns, asked)))


def _scored(columns: _Columns, asked: list[tuple[str, str]]) -> Iterator[tuple[str, str, float, float]]:
    import numpy as np

    names = sorted(columns.names)  # so that the order of rows is of no consequence
    for pair in asked:
        names += [one for one in pair if one not in columns.names]
    number = {name: at for at, name in enumerate(dict.fromkeys(names))}
    place = np.array([number[name] for name in columns.names], dtype=np.int64)
    history = Ratings(
        len(number),
        *(place[np.frombuffer(one, dtype=np.int64)] for one in (columns.source, columns.target)),
        *(np.frombuffer(one, dtype=np.float64) for one in (columns.weight, columns.seconds)),
    )
    ends = np.array([[number[one] for one in pair] for pair in asked], dtype=np.int64).reshape(-1, 2)
    both = np.unique(ends, axis=0, return_inverse=True)
    standing, likely = score(history, both[0][:, 0], both[0][:, 1])
    for (observer, subject), at in zip(asked, both[1].reshape(-1).tolist(), strict=True):
        yield observer, subject, float(standing[at]), float(likely[at])


@dataclass(slots=True)
class _Cells:
    """The row being read: where it stands, its cells, and which of them are the wanted columns."""

    file: str
    wanted: tuple[str, ...]
    places: tuple[int, ...]
    line: int = 1
    texts: list[str] = field(default_factory=list)

    def name(self, at: int) -> str:
        """Somebody's name. Raises CommandError."""
        text = self.texts[self.places[at]].strip()
        if not 1 <= len(text) <= NAME_CHARACTERS_MAX:
            raise self.bad(at, f"must be 1 to {NAME_CHARACTERS_MAX} characters")
        return text

    def number(self, at: int, most: float, hint: str = "") -> float:
        """A number within `most` either way. Raises CommandError."""
        text = self.texts[self.places[at]].strip()
        try:
            value = float(text)
        except ValueError:
            value = nan
        if not -most <= value <= most or "_" in text:
            raise self.bad(at, f"must be a number within {most:g} either way{hint}, not {text[:20]!r}")
        return value

    def bad(self, at: int, message: str) -> CommandError:
        """One sentence that names file, line and column."""
        return _bad(self.file, self.line, f"{self.wanted[at]}: {message}")


def _rating(columns: _Columns, cells: _Cells) -> None:
    names = columns.names
    columns.source.append(names.setdefault(cells.name(0), len(names)))
    columns.target.append(names.setdefault(cells.name(1), len(names)))
    columns.weight.append(cells.number(2, WEIGHT_MAX))
    columns.seconds.append(cells.number(3, SECONDS_MAX, " (seconds)"))


def _rows(path: Path, wanted: tuple[str, ...], most: int) -> Iterator[_Cells]:
    """The rows below the header, which names the wanted columns in any order, among others or not."""
    reader: Any = None
    count = 0
    try:
        with path.open("rb") as file:
            reader = csv.reader(_lines(file, path.name), strict=True)
            header = [cell.strip().lower() for cell in next(reader, [])]
            if any(header.count(column) != 1 for column in wanted):
                raise _bad(path.name, 1, f"the header must name the columns {','.join(wanted)}, each once")
            cells = _Cells(path.name, wanted, tuple(map(header.index, wanted)))
            for cells.texts in reader:
                if not "".join(cells.texts).strip():
                    continue
                count, cells.line = count + 1, reader.line_num
                if count > most:
                    raise _bad(path.name, cells.line, f"more than {most} rows; take a part of them")
                if len(cells.texts) != len(header):
                    raise _bad(path.name, cells.line, f"{len(cells.texts)} fields where the header has {len(header)}")
                yield cells
    except OSError as error:
        raise CommandError("REP-17", f"{path.name}: cannot be read: {error.strerror or error}") from None
    except csv.Error as error:
        raise _bad(path.name, reader.line_num, f"is not CSV: {error}") from None


def _lines(file: BinaryIO, name: str) -> Iterator[str]:
    """The file's lines as text, none longer than the bound, the byte order mark taken off."""
    number = 0
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise _bad(name, number, f"longer than {LINE_BYTES_MAX} bytes")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise _bad(name, number, "is not UTF-8 text") from None


def _bad(name: str, line: int, message: str) -> CommandError:
    return CommandError("REP-17", f"{name}: line {line}: {message}")
