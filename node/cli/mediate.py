"""Mediate between others; and what became of all that two, or a co-op's members, agreed.

Decides nothing; asks the running node. Spec: 13-node, CLI-103 and CLI-104.
"""

from __future__ import annotations

from typing import Any

import click

from node.cli.client import Client
from node.cli.coop import coop, coop_of, persona
from node.cli.member import YES
from node.cli.shell import Command, Group, Options
from node.cli.voice import VOICE, step
from node.present import line


@click.group("mediate", cls=Group, example="wltm mediate list", help="Mediate between others.")
def mediate() -> None:
    """Offer, list, accept, decline."""


@mediate.command("list", example="wltm mediate list", help="Who offers to mediate, as far as your node has heard.")
@click.pass_obj
def mediate_list(options: Options) -> None:
    """Those first whom you have reason to trust."""
    found = Client.of(options).get("/mediators")
    rows = [f"{one['did']}  {one['standing']:.3f}  {' '.join(one['languages'])}  {line(one['words'])}" for one in found]
    options.out(found, lambda: "\n".join(rows) or "Nobody else offers, as far as your node has heard.")


@mediate.command(
    "offer",
    example="wltm mediate offer --category electricity --region u10 --language en 'I listen.' --yes",
    help="Offer to mediate between the people of a board; with --withdraw no longer.",
)
@click.argument("words", default="")
@click.option("--category", required=True)
@click.option("--region", required=True)
@click.option("--language", "languages", multiple=True, help="That you mediate in (repeat).")
@click.option("--withdraw", is_flag=True)
@YES
@click.pass_obj
def mediate_offer(options: Options, /, languages: tuple[str, ...], withdraw: bool, yes: bool, **values: Any) -> None:
    """In public, under your persona's key."""
    what = "no longer mediate" if withdraw else "would mediate between people who both name you"
    options.confirm(f"This tells everybody that you {what}.", yes)
    state = "withdrawn" if withdraw else "offers"
    values |= {"state": state, "languages": sorted({*languages})}
    options.out(Client.of(options).call("PUT", "/mediation", values), "Said.")


@mediate.command("accept", example="wltm mediate accept 81d0 --yes", help="Mediate in the case that you are asked for.")
@VOICE
@YES
@click.pass_obj
def mediate_accept(options: Options, /, voice_id: str, yes: bool) -> None:
    """Each side then hands over what it can read."""
    step(options, voice_id, "accept", "This accepts to mediate", "Accepted; each side hands over to you.", yes)


@mediate.command("decline", example="wltm mediate decline 81d0 --yes", help="Do not; the next one is asked.")
@VOICE
@YES
@click.pass_obj
def mediate_decline(options: Options, /, voice_id: str, yes: bool) -> None:
    """It is not held against you."""
    step(options, voice_id, "decline", "This declines to mediate", "Declined; the next one is asked.", yes)


@click.command(
    "relationship",
    cls=Command,
    example="wltm relationship did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    help="What became of all that you and somebody else agreed: promises, voices, repairs.",
)
@click.argument("subject", metavar="DID")
@click.pass_obj
def relationship(options: Options, /, subject: str) -> None:
    """From the deals that your node holds."""
    found = Client.of(options).get(f"/relationship/{persona(subject)}")
    options.out(found, lambda: "\n".join(line(one) for one in found["says"]))


@coop.command("health", example="wltm coop health 3f2a91c0", help="How its members fared together, once it is over.")
@click.argument("coop_id", metavar="COOP")
@click.pass_obj
def coop_health(options: Options, /, coop_id: str) -> None:
    """In numbers that tell of nobody."""
    client = Client.of(options)
    found = client.get(f"/coops/{coop_of(client, coop_id)['id']}/health")
    options.out(found, lambda: "\n".join(line(one) for one in found["says"]))
