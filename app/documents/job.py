"""JSON of background jobs, attempts and outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.operations.jobs import Jobs
    from jobs.model import Attempt, Job, Outcome


def job_document(found: Jobs, job: Job) -> dict[str, Any]:
    """A job at the moment of `found`; `job` and `title` are its display names."""
    reserved, lease = job.reserved_at, job.lease_until
    title = found.title(job)
    return {
        "id": job.id,
        "job": title,
        "title": title,
        "name": job.name,
        "key": job.key,
        "source": found.titles.get(job.name),
        "handler": job.handler,
        "state": job.state(found.now),
        "enabled": job.enabled,
        "schedule": job.schedule,
        "timezone": job.timezone,
        "next_run": job.next_run,
        "last_run": job.last_run,
        "last_state": job.last_state,
        "last_error": job.last_error,
        "failures": job.failures,
        "host": job.reserved_by,
        "pid": job.reserved_pid,
        "lease_until": lease,
        "lease_age_s": round((found.now - reserved).total_seconds()) if reserved else None,
        "lease_left_s": round((lease - found.now).total_seconds()) if lease else None,
    }


def attempt_document(attempt: Attempt, titles: Mapping[str, str]) -> dict[str, Any]:
    """One attempt; `titles` are those of `operations.jobs.Jobs`, `peak_memory` is in bytes."""
    name = attempt.key or attempt.handler
    took = (attempt.finished - attempt.started).total_seconds() if attempt.finished else None
    return {
        "id": attempt.id,
        "job_id": attempt.job_id,
        "job": titles.get(name, name),
        "key": attempt.key,
        "handler": attempt.handler,
        "state": attempt.state,
        "host": attempt.host,
        "pid": attempt.pid,
        "started": attempt.started,
        "finished": attempt.finished,
        "duration_s": None if took is None else round(took, 3),
        "peak_memory": attempt.peak_memory,
        "error": attempt.error,
        "result": attempt.result,
    }


def outcome_document(outcome: Outcome, title: str) -> dict[str, Any]:
    """The outcome of the attempt just made."""
    return {
        "id": outcome.job_id,
        "job": title,
        "handler": outcome.handler,
        "run": outcome.token,
        "state": outcome.state,
        "error": outcome.error,
        "result": outcome.result,
        "duration_s": round(outcome.duration, 3),
        "peak_memory": outcome.peak_memory,
        "failures": outcome.failures,
        "next_run": outcome.next_run,
    }
