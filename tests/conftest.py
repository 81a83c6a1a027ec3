"""What every test shares: Hypothesis profiles, the stages and their order, real data beside the checkout, skips in CI.

A skip in CI fails the run unless its reason is that `../shared` is absent: a check that silently stops is no check.
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import NO_POSTGRES, Postgres, server

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
NO_SHARED = "needs ../shared/data, which is absent here"
STAGES = ("unit", "sim", "attack", "e2e", "browser")
FOLDERS = {"sim": "sim", "attacks": "attack", "e2e": "e2e"}

settings.register_profile("quick", max_examples=25, deadline=None, print_blob=True)
settings.register_profile("ci", max_examples=100, deadline=None, print_blob=True)
settings.register_profile("long", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("ci")  # --hypothesis-profile=NAME chooses another

_seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
_bad_skips: list[str] = []


@pytest.fixture
def shared() -> Path:
    """The folder of real data that is not part of the product."""
    if not SHARED.is_dir():
        pytest.skip(NO_SHARED)
    return SHARED


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of our own; a test that stops it starts it again."""
    with server() as running:
        if running is None:
            pytest.skip(NO_POSTGRES)
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A store of each kind: the same tests for both."""
    if request.param == "sqlite":
        return tmp_path / "log.sqlite"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


def _stage(item: pytest.Item) -> str:
    return next((name for name in reversed(STAGES) if item.get_closest_marker(name)), "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks by folder and by fixture; then the cheap stages first."""
    for item in items:
        folder = item.path.parent.relative_to(ROOT / "tests").parts[:1]
        if folder and folder[0] in FOLDERS:
            item.add_marker(FOLDERS[folder[0]])
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")
    items.sort(key=lambda item: STAGES.index(_stage(item)))  # stable: files keep their order


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    report.stage = _stage(item)  # type: ignore[attr-defined]  # travels with it from a worker
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Counts in the process that prints the summary, whichever process ran the test."""
    _seconds[getattr(report, "stage", "unit")] += report.duration
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if NO_SHARED not in reason or SHARED.is_dir():
            _bad_skips.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") == "true" and _bad_skips and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_sep("-", "seconds per stage")
    for stage, seconds in _seconds.items():
        if seconds:
            terminalreporter.write_line(f"{stage:8} {seconds:8.1f}")
    if os.environ.get("CI") == "true" and _bad_skips:
        terminalreporter.write_sep("=", "FAILED: skipped in CI", red=True)
        for line in _bad_skips:
            terminalreporter.write_line(line)
