"""The life-cycle tables as the spec prints them, and the states that a set of records walks through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from protocol.coop.decision import Docket
from protocol.record.log import Log
from protocol.record.record import Record

SPEC = Path(__file__).resolve().parents[1] / "spec"
Table = Mapping[tuple[str, str], str]


def printed(name: str, module: str, table: Table) -> str:
    """A table between its marks in the spec."""
    rows = [f"| {state} | {fact} | {then} |" for (state, fact), then in table.items()]
    head = ["| state | fact | then |", "|---|---|---|"]
    begin, end = f"<!-- {name}: written by `python -m tests.{module}` -->", f"<!-- end of {name} -->"
    return "\n".join([begin, *head, *rows, end])


def is_printed(document: str, name: str, module: str, table: Table) -> bool:
    """Whether the document holds the table as the code has it."""
    return printed(name, module, table) in (SPEC / document).read_text(encoding="utf-8")


def rewrite(document: str, name: str, module: str, table: Table) -> None:
    """Put the code's table into the document."""
    path = SPEC / document
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(f"<!-- {name}:")
    after = rest.partition(f"<!-- end of {name} -->")[2]
    path.write_text(before + printed(name, module, table) + after, encoding="utf-8")


def walked(records: Sequence[Record], scope: str, state: Callable[[Log, Docket], str | None]) -> list[str]:
    """The states, each once in a row, that a scope is in as its records come one by one."""
    log, docket = Log(scope), Docket()
    found: list[str] = []
    for one in records:
        if one.scope == scope and log.add(one, wanted=True).stored:
            docket.note(one)
            now = state(log, docket)
            if now is not None and found[-1:] != [now]:
                found.append(now)
    return found
