"""While a request is open: ask, reply, suggest changes of it, adopt them.

Decides nothing; asks the running node. Before each signature it says what that binds and who reads it. Spec: 13-node,
CLI-55 to CLI-58.
"""

from __future__ import annotations

from typing import Any

import click

from node.cli.client import Client
from node.cli.coop import deal_of
from node.cli.deal import deal
from node.cli.member import YES, requirement, weight
from node.cli.shell import USAGE, Options, Stop
from node.cli.views import talk_text
from node.present import amount, money, one_of, short

__all__ = ["deal"]  # the group, with these commands in it
_DEAL = click.argument("deal_id", metavar="COOP|DEAL")


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
    "say",
    example="wltm deal say 3f2a91c0 'The meter is in the cellar.' --yes",
    help="Say something to your supplier and the others of your agreement, and to nobody else.",
)
@_DEAL
@click.argument("text")
@YES
@click.pass_obj
def say(options: Options, /, deal_id: str, text: str, yes: bool) -> None:
    """It is sealed, and binds nobody."""
    client = Client.of(options)
    found, _ = deal_of(client, deal_id)
    options.confirm(
        f"This says it in deal {short(found)}, under your persona's key, to the members of your agreement and its"
        " supplier. Relays cannot read it. It binds nobody.",
        yes,
    )
    options.out(client.post(f"/deals/{found}/messages", {"text": text}), f"Said in deal {short(found)}.")


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
@click.option("--weight", "weights", multiple=True, metavar="NAME=AMOUNT", help="What a unit of an attribute is worth.")
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
    found, row = deal_of(client, deal_id)
    values: dict[str, Any] = {
        "weights_minor": dict(weight(item, row["currency"]) for item in weights),
        "requirements": [requirement(item) for item in requirements],
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


@deal.command(
    "counter",
    example="wltm deal counter 3f2a91c0 9c1e --price 2.20 --quantity 300 --yes",
    help="As the negotiator: say to SUPPLIER at which price and quantity you would close.",
)
@_DEAL
@click.argument("supplier")
@click.option("--price", required=True, help="Unit price, such as 2.20.")
@click.option("--quantity", type=click.IntRange(1), required=True, help="Counted units a period, of all together.")
@click.option("--text", default="", help="A few sentences.")
@YES
@click.pass_obj
def counter(options: Options, /, deal_id: str, supplier: str, price: str, quantity: int, text: str, yes: bool) -> None:
    """Your node refuses what the mandate does not allow."""
    client = Client.of(options)
    found, row = deal_of(client, deal_id)
    quoted = next(one for one in client.get("/deals") if one["id"] == found)["quotations"]
    chosen, minor = one_of(supplier, quoted, "supplier"), amount(price, row["currency"])
    options.confirm(
        f"This says to {short(chosen)} in deal {short(found)}, before all sides, that you would close at"
        f" {row['currency']} {price} for {quantity}. It binds nobody; once signed it cannot be changed.",
        yes,
    )
    values = {"supplier": chosen, "price_minor": minor, "quantity": quantity, "text": text}
    options.out(client.post(f"/deals/{found}/counters", values), f"Said to {short(chosen)}.")


@deal.command(
    "final",
    example="wltm deal final 3f2a91c0 --rung 1=2.30 --rung 500=2.10 --yes",
    help="As the supplier: better your quotation, once.",
)
@_DEAL
@click.option("--rung", "rungs", multiple=True, metavar="QUANTITY=PRICE", help="From this quantity on.")
@click.option("--capacity", type=click.IntRange(0), default=0, help="Counted units a period (default: as before).")
@YES
@click.pass_obj
def final(options: Options, /, deal_id: str, rungs: tuple[str, ...], capacity: int, yes: bool) -> None:
    """It may be worse in nothing."""
    client = Client.of(options)
    found, row = deal_of(client, deal_id)
    ladder = [_rung(item, row["currency"]) for item in rungs]
    options.confirm(
        f"This seals your last word in deal {short(found)}: it binds you as your quotation does, and cannot be"
        " changed.",
        yes,
    )
    answer = client.post(f"/deals/{found}/final", {"ladder": ladder, "capacity": capacity})
    options.out(answer, f"Your last word in deal {short(found)} is sealed.")


@deal.command(
    "answer",
    example="wltm deal answer 3f2a91c0 9c1e=300 04ab=120 --yes",
    help="As a member: say which suppliers together should serve the co-op, each with how much. Your node says such an "
    "answer by itself where its solver finds one that is better; the best that can be carried out is awarded.",
)
@_DEAL
@click.argument("serves", nargs=-1, required=True, metavar="SUPPLIER=QUANTITY...")
@YES
@click.pass_obj
def answer(options: Options, /, deal_id: str, serves: tuple[str, ...], yes: bool) -> None:
    """`wltm award` shows who quoted what, and the answers so far."""
    client = Client.of(options)
    found, row = deal_of(client, deal_id)
    quoted = next(one for one in client.get("/deals") if one["id"] == found)["quotations"]
    parts = [_part(item, quoted) for item in serves]
    options.confirm(
        f"This shows the members of deal {short(found)} how you would share it out: "
        + ", ".join(f"{quantity} from {short(key)}" for key, quantity in parts)
        + ". It binds nobody; once signed it cannot be changed.",
        yes,
    )
    said = client.post(f"/deals/{found}/answer", {"serves": [list(part) for part in parts]})
    options.out(said, lambda: f"Said; it comes to {money(said['score_minor'], row['currency'])}, the least is awarded.")


def _part(item: str, quoted: list[str]) -> tuple[str, int]:
    supplier, equals, quantity = item.partition("=")
    if not equals or not quantity.isdecimal():
        raise Stop(USAGE, f"{item[:40]}: write it like 9c1e=300", "CLI-6")
    return one_of(supplier, quoted, "supplier"), int(quantity)


def _rung(item: str, currency: str) -> list[int]:
    minimum, equals, price = item.partition("=")
    if not equals or not minimum.isdecimal():
        raise Stop(USAGE, f"--rung {item[:40]}: write it like 500=2.10", "CLI-6")
    return [int(minimum), amount(price, currency)]
