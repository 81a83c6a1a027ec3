"""What a member likes, learned from choices and cards and corrected by the member's word; it stays at home.

Decides what is kept and what is shown of it. Nothing here is signed: the next version of an intent shows levels.
Spec: 04-preference, PRF-1 to PRF-17.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocol import commands as ask
from protocol.coop.cards import Answer, Card, next_card, tasks_of, typical_precision
from protocol.coop.preference import Vector, fit, in_words, levels, read_tasks, spreads
from protocol.coop.template import Template
from protocol.coop.worth import Correction, corrected, said, told
from protocol.encoding import decode, digest, encode
from protocol.engine.core import Core
from protocol.engine.desk import board_mean, preference, template_of
from protocol.errors import CommandError, NotNow
from protocol.events import Reply
from protocol.params import CARDS_MAX, FIT_INLINE_MAX


@dataclass(frozen=True, slots=True)
class Later:
    """A fit that takes a worker: the job's name behind "fit" and the request, and the arguments of `preference.fit`."""

    about: str
    arguments: tuple[Any, ...]


def set_preference(core: Core, command: ask.SetPreference) -> dict[str, Any] | Later:
    """Fit weights from the member's choices, shrunk toward the board's mean; they stay at home (PRF-3, PRF-7)."""
    template = template_of(core, command.category)
    tasks = read_tasks([one.name for one in template.attributes], command.tasks)
    spread = spreads(tasks)
    prior = board_mean(core, template, spread)
    if sum(len(task.rows) for task in tasks) * len(prior) ** 2 > FIT_INLINE_MAX:
        return Later(" ".join([template.category, template.hash.hex(), *map(float.hex, spread)]), (tasks, prior))
    return _learned(core, template, fit(tasks, prior), spread)


def fitted(core: Core, job: str, result: Vector | None) -> bool:
    """A worker has fitted a member's weights: keep them and answer; one that failed has changed nothing. Whether the
    job was one of these.
    """
    if not job.startswith("fit "):
        return False
    _, request, category, hashed, *spread = job.split(" ")
    template = core.settings.templates.get(bytes.fromhex(hashed))
    answer: Any = CommandError("PRF-3", "preferences: they could not be fitted; the node's log says why")
    if result is not None and template is not None and template_of(core, category) == template:
        answer = _learned(core, template, result, tuple(map(float.fromhex, spread)))
    core.out.append(Reply(int(request), answer))
    return True


def _learned(core: Core, template: Template, weights: Vector, spread: Vector) -> dict[str, Any]:
    _keep(core, template, weights, spread)
    names, own = [one.name for one in template.attributes], preference(core, template).weights
    return {"weights": dict(zip(names, own, strict=True)), "words": in_words(names, own, spread)}


def ask_card(core: Core, command: ask.AskCard) -> dict[str, Any]:
    """The next card, always the same until it is answered."""
    template = template_of(core, command.category)
    answers = _answers(core, template)
    card = _card(core, template, answers)
    return {
        "category": template.category,
        "number": len(answers),
        "of": CARDS_MAX,
        "done": card is None,
        "attributes": [{"name": one.name, "label": one.label, "unit": one.unit} for one in template.attributes],
        "alternatives": [_shown(template, product) for product in card or ()],
    }


def answer_card(core: Core, command: ask.AnswerCard) -> dict[str, Any]:
    """Keep the answer and learn from it (PRF-15)."""
    template = template_of(core, command.category)
    answers = _answers(core, template)
    card = _card(core, template, answers)
    if card is None:
        raise NotNow("PRF-15", "number: no card is open; all are answered, or this category has none")
    if command.number != len(answers):
        raise NotNow("PRF-15", f"number: card {len(answers)} is open, not {command.number}; look at it first")
    if not 0 <= command.chosen < len(card):
        raise CommandError("PRF-15", f"chosen: must be 0 to {len(card) - 1}")
    answers = (*answers, (card, command.chosen))
    rows = [[[list(product) for product in one], chosen] for one, chosen in answers]
    core.keep(f"cards/{template.category}", encode({"template": template.hash, "answers": rows}))
    tasks = tasks_of(template, answers)
    spread = spreads(tasks)
    _keep(core, template, fit(tasks, board_mean(core, template, spread), typical_precision(template)), spread)
    return ask_preference(core, ask.AskPreference(command.category))


