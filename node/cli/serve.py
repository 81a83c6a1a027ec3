"""Running the node in the foreground, or as a process of its own that outlives the command.

Decides how the process begins, says that it is ready, and ends. Spec: 13-node, CLI-8.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from node.cli.shell import INTERRUPTED, NOT_NOW, USAGE, Options, Stop, system_words
from node.config import Config
from protocol.errors import ProtocolError

LOG_FILE = "node.log"
START_SECONDS = 60.0
END_SECONDS = 30.0
NOT_NOW_CODES = ("STO-", "API-2", "MSH-16")  # a disk, a port, an address that may work later


def foreground(options: Options, config: Config, passphrase: str | None, ready_fd: int | None) -> None:
    """Runs until SIGTERM, Ctrl-C or `wltm down`."""
    from node import assembly, keystore

    _log_to_stderr(options.verbose)

    async def live() -> None:
        keys = keystore.open(config.home, passphrase)
        secrets = assembly.secrets_of(keys, config.network.id)
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        async with assembly.running(config, secrets, stop.set) as (daemon, api):
            ready: dict[str, Any] = {"pid": os.getpid(), "url": api.link(), "addresses": list(daemon.mesh.addresses)}
            if config.role == "relay":
                ready |= _found_at(ready["addresses"], config)
            _say_ready(options, ready, ready_fd)
            await assembly.until_ended(daemon, stop)

    try:
        asyncio.run(live())
    except ProtocolError as error:
        exit_code = NOT_NOW if error.code.startswith(NOT_NOW_CODES) else USAGE
        raise _told(Stop(exit_code, error.message, error.code), ready_fd) from None
    except OSError as error:
        where = "" if error.filename else f"{config.home}: "
        raise _told(Stop(NOT_NOW, where + system_words(error), "CLI-8"), ready_fd) from None
    except KeyboardInterrupt:
        raise Stop(INTERRUPTED) from None


def _log_to_stderr(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def _say_ready(options: Options, ready: dict[str, Any], ready_fd: int | None) -> None:
    if ready_fd is not None:
        _tell_parent(ready_fd, ready)
        return
    options.out(ready, f"The node runs (process {ready['pid']}); Ctrl-C stops it.\n{ready_text(ready)}")


def ready_text(ready: dict[str, Any]) -> str:
    """Where its page is, how others reach it, and what is in their way."""
    lines = [f"Its page opens once at {ready['url']}"]
    if "hand_out" not in ready:
        return "\n".join([*lines, *(f"Others reach it at {address}" for address in ready["addresses"])])
    lines += [f"Address to hand out: {address}" for address in ready["hand_out"]]
    lines += [f"{one['says']}\n  To do: {one['fix']}." for one in ready["troubles"]]
    return "\n".join(lines)


def _found_at(listens: Sequence[str], config: Config) -> dict[str, Any]:
    """How others reach a relay, or why they may not."""
    from node.measures import hand_out, unreachable

    announces = config.mesh.announce
    return {"hand_out": hand_out(listens, announces), "troubles": unreachable(listens, announces)}


def _told(stop: Stop, ready_fd: int | None) -> Stop:
    """Why it ends, also told to who waits for it."""
    if ready_fd is not None:
        _tell_parent(ready_fd, {"exit_code": stop.exit_code, "code": stop.code, "message": stop.message})
    return stop


def _tell_parent(ready_fd: int, value: dict[str, Any]) -> None:
    try:
        with os.fdopen(ready_fd, "w") as parent:
            json.dump(value, parent)
    except OSError:
        pass  # the parent is gone, or heard already


def detached(home: Path, arguments: list[str], passphrase: str | None, verbose: bool) -> dict[str, Any]:
    """Starts the node as a process of its own and returns what it says once it answers. Raises Stop 3 otherwise.

    `arguments`: the command and its flags.
    """
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "node.cli", *arguments, "--home", str(home), f"--ready-fd={writer}"]
    command += ["-v"] if verbose else []
    command += ["--passphrase-file=-"] if passphrase is not None else []
    root = Path(__file__).resolve().parents[2]
    with (home / LOG_FILE).open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(writer,),
            start_new_session=True,
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
    os.close(writer)
    assert child.stdin is not None
    child.stdin.write((passphrase or "").encode())
    child.stdin.close()
    with os.fdopen(reader) as said:
        text = _within(said.fileno(), child)
    value: dict[str, Any] = json.loads(text) if text else {}
    if "url" in value:
        return value
    child.wait()
    if not value:
        raise Stop(NOT_NOW, f"the node did not start; see {home / LOG_FILE}", "CLI-8")
    raise Stop(value["exit_code"], value["message"], value["code"])


def _within(descriptor: int, child: subprocess.Popen[bytes]) -> str:
    """What the child writes before it closes its end, or is given up."""
    import select

    parts: list[bytes] = []
    while select.select([descriptor], [], [], START_SECONDS)[0]:
        part = os.read(descriptor, 65536)
        if not part:
            return b"".join(parts).decode()
        parts.append(part)
    child.terminate()
    return ""


def await_end(pid: int) -> None:
    """Returns when the process has ended; raises Stop 3 when it takes too long."""
    import select

    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([watch], [], [], END_SECONDS)[0]:
            raise Stop(NOT_NOW, f"the node (process {pid}) is still ending; look again with `wltm status`", "CLI-8")
    finally:
        os.close(watch)
