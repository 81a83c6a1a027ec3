"""The mesh process: listeners, dialling and the daemon's commands; run as `python -m node.mesh.process FD`.

Decides who is connected and who is dialled; what happens on a connection is in `connection`, who may have one in
`gate`. Whatever a peer makes the library raise ends in `_minded_upgrade`. Spec: 03-mesh, MSH-14, MSH-15 and MSH-19.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import socket
import sys
from dataclasses import astuple
from functools import partial
from typing import Any

import trio

from node.mesh import hardening
from node.mesh.bridge import (
    BRIDGE_BYTES_MAX,
    Acknowledge,
    Command,
    Dial,
    Disconnected,
    Drop,
    Failed,
    Forget,
    Handled,
    Limits,
    Measure,
    Measured,
    Publish,
    Ready,
    Report,
    Send,
    Start,
    encode_item,
    parse_item,
)
from node.mesh.connection import READ_BYTES, Connection, now_ms
from node.mesh.gate import Gate
from node.mesh.link import ACK_MS_MAX, Link
from node.mesh.reach import refused
from node.mesh.verifier import Verifier
from node.mesh.wire import Address, Splitter, parse_address
from protocol.errors import Reject

_REDIAL_MS_FIRST, _REDIAL_MS_MAX = 200, 30_000  # (g)
_LEARNED_TRIES_MAX = 8  # (g) over about half a minute
_FORGET_S = 1.0  # for what is said in parting
_TURN_COMMANDS = 16  # (g) after so many the connections have their turn
_LOG = logging.getLogger("wltm.mesh")


class Mesh:
    """All connections of one node."""

    def __init__(self, bridge: trio.SocketStream, start: Start, nursery: trio.Nursery) -> None:
        self._bridge, self._nursery = bridge, nursery
        self._network = start.network
        self._limits = Limits(*start.limits)
        self.upgrade_s = self._limits.upgrade_ms_max / 1000
        self._identity = hardening.Identity(start.key_seed)
        self._announce = [f"{one}/p2p/{self._identity.peer}" for one in start.announce]
        self._verifier = Verifier(start.network)
        self._gate = Gate(self._limits)
        self._speaking = trio.Lock()
        self._acknowledging = trio.Event()  # ACKs may wait
        self._peers: dict[str, Connection] = {}
        self._scopes: dict[int, trio.CancelScope] = {}
        self._dialled: dict[str, trio.CancelScope] = {}
        self._bytes_in = self._bytes_out = 0  # of connections that are gone

    async def listen(self, addresses: tuple[str, ...]) -> None:
        """Open every listener and report Ready. Raises Reject or OSError."""
        bound: list[str] = []
        for text in filter(None, addresses):
            address = parse_address(text)
            try:
                if address.transport == "wss":
                    raise Reject("MSH-17", f"cannot listen on {text}: say /ws, and let a proxy in front do the TLS")
                listeners = await trio.open_tcp_listeners(address.port, host=address.host, backlog=512)
            except OSError as error:
                raise OSError(f"cannot listen on {text}: {error.strerror or error}") from None
            for listener in listeners:
                host, port = listener.socket.getsockname()[:2]
                where = Address(address.family, str(host), int(port), self._identity.peer, address.transport)
                bound.append(str(where))
            self._nursery.start_soon(trio.serve_listeners, partial(self._inbound, address.transport), listeners)
        await self.report(Ready(self._identity.peer, tuple(bound)))

    async def hasten(self) -> None:
        """For ever: let no ACK of a small batch wait for others much longer than it may (MSH-8)."""
        while True:
            await self._acknowledging.wait()
            self._acknowledging = trio.Event()
            await trio.sleep(ACK_MS_MAX / 1000)
            for connection in self._peers.values():
                connection.link.hasten()
                connection.stir()

    async def report(self, *reports: Report) -> None:
        """Tell the daemon. Waits for it in turn with the other tasks, so that no peer can crowd out another."""
        async with self._speaking:
            await self._bridge.send_all(b"".join(map(encode_item, reports)))

    def blame(self, peer: str, ticket: int) -> None:
        """Refuse this peer for a while (MSH-14), and in the end its address (MSH-31)."""
        self._gate.ban(peer, now_ms(), ticket)

    def obey(self, command: Command) -> None:
        """Carry out one command. Never waits: the daemon may be waiting for us to read on."""
        match command:
            case Publish(peers, raws):
                for peer in peers:
                    if (connection := self._peers.get(peer)) is not None:
                        overflow = connection.link.publish(raws)
                        connection.stir()
                        if overflow is not None:
                            self._nursery.start_soon(self.report, overflow)
            case Send(peer, data):
                if (connection := self._peers.get(peer)) is not None:
                    if connection.link.send(data):
                        connection.stir()
                    else:
                        connection.close("MSH-10 reads too slowly")
            case Acknowledge(peer, batch, codes):
                if (connection := self._peers.get(peer)) is not None and connection.link.acknowledge(batch, codes):
                    connection.stir()
                    connection.room.set()
                    self._acknowledging.set()
            case Handled(peer, size):
                if (connection := self._peers.get(peer)) is not None:
                    connection.link.handled(size)
                    connection.room.set()
            case Dial(text, kinds):
                address = parse_address(text)
                if text not in self._dialled and address.peer not in ("", self._identity.peer):
                    self._dialled[text] = trio.CancelScope()
                    self._nursery.start_soon(self._keep, text, address, kinds)
            case Forget(peer):
                for text in [one for one in self._dialled if parse_address(one).peer == peer]:
                    self._dialled.pop(text).deadline = trio.current_time() + _FORGET_S
                if (connection := self._peers.get(peer)) is not None:
                    connection.close("hung up by this node")
            case Measure():
                self._nursery.start_soon(self.report, self._measured())
            case Drop(peer, code):
                connection = self._peers.get(peer)
                if code:
                    self._gate.ban(peer, now_ms(), connection.ticket if connection is not None else 0)
                if connection is not None:
                    connection.close(f"{code} dropped by this node".strip(), code)
            case Start():
                raise Reject("MSH-16", "bridge: a second start")

    def _measured(self) -> Measured:
        there = {peer: (one.link.address, one.link.traffic(now_ms())) for peer, one in self._peers.items()}
        traffic = [one for _, one in there.values()]
        totals = (
            self._bytes_in + sum(one.bytes_in for one in traffic),
            self._bytes_out + sum(one.bytes_out for one in traffic),
            *self._gate.counts,
        )
        numbers = tuple(number for one in traffic for number in astuple(one))
        return Measured(tuple(there), tuple(address for address, _ in there.values()), numbers, totals)

    async def _inbound(self, transport: str, tcp: trio.SocketStream) -> None:
        try:
            host, port = tcp.socket.getpeername()[:2]
        except OSError:
            host, port = "0.0.0.0", 0
        if self._gate.refuses(str(host), now_ms()):
            await trio.aclose_forcefully(tcp)
            return
        ticket, evicted = self._gate.knock(str(host))
        if evicted is not None:
            self._scopes[evicted].cancel()
        family = "ip6" if ":" in str(host) else "ip4"
        with trio.move_on_after(self.upgrade_s) as scope:
            self._scopes[ticket] = scope
            try:
                await self._minded_upgrade(tcp, Address(family, str(host), int(port), "", transport), scope, ticket)
            finally:
                del self._scopes[ticket]
                self._gate.leave(ticket)
                await trio.aclose_forcefully(tcp)

    async def _keep(self, text: str, address: Address, kinds: tuple[str, ...]) -> None:
        """Be connected to `address` until told to forget it, at growing intervals while it cannot be reached (MSH-19).

        With `kinds`, a stranger named it: it is given up when it answers to none of some attempts (GOS-60).
        """
        scope = self._dialled[text]
        wait_ms, failures = _REDIAL_MS_FIRST, 0
        with scope:
            while not kinds or failures < _LEARNED_TRIES_MAX:
                if (connection := self._peers.get(address.peer)) is not None:
                    await connection.gone.wait()
                    wait_ms = _REDIAL_MS_FIRST
                else:
                    reached = await self._outbound(address, kinds)
                    wait_ms = _REDIAL_MS_FIRST if reached else min(2 * wait_ms, _REDIAL_MS_MAX)
                    failures = 0 if reached else failures + 1
                banned_ms = self._gate.banned_until(address.peer, now_ms()) - now_ms()
                await trio.sleep(max(banned_ms, wait_ms * random.uniform(0.5, 1.5)) / 1000)
        if self._dialled.get(text) is scope:
            del self._dialled[text]

    async def _outbound(self, address: Address, kinds: tuple[str, ...]) -> bool:
        """One attempt, and the whole conversation if it succeeds; whether both sides said HELLO."""
        reached = False
        with trio.move_on_after(self.upgrade_s) as scope:
            try:
                host = await _judged(address, kinds) if kinds else address.host
                tcp = await trio.open_tcp_stream(host, address.port)
            except (OSError, ValueError) as error:
                _LOG.info("dial %s: %s", address, error)
                return False
            try:
                connection = await self._minded_upgrade(tcp, address, scope, 0)
                reached = connection is not None and connection.announced
            finally:
                await trio.aclose_forcefully(tcp)
        return reached

    async def _minded_upgrade(
        self, tcp: trio.SocketStream, address: Address, scope: trio.CancelScope, ticket: int
    ) -> Connection | None:
        """Secure the socket, then converse on it. Whatever the peer makes the library raise ends here."""
        try:
            wire = tcp if address.transport == "tcp" else await self._web(tcp, address, ticket)
            if address.peer:
                peer, muxer = await self._identity.connect(wire, address.peer)
            else:
                peer, muxer = await self._identity.accept(wire)
        except MemoryError:
            hardening.end_for_memory()
        except Exception as error:
            _LOG.info("%s: no connection: %s %s", address, type(error).__name__, error)
            return None
        if peer == self._identity.peer or self._gate.banned_until(peer, now_ms()) > now_ms():
            return None
        parts = self._network, self._verifier.check_all, peer, str(address), bool(address.peer)
        link = Link(*parts, self._limits, now_ms(), self._announce)
        connection = Connection(self, muxer, link, scope, ticket)
        try:
            await connection.converse()
        finally:
            await self._forget(connection)
        return connection

    async def _web(self, tcp: trio.SocketStream, address: Address, ticket: int) -> Any:
        """The WebSocket on a socket (MSH-40)."""
        from node.mesh import websocket  # many nodes never meet one

        if address.peer:
            wire = await websocket.secured(tcp, address.host) if address.transport == "wss" else tcp
            return await websocket.WebSocketStream.connect(wire, address.host)
        stream = await websocket.WebSocketStream.accept(tcp)
        evicted = self._gate.name_source(ticket, address.host, stream.forwarded_for)
        if evicted is not None:
            self._scopes[evicted].cancel()
        if self._gate.refuses_named(ticket, now_ms()):
            raise OSError("MSH-31: too many faults came from where the proxy says it comes from")
        return stream

    async def admit(self, connection: Connection) -> bool:
        """Whether a peer that has said HELLO may stay, and which of two connections to it does (MSH-15, MSH-18)."""
        link = connection.link
        if (evicted := self._gate.displaced(connection.ticket)) is not None:
            for crowded in [one for one in self._peers.values() if one.ticket == evicted]:
                crowded.close("MSH-18 gave its place to a newcomer", "MSH-18")
        if connection.ticket and not self._gate.enter(connection.ticket):
            connection.close("MSH-18 too many connections", "MSH-18")
            return False
        while (other := self._peers.get(link.peer)) is not None:  # again: another may have come while we told of one
            ours_first = self._identity.peer < link.peer
            if other.link.outbound != link.outbound and link.outbound != ours_first:
                connection.close("MSH-15 connected already", "MSH-15")
                return False
            other.close("MSH-15 replaced by a newer connection", "MSH-15")
            await self._farewell(other)
        self._peers[link.peer] = connection
        connection.announced = True
        connection.scope.deadline = float("inf")
        _LOG.info("%s: connected at %s", link.peer, link.address)
        return True

    async def _farewell(self, connection: Connection) -> None:
        if self._peers.get(connection.link.peer) is connection:
            del self._peers[connection.link.peer]
            traffic = connection.link.traffic(now_ms())
            self._bytes_in += traffic.bytes_in
            self._bytes_out += traffic.bytes_out
            connection.gone.set()
            reason = connection.reason or "closed"
            _LOG.info("%s: disconnected: %s", connection.link.peer, reason)
            await self.report(Disconnected(connection.link.peer, reason))

    async def _forget(self, connection: Connection) -> None:
        with trio.CancelScope(shield=True):
            await self._farewell(connection)


async def _judged(address: Address, kinds: tuple[str, ...]) -> str:
    """The numeric host of an address that a stranger named; OSError when any that its name has is refused (GOS-60)."""
    found = await trio.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    hosts = [str(sockaddr[0]) for *_, sockaddr in found]
    for why in filter(None, (refused(host, address.port, kinds) for host in hosts)):
        raise OSError(why)
    return hosts[0]


async def _commands(bridge: trio.SocketStream) -> Any:
    splitter = Splitter(BRIDGE_BYTES_MAX)
    while data := await bridge.receive_some(READ_BYTES):
        for body in splitter.feed(data):
            yield parse_item(body)


async def main(descriptor: int) -> None:
    """Serve the daemon at the other end of the socket `descriptor` until it closes it."""
    bridge = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=descriptor)))
    commands = _commands(bridge)
    start = await anext(commands, None)
    if not isinstance(start, Start):
        return
    hardening.bind_to_parent(start.parent_pid)
    hardening.bound_memory(Limits(*start.limits).memory_bytes_max)
    async with trio.open_nursery() as nursery:
        mesh = Mesh(bridge, start, nursery)
        try:
            await mesh.listen(start.listen)
        except (OSError, Reject) as error:
            await mesh.report(Failed(error.message if isinstance(error, Reject) else str(error)))
        else:
            nursery.start_soon(mesh.hasten)
            number = 0
            async for command in commands:
                mesh.obey(command)
                number += 1
                if number % _TURN_COMMANDS == 0:  # or a burst would fill the queue of a peer that reads fast (MSH-10)
                    await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the daemon decides when we end
    _handler = logging.StreamHandler()
    _handler.addFilter(hardening.Sparing())
    logging.basicConfig(handlers=[_handler], level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)
    _LOG.setLevel(logging.INFO)
    try:
        trio.run(main, int(sys.argv[1]))
    except MemoryError:
        hardening.end_for_memory()
    except (trio.BrokenResourceError, trio.ClosedResourceError, BaseExceptionGroup) as gone:
        _LOG.info("ended: %s", gone)
    os._exit(0)  # nothing here outlives its sockets, and a library's thread must not hold us back
