"""Settings: defaults, then the file `config.toml` of the home, then WLTM_… variables, then flags; each with its origin.

Decides what a setting is called, what it may be and where it came from; never writes the user's file.
Spec: 14-store, CFG-1 to CFG-4.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from platformdirs import user_data_dir

from node.presets import presets
from node.quiet import quiet_range
from protocol.errors import CommandError
from protocol.identity import network_id
from protocol.params import MAIL_BYTES_MAX, MAIL_RECORDS_MAX

FILE_NAME = "config.toml"
FILE_BYTES_MAX = 64 * 1024
SECTIONS = ("network", "api", "mesh", "store", "relay")
URL_SCHEMES = ("postgresql://", "postgres://")
ROLES = ("home", "relay", "supplier")
OUTSIDE = frozenset({"WLTM_HOME", "WLTM_PASSPHRASE_FILE", "WLTM_PYTHON"})  # variables that are no settings

Origin = str  # "default", "file …", "variable WLTM_…" or "flag"


@dataclass(frozen=True, slots=True)
class Network:
    """Which network this home belongs to; `speed` divides every duration of its templates (1 outside demos).

    `preset`: the times of the co-ops that this node founds by itself.
    """

    name: str
    salt: bytes
    speed: int
    preset: str

    @property
    def id(self) -> bytes:
        """The 32 bytes that every record of the network carries (REC-5)."""
        return network_id(self.name, self.salt)


@dataclass(frozen=True, slots=True)
class Api:
    """Where the local API and pages listen (always loopback), and under which names they answer."""

    port: int
    allowed_hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mesh:
    """Where peers find us ("" or nothing: nowhere), which relays we keep to, how much memory the mesh may take.

    `delay_ms`: what its person signs leaves a home within so long; `quiet_hours`: "23:00-07:00", local time, without
    links; `day_mib`: what a day may cost before boards have to wait, 0 for no bound.

    `announce`: where we tell peers that anybody may dial us, when that is not where we listen. `lan`: look for nodes of
    the network on the local network, and be found there.
    """

    listen: tuple[str, ...]
    announce: tuple[str, ...]
    lan: bool
    relays: tuple[str, ...]
    memory_mib: int
    delay_ms: int
    quiet_hours: tuple[str, ...]
    day_mib: int


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the log is: "" for the file in the home, else the URL of a PostgreSQL database; and how much it may hold.

    `max_mib`: of records (0: no bound); with its indexes a database takes about half as much again on the disk.
    """

    url: str = field(repr=False)
    max_mib: int


@dataclass(frozen=True, slots=True)
class Relay:
    """Whether this node carries for all (`open`) or by its list alone (REL-6); the letters of a prefix (REL-14)."""

    open: bool
    mail_records: int
    mail_kib: int


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting of one node, and for each "section.name" where its value came from."""

    home: Path
    role: str
    persona: str
    network: Network
    api: Api
    mesh: Mesh
    store: Disk
    relay: Relay
    origins: Mapping[str, Origin]

    def shown(self) -> list[tuple[str, str, Origin]]:
        """(setting, value as TOML would write it, origin), for `config show --origin`."""
        found = [("home", str(self.home)), ("role", self.role), ("persona", self.persona)]
        for section in SECTIONS:
            part = getattr(self, section)
            found += [(f"{section}.{name}", getattr(part, name)) for name in part.__slots__]
        safe = {"store.url": without_password(self.store.url)}
        return [(name, _toml(safe.get(name, value)), self.origins[name]) for name, value in found]


Parse = Callable[[Any], Any]  # a TOML value or a text to what the dataclass holds; raises ValueError


def _integer(least: int, most: int) -> Parse:
    def parse(value: Any) -> int:
        number = int(value) if type(value) is str and len(value) < 16 and value.isdecimal() else value
        if type(number) is not int or not least <= number <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return number

    return parse


def _boolean(value: Any) -> bool:
    if type(value) is bool or value in ("true", "false"):
        return value in (True, "true")
    raise ValueError("true or false")


def _text(most: int) -> Parse:
    def parse(value: Any) -> str:
        if type(value) is not str or not 1 <= len(value.encode("utf-8", "replace")) <= most or not value.isprintable():
            raise ValueError(f"a text of 1 to {most} bytes")
        return value

    return parse


def _texts(most: int) -> Parse:
    one = _text(256)

    def parse(value: Any) -> tuple[str, ...]:
        parts = [part.strip() for part in value.split(",") if part.strip()] if type(value) is str else value
        if type(parts) not in (list, tuple) or len(parts) > most:
            raise ValueError(f"a list of at most {most} texts (in a variable or a flag: separated by commas)")
        return tuple(map(one, parts))

    return parse


def _ranges(value: Any) -> tuple[str, ...]:
    found: tuple[str, ...] = _texts(8)(value.replace(" ", "") if type(value) is str else value)
    for one in found:
        quiet_range(one)
    return found


def _one_of(*names: str) -> Parse:
    def parse(value: Any) -> str:
        if value not in names:
            raise ValueError("one of " + ", ".join(names))
        return str(value)

    return parse


def _salt(value: Any) -> bytes:
    try:
        data = bytes.fromhex(value) if type(value) is str else None
    except ValueError:
        data = None
    if data is None or len(data) > 32:
        raise ValueError("at most 32 bytes in hexadecimal")
    return data


def _database(value: Any) -> str:
    url = value if type(value) is str and len(value) <= 1000 and value.isprintable() else "unusable"
    try:
        good = not url or (url.startswith(URL_SCHEMES) and bool(without_password(url)))
    except ValueError:  # of urlsplit, which may repeat what it was given
        good = False
    if not good:
        raise ValueError("empty, or the URL of a PostgreSQL database: postgresql://user@host/database")
    return url


def without_password(url: str) -> str:
    """The URL of a database as anybody may see it."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = "&".join(part for part in parts.query.split("&") if not part.startswith("password="))
    return urlunsplit((parts.scheme, user.partition(":")[0] + at + host, parts.path, query, "")) if url else ""


