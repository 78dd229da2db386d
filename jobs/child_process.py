"""A child process that runs jobs, and the parent's handle on it.

Children are forked, so they start in milliseconds with everything imported, and run many jobs
each. Parent and child exchange JSON lines over two pipes: orders one way, events the other. A
child that dies loses only the attempt it was running.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import IO, Any, NoReturn

import sqlalchemy as sa

from jobs import leases
from jobs.attempt import Handlers, execute
from jobs.errors import NotRunnableError, OutdatedError
from jobs.model import Job, Outcome
from jobs.policy import Policy
from jobs.processes import Process, this_process

_log = logging.getLogger(__name__)

#: A child exits after this many jobs, which releases any memory they leaked.
JOBS_PER_CHILD = 100


@dataclass(frozen=True, slots=True)
class Started:
    """A child has started an attempt, which may take `time_limit` seconds."""

    job_id: int
    name: str
    token: int
    time_limit: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The job requested by its id could not be run."""

    reason: str
    running: bool


@dataclass(frozen=True, slots=True)
class ClaimFailed:
    """The child could not claim a job, usually because the database is unavailable."""

    error: str


@dataclass(frozen=True, slots=True)
class Outdated:
    """The database belongs to a newer version: this process may run no more jobs."""

    reason: str


@dataclass(frozen=True, slots=True)
class Idle:
    """The child waits for the next order, or is about to exit (`leaving`)."""

    leaving: bool = False


Event = Started | Refused | ClaimFailed | Outdated | Idle | Outcome
_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Started, Refused, ClaimFailed, Outdated, Idle, Outcome)
}


class Child:
    """The parent's handle on one child process."""

    def __init__(
        self,
        engine: sa.Engine,
        policy: Policy,
        handlers: Handlers,
        stop: threading.Event,
        siblings: Iterable[Child],
    ) -> None:
        orders_out, orders = os.pipe()
        events, events_in = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            # only the parent may hold the other ends, or its death would go unnoticed
            others = [orders, events, *(end for child in siblings for end in child._ends)]
            worker = _Worker(engine, policy, handlers, stop)
            _run_child(worker, orders_out, events_in, others)
        os.close(orders_out)
        os.close(events_in)
        self._orders: int | None = orders
        self._events = events
        self._unread = b""
        self.busy = False
        self.leaving = False
        self.attempt: Started | None = None
        self.kill_at: float | None = None

    @property
    def _ends(self) -> list[int]:
        return [self._events, *([] if self._orders is None else [self._orders])]

    def fileno(self) -> int:
        """Readable when there are events or the child has exited."""
        return self._events

    def drain(self, until: float | None, count: int | None) -> None:
        """Run due jobs until none is left, or until `until` (time.monotonic) or `count`."""
        self._order({"until": until, "count": count})

    def run(self, job_id: int, *, force: bool) -> None:
        """Run one job now."""
        self._order({"job": job_id, "force": force})

    def events(self) -> Iterator[Event]:
        """The events received. Raises EOFError when the child has exited."""
        received = os.read(self._events, 65536)
        if not received:
            raise EOFError
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            yield self._note(_decode(line))

    def dismiss(self) -> None:
        """Let it exit once it is idle."""
        if self._orders is not None:
            os.close(self._orders)
            self._orders = None

    def ask_to_stop(self) -> None:
        """Ask its handler to stop at the next safe point, then let it exit."""
        self.dismiss()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it now."""
        self._signal(signal.SIGKILL)

    def wait(self) -> None:
        """Wait until it has exited, and collect its exit status."""
        self.dismiss()
        os.close(self._events)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _order(self, order: dict[str, object]) -> None:
        if self._orders is None:
            return
        self.busy = True
        with suppress(BrokenPipeError):  # it has exited, as `events` will report
            os.write(self._orders, json.dumps(order).encode() + b"\n")

    def _note(self, event: Event) -> Event:
        if isinstance(event, Started):
            self.attempt = event
        elif isinstance(event, Outcome):
            self.attempt = self.kill_at = None
        elif isinstance(event, Idle):
            self.busy, self.leaving = False, event.leaving
        return event

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


class _Worker:
    """The child's side: carry out one order after another until there are no more."""

    def __init__(
        self, engine: sa.Engine, policy: Policy, handlers: Handlers, stop: threading.Event
    ) -> None:
        self.engine = engine
        self._policy = policy
        self._handlers = handlers
        self._stop = stop
        self._left = JOBS_PER_CHILD

    def serve(self, orders: IO[str], events: IO[str]) -> None:
        process = this_process()
        while self._left > 0 and not self._stop.is_set() and (line := orders.readline()):
            order = json.loads(line)
            try:
                if "job" in order:
                    self._run_one(process, events, order["job"], force=order["force"])
                else:
                    self._drain(process, events, order["until"], order["count"])
            except OutdatedError as error:
                _send(events, Outdated(str(error)))
            except sa.exc.DBAPIError as error:
                _send(events, ClaimFailed(self._policy.describe_error(error)))
            _send(events, Idle(leaving=self._left <= 0))

    def _drain(
        self, process: Process, events: IO[str], until: float | None, count: int | None
    ) -> None:
        left = self._left if count is None else min(count, self._left)
        while left > 0 and not self._stop.is_set():
            if until is not None and time.monotonic() >= until:
                return
            with self.engine.begin() as connection:
                self._policy.admit(connection)
                job = leases.claim(connection, self._policy, process)
            if job is None:
                return
            left -= 1
            self._execute(events, job)

    def _run_one(self, process: Process, events: IO[str], job_id: int, *, force: bool) -> None:
        try:
            with self.engine.begin() as connection:
                self._policy.admit(connection)
                job = leases.claim_by_id(connection, self._policy, process, job_id, force=force)
        except NotRunnableError as refusal:
            _send(events, Refused(str(refusal), refusal.running))
            return
        self._execute(events, job)

    def _execute(self, events: IO[str], job: Job) -> None:
        self._left -= 1
        _send(events, Started(job.id, job.name, job.token or 0, job.time_limit))
        _send(events, execute(self.engine, self._policy, self._handlers, job, self._stop))


def _run_child(worker: _Worker, orders: int, events: int, others: list[int]) -> NoReturn:
    """Never returns: the parent's frames, exit handlers and connections stay with the parent."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        # SIGTERM keeps the parent's handler, which sets this process's copy of `stop`; a Ctrl-C
        # reaches the whole group, and the parent passes it on as SIGTERM
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for other in others:
            os.close(other)
        worker.engine.dispose(close=False)
        with os.fdopen(orders) as lines_in, os.fdopen(events, "w") as lines_out:
            worker.serve(lines_in, lines_out)
        code = 0
    except BrokenPipeError:
        pass  # the parent has exited, so nobody is left to report to
    except BaseException:
        _log.exception("A worker process ended early")
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _send(events: IO[str], event: Event) -> None:
    try:
        events.write(_encode(event))
        events.flush()
    except BrokenPipeError:
        # the attempt itself is recorded in the database
        _log.debug("The parent process has exited")


def _encode(event: Event) -> str:
    return json.dumps({"kind": type(event).__name__, **asdict(event)}, default=str) + "\n"


def _decode(line: bytes) -> Event:
    values: dict[str, Any] = json.loads(line)
    kind = _KINDS[values.pop("kind")]
    if kind is Outcome and values["next_run"] is not None:
        values["next_run"] = datetime.fromisoformat(values["next_run"])
    return kind(**values)
