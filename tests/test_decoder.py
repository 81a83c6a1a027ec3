"""A second implementation, in another language, reads the vectors as the first one wrote them."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "spec" / "vectors"
FILES = ("allocation", "election", "encoding", "identity", "record", "schema")
LINES_MAX = 300


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node is not installed")
        pytest.skip("needs node, which is not installed here")
    command = [node, str(ROOT / "tests" / "decoder_cases.mjs"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _is_read(file: str, case: dict[str, Any]) -> bool:
    """Whether the decoder has to answer: not for derived keys, signing, and the rules of shapes one by one."""
    if file == "identity":
        return case["clause"] == "IDN-4" and "seed" not in case["input"]
    return "seed" not in case["input"] and "shape" not in case["input"]


def test_the_decoder_reads_every_case() -> None:
    """ENC-1 to ENC-9, REC-1 to REC-15, IDN-4: the same values, verdicts and clause codes."""
    done = run(VECTORS)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    cases = {name: json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["cases"] for name in FILES}
    wanted = {name: sum(_is_read(name, case) for case in cases[name]) for name in FILES}
    assert counts == wanted
    assert len((ROOT / "tests" / "decoder.mjs").read_text(encoding="utf-8").splitlines()) <= LINES_MAX


def _flip(text: str, at: int) -> str:
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


def test_the_decoder_can_fail(tmp_path: Path) -> None:
    """ENC-9, REC-6: a changed digest, a changed verdict and a flipped byte are each reported."""
    for path in VECTORS.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    record = json.loads((VECTORS / "record.json").read_text(encoding="utf-8"))
    good = [case for case in record["cases"] if "raw" in case["input"] and "wire" in case.get("output", {})]
    good[0]["output"]["id"] = _flip(good[0]["output"]["id"], 0)
    good[1]["input"]["raw"] = _flip(good[1]["input"]["raw"], -2)
    bad = next(case for case in record["cases"] if case.get("reject") == "REC-6")
    bad["reject"] = "REC-7"
    (tmp_path / "record.json").write_text(json.dumps(record), encoding="utf-8")
    done = run(tmp_path)
    assert done.returncode == 1
    complaints = [line for line in done.stdout.splitlines() if line.startswith("record, ")]
    assert [line.split(",")[1].strip() for line in complaints] == [good[0]["name"], good[1]["name"], bad["name"]]
