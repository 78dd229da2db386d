"""Leases on jobs: claim, renew, fence, finish, and repair what a lost process left behind.

Every statement uses the database's clock. A token identifies an attempt; once a newer attempt
has claimed the job, or none holds it, the previous owner can no longer write.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobs.errors import LeaseLostError, NotRunnableError
from jobs.model import Attempt, Job, Outcome
from jobs.policy import CRASHES_REPAIRED_AT_ONCE, Policy
from jobs.processes import Process, is_gone
from jobs.tables import job_runs, jobs

_log = logging.getLogger(__name__)

_CLAIM_LOCK = 0x6A6F6273  # "jobs", the key of the advisory lock that makes limits exact

# The jobs that may run now, the longest due first. Work that can wait keeps to the maintenance
# window until it is a day late. ix_jobs_due serves this query whatever the number of jobs.
_DUE = """
    SELECT id, key, handler FROM openregister.jobs
    WHERE enabled AND reserved_at IS NULL AND next_run <= now()
      AND (NOT time_insensitive OR next_run < now() - interval '1 day' OR mod(
            extract(epoch FROM (now() AT TIME ZONE :zone)::time)::int - :start + 86400, 86400
          ) < :length)
    ORDER BY next_run, id
    LIMIT :count
"""

# Record the attempt and reserve the job that `due` selects, in one statement. The subqueries
# keep both to one index probe whatever the statistics are.
_RESERVE = """
    , attempt AS (
        INSERT INTO openregister.job_runs (job_id, key, handler, host, pid)
        SELECT id, key, handler, :host, :pid FROM due
        RETURNING id
    )
    UPDATE openregister.jobs
    SET token = (SELECT id FROM attempt), reserved_at = now(), reserved_by = :host,
        reserved_pid = :pid, reserved_process = :mark,
        lease_until = now() + make_interval(secs => :lease),
        next_run = NULL, last_run = now(), cancel_requested = false, updated = now()
    WHERE id = (SELECT id FROM due)
    RETURNING *
"""

CLAIM = f"WITH due AS ({_DUE} FOR UPDATE SKIP LOCKED) {_RESERVE}"
_ONE = "SELECT id, key, handler FROM openregister.jobs WHERE id = :job FOR UPDATE"
_CLAIM_ONE = f"WITH due AS ({_ONE}) {_RESERVE}"

_RENEW = """
    UPDATE openregister.jobs SET lease_until = now() + make_interval(secs => :lease)
    WHERE id = :job AND token = :token AND reserved_at IS NOT NULL
    RETURNING cancel_requested
"""

_RUNNING = """
    SELECT count(*) AS everywhere, count(*) FILTER (WHERE reserved_by = :host) AS here
    FROM openregister.jobs WHERE reserved_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Ending:
    """The result of an attempt; `retry_in` (seconds) overrides every other plan."""

    state: str
    error: str | None = None
    result: Mapping[str, Any] | None = None
    peak_memory: int | None = None
    retry_in: float | None = None


def look(connection: sa.Connection, policy: Policy, host: str, count: int) -> int:
    """How many jobs, at most `count`, could be claimed on this host right now."""
    free = min(count, _free(connection, policy, host))
    if free <= 0:
        return 0
    due = connection.execute(sa.text(_DUE), {"count": free, **_window(policy)})
    return len(due.all())


def claim(connection: sa.Connection, policy: Policy, process: Process) -> Job | None:
    """Reserve the job that has been due longest; None if there is none or a limit is reached."""
    if policy.max_running is not None or policy.max_running_per_host is not None:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CLAIM_LOCK)))
        if _free(connection, policy, process.host) <= 0:
            return None
    values = {"count": 1, **_window(policy), **_owner(policy, process)}
    return _job(connection.execute(sa.text(CLAIM), values))


def claim_by_id(
    connection: sa.Connection, policy: Policy, process: Process, job_id: int, *, force: bool
) -> Job:
    """Reserve one job even if it is not due. Raises NotRunnableError.

    With `force`, also a disabled job or one that another process holds: that attempt is
    recorded as crashed and can no longer write.
    """
    job = _locked(connection, job_id)
    if job is None:
        raise NotRunnableError(f"There is no job {job_id}")
    if job.running and not force:
        raise NotRunnableError(
            f"{job.name} is running on {job.reserved_by}, pid {job.reserved_pid}", running=True
        )
    if not (job.enabled or force):
        raise NotRunnableError(f"{job.name} is disabled")
    if job.running:
        crash(connection, policy, job, "Taken over by force")
    claimed = _job(
        connection.execute(sa.text(_CLAIM_ONE), {"job": job_id, **_owner(policy, process)})
    )
    if claimed is None:
        raise NotRunnableError(f"{job.name} was removed")
    return claimed


