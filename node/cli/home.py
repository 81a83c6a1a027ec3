"""The node's own commands: make a home, start and stop the node in it, ask how it is.

Decides what lies in a fresh home; everything else is said to the running node. Spec: 13-node, CLI-8, CLI-11.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.client import Client
from node.cli.shell import NOT_NOW, USAGE, Command, Group, Options, Stop, content, table
from node.present import moment, now_ms, short, words
from protocol.errors import Reject
from protocol.identity import did

if TYPE_CHECKING:
    from node.config import Config

WORDS_BYTES_MAX = 1000
BY_WORDS = "restoring"  # the file that says so to the node, when it starts for the first time (KEP-10)
PASSPHRASE_BYTES_MAX = 1000
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL

NETWORK_FLAGS = (
    click.option("--role", type=click.Choice(["home", "relay", "supplier"]), help="What this node is for."),
    click.option("--listen", multiple=True, metavar="ADDR", help="Let peers dial in: /ip4/0.0.0.0/tcp/4001 (repeat)."),
    click.option(
        "--relay", "relays", multiple=True, metavar="ADDR", help="Keep to this relay: /ip4/…/tcp/…/p2p/… (repeat)."
    ),
    click.option("--port", type=click.IntRange(0, 65535), help="Port of the local page and API; 0 takes any."),
)
PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Read the passphrase from a file (for services), or - for standard input.",
)


def configuration(options: Options, **flags: Any) -> Config:
    """The settings in force for the home in force."""
    from node.config import load

    given = {name.replace("__", "."): value for name, value in flags.items() if value not in ((), None)}
    return load(options.home, given)


def reachable(options: Options, **flags: Any) -> Config:
    """The same for a node that is to run: every address is one. Raises Stop 2 naming where it stands."""
    from node.mesh.wire import parse_address

    config = configuration(options, **flags)
    mesh = config.mesh
    for name, addresses in (("listen", mesh.listen), ("announce", mesh.announce), ("relays", mesh.relays)):
        for address in addresses:
            try:
                if not parse_address(address).peer and name == "relays":
                    raise Reject("MSH-17", f"address {address!r} lacks /p2p/ and the relay's peer id")
            except Reject as error:
                origin = config.origins[f"mesh.{name}"]
                raise Stop(USAGE, f"{origin}: mesh.{name}: {error.message}", error.code) from None
    return config


def flagged(function: Any) -> Any:
    """Adds the flags that are settings too."""
    for option in reversed(NETWORK_FLAGS):
        function = option(function)
    return function


@click.command(
    "init",
    cls=Command,
    example="wltm init --invitation wltm:hqRuYW1l…",
    help="Make this node's home: its keys, and twelve words that restore them.",
)
@click.option("--invitation", metavar="LINK", help="Belong to the network that invites you, through its relays.")
@click.option("--network", metavar="NAME", help="Start a network of your own.")
@click.option("--speed", type=click.IntRange(1, 10**6), help="With --network: divide its durations (for trying out).")
@flagged
@click.option("--no-passphrase", is_flag=True, help="Keep the keys unencrypted (for a disk that is encrypted).")
@PASSPHRASE
@click.option(
    "--words-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Restore from twelve words instead of drawing new ones.",
)
@click.pass_obj
def init(
    options: Options,
    /,
    no_passphrase: bool,
    passphrase_file: Path | None,
    words_file: Path | None,
    invitation: str | None,
    network: str | None,
    speed: int | None,
    **flags: Any,
) -> None:
    """Nothing is written before everything that was given has been understood."""
    from node import keystore

    if network is not None and invitation is not None:
        raise Stop(USAGE, "--network starts a network, --invitation follows one: give only one of them", "CLI-11")
    if speed and network is None:
        raise Stop(USAGE, "--speed belongs to a network of your own: give --network too", "CLI-11")
    if no_passphrase and passphrase_file:
        raise Stop(USAGE, "--no-passphrase and --passphrase-file exclude one another", "CLI-11")
    settings = settings_for(invitation, network, speed, flags)
    config = reachable(options, **settings)
    if (config.home / keystore.FILE_NAME).exists():
        raise Stop(USAGE, f"{config.home} is a node's home already; choose another --home", "CLI-11")
    make(options, config, settings, words_file, None if no_passphrase else new_passphrase(options, passphrase_file))


def make(
    options: Options,
    config: Config,
    settings: dict[str, Any],
    words_file: Path | None,
    passphrase: str | None,
    starts_later: bool = True,
) -> None:
    """Writes a home with these settings, and says who lives there."""
    from node import keystore
    from node.config import FILE_NAME

    words = " ".join(text_of(words_file, WORDS_BYTES_MAX).split()) if words_file else None
    mark = _written(config.home / BY_WORDS, "These keys were in use elsewhere, perhaps.\n" if words else "")
    with mark, _written(config.home / FILE_NAME, _toml(config, settings)):
        keys, shown = keystore.create(config.home, words, passphrase)
    persona = keys.persona(config.network.id, 0).key
    value = {"home": str(config.home), "network": config.network.name, "did": did(persona)}
    if words is None:
        value["words"] = shown
    options.out(value, lambda: _welcome(config, did(persona), None if words else shown, starts_later))


def settings_for(
    invitation: str | None, network: str | None, speed: int | None, flags: dict[str, Any]
) -> dict[str, Any]:
    """What the flags of `init` fix for ever, as settings."""
    settings: dict[str, Any] = {
        "role": flags["role"],
        "mesh__listen": flags["listen"],
        "mesh__relays": flags["relays"],
        "api__port": flags["port"],
    }
    if invitation is not None:
        from node.invitation import read

        invited = read(invitation, now_ms())
        settings |= {
            "network__name": invited.name,
            "network__salt": invited.salt.hex(),
            "network__speed": invited.speed,
            "mesh__relays": flags["relays"] or invited.relays,
        }
    elif network is not None:
        settings |= {"network__name": network, "network__salt": os.urandom(16).hex(), "network__speed": speed}
    return {name: value for name, value in settings.items() if value not in ((), None)}


def _toml(config: Config, settings: Sequence[str] | dict[str, Any]) -> str:
    """A config.toml with these settings only; what the user does not fix keeps its default."""
    chosen = {name.replace("__", ".") for name in settings}
    return "".join(f"{name} = {value}\n" for name, value, _ in config.shown() if name in chosen)


@contextmanager
def _written(path: Path, text: str) -> Iterator[None]:
    """Writes a new file, if there is any text; takes it back, and a folder made for it, when the block fails.

    So keys make a home, and last.

    Raises Stop 2 when something of that name is there.
    """
    if not text:
        yield
        return
    made = not path.parent.exists()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, NEW_FILE, 0o600)
    except FileExistsError:
        raise Stop(USAGE, f"{path} exists and is left alone; put the settings there by hand", "CLI-11") from None
    except OSError as error:
        raise Stop(USAGE, f"{path}: cannot be written ({error.strerror})", "CLI-11") from None
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        path.unlink()
        raise Stop(NOT_NOW, f"{path}: cannot be written ({error.strerror})", "CLI-11") from None
    try:
        yield
    except BaseException:
        path.unlink()
        if made:
            with suppress(OSError):  # something else was put there meanwhile
                path.parent.rmdir()
        raise


def _welcome(config: Config, name: str, words: str | None, starts_later: bool) -> str:
    lines = [f"Home: {config.home} (network {config.network.name})", f"You are {name}"]
    if words:
        lines += ["", "Write these twelve words down; they restore your keys and are not shown again:"]
        lines += ["", f"  {words}", ""]
    start = "Start with `wltm up`."
    if not words:
        start += " Then `wltm persona find --wait` looks for your other personas."
    return "\n".join([*lines, start] if starts_later else lines)


def text_of(path: Path, bytes_max: int) -> str:
    try:
        return content(path, bytes_max).decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise Stop(USAGE, f"{path}: is not a text in UTF-8", "CLI-11") from None


def new_passphrase(options: Options, path: Path | None) -> str:
    if path:
        return text_of(path, PASSPHRASE_BYTES_MAX)
    if options.json or not sys.stdin.isatty():
        raise Stop(USAGE, "a passphrase is needed: give --passphrase-file FILE, or --no-passphrase", "CLI-11")
    return str(click.prompt("Passphrase for the keys", hide_input=True, confirmation_prompt=True, err=True))


def passphrase_for(home: Path, path: Path | None) -> str | None:
    """The passphrase of a home, asked for only when its keys are encrypted."""
    from node import keystore

    if not keystore.is_locked(home):
        return None
    if path:
        return text_of(path, PASSPHRASE_BYTES_MAX)
    if not sys.stdin.isatty():
        raise Stop(NOT_NOW, f"the keys in {home} are locked; give --passphrase-file FILE", "CLI-11")
    return str(click.prompt("Passphrase", hide_input=True, err=True))


@click.command(
    "up",
    cls=Command,
    example="wltm up --detach",
    help="Run the node of this home, here or with --detach in the background.",
)
@click.option("--detach", is_flag=True, help="Return once it answers.")
@flagged
@PASSPHRASE
@click.option("--ready-fd", type=int, hidden=True)
@click.pass_obj
def up(options: Options, /, detach: bool, passphrase_file: Path | None, ready_fd: int | None, **flags: Any) -> None:
    """Prints the page's address, which opens it once."""
    from node.cli import serve

    settings = {
        "role": flags["role"],
        "mesh__listen": flags["listen"],
        "mesh__relays": flags["relays"],
        "api__port": flags["port"],
    }
    config = reachable(options, **settings)
    passphrase = passphrase_for(config.home, passphrase_file)
    if detach:
        options.say("Starting …")
        arguments = ["up", *(f"--{name}={value}" for name in ("role", "port") if (value := flags[name]) is not None)]
        arguments += [f"--listen={value}" for value in flags["listen"]]
        arguments += [f"--relay={value}" for value in flags["relays"]]
        answer = serve.detached(config.home, arguments, passphrase, options.verbose)
        options.out(answer, f"The node runs (process {answer['pid']}).\n{serve.ready_text(answer)}")
    else:
        serve.foreground(options, config, passphrase, ready_fd)


