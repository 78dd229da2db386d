"""Run a source: what to do, the pipeline under the lock, and follow-up work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.alerts import review
from app.application import Application
from app.mapping.target import Target
from app.sources import connect, document, targets
from app.sources import store as source_store
from app.sources.document import OnMissing
from app.sources.model import Source
from app.sync import drift as drifting
from app.sync import lock, tracing
from app.sync import verdict as judging
from app.sync.batch import Observer
from app.sync.lock import Result, Stop
from app.sync.missing import DeleteGuard
from app.sync.model import SETTLED, Finish, Run, Start
from app.sync.pipeline import Options, Outcome, Sync
from app.sync.postgres.reader import RunIdentity
from app.sync.postgres.writer import RunObjects
from app.sync.report import Counters, ErrorBudget, RunState
from app.sync.run_store import RunStore
from connectors.sdk import Connector, ConnectorConfig, ConnectorError
from connectors.sdk.rows import Batch, Cursor, End
from jobs import store as jobs

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """Who requests what. `trigger` is manual, cron or api; `limit` stops after that many rows.

    `accept_drift`: accept the current fields of the source.
    """

    trigger: str = "manual"
    actor: str = "cli"
    full: bool = False
    limit: int | None = None
    accept_drift: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """The work of one run: the source, its compiled targets and where to continue reading."""

    app: Application
    source: Source
    targets: Sequence[Target]
    cursor: Cursor | None
    request: Request
    fingerprint: bytes

    @property
    def options(self) -> Options:
        options = sync_options(self.app, self.source, limit=self.request.limit)
        return replace(options, from_start=self.cursor is None)


Rows = Callable[[Job, Connector[ConnectorConfig], Stop], Iterator[Batch]]
"""What a run reads, once the source is locked and its connector is open."""


def _from_the_source(
    job: Job, connector: Connector[ConnectorConfig], stop: Stop
) -> Iterator[Batch]:
    return connector.read(job.cursor)


def prepare(app: Application, name: str, request: Request) -> Job:
    """Compile a source for a run. Raises NotFoundError, ConfigurationError."""
    with app.engine.connect() as connection:
        source = source_store.get(connection, name)
        now = jobs.clock(connection)
    compiled = targets.compile_targets(app, source)
    mark = targets.fingerprint(compiled)
    carry_on = bool(source.cursor) and source.cursor_fingerprint == mark
    full = request.full or not carry_on or _full_is_due(source, now)
    return Job(app, source, compiled, None if full else source.cursor, request, mark)


def run(
    app: Application,
    name: str,
    request: Request,
    *,
    observe: Observer = lambda counters, total: None,
    should_stop: Stop = lambda: False,
    rows: Rows = _from_the_source,
) -> Result:
    """Sync one source and return the finished run, whatever its state.

    A failure of the source is a run in state `failed`, not an exception. `rows` replaces the
    current rows of the source. Raises AlreadyRunningError and ConfigurationError (nothing was
    started) and LostRunError (the run was taken over, and the new owner has recorded that).
    """
    job = prepare(app, name, request)
    full = job.cursor is None
    start = Start(job.source.id, request.trigger, request.actor, full=full, cursor=job.cursor)
    work = _Work(job, rows, observe)
    result = lock.under_lock(app, start, work, source=job.source.name, should_stop=should_stop)
    if result.run.state is RunState.FAILED:
        _mark_error(app, job.source.id, result.run)
    elif result.run.complete and request.limit is None:
        result = replace(result, run=work.tidy(result.run))
    with app.engine.begin() as connection:
        review.review(connection, job.source.id)
    return result


def _mark_error(app: Application, source_id: int, run: Run) -> None:
    """After this many failures in a row the source gets the status `error`; it stays scheduled."""
    limit = app.instance().source.error_after_failures
    with app.engine.begin() as connection:
        source = source_store.by_id(connection, source_id)
        if limit and source.failures >= limit:
            source_store.set_status(connection, source_id, "error", run.message or "")


class _Work:
    """The sync itself, and work that waits until its end is recorded."""

    def __init__(self, job: Job, rows: Rows, observe: Observer) -> None:
        self._job = job
        self._rows = rows
        self._observe = observe
        self._connector: Connector[ConnectorConfig] | None = None

    def __call__(self, run_id: int, stop: Stop) -> Finish:
        job = self._job
        app, source, options = job.app, job.source, job.options
        identity = RunIdentity(run_id, source.id, source.name, job.request.actor, job.fingerprint)
        connector = connect.connector(app, source, limit=job.request.limit, stop=stop)
        self._connector = connector
        batches = self._rows(job, connector, stop)
        lanes = document.SourceOptions.model_validate(source.options).lanes
        with RunObjects(app.engine, identity, lanes=lanes) as objects:
            store = tracing.traced(objects, source.name)
            sync = Sync(job.targets, store, options, observe=self._observed, stop=stop)
            checks = drifting.check(app, source, job.targets, accept=job.request.accept_drift)
            outcome = sync.run(checks.checked(batches))
        verdict = judging.judge(outcome, options, job.targets, source)
        whole = job.request.limit is None or outcome.end is not None
        if verdict.state in SETTLED and whole:
            checks.accept(app, full=job.cursor is None)
        return Finish(
            verdict.state,
            complete=outcome.complete,
            complete_because=outcome.because,
            full=outcome.end is End.FULL,
            syncs=whole,
            message=verdict.message,
            warnings=[*verdict.warnings, *checks.warnings],
            drift=checks.drift.as_json() if checks.drift else None,
            cursor={} if verdict.read_again else outcome.cursor,
            cursor_fingerprint=job.fingerprint,
            findings=connector.context.findings.new if whole and taken(outcome) else {},
        )

    def _observed(self, counters: Counters, total: int | None) -> None:
        _log.debug("A batch was committed", extra={"so_far": counters.as_dict(), "total": total})
        self._observe(counters, total)

    def tidy(self, run: Run) -> Run:
        """Let the connector do what had to wait for the commit, such as moving a file."""
        if self._connector is None:
            return run
        cursor = self._job.source.cursor if run.cursor_after is None else run.cursor_after
        try:
            self._connector.after_commit(cursor)
        except ConnectorError as error:
            return RunStore(self._job.app.engine).warn(
                run.id, f"The rows were committed, but the source could not be cleaned up: {error}"
            )
        return run


def sync_options(app: Application, source: Source, *, limit: int | None = None) -> Options:
    """The source's options, completed with the instance's defaults."""
    own, defaults = document.SourceOptions.model_validate(source.options), app.instance().source
    return Options(
        on_missing=OnMissing(source.on_missing),
        guard=DeleteGuard(
            defaults.delete_guard_share if own.delete_guard is None else own.delete_guard,
            defaults.delete_guard_count
            if own.delete_guard_count is None
            else own.delete_guard_count,
        ),
        budget=ErrorBudget(share=own.error_share or 1.0),
        limit=limit,
    )


def taken(outcome: Outcome) -> bool:
    """Whether any row was accepted: findings from invalid data are not kept."""
    return outcome.counters.read > outcome.counters.errors


def _full_is_due(source: Source, now: datetime) -> bool:
    """Whether the periodic full read of an incremental source is due."""
    every = source.options.get("full_every")
    if every is None:
        return False
    last = source.last_full
    return last is None or now - last >= timedelta(seconds=document.span_seconds(every))
