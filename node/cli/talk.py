"""While a request is open: ask, reply, suggest changes of it, adopt them.

Decides nothing; asks the running node. Before each signature it says what that binds and who reads it. Spec: 13-node,
CLI-55 to CLI-57.
"""

from __future__ import annotations

from typing import Any

import click

from node.cli.client import Client
from node.cli.coop import deal_of
from node.cli.deal import deal
from node.cli.member import YES
from node.cli.shell import USAGE, Options, Stop
from node.cli.views import talk_text
from node.present import one_of, short

_DEAL = click.argument("deal_id", metavar="COOP|DEAL")
_OPERATORS = {">=": "at-least", "<=": "at-most", "=": "equal"}


def _talk(client: Client, typed: str) -> tuple[str, dict[str, Any]]:
    """The deal's id, and what was said in it."""
    found, _ = deal_of(client, typed)
    said: dict[str, Any] = client.get(f"/deals/{found}/talk")
    return found, said


@deal.command("talk", example="wltm deal talk 3f2a91c0", help="What was asked, replied and suggested about a request.")
@_DEAL
@click.pass_obj
def talk(options: Options, /, deal_id: str) -> None:
    """What the request asks of suppliers comes first."""
    _, said = _talk(Client.of(options), deal_id)
    options.out(said, lambda: talk_text(said))


@deal.command(
    "ask",
    example="wltm deal ask 3f2a91c0 'Is the meter changed for free?' --yes",
    help="Ask all sides of a deal a question.",
)
@_DEAL
@click.argument("text")
@YES
@click.pass_obj
def ask(options: Options, /, deal_id: str, text: str, yes: bool) -> None:
    """It binds nobody."""
    client = Client.of(options)
    found, _ = deal_of(client, deal_id)
    options.confirm(
        f"This asks in deal {short(found)}, under your persona's key, where suppliers read it too. It binds nobody.",
        yes,
    )
    options.out(client.post(f"/deals/{found}/queries", {"text": text}), f"Asked in deal {short(found)}.")


@deal.command(
    "reply",
    example="wltm deal reply 3f2a91c0 77ab 'Yes, by the network operator.' --yes",
    help="Reply to the question QUERY.",
)
@_DEAL
@click.argument("query")
@click.argument("text")
@YES
@click.pass_obj
def reply(options: Options, /, deal_id: str, query: str, text: str, yes: bool) -> None:
    """It binds nobody."""
    client = Client.of(options)
    found, said = _talk(client, deal_id)
    chosen = one_of(query, [one["id"] for one in said["queries"]], "question")
    options.confirm(
        f"This replies in deal {short(found)}, under your persona's key, to all sides. It binds nobody.", yes
    )
    values = {"query": chosen, "text": text}
    options.out(client.post(f"/deals/{found}/replies", values), f"Replied in deal {short(found)}.")


@deal.command(
    "suggest",
    example="wltm deal suggest 3f2a91c0 --require 'renewable_percent>=80' --reason 'Most of us asked for it.' --yes",
    help="Suggest changes of the request; its members adopt them or not.",
)
@_DEAL
@click.option("--weight", "weights", multiple=True, metavar="NAME=MINOR", help="What a unit of an attribute is worth.")
@click.option("--require", "requirements", multiple=True, metavar="NAME>=VALUE", help="Or <=, or =; a scaled value.")
@click.option("--drop", "drops", multiple=True, metavar="NAME", help="An attribute that nothing is required of.")
@click.option("--terms", multiple=True, help="Data terms to ask for too (repeat).")
@click.option("--reason", default="", help="A few sentences.")
@YES
@click.pass_obj
def suggest(
    options: Options,
    /,
    deal_id: str,
    weights: tuple[str, ...],
    requirements: tuple[str, ...],
    drops: tuple[str, ...],
    terms: tuple[str, ...],
    reason: str,
    yes: bool,
) -> None:
    """One suggestion each; it may hold several changes, which are adopted together or not at all."""
    client = Client.of(options)
    found, _ = deal_of(client, deal_id)
    values: dict[str, Any] = {
        "weights_minor": dict(_weight(item) for item in weights),
        "requirements": [_requirement(item) for item in requirements],
        "drops": sorted({*drops}),
        "terms": sorted({*terms}),
        "reason": reason,
    }
    options.confirm(
        f"This suggests changes of the request of deal {short(found)}, under your persona's key, where suppliers read"
        " it too. Once signed it cannot be changed; it binds nobody unless more than half of the members who speak"
        " adopt it.",
        yes,
    )
    options.out(client.post(f"/deals/{found}/suggestions", values), f"Suggested in deal {short(found)}.")


@deal.command(
    "adopt",
    example="wltm deal adopt 3f2a91c0 77ab 05d2 --yes",
    help="As a member: adopt these suggestions, or none.",
)
@_DEAL
@click.argument("suggestions", nargs=-1, metavar="[SUGGESTION…]")
@YES
@click.pass_obj
def adopt(options: Options, /, deal_id: str, suggestions: tuple[str, ...], yes: bool) -> None:
    """Said in the co-op, where no supplier reads."""
    client = Client.of(options)
    found, said = _talk(client, deal_id)
    known = [one["id"] for one in said["suggestions"]]
    chosen = sorted({one_of(one, known, "suggestion") for one in suggestions})
    what = ", ".join(map(short, chosen)) or "none of the suggestions"
    options.confirm(
        f"This adopts {what} for the request of deal {short(found)}; the other members read it. Once signed it cannot"
        " be changed.",
        yes,
    )
    answer = client.post(f"/deals/{found}/adoptions", {"suggestions": chosen})
    options.out(answer, f"Adopted in deal {short(found)}: {what}.")


def _weight(item: str) -> tuple[str, int]:
    name, equals, worth = item.partition("=")
    if not equals or not worth.removeprefix("-").isdecimal():
        raise Stop(USAGE, f"--weight {item[:40]}: write it like renewable_percent=-5, in minor units", "CLI-6")
    return name, int(worth)


def _requirement(item: str) -> dict[str, Any]:
    for sign, operator in _OPERATORS.items():
        name, found, value = item.partition(sign)
        if found and value.removeprefix("-").isdecimal():
            return {"attribute": name, "operator": operator, "value": int(value)}
    raise Stop(USAGE, f"--require {item[:40]}: write it like 'renewable_percent>=80'", "CLI-6")
