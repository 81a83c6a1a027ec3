"""Real mesh processes that meet over WebSockets, in the open and behind a proxy that does the TLS (03-mesh, MSH-40)."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, Ping, Pong, Request, TextMessage

from node.mesh import Connected, Limits, MeshError
from node.mesh.gate import Gate
from tests.towns import PATIENCE_S, Villager, record, village

WEB = ("/ip4/127.0.0.1/tcp/0/ws",)
BRISK = Limits(upgrade_ms_max=2_000)


def run(story: Coroutine[Any, Any, None]) -> None:
    """A story on a loop of its own, with an end."""
    asyncio.run(asyncio.wait_for(story, 2 * PATIENCE_S))


def test_records_travel_over_a_websocket_as_over_tcp() -> None:
    """MSH-40: both ways, more than one message and one window hold"""

    async def story() -> None:
        async with village(WEB, ()) as (relay, home):
            assert relay.address.endswith(f"/ws/p2p/{relay.mesh.peer_id}")
            await home.meet(relay)
            raws = [record(number, 3000) for number in range(500)]
            await home.mesh.publish([relay.mesh.peer_id], raws)
            assert await relay.count(500) == raws
            await relay.mesh.publish([home.mesh.peer_id], raws[:100])
            assert await home.count(100) == raws[:100]
            assert await home.echo(relay) < PATIENCE_S

    run(story())


def certificate(folder: Path, name: str) -> Path:
    """A key and a certificate of its own for `name`, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    since = datetime.datetime(2020, 1, 1)
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + datetime.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    path = folder / "relay.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def proxy(pem: Path, port: int) -> AsyncIterator[int]:
    """Takes TLS off and passes bytes on to a port of this machine; the port that it listens at."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def test_a_relay_behind_a_proxy_that_does_the_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MSH-40: wss, with a certificate that the dialler can check"""
    pem = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))

    async def story() -> None:
        async with village(WEB, ()) as (relay, home), proxy(pem, relay.port) as port:
            await home.mesh.dial(f"/dns4/localhost/tcp/{port}/wss/p2p/{relay.mesh.peer_id}")
            await home.wait(Connected)
            assert await home.echo(relay) < PATIENCE_S

    run(story())


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MSH-40: the dialler never gets as far as Noise; the same proxy with the right name is the control above"""
    pem = certificate(tmp_path, "elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    log = tmp_path / "mesh.log"

    async def story() -> None:
        async with village(WEB) as (relay,), proxy(pem, relay.port) as port:
            home = Villager(b"9" * 32, (), BRISK, log_path=log)
            await home.mesh.start()
            try:
                await home.mesh.dial(f"/dns4/localhost/tcp/{port}/wss/p2p/{relay.mesh.peer_id}")
                async with asyncio.timeout(PATIENCE_S):
                    while "certificate" not in log.read_text().lower():
                        await asyncio.to_thread(log.stat)
                assert not home.events
            finally:
                await home.mesh.stop()

    run(story())


def test_tls_is_not_for_the_listener() -> None:
    """MSH-17, MSH-40"""

    async def story() -> None:
        villager = Villager(b"1" * 32, ("/ip4/127.0.0.1/tcp/0/wss",), BRISK)
        with pytest.raises(MeshError, match="say /ws"):
            await villager.mesh.start()
        await villager.mesh.stop()

    run(story())


async def _said(port: int, data: bytes) -> bytes:
    """All that a listener says to these bytes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


