"""One node of the demo: a home folder, the process that runs on it, and its local API as any program would use it.

Decides how a node begins, is asked and ends; never what it is asked. Its keys stay in its home. Spec: 13-node, CLI-20.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp

START_S_MAX = 120.0  # (g) with dozens starting on a small machine
ANSWER_S_MAX = 60.0
_END_S_MAX = 30.0
_LOG = "node.log"
_ROOT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1


class Refused(Exception):
    """The node answered with a refusal: the clause and its sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Down(Exception):
    """The node does not answer: it is not running, or ended meanwhile."""


class Child:
    """A node called `name`. Safe for several tasks at once."""

    def __init__(self, name: str, home: Path, session: aiohttp.ClientSession) -> None:
        self.name, self.home = name, home
        self.addresses: list[str] = []
        self.up, self.news = asyncio.Event(), asyncio.Event()
        self._session = session
        self._process: asyncio.subprocess.Process | None = None
        self._url = ""
        self._headers: dict[str, str] = {}

    def furnish(self, settings: Mapping[str, Mapping[str, Any]], role: str, files: Mapping[str, str]) -> None:
        """Puts config.toml and further files, by path, into the home, which has its keys already."""
        lines = [f"role = {json.dumps(role)}"]
        for section, values in settings.items():
            lines += ["", f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
        for name, text in {"config.toml": "\n".join(lines) + "\n", **files}.items():
            path = self.home / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")

    @property
    def url(self) -> str:
        """Where its local API answers, once it is up."""
        return self._url

    @property
    def begun(self) -> bool:
        """Whether it was ever started."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Of its process; 0 before the first start."""
        return self._process.pid if self._process is not None else 0

    async def start(self, cache: Path | None) -> None:
        """Starts the process and waits until it answers. Raises Down with a sentence."""
        with (self.home / _LOG).open("ab") as log:
            self._process = await _spawn(cache, log, "node.cli", "up", "--home", str(self.home), "--json")
        assert self._process.stdout is not None
        try:
            said = json.loads(await asyncio.wait_for(self._process.stdout.readline(), START_S_MAX))
            self._url = said["url"].partition("/enter")[0] + "/api/v1"
        except (TimeoutError, ValueError, KeyError) as error:
            why = f"did not answer within {START_S_MAX:.0f} s" if isinstance(error, TimeoutError) else "did not start"
            raise Down(f"the node of {self.name} {why}: {self.last_words()}") from None
        token = (self.home / "api-token").read_text("ascii").strip()
        self._headers = {"Authorization": f"Bearer {token}"}
        self.addresses = said["addresses"]
        self.up.set()
        self.news.set()

    def last_words(self) -> str:
        """The last line of its log."""
        return _last_line(self.home / _LOG)

    def strike(self) -> None:
        """kill -9, node and mesh: nothing is said, nothing written any more."""
        self.up.clear()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def kill(self) -> None:
        """The same, and waits until it is gone."""
        self.strike()
        if self._process is not None:
            await asyncio.wait_for(self._process.wait(), _END_S_MAX)

    async def ended(self) -> str:
        """Waits until the process ends without having been told to; a sentence for it."""
        while True:
            await self.up.wait()
            process = self._process
            assert process is not None
            await process.wait()
            if self.up.is_set() and process is self._process:
                return f"the node of {self.name} ended by itself: {self.last_words()}"

    async def get(self, path: str, **query: str) -> Any:
        """The answer to a query. Raises Refused or Down."""
        return await self._ask("GET", path, None, query)

    async def post(self, path: str, values: Mapping[str, Any] | None = None) -> Any:
        """The answer to a command. Raises Refused or Down."""
        return await self._ask("POST", path, values or {}, {})

    async def put(self, path: str, values: Mapping[str, Any]) -> Any:
        """The answer to a command that sets something. Raises Refused or Down."""
        return await self._ask("PUT", path, values, {})

    async def _ask(self, method: str, path: str, values: Any, query: Mapping[str, str]) -> Any:
        if not self.up.is_set():
            raise Down(f"the node of {self.name} is down")
        limit = aiohttp.ClientTimeout(total=ANSWER_S_MAX)
        try:
            async with self._session.request(
                method, self._url + path, json=values, params=query, headers=self._headers, timeout=limit
            ) as response:
                answer = await response.json()
        except (aiohttp.ClientError, OSError, ValueError):
            raise Down(f"the node of {self.name} does not answer {method} {path}") from None
        if response.status != 200:
            raise Refused(answer["error"]["code"], answer["error"]["message"])
        return answer

    async def listen(self) -> None:
        """Sets `news` whenever the node says that something changed; goes on when the node comes back."""
        while True:
            await self.up.wait()
            limit = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_S_MAX)
            with contextlib.suppress(aiohttp.ClientError, OSError):
                url = self._url + "/events"
                async with self._session.get(url, headers=self._headers, timeout=limit) as response:
                    async for line in response.content:
                        if line.startswith(b"data"):
                            self.news.set()
            await asyncio.sleep(0.2)


async def make_keys(homes: Sequence[Path], cache: Path | None) -> None:
    """New homes with keys that only their nodes will read. Raises Down when they cannot be made."""
    for home in homes:
        home.mkdir(mode=0o700)
    with (homes[0] / _LOG).open("ab") as log:
        process = await _spawn(cache, log, "node.demo.keys", *map(str, homes))
    try:
        code = await asyncio.wait_for(process.wait(), START_S_MAX)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if code:
        raise Down(f"the nodes' keys cannot be made: {_last_line(homes[0] / _LOG)}")


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "its log is empty"


async def _spawn(cache: Path | None, log: BinaryIO, *module: str) -> asyncio.subprocess.Process:
    """A module of this program as a process, leader of a group of its own, that does not outlive this one."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *module),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        env=_environment(cache),
        start_new_session=True,
        preexec_fn=_die_with(os.getpid()),
    )


def _environment(cache: Path | None) -> dict[str, str]:
    """Without settings of whoever runs the demo; `cache`: where compiled code goes, None for the usual place."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WLTM_")}
    kept["PYTHONPATH"] = str(_ROOT)
    if cache is not None:
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        kept["PYTHONPYCACHEPREFIX"] = str(cache)
    return kept


def _die_with(parent: int) -> Callable[[], None] | None:
    """What the child does before it becomes the node: bind its life to ours (Linux)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return bind
