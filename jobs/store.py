"""The interface to the job table: plan, request, cancel, list and delete jobs.

Every function uses the given connection and leaves the transaction to the caller, so that a
job is committed together with what it is for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from jobs.model import Attempt, Job, Plan
from jobs.notify import notify
from jobs.tables import job_runs, jobs

# A change of these is a new plan, so the previous `next_run` no longer counts.
_TIMING = ("schedule", "timezone", "enabled")
_PLANNED = (
    "handler",
    "arguments",
    "schedule",
    "timezone",
    "enabled",
    "time_insensitive",
    "time_limit",
    "max_failures",
)


def ensure(connection: sa.Connection, plan: Plan, next_run: datetime | None) -> int:
    """Create the job, or update the one with its key; returns its id.

    An existing job keeps its next run unless its schedule, timezone or `enabled` changes, and
    is not written at all if nothing changes. A one-off job that is planned again runs at the
    earlier of the two times.
    """
    new = insert(jobs).values(
        key=plan.key,
        next_run=next_run,
        **{name: getattr(plan, name) for name in _PLANNED if name != "arguments"},
        arguments=dict(plan.arguments),
    )
    replanned = sa.or_(*(jobs.c[name].is_distinct_from(new.excluded[name]) for name in _TIMING))
    changed = sa.or_(*(jobs.c[name].is_distinct_from(new.excluded[name]) for name in _PLANNED))
    one_off = new.excluded.schedule.is_(None)
    upsert = new.on_conflict_do_update(
        index_elements=[jobs.c.key],
        set_={
            **{name: new.excluded[name] for name in _PLANNED},
            "next_run": sa.case(
                (replanned, new.excluded.next_run),
                (one_off, sa.func.least(jobs.c.next_run, new.excluded.next_run)),
                else_=jobs.c.next_run,
            ),
            "failures": sa.case((replanned, 0), else_=jobs.c.failures),
            "updated": sa.func.now(),
        },
        where=sa.or_(changed, one_off),
    ).returning(jobs.c.id)
    job_id = connection.execute(upsert).scalar_one_or_none()
    if job_id is None:
        unchanged = sa.select(jobs.c.id).where(jobs.c.key == plan.key)
        return int(connection.execute(unchanged).scalar_one())
    notify(connection)
    return int(job_id)


def add(connection: sa.Connection, plan: Plan, *, delay: timedelta = timedelta()) -> int:
    """Plan a one-off job `delay` from now by the database's clock; returns its id."""
    return ensure(connection, plan, clock(connection) + delay)


def run_now(connection: sa.Connection, job_id: int) -> bool:
    """Make a job due now. False if there is no such job or it is disabled.

    A running job runs once more after it has ended.
    """
    statement = (
        jobs.update()
        .where(jobs.c.id == job_id, jobs.c.enabled)
        .values(next_run=sa.func.now(), updated=sa.func.now())
    )
    asked = connection.execute(statement).rowcount > 0
    if asked:
        notify(connection)
    return asked


def cancel(connection: sa.Connection, job_id: int) -> bool:
    """Ask a running job to stop at its next safe point. False if it is not running."""
    statement = (
        jobs.update()
        .where(jobs.c.id == job_id, jobs.c.reserved_at.is_not(None))
        .values(cancel_requested=True)
    )
    return connection.execute(statement).rowcount > 0


def delete(connection: sa.Connection, job_id: int) -> bool:
    """Delete a job; an attempt in progress loses its lease and is recorded as cancelled."""
    gone = connection.execute(
        jobs.delete().where(jobs.c.id == job_id).returning(jobs.c.token)
    ).one_or_none()
    if gone is None:
        return False
    connection.execute(
        job_runs.update()
        .where(job_runs.c.id == gone.token, job_runs.c.state == "running")
        .values(state="cancelled", finished=sa.func.now(), error="The job was deleted")
    )
    return True


def get(connection: sa.Connection, job_id: int) -> Job | None:
    """One job by its id."""
    return _one(connection, jobs.c.id == job_id)


def find(connection: sa.Connection, key: str) -> Job | None:
    """One job by its key."""
    return _one(connection, jobs.c.key == key)


def every(connection: sa.Connection) -> list[Job]:
    """All jobs: running ones first, then by next run, then those without one."""
    statement = sa.select(jobs).order_by(
        jobs.c.reserved_at.is_(None), jobs.c.next_run.asc().nulls_last(), jobs.c.id
    )
    return [Job(**row) for row in connection.execute(statement).mappings()]


def history(
    connection: sa.Connection, *, job_id: int | None = None, limit: int = 50
) -> list[Attempt]:
    """The latest attempts, newest first."""
    statement = sa.select(job_runs).order_by(job_runs.c.id.desc()).limit(limit)
    if job_id is not None:
        statement = statement.where(job_runs.c.job_id == job_id)
    return [Attempt(**row) for row in connection.execute(statement).mappings()]


def forget_history(connection: sa.Connection, older_than: timedelta) -> int:
    """Delete attempts that ended longer ago, except the latest of each job; returns how many."""
    latest = sa.select(jobs.c.id).where(jobs.c.token == job_runs.c.id).exists()
    statement = job_runs.delete().where(
        job_runs.c.finished < sa.func.now() - older_than, sa.not_(latest)
    )
    return connection.execute(statement).rowcount


def forget_given_up(connection: sa.Connection, older_than: timedelta) -> int:
    """Delete one-off jobs whose last failure is longer ago; returns how many.

    Until then they stay listed with their error, so that a user can see and run them again.
    """
    statement = jobs.delete().where(
        jobs.c.schedule.is_(None),
        jobs.c.next_run.is_(None),
        jobs.c.reserved_at.is_(None),
        jobs.c.max_failures.is_not(None),
        jobs.c.failures >= jobs.c.max_failures,
        jobs.c.updated < sa.func.now() - older_than,
    )
    return connection.execute(statement).rowcount


def clock(connection: sa.Connection) -> datetime:
    """The database's time at the start of this transaction."""
    now: datetime = connection.execute(sa.select(sa.func.now())).scalar_one()
    return now


def seconds_to_next(connection: sa.Connection) -> float:
    """Seconds until the next job falls due; infinite if none is planned."""
    statement = sa.select(sa.func.min(jobs.c.next_run), sa.func.now()).where(
        jobs.c.enabled, jobs.c.reserved_at.is_(None), jobs.c.next_run > sa.func.now()
    )
    moment, now = connection.execute(statement).one()
    return float("inf") if moment is None else float((moment - now).total_seconds())


def _one(connection: sa.Connection, condition: sa.ColumnElement[Any]) -> Job | None:
    row = connection.execute(sa.select(jobs).where(condition)).mappings().one_or_none()
    return None if row is None else Job(**row)
