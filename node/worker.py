"""A process of its own for slow, pure work, so that neither the loop nor the daemon's memory feels it.

Decides when that process starts and ends: it is started by the first job and ends when idle, or with its parent. Never
decides what is computed. Both ends are the same program, so jobs and results travel pickled. Spec: 14-store, STO-13.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

JOB_S_MAX = 120.0  # (g) a job that takes longer is given up
IDLE_S_MAX = 20.0  # (g) then the memory is worth more than the start-up time
NICE = 10  # people and peers come first
_LENGTH_BYTES = 8

log = logging.getLogger(__name__)


class Worker:
    """At most one child process; jobs run one after the other."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def run(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """The result of the function `module.name` of `protocol`; None when it failed, which is logged."""
        async with self._turn:
            if self._idle:
                self._idle.cancel()
            done = False
            try:
                result = await asyncio.wait_for(self._ask(pickle.dumps((name, arguments))), JOB_S_MAX)
                done = True
                return result
            except (TimeoutError, OSError, EOFError) as error:
                log.warning("the job %s was given up: %s", name, error or f"it took more than {JOB_S_MAX:.0f} s")
                return None
            finally:
                if done:
                    self._idle = asyncio.get_running_loop().call_later(IDLE_S_MAX, self._hang_up)
                else:
                    await self._end()

    async def stop(self) -> None:
        """Ends the process, whatever it does."""
        if self._idle:
            self._idle.cancel()
        await self._end()

    async def _ask(self, job: bytes) -> Any:
        child = self._child
        if child is None or child.returncode is not None:
            child = self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "node.worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": _path()},
            )
        assert child.stdin
        assert child.stdout
        child.stdin.write(len(job).to_bytes(_LENGTH_BYTES, "big") + job)
        await child.stdin.drain()
        size = int.from_bytes(await child.stdout.readexactly(_LENGTH_BYTES), "big")
        return pickle.loads(await child.stdout.readexactly(size))

    def _hang_up(self) -> None:
        child, self._child = self._child, None
        if child and child.stdin:
            child.stdin.close()  # the child reads the end of its input, and ends

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


def _path() -> str:
    root = str(Path(__file__).resolve().parents[1])
    return os.pathsep.join([root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])


def compute(name: str, arguments: tuple[Any, ...]) -> Any:
    """Calls protocol.<name>, as "coop.formation.groups_of", or node.solver's, with these arguments."""
    module, _, function = name.rpartition(".")
    if not all(map(str.isidentifier, module.split("."))) or not function.isidentifier() or function.startswith("_"):
        raise ValueError(f"{name[:80]} names no function of protocol")
    root = "node" if module == "solver" else "protocol"
    return getattr(import_module(f"{root}.{module}"), function)(*arguments)


def main() -> None:
    """Answers jobs from standard input until it ends."""
    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints cannot spoil an answer
    os.nice(NICE)
    while head := jobs.read(_LENGTH_BYTES):
        name, arguments = pickle.loads(jobs.read(int.from_bytes(head, "big")))
        try:
            result = compute(name, arguments)
        except Exception:
            traceback.print_exc()
            result = None
        _answer(answers, pickle.dumps(result))


def _answer(answers: BinaryIO, data: bytes) -> None:
    answers.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    answers.flush()


if __name__ == "__main__":
    main()
