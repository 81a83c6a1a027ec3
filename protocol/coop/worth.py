"""What weights mean to the member whose they are: in words, in money, and corrected by the member's own word.

Decides how a correction changes a weight and what is said about it; never fits anything. Everything here stays at home.
Spec: 04-preference, PRF-16 and PRF-17.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from protocol.coop.cards import typical_spread
from protocol.coop.preference import Vector
from protocol.coop.template import Attribute, Template
from protocol.errors import CommandError
from protocol.params import CORRECTION_STEPS_MAX, LEVEL_LEAST

WORDS = ("more", "less", "nothing", "as-chosen")
_HARDLY = 0.05  # of the strongest effect (g): what is below it hardly matters


@dataclass(frozen=True, slots=True)
class Correction:
    """A member's word on one attribute: from what was chosen, or from nothing, so many steps up or down."""

    nothing: bool = False
    steps: int = 0


def corrected(template: Template, weights: Sequence[float], corrections: Mapping[str, Correction]) -> Vector:
    """Weights with the member's corrections on them, raw scale (PRF-16).

    A step is half the root mean square of the effects that choices showed. It strengthens or weakens an effect in the
    direction that it has, or that most people prefer where it has none, and never turns it round.
    """
    spreads = [typical_spread(one) or 1.0 for one in template.attributes]
    effects = [weight * spread for weight, spread in zip(weights, spreads, strict=True)]
    step = max(LEVEL_LEAST, sqrt(sum(one * one for one in effects) / max(1, len(effects))) / 2)
    found = list(weights)
    for place, one in enumerate(template.attributes):
        word = corrections.get(one.name)
        if word is not None:
            size = 0.0 if word.nothing else abs(effects[place])
            found[place] = _sign(one, effects[place]) * max(0.0, size + word.steps * step) / spreads[place]
    return tuple(found)


def said(template: Template, corrections: Mapping[str, Correction], name: str, word: str) -> dict[str, Correction]:
    """The corrections after one more word. Raises CommandError PRF-16."""
    if name not in [one.name for one in template.attributes]:
        known = ", ".join(one.name for one in template.attributes)
        raise CommandError("PRF-16", f"attribute: {name[:32]!r} is none of this category; there are {known}")
    before = corrections.get(name, Correction())
    match word:
        case "more" | "less":
            steps = before.steps + (1 if word == "more" else -1)
            now = Correction(before.nothing, max(-CORRECTION_STEPS_MAX, min(CORRECTION_STEPS_MAX, steps)))
        case "nothing":
            now = Correction(nothing=True)
        case "as-chosen":
            now = Correction()
        case _:
            raise CommandError("PRF-16", f"word: must be one of {', '.join(WORDS)}")
    return {key: one for key, one in {**corrections, name: now}.items() if one != Correction()}


def _sign(attribute: Attribute, effect: float) -> int:
    if abs(effect) > LEVEL_LEAST / 2:
        return 1 if effect > 0 else -1
    return -1 if attribute.better == "less" else 1


def told(template: Template, weights: Sequence[float]) -> dict[str, str]:
    """A sentence for each attribute that cards vary, in the template's order (PRF-17)."""
    own = dict(zip((one.name for one in template.attributes), weights, strict=True))
    effects = {one.name: abs(own[one.name]) * _range(one) for one in template.attributes}
    strongest = max(effects.values(), default=0.0)
    price = template.price
    rate = own[price.name] if price is not None else 0.0
    found = {}
    for one in template.attributes:
        if not one.typical:
            continue
        if effects[one.name] < max(LEVEL_LEAST, _HARDLY * strongest):
            found[one.name] = f"{_upper(one.label)} hardly matters to you."
        elif one is price:
            found[one.name] = _of_price(one, rate)
        else:
            found[one.name] = _worth(one, own[one.name], price, rate)
    return found


def _of_price(price: Attribute, rate: float) -> str:
    if rate < 0:
        return f"A lower price matters to you ({price.label})."
    return "Your choices do not show that a lower price matters, so nothing is told in money."


def _worth(attribute: Attribute, weight: float, price: Attribute | None, rate: float) -> str:
    """What going from one end of the typical values to the other is worth."""
    low, high = (one / attribute.scale for one in (attribute.typical[0], attribute.typical[-1]))
    better, worse = (high, low) if weight > 0 else (low, high)
    what = f"{_upper(attribute.label)}, {better:g} rather than {worse:g},"
    if (attribute.least, attribute.most, attribute.scale) == (0, 1, 1):
        what = _upper(attribute.label) if weight > 0 else f"To do without “{attribute.label}”"
    if price is None or rate >= 0:
        return f"{what} matters to you."
    worth = abs(weight) * (high - low) / -rate
    if price.typical and worth > 2 * _range(price):
        return f"{what} is worth more to you than prices differ."
    return f"{what} is worth about {float(f'{worth:.2g}'):g} {price.label} to you."


def _range(attribute: Attribute) -> float:
    """From the least to the most typical value, raw scale."""
    return (attribute.typical[-1] - attribute.typical[0]) / attribute.scale if attribute.typical else 0.0


def _upper(label: str) -> str:
    return label[:1].upper() + label[1:]
