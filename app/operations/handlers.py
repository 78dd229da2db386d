"""Background work: its handlers, the runner's policy, and the clean-up jobs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from app.alerts import cron_ticks, review
from app.application import Application
from app.database.engine import keeps_sessions
from app.database.errors import retry_in, translate
from app.database.revision import fence
from app.errors import (
    AlreadyRunningError,
    HeldError,
    NewerDatabaseError,
    OpenRegisterError,
    expected,
)
from app.sources import jobs as scheduling
from app.sources import store as source_store
from app.sources.schedules import schedule as schedules
from app.sync import quarantine
from app.sync import run as running
from app.sync.after import held, replay
from app.sync.after import undo as undoing
from app.sync.model import Run
from app.sync.report import RunState
from app.sync.run import Request
from app.sync.run_store import RunStore
from connectors.sdk import RetriableError
from connectors.sdk.redact import redact
from jobs import store as jobs
from jobs.context import Handler, JobContext
from jobs.errors import Interrupted, OutdatedError, Postponed
from jobs.model import Job, Outcome, Plan
from jobs.policy import Policy, Window

_log = logging.getLogger(__name__)

CLEAN_UP = "housekeeping.clean_up"
REPAIR = "housekeeping.repair_runs"
ANCHOR = "audit.anchor"

_BUSY_AGAIN = 60.0
"""Seconds until a source that is already running is retried."""


class SyncFailedError(OpenRegisterError):
    """The sync ended as failed; its run has the details."""


def handlers(app: Application) -> dict[str, Handler]:
    """The function of every handler name."""

    def sync(context: JobContext, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return sync_source(app, context, arguments)

    def clean(context: JobContext, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return clean_up(app)

    def repair(context: JobContext, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return {"crashed": [run.id for run in RunStore(app.engine).repair()]}

    def anchor(context: JobContext, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        from app.audit import anchors  # an HTTP client and signatures: not for every pass

        return anchors.deliver(app)

    def retry(context: JobContext, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return retry_errors(app, context, arguments)

    def undo(context: JobContext, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return undo_run(app, context, arguments)

    def approve(context: JobContext, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return approve_deletes(app, context, arguments)

    def deliver(context: JobContext, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return review.deliver(app, context, arguments)

    return {
        scheduling.HANDLER: sync,
        scheduling.RETRY: retry,
        scheduling.UNDO: undo,
        scheduling.APPROVE: approve,
        CLEAN_UP: clean,
        REPAIR: repair,
        ANCHOR: anchor,
        review.DELIVER: deliver,
    }


def policy(app: Application) -> Policy:
    """The runner's policy, from the instance's settings."""
    settings = app.instance()
    listens = keeps_sessions(app.engine)
    return Policy(
        next_run=scheduling.next_run,
        on_crashed=lambda connection, job, _: crashed(app, connection, job),
        on_finished=finished,
        describe_error=lambda error: redact(str(translate(error) or expected(error))),
        retry_in=retry_in,
        admit=admit,
        listens=listens,
        poll=15.0 if listens else 2.0,
        max_running=settings.queue.max_parallel or None,
        max_running_per_host=settings.queue.max_parallel_per_host or None,
        window=_window(settings.maintenance.window, settings.maintenance.timezone),
    )


def admit(connection: sa.Connection) -> None:
    """Bind a transaction of the runner to this version. Raises OutdatedError."""
    try:
        fence(connection)
    except NewerDatabaseError as error:
        raise OutdatedError(str(error)) from None


def ensure_housekeeping(app: Application) -> None:
    """Plan the clean-up jobs; costs nothing if they are already planned."""
    with app.engine.begin() as connection:
        now = jobs.clock(connection)
        _ensure(connection, CLEAN_UP, "daily 02:00", now, time_insensitive=True)
        _ensure(connection, REPAIR, "every 5 minutes", now, time_insensitive=False)
        if app.settings.anchor_file or app.settings.anchor_webhook_url:
            try:
                _ensure(
                    connection, ANCHOR, app.settings.anchor_schedule, now, time_insensitive=False
                )
            except schedules.ScheduleError as error:  # syncs go on without anchors
                _log.error("OPENREGISTER_ANCHOR_SCHEDULE is not valid: %s", error)


def _ensure(
    connection: sa.Connection, handler: str, schedule: str, now: datetime, *, time_insensitive: bool
) -> None:
    plan = Plan(
        handler=handler,
        key=handler,
        schedule=schedule,
        time_insensitive=time_insensitive,
        time_limit=3600,
    )
    jobs.ensure(connection, plan, schedules.parse(schedule).next_after(now))


def sync_source(
    app: Application, context: JobContext, arguments: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Run a source as a job.

    Raises Interrupted if it was stopped early, Postponed if the source asks to wait or is
    already running, and SyncFailedError if the run failed.
    """
    source = app.read(source_store.by_id, int(arguments["source_id"]))
    if not source.enabled:
        return {"skipped": "the source is disabled"}
    request = Request(
        trigger=arguments.get("trigger", "cron"), actor=arguments.get("actor", "cron")
    )
    with _patiently():
        result = running.run(app, source.name, request, should_stop=lambda: context.should_stop)
    run = result.run
    _unless_interrupted(context, run)
    if run.state is RunState.FAILED:
        if isinstance(result.error, RetriableError) and result.error.retry_after:
            raise Postponed(result.error.retry_after, str(result.error))
        raise SyncFailedError(run.message or "The sync failed", where=f"run {run.id}")
    return {"run": run.id, "state": run.state.value, **run.counters.as_dict()}


