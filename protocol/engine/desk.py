"""What a person asks for around intents and joining: checked against boundaries, then signed.

Decides whether an own persona may say it now; every refusal is a CommandError that says what to do instead, raised
before anything has changed. Spec: 04-intent, INT-1 to INT-9; 05-formation, FRM-22 to FRM-27.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocol import commands as ask
from protocol.coop.charter import Invitation, charter_hash, find_charter
from protocol.coop.coop import Coop
from protocol.coop.preference import Vector, from_levels, mean
from protocol.coop.risk import CLASSES, risk_class, shortfall, stakes_of
from protocol.coop.template import Template, subject_of
from protocol.encoding import decode
from protocol.engine import personas, silence, terms, vanishing
from protocol.engine.context import Context
from protocol.engine.coop import succeeding
from protocol.engine.coop.board import engaged, own_intents, publish_charter
from protocol.engine.coop.faults import is_faulty_witness
from protocol.engine.coop.membership import Wish, check_invitation, used_by
from protocol.engine.core import Core
from protocol.errors import CommandError, Ignore, NotNow, Reject
from protocol.identity import Persona
from protocol.params import INTENT_LIFE_MS, INVITATIONS_MAX, MEMBERS_MAX
from protocol.record.record import Record, Slot
from protocol.record.schema import slug


def template_of(core: Core, category: str) -> Template:
    """The template of a category, the newest version; raises CommandError INT-1."""
    found = [one for one in core.settings.templates.values() if one.category == category]
    if not found:
        known = ", ".join(sorted({one.category for one in core.settings.templates.values()}))
        raise CommandError("INT-1", f"category: {category[:32]!r} is unknown here (known: {known})")
    return max(found, key=lambda one: (one.version, one.hash))


def board_scope(category: str, region: str) -> str:
    """The board of a category in a region; raises CommandError INT-2 for a region that is none."""
    try:
        slug(8)(region, "region")
    except Reject as error:
        raise CommandError("INT-2", error.message + ", such as a geohash or 'any'") from None
    return f"board/{category}/{region}"


def board_mean(core: Core, template: Template, spread: Sequence[float]) -> Vector:
    """What the boards of a category like on the average, as far as levels say; the template's prior while empty."""
    reference = tuple(template.priors.values())
    shown = [
        from_levels(_vector(one, template), reference, spread)
        for context in core.contexts.values()
        if context.scope.startswith(f"board/{template.category}/")
        for one in sorted(context.log.of_kind("intent.1"), key=lambda record: record.id)
        if one.author not in core.personas and one.body["template"] == template.hash
    ]
    return mean(shown, reference)


def _vector(intent: Record, template: Template) -> tuple[int, ...]:
    return tuple(intent.body["levels"].get(one.name, 0) for one in template.attributes)


@dataclass(frozen=True, slots=True)
class Preference:
    """What a member's choices came to: exact weights and spread stay at home, levels may be shown."""

    weights: Vector
    spread: Vector
    levels: tuple[int, ...]


def preference(core: Core, template: Template) -> Preference:
    """The kept preference of a category: all zero while there is none, or when the template has changed."""
    kept = core.facts.get(f"preference/{template.category}")
    width = len(template.attributes)
    found = decode(kept) if kept else {"levels": []}
    if len(found["levels"]) != width:
        return Preference((0.0,) * width, (0.0,) * width, (0,) * width)
    numbers = {name: tuple(float(one) for one in found[name]) for name in ("weights", "spread")}
    return Preference(numbers["weights"], numbers["spread"], tuple(found["levels"]))


