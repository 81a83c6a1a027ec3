"""After the award: step in where a rung fell, deliver, receive, pay, correct, substitute, cancel, say whether to go on.

Decides nothing; asks the running node. Before each signature it says what that binds. Spec: 13-node, CLI-60 to CLI-64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from node.cli.attest import said_text
from node.cli.client import Client
from node.cli.coop import deal_of, persona
from node.cli.member import REASONS, YES
from node.cli.shell import USAGE, Group, Options, Stop
from node.cli.views import ledger_text
from node.present import amount, instant, now_ms, one_of, short

F = Callable[..., Any]


@click.group("deal", cls=Group, example="wltm deal show 3f2a91c0", help="A deal: what is said in it, what came of it.")
def deal() -> None:
    """One command per act."""


def _deal(function: F) -> F:
    return click.argument("deal", metavar="COOP|DEAL")(function)


def _detail(client: Client, typed: str) -> dict[str, Any]:
    """The deal as this node reads it."""
    found, _ = deal_of(client, typed)
    row: dict[str, Any] = next(one for one in client.get("/deals") if one["id"] == found)
    return row


@deal.command("show", example="wltm deal show 3f2a91c0", help="What happened, who is owed what, who said what came.")
@_deal
@click.pass_obj
def show(options: Options, /, deal: str) -> None:
    """The state in words, then one line a member, then who has spoken of whom."""
    client = Client.of(options)
    found, me = _detail(client, deal), client.get("/status")["persona"]
    spoken = [said_text(found["spoken"], me)] if found["spoken"] else []
    options.out(found, lambda: "\n".join([ledger_text(found), *spoken]))


@deal.command(
    "repair",
    example="wltm deal repair 3f2a91c0 --want 40 --yes",
    help="After a rung fell: step in, or take more, so that the better price stands.",
)
@_deal
@click.option("--want", type=click.IntRange(0), help="Units a period (default: your pledge's).")
@click.option("--tolerate", type=click.IntRange(0), help="How many more you would take.")
@click.option("--least", type=click.IntRange(0), help="Below this: none at all.")
@click.option("--price-max", help="Highest unit price, such as 2.45.")
@click.option("--supplier", metavar="ID", help="Whose part, where the award has several.")
@click.option("--terms", default="", help="Data terms that you take in place of your own, where it says so.")
@YES
@click.pass_obj
def repair(
    options: Options,
    /,
    deal: str,
    price_max: str | None,
    supplier: str | None,
    terms: str,
    yes: bool,
    **numbers: int | None,
) -> None:
    """Binding, as a commitment is; what you committed to before can only grow."""
    client = Client.of(options)
    row = _detail(client, deal)
    values: dict[str, Any] = {name: number for name, number in numbers.items() if number is not None}
    values |= {"terms": terms} if terms else {}
    if price_max is not None:
        values["price_max_minor"] = amount(price_max, row["currency"])
    if supplier is not None:
        values["supplier"] = one_of(supplier, [one["supplier"] for one in row["award"]["parts"]], "supplier")
    options.confirm(
        f"This binds you to buy in deal {short(row['id'])} at no more than the price you name, whether you stood aside"
        " before or take more now. Once signed only the supplier's cancellation terms undo it.",
        yes,
    )
    options.out(client.post(f"/deals/{row['id']}/repair", values), f"You stepped in to deal {short(row['id'])}.")


def _report(options: Options, typed: str, action: str, values: dict[str, Any], yes: bool) -> None:
    client = Client.of(options)
    row = _detail(client, typed)
    found, keys = row["id"], [one["member"] for one in row["accounts"]]
    values["member"] = persona(values["member"], keys) if values.get("member") else client.get("/status")["persona"]
    said = f"{action} {values['quantity']} units, member {short(values['member'])}"
    options.confirm(
        f"This states in deal {short(found)}: {said}. It stays on record; a mistake is corrected by `wltm deal"
        " correct`.",
        yes,
    )
    answer = client.post(f"/deals/{found}/report", {"action": action, **values})
    options.out(answer, f"Reported: {said}; its id is {short(answer['id'])}.")


_QUANTITY = click.option("--quantity", type=click.IntRange(0), required=True, help="Units, over all periods it covers.")
_MEMBER = click.option("--member", metavar="DID", help="Whose share (default: yours).")
_REFERENCE = click.option("--reference", default="", help="A delivery note, or a payment's reference.")


@deal.command(
    "deliver",
    example="wltm deal deliver 3f2a91c0 --member did:key:z6Mk --quantity 30 --yes",
    help="As supplier: report what you delivered to a member; several parts add up.",
)
@_deal
@_MEMBER
@_QUANTITY
@_REFERENCE
@YES
@click.pass_obj
def deliver(options: Options, /, deal: str, yes: bool, **values: Any) -> None:
    """`supplier deliver` reports to all what is still due."""
    _report(options, deal, "deliver", values, yes)


@deal.command(
    "receive",
    example="wltm deal receive 3f2a91c0 --quantity 30 --yes",
    help="Report what you got; 0 says that nothing came.",
)
@_deal
@_QUANTITY
@_REFERENCE
@YES
@click.pass_obj
def receive(options: Options, /, deal: str, yes: bool, **values: Any) -> None:
    """A member's own word goes before the supplier's."""
    _report(options, deal, "receive", values, yes)


@deal.command(
    "pay",
    example="wltm deal pay 3f2a91c0 --quantity 30 --reference 'invoice 7' --yes",
    help="Report for how many units was paid; this software moves no money.",
)
@_deal
@_MEMBER
@_QUANTITY
@_REFERENCE
@YES
@click.pass_obj
def pay(options: Options, /, deal: str, yes: bool, **values: Any) -> None:
    """By the member: paid; by the supplier: credited."""
    _report(options, deal, "pay", values, yes)


@deal.command(
    "correct",
    example="wltm deal correct 3f2a91c0 5d0e77a1 --quantity 29 --yes",
    help="Correct the quantity of a report of yours, by its id.",
)
@_deal
@click.argument("event")
@_QUANTITY
@_REFERENCE
@YES
@click.pass_obj
def correct(options: Options, /, deal: str, event: str, yes: bool, **values: Any) -> None:
    """The last correction counts."""
    client = Client.of(options)
    known = {one["id"]: one for one in _detail(client, deal)["events"]}
    name = one_of(event, list(known), "report")
    _report(options, deal, "correct", {**values, "member": known[name]["member"], "corrects": name}, yes)


@deal.command(
    "cancel",
    example="wltm deal cancel 3f2a91c0 --reason changed-mind --ends 2027-03-31 --yes",
    help="End a share by the agreed terms: yours, or, as supplier, a member's.",
)
@_deal
@click.option("--reason", type=click.Choice(REASONS), required=True)
@click.option("--ends", metavar="DATE", help="Not before this day (default: as soon as the terms allow).")
@click.option("--member", metavar="DID", help="As supplier: whose share.")
@click.option("--remark", default="", help="A few sentences for the other side.")
@YES
@click.pass_obj
def cancel(
    options: Options, /, deal: str, reason: str, ends: str | None, member: str | None, remark: str, yes: bool
) -> None:
    """Nobody else's price changes."""
    client = Client.of(options)
    row = _detail(client, deal)
    values: dict[str, Any] = {"reason": reason, "remark": remark, "ends": instant(ends, now_ms()) if ends else 0}
    if member:
        values["member"] = persona(member)
    options.confirm(
        f"This ends a share in deal {short(row['id'])} by the terms both sides signed; a fee and what runs until then"
        " stay owed, and nobody else's price changes. Once signed it cannot be taken back.",
        yes,
    )
    answer = client.post(f"/deals/{row['id']}/cancel", values)
    options.out(answer, answer["says"])


