"""Real mesh processes for tests: each `Villager` is a MeshClient that writes down its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from node.mesh import Connected, Limits, MeshClient, MeshConfig, MeshEvent, Message, Received, weight
from node.mesh.wire import parse_address
from protocol.identity import Persona
from protocol.record.record import Record

NETWORK = bytes(range(32))
AUTHOR = Persona.from_seed(b"t" * 32)
PATIENCE_S = 60.0  # for machines that do much else
LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)
E = TypeVar("E", bound=MeshEvent)


def record(number: int, pad: int = 200) -> bytes:
    """Record `number` of a kind that any node carries and none reads."""
    body = {"number": number, "pad": "x" * pad}
    return Record.sign(AUTHOR, NETWORK, "test.1", "coop/mesh", body, created=number, expires=number + 60_000).raw


class Villager:
    """A node without a daemon: it keeps every event and, if told to, acknowledges every batch."""

    def __init__(
        self,
        seed: bytes,
        listen: tuple[str, ...],
        limits: Limits,
        network: bytes = NETWORK,
        log_path: Path | None = None,
    ) -> None:
        self.mesh = MeshClient(MeshConfig(network, seed, listen, log_path, limits), self._on_event)
        self.events: list[MeshEvent] = []
        self.acknowledges = True
        self.busy_with = ""  # the peer whose messages it has not dealt with yet
        self._news = asyncio.Condition()

    @property
    def address(self) -> str:
        """Where others dial it."""
        return self.mesh.addresses[0]

    @property
    def port(self) -> int:
        """The port of its only address."""
        return parse_address(self.address).port

    async def wait(self, kind: type[E], test: Callable[[E], bool] = lambda event: True) -> E:
        """The first event of this kind that passes, now or later, taken out of `events`. Raises TimeoutError."""
        async with self._news:
            while True:
                for at, event in enumerate(self.events):
                    if isinstance(event, kind) and test(event):
                        return self.events.pop(at)  # type: ignore[return-value]
                await asyncio.wait_for(self._news.wait(), PATIENCE_S)

    async def count(self, records: int) -> list[bytes]:
        """The raws of all batches, once there are this many."""
        got: list[bytes] = []
        while len(got) < records:
            got += (await self.wait(Received)).raws
        return got

    async def meet(self, other: Villager) -> None:
        """Dial, and wait until both know."""
        await self.mesh.dial(other.address)
        await self.wait(Connected, lambda event: event.peer == other.mesh.peer_id)
        await other.wait(Connected, lambda event: event.peer == self.mesh.peer_id)

    async def echo(self, other: Villager, text: bytes = b"are you there?") -> float:
        """Seconds for one message to a peer and one back."""
        clock = asyncio.get_running_loop().time
        began = clock()
        await self.mesh.send(other.mesh.peer_id, text)
        await other.wait(Message, lambda event: event.data == text and event.peer == self.mesh.peer_id)
        await other.mesh.send(self.mesh.peer_id, text[::-1])
        await self.wait(Message, lambda event: event.data == text[::-1])
        return clock() - began

    async def _on_event(self, event: MeshEvent) -> None:
        if isinstance(event, Received) and self.acknowledges:
            await self.mesh.acknowledge(event.peer, event.batch, [""] * len(event.raws))
        elif isinstance(event, Message) and self.acknowledges and event.peer != self.busy_with:
            await self.mesh.handled(event.peer, weight(event))
        async with self._news:
            self.events.append(event)
            self._news.notify_all()


@asynccontextmanager
async def village(*listen: tuple[str, ...], limits: Limits | None = None) -> AsyncIterator[list[Villager]]:
    """One villager for each tuple of listen addresses; all are stopped at the end."""
    everyone = [
        Villager(bytes([number + 1]) * 32, addresses, limits or Limits()) for number, addresses in enumerate(listen)
    ]
    try:
        await asyncio.gather(*(villager.mesh.start() for villager in everyone))
        yield everyone
    finally:
        await asyncio.gather(*(villager.mesh.stop() for villager in everyone))
