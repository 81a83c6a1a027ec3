"""Disks that fail: a real one on which nothing more fits, and a store that can no longer be read."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from node.store import Store, StoreError
from protocol.record.record import Record


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """Every write of this process beyond `size` bytes of a file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class WornStore(Store):
    """A store that loses its file when a test sets `worn`."""

    worn = False

    async def by_scope(self, scope: str) -> list[Record]:
        """As in Store."""
        if self.worn:
            raise StoreError("STO-6", f"{self.name}: the file is damaged")
        return await super().by_scope(scope)
