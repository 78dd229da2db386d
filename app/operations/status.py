"""Sources as lists and pages show them: where each stands, and what wants attention."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.alerts import rules
from app.application import Application
from app.operations import instance
from app.registers import object_store
from app.sources import jobs as scheduling
from app.sources import store
from app.sources.schedules import schedule as schedules
from app.sources.store import Source
from jobs import store as jobs
from jobs.model import Job

NEXT_RUNS = 5


def sources(
    app: Application, *, register: str | None = None, of_type: str | None = None
) -> list[dict[str, Any]]:
    """One line per source, by name."""
    with app.engine.connect() as connection:
        found = store.list_all(connection, register=register, of_type=of_type)
        planned = {job.key: job for job in jobs.every(connection)}
        now = jobs.clock(connection)
    return [_line(source, planned.get(scheduling.key(source.id)), now) for source in found]


def _line(source: Source, job: Job | None, now: datetime) -> dict[str, Any]:
    first = source.targets[0] if source.targets else None
    return {
        "name": source.name,
        "type": source.type,
        "status": source.status,
        "status_reason": source.status_reason,
        "enabled": source.enabled,
        "register": first.register if first else None,
        "schema": first.schema if first else None,
        "targets": [
            {"register": target.register, "schema": target.schema} for target in source.targets
        ],
        "schedule": source.schedule,
        "timezone": source.timezone,
        "last_sync": source.last_sync,
        "next_run": job.next_run if job and job.enabled else None,
        "last_run": source.last_run_id,
        "last_run_state": source.last_run_state,
        "fresh": fresh(source, now),
        "rejected": source.rejected,
    }


def fresh(source: Source, now: datetime | None = None) -> bool | None:
    """Whether the source keeps its `fresh_within` promise; None without one."""
    promise = source.options.get("fresh_within")
    moment = now or datetime.now(UTC)
    return rules.kept(promise, source.last_sync, moment, source.rejected_since)


def describe(app: Application, source: Source) -> dict[str, Any]:
    """Everything about one source but its secrets."""
    with app.engine.connect() as connection:
        job = jobs.find(connection, scheduling.key(source.id))
        now = jobs.clock(connection)
        owned = object_store.about(connection, object_store.Selection(source_id=source.id))
    schedule = schedules.parse(source.schedule, source.timezone)
    upcoming = schedule.upcoming(NEXT_RUNS, now) if source.enabled else []
    return {
        **_line(source, job, now),
        "schedule_reading": schedule.describe(),
        "next_runs": [moment.isoformat() for moment in upcoming],
        "connection": source.connection,
        "has_secrets": source.has_secrets,
        "mappings": [target.mapping for target in source.targets],
        "on_missing": source.on_missing,
        "options": source.options,
        "objects": owned.number,
        "objects_exact": owned.exact,
        "quarantined": source.rejected,
        "failures": source.failures,
        "last_full": source.last_full,
        "cursor": source.cursor,
        "findings": source.findings,
    }


def warnings(app: Application) -> list[str]:
    """What is wrong with the instance as a whole: a stopped cron, sources out of date."""
    with app.engine.connect() as connection:
        return instance.warnings(connection)
