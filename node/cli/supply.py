"""The supplier's commands: prices, limits, what came of requests, orders, webhooks, the business case.

Decides nothing; asks the running node. The business case is computed here and told to nobody. Spec: 16-supplier;
13-node, CLI-4 and CLI-65 to CLI-67.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from node.cli.client import Client, part
from node.cli.home import configuration
from node.cli.member import YES
from node.cli.shell import USAGE, WRONG, Options, Stop, content, table
from node.cli.trade import supplier as supplier
from node.present import amount, counted, money, one_of, short

SHOWN = 10  # complaints and names that are printed
_FILE = click.Path(dir_okay=False, path_type=Path)


@supplier.command(
    "prices",
    example="wltm supplier prices prices.csv --category electricity --region u10 --preview",
    help="Take a price list: what differs by article is changed, what the file does not have is taken away.",
)
@click.argument("file", type=_FILE)
@click.option("--category", required=True)
@click.option("--region", required=True)
@click.option("--preview", is_flag=True, help="Only say what would change.")
@click.option("--upsert", is_flag=True, help="Keep articles that the file does not have.")
@click.option("--partial", is_flag=True, help="Take the good articles although others are bad.")
@click.option("--errors", type=_FILE, metavar="OUT.csv", help="Write what is wrong to a file.")
@click.option("--column", "columns", multiple=True, metavar="NAME=HEADING", help="What a column is called (repeat).")
@click.option("--value", "values", multiple=True, metavar="NAME=TEXT", help="One value for all rows (repeat).")
@click.option("--encoding", default="", help="utf-8, utf-16 or windows-1252, where the file does not show it.")
@click.option("--decimal", default="", help="comma or point, where the file does not show it.")
@YES
@click.pass_obj
def prices(
    options: Options,
    /,
    file: Path,
    category: str,
    region: str,
    columns: tuple[str, ...],
    values: tuple[str, ...],
    errors: Path | None,
    yes: bool,
    **how: Any,
) -> None:
    """The node reads the file; nothing is signed, but quotations follow from it."""
    from node.prices import FILE_BYTES_MAX

    data = content(file, FILE_BYTES_MAX)
    query = {name: value for name, value in how.items() if value and isinstance(value, str)}
    query |= {name: "true" for name, value in how.items() if value is True}
    for head, given in (("column", columns), ("value", values)):
        query |= {f"{head}.{name}": text for name, text in (_pair(one, head) for one in given)}
    if errors is not None and errors.exists():
        raise Stop(USAGE, f"{errors} exists; name another file", "CLI-9")
    client = Client.of(options)
    if not how["preview"]:
        options.confirm(f"Quotations on {category}/{region} are made from {file.name} from now on, and bind you.", yes)
    path = f"/supplier/files/{part(category)}/{part(region)}?{urlencode(query)}"
    found = client.send(path, data)
    if errors is not None and found["wrong"]:
        _write_errors(errors, found["complaints"])
    options.failed = 0 if found["taken"] or (how["preview"] and not found["wrong"]) else WRONG
    options.out(found, lambda: _taken_text(found, how["preview"]))


def _pair(given: str, option: str) -> tuple[str, str]:
    name, equals, text = given.partition("=")
    if not equals or not name:
        raise Stop(USAGE, f'--{option} {given[:40]}: write it like unit_price="Preis netto"', "CLI-6")
    return name, text


def _write_errors(path: Path, complaints: list[dict[str, Any]]) -> None:
    from node.prices import Complaint, complaints_csv

    try:
        with path.open("x", encoding="utf-8-sig", newline="") as file:
            file.write(complaints_csv(Complaint(**one) for one in complaints))
    except OSError as error:
        raise Stop(USAGE, f"{path}: cannot be written ({error.strerror})", "CLI-9") from None


def _taken_text(found: dict[str, Any], preview: bool) -> str:
    did = "would be" if preview or not found["taken"] else "is" if found["new"] == 1 else "are"
    counts = f"{counted(found['new'], 'article')} {did} new, {found['changed']} changed, {found['gone']} gone"
    lines = [f"{counts}; {found['same']} as before."]
    for what in ("new", "changed", "gone"):
        if names := found["named"][what]:
            more = f" and {found[what] - SHOWN} more" if found[what] > SHOWN else ""
            lines.append(f"  {what}: {', '.join(names[:SHOWN])}{more}")
    lines += found["notes"]
    for one in found["complaints"][:SHOWN]:
        where = f"line {one['line']}" + (f", {one['column']}" if one["column"] else "")
        lines.append(f"  {where}: {one['value']!r} {one['message']} [{one['clause']}]")
    if found["wrong"] > SHOWN:
        lines.append(f"  and {found['wrong'] - SHOWN} more; --errors OUT.csv writes all of them to a file")
    if found["wrong"] and not found["taken"]:
        lines.append("Nothing was taken: correct the file, or take the good articles with --partial.")
    return "\n".join(lines)


_RULES = (
    # option, name of the rule, help
    ("--margin", "margin_percent", "Least margin on an article's cost, in percent."),
    ("--members", "members_least", "Fewest members of a request."),
    ("--least", "quantity_least", "Smallest quantity of a request."),
    ("--most", "quantity_most", "Largest order, in counted units a period."),
    ("--worth", "value_most_minor", "Largest order over its whole term, in pence, cents, …"),
    ("--open", "open_most", "Most quotations that wait for their award."),
    ("--headroom", "headroom_percent", "How much more than requested is kept free, in percent."),
    ("--prepaid", "prepaid_percent", "How much of the sum you ask for before you deliver, in percent."),
)


@supplier.command(
    "rules",
    example="wltm supplier rules --mode review --margin 15",
    help="The limits within which this node quotes; without options, those in force. What is not named stays.",
)
@click.option("--mode", type=click.Choice(["auto", "review", "off"]))
@click.option("--countersign", type=click.Choice(["auto", "manual"]))
@YES
@click.pass_obj
def rules(options: Options, /, yes: bool, **given: Any) -> None:
    """Floors are in the price list; these stand beside them."""
    client = Client.of(options)
    known = client.get("/supplier")["rules"]
    new = {name: value for name, value in given.items() if value is not None}
    if new:
        loose = (known | new)["mode"] == "auto"
        does = "signs quotations by itself" if loose else "signs no quotation by itself"
        options.confirm(f"Within these limits this node {does}; what was signed before stands.", yes)
        known = client.call("PUT", "/supplier/rules", known | new)
    options.out(known, lambda: "\n".join(f"{name:18} {value}" for name, value in known.items()))


for _option, _name, _help in reversed(_RULES):
    rules.params.insert(1, click.Option([_option, _name], type=click.IntRange(0), help=_help))


@supplier.command(
    "feed",
    example="wltm supplier feed --follow",
    help="What happened to requests, in order: seen, quoted, won, lost and by which clause.",
)
@click.option("--after", type=click.IntRange(0), default=0, help="Only entries beyond this number.")
@click.option("--follow", is_flag=True, help="Go on until stopped.")
@click.pass_obj
def feed(options: Options, /, after: int, follow: bool) -> None:
    """One line an entry; with --json one object a line where it follows."""
    client = Client.of(options)
    page = client.get("/supplier/feed", after=str(after), limit="500")
    if not follow:
        options.out(page, lambda: "\n".join(map(_entry, page["entries"])) or "Nothing has happened yet.")
        return
    while True:
        for entry in page["entries"]:
            after = entry["number"]
            click.echo(json.dumps(entry) if options.json else _entry(entry))
        if not page["entries"]:
            next((1 for name, _ in client.events(60.0) if name in ("change", "resync")), 0)
        page = client.get("/supplier/feed", after=str(after), limit="500")


def _entry(entry: dict[str, Any]) -> str:
    told = entry["detail"]
    shown = [f"{name} {told[name]}" for name in ("sku", "quantity", "capacity", "code", "message") if told.get(name)]
    return f"{entry['number']:6}  {short(entry['deal'])}  {entry['event']:14} {', '.join(shown)}".rstrip()


@supplier.command("requests", example="wltm supplier requests", help="Every request, and what came of it.")
@click.pass_obj
def requests(options: Options) -> None:
    """Newest first."""
    found = Client.of(options).get("/supplier/requests")
    columns = {"deal": "deal", "category": "category", "region": "region", "members": "members"}
    columns |= {"quantity": "quantity", "status": "status", "sku": "article", "code": "clause"}
    rows = [one | {"deal": short(one["deal"])} for one in found]
    options.out(found, lambda: table(rows, columns, "No request has come yet."))


@supplier.command(
    "confirm",
    example="wltm supplier confirm 5d0e77a1 --rung 1=2.70 --rung 100=2.50 --yes",
    help="Sign the quotation that this node proposes, or another within your limits.",
)
@click.argument("deal")
@click.option("--sku", default="", help="Another article.")
@click.option("--rung", "rungs", multiple=True, metavar="QUANTITY=PRICE", help="The ladder, in place of the list's.")
@click.option("--capacity", type=click.IntRange(1), default=None, help="Counted units a period, likewise.")
@YES
@click.pass_obj
def confirm(
    options: Options, /, deal: str, sku: str, rungs: tuple[str, ...], capacity: int | None, yes: bool
) -> None:
    """Never below a floor."""
    from node.template import in_home

    client = Client.of(options)
    row = _request(client, deal)
    template = in_home(configuration(options).home).get(row["category"])
    values: dict[str, Any] = {"sku": sku, "ladder": []}
    for minimum, price in (_pair(one, "rung") for one in rungs):
        if not minimum.isdecimal():
            raise Stop(USAGE, "--rung: write it like 100=2.50", "CLI-6")
        values["ladder"].append([int(minimum), amount(price, template.currency if template else "EUR")])
    if capacity is not None:
        values["capacity"] = capacity
    options.confirm(f"This signs a quotation for deal {short(row['deal'])}; it binds you while it is valid.", yes)
    found = client.post(f"/supplier/requests/{row['deal']}/quote", values)
    options.out(found, f"Quoted {found['sku']} for {short(row['deal'])}.")


@supplier.command("pass", example="wltm supplier pass 5d0e77a1", help="Do not quote for a request.")
@click.argument("deal")
@click.option("--reason", default="", help="For yourself.")
@click.pass_obj
def pass_(options: Options, /, deal: str, reason: str) -> None:
    """Nobody is told."""
    client = Client.of(options)
    row = _request(client, deal)
    options.out(client.post(f"/supplier/requests/{row['deal']}/pass", {"reason": reason}), "Passed.")


@supplier.command("countersign", example="wltm supplier countersign 5d0e77a1 --yes", help="Sign an agreement by hand.")
@click.argument("deal")
@YES
@click.pass_obj
def countersign(options: Options, /, deal: str, yes: bool) -> None:
    """Needed where the rules say `--countersign manual`."""
    client = Client.of(options)
    row = _request(client, deal)
    options.confirm(f"This acknowledges the agreement of deal {short(row['deal'])}, which binds you already.", yes)
    options.out(client.post(f"/supplier/requests/{row['deal']}/countersign"), "Signed.")


@supplier.command("release", example="wltm supplier release 5d0e77a1", help="Free what a deal was promised.")
@click.argument("deal")
@click.pass_obj
def release(options: Options, /, deal: str) -> None:
    """Possible once no quotation binds."""
    client = Client.of(options)
    row = _request(client, deal)
    options.out(client.post(f"/supplier/requests/{row['deal']}/release"), "Released.")


@supplier.command("order", example="wltm supplier order 5d0e77a1 --csv order.csv", help="What to deliver to whom.")
@click.argument("deal")
@click.option("--csv", "out", type=_FILE, help="Write the lines to a file, for whoever packs.")
@click.pass_obj
def order(options: Options, /, deal: str, out: Path | None) -> None:
    """With the details that members gave."""
    client = Client.of(options)
    row = _request(client, deal)
    found = client.get(f"/supplier/requests/{row['deal']}/order")
    if out is not None:
        _write_order(out, found)
    columns = {"member": "member", "quantity": "quantity", "name": "name", "address": "address"}
    rows = [one | one["details"] | {"member": short(one["member"])} for one in found["lines"]]
    price = money(found["unit_price_minor"], found["currency"])
    head = f"{found['quantity']} of {found['sku']} a period at {price} each, {found['periods']} periods"
    options.out(found, lambda: f"{head}\n" + table(rows, columns, ""))


def _write_order(path: Path, found: dict[str, Any]) -> None:
    import csv

    from node.prices import safe

    try:
        with path.open("x", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["sku", "member", "quantity", "name", "address", "contact", "notes"])
            for one in found["lines"]:
                told = [safe(one["details"].get(name, "")) for name in ("name", "address", "contact", "notes")]
                writer.writerow([safe(found["sku"]), one["member"], one["quantity"], *told])
    except OSError as error:
        raise Stop(USAGE, f"{path}: cannot be written ({error.strerror})", "CLI-9") from None


def _request(client: Client, deal: str) -> dict[str, Any]:
    known = {row["deal"]: row for row in client.get("/supplier/requests")}
    row: dict[str, Any] = known[one_of(deal, list(known), "deal")]
    return row
