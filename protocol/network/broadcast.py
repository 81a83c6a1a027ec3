"""The broadcast trees of one node, one for each scope: to whom a new record is pushed, and to whom only announced.

Plumtree (Leitão, Pereira, Rodrigues 2007). Decides about neighbours by names and about records by ids; never what is in
a record, who is a neighbour, or what time it is. Spec: 03-gossip, GOS-20 to GOS-25.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.network.gossip import Graft, Have, Message, Prune
from protocol.params import (
    GRAFT_MS,
    GRAFTS_MAX,
    HAVE_MS,
    HOLDERS_MAX,
    MISSING_MAX,
    MISSING_PER_PEER_MAX,
    PRUNE_AGAIN_MS,
    RECENT_MAX,
    WANT_IDS_MAX,
)


class Tell(NamedTuple):
    """A message for one neighbour."""

    peer: str
    message: Message


@dataclass(slots=True)
class _Tree:
    """A scope's neighbours: `eager` are pushed to; `lazy` hear what there is, and when each was last pruned by us."""

    eager: dict[str, None] = field(default_factory=dict)
    lazy: dict[str, int] = field(default_factory=dict)
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by source, of `eager` as it is now
    fresh: dict[bytes, list[str]] = field(default_factory=dict)  # to be announced -> who is known to hold it


@dataclass(slots=True)
class _Missing:
    """A record that was announced and did not come: who has it, who was asked last, when the next one is."""

    holders: list[str]
    charged: str
    due: int
    asked: str = ""
    tries: int = 0


@dataclass(slots=True)
class _Announcer:
    """How many missing records a neighbour was the first to announce, and how many asked of it did not come."""

    charged: int = 0
    failures: int = 0


