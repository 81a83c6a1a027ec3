"""What one says afterwards of whom one dealt with, and who has spoken of whom.

Decides nothing; asks the running node. Before each signature it says what that binds. Spec: 13-node, CLI-4 and
CLI-85 to CLI-87.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from node.cli.client import Client
from node.cli.coop import coop, deal_of, persona
from node.cli.member import PATIENCE, YES
from node.cli.shell import USAGE, Options, Stop
from node.cli.trade import supplier
from node.present import counted, line, moment, now_ms, one_of, short, until

ROLES = ("supplier", "member", "negotiator", "relay", "mediator")
_KEY_DIGITS = 64  # a persona's whole key, in hex
_BLIND = "sealed until they have spoken too or had their time where the co-op gave one,"
F = Callable[..., Any]


def _said(function: F) -> F:
    """The options that say how somebody did."""
    for option in (
        click.option("--outcome", type=click.Choice(["kept", "broken"]), required=True),
        click.option("--dimension", "dimensions", multiple=True, metavar="NAME=1..5", help="As time=4 (repeat)."),
        click.option("--remark", default="", help="A few sentences."),
        YES,
        click.pass_obj,
    )[::-1]:
        function = option(function)
    return function


@coop.command(
    "attest",
    example="wltm coop attest 3f2a91c0 supplier --outcome kept --dimension quality=4 --yes",
    help="Say how the other side kept what it promised. Neither reads the other's word before both have spoken.",
)
@click.argument("deal", metavar="COOP|DEAL")
@click.argument("subject", metavar="supplier|negotiator|DID")
@click.option("--role", type=click.Choice(ROLES), help="Of a DID.")
@_said
def coop_attest(
    options: Options,
    /,
    deal: str,
    subject: str,
    role: str | None,
    outcome: str,
    dimensions: tuple[str, ...],
    remark: str,
    yes: bool,
) -> None:
    """About something both sides signed."""
    client = Client.of(options)
    found, row = deal_of(client, deal)
    if subject in ("supplier", "negotiator"):
        whom, role = str((subject == "negotiator" and row.get("asked_by")) or row[subject]), subject
    elif role:
        waits = [need["subject"] for need in client.get("/needs") if need.get("deal") == found and "subject" in need]
        whom = persona(subject, None if len(subject) == _KEY_DIGITS else waits)
    else:
        raise Stop(USAGE, f"--role: say as what you attest a DID: {', '.join(ROLES)}", "CLI-6")
    values = {"role": role, "outcome": outcome, "dimensions": grades(dimensions), "remark": remark}
    options.confirm(
        f"This tells everyone, {_BLIND} that {short(whom)} has {outcome} its word as {role} in deal {short(found)}. It"
        " cannot be changed, only remedied.",
        yes,
    )
    answer = client.post(f"/deals/{found}/attest", {"subject": whom} | values)
    options.out(answer, f"Attested: {short(whom)} {outcome}. {_fate(answer)}")


@supplier.command(
    "attest",
    example="wltm supplier attest 5d0e77a1 --all --outcome kept --yes",
    help="Say how the members of your agreement kept their word: some, or all of whom you have said nothing yet.",
)
@click.argument("deal")
@click.argument("members", nargs=-1, metavar="[MEMBER…]")
@click.option("--all", "everybody", is_flag=True, help="All members of whom you have said nothing yet.")
@_said
def supplier_attest(
    options: Options,
    /,
    deal: str,
    members: tuple[str, ...],
    everybody: bool,
    outcome: str,
    dimensions: tuple[str, ...],
    remark: str,
    yes: bool,
) -> None:
    """One signature for each."""
    client = Client.of(options)
    found, _ = deal_of(client, deal)
    waits = [one for one in client.get("/needs") if one["kind"] == "attest" and one.get("deal") == found]
    known = [one["subject"] for one in waits if one["role"] == "member"]
    if everybody == bool(members):
        raise Stop(USAGE, "members: name some, or say --all", "CLI-86")
    chosen = known if everybody else [one_of(one, known, "member") for one in members]
    if not chosen:
        raise Stop(USAGE, f"members: there is none of whom you have something to say in deal {short(found)}", "CLI-86")
    values = {"role": "member", "outcome": outcome, "dimensions": grades(dimensions), "remark": remark}
    whom = counted(len(chosen), "member")
    options.confirm(
        f"This tells everyone, {_BLIND} that {whom} of deal {short(found)} have {outcome} their word. It cannot be"
        " changed, only remedied.",
        yes,
    )
    answers = [client.post(f"/deals/{found}/attest", {"subject": one} | values) for one in chosen]
    last = max(answers, key=lambda one: one.get("until", 0))
    options.out({"attested": chosen, "answers": answers}, f"Attested: {whom} {outcome}. {_fate(last)}")


@coop.command(
    "said",
    example="wltm coop said 3f2a91c0",
    help="Who has spoken of whom after a deal; what they said, once it is open.",
)
@click.argument("deal", metavar="COOP|DEAL")
@click.option("--until", "state", type=click.Choice(["open"]), help="Wait until nothing about you is sealed any more.")
@PATIENCE
@click.pass_obj
def coop_said(options: Options, /, deal: str, state: str | None, patience: int) -> None:
    """Yours you can read at once, and nobody else before the other side has spoken or had its time."""
    client = Client.of(options)
    found, _ = deal_of(client, deal)
    me = client.get("/status")["persona"]

    def rows() -> list[dict[str, Any]]:
        spoken: list[dict[str, Any]] = next(one for one in client.get("/deals") if one["id"] == found)["spoken"]
        return spoken

    def all_open() -> bool:
        mine = [one for one in rows() if me in (one["author"], one["subject"])]
        return bool(mine) and all(one["state"] != "sealed" for one in mine)

    if state:
        options.say("Waiting until all that you said, and that is said of you, is open …")
        client.wait(all_open, state, patience)
    said = rows()
    options.out(said, lambda: said_text(said, me))


def said_text(said: list[dict[str, Any]], me: str) -> str:
    """A line for each, what concerns the reader first."""
    own = [one for one in said if me in (one["author"], one["subject"])]
    others = [one for one in said if one not in own]
    return "\n".join(_line(one, me) for one in (*own, *others)) or "Nobody has said anything of anybody yet."


def _line(one: dict[str, Any], me: str) -> str:
    who, whom = ("you" if one[name] == me else short(one[name]) for name in ("author", "subject"))
    words = [f"{one['outcome']} its word"] if "outcome" in one else []
    words += [f"{name} {mark}" for name, mark in one.get("dimensions", {}).items()]
    words += [line(one["remark"])] if one.get("remark") else []
    text = f": {', '.join(words)}" if words else ""
    match one["state"]:
        case "sealed":
            fate = f" (sealed; read by all when the other side has spoken too, or {until(one['until'], now_ms())})"
        case "void":
            fate = f" (void: what was sealed is not what was promised [{one['code']}])"
        case "late":
            fate = " (came after the other side was opened, and stays sealed)"
        case _:
            fate = ""
    return f"{who} of {whom} as {one['role']}{text}{fate}"


def _fate(answer: dict[str, Any]) -> str:
    """Who reads it when."""
    if not answer.get("sealed"):
        return "Said openly."
    if answer["spoken"]:
        return "Both of you have spoken, so both are opened now."
    return f"Sealed until they have spoken too, or until {moment(answer['until'])}."


def grades(given: tuple[str, ...]) -> dict[str, int]:
    """Marks from 1 to 5 by name."""
    found: dict[str, int] = {}
    for name, _, mark in (item.partition("=") for item in given):
        if mark not in {"1", "2", "3", "4", "5"}:
            raise Stop(USAGE, f"--dimension {name[:40]}: give a mark from 1 to 5, as in quality=4", "CLI-6")
        found[name] = int(mark)
    return found
