"""How a node tells that it is connected: words, tables, commands. Spec: 13-node, CLI-40 to CLI-43."""

from __future__ import annotations

import re
from dataclasses import astuple
from typing import Any

import pytest

from node import reachability
from node.cli.mesh import mesh_text, peers_text
from node.cli.shell import USAGE
from node.invitation import RELAYS_MAX
from node.mesh import Measured, Traffic
from node.present import brief, size
from node.reachability import Surroundings
from protocol import commands as c
from tests import fakes_node
from tests.test_cli import Rig, rig  # noqa: F401  a fixture

ME = "12D3KooWme"
HERE = "/ip4/203.0.113.5/tcp/4001"


def relay(number: int, state: str = "linked", why: str = "configured") -> dict[str, Any]:
    """A relay as the core tells of it."""
    address = f"/ip4/198.51.{number}.1/tcp/4001/p2p/12D3KooWrelay{number}"
    return {
        "address": address,
        "peer": f"12D3KooWrelay{number}",
        "why": why,
        "state": state,
        "since": 5,
        "reconciled": 9,
    }


def link(peer: str, outbound: bool = True) -> dict[str, Any]:
    """A link as the core tells of it."""
    return {
        "peer": peer,
        "outbound": outbound,
        "addresses": [],
        "scopes": 1,
        "waiting": 0,
        "asking": [],
        "reconciled": 9,
    }


def told(links: list[dict[str, Any]], relays: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """What the core tells."""
    own = {one["address"].split("/")[2] for one in relays if one["why"] != "learned"}
    base = {"fresh": True, "as_of": 9, "woken": 5, "resting": 0, "wakes": [], "operators": len(own)}
    return {"peers": links, "relays": relays, **base, **more}


def around(**more: Any) -> Surroundings:
    """A home node whose mesh runs."""
    values: dict[str, Any] = {
        "peer_id": ME,
        "addresses": [],
        "announced": [],
        "restarts": 0,
        "measured": Measured((), (), (), (0, 0, 0, 0, 0)),
        "trouble": "",
        "economy": {},
    }
    return Surroundings(**{**values, **more})


ONE, TWO = relay(1), relay(2)
CASES = {
    "no relay is known": (told([], []), around(), "offline", "Offline: nobody is connected.", "peers add ADDRESS"),
    "its only relay is gone": (
        told([], [relay(1, "lost")]),
        around(),
        "offline",
        "198.51.1.1:4001 does not answer",
        "whether 198.51.1.1:4001 runs",
    ),
    "all its relays are gone": (
        told([], [relay(1, "lost"), relay(2, "trying")]),
        around(),
        "offline",
        "None of 2 relays answers",
        "connection",
    ),
    "it listens for nobody": (told([], []), around(addresses=[HERE]), "offline", "It listens, but", "peers add"),
    "the mesh is silent": (told([], []), around(measured=None), "offline", "does not answer", "mesh.log"),
    "one relay": (
        told([link(ONE["peer"])], [ONE]),
        around(),
        "through relay",
        "Through relay 198.51.1.1:4001.",
        "One relay",
    ),
    "two relays": (told([link(ONE["peer"]), link(TWO["peer"])], [ONE, TWO]), around(), "through relay", "2 relays", ""),
    "one of two": (
        told([link(ONE["peer"])], [ONE, relay(2, "lost")]),
        around(),
        "through relay",
        "198.51.1.1:4001.",
        "why 198.51.2.1:4001 does not",
    ),
    "two of one operator": (
        told([link(ONE["peer"]), link(TWO["peer"])], [ONE, TWO], operators=1),
        around(),
        "through relay",
        "2 relays",
        "one operator's",
    ),
    "one of its own, one learned": (
        told([link(ONE["peer"]), link(TWO["peer"])], [ONE, relay(2, why="learned")]),
        around(),
        "through relay",
        "2 relays",
        "it alone carries your co-ops",
    ),
    "somebody came in": (
        told([link("x", False)], []),
        around(addresses=[HERE]),
        "reachable",
        f"Reachable at {HERE}.",
        "",
    ),
    "nobody came in yet": (
        told([link(ONE["peer"])], [ONE]),
        around(announced=[HERE]),
        "reachable",
        "as far as this node can tell",
        f"peers add {HERE}/p2p/{ME}",
    ),
    "quiet hours": (told([], [ONE], resting=10**12), around(), "resting", "Quiet hours until 2001-09-0", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_connectedness_is_told_in_plain_words_with_one_fix(name: str) -> None:
    """CLI-41"""
    core, outside, state, says, fix = CASES[name]
    found = reachability.in_words(core, outside, 10)
    assert found["state"] == state
    assert says in found["says"]
    assert found["consequence"].endswith(".")
    assert fix in found["fix"] if fix else found["fix"] == ""


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "Fresh as of"),
        ({"fresh": False}, "Not fresh: last asked at"),
        ({"as_of": 0, "fresh": False}, "before two relays have told all"),
    ],
)
def test_what_is_known_is_called_fresh_or_not(more: dict[str, Any], says: str) -> None:
    """CLI-41, GOS-63"""
    assert says in reachability.in_words(told([], [ONE, TWO], **more), around(), 10)["fresh_says"]


