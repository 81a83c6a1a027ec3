"""What a witness's node does with its shares of ballots: vouches for good ones, releases them once the box is closed.

Decides nothing of its own. Spec: 07-election, ELE-61, ELE-62 and ELE-66.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from protocol.coop.ballot import own_share, released
from protocol.coop.coop import Coop, question_name, slot_name
from protocol.encoding import decode
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.errors import Reject
from protocol.identity import Persona
from protocol.record.record import Record, Slot
from protocol.sealing import Void


def attend(core: Core, context: Context, coop: Coop) -> None:
    """Once the box of ballots is certified, and not before, each own witness releases its shares (ELE-62)."""
    if coop.state != "counting":
        return
    roster, name = coop.roster, slot_name("count", coop.roster)
    certified = coop.decided[question_name("ballots", roster)].value_hash
    for place, key in enumerate(coop.council.witnesses):
        persona = core.personas.get(key)
        if persona is None or context.log.slot("count.1", key, name):
            continue
        shares = released(coop.ballots, place, persona.box_seed(coop.hash))
        body = {"roster": roster, "manifest": certified, "shares": shares}
        until, slot, refs = coop.charter.header.expires, Slot("once", name, 0), (coop.charter.id,)
        core.volunteer(persona, "count.1", context.scope, body, until=until, slot=slot, refs=refs)


def vouched(context: Context, coop: Coop, ballot: Record, persona: Persona) -> bool:
    """Whether a witness may say that it had a ballot in time: only with a good share for itself (ELE-61)."""
    place = coop.council.witnesses.index(persona.key)
    return holds_share(context, ballot, persona, lambda: own_share(ballot, place, persona.box_seed(coop.hash)))


def holds_share(context: Context, record: Record, persona: Persona, find: Callable[[], bytes]) -> bool:
    """Whether `find` opens this persona's own share of what a record seals; tried once."""
    at = record.id, persona.key
    if at not in context.shared:
        try:
            find()
            context.shared[at] = True
        except Reject:
            context.shared[at] = False
    return context.shared[at]


def ballots(core: Core, coop: Coop) -> dict[str, Any]:
    """What became of the ballots: how many opened, which are void and why, and what the own member voted (ELE-66)."""
    kept = core.facts.get(kept_ballot(coop))
    voids = [
        {"author": one.author, "id": one.id, "code": found.code, "message": found.message}
        for one in coop.ballots
        if isinstance(found := coop.openings.get(one.id), Void)
    ]
    own = {"own_ballot": decode(kept)} if kept is not None else {}
    return {"opened": len(coop.rankings), "void_ballots": voids} | own if coop.openings else own


def kept_ballot(coop: Coop) -> str:
    """The name of the fact that holds what the own member voted, which nobody else can read yet."""
    return f"ballot/{coop.charter.scope}/{coop.roster[:8].hex()}"
