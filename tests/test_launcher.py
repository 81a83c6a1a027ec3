"""scripts/wltm and scripts/install.py on a checkout of their own, with a few packages made here and no network."""

import base64
import hashlib
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-test.lock")
INSTALL: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "install.py"))
CLI = """import os, sys
print("cli", *sys.argv[1:], os.getcwd(), sep="|")
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of the launcher, a program that prints its arguments, and a machine with next to nothing on it."""

    root: Path
    packages: Path
    environment: dict[str, str]

    def run(self, *arguments: str, cwd: Path | None = None, program: Path | None = None) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        command = [str(program or self.root / "scripts" / "wltm"), *arguments]
        done = subprocess.run(command, env=self.environment, cwd=cwd, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def start(self) -> subprocess.Popen[str]:
        """`wltm`, running, in a process group of its own."""
        wltm = str(self.root / "scripts" / "wltm")
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [wltm], env=self.environment, text=True, start_new_session=True, stdout=pipe, stderr=pipe
        )

    def publish(self, name: str, version: str) -> str:
        """Makes a wheel, and gives its entry in a lock."""
        info, wheel = f"{name}-{version}.dist-info", self.packages / f"{name}-{version}-py3-none-any.whl"
        files = {
            f"{name}.py": f"version = '{version}'\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        rows = [f"{path},sha256={checksum(text.encode())},{len(text)}" for path, text in files.items()]
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in {**files, f"{info}/RECORD": "\n".join([*rows, f"{info}/RECORD,,\n"])}.items():
                archive.writestr(path, text)
        return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"

    def lock(self, runtime: str, test: str = "") -> None:
        """Writes both lock files."""
        for name, text in zip(LOCKS, (runtime, runtime + test), strict=True):
            (self.root / "scripts" / name).write_text(f"# written by hand\n{text}")

    def version(self, module: str) -> str:
        """Which version of a package the environment holds, "" when none."""
        code = f"import {module}; print({module}.version)"
        python = self.root / ".venv" / "bin" / "python"
        return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def checksum(data: bytes) -> str:
    """As RECORD files want it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root, bare, packages = tmp_path / "check out", tmp_path / "bin", tmp_path / "packages"
    for folder in (root / "scripts", root / "node", bare, packages):
        folder.mkdir(parents=True)
    for name in ("wltm", "install.py"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts")
    (root / "node" / "cli.py").write_text(CLI)
    (root / "scripts" / "test.py").write_text("import sys; print('test', *sys.argv[1:])")
    for tool in ("sh", "readlink", "cmp"):
        (bare / tool).symlink_to(str(shutil.which(tool)))
    (bare / "python3").symlink_to(f"{sys.base_prefix}/bin/python3.{sys.version_info.minor}")
    environment = {"PATH": str(bare), "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull, "LANG": "C.UTF-8"}
    made = Checkout(root, packages, {**environment, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(packages)})
    made.lock(made.publish("apple", "1.0"), made.publish("pear", "1.0"))
    return made


def test_installs_once_and_then_runs_the_program(checkout: Checkout, tmp_path: Path) -> None:
    code, out, err = checkout.run("coop", "list", cwd=tmp_path)
    assert (code, out) == (0, f"cli|coop|list|{tmp_path}\n")
    assert [line.split(" ")[1] for line in err.splitlines()] == ["creating", "installing", "ready"]
    assert checkout.run("--help", cwd=tmp_path) == (0, f"cli|--help|{tmp_path}\n", "")


def test_the_second_start_costs_less_than_50_ms(checkout: Checkout) -> None:
    checkout.run()
    python = [str(checkout.root / ".venv" / "bin" / "python"), "-P", "-m", "node.cli"]

    def best(command: list[str]) -> float:
        times = []
        for _ in range(9):
            start = time.perf_counter()
            subprocess.run(command, env=checkout.environment, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - start)
        return min(times)

    assert best([str(checkout.root / "scripts" / "wltm")]) - best(python) < 0.050


def test_where_the_user_stands_is_not_on_the_path(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "here" / "node").mkdir(parents=True)
    (tmp_path / "here" / "node" / "cli.py").write_text("print('another program')")
    link = tmp_path / "linked"
    link.symlink_to(checkout.root / "scripts" / "wltm")
    assert checkout.run("id", cwd=tmp_path / "here", program=link)[1] == f"cli|id|{tmp_path / 'here'}\n"


def test_a_package_with_another_hash_is_refused(checkout: Checkout) -> None:
    wheel = next(checkout.packages.glob("apple*"))
    good = wheel.read_bytes()
    wheel.write_bytes(good + b"x")
    code, out, err = checkout.run()
    assert (code, out) == (3, "")
    assert "Traceback" not in err
    wheel.write_bytes(good)
    assert checkout.run()[0] == 0
    assert checkout.version("apple") == "1.0"


def test_a_new_lock_is_installed_into_the_environment_that_is_there(checkout: Checkout) -> None:
    checkout.run()
    checkout.lock(checkout.publish("apple", "1.1"))
    code, _, err = checkout.run()
    assert code == 0
    assert "creating" not in err
    assert checkout.version("apple") == "1.1"


def test_tests_bring_their_own_packages(checkout: Checkout) -> None:
    checkout.run()
    assert checkout.version("pear") == ""
    assert checkout.run("test", "-k", "slot")[1] == "test -k slot\n"
    assert checkout.version("pear") == "1.0"
    assert checkout.run()[2] == ""
    old, new = checkout.publish("apple", "1.0"), checkout.publish("apple", "1.1")
    pear = checkout.publish("pear", "1.0")
    checkout.lock(new, pear)
    checkout.run()
    checkout.lock(old, pear)  # as after `git checkout` of the commit before: nothing stale may count as installed
    assert checkout.run("test")[0] == 0
    assert checkout.version("apple") == "1.0"


def test_two_at_once_install_once(checkout: Checkout) -> None:
    both = [checkout.start(), checkout.start()]
    results = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert "".join(err for _, err in results).count("installing") == 1


def test_an_interrupted_installation_is_made_again(checkout: Checkout) -> None:
    process = checkout.start()
    assert process.stderr is not None
    assert any("installing" in line for line in process.stderr)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    unfinished = checkout.root / ".venv" / "unfinished"
    assert unfinished.exists()
    code, _, err = checkout.run()
    assert (code, "creating" in err) == (0, True)
    assert checkout.version("apple") == "1.0"
    assert not unfinished.exists()


def test_an_environment_whose_python_is_gone_is_made_again(checkout: Checkout) -> None:
    checkout.run()
    python = checkout.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert checkout.run()[0] == 0


def test_without_a_python_one_sentence_says_what_to_install(checkout: Checkout) -> None:
    wltm = checkout.root / "scripts" / "wltm"
    wltm.write_text(wltm.read_text().replace("/usr/bin/python3", ""))
    (Path(checkout.environment["PATH"]) / "python3").unlink()
    code, out, err = checkout.run()
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "apt-get install python3 python3-venv" in err


def test_the_installer_is_what_the_machine_has() -> None:
    installer: Callable[..., tuple[str, list[str]]] = INSTALL["installer"]
    python, wheel = Path("/e/bin/python"), Path("/w/pip-1.whl")
    assert installer(python, "/bin/uv", [wheel], True)[1][:3] == ["/bin/uv", "pip", "install"]
    assert installer(python, None, [wheel], True)[1][:2] == ["/e/bin/python", "/w/pip-1.whl/pip"]
    assert installer(python, None, [], True)[1][:5] == [sys.executable, "-m", "pip", "--python", "/e/bin/python"]
    with pytest.raises(INSTALL["CannotInstall"], match="apt-get install python3-venv"):
        installer(python, None, [], False)


def blocks(name: str) -> dict[str, str]:
    """Package name → its entry, of a real lock file; a package may have one a Python version."""
    wheels, sdists = INSTALL["requirements"]((ROOT / "scripts" / name).read_text())
    entries = re.findall(r"^\S+==.*(?:\n[ ].*)*", wheels + sdists, re.MULTILINE)
    return {entry.splitlines()[0]: entry for entry in entries}


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_is_all_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "scripts" / name).read_text()
    assert re.search(r"\w+://|--(extra-)?index|--find-links| @ |^/", text, re.MULTILINE) is None
    assert all("--hash=sha256:" in entry for entry in blocks(name).values())
    wheels, sdists = INSTALL["requirements"](text)
    assert len(blocks(name)) == len(re.findall(r"^\S+==", text, re.MULTILINE))
    assert re.findall(r"^[\w-]+", sdists, re.MULTILINE) == ["python-baseconv", "varint"]
    assert "\nfastecdsa==4.0.0 " in wheels  # the version libp2p pins would need a C compiler
    assert "\nsetuptools==" in wheels  # which builds the two


def test_the_locks_agree_with_the_project() -> None:
    assert blocks(LOCKS[0]).items() <= blocks(LOCKS[1]).items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = (project["dependencies"], [*project["dependencies"], *project["optional-dependencies"]["test"]])
    for lock, wanted in zip(LOCKS, groups, strict=True):
        locked = {line.partition("==")[0] for line in blocks(lock)}
        assert {re.split(r"[\[=<>;]", line)[0] for line in wanted} <= locked