def renew(connection: sa.Connection, policy: Policy, job: Job) -> bool:
    """Renew the lease; True if a user cancelled the job. Raises LeaseLostError."""
    row = connection.execute(
        sa.text(_RENEW), {"lease": policy.lease, "job": job.id, "token": job.token}
    ).one_or_none()
    if row is None:
        raise LeaseLostError(_lost(job))
    return bool(row.cancel_requested)


def asked_to_stop(connection: sa.Connection, job: Job) -> bool:
    """Whether somebody has asked to cancel the attempt."""
    query = sa.select(jobs.c.cancel_requested).where(jobs.c.id == job.id, jobs.c.token == job.token)
    return bool(connection.scalar(query))


def fence(connection: sa.Connection, policy: Policy, job: Job) -> None:
    """Tie the transaction of `connection` to the lease. Raises LeaseLostError.

    Until it ends no other process can take the job, so two owners never write. A process that
    hangs inside it would hold the job for ever, so the server ends the transaction once it has
    been idle for the length of a lease.
    """
    idle = str(int(policy.lease * 1000))
    connection.execute(
        sa.select(sa.func.set_config("idle_in_transaction_session_timeout", idle, True))
    )
    held = connection.execute(
        sa.select(jobs.c.id)
        .where(jobs.c.id == job.id, jobs.c.token == job.token, jobs.c.reserved_at.is_not(None))
        .with_for_update(read=True)
    ).first()
    if held is None:
        raise LeaseLostError(_lost(job))


def finish(connection: sa.Connection, policy: Policy, claimed: Job, ending: Ending) -> Outcome:
    """Record the outcome of the attempt and plan the next one. Raises LeaseLostError."""
    job = _locked(connection, claimed.id)
    if job is None or not job.running or job.token != claimed.token:
        raise LeaseLostError(_lost(claimed))
    return _end(connection, policy, job, ending)


def attempt(connection: sa.Connection, token: int) -> Attempt | None:
    """One attempt from the history."""
    statement = sa.select(job_runs).where(job_runs.c.id == token)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Attempt(**row)


def crash(
    connection: sa.Connection, policy: Policy, job: Job, reason: str, *, state: str = "crashed"
) -> Outcome:
    """End the attempt of a lost process; `job` is the row, locked by `connection`."""
    return _end(connection, policy, job, Ending(state, reason), lost=True)


def reap(
    engine: sa.Engine, policy: Policy, process: Process, killed: Mapping[int, str] | None = None
) -> Iterator[Outcome]:
    """End attempts whose lease has expired or whose process on this host has exited.

    `killed` maps tokens to the reason why the caller killed the process. Each job has its own
    transaction. A failed repair is logged and retried later, so that it delays no other job.
    """
    killed = killed or {}
    with engine.connect() as connection:
        suspects = connection.execute(
            sa.select(jobs.c.id, jobs.c.token).where(
                jobs.c.reserved_at.is_not(None),
                (jobs.c.lease_until < sa.func.now()) | (jobs.c.reserved_by == process.host),
            )
        ).all()
    for job_id, token in suspects:
        try:
            with engine.begin() as connection:
                # a stuck transaction may hold locks on what a hook repairs
                connection.execute(sa.select(sa.func.set_config("lock_timeout", "5s", True)))
                outcome = _reap_one(connection, policy, job_id, killed.get(token))
        except Exception as error:
            if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
                raise
            _log.exception("Job %s could not be repaired; the worker will retry", job_id)
            continue
        if outcome is not None:
            yield outcome


def _reap_one(
    connection: sa.Connection, policy: Policy, job_id: int, killed: str | None
) -> Outcome | None:
    job = _locked(connection, job_id, wait=False)
    if job is None or not job.running:
        return None
    owner = f"pid {job.reserved_pid} on {job.reserved_by}"
    if is_gone(job.reserved_pid or 0, job.reserved_process or ""):
        if killed:
            return crash(connection, policy, job, killed, state="failed")
        return crash(connection, policy, job, f"The process died ({owner})")
    now: datetime = connection.execute(sa.select(sa.func.now())).scalar_one()
    if job.lease_until is not None and job.lease_until < now:
        return crash(connection, policy, job, f"The lease expired without a heartbeat ({owner})")
    return None


