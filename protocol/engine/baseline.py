"""What a member pays today, kept at home, and what an offer comes to beside it: "no deal" is a normal result.

Decides nothing and publishes nothing: a sum over a co-op is made of what its intents say in the open, and of nothing
else. Spec: 08-negotiation, NEG-33, NEG-88 and NEG-89.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol import commands as ask
from protocol.coop.coop import Coop
from protocol.coop.template import money
from protocol.deal.allocation import Besides
from protocol.deal.negotiation import saving
from protocol.encoding import decode, encode
from protocol.engine.core import Core
from protocol.errors import CommandError
from protocol.params import INTEGER_MAX
from protocol.record.record import Record


@dataclass(frozen=True, slots=True)
class Baseline:
    """Today's unit price, and what comes on top of it over a template's term, in minor units."""

    unit_price_minor: int
    once_minor: int

    def saving(self, unit_price_minor: int, quantity: int, besides: Besides) -> int:
        """What an offer saves over the term, all in; below 0 it is dearer (NEG-33)."""
        return saving(self.unit_price_minor, unit_price_minor, quantity, besides) + self.once_minor


def set_baseline(core: Core, command: ask.SetBaseline) -> dict[str, Any]:
    """Remember, on this machine alone, what the member of an intent pays today (NEG-88)."""
    if f"intent/{command.intent}" not in core.facts:
        raise CommandError("INT-3", f"intent: there is none called {command.intent[:32]!r}; see `wltm intent list`")
    for name in ("unit_price_minor", "once_minor"):
        if not 0 <= getattr(command, name) <= INTEGER_MAX // 10**6:
            raise CommandError("NEG-88", f"{name}: must be from 0 to {INTEGER_MAX // 10**6}")
    core.keep(f"baseline/{command.intent}", encode([command.unit_price_minor, command.once_minor]))
    return {"intent": command.intent, "unit_price_minor": command.unit_price_minor, "once_minor": command.once_minor}


def stated(intent: Record) -> Baseline:
    """What an intent says in the open: spend per period over wanted units, rounded down."""
    return Baseline(int(intent.body["spend_minor"]) // max(1, int(intent.body["want"])), 0)


def own_baseline(core: Core, coop: Coop) -> Baseline | None:
    """That of this node's member on a roster; None for who is not on it."""
    for member in coop.members:
        if member.key in core.personas:
            name = member.intent.header.slot.name if member.intent.header.slot else ""
            kept = core.facts.get(f"baseline/{name}")
            if kept is None:
                return stated(member.intent)
            unit_price_minor, once_minor = decode(kept)
            return Baseline(unit_price_minor, once_minor)
    return None


def compared(core: Core, coop: Coop, unit_price_minor: int, quantity: int, besides: Besides) -> str:
    """An offer beside what the member pays today, in words, before anything is signed (NEG-89); "" where unknown."""
    known = own_baseline(core, coop)
    if known is None or not (known.unit_price_minor or known.once_minor):
        return ""
    currency = core.settings.templates[coop.charter.body["template"]].currency
    saved = known.saving(unit_price_minor, quantity, besides)
    amount = money(abs(saved), currency)
    if saved < 0:
        return f" Over the term that is {amount} more than you pay today: not to take it is as good an answer."
    return f" Over the term that is {amount} less than you pay today."
