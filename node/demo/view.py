"""How a demo looks: a live view in a terminal, a line per event elsewhere. Both on standard error.

Decides nothing. Spec: 13-node, CLI-20.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from node.cli.shell import printable

if TYPE_CHECKING:
    from node.demo.director import Director


class Lines:
    """One line per event."""

    def tell(self, seconds: float, sentence: str) -> None:
        """Somebody did something."""
        print(f"{seconds:6.1f} s  {printable(sentence)}", file=sys.stderr, flush=True)

    def show(self, director: Director) -> None:
        """Nothing to look at."""


@contextmanager
def view(headless: bool) -> Iterator[Any]:
    """What a run is told to."""
    yield Lines()
