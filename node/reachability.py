"""How this node is connected: every link in numbers, and the whole in plain words with its consequence and one fix.

Decides words; the numbers are the mesh process's and the core's. Spec: 13-node, CLI-40, CLI-41.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from node.economy import Economy
from node.mesh import Measured, Traffic
from node.outbox import Mesh
from node.present import moment
from node.store import Store
from protocol.commands import AskDigest, AskPeers, AskStatus
from protocol.engine.network.relays import STRANGERS
from protocol.record.log import digest_of_scope

_WIDTH = len(fields(Traffic))
CAME_IN = "came in"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the daemon knows beside the core: its mesh, its disk, and what the day may still cost."""

    peer_id: str
    addresses: Sequence[str]  # where it listens
    announced: Sequence[str]
    restarts: int
    measured: Measured | None  # None: the mesh process does not answer
    trouble: str
    economy: Mapping[str, Any]


async def complete(
    command: object, told: dict[str, Any], mesh: Mesh, store: Store, trouble: str, economy: Economy, now: int
) -> dict[str, Any]:
    """What the core says about itself, its links and its scopes, with what only the daemon knows."""
    if isinstance(command, AskDigest):  # bodies of what is carried are on the disk alone
        if told.pop("carried", False):
            told["digest"] = digest_of_scope(command.scope, await store.by_scope(command.scope))
        return told
    if isinstance(command, AskStatus):
        return {**told, "peer_id": mesh.peer_id, "addresses": mesh.addresses, "trouble": trouble}
    measured = await mesh.measure()
    economy.look(sum(measured.totals[:2]) if measured is not None else None, now)
    announced = list(mesh.announced)
    around = Surroundings(mesh.peer_id, mesh.addresses, announced, mesh.restarts, measured, trouble, economy.told())
    return peers(told, around, now) if isinstance(command, AskPeers) else in_words(told, around, now)


def traffic(measured: Measured | None) -> dict[str, tuple[str, Traffic]]:
    """Peer → its address and its numbers."""
    if measured is None:
        return {}
    numbers = (measured.numbers[at : at + _WIDTH] for at in range(0, len(measured.numbers), _WIDTH))
    there = zip(measured.peers, measured.addresses, numbers, strict=True)
    return {peer: (address, Traffic(*own)) for peer, address, own in there}


def peers(told: Mapping[str, Any], around: Surroundings, now: int) -> dict[str, Any]:
    """Who is linked and why, since when, how much, how far behind; and the relays this node keeps to."""
    passed = traffic(around.measured)
    why = {one["peer"]: one["why"] for one in told["relays"]}
    rows = []
    for one in told["peers"]:
        address, own = passed.get(one["peer"], ("", Traffic()))
        numbers = {name.name: getattr(own, name.name) for name in fields(Traffic) if name.name != "outbound"}
        reason = why.get(one["peer"], "dialled" if one["outbound"] else CAME_IN)
        rows.append(one | {"address": address, "why": reason, "since": now - own.age_ms} | numbers)
    return {"peers": rows, "relays": told["relays"], "now": now}


def in_words(told: Mapping[str, Any], around: Surroundings, now: int) -> dict[str, Any]:
    """The node itself: how others reach it, what that means, what would help; and what it all came to so far."""
    totals = around.measured.totals if around.measured is not None else (0,) * 5
    linked = [one for one in told["peers"] if one["outbound"]]
    return {
        "peer_id": around.peer_id,
        "listens": list(around.addresses),
        "announced": list(around.announced),
        **_words(told, around),
        "fresh": told["fresh"],
        "as_of": told["as_of"],
        "fresh_says": _freshness(told, len(linked)),
        "linked": len(told["peers"]),
        "dialled": len(linked),
        "bytes_in": totals[0],
        "bytes_out": totals[1],
        "half_open": totals[2],
        "banned": totals[4],
        "restarts": around.restarts,
        "economy": dict(around.economy) | {"wakes": told["wakes"]},
        "trouble": around.trouble,
        "now": now,
    }


