"""Who may connect: sockets that have not said who they are, connections per address, and peers at fault.

Decides admission by counting; never opens or closes anything itself. Spec: 03-mesh, MSH-14 and MSH-18.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

from node.mesh.bridge import Limits

BANS_MAX = 4096  # (g)
_CROWD_SHARE = 16  # MSH-18 (g), of the places


class Gate:
    """Counts of one process. A ticket is the number of one accepted socket until `leave`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tickets = 0
        self._half_open: dict[int, str] = {}  # ticket → source, oldest first
        self._open: dict[int, str] = {}
        self._bans: dict[str, int] = {}  # peer → until, oldest first
        self._faults: dict[str, tuple[int, int]] = {}  # source → how many, until when they count; oldest first

    def knock(self, ip: str) -> tuple[int, int | None]:
        """A ticket for a new socket, and the ticket that must make room for it, if any (MSH-18).

        The one to go is the oldest of the same source, or of the source with most: a handshake takes milliseconds, so
        whoever has waited longest is the least likely to be honest, and honest peers get in while idle sockets pile up.
        """
        self._tickets += 1
        return self._tickets, self._place(self._tickets, _source(ip))

    def name_source(self, ticket: int, ip: str, forwarded_for: str) -> int | None:
        """A proxy at `ip` says whom a half-open socket is for; believed of this machine only (MSH-43). As `knock`."""
        try:
            source = _source(forwarded_for)
        except ValueError:
            return None
        if ticket not in self._half_open or not ip_address(ip.partition("%")[0]).is_loopback:
            return None
        return self._place(ticket, source)

    def _place(self, ticket: int, source: str) -> int | None:
        self._half_open[ticket] = source
        counts = Counter(self._half_open.values())
        if counts[source] > self._limits.half_open_per_ip_max:
            crowd = source
        elif len(self._half_open) > self._limits.half_open_max:
            crowd = counts.most_common(1)[0][0]
        else:
            return None
        evicted = next(ticket for ticket, at in self._half_open.items() if at == crowd)
        del self._half_open[evicted]
        return evicted

    def enter(self, ticket: int) -> bool:
        """Whether a socket that has proved who it is may stay."""
        source = self._half_open.pop(ticket, None)
        if source is None or len(self._open) >= self._limits.inbound_max:
            return False
        if Counter(self._open.values())[source] >= self._limits.inbound_per_ip_max:
            return False
        self._open[ticket] = source
        return True

    def displaced(self, ticket: int) -> int | None:
        """The ticket that gives its place to a socket that has proved who it is, when all are taken (MSH-18).

        Of a source that has many it is the youngest: whoever else lives there has most likely stayed for longer.
        """
        source = self._half_open.get(ticket)
        if source is None or len(self._open) < self._limits.inbound_max:
            return None
        counts = Counter(self._open.values())
        crowd, most = counts.most_common(1)[0]
        if most <= max(self._limits.inbound_max // _CROWD_SHARE, counts[source] + 1):
            return None
        evicted = next(ticket for ticket, at in reversed(self._open.items()) if at == crowd)
        del self._open[evicted]
        return evicted

    def leave(self, ticket: int) -> None:
        """The socket is closed, however far it had come."""
        self._half_open.pop(ticket, None)
        self._open.pop(ticket, None)

    def refuses(self, ip: str, now_ms: int) -> bool:
        """Whether a new socket is closed at once: too many faults came from its source lately (MSH-31)."""
        return self._worn(_source(ip), now_ms)

    def refuses_named(self, ticket: int, now_ms: int) -> bool:
        """The same of a half-open socket, once a proxy has said whom it is for."""
        return self._worn(self._half_open.get(ticket, ""), now_ms)

    def _worn(self, source: str, now_ms: int) -> bool:
        count, until = self._faults.get(source, (0, 0))
        return count >= self._limits.faults_per_ip_max and now_ms < until

    def ban(self, peer: str, now_ms: int, ticket: int = 0) -> None:
        """Refuse this peer for a while (MSH-14), and note the fault of the source of its socket, if it came in."""
        source = self._open.get(ticket) or self._half_open.get(ticket)
        if source is not None:
            count, until = self._faults.pop(source, (0, 0))
            if len(self._faults) >= BANS_MAX:
                del self._faults[next(iter(self._faults))]
            self._faults[source] = (count if now_ms < until else 0) + 1, now_ms + self._limits.ban_ms
        self._bans.pop(peer, None)
        if len(self._bans) >= BANS_MAX:
            del self._bans[next(iter(self._bans))]
        self._bans[peer] = now_ms + self._limits.ban_ms

    def banned_until(self, peer: str, now_ms: int) -> int:
        """When this peer is welcome again; a time in the past when it is welcome now."""
        until = self._bans.get(peer, now_ms)
        if until <= now_ms:
            self._bans.pop(peer, None)
        return until

    @property
    def counts(self) -> tuple[int, int, int]:
        """Half-open sockets, open inbound connections, bans."""
        return len(self._half_open), len(self._open), len(self._bans)


def _source(ip: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 that one IPv6 customer is given."""
    address = ip_address(ip.partition("%")[0])
    if address.version == 4:
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return address.exploded[:19]
