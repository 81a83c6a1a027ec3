"""Personas on the command line: the faces of one member, who acts when none is named, and what they still give away.

Decides names, help and words; asks the running node. Spec: 02-identity, IDN-19 to IDN-41; 13-node, CLI-95 to CLI-99.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.client import Client, part
from node.cli.coop import persona as key_in
from node.cli.member import PATIENCE, YES
from node.cli.shell import USAGE, Group, Options, Stop, table
from node.cli.words import WORDS, recovery_pair, words_from
from node.present import instant, moment, now_ms, one_of, short, until

RULE_WORDS = {
    "per-circle": "each category of things has a persona of its own",
    "per-deal": "each new intent has a persona of its own",
}
RELAY_SEES = (
    "Two personas share no key. The relay that you dial still sees them come over one connection; it hides nothing"
    " from that relay that they are two."
)


@click.group(
    "persona",
    cls=Group,
    example="wltm persona list",
    help=f"The faces under which you act. {RELAY_SEES}",
)
def persona() -> None:
    """One key per circle or deal."""


@persona.command("list", example="wltm persona list", help="All of them, what each is for, and who acts by itself.")
@click.pass_obj
def persona_list(options: Options) -> None:
    """Names stay at home; others see the did:key."""
    found = Client.of(options).get("/personas")
    options.out(found, lambda: _list_text(found))


def _list_text(found: dict[str, Any]) -> str:
    rows = [
        {
            "name": row["name"],
            "did": row["did"],
            "for": ", ".join([*row["circles"], *row["intents"]]),
            "known": "frozen" if row.get("frozen") else "yes" if row["known"] else "no",
        }
        for row in found["personas"]
    ]
    columns = {"name": "name", "did": "seen outside as", "for": "for", "known": "known"}
    rule = RULE_WORDS.get(found["uses"])
    who = f"Where you name none, {rule}." if rule else f"Where you name none, {found['uses']} acts."
    lines = [table(rows, columns, ""), f"{who} There is room for {found['room']} more."]
    lines += [
        f"For you {short(row['new'])} stands for {short(row['old'])}, {until(row['expires'], now_ms())}."
        for row in found["proofs"]
    ]
    if found["search"]["finding"]:
        lines.append(search_text(found["search"]))
    return "\n".join(lines)


def search_text(search: dict[str, Any]) -> str:
    """How far the search for personas is."""
    if not search["finding"]:
        return "Nothing is being looked for."
    said = f"Looking for your personas: numbers 0 to {search['tried'] - 1}, {search['found']} known"
    relays = search["relays"]
    return f"{said}; {relays} relay{'' if relays == 1 else 's'} told all they have since {moment(search['since'])}."


@persona.command("new", example="wltm persona new garden", help="Make one; nobody hears of it before it acts.")
@click.argument("name")
@click.pass_obj
def persona_new(options: Options, /, name: str) -> None:
    """It can be found again from the twelve words once it has acted."""
    found = Client.of(options).post("/personas", {"name": name})
    says = f"It acts where you say --as {name}, or after `wltm persona use {name}`."
    options.out(found, f"{name} is {found['did']}.\n{says}")


@persona.command(
    "use",
    example="wltm persona use garden",
    help="Who acts where you name none: NAME, or by a rule, per-circle or per-deal.",
)
@click.argument("name")
@click.pass_obj
def persona_use(options: Options, /, name: str) -> None:
    """What has begun under one persona goes on under it."""
    found = Client.of(options).call("PUT", "/personas", {"name": name})
    rule = RULE_WORDS.get(name)
    options.out(found, f"From now on {rule}." if rule else f"From now on {name} acts where you name none.")


@persona.command("show", example="wltm persona show garden", help="One of them.")
@click.argument("name")
@click.pass_obj
def persona_show(options: Options, /, name: str) -> None:
    """Named by the beginning of its name."""
    rows = {row["name"]: row for row in Client.of(options).get("/personas")["personas"]}
    row = rows[one_of(name, list(rows), "persona")]
    intents = ", ".join(row["intents"]) or "none"
    known = "has been seen by others" if row["known"] else "nobody has heard of it"
    options.out(row, f"{row['name']}, number {row['number']}: {row['did']}\n{known}; intents: {intents}")


@persona.command("report", example="wltm persona report", help="What still shows that your personas are one person.")
@click.pass_obj
def persona_report(options: Options) -> None:
    """Reckoned from this node's own log, as somebody could who sees every record."""
    found = Client.of(options).get("/personas/linkage")
    options.out(found, lambda: "\n".join(found["says"]))


@persona.command(
    "find",
    example="wltm persona find --wait",
    help="After a restore from the words: look in the network for all your personas. Lost names become numbers.",
)
@click.option("--wait", is_flag=True, help="Until two relays, or the only one, have told all they have.")
@click.option("--stop", is_flag=True, help="End the search.")
@PATIENCE
@click.pass_obj
def persona_find(options: Options, /, wait: bool, stop: bool, patience: int) -> None:
    """Relays see that much is asked for, never which keys are meant."""
    client = Client.of(options)
    found = client.post("/personas/find", {"stop": stop})
    if wait and not stop:
        options.say(search_text(found))
        needed = min(2, max(1, sum(one["outbound"] for one in client.get("/status")["peers"])))

        def done() -> bool:
            return bool(client.get("/personas")["search"]["relays"] >= needed)

        client.wait(done, "the relays' answers", patience)
        found = client.post("/personas/find", {"stop": True})
    rows = client.get("/personas")
    says = f"{len(rows['personas'])} known: {', '.join(row['name'] for row in rows['personas'])}."
    options.out(found | {"personas": rows["personas"]}, lambda: f"{search_text(found)}\n{says}")


