"""What benches have in common: real nodes as processes, what a process used, and the environment of the yardsticks.

Yardsticks from outside run in an environment of their own, `.venv-bench` in the checkout, made by the first bench that
needs it from requirements-bench.lock; the product never sees it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PEERS = ROOT / ".venv-bench"
_LOCK = ROOT / "scripts" / "requirements-bench.lock"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Unavailable(Exception):
    """One sentence: which yardstick this machine cannot have, and why."""


def outside_python() -> Path:
    """The Python of the yardsticks' environment, made now if need be. Raises Unavailable."""
    python, done = _PEERS / "bin" / "python", _PEERS / _LOCK.name
    if done.exists() and done.read_bytes() == _LOCK.read_bytes():
        return python
    uv = shutil.which("uv") or str(ROOT / ".venv" / "bin" / "uv")
    shutil.rmtree(_PEERS, ignore_errors=True)
    make = [sys.executable, "-m", "venv", *(["--without-pip"] if Path(uv).exists() else []), str(_PEERS)]
    pip = (
        [uv, "pip", "install", "--python", str(python)] if Path(uv).exists() else [str(python), "-m", "pip", "install"]
    )
    for command in (make, [*pip, "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(_LOCK)]):
        if subprocess.run(command, stdout=sys.stderr).returncode:
            raise Unavailable(f"not compared: the packages of scripts/{_LOCK.name} cannot be installed")
    shutil.copyfile(_LOCK, done)
    return python


def descendants(pids: Iterable[int]) -> list[int]:
    """These processes and all below them, as far as they still live (Linux)."""
    found = list(pids)
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of processor time that these processes and their threads have used so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])  # utime, stime
    return total / _TICKS_PER_S


def resident_mb(pids: Iterable[int], peak: bool = False) -> float:
    """Memory in 10⁶ bytes that these processes hold, pages they share counted in each; or the sum of their peaks."""
    name = "VmHWM:" if peak else "VmRSS:"
    kib = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        kib += sum(int(line.split()[1]) for line in lines if line.startswith(name))
    return kib * 1024 / 1e6