class Caller:
    """A WebSocket client that opens as it should and then does what it likes."""

    def __init__(self) -> None:
        self.connection = WSConnection(ConnectionType.CLIENT)

    async def open(self, port: int) -> None:
        """The opening, up to the listener's consent."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.writer.write(self.connection.send(Request(host="x", target="/any?thing")))
        assert isinstance((await self.hear())[0], AcceptConnection)

    async def hear(self) -> list[Any]:
        """What the next bytes amount to; an empty list when the listener has closed."""
        data = await self.reader.read(65_536)
        self.connection.receive_data(data or None)
        return [event for event in self.connection.events() if data]

    async def until_closed(self) -> list[Any]:
        """Everything until the listener closes."""
        heard: list[Any] = []
        try:
            while events := await self.hear():
                heard += events
        except ConnectionResetError:
            pass
        self.writer.close()
        return heard


@pytest.mark.parametrize(
    "opening",
    [
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n",
        b"\x00" * 4096,
        b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"y" * 60_000,
        b"GET / HTTP/1.1\r\n",
    ],
    ids=["get", "post", "old version", "no http", "endless header", "half"],
)
def test_what_opens_no_websocket_is_told_so_or_cut_off(opening: bytes) -> None:
    """MSH-41"""

    async def story() -> None:
        async with village(WEB, (), limits=BRISK) as (relay, home):
            said = await _said(relay.port, opening)
            assert said == b"" or said.startswith(b"HTTP/1.1 4")
            await home.meet(relay)

    run(story())


PESTS: dict[str, tuple[Any, int]] = {
    "text": (TextMessage("hello"), 1),
    "pings": (Ping(b"?"), 500),
    "pongs": (Pong(b"?"), 20_000),
    "nothing": (BytesMessage(b""), 20_000),
}


def test_a_listener_says_nothing_before_the_dialler_has_spoken() -> None:
    """MSH-41: some diallers lose what comes with the consent"""

    async def story() -> None:
        async with village(WEB, ()) as (relay, home):
            caller = Caller()
            await caller.open(relay.port)
            caller.writer.write(caller.connection.send(Ping(b"?")))
            while not (heard := await caller.hear()):
                pass
            assert [type(one) for one in heard] == [Pong], "its first line would have come before"
            caller.writer.write(caller.connection.send(BytesMessage(b"\x13/multistream/1.0.0\n")))
            assert b"/multistream/1.0.0" in (await caller.hear())[0].data
            caller.writer.close()
            await home.meet(relay)

    run(story())


@pytest.mark.parametrize("pest", PESTS)
def test_who_misuses_a_websocket_is_cut_off(pest: str) -> None:
    """MSH-42"""

    async def story() -> None:
        async with village(WEB, (), limits=Limits(upgrade_ms_max=20_000)) as (relay, home):
            caller = Caller()
            await caller.open(relay.port)
            caller.writer.write(caller.connection.send(Ping(b"?")))
            assert isinstance((await caller.hear())[0], Pong), "one ping is answered"
            event, times = PESTS[pest]
            began = asyncio.get_running_loop().time()
            caller.writer.write(b"".join(caller.connection.send(event) for _ in range(times)))
            heard = await caller.until_closed()
            assert asyncio.get_running_loop().time() - began < 15, "not merely its time to say HELLO that ran out"
            assert len(heard) < 120
            await home.meet(relay)

    run(story())


def test_a_proxy_of_this_machine_may_name_the_source() -> None:
    """MSH-43: and nobody else may"""
    gate = Gate(Limits(half_open_max=100, half_open_per_ip_max=2))
    behind = [gate.knock("127.0.0.1")[0] for _ in range(2)]
    assert [gate.name_source(ticket, "127.0.0.1", "10.0.0.1") for ticket in behind] == [None, None]
    assert gate.knock("127.0.0.1")[1] is None, "the first two no longer count as the proxy's"
    third = gate.knock("127.0.0.1")[0]
    assert gate.name_source(third, "127.0.0.1", "10.0.0.1") == behind[0]
    liar = gate.knock("10.0.0.9")[0]
    assert gate.name_source(liar, "10.0.0.9", "10.0.0.1") is None, "not believed, so nobody is evicted for it"
    assert gate.name_source(third, "127.0.0.1", "nonsense") is None
    assert gate.name_source(999, "::1", str(ip_address("2001:db8::1"))) is None
