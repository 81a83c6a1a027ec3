"""Quiet hours and days that have cost enough: when this node keeps no links, and of which scopes it then hears nothing.

Decides for what it stays awake: questions of its own that close meanwhile, as those who are silent are counted absent.
Never closes a link itself; protocol.engine.network.relays does. Spec: 03-gossip, GOS-66 and GOS-67.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from protocol.coop.coop import Coop
from protocol.deal.life import Deal
from protocol.engine.coop.membership import concerns_me
from protocol.engine.deal.dealing import coop_of
from protocol.engine.network import links
from protocol.events import Circumstances
from protocol.network.gossip import Unsubscribe
from protocol.params import SCOPES_PER_MESSAGE_MAX

if TYPE_CHECKING:
    from protocol.engine.core import Core

_EARLY_ROUNDS = 10  # (g) reconciliations before a question closes: time to wake, to fetch and to be heard
_LATE_ROUNDS = 60  # (g) and after it, while it is still undecided
_APPOINTMENTS_MAX = 8  # shown


def changed(core: Core, news: Circumstances) -> None:
    """Circumstances are different: whoever must be told is told."""
    if news.quiet_until != core.quiet_until:
        core.quiet_until, core.relays.wake = news.quiet_until, core.now
    if news.thrifty == core.thrifty:
        return
    core.thrifty = True
    scopes = tuple(scope for scope in core.followed if core.spared(scope))
    core.thrifty = news.thrifty
    for neighbour in core.neighbours.values():
        if news.thrifty:
            for at in range(0, len(scopes), SCOPES_PER_MESSAGE_MAX):
                core.send(neighbour.name, Unsubscribe(scopes[at : at + SCOPES_PER_MESSAGE_MAX]))
        else:
            links.subscribe(core, neighbour, scopes)
    core.next_sync = core.now


def resting_until(core: Core) -> int:
    """Until when no links are kept; 0 when they are. Ends early for what is due."""
    if core.quiet_until <= core.now:
        return 0
    due = [when for when, _ in appointments(core)]
    return 0 if any(when <= core.now for when in due) else min([core.quiet_until, *due])


def appointments(core: Core) -> list[tuple[int, str]]:
    """(when, for what): what this node will wake for before the quiet ends, the earliest first."""
    early = _EARLY_ROUNDS * core.settings.sync_ms
    found = [(closes - early, what) for closes, what in _own_questions(core) if closes - early < core.quiet_until]
    return sorted(found)[:_APPOINTMENTS_MAX]


def _own_questions(core: Core) -> Iterator[tuple[int, str]]:
    """When the open questions that wait for an own persona's signature close, and what they are about."""
    oldest = core.now - _LATE_ROUNDS * core.settings.sync_ms
    for context in core.contexts.values():
        view: Coop | Deal | None = None
        coop: Coop | None = None
        if context.family == "coop":
            view = coop = context.coop(core.settings)
        elif context.family == "deal":
            deal = context.deal(core.settings)
            view, coop = deal, coop_of(core, deal) if deal is not None else None
        if view is not None and coop is not None and concerns_me(core, coop):
            for question in view.open:
                if question.closes >= oldest:
                    yield question.closes, f"{question.name.partition('/')[0]} of {coop.charter.body['purpose']}"
