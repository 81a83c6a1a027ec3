"""Yardstick of the bench `fanout`: one node of py-libp2p's own gossipsub; the bench starts ten.

`gossip.py NUMBER` prints its address, reads the addresses to connect to, prints "ready", and reads how many messages
to publish at what interval and when; each message carries the time it was published. At the end of its input it prints
{"delays_s": …} of what arrived from others. Runs in the program's own environment.
"""

import json
import os
import struct
import sys
import time
from typing import Any

import trio
from libp2p import new_host
from libp2p.custom_types import TProtocol
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

TOPIC, SIZE_BYTES = "bench", 430


def router() -> GossipSub:
    """Gossipsub so that it loses nothing at this rate: its own defaults deliver 18 of 100 messages."""
    return GossipSub(
        protocols=[TProtocol("/meshsub/1.1.0")],
        degree=6,
        degree_low=4,
        degree_high=12,
        heartbeat_interval=1,
        spam_protection_enabled=False,
        adaptive_gossip_enabled=False,
        eclipse_protection_enabled=False,
    )


async def read_line() -> Any:
    """The next line of the input as JSON, None at its end."""
    line = await trio.to_thread.run_sync(sys.stdin.readline)
    return json.loads(line) if line else None


async def publish(pubsub: Pubsub, plan: dict[str, float]) -> None:
    """As many messages as the plan says, at its times (of time.time())."""
    for number in range(int(plan["count"])):
        await trio.sleep(max(0.0, plan["at"] + number * plan["every_s"] - time.time()))
        await pubsub.publish(TOPIC, struct.pack("!d", time.time()) + os.urandom(SIZE_BYTES - 8))


async def main() -> None:
    """One node until its input ends."""
    quiet = ConnectionConfig(min_connections=0, low_watermark=0)
    host = new_host(connection_config=quiet, muxer_preference="YAMUX")
    pubsub = Pubsub(host, router(), strict_signing=True)
    delays: list[float] = []

    async def listen() -> None:
        inbox = await pubsub.subscribe(TOPIC)
        while True:
            message = await inbox.get()
            if message.from_id != host.get_id().to_bytes():
                delays.append(time.time() - struct.unpack("!d", message.data[:8])[0])

    listen_at = Multiaddr("/ip4/127.0.0.1/tcp/0")
    async with (
        host.run([listen_at]),
        background_trio_service(pubsub),
        background_trio_service(pubsub.router),
        trio.open_nursery() as nursery,
    ):
        await pubsub.wait_until_ready()
        nursery.start_soon(listen)
        print(str(host.get_addrs()[0]), flush=True)
        for address in await read_line():
            await host.connect(info_from_p2p_addr(Multiaddr(address)))
        print("ready", flush=True)
        if plan := await read_line():
            nursery.start_soon(publish, pubsub, plan)
            await read_line()
        print(json.dumps({"delays_s": delays}), flush=True)
        os._exit(0)


if __name__ == "__main__":
    trio.run(main)
