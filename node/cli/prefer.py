"""Which of these four would you take? What a member likes, asked by cards, shown in words, corrected by a word.

Decides nothing; asks the running node. Nothing here is signed or leaves the machine. Spec: 13-node, CLI-51.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from node.cli.client import Client, part
from node.cli.shell import USAGE, Command, Options, Stop, table
from node.present import line

LETTERS = "ABCDEF"
WORDS = ("more", "less", "nothing", "as-chosen")
HINT = (
    "Correct what is not right: wltm prefer {0} --correct {1}=more (or less, nothing, as-chosen);"
    " begin anew: wltm prefer {0} --again."
)


@click.command(
    "prefer",
    cls=Command,
    example="wltm prefer electricity",
    help="Answer a few cards, “which of these would you take?”, so that your node knows what you like.",
)
@click.argument("category")
@click.option("--show", is_flag=True, help="Only what is known so far.")
@click.option("--card", is_flag=True, help="Only show the next card.")
@click.option("--choose", metavar="LETTER", help="Answer the open card, without being asked.")
@click.option("--correct", multiple=True, metavar="NAME=WORD", help=f"Say how much it matters: {', '.join(WORDS)}.")
@click.option("--again", is_flag=True, help="Forget answers and corrections first.")
@click.pass_obj
def prefer(
    options: Options,
    /,
    category: str,
    show: bool,
    card: bool,
    choose: str | None,
    correct: tuple[str, ...],
    again: bool,
) -> None:
    """Cards one after the other on a terminal; single steps with the options."""
    client, path = Client.of(options), f"/prefer/{part(category)}"
    if again:
        client.call("DELETE", path, {})
    for item in correct:
        name, _, word = item.partition("=")
        client.call("PUT", f"{path}/{part(name)}", {"word": word})
    if choose is not None:
        _answer(client, path, client.get(f"{path}/card"), choose)
    if card:
        found = client.get(f"{path}/card")
        hint = line(f"Answer it by its letter: wltm prefer {category} --choose A")
        options.out(found, lambda: f"{card_text(found)}\n{hint}" if found["alternatives"] else "No card is open.")
        return
    if not (show or correct or choose or again or options.json) and sys.stdin.isatty():
        _ask(options, client, path)
    kept = client.get(path)
    options.out(kept, lambda: preference_text(kept))


def _ask(options: Options, client: Client, path: str) -> None:
    """Card after card, until all are answered or the person has had enough."""
    while True:
        found = client.get(f"{path}/card")
        if found["done"]:
            return
        options.say(card_text(found))
        letters = LETTERS[: len(found["alternatives"])]
        said = click.prompt("Which would you take? (Enter to stop)", default="", show_default=False, err=True)
        if not said.strip():
            return
        if said.strip().upper() not in {*letters}:
            options.say(f"One of {', '.join(letters)}.")
            continue
        _answer(client, path, found, said)


def _answer(client: Client, path: str, found: Mapping[str, Any], said: str) -> None:
    letter = said.strip().upper()
    letters = LETTERS[: len(found["alternatives"])]
    if not letters:
        raise Stop(USAGE, "no card is open: all are answered, or this category has none", "CLI-51")
    if letter not in {*letters}:
        raise Stop(USAGE, f"--choose {said[:20]}: must be one of {', '.join(letters)}", "CLI-51")
    client.post(f"{path}/card", {"number": found["number"], "chosen": letters.index(letter)})


def card_text(found: Mapping[str, Any]) -> str:
    """A card as a table: a row for each thing that differs, a column for each product."""
    products: Sequence[Mapping[str, float]] = found["alternatives"]
    rows = []
    for one in found["attributes"]:
        values = [product[one["name"]] for product in products]
        if len(dict.fromkeys(values)) > 1:
            yes_or_no = one["unit"] == "C62" and {*values} <= {0, 1}
            cells = [("yes" if value else "no") if yes_or_no else f"{value:g}" for value in values]
            rows.append({"label": one["label"], **dict(zip(LETTERS, cells, strict=False))})
    columns = {"label": f"card {found['number'] + 1} of {found['of']}"} | {one: one for one in LETTERS[: len(products)]}
    return table(rows, columns, "All alike.")


def preference_text(kept: Mapping[str, Any]) -> str:
    """What is known, in words, and what of it leaves the home."""
    if not kept["words"]:
        category = kept["category"]
        return f"Nothing is known yet about what you like in {category}; answer a card: wltm prefer {category} --card."
    lines = [f"{kept['title']}, from {kept['answered']} of {kept['of']} cards:"]
    for one in kept["attributes"]:
        if one["words"]:
            lines.append(f"  {one['words']}" + (f" (by your word: {one['correction']})" if one["correction"] else ""))
    name = next(one["name"] for one in kept["attributes"] if one["words"])
    return "\n".join(map(line, [*lines, kept["leaves"], HINT.format(kept["category"], name)]))
