"""When which scope wants to be attended to.

Decides the earliest time, at a cost that follows what changes and not how many scopes wait; never what is done then.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

_STALE_MIN = 64  # (g) entries that no longer count and are not worth clearing away


class Agenda:
    """One time per scope at most."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []  # holds every item of `_due`, and some that no longer count

    def set(self, scope: str, when: int | None) -> None:
        """The scope wants to be attended to at `when` (Unix ms), and at no other time; None: not at all."""
        if self._due.get(scope) == when:
            return
        if when is None:
            del self._due[scope]
        else:
            self._due[scope] = when
            heappush(self._heap, (when, scope))
        if len(self._heap) > 2 * len(self._due) + _STALE_MIN:
            self._heap = [(due, one) for one, due in self._due.items()]
            heapify(self._heap)

    @property
    def first(self) -> int | None:
        """The earliest time of all."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: int) -> list[str]:
        """The scopes whose time has come; they stand here no more."""
        taken = []
        while (when := self.first) is not None and when <= now:
            scope = heappop(self._heap)[1]
            del self._due[scope]
            taken.append(scope)
        return taken
