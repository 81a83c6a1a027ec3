"""What categories there are, what a template says, and whether one of one's own is well formed.

Decides nothing; needs no running node. Spec: 13-node, CLI-50.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.shell import USAGE, WRONG, Group, Options, Stop, table
from protocol.errors import CommandError

if TYPE_CHECKING:
    from protocol.coop.template import Template


@click.group("template", cls=Group, example="wltm template list", help="What can be bought, and how it compares.")
def template() -> None:
    """List, show, check."""


@template.command("list", example="wltm template list", help="The categories this node knows.")
@click.pass_obj
def template_list(options: Options) -> None:
    """Those that come with the node, and those in the home's folder `templates`."""
    rows = [plain(one) for _, one in sorted(_known(options).items())]
    columns = {"category": "category", "version": "version", "title": "title", "currency": "currency"}
    options.out(rows, lambda: table(rows, columns, "No templates here."))


@template.command("show", example="wltm template show electricity", help="What a category counts, costs and compares.")
@click.argument("category")
@click.pass_obj
def template_show(options: Options, /, category: str) -> None:
    """In words, or with --json as the map that is hashed."""
    from node.template import tell

    known = _known(options)
    if category not in known:
        names = ", ".join(sorted(known))
        raise Stop(USAGE, f"{category[:40]}: there is no template of this name here; there are {names}", "CLI-50")
    found = known[category]
    options.out(plain(found), lambda: tell(found))


@template.command("check", example="wltm template check steam.toml", help="Whether a template is well formed.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def template_check(options: Options, /, file: Path) -> None:
    """Exit 1 and the clause when it is not; else what it says."""
    from node.template import load_file, tell

    try:
        found = load_file(file)
    except CommandError as error:
        raise Stop(WRONG, error.message, error.code) from None
    options.out(plain(found), lambda: tell(found) + "\nWell formed: put it into the folder `templates` of your home.")


def plain(found: Template) -> dict[str, Any]:
    """The map that is hashed, and the hash."""
    return found.to_mapping() | {"hash": found.hash.hex()}


def _known(options: Options) -> Mapping[str, Template]:
    from node.cli.home import configuration
    from node.template import in_home

    return in_home(configuration(options).home)
