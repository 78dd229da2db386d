"""The job of a scheduled source, and runs requested by users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from app.sources.model import Source
from app.sources.schedules import schedule as schedules
from jobs import store as jobs
from jobs.model import Job, Plan

HANDLER = "source.sync"
RETRY = "source.retry_errors"
UNDO = "source.undo"
APPROVE = "source.approve_deletes"


@dataclass(frozen=True, slots=True)
class Outlook:
    """The meaning of a schedule: in words, and its next times in its timezone."""

    words: str
    next_runs: Sequence[datetime]


def outlook(text: str, timezone: str, *, count: int = 5, now: datetime | None = None) -> Outlook:
    """Parse a schedule. Raises ScheduleError."""
    schedule = schedules.parse(text, timezone)
    return Outlook(schedule.describe(), schedule.upcoming(count, now or datetime.now(UTC)))


def key(source_id: int) -> str:
    """The key of a source's job."""
    return f"source:{source_id}"


def plan(connection: sa.Connection, source: Source) -> None:
    """Create, change or delete the source's job according to its schedule."""
    schedule = schedules.parse(source.schedule, source.timezone)
    if schedule.manual:
        forget(connection, source.id)
        return
    jobs.ensure(
        connection,
        Plan(
            handler=HANDLER,
            arguments={"source_id": source.id},
            key=key(source.id),
            schedule=source.schedule,
            timezone=source.timezone,
            enabled=source.enabled,
        ),
        schedule.next_after(jobs.clock(connection)),
    )


def forget(connection: sa.Connection, source_id: int) -> None:
    """Delete the source's job."""
    job = jobs.find(connection, key(source_id))
    if job is not None:
        jobs.delete(connection, job.id)


def next_run(job: Job, now: datetime) -> datetime | None:
    """When a job is due again; any number of missed times count as one."""
    if job.schedule is None:
        return None
    return schedules.parse(job.schedule, job.timezone).next_after(now)


def run_soon(connection: sa.Connection, source: Source, *, actor: str) -> int:
    """Let a worker run the source as soon as possible; returns the job's id."""
    return jobs.add(
        connection,
        Plan(
            handler=HANDLER,
            arguments={"source_id": source.id, "trigger": "api", "actor": actor},
            key=f"{key(source.id)}:now",
        ),
    )


def retry_soon(connection: sa.Connection, source: Source, *, actor: str) -> int:
    """Let a worker replay the source's quarantine; returns the job's id."""
    return _soon(connection, RETRY, f"{key(source.id)}:retry", source_id=source.id, actor=actor)


def undo_soon(connection: sa.Connection, source: Source, run_id: int, *, actor: str) -> int:
    """Let a worker undo a run of the source; returns the job's id."""
    job = f"{key(source.id)}:undo:{run_id}"
    return _soon(connection, UNDO, job, source_id=source.id, run_id=run_id, actor=actor)


def approve_soon(connection: sa.Connection, source: Source, ceiling: int, *, actor: str) -> int:
    """Let a worker delete held objects, if at most `ceiling` then; returns the job's id."""
    job = f"{key(source.id)}:approve"
    return _soon(connection, APPROVE, job, source_id=source.id, ceiling=ceiling, actor=actor)


def _soon(connection: sa.Connection, handler: str, job_key: str, **arguments: Any) -> int:
    plan = Plan(handler=handler, arguments=arguments, key=job_key, max_failures=1)
    return jobs.add(connection, plan)
