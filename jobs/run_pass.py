"""One pass over the due jobs, as a host's cron starts it every few minutes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa

from jobs import leases
from jobs.attempt import Handlers
from jobs.errors import JobError, NotRunnableError, OutdatedError
from jobs.model import Outcome
from jobs.policy import Policy
from jobs.pool import Crew, Report
from jobs.processes import this_process


@dataclass(frozen=True, slots=True)
class Summary:
    """What a pass came to. `repaired` counts attempts that earlier processes left behind."""

    ran: int = 0
    failed: int = 0
    repaired: int = 0


def ignore(_outcome: Outcome) -> None:
    """Tell nobody of an outcome; the history has it."""


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
    """Run what is due until nothing is, or until `max_time` seconds have passed.

    No job is begun after `max_time`; those under way are waited for. Any number of passes may
    go on at once, here and on other hosts. Raises the database's OperationalError.
    """
    repaired = 0
    for outcome in leases.reap(engine, policy, this_process()):
        repaired += 1
        report(outcome)
    due = _due(engine, policy, workers)
    if due == 0:
        return Summary(repaired=repaired)
    until = time.monotonic() + max_time
    with Crew(engine, policy, handlers, workers, report) as crew:
        while due > 0 and not crew.stopping and time.monotonic() < until:
            before = crew.started
            crew.drain(due, until=until, count=max_jobs)
            _wait(crew)
            if crew.trouble is not None or crew.started == before or max_jobs is not None:
                break  # the database is away, other passes were quicker, or enough is done
            due = _due(engine, policy, workers)
        if crew.stopping:
            crew.leave()
    if crew.outdated is not None:
        raise OutdatedError(crew.outdated)
    if crew.trouble is not None:
        raise JobError(f"The pass ended early: {crew.trouble}")
    return Summary(crew.started, crew.failed, repaired + crew.repaired)


def run_job(
    engine: sa.Engine,
    policy: Policy,
    handlers: Handlers,
    job_id: int,
    *,
    force: bool = False,
) -> Outcome:
    """Run one job now, due or not, and answer how it ended. Raises NotRunnableError.

    `force` also runs a disabled one, and takes one over that another process holds.
    """
    outcomes: list[Outcome] = []
    with Crew(engine, policy, handlers, 1, outcomes.append) as crew:
        crew.run(job_id, force=force)
        _wait(crew)
        if crew.stopping:
            crew.leave()
    if crew.outdated is not None:
        raise OutdatedError(crew.outdated)
    if crew.refusal is not None:
        raise NotRunnableError(crew.refusal.reason, running=crew.refusal.running)
    for outcome in outcomes:
        if outcome.job_id == job_id:
            return outcome
    raise JobError(crew.trouble or f"Nothing is known of how job {job_id} ended")


def _due(engine: sa.Engine, policy: Policy, workers: int) -> int:
    with engine.connect() as connection:
        return leases.look(connection, policy, this_process().host, workers)


def _wait(crew: Crew) -> None:
    while crew.busy and not crew.stopping:
        crew.step(1.0)