def retry_errors(
    app: Application, context: JobContext, arguments: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Replay a source's quarantine as a job. Raises Interrupted, Postponed as `sync_source`."""
    source = app.read(source_store.by_id, int(arguments["source_id"]))
    request = Request(trigger="api", actor=str(arguments["actor"]))
    with _patiently():
        result = replay.retry_errors(
            app, source.name, request, should_stop=lambda: context.should_stop
        )
    _unless_interrupted(context, result.run)
    return {"run": result.run.id, "state": result.run.state.value}


def undo_run(
    app: Application, context: JobContext, arguments: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Undo a run as a job. Raises Interrupted, Postponed as `sync_source`."""
    with _patiently():
        undone = undoing.undo(
            app,
            int(arguments["run_id"]),
            actor=str(arguments["actor"]),
            trigger="api",
            should_stop=lambda: context.should_stop,
        )
    if undone.run is not None:
        _unless_interrupted(context, undone.run)
    return {"run": undone.run.id if undone.run else None, "skipped": undone.skipped}


def approve_deletes(
    app: Application, context: JobContext, arguments: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Delete what a user has approved. Raises Interrupted, Postponed as `sync_source`.

    If more deletions wait by now, nothing is deleted, as the cancelled run reports.
    """
    source = app.read(source_store.by_id, int(arguments["source_id"]))
    try:
        with _patiently():
            run = held.approve(
                app,
                source.name,
                ceiling=int(arguments["ceiling"]),
                actor=str(arguments["actor"]),
                trigger="api",
                should_stop=lambda: context.should_stop,
            )
    except HeldError as error:
        return {"deleted": 0, "refused": str(error)}
    _unless_interrupted(context, run)
    return {"deleted": run.counters.deleted}


@contextmanager
def _patiently() -> Iterator[None]:
    """Retry the job later if the source is already running. Raises Postponed."""
    try:
        yield
    except AlreadyRunningError as error:
        raise Postponed(_BUSY_AGAIN, error.what) from None


def _unless_interrupted(context: JobContext, run: Run) -> None:
    """Raise Interrupted if the run stopped because its job was asked to."""
    if run.state is RunState.CANCELLED and context.should_stop:
        raise Interrupted


def crashed(app: Application, connection: sa.Connection, job: Job) -> None:
    """A job's process died: its sync run is no longer running, whatever its row says."""
    if job.handler == scheduling.HANDLER:
        # not a run started by a user meanwhile, for which this job waited
        RunStore(app.engine).crash(
            connection,
            int(job.arguments["source_id"]),
            host=job.reserved_by or "",
            pid=job.reserved_pid or 0,
        )


def finished(connection: sa.Connection, job: Job, _outcome: Outcome) -> None:
    """A sync's job has ended, with or without a run: send the alerts that are due."""
    if job.handler == scheduling.HANDLER:
        review.review(connection, int(job.arguments["source_id"]))


def clean_up(app: Application) -> Mapping[str, int]:
    """Delete history past its retention; audit entries are never deleted."""
    retention = app.instance().retention
    with app.engine.begin() as connection:
        removed = {}
        if retention.runs_days:
            removed["runs"] = RunStore(app.engine).purge(
                connection, timedelta(days=retention.runs_days)
            )
        if retention.quarantine_days:
            removed["quarantine"] = quarantine.purge(
                connection, older_than=timedelta(days=retention.quarantine_days)
            )
        if retention.job_history_days:
            past = timedelta(days=retention.job_history_days)
            removed["jobs"] = jobs.forget_given_up(connection, past)
            removed["job_runs"] = jobs.forget_history(connection, past)
        if retention.cron_ticks_days:
            removed["cron_ticks"] = cron_ticks.purge(
                connection, older_than=timedelta(days=retention.cron_ticks_days)
            )
    return removed


def _window(text: str, zone: str) -> Window:
    if not text:
        return Window(timezone=zone)
    first, last = (time.fromisoformat(part) for part in text.split("-"))
    length = (last.hour * 60 + last.minute - first.hour * 60 - first.minute) % (24 * 60)
    return Window(start=first, length=timedelta(minutes=length or 24 * 60), timezone=zone)