def add_intent(core: Core, command: ask.AddIntent) -> dict[str, Any]:
    """Say what the member would like, or say it anew."""
    template = template_of(core, command.category)
    scope = board_scope(command.category, command.region)
    known = core.facts.get(f"intent/{command.name}")
    if known is not None and known.decode() != scope:
        raise CommandError("INT-3", f"name: {command.name} stands on {known.decode()}; withdraw it there first")
    if command.want < 1:
        raise CommandError("INT-4", "want: must be 1 or more")
    if command.readiness == "withdrawn":
        raise CommandError("INT-4", "readiness: exploring, ready or pledged; withdrawing is a command of its own")
    shown = preference(core, template).levels
    marks = {one.name: level for one, level in zip(template.attributes, shown, strict=True) if level}
    body = {
        "template": template.hash,
        "want": command.want,
        "tolerate": command.tolerate,
        "spend_minor": command.spend_minor,
        "readiness": command.readiness,
        "ready_by": command.ready_by,
        "levels": marks,
        "terms": terms.asked(core, command.terms),
    }
    body |= _subject(template, command) | _near(command)
    if command.requirements:
        body["requirements"] = [_comparable(template, one) for one in command.requirements]
    acts, context = personas.name_for(core, command), core.context(scope)
    waiting = (one for one in own_intents(core, context) if not engaged(core, context, one))
    if command.readiness != "exploring":
        personas.check_alone(core, acts, str(body.get("subject", "")), waiting)
    record = say_intent(core, personas.take_on(core, command, acts), scope, command.name, body)
    if f"intent/{command.name}" not in core.facts:
        core.keep(f"intent/{command.name}", scope.encode())
    if command.reach.encode() != core.facts.get(f"reach/{command.name}", b""):
        core.keep(f"reach/{command.name}", command.reach.encode())
    others = {one.author for one in context.log.of_kind("intent.1")} - core.personas.keys()
    return {"id": record.id, "board": scope, "readiness": command.readiness, "others": len(others)}


def _near(command: ask.AddIntent) -> dict[str, str]:
    """Where the intent is at home, when that is told more closely than the board does. Raises CommandError FRM-15."""
    near, reach, region = command.near, command.reach, command.region
    if near and (near == region or not (region == "any" or near.startswith(region))):
        raise CommandError("FRM-15", f"near: must lie in the region {region}, such as {region[:7]}7")
    if reach and not (reach == "any" or region.startswith(reach)):
        raise CommandError("FRM-17", f"reach: must be a wider region that {region} lies in, or 'any'")
    return {"near": near} if near else {}


def _comparable(template: Template, requirement: Mapping[str, str | int]) -> dict[str, str | int]:
    """A requirement that quotations of this category can meet. Raises CommandError TPL-16."""
    name, value = requirement.get("attribute"), requirement.get("value")
    known = next((one for one in template.compared if one.name == name), None)
    if known is None:
        names = ", ".join(one.name for one in template.compared)
        raise CommandError("TPL-16", f"requirements.attribute: {str(name)[:32]!r} is none of {names}")
    if not isinstance(value, int) or not known.least <= value <= known.most:
        raise CommandError("TPL-16", f"requirements.value: {name} must be from {known.least} to {known.most}, scaled")
    return dict(requirement)


def _subject(template: Template, command: ask.AddIntent) -> dict[str, str]:
    """What the intent is about, in a category where that differs from intent to intent. Raises Reject TPL-15."""
    if template.subject == "none":
        if command.subject or command.words:
            raise CommandError("TPL-15", f"subject, words: {template.category} has none; leave them out")
        return {}
    named = {"subject": subject_of(command.subject)}
    return named | ({"words": command.words} if command.words else {})


def withdraw_intent(core: Core, command: ask.WithdrawIntent) -> dict[str, Any]:
    """Take an intent back: its next version says so."""
    scope, intent = own_intent(core, command.name)
    persona = core.personas[intent.author]
    record = say_intent(core, persona, scope, command.name, vanishing.emptied(intent))
    personas.forget(core, command.name)
    core.keep(f"intent/{command.name}", b"")
    core.keep(f"reach/{command.name}", b"")
    return {"id": record.id, "board": scope, "readiness": "withdrawn"}


