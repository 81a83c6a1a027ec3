"""Runs one measurement of scripts/benches/ against its yardstick, both in this run, and judges their ratio.

A bench module holds UNIT, AGAINST (the yardstick's name), LIMIT (the least ratio), `measure()` and `yardstick()`; both
return one number where more is better. They take turns, so that a busy moment of the machine strikes both.
"""

import argparse
import json
import os
import platform
import runpy
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "benches"


def result(name: str, runs: int) -> dict[str, Any]:
    """The object that `--json` prints: medians in UNIT, their ratio, and the least ratio wanted."""
    bench = runpy.run_path(str(FOLDER / f"{name}.py"))
    pairs = [(float(bench["measure"]()), float(bench["yardstick"]())) for _ in range(runs)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "name": name,
        "runs": runs,
        "median": round(ours, 3),
        "unit": bench["UNIT"],
        "against": {"name": bench["AGAINST"], "median": round(theirs, 3)},
        "ratio": round(ours / theirs, 3),
        "limit": bench["LIMIT"],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }


def main(names: Sequence[str]) -> int:
    """Exit code 0, or 1 when the ratio is below the limit."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("name", choices=names)
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    parser.add_argument("--json", action="store_true")
    choice = parser.parse_args()
    found = result(choice.name, choice.runs)
    if choice.json:
        print(json.dumps(found))
    else:
        yardstick = found["against"]["name"]
        print(f"{found['median']} {found['unit']}, {found['ratio']} of {yardstick} (at least {found['limit']})")
    return 0 if found["ratio"] >= found["limit"] else 1


if __name__ == "__main__":
    sys.exit(main(sorted(path.stem for path in FOLDER.glob("*.py"))))
