"""Category templates as TOML files.

Decides where templates are found and says what is wrong with one; what a template may say is protocol.coop.template's.
Spec: 04-template, TPL-1 to TPL-6.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from protocol.coop.template import Template, parse
from protocol.errors import CommandError, Reject

FOLDER = Path(__file__).parent / "templates"
_FILE_BYTES_MAX = 64 * 1024


def categories() -> tuple[str, ...]:
    """The categories that come with the node, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(category: str) -> Template:
    """The template that comes with the node. Raises CommandError TPL-1 for a category without one."""
    if category not in categories():
        raise CommandError("TPL-1", f"category {category[:40]!r}: no template; there are {', '.join(categories())}")
    return load_file(FOLDER / f"{category}.toml")


def load_file(path: Path) -> Template:
    """The template in a TOML file. Raises CommandError with the clause, naming the file and the field."""
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CommandError("TPL-1", f"{path.name}: cannot be read: {error.strerror}") from None
    if len(content) > _FILE_BYTES_MAX:
        raise CommandError("TPL-1", f"{path.name}: more than {_FILE_BYTES_MAX} bytes")
    try:
        return parse(tomllib.loads(content.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise CommandError("TPL-1", f"{path.name}: is not UTF-8 text") from None
    except ValueError as error:  # of TOML, or a number of thousands of digits
        raise CommandError("TPL-1", f"{path.name}: is not TOML: {error}") from None
    except RecursionError:
        raise CommandError("TPL-1", f"{path.name}: is nested too deep") from None
    except Reject as error:
        raise CommandError(error.code, f"{path.name}: {error.message}") from None


def in_home(home: Path) -> dict[str, Template]:
    """Category -> template: those that come with the node, and those in the home's folder `templates`, which win."""
    own = sorted((home / "templates").glob("*.toml"))
    found = [load(category) for category in categories()] + [load_file(path) for path in own]
    return {template.category: template for template in found}
