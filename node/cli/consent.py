"""What others may know of you: data terms, leave to use details, and the list of everything you ever disclosed.

Decides nothing; asks the running node. Spec: 20-consent; 13-node, CLI-105 to CLI-109.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from node.cli.client import Client
from node.cli.member import YES
from node.cli.shell import Command, Group, Options, table
from node.present import counted, moment, now_ms, one_of, short, until
from protocol.record.shapes import FIELDS, PURPOSES
from protocol.trust.consent import SHARING


@click.group("terms", cls=Group, example="wltm terms list", help="Data terms: what others may do with what you tell.")
def terms() -> None:
    """You choose; suppliers answer."""


@terms.command("list", example="wltm terms list", help="The data terms that this node knows, and which you ask for.")
@click.pass_obj
def terms_list(options: Options) -> None:
    """Those that come with the node, and those in your home's folder `terms`."""
    found = Client.of(options).get("/terms")
    rows = [
        one | {"asked": "yes" if one["chosen"] else "", "for": ", ".join(one["purposes"])} for one in found["terms"]
    ]
    columns = {"name": "name", "title": "title", "for": "for", "keep_days": "days kept", "asked": "asked for"}
    options.out(found, lambda: table(rows, columns, "This node knows none."))


@terms.command("show", example="wltm terms show basic", help="Data terms in full.")
@click.argument("name")
@click.pass_obj
def terms_show(options: Options, /, name: str) -> None:
    """By name or id."""
    found = Client.of(options).get("/terms")["terms"]
    known = [one["id"] for one in found]
    chosen = next(one for one in found if one["id"] == one_of(name, known, "terms"))
    options.out(chosen, lambda: terms_text(chosen))


def terms_text(one: Mapping[str, Any]) -> str:
    """Terms for people."""
    whom = "nobody else" if one["sharing"] == SHARING[1] else "whoever carries the agreement out, and nobody else"
    return "\n".join(
        (
            f"{one['name']}, version {one['version']}: {one['title']}",
            f"  “{one['words']}”",
            f"  For: {', '.join(one['purposes']) or 'nothing'}",
            f"  Of your details: {', '.join(one['fields']) or 'none'}",
            f"  Kept {counted(one['keep_days'], 'day')} after the term; may be passed on to {whom}.",
            f"  Id: {one['id']}",
        )
    )


@terms.command(
    "choose",
    example="wltm terms choose basic no-sharing",
    help="Ask for these in every intent that names none itself; without names: for nothing.",
)
@click.argument("names", nargs=-1)
@click.pass_obj
def terms_choose(options: Options, /, names: tuple[str, ...]) -> None:
    """What already stands on a board stays as it is."""
    found = Client.of(options).call("PUT", "/terms", {"terms": list(names)})
    asked = ", ".join(found["chosen"])
    options.out(found, f"Intents ask for {asked} from now on." if asked else "Intents ask for nothing from now on.")


@click.group("grant", cls=Group, example="wltm grant list", help="Leave to use your details beyond the agreement.")
def grant() -> None:
    """Both sides sign the same; you take it back at any time."""


@grant.command(
    "new",
    example="wltm grant new 5d0e77a1 --purpose renewal --field contact --days 60 --yes",
    help="Give your supplier leave, or as a supplier ask your members for it.",
)
@click.argument("deal")
@click.option("--purpose", "purposes", multiple=True, required=True, type=click.Choice(PURPOSES), help="For what.")
@click.option("--field", "fields", multiple=True, required=True, type=click.Choice(FIELDS), help="Which details.")
@click.option("--days", type=click.IntRange(1, 3660), required=True, help="For how long.")
@YES
@click.pass_obj
def grant_new(options: Options, /, deal: str, yes: bool, **values: Any) -> None:
    """Nothing flows before the other side has signed the same."""
    client = Client.of(options)
    found = one_of(deal, [row["id"] for row in client.get("/deals")], "deal")
    what, why = ", ".join(values["fields"]), ", ".join(values["purposes"])
    options.confirm(
        f"This signs that {what} may be used for {why}, for {counted(values['days'], 'day')}. Nothing flows before the"
        " other side has signed the same; a member takes it back by `wltm grant revoke`.",
        yes,
    )
    answer = client.post(f"/deals/{found}/grants", {name: _plain(one) for name, one in values.items()})
    options.out(answer, f"Signed: {short(answer['grant'])}, until {moment(answer['until'])}.")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@grant.command("list", example="wltm grant list", help="What was agreed, is waited for, or was taken back.")
@click.pass_obj
def grant_list(options: Options) -> None:
    """Also those that are over."""
    found, now = Client.of(options).get("/grants"), now_ms()
    options.out(found, lambda: table([_grant(one, now) for one in found], _GRANTS, "There are none."))


