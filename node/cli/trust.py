"""What one may expect of somebody: `wltm trust`.

Decides nothing; every number is the observer's own, and nobody else has to share it. Spec: 13-node, CLI-80 to CLI-82.
"""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.files import FILE
from node.cli.shell import Group, Options


@click.group(
    "trust",
    cls=Group,
    example="wltm trust show did:key:z6Mk…",
    help="What you may expect of somebody, by whom you trust, and why.",
)
def trust() -> None:
    """Group."""


@trust.command(
    "score",
    example="wltm trust score --ratings ratings.csv --pairs pairs.csv > scores.csv",
    help="Score any rating history as if each row were a co-signed deal, without a node. RATINGS has the columns"
    " source, target, weight (-10 to 10), timestamp (seconds); PAIRS has observer, subject. The answer is CSV:"
    " observer, subject, standing (0 to 1), expectation (-1 to 1).",
)
@click.option("--ratings", type=FILE, required=True, metavar="FILE.csv", help="Who rated whom, how, and when.")
@click.option("--pairs", type=FILE, required=True, metavar="FILE.csv", help="Who asks about whom.")
@click.pass_obj
def score(options: Options, /, ratings: Path, pairs: Path) -> None:
    """The same code as the node's own (CLI-80)."""
    from node.ratings import score_files

    found = score_files(ratings, pairs, options.say)
    options.out(found.to_mapping(), found.as_csv)
