"""One node per home: whoever holds the lock may write there.

Spec: 14-store, STO-7.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from node.store.errors import StoreError


class HomeLock:
    """An advisory lock on `home`/lock, which holds the process id; the system frees it however the process ends."""

    def __init__(self, home: Path) -> None:
        """Takes the lock at once; raises StoreError STO-7 when another node has it."""
        path = home / "lock"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            message = f"{home}: another node runs here (process {holder}); stop it, or choose another --home"
            raise StoreError("STO-7", message) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Lets another node in; the file stays, for removing it would race with the next holder."""
        os.ftruncate(self._file, 0)
        os.close(self._file)
