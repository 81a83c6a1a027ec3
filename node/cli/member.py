"""What a member does before there is a co-op: say what they would like, look at the board, join.

Decides nothing; asks the running node. Spec: 13-node, CLI-4, CLI-10.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from node import invitation
from node.cli.client import Client, part
from node.cli.shell import USAGE, Command, Group, Options, Stop, table
from node.cli.views import board_text, needs_text
from node.cues import KINDS
from node.present import amount, instant, line, now_ms, short
from protocol.params import BOARD_OTHERS_LEAST

YES = click.option("--yes", is_flag=True, help="Sign without asking.")
REASONS = ("changed-mind", "found-better", "other", "price", "terms", "timing")
CHARTER_SECONDS = 15.0  # until the node goes on waiting alone
JOINED = {"joined": "Joined {0}, unless its roster is full; `wltm coop show {0}` says how it goes."}
JOINS_LATER = "The charter of {0} has not come yet: the node joins by itself when it does."
_OPERATORS = {">=": "at-least", "<=": "at-most", "=": "equal"}
PATIENCE = click.option(
    "--patience", type=click.IntRange(1), default=600, show_default=True, help="With --until: seconds."
)


@click.command(
    "needs", cls=Command, example="wltm needs", help="What waits for you, until when, and what silence means."
)
@click.option("--until", "kind", type=click.Choice(KINDS), metavar="KIND", help="Wait until this is among them.")
@PATIENCE
@click.pass_obj
def needs(options: Options, kind: str | None, patience: int) -> None:
    """The list that the page begins with."""
    client = Client.of(options)
    if kind:
        options.say(f"Waiting until “{kind}” is among what waits for you …")
        client.wait(lambda: any(need["kind"] == kind for need in client.get("/needs")), kind, patience)
    found = client.get("/needs")
    mesh = client.get("/mesh")
    if not mesh["fresh"]:
        options.say(mesh["fresh_says"] or mesh["says"])
    options.out(found, lambda: needs_text(found))


@click.group("intent", cls=Group, example="wltm intent list", help="What you would like.")
def intent() -> None:
    """Add, list, withdraw."""


@intent.command(
    "add",
    example="wltm intent add home --category electricity --region u10 --want 30 --spend 62 --by +30d --yes",
    help="Put “I would like …” on the board, or a new version of the one called NAME.",
)
@click.argument("name")
@click.option("--category", required=True, help="What kind of thing, as its template is called.")
@click.option("--region", required=True, help="Where: a geohash of up to five letters.")
@click.option("--want", type=click.IntRange(0), required=True, help="How many units a period.")
@click.option("--tolerate", type=click.IntRange(0), default=0, help="How many more you would take.", show_default=True)
@click.option("--spend", required=True, help="What you pay now per period, such as 62.50.")
@click.option("--readiness", type=click.Choice(["exploring", "ready"]), default="ready", show_default=True)
@click.option("--by", "ready_by", required=True, help="Ready by: 2026-12-31, or +30d.")
@click.option("--terms", multiple=True, help="Data terms you ask for (repeat).")
@click.option("--require", "requirements", multiple=True, metavar="NAME>=VALUE", help="Or <=, or =: no offer without.")
@click.option("--subject", default="", help="What it is, where a category has many: GTIN, ISBN, maker and model.")
@click.option("--words", default="", help="With --subject: more about it, for people.")
@click.option("--near", default="", help="A smaller region where you would rather share, such as u10hb in u10.")
@click.option("--reach", default="", help="When left over, go by itself to wider boards, at most to this region.")
@click.option("--as", "persona", default="", metavar="NAME", help="As which of your personas (`wltm persona list`).")
@YES
@click.pass_obj
def intent_add(options: Options, /, yes: bool, spend: str, ready_by: str, **values: Any) -> None:
    """Signed and shown to everyone on the board."""
    client = Client.of(options)
    board = client.get(f"/board/{part(values['category'])}/{part(values['region'])}")
    values["spend_minor"] = amount(spend, board["currency"])
    values["ready_by"] = instant(ready_by, now_ms())
    values["terms"] = sorted({*values["terms"]})
    values["requirements"] = [requirement(item) for item in values["requirements"]]
    options.confirm(
        f"This shows everyone on the board {values['category']}/{values['region']} that your persona would like"
        f" {values['want']} units a period. It binds you to nothing; undo it with `wltm intent withdraw"
        f" {values['name']}` at any time.",
        yes,
    )
    answer = client.post("/intents", values)
    options.out(answer, f"On the board: {values['name']}." + among(answer.get("others", 0), values["region"]))


def among(others: int, region: str) -> str:
    """What standing on a board with so few others says (CNS-33)."""
    if region == "any" or others >= BOARD_OTHERS_LEAST:
        return ""
    stand = "1 other stands" if others == 1 else f"{others} others stand"
    return f" {stand} there, as far as this node knows; in a wider region yours says less of where you live."


@intent.command("list", example="wltm intent list", help="Your own intents.")
@click.pass_obj
def intent_list(options: Options) -> None:
    """Also those that are used up."""
    found = Client.of(options).get("/intents")
    columns = {"name": "name", "category": "category", "region": "region", "want": "want", "readiness": "readiness"}
    columns |= {"subject": "subject"} if any("subject" in one for one in found) else {}
    options.out(found, lambda: table(found, columns, "No intents yet; add one with `wltm intent add`."))


@intent.command("withdraw", example="wltm intent withdraw home --yes", help="Take an intent off the board.")
@click.argument("name")
@YES
@click.pass_obj
def intent_withdraw(options: Options, /, name: str, yes: bool) -> None:
    """A join or pledge made with it stands until its own end."""
    client = Client.of(options)
    options.confirm(
        f"This takes {name} off the board; a join or pledge made with it stands until its own end. Adding it again is"
        " possible at any time.",
        yes,
    )
    options.out(client.call("DELETE", f"/intents/{part(name)}", {}), f"Withdrawn: {name}.")


@intent.command("widen", example="wltm intent widen home --yes", help="Take an intent to the next wider board.")
@click.argument("name")
@YES
@click.pass_obj
def intent_widen(options: Options, /, name: str, yes: bool) -> None:
    """Where too few live near, more live further away; those who are near are still preferred."""
    client = Client.of(options)
    options.confirm(
        f"This withdraws {name} and shows it on the next wider board, with the region where it stood.", yes
    )
    found = client.post(f"/intents/{part(name)}/widen", {})
    options.out(found, f"Now on {found['board']}: {name}.")


@intent.command(
    "choose",
    example="wltm intent choose electricity --choices choices.csv --person 17",
    help="Let the node learn what you like from what you chose; the exact weights stay at home.",
)
@click.argument("category")
@click.option("--choices", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE.csv")
@click.option("--person", required=True, metavar="ID", help="Which rows of the file are yours.")
@click.pass_obj
def intent_choose(options: Options, /, category: str, choices: Path, person: str) -> None:
    """Nothing is signed: the next version of an intent shows levels, never weights."""
    from node.groups import load_choices

    found = load_choices(choices)
    if person not in found.people:
        raise Stop(USAGE, f"--person {person[:40]}: is not in {choices.name}", "CLI-9")
    tasks = [
        ([dict(zip(found.attributes, row, strict=True)) for row in task.rows], task.chosen)
        for task in found.people[person]
    ]
    answer = Client.of(options).call("PUT", "/preferences", {"category": category, "tasks": tasks})
    options.out(answer, lambda: line(answer["words"]))


@intent.command(
    "limits",
    example="wltm intent limits --price-max 2.50 --currency GBP --latest +90d",
    help="Set what your node may never sign past, replacing what was set before.",
)
@click.option("--price-max", help="Highest unit price, such as 2.50.")
@click.option("--currency", default="GBP", show_default=True, help="Of --price-max.")
@click.option("--latest", help="No signature after this time.")
@click.option("--open-pledges", type=click.IntRange(0), help="Most pledges open at a time.")
@click.option("--exclude", multiple=True, metavar="DID", help="Never from this supplier (repeat).")
@click.option("--value-max", help="The most that one deal may come to over its term, such as 600.")
@click.option("--prepaid-max", type=click.IntRange(0, 100), help="The most to be paid before delivery, in percent.")
@click.option("--risk-max", type=click.Choice(["lowest", "low", "high"]), help="No co-op of a higher class of risk.")
@click.option("--outcomes", "outcomes_least", type=click.IntRange(0, 8), help="Kept deals a negotiator must show.")
@click.option("--disclose", help="What may ever be told to a supplier: of name, address, contact, notes; or 'none'.")
@click.pass_obj
def intent_limits(
    options: Options,
    /,
    price_max: str | None,
    currency: str,
    latest: str | None,
    open_pledges: int | None,
    exclude: tuple[str, ...],
    value_max: str | None,
    prepaid_max: int | None,
    risk_max: str | None,
    outcomes_least: int | None,
    disclose: str | None,
) -> None:
    """They stay at home, and nothing is signed now."""
    values = {
        "price_max_minor": None if price_max is None else amount(price_max, currency),
        "latest": None if latest is None else instant(latest, now_ms()),
        "open_pledges_max": open_pledges,
        "excluded_suppliers": sorted(exclude),
        "value_max_minor": None if value_max is None else amount(value_max, currency),
        "prepaid_max_percent": prepaid_max,
        "risk_max": risk_max,
        "outcomes_least": outcomes_least,
        "disclose": None if disclose is None else [one for one in disclose.split(",") if one != "none"],
    }
    answer = Client.of(options).call("PUT", "/boundaries", values)
    options.out(answer, "Your node will not sign past these limits.")


@intent.command(
    "baseline",
    example="wltm intent baseline home --unit-price 2.60 --once 12",
    help="Say what you pay today; it stays on this machine, and every offer is compared with it.",
)
@click.argument("name")
@click.option("--unit-price", required=True, help="Of one counted unit, such as 2.60.")
@click.option("--once", default="0", show_default=True, help="What comes on top over the term: fees, delivery.")
@click.option("--currency", default="GBP", show_default=True, help="Of both.")
@click.pass_obj
def intent_baseline(options: Options, /, name: str, unit_price: str, once: str, currency: str) -> None:
    """Nothing is signed or shown to anybody."""
    values = {"unit_price_minor": amount(unit_price, currency), "once_minor": amount(once, currency)}
    answer = Client.of(options).call("PUT", f"/intents/{part(name)}/baseline", values)
    options.out(answer, f"Offers for {name} are compared with {currency} {unit_price} a unit.")


@click.command(
    "board",
    cls=Command,
    example="wltm board electricity u10",
    help="What a board holds; without arguments, the boards of your own intents.",
)
@click.argument("category", required=False)
@click.argument("region", required=False)
@click.pass_obj
def board(options: Options, /, category: str | None, region: str | None) -> None:
    """Pooled value as a band, calls of co-ops, requests for quotations."""
    client = Client.of(options)
    if category and region:
        boards = [(category, region)]
    elif category:
        raise Stop(USAGE, "a board is named by its category and its region: wltm board electricity u10", "CLI-6")
    else:
        boards = list(dict.fromkeys((row["category"], row["region"]) for row in client.get("/intents")))
    found = [client.get(f"/board/{part(name)}/{part(place)}") for name, place in boards]
    options.out(found, lambda: "\n\n".join(map(board_text, found)) or "No boards yet; add an intent.")


@click.command(
    "join",
    cls=Command,
    example="wltm join wltm:hqRuYW1l… --intent home --yes",
    help="Join the co-op that a link invites you to, with one of your intents.",
)
@click.argument("link")
@click.option("--intent", "intent_name", required=True, metavar="NAME", help="Which of your intents it serves.")
@click.option("--least", type=click.IntRange(0), default=0, help="Only if at least so many join.")
@click.option("--most", type=click.IntRange(0), default=0, help="Only if at most so many join (0: any).")
@click.option("--exclude", multiple=True, metavar="DID", help="Not together with this persona (repeat).")
@YES
@click.pass_obj
def join(
    options: Options, /, link: str, intent_name: str, least: int, most: int, exclude: tuple[str, ...], yes: bool
) -> None:
    """One action; the node waits for the charter by itself."""
    from node.cli.home import configuration

    invited = invitation.read(link, now_ms())
    if invited.network_id != configuration(options).network.id:
        raise Stop(
            USAGE,
            f"the link is for another network ({invited.name}); make a home for it with `wltm init --invitation LINK`",
            "CLI-10",
        )
    client = Client.of(options)
    for address in invited.relays:
        with suppress(Stop):  # to be reached through others matters less than to ask
            client.post("/peers", {"address": address, "invited": True})
    coop = invited.coop.hex()
    options.confirm(
        f"This asks to be on the roster of {short(coop)} and shows its members your intent {intent_name}. It buys"
        " nothing; you can leave until your own commitment.",
        yes,
    )
    values = {"intent": intent_name, "least": least, "most": most, "exclude": sorted(exclude)}
    answer: dict[str, Any] = {}
    end = time.monotonic() + CHARTER_SECONDS
    for name, event in client.events(CHARTER_SECONDS):
        if name == "open":
            answer = client.post(f"/coops/{coop}/join", {**values, "token": invited.token.hex()})
            options.say("Waiting for the charter …")
        elif name == "change" and event["detail"].get("coop") == coop and event["topic"] == "refused":
            raise Stop(USAGE, event["detail"]["message"], event["detail"]["code"])
        elif name == "change" and event["detail"].get("coop") == coop and event["topic"] == "joined":
            answer |= {"state": "joined"}
            break
        elif time.monotonic() > end:
            break
    options.out(answer, lambda: JOINED.get(answer["state"], JOINS_LATER).format(short(coop)))


def weight(item: str, currency: str) -> tuple[str, int]:
    """What a unit of an attribute counts, below 0 where more is better: 'renewable_percent=-0.05'."""
    name, equals, worth = item.partition("=")
    if not equals:
        raise Stop(USAGE, f"--weight {item[:40]}: write it like renewable_percent=-0.05", "CLI-6")
    return name, (-1 if worth.startswith("-") else 1) * amount(worth.removeprefix("-"), currency)


def requirement(item: str) -> dict[str, Any]:
    """A requirement as typed: 'renewable_percent>=80', the value scaled as the template says."""
    for sign, operator in _OPERATORS.items():
        name, found, value = item.partition(sign)
        if found and value.removeprefix("-").isdecimal():
            return {"attribute": name, "operator": operator, "value": int(value)}
    raise Stop(USAGE, f"--require {item[:40]}: write it like 'renewable_percent>=80'", "CLI-6")
