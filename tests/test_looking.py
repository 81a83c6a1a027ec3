"""A look at somebody: the same on arrays as plain, and computed beside the daemon once there is much to go by."""

import pickle
import subprocess
import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.worker import compute
from protocol import commands as ask
from protocol.engine import looking
from protocol.errors import CommandError
from protocol.events import Compute, Computed, Reply, Submit
from protocol.identity import Persona
from protocol.params import DAY_MS
from protocol.trust import sight
from protocol.trust.reputation import Evidence
from protocol.trust.view import look
from tests.stages import Desk
from tests.test_reputation import NOW

ME, SUBJECT = Persona.from_seed(b"m" * 32), Persona.from_seed(b"s" * 32).key
ROLES = ("supplier", "member")


def evidence(seed: int, people: int, rows: int) -> tuple[Evidence, ...]:
    rng = Random(seed)
    found = []
    for number in range(rows):
        one, two = (bytes([rng.randrange(people)]) for _ in range(2))
        kind = rng.choice(["kept", "kept", "kept", "broken", "vouch"])
        role = "" if kind == "vouch" else rng.choice(ROLES)
        stamped = NOW - rng.randrange(700) * DAY_MS
        found.append(Evidence(one, two, role, kind, bytes([number % 251]), stamped, stamped, rng.random() < 0.3))
    return tuple(found)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(0, 40), st.sampled_from(ROLES))
def test_on_arrays_as_plain(seed: int, people: int, rows: int, role: str) -> None:
    """REP-7 to REP-10: in every role, numbers and words."""
    arguments = (evidence(seed, people, rows), NOW, {b"\1": b"\2"}, b"\0", b"\2", role)
    plain = look(*arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sight, "ARRAYS_FROM", 0)
        found = look(*arguments)
    for name in ("standing", "expectation", "outlook"):
        assert found[name] == pytest.approx(plain[name], abs=1e-7)
    assert len(found["why"]) == len(plain["why"])


def test_much_goes_to_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """REP-19: the same answer, later; who asks is told when there is none."""
    desk = Desk(ME)
    asked = ask.AskStanding(SUBJECT, "supplier")
    here = desk.ask(asked)
    monkeypatch.setattr(looking, "LOOK_INLINE_MAX", -1)
    (job,) = (one for one in desk.do(Submit(7, asked)) if isinstance(one, Compute))
    name, arguments = pickle.loads(pickle.dumps((job.name, job.arguments)))
    result = pickle.loads(pickle.dumps(compute(name, arguments)))
    assert desk.do(Computed(job.job, result)) == [Reply(7, here)]
    (failed,) = desk.do(Computed(job.job, None))
    assert isinstance(failed, Reply)
    assert isinstance(failed.result, CommandError)
    assert failed.result.code == "REP-19"


def test_a_small_look_loads_no_arrays() -> None:
    """REP-19: in the daemon there is no SciPy."""
    program = (
        "import sys; from protocol.trust.view import look;"
        "look((), 0, {}, b'a', b'b', 'supplier'); print({'numpy', 'scipy'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "set()"
