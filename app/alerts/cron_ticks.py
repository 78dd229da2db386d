"""Records of `background:cron`: when and where it ran, how long, and how many jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from app.database.tables import cron_ticks

_COLUMNS = [
    cron_ticks.c[name] for name in ("id", "started", "finished", "host", "pid", "jobs", "failed")
]


@dataclass(frozen=True, slots=True)
class CronTick:
    """A row of `cron_ticks`; without `finished` it is still running or was killed."""

    id: int
    started: datetime
    finished: datetime | None
    host: str
    pid: int
    jobs: int
    failed: int


def begin(connection: sa.Connection, *, host: str, pid: int) -> int:
    """Record the start of a pass over the jobs; returns its id."""
    tick: int = connection.execute(
        sa.insert(cron_ticks).values(host=host, pid=pid).returning(cron_ticks.c.id)
    ).scalar_one()
    return tick


def finish(connection: sa.Connection, tick: int, *, jobs: int, failed: int) -> None:
    """Record its end, the jobs it ran and how many of them failed."""
    connection.execute(
        sa.update(cron_ticks)
        .where(cron_ticks.c.id == tick)
        .values(finished=sa.func.now(), jobs=jobs, failed=failed)
    )


def last(connection: sa.Connection) -> CronTick | None:
    """The latest record."""
    return next(iter(latest(connection, limit=1)), None)


def latest(connection: sa.Connection, *, limit: int = 20) -> list[CronTick]:
    """The latest records, newest first."""
    rows = connection.execute(
        sa.select(*_COLUMNS)
        .order_by(cron_ticks.c.started.desc(), cron_ticks.c.id.desc())
        .limit(limit)
    )
    return [CronTick(**row._mapping) for row in rows]


def purge(connection: sa.Connection, *, older_than: timedelta) -> int:
    """Delete old records; returns how many."""
    return connection.execute(
        sa.delete(cron_ticks).where(cron_ticks.c.started < sa.func.now() - older_than)
    ).rowcount
