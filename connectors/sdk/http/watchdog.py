"""A limit in time that holds whatever a server does: byte by byte in headers, or silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TICK = 0.5


class Watchdog:
    """Calls `strike` when something that it watches is not over by its deadline."""

    def __init__(self, strike: Callable[[], None]) -> None:
        self._strike = strike
        self._due: dict[object, float] = {}
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.struck = False

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Watch the block; `deadline` is monotonic."""
        token = object()
        self._due[token] = deadline
        if self._thread is None:
            self._start()
        try:
            yield
        finally:
            del self._due[token]

    def close(self) -> None:
        self._over.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="http-watch", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(_TICK):
            if any(due < time.monotonic() for due in list(self._due.values())):
                self.struck = True
                self._strike()
                return
