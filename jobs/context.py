"""What a handler sees of its attempt: whether to stop, the time left, and whether it is fenced."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from jobs import leases
from jobs.errors import LeaseLostError
from jobs.model import Job
from jobs.policy import Policy

_log = logging.getLogger(__name__)

# Keeps counting while the machine sleeps, unlike CLOCK_MONOTONIC where the system has both.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class JobContext:
    """Passed to a handler with its arguments.

    A handler that works in batches checks `should_stop` between them and raises `Interrupted`
    when it is true. A handler that must not write after losing its job calls
    `fence(connection)` in each transaction.
    """

    def __init__(self, engine: sa.Engine, policy: Policy, job: Job, stop: threading.Event) -> None:
        self.job = job
        self._engine = engine
        self._policy = policy
        self._stop = stop
        self._cancelled = False
        self._lost = False
        self._started = _now()
        self._held_until = self._started + policy.lease

    @property
    def token(self) -> int:
        """The fencing token: higher for every later attempt, of this and every other job."""
        return self.job.token or 0

    @property
    def lost(self) -> bool:
        """Whether another process holds, or may hold, the job by now."""
        return self._lost or _now() > self._held_until

    @property
    def cancelled(self) -> bool:
        """Whether a user cancelled it."""
        return self._cancelled

    @property
    def time_left(self) -> float:
        """Seconds until the time limit; negative once it has passed."""
        return self._started + self.job.time_limit - _now()

    @property
    def should_stop(self) -> bool:
        """Whether to stop at the next safe point: asked to, out of time, or the lease is lost."""
        return self._stop.is_set() or self._cancelled or self.lost or self.time_left < 0

    def describe(self, error: BaseException) -> str:
        """The policy's description of an error."""
        return self._policy.describe_error(error)

    def heartbeat(self) -> None:
        """Renew the lease now; a thread also does so. Raises LeaseLostError."""
        asked = _now()
        try:
            with self._engine.begin() as connection:
                self._cancelled |= leases.renew(connection, self._policy, self.job)
        except LeaseLostError:
            self._lost = True
            raise
        self._held_until = asked + self._policy.lease

    def look(self) -> None:
        """See whether a person has asked to end the attempt."""
        if not self._cancelled:
            with self._engine.connect() as connection:
                self._cancelled = leases.asked_to_stop(connection, self.job)

    def fence(self, connection: sa.Connection) -> None:
        """Bind the transaction of `connection` to the lease. Raises LeaseLostError.

        No other process can take the job until the transaction ends, so nothing is written twice.
        """
        leases.fence(connection, self._policy, self.job)


Handler = Callable[[JobContext, Mapping[str, Any]], Mapping[str, Any] | None]


@contextmanager
def beating(context: JobContext, policy: Policy, stop: threading.Event) -> Iterator[None]:
    """Renew the lease from a separate thread while the handler runs.

    Sets `stop` when the supervising process has exited.
    """
    over = threading.Event()
    parent = os.getppid()

    def beat() -> None:
        renewed = time.monotonic()
        while not over.wait(min(policy.look, policy.heartbeat)):
            if os.getppid() != parent:
                stop.set()
            try:
                if time.monotonic() - renewed < policy.heartbeat:
                    context.look()
                    continue
                renewed = time.monotonic()
                context.heartbeat()
            except LeaseLostError as error:
                _log.warning("%s", error)
                return
            except sa.exc.DBAPIError as error:
                # the lease has not expired yet; the next heartbeat may succeed
                _log.warning("No heartbeat for %s. %s", context.job.name, context.describe(error))

    thread = threading.Thread(target=beat, name=f"heartbeat of {context.job.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=policy.heartbeat)


def _now() -> float:
    return time.clock_gettime(_CLOCK)
