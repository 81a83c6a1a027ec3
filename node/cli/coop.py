"""What a member does in a co-op, by hand: found, join, pledge, stand, vote.

Decides nothing; asks the running node. Before each signature it says what that binds. Spec: 13-node, CLI-4, CLI-7.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from node.cli.client import Client, part
from node.cli.member import PATIENCE, YES
from node.cli.shell import USAGE, WRONG, Group, Options, Stop, table
from node.cli.views import coop_text, standing_text
from node.present import amount, money, one_of, short
from protocol.errors import Reject
from protocol.identity import key_of
from protocol.params import MEMBERS_MAX

# From first to last; a co-op can fail from most of them.
STATES = (
    *("called", "forming", "gathering", "balloting", "counting", "elected", "mandated", "dealing"),
    *("succeeding", "unled"),
    *("asked", "suggested", "revised", "quoted", "revealed", "bettered", "awarded", "repairing", "agreed"),
    *("countersigned", "delivered"),
    *("cancelled", "ended"),
)
FAILED = ("void", "defaulted")


@click.group("coop", cls=Group, example="wltm coop list", help="The co-ops you are in, or could be.")
def coop() -> None:
    """One command per act."""


def coop_of(client: Client, typed: str) -> dict[str, Any]:
    """The co-op whose id begins with what was typed."""
    rows = {row["id"]: row for row in client.get("/coops")}
    return dict(rows[one_of(typed, list(rows), "co-op")])


def deal_of(client: Client, typed: str) -> tuple[str, dict[str, Any]]:
    """The deal whose id, or whose co-op's id, begins with what was typed: (deal id, the co-op's or supplier's row)."""
    coops = client.get("/coops")
    known = {row["id"]: {**row, "supplier": _supplier(row)} for row in client.get("/deals")}
    known |= {row["deal"]: row for row in coops if row["deal"]}
    by_coop = {row["id"]: row["deal"] for row in coops if row["deal"]}
    name = one_of(typed, [*known] if typed == "-" else [*known, *by_coop], "deal")
    deal = by_coop.get(name, name)
    return deal, known[deal]


def _supplier(row: dict[str, Any]) -> str:
    """With whom a deal is, the first where there are several; "" before its award."""
    parts = row.get("agreements") or row.get("award", {}).get("parts") or [{"supplier": ""}]
    return str(parts[0]["supplier"])


def persona(typed: str, names: list[str] | None = None) -> str:
    """A persona's key in hex: typed as did:key or, among `names`, as the beginning of the hex."""
    if typed.startswith("did:"):
        try:
            return key_of(typed).hex()
        except Reject as error:
            raise Stop(USAGE, error.message, error.code) from None
    if names is not None:
        return one_of(typed, names, "persona")
    if not re.fullmatch("[0-9a-f]{64}", typed):
        raise Stop(USAGE, f"{typed[:40]!r} names nobody: give their did:key, as their `wltm id` shows it", "CLI-6")
    return typed


@coop.command("list", example="wltm coop list", help="Your co-ops and their states.")
@click.pass_obj
def coop_list(options: Options) -> None:
    """The pooled value belongs to exactly the members on the roster."""
    found = Client.of(options).get("/coops")
    rows = [{**row, "id": short(row["id"]), "pooled": money(row["pooled_minor"], row["currency"])} for row in found]
    columns = {"id": "id", "state": "state", "members": "members", "pooled": "pooled value", "purpose": "purpose"}
    options.out(found, lambda: table(rows, columns, "No co-ops yet; they form by themselves from ready intents."))


@coop.command("show", example="wltm coop show 3f2a91c0", help="Everything you may know about one co-op.")
@click.argument("coop_id", metavar="COOP")
@click.option("--until", "state", type=click.Choice(STATES), metavar="STATE", help="Wait until it has come so far.")
@PATIENCE
@click.pass_obj
def coop_show(options: Options, /, coop_id: str, state: str | None, patience: int) -> None:
    """Charter, roster, candidates, tally, mandate, deal."""
    client = Client.of(options)
    path = f"/coops/{coop_of(client, coop_id)['id']}"
    if state:
        options.say(f"Waiting until it is {state} …")
        client.wait(lambda: client.get(path)["state"] in (*FAILED, *STATES[STATES.index(state) :]), state, patience)
    found = client.get(path)
    if state and found["state"] in FAILED:
        options.failed = WRONG
    options.out(found, lambda: coop_text(found))


