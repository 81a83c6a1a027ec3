"""Commands that need no running node: they read one file and say what it holds.

Decides nothing; each hands its file to the module that knows. Spec: 13-node, CLI-9.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.shell import USAGE, WRONG, Command, Group, Options, Stop, content

FILE = click.Path(dir_okay=False, path_type=Path)
RECORD_FILE_BYTES_MAX = 1 << 20


@click.command(
    "verify",
    cls=Command,
    example="wltm verify deal.bundle",
    help="Check a whole deal from its bundle alone: signatures, boxes, tally, mandate, ranking, allocation.",
)
@click.argument("bundle", type=FILE)
@click.pass_obj
def verify(options: Options, /, bundle: Path) -> None:
    """Prints each step; exit 1 and the clause at the first that is off."""
    from node.verify import verify_file

    found, text = verify_file(bundle)
    options.out(found, text)
    if not found["ok"]:
        options.failed = WRONG


@click.command(
    "tally",
    cls=Command,
    example="wltm tally election.soi --json",
    help="Count ranked ballots (PrefLib .soc .soi .toc .toi, or a bundle) by Schulze's method.",
)
@click.argument("file", type=FILE)
@click.pass_obj
def tally(options: Options, /, file: Path) -> None:
    """Ties stay ties here; only a charter breaks them."""
    from node import tally as counting

    election = counting.ballots_from(file)
    result = counting.tally(election)
    options.out(result, lambda: counting.render(election, result))


@click.command(
    "groups",
    cls=Command,
    example="wltm groups --choices choices.csv --min 8 --max 40 --json",
    help="Form like-minded groups from choices (columns: person, task, alternative, chosen, then attributes).",
)
@click.option("--choices", type=FILE, required=True, metavar="FILE.csv", help="What each person chose.")
@click.option("--min", "least", type=click.IntRange(2), default=8, show_default=True, help="Fewest in a group.")
@click.option("--max", "most", type=click.IntRange(2), default=40, show_default=True, help="Most in a group.")
@click.option("--missing", is_flag=True, help="A number that is not there counts as its task's mean.")
@click.pass_obj
def groups(options: Options, /, choices: Path, least: int, most: int, missing: bool) -> None:
    """The same code as the node's own."""
    if least > most:
        raise Stop(USAGE, "--min must not be above --max", "CLI-6")
    from node import groups as forming

    result = forming.find_groups(forming.load_choices(choices, missing), least, most)
    options.out(result.to_mapping(), result.in_words)


@click.group("record", cls=Group, example="wltm record inspect record.bin", help="Look at single records.")
def record() -> None:
    """Group of one command for now."""


@record.command(
    "inspect",
    example="wltm record inspect record.bin",
    help="Show the fields of a record (a file, or - for standard input; raw, hex or base64) and the verdict on it.",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@click.pass_obj
def inspect(options: Options, /, file: Path) -> None:
    """Exit 1 when the record is rejected."""
    from node import inspect as looking
    from node.cli.home import configuration

    result = looking.inspect(content(file, RECORD_FILE_BYTES_MAX), configuration(options).network.id)
    options.out(result, lambda: looking.render(result))
    if result["verdict"] == "rejected":
        options.failed = WRONG


@click.command(
    "demo",
    cls=Command,
    example="wltm demo --members 12 --suppliers 3 --seed 7",
    help="A town of real nodes on this machine, from “I would like …” to a signed agreement.",
)
@click.option("--headless", is_flag=True, help="No live view: a line per stage.")
@click.option("--members", type=click.IntRange(3, 200), default=12, show_default=True)
@click.option("--suppliers", type=click.IntRange(2, 20), default=3, show_default=True)
@click.option("--choices", type=FILE, metavar="FILE.csv", help="Members choose as these persons did.")
@click.option("--seed", type=click.IntRange(0), help="Repeat a run's town.")
@click.option("--speed", type=click.IntRange(1), help="Divide the network's durations.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Keep what it leaves.")
@click.option("--with-supplier", metavar="URL", help="A sandbox: your program decides for the first supplier.")
@click.pass_obj
def demo(options: Options, /, **choices: Any) -> None:
    """Exit 0 only if every stage happened."""
    from node.demo import run
    from node.demo.view import in_words

    result = run(**choices, json=options.json)
    options.out(result, lambda: in_words(result))
    if not result["ok"]:
        options.failed = WRONG
