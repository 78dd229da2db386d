"""Running a source: the lock, the heartbeat, the pipeline, and an honest end."""

from __future__ import annotations

import logging
import resource
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from app import logs
from app.alerts import review
from app.application import Application
from app.database.engine import describe
from app.database.errors import translate
from app.errors import (
    LostRunError,
    NewerDatabaseError,
    OpenRegisterError,
    PlanChangedError,
    expected,
)
from app.mapping.target import Target
from app.sources import connect, document, targets
from app.sources import store as source_store
from app.sources.document import OnMissing
from app.sources.model import Source
from app.sync import drift as drifting
from app.sync import tracing
from app.sync import verdict as judging
from app.sync.batch import Observer
from app.sync.drift import DriftError
from app.sync.missing import DeleteGuard
from app.sync.model import SETTLED, Finish, Run, Start
from app.sync.pipeline import Options, Outcome, Sync
from app.sync.postgres.writer import RunIdentity, RunObjects
from app.sync.report import Counters, ErrorBudget, RunState
from app.sync.run_store import HEARTBEAT_SECONDS, RunStore
from app.sync.tracing import Trace
from connectors.sdk import Connector, ConnectorConfig, ConnectorError
from connectors.sdk.rows import Batch, Cursor, End
from jobs import store as jobs

_log = logging.getLogger(__name__)

Stop = Callable[[], bool]
"""Whether the work was asked to stop."""


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants what. `trigger` is manual, cron or api; `limit` stops after so many rows.

    `accept_drift`: the source's fields are right as they are now, whatever they were before.
    """

    trigger: str = "manual"
    actor: str = "cli"
    full: bool = False
    limit: int | None = None
    accept_drift: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run; `error` is what made it fail, for callers that tell failures apart."""

    run: Run
    error: OpenRegisterError | None = None


@dataclass(slots=True)
class Job:
    """One run on its way: the source, its compiled targets and how to read it."""

    app: Application
    source: Source
    targets: Sequence[Target]
    cursor: Cursor | None
    request: Request
    fingerprint: bytes
    connector: Connector[ConnectorConfig] | None = None
    """The connector that read it, once it has been opened."""
    spooled: Callable[[], Iterator[Batch]] | None = None
    """Its rows, where they have been read already; else the connector reads them."""

    @property
    def options(self) -> Options:
        options = sync_options(self.app, self.source, limit=self.request.limit)
        return replace(options, from_start=self.cursor is None)


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
    should_stop: Callable[[], bool] = lambda: False,
    beforehand: Callable[[Job], None] = lambda job: None,
) -> Result:
    """Sync one source to its end and return the finished run, whatever its state.

    A failure of the source is a run in state `failed`, not an exception. `beforehand` looks at
    the job once the source is locked and may still raise. Raises AlreadyRunningError and
    ConfigurationError (nothing was started) and LostRunError (the run was taken away; whoever
    took it has recorded that).
    """
    job = prepare(app, name, request)
    full = job.cursor is None
    start = Start(job.source.id, request.trigger, request.actor, full=full, cursor=job.cursor)

    def work(run_id: int, stop: Stop) -> Finish:
        beforehand(job)
        return _sync(job, run_id, observe, stop)

    result = under_lock(app, start, work, source=job.source.name, should_stop=should_stop)
    if result.run.state is RunState.FAILED:
        _mark_error(app, job.source.id, result.run)
    elif result.run.complete and request.limit is None:
        result = replace(result, run=_tell(app, job, result.run))
    with app.engine.begin() as connection:
        review.review(connection, job.source.id)
    return result


def _tell(app: Application, job: Job, run: Run) -> Run:
    """Let the connector do what had to wait for the commit, such as moving a file away."""
    if job.connector is None:
        return run
    cursor = job.source.cursor if run.cursor_after is None else run.cursor_after
    try:
        job.connector.after_commit(cursor)
    except ConnectorError as error:
        return RunStore(app.engine).warn(
            run.id, f"The rows are safe, but the source was not tidied: {error}"
        )
    return run


def under_lock(
    app: Application,
    start: Start,
    work: Callable[[int, Stop], Finish],
    *,
    source: str,
    should_stop: Stop = lambda: False,
) -> Result:
    """Do something as a run: with the source's lock, a heartbeat, and an end in any case.

    `work` gets the run's number and whether it was asked to stop. Raises AlreadyRunningError
    and LostRunError.
    """
    run_id = RunStore(app.engine).start(start)
    with (
        logs.bound(run=run_id, source=source),
        tracing.run(run_id, source, trigger=start.trigger, actor=start.actor) as trace,
    ):
        _log.info("The run has started", extra={"trigger": start.trigger, "actor": start.actor})
        with heartbeat(app, run_id) as pulse:
            finish, error = _attempt(
                app, run_id, lambda: work(run_id, lambda: pulse.stop or should_stop())
            )
        if pulse.lost:
            _log.error("The run was taken away: %s", pulse.lost)
            raise pulse.lost
        done = RunStore(app.engine).finish(run_id, replace(finish, peak_memory=peak_memory()))
        _tell_log(done)
        _tell_trace(trace, done)
    return Result(done, error)


def _tell_log(run: Run) -> None:
    """How it ended, with its figures. Who runs it by hand is told by the command as well."""
    failed = run.state is RunState.FAILED and run.trigger != "manual"
    _log.log(
        logging.WARNING if failed else logging.INFO,
        "The run has ended",
        extra={"state": run.state.value, "why": run.message, "counts": run.counters.as_dict()},
    )


