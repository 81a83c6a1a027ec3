"""The member's own limits: what this node cannot be made to sign past, by no command and no peer.

Decides at the one door through which every own record goes, right before it is signed, by what stands then; never what
a member should want. The limits stay at home. Spec: 04-intent, INT-6 and INT-10; 21-risk, RSK-7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.coop.coop import Coop, slot_name
from protocol.coop.evidence import standing_in
from protocol.coop.risk import CLASSES, stakes_of
from protocol.deal.life import DEAL_TERMINAL, Deal, deal_scope
from protocol.encoding import decode, encode
from protocol.errors import CommandError
from protocol.identity import Persona
from protocol.params import EVIDENCE_MAX
from protocol.record.record import Slot
from protocol.record.shapes import FIELDS
from protocol.trust.consent import halves

if TYPE_CHECKING:
    from protocol.engine.core import Core

FACT = "boundaries"
_NUMBERS = {
    "price_max_minor": 10**15,
    "value_max_minor": 10**15,
    "open_pledges_max": 10**6,
    "latest": 2**53 - 1,
    "prepaid_max_percent": 100,
    "outcomes_least": EVIDENCE_MAX,
}
_BINDING = ("pledge.1", "commitment.1")


def set_boundaries(core: Core, command: ask.SetBoundaries) -> dict[str, Any]:
    """Remember the limits from now on, in place of those before (INT-6)."""
    limits = {name: value for name in _NUMBERS if (value := getattr(command, name)) is not None}
    for name, value in limits.items():
        if not 0 <= value <= _NUMBERS[name]:
            raise CommandError("INT-6", f"{name}: must be from 0 to {_NUMBERS[name]}")
    excluded = sorted(dict.fromkeys(command.excluded_suppliers))
    if any(len(key) != 32 for key in excluded):
        raise CommandError("INT-6", "excluded_suppliers: each must be the key of a persona, 32 bytes")
    if command.risk_max is not None:
        if command.risk_max not in CLASSES:
            raise CommandError("INT-6", f"risk_max: one of {', '.join(CLASSES)}")
        limits["risk_max"] = command.risk_max
    if command.disclose is not None:
        unknown = sorted({*command.disclose} - {*FIELDS})
        if unknown:
            raise CommandError("INT-6", f"disclose: {unknown[0][:32]!r} is none of {', '.join(FIELDS)}")
        limits["disclose"] = sorted(dict.fromkeys(command.disclose))
    core.keep(FACT, encode(limits | {"excluded": excluded}))
    return limits | {"excluded_suppliers": excluded}


def boundaries(core: Core) -> dict[str, Any]:
    """The member's limits, {} while none are set."""
    kept = core.facts.get(FACT)
    found: dict[str, Any] = {} if kept is None else decode(kept)
    return found


def check(core: Core, persona: Persona, kind: str, scope: str, body: Mapping[str, Any], slot: Slot | None) -> None:
    """Raises CommandError INT-6 or INT-10 when this record, signed now, would pass a limit."""
    if kind not in (*_BINDING, "join.1", "rel.1", "detail.1") or not (limits := boundaries(core)):
        return
    deal = core.contexts[scope].deal(core.settings) if scope.startswith("deal/") and scope in core.contexts else None
    coop_scope = scope if deal is None else "coop/" + deal.mandate.charter[:16].hex()
    coop = core.contexts[coop_scope].coop(core.settings) if coop_scope in core.contexts else None
    match kind:
        case "join.1" if coop is not None:
            _check_charter(limits, coop)
        case "pledge.1" if coop is not None:
            _check_numbers(core, limits, coop, body)
            _check_charter(limits, coop)
            _check_open(core, limits, coop)
        case "commitment.1" if body["answer"] == "commit" and deal is not None and coop is not None:
            _check_numbers(core, limits, coop, body)
            _check_charter(limits, coop)
            _check_award(core, limits, deal, coop, persona.key, body)
        case "rel.1" if deal is not None and deal.agreement_of(persona.key) is not None and "disclose" in limits:
            _check_fields(limits, body["fields"])
        case "detail.1" if deal is not None and body["sealed"] and "disclose" in limits:
            said = halves(core.contexts[scope].log, persona.key, body["agreement"]).get(body["rel"])
            _check_fields(limits, said.body["fields"] if said is not None else FIELDS)  # signed when limits were wider
        case "pledge.1" | "commitment.1" if body.get("answer") != "decline":
            raise CommandError("INT-6", "boundary: what this binds you to is not known here (yet)")