def say_intent(core: Core, persona: Persona, scope: str, name: str, body: dict[str, Any]) -> Record:
    try:
        slug()(name, "name")
    except Reject as error:
        raise CommandError("INT-3", error.message) from None
    before = core.peek(scope).slot("intent.1", persona.key, name)
    seq = before[0].header.slot.seq + 1 if before and before[0].header.slot else 0
    until = max(core.now, min(int(body["ready_by"]), core.now + INTENT_LIFE_MS)) + INTENT_LIFE_MS
    until = max([until, *(one.header.expires for one in before)])  # or who missed this version would keep the last
    try:
        return core.say(
            persona, "intent.1", scope, body, until=until, slot=Slot("latest", name, seq), human=True, follow=True
        )
    except (Reject, Ignore) as error:
        raise CommandError(error.code, error.message) from None


def own_intent(core: Core, name: str) -> tuple[str, Record]:
    scope = core.facts.get(f"intent/{name}", b"").decode()
    held = core.peek(scope).slot("intent.1", personas.actor(core, name).key, name) if scope else ()
    if not held:
        raise CommandError("INT-3", f"intent: there is none called {name[:32]!r}; see `wltm intent list`")
    return scope, held[0]


def watch(core: Core, command: ask.Watch) -> dict[str, Any]:
    """Follow a board."""
    template_of(core, command.category)
    scope = board_scope(command.category, command.region)
    core.follow(scope)
    return {"board": scope}


def found_coop(core: Core, command: ask.FoundCoop) -> dict[str, Any]:
    """Found a co-op by hand; its founder joins it, others come by invitation."""
    scope, intent = own_intent(core, command.intent)
    founder = core.personas[intent.author]
    times = core.settings.presets.get(command.preset)
    if times is None:
        raise CommandError("FRM-21", f"preset: one of {', '.join(sorted(core.settings.presets))}")
    _, category, region = scope.split("/")
    body: dict[str, object] = {
        "nonce": core.entropy(16),
        "purpose": command.purpose,
        "category": category,
        "region": region,
        "template": intent.body["template"],
        "epoch": 0,
        "listed": sorted(dict.fromkeys((*command.listed, founder.key))) if command.listed else [],
        "least": command.least,
        "most": command.most,
        "witnesses": sorted(dict.fromkeys(command.witnesses or (founder.key,))),
        "fee_max_minor": command.fee_max_minor,
        "risk": command.risk or "lowest",
        "times": dict(times),
    }
    body |= at_risk(core.settings.templates[intent.body["template"]], command)
    if command.admits:
        body["admits"] = dict(command.admits)
    if "subject" in intent.body:
        body["subject"] = intent.body["subject"]
    if command.before:
        succeeding.check_members(core, command.before)
        body["before"] = sorted(dict.fromkeys(command.before))
    faulty = next((key for key in command.witnesses if is_faulty_witness(core, key)), None)
    if faulty is not None:
        raise CommandError("ELE-56", f"witnesses: {faulty.hex()[:8]} signed twice as a witness; the proof is held here")
    if not 2 <= command.least <= command.most:
        raise CommandError("FRM-20", "least, most: at least 2 members, and most not below least")
    try:
        hashed = publish_charter(core, core.context(scope), founder, body)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    coop = "coop/" + hashed[:16].hex()
    _show_those_before(core, command, coop)
    core.keep(f"wish/{coop}", Wish(scope, command.intent).to_bytes())
    core.keep(f"engaged/{scope}/{command.intent}", coop.encode())
    return {"coop": hashed[:16], "charter": hashed}


def at_risk(template: Template, command: ask.FoundCoop) -> dict[str, object]:
    """What a charter says of the stakes, and the class that these come to where none is chosen. Raises CommandError."""
    body: dict[str, object] = {}
    if command.stakes:
        if sorted(command.stakes) != ["prepaid_percent", "value_minor"]:
            raise CommandError("RSK-1", "stakes: say value_minor and prepaid_percent")
        body["stakes"] = dict(command.stakes)
    if command.risk and command.risk not in CLASSES:
        raise CommandError("RSK-2", f"risk: one of {', '.join(CLASSES)}")
    if command.mediators:
        body["mediators"] = sorted(dict.fromkeys(command.mediators))
    body["risk"] = command.risk or risk_class(stakes_of(body), template)
    if lacks := shortfall(body, template):
        raise CommandError("RSK-4", lacks)
    return body


