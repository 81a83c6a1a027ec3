"""A token bucket, for what a stranger may do only so often. Spec: 03-mesh, MSH-2."""

from __future__ import annotations

import time


class Budget:
    """So many tokens a second, and a store of them for bursts."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._left, self._at = burst, time.monotonic()

    def spend(self) -> bool:
        """Take one token; False when there is none."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        self._left -= 1
        return self._left >= 0
