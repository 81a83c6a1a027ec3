"""What one may expect of somebody: `wltm trust`.

Decides nothing; every number is the observer's own, and nobody else has to share it. Spec: 13-node, CLI-80 to CLI-82.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.client import Client
from node.cli.coop import persona
from node.cli.files import FILE
from node.cli.shell import Group, Options
from node.cli.views import standing_text
from node.present import short

ROLES = ("supplier", "negotiator", "member", "relay", "mediator")


@click.group(
    "trust",
    cls=Group,
    example="wltm trust show did:key:z6Mk…",
    help="What you may expect of somebody, by whom you trust, and why.",
)
def trust() -> None:
    """Group."""


@trust.command(
    "show",
    example="wltm trust show did:key:z6Mk…",
    help="Your own view of somebody, role by role: standing from 0 (as any newcomer) to 1, and what to expect, from -1"
    " (broken) to 1 (kept).",
)
@click.argument("who", metavar="DID")
@click.pass_obj
def show(options: Options, /, who: str) -> None:
    """A line for each role (CLI-81)."""
    client, subject = Client.of(options), persona(who)
    found = [client.get(f"/standing/{subject}", role=role) for role in ROLES]
    options.out({"subject": subject, "roles": found}, lambda: show_text(subject, found))


def show_text(subject: str, found: list[dict[str, Any]]) -> str:
    """The table, and where the reasons are."""
    lines = [f"{short(subject)}, as you may see it:"]
    for one in found:
        known = "" if one["standing"] else ", as of any newcomer"
        numbers = f"standing {one['standing']:.3f}, expectation {one['expectation']:.2f}"
        lines.append(f"  as {one['role']}: {numbers}{known}")
    return "\n".join([*lines, f"Why: wltm trust why {subject} --role {found[0]['role']}"])


@trust.command(
    "why",
    example="wltm trust why did:key:z6Mk… --role supplier",
    help="The reasons for your view of somebody in one role: ways there, the deals behind it, what would change it.",
)
@click.argument("who", metavar="DID")
@click.option("--role", type=click.Choice(ROLES), default=ROLES[0], show_default=True)
@click.pass_obj
def why(options: Options, /, who: str, role: str) -> None:
    """In words (CLI-82)."""
    found = Client.of(options).get(f"/standing/{persona(who)}", role=role)
    options.out(found, lambda: standing_text(found))


@trust.command(
    "score",
    example="wltm trust score --ratings ratings.csv --pairs pairs.csv",
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