def _tell_trace(trace: Trace, run: Run) -> None:
    trace.note(
        state=run.state.value,
        complete=run.complete,
        complete_because=run.complete_because,
        rejected_before=run.rejected_before,
    )
    trace.count(run.counters)
    if run.state is RunState.FAILED:
        trace.failed(run.message or "The run failed")


def _mark_error(app: Application, source_id: int, run: Run) -> None:
    """After so many failures in a row the source says so itself; it stays scheduled."""
    limit = app.instance().source.error_after_failures
    with app.engine.begin() as connection:
        source = source_store.by_id(connection, source_id)
        if limit and source.failures >= limit:
            source_store.set_status(connection, source_id, "error", run.message or "")


def _attempt(
    app: Application, run_id: int, work: Callable[[], Finish]
) -> tuple[Finish, OpenRegisterError | None]:
    """The work itself; what it raised becomes the way the run ended."""
    try:
        return work(), None
    except (LostRunError, NewerDatabaseError):
        raise  # the end of this run is for others to write
    except PlanChangedError as error:
        return Finish(RunState.CANCELLED, message=str(error), syncs=False), error
    except DriftError as error:
        drift = error.drift.as_json()
        return Finish(RunState.HELD, message=str(error), drift=drift, syncs=False), error
    except OpenRegisterError as error:
        return Finish(RunState.FAILED, message=str(error)), error
    except KeyboardInterrupt:
        RunStore(app.engine).finish(run_id, Finish(RunState.CANCELLED, message="Interrupted"))
        raise
    except Exception as error:
        known = translate(error, describe(app.engine.url)) or expected(error)
        with _first(error):
            RunStore(app.engine).finish(run_id, Finish(RunState.FAILED, message=str(known)))
        raise


@contextmanager
def _first(error: Exception) -> Iterator[None]:
    """Let `error` be told, and not that its end could not be recorded either."""
    try:
        yield
    except (SQLAlchemyError, LostRunError) as second:
        _log.warning("The end of the run is not recorded: %s", translate(second) or second)
        raise error from None


def _sync(job: Job, run_id: int, observe: Observer, stop: Stop) -> Finish:
    app, source, options = job.app, job.source, job.options
    identity = RunIdentity(run_id, source.id, source.name, job.request.actor, job.fingerprint)

    def observed(counters: Counters, total: int | None) -> None:
        _log.debug("A batch is committed", extra={"so_far": counters.as_dict(), "total": total})
        observe(counters, total)

    connector = job.connector or connect.connector(app, source, limit=job.request.limit, stop=stop)
    job.connector = connector
    batches = job.spooled() if job.spooled else connector.read(job.cursor)
    lanes = document.SourceOptions.model_validate(source.options).lanes
    with RunObjects(app.engine, identity, lanes=lanes) as objects:
        store = tracing.traced(objects, source.name)
        sync = Sync(job.targets, store, options, observe=observed, stop=stop)
        watch = drifting.watch(app, source, accept=job.request.accept_drift)
        outcome = sync.run(watch.over(batches))
    verdict = judging.judge(outcome, options, job.targets, source)
    whole = job.request.limit is None or outcome.end is not None
    if verdict.state in SETTLED and whole:
        watch.accept(app, full=job.cursor is None)
    return Finish(
        verdict.state,
        complete=outcome.complete,
        complete_because=outcome.because,
        full=outcome.end is End.FULL,
        syncs=whole,
        message=verdict.message,
        warnings=[*verdict.warnings, *watch.warnings],
        drift=watch.drift.as_json() if watch.drift else None,
        cursor={} if verdict.read_again else outcome.cursor,
        cursor_fingerprint=job.fingerprint,
        findings=connector.context.findings.new if whole and taken(outcome) else {},
    )


def sync_options(app: Application, source: Source, *, limit: int | None = None) -> Options:
    """The source's own options over the instance's defaults."""
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
    """Whether a row was taken for one: what was found out of rubbish or nothing is not kept."""
    return outcome.counters.read > outcome.counters.errors


def peak_memory() -> int:
    """The most memory this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _full_is_due(source: Source, now: datetime) -> bool:
    """Whether the periodic full pass of an incremental source has come round."""
    every = source.options.get("full_every")
    if every is None:
        return False
    last = source.last_full
    return last is None or now - last >= timedelta(seconds=document.span_seconds(every))


class Pulse:
    """What the heartbeat thread has learned."""

    def __init__(self) -> None:
        self.cancelled = False
        self.lost: LostRunError | None = None

    @property
    def stop(self) -> bool:
        return self.cancelled or self.lost is not None


@contextmanager
def heartbeat(app: Application, run_id: int) -> Iterator[Pulse]:
    """Renew the run's lease in a thread while the block lasts."""
    pulse, over = Pulse(), threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            try:
                pulse.cancelled |= RunStore(app.engine).heartbeat(run_id)
            except LostRunError as error:
                pulse.lost = error
                return
            except SQLAlchemyError:
                continue  # the batch's own transaction reports a lost connection

    thread = threading.Thread(target=beat, name="run-heartbeat", daemon=True)
    thread.start()
    try:
        yield pulse
    finally:
        over.set()
        thread.join()