def _end(
    connection: sa.Connection, policy: Policy, job: Job, ending: Ending, *, lost: bool = False
) -> Outcome:
    now: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    failures = _failures(job, ending)
    moment, error = _next_run(policy, job, ending, failures, now)
    outcome = Outcome(
        job_id=job.id,
        name=job.name,
        handler=job.handler,
        token=job.token or 0,
        state=ending.state,
        pid=job.reserved_pid or 0,
        error=error,
        result=ending.result,
        duration=(now - job.reserved_at).total_seconds() if job.reserved_at else 0.0,
        peak_memory=ending.peak_memory,
        failures=failures,
        next_run=moment,
    )
    connection.execute(
        job_runs.update()
        .where(job_runs.c.id == job.token)
        .values(
            state=ending.state,
            finished=now,
            error=error,
            result=sa.null() if ending.result is None else dict(ending.result),
            peak_memory=ending.peak_memory,
        )
    )
    over = job.schedule is None and moment is None and ending.state in ("done", "cancelled")
    if over:
        connection.execute(jobs.delete().where(jobs.c.id == job.id))
    else:
        connection.execute(_unreserve(job, outcome))
    if lost:
        policy.on_crashed(connection, job, outcome)
    policy.on_finished(connection, job, outcome)
    return outcome


def _unreserve(job: Job, outcome: Outcome) -> sa.Update:
    return (
        jobs.update()
        .where(jobs.c.id == job.id)
        .values(
            reserved_at=None,
            reserved_by=None,
            reserved_pid=None,
            reserved_process=None,
            lease_until=None,
            cancel_requested=False,
            next_run=outcome.next_run,
            last_state=outcome.state,
            last_error=outcome.error,
            failures=outcome.failures,
            updated=sa.func.now(),
        )
    )


def _failures(job: Job, ending: Ending) -> int:
    if ending.state == "done":
        return 0
    return job.failures + (ending.state in ("failed", "crashed"))


def _next_run(
    policy: Policy, job: Job, ending: Ending, failures: int, now: datetime
) -> tuple[datetime | None, str | None]:
    """When the job is due again, and the error to record with it."""
    given_up = job.max_failures is not None and failures >= job.max_failures
    candidates: list[datetime | None] = [job.next_run]  # requested while it was running
    error = ending.error
    if ending.retry_in is not None:
        candidates.append(now + timedelta(seconds=ending.retry_in))
        return _earliest(candidates), error
    try:
        candidates.append(policy.next_run(job, now) if job.schedule is not None else None)
    except Exception as fault:  # an outcome must be recorded even if the schedule is invalid
        error = f"{error or ''} It is not scheduled again: {policy.describe_error(fault)}".strip()
    if ending.state == "released":
        candidates.append(now)
    elif ending.state == "failed" and not given_up:
        candidates.append(now + policy.back_off(failures))
    elif ending.state == "crashed" and not given_up:
        late = failures - CRASHES_REPAIRED_AT_ONCE
        candidates.append(now + policy.back_off(late) if late > 0 else now)
    return _earliest(candidates), error


def _earliest(candidates: list[datetime | None]) -> datetime | None:
    return min((moment for moment in candidates if moment is not None), default=None)


def _locked(connection: sa.Connection, job_id: int, *, wait: bool = True) -> Job | None:
    statement = sa.select(jobs).where(jobs.c.id == job_id).with_for_update(skip_locked=not wait)
    return _job(connection.execute(statement))


def _job(rows: sa.CursorResult[Any]) -> Job | None:
    row = rows.mappings().one_or_none()
    return None if row is None else Job(**row)


def _free(connection: sa.Connection, policy: Policy, host: str) -> int:
    limits = (policy.max_running, policy.max_running_per_host)
    if limits == (None, None):
        return 1_000_000
    running = connection.execute(sa.text(_RUNNING), {"host": host}).one()
    counts: tuple[int, int] = (running.everywhere, running.here)
    return min(
        limit - count for limit, count in zip(limits, counts, strict=True) if limit is not None
    )


def _window(policy: Policy) -> dict[str, object]:
    window = policy.window
    return {
        "zone": window.timezone,
        "start": window.start_second,
        "length": window.seconds,
    }


def _owner(policy: Policy, process: Process) -> dict[str, object]:
    return {
        "host": process.host,
        "pid": process.pid,
        "mark": process.mark,
        "lease": policy.lease,
    }


def _lost(job: Job) -> str:
    return f"{job.name}: attempt {job.token} no longer holds the job; another process continues it"


__all__ = [
    "CLAIM",
    "Ending",
    "asked_to_stop",
    "attempt",
    "claim",
    "claim_by_id",
    "crash",
    "fence",
    "finish",
    "look",
    "reap",
    "renew",
]
