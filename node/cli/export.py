"""`wltm export`: a proven deal as files that others read, or everything that the node keeps.

Decides where files go; what is in them is node.paper's. Spec: 13-node, CLI-75 and CLI-92; 17-paper.
"""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.home import PASSPHRASE, configuration, passphrase_for
from node.cli.shell import USAGE, WRONG, Command, Options, Stop
from node.present import now_ms, size
from protocol.errors import Reject

FORMATS = ("csv", "html", "ubl", "valueflows")
_BOM = b"\xef\xbb\xbf"


@click.command(
    "export",
    cls=Command,
    example="wltm export deal.bundle --format csv --out papers",
    help="Write a proven deal as CSV, a page to print, UBL or ValueFlows; or (--all DIR) all this node keeps of you.",
)
@click.argument("bundle", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--format", "form", type=click.Choice(FORMATS))
@click.option("--out", default=".", show_default=True, metavar="DIR|FILE|-", help="A folder; or a file or - for one.")
@click.option("--only", metavar="NAME", help="Only the file of this name, where a format makes several.")
@click.option("--bom", is_flag=True, help="CSV begins with a byte order mark, as some spreadsheets want it.")
@click.option(
    "--all",
    "everything",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write all that this node keeps of you.",
)
@PASSPHRASE
@click.pass_obj
def export(
    options: Options,
    /,
    bundle: Path | None,
    form: str | None,
    out: str,
    only: str | None,
    bom: bool,
    everything: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Exit 1 and the clause when the bundle does not hold; never overwrites a file that says something else."""
    if everything is not None:
        if bundle or form:
            raise Stop(USAGE, "--all writes everything; leave out the bundle and its format", "CLI-92")
        _all(options, everything, passphrase_file)
        return
    if bundle is None or form is None:
        raise Stop(USAGE, "name a bundle and a --format, or give --all DIR", "CLI-92")
    _papers(options, bundle, form, out, only, bom)


def _all(options: Options, folder: Path, passphrase_file: Path | None) -> None:
    import asyncio

    from node import everything, keystore

    config = configuration(options)
    keys = keystore.open(config.home, passphrase_for(config.home, passphrase_file))
    options.say("Reading everything …")
    rows = asyncio.run(everything.export(config, keys, folder, now_ms()))
    total = size(sum(row["bytes"] for row in rows))
    options.out({"files": rows}, f"{folder}: {len(rows)} files, {total}; begin with README.txt")


def _papers(options: Options, bundle: Path, form: str, out: str, only: str | None, bom: bool) -> None:
    from node import paper
    from node.verify import content

    try:
        files = paper.export(content(bundle), form)
    except Reject as error:
        raise Stop(WRONG, f"the bundle does not hold: {error.message}", error.code) from None
    if only is not None:
        if only not in files:
            raise Stop(USAGE, f"--only {only[:60]}: this format makes {', '.join(files)}", "CLI-75")
        files = {only: files[only]}
    if bom:
        files = {name: _BOM + one if name.endswith(".csv") else one for name, one in files.items()}
    if out == "-":
        click.echo(_sole(files)[1], nl=False)
        return
    folder = Path(out)
    places = {folder / name: one for name, one in files.items()}
    if folder.suffix and not folder.is_dir():
        places = {folder: _sole(files)[1]}
    else:
        folder.mkdir(parents=True, exist_ok=True)
    for path, one in places.items():
        _write(path, one)
    rows = [{"file": str(path), "bytes": len(one)} for path, one in places.items()]
    options.out({"files": rows}, "\n".join(f"{row['file']}: {row['bytes']} bytes" for row in rows))


def _sole(files: dict[str, bytes]) -> tuple[str, bytes]:
    if len(files) != 1:
        raise Stop(USAGE, f"--out: a folder, or choose one file by --only: {', '.join(files)}", "CLI-75")
    return next(iter(files.items()))


def _write(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        if path.read_bytes() != content:
            raise Stop(USAGE, f"{path}: is there and says something else; choose another --out", "CLI-75") from None
    except OSError as error:
        raise Stop(USAGE, f"{path}: cannot be made ({error.strerror})", "CLI-75") from None