@click.command("down", cls=Command, example="wltm down", help="Stop the node of this home; nothing is lost.")
@click.pass_obj
def down(options: Options) -> None:
    """Returns when the process has ended."""
    from node.cli import serve

    client = Client.of(options)
    options.say("Stopping …")
    client.post("/down")
    serve.await_end(client.pid)
    options.out({"stopped": client.pid}, "The node has stopped.")


@click.command("status", cls=Command, example="wltm status", help="How this node is: persona, peers, what it holds.")
@click.pass_obj
def status(options: Options) -> None:
    """With a fresh link to the page."""
    client = Client.of(options)
    found = client.get("/status")
    found["url"] = client.post("/links")["url"]
    found["mesh"] = client.get("/mesh")
    options.out(found, lambda: _status_text(found))


def _status_text(found: dict[str, Any]) -> str:
    mesh = found["mesh"]
    lines = [
        f"{found['did']} ({found['role']})",
        *filter(None, (f"{mesh['says']} {mesh['consequence']}", mesh["fix"], mesh["fresh_says"])),
        f"Peers: {len(found['peers'])}" + "".join(f"\n  {row['peer']}" for row in found["peers"]),
        *(f"Reached at {address}" for address in found["addresses"]),
        f"Page, opens once: {found['url']}",
    ]
    if found["trouble"]:
        lines.insert(1, f"Trouble: {found['trouble']}")
    device = found["device"]
    lines[1:1] = filter(None, (device["says"], device["fix"], device["nag"] and f"{device['nag']}."))
    columns = {"scope": "scope", "records": "records"}
    return "\n".join([*lines, table(found["scopes"], columns, "No scopes followed yet.")])


