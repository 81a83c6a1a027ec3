"""Personas on the command line: the faces of one member, who acts when none is named, and what they still give away.

Decides names, help and words; asks the running node. Spec: 02-identity, IDN-19 to IDN-49; 13-node, CLI-95 to CLI-99.
"""

from __future__ import annotations

from typing import Any

import click

from node.cli.client import Client
from node.cli.shell import Group, Options, table
from node.present import one_of

RULE_WORDS = {
    "per-circle": "each category of things has a persona of its own",
    "per-deal": "each new intent has a persona of its own",
}
RELAY_SEES = (
    "Two personas share no key. The relay that you dial still sees them come over one connection; it hides nothing"
    " from that relay that they are two."
)


@click.group(
    "persona",
    cls=Group,
    example="wltm persona list",
    help=f"The faces under which you act. {RELAY_SEES}",
)
def persona() -> None:
    """One key per circle or deal."""


@persona.command("list", example="wltm persona list", help="All of them, what each is for, and who acts by itself.")
@click.pass_obj
def persona_list(options: Options) -> None:
    """Names stay at home; others see the did:key."""
    found = Client.of(options).get("/personas")
    options.out(found, lambda: _list_text(found))


def _list_text(found: dict[str, Any]) -> str:
    rows = [
        {
            "name": row["name"],
            "did": row["did"],
            "for": ", ".join([*row["circles"], *row["intents"]]),
            "known": "frozen" if row.get("frozen") else "yes" if row["known"] else "no",
        }
        for row in found["personas"]
    ]
    columns = {"name": "name", "did": "seen outside as", "for": "for", "known": "known"}
    rule = RULE_WORDS.get(found["uses"])
    who = f"Where you name none, {rule}." if rule else f"Where you name none, {found['uses']} acts."
    return f"{table(rows, columns, '')}\n{who} There is room for {found['room']} more."


@persona.command("new", example="wltm persona new garden", help="Make one; nobody hears of it before it acts.")
@click.argument("name")
@click.pass_obj
def persona_new(options: Options, /, name: str) -> None:
    """It can be found again from the twelve words once it has acted."""
    found = Client.of(options).post("/personas", {"name": name})
    says = f"It acts where you say --as {name}, or after `wltm persona use {name}`."
    options.out(found, f"{name} is {found['did']}.\n{says}")


@persona.command(
    "use",
    example="wltm persona use garden",
    help="Who acts where you name none: NAME, or by a rule, per-circle or per-deal.",
)
@click.argument("name")
@click.pass_obj
def persona_use(options: Options, /, name: str) -> None:
    """What has begun under one persona goes on under it."""
    found = Client.of(options).call("PUT", "/personas", {"name": name})
    rule = RULE_WORDS.get(name)
    options.out(found, f"From now on {rule}." if rule else f"From now on {name} acts where you name none.")


@persona.command("show", example="wltm persona show garden", help="One of them.")
@click.argument("name")
@click.pass_obj
def persona_show(options: Options, /, name: str) -> None:
    """Named by the beginning of its name."""
    rows = {row["name"]: row for row in Client.of(options).get("/personas")["personas"]}
    row = rows[one_of(name, list(rows), "persona")]
    intents = ", ".join(row["intents"]) or "none"
    known = "has been seen by others" if row["known"] else "nobody has heard of it"
    options.out(row, f"{row['name']}, number {row['number']}: {row['did']}\n{known}; intents: {intents}")
