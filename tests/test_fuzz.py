"""Whatever bytes come through a door, they are taken or refused with a clause (01-record, REC-1; 02-identity)."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Reject
from tests.fuzz.targets import CORPUS, TARGETS, knock, seeds

ROOT = Path(__file__).resolve().parents[1]
TAKEN = {name: [data for data in seeds(name) if knock(name, data)] for name in TARGETS}
SEARCHED = (  # what a peer can reach: a minute for all of them together
    *("record", "header", "body", "gossip", "neighbours", "sync", "sync_answer"),
    *("frame", "link", "negotiation", "address", "yamux", "websocket"),
)


def test_every_folder_of_seeds_has_its_door() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    """A door that takes none of its seeds would make the tests below knock in vain."""
    assert TAKEN[name] or name in ("sealed",)  # a box is sealed to somebody


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_any_bytes(name: str, data: st.DataObject) -> None:
    """REC-1: noise, and seeds with something cut, doubled, inserted or changed."""
    noise = data.draw(st.binary(max_size=200))
    knock(name, noise)
    for seed in data.draw(st.sampled_from([[], *([seed] for seed in TAKEN[name])])):
        at, until = sorted(data.draw(st.tuples(st.integers(0, len(seed)), st.integers(0, len(seed)))))
        knock(name, seed[:at] + seed[until:])
        knock(name, seed[:until] + seed[at:])
        knock(name, seed[:at] + noise + seed[at:])
        knock(name, seed[:at] + noise + seed[at + len(noise) :])


@pytest.mark.parametrize("name", TARGETS)
def test_every_single_byte_changed(name: str) -> None:
    """REC-1: each byte of the first seeds, three ways."""
    for seed in TAKEN[name][:2]:
        for at in range(0, len(seed), 1 + len(seed) // 400):
            for byte in (0, 0xFF, seed[at] ^ 1):
                knock(name, seed[:at] + bytes([byte]) + seed[at + 1 :])


def test_a_finding_is_reported() -> None:
    """A door that raises anything else, or refuses without a clause, is found."""

    def broken(data: bytes) -> None:
        raise IndexError if data == b"1" else Reject("nonsense", "no clause")

    TARGETS["broken"] = broken
    try:
        with pytest.raises(IndexError):
            knock("broken", b"1")
        with pytest.raises(AssertionError):
            knock("broken", b"2")
    finally:
        del TARGETS["broken"]


@pytest.mark.parametrize("name", SEARCHED)
def test_a_short_search(name: str) -> None:
    """REC-1, GOS-1, SYN-5, MSH-2, MSH-4, MSH-20, MSH-41: atheris, guided by coverage, for three seconds."""
    if find_spec("atheris") is None:
        pytest.skip("atheris has no wheel for this machine")
    command = [sys.executable, "-m", "tests.fuzz", name, "-max_total_time=3", "-seed=1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr
