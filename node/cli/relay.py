"""A relay's commands: start it, say whom it serves, tell others, and see how it is.

Decides names, help and words; what a rule does is decided by the running node. Spec: 15-relay; 13-node, CLI-30 and
CLI-31.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from node.cli import home
from node.cli.client import Client
from node.cli.member import YES
from node.cli.shell import USAGE, WRONG, Group, Options, Stop, table
from node.present import instant, line, moment, now_ms, short, size, span, words
from protocol.identity import did

LISTEN = ("/ip4/0.0.0.0/tcp/4001",)  # where a relay listens when nobody says otherwise
REASONS = ("flood", "fraud", "harm", "illegal", "other", "privacy", "request", "spam")
ABOUT = ("persona", "peer", "scope", "address")


@click.group("relay", cls=Group, example="wltm relay status", help="Run a relay on a server.")
def relay() -> None:
    """For whoever keeps a node on a server, so that others need not be awake together."""


@relay.command(
    "up",
    example="wltm relay up --no-passphrase --announce /dns4/relay.example.org/tcp/4001",
    help="Run a relay. Makes a home first where there is none, and listens on port 4001 unless told otherwise.",
)
@click.option("--listen", multiple=True, metavar="ADDR", help=f"Let peers dial in (repeat); else {LISTEN[0]}.")
@click.option("--announce", multiple=True, metavar="ADDR", help="Where others find it: /dns4/NAME/tcp/4001 (repeat).")
@click.option("--relay", "relays", multiple=True, metavar="ADDR", help="Keep a link to this other relay (repeat).")
@click.option("--store", metavar="URL", help="postgresql://USER@HOST/NAME instead of a file in the home.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the local page and API; 0 takes any.")
@click.option("--network", metavar="NAME", help="For a new home: start a network of your own.")
@click.option("--invitation", metavar="LINK", help="For a new home: belong to the network that invites you.")
@click.option("--no-passphrase", is_flag=True, help="For a new home: its keys unencrypted, to start alone.")
@home.PASSPHRASE
@click.option("--detach", is_flag=True, help="Return once it answers.")
@click.option("--ready-fd", type=int, hidden=True)
@click.pass_obj
def up(
    options: Options,
    /,
    no_passphrase: bool,
    passphrase_file: Path | None,
    network: str | None,
    invitation: str | None,
    detach: bool,
    ready_fd: int | None,
    **flags: Any,
) -> None:
    """The same daemon as `wltm up`, told to carry what others ask for."""
    from node import keystore
    from node.cli import serve

    settings = _settings(options, flags)
    config = home.reachable(options, **settings)
    if not (config.home / keystore.FILE_NAME).exists():
        if network and invitation:
            raise Stop(USAGE, "--network starts a network, --invitation follows one: give only one of them", "CLI-11")
        settings = home.settings_for(invitation, network, None, {"role": "relay", **flags}) | settings
        config = home.reachable(options, **settings)
        secret = None if no_passphrase else home.new_passphrase(options, passphrase_file)
        home.make(options, config, settings, None, secret, starts_later=False)
    passphrase = home.passphrase_for(config.home, passphrase_file)
    if not detach:
        serve.foreground(options, config, passphrase, ready_fd)
        return
    options.say("Starting …")
    given = {"listen": flags["listen"], "announce": flags["announce"], "relay": flags["relays"]}
    arguments = [f"--{name}={value}" for name, values in given.items() for value in values]
    arguments += [f"--{name}={flags[name]}" for name in ("store", "port") if flags[name] is not None]
    answer = serve.detached(config.home, ["relay", "up", *arguments], passphrase, options.verbose)
    options.out(answer, f"The relay runs (process {answer['pid']}).\n{serve.ready_text(answer)}")


def _settings(options: Options, flags: dict[str, Any]) -> dict[str, Any]:
    """The flags as settings; a relay listens, unless its owner wrote down where."""
    settings = {
        "role": "relay",
        "mesh__listen": flags["listen"],
        "mesh__announce": flags["announce"],
        "mesh__relays": flags["relays"],
        "store__url": flags["store"],
        "api__port": flags["port"],
    }
    if not home.configuration(options, **settings).mesh.listen:
        settings["mesh__listen"] = LISTEN
    return {name: value for name, value in settings.items() if value not in ((), None)}


@relay.command("status", example="wltm relay status", help="What is wrong, what to do, how full it is.")
@click.pass_obj
def status(options: Options) -> None:
    """Exit code 1 when something is wrong."""
    found = Client.of(options).health()
    options.out(found, lambda: status_text(found))
    if found["state"] != "ok":
        options.failed = WRONG


def status_text(found: dict[str, Any]) -> str:
    """How a relay is, one line a thing."""
    core, store, counts, mesh = found["core"], found["store"], found["counts"], found["mesh"]
    lines = [f"{found['state']}, up {span(counts['uptime_ms'])}"]
    lines += [f"! {one['says']}\n  To do: {one['fix']}." for one in found["troubles"]]
    lines += [f"hand out    {address}" for address in found["hand_out"]]
    lines += [f"peers       {core['peers_in']} came in, {core['peers_out']} dialled"]
    lines += [f"scopes      {core['scopes']}, {core['contexts']} of them in memory"]
    most = f" of {size(store['bytes_max'])}" if store["bytes_max"] else ""
    lines += [f"stored      {size(store['bytes'])}{most}, {size(store['disk']['free'])} free on the disk"]
    ago = counts["pruned_ago_ms"]
    lines += [f"pruned      {'not yet' if ago is None else span(ago) + ' ago'}, {counts['pruned']} records"]
    lines += [f"letters     {core['mail_records']} in {core['mail_prefixes']} prefixes in memory"]
    lines += [f"memory      {size(found['resident_bytes'] + mesh['resident_bytes'])}"]
    verdicts = {code or "accepted": count for code, count in counts["verdicts"].items()}
    lines += [f"records in  {words(verdicts) or 'none'}"]
    return "\n".join(lines)


@relay.command(
    "policy",
    example='wltm relay policy --contact post@example.org --words "Open to all; be kind."',
    help="Show or publish a policy. Shows this relay's, or that of NAME, an address or did:key; --contact publishes.",
)
@click.argument("name", required=False)
@click.option("--contact", metavar="TEXT", help="Publish: how to reach whoever runs this relay.")
@click.option("--speaks", multiple=True, metavar="LANGUAGE", help="A language in which you answer (repeat); else en.")
@click.option("--words", "said", metavar="TEXT", default="", help="What you want to say, at most 2 KiB.")
@click.option("--language", default="en", show_default=True, help="Of these words.")
@click.option("--keep", metavar="SPAN", help="How long co-ops and deals are kept, such as +365d; else as charters say.")
@YES
@click.pass_obj
def policy(
    options: Options,
    /,
    name: str | None,
    contact: str | None,
    speaks: tuple[str, ...],
    said: str,
    language: str,
    keep: str | None,
    yes: bool,
) -> None:
    """Its limits are read off the running node."""
    client = Client.of(options)
    if contact is None:
        found = client.get("/policy", **_named(name or ""))
    elif name:
        raise Stop(USAGE, "NAME shows another's policy, --contact publishes this one's: give one of them", "CLI-31")
    else:
        values = {"contact": contact, "languages": list(speaks) or ["en"], "words": said, "language": language}
        kept = instant(keep, 0) if keep else 0
        sentence = f"This tells everybody, for a year, how to reach you ({line(contact)}) and what this relay takes."
        options.confirm(sentence + " A later policy replaces it.", yes)
        peers = [client.get("/status")["peer_id"]]
        found = client.call("PUT", "/policy", values | {"retention_ms": kept, "peers": peers})
    options.out(found, lambda: policy_text(found, bool(name)))


def _named(name: str) -> dict[str, str]:
    """A persona by its did:key, or a relay by its address or PeerId."""
    if not name:
        return {}
    return {"persona": name} if name.startswith("did:") else {"peer": name.rpartition("/")[2]}


def policy_text(found: dict[str, Any], asked: bool = False) -> str:
    """A policy as people read it."""
    if not found["published"]:
        why = "none has come here yet; it comes with a link to that relay" if asked else "publish one with --contact"
        return f"No policy is known: {why}."
    body = found["policy"]
    lines = [f"policy of {did(bytes.fromhex(found['persona']))}, {moment(found['published'])}"]
    lines += [f"contact    {line(body['contact'])}", f"languages  {words(body['languages'])}"]
    lines += [f"takes      {'from everybody' if body['admits'] == 'all' else 'what its list allows'}"]
    lines += [f"keeps      {span(body['retention_ms']) if body['retention_ms'] else 'as each charter says'}"]
    lines += [f"limits     {words(body['limits'])}"]
    lines += [line(body["words"])] if body["words"] else []
    if found.get("current") is False:
        lines.append("This is no longer what the relay does: publish it again.")
    return "\n".join(lines)


def _rule(verb: str, text: str, example: str) -> None:
    @relay.command(verb, example=example, help=text)
    @click.argument("subject")
    @click.option("--about", type=click.Choice(ABOUT), help="What SUBJECT is, when its look does not tell.")
    @click.option("--reason", type=click.Choice(REASONS), default="other", show_default=True)
    @click.option("--until", metavar="TIME", help="When it ends, such as +30d; else never.")
    @click.option("--lift", is_flag=True, help=f"No longer {verb} it.")
    @click.option("--publish", is_flag=True, help="Say so in a signed notice that others may follow.")
    @YES
    @click.pass_obj
    def command(options: Options, /, subject: str, about: str | None, lift: bool, yes: bool, **more: Any) -> None:
        client, named = Client.of(options), {"subject": subject, "about": about or ""}
        if lift:
            found = client.post("/rules/lift", named)
            options.out(found, f"No rule is about {line(found['subject'])} any more.")
            return
        end = instant(more["until"], now_ms()) if more["until"] else 0
        if more["publish"]:
            sentence = f"This tells everybody that you {verb} {line(subject)}, and why: {more['reason']}."
            options.confirm(sentence + " It can be withdrawn, not unsaid.", yes)
        found = client.post("/rules", {**named, **more, "verb": verb, "until": end})
        last = f" until {moment(end)}" if end else ""
        options.out(found, f"{found['about']} {line(found['subject'])}: {verb}ed{last}, at once.")


_rule(
    "block",
    "Take nothing from SUBJECT. It is a did:key, PeerId, scope (board/x/*), IP address or range.",
    "wltm relay block 192.0.2.0/24 --reason flood --until +7d",
)
_rule(
    "allow",
    "Serve SUBJECT in any case. Where this relay goes by list (relay.open = false), or others block it.",
    "wltm relay allow board/bread/*",
)


@relay.command("blocked", example="wltm relay blocked", help="All rules in force. Also those of followed notices.")
@click.pass_obj
def blocked(options: Options) -> None:
    """Own rules first."""
    found = Client.of(options).get("/rules")
    options.out(found, lambda: _rules_text(found))


def _rules_text(found: dict[str, Any]) -> str:
    rows = [
        {
            **row,
            "until": moment(row["until"]) if row["until"] else "",
            "whose": short(row["source"]) if "source" in row else "own",
        }
        for row in found["own"] + found["followed"]
    ]
    columns = {name: name for name in ("verb", "about", "subject", "reason", "until", "whose")}
    lines = [table(rows, columns, "No rules: everybody is taken alike.")]
    if found["admits"] == "listed":
        lines.append("This relay goes by list: it carries only what a rule allows (relay.open = false).")
    lines += [f"follows the notices of {did(bytes.fromhex(key))}" for key in found["following"]]
    return "\n".join(lines)


@relay.command(
    "follow",
    example="wltm relay follow did:key:z6Mk…",
    help="Heed another relay's notices. They apply here too; own rules outrank them.",
)
@click.argument("name", metavar="DID")
@click.option("--stop", is_flag=True, help="No longer.")
@click.pass_obj
def follow(options: Options, /, name: str, stop: bool) -> None:
    """At most sixteen."""
    found = Client.of(options).call("DELETE" if stop else "PUT", f"/notices/{quote(name, safe=':')}", {})
    options.out(found, f"Notices followed: {len(found['following'])}.")