class Broadcast:
    """All trees of a node. What each call returns is to be sent in that order."""

    def __init__(self) -> None:
        self._trees: dict[str, _Tree] = {}
        self._recent: OrderedDict[bytes, str] = OrderedDict()  # id -> who gave it first, "" for this node itself
        self._missing: OrderedDict[tuple[str, bytes], _Missing] = OrderedDict()  # soonest first: the delay is constant
        self._announcers: dict[str, _Announcer] = {}
        self._fresh: dict[str, None] = {}  # scopes with something to announce
        self._announce_at: int | None = None

    @property
    def deadline(self) -> int | None:
        """When `due` has something to do, Unix ms."""
        if not self._missing:
            return self._announce_at
        first = next(iter(self._missing.values())).due
        return first if self._announce_at is None else min(first, self._announce_at)

    def peers(self, scope: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Those pushed to and those only told, in a scope."""
        tree = self._trees.get(scope)
        return ((), ()) if tree is None else (tuple(tree.eager), tuple(tree.lazy))

    def follows(self, scope: str) -> bool:
        """Whether any neighbour follows the scope."""
        return scope in self._trees

    def enter(self, scope: str, peer: str) -> None:
        """A neighbour begins to follow a scope: it is pushed to until it says otherwise (GOS-20)."""
        tree = self._trees.setdefault(scope, _Tree())
        if peer not in tree.lazy:
            tree.eager[peer] = None
            tree.targets.clear()

    def leave(self, scope: str, peer: str) -> list[Tell]:
        """A neighbour follows a scope no more."""
        tree = self._trees.get(scope)
        if tree is None:
            return []
        tree.eager.pop(peer, None)
        tree.lazy.pop(peer, None)
        tree.targets.clear()
        if not tree.eager and not tree.lazy:
            del self._trees[scope]
            self._fresh.pop(scope, None)
        return self._keep_one(scope, tree)

    def forget(self, peer: str) -> None:
        """A neighbour is gone; `leave` its scopes too."""
        self._announcers.pop(peer, None)

    def took(self, scope: str, record: bytes, source: str, now: int) -> tuple[str, ...]:
        """A record was taken: whom to push it to now; the others hear of it soon (GOS-20, GOS-21)."""
        recent = self._recent
        recent[record] = source
        if len(recent) > RECENT_MAX:
            recent.popitem(last=False)
        missing = self._missing.pop((scope, record), None) if self._missing else None
        tree = self._trees.get(scope)
        if missing is not None:
            self._settle(missing, source)
        if tree is None:
            return ()
        knowers = [source] if missing is None else [source, *missing.holders]
        if tree.lazy:
            tree.fresh[record] = knowers
            self._fresh[scope] = None
            if self._announce_at is None:
                self._announce_at = now + HAVE_MS
        if missing is not None:
            return tuple(one for one in tree.eager if one not in knowers)
        targets = tree.targets.get(source)
        if targets is None:
            targets = tree.targets[source] = tuple(one for one in tree.eager if one != source)
        return targets

    def doubled(self, scope: str, record: bytes, peer: str, now: int) -> list[Tell]:
        """A record came again: who pushes what another gives first shall only tell (GOS-23)."""
        tree, first = self._trees.get(scope), self._recent.get(record)
        if tree is None or first is None or first == peer:
            return []
        pruned = tree.lazy.get(peer)
        if pruned is None:
            if peer not in tree.eager or (first and first not in tree.eager):
                return []
            del tree.eager[peer]
            tree.targets.clear()
        elif now < pruned + PRUNE_AGAIN_MS:
            return []
        tree.lazy[peer] = now
        return [Tell(peer, Prune(scope)), *self._keep_one(scope, tree, peer)]

    def announced(self, scope: str, ids: tuple[bytes, ...], peer: str, held: Container[bytes], now: int) -> None:
        """A neighbour has these: what is missing is asked for when it does not come by itself (GOS-22)."""
        tree = self._trees.get(scope)
        fresh = tree.fresh if tree is not None else {}
        announcer = self._announcers.setdefault(peer, _Announcer())
        for one in ids:
            if one in fresh and peer not in fresh[one]:
                fresh[one].append(peer)
            if one in held:
                continue
            found = self._missing.get((scope, one))
            if found is not None:
                if peer not in found.holders and len(found.holders) < HOLDERS_MAX:
                    found.holders.append(peer)
            elif announcer.charged < MISSING_PER_PEER_MAX and len(self._missing) < MISSING_MAX:
                announcer.charged += 1
                self._missing[(scope, one)] = _Missing([peer], peer, now + GRAFT_MS)

    def pruned(self, scope: str, peer: str) -> list[Tell]:
        """A neighbour has another who pushes to it."""
        tree = self._trees.get(scope)
        if tree is None or peer not in tree.eager:
            return []
        del tree.eager[peer]
        tree.targets.clear()
        tree.lazy[peer] = 0
        return self._keep_one(scope, tree, peer)

    def grafted(self, scope: str, peer: str) -> list[Tell]:
        """A neighbour wants to be pushed to."""
        tree = self._trees.get(scope)
        return [] if tree is None else self._promote(scope, tree, peer)

    def due(self, now: int) -> list[Tell]:
        """What is to be said by `now`: announcements, and requests for what did not come."""
        told: list[Tell] = []
        if self._announce_at is not None and self._announce_at <= now:
            self._announce_at = None
            scopes, self._fresh = self._fresh, {}
            for scope in scopes:
                self._announce(scope, told)
        if self._missing:
            self._ask(now, told)
        return told

    def _announce(self, scope: str, told: list[Tell]) -> None:
        tree = self._trees[scope]
        fresh, tree.fresh = tree.fresh, {}
        everything = [Have(scope, ids) for ids in _chunks(list(fresh))]
        known: dict[str, dict[bytes, None]] = {}
        for one, knowers in fresh.items():
            for peer in knowers:
                known.setdefault(peer, {})[one] = None
        for peer in tree.lazy:
            knows = known.get(peer)
            if knows is None:
                told.extend(Tell(peer, message) for message in everything)
            else:
                rest = [one for one in fresh if one not in knows]
                told.extend(Tell(peer, Have(scope, ids)) for ids in _chunks(rest))

    def _ask(self, now: int, told: list[Tell]) -> None:
        """Graft the branch of an announcer for each record whose time is up (GOS-22)."""
        grafts: dict[tuple[str, str], list[bytes]] = {}
        while self._missing and next(iter(self._missing.values())).due <= now:
            (scope, one), missing = self._missing.popitem(last=False)
            if missing.asked in self._announcers:
                self._announcers[missing.asked].failures += 1
            linked = [peer for peer in missing.holders if peer in self._announcers]
            if not linked or missing.tries >= GRAFTS_MAX:
                self._settle(missing, "")
                continue
            asked = min(linked, key=lambda peer: (self._announcers[peer].failures, peer == missing.asked))
            missing.asked, missing.due, missing.tries = asked, now + GRAFT_MS, missing.tries + 1
            missing.holders.remove(asked)
            missing.holders.append(asked)  # asked again only after the others
            self._missing[(scope, one)] = missing
            grafts.setdefault((asked, scope), []).append(one)
        for (peer, scope), wanted in grafts.items():
            told.extend(Tell(peer, Graft(scope, ids)) for ids in _chunks(wanted))
            tree = self._trees.get(scope)
            if tree is not None:
                told.extend(self._promote(scope, tree, peer))

    def _settle(self, missing: _Missing, source: str) -> None:
        charged = self._announcers.get(missing.charged)
        if charged is not None:
            charged.charged -= 1
        if missing.asked == source and source in self._announcers:
            self._announcers[source].failures = 0

    def _promote(self, scope: str, tree: _Tree, peer: str) -> list[Tell]:
        """Push to a neighbour from now on, and tell it what was taken and not yet announced."""
        if tree.lazy.pop(peer, None) is None:
            return []
        tree.eager[peer] = None
        tree.targets.clear()
        untold = [one for one, knowers in tree.fresh.items() if peer not in knowers]
        return [Tell(peer, Have(scope, ids)) for ids in _chunks(untold)]

    def _keep_one(self, scope: str, tree: _Tree, but: str = "") -> list[Tell]:
        """Who has neighbours in a scope pushes to one of them and is pushed to by it (GOS-24)."""
        other = next((one for one in tree.lazy if one != but), None)
        if tree.eager or other is None:
            return []
        return [Tell(other, Graft(scope, ())), *self._promote(scope, tree, other)]


def _chunks(ids: list[bytes]) -> list[tuple[bytes, ...]]:
    return [tuple(ids[at : at + WANT_IDS_MAX]) for at in range(0, len(ids), WANT_IDS_MAX)]
