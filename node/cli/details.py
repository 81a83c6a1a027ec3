"""What a member lets its supplier know: name, address, contact.

Decides nothing; asks the running node. Spec: 16-supplier, SUP-31 to SUP-34; 13-node, CLI-68.
"""

from __future__ import annotations

import click

from node.cli.client import Client
from node.cli.member import YES
from node.cli.shell import Group, Options
from node.present import one_of, short


@click.group("details", cls=Group, example="wltm details show", help="Your name and address, for who delivers to you.")
def details() -> None:
    """Kept at home; sealed to a supplier where you say so."""


@details.command(
    "set",
    example="wltm details set --name 'Ada Lovelace' --address '12 St James Square, London' --contact ada@example.net",
    help="Keep your details at home. They go nowhere until you send them.",
)
@click.option("--name", required=True)
@click.option("--address", default="")
@click.option("--contact", default="")
@click.option("--notes", default="")
@click.pass_obj
def set_(options: Options, /, **given: str) -> None:
    """Nothing is signed."""
    options.out(Client.of(options).call("PUT", "/details", given), "Kept. `wltm details send DEAL` seals them.")


@details.command("show", example="wltm details show", help="What is kept at home.")
@click.pass_obj
def show(options: Options) -> None:
    """For yourself."""
    found = Client.of(options).get("/details")
    lines = [f"{name:8} {value}" for name, value in found.items() if value]
    options.out(found, "\n".join(lines) or "None are kept; say them by `wltm details set`.")


@details.command(
    "send",
    example="wltm details send 5d0e77a1 --yes",
    help="Seal your details for the supplier of your agreement; nobody else can read them.",
)
@click.argument("deal")
@YES
@click.pass_obj
def send(options: Options, /, deal: str, yes: bool) -> None:
    """They are taken back by themselves when the deal is over."""
    client = Client.of(options)
    found = one_of(deal, [row["id"] for row in client.get("/deals")], "deal")
    flow = client.get(f"/deals/{found}/details")
    options.confirm(
        f"Deal {short(found)}: {flow['says']} You sign what {short(flow['supplier'])} has signed. What it has read it"
        " has read; the record is emptied by `wltm details blank`, or when the deal is over.",
        yes,
    )
    answer = client.post(f"/deals/{found}/details")
    options.out(answer, f"Sealed for {short(answer['supplier'])}.")


@details.command("blank", example="wltm details blank 5d0e77a1", help="Take your details back from a deal's records.")
@click.argument("deal")
@click.pass_obj
def blank(options: Options, /, deal: str) -> None:
    """At once."""
    client = Client.of(options)
    found = one_of(deal, [row["id"] for row in client.get("/deals")], "deal")
    options.out(client.call("DELETE", f"/deals/{found}/details"), "Taken back.")
