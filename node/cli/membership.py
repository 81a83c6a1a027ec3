"""What a member does about belonging to a co-op: leave it.

Decides nothing; asks the running node. Spec: 05-formation, FRM-33 to FRM-36; 13-node, CLI-72.
"""

from __future__ import annotations

import click

from node.cli.client import Client
from node.cli.coop import coop_of
from node.cli.member import YES
from node.cli.shell import Command, Options
from node.present import short

REASONS = ("changed-mind", "found-better", "other", "price", "terms", "timing")


@click.command(
    "leave",
    cls=Command,
    example="wltm coop leave 3f2a91c0 --reason timing --yes",
    help="Leave a co-op: at once until its election is over, then by declining what is awarded to you. After your own "
    "commitment only the supplier's cancellation terms end your share (`wltm deal cancel`).",
)
@click.argument("coop_id", metavar="COOP")
@click.option("--reason", type=click.Choice(REASONS), default="other", show_default=True)
@click.option("--remark", default="", help="A few sentences for the others.")
@YES
@click.pass_obj
def coop_leave(options: Options, /, coop_id: str, reason: str, remark: str, yes: bool) -> None:
    """What was said there stays readable; it counts no more."""
    client = Client.of(options)
    row = coop_of(client, coop_id)
    options.confirm(
        f"This leaves {short(row['id'])} ({reason}): your pledge, candidacy and vote there count no more, and all the"
        " others are told. It cannot be taken back; your intent is free for another co-op.",
        yes,
    )
    found = client.post(f"/coops/{row['id']}/leave", {"reason": reason, "remark": remark})
    options.out(found, found["says"])