def ask_preference(core: Core, command: ask.AskPreference) -> dict[str, Any]:
    """Weights, sentences, corrections, and what is shown to others."""
    template = template_of(core, command.category)
    kept, words = preference(core, template), _corrections(core, template)
    sentences = told(template, kept.weights) if any(kept.spread) else {}
    shown = {one.name: level for one, level in zip(template.attributes, kept.levels, strict=True) if level}
    return {
        "category": template.category,
        "title": template.title,
        "answered": len(_answers(core, template)),
        "of": CARDS_MAX,
        "attributes": [
            {
                "name": one.name,
                "label": one.label,
                "weight": weight,
                "level": shown.get(one.name, 0),
                "words": sentences.get(one.name, ""),
                "correction": _correction_words(words.get(one.name)),
            }
            for one, weight in zip(template.attributes, kept.weights, strict=True)
        ],
        "words": list(sentences.values()),
        "leaves": _leaves(template, shown),
    }


def correct_preference(core: Core, command: ask.CorrectPreference) -> dict[str, Any]:
    """Change a weight by a word, for now and for every later fit (PRF-16)."""
    template = template_of(core, command.category)
    kept = core.facts.get(f"preference/{template.category}")
    if not kept or not any(preference(core, template).spread):
        raise NotNow("PRF-16", "correct: there is nothing to correct yet; answer a card first")
    words = said(template, _corrections(core, template), command.attribute, command.word)
    plain = {name: [int(one.nothing), one.steps] for name, one in words.items()}
    core.keep(f"corrections/{template.category}", encode(plain))
    fitted = tuple(float(one) for one in decode(kept)["fitted"])
    _keep(core, template, fitted, preference(core, template).spread)
    return ask_preference(core, ask.AskPreference(command.category))


def forget_preference(core: Core, command: ask.ForgetPreference) -> dict[str, Any]:
    """Begin anew."""
    template = template_of(core, command.category)
    for name in ("cards", "corrections", "preference"):
        if f"{name}/{template.category}" in core.facts:
            core.keep(f"{name}/{template.category}", b"")
    return ask_preference(core, ask.AskPreference(command.category))


def _keep(core: Core, template: Template, fitted: Vector, spread: Sequence[float]) -> None:
    """What was fitted, and what the member's corrections make of it; no floats in an encoding, so as texts."""
    weights = corrected(template, fitted, _corrections(core, template))
    kept = {
        "fitted": [repr(one) for one in fitted],
        "weights": [repr(one) for one in weights],
        "spread": [repr(one) for one in spread],
        "levels": list(levels(weights, tuple(template.priors.values()), spread)),
    }
    core.keep(f"preference/{template.category}", encode(kept))


def _answers(core: Core, template: Template) -> tuple[Answer, ...]:
    """The cards answered so far; none of another template's."""
    kept = core.facts.get(f"cards/{template.category}")
    found = decode(kept) if kept else {}
    if found.get("template") != template.hash:
        return ()
    return tuple((tuple(tuple(product) for product in card), chosen) for card, chosen in found["answers"])


def _card(core: Core, template: Template, answers: Sequence[Answer]) -> Card | None:
    seed = digest("card", core.me.key + template.hash + bytes([len(answers)]))
    return next_card(template, answers, random.Random(int.from_bytes(seed, "big")))


def _corrections(core: Core, template: Template) -> dict[str, Correction]:
    """The member's words on attributes that the template has."""
    kept = core.facts.get(f"corrections/{template.category}")
    found = decode(kept) if kept else {}
    names = [one.name for one in template.attributes]
    return {name: Correction(bool(nothing), steps) for name, (nothing, steps) in found.items() if name in names}


def _shown(template: Template, product: Sequence[int]) -> dict[str, float]:
    return {one.name: value / one.scale for one, value in zip(template.attributes, product, strict=True)}


def _correction_words(word: Correction | None) -> str:
    if word is None:
        return ""
    base = ["nothing"] if word.nothing else []
    steps = [f"{abs(word.steps)} × {'more' if word.steps > 0 else 'less'}"] if word.steps else []
    return ", then ".join(base + steps)


def _leaves(template: Template, shown: Mapping[str, int]) -> str:
    """What others can read in the next version of an intent."""
    labels = {one.name: one.label for one in template.attributes}
    levels_said = [f"{labels[name]}: {'above' if level > 0 else 'below'} the usual" for name, level in shown.items()]
    said_of = "; ".join(levels_said) or "nothing at all"
    return f"Your next intent shows others {said_of}. The weights and your choices stay on this machine."
