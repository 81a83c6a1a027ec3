"""Around an award: ask for quotations, see how they rank, commit or decline, quote from a price list.

Decides nothing; asks the running node. Spec: 13-node, CLI-4.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.client import Client, part
from node.cli.coop import coop_of, deal_of
from node.cli.member import REASONS, YES, requirement, weight
from node.cli.shell import USAGE, Command, Group, Options, Stop, content
from node.cli.views import award_text, deals_text
from node.present import counted, one_of, short


@click.command(
    "rfq",
    cls=Command,
    example="wltm rfq 3f2a91c0 --yes",
    help="As the negotiator: ask suppliers for sealed quotations.",
)
@click.argument("coop_id", metavar="COOP")
@click.option("--weight", "weights", multiple=True, metavar="NAME=AMOUNT", help="What a unit of an attribute is worth.")
@click.option("--require", "requirements", multiple=True, metavar="NAME>=VALUE", help="Or <=, or =: no offer without.")
@YES
@click.pass_obj
def rfq(
    options: Options, /, coop_id: str, weights: tuple[str, ...], requirements: tuple[str, ...], yes: bool
) -> None:
    """Weights, requirements and data terms are those of the members' intents; a weight may be stressed up to twice."""
    client = Client.of(options)
    row = coop_of(client, coop_id)
    values: dict[str, Any] = {
        "weights_minor": dict(weight(item, row["currency"]) for item in weights),
        "requirements": [requirement(item) for item in requirements],
    }
    options.confirm(
        f"This asks suppliers, for {short(row['id'])} and under your mandate, to quote for {row['members']} members. It"
        " commits nobody to buy, and cannot be changed once signed.",
        yes,
    )
    answer = client.post(f"/coops/{row['id']}/rfq", values)
    options.out(answer, f"Suppliers of {short(row['id'])} are asked.")


@click.command(
    "award",
    cls=Command,
    example="wltm award 3f2a91c0",
    help="How the quotations rank, which one is awarded, who gets what.",
)
@click.argument("coop_id", metavar="COOP")
@click.pass_obj
def award(options: Options, /, coop_id: str) -> None:
    """Recomputed by your own node."""
    client = Client.of(options)
    found = client.get(f"/coops/{coop_of(client, coop_id)['id']}")
    deal = found.get("deal_detail", {})
    options.out({"state": found["state"], "deal": deal}, lambda: award_text(found))


@click.command(
    "commit",
    cls=Command,
    example="wltm coop commit 3f2a91c0 --yes",
    help="Sign your own part of the award: binding.",
)
@click.argument("deal", metavar="COOP|DEAL")
@click.option("--terms", default="", help="Data terms that you take in place of your own, where the need says so.")
@YES
@click.pass_obj
def coop_commit(options: Options, /, deal: str, terms: str, yes: bool) -> None:
    """The pledge's numbers are repeated; nobody signs for you."""
    client = Client.of(options)
    found, row = deal_of(client, deal)
    options.confirm(
        f"This binds you to buy under the award of deal {short(found)}"
        f" ({row.get('purpose') or row.get('category', '')}), within the quantity and price you pledged. Once signed"
        " only the supplier's cancellation terms undo it."
        + (f" The supplier may use your details by {terms}, not by your own data terms." if terms else ""),
        yes,
    )
    values = {"terms": terms} if terms else {}
    options.out(client.post(f"/deals/{found}/commit", values), f"Committed to deal {short(found)}.")


@click.command(
    "decline",
    cls=Command,
    example="wltm coop decline 3f2a91c0 --reason price --yes",
    help="Say no to the award, with a reason.",
)
@click.argument("deal", metavar="COOP|DEAL")
@click.option("--reason", type=click.Choice(REASONS), required=True)
@click.option("--remark", default="", help="A few sentences for the others.")
@YES
@click.pass_obj
def coop_decline(options: Options, /, deal: str, reason: str, remark: str, yes: bool) -> None:
    """Voice, not only exit."""
    client = Client.of(options)
    found, _ = deal_of(client, deal)
    options.confirm(f"This says no to deal {short(found)} ({reason}). Once signed it cannot be changed.", yes)
    options.out(
        client.post(f"/deals/{found}/decline", {"reason": reason, "remark": remark}), f"Declined deal {short(found)}."
    )


