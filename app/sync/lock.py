"""Work under a source's lock: a run with its number, its heartbeat, and a recorded end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from app import logs
from app.application import Application
from app.database.engine import describe
from app.database.errors import translate
from app.errors import (
    HeldError,
    LostRunError,
    NewerDatabaseError,
    OpenRegisterError,
    PlanChangedError,
    expected,
)
from app.sync import tracing
from app.sync.drift import DriftError
from app.sync.model import Finish, Run, Start
from app.sync.report import RunState
from app.sync.run_store import HEARTBEAT_SECONDS, LOOK_SECONDS, RunStore
from app.sync.tracing import Trace
from jobs.processes import forget_peak_memory, peak_memory

_log = logging.getLogger(__name__)

Stop = Callable[[], bool]
"""Whether the work should stop."""
Work = Callable[[int, Stop], Finish]
"""The work under the lock, given the number of its run; returns how it ended."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run; `error` is its error, for callers that distinguish failures."""

    run: Run
    error: OpenRegisterError | None = None


def under_lock(
    app: Application,
    start: Start,
    work: Work,
    *,
    source: str,
    should_stop: Stop = lambda: False,
) -> Result:
    """Do work as a run: with the source's lock, a heartbeat, and a recorded end in any case.

    `should_stop`, `source:cancel` and the loss of the run ask `work` to stop. Raises
    AlreadyRunningError and LostRunError.
    """
    run_id = RunStore(app.engine).start(start)
    forget_peak_memory()
    with (
        logs.bound(run=run_id, source=source),
        tracing.run(run_id, source, trigger=start.trigger, actor=start.actor) as trace,
    ):
        _log.info("The run started", extra={"trigger": start.trigger, "actor": start.actor})
        with _heartbeat(app, run_id, should_stop) as lease:
            finish, error = _attempt(app, run_id, work, lease)
        if lease.lost:
            _log.error("The run was taken away: %s", lease.lost)
            raise lease.lost
        done = RunStore(app.engine).finish(run_id, replace(finish, peak_memory=peak_memory()))
        _log_end(done)
        _tell_trace(trace, done)
    return Result(done, error)


def _log_end(run: Run) -> None:
    """Log how it ended, with its figures. Commands also report this to the user."""
    failed = run.state is RunState.FAILED and run.trigger != "manual"
    _log.log(
        logging.WARNING if failed else logging.INFO,
        "The run ended",
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


def _attempt(
    app: Application, run_id: int, work: Work, lease: _Lease
) -> tuple[Finish, OpenRegisterError | None]:
    """Do the work; its error becomes the end of the run."""
    try:
        return work(run_id, lease.stop), None
    except (LostRunError, NewerDatabaseError):
        raise  # the end of this run is not ours to record
    except PlanChangedError as error:
        return Finish(RunState.CANCELLED, message=str(error), syncs=False), error
    except DriftError as error:
        drift = error.drift.as_json()
        return Finish(RunState.HELD, message=str(error), drift=drift, syncs=False), error
    except HeldError as error:  # more deletions wait than were approved
        return Finish(RunState.CANCELLED, message=error.what, syncs=False), error
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
    """Report `error`, and not that its end could not be recorded either."""
    try:
        yield
    except (SQLAlchemyError, LostRunError) as second:
        _log.warning("The end of the run could not be recorded: %s", translate(second) or second)
        raise error from None


class _Lease:
    """What the heartbeat thread knows; `stop` is whether the work should stop."""

    def __init__(self, should_stop: Stop) -> None:
        self._should_stop = should_stop
        self.cancelled = False
        self.lost: LostRunError | None = None

    def stop(self) -> bool:
        return self.cancelled or self.lost is not None or self._should_stop()


@contextmanager
def _heartbeat(app: Application, run_id: int, should_stop: Stop) -> Iterator[_Lease]:
    """Renew the run's lease in a thread while the block lasts."""
    lease, over, store = _Lease(should_stop), threading.Event(), RunStore(app.engine)

    def beat() -> None:
        renewed = time.monotonic()
        while not over.wait(LOOK_SECONDS):
            try:
                if time.monotonic() - renewed >= HEARTBEAT_SECONDS:
                    renewed = time.monotonic()
                    lease.cancelled |= store.heartbeat(run_id)
                elif not lease.cancelled:
                    lease.cancelled = store.asked_to_stop(run_id)
            except LostRunError as error:
                lease.lost = error
                return
            except SQLAlchemyError:
                continue  # the batch's own transaction reports a lost connection

    thread = threading.Thread(target=beat, name="run-heartbeat", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        over.set()
        thread.join()
