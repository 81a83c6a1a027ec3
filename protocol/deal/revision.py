"""How a request becomes the one that suppliers quote for: suggestions of anybody, adopted by the members.

Decides which suggestions count and what the request asks for with those that were adopted; never who adopts. Adoptions
stand in the co-op, where no supplier reads who the members are; the witnesses, who read both, certify what came of it.
Spec: 08-negotiation, NEG-76 to NEG-79.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from protocol.coop.box import Box, Question
from protocol.coop.coop import Coop
from protocol.coop.template import Template
from protocol.deal.life import Deal, Reader
from protocol.deal.negotiation import Requirement
from protocol.deal.specification import Specification, bounds, common, requirements_of, stated
from protocol.encoding import decode, digest, encode
from protocol.errors import Reject
from protocol.params import ADOPTERS_PART, BOX_IDS_MAX, CRITERIA_MAX, REQUIREMENTS_MAX, TERMS_MAX
from protocol.record.record import Record
from protocol.record.schema import array, ascending, data, fields, integer, one_of, slug, table

_VALUE = integer(-(10**9), 10**9)
_REVISION = fields(
    {
        "rfq": data(32),
        "adopted": ascending(data(32), BOX_IDS_MAX),
        "weights_minor": table(slug(), _VALUE, CRITERIA_MAX),
        "requirements": array(
            fields({"attribute": slug(), "operator": one_of("at-least", "at-most", "equal"), "value": _VALUE}),
            REQUIREMENTS_MAX,
        ),
        "terms": ascending(slug(64), TERMS_MAX),
    }
)


@dataclass(frozen=True, slots=True)
class Revision:
    """What the members made of their negotiator's request (NEG-78)."""

    hash: bytes
    asked: Specification
    adopted: tuple[bytes, ...]


def suggest(reader: Reader) -> bool:
    """The box of suggestions, where the charter gives time for them."""
    deal = reader.deal
    if "suggest_ms" not in deal.times:
        return True
    box = Box("suggestion.1", "suggestion", None, (), partial(_about, deal.rfq.id))
    suggestions = reader.box("suggestions", box, deal.rfq.header.created, "suggest_ms")
    if suggestions is None:
        return False
    reader.deal = replace(deal, suggestions=tuple(suggestions))
    if suggestions:
        return reader.fact("suggestions certified")
    reader.deal = replace(reader.deal, quotes_from=reader.decided[reader.name("suggestions")].when)
    return reader.fact("nothing suggested")


def revise(reader: Reader) -> bool:
    """What the witnesses certify to be asked for; anything that is no revision leaves the request as it was."""
    if reader.deal.state != "suggested":
        return True
    question = Question(reader.name("revision"), 0, 0, reader.deal.times["round_ms"], opened=reader.newest)
    decided = reader.docket.decided(question.name, reader.deal.council)
    if decided is None:
        reader.open.append(question)
        return False
    reader.decided[question.name] = decided
    reader.deal = replace(reader.deal, quotes_from=decided.when)
    revision = parse_revision(decided.value, reader.deal.rfq.id)
    if revision is not None:
        reader.deal = replace(reader.deal, asked=revision.asked, revision=revision.hash, adopted=revision.adopted)
    return reader.fact("revision certified")


def parse_revision(value: bytes, rfq: bytes) -> Revision | None:
    """The revision in a certified value; None when it is none of this request (NEG-78)."""
    try:
        body = decode(value)
        _REVISION(body, "revision")
    except Reject:
        return None
    if body["rfq"] != rfq:
        return None
    requirements = tuple(Requirement(**one) for one in body["requirements"])
    asked = Specification(body["weights_minor"], requirements, tuple(body["terms"]))
    return Revision(digest("revision", value), asked, tuple(body["adopted"]))


def revision_value(deal: Deal, coop: Coop, template: Template) -> bytes | None:
    """The value that the witnesses certify; None while the members' adoptions are not (NEG-78)."""
    if coop.adoptions is None:
        return None
    asked, taken = deal.asked, list[bytes]()
    touched: dict[tuple[str, str], Any] = {}
    for one in _adopted(deal, coop):
        changes = _changes(one, template)
        if changes is None or any(touched.get(key, value) != value for key, value in changes.items()):
            continue
        changed = _applied(asked, changes, one)
        if changed is not None:
            asked, touched = changed, touched | changes
            taken.append(one.id)
    firm = requirements_of(bounds([*asked.requirements, *common(coop, template)]))
    body = {
        "rfq": deal.rfq.id,
        "adopted": sorted(taken),
        "weights_minor": dict(asked.weights_minor),
        "requirements": [asdict(one) for one in firm],
        "terms": list(asked.terms),
    }
    return encode(body)


def voices(deal: Deal, coop: Coop) -> dict[bytes, int]:
    """How many members adopted each of the suggestions that count."""
    found = dict.fromkeys((one.id for one in deal.suggestions), 0)
    for adoption in coop.adoptions or ():
        for one in adoption.body["suggestions"]:
            if one in found:
                found[one] += 1
    return found


def _adopted(deal: Deal, coop: Coop) -> list[Record]:
    """Suggestions that more than half of those who spoke adopted, and enough of the roster: more voices first."""
    found, spoke = voices(deal, coop), len(coop.adoptions or ())
    enough = [
        one
        for one in deal.suggestions
        if 2 * found[one.id] > spoke and ADOPTERS_PART * found[one.id] >= len(coop.members)
    ]
    return sorted(enough, key=lambda one: (-found[one.id], one.id))


def _changes(suggestion: Record, template: Template) -> dict[tuple[str, str], Any] | None:
    """What a suggestion sets, by what it touches; None when it names what quotations do not state."""
    body, names = suggestion.body, {one.name: None for one in template.compared}
    found: dict[tuple[str, str], Any] = {("weight", name): value for name, value in body["weights_minor"].items()}
    for name in (*body["drops"], *(one.attribute for one in stated(suggestion))):
        found["requirement", name] = requirements_of(bounds(one for one in stated(suggestion) if one.attribute == name))
    return found if all(name in names for _, name in found) else None


def _applied(asked: Specification, changes: Mapping[tuple[str, str], Any], one: Record) -> Specification | None:
    """The specification with these changes, or None when a request cannot state so much."""
    weights, dropped, added = dict(asked.weights_minor), dict[str, None](), list[Requirement]()
    for (kind, name), value in changes.items():
        if kind == "weight":
            weights[name] = value
        else:
            dropped[name] = None
            added += value
    weights = {name: weight for name, weight in sorted(weights.items()) if weight}
    found = bounds([*(kept for kept in asked.requirements if kept.attribute not in dropped), *added])
    terms = tuple(sorted({*asked.terms, *one.body["terms"]}))
    if len(weights) > CRITERIA_MAX or len(found) > REQUIREMENTS_MAX or len(terms) > TERMS_MAX:
        return None
    return Specification(weights, requirements_of(found), terms)


def _about(rfq: bytes, record: Record) -> bool:
    return bool(record.body["rfq"] == rfq)
