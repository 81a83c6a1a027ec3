"""Finding out which records two neighbours do not share, and sending them both ways, no faster than they arrive.

Decides when a session begins and what follows from what it finds; how sets are compared is protocol.network.sync.
Spec: 03-gossip, GOS-4, GOS-5, GOS-41 to GOS-44; 03-sync.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from protocol.engine import summary
from protocol.engine.context import Context
from protocol.engine.network import departure, relays
from protocol.errors import Ignore
from protocol.events import SendRecords
from protocol.network.gossip import MARK_BYTES, Answer, Fetch, Neighbour, Sync, Talk, Want
from protocol.network.index import CREATED_BYTES, KEY_BYTES, Index
from protocol.network.sync import Lack, initiate, respond
from protocol.params import (
    ASKED_MAX,
    COMPARE_MS,
    DECLINED_MAX,
    FETCH_RECORDS_MAX,
    FETCH_SCAN_MAX,
    GIVEN_MAX,
    SESSIONS_MAX,
    SYNC_FRAME_BYTES_MAX,
    WANT_IDS_MAX,
)

if TYPE_CHECKING:
    from protocol.engine.core import Core

_CHUNK_IDS = min(500, WANT_IDS_MAX)
_RANGES = 500  # (g) in one message, so that it surely fits
_DECLINED_ROUNDS = 5  # (g) reconciliations after which something ignored is fetched once more


def patience_ms(core: Core) -> int:
    """How long an answer, or a record that was fetched, is waited for (GOS-44)."""
    return core.settings.sync_ms // 2


def begin(core: Core, neighbour: Neighbour, scope: str) -> None:
    """Open a session as soon as there is room; an unfinished one of this scope is given up."""
    neighbour.sessions.pop(scope, None)
    if neighbour.may_hear(scope) and not core.spared(scope):
        neighbour.due[scope] = None
    advance(core, neighbour)


def begin_all(core: Core, neighbour: Neighbour) -> None:
    """Reconcile all that is followed: each scope when they are few, else those whose states differ."""
    if len(core.followed) <= SESSIONS_MAX:
        neighbour.sessions = {scope: talk for scope, talk in neighbour.sessions.items() if not talk.late}
        fresh = (scope for scope in core.followed if scope not in neighbour.sessions)
        due = (scope for scope in fresh if neighbour.may_hear(scope) and not core.spared(scope))
        neighbour.due.update(dict.fromkeys(due))
    else:
        summary.begin(core, neighbour)
    neighbour.asking = True
    advance(core, neighbour)


def connected(core: Core, neighbour: Neighbour) -> None:
    """A link that we dialled is up; where states are compared, its subscriptions come first."""
    if len(core.followed) <= SESSIONS_MAX:
        begin_all(core, neighbour)
    else:
        neighbour.compare_at, neighbour.asking = core.now + COMPARE_MS, True


def advance(core: Core, neighbour: Neighbour) -> None:
    """Say what there is room for: messages that were held back, then new sessions."""
    if len(neighbour.asked) <= ASKED_MAX // 2 and neighbour.given <= GIVEN_MAX // 2:
        for scope, talk in neighbour.sessions.items():
            if talk.held:
                core.send(neighbour.name, Sync(scope, talk.held))
                talk.held, talk.since = b"", core.now
        _open(core, neighbour)
    left = neighbour.sessions or neighbour.due or neighbour.asked or neighbour.compare
    if neighbour.asking and not left and neighbour.compare_at is None:
        neighbour.asking = False
        relays.reconciled(core, neighbour)


def _open(core: Core, neighbour: Neighbour) -> None:
    late = [scope for scope, talk in neighbour.sessions.items() if talk.late]
    for scope in list(islice(neighbour.due, 2 * SESSIONS_MAX)):  # no more are in sessions, or read for them, at once
        if len(neighbour.sessions) >= SESSIONS_MAX and not late:
            return
        items = core.items(scope)
        if scope in core.followed and items is None:
            core.unread[scope] = None  # read before the next event, which is at once
        elif scope not in neighbour.sessions and not departure.waits(core, scope):
            del neighbour.due[scope]
            if items is not None:
                if len(neighbour.sessions) >= SESSIONS_MAX:
                    del neighbour.sessions[late.pop(0)]
                session, message = initiate(items, SYNC_FRAME_BYTES_MAX)
                neighbour.sessions[scope] = Talk(session, core.now)
                core.send(neighbour.name, Sync(scope, message))


def answer(core: Core, scope: str, message: bytes) -> Answer:
    """The answer to a session that a neighbour began."""
    items = core.items(scope)
    return Answer(scope, respond(items if items is not None else Index(), message, SYNC_FRAME_BYTES_MAX))


def go_on(core: Core, neighbour: Neighbour, scope: str, message: bytes) -> None:
    """Continue a session we began: give what the peer lacks, fetch what we lack."""
    talk = neighbour.sessions.get(scope)
    if talk is None or talk.held:
        return
    try:
        reply, have, need = talk.session.receive(message)
    except Ignore:  # SYN-2, SYN-15: nobody's fault, and over
        reply, have, need = None, [], []
    talk.since, talk.late = core.now, False
    have = departure.gone(core, have)  # IDN-24
    _send(core, neighbour, scope, have)
    neighbour.given, neighbour.given_at = neighbour.given + len(have), core.now
    if not _fetch(core, neighbour, scope, need):
        neighbour.due[scope] = None  # not all was asked for: once more
    if reply is None:
        del neighbour.sessions[scope]
    else:
        talk.held = reply
    advance(core, neighbour)


def _fetch(core: Core, neighbour: Neighbour, scope: str, need: Sequence[Lack]) -> bool:
    """Ask for what we lack, except what another was asked for or what was ignored lately; False when it is too much."""
    ranges, all_asked = list[tuple[bytes, bytes, bytes]](), True
    for lack in need:
        ids = [one for one in lack.ids if not _under_way(core, one)]
        if len(neighbour.asked) + len(ids) > ASKED_MAX:
            all_asked = False
            break
        neighbour.asked.update(dict.fromkeys(ids, (scope, core.now)))
        marks = b"".join(one[:MARK_BYTES] for one in ids) if len(ids) < lack.listed else b""
        if ids:
            ranges.append((lack.lower.point, lack.upper.point, marks))
    for at in range(0, len(ranges), _RANGES):
        core.send(neighbour.name, Fetch(scope, tuple(ranges[at : at + _RANGES])))
    return all_asked


def _under_way(core: Core, record_id: bytes) -> bool:
    """Whether a record was fetched a moment ago, or ignored not long ago."""
    if core.declined.get(record_id, 0) > core.now:
        return True
    asked = (one.asked.get(record_id) for one in core.neighbours.values() if one.asked)
    return any(found is not None and found[1] + patience_ms(core) > core.now for found in asked)


def arrived(core: Core, record_id: bytes, peer: str) -> None:
    """A neighbour sent a record: it may have been fetched."""
    neighbour = core.neighbours.get(peer)
    if neighbour is not None and record_id in neighbour.asked:
        del neighbour.asked[record_id]
        if len(neighbour.asked) <= ASKED_MAX // 2:
            advance(core, neighbour)


def delivered(core: Core, peer: str, count: int) -> None:
    """A neighbour acknowledged records."""
    neighbour = core.neighbours.get(peer)
    if neighbour is not None and neighbour.given:
        neighbour.given, neighbour.given_at = max(0, neighbour.given - count), core.now
        advance(core, neighbour)


def decline(core: Core, record_id: bytes) -> None:
    """A record was ignored: it is not fetched again at every reconciliation."""
    core.declined[record_id] = core.now + _DECLINED_ROUNDS * core.settings.sync_ms
    if len(core.declined) > DECLINED_MAX:
        del core.declined[next(iter(core.declined))]


def deadline(core: Core) -> int | None:
    """When something that was asked is given up, or states are to be compared."""
    times = list[int]()
    for neighbour in core.neighbours.values():
        if neighbour.outbound:
            times += (since + patience_ms(core) for _, since in islice(neighbour.asked.values(), 1))
            times += (talk.since + patience_ms(core) for talk in _talks(neighbour))
            times += () if neighbour.compare_at is None else (neighbour.compare_at,)
            times += (neighbour.given_at + patience_ms(core),) if neighbour.given > GIVEN_MAX // 2 else ()
    return min(times, default=None)


def _talks(neighbour: Neighbour) -> list[Talk]:
    """Those that wait for an answer, and not too long yet."""
    talks = [*neighbour.sessions.values(), *([neighbour.compare] if neighbour.compare else [])]
    return [talk for talk in talks if not (talk.held or talk.late)]


def attend(core: Core) -> None:
    """Give up what did not come, ask others for it, and go on with what has room."""
    for neighbour in list(core.neighbours.values()):
        if not neighbour.outbound:
            continue
        if neighbour.compare_at is not None and neighbour.compare_at <= core.now:
            summary.begin(core, neighbour)
        overdue = takewhile(lambda one: one[1][1] + patience_ms(core) <= core.now, list(neighbour.asked.items()))
        lost = {record_id: scope for record_id, (scope, _) in overdue}
        for record_id in lost:
            del neighbour.asked[record_id]
            neighbour.asking = False
        _silent(core, neighbour)
        advance(core, neighbour)
        abandon(core, neighbour, lost.values())


def _silent(core: Core, neighbour: Neighbour) -> None:
    """Sessions that were not answered make room for others; an answer that comes late all the same is welcome."""
    for talk in _talks(neighbour):
        if talk.since + patience_ms(core) <= core.now:
            talk.late, neighbour.asking = True, False
    if neighbour.given and neighbour.given_at + patience_ms(core) <= core.now:
        neighbour.given = 0  # lost on the way, or pruned before it was sent


def abandon(core: Core, neighbour: Neighbour, scopes: Iterable[str]) -> None:
    """What one neighbour listed and did not send is looked for at the others."""
    for scope in dict.fromkeys(scopes):
        for other in core.neighbours.values():
            if other.outbound and other is not neighbour:
                begin(core, other, scope)


def give(core: Core, neighbour: Neighbour, scope: str, ids: tuple[bytes, ...]) -> None:
    """Send what a neighbour asked for by id, as far as it is held and the scope is followed."""
    if scope in core.followed:
        held, ids = core.ids(scope), core.outer_ids(scope, ids)
        core.out.append(SendRecords(neighbour.name, scope, tuple(one for one in ids if one in held)))
        if scope in core.shelves:
            core.shelves[scope].ask(ids)


def serve(core: Core, neighbour: Neighbour, fetch: Fetch) -> None:
    """Send what a neighbour fetches by ranges, as far as one message may ask for (GOS-43)."""
    items = core.items(fetch.scope)
    if fetch.scope not in core.followed or items is None:
        return
    found, left = list[bytes](), FETCH_SCAN_MAX
    for lower, upper, marks in fetch.ranges:
        wanted = {marks[at : at + MARK_BYTES] for at in range(0, len(marks), MARK_BYTES)}
        end = upper.ljust(KEY_BYTES, b"\0")
        for key in islice(items.above(lower.ljust(KEY_BYTES, b"\0")), left):
            if key >= end:
                break
            left -= 1
            if not wanted or key[CREATED_BYTES : CREATED_BYTES + MARK_BYTES] in wanted:
                found.append(key[CREATED_BYTES:])
    _send(core, neighbour, fetch.scope, departure.gone(core, found[:FETCH_RECORDS_MAX]))


def _send(core: Core, neighbour: Neighbour, scope: str, ids: Sequence[bytes]) -> None:
    for at in range(0, len(ids), _CHUNK_IDS):
        core.out.append(SendRecords(neighbour.name, scope, tuple(ids[at : at + _CHUNK_IDS])))


def want(core: Core, context: Context, ids: list[bytes]) -> None:
    """Ask every neighbour for records that a certified manifest lists (DEC-19), each again after a while."""
    due = [one for one in ids if context.wanted.get(one, 0) + core.settings.sync_ms <= core.now]
    if not due:
        return
    context.wanted.update(dict.fromkeys(due, core.now))
    for neighbour in core.neighbours.values():
        if (neighbour.outbound and neighbour.may_hear(context.scope)) or context.scope in neighbour.scopes:
            for at in range(0, len(due), _CHUNK_IDS):
                core.send(neighbour.name, Want(context.scope, tuple(due[at : at + _CHUNK_IDS])))
    context.wake_at(core.now + core.settings.sync_ms)