@click.group("supplier", cls=Group, example="wltm supplier deals", help="For suppliers.")
def supplier() -> None:
    """Quote; what comes after an award is `deal`'s."""


@supplier.command(
    "quote",
    example="wltm supplier quote --prices prices.csv --category electricity --region u10 --label 'Green Grid' --yes",
    help="Answer every fitting request for quotations of a board from this price list, until you replace it.",
)
@click.option("--prices", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE.csv")
@click.option("--category", required=True)
@click.option("--region", required=True)
@click.option("--label", required=True, help="Your name on the board.")
@click.option("--terms", multiple=True, help="Data terms you accept (repeat).")
@click.option("--instead", default="", help="Data terms that you offer to whoever asks for others.")
@click.option("--identity", "identity", multiple=True, metavar="NAME=TEXT", help="The trader's name, address, contact.")
@YES
@click.pass_obj
def quote(
    options: Options,
    /,
    prices: Path,
    category: str,
    region: str,
    label: str,
    terms: tuple[str, ...],
    instead: str,
    identity: tuple[str, ...],
    yes: bool,
) -> None:
    """The whole file is checked before anything is signed."""
    from node.cli.home import configuration
    from node.prices import FILE_BYTES_MAX, read
    from node.template import in_home

    template = in_home(configuration(options).home).get(category)
    if template is None:
        raise Stop(USAGE, f"--category {category[:40]}: there is no template of this name here", "CLI-6")
    data = content(prices, FILE_BYTES_MAX)
    found = read(data, template)
    if found.complaints:
        first = found.complaints[0]
        raise Stop(USAGE, f"price list line {first.line}, {first.column}: {first.message}", first.clause)
    rows = found.offers
    client = Client.of(options)
    values = {
        "category": category,
        "region": region,
        "label": label,
        "rows": [],
        "terms": sorted({*terms}),
        "instead": [instead] if instead else [],
        "identity": {name: text for name, _, text in (item.partition("=") for item in identity)} or {"name": label},
    }
    options.confirm(
        f"From now on this node answers requests on {category}/{region} from this list by itself"
        f" ({counted(len(rows), 'article')}). Each quotation binds you while it is valid; a new list replaces this one"
        " for requests not yet answered.",
        yes,
    )
    client.call("PUT", "/prices", values)
    answer = client.send(f"/supplier/files/{part(category)}/{part(region)}", data)
    options.out(answer, f"Quoting on {category}/{region} from {counted(len(rows), 'article')}.")


@supplier.command("deals", example="wltm supplier deals", help="The requests this node knows, and how they stand.")
@click.pass_obj
def deals(options: Options) -> None:
    """The supplier's feed."""
    found = Client.of(options).get("/deals")
    options.out(found, lambda: deals_text(found))


@supplier.command(
    "deliver",
    example="wltm supplier deliver 5d0e77a1 --yes",
    help="Report that each member of your agreement got all that was still due; `deal deliver` reports in parts.",
)
@click.argument("deal")
@YES
@click.pass_obj
def deliver(options: Options, /, deal: str, yes: bool) -> None:
    """One event per member."""
    client = Client.of(options)
    known = {row["id"]: row for row in client.get("/deals")}
    row = known[one_of(deal, list(known), "deal")]
    me = client.get("/status")["persona"]
    lines = [one for one in row["accounts"] if one["supplier"] == me]
    if not lines:
        raise Stop(USAGE, f"deal {short(row['id'])} has no agreement of yours yet (it is {row['state']})", "AGR-3")
    due = [[one["member"], one["owed"] - one["got"]] for one in lines if not one["fulfilled"]]
    options.confirm(
        f"This states in deal {short(row['id'])} that each of {len(due)} members got all that was still due to them. It"
        " stays on record; a mistake is corrected by `wltm deal correct`.",
        yes,
    )
    for member, quantity in due:
        client.post(f"/deals/{row['id']}/report", {"action": "deliver", "member": member, "quantity": quantity})
    options.out({"deal": row["id"], "delivered": due}, f"Reported {len(due)} deliveries.")