@coop.command(
    "found",
    example="wltm coop found home --purpose 'Green power for our street' --min 3 --max 12 --yes",
    help="Found a co-op around your intent INTENT; members come by invitation.",
)
@click.argument("intent")
@click.option("--purpose", required=True, help="One sentence that the charter will hold.")
@click.option("--min", "least", type=click.IntRange(2), default=3, show_default=True)
@click.option("--max", "most", type=click.IntRange(2), default=40, show_default=True)
@click.option("--preset", type=click.Choice(["always-on", "home"]), default="home", show_default=True)
@click.option("--fee-max", default="0", show_default=True, help="The most a negotiator may ask.")
@click.option("--witness", "witnesses", multiple=True, metavar="DID", help="Who witnesses beside you (repeat).")
@click.option("--risk", type=click.Choice(["lowest", "low", "high"]), help="Above lowest: few newcomers, none elected.")
@click.option("--value-max", help="The most that one member's share may come to over the term, such as 600.")
@click.option("--prepaid", type=click.IntRange(0, 100), help="How much of it is paid before delivery, percent.")
@click.option("--mediator", "mediators", multiple=True, metavar="DID", help="Whom both sides may turn to (repeat).")
@click.option("--outcomes", type=click.IntRange(0, 8), help="Kept deals that a candidate has to show.")
@click.option("--vouches", type=click.IntRange(0, 8), help="Vouches of members that a candidate has to show.")
@click.option("--newcomers", type=click.IntRange(0, 500), help="The most newcomers on the roster.")
@YES
@click.pass_obj
def coop_found(
    options: Options,
    /,
    intent: str,
    fee_max: str,
    witnesses: tuple[str, ...],
    least: int,
    most: int,
    yes: bool,
    risk: str | None,
    outcomes: int | None,
    vouches: int | None,
    newcomers: int | None,
    value_max: str | None,
    prepaid: int | None,
    mediators: tuple[str, ...],
    **values: Any,
) -> None:
    """The charter exists when each witness has signed it."""
    client = Client.of(options)
    intents = {row["name"]: row for row in client.get("/intents")}
    chosen = intents[one_of(intent, list(intents), "intent")]
    board = client.get(f"/board/{part(chosen['category'])}/{part(chosen['region'])}")
    if least > most:
        raise Stop(USAGE, "--min must not be above --max", "CLI-6")
    values |= {"intent": intent, "least": least, "most": most}
    values["fee_max_minor"] = amount(fee_max, board["currency"])
    values["witnesses"] = sorted(persona(name) for name in witnesses)
    if risk:
        values["risk"] = risk
    if value_max is not None or prepaid:
        if value_max is None:
            raise Stop(USAGE, "--prepaid needs --value-max: what is at stake is part of what may be lost", "CLI-6")
        most = amount(value_max, board["currency"])
        values["stakes"] = {"value_minor": most, "prepaid_percent": prepaid or 0}
    if mediators:
        values["mediators"] = sorted(persona(name) for name in mediators)
    if any(one is not None for one in (outcomes, vouches, newcomers)):
        asked = {"outcomes": outcomes or 0, "vouches": vouches or 0, "elect_newcomers": 1}
        values["admits"] = asked | {"newcomers": MEMBERS_MAX if newcomers is None else newcomers}
    options.confirm(
        "This signs a charter and makes you one of its witnesses: that duty lasts until the co-op's deal has ended. It"
        " buys nothing; you can leave the roster until your own commitment.",
        yes,
    )
    answer = client.post("/coops", values)
    options.out(answer, f"Founded {short(answer['coop'])}; invite members with `wltm invite {short(answer['coop'])}`.")


@coop.command(
    "join",
    example="wltm coop join 3f2a91c0 --intent home --yes",
    help="Join a co-op that the board or a charter calls you to (with a link: `wltm join`).",
)
@click.argument("coop_id", metavar="COOP")
@click.option("--intent", required=True, metavar="NAME", help="Which of your intents it serves.")
@click.option("--least", type=click.IntRange(0), default=0, help="Only if at least so many join.")
@click.option("--most", type=click.IntRange(0), default=0, help="Only if at most so many join (0: any).")
@YES
@click.pass_obj
def coop_join(options: Options, /, coop_id: str, intent: str, least: int, most: int, yes: bool) -> None:
    """Joining asks; the roster's decision admits."""
    client = Client.of(options)
    called = [row["id"] for row in client.get("/coops")]
    called += [need["successor"] for need in client.get("/needs") if "successor" in need]
    name = one_of(coop_id, [*dict.fromkeys(called)], "co-op")
    options.confirm(
        f"This asks to be on the roster of {short(name)} and shows its members your intent {intent}. It buys"
        " nothing; you can leave until your own commitment.",
        yes,
    )
    answer = client.post(f"/coops/{name}/join", {"intent": intent, "least": least, "most": most})
    options.out(answer, f"Asked to join {short(name)}.")