def _show_those_before(core: Core, command: ask.FoundCoop, scope: str) -> None:
    """A charter that follows others is shown to their members, where its founder is one (FRM-38)."""
    charter = find_charter(core.peek(scope))
    if charter is None or not command.before:
        return
    token = b""
    if not command.listed:
        hashed = charter_hash(charter.author, charter.body)
        ends = charter.header.created + charter.body["times"]["join_ms"]
        token = Invitation.sign(core.personas[charter.author], hashed, core.entropy(16), ends, command.most).token()
    for old in command.before:
        try:
            succeeding.show(core, old, charter, token)
        except CommandError:
            continue  # of some the founder is no member: another shows it there


def invite(core: Core, command: ask.Invite) -> dict[str, Any]:
    """Invitations by the founder."""
    silence.check_speaks(core, "invitation")
    _, coop = coop_context(core, command.coop)
    founder = core.personas.get(coop.charter.author)
    if founder is None:
        raise CommandError("FRM-26", "invite: only the founder of a co-op invites")
    if coop.charter.body["listed"]:
        raise CommandError("FRM-26", "invite: this co-op's charter lists who may join; found another for others")
    if coop.state not in ("called", "forming"):
        raise NotNow("FRM-26", f"invite: the co-op is {coop.state}; its roster is closed")
    if command.expires <= core.now:
        raise CommandError("FRM-26", "expires: lies in the past")
    if not 1 <= command.count <= MEMBERS_MAX:
        raise CommandError("FRM-26", f"count: must be from 1 to {MEMBERS_MAX}")
    if not 1 <= command.tokens <= INVITATIONS_MAX:
        raise CommandError("FRM-26", f"tokens: must be from 1 to {INVITATIONS_MAX} at a time")
    nonces = [core.entropy(16) for _ in range(command.tokens)]
    signed = [Invitation.sign(founder, coop.hash, nonce, command.expires, command.count) for nonce in nonces]
    tokens = [one.token() for one in signed]
    return {"tokens": tokens, "coop": command.coop, "founder": founder.key, "expires": command.expires}


def invitations(core: Core, command: ask.AskInvitations) -> list[dict[str, Any]]:
    """Which invitations somebody came by, and how many."""
    context, _ = coop_context(core, command.coop)
    used = used_by(context.log.of_kind("join.1"))
    return [{"nonce": nonce, "used": used[nonce]} for nonce in sorted(used)]


def join_coop(core: Core, command: ask.JoinCoop) -> dict[str, Any]:
    """Wish to join; it is signed once the charter is known and its witnesses have accepted."""
    scope, _ = own_intent(core, command.intent)
    coop_scope = "coop/" + command.coop.hex()
    if len(command.coop) != 16:
        raise CommandError("FRM-23", "coop: must be 16 bytes")
    token = command.token or succeeding.introduce(core, coop_scope)
    if token:
        check_invitation(core, core.context(coop_scope), token)
    wish = Wish(scope, command.intent, command.least, command.most, tuple(command.exclude), token)
    view = core.context(coop_scope).coop(core.settings)
    if view is not None and view.state not in ("called", "forming"):
        raise NotNow("FRM-23", f"join: the co-op is {view.state}; its roster is closed")
    if any(core.context(coop_scope).log.slot("join.1", key, "join") for key in core.personas):
        raise CommandError("FRM-23", "join: you joined this co-op already")
    core.keep(f"wish/{coop_scope}", wish.to_bytes())
    core.keep(f"engaged/{scope}/{command.intent}", coop_scope.encode())
    core.follow(coop_scope)
    core.dirty[coop_scope] = None
    return {"coop": command.coop, "state": view.state if view is not None else "waiting for the charter"}


def coop_context(core: Core, coop: bytes) -> tuple[Context, Coop]:
    """A co-op that this node follows; raises CommandError FRM-20."""
    context = core.contexts.get("coop/" + coop.hex())
    view = context.coop(core.settings) if context is not None else None
    if context is None or view is None:
        raise CommandError("FRM-20", f"coop: {coop.hex()[:8]} is not known here (yet); see `wltm coop list`")
    return context, view
