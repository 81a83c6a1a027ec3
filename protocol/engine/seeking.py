"""What a restored device belongs to and does not know: co-ops that it joined after its backup was made.

Decides which it follows, from what boards say of its personas; whether it may speak there is protocol.engine.silence's.
Spec: 18-keeping, KEP-19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.engine.coop.board import charter_in
from protocol.engine.silence import FACT, keeping
from protocol.params import SOUGHT_MAX
from protocol.record.record import embedded
from protocol.trust.accountability import trust_scope

if TYPE_CHECKING:
    from protocol.engine.core import Core


def attend(core: Core) -> None:
    """While a device is being restored, and when it has just been."""
    if FACT in core.facts and keeping(core).state == "restoring":
        _seek(core)
    elif core.returning.back:
        core.returning.back = False
        _engage(core)


def _seek(core: Core) -> None:
    """Follow the co-ops whose charters list an own persona, on the boards that are followed: the newest of them."""
    for key in core.personas:
        core.follow(trust_scope(key))
    for context in [one for one in core.contexts.values() if one.family == "board"]:
        for call in sorted(context.log.of_kind("call.1"), key=lambda one: (-one.header.created, one.id))[:SOUGHT_MAX]:
            if call.id not in core.returning.calls:
                core.returning.calls[call.id] = None
                if (charter := charter_in(core, context.scope, call)) is not None:
                    core.follow(charter.scope)


def _engage(core: Core) -> None:
    """Remember for each own join that is held that its intent is taken, as whoever signed it did (FRM-12)."""
    for context in [one for one in core.contexts.values() if one.family == "coop"]:
        for join in [one for key in core.personas for one in context.log.by(key, "join.1")]:
            intent = embedded(join.body["intent"], core.settings.network)
            name = intent.header.slot.name if intent.header.slot else ""
            for fact, value in ((f"engaged/{intent.scope}/{name}", context.scope), (f"intent/{name}", intent.scope)):
                if fact not in core.facts:
                    core.keep(fact, value.encode())
