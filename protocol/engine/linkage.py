"""What still shows that two personas of this home are one person, as far as this node's own log tells.

Decides nothing and changes nothing; it reckons as somebody would who sees every record and no connection. Who carries
the records sees more: both come over one link. Spec: 02-identity, IDN-24, IDN-25 and IDN-41.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from protocol.engine.personas import name_of
from protocol.params import NEAR_MS
from protocol.record.record import Record

if TYPE_CHECKING:
    from protocol.engine.core import Core

_PUBLIC = ("board/", "trust/")
_TELLING = ("levels", "near", "spend_minor", "subject", "tolerate", "want", "words")  # what somebody may be known by


def linkage(core: Core) -> dict[str, Any]:
    """Pairs of own personas that have spoken, the most alike first; then what every pair shares."""
    logs = [one.log for one in core.contexts.values() if one.scope.startswith(_PUBLIC)]
    said = {key: [one for log in logs for one in log.all_by(key)] for key in core.personas}
    said = {key: records for key, records in said.items() if records}
    others = sorted(
        (one.header.created, one.author)
        for log in logs
        for one in log.records.values()
        if one.author not in core.personas
    )
    pairs = [_pair(core, said, others, *two) for two in combinations(said, 2)]
    pairs.sort(key=lambda one: (one["apart_ms"], one["faces"]))
    relays = sum(1 for one in core.neighbours.values() if one.outbound)
    return {"pairs": pairs, "relays": relays, "says": [*map(_words, pairs), *_of_all(len(said), relays)]}


def _pair(
    core: Core, said: Mapping[bytes, Sequence[Record]], others: Sequence[tuple[int, bytes]], one: bytes, two: bytes
) -> dict[str, Any]:
    """What two personas have in common in public, and among how many one would have to guess."""
    stamps = [sorted({record.header.created for record in said[key]}) for key in (one, two)]
    apart, at = min((abs(a - b), a) for a in stamps[0] for b in stamps[1])
    boards = [{record.scope for record in said[key] if record.scope.startswith("board/")} for key in (one, two)]
    near = {author for when, author in others if abs(when - at) <= max(apart, NEAR_MS)}
    return {
        "faces": [name_of(core, one), name_of(core, two)],
        "boards": sorted(boards[0] & boards[1]),
        "apart_ms": apart,
        "same_stamps": len(set(stamps[0]) & set(stamps[1])),
        "others_near": len(near),
        "alike": _alike(said[one], said[two]),
    }


def _alike(one: Sequence[Record], two: Sequence[Record]) -> list[str]:
    """Fields in which an intent of the one repeats what an intent of the other says."""
    bodies = [[record.body for record in said if record.kind == "intent.1"] for said in (one, two)]
    return [
        name
        for name in _TELLING
        if any(a.get(name) and a.get(name) == b.get(name) for a in bodies[0] for b in bodies[1])
    ]


def _words(pair: Mapping[str, Any]) -> str:
    minutes = pair["apart_ms"] // 60_000
    near = "no minute apart" if not minutes else f"{minutes} minute{'' if minutes == 1 else 's'} apart"
    one, two = pair["faces"]
    says = f"{one} and {two}: their nearest stamps are {near}; {pair['others_near']} others spoke about then."
    if pair["boards"]:
        says += f" Both are on {', '.join(pair['boards'])}."
    if pair["alike"]:
        says += f" They say the same of: {', '.join(pair['alike'])}."
    return says


def _of_all(faces: int, relays: int) -> list[str]:
    """What no persona can hide from whom it dials."""
    if faces < 2:
        return ["Only one of your personas has spoken: there is nothing to link."]
    dialled = "The relay" if relays == 1 else f"Each of the {relays} relays"
    return [
        f"{dialled} that this node dials sees all of them come over one connection, from one"
        " address, with the scopes that they follow. A home of its own (--home) for a persona, over another relay and"
        " another network address, is the only way to part them there."
    ]
