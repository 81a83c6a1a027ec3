"""Everything about a running node that its organiser may want to see, as one plain map.

Decides where each number is taken from; what they mean is in node.measures. Spec: 15-relay, REL-20, REL-21.
"""

from __future__ import annotations

import os
from typing import Any

from node.config import Config
from node.daemon import Daemon
from node.measures import disk, hand_out, health, resident_bytes
from node.store import Store, StoreError
from protocol.commands import AskNumbers, AskPolicy


async def overview(config: Config, daemon: Daemon, store: Store) -> dict[str, Any]:
    """The numbers as of now, and under "health" what is wrong. Raises CommandError when the node is stopping."""
    core = await daemon.submit(AskNumbers())
    policy = await daemon.submit(AskPolicy())
    measured = await daemon.mesh.measure()
    try:
        stored, unread = await store.size(), ""
    except StoreError as error:
        stored, unread = 0, error.message
    wrong = daemon.trouble or store.lost
    listens, announces = list(daemon.mesh.addresses), list(config.mesh.announce)
    numbers: dict[str, Any] = {
        "role": config.role,
        "core": core,
        "policy": {"published": policy["published"], "current": policy.get("current", False)},
        "counts": daemon.measures.plain(),
        "waiting": daemon.waiting,
        "store": {
            "position": daemon.last_position,
            "bytes": stored,
            "bytes_max": config.store.max_mib << 20,
            "disk": disk(config.home),
            "trouble": wrong.message if wrong else unread,
        },
        "mesh": {
            "restarts": daemon.mesh.restarts,
            "resident_bytes": resident_bytes(daemon.mesh.pid),
            "memory_bytes_max": config.mesh.memory_mib << 20,
            "bytes_in": measured.totals[0] if measured else 0,
            "bytes_out": measured.totals[1] if measured else 0,
        },
        "resident_bytes": resident_bytes(os.getpid()),
        "listens": listens,
        "announces": announces,
        "hand_out": hand_out(listens, announces),
    }
    return numbers | {"health": health(numbers)}
