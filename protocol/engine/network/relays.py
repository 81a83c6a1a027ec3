"""Which relays this node keeps a link to, and since when it may trust that nobody hides anything from it.

Decides whom to dial and whom to let go, and after a sleep when enough was asked to call the state fresh; never how a
link is made, nor what goes over it. Spec: 03-gossip, GOS-61 to GOS-64.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from protocol.errors import CommandError
from protocol.events import Dial, Hangup
from protocol.network.gossip import Neighbour
from protocol.params import RELAYS_ADDED_MAX, RELAYS_ASKED, RELAYS_KEPT_MAX, RELAYS_LEARNED_MAX, RELAYS_NEARBY_MAX

if TYPE_CHECKING:
    from protocol.engine.core import Core

ADDED, CONFIGURED, INVITED, NEARBY, LEARNED = "added", "configured", "invitation", "nearby", "learned"
_RANKS = (ADDED, CONFIGURED, INVITED, NEARBY, LEARNED)
STRANGERS = (NEARBY, LEARNED)  # nobody this node's person knows vouched for them
_FACT = "dial/"
_SLEEP_ROUNDS = 3  # (g) reconciliations missed: then we were asleep
_STALE_ROUNDS = 4  # (g) a state last confirmed so long ago is no longer called fresh
_SHUNNED_ROUNDS = 60  # (g) before a learned relay that could not be reached is tried again
_STAGGER_ROUNDS = 5  # (g)
_SYNCED_MAX = 16


@dataclass(slots=True)
class Relays:
    """What is remembered in memory alone; the addresses themselves are settings and facts."""

    wake: int = 0  # when to choose again
    heard: int = 0  # the last event of any kind
    woken: int = 0  # when this node last woke or began
    dialled: dict[str, int] = field(default_factory=dict)  # address → since when it is waited for
    shunned: dict[str, int] = field(default_factory=dict)  # learned address → not before
    added: dict[str, str] = field(default_factory=dict)  # address → why; the facts of this name
    nearby: dict[str, None] = field(default_factory=dict)  # found on the local network, as long as this process runs
    learned: dict[str, None] = field(default_factory=dict)  # named by relays that we are linked to, oldest first
    synced: dict[str, int] = field(default_factory=dict)  # peer → when all was last reconciled with it
    resting: int = 0  # no links are kept until then (GOS-66)
    crowded: int = 0  # since when more are linked than needed


def peer_of(address: str) -> str:
    """The peer id at the end of a multiaddr."""
    return address.rpartition("/p2p/")[2]


def operator(address: str) -> str:
    """What stands for who runs a relay: the /16 or /48 of its address, the last two labels of its name.

    On one machine every relay counts as another's, else no network could be tried out there.
    """
    family, host = [*address.split("/"), "", ""][1:3]
    if host in ("127.0.0.1", "::1", "localhost"):
        return address
    if family == "ip6":
        return ":".join(host.split("::")[0].split(":")[:3])
    labels = host.split(".")
    return ".".join(labels[:2] if family == "ip4" else labels[-2:])


def known(core: Core) -> dict[str, str]:
    """Address → why it is known, the preferred first; of equal rank, those of operators not named before."""
    found = dict(core.relays.added)
    for address in core.settings.relays:
        if found.get(address) != ADDED:
            found[address] = CONFIGURED
    for address in core.relays.nearby:
        found.setdefault(address, NEARBY)
    own = {peer_of(address): None for address in found}
    found |= {one: LEARNED for one in core.relays.learned if peer_of(one) not in own}
    seen: dict[str, int] = {}
    repeats: dict[str, int] = {}
    for address in sorted(found, key=lambda one: _RANKS.index(found[one])):
        repeats[address] = seen.get(operator(address), 0)
        seen[operator(address)] = repeats[address] + 1
    return {one: found[one] for one in sorted(repeats, key=lambda one: (_RANKS.index(found[one]), repeats[one]))}


def recall(core: Core) -> None:
    """Read the facts, at the start and when they went back to what is on disk."""
    facts = {name.removeprefix(_FACT): value for name, value in core.facts.items() if name.startswith(_FACT)}
    core.relays.added = {one: ADDED if value == b"1" else INVITED for one, value in facts.items()}


def add(core: Core, address: str, invited: bool) -> dict[str, Any]:
    """Keep to this relay from now on; raises CommandError CLI-42."""
    added = core.relays.added
    if len(added) >= RELAYS_ADDED_MAX and address not in added:
        raise CommandError("CLI-42", f"{RELAYS_ADDED_MAX} relays were added already; forget one first")
    if strange(core, peer_of(address)):
        for dialled in [one for one in core.relays.dialled if peer_of(one) == peer_of(address)]:
            _let_go(core, dialled)  # to be dialled anew, as one that is trusted
    if added.get(address) != ADDED:
        added[address] = INVITED if invited else ADDED
        core.keep(_FACT + address, b"invitation" if invited else b"1")
    core.relays.wake = core.now
    return {"address": address}


def forget(core: Core, address: str) -> dict[str, Any]:
    """No longer keep to a relay that was added, or learned; raises CommandError CLI-42."""
    if address in core.settings.relays:
        raise CommandError("CLI-42", "that relay stands in the settings; take it out of mesh.relays and start again")
    if known(core).get(address) is None:
        raise CommandError("CLI-42", "no relay of that address is kept; `wltm peers` lists them")
    if core.relays.added.pop(address, None):
        core.keep(_FACT + address, b"")
    core.relays.learned.pop(address, None)
    core.relays.nearby.pop(address, None)
    _let_go(core, address)
    core.relays.wake = core.now
    return {"address": address}


def notice(core: Core, address: str) -> dict[str, Any]:
    """A node of this network shows itself on the local network: to be dialled until this process ends (LAN-3)."""
    if len(core.relays.nearby) < RELAYS_NEARBY_MAX:
        core.relays.nearby[address] = None
        core.relays.wake = core.now
    return {"address": address}


def learn(core: Core, addresses: tuple[str, ...]) -> None:
    """Note where relays can be dialled, as others say; those named longest ago make room."""
    for address in addresses:
        core.relays.learned.pop(address, None)
        core.relays.learned[address] = None
    while len(core.relays.learned) > RELAYS_LEARNED_MAX:
        del core.relays.learned[next(iter(core.relays.learned))]


def heard(core: Core) -> None:
    """Note that something happened; after a sleep everything is reconciled at once (GOS-63)."""
    state = core.relays
    if core.now - state.heard > _SLEEP_ROUNDS * core.settings.sync_ms:
        state.woken = state.wake = core.now
        core.next_sync = min(core.next_sync, core.now)
    state.heard = core.now


def changed(core: Core, peer: str) -> None:
    """A link came up or went: wait anew for who is gone, then look at all of them again."""
    for address in core.relays.dialled:
        if peer_of(address) == peer:
            core.relays.dialled[address] = core.now
    core.relays.wake = core.now


def reconciled(core: Core, neighbour: Neighbour) -> None:
    """Nothing is known to be missing between this neighbour and us."""
    if neighbour.outbound:
        synced = core.relays.synced
        synced.pop(neighbour.name, None)
        synced[neighbour.name] = core.now
        if len(synced) > _SYNCED_MAX:
            del synced[next(iter(synced))]


def deadline(core: Core) -> int | None:
    """When to `choose` again."""
    state = core.relays
    return state.wake if core.settings.relays or state.added or state.nearby or state.learned else None


def choose(core: Core) -> None:
    """Dial and let go so that enough relays are linked (GOS-61, GOS-62)."""
    state, patience_ms = core.relays, core.settings.sync_ms
    state.wake = core.now + patience_ms
    found = known(core)
    if state.resting:
        state.wake = state.resting + core.rng.randrange(_STAGGER_ROUNDS * patience_ms)  # not all of a town at seven
        for address in list(state.dialled):
            _let_go(core, address)
        return
    if core.settings.role == "relay":
        for address, why in found.items():
            if why != LEARNED and address not in state.dialled:
                _dial(core, address, why)
        return
    for address in [one for one in state.dialled if one not in found]:
        _let_go(core, address)
    for address, since in list(state.dialled.items()):
        if found[address] == LEARNED and not _linked(core, address) and since + patience_ms <= core.now:
            state.shunned[address] = core.now + _SHUNNED_ROUNDS * patience_ms
            _let_go(core, address)
    _dial_more(core, found)
    _dial_fewer(core, [one for one in found if _linked(core, one) and one in state.dialled], found)


def _dial_more(core: Core, found: dict[str, str]) -> None:
    state, patience_ms = core.relays, core.settings.sync_ms
    hopeful = [one for one, since in state.dialled.items() if _linked(core, one) or since + patience_ms > core.now]
    dialled = [peer_of(one) for one in state.dialled]
    others = [one for one in core.neighbours.values() if one.outbound and one.name not in dialled]
    operators = dict.fromkeys(map(operator, hopeful))
    count = len(hopeful) + len(others)
    learned = [one for one, why in found.items() if why == LEARNED and state.shunned.get(one, 0) <= core.now]
    core.rng.shuffle(learned)
    own = [one for one, why in found.items() if why != LEARNED]
    for address in (*own, *learned):
        why = found[address]
        most = RELAYS_ASKED if why == LEARNED else RELAYS_KEPT_MAX
        if count >= most or address in state.dialled or peer_of(address) in core.neighbours:
            continue
        if why == LEARNED and operator(address) in operators:
            continue  # whoever has many machines must not become all that we see
        _dial(core, address, why)
        operators[operator(address)] = None
        count += 1


def _dial_fewer(core: Core, linked: list[str], found: dict[str, str]) -> None:
    """Who came back makes the substitute superfluous, after it has shown that it stays."""
    surplus = linked[RELAYS_KEPT_MAX:] + [one for one in linked[RELAYS_ASKED:RELAYS_KEPT_MAX] if found[one] == LEARNED]
    if not surplus:
        core.relays.crowded = 0
    elif not core.relays.crowded:
        core.relays.crowded = core.now
    elif core.relays.crowded + core.settings.sync_ms <= core.now:
        for address in surplus:
            _let_go(core, address)


def _dial(core: Core, address: str, why: str) -> None:
    core.relays.dialled[address] = core.now
    core.out.append(Dial(address, why != LEARNED))


def _let_go(core: Core, address: str) -> None:
    if core.relays.dialled.pop(address, None) is not None:
        core.out.append(Hangup(peer_of(address)))


def strange(core: Core, peer: str) -> bool:
    """Whether a peer was dialled only because others named it, or itself: it hears of public scopes alone (GOS-64)."""
    found = known(core) if any(peer_of(one) == peer for one in core.relays.dialled) else {}
    return any(why in STRANGERS and peer_of(address) == peer for address, why in found.items())


def _linked(core: Core, address: str) -> bool:
    return peer_of(address) in core.neighbours


def as_of(core: Core) -> int:
    """Until when it is sure that one censor alone could have hidden nothing; 0 when it is not (GOS-63).

    With one relay known, that one's word is all there is.
    """
    found = known(core)
    # Strangers were asked for public scopes alone (GOS-64).
    strangers = [peer_of(address) for address, why in found.items() if why in STRANGERS]
    peers = [peer_of(address) for address, why in found.items() if why not in STRANGERS]
    peers += [one.name for one in core.neighbours.values() if one.outbound and one.name not in [*peers, *strangers]]
    times = sorted((when for peer, when in core.relays.synced.items() if peer not in strangers), reverse=True)
    enough = min(RELAYS_ASKED, max(1, len(peers)))
    return times[enough - 1] if len(times) >= enough else 0


def report(core: Core) -> dict[str, Any]:
    """How this node stands with its relays, for its person."""
    state, sure = core.relays, as_of(core)
    stale_ms = _STALE_ROUNDS * core.settings.sync_ms
    found = known(core)
    return {
        "as_of": sure,
        "fresh": bool(sure) and sure >= state.woken and core.now - sure <= stale_ms,
        "woken": state.woken,
        "resting": state.resting,
        "relays": [
            {
                "address": address,
                "peer": peer_of(address),
                "why": why,
                "state": _state(core, address),
                "since": state.dialled.get(address, 0),
                "reconciled": state.synced.get(peer_of(address), 0),
            }
            for address, why in found.items()
        ],
        "operators": len({operator(one): None for one, why in found.items() if why not in STRANGERS}),
    }


def _state(core: Core, address: str) -> str:
    if _linked(core, address):
        return "linked"
    if address not in core.relays.dialled:
        return "spare"
    return "trying" if core.relays.dialled[address] + core.settings.sync_ms > core.now else "lost"
