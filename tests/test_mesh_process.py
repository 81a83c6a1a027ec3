"""Real mesh processes over real libp2p on loopback: what the daemon may rely on, and what it survives."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from node.mesh import (
    Acknowledged,
    Connected,
    Disconnected,
    Limits,
    MeshError,
    MeshEvent,
    Message,
    Received,
    Restarted,
    Traffic,
)
from node.mesh import client as mesh_client
from tests.towns import LOOPBACK, PATIENCE_S, Villager, record, village

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[1]
BRISK = Limits(ping_interval_ms=500, silence_ms_max=2_000)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc and pidfd are Linux's")


def run(story: Coroutine[Any, Any, None]) -> None:
    """A story on a loop of its own, with an end."""
    asyncio.run(asyncio.wait_for(story, 2 * PATIENCE_S))


def test_records_arrive_verified_in_order_and_are_acknowledged() -> None:
    """MSH-1, MSH-3, MSH-8, MSH-9"""

    async def story() -> None:
        async with village(LOOPBACK, ()) as (relay, home):
            assert home.mesh.addresses == [], "a home node listens nowhere"
            await home.meet(relay)
            raws = [record(number) for number in range(3000)]
            await home.mesh.publish([relay.mesh.peer_id, "nobody"], raws)
            assert await relay.count(3000) == raws
            acknowledged = 0
            while acknowledged < 3000:
                acknowledged += len((await home.wait(Acknowledged)).codes)
            assert await home.echo(relay) < PATIENCE_S

    run(story())


def test_a_slow_daemon_slows_its_senders_and_only_them() -> None:
    """MSH-7: what is not acknowledged is bounded by the credit"""

    async def story() -> None:
        limits = Limits(credit_units=64)
        async with village(LOOPBACK, (), limits=limits) as (slow, home):
            slow.acknowledges = False
            await home.meet(slow)
            await home.mesh.publish([slow.mesh.peer_id], [record(number) for number in range(500)])
            first = await slow.count(64)
            await home.echo(slow)
            await home.echo(slow)
            assert len(first) == 64
            assert not [event for event in slow.events if isinstance(event, Received)]
            slow.acknowledges = True
            await slow.mesh.acknowledge(home.mesh.peer_id, 1, [""] * 64)
            await slow.count(500 - 64)

    run(story())


def test_a_killed_process_comes_back_where_it_was() -> None:
    """MSH-16, MSH-19"""

    async def story() -> None:
        async with village(LOOPBACK, ()) as (relay, home):
            await home.meet(relay)
            for victim, other in ((relay, home), (home, relay)):
                address, clock = list(victim.mesh.addresses), asyncio.get_running_loop().time
                os.kill(victim.mesh.pid, signal.SIGKILL)
                await victim.wait(Disconnected)
                began = clock()
                await victim.mesh.publish([other.mesh.peer_id], [record(1)])
                await victim.mesh.send(other.mesh.peer_id, b"lost")
                assert clock() - began < 0.1, "calls do not hang on a dead process"
                await victim.wait(Restarted)
                assert victim.mesh.addresses == address
                await other.wait(Disconnected)
                await victim.wait(Connected)
                await other.wait(Connected)
                await home.echo(relay)
            assert (relay.mesh.restarts, home.mesh.restarts) == (1, 1)

    run(story())


PARENT = """
import asyncio, sys
from node.mesh import MeshClient, MeshConfig

