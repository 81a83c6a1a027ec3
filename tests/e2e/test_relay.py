"""A relay as its organiser has it: real processes, a letter for who sleeps, a kill in between, a block that bites."""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from node.cli.client import Client
from tests.e2e.test_home import wltm

PATIENCE_S = 60


@pytest.fixture
def street(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """A relay that runs, and the homes of Ann and Ben that know it."""
    homes = {name: tmp_path / name for name in ("relay", "ann", "ben")}
    listen = "/ip4/127.0.0.1/tcp/0"
    flags = ("--network", "street", "--speed", "400", "--role", "relay", "--listen", listen, "--port", "0")
    wltm(homes["relay"], "init", *flags, "--no-passphrase")
    ready, _ = wltm(homes["relay"], "relay", "up", "--detach")
    assert ready["hand_out"] == []
    assert "this machine only" in ready["troubles"][0]["says"]  # CLI-30
    settings = (homes["relay"] / "config.toml").read_text().splitlines()
    network = [line for line in settings if line.startswith("network.")]
    for name in ("ann", "ben"):
        homes[name].mkdir(mode=0o700)
        lines = [*network, "api.port = 0", f'mesh.relays = ["{ready["addresses"][0]}"]']
        (homes[name] / "config.toml").write_text("\n".join(lines))
        wltm(homes[name], "init", "--no-passphrase")
    port = ready["addresses"][0].split("/")[4]
    (homes["relay"] / "config.toml").write_text(
        "\n".join(line.replace("/tcp/0", f"/tcp/{port}") for line in settings)  # where it comes back
    )
    yield homes
    for home in homes.values():
        if (home / "node.json").exists():
            wltm(home, "down")


def watched(home: Path, path: str) -> str:
    """What a monitoring system reads there with its own key."""
    run = json.loads((home / "node.json").read_text())
    key = (home / "metrics-token").read_text().strip()
    url = f"http://127.0.0.1:{run['port']}{path}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        text: str = response.read().decode()
        return text


def test_a_letter_outlives_a_kill_and_a_block_bites(street: dict[str, Path]) -> None:
    """REL-4, REL-7, REL-16, REL-17, REL-20 to REL-22, CLI-30"""
    relay, ann, ben = (street[name] for name in ("relay", "ann", "ben"))
    wltm(ann, "up", "--detach")
    token = wltm(ann, "mail", "token", "--for", "Ben")[0]["token"]
    wltm(ann, "down")

    wltm(ben, "up", "--detach")
    wltm(ben, "mail", "send", token, "Hello Ann")
    client = Client(ben)
    client.wait(lambda: client.get("/mail")["outgoing"] == 0, "the relay's word", PATIENCE_S)
    os.kill(json.loads((relay / "node.json").read_text())["pid"], signal.SIGKILL)
    ready, _ = wltm(relay, "relay", "up", "--detach")
    wltm(relay, "relay", "policy", "--contact", "post@example.org", "--yes")

    wltm(ann, "up", "--detach")
    client = Client(ann)
    client.wait(lambda: client.get("/mail")["letters"] != [], "the letter", PATIENCE_S)
    known = wltm(ann, "relay", "policy", ready["addresses"][0])[0]  # it came with the link, before the letter
    assert known["policy"]["contact"] == "post@example.org"
    (letter,) = wltm(ann, "mail", "list")[0]["letters"]
    assert (letter["text"], letter["label"]) == ("Hello Ann", "Ben")

    families = {one.name: one for one in text_string_to_metric_families(watched(relay, "/metrics"))}
    assert {one.labels["direction"] for one in families["wltm_peers"].samples} == {"in", "out"}
    assert families["wltm_writable"].samples[0].value == 1
    health = json.loads(watched(relay, "/health"))
    assert health["state"] == "degraded"  # it listens on loopback
    assert health["core"]["mail_records"] == 1
    assert wltm(relay, "relay", "status", code=1)[0]["state"] == "degraded"

    client = Client(relay)
    client.wait(lambda: len(client.get("/status")["peers"]) == 2, "Ben, who dials again", PATIENCE_S)
    peer = wltm(ben, "status")[0]["peer_id"]
    wltm(relay, "relay", "block", peer, "--reason", "flood")
    client.wait(lambda: len(client.get("/status")["peers"]) == 1, "the end of Ben's link", PATIENCE_S)
    wltm(relay, "relay", "block", peer, "--lift")
    assert wltm(relay, "relay", "blocked")[0]["own"] == []
