"""The worker process of the web server, started when no other worker runs jobs.

An action on a page starts a job. A worker elsewhere (`background-job:worker`, on any host) runs
it; while none is listening, the server runs its own. It is a separate process, and a sync commits
batch by batch, so a restart of either loses nothing.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from types import TracebackType

from sqlalchemy.exc import DBAPIError

from app import logs
from app.application import Application, open_application
from app.database.errors import translate
from app.errors import DatabaseError
from app.operations import jobs
from app.settings import Settings
from jobs.model import Outcome
from jobs.notify import anyone_listening

_log = logging.getLogger(__name__)

LOOK_EVERY = 15.0
"""Seconds between two checks for another worker."""

PATIENCE = 70.0
"""Seconds for the worker to finish its batch and give its job back, plus a margin."""

WORKERS = 2
"""Jobs at the same time, so that *Run now* does not wait for a long sync."""


class EmbeddedWorker:
    """Runs a worker for the duration of the block while no other worker is listening."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._over = threading.Event()
        self._process: SpawnProcess | None = None
        self._thread = threading.Thread(target=self._look_after, name="worker-watch", daemon=True)

    def __enter__(self) -> EmbeddedWorker:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        process = self._process
        if process is None:
            return
        process.terminate()
        process.join(PATIENCE)
        if process.exitcode is None:
            _log.error("The worker does not stop; its jobs become due when their leases expire")
            process.kill()
            process.join()

    def _look_after(self) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            pause = LOOK_EVERY
            if self._process is not None and self._process.exitcode is None:
                continue
            try:
                with self._app.engine.connect() as connection:
                    needed = not anyone_listening(connection)
            except DBAPIError as error:
                _log.warning("Waiting for the database. %s", translate(error))
                continue
            if needed:
                self._process = _start(self._app.settings)


def _start(settings: Settings) -> SpawnProcess:
    """Start a new interpreter: the runner forks, which a process with threads must not."""
    process = multiprocessing.get_context("spawn").Process(
        target=work, args=(settings, logging.root.level), name="openregister-worker"
    )
    process.start()
    return process


def work(settings: Settings, level: int) -> None:
    """Run jobs until stopped, or until the parent server has exited.

    `level` is the log level of the server.
    """
    logs.configure(level)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server passes a Ctrl-C on
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_leave_after, args=(parent,), daemon=True).start()
    try:
        with open_application(settings) as app:
            jobs.work(app, workers=WORKERS, report=_report)
    except DatabaseError as error:  # such as an upgrade: report it without a traceback
        _log.error("The worker stopped: %s", error)
        raise SystemExit(1) from None


def _leave_after(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _report(outcome: Outcome) -> None:
    level = logging.WARNING if outcome.bad else logging.INFO
    _log.log(level, "%s: %s %s", outcome.name, outcome.state, outcome.error or "")
