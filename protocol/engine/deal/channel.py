"""The channel of an agreement: words between its members and its supplier, sealed for them.

Decides whether an own persona may say something there now, and what is shown of it; refusals are CommandErrors raised
before anything has changed. What is said binds nobody. Spec: 11-room, ROO-15 and ROO-16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from protocol import commands as ask
from protocol.deal.award import Agreement
from protocol.deal.life import Deal
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.deal.signing import deal_context
from protocol.engine.groups import groups
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.params import TALK_SHOWN_MAX

KIND = "message.1"


def say(core: Core, command: ask.SayInChannel) -> dict[str, Any]:
    """Say something in the channel of the own agreement."""
    context, deal = deal_context(core, command.deal)
    mine = next(((one, key) for one in deal.agreements for key in _parties(one) if key in core.personas), None)
    if mine is None:
        raise NotNow("ROO-15", f"message: you have no part in an agreement here (the deal is {deal.state})")
    agreed, key = mine
    group = groups(core, context)[agreed.hash]
    if not all(one.box for one in group.places) and key != agreed.supplier:
        raise NotNow("ROO-15", "message: the supplier of your agreement has not signed and opened its box (yet)")
    body, until = {"agreement": agreed.hash, "text": command.text}, deal.rfq.header.expires
    try:
        said = core.say(core.personas[key], KIND, context.scope, body, until=until, refs=(deal.rfq.id,), human=True)
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None
    return {"id": said.id, "agreement": agreed.hash}


def messages(core: Core, context: Context, deal: Deal) -> list[dict[str, Any]]:
    """What was said in the channels that this node reads, oldest first."""
    suppliers = [one.supplier for one in deal.agreements]
    said = sorted(context.log.of_kind(KIND), key=lambda one: (one.header.created, one.id))
    return [
        {
            "id": one.id,
            "by": one.author,
            "role": "supplier" if one.author in suppliers else "member",
            "at": one.header.created,
            "agreement": one.body["agreement"],
            "text": one.body["text"],
            "mine": one.author in core.personas,
        }
        for one in said[-TALK_SHOWN_MAX:]
    ]


def _parties(agreed: Agreement) -> tuple[bytes, ...]:
    return (*(member for member, _ in agreed.allocation.shares), agreed.supplier)


COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {ask.SayInChannel: say}
