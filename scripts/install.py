"""Makes .venv hold exactly the versions and hashes that a lock file lists, with whatever installer the machine has.

Needs the standard library only. Called by scripts/wltm; never imports the program it installs, never asks for root.
Two at once: the second waits for the first. Interrupted: the next one starts over from the installer's own cache.
"""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-test.lock")  # each holds the ones before it
SDISTS = ("python-baseconv", "varint")  # pure Python, published without wheels; everything else comes as a wheel
WHEEL_FOLDERS = ("/usr/share/python-wheels",)  # where Debian and Fedora keep the pip that `ensurepip` would use


class CannotInstall(Exception):
    """One sentence for the user: what is missing and how to get it."""


def say(text: str) -> None:
    print(f"wltm: {text}", file=sys.stderr, flush=True)


def run(*command: str) -> None:
    """A step whose failure ends the installation; its output is shown."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USE_PEP517": "1"}
    if subprocess.run(command, env=environment, stdout=sys.stderr).returncode:
        raise CannotInstall(f"`{Path(command[0]).name}` failed, see above; the same command will go on from there")


def pip_wheels() -> list[Path]:
    """The pip that this Python (it is sure to suit), then its distribution, carries along."""
    spec = importlib.util.find_spec("ensurepip")
    bundled = [Path(spec.origin).parent / "_bundled"] if spec and spec.origin else []
    return [wheel for folder in (*bundled, *map(Path, WHEEL_FOLDERS)) for wheel in sorted(folder.glob("pip-*.whl"))]


def installer(python: Path, uv: str | None, wheels: Sequence[Path], pip: bool) -> tuple[str, list[str]]:
    """What installs into the environment of `python`, name and command: uv, a pip wheel, or this Python's pip."""
    if uv:
        return "uv", [uv, "pip", "install", "--python", str(python), "--compile-bytecode", "--quiet"]
    common = ["--no-input", "--quiet", "--no-warn-script-location"]
    if wheels:  # pip runs from its wheel, so a Python without ensurepip will do
        return "pip", [str(python), str(wheels[0] / "pip"), "install", *common]
    if pip:
        return "pip", [sys.executable, "-m", "pip", "--python", str(python), "install", *common]
    raise CannotInstall("found neither uv nor pip; on Debian or Ubuntu: apt-get install python3-venv")


def requirements(lock: str) -> tuple[str, str]:
    """The lock in two: wheels, and the few that have to be built once setuptools is there."""
    blocks = re.findall(r"^[A-Za-z0-9].*(?:\n[ \t].*)*\n", lock, re.MULTILINE)
    built = [block for block in blocks if re.split("[=<>! ;]", block, maxsplit=1)[0] in SDISTS]
    return "".join(block for block in blocks if block not in built), "".join(built)


def create(venv: Path, python: Path) -> None:
    """An environment of this Python's version: the one that is there, unless it is broken or half made."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    check = "import sys; print('%d.%d' % sys.version_info[:2])"
    if python.exists() and not (venv / "unfinished").exists():
        found = subprocess.run([str(python), "-c", check], capture_output=True, text=True)
        if found.stdout.strip() in ("3.11", "3.12", "3.13"):
            return
    say(f"creating .venv with Python {version}")
    shutil.rmtree(venv, ignore_errors=True)
    if importlib.util.find_spec("venv") is None:
        raise CannotInstall("this Python has no venv module; on Debian or Ubuntu: apt-get install python3-venv")
    run(sys.executable, "-m", "venv", "--without-pip", str(venv))


def install(root: Path, name: str) -> None:
    """Brings root/.venv to what root/scripts/`name` lists; raises `CannotInstall`."""
    venv, lock = root / ".venv", root / "scripts" / name
    python, unfinished = venv / "bin" / "python", venv / "unfinished"
    pip = importlib.util.find_spec("pip") is not None
    tool, command = installer(python, shutil.which("uv"), pip_wheels(), pip)
    create(venv, python)
    unfinished.touch()
    for other in LOCKS:
        (venv / other).unlink(missing_ok=True)
    wheels, sdists = requirements(lock.read_text())
    say(f"installing {wheels.count('==') + sdists.count('==')} packages with {tool} (once; it takes a minute or two)")
    for text, how in ((wheels, ["--only-binary", ":all:"]), (sdists, ["--no-build-isolation"])):
        if text:
            unfinished.write_text(text)
            run(*command, "--no-deps", "--require-hashes", *how, "-r", str(unfinished))
    site = next((venv / "lib").glob("python3.*/site-packages"))
    (site / "wltm.pth").write_text(f"{root}\n")
    for done in LOCKS[: LOCKS.index(name) + 1]:
        shutil.copyfile(root / "scripts" / done, venv / done)
    unfinished.unlink()


def installed(root: Path, name: str) -> bool:
    """Does .venv hold what the lock lists? As scripts/wltm asks, once more behind the door."""
    mark, lock = root / ".venv" / name, root / "scripts" / name
    return (root / ".venv" / "bin" / "python").exists() and mark.exists() and mark.read_bytes() == lock.read_bytes()


def main(root: Path, name: str) -> int:
    """Exit code 0, or 3 (130 for Ctrl-C) after one sentence."""
    start = time.monotonic()
    door = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another installation to finish")
        fcntl.flock(door, fcntl.LOCK_EX)
    try:
        if not installed(root, name):
            install(root, name)
            say(f"ready after {time.monotonic() - start:.0f} s")
    except (CannotInstall, OSError) as error:
        say(str(error))
        return 3
    except KeyboardInterrupt:
        say("interrupted; the same command starts over")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(ROOT, sys.argv[1]))
