"""Like-minded groups out of a file of choices: reading the file, fitting, grouping, telling the result.

Decides nothing that the network must agree on: it feeds `preference` and `formation` of protocol/coop, as the node
does, with a whole pool at once. Never writes a file. The file is hostile until read. Spec: 04-preference, PRF-10 to
PRF-12 and PRF-18.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path
from typing import Any, BinaryIO

from protocol.coop.formation import group, tag
from protocol.coop.preference import NUMBER_MAX, Task, fit_pool, in_words, mean, spreads
from protocol.errors import CommandError
from protocol.params import ALTERNATIVES_MAX, GROUP_SIZE_MAX, TASKS_MAX, TEMPLATE_ATTRIBUTES_MAX

COLUMNS = ("person", "task", "alternative", "chosen")
_HEADER = f"the header must be {','.join(COLUMNS)}, then the attributes, all separated by commas"
ROWS_MAX = 500_000
CELLS_MAX = 5_000_000  # rows times attributes; with both bounds the command stays near 600 MB and half a minute
LINE_BYTES_MAX = 16 * 1024
ID_CHARACTERS_MAX = 100
_MISSING = ("", "na", "nan", "null", "-")
_CHOSEN = {"1": True, "0": False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Choices:
    """A choice file: attribute names, and per person (in the file's order) the tasks that person answered."""

    attributes: tuple[str, ...]
    people: dict[str, tuple[Task, ...]]


@dataclass(frozen=True, slots=True)
class LikeMinded:
    """One group: ids of its members as in the file, weights on the raw scale, one per attribute."""

    members: tuple[str, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Grouping:
    """What `wltm groups` found. `spread`: how much each attribute varies inside tasks, to weigh words by."""

    attributes: tuple[str, ...]
    spread: tuple[float, ...]
    groups: tuple[LikeMinded, ...]
    unplaced: tuple[str, ...]

    def to_mapping(self) -> dict[str, Any]:
        """The result as the command prints it with --json (PRF-12)."""
        groups = [
            {"members": list(one.members), "weights": dict(zip(self.attributes, one.weights, strict=True))}
            for one in self.groups
        ]
        return {"groups": groups, "unplaced": list(self.unplaced)}

    def in_words(self) -> str:
        """The result for people: a line of figures, then three lines per group."""
        placed = [len(one.members) for one in self.groups]
        sizes = f", {min(placed)} to {max(placed)} members each" if placed else ""
        lines = [f"{len(placed)} groups{sizes}; {sum(placed)} people placed, {len(self.unplaced)} left over."]
        for number, one in enumerate(self.groups, 1):
            lines += ["", f"Group {number}, {len(one.members)} members: {_printable(one.members)}"]
            lines += ["  " + in_words([_printable([name]) for name in self.attributes], one.weights, self.spread)]
        if self.unplaced:
            lines += ["", f"Left over: {_printable(self.unplaced)}"]
        return "\n".join(lines)


def groups(path: Path | str, least: int = 8, most: int = 40) -> dict[str, Any]:
    """Groups of `least` to `most` like-minded people of a choice file, as a plain mapping. Raises CommandError."""
    return find_groups(load_choices(path), least, most).to_mapping()


def find_groups(choices: Choices, least: int = 8, most: int = 40) -> Grouping:
    """The like-minded among these people; a group's weights are the mean of its members' (PRF-11)."""
    if not 2 <= least <= most <= GROUP_SIZE_MAX:
        raise CommandError("FRM-2", f"--min and --max must be 2 to {GROUP_SIZE_MAX}, and --min not above --max")
    names = list(choices.people)
    pool = fit_pool(list(choices.people.values()))
    placed, left = group(pool.coordinates, [tag(name.encode()) for name in names], least, most, settle=True)
    found = [
        LikeMinded(
            tuple(names[index] for index in sorted(one)),
            tuple(float(f"{w:.9g}") for w in mean([pool.weights[index] for index in one], pool.mean)),
        )
        for one in sorted(placed, key=min)
    ]
    spread = spreads([task for tasks in choices.people.values() for task in tasks])
    return Grouping(choices.attributes, spread, tuple(found), tuple(names[index] for index in left))


def load_choices(path: Path | str, missing: bool = False) -> Choices:
    """Reads a choice file: CSV with person, task, alternative, chosen, then numeric attribute columns (PRF-10).

    missing: a number that is not there counts as the mean of those that are in its task, and so for nothing (PRF-18).
    Raises CommandError PRF-10 naming the line and the column; memory and time are bounded whatever the file holds.
    """
    place = Path(path)
    try:
        with place.open("rb") as file:
            return _read(_Reading(place.name, csv.reader(_lines(file, place.name), strict=True), missing))
    except OSError as error:
        raise CommandError("PRF-10", f"{place.name}: cannot be read: {error.strerror or error}") from None


def _lines(file: BinaryIO, name: str) -> Iterator[str]:
    """The file's lines as text, none longer than the bound, the byte order mark taken off."""
    number = 0
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise CommandError("PRF-10", f"{name}: line {number}: longer than {LINE_BYTES_MAX} bytes")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise CommandError("PRF-10", f"{name}: line {number}: is not UTF-8 text") from None


@dataclass(slots=True)
class _Question:
    """A task while it is being read: the rows so far, where it began, which one is chosen."""

    line: int
    alternatives: dict[str, tuple[float, ...]] = field(default_factory=dict)
    chosen: str | None = None


@dataclass(slots=True)
class _Reading:
    """A file while it is being read: its name for messages, its rows, the columns, what was found."""

    name: str
    rows: Any
    missing: bool = False
    attributes: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    people: dict[str, dict[str, _Question]] = field(default_factory=dict)

    def bad(self, message: str, line: int = 0) -> CommandError:
        return CommandError("PRF-10", f"{self.name}: line {line or max(1, self.rows.line_num)}: {message}")


def _read(reading: _Reading) -> Choices:
    count = 0
    try:
        _header(reading, next(reading.rows, []))
        for cells in reading.rows:
            if not any(cells):
                continue
            count += 1
            if count > ROWS_MAX or count * len(reading.attributes) > CELLS_MAX:
                raise reading.bad(f"too many rows: at most {ROWS_MAX}, and {CELLS_MAX} numbers in all; take a sample")
            _row(reading, cells)
    except csv.Error as error:
        raise reading.bad(f"is not CSV: {error}") from None
    if not count:
        raise reading.bad("no rows below the header")
    people = {
        person: tuple(_task(reading, person, name, question) for name, question in questions.items())
        for person, questions in reading.people.items()
    }
    return Choices(reading.attributes, people)


def _header(reading: _Reading, cells: list[str]) -> None:
    names = [cell.strip() for cell in cells]
    if not any(names):
        raise reading.bad(f"is empty; {_HEADER}")
    for column in COLUMNS:
        if column not in names:
            raise reading.bad(f"column {column!r} is missing; {_HEADER}")
    attributes = [name for name in names if name not in COLUMNS]
    if len(dict.fromkeys(names)) < len(names) or "" in names:
        raise reading.bad("each column needs a name of its own")
    if not 1 <= len(attributes) <= TEMPLATE_ATTRIBUTES_MAX:
        raise reading.bad(f"1 to {TEMPLATE_ATTRIBUTES_MAX} attribute columns are needed, {len(attributes)} are there")
    if any(len(name) > ID_CHARACTERS_MAX for name in names):
        raise reading.bad(f"a column's name is longer than {ID_CHARACTERS_MAX} characters")
    reading.attributes = tuple(attributes)
    reading.places = tuple(names.index(column) for column in COLUMNS)
    reading.others = tuple(names.index(name) for name in attributes)


def _row(reading: _Reading, cells: list[str]) -> None:
    expected = len(COLUMNS) + len(reading.attributes)
    if len(cells) != expected:
        raise reading.bad(f"{len(cells)} fields where the header has {expected}")
    person, name, alternative, mark = (cells[place].strip() for place in reading.places)
    for column, text in zip(COLUMNS, (person, name, alternative), strict=False):
        if not 1 <= len(text) <= ID_CHARACTERS_MAX:
            raise reading.bad(f"{column}: must be 1 to {ID_CHARACTERS_MAX} characters")
    chosen = _CHOSEN.get(mark.lower())
    if chosen is None:
        raise reading.bad(f"chosen: must be 0 or 1, not {mark[:20]!r}")
    questions = reading.people.setdefault(person, {})
    question = questions.get(name)
    if question is None:
        if len(questions) == TASKS_MAX:
            raise reading.bad(f"task: person {person[:20]!r} has more than {TASKS_MAX} tasks")
        question = questions[name] = _Question(reading.rows.line_num)
    if alternative in question.alternatives:
        raise reading.bad(f"alternative: {alternative[:20]!r} stands twice in task {name[:20]!r} of {person[:20]!r}")
    if len(question.alternatives) == ALTERNATIVES_MAX:
        raise reading.bad(f"alternative: task {name[:20]!r} has more than {ALTERNATIVES_MAX} alternatives")
    if chosen and question.chosen is not None:
        raise reading.bad(f"chosen: a second one is chosen in task {name[:20]!r} of person {person[:20]!r}")
    question.alternatives[alternative] = tuple(_number(reading, cells, place) for place in reading.others)
    if chosen:
        question.chosen = alternative


def _number(reading: _Reading, cells: list[str], place: int) -> float:
    text = cells[place]
    if reading.missing and text.strip().lower() in _MISSING:
        return nan
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not abs(value) <= NUMBER_MAX or "_" in text:
        column = reading.attributes[reading.others.index(place)]
        hint = "" if text.strip() else " (--missing makes do without)"
        wanted = f"{column[:40]}: must be a number within {NUMBER_MAX:.0e} either way"
        raise reading.bad(f"{wanted}, not {text[:20]!r}{hint}")
    return value


def _task(reading: _Reading, person: str, name: str, question: _Question) -> Task:
    if question.chosen is None:
        raise reading.bad(f"chosen: none is chosen in task {name[:20]!r} of person {person[:20]!r}", question.line)
    if len(question.alternatives) < 2:
        raise reading.bad(f"alternative: task {name[:20]!r} of person {person[:20]!r} has only one", question.line)
    rows = tuple(question.alternatives.values())
    return Task(_filled(rows) if reading.missing else rows, list(question.alternatives).index(question.chosen))


def _filled(rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    """A task's rows with the mean of its column for each number that is missing, 0 where all of them are."""
    means = []
    for column in zip(*rows, strict=True):
        known = [value for value in column if not isnan(value)]
        means.append(sum(known) / len(known) if known else 0.0)
    return tuple(tuple(m if isnan(x) else x for x, m in zip(row, means, strict=True)) for row in rows)


def _printable(names: tuple[str, ...] | list[str]) -> str:
    """Names from a file, safe to print on a terminal."""
    return ", ".join("".join(mark if mark.isprintable() else "?" for mark in name) for name in names)
