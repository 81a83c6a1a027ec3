"""The demo as anybody runs it: real processes, one report, and nothing left behind. CLI-20."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node import paper

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 240
KEYS = "ok members suppliers seed seconds stages digests_equal coops bundle".split()
COOP_KEYS = (
    *"id members state pooled_value_minor currency negotiator certificate_ok agreement".split(),
    *"unit_price_minor saving_minor bundle".split(),
)
STAGES = "start intents groups roster election rfq quotes award commit agreement delivery attestations".split()


def started(place: Path, *arguments: str, before: Callable[[], None] | None = None) -> "subprocess.Popen[str]":
    """`wltm demo` with all its temporary files below `place`."""
    (place / "tmp").mkdir()
    command = [
        sys.executable,
        "-m",
        "node.cli",
        "demo",
        "--headless",
        "--json",
        "--out",
        str(place / "out"),
        *arguments,
    ]
    environment = {**os.environ, "TMPDIR": str(place / "tmp"), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def played(place: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, report and what was said meanwhile."""
    said, told = (process := started(place, *arguments)).communicate(timeout=PATIENCE_S)
    return process.returncode, json.loads(said.splitlines()[-1]), told


def left(place: Path) -> list[str]:
    """Processes and files that are still there below `place`, but what was asked for."""
    found = [str(path) for path in (place / "tmp").iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(place).encode() in (process / "environ").read_bytes() + (process / "cmdline").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # not ours, or gone
    return found


def check(report: Mapping[str, Any], told: str) -> None:
    """What every good run reports."""
    assert report["ok"], told
    assert list(report) == KEYS
    assert list(report["stages"]) == STAGES
    assert report["digests_equal"] is True
    for coop in report["coops"]:
        assert tuple(coop) == COOP_KEYS
        assert coop["state"] in ("void", "delivered")
    agreed = [coop for coop in report["coops"] if coop["agreement"]]
    assert agreed
    assert report["bundle"] == agreed[0]["bundle"]
    for coop in agreed:
        assert coop["certificate_ok"]
        assert coop["negotiator"] in coop["members"]
        assert min(coop["pooled_value_minor"], coop["unit_price_minor"], coop["saving_minor"]) > 0
        verdict = [sys.executable, "-m", "node.cli", "verify", coop["bundle"]]
        assert subprocess.run(verdict, cwd=ROOT, capture_output=True).returncode == 0
        for form in paper.FORMATS:  # PAP-1
            assert all(paper.export(Path(coop["bundle"]).read_bytes(), form).values())
    for event in ("POWER CUT", "the power is back", "is refused [NEG-23]", "declines: "):
        assert event in told


@pytest.mark.timeout(PATIENCE_S + 20)
def test_a_town_from_intents_to_attestations(tmp_path: Path) -> None:
    """CLI-20, with the members and suppliers of the default: nothing is left but --out."""
    code, report, told = played(tmp_path, "--seed", "7")
    assert (code, report["members"], report["suppliers"], report["seed"]) == (0, 12, 3, 7), told
    check(report, told)
    assert left(tmp_path) == []


@pytest.mark.timeout(PATIENCE_S + 20)
def test_the_first_persons_of_a_file_of_choices(tmp_path: Path) -> None:
    """CLI-20: their ids as in the file, one node each."""
    rng, rows = random.Random(4), ["person,task,alternative,chosen,monthly fee,roast,beans_kg"]
    for person in ("zoë-7", "p 2", "p3", "=4", "p5", "p6"):
        for task in range(5):
            chosen = rng.randrange(3)
            rows += [
                f"{person},{task},{at},{int(at == chosen)},{rng.randint(8, 15)},{rng.randint(1, 5)},{rng.random():.2f}"
                for at in range(3)
            ]
    (tmp_path / "beans.csv").write_text("\n".join(rows))
    file = str(tmp_path / "beans.csv")
    code, report, told = played(tmp_path, "--choices", file, "--members", "5", "--suppliers", "2", "--seed", "1")
    assert code == 0, told
    check(report, told)
    assert sorted(report["coops"][0]["members"]) == ["=4", "p 2", "p3", "p5", "zoë-7"]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_leaves_nothing(tmp_path: Path, end: signal.Signals) -> None:
    """CLI-20: in the midst of starting nodes."""
    process = started(tmp_path, "--members", "4", "--suppliers", "2")
    assert process.stderr
    for line in process.stderr:
        if "is up" in line:
            break
    assert left(tmp_path)
    process.send_signal(end)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("person,task,alternative,chosen\n", "1 to 32 attribute columns"),
        ("person,task,alternative,price\n", "column 'chosen' is missing"),
        ("person,task,alternative,chosen,price\n1,1,1,1,2\n1,1,2,0,3\n", "holds 1 persons"),
        ("person,task,alternative,chosen,price\n1,1,1,1,cheap\n", "price: must be a number"),
    ],
)
def test_a_file_that_does_not_do_starts_nothing(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    process = started(tmp_path, "--choices", str(tmp_path / "bad.csv"))
    said, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert sentence in told
    assert json.loads(said)["error"]["message"] in told
    assert left(tmp_path) == []


def test_a_node_that_cannot_start_ends_the_run(tmp_path: Path) -> None:
    """CLI-20: exit 1, one sentence, and the logs kept. Here no file may grow to the size of a database."""
    small = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (16_384, 16_384))
    process = started(tmp_path, "--members", "4", "--suppliers", "2", before=small)
    said, told = process.communicate(timeout=PATIENCE_S)
    report = json.loads(said.splitlines()[-1])
    assert (process.returncode, report["ok"]) == (1, False)
    assert "the node of the relay did not start: " in report["problems"][0], told
    assert (tmp_path / "out" / "logs" / "relay-node.log").exists()
    assert left(tmp_path) == []
