"""What a member does about an election and its negotiator: recall, vouch, and hold on to the proof of an own ballot.

Decides nothing; asks the running node. Spec: 07-election, ELE-37, ELE-42, ELE-50; 13-node, CLI-4.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from node.cli.client import Client
from node.cli.coop import coop, coop_of, persona
from node.cli.member import YES
from node.cli.shell import USAGE, Command, Options, Stop
from node.present import short

KINDS = ("ballot", "commitment", "join", "nomination", "pledge", "quotation")
REASONS = ("conflict", "limits", "other", "silent", "terms")


@coop.command(
    "recall",
    example="wltm coop recall 3f2a91c0 --reason silent --remark 'No word for a week.' --yes",
    help="Call for the end of the negotiator's term; when more than half of the members do, the next in line follows.",
)
@click.argument("coop_id", metavar="COOP")
@click.option("--reason", type=click.Choice(REASONS), required=True)
@click.option("--remark", default="", help="A few sentences for the others.")
@YES
@click.pass_obj
def coop_recall(options: Options, /, coop_id: str, reason: str, remark: str, yes: bool) -> None:
    """Once said it stands for this term."""
    client = Client.of(options)
    row = coop_of(client, coop_id)
    options.confirm(
        f"This calls, before all members of {short(row['id'])}, for the end of the negotiator's term ({reason}). Once"
        " signed it cannot be taken back in this term.",
        yes,
    )
    found = client.post(f"/coops/{row['id']}/recall", {"reason": reason, "remark": remark})
    options.out(found, f"Said; {found['said']} of the {found['needed']} that are needed have.")


@coop.command(
    "receipt",
    example="wltm coop receipt 3f2a91c0 --kind ballot --out ballot.proof",
    help="What became of what you handed in; with --out a file that shows it to anybody (`wltm verify` checks it).",
)
@click.argument("coop_id", metavar="COOP")
@click.option("--kind", type=click.Choice(KINDS), default="ballot", show_default=True, help="Which of them to export.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.pass_obj
def coop_receipt(options: Options, /, coop_id: str, kind: str, out: Path | None) -> None:
    """Never overwrites a file."""
    client = Client.of(options)
    row = coop_of(client, coop_id)
    if out is None:
        found = client.get(f"/coops/{row['id']}/receipts")
        options.out(found, lambda: receipts_text(found))
        return
    data = bytes.fromhex(client.get(f"/coops/{row['id']}/receipts/{kind}")["proof"])
    try:
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Stop(USAGE, f"{out}: cannot be made ({error.strerror}); choose another --out", "CLI-9") from None
    with os.fdopen(file, "wb") as stream:
        stream.write(data)
    options.out({"file": str(out), "bytes": len(data)}, f"{out}: {len(data)} bytes; check it with `wltm verify {out}`.")


def receipts_text(found: list[dict[str, Any]]) -> str:
    """A line for each thing that was handed in."""
    lines = [
        f"{one['kind']} {short(one['id'])}: {one['state']}; {len(one['receipts'])} of {one['witnesses']} witnesses had"
        f" it in time ({one['needed']} are enough)"
        for one in found
    ]
    return "\n".join(lines) or "You have handed in nothing here."


@click.command(
    "vouch",
    cls=Command,
    example="wltm vouch did:key:z6Mk… --yes",
    help="Put your name behind somebody whom few know yet; it stands for a year.",
)
@click.argument("who", metavar="DID")
@click.option("--as", "name", default="", metavar="NAME", help="As which of your personas.")
@YES
@click.pass_obj
def vouch(options: Options, /, who: str, name: str, yes: bool) -> None:
    """Said in public."""
    client = Client.of(options)
    subject = persona(who)
    options.confirm(
        f"This tells everyone that you stand by {short(subject)}, for a year. If they break their word it will count"
        " against you with those whom they harm.",
        yes,
    )
    options.out(client.post("/vouches", {"subject": subject, "persona": name}), f"You vouch for {short(subject)}.")