# Every setting: how it is read, and its value where nobody says otherwise.
SETTINGS: Mapping[str, tuple[Parse, Any]] = {
    "role": (_one_of(*ROLES), "home"),
    "persona": (_one_of("one", "per-circle", "per-deal"), "per-circle"),
    "network.name": (_text(64), "wltm"),
    "network.salt": (_salt, ""),
    "network.speed": (_integer(1, 1_000_000), 1),
    "network.preset": (_one_of(*presets(1)), "always-on"),
    "api.port": (_integer(0, 65_535), 7417),
    "api.allowed_hosts": (_texts(16), ()),
    "mesh.listen": (_texts(8), ()),
    "mesh.announce": (_texts(4), ()),
    "mesh.lan": (_boolean, False),
    "mesh.relays": (_texts(16), ()),
    "mesh.memory_mib": (_integer(128, 65_536), 384),
    "mesh.delay_ms": (_integer(0, 600_000), 3_000),
    "mesh.quiet_hours": (_ranges, ()),
    "mesh.day_mib": (_integer(0, 1_000_000), 0),
    "store.url": (_database, ""),
    "store.max_mib": (_integer(0, 1 << 30), 0),
    "relay.open": (_boolean, True),
    "relay.mail_records": (_integer(1, 10_000), MAIL_RECORDS_MAX),
    "relay.mail_kib": (_integer(4, 1 << 20), MAIL_BYTES_MAX >> 10),
}


def default_home(environment: Mapping[str, str] = os.environ) -> Path:
    """The home where no flag names one: WLTM_HOME, else the platform's folder for user data."""
    return Path(environment.get("WLTM_HOME") or user_data_dir("wltm", appauthor=False)).expanduser().absolute()


def load(
    home: Path | None = None, flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] = os.environ
) -> Config:
    """The settings in force. `flags` maps setting names ("api.port") to values; None means: not given.

    Raises CommandError naming the setting, where it stands and what it must be (CFG-2, CFG-3).
    """
    values = {name: default for name, (_, default) in SETTINGS.items()}
    origins = dict.fromkeys(SETTINGS, "default")
    place = "flag" if home else "variable WLTM_HOME" if environment.get("WLTM_HOME") else "default"
    home = home.expanduser().absolute() if home else default_home(environment)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    for source, found in ((f"file {home / FILE_NAME}", _file(home)), *_variables(environment), ("flag", given)):
        for name, value in found.items():
            if name not in SETTINGS:
                raise _unknown(name, source)
            values[name], origins[name] = value, source
    for name, (parse, _) in SETTINGS.items():
        try:
            values[name] = parse(values[name])
        except ValueError as error:
            raise CommandError("CFG-3", f"{origins[name]}: {name} must be {error}") from None
    parts = {section: _part(values, section) for section in SECTIONS}
    return Config(
        home=home,
        role=values["role"],
        persona=values["persona"],
        network=Network(**parts["network"]),
        api=Api(**parts["api"]),
        mesh=Mesh(**parts["mesh"]),
        store=Disk(**parts["store"]),
        relay=Relay(**parts["relay"]),
        origins={"home": place, **origins},
    )


def _part(values: Mapping[str, Any], section: str) -> dict[str, Any]:
    head = section + "."
    return {name.removeprefix(head): value for name, value in values.items() if name.startswith(head)}


def _file(home: Path) -> dict[str, Any]:
    path = home / FILE_NAME
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CommandError("CFG-1", f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    if len(data) > FILE_BYTES_MAX:
        raise CommandError("CFG-1", f"{path}: larger than {FILE_BYTES_MAX} bytes; is it the right file?")
    try:
        tree = tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # of TOML, UTF-8, or a number of thousands of digits
        raise CommandError("CFG-1", f"{path}: not TOML: {error}") from None
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if type(value) is dict:
            found.update({f"{name}.{inner}": one for inner, one in value.items()})
        else:
            found[name] = value
    return found


def _variables(environment: Mapping[str, str]) -> list[tuple[Origin, dict[str, Any]]]:
    names = {"WLTM_" + name.replace(".", "_").upper(): name for name in SETTINGS}
    mine = sorted(name for name in environment if name.startswith("WLTM_") and name not in OUTSIDE)
    for name in mine:
        if name not in names:
            raise _unknown(name, "environment", tuple(names))
    return [(f"variable {name}", {names[name]: environment[name]}) for name in mine]


def _unknown(name: str, source: Origin, known: tuple[str, ...] = tuple(SETTINGS)) -> CommandError:
    near = difflib.get_close_matches(name, known, 1, 0.0)
    return CommandError("CFG-2", f"{source}: {name[:80]} is not a setting; did you mean {near[0]}?")


def _toml(value: Any) -> str:
    match value:
        case bytes():
            return f'"{value.hex()}"'
        case tuple():
            return "[" + ", ".join(_toml(one) for one in value) + "]"
        case int():
            return str(value).lower()
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
