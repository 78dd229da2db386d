"""Write several batches at the same time with the same result as in sequence.

Each lane has its own database connection and audit chain. Two batches that share a key never run at
the same time, so the last row wins. The cursor is committed only when all earlier batches are, so
a crash never skips rows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from app.sync.batch import BatchLostError, WriteConflictError
from connectors.sdk.rows import Cursor

T = TypeVar("T")
Task = Callable[[int], None]


class Lanes:
    """Runs tasks on `count` threads; a task gets the number of the lane it runs in."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = list(range(count))
        self._running: dict[Future[None], tuple[int, Collection[Set[str | None]]]] = {}
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="lane")

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    def submit(self, task: Task, keys: Collection[Set[str | None]]) -> None:
        """Start `task` once a lane is free and no running task shares a key with it.

        `keys` contains one set per target. Raises the error of an earlier task.
        """
        while not self._free or self._overlaps(keys):
            self._settle(wait(self._running, return_when=FIRST_COMPLETED).done)
        lane = self._free.pop(self._free.index(min(self._free)))
        self._running[self._pool.submit(task, lane)] = (lane, keys)

    def drain(self) -> None:
        """Wait until nothing runs. Raises the error of a task."""
        while self._running:
            self._settle(wait(self._running).done)

    def _overlaps(self, keys: Collection[Set[str | None]]) -> bool:
        return any(
            not mine.isdisjoint(theirs)
            for _, running in self._running.values()
            for mine, theirs in zip(keys, running, strict=True)
        )

    def _settle(self, done: set[Future[None]]) -> None:
        for future in done:
            lane, _ = self._running.pop(future)
            self._free.append(lane)
            future.result()


class Watermark:
    """The furthest cursor with no uncommitted batch before it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0
        self._done: dict[int, Cursor | None] = {}

    def cursor_with(self, number: int, cursor: Cursor | None) -> Cursor | None:
        """The cursor to commit with batch `number`; None while an earlier batch is uncommitted."""
        with self._lock:
            if number != self._next:
                return None
            while number + 1 in self._done:
                number += 1
                cursor = self._done[number] or cursor
            return cursor

    def committed(self, number: int, cursor: Cursor | None) -> Cursor | None:
        """Record that batch `number` is committed; returns the cursor that is now safe, if any."""
        with self._lock:
            self._done[number] = cursor
            safe: Cursor | None = None
            while self._next in self._done:
                safe = self._done.pop(self._next) or safe
                self._next += 1
            return safe


# --- done again -----------------------------------------------------------------------------

MAX_CONFLICTS = 5
"""How often a batch is done again because somebody else changed the same objects."""

PAUSES = (0.2, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between attempts at a batch while the database is away: a restart takes less."""


def retried(attempt: Callable[[], T]) -> T:
    """Do a batch again when somebody changed the same objects, or the database went and returns.

    Raises what the last attempt raised; of a lost connection its cause.
    """
    conflicts, pauses = MAX_CONFLICTS, list(PAUSES)
    while True:
        try:
            return attempt()
        except WriteConflictError:
            conflicts -= 1
            if conflicts <= 0:
                raise
        except BatchLostError as error:
            if not pauses:
                raise (error.__cause__ or error) from None
            time.sleep(pauses.pop(0))
