"""Every check of the project, cheapest first: ruff, mypy --strict, then pytest in stages (tests/conftest.py).

`scripts/wltm test` runs all; `--quick` leaves out real processes and browsers; `--long` adds what is meant for by hand;
anything else goes to pytest alone, as in `scripts/wltm test tests/test_record.py -k slot`.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATIC = (("ruff", "check", "."), ("mypy",))


def passes(*module: str) -> bool:
    """Runs a module of this environment at the top of the checkout, and says how long it took."""
    start = time.monotonic()
    code = subprocess.run([sys.executable, "-m", *module], cwd=ROOT).returncode
    if module[0] != "pytest":  # whose own closing line comes last
        print(f"{module[0]}: {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - start:.1f} s", flush=True)
    return code == 0


def main() -> int:
    """Exit code 0 when everything passed, else 1."""
    parser = argparse.ArgumentParser(prog="wltm test", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="no real processes or browser, fewer examples")
    parser.add_argument("--long", action="store_true", help="also what takes long, with many more examples")
    choice, rest = parser.parse_known_args()
    static = [passes(*command) for command in STATIC if not rest]  # all of them, whatever the first says
    if choice.quick:
        rest = ["--hypothesis-profile=quick", "-m", "not (long or attack or e2e or browser)", *rest]
    elif choice.long:
        rest = ["--hypothesis-profile=long", *rest]
    elif "-m" not in rest:
        rest = ["-m", "not long", *rest]
    tests = passes("pytest", *rest)
    if not all(static):
        print("wltm test: a static check failed, see the top", file=sys.stderr)
    return 0 if all(static) and tests else 1


if __name__ == "__main__":
    sys.exit(main())