def _check_fields(limits: Mapping[str, Any], named: Sequence[str]) -> None:
    beyond = [name for name in named if name not in limits["disclose"]]
    if beyond:
        raise CommandError("INT-10", f"boundary: you never disclose your {beyond[0]}; change it first")


def _check_numbers(core: Core, limits: Mapping[str, Any], coop: Coop, body: Mapping[str, Any]) -> None:
    """Price, date, and the most that all of it can come to without charges."""
    price = body["price_max_minor"]
    if price > limits.get("price_max_minor", price):
        most = limits["price_max_minor"]
        raise CommandError("INT-6", f"boundary: {price} is above your highest price {most}; change it first")
    if core.now > limits.get("latest", core.now):
        raise CommandError("INT-6", "boundary: your latest date is over; change it first")
    template = core.settings.templates[coop.charter.body["template"]]
    _check_value(limits, (body["want"] + body["tolerate"]) * price * template.periods)


def _check_value(limits: Mapping[str, Any], value_minor: int) -> None:
    if value_minor > limits.get("value_max_minor", value_minor):
        most = limits["value_max_minor"]
        raise CommandError("INT-10", f"boundary: it may come to {value_minor}, above your most {most}; change it first")


def _check_charter(limits: Mapping[str, Any], coop: Coop) -> None:
    """What the member asks of a co-op beyond what its charter has to (RSK-7)."""
    risk, prepaid = coop.charter.body["risk"], stakes_of(coop.charter.body).prepaid_percent
    if CLASSES.index(risk) > CLASSES.index(limits.get("risk_max", risk)):
        raise CommandError("INT-10", f"boundary: this co-op's risk is {risk}, above your {limits['risk_max']}")
    if prepaid > limits.get("prepaid_max_percent", prepaid):
        most = limits["prepaid_max_percent"]
        raise CommandError("INT-10", f"boundary: up to {prepaid} % is paid before delivery, you allow {most} %")


def _check_open(core: Core, limits: Mapping[str, Any], about: Coop) -> None:
    most = limits.get("open_pledges_max")
    if most is None:
        return
    contexts = [one for one in core.contexts.values() if one.family == "coop"]
    views = [(one, view) for one in contexts if (view := one.coop(core.settings)) is not None and view.state != "void"]
    running = sum(
        1
        for one, view in views
        for key in core.personas
        if view.hash != about.hash
        if one.log.slot("pledge.1", key, slot_name("pledge", view.roster)) and not _over(core, view)
    )
    if running >= most:
        raise CommandError("INT-6", f"boundary: you have {most} open pledges, your limit")


def _over(core: Core, coop: Coop) -> bool:
    """Whether a co-op came to its end, its deal's or that of its own time, so that its pledges are no longer open."""
    if coop.charter.header.expires <= core.now:
        return True
    scope = deal_scope(coop.mandate.deal) if coop.mandate is not None else ""
    deal = core.contexts[scope].deal(core.settings) if scope in core.contexts else None
    return deal is not None and deal.state in DEAL_TERMINAL


def _check_award(
    core: Core, limits: Mapping[str, Any], deal: Deal, coop: Coop, member: bytes, body: Mapping[str, Any]
) -> None:
    """Who supplies, what comes besides the price, how much of it first, and what the negotiator could show."""
    award = deal.award
    named = body.get("supplier")
    part = None if award is None else next((one for one in award.parts if one.supplier == named), award.part_of(member))
    if part is None:
        raise CommandError("INT-6", "boundary: which supplier this binds you to is not known here (yet)")
    if part.supplier in limits.get("excluded", []):
        raise CommandError("INT-6", "boundary: you excluded this supplier")
    besides = part.besides
    quantity = body["want"] + body["tolerate"]
    _check_value(limits, quantity * body["price_max_minor"] * besides.periods + max(0, besides.charge_minor))
    if part.prepaid_percent > limits.get("prepaid_max_percent", part.prepaid_percent):
        most = limits["prepaid_max_percent"]
        message = f"boundary: the supplier asks for {part.prepaid_percent} % before delivery, you allow {most} %"
        raise CommandError("INT-10", message)
    least = limits.get("outcomes_least", 0)
    stood = next((one for one in coop.candidates if one.author == deal.rfq.author), None)
    shown = standing_in(stood, coop.keys, core.settings.network).outcomes if stood is not None and least else least
    if shown < least:
        message = f"boundary: the negotiator showed {shown} kept deals, you want {least} at least"
        raise CommandError("INT-10", message)
