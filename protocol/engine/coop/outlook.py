"""What a member may know of an election and of who leads: candidates with what they show, the lease, recalls, faults.

Decides nothing and changes nothing. A standing is this observer's own view; the counts beside it are everybody's.
Spec: 07-election, ELE-34 to ELE-56.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from protocol.coop.coop import Coop
from protocol.coop.evidence import standing_in
from protocol.encoding import decode
from protocol.engine.carrying import heirs, stands_for
from protocol.engine.context import Context
from protocol.engine.coop import faults, lease
from protocol.engine.coop.counting import ballots
from protocol.engine.core import Core
from protocol.engine.freezing import gone_among
from protocol.params import LOOK_INLINE_MAX
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.trust.accountability import EVIDENCE_KINDS
from protocol.trust.reputation import Graph, standing
from protocol.trust.view import Held, amounts


def election(core: Core, context: Context, coop: Coop) -> dict[str, Any]:
    """The fields that a co-op's detail has of it."""
    return {
        "candidates": candidates(core, coop),
        "faults": faults.view(core, context, coop),
        "frozen": gone_among(core, (*coop.keys, *(one for one in coop.council.witnesses if one not in coop.keys))),
        **ballots(core, coop),
        **lease.view(context, coop),
    }


def candidates(core: Core, coop: Coop) -> list[dict[str, Any]]:
    """Who stands, and what is known of them; while ballots are open with this observer's own view."""
    known = held(core) if coop.state == "balloting" else None
    seen = amounts(known, core.now) if known is not None and len(known.said) <= LOOK_INLINE_MAX else None  # REP-19
    found = []
    for one in coop.candidates:
        shown = standing_in(one, coop.keys, core.settings.network)
        row = {name: one.body[name] for name in ("fee_minor", "statement", "language")}
        row |= {"key": one.author, "interests": list(one.body["interests"])}
        row |= {"outcomes": shown.outcomes, "vouches": shown.vouches, "newcomer": shown.newcomer}
        if seen is not None:
            row["standing"] = standing(seen, core.me.key, stands_for(core, one.author), "negotiator").value
        found.append(row)
    return found


def observed(core: Core) -> Graph:
    """All that this node's evidence amounts to for its own person; nothing when it is more than a page can wait for."""
    found = held(core)
    return amounts(found if len(found.said) <= LOOK_INLINE_MAX else replace(found, said=()), core.now)  # REP-19


def held(core: Core) -> Held:
    """This node's attestations, vouches and proofs, and what it knows of those who said them."""
    logs = [context.log for context in core.contexts.values() if context.family == "trust"]
    said = [one for log in logs for kind in EVIDENCE_KINDS for one in log.of_kind(kind) if _stands(core, log, one)]
    said.sort(key=lambda one: one.id)
    amends = tuple(one for log in logs for one in log.of_kind("amends.1"))
    seen = {one.id: int(decode(core.facts[key])) for one in said if (key := f"seen/{one.id.hex()}") in core.facts}
    frozen = {key: one.since for key, one in core.frozen.items()}
    return Held(tuple(said), amends, seen, core.settings.network, core.me.key, frozen, heirs(core))


def _stands(core: Core, log: Log, one: Record) -> bool:
    """Whether it is the one thing that its author said there (REC-14), and has not expired."""
    sole = one.header.slot is not None and log.sole(one.kind, one.author, one.header.slot.name) is not None
    return sole and one.header.expires > core.now
