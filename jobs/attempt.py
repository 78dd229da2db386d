"""Run one attempt in this process: call the handler, renew the lease, record the outcome."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

import sqlalchemy as sa

from jobs import leases
from jobs.context import Handler, JobContext, beating
from jobs.errors import Interrupted, LeaseLostError, OutdatedError, Postponed
from jobs.leases import Ending
from jobs.model import Job, Outcome
from jobs.policy import Policy, no_hook
from jobs.processes import forget_peak_memory, peak_memory

_log = logging.getLogger(__name__)

_RETRY = 1.0  # seconds between attempts to record an outcome while the database is down

Handlers = Mapping[str, Handler]


def execute(
    engine: sa.Engine, policy: Policy, handlers: Handlers, job: Job, stop: threading.Event
) -> Outcome:
    """Run the claimed `job` and record its outcome; never raises what the handler raises.

    Setting `stop` asks the handler to stop at its next safe point. The outcome of an attempt
    that lost its lease is `crashed`, as recorded by the process that took the job over.
    """
    forget_peak_memory()
    context = JobContext(engine, policy, job, stop)
    started = time.monotonic()
    with beating(context, policy, stop):
        ending = replace(_run(policy, handlers, context), peak_memory=peak_memory())
        try:
            return _record(engine, policy, context, ending)
        except (LeaseLostError, OutdatedError) as error:
            return _recorded_by_another(engine, job, str(error), time.monotonic() - started)


def _run(policy: Policy, handlers: Handlers, context: JobContext) -> Ending:
    job = context.job
    handler = handlers.get(job.handler)
    if handler is None:
        return Ending(
            "failed",
            f"This version has no handler '{job.handler}'. Install the version that created"
            " the job on this host too, or delete the job",
        )
    try:
        result = handler(context, job.arguments)
    except Interrupted as pause:
        return _interrupted(context, str(pause) or None)
    except Postponed as pause:
        return Ending("released", str(pause), retry_in=pause.seconds)
    except Exception as error:  # an error of a handler ends only its own attempt
        _log.debug("%s failed", job.name, exc_info=True)
        if (seconds := policy.retry_in(error)) is not None:
            return Ending("released", policy.describe_error(error), retry_in=seconds)
        return Ending("failed", policy.describe_error(error))
    return Ending("done", result=result)


def _interrupted(context: JobContext, reason: str | None) -> Ending:
    if context.cancelled:
        return Ending("cancelled", reason)
    if context.time_left < 0:
        return Ending("failed", out_of_time(context.job))
    return Ending("released", reason)


def out_of_time(job: Job) -> str:
    """The error of an attempt that exceeded its time limit."""
    return f"Stopped at its time limit of {job.time_limit} seconds; raise it if the job needs more"


def _record(engine: sa.Engine, policy: Policy, context: JobContext, ending: Ending) -> Outcome:
    """Record the outcome; retry through a database restart for as long as the lease holds.

    If it cannot be recorded, because a hook fails or the result is not valid JSON, the attempt
    is recorded as failed for that reason, without calling the hook.
    """
    while True:
        try:
            with engine.begin() as connection:
                policy.admit(connection)
                return leases.finish(connection, policy, context.job, ending)
        except (LeaseLostError, OutdatedError):
            raise
        except sa.exc.DBAPIError as error:
            if not isinstance(error, sa.exc.OperationalError) and policy.retry_in(error) is None:
                raise
            if context.lost:
                raise LeaseLostError(
                    f"{context.job.name}: the database did not come back within the lease"
                ) from None
            time.sleep(_RETRY)
        except Exception as error:
            if policy.on_finished is no_hook:
                raise
            _log.exception("Could not record the outcome of %s", context.job.name)
            fault = f"Its outcome could not be recorded: {policy.describe_error(error)}"
            ending = replace(ending, state="failed", error=fault, result=None)
            policy = replace(policy, on_finished=no_hook)


def _recorded_by_another(engine: sa.Engine, job: Job, reason: str, duration: float) -> Outcome:
    """The recorded outcome of an attempt that lost its job or whose connection broke."""
    state, error = "crashed", reason
    try:
        with engine.connect() as connection:
            attempt = leases.attempt(connection, job.token or 0)
        if attempt is not None and attempt.state != "running":
            state, error = attempt.state, attempt.error or ""
    except sa.exc.OperationalError as fault:
        _log.warning("%s, and the database is unavailable", reason)
        _log.debug("It failed", exc_info=fault)
    return Outcome(
        job_id=job.id,
        name=job.name,
        handler=job.handler,
        token=job.token or 0,
        state=state,
        pid=job.reserved_pid or 0,
        error=error or None,
        duration=duration,
    )