@deal.command(
    "substitute",
    example="wltm deal substitute 3f2a91c0 'Green Grid 24' --price 2.40 --yes",
    help="As supplier: offer another article at no higher price; each member answers for themself.",
)
@_deal
@click.argument("article")
@click.option("--price", required=True, help="Unit price, at most the agreed one.")
@click.option("--member", "members", multiple=True, metavar="DID", help="For whom (repeat; default: everybody).")
@click.option("--attribute", "attributes", multiple=True, metavar="NAME=VALUE", help="What differs (scaled integers).")
@click.option("--remark", default="", help="A few sentences for them.")
@YES
@click.pass_obj
def substitute(
    options: Options,
    /,
    deal: str,
    article: str,
    price: str,
    members: tuple[str, ...],
    attributes: tuple[str, ...],
    remark: str,
    yes: bool,
) -> None:
    """Who does not answer keeps what was agreed."""
    client = Client.of(options)
    row = _detail(client, deal)
    values = {
        "article": article,
        "unit_price_minor": amount(price, row["currency"]),
        "members": sorted({persona(one) for one in members}),
        "attributes": {name: _number(name, text) for name, _, text in (item.partition("=") for item in attributes)},
        "remark": remark,
    }
    options.confirm(
        f"This offers {article!r} in deal {short(row['id'])} in place of what was agreed. It binds you towards whoever"
        " consents; to the others you owe what was agreed.",
        yes,
    )
    answer = client.post(f"/deals/{row['id']}/substitute", values)
    options.out(answer, f"Offered; its id is {short(answer['id'])}.")


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Stop(USAGE, f"--attribute {name[:40]}: write it like renewable_percent=80", "CLI-6") from None


@deal.command(
    "consent",
    example="wltm deal consent 3f2a91c0 5d0e77a1 --yes",
    help="Take a substitute that the supplier offers you, or refuse it.",
)
@_deal
@click.argument("substitute")
@click.option("--refuse", is_flag=True, help="Keep what was agreed.")
@YES
@click.pass_obj
def consent(options: Options, /, deal: str, substitute: str, refuse: bool, yes: bool) -> None:
    """Silence refuses, too."""
    client = Client.of(options)
    row = _detail(client, deal)
    name = one_of(substitute, [one["id"] for one in row["substitutes"]], "substitute")
    says = "refuses the substitute" if refuse else "takes the substitute for what was agreed, for the whole term"
    options.confirm(f"This {says} in deal {short(row['id'])}. Once signed it cannot be changed.", yes)
    values = {"substitute": name, "answer": "refuse" if refuse else "consent"}
    options.out(client.post(f"/deals/{row['id']}/consent", values), "Refused." if refuse else "Consented.")


@deal.command(
    "renew",
    example="wltm deal renew 3f2a91c0 renew --yes",
    help="Before the agreement ends: would you go on (renew), go on otherwise (change), or leave?",
)
@_deal
@click.argument("answer", type=click.Choice(["renew", "change", "leave"]))
@click.option("--reason", type=click.Choice(REASONS), help="Why you leave or want another.")
@click.option("--remark", default="", help="A few sentences for the others.")
@YES
@click.pass_obj
def renew(options: Options, /, deal: str, answer: str, reason: str | None, remark: str, yes: bool) -> None:
    """It binds nobody: the next co-op is founded, joined and pledged to as the first was."""
    client = Client.of(options)
    row = _detail(client, deal)
    options.confirm(
        f"This tells the others in deal {short(row['id'])} that you would {answer}. It binds nobody, and cannot be"
        " changed in this poll.",
        yes,
    )
    values = {"answer": answer, "reason": reason or "", "remark": remark}
    options.out(client.post(f"/deals/{row['id']}/renewal", values), f"Said: {answer}.")
