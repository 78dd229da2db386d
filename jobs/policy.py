"""The rules a runner keeps, all given from outside; and what it calls when an attempt ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import sqlalchemy as sa

from jobs.model import Job, Outcome

NextRun = Callable[[Job, datetime], datetime | None]
Hook = Callable[[sa.Connection, Job, Outcome], None]

_DAY = 24 * 60 * 60

#: So many crashes in a row are repaired at once; a job that kills its process every time must
#: not keep a host busy for ever.
CRASHES_REPAIRED_AT_ONCE = 3


def back_off(failures: int) -> timedelta:
    """5, 10, 20 … minutes up to six hours, for the given number of failures in a row."""
    doublings = min(max(failures, 1) - 1, 10)
    return min(timedelta(minutes=5) * (1 << doublings), timedelta(hours=6))


def describe_error(error: BaseException) -> str:
    """The type and text of an error; give a function that redacts where texts may hold secrets."""
    return f"{type(error).__name__}: {error}"


def _never(_job: Job, _now: datetime) -> datetime | None:
    return None


def _never_again(_error: BaseException) -> None:
    return None


def _everybody(_connection: sa.Connection) -> None:
    return None


def no_hook(_connection: sa.Connection, _job: Job, _outcome: Outcome) -> None:
    """Do nothing at the end of an attempt."""


@dataclass(frozen=True, slots=True)
class Window:
    """The hours for work that can wait. A job more than a day late no longer waits for them."""

    start: time = time(0)
    length: timedelta = timedelta(days=1)
    timezone: str = "UTC"

    @property
    def start_second(self) -> int:
        """Seconds from midnight to the start."""
        return self.start.hour * 3600 + self.start.minute * 60 + self.start.second

    @property
    def seconds(self) -> int:
        """Its length in seconds, a day at most."""
        return min(int(self.length.total_seconds()), _DAY)


@dataclass(frozen=True, slots=True)
class Policy:
    """How jobs are run. The defaults are those of a bare runner; times are in seconds.

    `next_run` answers when a job comes again, from its row and the database's time. The hooks
    run inside the transaction that records the end of an attempt, so what they write is there
    if and only if the end is: `on_crashed` when a process was lost and what it left behind
    needs repair, `on_finished` at every end.
    """

    next_run: NextRun = _never
    on_crashed: Hook = no_hook
    on_finished: Hook = no_hook
    back_off: Callable[[int], timedelta] = back_off
    describe_error: Callable[[BaseException], str] = describe_error
    retry_in: Callable[[BaseException], float | None] = _never_again
    """Seconds after which what a handler raised may pass by itself; None: it has failed."""
    admit: Callable[[sa.Connection], None] = _everybody
    """Called in each transaction that claims or ends a job. Raises OutdatedError."""
    listens: bool = True
    """Whether connections stay sessions; behind a pooler of transactions nothing is heard."""
    lease: float = 120.0
    heartbeat: float = 10.0
    grace: float = 10.0
    """How long a handler may go on after its time limit before its process is killed."""
    drain: float = 60.0
    """How long handlers may go on after they were asked to stop before they are killed."""
    poll: float = 15.0
    """How often a worker looks by itself, should a notification get lost."""
    max_running: int | None = None
    max_running_per_host: int | None = None
    window: Window = Window()
