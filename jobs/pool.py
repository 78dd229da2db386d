"""The child processes of one runner: started as needed, supervised, killed at their time limit."""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

import sqlalchemy as sa

from jobs import leases
from jobs.attempt import Handlers
from jobs.child_process import Child, ClaimFailed, Outdated, Refused, Started
from jobs.model import Outcome
from jobs.policy import Policy
from jobs.processes import this_process

_log = logging.getLogger(__name__)

Report = Callable[[Outcome], None]


class HasFileno(Protocol):
    """An object that `select` can wait for."""

    def fileno(self) -> int: ...


class Pool:
    """Up to `size` child processes. Use it as a context manager, from the main thread.

    Inside it SIGTERM and SIGINT set `stopping` and are passed on; a second signal kills the
    children at once. `report` is called with every outcome, repairs included.
    """

    def __init__(
        self, engine: sa.Engine, policy: Policy, handlers: Handlers, size: int, report: Report
    ) -> None:
        self._engine = engine
        self._policy = policy
        self._handlers = handlers
        self._size = size
        self._report = report
        self._children: list[Child] = []
        self._pids: set[int] = set()
        self._reported: set[int] = set()
        self._killed: dict[int, str] = {}
        self._stop = threading.Event()
        self._signals = 0
        self._old_handlers: dict[int, Any] = {}
        self._alarm, self._ringer = os.pipe()
        self._next_repair = 0.0
        self.started = 0
        self.failed = 0
        self.repaired = 0
        self.error: str | None = None
        self.refusal: Refused | None = None
        self.outdated: str | None = None

    def __enter__(self) -> Self:
        os.set_blocking(self._ringer, False)
        os.set_blocking(self._alarm, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._old_handlers[number] = signal.signal(number, self._on_signal)
        self._old_wakeup = signal.set_wakeup_fd(self._ringer, warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._dismiss()
            else:
                self.leave()
        finally:
            signal.set_wakeup_fd(self._old_wakeup)
            for number, handler in self._old_handlers.items():
                signal.signal(number, handler)
            os.close(self._alarm)
            os.close(self._ringer)

    @property
    def stopping(self) -> bool:
        """Whether a signal asked it to stop."""
        return self._stop.is_set()

    @property
    def busy(self) -> bool:
        """Whether any child has an order."""
        return any(child.busy for child in self._children)

    @property
    def free(self) -> int:
        """How many orders can be accepted right now."""
        return self._size - sum(child.busy for child in self._children)

    def drain(self, due: int, *, until: float | None = None, count: int | None = None) -> None:
        """Let up to `due` children run due jobs."""
        for _ in range(min(due, self.free)):
            self._idle_child().drain(until, count)

    def run(self, job_id: int, *, force: bool) -> None:
        """Let a child run one job now."""
        self._idle_child().run(job_id, force=force)

    def step(self, timeout: float, others: Iterable[HasFileno] = ()) -> None:
        """Wait up to `timeout` seconds for events, and handle them."""
        now = time.monotonic()
        moments = [child.kill_at for child in self._children if child.kill_at is not None]
        moments += [now + timeout, self._next_repair]
        pause = max(0.0, min(moments) - now)
        readers: list[int | HasFileno] = [self._alarm, *self._children, *others]
        ready, _, _ = select.select(readers, [], [], pause)
        if self._alarm in ready:
            os.read(self._alarm, 4096)
        for child in [child for child in self._children if child in ready]:
            self._listen(child)
        self._end_the_overdue()
        if time.monotonic() >= self._next_repair:
            self.repair()

    def repair(self) -> None:
        """End the attempts of lost processes, on this host or others."""
        self._next_repair = time.monotonic() + self._policy.lease / 4
        try:
            for outcome in leases.reap(self._engine, self._policy, this_process(), self._killed):
                self._note_repair(outcome)
        except sa.exc.DBAPIError as error:
            self.error = self._policy.describe_error(error)
            self._next_repair = time.monotonic() + 1

    def leave(self) -> None:
        """Ask every handler to stop at its next safe point; kill those that take too long."""
        for child in self._children:
            child.ask_to_stop()
        patience = time.monotonic() + self._policy.drain
        while self._children and time.monotonic() < patience and self._signals < 2:
            self.step(min(1.0, max(0.0, patience - time.monotonic())))
        self._kill_all()

    def _idle_child(self) -> Child:
        for child in self._children:
            if not child.busy and not child.leaving:
                return child
        child = Child(self._engine, self._policy, self._handlers, self._stop, self._children)
        self._children.append(child)
        self._pids.add(child.pid)
        return child

    def _listen(self, child: Child) -> None:
        try:
            for event in child.events():
                if isinstance(event, Started):
                    self.started += 1
                    child.kill_at = time.monotonic() + event.time_limit + self._policy.grace
                elif isinstance(event, Outcome):
                    self._note(event)
                elif isinstance(event, ClaimFailed):
                    self.error = event.error
                elif isinstance(event, Outdated):
                    self.outdated = event.reason
                    self._stop.set()
                elif isinstance(event, Refused):
                    self.refusal = event
        except EOFError:
            self._children.remove(child)
            child.wait()
            if child.busy:
                self.repair()

    def _note(self, outcome: Outcome) -> None:
        # a child that was suspended reports an outcome again that was repaired meanwhile
        if outcome.token in self._reported:
            return
        self.failed += outcome.bad
        self._report(outcome)

    def _note_repair(self, outcome: Outcome) -> None:
        self._killed.pop(outcome.token, None)
        self._reported.add(outcome.token)
        if outcome.pid in self._pids:
            self.failed += outcome.bad
        else:
            self.repaired += 1
        self._report(outcome)

    def _end_the_overdue(self) -> None:
        for child in self._children:
            if child.kill_at is None or child.attempt is None or time.monotonic() < child.kill_at:
                continue
            limit = child.attempt.time_limit
            self._killed[child.attempt.token] = (
                f"Stopped at its time limit of {limit} seconds; raise it if the job needs more"
            )
            child.kill_at = None
            child.kill()

    def _dismiss(self) -> None:
        for child in self._children:
            child.dismiss()
        while self._children:
            self.step(1.0)

    def _kill_all(self) -> None:
        for child in self._children:
            child.kill()
        while self._children:
            self.step(1.0)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._stop.set()
