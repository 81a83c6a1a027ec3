"""How a demo looks: a live view in a terminal, a line per event elsewhere, both on standard error; and its last words.

Decides nothing. Spec: 13-node, CLI-20.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from node.cli.shell import printable
from node.demo.story import STAGES
from protocol.coop.template import money

if TYPE_CHECKING:
    from rich.console import RenderableType

    from node.demo.director import Director

RECENT = 14
_FRAMES_PER_SECOND = 4


class Lines:
    """One line per event."""

    def tell(self, seconds: float, sentence: str) -> None:
        """Somebody did something."""
        print(f"{seconds:6.1f} s  {printable(sentence)}", file=sys.stderr, flush=True)

    def show(self, director: Director) -> None:
        """Nothing but lines."""


class Screen:
    """The town at a glance: stages, nodes, co-ops as they move, and what was said last."""

    def __init__(self) -> None:
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._director: Director | None = None

    def tell(self, seconds: float, sentence: str) -> None:
        """Somebody did something."""
        self._recent.append(f"{seconds:6.1f} s  {printable(sentence)}")

    def show(self, director: Director) -> None:
        """From now on this run."""
        self._director = director

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        director = self._director
        if director is None:
            return Text("…")
        recent = Text("\n".join(self._recent.copy()), no_wrap=True, overflow="ellipsis")
        return Group(_stages(director), _nodes(director), _coops(director), Panel(recent, title="what happens"))


def _stages(director: Director) -> RenderableType:
    from rich.text import Text

    done = director.story.stages
    line = Text(f"{director.story.seconds:5.0f} s  seed {director.plan.seed}  ", style="bold")
    for stage in STAGES:
        line.append(f" {stage}", style="green" if stage in done else "dim")
    return line


def _nodes(director: Director) -> RenderableType:
    from rich.text import Text

    line = Text()
    for child in director.children:
        mark, style = ("●", "green") if child.up.is_set() else ("○", "red" if child.begun else "dim")
        line.append(f"{mark} {printable(child.name)}  ", style=style)
    return line


def _coops(director: Director) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    story = director.story
    table = Table(expand=True)
    for heading in ("co-op", "members", "state", "worth together", "negotiator", "supplier", "unit price", "saving"):
        table.add_column(heading)
    for coop, row in sorted(story.coops.copy().items()):
        agreed = bool(row["agreement"])
        cells = (
            coop[:8],
            str(row["members"]),
            row["state"],
            money(row["pooled_minor"], row["currency"]),
            story.name(row["negotiator"]) if row["negotiator"] else "",
            story.name(row["supplier"]) if row["supplier"] else "",
            money(row["unit_price_minor"], row["currency"]) if agreed else "",
            money(row["saving_minor"], row["currency"]) if agreed else "",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


@contextmanager
def view(headless: bool) -> Iterator[Lines | Screen]:
    """What a run is told to, as long as it lasts."""
    if headless or not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.live import Live

    screen = Screen()
    with Live(screen, console=Console(stderr=True), refresh_per_second=_FRAMES_PER_SECOND):
        yield screen


def in_words(report: Mapping[str, Any]) -> str:
    """The report for people."""
    lines = []
    for coop in report["coops"]:
        end = f"co-op {coop['id'][:8]}: {len(coop['members'])} members, {coop['state']}"
        if coop["agreement"]:
            price, saving = (money(coop[name], coop["currency"]) for name in ("unit_price_minor", "saving_minor"))
            end += f"; {price} a unit, together {saving} less than today; {coop['bundle']}"
        lines.append(end)
    lines += [f"PROBLEM: {one}" for one in report.get("problems", ())]
    verdict = "Every stage happened" if report["ok"] else "This run FAILED"
    return "\n".join([*lines, f"{verdict}, in {report['seconds']:.0f} s (seed {report['seed']})."])
