"""A standing and an expectation in words: the ways that lead there, the deals behind them, what would change them.

Decides what is told and in which order; never a number. Spec: 10-reputation, REP-10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush

from protocol.params import BAD_HALF_LIFE_MS, DAY_MS, EXPECTATION_DOUBT, GOOD_HALF_LIFE_MS, REMEDY_SHARE, RESTART
from protocol.trust.reputation import (
    ANY_ROLE,
    Evidence,
    Expectation,
    Graph,
    Links,
    Standing,
    Tally,
    last_edges,
    reports,
    steps_to,
    tally,
)
from protocol.trust.sight import expectation, standing

PATHS_SHOWN = 3
REPORTERS_SHOWN = 5
EVENTS_SHOWN = 4  # of each reporter
_MINE = b"one more deal of one's own"  # an agreement that nobody signed

Namer = Callable[[bytes], str]
_WORDS = {
    "kept": "kept",
    "broken": "broken",
    "vouch": "a vouch",
    "sponsored": "a vouch for somebody who then defaulted",
}


def short(key: bytes) -> str:
    """A key for people, when there is no name."""
    return key.hex()[:8]


def explain(trust: Graph, observer: bytes, subject: bytes, role: str, name: Namer = short) -> tuple[str, ...]:
    """The standing and the expectation; paths, bottlenecks, reports and deals behind them; what would change them."""
    if observer == subject:
        return ("This is you: your own standing is 1 by definition, and what others make of you is theirs.",)
    found, likely = standing(trust, observer, subject, role), expectation(trust, observer, subject, role)
    return (
        *_ways(trust, observer, subject, role, found, name),
        *_likely(trust, observer, subject, role, likely, name),
        *_changes(trust, observer, subject, role, found, likely, name),
    )


def _ways(trust: Graph, observer: bytes, subject: bytes, role: str, found: Standing, name: Namer) -> list[str]:
    who = name(subject)
    if not found.hit:
        return [f"Nothing that you trust leads to {who} as {role}: standing 0, as for any newcomer."]
    lines = [f"Standing of {who} as {role}, seen from you: {found.value:.2g}, of at most 1."]
    for path, chance in paths(steps_to(trust, subject, role), observer, subject):
        way = " → ".join(name(node) for node in path[1:])
        lines.append(f"You trust {way}: this way leads there with {chance:.2g}.")
        lines += _events(trust, path[-2], subject, role, "Your own evidence" if len(path) == 2 else "At its end")
    for node in found.bottlenecks:
        lines.append(f"Four fifths or more rest on {name(node)} alone, so it counts a tenth.")
    return lines


def _likely(trust: Graph, observer: bytes, subject: bytes, role: str, likely: Expectation, name: Namer) -> list[str]:
    who = name(subject)
    lines = [f"What to expect of {who} as {role}, from -1 (broken) to 1 (kept): {likely.value:.2f}."]
    found = reports(trust, subject, role)
    for reporter, weight in likely.reporters[:REPORTERS_SHOWN]:
        report = found[reporter]
        by = "You report" if reporter == observer else f"{name(reporter)}, whose word weighs {weight:.2g}, reports"
        lines.append(f"{by} {report.good:.2f} kept and {report.bad:.2f} broken, faded with age.")
        lines += _events(trust, reporter, subject, role, "Behind it")
    if len(likely.reporters) > REPORTERS_SHOWN:
        lines.append(f"And {len(likely.reporters) - REPORTERS_SHOWN} more whom you trust less.")
    unheard = len(found) - len(likely.reporters)
    if unheard:
        lines.append(f"{unheard} more report on {who}, but nothing that you trust leads to them: they count nothing.")
    anybody = f"Of anybody as {role} you expect {likely.outlook:.2f}, by your own deals and those of whom you trust"
    lines.append(f"{anybody}; that weighs {EXPECTATION_DOUBT:g}.")
    return lines


def _events(trust: Graph, reporter: bytes, subject: bytes, role: str, head: str) -> list[str]:
    """The newest deals and vouches that a reporter's word rests on."""
    held = [item for item in trust.events.get((reporter, subject), ()) if item.role in (role, ANY_ROLE)]
    held.sort(key=lambda item: (-item.counts_from_ms, item.agreement, item.kind))
    told = [_event(item, trust.now_ms) for item in held[:EVENTS_SHOWN]]
    more = [f"{len(held) - EVENTS_SHOWN} more"] if len(held) > EVENTS_SHOWN else []
    return [f"{head}: {'; '.join([*told, *more])}."] if told else []


