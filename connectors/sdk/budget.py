"""Rate limit for requests to a source."""

from __future__ import annotations

import threading
import time


class Budget:
    """At most this many calls per minute, evenly spaced after a first burst of a tenth of them."""

    def __init__(self, per_minute: int) -> None:
        self._gap = 60.0 / per_minute
        self._slack = self._gap * max(1, per_minute // 10)
        self._next = 0.0
        self._lock = threading.Lock()

    def delay(self) -> float:
        """Reserve one call; returns the seconds to wait before making it."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - self._slack) + self._gap
            return max(0.0, self._next - now)
