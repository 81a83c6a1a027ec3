"""Settings from file, environment and flags: who wins, where each came from, and one sentence for what is wrong."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config import FILE_BYTES_MAX, SETTINGS, load
from protocol.errors import CommandError
from protocol.identity import network_id


def written(home: Path, text: str) -> Path:
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(text)
    return home


def refusal(home: Path, environment: dict[str, str] | None = None, **flags: object) -> CommandError:
    with pytest.raises(CommandError) as caught:
        load(home, {name.replace("__", "."): value for name, value in flags.items()}, environment or {})
    return caught.value


def test_defaults_need_no_file(tmp_path: Path) -> None:
    config = load(tmp_path, {}, {})
    assert (config.role, config.network.speed, config.mesh.listen) == ("home", 1, ())
    assert config.network.id == network_id("wltm", b"")
    assert config.origins["api.port"] == "default"


def test_flag_beats_variable_beats_file_beats_default(tmp_path: Path) -> None:
    """CFG-4, each value with its origin; the user's file is left as it was."""
    text = '# mine\nrole = "relay"\n[api]\nport = 1\n[network]\nname = "town"\nsalt = "0aff"\n'
    home = written(tmp_path, text)
    config = load(home, {"api.port": 3, "mesh.listen": None}, {"WLTM_API_PORT": "2", "WLTM_MESH_RELAYS": "/a, /b"})
    assert (config.api.port, config.mesh.relays, config.network.salt) == (3, ("/a", "/b"), b"\x0a\xff")
    shown = {name: (value, origin) for name, value, origin in config.shown()}
    assert shown["api.port"] == ("3", "flag")
    assert shown["mesh.relays"] == ('["/a", "/b"]', "variable WLTM_MESH_RELAYS")
    assert shown["role"] == ('"relay"', f"file {home / 'config.toml'}")
    assert shown["mesh.listen"] == ("[]", "default")
    assert set(shown) == set(SETTINGS) | {"home"}
    assert (home / "config.toml").read_text() == text


def test_home_from_flag_variable_or_platform(tmp_path: Path) -> None:
    flag, variable = tmp_path / "flag", tmp_path / "variable"
    environment = {"WLTM_HOME": str(variable)}
    assert load(flag, {}, environment).origins["home"] == "flag"
    config = load(None, {}, environment)
    assert (config.home, config.origins["home"]) == (variable, "variable WLTM_HOME")
    assert load(None, {}, {}).home.name == "wltm"


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    """STO-25: neither where it stands in front of the host nor where it is a parameter; nor when the URL is no good."""
    url = "postgresql://organiser:hush@db.example:5432/wltm?password=hush&sslmode=require"
    config = load(tmp_path, {"store.url": url}, {})
    assert config.store.url == url
    shown = {name: value for name, value, _ in config.shown()}
    assert shown["store.url"] == '"postgresql://organiser@db.example:5432/wltm?sslmode=require"'
    assert "hush" not in repr(config) + str(config.shown())
    for bad in ("postgres:hush", "mysql://me:hush@host/db", "postgresql://[hush", "hush\n", 5):
        error = refusal(tmp_path, store__url=bad)
        assert (error.code, "hush" in error.message) == ("CFG-3", False)


@pytest.mark.parametrize(
    ("text", "near"),
    [("rol = 'relay'", "role"), ("[api]\nprot = 1", "api.port"), ("[aip]\nport = 1", "api.port"), ("zz = 1", "?")],
)
def test_an_unknown_setting_names_the_nearest(tmp_path: Path, text: str, near: str) -> None:
    """CFG-2"""
    error = refusal(written(tmp_path, text))
    assert error.code == "CFG-2"
    assert near in error.message.partition("did you mean")[2]
    assert str(tmp_path / "config.toml") in error.message


def test_an_unknown_variable_names_the_nearest(tmp_path: Path) -> None:
    """CFG-2"""
    error = refusal(tmp_path, {"WLTM_API_PROT": "1"})
    assert (error.code, "WLTM_API_PORT" in error.message) == ("CFG-2", True)
    load(tmp_path, {}, {"WLTM_PASSPHRASE_FILE": "x", "OTHER": "y"})


@pytest.mark.parametrize(
    "text",
    [
        "role = 'boss'",
        "role = 3",
        "[api]\nport = 'x'",
        "[api]\nport = 65536",
        "[api]\nport = true",
        "[api]\nport = 1.5",
        "[network]\nspeed = 0",
        "[network]\nname = ''",
        '[network]\nname = "a\\u0000"',
        "[network]\nsalt = 'abc'",
        f"[network]\nsalt = '{'00' * 33}'",
        "[mesh]\nlisten = [1]",
        "[mesh]\nrelays = 7",
        "[mesh]\nmemory_mib = 1",
        "[api]\n[api.port]\nx = 1",
        f"[mesh]\nrelays = {['/a'] * 17}",
    ],
)
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, text: str) -> None:
    """CFG-3"""
    error = refusal(written(tmp_path, text))
    name = next(name for name in SETTINGS if f"{name} must be" in error.message)
    assert error.code == "CFG-3"
    assert "config.toml" in error.message
    assert name.rpartition(".")[2] in text


@pytest.mark.parametrize("data", [b"role = ", b"\xff\xfe", b"#" * (FILE_BYTES_MAX + 1), b"a = " + b"[" * 5000])
def test_a_file_that_is_not_toml(tmp_path: Path, data: bytes) -> None:
    """CFG-1"""
    (tmp_path / "config.toml").write_bytes(data)
    error = refusal(tmp_path)
    assert (error.code, str(tmp_path) in error.message) == ("CFG-1", True)


def test_a_folder_in_the_files_place(tmp_path: Path) -> None:
    """CFG-1"""
    (tmp_path / "config.toml").mkdir()
    assert refusal(tmp_path).code == "CFG-1"


@given(name=st.sampled_from(sorted(SETTINGS)), value=st.text() | st.integers() | st.lists(st.text()) | st.booleans())
def test_any_value_is_refused_or_read_and_what_is_shown_reads_back(name: str, value: object) -> None:
    """CFG-3 for flags, nothing but CommandError; what `shown` prints is TOML of the same value."""
    home = Path("absent")
    try:
        config = load(home, {name: value}, {})
    except CommandError:
        return
    shown = next(text for key, text, _ in config.shown() if key == name)
    again = load(home, {name: tomllib.loads(f"x = {shown}")["x"]}, {})
    assert again.shown() == config.shown()