def _event(item: Evidence, now_ms: int) -> str:
    days = max(0, now_ms - item.counts_from_ms) // DAY_MS
    when = "today" if not days else "a day ago" if days == 1 else f"{days} days ago"
    mended = f", put right since, so it counts {REMEDY_SHARE:g}" if item.remedied else ""
    about = "" if item.kind in ("vouch", "sponsored") else f" (request {item.agreement.hex()[:8]})"
    return f"{_WORDS.get(item.kind, item.kind)} {when}{about}{mended}"


def _changes(
    trust: Graph, observer: bytes, subject: bytes, role: str, found: Standing, likely: Expectation, name: Namer
) -> list[str]:
    lines = []
    for kind in ("kept", "broken"):
        then = _after(trust, observer, subject, role, kind)
        stand, expect = standing(then, observer, subject, role), expectation(then, observer, subject, role)
        says = f"One more deal of your own with {name(subject)}, {kind}, would make the"
        lines.append(f"{says} standing {stand.value:.2g}, the expectation {round(expect.value, 2) + 0.0:.2f}.")
    if found.bottlenecks:
        lines.append("Trust that leads there another way would lift it tenfold or more.")
    held = [item for key, items in trust.events.items() if key[1] == subject for item in items]
    if any(item.kind == "broken" and not item.remedied for item in held):
        lines.append(f"What was broken counts {REMEDY_SHARE:g} of it once it is put right and the other side says so.")
    if found.hit or likely.reporters:
        good, bad = GOOD_HALF_LIFE_MS // DAY_MS, BAD_HALF_LIFE_MS // DAY_MS
        lines.append(f"Left alone, what was kept fades by half in {good} days, what was broken in {bad}.")
    return lines


def _after(trust: Graph, observer: bytes, subject: bytes, role: str, kind: str) -> Graph:
    """The graph with one more deal of the observer's own, signed and done just now."""
    now = trust.now_ms
    mine = [*trust.events.get((observer, subject), ()), Evidence(observer, subject, role, kind, _MINE, now, now)]
    of_role = [item for item in mine if item.role in (role, ANY_ROLE)]
    lived = [item for item in of_role if item.kind in ("kept", "broken")]
    last = {**last_edges(trust, subject, role), observer: tally(of_role, now).edge}
    told: dict[bytes, Tally] = {**reports(trust, subject, role), observer: tally(lived, now)}
    return replace(
        trust,
        edges={**trust.edges, observer: {**trust.edges.get(observer, {}), subject: tally(mine, now).edge}},
        last={**trust.last, (role, subject): last},
        outcomes={**trust.outcomes, (role, subject): told},
    )


def paths(steps: Links, start: bytes, end: bytes) -> list[tuple[tuple[bytes, ...], float]]:
    """The likeliest paths, at most three, that share nobody in between."""
    used: dict[bytes, bool] = {}
    found: list[tuple[tuple[bytes, ...], float]] = []
    while len(found) < PATHS_SHOWN:
        path = _likeliest(steps, start, end, used, any(len(shown) == 2 for shown, _ in found))
        if path is None:
            break
        found.append(path)
        used |= dict.fromkeys(path[0][1:-1], True)
    return found


def _likeliest(
    steps: Links, start: bytes, end: bytes, used: dict[bytes, bool], direct_shown: bool
) -> tuple[tuple[bytes, ...], float] | None:
    queue: list[tuple[float, tuple[bytes, ...]]] = [(-1.0, (start,))]
    done = dict(used)
    while queue:
        chance, path = heappop(queue)
        if path[-1] == end:
            return path, -chance
        if path[-1] in done:
            continue
        done[path[-1]] = True
        for other, step in sorted(steps.get(path[-1], {}).items()):
            shown = direct_shown and path == (start,) and other == end
            if other not in done and step > 0 and not shown:
                heappush(queue, (chance * step * (1 - RESTART), (*path, other)))
    return None

