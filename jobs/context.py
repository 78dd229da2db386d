"""What a handler sees of its attempt: may I go on, for how long, and is the job still mine?"""

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

# Goes on while the machine sleeps, unlike CLOCK_MONOTONIC where the system has both.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class JobContext:
    """Given to a handler with its arguments.

    A handler that works in batches asks `should_stop` between them and raises `Interrupted`
    when it is true. One that must never write for a job that was taken away calls
    `fence(connection)` in each of its transactions.
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
        """The fencing token: higher for every later attempt, of this job and of all others."""
        return self.job.token or 0

    @property
    def lost(self) -> bool:
        """Whether the job is, or may be, another's by now."""
        return self._lost or _now() > self._held_until

    @property
    def cancelled(self) -> bool:
        """Whether a person asked to end it."""
        return self._cancelled

    @property
    def time_left(self) -> float:
        """Seconds until the time limit; negative when it has passed."""
        return self._started + self.job.time_limit - _now()

    @property
    def should_stop(self) -> bool:
        """Whether to stop at the next good place: asked to, out of time, or no longer ours."""
        return self._stop.is_set() or self._cancelled or self.lost or self.time_left < 0

    def describe(self, error: BaseException) -> str:
        """An error in the words that the policy has for it."""
        return self._policy.describe_error(error)

    def heartbeat(self) -> None:
        """Prolong the lease now; a thread does so anyway. Raises LeaseLostError."""
        asked = _now()
        try:
            with self._engine.begin() as connection:
                self._cancelled |= leases.renew(connection, self._policy, self.job)
        except LeaseLostError:
            self._lost = True
            raise
        self._held_until = asked + self._policy.lease

    def fence(self, connection: sa.Connection) -> None:
        """Bind the transaction of `connection` to the lease. Raises LeaseLostError.

        Nobody can take the job until the transaction ends, so nothing is written twice.
        """
        leases.fence(connection, self._policy, self.job)


Handler = Callable[[JobContext, Mapping[str, Any]], Mapping[str, Any] | None]


@contextmanager
def beating(context: JobContext, interval: float, stop: threading.Event) -> Iterator[None]:
    """Prolong the lease every `interval` seconds beside the handler, from a thread of its own.

    Stops the handler through `stop` when the process that supervises this one is gone.
    """
    over = threading.Event()
    parent = os.getppid()

    def beat() -> None:
        while not over.wait(interval):
            if os.getppid() != parent:
                stop.set()
            try:
                context.heartbeat()
            except LeaseLostError as error:
                _log.warning("%s", error)
                return
            except sa.exc.DBAPIError as error:
                # the lease still holds for a while; the next beat may get through
                _log.warning("No heartbeat for %s. %s", context.job.name, context.describe(error))

    thread = threading.Thread(target=beat, name=f"heartbeat of {context.job.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=interval)


def _now() -> float:
    return time.clock_gettime(_CLOCK)
