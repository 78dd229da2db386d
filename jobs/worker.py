"""The permanent worker: runs jobs within a second of their falling due or being requested."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import psycopg
import sqlalchemy as sa

from jobs import leases, store
from jobs.attempt import Handlers
from jobs.errors import OutdatedError
from jobs.notify import Listener
from jobs.policy import Policy
from jobs.pool import Pool, Report
from jobs.processes import this_process
from jobs.run_pass import Summary, ignore

_log = logging.getLogger(__name__)

_MAX_RETRY = 30.0  # seconds between two attempts to reach the database
_MIN_INTERVAL = 0.2  # seconds between two polls, however often it is notified


def run_worker(
    engine: sa.Engine,
    policy: Policy,
    handlers: Handlers,
    *,
    workers: int = 1,
    report: Report = ignore,
    beat: Callable[[], None] = lambda: None,
) -> Summary:
    """Run jobs in up to `workers` processes until SIGTERM or SIGINT.

    Then handlers stop at their next safe point, give their jobs back, and this returns. While
    the database is down it retries, first after a second, then at intervals of up to half a
    minute. `beat` is called at every poll, at most `policy.poll` seconds apart.
    Raises OutdatedError once a newer version has upgraded the database.
    """
    with Pool(engine, policy, handlers, workers, report) as pool:
        listener = Listener(engine)
        retry = 1.0
        while not pool.stopping:
            try:
                if policy.listens:
                    listener.listen()
                _admit(engine, policy)
                beat()
                pause = _dispatch(engine, policy, pool)
                retry = 1.0
            except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
                _log.warning("Waiting for the database. %s", policy.describe_error(error))
                listener.close()
                pause = retry
                retry = min(retry * 2, _MAX_RETRY)
            _wait(pool, listener, pause)
        listener.close()
        pool.leave()
    if pool.outdated is not None:
        raise OutdatedError(pool.outdated)
    return Summary(pool.started, pool.failed, pool.repaired)


def _admit(engine: sa.Engine, policy: Policy) -> None:
    with engine.begin() as connection:
        policy.admit(connection)


def _dispatch(engine: sa.Engine, policy: Policy, pool: Pool) -> float:
    """Start children on the due jobs; returns the seconds until the next poll."""
    with engine.connect() as connection:
        due = leases.look(connection, policy, this_process().host, pool.free)
        pause = min(policy.poll, store.seconds_to_next(connection))
    pool.drain(due)
    return pause


def _wait(pool: Pool, listener: Listener, pause: float) -> None:
    """Wait for a notification, a free child or the next poll."""
    began, free = time.monotonic(), pool.free
    while not pool.stopping:
        left = began + pause - time.monotonic()
        pool.step(max(0.0, left), [listener] if listener.listening else [])
        if listener.notified() or pool.free > free or left <= 0:
            break
    time.sleep(max(0.0, began + _MIN_INTERVAL - time.monotonic()))
