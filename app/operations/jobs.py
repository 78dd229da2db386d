"""Run background jobs: one pass for cron, a permanent worker, or a single job."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.alerts import cron_ticks, review
from app.application import Application
from app.database.revision import RESTART
from app.errors import (
    AlreadyRunningError,
    ConflictError,
    DatabaseError,
    NewerDatabaseError,
    NotFoundError,
    UsageError,
)
from app.operations import handlers
from app.sources import jobs as scheduling
from app.sources import store as source_store
from jobs import store
from jobs.errors import JobError, NotRunnableError, OutdatedError
from jobs.model import Job, Outcome
from jobs.run_pass import Summary, run_job, run_pass
from jobs.worker import run_worker

Report = Callable[[Outcome], None]

MAX_TIME = 840.0
"""Seconds after which a pass starts no more jobs: a minute before every third tick."""

_TICK = 300.0  # seconds between two ticks of a worker, which thus counts as cron


@dataclass(frozen=True, slots=True)
class Jobs:
    """All jobs at one moment of the database's clock; `titles` by key, for display."""

    now: datetime
    jobs: list[Job]
    titles: dict[str, str]

    def title(self, job: Job) -> str:
        """The source's name for a job of a source, else the job's own."""
        return self.titles.get(job.name, job.name)


def tick(
    app: Application, *, max_time: float = MAX_TIME, workers: int = 1, report: Report
) -> Summary:
    """One pass over the due jobs, recorded as a tick of cron. Raises DatabaseError."""
    number = _begin_tick(app)
    with _errors():
        summary = run_pass(
            app.engine,
            handlers.policy(app),
            handlers.handlers(app),
            max_time=max_time,
            workers=workers,
            report=report,
        )
    app.write(cron_ticks.finish, number, jobs=summary.ran, failed=summary.failed)
    return summary


def work(app: Application, *, workers: int = 1, report: Report) -> Summary:
    """Run due jobs, and requested ones at once, until SIGTERM or SIGINT."""
    ticking = _Ticking(app)
    with _errors():
        return run_worker(
            app.engine,
            handlers.policy(app),
            handlers.handlers(app),
            workers=workers,
            report=ticking.counting(report),
            beat=ticking.beat,
        )


def work_once(app: Application, *, report: Report) -> Summary:
    """Run the job that has been due longest, if any is due."""
    with _errors():
        return run_pass(
            app.engine,
            handlers.policy(app),
            handlers.handlers(app),
            max_jobs=1,
            report=report,
        )


def execute(app: Application, job_id: int, *, force: bool = False) -> Outcome:
    """Run one job now, due or not, in a separate process; returns its outcome.

    Raises NotFoundError, UsageError if it is disabled and AlreadyRunningError; `force` runs it
    anyway, and the previous owner can no longer write.
    """
    app.read(get, job_id)
    with _errors():
        return run_job(
            app.engine, handlers.policy(app), handlers.handlers(app), job_id, force=force
        )


def get(connection: sa.Connection, job_id: int) -> Job:
    """One job. Raises NotFoundError."""
    job = store.get(connection, job_id)
    if job is None:
        raise NotFoundError(
            f"There is no job {job_id}", hint="`background-job:list` lists the jobs"
        )
    return job


def listing(connection: sa.Connection) -> Jobs:
    """All jobs, running ones first."""
    return Jobs(store.clock(connection), store.every(connection), titles(connection))


def show(connection: sa.Connection, job_id: int) -> Jobs:
    """The same for one job. Raises NotFoundError."""
    return Jobs(store.clock(connection), [get(connection, job_id)], titles(connection))


def titles(connection: sa.Connection) -> dict[str, str]:
    """The names of sources by the keys of their jobs."""
    found: dict[str, str] = {}
    for source in source_store.list_all(connection):
        key = scheduling.key(source.id)
        found |= {key: source.name, f"{key}:now": source.name}
    return found


history = store.history


def due_now(connection: sa.Connection, job_id: int) -> None:
    """Let a worker run a job as soon as possible. Raises NotFoundError, ConflictError."""
    job = get(connection, job_id)
    if not store.run_now(connection, job_id):
        raise ConflictError(f"Job {job.name} is disabled", hint="Enable its source first")


def cancel(connection: sa.Connection, job_id: int) -> bool:
    """Ask a running job to stop; returns whether it is running. Raises NotFoundError."""
    get(connection, job_id)
    return store.cancel(connection, job_id)


def delete(connection: sa.Connection, job_id: int) -> Job:
    """Delete a job; its process can record nothing more. Raises NotFoundError."""
    job = get(connection, job_id)
    store.delete(connection, job_id)
    return job


class _Ticking:
    """Records a tick every five minutes, with what was done since the last one."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._next = 0.0
        self._ran = 0
        self._failed = 0

    def counting(self, report: Report) -> Report:
        def count(outcome: Outcome) -> None:
            self._ran += 1
            self._failed += outcome.bad
            report(outcome)

        return count

    def beat(self) -> None:
        if time.monotonic() < self._next:
            return
        number = _begin_tick(self._app)
        self._app.write(cron_ticks.finish, number, jobs=self._ran, failed=self._failed)
        self._next = time.monotonic() + _TICK
        self._ran = self._failed = 0


def _begin_tick(app: Application) -> int:
    """The start of every pass: housekeeping, the tick, and due alerts."""
    handlers.ensure_housekeeping(app)
    with app.engine.begin() as connection:
        review.note_gap(connection)
        number = cron_ticks.begin(connection, host=socket.gethostname(), pid=os.getpid())
        review.review(connection)
    return number


@contextmanager
def _errors() -> Iterator[None]:
    """Translate the runner's errors to the application's."""
    try:
        yield
    except NotRunnableError as error:
        if error.running:
            raise AlreadyRunningError(
                str(error), hint="Wait, or take it over with --force if that process is stuck"
            ) from None
        raise UsageError(str(error), hint="--force also runs a disabled job") from None
    except OutdatedError as error:
        raise NewerDatabaseError(str(error).removesuffix(f". {RESTART}"), hint=RESTART) from None
    except JobError as error:
        raise DatabaseError(str(error), hint="The next pass repairs what was left behind") from None
