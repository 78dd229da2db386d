"""Slows down password guessing: failures are counted per address and per unknown name."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class _Tally:
    failures: int = 0
    last: float = 0.0
    locked_until: float = 0.0


class Throttle:
    """Locks a key after `free` failures within `window` seconds, each time for twice as long.

    State is kept in this process; known names are also locked in the database, for all servers.
    Keeps the `most` keys that failed most recently.
    """

    def __init__(
        self,
        *,
        free: int,
        window: float = 900.0,
        first: float = 30.0,
        longest: float = 900.0,
        most: int = 10_000,
    ) -> None:
        self._free, self._window, self._first = free, window, first
        self._longest, self._most = longest, most
        self._tallies: OrderedDict[str, _Tally] = OrderedDict()
        self._lock = threading.Lock()

    def locked_for(self, key: str) -> float:
        """Seconds until the key may try again; 0 if allowed now."""
        with self._lock:
            tally = self._tallies.get(key)
            return 0.0 if tally is None else max(0.0, tally.locked_until - time.monotonic())

    def fail(self, key: str) -> None:
        """Count a failure."""
        now = time.monotonic()
        with self._lock:
            tally = self._tallies.pop(key, None) or _Tally()
            if now - tally.last > self._window:
                tally = _Tally()
            tally.failures += 1
            tally.last = now
            over = tally.failures - self._free
            if over > 0:
                tally.locked_until = now + min(self._longest, self._first * 2 ** min(over - 1, 10))
            self._tallies[key] = tally
            while len(self._tallies) > self._most:
                self._tallies.popitem(last=False)

    def succeed(self, key: str) -> None:
        """Reset the failures of a key."""
        with self._lock:
            self._tallies.pop(key, None)
