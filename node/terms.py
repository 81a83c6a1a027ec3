"""Data terms as TOML files: those that come with the node, and those of its person's own.

Decides where they are found; what terms may say is protocol.trust.consent's. Spec: 20-consent, CNS-1 to CNS-3.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from protocol.errors import CommandError, Reject
from protocol.trust.consent import DataTerms, parse_terms

FOLDER = Path(__file__).parent / "dataterms"
_FILE_BYTES_MAX = 16 * 1024
_FILES_MAX = 200


def load_file(path: Path) -> DataTerms:
    """The terms in a TOML file. Raises CommandError CNS-1, naming the file and the field."""
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
        if len(content) > _FILE_BYTES_MAX:
            raise CommandError("CNS-1", f"{path.name}: more than {_FILE_BYTES_MAX} bytes")
        return parse_terms(tomllib.loads(content.decode("utf-8-sig")))
    except OSError as error:
        raise CommandError("CNS-1", f"{path.name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError("CNS-1", f"{path.name}: is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise CommandError("CNS-1", f"{path.name}: is not TOML: {error}") from None
    except Reject as error:
        raise CommandError(error.code, f"{path.name}: {error.message}") from None


def in_home(home: Path) -> dict[str, DataTerms]:
    """Id -> terms: those that come with the node, and those in the home's folder `terms`, at most 200 files."""
    files = [*sorted(FOLDER.glob("*.toml")), *sorted((home / "terms").glob("*.toml"))[:_FILES_MAX]]
    return {one.id: one for one in map(load_file, files)}
