"""`wltm trust show` and `why` on the command line."""

from node.cli.shell import USAGE
from protocol import commands as c
from protocol.identity import did
from tests.fakes_node import ME
from tests.test_cli import Rig
from tests.test_cli import rig as rig


def test_show_gives_every_role(rig: Rig) -> None:
    """CLI-81: a line a role; who is unknown stands as any newcomer."""
    said = rig(f"trust show {did(ME)}").splitlines()
    assert said[0] == f"{ME.hex()[:8]}, as you may see it:"
    assert said[1] == "  as supplier: standing 0.175, expectation 0.50"
    assert len(said) == 7
    assert said[-1] == f"Why: wltm trust why {ME.hex()} --role supplier"
    roles = [one.role for one in rig.node.submitted if isinstance(one, c.AskStanding)]
    assert roles == ["supplier", "negotiator", "member", "relay", "mediator"]
    rig.node.answers[c.AskStanding] |= {"standing": 0.0, "why": []}
    assert "standing 0.000, expectation 0.50, as of any newcomer" in rig(f"trust show {ME.hex()}")
    assert len(rig.json(f"trust show {ME.hex()}")["roles"]) == 5


def test_why_gives_reasons(rig: Rig) -> None:
    """CLI-82."""
    assert "\n  You trust them.\n" in rig(f"trust why {did(ME)}")
    assert rig.node.submitted[-1] == c.AskStanding(ME, "supplier")
    rig(f"trust why {ME.hex()} --role mediator")
    assert rig.node.submitted[-1] == c.AskStanding(ME, "mediator")
    rig(f"trust why {ME.hex()} --role king", USAGE)
    rig("trust why did:key:z6Mknonsense", USAGE)
