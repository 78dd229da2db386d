"""The status of sources for lists and pages, and what needs attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from app.alerts import rules
from app.operations import instance, source_health
from app.operations.source_health import Facts, HealthReport
from app.registers import list_store
from app.registers.model import About
from app.registers.query import ObjectQuery
from app.sources import jobs as scheduling
from app.sources import store
from app.sources.model import Source
from app.sources.schedules import schedule as schedules
from jobs import store as jobs
from jobs.model import Job

NEXT_RUNS = 5

warnings = instance.warnings
"""Problems of the whole instance: a stalled cron job, outdated sources."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source, its health, its next scheduled run, and whether it is within `fresh_within`."""

    source: Source
    health: HealthReport
    next_run: datetime | None
    fresh: bool | None


@dataclass(frozen=True, slots=True)
class Details:
    """The same with details: the number of its objects, its schedule in words."""

    standing: SourceStatus
    owned: About
    schedule_reading: str
    next_runs: Sequence[datetime]


def sources(
    connection: sa.Connection, *, register: str | None = None, of_type: str | None = None
) -> list[SourceStatus]:
    """Every source, or those of a register or type, by name."""
    found = store.list_all(connection, register=register, of_type=of_type)
    planned = {job.key: job for job in jobs.every(connection)}
    now = jobs.clock(connection)
    known = source_health.facts(connection, found)
    return [
        _status(source, planned.get(scheduling.key(source.id)), known[source.id], now)
        for source in found
    ]


def names(connection: sa.Connection) -> list[str]:
    """The names of all sources, sorted."""
    return [source.name for source in store.list_all(connection)]


def one(connection: sa.Connection, source: Source) -> SourceStatus:
    """The status of one source."""
    job = jobs.find(connection, scheduling.key(source.id))
    known = source_health.facts(connection, [source])
    return _status(source, job, known[source.id], jobs.clock(connection))


def _status(source: Source, job: Job | None, facts: Facts, now: datetime) -> SourceStatus:
    next_run = job.next_run if job and job.enabled else None
    health = source_health.of(source, facts, now)
    return SourceStatus(source, health, next_run, fresh(source, now))


def fresh(source: Source, now: datetime | None = None) -> bool | None:
    """Whether the source's data is within `fresh_within`; None if that is not set."""
    promise = source.options.get("fresh_within")
    moment = now or datetime.now(UTC)
    return rules.is_fresh(promise, source.last_sync, moment, source.rejected_since)


def details(connection: sa.Connection, source: Source) -> Details:
    """Everything about one source except its secrets."""
    now = jobs.clock(connection)
    schedule = schedules.parse(source.schedule, source.timezone)
    return Details(
        standing=one(connection, source),
        owned=list_store.about(connection, ObjectQuery(source_id=source.id)),
        schedule_reading=schedule.describe(),
        next_runs=schedule.upcoming(NEXT_RUNS, now) if source.enabled else [],
    )
