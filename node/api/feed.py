"""What changed, in order, for as many listeners as look: a bounded tail of the node's notifications.

Decides what a listener that comes back has missed; a slow one is told to look again instead of being waited for.
Spec: 13-node, API-11.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

TAIL = 1000  # notifications kept


class Feed:
    """The last TAIL notifications, ascending by sequence."""

    def __init__(self) -> None:
        self._tail: deque[tuple[int, Mapping[str, Any]]] = deque(maxlen=TAIL)
        self._changed = asyncio.Event()
        self._closed = False
        self.last = 0  # highest sequence that was ever here
        self._lost = 0  # highest sequence that has left the tail, or was never in it

    def begin(self, sequence: int) -> None:
        """What came up to `sequence` happened before this node started."""
        self.last = self._lost = sequence

    def put(self, sequence: int, notification: Mapping[str, Any]) -> None:
        """Adds the newest notification and wakes all listeners."""
        if len(self._tail) == TAIL:
            self._lost = self._tail[0][0]
        self._tail.append((sequence, notification))
        self.last = max(self.last, sequence)
        self._wake()

    def close(self) -> None:
        """Ends every listener."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def listen(self, after: int | None) -> AsyncIterator[tuple[int, Mapping[str, Any] | None]]:
        """(sequence, notification) after sequence `after`, without end; None instead of a notification says that some
        are lost and the listener looks at everything again. `after` None begins now."""
        seen = self.last if after is None else after
        if seen > self.last:  # from another life of this node
            seen = -1
        while not self._closed:
            changed = self._changed
            if seen < self._lost:
                seen = self.last
                yield seen, None
            for sequence, notification in [entry for entry in self._tail if entry[0] > seen]:
                seen = sequence
                yield sequence, notification
            if changed is self._changed:
                await changed.wait()