def _words(told: Mapping[str, Any], around: Surroundings) -> dict[str, str]:
    dialled = [one for one in told["peers"] if one["outbound"]]
    came = [one for one in told["peers"] if not one["outbound"]]
    if told.get("resting"):
        return _said(
            "resting",
            f"Quiet hours until {moment(told['resting'])}: nobody is connected, on purpose.",
            "What you sign and what others say is exchanged when the node wakes.",
            "",
        )
    if around.measured is None and not told["peers"]:
        fix = "It is started again by itself; if this stays so, look at mesh.log in the home."
        return _said("offline", "The mesh process does not answer.", "What you sign waits here.", fix)
    if came or (around.announced and (dialled or not told["relays"])):
        where = (list(around.announced) or list(around.addresses) or ["?"])[0]
        return _said(
            "reachable",
            f"Reachable at {where}" + ("." if came else ", as far as this node can tell: nobody has dialled in yet."),
            "Others can get your words from this node itself.",
            "" if came else f"Let somebody try: wltm peers add {where}/p2p/{around.peer_id}",
        )
    if dialled:
        names = ", ".join(_host(one) for one in told["relays"] if one["state"] == "linked") or _peer(dialled[0])
        return _said(
            "through relay",
            f"Through relay {names}." if len(dialled) == 1 else f"Through {len(dialled)} relays: {names}.",
            "Others get your words from there, as soon as they ask a relay that has them. No open port is needed.",
            _second(told, len(dialled)),
        )
    lost = [_host(one) for one in told["relays"]]
    if lost:
        fix = f"Check this machine's connection, then whether {lost[0]} runs; or add another: wltm peers add ADDRESS"
    else:
        fix = "Add a relay: wltm peers add ADDRESS (who invited you knows one)"
    tried = f" None of {len(lost)} relays answers." if len(lost) > 1 else f" {lost[0]} does not answer." if lost else ""
    listens = " It listens, but nobody has dialled in." if around.addresses else ""
    return _said("offline", f"Offline: nobody is connected.{tried}{listens}", "What you sign waits here.", fix)


def _second(told: Mapping[str, Any], dialled: int) -> str:
    own = _own(told)
    if len(own) == 1 and dialled > 1:
        return "Only one relay is of your choice, and it alone carries your co-ops: add another: wltm peers add ADDRESS"
    if len(own) < 2 and (own or dialled < 2):
        return "One relay alone can hide things from you: add one of somebody else's: wltm peers add ADDRESS"
    silent = [_host(one) for one in own if one["state"] != "linked"]
    if silent and len(own) - len(silent) < 2:
        return f"Only one relay of yours answers and could hide things from you; see why {silent[0]} does not."
    if told["operators"] < 2 and own:
        return "All your relays seem to be one operator's, who could hide things from you: add another's."
    return ""


def _own(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in told["relays"] if one["why"] not in STRANGERS]


def _freshness(told: Mapping[str, Any], linked: int) -> str:
    if not told["relays"] and not linked:
        return ""
    if not told["as_of"]:
        own = _own(told)
        asked = "a relay has" if len(own) < 2 and linked < 2 else "two relays have"
        return f"Not fresh before {asked} told all: something may be missing here."
    at = moment(told["as_of"])
    if not told["fresh"]:
        return f"Not fresh: last asked at {at}."
    return f"Fresh as of {at}."


def _said(state: str, says: str, consequence: str, fix: str) -> dict[str, str]:
    return {"state": state, "says": says, "consequence": consequence, "fix": fix}


def _host(relay: Mapping[str, Any]) -> str:
    parts = relay["address"].split("/")
    return parts[2] + ":" + parts[4] if len(parts) > 4 else _peer(relay)


def _peer(one: Mapping[str, Any]) -> str:
    return "…" + str(one["peer"])[-8:]
