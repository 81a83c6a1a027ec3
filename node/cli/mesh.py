"""Who this node is connected to, how well, and what could be better: `wltm peers` and `wltm mesh`.

Decides lines only; --json shows everything. Spec: 13-node, CLI-40 to CLI-42.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import click

from node.cli.client import Client
from node.cli.shell import USAGE, Command, Group, Options, Stop, table
from node.present import brief, line, moment, size, span

COLUMNS = 80
_COLUMNS = {
    "name": "peer",
    "why": "why",
    "up": "up",
    "in": "in (records)",
    "out": "out (records)",
    "ping": "ping",
    "asked": "reconciled",
}


@click.group(
    "peers",
    cls=Group,
    invoke_without_command=True,
    example="wltm peers",
    help="Who this node is connected to, why, how much passed, and how far behind it is.",
)
@click.pass_context
def peers(context: click.Context) -> None:
    """Lists, unless a command follows."""
    if context.invoked_subcommand is None:
        options: Options = context.obj
        found = Client.of(options).get("/peers")
        options.out(found, lambda: peers_text(found))


@peers.command("add", example="wltm peers add /dns4/relay.example/tcp/4001/p2p/12D3KooW…", help="Keep to a relay.")
@click.argument("address")
@click.pass_obj
def peers_add(options: Options, /, address: str) -> None:
    """Also after a restart."""
    Client.of(options).post("/peers", {"address": address})
    options.out({"address": address}, "It is dialled from now on; `wltm peers` shows how it goes.")


@peers.command("forget", example="wltm peers forget /dns4/relay.example/tcp/4001/p2p/12D3KooW…", help="No longer.")
@click.argument("address")
@click.pass_obj
def peers_forget(options: Options, /, address: str) -> None:
    """An address, or the end of a peer's id as `wltm peers` shows it."""
    client = Client.of(options)
    if not address.startswith("/"):
        ending = address.removeprefix("…")
        known = [one["address"] for one in client.get("/peers")["relays"] if ending and one["peer"].endswith(ending)]
        if len(known) != 1:
            raise Stop(USAGE, f"{address!r} is the end of {len(known)} relays' ids; give the address", "CLI-42")
        address = known[0]
    client.post("/peers/forget", {"address": address})
    options.out({"address": address}, "It is dialled no more.")


@click.command("mesh", cls=Command, example="wltm mesh", help="How others reach this node, and what would help.")
@click.pass_obj
def mesh(options: Options) -> None:
    """Plain words first."""
    found = Client.of(options).get("/mesh")
    options.out(found, lambda: mesh_text(found))


def peers_text(found: dict[str, Any]) -> str:
    """One line per link, then one per relay that is not linked."""
    now = found["now"]
    rows = [_row(one, now) for one in found["peers"]]
    lines = [table(rows, _COLUMNS, "Nobody is connected; `wltm mesh` says what would help.")]
    for one in found["peers"]:
        for count, what in (
            (len(one["asking"]), "scopes are being compared"),
            (one["waiting"], "of its records wait for what they refer to"),
            (one["queued"], f"records wait to be sent to it; it takes {one['credit']} now"),
            (one["refused"], "of its records were not taken"),
        ):
            lines += [f"{name_of(one)}: {count} {what}"] if count else []
    linked = [one["peer"] for one in found["peers"]]
    return "\n".join([*lines, *_others([one for one in found["relays"] if one["peer"] not in linked], now)])


def _others(relays: Sequence[dict[str, Any]], now: int) -> list[str]:
    lines = []
    for one in relays:
        since = f" for {span(now - one['since'])}" if one["since"] else ""
        words = {"lost": f"not reached{since}, dialled on", "trying": "being dialled"}
        state = words.get(one["state"], "spare, not needed now")
        lines.append(f"{name_of(one)} ({one['why']}): {state}\n  {line(one['address'])}")
    return ["", "Relays that are not linked:", *lines] if lines else []


def _row(one: dict[str, Any], now: int) -> dict[str, str]:
    asked = "not yet" if one["outbound"] else ""
    return {
        "name": name_of(one),
        "why": one["why"],
        "up": brief(one["age_ms"]),
        "in": f"{size(one['bytes_in'])} ({one['records_in']})",
        "out": f"{size(one['bytes_out'])} ({one['records_out']})",
        "ping": f"{one['ping_ms']} ms" if one["ping_ms"] >= 0 else "",
        "asked": f"{brief(now - one['reconciled'])} ago" if one["reconciled"] else asked,
    }


def name_of(one: dict[str, Any]) -> str:
    """The end of a peer's id: all of them begin alike."""
    return "…" + line(one["peer"])[-8:]


def mesh_text(found: dict[str, Any]) -> str:
    """How others reach this node, the consequence, one fix; freshness; what it came to."""
    lines = [found["says"], found["consequence"]]
    lines += [f"Better: {found['fix']}"] if found["fix"] else []
    lines += ["", found["fresh_says"]] if found["fresh_says"] else [""]
    lines += [f"Trouble: {found['trouble']}"] if found["trouble"] else []
    lines += [
        f"Connected to {found['linked']}, {found['dialled']} of them dialled; since the mesh started"
        f" {size(found['bytes_in'])} came in, {size(found['bytes_out'])} went out."
    ]
    lines += [f"The mesh process was started again {found['restarts']} times."] if found["restarts"] else []
    lines += _economy(found["economy"])
    lines += [f"This node is {found['peer_id']}"]
    lines += [f"  listens at {address}" for address in found["listens"]]
    return "\n".join(fill(one, COLUMNS, break_long_words=False, break_on_hyphens=False) for one in lines)


def _economy(told: dict[str, Any]) -> list[str]:
    lines = []
    if told.get("cap"):
        share = 100 * told["today"] // told["cap"]
        lines.append(f"Today {size(told['today'])} of {size(told['cap'])} ({share} %). {told['says']}".rstrip())
    elif "today" in told:
        lines.append(f"Today {size(told['today'])}.")
    if told.get("quiet"):
        lines.append(f"Quiet hours: {', '.join(told['quiet'])}.")
    lines += [f"  wakes at {moment(when)} for {line(what)}" for when, what in told.get("wakes", ())]
    return lines
