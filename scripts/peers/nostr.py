"""Yardstick of the bench `wire`: signed notes over a WebSocket into a relay, counted as the relay says OK.

`nostr.py sqlite N` measures the Python nostr-relay on SQLite, `nostr.py memory N` nostr-sdk's relay in memory; prints
notes a second. Runs in the environment of requirements-bench.lock.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import websockets
from nostr_sdk import EventBuilder, Keys, Kind, LocalRelayBuilder, RateLimit

IN_FLIGHT = 500  # notes sent and not yet answered, so that it is not the round trip that is measured
CONTENT = "I would like to meet others who want the same. " * 2  # makes a note as long as a record
START_S_MAX = 30.0
CONFIG = """
storage:
  sqlalchemy.url: sqlite+aiosqlite:///{folder}/nostr.sqlite3
  num_concurrent_reqs: 10
  num_concurrent_adds: 2
  validators:
    - nostr_relay.validators.is_not_too_large
    - nostr_relay.validators.is_signed
    - nostr_relay.validators.is_recent
    - nostr_relay.validators.is_not_hellthread
gunicorn:
  bind: 127.0.0.1:{port}
  workers: 1
  loglevel: warning
"""


def notes(count: int) -> list[str]:
    """Signed notes by one author."""
    keys = Keys.generate()
    events = (EventBuilder(Kind(1), f"{number} {CONTENT}").finalize(keys) for number in range(count))
    return [f'["EVENT",{event.as_json()}]' for event in events]


async def publish(port: int, frames: list[str]) -> float:
    """Seconds until the relay at `port` has said OK to every note."""
    async with websockets.connect(f"ws://127.0.0.1:{port}", compression=None) as line:
        room = asyncio.Semaphore(IN_FLIGHT)

        async def speak() -> None:
            for frame in frames:
                await room.acquire()
                await line.send(frame)

        began = time.perf_counter()
        speaking = asyncio.create_task(speak())
        for _ in frames:
            verdict = json.loads(await line.recv())
            assert verdict[0] == "OK", verdict
            assert verdict[2], verdict
            room.release()
        await speaking
        return time.perf_counter() - began


async def listening(port: int) -> None:
    """Returns once somebody answers at `port`."""
    deadline = time.monotonic() + START_S_MAX
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert time.monotonic() < deadline, "the relay does not answer"
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def memory(port: int) -> None:
    """nostr-sdk's relay, until it is ended."""
    unlimited = RateLimit(max_reqs=10**6, notes_per_minute=10**9)
    relay = LocalRelayBuilder().addr("127.0.0.1").port(port).rate_limit(unlimited).build()
    await relay.run()
    await asyncio.Event().wait()


def main(kind: str, count: int) -> None:
    """One relay as a process, one publisher here."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    frames = notes(count)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(CONFIG.format(folder=folder, port=port))
        here = Path(sys.executable).parent
        sqlite = [str(here / "nostr-relay"), "-c", str(config), "serve"]
        command = sqlite if kind == "sqlite" else [sys.executable, __file__, "serve", str(port)]
        log = None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL
        relay = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            asyncio.run(listening(port))
            print(count / asyncio.run(publish(port, frames)))
        finally:
            relay.terminate()
            relay.wait()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(memory(int(sys.argv[2])))
    else:
        main(sys.argv[1], int(sys.argv[2]))