@coop.command(
    "pledge",
    example="wltm coop pledge 3f2a91c0 --want 30 --least 20 --price-max 2.45 --yes",
    help="Say what you would take at most, at which unit price.",
)
@click.argument("coop_id", metavar="COOP")
@click.option("--want", type=click.IntRange(0), required=True, help="Units a period.")
@click.option("--tolerate", type=click.IntRange(0), default=0, show_default=True, help="How many more you would take.")
@click.option("--least", type=click.IntRange(0), default=0, show_default=True, help="Below this: none at all.")
@click.option("--price-max", required=True, help="Highest unit price, such as 2.45.")
@YES
@click.pass_obj
def coop_pledge(options: Options, /, coop_id: str, price_max: str, yes: bool, **values: Any) -> None:
    """An estimate: commitments count."""
    client = Client.of(options)
    row = coop_of(client, coop_id)
    values["price_max_minor"] = amount(price_max, row["currency"])
    options.confirm(
        f"This tells {short(row['id'])} what you would take: {values['want']} units at up to {row['currency']}"
        f" {price_max} each, on exactly this roster. It buys nothing and can be replaced until pledges are counted.",
        yes,
    )
    options.out(client.post(f"/coops/{row['id']}/pledge", values), f"Pledged in {short(row['id'])}.")


@coop.command(
    "stand",
    example="wltm coop stand 3f2a91c0 --fee 20 --interest none --statement 'I buy for a school.' --yes",
    help="Stand for negotiator; fee and interests are disclosed first.",
)
@click.argument("coop_id", metavar="COOP")
@click.option("--fee", default="0", show_default=True, help="What you ask for the work.")
@click.option("--interest", "interests", multiple=True, default=["none"], help="What ties you to a supplier.")
@click.option("--statement", default="", help="A few sentences.")
@click.option("--language", default="en", show_default=True, help="Of the statement.")
@YES
@click.pass_obj
def coop_stand(
    options: Options, /, coop_id: str, fee: str, interests: tuple[str, ...], statement: str, language: str, yes: bool
) -> None:
    """Silence means: not standing."""
    client = Client.of(options)
    row = coop_of(client, coop_id)
    values = {"fee_minor": amount(fee, row["currency"]), "interests": sorted({*interests})}
    options.confirm(
        f"This stands you for negotiator of {short(row['id'])} for a fee of {row['currency']} {fee}, interests:"
        f" {', '.join(sorted({*interests}))}. Once signed it cannot be changed in this election.",
        yes,
    )
    answer = client.post(f"/coops/{row['id']}/stand", {**values, "statement": statement, "language": language})
    options.out(answer, f"You stand for negotiator of {short(row['id'])}.")


@coop.command(
    "vote",
    example="wltm coop vote 3f2a91c0 9c1e 77ab=05d2 --yes",
    help="Rank the candidates, best first; A=B ranks two alike; unlisted ones come last.",
)
@click.argument("coop_id", metavar="COOP")
@click.argument("ranking", nargs=-1, required=True, metavar="CANDIDATE…")
@YES
@click.pass_obj
def coop_vote(options: Options, /, coop_id: str, ranking: tuple[str, ...], yes: bool) -> None:
    """One ballot, sealed until the box closes."""
    client = Client.of(options)
    row = coop_of(client, coop_id)
    names = [candidate["key"] for candidate in client.get(f"/coops/{row['id']}")["candidates"]]
    tiers = [sorted(persona(name, names) for name in tier.split("=")) for tier in ranking]
    spoken = ", then ".join(" = ".join(short(name) for name in tier) for tier in tiers)
    options.confirm(
        f"This casts your one ballot in {short(row['id'])}: {spoken}. Once signed it cannot be changed; a second ballot"
        " would void both.",
        yes,
    )
    options.out(client.post(f"/coops/{row['id']}/vote", {"ranking": tiers}), "Your ballot is cast.")


@coop.command(
    "standing",
    example="wltm coop standing 3f2a91c0 supplier",
    help="What you may expect of the supplier or negotiator of a deal, by whom you trust, and why.",
)
@click.argument("deal", metavar="COOP|DEAL")
@click.argument("role", type=click.Choice(["supplier", "negotiator"]))
@click.pass_obj
def coop_standing(options: Options, /, deal: str, role: str) -> None:
    """Your own view; nobody else has to share it."""
    client = Client.of(options)
    _, row = deal_of(client, deal)
    if not row[role]:
        raise Stop(USAGE, f"there is no {role} yet (it is {row['state']})", "CLI-7")
    found = client.get(f"/standing/{row[role]}", role=role)
    options.out(found, lambda: standing_text(found))


@coop.command(
    "bundle",
    example="wltm coop bundle 3f2a91c0 --out deal.bundle",
    help="Export the whole deal as one file that `wltm verify` checks without network.",
)
@click.argument("coop_id", metavar="COOP")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE")
@click.pass_obj
def coop_bundle(options: Options, /, coop_id: str, out: Path) -> None:
    """Never overwrites a file."""
    client = Client.of(options)
    data = bytes.fromhex(client.get(f"/coops/{coop_of(client, coop_id)['id']}/bundle")["bundle"])
    try:
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Stop(USAGE, f"{out}: cannot be made ({error.strerror}); choose another --out", "CLI-9") from None
    with os.fdopen(file, "wb") as stream:
        stream.write(data)
    options.out({"file": str(out), "bytes": len(data)}, f"{out}: {len(data)} bytes; check it with `wltm verify {out}`.")
