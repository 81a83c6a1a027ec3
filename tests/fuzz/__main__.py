"""`python -m tests.fuzz NAME [libFuzzer options]`: searches behind one door; without options for ever."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["protocol", "node"]):
    from tests.fuzz.targets import CORPUS, TARGETS, knock


def main() -> None:
    """What libFuzzer finds on its way lands in a folder that is thrown away; the seeds stay as they are."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit("usage: python -m tests.fuzz NAME [libFuzzer options]; NAME is one of " + ", ".join(TARGETS))
    door = sys.argv.pop(1)
    with atheris.instrument_imports(include=["protocol", "node"]):
        knock(door, b"")  # a door imports what it needs when it is first opened
    with TemporaryDirectory() as found:
        folders = [found, str(CORPUS / door)] if (CORPUS / door).is_dir() else [found]
        options = [f"-artifact_prefix={Path(found).parent}/", "-max_len=4096", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *options, *sys.argv[1:], *folders], lambda data: knock(door, data) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
