"""Speaking to the node that runs on this home, through its local API.

Decides nothing. The node leaves its address in the home (`node.json`) and its key beside it (`api-token`).
Spec: 13-node, CLI-8.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from node.cli.shell import NOT_NOW, USAGE, Options, Stop

RUN_FILE = "node.json"  # {"pid", "host", "port"} while a node runs
TOKEN_FILE = "api-token"
RUN_BYTES_MAX = 1000
HOST = "127.0.0.1"  # whatever the file says, the key is sent nowhere else
PREFIX = "/api/v1"
ANSWER_BYTES_MAX = 256 << 20
TIMEOUT_SECONDS = 60.0
RETRY_SECONDS = 5.0  # how long a waiting command trusts that silence means no change


class Client:
    """One connection per request to the daemon of `home`; raises Stop 3 when it does not run, 2 when it refuses."""

    def __init__(self, home: Path) -> None:
        self.home = home
        run = read_run_file(home)
        if run is None:
            raise self._absent()
        self.host, self.port, self.pid = run["host"], run["port"], run["pid"]
        try:
            self._token = (home / TOKEN_FILE).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise Stop(NOT_NOW, f"{home / TOKEN_FILE} cannot be read; it is made by `wltm init`", "CLI-8") from None

    @classmethod
    def of(cls, options: Options) -> Client:
        """The client for the home in force."""
        from node.config import default_home

        return cls(options.home.expanduser().absolute() if options.home else default_home())

    def get(self, path: str, **query: str) -> Any:
        """The answer to a query."""
        return self.call("GET", path + ("?" + urlencode(query) if query else ""))

    def post(self, path: str, values: Mapping[str, Any] | None = None) -> Any:
        """The answer to a command."""
        return self.call("POST", path, values or {})

    def send(self, path: str, data: bytes) -> Any:
        """The answer to a file."""
        return self.call("POST", path, data=data)

    def health(self) -> Any:
        """How a relay is, also when it fails (REL-21)."""
        if self.get("/status")["role"] != "relay":
            raise Stop(USAGE, "this node is no relay; `wltm status` says how it is", "CLI-30")
        return self.call("GET", "/health", prefix="", fine=(200, 503))

    def call(
        self,
        method: str,
        path: str,
        values: Mapping[str, Any] | None = None,
        prefix: str = PREFIX,
        fine: tuple[int, ...] = (200,),
        data: bytes | None = None,
    ) -> Any:
        """The decoded JSON answer; `path` is below `prefix`, its parts already quoted; `fine`: its statuses."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            body = data if values is None else json.dumps(values)
            connection.request(method, prefix + path, body, self._headers())
            response = connection.getresponse()
            return self._answer(response.status, response.read(ANSWER_BYTES_MAX), fine)
        except TimeoutError:
            raise Stop(NOT_NOW, "the node does not answer; look at its log, or ask again", "CLI-8") from None
        except (OSError, http.client.HTTPException):
            raise self._absent() from None
        finally:
            connection.close()

    def wait(self, found: Callable[[], bool], what: str, patience_s: int) -> None:
        """Returns once `found` says yes, asked again whenever something changed. Raises Stop 3 when patience ends."""
        end = time.monotonic() + patience_s
        while not found():
            if time.monotonic() >= end:
                raise Stop(NOT_NOW, f"{what} has not come within {patience_s} seconds; ask again later", "CLI-8")
            for _ in self.events(min(RETRY_SECONDS, end - time.monotonic())):
                if found():
                    return

    def events(self, silence_s: float = TIMEOUT_SECONDS) -> Iterator[tuple[str, dict[str, Any]]]:
        """("open", {}) once it listens, then (event name, data) as they happen, until the node stops or says nothing
        for `silence_s`."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=max(0.1, silence_s))
        try:
            connection.request("GET", PREFIX + "/events", headers=self._headers())
            response = connection.getresponse()
            if response.status != 200:
                self._answer(response.status, response.read(ANSWER_BYTES_MAX))
            name = "open"
            yield name, {}
            while line := response.readline(1 << 20):
                head, _, rest = line.decode().rstrip("\n").partition(": ")
                if head == "event":
                    name = rest
                elif head == "data":
                    yield name, json.loads(rest)
        except TimeoutError:
            return
        except (OSError, http.client.HTTPException):
            raise self._absent() from None
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._token}",
            "Host": f"{self.host}:{self.port}",
            "Content-Type": "application/json",
        }

    def _absent(self) -> Stop:
        return Stop(NOT_NOW, f"no node runs in {self.home}; start it with `wltm up`", "CLI-8")

    def _answer(self, status: int, body: bytes, fine: tuple[int, ...] = (200,)) -> Any:
        try:
            value = json.loads(body)
        except ValueError:
            raise Stop(NOT_NOW, f"port {self.port} answers, but not like a node of this program", "CLI-8") from None
        if status in fine:
            return value
        error = value.get("error", {}) if isinstance(value, dict) else {}
        exit_code = NOT_NOW if status in (409, 500, 503) else USAGE
        raise Stop(exit_code, str(error.get("message", f"status {status}")), str(error.get("code", "")))


def read_run_file(home: Path) -> dict[str, Any] | None:
    """Where the node of `home` says it listens; None when it does not say so."""
    try:
        with (home / RUN_FILE).open("rb") as file:
            value = json.loads(file.read(RUN_BYTES_MAX))
        host, port, pid = value["host"], value["port"], value["pid"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(host) is not str or type(port) is not int or type(pid) is not int:
        return None
    return {"host": host, "port": port, "pid": pid} if host == HOST and 0 < port < 65536 and pid > 0 else None


def part(text: str) -> str:
    """One part of a path, quoted; an empty one would be another path."""
    if not text:
        raise Stop(USAGE, "a name on this line is empty; is a variable not set?", "CLI-7")
    return quote(text, safe="")