_GRANTS = {"grant": "grant", "deal": "deal", "supplier": "supplier", "fields": "fields", "purposes": "for"}
_GRANTS |= {"until": "until", "state": "state", "receipts": "receipts"}


def _grant(one: Mapping[str, Any], now: int) -> dict[str, str]:
    late = f"no receipt by {moment(one['answer_by'])}"
    return {
        **{name: short(one[name]) for name in ("grant", "deal", "supplier")},
        **{name: ", ".join(one[name]) for name in ("fields", "purposes")},
        "until": until(one["use_until"], now),
        "state": late if one["state"] == "unanswered" else one["state"],
        "receipts": ", ".join(f"{act} {moment(when)}" for act, when in one["receipts"].items()),
    }


@grant.command("accept", example="wltm grant accept 7c1f --yes", help="Sign what the other side has signed.")
@click.argument("name")
@YES
@click.pass_obj
def grant_accept(options: Options, /, name: str, yes: bool) -> None:
    """To the word."""
    client = Client.of(options)
    rows = [one for one in client.get("/grants") if one["state"] in ("asked", "offered")]
    one = _named(rows, name)
    options.confirm(f"{one['says']} Signing it says that you agree.", yes)
    values = {"member": one["member"]}
    answer = client.post(f"/deals/{one['deal']}/grants/{one['grant']}/accept", values)
    options.out(answer, f"Agreed, until {moment(answer['until'])}.")


@grant.command("revoke", example="wltm grant revoke 7c1f --yes", help="Take a leave back.")
@click.argument("name")
@YES
@click.pass_obj
def grant_revoke(options: Options, /, name: str, yes: bool) -> None:
    """At once, and for good."""
    client = Client.of(options)
    rows = client.get("/grants")
    one = _named([row for row in rows if row["state"] not in ("revoked", "erased", "unanswered")], name)
    options.confirm(
        "What was sealed is emptied, and the supplier owes a receipt that it erased what it read. This leave cannot be"
        " given again; another can.",
        yes,
    )
    answer = client.call("DELETE", f"/deals/{one['deal']}/grants/{one['grant']}")
    options.out(answer, "Taken back.")


def _named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The grant that a beginning of its id names; of several members' the first."""
    chosen = one_of(name, sorted({row["grant"] for row in rows}), "grant")
    return next(row for row in rows if row["grant"] == chosen)


@grant.command(
    "receipt",
    example="wltm grant receipt 5d0e77a1 --did erased --yes",
    help="As a supplier: say what you did with members' details, or that you erased what was taken back.",
)
@click.argument("deal")
@click.option("--did", "act", required=True, type=click.Choice(("erased", *PURPOSES)), help="What you did.")
@click.option("--member", default="", help="For this member alone.")
@YES
@click.pass_obj
def grant_receipt(options: Options, /, deal: str, act: str, member: str, yes: bool) -> None:
    """Signed once for each member; they see it."""
    client = Client.of(options)
    found = one_of(deal, [row["id"] for row in client.get("/deals")], "deal")
    options.confirm(f"This signs towards the members that their details were {_did(act)}.", yes)
    values = {"act": act} | ({"member": member} if member else {})
    answer = client.post(f"/deals/{found}/receipts", values)
    options.out(answer, f"Signed: {counted(answer['receipts'], 'receipt')}.")


def _did(act: str) -> str:
    return "erased, in every copy" if act == "erased" else f"used for {act}"


@click.command(
    "disclosures",
    cls=Command,
    example="wltm disclosures",
    help="Everything you ever disclosed: what, to whom, under which terms, until when.",
)
@click.option("--all", "everything", is_flag=True, help="Duties too, such as votes of a witness.")
@click.pass_obj
def disclosures(options: Options, /, everything: bool) -> None:
    """Newest first; also what is no longer held anywhere that this node knows of."""
    found = Client.of(options).get("/disclosures")
    rows = [one for one in found if everything or not one["duty"]]
    options.out(found, lambda: disclosures_text(rows, len(found) - len(rows)))


def _ends(one: Mapping[str, Any]) -> bool:
    return bool(one["state"] == "stands" and one["until"])


def disclosures_text(rows: list[dict[str, Any]], left_out: int) -> str:
    """The list for people."""
    shown = [
        {
            "when": moment(one["last"]),
            "what": one["what"] + (f" (×{one['count']})" if one["count"] > 1 else ""),
            "to": one["to_whom"],
            "where": one["scope"][:40],
            "terms": ", ".join(one["terms"]),
            "state": one["state"] + (f" until {moment(one['until'])}" if _ends(one) else ""),
        }
        for one in rows
    ]
    columns = {"when": "when", "what": "what", "to": "to", "where": "where", "terms": "terms", "state": "state"}
    text = table(shown, columns, "Nothing was disclosed.")
    return text + (f"\nand {left_out} of duties: --all" if left_out else "")

