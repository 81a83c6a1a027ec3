"""Every check of the project, cheapest first: ruff, mypy --strict, then pytest in stages (tests/conftest.py).

`scripts/wltm test` runs all: what only computes on every core, then real processes and browsers one by one. `--quick`
is the unit tests alone; `--long` adds what is meant for by hand; anything else goes to pytest alone, as in
`scripts/wltm test tests/test_record.py -k slot`.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATIC = (("ruff", "check", "."), ("mypy",))
REAL = "real or attack or e2e or browser"  # has processes of its own, and limits of time
WORKERS_MAX = 8


def passes(*module: str) -> bool:
    """Runs a module of this environment at the top of the checkout, and says how long it took."""
    start = time.monotonic()
    code = subprocess.run([sys.executable, "-m", *module], cwd=ROOT).returncode
    if module[0] != "pytest":  # whose own closing line comes last
        print(f"{module[0]}: {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - start:.1f} s", flush=True)
    return code == 0


def on_all_cores(marks: str, profile: str) -> bool:
    """Runs the tests with these marks side by side, each file's in its order as far as they stay together."""
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, WORKERS_MAX)
    return passes("pytest", f"--hypothesis-profile={profile}", "-m", marks, "-n", str(workers), "--dist=worksteal")


def main() -> int:
    """Exit code 0 when everything passed, else 1."""
    parser = argparse.ArgumentParser(prog="wltm test", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the unit tests alone, with fewer examples")
    parser.add_argument("--long", action="store_true", help="also what takes long, with many more examples")
    choice, rest = parser.parse_known_args()
    static = [passes(*command) for command in STATIC if not rest]  # all of them, whatever the first says
    profile = "quick" if choice.quick else "long" if choice.long else "ci"
    kept = "" if choice.long else "not long and "
    if rest:
        tests = passes("pytest", f"--hypothesis-profile={profile}", *rest)
    elif choice.quick:
        tests = on_all_cores(f"not (long or sim or {REAL})", profile)
    else:
        computed = on_all_cores(f"{kept}not ({REAL})", profile)
        real = passes("pytest", f"--hypothesis-profile={profile}", "-m", f"{kept}({REAL})")
        tests = computed and real
    if not all(static):
        print("wltm test: a static check failed, see the top", file=sys.stderr)
    return 0 if all(static) and tests else 1


if __name__ == "__main__":
    sys.exit(main())
