"""The rules of a runner, all supplied by the caller, and the hooks it calls after an attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import sqlalchemy as sa

from jobs.model import Job, Outcome

NextRun = Callable[[Job, datetime], datetime | None]
Hook = Callable[[sa.Connection, Job, Outcome], None]

_DAY = 24 * 60 * 60

#: This many crashes in a row are repaired at once; a job that kills its process every time must
#: not keep a host busy for ever.
CRASHES_REPAIRED_AT_ONCE = 3


def back_off(failures: int) -> timedelta:
    """5, 10, 20 … minutes up to six hours, for the number of failures in a row."""
    doublings = min(max(failures, 1) - 1, 10)
    return min(timedelta(minutes=5) * (1 << doublings), timedelta(hours=6))


def describe_error(error: BaseException) -> str:
    """The type and text of an error; pass another function where texts may hold secrets."""
    return f"{type(error).__name__}: {error}"


def _never(_job: Job, _now: datetime) -> datetime | None:
    return None


def _never_again(_error: BaseException) -> None:
    return None


def _everybody(_connection: sa.Connection) -> None:
    return None


def no_hook(_connection: sa.Connection, _job: Job, _outcome: Outcome) -> None:
    """Do nothing after an attempt."""


@dataclass(frozen=True, slots=True)
class Window:
    """The hours for work that can wait; a job more than a day late runs outside them."""

    start: time = time(0)
    length: timedelta = timedelta(days=1)
    timezone: str = "UTC"

    @property
    def start_second(self) -> int:
        """Start of the window in seconds from midnight."""
        return self.start.hour * 3600 + self.start.minute * 60 + self.start.second

    @property
    def seconds(self) -> int:
        """Length of the window in seconds, at most a day."""
        return min(int(self.length.total_seconds()), _DAY)


@dataclass(frozen=True, slots=True)
class Policy:
    """How jobs are run. The defaults suit a bare runner; times are in seconds.

    `next_run` computes when a job is due again from its row and the database's time. The hooks
    run inside the transaction that records an outcome, so both are committed or neither is:
    `on_crashed` when a process was lost and what it left behind needs repair, `on_finished`
    after every attempt.
    """

    next_run: NextRun = _never
    on_crashed: Hook = no_hook
    on_finished: Hook = no_hook
    back_off: Callable[[int], timedelta] = back_off
    describe_error: Callable[[BaseException], str] = describe_error
    retry_in: Callable[[BaseException], float | None] = _never_again
    """Seconds after which to retry a handler's temporary error; None: the attempt failed."""
    admit: Callable[[sa.Connection], None] = _everybody
    """Called in each transaction that claims or ends a job. Raises OutdatedError."""
    listens: bool = True
    """Whether connections keep their session; a transaction pooler delivers no notifications."""
    lease: float = 120.0
    heartbeat: float = 10.0
    look: float = 2.0
    """How often an attempt looks whether a person asked to end it."""
    grace: float = 10.0
    """How long a handler may exceed its time limit before its process is killed."""
    drain: float = 60.0
    """How long handlers may continue after a request to stop before they are killed."""
    poll: float = 15.0
    """How often a worker polls, in case a notification is lost."""
    max_running: int | None = None
    max_running_per_host: int | None = None
    window: Window = Window()
