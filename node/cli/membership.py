"""What a member does about belonging to a co-op: leave it, or go on in another that follows it.

Decides nothing; asks the running node. Spec: 05-formation, FRM-33 to FRM-40; 13-node, CLI-72 and CLI-73.
"""

from __future__ import annotations

import click

from node.cli.client import Client
from node.cli.coop import coop_of, persona
from node.cli.member import REASONS, YES
from node.cli.shell import USAGE, Command, Options, Stop
from node.present import amount, short


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


@click.command(
    "succeed",
    cls=Command,
    example="wltm coop succeed 3f2a91c0 --intent home --purpose 'Only green power' --min 3 --yes",
    help="Found a co-op that follows COOP, and propose it to its members: all of them (another council, another year),"
    " a part (--member, a sub-group or a split), or several co-ops as one (--merge). Nobody is moved: who joins gives"
    " up the old place once the new roster is certified.",
)
@click.argument("coop_id", metavar="COOP")
@click.option("--intent", required=True, metavar="NAME", help="Which of your intents it serves.")
@click.option("--purpose", required=True, help="One sentence that the charter will hold.")
@click.option("--merge", multiple=True, metavar="COOP_ID", help="Another co-op that it follows; its whole id (repeat).")
@click.option("--member", "members", multiple=True, metavar="DID", help="Only these may join, and you (repeat).")
@click.option("--witness", "witnesses", multiple=True, metavar="DID", help="Who witnesses beside you (repeat).")
@click.option("--min", "least", type=click.IntRange(2), default=3, show_default=True)
@click.option("--max", "most", type=click.IntRange(2), default=40, show_default=True)
@click.option("--preset", type=click.Choice(["always-on", "home"]), default="home", show_default=True)
@click.option("--fee-max", default="0", show_default=True, help="The most a negotiator may ask.")
@YES
@click.pass_obj
def coop_succeed(
    options: Options,
    /,
    coop_id: str,
    merge: tuple[str, ...],
    members: tuple[str, ...],
    witnesses: tuple[str, ...],
    fee_max: str,
    yes: bool,
    **values: str | int,
) -> None:
    """Evidence stays where it is and counts as before."""
    client = Client.of(options)
    row = coop_of(client, coop_id)
    wrong = next((one for one in merge if len(one) != 32 or not set(one) <= set("0123456789abcdef")), None)
    if wrong is not None:
        raise Stop(USAGE, f"--merge {wrong[:40]}: a co-op's whole id, 32 hexadecimal digits", "CLI-73")
    whom = f"{len(members)} of its members" if members else "all its members"
    options.confirm(
        f"This signs a charter that follows {short(row['id'])}, shows it to {whom}, and makes you one of its witnesses:"
        " that duty lasts until its deal has ended. Your place in the old co-op is given up when the new roster is"
        " certified with you on it.",
        yes,
    )
    body: dict[str, object] = dict(values)
    body["fee_max_minor"] = amount(fee_max, row["currency"])
    body["witnesses"] = sorted(persona(name) for name in witnesses)
    body |= {"before": sorted({row["id"], *merge}), "listed": sorted(persona(name) for name in members)}
    answer = client.post("/coops", body)
    options.out(answer, f"Founded {short(answer['coop'])}, which follows {short(row['id'])}; its members are asked.")


@click.command(
    "propose",
    cls=Command,
    example="wltm coop propose 3f2a91c0 9be0c1d2000000000000000000000000 --yes",
    help="Show the members of COOP a co-op that follows it and that you heard of elsewhere, as in a merger.",
)
@click.argument("coop_id", metavar="COOP")
@click.argument("successor", metavar="COOP_ID")
@click.option("--token", default="", metavar="HEX", help="The invitation by which they may join it.")
@YES
@click.pass_obj
def coop_propose(options: Options, /, coop_id: str, successor: str, token: str, yes: bool) -> None:
    """Its charter must name the old one."""
    client = Client.of(options)
    row = coop_of(client, coop_id)
    options.confirm(f"This shows the members of {short(row['id'])} the charter of {short(successor)}.", yes)
    answer = client.post(f"/coops/{row['id']}/propose", {"successor": successor, "token": token})
    options.out(answer, "Shown; who joins it does so by `wltm coop join`.")
