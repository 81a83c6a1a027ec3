"""What a member may know of an election and of who leads: candidates with what they show, the lease, recalls, faults.

Decides nothing and changes nothing. A standing is this observer's own view; the counts beside it are everybody's.
Spec: 07-election, ELE-34 to ELE-56.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol.coop.coop import Coop
from protocol.coop.evidence import standing_in
from protocol.encoding import decode
from protocol.engine.carrying import counted, heirs, stands_for
from protocol.engine.context import Context
from protocol.engine.coop import faults, lease
from protocol.engine.coop.counting import ballots
from protocol.engine.core import Core
from protocol.engine.freezing import gone_among
from protocol.params import LOOK_INLINE_MAX
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.trust.accountability import EVIDENCE_KINDS
from protocol.trust.accountability import evidence as evidence_in
from protocol.trust.amends import mended
from protocol.trust.reputation import Evidence, Graph, graph, standing


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
    evidence = rows(core) if coop.state == "balloting" else ()
    seen = _amounts(core, evidence) if coop.state == "balloting" and len(evidence) <= LOOK_INLINE_MAX else None
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
    found = rows(core)
    return _amounts(core, found if len(found) <= LOOK_INLINE_MAX else ())  # REP-19


def _amounts(core: Core, evidence: Sequence[Evidence]) -> Graph:
    return graph(evidence, core.now, heirs(core))


def rows(core: Core) -> tuple[Evidence, ...]:
    """This node's attestations, vouches and proofs as far as they count for its own person."""
    logs = [context.log for context in core.contexts.values() if context.family == "trust"]
    said = [one for log in logs for kind in EVIDENCE_KINDS for one in log.of_kind(kind) if _stands(core, log, one)]
    said.sort(key=lambda one: one.id)
    seen = {one.id: int(decode(core.facts[key])) for one in said if (key := f"seen/{one.id.hex()}") in core.facts}
    remedied = mended(said, (one for log in logs for one in log.of_kind("amends.1")))
    return tuple(counted(core, evidence_in(said, seen, core.settings.network, core.me.key, remedied)))


def _stands(core: Core, log: Log, one: Record) -> bool:
    """Whether it is the one thing that its author said there (REC-14), and has not expired."""
    sole = one.header.slot is not None and log.sole(one.kind, one.author, one.header.slot.name) is not None
    return sole and one.header.expires > core.now