def test_each_link_is_told_with_its_reason_and_its_numbers() -> None:
    """CLI-40, CLI-43"""
    numbers = Traffic(1, 90_000, 1000, 2000, 3, 4, 1, 5, 6, 7, 8)
    measured = Measured((ONE["peer"], "x"), ("/here", "/there"), (*astuple(numbers), *astuple(Traffic())), (0,) * 5)
    core = told([link(ONE["peer"]), link("x", False), link("late", True)], [ONE, relay(2, "lost")])
    found = reachability.peers(core, around(measured=measured), 100_000)
    first, second, third = found["peers"]
    assert (first["why"], second["why"], third["why"]) == ("configured", "came in", "dialled")
    assert (first["address"], first["since"], first["bytes_out"], first["ping_ms"]) == ("/here", 10_000, 2000, 8)
    assert third["bytes_in"] == 0, "of which the mesh process did not know yet"
    assert [one["state"] for one in found["relays"]] == ["linked", "lost"]


def test_tables_fit_a_terminal() -> None:
    """CLI-5, CLI-40: 80 columns, whatever a peer is called."""
    busy = fakes_node.peer(peer="12D3KooW\x1b[31mred", asking=["a"], waiting=3, queued=2, refused=9, bytes_out=10**12)
    text = peers_text({"peers": [fakes_node.peer(), busy], "relays": fakes_node.relays(), "now": fakes_node.NOW})
    assert all(len(one) <= 80 for one in text.splitlines()), text
    assert "\x1b" not in text
    assert "not reached for 10 minutes" in text
    assert "9 of its records were not taken" in text
    assert "Nobody is connected" in peers_text({"peers": [], "relays": [], "now": 0})


def test_words_about_the_day(rig: Rig) -> None:  # noqa: F811
    """CLI-41, CFG-6"""
    text = mesh_text(fakes_node.mesh() | {"fix": "word " * 40})
    assert all(len(one) <= 80 for one in text.splitlines())
    assert "Today 9.0 MB of 10 MB (90 %). Beyond it" in text
    quiet = {"today": 5, "cap": 0, "says": "", "quiet": ["23:00-07:00"], "until": 1, "wakes": [[0, "ballots of tea"]]}
    text = mesh_text(fakes_node.mesh() | {"economy": quiet, "restarts": 2, "trouble": "Full."})
    for part in ("Today 5 B.", "Quiet hours: 23:00-07:00.", "for ballots of tea", "again 2 times", "Trouble: Full."):
        assert part in text


def test_commands_reach_the_node(rig: Rig) -> None:  # noqa: F811
    """CLI-40, CLI-41, CLI-42"""
    assert "relay.example" not in rig("peers")
    assert "other.example" in rig("peers")
    assert rig.json("peers")["peers"][0]["ping_ms"] == 12
    assert "Better: One relay" in rig("mesh")
    assert rig.json("mesh")["state"] == "through relay"
    rig("peers add /dns4/a.example/tcp/1/p2p/x")
    assert rig.node.submitted[-1] == c.AddPeer("/dns4/a.example/tcp/1/p2p/x")
    rig("peers forget …lost")
    assert rig.node.submitted[-1] == c.ForgetPeer(fakes_node.RELAY.replace("relay", "other"))
    rig("peers forget /dns4/a.example/tcp/1/p2p/x")
    assert rig.node.submitted[-1] == c.ForgetPeer("/dns4/a.example/tcp/1/p2p/x")
    assert "0 relays' ids" in rig("peers forget nobody", USAGE)


def test_an_invitation_names_a_few_relays_of_ones_own(rig: Rig) -> None:  # noqa: F811
    """CLI-10: here first when others can dial this node, then relays that answer; none that only others named."""
    rig.node.answers[c.Invite] = {"tokens": [b"token"]}
    many = [relay(1, "lost"), relay(2, why="learned"), relay(3), relay(4), relay(5)]
    rig.node.answers[c.AskPeers] = {"peers": [], "relays": many, "now": 0}
    rig.node.answers[c.AskMesh] = fakes_node.mesh() | {"announced": [HERE], "listens": ["/ip4/0.0.0.0/tcp/4001/p2p/x"]}
    link = rig.json("invite ab --yes --expires +1d")["link"]
    from node import invitation

    relays = invitation.read(link, 0).relays
    assert relays == (f"{HERE}/p2p/{ME}", many[2]["address"], many[3]["address"])
    assert len(relays) == RELAYS_MAX


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345, "12 kB"), (10**13, "10000 GB")]
)
def test_bytes_read_short(count: int, text: str) -> None:
    """CLI-6"""
    assert size(count) == text
    assert re.fullmatch(r"\d+[dhms]", brief(count))