@click.command("id", cls=Command, example="wltm id", help="Who you are in this network, as did:key.")
@click.pass_obj
def identity(options: Options) -> None:
    """Asks the running node: keys may be locked."""
    found = Client.of(options).get("/status")
    options.out({"did": found["did"], "key": found["persona"]}, found["did"])


@click.group("config", cls=Group, example="wltm config show --origin", help="Settings and where they come from.")
def config() -> None:
    """The user's file is never rewritten."""


@config.command("show", example="wltm config show --origin", help="All settings in force.")
@click.option("--origin", is_flag=True, help="Also where each comes from.")
@click.pass_obj
def config_show(options: Options, /, origin: bool) -> None:
    """Flags before variables before the file before defaults."""
    rows = [{"name": name, "value": value, "origin": place} for name, value, place in configuration(options).shown()]
    columns = {"name": "setting", "value": "value"} | ({"origin": "origin"} if origin else {})
    options.out([{key: row[key] for key in columns} for row in rows], lambda: table(rows, columns, ""))


@click.command("log", cls=Command, example="wltm log --follow", help="The newest records of this node.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--follow", is_flag=True, help="Then what happens, as it happens.")
@click.pass_obj
def log(options: Options, /, limit: int, follow: bool) -> None:
    """Positions ascend; the newest record comes last."""
    client = Client.of(options)
    last = client.get("/log", limit="0")["last"]
    rows = client.get("/log", after=str(max(0, last - limit)), limit=str(limit))["records"]
    for row in rows:
        options.out(row, _log_line(row))
    if not follow:
        return
    for name, data in client.events():
        if name == "resync":
            options.say("Some of what happened was missed here; `wltm log` has all records.")
        elif name == "change":
            options.out(data, f"{data['topic']}: {words(data['detail'])}")


def _log_line(row: dict[str, Any]) -> str:
    return f"{row['position']:>7}  {moment(row['created'])}  {row['kind']:<20} {short(row['author'])}  {row['scope']}"
