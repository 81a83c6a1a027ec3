"""Co-ops that come from others: a part that goes on by itself, several that go on as one, a council that is replaced.

Decides how members learn of a successor and what joining it means for their old co-op; moves nobody without their word.
Spec: 05-formation, FRM-37 to FRM-40.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from protocol import commands as ask
from protocol.coop.charter import Invitation, find_charter, successor_in, successor_slot
from protocol.coop.coop import Coop
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.errors import CommandError, Ignore, Reject
from protocol.record.record import Record, Slot


def propose(core: Core, command: ask.ProposeCoop) -> dict[str, Any]:
    """Show the own co-op what it could go on as."""
    charter = find_charter(core.peek("coop/" + command.successor.hex()))
    if charter is None:
        raise CommandError("FRM-38", "successor: its charter is not known here (yet); join it first")
    if command.coop not in charter.body.get("before", ()):
        raise CommandError("FRM-38", "successor: its charter does not say that it comes from this co-op")
    return {"id": show(core, command.coop, charter, command.token).id}


def check_members(core: Core, before: Sequence[bytes]) -> None:
    """Raises CommandError FRM-37 unless an own persona is on the roster of one of these."""
    views = (one.coop(core.settings) for one in core.contexts.values() if one.family == "coop")
    own = [view.hash[:16] for view in views if view is not None and any(key in core.personas for key in view.joined)]
    if not any(one in own for one in before):
        raise CommandError("FRM-37", "before: you are on the roster of none of these co-ops")


def show(core: Core, coop: bytes, charter: Record, token: bytes) -> Record:
    """Say it to the members. Raises CommandError FRM-38 where no own persona is one."""
    context = core.contexts.get("coop/" + coop.hex())
    view = context.coop(core.settings) if context is not None else None
    persona = next((core.personas[key] for key in view.joined if key in core.personas), None) if view else None
    if context is None or view is None or persona is None:
        raise CommandError("FRM-38", f"before: you are not on the roster of {coop.hex()[:8]}")
    slot = Slot("once", successor_slot(bytes.fromhex(charter.scope.partition("/")[2])), 0)
    body = {"charter": charter.raw, "invite": token}
    until, refs = view.charter.header.expires, (view.charter.id,)
    try:
        return core.say(persona, "successor.1", context.scope, body, until=until, slot=slot, refs=refs, human=True)
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None


def shown(core: Core, context: Context) -> Iterator[tuple[Record, bytes]]:
    """The charters that members of this co-op were shown, each once, with the invitation beside it."""
    seen: dict[str, None] = {}
    for one in sorted(context.log.of_kind("successor.1"), key=lambda record: record.id):
        charter = successor_in(one, core.settings.network)
        if charter is not None and charter.scope not in seen:
            seen[charter.scope] = None
            yield charter, one.body["invite"]


def introduce(core: Core, scope: str) -> bytes:
    """Take in the charter of a co-op that one of ours was shown; the invitation that came with it, b"" without."""
    for context in [one for one in core.contexts.values() if one.family == "coop"]:
        for charter, token in shown(core, context):
            if charter.scope == scope:
                core.follow(scope)
                core.receive(charter, "")
                return token if _may_use(core, token) else b""
    return b""


def _may_use(core: Core, token: bytes) -> bool:
    try:
        return bool(token) and Invitation.parse(token).expires > core.now
    except Reject:
        return False


def waiting(core: Core, context: Context, coop: Coop) -> list[dict[str, Any]]:
    """What a member may still join in this co-op's place (FRM-38)."""
    if not any(key in core.personas for key in coop.keys):
        return []
    found = []
    for charter, _ in shown(core, context):
        until = charter.header.created + charter.body["times"]["join_ms"]
        joined = any(core.peek(charter.scope).slot("join.1", key, "join") for key in core.personas)
        listed = charter.body["listed"]
        called = not listed or any(key in listed for key in core.personas)
        if core.now > until or joined or f"wish/{charter.scope}" in core.facts or not called:
            continue
        successor = bytes.fromhex(charter.scope.partition("/")[2])
        found.append(
            {
                "kind": "succeed",
                "id": coop.hash[:16],
                "coop": coop.hash[:16],
                "successor": successor,
                "purpose": charter.body["purpose"],
                "until": until,
                "says": f"{charter.author.hex()[:8]} proposes to go on as {successor.hex()[:8]}. Joining it gives up"
                " your place here once its roster is certified with you on it, unless you have committed here.",
                "silence": "You stay in this co-op.",
            }
        )
    return found
