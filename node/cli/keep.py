"""`wltm backup`, `restore` and `device`: not losing a node, and being one device at a time.

Decides what a person is asked; how a backup is made is node.backup's, what a restored node may sign the engine's.
Spec: 13-node, CLI-88 to CLI-91; 18-keeping.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.client import Client, read_run_file
from node.cli.home import (
    PASSPHRASE,
    PASSPHRASE_BYTES_MAX,
    WORDS_BYTES_MAX,
    configuration,
    new_passphrase,
    passphrase_for,
    text_of,
)
from node.cli.shell import USAGE, Command, Group, Options, Stop
from node.present import moment, now_ms, size

if TYPE_CHECKING:
    from node.backup import Secret
    from node.config import Config

FILE = click.Path(dir_okay=False, path_type=Path)
IN_FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
YES = click.option("--yes", is_flag=True, help="Do not ask.")
NOTHING_SINCE = (
    "You say that no other device signed anything with these keys since. If one did, you may now sign twice in one"
    " place: that counts as your fault, for ever, and anybody can show it."
)


class _Backup(Group):
    """`wltm backup FILE` makes one: what is no subcommand is the file, or an option of `make`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "make", self.commands["make"], args


@click.group(
    "backup",
    cls=_Backup,
    example="wltm backup node.backup --words",
    help="Write this node into one encrypted file (`wltm backup FILE`), or look whether such a file is good.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def backup() -> None:
    """The node may run or not."""


@backup.command(
    "make",
    example="wltm backup make node.backup --words",
    help="Write keys, settings, what never left home and every record this node takes part in, encrypted.",
)
@click.argument("file", type=FILE)
@click.option("--words", is_flag=True, help="It opens with the twelve words, and no passphrase is needed.")
@click.option("--backup-passphrase-file", type=IN_FILE, metavar="FILE", help="It opens with another passphrase.")
@PASSPHRASE
@click.pass_obj
def make(
    options: Options, /, file: Path, words: bool, backup_passphrase_file: Path | None, passphrase_file: Path | None
) -> None:
    """The passphrase of the keys opens the backup too, unless another way is chosen."""
    import asyncio

    from node import backup as keeping
    from node import keystore

    if words and backup_passphrase_file:
        raise Stop(USAGE, "--words and --backup-passphrase-file exclude one another", "CLI-88")
    config = configuration(options)
    passphrase = passphrase_for(config.home, passphrase_file)
    chosen = text_of(backup_passphrase_file, PASSPHRASE_BYTES_MAX) if backup_passphrase_file else passphrase
    if chosen is None and not words:
        message = "these keys have no passphrase: lock the backup for the twelve words (--words), or for another"
        raise Stop(USAGE, f"{message} passphrase (--backup-passphrase-file FILE)", "CLI-88")
    keys = keystore.open(config.home, passphrase)
    options.say("Writing the backup …")
    found = asyncio.run(keeping.make(config, keys, file.absolute(), None if words else chosen, now_ms()))
    _note(options, config, keys, found["made"])
    opens = "the twelve words open it" if words else "the passphrase opens it"
    options.out(
        found,
        f"{file}: {size(found['bytes'])}, {found['records']} records and {found['facts']} facts; {opens}.\n"
        f"Look at it with `wltm backup verify {file}`, and keep it on another disk.",
    )


def _note(options: Options, config: Config, keys: Any, made: int) -> None:
    """Tell the node, so that it does not remind too early."""
    if read_run_file(config.home) is not None:
        Client.of(options).post("/device/backup", {"made": made})
        return
    import asyncio

    from node.backup import store_place
    from node.store import HomeLock, Store
    from protocol.encoding import encode
    from protocol.engine.keeping import BACKUP

    async def keep() -> None:
        store = await Store.open(*store_place(config, keys))
        try:
            await store.append((), {BACKUP: encode(made)})
        finally:
            await store.close()

    lock = HomeLock(config.home)
    try:
        asyncio.run(keep())
    finally:
        lock.release()


WORDS_FILE = click.option("--words-file", type=IN_FILE, metavar="FILE", help="Open it with the twelve words.")


@backup.command(
    "verify",
    example="wltm backup verify node.backup --words-file words.txt",
    help="Open a backup and check all of it: what is inside, and what restoring it would do.",
)
@click.argument("file", type=FILE)
@WORDS_FILE
@PASSPHRASE
@click.pass_obj
def verify(options: Options, /, file: Path, words_file: Path | None, passphrase_file: Path | None) -> None:
    """Exit 2 and the clause for whatever is off; nothing is written."""
    from node import restore as restoring

    secret = _secret(options, file, words_file, passphrase_file)
    options.say("Reading the whole backup …")
    found = restoring.examine(file, secret, now_ms())
    options.out(_plain(found), lambda: restoring.in_words(found))


def _plain(value: Any) -> Any:
    from node.api import convert

    return convert.plain(value)


def _secret(options: Options, file: Path, words_file: Path | None, passphrase_file: Path | None) -> Secret:
    """What opens this file, asked for when it is not given."""
    from node.backup import Secret
    from node.sealed import lock_of

    by = lock_of(file).by
    if by == "words":
        if words_file:
            return Secret(words=" ".join(text_of(words_file, WORDS_BYTES_MAX).split()))
        return Secret(words=_asked(options, "Twelve words", "the twelve words are needed: give --words-file FILE"))
    if passphrase_file:
        return Secret(passphrase=text_of(passphrase_file, PASSPHRASE_BYTES_MAX))
    return Secret(passphrase=_asked(options, "Passphrase", "the passphrase is needed: give --passphrase-file FILE"))


def _asked(options: Options, what: str, otherwise: str) -> str:
    import sys

    if options.json or not sys.stdin.isatty():
        raise Stop(USAGE, otherwise, "CLI-89")
    return str(click.prompt(what, hide_input=True, err=True))


RELAYS = (
    click.option("--one-relay", "relays", flag_value=1, type=int, help="One relay's word is enough."),
    click.option("--no-relay", "relays", flag_value=0, type=int, help="Ask nobody: only where nobody else has relays."),
    click.option("--nothing-since", is_flag=True, help="No other device signed since: abstain from nothing."),
)


def _relays(function: Any) -> Any:
    for option in reversed(RELAYS):
        function = option(function)
    return function


@click.command(
    "restore",
    cls=Command,
    example="wltm restore node.backup --home new-home --words-file words.txt",
    help="Make a home from a backup, on this or a new machine.",
)
@click.argument("file", type=FILE)
@WORDS_FILE
@PASSPHRASE
@click.option("--new-passphrase-file", type=IN_FILE, metavar="FILE", help="Lock the keys of the new home with it.")
@click.option("--no-passphrase", is_flag=True, help="Keep the keys there unencrypted (for a disk that is encrypted).")
@_relays
@YES
@click.pass_obj
def restore(
    options: Options,
    /,
    file: Path,
    words_file: Path | None,
    passphrase_file: Path | None,
    new_passphrase_file: Path | None,
    no_passphrase: bool,
    relays: int | None,
    nothing_since: bool,
    yes: bool,
) -> None:
    """Nothing is at the home unless all of the backup was good."""
    import asyncio

    from node import restore as restoring
    from node.config import default_home

    home = options.home.expanduser().absolute() if options.home else default_home()
    if no_passphrase and new_passphrase_file:
        raise Stop(USAGE, "--no-passphrase and --new-passphrase-file exclude one another", "CLI-90")
    secret = _secret(options, file, words_file, passphrase_file)
    if nothing_since:
        options.confirm(NOTHING_SINCE, yes)
    passphrase = None if no_passphrase else secret.passphrase
    if new_passphrase_file or (passphrase is None and not no_passphrase):
        passphrase = new_passphrase(options, new_passphrase_file)
    options.say("Reading the backup …")
    terms = restoring.Terms(2 if relays is None else relays, nothing_since)
    found = asyncio.run(restoring.restore(file, secret, home, passphrase, now_ms(), terms))
    lines = [
        f"Home: {home}, as it was {moment(found['made'])}: {found['records']} records, {found['facts']} facts.",
        f"You are {found['did']}",
        "Never start the old device again. Start this one with `wltm up`; `wltm device` says when it signs again.",
    ]
    options.out(found, "\n".join(lines))


@click.group(
    "device",
    cls=Group,
    invoke_without_command=True,
    example="wltm device",
    help="Whether this device signs for you, and which one does when there are two.",
)
@click.pass_context
def device(context: click.Context) -> None:
    """Without a subcommand: how it stands."""
    if context.invoked_subcommand is None:
        options = context.find_object(Options) or Options()
        found = Client.of(options).get("/device")
        options.out(found, lambda: _device_text(found))


@device.command("go-on", example="wltm device go-on --one-relay", help="This is the device that goes on signing.")
@_relays
@YES
@click.pass_obj
def go_on(options: Options, /, relays: int | None, nothing_since: bool, yes: bool) -> None:
    """It asks relays first what was said, and tells the other device."""
    if nothing_since:
        options.confirm(NOTHING_SINCE, yes)
    asked = {"relays": 2 if relays is None else relays, "nothing_since": nothing_since}
    found = Client.of(options).post("/device/go-on", asked)
    options.out(found, lambda: _device_text(found))


@device.command("retire", example="wltm device retire", help="This device signs no more, for another one does.")
@click.pass_obj
def retire(options: Options, /) -> None:
    """`go-on` takes it back."""
    found = Client.of(options).post("/device/retire")
    options.out(found, lambda: _device_text(found))


def _device_text(found: dict[str, Any]) -> str:
    lines = [found["says"] or "This device signs for you, and no other one has been heard.", found["fix"]]
    if found["used_until"]:
        lines.append(f"It leaves alone what was open on {moment(found['used_until'])}.")
    made = found["backup_made"]
    lines.append(f"Last backup: {moment(made)}." if made else "No backup was made yet: `wltm backup FILE`.")
    return "\n".join(filter(None, lines))


@click.command(
    "vanish",
    cls=Command,
    example="wltm vanish",
    help="Take back all you said on boards, in a day; what others signed with you stays with them.",
)
@click.option("--cancel", is_flag=True, help="Call it off.")
@YES
@click.pass_obj
def vanish(options: Options, /, cancel: bool, yes: bool) -> None:
    """Co-ops and deals go on; leave them first."""
    client = Client.of(options)
    if cancel:
        found = client.call("DELETE", "/vanish")
        options.out(found, "Called off: nothing is taken back.")
        return
    options.confirm(
        "In 24 hours your intents, profiles and pledge markers are emptied on every node that hears of it, and your"
        " preferences, prices paid and details are deleted here. Joins, commitments, ballots and attestations stay:"
        " others signed beside them.",
        yes,
    )
    found = client.post("/vanish")
    options.out(found, f"On {moment(found['at'])}: {found['records']} records. `wltm vanish --cancel` calls it off.")
