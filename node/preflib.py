"""Reads ranked ballots from a file in PrefLib's ordinal formats (.soc, .soi, .toc, .toi), as of today or before 2022.

Decides which ballots a file holds, or in one sentence why none; never who wins. Spec: 07-election, ELE-11 to ELE-16.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from protocol.coop.election import Ranking, check_ranking
from protocol.errors import CommandError, Ignore

FILE_BYTES_MAX = 32 * 1024 * 1024  # ELE-11 (guess); the largest published files have a few MiB
LINES_MAX = 1_000_000  # ELE-11 (guess)
ALTERNATIVES_MAX = 2000  # ELE-11 (guess)
VOTERS_MAX = 2**53 - 1  # ELE-14: exact in every language's JSON

_METADATA = re.compile(r"#\s*(NUMBER ALTERNATIVES|NUMBER VOTERS|ALTERNATIVE NAME\s+[0-9]{1,9})\s*:(.*)", re.IGNORECASE)
_TIE = re.compile(r"\{([^{}]*)\}")

Line = tuple[int, str]  # its number, counted from 1, and its text


@dataclass(frozen=True, slots=True)
class Election:
    """Alternatives are the numbers 1 to len(names); each ballot is how many voters cast it and what it ranks."""

    names: tuple[str, ...]
    ballots: tuple[tuple[int, Ranking[int]], ...]


def parse(data: bytes) -> Election:
    """The election in a file's bytes. Raises CommandError (ELE-11 to ELE-15) naming the line and what is wrong."""
    if len(data) > FILE_BYTES_MAX:
        raise CommandError("ELE-11", f"the file is longer than {FILE_BYTES_MAX} bytes")
    text = data.decode("utf-8-sig", "replace")  # names may be in any old encoding and decide nothing
    lines = re.split(r"\r\n|\n|\r", text, maxsplit=LINES_MAX)
    if len(lines) > LINES_MAX:
        raise CommandError("ELE-11", f"the file has more than {LINES_MAX} lines")
    used = [(at, line) for at, line in enumerate(map(str.strip, lines), 1) if line]
    voters: int | None
    if used and used[0][1].isascii() and used[0][1].isdigit():
        names, voters, orders = _old_head(used)
        ballots = list(_ballots(orders, ",", len(names)))
    else:
        names, voters = _head(used)
        ballots = list(_ballots([line for line in used if not line[1].startswith("#")], ":", len(names)))
    counted = sum(count for count, _ in ballots)
    if counted > VOTERS_MAX or voters not in (None, counted):
        raise CommandError("ELE-14", f"the ballots are of {counted} voters, the head says {voters}: is the file whole?")
    return Election(tuple(names), tuple(ballots))


def _head(lines: list[Line]) -> tuple[list[str], int | None]:
    """Names of the alternatives and the number of voters, if given, from "# KEY: value" lines (ELE-12)."""
    found = dict[str, Line]()
    for at, line in lines:
        if match := _METADATA.fullmatch(line):
            key = " ".join(match[1].upper().split())
            if key in found:
                raise CommandError("ELE-12", f"line {at}: {key} stands in line {found[key][0]} already")
            found[key] = at, match[2].strip()
    if "NUMBER ALTERNATIVES" not in found:
        raise CommandError("ELE-12", "the line '# NUMBER ALTERNATIVES: …' is missing: is this a PrefLib file?")
    count = _number("ELE-12", *found.pop("NUMBER ALTERNATIVES"), "NUMBER ALTERNATIVES", 1, ALTERNATIVES_MAX)
    voters = found.pop("NUMBER VOTERS", None)
    names = [str(number) for number in range(1, count + 1)]
    for key, (at, name) in found.items():
        names[_number("ELE-12", at, key.split()[-1], "alternative", 1, count) - 1] = name
    return names, _number("ELE-12", *voters, "NUMBER VOTERS", 0, VOTERS_MAX) if voters and voters[1] else None


def _old_head(lines: list[Line]) -> tuple[list[str], int, list[Line]]:
    """Names, number of voters and the ballots' lines of a file of the older format (ELE-15)."""
    count = _number("ELE-15", *lines[0], "number of alternatives", 1, ALTERNATIVES_MAX)
    if len(lines) < count + 2:
        raise CommandError("ELE-15", f"line {lines[-1][0]}: the file ends before its {count} names and its totals")
    names = list[str]()
    for at, line in lines[1 : count + 1]:
        number, _, name = line.partition(",")
        _number("ELE-15", at, number.strip(), "alternative", len(names) + 1, len(names) + 1)
        names.append(name.strip())
    at, line = lines[count + 1]
    totals = [_number("ELE-15", at, total.strip(), "total", 0, VOTERS_MAX) for total in line.split(",")]
    if len(totals) != 3:
        raise CommandError("ELE-15", f"line {at}: must be voters,sum of counts,different orders")
    return names, totals[1], lines[count + 2 :]


def _ballots(lines: list[Line], separator: str, alternatives: int) -> Iterator[tuple[int, Ranking[int]]]:
    """Each line's count and ranking (ELE-13)."""
    numbers = range(1, alternatives + 1)
    alone = [(number,) for number in range(alternatives + 1)]  # shared, so that a long file fits in memory
    for at, line in lines:
        count, found, order = line.partition(separator)
        if not found:
            raise CommandError("ELE-13", f"line {at}: must be a count, '{separator}' and a ranking")
        voters = _number("ELE-13", at, count.strip(), "count", 1, VOTERS_MAX)
        try:
            ranking = tuple(alone[tier[0]] if len(tier) == 1 else tier for tier in _tiers(at, order, alternatives))
            check_ranking(ranking, numbers)
        except Ignore as error:
            raise CommandError("ELE-13", f"line {at}: {error.message}") from None
        yield voters, ranking


def _tiers(at: int, order: str, alternatives: int) -> Iterator[tuple[int, ...]]:
    """Best first: numbers parted by commas, a tie in braces; nothing at all is a ballot that ranks nobody (ELE-13)."""
    ties = iter(_TIE.findall(order))
    fields = _TIE.sub("{}", order).split(",") if order.strip() else []
    if any(field.count("{") != field.count("}") for field in fields):
        raise CommandError("ELE-13", f"line {at}: braces do not pair up")
    for field in fields:
        members = next(ties) if field.strip() == "{}" else field
        if members.strip() or field.strip() != "{}":  # an empty tie says nothing
            yield tuple(
                _number("ELE-13", at, member.strip(), "alternative", 1, alternatives) for member in members.split(",")
            )


def _number(code: str, at: int, text: str, field: str, least: int, most: int) -> int:
    if not re.fullmatch("[0-9]{1,16}", text) or not least <= int(text) <= most:
        wanted = str(least) if least == most else f"a whole number from {least} to {most}"
        raise CommandError(code, f"line {at}: {field} is {text[:40]!r}, must be {wanted}")
    return int(text)
