"""`FakeMesh`: the five verbs of `node.mesh.MeshClient` over dictionaries, for tests of the daemon.

Peers that share a `Hub` reach one another; nothing is verified, nothing is lost unless a test says so. Events arrive as
in the real client: one at a time, in order, through `on_event`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from node.mesh import (
    Acknowledged,
    Connected,
    Disconnected,
    Measured,
    MeshConfig,
    MeshError,
    MeshEvent,
    Message,
    Overflow,
    Received,
    Restarted,
)


@dataclass
class Hub:
    """The network: who is there, and what was said, as (from, to, verb, payload)."""

    meshes: dict[str, FakeMesh] = field(default_factory=dict)
    said: list[tuple[str, str, str, object]] = field(default_factory=list)


class FakeMesh:
    """Same verbs, same events. `peer_id` is the key seed in hexadecimal, its only address `fake/<peer_id>`."""

    def __init__(self, config: MeshConfig, on_event: Callable[[MeshEvent], Awaitable[None]], hub: Hub) -> None:
        self.peer_id = config.key_seed.hex()
        self.addresses = [f"fake/{self.peer_id}"]
        self.pid = 0
        self.restarts = 0
        self.announced: Sequence[str] = ()
        self.dropped: list[tuple[str, str]] = []
        self._hub, self._on_event = hub, on_event
        self._dialled: list[str] = []
        self._peers: dict[str, int] = {}  # connected peer → batches sent to it
        self._events: asyncio.Queue[MeshEvent] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Be there. Raises MeshError when the same id is there already."""
        if self.peer_id in self._hub.meshes:
            raise MeshError("the mesh did not start: its address is in use")
        self._hub.meshes[self.peer_id] = self
        self._pump = asyncio.create_task(self._deliver())
        for other in list(self._hub.meshes.values()):
            if self.addresses[0] in other._dialled:
                other._connect(self)

    async def publish(self, peers: Sequence[str], raws: Sequence[bytes]) -> None:
        """One batch to each connected peer."""
        for peer in peers:
            if peer in self._peers and raws:
                self._peers[peer] += 1
                self._tell(peer, "records", Received(self.peer_id, self._peers[peer], tuple(raws)))

    async def send(self, peer: str, message: bytes) -> None:
        """One message to a connected peer."""
        self._tell(peer, "message", Message(self.peer_id, message))

    async def forget(self, peer: str) -> None:
        """Dial this peer no more, and part from it."""
        self._dialled = [one for one in self._dialled if one != f"fake/{peer}"]
        self.disconnect(peer)

    async def dial(self, address: str, learned: bool = False) -> None:
        """Be connected to whoever has this address, now or when they appear."""
        if address not in self._dialled:
            self._dialled.append(address)
            other = self._hub.meshes.get(address.removeprefix("fake/"))
            if other is not None:
                self._connect(other)

    async def acknowledge(self, peer: str, batch: int, codes: Sequence[str]) -> None:
        """Tell the peer that its batch is committed."""
        self._tell(peer, "ack", Acknowledged(self.peer_id, batch, tuple(codes)))

    async def handled(self, peer: str, size: int) -> None:
        """Nobody is paused here."""

    async def drop(self, peer: str, code: str) -> None:
        """Close the connection; the test sees it in `dropped`."""
        self.dropped.append((peer, code))
        self.disconnect(peer, f"{code} dropped by this node".strip())

    async def measure(self) -> Measured | None:
        """It does not say how its connections fare."""
        return None

    async def stop(self) -> None:
        """Be gone."""
        for peer in list(self._peers):
            self.disconnect(peer, "closed")
        self._hub.meshes.pop(self.peer_id, None)
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    def disconnect(self, peer: str, reason: str = "closed") -> None:
        """A test cuts the line."""
        if self._peers.pop(peer, None) is not None:
            self._events.put_nowait(Disconnected(peer, reason))
            other = self._hub.meshes.get(peer)
            if other is not None:
                other.disconnect(self.peer_id, reason)

    def reconnect(self) -> None:
        """A test mends every line that was dialled."""
        for address in self._dialled:
            other = self._hub.meshes.get(address.removeprefix("fake/"))
            if other is not None:
                self._connect(other)

    def crash(self) -> None:
        """The mesh process dies and comes back: every line is lost, and dialled again."""
        for peer in list(self._peers):
            self.disconnect(peer, "the mesh process ended")
        self.restarts += 1
        self._events.put_nowait(Restarted())
        for mesh in self._hub.meshes.values():
            mesh.reconnect()

    def overflow(self, peer: str) -> None:
        """The queue to this peer was full."""
        self._events.put_nowait(Overflow(peer))

    def _connect(self, other: FakeMesh) -> None:
        if other is not self and other.peer_id not in self._peers:
            self._peers[other.peer_id] = other._peers[self.peer_id] = 0
            self._events.put_nowait(Connected(other.peer_id, other.addresses[0], True))
            other._events.put_nowait(Connected(self.peer_id, self.addresses[0], False))

    def _tell(self, peer: str, verb: str, event: Received | Message | Acknowledged) -> None:
        if peer in self._peers:
            payload: object = event.data if isinstance(event, Message) else event.batch
            self._hub.said.append((self.peer_id, peer, verb, payload))
            self._hub.meshes[peer]._events.put_nowait(event)

    async def _deliver(self) -> None:
        while True:
            await self._on_event(await self._events.get())