async def main():
    async def on_event(event): pass
    mesh = MeshClient(MeshConfig(bytes(32), b"p" * 32, ("/ip4/127.0.0.1/tcp/0",)), on_event)
    await mesh.start()
    print(mesh.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@LINUX
def test_no_process_outlives_its_daemon() -> None:
    """MSH-16: even when the daemon is killed, within a second"""
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        readable, _, _ = select.select([child], [], [], PATIENCE_S)
        os.close(child)
        assert readable, "the mesh process still runs"


async def listens(before: tuple[str, ...]) -> str:
    """Where a fresh process comes to listen that may take any port, and was there before."""

    async def on_event(event: object) -> None: ...

    config = mesh_client.MeshConfig(bytes(32), b"p" * 32, ("/ip4/127.0.0.1/tcp/0",), before=before)
    mesh = mesh_client.MeshClient(config, on_event)
    await mesh.start()
    try:
        return mesh.addresses[0].partition("/p2p/")[0]
    finally:
        await mesh.stop()


def test_after_a_restart_it_listens_where_others_remember_it() -> None:
    """MSH-17: at the port it had; at another when that is taken, or when it was told to listen elsewhere since."""

    async def story() -> None:
        first = await listens(())
        assert await listens((first,)) == first
        elsewhere = first.replace("/ip4/127.0.0.1", "/ip4/127.0.0.2")
        assert await listens((elsewhere,)) != elsewhere
        with socket.create_server(("127.0.0.1", int(first.rpartition("/")[2]))):
            assert await listens((first,)) != first

    run(story())


def test_a_port_in_use_is_one_sentence() -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            villager = Villager(b"x" * 32, (f"/ip4/127.0.0.1/tcp/{port}",), Limits())
            with pytest.raises(MeshError, match=f"cannot listen on /ip4/127.0.0.1/tcp/{port}: .*in use"):
                await villager.mesh.start()

    run(story())


def test_what_cannot_be_dialled_is_one_sentence() -> None:
    """MSH-17"""

    async def story() -> None:
        villager = Villager(b"x" * 32, ("/ip4/127.0.0.1/udp/1",), Limits())
        with pytest.raises(MeshError, match="address"):
            await villager.mesh.start()
        for address in ("nonsense", "/ip4/127.0.0.1/tcp/4001"):
            with pytest.raises(MeshError, match="address"):
                await villager.mesh.dial(address)
        async with village(LOOPBACK, ()) as (relay, home):
            peer = relay.address.partition("/p2p/")[2]
            for host in ("dns/nowhere.invalid", "dns/" + "-" * 63, "ip4/255.255.255.255", "ip6/::"):
                await home.mesh.dial(f"/{host}/tcp/0/p2p/{peer[:-1]}{'abcd'[len(host) % 4]}")
            await home.meet(relay)
            await home.echo(relay)
            assert home.mesh.restarts == 0

    run(story())


def test_who_is_forgotten_is_dialled_no_more_and_parted_from_gently() -> None:
    """MSH-19: another dial begins anew."""

    async def story() -> None:
        async with village(LOOPBACK, ()) as (relay, home):
            await home.meet(relay)
            await home.mesh.forget(relay.mesh.peer_id)
            gone = await relay.wait(Disconnected)
            assert gone.reason == "closed by the peer", "with a GOODBYE, and for no fault"
            await home.wait(Disconnected)
            await home.meet(relay)
            await home.echo(relay)
            assert not [one for one in relay.events if isinstance(one, Connected)]

    run(story())


def test_how_a_connection_fares_can_be_measured() -> None:
    """CLI-43: counts of both ends agree, and outlast the connection."""

    async def story() -> None:
        async with village(LOOPBACK, (), limits=Limits(ping_interval_ms=100)) as (relay, home):
            await home.meet(relay)
            await home.mesh.publish([relay.mesh.peer_id], [record(number) for number in range(50)])
            await relay.count(50)
            await home.wait(Acknowledged)
            while True:
                await home.echo(relay)
                theirs, ours = await relay.mesh.measure(), await home.mesh.measure()
                assert theirs is not None
                assert ours is not None
                far, near = Traffic(*theirs.numbers), Traffic(*ours.numbers)
                if near.ping_ms >= 0:
                    break
            assert (theirs.peers, ours.addresses) == ((home.mesh.peer_id,), (relay.address,))
            assert (near.outbound, far.outbound) == (1, 0)
            assert near.records_out == far.records_in == 50
            assert far.refused == near.queued == 0
            assert near.bytes_out >= far.bytes_in > 50 * 400
            assert 0 <= near.ping_ms < 60_000
            await home.mesh.forget(relay.mesh.peer_id)
            await home.wait(Disconnected)
            gone = await home.mesh.measure()
            assert gone is not None
            assert gone.peers == ()
            assert gone.totals[1] >= near.bytes_out

    run(story())


def test_an_address_that_a_stranger_named_leads_only_where_ours_are() -> None:
    """GOS-60, MSH-17: a home with a relay on this machine may learn of another here; one without may not."""

    async def story() -> None:
        async with village(LOOPBACK, LOOPBACK, ()) as (relay, other, home):
            name = other.address.replace("/ip4/127.0.0.1/", "/dns4/localhost/")
            with pytest.raises(MeshError, match=r"127\.0\.0\.1 is loopback, and nothing of ours is there"):
                await home.mesh.dial(other.address, learned=True)
            await home.mesh.dial(name, learned=True)  # judged where it is resolved: refused, and tried again
            await home.meet(relay)
            await home.mesh.dial(other.address, learned=True)
            connected = await home.wait(Connected)
            assert (connected.peer, connected.address) == (other.mesh.peer_id, other.address)

    run(story())


def test_two_that_dial_each_other_at_once_keep_one_connection() -> None:
    """MSH-15"""

    async def story() -> None:
        async with village(LOOPBACK, LOOPBACK) as (a, b):
            await asyncio.gather(a.mesh.dial(b.address), b.mesh.dial(a.address))
            await asyncio.gather(a.wait(Connected), b.wait(Connected))
            answered = attempts = 0
            while answered < 20:  # what is under way while one connection replaces the other is lost
                attempts += 1
                assert attempts < 40
                with suppress(TimeoutError):
                    await asyncio.wait_for(a.echo(b, b"%d" % attempts), 3)
                    answered += 1
            for villager in (a, b):
                down = sum(isinstance(event, Disconnected) for event in villager.events)
                assert down <= 1, villager.events
                for _ in range(down):
                    await villager.wait(Connected)  # that in its place, which is told of next
                assert not any(isinstance(event, Connected) for event in villager.events), villager.events

    run(story())


def test_a_peer_of_another_network_never_connects() -> None:
    """MSH-5"""

    async def story() -> None:
        async with village(LOOPBACK, ()) as (relay, home):
            stranger = Villager(b"z" * 32, (), Limits(), network=bytes(32))
            await stranger.mesh.start()
            try:
                await stranger.mesh.dial(relay.address)
                await home.meet(relay)
                await home.echo(relay)
                assert stranger.events == relay.events == []
            finally:
                await stranger.mesh.stop()

    run(story())


def test_a_dropped_peer_is_told_why_and_kept_away_for_a_while() -> None:
    """MSH-13, MSH-14"""

    async def story() -> None:
        async with village(LOOPBACK, (), limits=Limits(ban_ms=3_000)) as (relay, home):
            await home.meet(relay)
            clock = asyncio.get_running_loop().time
            began = clock()
            await relay.mesh.drop(home.mesh.peer_id, "MSH-7")
            assert "MSH-7" in (await relay.wait(Disconnected)).reason
            await home.wait(Disconnected)
            await relay.wait(Connected)
            assert clock() - began > 2.5

    run(story())


@LINUX
def test_a_peer_that_stops_without_a_word_is_missed() -> None:
    """MSH-11"""

    async def story() -> None:
        async with village(LOOPBACK, (), limits=BRISK) as (relay, home):
            await home.meet(relay)
            pid = home.mesh.pid
            os.kill(pid, signal.SIGSTOP)
            try:
                assert "MSH-11" in (await relay.wait(Disconnected)).reason
            finally:
                os.kill(pid, signal.SIGCONT)
            await relay.wait(Connected)

    run(story())


@LINUX
def test_a_process_that_reads_nothing_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """MSH-16: one that hangs would hold up the daemon's loop for ever"""
    monkeypatch.setattr("node.mesh.client._STUCK_S_MAX", 1.0)

    async def story() -> None:
        async with village(LOOPBACK, ()) as (relay, home):
            await home.meet(relay)
            os.kill(home.mesh.pid, signal.SIGSTOP)
            for _ in range(2000):
                await home.mesh.send(relay.mesh.peer_id, bytes(1000))
            await home.wait(Connected)
            assert home.mesh.restarts == 1
            assert await home.echo(relay) < PATIENCE_S

    run(story())


def test_a_busy_daemon_does_not_make_its_peers_look_dead() -> None:
    """MSH-11: while reading is suspended on this side"""

    async def story() -> None:
        async with village(LOOPBACK, (), limits=BRISK) as (relay, home):
            busy, entered = asyncio.Event(), asyncio.Event()
            on_event = relay.mesh._on_event

            async def stuck(event: MeshEvent) -> None:
                if isinstance(event, Message) and not busy.is_set():
                    entered.set()
                    await busy.wait()
                await on_event(event)

            await home.meet(relay)
            relay.mesh._on_event = stuck
            for _ in range(30):  # more than the sockets between the two processes hold
                await home.mesh.send(relay.mesh.peer_id, bytes(200_000))
            await entered.wait()
            with pytest.raises(TimeoutError):  # three times the silence that would end a connection
                await asyncio.wait_for(asyncio.Event().wait(), 3 * BRISK.silence_ms_max / 1000)
            busy.set()
            for _ in range(30):
                await relay.wait(Message)
            assert not [event for event in relay.events + home.events if isinstance(event, Disconnected)]

    run(story())


@LINUX
def test_a_process_that_grows_past_its_limit_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """MSH-16"""
    monkeypatch.setattr(mesh_client, "_MEMORY_CHECK_S", 0.2)

    async def story() -> None:
        # Below what any host needs resident, above what it needs of data.
        async with village((), limits=Limits(memory_bytes_max=44 << 20)) as (villager,):
            first = villager.mesh.pid
            await villager.wait(Restarted)
            assert villager.mesh.pid != first

    run(story())


def test_a_process_out_of_memory_ends_and_comes_back() -> None:
    """MSH-16: MemoryError is never swallowed"""

    async def story() -> None:
        hungry = Limits(memory_bytes_max=90 << 20, outbox_bytes_max=1 << 30, outbox_records_max=1 << 20)
        async with village(LOOPBACK, (), limits=hungry) as (full, home):
            home.acknowledges = False
            await home.meet(full)
            raws = [record(number, 3500) for number in range(100)]
            for _ in range(400):
                await full.mesh.publish([home.mesh.peer_id], raws)
            await full.wait(Restarted)
            home.acknowledges = True
            await home.wait(Connected)
            await full.wait(Connected)
            await home.echo(full)

    run(story())


STOCK = """
import sys, trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr
from node.mesh.wire import Hello, Message, Splitter, encode_frame, parse_frame

async def main(address):
    host = new_host(key_pair=create_new_key_pair(b"k" * 32))
    async with host.run(listen_addrs=[]):
        info = info_from_p2p_addr(Multiaddr(address))
        await host.connect(info)
        stream = await host.new_stream(info.peer_id, ["/wltm/mesh/1"])
        await stream.write(encode_frame(Hello(1, bytes(range(32)), {})) )
        splitter, heard = Splitter(), []
        while len(heard) < 2:
            heard += map(parse_frame, splitter.feed(await stream.read(4096)))
        assert isinstance(heard[0], Hello)
        await stream.write(encode_frame(Message(heard[1].data[::-1])))
        print("done", flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)

trio.run(main, sys.argv[1])
"""


def test_a_stock_libp2p_host_can_take_part() -> None:
    """MSH-1, MSH-3"""

    async def story() -> None:
        async with village(LOOPBACK) as (relay,):
            stock = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", STOCK, relay.address),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                peer = (await relay.wait(Connected)).peer
                await relay.mesh.send(peer, b"abc")
                assert (await relay.wait(Message)).data == b"cba"
            finally:
                stock.kill()
                await stock.wait()

    run(story())


def test_a_library_that_changed_is_refused(tmp_path: Path) -> None:
    """MSH-2: the containment was written against one version's source"""
    code = "import sys, pathlib; from node.mesh import hardening; hardening.check_sources(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "install exactly libp2p==0.8.1" in done.stderr


def test_the_daemons_side_loads_neither_trio_nor_libp2p() -> None:
    code = "import sys, node.mesh; print(sorted({'trio', 'libp2p', 'scipy'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "[]"
