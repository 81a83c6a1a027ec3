"""Who was left over, and the wider board that comes next.

Decides when an own intent moves one board up by itself, what its member is asked, and what moving means; who is left
over is computed in protocol/coop. Spec: 05-formation, FRM-15 to FRM-18.
"""

from __future__ import annotations

from typing import Any

from protocol import commands as ask
from protocol.coop.template import Template
from protocol.engine.context import Context
from protocol.engine.coop.board import engaged, entries, own_intents
from protocol.engine.core import Core
from protocol.engine.desk import own_intent, say_intent
from protocol.errors import CommandError, NotNow
from protocol.params import FOUNDERS_MAX
from protocol.record.record import Record

ANYWHERE = "any"
_GEOHASH = frozenset("0123456789bcdefghjkmnpqrstuvwxyz")
_ACROSS = ("", "5,000 km", "1,250 km", "160 km", "40 km", "5 km", "1 km", "150 m", "40 m")


def board_above(region: str) -> str:
    """The region of the next wider board; "" above the widest (FRM-16)."""
    if region == ANYWHERE:
        return ""
    return region[:-1] if len(region) > 1 and all(letter in _GEOHASH for letter in region) else ANYWHERE


def within(region: str, wider: str) -> bool:
    """Whether a region lies in another, or is it."""
    return wider == ANYWHERE or (region != ANYWHERE and region.startswith(wider))


def attend(core: Core, context: Context) -> None:
    """Move own intents that an epoch has left over as far as their member allowed (FRM-17)."""
    for intent in own_intents(core, context):
        if (template := core.settings.templates.get(intent.body["template"])) is not None:
            epoch, since = divmod(core.now, template.epoch_ms)
            context.wake_at((epoch + (since >= _turns_ms(template))) * template.epoch_ms + _turns_ms(template))
    for intent in _left_over(core, context):
        above, name = _above(context), intent.header.slot.name if intent.header.slot else ""
        reach = core.facts.get(f"reach/{name}", b"").decode()
        if above and reach and within(above, reach):
            _move(core, context.scope, intent)
            core.notify("ladder", name=name, region=above)
        elif above not in ("", ANYWHERE):  # the widest board may be too much to follow for a look
            core.follow(f"board/{context.scope.split('/')[1]}/{above}")


def widen(core: Core, command: ask.WidenIntent) -> dict[str, Any]:
    """Take an intent to the next wider board (FRM-17)."""
    scope, intent = own_intent(core, command.name)
    context = core.context(scope)
    if not _above(context):
        raise CommandError("FRM-16", f"widen: {command.name} stands on the widest board there is")
    if engaged(core, context, intent):
        raise NotNow("FRM-17", f"widen: {command.name} is in a co-op; wait for its end, or leave it")
    return {"id": _move(core, scope, intent).id, "board": core.facts[f"intent/{command.name}"].decode()}


def wider_rounds(core: Core, context: Context) -> list[dict[str, Any]]:
    """What the member is asked about own intents that were left over (FRM-18)."""
    found = []
    _, category, region = context.scope.split("/")
    for intent in _left_over(core, context):
        template = core.settings.templates[intent.body["template"]]
        name, above = intent.header.slot.name if intent.header.slot else "", _above(context)
        here = len(entries(core, context, template, core.now))
        wider = core.contexts.get(f"board/{category}/{above}")
        there = len(entries(core, wider, template, core.now)) if wider is not None else None
        says = f"{name}: no {template.least} people {_where(region)} at the last round, {here} ready there now."
        ready = "More may be ready" if there is None else f"{there} more {'is' if there == 1 else 'are'} ready"
        found.append(
            {
                "kind": "widen" if above else "wait",
                "id": intent.id,
                "name": name,
                "until": (core.now // template.epoch_ms + 1) * template.epoch_ms,
                "says": says + (f" {ready} {_where(above)}, where you may ask too." if above else ""),
                "silence": "It stays where it is, and takes part in the next round there.",
            }
        )
    return found


def _left_over(core: Core, context: Context) -> list[Record]:
    """Own intents that took part in the epoch at hand, came into no group, and are free."""
    found = []
    for intent in own_intents(core, context):
        hashed = intent.body["template"]
        template = core.settings.templates.get(hashed)
        if template is None or core.now % template.epoch_ms < _turns_ms(template):
            continue
        groups = context.formations.get((hashed, core.now // template.epoch_ms))
        if groups and groups.get(intent.id, intent) is None and not engaged(core, context, intent):
            found.append(intent)
    return found


def _turns_ms(template: Template) -> int:
    """How far into an epoch nobody founds any more: until then others may have found a place for us (FRM-13)."""
    turns = min((FOUNDERS_MAX + 1) * template.cutoff_ms, template.epoch_ms - template.cutoff_ms)
    return max(turns, template.cutoff_ms)


def _above(context: Context) -> str:
    return board_above(context.scope.split("/")[2])


def _move(core: Core, scope: str, intent: Record) -> Record:
    """Withdraw here, and say it again one board up, with where it came from (FRM-15, INT-3, INT-8)."""
    _, category, region = scope.split("/")
    name, above = intent.header.slot.name if intent.header.slot else "", f"board/{category}/{board_above(region)}"
    persona = core.personas[intent.author]
    say_intent(core, persona, scope, name, dict(intent.body) | {"readiness": "withdrawn"})
    said = say_intent(core, persona, above, name, dict(intent.body) | {"near": intent.body.get("near", region)})
    core.keep(f"intent/{name}", above.encode())
    return said


def _where(region: str) -> str:
    if region == ANYWHERE:
        return "anywhere"
    across = f", about {_ACROSS[len(region)]} across" if all(letter in _GEOHASH for letter in region) else ""
    return f"in {region}{across}"