@persona.command(
    "prove",
    example="wltm persona prove --from one --as garden --to did:key:z6Mk…",
    help="Carry your standing over: a line that tells one person, and convinces nobody else, who you were.",
)
@click.option("--from", "old", required=True, metavar="NAME", help="The persona whose standing it is.")
@click.option("--as", "new", required=True, metavar="NAME", help="The persona that shall have it.")
@click.option("--to", "who", required=True, metavar="DID", help="Who shall know; nobody whom they tell has a proof.")
@click.option("--until", "end", default="+30d", show_default=True, help="How long it is good; 90 days at most.")
@click.pass_obj
def persona_prove(options: Options, /, old: str, new: str, who: str, end: str) -> None:
    """Send it in a letter: whoever else reads it learns a claim and no proof."""
    expires = instant(end, now_ms())
    values = {"old": old, "new": new, "verifier": key_in(who), "expires": expires}
    found = Client.of(options).post("/personas/proofs", values)
    options.say(
        f"Send this line to {short(key_in(who))}, in a letter or as you like: `wltm persona check LINE` takes it there,"
        f" until {moment(expires)}."
    )
    options.out(found, found["proof"])


@persona.command(
    "check",
    example="wltm persona check wltm-proof:haNib3j…",
    help="Check a proof that somebody made for you; from then on your view of the one counts for the other.",
)
@click.argument("proof")
@click.pass_obj
def persona_check(options: Options, /, proof: str) -> None:
    """It stays in your own view, ends by itself, and `wltm persona forget` takes it back."""
    found = Client.of(options).call("PUT", "/personas/proofs", {"proof": proof})
    says = f"{short(found['new'])} is who was {short(found['old'])}; you count it so until {moment(found['expires'])}."
    options.out(found, says)


@persona.command("forget", example="wltm persona forget did:key:z6Mk…", help="Believe a proof no longer.")
@click.argument("who", metavar="DID")
@click.pass_obj
def persona_forget(options: Options, /, who: str) -> None:
    """Nobody is told."""
    found = Client.of(options).call("DELETE", f"/personas/proofs/{part(key_in(who))}", {})
    options.out(found, f"{short(key_in(who))} stands for nobody else any more.")


@persona.command(
    "freeze",
    example="wltm persona freeze did:key:z6Mk…",
    help="With the twelve words: end the word of a persona whose device was stolen. Works from anybody's node.",
)
@click.argument("who", metavar="DID")
@WORDS
@YES
@click.pass_obj
def persona_freeze(options: Options, /, who: str, words_file: Path | None, yes: bool) -> None:
    """The words are used once, here, and never stored or sent."""
    _recover(options, who, "", words_file, yes)


@persona.command(
    "succeed",
    example="wltm persona succeed did:key:z6Mk… --as new",
    help="With the twelve words: name one of this home's personas as heir of one that was lost. Freezes that one too.",
)
@click.argument("who", metavar="DID")
@click.option("--as", "name", required=True, metavar="NAME", help="The heir, a persona of this home.")
@WORDS
@YES
@click.pass_obj
def persona_succeed(options: Options, /, who: str, name: str, words_file: Path | None, yes: bool) -> None:
    """What was said of the one counts for the other; memberships do not move."""
    _recover(options, who, name, words_file, yes)


def _recover(options: Options, who: str, successor: str, words_file: Path | None, yes: bool) -> None:
    """Sign with the recovery key and hand the record to the running node."""
    client, key = Client.of(options), key_in(who)
    network = bytes.fromhex(client.get("/status")["network"])
    found = client.post("/personas/recovery", {"persona": key, "successor": successor})
    if successor:
        says = f"This ends the word of {short(key)} for ever and makes {short(found['successor'])} its heir."
    else:
        says = f"This ends the word of {short(key)} for ever: nothing that it signs from now on counts."
    options.confirm(f"{says} It cannot be taken back.", yes)
    pair = recovery_pair(words_from(options, words_file), network, bytes.fromhex(key))
    if not found["first"]:
        options.say("Asking the relays for its first record …")
        found = _asked(client, key, successor)
    first = bytes.fromhex(found["first"]) or pair.first(network, found["now"])
    said = []
    for raw in ([] if found["first"] else [first]) + [pair.record(network, first, found)]:
        said.append(client.post("/personas/records", {"record": raw.hex()}))
    options.out(said[-1], f"Said: {short(key)} is frozen." + (" Its heir is known." if successor else ""))


def _asked(client: Client, key: str, successor: str) -> dict[str, Any]:
    """The same answer once the first record has come, or after half a minute without."""
    found: dict[str, Any] = {}

    def come() -> bool:
        found.update(client.post("/personas/recovery", {"persona": key, "successor": successor}))
        return bool(found["first"])

    try:
        client.wait(come, "its first record", 30)
    except Stop as stop:
        if stop.exit_code == USAGE:
            raise
    return found
