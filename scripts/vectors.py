"""Writes spec/vectors/*.json from the cases that the tests run; `--check` only compares.

Each test module that has vectors defines `vectors()`, a pure function of the code that returns
{"name", "spec", "cases": [{"name", "clause", "input", "output" | "reject"}]}.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "spec" / "vectors"


def generated() -> Iterator[tuple[Path, str]]:
    """Path and text of each vector file, by name."""
    sys.path.insert(0, str(ROOT))
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        if "\ndef vectors() -> " in path.read_text(encoding="utf-8"):
            vectors: dict[str, Any] = importlib.import_module(f"tests.{path.stem}").vectors()
            yield FOLDER / f"{vectors['name']}.json", json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"


def differences(files: dict[Path, str]) -> list[str]:
    """What in the folder is not as the code says, a sentence each."""
    wrong = [f"{path.name} has no test module that generates it" for path in sorted(set(FOLDER.glob("*")) - set(files))]
    for path, text in files.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            wrong.append(f"{path.name} is not what the code generates")
    return wrong


def main() -> int:
    """Exit code 0, or 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(prog="vectors", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a file differs")
    check = parser.parse_args().check
    files = dict(generated())
    if check:
        wrong = differences(files)
        print("\n".join(wrong) or f"{len(files)} files as generated")
        return 1 if wrong else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
