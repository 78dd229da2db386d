"""One pass over the due jobs, as started by cron every few minutes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa

from jobs import leases
from jobs.attempt import Handlers
from jobs.errors import JobError, NotRunnableError, OutdatedError
from jobs.model import Outcome
from jobs.policy import Policy
from jobs.pool import Pool, Report
from jobs.processes import this_process


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of a pass. `repaired` counts attempts that earlier processes left behind."""

    ran: int = 0
    failed: int = 0
    repaired: int = 0


def ignore(_outcome: Outcome) -> None:
    """Report nothing; the history has the outcome."""


def run_pass(
    engine: sa.Engine,
    policy: Policy,
    handlers: Handlers,
    *,
    max_time: float = 840.0,
    workers: int = 1,
    max_jobs: int | None = None,
    report: Report = ignore,
) -> Summary:
    """Run due jobs until none is left, or until `max_time` seconds have passed.

    No job starts after `max_time`; those in progress are waited for. Any number of passes may
    run at once, here and on other hosts. Raises the database's OperationalError.
    """
    repaired = 0
    for outcome in leases.reap(engine, policy, this_process()):
        repaired += 1
        report(outcome)
    due = _due(engine, policy, workers)
    if due == 0:
        return Summary(repaired=repaired)
    until = time.monotonic() + max_time
    with Pool(engine, policy, handlers, workers, report) as pool:
        while due > 0 and not pool.stopping and time.monotonic() < until:
            before = pool.started
            pool.drain(due, until=until, count=max_jobs)
            _wait(pool)
            if pool.error is not None or pool.started == before or max_jobs is not None:
                break  # the database is down, other passes were quicker, or `count` is reached
            due = _due(engine, policy, workers)
        if pool.stopping:
            pool.leave()
    if pool.outdated is not None:
        raise OutdatedError(pool.outdated)
    if pool.error is not None:
        raise JobError(f"The pass ended early: {pool.error}")
    return Summary(pool.started, pool.failed, repaired + pool.repaired)


def run_job(
    engine: sa.Engine,
    policy: Policy,
    handlers: Handlers,
    job_id: int,
    *,
    force: bool = False,
) -> Outcome:
    """Run one job now, due or not, and return its outcome. Raises NotRunnableError.

    `force` also runs a disabled job, and takes over one that another process holds.
    """
    outcomes: list[Outcome] = []
    with Pool(engine, policy, handlers, 1, outcomes.append) as pool:
        pool.run(job_id, force=force)
        _wait(pool)
        if pool.stopping:
            pool.leave()
    if pool.outdated is not None:
        raise OutdatedError(pool.outdated)
    if pool.refusal is not None:
        raise NotRunnableError(pool.refusal.reason, running=pool.refusal.running)
    for outcome in outcomes:
        if outcome.job_id == job_id:
            return outcome
    raise JobError(pool.error or f"The outcome of job {job_id} is unknown")


def _due(engine: sa.Engine, policy: Policy, workers: int) -> int:
    with engine.connect() as connection:
        return leases.look(connection, policy, this_process().host, workers)


def _wait(pool: Pool) -> None:
    while pool.busy and not pool.stopping:
        pool.step(1.0)
