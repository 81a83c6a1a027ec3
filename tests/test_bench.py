"""How scripts/bench judges a measurement and what it writes down; no bench itself."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from scripts import bench
from scripts.rig import Unavailable
from scripts.table import write_all

FOLDER = Path(bench.__file__).parent / "benches"


def made(**more: Any) -> dict[str, Any]:
    return {"UNIT": "rec/s", "AGAINST": "a snail", "LIMIT": 2, "measure": lambda: 10, "yardstick": lambda: 4.0, **more}


def test_a_ratio_is_of_medians_and_judged_in_its_direction() -> None:
    numbers = iter([1, 100, 12])
    found = bench.result("x", made(measure=lambda: next(numbers)), 3, {})
    assert (found["median"], found["against"], found["ratio"]) == (12, {"name": "a snail", "median": 4.0}, 3.0)
    assert bench.good(found)
    assert not bench.good({**found, "less": True})
    assert bench.good({**found, "less": True, "limit": 3})
    assert "at least 2" in bench.sentence(found)
    assert "at most 2" in bench.sentence({**found, "less": True})


def test_options_reach_both_sides_and_the_name() -> None:
    sides = {"measure": lambda rows=1: rows, "yardstick": lambda rows=1: (rows, {"MB": rows + 0.5})}
    found = bench.result("x", made(**sides), 2, {"rows": 7})
    assert (found["name"], found["ratio"], found["extra"]) == ("x --rows 7", 1.0, {"MB": 7.5})


def test_without_its_yardstick_a_bench_reports_and_is_not_judged() -> None:
    def nowhere() -> float:
        raise Unavailable("no network")

    found = bench.result("x", made(yardstick=nowhere), 2, {})
    assert (found["median"], found["against"]["median"], found["ratio"], found["note"]) == (
        10,
        None,
        None,
        "no network",
    )
    assert bench.good(found)
    assert "no network" in bench.sentence(found)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_every_bench_says_what_it_is(name: str) -> None:
    found = bench.load(name)
    assert found["__doc__"]
    assert {"UNIT", "AGAINST", "LIMIT", "measure", "yardstick"} <= found.keys()
    assert all(type(default) is int for default in found.get("OPTIONS", {}).values())
    assert all(options.keys() <= found["OPTIONS"].keys() for options in found.get("VARIANTS", ()))


def test_table_and_plots(tmp_path: Path) -> None:
    curve = made(measure=lambda: (3, {"at 10": 1, "at 1000": 2, "peak MB": 5}))
    results = [bench.result("x", curve, 1, {}), bench.result("y", made(LESS=True), 1, {})]
    write_all(tmp_path, results, {"x": "Of x.", "y": "Of y."}, list(map(bench.good, results)))
    text = (tmp_path / "README.md").read_text()
    assert "| `x` | 1 | 3 rec/s | a snail: 4 | 0.75 | ≥ 2 | **missed** |" in text
    assert "peak MB: 5" in text
    assert json.loads((tmp_path / "results.json").read_text()) == results
    for name in ("aims.svg", "x.svg"):
        ElementTree.parse(tmp_path / name)
        assert name in text


def test_a_result_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    first = bench.result("start", made(), 1, {})
    bench.keep(first, tmp_path)
    bench.keep({**first, "name": "idle --rows 5"}, tmp_path)
    bench.keep({**first, "median": 11.0}, tmp_path)
    held = json.loads((tmp_path / "results.json").read_text())
    assert [(one["name"], one["median"]) for one in held] == [("idle --rows 5", 10), ("start", 11.0)]
    assert "## start" in (tmp_path / "README.md").read_text()
