"""The supplier's programs and standing: webhooks, a domain's proof, the business case.

Decides nothing. The business case is computed here and told to nobody; a domain is asked from here. Spec: 16-supplier,
SUP-22 to SUP-26, SUP-40, SUP-50 to SUP-52; 13-node, CLI-67 and CLI-69.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from node.cli.client import Client, part
from node.cli.home import configuration
from node.cli.member import YES
from node.cli.shell import USAGE, WRONG, Group, Options, Stop, content, table
from node.cli.supply import supplier as supplier

_FILE = click.Path(dir_okay=False, path_type=Path)


@supplier.group("hook", cls=Group, example="wltm supplier hook list", help="Webhooks for your own program.")
def hook() -> None:
    """Signed, in order, at least once."""


@hook.command("list", example="wltm supplier hook list", help="Every webhook, and what could not be delivered.")
@click.pass_obj
def hook_list(options: Options) -> None:
    """No secrets."""
    found = Client.of(options).get("/supplier/hooks")
    columns = {"id": "id", "url": "url", "at": "delivered", "tries": "tries", "why": "trouble", "put": "put aside"}
    rows = [one | {"put": len(one["dead"])} for one in found]
    options.out(found, lambda: table(rows, columns, "There is no webhook."))


@hook.command("add", example="wltm supplier hook add https://erp.example/wltm", help="A new webhook, and its secret.")
@click.argument("url")
@click.option("--secret", type=_FILE, help="A file with the secret to use; without it one is made.", metavar="FILE")
@click.option("--after", type=click.IntRange(0), default=0, help="Only entries beyond this number of the feed.")
@click.pass_obj
def hook_add(options: Options, /, url: str, secret: Path | None, after: int) -> None:
    """The secret never stands on the command line."""
    words = content(secret, 1000).decode("utf-8", "replace").strip() if secret is not None else ""
    found = Client.of(options).post("/supplier/hooks", {"url": url, "secret": words, "after": after})
    options.out(found, f"Webhook {found['id']} sends to {url}.\nIts secret, shown this once: {found['secret']}")


@hook.command("remove", example="wltm supplier hook remove 1f2e3d4c", help="Send no more there.")
@click.argument("name")
@click.pass_obj
def hook_remove(options: Options, /, name: str) -> None:
    """At once."""
    options.out(Client.of(options).call("DELETE", f"/supplier/hooks/{part(name)}"), "Removed.")


@hook.command("test", example="wltm supplier hook test 1f2e3d4c", help="Send an entry numbered 0 now.")
@click.argument("name")
@click.pass_obj
def hook_test(options: Options, /, name: str) -> None:
    """Exit code 1 when it was not taken."""
    found = Client.of(options).post(f"/supplier/hooks/{part(name)}/test")
    options.failed = 0 if found["delivered"] else WRONG
    options.out(found, "It was taken." if found["delivered"] else f"It was not taken: {found['why']}.")


@hook.command("again", example="wltm supplier hook again 1f2e3d4c", help="Send again from what was put aside.")
@click.argument("name")
@click.pass_obj
def hook_again(options: Options, /, name: str) -> None:
    """In order, what came after it too."""
    found = Client.of(options).post(f"/supplier/hooks/{part(name)}/again")
    options.out(found, f"Sending again from number {found['at'] + 1}.")


@supplier.command(
    "domain",
    example="wltm supplier domain shop.example --out wltm.json --yes",
    help="Claim a domain in your profile, write the file that proves it, and look whether it is there.",
)
@click.argument("name")
@click.option("--out", type=_FILE, default="wltm.json", help="Where to write the file; publish it as it is.")
@YES
@click.pass_obj
def domain(options: Options, /, name: str, out: Path, yes: bool) -> None:
    """The claim alone shows nothing."""
    from node.domain import PATH, check_domain

    check_domain(name)
    client = Client.of(options)
    options.confirm(f"Your profiles will say that you trade as {name}; anybody can look whether that holds.", yes)
    proof = client.call("PUT", "/supplier/domain", {"domain": name})["proof"]
    try:
        with out.open("x", encoding="utf-8") as file:
            json.dump({"proofs": [proof]}, file, indent=1)
    except OSError as error:
        raise Stop(USAGE, f"{out}: cannot be written ({error.strerror})", "CLI-9") from None
    told = f"Publish {out} as https://{name}{PATH}; then `wltm supplier check {name} KEY` shows it to everybody."
    options.out({"domain": name, "proof": proof, "file": str(out)}, told)


@supplier.command(
    "check",
    example="wltm supplier check shop.example did:key:z6Mk...",
    help="For members: does this did:key control this domain? Asks the domain, from here, now.",
)
@click.argument("name")
@click.argument("key")
@click.pass_obj
def check(options: Options, /, name: str, key: str) -> None:
    """Exit code 1 where nothing shows it."""
    import asyncio
    import time

    from node import domain as domains
    from protocol.errors import CommandError
    from protocol.identity import key_of

    try:
        who = key_of(key)
        says = asyncio.run(domains.shows(name, who, time.time_ns() // 1_000_000))
    except CommandError as error:
        raise Stop(WRONG if error.code == "SUP-51" else USAGE, error.message, error.code) from None
    options.out({"domain": name, "key": key, "shows": says}, says)


@supplier.command(
    "case",
    example="wltm supplier case --acquisition 6000 --price 285 --cost 250 --quantity 30 --periods 12 --offer 270",
    help="What winning many customers at once saves you, and from where on a deal pays. In pence, cents, …; kept in the"
    " home, told to nobody.",
)
@click.option("--acquisition", "acquisition_minor", type=click.IntRange(0), help="What a customer costs to win today.")
@click.option("--price", "price_minor", type=click.IntRange(0), help="Of a unit, today.")
@click.option("--cost", "cost_minor", type=click.IntRange(0), help="Of a unit.")
@click.option("--quantity", type=click.IntRange(1), help="Units of a customer in a period.")
@click.option("--periods", type=click.IntRange(1, 1200))
@click.option("--fixed", "fixed_minor", type=click.IntRange(0), help="What a deal costs whatever its size.")
@click.option("--churn", "churn_percent", type=click.FloatRange(0, 100), help="Percent who leave in each period.")
@click.option("--offer", type=click.IntRange(0), help="The unit price to look at; without it, today's.")
@click.option("--size", type=click.IntRange(1, 10**7), help="Look at this size too.")
@click.pass_obj
def case(options: Options, /, offer: int | None, size: int | None, **given: Any) -> None:
    """Computed here, without the node."""
    from node import case as cases

    home = configuration(options).home
    known = cases.load(home) | {name: value for name, value in given.items() if value is not None}
    needed = ("acquisition_minor", "price_minor", "cost_minor", "quantity", "periods")
    if lacking := [name for name in needed if name not in known]:
        raise Stop(USAGE, f"--{lacking[0].removesuffix('_minor')}: is needed the first time", "SUP-40")
    found = cases.check(cases.Case(**known))
    if home.is_dir():
        cases.keep(home, found)
    price = found.price_minor if offer is None else offer
    even = cases.break_even_size(found, price)
    lines = cases.table(found, price, sorted({*cases.SIZES, *([size] if size else [])}))
    rows = [{name: getattr(one, name) for name in one.__slots__} for one in lines]
    columns = {"size": "customers", "saved_minor": "acquisition saved", "profit_minor": "this deal brings"}
    columns |= {"today_minor": "one by one", "even_price_minor": "even at a price of"}
    says = f"At {price} a unit a deal pays from {even} customers on." if even else f"At {price} a unit no size pays."
    value = {"price_minor": price, "break_even_size": even, "table": rows}
    options.out(value, lambda: f"{says}\n" + table(rows, columns, ""))
