"""Runs one measurement of scripts/benches/ against its yardstick, both in this run, and judges their ratio.

A bench module's docstring says what it measures. It holds `measure()` and `yardstick()`, which take turns, so that a
busy moment of the machine strikes both, and
  UNIT, AGAINST   what both numbers count, and the yardstick's name
  LIMIT           the least ratio wanted; with `LESS = True` less is better, and it is the most
  RUNS            how often by default, 5 unless given
  OPTIONS         name -> default, whole numbers: `--rows N` calls measure(rows=N) and yardstick(rows=N)
  VARIANTS        options that `all` runs besides the defaults
  LIMITED_BY      what stands between us and more, for the table
Both functions return a number, or a number and further figures {name with unit: number}; figures named "at N" are
points of a curve. A yardstick that this machine cannot have raises `Unavailable`; the rest is reported all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import runpy
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.rig import Unavailable
from scripts.table import write_all

FOLDER = Path(__file__).resolve().parent / "benches"
OUT = Path(__file__).resolve().parents[1] / "spec" / "bench"
RUNS = 5


def load(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """The names that a bench module defines."""
    return runpy.run_path(str(folder / f"{name}.py"), run_name=f"bench_{name}")


def result(name: str, bench: Mapping[str, Any], runs: int, options: Mapping[str, int]) -> dict[str, Any]:
    """The object that `--json` prints: medians in UNIT, their ratio, and the limit of that."""
    ours: list[tuple[float, Mapping[str, float]]] = []
    theirs: list[tuple[float, Mapping[str, float]]] = []
    note = ""
    for _ in range(runs):
        ours.append(_figures(bench["measure"], options))
        try:
            if not note:
                theirs.append(_figures(bench["yardstick"], options))
        except Unavailable as reason:
            note = str(reason)
    median = statistics.median(number for number, _ in ours)
    against = statistics.median(number for number, _ in theirs) if theirs else None
    extra = {**_medians(ours), **_medians(theirs)}
    return {
        "name": " ".join([name, *(f"--{option} {value}" for option, value in options.items())]),
        "runs": runs,
        "median": _round(median),
        "unit": bench["UNIT"],
        "against": {"name": bench["AGAINST"], "median": None if against is None else _round(against)},
        "ratio": None if not against else _round(median / against),
        "limit": bench["LIMIT"],
        "less": bool(bench.get("LESS", False)),
        "extra": extra,
        "note": note,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }


def good(found: Mapping[str, Any]) -> bool:
    """Whether the ratio keeps its limit; what could not be compared is not judged."""
    if found["ratio"] is None:
        return True
    return bool(found["ratio"] <= found["limit"] if found["less"] else found["ratio"] >= found["limit"])


def sentence(found: Mapping[str, Any]) -> str:
    """One result in words."""
    most = f"at {'most' if found['less'] else 'least'} {found['limit']}"
    ratio = f"{found['ratio']} of {found['against']['name']} ({most})" if found["ratio"] is not None else found["note"]
    extra = "".join(f"\n  {name}: {number}" for name, number in found["extra"].items())
    return f"{found['name']}: {found['median']} {found['unit']}, {ratio}{extra}"


def _figures(function: Callable[..., Any], options: Mapping[str, int]) -> tuple[float, Mapping[str, float]]:
    found = function(**options)
    number, extra = found if isinstance(found, tuple) else (found, {})
    return float(number), extra


def _medians(rows: Sequence[tuple[float, Mapping[str, float]]]) -> dict[str, float]:
    names = dict.fromkeys(name for _, extra in rows for name in extra)
    return {name: _round(statistics.median(extra[name] for _, extra in rows if name in extra)) for name in names}


def _round(number: float) -> float:
    """Four digits, and no fraction where it would say nothing."""
    return round(number) if abs(number) >= 1000 else float(f"{number:.4g}")


def one(name: str, arguments: Sequence[str]) -> int:
    """Exit code 0, or 1 when the ratio is on the wrong side of its limit."""
    bench = load(name)
    parser = argparse.ArgumentParser(
        prog=f"bench {name}", description=bench["__doc__"], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=bench.get("RUNS", RUNS), metavar="N")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write the result into spec/bench/")
    defaults = bench.get("OPTIONS", {})
    for option, default in defaults.items():
        parser.add_argument(f"--{option}", type=int, default=default, metavar="N", help=f"default {default}")
    choice = vars(parser.parse_args(arguments))
    options = {option: choice[option] for option, default in defaults.items() if choice[option] != default}
    try:
        found = result(name, bench, choice["runs"], options)
    except Unavailable as reason:
        print(f"{name}: {reason}", file=sys.stderr)
        return 2
    if choice["keep"]:
        keep(found, OUT)
    print(json.dumps(found) if choice["json"] else sentence(found))
    return 0 if good(found) else 1


def keep(found: Mapping[str, Any], out: Path) -> None:
    """Put a result into the table, in the place of an earlier one of its name."""
    path = out / "results.json"
    held = {one["name"]: one for one in json.loads(path.read_text())} if path.exists() else {}
    held[found["name"]] = found
    results = [held[name] for name in sorted(held)]
    benches = {name: load(name) for name in sorted({one["name"].split()[0] for one in results})}
    write_all(out, results, {name: _text(one) for name, one in benches.items()}, [good(one) for one in results])


def _text(bench: Mapping[str, Any]) -> str:
    limited = bench.get("LIMITED_BY", "")
    return f"{bench['__doc__'].strip()}\n\n" + (f"What limits it: {limited.strip()}" if limited else "")


def every(names: Sequence[str], arguments: Sequence[str]) -> int:
    """All of them, each kept in the table; exit code 1 when one missed its limit or could not be run."""
    parser = argparse.ArgumentParser(prog="bench all", description="Every bench, each kept in spec/bench/.")
    parser.add_argument("--runs", type=int, metavar="N", help="instead of each bench's own number")
    runs = parser.parse_args(arguments).runs
    code = 0
    for name in names:
        bench = load(name)
        for options in ({}, *bench.get("VARIANTS", ())):
            try:
                found = result(name, bench, runs or bench.get("RUNS", RUNS), options)
            except Exception as error:  # the others are measured all the same
                print(f"{name} {options}: not measured: {type(error).__name__} {error}", flush=True)
                code = 1
            else:
                keep(found, OUT)
                print(sentence(found), flush=True)
                code = code or int(not good(found))
    return code


def main(arguments: Sequence[str]) -> int:
    """`bench NAME …` or `bench all`."""
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=[*names, "all"])
    choice = parser.parse_args(arguments[:1])
    return every(names, arguments[1:]) if choice.name == "all" else one(choice.name, arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
