"""`wltm relay` and `wltm mail`: what reaches the node, how answers read, how they fail (CLI-30 to 32)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from node.cli import wltm
from node.cli.relay import policy_text, status_text
from node.cli.serve import ready_text
from node.cli.shell import USAGE, run
from protocol import commands as c
from protocol.identity import did
from protocol.network.rules import ABOUT
from protocol.record.shapes import NOTICE_REASONS
from tests.fakes_node import ME
from tests.test_cli import ALL, Rig
from tests.test_cli import rig as rig
from tests.test_organiser import overview, policy, rules

LETTER = "ab" * 32


@pytest.fixture
def relay(rig: Rig) -> Rig:
    """The node of the rig is a relay on which one thing is wrong, and has a letter."""
    rig.node.answers[c.AskStatus] = {**rig.node.answers[c.AskStatus], "role": "relay"}
    rig.node.answers |= {c.AskPolicy: policy(), c.AskRules: rules(), c.AskMail: mailbox()}
    rig.node.answers[c.SetRule] = rig.node.answers[c.LiftRule] = {"about": "address", "subject": "192.0.2.0/24"}
    rig.node.answers[c.FollowNotices] = rig.node.answers[c.UnfollowNotices] = {"following": [ME]}
    rig.node.answers[c.MakeToken] = {"token": "wltm-mail:abc"}
    rig.node.answers[c.SendMail] = {"letter": bytes.fromhex(LETTER), "expires": 10**12}
    return rig


def mailbox() -> dict[str, Any]:
    letter = {"id": bytes.fromhex(LETTER), "label": "Ben\x1b", "text": "Hello\x1b[2J", "sent": 10**12}
    letter |= {"received": 10**12, "reply": "wltm-mail:answer"}
    token = {"secret": bytes(16), "label": "Ben", "expires": 10**13, "token": "wltm-mail:abc"}
    return {"letters": [letter], "tokens": [token], "outgoing": 1, "full": True}


def test_rules_reach_the_node(relay: Rig) -> None:
    """CLI-31"""
    assert "blocked until" in relay("relay block 192.0.2.0/24 --reason flood --until +7d")
    rule = relay.node.submitted[-1]
    assert rule.until > 0
    assert rule == c.SetRule("block", "192.0.2.0/24", "", "flood", rule.until)
    relay("relay allow friend --about peer")
    assert relay.node.submitted[-1] == c.SetRule("allow", "friend", "peer")
    relay("relay block 192.0.2.0/24 --lift")
    assert relay.node.submitted[-1] == c.LiftRule("192.0.2.0/24")
    relay(f"relay follow {did(ME)}")
    assert relay.node.submitted[-1] == c.FollowNotices(ME)
    relay(f"relay follow {did(ME)} --stop")
    assert relay.node.submitted[-1] == c.UnfollowNotices(ME)
    assert "write it like" in relay("relay block x --until tomorrow", USAGE)


def test_the_words_of_rules_are_those_of_the_protocol() -> None:
    """CLI-31"""
    block = ALL["relay block"]
    choices = {one.name: tuple(getattr(one.type, "choices", ())) for one in block.params}
    assert ("code", *choices["reason"]) == NOTICE_REASONS.shape
    assert choices["about"] == ABOUT


def test_rules_are_listed_own_ones_first(relay: Rig) -> None:
    """CLI-31"""
    text = relay("relay blocked")
    assert text.index("own") < text.index(ME.hex()[:8])
    assert f"follows the notices of {did(ME)}" in text
    nothing = {"admits": "listed", "own": [], "followed": [], "following": []}
    relay.node.answers[c.AskRules] = nothing
    assert "No rules" in relay("relay blocked")
    assert "goes by list" in relay("relay blocked")
    assert relay.json("relay blocked") == nothing


def test_a_policy_is_shown(relay: Rig) -> None:
    """CLI-31"""
    assert "post@example.org" in relay("relay policy")
    relay(f"relay policy {did(ME)}")
    assert relay.node.submitted[-1] == c.AskPolicy(ME)
    relay("relay policy /dns4/relay.example/tcp/4001/p2p/12D3KooWrelay")
    assert relay.node.submitted[-1] == c.AskPolicy(peer="12D3KooWrelay")
    assert "give one of them" in relay(f"relay policy {did(ME)} --contact x --yes", USAGE)
    none = {"published": 0, "policy": {}}
    assert "comes with a link" in policy_text(none, asked=True)
    assert "--contact" in policy_text(none)
    old = json.loads(relay("relay policy --json")) | {"current": False}
    assert "publish it again" in policy_text(old)


def test_a_home_has_no_relay_status(rig: Rig) -> None:
    """CLI-30"""
    assert "no relay" in rig("relay status", USAGE)


def test_what_a_relay_says_when_it_runs() -> None:
    """CLI-30"""
    ready = {"pid": 7, "url": "http://127.0.0.1:1/enter#x", "addresses": ["/ip4/0.0.0.0/tcp/1/p2p/x"]}
    assert "Others reach it at /ip4/0.0.0.0/tcp/1/p2p/x" in ready_text(ready)
    found = {"hand_out": ["/dns4/a.example/tcp/1/p2p/x"], "troubles": [{"says": "It rains.", "fix": "an umbrella"}]}
    text = ready_text(ready | found)
    assert "Address to hand out: /dns4/a.example/tcp/1/p2p/x" in text
    assert "It rains.\n  To do: an umbrella." in text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("relay up --no-passphrase --listen nonsense", "mesh.listen"),
        ("relay up --no-passphrase --announce nonsense", "mesh.announce"),
        ("relay up --no-passphrase --relay /ip4/127.0.0.1/tcp/1", "lacks /p2p/"),
        ("relay up --no-passphrase --store mysql://x", "store.url"),
        ("relay up --no-passphrase --network a --invitation b", "give only one"),
        ("relay up", "a passphrase is needed"),
    ],
)
def test_nothing_is_made_before_everything_is_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, says: str
) -> None:
    """CLI-30"""
    assert run(wltm, [*line.split(), "--home", str(tmp_path / "home")]) == USAGE
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "home").exists()


def test_letters_are_sent_read_and_dropped(relay: Rig) -> None:
    """CLI-32"""
    assert relay("mail token --for Ben") == "wltm-mail:abc\n"
    assert relay.node.submitted[-1].label == "Ben"
    assert "abababab is under way" in relay("mail send wltm-mail:abc 'Hello there' --reply")
    assert relay.node.submitted[-1] == c.SendMail("wltm-mail:abc", "Hello there", True)
    text = relay("mail list")
    assert re.search(r"abababab +Ben", text)
    assert "The mailbox is full" in text
    assert "1 of your letters have not reached" in text
    text = relay("mail read ab")
    assert "Answer: wltm mail send wltm-mail:answer TEXT" in text
    assert "\x1b" not in text, "CLI-5"
    relay("mail drop ab")
    assert relay.node.submitted[-1] == c.DropMail(bytes.fromhex(LETTER))
    relay("mail token --for Ben --revoke")
    assert relay.node.submitted[-1] == c.RevokeToken(bytes(16))
    assert "is none of them" in relay("mail read ff", USAGE)


def test_a_status_reads_at_a_glance() -> None:
    """CLI-30, REL-21"""
    found = overview(announces=[])
    text = status_text(found.pop("health") | found)
    assert text.startswith("degraded")
    assert "! This node tells nobody" in text
    assert "accepted 7, GOS-8 2" in text
    assert max(map(len, text.splitlines())) <= 120
