"""What a running node counts for whoever runs it, and what is wrong with it in plain words.

Decides which numbers there are and what each trouble is called; holds no name of a persona, peer or scope, so that
none can leave with a number. Spec: 15-relay, REL-20, REL-21.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from node.present import span

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # of commits
FREE_SHARE_MIN = 0.05  # (g) of a disk; below it the organiser is told
FULL_SHARE = 0.9  # (g) of a cap; above it the organiser is told
RESTARTS_MAX = 3  # (g)
COMMANDS_MAX = 100  # (g) that wait
PRUNE_LATE_MS = 3 * 3_600_000  # (g) three times as long as usual


@dataclass(slots=True)
class Measures:
    """Counts since the start."""

    began: float = field(default_factory=time.monotonic)
    verdicts: Counter[str] = field(default_factory=Counter)  # code of each record that came in; "" is accepted
    commits: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))  # per bucket, the last has no end
    commit_s: float = 0.0
    stored: int = 0  # records committed
    pruned: int = 0  # records
    pruned_at: float = 0.0  # 0: not yet

    def committed(self, seconds: float, records: int) -> None:
        """A batch reached the disk."""
        place = next((number for number, most in enumerate(BUCKETS_S) if seconds <= most), len(BUCKETS_S))
        self.commits[place] += 1
        self.commit_s += seconds
        self.stored += records

    def prune(self, records: int) -> None:
        """What had expired was deleted."""
        self.pruned += records
        self.pruned_at = time.monotonic()

    def plain(self) -> dict[str, Any]:
        """All of it, times as ms that have passed."""
        now = time.monotonic()
        return {
            "uptime_ms": int((now - self.began) * 1000),
            "verdicts": dict(sorted(self.verdicts.items())),
            "commits": list(self.commits),
            "commit_s": self.commit_s,
            "stored": self.stored,
            "pruned": self.pruned,
            "pruned_ago_ms": int((now - self.pruned_at) * 1000) if self.pruned_at else None,
        }


def resident_bytes(pid: int) -> int:
    """Memory of a process; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def disk(path: Path) -> dict[str, int]:
    """Of the disk under a path: bytes in all, and free; both 0 where the system does not tell."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return {"bytes": 0, "free": 0}
    return {"bytes": usage.total, "free": usage.free}


def hand_out(listens: Sequence[str], announces: Sequence[str]) -> list[str]:
    """The addresses by which others can reach a node: those announced, else those listened at that lead anywhere.

    Both are multiaddrs; `listens` end in /p2p/ and the peer's id, `announces` need not.
    """
    peer = next((one.partition("/p2p/")[2] for one in listens if "/p2p/" in one), "")
    named = [one if "/p2p/" in one or not peer else f"{one}/p2p/{peer}" for one in announces]
    return named or [one for one in listens if _reach(one) == "global"]


def _reach(address: str) -> str:
    """How far an address leads: global, private (this network), loopback (this machine) or any (all of a machine's)."""
    parts = address.split("/")
    try:
        found = ip_address(parts[2])
    except (ValueError, IndexError):
        return "global"  # a name
    if found.is_unspecified:
        return "any"
    return "loopback" if found.is_loopback else "global" if found.is_global else "private"


def unreachable(listens: Sequence[str], announces: Sequence[str]) -> list[dict[str, str]]:
    """Why others may not find this relay, with one fix each."""
    if not listens:
        says = "This node listens nowhere: nobody can dial it."
        return [_trouble(says, "start it with --listen /ip4/0.0.0.0/tcp/4001")]
    kinds = {_reach(one) for one in listens}
    if kinds == {"loopback"}:
        says = "This node listens on this machine only: nobody else can reach it."
        return [_trouble(says, "start it with --listen /ip4/0.0.0.0/tcp/4001")]
    port = next(iter(listens)).split("/")[4] if len(next(iter(listens)).split("/")) > 4 else "4001"
    fix = f"say where it is found: --announce /dns4/relay.example.org/tcp/{port}, or /ip4/ and its public address"
    if not announces and "global" not in kinds:
        home = "" if "any" in kinds else " Its addresses lead no further than its own network."
        return [_trouble(f"This node tells nobody where it can be dialled.{home}", fix)]
    if announces and not any(_reach(one) == "global" for one in announces):
        return [_trouble("The addresses that this node announces lead no further than its own network.", fix)]
    return []


def health(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """{"state", "troubles": [{"says", "fix"}]} from the numbers of `Daemon.numbers` (REL-21)."""
    store = numbers["store"]
    troubles: list[dict[str, str]] = []
    if store["trouble"]:
        says = f"Nothing can be written: {store['trouble']}."
        troubles.append(_trouble(says, "free the disk, or restart its database"))
    troubles += _crowded(numbers)
    if numbers["role"] == "relay":
        troubles += unreachable(numbers["listens"], numbers["announces"])
        troubles += _policy(numbers["policy"])
    state = "failing" if store["trouble"] else "degraded" if troubles else "ok"
    return {"state": state, "troubles": troubles}


def _crowded(numbers: Mapping[str, Any]) -> list[dict[str, str]]:
    store, core, found = numbers["store"], numbers["core"], []
    if store["disk"]["bytes"] and store["disk"]["free"] < FREE_SHARE_MIN * store["disk"]["bytes"]:
        free = store["disk"]["free"] >> 20
        found.append(_trouble(f"The disk has {free} MiB left.", "make room, or move the home to a larger disk"))
    if store["bytes_max"] and store["bytes"] > FULL_SHARE * store["bytes_max"]:
        says = f"The store holds {store['bytes'] >> 20} of at most {store['bytes_max'] >> 20} MiB."
        found.append(_trouble(says, "raise store.max_mib; or carried scopes that nobody asks for go first"))
    late = numbers["counts"]["pruned_ago_ms"]
    if late is not None and late > PRUNE_LATE_MS:
        found.append(_trouble(f"Nothing has been pruned for {span(late)}.", "look at node.log; restart the node"))
    if numbers["mesh"]["restarts"] > RESTARTS_MAX:
        says = f"The mesh process was started again {numbers['mesh']['restarts']} times."
        found.append(_trouble(says, "look at mesh.log; block who floods, or raise mesh.memory_mib"))
    if core["mail_fullest"] >= core["mail_records_max"]:
        found.append(_trouble("A mail prefix is full: letters for it are put off.", "raise relay.mail_records"))
    if (commands := numbers["waiting"]["commands"]) > COMMANDS_MAX:
        found.append(_trouble(f"{commands} commands wait.", "ask less often, or on a faster disk"))
    return found


def _policy(policy: Mapping[str, Any]) -> list[dict[str, str]]:
    fix = "publish it: wltm relay policy --contact you@example.org"
    if not policy["published"]:
        return [_trouble("This relay has published no policy: nobody knows whom to write to.", fix)]
    if not policy["current"]:
        return [_trouble("The published policy no longer says what this relay does.", fix)]
    return []


def _trouble(says: str, fix: str) -> dict[str, str]:
    return {"says": says, "fix": fix}
