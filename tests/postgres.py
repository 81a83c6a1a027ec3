"""A real PostgreSQL for tests: the distribution's programs, a folder of its own, a Unix socket, no port."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_POSTGRES = "needs PostgreSQL's server programs (Debian: apt-get install postgresql), which are absent here"
_CONFIG = """
listen_addresses = ''
unix_socket_directories = '{folder}'
unix_socket_permissions = 0777
fsync = off
full_page_writes = off
max_connections = 60
shared_buffers = 64MB
"""

# Whoever started it is gone when its input ends.
_WITH_US = '"$0" -D "$1" >>"$2" 2>&1 </dev/null & read -r _; kill -QUIT $! 2>/dev/null; wait'


def programs() -> Path | None:
    """The newest version's folder of programs, if there is any."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if not found and (on_path := shutil.which("initdb")):
        return Path(on_path).resolve().parent
    return max(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parent.name)], default=None)


class Postgres:
    """One server. `fsync` is off: what tests stop is the server, never the machine."""

    def __init__(self, bin_folder: Path, folder: Path, user: str) -> None:
        self.folder, self.user = folder, user
        self._bin, self._databases = bin_folder, 0
        self._watch: subprocess.Popen[bytes] | None = None

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._bin / program), *arguments]
        as_user = self.user if os.getuid() == 0 else None
        done = subprocess.run(command, user=as_user, cwd=self.folder, stdout=-1, stderr=-1, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def init(self, more: str) -> None:
        """Makes the data folder; `more`: lines of postgresql.conf."""
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", "wltm", "-E", "UTF8", "--locale=C", "--no-sync", "-A", "trust")
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(_CONFIG.format(folder=self.folder) + more)
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text("local all guarded scram-sha-256\n" + rules.read_text())

    def start(self) -> None:
        """Returns when it answers; it ends with this process, however that ends."""
        command = ["sh", "-c", _WITH_US, *map(str, (self._bin / "postgres", self.folder / "data", self.folder / "log"))]
        as_user = self.user if os.getuid() == 0 else None
        self._watch = subprocess.Popen(command, stdin=subprocess.PIPE, user=as_user, cwd=self.folder)
        answers = [str(self._bin / "pg_isready"), "-q", "-h", str(self.folder)]
        assert any(subprocess.run(answers).returncode == 0 for _ in range(2000)), (self.folder / "log").read_text()

    def stop(self, mode: str = "fast") -> None:
        """`fast` cuts every connection, `immediate` is a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")
        assert self._watch is not None
        self._watch.communicate()

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql prints."""
        return self._run("psql", "-h", str(self.folder), "-U", "wltm", "-d", database, "-Atqc", statement).strip()

    def database(self, options: str = "TEMPLATE template0 ENCODING 'UTF8'") -> str:
        """The URL of a fresh database."""
        self._databases += 1
        self.sql(f"CREATE DATABASE t{self._databases} {options}")
        return self.url(f"t{self._databases}")

    def url(self, database: str, user: str = "wltm") -> str:
        """How a program reaches it."""
        return f"postgresql://{user}@/{database}?host={self.folder}"


@contextmanager
def server(more: str = "") -> Iterator[Postgres | None]:
    """A server that runs until the block ends, as another user where we are root; None where there is no PostgreSQL."""
    found = programs()
    if found is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="wltm-pg-"))  # short, for the socket's name
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    try:
        if os.getuid() == 0:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        running = Postgres(found, folder, user)
        running.init(more)
        running.start()
        try:
            yield running
        finally:
            with contextlib.suppress(AssertionError):
                running.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
