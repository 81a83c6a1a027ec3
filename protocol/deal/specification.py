"""What a request asks of suppliers: weights, requirements and data terms, as the members' own intents make them.

Decides what follows from the intents on the roster, and how far a negotiator may choose; never what a member wants.
Whoever holds the co-op computes the same, so that no negotiator writes a request for a friend's offer.
Spec: 08-negotiation, NEG-70 to NEG-73.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from protocol.coop.coop import Coop
from protocol.coop.template import Template
from protocol.deal.negotiation import Requirement, criteria
from protocol.errors import Reject
from protocol.params import REQUIREMENTS_MAX, TERMS_MAX, WEIGHT_FACTOR_MAX
from protocol.record.record import Record

Bounds = Mapping[tuple[str, str], int]  # (attribute, "at-least" or "at-most") -> scaled value

_MILLION = 10**6
_SIDES = {"at-least": ("at-least",), "at-most": ("at-most",), "equal": ("at-least", "at-most")}


@dataclass(frozen=True, slots=True)
class Specification:
    """What offers are compared by and must meet. `weights_minor` are those of `negotiation.Request`."""

    weights_minor: Mapping[str, int]
    requirements: tuple[Requirement, ...]
    terms: tuple[str, ...]


def stated(record: Record) -> tuple[Requirement, ...]:
    """The requirements that an intent or a request states."""
    return tuple(Requirement(**one) for one in record.body.get("requirements", ()))


def own_requirements(coop: Coop, template: Template) -> dict[bytes, tuple[Requirement, ...]]:
    """What each member who pledged demands of an offer, as far as quotations can state it (NEG-71)."""
    names = {attribute.name: None for attribute in template.compared}
    pledged = {demand.member: None for demand in coop.demands if demand.most}
    return {
        member.key: tuple(one for one in stated(member.intent) if one.attribute in names)
        for member in coop.members
        if member.key in pledged
    }


def bounds(requirements: Iterable[Requirement]) -> dict[tuple[str, str], int]:
    """Requirements as bounds, the tightest of each."""
    found: dict[tuple[str, str], int] = {}
    for one in requirements:
        for side in _SIDES[one.operator]:
            key = one.attribute, side
            known = found.get(key, one.value)
            found[key] = max(known, one.value) if side == "at-least" else min(known, one.value)
    return found


def requirements_of(found: Bounds) -> tuple[Requirement, ...]:
    """Bounds as requirements, ascending, as many as a request can state; two that meet are one."""
    made: list[Requirement] = []
    for (attribute, side), value in sorted(found.items()):
        if side == "at-most" and found.get((attribute, "at-least")) == value:
            made[-1] = Requirement(attribute, "equal", value)
        else:
            made.append(Requirement(attribute, side, value))
    return tuple(made[:REQUIREMENTS_MAX])


def common(coop: Coop, template: Template) -> tuple[Requirement, ...]:
    """What every member who pledged demands: the tightest bounds that all of them share (NEG-71)."""
    each = [bounds(one) for one in own_requirements(coop, template).values()]
    shared = [key for key in each[0] if all(key in one for one in each)] if each else []
    found = {key: (min if key[1] == "at-least" else max)(one[key] for one in each) for key in shared}
    return requirements_of(found)


def specification_of(coop: Coop, template: Template) -> Specification:
    """What a request asks for when its negotiator adds nothing (NEG-70 to NEG-72)."""
    return Specification(_weights(coop, template), common(coop, template), _terms(coop))


def check_specification(asked: Specification, coop: Coop, template: Template) -> None:
    """Raises Reject NEG-70 to NEG-72 for what goes beyond the members' own intents."""
    meant = specification_of(coop, template)
    for name, weight in asked.weights_minor.items():
        most = WEIGHT_FACTOR_MAX * meant.weights_minor.get(name, 0)
        if not most:
            known = ", ".join(meant.weights_minor) or "nothing"
            raise Reject("NEG-70", f"weights_minor.{name}: by their intents the members weigh {known}")
        if not (0 < weight <= most or most <= weight < 0):
            side = f"above 0, at most {most}" if most > 0 else f"below 0, at least {most}"
            raise Reject("NEG-70", f"weights_minor.{name}: must be {side}, by what the members' intents say")
    tight = bounds(asked.requirements)
    for key, value in bounds(meant.requirements).items():
        if not _covers(tight, key, value):
            raise Reject("NEG-71", f"requirements: every member demands {key[0]} {key[1]} {value}")
    each = [bounds(one) for one in own_requirements(coop, template).values()]
    for key, value in tight.items():
        if 2 * sum(_covers(one, key, value) for one in each) <= len(each):
            raise Reject("NEG-71", f"requirements: not more than half of the members demand {key[0]} {key[1]} {value}")
    if asked.terms != meant.terms:
        raise Reject("NEG-72", "terms: are not those of the members' intents")


def _covers(found: Bounds, key: tuple[str, str], value: int) -> bool:
    """Whether these bounds hold one at least as tight."""
    known = found.get(key)
    return known is not None and (known >= value if key[1] == "at-least" else known <= value)


def _weights(coop: Coop, template: Template) -> dict[str, int]:
    """NEG-70: the template's priors, moved by the levels that each member published, in money (NEG-32)."""
    pledged = {demand.member: None for demand in coop.demands if demand.most}
    levels = [member.intent.body["levels"] for member in coop.members if member.key in pledged]
    return criteria([_published(one, template) for one in levels], template)


def _published(levels: Mapping[str, int], template: Template) -> dict[str, int]:
    """Millionths of utility for one unit of each attribute: a level moves half the range by one."""
    moves = {one.name: 2 * _MILLION * one.scale // max(1, one.most - one.least) for one in template.attributes}
    return {one.name: one.prior_millionths + levels.get(one.name, 0) * moves[one.name] for one in template.attributes}


def _terms(coop: Coop) -> tuple[str, ...]:
    """NEG-72: every data term that somebody who pledged asks for, ascending, as many as a request can name."""
    pledged = {demand.member: None for demand in coop.demands if demand.most}
    members: Sequence[Record] = [member.intent for member in coop.members if member.key in pledged]
    return tuple(sorted({term for one in members for term in one.body["terms"]}))[:TERMS_MAX]
