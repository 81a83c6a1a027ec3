"""Everything this node's person ever disclosed: what, to whom, under which terms, since when, until when.

Decides what is remembered of own records once they are gone from the disk; never what is said. Spec: 20-consent, CNS-21
to CNS-23.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.encoding import decode, encode
from protocol.engine.consent import own_flows
from protocol.params import DISCLOSURES_MAX
from protocol.record.record import Record
from protocol.trust.disclosure import AUDIENCES, told

if TYPE_CHECKING:  # the note is made where Core speaks
    from protocol.engine.core import Core

_ROW, _COUNT = "told/", "told"
_OLDER = "…"  # in place of a scope, for what was put together


def note(core: Core, record: Record, by: bytes = b"") -> None:
    """Remember that an own record was said, beyond its own life (CNS-22). `by`: whose it is, if it does not say so."""
    if not told(record.kind).duty:
        _remember(core, by or record.author, record.kind, record.scope, core.now, record.header.expires)


def _remember(core: Core, author: bytes, kind: str, scope: str, when: int, until: int, count: int = 1) -> None:
    name = f"{_ROW}{author.hex()}/{kind}/{scope}"
    kept = core.facts.get(name)
    if kept is None:
        rows = int.from_bytes(core.facts.get(_COUNT, b""), "big") + 1
        if rows > DISCLOSURES_MAX and scope != _OLDER:
            _shorten(core)
            rows = 1 + sum(other.startswith(_ROW) for other in core.facts)
        core.keep(_COUNT, rows.to_bytes(4, "big"))
    first, last, before, ends = decode(kept) if kept is not None else (when, when, 0, until)
    core.keep(name, encode([min(first, when), max(last, when), before + count, max(ends, until)]))


def _shorten(core: Core) -> None:
    """Put the tenth of the rows that were said longest ago together by persona and kind."""
    rows = [(name, decode(value)) for name, value in core.facts.items() if name.startswith(_ROW)]
    rows = sorted((one for one in rows if not one[0].endswith(_OLDER)), key=lambda one: (one[1][1], one[0]))
    for name, (first, last, count, until) in rows[: DISCLOSURES_MAX // 10]:
        author, kind, _ = name.removeprefix(_ROW).split("/", 2)
        core.keep(name, b"")
        _remember(core, bytes.fromhex(author), kind, _OLDER, first, until, count)
        _remember(core, bytes.fromhex(author), kind, _OLDER, last, until, 0)


def disclosures(core: Core) -> list[dict[str, Any]]:
    """The list, newest first, and at its end what the links to relays tell."""
    found: dict[tuple[bytes, str, str], list[int]] = {}
    for name, value in core.facts.items():
        if name.startswith(_ROW):
            author, kind, scope = name.removeprefix(_ROW).split("/", 2)
            found[bytes.fromhex(author), kind, scope] = decode(value)
    for key in core.personas:  # what was said before anything was remembered, and duties
        for scope, context in core.contexts.items():
            for one in context.log.all_by(key):
                at, header = (key, one.kind, scope), one.header
                first, last, count, until = found.get(at, [header.created, header.created, 0, 0])
                if told(one.kind).duty or f"{_ROW}{key.hex()}/{one.kind}/{scope}" not in core.facts:
                    count += 1
                found[at] = [min(first, header.created), max(last, header.created), count, max(until, header.expires)]
    rows = [_row(core, *at, *numbers) for at, numbers in found.items()]
    rows.sort(key=lambda one: (-one["last"], one["kind"], one["scope"], one["persona"]))
    return rows + _links(core)


def _row(
    core: Core, persona: bytes, kind: str, scope: str, first: int, last: int, count: int, until: int
) -> dict[str, Any]:
    about = told(kind)
    times = {"first": first, "last": last, "count": count, "until": until}
    row: dict[str, Any] = {"persona": persona, "kind": kind, "scope": scope, **times, "what": about.what}
    state = "stands" if until > core.now else "over"
    row |= {"duty": about.duty, "to": about.to, "to_whom": AUDIENCES[about.to], "state": state, "terms": [], "uses": []}
    return row | _more(core, persona, kind, scope, state)


def _more(core: Core, persona: bytes, kind: str, scope: str, state: str) -> dict[str, Any]:
    """Under which terms, and whether it was taken back, as far as the records are still here."""
    context = core.contexts.get(scope)
    if context is None:
        return {}
    if kind == "intent.1":
        held = context.log.by(persona, kind)
        live = any(one.body["readiness"] != "withdrawn" and one.header.expires > core.now for one in held)
        terms = sorted({term for one in held for term in one.body["terms"]})
        return {"terms": terms, "state": state if live or not held else "taken back"}
    deal = context.deal(core.settings) if kind in ("detail.1", "rel.1") else None
    agreed = (deal.agreement_of(persona) or deal.agreement_with(persona)) if deal is not None else None
    if agreed is None:
        return {}
    known = [one for one in own_flows(context, agreed, persona) if persona != agreed.supplier and one.ours is not None]
    uses = [
        {"supplier": one.supplier, "grant": one.rel, "fields": list(one.body["fields"]), "held": one.held}
        | {"purposes": list(one.body["purposes"]), "terms": list(one.body["terms"]), "use_until": one.body["until"]}
        | {"state": one.state(core.now), "answer_by": one.answer_by}
        | {"receipts": {act: said.header.created for act, said in one.receipts.items()}}
        for one in known
    ]
    terms = sorted({term for one in known for term in one.body["terms"]})
    unanswered = any(one["state"] == "unanswered" for one in uses)
    back = kind == "detail.1" and not any(one.held for one in known)
    return {"terms": terms, "uses": uses, "state": "unanswered" if unanswered else "taken back" if back else state}


def _links(core: Core) -> list[dict[str, Any]]:
    """Each relay that this node is linked to sees where it comes from, when, and which scopes it asks for (CNS-23)."""
    about = {"what": "your address, when your node is awake, and which scopes it follows", "to": "relays"}
    base = {"persona": b"", "kind": "", "until": 0, "count": 1, "terms": [], "uses": [], "duty": False}
    found = []
    for one in sorted(core.neighbours.values(), key=lambda one: one.name):
        if one.outbound:
            where = {"scope": one.addresses[0] if one.addresses else one.name, "first": core.now, "last": core.now}
            found.append(base | about | where | {"to_whom": AUDIENCES["relays"], "state": "stands"})
    return found


COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {ask.AskDisclosures: lambda core, _: disclosures(core)}
