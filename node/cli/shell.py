"""What every command of `wltm` shares: global options anywhere on the line, exit codes, output for people or programs.

Decides how an answer or a failure leaves the program, never what it is. Spec: 13-node, CLI-1 to CLI-5.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from node.present import line
from protocol.errors import ProtocolError

OK, WRONG, USAGE, NOT_NOW = 0, 1, 2, 3
INTERRUPTED = 130


class Stop(Exception):
    """Ends the command with this exit code and, if there is one, this sentence."""

    def __init__(self, exit_code: int, message: str = "", code: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message
        self.code = code


@dataclass(slots=True)
class Options:
    """The global options of one run."""

    home: Path | None = None
    json: bool = False
    verbose: bool = False
    failed: int = field(default=OK)

    def out(self, value: Any, text: str | Callable[[], str]) -> None:
        """The answer: `value` as JSON for programs, `text` for people."""
        if self.json:
            click.echo(as_json(value))
        else:
            click.echo(printable(text if isinstance(text, str) else text()))

    def say(self, sentence: str) -> None:
        """What happens meanwhile, for people; never on standard output."""
        if not self.json:
            click.echo(printable(sentence), err=True)

    def confirm(self, sentence: str, yes: bool) -> None:
        """Says what a signature binds, and asks (CLI-4)."""
        if yes:
            self.say(sentence)
        elif self.json or not sys.stdin.isatty():
            raise Stop(USAGE, f"{sentence} Say --yes if that is meant.", "CLI-4")
        else:
            self.say(sentence)
            if not click.confirm("Sign?", default=False, err=True):
                raise Stop(NOT_NOW, "Nothing was signed.", "CLI-4")


def printable(text: str) -> str:
    """Text from peers cannot drive the terminal: what does not print, but line breaks, is shown as codes (CLI-5)."""
    return "\n".join(line(one) for one in text.split("\n"))


def as_json(value: Any) -> str:
    """One line of JSON in which what does not print, of any script, is escaped (CLI-5)."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            setattr(context.ensure_object(Options), name, value)

    return keep


class _Folder(click.Path):
    """A folder that may be missing; an empty name, as of a variable that is not set, does not mean the current one."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(value, param, ctx) if value else self.fail("is empty; name a folder", param, ctx)


def _global_options() -> list[click.Parameter]:
    def option(names: list[str], attribute: str, text: str, **more: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_remember(attribute), help=text, **more)

    return [
        option(["--home"], "home", "Folder of this node (or WLTM_HOME).", type=_Folder(), metavar="DIR"),
        option(["--json"], "json", "Answer in JSON.", is_flag=True),
        option(["-v", "--verbose"], "verbose", "Say more, also about errors.", is_flag=True),
    ]


class Command(click.Command):
    """A command that takes the global options too, and shows one example."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _global_options()
        self.epilog = f"Example: {example}"


class Group(click.Group):
    """A group of `Command`s, in the order in which they were added."""

    command_class = Command

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _global_options()
        self.epilog = f"Example: {example}"

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def run(group: click.Group, arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code; nothing but one sentence is said about a failure (CLI-3)."""
    options = Options(json="--json" in arguments, verbose=bool({"-v", "--verbose"} & {*arguments}))
    try:
        group.main(list(arguments), prog_name="wltm", standalone_mode=False, obj=options)
        return options.failed
    except Stop as stop:
        return _failed(options, stop.exit_code, stop.code, stop.message)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return USAGE
    except click.ClickException as error:
        return _failed(options, USAGE, "CLI-2", error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return _failed(options, INTERRUPTED, "CLI-2", "stopped")
    except ProtocolError as error:
        return _failed(options, USAGE, error.code, error.message)
    except SystemExit:  # click's only one: whoever reads the output has enough
        return OK
    except (OSError, MemoryError) as error:
        if options.verbose:
            raise
        return _failed(options, NOT_NOW, "CLI-3", system_words(error))
    except Exception as error:
        if options.verbose:
            raise
        kind = type(error).__name__
        return _failed(options, NOT_NOW, "CLI-3", f"an error of this program ({kind}); -v shows where")


def system_words(error: OSError | MemoryError) -> str:
    """What the system refused, and where: "/home/a/node.db: Permission denied"."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or "there is not enough memory"


def _failed(options: Options, exit_code: int, code: str, message: str) -> int:
    with suppress(OSError):  # nobody listens: the exit code still tells
        if message:
            click.echo(f"wltm: {printable(message)}" + (f" [{code}]" if code and options.verbose else ""), err=True)
        if options.json:
            click.echo(as_json({"error": {"code": code, "message": message}}))
    return exit_code


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], empty: str) -> str:
    """Rows under headings, aligned; `columns` maps a row's key to its heading; `empty` is said when there are none."""
    if not rows:
        return empty
    lines = [list(columns.values())] + [[line(str(row.get(name, ""))) for name in columns] for row in rows]
    widths = [max(len(cells[place]) for cells in lines) for place in range(len(columns))]
    return "\n".join("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in lines)


def content(path: Path, bytes_max: int) -> bytes:
    """The bytes of a file, or of standard input when it is "-". Raises Stop when unreadable or over `bytes_max`."""
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise Stop(USAGE, f"{path}: cannot be read ({error.strerror})", "CLI-9") from None
    except MemoryError:
        raise Stop(NOT_NOW, f"{path}: does not fit into memory", "CLI-9") from None
    if len(data) > bytes_max:
        raise Stop(USAGE, f"{path}: larger than {bytes_max} bytes; is it the right file?", "CLI-9")
    return data
